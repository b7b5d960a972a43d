"""Optimizers, with Keras 3's names: what is kept per parameter, and the op that updates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncore import _checks, _names

if TYPE_CHECKING:
    from nncore.program import Program
    from nncore.variables import Variable

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "get", "serialize"]


class Optimizer:
    """Base of the optimizers.

    A subclass sets `slots` and defines `emit_update` and `hyperparameters`.

    Parameters
    ----------
    learning_rate : float
        The step's size.
    name : str
        The optimizer's name.
    global_clipnorm : float, optional
        Gradients whose norm, that of all of them together, is larger are scaled to this one.

    Attributes
    ----------
    slots : tuple of str
        The names of the arrays that are kept per parameter, each of the parameter's shape, zero at the start.
    powers : tuple of str
        The hyperparameters whose product over all steps is kept, in float64, 1 at the start.
    elementwise : bool
        Whether `emit_update` appends one update kernel of this library, in which no element depends on another: then
        embeddings are updated in the rows that a batch names, and only there.
    iterations : int
        The steps made so far.
    """

    slots: tuple[str, ...] = ()
    powers: tuple[str, ...] = ()
    elementwise = False

    def __init__(self, learning_rate: float, name: str, global_clipnorm: float | None = None) -> None:
        self.learning_rate = learning_rate
        self.name = name
        self.global_clipnorm = global_clipnorm
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

    @property
    def global_clipnorm(self) -> float | None:
        """The largest norm of all gradients together, or None. A new value takes effect with the next epoch.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.Adam(global_clipnorm=1).global_clipnorm
        1.0
        """
        return self._global_clipnorm

    @global_clipnorm.setter
    def global_clipnorm(self, value: float | None) -> None:
        self._global_clipnorm = (
            None if value is None else _checks.positive(value, type(self).__name__, "global_clipnorm")
        )

    def attributes(self) -> dict[str, float]:
        """Return all that a program's ops take from the optimizer, as it is now.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.SGD(0.1, global_clipnorm=2).attributes()["global_clipnorm"]
        2.0
        """
        clip = {} if self.global_clipnorm is None else {"global_clipnorm": self.global_clipnorm}
        return self.hyperparameters() | clip

    def hyperparameters(self) -> dict[str, float]:
        """Return the update kernel's scalars; executors read them at the start of each run."""
        raise NotImplementedError(f"{type(self).__name__} must define hyperparameters()")

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slot_buffers: Mapping[str, int]
    ) -> None:
        """Append the op that updates one parameter in place.

        `slot_buffers` holds more than `slots`: "powers", the running products, where the optimizer has some, and
        "scale", what gradients are multiplied by, where they are clipped.

        Parameters
        ----------
        program : Program
            The program.
        variable : Variable
            The parameter, for what is particular to it.
        w, dw : int
            The buffers of the parameter and of its gradient.
        slot_buffers : mapping of str to int
            The buffers of this parameter's state, and of what all parameters share.
        """
        raise NotImplementedError(f"{type(self).__name__} must define emit_update()")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer."""
        return {"learning_rate": self.learning_rate, "global_clipnorm": self.global_clipnorm, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """Return the optimizer that `get_config` described."""
        return cls(**config)

    def check(self) -> None:
        """Raise what the constructor would raise for the values that the attributes have now."""
        type(self)(**self.get_config())

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
    global_clipnorm : float, optional
        Gradients whose norm, that of all of them together, is larger are scaled to this one.
    name : str
        The optimizer's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.SGD(learning_rate=0.1, momentum=0.9).slots
    ('velocity',)
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        *,
        global_clipnorm: float | None = None,
        name: str = "SGD",
    ) -> None:
        super().__init__(learning_rate, name, global_clipnorm)
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
        scale = (slot_buffers["scale"],) if "scale" in slot_buffers else ()
        program.emit("sgd_update", (w, dw, velocity, *scale), (), **self.hyperparameters(), l2=0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer."""
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "weight_decay": self.weight_decay,
            "global_clipnorm": self.global_clipnorm,
            "name": self.name,
        }


