"""Activations and their derivatives: `<name>_backward` takes what it needs, the output y or the input x."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import (
    ACTIVATION,
    KERNEL,
    Array,
    Outputs,
    activation_number,
    alpha_value,
    arrays,
    run,
)

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
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
]

_FORWARD, _BACKWARD = KERNEL["activation_forward"], KERNEL["activation_backward"]


def _forward(
    name: str,
    x: ArrayLike,
    y_out: Array | None,
    alpha: float = 0.0,
    where: str = "",
    argument: str = "x",
    output: str = "y_out",
    more: Sequence[float] = (),
) -> Array:
    """Run an elementwise activation: arrays that need no conversion straight through the core.

    `alpha` and `more` are the kernel's scalars.
    """
    y = core.elementwise(_FORWARD, ACTIVATION[name], x, None, y_out, alpha, *more)
    if y is not NotImplemented:
        return y
    where = where or f"{name}_forward"
    (x,) = arrays(where, **{argument: (x, None)})
    outputs = Outputs(where, x.dtype, () if y_out is x else (x,))
    y = outputs.array(output, y_out, x.shape)
    core.elementwise(_FORWARD, ACTIVATION[name], x, None, y, alpha, *more)
    return outputs.finish(y)


def _backward(
    name: str,
    dy: ArrayLike,
    needs: str,
    saved: ArrayLike,
    dx_out: Array | None,
    alpha: float = 0.0,
    more: Sequence[float] = (),
) -> Array:
    """Run an elementwise derivative; `needs` names what `saved` is."""
    if saved is None:  # which the core would take for a forward pass
        raise TypeError(f"{name}_backward: {needs} must be an array of real numbers, got None")
    dx = core.elementwise(_BACKWARD, ACTIVATION[name], dy, saved, dx_out, alpha, *more)
    if dx is not NotImplemented:
        return dx
    where = f"{name}_backward"
    dy, saved = arrays(where, **{"dy": (dy, None), needs: (saved, None)})
    if dy.shape != saved.shape:
        raise ValueError(f"{where}: dy has shape {dy.shape} but {needs} has shape {saved.shape}")
    outputs = Outputs(where, dy.dtype, (dy, saved))
    dx = outputs.array("dx_out", dx_out, dy.shape)
    core.elementwise(_BACKWARD, ACTIVATION[name], dy, saved, dx, alpha, *more)
    return outputs.finish(dx)


def bias_activation_forward(
    x: ArrayLike,
    b: ArrayLike,
    y_out: Array | None = None,
    activation: str | None = "linear",
    alpha: float | None = None,
) -> Array:
    """``activation(x + b)`` in one pass, b added to every row: the end of a dense layer after its product.

    Parameters
    ----------
    x : array_like, shape (B, O)
        A product.
    b : array_like, shape (O,)
        Bias.
    y_out : ndarray, shape (B, O), optional
        Where the result goes.
    activation, alpha : str, float
        As of `dense_forward`.

    Returns
    -------
    ndarray, shape (B, O)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.bias_activation_forward([[1.0, -3.0]], [1.0, 1.0], activation="relu")
    array([[2., 0.]], dtype=float32)
    """
    where = "bias_activation_forward"
    kind, name = activation_number(where, activation)
    scale = alpha_value(where, name, alpha)
    y = core.bias_activation(KERNEL[where], kind, x, b, y_out, scale)
    if y is not NotImplemented:
        return y
    x, b = arrays(where, x=(x, 2), b=(b, 1))
    if b.shape[0] != x.shape[1]:
        raise ValueError(f"{where}: x has {x.shape[1]} columns but b has {b.shape[0]} elements")
    outputs = Outputs(where, x.dtype, (b,) if y_out is x else (x, b))
    y = outputs.array("y_out", y_out, x.shape)
    run(where, x.shape[0], (x, b, y), (x.shape[1], 0, kind), (scale,), dtype=x.dtype)
    return outputs.finish(y)


def identity_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Identity: ``y = x``.

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
    >>> nn.kernels.identity_forward([-1.0, 2.0]).round(4)
    array([-1.,  2.], dtype=float32)
    """
    return _forward("identity", x, y_out)


