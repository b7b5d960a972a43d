"""How a run goes through its data: arrays, whose rows the core takes by itself, or batches that somebody makes.

A feed cuts an epoch into pieces, each of which the executor runs in one go, and adds up what comes of them. A piece
of arrays is as many batches as wanted; of a stream, one batch, which is checked and read where it lies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore._sparse import dense, refuse_sparse
from nncore.data.sources import Shuffle, order_of, rows_of_a_pass
from nncore.executor import Bound

if TYPE_CHECKING:
    from nncore.data.augment import Augment
    from nncore.data.sources import Stream
    from nncore.training import Feeds, Trainable

__all__ = ["ArrayFeed", "Feed", "Piece", "StreamFeed"]


class Piece(NamedTuple):
    """Batches that the executor runs in one go.

    Parameters
    ----------
    samples : int
        Rows of a pass over the data.
    order : ndarray or None
        The order in which they are taken.
    batch_size : int
        Rows in a batch.
    first, last : int
        The rows to begin at and to end before.
    """

    samples: int
    order: NDArray[np.int64] | None
    batch_size: int
    first: int
    last: int

    @property
    def batch(self) -> int:
        """The number of its first batch."""
        return self.first // self.batch_size


class Feed:
    """Base of the feeds: what was gone through of an epoch, or of an evaluation.

    Attributes
    ----------
    plan : _Plan
        The program.
    length : int or None
        How much an epoch is, for a bar, in units of `unit`.
    passes, taken : int
        Where it stands: how many passes over the data were finished, and how many batches of the one under way
        were begun.
    rows, totals
        Of this epoch: the rows that were gone through, and the program's totals.
    finished : int
        Batches of the last piece that were finished.
    number : int
        The number of the first pass.
    shuffle : bool or callable
        Whether passes differ by their numbers, or how.
    """

    plan: Any
    bound: Any
    length: int | None
    number: int
    shuffle: Shuffle
    unit = "samples"
    passes = taken = 0

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.begin()

    def begin(self) -> None:
        """Begin an epoch."""
        self.rows = self.finished = 0
        self.totals: dict[str, Any] = {}
        self._kept: list[Mapping[int, NDArray[Any]]] = []  # rows for metrics, of parts of the epoch
        self._store: Mapping[int, NDArray[Any]] = {}  # where the executor puts them
        self._part = (0, 0)  # the rows of the part under way, in there
        self._logs: dict[str, Any] | None = None

    def go_on(self, rows: int, totals: dict[str, Any], kept: Mapping[int, NDArray[Any]],
              logs: dict[str, Any]) -> None:
        """Begin in the middle of an epoch that an interrupted run began; `logs` are those of the epoch up to there."""
        self.begin()
        self.rows, self.totals, self._kept, self._logs = rows, dict(totals), [kept] if kept else [], logs
        if self.plan is not None:
            self.plan.executor.set_totals(totals)

    def seek(self, number: int, passes: int, taken: int) -> None:
        """Stand where an interrupted run stood."""
        raise NotImplementedError

    def pieces(self, by_batch: bool, done: int = 0) -> Iterator[Piece]:
        """Iterate over the pieces of an epoch, in which so many batches were done before."""
        raise NotImplementedError

    def run(self, piece: Piece, **options: Any) -> None:
        """Run a piece; options as of `Bound.__call__`. What was done counts also where it ends with an error."""
        executor = self.plan.executor
        if piece.first != self._part[1]:
            self._end_part(piece.first)
        executor.done[0], self.finished, self._logs = piece.first, 0, None
        try:
            self.totals = self.bound(piece.samples, piece.order, piece.batch_size, first=piece.first, last=piece.last,
                                     go_on=self.rows > 0, **options)
        except BaseException:
            self.totals = executor.get_totals()
            raise
        finally:
            done = int(executor.done[0]) - piece.first
            self.finished, self.rows = -(-done // piece.batch_size), self.rows + done
            self._part = (self._part[0], piece.first + done)

    def _end_part(self, first: int) -> None:
        """Put rows for metrics aside: the next ones do not lie behind them."""
        if self._store and self._part[1] > self._part[0]:
            self._kept.append({number: array[slice(*self._part)].copy() for number, array in self._store.items()})
        self._part = (first, first)

    def kept(self) -> dict[int, NDArray[Any]]:
        """Return the rows of this epoch that metrics want to see again."""
        parts = [*self._kept, {number: array[slice(*self._part)] for number, array in self._store.items()}]
        if len(parts) == 1:
            return dict(parts[0])
        return {number: np.concatenate([part[number] for part in parts if number in part])
                for number in {**parts[0], **parts[-1]}}

    def logs(self) -> dict[str, Any]:
        """Return losses and metrics of the epoch so far."""
        if self._logs is not None:  # an interrupted run had done the last batch
            return self._logs
        found: dict[str, Any] = self.plan.logs(self.totals, self.kept(), self.rows)
        return found

    def __enter__(self) -> Feed:
        """Return itself."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Give programs back, and let go of the data."""
        if isinstance(self.bound, Bound):
            self.bound.release()
        self._stack.__exit__(*error)


