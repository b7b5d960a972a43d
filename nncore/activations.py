"""Activations: one table that says which kernel each name means and what its backward pass needs.

``relu(x)`` and its like are functions on arrays; ``get("relu")`` is the table's row, which layers keep and
emit ops from.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, custom, kernels

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = [
    "Activation",
    "Custom",
    "elu",
    "emit",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "serialize",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "swish",
    "tanh",
]


class Activation(NamedTuple):
    """A row of the table.

    Parameters
    ----------
    name : str
        Keras' name.
    forward : str
        The forward kernel. The backward kernel's name is ``f"{kernel}_backward"``.
    kernel : str
        The kernels' common name.
    needs : {"x", "y", None}
        What the backward kernel takes beside `dy`: the input, the output, or nothing.
    parameters : mapping of str to float
        The kernels' scalars, the same ones forward and backward.

    Examples
    --------
    >>> import nncore as nn
    >>> activation = nn.activations.get("leaky_relu")
    >>> activation.forward, activation.needs, dict(activation.parameters)
    ('leaky_relu_forward', 'y', {'negative_slope': 0.2})
    """

    name: str
    forward: str
    kernel: str
    needs: Literal["x", "y"] | None
    parameters: Mapping[str, float]


class Custom:
    """An activation of your own in NumPy, for wherever an activation is wanted.

    Parameters
    ----------
    forward : callable
        ``forward(x)`` returns y, both (B, width).
    backward : callable, optional
        ``backward(x, y, dy)`` returns dx, the gradient with respect to x; without it the model cannot be
        trained through this activation. What is said of arrays in `nncore.layers.Layer.call` holds here too.
    name : str, optional
        The activation's name, by default the function's. From now on the name alone stands for this
        activation: so a saved model finds it again, when this was made before `load_model`.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> sine = nn.activations.Custom(np.sin, lambda x, y, dy: dy * np.cos(x), name="sine")
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(2, activation=sine)])
    >>> model.layers[0].activation
    Custom('sine')
    >>> nn.activations.get("sine") is sine
    True
    """

    named: ClassVar[dict[str, Custom]] = {}

    def __init__(
        self,
        forward: Callable[[NDArray[Any]], ArrayLike],
        backward: Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], ArrayLike] | None = None,
        name: str | None = None,
    ) -> None:
        if not callable(forward) or not (backward is None or callable(backward)):
            raise TypeError(
                "activations.Custom: forward and backward must be functions, got "
                f"{forward!r} and {backward!r}"
            )
        self.name = getattr(forward, "__name__", type(forward).__name__) if name is None else name
        if self.name in TABLE or self.name in _ALIASES:
            raise ValueError(f"activations.Custom: {self.name!r} is an activation of nncore: choose another name")
        self.forward, self.backward = forward, backward
        Custom.named[self.name] = self

    def __call__(self, x: ArrayLike) -> ArrayLike:
        """Return ``forward(x)``."""
        return self.forward(_checks.as_float_array(x, self.name, "x"))

    def emit(self, program: Program, x: int) -> int:
        """Append ``forward`` as an op on buffer `x`; return the output's buffer."""
        where = f"layer {program.layer!r}: activation {self.name!r}"

        def gradient() -> custom.UserFunction:
            backward = self.backward
            if backward is None:
                raise NotImplementedError(f"{where} has no backward(x, y, dy), which training needs")
            return custom.UserFunction(
                f"{where}, backward", lambda x, y, dy: (backward(x, y, dy),), ("dx",), takes=3
            )

        y = program.like(x, "activation")
        forward = custom.UserFunction(
            f"{where}, forward", lambda x: (self.forward(x),), ("y",), gradient=gradient
        )
        custom.emit(program, forward, (x,), (y,))
        return y

    def __repr__(self) -> str:
        """Return the name."""
        return f"Custom({self.name!r})"


