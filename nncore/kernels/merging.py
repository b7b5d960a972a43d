"""What brings several arrays together: elementwise over a list of them, joined, cut and summed along an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import Array, Outputs, arrays, run

__all__ = [
    "add_forward",
    "concatenate_backward",
    "concatenate_forward",
    "extremum_backward",
    "gradient_sum",
    "maximum_forward",
    "minimum_forward",
    "multiply_forward",
    "repeat_forward",
    "reshape_forward",
    "scale_forward",
    "subtract_forward",
    "sum_forward",
]


def _listed(where: str, inputs: Sequence[ArrayLike], least: int = 1, most: int | None = None) -> dict[str, ArrayLike]:
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"{where}: inputs must be a list of arrays, got {type(inputs).__name__}")
    if len(inputs) < least or (most is not None and len(inputs) > most):
        wanted = f"{least} arrays" if least == most else f"at least {least} array{'s' if least > 1 else ''}"
        raise ValueError(f"{where}: inputs must hold {wanted}, got {len(inputs)}")
    return {f"inputs[{number}]": array for number, array in enumerate(inputs)}


def _equal_shapes(where: str, named: dict[str, Array]) -> None:
    (first, array), *others = named.items()
    for name, other in others:
        if other.shape != array.shape:
            raise ValueError(f"{where}: {first} has shape {array.shape} but {name} has shape {other.shape}")


def _merge(where: str, kind: str, inputs: Sequence[ArrayLike], out: Array | None, name: str = "y_out",
           most: int | None = None) -> Array:
    """Merge arrays of one shape from left to right, so many at a time as an op takes."""
    listed = _listed(where, inputs, 2 if most == 2 else 1, most)
    found = arrays(where, **{name: (array, None) for name, array in listed.items()})
    _equal_shapes(where, dict(zip(listed, found, strict=True)))
    outputs = Outputs(where, found[0].dtype, tuple(found))
    result = outputs.array(name, out, found[0].shape)
    if result.size:
        merge_number = core.MERGE_KINDS.index(kind)
        first, rest = found[: core.MOST_MERGED], found[core.MOST_MERGED :]
        while first:
            run("merge", result.size, (result, *first), (1, len(first), merge_number), dtype=result.dtype)
            first, rest = rest[: core.MOST_MERGED - 1], rest[core.MOST_MERGED - 1 :]
            first = [result, *first] if first else []
    return outputs.finish(result)


def add_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None) -> Array:
    """Elementwise sum of arrays, from left to right; the gradient of each is `dy`.

    Parameters
    ----------
    inputs : list of array_like
        One or more, of one shape. float32 or float64; all get the dtype of the first float array.
    y_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        Shapes that differ.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.add_forward([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    array([111., 222.], dtype=float32)
    """
    return _merge("add_forward", "add", inputs, y_out)


def subtract_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None) -> Array:
    """Elementwise difference of two arrays: ``y = inputs[0] - inputs[1]``.

    Parameters
    ----------
    inputs : list of two array_like
        Of one shape.
    y_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.subtract_forward([[1.0, 2.0], [10.0, 30.0]])
    array([ -9., -28.], dtype=float32)
    """
    return _merge("subtract_forward", "subtract", inputs, y_out, most=2)


def multiply_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None) -> Array:
    """Elementwise product of arrays, from left to right.

    The gradient of an input is the product of `dy` and the other inputs: this kernel again.

    Parameters
    ----------
    inputs : list of array_like
        One or more, of one shape.
    y_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.multiply_forward([[1.0, 2.0], [3.0, 4.0], [0.5, 0.5]])
    array([1.5, 4. ], dtype=float32)
    """
    return _merge("multiply_forward", "multiply", inputs, y_out)


def maximum_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None) -> Array:
    """Elementwise maximum of arrays; nan where one of them is nan, as in `numpy.maximum`.

    Parameters
    ----------
    inputs : list of array_like
        One or more, of one shape.
    y_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.maximum_forward([[1.0, 5.0, 2.0], [3.0, 4.0, 2.0]])
    array([3., 5., 2.], dtype=float32)
    """
    return _merge("maximum_forward", "maximum", inputs, y_out)


def minimum_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None) -> Array:
    """Elementwise minimum of arrays; nan where one of them is nan, as in `numpy.minimum`.

    Parameters
    ----------
    inputs : list of array_like
        One or more, of one shape.
    y_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.minimum_forward([[1.0, 5.0, 2.0], [3.0, 4.0, 2.0]])
    array([1., 4., 2.], dtype=float32)
    """
    return _merge("minimum_forward", "minimum", inputs, y_out)


def extremum_backward(
    dy: ArrayLike, y: ArrayLike, inputs: Sequence[ArrayLike], dx_out: Array | None = None
) -> Array:
    """Gradient of one input of a maximum or minimum: `dy` where it is the first of the inputs that is `y`, else 0.

    Of equal inputs the first gets the gradient, as in TensorFlow (PyTorch and JAX divide it among them).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result of `maximum_forward` or `minimum_forward`.
    inputs : list of array_like
        The input whose gradient is wanted, last, and all that came before it.
    dx_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray
        Nan where y is nan.

    Examples
    --------
    >>> import nncore as nn
    >>> a, b = [1.0, 5.0, 2.0], [3.0, 4.0, 2.0]
    >>> y = nn.kernels.maximum_forward([a, b])
    >>> nn.kernels.extremum_backward([1.0, 1.0, 1.0], y, [a]), nn.kernels.extremum_backward([1.0, 1.0, 1.0], y, [a, b])
    (array([0., 1., 1.], dtype=float32), array([1., 0., 0.], dtype=float32))
    """
    where = "extremum_backward"
    listed = _listed(where, inputs)
    if len(listed) > core.MOST_MERGED:
        raise ValueError(f"{where}: inputs must hold at most {core.MOST_MERGED} arrays, got {len(listed)}")
    found = arrays(where, dy=(dy, None), y=(y, None), **{name: (array, None) for name, array in listed.items()})
    _equal_shapes(where, dict(zip(("dy", "y", *listed), found, strict=True)))
    outputs = Outputs(where, found[0].dtype, tuple(found))
    dx = outputs.array("dx_out", dx_out, found[0].shape)
    if dx.size:
        run(where, dx.size, (dx, *found), (1, len(listed)), dtype=dx.dtype)
    return outputs.finish(dx)


def gradient_sum(inputs: Sequence[ArrayLike], dx_out: Array | None = None) -> Array:
    """Sum of the gradients that reach an array by several ways, from left to right: `add_forward` by another name.

    Parameters
    ----------
    inputs : list of array_like
        One or more, of one shape.
    dx_out : ndarray, optional
        Where the result goes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.gradient_sum([[1.0, 2.0], [10.0, 20.0]])
    array([11., 22.], dtype=float32)
    """
    return _merge("gradient_sum", "add", inputs, dx_out, "dx_out")


def scale_forward(x: ArrayLike, y_out: Array | None = None, scale: float = 1.0) -> Array:
    """Product of an array and a number: ``y = scale * x``; its gradient is ``scale * dy``.

    Parameters
    ----------
    x : array_like
        Any shape.
    y_out : ndarray, optional
        Where the result goes.
    scale : float
        The number.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.scale_forward([1.0, 6.0], scale=0.25)
    array([0.25, 1.5 ], dtype=float32)
    """
    where = "scale_forward"
    (x,) = arrays(where, x=(x, None))
    scale = _checks.real(scale, where, "scale")
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, x.shape)
    if y.size:
        run("merge", y.size, (y, x), (1, 1, core.MERGE_KINDS.index("scale")), (scale,), dtype=x.dtype)
    return outputs.finish(y)


def _axis(where: str, axis: int, shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """Return an axis that is not the batch's, counted from 0, and the elements of a row before and behind it."""
    number = _checks.integer(axis, where, "axis", low=-len(shape), high=len(shape) - 1) % len(shape)
    if number == 0:
        raise ValueError(f"{where}: axis must not be that of the batch, got {axis} for {name} of shape {shape}")
    outer = inner = 1
    for size in shape[1:number]:
        outer *= size
    for size in shape[number + 1 :]:
        inner *= size
    return number, outer, inner


def concatenate_forward(inputs: Sequence[ArrayLike], y_out: Array | None = None, axis: int = -1) -> Array:
    """Join arrays along an axis, in their order.

    Parameters
    ----------
    inputs : list of array_like, each of shape (B, ...)
        One or more, of one shape but for that axis.
    y_out : ndarray, optional
        Where the result goes.
    axis : int
        The axis; not that of the batch.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        Shapes that do not match.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.concatenate_forward([[[1.0], [2.0]], [[3.0, 4.0], [5.0, 6.0]]])
    array([[1., 3., 4.],
           [2., 5., 6.]], dtype=float32)
    """
    where = "concatenate_forward"
    listed = _listed(where, inputs)
    found = arrays(where, **{name: (array, None) for name, array in listed.items()})
    first = found[0].shape
    if len(first) < 2:
        raise ValueError(f"{where}: inputs[0] must have a batch and another axis, got shape {first}")
    at, outer, inner = _axis(where, axis, first, "inputs[0]")
    for name, array in zip(listed, found, strict=True):
        if array.ndim != len(first) or (array.shape[:at], array.shape[at + 1 :]) != (first[:at], first[at + 1 :]):
            raise ValueError(f"{where}: {name} has shape {array.shape}, which does not fit inputs[0] of shape {first} "
                             f"along axis {at}")
    outputs = Outputs(where, found[0].dtype, tuple(found))
    widths = [array.shape[at] * inner for array in found]
    y = outputs.array("y_out", y_out, (*first[:at], sum(array.shape[at] for array in found), *first[at + 1 :]))
    start = 0
    for first_of in range(0, len(found) if y.size else 0, core.MOST_MERGED):
        part = slice(first_of, first_of + core.MOST_MERGED)
        sizes = (*widths[part], *[0] * (core.MOST_MERGED - len(widths[part])), outer)
        run("concatenate", len(y), (y, *found[part]), sizes, (sum(widths), start), dtype=y.dtype)
        start += sum(widths[part])
    return outputs.finish(y)


def concatenate_backward(dy: ArrayLike, dx_out: Array | None = None, axis: int = -1, start: int = 0,
                         size: int = 1) -> Array:
    """Gradient of one of the arrays that were joined: its part of `dy`.

    Parameters
    ----------
    dy : array_like, shape (B, ...)
        Gradient of the result of `concatenate_forward`.
    dx_out : ndarray, optional
        Where the result goes.
    axis : int
        The axis that arrays were joined along.
    start, size : int
        Where the array begins along that axis, and its size.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.concatenate_backward([[1.0, 3.0, 4.0], [2.0, 5.0, 6.0]], start=1, size=2)
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """
    where = "concatenate_backward"
    (dy,) = arrays(where, dy=(dy, None))
    if dy.ndim < 2:
        raise ValueError(f"{where}: dy must have a batch and another axis, got shape {dy.shape}")
    at, outer, inner = _axis(where, axis, dy.shape, "dy")
    start = _checks.integer(start, where, "start", low=0, high=dy.shape[at])
    size = _checks.integer(size, where, "size", low=0, high=dy.shape[at] - start)
    outputs = Outputs(where, dy.dtype, (dy,))
    dx = outputs.array("dx_out", dx_out, (*dy.shape[:at], size, *dy.shape[at + 1 :]))
    if dx.size:
        run("slice", len(dy), (dy, dx), (size * inner, dy.shape[at] * inner, start * inner, outer), dtype=dy.dtype)
    return outputs.finish(dx)


def reshape_forward(x: ArrayLike, y_out: Array | None = None, shape: Sequence[int] | None = None) -> Array:
    """Copy rows into another shape.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        The rows.
    y_out : ndarray, shape (B, ...), optional
        Where the result goes.
    shape : tuple of int, optional
        The new shape of a row; by default that of `y_out`, or one axis.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.reshape_forward([[1.0, 2.0, 3.0, 4.0]], shape=(2, 2))
    array([[[1., 2.],
            [3., 4.]]], dtype=float32)
    """
    where = "reshape_forward"
    (x,) = arrays(where, x=(x, None))
    if x.ndim < 1:
        raise ValueError(f"{where}: x must have a batch, got a number")
    row = math.prod(x.shape[1:])
    if shape is None:
        shape = y_out.shape[1:] if isinstance(y_out, np.ndarray) else (row,)
    shape = tuple(_checks.integer(size, where, "shape", low=0) for size in shape)
    if math.prod(shape) != row:
        raise ValueError(f"{where}: x has rows of shape {x.shape[1:]}, which do not fit into shape {shape}")
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, (len(x), *shape))
    if y.size:
        run("merge", len(x), (y, x), (row, 1, 0), dtype=x.dtype)
    return outputs.finish(y)


def repeat_forward(x: ArrayLike, y_out: Array | None = None, axis: int = -1, repeats: int = 2) -> Array:
    """Repeat an array along an axis of length 1; its gradient is `sum_forward`.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        Its axis has length 1.
    y_out : ndarray, optional
        Where the result goes.
    axis : int
        The axis; not that of the batch.
    repeats : int
        How many times.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.repeat_forward([[1.0], [2.0]], repeats=3)
    array([[1., 1., 1.],
           [2., 2., 2.]], dtype=float32)
    """
    where = "repeat_forward"
    (x,) = arrays(where, x=(x, None))
    if x.ndim < 2:
        raise ValueError(f"{where}: x must have a batch and another axis, got shape {x.shape}")
    at, outer, inner = _axis(where, axis, x.shape, "x")
    repeats = _checks.integer(repeats, where, "repeats", low=0)
    if x.shape[at] != 1:
        raise ValueError(f"{where}: x must have length 1 along axis {at}, got shape {x.shape}")
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, (*x.shape[:at], repeats, *x.shape[at + 1 :]))
    if y.size:
        run("repeat", len(x), (x, y), (inner, repeats, outer), dtype=x.dtype)
    return outputs.finish(y)


def sum_forward(x: ArrayLike, y_out: Array | None = None, axis: int = -1) -> Array:
    """Sum along an axis, which stays with length 1; its gradient is `repeat_forward`.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        The terms.
    y_out : ndarray, optional
        Where the result goes.
    axis : int
        The axis; not that of the batch.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sum_forward([[1.0, 2.0], [10.0, 20.0]])
    array([[ 3.],
           [30.]], dtype=float32)
    """
    where = "sum_forward"
    (x,) = arrays(where, x=(x, None))
    if x.ndim < 2:
        raise ValueError(f"{where}: x must have a batch and another axis, got shape {x.shape}")
    at, outer, inner = _axis(where, axis, x.shape, "x")
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, (*x.shape[:at], 1, *x.shape[at + 1 :]))
    if x.size == 0:
        y[...] = 0
    elif y.size:
        run("axis_sum", len(x), (x, y), (inner, x.shape[at], outer), dtype=x.dtype)
    return outputs.finish(y)
