"""Rows of the table of kernels in `nncore.testing`: the losses beyond cross-entropy and the squared error."""
# ruff: noqa: E741  (B, I, O, C are the alphabet of shapes)

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nncore._table import Draw, Kernel

Array = NDArray[Any]
Baseline = Callable[..., Any]


def rows() -> tuple[Kernel, ...]:
    """Return the rows."""
    from nncore._table import _BIG_ROWS, _ROWS, Draw, Kernel
    from nncore.testing import _probabilities

    normal, bits, logits = Draw.normal, Draw.bits, lambda draw, B, C: draw.normal(B, C, scale=3)

    def sides(draw: Draw, B: int, C: int) -> Array:
        return 2 * draw.bits(B, C) - 1

    def positive(draw: Draw, B: int, C: int) -> Array:
        return draw.between(0.3, 5, B, C)

    def counts(draw: Draw, B: int, C: int) -> Array:  # many of them 0
        return draw.bits(B, C) * np.round(draw.between(1, 9, B, C))

    def one_hot(draw: Draw, B: int, C: int) -> Array:
        return np.eye(C, dtype=draw.dtype)[draw.classes(B, C)]

    def row(name: str, prediction: Callable[..., Array], target: Callable[..., Array],
            variants: tuple[dict[str, Any], ...] = ({},), baseline: Baseline | None = None, ulps: float = 64,
            label: str = "", wrt: str = "y_pred", extra: Callable[..., dict[str, Any]] | None = None,
            read: int = 3) -> Kernel:
        def make(draw: Draw, B: int, C: int) -> dict[str, Any]:
            others = {} if extra is None else extra(draw, C)
            return {wrt: prediction(draw, B, C), "target": target(draw, B, C), **others,
                    "sample_weight": draw.between(0.25, 1.75, B)}

        first, *more = variants
        return Kernel(
            name, make, _ROWS, _BIG_ROWS, label=label, ulps=ulps,
            variants=({"sample_weight": None, **first}, first, *more),
            differentiable=(wrt,),
            gradient=lambda kernels, dy, result, a: (dy * result[1],),
            moved=lambda B, C: read * B * C,
            baseline=baseline,
        )

    smoothed = {"label_smoothing": 0.3}
    focal: tuple[dict[str, Any], ...] = (
        {}, {"gamma": 0.0}, {"gamma": 1.0}, {"gamma": 2.7}, {"gamma": 0.7, **smoothed}, smoothed
    )
    binary = (*focal, {"apply_class_balancing": True, "alpha": 0.3},
              {"apply_class_balancing": True, "alpha": 0.7, "gamma": 3.3, **smoothed})
    categorical = (*focal, {"class_weight": None, "alpha": 0.4})

    def class_weight(draw: Draw, C: int) -> dict[str, Any]:
        return {"class_weight": draw.between(0.3, 1.7, C)}

    def quantiles(*values: float) -> Callable[..., dict[str, Any]]:
        return lambda draw, C: {"quantiles": np.array(values, draw.dtype)}

    return (
        row("softmax_cross_entropy", logits, one_hot, (smoothed,), label="smooth", wrt="logits"),
        row("softmax_cross_entropy", logits, Draw.classes, (smoothed,), label="smooth-classes", wrt="logits"),
        row("categorical_cross_entropy", _probabilities, one_hot, (smoothed,), ulps=1000, label="smooth"),
        row("categorical_cross_entropy", _probabilities, Draw.classes, (smoothed,), ulps=1000,
            label="smooth-classes"),
        row("sigmoid_binary_cross_entropy", logits, bits, (smoothed,), label="smooth", wrt="logits"),
        row("binary_cross_entropy", _probabilities, bits, (smoothed,), ulps=1000, label="smooth"),
        row("mean_absolute_error", normal, normal, baseline=_absolute),
        row("mean_absolute_percentage_error", normal, normal, baseline=_percentage, ulps=1000),
        row("mean_squared_logarithmic_error", positive, positive, baseline=_logarithmic, ulps=500),
        row("huber", normal, normal, ({"delta": 0.7}, {}, {"delta": 2.5}), baseline=_huber),
        row("log_cosh", normal, normal, baseline=_log_cosh),
        row("pinball", normal, normal, extra=quantiles(0.3), baseline=_pinball),
        row("pinball", lambda draw, B, C: draw.normal(B, 4 * C), normal, extra=quantiles(0.15, 0.4, 0.5, 0.9),
            label="four", baseline=_pinballs, read=9),
        row("poisson", positive, positive, baseline=_poisson, ulps=500),
        row("poisson_deviance", positive, positive, baseline=_poisson_deviance, ulps=500),
        row("poisson_deviance", positive, counts, label="counts", ulps=500),
        row("exponential_poisson_deviance", normal, positive, baseline=_poisson_of_logs, wrt="logits", ulps=500),
        row("exponential_poisson_deviance", normal, counts, label="counts", wrt="logits", ulps=500),
        row("gaussian_nll", lambda draw, B, C: np.concatenate([draw.normal(B, C), positive(draw, B, C)], axis=1),
            normal, ({}, {"full": True}), baseline=_gaussian, ulps=500, read=5),
        row("gaussian_nll", lambda draw, B, C: np.concatenate([draw.normal(B, C), positive(draw, B, C)], axis=1),
            normal, ({"eps": 0.9},), label="bounded", ulps=500, read=5)._replace(gradient=None),  # it passes eps
        row("hinge", normal, sides, baseline=_hinge),
        row("hinge", normal, bits, label="bits", baseline=_hinge_of_bits),
        row("squared_hinge", normal, sides, baseline=_squared_hinge),
        row("perceptron", normal, sides, baseline=_perceptron),
        row("categorical_hinge", lambda draw, B, C: draw.normal(B, C, scale=2), one_hot, baseline=_categorical_hinge),
        row("kl_divergence", _probabilities, _probabilities, baseline=_divergence, ulps=200),
        row("cosine_similarity", normal, normal, baseline=_cosine, ulps=200),
        row("sigmoid_focal_cross_entropy", logits, bits, binary, baseline=_sigmoid_focal, wrt="logits", ulps=200),
        row("sigmoid_focal_cross_entropy", logits, _probabilities, binary, label="soft", wrt="logits", ulps=200),
        row("binary_focal_cross_entropy", _probabilities, bits, binary, baseline=_binary_focal, ulps=1000),
        row("binary_focal_cross_entropy", _probabilities, _probabilities, binary, label="soft", ulps=1000),
        row("softmax_focal_cross_entropy", logits, one_hot, categorical, baseline=_softmax_focal, wrt="logits",
            extra=class_weight, ulps=200),
        row("softmax_focal_cross_entropy", logits, Draw.soft, categorical, label="soft", wrt="logits",
            extra=class_weight, ulps=200),
        row("categorical_focal_cross_entropy", _probabilities, one_hot, categorical,
            baseline=_categorical_focal, extra=class_weight, ulps=1000),
        row("categorical_focal_cross_entropy", _probabilities, Draw.soft, categorical, label="soft",
            extra=class_weight, ulps=1000),
    )


