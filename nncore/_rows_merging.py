"""Rows of the table of kernels: merging layers and factorization machines."""
# ruff: noqa: E741  (B, I, O, C are the alphabet of shapes)

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from nncore._table import _BIG_ELEMENTS, _BIG_ROWS, _ELEMENTS, _ROWS, Array, Draw, Kernel, Shape

__all__ = ["ROWS"]


def _inputs(draw: Draw, count: int, *shape: int) -> dict[str, Any]:
    return {f"inputs[{number}]": draw.normal(*shape) for number in range(count)}


def _listed(a: dict[str, Any]) -> list[Array]:
    return [array for name, array in a.items() if name.startswith("inputs[")]


def _merge(name: str, operation: Callable[..., Any], gradient: Callable[..., tuple[Array, ...]] | None, count: int = 3,
           label: str = "") -> Kernel:
    return Kernel(
        name,
        lambda draw, *shape: _inputs(draw, count, *shape),
        _ELEMENTS,
        _BIG_ELEMENTS,
        label=label,
        differentiable=tuple(f"inputs[{number}]" for number in range(count)),
        gradient=gradient,
        rowwise=True,
        moved=lambda *shape: (count + 1) * int(np.prod(shape)),
        baseline=lambda **a: reduce(operation, a.values()),
        lists=True,
    )


