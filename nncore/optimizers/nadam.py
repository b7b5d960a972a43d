"""Adam with Nesterov's look ahead."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Nadam"]


class Nadam(Optimizer):
    """Adam with Nesterov's look ahead (Dozat 2016).

    m and v as of `Adam`. The beta of step t is ``a(t) = beta_1 * (1 - 0.96**t / 2)``, P the product of all so far;
    ``m_hat = a(t + 1) * m / (1 - P * a(t + 1)) + (1 - a(t)) * dw / (1 - P)`` and ``w := w - learning_rate * m_hat /
    (sqrt(v / (1 - beta_2**t)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    beta_1, beta_2 : float
        How much of the running mean of the gradient, and of its square, is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Nadam(0.002).slots
    ('momentum', 'velocity')
    """

    kernel = "nadam_update"
    state = ("momentum", "velocity")
    scalars = {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"}
    powers = 3
    step_kernel = "nadam_step"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.beta_1 = _checks.fraction(beta_1, "Nadam", "beta_1")
        self.beta_2 = _checks.fraction(beta_2, "Nadam", "beta_2")
        self.epsilon = _checks.positive(epsilon, "Nadam", "epsilon")
