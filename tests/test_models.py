"""Sequential: what compile, fit, evaluate, predict, save and load mean, against Keras's rules in plain NumPy."""

import copy
import functools
import io
import os
import pickle
from contextlib import redirect_stdout

import numpy as np
import pytest

import nncore as nn
from nncore import reference
from nncore.executor import Executor
from nncore.io import load_weights_file
from nncore.layers import Activation, Dense

DTYPES = ("float32", "float64")


@pytest.fixture(autouse=True)
def float32_again():
    yield
    nn.config.set_floatx("float32")


def data(samples=50, width=3, outputs=1, classes=None, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, width))
    return x, rng.integers(0, classes, samples) if classes else rng.normal(size=(samples, outputs))


def linear(width=3, outputs=1, optimizer=None, loss="mse", metrics=None, seed=7, dtype="float64"):
    model = nn.Sequential([nn.Input((width,)), Dense(outputs, dtype=dtype)], seed=seed)
    model.compile(optimizer or nn.optimizers.SGD(0.05), loss, metrics=metrics)
    return model


def classifier(dtype="float32", seed=3, momentum=0.9):
    model = nn.Sequential([nn.Input((5,)), Dense(9, "tanh", dtype=dtype), Dense(4, dtype=dtype)], seed=seed)
    model.compile(
        nn.optimizers.SGD(0.1, momentum),
        nn.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def same(a, b):
    return len(a) == len(b) and all(
        np.array_equal(p, q) and p.dtype == q.dtype for p, q in zip(a, b, strict=True)
    )


def numpy_epoch(w, b, x, y, order, batch_size, learning_rate, weight=None):
    """One epoch of a linear model under mean squared error, in plain NumPy; returns the loss as Keras reports it."""
    total = 0.0
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        error = x[rows] @ w + b - y[rows]
        share = np.ones(len(rows)) if weight is None else weight[rows]
        loss = (share * (error**2).mean(1)).mean()  # of the batch: sum of w_b l_b over the number of rows
        total += loss * len(rows)  # an epoch's loss weighs each batch with its rows
        slope = 2 * error * share[:, None] / error.size
        w -= learning_rate * x[rows].T @ slope
        b -= learning_rate * slope.sum(0)
    return total / len(order)


# ---------------------------------------------------------------- fit
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 16, 50, 1000])
def test_fit_is_gradient_descent_and_reports_the_mean_over_rows(batch_size, weighted, outputs):
    x, y = data(50, outputs=outputs)  # 16 does not divide 50: the last batch has 2 rows and must count as 2
    weight = np.random.default_rng(1).uniform(0, 2, 50) if weighted else None
    model = linear(outputs=outputs)
    w, b = model.get_weights()
    wanted = [numpy_epoch(w, b, x, y, np.arange(50), batch_size, 0.05, weight) for _ in range(3)]
    history = model.fit(x, y, batch_size, epochs=3, verbose=0, shuffle=False, sample_weight=weight)
    assert np.allclose(history.history["loss"], wanted, rtol=1e-12)
    assert np.allclose(model.get_weights()[0], w, rtol=1e-11)
    assert np.allclose(model.get_weights()[1], b, rtol=1e-11)


def test_batch_size_is_32_by_default_and_shuffling_is_the_default():
    x, y = data(70)
    runs = [linear() for _ in range(4)]
    runs[0].fit(x, y, epochs=2, verbose=0)
    runs[1].fit(x, y, 32, 2, 0)
    runs[2].fit(x, y, 32, 2, 0, shuffle=True)
    runs[3].fit(x, y, 32, 2, 0, shuffle=False)
    assert same(runs[0].get_weights(), runs[1].get_weights()) and same(
        runs[0].get_weights(), runs[2].get_weights()
    )
    assert not same(runs[0].get_weights(), runs[3].get_weights())


def test_shuffle_takes_every_row_once_an_epoch_in_an_order_of_its_own():
    x, y = data(50)
    model = linear()
    w, b = model.get_weights()
    orders = [nn.random.permutation(50, model.seed, epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])
    wanted = [numpy_epoch(w, b, x, y, order, 16, 0.05) for order in orders]
    assert np.allclose(model.fit(x, y, 16, 3, 0).history["loss"], wanted, rtol=1e-12)


