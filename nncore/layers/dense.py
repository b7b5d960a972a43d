"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks, activations, constraints, initializers, regularizers
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = ["Dense"]


class Dense(Layer):
    """Fully connected layer: ``y = activation(x @ kernel + bias)``, along the last axis of x.

    Parameters
    ----------
    units : int
        O, the width of the output.
    activation : str or function, optional
        A name or function of `nncore.activations`; none by default.
    use_bias : bool
        Whether there is a bias.
    kernel_initializer, bias_initializer : str or Initializer
        First values of the kernel (I, O) and of the bias (O,).
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on them: see `nncore.regularizers`.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What they are brought back to after each update: see `nncore.constraints`.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3)])
    >>> model.set_weights([[[1, 0.5, -1], [0.5, 2, -0.5]], [0.1, -0.2, 0]])
    >>> model([[2, 3]]).round(4)
    array([[ 3.6,  6.8, -3.5]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, trainable)
        self.units = _checks.integer(units, "Dense", "units", low=1, high=2**31 - 1)
        self.activation = activations.get(activation)
        self.use_bias = _checks.boolean(use_bias, "Dense", "use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Make kernel (I, O) and bias (O,)."""
        self.kernel = self.add_weight(
            (input_shape[-1], self.units), self.kernel_initializer, name="kernel", regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint, panels=True,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer, name="bias",
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape with the number of units for the last axis."""
        if isinstance(input_shape, list) or len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(f"layer {self.name or 'Dense'!r}: wants one input of shape (batch, ..., features), "
                             f"got {input_shape}")
        return activations.output_shape(self.activation, (*input_shape[:-1], self.units), self.name or "dense")

    def emit(self, program: Program, x: Any) -> int:
        """Append the product and the activation; the program fuses them where it can."""
        z = program.rows((*program.buffers[x].shape[:-1], self.units))
        w = program.parameter(self.kernel)
        b = None if self.bias is None else program.parameter(self.bias)
        program.emit("dense_forward", (x, w, b), (z,))
        return activations.emit(program, self.activation, z)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            **super().get_config(),
        }
