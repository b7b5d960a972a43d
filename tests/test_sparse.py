"""Sparse matrices as inputs: the bits of the dense array, which is never made."""

import gc
import os
import signal
import threading
import tracemalloc

import numpy as np
import pytest

import nncore as nn
from nncore import executor, reference
from nncore._core import core
from nncore._sparse import SparseRows, as_sparse_rows, compressed
from nncore.callbacks import LambdaCallback
from nncore.layers import Dense
from nncore.training import Trainable

ROWS, WIDTH = 83, 30
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, ROWS)
WEIGHT = RNG.uniform(0.5, 2, ROWS)
FORMATS = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")


class Csr:
    """What is asked of a sparse matrix: the tests run without SciPy."""

    ndim = 2

    def __init__(self, indptr, indices, data, shape, canonical=None):
        self.indptr, self.indices, self.data, self.shape = indptr, indices, data, shape
        self.dtype = data.dtype
        if canonical is not None:
            self.has_canonical_format = canonical

    def tocsr(self):
        return self

    def toarray(self):
        found = np.zeros(self.shape, self.dtype)
        for row in range(self.shape[0]):
            for k in range(self.indptr[row], self.indptr[row + 1]):
                with np.errstate(over="ignore"):
                    found[row, self.indices[k]] += self.data[k]
        return found


