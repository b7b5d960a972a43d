"""Losses, with Keras 3's names and meanings.

A loss is three things: a function on arrays (``loss(y_true, y_pred)``), a check of the targets that `fit` is
given, and the op that it adds to a program.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, _names, custom, kernels

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "GaussianNLLLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PerceptronLoss",
    "Poisson",
    "QuantileLoss",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "class_weights_of",
    "get",
    "serialize",
]

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None)
LossFunction = Callable[[NDArray[Any], NDArray[Any]], Any]


class Loss:
    """Base of the losses, also of those that you write in NumPy.

    A loss in NumPy defines `call` and, to train with it, `gradient`; with ``target_kind = "ids"`` it takes
    class ids. `load_model` finds it by its class's name once the class is defined. Where a class is too much,
    ``compile(loss=(value, gradient))`` takes two functions: see `LossFunctionWrapper`.

    A native loss sets `kernel`; where a kernel on logits exists that is exact for outputs of 0 and 1, also
    `logits_kernel` and the kernel (`link`) that turns those logits into the outputs.

    Parameters
    ----------
    name : str, optional
        The loss's name.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        What becomes of the values of the rows, times the rows' weights, as in Keras: "sum_over_batch_size", which
        "mean" stands for too, divides their sum by the number of rows; "sum" does not; "mean_with_sample_weight"
        divides it by the sum of the weights, so that a row of weight 0 counts as if it were not there. None, or
        "none", leaves them as they are, which `fit` cannot minimize. In `fit` the rows are those of a batch.
    dtype : {"float32", "float64"}, optional
        What ``loss(y_true, y_pred)`` computes in; by default as `y_pred` is, and in a model as the model does.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class PseudoHuber(nn.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return np.hypot(1, y_pred - y_true).mean(axis=1) - 1
    ...     def gradient(self, y_true, y_pred):
    ...         return (y_pred - y_true) / np.hypot(1, y_pred - y_true) / y_pred.shape[1]
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile(nn.optimizers.SGD(0.5), PseudoHuber())
    >>> history = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=200, verbose=0)
    >>> history.history["loss"][-1] < 1e-3
    True
    """

    kinds: ClassVar[dict[str, type[Loss]]] = {}
    target_kind: ClassVar[Literal["ids", "dense"]] = "dense"
    default_name: ClassVar[str] = ""
    kernel: ClassVar[str]
    logits_kernel: ClassVar[str | None] = None
    link: ClassVar[str | None] = None
    hint: ClassVar[str] = ""
    target_range: ClassVar[tuple[float, float, str]] = (-np.inf, np.inf, "any numbers")
    from_logits: bool = False
    axis: int = -1
    ignore_class: int | None = None

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size",
                 dtype: DTypeLike | None = None) -> None:
        where = type(self).__name__
        if reduction == "none":
            reduction = None
        if reduction not in _REDUCTIONS:
            raise ValueError(f"{where}: reduction must be one of {', '.join(map(repr, _REDUCTIONS))}, got {reduction!r}")
        self.reduction = reduction
        self.name = (self.default_name or where) if name is None else name
        self.dtype = None if dtype is None else _checks.float_dtype(dtype, where)

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        Loss.kinds[cls.__name__] = cls

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return the loss of each row: the loss in NumPy.

        What is said of arrays in `nncore.layers.Layer.call` holds here too. The program weighs the values with
        the rows' weights and takes the mean.

        Parameters
        ----------
        y_true : ndarray, shape (B, O) or (B,)
            Targets; class ids (B,) as int64 where ``target_kind`` is "ids".
        y_pred : ndarray, shape (B, O)
            The model's outputs.

        Returns
        -------
        array_like, shape (B,)
        """
        raise NotImplementedError(f"{type(self).__name__} must define call()")

    def gradient(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return the derivative of each row's value with respect to its outputs, shape (B, O).

        Not that of the mean: the program divides by B and weighs.
        """
        raise NotImplementedError(f"{type(self).__name__} must define gradient()")

    def check_trainable(self, where: str) -> None:
        """Refuse to train with a loss in NumPy that has no gradient."""
        if self._in_numpy and type(self).gradient is Loss.gradient:
            raise NotImplementedError(
                f"{where}: loss {type(self).__name__} has no gradient(y_true, y_pred), which training needs"
            )

    @property
    def _in_numpy(self) -> bool:
        return type(self).call is not Loss.call

    @property
    def of_batch(self) -> bool:
        """Whether the loss of an epoch depends on which rows share a batch, as Keras has it."""
        return self.reduction in ("sum", "mean_with_sample_weight") or self.ignore_class is not None

    def _title(self, method: str) -> str:
        """Return what messages call `call` or `gradient`."""
        return f"loss {type(self).__name__}.{method}"

    def _function(self, method: str, result: str, divided: bool) -> custom.UserFunction:
        """Return `call` or `gradient` as an op on (y_pred, target, weight or None)."""
        def finish(inputs: custom.Arrays, outputs: custom.Arrays) -> None:
            (out,), weight = outputs, inputs[2]
            assert out is not None
            with np.errstate(all="ignore"):  # inf and nan are the run's business
                if weight is not None:
                    out *= weight.reshape(-1, *[1] * (out.ndim - 1))
                if divided:
                    out /= len(out)

        own = getattr(self, method)
        return custom.UserFunction(self._title(method), lambda y_pred, y_true: (own(y_true, y_pred),), (result,), 2,
                                   finish)

    # ------------------------------------------------------------------ what a native loss says of its kernel
    def attributes(self) -> dict[str, Any]:
        """Return the kernel's scalars that are not its defaults."""
        return {}

    def operands(self, y_pred: Any, target: Any, weight: Any, constant: Callable[[NDArray[Any]], Any]) -> tuple[Any, ...]:
        """Return the kernel's inputs; `constant` makes one of an array that the loss brings."""
        return y_pred, target, weight

    def target_width(self, n_outputs: int, where: str) -> int:
        """Return how many targets a row has for so many outputs."""
        return n_outputs

    def check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        """Refuse outputs that the loss is not defined for. In `fit` they give nan, which ends it."""

    # ------------------------------------------------------------------ on arrays
    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float | NDArray[np.floating]:
        """Return the loss.

        Parameters
        ----------
        y_true : array_like
            Targets: class ids (B,) or dense values (B, O).
        y_pred : array_like
            Outputs (B, O); (O,) is one row. Of more axes (B, ..., O) each place is a row of its own.
        sample_weight : array_like, optional
            A weight per row: one number, (B,), or (B, ...).

        Returns
        -------
        float or ndarray
            The reduced loss; with ``reduction=None`` an array (B,) or (B, ...).

        Examples
        --------
        >>> import nncore as nn
        >>> loss = nn.losses.MeanSquaredError()
        >>> loss([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 6.0]])
        1.0
        >>> loss([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 6.0]], sample_weight=[1.0, 0.5])
        0.5
        """
        where = type(self).__name__
        true, pred, shape = self._as_rows(y_true, y_pred, where)
        if len(pred) == 0:
            raise ValueError(f"{where}: y_pred has no rows")
        target = self.check_target(true, pred.shape[1], where, name="y_true", n_rows=len(pred), dtype=pred.dtype)
        self.check_prediction(pred, where)
        weight = None if sample_weight is None else _weight_per_row(sample_weight, shape, where, pred.dtype)
        kept: NDArray[np.bool_] | None = None
        if self.ignore_class is not None:
            kept = target != self.ignore_class
            # Whatever the outputs of such a row are, even nan: 1 is good for probabilities and logits.
            target, pred = np.where(kept, target, 0), np.where(kept[:, np.newaxis], pred, pred.dtype.type(1))
            weight = kept.astype(pred.dtype) if weight is None else np.where(kept, weight, pred.dtype.type(0))
        rows = np.empty(len(pred), pred.dtype)
        if self._in_numpy:
            self._function("call", "a value per row", False)([pred, target, weight], [rows])
            mean = _total(rows) / len(rows)
        else:
            kernel = self.logits_kernel if self.from_logits and self.logits_kernel else self.kernel
            operands = self.operands(pred, target, weight, lambda array: array.astype(pred.dtype))
            mean, _ = getattr(kernels, kernel)(*operands, rows_out=rows, **self.attributes())
        if self.reduction is None:
            return rows.reshape(shape)
        if self.reduction == "sum":
            return _total(rows)
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            return _quotient(_total(rows), _total(weight))
        return float(mean) if kept is None else _quotient(_total(rows), float(kept.sum()))

    def _as_rows(self, y_true: ArrayLike, y_pred: ArrayLike,
                 where: str) -> tuple[NDArray[Any], NDArray[Any], tuple[int, ...]]:
        """Return targets and outputs as (N, ...) and (N, O), and the shape that the N values have."""
        pred = _checks.as_float_array(y_pred, where, "y_pred", self.dtype)
        true = _checks._as_number_array(y_true, where, "y_true")
        if pred.ndim == 0:
            raise ValueError(f"{where}: y_pred must have at least 1 dimension, got a number")
        if not -pred.ndim <= self.axis < pred.ndim:
            raise ValueError(f"{where}: axis is {self.axis}, but y_pred has shape {pred.shape}")
        if self.axis % pred.ndim != pred.ndim - 1:
            if true.ndim == pred.ndim:
                true = np.moveaxis(true, self.axis, -1)
            pred = np.ascontiguousarray(np.moveaxis(pred, self.axis, -1))
        paired = self.target_kind == "dense" and self.target_width(pred.shape[-1], where) == pred.shape[-1]
        if paired and true.ndim == pred.ndim + 1 and true.shape[-1] == 1:  # Keras drops or adds such an axis
            true, pred = (true, pred[:, np.newaxis]) if pred.ndim == 1 else (true[..., 0], pred)
        elif paired and true.ndim == pred.ndim - 1 > 1 and pred.shape[-1] == 1:
            pred = pred[..., 0]
        if pred.ndim == 1:
            return true[np.newaxis], pred[np.newaxis], ()
        shape = pred.shape[:-1]
        if len(shape) > 1:
            if true.shape[: len(shape)] != shape:
                raise ValueError(f"{where}: y_true has shape {true.shape}, but y_pred has shape {pred.shape}")
            true = true.reshape(-1, *true.shape[len(shape) :])
        return true, pred.reshape(-1, pred.shape[-1]) if pred.size else pred[:0].reshape(0, 1), shape

    def check_target(
        self,
        y: ArrayLike,
        n_outputs: int,
        where: str,
        name: str = "y",
        n_rows: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Return targets as the kernel takes them: int64 ids (B,) or floats (B, O).

        Parameters
        ----------
        y : array_like
            Targets: class ids, shape (B,) or (B, 1); or dense values, shape (B, O), also (B,) where O is 1.
        n_outputs : int
            O, the model's outputs.
        where, name : str
            The function and the argument, for messages.
        n_rows : int, optional
            B, where it must be a certain number.
        dtype : dtype, optional
            The floats' dtype.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.losses.SparseCategoricalCrossentropy().check_target([0, 2], 3, "fit")
        array([0, 2])
        >>> nn.losses.MeanSquaredError().check_target([0, 2], 1, "fit").shape
        (2, 1)
        """
        if self.target_kind == "ids":
            if self.ignore_class is None:
                return _checks.as_class_ids(y, where, name, n_outputs, n_rows, self.hint)
            given = _checks._as_number_array(y, where, name)
            ignored = given == self.ignore_class
            ids = _checks.as_class_ids(np.where(ignored, 0, given), where, name, n_outputs, n_rows, self.hint)
            return np.where(ignored.reshape(-1), np.int64(self.ignore_class), ids)
        width = self.target_width(n_outputs, where)
        found = _checks.as_dense_target(y, width, where, name, n_rows, dtype, self.hint)
        low, high, wanted = self.target_range
        self._refuse_first((found < low) | (found > high), found, where, name, wanted)
        return found

    def _refuse_first(self, bad: NDArray[np.bool_], found: NDArray[Any], where: str, name: str, wanted: str) -> None:
        """Raise for the first element that is marked."""
        if bad.any():
            row, column = (int(i) for i in np.unravel_index(bad.argmax(), found.shape))
            what = "targets" if name != "y_pred" else "outputs"
            raise ValueError(f"{where}: {name} holds {found[row, column]:g} at row {row}, column {column}, but {what} "
                             f"of {type(self).__name__} are {wanted}")

    # ------------------------------------------------------------------ in a program
    def emit(
        self, program: Program, y_pred: int, target: int, sample_weight: int | None
    ) -> tuple[int, int, int]:
        """Append the loss and its gradient to `program`.

        Where the outputs come from the softmax or sigmoid that this loss inverts, the op takes the logits
        before it: the same value, but stable, and the gradient skips one op.

        Parameters
        ----------
        program : Program
            The program.
        y_pred, target, sample_weight : int
            Buffers; None for `sample_weight` means a weight of 1.

        Returns
        -------
        rows, dy, wrt : int
            Buffers: the rows' values (B,), a gradient (B, O), and which buffer it is the gradient of.
        """
        if self.reduction is None:
            raise ValueError(f"{type(self).__name__}: training needs a reduction, got reduction=None")
        if self.dtype is not None and self.dtype != program.dtype:
            raise ValueError(f"{type(self).__name__}: dtype is {self.dtype}, but the model computes in {program.dtype}")
        if self.axis not in (-1, 1):
            raise ValueError(f"{type(self).__name__}: a model's outputs are along axis -1, got axis={self.axis}")
        target, weight = self._emit_weights(program, target, sample_weight)
        if self._in_numpy:
            rows, dy = program.rows(None, role="loss"), program.like(y_pred)
            inputs = (y_pred, target, weight)
            custom.emit(program, self._function("call", "a value per row", False), inputs, (rows,))
            custom.emit(program, self._function("gradient", "a gradient", True), inputs, (dy,))
            return rows, dy, y_pred
        kernel = self.kernel
        wrt: int | None = y_pred
        producer = program.producer(y_pred)
        if self.logits_kernel is not None and self.from_logits:
            kernel = self.logits_kernel
        elif self.logits_kernel is not None and producer is not None and producer.kernel == self.link:
            kernel, wrt = self.logits_kernel, producer.inputs[0]
        assert wrt is not None  # only optional operands are None, and a first operand is never one
        rows = program.rows(None, role="loss")
        dy = program.like(wrt)
        operands = self.operands(wrt, target, weight, lambda array: program.constant(array.astype(program.dtype)))
        program.emit(kernel, operands, (rows, dy), **self.attributes())
        return rows, dy, wrt

    def _emit_weights(self, program: Program, target: int, sample_weight: int | None) -> tuple[int, int | None]:
        """Return the targets, and weights with which the mean over the batch is what the reduction wants."""
        reduction = {"sum": "sum", "mean_with_sample_weight": "mean_with_sample_weight"}.get(str(self.reduction), "mean")
        if self.ignore_class is None and (
                reduction == "mean" or (reduction == "mean_with_sample_weight" and sample_weight is None)):
            return target, sample_weight
        weights = program.rows(None)
        ids = None if self.ignore_class is None else program.rows(None, dtype=np.dtype(np.int64))
        inputs = (sample_weight, None if ids is None else target)
        ignored = {} if ids is None else {"ignore_class": self.ignore_class}
        program.emit("loss_weights", inputs, (weights, ids), reduction=reduction, **ignored)
        return target if ids is None else ids, weights

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        config = {"reduction": self.reduction, "name": self.name}
        return config if self.dtype is None else {**config, "dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Return the loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal loss."""
        return _names.representation(self)


def _total(rows: NDArray[Any]) -> float:
    # accumulate() adds one after the other by definition; sum() adds in an order that NumPy may change.
    return float(np.add.accumulate(rows, dtype=float)[-1])


def _quotient(total: float, divisor: float) -> float:
    return total / divisor if divisor else 0.0


def _weight_per_row(sample_weight: ArrayLike, shape: tuple[int, ...], where: str,
                    dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return weights (N,) for values of some shape: from one number, one per first axes, or one for each."""
    found = _checks.as_float_array(sample_weight, where, "sample_weight", dtype)
    if found.ndim == len(shape) + 1 and found.shape[-1] == 1:
        found = found[..., 0]
    if found.shape != shape[: found.ndim]:
        raise ValueError(
            f"{where}: sample_weight must hold one weight per row, shape {shape}, got shape {np.shape(sample_weight)}"
        )
    spread = found.reshape(found.shape + (1,) * (len(shape) - found.ndim))
    return np.array(np.broadcast_to(spread, shape), order="C").reshape(-1)


class LossFunctionWrapper(Loss):
    """A loss of functions of yours; ``compile(loss=(value, gradient))`` and ``compile(loss=value)`` make one.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred)`` returns a value per row, (B,), of arrays as in `Loss.call`. A string stands for the
        function of that name that a `LossFunctionWrapper` was made of before: so a saved model finds it again.
    reduction : str or None
        As in `Loss`.
    name : str, optional
        The loss's name; by default the function's.
    dtype : {"float32", "float64"}, optional
        As in `Loss`.
    gradient : callable or str, optional
        ``gradient(y_true, y_pred)`` returns the derivative of each row's value with respect to its outputs, (B, O),
        which `fit` needs: nothing here differentiates Python. Without it the loss can be evaluated.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> def fourth_power(y_true, y_pred):
    ...     return ((y_pred - y_true) ** 4).mean(axis=1)
    >>> def fourth_power_gradient(y_true, y_pred):
    ...     return 4 * (y_pred - y_true) ** 3 / y_pred.shape[1]
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile("sgd", loss=(fourth_power, fourth_power_gradient))
    >>> history = model.fit([[1.0], [0.5]], [1.0, 0.5], epochs=3, verbose=0)
    >>> nn.losses.get(fourth_power)([[1.0]], [[3.0]])
    16.0
    """

    functions: ClassVar[dict[str, LossFunction]] = {}

    def __init__(self, fn: LossFunction | str, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None, *, gradient: LossFunction | str | None = None) -> None:
        self.fn, self.fn_name = self._known(fn, "fn")
        self._gradient, self.gradient_name = (None, None) if gradient is None else self._known(gradient, "gradient")
        super().__init__(self.fn_name if name is None else name, reduction, dtype)

    def _known(self, function: Any, argument: str) -> tuple[LossFunction, str]:
        """Return a function and its name, from either."""
        if isinstance(function, str):
            if function not in self.functions:
                raise ValueError(f"no loss function {function!r} is known: give it to "
                                 "nncore.losses.LossFunctionWrapper first")
            return self.functions[function], function
        if not callable(function):
            raise TypeError(f"LossFunctionWrapper: {argument} must be a function, got {function!r}")
        name = getattr(function, "__name__", type(function).__name__)
        self.functions[name] = function
        return function, name

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return what the function returns."""
        result: ArrayLike = self.fn(y_true, y_pred)
        return result

    def gradient(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return what the gradient's function returns."""
        assert self._gradient is not None  # `check_trainable` was asked before
        result: ArrayLike = self._gradient(y_true, y_pred)
        return result

    def check_trainable(self, where: str) -> None:
        if self._gradient is None:
            raise NotImplementedError(
                f"{where}: loss {self.fn_name} is a function without its gradient, which training needs: compile with "
                "loss=(value, gradient), where gradient(y_true, y_pred) returns the derivative of each row's value, "
                "shape (B, O)"
            )

    def _title(self, method: str) -> str:
        return f"loss {self.fn_name if method == 'call' else self.gradient_name}"

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss, the functions by their names."""
        for name in (self.fn_name, self.gradient_name):
            if name == "<lambda>":
                raise ValueError("a loss that is a lambda cannot be saved, since it has no name: write it with def")
        return {"fn": self.fn_name, "gradient": self.gradient_name, **super().get_config()}

    def __repr__(self) -> str:
        """Return which functions it is of."""
        return f"LossFunctionWrapper({self.fn_name}, gradient={self.gradient_name})"


class _Plain(Loss):
    """A loss without arguments of its own."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)


# Between numbers --------------------------------------------------------------------------------------------


class MeanSquaredError(_Plain):
    """Mean of the squared differences of a row: ``mean((y_pred - y_true)**2)``.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanSquaredError()([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    kernel = default_name = "mean_squared_error"


class MeanAbsoluteError(_Plain):
    """Mean of the absolute differences of a row: ``mean(|y_pred - y_true|)``.

    Parameters as in `MeanSquaredError`. The gradient of a difference of 0 is 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanAbsoluteError()([1.0, 2.0], [1.0, 4.0])
    1.0
    """

    kernel = default_name = "mean_absolute_error"


class MeanAbsolutePercentageError(_Plain):
    """Mean difference in percent: ``100 * mean(|y_pred - y_true| / max(|y_true|, 1e-7))``.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanAbsolutePercentageError()([1.0, 2.0], [1.0, 4.0])
    50.0
    """

    kernel = default_name = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(_Plain):
    """Mean squared difference of logarithms: ``mean((log(1 + y_pred) - log(1 + y_true))**2)``.

    As in Keras both count at least 1e-7: below that there is no gradient. Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.MeanSquaredLogarithmicError()([0.0], [1.0]), 4)
    0.4805
    """

    kernel = default_name = "mean_squared_logarithmic_error"


class Huber(Loss):
    """Half the squared difference d up to `delta`, a straight line beyond: ``delta * |d| - delta**2 / 2``.

    Parameters
    ----------
    delta : float
        Where the square ends, above 0.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.Huber(delta=1.0)([0.0, 0.0], [0.5, 3.0])
    1.3125
    """

    kernel, default_name = "huber", "huber_loss"

    def __init__(self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = _checks.positive(delta, "Huber", "delta")

    def attributes(self) -> dict[str, Any]:
        return {"delta": self.delta}

    def get_config(self) -> dict[str, Any]:
        return {"delta": self.delta, **super().get_config()}


class LogCosh(_Plain):
    """Mean of ``log(cosh(y_pred - y_true))``: nearly half the square where small, the absolute value where large.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.LogCosh()([0.0], [1.0]), 4)
    0.4338
    """

    kernel = default_name = "log_cosh"


class QuantileLoss(Loss):
    """Pinball loss, whose minimum is a quantile of the targets; several quantiles are learned at once.

    With ``d = y_true - y_pred`` an output costs ``q * d`` where d is positive, else ``(q - 1) * d``; a row costs the
    mean over its outputs. Half the absolute error where q is 0.5.

    Parameters
    ----------
    quantiles : float or sequence of float
        Between 0 and 1. For Q of them a model has Q outputs for each of O targets: those of target 0 first, in the
        order of `quantiles`, so that ``y_pred.reshape(B, O, Q)`` tells them apart.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.QuantileLoss([0.25, 0.75])([[1.0]], [[0.0, 2.0]])
    0.25
    """

    kernel, default_name = "pinball", "quantile_loss"

    def __init__(self, quantiles: float | Sequence[float] = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        several = isinstance(quantiles, (Sequence, np.ndarray)) and not isinstance(quantiles, (str, bytes))
        found = [_checks.real(q, "QuantileLoss", "quantiles") for q in (quantiles if several else [quantiles])]  # type: ignore[union-attr, list-item]
        if not found or not all(0 < q < 1 for q in found):
            raise ValueError(f"QuantileLoss: quantiles must lie between 0 and 1, got {quantiles!r}")
        self.quantiles: float | list[float] = found if several else found[0]
        self._array = np.array(found)

    def operands(self, y_pred: Any, target: Any, weight: Any, constant: Callable[[NDArray[Any]], Any]) -> tuple[Any, ...]:
        return y_pred, target, constant(self._array), weight

    def target_width(self, n_outputs: int, where: str) -> int:
        if n_outputs % len(self._array):
            raise ValueError(f"{where}: QuantileLoss wants {len(self._array)} outputs for each target, one per quantile, "
                             f"got {n_outputs} outputs")
        return n_outputs // len(self._array)

    def get_config(self) -> dict[str, Any]:
        return {"quantiles": self.quantiles, **super().get_config()}


class Poisson(_Plain):
    """Negative log-likelihood of counts whose expectation is predicted: ``mean(y_pred - y_true * log(y_pred))``.

    As in Keras, 1e-7 is added to `y_pred` in the logarithm, and the constant ``log(y_true!)`` is left out. Outputs
    must not be negative: end with ``activation="exponential"`` or "softplus". Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.Poisson()([1.0], [2.0]), 4)
    1.3069
    """

    kernel = default_name = "poisson"
    target_range = (0.0, np.inf, "counts: not negative")

    def check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        self._refuse_first(y_pred < 0, y_pred, where, "y_pred", "expected counts: not negative")


class GaussianNLLLoss(Loss):
    """Negative log-likelihood of normal distributions: a model that also says how sure it is.

    For O targets a model has 2 * O outputs: the means m, then the variances v. A row costs the mean of
    ``(log(v) + (m - y_true)**2 / v) / 2`` over its targets, as PyTorch's loss of this name. Variances must not be
    negative: let "softplus" or "exponential" make them; a negative one gives nan, which ends `fit`.

    Parameters
    ----------
    full : bool
        Whether the constant ``log(2 * pi) / 2`` is added.
    eps : float
        The least variance. The gradient passes it, so that smaller variances can grow.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.GaussianNLLLoss()([[3.0]], [[1.0, 1.0]])
    2.0
    """

    kernel, default_name = "gaussian_nll", "gaussian_nll_loss"

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.full = _checks.boolean(full, "GaussianNLLLoss", "full")
        self.eps = _checks.positive(eps, "GaussianNLLLoss", "eps")

    def attributes(self) -> dict[str, Any]:
        return {"full": self.full, "eps": self.eps}

    def target_width(self, n_outputs: int, where: str) -> int:
        if n_outputs % 2:
            raise ValueError(f"{where}: GaussianNLLLoss wants two outputs for each target, means and then variances, "
                             f"got {n_outputs} outputs")
        return n_outputs // 2

    def check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        variances = y_pred.copy()
        variances[:, : y_pred.shape[1] // 2] = 0
        self._refuse_first(variances < 0, y_pred, where, "y_pred", "means, then variances: these not negative")

    def get_config(self) -> dict[str, Any]:
        return {"full": self.full, "eps": self.eps, **super().get_config()}


class CosineSimilarity(Loss):
    """Negative cosine of the angle between target and output: -1 where they point the same way, 1 opposite.

    As in Keras a norm counts at least 1e-7. The value is of a row, not a mean over its outputs.

    Parameters
    ----------
    axis : int
        The axis of the vectors; in a model the last one.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), 4)
    -0.5
    """

    kernel = default_name = "cosine_similarity"

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = _axis(axis, "CosineSimilarity")

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis, **super().get_config()}


def _axis(axis: Any, where: str) -> int:
    return _checks.integer(axis, where, "axis", low=-64, high=63)


# Between probabilities --------------------------------------------------------------------------------------


class _CrossEntropy(Loss):
    """A loss between probabilities that can also take them as logits."""

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        where = type(self).__name__
        self.from_logits = _checks.boolean(from_logits, where, "from_logits")
        self.label_smoothing = _checks.real(label_smoothing, where, "label_smoothing", 0, 1)
        self.axis = _axis(axis, where)

    def attributes(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": self.axis,
                **super().get_config()}


class _OfClasses(_CrossEntropy):
    """A cross-entropy of one-hot or soft targets (B, C)."""

    hint = "; class ids go with SparseCategoricalCrossentropy"
    target_range = (0.0, np.inf, "weights of the classes: not negative")
    link = "softmax"

    def check_target(self, y: ArrayLike, n_outputs: int, where: str, name: str = "y", n_rows: int | None = None,
                     dtype: DTypeLike | None = None) -> NDArray[Any]:
        found = super().check_target(y, n_outputs, where, name, n_rows, dtype)
        if n_outputs == 1:  # Keras's warning
            warnings.warn(f"{where}: {type(self).__name__} of one output is 0 whatever that is: with two classes take "
                          "two outputs, or BinaryCrossentropy", SyntaxWarning, stacklevel=3)
        return found


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy between class ids (B,) and the probabilities (B, C) of the classes.

    For row b it is ``-log(y_pred[b, y_true[b]])``.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logits, to which the softmax is still to be applied.
    ignore_class : int, optional
        A class id whose rows do not count, which may be none of 0 ... C-1, such as -1: they have no value and no
        gradient, and a mean is that over the others.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    axis : int
        The axis of the classes; in a model the last one.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(loss([1], [[0.0, 0.0]]), 4)
    0.6931
    """

    default_name = "sparse_categorical_crossentropy"
    target_kind = "ids"
    hint = "; one-hot targets go with CategoricalCrossentropy"
    kernel, logits_kernel, link = "categorical_cross_entropy", "softmax_cross_entropy", "softmax"

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: str | None = "sum_over_batch_size", axis: int = -1, name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        where = type(self).__name__
        self.from_logits = _checks.boolean(from_logits, where, "from_logits")
        self.ignore_class = None if ignore_class is None else _checks.integer(
            ignore_class, where, "ignore_class", low=-(2**53), high=2**53)
        self.axis = _axis(axis, where)

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "ignore_class": self.ignore_class, "axis": self.axis,
                **super().get_config()}


