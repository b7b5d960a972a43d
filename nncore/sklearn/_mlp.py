"""`MLPClassifier` and `MLPRegressor`: scikit-learn's, trained by nncore, with what scikit-learn declines."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from nncore import activations, losses
from nncore._activation_table import ALIASES
from nncore.sklearn._base import BaseNet
from nncore.sklearn._losses import BinaryLogLoss, HalfPoissonDeviance, HalfSquaredError, LogLoss
from nncore.sklearn._network import (
    ACTIVATIONS,
    NORMALIZATIONS,
    MLPNetwork,
    MLPShape,
)
from nncore.sklearn._protocol import with_callbacks
from nncore.sklearn._training import HeldOut

__all__ = ["MLPClassifier", "MLPRegressor"]

NAMES = StrOptions({*ACTIVATIONS, *activations.TABLE, *activations.SPECIAL, *ALIASES})
PROBABILITIES = ("softmax", "logistic")  # output activations whose outputs are probabilities


def _stochastic(estimator: Any) -> bool:
    """Return whether `partial_fit` exists, as scikit-learn asks."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
    return True


PARAMETERS = """hidden_layer_sizes : array-like of shape (n_hidden_layers,), default=(100,)
        Units of each hidden layer; there may be none.
    activation : str, callable, pair or list, default="relu"
        Of the hidden layers: scikit-learn's "identity", "logistic", "tanh", "relu", or any of nncore's; a pair
        ``(f, f_prime)`` of NumPy functions; a list has one for each layer.
    solver : {"adam", "sgd", "lbfgs"}, another optimizer's name, or Optimizer, default="adam"
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
    learning_rate_init : float, default=0.001
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


ADDITIONS = """output_activation : str or callable, default=None
        Of the output; by default what scikit-learn takes for the loss.
    dropout : float or list of float, default=0.0
        The share of each hidden layer's outputs that are dropped in training; a list has one for each layer.
    normalization : {"batch", "layer", "rms"} or None, default=None
        What stands between each hidden layer's sum and its activation.
    l1 : float, default=0.0
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
        stand for zeros.
    embedding_size : int, default=8
        The length of these vectors.
    initial_coefs, initial_intercepts : list of array-like, default=None
        First weights, in place of drawn ones.
    n_threads : int, default=None
        The most threads that this estimator takes; by default nncore's. It changes no bit."""
