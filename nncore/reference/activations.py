"""Activations in plain NumPy: `<name>_forward(x)` and `<name>_backward(dy, y)` or `(dy, x)`.

A backward kernel multiplies the incoming gradient `dy` by the derivative of its activation. Where the
derivative can be written with the output alone (sigmoid: `y (1 - y)`), the kernel asks for `y`, so that the
input need not be kept; gelu and silu ask for `x`.

A not-a-number in `x` or `y` always comes out as one, also where a comparison would swallow it.
"""

import math
from collections.abc import Callable

import numpy as np

from nncore.reference._common import Array, filled, row_sum

__all__ = [
    "bias_activation_forward",
    "elu_backward",
    "elu_forward",
    "exponential_backward",
    "exponential_forward",
    "gelu_backward",
    "gelu_forward",
    "hard_sigmoid_backward",
    "hard_sigmoid_forward",
    "identity_backward",
    "identity_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "log_softmax",
    "log_softmax_backward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax",
    "softmax_backward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
]

# NumPy has no erfc. The C library's is good to an ULP of float64, also far out where 1 - erf would be 0.
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _keep_nan(source: Array, value: Array) -> Array:
    """Put a nan wherever `source` has one."""
    return np.where(np.isnan(source), source, value)


def identity_forward(x: Array, y_out: Array | None = None) -> Array:
    """Copy: ``y = x``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> identity_forward(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """
    return filled(y_out, x.copy())


def identity_backward(dy: Array, dx_out: Array | None = None) -> Array:
    """Copy: ``dx = dy``.

    Parameters
    ----------
    dy : ndarray, any shape
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> identity_backward(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """
    return filled(dx_out, dy.copy())


def _sigmoid(x: Array) -> Array:
    # e = exp(-|x|) is at most 1, so neither branch overflows, and the small side keeps all its digits.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_forward(x: Array, y_out: Array | None = None) -> Array:
    """Logistic function: ``y = 1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sigmoid_forward(np.array([0.0, -1000.0, 1000.0]))
    array([0.5, 0. , 1. ])
    """
    return filled(y_out, _sigmoid(x))


def sigmoid_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of sigmoid: ``dx = dy * y * (1 - y)``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sigmoid_backward(np.array([2.0]), np.array([0.5]))
    array([0.5])
    """
    return filled(dx_out, dy * (y * (1 - y)))


def tanh_forward(x: Array, y_out: Array | None = None) -> Array:
    """Hyperbolic tangent: ``y = tanh(x)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tanh_forward(np.array([0.0, 1000.0]))
    array([0., 1.])
    """
    return filled(y_out, np.tanh(x))


def tanh_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of tanh: ``dx = dy * (1 - y**2)``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tanh_backward(np.array([2.0]), np.array([0.5]))
    array([1.5])
    """
    return filled(dx_out, dy * (1 - y * y))


def relu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Rectifier: ``y = max(x, 0)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> relu_forward(np.array([-3.0, 2.0]))
    array([0., 2.])
    """
    return filled(y_out, np.maximum(x, 0))


def relu_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of relu: ``dx = dy where y > 0, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> relu_backward(np.array([5.0, 5.0]), np.array([0.0, 2.0]))
    array([0., 5.])
    """
    return filled(dx_out, _keep_nan(y, np.where(y > 0, dy, 0)))


def leaky_relu_forward(x: Array, y_out: Array | None = None, negative_slope: float = 0.2) -> Array:
    """Leaky rectifier: ``y = x where x > 0, else negative_slope * x``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional
    negative_slope : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> leaky_relu_forward(np.array([-2.0, 2.0]), negative_slope=0.25)
    array([-0.5,  2. ])
    """
    return filled(y_out, np.where(x > 0, x, negative_slope * x))


def leaky_relu_backward(
    dy: Array, y: Array, dx_out: Array | None = None, negative_slope: float = 0.2
) -> Array:
    """Gradient of leaky_relu: ``dx = dy where y > 0, else negative_slope * dy``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional
    negative_slope : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> leaky_relu_backward(np.array([4.0, 4.0]), np.array([-0.5, 2.0]), negative_slope=0.25)
    array([1., 4.])
    """
    return filled(dx_out, _keep_nan(y, np.where(y > 0, dy, negative_slope * dy)))


