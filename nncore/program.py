"""The program: a flat list of ops over numbered buffers, which either executor runs.

Layers emit forward ops, the loss its op, `nncore.gradients` the backward ops, the optimizer one update per
parameter. An op is a call: ``kernel(*inputs, *outputs, **attributes)`` with the kernel's public name, so that
the NumPy executor is a loop over the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore.variables import Variable, panel_elements

__all__ = ["Buffer", "Op", "Program"]


class Buffer(NamedTuple):
    """A numbered array of a program.

    Parameters
    ----------
    role : str
        "input", "target" and "weight" (gathered for each batch), "parameter" (a variable's own array), "constant",
        or what else it holds.
    dtype : dtype
        The elements' dtype.
    shape : tuple of int
        The shape without the batch.
    per_row : bool
        Whether the batch comes first in the shape.
    name : str
        For messages: the layer that fills it.
    variable : Variable, optional
        The variable whose array it is.
    panels : bool
        Whether its columns are kept in panels, as `Variable` says.
    value : ndarray, optional
        What a constant holds.
    """

    role: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    per_row: bool = True
    name: str = ""
    variable: Variable | None = None
    panels: bool = False
    value: NDArray[Any] | None = None

    @property
    def row_size(self) -> int:
        """Elements that a row takes (in all, where there is no batch)."""
        if self.panels:
            return panel_elements(self.shape, self.dtype.itemsize)
        return int(np.prod(self.shape, dtype=object))


class Op(NamedTuple):
    """A call of a kernel: ``kernel(*inputs, *outputs, **attributes)``; the operands are buffers, or None.

    It runs in each training step whose number, counted from 1, `every` divides. An attribute ``step`` stands for
    the number of steps made before. With `rows`, the buffers of some rows of a table and of their number, it runs on
    these rows of a parameter and of its state only.
    """

    kernel: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    attributes: dict[str, Any]
    every: int = 1
    rows: tuple[int, int] | None = None


class Program:
    """Buffers and ops under construction, then as they run.

    Parameters
    ----------
    dtype : dtype
        Of the buffers that ops fill.
    training : bool
        Whether it trains: layers that are random, or that look at the whole batch, do so only then.
    seed : int
        Where its random numbers come from.

    Examples
    --------
    >>> import numpy as np
    >>> program = Program(np.dtype("float32"))
    >>> x = program.rows(3, role="input")
    >>> y = program.rows(3)
    >>> program.emit("relu_forward", (x,), (y,))
    >>> print(program)
    %1 = relu_forward(%0)
    """

    def __init__(self, dtype: np.dtype[Any], training: bool = False, seed: int = 0) -> None:
        self.dtype, self.training, self.seed = dtype, training, seed
        self.buffers: list[Buffer] = []
        self.ops: list[Op] = []
        self.totals: dict[str, list[tuple[int, float]]] = {}  # as `add_total` says
        self.results: list[int] = []  # buffers that the caller reads
        self.layer = ""  # the name that buffers get from now on
        self.uses: list[tuple[tuple[str, ...], int]] = []  # of layers: path of names, and the output's buffer
        self._draws = 0
        self.masks: dict[int, int] = {}  # buffer of steps -> ids, of which those that are 0 make it padding
        self.by_rows: set[int] = set()  # tables of which only the rows that a batch names are trained
        self.lookups: dict[int, list[tuple[Op, int]]] = {}  # table -> embeddings that read it, with their gradients
        self.sample_weight: int | None = None  # of the rows that `batch_weight` adds up
        self._batch_weight: int | None = None
        self.touched: dict[int, tuple[int, int]] = {}  # gradient of some rows -> buffers of these and of their number

    def _add(self, buffer: Buffer) -> int:
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def rows(self, shape: int | tuple[int, ...] | None, role: str = "activation",
             dtype: np.dtype[Any] | None = None) -> int:
        """Add a buffer of shape (batch, *shape); a width is a shape of one axis, None of no axis."""
        shape = () if shape is None else shape if isinstance(shape, tuple) else (shape,)
        return self._add(Buffer(role, dtype or self.dtype, shape, name=self.layer))

    def like(self, buffer: int, role: str = "gradient") -> int:
        """Add a buffer as large as another one, and kept in the same way."""
        like = self.buffers[buffer]
        return self._add(like._replace(role=role, name=self.layer, variable=None, value=None))

    def constant(self, value: NDArray[Any]) -> int:
        """Add a buffer that holds an array, which nobody may change, and no batch."""
        value = np.ascontiguousarray(value)
        return self._add(Buffer("constant", value.dtype, value.shape, False, self.layer, value=value))

    def draws(self) -> int:
        """Return a fresh number for the random numbers of one op: the same whenever the program is built."""
        self._draws += 1
        return self._draws - 1

    def add_total(self, name: str, buffer: int, scale: float = 1.0) -> None:
        """Add to a total of the run: `scale` times the sum of a buffer's values.

        A buffer of shape (batch,) gives one value per row; of one without a batch the last element counts, for every
        row of the batch. Of shape (batch, K) it makes a total of K sums, one for each column.
        """
        self.totals.setdefault(name, []).append((buffer, scale))

    def columns(self, total: str) -> int:
        """Return how many sums a total has; 0 where it is a single number."""
        buffer = self.buffers[self.totals[total][0][0]]
        return buffer.row_size if buffer.per_row and buffer.shape else 0

    def array(
        self, shape: tuple[int, ...], role: str = "gradient", dtype: np.dtype[Any] | None = None
    ) -> int:
        """Add a buffer of a shape without a batch."""
        return self._add(Buffer(role, dtype or self.dtype, shape, per_row=False, name=self.layer))

    def batch_weight(self) -> int:
        """Return the buffer of what the rows of the batch weigh, one float64; its op is appended the first time.

        That is the sum of `sample_weight`, or the number of rows where there is none.
        """
        if self._batch_weight is None:
            self._batch_weight = self.array((1,), "batch weight", np.dtype(np.float64))
            rows = next(number for number, buffer in enumerate(self.buffers) if buffer.per_row)
            self.emit("batch_weight", (rows, self.sample_weight), (self._batch_weight,))
        return self._batch_weight

    def parameter(self, variable: Variable, role: str = "parameter") -> int:
        """Return the buffer of a variable, adding it the first time."""
        for number, buffer in enumerate(self.buffers):
            if buffer.variable is variable:
                return number
        return self._add(Buffer(role, variable.dtype, variable.shape, False, self.layer, variable,
                                variable.panels))

    def width(self, buffer: int) -> int:
        """Return the length of a buffer's last axis."""
        return self.buffers[buffer].shape[-1]

    def emit(
        self, kernel: str, inputs: tuple[int | None, ...], outputs: tuple[int | None, ...], **attributes: Any
    ) -> None:
        """Append an op; ``every=`` is that of `Op`."""
        every = attributes.pop("every", 1)
        self.ops.append(Op(kernel, inputs, outputs, attributes, every))

    def producer(self, buffer: int) -> Op | None:
        """Return the op that fills a buffer, or None."""
        return next((op for op in reversed(self.ops) if buffer in op.outputs), None)

    def readers(self, buffer: int) -> Iterator[Op]:
        """Iterate over the ops that read a buffer."""
        return (op for op in self.ops if buffer in op.inputs)

    def optimize(self) -> None:
        """Drop ops that nobody needs and fuse an activation into the product or the normalization before it."""
        self._drop_unread()
        self._fuse_activations()

    @property
    def wanted(self) -> set[int]:
        """The buffers that somebody outside of the program reads."""
        return {*self.results, *(buffer for parts in self.totals.values() for buffer, _ in parts)}

    def _drop_unread(self) -> None:
        wanted = self.wanted | {number for number, buffer in enumerate(self.buffers) if buffer.variable is not None}
        kept = []
        for op in reversed(self.ops):
            if not op.outputs or wanted.intersection(op.outputs):
                kept.append(op)
                wanted.update(number for number in (*op.inputs, *(op.rows or ())) if number is not None)
        self.ops = kept[::-1]

    def _fuse_activations(self) -> None:
        ops: list[Op] = []
        for op in self.ops:
            before = self.producer(op.inputs[0]) if op.inputs[0] is not None else None
            name = op.kernel.removesuffix("_forward")
            if (before in ops and before is not None and before.kernel in FUSING and name in FUSED
                    and op.kernel != name and op.inputs[0] not in self.wanted
                    and len(list(self.readers(before.outputs[0]))) == 1):  # type: ignore[arg-type]
                fused = {"activation": name}
                if op.attributes:
                    (fused["alpha"],) = op.attributes.values()
                ops[ops.index(before)] = before._replace(outputs=(*op.outputs, *before.outputs[1:]),
                                                         attributes={**before.attributes, **fused})
            else:
                ops.append(op)
        self.ops = ops

    def __str__(self) -> str:
        """Return a line per op."""
        lines = []
        for op in self.ops:
            inputs = ["None" if number is None else f"%{number}" for number in op.inputs]
            inputs += [f"{name}={value!r}" for name, value in op.attributes.items()]
            outputs = ", ".join(f"%{number}" for number in op.outputs if number is not None)
            lines.append((f"{outputs} = " if outputs else "") + f"{op.kernel}({', '.join(inputs)})")
        return "\n".join(lines)


FUSING = ("dense_forward", "batch_normalization_forward", "batch_normalization")  # kernels with an activation
FUSED = frozenset(
    (
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "exponential",
        "hard_sigmoid",
        "softplus",
        "gelu",
        "silu",
        "relu6",
        "celu",
        "selu",
        "softsign",
        "hard_tanh",
        "hard_shrink",
        "soft_shrink",
        "log_sigmoid",
        "squareplus",
        "sparse_plus",
        "sparse_sigmoid",
        "gelu_tanh",
        "mish",
        "hard_silu",
        "tanh_shrink",
        "sign",
    )
)
