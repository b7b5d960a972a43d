"""Which columns of X hold categories, and their numbers in the table of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _get_feature_names

from nncore.sklearn._network import first_of_each

__all__ = ["Columns", "chosen_columns"]


class Columns:
    """The columns of X: numbers, and categories, which may be strings.

    Parameters
    ----------
    X : array_like or DataFrame, shape (samples, features)
        The training data.
    mask : ndarray of bool, shape (features,)
        Which columns are categories.

    Attributes
    ----------
    cardinalities : tuple of int
        Of each such column the number of its categories, and one more for all that `fit` did not see, the first. What
        is missing (None, nan, pandas' NA) is a category, the last, where `fit` saw some.
    """

    def __init__(self, X: Any, mask: NDArray[np.bool_]) -> None:
        self.mask = mask
        self.codes: list[dict[Any, int]] = []
        counts = []
        for number in np.flatnonzero(mask).tolist():
            values, missing = _column(X, number)
            try:
                found = np.unique(values).tolist()
            except TypeError as error:
                raise TypeError(f"categorical_features: column {_name(X, number)} of X holds values that cannot be "
                                f"sorted, such as strings beside numbers: {error}") from error
            self.codes.append({value: code for code, value in enumerate(found, 1)})
            if missing.any():
                self.codes[-1][None] = len(found) + 1
            counts.append(1 + len(self.codes[-1]))
        self.cardinalities = tuple(counts)
        self._first = first_of_each(self.cardinalities)

    def split(self, X: Any) -> tuple[Any, NDArray[np.int64]]:
        """Return the columns of numbers, as they came, and the rows of the table for the others."""
        rows = np.zeros((len(X), len(self.codes)), np.int64)
        for place, (number, codes) in enumerate(zip(np.flatnonzero(self.mask).tolist(), self.codes, strict=True)):
            values, missing = _column(X, number)
            present = rows[:, place][~missing]
            try:
                found, where = np.unique(values, return_inverse=True)
                present[:] = np.array([codes.get(value, 0) for value in found.tolist()], np.int64)[where]
            except TypeError:  # some that cannot be sorted: `fit` has not seen them
                present[:] = [codes.get(value, 0) for value in values.tolist()]
            rows[~missing, place] = present
            rows[missing, place] = codes.get(None, 0)
        if self.mask.all():
            return np.zeros((len(rows), 0)), rows + self._first
        return X.loc[:, ~self.mask] if hasattr(X, "loc") else np.asarray(X)[:, ~self.mask], rows + self._first


def _column(X: Any, number: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return what is there of a column, and which rows are missing."""
    column = np.asarray(X.iloc[:, number] if hasattr(X, "iloc") else np.asarray(X)[:, number])
    if column.dtype.kind == "O":
        missing = np.fromiter(map(_is_missing, column), np.bool_, len(column))
    else:
        missing = column != column
    return column[~missing], missing


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas' NA says neither
        return True


def _name(X: Any, number: int) -> str:
    return repr(X.columns[number]) if hasattr(X, "columns") else str(number)


def chosen_columns(X: Any, chosen: Any) -> NDArray[np.bool_]:
    """Return which columns hold categories.

    Parameters
    ----------
    X : array_like or DataFrame, shape (samples, features)
        The training data.
    chosen : array_like or "from_dtype"
        Positions or names of the columns of categories, a mask of them, or those whose dtype in a DataFrame is
        "category", object or string.
    """
    if hasattr(X, "tocsr"):
        raise TypeError("categorical_features needs a dense X or a DataFrame, got a sparse matrix")
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