def elu_forward(x: Array, y_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Exponential linear unit: ``y = x where x > 0, else alpha * (exp(x) - 1)``.

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
    >>> elu_forward(np.array([-1000.0, 2.0]), alpha=0.5)
    array([-0.5,  2. ])
    """
    return filled(y_out, np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


def elu_backward(dy: Array, y: Array, dx_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Gradient of elu: ``dx = dy where y > 0, else dy * (y + alpha)``.

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
    >>> elu_backward(np.array([4.0, 4.0]), np.array([-0.25, 2.0]), alpha=0.5)
    array([1., 4.])
    """
    return filled(dx_out, np.where(y > 0, dy, dy * (y + alpha)))


def exponential_forward(x: Array, y_out: Array | None = None) -> Array:
    """Exponential: ``y = exp(x)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> exponential_forward(np.array([0.0, -1000.0]))
    array([1., 0.])
    """
    return filled(y_out, np.exp(x))


def exponential_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of exponential: ``dx = dy * y``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> exponential_backward(np.array([2.0]), np.array([3.0]))
    array([6.])
    """
    return filled(dx_out, dy * y)


def hard_sigmoid_forward(x: Array, y_out: Array | None = None) -> Array:
    """Piecewise linear sigmoid as in Keras: ``y = clip(x / 6 + 1/2, 0, 1)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_sigmoid_forward(np.array([-3.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    return filled(y_out, np.clip(x * (1 / 6) + 0.5, 0, 1))


def hard_sigmoid_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of hard_sigmoid: ``dx = dy / 6 where 0 < y < 1, else 0``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hard_sigmoid_backward(np.array([12.0, 12.0]), np.array([0.5, 1.0]))
    array([2., 0.])
    """
    return filled(dx_out, _keep_nan(y, np.where((y > 0) & (y < 1), dy * (1 / 6), 0)))


def softplus_forward(x: Array, y_out: Array | None = None) -> Array:
    """Smooth rectifier: ``y = log(1 + exp(x))``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> softplus_forward(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return filled(y_out, np.logaddexp(x, 0, dtype=x.dtype))


def softplus_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of softplus: ``dx = dy * sigmoid(x) = dy * (1 - exp(-y))``.

    Parameters
    ----------
    dy, y : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> softplus_backward(np.array([2.0]), np.log(np.array([2.0])))
    array([1.])
    """
    return filled(dx_out, dy * -np.expm1(-y))


def _normal_cdf(x: Array) -> Array:
    """Return Phi(x), the share of a standard normal variable below x, in float64."""
    twice: Array = _erfc(-np.asarray(x, np.float64) / math.sqrt(2))
    return 0.5 * twice


def _times(x: Array, factor: Array) -> Array:
    """Multiply, but give 0 where a factor that has vanished meets an infinite x: the limit of x Phi(x)."""
    with np.errstate(invalid="ignore"):
        return np.where(factor == 0, 0.0, x * factor)


def gelu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Gaussian error linear unit, exact: ``y = x * Phi(x)``, ``Phi(x) = erfc(-x / sqrt(2)) / 2``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    References
    ----------
    Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.

    Examples
    --------
    >>> gelu_forward(np.array([0.0, 1.0, 100.0])).round(4)
    array([  0.    ,   0.8413, 100.    ])
    """
    wide = x.astype(np.float64)
    return filled(y_out, _times(wide, _normal_cdf(wide)).astype(x.dtype))


def gelu_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of gelu: ``dx = dy * (Phi(x) + x * phi(x))``, ``phi(x) = exp(-x**2 / 2) / sqrt(2 pi)``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gelu_backward(np.array([2.0, 2.0]), np.array([0.0, 100.0]))
    array([1., 2.])
    """
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):  # the square of a huge x is inf, and exp(-inf) is the 0 wanted
        density = np.exp(-0.5 * wide * wide) / math.sqrt(2 * math.pi)
    slope = _normal_cdf(wide) + _times(wide, density)
    return filled(dx_out, dy * slope.astype(x.dtype))


def silu_forward(x: Array, y_out: Array | None = None) -> Array:
    """Sigmoid linear unit (swish): ``y = x * sigmoid(x)``.

    Parameters
    ----------
    x : ndarray, any shape
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> silu_forward(np.array([-1000.0, 0.0, 1000.0]))
    array([   0.,    0., 1000.])
    """
    return filled(y_out, _times(x, _sigmoid(x)))


def silu_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of silu: ``dx = dy * s * (1 + x * (1 - s))``, ``s = sigmoid(x)``.

    Parameters
    ----------
    dy, x : ndarray, any shape, equal
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> silu_backward(np.array([2.0, 2.0]), np.array([0.0, 1000.0]))
    array([1., 2.])
    """
    # s + x s (1 - s), with 1 - s as sigmoid(-x): no digit is lost where s is near 1
    slope = _sigmoid(x) + _times(x, _sigmoid(x) * _sigmoid(-x))
    return filled(dx_out, dy * slope)


def softmax(x: Array, y_out: Array | None = None) -> Array:
    """Softmax of each row: ``y = exp(x - max(x)) / sum(exp(x - max(x)))``.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    y_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return filled(y_out, e / row_sum(e))


def softmax_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of softmax: ``dx = y * (dy - sum(dy * y))``, the sum over each row.

    Parameters
    ----------
    dy, y : ndarray, shape (B, C)
    dx_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> softmax_backward(np.array([[4.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([[ 1., -1.]])
    """
    return filled(dx_out, y * (dy - row_sum(dy * y)))


def log_softmax(x: Array, y_out: Array | None = None) -> Array:
    """Logarithm of the softmax of each row: ``y = x - max(x) - log(sum(exp(x - max(x))))``.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    y_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> log_softmax(np.array([[1000.0, 0.0]]))
    array([[    0., -1000.]])
    """
    shifted = x - x.max(axis=-1, keepdims=True)
    return filled(y_out, shifted - np.log(row_sum(np.exp(shifted))))


def log_softmax_backward(dy: Array, y: Array, dx_out: Array | None = None) -> Array:
    """Gradient of log_softmax: ``dx = dy - exp(y) * sum(dy)``, the sum over each row.

    Parameters
    ----------
    dy, y : ndarray, shape (B, C)
    dx_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> log_softmax_backward(np.array([[4.0, 0.0]]), np.log(np.array([[0.5, 0.5]])))
    array([[ 2., -2.]])
    """
    return filled(dx_out, dy - np.exp(y) * row_sum(dy))


def bias_activation_forward(
    x: Array, b: Array, y_out: Array | None = None, activation: str = "linear", alpha: float | None = None
) -> Array:
    """Bias and activation of each row: ``y = act(x + b)``.

    Parameters
    ----------
    x : ndarray, shape (B, O)
    b : ndarray, shape (O,)
    y_out : ndarray, shape (B, O), optional
    activation : str
        "linear" or the name of an elementwise activation of this module.
    alpha : float, optional
        The parameter of leaky_relu and elu; theirs by default.

    Returns
    -------
    ndarray, shape (B, O)

    Examples
    --------
    >>> bias_activation_forward(np.array([[1.0, -3.0]]), np.array([1.0, 2.0]), activation="relu")
    array([[2., 0.]])
    """
    return filled(y_out, _activate(x + b, activation, alpha))


def _activate(z: Array, activation: str, alpha: float | None) -> Array:
    forward = _FORWARD[activation]
    if alpha is None:
        return forward(z)
    return forward(z, None, alpha)  # an activation without a parameter refuses it


_FORWARD: dict[str, Callable[..., Array]] = {
    "linear": identity_forward,
    "sigmoid": sigmoid_forward,
    "tanh": tanh_forward,
    "relu": relu_forward,
    "leaky_relu": leaky_relu_forward,
    "elu": elu_forward,
    "exponential": exponential_forward,
    "hard_sigmoid": hard_sigmoid_forward,
    "softplus": softplus_forward,
    "gelu": gelu_forward,
    "silu": silu_forward,
}
