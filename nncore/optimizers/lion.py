"""Steps of one size, up or down."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Lion"]


class Lion(Optimizer):
    """Steps of one size for all weights, up or down as the gradient and its running mean say (Chen and others 2023).

    ``w := w - learning_rate * sign(m + (1 - beta_1) * (dw - m))``; ``m := m + (1 - beta_2) * (dw - m)``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The size of each weight's step: a tenth to a third of what `Adam` takes.
    beta_1 : float
        How much the running mean counts in the step: more than 0, at most 1.
    beta_2 : float
        How much of the running mean is kept: at least 0 and less than 1.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Lion(1e-4, weight_decay=0.1).slots
    ('momentum',)
    """

    kernel = "lion_update"
    state = ("momentum",)
    scalars = {"beta_1": "beta_1", "beta_2": "beta_2"}

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.beta_1 = _checks.real(beta_1, "Lion", "beta_1", low=0.0, high=1.0)
        if self.beta_1 == 0:
            raise ValueError(f"Lion: beta_1 must be more than 0, else only the gradient's sign counts, got {beta_1!r}")
        self.beta_2 = _checks.fraction(beta_2, "Lion", "beta_2")
