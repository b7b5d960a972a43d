"""Backpropagation: one rule per kernel that emits the ops of its gradient.

`backward` walks the forward ops from the last to the first. A rule is called with the op and the buffer that
holds the gradient of its output, and returns the gradient of each input that it could give one.
"""

from __future__ import annotations

from collections.abc import Callable

from nncore import activations, custom
from nncore.program import Op, Program

__all__ = ["RULES", "backward"]

Rule = Callable[[Program, Op, int, set[int]], dict[int, int]]


def backward(program: Program, forward: list[Op], wrt: int, gradient: int) -> dict[int, int]:
    """Append the ops that take a gradient back from a buffer to every trainable parameter.

    Parameters
    ----------
    program : Program
        The program.
    forward : list of Op
        Its forward ops.
    wrt : int
        The buffer whose gradient is known.
    gradient : int
        The buffer that holds it.

    Returns
    -------
    dict of int to int
        Parameter's buffer -> its gradient's buffer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> program = nn.program.Program(np.dtype("float32"))
    >>> x, y = program.rows(3, role="input"), program.rows(2)
    >>> w = program.parameter(nn.Variable(nn.initializers.Ones()((3, 2)), "kernel"))
    >>> program.emit("dense_forward", (x, w, None), (y,))
    >>> gradients = nn.gradients.backward(program, program.ops[:], y, program.rows(2, role="gradient"))
    >>> print(program)
    %1 = dense_forward(%0, %2, None)
    %4 = dense_backward_params(%0, %3)
    >>> gradients
    {2: 4}
    """
    trained = {number for number, buffer in enumerate(program.buffers)
               if buffer.variable is not None and buffer.role == "parameter" and buffer.variable.trainable}
    reached = set(trained)  # buffers that depend on a trained parameter
    for op in forward:
        if reached.intersection(op.inputs):
            reached.update(number for number in op.outputs if number is not None)
    gradients = {wrt: gradient}
    for op in reversed(forward):
        outputs = [number for number in op.outputs if number in gradients]
        if not outputs or not reached.intersection(op.inputs):
            continue
        program.layer = program.buffers[outputs[0]].name
        if op.kernel not in RULES:
            raise NotImplementedError(f"no gradient is known for the kernel {op.kernel}")
        for number, found in RULES[op.kernel](program, op, gradients[outputs[0]], reached).items():
            if number in gradients:
                raise NotImplementedError(
                    f"two gradients reach the output of layer {program.buffers[number].name!r}"
                )
            gradients[number] = found
    return {number: gradients[number] for number in sorted(trained) if number in gradients}


def _dense(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, w, b = op.inputs
    assert x is not None and w is not None
    gradients = {}
    if x in reached:  # first: the update of w may be part of the gradient's op
        gradients[x] = program.rows(program.width(x), role="gradient")
        program.emit("dense_backward_input", (dy, w), (gradients[x],))
    if w in reached or b in reached:
        gradients[w] = program.array_like(w)
        if b is not None:
            gradients[b] = program.array_like(b)
        program.emit("dense_backward_params", (x, dy), (gradients[w], None if b is None else gradients[b]))
    return gradients


def _activation(row: activations.Activation) -> Rule:
    def rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
        (x,), (y,) = op.inputs, op.outputs
        assert x is not None
        dx = program.rows(program.width(x), role="gradient")
        saved = {"x": (x,), "y": (y,), None: ()}[row.needs]
        scalars = {name: op.attributes[name] for name in activations.DERIVATIVES[row.kernel][1]}
        program.emit(f"{row.kernel}_backward", (dy, *saved), (dx,), **scalars)
        return {x: dx}

    return rule


def _sign(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    raise NotImplementedError(
        f"layer {program.layer!r}: sign has no gradient to train with (it is 0 wherever there is one): train a linear "
        "output with a hinge or perceptron loss and take the sign of what it predicts"
    )


def _prelu(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, alpha = op.inputs
    assert x is not None and alpha is not None
    gradients = {x: program.rows(program.width(x), role="gradient"), alpha: program.array_like(alpha)}
    program.emit("prelu_backward", (dy, x, alpha), (gradients[x], gradients[alpha]))
    return gradients


def _python(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    """``(x, y, dy)`` to the gradient of each input, by the `backward` that the user wrote."""
    function = op.attributes["function"]
    (y,) = op.outputs
    gradients = {}
    for number in op.inputs:
        if number is not None and number in reached:
            buffer = program.buffers[number]
            gradients[number] = (program.rows(program.width(number), role="gradient") if buffer.per_row
                                 else program.array(buffer.shape))
    wanted = tuple(None if number is None else gradients.get(number) for number in op.inputs)
    custom.emit(program, function.gradient(), (op.inputs[0], y, dy), wanted)
    return gradients


RULES: dict[str, Rule] = {"dense_forward": _dense, "python": _python}
RULES |= {row.forward: _activation(row) for row in activations.KERNEL_ROWS}
RULES |= {"sign_forward": _sign, "prelu_forward": _prelu}
