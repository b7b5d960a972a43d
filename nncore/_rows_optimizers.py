"""The rows of the table of kernels of updates, penalties and constraints: see `nncore.testing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nncore._table import Array, Draw, Kernel

__all__ = ["rows"]


def _sgd(w: Array, dw: Array, velocity: Array, learning_rate: float, momentum: float, **_: Any) -> None:
    velocity *= momentum
    velocity -= learning_rate * dw
    w += velocity


def _adam(w: Array, dw: Array, m: Array, v: Array, v_hat: None, learning_rate: float, beta_1: float, beta_2: float,
          beta_1_power: float, beta_2_power: float) -> None:
    m += (1 - beta_1) * (dw - m)
    v += (1 - beta_2) * (dw * dw - v)
    alpha = learning_rate * (1 - beta_2_power) ** 0.5 / (1 - beta_1_power)
    w -= alpha * m / (np.sqrt(v) + 1e-7)


def _nadam(w: Array, dw: Array, m: Array, v: Array, learning_rate: float, beta_1: float, beta_2: float,
           momentum_product: float, beta_2_power: float, decay_power: float) -> None:
    m += (1 - beta_1) * (dw - m)
    v += (1 - beta_2) * (dw * dw - v)
    now, soon = beta_1 * (1 - 0.5 * decay_power), beta_1 * (1 - 0.48 * decay_power)
    m_hat = soon * m / (1 - momentum_product * soon) + (1 - now) * dw / (1 - momentum_product)
    w -= learning_rate * m_hat / (np.sqrt(v / (1 - beta_2_power)) + 1e-7)


def _adamax(w: Array, dw: Array, m: Array, norm: Array, learning_rate: float, beta_1: float, beta_2: float,
            beta_1_power: float) -> None:
    m += (1 - beta_1) * (dw - m)
    np.maximum(beta_2 * norm, np.abs(dw), out=norm)
    w -= learning_rate * m / ((1 - beta_1_power) * (norm + 1e-7))


def _rmsprop(w: Array, dw: Array, v: Array, learning_rate: float, rho: float, **_: Any) -> None:
    v += (1 - rho) * (dw * dw - v)
    w -= learning_rate * dw / np.sqrt(v + 1e-7)


def _adagrad(w: Array, dw: Array, total: Array, learning_rate: float) -> None:
    total += dw * dw
    w -= learning_rate * dw / np.sqrt(total + 1e-7)


def _adadelta(w: Array, dw: Array, v: Array, steps: Array, learning_rate: float, rho: float, epsilon: float) -> None:
    v += (1 - rho) * (dw * dw - v)
    step = np.sqrt(steps + epsilon) * dw / np.sqrt(v + epsilon)
    steps += (1 - rho) * (step * step - steps)
    w -= learning_rate * step


def _lion(w: Array, dw: Array, m: Array, learning_rate: float, beta_1: float, beta_2: float) -> None:
    w -= learning_rate * np.sign(m + (1 - beta_1) * (dw - m))
    m += (1 - beta_2) * (dw - m)


def _ftrl(w: Array, dw: Array, total: Array, linear: Array, learning_rate: float, l1: float) -> None:
    grown = total + dw * dw
    root = np.sqrt(grown)
    linear += dw - (root - np.sqrt(total)) / learning_rate * w
    w[...] = (np.clip(linear, -l1, l1) - linear) / (root / learning_rate)
    total[...] = grown


def _lamb(w: Array, dw: Array, m: Array, v: Array, learning_rate: float, beta_1: float, beta_2: float,
          beta_1_power: float, beta_2_power: float, weight_decay: float = 0.0) -> None:
    w -= learning_rate * weight_decay * w
    m += (1 - beta_1) * (dw - m)
    v += (1 - beta_2) * (dw * dw - v)
    r = m / (1 - beta_1_power) / (np.sqrt(v / (1 - beta_2_power)) + 1e-7)
    w -= learning_rate * np.linalg.norm(w) / np.linalg.norm(r) * r


def _accumulate(total: Array, dw: Array, steps: int, step: int) -> None:
    total += dw
    if step % steps == steps - 1:
        total /= steps


def _average(average: Array, w: Array, ema_momentum: float, **_: Any) -> None:
    average += (1 - ema_momentum) * (w - average)


def _penalty(w: Array, l1: float, l2: float) -> Any:
    return l1 * np.abs(w).sum() + l2 * (w * w).sum()


def _penalty_gradient(dw: Array, w: Array, l1: float, l2: float) -> None:
    dw += 2 * l2 * w + l1 * np.sign(w)


def _norm_constraint(w: Array, max_value: float, axis: int) -> None:
    norm = np.sqrt((w * w).sum(axis=axis, keepdims=True))
    w *= np.clip(norm, 0, max_value) / (1e-7 + norm)


def _non_negative(w: Array) -> None:
    np.maximum(w, 0, out=w)


_SHARED: tuple[dict[str, Any], ...] = (
    {"weight_decay": 0.013},
    {"scale": 0.71},
    {"clipvalue": 0.37},
    {"weight_decay": 0.013, "scale": 1.71, "clipvalue": 0.83},
)


def _update(
    name: str,
    state: tuple[str, ...],
    scalars: dict[str, float],
    baseline: Callable[..., Any],
    *own: dict[str, Any],
    first: dict[str, Any] | None = None,
    ulps: float = 16,
) -> Kernel:
    """Make the row of an update; `own`: variants besides those that all have, `first`: the one that is timed."""
    from nncore._table import _BIG_ELEMENTS, _ELEMENTS, Kernel

    first = first or {}

    def make(draw: Draw, *shape: int) -> dict[str, Any]:
        arguments = {"w": draw.normal(*shape), "dw": draw.normal(*shape)}
        for array in state:  # a square is not negative, and that of a mean is not above the mean of squares
            arguments[array] = (draw.normal(*shape, scale=0.1) if array in ("m", "velocity", "mean", "linear")
                                else draw.between(0.03, 2.1, *shape))
        return {**arguments, "learning_rate": 0.37, **scalars}

    arrays = 3 + 2 * len([array for array in state if first.get(array, 0) is not None])
    return Kernel(
        name,
        make,
        _ELEMENTS,
        _BIG_ELEMENTS,
        variants=(first, *({**first, **variant} for variant in _SHARED), *own),
        ulps=ulps,
        in_place=("w", *state),
        moved=lambda *shape: arrays * int(np.prod(shape)),
        baseline=baseline,
    )


_BETAS = {"beta_1": 0.83, "beta_2": 0.97}
_BLOCKS = ((4095,), (4096,), (4097,), (8195,))
_MATRICES = ((1, 3), (7, 64), (12, 65), (131, 63), (5, 129), (129, 17), (2, 3, 5), (3, 70, 4), (1025, 3), (1031, 1))


def rows() -> tuple[Kernel, ...]:
    """Return the rows; a function, as the table and its rows import each other."""
    from nncore._table import _BIG_ELEMENTS, _ELEMENTS, _ROWS, Kernel

    return (
        _update(
            "sgd_update", ("velocity",), {"momentum": 0.83}, _sgd,
            {"velocity": None, "momentum": 0.0},
            {"nesterov": True},
            {"l2": 0.0071},
            {"scale": 0.71, "l2": 0.0071},
            {"weight_decay": 0.013, "l2": 0.0071, "nesterov": True, "clipvalue": 0.37},
            {"velocity": None, "momentum": 0.0, "weight_decay": 0.013, "l2": 0.0071},
        ),
        _update(
            "adam_update", ("m", "v", "v_hat"), {**_BETAS, "beta_1_power": 0.57, "beta_2_power": 0.91}, _adam,
            {},
            {"v_hat": None, "epsilon": 0.19},
            {"v_hat": None, "beta_1": 0.0, "beta_2": 0.0, "beta_1_power": 0.0, "beta_2_power": 0.0},
            {"weight_decay": 0.013, "scale": 0.71, "epsilon": 0.19},
            first={"v_hat": None},
        ),
        _update(
            "nadam_update", ("m", "v"), {**_BETAS, "momentum_product": 0.21, "beta_2_power": 0.91, "decay_power": 0.84},
            _nadam,
            {"epsilon": 0.19},
            {"beta_1": 0.0, "beta_2": 0.0, "momentum_product": 0.0, "beta_2_power": 0.0, "decay_power": 0.0},
            ulps=64,
        ),
        _update("adamax_update", ("m", "norm"), {**_BETAS, "beta_1_power": 0.57}, _adamax,
                {"epsilon": 0.19}, {"beta_2": 0.0}),
        _update(
            "rmsprop_update", ("v", "velocity", "mean"), {"rho": 0.83, "momentum": 0.83}, _rmsprop,
            {"mean": None},
            {"velocity": None, "momentum": 0.0, "epsilon": 0.19},
            {"epsilon": 0.019},
            {"weight_decay": 0.013, "epsilon": 0.19, "scale": 0.71},
            first={"velocity": None, "mean": None, "momentum": 0.0},
            ulps=128,
        ),
        _update("adagrad_update", ("total",), {}, _adagrad, {"epsilon": 0.19}),
        _update("adadelta_update", ("v", "steps"), {"rho": 0.83, "epsilon": 1e-7}, _adadelta, {"epsilon": 0.19}),
        _update("lion_update", ("m",), _BETAS, _lion, {"beta_1": 1.0}, {"beta_1": 0.0, "beta_2": 0.0}),
        _update(
            "ftrl_update", ("total", "linear"), {"l1": 0.19}, _ftrl,
            {"learning_rate_power": 0.0},
            {"learning_rate_power": -0.2, "l1": 0.53, "l2": 0.15, "l2_shrinkage": 0.013, "beta": 0.31},
            {"l1": 0.0, "beta": 0.31, "weight_decay": 0.013},
            {"learning_rate_power": -1.3, "l2": 0.15},
            {"learning_rate": 0.0},
            ulps=256,
        ),
        # Timed over and over: its steps are 0.37 times as long as w is, which this decay keeps as long as it is.
        _update("lamb_update", ("m", "v"), {**_BETAS, "beta_1_power": 0.57, "beta_2_power": 0.91}, _lamb,
                {"weight_decay": 0.0}, {"epsilon": 0.19}, ulps=64, first={"weight_decay": 1 / 1.37})
        ._replace(shapes=(*_ELEMENTS, *_BLOCKS)),
        Kernel(
            "accumulate_gradient",
            lambda draw, *shape: {"total": draw.normal(*shape), "dw": draw.normal(*shape), "steps": 3, "step": 7},
            _ELEMENTS,
            _BIG_ELEMENTS,
            variants=({"step": 8}, {}, {"step": 6}, {"steps": 1}),
            in_place=("total",),
            moved=lambda *shape: 3 * int(np.prod(shape)),
            baseline=_accumulate,
        ),
        Kernel(
            "average_update",
            lambda draw, *shape: {
                "average": draw.normal(*shape), "w": draw.normal(*shape), "ema_momentum": 0.83, "step": 7,
            },
            _ELEMENTS,
            _BIG_ELEMENTS,
            variants=({}, {"step": 0}, {"overwrite": 4}, {"steps": 3, "overwrite": 3}, {"steps": 8}, {"overwrite": 3}),
            in_place=("average", "w"),
            moved=lambda *shape: 3 * int(np.prod(shape)),
            baseline=_average,
        ),
        Kernel(
            "sum_of_squares",
            lambda draw, *shape: {"x": draw.normal(*shape)},
            (*_ELEMENTS, *_BLOCKS),
            _BIG_ELEMENTS,
            differentiable=("x",),
            gradient=lambda kernels, dy, result, a: (2 * dy * a["x"],),
            moved=lambda *shape: int(np.prod(shape)),
        ),
        Kernel(
            "penalty",
            lambda draw, *shape: {"w": draw.normal(*shape), "l1": 0.31, "l2": 0.17},
            (*_ELEMENTS, *_BLOCKS),
            _BIG_ELEMENTS,
            variants=({}, {"l1": 0.0}, {"l2": 0.0}, {"divisor": 7.3}, {"divisor": 0.0}),
            differentiable=("w",),
            gradient=lambda kernels, dy, result, a: (dy * _gradient_of_penalty(kernels, a),),
            moved=lambda *shape: int(np.prod(shape)),
            baseline=_penalty,
        ),
        Kernel(
            "penalty_gradient",
            lambda draw, *shape: {"dw": draw.normal(*shape), "w": draw.normal(*shape), "l1": 0.31, "l2": 0.17},
            _ELEMENTS,
            _BIG_ELEMENTS,
            variants=({}, {"l1": 0.0}, {"l2": 0.0}, {"add": False}, {"divisor": 7.3}, {"divisor": 0.0}),
            in_place=("dw",),
            moved=lambda *shape: 3 * int(np.prod(shape)),
            baseline=_penalty_gradient,
        ),
        Kernel(
            "norm_constraint",
            lambda draw, *shape: {"w": draw.normal(*shape), "max_value": 1.3, "axis": 0},
            (*_MATRICES, *(shape for shape in _ROWS if shape[0] < 40)),
            (1031, 257),
            variants=(
                {},
                {"axis": 1},
                {"axis": -1, "min_value": 2.1, "max_value": 3.3, "rate": 0.71},
                {"min_value": 1.0, "max_value": 1.0},
                {"axis": 1, "min_value": 7.0, "max_value": float("inf")},
                {"min_value": 0.3, "rate": 0.0},
            ),
            in_place=("w",),
            moved=lambda *shape: 3 * int(np.prod(shape)),
            baseline=_norm_constraint,
        ),
        Kernel(
            "non_negative",
            lambda draw, *shape: {"w": draw.normal(*shape)},
            _ELEMENTS,
            _BIG_ELEMENTS,
            in_place=("w",),
            moved=lambda *shape: 2 * int(np.prod(shape)),
            baseline=_non_negative,
        ),
    )  # fmt: skip


def _gradient_of_penalty(kernels: Any, a: dict[str, Any]) -> Array:
    dw: Array = np.zeros_like(a["w"])
    kernels.penalty_gradient(dw, **{name: value for name, value in a.items() if name != "dw"})
    return dw
