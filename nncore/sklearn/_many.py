"""Many nets at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

import nncore as nn
from nncore import _checks
from nncore.sklearn._training import Chosen

__all__ = ["fit_many"]


def fit_many(estimators: Sequence[Any], X: Any, y: Any, sample_weight: Any = None, rows: Sequence[Any] | None = None,
             n_jobs: int | None = None) -> list[Any]:
    """Fit estimators side by side, each in a Python thread, on the same data.

    Training runs without the interpreter's lock, and each net takes one thread, so that k nets on n processors take
    about k / n of the time of one. Results are those of fitting one after the other, to the bit.

    Parameters
    ----------
    estimators : sequence of estimator
        Of `nncore.sklearn`; other `random_state`, other parameters.
    X, y, sample_weight
        As of `fit`, for all. X is not copied if it is C-contiguous and float32 or float64.
    rows : sequence of array-like of int, default=None
        The rows that each is fitted on, as folds and bags have it: numbers, some perhaps several times, or a mask.
        X is not copied for them, but where there are `categorical_features`; and as a whole it must be finite.
    n_jobs : int, default=None
        The most threads; by default as many as there are processors; as joblib counts, -2 means all but one.

    Returns
    -------
    list of estimator
        The same, fitted.

    Raises
    ------
    Exception
        The first of what a fit raised, once those under way have ended; others are not begun. Ctrl-C ends all after
        their epochs, or iterations.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nncore.sklearn import MLPClassifier, fit_many
    >>> X, y = load_iris(return_X_y=True)
    >>> nets = [MLPClassifier((8,), solver="lbfgs", max_iter=1000, random_state=seed) for seed in range(4)]
    >>> [net.score(X, y) > 0.9 for net in fit_many(nets, X, y)]
    [True, True, True, True]
    """
    where, estimators = "fit_many", list(estimators)
    if rows is not None and len(rows) != len(estimators):
        raise ValueError(f"{where}: rows must be one array for each of the {len(estimators)} estimators, got "
                         f"{len(rows)}")
    if len({id(estimator) for estimator in estimators}) != len(estimators):
        raise ValueError(f"{where}: estimators must be different objects, got one of them twice")
    if rows is not None:
        chosen = [_rows(number, each, _num_samples(X)) for number, each in enumerate(rows)]
    for estimator in estimators:
        if not hasattr(estimator, "_fit_checked"):
            raise TypeError(f"{where}: estimators must be of nncore.sklearn, got {type(estimator).__name__}")
    owned = [callback for estimator in estimators for callback in estimator._own_callbacks()]
    if len(set(map(id, owned))) < len(owned):
        raise ValueError(f"{where}: a callback keeps notes of one run: give each estimator callbacks of its own")
    most = _threads(n_jobs)

    def fit(number: int) -> Any:
        with nn.limit_threads(1):
            return estimators[number].fit(X if rows is None else Chosen(X, chosen[number]), y,
                                          sample_weight=sample_weight)

    with ThreadPoolExecutor(max(1, min(most, len(estimators)))) as pool:
        running = [pool.submit(fit, number) for number in range(len(estimators))]
        try:
            return [future.result() for future in running]
        except BaseException as error:
            for future in running:
                future.cancel()
            for estimator in estimators if isinstance(error, KeyboardInterrupt) else ():
                if hasattr(estimator, "_network"):
                    estimator._network.model.stop_training = True
            raise


def _threads(n_jobs: Any) -> int:
    """Return how many threads there may be; as joblib counts, -1 means all processors, -2 all but one."""
    processors = joblib.cpu_count()
    if n_jobs is None:
        return processors
    wanted = _checks.integer(n_jobs, "fit_many", "n_jobs", low=-processors, high=2**31 - 1)
    if not wanted:
        raise ValueError("fit_many: n_jobs must not be 0")
    return wanted if wanted > 0 else processors + 1 + wanted


def _rows(number: int, rows: Any, count: int) -> NDArray[np.int64]:
    """Return numbers of rows, for numbers or a mask."""
    found = np.arange(count)[rows] if isinstance(rows, slice) else np.asarray(rows)
    where = f"fit_many: rows[{number}]"
    if found.ndim != 1 or found.dtype.kind not in "iub" or not found.size:
        raise ValueError(f"{where} must be a list of row numbers or a mask, got {found.dtype} of shape {found.shape}")
    if found.dtype.kind == "b":
        if len(found) != count or not found.any():
            raise ValueError(f"{where} must be a mask of {count} rows, not all False, got {len(found)} with "
                             f"{int(found.sum())} True")
        return np.flatnonzero(found)
    if not -count <= found.min() <= found.max() < count:
        raise ValueError(f"{where} must hold row numbers in {-count} ... {count - 1}, got {found.min()} ... "
                         f"{found.max()}")
    return np.where(found < 0, found + count, found).astype(np.int64)
