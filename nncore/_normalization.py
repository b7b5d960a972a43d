"""Normalizing ops of a program: what the core runs for them, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncore.kernels._front import ACTIVATION, DEFAULT_ALPHA
from nncore.kernels.normalization import FACTOR
from nncore.program import Op, Program

__all__ = ["BY_COLUMN", "LAST_AXIS", "LOWERED", "RULES"]

Lowered = tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]

# Kernels of the core that sum over the batch, and ops that take rows of the last axis of an array of any rank.
BY_COLUMN = ("batch_normalization_forward", "batch_normalization_backward", "layer_normalization_backward_params")
LAST_AXIS = (
    "batch_normalization_forward", "batch_normalization_backward", "batch_normalization",
    "batch_normalization_backward_params", "layer_normalization_forward", "layer_normalization_backward_input",
    "layer_normalization_backward_params", "rms_normalization_forward", "rms_normalization_backward_input",
    "rms_normalization_backward_params",
)  # fmt: skip


# What the core runs ---------------------------------------------------------------------------------------------------


def _activation(op: Op) -> tuple[int, float]:
    name = op.attributes.get("activation", "linear")
    return ACTIVATION[name], float(op.attributes.get("alpha", DEFAULT_ALPHA.get(name, 0.0)))


def _batch_forward(program: Program, op: Op) -> Lowered:
    kind, alpha = _activation(op)
    scalars = (float(op.attributes["momentum"]), float(op.attributes["epsilon"]), alpha)
    return op.kernel, (*op.inputs, *op.outputs), (_width(program, op), 0, kind), scalars


def _batch_backward(program: Program, op: Op) -> Lowered:
    kind, alpha = _activation(op)
    inputs, saved = op.inputs[:5], op.inputs[5:]  # behind the kernel's own stands what the activation needs
    return op.kernel, (*inputs, *op.outputs, *saved), (_width(program, op), 0, kind), (alpha,)


def _batch_backward_params(program: Program, op: Op) -> Lowered:
    operands = (*op.inputs, None, None, *op.outputs)
    scalars = (0.0, float(op.attributes["epsilon"]))
    return "batch_normalization_backward", operands, (_width(program, op), FACTOR["inverse"]), scalars


def _batch_given(program: Program, op: Op) -> Lowered:
    kind, alpha = _activation(op)
    sizes = (_width(program, op), FACTOR["inverse"], kind)
    return "scaled", (*op.inputs, *op.outputs), sizes, (float(op.attributes["epsilon"]), alpha)


def _normalization(program: Program, op: Op) -> Lowered:
    x, mean, variance, index = op.inputs
    back = op.attributes["invert"]
    operands = (x, None if back else mean, variance, None, mean if back else None, *op.outputs, index)
    return "scaled", operands, (_size(program, op), FACTOR["spread" if back else "floor"]), (1e-7,)


def _rescaling(program: Program, op: Op) -> Lowered:
    x, scale, offset = op.inputs
    return "scaled", (x, None, scale, None, offset, *op.outputs), (_size(program, op), FACTOR["given"]), ()


def _layer_forward(program: Program, op: Op) -> Lowered:
    centred = op.kernel.startswith("layer")
    x, gamma, *beta = op.inputs
    y, *mean, inverse = op.outputs
    operands = (x, gamma, *(beta or [None]), y, *(mean or [None]), inverse)
    return "layer_normalization_forward", operands, (_width(program, op), centred), (float(op.attributes["epsilon"]),)


def _layer_backward(program: Program, op: Op) -> Lowered:
    kernel = op.kernel.replace("rms", "layer")
    inputs = op.inputs if op.kernel.startswith("layer") else (*op.inputs[:2], None, *op.inputs[2:])
    return kernel, (*inputs, *op.outputs), (_width(program, op),), ()


def _width(program: Program, op: Op) -> int:
    assert op.inputs[0] is not None
    return program.width(op.inputs[0])


def _size(program: Program, op: Op) -> int:
    assert op.inputs[0] is not None
    return program.buffers[op.inputs[0]].row_size


LOWERED: dict[str, Callable[[Program, Op], Lowered]] = {
    "batch_normalization_forward": _batch_forward,
    "batch_normalization_backward": _batch_backward,
    "batch_normalization_backward_params": _batch_backward_params,
    "batch_normalization": _batch_given,
    "normalization_forward": _normalization,
    "rescaling_forward": _rescaling,
    "layer_normalization_forward": _layer_forward,
    "layer_normalization_backward_input": _layer_backward,
    "layer_normalization_backward_params": _layer_backward,
    "rms_normalization_forward": _layer_forward,
    "rms_normalization_backward_input": _layer_backward,
    "rms_normalization_backward_params": _layer_backward,
}


# Gradients ------------------------------------------------------------------------------------------------------------


def _wanted(program: Program, reached: set[int], *numbers: int | None) -> dict[int, int]:
    """Return a new gradient's buffer for each of these inputs that is to have one."""
    return {number: program.like(number) for number in numbers if number is not None and number in reached}


def _emitted(program: Program, kernel: str, inputs: tuple[int | None, ...], *like: int | None,
             given: dict[int, int], **attributes: Any) -> None:
    """Append an op whose outputs are the gradients of some buffers, where any of them is wanted."""
    outputs = tuple(None if number is None else given.get(number) for number in like)
    if any(output is not None for output in outputs):
        program.emit(kernel, inputs, outputs, **attributes)


def _batch_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, _, _, gamma, beta = op.inputs
    _, mean, inverse, *_ = op.outputs
    found = _wanted(program, reached, x, gamma, beta)
    _emitted(program, "batch_normalization_backward", (dy, x, mean, inverse, gamma), x, gamma, beta, given=found)
    return found


def _given_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, mean, variance, gamma, beta = op.inputs
    found, epsilon = _wanted(program, reached, x, gamma, beta), op.attributes["epsilon"]
    _emitted(program, op.kernel, (dy, None, variance, gamma, None), x, given=found, epsilon=epsilon)
    _emitted(program, "batch_normalization_backward_params", (dy, x, mean, variance), gamma, beta, given=found,
             epsilon=epsilon)
    return found


def _normalization_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, _, variance, index = op.inputs
    found = _wanted(program, reached, x)
    _emitted(program, op.kernel, (dy, None, variance, index), x, given=found, **op.attributes)
    return found


def _rescaling_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, scale, _ = op.inputs
    found = _wanted(program, reached, x)
    _emitted(program, op.kernel, (dy, scale, None), x, given=found)
    return found


def _layer_rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, gamma, *beta = op.inputs
    saved = op.outputs[1:]
    found = _wanted(program, reached, x, gamma, *beta)
    kernel = op.kernel.removesuffix("forward")
    _emitted(program, f"{kernel}backward_input", (dy, x, *saved, gamma), x, given=found)
    _emitted(program, f"{kernel}backward_params", (dy, x, *saved), gamma, *beta, given=found)
    return found


RULES: dict[str, Callable[[Program, Op, int, set[int]], dict[int, int]]] = {
    "batch_normalization_forward": _batch_rule,
    "batch_normalization": _given_rule,
    "normalization_forward": _normalization_rule,
    "rescaling_forward": _rescaling_rule,
    "layer_normalization_forward": _layer_rule,
    "rms_normalization_forward": _layer_rule,
}
