"""What every twin needs: an output argument that is filled and returned."""

from typing import Any

from numpy.typing import NDArray

__all__ = ["Array", "filled", "row_sum"]

Array = NDArray[Any]


def filled(out: Array | None, value: Array) -> Array:
    """Write `value` into `out` and return it; without an `out`, return `value` itself.

    Parameters
    ----------
    out : ndarray or None
        The caller's output array.
    value : ndarray
        What it shall hold.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import numpy as np
    >>> y = np.zeros(2)
    >>> filled(y, np.array([1.0, 2.0])) is y
    True
    """
    if out is None:
        return value
    out[...] = value
    return out


def row_sum(a: Array) -> Array:
    """Sum over the last axis, kept as an axis of length 1 so that it broadcasts against the rows.

    Parameters
    ----------
    a : ndarray, shape (B, C)

    Returns
    -------
    ndarray, shape (B, 1)

    Examples
    --------
    >>> import numpy as np
    >>> row_sum(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3.],
           [7.]])
    """
    total: Array = a.sum(axis=-1, keepdims=True)
    return total
