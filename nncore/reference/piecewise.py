"""Piecewise polynomial activations beyond those of `activations.py`, in plain NumPy."""

import numpy as np

from nncore.reference._common import Array, filled
from nncore.reference.activations import _FORWARD, _keep_nan

__all__ = [
    "general_relu_backward",
    "general_relu_forward",
    "hard_shrink_backward",
    "hard_shrink_forward",
    "hard_silu_backward",
    "hard_silu_forward",
    "hard_tanh_backward",
    "hard_tanh_forward",
    "relu6_backward",
    "relu6_forward",
    "sign_forward",
    "soft_shrink_backward",
    "soft_shrink_forward",
    "sparse_plus_backward",
    "sparse_plus_forward",
    "sparse_sigmoid_backward",
    "sparse_sigmoid_forward",
    "threshold_backward",
    "threshold_forward",
]


def relu6_forward(x: Array, y_out: Array | None = None) -> Array:
    """Rectifier with a largest value of 6: ``y = min(max(x, 0), 6)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> relu6_forward(np.array([-1.0, 2.0])).round(4)
    array([0., 2.])
    """
    return filled(y_out, np.clip(x, 0, 6))


def relu6_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of relu6: ``dx = dy where 0 < y < 6, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> relu6_backward(np.array([1.0, 10.0]), relu6_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 0., 10.])
    """
    return filled(dx_out, _keep_nan(y, np.where((y > 0) & (y < 6), dy, 0)))


def hard_tanh_forward(x: Array, y_out: Array | None = None) -> Array:
    """Piecewise linear tanh: ``y = min(max(x, -1), 1)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_tanh_forward(np.array([-1.0, 2.0])).round(4)
    array([-1.,  1.])
    """
    return filled(y_out, np.clip(x, -1, 1))


def hard_tanh_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of hard_tanh: ``dx = dy where -1 < y < 1, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_tanh_backward(np.array([1.0, 10.0]), np.array([-0.5, 1.0]))
    array([1., 0.])
    """
    return filled(dx_out, _keep_nan(y, np.where((y > -1) & (y < 1), dy, 0)))


def hard_shrink_forward(x: Array, y_out: Array | None = None, threshold: float = 0.5) -> Array:
    """Hard shrink: ``y = x where abs(x) > threshold, else 0``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    threshold : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_shrink_forward(np.array([-1.0, 2.0])).round(4)
    array([-1.,  2.])
    """
    return filled(y_out, np.where(np.abs(x) <= threshold, 0, x))


def hard_shrink_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of hard_shrink: ``dx = dy where y is not 0, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_shrink_backward(np.array([1.0, 10.0]), hard_shrink_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 1., 10.])
    """
    return filled(dx_out, _keep_nan(y, np.where(y == 0, 0, dy)))


def soft_shrink_forward(x: Array, y_out: Array | None = None, threshold: float = 0.5) -> Array:
    """Soft shrink: ``y = x - threshold where x > threshold, x + threshold where x < -threshold, else 0``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    threshold : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> soft_shrink_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.5,  1.5])
    """
    return filled(y_out, np.where(np.abs(x) <= threshold, 0, x - np.copysign(threshold, x)))


def soft_shrink_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of soft_shrink: ``dx = dy where y is not 0, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> soft_shrink_backward(np.array([1.0, 10.0]), soft_shrink_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 1., 10.])
    """
    return filled(dx_out, _keep_nan(y, np.where(y == 0, 0, dy)))


def sparse_plus_forward(x: Array, y_out: Array | None = None) -> Array:
    """Sparse plus: softplus's shape with zeros on the left.

    ``y = 0 where x <= -1, x where x >= 1, else (x + 1)**2 / 4``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sparse_plus_forward(np.array([-1.0, 2.0])).round(4)
    array([0., 2.])
    """
    return filled(y_out, np.where(x <= -1, 0, np.where(x >= 1, x, 0.25 * (x + 1) ** 2)))


