"""Metrics, with Keras 3's names: the mean over the rows of a value per row, which a kernel computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, _names, custom, kernels

if TYPE_CHECKING:
    from nncore.losses import Loss
    from nncore.program import Program

__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MeanMetricWrapper",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
    "serialize",
]


class Metric:
    """Base of the metrics.

    A subclass sets `kernel`, and `target_kind` where it takes class ids.

    Parameters
    ----------
    name : str, optional
        The key under which the metric stands in a history.
    """

    kinds: ClassVar[dict[str, type[Metric]]] = {}
    target_kind: ClassVar[Literal["ids", "dense"]] = "dense"
    kernel: ClassVar[str]
    default_name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        Metric.kinds[cls.__name__] = cls

    def __init__(self, name: str | None = None) -> None:
        self.name = self.default_name if name is None else name
        self.reset_state()

    def parameters(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        return {}

    def reset_state(self) -> None:
        """Forget what `update_state` was given.

        Examples
        --------
        >>> import nncore as nn
        >>> metric = nn.metrics.MeanSquaredError()
        >>> metric.update_state([1.0], [3.0])
        >>> metric.reset_state()
        >>> metric.result()
        0.0
        """
        self._total = 0.0
        self._weight = 0.0

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take rows into account.

        Parameters
        ----------
        y_true : array_like
            Targets: class ids (B,), or dense values (B, O).
        y_pred : array_like
            Outputs (B, O), or (B,) for one output.
        sample_weight : array_like, optional
            A weight per row, (B,).

        Examples
        --------
        >>> import nncore as nn
        >>> metric = nn.metrics.MeanSquaredError()
        >>> metric.update_state([1.0, 2.0], [1.0, 4.0], sample_weight=[1.0, 3.0])
        >>> metric.result()
        3.0
        """
        where = type(self).__name__
        pred = _checks.as_float_array(y_pred, where, "y_pred")
        if pred.ndim == 1 and self.target_kind == "dense":
            pred = pred.reshape(-1, 1)
        pred = _checks.as_float_array(pred, where, "y_pred", ndim=2)
        n_rows, n_outputs = pred.shape
        target = (
            _checks.as_class_ids(y_true, where, "y_true", n_outputs, n_rows)
            if self.target_kind == "ids"
            else _checks.as_dense_target(y_true, n_outputs, where, "y_true", n_rows, pred.dtype)
        )
        weight = _checks.as_sample_weight(
            np.ones(n_rows) if sample_weight is None else sample_weight, n_rows, where, np.float64
        )
        if n_rows == 0:
            return
        rows = self._rows(pred, target)
        # accumulate() adds one after the other by definition; sum() adds in an order that NumPy may change.
        self._total += float(np.add.accumulate(weight * rows)[-1])
        self._weight += float(np.add.accumulate(weight)[-1])

    def result(self) -> float:
        """Return the weighted mean over all rows since the last reset; 0 before any.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.metrics.MeanSquaredError().result()
        0.0
        """
        return self._total / self._weight if self._weight else 0.0

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None) -> dict[str, int]:
        """Append the metric's ops to `program`; return the buffers of values per row (B,) that are summed.

        Parameters
        ----------
        program : Program
            The program.
        y_pred, target, weight : int
            Buffers.
        """
        rows = program.rows(None, role="metric")
        program.emit(self.kernel, (y_pred, target), (rows,), **self.parameters())
        return {"total": rows}

    def keep(self, program: Program, y_pred: int, target: int, weight: int | None) -> dict[str, int]:
        """Return buffers whose rows the metric wants to see again at the end of a pass."""
        return {}

    def value(self, sums: Mapping[str, float], kept: Mapping[str, NDArray[Any]], rows: int) -> Any:
        """Return the metric of a pass over so many rows, from the sums of its values and from what it kept."""
        return sums["total"] / rows

    def _rows(self, pred: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        """Return the values per row."""
        rows: NDArray[Any] = getattr(kernels, self.kernel)(pred, target, **self.parameters())
        return rows

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Return the metric that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal metric."""
        return _names.representation(self)


class SparseCategoricalAccuracy(Metric):
    """Share of rows whose largest output is the target's class id (of equal outputs the first counts).

    Parameters
    ----------
    name : str, optional
        The metric's name.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.SparseCategoricalAccuracy()
    >>> metric.update_state([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    >>> metric.result()
    0.5
    """

    target_kind = "ids"
    kernel = default_name = "sparse_categorical_accuracy"


class CategoricalAccuracy(Metric):
    """Share of rows whose largest output is where the target (B, C) is largest.

    Parameters as in `SparseCategoricalAccuracy`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.CategoricalAccuracy()
    >>> metric.update_state([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    >>> metric.result()
    0.5
    """

    kernel = default_name = "categorical_accuracy"


class BinaryAccuracy(Metric):
    """Share of outputs on the target's side of a threshold.

    Parameters
    ----------
    name : str, optional
        The metric's name.
    threshold : float
        Outputs above it mean 1. For logits it is 0.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.BinaryAccuracy(threshold=0.0)
    >>> metric.update_state([1, 0, 1, 1], [2.5, -1.0, -0.5, 3.0])
    >>> metric.result()
    0.75
    """

    kernel = default_name = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = _checks.real(threshold, "BinaryAccuracy", "threshold")

    def parameters(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        return {"threshold": self.threshold}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric."""
        return {"name": self.name, "threshold": self.threshold}


class MeanSquaredError(Metric):
    """Mean of the squared differences. Parameters as in `SparseCategoricalAccuracy`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.MeanSquaredError()
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    2.0
    """

    kernel, default_name = "squared_error", "mean_squared_error"


class MeanAbsoluteError(Metric):
    """Mean of the absolute differences. Parameters as in `SparseCategoricalAccuracy`.

    Examples
    --------
    >>> import nncore as nn
    >>> metric = nn.metrics.MeanAbsoluteError()
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    1.0
    """

    kernel, default_name = "absolute_error", "mean_absolute_error"


class MeanMetricWrapper(Metric):
    """The mean over the rows of what a function of yours returns; ``metrics=[function]`` makes one.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred)`` returns a value per row, (B,). It is given `y_pred` (B, O) and the targets as
        the model's loss takes them, class ids (B,) or values (B, O); what is said of arrays in
        `nncore.layers.Layer.call` holds here too. A string stands for the function of that name that a
        `MeanMetricWrapper` was made of before: so a saved model finds it again.
    name : str, optional
        The metric's name; by default the function's.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> def largest_error(y_true, y_pred):
    ...     return np.abs(y_pred - y_true).max(axis=1)
    >>> metric = nn.metrics.MeanMetricWrapper(largest_error)
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 4.0]])
    >>> metric.result()
    2.0
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(self, fn: Callable[..., Any] | str, name: str | None = None) -> None:
        if isinstance(fn, str):
            if fn not in self.functions:
                raise ValueError(
                    f"no metric function {fn!r} is known: make nncore.metrics.MeanMetricWrapper({fn}) first"
                )
            fn = self.functions[fn]
        if not callable(fn):
            raise TypeError(f"MeanMetricWrapper: fn must be a function, got {fn!r}")
        self.fn, self.fn_name = fn, getattr(fn, "__name__", type(fn).__name__)
        self.functions[self.fn_name] = fn
        super().__init__(self.fn_name if name is None else name)

    def _function(self) -> custom.UserFunction:
        return custom.UserFunction(f"metric {self.name!r}: {self.fn_name}",
                                   lambda y_pred, y_true: (self.fn(y_true, y_pred),), ("a value per row",), 2)

    def _rows(self, pred: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        rows = np.empty(len(pred), pred.dtype)
        self._function()([pred, target], [rows])
        return rows

    def emit(self, program: Program, y_pred: int, target: int, weight: int | None) -> dict[str, int]:
        """Append the function as an op; parameters and return value as of `Metric.emit`."""
        rows = program.rows(None, role="metric")
        custom.emit(program, self._function(), (y_pred, target), (rows,))
        return {"total": rows}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal metric, the function by its name."""
        return {"fn": self.fn_name, "name": self.name}


_NAMES: dict[str, type[Metric]] = {
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
}
_NAMES |= {cls.__name__: cls for cls in tuple(_NAMES.values())}
_ACCURACY = ("accuracy", "acc")


def get(identifier: object, loss: Loss | None = None, n_outputs: int | None = None) -> Metric:
    """Return the metric of a name, class, serialized form or object.

    Parameters
    ----------
    identifier : str, type, dict, Metric or callable
        A callable is a function ``fn(y_true, y_pred)`` of yours, see `MeanMetricWrapper`.
        "accuracy" and "acc" mean the accuracy that fits the loss's targets and the outputs, as in Keras:
        binary for one output, sparse for class ids, else categorical. A metric that is asked for by a string
        has that string as its name, as in Keras.
    loss : Loss, optional
        The model's loss: the metric must take the same targets. Needed for "accuracy".
    n_outputs : int, optional
        The model's outputs. Needed for "accuracy".

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.get("accuracy", nn.losses.get("sparse_categorical_crossentropy"), 10)
    SparseCategoricalAccuracy(name='accuracy')
    >>> nn.metrics.get("mse")
    MeanSquaredError(name='mse')
    """
    metric: Metric
    if isinstance(identifier, str) and identifier in _ACCURACY:
        if loss is None or n_outputs is None:
            raise ValueError(
                f"metric {identifier!r} depends on the loss and the outputs: name one of them in full"
            )
        metric = _accuracy(loss, n_outputs)
    elif callable(identifier) and not isinstance(identifier, (type, Metric)):
        metric = MeanMetricWrapper(identifier)
    else:
        metric = _names.resolve("metric", identifier, Metric, {**Metric.kinds, **_NAMES})
    if isinstance(identifier, str):
        metric.name = identifier
    if isinstance(metric, MeanMetricWrapper):
        return metric  # it takes what the loss takes
    if loss is not None and metric.target_kind != loss.target_kind:
        kinds = {"ids": "class ids (B,)", "dense": "dense targets (B, O)"}
        raise ValueError(
            f"metric {metric.name!r} takes {kinds[metric.target_kind]}, but loss {loss.name!r} is trained on "
            f"{kinds[loss.target_kind]}"
        )
    return metric


def _accuracy(loss: Loss, n_outputs: int) -> Metric:
    """Return the accuracy for what "accuracy" means here."""
    if loss.target_kind == "ids":
        return SparseCategoricalAccuracy()
    return BinaryAccuracy() if n_outputs == 1 else CategoricalAccuracy()


def serialize(metric: Metric) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal metric.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.serialize(nn.metrics.MeanSquaredError())
    {'class_name': 'MeanSquaredError', 'config': {'name': 'mean_squared_error'}}
    """
    return _names.serialize(metric)