# What a NumPy user would write, without weights of the rows.


def _absolute(y_pred: Array, target: Array, **_: Any) -> Any:
    d = y_pred - target
    return np.abs(d).mean(), np.sign(d) / d.size


def _percentage(y_pred: Array, target: Array, **_: Any) -> Any:
    d, size = y_pred - target, np.maximum(np.abs(target), 1e-7)
    return 100 * np.abs(d / size).mean(), np.sign(d) / size * (100 / d.size)


def _logarithmic(y_pred: Array, target: Array, **_: Any) -> Any:
    p = np.maximum(y_pred, 1e-7)
    d = np.log1p(p) - np.log1p(np.maximum(target, 1e-7))
    return (d * d).mean(), d / (p + 1) * (2 / d.size)


def _huber(y_pred: Array, target: Array, delta: float = 1.0, **_: Any) -> Any:
    d = y_pred - target
    size = np.abs(d)
    value = np.where(size <= delta, d * d / 2, delta * size - delta**2 / 2)
    return value.mean(), np.clip(d, -delta, delta) / d.size


def _log_cosh(y_pred: Array, target: Array, **_: Any) -> Any:
    d = y_pred - target
    size = np.abs(d)
    return (size + np.log1p(np.exp(-2 * size)) - np.log(2)).mean(), np.tanh(d) / d.size


def _pinball(y_pred: Array, target: Array, quantiles: Array, **_: Any) -> Any:
    q, d = quantiles[0], target - y_pred
    return np.maximum(q * d, (q - 1) * d).mean(), np.where(d > 0, -q, 1 - q) / d.size


def _pinballs(y_pred: Array, target: Array, quantiles: Array, **_: Any) -> Any:
    d = target[:, :, None] - y_pred.reshape(*target.shape, -1)
    gradient = np.where(d > 0, -quantiles, 1 - quantiles) / d.size
    return np.maximum(quantiles * d, (quantiles - 1) * d).mean(), gradient.reshape(y_pred.shape)


def _poisson(y_pred: Array, target: Array, **_: Any) -> Any:
    rate = y_pred + 1e-7
    return (y_pred - target * np.log(rate)).mean(), (1 - target / rate) / rate.size


