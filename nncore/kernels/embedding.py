"""Rows of a table, chosen by ids, and what they get back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks
from nncore.kernels._front import Array, Outputs, arrays, run

__all__ = ["embedding_backward", "embedding_backward_rows", "embedding_forward"]


def embedding_forward(
    ids: ArrayLike, w: ArrayLike, y_out: Array | None = None, unseen: int | None = None, mask_zero: bool = False
) -> Array:
    """Take rows of a table: ``y[..., :] = w[ids[...]]``.

    Parameters
    ----------
    ids : array_like, any shape
        Whole numbers in 0 ... V-1, where `unseen` does not say otherwise.
    w : array_like, shape (V, D)
        The table.
    y_out : ndarray, shape (*ids.shape, D), optional
        Where the result goes.
    unseen : int, optional
        What other ids stand for: a row of the table, or -1 for zeros; by default they are an error.
    mask_zero : bool
        Whether id 0 stands for zeros.

    Returns
    -------
    ndarray, shape (*ids.shape, D)

    Raises
    ------
    ValueError
        When an id is no row of the table.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.embedding_forward([2, 0, 9], [[1, 2], [3, 4], [5, 6]], unseen=1)
    array([[5., 6.],
           [1., 2.],
           [3., 4.]], dtype=float32)
    """
    where = "embedding_forward"
    (w,) = arrays(where, w=(w, 2))
    V, D = w.shape
    ids, other = _ids(where, ids, V, unseen)
    outputs = Outputs(where, w.dtype, (w,))
    y = outputs.array("y_out", y_out, (*ids.shape, D))
    masked = _checks.boolean(mask_zero, where, "mask_zero")
    if y.size:
        run(where, ids.size, (ids, w, y), (D, 1, V, other, masked), dtype=w.dtype)
    return outputs.finish(y)


def embedding_backward(
    dy: ArrayLike,
    ids: ArrayLike,
    dw_out: Array | None = None,
    input_dim: int | None = None,
    unseen: int | None = None,
    mask_zero: bool = False,
) -> Array:
    """Return the gradient of the table: ``dw[v]`` is the sum of dy where the id is v, in order.

    Parameters
    ----------
    dy : array_like, shape (*ids.shape, D)
        Gradient of y.
    ids, unseen, mask_zero
        As given to `embedding_forward`.
    dw_out : ndarray, shape (V, D), optional
        Where the result goes.
    input_dim : int, optional
        V, where there is no `dw_out`.

    Returns
    -------
    ndarray, shape (V, D)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.embedding_backward([[1], [2], [3]], [2, 0, 2], input_dim=3)
    array([[2.],
           [0.],
           [4.]], dtype=float32)
    """
    where = "embedding_backward"
    V = _table_rows(where, dw_out, input_dim)
    dy, ids, other = _gradient(where, dy, ids, V, unseen)
    masked = _checks.boolean(mask_zero, where, "mask_zero")
    outputs = Outputs(where, dy.dtype, (dy,))
    dw = outputs.array("dw_out", dw_out, (V, dy.shape[-1]))
    run(where, ids.size, (dy, ids, dw), (dy.shape[-1], 1, V, other, masked), dtype=dy.dtype)
    return outputs.finish(dw)


def embedding_backward_rows(
    dy: ArrayLike, ids: ArrayLike, input_dim: int, unseen: int | None = None, mask_zero: bool = False
) -> tuple[NDArray[np.int64], Array]:
    """Return the gradient of the table's touched rows only, at a cost that does not depend on how many it has.

    Parameters
    ----------
    dy : array_like, shape (*ids.shape, D)
        Gradient of y.
    input_dim : int
        V, the rows of the table.
    ids, unseen, mask_zero
        As given to `embedding_forward`.

    Returns
    -------
    rows : ndarray of int64, shape (U,)
        The rows that ids name, each once, in the order in which they first come.
    dw : ndarray, shape (U, D)
        Their gradients: those of `embedding_backward`, to the bit.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> table = np.zeros((1_000_000, 1))
    >>> rows, dw = nn.kernels.embedding_backward_rows(np.array([[1.0], [2], [3]]), [777, 5, 777], len(table))
    >>> rows, dw
    (array([777,   5]), array([[4.],
           [2.]]))
    >>> touched = table[rows]
    >>> nn.kernels.sgd_update(touched, dw, learning_rate=0.5)
    >>> table[rows] = touched
    """
    where = "embedding_backward_rows"
    V = _checks.integer(input_dim, where, "input_dim", low=1)
    dy, ids, other = _gradient(where, dy, ids, V, unseen)
    masked = _checks.boolean(mask_zero, where, "mask_zero")
    rows, ends, places = (np.empty(ids.size, np.int64) for _ in range(3))
    count, scratch = np.zeros(1, np.int64), np.empty(5 * ids.size, np.int32)
    run("embedding_index", ids.size, (ids, rows, ends, places, count, scratch), (0, 1, V, other, masked),
        dtype=dy.dtype)
    dw = np.empty((int(count[0]), dy.shape[-1]), dy.dtype)
    run("embedding_sums", ids.size, (dy, ends, places, count, dw), (dy.shape[-1], 1), dtype=dy.dtype)
    return rows[: len(dw)].copy(), dw


def _ids(where: str, ids: ArrayLike, V: int, unseen: int | None) -> tuple[NDArray[np.int64], int]:
    """Return checked ids, and what the core takes for the others."""
    if unseen is None:
        return _checks.as_ids(ids, where, "ids", V), -1
    other = _checks.integer(unseen, where, "unseen", low=-1)
    if other >= V:
        raise ValueError(f"{where}: unseen must be a row of the table, 0 ... {V - 1}, or -1, got {unseen}")
    return _checks.as_ids(ids, where, "ids"), other


def _gradient(where: str, dy: ArrayLike, ids: ArrayLike, V: int, unseen: int | None) -> tuple[Any, Any, int]:
    (dy,) = arrays(where, dy=(dy, None))
    ids, other = _ids(where, ids, V, unseen)
    if dy.shape[:-1] != ids.shape or dy.ndim == 0:
        raise ValueError(f"{where}: dy must have shape (*ids.shape, D), got dy of shape {dy.shape} and ids of shape "
                         f"{ids.shape}")
    return dy, ids, other


def _table_rows(where: str, dw_out: object, input_dim: int | None) -> int:
    if input_dim is not None:
        return _checks.integer(input_dim, where, "input_dim", low=1)
    if not isinstance(dw_out, np.ndarray) or dw_out.ndim != 2:
        raise ValueError(f"{where}: wants input_dim, the rows of the table, or dw_out of shape (input_dim, D)")
    return len(dw_out)
