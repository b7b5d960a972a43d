"""What every metric is: sums over the rows of a pass, or rows that are kept, and a value made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, _names, kernels
from nncore.program import Program

__all__ = ["Metric"]

Array = NDArray[Any]
Sums = Mapping[str, Any]  # a float, or an array of one sum per column


class Metric:
    """Base of the metrics, also of those that you write in NumPy.

    A metric that is a mean over the rows is best made of a function: see `MeanMetricWrapper`. One that needs all
    rows at once defines `keep` and `value`: see the example. The ones here mostly define `emit` and `value`: ops
    that make a value of each row, and what follows from their sums.

    A metric's name is what it is called in a history. ``metrics=`` of ``compile`` ignores the rows' weights,
    ``weighted_metrics=`` uses them. The class attribute `target_kind` says what targets it takes: "dense" (B, O), "ids"
    (B,), or "any"; `direction` whether more of it is better ("up") or less ("down"), for callbacks that watch it.

    Parameters
    ----------
    name : str, optional
        By default the class's name.
    dtype : {"float32", "float64"}, optional
        What `update_state` converts its arrays to: by default it leaves these two alone, and all else becomes
        ``nn.config.floatx()``. In a model a metric computes in the model's dtype. Sums are always in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class MedianError(nn.metrics.Metric):
    ...     def keep(self, program, y_pred, target, weight=None):
    ...         return {"y_pred": y_pred, "y_true": target}
    ...     def value(self, sums, kept, rows):
    ...         return float(np.median(np.abs(kept["y_pred"] - kept["y_true"])))
    >>> metric = MedianError()
    >>> metric.update_state([1.0, 2.0], [1.5, 2.0])
    >>> metric.update_state([3.0], [4.0])
    >>> metric.result()
    0.5
    """

    kinds: ClassVar[dict[str, type[Metric]]] = {}
    target_kind: ClassVar[Literal["ids", "dense", "any"]] = "dense"
    direction: ClassVar[Literal["up", "down"] | None] = None
    default_name: ClassVar[str] = "metric"

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        if not cls.__name__.startswith("_"):
            _names.register(Metric.kinds, cls)
            if "default_name" not in cls.__dict__:
                cls.default_name = _names.snake_case(cls.__name__)

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        self.name = self.default_name if name is None else name
        self.dtype = None if dtype is None else _checks.float_dtype(dtype, type(self).__name__)
        self.reset_state()

    # ------------------------------------------------------------------ what a metric defines
    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Append the metric's ops to `program`.

        Parameters
        ----------
        program : Program
            The program.
        y_pred, target : int
            Buffers.
        weight : int, optional
            The buffer of the rows' weights, where the metric is to use them.

        Returns
        -------
        dict of str to int
            Buffers (B,) or (B, K) whose sums over the rows `value` is given.
        """
        return {}

    def keep(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        """Return buffers whose rows `value` is given, all of the pass; parameters as of `emit`.

        They take memory in proportion to the rows.
        """
        return {}

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> Any:
        """Return the metric.

        Parameters
        ----------
        sums : dict of str to float or ndarray
            The sums of what `emit` returned: a float for a buffer (B,), an array (K,) for one (B, K).
        kept : dict of str to ndarray
            The rows of what `keep` returned.
        rows : int
            How many rows there were: at least one.

        Returns
        -------
        float or ndarray
        """
        raise NotImplementedError(f"{type(self).__name__} must define value()")

    # ------------------------------------------------------------------ by hand
    def reset_state(self) -> None:
        """Forget what `update_state` was given.

        Examples
        --------
        >>> import nncore as nn
        >>> metric = nn.metrics.MeanSquaredError()
        >>> metric.update_state([1.0], [3.0])
        >>> metric.reset_state()
        >>> metric.result()
        0.0
        """
        self._sums: dict[str, Any] = {}
        self._kept: dict[str, list[Array]] = {}
        self._rows = 0

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take rows into account.

        A run gives the bits of one such call for each of its batches.

        Parameters
        ----------
        y_true : array_like
            Targets: class ids (B,), or dense values (B, O).
        y_pred : array_like
            Outputs (B, O), or (B,) for one output.
        sample_weight : array_like, optional
            A weight per row, (B,), or one for all.

        Examples
        --------
        >>> import nncore as nn
        >>> metric = nn.metrics.MeanSquaredError()
        >>> metric.update_state([1.0, 2.0], [1.0, 4.0], sample_weight=[1.0, 3.0])
        >>> metric.result()
        3.0
        """
        where = type(self).__name__
        pred = _checks.as_float_array(y_pred, where, "y_pred", self.dtype)
        if pred.ndim == 1 and self.target_kind != "ids":
            pred = pred.reshape(-1, 1)
        pred = _checks.as_float_array(pred, where, "y_pred", ndim=2)
        rows, outputs = pred.shape
        target = self._target(y_true, rows, outputs, pred.dtype)
        # Without weights they are 1: the same bits, and calls with and without them can be mixed.
        given = np.ones(rows) if sample_weight is None else sample_weight
        given = np.full(rows, given) if np.ndim(given) == 0 else given
        weight = _checks.as_sample_weight(given, rows, where, pred.dtype)
        if rows == 0:
            return
        program = Program(pred.dtype)
        y = program.rows(outputs, role="input")
        w = program.rows(None, role="ones" if sample_weight is None else "weight")
        t = program.rows(None if target.ndim == 1 else outputs, role="target", dtype=target.dtype)
        sums, kept = self.emit(program, y, t, w), self.keep(program, y, t, w)
        arrays = _run(program, {y: pred, t: target, w: weight}, rows)
        for name, number in sums.items():
            found = arrays[number]
            total = kernels.column_sums(found.reshape(rows, -1))
            self._sums[name] = self._sums.get(name, 0.0) + (float(total[0]) if found.ndim == 1 else total)
        for name, number in kept.items():
            self._kept.setdefault(name, []).append(arrays[number].copy())
        self._rows += rows

    def _target(self, y_true: ArrayLike, rows: int, outputs: int, dtype: np.dtype[Any]) -> Array:
        """Return checked targets: ids (B,), or values (B, O)."""
        where = type(self).__name__
        if self.target_kind == "ids":
            return _checks.as_class_ids(y_true, where, "y_true", outputs, rows)
        return _checks.as_dense_target(y_true, outputs, where, "y_true", rows, dtype)

    def result(self) -> Any:
        """Return the metric over all rows since the last reset; 0 before any.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.metrics.MeanSquaredError().result()
        0.0
        """
        if not self._rows:
            return 0.0
        return self.value(self._sums, {name: np.concatenate(parts) for name, parts in self._kept.items()}, self._rows)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Take rows into account and return the metric: `update_state`, then `result`."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    # ------------------------------------------------------------------ files
    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {"name": self.name} | ({} if self.dtype is None else {"dtype": self.dtype.name})

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Return the metric that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal metric."""
        return _names.representation(self)


class _RowMean(Metric):
    """A mean over the rows of what a kernel gives: a subclass sets `kernel`."""

    kernel: ClassVar[str]

    def parameters(self) -> dict[str, Any]:
        """Return the kernel's scalars."""
        return {}

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None = None) -> dict[str, int]:
        check_widths(self, program, y_pred, target)
        rows = program.rows(None, role="metric")
        program.emit(self.kernel, (y_pred, target, weight), (rows,), **self.parameters())
        return mean_of(rows, weight)

    def value(self, sums: Sums, kept: Mapping[str, Array], rows: int) -> float:
        count = sums.get("weight", rows)
        return float(sums["total"] / count) if count else 0.0


