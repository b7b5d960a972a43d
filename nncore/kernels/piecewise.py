"""Piecewise polynomial activations beyond those of `activations.py`, and their derivatives."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array
from nncore.kernels.activations import _backward, _forward

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


def _relu_scalars(where: str, negative_slope: float, max_value: float | None, threshold: float) -> tuple[float, ...]:
    return (
        _checks.real(negative_slope, where, "negative_slope"),
        math.inf if max_value in (None, math.inf) else _checks.real(max_value, where, "max_value"),
        _checks.real(threshold, where, "threshold"),
    )


def relu6_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Rectifier with a largest value of 6: ``y = min(max(x, 0), 6)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.relu6_forward([-1.0, 2.0]).round(4)
    array([0., 2.], dtype=float32)
    """
    return _forward("relu6", x, y_out)


def relu6_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `relu6_forward`: ``dx = dy where 0 < y < 6, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.relu6_backward([1.0, 10.0], nn.kernels.relu6_forward([-1.0, 2.0])).round(3)
    array([ 0., 10.], dtype=float32)
    """
    return _backward("relu6", dy, "y", y, dx_out)


def hard_tanh_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Piecewise linear tanh: ``y = min(max(x, -1), 1)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_tanh_forward([-1.0, 2.0]).round(4)
    array([-1.,  1.], dtype=float32)
    """
    return _forward("hard_tanh", x, y_out)


def hard_tanh_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `hard_tanh_forward`: ``dx = dy where -1 < y < 1, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_tanh_backward([1.0, 10.0], nn.kernels.hard_tanh_forward([-0.5, 2.0]))
    array([1., 0.], dtype=float32)
    """
    return _backward("hard_tanh", dy, "y", y, dx_out)


def hard_shrink_forward(x: ArrayLike, y_out: Array | None = None, threshold: float = 0.5) -> Array:
    """Hard shrink: ``y = x where abs(x) > threshold, else 0``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    threshold : float
        Sizes up to it become 0; not negative.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_shrink_forward([-1.0, 2.0]).round(4)
    array([-1.,  2.], dtype=float32)
    """
    return _forward(
        "hard_shrink", x, y_out, _checks.real(threshold, "hard_shrink_forward", "threshold", low=0.0)
    )


def hard_shrink_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `hard_shrink_forward`: ``dx = dy where y is not 0, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_shrink_backward([1.0, 10.0], nn.kernels.hard_shrink_forward([-1.0, 2.0])).round(3)
    array([ 1., 10.], dtype=float32)
    """
    return _backward("hard_shrink", dy, "y", y, dx_out)


def soft_shrink_forward(x: ArrayLike, y_out: Array | None = None, threshold: float = 0.5) -> Array:
    """Soft shrink: ``y = x - threshold where x > threshold, x + threshold where x < -threshold, else 0``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    threshold : float
        How much smaller sizes become; not negative.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.soft_shrink_forward([-1.0, 2.0]).round(4)
    array([-0.5,  1.5], dtype=float32)
    """
    return _forward(
        "soft_shrink", x, y_out, _checks.real(threshold, "soft_shrink_forward", "threshold", low=0.0)
    )


def soft_shrink_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `soft_shrink_forward`: ``dx = dy where y is not 0, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.soft_shrink_backward([1.0, 10.0], nn.kernels.soft_shrink_forward([-1.0, 2.0])).round(3)
    array([ 1., 10.], dtype=float32)
    """
    return _backward("soft_shrink", dy, "y", y, dx_out)


def sparse_plus_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sparse plus: softplus's shape with zeros on the left.

    ``y = 0 where x <= -1, x where x >= 1, else (x + 1)**2 / 4``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_plus_forward([-1.0, 2.0]).round(4)
    array([0., 2.], dtype=float32)
    """
    return _forward("sparse_plus", x, y_out)


def sparse_plus_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `sparse_plus_forward`: ``dx = dy * sqrt(min(y, 1))``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_plus_backward([1.0, 10.0], nn.kernels.sparse_plus_forward([-1.0, 2.0])).round(3)
    array([ 0., 10.], dtype=float32)
    """
    return _backward("sparse_plus", dy, "y", y, dx_out)


def sparse_sigmoid_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sparse sigmoid (Blondel et al. 2019): ``y = min(max((x + 1) / 2, 0), 1)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_sigmoid_forward([-1.0, 2.0]).round(4)
    array([0., 1.], dtype=float32)
    """
    return _forward("sparse_sigmoid", x, y_out)


