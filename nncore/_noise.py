"""Ops of random masks and noise: what the core runs for them, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

from nncore.kernels import noise
from nncore.program import Op, Program

__all__ = ["LOWERED", "RULES", "stream"]

OWN_SEED = 1 << 31  # where the streams of layers with a seed of their own begin


def stream(program: Program, seed: int | None) -> tuple[int, int]:
    """Return seed and number of a fresh stream of random numbers: the model's, or that of a seed of a layer's own.

    Examples
    --------
    >>> import numpy as np
    >>> program = Program(np.dtype("float32"), seed=5)
    >>> stream(program, None), stream(program, None), stream(program, 7)
    ((5, 0), (5, 1), (7, 2147483648))
    """
    if seed is None:
        return program.seed, program.draws()
    used = sum(op.attributes.get("seed") == seed and op.attributes["layer"] >= OWN_SEED for op in program.ops)
    return seed, OWN_SEED + used


def _lowered(program: Program, op: Op) -> tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]:
    assert op.inputs[0] is not None
    kernel, sizes, scalars = noise.lowered(op.kernel, program.buffers[op.inputs[0]].shape, op.attributes)
    return kernel, (*op.inputs, *op.outputs), sizes, scalars


def _backward(kernel: str) -> Callable[[Program, Op, int, set[int]], dict[int, int]]:
    def rule(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
        (x,) = op.inputs
        assert x is not None
        dx = program.like(x)
        program.emit(kernel, (dy,), (dx,), **op.attributes)
        return {x: dx}

    return rule


def _same(program: Program, op: Op, dy: int, reached: set[int]) -> dict[int, int]:
    (x,) = op.inputs
    assert x is not None
    return {x: dy}


LOWERED = dict.fromkeys(noise.__all__, _lowered)
RULES = {f"{name}_forward": _backward(f"{name}_backward") for name in ("dropout", "alpha_dropout", "gaussian_dropout")}
RULES["gaussian_noise_forward"] = _same