class Adam(Optimizer):
    """Steps of a size of their own for each weight, from running means of the gradient and of its square.

    ``m := m + (1 - beta_1) * (dw - m)``, ``v := v + (1 - beta_2) * (dw**2 - v)``, then with t the number of the
    step ``w := w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)`` (Kingma
    and Ba 2015, with epsilon where Keras has it).

    Parameters
    ----------
    learning_rate : float
        The step's size.
    beta_1, beta_2 : float
        How much of the running mean of the gradient, and of its square, is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    amsgrad : bool
        Whether the divisor comes from the largest v so far (Reddi, Kale and Kumar 2018).
    weight_decay : float, optional
        ``w := w - learning_rate * weight_decay * w`` before each step, apart from the gradient.
    global_clipnorm : float, optional
        Gradients whose norm, that of all of them together, is larger are scaled to this one.
    name : str
        The optimizer's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Adam(amsgrad=True).slots
    ('momentum', 'velocity', 'velocity_hat')
    """

    powers = ("beta_1", "beta_2")
    elementwise = True

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        *,
        global_clipnorm: float | None = None,
        name: str = "adam",
    ) -> None:
        super().__init__(learning_rate, name, global_clipnorm)
        where = type(self).__name__
        self.beta_1 = _checks.fraction(beta_1, where, "beta_1")
        self.beta_2 = _checks.fraction(beta_2, where, "beta_2")
        self.epsilon = _checks.positive(epsilon, where, "epsilon")
        self.amsgrad = _checks.boolean(amsgrad, where, "amsgrad")
        self.weight_decay = (
            None if weight_decay is None else _checks.real(weight_decay, where, "weight_decay", low=0.0)
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """The arrays kept per parameter, by Keras's names for m, v and, with amsgrad, the largest v."""
        return ("momentum", "velocity", "velocity_hat")[: 3 if self.amsgrad else 2]

    def hyperparameters(self) -> dict[str, float]:
        """Return the update kernel's scalars as they are now.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.Adam().hyperparameters()
        {'learning_rate': 0.001, 'beta_1': 0.9, 'beta_2': 0.999, 'epsilon': 1e-07, 'weight_decay': 0.0}
        """
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay or 0.0,
        }

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slot_buffers: Mapping[str, int]
    ) -> None:
        """Append ``adam_update(w, dw, m, v, v_hat)``. Adam treats all parameters alike."""
        state = (slot_buffers["momentum"], slot_buffers["velocity"], slot_buffers.get("velocity_hat"))
        scale = (slot_buffers["scale"],) if "scale" in slot_buffers else ()
        inputs = (w, dw, *state, slot_buffers["powers"], *scale)
        program.emit("adam_update", inputs, (), **self.hyperparameters())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
            "weight_decay": self.weight_decay,
            "global_clipnorm": self.global_clipnorm,
            "name": self.name,
        }


class AdamW(Adam):
    """`Adam` with weight decay apart from the gradient (Loshchilov and Hutter 2019).

    Parameters
    ----------
    learning_rate : float
        The step's size.
    weight_decay : float
        ``w := w - learning_rate * weight_decay * w`` before each step.
    beta_1, beta_2 : float
        How much of the running mean of the gradient, and of its square, is kept.
    epsilon : float
        Keeps the divisor from 0.
    amsgrad : bool
        Whether the divisor comes from the largest v so far.
    global_clipnorm : float, optional
        Gradients whose norm, that of all of them together, is larger are scaled to this one.
    name : str
        The optimizer's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.AdamW(weight_decay=0.01).hyperparameters()["weight_decay"]
    0.01
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        global_clipnorm: float | None = None,
        name: str = "adamw",
    ) -> None:
        weight_decay = _checks.real(weight_decay, "AdamW", "weight_decay", low=0.0)
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            weight_decay,
            global_clipnorm=global_clipnorm,
            name=name,
        )


_NAMES: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "SGD": SGD,
    "Adam": Adam,
    "AdamW": AdamW,
}


def get(identifier: object) -> Optimizer:
    """Return the optimizer of a name ("sgd", "adam", "adamw"), class, serialized form or object.

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
