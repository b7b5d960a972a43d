"""What the layers share that bring features to mean 0 and variance 1, then scale and shift them."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks, constraints, initializers, regularizers
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = ["ScaleAndShift", "axis_number", "features"]


class ScaleAndShift(Layer):
    """Base of the layers with a gamma and a beta for each feature; parameters as of `LayerNormalization`."""

    def __init__(
        self,
        axis: Any,
        epsilon: float,
        center: bool,
        scale: bool,
        beta: tuple[Any, Any, Any],
        gamma: tuple[Any, Any, Any],
        name: str | None,
        dtype: DTypeLike | None,
        trainable: bool,
    ) -> None:
        super().__init__(name, dtype, trainable)
        where = type(self).__name__
        self.axis = axis_number(axis, where)
        self.epsilon = _checks.real(epsilon, where, "epsilon", low=0.0)
        self.center = _checks.boolean(center, where, "center")
        self.scale = _checks.boolean(scale, where, "scale")
        self.beta_initializer, self.gamma_initializer = initializers.get(beta[0]), initializers.get(gamma[0])
        self.beta_regularizer, self.gamma_regularizer = regularizers.get(beta[1]), regularizers.get(gamma[1])
        self.beta_constraint, self.gamma_constraint = constraints.get(beta[2]), constraints.get(gamma[2])

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta, both (C,)."""
        shape = (features(self, input_shape, self.axis),)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(shape, self.gamma_initializer, name="gamma",
                                         regularizer=self.gamma_regularizer, constraint=self.gamma_constraint)
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta", regularizer=self.beta_regularizer,
                                        constraint=self.beta_constraint)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        features(self, input_shape, self.axis)
        return tuple(input_shape)

    def _scale_and_shift(self, program: Program) -> tuple[int | None, ...]:
        """Return the buffers of gamma and beta, None for one that is not there."""
        return tuple(None if weight is None else program.parameter(weight) for weight in (self.gamma, self.beta))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            **super().get_config(),
        }


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
