"""Ends training after some time."""

from __future__ import annotations

import time
from typing import Any

from nncore import _checks
from nncore.callbacks.base import Callback, Logs

__all__ = ["TimeLimit"]


class TimeLimit(Callback):
    """End training when it has taken so long, after the batch under way.

    The epoch under way ends early: its loss is the mean over the batches that were made, and a validation still
    follows. The clock is looked at some 20 times a second. Where an interrupted run goes on
    (`BackupAndRestore`) the time up to the backup counts, too.

    Parameters
    ----------
    seconds : float
        How long training may take.
    verbose : {0, 1}
        Whether to print what is done.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> limit = nn.callbacks.TimeLimit(0.2)
    >>> history = model.fit([[1.0]], [[2.0]], epochs=10**9, verbose=0, callbacks=limit)
    >>> 0.2 < limit.elapsed < 10
    True
    """

    def __init__(self, seconds: float, verbose: int = 0) -> None:
        super().__init__()
        self.seconds = _checks.positive(seconds, "TimeLimit", "seconds")
        self.verbose = verbose
        self.on_train_begin()

    @property
    def elapsed(self) -> float:
        """How many seconds training has taken."""
        return time.monotonic() - self._start

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_pause(self, logs: Logs | None = None) -> None:
        """Look at the clock."""
        if self.elapsed >= self.seconds and not self.model.stop_training:
            self.model.stop_training = True
            if self.verbose:
                print(f"TimeLimit: {self.seconds:g} seconds are over, training ends")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the clock after the validation, too."""
        self.on_train_pause()

    def get_state(self) -> dict[str, Any]:
        """Return the time so far."""
        return {"elapsed": self.elapsed}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take the time so far."""
        self._start = time.monotonic() - state["elapsed"]
