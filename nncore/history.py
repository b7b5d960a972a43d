"""What `fit` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncore.progress import formatted

__all__ = ["History"]


class History:
    """The record of a training run, as in Keras.

    Attributes
    ----------
    history : dict of str to list
        One value per epoch under "loss", the metrics' names, and these with "val_" before them: numbers, and
        arrays of metrics that have several.
    epoch : list of int
        The epochs' numbers, from 0.
    params : dict
        What the run was asked for: "verbose", "epochs", "steps".

    Examples
    --------
    >>> history = History({"epochs": 2})
    >>> history.append(0, {"loss": 0.75})
    >>> history.append(1, {"loss": 0.5})
    >>> history.history
    {'loss': [0.75, 0.5]}
    >>> history
    History(2 epochs, loss: 0.5000)
    """

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.params: dict[str, Any] = dict(params or {})

    def append(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Add an epoch's values."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        """Return the number of epochs and the last values."""
        n = len(self.epoch)
        last = "".join(f", {name}: {formatted(values[-1])}" for name, values in self.history.items())
        return f"History({n} epoch{'s' * (n != 1)}{last})"