def identity_backward(dy: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `identity_forward`: ``dx = dy``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.identity_backward([1.0, 10.0])
    array([ 1., 10.], dtype=float32)
    """
    return _forward("identity", dy, dx_out, where="identity_backward", argument="dy", output="dx_out")


def sigmoid_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Logistic function: ``y = 1 / (1 + exp(-x))``.

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
    >>> nn.kernels.sigmoid_forward([-1.0, 2.0]).round(4)
    array([0.2689, 0.8808], dtype=float32)
    """
    return _forward("sigmoid", x, y_out)


def sigmoid_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `sigmoid_forward`: ``dx = dy * y * (1 - y)``.

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
    >>> nn.kernels.sigmoid_backward([1.0, 10.0], nn.kernels.sigmoid_forward([-1.0, 2.0])).round(3)
    array([0.197, 1.05 ], dtype=float32)
    """
    return _backward("sigmoid", dy, "y", y, dx_out)


def tanh_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Hyperbolic tangent: ``y = tanh(x)``.

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
    >>> nn.kernels.tanh_forward([-1.0, 2.0]).round(4)
    array([-0.7616,  0.964 ], dtype=float32)
    """
    return _forward("tanh", x, y_out)


def tanh_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `tanh_forward`: ``dx = dy * (1 - y**2)``.

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
    >>> nn.kernels.tanh_backward([1.0, 10.0], nn.kernels.tanh_forward([-1.0, 2.0])).round(3)
    array([0.42 , 0.707], dtype=float32)
    """
    return _backward("tanh", dy, "y", y, dx_out)


def relu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Rectifier: ``y = max(x, 0)``.

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
    >>> nn.kernels.relu_forward([-1.0, 2.0]).round(4)
    array([0., 2.], dtype=float32)
    """
    return _forward("relu", x, y_out)


def relu_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `relu_forward`: ``dx = dy where y > 0, else 0``.

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
    >>> nn.kernels.relu_backward([1.0, 10.0], nn.kernels.relu_forward([-1.0, 2.0])).round(3)
    array([ 0., 10.], dtype=float32)
    """
    return _backward("relu", dy, "y", y, dx_out)


def leaky_relu_forward(x: ArrayLike, y_out: Array | None = None, negative_slope: float = 0.2) -> Array:
    """Leaky rectifier: ``y = x where x > 0, else negative_slope * x``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    negative_slope : float
        Slope below 0; positive, so that y tells the sign of x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.leaky_relu_forward([-1.0, 2.0]).round(4)
    array([-0.2,  2. ], dtype=float32)
    """
    return _forward(
        "leaky_relu", x, y_out, _checks.real(negative_slope, "leaky_relu_forward", "negative_slope")
    )


def leaky_relu_backward(
    dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None, negative_slope: float = 0.2
) -> Array:
    """Gradient of `leaky_relu_forward`: ``dx = dy where y > 0, else negative_slope * dy``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    negative_slope : float
        Slope below 0; positive, so that y tells the sign of x.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.leaky_relu_backward([1.0, 10.0], nn.kernels.leaky_relu_forward([-1.0, 2.0])).round(3)
    array([ 0.2, 10. ], dtype=float32)
    """
    return _backward(
        "leaky_relu",
        dy,
        "y",
        y,
        dx_out,
        _checks.real(negative_slope, "leaky_relu_backward", "negative_slope"),
    )


def elu_forward(x: ArrayLike, y_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Exponential linear unit (Clevert et al. 2015): ``y = x where x > 0, else alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : array_like, any shape
        float32 or float64; other numbers become ``nn.config.floatx()``.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    alpha : float
        Scale below 0.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.elu_forward([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ], dtype=float32)
    """
    return _forward("elu", x, y_out, _checks.real(alpha, "elu_forward", "alpha"))


def elu_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None, alpha: float = 1.0) -> Array:
    """Gradient of `elu_forward`: ``dx = dy where y > 0, else dy * (y + alpha)``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the output.
    y : array_like of dy's shape
        The activation's output.
    dx_out : ndarray of dy's shape, optional
        Where the result goes; may be dy.
    alpha : float
        Scale below 0.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.elu_backward([1.0, 10.0], nn.kernels.elu_forward([-1.0, 2.0])).round(3)
    array([ 0.368, 10.   ], dtype=float32)
    """
    return _backward("elu", dy, "y", y, dx_out, _checks.real(alpha, "elu_backward", "alpha"))


