"""Losses, with Keras 3's names and meanings.

A loss is three things: a function on arrays (``loss(y_true, y_pred)``), a check of the targets that `fit` is
given, and the op that it adds to a program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, _names, custom, kernels

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
    "serialize",
]

_REDUCTIONS = ("sum_over_batch_size", "sum", None)


class Loss:
    """Base of the losses, also of those that you write in NumPy.

    A loss in NumPy defines `call` and, to train with it, `gradient`; with ``target_kind = "ids"`` it takes
    class ids. `load_model` finds it by its class's name once the class is defined.

    A native loss sets `kernel`; where a kernel on logits exists that is exact for outputs of 0 and 1, also
    `logits_kernel` and the kernel (`link`) that turns those logits into the outputs.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", None}
        What ``loss(y_true, y_pred)`` makes of the values of the rows: their mean, their sum, or nothing.
        `fit` minimizes the mean.
    name : str, optional
        The loss's name.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class LogCosh(nn.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return np.log(np.cosh(y_pred - y_true)).mean(axis=1)
    ...     def gradient(self, y_true, y_pred):
    ...         return np.tanh(y_pred - y_true) / y_pred.shape[1]
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile(nn.optimizers.SGD(0.5), LogCosh())
    >>> history = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=200, verbose=0)
    >>> history.history["loss"][-1] < 1e-3
    True
    """

    kinds: ClassVar[dict[str, type[Loss]]] = {}
    target_kind: ClassVar[Literal["ids", "dense"]] = "dense"
    kernel: ClassVar[str]
    logits_kernel: ClassVar[str | None] = None
    link: ClassVar[str | None] = None
    hint: ClassVar[str] = ""
    target_range: ClassVar[tuple[float, float, str]] = (-np.inf, np.inf, "any numbers")
    from_logits: bool = False

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None) -> None:
        where = type(self).__name__
        if reduction == "none":
            reduction = None
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{where}: reduction must be 'sum_over_batch_size', 'sum' or None, got {reduction!r}"
            )
        self.reduction = reduction
        self.name = where if name is None else name

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
        return custom.UserFunction(f"loss {type(self).__name__}.{method}",
                                   lambda y_pred, y_true: (own(y_true, y_pred),), (result,), 2, finish)

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float | NDArray[np.floating]:
        """Return the loss.

        Parameters
        ----------
        y_true : array_like
            Targets: class ids (B,) or dense values (B, O).
        y_pred : array_like
            Outputs (B, O); (O,) is one row.
        sample_weight : array_like, optional
            A weight per row, (B,).

        Returns
        -------
        float or ndarray
            The reduced loss; with ``reduction=None`` an array (B,).

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
        pred = _checks.as_float_array(y_pred, where, "y_pred")
        if pred.ndim == 1:
            pred, y_true = pred[np.newaxis], np.asarray(y_true)[np.newaxis]
        pred = _checks.as_float_array(pred, where, "y_pred", ndim=2)
        if len(pred) == 0:
            raise ValueError(f"{where}: y_pred has no rows")
        target = self.check_target(
            y_true, pred.shape[1], where, name="y_true", n_rows=len(pred), dtype=pred.dtype
        )
        weight = (
            None
            if sample_weight is None
            else _checks.as_sample_weight(sample_weight, len(pred), where, pred.dtype)
        )
        rows = np.empty(len(pred), pred.dtype)
        if self._in_numpy:
            self._function("call", "a value per row", False)([pred, target, weight], [rows])
            loss = float(np.add.accumulate(rows, dtype=float)[-1]) / len(rows)
        else:
            kernel = self.logits_kernel if self.from_logits and self.logits_kernel else self.kernel
            loss, _ = getattr(kernels, kernel)(pred, target, weight, rows_out=rows)
        if self.reduction is None:
            return rows
        # accumulate() adds one after the other by definition; sum() adds in an order that NumPy may change.
        return (
            float(loss)
            if self.reduction == "sum_over_batch_size"
            else float(np.add.accumulate(rows, dtype=float)[-1])
        )

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
            return _checks.as_class_ids(y, where, name, n_outputs, n_rows, self.hint)
        found = _checks.as_dense_target(y, n_outputs, where, name, n_rows, dtype, self.hint)
        low, high, wanted = self.target_range
        outside = (found < low) | (found > high)
        if outside.any():
            row, column = (int(i) for i in np.unravel_index(outside.argmax(), found.shape))
            raise ValueError(
                f"{where}: {name} holds {found[row, column]:g} at row {row}, column {column}, but targets of "
                f"{type(self).__name__} are {wanted}"
            )
        return found

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
        if self.reduction != "sum_over_batch_size":
            raise ValueError(
                f"{type(self).__name__}: training needs reduction='sum_over_batch_size', got {self.reduction!r}"
            )
        if self._in_numpy:
            rows, dy = program.rows(None, role="loss"), program.rows(program.width(y_pred), role="gradient")
            inputs = (y_pred, target, sample_weight)
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
        dy = program.rows(program.width(wrt), role="gradient")
        program.emit(kernel, (wrt, target, sample_weight), (rows, dy))
        return rows, dy, wrt

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Return the loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal loss."""
        return _names.representation(self)


class _CrossEntropy(Loss):
    """A loss between probabilities that can also take them as logits."""

    _name: ClassVar[str]

    def __init__(
        self,
        from_logits: bool = False,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, self._name if name is None else name)
        self.from_logits = _checks.boolean(from_logits, type(self).__name__, "from_logits")

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, **super().get_config()}


class SparseCategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy between class ids (B,) and the probabilities (B, C) of the classes.

    For row b it is ``-log(y_pred[b, y_true[b]])``.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logits, to which the softmax is still to be applied.
    reduction : {"sum_over_batch_size", "sum", None}
        See `Loss`.
    name : str, optional
        The loss's name.

    Examples
    --------
    >>> import nncore as nn
    >>> loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(loss([1], [[0.0, 0.0]]), 4)
    0.6931
    """

    _name = "sparse_categorical_crossentropy"
    target_kind = "ids"
    hint = "; one-hot targets go with CategoricalCrossentropy"
    kernel, logits_kernel, link = "categorical_cross_entropy", "softmax_cross_entropy", "softmax"


class CategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy between one-hot or soft targets (B, C) and probabilities (B, C).

    For each row it is ``-sum(y_true * log(y_pred))``. Parameters as in `SparseCategoricalCrossentropy`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    _name = "categorical_crossentropy"
    hint = "; class ids go with SparseCategoricalCrossentropy"
    target_range = (0.0, np.inf, "weights of the classes: not negative")
    kernel, logits_kernel, link = "categorical_cross_entropy", "softmax_cross_entropy", "softmax"


class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs (B, O): the mean of ``-(t log y + (1 - t) log(1 - y))``.

    Parameters as in `SparseCategoricalCrossentropy`; the logits' function is the sigmoid.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]), 4)
    0.6931
    """

    _name = "binary_crossentropy"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")
    kernel, logits_kernel, link = "binary_cross_entropy", "sigmoid_binary_cross_entropy", "sigmoid_forward"


class MeanSquaredError(Loss):
    """Mean of the squared differences of a row: ``mean((y_pred - y_true)**2)``.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", None}
        See `Loss`.
    name : str
        The loss's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanSquaredError()([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    kernel = "mean_squared_error"

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        super().__init__(reduction, name)


_NAMES: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
}
_NAMES |= {cls.__name__: cls for cls in tuple(_NAMES.values())}


def get(identifier: object) -> Loss:
    """Return the loss of a name ("mse", "MeanSquaredError"), class, serialized form or object.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.get("mse")
    MeanSquaredError(reduction='sum_over_batch_size', name='mean_squared_error')
    """
    return _names.resolve("loss", identifier, Loss, {**Loss.kinds, **_NAMES})


def serialize(loss: Loss) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal loss.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.serialize(nn.losses.MeanSquaredError())["class_name"]
    'MeanSquaredError'
    """
    return _names.serialize(loss)