def csr(dtype="float64", rows=ROWS, width=WIDTH, most=6, columns="int32", sort=True, seed=1):
    """Rows with some numbers each, every seventh without any."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most + 1, rows) * (np.arange(rows) % 7 > 0)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(columns)
    parts = [rng.choice(width, count, replace=not sort) for count in counts]
    indices = np.concatenate([np.zeros(0), *([np.sort(part) for part in parts] if sort else parts)])
    data = (10 * rng.normal(size=len(indices))).astype(dtype)
    if np.dtype(dtype).kind == "f":
        data[::9] = -0.0
    return Csr(indptr, indices.astype(columns), data, (rows, width), True if sort else None)


MATRICES = {
    "float64": csr(), "float32": csr("float32"), "float16": csr("float16"), "int8": csr("int8"), "bool": csr("bool"),
    "uint64": csr("uint64"), "wide column numbers": csr(columns="int64"), "unsorted, some twice": csr(sort=False, most=40),
    "int8 that overflow": csr("int8", sort=False, most=90), "nothing": csr(most=0),
    "dense": csr(most=WIDTH),
}


def make(dtype="float32", kind=executor.Executor, width=WIDTH, built=True):
    model = nn.Sequential([*([nn.Input((width,), dtype=dtype)] if built else []), Dense(20, "tanh", dtype=dtype),
                           nn.layers.Dropout(0.2, dtype=dtype), Dense(3, dtype=dtype)], seed=3)
    model.executor_class = kind
    model.compile(nn.optimizers.Adam(0.01), nn.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    return model


def state(model):
    return [array.tobytes() for array in [*model.get_weights(), *(slot.numpy() for slot in model._slots)]]


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request, monkeypatch):
    """So many threads, however small the work."""
    call = executor.Bound.__call__

    def forced(self, *arguments, n_threads=0, **keywords):
        return call(self, *arguments[:6], n_threads=request.param, **keywords)

    monkeypatch.setattr(executor.Bound, "__call__", forced)


def assert_like_dense(x, dtype="float32", kind=executor.Executor, at_once=None, **options):
    """Fit, evaluate and predict give what the dense array gives."""
    x = [x, x.toarray()]
    models = [make(dtype, kind), make(dtype, kind)]
    logs = []
    for model, rows in zip(models, x, strict=True):
        more = {name: value(rows) if callable(value) else value for name, value in options.items()}
        logs.append(model.fit(rows, Y, epochs=3, verbose=0, **more).history)
        weight = WEIGHT if "sample_weight" in options else None
        logs[-1]["evaluated"] = model.evaluate(rows, Y, at_once, 0, sample_weight=weight)
        logs[-1]["outputs"] = model.predict(rows, at_once).tobytes()
    assert state(models[0]) == state(models[1])
    assert logs[0] == logs[1]


# ---------------------------------------------------------------- the same bits
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.usefixtures("threads")
def test_any_matrix(kind, dtype):
    assert_like_dense(MATRICES[kind], dtype)


CASES = {
    "in order": {"shuffle": False},
    "one row": {"batch_size": 1},
    "all rows": {"batch_size": ROWS, "shuffle": False},
    "more than there are": {"batch_size": 1000},
    "validation_data": {"validation_data": lambda x: (x, Y)},
    "validation_split": {"validation_split": 0.3, "validation_batch_size": 7},
    "sample_weight": {"sample_weight": WEIGHT, "validation_data": lambda x: (x, Y, WEIGHT)},
    "class_weight": {"class_weight": {0: 2.0, 1: 0.5}, "sample_weight": WEIGHT},
    "steps": {"steps_per_epoch": 4, "batch_size": 9},
    "batch by batch": {"callbacks": LambdaCallback(on_train_batch_end=lambda batch, logs: None)},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("threads")
def test_any_way_to_train(case, dtype):
    assert_like_dense(csr(), dtype, **CASES[case])


@pytest.mark.parametrize("at_once", [1, 5, ROWS, 1000])
@pytest.mark.usefixtures("threads")
def test_any_batch_size_in_prediction(at_once, monkeypatch):
    assert_like_dense(csr(), at_once=at_once)
    monkeypatch.setattr("nncore._sparse.PREDICT_BYTES", 1)
    assert_like_dense(csr(), at_once=at_once)
    x, log = csr(), []
    model = make()
    on_batch = LambdaCallback(on_predict_batch_end=lambda batch, logs: log.append(logs["outputs"]))
    on_batch.on_predict_batch_end = lambda batch, logs: log.append(logs["outputs"].copy())
    found = model.predict(x, at_once, callbacks=on_batch)
    assert np.concatenate(log).tobytes() == found.tobytes() == model.predict(x.toarray()).tobytes()


def test_the_numpy_executor():
    assert_like_dense(csr(), kind=reference.executor.Executor, validation_split=0.2)


def test_a_model_without_input_layer():
    models, x = [make(built=False), make(built=False)], csr()
    for model, rows in zip(models, (x, x.toarray()), strict=True):
        model.fit(rows, Y, verbose=0)
    assert state(models[0]) == state(models[1])
    assert make().predict([x]).shape == (ROWS, 3)


def test_calls_and_single_batches():
    x, dense = csr(), csr().toarray()
    models = [make(), make()]
    logs = [[model.train_on_batch(rows, Y), model.evaluate(rows, Y, steps=2, verbose=0), model(rows).tobytes(),
             model(rows, training=True).tobytes(), model(rows, out=np.empty((ROWS, 3), np.float32)).tobytes(),
             {name: value.tobytes() for name, value in model.activations(rows).items()},
             {name: value.tobytes() for name, value in model.gradients(rows, Y).items()},
             str(nn.diagnose(model, rows, Y, max_rows=40))]
            for model, rows in zip(models, (x, dense), strict=True)]
    assert logs[0] == logs[1]
    assert state(models[0]) == state(models[1])


def two_inputs():
    a, b = nn.Input((WIDTH,), name="a"), nn.Input((7,), name="b")
    model = nn.Model([a, b], Dense(3)(nn.layers.Concatenate()([Dense(5, "tanh")(a), Dense(4, "tanh")(b)])), seed=1)
    model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_each_input_may_be_sparse():
    a, b = csr(), csr(width=7, seed=2)
    found = []
    for x in ([a, b], {"a": a, "b": b.toarray()}, [a.toarray(), b], [a.toarray(), b.toarray()]):
        model = two_inputs()
        history = model.fit(x, Y, epochs=2, verbose=0, validation_split=0.2).history
        found.append((history, state(model), model.predict(x).tobytes(), model.evaluate(x, Y, verbose=0)))
    assert all(one == found[-1] for one in found)


def test_rows_that_the_core_does_not_gather(monkeypatch):
    """Where another array of a run must be taken by NumPy, a batch at a time, so are the rows of the matrix."""
    monkeypatch.setattr(Trainable, "_gatherable", lambda self, data: False)
    model, x = make(), csr()
    model.fit(x, Y, epochs=3, verbose=0)
    found = state(model), model.evaluate(x, Y, verbose=0), model.predict(x).tobytes()
    monkeypatch.undo()
    model, x = make(), x.toarray()
    model.fit(x, Y, epochs=3, verbose=0)
    assert found == (state(model), model.evaluate(x, Y, verbose=0), model.predict(x).tobytes())


def test_batches_that_are_sparse():
    x = csr()
    rows = as_sparse_rows(x, "fit", "x", np.dtype("float64"))

    def part(place):
        taken = rows[place]
        return Csr(taken.starts - taken.starts[0], taken.columns[taken.starts[0] :], taken.values[taken.starts[0] :],
                   taken.shape, True)

    places = [slice(first, first + 16) for first in range(0, ROWS, 16)]
    models = [make(), make()]
    models[0].fit([(part(place), Y[place]) for place in places].__iter__(), verbose=0)
    models[1].fit(x.toarray(), Y, 16, verbose=0, shuffle=False)
    assert state(models[0]) == state(models[1])
    assert models[0].predict(iter([(part(place),) for place in places])).tobytes() == models[1].predict(x).tobytes()


# ---------------------------------------------------------------- never dense
def test_the_matrix_is_never_dense():
    x = csr(rows=8000, width=3000, most=4)
    y = np.arange(8000) % 3
    model = make(width=3000)
    model.predict(x)
    tracemalloc.start()
    model.fit(x, y, verbose=0, validation_data=(x, y))
    model.evaluate(x, y, verbose=0)
    model.predict(x, batch_size=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8000 * 3000 * 4 / 1.5


# ---------------------------------------------------------------- whose arrays they are
def test_a_matrix_stays_as_it_is():
    x = csr("float32", sort=False, most=40)
    before = [array.copy() for array in (x.indptr, x.indices, x.data)]
    make().fit(x, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, (x.indptr, x.indices, x.data), strict=True))


@pytest.mark.parametrize("columns", ["int32", "int64"])
def test_arrays_that_somebody_changes_meanwhile(columns):
    """Starts and column numbers index memory; the latter are read where they lie, and looked at each time."""
    x = csr("float32", columns=columns)

    def spoil(epoch, logs):
        x.indptr[::2], x.indptr[1::2] = 0, np.iinfo(columns).max
        x.indices[:] = [np.iinfo(columns).max, np.iinfo(columns).min][epoch % 2]
        gc.collect()

    model, empty = make(), make()
    model.fit(x, Y, epochs=3, verbose=0, callbacks=LambdaCallback(on_epoch_begin=spoil))
    empty.fit(csr(most=0), Y, epochs=3, verbose=0)
    assert state(model) == state(empty)


def test_a_matrix_that_only_fit_holds():
    model, twin = make(), make()
    model.fit(csr("float32"), Y, epochs=3, verbose=0, callbacks=LambdaCallback(
        on_epoch_begin=lambda epoch, logs: gc.collect()))
    twin.fit(csr("float32").toarray(), Y, epochs=3, verbose=0)
    assert state(model) == state(twin)


def test_ctrl_c():
    x, model, twin = csr(), make(), make()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, Y, 40, epochs=10**7, verbose=0, shuffle=False)
    timer.join()
    done = model.optimizer.iterations
    dense = x.toarray()
    if done >= 3:
        twin.fit(dense, Y, 40, epochs=done // 3, verbose=0, shuffle=False)
    for first in (0, 40, 80)[: done % 3]:
        twin.train_on_batch(dense[first : first + 40], Y[first : first + 40])
    assert done > 0
    assert state(model) == state(twin)


# ---------------------------------------------------------------- what cannot be
def flawed(**changes):
    x = csr()
    for name, value in changes.items():
        setattr(x, name, value)
    return x


def with_values(value, dtype="float64"):
    x = csr(dtype)
    x.data[x.indptr[11] + 1] = value
    return x


def test_errors_are_those_of_dense_arrays():
    model = make()
    nan, inf, large = with_values(np.nan), with_values(-np.inf), with_values(1e300)
    narrow = csr(width=4, most=2)
    line = Csr(np.array([0, 1]), np.array([0]), np.ones(1), (3,))
    line.toarray = lambda: np.array([1.0, 0, 0])
    cases = [(nan, nan.toarray()), (inf, inf.toarray()), (large, large.toarray()), (narrow, narrow.toarray()),
             (line, line.toarray()), (csr("complex64"), csr("complex64").toarray()),
             (Csr(np.zeros(ROWS + 1, int), np.zeros(0, int), np.zeros(0, object), (ROWS, WIDTH)),
              np.zeros((ROWS, WIDTH), object)), (csr(rows=0), np.zeros((0, WIDTH))),
             (csr(rows=5, most=2), np.zeros((5, WIDTH)))]
    for sparse, dense in cases:
        messages = []
        for x in (sparse, dense):
            with pytest.raises((ValueError, TypeError)) as caught:
                model.fit(x, Y, verbose=0)
            messages.append((caught.type, str(caught.value)))
        assert messages[0] == messages[1]
        assert "\n" not in messages[0][1]
    x = with_values(np.nan).toarray()
    assert np.array_equal(model.predict(with_values(np.nan)), model.predict(x), equal_nan=True)
    with pytest.raises(ValueError, match=r"fit: validation_data\[0\] holds nan at row 11, column \d+, but wants"):
        model.fit(csr(), Y, verbose=0, validation_data=(nan, Y))


def test_what_takes_no_sparse_matrix_says_so():
    x = csr()
    square = nn.Sequential([nn.Input((6, 5)), nn.layers.Flatten(), Dense(3)])
    ids = nn.Sequential([nn.Input((WIDTH,), dtype="int64"), nn.layers.Embedding(9, 2), nn.layers.Flatten(), Dense(3)])
    floats = nn.Sequential([nn.Input((WIDTH,), dtype="float32"), nn.layers.Embedding(9, 2), nn.layers.Flatten()])
    cube = flawed(shape=(ROWS, 6, 5))
    model = make()
    for call, message in (
        (lambda: square.predict(x), r"predict: x is sparse, but the input has shape \(None, 6, 5\); only inputs of"),
        (lambda: ids.predict(x), "predict: x is sparse, but the input takes whole numbers"),
        (lambda: floats.predict(x), "predict: x is sparse, but layer 'embedding.*' takes ids from it; give a dense"),
        (lambda: model.predict(cube), r"predict: x is sparse and has shape \(83, 6, 5\); sparse inputs have two axes"),
        (lambda: model.fit(x, Y, verbose=0, augment=nn.data.augment.noise(0.1)), "fit: augment works on dense arrays"),
        (lambda: model.fit(iter([(x, Y)]), verbose=0, augment=nn.data.augment.noise(0.1)),
         "fit: batch 1: augment works on dense arrays"),
        (lambda: nn.layers.Normalization().adapt(x), "adapt: data is sparse, but Normalization works on dense arrays"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_arrays_that_are_no_csr():
    model, x = make(), csr()
    backwards = x.indptr.copy()
    backwards[5] = backwards[-1] + 1
    for wrong, message in (
        (flawed(indptr=x.indptr[:-1]), "its indptr does not fit"), (flawed(indptr=backwards), "its indptr does not fit"),
        (flawed(indptr=x.indptr - 1), "its indptr does not fit"), (flawed(data=x.data[:-1]), "its indptr does not fit"),
        (flawed(indices=x.indices + WIDTH), "its indices are 30 ... 59"), (flawed(indices=x.indices - 1), "are -1 ... 28"),
    ):
        with pytest.raises(ValueError, match=rf"predict: x is no CSR matrix of shape \(83, 30\): .*{message}"):
            model.predict(wrong)


# ---------------------------------------------------------------- products with what is stored
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 2, 7, 8, 9, 16, 23, 25, 31, 49, 70, 130, 250])
def test_products_with_what_is_stored_are_those_with_all(units, dtype, n_threads):
    rng = np.random.default_rng(units)
    for rows, width, batch, stored, optimizer, bias in (
            (1, 1, 1, 0.0, "sgd", True), (64, 9, 7, 0.1, "adam", True), (230, 61, 200, 0.15, "sgd", False),
            (700, 17, 512, 0.1, "adam", True), (1300, 40, 1100, 0.02, "sgd", True)):
        x = (rng.normal(size=(rows, width)) * (rng.random((rows, width)) < stored)).astype(dtype)
        x[rows // 2] = 0
        y = rng.normal(size=(rows, 3)).astype(dtype)
        models = []
        for given in (x, compressed(x)):
            model = nn.Sequential([nn.Input((width,), dtype=dtype), Dense(units, "relu", use_bias=bias, dtype=dtype),
                                   Dense(3, dtype=dtype)], seed=1)
            model.compile(optimizer, "mse")
            with nn.limit_threads(n_threads):
                history = model.fit(given, y, batch_size=batch, epochs=2, verbose=0).history
                models.append((*model.get_weights(), model.predict(given), np.array(history["loss"])))
        for all_numbers, those_stored in zip(*models, strict=True):
            assert all_numbers.tobytes() == those_stored.tobytes()


@pytest.mark.parametrize("stored, listed", [(2, True), (20, False)])
def test_only_where_little_is_stored_the_rest_is_left_out(stored, listed, monkeypatch):
    used = []
    lower = executor.Bound._lower

    def spy(self, *arguments):
        table = lower(self, *arguments)
        used.extend(core.KERNELS[kernel] for kernel in self.all_ops["kernel"])
        return table

    monkeypatch.setattr(executor.Bound, "_lower", spy)
    x = csr(most=stored)
    model = make()
    model.fit(x, Y, verbose=0)
    model.predict(x)
    assert listed == ("sparse_dense_forward" in used) == ("sparse_dense_backward_params" in used)
    assert listed == ("gather_sparse" not in used)


def test_an_input_that_others_read_too_is_written_out():
    x = csr()
    inputs = nn.Input((WIDTH,))
    outputs = nn.layers.Concatenate()([Dense(4, "tanh")(inputs), inputs])
    results = []
    for given in (x, x.toarray()):
        model = nn.Model(inputs, Dense(3)(outputs), seed=2)
        model.set_weights([np.full(weight.shape, 0.1) for weight in model.get_weights()])
        model.compile("sgd", "mse")
        model.fit(given, RNG.normal(size=(ROWS, 3)) * 0 + 1, verbose=0)
        results.append([*model.get_weights(), model.predict(given)])
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("columns_dtype", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_that_there_are_not_are_left_out(dtype, columns_dtype):
    """The arrays are the user's, who may write to them after they were checked."""
    rng = np.random.default_rng(3)
    starts = np.arange(0, 41, 4)
    columns = rng.integers(-3, 12, 40).astype(columns_dtype)
    columns[::6] = np.iinfo(columns_dtype).max
    values = rng.normal(size=40).astype(dtype)
    counts, where, found = np.zeros(10, np.int32), np.full((10, 4), -1, np.int32), np.zeros((10, 4), dtype)
    order = rng.permutation(10)
    table = np.zeros(1, executor.OP)
    table["kernel"], table["is_double"] = executor.KERNEL["gather_lists"], dtype == "float64"
    table["p"][0, :6] = [core.address(array) for array in (starts, columns, values, counts, where, found)]
    table["n"][0, :3] = 9, columns_dtype == "int64", 4
    core.run_program(table, order, 10, 10, np.zeros(1, np.int64), None, 0, None, 1e9, 2, np.zeros(0, np.uint8), 0)
    for row, sample in enumerate(order):
        part = slice(4 * sample, 4 * sample + 4)
        kept = (columns[part] >= 0) & (columns[part] < 9)
        assert counts[row] == kept.sum()
        assert where[row, : counts[row]].tolist() == columns[part][kept].tolist()
        assert found[row, : counts[row]].tolist() == values[part][kept].tolist()


