"""Rows of the table of kernels for random masks and noise; `nncore.testing` imports them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nncore._table import Draw, Kernel, Shape

# A group of words serves 64 numbers or 128 elements of a mask; threads share out 16 rows at a time.
_SHAPES: tuple[Shape, ...] = (
    (1, 7), (3, 43), (2, 32), (5, 13), (1, 64), (9, 7), (64, 1), (65, 3), (2, 65), (16, 8), (1, 127), (129,),
    (17, 31), (35, 16), (3, 5, 17), (5, 3, 2), (4, 2, 3, 11), (70,),
)  # fmt: skip
_BIG: Shape = (1031, 257)


def _row(name: str, scalars: dict[str, Any], variants: tuple[dict[str, Any], ...], gradient: bool = True,
         baseline: Callable[..., Any] | None = None) -> tuple[Kernel, ...]:
    def make(draw: Draw, name: str, shape: Shape) -> dict[str, Any]:
        layer, step = draw.words(2).tolist()
        return {name: draw.normal(*shape, scale=3), **scalars, "seed": int(draw.rng.integers(2**64, dtype=np.uint64)),
                "layer": layer, "step": step}

    def back(kernels: Any, dy: Any, y: Any, a: dict[str, Any]) -> tuple[Any, ...]:
        settings = {key: value for key, value in a.items() if key != "x"}
        return (getattr(kernels, f"{name}_backward")(dy, **settings) if gradient else dy,)

    forward = Kernel(
        f"{name}_forward",
        lambda draw, *shape: make(draw, "x", shape),
        _SHAPES,
        _BIG,
        variants=variants,
        differentiable=("x",),
        gradient=back,
        moved=lambda *shape: 2 * int(np.prod(shape)),
        baseline=baseline,
    )
    backward = forward._replace(
        name=f"{name}_backward", make=lambda draw, *shape: make(draw, "dy", shape),
        differentiable=(), gradient=None, baseline=None,
    )
    return (forward, backward) if gradient else (forward,)


_RATES: tuple[dict[str, Any], ...] = ({}, {"rate": 0.9}, {"rate": 0.00001}, {"rate": 0.0})
_rng = np.random.default_rng(0)


def _shaped(name: str) -> Kernel:
    """Make a row whose mask is repeated."""
    patterns = ((None, 1, None), (None, None, 1), (1, None, None), (1, 1, None), (None, 1, 1))
    shapes: tuple[Shape, ...] = ((3, 5, 17), (2, 3, 131), (37, 6, 1), (5, 64, 2), (17, 129, 3), (4, 1, 7))
    return Kernel(
        name,
        lambda draw, *shape: {"dy" if name.endswith("backward") else "x": draw.normal(*shape), "rate": 0.3, "seed": 5},
        shapes,
        (1031, 3, 129),
        variants=tuple({"noise_shape": pattern} for pattern in patterns),
        label="noise_shape",
    )


ROWS: tuple[Kernel, ...] = (
    *_row("dropout", {"rate": 0.3}, (*_RATES, {"rate": 1.0}),
          baseline=lambda x, rate, **_: np.where(_rng.random(x.shape, np.float32) >= rate, x * (1 / (1 - rate)), 0)),
    _shaped("dropout_forward"),
    _shaped("dropout_backward"),
    *_row("alpha_dropout", {"rate": 0.3}, _RATES,
          baseline=lambda x, rate, **_: 0.9 * np.where(_rng.random(x.shape, np.float32) >= rate, x, -1.76) + 0.4),
    _shaped("alpha_dropout_forward"),
    *_row("gaussian_dropout", {"rate": 0.3}, _RATES,
          baseline=lambda x, rate, **_: x * _rng.normal(1, (rate / (1 - rate)) ** 0.5, x.shape)),
    *_row("gaussian_noise", {"stddev": 0.7}, ({}, {"stddev": 0.0}), gradient=False,
          baseline=lambda x, stddev, **_: x + _rng.normal(0, stddev, x.shape)),
)
