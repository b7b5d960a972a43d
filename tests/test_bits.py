"""Whole training runs give the same bytes: on any number of threads, on v3 and v4, whatever batch a row came in.

Run as a script this file is the worker: OpenMP and the instruction set must be told before the core loads.
"""

import ctypes
import mmap
import os
import platform
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

import nncore as nn
from nncore import executor
from nncore._core import core, isa_available
from nncore.layers import Dense

DTYPES = ("float32", "float64")
SGD, Adam, AdamW = nn.optimizers.SGD, nn.optimizers.Adam, nn.optimizers.AdamW
# name: width, hidden layers, outputs, activation, loss, batch size, optimizer (anew each time)
RUNS = {
    "odd widths": (7, (13, 31), 5, "gelu", "sparse_categorical_crossentropy", 7, lambda: SGD(0.1, 0.9)),
    "one output": (3, (17,), 1, "tanh", "binary_crossentropy", 7, lambda: SGD(0.1, 0.9, nesterov=True)),
    "one input": (1, (1,), 1, "softplus", "mse", 1, lambda: SGD(0.1)),
    "deep and narrow": (
        4,
        (3,) * 9,
        2,
        "elu",
        "categorical_crossentropy",
        7,
        lambda: SGD(0.1, 0.5, weight_decay=0.01),
    ),
    "wide and shallow": (
        301,
        (530,),
        10,
        "relu",
        "sparse_categorical_crossentropy",
        65,
        lambda: SGD(0.05, 0.9, True, 0.001),
    ),
    "a batch in chunks": (9, (33,), 18, "silu", "mse", 1100, lambda: SGD(0.1, weight_decay=0.1)),
    "adam": (7, (13, 31), 5, "gelu", "sparse_categorical_crossentropy", 7, lambda: Adam(0.01)),
    "adamw, clipped": (70, (131,), 3, "relu", "mse", 33, lambda: AdamW(0.01, 0.1, global_clipnorm=0.3)),
    "amsgrad": (4, (9, 5), 2, "tanh", "mse", 7, lambda: Adam(0.02, 0.7, 0.9, 1e-3, True, 0.01)),
    "panels of every width": (20, (31, 48, 63, 112), 3, "relu", "mse", 16, lambda: SGD(0.05, 0.9)),
    "pages apart": (1024, (101,), 10, "relu", "sparse_categorical_crossentropy", 40, lambda: Adam(0.01)),
    "pages apart, twice": (2048, (1024,), 2, "elu", "mse", 24, lambda: SGD(0.01, 0.9)),
    "adam in chunks": (1024, (65,), 3, "gelu", "mse", 600, lambda: AdamW(0.01, 0.1)),
    "softmax inside": (7, (13, 31), 5, "softmax", "mse", 65, lambda: Adam(0.01)),
    "one output in chunks": (300, (65, 1), 1, "gelu", "mse", 600, lambda: Adam(0.01)),
    "adamax": (20, (63,), 3, "relu", "mse", 16, lambda: nn.optimizers.Adamax(0.01, weight_decay=0.01)),
    "nadam, accumulated": (7, (31,), 5, "tanh", "mse", 7,
                           lambda: nn.optimizers.Nadam(0.01, gradient_accumulation_steps=3, clipnorm=0.2)),
    "rmsprop": (20, (50,), 3, "relu", "mse", 16, lambda: nn.optimizers.RMSprop(nn.schedules.CosineDecay(0.01, 9), 0.8, 0.5,
                                                                               1e-4, True)),
    "adagrad": (4, (9, 5), 2, "tanh", "mse", 7, lambda: nn.optimizers.Adagrad(0.1, clipvalue=0.05)),
    "adadelta": (4, (9, 5), 2, "tanh", "mse", 7, lambda: nn.optimizers.Adadelta(1.0)),
    "lion, averaged": (20, (63,), 3, "silu", "mse", 16,
                       lambda: nn.optimizers.Lion(nn.schedules.ExponentialDecay(0.01, 3, 0.5), use_ema=True)),
    "ftrl": (9, (33,), 18, "elu", "mse", 16, lambda: nn.optimizers.Ftrl(0.1, -0.3, 0.2, 0.001, beta=0.1)),
    "lamb": (300, (131,), 3, "relu", "mse", 33, lambda: nn.optimizers.Lamb(0.01, weight_decay=0.1)),
    "penalties per sample": (20, (63,), 3, "relu", "mse", 16, lambda: SGD(0.1, 0.9)),
    "sgd, clipped": (70, (131,), 3, "silu", "mse", 33, lambda: SGD(0.1, 0.9, global_clipnorm=0.3)),
}
LAST = {
    "sparse_categorical_crossentropy": "softmax",
    "categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
    "mse": None,
}


