"""The NumPy executor: runs a program's list of ops, one call of a twin each, in plain NumPy.

The interface is that of `nncore.executor.Executor`; results agree within the twins' tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _embedding, _merging, reference
from nncore._sparse import Rows, dense
from nncore.executor import LAST_AXIS, RunError, caller
from nncore.optimizers import ops
from nncore.program import Op, Program

__all__ = ["Executor"]


class Executor:
    """A program with its buffers; parameters as in `nncore.executor.Executor`.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.executor_class = nn.reference.executor.Executor
    >>> model.predict([[1.0], [2.0]]).ravel()
    array([1., 2.], dtype=float32)
    """

    def __init__(self, program: Program, batch_size: int) -> None:
        self.program, self.batch_size = program, batch_size
        self.arrays = [np.zeros((batch_size, *buffer.shape) if buffer.per_row else buffer.shape, buffer.dtype)
                       if buffer.value is None else buffer.value for buffer in program.buffers]
        self.done = np.zeros(1, np.int64)
        self.sums: dict[str, Any] = dict.fromkeys(program.totals, 0.0)

    def run(
        self,
        feeds: Mapping[int, Rows],
        samples: int,
        order: NDArray[np.int64] | None = None,
        batch_size: int | None = None,
        results: Mapping[int, NDArray[Any]] | None = None,
        watch: str | None = None,
        attributes: Mapping[str, float] | None = None,
        on_pause: Callable[[int], object] | None = None,
        n_threads: int = 0,
        first: int = 0,
        last: int | None = None,
        step: int = 0,
        rates: NDArray[np.float64] | None = None,
        go_on: bool | None = None,
    ) -> dict[str, Any]:
        """Run the program over all batches; parameters as of `nncore.executor`, without threads."""
        batch_size = batch_size or self.batch_size
        kept = [(buffer.variable, array) for buffer, array in zip(self.program.buffers, self.arrays, strict=True)
                if buffer.variable is not None]
        for variable, array in kept:
            array[...] = variable.numpy()
        self.done[0] = first
        if not (first if go_on is None else go_on):
            self.sums = dict.fromkeys(self.program.totals, 0.0)
        sums, last = self.sums, samples if last is None else min(last, samples)
        for begin in range(first, last, batch_size):
            rows = slice(begin, min(begin + batch_size, last))
            n_rows = rows.stop - rows.start
            arrays = [array[:n_rows] if buffer.per_row else array
                      for array, buffer in zip(self.arrays, self.program.buffers, strict=True)]
            for number, source in feeds.items():
                with np.errstate(over="ignore"):
                    arrays[number][...] = dense(source[rows if order is None else order[rows]])
            number = begin // batch_size
            scalars = {**(attributes or {}), "step": step + number}
            if rates is not None:
                scalars["learning_rate"] = float(rates[number])
            for op in self.program.ops:
                if (step + number + 1) % op.every != 0:
                    continue
                if op.rows is not None:
                    _embedding.call_on_rows(self.program, op, arrays, partial(self._call, attributes=scalars))
                else:
                    self._call(op, arrays, scalars)
            for name, parts in self.program.totals.items():
                for number, scale in parts:
                    per_row = self.program.buffers[number].per_row
                    columns = self.program.columns(name)
                    values = arrays[number] if per_row else arrays[number].reshape(-1)[-1:]
                    total = values.sum(axis=0, dtype=np.float64) if columns else self._sum(values)
                    sums[name] = sums[name] + scale * (total * (1 if per_row else n_rows))
            for number, to in (results or {}).items():
                to[rows] = arrays[number]
            for variable, array in kept:
                variable.assign(array)
            self.done[0] = rows.stop
            if watch is not None and not np.isfinite(sums[watch]):
                raise RunError(watch, sums[watch], rows.stop)
            if on_pause is not None and on_pause(rows.stop):
                break
        return dict(sums)

    def _sum(self, values: NDArray[Any]) -> float:
        """Return the sum of a total's values."""
        return float(values.sum(dtype=np.float64))

    def value(self, number: int) -> NDArray[Any]:
        """Return a copy of what a buffer holds."""
        return self.arrays[number].copy()

    def get_totals(self) -> dict[str, Any]:
        """Return the sums over the rows so far of each of the program's totals."""
        return dict(self.sums)

    def set_totals(self, totals: Mapping[str, Any]) -> None:
        """Set what a run that goes on with earlier ones begins from."""
        self.sums = dict(totals)

    def bind(self, feeds: Mapping[int, Rows],
             results: Mapping[int, NDArray[Any]] | None = None,
             in_place: bool = False) -> Callable[..., dict[str, float]]:
        """Return the program with its data, to be run as often as wanted; here batches are always copied."""
        def run(samples: int, order: NDArray[np.int64] | None = None, batch_size: int | None = None,
                watch: str | None = None, attributes: Mapping[str, float] | None = None,
                on_pause: Callable[[int], object] | None = None, n_threads: int = 0, first: int = 0,
                last: int | None = None, step: int = 0, rates: NDArray[np.float64] | None = None,
                go_on: bool | None = None) -> dict[str, Any]:
            return self.run(
                feeds, samples, order, batch_size, results, watch, attributes, on_pause, n_threads, first, last,
                step, rates, go_on
            )

        return run

    def _call(self, op: Op, arrays: list[NDArray[Any]], attributes: Mapping[str, Any]) -> None:
        """Run one op: ``twin(*inputs, *outputs, **attributes)``, or a user's function."""
        if op.kernel == "python":
            rows = next((len(arrays[n]) for n in op.inputs if n is not None), 0)
            caller(self.program, op, arrays)(rows)
            return
        operands = [None if number is None else arrays[number] for number in (*op.inputs, *op.outputs)]
        if op.kernel in LAST_AXIS:
            operands = [as_rows(array) if number is not None and self.program.buffers[number].per_row else array
                        for number, array in zip((*op.inputs, *op.outputs), operands, strict=True)]
        scalars = {name: attributes.get(name, value) if name == "step" or op.kernel in ops.TUNABLE else value
                   for name, value in op.attributes.items()}
        if op.kernel in ops.UPDATES:  # what a program keeps in buffers are scalars of these kernels
            scale, powers = operands.pop(len(op.inputs) - 1), operands.pop(len(op.inputs) - 2)
            if powers is not None:
                scalars |= zip(ops.UPDATES[op.kernel].powers, powers.tolist(), strict=False)
            if scale is not None:
                scalars["scale"] = float(scale[0])
        if op.kernel in ops.PENALTIES and (divisor := operands.pop(len(op.inputs) - 1)) is not None:
            scalars["divisor"] = float(divisor[0])
        with np.errstate(
            all="ignore"
        ):  # overflow and nan are the run's business, as in the compiled executor
            getattr(reference, op.kernel)(*_merging.arguments(op, operands), **scalars)


def as_rows(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return an array of any rank as rows of its last axis."""
    return array if array is None or array.ndim < 3 else array.reshape(-1, array.shape[-1])
