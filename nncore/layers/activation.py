"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import activations
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["Activation"]


class Activation(Layer):
    """Apply an activation.

    Parameters
    ----------
    activation : str or function
        A name or function of `nncore.activations`.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Activation("relu")])
    >>> model([[1, -1]])
    array([[1., 0.]], dtype=float32)
    """

    def __init__(self, activation: Any, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.activation = activations.get(activation)

    def emit(self, program: Program, x: Any) -> int:
        """Append the activation's op."""
        return activations.emit(program, self.activation, x)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"activation": activations.serialize(self.activation), **super().get_config()}