class CategoricalCrossentropy(_OfClasses):
    """Cross-entropy between one-hot or soft targets (B, C) and probabilities (B, C).

    For each row it is ``-sum(y_true * log(y_pred))``.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logits, to which the softmax is still to be applied.
    label_smoothing : float
        From 0 to 1: targets become ``y_true * (1 - label_smoothing) + label_smoothing / C``.
    axis : int
        The axis of the classes; in a model the last one.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    default_name = "categorical_crossentropy"
    kernel, logits_kernel = "categorical_cross_entropy", "softmax_cross_entropy"


class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs (B, O): the mean of ``-(t log y + (1 - t) log(1 - y))``.

    Parameters as in `CategoricalCrossentropy`; the logits' function is the sigmoid, and smoothed targets are
    ``y_true * (1 - label_smoothing) + label_smoothing / 2``.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]), 4)
    0.6931
    """

    default_name = "binary_crossentropy"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")
    kernel, logits_kernel, link = "binary_cross_entropy", "sigmoid_binary_cross_entropy", "sigmoid_forward"


class BinaryFocalCrossentropy(_CrossEntropy):
    """Binary cross-entropy in which what is already right counts less: each element times ``f**gamma``.

    Here f is the probability that was given to the other side, ``t * (1 - y) + (1 - t) * y`` (Lin et al. 2017,
    "Focal Loss for Dense Object Detection").

    Parameters
    ----------
    apply_class_balancing : bool
        Whether elements are multiplied by ``t * alpha + (1 - t) * (1 - alpha)``.
    alpha : float
        The weight of ones in that, from 0 to 1.
    gamma : float
        How much less; with 0 all count alike.
    from_logits, label_smoothing, axis, reduction, name, dtype
        As in `BinaryCrossentropy`. Logits are never clipped, in Keras their sigmoid is.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.BinaryFocalCrossentropy()([[1.0, 0.0]], [[0.5, 0.1]]), 4)
    0.0872
    """

    default_name = "binary_focal_crossentropy"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")
    kernel, logits_kernel, link = "binary_focal_cross_entropy", "sigmoid_focal_cross_entropy", "sigmoid_forward"

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        where = type(self).__name__
        self.apply_class_balancing = _checks.boolean(apply_class_balancing, where, "apply_class_balancing")
        self.alpha = _checks.real(alpha, where, "alpha", 0, 1)
        self.gamma = _checks.real(gamma, where, "gamma", 0)

    def attributes(self) -> dict[str, Any]:
        return {"apply_class_balancing": self.apply_class_balancing, "alpha": self.alpha, "gamma": self.gamma,
                "label_smoothing": self.label_smoothing}

    def get_config(self) -> dict[str, Any]:
        return {"apply_class_balancing": self.apply_class_balancing, "alpha": self.alpha, "gamma": self.gamma,
                **super().get_config()}


