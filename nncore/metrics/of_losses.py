"""Losses as metrics: the mean over the rows of what a loss's kernel gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from nncore import _checks
from nncore.metrics.base import Array, Sums, _RowMean, check_widths, mean_of
from nncore.program import Program

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]

# Kernels that work in the array of their gradient, and so need one.
_WANT_ROOM = ("categorical_cross_entropy", "softmax_cross_entropy", "categorical_hinge", "cosine_similarity")


class _OfLoss(_RowMean):
    """A mean over the rows of a loss: a subclass sets `kernel`."""

    direction: ClassVar[Literal["up", "down"] | None] = "down"

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        check_widths(self, program, y_pred, target)
        rows = program.rows(None, role="metric")
        room = program.like(y_pred, role="metric") if self.kernel in _WANT_ROOM else None
        program.emit(self.kernel, (y_pred, target, weight), (rows, room), **self.parameters())
        return mean_of(rows, weight)


class MeanAbsolutePercentageError(_OfLoss):
    """Mean error in percent of the target: ``100 * mean(abs(y_true - y_pred) / max(abs(y_true), 1e-7))``.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.MeanAbsolutePercentageError()([[1.0, 4.0]], [[1.0, 2.0]])
    25.0
    """

    kernel = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(_OfLoss):
    """Mean of ``(log(1 + y_pred) - log(1 + y_true))**2``; both are at least 1e-7.

    Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.0, 0.0]]), 4)
    0.2402
    """

    kernel = "mean_squared_logarithmic_error"


class LogCoshError(_OfLoss):
    """Mean of ``log(cosh(y_pred - y_true))``. Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.LogCoshError()([[0.0]], [[1.0]]), 4)
    0.4338
    """

    default_name, kernel = "logcosh", "log_cosh"


class Poisson(_OfLoss):
    """Mean of ``y_pred - y_true * log(y_pred + 1e-7)``. Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.Poisson()([[0.0, 1.0]], [[1.0, 1.0]]), 4)
    1.0
    """

    kernel = "poisson"


class KLDivergence(_OfLoss):
    """Mean over the rows of ``sum(y_true * log(y_true / y_pred))``, both clipped to 1e-7 ... 1.

    Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.KLDivergence()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    default_name = kernel = "kl_divergence"


class Hinge(_OfLoss):
    """Mean of ``max(1 - y_true * y_pred, 0)``; targets are -1 or 1, and 0 stands for -1.

    Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Hinge()([[0, 1], [0, 0]], [[0.5, 0.5], [-1.0, -2.0]])
    0.5
    """

    kernel = "hinge"


class SquaredHinge(_OfLoss):
    """Mean of ``max(1 - y_true * y_pred, 0)**2``; targets as of `Hinge`.

    Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.SquaredHinge()([[0, 1], [0, 0]], [[0.5, 0.5], [-1.0, -2.0]])
    0.625
    """

    kernel = "squared_hinge"


class CategoricalHinge(_OfLoss):
    """Mean over the rows of ``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)``.

    Parameters as of `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.CategoricalHinge()([[0, 1, 0]], [[0.5, 1.0, 0.25]])
    0.5
    """

    kernel = "categorical_hinge"


class CosineSimilarity(_OfLoss):
    """Mean over the rows of the cosine of the angle between target and outputs (the loss is its negative).

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    axis : int
        -1 or 1, the axis of a row's outputs.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 3.0]])
    0.5
    """

    direction = "up"
    kernel = "cosine_similarity"

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        _last_axis(axis, "CosineSimilarity")

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> float:
        """Return the mean cosine."""
        return 0.0 - super().value(sums, kept, rows)


class _CrossEntropy(_OfLoss):
    """Of probabilities, or of logits."""

    kernels: ClassVar[tuple[str, str]]

    def __init__(self, name: str | None, dtype: DTypeLike | None, from_logits: bool, label_smoothing: float) -> None:
        super().__init__(name, dtype)
        where = type(self).__name__
        self.from_logits = _checks.boolean(from_logits, where, "from_logits")
        self.label_smoothing = _checks.real(label_smoothing, where, "label_smoothing", 0.0, 1.0)

    @property
    def kernel(self) -> str:  # type: ignore[override]
        return self.kernels[self.from_logits]

    def parameters(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs, the log-loss: mean of ``-(t log y + (1 - t) log(1 - y))``.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits, to which the sigmoid is still to be applied.
    label_smoothing : float
        In 0 ... 1: targets move by this share towards 0.5.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.BinaryCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    kernels = ("binary_cross_entropy", "sigmoid_binary_cross_entropy")

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, from_logits: bool = False,
                 label_smoothing: float = 0.0) -> None:
        super().__init__(name, dtype, from_logits, label_smoothing)


class CategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy between targets (B, C) and probabilities of classes, the log-loss.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits, to which the softmax is still to be applied.
    label_smoothing : float
        In 0 ... 1: targets move by this share towards the same weight for every class.
    axis : int
        -1 or 1, the axis of the classes.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    kernels = ("categorical_cross_entropy", "softmax_cross_entropy")

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1) -> None:
        super().__init__(name, dtype, from_logits, label_smoothing)
        _last_axis(axis, "CategoricalCrossentropy")


class SparseCategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy between class ids (B,) and probabilities of classes, the log-loss.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    from_logits : bool
        Whether outputs are logits, to which the softmax is still to be applied.
    ignore_class : int, optional
        A class id whose rows have no value, which may be none of 0 ... C-1, such as -1. As in Keras they count in the
        mean, as 0; with weights they do not.
    axis : int
        -1 or 1, the axis of the classes.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]), 4)
    0.6931
    """

    target_kind = "ids"
    kernels = ("categorical_cross_entropy", "softmax_cross_entropy")

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, from_logits: bool = False,
                 ignore_class: int | None = None, axis: int = -1) -> None:
        super().__init__(name, dtype, from_logits, 0.0)
        where = "SparseCategoricalCrossentropy"
        self.ignore_class = None if ignore_class is None else _checks.integer(
            ignore_class, where, "ignore_class", -(2**53), 2**53
        )
        _last_axis(axis, where)

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Append the kernel, and before it the weights where a class is ignored; see `Metric.emit`."""
        if self.ignore_class is None:
            return super().emit(program, y_pred, target, weight)
        weights, ids = program.rows(None, role="metric"), program.rows(None, role="metric", dtype=np.dtype(np.int64))
        program.emit("loss_weights", (weight, target), (weights, ids), reduction="none", ignore_class=self.ignore_class)
        found = super().emit(program, y_pred, ids, weights)
        if weight is None:
            del found["weight"]
        elif program.buffers[weight].role == "ones":  # by hand, without weights
            found["weight"] = weight
        return found

    def _target(self, y_true: ArrayLike, rows: int, outputs: int, dtype: np.dtype[Any]) -> Array:
        if self.ignore_class is None:
            return super()._target(y_true, rows, outputs, dtype)
        ignored = np.asarray(y_true) == self.ignore_class
        ids = super()._target(np.where(ignored, 0, y_true), rows, outputs, dtype)
        return np.where(ignored.reshape(-1), np.int64(self.ignore_class), ids)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        config = super().get_config()
        del config["label_smoothing"]
        return {**config, "ignore_class": self.ignore_class}


def _last_axis(axis: int, where: str) -> None:
    _checks.one_of(axis, (-1, 1), where, "axis")  # that of the outputs of a row
