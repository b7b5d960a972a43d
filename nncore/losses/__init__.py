"""Losses, with Keras 3's names and meanings.

A loss is three things: a function on arrays (``loss(y_true, y_pred)``), a check of the targets that `fit` is
given, and the op that it adds to a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, _names
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
    "QuantileLoss",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "class_weights_of",
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
    return _names.serialize(loss)


def class_weights_of(class_weight: Mapping[Any, Any] | str, targets: ArrayLike, where: str = "fit",
                     name: str = "y") -> NDArray[np.float64]:
    """Return a weight per row from weights per class.

    Parameters
    ----------
    class_weight : mapping of int to float, or "balanced"
        The weight of each class; a class that is missing has a weight of 1, as in Keras. "balanced" gives every
        class of the targets the same total weight, as in scikit-learn: ``B / (classes * rows of the class)``.
    targets : array_like
        Class ids (B,) or (B, 1), as they are: also -1 and 1. Or one-hot or soft targets (B, C), where the class is
        that of the largest element.
    where, name : str
        The function and the argument that the targets came in, for messages.

    Returns
    -------
    ndarray of float64, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.class_weights_of({0: 1.0, 1: 5.0}, [0, 1, 2])
    array([1., 5., 1.])
    >>> nn.losses.class_weights_of("balanced", [[1, 0], [1, 0], [1, 0], [0, 1]])
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    found = _checks._as_number_array(targets, where, name)
    if found.ndim == 2 and found.shape[1] > 1:
        found = found.argmax(axis=1)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise ValueError(f"{where}: class_weight wants class ids (B,) or one-hot targets (B, C), but {name} has shape "
                         f"{found.shape}")
    whole = np.isfinite(found) & (np.trunc(found) == found)
    if not whole.all():
        row = int(whole.argmin())
        raise ValueError(f"{where}: class_weight wants class ids, but {name}[{row}] is {found[row]:g}")
    ids, places = np.unique(found.astype(np.int64), return_inverse=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"{where}: class_weight must be a dict or 'balanced', got {class_weight!r}")
        weights = len(found) / (len(ids) * np.bincount(places)) if len(found) else np.ones(0)
        return np.asarray(weights[places], np.float64)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"{where}: class_weight must be a dict from class ids to weights or 'balanced', got "
                        f"{class_weight!r}")
    of_class = {}
    for key, value in class_weight.items():
        try:
            number = int(key)
            if isinstance(key, float) and number != key:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{where}: class_weight must have class ids as keys, got {key!r}") from None
        of_class[number] = _checks.real(value, where, f"class_weight[{key!r}]", 0)
    return np.array([of_class.get(int(number), 1.0) for number in ids], np.float64)[places]
