"""Losses in plain NumPy, each with its gradient in the same call.

Every loss has a value per row of the batch. `rows_out` receives it, times the row's weight; the loss is the
sum of these divided by the number of rows B; the gradient is that of this loss.
"""

import numpy as np

from nncore.reference._common import Array, filled, row_sum
from nncore.reference.activations import log_softmax, sigmoid_forward, softmax

__all__ = [
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "loss_weights",
    "mean_squared_error",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
]

EPSILON = 1e-7  # Keras clips probabilities this far from 0 and 1


def finish(
    rows: Array,
    gradient: Array,
    sample_weight: Array | None,
    rows_out: Array | None,
    gradient_out: Array | None,
) -> tuple[float, Array]:
    """Weigh the rows, average them, scale the gradient alike."""
    weight = np.ones_like(rows) if sample_weight is None else sample_weight
    rows = filled(rows_out, weight * rows)
    loss = float(rows.sum(dtype=np.float64) / len(rows))
    return loss, filled(gradient_out, gradient * (weight / len(rows))[:, None])


def like(target: Array, y: Array) -> Array:
    """Return targets in the dtype and the shape of what was predicted."""
    return target.astype(y.dtype, copy=False).reshape(y.shape)


def clip(p: Array) -> tuple[Array, Array]:
    """Return the clipped probabilities, and where the clip lets a gradient through (a nan passes)."""
    low, high = p.dtype.type(EPSILON), p.dtype.type(1 - EPSILON)
    return np.clip(p, low, high), ~((p < low) | (p > high))


def smooth(t: Array, label_smoothing: float, classes: int) -> Array:
    """Return targets moved towards the same weight for every class."""
    smoothed: Array = t * t.dtype.type(1 - label_smoothing) + t.dtype.type(label_smoothing / classes)
    return smoothed


def softmax_cross_entropy(
    logits: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of the softmax of the logits: ``-log softmax(logits)[target]`` for each row.

    With float targets ``t``: ``-sum(t * log softmax(logits))``. The gradient of a row is ``p - t``
    (``sum(t) * p - t`` when ``t`` does not sum to 1), times ``weight / B``.

    Parameters
    ----------
    logits : ndarray, shape (B, C)
    target : ndarray of int, shape (B,), or of float, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dlogits_out : ndarray, shape (B, C), optional
    label_smoothing : float

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, C)

    Examples
    --------
    >>> loss, dlogits = softmax_cross_entropy(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))
    >>> round(loss, 4)
    0.6931
    >>> dlogits
    array([[-0.25,  0.25],
           [ 0.25, -0.25]])
    """
    p, log_p = softmax(logits), log_softmax(logits)
    if target.ndim == 1 and label_smoothing == 0:
        index = np.arange(len(target)), target
        rows = -log_p[index]
        gradient = p.copy()
        gradient[index] -= 1
    else:
        if target.ndim == 1:
            target = np.arange(logits.shape[1]) == target[:, None]  # class ids become rows of one-hot
        t = smooth(like(target, logits), label_smoothing, logits.shape[1])
        # where t is 0 the class does not count, even if its log probability is -inf
        rows = -np.where(t == 0, 0, t * log_p).sum(axis=1)
        gradient = row_sum(t) * p - t
    return finish(rows, gradient, sample_weight, rows_out, dlogits_out)


def sigmoid_binary_cross_entropy(
    logits: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Binary cross-entropy of the sigmoid of the logits z, mean over the outputs of each row.

    ``-t log s(z) - (1 - t) log(1 - s(z))``, in the form ``max(z, 0) - z t + log(1 + exp(-|z|))`` that cannot
    overflow. The gradient of an element is ``(s(z) - t) / O``, times ``weight / B``.

    Parameters
    ----------
    logits, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dlogits_out : ndarray, shape (B, O), optional
    label_smoothing : float

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)

    Examples
    --------
    >>> sigmoid_binary_cross_entropy(np.array([[-10000.0]]), np.array([[1.0]]))
    (10000.0, array([[-1.]]))
    """
    z, t = logits, smooth(like(target, logits), label_smoothing, 2)
    rows = (np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).mean(axis=1)
    gradient = (sigmoid_forward(z) - t) / z.shape[1]
    return finish(rows, gradient, sample_weight, rows_out, dlogits_out)


