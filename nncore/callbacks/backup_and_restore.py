"""Lets a run that was interrupted go on as if nothing had been."""

from __future__ import annotations

import contextlib
import glob
import os
from typing import Any, ClassVar

from nncore import _checks
from nncore.callbacks.base import Callback, Logs
from nncore.callbacks.model_checkpoint import save_frequency

__all__ = ["BackupAndRestore"]

FORMAT = "nncore backup"


class BackupAndRestore(Callback):
    """Write down where training stands, and go on from there when the same program is started again.

    A run that was killed at any moment and started again ends as the uninterrupted one, byte for byte: weights, the
    optimizer's state, the history, what callbacks remember. The file holds all of these, the model's seed and its
    place in every random stream. It is written beside and renamed, so that there is always a whole one.

    Parameters
    ----------
    backup_dir : path
        A folder for the file, which nothing else may use; it is made.
    save_freq : "epoch" or int
        When to write: after each epoch, or after every so many batches, in the middle of an epoch too.
    double_checkpoint : bool
        Whether to keep the file before the last one as well, which is taken where the last one cannot be read.
    delete_checkpoint : bool
        Whether the file, and the folder where nothing else is in it, go when training has ended. A file that stays
        makes the next `fit` go on behind it: with no more epochs than it has, there is nothing to do.

    Notes
    -----
    The program must be the same: model, `compile`, data, arguments of `fit`, and the other callbacks, of which each
    gets back what its `get_state` gave. Data made batch by batch must be the same for the same number of the batch;
    a generator must give the same batches again from the start, of which those that were trained on are dropped.
    What other libraries draw (`numpy.random` in a layer of yours) is not in the file.

    Callbacks are told `on_train_begin`, but not `on_epoch_begin` of an epoch that goes on in its middle.

    Examples
    --------
    >>> import os, tempfile
    >>> import nncore as nn
    >>> folder = os.path.join(tempfile.mkdtemp(), "backup")
    >>> def train(*more):
    ...     model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)], seed=1)
    ...     model.compile(nn.optimizers.SGD(0.1, 0.9), "mse")
    ...     callbacks = [nn.callbacks.BackupAndRestore(folder), *more]
    ...     history = model.fit([[1.0], [2.0]], [1.0, 3.0], 1, 6, 0, callbacks=callbacks)
    ...     return model.get_weights()[0].tobytes(), history.history
    >>> whole = train()
    >>> def interrupt(epoch, logs):
    ...     if epoch == 3:
    ...         raise KeyboardInterrupt
    >>> try:
    ...     train(nn.callbacks.LambdaCallback(on_epoch_begin=interrupt))
    ... except KeyboardInterrupt:
    ...     print(os.listdir(folder))
    ['latest.safetensors']
    >>> train(nn.callbacks.LambdaCallback()) == whole
    True
    """

    last: ClassVar[bool] = True  # so that it sees what the others have done

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        where = "BackupAndRestore"
        self.backup_dir = os.fspath(backup_dir) if backup_dir else ""
        if not self.backup_dir:
            raise ValueError(f"{where}: backup_dir must be a folder, got {backup_dir!r}")
        self.save_freq = save_frequency(save_freq, where)
        self.double_checkpoint = _checks.boolean(double_checkpoint, where, "double_checkpoint")
        self.delete_checkpoint = _checks.boolean(delete_checkpoint, where, "delete_checkpoint")
        self._path = os.path.join(self.backup_dir, "latest.safetensors")
        self._previous = os.path.join(self.backup_dir, "previous.safetensors")
        self._batches = 0  # since the last file
        if self.save_freq != "epoch":
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign] # only here: it costs

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on where the run before was interrupted, if it was."""
        self._batches = 0
        for part in glob.glob(os.path.join(glob.escape(self.backup_dir), ".*.tmp")):
            with contextlib.suppress(OSError):
                os.unlink(part)  # of a file that a killed run was writing
        path = self._path
        if os.path.exists(path) or os.path.exists(self._previous):
            try:
                state = self._load(path)
            except (OSError, ValueError):
                if not os.path.exists(self._previous):
                    raise
                state = self._load(path := self._previous)
            self._restore(path, state)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the file, if that is to be done after epochs."""
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save(None)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Delete the file."""
        if self.delete_checkpoint:
            for path in (self._path, self._previous):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            with contextlib.suppress(OSError):  # others have files there
                os.rmdir(self.backup_dir)

    def _others(self) -> list[Callback]:
        return [peer for peer in self.peers if not isinstance(peer, BackupAndRestore)]

    def _save(self, logs: Logs | None) -> None:
        from nncore.io import save_weights_file
        from nncore.io.tree import pack

        state = {
            "run": self.model._run.get_state(logs), "batches": self._batches,
            "callbacks": [[type(peer).__name__, peer.get_state()] for peer in self._others()],
        }
        text, arrays = pack(state, "", "BackupAndRestore")
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            beside = os.path.join(self.backup_dir, ".previous.tmp")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            os.link(self._path, beside)
            os.replace(beside, self._previous)
        save_weights_file(self._path, arrays, {"format": FORMAT, "state": text})

    def _load(self, path: str) -> dict[str, Any]:
        from nncore.io import load_weights_file
        from nncore.io.tree import unpack

        arrays, metadata = load_weights_file(path)
        if metadata.get("format") != FORMAT:
            raise ValueError(f"BackupAndRestore: {path!r} is no backup")
        state: dict[str, Any] = unpack(metadata["state"], arrays)
        return state

    def _restore(self, path: str, state: dict[str, Any]) -> None:
        then, now = [name for name, _ in state["callbacks"]], [type(peer).__name__ for peer in self._others()]
        if then != now:
            raise ValueError(f"BackupAndRestore: {path!r} is of a run with other callbacks: "
                             f"{', '.join(then) or 'none'}; here are {', '.join(now) or 'none'}")
        try:
            self.model._run.set_state(state["run"])
        except ValueError as error:
            raise ValueError(f"BackupAndRestore: {path!r} is of another model: {error}") from error
        self._batches = state["batches"]
        for peer, (_, own) in zip(self._others(), state["callbacks"], strict=True):
            peer.set_state(own)
