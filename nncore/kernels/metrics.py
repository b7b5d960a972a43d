"""Metrics: what each row gives, times its weight; a training run adds the rows up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks
from nncore.kernels._front import Array, Outputs, arrays, run

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


def _operands(where: str, y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None) -> list[Any]:
    """Return y_pred (B, C), the target as an array of that size, and the weights (B,) or None."""
    y_pred, target, weight = arrays(
        where, y_pred=(y_pred, 2), target=(target, None), sample_weight=(sample_weight, 1)
    )
    rows, columns = y_pred.shape
    if target.shape != y_pred.shape and not (columns == 1 and target.shape == (rows,)):
        raise ValueError(f"{where}: y_pred has shape {y_pred.shape} but target has shape {target.shape}")
    _check_rows(where, y_pred, weight)
    return [y_pred, target, weight]


def _check_rows(where: str, y_pred: Array, weight: Array | None) -> None:
    rows, columns = y_pred.shape
    if weight is not None and weight.shape != (rows,):
        raise ValueError(
            f"{where}: sample_weight must hold one weight per row, shape ({rows},), got shape {weight.shape}"
        )
    if columns == 0:
        raise ValueError(f"{where}: y_pred has shape {y_pred.shape}, but wants at least one column")


def _dense(where: str, kernel: str, y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None,
           rows_out: Array | None, scalar: float = 0.0) -> Array:
    y_pred, target, weight = operands = _operands(where, y_pred, target, sample_weight)
    outputs = Outputs(where, y_pred.dtype, tuple(operands))
    out = outputs.array("rows_out", rows_out, (len(y_pred),))
    run(kernel, len(y_pred), (y_pred, target, weight, out), (y_pred.shape[1],), (scalar,), dtype=y_pred.dtype)
    return outputs.finish(out)


def _sparse(where: str, y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None,
            rows_out: Array | None, k: float = 0.0) -> Array:
    y_pred, weight = arrays(where, y_pred=(y_pred, 2), sample_weight=(sample_weight, 1))
    rows, columns = y_pred.shape
    _check_rows(where, y_pred, weight)
    ids = _checks.as_class_ids(target, where, "target", columns, rows)
    outputs = Outputs(where, y_pred.dtype, (y_pred, weight))
    out = outputs.array("rows_out", rows_out, (rows,))
    run("categorical_accuracy", rows, (y_pred, None, weight, out, None, ids), (columns,), (k,), dtype=y_pred.dtype)
    return outputs.finish(out)


def sparse_categorical_accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None
) -> Array:
    """1 where the largest output of a row is its target's, else 0; of equal ones the first counts.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B,)
        Class ids in 0 ... C-1.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
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
    return _sparse("sparse_categorical_accuracy", y_pred, target, sample_weight, rows_out)


