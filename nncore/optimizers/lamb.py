"""Adam's direction with a step in proportion to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nncore import _checks
from nncore.optimizers import ops
from nncore.optimizers.base import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from nncore.program import Program
    from nncore.variables import Variable

__all__ = ["Lamb"]


class Lamb(Optimizer):
    """Adam's direction with a step in proportion to the norm of each array of weights (You and others 2020).

    m and v as of `Adam`; ``r = m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)``; ``w := w -
    learning_rate * norm(w) / norm(r) * r``, without the ratio where one of the norms is 0.

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
    >>> nn.optimizers.Lamb().slots
    ('momentum', 'velocity')
    """

    kernel = "lamb_update"
    state = ("momentum", "velocity")
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
        self.beta_1 = _checks.fraction(beta_1, "Lamb", "beta_1")
        self.beta_2 = _checks.fraction(beta_2, "Lamb", "beta_2")
        self.epsilon = _checks.positive(epsilon, "Lamb", "epsilon")

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slots: Mapping[str, int], every: int = 1
    ) -> None:
        """Append the moments, the ratio of the norms, and the step."""
        inputs, attributes = self.operands(w, dw, slots), self.op_attributes(variable)
        f64 = np.dtype(np.float64)
        sums = program.array((2 * ops.blocks(program.buffers[w].row_size),), "sums", f64)
        ratio = program.array((1,), "scale", f64)
        program.emit("lamb_moments", inputs, (sums,), every=every, **attributes)
        program.emit("lamb_ratio", (sums,), (ratio,), every=every)
        program.emit("lamb_step", (*inputs[:4], ratio, inputs[4], None), (), every=every, **attributes)