class CategoricalFocalCrossentropy(_OfClasses):
    """Cross-entropy in which what is already right counts less: ``-sum(alpha * t * (1 - y)**gamma * log(y))``.

    Parameters
    ----------
    alpha : float or sequence of float
        The weight of all classes, or one for each of the C classes.
    gamma : float
        How much less; with 0 all count alike.
    from_logits, label_smoothing, axis, reduction, name, dtype
        As in `CategoricalCrossentropy`. Logits are never clipped, in Keras their softmax is.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.0433
    """

    default_name = "categorical_focal_crossentropy"
    kernel, logits_kernel = "categorical_focal_cross_entropy", "softmax_focal_cross_entropy"

    def __init__(self, alpha: float | Sequence[float] = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        where = type(self).__name__
        several = isinstance(alpha, (Sequence, np.ndarray)) and not isinstance(alpha, (str, bytes))
        found = [_checks.real(value, where, "alpha", 0) for value in (alpha if several else [alpha])]  # type: ignore[union-attr, list-item]
        self.alpha: float | list[float] = found if several else found[0]
        self.gamma = _checks.real(gamma, where, "gamma", 0)

    def attributes(self) -> dict[str, Any]:
        alpha = 1.0 if isinstance(self.alpha, list) else self.alpha
        return {"alpha": alpha, "gamma": self.gamma, "label_smoothing": self.label_smoothing}

    def operands(self, y_pred: Any, target: Any, weight: Any, constant: Callable[[NDArray[Any]], Any]) -> tuple[Any, ...]:
        alpha = constant(np.array(self.alpha)) if isinstance(self.alpha, list) else None
        return y_pred, target, weight, alpha

    def target_width(self, n_outputs: int, where: str) -> int:
        if isinstance(self.alpha, list) and len(self.alpha) != n_outputs:
            raise ValueError(f"{where}: alpha of CategoricalFocalCrossentropy must be a number or one per class, "
                             f"{n_outputs} of them, got {len(self.alpha)}")
        return n_outputs

    def get_config(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "gamma": self.gamma, **super().get_config()}


class KLDivergence(_Plain):
    """Kullback-Leibler divergence of distributions (B, C): ``sum(y_true * log(y_true / y_pred))`` of a row.

    As in Keras both are clipped to [1e-7, 1]. Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.KLDivergence()([[0.25, 0.75]], [[0.5, 0.5]]), 4)
    0.1308
    """

    kernel = default_name = "kl_divergence"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")


# Between sides ----------------------------------------------------------------------------------------------


class _Margin(_Plain):
    """A loss whose targets are -1 and 1, or 0 and 1."""

    def check_target(self, y: ArrayLike, n_outputs: int, where: str, name: str = "y", n_rows: int | None = None,
                     dtype: DTypeLike | None = None) -> NDArray[Any]:
        found = super().check_target(y, n_outputs, where, name, n_rows, dtype)
        low = -1.0 if (found < 0).any() else 0.0
        self._refuse_first((found != low) & (found != 1) & (found == found), found, where, name,
                           f"{low:g} and 1" + (" (others are negative: not 0 and 1)" if low else ", or -1 and 1"))
        return found


class Hinge(_Margin):
    """Hinge loss of targets -1 and 1: ``mean(max(1 - y_true * y_pred, 0))``; targets 0 and 1 are taken for them.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.Hinge()([[0.0, 1.0]], [[-0.5, 3.0]])
    0.25
    """

    kernel = default_name = "hinge"


class SquaredHinge(_Margin):
    """Square of the hinge loss: ``mean(max(1 - y_true * y_pred, 0)**2)``.

    Targets as of `Hinge`, parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.SquaredHinge()([[0.0, 1.0]], [[-0.5, 3.0]])
    0.125
    """

    kernel = default_name = "squared_hinge"


class PerceptronLoss(_Margin):
    """Loss of the perceptron: ``mean(max(-y_true * y_pred, 0))``, so that only what is wrong teaches.

    With SGD, a batch of one row and no momentum it is Rosenblatt's rule; an output of 0 counts as wrong, so that it
    also starts from weights of 0. Targets as of `Hinge`, parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.PerceptronLoss()([[-1.0, 1.0]], [[0.5, 3.0]])
    0.25
    """

    kernel, default_name = "perceptron", "perceptron_loss"


class CategoricalHinge(_Plain):
    """Hinge loss of one-hot targets: ``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)``.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.CategoricalHinge()([[1.0, 0.0, 0.0]], [[0.5, 1.0, 0.0]])
    1.5
    """

    kernel = default_name = "categorical_hinge"
    hint = "; class ids have to be one-hot here"
    target_range = (0.0, 1.0, "one-hot: 0 and 1")


_NAMES: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "kl_divergence": KLDivergence,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "quantile": QuantileLoss,
    "poisson": Poisson,
    "gaussian_nll": GaussianNLLLoss,
    "cosine_similarity": CosineSimilarity,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
    "perceptron": PerceptronLoss,
}
_SHORT: dict[str, type[Loss]] = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
_NAMES |= {**_SHORT, **{name.upper(): cls for name, cls in _SHORT.items()}, "logcosh": LogCosh, "pinball": QuantileLoss}
_NAMES |= {cls.__name__: cls for cls in tuple(_NAMES.values())}


