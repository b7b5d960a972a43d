"""Lowers the learning rate when a value no longer gets better."""

from __future__ import annotations

from typing import Any

from nncore import _checks
from nncore.callbacks.base import Logs
from nncore.callbacks.monitor import MonitorCallback

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by a factor when a value has not got better for some epochs.

    The history gets a "learning_rate": that of each epoch.

    Parameters
    ----------
    monitor : str
        The value: "loss", a metric's name, or these with "val_" before them.
    factor : float
        What the learning rate is multiplied by, in (0, 1).
    patience : int
        Epochs without improvement after which that is done.
    verbose : {0, 1}
        Whether to print what is done.
    mode : {"auto", "min", "max"}
        Whether less is better or more; "auto" knows it of losses and of nncore's metrics.
    min_delta : float
        A smaller change is no improvement.
    cooldown : int
        Epochs after a change in which none are counted.
    min_lr : float
        The least learning rate.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(1.0), "mse")  # every step is too long
    >>> lower = nn.callbacks.ReduceLROnPlateau("loss", factor=0.25, patience=1)
    >>> history = model.fit([[1.0]], [[2.0]], epochs=4, verbose=0, callbacks=lower)
    >>> history.history["learning_rate"], history.history["loss"]
    ([1.0, 1.0, 0.25, 0.0625], [1.0, 9.0, 81.0, 0.0])
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        where = "ReduceLROnPlateau"
        self.factor = _checks.positive(factor, where, "factor")
        if self.factor >= 1:
            raise ValueError(f"{where}: factor must be less than 1, got {factor!r}")
        self.patience = _checks.integer(patience, where, "patience", low=0)
        self.verbose = verbose
        self.cooldown = _checks.integer(cooldown, where, "cooldown", low=0)
        self.min_lr = _checks.real(min_lr, where, "min_lr", low=0.0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self.best: float | None = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the epoch's value."""
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        current = self.current(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
        if self.improves(current, self.best):
            self.best, self.wait = current, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {optimizer.learning_rate}.")

    def get_state(self) -> dict[str, Any]:
        """Return the best value, how long ago it was, and the epochs of the cooldown that are left."""
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned."""
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]
