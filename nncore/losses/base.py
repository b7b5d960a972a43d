"""What every loss is: a function on arrays, a check of targets, and the op that it adds to a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, _names, custom, kernels

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = ["Loss"]

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None)
Operands = tuple[Any, ...]
Constant = Callable[[NDArray[Any]], Any]


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
        if isinstance(reduction, str) and reduction == "none":
            reduction = None
        self.reduction = _checks.one_of(reduction, _REDUCTIONS, where, "reduction")
        self.name = (self.default_name or where) if name is None else name
        self.dtype = None if dtype is None else _checks.float_dtype(dtype, where)

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        _names.register(Loss.kinds, cls)

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
    def _attributes(self) -> dict[str, Any]:
        """Return the kernel's scalars that are not its defaults."""
        return {}

    def _operands(self, y_pred: Any, target: Any, weight: Any, constant: Constant) -> Operands:
        """Return the kernel's inputs; `constant` makes one of an array that the loss brings."""
        return y_pred, target, weight

    def _target_width(self, n_outputs: int, where: str) -> int:
        """Return how many targets a row has for so many outputs."""
        return n_outputs

    def _check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
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
        self._check_prediction(pred, where)
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
            operands = self._operands(pred, target, weight, lambda array: array.astype(pred.dtype))
            mean, _ = getattr(kernels, kernel)(*operands, rows_out=rows, **self._attributes())
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
        paired = self.target_kind == "dense" and self._target_width(pred.shape[-1], where) == pred.shape[-1]
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
        width = self._target_width(n_outputs, where)
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
        operands = self._operands(wrt, target, weight, lambda array: program.constant(array.astype(program.dtype)))
        program.emit(kernel, operands, (rows, dy), **self._attributes())
        return rows, dy, wrt

    def _emit_weights(self, program: Program, target: int, sample_weight: int | None) -> tuple[int, int | None]:
        """Return the targets, and weights with which the mean over the batch is what the reduction wants."""
        reduction = "mean" if self.reduction == "sum_over_batch_size" else self.reduction
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


class Plain(Loss):
    """A loss without arguments of its own."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)


def axis_number(axis: Any, where: str) -> int:
    """Return an axis; whether arrays have it shows later."""
    return _checks.integer(axis, where, "axis", low=-64, high=63)


def numbers(value: Any, where: str, name: str, low: float, high: float = np.inf) -> float | list[float]:
    """Return one number or a list of numbers, as it came."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        return [_checks.real(item, where, name, low, high) for item in value]
    return _checks.real(value, where, name, low, high)
