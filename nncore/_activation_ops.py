"""Activations of whole rows in a program: what the core runs for them, and the gradients that are not in the table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nncore.kernels.row_activations import slope_layout
from nncore.program import Op, Program

__all__ = ["LOWERED", "RULES", "rows_per"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]

_SHORT = {"sparsemax": 0, "sparsemax_backward": 0, "glu_forward": 1, "glu_backward": 0}  # the operand without gates


def rows_per(program: Program, op: Op) -> int:
    """Return how many rows the kernel sees of each row of the batch."""
    if op.kernel.startswith("prelu"):
        return _slopes(program, op)[0]
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


LOWERED: dict[str, Callable[[Program, Op], Lowered]] = {
    "prelu_forward": _prelu,
    "prelu_backward": _prelu,
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


RULES: dict[str, Callable[[Program, Op, int, set[int]], dict[int, int]]] = {
    "prelu_forward": _prelu_rule,
    "sign_forward": _sign_rule,
}
