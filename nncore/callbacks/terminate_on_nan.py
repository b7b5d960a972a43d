"""Ends training when the loss is no number."""

from __future__ import annotations

from nncore import _checks
from nncore.callbacks.base import Callback

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """End training when the loss becomes nan or inf, without an exception.

    `fit` looks at the loss of each batch anyway, and its ``nonfinite`` says what happens then: "raise" by default.
    With this callback that default becomes "stop": training ends as if the epoch had not begun, with the weights
    of the last good one, and `on_train_end` is called. (Keras leaves the weights that gave the nan.) With
    ``fit(..., nonfinite="continue")`` it ends after the batch, as in Keras, with the weights as they are.

    Parameters
    ----------
    raise_error : bool
        Whether to raise `nncore.NonFiniteError` instead, as `fit` does by itself.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(1e30), "mse")
    >>> end = nn.callbacks.TerminateOnNaN()
    >>> model.fit([[1.0]], [[2.0]], epochs=9, verbose=0, callbacks=end).history["loss"]
    [1.0]
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = _checks.boolean(raise_error, "TerminateOnNaN", "raise_error")

    def policy(self, nonfinite: str) -> str:
        """Say what `fit` does: it looks at the loss of each batch without coming back to Python."""
        if nonfinite == "continue":
            return "fail" if self.raise_error else "end"
        return "raise" if self.raise_error else "stop"
