"""Adam, and Adam with weight decay."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of a size of their own for each weight, from running means of the gradient and of its square.

    ``m := m + (1 - beta_1) * (dw - m)``, ``v := v + (1 - beta_2) * (dw**2 - v)``, then with t the number of the
    step ``w := w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)`` (Kingma
    and Ba 2015, with epsilon where Keras has it).

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    beta_1, beta_2 : float
        How much of the running mean of the gradient, and of its square, is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    amsgrad : bool
        Whether the divisor comes from the largest v so far (Reddi, Kale and Kumar 2018).
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Adam(amsgrad=True).slots
    ('momentum', 'velocity', 'velocity_hat')
    """

    kernel = "adam_update"
    state = ("momentum", "velocity", "velocity_hat")
    scalars = {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"}
    powers = 2

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        where = type(self).__name__
        self.beta_1 = _checks.fraction(beta_1, where, "beta_1")
        self.beta_2 = _checks.fraction(beta_2, where, "beta_2")
        self.epsilon = _checks.positive(epsilon, where, "epsilon")
        self.amsgrad = _checks.boolean(amsgrad, where, "amsgrad")

    @property
    def kernel_slots(self) -> tuple[str, ...]:
        """Keras's names for m, v and, with amsgrad, the largest v."""
        return self.state if self.amsgrad else self.state[:2]


class AdamW(Adam):
    """`Adam` with weight decay apart from the gradient (Loshchilov and Hutter 2019).

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    {shared}
    beta_1, beta_2, epsilon, amsgrad
        As of `Adam`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.AdamW().weight_decay
    0.004
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        weight_decay = _checks.real(weight_decay, "AdamW", "weight_decay", low=0.0)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, **shared)
