"""Losses, with Keras 3's names and meanings.

A loss is three things: a function on arrays (``loss(y_true, y_pred)``), a check of the targets that `fit` is
given, and the op that it adds to a program.
"""

from __future__ import annotations

from typing import Any

from nncore import _names
from nncore.losses.base import Loss
from nncore.losses.classification import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    PerceptronLoss,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from nncore.losses.functions import LossFunctionWrapper, is_function, is_pair
from nncore.losses.regression import (
    CosineSimilarity,
    GaussianNLLLoss,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    PoissonDeviance,
    QuantileLoss,
)

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "GaussianNLLLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PerceptronLoss",
    "Poisson",
    "PoissonDeviance",
    "QuantileLoss",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "get",
    "serialize",
]

_NAMES: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "kl_divergence": KLDivergence,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "quantile": QuantileLoss,
    "poisson": Poisson,
    "poisson_deviance": PoissonDeviance,
    "gaussian_nll": GaussianNLLLoss,
    "cosine_similarity": CosineSimilarity,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
    "perceptron": PerceptronLoss,
}
_SHORT: dict[str, type[Loss]] = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
_NAMES |= {**_SHORT, **{name.upper(): cls for name, cls in _SHORT.items()}, "logcosh": LogCosh, "pinball": QuantileLoss}
_NAMES |= {cls.__name__: cls for cls in tuple(_NAMES.values())}


def get(identifier: object) -> Loss:
    """Return the loss of a name ("mse", "MeanSquaredError"), class, serialized form, object or function.

    A function ``value(y_true, y_pred)``, or a tuple of it and its gradient, becomes a `LossFunctionWrapper`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.get("mse")
    MeanSquaredError(reduction='sum_over_batch_size', name='mean_squared_error')
    >>> nn.losses.get((lambda y_true, y_pred: abs(y_pred)[:, 0], lambda y_true, y_pred: 2 * (y_pred > 0) - 1))
    LossFunctionWrapper(<lambda>, gradient=<lambda>)
    """
    given: Any = identifier
    if is_pair(given):
        return LossFunctionWrapper(given[0], gradient=given[1])
    if is_function(given):
        return LossFunctionWrapper(given)
    return _names.resolve("loss", identifier, Loss, {**Loss.kinds, **_NAMES})


def serialize(loss: Loss) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal loss.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.serialize(nn.losses.MeanSquaredError())["class_name"]
    'MeanSquaredError'
    """
    return _names.serialize(loss, Loss.kinds)
