"""Metrics in plain NumPy: what each row of the batch gives, times its weight."""

from collections.abc import Sequence

import numpy as np

from nncore.reference._common import Array, filled

__all__ = [
    "absolute_error",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "class_counts",
    "column_sums",
    "confusion_counts",
    "regression_moments",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "squared_error",
    "top_k_categorical_accuracy",
]


def _weighed(values: Array, sample_weight: Array | None, out: Array | None) -> Array:
    """Multiply values (B,) or (B, K) by the rows' weights."""
    if sample_weight is not None:
        values = values * (sample_weight if values.ndim == 1 else sample_weight[:, None])
    return filled(out, values)


def sparse_categorical_accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None
) -> Array:
    """1 for each row whose largest entry is at the target's index, else 0.

    Of equal entries the first counts; a row with a nan counts as wrong.

    Parameters
    ----------
    y_pred : ndarray, shape (B, C)
    target : ndarray of int, shape (B,)
    sample_weight : ndarray, shape (B,), optional
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
    return _weighed(right.astype(y_pred.dtype), sample_weight, rows_out)


def categorical_accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None
) -> Array:
    """1 for each row whose largest entry is where the target row has its largest, else 0.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> categorical_accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([[0, 1], [0, 1]]))
    array([1., 0.])
    """
    right = sparse_categorical_accuracy(y_pred, target.argmax(axis=1))
    return _weighed(np.where(np.isnan(target).any(axis=1), right.dtype.type(0), right), sample_weight, rows_out)


def sparse_top_k_categorical_accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None,
    k: int = 5,
) -> Array:
    """1 for each row with less than k entries that are larger than the one at the target's index, else 0.

    A row with a nan counts as wrong.

    Parameters
    ----------
    y_pred : ndarray, shape (B, C)
    target : ndarray of int, shape (B,)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    k : int

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> sparse_top_k_categorical_accuracy(np.array([[0.1, 0.6, 0.3]]), np.array([2]), k=2)
    array([1.])
    """
    known = (0 <= target) & (target < y_pred.shape[1])  # not a class that the loss ignores
    wanted = np.take_along_axis(y_pred, np.where(known, target, 0)[:, None], axis=1)
    right = ((y_pred > wanted).sum(axis=1) < k) & ~np.isnan(y_pred).any(axis=1) & known
    return _weighed(right.astype(y_pred.dtype), sample_weight, rows_out)


def top_k_categorical_accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None,
    k: int = 5,
) -> Array:
    """1 for each row with less than k entries larger than the one where the target row has its largest, else 0.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    k : int

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> top_k_categorical_accuracy(np.array([[0.1, 0.6, 0.3]]), np.array([[0, 0, 1]]), k=2)
    array([1.])
    """
    right = sparse_top_k_categorical_accuracy(y_pred, target.argmax(axis=1), k=k)
    return _weighed(np.where(np.isnan(target).any(axis=1), right.dtype.type(0), right), sample_weight, rows_out)


def accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None
) -> Array:
    """Share of each row's entries that equal their targets: ``mean(y_pred == target)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> accuracy(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 4.0]]))
    array([0.5, 1. ])
    """
    right = y_pred == target
    return _weighed(right.mean(axis=1, dtype=y_pred.dtype), sample_weight, rows_out)


def binary_accuracy(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None,
    threshold: float = 0.5,
) -> Array:
    """Share of each row's entries on the target's side of the threshold: ``mean((y_pred > threshold) == t)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
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
    return _weighed(right.mean(axis=1, dtype=y_pred.dtype), sample_weight, rows_out)


