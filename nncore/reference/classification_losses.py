"""Focal cross-entropies, hinge losses and the divergence of distributions in plain NumPy."""

import numpy as np

from nncore.reference._common import Array, row_sum
from nncore.reference.activations import log_softmax, sigmoid_forward, softmax
from nncore.reference.losses import EPSILON, clip, finish, like, smooth

__all__ = [
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "categorical_hinge",
    "hinge",
    "kl_divergence",
    "perceptron",
    "sigmoid_focal_cross_entropy",
    "softmax_focal_cross_entropy",
    "squared_hinge",
]


def _focus(value: Array, slope: Array, f: Array, df: Array, gamma: float) -> tuple[Array, Array]:
    """Return ``f**gamma * value`` and its derivative, given those of the two; where f is 0 that is 0."""
    power = f**gamma
    rise = np.where(f == 0, 0, gamma * (power / f))
    return power * value, rise * df * value + power * slope


def _balance(t: Array, apply_class_balancing: bool, alpha: float) -> Array | float:
    return t * alpha + (1 - t) * (1 - alpha) if apply_class_balancing else 1.0


def sigmoid_focal_cross_entropy(
    logits: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Binary cross-entropy of the sigmoid p of the logits, each element times ``f**gamma``.

    f is ``t (1 - p) + (1 - t) p``, the probability that was given to the other side. The mean is over the
    outputs of each row.

    Parameters
    ----------
    logits, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dlogits_out : ndarray, shape (B, O), optional
    apply_class_balancing : bool
        Whether elements are also multiplied by ``t alpha + (1 - t) (1 - alpha)``.
    alpha, gamma, label_smoothing : float

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)

    Examples
    --------
    >>> loss, dlogits = sigmoid_focal_cross_entropy(np.array([[0.0]]), np.array([[1.0]]))
    >>> round(loss, 4)  # log(2) / 4
    0.1733
    """
    z, t = logits, smooth(like(target, logits), label_smoothing, 2)
    p, other = sigmoid_forward(z), sigmoid_forward(-z)
    value = np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))
    slope = p * (1 - t) - t * other
    value, slope = _focus(value, slope, t * other + (1 - t) * p, (1 - 2 * t) * (p * other), gamma)
    u = _balance(t, apply_class_balancing, alpha)
    return finish((u * value).mean(axis=1), u * slope / z.shape[1], sample_weight, rows_out, dlogits_out)


def binary_focal_cross_entropy(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Binary cross-entropy of clipped probabilities, each element times ``f**gamma``.

    f is of the probabilities as they are, as in Keras. Parameters and returns as of
    `sigmoid_focal_cross_entropy`.

    Examples
    --------
    >>> loss, dy_pred = binary_focal_cross_entropy(np.array([[0.5]]), np.array([[1.0]]))
    >>> round(loss, 4)
    0.1733
    """
    p, t = y_pred, smooth(like(target, y_pred), label_smoothing, 2)
    q, inside = clip(p)
    value = -(t * np.log(q) + (1 - t) * np.log1p(-q))
    slope = np.where(inside, (q - t) / (q * (1 - q)), 0)
    value, slope = _focus(value, slope, t * (1 - p) + (1 - t) * p, 1 - 2 * t, gamma)
    u = _balance(t, apply_class_balancing, alpha)
    return finish((u * value).mean(axis=1), u * slope / p.shape[1], sample_weight, rows_out, dy_pred_out)


