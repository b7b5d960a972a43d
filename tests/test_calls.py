"""model(x): what it takes, whatever happened to the model before, and the bits that it shares with predict."""

import copy
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from test_guard import guarded

import nncore as nn
from nncore import executor, training
from nncore.layers import Activation, Dense

DTYPES = ("float32", "float64")


def make(dtype="float32", widths=(7, 20, 5), activation="gelu", last="softmax"):
    layers = [nn.Input(widths[:1]), *(Dense(n, activation, dtype=dtype) for n in widths[1:-1])]
    model = nn.Sequential([*layers, Dense(widths[-1], last, dtype=dtype)], seed=4)
    model.compile(nn.optimizers.SGD(0.05, 0.9), "mse")
    return model


def inputs(n, width=7, dtype="float32"):
    return np.random.default_rng([n, width]).normal(size=(n, width)).astype(dtype)


def short(model, width=7):
    """The model, once it has its table for few rows."""
    model(inputs(1, width, model.layers[0].dtype))
    assert model._short, "else nothing is tried here"
    return model


def without_short(model, x):
    """What the ordinary path gives."""
    kept, model._short = model._short, ()
    try:
        return model(x)
    finally:
        model._short = kept


# Bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [(1, 1, 1), (7, 20, 5), (3, *[2] * 20, 1), (31, 96, 97), (64, 150, 17), (1024, 50, 3), (2048, 200, 10)])
def test_a_row_has_the_same_bits_whoever_asks(widths, dtype):
    """Alone, among others, into an array, through predict; the metrics of evaluate are those of its outputs."""
    for activation, last in (("gelu", "softmax"), ("relu", None), ("tanh", "sigmoid")):
        model, x = make(dtype, widths, activation, last), inputs(300, widths[0], dtype)
        first = model(x[:1])
        want = model.predict(x, 7)
        assert first.tobytes() == want[:1].tobytes(), "the first call, which is longer"
        for n in (1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 64, 257, 300):
            assert model(x[:n]).tobytes() == want[:n].tobytes(), n
            assert model(x[-n:]).tobytes() == want[-n:].tobytes(), n
            out = np.full((n, widths[-1]), np.nan, dtype)
            assert model(x[:n], out=out) is out and out.tobytes() == want[:n].tobytes(), n
            assert model.predict(x[:n], n).tobytes() == want[:n].tobytes(), n
        assert b"".join(model(x[i : i + 1]).tobytes() for i in range(20)) == want[:20].tobytes()
        # mse against the outputs themselves is 0 to the bit only if evaluate sees the same ones
        assert model.evaluate(x, want, verbose=0) == 0
        assert model.evaluate(x[:1], want[:1], verbose=0) == 0


def test_subnormal_outputs_in_a_call_of_few_rows():
    model = nn.Sequential([nn.Input((3,)), Dense(2)], seed=1)
    tiny = np.finfo("f4").smallest_subnormal
    x = np.array([[tiny, 3 * tiny, -9 * tiny]], "f4")
    model.set_weights([np.ones((3, 2)), np.zeros(2)])
    model(x)
    assert (short(model, 3)(x) == -5 * tiny).all()


