"""Activations that are more than a function of one element: trained slopes, sparsemax, the gated linear unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array, Outputs, arrays, run
from nncore.kernels.losses import _rowwise, _rowwise_backward

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


def slope_layout(where: str, shape: Sequence[int], slopes: Sequence[int]) -> tuple[int, tuple[int, int, int, int]]:
    """Return how the slopes of prelu lie beside their input, as its kernels want it.

    Parameters
    ----------
    where : str
        Who asks, for messages.
    shape : sequence of int
        The input's shape without the batch.
    slopes : sequence of int
        The slopes' shape: that of the input's last axes, with 1 where a slope serves a whole axis.

    Returns
    -------
    per : int
        Rows that the kernels see of each row of the batch.
    sizes : tuple of int
        W, S, C, T: such a row has W elements, (G, S, C, T), and slope (g, c) serves S T of them.

    Examples
    --------
    >>> slope_layout("prelu", (28, 28, 3), (1, 1, 3))
    (784, (3, 1, 3, 1))
    >>> slope_layout("prelu", (4, 10), (4, 1))
    (1, (40, 1, 4, 10))
    """
    own = (*(1,) * (len(shape) - len(slopes)), *slopes)
    if len(own) != len(shape) or any(s not in (1, n) for s, n in zip(own, shape, strict=True)):
        raise ValueError(
            f"{where}: alpha has shape {tuple(slopes)}, which does not fit x of shape {('B', *shape)}".replace("'", "")
        )
    groups: list[tuple[bool, int]] = []  # neighbouring axes that are alike: whether shared, elements
    for s, n in zip(own, shape, strict=True):
        if n != 1:
            shared = s != n
            before = groups.pop()[1] if groups and groups[-1][0] == shared else 1
            groups.append((shared, before * n))
    per = groups.pop(0)[1] if groups and groups[0][0] else 1
    if len(groups) > 4:
        raise ValueError(f"{where}: alpha of shape {tuple(slopes)} shares axes in more than three places")
    sizes = [n for _, n in groups]
    g, s, c, t = (1, 1, *sizes, *(1,) * (2 - len(sizes))) if len(sizes) <= 2 else (*sizes, *(1,) * (4 - len(sizes)))
    return per, (g * s * c * t, s, c, t)


def prelu_forward(x: ArrayLike, alpha: ArrayLike, y_out: Array | None = None) -> Array:
    """Rectifier with trained slopes (He et al. 2015): ``y = x where x > 0, else alpha * x``.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        At least two dimensions.
    alpha : array_like
        Slopes, of the shape of x's last axes, with 1 where a slope serves a whole axis: (C,) has one for each
        channel.
    y_out : ndarray of x's shape, optional
        Where the result goes.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.prelu_forward([[-1.0, -1.0, 2.0]], [0.5, 0.25, 0.25])
    array([[-0.5 , -0.25,  2.  ]], dtype=float32)
    """
    where = "prelu_forward"
    x, alpha = arrays(where, x=(x, None), alpha=(alpha, None))
    per, sizes = _layout(where, x, alpha)
    outputs = Outputs(where, x.dtype, (x, alpha))
    y = outputs.array("y_out", y_out, x.shape)
    if y.size:
        run(where, per * x.shape[0], (x, alpha, y), sizes, dtype=x.dtype)
    return outputs.finish(y)


def prelu_backward(
    dy: ArrayLike, x: ArrayLike, alpha: ArrayLike, dx_out: Array | None = None, dalpha_out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of `prelu_forward`.

    ``dx = dy where x > 0, else alpha * dy``; ``dalpha`` is the sum of ``dy * x`` where x is not positive, over
    the batch and over the axes that a slope serves.

    Parameters
    ----------
    dy : array_like of x's shape
        Gradient of the output.
    x : array_like, shape (B, ...)
        The input.
    alpha : array_like
        The slopes.
    dx_out : ndarray of x's shape, optional
        Where the gradient of the input goes.
    dalpha_out : ndarray of alpha's shape, optional
        Where the gradient of the slopes goes.

    Returns
    -------
    dx : ndarray of x's shape
    dalpha : ndarray of alpha's shape

    Examples
    --------
    >>> import nncore as nn
    >>> dx, dalpha = nn.kernels.prelu_backward([[1.0, 10.0]], [[-3.0, 2.0]], [0.5, 0.5])
    >>> dx, dalpha
    (array([[ 0.5, 10. ]], dtype=float32), array([-3.,  0.], dtype=float32))
    """
    where = "prelu_backward"
    dy, x, alpha = arrays(where, dy=(dy, None), x=(x, None), alpha=(alpha, None))
    if dy.shape != x.shape:
        raise ValueError(f"{where}: dy has shape {dy.shape} but x has shape {x.shape}")
    per, sizes = _layout(where, x, alpha)
    outputs = Outputs(where, x.dtype, (dy, x, alpha))
    dx = outputs.array("dx_out", dx_out, x.shape)
    dalpha = outputs.array("dalpha_out", dalpha_out, alpha.shape)
    if dalpha.size:
        run(where, per * x.shape[0], (dy, x, alpha, dx, dalpha), sizes, dtype=x.dtype)
    return outputs.finish(dx, dalpha)


def _layout(where: str, x: Array, alpha: Array) -> tuple[int, tuple[int, int, int, int]]:
    if x.ndim < 2:
        raise ValueError(f"{where}: x must have at least 2 dimensions, got shape {x.shape}")
    return slope_layout(where, x.shape[1:], alpha.shape)