def softmax_focal_cross_entropy(
    logits: Array,
    target: Array,
    sample_weight: Array | None = None,
    class_weight: Array | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """``-sum(alpha t (1 - q)**gamma log(q))`` for each row, q the softmax of the logits.

    Parameters
    ----------
    logits, target : ndarray, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    class_weight : ndarray, shape (C,), optional
        What alpha is multiplied by.
    rows_out : ndarray, shape (B,), optional
    dlogits_out : ndarray, shape (B, C), optional
    alpha, gamma, label_smoothing : float

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, C)

    Examples
    --------
    >>> loss, dlogits = softmax_focal_cross_entropy(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4)  # log(2) / 16
    0.0433
    """
    t = _weighed(logits, target, class_weight, alpha, label_smoothing)
    q, log_q = softmax(logits), log_softmax(logits)
    rest = 1 - q
    power = rest**gamma
    rise = np.where(rest == 0, 0, gamma * (power / rest))
    rows = -np.where(t == 0, 0, t * (power * log_q)).sum(axis=1)
    h = np.where(t == 0, 0, t * (q * rise * log_q - power))  # q times the derivative with respect to q
    return finish(rows, h - q * row_sum(h), sample_weight, rows_out, dlogits_out)


def categorical_focal_cross_entropy(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    class_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """``-sum(alpha t (1 - q)**gamma log(q))`` for each row, q the clipped share of the row's sum.

    Parameters and returns as of `softmax_focal_cross_entropy`.

    Examples
    --------
    >>> loss, dy_pred = categorical_focal_cross_entropy(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4)
    0.0433
    """
    t = _weighed(y_pred, target, class_weight, alpha, label_smoothing)
    inverse = 1 / row_sum(y_pred)
    u = y_pred * inverse
    q, inside = clip(u)
    power = (1 - q) ** gamma
    rows = -np.where(t == 0, 0, t * (power * np.log(q))).sum(axis=1)
    v = np.where(t == 0, 0, t * (gamma * (power / (1 - q)) * np.log(q) - power / q))
    v = np.where(np.isnan(q), q, np.where(inside, v, 0))
    return finish(rows, (v - row_sum(v * u)) * inverse, sample_weight, rows_out, dy_pred_out)


def _weighed(y: Array, target: Array, class_weight: Array | None, alpha: float, label_smoothing: float) -> Array:
    """Return the targets, smoothed and times the weights of their classes."""
    t: Array = smooth(like(target, y), label_smoothing, y.shape[1]) * y.dtype.type(alpha)
    return t if class_weight is None else t * class_weight.astype(y.dtype, copy=False)


def _sides(y_pred: Array, target: Array) -> Array:
    """Return the targets with -1 instead of 0."""
    t = like(target, y_pred)
    return np.where(t == 0, y_pred.dtype.type(-1), t)


def hinge(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``max(1 - t p, 0)``, mean over the outputs of each row; a target of 0 stands for -1.

    The gradient of an element is -t where ``t p`` is at most 1, times ``weight / (B * O)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, O), optional

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)

    Examples
    --------
    >>> hinge(np.array([[0.5, 2.0]]), np.array([[1.0, 1.0]]))
    (0.25, array([[-0.5,  0. ]]))
    """
    t = _sides(y_pred, target)
    margin = 1 - t * y_pred
    return _margin(np.maximum(margin, 0), margin, t, sample_weight, rows_out, dy_pred_out)


def _margin(value: Array, margin: Array, t: Array, sample_weight: Array | None, rows_out: Array | None,
            dy_pred_out: Array | None) -> tuple[float, Array]:
    gradient = np.where(margin < 0, 0, np.where(np.isnan(margin), margin, -t)) / t.shape[1]
    return finish(value.mean(axis=1), gradient, sample_weight, rows_out, dy_pred_out)


def squared_hinge(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``max(1 - t p, 0)**2``, mean over the outputs of each row. Parameters and returns as of `hinge`.

    Examples
    --------
    >>> squared_hinge(np.array([[0.5, -2.0]]), np.array([[1.0, -1.0]]))
    (0.125, array([[-0.5,  0. ]]))
    """
    t = _sides(y_pred, target)
    margin = np.maximum(1 - t * y_pred, 0)
    gradient = -t * (2 * margin) / t.shape[1]
    return finish((margin * margin).mean(axis=1), gradient, sample_weight, rows_out, dy_pred_out)


def perceptron(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``max(-t p, 0)``, mean over the outputs of each row, with the gradient -t also at 0.

    Parameters and returns as of `hinge`.

    Examples
    --------
    >>> perceptron(np.array([[-0.5, 2.0]]), np.array([[1.0, 1.0]]))
    (0.25, array([[-0.5,  0. ]]))
    """
    t = _sides(y_pred, target)
    margin = -t * y_pred
    return _margin(np.maximum(margin, 0), margin, t, sample_weight, rows_out, dy_pred_out)


def categorical_hinge(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``max(max((1 - t) p) - sum(t p) + 1, 0)`` for each row. Parameters and returns as of `hinge`.

    Several largest elements share the gradient.

    Examples
    --------
    >>> categorical_hinge(np.array([[0.5, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    (1.5, array([[-1.,  1.,  0.]]))
    """
    t = like(target, y_pred)
    other = (1 - t) * y_pred
    margin = other.max(axis=1) - (t * y_pred).sum(axis=1) + 1
    largest = other == other.max(axis=1, keepdims=True)
    each = largest / np.maximum(row_sum(largest), 1).astype(t.dtype)
    active = np.where(np.isnan(margin), margin, margin >= 0)[:, None]
    gradient = (each * (1 - t) - t) * active
    return finish(np.maximum(margin, 0), gradient, sample_weight, rows_out, dy_pred_out)


def kl_divergence(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``sum(t log(t / p))`` for each row, both clipped to [1e-7, 1]. Parameters and returns as of `hinge`.

    Examples
    --------
    >>> loss, dy_pred = kl_divergence(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))
    >>> round(loss, 4), dy_pred
    (0.1308, array([[-0.5, -1.5]]))
    """
    low = y_pred.dtype.type(EPSILON)
    t = np.clip(like(target, y_pred), low, 1)
    q = np.clip(y_pred, low, 1)
    gradient = np.where((y_pred < low) | (y_pred > 1), 0, -t / q)
    return finish((t * np.log(t / q)).sum(axis=1), gradient, sample_weight, rows_out, dy_pred_out)