def _row(
    name: str, needs: Literal["x", "y"] | None, kernel: str | None = None, **parameters: float
) -> Activation:
    kernel = kernel or name
    # softmax and log_softmax are whole-row kernels whose forward has no suffix.
    forward = kernel if kernel in ("softmax", "log_softmax") else f"{kernel}_forward"
    return Activation(name, forward, kernel, needs, parameters)


TABLE: dict[str, Activation] = {
    row.name: row
    for row in (
        _row("linear", None, kernel="identity"),
        _row("sigmoid", "y"),
        _row("tanh", "y"),
        _row("relu", "y"),
        _row("leaky_relu", "y", negative_slope=0.2),
        _row("elu", "y", alpha=1.0),
        _row("exponential", "y"),
        _row("hard_sigmoid", "y"),
        _row("softplus", "y"),
        _row("gelu", "x"),
        _row("silu", "x"),
        _row("softmax", "y"),
        _row("log_softmax", "y"),
    )
}
_ALIASES = {"swish": "silu"}


def get(identifier: object) -> Activation | Custom:
    """Return the table's row for a name, a function of this module, a serialized form, or None (linear).

    A `Custom` activation, or its name, gives itself. A parameter other than the default is chosen with
    ``functools.partial``.

    Examples
    --------
    >>> import functools
    >>> import nncore as nn
    >>> nn.activations.get("swish").name
    'silu'
    >>> nn.activations.get(None).name
    'linear'
    >>> dict(nn.activations.get(functools.partial(nn.activations.elu, alpha=0.5)).parameters)
    {'alpha': 0.5}
    >>> nn.activations.get("rellu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown activation 'rellu': did you mean 'relu', ...
    """
    if identifier is None:
        return TABLE["linear"]
    if isinstance(identifier, (Activation, Custom)):
        return identifier
    if isinstance(identifier, str):
        name = _ALIASES.get(identifier, identifier)
        if name in Custom.named:
            return Custom.named[name]
        if name not in TABLE:
            raise _checks.unknown("activation", identifier, [*TABLE, *_ALIASES, *Custom.named])
        return TABLE[name]
    if isinstance(identifier, functools.partial) and not identifier.args:
        return _with(get(identifier.func), identifier.keywords)
    if isinstance(identifier, dict) and set(identifier) == {"name", "parameters"}:
        return _with(get(identifier["name"]), identifier["parameters"])
    for name, function in _FUNCTIONS.items():
        if identifier is function:
            return TABLE[name]
    raise TypeError(f"activation must be a name or a function of nncore.activations, got {identifier!r}")


def _with(activation: Activation | Custom, parameters: Mapping[str, Any]) -> Activation:
    """Return `activation` with some parameters changed."""
    if isinstance(activation, Custom):
        raise TypeError(f"activation {activation.name}: an activation of your own takes no parameters")
    for name in parameters:
        if name not in activation.parameters:
            known = ", ".join(activation.parameters) or "no parameters"
            raise TypeError(f"activation {activation.name}: {name} is not one of its parameters ({known})")
    checked = {
        name: _checks.real(value, activation.name, name, low=0.0) for name, value in parameters.items()
    }
    return activation._replace(parameters={**activation.parameters, **checked})


def serialize(activation: object) -> str | dict[str, Any]:
    """Return a JSON-able form that `get` turns into the same activation.

    It is the name, or a dict where a parameter is not the default.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.serialize(nn.activations.relu)
    'relu'
    """
    found = get(activation)
    if isinstance(found, Custom) or found == TABLE[found.name]:
        return found.name
    return {"name": found.name, "parameters": dict(found.parameters)}


def emit(program: Program, activation: object, x: int) -> int:
    """Append the activation's forward op on buffer `x` to `program`.

    It returns the output's buffer; for linear that is `x` itself.

    Examples
    --------
    ::

        y = activations.emit(program, "relu", x)
    """
    found = get(activation)
    if isinstance(found, Custom):
        return found.emit(program, x)
    if found.name == "linear":
        return x
    y = program.like(x, "activation")
    program.emit(found.forward, (x,), (y,), **found.parameters)
    return y


