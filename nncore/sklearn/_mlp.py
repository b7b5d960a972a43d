"""`MLPClassifier` and `MLPRegressor`: scikit-learn's, trained by nncore, with what scikit-learn declines."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from nncore.sklearn._base import BaseNet
from nncore.sklearn._docs import documented
from nncore.sklearn._network import MLPNetwork, Shape, ours
from nncore.sklearn._tasks import Classifier, Regressor

__all__ = ["MLPClassifier", "MLPRegressor"]


def _has_hidden_layers(estimator: Any) -> bool:
    """Return whether there is a hidden layer whose outputs `transform` returns."""
    if len(estimator._hidden()) == 0:
        raise AttributeError("transform returns the outputs of the last hidden layer, but there is no hidden layer")
    return True


class BaseMLP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseNet):
    """What classifier and regressor share: dense layers, whose weights `coefs_` and `intercepts_` show."""

    _takes_lists = True

    # ------------------------------------------------------------------ the network
    def _shape(self, n_features: int, cardinalities: tuple[int, ...], outputs: int, dtype: str) -> Shape:
        """Return what the network is made from."""
        shape = super()._shape(n_features, cardinalities, outputs, dtype)
        self.n_layers_ = len(shape.hidden) + 2
        return shape

    def _make_network(self, shape: Shape, seed: int) -> MLPNetwork:
        """Return a new network."""
        return MLPNetwork(shape, seed)

    def _draw(self, shape: Shape) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return scikit-learn's first weights: kernels and biases, uniform within Glorot's bound."""
        sizes = [shape.width, *shape.hidden, shape.outputs]
        names = self._per_layer("activation", len(shape.hidden)) or (self.activation,)
        coefs, intercepts = [], []
        for number, (n_in, n_out) in enumerate(pairwise(sizes)):
            steep = ours(names[min(number, len(names) - 1)]) == "sigmoid"
            bound = np.sqrt((2.0 if steep else 6.0) / (n_in + n_out))
            coefs.append(self._random_state.uniform(-bound, bound, (n_in, n_out)))
            intercepts.append(self._random_state.uniform(-bound, bound, n_out))
        for name, own in (("initial_coefs", coefs), ("initial_intercepts", intercepts)):
            given = getattr(self, name)
            if given is None:
                continue
            if not all(np.isrealobj(array) and np.isfinite(np.asarray(array, float)).all() for array in given):
                raise ValueError(f"{name} must be finite real numbers")
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
        """Set `coefs_` and `intercepts_`, and note what activations the network was made for."""
        self.coefs_, self.intercepts_ = network.views
        network.activations, network.out_activation = self.activation, self.out_activation_

    def _current(self) -> Any:
        """Return the network, made anew where somebody changed what it is made of: `coefs_` or activations."""
        network: Any = vars(self).get("_network")
        if network is None or network.activations is not self.activation or (
                network.out_activation is not self.out_activation_) or not network.shows(self.coefs_, self.intercepts_):
            network = self._network = self._renewed(network)
            self._show(network)
        return network

    def _renewed(self, old: Any) -> Any:
        """Return a network with the arrays and activations that the attributes hold; the old one where it will do."""
        hidden = tuple(len(bias) for bias in self.intercepts_[:-1])
        names = tuple(map(ours, self._per_layer("activation", len(hidden))))
        changed = {"hidden": hidden, "activations": names, "out_activation": ours(self.out_activation_),
                   "outputs": len(self.intercepts_[-1]), "dropout": (0.0,) * len(hidden)}
        if old is None:
            shape = Shape(
                n_features=len(self.coefs_[0]), cardinalities=(), embedding_size=self.embedding_size,
                normalization=None, dtype=self._fitted_dtype(), l1=self.l1, l2=self.alpha, **changed)
        else:
            shape = old.shape
            if hidden == shape.hidden:
                changed["dropout"] = shape.dropout
            elif shape.normalization is not None:
                raise ValueError(f"coefs_ have hidden layers of {hidden} units, but what normalizes them has "
                                 f"{shape.hidden}")
            changed["n_features"] = len(self.coefs_[0]) - (shape.width - shape.n_features)
            shape = dataclasses.replace(shape, **changed)
        network: Any = old
        if old is None or shape != old.shape:
            network = self._make_network(shape, 0 if old is None else old.model.seed)
            if old is not None and (shape.cardinalities or shape.normalization):
                network.model.set_weights(old.model.get_weights())
        network.activations, network.out_activation = self.activation, self.out_activation_
        if not network.shows(self.coefs_, self.intercepts_):
            network.take(self.coefs_, self.intercepts_)
        return network

    def _begin_with(self, coefs: list[NDArray[Any]], intercepts: list[NDArray[Any]]) -> None:
        """Take weights from elsewhere as those of a fit."""
        self.coefs_, self.intercepts_ = coefs, intercepts
        self._encoded_width = coefs[-1].shape[1]
        self._current()

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
        feeds = self._checked(X)
        with self._threads():
            found: NDArray[Any] = network.hidden_model().predict(feeds)
        return found

    @property
    def _n_features_out(self) -> int:
        return int(self.coefs_[-1].shape[0])

    @available_if(_has_hidden_layers)
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return names for the columns of `transform`: the class's with a number behind it.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names: NDArray[Any] = super().get_feature_names_out(input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# Not within the class: scikit-learn's mixin wraps what it finds there, and would make it available to all.
for _name in ("transform", "fit_transform"):
    setattr(BaseMLP, _name, available_if(_has_hidden_layers)(getattr(BaseMLP, _name)))


