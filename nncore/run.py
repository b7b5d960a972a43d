"""A call of `fit` under way: where it stands, as something that can be written down and taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.history import History

if TYPE_CHECKING:
    from nncore.data.sources import Stream
    from nncore.feeding import Feed
    from nncore.training import Trainable

__all__ = ["Run"]


class Run:
    """A call of `fit` under way.

    Parameters
    ----------
    model : Trainable
        The model.
    history : History
        Its record.
    epoch : int
        The number of the first epoch.

    Attributes
    ----------
    epoch, done : int
        The epoch under way, and how many of its batches are done.
    begun : int
        The optimizer's steps before that epoch.
    logs : dict
        Those of the last epoch.
    over : bool
        Whether training ended: an interrupted run may have been told so just before.
    guarded : bool
        Whether a loss that is not finite brings back the weights from before the epoch.
    """

    def __init__(self, model: Trainable, history: History, epoch: int) -> None:
        self.model, self.history, self.epoch = model, history, epoch
        self.done = self.begun = 0
        self.logs: dict[str, Any] = {}
        self.over = self.guarded = False
        self._feed: Feed | None = None
        self._validation: Stream | None = None
        self._state: dict[str, Any] = {}  # of the data, for when they are there

    def attach(self, feed: Feed, validation: Stream | None) -> None:
        """Take the data; they then stand where an interrupted run stood."""
        self._feed, self._validation = feed, validation
        if not self._state:
            return
        state = self._state
        feed.seek(state["number"], state["passes"], state["taken"])
        if validation is not None and state["validation"] is not None:
            validation.seek(0, *state["validation"])
        if self.done:
            kept = {int(number): array for number, array in state["kept"].items()}
            feed.go_on(state["rows"], state["totals"], kept, state["logs"])

    def get_state(self, logs: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return all that is needed to go on: numbers, texts and arrays.

        Parameters
        ----------
        logs : dict, optional
            Those of the epoch that has just ended; by default the run is between two batches.
        """
        assert self._feed is not None
        feed, history = self._feed, {name: list(values) for name, values in self.history.history.items()}
        epochs = list(self.history.epoch)
        if logs is not None:
            epochs.append(self.epoch)
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
        middle = logs is None and self.done > 0
        data: dict[str, Any] = {
            "number": feed.number, "passes": feed.passes, "taken": feed.taken,
            "validation": None if self._validation is None else [self._validation.passes, self._validation.taken],
        }
        if middle:
            data |= {"rows": feed.rows, "totals": dict(feed.totals), "logs": feed.logs(),
                     "kept": {str(number): array for number, array in feed.kept().items()}}
        return {
            "model": self.model._training_state(),
            "epoch": self.epoch + (logs is not None), "done": self.done if middle else 0,
            "begun": self.begun, "good": list(self.model._good) if middle and self.guarded else [],
            "stop": bool(self.model.stop_training), "logs": self.logs if logs is None else logs,
            "history": history, "epochs": epochs, "data": data,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Stand where the run stood that `get_state` described; before the first batch."""
        self.model._set_training_state(state["model"])
        self.epoch, self.done, self.begun = state["epoch"], state["done"], state["begun"]
        self.over, self.logs, self._state = state["stop"], state["logs"], state["data"]
        self.model.stop_training = state["stop"]
        self.history.history, self.history.epoch = state["history"], list(state["epochs"])
        if state["good"]:
            self.model._good = [np.ascontiguousarray(array) for array in state["good"]]