# What it takes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 32, 33, 300, 2000])
@pytest.mark.parametrize(("width", "last"), [(4, None), (20, None), (60, None), (150, "gelu"), (20, "softmax")])
def test_out_may_lie_over_x(width, last, rows):
    model = short(make(widths=(width, width), last=last), width)
    x = inputs(rows, width)
    want = model(x)
    for shift in (0, 1, width, width // 2):
        memory = np.zeros((rows + 1) * width, "f4")
        here, there = (memory[at : at + rows * width].reshape(rows, width) for at in (0, shift))
        for source, to in ((here, there), (there, here)):
            source[...] = x
            assert model(source, out=to) is to
            assert to.tobytes() == want.tobytes(), shift


@pytest.mark.parametrize("is_short", [True, False])
def test_an_out_that_does_not_fit_is_refused(is_short):
    model, x = short(make()), inputs(2)
    if not is_short:
        model._short = ()
    read_only = np.zeros((2, 5), "f4")
    read_only.flags.writeable = False
    unaligned = np.zeros(2 * 5 * 4 + 1, np.uint8)[1:].view("f4").reshape(2, 5)
    for out in (np.zeros((2, 5)), np.zeros((2, 5), "f2"), np.zeros((2, 5), ">f4"), np.zeros((2, 5), "i4"), np.zeros((2, 4), "f4"),
                np.zeros((1, 5), "f4"), np.zeros((3, 5), "f4"), np.zeros(10, "f4"), np.zeros((1, 2, 5), "f4"), np.zeros((2, 10), "f4")[:, ::2],
                np.zeros((5, 2), "f4").T, read_only, unaligned, [[0.0] * 5] * 2, 1, "out", bytearray(40)):
        before = out.tobytes() if isinstance(out, np.ndarray) else None
        with pytest.raises(ValueError, match="out must be a writable C-contiguous float32 array of shape"):
            model(x, out=out)
        assert before is None or out.tobytes() == before


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_of_every_kind(dtype):
    """Lists, other types, byte orders, strides, alignments: converted, and then as any other."""
    model, other = short(make(dtype)), {"float32": "float64", "float64": "float32"}[dtype]
    base = np.random.default_rng(0).integers(-9, 9, (3, 7)).astype(dtype)
    want = model(base)
    shifted = np.zeros(base.nbytes + 1, np.uint8)[1:].view(dtype).reshape(3, 7)
    shifted[...] = base
    locked = base.copy()
    locked.flags.writeable = False
    spread = np.zeros((6, 14), dtype)
    spread[::2, ::2] = base
    kinds = [base.tolist(), tuple(map(tuple, base.tolist())), base.astype(other), base.astype(int), base.astype(base.dtype.newbyteorder()),
             np.asfortranarray(base), shifted, locked, spread[::2, ::2], base[::-1].copy()[::-1], base.view(type("Mine", (np.ndarray,), {}))]
    for x in kinds:
        got = model(x)
        assert type(got) is np.ndarray and got.dtype == dtype and got.tobytes() == want.tobytes(), x
        out = np.empty_like(want)
        assert model(x, out=out) is out and out.tobytes() == want.tobytes()
    assert model(base[:0]).shape == (0, 5) and model(np.empty((0, 7))).shape == (0, 5)
    assert model(np.full((1, 7), np.nan, dtype)).shape == (1, 5)
    for x in (base[:, :6], base[0], base[None], np.zeros((2, 8)), 3.0):
        with pytest.raises(ValueError, match=r"model\(x\)"):
            model(x)
    for x in (None, "text", base.astype(complex)):
        with pytest.raises((TypeError, ValueError), match=r"model\(x\)"):
            model(x)


def test_results_are_apart():
    """A result is the caller's: no later call writes into it."""
    model = short(make())
    results = [model(inputs(n)) for n in (1, 1, 2, 40)]
    kept = [result.copy() for result in results]
    for n in (1, 2, 40, 300):
        model(-inputs(n))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(results, kept, strict=True))
    assert len({result.ctypes.data for result in results}) == len(results)


def test_a_layer_in_numpy_is_not_prepared_anew_by_each_call(monkeypatch):
    class Twice(nn.layers.Layer):
        def call(self, x):
            return 2 * x

    model = nn.Sequential([nn.Input((3,)), Dense(4), Twice()], seed=1)
    want = model([[1, 2, 3]])
    monkeypatch.setattr(model, "_build_plan", None)
    assert model([[1, 2, 3]]).tobytes() == want.tobytes()
    for layers in ([nn.Input((3,))], [nn.Input((3,)), Activation("linear")], [nn.Input((3,)), Activation("softmax")]):
        model = nn.Sequential(layers)
        want = model.predict([[1, 2, 3]])
        for _ in range(3):
            assert model(np.array([[1, 2, 3]], "f4")).tobytes() == want.tobytes()


def test_more_weights_than_a_short_call_takes(monkeypatch):
    monkeypatch.setattr(training, "SHORT_WORK", 100)
    model = make()
    assert model(inputs(1)).tobytes() == model(inputs(1)).tobytes() == model.predict(inputs(1)).tobytes()
    assert model._short == ()


# What happened before ---------------------------------------------------------------------------------------


def changes():
    """What may be done to a model between two calls, by name."""
    x, y = inputs(40), np.random.default_rng(1).normal(size=(40, 5)).astype("f4")
    return {
        "set_weights": lambda model: model.set_weights([2 * w for w in model.get_weights()]),
        "layer.set_weights": lambda model: model.layers[0].set_weights([-w for w in model.layers[0].get_weights()]),
        "assign": lambda model: model.weights[0].assign(-model.weights[0].numpy()),
        "compile": lambda model: model.compile("adam", "mse"),
        "fit": lambda model: model.fit(x, y, 8, 1, 0),
        "fit, other optimizer": lambda model: (model.compile("adam", "mse"), model.fit(x, y, 8, 1, 0)),
        "momentum taken away": lambda model: (setattr(model.optimizer, "momentum", 0.0), model.fit(x, y, 8, 1, 0)),
        "train_on_batch": lambda model: model.train_on_batch(x, y),
        "predict": lambda model: model.predict(x),
    }


