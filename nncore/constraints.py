"""Constraints of weights, with Keras 3's names and meanings: what weights are brought back to after each update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, _names, custom, kernels

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "get", "serialize"]


class Constraint:
    """Base of the constraints, also of those that you write in NumPy.

    A constraint of your own defines ``__call__(self, w)``, which returns the weights as they shall be, of w's shape;
    for models that are saved also `get_config`. `load_model` finds it by its class's name once the class is defined.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class Between(nn.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return np.clip(w, -1, 1)
    >>> layer = nn.layers.Dense(1, kernel_constraint=Between())
    """

    kinds: ClassVar[dict[str, type[Constraint]]] = {}
    native = False  # whether kernels do it: then weights may be kept as these like it

    @property
    def by_rows(self) -> bool:
        """Whether these kernels also take some rows of a matrix, apart from the others."""
        return False

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        _names.register(Constraint.kinds, cls)

    def __call__(self, w: Any) -> ArrayLike:
        """Return the weights as they shall be."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, w)")

    def check(self, shape: tuple[int, ...], where: str) -> None:
        """Raise where weights of a shape cannot be constrained."""

    def emit(self, program: Program, w: int) -> None:
        """Append what changes the parameter `w`."""
        function = custom.UserFunction(f"{type(self).__name__}.__call__", lambda w: (self(w),), ("the weights",))
        custom.emit(program, function, (w,), (w,))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal constraint."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Return the constraint that `get_config` described."""
        return cls(**config)


class _Norm(Constraint):
    """Constraints of norms along an axis: what `nncore.kernels.norm_constraint` does."""

    native = True
    axis: int

    @property
    def by_rows(self) -> bool:
        """Whether norms are those of rows."""
        return self.axis in (-1, 1)

    def bounds(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        raise NotImplementedError

    def __call__(self, w: Any) -> NDArray[Any]:
        """Return the weights as they shall be."""
        found = np.array(_checks.as_float_array(w, type(self).__name__, "w"), order="C")
        kernels.norm_constraint(found, **self.bounds(), axis=self.axis)
        return found

    def check(self, shape: tuple[int, ...], where: str) -> None:
        """Raise where there is no such axis."""
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"{where}: {type(self).__name__} wants an axis {self.axis}, but the shape is {shape}")

    def emit(self, program: Program, w: int) -> None:
        """Append what changes the parameter `w`."""
        program.emit("norm_constraint", (w,), (), **self.bounds(), axis=self.axis)

    def __repr__(self) -> str:
        """Return the call that makes an equal constraint."""
        return _names.representation(self)


class MaxNorm(_Norm):
    """No norm is larger than a value: longer vectors are scaled to it.

    Parameters
    ----------
    max_value : float
        The largest norm; not negative.
    axis : int
        The axis that vectors lie along: 0 for the inputs of each unit of a `Dense` layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.MaxNorm(1.0)([[3.0, 0.3], [4.0, 0.4]]).round(4)
    array([[0.6, 0.3],
           [0.8, 0.4]], dtype=float32)
    """

    def __init__(self, max_value: float = 2, axis: int = 0) -> None:
        self.max_value = _checks.real(max_value, "MaxNorm", "max_value", low=0.0)
        self.axis = _axis(axis, "MaxNorm")

    def bounds(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        return {"min_value": 0.0, "max_value": self.max_value, "rate": 1.0}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal constraint."""
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(_Norm):
    """All norms are 1.

    Parameters
    ----------
    axis : int
        The axis that vectors lie along: 0 for the inputs of each unit of a `Dense` layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.UnitNorm()([[3.0, 0.3], [4.0, 0.4]]).round(4)
    array([[0.6, 0.6],
           [0.8, 0.8]], dtype=float32)
    """

    def __init__(self, axis: int = 0) -> None:
        self.axis = _axis(axis, "UnitNorm")

    def bounds(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        return {"min_value": 1.0, "max_value": 1.0, "rate": 1.0}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal constraint."""
        return {"axis": self.axis}


class MinMaxNorm(_Norm):
    """Norms are brought between two values, at once or by and by.

    A norm becomes ``rate * clip(norm, min_value, max_value) + (1 - rate) * norm``.

    Parameters
    ----------
    min_value, max_value : float
        The bounds; not negative.
    rate : float
        How much of the way there is gone with each update, in [0, 1].
    axis : int
        The axis that vectors lie along: 0 for the inputs of each unit of a `Dense` layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.MinMaxNorm(1.0, 2.0)([[3.0, 0.3], [4.0, 0.4]]).round(4)
    array([[1.2, 0.6],
           [1.6, 0.8]], dtype=float32)
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int = 0) -> None:
        where = "MinMaxNorm"
        self.min_value = _checks.real(min_value, where, "min_value", low=0.0)
        self.max_value = _checks.real(max_value, where, "max_value", low=0.0)
        if self.min_value > self.max_value:
            raise ValueError(f"{where}: min_value must not be larger than max_value, got {min_value!r} and "
                             f"{max_value!r}")
        self.rate = _checks.real(rate, where, "rate", low=0.0, high=1.0)
        self.axis = _axis(axis, where)

    def bounds(self) -> dict[str, float]:
        """Return the kernel's scalars."""
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal constraint."""
        return {**self.bounds(), "axis": self.axis}


class NonNeg(Constraint):
    """No weight is negative: those that are become 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.NonNeg()([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """

    native = True
    by_rows = True

    def __call__(self, w: Any) -> NDArray[Any]:
        """Return the weights as they shall be."""
        found = np.array(_checks.as_float_array(w, "NonNeg", "w"), order="C")
        kernels.non_negative(found)
        return found

    def emit(self, program: Program, w: int) -> None:
        """Append what changes the parameter `w`."""
        program.emit("non_negative", (w,), ())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal constraint."""
        return {}

    def __repr__(self) -> str:
        """Return the call that makes an equal constraint."""
        return _names.representation(self)


_NAMES: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm, "min_max_norm": MinMaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm,
}


def get(identifier: object) -> Constraint | None:
    """Return the constraint of a name ("max_norm", "non_neg" ...), class, serialized form or object; None for None.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.get("unit_norm")
    UnitNorm(axis=0)
    """
    if identifier is None:
        return None
    return _names.resolve("constraint", identifier, Constraint, {**Constraint.kinds, **_NAMES})


def serialize(constraint: Constraint | None) -> dict[str, Any] | None:
    """Return a JSON-able description that `get` turns into an equal constraint.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.constraints.serialize(nn.constraints.MaxNorm(2.0))
    {'class_name': 'MaxNorm', 'config': {'max_value': 2.0, 'axis': 0}}
    """
    return None if constraint is None else _names.serialize(constraint, Constraint.kinds)


def _axis(value: int, where: str) -> int:
    return _checks.integer(value, where, "axis", low=-8, high=7)