def test_an_array_of_few_numbers_is_compressed():
    x = np.zeros((200, 11))
    x[::3, 4], x[5, 0], x[7, 10] = 2.5, -0.0, np.nan
    found = compressed(x)
    assert isinstance(found, SparseRows) and len(found.values) >= 68
    np.testing.assert_array_equal(found.toarray(), x)
    x[:, :3] = 1
    assert compressed(x) is x
    x[...] = 0
    x[1::4] = 1  # a sample of the rows would not see it
    assert compressed(x) is x


def test_parts_of_rows():
    rows = as_sparse_rows(csr(), "fit", "x", np.dtype("float32"))
    dense = rows.toarray()
    for place in (slice(3, 20), slice(None), slice(70, 200), slice(9, 4), np.array([5, 0, 82, 5]), np.zeros(0, int)):
        assert isinstance(rows[place], SparseRows)
        assert np.array_equal(rows[place].toarray(), dense[place])
        assert np.array_equal(rows[2:][place].toarray() if isinstance(place, slice) else dense[2:], dense[2:][place]
                              if isinstance(place, slice) else dense[2:])
    assert np.shares_memory(rows[3:20].values, rows.values)


# ---------------------------------------------------------------- SciPy's own
@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("format", FORMATS)
def test_formats_of_scipy(format, kind):
    sparse = pytest.importorskip("scipy.sparse")
    if not hasattr(sparse, "coo_array"):
        pytest.skip("a SciPy without sparse arrays")
    given = getattr(sparse, f"csr_{kind}")(csr().toarray())
    assert_like_dense(given.asformat(format), validation_data=lambda x: (x, Y))
    assert_like_dense(given.astype("int16").asformat(format))


