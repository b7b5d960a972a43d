"""Which columns of X hold categories, and their numbers in the table of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils.validation import _get_feature_names

from nncore.sklearn._network import first_of_each

__all__ = ["Columns"]


class Columns:
    """The columns of X: numbers, and categories, which may be strings.

    Parameters
    ----------
    X : array_like or DataFrame, shape (samples, features)
        The training data.
    chosen : array_like or "from_dtype"
        Positions or names of the columns of categories, a mask of them, or those whose dtype in a DataFrame is
        "category", object or string.

    Attributes
    ----------
    cardinalities : tuple of int
        Of each such column the number of its categories, and one for all that `fit` did not see.
    """

    def __init__(self, X: Any, chosen: Any) -> None:
        self.mask = _mask(X, chosen)
        self.encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1,
                                      dtype=np.float64)
        self.encoder.fit(_take(X, self.mask))
        counts = [sum(1 for value in found if value == value and value is not None)
                  for found in self.encoder.categories_]
        self.cardinalities = tuple(1 + count for count in counts)
        self._first = first_of_each(self.cardinalities)

    def split(self, X: Any) -> tuple[Any, NDArray[np.int64]]:
        """Return the columns of numbers, as they came, and the rows of the table for the others."""
        codes = self.encoder.transform(_take(X, self.mask))
        return _take(X, ~self.mask), np.ascontiguousarray(codes + 1, np.int64) + self._first


def _take(X: Any, mask: NDArray[np.bool_]) -> Any:
    return X.loc[:, mask] if hasattr(X, "loc") else np.asarray(X)[:, mask]


def _mask(X: Any, chosen: Any) -> NDArray[np.bool_]:
    """Return which columns hold categories."""
    if not hasattr(X, "loc"):
        X = np.asarray(X)
    if getattr(X, "ndim", 0) != 2:
        raise ValueError(f"categorical_features needs X of two dimensions, got {getattr(X, 'ndim', 0)}")
    count = X.shape[1]
    if isinstance(chosen, str):
        if not hasattr(X, "dtypes"):
            raise ValueError("categorical_features='from_dtype' needs a DataFrame, whose columns have dtypes of their "
                             f"own, got {type(X).__name__}")
        return np.array([str(kind) in ("category", "object", "string", "str") for kind in X.dtypes])
    wanted = np.asarray(chosen)
    if wanted.ndim != 1:
        raise ValueError(f"categorical_features must be a list of columns, got an array of shape {wanted.shape}")
    if wanted.dtype == bool:
        if len(wanted) != count:
            raise ValueError(f"categorical_features is a mask of {len(wanted)} columns, but X has {count}")
        return wanted
    found = np.zeros(count, bool)
    if wanted.dtype.kind in "OUS":
        names = _get_feature_names(X)
        if names is None:
            raise ValueError(f"categorical_features names columns, but {type(X).__name__} X has no names")
        missing = [str(name) for name in wanted if name not in names]
        if missing:
            raise ValueError(f"categorical_features names {', '.join(missing)}, but X has the columns "
                             f"{', '.join(map(str, names))}")
        found[np.isin(names, wanted.astype(names.dtype))] = True
        return found
    if wanted.dtype.kind not in "iu" and wanted.size:
        raise ValueError(f"categorical_features must hold positions, names or a mask, got {wanted.dtype}")
    if wanted.size and not -count <= wanted.min() <= wanted.max() < count:
        raise ValueError(f"categorical_features must be in {-count} ... {count - 1}, got {wanted.min()} ... "
                         f"{wanted.max()}")
    found[wanted.astype(int)] = True
    return found