def squared_error(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None
) -> Array:
    """Mean squared error of each row: ``mean((y_pred - target)**2)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
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
    return _weighed((d * d).mean(axis=1), sample_weight, rows_out)


def absolute_error(
    y_pred: Array, target: Array, sample_weight: Array | None = None, rows_out: Array | None = None
) -> Array:
    """Mean absolute error of each row: ``mean(|y_pred - target|)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> absolute_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([1.5])
    """
    return _weighed(np.abs(y_pred - target).mean(axis=1), sample_weight, rows_out)


def confusion_counts(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    thresholds: Array | Sequence[float] = (0.5,),
    counts_out: Array | None = None,
    top_k: int | None = None,
    class_id: int | None = None,
) -> Array:
    """Count each row's positives and negatives above each threshold, and all of both.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    thresholds : array_like, shape (T,)
    counts_out : ndarray, shape (B, 2 T + 2), optional
    top_k : int, optional
        Only the k largest of a row, of equal ones the first, count as being above a threshold.
    class_id : int, optional
        The only column that counts.

    Returns
    -------
    ndarray, shape (B, 2 T + 2)

    Examples
    --------
    >>> confusion_counts(np.array([[0.9, 0.6, 0.2]]), np.array([[1, 0, 1]]))
    array([[1., 1., 2., 1.]])
    """
    can_be = ~np.isnan(y_pred)
    if top_k is not None:
        order = np.argsort(np.where(can_be, -y_pred, np.inf), axis=1, kind="stable")
        chosen = np.zeros(y_pred.shape, bool)
        np.put_along_axis(chosen, order[:, :top_k], True, axis=1)
        can_be &= chosen
    columns = slice(None) if class_id is None else slice(class_id, class_id + 1)
    p, positive, can_be = y_pred[:, columns], target[:, columns] != 0, can_be[:, columns]
    bounds = np.asarray(thresholds, y_pred.dtype)
    hits = [((p > bound) & can_be & positive).sum(axis=1) for bound in bounds]
    alarms = [((p > bound) & can_be & ~positive).sum(axis=1) for bound in bounds]
    counts = np.stack([*hits, *alarms, positive.sum(axis=1), (~positive).sum(axis=1)], axis=1)
    return _weighed(counts.astype(y_pred.dtype), sample_weight, counts_out)


def class_counts(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    counts_out: Array | None = None,
    threshold: float | None = None,
) -> Array:
    """Count for each class whether it is predicted, whether it is there, and both.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, C)
    sample_weight : ndarray, shape (B,), optional
    counts_out : ndarray, shape (B, 3 C), optional
    threshold : float, optional
        What lies above it is predicted; by default the largest of the row.

    Returns
    -------
    ndarray, shape (B, 3 C)

    Examples
    --------
    >>> class_counts(np.array([[0.7, 0.3]]), np.array([[0.0, 1.0]]))
    array([[0., 0., 1., 0., 0., 1.]])
    """
    if threshold is None:
        predicted = (y_pred >= y_pred.max(axis=1, keepdims=True)) & (np.abs(y_pred) > 1e-9)
    else:
        predicted = y_pred > threshold
    q = predicted.astype(y_pred.dtype)
    return _weighed(np.concatenate([q * target, q, target], axis=1), sample_weight, counts_out)


def regression_moments(
    y_pred: Array, target: Array, sample_weight: Array | None = None, moments_out: Array | None = None
) -> Array:
    """Return ``[w * t, w * t**2, w * (p - t)**2]`` for the outputs, then ``w`` and ``w != 0``, in float64.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    moments_out : ndarray of float64, shape (B, 3 O + 2), optional

    Returns
    -------
    ndarray of float64, shape (B, 3 O + 2)

    Examples
    --------
    >>> regression_moments(np.array([[5.0]]), np.array([[3.0]]))
    array([[3., 9., 4., 1., 1.]])
    """
    t = target.astype(np.float64)
    w = np.ones(len(t)) if sample_weight is None else sample_weight.astype(np.float64)
    w = w[:, None]
    return filled(moments_out, np.concatenate([w * t, w * t**2, w * (y_pred - t) ** 2, w, w != 0], axis=1))


def column_sums(x: Array, sums_out: Array | None = None) -> Array:
    """Sum each column in float64: ``sum(x, axis=0)``.

    Parameters
    ----------
    x : ndarray, shape (B, K)
    sums_out : ndarray of float64, shape (K,), optional

    Returns
    -------
    ndarray of float64, shape (K,)

    Examples
    --------
    >>> column_sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    return filled(sums_out, x.sum(axis=0, dtype=np.float64))
