"""Adam with the largest gradient in the place of a mean."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam with the largest gradient, as it decays, in the place of the root of v (Kingma and Ba 2015, section 7).

    m as of `Adam`; ``u := max(beta_2 * u, abs(dw))``; ``w := w - learning_rate / (1 - beta_1**t) * m / (u + epsilon)``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    beta_1, beta_2 : float
        How much of the running mean of the gradient, and of the largest one, is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Adamax().slots
    ('momentum', 'norm')
    """

    kernel = "adamax_update"
    state = ("momentum", "norm")
    scalars = {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"}
    powers = 2

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
        self.beta_1 = _checks.fraction(beta_1, "Adamax", "beta_1")
        self.beta_2 = _checks.fraction(beta_2, "Adamax", "beta_2")
        self.epsilon = _checks.positive(epsilon, "Adamax", "epsilon")
