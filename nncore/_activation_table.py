"""The table of activations: which kernel a name means, with which scalars, and what its derivative needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from nncore import _checks

__all__ = ["ALIASES", "DERIVATIVES", "KERNEL_ROWS", "SPECIAL", "TABLE", "Activation", "with_parameters"]


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
    parameters : mapping of str
        Keras' parameters with their values.
    scalars : mapping of str to float
        What the forward kernel is called with; `DERIVATIVES` says which of them the backward kernel takes.

    Examples
    --------
    >>> import functools
    >>> import nncore as nn
    >>> row = nn.activations.get("leaky_relu")
    >>> row.forward, row.needs, dict(row.scalars)
    ('leaky_relu_forward', 'y', {'negative_slope': 0.2})
    >>> row = nn.activations.get(functools.partial(nn.activations.relu, negative_slope=0.1))
    >>> row.name, row.forward, dict(row.scalars)
    ('relu', 'leaky_relu_forward', {'negative_slope': 0.1})
    """

    name: str
    forward: str
    kernel: str
    needs: Literal["x", "y"] | None
    parameters: Mapping[str, Any]
    scalars: Mapping[str, Any]


# What each backward kernel takes beside dy: input or output, and its scalars. What can be had from the output is:
# then training need not keep the input, and the activation is part of the product before it.
DERIVATIVES: dict[str, tuple[Literal["x", "y"] | None, tuple[str, ...]]] = {
    "identity": (None, ()),
    "sigmoid": ("y", ()),
    "tanh": ("y", ()),
    "relu": ("y", ()),
    "leaky_relu": ("y", ("negative_slope",)),
    "elu": ("y", ("alpha",)),
    "exponential": ("y", ()),
    "hard_sigmoid": ("y", ()),
    "softplus": ("y", ()),
    "gelu": ("x", ()),
    "silu": ("x", ()),
    "softmax": ("y", ()),
    "log_softmax": ("y", ()),
    "relu6": ("y", ()),
    "celu": ("y", ("alpha",)),
    "selu": ("y", ()),
    "softsign": ("y", ()),
    "hard_tanh": ("y", ()),
    "hard_shrink": ("y", ()),
    "soft_shrink": ("y", ()),
    "log_sigmoid": ("y", ()),
    "squareplus": ("y", ("b",)),
    "sparse_plus": ("y", ()),
    "sparse_sigmoid": ("y", ()),
    "gelu_tanh": ("x", ()),
    "mish": ("x", ()),
    "hard_silu": ("x", ()),
    "tanh_shrink": ("x", ()),
    "general_relu": ("x", ("negative_slope", "max_value", "threshold")),
    "threshold": ("x", ("threshold",)),
    "sparsemax": ("y", ()),
    "glu": ("x", ()),
}
_WHOLE_ROWS = ("softmax", "log_softmax", "sparsemax")  # whose forward kernel has no suffix


def _row(name: str, **parameters: Any) -> Activation:
    kernel, scalars = _kernel(name, parameters)
    forward = kernel if kernel in _WHOLE_ROWS else f"{kernel}_forward"
    needs = DERIVATIVES[kernel][0] if kernel in DERIVATIVES else None
    return Activation(name, forward, kernel, needs, parameters, scalars)


def _kernel(name: str, given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the kernel for an activation with these parameters, and its scalars."""
    if name == "linear":
        return "identity", {}
    if name == "gelu":
        return ("gelu_tanh" if given["approximate"] else "gelu"), {}
    if "axis" in given:
        return name, {}
    if name != "relu":
        return name, given
    slope, most = given["negative_slope"], given["max_value"]
    if given["threshold"] == 0 and most is None:
        return ("leaky_relu", {"negative_slope": slope}) if slope else ("relu", {})
    if given["threshold"] == 0 and most == 6 and not slope:
        return "relu6", {}
    return "general_relu", {**given, "max_value": math.inf if most is None else most}


TABLE: dict[str, Activation] = {
    row.name: row
    for row in (
        _row("linear"),
        _row("sigmoid"),
        _row("tanh"),
        _row("relu", negative_slope=0.0, max_value=None, threshold=0.0),
        _row("leaky_relu", negative_slope=0.2),
        _row("elu", alpha=1.0),
        _row("exponential"),
        _row("hard_sigmoid"),
        _row("softplus"),
        _row("gelu", approximate=False),
        _row("silu"),
        _row("softmax", axis=-1),
        _row("log_softmax", axis=-1),
        _row("relu6"),
        _row("celu", alpha=1.0),
        _row("selu"),
        _row("softsign"),
        _row("hard_tanh"),
        _row("hard_shrink", threshold=0.5),
        _row("soft_shrink", threshold=0.5),
        _row("log_sigmoid"),
        _row("squareplus", b=4.0),
        _row("sparse_plus"),
        _row("sparse_sigmoid"),
        _row("mish"),
        _row("hard_silu"),
        _row("tanh_shrink"),
        _row("sparsemax", axis=-1),
    )
}
# Of another kind than "a trainable function that keeps the shape": no gradient, parameters that have no default,
# half as many outputs.
SPECIAL: dict[str, Activation] = {
    row.name: row
    for row in (_row("sign"), _row("threshold", threshold=None, default_value=None), _row("glu", axis=-1))
}
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
# A row for every kernel, for those who look one up by its forward kernel.
KERNEL_ROWS = (
    *TABLE.values(),
    *SPECIAL.values(),
    _row("gelu", approximate=True),
    _row("relu", negative_slope=0.1, max_value=5.0, threshold=1.0),
)


def with_parameters(row: Activation, parameters: Mapping[str, Any]) -> Activation:
    """Return a row with some parameters changed.

    Examples
    --------
    >>> with_parameters(TABLE["relu"], {"max_value": 6}).kernel
    'relu6'
    >>> with_parameters(TABLE["relu"], {"alpha": 6})
    Traceback (most recent call last):
    TypeError: activation relu: alpha is not one of its parameters (negative_slope, max_value, threshold)
    """
    for name in parameters:
        if name not in row.parameters:
            known = ", ".join(row.parameters) or "no parameters"
            raise TypeError(f"activation {row.name}: {name} is not one of its parameters ({known})")
    checked = {name: _checked(row.name, name, value) for name, value in parameters.items()}
    return _row(row.name, **{**row.parameters, **checked})


def _checked(activation: str, name: str, value: Any) -> Any:
    if name == "approximate":
        return _checks.boolean(value, activation, name)
    if name == "axis":
        several = isinstance(value, (list, tuple)) and activation != "glu" and len(value) > 0
        axes = [_checks.integer(one, activation, name, low=-64, high=63) for one in (value if several else [value])]
        return tuple(axes) if len(axes) > 1 else axes[0]
    if name == "max_value" and value is None:
        return None
    if (activation, name) in (("celu", "alpha"), ("squareplus", "b")):
        return _checks.positive(value, activation, name)
    return _checks.real(value, activation, name, low=-math.inf if activation == "threshold" else 0.0)