def test_what_coo_of_scipy_holds_twice():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(4)
    rows, columns = rng.integers(0, ROWS, 2000), rng.integers(0, WIDTH, 2000)
    for dtype in ("bool", "int8", "int32"):  # of floats the order of sums is SciPy's
        x = sparse.coo_matrix((rng.integers(-9, 99, 2000).astype(dtype), (rows, columns)), shape=(ROWS, WIDTH))
        assert_like_dense(x)
        assert len(x.data) == 2000
    twice = sparse.coo_matrix((rng.normal(size=2 * ROWS), (np.tile(np.arange(ROWS), 2), np.full(2 * ROWS, 3))),
                              shape=(ROWS, WIDTH))
    assert_like_dense(twice)


# ---------------------------------------------------------------- threads
@pytest.mark.parametrize("loss", ["softmax", "linear"])
def test_threads_meet_before_what_all_rows_go_into(loss):
    """Few steps are too short to show it: the table says where threads wait for each other."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 40)) * (rng.random((600, 40)) < 0.1)
    for given in (x, compressed(x)):
        model = nn.Sequential([nn.Input((40,), dtype="float64"), Dense(3, loss, dtype="float64")])
        model.compile("sgd", "mse")
        model.fit(given, rng.normal(size=(600, 3)), batch_size=300, verbose=0)
        (plan,) = (plan for plans in model._plans.values() for plan in plans if "dense_backward_params" in
                   [op.kernel for op in plan.executor.program.ops])
        table = plan.executor.bind(plan.feeds(model._feeds("fit", given, np.zeros((600, 3)), None))).table
        names = [core.KERNELS[kernel] for kernel in table["kernel"]]
        (place,) = (place for place, name in enumerate(names) if name.endswith("dense_backward_params"))
        assert names[place].startswith("sparse_") == isinstance(given, SparseRows)
        assert table["meet"][place - 1] == 3, names


def test_two_threads_give_the_bits_of_one_over_many_steps():
    rng = np.random.default_rng(0)
    x = compressed(rng.normal(size=(4096, 300)) * (rng.random((4096, 300)) < 0.1))
    y = rng.normal(size=(4096, 3))
    found = []
    for n_threads in (1, 2):
        model = nn.Sequential([nn.Input((300,), dtype="float64"), Dense(3, "tanh", dtype="float64")], seed=1)
        model.compile("sgd", "mse")
        with nn.limit_threads(n_threads):
            model.fit(x, y, batch_size=1024, epochs=60, shuffle=False, verbose=0)
        found.append(model.get_weights()[0].tobytes())
    assert found[0] == found[1]
