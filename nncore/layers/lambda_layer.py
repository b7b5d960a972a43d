"""A function as a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks
from nncore.custom import UserFunction
from nncore.layers.base import Layer, Shape
from nncore.layers.merging import _title

__all__ = ["Lambda"]


class Lambda(Layer):
    """A layer without weights that a NumPy function computes.

    It runs in Python, as every layer in NumPy; a layer with weights is a class derived from `Layer`.

    Parameters
    ----------
    function : callable
        ``function(x, **arguments)``: takes the rows (B, ...), or a list of them for several inputs, and returns rows.
    output_shape : tuple of int or callable, optional
        The shape of a row that it returns, without the batch; or a function of the input's shape ``(None, ...)`` that
        returns ``(None, ...)``. By default the function is tried on zeros.
    gradient : callable, optional
        ``gradient(x, y, dy, **arguments)``: the gradient of the loss with respect to x, of its shape (a list where it
        was one). Training needs it where trained layers come before this one.
    arguments : dict, optional
        More arguments for both.
    name, dtype : optional
        As of every layer.

    Notes
    -----
    A model file holds no Python code: a model with a `Lambda` cannot be saved. Derive a class from `Layer` instead.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> square = nn.layers.Lambda(lambda x: x**2, gradient=lambda x, y, dy: 2 * x * dy)
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3), square, nn.layers.Dense(1)])
    >>> nn.layers.Lambda(lambda x: x.sum(axis=1, keepdims=True))([[1.0, 2.0]])
    array([[3.]], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., ArrayLike],
        output_shape: Sequence[int] | Callable[[Any], Sequence[int | None]] | None = None,
        gradient: Callable[..., Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        for what, value in (("function", function), ("gradient", gradient)):
            if not callable(value) and not (what == "gradient" and value is None):
                raise TypeError(f"Lambda: {what} must be callable, got {value!r}")
        if output_shape is not None and not callable(output_shape):
            if isinstance(output_shape, (str, bytes)) or not isinstance(output_shape, Sequence) or not output_shape:
                raise TypeError(f"Lambda: output_shape must be a tuple of integers or callable, got {output_shape!r}")
            output_shape = tuple(_checks.integer(size, "Lambda", "output_shape", low=1) for size in output_shape)
        self.function, self.output_shape, self.gradient = function, output_shape, gradient
        self.arguments = dict(arguments or {})

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the given shape, or that of the function's result for two rows of zeros."""
        if callable(self.output_shape):
            return tuple(self.output_shape(input_shape))
        if self.output_shape is not None:
            return (None, *self.output_shape)
        listed = isinstance(input_shape, list)
        zeros = [np.zeros((2, *shape[1:]), self.dtype) for shape in (input_shape if listed else [input_shape])]
        try:
            with np.errstate(all="ignore"):
                shape = np.shape(self.call(zeros if listed else zeros[0]))
        except Exception as error:
            raise ValueError(f"{_title(self)}: cannot tell the shape of the function's result, as it raised "
                             f"{type(error).__name__} on zeros: give output_shape") from error
        if len(shape) < 2 or shape[0] != 2:
            raise ValueError(f"{_title(self)}: the function must return rows (B, ...), but returned shape {shape} for "
                             "two rows")
        return (None, *shape[1:])

    def call(self, x: Any) -> ArrayLike:
        """Return the function's result."""
        return self.function(x, **self.arguments)

    def backward(self, x: Any, y: NDArray[Any], dy: NDArray[Any]) -> Any:
        """Return the gradient function's result."""
        assert self.gradient is not None  # `_gradient` saw to that
        return self.gradient(x, y, dy, **self.arguments)

    def _gradient(self, n_inputs: int, several: bool) -> UserFunction:
        if self.gradient is None:
            raise NotImplementedError(f"{_title(self)} has no gradient(x, y, dy), which training needs")
        return super()._gradient(n_inputs, several)

    def get_config(self) -> dict[str, Any]:
        """Refuse: a file holds no Python."""
        raise ValueError(f"{_title(self)}: a Lambda cannot be saved, as a file holds no Python: write a class derived "
                         "from nncore.layers.Layer")

    def __repr__(self) -> str:
        """Return the layer with its function."""
        return f"Lambda({getattr(self.function, '__name__', self.function)})"
