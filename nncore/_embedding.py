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

__all__ = ["BY_TABLE", "LOWERED", "RULES", "finish", "lowered_update", "update_rows"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]
IDS, COUNTS = np.dtype(np.int64), np.dtype(np.int32)


def _forward(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    """Note the use: the gradient of a table comes from all its uses at once."""
    w = op.inputs[1]
    assert w is not None
    program.uses.setdefault(w, []).append((op, dy))
    return {}


def finish(program: Program, found: dict[int, list[int]]) -> None:
    """Append the ops of the tables' gradients, and put these among the gradients that were found."""
    for w, uses in program.uses.items():
        program.layer = program.buffers[w].name
        settings = {**uses[0][0].attributes, "input_dim": program.buffers[w].shape[0]}
        ids, dy = _joined(program, uses[::-1])
        if program.by_rows and w not in found:
            dw = _touched(program, ids, dy, settings)
        else:
            dw = program.like(w)
            program.emit("embedding_backward", (dy, ids), (dw,), **settings)
        found.setdefault(w, []).append(dw)
    program.uses = {}


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
}
RULES = {"embedding_forward": _forward}
BY_TABLE = ("embedding_backward", "embedding_index", "embedding_sums", "embedding_squares")  # not by rows of the batch


def lowered_update(program: Program, op: Op, whole: Lowered) -> Lowered:
    """Return an update of touched rows, from what it would be of whole arrays."""
    kernel, operands, _, scalars = whole
    gradient = op.inputs[1]
    assert gradient is not None
    n, D = program.buffers[gradient].shape
    return kernel, (*operands, *[None] * (8 - len(operands)), *program.touched[gradient]), (D, n), scalars


def update_rows(program: Program, op: Op, arrays: list[NDArray[Any]],
                call: Callable[[Op, list[NDArray[Any]]], None]) -> None:
    """Run an update of touched rows in NumPy: `call` runs the op on arrays of these alone."""
    w, gradient = op.inputs[:2]
    assert w is not None and gradient is not None
    rows, count = (arrays[number].ravel() for number in program.touched[gradient])
    rows, parts, shape = rows[: count[0]], list(arrays), arrays[w].shape
    whole = [number for number in op.inputs if number is not None and arrays[number].shape == shape
             and number != gradient]
    for number in whole:
        parts[number] = arrays[number][rows]
    parts[gradient] = arrays[gradient].reshape(-1, shape[-1])[: count[0]]
    call(op, parts)
    for number in whole:
        arrays[number][rows] = parts[number]
