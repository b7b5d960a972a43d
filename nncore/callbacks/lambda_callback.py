"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable

from nncore import _checks
from nncore.callbacks.base import HOOKS, Callback

__all__ = ["LambdaCallback"]


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    **hooks : callable
        A function for each hook wanted, by the hook's name. ``on_epoch_begin=``, ``on_epoch_end=`` and those
        of batches take ``(number, logs)``, all others ``(logs)``.

    Examples
    --------
    >>> import nncore as nn
    >>> losses = []
    >>> note = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit([[1.0]], [1.0], epochs=2, verbose=0, callbacks=note)
    >>> losses == history.history["loss"]
    True
    """

    def __init__(self, **hooks: Callable[..., object] | None) -> None:
        super().__init__()
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"LambdaCallback: {name} is no hook; there are {', '.join(HOOKS)}")
            if not (function is None or callable(function)):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {_checks.shown(function)}")
            if function is not None:
                setattr(self, name, function)