def test_two_fits_are_one_fit_of_all_epochs():
    x, y = data(40, 5, classes=4)
    once, twice = classifier(), classifier()
    once.fit(x, y, 16, 5, 0)
    twice.fit(x, y, 16, 2, 0)
    twice.fit(x, y, 16, 3, 0)
    assert same(once.get_weights(), twice.get_weights())


def test_validation_split_is_the_tail_before_shuffling():
    x, y = data(50)
    split, apart = linear(metrics=["mae"]), linear(metrics=["mae"])
    weight = np.linspace(0.5, 1.5, 50)
    a = split.fit(x, y, 16, 2, 0, validation_split=0.29, sample_weight=weight)
    cut = int(50 * (1 - 0.29))
    assert cut == 35
    b = apart.fit(
        x[:cut],
        y[:cut],
        16,
        2,
        0,
        validation_data=(x[cut:], y[cut:], weight[cut:]),
        sample_weight=weight[:cut],
    )
    assert a.history == b.history
    assert list(a.history) == ["loss", "mae", "val_loss", "val_mae"]
    error = apart.predict(x[cut:]) - y[cut:]
    assert np.isclose(a.history["val_loss"][-1], (weight[cut:] * (error[:, 0] ** 2)).mean())
    assert np.isclose(
        a.history["val_mae"][-1], np.abs(error).mean()
    )  # metrics= leaves the weights aside, as in Keras


def test_validation_data_go_before_validation_split():
    x, y = data(50)
    a, b = linear(), linear()
    first = a.fit(x, y, 16, 1, 0, validation_split=0.5, validation_data=(x[:7], y[:7]))
    assert first.history == b.fit(x, y, 16, 1, 0, validation_data=[x[:7], y[:7]]).history


def test_history():
    x, y = data(50)
    model = linear(metrics=["mae"])
    assert model.history is None
    history = model.fit(x, y, 16, 3, 0)
    assert model.history is history
    assert history.epoch == [0, 1, 2]
    assert history.params == {"epochs": 3, "steps": 4, "verbose": 0}
    assert all(type(value) is float for values in history.history.values() for value in values)
    assert all(len(values) == 3 for values in history.history.values())


def test_verbose():
    x, y = data(8)
    for verbose, lines in ((0, 0), (2, 2), ("auto", 2), (1, 2)):
        with redirect_stdout(io.StringIO()) as out:  # no terminal: 1 and "auto" are 2
            linear().fit(x, y, epochs=2, verbose=verbose)
        assert len(out.getvalue().splitlines()) == lines
    assert "Epoch 2/2" in out.getvalue()
    with redirect_stdout(io.StringIO()) as out:
        linear().evaluate(x, y)
    assert out.getvalue().startswith("loss: ")


def test_sample_weight_zero_is_as_if_the_row_were_not_there():
    x, y = data(20)
    weight = np.ones(20)
    weight[10:] = 0
    spoilt = y.copy()
    spoilt[10:] += 1000
    a, b = linear(), linear()
    a.fit(x, y, 20, 3, 0, shuffle=False, sample_weight=weight)
    b.fit(x, spoilt, 20, 3, 0, shuffle=False, sample_weight=weight.reshape(-1, 1))
    assert same(a.get_weights(), b.get_weights())


# ---------------------------------------------------------------- metrics, evaluate, train_on_batch
def test_accuracy_means_what_fits_the_loss():
    x, ids = data(60, 5, classes=4)
    model = classifier("float64")
    logits = model.predict(x)
    wanted = float((logits.argmax(1) == ids).mean())
    assert model.evaluate(x, ids, verbose=0)[1] == wanted
    model.compile("sgd", nn.losses.CategoricalCrossentropy(from_logits=True), metrics=["acc"])
    assert model.evaluate(x, np.eye(4)[ids], verbose=0, return_dict=True)["acc"] == wanted
    two = nn.Sequential([nn.Input((5,)), Dense(1, "sigmoid", dtype="float64")], seed=1)
    two.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    t = ids % 2
    assert np.isclose(two.evaluate(x, t, verbose=0)[1], ((two.predict(x)[:, 0] > 0.5) == t).mean())


