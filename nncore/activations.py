"""Activations: functions on arrays, and what layers take under the same names.

``relu(x)`` and its like are functions on arrays; ``get("relu")`` is a row of the table of activations, which
layers keep and emit ops from. A parameter other than the default is chosen with ``functools.partial``:
``functools.partial(nn.activations.relu, negative_slope=0.1)``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, kernels
from nncore._activation_ops import axes_of, emit_along, half_of
from nncore._activation_table import (
    ALIASES,
    DERIVATIVES,
    KERNEL_ROWS,
    SPECIAL,
    TABLE,
    Activation,
    with_parameters,
)
from nncore._custom_activation import NAMELESS, Custom, is_ours

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = [
    "DERIVATIVES",
    "KERNEL_ROWS",
    "SPECIAL",
    "TABLE",
    "Activation",
    "Custom",
    "axes_of",
    "celu",
    "elu",
    "emit",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "output_shape",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "sign",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
    "with_parameters",
]


def get(identifier: object) -> Activation | Custom:
    """Return the table's row for a name, a function of this module, a serialized form, or None (linear).

    A `Custom` activation, or its name, gives itself. A parameter other than the default is chosen with
    ``functools.partial``. A pair ``(f, f_prime)`` of NumPy functions of x becomes a `Custom` activation, and so
    does a function alone, which can be used but not trained.

    Examples
    --------
    >>> import functools
    >>> import numpy as np
    >>> import nncore as nn
    >>> nn.activations.get("swish").name
    'silu'
    >>> nn.activations.get(None).name
    'linear'
    >>> dict(nn.activations.get(functools.partial(nn.activations.elu, alpha=0.5)).parameters)
    {'alpha': 0.5}
    >>> nn.activations.get((np.sin, np.cos))
    Custom('sin')
    >>> nn.activations.get("rellu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown activation 'rellu': did you mean 'relu', ...
    """
    if identifier is None:
        return TABLE["linear"]
    if isinstance(identifier, (Activation, Custom)):
        return identifier
    if isinstance(identifier, str):
        return _with(_named(identifier), {})
    if isinstance(identifier, dict) and set(identifier) == {"name", "parameters"}:
        return _with(_named(identifier["name"]), identifier["parameters"])
    if isinstance(identifier, (tuple, list)) and len(identifier) == 2 and all(map(callable, identifier)):
        return Custom.of(*identifier)
    row = _row_of(identifier.func if isinstance(identifier, functools.partial) else identifier)
    if row is not None and isinstance(identifier, functools.partial):
        if identifier.args:
            raise TypeError(f"activation {row.name}: give its parameters by name, got {identifier!r}")
        return _with(row, identifier.keywords)
    if row is not None:
        return _with(row, {})
    if hasattr(identifier, "emit"):  # a layer, which Keras takes here, too
        own = getattr(identifier, "stands_for", None)
        if own is None:
            raise TypeError(f"activation must be a function of one array, got {identifier!r}: add it as its own layer")
        return _with(own, {})
    if callable(identifier) and not isinstance(identifier, type):
        return Custom.of(identifier)
    raise TypeError(
        "activation must be a name or a function of nncore.activations, a NumPy function or a pair (f, f_prime) "
        f"of them, got {identifier!r}"
    )


def _named(identifier: str) -> Activation | Custom:
    name = ALIASES.get(identifier, identifier)
    if name in Custom.named:
        return Custom.named[name]
    if name == NAMELESS:
        raise ValueError(
            f"unknown activation {name!r}: a function without a name cannot be found again; name it, "
            "nncore.activations.Custom(f, ..., name=...)"
        )
    if not is_ours(name):
        raise _checks.unknown("activation", identifier, [*TABLE, *SPECIAL, *ALIASES, *Custom.named])
    return {**TABLE, **SPECIAL}[name]


def _row_of(function: object) -> Activation | None:
    """Return the row whose function this is."""
    for name, own in _FUNCTIONS.items():
        if function is own:
            return {**TABLE, **SPECIAL}[name]
    return None


def _with(activation: Activation | Custom, parameters: dict[str, Any]) -> Activation | Custom:
    """Return `activation` with some parameters changed, and none left without a value."""
    if isinstance(activation, Custom):
        if parameters:
            raise TypeError(f"activation {activation.name}: an activation of your own takes no parameters")
        return activation
    row = with_parameters(activation, parameters) if parameters else activation
    if row.name == "threshold" and None in row.parameters.values():
        raise ValueError(
            "activation threshold: threshold and default_value have no default; give them, "
            "functools.partial(nncore.activations.threshold, threshold=..., default_value=...)"
        )
    return row


def serialize(activation: object) -> str | dict[str, Any]:
    """Return a JSON-able form that `get` turns into the same activation.

    It is the name, or a dict where a parameter is not the default.

    Examples
    --------
    >>> import functools
    >>> import nncore as nn
    >>> nn.activations.serialize(nn.activations.relu)
    'relu'
    >>> nn.activations.serialize(functools.partial(nn.activations.elu, alpha=0.5))
    {'name': 'elu', 'parameters': {'alpha': 0.5}}
    """
    found = get(activation)
    if isinstance(found, Custom) or found == {**TABLE, **SPECIAL}[found.name]:
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
    if found.parameters.get("axis", -1) != -1 or found.name == "glu":
        return emit_along(program, found.forward, x, found.parameters["axis"])
    y = program.like(x, "activation")
    program.emit(found.forward, (x,), (y,), **found.scalars)
    return y


def output_shape(activation: object, shape: tuple[int | None, ...], layer: str = "") -> tuple[int | None, ...]:
    """Return the shape of an activation's output, with the batch: the input's, but for glu; `layer` is for messages.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.output_shape("relu", (None, 6)), nn.activations.output_shape("glu", (None, 6))
    ((None, 6), (None, 3))
    """
    found = get(activation)
    if found.name != "glu" or isinstance(found, Custom):
        return shape
    at, _ = axes_of(layer, "glu", found.parameters["axis"], len(shape))
    size = shape[at]
    return shape if size is None else (*shape[:at], half_of(layer, size), *shape[at + 1 :])


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


def relu(
    x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> NDArray[np.floating]:
    """Return x above the threshold, at most max_value, and negative_slope * (x - threshold) below it.

    By default that is max(x, 0).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    >>> nn.activations.relu([-1.0, 2.0, 9.0], negative_slope=0.5, max_value=6.0)
    array([-0.5,  2. ,  6. ], dtype=float32)
    """
    given = {"negative_slope": negative_slope, "max_value": max_value, "threshold": threshold}
    row = with_parameters(TABLE["relu"], given)
    y: NDArray[np.floating] = getattr(kernels, row.forward)(x, **row.scalars)
    return y


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


def gelu(x: ArrayLike, approximate: bool = False) -> NDArray[np.floating]:
    """Return x * Phi(x) with the normal distribution function Phi; approximate: by tanh instead.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.gelu([3.0]), nn.activations.gelu([3.0], approximate=True)
    (array([2.9959502], dtype=float32), array([2.9963627], dtype=float32))
    """
    if _checks.boolean(approximate, "gelu", "approximate"):
        return kernels.gelu_tanh_forward(x)
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


def relu6(x: ArrayLike) -> NDArray[np.floating]:
    """Return x, at least 0 and at most 6.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.relu6([-1.0, 2.0, 9.0])
    array([0., 2., 6.], dtype=float32)
    """
    return kernels.relu6_forward(x)


def celu(x: ArrayLike, alpha: float = 1.0) -> NDArray[np.floating]:
    """Return x where it is positive, else alpha * (exp(x / alpha) - 1).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.celu([0.0, 2.0], alpha=0.5)
    array([0., 2.], dtype=float32)
    """
    return kernels.celu_forward(x, alpha=alpha)


def selu(x: ArrayLike) -> NDArray[np.floating]:
    """Return 1.0507 * elu(x, alpha=1.6733): rows of mean 0 and variance 1 tend to stay so.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.selu([1.0])
    array([1.050701], dtype=float32)
    """
    return kernels.selu_forward(x)


def softsign(x: ArrayLike) -> NDArray[np.floating]:
    """Return x / (1 + abs(x)).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.softsign([-1.0, 3.0])
    array([-0.5 ,  0.75], dtype=float32)
    """
    return kernels.softsign_forward(x)


def log_sigmoid(x: ArrayLike) -> NDArray[np.floating]:
    """Return log(sigmoid(x)), without its rounding to -inf.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.log_sigmoid([-1000.0])
    array([-1000.], dtype=float32)
    """
    return kernels.log_sigmoid_forward(x)


def squareplus(x: ArrayLike, b: float = 4.0) -> NDArray[np.floating]:
    """Return (x + sqrt(x**2 + b)) / 2.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.squareplus([0.0, 1.5])
    array([1., 2.], dtype=float32)
    """
    return kernels.squareplus_forward(x, b=b)


def sparse_plus(x: ArrayLike) -> NDArray[np.floating]:
    """Return 0 up to -1, x from 1 on, and (x + 1)**2 / 4 between.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.sparse_plus([-2.0, 0.0, 2.0])
    array([0.  , 0.25, 2.  ], dtype=float32)
    """
    return kernels.sparse_plus_forward(x)


def sparse_sigmoid(x: ArrayLike) -> NDArray[np.floating]:
    """Return (x + 1) / 2, clipped to [0, 1].

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.sparse_sigmoid([-2.0, 0.0, 2.0])
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return kernels.sparse_sigmoid_forward(x)


def mish(x: ArrayLike) -> NDArray[np.floating]:
    """Return x * tanh(softplus(x)).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.mish([0.0, 100.0])
    array([  0., 100.], dtype=float32)
    """
    return kernels.mish_forward(x)


def hard_silu(x: ArrayLike) -> NDArray[np.floating]:
    """Return x * relu6(x + 3) / 6; also known as hard_swish.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.hard_silu([-4.0, -1.5, 4.0])
    array([ 0.   , -0.375,  4.   ], dtype=float32)
    """
    return kernels.hard_silu_forward(x)


hard_swish = hard_silu


def hard_tanh(x: ArrayLike) -> NDArray[np.floating]:
    """Return x, clipped to [-1, 1].

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.hard_tanh([-2.0, 0.5])
    array([-1. ,  0.5], dtype=float32)
    """
    return kernels.hard_tanh_forward(x)


def tanh_shrink(x: ArrayLike) -> NDArray[np.floating]:
    """Return x - tanh(x).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.tanh_shrink([0.0, 100.0])
    array([ 0., 99.], dtype=float32)
    """
    return kernels.tanh_shrink_forward(x)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> NDArray[np.floating]:
    """Return x where its size exceeds the threshold, else 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.hard_shrink([-0.5, 2.0])
    array([0., 2.], dtype=float32)
    """
    return kernels.hard_shrink_forward(x, threshold=threshold)


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> NDArray[np.floating]:
    """Return x, its size less by the threshold, and 0 where none is left.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.soft_shrink([-2.0, 0.25])
    array([-1.5,  0. ], dtype=float32)
    """
    return kernels.soft_shrink_forward(x, threshold=threshold)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> NDArray[np.floating]:
    """Return x where it exceeds the threshold, else default_value.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.threshold([-2.0, 0.25], 0.0, -1.0)
    array([-1.  ,  0.25], dtype=float32)
    """
    return kernels.threshold_forward(x, threshold=threshold, default_value=default_value)


def sign(x: ArrayLike) -> NDArray[np.floating]:
    """Return 1 where x is positive, -1 where it is negative, else 0. It has no gradient to train with.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.sign([-2.0, 0.0, 0.25])
    array([-1.,  0.,  1.], dtype=float32)
    """
    return kernels.sign_forward(x)


def softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> NDArray[np.floating]:
    """Return exp(x) divided by its sum over an axis.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.softmax([[3.0, 3.0]])
    array([[0.5, 0.5]], dtype=float32)
    """
    return _along(kernels.softmax, "softmax", x, axis)


def log_softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> NDArray[np.floating]:
    """Return the logarithm of `softmax`, without its rounding to 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.log_softmax([0.0, -1000.0])
    array([    0., -1000.], dtype=float32)
    """
    return _along(kernels.log_softmax, "log_softmax", x, axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> NDArray[np.floating]:
    """Return max(x - tau, 0) with tau such that it sums to 1 over an axis.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.sparsemax([1.0, 0.5, -1.0])
    array([0.75, 0.25, 0.  ], dtype=float32)
    """
    return _along(kernels.sparsemax, "sparsemax", x, axis)


def glu(x: ArrayLike, axis: int = -1) -> NDArray[np.floating]:
    """Return a * sigmoid(b), a and b the halves of x along an axis.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.activations.glu([2.0, 4.0, 0.0, 100.0])
    array([1., 4.], dtype=float32)
    """
    return _along(kernels.glu_forward, "glu", x, axis)


def _along(
    kernel: Callable[..., Any], where: str, x: ArrayLike, axis: int | Sequence[int]
) -> NDArray[np.floating]:
    """Call a kernel of rows along an axis of `x`, or over several at once."""
    found = _checks.as_float_array(x, where, "x")
    if found.ndim == 0:
        raise ValueError(f"{where}: x must have at least 1 dimension, got a single number")
    given = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    axes = [_checks.integer(one, where, "axis", low=-found.ndim, high=found.ndim - 1) for one in given]
    end = list(range(-len(axes), 0))
    turned = np.moveaxis(found, axes, end)
    lead, sizes = turned.shape[: -len(axes)], turned.shape[-len(axes) :]
    rows = kernel(turned.reshape(math.prod(lead), math.prod(sizes)))
    shape = (*lead, rows.shape[-1]) if len(axes) == 1 else turned.shape
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape), end, axes))


_FUNCTIONS = {name: globals()[name] for name in (*TABLE, *SPECIAL)}
