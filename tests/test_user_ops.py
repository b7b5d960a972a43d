"""Layers, losses, activations and metrics that users write in NumPy, as ops of both executors."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import executor, reference
from nncore.layers import Activation, Dense, Layer

EXECUTORS = {"compiled": executor.Executor, "numpy": reference.executor.Executor}
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 5)), RNG.normal(size=(50, 2))
IDS = RNG.integers(0, 3, 50)


class MyDense(Layer):
    """`Dense` again."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight((self.units,), "zeros", name="bias")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def call(self, x):
        return x @ self.kernel + self.bias

    def backward(self, x, y, dy):
        return dy @ self.kernel.numpy().T, [x.T @ dy, dy.sum(axis=0)]

    def get_config(self):
        return {"units": self.units, **super().get_config()}


class MyTanh(Layer):
    def call(self, x):
        return np.tanh(x)

    def backward(self, x, y, dy):
        return dy * (1 - y * y)


class MyMSE(nn.losses.Loss):
    def call(self, y_true, y_pred):
        return ((y_pred - y_true) ** 2).mean(axis=1)

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[1]


class MyCrossEntropy(nn.losses.Loss):
    target_kind = "ids"

    def softmax(self, y):
        e = np.exp(y - y.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def call(self, y_true, y_pred):
        assert y_true.dtype == np.int64 and y_true.ndim == 1
        return -np.log(self.softmax(y_pred)[np.arange(len(y_true)), y_true])

    def gradient(self, y_true, y_pred):
        return self.softmax(y_pred) - np.eye(y_pred.shape[1])[y_true]


def my_mae(y_true, y_pred):
    return np.abs(y_true - y_pred).mean(axis=1)


def make(layers, loss="mse", metrics=("mae",), kind="compiled", rate=0.1, width=5):
    model = nn.Sequential([nn.Input((width,)), *layers], seed=3)
    model.executor_class = EXECUTORS[kind]
    model.compile(nn.optimizers.SGD(rate, 0.5), loss, metrics=list(metrics))
    return model


def equal(a, b, dtype):
    return all(np.allclose(p, q, rtol=1e-10 if dtype == "float64" else 3e-4, atol=1e-12 if dtype == "float64" else 3e-5)
               for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("weighted", [False, True])
def test_numpy_layers_losses_and_metrics_are_what_the_native_ones_are(kind, dtype, weighted):
    weight = RNG.uniform(0, 2, 50) if weighted else None
    tanh = nn.activations.Custom(np.tanh, lambda x, y, dy: dy * (1 - y * y), "my_tanh")
    native = make([Dense(7, "tanh", dtype=dtype), Dense(6, dtype=dtype), Activation("tanh", dtype=dtype), Dense(2, dtype=dtype)])
    users = make([MyDense(7, dtype=dtype), MyTanh(dtype=dtype), Dense(6, tanh, dtype=dtype), MyDense(2, dtype=dtype)],
                 MyMSE(), [my_mae], kind)
    users.set_weights(native.get_weights())
    a = native.fit(X, Y, 16, 5, 0, sample_weight=weight, validation_split=0.3)  # 35 rows: a last batch of 3
    b = users.fit(X, Y, 16, 5, 0, sample_weight=weight, validation_split=0.3)
    assert list(b.history) == ["loss", "my_mae", "val_loss", "val_my_mae"]
    assert equal(list(a.history.values()), list(b.history.values()), dtype)
    assert equal(native.get_weights(), users.get_weights(), dtype)
    assert equal([native.predict(X)], [users.predict(X, 7)], dtype) and users.predict(X).dtype == dtype
    assert equal([native.evaluate(X, Y, 7, 0, weight)], [users.evaluate(X, Y, 7, 0, weight)], dtype)
    assert equal([native.train_on_batch(X, Y)], [users.train_on_batch(X, Y)], dtype)
    assert users(X[:1]).shape == (1, 2)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_loss_on_class_ids(kind):
    native = make([Dense(3, dtype="float64")], nn.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    users = make([Dense(3, dtype="float64")], MyCrossEntropy, ["accuracy"], kind)
    a, b = (m.fit(X, IDS, 16, 5, 0) for m in (native, users))
    assert equal(list(a.history.values()), list(b.history.values()), "float64")
    with pytest.raises(ValueError, match=r"fit: y\[\d+\] is 3, but class ids must lie"):
        users.fit(X, IDS + 1)


def test_losses_and_metrics_alone():
    own, native = MyMSE(), nn.losses.MeanSquaredError()
    weight = RNG.uniform(0, 2, 50)
    assert np.isclose(own(Y, X[:, :2], weight), native(Y, X[:, :2], weight))
    assert np.allclose(MyMSE(reduction=None)(Y, X[:, :2]), ((Y - X[:, :2]) ** 2).mean(1))
    metric = nn.metrics.MeanMetricWrapper(my_mae)
    metric.update_state(Y, X[:, :2])
    assert np.isclose(metric.result(), np.abs(Y - X[:, :2]).mean())


def test_both_executors_run_the_same_program():
    models = [make([MyDense(4), MyTanh(), Dense(2)], MyMSE(), [my_mae], kind) for kind in EXECUTORS]
    programs = []
    for model in models:
        model.fit(X, Y, verbose=0)
        programs.append(str(next(plans for key, plans in model._plans.items() if key[0] == "fit")[0].executor.program))
    assert programs[0] == programs[1]
    assert "python(%0, %2, %3, function=<layer 'my_dense': MyDense.call>)" in programs[0]


def test_the_first_layer_owes_nobody_a_gradient():
    class Count(MyDense):
        def backward(self, x, y, dy):
            return None, [x.T @ dy, dy.sum(axis=0)]

    a, b = make([Count(2)]), make([MyDense(2)])
    for model in (a, b):
        model.fit(X, Y, 16, 2, 0)
    assert all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


def test_weights_that_are_not_trained():
    class Part(MyDense):
        def build(self, input_shape):
            super().build(input_shape)
            self.shift = self.add_weight((self.units,), "ones", trainable=False, name="shift")

        def call(self, x):
            return super().call(x) + self.shift

        def backward(self, x, y, dy):
            dx, gradients = super().backward(x, y, dy)
            return dx, [*gradients, None]

    model = make([Part(2)])
    model.fit(X, Y, verbose=0)
    assert [w.shape for w in model.get_weights()] == [(5, 2), (2,), (2,)] and (model.get_weights()[2] == 1).all()
    frozen = make([MyDense(2, trainable=False), MyTanh(), MyDense(2)])
    before = frozen.get_weights()
    frozen.fit(X, Y, verbose=0)
    changed = [not np.array_equal(p, q) for p, q in zip(before, frozen.get_weights(), strict=True)]
    assert changed == [False, False, True, True]


def test_what_a_layer_is_given_cannot_be_changed():
    class Meddler(MyTanh):
        def call(self, x):
            assert x.dtype == np.float32 and x.ndim == 2 and len(x) in (16, 2, 50)
            with pytest.raises(ValueError, match="read-only"):
                x[0] = 1
            return np.tanh(x)

        def backward(self, x, y, dy):
            for array in (x, y, dy):
                with pytest.raises(ValueError, match="read-only"):
                    array += 1
            return dy * (1 - y * y)

    a, b = make([Dense(4), Meddler(), Dense(2)]), make([Dense(4), MyTanh(), Dense(2)])
    for model in (a, b):
        model.fit(X, Y, 16, 2, 0)
        model.predict(X)
    assert all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


# ---------------------------------------------------------------- what users get wrong
class Returns(Layer):
    """Returns what it is told to."""

    def __init__(self, y=None, dx=None, fails=None, **options):
        super().__init__(**options)
        self.y, self.dx, self.fails = y or (lambda x: x), dx or (lambda dy: dy), fails or (lambda where: None)

    def call(self, x):
        self.fails("call")
        return self.y(x)

    def backward(self, x, y, dy):
        self.fails("backward")
        return self.dx(dy)


WRONG = {
    "shape": (dict(y=lambda x: x[:, :1]), ValueError, r"^layer 'mine': Returns.call must return y of shape \(32, 5\), got shape \(32, 1\)"),
    "rows": (dict(y=lambda x: x[:1]), ValueError, r"y of shape \(32, 5\), got shape \(1, 5\)"),
    "nothing": (dict(y=lambda x: None), TypeError, "Returns.call must return y as an array of real numbers, got NoneType"),
    "complex": (dict(y=lambda x: x * 1j), TypeError, "array of real numbers, got an array of complex"),
    "words": (dict(y=lambda x: "y"), TypeError, "array of real numbers, got an array of <U1"),
    "ragged": (dict(y=lambda x: [[1.0], [1.0, 2.0]]), TypeError, "array of real numbers, got list"),
    "dx": (dict(dx=lambda dy: dy[0]), ValueError, r"^layer 'mine': Returns.backward must return dx of shape \(32, 5\), got shape \(5,\)"),
    "gradients": (dict(dx=lambda dy: (dy, [dy])), ValueError, r"^layer 'mine': Returns.backward must return dx alone"),
}


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_results_are_refused_in_the_layers_name(name, kind):
    options, error, message = WRONG[name]
    model = make([Dense(5), Returns(**options, name="mine"), Dense(2)], kind=kind)
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(X, Y, verbose=0)
    assert all(np.array_equal(p, q) for p, q in zip(before, model.get_weights(), strict=True))


def test_wrong_gradients_of_weights_losses_metrics_and_activations():
    class Few(MyDense):
        def backward(self, x, y, dy):
            return dy, [x.T @ dy]

    class Turned(MyDense):
        def backward(self, x, y, dy):
            return None, [dy.T @ x, dy.sum(0)]

    class Column(MyMSE):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred)[:, None]

    class Narrow(MyMSE):
        def gradient(self, y_true, y_pred):
            return y_pred[:, 0]

    bad = nn.activations.Custom(lambda x: x.sum(), lambda x, y, dy: dy, "bad")
    for model, message in (
        (make([Few(2)]), r"layer 'few': Few.backward must return \(dx, \[gradients of kernel, bias\]\)"),
        (make([Turned(2)]), r"layer 'turned': Turned.backward must return the gradient of kernel of shape \(5, 2\), got shape \(2, 5\)"),
        (make([Dense(2)], Column()), r"loss Column.call must return a value per row of shape \(32,\), got shape \(32, 1\)"),
        (make([Dense(2)], Narrow()), r"loss Narrow.gradient must return a gradient of shape \(32, 2\)"),
        (make([Dense(2, bad)]), r"layer 'dense': activation 'bad', forward must return y of shape \(32, 2\), got shape \(\)"),
        (make([Dense(2)], metrics=[lambda t, p: 1.0]), r"metric '<lambda>': <lambda> must return a value per row of shape \(32,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"loss Column.call must return a value per row of shape \(50,\)"):
        Column()(Y, Y)


def test_what_is_missing_for_training_is_said():
    class Forward(Layer):
        def call(self, x):
            return np.abs(x)

    class Values(nn.losses.Loss):
        def call(self, y_true, y_pred):
            return np.abs(y_true - y_pred).sum(axis=1)

    class Nothing(Layer):
        pass

    one_way = nn.activations.Custom(np.abs, name="one_way")
    for model, message in (
        (make([Dense(2), Forward()]), r"^layer 'forward': Forward has no backward\(x, y, dy\), which training needs$"),
        (make([Dense(2, one_way)]), r"^layer 'dense': activation 'one_way' has no backward\(x, y, dy\), which training"),
        (make([Dense(2)], Values()), r"^fit: loss Values has no gradient\(y_true, y_pred\), which training needs$"),
    ):
        assert model.predict(X).shape == (50, 2) and len(model.evaluate(X, Y, verbose=0)) == 2
        with pytest.raises(NotImplementedError, match=message):
            model.fit(X, Y, verbose=0)
        assert model.history is None and model.optimizer.iterations == 0
    make([Forward(), Dense(2)]).fit(X, Y, verbose=0)  # nothing before it is trained
    with pytest.raises(NotImplementedError, match=r"Nothing must define call\(\) or emit\(\)"):
        make([Nothing()]).predict(X)


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("where", ["call", "backward"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, FloatingPointError])
def test_an_exception_ends_the_run_with_the_weights_of_the_last_batch(error, where, kind):
    class Mine(error):
        pass

    calls = []

    def fails(method):
        calls.append(method)
        if calls.count(where) == 3 and method == where:
            raise Mine("no more")

    layer = Returns(fails=fails, name="mine")
    model, twin = make([Dense(4), layer, Dense(2)], kind=kind), make([Dense(4), Returns(), Dense(2)], kind=kind)
    with pytest.raises(Mine, match="^no more") as caught:
        model.fit(X, Y, 10, 2, 0, shuffle=False)
    if error is not KeyboardInterrupt:
        assert caught.value.__notes__ == [f"nncore: in layer 'mine': Returns.{where}"]
    twin.fit(X[:20], Y[:20], 10, 1, 0, shuffle=False)
    for _ in range(2):
        for a, b in zip([*model.weights, *model._slots], [*twin.weights, *twin._slots], strict=True):
            assert np.array_equal(a.numpy(), b.numpy())
        assert model.optimizer.iterations == twin.optimizer.iterations
        for m in (model, twin):
            m.fit(X, Y, 10, 1, 0, shuffle=False)
    assert model._epochs_done == 0 and len(model.history.epoch) == 1


def test_an_exception_in_predict():
    def fails(where):
        raise RuntimeError(where)

    model = make([Returns(fails=fails), Dense(2)])
    for call in (model.predict, model):
        with pytest.raises(RuntimeError, match="^call"):
            call(X)
    model.layers[0].fails = lambda where: None
    assert model(X).shape == (50, 2)


# ---------------------------------------------------------------- files and names
def test_files(tmp_path):
    nn.activations.Custom(np.sin, lambda x, y, dy: dy * np.cos(x), "sine")
    model = make([MyDense(4), Dense(3, "sine"), MyTanh(), Dense(2)], MyMSE(name="m"), [my_mae, "mse"])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m")
    loaded = nn.load_model(tmp_path / "m")
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == model.evaluate(X, Y, verbose=0, return_dict=True)
    a, b = model.fit(X, Y, verbose=0), loaded.fit(X, Y, verbose=0)
    assert a.history == b.history
    for registry, name, message in (
        (Layer.kinds, "MyDense", "unknown layer 'MyDense'"),
        (nn.losses.Loss.kinds, "MyMSE", "unknown loss 'MyMSE'"),
        (nn.activations.Custom.named, "sine", "unknown activation 'sine'"),
        (nn.metrics.MeanMetricWrapper.functions, "my_mae", r"make nncore.metrics.MeanMetricWrapper\(my_mae\) first"),
    ):
        kept = registry.pop(name)
        try:
            with pytest.raises(ValueError, match=message):
                nn.load_model(tmp_path / "m")
        finally:
            registry[name] = kept


def test_own_classes_are_not_shadowed(tmp_path):
    model = make([Dense(4, kernel_regularizer=nn.regularizers.L1(0.1), kernel_constraint=nn.constraints.MaxNorm(3.0)),
                  nn.layers.Dropout(0.5), Dense(2)], "mse", [nn.metrics.R2Score()])
    model.optimizer.learning_rate = nn.optimizers.schedules.CosineDecay(0.1, 9)
    model.save(tmp_path / "m")
    config = model.get_config()
    bases = {"Dropout": Layer, "Dense": Layer, "MeanSquaredError": nn.losses.Loss, "R2Score": nn.metrics.Metric,
             "L1": nn.regularizers.Regularizer, "MaxNorm": nn.constraints.Constraint,
             "CosineDecay": nn.optimizers.schedules.LearningRateSchedule}
    own = {name: base.kinds[name] for name, base in bases.items()}
    try:
        for name, base in bases.items():
            type(name, (base,), {})
        assert {name: base.kinds[name] for name, base in bases.items()} == own
        loaded = nn.load_model(tmp_path / "m")
        assert loaded.get_config() == config and type(loaded.layers[1]) is nn.layers.Dropout
    finally:
        for name, base in bases.items():
            base.kinds[name] = own[name]


@pytest.mark.parametrize(("name", "base", "build"), [
    ("Dropout", MyTanh, lambda cls: make([cls(), Dense(2)])),
    ("Sequential", MyTanh, lambda cls: make([cls(), Dense(2)])),
    ("Model", MyTanh, lambda cls: make([cls(), Dense(2)])),
    ("L1", nn.regularizers.L1, lambda cls: make([Dense(2, kernel_regularizer=cls())])),
    ("MaxNorm", nn.constraints.MaxNorm, lambda cls: make([Dense(2, kernel_constraint=cls())])),
    ("Zeros", nn.initializers.Zeros, lambda cls: make([Dense(2, bias_initializer=cls())])),
    ("MeanSquaredError", MyMSE, lambda cls: make([Dense(2)], cls())),
    ("R2Score", nn.metrics.R2Score, lambda cls: make([Dense(2)], "mse", [cls()])),
    ("CosineDecay", nn.optimizers.schedules.CosineDecay, lambda cls: make([Dense(2)], rate=cls(0.1, 9))),
])
def test_a_class_with_the_name_of_an_own_one_is_not_saved(tmp_path, name, base, build):
    kinds = getattr(base, "kinds", {})
    kept = dict(kinds)
    try:
        model = build(type(name, (base,), {}))
        model.fit(X, Y, verbose=0)
        with pytest.raises(ValueError, match=f"^your class {name} has the name of one of nncore's and cannot be saved"):
            model.save(tmp_path / "m")
        assert not (tmp_path / "m").exists()
    finally:
        kinds.clear()
        kinds.update(kept)


def test_names_and_kinds_of_custom_things():
    with pytest.raises(ValueError, match="'relu' is an activation of nncore"):
        nn.activations.Custom(np.tanh, name="relu")
    with pytest.raises(TypeError, match="forward and backward must be functions"):
        nn.activations.Custom(np.tanh, 3)
    with pytest.raises(TypeError, match="fn must be a function"):
        nn.metrics.MeanMetricWrapper(3)
    cube = nn.activations.Custom(lambda x: x**3, name="cube")
    assert nn.activations.get("cube") is cube and nn.activations.serialize(cube) == "cube"
    assert cube([2.0]) == [8.0]
    with pytest.raises(TypeError, match="takes no parameters"):
        nn.activations.get({"name": "cube", "parameters": {"alpha": 1.0}})


# ---------------------------------------------------------------- threads
def big(kind="compiled"):
    return make([Dense(256, "relu"), MyTanh(), Dense(256, "relu"), Dense(2)], MyMSE(), [my_mae], kind, 0.01, 256)


def check_threads():
    """The program feeds two threads; thread 0 takes the GIL while three Python threads compete for it."""
    nn.executor.TRIAL = 0.5
    x, y = RNG.normal(size=(2000, 256)), RNG.normal(size=(2000, 2))
    results = []
    for n in (1, 2):
        nn.set_num_threads(n)
        model = big()
        model.fit(x, y, 250, 3, 0)
        results.append(b"".join(w.tobytes() for w in [*model.get_weights(), model.predict(x)]))
        plan = next(plans for key, plans in model._plans.items() if key[0] == "fit")[0].executor
        tried = {*plan.pace, *plan.trials}
        assert bool(tried) == (nn.get_num_threads() == 2), tried
    assert results[0] == results[1]

    sys.setswitchinterval(1e-5)
    errors, done = [], threading.Event()

    def train():
        try:
            model = big()
            model.fit(x, y, 250, 3, 0)
            assert b"".join(w.tobytes() for w in [*model.get_weights(), model.predict(x)]) == results[0]
        except BaseException as error:
            errors.append(error)

    def spin():
        while not done.is_set():
            sum(range(1000))

    spinner = threading.Thread(target=spin)
    spinner.start()
    threads = [threading.Thread(target=train) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    spinner.join()
    assert not errors, errors

    # an exception ends all threads of the region, and a layer may itself use the library
    nn.set_num_threads(2)
    inner = make([Dense(512), Dense(512), Dense(2)], width=256)
    wide = np.ones((1000, 256), "f4")

    class Nested(MyTanh):
        calls = 0

        def call(self, x):
            self.calls += 1
            inner.predict(wide, 1000)
            inner.fit(wide, wide[:, :2], 1000, 1, 0, nonfinite="continue")
            nn.kernels.dense_forward(wide, np.ones((256, 512), "f4"))
            if self.calls == 5:
                raise KeyError("five")
            return np.tanh(x)

    model = make([Dense(256), Nested(dtype="float32"), Dense(2)], width=256)
    try:
        model.fit(x, y, 250, 3, 0)
    except KeyError:
        assert model.optimizer.iterations == 4
    else:
        sys.exit("no KeyError")
    model.fit(x, y, 250, 3, 0)

    # what waits for a long op sleeps
    class Slow(MyTanh):
        def call(self, x):
            import time
            time.sleep(0.1)
            return np.tanh(x)

    import time
    model = make([Dense(256), Slow(dtype="float32"), Dense(2)], width=256)
    start, used = time.perf_counter(), time.process_time()
    model.fit(x, y, 200, 1, 0)
    used, took = time.process_time() - used, time.perf_counter() - start
    assert took > 1 and (used < 0.3 or nn.config_info()["debug"]), (took, used)
    print("fine")


@pytest.mark.skipif(not nn.config_info()["openmp"], reason="built for one thread")
def test_python_ops_in_a_parallel_region():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "false"}
    environment.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "fine\n", done.stderr


if __name__ == "__main__":
    check_threads()