class ArrayFeed(Feed):
    """Rows of arrays.

    Parameters
    ----------
    model : Trainable
        The model.
    purpose : {"fit", "evaluate"}
        Which of its programs.
    data : Feeds
        The arrays.
    batch_size : int
        Rows in a batch.
    shuffle : bool or callable
        Whether each pass takes them in another order, or in which: see `nncore.data.sources.order_of`.
    steps : int, optional
        Batches in an epoch, which goes on where the one before has ended; by default all.
    number : int
        The number of the first pass.
    """

    def __init__(self, model: Trainable, purpose: str, data: Feeds, batch_size: int, shuffle: Shuffle = False,
                 steps: int | None = None, number: int = 0) -> None:
        super().__init__()
        self.batch_size, self.shuffle, self.seed, self.number = batch_size, shuffle, model.seed, number
        self.data_rows, self.samples = data.rows, rows_of_a_pass(shuffle, data.rows)
        self.per_pass = -(-self.samples // batch_size)
        self.steps = self.per_pass if steps is None else steps
        self.length = self.samples if steps is None else steps * batch_size
        self.plan = self._stack.enter_context(model._plan(purpose, data, batch_size))
        self._rows_for_metrics = self.plan.keeps(self.samples)
        straight = purpose == "evaluate" or (not shuffle and data.rows == batch_size)  # rows are read where they lie
        self.bound = self.plan.executor.bind(self.plan.feeds(data), self._rows_for_metrics, in_place=straight)
        self._order: tuple[int, NDArray[np.int64] | None] = (-1, None)

    def seek(self, number: int, passes: int, taken: int) -> None:
        """Stand where an interrupted run stood."""
        self.number, self.passes, self.taken = number, passes, taken

    def pieces(self, by_batch: bool, done: int = 0) -> Iterator[Piece]:
        """Iterate over the pieces of an epoch, in which so many batches were done before."""
        self._store = self._rows_for_metrics
        while done < self.steps:
            if self.taken == self.per_pass:
                self.passes, self.taken = self.passes + 1, 0
            if self.shuffle and self._order[0] != self.passes:
                number = self.number + self.passes
                self._order = (self.passes, order_of(self.shuffle, self.data_rows, self.seed, number))
            count = 1 if by_batch else min(self.steps - done, self.per_pass - self.taken)
            first = self.taken * self.batch_size
            self.taken, done = self.taken + count, done + count
            yield Piece(self.samples, self._order[1], self.batch_size, first,
                        min(first + count * self.batch_size, self.samples))
        if self.taken == self.per_pass:
            self.passes, self.taken = self.passes + 1, 0


class StreamFeed(Feed):
    """Batches that somebody makes.

    Parameters
    ----------
    model : Trainable
        The model.
    purpose : {"fit", "evaluate"}
        Which of its programs.
    where : str
        The method, for messages.
    stream : Stream
        The batches.
    augment : sequence of callable
        What changes a batch before it is trained on.
    class_weight : dict, optional
        The weight of each class, which multiplies those of its rows.
    """

    unit = "batches"

    def __init__(self, model: Trainable, purpose: str, where: str, stream: Stream,
                 augment: Sequence[Augment] = (), class_weight: Any = None) -> None:
        super().__init__()
        self.model, self.purpose, self.where, self.stream, self.augment = model, purpose, where, stream, augment
        self.class_weight = class_weight
        if stream.source.shuffle:
            stream.source.seed = model.seed  # it may have become that of an interrupted run
        self.length = stream.steps
        if self.length is None:
            with contextlib.suppress(TypeError):  # nobody knows
                self.length = len(stream.source)
        self.shuffle = stream.source.shuffle or bool(augment)
        self.ran_out = False
        self.plan = self.bound = None
        self._kind: Any = None

    @property
    def passes(self) -> int:  # type: ignore[override]
        """How many passes were finished."""
        return self.stream.passes

    @property
    def taken(self) -> int:  # type: ignore[override]
        """How many batches of the pass under way were begun."""
        return self.stream.taken

    @property
    def number(self) -> int:  # type: ignore[override]
        """The number of the first pass."""
        return self.stream.first_pass

    def seek(self, number: int, passes: int, taken: int) -> None:
        """Stand where an interrupted run stood."""
        self.stream.seek(number, passes, taken)

    def pieces(self, by_batch: bool, done: int = 0) -> Iterator[Piece]:
        """Iterate over the batches of an epoch, in which so many were done before."""
        for batch in self.stream.epoch(done):
            feeds = self._checked(batch, done)
            done += 1
            self._program(feeds)
            self._end_part(0)
            self._store = self.plan.keeps(feeds.rows)
            self.bound = self.plan.executor.bind(self.plan.feeds(feeds), self._store, in_place=True)
            yield Piece(feeds.rows, None, feeds.rows, 0, feeds.rows)
        self.ran_out = done == 0 or (self.stream.steps is not None and done < self.stream.steps)

    def _checked(self, batch: Any, number: int) -> Feeds:
        """Return a batch as the program takes it."""
        model, where = self.model, f"{self.where}: batch {number + 1}"
        from nncore.training import Feeds

        if isinstance(batch, Feeds):
            feeds = model._converted(batch)
        else:
            feeds = model._converted(model._feeds(where, batch.x, batch.y, batch.weight))
            feeds = model._weigh_classes(feeds, self.class_weight, where)
        if not self.augment:
            return feeds
        from nncore.data import augment

        refuse_sparse(feeds.x, where, "augment")
        own = Feeds(tuple(dense(array).copy() for array in feeds.x), tuple(array.copy() for array in feeds.y))
        x, y = augment.apply(self.augment, model._input_structure.pack(own.x),
                             own.y[0] if len(own.y) == 1 else list(own.y),
                             augment.generator(model.seed, self.stream.first_pass + self.passes, self.taken - 1), where)
        changed = model._feeds(where, x, y, None)
        if changed.rows != feeds.rows:
            raise ValueError(f"{where}: augment made {changed.rows} rows of {feeds.rows}; the number of rows must stay")
        return model._converted(changed._replace(weight=feeds.weight))

    def _program(self, feeds: Feeds) -> None:
        """Take a program that has room for a batch."""
        if self.plan is not None and self._kind == feeds.kind() and self.plan.executor.batch_size >= feeds.rows:
            return
        self._stack.close()
        self.plan = self._stack.enter_context(self.model._plan(self.purpose, feeds, feeds.rows))
        self._kind = feeds.kind()
        if self.rows:
            self.plan.executor.set_totals(self.totals)
