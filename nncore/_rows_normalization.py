"""Rows of the table of kernels (`nncore.testing.KERNELS`): normalization."""
# ruff: noqa: E741  (B, C are the alphabet of shapes)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nncore._table import Array, Draw, Kernel

# As the table's own, and batches that cross the chunks of 512 rows and the blocks of 256 columns.
_SHAPES: tuple[tuple[int, ...], ...] = (
    (5, 1), (1, 11), (2, 12), (3, 13), (11, 27), (12, 15), (13, 16), (27, 17), (15, 35), (16, 31), (17, 32),
    (35, 33), (31, 67), (32, 63), (33, 64), (67, 65), (63, 131), (64, 7), (65, 8), (131, 9), (7, 1023),
    (2, 1024), (3, 2051), (513, 5), (1027, 3), (6, 255), (9, 256), (4, 258),
)  # fmt: skip
_BIG = (1031, 257)
_ACTIVATIONS = (
    {"activation": "relu"},
    {"activation": "leaky_relu", "alpha": 0.3},
    {"activation": "tanh"},
    {"activation": "gelu"},
)


def _batch(draw: Draw, B: int, C: int) -> dict[str, Any]:
    return {
        "x": draw.normal(B, C, scale=3) + draw.normal(C, scale=5),
        "moving_mean": draw.normal(C),
        "moving_variance": draw.between(0.3, 2.1, C),
        "gamma": draw.between(0.4, 1.7, C),
        "beta": draw.normal(C),
    }


def _before(kernels: Any, dy: Array, a: dict[str, Any], forward: Any) -> Array:
    """Return the gradient before the activation that a fused kernel applied."""
    from nncore.testing import _through

    plain = {name: value for name, value in a.items() if name not in ("activation", "alpha")}
    z, y = forward(**plain), forward(**a)
    if isinstance(z, tuple):
        z, y = z[0], y[0]
    return _through(kernels, dy, z, y, a)


def _batch_gradient(kernels: Any, dy: Array, result: Any, a: dict[str, Any]) -> tuple[Array, ...]:
    _, mean, inverse, *_ = result
    dy = _before(kernels, dy, a, kernels.batch_normalization_forward)
    dx, dgamma, dbeta = kernels.batch_normalization_backward(dy, a["x"], mean, inverse, a["gamma"])
    return dx, *(d for name, d in (("gamma", dgamma), ("beta", dbeta)) if a[name] is not None)


def _batch_baseline(x: Array, moving_mean: Array, moving_variance: Array, gamma: Array, beta: Array) -> Any:
    mean, variance = x.mean(axis=0), x.var(axis=0)
    moving_mean *= 0.99
    moving_mean += 0.01 * mean
    moving_variance *= 0.99
    moving_variance += 0.01 * variance
    inverse = 1 / np.sqrt(variance + 0.001)
    return (x - mean) * inverse * gamma + beta, mean, inverse


def _batch_backward_baseline(dy: Array, x: Array, mean: Array, inverse: Array, gamma: Array) -> Any:
    u = (x - mean) * inverse
    dbeta, dgamma = dy.sum(axis=0), (dy * u).sum(axis=0)
    return gamma * inverse * (dy - dbeta / len(x) - u * (dgamma / len(x))), dgamma, dbeta


def _given(draw: Draw, B: int, C: int) -> dict[str, Any]:
    a = _batch(draw, B, C)
    return {"x": a["x"], "mean": a["moving_mean"], "variance": a["moving_variance"], "gamma": a["gamma"],
            "beta": a["beta"]}


def _of_rows(draw: Draw, B: int, C: int) -> dict[str, Any]:
    return {"dy": draw.normal(B, C), "x": draw.normal(B, C, scale=3), "mean": draw.normal(B, 1),
            "inverse": draw.between(0.3, 1.9, B, 1)}


def _without(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in names}


def _layer_gradient(kernels: Any, dy: Array, result: Any, a: dict[str, Any]) -> tuple[Array, ...]:
    _, mean, inverse = result
    dx = kernels.layer_normalization_backward_input(dy, a["x"], mean, inverse, a["gamma"])
    dgamma, dbeta = kernels.layer_normalization_backward_params(dy, a["x"], mean, inverse)
    return dx, *(d for name, d in (("gamma", dgamma), ("beta", dbeta)) if a[name] is not None)


def _rms_gradient(kernels: Any, dy: Array, result: Any, a: dict[str, Any]) -> tuple[Array, ...]:
    inverse = result[1]
    dx = kernels.rms_normalization_backward_input(dy, a["x"], inverse, a["scale"])
    return dx, kernels.rms_normalization_backward_params(dy, a["x"], inverse)


