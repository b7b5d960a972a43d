"""Factorization machines: every pair of features counts, with a product of two short trained vectors for its weight."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

import nncore as nn
from nncore import initializers, layers
from nncore.layers.base import Shape as AxisSizes
from nncore.program import Program
from nncore.sklearn._base import BaseNet
from nncore.sklearn._docs import documented
from nncore.sklearn._network import (
    MEAN_AND_VARIANCE,
    MeanAndVariance,
    Network,
    PlainDense,
    Shape,
    as_argument,
    first_of_each,
    forget_unseen,
    hidden_layers,
    join,
    make_inputs,
    penalty,
)
from nncore.sklearn._tasks import Classifier, Regressor

__all__ = ["DeepFMClassifier", "FMClassifier", "FMRegressor"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FMShape(Shape):
    """What a factorization machine is made from; its vectors have `embedding_size` numbers.

    Attributes
    ----------
    l2_factors : float
        The L2 penalty of the vectors.
    init_std : float
        The standard deviation of their first values.
    """

    l2_factors: float
    init_std: float

    @property
    def draws(self) -> bool:
        """Return whether the model draws random numbers of its own."""
        return True


class FieldSum(layers.Layer):
    """Sum of vectors, and a bias if wanted: rows (B, fields, C) to (B, C)."""

    def __init__(self, use_bias: bool, dtype: Any) -> None:
        super().__init__(dtype=dtype)
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Make the bias (C,)."""
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight((input_shape[-1],), initializers.get("zeros"), name="bias")

    def compute_output_shape(self, input_shape: Any) -> AxisSizes:
        """Return (None, C)."""
        return (None, input_shape[-1])

    def emit(self, program: Program, x: Any) -> int:
        """Append the sum."""
        width = program.buffers[x].shape[-1]
        total, y = program.rows((1, width)), program.rows(width)
        program.emit("sum_forward", (x,), (total,), axis=1)
        program.emit("reshape_forward", (total,), (y,))
        if self.bias is None:
            return y
        biased = program.rows(width)
        program.emit("dense_forward", (y, program.constant(np.eye(width, dtype=program.dtype)),
                                       program.parameter(self.bias)), (biased,))
        return biased


class MixedPairs(layers.FactorizationMachine):
    """Sum over all pairs of numbers and of embedded fields: rows [(B, I), (B, fields, K)] to (B, 1).

    The pairs of a number and a field are those of the numbers' sum ``x @ factors``, taken for one more field.
    """

    def build(self, input_shape: Any) -> None:
        """Make the factors (I, K)."""
        super().build(input_shape[0])

    def compute_output_shape(self, input_shape: Any) -> AxisSizes:
        """Return (None, 1)."""
        return (None, 1)

    def emit(self, program: Program, x: Any) -> int:
        """Append the pairs of numbers, and those of fields and the numbers' sum."""
        numbers, fields = x
        count, factors = program.buffers[fields].shape
        among_numbers = super().emit(program, numbers)
        total, one, all_fields = program.rows(factors), program.rows((1, factors)), program.rows((count + 1, factors))
        program.emit("dense_forward", (numbers, program.parameter(self.vectors), None), (total,))
        program.emit("reshape_forward", (total,), (one,))
        program.emit("concatenate_forward", (one, fields), (all_fields,), axis=1)
        others, y = program.rows(1), program.rows(1)
        program.emit("fm_interaction_forward", (all_fields,), (others,))
        program.emit("add_forward", (among_numbers, others), (y,))
        return y