ATTRIBUTES = """coefs_, intercepts_ : list of ndarray
        Weights of each layer, (n_in, n_out) and (n_out,). What is written into them is used.
    n_features_in_, feature_names_in_
        Columns of X.
    n_iter_, t_ : int
        Epochs of the last fit, or iterations of "lbfgs"; rows seen in training, over all.
    n_layers_, n_outputs_ : int
        Layers, input and output too; outputs.
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


def _documented(kind: Any) -> Any:
    """Return a class whose docstring has the texts that two share."""
    kind.__doc__ = kind.__doc__.format(parameters=PARAMETERS, additions=ADDITIONS, attributes=ATTRIBUTES)
    return kind


class BaseMLP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseNet):
    """What classifier and regressor share: dense layers, whose weights `coefs_` and `intercepts_` show."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseNet._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [NAMES, list, tuple, callable],
        "output_activation": [None, NAMES, callable],
        "dropout": ["array-like", Interval(Real, 0, 1, closed="left")],
        "normalization": [None, StrOptions(set(NORMALIZATIONS))],
        "initial_coefs": [None, "array-like"],
        "initial_intercepts": [None, "array-like"],
    }

    # ------------------------------------------------------------------ the network
    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return tuple(int(size) for size in sizes)

    def _per_layer(self, name: str, count: int) -> tuple[Any, ...]:
        """Return a parameter that may be one thing for all hidden layers or a list of one for each."""
        value = getattr(self, name)
        pair = isinstance(value, tuple) and len(value) == 2 and all(map(callable, value))  # f and f', for all layers
        if isinstance(value, (list, tuple, np.ndarray)) and not pair:
            if len(value) != count:
                raise ValueError(f"{name} must be one for all or one for each of the {count} hidden layers, got "
                                 f"{len(value)}")
            return tuple(value)
        return (value,) * count

    def _shape(self, n_features: int, cardinalities: tuple[int, ...], outputs: int, dtype: str) -> MLPShape:
        """Return what the network is made from."""
        hidden = self._hidden()
        rates = tuple(float(rate) for rate in self._per_layer("dropout", len(hidden)))
        if not all(0 <= rate < 1 for rate in rates):
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")
        if self.solver == "lbfgs" and (any(rates) or self.normalization == "batch"):
            raise ValueError("solver='lbfgs' minimizes one function of all rows: dropout and normalization='batch' "
                             "make another one of each batch; take 'adam' or 'sgd'")
        self.out_activation_ = self._out_activation() if self.output_activation is None else self.output_activation
        self.n_layers_ = len(hidden) + 2
        return MLPShape(
            n_features, cardinalities, self.embedding_size, dtype, self.l1, self.alpha, hidden=hidden,
            activations=tuple(map(_ours, self._per_layer("activation", len(hidden)))), outputs=outputs,
            out_activation=_ours(self.out_activation_), dropout=rates, normalization=self.normalization)

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _make_network(self, shape: MLPShape, seed: int) -> MLPNetwork:
        """Return a new network."""
        return MLPNetwork(shape, seed)

    def _draw(self, shape: MLPShape) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return scikit-learn's first weights: kernels and biases, uniform within Glorot's bound."""
        sizes = [shape.width, *shape.hidden, shape.outputs]
        names = self._per_layer("activation", len(shape.hidden)) or (self.activation,)
        coefs, intercepts = [], []
        for number, (n_in, n_out) in enumerate(pairwise(sizes)):
            steep = _ours(names[min(number, len(names) - 1)]) == "sigmoid"
            bound = np.sqrt((2.0 if steep else 6.0) / (n_in + n_out))
            coefs.append(self._random_state.uniform(-bound, bound, (n_in, n_out)))
            intercepts.append(self._random_state.uniform(-bound, bound, n_out))
        for name, own in (("initial_coefs", coefs), ("initial_intercepts", intercepts)):
            given = getattr(self, name)
            if given is None:
                continue
            if [np.shape(array) for array in given] != [array.shape for array in own]:
                raise ValueError(f"{name} must have the shapes {[array.shape for array in own]}, got "
                                 f"{[np.shape(array) for array in given]}")
            own[:] = [np.array(array, float) for array in given]
        return coefs, intercepts

    def _has_weights(self) -> bool:
        """Return whether there are weights to go on with."""
        return hasattr(self, "coefs_")

    def _fitted_dtype(self) -> str:
        return np.dtype(np.result_type(self.coefs_[0], np.float32)).name

    def _show(self, network: Any) -> None:
        """Set `coefs_` and `intercepts_`."""
        self.coefs_, self.intercepts_ = network.views

    def _current(self) -> Any:
        """Return the network, with the arrays that somebody put into `coefs_` and `intercepts_`."""
        network: Any = self._network
        if not network.shows(self.coefs_, self.intercepts_):
            network.take(self.coefs_, self.intercepts_)
            self._show(network)
        return network

    def _begin_with(self, coefs: list[NDArray[Any]], intercepts: list[NDArray[Any]]) -> None:
        """Take weights from elsewhere as those of a fit."""
        self.coefs_, self.intercepts_ = coefs, intercepts
        self._columns, self._encoded_width = None, coefs[-1].shape[1]
        shape = self._shape(len(coefs[0]), (), self.n_outputs_, self._fitted_dtype())
        self._network = self._make_network(shape, 0)
        self._network.take(coefs, intercepts)
        self._show(self._network)

    def to_sklearn(self) -> Any:
        """Return scikit-learn's estimator with these parameters and weights, whose predictions are equal.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor

        Raises
        ------
        ValueError
            Where scikit-learn's nets have nothing of the kind: normalization, categories, other activations.
        """
        from nncore.sklearn._convert import to_sklearn

        return to_sklearn(self)

    # ------------------------------------------------------------------ rows
    def transform(self, X: Any) -> NDArray[Any]:
        """Return the outputs of the last hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, hidden_layer_sizes[-1])
        """
        check_is_fitted(self)
        network = self._current()
        if network.last_hidden is None:
            raise ValueError("transform returns the outputs of the last hidden layer, but there is no hidden layer")
        feeds = self._checked(X)
        with self._threads():
            found: NDArray[Any] = network.hidden_model().predict(feeds)
        return found

    @property
    def _n_features_out(self) -> int:
        return self._hidden()[-1]

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.categorical_features is None
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _ours(activation: Any) -> Any:
    """Return nncore's name of an activation."""
    return ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation


