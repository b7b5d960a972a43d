"""Ops that merge several buffers, and factorization machines: what the core runs for them, and their gradients.

A program's op names its inputs one by one; the kernel takes a list of them. `SEQUENCES` says where that begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nncore._core import core
from nncore.program import Op, Program

__all__ = ["LOWERED", "RULES", "SEQUENCES", "arguments"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]

# Kernel -> the input from which on the op's inputs make up a list.
SEQUENCES = dict.fromkeys(
    ("add_forward", "subtract_forward", "multiply_forward", "maximum_forward", "minimum_forward", "gradient_sum",
     "concatenate_forward"), 0) | {"extremum_backward": 2}  # fmt: skip


def arguments(op: Op, operands: list[Any]) -> list[Any]:
    """Return a kernel's positional arguments for the operands of an op: some of its inputs as a list.

    Examples
    --------
    >>> arguments(Op("add_forward", (1, 2), (3,), {}), ["a", "b", "out"])
    [['a', 'b'], 'out']
    """
    at = SEQUENCES.get(op.kernel)
    if at is None:
        return operands
    end = len(op.inputs)
    return [*operands[:at], operands[at:end], *operands[end:]]


# What the core runs ---------------------------------------------------------------------------------------------------


def _size(program: Program, number: int | None) -> int:
    assert number is not None
    return program.buffers[number].row_size


def _units(program: Program, number: int | None) -> int:
    """Return how many of the program's numbers an element of a buffer takes: what only moves may be integers."""
    assert number is not None
    return program.buffers[number].dtype.itemsize // program.dtype.itemsize


def _axis(program: Program, number: int | None, op: Op) -> tuple[int, int, int]:
    """Return the sizes before, along and behind the axis of an op in a row of a buffer."""
    assert number is not None
    shape = program.buffers[number].shape
    at = int(op.attributes.get("axis", -1)) % (len(shape) + 1) - 1
    outer, inner = (int(np.prod(part, dtype=np.int64)) for part in (shape[:at], shape[at + 1 :]))
    return outer, shape[at], inner


def _merge(program: Program, op: Op) -> Lowered:
    kind, scale = op.kernel.removesuffix("_forward"), float(op.attributes.get("scale", 0.0))
    (y,) = op.outputs
    assert y is not None
    kernel = "merge"
    if kind == "gradient_sum":
        kind, kernel = "add", "merge" if program.buffers[y].per_row else "sum_arrays"
    sizes = (_size(program, y), len(op.inputs), core.MERGE_KINDS.index(kind))
    return kernel, (y, *op.inputs), sizes, (scale,)


def _extremum_backward(program: Program, op: Op) -> Lowered:
    (dx,) = op.outputs
    return op.kernel, (dx, *op.inputs), (_size(program, dx), len(op.inputs) - 2), ()


def _reshape(program: Program, op: Op) -> Lowered:
    (y,) = op.outputs
    return "merge", (y, *op.inputs), (_size(program, y) * _units(program, y), 1, core.MERGE_KINDS.index("add")), ()