@documented
class MLPClassifier(Classifier, BaseMLP):
    """Multi-layer perceptron that classifies: scikit-learn's `MLPClassifier`, and more.

    All parameters up to `max_fun`, all attributes and methods are scikit-learn's 1.9, with its meanings and defaults:
    the same `random_state` draws the same first weights, splits and orders of rows. Those after it are nncore's own.

    Parameters
    ----------
    {hidden}
    {solver}
    loss : str or Loss, default="log_loss"
        "log_loss", or any of `nncore.losses`: a name means its weighted mean, an object is taken as it was made.
        "hinge" and "squared_hinge" see targets of -1 and 1, losses of class ids those, all others zeros and ones.
        Losses of margins have the output "identity" and `decision_function` in place of probabilities; those of
        distributions, as "kl_divergence", two outputs for two classes.
    class_weight : dict, "balanced" or None, default=None
        The weight of each class, which multiplies those of its rows, as in scikit-learn's other classifiers; several
        labels have a list of dicts. "balanced" looks at the rows of a call: in `partial_fit` at those of the batch.
    {output}
    {between}
    {common}
    {first}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels.
    {coefs}
    {fitted}

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

    def __init__(
        self, hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001, batch_size="auto",
        learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
        early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_fun=15000, loss="log_loss", class_weight=None, output_activation=None, dropout=0.0, normalization=None,
        l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None, callbacks=None, progress_bar=False,
        categorical_features=None, embedding_size=8, initial_coefs=None, initial_intercepts=None, n_threads=None,
    ):
        self._assign(locals())


@documented
class MLPRegressor(Regressor, BaseMLP):
    """Multi-layer perceptron that predicts numbers: scikit-learn's `MLPRegressor`, and more.

    All parameters up to `max_fun`, all attributes and methods are scikit-learn's 1.9, with its meanings and defaults:
    the same `random_state` draws the same first weights, splits and orders of rows. Those after it are nncore's own.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        "squared_error", "poisson" (half the Poisson deviance of an exponential output), or any of `nncore.losses` by
        name (its weighted mean) or object (as it was made). With `QuantileLoss` of several quantiles, `predict`
        returns a column for each; with `GaussianNLLLoss`, means and then variances, whose output is a softplus.
    {hidden}
    {solver}
    {output}
    {between}
    {common}
    {first}

    Attributes
    ----------
    {coefs}
    {fitted}

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from nncore.sklearn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> net = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y)
    >>> net.score(X, y) > 0.98
    True
    """

    def __init__(
        self, loss="squared_error", hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001,
        batch_size="auto", learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999,
        epsilon=1e-8, n_iter_no_change=10, max_fun=15000, output_activation=None, dropout=0.0, normalization=None,
        l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None, callbacks=None, progress_bar=False,
        categorical_features=None, embedding_size=8, initial_coefs=None, initial_intercepts=None, n_threads=None,
    ):
        self._assign(locals())
