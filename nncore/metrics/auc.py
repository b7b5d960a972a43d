"""The area under a curve of all thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from nncore import _checks, kernels
from nncore._core import core
from nncore.metrics.base import Array, Metric, Sums, check_widths, ratio, total
from nncore.program import Program

__all__ = ["AUC"]

EPSILON = 1e-7  # Keras's backend.epsilon(): by so much the outer thresholds lie beyond 0 and 1
_CURVES = ("ROC", "PR", "PRGAIN")
_MOST = 10**6  # thresholds: a list of floats is made
_METHODS = ("interpolation", "majoring", "minoring")


class AUC(Metric):
    """Area under the ROC curve, or under the precision-recall curve; exact.

    The scores of all rows of the pass are kept and sorted at its end, so that every score is a threshold; Keras has
    200 of them. Give `num_thresholds` or `thresholds` for Keras's approximation. Memory: two numbers for each output
    of each row, and one for each row.

    ROC: true positives ``tp / P`` over false positives ``fp / N``; the probability that a positive scores above a
    negative, ties counting half. PR: precision ``tp / (tp + fp)`` over recall ``tp / P``, between two thresholds as
    tp and fp go along a straight line (Davis and Goadrich 2006). PRGAIN: the same in gains (Flach and Kull 2015). 0
    where there are only positives or only negatives, nan where a score is nan.

    Parameters
    ----------
    num_thresholds : int, optional
        Keras's approximation with so many thresholds, even in 0 ... 1: 2 ... 10**6. (Keras's default is 200.)
    curve : {"ROC", "PR", "PRGAIN"}
        The curve.
    summation_method : {"interpolation", "majoring", "minoring"}
        The height between two thresholds: as said above, the larger of the two, or the smaller.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    thresholds : sequence of float, optional
        Keras's approximation with these thresholds, and one below 0 and one above 1.
    multi_label : bool
        Whether each output has a curve of its own, and the mean of their areas counts; else all are one.
    num_labels : int, optional
        How many outputs there are, with `multi_label`: checked.
    label_weights : sequence of float, optional
        A weight for each output: of its area with `multi_label`, else of its scores.
    from_logits : bool
        Whether outputs are logits, whose sigmoid is then taken; of no account where every score is a threshold.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
    0.75
    >>> nn.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9], sample_weight=[1, 0, 0, 1])
    1.0
    """

    direction = "up"

    def __init__(self, num_thresholds: int | None = None, curve: str = "ROC", summation_method: str = "interpolation",
                 name: str | None = None, dtype: DTypeLike | None = None, thresholds: Sequence[float] | None = None,
                 multi_label: bool = False, num_labels: int | None = None,
                 label_weights: ArrayLike | None = None, from_logits: bool = False) -> None:
        super().__init__(name, dtype)
        self.curve = _checks.one_of(curve.upper() if isinstance(curve, str) else curve, _CURVES, "AUC", "curve")
        method = summation_method.lower() if isinstance(summation_method, str) else summation_method
        self.summation_method = _checks.one_of(method, _METHODS, "AUC", "summation_method")
        self.thresholds: list[float] | None = None
        self._given = None if thresholds is None else _checks.reals(thresholds, "AUC", "thresholds", 0.0, 1.0)
        inner = None if self._given is None else sorted(self._given)
        if inner is None and num_thresholds is not None:
            steps = _checks.integer(num_thresholds, "AUC", "num_thresholds", 2, _MOST) - 1
            inner = [step / steps for step in range(1, steps)]
        if inner is not None:
            self.thresholds = [-EPSILON, *inner, 1 + EPSILON]
        self.multi_label = _checks.boolean(multi_label, "AUC", "multi_label")
        if num_labels is not None and not self.multi_label:
            raise ValueError(f"AUC: num_labels goes with multi_label=True, got num_labels={num_labels!r} without it")
        self.num_labels = None if num_labels is None else _checks.positive_int(num_labels, "AUC", "num_labels")
        self.label_weights = None if label_weights is None else _checks.as_float_array(
            label_weights, "AUC", "label_weights", np.float64, 1
        )
        self.from_logits = _checks.boolean(from_logits, "AUC", "from_logits")

    @property
    def num_thresholds(self) -> int | None:
        """How many thresholds there are; None: as many as scores."""
        return None if self.thresholds is None else len(self.thresholds)

    def keep(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Return the buffers of scores, targets and weights; see `Metric.keep`."""
        check_widths(self, program, y_pred, target)
        width = program.width(y_pred)
        for name, labels in (("num_labels", self.num_labels),
                             ("label_weights", None if self.label_weights is None else len(self.label_weights))):
            if labels not in (None, width):
                raise ValueError(f"metric {self.name!r}: there are {width} outputs, but {name} is for {labels}")
        return {"y_pred": y_pred, "target": target} | ({} if weight is None else {"weight": weight})

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> float:
        """Return the area, or the mean of the areas."""
        scores, positive = kept["y_pred"], kept["target"] != 0
        if np.isnan(scores).any():
            return float("nan")
        if self.thresholds is not None:
            scores = np.clip(kernels.sigmoid_forward(scores) if self.from_logits else scores, 0, 1)
        width = scores.shape[1]
        weight = np.ones((rows, 1)) if "weight" not in kept else kept["weight"].astype(np.float64)[:, None]
        of_label = np.ones(width) if self.label_weights is None else self.label_weights
        if not self.multi_label:
            return self._area(_points(scores.ravel(), positive.ravel(), (weight * of_label).ravel(), self.thresholds))
        areas = np.array([self._area(_points(scores[:, c], positive[:, c], weight[:, 0], self.thresholds))
                          for c in range(width)])
        return float(ratio(total(areas * of_label), total(of_label)))

    def _area(self, points: _Points) -> float:
        tp, fp = points.tp, points.fp
        fn, tn = points.positives - tp, points.negatives - fp
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated(points)
        if self.curve == "ROC":
            x, y = ratio(fp, fp + tn), ratio(tp, tp + fn)
        elif self.curve == "PR":
            x, y = ratio(tp, tp + fn), ratio(tp, tp + fp)
        else:
            odds = ratio(tp + fn, tn + fp)
            x = np.where(tp == 0, 0.0, np.maximum(1 - odds * ratio(fn, tp), 0.0))
            y = np.where(tp == 0, 1.0, 1 - odds * ratio(fp, tp))
        heights = {"interpolation": (y[:-1] + y[1:]) / 2, "majoring": np.maximum(y[:-1], y[1:]),
                   "minoring": np.minimum(y[:-1], y[1:])}[self.summation_method]
        return float(total((x[:-1] - x[1:]) * heights))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        weights = None if self.label_weights is None else self.label_weights.tolist()
        return {"num_thresholds": None if self._given is not None else self.num_thresholds, "curve": self.curve,
                "summation_method": self.summation_method, **super().get_config(), "thresholds": self._given,
                "multi_label": self.multi_label, "num_labels": self.num_labels, "label_weights": weights,
                "from_logits": self.from_logits}