def _of_product(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    inputs = _listed(a)
    return tuple(kernels.multiply_forward([dy, *inputs[:at], *inputs[at + 1 :]]) for at in range(len(inputs)))


def _of_extremum(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    inputs = _listed(a)
    return tuple(kernels.extremum_backward(dy, y, inputs[: at + 1]) for at in range(len(inputs)))


def _of_sum(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    return tuple(dy for _ in _listed(a))


def _extremum_backward(draw: Draw, *shape: int) -> dict[str, Any]:
    inputs = _inputs(draw, 3, *shape)
    ties = draw.rng.random(shape) < 0.2
    inputs["inputs[2]"][ties] = inputs["inputs[0]"][ties]
    return {"dy": draw.normal(*shape), "y": reduce(np.maximum, inputs.values()), **inputs}


def _extremum_baseline(dy: Array, y: Array, **a: Array) -> Array:
    first, second, last = a.values()
    return np.where((last == y) & (first != y) & (second != y), dy, 0)


_MERGES = (
    _merge("add_forward", np.add, _of_sum),
    _merge("add_forward", np.add, _of_sum, count=17, label="many"),
    _merge("gradient_sum", np.add, _of_sum, count=2),
    _merge("subtract_forward", np.subtract,
           lambda kernels, dy, y, a: (dy, kernels.scale_forward(dy, scale=-1)), count=2),
    _merge("multiply_forward", np.multiply, _of_product),
    _merge("maximum_forward", np.maximum, _of_extremum),
    _merge("minimum_forward", np.minimum, _of_extremum, count=2),
    Kernel(
        "extremum_backward",
        _extremum_backward,
        _ELEMENTS,
        _BIG_ELEMENTS,
        rowwise=True,
        moved=lambda *shape: 6 * int(np.prod(shape)),
        baseline=_extremum_baseline,
        lists=True,
    ),
    Kernel(
        "scale_forward",
        lambda draw, *shape: {"x": draw.normal(*shape), "scale": 3.7},
        _ELEMENTS,
        _BIG_ELEMENTS,
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.scale_forward(dy, scale=a["scale"]),),
        rowwise=True,
        moved=lambda *shape: 2 * int(np.prod(shape)),
    ),
)

# (B, T, F): an axis with others on both sides of it.
_BOXES: tuple[Shape, ...] = (
    (1, 2, 3), (2, 3, 1), (3, 1, 2), (11, 12, 5), (13, 17, 16), (16, 33, 7), (17, 5, 32), (12, 3, 67), (31, 15, 33),
    (5, 64, 8), (2, 257, 1), (3, 1, 1025), (67, 8, 17), (2, 301, 4),
)  # fmt: skip
_BIG_BOX = (1031, 39, 16)


def _concatenate(draw: Draw, B: int, T: int, F: int) -> dict[str, Any]:
    shapes = (B, T, F), (B, 2 * T + 1, F), (B, 1, F)
    return {f"inputs[{number}]": draw.normal(*shape) for number, shape in enumerate(shapes)} | {"axis": 1}


def _concatenate_last(draw: Draw, B: int, O: int) -> dict[str, Any]:
    widths = O, 1, 2 * O, 8, O + 3, 2, 5, 16, O  # more than one op takes
    return {f"inputs[{number}]": draw.normal(B, width) for number, width in enumerate(widths)}


def _of_concatenate(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    axis, start, gradients = a.get("axis", -1), 0, []
    for array in _listed(a):
        gradients.append(kernels.concatenate_backward(dy, axis=axis, start=start, size=array.shape[axis]))
        start += array.shape[axis]
    return tuple(gradients)


def _baseline_of_concatenate(axis: int = -1, **a: Array) -> Array:
    return np.concatenate(list(a.values()), axis)


_JOINTS = (
    Kernel(
        "concatenate_forward",
        _concatenate_last,
        _ROWS[:12],
        (1031, 57),
        differentiable=tuple(f"inputs[{number}]" for number in range(9)),
        gradient=_of_concatenate,
        rowwise=True,
        moved=lambda B, O: 2 * B * (5 * O + 35),
        baseline=_baseline_of_concatenate,
        ulps=0,
        lists=True,
    ),
    Kernel(
        "concatenate_forward",
        _concatenate,
        _BOXES,
        _BIG_BOX,
        label="middle",
        differentiable=("inputs[0]", "inputs[1]", "inputs[2]"),
        gradient=_of_concatenate,
        rowwise=True,
        moved=lambda B, T, F: 2 * B * (3 * T + 2) * F,
        baseline=_baseline_of_concatenate,
        ulps=0,
        lists=True,
    ),
    Kernel(
        "concatenate_backward",
        lambda draw, B, T, F: {"dy": draw.normal(B, T + 3, F), "axis": 1, "start": 2, "size": T},
        _BOXES,
        _BIG_BOX,
        variants=({}, {"axis": -1, "start": 0, "size": 1}),
        rowwise=True,
        moved=lambda B, T, F: 2 * B * T * F,
        baseline=lambda dy, axis, start, size: dy[:, start : start + size].copy(),
        ulps=0,
    ),
    Kernel(
        "reshape_forward",
        lambda draw, B, T, F: {"x": draw.normal(B, T, F), "shape": (F, T)},
        _BOXES,
        _BIG_BOX,
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.reshape_forward(dy, shape=a["x"].shape[1:]),),
        rowwise=True,
        moved=lambda B, T, F: 2 * B * T * F,
        ulps=0,
    ),
    Kernel(
        "repeat_forward",
        lambda draw, B, T, F: {"x": draw.normal(B, 1, F), "axis": 1, "repeats": T},
        _BOXES,
        _BIG_BOX,
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.sum_forward(dy, axis=a["axis"]),),
        rowwise=True,
        moved=lambda B, T, F: B * (T + 1) * F,
        ulps=0,
    ),
    Kernel(
        "repeat_forward",
        lambda draw, B, O: {"x": draw.normal(B, 1), "repeats": O},
        _ROWS,
        _BIG_ROWS,
        label="last",
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.sum_forward(dy),),
        rowwise=True,
        moved=lambda B, O: B * (O + 1),
        ulps=0,
    ),
    Kernel(
        "sum_forward",
        lambda draw, B, T, F: {"x": draw.normal(B, T, F), "axis": 1},
        _BOXES,
        _BIG_BOX,
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.repeat_forward(dy, axis=1, repeats=a["x"].shape[1]),),
        rowwise=True,
        moved=lambda B, T, F: B * (T + 1) * F,
        ulps=100,
    ),
    Kernel(
        "sum_forward",
        lambda draw, B, O: {"x": draw.normal(B, O)},
        _ROWS,
        _BIG_ROWS,
        label="last",
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.repeat_forward(dy, repeats=a["x"].shape[1]),),
        rowwise=True,
        moved=lambda B, O: B * (O + 1),
        ulps=100,
    ),
)