def exponential_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Exponential: ``y = exp(x)``.

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
    >>> nn.kernels.exponential_forward([-1.0, 2.0]).round(4)
    array([0.3679, 7.3891], dtype=float32)
    """
    return _forward("exponential", x, y_out)


def exponential_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `exponential_forward`: ``dx = dy * y``.

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
    >>> nn.kernels.exponential_backward([1.0, 10.0], nn.kernels.exponential_forward([-1.0, 2.0])).round(3)
    array([ 0.368, 73.891], dtype=float32)
    """
    return _backward("exponential", dy, "y", y, dx_out)


def hard_sigmoid_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Piecewise linear sigmoid, Keras's: ``y = min(max(x / 6 + 1 / 2, 0), 1)``.

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
    >>> nn.kernels.hard_sigmoid_forward([-1.0, 2.0]).round(4)
    array([0.3333, 0.8333], dtype=float32)
    """
    return _forward("hard_sigmoid", x, y_out)


def hard_sigmoid_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `hard_sigmoid_forward`: ``dx = dy / 6 where 0 < y < 1, else 0``.

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
    >>> nn.kernels.hard_sigmoid_backward([1.0, 10.0], nn.kernels.hard_sigmoid_forward([-1.0, 2.0])).round(3)
    array([0.167, 1.667], dtype=float32)
    """
    return _backward("hard_sigmoid", dy, "y", y, dx_out)


def softplus_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Smooth rectifier: ``y = log(1 + exp(x))``.

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
    >>> nn.kernels.softplus_forward([-1.0, 2.0]).round(4)
    array([0.3133, 2.1269], dtype=float32)
    """
    return _forward("softplus", x, y_out)


def softplus_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `softplus_forward`: ``dx = dy * (1 - exp(-y))``.

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
    >>> nn.kernels.softplus_backward([1.0, 10.0], nn.kernels.softplus_forward([-1.0, 2.0])).round(3)
    array([0.269, 8.808], dtype=float32)
    """
    return _backward("softplus", dy, "y", y, dx_out)


def gelu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Gaussian error linear unit, exact (Hendrycks and Gimpel 2016): ``y = x * Phi(x)``.

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
    >>> nn.kernels.gelu_forward([-1.0, 2.0]).round(4)
    array([-0.1587,  1.9545], dtype=float32)
    """
    return _forward("gelu", x, y_out)


def gelu_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `gelu_forward`: ``dx = dy * (Phi(x) + x * phi(x))``.

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
    >>> nn.kernels.gelu_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([-0.083, 10.852], dtype=float32)
    """
    return _backward("gelu", dy, "x", x, dx_out)


def silu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sigmoid linear unit (swish): ``y = x * sigmoid(x)``.

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
    >>> nn.kernels.silu_forward([-1.0, 2.0]).round(4)
    array([-0.2689,  1.7616], dtype=float32)
    """
    return _forward("silu", x, y_out)


def silu_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `silu_forward`: ``dx = dy * s * (1 + x * (1 - s)), s = sigmoid(x)``.

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
    >>> nn.kernels.silu_backward([1.0, 10.0], [-1.0, 2.0]).round(3)
    array([ 0.072, 10.908], dtype=float32)
    """
    return _backward("silu", dy, "x", x, dx_out)
