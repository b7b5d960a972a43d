"""Activations of whole rows in a program: what the core runs for them, and the gradients that are not in the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from nncore.kernels.row_activations import slope_layout, turn_layout
from nncore.program import Op, Program

__all__ = ["LOWERED", "RULES", "axes_of", "emit_along", "half_of", "rows_per"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]

_SHORT = {"sparsemax": 0, "sparsemax_backward": 0, "glu_forward": 1, "glu_backward": 0}  # the operand without gates


def rows_per(program: Program, op: Op) -> int:
    """Return how many rows the kernel sees of each row of the batch."""
    if op.kernel.startswith("prelu"):
        return _slopes(program, op)[0]
    if op.kernel.startswith("move_axis"):
        return _turned(program, op)[0]
    return int(np.prod(_shape(program, op.inputs[0])[:-1], dtype=np.int64))


def _shape(program: Program, number: int | None) -> tuple[int, ...]:
    assert number is not None
    return program.buffers[number].shape


def _slopes(program: Program, op: Op) -> tuple[int, tuple[int, int, int, int]]:
    """Return how the slopes of prelu lie beside its input: both stand last."""
    x, alpha = (_shape(program, number) for number in op.inputs[-2:])
    return slope_layout(op.kernel, x, alpha)


def _prelu(program: Program, op: Op) -> Lowered:
    return op.kernel, (*op.inputs, *op.outputs), _slopes(program, op)[1], ()


def _row(program: Program, op: Op) -> Lowered:
    operands = (*op.inputs, *op.outputs)
    return op.kernel, operands, _shape(program, operands[_SHORT[op.kernel]])[-1:], ()


def _turned(program: Program, op: Op) -> tuple[int, tuple[int, int]]:
    """Return how many matrices of a row are transposed, and their size, from the side where the axis is inside."""
    (x,), (y,) = op.inputs, op.outputs
    if op.kernel == "move_axis_forward":
        return turn_layout(_shape(program, x), op.attributes["axis"])
    outer, (length, inner) = turn_layout(_shape(program, y), op.attributes["axis"])
    return outer, (inner, length)


def _move_axis(program: Program, op: Op) -> Lowered:
    return "move_axis", (*op.inputs, *op.outputs), _turned(program, op)[1], ()


LOWERED: dict[str, Callable[[Program, Op], Lowered]] = {
    "prelu_forward": _prelu,
    "prelu_backward": _prelu,
    "move_axis_forward": _move_axis,
    "move_axis_backward": _move_axis,
    **dict.fromkeys(_SHORT, _row),
}


def _prelu_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, alpha = op.inputs
    assert x is not None and alpha is not None
    gradients = {x: program.like(x), alpha: program.like(alpha)}
    program.emit("prelu_backward", (dy, x, alpha), (gradients[x], gradients[alpha]))
    return gradients


def _sign_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    raise NotImplementedError(
        f"layer {program.layer!r}: sign has no gradient to train with (it is 0 wherever there is one): train a linear "
        "output with a hinge or perceptron loss and take the sign of what it predicts"
    )


def _move_axis_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    (x,) = op.inputs
    assert x is not None
    back = "backward" if op.kernel.endswith("forward") else "forward"
    dx = program.like(x)
    program.emit(f"move_axis_{back}", (dy,), (dx,), axis=op.attributes["axis"])
    return {x: dx}


RULES: dict[str, Callable[[Program, Op, int, set[int]], dict[int, int]]] = {
    "prelu_forward": _prelu_rule,
    "sign_forward": _sign_rule,
    "move_axis_forward": _move_axis_rule,
    "move_axis_backward": _move_axis_rule,
}


def emit_along(program: Program, kernel: str, x: int, axis: int | Sequence[int]) -> int:
    """Append an activation of whole rows along an axis, or over neighbouring axes at once; return its output.

    The kernels work along the last axis: another one is moved there and back, several are made one before.

    Parameters
    ----------
    program : Program
        The program.
    kernel : str
        The forward kernel.
    x : int
        The input's buffer, of shape (batch, ...).
    axis : int or sequence of int
        As of an array with the batch.
    """
    shape = _shape(program, x)
    first, last = axes_of(program.layer, kernel, axis, len(shape) + 1)
    merged = (*shape[: first - 1], math.prod(shape[first - 1 : last]), *shape[last:])
    if merged != shape:
        x = _emitted(program, "reshape_forward", x, merged)
    inside = first < len(merged)
    if inside:
        moved = (*merged[: first - 1], *merged[first:], merged[first - 1])
        x = _emitted(program, "move_axis_forward", x, moved, axis=first)
    length = merged[first - 1] if kernel != "glu_forward" else half_of(program.layer, merged[first - 1])
    y = _emitted(program, kernel, x, (*program.buffers[x].shape[:-1], length))
    if inside:
        y = _emitted(program, "move_axis_backward", y, (*merged[: first - 1], length, *merged[first:]), axis=first)
    return y if merged == shape else _emitted(program, "reshape_forward", y, shape)


def _emitted(program: Program, kernel: str, x: int, shape: tuple[int, ...], **attributes: int) -> int:
    y = program.rows(shape)
    program.emit(kernel, (x,), (y,), **attributes)
    return y


def half_of(layer: str, size: int) -> int:
    """Return half the length of an axis, what glu leaves of it."""
    if size % 2:
        raise ValueError(f"layer {layer!r}: glu takes the two halves of an axis, got one of length {size}")
    return size // 2


def axes_of(layer: str, name: str, axis: int | Sequence[int], ndim: int) -> tuple[int, int]:
    """Return the first and the last of some neighbouring axes behind the batch.

    Examples
    --------
    >>> axes_of("softmax", "softmax", -1, 3), axes_of("softmax", "softmax", (-2, 1), 4)
    ((2, 2), (1, 2))
    """
    given = [axis] if isinstance(axis, int) else list(axis)
    found = sorted({one % ndim for one in given if -ndim <= one < ndim})
    if not found or len(found) != len(given) or found[0] == 0 or found[-1] - found[0] != len(found) - 1:
        raise ValueError(
            f"layer {layer!r}: {name.removesuffix('_forward')} works along one axis, or some neighbouring ones, behind "
            f"the batch, of {ndim} axes, got axis={axis}"
        )
    return found[0], found[-1]
