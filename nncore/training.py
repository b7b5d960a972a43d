"""Training, evaluation and prediction of whatever has weights and emits a forward pass.

A model has one program per purpose (fit, evaluate, predict), built when first needed. Each runs from the
first batch to the last without coming back to Python, but for a moment every 50 ms.
"""

from __future__ import annotations

import copy
import functools
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore import _checks, gradients, graph, losses, metrics, optimizers
from nncore._class_weight import row_weights
from nncore._core import core
from nncore._sparse import (
    Rows,
    SparseRows,
    as_sparse_rows,
    dense,
    is_sparse,
    predicted_together,
    refuse_sparse,
)
from nncore.callbacks import Callback, CallbackList
from nncore.data.sources import ArraySource, Shuffle, Stream, is_arrays, rows_of_a_pass, source_of
from nncore.executor import Bound, Executor, RunError, gatherable, short_call
from nncore.feeding import ArrayFeed, Feed, Piece, StreamFeed
from nncore.history import History
from nncore.losses.functions import is_pair
from nncore.optimizers.emit import (
    SQUARES,
    emit_penalties,
    emit_penalty_gradients,
    emit_step,
    emit_updates,
    tables_by_rows,
)
from nncore.program import Op, Program
from nncore.progress import Progress, formatted
from nncore.run import Run
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


class InputSpec(NamedTuple):
    """What a model's input takes: its name, the shape of a row and the dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Feeds(NamedTuple):
    """The arrays of one run, converted and checked.

    Parameters
    ----------
    x : tuple of ndarray or SparseRows
        One per input of the model.
    y : tuple of ndarray
        The targets, one per output that has a loss.
    weight : tuple of ndarray or None
        The weights of the rows, one per target.
    """

    x: tuple[Rows, ...]
    y: tuple[NDArray[Any], ...] = ()
    weight: tuple[NDArray[Any] | None, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.x[0])

    def part(self, rows: slice | NDArray[np.int64]) -> Feeds:
        """Return some of the rows."""
        return Feeds(*(tuple(None if array is None else array[rows] for array in side)  # type: ignore[arg-type]
                       for side in self))

    def kind(self) -> tuple[Any, ...]:
        """Return what a program depends on: the targets' shapes, and which rows are weighted."""
        return (tuple(array.shape[1:] for array in self.y), tuple(array is not None for array in self.weight))


class Watched(NamedTuple):
    """A metric in a program: which output it looks at, and where its values are found."""

    name: str
    metric: metrics.Metric
    sums: dict[str, str]  # part -> name of the total
    kept: dict[str, int]  # part -> buffer


class Seen(NamedTuple):
    """The buffers of a program that was made for looking into it.

    Parameters
    ----------
    outputs : dict of str to int
        Of the layers' outputs, by the layers' names.
    kernels : dict of str to str
        The kernels that they come from.
    weights : dict of str to int
        Of the weights' gradients, by the weights' paths.
    gradients : dict of str to int
        Of the outputs' gradients.
    losses : tuple of (int, float)
        Of the losses of the rows, and what they are multiplied by.
    """

    outputs: dict[str, int]
    kernels: dict[str, str]
    weights: dict[str, int]
    gradients: dict[str, int]
    losses: tuple[tuple[int, float], ...]


class _Plan(NamedTuple):
    """A program with the buffers that a run feeds, and its executor."""

    executor: Any
    x: tuple[int, ...]
    y: tuple[int, ...]
    weight: tuple[int | None, ...]
    outputs: tuple[int, ...]
    losses: tuple[str, ...]  # names of totals
    metrics: tuple[Watched, ...]
    seen: Seen | None = None

    def feeds(self, feeds: Feeds) -> dict[int, Rows]:
        found: dict[int, Rows] = dict(zip((*self.x, *self.y), (*feeds.x, *feeds.y), strict=True))
        found |= {number: array for number, array in zip(self.weight, feeds.weight, strict=True)
                  if number is not None and array is not None}
        return found

    def keeps(self, samples: int) -> dict[int, NDArray[Any]]:
        """Return arrays for the rows that metrics want to see again at the end of a pass."""
        buffers = self.executor.program.buffers
        return {number: np.zeros((samples, *buffers[number].shape), buffers[number].dtype)
                for watched in self.metrics for number in watched.kept.values()}

    def logs(self, totals: Mapping[str, float], kept: Mapping[int, NDArray[Any]], rows: int) -> dict[str, Any]:
        """Return the losses and the metrics of a pass over so many rows."""
        found: dict[str, Any] = {name: totals[name] / rows for name in self.losses}
        for watched in self.metrics:
            sums = {part: totals[name] for part, name in watched.sums.items()}
            found[watched.name] = watched.metric.value(
                sums, {part: kept[number][:rows] for part, number in watched.kept.items()}, rows
            )
        if SQUARES in totals:
            found["gradient_norm"] = math.sqrt(totals[SQUARES] / rows)
        return found


