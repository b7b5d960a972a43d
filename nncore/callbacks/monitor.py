"""What the callbacks share that watch one value of the logs."""

from __future__ import annotations

import math
import warnings

import numpy as np

from nncore import _checks
from nncore.callbacks.base import Callback, Logs

__all__ = ["MonitorCallback"]


class MonitorCallback(Callback):
    """Base of the callbacks that watch one value of an epoch's logs and remember the best.

    Parameters
    ----------
    monitor : str
        The value's name: "loss", a metric's name, or these with "val_" before them.
    mode : {"auto", "min", "max"}
        Whether less is better or more. "auto" knows it of losses and of nncore's metrics; of any other value it
        must be said.
    best : float, optional
        The value that counts as the best so far.
    min_delta : float
        A smaller change is no improvement; its sign does not matter.

    Examples
    --------
    >>> watch = MonitorCallback("val_loss", min_delta=0.1)
    >>> watch.improves(0.5, None), watch.improves(0.5, 0.55), watch.improves(0.5, 0.7)
    (True, False, True)
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", best: float | None = None, min_delta: float = 0.0
    ) -> None:
        super().__init__()
        where = type(self).__name__
        if not isinstance(monitor, str) or not monitor:
            raise TypeError(f"{where}: monitor must be the name of a value, got {monitor!r}")
        self.monitor, self.mode = monitor, _checks.one_of(mode, ("auto", "min", "max"), where, "mode")
        self.best = None if best is None else _checks.real(best, where, "best")
        self.min_delta = abs(_checks.real(min_delta, where, "min_delta"))
        self._sign = {"min": -1, "max": 1}.get(mode, 0)  # 0: not known yet
        self._seen = False

    def improves(self, value: float, reference: float | None) -> bool:
        """Return whether a value is better than another one by more than `min_delta`; NaN never is.

        Anything else is better than None.
        """
        if math.isnan(value):
            return False
        if reference is None:
            return True
        return self.sign * (value - reference) > self.min_delta

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        if not self._sign:
            self._sign = self._direction()
        return self._sign

    def _direction(self) -> int:
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return -1
        for _, known, metric, _ in self.model._resolve_metrics():
            if known == name and metric.direction is not None:
                return 1 if metric.direction == "up" else -1
        raise ValueError(f"{type(self).__name__}: whether more or less of {self.monitor!r} is better is not known: "
                         "give mode='max' or mode='min'")

    def current(self, logs: Logs | None) -> float | None:
        """Return the value that is watched; None, with a warning the first time, where the logs lack it.

        A value that was there before and is not in an epoch without validation is no reason for a warning.
        """
        value = (logs or {}).get(self.monitor)
        if value is not None:
            self._seen = True
            if np.ndim(value):
                where = type(self).__name__
                raise ValueError(f"{where}: {self.monitor!r} is {np.size(value)} numbers, but one is wanted")
            return float(value)
        if not self._seen:
            self._seen = True
            there = list(logs or {})
            question = _checks.nearest(self.monitor, there)
            warnings.warn(
                f"{type(self).__name__}: {self.monitor!r} is not in the logs and is not watched; there are "
                f"{', '.join(map(repr, there)) or 'none'}" + (f": {question}" if question else ""),
                stacklevel=2,
            )
        return None

