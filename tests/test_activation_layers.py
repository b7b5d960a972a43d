"""Activations as layers: Keras's numbers and arguments, data of any rank, training in both executors, the same bits.

This file is the worker of `test_threads_and_instruction_sets`.
"""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import nncore as nn
from nncore import activations, executor, reference
from nncore._core import core, isa, isa_available
from nncore.layers import ELU, Activation, Dense, Flatten, LeakyReLU, PReLU, ReLU, Reshape, Softmax

EXECUTORS = {"compiled": executor.Executor, "numpy": reference.executor.Executor}
DTYPES = ["float32", "float64"]
X = np.array([[-10.0, -5.0, 0.0, 5.0, 10.0]])


# Numbers and arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "want"),
    [  # from Keras 3's documentation and tests of these layers
        (ReLU(), [0, 0, 0, 5, 10]),
        (ReLU(max_value=10), [0, 0, 0, 5, 10]),
        (ReLU(max_value=10, negative_slope=0.5), [-5, -2.5, 0, 5, 10]),
        (ReLU(8, 0.0, 5.0), [0, 0, 0, 0, 8]),
        (LeakyReLU(), [-3, -1.5, 0, 5, 10]),
        (LeakyReLU(negative_slope=0.5), [-5, -2.5, 0, 5, 10]),
        (ELU(alpha=2.0), [2 * np.expm1(-10), 2 * np.expm1(-5), 0, 5, 10]),
        (PReLU(), [0, 0, 0, 5, 10]),
        (PReLU(nn.initializers.Constant(0.5)), [-5, -2.5, 0, 5, 10]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_keras(layer, want):
    np.testing.assert_allclose(layer(X), [want], rtol=1e-6)
    np.testing.assert_allclose(layer(np.stack([X[0], X[0]])), [want, want], rtol=1e-6)


def test_softmax_of_keras():
    np.testing.assert_allclose(Softmax()([[1.0, 2.0, 1.0]]), [[0.21194157, 0.5761169, 0.21194157]], rtol=1e-6)
    x = np.random.default_rng(0).normal(size=(5, 4, 3, 6))
    e = np.exp(x)
    for axis in (1, 2, 3, -1, -2, (1, 2), (2, 3), [3, 2], (1, 2, 3)):
        over = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        got = Softmax(axis, dtype="float64")(x)
        np.testing.assert_allclose(got, e / e.sum(axis=over, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("shared", [None, 1, [1], [2], [3], [1, 2], [1, 3], [2, 3], (1, 2, 3), [-1]])
def test_slopes_of_prelu(shared):
    """f(x) = x where x > 0, else alpha x; alpha has 1 for each shared axis."""
    x = np.random.default_rng(1).normal(size=(2, 10, 5, 3))
    layer = PReLU("glorot_uniform", shared_axes=shared, dtype="float64")
    layer(x)
    shape = [10, 5, 3]
    for axis in () if shared is None else shared if isinstance(shared, (list, tuple)) else [shared]:
        shape[axis - 1 if axis > 0 else axis] = 1
    alpha = np.random.default_rng(2).normal(size=shape)
    layer.set_weights([alpha])
    assert layer.alpha.shape == tuple(shape) and layer.alpha.name.endswith("alpha")
    np.testing.assert_array_equal(layer(x), np.where(x > 0, x, alpha * x))


def test_configurations():
    for layer, config in (
        (ReLU(6, 0.1), {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.0}),
        (LeakyReLU(), {"negative_slope": 0.3}),
        (ELU(0.5), {"alpha": 0.5}),
        (Softmax((1, 2)), {"axis": (1, 2)}),
        (PReLU(shared_axes=1), {"shared_axes": [1]}),
        (PReLU(), {"shared_axes": None}),
    ):
        got = layer.get_config()
        assert {key: got[key] for key in config} == config
        assert type(layer)(**got).get_config() == got


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ReLU(max_value=-10), ValueError, "max_value must be .* at least 0, got -10"),
        (lambda: ReLU(negative_slope=-10), ValueError, "negative_slope must be .* at least 0"),
        (lambda: ReLU(threshold=-10), ValueError, "threshold must be .* at least 0"),
        (lambda: ReLU(negative_slope=None), TypeError, "negative_slope must be"),
        (lambda: LeakyReLU(None), TypeError, "negative_slope must be"),
        (lambda: Softmax(axis=1.5), TypeError, "axis must be"),
        (lambda: Softmax(axis=[]), TypeError, "axis must be"),
        (lambda: Softmax(axis=0)(X), ValueError, "softmax works along one axis"),
        (lambda: Softmax(axis=2)(X), ValueError, "got axis=2"),
        (lambda: Softmax(axis=(1, 3))(np.ones((2, 3, 4, 5))), ValueError, r"some neighbouring ones, .*got axis=\(1, 3\)"),
        (lambda: PReLU(shared_axes=0)(X), ValueError, "shared_axes must be axes of inputs of shape"),
        (lambda: PReLU(shared_axes=2)(X), ValueError, "behind the batch, got 2"),
        (lambda: PReLU(shared_axes=[2, 4])(np.ones((1, 2, 2, 2, 2, 2))), ValueError, "shares axes in more than three"),
        (lambda: Dense(3, activation=PReLU()), TypeError, "add it as its own layer"),
        (lambda: Dense(3, "glu")(X), ValueError, "glu takes the two halves of an axis, got one of length 3"),
    ],
)  # fmt: skip
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_layer_may_stand_for_its_activation():
    """``Dense(64, activation=LeakyReLU(0.1))``, as in Keras."""
    for layer, kernel in ((LeakyReLU(0.1), "leaky_relu"), (ReLU(max_value=6), "relu6"), (Activation("mish"), "mish")):
        assert Dense(3, activation=layer).activation.kernel == kernel
    model = nn.Sequential([nn.Input((5,)), Dense(4, activation=Softmax())])
    np.testing.assert_allclose(model(X).sum(axis=1), 1, rtol=1e-6)


def test_files(tmp_path):
    layers = [ReLU(6.0, 0.1), LeakyReLU(0.2), ELU(0.7), PReLU("glorot_uniform", shared_axes=[1]), Softmax(1),
              Activation("glu"), Softmax([1, 2]), Activation(partial(activations.log_softmax, axis=1))]  # fmt: skip
    model = nn.Sequential([nn.Input((3, 8)), *layers, Flatten(), Dense(2, activation=ELU(0.3))])
    x = np.random.default_rng(4).normal(size=(7, 3, 8))
    model.save(tmp_path / "m")
    loaded = nn.load_model(tmp_path / "m")
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    assert [layer.get_config() for layer in loaded.layers][:4] == [layer.get_config() for layer in model.layers][:4]


# Training ---------------------------------------------------------------------------------------------------

OTHERS = {
    "relu, three": partial(activations.relu, negative_slope=0.3, max_value=1.1, threshold=0.2),
    "gelu, tanh": partial(activations.gelu, approximate=True),
    "threshold": partial(activations.threshold, threshold=0.1, default_value=-0.2),
    "softmax 1": partial(activations.softmax, axis=1),
    "softmax 1, 2": partial(activations.softmax, axis=(1, 2)),
    "log_softmax -2": partial(activations.log_softmax, axis=-2),
    "sparsemax 1": partial(activations.sparsemax, axis=1),
    "glu": "glu",
    "glu 1": partial(activations.glu, axis=1),
    "ReLU": ReLU(2.0, 0.1, 0.1),
    "LeakyReLU": LeakyReLU(),
    "ELU": ELU(0.4),
    "Softmax": Softmax(1),
    "PReLU": PReLU("glorot_uniform"),
    "PReLU 1": PReLU("glorot_uniform", shared_axes=1),
    "PReLU 2": PReLU("glorot_uniform", shared_axes=[2]),
    "PReLU 1, 2": PReLU("glorot_uniform", shared_axes=[1, 2]),
}


def fresh(activation, dtype):
    """A layer of its own, made anew."""
    if isinstance(activation, nn.layers.Layer):
        return type(activation)(**{**activation.get_config(), "dtype": dtype, "name": None})
    return Activation(activation, dtype=dtype)


def model_of(layers, shape, kind="compiled", optimizer=None):
    model = nn.Sequential([nn.Input(shape), *layers], seed=3)
    model.executor_class = EXECUTORS[kind]
    model.compile(optimizer or nn.optimizers.SGD(0.01, 0.5), "mse")
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*activations.TABLE, *OTHERS])
def test_both_executors_train_it_inside_and_at_the_end(name, dtype):
    """On rows of shape (4, 6): a different layer before and behind, the activation alone and in the last layer."""
    activation = OTHERS.get(name, name)
    rng = np.random.default_rng(5)
    x = 0.5 * rng.normal(size=(30, 4, 6))
    small = nn.initializers.RandomNormal(stddev=2.0 if "shrink" in name else 0.2, seed=1)
    runs = []
    for kind in EXECUTORS:
        layers = [Dense(6, "tanh", dtype=dtype, kernel_initializer=small), fresh(activation, dtype),
                  Dense(4, "silu", dtype=dtype, kernel_initializer=small), fresh(activation, dtype)]  # fmt: skip
        last = name if name in activations.TABLE else None  # along which axis it works is another matter there
        layers += [Flatten(dtype=dtype), Dense(3, last, dtype=dtype, kernel_initializer=small)]
        model = model_of(layers, (4, 6), kind)
        y = 0.3 * np.random.default_rng(6).normal(size=model.predict(x).shape)
        loss = model.fit(x, y, 8, 3, 0).history["loss"]
        assert loss[-1] < loss[0], name
        runs.append([np.array(loss), model.predict(x), *model.get_weights()])
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    for ours, twin in zip(*runs, strict=True):
        np.testing.assert_allclose(ours, twin, **tolerance, err_msg=name)


