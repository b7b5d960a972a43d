"""Between scikit-learn's fitted nets and nncore's."""

from __future__ import annotations

import copy
from typing import Any

from sklearn import neural_network
from sklearn.utils.validation import check_is_fitted

from nncore.sklearn._mlp import BaseMLP, MLPClassifier, MLPRegressor

__all__ = ["from_sklearn", "to_sklearn"]

_PAIRS = ((neural_network.MLPClassifier, MLPClassifier), (neural_network.MLPRegressor, MLPRegressor))
_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
_FITTED = ("n_features_in_", "feature_names_in_", "n_iter_", "t_", "n_outputs_", "n_layers_", "out_activation_",
           "classes_", "_label_binarizer", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
           "best_validation_score_", "_no_improvement_count")


def from_sklearn(estimator: Any) -> BaseMLP:
    """Return nncore's estimator for a fitted one of scikit-learn, with its parameters and weights.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted. What its optimizer remembers does not come along: `partial_fit` begins with a new one.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Examples
    --------
    >>> from sklearn import neural_network
    >>> from sklearn.datasets import load_iris
    >>> from nncore.sklearn import from_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = neural_network.MLPClassifier(solver="lbfgs", random_state=0, max_iter=1000).fit(X, y)
    >>> bool((from_sklearn(theirs).predict(X) == theirs.predict(X)).all())
    True
    """
    kind = next((ours for theirs, ours in _PAIRS if isinstance(estimator, theirs)), None)
    if kind is None:
        raise TypeError("from_sklearn: estimator must be an MLPClassifier or MLPRegressor of sklearn.neural_network, "
                        f"got {type(estimator).__name__}")
    check_is_fitted(estimator)
    result = kind(**{name: value for name, value in estimator.get_params(deep=False).items()
                     if name in kind._get_param_names()})
    _copy(estimator, result)
    result._begin_with([weight.copy() for weight in estimator.coefs_],
                       [weight.copy() for weight in estimator.intercepts_])
    return result


def to_sklearn(estimator: BaseMLP) -> Any:
    """Return scikit-learn's estimator for a fitted one, with equal predictions; `MLPClassifier.to_sklearn`."""
    check_is_fitted(estimator)
    theirs = next(theirs for theirs, ours in _PAIRS if isinstance(estimator, ours))
    own = {name: getattr(estimator, name) for name in ("normalization", "categorical_features", "output_activation")}
    for name, value in own.items():
        if value is not None:
            raise ValueError(f"to_sklearn: scikit-learn's nets have no {name}, got {value!r}")
    if not (isinstance(estimator.activation, str) and estimator.activation in _ACTIVATIONS):
        raise ValueError("to_sklearn: scikit-learn's activations are 'identity', 'logistic', 'tanh', 'relu', got "
                         f"{estimator.activation!r}")
    known = theirs._get_param_names()
    result = theirs(**{name: value for name, value in estimator.get_params(deep=False).items()
                       if name in known and not (name in ("solver", "learning_rate") and not isinstance(value, str))})
    _copy(estimator, result)
    result.coefs_ = [weight.copy() for weight in estimator.coefs_]
    result.intercepts_ = [weight.copy() for weight in estimator.intercepts_]
    return result


def _copy(one: Any, other: Any) -> None:
    for name in _FITTED:
        if hasattr(one, name):
            setattr(other, name, copy.deepcopy(getattr(one, name)))
