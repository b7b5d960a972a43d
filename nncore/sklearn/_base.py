"""What all estimators are: parameters, checks, the run of `fit`, and outputs of rows."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    check_X_y,
    has_fit_parameter,
    validate_data,
)

import nncore as nn
from nncore import activations, losses, optimizers
from nncore._activation_table import ALIASES
from nncore._core import core
from nncore._sparse import compressed
from nncore.callbacks import Callback
from nncore.optimizers.schedules import LearningRateSchedule
from nncore.sklearn import _lbfgs
from nncore.sklearn._columns import Columns, chosen_columns
from nncore.sklearn._network import ACTIVATIONS, NORMALIZATIONS, Network, Shape, make_optimizer, ours
from nncore.sklearn._protocol import CallbackSupport, teller, with_callbacks
from nncore.sklearn._training import Chosen, HeldOut, Order, Watch

__all__ = ["BaseNet"]

OPTIMIZERS = {"sgd", "adam", "adamw", "nadam", "adamax", "rmsprop", "adagrad", "adadelta", "lion", "ftrl", "lamb"}
NAMES = StrOptions({*ACTIVATIONS, *activations.TABLE, *activations.SPECIAL, *ALIASES})
FEW_ROWS = 64  # that go through all layers in one short call
DTYPES = (np.float64, np.float32)


class BaseNet(CallbackSupport, BaseEstimator):
    """Base of the estimators: what they share whatever their network is."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "solver": [StrOptions({"lbfgs", *OPTIMIZERS}), optimizers.Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), LearningRateSchedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "clipnorm": [None, Interval(Real, 0, None, closed="neither")],
        "clipvalue": [None, Interval(Real, 0, None, closed="neither")],
        "global_clipnorm": [None, Interval(Real, 0, None, closed="neither")],
        "scoring": [None, str, callable],
        "callbacks": [None, list, tuple, Callback],
        "progress_bar": ["boolean"],
        "categorical_features": [None, "array-like", StrOptions({"from_dtype"})],
        "embedding_size": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "loss": [str, losses.Loss, tuple, callable],
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [NAMES, list, tuple, callable],
        "output_activation": [None, NAMES, tuple, callable],
        "dropout": ["array-like", Interval(Real, 0, 1, closed="left")],
        "normalization": [None, StrOptions(set(NORMALIZATIONS))],
        "initial_coefs": [None, "array-like"],
        "initial_intercepts": [None, "array-like"],
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "alpha_factors": [None, Interval(Real, 0, None, closed="left")],
        "init_std": [Interval(Real, 0, None, closed="neither")],
    }
    hidden_layer_sizes: Any = ()  # unless a subclass has these parameters
    activation: Any = "relu"
    output_activation: Any = None
    dropout: Any = 0.0
    normalization: Any = None
    class_weight: Any = None
    _takes_lists = False  # whether the inputs go into a dense layer, which takes only what is not 0
    _network: Any
    _columns: Columns | None = None  # of categories, and the parameter that they were chosen by
    _columns_for: Any = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters, which each fit asks for a few times."""
        names: list[str] = super()._get_param_names()
        return names

    def _assign(self, given: dict[str, Any]) -> None:
        """Set each parameter of `__init__` to what was given, and do no more, as scikit-learn wants it."""
        for name, value in given.items():
            if name != "self":
                setattr(self, name, value)

    # ------------------------------------------------------------------ what a subclass says
    def _make_network(self, shape: Any, seed: int) -> Network:
        """Return a new network."""
        raise NotImplementedError

    def _draw(self, shape: Any) -> Any:
        """Return the weights that training begins with, from `_random_state`."""
        raise NotImplementedError

    def _encode(self, y: Any, incremental: bool) -> NDArray[Any]:
        """Return targets of two dimensions, as scikit-learn's nets see them."""
        raise NotImplementedError

    def _targets(self, encoded: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Return targets as the loss takes them."""
        return encoded.astype(dtype, copy=False)

    def _width(self, encoded: NDArray[Any]) -> int:
        """Return the number of the network's outputs."""
        return encoded.shape[1]

    def _decode(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return what a scorer takes for targets."""
        return encoded

    def _begin(self, y: Any, classes: Any) -> None:
        """Take what only `partial_fit` is told."""

    def _out_activation(self) -> str:
        """Return the output's activation unless `output_activation` says otherwise."""
        raise NotImplementedError

    def _make_loss(self) -> losses.Loss:
        """Return the loss."""
        raise NotImplementedError

    def _label(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return what `predict` returns for outputs."""
        raise NotImplementedError

    def _score_outputs(self, held_out: HeldOut) -> float:
        """Return the score that early stopping looks at unless `scoring` says otherwise."""
        raise NotImplementedError

    def _weigh(self, y: Any, weight: NDArray[Any] | None) -> NDArray[Any] | None:
        """Return the rows' weights."""
        return weight

    def _has_weights(self) -> bool:
        """Return whether there are weights to go on with."""
        return hasattr(self, "_network")

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` was called, for scikit-learn, which would look through all attributes."""
        return self._has_weights()

    def _current(self) -> Network:
        """Return the network, with the weights that the estimator's attributes show."""
        return self._network

    def _show(self, network: Network) -> None:
        """Set the attributes that show the network's weights."""

    # ------------------------------------------------------------------ what the parameters say of layers
    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
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

    def _shape(self, n_features: int, cardinalities: tuple[int, ...], outputs: int, dtype: str) -> Shape:
        """Return what the network is made from."""
        hidden = self._hidden()
        rates = tuple(float(rate) for rate in self._per_layer("dropout", len(hidden)))
        if not all(0 <= rate < 1 for rate in rates):
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")
        if self.solver == "lbfgs" and (any(rates) or self.normalization == "batch"):
            raise ValueError("solver='lbfgs' minimizes one function of all rows: dropout and normalization='batch' "
                             "make another one of each batch; take 'adam' or 'sgd'")
        self.out_activation_ = self._out_activation() if self.output_activation is None else self.output_activation
        return Shape(
            n_features=n_features, cardinalities=cardinalities, embedding_size=self.embedding_size, dtype=dtype,
            l1=self.l1, l2=self.alpha, hidden=hidden, dropout=rates, normalization=self.normalization, outputs=outputs,
            activations=tuple(map(ours, self._per_layer("activation", len(hidden)))),
            out_activation=ours(self.out_activation_))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.categorical_features is None
        return tags

    # ------------------------------------------------------------------ fit
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; a DataFrame may have columns of categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, an indicator matrix of several labels, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        eval_set : tuple (X, y) or (X, y, sample_weight), default=None
            Rows that are scored after each epoch, in place of a share of the training data.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, eval_set, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any, incremental: bool, classes: Any = None) -> Any:
        """Train; where that fails the estimator stays as it was."""
        before = dict(vars(self))
        lists = {name: list(value) for name, value in before.items() if isinstance(value, list)}
        network = before.get("_network")
        state = None if network is None or not (incremental or self.warm_start) else network.state()
        try:
            if incremental:
                self._begin(y, classes)
            with self._threads():
                self._fit_checked(X, y, sample_weight, eval_set, incremental)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            for name, value in lists.items():
                before[name][:] = value
            if network is not None and state is not None:
                network.restore(state)
            raise
        return self

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.n_threads is None else nn.limit_threads(self.n_threads)

    def _fit_checked(self, X: Any, y: Any, sample_weight: Any, eval_set: Any, incremental: bool) -> None:
        first = not self._has_weights() or not (self.warm_start or incremental)
        if self.early_stopping and incremental and eval_set is None:
            raise ValueError("partial_fit does not support early_stopping=True without an eval_set")
        rows = None
        if isinstance(X, Chosen):
            X, rows = X.X, X.rows
            if self.categorical_features is not None:  # whose categories are those of the chosen rows
                X, y, sample_weight = (None if part is None else _safe_indexing(part, rows)
                                       for part in (X, y, sample_weight))
                rows = None
        numbers, categories, y = self._check_data(X, y, first)
        # A scorer sees what was checked, or names of columns.
        given = numbers if categories is None and not hasattr(X, "iloc") else X
        given_weight = None if sample_weight is None else _check_sample_weight(sample_weight, numbers)
        if rows is not None:
            y, given_weight = y[rows], None if given_weight is None else given_weight[rows]
        encoded = self._encode(y, incremental)
        weight = self._weigh(y, given_weight)
        if weight is not None and not weight.any():
            raise ValueError("sample_weight must not be zero for all rows")
        self._random_state = check_random_state(self.random_state)
        self._prepare(numbers, encoded, first, incremental)
        held_out = self._check_eval_set(eval_set)
        dtype = self._network.shape.dtype
        feeds, targets = self._feeds(numbers, categories), self._targets(encoded, dtype)
        if self._takes_lists and type(feeds) is np.ndarray and feeds.flags.c_contiguous:
            feeds = compressed(feeds)
        if rows is not None:
            targets = _spread(targets, rows, numbers.shape[0])
            weight = None if weight is None else _spread(weight, rows, numbers.shape[0])
        if self.solver == "lbfgs":
            self._refuse_for_lbfgs(eval_set)
            self._fit_lbfgs(given, y, feeds, targets, weight, rows)
        else:
            self._fit_epochs(given, y, feeds, encoded, targets, weight, given_weight, rows, held_out, incremental)
        if not all(np.isfinite(array).all() for array in self._network.model.get_weights()):
            raise ValueError("Solver produced non-finite parameter weights. The input data may contain large values "
                             "and need to be preprocessed.")

    def _check_data(self, X: Any, y: Any, first: bool) -> tuple[Any, Any, Any]:
        """Return the columns of X that are numbers, those that are categories, or None, and y."""
        numeric = not is_classifier(self)
        if first:
            mask = None if self.categorical_features is None else chosen_columns(X, self.categorical_features)
            self._columns = None if mask is None or not mask.any() else Columns(X, mask)
            self._columns_for = self.categorical_features
        elif not _same(self._columns_for, self.categorical_features):
            raise ValueError("warm_start and partial_fit go on with what was fitted, but categorical_features have "
                             f"changed since: {self._columns_for!r}, now {self.categorical_features!r}")
        if self._columns is None:
            X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=numeric,
                                 dtype=DTYPES, reset=first)
            return X, None, _column(y)
        validate_data(self, X, reset=first, skip_check_array=True)
        numbers, categories = self._columns.split(X)
        numbers, y = check_X_y(numbers, y, multi_output=True, y_numeric=numeric, dtype=DTYPES, ensure_min_features=0,
                               estimator=self)
        return numbers, categories, _column(y)

    def _check_eval_set(self, eval_set: Any) -> HeldOut | None:
        """Return the data that `fit` was given for validation."""
        if eval_set is None:
            return None
        if not isinstance(eval_set, (tuple, list)) or len(eval_set) not in (2, 3):
            raise ValueError("eval_set must be (X, y) or (X, y, sample_weight), got "
                             + (f"{len(eval_set)} elements" if isinstance(eval_set, (tuple, list))
                                else type(eval_set).__name__))
        X, y, *rest = eval_set
        numbers, categories, y = self._check_data(X, y, first=False)
        encoded = self._encode(y, incremental=True)
        if encoded.shape[1] != self._encoded_width:
            raise ValueError(f"eval_set has targets of {encoded.shape[1]} columns, but y has {self._encoded_width}")
        weight = _check_sample_weight(rest[0], numbers) if rest and rest[0] is not None else None
        if weight is not None and not weight.any():
            raise ValueError("eval_set: sample_weight must not be zero for all rows")
        return HeldOut(X, self._decode(encoded), self._feeds(numbers, categories),
                       self._targets(encoded, self._network.shape.dtype), weight)

    def _prepare(self, numbers: Any, encoded: NDArray[Any], first: bool, incremental: bool) -> None:
        """Make the network, or go on with the one there is."""
        if first:
            self.n_iter_, self.t_ = 0, 0
        self._encoded_width, self.n_outputs_ = encoded.shape[1], self._width(encoded)
        dtype = numbers.dtype.name if first else self._fitted_dtype()
        cardinalities = () if self._columns is None else self._columns.cardinalities
        shape = self._shape(numbers.shape[1], cardinalities, self.n_outputs_, dtype)
        network = old = None if first else self._current()
        if old is not None and old.shape != shape and _weights(old.shape) != _weights(shape):
            raise ValueError("warm_start and partial_fit go on with the weights that were fitted, but parameters that "
                             f"say which there are have changed since: {_difference(old.shape, shape)}")
        if network is None or network.shape != shape or not incremental:
            values = self._draw(shape) if first else None
            seed = int(self._random_state.randint(2**31 - 1)) if first and shape.draws else 0
            network = self._network = self._make_network(shape, seed)
            if values is not None:
                network.take(*values)
            elif old is not None:
                network.model.seed = old.model.seed
                network.model.set_weights([weight.astype(shape.dtype) for weight in old.model.get_weights()])
        if self.solver != "lbfgs" and (network.model.optimizer is None or network.loss is not self.loss):
            state = None
            if incremental and old is not None and old.model.optimizer is not None and old.shape.dtype == dtype:
                state = old.model.optimizer, old.model._training_state()
            network.model.compile(make_optimizer(self), self._make_loss())
            network.loss = self.loss
            if state is not None and _alike(state[0], network.model.optimizer):
                network.model._set_training_state(state[1])
        self._optimizer = network.model.optimizer
        self._show(network)

    def _fitted_dtype(self) -> str:
        return self._network.shape.dtype

    def _feeds(self, numbers: Any, categories: Any) -> Any:
        """Return inputs as the model takes them."""
        numbers = numbers.astype(self._network.shape.dtype, copy=False)
        if categories is None:
            return numbers
        return [numbers, categories] if numbers.shape[1] else categories

    # ------------------------------------------------------------------ solvers
    def _refuse_for_lbfgs(self, eval_set: Any) -> None:
        """Say what of ours the full-batch solver has no use for; scikit-learn's own parameters it ignores."""
        unused = {"callbacks": self.callbacks, "progress_bar": self.progress_bar, "eval_set": eval_set,
                  **{name: getattr(self, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}}
        if isinstance(self.learning_rate, LearningRateSchedule):
            unused["learning_rate"] = self.learning_rate
        for name, value in unused.items():
            if value is not None and value is not False:
                raise ValueError(f"{name} is for solvers that go epoch by epoch, not for solver='lbfgs'")

    def _fit_lbfgs(self, X: Any, y: Any, feeds: Any, targets: Any, weight: Any,
                   rows: NDArray[np.int64] | None) -> None:
        """Minimize the loss of all rows at once."""
        told = teller(self, X, y, self.max_iter)
        objective = _lbfgs.Objective(self._network, feeds, targets, weight, self._make_loss(), rows)
        self.n_iter_, self.loss_ = _lbfgs.minimize(objective, self.tol, self.max_iter, self.max_fun, self.verbose,
                                                 told and told[0])
        if told:
            told[1]()

    def _begin_curves(self, first: bool, validates: bool) -> None:
        """Set the attributes that record epochs."""
        if first or not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_: float | None = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_: float | None = None
            self.validation_loss_curve_: list[float] | None = None
            self._best_weights = self._network.model.get_weights() if self.early_stopping else None
        if validates and self.validation_scores_ is None:
            self.validation_scores_, self.validation_loss_curve_, self.best_validation_score_ = [], [], -np.inf
        if self.early_stopping and getattr(self, "_best_weights", None) is None:
            self._best_weights = self._network.model.get_weights()
        if not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _fit_epochs(self, X: Any, y: Any, feeds: Any, encoded: NDArray[Any], targets: Any, weight: Any,
                    given_weight: Any, rows: NDArray[np.int64] | None, held_out: HeldOut | None,
                    incremental: bool) -> None:
        """Train epoch by epoch."""
        network = self._network
        self._begin_curves(self.t_ == 0, self.early_stopping or held_out is not None)
        if self.early_stopping and held_out is None:
            rows, held_out = self._hold_out(X, feeds, encoded, targets, given_weight, rows)
        count = len(encoded) if rows is None else len(rows)
        order: Any = False
        if self.shuffle or rows is not None:
            order = Order(np.arange(count) if rows is None else rows, self._random_state if self.shuffle else None)
        told = teller(self, X, y, self.max_iter)
        watch = Watch(self, count, held_out, self._scorer(), self.max_iter, incremental, told and told[0])
        self.n_iter_ = 0
        try:
            network.model.fit(
                network.model._feeds("fit", feeds, targets, weight, finite=True), batch_size=self._batch_size(count),
                epochs=1 if incremental else self.max_iter, shuffle=order, callbacks=[watch, *self._own_callbacks()],
                verbose=int(self.progress_bar), nonfinite="continue")
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        if self.early_stopping and not incremental:
            if self.best_validation_score_ == -np.inf:
                warnings.warn("The validation score was never a number: the weights are those of the last epoch.",
                              stacklevel=2)
            else:
                network.model.set_weights(self._best_weights)
        if told:
            told[1]()

    def _hold_out(self, X: Any, feeds: Any, encoded: NDArray[Any], targets: Any, weight: Any,
                  rows: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], HeldOut]:
        """Return the rows to train on, and the others, which weigh what `fit` was given."""
        stratify = encoded if is_classifier(self) and self.n_outputs_ == 1 else None
        train, rest = train_test_split(np.arange(len(encoded)), random_state=self._random_state,
                                       test_size=self.validation_fraction, stratify=stratify)
        if len(rest) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                             "dataset.")
        labels, weight = self._decode(encoded[rest]), None if weight is None else weight[rest]
        if weight is not None and not weight.any():
            weight = None  # rows that all weigh nothing are scored as if there were no weights
        if rows is not None:
            train, rest = rows[train], rows[rest]
        return train, HeldOut(X if self.scoring is None else _safe_indexing(X, rest), labels, _rows(feeds, rest),
                              targets[rest], weight)

    def _own_callbacks(self) -> list[Callback]:
        return [self.callbacks] if isinstance(self.callbacks, Callback) else list(self.callbacks or ())

    def _batch_size(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                          stacklevel=2)
        return int(min(self.batch_size, rows))

    def _scorer(self) -> Callable[[HeldOut], float]:
        """Return the score of held-out data."""
        if self.scoring is None:
            return self._score_outputs
        scorer = check_scoring(self, self.scoring)
        weighs = has_fit_parameter(getattr(scorer, "_score_func", scorer), "sample_weight")

        def score(held_out: HeldOut) -> float:
            keywords = {"sample_weight": held_out.weight} if weighs and held_out.weight is not None else {}
            return float(scorer(self, held_out.X, held_out.y, **keywords))

        return score

    # ------------------------------------------------------------------ outputs
    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return the network's outputs for rows that are checked first."""
        check_is_fitted(self)
        network = self._current()
        dtype = network.shape.dtype
        if (type(X) is np.ndarray and X.ndim == 2 and X.dtype == dtype and X.flags.c_contiguous
                and self._columns is None and X.shape[1] == network.shape.n_features and len(X)
                and "feature_names_in_" not in vars(self) and core.all_finite(X.reshape(-1))):
            found: NDArray[Any] = network.model(X) if len(X) <= FEW_ROWS else self._predicted(network, X)
            return found
        return self._predicted(network, self._checked(X))

    def _checked(self, X: Any) -> Any:
        """Return X as the model takes it."""
        if self._columns is None:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
            return self._feeds(X, None)
        validate_data(self, X, reset=False, skip_check_array=True)
        numbers, categories = self._columns.split(X)
        return self._feeds(check_array(numbers, dtype=DTYPES, ensure_min_features=0, estimator=self), categories)

    def _predicted(self, network: Network, feeds: Any) -> NDArray[Any]:
        with self._threads():
            found: NDArray[Any] = network.model.predict(feeds)
        return found


def _column(y: Any) -> Any:
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _rows(feeds: Any, rows: NDArray[np.int64]) -> Any:
    return [part[rows] for part in feeds] if isinstance(feeds, list) else feeds[rows]


def _spread(values: NDArray[Any], rows: NDArray[np.int64], count: int) -> NDArray[Any]:
    """Return so many rows, of which the chosen ones hold values."""
    whole = np.zeros((count, *values.shape[1:]), values.dtype)
    whole[rows] = values
    return whole


def _alike(one: Any, other: Any) -> bool:
    """Return whether two optimizers keep the same state."""
    return type(one) is type(other) and bool(one.slots == other.slots)


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and np.array_equal(one, other))


def _weights(shape: Shape) -> tuple[Any, ...]:
    """Return what the number and the shapes of a network's weights depend on."""
    return (shape.n_features, shape.cardinalities, shape.width, shape.hidden, shape.normalization, shape.outputs,
            type(shape))


def _difference(one: Shape, other: Shape) -> str:
    """Return which of a network's sizes were something else."""
    names = {"hidden": "hidden_layer_sizes", "outputs": "outputs, of loss and targets",
             "cardinalities": "categories of categorical_features"}
    return ", ".join(f"{names.get(name, name)} ({value!r}, now {vars(other)[name]!r})"
                     for name, value in vars(one).items() if value != vars(other)[name])
