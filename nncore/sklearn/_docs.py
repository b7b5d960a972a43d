"""What the docstrings of the estimators share."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["documented"]

HIDDEN = """hidden_layer_sizes : array-like of shape (n_hidden_layers,), default=(100,)
        Units of each hidden layer; there may be none.
    activation : str, callable, pair or list, default="relu"
        Of the hidden layers: scikit-learn's "identity", "logistic", "tanh", "relu", or any of nncore's; a pair
        ``(f, f_prime)`` of NumPy functions; a list has one for each layer."""

SOLVER = """solver : {"adam", "sgd", "lbfgs"}, another optimizer's name, or Optimizer, default="adam"
        What minimizes the loss. "lbfgs" sees all rows at once; "adamw", "nadam", "adamax", "rmsprop", "adagrad",
        "adadelta", "lion", "ftrl", "lamb" take `learning_rate_init`; an `nncore.optimizers.Optimizer` has arguments of
        its own.
    alpha : float, default=0.0001
        The L2 penalty: ``alpha / 2 * sum(w**2)``, divided by the number (or the weight) of the rows of a batch.
    batch_size : int or "auto", default="auto"
        Rows of a batch; "auto" is ``min(200, n_samples)``. Not for "lbfgs".
    learning_rate : {"constant", "invscaling", "adaptive"} or LearningRateSchedule, default="constant"
        With "sgd": ``learning_rate_init / (t_ + 1)**power_t`` after each epoch, or a fifth each time nothing improves.
        An `nncore.optimizers.schedules` object gives the rate of each step, of any solver but "lbfgs".
    learning_rate_init : float, default=RATE
        The (first) learning rate.
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        The most epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Whether each epoch takes the rows in another order.
    random_state : int, RandomState instance or None, default=None
        What first weights, the order of rows, the split of early stopping and dropout's masks depend on.
    tol : float, default=1e-4
        An epoch that improves the loss, or with early stopping the score, by less counts as none.
    verbose : bool or int, default=False
        Whether to print a line per epoch.
    warm_start : bool, default=False
        Whether `fit` goes on with the weights of the one before.
    momentum : float, default=0.9
        Of "sgd".
    nesterovs_momentum : bool, default=True
        Whether "sgd" looks ahead.
    early_stopping : bool, default=False
        Whether the score on held-out rows decides when to stop; the best weights are put back.
    validation_fraction : float, default=0.1
        The share of the rows that are held out for early stopping, unless `fit` is given an ``eval_set``.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Of "adam".
    n_iter_no_change : int, default=10
        How many epochs in a row may improve nothing.
    max_fun : int, default=15000
        The most evaluations of the loss by "lbfgs"."""

OUTPUT = """output_activation : str or callable, default=None
        Of the output; by default what scikit-learn takes for the loss."""

BETWEEN = """dropout : float or list of float, default=0.0
        The share of each hidden layer's outputs that are dropped in training; a list has one for each layer.
    normalization : {"batch", "layer", "rms"} or None, default=None
        What stands between each hidden layer's sum and its activation."""

COMMON = """l1 : float, default=0.0
        The L1 penalty: ``l1 * sum(abs(w))``, divided as that of `alpha`.
    clipnorm, clipvalue, global_clipnorm : float, default=None
        What gradients are clipped by: the norm of each weight's, each element, or the norm of all; as in Keras.
    scoring : str or callable, default=None
        The scorer of held-out rows, any of scikit-learn's; by default accuracy or R^2.
    callbacks : list of nncore.callbacks.Callback, default=None
        What is called while training runs; "val_loss" and "val_score" are in the logs where rows are held out.
        (scikit-learn's callbacks are set with `set_callbacks`, from 1.9 on.)
    progress_bar : bool, default=False
        Whether to draw a bar for each epoch.
    categorical_features : array-like or "from_dtype", default=None
        Positions, names or a mask of columns of categories, strings or numbers, which each become a trained vector;
        "from_dtype" takes a DataFrame's columns of categories, objects and strings. Categories that `fit` did not see
        stand for zeros; what is missing is a category of its own where `fit` saw some.
    n_threads : int, default=None
        The most threads that this estimator takes; by default nncore's. It changes no bit."""

FIRST = """embedding_size : int, default=8
        The length of these vectors.
    initial_coefs, initial_intercepts : list of array-like, default=None
        First weights, in place of drawn ones."""

COEFS = """coefs_, intercepts_ : list of ndarray
        Weights of each layer, (n_in, n_out) and (n_out,). What is written into them is used.
    n_layers_ : int
        Layers, input and output too."""

CLASSES = """loss : str or Loss, default="log_loss"
        "log_loss", or any of `nncore.losses`, as in `MLPClassifier`.
    class_weight : dict, "balanced" or None, default=None
        The weight of each class, which multiplies those of its rows."""

VECTORS = """alpha_factors : float, default=None
        The L2 penalty of the vectors; by default `alpha`.
    init_std : float, default=0.01
        The standard deviation of the vectors' first values."""

FACTORS = """intercept_ : ndarray of shape (n_outputs,)
        Biases, as copies; so are all weights here.
    coef_ : ndarray of shape (n_outputs, n_numbers)
        Linear weights of the columns of numbers.
    factors_ : ndarray of shape (n_outputs, n_numbers, n_factors)
        Their vectors.
    category_coef_, category_factors_ : list of ndarray
        The same of each column of categories, (n_outputs, 1 + n_categories) and (n_outputs, 1 + n_categories,
        n_factors): first what was never seen, then categories in the order of their values, last what is missing, if
        any was."""

FITTED = """n_features_in_, feature_names_in_
        Columns of X.
    n_iter_, t_ : int
        Epochs of the last fit, or iterations of "lbfgs"; rows seen in training, over all.
    n_outputs_ : int
        Outputs.
    out_activation_ : str
        The output's activation.
    loss_, best_loss_ : float
        The loss of the last epoch, with penalties, and the least; None with early stopping.
    loss_curve_ : list of float
        The loss of each epoch.
    validation_scores_, validation_loss_curve_ : list of float or None
        Score and loss, without penalties, of held-out rows after each epoch.
    best_validation_score_ : float or None
        The best of them."""


def documented(kind: Any) -> Any:
    """Return a class whose docstring has the texts that it names."""
    rate = inspect.signature(kind).parameters["learning_rate_init"].default
    kind.__doc__ = kind.__doc__.format(
        hidden=HIDDEN, solver=SOLVER.replace("RATE", str(rate)), output=OUTPUT, between=BETWEEN, common=COMMON,
        first=FIRST, coefs=COEFS, factors=FACTORS, fitted=FITTED, classes=CLASSES,
        vectors=VECTORS)
    return kind
