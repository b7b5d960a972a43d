"""From an estimator's parameters to the model that it trains, whose weights lie as scikit-learn's `coefs_` do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore import activations, layers, optimizers, regularizers
from nncore.optimizers import schedules
from nncore.program import Program

__all__ = ["ACTIVATIONS", "MEAN_AND_VARIANCE", "NORMALIZATIONS", "MLPNetwork", "MeanAndVariance", "Network",
           "PlainDense", "Shape", "as_argument", "first_of_each", "forget_unseen", "hidden_layers", "join",
           "make_inputs", "make_optimizer", "ours", "penalty"]

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's names of ours
MEAN_AND_VARIANCE = "mean_and_variance"  # the output of a Gaussian likelihood
NORMALIZATIONS = {"batch": layers.BatchNormalization, "layer": layers.LayerNormalization,
                  "rms": layers.RMSNormalization}


class PlainDense(layers.Dense):
    """A dense layer whose kernel lies as a NumPy user's matrix does, so that `coefs_` can be a view of it."""

    def add_weight(self, *args: Any, panels: bool = False, **keywords: Any) -> Any:
        """Append a weight that is not kept in panels."""
        return super().add_weight(*args, panels=False, **keywords)


class MeanAndVariance(layers.Layer):
    """What a Gaussian likelihood takes: means as they are, and behind them softplus of the others: rows (B, 2 C)."""

    def emit(self, program: Program, x: Any) -> int:
        """Append softplus, and the choice of halves: a product with 1, and one with 0, change no bit of a number."""
        width = program.buffers[x].row_size
        first = np.arange(width) < width // 2
        positive = activations.emit(program, "softplus", x)
        parts = []
        for part, chosen in ((x, first), (positive, ~first)):
            parts.append(program.rows(width))
            chooser = program.constant(np.diag(chosen.astype(program.dtype)))
            program.emit("dense_forward", (part, chooser, None), (parts[-1],))
        y: int = program.rows(width)
        program.emit("add_forward", tuple(parts), (y,))
        return y


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """What a network is made from: equal ones make networks that can take each other's weights and states.

    Attributes
    ----------
    n_features : int
        Columns of numbers.
    cardinalities : tuple of int
        Of each column of categories how many there are, the first of which stands for all never seen.
    embedding_size : int
        The length of a category's vector.
    dtype : str
        "float32" or "float64".
    l1, l2 : float
        Penalties ``l1 * sum(abs(w)) + l2 / 2 * sum(w**2)``, divided by the weight of the batch.
    hidden : tuple of int
        Units of the hidden layers.
    activations : tuple
        The activation of each.
    dropout : tuple of float
        The rate behind each.
    normalization : {None, "batch", "layer", "rms"}
        What stands between each hidden layer's sum and its activation.
    outputs : int
        Units of the last layer.
    out_activation : Any
        Its activation.
    """

    n_features: int
    cardinalities: tuple[int, ...]
    embedding_size: int
    dtype: str
    l1: float
    l2: float
    hidden: tuple[int, ...]
    activations: tuple[Any, ...]
    dropout: tuple[float, ...]
    normalization: str | None
    outputs: int
    out_activation: Any

    @property
    def width(self) -> int:
        """Return the number of columns behind the embeddings."""
        return self.n_features + len(self.cardinalities) * self.embedding_size

    @property
    def draws(self) -> bool:
        """Return whether the model draws random numbers of its own."""
        return bool(self.cardinalities) or any(self.dropout)

    @property
    def penalty(self) -> regularizers.Regularizer | None:
        """Return the penalty on kernels."""
        return penalty(self.l1, self.l2)


def penalty(l1: float, l2: float) -> regularizers.Regularizer | None:
    """Return the penalty ``l1 * sum(abs(w)) + l2 / 2 * sum(w**2)``, divided by the weight of the batch."""
    return regularizers.L1L2(l1, 0.5 * l2, per_sample=True) if l1 or l2 else None


def ours(activation: Any) -> Any:
    """Return nncore's name of an activation."""
    return ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation


class Network:
    """A model that trains for an estimator.

    Parameters
    ----------
    shape : Shape
        What it is made from.
    model : Model
        The model.
    """

    def __init__(self, shape: Shape, model: Any) -> None:
        self.shape, self.model = shape, model
        self.loss: Any = None  # the estimator's parameter that the model was compiled for

    def take(self, *weights: Any) -> None:
        """Set the weights that training begins with."""
        raise NotImplementedError

    def state(self) -> list[Any]:
        """Return copies of all weights and of the optimizer's state."""
        model = self.model
        steps = None if model.optimizer is None else model.optimizer.steps
        return [steps, *(arena.copy() for arena in (*model._arenas, *model._slot_arenas))]

    def restore(self, state: Sequence[Any]) -> None:
        """Set what `state` returned."""
        model, (steps, *values) = self.model, state
        if steps is not None:
            model.optimizer.steps = steps
        for arena, value in zip((*model._arenas, *model._slot_arenas), values, strict=False):
            arena[...] = value