def test_evaluate_forms_and_values():
    x, y = data(300, outputs=2)
    weight = np.random.default_rng(2).uniform(0, 2, 300)
    model = linear(outputs=2, metrics=["mse", "mae"])
    error = model.predict(x) - y
    loss, mse, mae = model.evaluate(x, y, verbose=0, sample_weight=weight)
    assert np.isclose(loss, (weight * (error**2).mean(1)).mean())
    assert np.isclose(mse, (error**2).mean()) and np.isclose(mae, np.abs(error).mean())
    assert model.evaluate(x, y, 7, 0, weight, return_dict=True) == pytest.approx({"loss": loss, "mse": mse, "mae": mae})
    assert model.evaluate(x, y, 300, 0) == model.evaluate(x, y, 10**9, 0)
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(x, y, verbose=0), float)


def test_evaluate_and_predict_change_nothing():
    x, y = data(50)
    model = linear(optimizer=nn.optimizers.SGD(0.05, 0.9))
    model.fit(x, y, verbose=0)
    before, history = model.get_weights(), model.history
    slots = [slot.numpy() for slot in model._slots]
    model.evaluate(x, y, verbose=0)
    model.predict(x)
    model(x[:3])
    assert same(before, model.get_weights()) and same(slots, [slot.numpy() for slot in model._slots])
    assert model.history is history


def test_train_on_batch_is_one_step_of_fit():
    x, y = data(20)
    a, b = (
        linear(metrics=["mae"], optimizer=nn.optimizers.SGD(0.05, 0.9)),
        linear(optimizer=nn.optimizers.SGD(0.05, 0.9)),
    )
    for _ in range(3):
        error = a.predict(x) - y
        loss, mae = a.train_on_batch(x, y)
        assert np.isclose(loss, (error**2).mean()) and np.isclose(
            mae, np.abs(error).mean()
        )  # before the step
    b.fit(x, y, 20, 3, 0, shuffle=False)
    assert same(a.get_weights(), b.get_weights())
    assert a.optimizer.iterations == b.optimizer.iterations == 3
    assert isinstance(b.train_on_batch(x, y), float)
    assert list(a.train_on_batch(x, y, np.ones(20), return_dict=True)) == ["loss", "mae"]


def test_a_new_learning_rate_takes_effect():
    x, y = data(20)
    model = linear()
    w, b = model.get_weights()
    numpy_epoch(w, b, x, y, np.arange(20), 20, 0.05)
    numpy_epoch(w, b, x, y, np.arange(20), 20, 0.002)
    model.fit(x, y, 20, 1, 0, shuffle=False)
    model.optimizer.learning_rate = 0.002
    model.fit(x, y, 20, 1, 0, shuffle=False)
    assert np.allclose(model.get_weights()[0], w, rtol=1e-12)


@pytest.mark.parametrize("trained", [False, True])
def test_momentum_given_later_takes_effect(trained):
    x, y = data(20)
    a, b = linear(optimizer=nn.optimizers.SGD(0.05)), linear(optimizer=nn.optimizers.SGD(0.05))
    if trained:
        for model in (a, b):
            model.fit(x, y, 20, 1, 0, shuffle=False)
    a.optimizer.momentum = 0.9
    b.compile(nn.optimizers.SGD(0.05, 0.9), "mse")
    for model in (a, b):
        model.fit(x, y, 20, 3, 0, shuffle=False)
    assert same(a.get_weights(), b.get_weights())


def test_compile_again_forgets_the_velocity_and_keeps_the_weights():
    x, y = data(20)
    model = linear(optimizer=nn.optimizers.SGD(0.05, 0.9))
    model.fit(x, y, 20, 3, 0, shuffle=False)
    fresh = linear(optimizer=nn.optimizers.SGD(0.05, 0.9))
    fresh.set_weights(model.get_weights())
    model.compile(nn.optimizers.SGD(0.05, 0.9), "mse")
    for m in (model, fresh):
        m.fit(x, y, 20, 2, 0, shuffle=False)
    assert same(model.get_weights(), fresh.get_weights())


