"""Writes a row per epoch to a .csv file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from nncore import _checks
from nncore.callbacks.base import Callback, Logs

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Write an epoch's loss and metrics as a row of a .csv file, as soon as the epoch is over.

    The columns are "epoch", from 0, and the logs of the first epoch by their names in order; where those hold no
    "val_...", such columns are there too, for validations that come later. What is missing is "NA".

    Parameters
    ----------
    filename : path
        The file.
    separator : str
        What stands between the cells: one character.
    append : bool
        Whether rows are added to a file that is there, instead of replacing it.

    Examples
    --------
    >>> import os, tempfile
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(1.0), "mse")
    >>> path = os.path.join(tempfile.mkdtemp(), "log.csv")
    >>> history = model.fit([[1.0]], [[2.0]], epochs=2, verbose=0, callbacks=nn.callbacks.CSVLogger(path))
    >>> with open(path) as file:
    ...     print(file.read().strip())
    epoch,loss,val_loss
    0,1.0,NA
    1,9.0,NA
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.sep = separator
        self.append = _checks.boolean(append, "CSVLogger", "append")
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before. The file is touched when the first row is written: see `set_state`."""
        self.keys: list[str] | None = None
        self._position: int | None = None  # how long the file is, once it has rows of this run

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's row."""
        import csv  # only where there is something to write: import nncore stays fast

        logs = logs or {}
        new = self._position is None and not self.append
        with open(self.filename, "w" if new else "a", encoding="utf-8", newline="") as file:
            if self._position is not None:
                file.truncate(self._position)
            rows = csv.writer(file, delimiter=self.sep)
            if self.keys is None:
                self.keys = sorted(logs)
                if not any(key.startswith("val_") for key in self.keys):
                    self.keys += [f"val_{key}" for key in self.keys]
                if file.tell() == 0:
                    rows.writerow(["epoch", *self.keys])
            rows.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
            file.flush()
            self._position = file.tell()

    def get_state(self) -> dict[str, Any]:
        """Return the columns and how long the file is: rows behind that are of epochs that are made again."""
        if self._position is not None:
            with open(self.filename, "rb") as file:
                os.fsync(file.fileno())  # else the state could tell of rows that a crash then loses
        return {"keys": self.keys, "position": self._position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned."""
        self.keys, self._position = state["keys"], state["position"]


def _cell(value: Any) -> Any:
    """Return what stands in a cell: a list in one cell, in brackets."""
    if isinstance(value, (str, np.generic)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, Iterable) else value
