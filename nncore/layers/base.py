"""What every layer is: named weights, and a method that emits its forward ops."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from numpy.typing import DTypeLike, NDArray

from nncore import _checks, _names
from nncore.initializers import Initializer
from nncore.program import Program
from nncore.variables import Variable

__all__ = ["Layer"]


class Layer:
    """Base of the layers.

    A subclass defines `output_width`, `emit` and `get_config`, and `build` where it has weights.

    Parameters
    ----------
    name : str, optional
        The layer's name; a model gives a layer without one its class's name and a number.
    dtype : {"float32", "float64"}, optional
        By default ``nn.config.floatx()``.
    trainable : bool
        Whether training changes its weights.

    Attributes
    ----------
    weights : list of Variable
        Empty until the layer is built.
    """

    kinds: ClassVar[dict[str, type[Layer]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        Layer.kinds[cls.__name__] = cls

    def __init__(
        self, name: str | None = None, dtype: DTypeLike | None = None, trainable: bool = True
    ) -> None:
        where = type(self).__name__
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"{where}: name must be a string that is not empty and has no '/', got {name!r}")
        self.name = name
        self.dtype = _checks.float_dtype(dtype, where)
        self.trainable = _checks.boolean(trainable, where, "trainable")
        self.weights: list[Variable] = []
        self.input_width: int | None = None

    def build(self, input_width: int, seed: int, number: int) -> None:
        """Make the weights for inputs of shape (B, input_width); `number`: the layer's place in the model."""

    def output_width(self, input_width: int) -> int:
        """Return the width of the output for inputs of shape (B, input_width)."""
        raise NotImplementedError(f"{type(self).__name__} must define output_width()")

    def emit(self, program: Program, x: int) -> int:
        """Append the forward ops for the input buffer `x`; return the output's buffer."""
        raise NotImplementedError(f"{type(self).__name__} must define emit()")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer (its weights apart)."""
        config = {"name": self.name, "dtype": self.dtype.name}
        return config if self.trainable else {**config, "trainable": False}

    @property
    def built(self) -> bool:
        """Whether the layer has its weights."""
        return self.input_width is not None

    def forget_weights(self) -> None:
        """Undo `build`."""
        self.weights, self.input_width = [], None

    def count_params(self) -> int:
        """Return the number of elements in the layer's weights."""
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: list[NDArray[Any]]) -> None:
        """Set all weights, given as `get_weights` returns them; nothing changes when one does not fit."""
        assign_all(self.weights, weights, f"set_weights of layer {self.name!r}")

    def add_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Initializer,
        seed: int,
        number: int,
        panels: bool = False,
    ) -> Variable:
        """Make a weight; a subclass calls it in `build`. `panels`: a matrix that only dense products read."""
        _checks.shape_size(shape, f"layer {self.name!r}")
        try:
            value = initializer(shape, self.dtype, seed=seed, layer=number, index=len(self.weights))
        except (MemoryError, ValueError) as error:  # MemoryError: NumPy's own takes other arguments
            kind = MemoryError if isinstance(error, MemoryError) else ValueError
            raise kind(f"layer {self.name!r}: cannot make {name} of shape {shape}: {error}") from error
        self.weights.append(Variable(value, f"{self.name}/{name}", self.trainable, panels))
        return self.weights[-1]

    def __repr__(self) -> str:
        """Return the call that makes an equal layer."""
        return _names.representation(self)


def assign_all(variables: list[Variable], values: list[NDArray[Any]], where: str) -> None:
    """Set variables, or raise before the first of them changes."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or len(values) != len(variables):
        got = f"{len(values)} arrays" if hasattr(values, "__len__") else f"{values!r}"
        raise ValueError(f"{where}: wants a list of {len(variables)} arrays, got {got}")
    arrays = [_checks.as_float_array(value, where, variable.name, variable.dtype)
              for variable, value in zip(variables, values, strict=True)]
    for variable, array in zip(variables, arrays, strict=True):
        if array.shape != variable.shape:
            raise ValueError(f"{where}: {variable.name} has shape {variable.shape}, got {array.shape}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def default_name(layer: Layer, taken: set[str]) -> str:
    """Return a name for a layer that has none: dense, dense_1, ..."""
    base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
