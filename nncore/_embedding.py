"""Ops of embeddings: what the core runs for them, and gradients and updates of the rows that a batch names.

The rule for an embedding only notes what its rows got. When all ops have given their gradients, `finish` makes one
gradient of each table of that: the touched rows alone (``program.touched`` says which), where the optimizer can
update these and nothing else needs more; else the whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.program import Op, Program

__all__ = ["BY_TABLE", "LOWERED", "RULES", "call_on_rows", "finish", "is_table", "lowered_rows", "on_rows"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]
IDS, COUNTS = np.dtype(np.int64), np.dtype(np.int32)


def _forward(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    """Note the use: the gradient of a table comes from all its uses at once."""
    w = op.inputs[1]
    assert w is not None
    program.lookups.setdefault(w, []).append((op, dy))
    return {}


def finish(program: Program, found: dict[int, list[int]]) -> None:
    """Append the ops of the tables' gradients, and put these among the gradients that were found."""
    for w, uses in program.lookups.items():
        program.layer = program.buffers[w].name
        settings = {**uses[0][0].attributes, "input_dim": program.buffers[w].shape[0]}
        ids, dy = _joined(program, uses[::-1])
        if w in program.by_rows:
            dw = _touched(program, ids, dy, settings)
        else:
            dw = program.like(w)
            program.emit("embedding_backward", (dy, ids), (dw,), **settings)
        found.setdefault(w, []).append(dw)
    program.lookups = {}


def _joined(program: Program, uses: list[tuple[Op, int]]) -> tuple[int, int]:
    """Return the buffers of ids and gradients of all uses of a table, side by side in the order of the program."""
    if len(uses) == 1:
        ((op, dy),) = uses
        ids = op.inputs[0]
        assert ids is not None
        return ids, dy
    sizes = [program.buffers[op.inputs[0]].row_size for op, _ in uses]  # type: ignore[index]
    n, at = sum(sizes), 0
    ids, dy = program.rows((n,), "ids", IDS), program.rows((n, program.width(uses[0][1])), "gradient")
    for (op, part), size in zip(uses, sizes, strict=True):
        program.emit("embedding_join", (op.inputs[0], part), (ids, dy), at=at)
        at += size
    return ids, dy


def _touched(program: Program, ids: int, dy: int, settings: dict[str, Any]) -> int:
    """Append the gradient of the rows that ids name; return its buffer."""
    n, D = program.buffers[ids].row_size, program.width(dy)
    rows, ends, places = (program.rows((n,), "ids", IDS) for _ in range(3))
    count, scratch = program.array((1,), "ids", IDS), program.rows((5 * n,), "scratch", COUNTS)
    program.emit("embedding_index", (ids,), (rows, ends, places, count, scratch), **settings)
    dw = program.rows((n, D), "gradient")
    program.emit("embedding_sums", (dy, ends, places, count), (dw,))
    program.touched[dw] = rows, count
    return dw


def is_table(program: Program, w: int) -> bool:
    """Return whether nothing but embeddings reads a parameter, and something does."""
    readers = list(program.readers(w))
    return bool(readers) and all(op.kernel == "embedding_forward" for op in readers)


def on_rows(program: Program, rows: tuple[int, int] | None, last: int) -> None:
    """Make the last ops of a program ops of some rows of their table."""
    if rows is not None:
        program.ops[-last:] = [op._replace(rows=rows) for op in program.ops[-last:]]


# What the core runs ---------------------------------------------------------------------------------------------------


def _lower(ids: int | None, rows: int) -> Callable[[Program, Op], Lowered]:
    """Lower a kernel whose operand number `ids` has ids, and number `rows` rows of a table."""
    def lower(program: Program, op: Op) -> Lowered:
        operands = (*op.inputs, *op.outputs)
        shape = program.buffers[operands[rows]].shape  # type: ignore[index]
        n = 0 if ids is None else program.buffers[operands[ids]].row_size  # type: ignore[index]
        unseen = op.attributes.get("unseen")
        sizes = (shape[-1], n, op.attributes.get("input_dim", shape[0]), -1 if unseen is None else unseen,
                 int(op.attributes.get("mask_zero", False)))
        return op.kernel, operands, sizes, ()

    return lower


def _join(program: Program, op: Op) -> Lowered:
    ids, joined = op.inputs[0], op.outputs[1]
    n = program.buffers[ids].row_size  # type: ignore[index]
    m, D = program.buffers[joined].shape  # type: ignore[index]
    return op.kernel, (*op.inputs, *op.outputs), (D, n, m, op.attributes["at"]), ()


def _sums(program: Program, op: Op) -> Lowered:
    (dw,) = op.outputs
    n, D = program.buffers[dw].shape  # type: ignore[index]
    return op.kernel, (*op.inputs, *op.outputs), (D, n), ()


def _squares(program: Program, op: Op) -> Lowered:
    dw, *_ = op.inputs
    return op.kernel, (*op.inputs, *op.outputs), (program.width(dw), op.attributes["first"]), ()  # type: ignore[arg-type]


def _penalty(program: Program, op: Op) -> Lowered:
    w = op.inputs[0]
    scalars = (op.attributes["l1"], op.attributes["l2"])
    return op.kernel, (*op.inputs, *op.outputs), (program.width(w),), scalars  # type: ignore[arg-type]


def _ids(program: Program, op: Op) -> Lowered:
    (x,) = op.inputs
    return op.kernel, (*op.inputs, *op.outputs), (program.buffers[x].row_size,), ()  # type: ignore[index]


LOWERED: dict[str, Callable[[Program, Op], Lowered]] = {
    "ids_of_floats": _ids,
    "mask_shares": _ids,
    "embedding_forward": _lower(0, 1),
    "embedding_backward": _lower(1, 2),
    "embedding_index": _lower(0, 1),
    "embedding_join": _join,
    "embedding_sums": _sums,
    "embedding_squares": _squares,
    "embedding_penalty": _penalty,
}
RULES = {"embedding_forward": _forward}
BY_TABLE = ("embedding_backward", "embedding_index", "embedding_sums", "embedding_squares",
            "embedding_penalty")  # not row by row of the batch


def lowered_rows(program: Program, op: Op, whole: Lowered) -> Lowered:
    """Return an op of some rows of a table, from what it would be of all."""
    kernel, operands, sizes, scalars = whole
    table = next(program.buffers[number] for number in op.inputs if number is not None
                 and program.buffers[number].variable is not None)
    assert op.rows is not None
    width, n = table.shape[-1], program.buffers[op.rows[0]].row_size
    more = sizes[1:2] if kernel == "penalty_gradient" else ()  # whether it adds
    return kernel, (*operands, *[None] * (7 - len(operands)), *op.rows), (width, n, *more), scalars


def call_on_rows(program: Program, op: Op, arrays: list[NDArray[Any]],
                 call: Callable[[Op, list[NDArray[Any]]], None]) -> None:
    """Run an op of some rows in NumPy: `call` runs it on arrays of these alone."""
    assert op.rows is not None
    rows, count = (arrays[number].ravel() for number in op.rows)
    rows, parts = rows[: count[0]], list(arrays)
    of_table = [number for number in op.inputs if number is not None and program.buffers[number].variable is not None
                and len(program.buffers[number].shape) == 2]
    for number in op.inputs:
        if number in program.touched:  # the gradient, which has these rows only
            parts[number] = arrays[number].reshape(-1, arrays[number].shape[-1])[: count[0]]
    for number in of_table:
        parts[number] = arrays[number][rows]
    call(op, parts)
    for number in of_table:
        arrays[number][rows] = parts[number]
