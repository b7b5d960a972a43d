"""Gradients divided by the root of the sum of their squares."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares (Duchi, Hazan and Singer 2011).

    ``a := a + dw**2``; ``w := w - learning_rate * dw / sqrt(a + epsilon)``. Steps only shrink; those of weights that
    are rarely reached stay large.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    initial_accumulator_value : float
        What the sum starts from; not negative.
    epsilon : float
        Keeps the divisor from 0; positive.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Adagrad().slots
    ('accumulator',)
    """

    kernel = "adagrad_update"
    state = ("accumulator",)
    scalars = {"epsilon": "epsilon"}

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.initial_accumulator_value = _checks.real(
            initial_accumulator_value, "Adagrad", "initial_accumulator_value", low=0.0
        )
        self.epsilon = _checks.positive(epsilon, "Adagrad", "epsilon")

    def slot_value(self, name: str) -> float:
        """Return what an array starts from."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0
