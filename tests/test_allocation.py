"""A step allocates nothing, and a process does not grow."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

import nncore as nn

COUNTER = r"""
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static long count;
long nn_test_allocations(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }
static void one(void) { __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED); }
void *malloc(size_t n) { one(); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { one(); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { one(); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { one(); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { one(); return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { one(); *p = __libc_memalign(a, n); return *p ? 0 : 12; }
"""

STEPS = """
    import ctypes, gc, sys
    import numpy as np
    import nncore as nn
    nn.executor.PAUSE = nn.executor.TRIAL = 60.0  # one piece: what comes every 50 ms is not a step's
    allocations = ctypes.CDLL(sys.argv[1]).nn_test_allocations
    allocations.restype = ctypes.c_long

    rng, width, batch = np.random.default_rng(0), int(sys.argv[2]), int(sys.argv[3])
    x = rng.normal(size=(1000 * batch, width)).astype("f4")
    y = rng.integers(0, 3, 1000 * batch)

    def count(steps):
        # every kind of op that has scratch
        dressed = nn.layers.Dense(9, "softmax", kernel_regularizer="l1_l2", kernel_constraint="max_norm")
        layers = [nn.layers.Dense(width, "relu"), dressed, nn.layers.Dense(3)]
        model = nn.Sequential([nn.Input((width,)), *layers], seed=1)
        model.compile(eval(sys.argv[5], vars(nn.optimizers)), nn.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
        model.fit(x[:batch], y[:batch], batch, 1, 0)
        run = next(plans for key, plans in model._plans.items() if key[0] == "fit")[0].executor
        run.pace.update({2: 0.0, 1: 1.0})  # two threads are faster, it shall think
        run.next_trial = float("inf")
        run.trials.clear()
        gc.disable()
        seen = []  # of the epoch alone: data are checked before it, in pieces
        note = lambda *_: seen.append(allocations())
        hooks = nn.callbacks.LambdaCallback(on_epoch_begin=note, on_epoch_end=note)
        model.fit(x[: steps * batch], y[: steps * batch], batch, 1, 0, shuffle=False, callbacks=hooks)
        gc.enable()
        two = 2 in run.trials or run.pace[2] != 0
        assert nn.get_num_threads() < int(sys.argv[4]) or two == (int(sys.argv[4]) == 2), (run.pace, run.trials)
        return seen[1] - seen[0]

    # NumPy keeps blocks of less than a kilobyte: of 300 steps the learning rates take more
    count(300), count(1000)
    a, b, c, d = count(300), count(1000), count(300), count(1000)
    print(min(a, c), min(b, d))
    assert min(a, c) > 0, "nothing is counted"
    assert abs(min(b, d) - min(a, c)) <= 3, (a, b, c, d)
"""


def run(text, *arguments, **environment):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
                          env={**os.environ, **environment}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    compiler, folder = shutil.which("gcc") or shutil.which("cc"), tmp_path_factory.mktemp("counter")
    if compiler is None:
        pytest.skip("no C compiler")
    (folder / "counter.c").write_text(COUNTER)
    library = folder / "counter.so"
    done = subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, folder / "counter.c"], capture_output=True)
    probe = {**os.environ, "LD_PRELOAD": str(library)}
    if done.returncode or subprocess.run([sys.executable, "-c", ""], env=probe, capture_output=True).returncode:
        pytest.skip("this C library cannot be counted in")
    return library


@pytest.mark.parametrize("optimizer", [
    "SGD(0.01, 0.9)",
    "Lamb(schedules.CosineDecay(0.01, 900), gradient_accumulation_steps=3, clipnorm=1, use_ema=True)",
])
@pytest.mark.parametrize(("threads", "width", "batch"), [(1, 20, 4), (2, 256, 100)])
def test_steps_allocate_nothing(counter, threads, width, batch, optimizer):
    run(STEPS, counter, width, batch, threads, optimizer, LD_PRELOAD=str(counter), OMP_NUM_THREADS=str(threads), OMP_DYNAMIC="false")


CALLS = """
    import ctypes, gc, sys
    import numpy as np
    import nncore as nn
    allocations = ctypes.CDLL(sys.argv[1]).nn_test_allocations
    allocations.restype = ctypes.c_long
    model = nn.Sequential([nn.Input((20,)), nn.layers.Dense(50, "gelu"), nn.layers.Dense(3, "softmax")], seed=1)
    x, out = np.ones((4, 20), "f4"), np.empty((4, 3), "f4")
    model(x)
    assert model._short

    def count(n):
        gc.disable()
        before = allocations()
        for _ in range(n):
            model(x, out=out)
        after = allocations()
        gc.enable()
        return after - before

    count(100)
    few, many = min(count(100), count(100)), min(count(10000), count(10000))
    assert np.empty(2**20).size and allocations() > 0, "nothing is counted"
    assert abs(many - few) <= 3, (few, many)
"""


def test_calls_of_the_model_allocate_nothing(counter):
    run(CALLS, counter, LD_PRELOAD=str(counter))


GROWTH = """
    import os, sys
    import numpy as np
    import nncore as nn
    times = int(sys.argv[1])
    x, y, out = np.ones((1, 4), "f4"), np.zeros((1, 1), "f4"), np.zeros((1, 1), "f4")
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, "relu"), nn.layers.Dense(1)], seed=1)
    model.compile(nn.optimizers.SGD(0.01), "mse")
    rows = np.ones((times, 4), "f4"), np.zeros((times, 1), "f4")

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def work(n):
        for _ in range(n):
            model(x)
            model(x, out=out)
        for _ in range(n // 100):
            model(rows[0][:50])
            model.predict(x)
            model.evaluate(x, y, verbose=0)
            model.fit(x, y, epochs=1, verbose=0)
        model.fit(*rows, 1, 1, 0)

    work(times // 5)
    before = resident()
    work(times)
    grown = resident() - before
    assert grown < 2**20 + 8 * times, grown  # 10 bytes a call, beside the order of the rows
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc here")
def test_memory_does_not_grow():
    """In 10**5 calls and steps; in 10**7 where NNCORE_TEST_LONG is set."""
    run(GROWTH, 10**5 if not os.environ.get("NNCORE_TEST_LONG") else 10**7)


def test_scratch_is_made_once():
    model = nn.Sequential([nn.Input((300,)), nn.layers.Dense(300), nn.layers.Dense(2)])
    x = [[1.0] * 300] * 4
    model.predict(x)
    (plan,) = next(plans for key, plans in model._plans.items() if key[0] == "predict")
    scratch = plan.executor.scratch
    assert scratch.size > 0 and scratch.ctypes.data % 64 == 0
    model.predict(x)
    assert next(plans for key, plans in model._plans.items() if key[0] == "predict")[0].executor.scratch is scratch
