"""Rows of a table, chosen by ids, in plain NumPy."""

import math

import numpy as np

from nncore.reference._common import Array, filled
from nncore.reference.weights import penalty

__all__ = [
    "embedding_backward",
    "embedding_backward_rows",
    "embedding_forward",
    "embedding_index",
    "embedding_join",
    "embedding_penalty",
    "embedding_squares",
    "embedding_sums",
    "ids_of_floats",
    "mask_shares",
]


def _rows(ids: Array, input_dim: int, unseen: int | None, mask_zero: bool) -> Array:
    """Return the row that each id stands for, -1 for zeros."""
    rows = np.where((ids >= 0) & (ids < input_dim), ids, -1 if unseen is None else unseen)
    return np.where(ids == 0, -1, rows) if mask_zero else rows


def _as_rows(array: Array) -> Array:
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def embedding_forward(
    ids: Array, w: Array, y_out: Array | None = None, unseen: int | None = None, mask_zero: bool = False
) -> Array:
    """Take rows of a table: ``y[..., :] = w[ids[...]]``.

    Parameters
    ----------
    ids : ndarray of int, any shape
    w : ndarray, shape (V, D)
    y_out : ndarray, shape (*ids.shape, D), optional
    unseen : int, optional
        The row that ids outside of 0 ... V-1 stand for, -1 for zeros.
    mask_zero : bool
        Whether id 0 stands for zeros.

    Returns
    -------
    ndarray, shape (*ids.shape, D)

    Examples
    --------
    >>> embedding_forward(np.array([2, 0]), np.array([[1.0, 2], [3, 4], [5, 6]]))
    array([[5., 6.],
           [1., 2.]])
    """
    rows = _rows(ids, len(w), unseen, mask_zero)
    return filled(y_out, np.where(rows[..., None] < 0, w.dtype.type(0), w[rows]))


def embedding_backward(
    dy: Array,
    ids: Array,
    dw_out: Array | None = None,
    input_dim: int | None = None,
    unseen: int | None = None,
    mask_zero: bool = False,
) -> Array:
    """Return the gradient of the table: ``dw[v]`` is the sum of dy where the id is v.

    Parameters
    ----------
    dy : ndarray, shape (*ids.shape, D)
    ids, unseen, mask_zero
        As given to `embedding_forward`.
    dw_out : ndarray, shape (V, D), optional
    input_dim : int, optional
        V, where there is no `dw_out`.

    Returns
    -------
    ndarray, shape (V, D)

    Examples
    --------
    >>> embedding_backward(np.array([[1.0], [2], [3]]), np.array([2, 0, 2]), input_dim=3)
    array([[2.],
           [0.],
           [4.]])
    """
    if dw_out is None:
        assert input_dim is not None
        dw_out = np.empty((input_dim, dy.shape[-1]), dy.dtype)
    rows = _rows(ids, len(dw_out), unseen, mask_zero)
    dw_out[...] = 0
    np.add.at(dw_out, rows[rows >= 0], dy[rows >= 0])
    return dw_out


def embedding_backward_rows(
    dy: Array, ids: Array, input_dim: int, unseen: int | None = None, mask_zero: bool = False
) -> tuple[Array, Array]:
    """Return the gradient of the touched rows: `embedding_index`, then `embedding_sums`.

    Parameters
    ----------
    dy : ndarray, shape (*ids.shape, D)
    input_dim : int
        The rows of the table.
    ids, unseen, mask_zero
        As given to `embedding_forward`.

    Returns
    -------
    rows : ndarray of int64, shape (U,)
        The rows that ids name, each once, in the order in which they first come.
    dw : ndarray, shape (U, D)
        Their gradients.

    Examples
    --------
    >>> embedding_backward_rows(np.array([[1.0], [2], [3]]), np.array([2, 0, 2]), 3)
    (array([2, 0]), array([[4.],
           [2.]]))
    """
    rows, ends, places = (np.empty(ids.size, np.int64) for _ in range(3))
    count = np.zeros(1, np.int64)
    embedding_index(ids, rows, ends, places, count, np.empty(0), input_dim, unseen, mask_zero)
    dw = np.empty((ids.size, dy.shape[-1]), dy.dtype)
    embedding_sums(dy, ends, places, count, dw)
    return rows[: count[0]], dw[: count[0]]


def ids_of_floats(x: Array, ids_out: Array) -> None:
    """Take whole numbers from floats: their fraction is dropped; -1 for what int64 does not hold, and for nan.

    Parameters
    ----------
    x : ndarray
    ids_out : ndarray of int64, same shape

    Examples
    --------
    >>> ids = np.zeros(3, int)
    >>> ids_of_floats(np.array([2.0, 3.7, np.nan]), ids)
    >>> ids
    array([ 2,  3, -1])
    """
    fits = np.abs(x) < 4e18
    ids_out[...] = np.where(fits, np.trunc(np.where(fits, x, -1)), -1)


def mask_shares(ids: Array, shares_out: Array) -> None:
    """Say how much each position of a row counts in its mean: 1 / (number of ids that are not 0); 0 without any.

    Parameters
    ----------
    ids : ndarray of int64, shape (B, n)
    shares_out : ndarray, B elements

    Examples
    --------
    >>> shares = np.zeros(2)
    >>> mask_shares(np.array([[3, 5, 0], [0, 0, 0]]), shares)
    >>> shares
    array([0.5, 0. ])
    """
    count = np.count_nonzero(ids.reshape(len(ids), -1), axis=1)
    shares_out[...] = np.where(count > 0, 1 / np.maximum(count, 1), 0).reshape(shares_out.shape)