class MLPNetwork(Network):
    """Dense layers, behind the embeddings of categories where there are some.

    Parameters
    ----------
    shape : Shape
        What it is made from.
    seed : int
        What dropout's masks and the embeddings' first values depend on.
    """

    def __init__(self, shape: Shape, seed: int) -> None:
        numbers, ids = make_inputs(shape)
        tables = [] if ids is None else [
            layers.Embedding(sum(shape.cardinalities), shape.embedding_size, dtype=shape.dtype)]
        self.dense: list[Any] = []
        self.activations = self.out_activation = None  # the estimator's, which it was made for
        self._inputs = as_argument(numbers, ids)
        self._hidden_model: Any = None
        x = join(shape, numbers, [table(ids) for table in tables])
        x, self.last_hidden = hidden_layers(shape, x, self.dense)
        activation = None if shape.out_activation == MEAN_AND_VARIANCE else shape.out_activation
        self.dense.append(PlainDense(shape.outputs, activation, kernel_regularizer=shape.penalty,
                                     kernel_initializer="zeros", dtype=shape.dtype))
        x = self.dense[-1](x)
        y = x if activation is not None else MeanAndVariance(dtype=shape.dtype)(x)
        super().__init__(shape, nn.Model(self._inputs, y, seed=seed))
        forget_unseen(shape, *tables)

    @property
    def views(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return kernels and biases where they lie: what is written there is the model's."""
        return [layer.kernel._value for layer in self.dense], [layer.bias._value for layer in self.dense]

    def shows(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> bool:
        """Return whether these are the arrays that `views` returned."""
        return len(coefs) == len(intercepts) == len(self.dense) and all(
            kernel is layer.kernel._value and bias is layer.bias._value
            for layer, kernel, bias in zip(self.dense, coefs, intercepts, strict=True))

    def take(self, *weights: Any) -> None:
        """Set kernels and biases."""
        coefs, intercepts = weights
        for layer, kernel, bias in zip(self.dense, coefs, intercepts, strict=True):
            for weight, value in ((layer.kernel, kernel), (layer.bias, bias)):
                if value is not weight._value:
                    weight.assign(value)

    def hidden_model(self) -> Any:
        """Return the model of the layers up to the last hidden one, with the same weights."""
        if self._hidden_model is None:
            self._hidden_model = nn.Model(self._inputs, self.last_hidden)
        return self._hidden_model


def hidden_layers(shape: Shape, x: Any, dense: list[Any], initializer: str = "zeros") -> tuple[Any, Any]:
    """Put the hidden layers behind a tensor; return what the next layer takes, and the last one's own output."""
    last = None
    for units, activation, rate in zip(shape.hidden, shape.activations, shape.dropout, strict=True):
        layer = PlainDense(units, activation if shape.normalization is None else None, dtype=shape.dtype,
                           kernel_regularizer=shape.penalty, kernel_initializer=initializer)
        dense.append(layer)
        x = layer(x)
        if shape.normalization is not None:
            x = NORMALIZATIONS[shape.normalization](dtype=shape.dtype)(x)
            x = layers.Activation(activation, dtype=shape.dtype)(x)
        last = x
        if rate:
            x = layers.Dropout(rate, dtype=shape.dtype)(x)
    return x, last


def make_inputs(shape: Shape) -> tuple[Any, Any]:
    """Return a network's inputs: of numbers, and of rows in the table of categories; None where there are none."""
    numbers = ids = None
    if shape.n_features:
        numbers = nn.Input((shape.n_features,), dtype=shape.dtype, name="numbers")
    if shape.cardinalities:
        ids = nn.Input((len(shape.cardinalities),), dtype="int64", name="categories")
    return numbers, ids


def as_argument(numbers: Any, ids: Any) -> Any:
    """Return inputs as a model takes them: one alone, not a list of one, so that calls for a few rows are short."""
    inputs = [x for x in (numbers, ids) if x is not None]
    return inputs[0] if len(inputs) == 1 else inputs


def join(shape: Shape, numbers: Any, embedded: Sequence[Any]) -> Any:
    """Return numbers and embedded categories side by side."""
    parts = [] if numbers is None else [numbers]
    parts += [layers.Flatten(dtype=shape.dtype)(fields) for fields in embedded]
    return parts[0] if len(parts) == 1 else layers.Concatenate(dtype=shape.dtype)(parts)


def forget_unseen(shape: Shape, *tables: Any) -> None:
    """Set the vectors of what was never seen to zero: they say nothing."""
    for table in filter(None, tables):
        table.embeddings._value[first_of_each(shape.cardinalities)] = 0


def first_of_each(cardinalities: Sequence[int]) -> NDArray[np.int64]:
    """Return where each column's categories begin in the one table of all.

    Examples
    --------
    >>> first_of_each((3, 5))
    array([0, 3])
    """
    return np.concatenate([[0], np.cumsum(cardinalities[:-1], dtype=np.int64)]).astype(np.int64)


def make_optimizer(estimator: Any) -> optimizers.Optimizer:
    """Return the optimizer that the parameters of an estimator describe."""
    solver, clips = estimator.solver, ("clipnorm", "clipvalue", "global_clipnorm")
    clip = {name: getattr(estimator, name) for name in clips}
    if isinstance(solver, optimizers.Optimizer):
        if any(value is not None for value in clip.values()):
            raise ValueError(f"{', '.join(clips)} are arguments of the optimizer that is given as solver")
        if isinstance(estimator.learning_rate, schedules.LearningRateSchedule):
            raise ValueError("learning_rate is an argument of the optimizer that is given as solver")
        return optimizers.get(optimizers.serialize(solver))  # a run's own: it keeps a state
    rate = estimator.learning_rate
    if not isinstance(rate, schedules.LearningRateSchedule):
        rate = estimator.learning_rate_init
    if solver == "sgd":
        return optimizers.SGD(rate, momentum=estimator.momentum,
                              nesterov=bool(estimator.nesterovs_momentum) and estimator.momentum > 0, **clip)
    if solver == "adam":
        return optimizers.Adam(rate, beta_1=estimator.beta_1, beta_2=estimator.beta_2, epsilon=estimator.epsilon,
                               **clip)
    optimizer = type(optimizers.get(solver))
    return optimizer(learning_rate=rate, **clip)