def get(identifier: object) -> Loss:
    """Return the loss of a name ("mse", "MeanSquaredError"), class, serialized form, object or function.

    A function ``value(y_true, y_pred)``, or a tuple of it and its gradient, becomes a `LossFunctionWrapper`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.get("mse")
    MeanSquaredError(reduction='sum_over_batch_size', name='mean_squared_error')
    >>> nn.losses.get((lambda y_true, y_pred: abs(y_pred)[:, 0], lambda y_true, y_pred: 2 * (y_pred > 0) - 1))
    LossFunctionWrapper(<lambda>, gradient=<lambda>)
    """
    if is_pair(identifier):
        value, gradient = identifier  # type: ignore[misc]
        return LossFunctionWrapper(value, gradient=gradient)
    if _is_function(identifier):
        return LossFunctionWrapper(identifier)  # type: ignore[arg-type]
    return _names.resolve("loss", identifier, Loss, {**Loss.kinds, **_NAMES})


def _is_function(thing: object) -> bool:
    return callable(thing) and not isinstance(thing, (type, Loss))


def is_pair(thing: object) -> bool:
    """Return whether this is a loss as two functions: its value and its gradient.

    Examples
    --------
    >>> is_pair((abs, abs)), is_pair(["mse", "mse"])
    (True, False)
    """
    return isinstance(thing, tuple) and len(thing) == 2 and all(map(_is_function, thing))