@_documented
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron that classifies: scikit-learn's `MLPClassifier`, and more.

    All parameters up to `max_fun`, all attributes and methods are scikit-learn's 1.9, with its meanings and defaults:
    the same `random_state` draws the same first weights, splits and orders of rows. Those after it are nncore's own.

    Parameters
    ----------
    {parameters}
    loss : str or Loss, default="log_loss"
        "log_loss", or any of `nncore.losses` by name or object, weighted and reduced as in Keras: "hinge" and
        "squared_hinge" see targets of -1 and 1, losses of class ids those, all others zeros and ones.
    class_weight : dict, "balanced" or None, default=None
        The weight of each class, which multiplies those of its rows, as in scikit-learn's other classifiers.
    {additions}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels.
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nncore.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((20,), learning_rate_init=0.01, dropout=0.1, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    >>> net.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [str, losses.Loss, tuple, callable],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self, hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001, batch_size="auto",
        learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
        early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_fun=15000, loss="log_loss", class_weight=None, output_activation=None, dropout=0.0, normalization=None,
        l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None, callbacks=None, progress_bar=False,
        categorical_features=None, embedding_size=8, initial_coefs=None, initial_intercepts=None, n_threads=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight
        self.output_activation = output_activation
        self.dropout = dropout
        self.normalization = normalization
        self.l1 = l1
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.scoring = scoring
        self.callbacks = callbacks
        self.progress_bar = progress_bar
        self.categorical_features = categorical_features
        self.embedding_size = embedding_size
        self.initial_coefs = initial_coefs
        self.initial_intercepts = initial_intercepts
        self.n_threads = n_threads

    # ------------------------------------------------------------------ fit
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> MLPClassifier:
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; a DataFrame may have columns of categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels; of multi-label classification an indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        eval_set : tuple (X, y) or (X, y, sample_weight), default=None
            Rows that are scored after each epoch, in place of a share of the training data.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, eval_set, incremental=False)

    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None,
                    eval_set: Any = None) -> MLPClassifier:
        """Train for one epoch.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As of `fit`.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed in the first call.

        Returns
        -------
        self
        """
        before = dict(vars(self))
        try:
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer()
                self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
            return self._fit(X, y, sample_weight, eval_set, incremental=True)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _encode(self, y: Any, incremental: bool) -> NDArray[Any]:
        """Return zeros and ones; set `classes_`, or check that they are those of the fit before."""
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            classes = unique_labels(y)
            if self.warm_start and not incremental:
                if set(classes) != set(self.classes_):
                    raise ValueError("warm_start can only be used where `y` has the same classes as in the previous "
                                     f"call to fit. Previously got {self.classes_}, `y` has {classes}")
            elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
                raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' "
                                 f"has {classes}.")
        return np.asarray(self._label_binarizer.transform(y)).astype(bool)

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _multilabel(self) -> bool:
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _make_loss(self) -> losses.Loss:
        """Return the loss."""
        if isinstance(self.loss, str) and self.loss == "log_loss":
            if self.n_outputs_ > 1 and not self._multilabel():
                return LogLoss(reduction="mean_with_sample_weight")
            return BinaryLogLoss(reduction="mean_with_sample_weight")
        return _own_loss(self.loss)

    def _targets(self, encoded: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Return targets as the loss takes them."""
        if self._make_loss().target_kind == "ids":
            return encoded.argmax(axis=1)
        return encoded.astype(dtype)

    def _decode(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return labels."""
        return self._label_binarizer.inverse_transform(encoded)

    def _weigh(self, y: Any, weight: NDArray[Any] | None) -> NDArray[Any] | None:
        """Return the rows' weights times those of their classes."""
        if self.class_weight is None:
            return weight
        found = compute_sample_weight(self.class_weight, y)
        return found if weight is None else found * weight

    def _score_outputs(self, held_out: HeldOut) -> float:
        """Return the accuracy."""
        if not np.isfinite(held_out.outputs).all():
            return float("nan")
        hits = self._label(held_out.outputs) == held_out.y
        return float(np.average(hits.all(axis=1) if hits.ndim == 2 else hits, weights=held_out.weight))

    # ------------------------------------------------------------------ rows
    def _label(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return class labels for outputs."""
        middle = 0.5 if self.out_activation_ in (*PROBABILITIES, "sigmoid", "hard_sigmoid") else 0.0
        if self._multilabel():
            return (outputs > middle).astype(int)
        if outputs.shape[1] == 1:
            if len(self.classes_) == 1:
                return np.repeat(self.classes_[0], len(outputs))
            return self.classes_[(outputs[:, 0] > middle).astype(int)]
        return self.classes_[outputs.argmax(axis=1)]

    def predict(self, X: Any) -> NDArray[Any]:
        """Return class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            An indicator matrix of multi-label classification.
        """
        return self._label(self._outputs(X))

    @available_if(lambda estimator: estimator._gives_probabilities())
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        found = self._outputs(X)
        if self._multilabel():  # certain to the last bit it may be, but scikit-learn wants it between 0 and 1
            limits = np.finfo(found.dtype)
            return found.clip(limits.tiny, 1 - limits.epsneg)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    @available_if(lambda estimator: estimator._gives_probabilities())
    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(found, out=found)

    def _gives_probabilities(self) -> bool:
        if self.output_activation not in (None, *PROBABILITIES, "sigmoid"):
            raise AttributeError(f"output_activation={self.output_activation!r} gives no probabilities")
        return True

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@_documented
class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron that predicts numbers: scikit-learn's `MLPRegressor`, and more.

    All parameters up to `max_fun`, all attributes and methods are scikit-learn's 1.9, with its meanings and defaults:
    the same `random_state` draws the same first weights, splits and orders of rows. Those after it are nncore's own.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        "squared_error", "poisson" (half the Poisson deviance of an exponential output), or any of `nncore.losses` by
        name or object, weighted and reduced as in Keras. With `QuantileLoss` of several quantiles, `predict` returns
        a column for each; with `GaussianNLLLoss`, means and then variances.
    {parameters}
    {additions}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from nncore.sklearn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> net = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y)
    >>> net.score(X, y) > 0.98
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [str, losses.Loss, tuple, callable],
    }

    def __init__(
        self, loss="squared_error", hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001,
        batch_size="auto", learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999,
        epsilon=1e-8, n_iter_no_change=10, max_fun=15000, output_activation=None, dropout=0.0, normalization=None,
        l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None, callbacks=None, progress_bar=False,
        categorical_features=None, embedding_size=8, initial_coefs=None, initial_intercepts=None, n_threads=None,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.output_activation = output_activation
        self.dropout = dropout
        self.normalization = normalization
        self.l1 = l1
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.scoring = scoring
        self.callbacks = callbacks
        self.progress_bar = progress_bar
        self.categorical_features = categorical_features
        self.embedding_size = embedding_size
        self.initial_coefs = initial_coefs
        self.initial_intercepts = initial_intercepts
        self.n_threads = n_threads

    # ------------------------------------------------------------------ fit
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> MLPRegressor:
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; a DataFrame may have columns of categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        eval_set : tuple (X, y) or (X, y, sample_weight), default=None
            Rows that are scored after each epoch, in place of a share of the training data.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, eval_set, incremental=False)

    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> MLPRegressor:
        """Train for one epoch; parameters as of `fit`."""
        return self._fit(X, y, sample_weight, eval_set, incremental=True)

    def _encode(self, y: Any, incremental: bool) -> NDArray[Any]:
        """Return targets of two dimensions."""
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _decode(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return what a scorer takes for targets."""
        return encoded[:, 0] if encoded.shape[1] == 1 else encoded

    def _width(self, encoded: NDArray[Any]) -> int:
        """Return the number of outputs, of which some losses want more than one for a target."""
        loss = self._make_loss()
        if isinstance(loss, losses.QuantileLoss):
            return encoded.shape[1] * np.size(loss.quantiles)
        return encoded.shape[1] * (2 if isinstance(loss, losses.GaussianNLLLoss) else 1)

    def _out_activation(self) -> str:
        return "exp" if isinstance(self.loss, str) and self.loss == "poisson" else "identity"

    def _make_loss(self) -> losses.Loss:
        """Return the loss."""
        if isinstance(self.loss, str) and self.loss in ("squared_error", "poisson"):
            kind = HalfSquaredError if self.loss == "squared_error" else HalfPoissonDeviance
            return kind(reduction="mean_with_sample_weight")
        return _own_loss(self.loss)

    def _score_outputs(self, held_out: HeldOut) -> float:
        """Return R^2; of outputs that are not the targets' own, such as quantiles, the loss with another sign."""
        outputs = held_out.outputs
        if not np.isfinite(outputs).all():
            return float("nan")
        if outputs.shape[1] != self._encoded_width:
            return -float(self._network.model.loss(held_out.targets, outputs, held_out.weight))
        return float(r2_score(held_out.y, self._label(outputs), sample_weight=held_out.weight))

    # ------------------------------------------------------------------ rows
    def _label(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return numbers for outputs."""
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def predict(self, X: Any) -> NDArray[Any]:
        """Return predicted numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._label(self._outputs(X))


def _own_loss(loss: Any) -> losses.Loss:
    """Return a loss of the catalogue, which a run may keep."""
    if isinstance(loss, str):
        return losses.get({"class_name": type(losses.get(loss)).__name__,
                           "config": {"reduction": "mean_with_sample_weight"}})
    return losses.get(loss)
