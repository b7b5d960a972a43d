"""Ends training when a value no longer gets better."""

from __future__ import annotations

from typing import Any

from nncore import _checks
from nncore.callbacks.base import Logs
from nncore.callbacks.monitor import MonitorCallback

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """End training when a value has not got better for some epochs.

    Parameters
    ----------
    monitor : str
        The value: "loss", a metric's name, or these with "val_" before them.
    min_delta : float
        A smaller change is no improvement.
    patience : int
        Epochs without improvement after which training ends.
    verbose : {0, 1}
        Whether to print what is done.
    mode : {"auto", "min", "max"}
        Whether less is better or more; "auto" knows it of losses and of nncore's metrics.
    baseline : float, optional
        Training also ends after `patience` epochs without a value better than this one.
    restore_best_weights : bool
        Whether the model ends with the weights of its best epoch, however training ended (but for an
        exception), and whether or not that epoch was better than `baseline`.
    start_from_epoch : int
        Epochs at the start that are not looked at.

    Attributes
    ----------
    best, best_epoch, best_weights
        The best value, the number of its epoch, from 0, and its weights where they are to be restored.
    wait : int
        Epochs since the last improvement.
    stopped_epoch : int
        The number of the epoch that training was ended after; 0 where it was not.

    Notes
    -----
    All is as in Keras 3, but for a value of NaN: it is never the best.

    Examples
    --------
    >>> import nncore as nn
    >>> stop = nn.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(1.0), "mse")  # every step is too long
    >>> model.fit([[1.0]], [[2.0]], epochs=9, verbose=0, callbacks=stop).history["loss"]
    [1.0, 9.0, 81.0]
    >>> stop.best, stop.stopped_epoch
    (1.0, 2)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        where = "EarlyStopping"
        self.patience = _checks.integer(patience, where, "patience", low=0)
        self.verbose = verbose
        self.baseline = None if baseline is None else _checks.real(baseline, where, "baseline")
        self.restore_best_weights = _checks.boolean(restore_best_weights, where, "restore_best_weights")
        self.start_from_epoch = _checks.integer(start_from_epoch, where, "start_from_epoch", low=0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the epoch's value."""
        current = self.current(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give the model its best weights."""
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        """Return the best value, its weights, and how long ago it was."""
        return {name: getattr(self, name) for name in _STATE}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned."""
        for name in _STATE:
            setattr(self, name, state[name])


_STATE = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")
