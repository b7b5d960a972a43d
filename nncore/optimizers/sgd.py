"""Gradient descent."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum where asked for.

    ``v := momentum * v - learning_rate * dw; w := w + v``, or with Nesterov's look ahead
    ``w := w + momentum * v - learning_rate * dw``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    momentum : float
        How much of the last step is kept, in [0, 1].
    nesterov : bool
        Whether the step looks ahead; nothing without momentum.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.SGD(learning_rate=0.1, momentum=0.9).slots
    ('momentum',)
    """

    kernel = "sgd_update"
    state = ("momentum",)
    scalars = {"momentum": "momentum", "nesterov": "nesterov"}

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.momentum = _checks.real(momentum, "SGD", "momentum", low=0.0, high=1.0)
        self.nesterov = _checks.boolean(nesterov, "SGD", "nesterov")

    @property
    def kernel_slots(self) -> tuple[str, ...]:
        """The velocity, by Keras's name for it, where there is momentum."""
        return self.state if self.momentum else ()