def sparsemax(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sparsemax of each row (Martins and Astudillo 2016): ``y = max(x - tau, 0)``, with tau such that it sums to 1.

    Parameters
    ----------
    x : array_like, shape (B, C)
        Logits.
    y_out : ndarray, shape (B, C), optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparsemax([[1.0, 0.5, -1.0]])
    array([[0.75, 0.25, 0.  ]], dtype=float32)
    """
    return _rowwise("sparsemax", x, y_out)


def sparsemax_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `sparsemax`: where y is positive, ``dx = dy - (mean of dy there)``, else 0.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    y : array_like, shape (B, C)
        The output.
    dx_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparsemax_backward([[1.0, 0.0, 5.0]], [[0.75, 0.25, 0.0]])
    array([[ 0.5, -0.5,  0. ]], dtype=float32)
    """
    return _rowwise_backward("sparsemax_backward", dy, y, dx_out)


def glu_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Gated linear unit (Dauphin et al. 2017): ``y = a * sigmoid(b)``, a and b the halves of each row.

    Parameters
    ----------
    x : array_like, shape (B, 2 C)
        Rows (a, b).
    y_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.glu_forward([[2.0, 4.0, 0.0, 100.0]])
    array([[1., 4.]], dtype=float32)
    """
    where = "glu_forward"
    (x,) = arrays(where, x=(x, 2))
    rows, width = x.shape[0], _half(where, x)
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, (rows, width))
    if y.size:
        run(where, rows, (x, y), (width,), dtype=x.dtype)
    return outputs.finish(y)


def glu_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `glu_forward`: ``da = dy * s``, ``db = dy * a * s * (1 - s)``, ``s = sigmoid(b)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, 2 C)
        The input, rows (a, b).
    dx_out : ndarray, shape (B, 2 C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, 2 C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.glu_backward([[2.0]], [[8.0, 0.0]])
    array([[1., 4.]], dtype=float32)
    """
    where = "glu_backward"
    dy, x = arrays(where, dy=(dy, 2), x=(x, 2))
    rows, width = x.shape[0], _half(where, x)
    if dy.shape != (rows, width):
        raise ValueError(f"{where}: x has shape {x.shape}, but dy has shape {dy.shape} and not {(rows, width)}")
    outputs = Outputs(where, x.dtype, (dy, x))
    dx = outputs.array("dx_out", dx_out, x.shape)
    if dx.size:
        run(where, rows, (dy, x, dx), (width,), dtype=x.dtype)
    return outputs.finish(dx)


def _half(where: str, x: Array) -> int:
    if x.shape[1] % 2:
        raise ValueError(f"{where}: x has {x.shape[1]} columns, but wants an even number of them: two halves")
    return int(x.shape[1]) // 2


def move_axis_forward(x: ArrayLike, y_out: Array | None = None, axis: int = 1) -> Array:
    """Make an axis the last one, as ``numpy.moveaxis(x, axis, -1)``: for what works along the last axis.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        At least two dimensions.
    y_out : ndarray of the moved shape, optional
        Where the result goes.
    axis : int
        The axis, not that of the batch.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.move_axis_forward([[[1.0, 2.0], [3.0, 4.0]]])
    array([[[1., 3.],
            [2., 4.]]], dtype=float32)
    """
    where = "move_axis_forward"
    (x,) = arrays(where, x=(x, None))
    axis = axis_of(where, axis, x.ndim)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :], x.shape[axis])
    return _turned(where, x, "y_out", y_out, shape, turn_layout(x.shape[1:], axis))


def move_axis_backward(dy: ArrayLike, dx_out: Array | None = None, axis: int = 1) -> Array:
    """Gradient of `move_axis_forward`, and its inverse: ``dx = numpy.moveaxis(dy, -1, axis)``.

    Parameters
    ----------
    dy : array_like, shape (B, ...)
        Gradient of the output.
    dx_out : ndarray of the moved shape, optional
        Where the result goes.
    axis : int
        Where the last axis comes from.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.move_axis_backward([[[1.0, 3.0], [2.0, 4.0]]])
    array([[[1., 2.],
            [3., 4.]]], dtype=float32)
    """
    where = "move_axis_backward"
    (dy,) = arrays(where, dy=(dy, None))
    axis = axis_of(where, axis, dy.ndim)
    shape = (*dy.shape[:axis], dy.shape[-1], *dy.shape[axis:-1])
    outer, (length, inner) = turn_layout(shape[1:], axis)
    return _turned(where, dy, "dx_out", dx_out, shape, (outer, (inner, length)))


def axis_of(where: str, axis: int, ndim: int) -> int:
    """Return an axis behind the batch, counted from 0, that of the batch."""
    if ndim < 2:
        raise ValueError(f"{where}: wants an array of at least 2 dimensions, got {ndim}")
    found = _checks.integer(axis, where, "axis", low=-ndim, high=ndim - 1) % ndim
    if found == 0:
        raise ValueError(f"{where}: axis is {axis}, that of the batch, whose rows stand alone")
    return found


def turn_layout(shape: Sequence[int], axis: int) -> tuple[int, tuple[int, int]]:
    """Return the matrices in a row of a shape, which `move_axis_forward` transposes, and the size of each.

    Examples
    --------
    >>> turn_layout((2, 3, 4, 5), axis=2)
    (2, (3, 20))
    """
    return math.prod(shape[: axis - 1]), (shape[axis - 1], math.prod(shape[axis:]))


def _turned(
    where: str, x: Array, out_name: str, out: Array | None, shape: tuple[int, ...],
    layout: tuple[int, tuple[int, int]],
) -> Array:
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array(out_name, out, shape)
    if y.size:
        run("move_axis", x.shape[0] * layout[0], (x, y), layout[1], dtype=x.dtype)
    return outputs.finish(y)