def categorical_cross_entropy(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of probabilities: ``-sum(t * log q)`` for each row, as in Keras.

    ``q = clip(u, 1e-7, 1 - 1e-7)`` with ``u = y_pred / sum(y_pred)``. The gradient flows back through the
    division; where the clip is active, none comes through it.

    Parameters
    ----------
    y_pred : ndarray, shape (B, C)
    target : ndarray of int, shape (B,), or of float, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, C), optional
    label_smoothing : float

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, C)

    Examples
    --------
    >>> loss, dy_pred = categorical_cross_entropy(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4)
    0.6931
    >>> dy_pred
    array([[-1.,  1.]])
    """
    if target.ndim == 1:
        target = np.arange(y_pred.shape[1]) == target[:, None]  # class ids become rows of one-hot
    t = smooth(like(target, y_pred), label_smoothing, y_pred.shape[1])
    inverse = 1 / row_sum(y_pred)
    u = y_pred * inverse
    q, inside = clip(u)
    rows = -np.where(t == 0, 0, t * np.log(q)).sum(axis=1)
    v = np.where(inside, t / q, 0)
    gradient = (row_sum(v * u) - v) * inverse
    return finish(rows, gradient, sample_weight, rows_out, dy_pred_out)


def binary_cross_entropy(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Binary cross-entropy of probabilities, mean over the outputs of each row.

    ``-t log q - (1 - t) log(1 - q)`` with ``q = clip(y_pred, 1e-7, 1 - 1e-7)``. The gradient of an element is
    ``(q - t) / (q (1 - q)) / O``, times ``weight / B``, and 0 where the clip is active.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, O), optional
    label_smoothing : float

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)

    Examples
    --------
    >>> loss, dy_pred = binary_cross_entropy(np.array([[0.5]]), np.array([[1.0]]))
    >>> round(loss, 4), dy_pred
    (0.6931, array([[-2.]]))
    """
    t = smooth(like(target, y_pred), label_smoothing, 2)
    q, inside = clip(y_pred)
    rows = -(t * np.log(q) + (1 - t) * np.log1p(-q)).mean(axis=1)
    gradient = np.where(inside, (q - t) / (q * (1 - q)), 0) / q.shape[1]
    return finish(rows, gradient, sample_weight, rows_out, dy_pred_out)


def mean_squared_error(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Squared error, mean over the outputs of each row: ``mean((y_pred - target)**2)``.

    The gradient of an element is ``2 (y_pred - target) / O``, times ``weight / B``.

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
    >>> mean_squared_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    (4.5, array([[0., 3.]]))
    """
    d = y_pred - like(target, y_pred)
    return finish((d * d).mean(axis=1), 2 * d / d.shape[1], sample_weight, rows_out, dy_pred_out)


def loss_weights(
    sample_weight: Array | None,
    target: Array | None,
    weights_out: Array,
    ids_out: Array | None = None,
    reduction: str = "mean",
    ignore_class: int | None = None,
) -> None:
    """Make weights with which the mean over the batch of ``weight * loss`` is what a reduction wants.

    Rows of the class that is ignored get a weight of 0. "mean" divides by the number of the others, "sum" not at
    all, "mean_with_sample_weight" by the sum of the weights; where that is 0 all weights are 0. "none" leaves the
    weights of the others as they are.

    Parameters
    ----------
    sample_weight : ndarray, shape (B,), or None
    target : ndarray of int, shape (B,), or None
        Class ids, where some are ignored.
    weights_out : ndarray, shape (B,)
    ids_out : ndarray of int, shape (B,), optional
        Class ids with 0 in place of the ignored ones, which may be anything.
    reduction : {"mean", "sum", "mean_with_sample_weight", "none"}
    ignore_class : int, optional

    Examples
    --------
    >>> weights = np.empty(3)
    >>> loss_weights(np.array([1.0, 3.0, 5.0]), None, weights, reduction="sum")
    >>> weights
    array([ 3.,  9., 15.])
    """
    weights_out[...] = 1 if sample_weight is None else sample_weight
    total = float(len(weights_out))
    if target is not None and ids_out is not None:
        ignored = target == ignore_class
        weights_out[ignored] = 0
        ids_out[...] = np.where(ignored, 0, target)
        total = float((~ignored).sum())
    if reduction == "none":
        return
    if reduction == "mean_with_sample_weight":
        total = float(weights_out.sum(dtype=np.float64))
    if reduction == "sum":
        total = 1.0
    weights_out *= weights_out.dtype.type(len(weights_out) / total if total else 0.0)