# ---------------------------------------------------------------- predict
def test_predict_and_call_are_the_formula():
    x, _ = data(40, 5)
    model = classifier("float64")
    w1, b1, w2, b2 = model.get_weights()
    wanted = np.tanh(x @ w1 + b1) @ w2 + b2
    assert np.allclose(model.predict(x), wanted, rtol=1e-13, atol=1e-14)
    assert np.array_equal(model(x), model.predict(x))
    out = np.empty((40, 4))
    assert model(x, out) is out and np.array_equal(out, model.predict(x, 7))
    assert model.predict(x[:0]).shape == (0, 4) and model(np.empty((0, 5))).shape == (0, 4)


def test_parameters_of_activations_reach_the_kernels():
    x, _ = data(30)
    z = x @ np.ones((3, 2))
    for name, keyword, wanted in (
        ("elu", "alpha", np.where(z > 0, z, 0.3 * np.expm1(z))),
        ("leaky_relu", "negative_slope", np.where(z > 0, z, 0.3 * z)),
    ):
        chosen = functools.partial(getattr(nn.activations, name), **{keyword: 0.3})
        fused = [Dense(2, chosen, kernel_initializer="ones", dtype="float64")]
        apart = [Dense(2, kernel_initializer="ones", dtype="float64"), Activation(chosen, dtype="float64")]
        for layers in (fused, apart):
            assert np.allclose(nn.Sequential(layers).predict(x), wanted, rtol=1e-13, atol=1e-14), name
        alone = nn.Sequential([Activation(chosen, dtype="float64")])
        assert np.allclose(alone.predict(z), wanted, rtol=1e-13, atol=1e-14), name


def test_a_model_without_input_is_built_by_its_first_data():
    x, y = data(20)
    model = nn.Sequential([Dense(4, "relu"), Dense(1)], seed=5)
    named = nn.Sequential([nn.Input((3,)), Dense(4, "relu"), Dense(1)], seed=5)
    for m in (model, named):
        m.compile("sgd", "mse", metrics=["mae"])
    assert not model.built
    for call in (
        model.summary,
        model.get_weights,
        model.count_params,
        lambda: model.save("never"),
        lambda: model.output_shape,
    ):
        with pytest.raises(ValueError, match="not built"):
            call()
    a, b = model.fit(x, y, epochs=2, verbose=0), named.fit(x, y, epochs=2, verbose=0)
    assert model.built and model.input_shape == (None, 3) and model.output_shape == (None, 1)
    built = nn.Sequential([Dense(4, "relu"), Dense(1)], seed=5)
    built.build((None, 3))
    built.build(3)
    assert built.count_params() == 21
    assert [w.shape for w in model.get_weights()] == [w.shape for w in named.get_weights()]
    assert list(a.history) == list(b.history)


def test_layers_one_after_the_other():
    model = nn.Sequential(name="mine", seed=1)
    model.add(nn.Input((3,)))
    model.add(Dense(4, name="first"))
    model.add(Activation("relu"))
    model.add(Dense(2))
    assert [layer.name for layer in model.layers] == ["first", "activation", "dense"]
    assert model.get_layer("first") is model.get_layer(index=0) and model.get_layer(index=-1).units == 2
    assert model.output_shape == (None, 2)
    whole = nn.Sequential([nn.Input((3,)), Dense(4, "relu"), Dense(2)], seed=1)
    x, _ = data(9)
    model.set_weights(whole.get_weights())
    assert np.array_equal(model.predict(x), whole.predict(x))  # an Activation layer is fused like activation=


def test_a_layer_added_to_a_model_that_data_built():
    x, _ = data(9)
    model = nn.Sequential([Dense(4)], seed=1)
    first = model.predict(x)
    model.add(Dense(2))
    w, b = model.get_weights()[2:]
    assert np.allclose(model.predict(x), first @ w + b, atol=1e-6)
    with pytest.raises(ValueError, match=r"\(samples, 3\)"):
        model.predict(np.zeros((2, 1000)))


