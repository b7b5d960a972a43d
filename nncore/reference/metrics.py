"""Metrics in plain NumPy: one value per row of the batch."""

import numpy as np

from nncore.reference._common import Array, filled

__all__ = [
    "absolute_error",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "squared_error",
]


def sparse_categorical_accuracy(y_pred: Array, target: Array, rows_out: Array | None = None) -> Array:
    """1 for each row whose largest entry is at the target's index, else 0.

    Of equal entries the first counts; a row with a nan counts as wrong.

    Parameters
    ----------
    y_pred : ndarray, shape (B, C)
    target : ndarray of int, shape (B,)
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> sparse_categorical_accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    array([1., 0.])
    """
    right = (y_pred.argmax(axis=1) == target) & ~np.isnan(y_pred).any(axis=1)
    return filled(rows_out, right.astype(y_pred.dtype))


def categorical_accuracy(y_pred: Array, target: Array, rows_out: Array | None = None) -> Array:
    """1 for each row whose largest entry is where the target row has its largest, else 0.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, C)
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> categorical_accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([[0, 1], [0, 1]]))
    array([1., 0.])
    """
    return sparse_categorical_accuracy(y_pred, target.argmax(axis=1), rows_out)


def binary_accuracy(
    y_pred: Array, target: Array, rows_out: Array | None = None, threshold: float = 0.5
) -> Array:
    """Share of each row's entries on the target's side of the threshold: ``mean((y_pred > threshold) == t)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    rows_out : ndarray, shape (B,), optional
    threshold : float

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> binary_accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([[0, 1], [0, 0]]))
    array([1. , 0.5])
    """
    right = (y_pred > threshold) == target
    return filled(rows_out, right.mean(axis=1, dtype=y_pred.dtype))


def squared_error(y_pred: Array, target: Array, rows_out: Array | None = None) -> Array:
    """Mean squared error of each row: ``mean((y_pred - target)**2)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> squared_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([4.5])
    """
    d = y_pred - target
    return filled(rows_out, (d * d).mean(axis=1))


def absolute_error(y_pred: Array, target: Array, rows_out: Array | None = None) -> Array:
    """Mean absolute error of each row: ``mean(|y_pred - target|)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> absolute_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([1.5])
    """
    return filled(rows_out, np.abs(y_pred - target).mean(axis=1))
