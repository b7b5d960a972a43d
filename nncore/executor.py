"""The compiled executor: lowers a program to a table of ops that the core runs without the GIL.

`nncore.reference.executor.Executor` has the same interface and runs the same program in plain NumPy.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from nncore import _activation_ops, _embedding, _merging, _noise, _normalization
from nncore._core import core
from nncore._sparse import Rows, SparseRows
from nncore.custom import Caller
from nncore.kernels._front import ACTIVATION, DEFAULT_ALPHA, KERNEL
from nncore.kernels.losses import LOWERED
from nncore.optimizers import ops
from nncore.program import FUSED, Op, Program
from nncore.variables import ALIGNMENT, aligned_empty, from_panels

__all__ = ["Executor", "RunError"]

OP = np.dtype(core.OP_FIELDS)
PAUSE = 0.05  # seconds after which a run comes back to see Ctrl-C and to show its progress
TRIAL = 0.004  # seconds in which a number of threads shows how fast it is
TRY_AGAIN = 2.0  # seconds of work after which the other number of threads is tried; sooner at the start


class RunError(FloatingPointError):
    """A total that must stay finite did not: `rows` is how many rows were seen, that batch included."""

    def __init__(self, total: str, value: float, rows: int) -> None:
        super().__init__(f"{total} is {value}")
        self.total, self.value, self.rows = total, value, rows


class Executor:
    """A program with its buffers.

    Parameters
    ----------
    program : Program
        What to run. Its parameters' variables must be in their arena (they are read and written where they
        lie).
    batch_size : int
        The most rows in a batch.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> program = nn.program.Program(np.dtype("float32"))
    >>> x, y = program.rows(2, role="input"), program.rows(2)
    >>> program.emit("relu_forward", (x,), (y,))
    >>> program.results.append(y)
    >>> run = nn.executor.Executor(program, batch_size=4)
    >>> out = np.empty((3, 2), np.float32)
    >>> run.run({x: np.array([[1, -1], [2, -2], [3, -3]], np.float32)}, 3, results={y: out})
    {}
    >>> out[2]
    array([3., 0.], dtype=float32)
    """

    def __init__(self, program: Program, batch_size: int) -> None:
        self.program, self.batch_size = program, batch_size
        self.arrays = _allocate(program, batch_size)
        self.fusions = _fusions(program)
        self.schedule = _schedule(program)
        self.lines: dict[int, tuple[Any, ...]] = {}  # number of an op -> what `lowered` says of it
        self.places: dict[str, int] = {}  # total -> where it begins in the sums
        size = 0
        for name in program.totals:
            self.places[name], size = size, size + max(1, program.columns(name))
        self.sums = np.zeros(size)
        self.done = np.zeros(1, np.int64)  # rows that the last run finished, also where it ended with an error
        self.scratch = aligned_empty(0)
        self.pace: dict[int, float] = {}  # threads -> seconds a row took when they were last tried
        self.recent: dict[int, deque[float]] = {}  # the last readings of the pace
        self.trials: dict[int, tuple[float, int]] = {}  # threads -> seconds and rows, while they are tried
        self.busy, self.next_trial = 0.0, 0.0  # seconds in runs, not on the clock
        self.patience, self.thrift = TRY_AGAIN / 64, 4
        self.threads = 1  # of the last piece
        self.bound: Bound | None = None  # the last one in place, which other data can have

    def run(
        self,
        feeds: Mapping[int, Rows],
        samples: int,
        order: NDArray[np.int64] | None = None,
        batch_size: int | None = None,
        results: Mapping[int, NDArray[Any]] | None = None,
        watch: str | None = None,
        attributes: Mapping[str, float] | None = None,
        on_pause: Callable[[int], object] | None = None,
        n_threads: int = 0,
        step: int = 0,
        rates: NDArray[np.float64] | None = None,
    ) -> dict[str, Any]:
        """Run the program over all batches: `bind` and one call of what it returns."""
        return self.bind(feeds, results)(samples, order, batch_size, watch, attributes, on_pause, n_threads,
                                         step=step, rates=rates)

    def value(self, number: int) -> NDArray[Any]:
        """Return a copy of what a buffer holds, in its own shape."""
        buffer = self.program.buffers[number]
        if not buffer.panels:
            return self.arrays[number].copy()
        return from_panels(self.arrays[number], buffer.shape)

    def get_totals(self) -> dict[str, Any]:
        """Return the totals of the runs so far: numbers, and arrays of those with columns."""
        found = {}
        for name, place in self.places.items():
            columns = self.program.columns(name)
            found[name] = self.sums[place : place + columns].copy() if columns else float(self.sums[place])
        return found

    def set_totals(self, totals: Mapping[str, Any]) -> None:
        """Set what a run that goes on with earlier ones begins from."""
        for name, place in self.places.items():
            self.sums[place : place + max(1, self.program.columns(name))] = totals[name]

    def scratch_of(self, n_bytes: int) -> NDArray[np.uint8]:
        """Return scratch for all threads: made once, so that a run allocates nothing."""
        if self.scratch.size < n_bytes:
            self.scratch = aligned_empty(n_bytes)
        return self.scratch

    def bind(self, feeds: Mapping[int, Rows], results: Mapping[int, NDArray[Any]] | None = None,
             in_place: bool = False) -> Bound:
        """Return the program with its data, to be run as often as wanted.

        Parameters
        ----------
        feeds : mapping of int to ndarray
            For every buffer of role input, target or weight the array (samples, ...) that batches are
            gathered from: of the buffer's dtype, or of another one that `gatherable` allows; or rows of a sparse
            matrix.
        results : mapping of int to ndarray, optional
            Arrays (samples, ...) that the rows of those buffers are stored to.
        in_place : bool
            Whether ops may read and write those arrays where they lie; then rows are taken in their order.
        """
        if in_place and self.bound is not None and self.bound.move(feeds, results or {}):
            return self.bound
        bound = Bound(self, feeds, results or {}, in_place)
        if bound.in_place:
            self.bound = bound
        return bound


class Bound:
    """A program with its data: made by `Executor.bind`, called for each pass over them."""

    def __init__(
        self,
        executor: Executor,
        feeds: Mapping[int, Rows],
        results: Mapping[int, NDArray[Any]],
        in_place: bool = False,
    ) -> None:
        user = any(op.kernel == "python" for op in executor.program.ops)  # their views are of the buffers
        self.in_place = in_place and not user and not set(feeds).intersection(results)
        self._executor = weakref.ref(executor)  # which keeps the last one that was bound in place
        self.data = (feeds, results)  # the table holds their addresses
        self.attributes: Mapping[str, float] = {}
        self.tunable: list[tuple[int, Op]] = []  # ops with scalars, and their places in the table
        self.callers: list[Caller] = []  # the table holds their addresses too
        self.rows, self.room = _rows(feeds, results)
        self.lists = {number: Lists(rows, len(executor.arrays[number])) for number, rows in feeds.items()
                      if isinstance(rows, SparseRows) and rows.few}
        self.moves: list[tuple[int, int, int]] = []  # in place: line, pointer and buffer
        self.movable = self.in_place and all(_same(array, executor.arrays[number]) for number, array in feeds.items())
        self.table = self._lower(feeds, results)
        self.scratch_bytes = core.program_scratch(self.table)
        self.order: NDArray[np.int64] | None = None  # the last one that was checked
        self.fed, self.fed_until = 1, 0.0  # how many threads the work feeds, and until when that is believed

    @property
    def executor(self) -> Executor:
        """The program's executor, which somebody else must hold."""
        executor = self._executor()
        assert executor is not None
        return executor

    def move(self, feeds: Mapping[int, Rows], results: Mapping[int, NDArray[Any]]) -> bool:
        """Take other data for the same buffers, in place; False where that is not so simple."""
        data = {**feeds, **results}
        if not self.movable or [*self.data[0], *self.data[1]] != list(data):
            return False
        arrays = self.executor.arrays
        if not all(_same(array, arrays[number]) for number, array in data.items()):
            return False
        if not all(array.flags.writeable for array in results.values()):
            return False
        for line, pointer, number in self.moves:
            self.table["p"][line, pointer] = core.address(data[number])  # type: ignore[arg-type]  # as `_same` says
        self.data, (self.rows, self.room) = (feeds, results), _rows(feeds, results)
        return True

    def release(self) -> None:
        """Let go of the data, which the next call must bring."""
        empty = self.executor.arrays
        self.data = tuple({number: empty[number] for number in side} for side in self.data)  # type: ignore[assignment]
        self.rows = self.room = 0

    def __call__(self, samples: int, order: NDArray[np.int64] | None = None, batch_size: int | None = None,
                 watch: str | None = None, attributes: Mapping[str, float] | None = None,
                 on_pause: Callable[[int], object] | None = None, n_threads: int = 0, first: int = 0,
                 last: int | None = None, step: int = 0, rates: NDArray[np.float64] | None = None,
                 go_on: bool | None = None) -> dict[str, Any]:
        """Run the program over all batches, or over some of them.

        Parameters
        ----------
        samples : int
            Rows to go through: those of the feeds, or of the order.
        order : ndarray of int64, shape (samples,), optional
            The order in which rows are taken: all of the feeds, some of them, or some several times.
        batch_size : int, optional
            Rows in a batch; by default what buffers were made for.
        watch : str, optional
            The total that must stay finite.
        attributes : mapping, optional
            Scalars of ops, by their names, that differ from what was emitted, such as the learning rate.
        on_pause : callable, optional
            Called with the number of rows done every 50 ms or so, and at the end. The run ends where it returns
            True.
        n_threads : int
            0: as many as the work feeds.
        first, last : int
            The rows to begin at (the start of a batch) and to end before; by default all. A run that does not
            begin at 0 goes on with the order of the one before.
        step : int
            The number of the batch that begins at row 0: how many were trained on before it.
        rates : ndarray of float64, optional
            The learning rate of each batch, counted from row 0; by default that of the ops.
        go_on : bool, optional
            Whether the totals go on from those of the run before; by default where it does not begin at 0.

        Returns
        -------
        dict
            The sum over the rows of each of the program's totals: a float, or an array of one per column.

        Raises
        ------
        RunError
            When the watched total is no longer finite, after the batch in which that was seen.
        Exception
            What a user's op raised, after that op. ``executor.done[0]`` is the number of rows whose batch was
            finished, here and after Ctrl-C.
        """
        executor = self.executor
        done = executor.done
        sums = executor.sums
        if not (first if go_on is None else go_on):
            sums[...] = 0
        done[0] = first
        last = samples if last is None else min(last, samples)
        if attributes and attributes != self.attributes:
            self._set_attributes(attributes)
        watched = None if watch is None else sums[executor.places[watch] :][:1]
        batch_size = batch_size or executor.batch_size
        most = self.room if order is not None else min(self.rows, self.room)
        if not 0 <= samples <= most or not 0 < batch_size <= executor.batch_size:
            raise ValueError(f"run: at most {most} samples in batches of at most {executor.batch_size}, "
                             f"got {samples} in batches of {batch_size}")
        if rates is not None and (rates.dtype != np.float64 or len(rates) * batch_size < last or not _plain(rates)):
            raise ValueError(f"run: rates must be a C-contiguous float64 array with one element per batch, "
                             f"got {rates.dtype} of shape {rates.shape}")
        if order is not None and self.in_place:
            raise ValueError("run: a program that was bound in place takes rows as they lie, not in an order")
        if order is not None and (first == 0 or order is not self.order):
            _check_order(order, samples, self.rows)
            self.order = order
        while done[0] < last:
            self._piece(order, last, batch_size, watched, step, rates, n_threads)
            if watched is not None and not np.isfinite(watched[0]):
                raise RunError(str(watch), float(watched[0]), int(done[0]))
            if on_pause is not None and on_pause(int(done[0])):
                break
        return executor.get_totals()

    def _piece(self, order: NDArray[np.int64] | None, last: int, batch_size: int,
               watched: NDArray[np.float64] | None, step: int, rates: NDArray[np.float64] | None,
               n_threads: int) -> None:
        """Run from row ``executor.done[0]`` on for a moment, on as many threads as were fastest.

        More threads than idle processors wait for each other at every barrier, and how many are idle nobody
        can tell: on a busy machine two threads were 20 times slower than one. So both are timed, and again
        now and then.
        """
        executor = self.executor
        done = executor.done
        begin = int(done[0])
        start = perf_counter()
        if start >= self.fed_until:  # the mask of processors and the caps may change; to ask costs microseconds
            self.fed, self.fed_until = core.program_threads(self.table, min(batch_size, last - begin)), start + PAUSE
        most = n_threads or self.fed
        scratch = executor.scratch_of(most * self.scratch_bytes)
        if n_threads or most == 1:
            core.run_program(self.table, order, last, batch_size, done, watched, step, rates, PAUSE, most,
                             scratch, self.scratch_bytes)
            return
        pace, trials = executor.pace, executor.trials
        trial = next((n for n in (1, most) if n not in pace), 0)
        if not trial and executor.busy >= executor.next_trial:
            trial = 1 if pace[most] < pace[1] else most
        threads = trial or min((most, 1), key=lambda n: pace[n])
        core.run_program(self.table, order, last, batch_size, done, watched, step, rates, TRIAL if trial else PAUSE,
                         threads, scratch, self.scratch_bytes)
        spent, rows = perf_counter() - start, int(done[0]) - begin
        executor.busy += spent
        if threads > 1 and executor.threads != threads:
            spent, rows = 0.0, 0  # threads that had to be started or woken say nothing
        executor.threads = threads
        # Of epochs that are over in microseconds some are needed before it is known how fast they are.
        before = trials.get(threads, (0.0, 0))
        trials[threads] = spent, rows = spent + before[0], rows + before[1]
        if spent >= TRIAL:
            # One slow reading, of a moment when somebody else had a processor, decides nothing.
            recent = executor.recent.setdefault(threads, deque(maxlen=3))
            recent.append(spent / rows)
            faster = min(pace, key=lambda n: pace[n]) if pace else 1
            pace[threads] = min(recent)
            del trials[threads]
            if min(pace, key=lambda n: pace[n]) != faster:
                executor.patience, executor.thrift = TRY_AGAIN / 64, 4
            if trial:
                executor.patience = min(2 * executor.patience, TRY_AGAIN)
                # Where a batch takes long a trial does, too: in the long run it may cost a fortieth of the time.
                executor.thrift = min(2 * executor.thrift, 40)
                executor.next_trial = executor.busy + max(executor.patience,
                                                                    executor.thrift * spent)

    def _set_attributes(self, attributes: Mapping[str, float]) -> None:
        for line, op in self.tunable:
            changed = {name: attributes.get(name, value) for name, value in op.attributes.items()}
            scalars = lowered(self.executor.program, op._replace(attributes=changed))[3]
            self.all_ops[line]["s"][: len(scalars)] = scalars
        self.attributes = dict(attributes)

    def _lower(self, feeds: Mapping[int, Rows], results: Mapping[int, NDArray[Any]]) -> NDArray[Any]:
        """Return the table of ops: gathers, the program, sums of the totals, stores of the results.

        Behind the ops that are run stand the updates that a gradient's op makes itself, which points at them.
        """
        executor = self.executor
        program, buffers, sums = executor.program, executor.arrays, executor.sums
        is_double = program.dtype == np.float64
        fusions = executor.fusions
        lines: list[tuple[str, bool, list[NDArray[Any] | None], tuple[int, ...], tuple[float, ...], int, int]] = []
        places: dict[int, int] = {}  # number of an op -> its line
        moves: dict[tuple[int, int], NDArray[Any]] = {}  # (line, pointer) -> the array that it walks along
        moving = dict(results) if self.in_place else {}
        for number, source in feeds.items():
            to = buffers[number]
            if _same(source, to):
                if self.in_place:
                    moving[number] = source
                    continue
                lines.append(("gather", False, [source, to], (to.nbytes // len(to),), (), 1, 1))
                continue
            if source.shape[1:] != to.shape[1:] or not gatherable(source, to.dtype):
                raise ValueError(_wanted("feeds", number, source, to))
            if isinstance(source, SparseRows):
                stored = [source.starts, source.columns, source.values]
                width, wide = to.shape[1], int(source.columns.dtype == np.int64)
                lists = self.lists.get(number)
                if lists is not None:
                    of_lists = (width, wide, lists.most)
                    lines.append(("gather_lists", is_double, [*stored, *lists.arrays], of_lists, (), 1, 1))
                if lists is None or not _only_products(program, number):
                    lines.append(("gather_sparse", to.dtype == np.float64, [*stored, to], (width, wide), (), 1, 1))
                continue
            code = 1 if source.dtype == to.dtype else NUMBERS[source.dtype.str[1:]]
            numbers = (int(np.prod(to.shape[1:])), source.strides[0], code, int(to.dtype == np.int64))
            lines.append(("gather", to.dtype == np.float64, [source, to], numbers, (), 1, 1))
        python: list[int] = []

        def add(number: int) -> None:
            op = program.ops[number]
            if op.kernel == "python":
                self.callers.append(caller(program, op, buffers))
                python.append(len(lines))
                lines.append(("python", False, [], (), (), 1, op.every))
                return
            if op.kernel in ops.TUNABLE:
                self.tunable.append((len(lines), op))
            places[number] = len(lines)
            if number not in executor.lines:
                run = fusions.replaced.get(number, op)
                executor.lines[number] = (*lowered(program, run), rows_per(program, run))
            kernel, operands, sizes, scalars, per = executor.lines[number]
            lists = self.lists.get(operands[0]) if kernel in _PRODUCTS and operands[0] is not None else None
            if lists is None:
                lines.append((kernel, is_double, placed(operands), sizes, scalars, per, op.every))
                return
            apart = (None, None) if kernel == "dense_backward_params" else ()  # places of the updates
            arrays = placed((None, None, None, operands[1], *apart, *operands[2:]))
            arrays[:3] = lists.arrays
            lines.append((f"sparse_{kernel}", is_double, arrays, (*sizes, *lists.sizes), scalars, per, op.every))

        def placed(operands: tuple[int | None, ...]) -> list[NDArray[Any] | None]:
            """Return the arrays of the next line's operands; note those that it walks along."""
            for slot, buffer in enumerate(operands):
                if buffer in moving:
                    moves[len(lines), slot] = moving[buffer]
                    self.moves.append((len(lines), slot, buffer))
            return [None if buffer is None else moving.get(buffer, buffers[buffer]) for buffer in operands]

        for number in executor.schedule:
            if number not in fusions.skipped:
                add(number)
        for name, parts in program.totals.items():
            for number, scale in parts:
                double, per_row = buffers[number].dtype == np.float64, program.buffers[number].per_row
                values = placed((number,)) if per_row else [buffers[number].reshape(-1)[-1:]]
                operands = [*values, sums[executor.places[name] :]]
                lines.append(("accumulate", double, operands, (not per_row, program.columns(name)), (scale,), 1, 1))
        for number, to in results.items():
            source = buffers[number]
            if not _same(to, source):
                raise ValueError(_wanted("results", number, to, source))
            if not to.flags.writeable:
                raise ValueError(f"run: results[{number}] is read-only")
            if number in moving:
                continue
            lines.append(("store", False, [source, to], (source.nbytes // len(source),), (), 1, 1))
        n_run = len(lines)
        for updates in fusions.updates.values():
            for update in updates:
                if update is not None:
                    add(update)
        for penalty in fusions.penalties.values():
            add(penalty)
        table = np.zeros(len(lines), OP)
        for row, (kernel, double, arrays, sizes, scalars, per, every) in zip(table, lines, strict=True):
            row["kernel"], row["is_double"] = KERNEL[kernel], double
            row["p"][: len(arrays)] = [0 if array is None else core.address(array) for array in arrays]
            row["n"][: len(sizes)], row["s"][: len(scalars)] = sizes, scalars
            row["per"], row["every"] = per, every
        table["meet"][:n_run] = _meetings([(lines[line][0], lines[line][5]) for line in range(n_run)])
        for (line, slot), array in moves.items():
            table[line]["moves"] = 1
            table[line]["row_bytes"][slot] = array.itemsize * int(np.prod(array.shape[1:]))
        for line, function in zip(python, self.callers, strict=True):
            table[line]["p"][0] = id(function)
        for number, updates in fusions.updates.items():
            table[places[number]]["p"][4:6] = [
                0 if update is None else core.address(table) + places[update] * table.itemsize for update in updates
            ]
        for update, penalty in fusions.penalties.items():
            table[places[update]]["p"][9] = core.address(table) + places[penalty] * table.itemsize
        self.all_ops = table
        return table[:n_run]


class Lists:
    """The numbers that are stored in the rows of a batch: where the core puts them.

    Parameters
    ----------
    rows : SparseRows
        All rows.
    batch_size : int
        The most rows of a batch.

    Attributes
    ----------
    arrays : list of ndarray
        How many a row has, their columns and their values.
    most : int
        How many a row may have.
    sizes : tuple of int
        These, how many a row has on average, and how many a batch may have.
    """

    def __init__(self, rows: SparseRows, batch_size: int) -> None:
        counts = np.diff(rows.starts)
        self.most = int(counts.max(initial=1))
        self.arrays = [np.zeros(batch_size, np.int32), np.zeros((batch_size, self.most), np.int32),
                       np.zeros((batch_size, self.most), rows.dtype)]
        self.sizes = (self.most, int(counts.mean()) + 1 if len(counts) else 1, batch_size * self.most)


_PRODUCTS = ("dense_forward", "dense_backward_params")


def _only_products(program: Program, number: int) -> bool:
    """Return whether an input goes into products with weights only, and nobody wants to see it."""
    return number not in program.wanted and all(
        op.kernel in _PRODUCTS and op.inputs[0] == number and number not in op.inputs[1:]
        for op in program.ops if number in op.inputs)


def short_call(executor: Executor, x: int, output: int) -> tuple[Any, ...] | None:
    """Return what `core.forward` takes: a program of one input and one result for a few rows, or None.

    Parameters
    ----------
    executor : Executor
        The program, with buffers for as many rows as a call may have.
    x, output : int
        The buffers of the input and of the result.
    """
    given, wanted = (np.empty_like(executor.arrays[number]) for number in (x, output))
    bound = executor.bind({x: given}, {output: wanted}, in_place=True)
    if not bound.in_place:
        return None
    table, scratch = bound.table.copy(), aligned_empty(bound.scratch_bytes)
    places = []
    for array in (given, wanted):
        found = np.argwhere((table["row_bytes"] != 0) & (table["p"] == core.address(array)))
        places.append(np.ascontiguousarray(found, np.int64))  # argwhere turns what it found round; the core does not
    table["moves"] = 0
    widths = (given.shape[1], wanted.shape[1])
    return (table, *places, scratch, given.dtype.num, *widths, len(given), executor)


def _schedule(program: Program) -> list[int]:
    """Return the numbers of the ops in the order in which the core runs them.

    The betas' powers of a step come first: an update may be part of the backward pass. The gradients of weights
    stand together behind all ops whose rows stand alone, where nothing else comes between, so that threads meet
    before them and not after each.
    """
    # By the core's names: a program calls an activation's derivative otherwise.
    kernels = [op.kernel if op.kernel == "python" else lowered(program, op)[0] for op in program.ops]
    numbers = sorted(range(len(kernels)), key=lambda number: kernels[number] not in ops.STEPS)
    if "python" in kernels:
        return numbers
    order: list[int] = []
    late: list[int] = []
    touched: set[int | None] = set()  # by the ops that wait
    for number in numbers:
        op = program.ops[number]
        if kernels[number] == "dense_backward_params":
            late.append(number)
            touched.update(op.outputs)
            continue
        if late and kernels[number] not in _BY_ROW and touched.intersection((*op.inputs, *op.outputs)):
            order, late, touched = [*order, *late], [], set()
        order.append(number)
    return [*order, *late]


def _meetings(lines: list[tuple[str, int]]) -> list[int]:
    """Return for each line after which threads must meet: bit 0 where they share out rows, bit 1 where columns.

    They need not between two ops whose rows stand alone, where each has its own rows, nor between two that write
    what the other does not touch. At the end of a batch they meet anyway. A line is a kernel and how many rows it
    sees of each of the batch: where these differ, so do the shares.
    """
    apart = (("gather", "gather_sparse", "gather_lists"), ("dense_backward_params", "accumulate"), ("store",),
             ops.ELEMENTWISE, ("square_sums",), ("penalty_sums", "batch_weight"))
    meetings = []
    for (kernel, per), (after, per_after) in zip(lines, [*lines[1:], ("", 0)], strict=True):
        if not after or any(kernel in group and after in group for group in apart):
            meetings.append(0)
        else:
            meetings.append(2 if kernel in _BY_ROW and after in _BY_ROW and per == per_after else 3)
    return meetings


class Fusions(NamedTuple):
    """What the core runs otherwise than the program says, with the same bits.

    Parameters
    ----------
    replaced : dict
        Number of an op -> the op that is run instead of it and of the one after it.
    updates : dict
        Number of a gradient's op -> the updates of kernel and bias that it makes itself.
    penalties : dict
        Number of such an update -> the op of the penalty's gradient that it makes before.
    skipped : set of int
        Ops that others do.
    unwritten : set of int
        Buffers that therefore hold nothing.
    """

    replaced: dict[int, Op]
    updates: dict[int, tuple[int | None, int | None]]
    penalties: dict[int, int]
    skipped: set[int]
    unwritten: set[int]


def _fusions(program: Program) -> Fusions:
    """Find what can be done while its operands are in the cache."""
    found = Fusions({}, {}, {}, set(), set())
    kept = program.wanted

    def only_reader(number: int | None) -> int | None:
        """Return the op that reads a buffer, where there is one and nobody else wants it."""
        readers = [at for at, op in enumerate(program.ops) if number in op.inputs]
        return readers[0] if len(readers) == 1 and number is not None and number not in kept else None

    # An exception in a user's op leaves the weights as of the last batch: updates come after all of them.
    user = any(op.kernel == "python" for op in program.ops)
    for at, op in enumerate(program.ops):
        name, _, direction = op.kernel.rpartition("_")
        if direction == "backward" and name in FUSED and len(op.inputs) == 2 and at not in found.skipped:
            after = only_reader(op.outputs[0])
            if after is not None and program.ops[after].kernel == "batch_normalization_backward" and (
                    program.ops[after].inputs[0] == op.outputs[0]):
                dy, saved = op.inputs
                found.replaced[at] = program.ops[after]._replace(
                    inputs=(dy, *program.ops[after].inputs[1:], saved), attributes=_fused(name, op)
                )
                found.skipped.add(after)
                found.unwritten.add(op.outputs[0])  # type: ignore[arg-type]
        if op.kernel == "dense_backward_input":
            after = only_reader(op.outputs[0])
            if after is None or program.ops[after].inputs[0] != op.outputs[0]:
                continue
            name, _, direction = program.ops[after].kernel.rpartition("_")
            if direction == "backward" and name in FUSED and len(program.ops[after].inputs) == 2:
                inputs = (*op.inputs, program.ops[after].inputs[1])
                found.replaced[at] = op._replace(
                    inputs=inputs, outputs=program.ops[after].outputs, attributes=_fused(name, program.ops[after])
                )
                found.skipped.add(after)
                found.unwritten.add(op.outputs[0])  # type: ignore[arg-type]
        if op.kernel == "dense_backward_params" and not user and program.buffers[op.outputs[0]].panels:  # type: ignore[index]
            updates = [None if number is None else _update_of(program, at, number) for number in op.outputs]
            if all((number is None) == (update is None) for number, update in zip(op.outputs, updates, strict=True)):
                made = [None if update is None else update[0] for update in updates]
                found.updates[at] = (made[0], made[1])
                for update in updates:
                    if update is not None:
                        found.skipped.update(number for number in update if number is not None)
                        if update[1] is not None:
                            found.penalties[update[0]] = update[1]
                found.unwritten.add(op.outputs[0])  # type: ignore[arg-type]
    return found


def _fused(name: str, op: Op) -> dict[str, Any]:
    """Return the attributes of an op that also does an activation, from those of the activation's op."""
    return {"activation": name, **dict(zip(("alpha",), op.attributes.values(), strict=False))}


def _update_of(program: Program, at: int, gradient: int) -> tuple[int, int | None] | None:
    """Return the update that the op of a gradient can make itself, and the op of a penalty's gradient before it.

    Nobody else may read the gradient, nor the parameter between the two.
    """
    readers = [number for number, op in enumerate(program.ops) if gradient in op.inputs]
    penalty = readers.pop(0) if len(readers) == 2 and program.ops[readers[0]].kernel == "penalty_gradient" else None
    if len(readers) != 1 or gradient in program.wanted:
        return None
    update = program.ops[readers[0]]
    parameter = update.inputs[0]
    if update.kernel not in ops.FUSED or update.every != 1 or update.inputs[1] != gradient:
        return None
    if any(parameter in program.ops[number].inputs for number in range(at + 1, readers[0]) if number != penalty):
        return None
    return readers[0], penalty


def caller(program: Program, op: Op, arrays: Sequence[NDArray[Any]]) -> Caller:
    """Return a user's op bound to the arrays of a program's buffers."""
    inputs, outputs = ([None if number is None else (arrays[number], program.buffers[number].per_row)
                        for number in side] for side in (op.inputs, op.outputs))
    return Caller(op.attributes["function"], inputs, outputs)


NUMBERS = {"b1": 3} | {name: code for code, name in enumerate(  # dtypes as nncore/_core/gather.pxi numbers them
    ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"), 2)}


def gatherable(array: Rows, dtype: np.dtype[Any]) -> bool:
    """Return whether the core can make rows of a dtype of an array's rows while it gathers them.

    These are integers, bools, float32 and float64 in the machine's byte order, if the elements of a row lie one after
    the other; rows may lie anywhere.

    Examples
    --------
    >>> x = np.zeros((4, 6), np.uint8)
    >>> f32 = np.dtype("float32")
    >>> gatherable(x[::2, 1:], f32), gatherable(x[:, ::2], f32), gatherable(x.astype("float16"), f32)
    (True, False, False)
    """
    if isinstance(array, SparseRows):
        return array.dtype == dtype
    if array.ndim == 0 or not array.dtype.isnative or array.dtype.str[1:] not in NUMBERS or not array.flags.aligned:
        return False
    return (array.dtype.kind != "f" or dtype.kind == "f") and array[:1].flags.c_contiguous


def _same(given: Rows, buffer: NDArray[Any]) -> TypeGuard[NDArray[Any]]:
    """Whether an array is as the core, which sees addresses only, takes it where it lies."""
    if isinstance(given, SparseRows):
        return False
    return given.dtype == buffer.dtype and given.shape[1:] == buffer.shape[1:] and _plain(given)


def _wanted(name: str, number: int, given: Rows, buffer: NDArray[Any]) -> str:
    shape = ", ".join(["samples", *map(str, buffer.shape[1:])])
    return (f"run: {name}[{number}] must be a C-contiguous {buffer.dtype} array of shape ({shape}), "
            f"got {given.dtype} of shape {given.shape}")


def _plain(array: NDArray[Any]) -> bool:
    return array.flags.c_contiguous and array.flags.aligned


def _rows(feeds: Mapping[int, Rows], results: Mapping[int, NDArray[Any]]) -> tuple[int, int]:
    """Return how many rows there are to read, and for how many there is room."""
    room = min((len(array) for array in results.values()), default=2**62)
    return min((len(array) for array in feeds.values()), default=room if results else 0), room


def _check_order(order: NDArray[np.int64], samples: int, rows: int) -> None:
    """Refuse an order that points outside the rows."""
    if order.dtype != np.int64 or order.shape != (samples,) or not _plain(order):
        raise ValueError(f"run: order must be a C-contiguous int64 array of shape ({samples},), "
                         f"got {order.dtype} of shape {order.shape}")
    if not core.all_below(order, rows):
        raise ValueError(f"run: order must hold row numbers in 0 ... {rows - 1}, got {order.min()} ... {order.max()}")


def _allocate(program: Program, batch_size: int) -> list[NDArray[Any]]:
    """Return an array per buffer: variables where they lie, all else in one arena."""
    shapes = [(batch_size, *buffer.shape) if buffer.per_row else (buffer.row_size,) if buffer.panels else buffer.shape
              for buffer in program.buffers]
    sizes = [0 if buffer.variable is not None or buffer.value is not None else
             -(-int(np.prod(shape, dtype=object)) * buffer.dtype.itemsize // ALIGNMENT) * ALIGNMENT
             for buffer, shape in zip(program.buffers, shapes, strict=True)]
    arena = aligned_empty(sum(sizes))
    arena[...] = 0
    arrays, start = [], 0
    for buffer, shape, size in zip(program.buffers, shapes, sizes, strict=True):
        if buffer.variable is not None:
            arrays.append(buffer.variable._value)
            continue
        if buffer.value is not None:
            arrays.append(buffer.value)
            continue
        n_bytes = int(np.prod(shape, dtype=object)) * buffer.dtype.itemsize
        arrays.append(arena[start : start + n_bytes].view(buffer.dtype).reshape(shape))
        start += size
    return arrays


# Kernels of the core whose rows stand alone, and the step of the betas' powers, which none of them reads.
_BY_ROW = frozenset(core.KERNELS) - (ops.KERNELS - {*ops.STEPS}) - {
    *(kernel for kernel in core.KERNELS if kernel.endswith("_params")),  # gradients of weights take all rows
    "accumulate", "sum", "python", "sum_arrays", "loss_weights", "batch_weight", *_normalization.BY_COLUMN,
    "prelu_backward", *_embedding.BY_TABLE,
}
# Kernels that take an array of any rank as rows of its last axis.
LAST_AXIS = frozenset(("dense_forward", "dense_backward_input", "dense_backward_params", "softmax", "softmax_backward",
                        "log_softmax", "log_softmax_backward", *_normalization.LAST_AXIS))
_ROWWISE = ("softmax", "softmax_backward", "log_softmax", "log_softmax_backward")
_COUNTS = ("confusion_counts", "class_counts", "regression_moments")  # metrics with several columns per row
_METRICS = {
    "accuracy": "accuracy",
    "sparse_top_k_categorical_accuracy": "categorical_accuracy",
    "top_k_categorical_accuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy",
    "categorical_accuracy": "categorical_accuracy",
    "binary_accuracy": "binary_accuracy",
    "absolute_error": "absolute_error",
    "squared_error": "mean_squared_error",
}
_REDUCTIONS = ("mean", "sum", "mean_with_sample_weight", "none")


def rows_per(program: Program, op: Op) -> int:
    """Return how many rows an op that works along the last axis sees of each row of the batch."""
    if op.kernel in _activation_ops.LOWERED:
        return _activation_ops.rows_per(program, op)
    if op.kernel not in LAST_AXIS:
        return 1
    number = op.inputs[0]
    assert number is not None
    return int(np.prod(program.buffers[number].shape[:-1], dtype=np.int64))


def lowered(
    program: Program, op: Op
) -> tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]:
    """Return the core's kernel, operands in its order, sizes and scalars (nncore/_core/program.pxi)."""
    def width(number: int | None) -> int:
        assert number is not None
        return program.width(number)

    def panels(number: int | None) -> bool:
        return number is not None and program.buffers[number].panels

    def is_ids(number: int | None) -> bool:
        return number is not None and program.buffers[number].dtype == np.int64

    operands = (*op.inputs, *op.outputs)
    sizes: tuple[int, ...]
    if op.kernel in _embedding.LOWERED:
        return _embedding.LOWERED[op.kernel](program, op)
    if op.kernel in _noise.LOWERED:
        return _noise.LOWERED[op.kernel](program, op)
    values = tuple(float(value) for value in op.attributes.values() if not isinstance(value, str))
    if op.kernel == "dense_forward":
        name = op.attributes.get("activation", "linear")
        alpha = op.attributes.get("alpha", DEFAULT_ALPHA.get(name, 0.0))
        sizes = (width(op.inputs[0]), width(op.outputs[0]), ACTIVATION[name], panels(op.inputs[1]))
        return op.kernel, operands, sizes, (alpha,)
    if op.kernel == "dense_backward_input":
        name = op.attributes.get("activation", "linear")
        alpha = op.attributes.get("alpha", DEFAULT_ALPHA.get(name, 0.0))
        dy, w, *saved = op.inputs
        sizes = (width(op.outputs[0]), width(dy), ACTIVATION[name], panels(w))
        return op.kernel, (dy, w, *op.outputs, *saved), sizes, (alpha,)
    if op.kernel == "dense_backward_params":
        sizes = (width(op.inputs[0]), width(op.inputs[1]), 0, panels(op.outputs[0]))
        return op.kernel, operands, sizes, ()
    if op.kernel in _ROWWISE:
        return op.kernel, operands, (width(op.inputs[0]),), ()
    if op.kernel in LOWERED:
        kernel, kind, names = LOWERED[op.kernel]
        y, target, *rest = op.inputs  # weights of the rows, then those of the classes
        if op.kernel == "pinball":
            rest.reverse()  # quantiles before weights
        dense, extra = target, rest[1] if len(rest) > 1 else None
        if is_ids(target):
            dense, extra = None, target
        operands = (y, dense, rest[0], *op.outputs, extra)
        sizes = (width(y), width(y) // width(target) if op.kernel == "pinball" else 1, kind)
        return kernel, operands, sizes, tuple(float(op.attributes.get(name, 0)) for name in names)
    if op.kernel == "loss_weights":
        sizes = (1, 0, _REDUCTIONS.index(op.attributes["reduction"]), op.attributes.get("ignore_class", 0))
        return op.kernel, operands, sizes, ()
    if op.kernel == "batch_weight":
        return op.kernel, operands[1:], (1,), ()
    if op.kernel in _METRICS:
        y, target, *weight = op.inputs
        rows, *gradient = op.outputs
        ids = target if is_ids(target) else None
        dense = None if is_ids(target) else target
        operands = (y, dense, *(weight or [None]), rows, *(gradient or [None]), ids)
        return _METRICS[op.kernel], operands, (width(y),), values
    if op.kernel in _COUNTS:
        operands = (*op.inputs[:3], *op.outputs, *op.inputs[3:])
        sizes = (width(op.inputs[0]), "threshold" not in op.attributes)
        if len(op.inputs) > 3:  # thresholds
            columns = (op.attributes.get("top_k", 0), op.attributes.get("class_id", -1))
            sizes = (width(op.inputs[0]), width(op.inputs[3]), *columns)
        return op.kernel, operands, sizes, (float(op.attributes.get("threshold", 0)),)
    if op.kernel in ops.KERNELS:
        found = ops.lowered(program, op)
        return found if op.rows is None else _embedding.lowered_rows(program, op, found)
    if op.kernel in _activation_ops.LOWERED:
        return _activation_ops.LOWERED[op.kernel](program, op)
    if op.kernel in _merging.LOWERED:
        return _merging.LOWERED[op.kernel](program, op)
    if op.kernel in _normalization.LOWERED:
        return _normalization.LOWERED[op.kernel](program, op)
    name, direction = op.kernel.rsplit("_", 1)
    assert op.inputs[0] is not None
    sizes = (program.buffers[op.inputs[0]].row_size, 0, ACTIVATION[name])
    return f"activation_{direction}", operands, sizes, values