def test_weights():
    model = linear(dtype="float32")
    w, b = model.get_weights()
    w += 1  # a copy
    assert not np.array_equal(w, model.get_weights()[0])
    model.set_weights([w.tolist(), b.astype(int)])
    assert same(model.get_weights(), [w, b])
    model.layers[0].set_weights([w * 2, b])
    assert same(model.layers[0].get_weights(), [w * 2, b])


def test_summary_counts():
    lines = []
    model = nn.Sequential(
        [nn.Input((3,)), Dense(4, "relu", use_bias=False), Dense(1, dtype="float32")], name="m"
    )
    model.summary(lines.append)
    text = "\n".join(lines)
    assert 'Model: "m"' in text and "12" in text and "Total parameters: 17 (68 bytes, float32)" in text
    assert model.count_params() == 17 and model.layers[0].count_params() == 12


# ---------------------------------------------------------------- dtype, seeds
@pytest.mark.parametrize("how", ["dtype", "floatx"])
def test_float64_throughout(how):
    if how == "floatx":
        nn.config.set_floatx("float64")
    given = {"dtype": "float64"} if how == "dtype" else {}
    model = nn.Sequential(
        [nn.Input((3,)), Dense(4, "gelu", **given), Activation("softplus", **given), Dense(1, **given)],
        seed=2,
    )
    model.compile(nn.optimizers.SGD(0.05, 0.9), "mse", metrics=["mae"])
    x, y = data(50)
    model.fit(x, y, 16, 2, 0)
    assert all(w.dtype == np.float64 for w in model.get_weights()) and model.predict(x).dtype == np.float64
    assert {
        b.dtype for plans in model._plans.values() for p in plans for b in p.executor.program.buffers
    } == {np.dtype("f8")}
    # float64 all the way: the reference executor agrees to 1e-12, which a float32 in between would spoil
    twin = nn.Sequential(
        [nn.Input((3,)), Dense(4, "gelu", **given), Activation("softplus", **given), Dense(1, **given)],
        seed=2,
    )
    twin.executor_class = reference.executor.Executor
    twin.compile(nn.optimizers.SGD(0.05, 0.9), "mse", metrics=["mae"])
    twin.fit(x, y, 16, 2, 0)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-13)


def test_seeds_repeat_a_run_to_the_bit():
    x, y = data(40, 5, classes=4)

    def run(seed):
        model = classifier(seed=seed)
        history = model.fit(x, y, 16, 3, 0, validation_split=0.2)
        return [*model.get_weights(), np.array(list(history.history.values()))]

    assert same(run(3), run(3))
    assert not same(run(3), run(4))
    nn.utils.set_random_seed(11)
    a, b = run(None), run(None)
    nn.utils.set_random_seed(11)
    assert same(run(None), a) and same(run(None), b)
    assert not same(a, b)  # each model has a seed of its own