def data(name, dtype):
    width, _, outputs, _, loss, batch_size, _ = RUNS[name]
    rng = np.random.default_rng(len(name))
    samples = 2 * batch_size + 3
    x = rng.normal(size=(samples, width)).astype(dtype)
    if loss.startswith("sparse"):
        return x, rng.integers(0, outputs, samples)
    return x, rng.dirichlet(np.ones(outputs + 1), samples)[:, :outputs].astype(dtype)


def make(name, dtype):
    width, hidden, outputs, activation, loss, _, optimizer = RUNS[name]
    penalty = nn.regularizers.L1L2(0.1, 0.2, per_sample=True) if "penalties" in name else None
    layers = [
        *(Dense(units, activation, kernel_regularizer=penalty, dtype=dtype) for units in hidden),
        Dense(outputs, LAST[loss], dtype=dtype),
    ]
    model = nn.Sequential([nn.Input((width,)), *layers], seed=5)
    model.compile(optimizer(), loss, metrics=["mse" if not loss.startswith("sparse") else "accuracy"])
    return model


def train(name, dtype, state=nullcontext):
    """All that a run makes: weights, the optimizer's state, history, outputs; `state` is entered for it."""
    model, (x, y) = make(name, dtype), data(name, dtype)
    weight = np.linspace(0.5, 1.5, len(x)).astype(dtype)
    with state():
        history = model.fit(x, y, RUNS[name][5], 3, 0, validation_split=0.1, sample_weight=weight)
        predicted, called = model.predict(x), [model(x[:1]), model(x[:1]), model(x[:3])]  # the first one is longer
        evaluated = model.evaluate(x, y, verbose=0)
    found = {weight.name: weight.numpy() for weight in [*model.weights, *model._slots]}
    found |= {"predict": predicted, "call": np.concatenate(called)}
    means = {**history.history, "evaluate": evaluated}
    return found | {f"mean {key}": np.array(values) for key, values in means.items()}


def train_all():
    return {
        f"{dtype}/{name}/{key}": value
        for dtype in DTYPES
        for name in RUNS
        for key, value in train(name, dtype).items()
    }


def assert_same(a, b, label):
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].tobytes() == b[key].tobytes(), f"{label}: {key}"


def worker(path):
    """Train on each number of threads, however small the work, and store what comes out."""
    call = executor.Bound.__call__
    results = []
    counts = [int(n) for n in os.environ["TEST_THREADS"].split(",")]
    for n in counts:

        def forced(self, *arguments, n_threads=0, n=n, **keywords):
            return call(self, *arguments[:6], n_threads=n, **keywords)  # the seventh is n_threads

        executor.Bound.__call__ = forced
        results.append(train_all())
    for n, result in zip(counts[1:], results[1:], strict=True):
        assert_same(result, results[0], f"{n} threads against {counts[0]}")
    np.savez(path, **{key.replace("/", "|"): value for key, value in results[0].items()})


