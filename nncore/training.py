"""Training, evaluation and prediction of whatever has weights and emits a forward pass.

A model has one program per purpose (fit, evaluate, predict), built when first needed. Each runs from the
first batch to the last without coming back to Python, but for a moment every 50 ms.
"""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, gradients, losses, metrics, optimizers
from nncore._core import core
from nncore.callbacks import Callback, CallbackList
from nncore.executor import Bound, Executor, RunError, short_call
from nncore.history import History
from nncore.program import Program
from nncore.progress import Progress
from nncore.variables import ALIGNMENT, Variable, arrange

__all__ = ["NonFiniteError", "Trainable"]

F = TypeVar("F", bound=Callable[..., Any])
PREDICT_ROWS = 256  # rows that go through all layers together in predict: their activations stay in the cache
PREDICT_CACHE = 1 << 20  # bytes of weights that stay there beside them
SHORT_ROWS, SHORT_WORK = 32, 1 << 19  # of a call that keeps the GIL: rows, and multiply-adds (some 20 us)


def rounds_to_nearest(method: F) -> F:
    """Run a method with the floating-point state of the kernels: its own arithmetic, and NumPy's, counts too."""
    @functools.wraps(method)
    def wrapped(*args: Any, **keywords: Any) -> Any:
        state = core.fp_enter()
        try:
            return method(*args, **keywords)
        finally:
            core.fp_leave(state)

    return wrapped  # type: ignore[return-value]


class NonFiniteError(FloatingPointError):
    """Training met a nan or inf; weights and optimizer are those of the last good epoch."""


class Feeds(NamedTuple):
    """The arrays of one run, converted and checked: inputs, targets, weights of the rows or None."""

    x: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None


class _Plan(NamedTuple):
    """A program with the buffers that a run feeds, and its executor."""

    executor: Any
    x: int
    y: int | None
    weight: int | None
    output: int

    def feeds(self, feeds: Feeds) -> dict[int, NDArray[Any]]:
        assert self.y is not None
        found = {self.x: feeds.x, self.y: feeds.y}
        if self.weight is not None and feeds.weight is not None:
            found[self.weight] = feeds.weight
        return found


