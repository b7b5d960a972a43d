"""Smooth activations beyond those of `activations.py`, and their derivatives."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array
from nncore.kernels.activations import _backward, _forward

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


def celu_forward(x: ArrayLike, y_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Continuously differentiable exponential unit (Barron 2017).

    ``y = x where x > 0, else alpha * (exp(x / alpha) - 1)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    alpha : float
        Scale below 0; positive.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.celu_forward([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ], dtype=float32)
    """
    return _forward("celu", x, y_out, _checks.positive(alpha, "celu_forward", "alpha"))


def celu_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Gradient of `celu_forward`: ``dx = dy where y > 0, else dy * (y / alpha + 1)``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    alpha : float
        Scale below 0; positive.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.celu_backward([1.0, 10.0], nn.kernels.celu_forward([-1.0, 2.0])).round(3)
    array([ 0.368, 10.   ], dtype=float32)
    """
    return _backward("celu", dy, "y", y, dx_out, _checks.positive(alpha, "celu_backward", "alpha"))


def selu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Scaled exponential unit (Klambauer et al. 2017).

    ``y = scale * x where x > 0, else scale * alpha * (exp(x) - 1)``.

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
    >>> nn.kernels.selu_forward([-1.0, 2.0]).round(4)
    array([-1.1113,  2.1014], dtype=float32)
    """
    return _forward("selu", x, y_out)


def selu_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `selu_forward`: ``dx = dy * scale where y > 0, else dy * (y + scale * alpha)``.

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
    >>> nn.kernels.selu_backward([1.0, 10.0], nn.kernels.selu_forward([-1.0, 2.0])).round(3)
    array([ 0.647, 10.507], dtype=float32)
    """
    return _backward("selu", dy, "y", y, dx_out)


def softsign_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Softsign: ``y = x / (1 + abs(x))``.

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
    >>> nn.kernels.softsign_forward([-1.0, 2.0]).round(4)
    array([-0.5   ,  0.6667], dtype=float32)
    """
    return _forward("softsign", x, y_out)


def softsign_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `softsign_forward`: ``dx = dy * (1 - abs(y))**2``.

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
    >>> nn.kernels.softsign_backward([1.0, 10.0], nn.kernels.softsign_forward([-1.0, 2.0])).round(3)
    array([0.25 , 1.111], dtype=float32)
    """
    return _backward("softsign", dy, "y", y, dx_out)


def log_sigmoid_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Logarithm of the logistic function: ``y = -log(1 + exp(-x))``.

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
    >>> nn.kernels.log_sigmoid_forward([-1.0, 2.0]).round(4)
    array([-1.3133, -0.1269], dtype=float32)
    """
    return _forward("log_sigmoid", x, y_out)


def log_sigmoid_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `log_sigmoid_forward`: ``dx = dy * (1 - exp(y))``.

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
    >>> nn.kernels.log_sigmoid_backward([1.0, 10.0], nn.kernels.log_sigmoid_forward([-1.0, 2.0])).round(3)
    array([0.731, 1.192], dtype=float32)
    """
    return _backward("log_sigmoid", dy, "y", y, dx_out)


def squareplus_forward(x: ArrayLike, y_out: Array | None = None, b: float = 4.0) -> Array:
    """Squareplus (Barron 2021): ``y = (x + sqrt(x**2 + b)) / 2``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    b : float
        Smoothness; positive.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.squareplus_forward([-1.0, 2.0]).round(4)
    array([0.618 , 2.4142], dtype=float32)
    """
    return _forward("squareplus", x, y_out, _checks.positive(b, "squareplus_forward", "b"))


def squareplus_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None, b: float = 4.0) -> Array:
    """Gradient of `squareplus_forward`: ``dx = dy / (1 + b / (4 * y**2))``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    b : float
        Smoothness; positive.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.squareplus_backward([1.0, 10.0], nn.kernels.squareplus_forward([-1.0, 2.0])).round(3)
    array([0.276, 8.536], dtype=float32)
    """
    return _backward("squareplus", dy, "y", y, dx_out, _checks.positive(b, "squareplus_backward", "b"))


def gelu_tanh_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Gaussian error linear unit, approximated by tanh (Hendrycks and Gimpel 2016).

    ``y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

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
    >>> nn.kernels.gelu_tanh_forward([-1.0, 2.0]).round(4)
    array([-0.1588,  1.9546], dtype=float32)
    """
    return _forward("gelu_tanh", x, y_out)


def gelu_tanh_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `gelu_tanh_forward`.

    ``dx = dy * s * (1 + x * (1 - s) * w'), s = sigmoid(w), w = 2 * sqrt(2 / pi) * (x + 0.044715 * x**3)``.

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
    >>> nn.kernels.gelu_tanh_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([-0.083, 10.861], dtype=float32)
    """
    return _backward("gelu_tanh", dy, "x", x, dx_out)


def mish_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Mish (Misra 2019): ``y = x * tanh(log(1 + exp(x)))``.

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
    >>> nn.kernels.mish_forward([-1.0, 2.0]).round(4)
    array([-0.3034,  1.944 ], dtype=float32)
    """
    return _forward("mish", x, y_out)


def mish_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `mish_forward`.

    ``dx = dy * (t + x * sigmoid(x) * (1 - t**2)), t = tanh(log(1 + exp(x)))``.

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
    >>> nn.kernels.mish_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([ 0.059, 10.693], dtype=float32)
    """
    return _backward("mish", dy, "x", x, dx_out)


def tanh_shrink_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Tanh shrink: ``y = x - tanh(x)``.

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
    >>> nn.kernels.tanh_shrink_forward([-1.0, 2.0]).round(4)
    array([-0.2384,  1.036 ], dtype=float32)
    """
    return _forward("tanh_shrink", x, y_out)


def tanh_shrink_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `tanh_shrink_forward`: ``dx = dy * tanh(x)**2``.

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
    >>> nn.kernels.tanh_shrink_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([0.58 , 9.293], dtype=float32)
    """
    return _backward("tanh_shrink", dy, "x", x, dx_out)
