"""Metrics: one value per row, whose mean a training run reports."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array, Outputs, arrays, run

__all__ = [
    "absolute_error",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "squared_error",
]


def _dense(where: str, kernel: str, y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None,
           scalar: float = 0.0) -> Array:
    y_pred, target = arrays(where, y_pred=(y_pred, 2), target=(target, None))
    rows, columns = y_pred.shape
    if target.shape != y_pred.shape and not (columns == 1 and target.shape == (rows,)):
        raise ValueError(f"{where}: y_pred has shape {y_pred.shape} but target has shape {target.shape}")
    if columns == 0:
        raise ValueError(f"{where}: y_pred has shape {y_pred.shape}, but wants at least one column")
    outputs = Outputs(where, y_pred.dtype, (y_pred, target))
    out = outputs.array("rows_out", rows_out, (rows,))
    run(kernel, rows, (y_pred, target, None, out), (columns,), (scalar,), dtype=y_pred.dtype)
    return outputs.finish(out)


def sparse_categorical_accuracy(y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None = None) -> Array:
    """1 where the largest output of a row is its target's, else 0; of equal ones the first counts.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B,)
        Class ids in 0 ... C-1.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_categorical_accuracy([[0.1, 0.9], [0.2, 0.8]], [1, 0])
    array([1., 0.], dtype=float32)
    """
    where = "sparse_categorical_accuracy"
    (y_pred,) = arrays(where, y_pred=(y_pred, 2))
    rows, columns = y_pred.shape
    ids = _checks.as_class_ids(target, where, "target", columns, rows)
    outputs = Outputs(where, y_pred.dtype, (y_pred,))
    out = outputs.array("rows_out", rows_out, (rows,))
    run("categorical_accuracy", rows, (y_pred, None, None, out, None, ids), (columns,), dtype=y_pred.dtype)
    return outputs.finish(out)


def categorical_accuracy(y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None = None) -> Array:
    """1 where the largest output of a row is where its target is largest, else 0.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B, C)
        One-hot or soft targets.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.categorical_accuracy([[0.1, 0.9], [0.2, 0.8]], [[0.0, 1.0], [1.0, 0.0]])
    array([1., 0.], dtype=float32)
    """
    return _dense("categorical_accuracy", "categorical_accuracy", y_pred, target, rows_out)


def binary_accuracy(
    y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None = None, threshold: float = 0.5
) -> Array:
    """Share of a row's outputs that lie on the target's side of a threshold: ``mean((p > threshold) == t)``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Outputs.
    target : array_like, shape (B, O), or (B,) where O is 1
        0 or 1.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.
    threshold : float
        Outputs above it mean 1.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.binary_accuracy([[0.1, 0.9], [0.2, 0.8]], [[0.0, 1.0], [1.0, 1.0]])
    array([1. , 0.5], dtype=float32)
    """
    where = "binary_accuracy"
    return _dense(where, where, y_pred, target, rows_out, _checks.real(threshold, where, "threshold"))


def squared_error(y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None = None) -> Array:
    """Mean of a row's squared errors: ``mean((p - t)**2)``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.squared_error([[1.0, 2.0]], [[1.0, 4.0]])
    array([2.], dtype=float32)
    """
    return _dense("squared_error", "mean_squared_error", y_pred, target, rows_out)


def absolute_error(y_pred: ArrayLike, target: ArrayLike, rows_out: Array | None = None) -> Array:
    """Mean of a row's absolute errors: ``mean(abs(p - t))``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.absolute_error([[1.0, 2.0]], [[1.0, 4.0]])
    array([1.], dtype=float32)
    """
    return _dense("absolute_error", "absolute_error", y_pred, target, rows_out)
