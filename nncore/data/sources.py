"""Where the batches of a run come from when they are not rows of arrays that the core can gather by itself.

A `Source` is gone through in passes; a pass gives batches until there are no more. A `Stream` cuts passes into
epochs: one each, or so many batches, which then go on where the epoch before has ended. Which batch comes when is a
function of (seed, number of the pass, number of the batch), so that an interrupted run can go on in the middle.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore._core import core

__all__ = ["ArraySource", "Batch", "DatasetSource", "IterableSource", "Source", "Stream", "is_arrays", "source_of"]


Shuffle = bool | Callable[[int], Any]


def rows_of_a_pass(shuffle: Shuffle, rows: int) -> int:
    """Return how many rows a pass takes: all, or as many as a sampler has.

    Examples
    --------
    >>> rows_of_a_pass(True, 5)
    5
    """
    if not (callable(shuffle) and hasattr(shuffle, "__len__")):
        return rows
    if not len(shuffle):
        raise ValueError("fit: shuffle must give at least one row, got a sampler of length 0")
    return len(shuffle)


def order_of(shuffle: Shuffle, rows: int, seed: int, number: int) -> NDArray[np.int64] | None:
    """Return the order in which a pass takes its rows; None means as they lie.

    Parameters
    ----------
    shuffle : bool or callable
        Whether there is one, or a function that returns it for the number of a pass. One that has a length is a
        sampler: it returns so many row numbers, of some of the rows, or of some several times.
    rows, seed, number : int
        The number of rows, what the order depends on, and the number of the pass.

    Examples
    --------
    >>> order_of(lambda number: [2, 0, 1], 3, seed=0, number=0)
    array([2, 0, 1])
    """
    if not callable(shuffle):
        return core.permutation(rows, seed, number) if shuffle else None
    found, wanted = np.ascontiguousarray(shuffle(number)), rows_of_a_pass(shuffle, rows)
    if found.shape != (wanted,) or found.dtype.kind not in "iu":
        raise ValueError(f"fit: shuffle must return {wanted} row numbers, got {found.dtype} of shape {found.shape}")
    if wanted and not 0 <= found.min() <= found.max() < rows:
        raise ValueError(f"fit: shuffle must return row numbers in 0 ... {rows - 1}, got {found.min()} ... "
                         f"{found.max()}")
    return found.astype(np.int64, copy=False)


class Batch(NamedTuple):
    """What a source gives: inputs, and targets and weights of the rows or None, as the user made them."""

    x: Any
    y: Any = None
    weight: Any = None


class Source:
    """Base of the sources.

    Attributes
    ----------
    once : bool
        Whether the data can be gone through only once.
    shuffle : bool
        Whether passes differ by their numbers.
    seed : int
        What they depend on then, too.
    """

    once = False
    shuffle: Shuffle = False
    seed = 0

    def batches(self, number: int, first: int = 0) -> Iterator[Any]:
        """Begin a pass at batch number `first`.

        Parameters
        ----------
        number : int
            The pass's number, which its order depends on.
        first : int
            How many of its batches are left out.
        """
        raise NotImplementedError

    def end_pass(self) -> None:
        """Be told that a pass is over."""

    def skip_passes(self, count: int) -> None:
        """Be told that so many passes were made in a run that was interrupted."""

    def __len__(self) -> int:
        """Return the number of batches in a pass; a TypeError where nobody knows."""
        raise TypeError(f"the number of batches of {type(self).__name__} is not known")


class DatasetSource(Source):
    """Batches of an object with `__len__` and `__getitem__`, in another order in each pass.

    Parameters
    ----------
    dataset : PyDataset
        The object.
    seed : int
        What the order depends on, beside the number of the pass.
    shuffle : bool
        Whether there is another order than the object's own.

    Examples
    --------
    >>> class Numbers:
    ...     def __len__(self):
    ...         return 5
    ...     def __getitem__(self, index):
    ...         return 10 * index
    >>> source = DatasetSource(Numbers(), seed=1)
    >>> whole = list(source.batches(0))
    >>> sorted(whole), list(source.batches(0, first=2)) == whole[2:], list(source.batches(1)) == whole
    ([0, 10, 20, 30, 40], True, False)
    """

    def __init__(self, dataset: Any, seed: int = 0, shuffle: bool = True) -> None:
        self.dataset, self.seed, self.shuffle = dataset, seed, shuffle
        self._open = False  # whether a pass was begun and not ended

    def batches(self, number: int, first: int = 0) -> Iterator[Any]:
        """Begin a pass; parameters as of `Source.batches`."""
        self._begin()
        n = self._count()
        if n is None:
            return (self.dataset[index] for index in itertools.count(first))
        order = core.permutation(n, self.seed, number).tolist() if self.shuffle else range(n)
        return (self.dataset[index] for index in order[first:])

    def end_pass(self) -> None:
        """Tell the object."""
        self._open = False
        self._call("on_epoch_end")

    def skip_passes(self, count: int) -> None:
        """Let the object do all that it does between the passes."""
        for _ in range(count):
            self._begin()
            self.end_pass()

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self._call("on_epoch_begin")

    def _call(self, name: str) -> None:
        function = getattr(self.dataset, name, None)
        if function is not None:
            function()

    def _count(self) -> int | None:
        return getattr(self.dataset, "num_batches", None) if hasattr(self.dataset, "num_batches") else len(self.dataset)

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        n = self._count()
        if n is None:
            raise TypeError("the data are without end")
        return n


class IterableSource(Source):
    """Batches of an iterator, which can be gone through once, or of an object that gives a new one for each pass.

    Parameters
    ----------
    data : iterable
        A generator, an iterator or an iterable.

    Examples
    --------
    >>> source = IterableSource(batch for batch in "abc")
    >>> list(source.batches(0, first=1)), list(source.batches(1))
    (['b', 'c'], [])
    >>> source = IterableSource(["a", "b"])
    >>> list(source.batches(0)), list(source.batches(1))
    (['a', 'b'], ['a', 'b'])
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self.data = data
        self.once = hasattr(data, "__next__")

    def batches(self, number: int, first: int = 0) -> Iterator[Any]:
        """Begin a pass; parameters as of `Source.batches`. What is left out is asked for and dropped."""
        iterator = iter(self.data)
        for _ in itertools.islice(iterator, first):
            pass
        return iterator

    def skip_passes(self, count: int) -> None:
        """Ask for the batches of so many passes, and drop them."""
        for number in range(count):
            for _ in self.batches(number):
                pass

    def __len__(self) -> int:
        """Return the number of batches in a pass, where the object knows it."""
        return len(self.data)  # type: ignore[arg-type]


