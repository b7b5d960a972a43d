"""Errors of predicted numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nncore import _checks
from nncore.metrics.base import Array, Metric, Sums, _RowMean, check_widths, total
from nncore.program import Program

__all__ = ["MeanAbsoluteError", "MeanSquaredError", "R2Score", "RootMeanSquaredError"]


class MeanSquaredError(_RowMean):
    """Mean of the squared differences: ``mean((y_pred - y_true)**2)``.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.MeanSquaredError()
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    2.0
    """

    direction = "down"
    kernel = "squared_error"


class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean of the squared differences. Parameters as of `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.RootMeanSquaredError()([0.0, 0.0], [3.0, 3.0])
    3.0
    """

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> float:
        """Return the root."""
        mean = super().value(sums, kept, rows)
        return math.sqrt(mean) if mean >= 0 else math.nan


class MeanAbsoluteError(_RowMean):
    """Mean of the absolute differences: ``mean(abs(y_pred - y_true))``. Parameters as of `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.MeanAbsoluteError()
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    1.0
    """

    direction = "down"
    kernel = "absolute_error"


class R2Score(Metric):
    """Coefficient of determination: 1 less the squared error's share of the targets' variance.

    For each output ``1 - sum(w (p - t)**2) / sum(w (t - mean(t))**2)``, 0 where only the variance is 0. All sums are
    of float64 terms, so that targets far from 0 do no harm.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}
        What is made of the outputs' scores: their mean, the mean weighted with the variances, or an array.
    num_regressors : int
        Number of inputs p, for the score adjusted by it, ``1 - (1 - r2) (n - 1) / (n - p - 1)`` with n rows whose
        weight is not 0. Where n is too small for that, a warning, and the score as it is.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.metrics.R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]), 6)
    0.571429
    """

    direction = "up"

    def __init__(self, class_aggregation: str | None = "uniform_average", num_regressors: int = 0,
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.class_aggregation = _checks.one_of(
            class_aggregation, (None, "uniform_average", "variance_weighted_average"), "R2Score", "class_aggregation")
        self.num_regressors = _checks.integer(num_regressors, "R2Score", "num_regressors", 0)

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Append the moments; see `Metric.emit`."""
        check_widths(self, program, y_pred, target)
        moments = program.rows(3 * program.width(y_pred) + 2, role="metric", dtype=np.dtype(np.float64))
        program.emit("regression_moments", (y_pred, target, weight), (moments,))
        return {"moments": moments}

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> Any:
        """Return the score."""
        *moments, weight, samples = np.asarray(sums["moments"])
        first, second, residual = np.array(moments).reshape(3, -1)
        with np.errstate(all="ignore"):
            variance = second - first * (first / weight)
            scores = 1 - residual / variance
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = total(scores) / len(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = total(variance * scores) / total(variance)
        left = samples - self.num_regressors - 1
        if self.num_regressors and left <= 0:
            warnings.warn(f"R2Score: {int(samples)} rows are too few to adjust for "
                          f"num_regressors={self.num_regressors}; the score is not adjusted", stacklevel=2)
        elif self.num_regressors:
            scores = 1 - (1 - scores) * (samples - 1) / left
        return scores if self.class_aggregation is None else float(scores)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors,
                **super().get_config()}