def sparse_plus_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of sparse_plus: ``dx = dy * sqrt(min(y, 1))``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sparse_plus_backward(np.array([1.0, 10.0]), sparse_plus_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 0., 10.])
    """
    return filled(dx_out, _keep_nan(y, np.where(y >= 1, dy, dy * np.sqrt(np.maximum(y, 0)))))


def sparse_sigmoid_forward(x: Array, y_out: Array | None = None) -> Array:
    """Sparse sigmoid (Blondel et al. 2019): ``y = min(max((x + 1) / 2, 0), 1)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sparse_sigmoid_forward(np.array([-1.0, 2.0])).round(4)
    array([0., 1.])
    """
    return filled(y_out, np.clip(0.5 * x + 0.5, 0, 1))


def sparse_sigmoid_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of sparse_sigmoid: ``dx = dy / 2 where 0 < y < 1, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sparse_sigmoid_backward(np.array([1.0, 10.0]), np.array([0.25, 1.0]))
    array([0.5, 0. ])
    """
    return filled(dx_out, _keep_nan(y, np.where((y > 0) & (y < 1), 0.5 * dy, 0)))


def hard_silu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Piecewise polynomial silu (hard swish; Howard et al. 2019): ``y = x * min(max(x + 3, 0), 6) / 6``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_silu_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.3333,  1.6667])
    """
    return filled(y_out, np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6)))


def hard_silu_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of hard_silu: ``dx = dy * (x / 3 + 1 / 2) where -3 < x < 3, 0 below, dy above``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_silu_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0])).round(3)
    array([ 0.167, 11.667])
    """
    return filled(dx_out, np.where(x <= -3, 0, np.where(x >= 3, dy, dy * (x / 3 + 0.5))))


def sign_forward(x: Array, y_out: Array | None = None) -> Array:
    """Sign, the perceptron's step: ``y = 1 where x > 0, -1 where x < 0, else 0``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sign_forward(np.array([-1.0, 2.0])).round(4)
    array([-1.,  1.])
    """
    return filled(y_out, np.sign(x))


def general_relu_forward(
    x: Array,
    y_out: Array | None = None,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Rectifier with a slope, a largest value and a threshold, Keras's ``relu``.

    ``y = negative_slope * (x - threshold) where x <= threshold, else min(x, max_value)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    negative_slope : float
    max_value : float, optional
    threshold : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> general_relu_forward(np.array([-1.0, 2.0])).round(4)
    array([0., 2.])
    """
    most = np.inf if max_value is None else max_value
    low = negative_slope * (x - threshold) if negative_slope else 0
    return filled(y_out, np.where(x <= threshold, low, np.minimum(x, most)))


def general_relu_backward(
    dy: Array,
    x: Array,
    dx_out: Array | None = None,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Gradient of general_relu.

    ``dx = negative_slope * dy where x <= threshold, else dy where x < max_value, else 0``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional
    negative_slope : float
    max_value : float, optional
    threshold : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> general_relu_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0])).round(3)
    array([ 0., 10.])
    """
    most = np.inf if max_value is None else max_value
    low = negative_slope * dy if negative_slope else 0
    return filled(dx_out, _keep_nan(x, np.where(x <= threshold, low, np.where(x >= most, 0, dy))))


def threshold_forward(
    x: Array, y_out: Array | None = None, *, threshold: float, default_value: float
) -> Array:
    """Threshold: ``y = x where x > threshold, else default_value``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    threshold : float
    default_value : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> threshold_forward(np.array([-1.0, 2.0]), threshold=0.5, default_value=-2.0).round(4)
    array([-2.,  2.])
    """
    return filled(y_out, np.where(x <= threshold, default_value, x))


def threshold_backward(dy: Array, x: Array, dx_out: Array | None = None, *, threshold: float) -> Array:
    """Gradient of threshold: ``dx = dy where x > threshold, else 0``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional
    threshold : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> threshold_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0]), threshold=0.5).round(3)
    array([ 0., 10.])
    """
    return filled(dx_out, _keep_nan(x, np.where(x <= threshold, 0, dy)))


_FORWARD |= {  # what dense_forward can end with
    "relu6": relu6_forward,
    "hard_tanh": hard_tanh_forward,
    "hard_shrink": hard_shrink_forward,
    "soft_shrink": soft_shrink_forward,
    "sparse_plus": sparse_plus_forward,
    "sparse_sigmoid": sparse_sigmoid_forward,
    "hard_silu": hard_silu_forward,
    "sign": sign_forward,
}
