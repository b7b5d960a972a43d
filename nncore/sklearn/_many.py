"""Many nets at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sklearn.utils import _safe_indexing

import nncore as nn
from nncore import _checks

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
        The rows that each is fitted on, as folds and bags have it, which are copied while it is being fitted.
    n_jobs : int, default=None
        The most threads; by default as many as there are processors.

    Returns
    -------
    list of estimator
        The same, fitted.

    Raises
    ------
    Exception
        The first of what a fit raised, once all fits under way have ended. Ctrl-C ends all after their epochs.

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
    most = len(os.sched_getaffinity(0)) if n_jobs is None else _checks.positive_int(n_jobs, where, "n_jobs")

    def fit(number: int) -> Any:
        data = [X, y, sample_weight]
        if rows is not None:
            data = [None if part is None else _safe_indexing(part, rows[number]) for part in data]
        with nn.limit_threads(1):
            return estimators[number].fit(data[0], data[1], sample_weight=data[2])

    with ThreadPoolExecutor(max(1, min(most, len(estimators)))) as pool:
        running = [pool.submit(fit, number) for number in range(len(estimators))]
        try:
            return [future.result() for future in running]
        except BaseException:
            for future in running:
                future.cancel()
            for estimator in estimators:
                if hasattr(estimator, "_network"):
                    estimator._network.model.stop_training = True
            raise