class Trainable:
    """What a model can do once it has layers; a subclass defines what is marked so."""

    weights: list[Variable]
    seed: int
    _arenas: list[NDArray[np.uint8]]
    _dtype: np.dtype[Any]
    _input_specs: list[InputSpec]
    _output_shapes: list[tuple[int, ...]]
    _output_names: list[str]
    _input_structure: Any
    _output_structure: Any
    executor_class: Callable[..., Any] = Executor

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.loss_weights: Any = None
        self.history: History | None = None
        self.weights = []
        self._arenas = []
        self._metrics: tuple[Any, Any] = (None, None)  # as `compile` was given them: plain and weighted
        self._slots: list[Variable] = []
        self._slot_arenas: list[NDArray[np.uint8]] = []
        self._slot_kinds: tuple[str, ...] = ()
        self._token = object()  # by which the optimizer knows this model, and copies know each other
        self._trained: list[bool] = []  # of each weight, whether the programs and the state are for its training
        self._good: list[NDArray[np.uint8]] = []  # weights and state before the epoch under way
        self._plans: dict[tuple[Any, ...], list[_Plan]] = {}  # those that no thread uses now
        self._short: tuple[Any, ...] | None = None  # what `core.forward` takes, () where it cannot; None: not made
        self._epochs_done = 0
        self._samples = 0  # how often the model was called as in training
        self.stop_training = False
        self._run: Run | None = None  # the call of `fit` under way
        self._wants_norm = False  # whether a callback of it wants the gradient's norm
        self._busy = threading.Lock()
        self._trainer: int | None = None  # the thread that holds it
        self._building = threading.RLock()  # two threads may be the first to predict

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle needs: no locks, no programs, no arenas."""
        left_out = ("_plans", "_short", "_good", "_run", "_busy", "_trainer", "_building", "_arenas", "_slot_arenas")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the model that `__getstate__` described, in arenas of its own."""
        self.__dict__.update(state)
        self._plans, self._busy, self._building = {}, threading.Lock(), threading.RLock()
        self._trainer, self._short, self._good, self._run = None, None, [], None
        self._arenas, self._slot_arenas = arrange(self.weights, self), arrange(self._slots, self)

    def __copy__(self) -> Trainable:
        """Return a deep copy: one that shared the variables would move them out of this model's arena."""
        return copy.deepcopy(self)

    # ------------------------------------------------------------------ to be defined by a subclass
    @property
    def layers(self) -> list[Any]:
        """The layers, without the inputs."""
        raise NotImplementedError

    @property
    def built(self) -> bool:
        """Whether the model has its weights."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        raise NotImplementedError

    def _unmake(self) -> None:
        """Take back a build."""
        raise NotImplementedError

    def emit_graph(self, program: Program, inputs: Sequence[int]) -> list[int]:
        """Append the forward ops; return the outputs' buffers."""
        raise NotImplementedError

    def weight_paths(self) -> dict[str, Variable]:
        """Return the weights by their paths."""
        raise NotImplementedError

    # ------------------------------------------------------------------ compile
    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, loss_weights: Any = None, metrics: Any = None,
                weighted_metrics: Any = None) -> None:
        """Say how the model is trained.

        Parameters
        ----------
        optimizer : str or Optimizer
            A name or an object of `nncore.optimizers`. The optimizer that the model has already goes on as it was.
        loss : str, Loss, callable, tuple, list or dict, optional
            A name or an object of `nncore.losses`, or a tuple of two functions in NumPy: the value of each row and
            its gradient (see `nncore.losses.LossFunctionWrapper`). Of a model with several outputs a list of
            these, one per output, or a dict by the outputs' names. An output whose loss is None is not trained.
            Without any the model can predict only.
        loss_weights : float, list or dict, optional
            What the outputs' losses are multiplied by in the loss that is minimized; 1 by default.
        metrics : list or dict, optional
            Names or objects of `nncore.metrics`, which all rows count for alike; of a model with several outputs
            a list of such lists, or a dict by the outputs' names.
        weighted_metrics : list or dict, optional
            Metrics that rows count for by their weights.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
        >>> model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        """
        found = optimizers.get(optimizer)
        wanted = _mapped(loss, losses.get)
        for name, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if isinstance(value, (str, bytes)) or (value is not None and not isinstance(value, (Sequence, Mapping))):
                raise TypeError(f"compile: {name} must be a list of names or metrics, got {value!r}")
        before = (self.optimizer, self.loss, self.loss_weights, self._metrics)
        with self._alone("compile"):
            self.optimizer, self.loss, self.loss_weights = found, wanted, loss_weights
            self._metrics = (copy.copy(metrics), copy.copy(weighted_metrics))
            try:
                self._losses("compile")
                self._resolve_metrics()  # wrong names are reported here and not in fit
            except BaseException:
                self.optimizer, self.loss, self.loss_weights, self._metrics = before
                raise
            self._forget(state=found is not before[0])

    def compiled_config(self) -> dict[str, Any]:
        """Return what `compile` was told, the optimizer apart, as JSON can hold it."""
        from nncore.io.models import described

        plain, weighted = self._metrics
        return {"loss": described(self.loss, "loss"), "loss_weights": self.loss_weights,
                "metrics": described(plain, "metric"), "weighted_metrics": described(weighted, "metric")}

    def compile_from_config(self, optimizer: optimizers.Optimizer, config: Mapping[str, Any]) -> None:
        """Compile as `compiled_config` said."""
        self.compile(optimizer, **config)

    def _forget(self, state: bool = True) -> None:
        """Drop programs, and the optimizer's state: they belong to what was compiled, and to the weights' places."""
        self._plans, self._short = {}, None
        if state:
            self._slots, self._slot_arenas, self._slot_kinds = [], [], ()

    def _outputs(self) -> tuple[list[str], list[int]]:
        """Return the outputs' names and widths; before the model is built, of one output."""
        if not self.built:
            return ["output"], [1]
        return self._output_names, [shape[-1] if shape else 1 for shape in self._output_shapes]

    def _losses(self, where: str) -> list[tuple[int, losses.Loss, float]]:
        """Return number, loss and loss weight of each output that has a loss."""
        names, _ = self._outputs()
        found = _per_output(self.loss, names, where, "loss")
        weights = _per_output(self.loss_weights, names, where, "loss_weights")
        return [(number, loss, 1.0 if weight is None else _checks.real(weight, where, "loss_weights"))
                for number, (loss, weight) in enumerate(zip(found, weights, strict=True)) if loss is not None]

    def _resolve_metrics(self) -> list[tuple[int, str, metrics.Metric, bool]]:
        """Return output, name, metric and whether it is weighted of all metrics."""
        names, widths = self._outputs()
        of_output = {number: loss for number, loss, _ in self._losses("compile")}
        found, seen = [], {"loss", *(f"{name}_loss" for name in names if len(names) > 1)}
        for group, weighted in zip(self._metrics, (False, True), strict=True):
            for number, given in enumerate(_metrics_per_output(group, names)):
                for identifier in given:
                    if number not in of_output:
                        if self.loss is None:
                            continue  # the model can predict only
                        raise ValueError(f"compile: output {names[number]!r} has a metric but no loss")
                    # Before the model is built any number of outputs does: it decides only which accuracy is meant.
                    metric = metrics.get(identifier, of_output[number], widths[number])
                    name = metric.name if len(names) == 1 else f"{names[number]}_{metric.name}"
                    if name in seen:
                        raise ValueError(f"compile: two metrics are called {name!r}")
                    seen.add(name)
                    found.append((number, name, metric, weighted))
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
    def _ready(self, where: str, x: Any, name: str = "x") -> tuple[Rows, ...]:
        """Return the rows of every input, of its dtype; a model without input layer is built for their shape."""
        if not self.built:
            if not self.layers:
                raise ValueError(f"{type(self).__name__}: the model has no layers")
            ids = getattr(self.layers[0], "wants_integers", False)
            rows = _as_rows(x, where, name, np.dtype(np.int64) if ids else self._dtype)
            if rows.ndim < 2:
                raise ValueError(f"{where}: {name} must have shape (samples, features), got shape {rows.shape}")
            if 0 in rows.shape[1:]:
                raise ValueError(f"{where}: {name} has shape {rows.shape}, but wants at least one feature")
            with self._building:
                if not self.built:
                    self.build((None, *rows.shape[1:]))
            x = rows
        specs = self._input_specs
        found: list[Rows] = []
        for spec, part, title in zip(specs, *_per_input(x, [spec.name for spec in specs], where, name), strict=True):
            rows = _as_rows(part, where, title, spec.dtype)
            if isinstance(rows, SparseRows):
                if len(spec.shape) != 1:
                    raise TypeError(f"{where}: {title} is sparse, but the input has shape {(None, *spec.shape)}; "
                                    "only inputs of shape (None, F) may be sparse")
            elif rows.ndim == 1 and spec.shape == (1,) and len(specs) > 1:
                rows = rows.reshape(-1, 1)
            if rows.shape[1:] != spec.shape or rows.ndim == 0:
                wanted = ", ".join(["samples", *map(str, spec.shape)])
                raise ValueError(f"{where}: {title} must have shape ({wanted}), got shape {rows.shape}")
            found.append(rows)
        if any(len(rows) != len(found[0]) for rows in found):
            counts = ", ".join(f"{len(rows)} of {spec.name!r}" for rows, spec in zip(found, specs, strict=True))
            raise ValueError(f"{where}: all inputs must have the same number of rows, got {counts}")
        self._check_inputs(found, where, name)
        return tuple(found)

    def _check_inputs(self, found: Sequence[Rows], where: str, name: str) -> None:
        """Let layers that read an input refuse it."""
        raise NotImplementedError

    def _feeds(self, where: str, x: Any, y: Any, sample_weight: Any, names: tuple[str, str] = ("x", "y"),
               finite: bool = False) -> Feeds:
        """Return checked data; `finite` says that inputs were looked through before."""
        if self.loss is None:
            raise RuntimeError(f"{where}: the model has no loss; call compile(optimizer=..., loss=...) first")
        with self._unbuilt_again():
            rows = self._ready(where, x, names[0])
            if len(rows[0]) == 0:
                raise ValueError(f"{where}: {names[0]} has no rows")
            if y is None:
                raise ValueError(f"{where}: {names[1]} is missing")
            for array, spec in zip(rows, self._input_specs, strict=True):
                name = names[0] if len(rows) == 1 else f"{names[0]}[{spec.name!r}]"
                if finite:
                    continue
                if isinstance(array, SparseRows):
                    array.check_finite(where, name)
                elif array.dtype.kind == "f":
                    _checks.check_finite(array, where, name, spec.dtype)
            trained = self._losses(where)
            given, titles = _per_target(y, self._output_names, [number for number, _, _ in trained], where, names[1])
            weights = _per_weight(sample_weight, self._output_names, [number for number, _, _ in trained], where)
            targets, found = [], []
            for (number, loss, _), part, title, weight in zip(trained, given, titles, weights, strict=True):
                shape = self._output_shapes[number]
                if len(shape) != 1:
                    raise ValueError(f"{where}: output {self._output_names[number]!r} has shape {(None, *shape)}, but "
                                     "a loss takes outputs of shape (None, O): end with Flatten or Dense")
                if loss.target_kind == "dense" and _stays(part, self._dtype) and part.shape == (len(rows[0]), *shape):
                    target = np.asarray(part)
                else:
                    target = loss.check_target(part, shape[0], where, title, len(rows[0]), self._dtype)
                if target.dtype.kind == "f":
                    _checks.check_finite(target, where, title, self._dtype)
                elif loss.target_kind == "ids" and np.may_share_memory(target, part):
                    target = target.copy()  # ids index memory: nobody may change them once they are checked
                targets.append(target)
                if weight is not None:
                    weight = _checks.as_sample_weight(weight, len(rows[0]), where, self._dtype)
                    _checks.check_finite(weight, where, "sample_weight")
                found.append(weight)
            return Feeds(rows, tuple(targets), tuple(found))

    def _converted(self, data: Feeds) -> Feeds:
        """Return data, of which large arrays may be of other dtypes and layouts, as programs take them."""
        with np.errstate(over="ignore"):
            x = tuple(array if isinstance(array, SparseRows) else np.asarray(array, spec.dtype, order="C")
                      for array, spec in zip(data.x, self._input_specs, strict=True))
            kinds = [loss.target_kind for _, loss, _ in self._losses("fit")] if data.y else []
            y = tuple(array if kind == "ids" else np.asarray(array, self._dtype, order="C")
                      for array, kind in zip(data.y, kinds, strict=True))
        return Feeds(x, y, data.weight)

    def _gatherable(self, data: Feeds) -> bool:
        """Return whether the core can take rows of all arrays as they are."""
        dtypes = [spec.dtype for spec in self._input_specs]
        return all(gatherable(array, dtype) for array, dtype in zip(data.x, dtypes, strict=True)) and all(
            gatherable(array, self._dtype) for array in data.y)

    def _weigh_classes(self, data: Feeds, class_weight: Any, where: str) -> Feeds:
        """Return the data with weights of rows that are also those of their classes."""
        if class_weight is None:
            return data
        if len(data.y) > 1:
            raise ValueError(f"{where}: class_weight is for models with one output, this one has {len(data.y)}")
        ((number, _, _),) = self._losses(where)
        shares = row_weights(class_weight, data.y[0], self._output_shapes[number][0], where)
        weight = shares if data.weight[0] is None else data.weight[0] * shares
        return data._replace(weight=(weight.astype(self._dtype),))

    @contextmanager
    def _plan(self, purpose: str, feeds: Feeds, rows: int) -> Iterator[_Plan]:
        """Lend a program for "fit", "evaluate", "predict" or "sample" for so many rows: to each thread its own."""
        structure: tuple[Any, ...] = ()
        if purpose == "fit":
            structure = (*self._make_slots().structure(), self._wants_norm)
        elif purpose == "evaluate":  # penalties count for weights that are trained
            structure = tuple(weight.trainable for weight in self.weights if weight.regularizer is not None)
        idle = self._plans.setdefault((purpose, feeds.kind(), structure), [])
        try:
            plan = idle.pop()
        except IndexError:
            plan = self._build_plan(purpose, feeds, rows)
        if plan.executor.batch_size < rows:
            plan = self._build_plan(purpose, feeds, rows)
        yield plan
        idle.append(plan)

    def _build_plan(self, purpose: str, feeds: Feeds, rows: int) -> _Plan:
        training, looks = purpose in ("fit", "sample", "look"), purpose in ("look", "look in inference")
        program = Program(self._dtype, training, self.seed)
        x = tuple(program.rows(spec.shape, role="input", dtype=spec.dtype) for spec in self._input_specs)
        outputs = tuple(self.emit_graph(program, x))
        if purpose == "activations":
            seen = self._look(program, program.ops, ())
            program.optimize()
            return _Plan(self.executor_class(program, rows), x, (), (), outputs, (), (), seen)
        if purpose in ("predict", "sample"):
            program.results.extend(outputs)
            program.optimize()
            return _Plan(self.executor_class(program, rows), x, (), (), outputs, (), ())
        program.layer = ""
        forward = list(program.ops)
        y, weights, known, trained = [], [], [], self._losses(purpose)
        names = ["loss"]
        for (number, loss, share), target, weight in zip(trained, feeds.y, feeds.weight, strict=True):
            dtype = np.dtype(np.int64) if loss.target_kind == "ids" else self._dtype
            y.append(program.rows(target.shape[1:], role="target", dtype=dtype))
            weights.append(None if weight is None else program.rows(None, role="weight"))
            rows_of_loss, gradient, wrt = loss.emit(program, outputs[number], y[-1], weights[-1])
            if share != 1:
                program.emit("scale_forward", (gradient,), (scaled := program.like(gradient),), scale=share)
                gradient = scaled
            known.append((wrt, gradient))
            program.add_total("loss", rows_of_loss, share)
            if len(outputs) > 1:
                names.append(f"{self._output_names[number]}_loss")
                program.add_total(names[-1], rows_of_loss)
            if purpose == "fit" or looks:
                loss.check_trainable("fit" if purpose == "fit" else "gradients")
        trainable = [weight for weight in self.weights if weight.trainable]
        if purpose == "fit":
            assert self.optimizer is not None
            program.by_rows = tables_by_rows(program, self.optimizer, trainable)
        program.sample_weight = weights[0] if weights else None
        emit_penalties(program, trainable)
        if looks:
            seen = self._look(program, forward, known)
            program.optimize()
            executor = self.executor_class(program, rows)
            return _Plan(executor, x, tuple(y), tuple(weights), outputs, tuple(names), (), seen)
        watched = self._emit_metrics(program, outputs, dict(zip([number for number, _, _ in trained],
                                                                zip(y, weights, strict=True), strict=True)))
        if purpose == "fit":
            assert self.optimizer is not None
            powers = self._slots[0] if self.optimizer.powers else None
            shared = emit_step(program, self.optimizer, powers)
            parameters = gradients.backward(program, forward, known)
            emit_updates(program, self.optimizer, parameters, self._slots_of_weights(), trainable, shared,
                         self._wants_norm)
        program.optimize()
        return _Plan(self.executor_class(program, rows), x, tuple(y), tuple(weights), outputs, tuple(names), watched)

    def _look(self, program: Program, forward: list[Op], known: Sequence[tuple[int, int]]) -> Seen:
        """Append the backward pass, if gradients are known; keep what there is to see of both."""
        outputs, kernels = dict[str, int](), dict[str, str]()
        for path, buffer in program.uses:
            name, number = "/".join(path), 1
            while name in outputs:
                number += 1
                name = f"{'/'.join(path)}#{number}"
            producer = program.producer(buffer)
            outputs[name], kernels[name] = buffer, "" if producer is None else producer.kernel
        passed = dict[int, int]()
        parameters = gradients.backward(program, forward, known, passed)
        if known:
            parameters = emit_penalty_gradients(program, parameters, self.weights)
        found = {}
        for name, buffer in outputs.items():
            at: int | None = buffer
            producer = program.producer(buffer)
            if at not in passed and producer is not None and producer.inputs[0] in dict(known):
                at = producer.inputs[0]  # the loss takes what stands before the softmax
            if at in passed:
                found[name] = passed[at]
        paths = {id(weight): path for path, weight in self.weight_paths().items()}
        weights = {paths[id(program.buffers[number].variable)]: gradient for number, gradient in parameters.items()}
        program.results.extend([*outputs.values(), *weights.values(), *found.values()])
        return Seen(outputs, kernels, weights, found, tuple(program.totals.get("loss", ())))

    def _emit_metrics(self, program: Program, outputs: Sequence[int],
                      targets: Mapping[int, tuple[int, int | None]]) -> tuple[Watched, ...]:
        """Append the ops of all metrics."""
        found = []
        for number, name, metric, weighted in self._resolve_metrics():
            target, weight = targets[number]
            arguments = (program, outputs[number], target, weight if weighted else None)
            sums = {}
            for part, buffer in metric.emit(*arguments).items():
                sums[part] = f"{name}: {part}"
                program.add_total(sums[part], buffer)
            kept = metric.keep(*arguments)
            program.results.extend(kept.values())
            found.append(Watched(name, metric, sums, kept))
        return tuple(found)

    def _make_slots(self) -> optimizers.Optimizer:
        """Make the optimizer's state for all trainable weights unless it is there; return the optimizer."""
        optimizer = self.optimizer
        assert optimizer is not None
        optimizer.check()
        optimizer.claim(self._token)
        trained = [weight.trainable for weight in self.weights] + [layer.trainable for layer in self.layers]
        if self._slot_kinds == optimizer.slots and self._trained == trained:
            return optimizer
        self._forget()  # somebody gave the optimizer momentum, or took it away, or froze a layer
        self._slot_kinds, self._trained = optimizer.slots, trained
        if optimizer.powers:  # first, so that all behind it has the weights' dtype
            self._slots.append(Variable(np.ones(optimizer.powers), "powers", trainable=False))
        for weight in self.weights:
            for name in optimizer.slots if weight.trainable else ():
                value = weight.numpy() if name == "average" else np.full(
                    weight.shape, optimizer.slot_value(name), weight.dtype)
                self._slots.append(Variable(value, f"{weight.name}/{name}", trainable=False, panels=weight.panels))
        self._slot_arenas = arrange(self._slots, self)
        return optimizer

    def _slots_of_weights(self) -> dict[int, dict[str, Variable]]:
        """Return the optimizer's state by its names, for the ``id`` of each weight."""
        slots = iter(self._slots[1:] if self._slots and self._slots[0].name == "powers" else self._slots)
        return {id(weight): {name: next(slots) for name in self._slot_kinds}
                for weight in self.weights if weight.trainable}

    def slot_paths(self) -> dict[str, Variable]:
        """Return the optimizer's state by the paths of the weights that it belongs to."""
        found = {"powers": self._slots[0]} if self._slots and self._slots[0].name == "powers" else {}
        slots = self._slots_of_weights()
        for path, weight in self.weight_paths().items():
            found |= {f"{path}/{name}": slot for name, slot in slots.get(id(weight), {}).items()}
        return found

    def _training_state(self) -> dict[str, Any]:
        """Return what training goes on from: weights, the optimizer's state, and where random numbers stand."""
        assert self.optimizer is not None
        return {
            "weights": {path: weight.numpy() for path, weight in self.weight_paths().items()},
            "optimizer": {path: slot.numpy() for path, slot in self.slot_paths().items()},
            "steps": self.optimizer.steps,
            "learning_rate": self.optimizer.learning_rate if self.optimizer.schedule is None else None,
            "seed": self.seed, "epochs_done": self._epochs_done, "samples": self._samples,
        }

    def _set_training_state(self, state: Mapping[str, Any]) -> None:
        """Take what `_training_state` returned; nothing changes where it is another model's."""
        assert self.optimizer is not None
        self._make_slots()
        found = []
        for part, variables in (("weights", self.weight_paths()), ("optimizer", self.slot_paths())):
            if list(state[part]) != list(variables):
                raise ValueError(f"it has the {part} {', '.join(state[part])}, but the model {', '.join(variables)}")
            for path, variable in variables.items():
                array = state[part][path]
                if array.shape != variable.shape or array.dtype != variable.dtype:
                    raise ValueError(f"{path!r} is {array.dtype} of shape {array.shape}, but in the model "
                                     f"{variable.dtype} of shape {variable.shape}")
                found.append((variable, array))
        for variable, array in found:
            variable.assign(array)
        self.optimizer.steps = state["steps"]
        if state["learning_rate"] is not None:
            self.optimizer.learning_rate = state["learning_rate"]
        if self.seed != state["seed"]:
            self.seed = state["seed"]
            self._plans, self._short = {}, None  # what draws random numbers has the seed in it
        self._epochs_done, self._samples = state["epochs_done"], state["samples"]

    def _become_averages(self) -> None:
        """Give the weights their moving averages: Keras's `finalize_variable_values`."""
        slots = self._slots_of_weights()
        for weight in self.weights:
            if "average" in slots.get(id(weight), {}):
                weight._value[...] = slots[id(weight)]["average"]._value  # they lie alike

    # ------------------------------------------------------------------ fit
    @rounds_to_nearest
    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1,
            verbose: Any = "auto", callbacks: Callback | Sequence[Callback] | None = None, *,
            validation_split: float = 0.0, validation_data: Any = None, shuffle: Shuffle = True,
            class_weight: Any = None, sample_weight: Any = None, initial_epoch: int = 0,
            steps_per_epoch: int | None = None, validation_steps: int | None = None,
            validation_batch_size: int | None = None, validation_freq: Any = 1, augment: Any = None,
            nonfinite: str = "raise") -> History:
        """Train the model.

        Parameters
        ----------
        x : array_like, shape (samples, features), or a list or dict of them; or batches
            Inputs; finite. Of a model with several inputs a list, in their order, or a dict by their names. Large
            arrays of another dtype than the model's, `numpy.memmap` among them, stay as they are: rows are
            converted while they are gathered. Or a sparse matrix (anything with a method ``tocsr``, such as SciPy's
            matrices and arrays of any format), for an input of shape (None, F): only the rows of a batch are made
            dense, and the results are those of ``x.toarray()`` to the bit. Or batches, each ``(x, y)`` or
            ``(x, y, sample_weight)``: an object with ``len()`` and an index (`nncore.utils.PyDataset`), or a generator,
            an iterator or an iterable.
        y : array_like, or a list or dict of them
            Targets: class ids (samples,) or values (samples, outputs), as the loss takes them; of a model with
            several outputs a list or dict. None where `x` is batches.
        batch_size : int, optional
            Rows in a step; 32 by default. The last batch may be smaller.
        epochs : int
            How often the data are gone through: the number of the last epoch, where `initial_epoch` is not 0.
        verbose : {"auto", 0, 1, 2}
            Nothing (0), a bar per epoch (1, "auto"), or a line per epoch (2).
        callbacks : Callback or list of Callback, optional
            What is called while training runs: see `nncore.callbacks`.
        validation_split : float
            Share of the rows, the last ones, that is kept for validation.
        validation_data : tuple or batches, optional
            ``(x, y)`` or ``(x, y, sample_weight)``, or batches, for validation after each epoch.
        shuffle : bool or callable
            Whether each epoch takes the rows in another order; batches that have an index, the batches. A function
            ``order(number)`` of the number of the pass, counted over all calls of `fit`, returns the order (samples,)
            of the rows of arrays. One with a length is a sampler: a pass takes the ``len(order)`` rows that it returns,
            some of all, or some several times.
        class_weight : dict of int to float or "balanced", optional
            The weight of each class, which multiplies those of its rows, of a model with one output. Classes that are
            not named weigh 1; "balanced" makes all classes weigh the same. It does not touch the validation data.
        sample_weight : array_like, shape (samples,), or a list or dict of them, optional
            Weight of each row in the loss; of several outputs one for all, or one per output.
        initial_epoch : int
            The number of the first epoch, for a run that goes on with an earlier one.
        steps_per_epoch : int, optional
            Batches in an epoch. The next one goes on behind them, and from the start when the data are at their
            end; a pass over the data is then what is shuffled.
        validation_steps : int, optional
            How many batches are taken for validation, always the first ones. This and the next two want something
            to validate on.
        validation_batch_size : int, optional
            Rows at a time in the validation; by default `batch_size`.
        validation_freq : int or collection of int
            After every how many epochs there is a validation, or after which ones, counted from 1.
        augment : callable or list of callable, optional
            Changes each batch before it is trained on: see `nncore.data.augment`.
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
        TypeError
            When x is sparse and something wants dense arrays: `augment`, embeddings, inputs of more axes.
        KeyboardInterrupt
            After the batch under way when Ctrl-C is pressed; ``model.history``, the weights and
            ``optimizer.steps`` keep what was done. The same holds of what a callback or a layer in NumPy
            raises.

        Warns
        -----
        UserWarning
            When batches ran out before the last epoch: an iterator gives each of them once. Training ends.

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
        where = "fit"
        epochs = _checks.positive_int(epochs, where, "epochs")
        shuffle = shuffle if callable(shuffle) else _checks.boolean(shuffle, where, "shuffle")
        split = _checks.fraction(validation_split, where, "validation_split")
        initial_epoch = _checks.integer(initial_epoch, where, "initial_epoch", low=0)
        steps, val_steps, val_size = (
            None if value is None else _checks.positive_int(value, where, name)
            for value, name in ((steps_per_epoch, "steps_per_epoch"), (validation_steps, "validation_steps"),
                                (validation_batch_size, "validation_batch_size")))
        validates = _frequency(validation_freq)
        if validation_data is None and not split:
            for name, idle in (("validation_steps", val_steps is None), ("validation_batch_size", val_size is None),
                               ("validation_freq", validation_freq == 1)):
                if not idle:
                    raise ValueError(f"fit: {name} is given, but neither validation_data nor validation_split is")
        changes = _functions(augment)
        _checks.one_of(nonfinite, ("raise", "stop", "continue"), where, "nonfinite")
        hooks, progress = CallbackList(callbacks, where), Progress(verbose, epochs)
        nonfinite = hooks.policy(nonfinite)
        with self._alone(where):
            self._wants_norm = any(callback.gradient_norm for callback in hooks.callbacks)
            with self._unbuilt_again():
                data = self._given(where, x, y, sample_weight, batch_size, shuffle, split > 0)
                held_out = self._validation(validation_data)
                if split and held_out is None:
                    assert isinstance(data, Feeds)
                    data, held_out = _split(data, split)
                if isinstance(data, Feeds):
                    data = self._weigh_classes(data, class_weight, where)
                elif isinstance(class_weight, str):
                    raise ValueError("fit: class_weight='balanced' needs all targets at once, but x is batches")
            size = 32 if batch_size is None else _checks.positive_int(batch_size, where, "batch_size")
            if isinstance(data, Feeds):
                size = min(size, rows_of_a_pass(shuffle, data.rows))
                if changes:
                    refuse_sparse(data.x, where, "augment")
                if changes or not self._gatherable(data):
                    data, class_weight = Stream(ArraySource(data, size, self.seed, shuffle)), None
            if isinstance(data, Stream):
                data.steps, data.first_pass = steps, self._epochs_done
            if isinstance(held_out, Stream):
                held_out.steps = val_steps
            elif held_out is not None:
                held_out = held_out.part(slice((val_size or size) * val_steps if val_steps else None))
            if isinstance(data, Feeds):
                with self._plan(where, data, size):
                    pass  # what is wrong with the program is said before anybody is told of a run
            history = History({"epochs": epochs, "steps": steps or _steps(data, size, shuffle), "verbose": verbose})
            run = Run(self, history, initial_epoch)
            self.history, self.stop_training, self._run = history, False, run
            try:
                hooks.begin(self, history.params)
                hooks("on_train_begin", {})
                with self._feed(where, data, size, shuffle, steps, changes, class_weight) as feed, progress:
                    progress.samples, progress.unit = feed.length, feed.unit
                    run.attach(feed, held_out if isinstance(held_out, Stream) else None)
                    while run.epoch < epochs and not run.over:
                        self._fit_epoch(run, feed, held_out, val_size or size, validates, progress, hooks, nonfinite)
                if self.optimizer is not None and self.optimizer.use_ema and self.optimizer.steps:
                    self._become_averages()
                hooks("on_train_end", run.logs)
            finally:
                self._run = None
                hooks.end()
        return history

    def _fit_epoch(self, run: Run, feed: Feed, held_out: Feeds | Stream | None, val_size: int,
                   validates: Callable[[int], bool], progress: Progress, hooks: CallbackList, nonfinite: str) -> None:
        """Train for an epoch, validate, and tell everybody."""
        epoch = run.epoch
        progress.begin_epoch(epoch)
        if not run.done:
            hooks("on_epoch_begin", epoch, {})
        found = self._epoch("fit", feed, run, progress, hooks, nonfinite)
        if found is None:
            self.stop_training = run.over = True
            return
        if not found:
            self.stop_training = run.over = True
            if not run.history.epoch:
                raise ValueError("fit: x gives no batch")
            _warn_ran_out(epoch)
            return
        logs = dict(found)
        try:
            if held_out is not None and validates(epoch):
                logs |= {f"val_{name}": value for name, value in
                         self._evaluate("fit: validation", held_out, val_size, hooks).items()}
            progress.close()
            hooks("on_epoch_end", epoch, logs)
        finally:
            run.history.append(epoch, logs)  # an epoch that was trained, whatever comes after it
        progress.end_epoch(logs)
        run.epoch, run.done, run.logs, run.over = epoch + 1, 0, logs, bool(self.stop_training)
        if isinstance(feed, StreamFeed) and feed.ran_out and not run.over:
            self.stop_training = run.over = True
            _warn_ran_out(epoch)

    def _given(self, where: str, x: Any, y: Any, sample_weight: Any, batch_size: Any, shuffle: Shuffle,
               split: bool) -> Feeds | Stream:
        """Return arrays, checked, or the stream of batches that `x` is."""
        if isinstance(x, Feeds):  # of our own estimators
            return x
        if is_arrays(x):
            return self._feeds(where, x, y, sample_weight)
        if self.loss is None:
            raise RuntimeError(f"{where}: the model has no loss; call compile(optimizer=..., loss=...) first")
        for value, name in ((y, "y"), (sample_weight, "sample_weight"), (batch_size, "batch_size"),
                            (split or None, "validation_split")):
            if value is not None:
                raise ValueError(f"{where}: {name} cannot be given where x is batches, which are (x, y) or "
                                 f"(x, y, sample_weight); x is {type(x).__name__}")
        if callable(shuffle):
            raise ValueError(f"{where}: shuffle must be a bool where x is batches, got {shuffle!r}")
        stream = Stream(source_of(x, where, "x", self.seed, shuffle))
        self._build_for(where, stream)
        return stream

    def _build_for(self, where: str, stream: Stream) -> None:
        """Build a model without weights for the first batch of a stream."""
        if not self.built:
            batch = stream.peek()
            if batch is None:
                raise ValueError(f"{where}: x gives no batch")
            self._ready(where, batch.x)

    def _feed(self, where: str, data: Feeds | Stream, batch_size: int, shuffle: Shuffle, steps: int | None,
              augment: Sequence[Callable[..., Any]], class_weight: Any) -> Feed:
        """Return what `fit` goes through."""
        if isinstance(data, Stream):
            return StreamFeed(self, "fit", where, data, augment, class_weight)
        return ArrayFeed(self, "fit", data, batch_size, shuffle, steps, self._epochs_done)

    def _validation(self, data: Any) -> Feeds | Stream | None:
        if data is None:
            return None
        if not is_arrays(data):
            return Stream(source_of(data, "fit", "validation_data"))
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError(
                "fit: validation_data must be (x, y) or (x, y, sample_weight), got "
                + (f"{len(data)} elements" if isinstance(data, (tuple, list)) else type(data).__name__)
            )
        x, y, *weight = data
        return self._feeds(
            "fit", x, y, weight[0] if weight else None, ("validation_data[0]", "validation_data[1]")
        )

    def _epoch(self, where: str, feed: Feed, run: Run, progress: Progress, hooks: CallbackList,
               nonfinite: str) -> dict[str, Any] | None:
        """Train for an epoch, or until a hook says stop; None if `nonfinite` ended training.

        Beside what `fit` says, `nonfinite` may be "end" or "fail": training ends after the batch, or with an error,
        and the weights stay as they are.
        """
        optimizer = self.optimizer
        assert optimizer is not None
        arenas, message, paused = (*self._arenas, *self._slot_arenas), "", False
        watched, run.guarded = nonfinite != "continue", nonfinite in ("raise", "stop")
        if not run.done:
            run.begun = optimizer.steps
            feed.begin()
        if run.guarded and not (run.done and [kept.size for kept in self._good] == [arena.size for arena in arenas]):
            self._remember(arenas)
        by_batch = "on_train_batch_begin" in hooks or "on_train_batch_end" in hooks
        seen = 0

        def on_pause(rows: int) -> bool:
            nonlocal seen, paused
            if feed.unit == "samples":
                progress.update(rows - seen)
                seen = rows
            if "on_train_pause" in hooks:
                before = self.stop_training
                hooks("on_train_pause", {})
                paused = bool(self.stop_training) and not before
            return paused

        for piece in feed.pieces(by_batch, run.done):
            hooks("on_train_batch_begin", run.done, {})
            if optimizer is not self.optimizer or optimizer.slots != self._slot_kinds:
                raise RuntimeError(f"{where}: the optimizer was exchanged, or its state, during training")
            before, seen = optimizer.steps, piece.first
            try:
                feed.run(piece, watch="loss" if watched else None, attributes=optimizer.attributes(),
                         on_pause=on_pause, step=before - piece.batch, rates=_rates(optimizer, piece))
            except RunError as error:
                message = (f"{where}: the loss became {error.value} in epoch {run.epoch + 1}, batch "
                           f"{run.done + feed.finished}{self._culprit(feed.plan)}")
            finally:
                optimizer.steps, run.done = before + feed.finished, run.done + feed.finished
            if feed.unit == "batches":
                progress.update(1)
            if message and nonfinite != "end":
                break
            if by_batch:
                hooks("on_train_batch_end", run.done - 1, feed.logs())
            if message:
                print(f"{message}; training ends")
                self.stop_training = True
            if self.stop_training and (by_batch or paused or message):
                break
        if nonfinite == "fail" and message:
            raise NonFiniteError(message)
        if run.guarded:
            if not message:
                message = self._bad_weight(where, run.epoch)
            if message:
                for arena, value in zip(arenas, self._good, strict=True):
                    arena[...] = value
                optimizer.steps, run.done = run.begun, 0
                if nonfinite == "stop":
                    return None
                raise NonFiniteError(f"{message}; {_ADVICE}")
        if feed.shuffle:  # a pass that was begun counts: another `fit` would not go on with the rest of it
            self._epochs_done = feed.number + feed.passes + (feed.taken > 0)
        return feed.logs() if feed.rows else {}

    def _bad_weight(self, where: str, epoch: int) -> str:
        """Return words that name a weight, or a part of the optimizer's state, that is not finite."""
        assert self.optimizer is not None
        # The powers, first in the state, stay in 0 ... 1.
        state = [arena[ALIGNMENT if self.optimizer.powers else 0 :] for arena in self._slot_arenas]
        if all(core.all_finite(arena.view(self._dtype)) for arena in (*self._arenas, *state)):
            return ""
        # Not what pads panels: a scale of nan, or an epsilon that rounds to 0, makes nan of the zeros there.
        weight = next((w.name for w in [*self.weights, *self._slots] if not np.isfinite(w.numpy()).all()), "")
        return weight and f"{where}: {weight} became nan or inf in epoch {epoch + 1}"

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
    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None,
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
            self._wants_norm = False
            data = self._feeds("train_on_batch", x, y, sample_weight)
            data = self._converted(data)
            with Progress(0, 1, data.rows) as progress, ArrayFeed(self, "fit", data, data.rows) as feed:
                logs = self._epoch("train_on_batch", feed, Run(self, History(), 0), progress, CallbackList(), "raise")
        assert logs is not None
        return logs if return_dict else _unpacked(logs)

    # ------------------------------------------------------------------ evaluate and predict
    @rounds_to_nearest
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics on data.

        Parameters
        ----------
        x, y, sample_weight : array_like, or batches in x
            As of `fit`; `x` may be a sparse matrix.
        batch_size : int, optional
            Rows at a time; changes no bit of a row's output.
        verbose : {"auto", 0, 1, 2}
            Whether to print the results (0: no).
        steps : int, optional
            How many batches are taken; by default all.
        callbacks : Callback or list of Callback, optional
            What is called meanwhile: see `nncore.callbacks`.
        return_dict : bool
            Whether to return a dict.

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
        where = "evaluate"
        steps = None if steps is None else _checks.positive_int(steps, where, "steps")
        hooks = CallbackList(callbacks, where)
        with self._unbuilt_again():
            data = self._given(where, x, y, sample_weight, batch_size, False, False)
        size = 32 if batch_size is None else _checks.positive_int(batch_size, where, "batch_size")
        if isinstance(data, Stream):
            data.steps = steps
            count = steps or _steps(data, size)
        else:
            data = data.part(slice(None if steps is None else steps * size))
            count = -(-data.rows // self._evaluated_together(size))
        hooks.begin(self, {"verbose": verbose, "epochs": 1, "steps": count})
        logs = self._evaluate(where, data, size, hooks)
        hooks.end()
        if verbose:
            print(" - ".join(f"{name}: {formatted(value)}" for name, value in logs.items()))
        return logs if return_dict else _unpacked(logs)

    def _evaluated_together(self, batch_size: int) -> int:
        """Return the rows of a batch: at least some, but where the loss depends on the batch as many as asked for."""
        exact = any(loss.of_batch for _, loss, _ in self._losses("evaluate"))
        return batch_size if exact else max(batch_size, PREDICT_ROWS)

    def _evaluate(self, where: str, data: Feeds | Stream, batch_size: int, hooks: CallbackList) -> dict[str, Any]:
        by_batch = "on_test_batch_begin" in hooks or "on_test_batch_end" in hooks
        if isinstance(data, Feeds):
            batch_size = min(self._evaluated_together(batch_size), data.rows)
            if not self._gatherable(data):
                data = Stream(ArraySource(data, batch_size, shuffle=False))
        if isinstance(data, Stream):
            data.restart()
            feed: Feed = StreamFeed(self, "evaluate", where, data)
        else:
            feed = ArrayFeed(self, "evaluate", data, batch_size)
        hooks("on_test_begin", {})
        with feed:
            batch = 0
            for piece in feed.pieces(by_batch):
                hooks("on_test_batch_begin", batch, {})
                feed.run(piece)
                if by_batch:
                    hooks("on_test_batch_end", batch, feed.logs())
                batch += 1
            if batch == 0:
                raise ValueError(f"{where}: there is no batch; an iterator gives each batch once")
            logs = feed.logs()
        hooks("on_test_end", logs)
        return logs

    @rounds_to_nearest
    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, steps: int | None = None,
                callbacks: Callback | Sequence[Callback] | None = None) -> Any:
        """Return the model's outputs; nan and inf in x propagate.

        Parameters
        ----------
        x : array_like, shape (samples, features), or a list or dict of them; or batches
            Inputs, as of `fit`; a sparse matrix is not made dense as a whole whatever the `batch_size`. Batches are
            ``x``, or as `fit` takes them.
        batch_size : int, optional
            Rows at a time; changes no bit of the result.
        verbose : {"auto", 0, 1, 2}
            Whether to print a line with the rows and the time. (Keras's default is "auto".)
        steps : int, optional
            How many batches are taken; by default all.
        callbacks : Callback or list of Callback, optional
            What is called meanwhile: see `nncore.callbacks`.

        Returns
        -------
        ndarray, shape (samples, outputs)
            Of a model with several outputs a list or dict of such arrays, as the model was made.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(2, kernel_initializer="ones")])
        >>> model.predict([[1.0], [2.0]])
        array([[1., 1.],
               [2., 2.]], dtype=float32)
        """
        where = "predict"
        _checks.one_of(verbose, ("auto", 0, 1, 2), where, "verbose")
        steps = None if steps is None else _checks.positive_int(steps, where, "steps")
        hooks = CallbackList(callbacks, where)
        start = time.perf_counter()
        if is_arrays(x):
            data: Feeds | Stream = Feeds(self._ready(where, x))
        else:
            if batch_size is not None:
                raise ValueError("predict: batch_size cannot be given where x is batches")
            data = Stream(source_of(x, where, "x"), steps)
            self._build_for(where, data)
        size = self._predict_rows() if batch_size is None else _checks.positive_int(batch_size, where, "batch_size")
        if isinstance(data, Feeds):
            data = data.part(slice(None if steps is None else steps * (size if batch_size is not None else 32)))
            if not self._gatherable(data):
                data = Stream(ArraySource(data, size, shuffle=False))
        hooks.begin(self, {"verbose": verbose, "epochs": 1, "steps": steps or _steps(data, size)})
        hooks("on_predict_begin", {})
        outs = self._predict_stream(data, hooks) if isinstance(data, Stream) else self._predict(data, size, hooks)
        hooks("on_predict_end", {})
        hooks.end()
        if verbose:
            print(f"{len(outs[0])} rows - {time.perf_counter() - start:.2f}s")
        return self._output_structure.pack(outs)

    def _predict(self, data: Feeds, size: int, hooks: CallbackList) -> list[NDArray[Any]]:
        outs = self._new_outputs("predict", data.rows)
        if "on_predict_batch_begin" not in hooks and "on_predict_batch_end" not in hooks:
            self._forward(data, outs, size)
            return outs
        for batch, first in enumerate(range(0, data.rows, size)):
            part = slice(first, first + size)
            hooks("on_predict_batch_begin", batch, {})
            self._forward(data.part(part), [out[part] for out in outs], size)
            hooks("on_predict_batch_end", batch, {"outputs": self._output_structure.pack([out[part] for out in outs])})
        return outs

    def _predict_stream(self, stream: Stream, hooks: CallbackList) -> list[NDArray[Any]]:
        found = []
        for number, batch in enumerate(stream.epoch()):
            rows = batch if isinstance(batch, Feeds) else Feeds(self._ready(f"predict: batch {number + 1}", batch.x))
            rows = self._converted(Feeds(rows.x))
            outs = self._new_outputs("predict", rows.rows)
            hooks("on_predict_batch_begin", number, {})
            self._forward(rows, outs, self._predict_rows())
            hooks("on_predict_batch_end", number, {"outputs": self._output_structure.pack(outs)})
            found.append(outs)
        if not found:
            raise ValueError("predict: x gives no batch")
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _new_outputs(self, where: str, rows: int) -> list[NDArray[Any]]:
        for shape in self._output_shapes:
            _checks.shape_size((rows, *shape), where)
        return [np.empty((rows, *shape), self._dtype) for shape in self._output_shapes]

    def __call__(self, x: Any, out: NDArray[Any] | None = None, training: bool = False) -> Any:
        """Return the model's outputs for a few rows, at the lowest latency.

        Parameters
        ----------
        x : array_like, shape (samples, features), or a list or dict of them
            Inputs; a sparse matrix is made dense. On symbolic tensors the model is called like a layer.
        out : ndarray, shape (samples, outputs), optional
            Where the result goes, of a model with one output.
        training : bool
            Whether layers do what they do in training: dropout draws masks, other ones with each call, and batch
            normalization looks at this batch.

        Returns
        -------
        ndarray, shape (samples, outputs)
            Of a model with several outputs a list or dict of such arrays.
        """
        if self._short and not training:
            found = core.forward(self._short, x, out)
            if found is not NotImplemented:
                return found
        if isinstance(x, graph.Tensor) or (isinstance(x, (list, tuple)) and len(x) and isinstance(x[0], graph.Tensor)):
            return graph.apply(self, x)
        if isinstance(x, Mapping) and any(isinstance(part, graph.Tensor) for part in x.values()):
            if not self.built:
                raise ValueError("model(x): x is a dict, but the model is not built and has no names for inputs")
            parts, _ = _per_input(x, [spec.name for spec in self._input_specs], "model(x)", "x")
            return graph.apply(self, parts if len(parts) > 1 else parts[0])
        return self._call(x, out, _checks.boolean(training, "model(x)", "training"))

    @rounds_to_nearest
    def _call(self, x: Any, out: NDArray[Any] | None, training: bool) -> Any:
        """Return the model's outputs for any rows."""
        given = tuple(dense(rows) for rows in self._ready("model(x)", x))
        data = Feeds(given)
        if out is None:
            outs = self._new_outputs("model(x)", data.rows)
        else:
            shape = (data.rows, *self._output_shapes[0])
            if len(self._output_shapes) > 1:
                raise ValueError("model(x): out is for models with one output")
            if (
                not isinstance(out, np.ndarray)
                or out.shape != shape
                or out.dtype != self._dtype
                or not out.flags.carray
            ):
                raise ValueError(
                    f"model(x): out must be a writable C-contiguous {self._dtype} array of shape {shape}"
                )
            outs = [out]
            # What is read where it lies may not be written meanwhile.
            data = Feeds(tuple(rows.copy() if np.may_share_memory(rows, out) else rows for rows in given))
        if training:
            self._forward(data, outs, max(1, data.rows), "sample")
        else:
            self._forward(data, outs, self._predict_rows())
        if self._short is None and self.executor_class is Executor:
            self._make_short()
        return self._output_structure.pack(outs)

    def _predict_rows(self) -> int:
        """Return how many rows go through all layers together: few where the weights stay in the cache, too."""
        return PREDICT_ROWS if sum(arena.size for arena in self._arenas) <= PREDICT_CACHE else 4 * PREDICT_ROWS

    def _make_short(self) -> None:
        """Prepare calls for so few rows that one is over before another thread could have begun."""
        plans, found = self._plans, None
        rows = min(SHORT_ROWS, SHORT_WORK // max(1, sum(weight.size for weight in self.weights)))
        simple = (self._input_structure.kind == self._output_structure.kind == "one"
                  and len(self._input_specs[0].shape) == len(self._output_shapes[0]) == 1
                  and self._input_specs[0].dtype == self._dtype)
        if rows and simple:
            plan = self._build_plan("predict", Feeds(()), rows)
            found = short_call(plan.executor, plan.x[0], plan.outputs[0])
        if self._plans is plans:  # else another thread has changed the model meanwhile
            self._short = found or ()

    def _forward(self, data: Feeds, outs: Sequence[NDArray[Any]], batch_size: int, purpose: str = "predict") -> None:
        """Run the forward pass; any number of threads may do so at once, each with buffers of its own."""
        if data.rows == 0:
            return
        batch_size = min(batch_size, data.rows)
        if purpose == "predict":
            batch_size = predicted_together(data.x, batch_size)
        with self._plan(purpose, Feeds(data.x), batch_size) as plan:
            results: dict[int, NDArray[Any]] = {}
            for number, out in zip(plan.outputs, outs, strict=True):
                results.setdefault(number, out)
            run = plan.executor.bind(plan.feeds(data), results, in_place=purpose == "predict")
            run(data.rows, None, batch_size, step=self._samples)
            for number, out in zip(plan.outputs, outs, strict=True):
                if results[number] is not out:  # one tensor that is an output twice
                    out[...] = results[number]
            if isinstance(run, Bound):
                run.release()
        self._samples += purpose == "sample"


_ADVICE = (
    "the weights are those before this epoch. Often the cure is a lower learning rate, inputs of mean 0 and "
    "variance 1, or a loss on logits"
)


def _warn_ran_out(epoch: int) -> None:
    warnings.warn(f"fit: the data ran out in epoch {epoch + 1} and training ends: an iterator gives each batch once. "
                  "Give enough of them, or an object with __len__ and __getitem__", stacklevel=5)


def _frequency(value: Any) -> Callable[[int], bool]:
    """Return which epochs, counted from 0, are followed by a validation."""
    if isinstance(value, (list, tuple, set, frozenset, range)):
        numbers = {_checks.positive_int(number, "fit", "validation_freq") for number in value}
        return lambda epoch: epoch + 1 in numbers
    every = _checks.positive_int(value, "fit", "validation_freq")
    return lambda epoch: (epoch + 1) % every == 0


def _functions(augment: Any) -> list[Callable[..., Any]]:
    """Return the functions that change batches."""
    found = [] if augment is None else list(augment) if isinstance(augment, (list, tuple)) else [augment]
    for function in found:
        if not callable(function):
            raise TypeError(f"fit: augment must be a function f(x, y, rng) or a list of them, got {function!r}")
    return found


def _steps(data: Feeds | Stream, batch_size: int, shuffle: Shuffle = False) -> int | None:
    """Return how many batches there are in a pass; None where nobody knows."""
    if isinstance(data, Feeds):
        return -(-rows_of_a_pass(shuffle, data.rows) // batch_size)
    try:
        return len(data.source)
    except TypeError:
        return None


LAZY = 1 << 20  # bytes of an array, converted, that are converted at once and not batch by batch


def _stays(x: Any, dtype: np.dtype[Any]) -> bool:
    """Whether an array is so large that it stays as it is: its rows are converted while they are gathered.

    Rows that the core cannot gather are taken by NumPy, a batch at a time: slow, and only for files.
    """
    if not isinstance(x, np.ndarray) or x.size * dtype.itemsize <= LAZY or (dtype.kind == "i" and x.dtype.kind == "f"):
        return False
    return gatherable(x, dtype) or (x.ndim > 0 and x.dtype.kind in "fiub" and _on_disk(x))


def _on_disk(x: Any) -> bool:
    """Whether an array is a view of a file."""
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return True
        x = x.base
    return False


def _as_rows(x: Any, where: str, name: str, dtype: np.dtype[Any]) -> Rows:
    """Return `x` as an array of a dtype, as it is where it `_stays`, or as rows of a sparse matrix."""
    if is_sparse(x):
        if len(x.shape) != 1:
            return as_sparse_rows(x, where, name, dtype)
        x = x.toarray()
    if _stays(x, dtype):
        if x.dtype.kind == "u" and x.dtype.itemsize == 8 and dtype.kind == "i":
            return _checks.as_ids(x, where, name)
        return np.asarray(x)
    return _checks.as_ids(x, where, name) if dtype.kind == "i" else _checks.as_float_array(x, where, name, dtype)


def _split(data: Feeds, share: float) -> tuple[Feeds, Feeds]:
    """Return the first rows and the last ones, as Keras does: before any shuffling."""
    at = int(data.rows * (1 - share))
    if at in (0, data.rows):
        raise ValueError(f"fit: validation_split={share} of {data.rows} rows leaves one part without rows")
    return data.part(slice(None, at)), data.part(slice(at, None))


def _rates(optimizer: optimizers.Optimizer, piece: Piece) -> NDArray[np.float64] | None:
    """Return the learning rates of a piece's batches, counted from row 0 of the data, where a schedule says them."""
    end = -(-piece.last // piece.batch_size)
    if optimizer.schedule is None or end - piece.batch == 1:  # of one batch it is an attribute as any other
        return None
    return np.concatenate([np.zeros(piece.batch), optimizer.schedule.rates(optimizer.steps, end - piece.batch)])


def _unpacked(logs: Mapping[str, Any]) -> Any:
    """Return the loss alone, or a list with the metrics, as Keras does."""
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


# ---------------------------------------------------------------------- one thing per input or output
def _mapped(given: Any, make: Callable[[Any], Any]) -> Any:
    """Return what `compile` was given, alone or in a list or dict, with names replaced by objects."""
    if given is None:
        return None
    if isinstance(given, (list, tuple)) and not is_pair(given):
        return [None if part is None else make(part) for part in given]
    if isinstance(given, Mapping) and set(given) != {"class_name", "config"}:
        return {name: None if part is None else make(part) for name, part in given.items()}
    return make(given)


def _check_keys(given: Mapping[Any, Any], names: Sequence[str], where: str, title: str, kind: str) -> None:
    """Refuse an entry that is for no input or output."""
    for name in given:
        if name not in names:
            raise ValueError(f"{where}: {title} names an {kind} {name!r}, but the {kind}s are "
                             + ", ".join(map(repr, names)))


def _per_output(given: Any, names: Sequence[str], where: str, title: str) -> list[Any]:
    """Return an entry per output, from one for all, a list or a dict."""
    if isinstance(given, Mapping):
        _check_keys(given, names, where, title, "output")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(f"{where}: {title} has {len(given)} entries, but the model has {len(names)} outputs")
        return list(given)
    return [given] * len(names)


def _metrics_per_output(given: Any, names: Sequence[str]) -> list[list[Any]]:
    """Return a list of metrics per output."""
    if isinstance(given, Mapping):
        found = _per_output(given, names, "compile", "metrics")
    elif len(names) == 1 and not (given and len(given) == 1 and isinstance(given[0], (list, tuple))):
        found = [given]
    else:
        found = _per_output(given, names, "compile", "metrics")
    return [[] if part is None else list(part) if isinstance(part, (list, tuple)) else [part] for part in found]


def _per_input(x: Any, names: Sequence[str], where: str, title: str) -> tuple[list[Any], list[str]]:
    """Return the data of each input, and what messages call them."""
    if isinstance(x, Mapping) and not is_sparse(x):  # SciPy's DOK format is a dict
        for name in names:
            if name not in x:
                raise ValueError(f"{where}: {title} has no entry for input {name!r}; it has "
                                 + ", ".join(map(repr, x)))
        _check_keys(x, names, where, title, "input")
        return [x[name] for name in names], [f"{title}[{name!r}]" for name in names]
    if len(names) == 1:
        one = isinstance(x, (list, tuple)) and len(x) == 1 and (
            is_sparse(x[0]) or (isinstance(x[0], np.ndarray) and x[0].ndim > 1))
        return [x[0] if one else x], [title]
    if not isinstance(x, (list, tuple)) or len(x) != len(names):
        got = f"{len(x)} entries" if isinstance(x, (list, tuple)) else type(x).__name__
        raise ValueError(f"{where}: {title} must be a list of {len(names)} arrays or a dict with the inputs' names "
                         f"({', '.join(names)}), got {got}")
    return list(x), [f"{title}[{number}]" for number in range(len(names))]


def _per_target(y: Any, names: Sequence[str], trained: Sequence[int], where: str,
                title: str) -> tuple[list[Any], list[str]]:
    """Return the targets of each trained output, and what messages call them."""
    if isinstance(y, Mapping):
        missing = next((names[number] for number in trained if names[number] not in y), None)
        if missing is not None:
            raise ValueError(f"{where}: {title} has no entry for output {missing!r}; it has " + ", ".join(map(repr, y)))
        _check_keys(y, names, where, title, "output")
        return [y[names[number]] for number in trained], [f"{title}[{names[number]!r}]" for number in trained]
    if len(names) == 1:
        return [y], [title]
    if not isinstance(y, (list, tuple)) or len(y) not in (len(names), len(trained)):
        got = f"{len(y)} entries" if isinstance(y, (list, tuple)) else type(y).__name__
        raise ValueError(f"{where}: {title} must be a list of {len(names)} arrays or a dict with the outputs' names "
                         f"({', '.join(names)}), got {got}")
    places = trained if len(y) == len(names) else range(len(trained))
    return [y[place] for place in places], [f"{title}[{place}]" for place in places]


def _per_weight(given: Any, names: Sequence[str], trained: Sequence[int], where: str) -> list[Any]:
    """Return the rows' weights for each trained output: one array for all, or one per output."""
    if isinstance(given, Mapping) or (len(names) > 1 and isinstance(given, (list, tuple)) and any(
            part is None or np.ndim(part) > 0 for part in given)):
        found = _per_output(given, names, where, "sample_weight")
        return [found[number] for number in trained]
    return [given] * len(trained)
