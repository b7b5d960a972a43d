"""What every callback is, and the list of them that a run calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from nncore.training import Trainable

__all__ = ["HOOKS", "Callback", "CallbackList", "Logs"]

Logs = dict[str, Any]


class Callback:
    """Base of the callbacks: a subclass defines the hooks it wants.

    A hook may read and set the model's weights, call its `predict`, `evaluate` and `save`, change
    ``model.optimizer.learning_rate`` (from the next batch on in a batch's hook, else from the next epoch on),
    and set ``model.stop_training``: training then ends after the epoch, or after the batch where it is set in
    a batch's hook. It may not call `fit`, `train_on_batch`, `compile` or `add` on the model.

    An exception ends the run and is the caller's; the model stays as it was after the last batch.

    Attributes
    ----------
    model : Sequential
        The model that runs.
    params : dict
        What the run was asked for: "verbose", "epochs" and "steps".
    peers : sequence of Callback
        All callbacks of the run, in the order in which they are called.
    last : bool
        Whether it is called after all callbacks that are not; set on the class.
    gradient_norm : bool
        Whether it wants a "gradient_norm" in the logs of training, which the history then has too: the root of the
        mean over the rows of the squared norms of the batches' gradients, of all weights that are trained together,
        with penalties and before clipping. Where a batch is all rows it is the norm of the gradient at the weights
        that the epoch began with. It costs a pass over the gradients in each step.

    Examples
    --------
    >>> import nncore as nn
    >>> class Halve(nn.callbacks.Callback):
    ...     def on_epoch_begin(self, epoch, logs=None):
    ...         if epoch:
    ...             self.model.optimizer.learning_rate /= 2
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    >>> model.compile(nn.optimizers.SGD(0.5), "mse")
    >>> history = model.fit([[1.0], [2.0]], [1.0, 2.0], epochs=3, verbose=0, callbacks=[Halve()])
    >>> model.optimizer.learning_rate
    0.125
    """

    model: Any = None
    peers: Sequence[Callback] = ()
    last: ClassVar[bool] = False
    gradient_norm: bool = False

    def __init_subclass__(cls) -> None:
        """Take Keras's older names of the hooks of a batch, on_batch_begin and on_batch_end."""
        for when in ("begin", "end"):
            if f"on_batch_{when}" in vars(cls) and f"on_train_batch_{when}" not in vars(cls):
                setattr(cls, f"on_train_batch_{when}", vars(cls)[f"on_batch_{when}"])

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take what the run was asked for."""
        self.params = dict(params)

    def set_model(self, model: Trainable) -> None:
        """Take the model that runs."""
        self.model = model

    def policy(self, nonfinite: str) -> str:
        """Return what `fit` does when the loss becomes nan or inf, given what it was told."""
        return nonfinite

    def get_state(self) -> dict[str, Any]:
        """Return what an interrupted run must remember of this callback: see `BackupAndRestore`.

        Numbers, strings, None, arrays, and lists and dicts of these.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` returned; called after `on_train_begin` where an interrupted run goes on."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Run when `fit` begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Run when `fit` ends, with the last epoch's logs; not after an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before epoch number `epoch`, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch with its loss and metrics, those of the validation as "val_...".

        What is added to `logs` comes into the history.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before each batch of `fit`, counted from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after each batch of `fit`, with the means of loss and metrics over the epoch up to here."""

    def on_train_pause(self, logs: Logs | None = None) -> None:
        """Run some 20 times a second between two batches of `fit`, without bringing it back for every batch.

        `model.stop_training` set here ends training after the batch that was last finished.
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Run when `evaluate`, or the validation of `fit`, begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Run when `evaluate`, or the validation of `fit`, ends, with loss and metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before each batch of an evaluation, which has 256 rows or more."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after each batch of an evaluation, with the means up to here."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Run when `predict` begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Run when `predict` ends."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after each batch of `predict`, with its rows as "outputs"."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class CallbackList:
    """Callbacks that are called one after the other.

    Parameters
    ----------
    callbacks : Callback, CallbackList or list of Callback, optional
        The callbacks.
    where : str
        The method that was given them, for messages.

    Examples
    --------
    >>> import nncore as nn
    >>> hooks = nn.callbacks.CallbackList(
    ...     [nn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print(epoch))])
    >>> hooks("on_epoch_begin", 3, {})
    3
    >>> "on_epoch_begin" in hooks, "on_train_batch_end" in hooks
    (True, False)
    """

    def __init__(
        self, callbacks: Callback | CallbackList | Iterable[Callback] | None = None, where: str = "CallbackList"
    ) -> None:
        if callbacks is None:
            callbacks = []
        elif isinstance(callbacks, CallbackList):
            callbacks = callbacks.callbacks
        elif isinstance(callbacks, Callback):
            callbacks = [callbacks]
        found = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
        for callback in found:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"{where}: callbacks must be objects of nncore.callbacks.Callback, got {callback!r}"
                )
        found.sort(key=lambda callback: callback.last)
        self.callbacks: list[Callback] = found
        own = {name: [getattr(callback, name) for callback in found if _overrides(callback, name)]
               for name in (HOOKS if found else ())}
        self._hooks = {name: functions for name, functions in own.items() if functions}

    def begin(self, model: Trainable, params: Mapping[str, Any]) -> None:
        """Tell all callbacks their model and the run's parameters."""
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)
            callback.peers = self.callbacks

    def end(self) -> None:
        """Let callbacks forget each other: what they hold, such as the model, would wait for the garbage collector."""
        for callback in self.callbacks:
            callback.peers = ()

    def policy(self, nonfinite: str) -> str:
        """Return what all callbacks make of `fit`'s `nonfinite`."""
        for callback in self.callbacks:
            nonfinite = callback.policy(nonfinite)
        return nonfinite

    def __contains__(self, hook: str) -> bool:
        """Whether a callback has its own version of a hook."""
        return hook in self._hooks

    def __call__(self, hook: str, *arguments: Any) -> None:
        """Call a hook of all callbacks that have their own version of it."""
        for function in self._hooks.get(hook, ()):
            function(*arguments)


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether a hook is the callback's own, by its class or by an attribute."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
