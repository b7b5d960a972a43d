"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks, activations, initializers
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["Dense"]


class Dense(Layer):
    """Fully connected layer: ``y = activation(x @ kernel + bias)``.

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

    def build(self, input_width: int) -> None:
        """Make kernel (I, O) and bias (O,)."""
        self.kernel = self.add_weight(
            "kernel", (input_width, self.units), self.kernel_initializer, panels=True
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.units,), self.bias_initializer)

    def output_width(self, input_width: int) -> int:
        """Return the number of units."""
        return self.units

    def emit(self, program: Program, x: int) -> int:
        """Append the product and the activation; the program fuses them where it can."""
        z = program.rows(self.units)
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
            **super().get_config(),
        }