def serialize(loss: Loss) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal loss.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.serialize(nn.losses.MeanSquaredError())["class_name"]
    'MeanSquaredError'
    """
    return _names.serialize(loss)


def class_weights_of(class_weight: Mapping[Any, Any] | str, targets: ArrayLike, where: str = "fit",
                     name: str = "y") -> NDArray[np.float64]:
    """Return a weight per row from weights per class.

    Parameters
    ----------
    class_weight : mapping of int to float, or "balanced"
        The weight of each class; a class that is missing has a weight of 1, as in Keras. "balanced" gives every
        class of the targets the same total weight, as in scikit-learn: ``B / (classes * rows of the class)``.
    targets : array_like
        Class ids (B,) or (B, 1), as they are: also -1 and 1. Or one-hot or soft targets (B, C), where the class is
        that of the largest element.
    where, name : str
        The function and the argument that the targets came in, for messages.

    Returns
    -------
    ndarray of float64, shape (B,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.class_weights_of({0: 1.0, 1: 5.0}, [0, 1, 2])
    array([1., 5., 1.])
    >>> nn.losses.class_weights_of("balanced", [[1, 0], [1, 0], [1, 0], [0, 1]])
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    found = _checks._as_number_array(targets, where, name)
    if found.ndim == 2 and found.shape[1] > 1:
        found = found.argmax(axis=1)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise ValueError(f"{where}: class_weight wants class ids (B,) or one-hot targets (B, C), but {name} has shape "
                         f"{found.shape}")
    whole = np.isfinite(found) & (np.trunc(found) == found)
    if not whole.all():
        row = int(whole.argmin())
        raise ValueError(f"{where}: class_weight wants class ids, but {name}[{row}] is {found[row]:g}")
    ids, places = np.unique(found.astype(np.int64), return_inverse=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"{where}: class_weight must be a dict or 'balanced', got {class_weight!r}")
        weights = len(found) / (len(ids) * np.bincount(places)) if len(found) else np.ones(0)
        return np.asarray(weights[places], np.float64)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"{where}: class_weight must be a dict from class ids to weights or 'balanced', got "
                        f"{class_weight!r}")
    of_class = {}
    for key, value in class_weight.items():
        try:
            number = int(key)
            if isinstance(key, float) and number != key:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{where}: class_weight must have class ids as keys, got {key!r}") from None
        of_class[number] = _checks.real(value, where, f"class_weight[{key!r}]", 0)
    return np.array([of_class.get(int(number), 1.0) for number in ids], np.float64)[places]