def check_widths(metric: Metric, program: Program, y_pred: int, target: int) -> None:
    """Refuse targets of another width than the outputs, as some losses take them: kernels trust."""
    widths = program.width(y_pred), program.width(target) if program.buffers[target].shape else 1
    if metric.target_kind != "ids" and widths[0] != widths[1]:
        raise ValueError(f"metric {metric.name!r}: there are {widths[0]} outputs, but targets of {widths[1]}")


def mean_of(rows: int, weight: int | None) -> dict[str, int]:
    """Return what `emit` returns for a mean of the values in a buffer, which are multiplied by the weights."""
    return {"total": rows} if weight is None else {"total": rows, "weight": weight}


def ratio(above: Array, below: Array) -> Array:
    """Return above / below, 0 where `below` is 0: Keras's ``divide_no_nan``."""
    with np.errstate(all="ignore"):
        found: Array = np.where(below == 0, 0.0, above / below)
    return found


def total(values: Array) -> Array:
    """Return the sums over the first axis, one value after the other: NumPy's own order may change."""
    sums: Array = np.add.accumulate(values, axis=0)[-1]
    return sums


def _run(program: Program, feeds: Mapping[int, Array], rows: int) -> dict[int, Array]:
    """Run the ops one after the other on whole arrays; return those of all buffers."""
    arrays = dict(feeds)
    for number, buffer in enumerate(program.buffers):
        if buffer.value is not None:
            arrays[number] = buffer.value
        elif number not in arrays:
            arrays[number] = np.empty((rows, *buffer.shape) if buffer.per_row else buffer.shape, buffer.dtype)
    for op in program.ops:
        inputs, outputs = ([None if number is None else arrays[number] for number in side]
                           for side in (op.inputs, op.outputs))
        if op.kernel == "python":
            op.attributes["function"](inputs, outputs)
            continue
        where = kernels
        if not hasattr(kernels, op.kernel):  # that of an ignored class is not public; its twin gives the same bits
            from nncore import reference as where  # type: ignore[no-redef]
        getattr(where, op.kernel)(*inputs, *outputs, **op.attributes)
    return arrays
