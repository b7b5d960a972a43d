"""Means and sums of values, and of what a function gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, custom
from nncore.metrics.base import Metric, Sums, mean_of, total
from nncore.program import Program

__all__ = ["Mean", "MeanMetricWrapper", "Sum"]


class Mean(Metric):
    """The weighted mean of values that `update_state` is given; not for ``compile``, which has no such values.

    Parameters
    ----------
    name : str, optional
        By default "mean".
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.Mean()
    >>> metric.update_state([1, 3, 5, 7])
    >>> metric.result()
    4.0
    >>> metric.reset_state()
    >>> metric([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    2.0
    """

    def _of_row(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a value per row, (B,), of (B, K)."""
        means: NDArray[np.float64] = total(values.T) / values.shape[1]
        return means

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        """Take values into account.

        Parameters
        ----------
        values : array_like, shape (B, ...)
            Numbers; a single one is one row. What stands in a row is reduced to its mean (in `Sum`: its sum).
        sample_weight : array_like, optional
            A weight per row, (B,), or one for all.
        """
        where = type(self).__name__
        found = np.atleast_1d(_checks.as_float_array(values, where, "values", self.dtype)).astype(np.float64)
        rows = len(found)
        given = np.ones(rows) if sample_weight is None else sample_weight
        given = np.full(rows, given) if np.ndim(given) == 0 else given
        weight = _checks.as_sample_weight(given, rows, where, np.float64)
        if found.size == 0:
            return
        of_rows = self._of_row(found.reshape(rows, -1))
        self._rows += rows
        for name, add in (("total", total(of_rows * weight)), ("weight", total(weight))):
            self._sums[name] = self._sums.get(name, 0.0) + float(add)

    def __call__(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Take values into account and return the metric."""
        self.update_state(values, sample_weight)
        return self.result()

    def refusal(self) -> TypeError:
        """Return (not raise) the error for a use in a model."""
        return TypeError(f"metric {self.name!r}: {type(self).__name__} takes values, not targets and outputs: it is "
                         "for update_state(values) by hand; a function of both makes a metric, see MeanMetricWrapper")

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> NoReturn:
        """Refuse: see the class."""
        raise self.refusal()

    def value(self, sums: Sums, kept: Mapping[str, NDArray[Any]], rows: int) -> float:
        """Return the mean; 0 where the weights sum to 0."""
        return float(sums["total"] / sums["weight"]) if sums["weight"] else 0.0


class Sum(Mean):
    """The weighted sum of values that `update_state` is given; parameters as of `Mean`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.Sum()
    >>> metric.update_state([1, 3, 5, 7])
    >>> metric.result()
    16.0
    """

    def _of_row(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return total(values.T)

    def value(self, sums: Sums, kept: Mapping[str, NDArray[Any]], rows: int) -> float:
        """Return the sum."""
        return float(sums["total"])


class MeanMetricWrapper(Metric):
    """The mean over the rows of what a function of yours returns; ``metrics=[function]`` makes one.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred)`` returns a value per row, (B,), or values of which each row's mean is taken, (B, ...).
        It is given `y_pred` (B, O) and the targets as the model's loss takes them, class ids (B,) or values
        (B, O); what is said of arrays in `nncore.layers.Layer.call` holds here too. A string stands for the
        function of that name that a `MeanMetricWrapper` was made of before: so a saved model finds it again.
    name : str, optional
        The metric's name; by default the function's.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    **kwargs
        More arguments of the function.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> def largest_error(y_true, y_pred):
    ...     return np.abs(y_pred - y_true).max(axis=1)
    >>> metric = nn.metrics.MeanMetricWrapper(largest_error)
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    2.0
    """

    target_kind = "any"
    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(self, fn: Callable[..., Any] | str, name: str | None = None, dtype: DTypeLike | None = None,
                 **kwargs: Any) -> None:
        if isinstance(fn, str):
            if fn not in self.functions:
                raise ValueError(
                    f"no metric function {fn!r} is known: make nncore.metrics.MeanMetricWrapper({fn}) first"
                )
            fn = self.functions[fn]
        if not callable(fn):
            raise TypeError(f"MeanMetricWrapper: fn must be a function, got {fn!r}")
        self.fn, self.fn_name, self.kwargs = fn, getattr(fn, "__name__", type(fn).__name__), kwargs
        self.functions[self.fn_name] = fn
        super().__init__(self.fn_name if name is None else name, dtype)

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Append the function as an op; see `Metric.emit`."""
        rows = program.rows(None, role="metric")

        def function(pred: NDArray[Any], true: NDArray[Any]) -> tuple[Any]:
            found = self.fn(true, pred, **self.kwargs)
            if isinstance(found, np.ndarray) and found.ndim > 1 and len(found) == len(pred) and found.size:
                found = found.reshape(len(found), -1).mean(axis=1)
            return (found,)

        def finish(inputs: custom.Arrays, outputs: custom.Arrays) -> None:
            (out,), weights = outputs, inputs[2]
            assert out is not None
            if weights is not None:
                with np.errstate(all="ignore"):  # inf and nan are the run's business
                    out *= weights

        op = custom.UserFunction(f"metric {self.name!r}: {self.fn_name}", function, ("a value per row",), 2, finish)
        custom.emit(program, op, (y_pred, target, weight), (rows,))
        return mean_of(rows, weight)

    def value(self, sums: Sums, kept: Mapping[str, NDArray[Any]], rows: int) -> float:
        """Return the mean; 0 where the weights sum to 0."""
        count = sums.get("weight", rows)
        return float(sums["total"] / count) if count else 0.0

    def _target(self, y_true: ArrayLike, rows: int, outputs: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        if outputs > 1 and np.ndim(y_true) == 1:
            return _checks.as_class_ids(y_true, type(self).__name__, "y_true", outputs, rows)
        return super()._target(y_true, rows, outputs, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric, the function by its name."""
        return {"fn": self.fn_name, **super().get_config(), **self.kwargs}