@pytest.mark.parametrize("name", changes())
def test_a_call_after(name):
    model, x = short(make()), inputs(3)
    for _ in range(2):
        before = model(x).tobytes()
        changes()[name](model)
        after = model(x)
        assert after.tobytes() == model.predict(x).tobytes() == without_short(model, x).tobytes()
        assert (after.tobytes() == before) == (name in ("compile", "predict"))
        short(model)
        assert model(x).tobytes() == after.tobytes()


def test_a_call_after_add():
    model, x = short(make()), inputs(3)
    model.add(Dense(9))
    assert model(x).shape == (3, 9)
    assert short(model)(x).tobytes() == model.predict(x).tobytes()
    model.add(Activation("relu"))
    assert model(x).tobytes() == short(model)(x).tobytes() == model.predict(x).tobytes()
    assert model(x).min() == 0


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle", "load"])
def test_a_twin_is_apart(how, tmp_path):
    model, x = short(make()), inputs(3)
    want = model(x)
    if how == "load":
        model.save(tmp_path / "m.safetensors")
        twin = nn.load_model(tmp_path / "m.safetensors")
    else:
        twin = pickle.loads(pickle.dumps(model)) if how == "pickle" else getattr(copy, how)(model)
    assert twin(x).tobytes() == want.tobytes() == short(twin)(x).tobytes()
    twin.set_weights([0 * w for w in twin.get_weights()])
    assert np.ptp(twin(x)) == 0 and model(x).tobytes() == want.tobytes()
    before = model.get_weights()
    model.fit(inputs(8), np.zeros((8, 5)), 8, 1, 0)
    assert (before[0] != model.get_weights()[0]).any() and model(x).tobytes() == model.predict(x).tobytes()
    assert np.ptp(twin(x)) == 0
    del model
    assert np.ptp(twin(x)) == 0


def test_a_model_of_the_reference_is_never_called_by_the_core():
    model = make()
    model.executor_class = nn.reference.executor.Executor
    model(inputs(1))
    assert not model._short
    np.testing.assert_allclose(model(inputs(1)), make()(inputs(1)), rtol=1e-5)


@pytest.mark.parametrize("how", ["predict", "evaluate", "fit", "call"])
def test_data_are_let_go(how):
    model = make()

    def work():
        x, y = inputs(100), np.zeros((100, 5), "f4")
        for _ in range(2):
            {"predict": lambda: model.predict(x), "evaluate": lambda: model.evaluate(x, y, verbose=0),
             "fit": lambda: model.fit(x, y, 16, 1, 0, validation_data=(x, y)), "call": lambda: model(x, out=y)}[how]()
        return weakref.ref(x), weakref.ref(y)

    assert all(reference() is None for reference in work())


def test_passes_over_other_data_in_turn():
    """A program that is bound again reads the new arrays, however many rows they have, and whatever failed before."""
    model = make()
    for n in (3, 300, 1, 40, 40, 1000, 2):
        x = inputs(n)
        want = without_short(make(), x)
        assert model.predict(x).tobytes() == want.tobytes() == model.predict(x, 2).tobytes()
        assert model.evaluate(x, want, verbose=0) == 0
        assert model.evaluate(x, want, verbose=0, sample_weight=np.ones(n)) == 0
        with pytest.raises(ValueError):
            model.predict(x[:, :3])
        with pytest.raises(ValueError):
            model.evaluate(x, want[:, :2], verbose=0)


# Threads ----------------------------------------------------------------------------------------------------


