"""Layers that bring several inputs together: elementwise, side by side, as scalar products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from numpy.typing import DTypeLike

from nncore import _checks
from nncore._core import core
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


def _title(layer: Layer) -> str:
    """Return what messages call a layer."""
    return f"layer {layer.name!r}" if layer.name else type(layer).__name__


def _op(program: Program, kernel: str, inputs: tuple[int, ...], shape: tuple[int, ...], **attributes: Any) -> int:
    """Append an op with one output of a shape, in the dtype of its first input; return the output."""
    y = program.rows(shape, dtype=program.buffers[inputs[0]].dtype)
    program.emit(kernel, inputs, (y,), **attributes)
    return y


class _Merging(Layer):
    """What these layers share: a list of inputs."""

    def _shapes(self, input_shape: Any) -> list[Shape]:
        """Return the inputs' shapes without the batch, or raise where there is no list of them."""
        if not isinstance(input_shape, list) or not input_shape:
            raise ValueError(f"{_title(self)}: wants a list of inputs, got {input_shape}")
        return [tuple(shape[1:]) for shape in input_shape]


class _Elementwise(_Merging):
    """A merge of inputs element by element; axes of length 1, and missing ones at the front, are repeated."""

    kernel: ClassVar[str]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape that all inputs are brought to."""
        shapes = self._shapes(input_shape)
        rank = max(map(len, shapes))
        sizes = []
        for of_axis in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
            wanted = {size for size in of_axis if size != 1}
            if len(wanted) > 1:
                raise ValueError(f"{_title(self)}: inputs have shapes {input_shape}, which do not go together")
            sizes.append(wanted.pop() if wanted else 1)
        return (None, *sizes)

    def emit(self, program: Program, x: Any) -> int:
        """Append the merge, so many inputs at a time as an op takes."""
        shape = self.compute_output_shape([(None, *program.buffers[number].shape) for number in x])[1:]
        first, *rest = (_broadcast(program, number, shape) for number in x)
        while rest:
            y = program.like(first, "activation")
            program.emit(self.kernel, (first, *rest[: core.MOST_MERGED - 1]), (y,))
            first, rest = y, rest[core.MOST_MERGED - 1 :]
        return first


def _broadcast(program: Program, x: int, shape: Sequence[int | None]) -> int:
    """Return a buffer of a shape that holds x, repeated along axes of length 1."""
    own = program.buffers[x].shape
    if own == tuple(shape):
        return x
    own = (1,) * (len(shape) - len(own)) + own
    x = _op(program, "reshape_forward", (x,), own)
    for axis, (size, wanted) in enumerate(zip(own, shape, strict=True)):
        if size != wanted:
            assert wanted is not None
            own = (*own[:axis], wanted, *own[axis + 1 :])
            x = _op(program, "repeat_forward", (x,), own, axis=axis + 1, repeats=wanted)
    return x


class Add(_Elementwise):
    """Sum of a list of inputs, element by element.

    Inputs of one shape; axes of length 1, and missing ones at the front, are repeated.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.Input((3,))
    >>> block = nn.layers.Dense(3, "relu")(x)
    >>> nn.layers.Add()([x, block]).shape
    (None, 3)
    """

    kernel = "add_forward"


class Subtract(_Elementwise):
    """Difference of two inputs, element by element: the first minus the second.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> nn.layers.Subtract()([np.array([[5.0, 7.0]]), np.array([[1.0, 2.0]])])
    array([[4., 5.]], dtype=float32)
    """

    kernel = "subtract_forward"

    def _shapes(self, input_shape: Any) -> list[Shape]:
        found = super()._shapes(input_shape)
        if len(found) != 2:
            raise ValueError(f"{_title(self)}: wants a list of two inputs, got {len(found)}")
        return found


class Multiply(_Elementwise):
    """Product of a list of inputs, element by element.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> gate, values = np.array([[0.5]]), np.array([[2.0, 4.0]])
    >>> nn.layers.Multiply()([gate, values])
    array([[1., 2.]], dtype=float32)
    """

    kernel = "multiply_forward"


class Average(_Elementwise):
    """Mean of a list of inputs, element by element.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> nn.layers.Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])])
    array([[2., 4.]], dtype=float32)
    """

    kernel = "add_forward"

    def emit(self, program: Program, x: Any) -> int:
        """Append the sum, and its product with the share of one input."""
        total = super().emit(program, x)
        return _op(program, "scale_forward", (total,), program.buffers[total].shape, scale=1 / len(x))


class Maximum(_Elementwise):
    """Maximum of a list of inputs, element by element; of equal ones the first gets the gradient.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> nn.layers.Maximum()([np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])])
    array([[3., 5.]], dtype=float32)
    """

    kernel = "maximum_forward"


class Minimum(_Elementwise):
    """Minimum of a list of inputs, element by element; of equal ones the first gets the gradient.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> nn.layers.Minimum()([np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])])
    array([[1., 4.]], dtype=float32)
    """

    kernel = "minimum_forward"


class Concatenate(_Merging):
    """Join a list of inputs, of one dtype, along an axis.

    Parameters
    ----------
    axis : int
        The axis; not that of the batch.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> wide, deep = nn.Input((3,)), nn.Input((4,))
    >>> nn.layers.Concatenate()([wide, deep]).shape
    (None, 7)
    """

    takes_integers = True

    def __init__(self, axis: int = -1, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.axis = _checks.integer(axis, "Concatenate", "axis", low=-(2**31), high=2**31 - 1)
        if self.axis == 0:
            raise ValueError("Concatenate: axis must not be that of the batch, got 0")

    def _axis(self, rank: int) -> int:
        """Return the axis, counted from 0 and without the batch, for inputs of a rank without the batch."""
        axis = self.axis + rank if self.axis < 0 else self.axis - 1
        if not 0 <= axis < rank:
            raise ValueError(f"{_title(self)}: axis {self.axis} is not one of {rank + 1} axes behind the batch")
        return axis

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the inputs' shape, with the sum of their sizes along the axis."""
        shapes = self._shapes(input_shape)
        axis = self._axis(len(shapes[0]))
        others = {(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}
        if len(others) > 1:
            raise ValueError(f"{_title(self)}: inputs must have one shape but for axis {self.axis}, got {input_shape}")
        size = sum(int(shape[axis] or 0) for shape in shapes)
        return (None, *shapes[0][:axis], size, *shapes[0][axis + 1 :])

    def emit(self, program: Program, x: Any) -> int:
        """Append the joint; many inputs are joined in groups first."""
        while True:
            x = [self._join(program, x[at : at + core.MOST_MERGED]) for at in range(0, len(x), core.MOST_MERGED)]
            if len(x) == 1:
                return int(x[0])

    def _join(self, program: Program, x: list[int]) -> int:
        if len(x) == 1:
            return x[0]
        kinds = {program.buffers[number].dtype for number in x}
        if len(kinds) > 1:
            raise ValueError(f"{_title(self)}: inputs must have one dtype, got {' and '.join(map(str, kinds))}")
        shape = self.compute_output_shape([(None, *program.buffers[number].shape) for number in x])[1:]
        sizes = tuple(int(size) for size in shape if size is not None)
        return _op(program, "concatenate_forward", tuple(x), sizes, axis=self._axis(len(sizes)) + 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"axis": self.axis, **super().get_config()}


class Dot(_Merging):
    """Scalar product of two inputs of shape (B, features), row by row.

    Parameters
    ----------
    axes : int
        1 or -1: the axis of the features. (Keras's products of matrices, with other axes, are not offered.)
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> user, item = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> nn.layers.Dot(axes=1)([user, item])
    array([[11.]], dtype=float32)
    """

    def __init__(self, axes: int, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        if isinstance(axes, bool) or axes not in (1, -1, (1, 1), [1, 1], (-1, -1), [-1, -1]):
            raise ValueError(f"Dot: axes must be 1 or -1, the axis of the features, got {axes!r}")
        self.axes = axes

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, 1)."""
        shapes = self._shapes(input_shape)
        if len(shapes) != 2 or len(shapes[0]) != 1 or shapes[0] != shapes[1]:
            raise ValueError(f"{_title(self)}: wants two inputs of one shape (None, features), got {input_shape}")
        return (None, 1)

    def emit(self, program: Program, x: Any) -> int:
        """Append the products and their sum."""
        products = _op(program, "multiply_forward", tuple(x), program.buffers[x[0]].shape)
        return _op(program, "sum_forward", (products,), (1,), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"axes": self.axes, **super().get_config()}


def _function(kind: type[_Merging], example: str) -> Callable[..., Any]:
    """Return the function that makes a layer of a kind and calls it, as Keras has one beside each class."""
    name = kind.__name__.lower()

    def merge(inputs: Any, **arguments: Any) -> Any:
        return kind(**arguments)(inputs)

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"""Apply a new layer `{kind.__name__}` to a list of inputs.

    Parameters
    ----------
    inputs : list of Tensor or of ndarray
        As of the layer's call.
    **arguments
        Of `{kind.__name__}`.

    Returns
    -------
    Tensor or ndarray

    Examples
    --------
    >>> import nncore as nn
    >>> a, b = nn.Input((3,)), nn.Input((3,))
    >>> nn.layers.{name}([a, b]{example}
    """
    return merge


add = _function(Add, ").shape\n    (None, 3)")
average = _function(Average, ").shape\n    (None, 3)")
concatenate = _function(Concatenate, ").shape\n    (None, 6)")
dot = _function(Dot, ", axes=1).shape\n    (None, 1)")
maximum = _function(Maximum, ").shape\n    (None, 3)")
minimum = _function(Minimum, ").shape\n    (None, 3)")
multiply = _function(Multiply, ").shape\n    (None, 3)")
subtract = _function(Subtract, ").shape\n    (None, 3)")
