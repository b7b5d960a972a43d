"""Optimizers, with Keras 3's names: what is kept per parameter, and the op that updates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncore import _checks, _names

if TYPE_CHECKING:
    from nncore.program import Program
    from nncore.variables import Variable

__all__ = ["SGD", "Optimizer", "get", "serialize"]


class Optimizer:
    """Base of the optimizers.

    A subclass sets `slots` and defines `emit_update` and `hyperparameters`.

    Parameters
    ----------
    learning_rate : float
        The step's size.
    name : str
        The optimizer's name.

    Attributes
    ----------
    slots : tuple of str
        The names of the arrays that are kept per parameter, each of the parameter's shape, zero at the start.
    iterations : int
        The steps made so far.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, name: str) -> None:
        self.learning_rate = learning_rate
        self.name = name
        self.iterations = 0

    @property
    def learning_rate(self) -> float:
        """The step's size. A new value takes effect with the next epoch, or batch where a callback asks for batches.

        Examples
        --------
        >>> import nncore as nn
        >>> optimizer = nn.optimizers.SGD(0.1)
        >>> optimizer.learning_rate /= 2
        >>> optimizer.learning_rate
        0.05
        """
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = _checks.real(value, type(self).__name__, "learning_rate", low=0.0)

    def hyperparameters(self) -> dict[str, float]:
        """Return the update kernel's scalars; executors read them at the start of each run."""
        raise NotImplementedError(f"{type(self).__name__} must define hyperparameters()")

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slot_buffers: Mapping[str, int]
    ) -> None:
        """Append the op that updates one parameter in place.

        Parameters
        ----------
        program : Program
            The program.
        variable : Variable
            The parameter, for what is particular to it.
        w, dw : int
            The buffers of the parameter and of its gradient.
        slot_buffers : mapping of str to int
            The buffer of each of `slots`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define emit_update()")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer."""
        return {"learning_rate": self.learning_rate, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """Return the optimizer that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal optimizer."""
        return _names.representation(self)


class SGD(Optimizer):
    """Gradient descent, with momentum where asked for.

    ``v := momentum * v - learning_rate * dw; w := w + v``, or with Nesterov's look ahead
    ``w := w + momentum * v - learning_rate * dw``.

    Parameters
    ----------
    learning_rate : float
        The step's size.
    momentum : float
        How much of the last step is kept, in [0, 1].
    nesterov : bool
        Whether the step looks ahead; needs momentum.
    weight_decay : float, optional
        ``w := w - learning_rate * weight_decay * w`` before each step, apart from the gradient.
    name : str
        The optimizer's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.SGD(learning_rate=0.1, momentum=0.9).slots
    ('velocity',)
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        *,
        name: str = "SGD",
    ) -> None:
        super().__init__(learning_rate, name)
        self.momentum = _checks.real(momentum, "SGD", "momentum", low=0.0, high=1.0)
        self.nesterov = _checks.boolean(nesterov, "SGD", "nesterov")
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov=True needs momentum > 0, got momentum=0")
        self.weight_decay = (
            None if weight_decay is None else _checks.real(weight_decay, "SGD", "weight_decay", low=0.0)
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """The arrays kept per parameter: the velocity where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def hyperparameters(self) -> dict[str, float]:
        """Return the update kernel's scalars as they are now.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.SGD(0.1).hyperparameters()
        {'learning_rate': 0.1, 'momentum': 0.0, 'nesterov': False, 'weight_decay': 0.0}
        """
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "weight_decay": self.weight_decay or 0.0,
        }

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slot_buffers: Mapping[str, int]
    ) -> None:
        """Append ``sgd_update(w, dw, velocity)``. SGD treats all parameters alike."""
        velocity = slot_buffers["velocity"] if self.momentum else None
        program.emit("sgd_update", (w, dw, velocity), (), **self.hyperparameters(), l2=0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer."""
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "weight_decay": self.weight_decay,
            "name": self.name,
        }


_NAMES: dict[str, type[Optimizer]] = {"sgd": SGD, "SGD": SGD}


def get(identifier: object) -> Optimizer:
    """Return the optimizer of a name ("sgd"), class, serialized form or object.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.get("sgd").learning_rate
    0.01
    """
    return _names.resolve("optimizer", identifier, Optimizer, _NAMES)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal optimizer (its state apart).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.serialize(nn.optimizers.SGD(0.1))["config"]["learning_rate"]
    0.1
    """
    return _names.serialize(optimizer)
