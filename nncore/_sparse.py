"""Rows of a sparse matrix as input: never dense as a whole, the core writes out those of a batch.

A sparse matrix is what has a method ``tocsr``, as those of SciPy have, which nncore does not import.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore import _checks
from nncore._core import core

__all__ = ["Rows", "SparseRows", "as_sparse_rows", "compressed", "dense", "is_sparse", "refuse_sparse"]

FEW = 0.2  # stored numbers, of all, up to which a product with what is stored is faster than one with all
SAMPLE = 64  # rows that say whether it is worth the trouble to count
PREDICT_BYTES, LEAST_ROWS = 1 << 25, 64  # of a dense batch in predict, which may be of any size: no bit depends on it


class SparseRows:
    """Rows of a matrix in CSR, checked; a part of them shares its numbers.

    Parameters
    ----------
    starts : ndarray of int64, shape (rows + 1,)
        Where each row begins in the next two. Nobody else may have this array: the core goes where it says.
    columns : ndarray of int32 or int64
        Of the numbers that are stored.
    values : ndarray of float32 or float64
        These numbers.
    width : int
        The number of columns.

    Examples
    --------
    >>> rows = SparseRows(np.array([0, 2, 2, 3]), np.array([0, 2, 1]), np.array([1.0, 2.0, 3.0]), 3)
    >>> rows[1:].shape
    (2, 3)
    >>> rows[np.array([2, 0])].toarray()
    array([[0., 3., 0.],
           [1., 0., 2.]])
    """

    ndim = 2

    def __init__(self, starts: NDArray[np.int64], columns: NDArray[Any], values: NDArray[Any], width: int) -> None:
        self.starts, self.columns, self.values = starts, columns, values
        self.shape, self.dtype = (len(starts) - 1, width), values.dtype

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    @property
    def few(self) -> bool:
        """Whether so little is stored that nothing else should be multiplied."""
        return int(self.starts[-1] - self.starts[0]) <= FEW * self.shape[0] * self.shape[1]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> SparseRows:
        """Return a run of rows, or those with some numbers."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            return SparseRows(self.starts[first : max(first, last) + 1], self.columns, self.values, self.shape[1])
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[:-1][rows] - starts[:-1], counts)
        return SparseRows(starts, self.columns[places], self.values[places], self.shape[1])

    def toarray(self) -> NDArray[Any]:
        """Return the rows as a dense array."""
        found = np.zeros(self.shape, self.dtype)
        part = slice(self.starts[0], self.starts[-1])
        np.add.at(found, (np.repeat(np.arange(len(self)), np.diff(self.starts)), self.columns[part]), self.values[part])
        return found

    def copy(self) -> SparseRows:
        """Return the rows in memory of their own."""
        return copy.deepcopy(self)

    def check_finite(self, where: str, name: str) -> None:
        """Raise where a row holds nan or inf, naming the first place."""
        first, last = int(self.starts[0]), int(self.starts[-1])
        if core.all_finite(self.values[first:last]):
            return
        at = first + int(np.isfinite(self.values[first:last]).argmin())
        row = int(np.searchsorted(self.starts, at, "right")) - 1
        raise _checks.not_finite(where, name, self.values[at], row, [int(self.columns[at])])


