"""Backpropagation: one rule per kernel that emits the ops of its gradient.

`backward` walks the forward ops from the last to the first. A rule is called with the op and the buffer that
holds the gradient of its output, and returns the gradient of each input that it could give one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nncore import _activation_ops, _embedding, _merging, _noise, _normalization, activations, custom
from nncore.program import Op, Program

__all__ = ["RULES", "backward"]

MOST_SUMMED = 8  # gradients that one op adds up
Rule = Callable[[Program, Op, int, set[int]], dict[int, int]]


def backward(program: Program, forward: list[Op], known: Sequence[tuple[int, int]],
             passed: dict[int, int] | None = None) -> dict[int, int]:
    """Append the ops that take gradients back from some buffers to every trainable parameter.

    Parameters
    ----------
    program : Program
        The program.
    forward : list of Op
        Its forward ops.
    known : sequence of (int, int)
        Buffers whose gradients are known, each with the buffer that holds it.
    passed : dict, optional
        Is given the buffers that gradients pass on the way, each with its gradient's buffer.

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
    >>> gradients = nn.gradients.backward(program, program.ops[:], [(y, program.like(y))])
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
    found: dict[int, list[int]] = {}  # buffer -> its gradients so far
    for wrt, gradient in known:
        found.setdefault(wrt, []).append(gradient)
    for op in reversed(forward):
        outputs = [number for number in op.outputs if number in found]
        if not outputs or not reached.intersection(op.inputs):
            continue
        program.layer = program.buffers[outputs[0]].name
        if op.kernel not in RULES:
            raise NotImplementedError(f"no gradient is known for the kernel {op.kernel}")
        dy = _sum(program, found.pop(outputs[0]))  # all who read it stand behind this op
        if passed is not None:
            passed[outputs[0]] = dy
        for number, gradient in RULES[op.kernel](program, op, dy, reached).items():
            found.setdefault(number, []).append(gradient)
    _embedding.finish(program, found)
    return {number: _sum(program, found[number]) for number in sorted(trained) if number in found}


def _sum(program: Program, gradients: list[int]) -> int:
    """Return the buffer of the sum of a buffer's gradients."""
    total = gradients[0]
    for first in range(1, len(gradients), MOST_SUMMED - 1):
        parts = (total, *gradients[first : first + MOST_SUMMED - 1])
        total = program.like(total)
        program.emit("gradient_sum", parts, (total,))
    return total


def _dense(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    x, w, b = op.inputs
    assert x is not None and w is not None
    gradients = {}
    if x in reached:  # first: the update of w may be part of the gradient's op
        gradients[x] = program.like(x)
        program.emit("dense_backward_input", (dy, w), (gradients[x],))
    if w in reached or b in reached:
        gradients[w] = program.like(w)
        if b is not None:
            gradients[b] = program.like(b)
        program.emit("dense_backward_params", (x, dy), (gradients[w], None if b is None else gradients[b]))
    return gradients


def _activation(row: activations.Activation) -> Rule:
    def rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
        (x,), (y,) = op.inputs, op.outputs
        assert x is not None
        dx = program.like(x)
        saved = {"x": (x,), "y": (y,), None: ()}[row.needs]
        scalars = {name: op.attributes[name] for name in activations.DERIVATIVES[row.kernel][1]}
        program.emit(f"{row.kernel}_backward", (dy, *saved), (dx,), **scalars)
        return {x: dx}

    return rule


def _python(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    """``(x, y, dy)`` to the gradient of each input, by the `backward` that the user wrote."""
    function = op.attributes["function"]
    (y,) = op.outputs
    gradients = {}
    for number in op.inputs:
        if number is not None and number in reached:
            gradients[number] = program.like(number)
    wanted = tuple(None if number is None else gradients.get(number) for number in op.inputs)
    custom.emit(program, function.gradient(), (*op.inputs[: function.takes], y, dy), wanted)
    return gradients


RULES: dict[str, Rule] = {"dense_forward": _dense, "python": _python}
RULES |= {row.forward: _activation(row) for row in activations.KERNEL_ROWS}
RULES |= _activation_ops.RULES
RULES |= _embedding.RULES
RULES |= _merging.RULES
RULES |= _noise.RULES
RULES |= _normalization.RULES
