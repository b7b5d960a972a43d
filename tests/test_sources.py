"""Sources of batches, by themselves: which batch comes when, and going on in the middle."""

import itertools

import numpy as np
import pytest

import nncore as nn
from nncore.data import augment
from nncore.data.sources import (
    ArraySource,
    DatasetSource,
    IterableSource,
    Stream,
    is_arrays,
    leaves,
    source_of,
)
from nncore.io.tree import pack, unpack
from nncore.training import Feeds


class Numbers(nn.utils.PyDataset):
    """Batches that say which they are, and the calls between passes."""

    def __init__(self, n, **options):
        super().__init__(**options)
        self.n, self.calls = n, []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        assert 0 <= index < self.n
        return index, -index

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


class Endless(Numbers):
    num_batches = None

    def __getitem__(self, index):
        return index


def epochs(stream, count):
    return [[batch.x for batch in stream.epoch()] for _ in range(count)]


def test_a_data_set_in_its_order_and_in_others():
    data = Numbers(7)
    assert epochs(Stream(source_of(data, "fit", "x")), 2) == [list(range(7))] * 2
    assert data.calls == ["begin", "end"] * 2
    shuffled = epochs(Stream(DatasetSource(data, 5, True), number=3), 3)
    assert all(sorted(epoch) == list(range(7)) for epoch in shuffled)
    assert [nn.random.permutation(7, 5, number).tolist() for number in (3, 4, 5)] == shuffled
    assert list(data) == [(i, -i) for i in range(7)] and list(itertools.islice(Endless(0), 3)) == [0, 1, 2]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 10])
@pytest.mark.parametrize("kind", ["data set", "iterable", "iterator"])
def test_epochs_of_so_many_batches_go_on_where_the_last_ended(steps, kind):
    make = {
        "data set": lambda: source_of(Numbers(5), "fit", "x"),
        "iterable": lambda: source_of(Again(5), "fit", "x"),
        "iterator": lambda: source_of(iter([(i % 5, 0) for i in range(1000)]), "fit", "x"),
    }[kind]
    stream, flat = Stream(make(), steps), [i % 5 for i in range(4 * steps)]
    assert epochs(stream, 4) == [flat[i * steps : (i + 1) * steps] for i in range(4)]


