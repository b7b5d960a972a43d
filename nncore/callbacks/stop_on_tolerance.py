"""Ends training when the loss hardly falls any more, or when its gradient is almost 0."""

from __future__ import annotations

import math
from typing import Any

from nncore import _checks
from nncore.callbacks.base import Callback, Logs

__all__ = ["StopOnTolerance"]


class StopOnTolerance(Callback):
    """End training when the loss hardly falls any more, or when its gradient is almost 0.

    With ``best`` the least value of all epochs but the last `n_epochs`, and ``recent`` that of the last
    `n_epochs`, it ends when ``best - recent < tol``.

    Parameters
    ----------
    tol : float or None
        How much less the loss must have become; None: that does not matter.
    n_epochs : int
        Within how many epochs.
    gradient_tol : float, optional
        Training ends after an epoch whose "gradient_norm", as `Callback` says it, is at most this. With it, that
        norm is in the logs and in the history.
    monitor : str
        The value, of which less is better.
    verbose : {0, 1}
        Whether to print why training ended.

    Attributes
    ----------
    reason : str
        Why training was ended; empty where it was not.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nn.optimizers.SGD(0.1), "mse")
    >>> stop = nn.callbacks.StopOnTolerance(tol=1e-6, n_epochs=2)
    >>> history = model.fit([[1.0]], [[2.0]], epochs=999, verbose=0, callbacks=stop)
    >>> len(history.epoch), stop.reason
    (17, 'the loss fell by 5.35e-07 in 2 epochs')
    >>> stop = nn.callbacks.StopOnTolerance(tol=None, gradient_tol=1e-4)
    >>> norms = model.fit([[1.0]], [[2.0]], epochs=999, verbose=0, callbacks=stop).history["gradient_norm"]
    >>> norms[-2] > 1e-4 >= norms[-1]
    True
    """

    def __init__(
        self, tol: float | None = 1e-4, n_epochs: int = 10, gradient_tol: float | None = None,
        monitor: str = "loss", verbose: int = 0
    ) -> None:
        super().__init__()
        where = "StopOnTolerance"
        self.tol = None if tol is None else _checks.real(tol, where, "tol", low=0.0)
        self.n_epochs = _checks.positive_int(n_epochs, where, "n_epochs")
        self.gradient_tol = None if gradient_tol is None else _checks.real(gradient_tol, where, "gradient_tol", low=0.0)
        if tol is None and gradient_tol is None:
            raise ValueError(f"{where}: give tol, gradient_tol or both")
        self.gradient_norm = gradient_tol is not None
        self.monitor, self.verbose = monitor, verbose
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self.reason = ""
        self._recent: list[float] = []
        self._best = math.inf

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the epoch's loss and gradient."""
        logs = logs or {}
        if self.gradient_tol is not None and logs["gradient_norm"] <= self.gradient_tol:
            self._stop(f"the gradient's norm is {logs['gradient_norm']:.3g}")
        if self.tol is None:
            return
        value = logs.get(self.monitor)
        if value is None:
            raise KeyError(f"StopOnTolerance: {self.monitor!r} is not in the logs; there are {', '.join(logs)}")
        if len(self._recent) == self.n_epochs:
            self._best = min(self._best, self._recent.pop(0))
        self._recent.append(float(value))
        fallen = self._best - min(self._recent)
        if fallen < self.tol and not self.reason:
            self._stop(f"the {self.monitor} fell by {max(fallen, 0.0):.3g} in {self.n_epochs} epochs")

    def _stop(self, reason: str) -> None:
        self.reason = reason
        self.model.stop_training = True
        if self.verbose:
            print(f"StopOnTolerance: {reason}, training ends")

    def get_state(self) -> dict[str, Any]:
        """Return the losses of the last epochs and the best before."""
        return {"recent": self._recent, "best": self._best, "reason": self.reason}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned."""
        self._recent, self._best, self.reason = list(state["recent"]), state["best"], state["reason"]