class FMNetwork(Network):
    """For each output a linear term and the pairs; behind hidden layers, if any, a further term.

    Parameters
    ----------
    shape : FMShape
        What it is made from.
    seed : int
        What first values and dropout's masks depend on.
    """

    def __init__(self, shape: FMShape, seed: int) -> None:
        self.dense: list[Any] = []
        numbers, ids = make_inputs(shape)
        self.linear, self.category_linear, terms = None, None, []
        if numbers is not None:
            self.linear = PlainDense(shape.outputs, kernel_initializer="zeros", kernel_regularizer=shape.penalty,
                                     dtype=shape.dtype)
            terms.append(self.linear(numbers))
        if ids is not None:
            self.category_linear = layers.Embedding(sum(shape.cardinalities), shape.outputs, "zeros", shape.penalty,
                                                    dtype=shape.dtype)
            self.category_bias = FieldSum(numbers is None, shape.dtype)
            terms.append(self.category_bias(self.category_linear(ids)))
        self.pairs: list[Any] = []
        self.tables: list[Any] = []
        outputs = [self._interact(shape, numbers, ids) for _ in range(shape.outputs)]
        of_pairs, embedded = [pair for pair, _ in outputs], [fields for _, fields in outputs if fields is not None]
        terms.append(of_pairs[0] if len(of_pairs) == 1 else layers.Concatenate(dtype=shape.dtype)(of_pairs))
        if shape.hidden:
            x, _ = hidden_layers(shape, join(shape, numbers, embedded), self.dense, "he_normal")
            self.dense.append(PlainDense(shape.outputs, use_bias=False, kernel_regularizer=shape.penalty,
                                         dtype=shape.dtype))
            terms.append(self.dense[-1](x))
        y = layers.Add(dtype=shape.dtype)(terms)
        if shape.out_activation == MEAN_AND_VARIANCE:
            y = MeanAndVariance(dtype=shape.dtype)(y)
        else:
            y = layers.Activation(shape.out_activation, dtype=shape.dtype)(y)
        super().__init__(shape, nn.Model(as_argument(numbers, ids), y, seed=seed))
        forget_unseen(shape, self.category_linear, *self.tables)

    def _interact(self, shape: FMShape, numbers: Any, ids: Any) -> tuple[Any, Any]:
        """Return the pairs' sum for one output, and the embedded categories."""
        first = initializers.RandomNormal(stddev=shape.init_std)
        limit = penalty(shape.l1, shape.l2_factors)
        fields = None
        if ids is not None:
            self.tables.append(layers.Embedding(sum(shape.cardinalities), shape.embedding_size, first, limit,
                                                dtype=shape.dtype))
            fields = self.tables[-1](ids)
        if numbers is None:
            return layers.FMInteraction(dtype=shape.dtype)(fields), fields
        kind = layers.FactorizationMachine if fields is None else MixedPairs
        self.pairs.append(kind(shape.embedding_size, use_linear=False, use_bias=False, factors_initializer=first,
                               factors_regularizer=limit, dtype=shape.dtype))
        return self.pairs[-1](numbers if fields is None else [numbers, fields]), fields

    def take(self, *weights: Any) -> None:
        """Keep the weights that the model drew."""

    @property
    def intercept(self) -> NDArray[Any]:
        """Return the biases (outputs,)."""
        layer: Any = self.category_bias if self.linear is None else self.linear
        bias: NDArray[Any] = layer.bias.numpy()
        return bias

    @property
    def coef(self) -> NDArray[Any]:
        """Return the numbers' linear weights (outputs, features)."""
        if self.linear is None:
            return np.zeros((self.shape.outputs, 0), self.shape.dtype)
        return np.ascontiguousarray(self.linear.kernel.numpy().T)

    @property
    def factors(self) -> NDArray[Any]:
        """Return the numbers' vectors (outputs, features, K)."""
        if not self.pairs:
            return np.zeros((self.shape.outputs, 0, self.shape.embedding_size), self.shape.dtype)
        return np.stack([layer.vectors.numpy() for layer in self.pairs])

    def of_categories(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Return linear weights (outputs, categories) and vectors (outputs, categories, K) of each such column."""
        if self.category_linear is None:
            return []
        parts = first_of_each(self.shape.cardinalities)[1:]
        linear = np.split(self.category_linear.embeddings.numpy().T, parts, axis=1)
        return list(zip(linear, np.split(np.stack([table.embeddings.numpy() for table in self.tables]), parts, axis=1),
                        strict=True))


class BaseFM(BaseNet):
    """What the factorization machines share: their network, and the attributes that show its weights."""

    def _shape(self, n_features: int, cardinalities: tuple[int, ...], outputs: int, dtype: str) -> FMShape:
        """Return what the network is made from."""
        factors = self.alpha if self.alpha_factors is None else self.alpha_factors
        shape = super()._shape(n_features, cardinalities, outputs, dtype)
        return FMShape(**vars(shape), l2_factors=factors, init_std=self.init_std)

    @property
    def embedding_size(self) -> int:
        """Return the length of a category's vector, which is that of a number."""
        return int(self.n_factors)

    def _make_network(self, shape: FMShape, seed: int) -> FMNetwork:
        """Return a new network."""
        return FMNetwork(shape, seed)

    def _draw(self, shape: FMShape) -> tuple[()]:
        """Leave first weights to the model, whose seed `_random_state` draws."""
        return ()

    @property
    def intercept_(self) -> NDArray[Any]:
        """Return the biases."""
        check_is_fitted(self, "_network")
        return self._network.intercept

    @property
    def coef_(self) -> NDArray[Any]:
        """Return the linear weights of numbers."""
        check_is_fitted(self, "_network")
        return self._network.coef

    @property
    def factors_(self) -> NDArray[Any]:
        """Return the vectors of numbers."""
        check_is_fitted(self, "_network")
        return self._network.factors

    @property
    def category_coef_(self) -> list[NDArray[Any]]:
        """Return the linear weights of each column of categories."""
        check_is_fitted(self, "_network")
        return [linear for linear, _ in self._network.of_categories()]

    @property
    def category_factors_(self) -> list[NDArray[Any]]:
        """Return the vectors of each column of categories."""
        check_is_fitted(self, "_network")
        return [vectors for _, vectors in self._network.of_categories()]


@documented
class FMClassifier(Classifier, BaseFM):
    """Factorization machine that classifies: ``w0 + x @ w + sum over i < j of <v[i], v[j]> x[i] x[j]``.

    Pairs of features count, also those that the training data hold once or never: the weight of a pair is the scalar
    product of two vectors, learned from all pairs that these features are in. One machine for each class but for two,
    which share one. A column of categories counts as one feature for each category, whose 1 or 0 is never written out.

    Parameters
    ----------
    n_factors : int, default=8
        K, the length of the vectors.
    {solver}
    {classes}
    {vectors}
    {common}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels.
    {factors}
    {fitted}

    References
    ----------
    S. Rendle, Factorization Machines, ICDM 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from nncore.sklearn import FMClassifier
    >>> X = np.random.default_rng(0).normal(size=(500, 5))
    >>> y = X[:, 0] * X[:, 1] > 0  # no single feature tells
    >>> machine = FMClassifier(2, learning_rate_init=0.05, init_std=0.1, tol=0.001, random_state=0).fit(X, y)
    >>> machine.score(X, y) > 0.95
    True
    """

    def __init__(
        self, n_factors=8, *, solver="adam", alpha=0.0001, batch_size="auto", learning_rate="constant",
        learning_rate_init=0.01, power_t=0.5, max_iter=200, shuffle=True, random_state=None, tol=1e-4, verbose=False,
        warm_start=False, momentum=0.9, nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1,
        beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10, max_fun=15000, loss="log_loss", class_weight=None,
        alpha_factors=None, init_std=0.01, l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None,
        callbacks=None, progress_bar=False, categorical_features=None, n_threads=None,
    ):
        self._assign(locals())


@documented
class FMRegressor(Regressor, BaseFM):
    """Factorization machine that predicts numbers: ``w0 + x @ w + sum over i < j of <v[i], v[j]> x[i] x[j]``.

    Pairs of features count, also those that the training data hold once or never: the weight of a pair is the scalar
    product of two vectors, learned from all pairs that these features are in. One machine for each target. A column of
    categories counts as one feature for each category, whose 1 or 0 is never written out.

    Parameters
    ----------
    n_factors : int, default=8
        K, the length of the vectors.
    loss : str or Loss, default="squared_error"
        "squared_error", "poisson", or any of `nncore.losses`, as in `MLPRegressor`.
    {solver}
    {vectors}
    {common}

    Attributes
    ----------
    {factors}
    {fitted}

    References
    ----------
    S. Rendle, Factorization Machines, ICDM 2010.

    Examples
    --------
    Ratings, of which most pairs of a user and a film are never seen:

    >>> import numpy as np
    >>> from nncore.sklearn import FMRegressor
    >>> draw = np.random.default_rng(0)
    >>> taste, kind = draw.normal(size=(30, 2)), draw.normal(size=(40, 2))
    >>> X = np.column_stack([draw.integers(30, size=900), draw.integers(40, size=900)])
    >>> y = (taste[X[:, 0]] * kind[X[:, 1]]).sum(axis=1)
    >>> machine = FMRegressor(4, learning_rate_init=0.02, init_std=0.1, alpha=0.01, categorical_features=[0, 1],
    ...                       random_state=0)
    >>> machine.fit(X[:700], y[:700]).score(X[700:], y[700:]) > 0.8
    True
    """

    def __init__(
        self, n_factors=8, loss="squared_error", *, solver="adam", alpha=0.0001, batch_size="auto",
        learning_rate="constant", learning_rate_init=0.01, power_t=0.5, max_iter=200, shuffle=True, random_state=None,
        tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10, max_fun=15000,
        alpha_factors=None, init_std=0.01, l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None,
        callbacks=None, progress_bar=False, categorical_features=None, n_threads=None,
    ):
        self._assign(locals())


@documented
class DeepFMClassifier(Classifier, BaseFM):
    """Factorization machine and multi-layer perceptron in one, whose outputs add up; both share the vectors.

    The hidden layers see the columns of numbers, and of each category its vector, which the pairs use too.

    Parameters
    ----------
    n_factors : int, default=8
        K, the length of the vectors.
    {hidden}
    {solver}
    {classes}
    {between}
    {vectors}
    {common}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels.
    {factors}
    {fitted}

    References
    ----------
    H. Guo, R. Tang, Y. Ye, Z. Li, X. He, DeepFM, IJCAI 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from nncore.sklearn import DeepFMClassifier
    >>> draw = np.random.default_rng(0)
    >>> X = np.column_stack([draw.integers(6, size=1000), draw.integers(6, size=1000), draw.normal(size=1000)])
    >>> y = (X[:, 0] == X[:, 1]) | (X[:, 2] > 1)
    >>> net = DeepFMClassifier(4, (16,), learning_rate_init=0.01, categorical_features=[0, 1], tol=0.001,
    ...                        random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self, n_factors=8, hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001,
        batch_size="auto", learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
        early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_fun=15000, loss="log_loss", class_weight=None, dropout=0.0, normalization=None, alpha_factors=None,
        init_std=0.01, l1=0.0, clipnorm=None, clipvalue=None, global_clipnorm=None, scoring=None, callbacks=None,
        progress_bar=False, categorical_features=None, n_threads=None,
    ):
        self._assign(locals())
