"""Activations that are more than a function of one element, in plain NumPy."""

import numpy as np

from nncore.reference._common import Array, filled, row_sum
from nncore.reference.activations import _keep_nan, _sigmoid

__all__ = [
    "glu_backward",
    "glu_forward",
    "move_axis_backward",
    "move_axis_forward",
    "prelu_backward",
    "prelu_forward",
    "sparsemax",
    "sparsemax_backward",
]


def prelu_forward(x: Array, alpha: Array, y_out: Array | None = None) -> Array:
    """Rectifier with trained slopes: ``y = x where x > 0, else alpha * x``.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    alpha : ndarray
        Of the shape of x's last axes, with 1 where a slope serves a whole axis.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> prelu_forward(np.array([[-1.0, -1.0, 2.0]]), np.array([0.5, 0.25, 0.25]))
    array([[-0.5 , -0.25,  2.  ]])
    """
    return filled(y_out, np.where(x > 0, x, alpha * x))


def prelu_backward(
    dy: Array, x: Array, alpha: Array, dx_out: Array | None = None, dalpha_out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of prelu: the slopes' is the sum of ``dy * x`` where x is not positive.

    Parameters
    ----------
    dy, x : ndarray, shape (B, ...), equal
    alpha : ndarray
    dx_out : ndarray, optional
    dalpha_out : ndarray, optional

    Returns
    -------
    dx : ndarray of x's shape
    dalpha : ndarray of alpha's shape

    Examples
    --------
    >>> dx, dalpha = prelu_backward(np.array([[1.0, 10.0]]), np.array([[-3.0, 2.0]]), np.array([0.5, 0.5]))
    >>> dx, dalpha
    (array([[ 0.5, 10. ]]), array([-3.,  0.]))
    """
    dx = _keep_nan(x, np.where(x > 0, dy, alpha * dy))
    slopes = (1,) * (x.ndim - alpha.ndim) + alpha.shape
    shared = tuple(axis for axis, n in enumerate(slopes) if n == 1)
    dalpha = np.where(x > 0, 0, dy * x).sum(axis=shared).reshape(alpha.shape)
    return filled(dx_out, dx), filled(dalpha_out, dalpha)


def sparsemax(x: Array, y_out: Array | None = None) -> Array:
    """Sparsemax of each row: ``y = max(x - tau, 0)``, with tau such that the row sums to 1.

    Sorted from the largest on, x[1], x[2] ..., tau is ``(x[1] + ... + x[k] - 1) / k`` for the largest k for
    which that is below x[k].

    Parameters
    ----------
    x : ndarray, shape (B, C)
    y_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> sparsemax(np.array([[1.0, 0.5, -1.0]]))
    array([[0.75, 0.25, 0.  ]])
    """
    z = x - x.max(axis=-1, keepdims=True)
    ordered = -np.sort(-z, axis=-1)
    tau = (ordered.cumsum(axis=-1) - 1) / np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    k = (tau < ordered).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(tau, k - 1, axis=-1)
    return filled(y_out, np.where(np.isnan(z).any(axis=-1, keepdims=True), np.nan, np.maximum(z - tau, 0)))


def sparsemax_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of sparsemax: where y is positive, ``dx = dy - (mean of dy there)``, else 0.

    Parameters
    ----------
    dy, y : ndarray, shape (B, C)
    dx_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> sparsemax_backward(np.array([[1.0, 0.0, 5.0]]), np.array([[0.75, 0.25, 0.0]]))
    array([[ 0.5, -0.5,  0. ]])
    """
    above = y > 0
    mean = row_sum(np.where(above, dy, 0)) / np.maximum(above.sum(axis=-1, keepdims=True), 1).astype(dy.dtype)
    return filled(dx_out, _keep_nan(y, np.where(above, dy - mean, 0)))


def glu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Gated linear unit: ``y = a * sigmoid(b)``, a and b the halves of each row.

    Parameters
    ----------
    x : ndarray, shape (B, 2 C)
    y_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> glu_forward(np.array([[2.0, 4.0, 0.0, 100.0]]))
    array([[1., 4.]])
    """
    a, b = np.split(x, 2, axis=-1)
    return filled(y_out, a * _sigmoid(b))


def glu_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of glu: ``da = dy * s``, ``db = dy * a * s * (1 - s)``, ``s = sigmoid(b)``.

    Parameters
    ----------
    dy : ndarray, shape (B, C)
    x : ndarray, shape (B, 2 C)
    dx_out : ndarray, shape (B, 2 C), optional

    Returns
    -------
    ndarray, shape (B, 2 C)

    Examples
    --------
    >>> glu_backward(np.array([[2.0]]), np.array([[8.0, 0.0]]))
    array([[1., 4.]])
    """
    a, b = np.split(x, 2, axis=-1)
    s = _sigmoid(b)
    return filled(dx_out, np.concatenate([dy * s, dy * a * s * (1 - s)], axis=-1))


def move_axis_forward(x: Array, y_out: Array | None = None, axis: int = 1) -> Array:
    """Make an axis the last one.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray, optional
    axis : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> move_axis_forward(np.zeros((5, 3, 4))).shape
    (5, 4, 3)
    """
    return filled(y_out, np.ascontiguousarray(np.moveaxis(x, axis, -1)))


def move_axis_backward(dy: Array, dx_out: Array | None = None, axis: int = 1) -> Array:
    """Put the last axis back.

    Parameters
    ----------
    dy : ndarray, shape (B, ...)
    dx_out : ndarray, optional
    axis : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> move_axis_backward(np.zeros((5, 4, 3))).shape
    (5, 3, 4)
    """
    return filled(dx_out, np.ascontiguousarray(np.moveaxis(dy, -1, axis)))