def rows() -> tuple[Kernel, ...]:
    """Return the rows; a function, since the table imports this file."""
    from nncore._table import Kernel

    shared: dict[str, Any] = {"shapes": _SHAPES, "big": _BIG}
    no_scale: tuple[dict[str, Any], ...] = ({}, {"gamma": None}, {"beta": None}, {"gamma": None, "beta": None})
    return (
        Kernel(
            "batch_normalization_forward",
            _batch,
            variants=(*no_scale, {"momentum": 0.3, "epsilon": 0.19}, *_ACTIVATIONS),
            ulps=500,
            differentiable=("x", "gamma", "beta"),
            gradient=_batch_gradient,
            moved=lambda B, C: 2 * B * C,
            baseline=_batch_baseline,
            **shared,
        ),
        Kernel(
            "batch_normalization_backward",
            lambda draw, B, C: {
                "dy": draw.normal(B, C, scale=B**-0.5 if B else 1.0), "x": draw.normal(B, C, scale=3),
                "mean": draw.normal(C), "inverse": draw.between(0.3, 1.9, C), "gamma": draw.between(0.4, 1.7, C),
            },
            variants=({}, {"gamma": None}),
            ulps=2000,
            moved=lambda B, C: 3 * B * C,
            baseline=_batch_backward_baseline,
            **shared,
        ),
        Kernel(
            "batch_normalization",
            _given,
            variants=(*no_scale, {"mean": None, "beta": None}, {"epsilon": 0.19}, *_ACTIVATIONS),
            ulps=64,
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (
                kernels.batch_normalization(_before(kernels, dy, a, kernels.batch_normalization), None,
                                            a["variance"], a["gamma"], epsilon=a.get("epsilon", 0.001)),
            ),
            rowwise=True,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "batch_normalization_backward_params",
            lambda draw, B, C: {"dy": draw.normal(B, C), **_without(_given(draw, B, C), "gamma", "beta")},
            variants=({}, {"epsilon": 0.19}),
            ulps=2000,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "normalization_forward",
            lambda draw, B, C: _without(_given(draw, B, C), "gamma", "beta"),
            variants=({}, {"invert": True}, {"mean": None}, {"mean": None, "invert": True}),
            ulps=64,
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (
                kernels.normalization_forward(dy, None, a["variance"], invert=a.get("invert", False)),
            ),
            rowwise=True,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "normalization_forward",
            lambda draw, B, C: {
                "x": draw.normal(B, C), "mean": draw.normal(7), "variance": draw.between(0.3, 2.1, 7),
                "index": draw.classes(C, 7),
            },
            label="index",
            variants=({}, {"mean": None}, {"invert": True}),
            ulps=64,
            rowwise=True,
            moved=lambda B, C: 2 * B * C,
            shapes=tuple((B, C) for B, C in _SHAPES if B != 7 and C != B),
            big=_BIG,
        ),
        Kernel(
            "rescaling_forward",
            lambda draw, B, C: {"x": draw.normal(B, C), "scale": draw.normal(C), "offset": draw.normal(C)},
            variants=({}, {"offset": None}),
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (kernels.rescaling_forward(dy, a["scale"]),),
            rowwise=True,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "layer_normalization_forward",
            lambda draw, B, C: _without(_batch(draw, B, C), "moving_mean", "moving_variance"),
            variants=(*no_scale, {"epsilon": 0.19}),
            ulps=500,
            differentiable=("x", "gamma", "beta"),
            gradient=_layer_gradient,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "layer_normalization_backward_input",
            lambda draw, B, C: {**_of_rows(draw, B, C), "gamma": draw.between(0.4, 1.7, C)},
            variants=({}, {"gamma": None}),
            ulps=4000,
            rowwise=True,
            moved=lambda B, C: 3 * B * C,
            **shared,
        ),
        Kernel(
            "layer_normalization_backward_params",
            _of_rows,
            ulps=2000,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "rms_normalization_forward",
            lambda draw, B, C: {"x": draw.normal(B, C, scale=3), "scale": draw.between(0.4, 1.7, C)},
            variants=({}, {"scale": None}, {"epsilon": 0.19}),
            ulps=100,
            differentiable=("x", "scale"),
            gradient=_rms_gradient,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
        Kernel(
            "rms_normalization_backward_input",
            lambda draw, B, C: {**_without(_of_rows(draw, B, C), "mean"), "scale": draw.between(0.4, 1.7, C)},
            variants=({}, {"scale": None}),
            ulps=4000,
            rowwise=True,
            moved=lambda B, C: 3 * B * C,
            **shared,
        ),
        Kernel(
            "rms_normalization_backward_params",
            lambda draw, B, C: _without(_of_rows(draw, B, C), "mean"),
            ulps=2000,
            moved=lambda B, C: 2 * B * C,
            **shared,
        ),
    )
