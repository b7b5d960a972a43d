"""Where a model's data come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The first layer: says the width of the data.

    Parameters
    ----------
    shape : tuple of one int
        The shape of a row, without the batch.
    name : str, optional
        The layer's name.
    dtype : {"float32", "float64"}, optional
        The dtype that data are converted to.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.InputLayer((784,)).shape
    (784,)
    """

    def __init__(self, shape: Sequence[int], name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.any_dtype = dtype is None  # then it takes the dtype of the layers that follow
        if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence) or len(shape) != 1:
            raise ValueError(f"Input: shape must be a tuple of one integer, such as (784,), got {shape!r}")
        self.shape = (_checks.integer(shape[0], "Input", "shape", low=1, high=2**31 - 1),)

    def output_width(self, input_width: int) -> int:
        """Return the width of the rows."""
        return input_width

    def emit(self, program: Program, x: int) -> int:
        """Return x: nothing happens here."""
        return x

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        config = {"shape": list(self.shape), **super().get_config()}
        return config if not self.any_dtype else {**config, "dtype": None}


def Input(shape: Sequence[int], name: str | None = None, dtype: DTypeLike | None = None) -> InputLayer:
    """Return the first layer of a model: ``Input((784,))``.

    Parameters
    ----------
    shape : tuple of one int
        The shape of a row, without the batch.
    name : str, optional
        The layer's name.
    dtype : {"float32", "float64"}, optional
        The dtype that data are converted to.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)]).count_params()
    15
    """
    return InputLayer(shape, name, dtype)
