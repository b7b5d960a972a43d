"""Gradients divided by the root of the running mean of their squares."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Gradients divided by the root of the running mean of their squares (Tieleman and Hinton 2012).

    ``v := v + (1 - rho) * (dw**2 - v)``; ``step = learning_rate * dw / sqrt(v + epsilon)``; ``w := w - step``, or with
    momentum ``p := momentum * p + step`` and ``w := w - p``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    rho : float
        How much of the running means is kept: at least 0 and less than 1.
    momentum : float
        How much of the last step is kept, in [0, 1].
    epsilon : float
        Keeps the divisor from 0; positive.
    centered : bool
        Whether the divisor is the root of the gradient's variance ``v - mean**2``, from its running mean (Graves 2013).
        Where rounding makes the variance negative, of which Keras takes the root, it counts as 0.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.RMSprop(momentum=0.9, centered=True).slots
    ('velocity', 'momentum', 'average_gradient')
    """

    kernel = "rmsprop_update"
    state = ("velocity", "momentum", "average_gradient")
    scalars = {"rho": "rho", "momentum": "momentum", "epsilon": "epsilon"}

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.rho = _checks.fraction(rho, "RMSprop", "rho")
        self.momentum = _checks.real(momentum, "RMSprop", "momentum", low=0.0, high=1.0)
        self.epsilon = _checks.positive(epsilon, "RMSprop", "epsilon")
        self.centered = _checks.boolean(centered, "RMSprop", "centered")

    @property
    def kernel_slots(self) -> tuple[str, ...]:
        """The mean of squares, the step where there is momentum, the mean where it is centered."""
        wanted = (True, self.momentum != 0, self.centered)
        return tuple(name for name, one in zip(self.state, wanted, strict=True) if one)