def test_calls_from_eight_threads_while_another_model_trains_and_this_one_is_read():
    """All share one table; each must get its own rows' outputs."""
    model, training_model = short(make(widths=(7, 50, 40, 5))), make(widths=(7, 100, 5))
    x = inputs(400)
    want, y = model.predict(x), np.zeros((400, 5), "f4")
    wrong, stop = [], threading.Event()

    def call(number):
        rng, out = np.random.default_rng(number), np.empty((40, 5), "f4")
        while not stop.is_set():
            first, n = int(rng.integers(0, 360)), int(rng.integers(1, 40))
            got = model(x[first : first + n], out=out[:n] if n % 2 else None)
            if got.tobytes() != want[first : first + n].tobytes():
                wrong.append((first, n))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            training_model.fit(x, y, 32, 10, 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_calls_while_the_model_itself_trains():
    """Weights move meanwhile: outputs are of no one moment, but finite, and right again at the end."""
    model, x = short(make()), inputs(400)
    y = np.zeros((400, 5), "f4")
    stop, wrong = threading.Event(), []

    def call():
        while not stop.is_set():
            got = model(x[:3])
            if not (np.isfinite(got).all() and np.allclose(got.sum(axis=1), 1, atol=1e-4)):
                wrong.append(got)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        model.fit(x, y, 16, 30, 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    alone = make()
    alone.fit(x, y, 16, 30, 0)
    assert [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in alone.get_weights()]
    assert model(x[:3]).tobytes() == alone.predict(x[:3]).tobytes()


# Memory -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect")
@pytest.mark.parametrize("side", ["start", "end"])
def test_models_stay_within_their_arrays(side):
    """x, out, targets and what fit is given lie against pages that may not be touched."""
    done = subprocess.run([sys.executable, __file__, side], capture_output=True, text=True, timeout=300)
    last = done.stdout.splitlines()[-1:] or ["nothing"]
    assert done.returncode == 0, f"at {last[0]}: exit code {done.returncode}\n{done.stderr}"
    assert last == ["done"]


def walk(side):
    """Reads and writes in place, of every size: the process dies where one goes astray."""
    original = executor._allocate

    def apart(program, batch_size):  # every buffer, weights and state too: within one arena nothing would be seen
        return [guarded(array, side) if array.size else array for array in original(program, batch_size)]

    executor._allocate = apart
    executor.aligned_empty = lambda n: guarded(np.full(n, 255, np.uint8), "end") if n else np.empty(0, np.uint8)  # scratch
    nn.set_num_threads(1)
    shapes = [(1, 1, 1), (3, 5, 2), (7, 17, 33), (16, 31, 47), (33, 49, 65), (64, 97, 113), (1024, 100, 3), (2048, 300, 5)]
    for dtype in DTYPES:
        for widths in shapes:
            for last in ("softmax", "relu", None):
                print(dtype, widths, last, flush=True)
                model = make(dtype, widths, "gelu", last)
                model.compile(nn.optimizers.Adam(0.01), "mse", metrics=["mae"])
                x = guarded(inputs(37, widths[0], dtype), side)
                y = guarded(np.zeros((37, widths[-1]), dtype), side)
                weight = guarded(np.ones(37, dtype), side)
                want = model.predict(np.array(x), 37)
                for n in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 37):
                    rows = guarded(np.array(x[:n]), side)
                    assert model(rows).tobytes() == want[:n].tobytes()
                    out = guarded(np.zeros((n, widths[-1]), dtype), side)
                    assert model(rows, out=out).tobytes() == want[:n].tobytes()
                    assert model.predict(rows, n).tobytes() == want[:n].tobytes()
                    model.evaluate(rows, y[:n], verbose=0)
                for batch_size in (16, 37, 5):
                    model.fit(x, y, batch_size, 1, 0, sample_weight=weight)
                model.evaluate(x, y, verbose=0, sample_weight=weight)
    print("done")


if __name__ == "__main__":
    walk(sys.argv[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 15, 40])
@pytest.mark.parametrize("kind", ["concatenate", "add", "machine", "machines", "residual", "output twice"])
def test_an_input_that_several_layers_read(kind, rows, dtype):
    """Calls for a few rows put the addresses of x and of the result wherever the program has them."""
    x, made = nn.Input((10,), dtype=dtype), {"dtype": dtype}
    layers = nn.layers
    outputs = {
        "concatenate": lambda: layers.Concatenate(**made)([layers.Dense(2, **made)(x), layers.Dense(1, **made)(x), x]),
        "add": lambda: layers.Add(**made)([layers.Dense(3, **made)(x), layers.Dense(3, "tanh", **made)(x)]),
        "machine": lambda: layers.FactorizationMachine(4, **made)(x),
        "machines": lambda: layers.Concatenate(**made)([layers.FactorizationMachine(4, **made)(x) for _ in range(3)]),
        "residual": lambda: layers.Add(**made)([x, layers.Dense(10, "relu", **made)(layers.Dense(4, **made)(x))]),
        "output twice": lambda: layers.Multiply(**made)([x, x]),
    }[kind]()
    model = nn.Model(x, outputs, seed=1)
    rng = np.random.default_rng(0)
    for _ in range(4):  # from the second call on the short way is taken
        given = rng.normal(size=(rows, 10)).astype(dtype)
        assert model(given).tobytes() == model.predict(given).tobytes()
