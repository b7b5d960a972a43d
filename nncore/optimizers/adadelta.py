"""Steps as long as the last ones were."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps as long as the last ones were, against the running mean of the gradient's square (Zeiler 2012).

    ``v := v + (1 - rho) * (dw**2 - v)``; ``step = sqrt((d + epsilon) / (v + epsilon)) * dw``; ``d := d + (1 - rho) *
    (step**2 - d)``; ``w := w - learning_rate * step``.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        What the steps are multiplied by: 1 in the paper, Keras's default is much smaller.
    rho : float
        How much of the running means is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0, and lets the steps begin; positive.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Adadelta(learning_rate=1.0).slots
    ('accumulated_grad', 'accumulated_delta_var')
    """

    kernel = "adadelta_update"
    state = ("accumulated_grad", "accumulated_delta_var")
    scalars = {"rho": "rho", "epsilon": "epsilon"}

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)
        self.rho = _checks.fraction(rho, "Adadelta", "rho")
        self.epsilon = _checks.positive(epsilon, "Adadelta", "epsilon")