class ArraySource(Source):
    """Batches of rows of arrays, in another order in each pass: the rows and the order that the core would gather.

    Parameters
    ----------
    data : Feeds
        The arrays: an object with a number of `rows` and ``part(rows)``, which returns some of them.
    batch_size : int
        Rows in a batch; the last one may be smaller.
    seed : int
        What the order depends on, beside the number of the pass.
    shuffle : bool or callable
        Whether rows are taken in another order than they lie in, or in which: see `order_of`.

    Examples
    --------
    >>> from nncore.training import Feeds
    >>> source = ArraySource(Feeds((np.arange(5),), (10 * np.arange(5),)), batch_size=2, shuffle=False)
    >>> for batch in source.batches(0, first=1):
    ...     print(batch.x[0], batch.y[0])
    [2 3] [20 30]
    [4] [40]
    """

    def __init__(self, data: Any, batch_size: int, seed: int = 0, shuffle: Shuffle = True) -> None:
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.shuffle, self.rows = shuffle, rows_of_a_pass(shuffle, data.rows)

    def batches(self, number: int, first: int = 0) -> Iterator[Any]:
        """Begin a pass; parameters as of `Source.batches`."""
        order = order_of(self.shuffle, self.data.rows, self.seed, number)
        for begin in range(first * self.batch_size, self.rows, self.batch_size):
            rows = slice(begin, begin + self.batch_size)
            yield self.data.part(rows if order is None else order[rows])

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        return -(-self.rows // self.batch_size)


class Stream:
    """A source as `fit` goes through it: in epochs, each of one pass or of so many batches.

    Parameters
    ----------
    source : Source
        The source.
    steps : int, optional
        Batches in an epoch: it then goes on where the one before has ended, with the next pass where a pass ends.
    number : int
        The number of the first pass.

    Attributes
    ----------
    passes : int
        How many passes were finished.
    taken : int
        How many batches of the pass under way were taken.

    Examples
    --------
    >>> stream = Stream(IterableSource(["a", "b", "c"]), steps=2)
    >>> [[batch.x for batch in stream.epoch()] for _ in range(3)]
    [['a', 'b'], ['c', 'a'], ['b', 'c']]
    """

    def __init__(self, source: Source, steps: int | None = None, number: int = 0) -> None:
        self.source, self.steps, self.first_pass = source, steps, number
        self.passes = self.taken = 0
        self._iterator: Iterator[Any] | None = None
        self._ahead: list[Any] = []  # what `peek` has looked at

    def seek(self, number: int, passes: int, taken: int) -> None:
        """Stand where a run that was interrupted stood; before the first batch is taken.

        Parameters
        ----------
        number : int
            The number of its first pass.
        passes, taken : int
            What these attributes were.
        """
        self.first_pass = number
        if self.source.once:  # what was looked at is one of the batches that are left out
            for _ in range(taken):
                self.peek()
                self._ahead.clear()
        else:
            self._iterator, self._ahead = None, []
            self.source.skip_passes(passes)
        self.passes, self.taken = passes, taken

    def restart(self) -> None:
        """Begin with the first batch again, where that can be done."""
        if self.source.once:
            return
        if self._iterator is not None or self.taken:
            self._end_pass()
        self._ahead = []

    def peek(self) -> Any:
        """Return the next batch without taking it; None where there is none."""
        if not self._ahead:
            batch = self._next()
            if batch is None:
                return None
            self._ahead.append(batch)
        return self._ahead[0]

    def epoch(self, done: int = 0) -> Iterator[Any]:
        """Iterate over the batches of an epoch.

        Parameters
        ----------
        done : int
            How many of the epoch's batches were taken before the stream came to stand where it is.
        """
        step = done
        while self.steps is None or step < self.steps:
            batch = self.peek()
            if batch is None:
                if self.steps is None and step:
                    self._end_pass()
                    return
                if self.taken == 0:  # nothing at all: the data cannot be gone through again
                    return
                self._end_pass()
                continue
            self._ahead.clear()
            self.taken += 1
            step += 1
            yield batch
        if self.steps is not None and self._over():
            self._end_pass()

    def _over(self) -> bool:
        """Whether a source that knows its length is at the end of a pass: it is then told at once."""
        try:
            return self.taken >= len(self.source)
        except TypeError:
            return False

    def _next(self) -> Any:
        if self._iterator is None:
            self._iterator = self.source.batches(self.first_pass + self.passes, self.taken)
        try:
            found = next(self._iterator)
        except StopIteration:
            return None
        return found if isinstance(self.source, ArraySource) else _as_batch(found)

    def _end_pass(self) -> None:
        self.source.end_pass()
        self._iterator, self.passes, self.taken = None, self.passes + 1, 0


def _as_batch(found: Any) -> Batch:
    """Return what a user's source gave as a batch."""
    if isinstance(found, (tuple, list)):
        if not 1 <= len(found) <= 3:
            raise ValueError("a batch must be x, (x, y) or (x, y, sample_weight), got "
                             f"{type(found).__name__} of {len(found)}")
        return Batch(*found)
    return Batch(found)


def is_arrays(x: Any) -> bool:
    """Return whether `x` is arrays, or what becomes arrays, and no source of batches.

    Examples
    --------
    >>> is_arrays([[1.0], [2.0]]), is_arrays({"a": np.zeros(3)}), is_arrays(iter([1])), is_arrays(None)
    (True, True, False, True)
    """
    if x is None or isinstance(x, (np.ndarray, list, tuple, Mapping, str, bytes)) or np.isscalar(x):
        return True
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__") or hasattr(x, "__dlpack__"):
        return True
    if hasattr(x, "dtype") and hasattr(x, "shape"):  # a sparse matrix, say
        return True
    return not (hasattr(x, "__iter__") or hasattr(x, "__next__") or hasattr(x, "__getitem__"))


def source_of(data: Any, where: str, name: str, seed: int = 0, shuffle: bool = False) -> Source:
    """Return the source of batches that an object is.

    Parameters
    ----------
    data : object
        An object with `__len__` and `__getitem__`, a generator, an iterator or an iterable.
    where, name : str
        The function and the argument, for messages.
    seed : int
        What the order of batches depends on.
    shuffle : bool
        Whether to take them in another order, where that can be done.

    Examples
    --------
    >>> source_of(iter([]), "fit", "x").batches(0).__class__.__name__
    'list_iterator'
    """
    if hasattr(data, "__getitem__") and (hasattr(data, "__len__") or hasattr(data, "num_batches")):
        source: Source = DatasetSource(data, seed, shuffle)
        try:
            empty = len(source) == 0
        except TypeError:
            empty = False
        if empty:
            raise ValueError(f"{where}: {name} has no batches")
        return source
    if hasattr(data, "__iter__"):
        return IterableSource(data)
    raise TypeError(f"{where}: {name} must be arrays, an object with __len__ and __getitem__ (see "
                    f"nncore.utils.PyDataset), or an iterator over batches, got {type(data).__name__}")


def leaves(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Return a function of all arrays of a list, tuple or dict of arrays; of None, None.

    Examples
    --------
    >>> leaves({"a": 1, "b": (2, None)}, lambda value: -value)
    {'a': -1, 'b': (-2, None)}
    """
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return {name: leaves(value, function) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(leaves(value, function) for value in tree)
    return function(tree)