def embedding_join(ids: Array, dy: Array, ids_out: Array, dy_out: Array, at: int) -> None:
    """Put the ids of one use of a table, and the gradients of what it took, beside those of other uses.

    Parameters
    ----------
    ids : ndarray of int64, shape (B, ...)
        n ids in a row.
    dy : ndarray, shape (B, ..., D)
    ids_out : ndarray of int64, shape (B, m)
    dy_out : ndarray, shape (B, m, D)
    at : int
        The columns from which on they go.

    Examples
    --------
    >>> ids, dy = np.zeros((1, 3), int), np.zeros((1, 3, 1))
    >>> embedding_join(np.array([[7, 8]]), np.array([[[1.0], [2.0]]]), ids, dy, at=1)
    >>> ids, dy.ravel()
    (array([[0, 7, 8]]), array([0., 1., 2.]))
    """
    n = math.prod(ids.shape[1:])
    ids_out[:, at : at + n] = ids.reshape(len(ids), n)
    dy_out[:, at : at + n] = dy.reshape(len(ids), n, dy.shape[-1])


def embedding_index(ids: Array, rows_out: Array, ends_out: Array, places_out: Array, count_out: Array, scratch: Array,
                    input_dim: int, unseen: int | None = None, mask_zero: bool = False) -> None:
    """Find the rows that a batch touches, and where it names each.

    Parameters
    ----------
    ids, unseen, mask_zero
        As given to `embedding_forward`; N ids.
    rows_out : ndarray of int64, N elements
        The touched rows, in the order in which they first come.
    ends_out, places_out : ndarray of int64, N elements
        Row u is named at the places ``places_out[ends_out[u - 1] : ends_out[u]]``, from 0 on for the first.
    count_out : ndarray of int64, shape (1,)
        How many rows are touched.
    scratch : ndarray
        The compiled kernel's.
    input_dim : int
        The rows of the table.

    Examples
    --------
    >>> rows, ends, places, count = np.zeros(4, int), np.zeros(4, int), np.zeros(4, int), np.zeros(1, int)
    >>> embedding_index(np.array([7, 5, 7, 6]), rows, ends, places, count, None, 10)
    >>> rows[:3], ends[:3], places, count
    (array([7, 5, 6]), array([2, 3, 4]), array([0, 2, 1, 3]), array([3]))
    """
    named = _rows(ids.ravel(), input_dim, unseen, mask_zero)
    used = np.flatnonzero(named >= 0)
    rows, first, number, times = np.unique(named[used], return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.argsort(order)  # of each row, when it first came
    count_out[0] = len(rows)
    rows_out.ravel()[: len(rows)] = rows[order]
    ends_out.ravel()[: len(rows)] = np.cumsum(times[order])
    places_out.ravel()[: len(used)] = used[np.argsort(rank[number], kind="stable")]


def embedding_sums(dy: Array, ends: Array, places: Array, count: Array, dw_out: Array) -> None:
    """Add up the gradients of each touched row, in order.

    Parameters
    ----------
    dy : ndarray, shape (..., D)
    ends, places, count : ndarray
        From `embedding_index`.
    dw_out : ndarray, shape (..., D)
        Its first rows are the result.

    Examples
    --------
    >>> dw = np.zeros((3, 1))
    >>> embedding_sums(np.array([[1.0], [2], [3]]), np.array([2, 3]), np.array([0, 2, 1]), np.array([2]), dw)
    >>> dw[:2]
    array([[4.],
           [2.]])
    """
    ends, places = ends.ravel(), places.ravel()
    gradients, sums = _as_rows(dy), _as_rows(dw_out)
    begin = 0
    for u in range(count[0]):
        sums[u] = 0
        for place in places[begin : ends[u]]:
            sums[u] += gradients[place]
        begin = ends[u]


def embedding_penalty(
    w: Array, rows: Array, count: Array, value_out: Array, l1: float, l2: float, divisor: float = 1.0
) -> None:
    """Write ``(l1 * sum(abs(w)) + l2 * sum(w**2)) / divisor`` over some rows of a table; 0 where the divisor is.

    Parameters
    ----------
    w : ndarray, shape (V, D)
    rows, count : ndarray of int64
        From `embedding_index`.
    value_out : ndarray of float64, shape (1,)
    l1, l2, divisor : float

    Examples
    --------
    >>> value = np.zeros(1)
    >>> embedding_penalty(np.array([[3.0], [4], [-5]]), np.array([2, 0, 0]), np.array([2]), value, l1=1.0, l2=0.5)
    >>> value
    array([25.])
    """
    named = w[rows.ravel()[: count[0]]].astype(np.float64)
    value_out[0] = penalty(named, l1, l2, divisor)


def embedding_squares(dw: Array, count: Array, sums_out: Array, first: int = 0) -> None:
    """Write the sum of the squares of the touched rows' gradients to ``sums_out[first]``.

    Parameters
    ----------
    dw : ndarray, shape (..., D)
    count : ndarray of int64, shape (1,)
    sums_out : ndarray of float64
    first : int

    Examples
    --------
    >>> sums = np.zeros(2)
    >>> embedding_squares(np.array([[3.0], [4], [5]]), np.array([2]), sums, first=1)
    >>> sums
    array([ 0., 25.])
    """
    sums_out[first] = np.sum(np.square(_as_rows(dw)[: count[0]], dtype=np.float64))