# (B, I, K): K round the factors that are summed together, I round the lanes, B over the chunks of the batch.
_FACTORS: tuple[Shape, ...] = (
    (1, 7, 4), (11, 16, 8), (13, 1, 12), (12, 35, 1), (27, 65, 2), (16, 13, 3), (17, 131, 5), (32, 12, 7),
    (33, 5, 16), (67, 27, 9), (65, 17, 11), (64, 31, 15), (15, 33, 10), (513, 14, 6), (1027, 18, 4), (2, 515, 20),
)  # fmt: skip
_BIG_FACTORS = (2063, 157, 16)
# (B, F, K): F fields of K.
_FIELDS: tuple[Shape, ...] = (
    (1, 7, 4), (11, 16, 8), (13, 1, 12), (12, 35, 1), (27, 65, 2), (16, 13, 3), (17, 39, 16), (32, 12, 31),
    (33, 5, 17), (67, 27, 9), (65, 26, 32), (15, 3, 33), (3, 2, 67),
)  # fmt: skip


def _factor_arguments(draw: Draw, B: int, I: int, K: int) -> dict[str, Any]:
    x, v = draw.normal(B, I), draw.normal(I, K, scale=max(I, 1) ** -0.5)
    return {"dy": draw.normal(B, 1), "x": x, "v": v, "s": x @ v}


def _forward_arguments(draw: Draw, B: int, I: int, K: int) -> dict[str, Any]:
    return {"x": draw.normal(B, I), "v": draw.normal(I, K, scale=max(I, 1) ** -0.5)}


def _of_factors(kernels: Any, dy: Array, result: Any, a: dict[str, Any]) -> tuple[Array, ...]:
    return tuple(getattr(kernels, f"factorization_machine_backward_{of}")(dy, a["x"], a["v"], result[1])
                 for of in ("input", "params"))


def _factors_baseline(x: Array, v: Array) -> tuple[Array, Array]:
    s = x @ v
    return 0.5 * (s * s - (x * x) @ (v * v)).sum(axis=1, keepdims=True), s


def _fields_baseline(x: Array) -> Array:
    s: Array = x.sum(axis=1)
    y: Array = 0.5 * (s * s - (x * x).sum(axis=1)).sum(axis=1, keepdims=True)
    return y


_FACTORIZATION = (
    Kernel(
        "factorization_machine_forward",
        _forward_arguments,
        _FACTORS,
        _BIG_FACTORS,
        ulps=3000,
        differentiable=("x", "v"),
        gradient=_of_factors,
        rowwise=True,
        flops=lambda B, I, K: 4 * B * I * K,
        moved=lambda B, I, K: B * I + I * K + B * (K + 1),
        baseline=_factors_baseline,
    ),
    Kernel(
        "factorization_machine_backward_input",
        _factor_arguments,
        _FACTORS,
        _BIG_FACTORS,
        ulps=1000,
        rowwise=True,
        flops=lambda B, I, K: 4 * B * I * K,
        moved=lambda B, I, K: 2 * B * I + I * K + B * (K + 1),
        baseline=lambda dy, x, v, s: dy * (s @ v.T - x * (v * v).sum(axis=1)),
    ),
    Kernel(
        "factorization_machine_backward_params",
        _factor_arguments,
        _FACTORS,
        _BIG_FACTORS,
        ulps=3000,
        flops=lambda B, I, K: 4 * B * I * K,
        moved=lambda B, I, K: B * I + 2 * I * K + B * (K + 1),
        baseline=lambda dy, x, v, s: x.T @ (dy * s) - v * ((x * x).T @ dy),
    ),
    Kernel(
        "fm_interaction_forward",
        lambda draw, B, F, K: {"x": draw.normal(B, F, K)},
        _FIELDS,
        _BIG_BOX,
        ulps=3000,
        differentiable=("x",),
        gradient=lambda kernels, dy, y, a: (kernels.fm_interaction_backward(dy, a["x"]),),
        rowwise=True,
        moved=lambda B, F, K: B * F * K + B,
        baseline=_fields_baseline,
    ),
    Kernel(
        "fm_interaction_backward",
        lambda draw, B, F, K: {"dy": draw.normal(B, 1), "x": draw.normal(B, F, K)},
        _FIELDS,
        _BIG_BOX,
        ulps=1000,
        rowwise=True,
        moved=lambda B, F, K: 2 * B * F * K + B,
        baseline=lambda dy, x: dy[:, :, None] * (x.sum(axis=1, keepdims=True) - x),
    ),
)

ROWS: tuple[Kernel, ...] = (*_MERGES, *_JOINTS, *_FACTORIZATION)