def categorical_accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None
) -> Array:
    """1 where the largest output of a row is where its target is largest, else 0.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B, C)
        One-hot or soft targets; the class is the first largest. A row with a nan is wrong.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
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
    where = "categorical_accuracy"
    return _dense(where, where, y_pred, target, sample_weight, rows_out)


def sparse_top_k_categorical_accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None,
    k: int = 5,
) -> Array:
    """1 where less than k outputs of a row are larger than its target's, else 0.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B,)
        Class ids in 0 ... C-1.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.
    k : int
        How many of the largest outputs count; among equal ones all do.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.sparse_top_k_categorical_accuracy([[0.1, 0.6, 0.3], [0.2, 0.3, 0.5]], [2, 0], k=2)
    array([1., 0.], dtype=float32)
    """
    where = "sparse_top_k_categorical_accuracy"
    return _sparse(where, y_pred, target, sample_weight, rows_out, _checks.positive_int(k, where, "k"))


def top_k_categorical_accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None,
    k: int = 5,
) -> Array:
    """1 where less than k outputs of a row are larger than the one where its target is largest, else 0.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs; a row with a nan is wrong.
    target : array_like, shape (B, C)
        One-hot or soft targets; the class is the first largest. A row with a nan is wrong.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.
    k : int
        How many of the largest outputs count; among equal ones all do.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.top_k_categorical_accuracy([[0.1, 0.6, 0.3], [0.2, 0.3, 0.5]], [[0, 0, 1], [1, 0, 0]], k=2)
    array([1., 0.], dtype=float32)
    """
    where = "top_k_categorical_accuracy"
    k = _checks.positive_int(k, where, "k")
    return _dense(where, "categorical_accuracy", y_pred, target, sample_weight, rows_out, k)


def accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None
) -> Array:
    """Share of a row's outputs that equal their targets: ``mean(p == t)``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Outputs.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
    rows_out : ndarray, shape (B,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.accuracy([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [3.0, 4.0]])
    array([0.5, 1. ], dtype=float32)
    """
    return _dense("accuracy", "accuracy", y_pred, target, sample_weight, rows_out)


def binary_accuracy(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None,
    threshold: float = 0.5,
) -> Array:
    """Share of a row's outputs that lie on the target's side of a threshold: ``mean((p > threshold) == t)``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Outputs.
    target : array_like, shape (B, O), or (B,) where O is 1
        0 or 1.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
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
    threshold = _checks.real(threshold, where, "threshold")
    return _dense(where, where, y_pred, target, sample_weight, rows_out, threshold)


def squared_error(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None
) -> Array:
    """Mean of a row's squared errors: ``mean((p - t)**2)``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
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
    return _dense("squared_error", "mean_squared_error", y_pred, target, sample_weight, rows_out)


def absolute_error(
    y_pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None, rows_out: Array | None = None
) -> Array:
    """Mean of a row's absolute errors: ``mean(abs(p - t))``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    sample_weight : array_like, shape (B,), optional
        What each row's value is multiplied by.
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
    return _dense("absolute_error", "absolute_error", y_pred, target, sample_weight, rows_out)


def confusion_counts(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    thresholds: ArrayLike | Sequence[float] = (0.5,),
    counts_out: Array | None = None,
    top_k: int | None = None,
    class_id: int | None = None,
) -> Array:
    """Count what of a row is predicted to be positive, rightly and wrongly, and what is positive.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs. What lies above a threshold is predicted to be positive; a nan is not.
    target : array_like, shape (B, C), or (B,) where C is 1
        Not 0: positive.
    sample_weight : array_like, shape (B,), optional
        What each row's counts are multiplied by.
    thresholds : array_like, shape (T,)
        One or more thresholds.
    counts_out : ndarray, shape (B, 2 T + 2), optional
        Where the result goes.
    top_k : int, optional
        Only the k largest outputs of a row, of equal ones the first, can be predicted to be positive.
    class_id : int, optional
        The only column that counts; by default all do.

    Returns
    -------
    ndarray, shape (B, 2 T + 2)
        For each threshold the positives that are predicted to be so; for each threshold the negatives that are;
        all positives; all negatives.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.confusion_counts([[0.9, 0.6, 0.2, 0.4]], [[1.0, 0.0, 1.0, 0.0]], thresholds=[0.5, 0.8])
    array([[1., 1., 1., 0., 2., 2.]], dtype=float32)
    """
    where = "confusion_counts"
    y_pred, target, weight = _operands(where, y_pred, target, sample_weight)
    rows, columns = y_pred.shape
    bounds = _checks.as_float_array(thresholds, where, "thresholds", y_pred.dtype, 1)
    k = 0 if top_k is None else _checks.integer(top_k, where, "top_k", 1, columns)
    only = -1 if class_id is None else _checks.integer(class_id, where, "class_id", 0, columns - 1)
    outputs = Outputs(where, y_pred.dtype, (y_pred, target, weight, bounds))
    counts = outputs.array("counts_out", counts_out, (rows, 2 * len(bounds) + 2))
    run(where, rows, (y_pred, target, weight, counts, bounds), (columns, len(bounds), k, only), dtype=y_pred.dtype)
    return outputs.finish(counts)


def class_counts(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    counts_out: Array | None = None,
    threshold: float | None = None,
) -> Array:
    """Count for each class whether a row's prediction holds it, whether its target does, and both.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Outputs.
    target : array_like, shape (B, C), or (B,) where C is 1
        0 or 1; or shares of the classes.
    sample_weight : array_like, shape (B,), optional
        What each row's counts are multiplied by.
    counts_out : ndarray, shape (B, 3 C), optional
        Where the result goes.
    threshold : float, optional
        What lies above it is predicted. By default it is the row's largest outputs (all of equal ones, but nothing
        that is 0; of a row with a nan, none).

    Returns
    -------
    ndarray, shape (B, 3 C)
        ``[q * t, q, t]`` where q is 1 for predicted classes and 0 for others.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.class_counts([[0.7, 0.3], [0.2, 0.8]], [[1.0, 0.0], [1.0, 0.0]])
    array([[1., 0., 1., 0., 1., 0.],
           [0., 0., 0., 1., 1., 0.]], dtype=float32)
    """
    where = "class_counts"
    y_pred, target, weight = operands = _operands(where, y_pred, target, sample_weight)
    rows, columns = y_pred.shape
    bound = 0.0 if threshold is None else _checks.real(threshold, where, "threshold")
    outputs = Outputs(where, y_pred.dtype, tuple(operands))
    counts = outputs.array("counts_out", counts_out, (rows, 3 * columns))
    run(where, rows, (y_pred, target, weight, counts), (columns, threshold is None), (bound,), dtype=y_pred.dtype)
    return outputs.finish(counts)


def regression_moments(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    moments_out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return what sums to the variance of the targets and to the squared error, in float64.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    sample_weight : array_like, shape (B,), optional
        Weight of each row.
    moments_out : ndarray of float64, shape (B, 3 O + 2), optional
        Where the result goes.

    Returns
    -------
    ndarray of float64, shape (B, 3 O + 2)
        ``[w * t, w * t**2, w * (p - t)**2]`` for the outputs, then ``w`` and ``w != 0``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.regression_moments([[1.0], [5.0]], [[1.0], [3.0]])
    array([[1., 1., 0., 1., 1.],
           [3., 9., 4., 1., 1.]])
    """
    where = "regression_moments"
    y_pred, target, weight = operands = _operands(where, y_pred, target, sample_weight)
    rows, columns = y_pred.shape
    outputs = Outputs(where, np.dtype(np.float64), tuple(operands))
    moments = outputs.array("moments_out", moments_out, (rows, 3 * columns + 2))
    run(where, rows, (y_pred, target, weight, moments), (columns,), dtype=y_pred.dtype)
    return outputs.finish(moments)


def column_sums(x: ArrayLike, sums_out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Sum each column in float64, in the order of a batch sum: ``sum(x, axis=0)``.

    Parameters
    ----------
    x : array_like, shape (B, K)
        What rows give.
    sums_out : ndarray of float64, shape (K,), optional
        Where the result goes.

    Returns
    -------
    ndarray of float64, shape (K,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.column_sums([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    (x,) = arrays("column_sums", x=(x, 2))
    outputs = Outputs("column_sums", np.dtype(np.float64), (x,))
    sums = outputs.array("sums_out", sums_out, (x.shape[1],))
    if len(sums):
        run("sum", len(x), (x, sums), (len(sums),), dtype=x.dtype)
    return outputs.finish(sums)