class Trainable:
    """What `Sequential` can do once it has layers; a subclass defines what is marked so."""

    weights: list[Variable]
    seed: int
    _arena: NDArray[np.uint8]
    _dtype: np.dtype[Any]
    _input_width: int
    _output_width: int
    executor_class: Callable[..., Any] = Executor

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.history: History | None = None
        self._metric_names: list[Any] = []
        self._slots: list[Variable] = []
        self._slot_arena = arrange([])
        self._slot_kinds: tuple[str, ...] = ()
        self._trained: list[bool] = []  # of each weight, whether the programs and the state are for its training
        self._good: list[NDArray[np.uint8]] = []  # weights and state before the epoch under way
        self._plans: dict[tuple[str, bool, bool], list[_Plan]] = {}  # those that no thread uses now
        self._short: tuple[Any, ...] | None = None  # what `core.forward` takes, () where it cannot; None: not made
        self._epochs_done = 0
        self.stop_training = False
        self._busy = threading.Lock()
        self._trainer: int | None = None  # the thread that holds it
        self._building = threading.RLock()  # two threads may be the first to predict

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle needs: no locks, no programs, no arenas."""
        left_out = ("_plans", "_short", "_good", "_busy", "_trainer", "_building", "_arena", "_slot_arena")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the model that `__getstate__` described, in arenas of its own."""
        self.__dict__.update(state)
        self._plans, self._busy, self._building = {}, threading.Lock(), threading.RLock()
        self._trainer, self._short, self._good = None, None, []
        self._arena, self._slot_arena = arrange(getattr(self, "weights", [])), arrange(self._slots)

    def __copy__(self) -> Trainable:
        """Return a deep copy: one that shared the variables would move them out of this model's arena."""
        return copy.deepcopy(self)

    # ------------------------------------------------------------------ to be defined by a subclass
    @property
    def built(self) -> bool:
        """Whether the model has its weights."""
        raise NotImplementedError

    def build(self, input_shape: int | tuple[int | None, int]) -> None:
        """Make the weights."""
        raise NotImplementedError

    def _unmake(self) -> None:
        """Take back a build."""
        raise NotImplementedError

    def emit(self, program: Program, x: int) -> int:
        """Append the forward ops; return the output's buffer."""
        raise NotImplementedError

    # ------------------------------------------------------------------ compile
    def compile(self, optimizer: Any = "sgd", loss: Any = None, metrics: Sequence[Any] | None = None) -> None:
        """Say how the model is trained.

        Parameters
        ----------
        optimizer : str or Optimizer
            A name or an object of `nncore.optimizers`. (Keras's default, rmsprop, is not there yet.)
        loss : str or Loss
            A name or an object of `nncore.losses`. Without one the model can predict only.
        metrics : sequence of str or Metric, optional
            Names or objects of `nncore.metrics`.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
        >>> model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
        """
        found = optimizers.get(optimizer)
        wanted = None if loss is None else losses.get(loss)
        if isinstance(metrics, (str, bytes)) or (metrics is not None and not isinstance(metrics, Sequence)):
            raise TypeError(f"compile: metrics must be a list of names or metrics, got {metrics!r}")
        names = list(metrics or [])
        if wanted is not None:
            self._resolve_metrics(names, wanted)  # wrong names are reported here and not in fit
        with self._alone("compile"):
            self.optimizer, self.loss, self._metric_names = found, wanted, names
            self._forget()

    def _forget(self) -> None:
        """Drop programs and optimizer state: they belong to what was compiled, and to the weights' places."""
        self._plans, self._slots, self._slot_arena, self._slot_kinds = {}, [], arrange([]), ()
        self._short = None

    def _resolve_metrics(self, names: Sequence[Any], loss: losses.Loss) -> list[metrics.Metric]:
        # Before the model is built any number of outputs does: it decides only which accuracy is meant.
        found = [metrics.get(name, loss, self._output_width if self.built else 1) for name in names]
        seen: set[str] = {"loss"}
        for metric in found:
            if metric.name in seen:
                raise ValueError(f"compile: two metrics are called {metric.name!r}")
            seen.add(metric.name)
        return found

    @contextmanager
    def _alone(self, where: str, in_hooks: bool = False) -> Iterator[None]:
        """Refuse what would change the model while it is trained; `in_hooks`: callbacks may call it."""
        own = self._trainer == threading.get_ident()
        if own and in_hooks:
            yield
            return
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                f"{where}: the model is being trained" + ("" if own else " in another thread")
            )
        try:
            self._trainer = threading.get_ident()
            yield
        finally:
            self._trainer = None
            self._busy.release()

    @contextmanager
    def _unbuilt_again(self) -> Iterator[None]:
        """Let a call that fails leave a model without weights as it was."""
        was_built = self.built
        try:
            yield
        except BaseException:
            if self.built and not was_built:
                self._unmake()
            raise

    # ------------------------------------------------------------------ programs
    def _ready(self, where: str, x: ArrayLike, name: str = "x") -> NDArray[Any]:
        """Return `x` as rows of the model's dtype; a model without input layer is built for their width."""
        dtype = self._dtype
        rows = _checks.as_float_array(x, where, name, dtype)
        if rows.ndim != 2:
            raise ValueError(f"{where}: {name} must have shape (samples, features), got shape {rows.shape}")
        if not self.built:
            if rows.shape[1] == 0:
                raise ValueError(f"{where}: {name} has shape {rows.shape}, but wants at least one feature")
            with self._building:
                if not self.built:
                    self.build(rows.shape[1])
        if rows.shape[1] != self._input_width:
            raise ValueError(
                f"{where}: {name} must have shape (samples, {self._input_width}), got shape {rows.shape}"
            )
        return rows

    def _feeds(self, where: str, x: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None,
               names: tuple[str, str] = ("x", "y")) -> Feeds:
        """Return checked data."""
        if self.loss is None:
            raise RuntimeError(f"{where}: the model has no loss; call compile(optimizer=..., loss=...) first")
        with self._unbuilt_again():
            rows = self._ready(where, x, names[0])
            if len(rows) == 0:
                raise ValueError(f"{where}: {names[0]} has no rows")
            if y is None:
                raise ValueError(f"{where}: {names[1]} is missing")
            _checks.check_finite(rows, where, names[0])
            target = self.loss.check_target(y, self._output_width, where, names[1], len(rows), self._dtype)
            if target.dtype != np.int64:
                _checks.check_finite(target, where, names[1])
            elif np.may_share_memory(target, y):
                target = target.copy()  # ids index memory: nobody may change them once they are checked
            weight = None
            if sample_weight is not None:
                weight = _checks.as_sample_weight(sample_weight, len(rows), where, self._dtype)
                _checks.check_finite(weight, where, "sample_weight")
            return Feeds(rows, target, weight)

    @contextmanager
    def _plan(self, purpose: str, weighted: bool, rows: int) -> Iterator[_Plan]:
        """Lend a program for "fit", "evaluate" or "predict" for so many rows: to each thread its own."""
        clipped = False
        if purpose == "fit":
            self._make_slots()
            clipped = self.optimizer is not None and self.optimizer.global_clipnorm is not None
        idle = self._plans.setdefault((purpose, weighted, clipped), [])
        try:
            plan = idle.pop()
        except IndexError:
            plan = self._build_plan(purpose, weighted, rows)
        if plan.executor.batch_size < rows:
            plan = self._build_plan(purpose, weighted, rows)
        yield plan
        idle.append(plan)

    def _build_plan(self, purpose: str, weighted: bool, rows: int) -> _Plan:
        program = Program(self._dtype)
        x = program.rows(self._input_width, role="input")
        output = self.emit(program, x)
        if purpose == "predict":
            program.results.append(output)
            program.optimize()
            return _Plan(self.executor_class(program, rows), x, None, None, output)
        assert self.loss is not None
        program.layer = ""
        if self.loss.target_kind == "ids":
            y = program.rows(None, role="target", dtype=np.dtype(np.int64))
        else:
            y = program.rows(self._output_width, role="target")
        weight = program.rows(None, role="weight") if weighted else None
        forward = list(program.ops)
        loss_rows, gradient, wrt = self.loss.emit(program, output, y, weight)
        program.totals["loss"] = loss_rows
        for metric in self._resolve_metrics(self._metric_names, self.loss):
            program.totals[metric.name] = metric.emit(program, output, y)
        if purpose == "fit":
            self.loss.check_trainable("fit")
            shared = self._emit_step(program)
            parameters = gradients.backward(program, forward, wrt, gradient)
            self._emit_updates(program, parameters, shared)
        program.optimize()
        return _Plan(self.executor_class(program, rows), x, y, weight, output)

    def _make_slots(self) -> None:
        """Make the optimizer's state for all trainable weights, zero at the start, unless it is there."""
        assert self.optimizer is not None
        self.optimizer.check()
        trained = [weight.trainable for weight in self.weights]
        if self._slot_kinds == self.optimizer.slots and self._trained == trained:
            return
        self._forget()  # somebody gave the optimizer momentum, or took it away, or froze a layer
        self._slot_kinds, self._trained = self.optimizer.slots, trained
        self._slots = [
            Variable(
                np.zeros(weight.shape, weight.dtype), f"{weight.name}/{name}", trainable=False, panels=weight.panels
            )
            for weight in self.weights
            if weight.trainable
            for name in self.optimizer.slots
        ]
        if self.optimizer.powers:  # first, so that all behind it has the weights' dtype
            self._slots.insert(0, Variable(np.ones(len(self.optimizer.powers)), "powers", trainable=False))
        self._slot_arena = arrange(self._slots)

    def _emit_step(self, program: Program) -> dict[str, int]:
        """Append what is done once per step, before all updates; return the buffers that updates share."""
        assert self.optimizer is not None
        if not self.optimizer.powers:
            return {}
        powers = program.parameter(self._slots[0], role="state")
        attributes = self.optimizer.attributes()
        program.emit("adam_step", (powers,), (), **{name: attributes[name] for name in self.optimizer.powers})
        return {"powers": powers}

    def _emit_clip(self, program: Program, parameters: Mapping[int, int], clip: float) -> int:
        """Append the norm of all gradients; return the buffer of what they are to be multiplied by."""
        first, places, f64 = 0, [], np.dtype(np.float64)
        for gradient in parameters.values():
            places.append(first)
            first += -(-program.buffers[gradient].row_size // core.SQUARES_BLOCK)
        sums, scale = program.array((first,), "sums", f64), program.array((2,), "scale", f64)
        for gradient, place in zip(parameters.values(), places, strict=True):
            program.emit("square_sums", (gradient,), (sums,), first=place)
        program.emit("clip_scale", (sums,), (scale,), global_clipnorm=clip)
        return scale

    def _emit_updates(
        self, program: Program, parameters: Mapping[int, int], shared: Mapping[str, int]
    ) -> None:
        """Append an update for every parameter that has a gradient."""
        assert self.optimizer is not None
        slots = {slot.name: slot for slot in self._slots}
        clip = self.optimizer.global_clipnorm
        if clip is not None:
            shared = {**shared, "scale": self._emit_clip(program, parameters, clip)}
        for number, gradient in parameters.items():
            variable = program.buffers[number].variable
            assert variable is not None
            buffers = {name: program.parameter(slots[f"{variable.name}/{name}"], role="state")
                       for name in self.optimizer.slots}
            self.optimizer.emit_update(program, variable, number, gradient, {**shared, **buffers})

    # ------------------------------------------------------------------ fit
    @rounds_to_nearest
    def fit(self, x: ArrayLike, y: ArrayLike | None = None, batch_size: int | None = None, epochs: int = 1,
            verbose: Any = "auto", *, validation_split: float = 0.0,
            validation_data: tuple[ArrayLike, ...] | None = None, shuffle: bool = True,
            sample_weight: ArrayLike | None = None, initial_epoch: int = 0,
            callbacks: Callback | Sequence[Callback] | None = None, nonfinite: str = "raise") -> History:
        """Train the model.

        Parameters
        ----------
        x : array_like, shape (samples, features)
            Inputs; finite.
        y : array_like
            Targets: class ids (samples,) or values (samples, outputs), as the loss takes them.
        batch_size : int, optional
            Rows in a step; 32 by default. The last batch may be smaller.
        epochs : int
            How often the data are gone through: the number of the last epoch, where `initial_epoch` is not 0.
        verbose : {"auto", 0, 1, 2}
            Nothing (0), a bar per epoch (1, "auto"), or a line per epoch (2).
        validation_split : float
            Share of the rows, the last ones, that is kept for validation.
        validation_data : tuple, optional
            ``(x, y)`` or ``(x, y, sample_weight)`` for validation after each epoch.
        shuffle : bool
            Whether each epoch takes the rows in another order.
        sample_weight : array_like, shape (samples,), optional
            Weight of each row in the loss.
        initial_epoch : int
            The number of the first epoch, for a run that goes on with an earlier one.
        callbacks : Callback or list of Callback, optional
            What is called while training runs: see `nncore.callbacks`.
        nonfinite : {"raise", "stop", "continue"}
            What happens when the loss, a weight or the optimizer's state becomes nan or inf in an epoch.
            "raise": `NonFiniteError`, which says where; "stop": training ends as if that epoch had not begun,
            and ``model.stop_training`` is True; in both, weights and optimizer are again those of the last
            good epoch. "continue": nothing. A loss of the validation data that is not finite is only noted.

        Returns
        -------
        History
            Its ``history`` holds a value per epoch under "loss", the metrics' names, and these with "val_"
            before them.

        Raises
        ------
        NonFiniteError
            When the loss or a weight becomes nan or inf: says the epoch and the layer. The weights and the
            optimizer's state are then those of the last good epoch.
        KeyboardInterrupt
            After the batch under way when Ctrl-C is pressed; ``model.history``, the weights and
            ``optimizer.iterations`` keep what was done. The same holds of what a callback or a layer in NumPy
            raises.

        Examples
        --------
        >>> import numpy as np
        >>> import nncore as nn
        >>> nn.utils.set_random_seed(1)
        >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
        >>> model.compile(nn.optimizers.SGD(0.1), "mse")
        >>> history = model.fit(x, 3 * x + 1, epochs=40, verbose=0)
        >>> history.history["loss"][-1] < 1e-3
        True
        """
        epochs = _checks.positive_int(epochs, "fit", "epochs")
        batch_size = 32 if batch_size is None else _checks.positive_int(batch_size, "fit", "batch_size")
        shuffle = _checks.boolean(shuffle, "fit", "shuffle")
        split = _checks.fraction(validation_split, "fit", "validation_split")
        initial_epoch = _checks.integer(initial_epoch, "fit", "initial_epoch", low=0)
        if nonfinite not in ("raise", "stop", "continue"):
            raise ValueError(f"fit: nonfinite must be 'raise', 'stop' or 'continue', got {nonfinite!r}")
        hooks = CallbackList(callbacks, "fit")
        with self._alone("fit"):
            with self._unbuilt_again():
                data = self._feeds("fit", x, y, sample_weight)
                held_out = self._validation(validation_data)
                if split and held_out is None:
                    data, held_out = _split(data, split)
            samples = len(data.x)
            batch_size = min(batch_size, samples)
            history = History({"epochs": epochs, "steps": -(-samples // batch_size), "verbose": verbose})
            logs: dict[str, Any] = {}
            with (Progress(verbose, epochs, samples) as progress,
                  self._plan("fit", data.weight is not None, batch_size) as plan):
                run = plan.executor.bind(plan.feeds(data))
                self.history, self.stop_training = history, False
                hooks.begin(self, history.params)
                hooks("on_train_begin", {})
                for epoch in range(initial_epoch, epochs):
                    progress.begin_epoch(epoch)
                    hooks("on_epoch_begin", epoch, {})
                    found = self._epoch(
                        "fit", plan, run, samples, batch_size, shuffle, epoch, progress, hooks, nonfinite
                    )
                    if found is None:
                        self.stop_training = True
                        break
                    logs = dict(found)
                    try:
                        if held_out is not None:
                            logs |= {
                                f"val_{name}": value
                                for name, value in self._evaluate(held_out, batch_size, hooks).items()
                            }
                        hooks("on_epoch_end", epoch, logs)
                    finally:
                        history.append(epoch, logs)  # an epoch that was trained, whatever comes after it
                    progress.end_epoch(logs)
                    if self.stop_training:
                        break
                hooks("on_train_end", logs)
        return history

    def _validation(self, data: tuple[ArrayLike, ...] | None) -> Feeds | None:
        if data is None:
            return None
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError(
                "fit: validation_data must be (x, y) or (x, y, sample_weight), got "
                + (f"{len(data)} elements" if isinstance(data, (tuple, list)) else type(data).__name__)
            )
        x, y, *weight = data
        return self._feeds(
            "fit", x, y, weight[0] if weight else None, ("validation_data[0]", "validation_data[1]")
        )

    def _epoch(
        self,
        where: str,
        plan: _Plan,
        run: Callable[..., dict[str, float]],
        samples: int,
        batch_size: int,
        shuffle: bool,
        epoch: int,
        progress: Progress,
        hooks: CallbackList,
        nonfinite: str,
    ) -> dict[str, float] | None:
        """Train on every row once, or until a hook of a batch says stop; None if `nonfinite` ended it."""
        optimizer = self.optimizer
        assert optimizer is not None
        seen, message = 0, ""

        def on_pause(rows: int) -> None:
            nonlocal seen
            progress.update(rows - seen)
            seen = rows

        order = core.permutation(samples, self.seed, self._epochs_done) if shuffle else None
        arenas = (self._arena, self._slot_arena)
        guarded = nonfinite != "continue"
        if guarded:
            self._remember(arenas)
        begun, done, totals = optimizer.iterations, plan.executor.done, dict[str, float]()
        by_batch = "on_train_batch_begin" in hooks or "on_train_batch_end" in hooks
        rows = batch_size if by_batch else samples  # until the run comes back
        done[0] = 0
        try:
            for batch, first in enumerate(range(0, samples, rows)):
                hooks("on_train_batch_begin", batch, {})
                if optimizer is not self.optimizer or optimizer.slots != self._slot_kinds:
                    raise RuntimeError(f"{where}: the optimizer was exchanged, or its state, during training")
                totals = run(
                    samples,
                    order,
                    batch_size,
                    watch="loss" if guarded else None,
                    attributes=optimizer.attributes(),
                    on_pause=on_pause,
                    first=first,
                    last=first + rows,
                )
                if by_batch:
                    optimizer.iterations = begun + batch + 1
                    hooks("on_train_batch_end", batch, _means(totals, int(done[0])))
                    if self.stop_training:
                        break
        except RunError as error:
            batch = -(-error.rows // batch_size)
            message = (f"{where}: the loss became {error.value} in epoch {epoch + 1}, batch {batch}"
                       f"{self._culprit(plan)}; {_ADVICE}")
        finally:
            optimizer.iterations = begun + -(-int(done[0]) // batch_size)
        state = self._slot_arena[ALIGNMENT if optimizer.powers else 0 :]  # the powers stay in 0 ... 1
        if guarded and not message and not all(
            core.all_finite(arena.view(self._dtype)) for arena in (self._arena, state)
        ):
            # Not what pads panels: a scale of nan, or an epsilon that rounds to 0, makes nan of the zeros there.
            weight = next((w.name for w in [*self.weights, *self._slots] if not np.isfinite(w.numpy()).all()), "")
            message = weight and f"{where}: {weight} became nan or inf in epoch {epoch + 1}; {_ADVICE}"
        if message:
            for arena, value in zip(arenas, self._good, strict=True):
                arena[...] = value
            optimizer.iterations = begun
            if nonfinite == "stop":
                return None
            raise NonFiniteError(message)
        self._epochs_done += shuffle
        return _means(totals, int(done[0]))

    def _remember(self, arenas: Sequence[NDArray[np.uint8]]) -> None:
        """Keep the weights and the optimizer's state, in memory that is made once."""
        if [arena.size for arena in arenas] != [kept.size for kept in self._good]:
            self._good = [np.empty_like(arena) for arena in arenas]
        for arena, kept in zip(arenas, self._good, strict=True):
            kept[...] = arena

    def _culprit(self, plan: _Plan) -> str:
        """Return words that name the first layer whose output is not finite, or the one with the largest."""
        program, largest, at = plan.executor.program, 0.0, ""
        for op in program.ops:
            for number in op.outputs:
                if number is not None and program.buffers[number].role == "activation":
                    name, size = (
                        program.buffers[number].name,
                        float(np.abs(plan.executor.arrays[number]).max()),
                    )
                    if not np.isfinite(size):
                        return f"; the first output that is not finite is that of layer {name!r}"
                    if size > largest:
                        largest, at = size, f"; the largest output, {size:.3g}, is that of layer {name!r}"
        return at

    @rounds_to_nearest
    def train_on_batch(self, x: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
                       return_dict: bool = False) -> Any:
        """Make one step on one batch.

        Parameters
        ----------
        x, y, sample_weight : array_like
            As of `fit`; all rows are one batch.
        return_dict : bool
            Whether to return a dict.

        Returns
        -------
        float, list of float or dict
            The loss before the step, and the metrics if there are any.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile(nn.optimizers.SGD(0.1), "mse")
        >>> model.train_on_batch([[1.0]], [[2.0]])
        4.0
        """
        with self._alone("train_on_batch"):
            data = self._feeds("train_on_batch", x, y, sample_weight)
            with (Progress(0, 1, len(data.x)) as progress,
                  self._plan("fit", data.weight is not None, len(data.x)) as plan):
                logs = self._epoch(
                    "train_on_batch",
                    plan,
                    plan.executor.bind(plan.feeds(data)),
                    len(data.x),
                    len(data.x),
                    False,
                    0,
                    progress,
                    CallbackList(),
                    "raise",
                )
        assert logs is not None
        return logs if return_dict else _unpacked(logs)

    # ------------------------------------------------------------------ evaluate and predict
    @rounds_to_nearest
    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> Any:
        """Return the loss and the metrics on data.

        Parameters
        ----------
        x, y, sample_weight : array_like
            As of `fit`.
        batch_size : int, optional
            Rows at a time; changes no bit of a row's output.
        verbose : {"auto", 0, 1, 2}
            Whether to print the results (0: no).
        return_dict : bool
            Whether to return a dict.
        callbacks : Callback or list of Callback, optional
            What is called meanwhile: see `nncore.callbacks`.

        Returns
        -------
        float, list of float or dict
            The loss alone, or with the metrics.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse", metrics=["mae"])
        >>> model.evaluate([[1.0], [2.0]], [[1.0], [4.0]], verbose=0)
        [2.0, 1.0]
        """
        size = 32 if batch_size is None else _checks.positive_int(batch_size, "evaluate", "batch_size")
        hooks = CallbackList(callbacks, "evaluate")
        data = self._feeds("evaluate", x, y, sample_weight)
        hooks.begin(self, {"verbose": verbose, "epochs": 1, "steps": -(-len(data.x) // max(size, PREDICT_ROWS))})
        logs = self._evaluate(data, size, hooks)
        if verbose:
            print(" - ".join(f"{name}: {value:.4f}" for name, value in logs.items()))
        return logs if return_dict else _unpacked(logs)

    def _evaluate(self, data: Feeds, batch_size: int, hooks: CallbackList) -> dict[str, float]:
        samples, batch_size = len(data.x), min(max(batch_size, PREDICT_ROWS), len(data.x))
        totals: dict[str, float] = {}
        hooks("on_test_begin", {})
        with self._plan("evaluate", data.weight is not None, batch_size) as plan:
            run = plan.executor.bind(plan.feeds(data), in_place=True)
            by_batch = "on_test_batch_begin" in hooks or "on_test_batch_end" in hooks
            rows = batch_size if by_batch else samples
            for batch, first in enumerate(range(0, samples, rows)):
                hooks("on_test_batch_begin", batch, {})
                totals = run(samples, None, batch_size, first=first, last=first + rows)
                hooks("on_test_batch_end", batch, _means(totals, min(first + rows, samples)))
            if isinstance(run, Bound):
                run.release()
        logs = _means(totals, samples)
        hooks("on_test_end", logs)
        return logs

    @rounds_to_nearest
    def predict(self, x: ArrayLike, batch_size: int | None = None, verbose: Any = 0,
                callbacks: Callback | Sequence[Callback] | None = None) -> NDArray[Any]:
        """Return the model's outputs; nan and inf in x propagate.

        Parameters
        ----------
        x : array_like, shape (samples, features)
            Inputs.
        batch_size : int, optional
            Rows at a time; changes no bit of the result.
        verbose : {"auto", 0, 1, 2}
            Whether to print a line with the rows and the time. (Keras's default is "auto".)
        callbacks : Callback or list of Callback, optional
            What is called meanwhile: see `nncore.callbacks`.

        Returns
        -------
        ndarray, shape (samples, outputs)

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(2, kernel_initializer="ones")])
        >>> model.predict([[1.0], [2.0]])
        array([[1., 1.],
               [2., 2.]], dtype=float32)
        """
        rows = self._ready("predict", x)
        size = (
            self._predict_rows()
            if batch_size is None
            else _checks.positive_int(batch_size, "predict", "batch_size")
        )
        _checks.shape_size((len(rows), self._output_width), "predict")
        out = np.empty((len(rows), self._output_width), self._dtype)
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"predict: verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
        hooks = CallbackList(callbacks, "predict")
        start = time.perf_counter()
        hooks.begin(self, {"verbose": verbose, "epochs": 1, "steps": -(-len(rows) // size)})
        hooks("on_predict_begin", {})
        if "on_predict_batch_begin" in hooks or "on_predict_batch_end" in hooks:
            for batch, first in enumerate(range(0, len(rows), size)):
                part = slice(first, first + size)
                hooks("on_predict_batch_begin", batch, {})
                self._forward(rows[part], out[part], size)
                hooks("on_predict_batch_end", batch, {"outputs": out[part]})
        else:
            self._forward(rows, out, size)
        hooks("on_predict_end", {})
        if verbose:
            print(f"{len(rows)} rows - {time.perf_counter() - start:.2f}s")
        return out

    def __call__(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the model's outputs for a few rows, at the lowest latency.

        Parameters
        ----------
        x : array_like, shape (samples, features)
            Inputs.
        out : ndarray, shape (samples, outputs), optional
            Where the result goes.

        Returns
        -------
        ndarray, shape (samples, outputs)
        """
        if self._short:
            found = core.forward(self._short, x, out)
            if found is not NotImplemented:
                return found  # type: ignore[no-any-return]
        return self._call(x, out)

    @rounds_to_nearest
    def _call(self, x: ArrayLike, out: NDArray[Any] | None) -> NDArray[Any]:
        """Return the model's outputs for any rows."""
        rows = self._ready("model(x)", x)
        shape = (len(rows), self._output_width)
        if out is None:
            out = np.empty(shape, self._dtype)
        elif (
            not isinstance(out, np.ndarray)
            or out.shape != shape
            or out.dtype != self._dtype
            or not out.flags.carray
        ):
            raise ValueError(
                f"model(x): out must be a writable C-contiguous {self._dtype} array of shape {shape}"
            )
        elif np.may_share_memory(rows, out):
            rows = rows.copy()  # it is read where it lies, while out is written
        self._forward(rows, out, self._predict_rows())
        if self._short is None and self.executor_class is Executor:
            self._make_short()
        return out

    def _predict_rows(self) -> int:
        """Return how many rows go through all layers together: few where the weights stay in the cache, too."""
        return PREDICT_ROWS if self._arena.size <= PREDICT_CACHE else 4 * PREDICT_ROWS

    def _make_short(self) -> None:
        """Prepare calls for so few rows that one is over before another thread could have begun."""
        plans, found = self._plans, None
        rows = min(SHORT_ROWS, SHORT_WORK // max(1, sum(weight.size for weight in self.weights)))
        if rows:
            plan = self._build_plan("predict", False, rows)
            found = short_call(plan.executor, plan.x, plan.output)
        if self._plans is plans:  # else another thread has changed the model meanwhile
            self._short = found or ()

    def _forward(self, x: NDArray[Any], out: NDArray[Any], batch_size: int) -> None:
        """Run the forward pass; any number of threads may do so at once, each with buffers of its own."""
        if len(x) == 0:
            return
        batch_size = min(batch_size, len(x))
        with self._plan("predict", False, batch_size) as plan:
            run = plan.executor.bind({plan.x: x}, {plan.output: out}, in_place=True)
            run(len(x), None, batch_size)
            if isinstance(run, Bound):
                run.release()


_ADVICE = (
    "the weights are those before this epoch. Often the cure is a lower learning rate, inputs of mean 0 and "
    "variance 1, or a loss on logits"
)


def _split(data: Feeds, share: float) -> tuple[Feeds, Feeds]:
    """Return the first rows and the last ones, as Keras does: before any shuffling."""
    at = int(len(data.x) * (1 - share))
    if at in (0, len(data.x)):
        raise ValueError(f"fit: validation_split={share} of {len(data.x)} rows leaves one part without rows")
    first, last = (
        Feeds(data.x[part], data.y[part], None if data.weight is None else data.weight[part])
        for part in (slice(None, at), slice(at, None))
    )
    return first, last


def _means(totals: Mapping[str, float], rows: int) -> dict[str, float]:
    return {name: total / rows for name, total in totals.items()}


def _unpacked(logs: Mapping[str, float]) -> Any:
    """Return the loss alone, or a list with the metrics, as Keras does."""
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
