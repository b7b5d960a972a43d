"""Layers that give rows another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.layers.base import Layer, Shape
from nncore.layers.merging import _op, _title
from nncore.program import Program

__all__ = ["Flatten", "GlobalAveragePooling1D", "RepeatVector", "Reshape"]


def _sizes(layer: Layer, input_shape: Any, rank: int | None = None) -> tuple[int, ...]:
    """Return the sizes of a row, or raise where the input is another one."""
    if isinstance(input_shape, list) or None in input_shape[1:] or (rank is not None and len(input_shape) != rank):
        wanted = {None: "(None, ...)", 2: "(None, features)", 3: "(None, steps, features)"}[rank]
        raise ValueError(f"{_title(layer)}: wants one input of shape {wanted}, got {input_shape}")
    return tuple(input_shape[1:])


class _Reshaping(Layer):
    takes_integers = True

    def emit(self, program: Program, x: Any) -> int:
        """Append the copy, unless the shape stays."""
        shape = program.buffers[x].shape
        wanted = tuple(int(size or 0) for size in self.compute_output_shape((None, *shape))[1:])
        return int(x) if wanted == shape else _op(program, "reshape_forward", (x,), wanted)


class Flatten(_Reshaping):
    """Make one axis of all axes behind the batch.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.Flatten()(nn.Input((28, 28))).shape
    (None, 784)
    """

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, the number of elements in a row)."""
        return (None, math.prod(_sizes(self, input_shape)))


class Reshape(_Reshaping):
    """Give rows another shape, with the elements in the same order.

    Parameters
    ----------
    target_shape : tuple of int
        The shape of a row, without the batch; one size may be -1, for what is left.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.Reshape((4, -1))(nn.Input((12,))).shape
    (None, 4, 3)
    """

    def __init__(self, target_shape: Sequence[int], *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        wanted = "Reshape: target_shape must be a tuple of sizes, such as (4, -1), with at most one -1"
        if isinstance(target_shape, (str, bytes)) or not isinstance(target_shape, Sequence) or not target_shape:
            raise ValueError(f"{wanted}, got {target_shape!r}")
        self.target_shape = tuple(_checks.integer(size, "Reshape", "target_shape", low=-1, high=2**31 - 1)
                                  for size in target_shape)
        if 0 in self.target_shape or self.target_shape.count(-1) > 1:
            raise ValueError(f"{wanted}, got {target_shape!r}")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, *target_shape)."""
        elements = math.prod(_sizes(self, input_shape))
        known = math.prod(size for size in self.target_shape if size > 0)
        if elements % known or (-1 not in self.target_shape and elements != known):
            raise ValueError(f"{_title(self)}: rows of shape {tuple(input_shape[1:])} do not fit into target_shape "
                             f"{self.target_shape}")
        return (None, *(elements // known if size == -1 else size for size in self.target_shape))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"target_shape": list(self.target_shape), **super().get_config()}


class RepeatVector(Layer):
    """Repeat rows (B, features) along a new axis: (B, n, features).

    Parameters
    ----------
    n : int
        How many times.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.RepeatVector(2)([[1, 2, 3]])
    array([[[1., 2., 3.],
            [1., 2., 3.]]], dtype=float32)
    """

    def __init__(self, n: int, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.n = _checks.integer(n, "RepeatVector", "n", low=1, high=2**31 - 1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, n, features)."""
        return (None, self.n, *_sizes(self, input_shape, 2))

    def emit(self, program: Program, x: Any) -> int:
        """Append the repetition."""
        (features,) = program.buffers[x].shape
        one = _op(program, "reshape_forward", (x,), (1, features))
        return _op(program, "repeat_forward", (one,), (self.n, features), axis=1, repeats=self.n)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"n": self.n, **super().get_config()}


class GlobalAveragePooling1D(Layer):
    """Mean over the steps of rows (B, steps, features): (B, features).

    Behind an `Embedding` with ``mask_zero=True`` the steps whose id is 0 do not count; without any other the mean is 0.

    Parameters
    ----------
    keepdims : bool
        Whether the axis of the steps stays, with length 1.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.GlobalAveragePooling1D()([[[1, 2], [3, 6]]])
    array([[2., 4.]], dtype=float32)
    """

    def __init__(self, keepdims: bool = False, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.keepdims = _checks.boolean(keepdims, "GlobalAveragePooling1D", "keepdims")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, features), or (None, 1, features)."""
        _, features = _sizes(self, input_shape, 3)
        return (None, 1, features) if self.keepdims else (None, features)

    def emit(self, program: Program, x: Any) -> int:
        """Append the sum, and its product with the share of one step."""
        steps, features = program.buffers[x].shape
        total = _op(program, "sum_forward", (x,), (1, features), axis=1)
        if x in program.masks and len(program.buffers[program.masks[x]].shape) == 1:
            share = program.rows((1, 1))
            program.emit("mask_shares", (program.masks[x],), (share,))
            wide = _op(program, "repeat_forward", (share,), (1, features), axis=-1, repeats=features)
            mean = _op(program, "multiply_forward", (total, wide), (1, features))
        else:
            mean = _op(program, "scale_forward", (total,), (1, features), scale=1 / steps)
        return mean if self.keepdims else _op(program, "reshape_forward", (mean,), (features,))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"keepdims": self.keepdims, **super().get_config()}
