"""Smooth activations beyond those of `activations.py`, in plain NumPy."""

import math

import numpy as np

from nncore.reference._common import Array, filled
from nncore.reference.activations import _FORWARD, _sigmoid

__all__ = [
    "celu_backward",
    "celu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "log_sigmoid_backward",
    "log_sigmoid_forward",
    "mish_backward",
    "mish_forward",
    "selu_backward",
    "selu_forward",
    "softsign_backward",
    "softsign_forward",
    "squareplus_backward",
    "squareplus_forward",
    "tanh_shrink_backward",
    "tanh_shrink_forward",
]

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _near(x: Array) -> Array:
    """Keep to where the function is not yet its limit: beyond, 0 times infinity would stand for that."""
    return np.clip(x, -1000, 1000)


def _finite(x: Array) -> Array:
    """Bring infinities to the largest numbers, so that a limit such as infinity by infinity is reached."""
    most = np.finfo(x.dtype).max
    return np.clip(x, -most, most)


def _gelu_tanh_argument(x: Array) -> tuple[Array, Array]:
    """Return ``w = 2 sqrt(2 / pi) (x + 0.044715 x**3)`` and its derivative."""
    factor = 2 * math.sqrt(2 / math.pi)
    return factor * (x + 0.044715 * x**3), factor * (1 + 3 * 0.044715 * x * x)


def celu_forward(x: Array, y_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Continuously differentiable exponential unit (Barron 2017).

    ``y = x where x > 0, else alpha * (exp(x / alpha) - 1)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    alpha : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> celu_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.6321,  2.    ])
    """
    return filled(y_out, np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)))


def celu_backward(dy: Array, y: Array, dx_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Gradient of celu: ``dx = dy where y > 0, else dy * (y / alpha + 1)``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional
    alpha : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> celu_backward(np.array([1.0, 10.0]), celu_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 0.368, 10.   ])
    """
    return filled(dx_out, np.where(y > 0, dy, dy * (y / alpha + 1)))


def selu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Scaled exponential unit (Klambauer et al. 2017).

    ``y = scale * x where x > 0, else scale * alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> selu_forward(np.array([-1.0, 2.0])).round(4)
    array([-1.1113,  2.1014])
    """
    return filled(
        y_out, np.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0)))
    )


def selu_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of selu: ``dx = dy * scale where y > 0, else dy * (y + scale * alpha)``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> selu_backward(np.array([1.0, 10.0]), selu_forward(np.array([-1.0, 2.0]))).round(3)
    array([ 0.647, 10.507])
    """
    return filled(dx_out, dy * np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA))


def softsign_forward(x: Array, y_out: Array | None = None) -> Array:
    """Softsign: ``y = x / (1 + abs(x))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> softsign_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.5   ,  0.6667])
    """
    return filled(y_out, _finite(x) / (1 + np.abs(_finite(x))))


def softsign_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of softsign: ``dx = dy * (1 - abs(y))**2``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> softsign_backward(np.array([1.0, 10.0]), softsign_forward(np.array([-1.0, 2.0]))).round(3)
    array([0.25 , 1.111])
    """
    return filled(dx_out, dy * (1 - np.abs(y)) ** 2)


def log_sigmoid_forward(x: Array, y_out: Array | None = None) -> Array:
    """Logarithm of the logistic function: ``y = -log(1 + exp(-x))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_sigmoid_forward(np.array([-1.0, 2.0])).round(4)
    array([-1.3133, -0.1269])
    """
    return filled(y_out, -np.logaddexp(-x, 0, dtype=x.dtype))


def log_sigmoid_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of log_sigmoid: ``dx = dy * (1 - exp(y))``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_sigmoid_backward(np.array([1.0, 10.0]), log_sigmoid_forward(np.array([-1.0, 2.0]))).round(3)
    array([0.731, 1.192])
    """
    return filled(dx_out, dy * -np.expm1(y))


def squareplus_forward(x: Array, y_out: Array | None = None, b: float = 4.0) -> Array:
    """Squareplus (Barron 2021): ``y = (x + sqrt(x**2 + b)) / 2``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    b : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> squareplus_forward(np.array([-1.0, 2.0])).round(4)
    array([0.618 , 2.4142])
    """
    return filled(y_out, np.maximum(x, 0) + b / 2 / (np.hypot(x, b**0.5) + np.abs(x)))


def squareplus_backward(dy: Array, y: Array, dx_out: Array | None = None, b: float = 4.0) -> Array:
    """Gradient of squareplus: ``dx = dy / (1 + b / (4 * y**2))``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional
    b : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> squareplus_backward(np.array([1.0, 10.0]), squareplus_forward(np.array([-1.0, 2.0]))).round(3)
    array([0.276, 8.536])
    """
    return filled(dx_out, dy / (1 + b / 4 / (y * y)))


def gelu_tanh_forward(x: Array, y_out: Array | None = None) -> Array:
    """Gaussian error linear unit, approximated by tanh (Hendrycks and Gimpel 2016).

    ``y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gelu_tanh_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.1588,  1.9546])
    """
    w, _ = _gelu_tanh_argument(_near(x))
    return filled(y_out, np.maximum(x, -1000) * _sigmoid(w))


def gelu_tanh_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of gelu_tanh.

    ``dx = dy * s * (1 + x * (1 - s) * w'), s = sigmoid(w), w = 2 * sqrt(2 / pi) * (x + 0.044715 * x**3)``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gelu_tanh_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0])).round(3)
    array([-0.083, 10.861])
    """
    w, slope = _gelu_tanh_argument(_near(x))
    s = _sigmoid(w)
    return filled(dx_out, dy * (s + _near(x) * s * _sigmoid(-w) * slope))


def mish_forward(x: Array, y_out: Array | None = None) -> Array:
    """Mish (Misra 2019): ``y = x * tanh(log(1 + exp(x)))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> mish_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.3034,  1.944 ])
    """
    return filled(y_out, np.maximum(x, -1000) * np.tanh(np.logaddexp(x, 0, dtype=x.dtype)))


def mish_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of mish: ``dx = dy * (t + x * sigmoid(x) * (1 - t**2)), t = tanh(log(1 + exp(x)))``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> mish_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0])).round(3)
    array([ 0.059, 10.693])
    """
    t = np.tanh(np.logaddexp(x, 0, dtype=x.dtype))
    return filled(dx_out, dy * (t + _near(x) * _sigmoid(x) * (1 - t * t)))


def tanh_shrink_forward(x: Array, y_out: Array | None = None) -> Array:
    """Tanh shrink: ``y = x - tanh(x)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tanh_shrink_forward(np.array([-1.0, 2.0])).round(4)
    array([-0.2384,  1.036 ])
    """
    return filled(y_out, x - np.tanh(x))


def tanh_shrink_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of tanh_shrink: ``dx = dy * tanh(x)**2``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tanh_shrink_backward(np.array([1.0, 10.0]), np.array([-1.0, 2.0])).round(3)
    array([0.58 , 9.293])
    """
    return filled(dx_out, dy * np.tanh(x) ** 2)


_FORWARD |= {  # what dense_forward can end with
    "celu": celu_forward,
    "selu": selu_forward,
    "softsign": softsign_forward,
    "log_sigmoid": log_sigmoid_forward,
    "squareplus": squareplus_forward,
    "gelu_tanh": gelu_tanh_forward,
    "mish": mish_forward,
    "tanh_shrink": tanh_shrink_forward,
}
