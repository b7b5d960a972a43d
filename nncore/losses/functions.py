"""A user's functions as a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore.losses.base import Loss

__all__ = ["LossFunctionWrapper"]

LossFunction = Callable[[NDArray[Any], NDArray[Any]], Any]


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
        self._gradient: LossFunction | None = None
        self.gradient_name: str | None = None
        if gradient is not None:
            self._gradient, self.gradient_name = self._known(gradient, "gradient")
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
        """Refuse to train without a gradient."""
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


def is_function(thing: object) -> bool:
    """Return whether this is a function, and no loss."""
    return callable(thing) and not isinstance(thing, (type, Loss))


def is_pair(thing: object) -> bool:
    """Return whether this is a loss as two functions: its value and its gradient.

    Examples
    --------
    >>> is_pair((abs, abs)), is_pair(["mse", "mse"])
    (True, False)
    """
    return isinstance(thing, tuple) and len(thing) == 2 and all(map(is_function, thing))
