"""Accuracies: shares of rows, or of outputs, that are right."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.metrics.base import _RowMean

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(_RowMean):
    """Share of outputs that equal their targets.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]])
    0.75
    """

    direction = "up"
    kernel = "accuracy"


class BinaryAccuracy(_RowMean):
    """Share of outputs on the target's side of a threshold.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.
    threshold : float
        Outputs above it mean 1. For logits it is 0.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.BinaryAccuracy(threshold=0.0)
    >>> metric.update_state([1, 0, 1, 1], [2.5, -1.0, -0.5, 3.0])
    >>> metric.result()
    0.75
    """

    direction = "up"
    kernel = "binary_accuracy"

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold = _checks.real(threshold, "BinaryAccuracy", "threshold")

    def parameters(self) -> dict[str, Any]:
        """Return the kernel's scalars."""
        return {"threshold": self.threshold}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {**super().get_config(), "threshold": self.threshold}


class SparseCategoricalAccuracy(_RowMean):
    """Share of rows whose largest output is the target's class id (of equal outputs the first counts).

    Parameters as of `Accuracy`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.SparseCategoricalAccuracy()
    >>> metric.update_state([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    >>> metric.result()
    0.5
    """

    direction = "up"
    target_kind = "ids"
    kernel = "sparse_categorical_accuracy"


class CategoricalAccuracy(_RowMean):
    """Share of rows whose largest output is where the target (B, C) is largest.

    Parameters as of `Accuracy`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.CategoricalAccuracy()
    >>> metric.update_state([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    >>> metric.result()
    0.5
    """

    direction = "up"
    kernel = "categorical_accuracy"


class _TopK(_RowMean):
    direction = "up"

    def __init__(self, k: int = 5, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.k = _checks.positive_int(k, type(self).__name__, "k")

    def parameters(self) -> dict[str, Any]:
        return {"k": self.k}

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k, **super().get_config()}


class SparseTopKCategoricalAccuracy(_TopK):
    """Share of rows where less than k outputs are larger than that of the target's class id.

    Keras's ``from_sorted_ids``, outputs that are class ids, is not offered.

    Parameters
    ----------
    k : int
        How many of the largest outputs count; among equal ones all do.
    name : str, optional
        The metric's name.
    dtype : {"float32", "float64"}, optional
        See `Metric`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.SparseTopKCategoricalAccuracy(k=2)([2, 0], [[0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    0.5
    """

    target_kind = "ids"
    kernel = default_name = "sparse_top_k_categorical_accuracy"


class TopKCategoricalAccuracy(_TopK):
    """Share of rows where less than k outputs are larger than that of the target's largest class.

    Parameters as of `SparseTopKCategoricalAccuracy`; targets are (B, C).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.TopKCategoricalAccuracy(k=2)([[0, 0, 1], [1, 0, 0]], [[0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    0.5
    """

    kernel = default_name = "top_k_categorical_accuracy"
