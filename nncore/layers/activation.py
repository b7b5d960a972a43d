"""An activation as a layer of its own, and those that are layers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike

from nncore import activations
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]


class Activation(Layer):
    """Apply an activation.

    Parameters
    ----------
    activation : str or function
        A name or function of `nncore.activations`, a pair (f, f_prime) of NumPy functions.
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

    @property
    def stands_for(self) -> activations.Activation | activations.Custom:
        """The activation, where the layer is given as one: ``Dense(3, activation=LeakyReLU())``."""
        return self.activation

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape; of glu half of an axis."""
        return activations.output_shape(self.activation, tuple(input_shape), self.name or "activation")

    def emit(self, program: Program, x: Any) -> int:
        """Append the activation's op."""
        return activations.emit(program, self.activation, x)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"activation": activations.serialize(self.activation), **super().get_config()}


class _Named(Activation):
    """An activation of the table with parameters, which are those of the layer."""

    activation: activations.Activation

    def __init__(self, activation: str, parameters: dict[str, Any], name: str | None, dtype: DTypeLike | None) -> None:
        super().__init__(
            activations.with_parameters(activations.TABLE[activation], parameters), name=name, dtype=dtype
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {**self.activation.parameters, **Layer.get_config(self)}


class ReLU(_Named):
    """Rectifier: ``y = x`` above a threshold, at most a largest value, and a line of another slope below.

    ``y = negative_slope * (x - threshold) where x <= threshold, else min(x, max_value)``

    Parameters
    ----------
    max_value : float, optional
        The largest output, at least 0; without one there is none.
    negative_slope : float
        Slope up to the threshold, at least 0.
    threshold : float
        At least 0.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.ReLU(max_value=6, negative_slope=0.5)([[-10.0, -5.0, 0.0, 5.0, 10.0]])
    array([[-5. , -2.5,  0. ,  5. ,  6. ]], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        given = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
        super().__init__("relu", given, name, dtype)


class LeakyReLU(_Named):
    """Leaky rectifier: ``y = x where x > 0, else negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
        At least 0. The layer's default, 0.3, is not that of the function `nncore.activations.leaky_relu`, 0.2: both
        are Keras's.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.LeakyReLU(negative_slope=0.5)([[-10.0, -5.0, 0.0, 5.0, 10.0]])
    array([[-5. , -2.5,  0. ,  5. , 10. ]], dtype=float32)
    """

    def __init__(
        self, negative_slope: float = 0.3, *, name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__("leaky_relu", {"negative_slope": negative_slope}, name, dtype)


class ELU(_Named):
    """Exponential linear unit: ``y = x where x > 0, else alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float
        Scale below 0, at least 0.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.ELU()([[-1.0, 2.0]]).round(4)
    array([[-0.6321,  2.    ]], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, *, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__("elu", {"alpha": alpha}, name, dtype)


class Softmax(_Named):
    """Softmax along an axis, or over several at once.

    Parameters
    ----------
    axis : int or sequence of int
        The axis, or neighbouring axes, whose elements add up to 1; not that of the batch, 0.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.Softmax()([[1.0, 2.0, 1.0]]).round(4)
    array([[0.2119, 0.5761, 0.2119]], dtype=float32)
    >>> nn.layers.Softmax(axis=(1, 2))([[[1.0, 1.0], [1.0, 1.0]]])
    array([[[0.25, 0.25],
            [0.25, 0.25]]], dtype=float32)
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, *, name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__("softmax", {"axis": axis}, name, dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        axis = self.activation.parameters["axis"]
        activations.axes_of(self.name or "Softmax", "softmax", axis, len(input_shape))
        return tuple(input_shape)
