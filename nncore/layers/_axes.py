"""Axes of layers that work along the last one."""

from __future__ import annotations

from typing import Any

from nncore import _checks
from nncore.layers.base import Layer

__all__ = ["axis_number", "features"]


def axis_number(axis: Any, where: str) -> int:
    """Return an axis; a list of one is one.

    Examples
    --------
    >>> axis_number([-1], "LayerNormalization")
    -1
    """
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        (axis,) = axis
    return _checks.integer(axis, where, "axis", low=-64, high=64)


def features(layer: Layer, input_shape: Any, axis: int) -> int:
    """Return the length of the last axis of a layer's one input; refuse others, and an `axis` that is another one.

    Examples
    --------
    >>> import nncore as nn
    >>> features(nn.layers.BatchNormalization(), (None, 5, 3), axis=2)
    3
    """
    name = layer.name or type(layer).__name__
    if isinstance(input_shape, list) or len(input_shape) < 2 or input_shape[-1] is None:
        raise ValueError(f"layer {name!r}: wants one input of shape (batch, ..., features), got {input_shape}")
    if axis not in (-1, len(input_shape) - 1):
        raise ValueError(f"layer {name!r}: axis must be the last one, -1 or {len(input_shape) - 1}, of an input of "
                         f"shape {tuple(input_shape)}, got {axis}")
    return int(input_shape[-1])
