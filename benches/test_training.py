"""Training and prediction of whole models: the compiled executor beside the NumPy one on the same program.

At the end the small workloads of models.py, each side checked before it is timed. For figures to quote use
models.py: it takes all sides in turn.
"""

import numpy as np
import pytest
from sides import OWN, PEERS, units, verify
from workloads import WORKLOADS

import nncore as nn
from nncore._core import isa
from nncore.data import load_digits
from nncore.reference.executor import Executor as NumpyExecutor


def digits():
    """64-128-10 on the digits in the package, batches of 32."""
    x, y = load_digits()
    return (x / 16).astype(np.float32), y, (128,), 32


def mnist():
    """784-256-128-10 on 64 batches of 128 random images: the time does not depend on what is in them."""
    rng = np.random.default_rng(0)
    return rng.random((8192, 784), np.float32), rng.integers(0, 10, 8192), (256, 128), 128


@pytest.fixture(params=[digits, mnist], ids=lambda net: net.__name__)
def net(request):
    return request.param()


@pytest.fixture(params=["nncore", "numpy"])
def executor(request):
    return request.param


def compiled(net, executor):
    x, y, hidden, batch = net
    layers = [nn.layers.Dense(width, activation="relu") for width in hidden]
    model = nn.Sequential([nn.Input((x.shape[1],)), *layers, nn.layers.Dense(10)], seed=1)
    if executor == "numpy":
        model.executor_class = NumpyExecutor
    model.compile(
        nn.optimizers.SGD(0.05, momentum=0.9), nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def note(benchmark, group, net, rows):
    benchmark.group = f"{group}-{net[0].shape[1]}-{'-'.join(map(str, net[2]))}-10"
    benchmark.extra_info |= {"threads": nn.get_num_threads(), "isa": isa, "batch": net[3]}
    if benchmark.stats is not None:
        benchmark.extra_info["samples/s"] = rows / benchmark.stats["min"]


def test_fit_epoch(benchmark, net, executor):
    x, y, _, batch = net
    model = compiled(net, executor)
    first = model.fit(x, y, batch_size=batch, verbose=0).history["loss"][0]
    check = compiled(net, "numpy" if executor == "nncore" else "nncore")
    np.testing.assert_allclose(
        check.fit(x, y, batch_size=batch, verbose=0).history["loss"][0], first, rtol=1e-3
    )
    benchmark.pedantic(model.fit, (x, y), {"batch_size": batch, "verbose": 0}, rounds=10)
    note(benchmark, "fit", net, len(x))


def test_train_on_batch(benchmark, net, executor):
    x, y, _, batch = net
    model = compiled(net, executor)
    loss = benchmark(model.train_on_batch, x[:batch], y[:batch])
    assert np.isfinite(loss if np.ndim(loss) == 0 else loss[0])
    note(benchmark, "train_on_batch", net, batch)


def test_predict(benchmark, net, executor):
    x = net[0]
    model = compiled(net, executor)
    np.testing.assert_allclose(model.predict(x), compiled(net, "numpy").predict(x), atol=1e-4)
    benchmark(model.predict, x)
    note(benchmark, "predict", net, len(x))


def test_one_row(benchmark, net, executor):
    row = net[0][:1]
    model = compiled(net, executor)
    np.testing.assert_allclose(model(row), compiled(net, "numpy")(row), atol=1e-4)
    benchmark(model, row)
    note(benchmark, "one-row", net, 1)


SMALL = [
    pytest.param(workload, side, id=f"{workload.kind}-{workload.name}-{side}")
    for workload in WORKLOADS
    if workload.flops * units(workload) < 5e8  # what NumPy does in a moment
    for side in (*OWN[workload.kind], *PEERS[workload.kind])
    if side == "numpy" or side in OWN[workload.kind]
]


@pytest.mark.parametrize(("workload", "side"), SMALL)
def test_workload(benchmark, peaks, workload, side):
    sides = {**OWN[workload.kind], **PEERS[workload.kind]}
    benchmark.group, threads = f"{workload.kind} {workload.name}", nn.get_num_threads()
    found = sides[side](workload, threads)
    verify(found, workload)
    benchmark.extra_info |= {"network": workload.text, "batch": workload.batch, "threads": threads, "isa": isa}
    benchmark(found.run, 1)
    if benchmark.stats is not None:
        rate = workload.flops * units(workload) / benchmark.stats["min"]
        benchmark.extra_info |= {
            "us a unit": 1e6 * benchmark.stats["min"] / units(workload),
            "GFLOP/s": rate / 1e9,
            "share of peak": rate / (peaks[workload.dtype] * threads),
        }