@pytest.mark.parametrize("shared", [None, [1], [2], [1, 2]])
def test_slopes_move_along_their_gradient(shared):
    """One step of plain descent against central differences of the loss."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(9, 4, 3)), rng.normal(size=(9, 4, 3))
    layer = PReLU(nn.initializers.Constant(0.25), shared_axes=shared, dtype="float64")
    model = model_of([layer, Flatten(dtype="float64")], (4, 3), optimizer=nn.optimizers.SGD(1.0))
    y = y.reshape(9, 12)
    before = layer.alpha.numpy()
    slopes = np.zeros_like(before)
    for place in np.ndindex(before.shape):
        ends = []
        for side in (1e-5, -1e-5):
            moved = before.copy()
            moved[place] += side
            layer.set_weights([moved])
            ends.append(model.evaluate(x, y, verbose=0))
        slopes[place] = (ends[0] - ends[1]) / 2e-5
    layer.set_weights([before])
    model.train_on_batch(x, y)
    np.testing.assert_allclose(before - layer.alpha.numpy(), slopes, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_penalties_and_constraints_of_slopes(kind):
    """The penalty is a part of the loss; slopes that would become negative stay at 0."""
    x = np.random.default_rng(9).normal(size=(40, 3))
    make = partial(PReLU, nn.initializers.Constant(0.25), dtype="float64")
    plain, penalized = (model_of([layer], (3,), kind) for layer in (make(), make("l2")))
    assert penalized.evaluate(x, x, verbose=0) == pytest.approx(plain.evaluate(x, x, verbose=0) + 0.01 * 3 * 0.0625)
    free, kept = make(), make(alpha_constraint="non_neg")
    for layer in (free, kept):
        model_of([layer], (3,), kind, nn.optimizers.SGD(0.5)).fit(x, -np.abs(x) - np.minimum(x, 0) * 3, 8, 5, 0)
    assert (free.get_weights()[0] < 0).any() and (kept.get_weights()[0] >= 0).all()
    again = PReLU(**make("l1", "non_neg").get_config())
    assert again.get_config() == make("l1", "non_neg").get_config()


def test_a_frozen_slope_stays():
    x = np.random.default_rng(8).normal(size=(20, 3))
    model = model_of([Dense(4), PReLU(nn.initializers.Constant(0.25), trainable=False), Dense(1)], (3,))
    model.fit(x, x[:, :1], verbose=0)
    assert (model.layers[1].get_weights()[0] == 0.25).all()
    assert len(model.trainable_weights) == 4


# The same bits ----------------------------------------------------------------------------------------------

RUNS = {  # rows, shape, batch size, layers
    "slopes": (1300, (3,), 1100, lambda d: [Dense(33, dtype=d), PReLU(dtype=d), Dense(2, dtype=d)]),
    "shared": (103, (4, 5), 33, lambda d: [Dense(7, dtype=d), PReLU(shared_axes=[1], dtype=d), Dense(3, dtype=d),
                                           PReLU(shared_axes=2, dtype=d), Flatten(dtype=d), Dense(2, dtype=d)]),
    "alternate": (700, (12,), 600, lambda d: [Reshape((3, 2, 2), dtype=d), PReLU(shared_axes=2, dtype=d),
                                              Flatten(dtype=d), Dense(2, dtype=d)]),
    "rows": (90, (4, 6), 40, lambda d: [Activation("sparsemax", dtype=d), Activation("glu", dtype=d), Dense(5, dtype=d),
                                        Softmax(1, dtype=d), Flatten(dtype=d), Dense(2, "mish", dtype=d)]),
}  # fmt: skip


def train(name, dtype):
    rows, shape, batch, layers = RUNS[name]
    rng = np.random.default_rng([rows, len(name)])
    x, y = rng.normal(size=(rows, *shape)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)
    model = model_of(layers(dtype), shape, optimizer=nn.optimizers.Adam(0.01))
    losses = model.fit(x, y, batch, 2, 0).history["loss"]
    return {"losses": np.array(losses), "predicted": model.predict(x)} | {
        str(number): value for number, value in enumerate(model.get_weights())
    }


def train_all():
    return {f"{dtype} {name} {key}": value for dtype in DTYPES for name in RUNS for key, value in train(name, dtype).items()}


def assert_same(one, other, label):
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].tobytes() == other[key].tobytes(), f"{label}: {key}"


def worker(path):
    call = executor.Bound.__call__
    results = []
    for n in map(int, os.environ["TEST_THREADS"].split(",")):

        def forced(self, *arguments, n_threads=0, n=n, **keywords):
            return call(self, *arguments[:6], n_threads=n, **keywords)

        executor.Bound.__call__ = forced
        results.append(train_all())
        assert_same(results[-1], results[0], f"{n} threads")
    np.savez(path, **results[0])


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_threads_and_instruction_sets(tmp_path, level):
    if isa_available().get(level) or isa not in ("v3", "v4"):
        pytest.skip(f"{level}: {isa_available().get(level) or 'this process runs another build'}")
    threads = "1,2,3,5" if core.has_openmp else "1"
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_DYNAMIC": "false", "OMP_NUM_THREADS": "5",
                   "TEST_THREADS": threads, "NNCORE_ISA": level}  # fmt: skip
    environment.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run([sys.executable, __file__, str(tmp_path / "r.npz")], env=environment, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "r.npz") as loaded:
        assert_same(dict(loaded), train_all(), level)


@pytest.mark.skipif(isa == "v2", reason="x86-64-v2 has no FMA: it agrees within tolerance only")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shared", [None, [1]])
@pytest.mark.parametrize("batch_size", [8, 700])
def test_slopes_have_the_documented_bits(dtype, shared, batch_size):
    """Whole runs against the oracle; 700 rows are two chunks."""
    from test_whole_runs import against_the_oracle, rows

    x, y = rows(30 if batch_size == 8 else 701, 6, 4, dtype)

    def layers():
        return [nn.Input((6,)), Dense(9, "tanh", dtype=dtype), PReLU("glorot_uniform", shared_axes=shared, dtype=dtype),
                Dense(4, dtype=dtype), PReLU("glorot_uniform", dtype=dtype)]  # fmt: skip

    against_the_oracle(layers, "adam", x, y, batch_size, f"{shared} {batch_size}")


if __name__ == "__main__":
    worker(sys.argv[1])
