"""Weights of classes as weights of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _checks

__all__ = ["row_weights"]


def row_weights(
    class_weight: Mapping[int, float] | str, target: NDArray[Any], n_outputs: int, where: str
) -> NDArray[np.float64]:
    """Return the weight of each row: that of its class.

    Parameters
    ----------
    class_weight : dict of int to float, or "balanced"
        The weight of each class, 1 for a class that is not named; "balanced": ``n_rows / (n_classes * rows of the
        class)`` over the classes that occur.
    target : ndarray
        Class ids (B,); one-hot rows (B, C), whose largest entry counts; or one column of 0 and 1.
    n_outputs : int
        The model's outputs: with one there are two classes.
    where : str
        The function, for messages.

    Returns
    -------
    ndarray of float64, shape (B,)

    Examples
    --------
    >>> row_weights({1: 5.0}, np.array([0, 1, 1]), 2, "fit")
    array([1., 5., 5.])
    >>> row_weights("balanced", np.array([[0.0], [1.0], [1.0], [1.0]]), 1, "fit").round(3)
    array([2.   , 0.667, 0.667, 0.667])
    """
    if target.ndim == 1:
        ids = target
    elif target.shape[1] == 1:
        ids = target[:, 0].astype(np.int64)
        if (ids != target[:, 0]).any() or (ids < 0).any():
            raise ValueError(f"{where}: class_weight needs targets that are classes, 0 and 1, got other numbers")
    else:
        ids = target.argmax(axis=1)
    n_classes = max(n_outputs, 2)
    table: NDArray[np.float64] = np.ones(n_classes)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"{where}: class_weight must be a dict or 'balanced', got {class_weight!r}")
        counts = np.bincount(ids, minlength=n_classes)
        table[counts > 0] = len(ids) / (np.count_nonzero(counts) * counts[counts > 0])
    elif isinstance(class_weight, Mapping):
        for name, weight in class_weight.items():
            number = _checks.integer(name, where, "a class in class_weight", low=0, high=n_classes - 1)
            table[number] = _checks.real(weight, where, f"class_weight[{name}]", low=0.0)
    else:
        raise TypeError(f"{where}: class_weight must be a dict or 'balanced', got {class_weight!r}")
    return np.take(table, ids)
