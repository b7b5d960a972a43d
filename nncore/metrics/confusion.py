"""Metrics made of counts: true and false positives and negatives, by thresholds or by classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nncore import _checks
from nncore.metrics.base import Array, Metric, Sums, check_widths, ratio, total
from nncore.program import Program

__all__ = [
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
]

EPSILON = 1e-7  # Keras's backend.epsilon(), which it adds to the denominators of F scores


class _Counts(Metric):
    """A value for each threshold, made of the four counts."""

    def __init__(self, thresholds: float | Sequence[float] | None = None, name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self._given = thresholds
        self.thresholds = self._default() if thresholds is None else [
            _checks.real(threshold, type(self).__name__, "thresholds", 0.0, 1.0)
            for threshold in (thresholds if isinstance(thresholds, (Sequence, np.ndarray)) else [thresholds])
        ]
        if not self.thresholds:
            raise ValueError(f"{type(self).__name__}: thresholds must hold at least one number, got {thresholds!r}")

    def _default(self) -> list[float]:
        return [0.5]

    def parameters(self) -> dict[str, Any]:
        return {}

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        check_widths(self, program, y_pred, target)
        bounds = program.constant(np.array(self.thresholds, program.dtype))
        counts = program.rows(2 * len(self.thresholds) + 2, role="metric")
        program.emit("confusion_counts", (y_pred, target, weight, bounds), (counts,), **self.parameters())
        return {"counts": counts}

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> Any:
        n = len(self.thresholds)
        counts = np.asarray(sums["counts"])
        hits, alarms = counts[:n], counts[n : 2 * n]
        found = self._of(hits, alarms, counts[2 * n + 1] - alarms, counts[2 * n] - hits)
        return float(found[0]) if n == 1 else found

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        given = self._given
        if isinstance(given, (Sequence, np.ndarray)):
            given = list(self.thresholds)
        return {"thresholds": given, **super().get_config()}


class TruePositives(_Counts):
    """Sum of the weights of the positives that are predicted to be so.

    Positive are targets that are not 0; predicted to be so are outputs above the threshold. All outputs of a row
    count.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In 0 ... 1; 0.5 by default. With several the value is an array, one number for each.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1])
    2.0
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return tp


class TrueNegatives(_Counts):
    """Sum of the weights of the negatives that are predicted to be so; parameters as of `TruePositives`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0])
    2.0
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return tn


class FalsePositives(_Counts):
    """Sum of the weights of the negatives that are predicted to be positive; parameters as of `TruePositives`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1])
    2.0
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return fp


class FalseNegatives(_Counts):
    """Sum of the weights of the positives that are predicted to be negative; parameters as of `TruePositives`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0])
    2.0
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return fn


class _OfClasses(_Counts):
    """Counts among the largest outputs of a row, or in one column."""

    direction = "up"

    def __init__(self, thresholds: float | Sequence[float] | None = None, top_k: int | None = None,
                 class_id: int | None = None, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        where = type(self).__name__
        self.top_k = None if top_k is None else _checks.positive_int(top_k, where, "top_k")
        self.class_id = None if class_id is None else _checks.integer(class_id, where, "class_id", 0)
        super().__init__(thresholds, name, dtype)

    def _default(self) -> list[float]:
        return [0.5] if self.top_k is None else [-np.inf]

    def parameters(self) -> dict[str, Any]:
        given = {"top_k": self.top_k, "class_id": self.class_id}
        return {name: value for name, value in given.items() if value is not None}

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        width = program.width(y_pred)
        if (self.top_k or 0) > width or (self.class_id or 0) >= width:
            raise ValueError(f"metric {self.name!r}: there are {width} outputs, but top_k is {self.top_k} and class_id "
                             f"is {self.class_id}")
        return super().emit(program, y_pred, target, weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "top_k": self.top_k, "class_id": self.class_id}


class Precision(_OfClasses):
    """Share of what is predicted to be positive that is: ``tp / (tp + fp)``, 0 where nothing is.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        Outputs above are predicted to be positive; in 0 ... 1. By default 0.5, and none where `top_k` is given. With
        several the value is an array, one number for each.
    top_k : int, optional
        Only the k largest outputs of a row, of equal ones the first, can be predicted to be positive.
    class_id : int, optional
        The only column that counts; by default all do.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1])
    0.6666666666666666
    >>> nn.metrics.Precision(top_k=2)([[0, 0, 1, 1]], [[1, 1, 1, 1]])
    0.0
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return ratio(tp, tp + fp)


class Recall(_OfClasses):
    """Share of the positives that are predicted to be so: ``tp / (tp + fn)``, 0 where there are none.

    Parameters as of `Precision`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Recall()([0, 1, 1, 1], [1, 0, 1, 1])
    0.6666666666666666
    """

    def _of(self, tp: Array, fp: Array, tn: Array, fn: Array) -> NDArray[np.float64]:
        return ratio(tp, tp + fn)


class FBetaScore(Metric):
    """Weighted harmonic mean of precision p and recall r: ``(1 + beta**2) p r / (beta**2 p + r)``.

    As in Keras 1e-7 is added to each denominator.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None: an array, one score for each class. "micro": the score of the counts of all classes together. "macro":
        the mean of the classes' scores; "weighted": that mean weighted with how often the targets have each class.
    beta : float
        How many times as much recall weighs as precision.
    threshold : float, optional
        Outputs above are predicted, 0 < threshold <= 1. By default it is the largest output of the row.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.FBetaScore(beta=2.0, threshold=0.5)
    >>> metric([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]).round(6)
    array([0.384615, 0.909091, 0.833333])
    """

    direction = "up"

    def __init__(self, average: str | None = None, beta: float = 1.0, threshold: float | None = None,
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        where = type(self).__name__
        self.average = _checks.one_of(average, (None, "micro", "macro", "weighted"), where, "average")
        self.beta = _checks.positive(beta, where, "beta")
        self.threshold = None if threshold is None else _checks.real(threshold, where, "threshold", 0.0, 1.0)
        if self.threshold == 0:
            raise ValueError(f"{where}: threshold must be a number above 0 and at most 1, got {threshold!r}")

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Append the counts of the classes; see `Metric.emit`."""
        check_widths(self, program, y_pred, target)
        counts = program.rows(3 * program.width(y_pred), role="metric")
        bound: dict[str, Any] = {} if self.threshold is None else {"threshold": self.threshold}
        program.emit("class_counts", (y_pred, target, weight), (counts,), **bound)
        return {"counts": counts}

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> Any:
        """Return the scores of the classes, or what `average` makes of them."""
        both, predicted, true = np.asarray(sums["counts"]).reshape(3, -1)
        if self.average == "micro":
            both, predicted, true = (total(counts)[np.newaxis] for counts in (both, predicted, true))
        precision, recall, square = both / (predicted + EPSILON), both / (true + EPSILON), self.beta**2
        scores = precision * recall / (square * precision + recall + EPSILON) * (1 + square)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return float(total(scores * (true / (total(true) + EPSILON))))
        return float(total(scores) / len(scores))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {"average": self.average, "beta": self.beta, "threshold": self.threshold, **super().get_config()}


class F1Score(FBetaScore):
    """Harmonic mean of precision p and recall r, ``2 p r / (p + r)``: `FBetaScore` with beta 1.

    Parameters
    ----------
    average, threshold, name, dtype
        As of `FBetaScore`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.F1Score(threshold=0.5, average="macro")
    >>> round(metric([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]), 6)
    0.655555
    """

    def __init__(self, average: str | None = None, threshold: float | None = None, name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        config = super().get_config()
        del config["beta"]
        return config