def linear(x: ArrayLike) -> NDArray[np.floating]:
    """Return x itself.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.linear([-1.0, 2.0])
    array([-1.,  2.], dtype=float32)
    """
    return kernels.identity_forward(x)


def sigmoid(x: ArrayLike) -> NDArray[np.floating]:
    """Return 1 / (1 + exp(-x)).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.sigmoid([0.0])
    array([0.5], dtype=float32)
    """
    return kernels.sigmoid_forward(x)


def tanh(x: ArrayLike) -> NDArray[np.floating]:
    """Return the hyperbolic tangent of x.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.tanh([0.0])
    array([0.], dtype=float32)
    """
    return kernels.tanh_forward(x)


def relu(x: ArrayLike) -> NDArray[np.floating]:
    """Return max(x, 0).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """
    return kernels.relu_forward(x)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> NDArray[np.floating]:
    """Return x where it is positive, else negative_slope * x.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.leaky_relu([-1.0, 2.0], negative_slope=0.5)
    array([-0.5,  2. ], dtype=float32)
    """
    return kernels.leaky_relu_forward(x, negative_slope=negative_slope)


def elu(x: ArrayLike, alpha: float = 1.0) -> NDArray[np.floating]:
    """Return x where it is positive, else alpha * (exp(x) - 1).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.elu([0.0, 2.0], alpha=0.5)
    array([0., 2.], dtype=float32)
    """
    return kernels.elu_forward(x, alpha=alpha)


def exponential(x: ArrayLike) -> NDArray[np.floating]:
    """Return exp(x).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.exponential([0.0])
    array([1.], dtype=float32)
    """
    return kernels.exponential_forward(x)


def hard_sigmoid(x: ArrayLike) -> NDArray[np.floating]:
    """Return x / 6 + 1/2, clipped to [0, 1].

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.hard_sigmoid([-4.0, 0.0, 4.0])
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return kernels.hard_sigmoid_forward(x)


def softplus(x: ArrayLike) -> NDArray[np.floating]:
    """Return log(1 + exp(x)).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.softplus([100.0])
    array([100.], dtype=float32)
    """
    return kernels.softplus_forward(x)


def gelu(x: ArrayLike) -> NDArray[np.floating]:
    """Return x * Phi(x) with the normal distribution function Phi (Keras' ``approximate=False``).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.gelu([0.0])
    array([0.], dtype=float32)
    """
    return kernels.gelu_forward(x)


def silu(x: ArrayLike) -> NDArray[np.floating]:
    """Return x * sigmoid(x); also known as swish.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.silu([0.0])
    array([0.], dtype=float32)
    """
    return kernels.silu_forward(x)


swish = silu


def softmax(x: ArrayLike) -> NDArray[np.floating]:
    """Return exp(x) divided by its sum over the last axis.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.softmax([[3.0, 3.0]])
    array([[0.5, 0.5]], dtype=float32)
    """
    rows, shape = _as_rows(x, "softmax")
    return kernels.softmax(rows).reshape(shape)


def log_softmax(x: ArrayLike) -> NDArray[np.floating]:
    """Return the logarithm of `softmax`, without its rounding to 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.log_softmax([0.0, -1000.0])
    array([    0., -1000.], dtype=float32)
    """
    rows, shape = _as_rows(x, "log_softmax")
    return kernels.log_softmax(rows).reshape(shape)


def _as_rows(x: ArrayLike, where: str) -> tuple[NDArray[np.floating], tuple[int, ...]]:
    """Return `x` as rows along its last axis, and its own shape."""
    found = _checks.as_float_array(x, where, "x")
    if found.ndim == 0:
        raise ValueError(f"{where}: x must have at least 1 dimension, got a single number")
    return found.reshape(math.prod(found.shape[:-1]), found.shape[-1]), found.shape


_FUNCTIONS = {name: globals()[name] for name in TABLE}
