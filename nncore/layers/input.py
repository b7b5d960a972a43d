"""Where a model's data come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nncore import _checks, graph
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The first layer: says the shape and the dtype of the data.

    Parameters
    ----------
    shape : tuple of int
        The shape of a row, without the batch.
    name : str, optional
        The layer's name.
    dtype : {"float32", "float64", "int64", "int32"}, optional
        The dtype that data are converted to; integers are kept as int64. By default that of the layers after it.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.InputLayer((784,)).shape
    (784,)
    """

    def __init__(self, shape: Sequence[int], name: str | None = None, dtype: DTypeLike | None = None) -> None:
        integers = dtype is not None and _is_integer(dtype)
        super().__init__(name, None if integers else dtype)
        self.any_dtype = dtype is None  # then it takes the dtype of the layers that follow
        if integers:
            self.dtype = np.dtype(np.int64)
        if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence) or not shape:
            raise ValueError(f"Input: shape must be a tuple of integers, such as (784,), got {shape!r}")
        self.shape = tuple(_checks.integer(size, "Input", "shape", low=1, high=2**31 - 1) for size in shape)

    def emit(self, program: Program, x: Any) -> int:
        """Return x: nothing happens here."""
        return int(x)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        config = {"shape": list(self.shape), **super().get_config()}
        return config if not self.any_dtype else {**config, "dtype": None}


def _is_integer(dtype: DTypeLike) -> bool:
    try:
        return np.dtype(dtype) in (np.dtype(np.int64), np.dtype(np.int32))
    except TypeError:
        return False


class Input(graph.Tensor):
    """The symbolic input of a model, or the first entry of a `Sequential`: ``Input((784,))``.

    Parameters
    ----------
    shape : tuple of int
        The shape of a row, without the batch.
    batch_size : None
        Taken for Keras's sake; a model takes batches of any size.
    dtype : {"float32", "float64", "int64", "int32"}, optional
        The dtype that data are converted to.
    name : str, optional
        The input's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)]).count_params()
    15
    """

    def __init__(self, shape: Sequence[int], batch_size: int | None = None, dtype: DTypeLike | None = None,
                 name: str | None = None) -> None:
        if batch_size is not None:
            raise ValueError(f"Input: batch_size must be None: a model takes batches of any size, got {batch_size!r}")
        layer = InputLayer(shape, name, dtype)
        super().__init__((None, *layer.shape), layer)