def sparse_sigmoid_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `sparse_sigmoid_forward`: ``dx = dy / 2 where 0 < y < 1, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_sigmoid_backward([1.0, 10.0], nn.kernels.sparse_sigmoid_forward([-0.5, 2.0]))
    array([0.5, 0. ], dtype=float32)
    """
    return _backward("sparse_sigmoid", dy, "y", y, dx_out)


def hard_silu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Piecewise polynomial silu (hard swish; Howard et al. 2019): ``y = x * min(max(x + 3, 0), 6) / 6``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_silu_forward([-1.0, 2.0]).round(4)
    array([-0.3333,  1.6667], dtype=float32)
    """
    return _forward("hard_silu", x, y_out)


def hard_silu_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `hard_silu_forward`: ``dx = dy * (x / 3 + 1 / 2) where -3 < x < 3, 0 below, dy above``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    x : array_like of dy's shape
        The activation's input.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hard_silu_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([ 0.167, 11.667], dtype=float32)
    """
    return _backward("hard_silu", dy, "x", x, dx_out)


def sign_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sign, the perceptron's step: ``y = 1 where x > 0, -1 where x < 0, else 0``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sign_forward([-1.0, 2.0]).round(4)
    array([-1.,  1.], dtype=float32)
    """
    return _forward("sign", x, y_out)


def general_relu_forward(
    x: ArrayLike,
    y_out: Array | None = None,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Rectifier with a slope, a largest value and a threshold, Keras's ``relu``.

    ``y = negative_slope * (x - threshold) where x <= threshold, else min(x, max_value)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    negative_slope : float
        Slope up to the threshold.
    max_value : float, optional
        Largest value; without one, none.
    threshold : float
        Up to where the slope holds.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.general_relu_forward([-1.0, 2.0, 9.0], negative_slope=0.5, max_value=6.0, threshold=1.0)
    array([-1.,  2.,  6.], dtype=float32)
    """
    alpha, *more = _relu_scalars("general_relu_forward", negative_slope, max_value, threshold)
    return _forward("general_relu", x, y_out, alpha, more=more)


def general_relu_backward(
    dy: ArrayLike,
    x: ArrayLike,
    dx_out: Array | None = None,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Gradient of `general_relu_forward`.

    ``dx = negative_slope * dy where x <= threshold, else dy where x < max_value, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    x : array_like of dy's shape
        The activation's input.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    negative_slope : float
        Slope up to the threshold.
    max_value : float, optional
        Largest value; without one, none.
    threshold : float
        Up to where the slope holds.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.general_relu_backward([1.0, 1.0, 1.0], [-1.0, 2.0, 9.0], negative_slope=0.5, max_value=6.0)
    array([0.5, 1. , 0. ], dtype=float32)
    """
    alpha, *more = _relu_scalars("general_relu_backward", negative_slope, max_value, threshold)
    return _backward("general_relu", dy, "x", x, dx_out, alpha, more=more)


def threshold_forward(
    x: ArrayLike, y_out: Array | None = None, *, threshold: float, default_value: float
) -> Array:
    """Threshold: ``y = x where x > threshold, else default_value``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    threshold : float
        Up to where x is replaced.
    default_value : float
        What replaces it.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.threshold_forward([-1.0, 2.0], threshold=0.5, default_value=-2.0).round(4)
    array([-2.,  2.], dtype=float32)
    """
    return _forward(
        "threshold", x, y_out, _checks.real(threshold, "threshold_forward", "threshold"),
        more=(_checks.real(default_value, "threshold_forward", "default_value"),),
    )


def threshold_backward(
    dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None, *, threshold: float
) -> Array:
    """Gradient of `threshold_forward`: ``dx = dy where x > threshold, else 0``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    x : array_like of dy's shape
        The activation's input.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    threshold : float
        Up to where x is replaced.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.threshold_backward([1.0, 10.0], [-1.0, 2.0], threshold=0.5).round(3)
    array([ 0., 10.], dtype=float32)
    """
    return _backward(
        "threshold", dy, "x", x, dx_out, _checks.real(threshold, "threshold_backward", "threshold")
    )