class Again:
    """An iterable that can be gone through again, and no more."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter([(i, 0) for i in range(self.n)])


def test_the_end_of_a_pass_is_told_at_once_where_it_is_known():
    data = Numbers(4)
    stream = Stream(source_of(data, "fit", "x"), steps=4)
    epochs(stream, 1)
    assert data.calls == ["begin", "end"] and (stream.passes, stream.taken) == (1, 0)
    epochs(Stream(source_of(data := Numbers(4), "fit", "x"), steps=6), 1)
    assert data.calls == ["begin", "end", "begin"]


def test_data_that_run_out():
    stream = Stream(source_of(iter([1, 2, 3]), "fit", "x"))
    assert epochs(stream, 3) == [[1, 2, 3], [], []]
    stream = Stream(source_of(iter([1, 2, 3]), "fit", "x"), steps=2)
    assert epochs(stream, 4) == [[1, 2], [3], [], []]
    assert epochs(Stream(source_of(Again(0), "fit", "x"), steps=2), 2) == [[], []]
    assert epochs(Stream(source_of(Endless(0), "fit", "x"), steps=3), 2) == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="fit: x has no batches"):
        source_of(Numbers(0), "fit", "x")


def test_what_was_looked_at_is_not_lost_or_taken_twice():
    """A model without weights looks at the first batch; then a run goes on where an interrupted one stood."""
    for make in (lambda: iter(range(9)), lambda: Again(9), lambda: Numbers(9)):
        for taken in (0, 1, 4):
            stream = Stream(source_of(make(), "fit", "x"))
            first = stream.peek().x
            stream.seek(0, 0, taken)
            assert first == 0 and epochs(stream, 1) == [list(range(taken, 9))]
    data = Numbers(3)
    stream = Stream(source_of(data, "fit", "x"))
    stream.peek()
    stream.seek(0, 2, 1)
    assert epochs(stream, 1) == [[1, 2]] and data.calls == ["begin", "end"] * 3


def test_a_validation_begins_anew():
    data = Numbers(5)
    stream = Stream(source_of(data, "fit", "x"), steps=3)
    for _ in range(2):
        stream.restart()
        assert epochs(stream, 1) == [[0, 1, 2]]
    assert data.calls == ["begin", "end", "begin"]
    stream = Stream(source_of(iter(range(9)), "fit", "x"), steps=3)
    for first in (0, 3):
        stream.restart()
        assert epochs(stream, 1) == [[first, first + 1, first + 2]]


def test_peek_takes_nothing():
    stream = Stream(source_of(iter([1, 2, 3]), "fit", "x"))
    assert stream.peek().x == stream.peek().x == 1 and stream.taken == 0
    assert epochs(stream, 1) == [[1, 2, 3]] and stream.peek() is None


@pytest.mark.parametrize("steps", [None, 3, 5, 8])
@pytest.mark.parametrize("kind", ["data set", "shuffled", "iterable", "iterator", "arrays"])
def test_going_on_in_the_middle(steps, kind):
    """After any number of batches a new stream over fresh data goes on as the old one would have."""
    class Walk(Numbers):  # data with a state of their own, which changes between passes
        def __init__(self):
            super().__init__(5)
            self.offset = 0

        def __getitem__(self, index):
            return 10 * self.offset + index

        def on_epoch_end(self):
            self.offset = (3 * self.offset + 1) % 7

    def fresh():
        made = {
            "data set": lambda: source_of(Walk(), "fit", "x"),
            "shuffled": lambda: DatasetSource(Walk(), 1, True),
            "iterable": lambda: source_of(Again(5), "fit", "x"),
            "iterator": lambda: source_of(iter(range(40)), "fit", "x"),
            "arrays": lambda: ArraySource(Feeds((np.arange(9),)), 2, seed=1),
        }[kind]()
        return Stream(made, steps, number=2)

    def value(batch):
        return np.asarray(batch.x).tolist()  # a batch of arrays has a tuple of them

    whole, log = fresh(), []
    for epoch in range(4):
        done = 0
        for batch in whole.epoch():
            done += 1
            log.append((epoch, done, value(batch), whole.passes, whole.taken))
    for at, (epoch, done, _, passes, taken) in enumerate(log):
        stream = fresh()
        stream.seek(2, passes, taken)
        found = [(epoch, value(batch)) for batch in stream.epoch(done)]
        for later in range(epoch + 1, 4):
            found += [(later, value(batch)) for batch in stream.epoch()]
        assert found == [(e, x) for e, _, x, _, _ in log[at + 1 :]], (epoch, done)


def test_rows_of_arrays_are_those_that_the_core_gathers():
    x, y, w = np.arange(22).reshape(11, 2), np.arange(11), np.arange(11) / 10
    source = ArraySource(Feeds((x, x[:, 0]), (y,), (w,)), 4, seed=3)
    order, found = nn.random.permutation(11, 3, 5), list(source.batches(5))
    assert len(source) == len(found) == 3 and [batch.rows for batch in found] == [4, 4, 3]
    for part, array in ((lambda b: b.x[0], x), (lambda b: b.x[1], x[:, 0]), (lambda b: b.y[0], y), (lambda b: b.weight[0], w)):
        assert np.array_equal(np.concatenate([part(batch) for batch in found]), array[order])
    straight = ArraySource(Feeds((x,), (y,), (None,)), 8, shuffle=False)
    assert [(batch.y[0].tolist(), batch.weight) for batch in straight.batches(0)] == [
        (list(range(8)), (None,)), ([8, 9, 10], (None,))]


def test_what_a_batch_may_be():
    def first(given):
        return Stream(source_of(iter([given]), "fit", "x")).peek()

    x = np.zeros(3)
    assert first(x) == (x, None, None) and first({"a": 1}) == ({"a": 1}, None, None)
    assert first((1,)) == (1, None, None) and first([1, 2]) == (1, 2, None) and first((1, 2, 3)) == (1, 2, 3)
    for wrong in ((), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="a batch must be x, .* got tuple of"):
            first(wrong)


def test_what_is_arrays_and_what_is_a_source():
    class Table:
        def __array__(self):
            return np.zeros(3)

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return 0

    class Sparse:
        dtype, shape = np.dtype("float64"), (3, 3)

        def __getitem__(self, index):
            return 0

    for arrays in (Sparse(), np.zeros(3), [1, 2], (1, 2), {"a": 1}, None, 3.0, "text", Table(), memoryview(b"abc").tolist()):
        assert is_arrays(arrays), arrays
    for source in (Numbers(3), iter([1]), (i for i in range(3)), Again(3)):
        assert not is_arrays(source)
    assert isinstance(source_of(Numbers(3), "fit", "x"), DatasetSource)
    assert isinstance(source_of(Again(3), "fit", "x"), IterableSource)
    with pytest.raises(TypeError, match="fit: x must be arrays, an object with __len__ and __getitem__ .*, got object"):
        source_of(object(), "fit", "x")


def test_no_workers():
    for options in ({"workers": 2}, {"use_multiprocessing": True}):
        with pytest.raises(ValueError, match="PyDataset: batches are made in the thread that trains, without workers"):
            Numbers(3, **options)
    with pytest.raises(NotImplementedError, match="PyDataset must define __len__"):
        len(nn.utils.PyDataset())


# ---------------------------------------------------------------- augmentation
NOISE = ["0x1.22e119f66071ep+0", "-0x1.13578de9d2792p-1", "-0x1.9cf751e910381p-3"]


def numbers(batch=0):
    return augment.generator(7, 0, batch)


def test_noise():
    x = {"a": np.full((400, 100), 2, np.float32), "b": np.zeros((5, 2))}
    found, y = augment.noise(0.25)(x, [1, 2], numbers())
    noise = found["a"] - 2
    assert found["a"].dtype == np.float32 and found["b"].dtype == np.float64 and y == [1, 2]
    assert abs(noise.mean()) < 5 * 0.25 / 200 and abs(noise.std() / 0.25 - 1) < 0.02
    assert abs((np.abs(noise) < 0.25).mean() - 0.6827) < 0.01  # normal, and not merely of that spread
    assert (x["a"] == 2).all()
    again, _ = augment.noise(0.25)(x, None, numbers())
    other, _ = augment.noise(0.25)(x, None, numbers(1))
    assert again["a"].tobytes() == found["a"].tobytes() != other["a"].tobytes()
    assert (augment.noise(0)(x, None, numbers())[0]["a"] == 2).all()


def test_noise_does_not_change():
    """Numbers of this machine at the time of writing: no NumPy and no processor may change them."""
    x, _ = augment.noise(1.0)(np.zeros(3), None, numbers())
    assert [value.hex() for value in x.tolist()] == NOISE


def test_mixup_mixes_rows_and_targets_alike():
    x, y = np.eye(64, dtype=np.float32), np.eye(64)
    shares = []
    for batch in range(200):
        mixed, targets = augment.mixup(0.4)({"x": x}, y, numbers(batch))
        assert mixed["x"].dtype == np.float32 and np.allclose(mixed["x"], targets, atol=1e-6)
        assert np.allclose(targets.sum(axis=1), 1) and np.allclose(targets.sum(axis=0), 1)  # each row is mixed in once
        diagonal = np.diag(targets)
        shares.append(np.median(diagonal))
    assert (x == np.eye(64)).all()
    # Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
    assert abs(np.mean(shares) - 0.5) < 5 * np.sqrt(1 / 7.2 / 200) and abs(np.var(shares) * 7.2 - 1) < 0.25


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0, 50.0])
def test_beta_distribution(alpha):
    """Moments about 1/2 of Beta(a, a), of which 4 d^2 is Beta(1/2, a)."""
    def moment(order):
        if order % 2:
            return 0.0
        return np.prod([(2 * i - 1) / (2 * alpha + 2 * i - 1) for i in range(1, order // 2 + 1)]) / 2**order

    values = np.array([augment._beta(alpha, numbers(batch)) for batch in range(1500)]) - 0.5
    assert (np.abs(values) <= 0.5).all()
    for order in (1, 2, 3, 4, 6):
        error = np.sqrt((moment(2 * order) - moment(order) ** 2) / len(values))
        assert abs((values**order).mean() - moment(order)) < 4.5 * error, order


def test_what_cannot_be_augmented():
    with pytest.raises(TypeError, match=r"mixup: inputs and targets \(classes as rows: .*\) must be floating-point numbers, got i"):
        augment.mixup()(np.zeros((3, 2)), np.arange(3), numbers())
    with pytest.raises(TypeError, match="noise: inputs must be floating-point numbers, got uint8"):
        augment.noise()(np.zeros(3, np.uint8), None, numbers())
    with pytest.raises(ValueError, match="mixup: alpha must be a finite number above 0, got 0"):
        augment.mixup(0)
    with pytest.raises(TypeError, match=r"fit: augment must return \(x, y\), got ndarray"):
        augment.apply([lambda x, y, rng: x], np.zeros(3), None, numbers(), "fit")


# ---------------------------------------------------------------- states in files
def test_trees_of_numbers_and_arrays():
    tree = {"a": [1, 2.5, None, True, "x", float("nan"), float("-inf"), 2**63 + 1],
            "b": {"c": np.arange(3), "d": (np.float32(0.1), np.int8(3))}, "e": [np.zeros((2, 0)), {"f": np.ones(2)}]}
    text, arrays = pack(tree, "p", "f")
    found = unpack(text, arrays)
    assert np.isnan(found["a"].pop(5)) and tree["a"].pop(5)
    assert found["a"] == tree["a"] and found["b"]["d"] == [float(np.float32(0.1)), 3]
    assert found["b"]["c"] is tree["b"]["c"] and found["e"][1]["f"] is tree["e"][1]["f"] and list(arrays) == ["p0/b/c", "p1/e/0", "p2/e/1/f"]
    for wrong in (object(), {1: 2}, {"__array__": 3}, [set()]):
        with pytest.raises(TypeError, match="f: /"):
            pack(wrong, "p", "f")


def test_leaves():
    assert leaves([1, (2, None), {"a": 3}], lambda value: value + 1) == [2, (3, None), {"a": 4}]
