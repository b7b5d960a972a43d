"""Saves the model while it is trained."""

from __future__ import annotations

import os
from typing import Any

from nncore import _checks
from nncore.callbacks.base import Logs
from nncore.callbacks.monitor import MonitorCallback

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, after each epoch or every so many batches.

    The file is written beside and renamed: a crash leaves the old one.

    Parameters
    ----------
    filepath : path
        The file; in it ``{epoch}``, ``{batch}``, both counted from 1, and the names of the logs are filled in:
        ``"{epoch:02d}-{val_loss:.2f}.safetensors"``. Folders that are not there are made.
    monitor : str
        The value that says which model is the best.
    verbose : {0, 1}
        Whether to print what is done.
    save_best_only : bool
        Whether to save only when the value is better than all before. The best value of a `fit` is still known
        in the next one.
    save_weights_only : bool
        Whether to save by ``model.save_weights`` (weights and the optimizer's state) and not by ``model.save``.
    mode : {"auto", "min", "max"}
        Whether less is better or more; "auto" knows it of losses and of nncore's metrics.
    save_freq : "epoch" or int
        When to save: after each epoch, or after so many batches, counted over all epochs. The logs of a batch are
        means over its epoch up to there, without a validation.
    initial_value_threshold : float, optional
        With `save_best_only`: the value that the first model must be better than.

    Examples
    --------
    >>> import os, tempfile
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(1.0), "mse")  # every step is too long
    >>> folder = tempfile.mkdtemp()
    >>> save = nn.callbacks.ModelCheckpoint(os.path.join(folder, "{epoch:02d}-{loss:.1f}"), "loss", save_best_only=True)
    >>> history = model.fit([[1.0]], [[2.0]], epochs=3, verbose=0, callbacks=save)
    >>> os.listdir(folder)
    ['01-1.0']
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        where = "ModelCheckpoint"
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = _checks.boolean(save_best_only, where, "save_best_only")
        self.save_weights_only = _checks.boolean(save_weights_only, where, "save_weights_only")
        self.save_freq = save_frequency(save_freq, where)
        self._epoch = self._batches = 0  # under way; since the last one was saved
        if self.save_freq != "epoch":
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign] # only here: it costs

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch, for batches."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if that is to be done after epochs."""
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save(self._epoch, {"batch": batch + 1, **(logs or {})})

    def _save(self, epoch: int, logs: Logs) -> None:
        try:
            path = self.filepath.format(**{**logs, "epoch": epoch + 1})
        except (KeyError, IndexError) as error:
            raise KeyError(f"ModelCheckpoint: filepath {self.filepath!r} asks for {error}; there are "
                           f"{', '.join(['epoch', *logs])}") from error
        if self.save_best_only:
            value = self.current(logs)
            if value is not None:
                better, before = self.improves(value, self.best), self.best
                if self.verbose:
                    best = "None" if before is None else f"{before:.5f}"
                    print(f"Epoch {epoch + 1}: {self.monitor} " + (
                        f"improved from {best} to {value:.5f}" if better else f"did not improve from {best}"))
                if not better:
                    return
                self.best = value
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")

    def get_state(self) -> dict[str, Any]:
        """Return the best value, the batches since the last file, and the epoch, whose begin is not told again."""
        return {"best": self.best, "batches": self._batches, "epoch": self._epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned."""
        self.best, self._batches, self._epoch = state["best"], state["batches"], state["epoch"]


def save_frequency(value: Any, where: str) -> Any:
    """Return "epoch" or a number of batches.

    Examples
    --------
    >>> save_frequency("week", "ModelCheckpoint")
    Traceback (most recent call last):
    ValueError: ModelCheckpoint: save_freq must be 'epoch' or a number of batches, got 'week'
    """
    if isinstance(value, str):
        if value != "epoch":
            raise ValueError(f"{where}: save_freq must be 'epoch' or a number of batches, got {value!r}")
        return value
    return _checks.positive_int(value, where, "save_freq")
