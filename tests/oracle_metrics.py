"""The exact oracle of the metrics: a part of `oracle`, which see."""

import numpy as np
from oracle import lanes_sum

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


def _weighed(values, sample_weight):
    if sample_weight is None:
        return values
    return (sample_weight if values.ndim == 1 else sample_weight[:, None]) * values


def _row_mean(a, sample_weight):
    """The mean is a product with 1 / O."""
    one = a.dtype.type
    return _weighed(lanes_sum(a)[:, 0] * (one(1) / one(a.shape[1])), sample_weight)


def squared_error(elementary, y_pred, target, sample_weight=None):
    """As the loss."""
    d = y_pred - target
    return _row_mean(d * d, sample_weight)


def absolute_error(elementary, y_pred, target, sample_weight=None):
    """A mean of |p - t|."""
    return _row_mean(np.abs(y_pred - target), sample_weight)


def accuracy(elementary, y_pred, target, sample_weight=None):
    """The count before the mean is exact."""
    return _row_mean((y_pred == target).astype(y_pred.dtype), sample_weight)


def binary_accuracy(elementary, y_pred, target, sample_weight=None, threshold=0.5):
    """The count before the mean is exact."""
    right = (y_pred > y_pred.dtype.type(threshold)) == target
    return _row_mean(right.astype(y_pred.dtype), sample_weight)


def sparse_top_k_categorical_accuracy(elementary, y_pred, target, sample_weight=None, k=5):
    """Whether less than k are larger, a row at a time."""
    right = [not np.isnan(p).any() and sum(map(bool, p > p[t])) < k for p, t in zip(y_pred, target, strict=True)]
    return _weighed(np.array(right, y_pred.dtype), sample_weight)


def top_k_categorical_accuracy(elementary, y_pred, target, sample_weight=None, k=5):
    """The class is the first largest of the target."""
    right = sparse_top_k_categorical_accuracy(elementary, y_pred, _first_largest(target), None, k)
    return _weighed(_unless_nan(target, right), sample_weight)


def sparse_categorical_accuracy(elementary, y_pred, target, sample_weight=None):
    """Whether the first largest is the target's."""
    right = (_first_largest(y_pred) == target) & ~np.isnan(y_pred).any(axis=1)
    return _weighed(right.astype(y_pred.dtype), sample_weight)


def categorical_accuracy(elementary, y_pred, target, sample_weight=None):
    """The class is the first largest of the target."""
    right = sparse_categorical_accuracy(elementary, y_pred, _first_largest(target))
    return _weighed(_unless_nan(target, right), sample_weight)


def _unless_nan(target, right):
    return np.where(np.isnan(target).any(axis=1), right.dtype.type(0), right)


def _first_largest(a):
    """Of each row: one that is larger than the one held so far takes its place."""
    found = np.zeros(len(a), int)
    for c in range(1, a.shape[1]):
        found = np.where(a[:, c] > a[np.arange(len(a)), found], c, found)
    return found


def confusion_counts(elementary, y_pred, target, sample_weight=None, thresholds=(0.5,), top_k=None, class_id=None):
    """Exact counts, a row at a time; then one product."""
    counts = []
    for p, t in zip(y_pred.tolist(), target.tolist(), strict=True):
        columns = list(range(len(p)) if class_id is None else [class_id])
        ranked = sorted((c for c in range(len(p)) if p[c] == p[c]), key=lambda c: -p[c])  # stable
        able = ranked if top_k is None else ranked[:top_k]
        bounds = [float(y_pred.dtype.type(bound)) for bound in thresholds]
        row = [sum(p[c] > bound and (t[c] != 0) == sign for c in able if c in columns)
               for sign in (True, False) for bound in bounds]
        counts.append([*row, sum(t[c] != 0 for c in columns), sum(t[c] == 0 for c in columns)])
    return _weighed(np.array(counts, y_pred.dtype), sample_weight)


def class_counts(elementary, y_pred, target, sample_weight=None, threshold=None):
    """w (q t), w q, w t."""
    one = y_pred.dtype.type
    if threshold is None:  # np.max hands a nan on; nothing is as large as that
        q = (y_pred >= y_pred.max(axis=1, keepdims=True)) & (np.abs(y_pred) > one(1e-9))
    else:
        q = y_pred > one(threshold)
    q, t = q.astype(y_pred.dtype), target.astype(y_pred.dtype)
    w = np.ones(len(t), y_pred.dtype) if sample_weight is None else sample_weight
    return _weighed(np.concatenate([q * t, q, t], axis=1), w)


def regression_moments(elementary, y_pred, target, sample_weight=None):
    """Each product and difference rounded to float64."""
    t, p = target.astype(np.float64), y_pred.astype(np.float64)
    w = (np.ones(len(t)) if sample_weight is None else sample_weight.astype(np.float64))[:, None]
    d = p - t
    return np.concatenate([w * t, (w * t) * t, (w * d) * d, w, w != 0], axis=1)


def column_sums(elementary, x):
    """A batch sum of each column."""
    return np.array([lanes_sum(column.astype(np.float64)[None])[0, 0] for column in x.T]).reshape(x.shape[1])