def run_worker(path, **environment):
    # a waiting thread sleeps, since there may be fewer processors than threads
    whole = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_DYNAMIC": "false", **environment}
    whole.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run(
        [sys.executable, __file__, str(path)], env=whole, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as loaded:
        return {key.replace("|", "/"): loaded[key] for key in loaded}


@pytest.fixture(scope="module")
def here():
    return train_all()


def test_the_same_run_twice(here):
    assert_same(train_all(), here, "a second run")


def test_threads(here, tmp_path):
    threads = "1,2,3,4" if core.has_openmp else "1"
    assert_same(
        run_worker(tmp_path / "t.npz", OMP_NUM_THREADS="4", TEST_THREADS=threads), here, "another process"
    )


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_instruction_sets(here, tmp_path, level):
    if isa_available().get(level) or nn.config_info()["isa"] not in ("v3", "v4"):
        pytest.skip(f"{level}: {isa_available().get(level) or 'this process runs another build'}")
    assert_same(run_worker(tmp_path / "l.npz", NNCORE_ISA=level, TEST_THREADS="1"), here, level)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_a_row_does_not_depend_on_its_batch(name, dtype):
    model, (x, _) = make(name, dtype), data(name, dtype)
    x = x[:300]
    whole = model.predict(x)
    for batch_size in (1, 2, 7, 64, 65, len(x), 10**6):
        assert model.predict(x, batch_size).tobytes() == whole.tobytes(), batch_size
    for row in (0, 1, len(x) // 2, len(x) - 1):
        assert model(x[row : row + 1]).tobytes() == whole[row : row + 1].tobytes(), row
    for first, rows in ((0, 2), (1, 3), (2, len(x) - 2), (0, len(x) - 1)):
        assert model(x[first : first + rows]).tobytes() == whole[first : first + rows].tobytes(), (
            first,
            rows,
        )
    assert model.predict(x[::-1]).tobytes() == np.ascontiguousarray(whole[::-1]).tobytes()


def test_evaluate_does_not_depend_on_verbosity_or_on_who_asked_before():
    name, dtype = "odd widths", "float32"
    x, y = data(name, dtype)
    model = make(name, dtype)
    first = model.evaluate(x, y, verbose=0)
    model.predict(x)
    model(x[:1])
    assert model.evaluate(x, y, verbose=0) == first


@pytest.fixture
def mxcsr():
    """Two functions: read and write the floating-point control of this thread."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("MXCSR is of x86-64")
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError as error:
        pytest.skip(f"no executable memory: {error}")
    page.write(bytes.fromhex("0fae1fc3"))  # stmxcsr [rdi]; ret
    page.write(bytes.fromhex("0fae17c3"))  # ldmxcsr [rdi]; ret
    handle = ctypes.c_char.from_buffer(page)
    kind = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint32))
    store, load = kind(ctypes.addressof(handle)), kind(ctypes.addressof(handle) + 4)

    def read():
        value = ctypes.c_uint32()
        store(ctypes.byref(value))
        return value.value

    def write(value):
        load(ctypes.byref(ctypes.c_uint32(value)))

    before = read()
    yield read, write
    write(before)
    del handle


FLUSH = 0x8040  # flush to zero, denormals are zero
UPWARDS, TOWARDS_ZERO = 0x4000, 0x6000


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["one output", "adam", "adamw, clipped", "panels of every width", "a batch in chunks"])
def test_runs_under_a_poisoned_floating_point_state(mxcsr, here, name, dtype):
    read, write = mxcsr
    clean = read()

    def poisoned(bits):
        @contextmanager
        def state():
            write(clean | bits)
            try:
                yield
                assert read() & 0xFFC0 == (clean | bits) & 0xFFC0, "the caller's state, afterwards"
            finally:
                write(clean)

        return state

    want = {key.removeprefix(f"{dtype}/{name}/"): value for key, value in here.items() if key.startswith(f"{dtype}/{name}/")}
    for bits in (FLUSH, TOWARDS_ZERO, FLUSH | UPWARDS):
        got = train(name, dtype, poisoned(bits))
        assert got.keys() == want.keys()
        assert_same(got, want, f"{bits:#x}")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_floating_point_state_of_the_caller(mxcsr, dtype, threads):
    """Another library may leave flush-to-zero on; the run must not see it, and must leave it as it was."""
    read, write = mxcsr
    tiny = np.finfo(dtype).smallest_subnormal
    nn.set_num_threads(threads)
    try:
        results = []
        for poison in (0, FLUSH, FLUSH | TOWARDS_ZERO):
            model = nn.Sequential(
                [nn.Input((4,)), Dense(40, dtype=dtype), Dense(3, "softmax", dtype=dtype)], seed=1
            )
            model.compile(SGD(0.5, 0.9), "sparse_categorical_crossentropy")
            rng = np.random.default_rng(1)
            x, y = rng.normal(size=(64, 4)).astype(dtype), rng.integers(0, 3, 64)
            small = rng.integers(-9, 10, (64, 4)).astype(dtype) * tiny
            model.build(4)
            model.set_weights([w * 3 if w.ndim == 2 else w for w in model.get_weights()])
            clean = read()
            write(clean | poison)
            try:
                model.fit(x, y, 16, 2, 0, shuffle=False)
                linear = model.layers[0].kernel  # an output of subnormal numbers: flushed, it would be 0
                out = nn.kernels.dense_forward(small, linear.numpy())
                predicted = model.predict(x)
                assert read() & 0xFFC0 == (clean | poison) & 0xFFC0
            finally:
                write(clean)
            assert np.count_nonzero(out) > out.size // 2
            results.append(
                {"out": out, "predict": predicted}
                | {w.name: w.numpy() for w in [*model.weights, *model._slots]}
            )
        assert_same(results[1], results[0], "flush to zero")
        assert_same(results[2], results[0], "flush to zero and round towards zero")
    finally:
        nn.set_num_threads(None)


if __name__ == "__main__":
    worker(sys.argv[1])