class _Points(NamedTuple):
    """What is predicted to be positive, from all scores to none, (T,) each; and all there are."""

    tp: Array
    fp: Array
    positives: float
    negatives: float


def _points(scores: Array, positive: Array, weight: Array, thresholds: Sequence[float] | None) -> _Points:
    """Count positives and negatives above thresholds; by default one threshold below each score, and one above all."""
    order = np.argsort(-scores, kind="stable")  # as the rows came where scores are equal
    scores = scores[order]
    # From the largest score on, one weight after the other: counts are exact, and small ones of small error.
    counts = [np.concatenate([[0.0], np.add.accumulate(np.where(of_kind, weight, 0.0)[order])])
              for of_kind in (positive, ~positive)]
    if thresholds is None:
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # of each group of equal scores
        above = np.concatenate([last[::-1] + 1, [0]])
    else:
        above = np.searchsorted(-scores, -np.asarray(thresholds, scores.dtype), side="left")
    return _Points(counts[0][above], counts[1][above], float(counts[0][-1]), float(counts[1][-1]))


def _interpolated(points: _Points) -> float:
    """Return the area under the PR curve where tp and fp go along straight lines between the points."""
    tp, predicted = points.tp, points.tp + points.fp
    more_tp, more = tp[:-1] - tp[1:], predicted[:-1] - predicted[1:]
    slope = ratio(more_tp, np.maximum(more, 0.0))
    start = tp[1:] - slope * predicted[1:]
    # The logarithm is our own: NumPy's differs between processors.
    inside = (predicted[:-1] > 0) & (predicted[1:] > 0)
    growth = core.elementary("log", np.where(inside, ratio(predicted[:-1], predicted[1:]), 1.0))
    return float(total(ratio(slope * (more_tp + start * growth), np.full(len(slope), max(points.positives, 0.0)))))
