"""Threads that never hurt, other processes, and Ctrl-C. Each test is a process of its own."""

import importlib.util
import os

import pytest
from test_bad_input import script

import nncore as nn

openmp = pytest.mark.skipif(not nn.config_info()["openmp"], reason="built for one thread")
linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no /proc here")
two = {"OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "false", "OMP_THREAD_LIMIT": "64"}

# What the scripts share: a model and data that feed two threads (b), and some that do not (s).
MODELS = """
import os, sys, threading, time, warnings
import numpy as np
import nncore as nn
rng = np.random.default_rng(0)
xb, yb = rng.normal(size=(3000, 256)).astype("f4"), rng.integers(0, 3, 3000)
xs, ys = xb[:64, :5].copy(), yb[:64].copy()

def make(width):
    layers = [nn.layers.Dense(width, "relu"), nn.layers.Dense(3)]
    model = nn.Sequential([nn.Input((width,)), *layers], seed=1)
    model.compile(nn.optimizers.SGD(0.01, 0.9), nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model

def big(epochs=2):
    model = make(256)
    model.fit(xb, yb, 500, epochs, 0)
    return model

def small(epochs=2):
    model = make(5)
    model.fit(xs, ys, 8, epochs, 0)
    return model

def state(model):
    return b"".join(v.numpy().tobytes() for v in [*model.weights, *model._slots])

def in_threads(*functions):
    errors = []
    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
"""


def run(text, **options):
    return script(MODELS + "\n" + "\n".join(line.removeprefix("        ") for line in text.split("\n")), **options)


# ---------------------------------------------------------------- how many threads
@openmp
def test_the_default_follows_omp_num_threads_and_caps_it():
    run("""
        most = min(3, nn._system._start_cap or 3)
        assert nn.get_num_threads() == most, nn.get_num_threads()
        nn.set_num_threads(2)
        assert nn.get_num_threads() == min(2, most)
        nn.set_num_threads(50)
        assert nn.get_num_threads() == most
        nn.set_num_threads(None)
        assert nn.get_num_threads() == most
    """, OMP_NUM_THREADS="3", OMP_DYNAMIC="false", OMP_THREAD_LIMIT="64")


@openmp
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one processor")
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_default_follows_the_affinity_mask(when):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    masks = "import os; mask = os.sched_getaffinity(0); one = {min(mask)}; "
    before = "os.sched_setaffinity(0, one)" if when == "before" else ""
    text = masks + before + MODELS + """
if len(mask) > 1 and not before:
    assert nn.get_num_threads() > 1 or nn._system._start_cap == 1
    wanted = state(big())
    os.sched_setaffinity(0, one)
    assert nn.get_num_threads() == 1
    assert state(big()) == wanted
    os.sched_setaffinity(0, mask)
    assert nn.get_num_threads() > 1 or nn._system._start_cap == 1
else:
    assert nn.get_num_threads() == 1
""".replace("not before", str(when == "after"))
    kept = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        script(text)
    finally:
        os.environ.update(kept)


@openmp
@pytest.mark.skipif(importlib.util.find_spec("threadpoolctl") is None, reason="threadpoolctl is not installed")
def test_threadpoolctl_limits_hold():
    run("""
        from threadpoolctl import threadpool_limits
        most = nn.get_num_threads()
        wanted = state(big())
        with threadpool_limits(1):
            assert nn.get_num_threads() == 1
            assert state(big()) == wanted
        with threadpool_limits(1, user_api="openmp"):
            assert nn.get_num_threads() == 1
        assert nn.get_num_threads() == most
    """, **two)


@openmp
@pytest.mark.parametrize("environment", [{"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}])
def test_fewer_threads_than_asked_for(environment):
    """OpenMP may give fewer than it was asked for: nobody waits for those that are not there."""
    run("""
        nn.executor.TRIAL = 0.5
        model = big(3)
        assert np.isfinite(model.history.history["loss"]).all()
        nn.kernels.dense_forward(xb, np.ones((256, 300), "f4"))
    """, **{**two, "OMP_NUM_THREADS": "4", **environment})


# ---------------------------------------------------------------- what waits
@openmp
@linux
def test_small_work_wakes_no_worker():
    run("""
        def threads():
            return len(os.listdir("/proc/self/task"))

        before = threads()
        assert nn.get_num_threads() > 1 or nn._system._start_cap == 1
        model = small()
        for _ in range(100):
            model(xs[:1])
        model.predict(xs)
        model.evaluate(xs, ys, verbose=0)
        nn.kernels.softmax(xs)
        assert threads() == before, threads()
        big()
        assert threads() > before or nn.get_num_threads() == 1  # so the count sees workers
    """, **two)


@openmp
def test_idle_workers_sleep():
    run("""
        nn.executor.TRIAL = 0.5
        big()
        used = []
        for _ in range(3):
            start = time.process_time()
            time.sleep(0.3)
            used.append(time.process_time() - start)
        assert min(used) < 0.05 and used[0] < 0.15, used
    """, **two)


# ---------------------------------------------------------------- Python threads
def test_threads_train_two_models_to_the_same_bytes():
    run("""
        wanted_big, wanted_small = state(big(4)), state(small(200))

        def train_big():
            assert state(big(4)) == wanted_big

        def train_small():
            assert state(small(200)) == wanted_small

        for _ in range(3):
            in_threads(train_big, train_big, train_small)
    """, **two)


def test_threads_call_one_model():
    run("""
        model = big()
        wanted = model.predict(xb)

        def call():
            for n in range(0, 300, 10):
                assert model(xb[n : n + 3]).tobytes() == wanted[n : n + 3].tobytes()
                assert model.predict(xb[: 100 + n]).tobytes() == wanted[: 100 + n].tobytes()
            assert model.predict(xb, 3000).tobytes() == wanted.tobytes()

        in_threads(*[call] * 4)
    """, **two)


def test_a_model_is_read_while_it_is_trained():
    run("""
        model, done = make(256), threading.Event()
        alone = big(6)

        def train():
            try:
                model.fit(xb, yb, 500, 6, 0)
            finally:
                done.set()

        def read():
            while not done.is_set():
                assert model(xb[:2]).shape == (2, 3)
                assert model.predict(xb[:300]).shape == (300, 3)
                model.evaluate(xb[:300], yb[:300], verbose=0)
                assert len(model.get_weights()) == 4

        in_threads(train, read, read)
        assert state(model) == state(alone)
    """, **two)


def test_data_that_change_during_training():
    """Class ids are indices and copied; other numbers may be anything."""
    run("""
        done = threading.Event()
        ids, weight = yb.astype(np.int64), np.ones(3000, "f4")

        def spoil():
            n = 0
            while not done.is_set():
                n += 1
                ids[...] = (-1, 10**15, 0)[n % 3]
                xb[...] = (0, 1, 1e-3)[n % 3]
                weight[...] = n % 2

        def train():
            try:
                for _ in range(20):
                    ids[...] = yb
                    try:
                        make(256).fit(xb, ids, 500, 2, 0, sample_weight=weight, nonfinite="continue")
                    except ValueError as error:  # when the spoiler was faster than the copy
                        assert "class ids" in str(error), error
            finally:
                done.set()

        thread = threading.Thread(target=spoil)
        keep = ids.copy()
        model = make(256)
        model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        begun = nn.callbacks.LambdaCallback(on_train_begin=lambda logs: thread.start())
        history = model.fit(xb, ids, 500, 20, 0, sample_weight=weight, nonfinite="continue", callbacks=begun)
        in_threads(train)
        thread.join()
        assert len(history.epoch) == 20
    """, **two)


# ---------------------------------------------------------------- processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("how", ["fork", "multiprocessing", "fork in a thread"])
def test_a_forked_child_trains_to_the_same_bytes(how):
    run("""
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process with threads
        nn.executor.TRIAL = 0.5
        parent = big()
        wanted = state(parent)
        prediction = parent.predict(xb).tobytes()

        def child():
            assert parent.predict(xb).tobytes() == prediction and state(parent) == wanted
            assert state(big()) == wanted
            parent.fit(xb, yb, 500, 1, 0)

        def fork():
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    child()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(pid, 0)[1] == 0

        if "HOW" == "fork":
            fork()
        elif "HOW" == "multiprocessing":
            import multiprocessing
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join()
            assert process.exitcode == 0
        else:
            in_threads(fork)
        assert state(parent) == wanted and state(big()) == wanted
    """.replace("HOW", how), **two)


# ---------------------------------------------------------------- Ctrl-C
@pytest.mark.parametrize("hooks", ["{}", "{'on_train_batch_end': lambda batch, logs: None}"], ids=["epoch", "batches"])
def test_ctrl_c_in_a_long_epoch(hooks):
    """It ends after the batch under way; what counts the batches is right to the last."""
    run("""
        import signal
        x, y = np.tile(xs, (100_000, 1)), np.tile(ys, 100_000)
        model, sent = make(5), []

        def interrupt():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.3, interrupt)
        hooks = nn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: timer.start(), **HOOKS)
        try:
            model.fit(x, y, 4, 50, 0, shuffle=False, callbacks=hooks)
        except KeyboardInterrupt:
            took = time.perf_counter() - sent[0]
        else:
            sys.exit("no KeyboardInterrupt")
        assert took < 0.5, took
        n = model.optimizer.iterations
        assert model.history.epoch == [] and model._epochs_done == 0 and 0 < n < 1_600_000, n

        twin = make(5)
        def stop(batch, logs):
            twin.stop_training = batch + 1 == n
        twin.fit(x, y, 4, 1, 0, shuffle=False, callbacks=nn.callbacks.LambdaCallback(on_train_batch_end=stop))
        assert twin.optimizer.iterations == n
        assert state(twin) == state(model)
        assert len(model.fit(xs, ys, 8, 2, 0).epoch) == 2 and model.optimizer.iterations == n + 16
    """.replace("HOOKS", hooks))


