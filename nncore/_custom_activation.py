"""Activations that users write as NumPy functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from nncore import _checks, custom
from nncore._activation_table import ALIASES, SPECIAL, TABLE

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = ["NAMELESS", "Custom", "is_ours"]

NAMELESS = "<lambda>"  # what Python calls functions that have no name


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def is_ours(name: str) -> bool:
    """Return whether an activation of nncore has this name."""
    return name in TABLE or name in SPECIAL or name in ALIASES


class _Slope:
    """The backward function of a pair (f, f'); an object, for a function within a function cannot be pickled."""

    def __init__(self, derivative: Callable[[NDArray[Any]], ArrayLike], where: str) -> None:
        self.derivative, self.where = derivative, where

    def __call__(self, x: NDArray[Any], y: NDArray[Any], dy: NDArray[Any]) -> NDArray[Any]:
        """Return dy f'(x)."""
        dx: NDArray[Any] = dy * custom.checked(self.derivative(x), x.shape, self.where, "f'(x)")
        return dx


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
        self.name = _name_of(forward) if name is None else name
        if is_ours(self.name):
            raise ValueError(f"activations.Custom: {self.name!r} is an activation of nncore: choose another name")
        self.forward, self.backward = forward, backward
        if self.name != NAMELESS:
            Custom.named[self.name] = self

    @classmethod
    def of(
        cls, forward: Callable[..., ArrayLike], derivative: Callable[[NDArray[Any]], ArrayLike] | None = None
    ) -> Custom:
        """Make one of f alone, or of f and f', functions of x: what stands for them as a layer's argument.

        The name is the function's; that of one of nncore's own activations gets "custom_" in front. f' returns an
        array of x's shape; f alone has none, also where another activation was made of it with one.

        Examples
        --------
        >>> import numpy as np
        >>> import nncore as nn
        >>> nn.activations.Custom.of(np.sin, np.cos)
        Custom('sin')
        """
        name = _name_of(forward)
        name = f"custom_{name}" if is_ours(name) else name
        if derivative is None:
            known = cls.named.get(name)
            alone = cls(forward, name=name)
            if known is not None and known.forward is forward:
                cls.named[name] = known  # perhaps with a derivative, which the name stands for and f alone does not
            return alone
        return cls(forward, _Slope(derivative, f"the derivative of activation {name!r}"), name)

    def __call__(self, x: ArrayLike) -> ArrayLike:
        """Return ``forward(x)``."""
        return self.forward(_checks.as_float_array(x, self.name, "x"))

    def emit(self, program: Program, x: int) -> int:
        """Append ``forward`` as an op on buffer `x`; return the output's buffer."""
        where = f"layer {program.layer!r}: activation {self.name!r}"

        def gradient() -> custom.UserFunction:
            backward = self.backward
            if backward is None:
                raise NotImplementedError(
                    f"{where} has no backward(x, y, dy), which training needs: give its derivative too, "
                    "activation=(f, f_prime) with NumPy functions of x, or nncore.activations.Custom(f, backward)"
                )
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
