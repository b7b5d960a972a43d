"""Lists of arrays in plain NumPy: merged elementwise, joined, cut and summed along an axis."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from nncore.reference._common import Array, filled

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


def add_forward(inputs: Sequence[Array], y_out: Array | None = None) -> Array:
    """Elementwise sum of arrays, from left to right.

    Parameters
    ----------
    inputs : list of ndarray
        Of one shape.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> add_forward([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([4., 6.])
    """
    return filled(y_out, reduce(np.add, inputs[1:], inputs[0].copy()))


def subtract_forward(inputs: Sequence[Array], y_out: Array | None = None) -> Array:
    """Elementwise difference of two arrays.

    Parameters
    ----------
    inputs : list of two ndarray
        Of one shape.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> subtract_forward([np.array([1.0, 2.0]), np.array([3.0, 5.0])])
    array([-2., -3.])
    """
    return filled(y_out, inputs[0] - inputs[1])


def multiply_forward(inputs: Sequence[Array], y_out: Array | None = None) -> Array:
    """Elementwise product of arrays, from left to right.

    Parameters
    ----------
    inputs : list of ndarray
        Of one shape.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> multiply_forward([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([3., 8.])
    """
    return filled(y_out, reduce(np.multiply, inputs[1:], inputs[0].copy()))


def maximum_forward(inputs: Sequence[Array], y_out: Array | None = None) -> Array:
    """Elementwise maximum of arrays; nan where one of them is.

    Parameters
    ----------
    inputs : list of ndarray
        Of one shape.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> maximum_forward([np.array([1.0, 5.0]), np.array([3.0, 4.0])])
    array([3., 5.])
    """
    return filled(y_out, reduce(np.maximum, inputs[1:], inputs[0].copy()))


def minimum_forward(inputs: Sequence[Array], y_out: Array | None = None) -> Array:
    """Elementwise minimum of arrays; nan where one of them is.

    Parameters
    ----------
    inputs : list of ndarray
        Of one shape.
    y_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> minimum_forward([np.array([1.0, 5.0]), np.array([3.0, 4.0])])
    array([1., 4.])
    """
    return filled(y_out, reduce(np.minimum, inputs[1:], inputs[0].copy()))


def extremum_backward(dy: Array, y: Array, inputs: Sequence[Array], dx_out: Array | None = None) -> Array:
    """Gradient of the last of the inputs of a maximum or minimum: `dy` where it is the first that is `y`.

    Parameters
    ----------
    dy, y : ndarray
    inputs : list of ndarray
        The input whose gradient is wanted, last, and all that came before it.
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> a, b = np.array([1.0, 5.0, 2.0]), np.array([3.0, 4.0, 2.0])
    >>> extremum_backward(np.ones(3), np.maximum(a, b), [a, b])
    array([1., 0., 0.])
    """
    chosen = inputs[-1] == y
    for before in inputs[:-1]:
        chosen = chosen & (before != y)
    return filled(dx_out, np.where(np.isnan(y), y, np.where(chosen, dy, dy.dtype.type(0))))


def gradient_sum(inputs: Sequence[Array], dx_out: Array | None = None) -> Array:
    """Sum of gradients, from left to right.

    Parameters
    ----------
    inputs : list of ndarray
        Of one shape.
    dx_out : ndarray, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gradient_sum([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([4., 6.])
    """
    return add_forward(inputs, dx_out)


def scale_forward(x: Array, y_out: Array | None = None, scale: float = 1.0) -> Array:
    """Product of an array and a number.

    Parameters
    ----------
    x : ndarray
    y_out : ndarray, optional
    scale : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> scale_forward(np.array([1.0, 6.0]), scale=0.25)
    array([0.25, 1.5 ])
    """
    return filled(y_out, x.dtype.type(scale) * x)


def concatenate_forward(inputs: Sequence[Array], y_out: Array | None = None, axis: int = -1) -> Array:
    """Join arrays along an axis.

    Parameters
    ----------
    inputs : list of ndarray, each of shape (B, ...)
    y_out : ndarray, optional
    axis : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> concatenate_forward([np.array([[1.0]]), np.array([[2.0, 3.0]])])
    array([[1., 2., 3.]])
    """
    return filled(y_out, np.concatenate(inputs, axis))


def concatenate_backward(
    dy: Array, dx_out: Array | None = None, axis: int = -1, start: int = 0, size: int = 1
) -> Array:
    """Gradient of one of the arrays that were joined: its part of `dy`.

    Parameters
    ----------
    dy : ndarray, shape (B, ...)
    dx_out : ndarray, optional
    axis : int
    start, size : int
        Where the array begins along that axis, and its size.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> concatenate_backward(np.array([[1.0, 2.0, 3.0]]), start=1, size=2)
    array([[2., 3.]])
    """
    return filled(dx_out, dy.take(range(start, start + size), axis))


def reshape_forward(x: Array, y_out: Array | None = None, shape: Sequence[int] | None = None) -> Array:
    """Copy rows into another shape.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray, shape (B, ...), optional
    shape : tuple of int, optional
        The new shape of a row; by default that of `y_out`, or one axis.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> reshape_forward(np.array([[1.0, 2.0, 3.0, 4.0]]), shape=(2, 2))
    array([[[1., 2.],
            [3., 4.]]])
    """
    if shape is None:
        shape = (int(np.prod(x.shape[1:])),) if y_out is None else y_out.shape[1:]
    return filled(y_out, x.reshape(len(x), *shape).copy())


def repeat_forward(x: Array, y_out: Array | None = None, axis: int = -1, repeats: int = 2) -> Array:
    """Repeat an array along an axis of length 1.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray, optional
    axis : int
    repeats : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> repeat_forward(np.array([[1.0], [2.0]]), repeats=3)
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """
    return filled(y_out, np.repeat(x, repeats, axis))


def sum_forward(x: Array, y_out: Array | None = None, axis: int = -1) -> Array:
    """Sum along an axis, which stays with length 1.

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
    >>> sum_forward(np.array([[1.0, 2.0], [10.0, 20.0]]))
    array([[ 3.],
           [30.]])
    """
    return filled(y_out, x.sum(axis, keepdims=True))