def _poisson_deviance(y_pred: Array, target: Array, **_: Any) -> Any:
    ratio = target / y_pred
    return (target * np.log(ratio) - target + y_pred).mean(), (1 - ratio) / ratio.size


def _poisson_of_logs(logits: Array, target: Array, **_: Any) -> Any:
    d = np.exp(logits) - target
    return (target * (np.log(target) - logits) + d).mean(), d / d.size


def _gaussian(y_pred: Array, target: Array, full: bool = False, **_: Any) -> Any:
    O = target.shape[1]
    d, v = y_pred[:, :O] - target, np.maximum(y_pred[:, O:], 1e-6)
    q = d / v
    return (np.log(v) + d * q).mean() / 2, np.concatenate([q, (1 / v - q * q) / 2], axis=1) / d.size


def _hinge(y_pred: Array, target: Array, **_: Any) -> Any:
    margin = 1 - target * y_pred
    return np.maximum(margin, 0).mean(), np.where(margin >= 0, -target, 0) / margin.size


def _hinge_of_bits(y_pred: Array, target: Array, **_: Any) -> Any:
    return _hinge(y_pred, 2 * target - 1)


def _squared_hinge(y_pred: Array, target: Array, **_: Any) -> Any:
    margin = np.maximum(1 - target * y_pred, 0)
    return (margin * margin).mean(), target * margin * (-2 / margin.size)


def _perceptron(y_pred: Array, target: Array, **_: Any) -> Any:
    margin = -target * y_pred
    return np.maximum(margin, 0).mean(), np.where(margin >= 0, -target, 0) / margin.size


def _categorical_hinge(y_pred: Array, target: Array, **_: Any) -> Any:
    other = (1 - target) * y_pred
    margin = other.max(axis=1) - (target * y_pred).sum(axis=1) + 1
    gradient = -target
    gradient[np.arange(len(target)), other.argmax(axis=1)] += 1
    return np.maximum(margin, 0).mean(), gradient * ((margin >= 0) / len(margin))[:, None].astype(target.dtype)


def _divergence(y_pred: Array, target: Array, **_: Any) -> Any:
    t, q = np.clip(target, 1e-7, 1), np.clip(y_pred, 1e-7, 1)
    return (t * np.log(t / q)).sum() / len(t), t / q * (-1 / len(t))


def _cosine(y_pred: Array, target: Array, **_: Any) -> Any:
    a = 1 / np.sqrt((y_pred * y_pred).sum(axis=1, keepdims=True))
    p, t = y_pred * a, target / np.sqrt((target * target).sum(axis=1, keepdims=True))
    rows = -(p * t).sum(axis=1, keepdims=True)
    return rows.mean(), -(t + rows * p) * (a / len(a))


def _sigmoid_focal(logits: Array, target: Array, gamma: float = 2.0, **_: Any) -> Any:
    p = 1 / (1 + np.exp(-logits))
    value = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    f = np.where(target == 1, 1 - p, p)
    power = f**gamma
    slope = gamma * f ** (gamma - 1) * (1 - 2 * target) * p * (1 - p) * value + power * (p - target)
    return (power * value).mean(), slope / p.size


def _binary_focal(y_pred: Array, target: Array, gamma: float = 2.0, **_: Any) -> Any:
    q = np.clip(y_pred, 1e-7, 1 - 1e-7)
    value = -(target * np.log(q) + (1 - target) * np.log1p(-q))
    f = target * (1 - q) + (1 - target) * q
    power = f**gamma
    slope = gamma * f ** (gamma - 1) * (1 - 2 * target) * value + power * (q - target) / (q * (1 - q))
    return (power * value).mean(), slope / q.size


def _softmax_focal(logits: Array, target: Array, class_weight: Array, alpha: float = 0.25, gamma: float = 2.0,
                   **_: Any) -> Any:
    q = np.exp(logits - logits.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    t, log_q, rest = target * (alpha * class_weight), np.log(q), 1 - q
    power = rest**gamma
    h = t * (q * gamma * rest ** (gamma - 1) * log_q - power)
    return -(t * power * log_q).sum() / len(t), (h - q * h.sum(axis=1, keepdims=True)) / len(t)


def _categorical_focal(y_pred: Array, target: Array, class_weight: Array, alpha: float = 0.25, gamma: float = 2.0,
                       **_: Any) -> Any:
    total = y_pred.sum(axis=1, keepdims=True)
    q = np.clip(y_pred / total, 1e-7, 1 - 1e-7)
    t, log_q, rest = target * (alpha * class_weight), np.log(q), 1 - q
    power = rest**gamma
    v = t * (gamma * rest ** (gamma - 1) * log_q - power / q)
    return -(t * power * log_q).sum() / len(t), (v - (v * q).sum(axis=1, keepdims=True)) / (total * len(t))