# ---------------------------------------------------------------- files
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_saved_model_predicts_and_trains_on_as_if_nothing_had_happened(tmp_path, dtype):
    x, y = data(40, 5, classes=4)
    model, path = classifier(dtype), tmp_path / "m.safetensors"
    model.fit(x, y, 16, 2, 0)
    model.save(path)
    loaded = nn.load_model(path)
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    assert same(loaded.get_weights(), model.get_weights())
    assert loaded.optimizer.iterations == model.optimizer.iterations == 6
    a, b = model.fit(x, y, 16, 3, 0), loaded.fit(x, y, 16, 3, 0)
    assert a.history == b.history and same(loaded.get_weights(), model.get_weights())
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_what_a_file_keeps(tmp_path):
    path = str(tmp_path / "m")
    layers = [
        Dense(
            4,
            nn.activations.gelu,
            use_bias=False,
            kernel_initializer=nn.initializers.Constant(0.5),
            name="a",
            dtype="float64",
        ),
        Activation({"name": "elu", "parameters": {"alpha": 0.5}}, dtype="float64"),
        Dense(2, "sigmoid", dtype="float64"),
    ]
    model = nn.Sequential(layers, name="kept", seed=2**64 - 1)
    model.build(3)
    model.save(path)
    loaded = nn.load_model(path)
    assert loaded.get_config() == model.get_config() and loaded.optimizer is None
    model.compile(
        nn.optimizers.SGD(0.3, 0.5, True, 0.01, name="o"),
        nn.losses.BinaryCrossentropy(name="l"),
        metrics=["mae", nn.metrics.BinaryAccuracy("b", threshold=0.25)],
    )
    model.save(path, {"author": "me"})
    loaded = nn.load_model(path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.loss.get_config() == model.loss.get_config()
    x, y = data(10, outputs=2)
    assert loaded.evaluate(x, y > 0, verbose=0, return_dict=True) == model.evaluate(
        x, y > 0, verbose=0, return_dict=True
    )
    assert load_weights_file(path)[1]["author"] == "me"


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m"
    model = classifier()
    model.save(path)
    old = path.read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])

    def broken(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["m"]
    model.save(path)
    assert path.read_bytes() != old


def test_every_activation_and_initializer_survives_a_file(tmp_path):
    x, _ = data(10)
    for name in nn.activations.TABLE:
        model = nn.Sequential(
            [nn.Input((3,)), Dense(4, name, kernel_initializer="he_normal"), Activation(name), Dense(2, name)]
        )
        model.save(tmp_path / "m")
        assert np.array_equal(nn.load_model(tmp_path / "m").predict(x), model.predict(x)), name


# ---------------------------------------------------------------- two executors, one program
LOSSES = {
    "sparse": (nn.losses.SparseCategoricalCrossentropy(), 3, True),
    "sparse logits": (nn.losses.SparseCategoricalCrossentropy(from_logits=True), 3, True),
    "categorical": (nn.losses.CategoricalCrossentropy(), 3, False),
    "categorical logits": (nn.losses.CategoricalCrossentropy(from_logits=True), 3, False),
    "binary": (nn.losses.BinaryCrossentropy(), 2, False),
    "binary logits": (nn.losses.BinaryCrossentropy(from_logits=True), 1, False),
    "mse": (nn.losses.MeanSquaredError(), 2, False),
}


class Copying(Executor):
    """An executor whose buffers hold the data, too."""

    def bind(self, feeds, results=None, in_place=False):
        return super().bind(feeds, results)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("activation", list(nn.activations.TABLE))
def test_executors_agree_on_every_buffer(activation, name, dtype):
    loss, outputs, ids = LOSSES[name]
    rng = np.random.default_rng([len(activation), len(name)])
    x = rng.normal(size=(11, 5))
    y = rng.integers(0, outputs, 11) if ids else rng.dirichlet(np.ones(outputs + 1), 11)[:, :outputs]
    weight = rng.uniform(0.5, 1.5, 11)
    last = {"sparse": "softmax", "categorical": "softmax", "binary": "sigmoid"}.get(name)
    models = []
    for executor in (Copying, reference.executor.Executor):
        small = nn.initializers.RandomNormal(stddev=0.2)  # for exp behind exp
        layers = [
            nn.Input((5,)),
            Dense(7, activation, dtype=dtype, kernel_initializer=small),
            Dense(6, dtype=dtype, kernel_initializer=small),
            Activation(activation, dtype=dtype),
            Dense(outputs, last, dtype=dtype),
        ]
        model = nn.Sequential(layers, seed=9)
        model.executor_class = executor
        model.compile(nn.optimizers.SGD(0.001, 0.5, nesterov=True, weight_decay=0.1), loss, metrics=["accuracy"])
        history = model.fit(x, y, 4, 2, 0, sample_weight=weight)
        model.predict(x)
        model.evaluate(x, y, verbose=0)
        models.append((model, history))
    (a, history_a), (b, history_b) = models
    tolerance = dict(rtol=2e-4, atol=2e-5) if dtype == "float32" else dict(rtol=1e-11, atol=1e-13)
    assert a._plans.keys() == b._plans.keys()
    for key in a._plans:
        (plan,), (twin,) = a._plans[key], b._plans[key]
        assert str(plan.executor.program) == str(twin.executor.program)
        buffers = plan.executor.program.buffers
        # results of a fused op have no buffer before the activation: compare what the program writes
        written = {n for op in plan.executor.program.ops for n in op.outputs if n is not None}
        written |= {
            n
            for n, buffer in enumerate(buffers)
            if buffer.variable is not None or buffer.role in ("input", "target", "weight")
        }
        written -= plan.executor.fusions.unwritten
        assert len(written) > 5
        for n in written:
            left, right = plan.executor.value(n), twin.executor.value(n)
            assert left.shape == right.shape and left.dtype == right.dtype
            assert np.allclose(left, right, **tolerance), (key, n, buffers[n])
    for left, right in zip(history_a.history.values(), history_b.history.values(), strict=True):
        assert np.allclose(left, right, **tolerance)


def test_gradients_reach_every_weight():
    """The step that SGD makes is the slope of evaluate()'s loss, by central differences in float64."""
    x, y = data(13, 5, classes=4)
    model = nn.Sequential(
        [
            nn.Input((5,)),
            Dense(6, "silu", dtype="float64"),
            Dense(5, "softmax", dtype="float64"),
            Activation("elu", dtype="float64"),
            Dense(4, "softmax", dtype="float64"),
        ],
        seed=4,
    )
    model.compile(nn.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.train_on_batch(x, y)
    gradients = [(w - v) / 1e-3 for w, v in zip(before, model.get_weights(), strict=True)]
    rng = np.random.default_rng(8)
    for place, weight in enumerate(before):
        direction = rng.normal(size=weight.shape)
        values = []
        for step in (1e-5, -1e-5):
            model.set_weights([w + step * direction if n == place else w for n, w in enumerate(before)])
            values.append(model.evaluate(x, y, verbose=0))
        assert np.isclose(
            (values[0] - values[1]) / 2e-5, (gradients[place] * direction).sum(), rtol=1e-6, atol=1e-9
        ), place


@pytest.mark.parametrize("how", ["copy", "pickle"])
def test_a_copy_goes_on_as_the_model_does_and_apart_from_it(how):
    x = np.linspace(-1, 1, 40).reshape(20, 2)
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3, "tanh"), nn.layers.Dense(1)], seed=1)
    model.compile(nn.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    before = model.get_weights()
    twin = copy.deepcopy(model) if how == "copy" else pickle.loads(pickle.dumps(model))
    twin.fit(x, x[:, :1], epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(twin.get_weights(), model.get_weights(), strict=True))


def test_the_first_weights_do_not_depend_on_an_input_layer():
    with_input = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3), nn.layers.Dense(1)], seed=1)
    without = nn.Sequential([nn.layers.Dense(3), nn.layers.Dense(1)], seed=1)
    without.build(2)
    for a, b in zip(with_input.get_weights(), without.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_layer_can_be_frozen_and_thawed_between_fits():
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.zeros((40, 1))
    model = nn.Sequential([nn.Input((3,)), Dense(4, "tanh"), Dense(1)], seed=1)
    model.compile(nn.optimizers.Adam(0.1), "mse")
    model.fit(x, y, verbose=0)
    for frozen in (True, False):
        model.layers[0].trainable = not frozen
        assert len(model.trainable_weights) == (2 if frozen else 4)
        before = model.get_weights()
        model.fit(x, y, verbose=0)
        after = model.get_weights()
        assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [frozen, frozen, False, False]
    model.trainable = False
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.raises(TypeError, match="trainable"):
        model.layers[0].trainable = "no"


def test_an_override_that_would_be_ignored_is_refused():
    with pytest.raises(TypeError, match="Mine defines call"):
        type("Mine", (Dense,), {"call": lambda self, x: x})
    with pytest.raises(TypeError, match="Mine defines call"):
        type("Mine", (nn.Sequential,), {"call": lambda self, x: x})


def test_logs_of_a_callback_may_hold_anything(capsys):
    model = nn.Sequential([nn.Input((1,)), Dense(1)], seed=1)
    model.compile("sgd", "mse")
    note = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(note="hi", grid=np.eye(2)))
    history = model.fit([[1.0]], [[1.0]], verbose=2, callbacks=note)
    assert "note: hi" in capsys.readouterr().out and history.history["note"] == ["hi"]
