"""Metrics, with Keras 3's names, arguments and numbers.

Sums over the rows are in float64, and a metric that needs all rows keeps them: each is that of the whole pass, not
a mean over batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _names
from nncore.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from nncore.metrics.auc import AUC
from nncore.metrics.base import Metric
from nncore.metrics.confusion import (
    F1Score,
    FalseNegatives,
    FalsePositives,
    FBetaScore,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from nncore.metrics.means import Mean, MeanMetricWrapper, Sum
from nncore.metrics.of_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from nncore.metrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score, RootMeanSquaredError

if TYPE_CHECKING:
    from nncore.losses import Loss

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "get",
    "serialize",
]

_NAMES: dict[str, type[Metric]] = {cls.default_name: cls for cls in Metric.kinds.values()}
del _NAMES[MeanMetricWrapper.default_name]  # it wants a function
_NAMES |= {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "log_cosh": LogCoshError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
_NAMES |= {name.upper(): _NAMES[name] for name in ("bce", "kld", "mae", "mape", "mse", "msle")}
_ACCURACY = ("accuracy", "acc")


def get(identifier: object, loss: Loss | None = None, n_outputs: int | None = None) -> Metric:
    """Return the metric of a name, class, serialized form or object.

    Parameters
    ----------
    identifier : str, type, dict, Metric or callable
        A callable is a function ``fn(y_true, y_pred)`` of yours, see `MeanMetricWrapper`.
        "accuracy" and "acc" mean the accuracy that fits the loss's targets and the outputs, as in Keras:
        binary for one output, sparse for class ids, else categorical. A metric that is asked for by a string
        has that string as its name, as in Keras.
    loss : Loss, optional
        The model's loss: the metric must take the same targets. Needed for "accuracy".
    n_outputs : int, optional
        The model's outputs. Needed for "accuracy".

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.get("accuracy", nn.losses.get("sparse_categorical_crossentropy"), 10)
    SparseCategoricalAccuracy(name='accuracy')
    >>> nn.metrics.get("mse")
    MeanSquaredError(name='mse')
    """
    metric: Metric
    if isinstance(identifier, str) and identifier in _ACCURACY:
        if loss is None or n_outputs is None:
            raise ValueError(
                f"metric {identifier!r} depends on the loss and the outputs: name one of them in full"
            )
        metric = _accuracy(loss, n_outputs)
    elif callable(identifier) and not isinstance(identifier, (type, Metric)):
        metric = MeanMetricWrapper(identifier)
    else:
        metric = _names.resolve("metric", identifier, Metric, {**Metric.kinds, **_NAMES})
    if isinstance(identifier, str):
        metric.name = identifier
    if loss is not None and isinstance(metric, Mean):
        raise metric.refusal()
    ignored = getattr(loss, "ignore_class", None)
    if isinstance(metric, SparseCategoricalCrossentropy) and ignored is not None and metric.ignore_class != ignored:
        raise ValueError(f"metric {metric.name!r} must ignore the class that the loss does: ignore_class={ignored}")
    if loss is not None and metric.target_kind not in ("any", loss.target_kind):
        kinds = {"ids": "class ids (B,)", "dense": "dense targets (B, O)"}
        raise ValueError(
            f"metric {metric.name!r} takes {kinds[metric.target_kind]}, but loss {loss.name!r} is trained on "
            f"{kinds[loss.target_kind]}"
        )
    return metric


def _accuracy(loss: Loss, n_outputs: int) -> Metric:
    """Return the accuracy for what "accuracy" means here."""
    if loss.target_kind == "ids":
        return SparseCategoricalAccuracy()
    return BinaryAccuracy() if n_outputs == 1 else CategoricalAccuracy()


def serialize(metric: Metric) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal metric.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.serialize(nn.metrics.MeanSquaredError())
    {'class_name': 'MeanSquaredError', 'config': {'name': 'mean_squared_error'}}
    """
    return _names.serialize(metric, Metric.kinds)
