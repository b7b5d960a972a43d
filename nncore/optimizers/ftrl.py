"""Follow the regularized leader."""

from __future__ import annotations

from typing import Unpack

from nncore import _checks
from nncore.optimizers.base import Optimizer, Rate, Shared

__all__ = ["Ftrl"]


class Ftrl(Optimizer):
    """FTRL-proximal (McMahan and others 2013): for wide linear models on sparse data; its l1 makes weights zero.

    With ``n' = n + dw**2`` and ``p = -learning_rate_power``: ``z := z + dw + 2 * l2_shrinkage * w - (n'**p - n**p) /
    learning_rate * w``; ``w := (clip(z, -l1, l1) - z) / ((beta + n'**p) / learning_rate + 2 * l2)``; ``n := n'``. A
    learning rate of 0 changes nothing.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    learning_rate_power : float
        How the steps shrink; not positive, 0 for steps that do not. Other values than 0 and -0.5 cost a logarithm
        and an exponential more per weight, twice.
    initial_accumulator_value : float
        What n starts from; not negative.
    l1_regularization_strength, l2_regularization_strength : float
        l1 and l2 above; not negative.
    l2_shrinkage_regularization_strength : float
        l2_shrinkage above: the factor of a penalty ``l2_shrinkage * sum(w**2)`` in the loss; not negative.
    beta : float
        The paper's beta; not negative.
    {shared}

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.Ftrl(0.1, l1_regularization_strength=0.01).slots
    ('accumulator', 'linear')
    """

    kernel = "ftrl_update"
    state = ("accumulator", "linear")
    scalars = {
        "learning_rate_power": "learning_rate_power",
        "l1": "l1_regularization_strength",
        "l2": "l2_regularization_strength",
        "l2_shrinkage": "l2_shrinkage_regularization_strength",
        "beta": "beta",
    }

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **shared)

        def not_negative(value: float, name: str) -> float:
            return _checks.real(value, "Ftrl", name, low=0.0)

        self.learning_rate_power = _checks.real(learning_rate_power, "Ftrl", "learning_rate_power", high=0.0)
        self.initial_accumulator_value = not_negative(initial_accumulator_value, "initial_accumulator_value")
        self.l1_regularization_strength = not_negative(l1_regularization_strength, "l1_regularization_strength")
        self.l2_regularization_strength = not_negative(l2_regularization_strength, "l2_regularization_strength")
        self.l2_shrinkage_regularization_strength = not_negative(
            l2_shrinkage_regularization_strength, "l2_shrinkage_regularization_strength"
        )
        self.beta = not_negative(beta, "beta")

    def slot_value(self, name: str) -> float:
        """Return what an array starts from."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0
