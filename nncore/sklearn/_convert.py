"""Between scikit-learn's fitted nets and nncore's."""

from __future__ import annotations

import copy
from typing import Any

from sklearn import neural_network
from sklearn.utils.validation import check_is_fitted

from nncore.sklearn._mlp import BaseMLP, MLPClassifier, MLPRegressor

__all__ = ["from_sklearn", "to_sklearn"]

_PAIRS = ((neural_network.MLPClassifier, MLPClassifier), (neural_network.MLPRegressor, MLPRegressor))
_ACTIVATIONS = {"linear": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}  # nncore's: theirs
_OUTPUTS = {**_ACTIVATIONS, "softmax": "softmax", "exponential": "exp"}
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
    scores = getattr(result, "validation_scores_", None)
    if scores is not None:  # to which scikit-learn's have no losses
        result.validation_loss_curve_ = [float("nan")] * len(scores)
    result._begin_with([weight.copy() for weight in estimator.coefs_],
                       [weight.copy() for weight in estimator.intercepts_])
    return result


def to_sklearn(estimator: BaseMLP) -> Any:
    """Return scikit-learn's estimator for a fitted one, with equal predictions; `MLPClassifier.to_sklearn`."""
    check_is_fitted(estimator)
    theirs = next(theirs for theirs, ours in _PAIRS if isinstance(estimator, ours))
    shape = estimator._current().shape
    for name, value in (("normalization", shape.normalization), ("categorical_features", shape.cardinalities)):
        if value:
            raise ValueError(f"to_sklearn: scikit-learn's nets have no {name}, got {getattr(estimator, name)!r}")
    names = [name if isinstance(name, str) else "?" for name in (*shape.activations, shape.out_activation)]
    if len(set(names[:-1])) > 1 or not set(names[:-1]) <= set(_ACTIVATIONS):
        raise ValueError("to_sklearn: scikit-learn's nets have one activation for all hidden layers, 'identity', "
                         f"'logistic', 'tanh' or 'relu', got {estimator.activation!r}")
    two = isinstance(estimator, MLPClassifier) and len(estimator.classes_) == 2 and shape.outputs == 2
    if names[-1] not in _OUTPUTS or (two and not estimator._multilabel()):
        raise ValueError(f"to_sklearn: scikit-learn's nets have no output of {shape.outputs} x "
                         f"{estimator.out_activation_!r}")
    known = theirs._get_param_names()
    given = {name: value for name, value in estimator.get_params(deep=False).items() if name in known}
    for name, values in (("solver", ("lbfgs", "sgd", "adam")), ("loss", ("squared_error", "poisson")),
                         ("learning_rate", ("constant", "invscaling", "adaptive"))):
        if name in given and not (isinstance(given[name], str) and given[name] in values):
            del given[name]  # of training, which it is not made for: predictions do not depend on it
    result = theirs(**{**given, "hidden_layer_sizes": shape.hidden})
    if shape.activations:
        result.activation = _ACTIVATIONS[names[0]]
    _copy(estimator, result)
    result.out_activation_ = _OUTPUTS[names[-1]]
    result.coefs_ = [weight.copy() for weight in estimator.coefs_]
    result.intercepts_ = [weight.copy() for weight in estimator.intercepts_]
    return result


def _copy(one: Any, other: Any) -> None:
    for name in _FITTED:
        if hasattr(one, name):
            setattr(other, name, copy.deepcopy(getattr(one, name)))