def compressed(x: NDArray[Any]) -> NDArray[Any] | SparseRows:
    """Return what is not 0 in a matrix, where that is so little that training is faster on it; else the matrix.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (rows, columns)
        C-contiguous. What somebody writes to it meanwhile may be in the result or not.

    Examples
    --------
    >>> compressed(np.eye(8)).columns
    array([0, 1, 2, 3, 4, 5, 6, 7], dtype=int32)
    >>> compressed(np.ones((2, 3)))
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    if np.count_nonzero(x[:: max(1, len(x) // SAMPLE)]) > 1.5 * FEW * min(len(x), SAMPLE) * x.shape[1]:
        return x
    starts = np.empty(len(x) + 1, np.int64)
    core.compress(x, starts)
    if starts[-1] > FEW * x.size:
        return x
    columns, values = np.empty(starts[-1] + 1, np.int32), np.empty(starts[-1] + 1, x.dtype)
    core.compress(x, starts, columns, values)
    return SparseRows(starts, columns[:-1], values[:-1], x.shape[1])


Rows: TypeAlias = NDArray[Any] | SparseRows  # of an input


def is_sparse(x: Any) -> bool:
    """Return whether `x` is a sparse matrix or what has become of one."""
    return isinstance(x, SparseRows) or hasattr(x, "tocsr")


def dense(rows: Rows) -> NDArray[Any]:
    """Return rows as a dense array."""
    return rows.toarray() if isinstance(rows, SparseRows) else rows


def refuse_sparse(x: tuple[Rows, ...], where: str, what: str) -> None:
    """Raise where an input is sparse and something works on dense arrays."""
    if any(isinstance(rows, SparseRows) for rows in x):
        raise TypeError(f"{where}: {what} works on dense arrays, but x is sparse; give x.toarray() where that fits")


def predicted_together(x: tuple[Rows, ...], batch_size: int) -> int:
    """Return how many rows at a time are made dense: any number will do, but not the whole matrix."""
    sizes = [rows.shape[1] * rows.dtype.itemsize for rows in x if isinstance(rows, SparseRows)]
    return min(batch_size, max(LEAST_ROWS, PREDICT_BYTES // max(1, *sizes))) if sizes else batch_size


def as_sparse_rows(x: Any, where: str, name: str, dtype: np.dtype[Any]) -> SparseRows:
    """Return a sparse matrix of two axes as rows of a dtype, its columns sorted and each there once.

    Parameters
    ----------
    x : sparse matrix
        Of any format.
    where, name : str
        The function and the argument, for messages.
    dtype : dtype
        Float32 or float64. What is stored twice is summed before, in the matrix's own dtype, as `toarray` does.
    """
    if isinstance(x, SparseRows):
        return x
    if dtype.kind != "f":
        raise TypeError(f"{where}: {name} is sparse, but the input takes whole numbers (ids); give a dense array")
    if len(x.shape) != 2:
        raise TypeError(f"{where}: {name} is sparse and has shape {tuple(x.shape)}; sparse inputs have two axes")
    _checks.as_float_array(np.empty((0, 0), x.dtype), where, name)
    csr = x.tocsr()
    rows, width = (int(n) for n in csr.shape)
    starts = np.array(csr.indptr, np.int64)
    n_stored = int(starts[-1]) if starts.shape == (rows + 1,) else -1
    if not 0 <= n_stored <= min(len(csr.indices), len(csr.data)) or starts[0] < 0 or (np.diff(starts) < 0).any():
        raise ValueError(f"{where}: {name} is no CSR matrix of shape {(rows, width)}: its indptr does not fit")
    columns, values = np.asarray(csr.indices)[:n_stored], np.asarray(csr.data)[:n_stored]
    if n_stored and not 0 <= columns.min() <= columns.max() < width:
        raise ValueError(f"{where}: {name} is no CSR matrix of shape {(rows, width)}: its indices are "
                         f"{columns.min()} ... {columns.max()}")
    if not getattr(csr, "has_canonical_format", False):
        starts, columns, values = _summed(starts, columns, values, width)
    kind = np.int32 if columns.dtype == np.int32 else np.int64
    with np.errstate(over="ignore"):
        values = np.require(values, dtype, ["C", "A"])
    return SparseRows(starts, np.require(columns, kind, ["C", "A"]), values, width)


def _summed(starts: NDArray[np.int64], columns: NDArray[Any], values: NDArray[Any],
            width: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Return the same rows with columns in ascending order and each there once, summed in the order they lie in."""
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    columns, values = columns[starts[0] :], values[starts[0] :]
    order = np.lexsort((columns, rows))  # a stable sort
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    sums = np.zeros(int(first.sum()), values.dtype)
    np.add.at(sums, np.cumsum(first) - 1, values)
    return np.searchsorted(rows[first], np.arange(len(starts))).astype(np.int64), columns[first], sums