def _concatenate(program: Program, op: Op) -> Lowered:
    (y,) = op.outputs
    outer, _, _ = _axis(program, y, op)
    widths = [_size(program, number) // max(outer, 1) * _units(program, number) for number in op.inputs]
    sizes = (*widths, *[0] * (core.MOST_MERGED - len(widths)), outer)
    return "concatenate", (y, *op.inputs), sizes, (float(sum(widths)), 0.0)


def _slice(program: Program, op: Op) -> Lowered:
    outer, length, inner = _axis(program, op.inputs[0], op)
    sizes = (op.attributes["size"] * inner, length * inner, op.attributes["start"] * inner, outer)
    return "slice", (*op.inputs, *op.outputs), sizes, ()


def _repeat(program: Program, op: Op) -> Lowered:
    outer, length, inner = _axis(program, op.outputs[0], op)
    return "repeat", (*op.inputs, *op.outputs), (inner, length, outer), ()


def _axis_sum(program: Program, op: Op) -> Lowered:
    outer, length, inner = _axis(program, op.inputs[0], op)
    return "axis_sum", (*op.inputs, *op.outputs), (inner, length, outer), ()


def _factors(program: Program, op: Op) -> Lowered:
    """Return the sizes from the matrix of factors, or from the embedded fields."""
    machine = op.kernel.startswith("factorization_machine")
    number = op.inputs[{"factorization_machine_forward": 1}.get(op.kernel, 2) if machine else -1]
    assert number is not None
    return op.kernel, (*op.inputs, *op.outputs), program.buffers[number].shape, ()


LOWERED: dict[str, Callable[[Program, Op], Lowered]] = {
    **dict.fromkeys(("add_forward", "subtract_forward", "multiply_forward", "maximum_forward", "minimum_forward",
                     "scale_forward", "gradient_sum"), _merge),
    "extremum_backward": _extremum_backward,
    "concatenate_forward": _concatenate,
    "concatenate_backward": _slice,
    "reshape_forward": _reshape,
    "repeat_forward": _repeat,
    "sum_forward": _axis_sum,
    **dict.fromkeys(("factorization_machine_forward", "factorization_machine_backward_input",
                     "factorization_machine_backward_params", "fm_interaction_forward", "fm_interaction_backward"),
                    _factors),
}  # fmt: skip


# Gradients ------------------------------------------------------------------------------------------------------------


def _each(program: Program, op: Op, reached: set[int], make: Callable[[int, int], int]) -> dict[int, int]:
    """Return the gradient of each input that wants one; an input that is given twice gets the sum."""
    parts: dict[int, list[int]] = {}
    for at, number in enumerate(op.inputs):
        if number is not None and number in reached:
            parts.setdefault(number, []).append(make(at, number))
    gradients = {}
    for number, found in parts.items():
        gradients[number] = found[0]
        if len(found) > 1:
            gradients[number] = program.like(number)
            program.emit("gradient_sum", tuple(found), (gradients[number],))
    return gradients


def _emitted(program: Program, like: int, kernel: str, inputs: tuple[int | None, ...], **attributes: Any) -> int:
    """Append an op whose result is a gradient as large as a buffer; return the gradient."""
    dx = program.like(like)
    program.emit(kernel, inputs, (dx,), **attributes)
    return dx


def _add_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: dy)


def _subtract_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: dy if at == 0 else _emitted(
        program, number, "scale_forward", (dy,), scale=-1.0))


def _multiply_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "multiply_forward", (dy, *op.inputs[:at], *op.inputs[at + 1 :])))


def _scale_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "scale_forward", (dy,), **op.attributes))


def _extremum_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "extremum_backward", (dy, op.outputs[0], *op.inputs[: at + 1])))


def _concatenate_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    axis = int(op.attributes.get("axis", -1))
    sizes = [_axis(program, number, op)[1] for number in op.inputs]
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "concatenate_backward", (dy,), axis=axis, start=sum(sizes[:at]), size=sizes[at]))


def _reshape_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(program, number, "reshape_forward", (dy,)))


def _repeat_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "sum_forward", (dy,), axis=op.attributes.get("axis", -1)))


def _sum_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "repeat_forward", (dy,), axis=op.attributes.get("axis", -1),
        repeats=_axis(program, number, op)[1]))


def _factors_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    parts = ("input", "params")
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, f"factorization_machine_backward_{parts[at]}", (dy, *op.inputs, op.outputs[1])))


def _interaction_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    return _each(program, op, reached, lambda at, number: _emitted(
        program, number, "fm_interaction_backward", (dy, *op.inputs)))


RULES: dict[str, Callable[[Program, Op, int, set[int]], dict[int, int]]] = {
    "add_forward": _add_rule,
    "subtract_forward": _subtract_rule,
    "multiply_forward": _multiply_rule,
    "scale_forward": _scale_rule,
    "maximum_forward": _extremum_rule,
    "minimum_forward": _extremum_rule,
    "concatenate_forward": _concatenate_rule,
    "reshape_forward": _reshape_rule,
    "repeat_forward": _repeat_rule,
    "sum_forward": _sum_rule,
    "factorization_machine_forward": _factors_rule,
    "fm_interaction_forward": _interaction_rule,
}
