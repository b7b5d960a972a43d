"""Layers of several inputs, of another shape, of pairs of features, and of a function: alone and in models."""

import numpy as np
import pytest

import nncore as nn
from nncore.layers import (
    Activation,
    Add,
    Average,
    Concatenate,
    Dense,
    Dot,
    Embedding,
    FactorizationMachine,
    Flatten,
    FMInteraction,
    GlobalAveragePooling1D,
    Lambda,
    Maximum,
    Minimum,
    Multiply,
    RepeatVector,
    Reshape,
    Subtract,
)

RNG = np.random.default_rng(8)
EXECUTORS = [nn.executor.Executor, nn.reference.executor.Executor]
each_executor = pytest.mark.parametrize("executor", EXECUTORS, ids=["compiled", "NumPy"])


def rows(*shape):
    return RNG.standard_normal((11, *shape))


def tensors(arrays, dtype="float64"):
    return [nn.Input(array.shape[1:], dtype=dtype, name=f"in_{number}") for number, array in enumerate(arrays)]


def through(layer, arrays, executor):
    """The layer's output for several inputs, from a model."""
    inputs = tensors(arrays)
    model = nn.Model(inputs, layer(inputs), seed=1)
    model.executor_class = executor
    return model.predict(arrays)


def check_gradient(model, x, y, executor, tolerance=1e-6):
    """The gradient of every weight, which a step of SGD shows, against differences of the loss along a direction."""
    model.executor_class = executor
    model.compile(nn.optimizers.SGD(1.0), model.loss or "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    gradient = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    assert all(np.abs(part).max() > 0 for part in gradient)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        direction = [rng.standard_normal(part.shape) for part in before]

        def loss(t, direction=direction):
            model.set_weights([w + t * d for w, d in zip(before, direction, strict=True)])
            return model.evaluate(x, y, verbose=0, batch_size=1000)

        h = 1e-4  # short: a maximum has kinks
        slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
        found = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
        assert found == pytest.approx(slope, rel=tolerance, abs=tolerance)
    model.set_weights(before)


def forced(monkeypatch, n_threads):
    """Let every run of a program take so many threads, however small the work."""
    call = nn.executor.Bound.__call__

    def on_threads(self, *arguments, n_threads=n_threads, **keywords):
        return call(self, *arguments[:6], n_threads=n_threads, **keywords)

    monkeypatch.setattr(nn.executor.Bound, "__call__", on_threads)


# Alone --------------------------------------------------------------------------------------------------------


@each_executor
@pytest.mark.parametrize(
    "layer, function",
    [
        (Add(), lambda *x: sum(x)),
        (Multiply(), lambda *x: np.prod(x, axis=0)),
        (Average(), lambda *x: np.mean(x, axis=0)),
        (Maximum(), lambda *x: np.max(x, axis=0)),
        (Minimum(), lambda *x: np.min(x, axis=0)),
        (Concatenate(axis=1), lambda *x: np.concatenate(x, axis=1)),
        (Concatenate(), lambda *x: np.concatenate(x, axis=-1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.layers.Layer) else "",
)
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 50])
def test_merges(layer, function, shape, count, executor):
    arrays = [rows(*shape) for _ in range(count)]
    kind = type(layer)(**{k: v for k, v in layer.get_config().items() if k == "axis"}, dtype="float64")
    np.testing.assert_allclose(through(kind, arrays, executor), function(*arrays), rtol=1e-12, atol=1e-12)


@each_executor
def test_subtract_and_dot(executor):
    a, b = rows(5), rows(5)
    np.testing.assert_array_equal(through(Subtract(dtype="float64"), [a, b], executor), a - b)
    for axes in (1, -1):
        want = (a * b).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(through(Dot(axes, dtype="float64"), [a, b], executor), want, rtol=1e-12)


@each_executor
@pytest.mark.parametrize(
    "shapes, wanted",
    [
        ([(5,), (1,)], (5,)),
        ([(1,), (5,)], (5,)),
        ([(4, 1), (1, 3)], (4, 3)),
        ([(3,), (4, 3)], (4, 3)),
        ([(1,), (2, 1, 3), (4, 1)], (2, 4, 3)),
    ],
)
def test_axes_of_length_one_are_repeated(shapes, wanted, executor):
    arrays = [rows(*shape) for shape in shapes]
    layer = Add(dtype="float64")
    assert layer(tensors(arrays)).shape == (None, *wanted)
    full = [array.reshape(11, *[1] * (len(wanted) + 1 - array.ndim), *array.shape[1:]) for array in arrays]
    np.testing.assert_allclose(through(layer, arrays, executor), sum(full), rtol=1e-12)


@each_executor
def test_shapes(executor):
    x = rows(4, 3)
    for layer, want in (
        (Flatten(dtype="float64"), x.reshape(11, 12)),
        (Reshape((2, -1), dtype="float64"), x.reshape(11, 2, 6)),
        (Reshape((12,), dtype="float64"), x.reshape(11, 12)),
        (Reshape((4, 3), dtype="float64"), x),
    ):
        inputs = nn.Input((4, 3), dtype="float64")
        out = layer(inputs)
        assert out.shape == (None, *want.shape[1:])
        model = nn.Model(inputs, out)
        model.executor_class = executor
        np.testing.assert_array_equal(model.predict(x), want)
    vector = rows(3)
    for n in (1, 4):
        layer = RepeatVector(n, dtype="float64")
        np.testing.assert_array_equal(layer(vector), np.repeat(vector[:, None], n, axis=1))
    for keepdims in (False, True):
        layer = GlobalAveragePooling1D(keepdims, dtype="float64")
        np.testing.assert_allclose(layer(x), x.mean(axis=1, keepdims=keepdims), rtol=1e-14)


def test_integers_are_joined_and_reshaped_as_such():
    """Ids on the way to an embedding; a NumPy layer shows what arrives."""
    seen = []

    def look(x):
        seen.append((x.dtype, x.copy()))
        return np.zeros((len(x), 1))

    for dtype in ("float32", "float64"):
        a, b = nn.Input((2,), dtype="int64"), nn.Input((3, 2), dtype="int64")
        joined = Concatenate(dtype=dtype)([a, Flatten(dtype=dtype)(b)])
        model = nn.Model([a, b], Lambda(look, output_shape=(1,), dtype=dtype)(joined))
        x, y = RNG.integers(-(2**60), 2**60, (5, 2)), RNG.integers(-(2**60), 2**60, (5, 3, 2))
        model.predict([x, y])
        assert seen[-1][0] == np.int64
        np.testing.assert_array_equal(seen[-1][1], np.concatenate([x, y.reshape(5, 6)], axis=1))


def test_integers_are_refused_where_numbers_are_wanted():
    x = nn.Input((3,), dtype="int64")
    for layer in (Dense(2), Add()):
        model = nn.Model(x, layer([x, x]) if isinstance(layer, Add) else layer(x))
        with pytest.raises(ValueError, match="takes real numbers, but its input holds int64"):
            model.predict(np.ones((2, 3), np.int64))


def naive(x, v):
    """All pairs, as the definition says."""
    return sum(
        (v[i] @ v[j]) * x[:, i] * x[:, j] for i in range(x.shape[1]) for j in range(i + 1, x.shape[1])
    )[:, None]


@each_executor
@pytest.mark.parametrize("use_linear", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_factorization_machine(executor, use_linear, use_bias):
    x = rows(6)
    layer = FactorizationMachine(3, use_linear, use_bias, "random_normal", "random_normal", dtype="float64")
    model = nn.Sequential([nn.Input((6,)), layer], seed=3)
    model.executor_class = executor
    weights = dict(zip([w.name.split("/")[1] for w in layer.weights], layer.get_weights(), strict=True))
    assert list(weights) == [*["kernel"] * use_linear, *["bias"] * use_bias, "factors"]
    want = naive(x, weights["factors"])
    want = want + (x @ weights["kernel"] if use_linear else 0) + (weights["bias"] if use_bias else 0)
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-10, atol=1e-12)
    check_gradient(model, x, rows(1), executor)


@each_executor
def test_penalties_and_constraints_of_a_factorization_machine(executor):
    layer = FactorizationMachine(
        3, kernel_initializer="random_normal", kernel_regularizer=nn.regularizers.L2(0.1),
        factors_regularizer=nn.regularizers.L2(0.2), factors_constraint=nn.constraints.MaxNorm(0.25), dtype="float64",
    )
    model = nn.Sequential([nn.Input((6,), dtype="float64"), layer], seed=3)
    model.executor_class = executor
    model.compile(nn.optimizers.SGD(0.5), "mse")
    x, y = rows(6), rows(1)
    kernel, _, factors = model.get_weights()
    plain = ((model.predict(x) - y) ** 2).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(plain + 0.1 * (kernel**2).sum() + 0.2 * (factors**2).sum())
    model.fit(x, y, epochs=20, verbose=0)
    assert np.linalg.norm(model.get_weights()[2], axis=0).max() == pytest.approx(0.25, rel=1e-6)
    again = type(layer)(**layer.get_config())
    assert again.get_config() == layer.get_config()


def test_interaction_of_fields():
    x = rows(5, 4)
    want = sum((x[:, i] * x[:, j]).sum(axis=1) for i in range(5) for j in range(i + 1, 5))[:, None]
    np.testing.assert_allclose(FMInteraction(dtype="float64")(x), want, rtol=1e-12)


# In models ----------------------------------------------------------------------------------------------------


def residual():
    x = nn.Input((5,), dtype="float64")
    hidden = Dense(5, "tanh", dtype="float64", name="first")(x)
    for number in range(3):
        block = Dense(5, "tanh", dtype="float64", name=f"block_{number}")(hidden)
        hidden = Activation("softplus", dtype="float64")(Add(dtype="float64")([hidden, block]))
    model = nn.Model(x, Dense(1, dtype="float64", name="out")(hidden), seed=1)
    model.compile(nn.optimizers.SGD(0.05, 0.9), "mse")
    return model


def wide_and_deep():
    wide, deep = nn.Input((4,), dtype="float64", name="wide"), nn.Input((6,), dtype="float64", name="deep")
    hidden = Dense(7, "tanh", dtype="float64")(deep)
    hidden = Dense(3, "sigmoid", dtype="float64")(hidden)
    out = Dense(1, dtype="float64")(Concatenate(dtype="float64")([wide, hidden]))
    model = nn.Model([wide, deep], out, seed=2)
    model.compile(nn.optimizers.SGD(0.05, 0.9), "mse")
    return model


def deep_fm():
    """Fields that are projected instead of embedded: numeric ones of three numbers each."""
    x = nn.Input((4, 3), dtype="float64", name="fields")
    embedded = Dense(5, use_bias=False, dtype="float64", name="embedding")(x)
    pairs = FMInteraction(dtype="float64")(embedded)
    flat = Flatten(dtype="float64")(embedded)
    deep = Dense(1, dtype="float64")(Dense(6, "tanh", dtype="float64")(flat))
    linear = Dense(1, dtype="float64", name="linear")(Flatten(dtype="float64")(x))
    out = Add(dtype="float64")([linear, pairs, deep])
    model = nn.Model(x, out, seed=3)
    model.compile(nn.optimizers.SGD(0.01, 0.9), nn.losses.BinaryCrossentropy(from_logits=True))
    return model


def everything():
    """Each merging layer on the way from two inputs, a layer used twice, and broadcasting."""
    a, b = nn.Input((4,), dtype="float64", name="a"), nn.Input((2, 3), dtype="float64", name="b")
    shared = Dense(4, "tanh", dtype="float64", name="shared")
    u = shared(a)
    v = shared(Dense(4, dtype="float64", name="from_b")(Flatten(dtype="float64")(b)))
    kind = {"dtype": "float64"}
    gate = Dense(1, "sigmoid", dtype="float64", name="gate")(a)
    parts = [
        Add(**kind)([u, v, gate]),
        Subtract(**kind)([v, u]),
        Multiply(**kind)([u, v, u, gate]),
        Average(**kind)([u, v, u]),
        Maximum(**kind)([u, v]),
        Minimum(**kind)([u, v]),
        Reshape((4,), **kind)(Reshape((2, 2), **kind)(v)),
        Flatten(**kind)(RepeatVector(2, **kind)(u)),
        Dot(1, **kind)([u, v]),
        GlobalAveragePooling1D(**kind)(Multiply(**kind)([Reshape((4, 1), **kind)(u), Reshape((1, 4), **kind)(v)])),
        GlobalAveragePooling1D(**kind)(Dense(3, dtype="float64", name="steps")(b)),
        FactorizationMachine(2, kernel_initializer="ones", **kind)(u),
        FMInteraction(**kind)(Reshape((2, 2), **kind)(u)),
    ]
    model = nn.Model([a, b], Dense(1, dtype="float64", name="out")(Concatenate(**kind)(parts)), seed=4)
    model.compile(nn.optimizers.SGD(0.01, 0.9), "mse")
    return model


def deep_fm_of_ids():
    """Numbers beside ids: first order, pairs and a net on shared vectors, and a product of vectors."""
    kind = {"dtype": "float64"}
    numbers, ids = nn.Input((3,), dtype="float64", name="numbers"), nn.Input((4,), dtype="int64", name="ids")
    user, item = nn.Input((1,), dtype="int64", name="user"), nn.Input((1,), dtype="int64", name="item")
    vectors = Embedding(20, 5, name="vectors", **kind)(Concatenate(**kind)([ids, item]))
    first = Flatten(**kind)(Embedding(20, 1, name="first", **kind)(ids))
    linear = Dense(1, name="linear", **kind)(Concatenate(**kind)([numbers, first]))
    both = Concatenate(**kind)([numbers, Flatten(**kind)(vectors)])
    deep = Dense(1, name="deep", **kind)(Dense(6, "tanh", name="hidden", **kind)(both))
    pair = [Flatten(**kind)(Embedding(9, 3, name=name, **kind)(x)) for name, x in (("users", user), ("items", item))]
    parts = [linear, FMInteraction(**kind)(vectors), deep, Dot(1, **kind)(pair)]
    model = nn.Model([numbers, ids, user, item], Add(**kind)(parts), seed=3)
    model.compile(nn.optimizers.SGD(0.05, 0.9), nn.losses.BinaryCrossentropy(from_logits=True))
    return model


# Of each input the shape of a row; of ids also how many there are.
CASES = {
    "residual": (residual, [(5,)]),
    "wide and deep": (wide_and_deep, [(4,), (6,)]),
    "deep fm": (deep_fm, [(4, 3)]),
    "deep fm of ids": (deep_fm_of_ids, [(3,), ((4,), 20), ((1,), 9), ((1,), 9)]),
    "everything": (everything, [(4,), (2, 3)]),
}
each_case = pytest.mark.parametrize("case", CASES)


def data_of(case, n):
    """The model's maker, its data, and targets of 0 and 1."""
    make, shapes = CASES[case]
    rng = np.random.default_rng(n)
    x = [rng.integers(0, shape[1], (n, *shape[0])) if isinstance(shape[0], tuple) else rng.standard_normal((n, *shape))
         for shape in shapes]
    return make, x if len(x) > 1 else x[0], rng.integers(0, 2, (n, 1))


@each_executor
@each_case
def test_gradients_of_models(case, executor):
    make, x, y = data_of(case, 19)
    check_gradient(make(), x, y, executor)


@each_executor
@pytest.mark.parametrize("layer", [Maximum, Minimum])
def test_equal_inputs_get_the_gradient_once(layer, executor):
    x = nn.Input((4,), dtype="float64")
    hidden = Dense(3, dtype="float64")(x)
    same = Reshape((3,), dtype="float64")(Reshape((1, 3), dtype="float64")(hidden))
    merged = layer(dtype="float64")([hidden, same, hidden])
    check_gradient(nn.Model(x, Dense(1, dtype="float64")(merged), seed=1), rows(4), rows(1), executor)


@each_case
def test_models_learn_the_same_everywhere(case, monkeypatch):
    """Both executors learn the same within a tolerance; on several threads the same to the last bit."""
    make, x, y = data_of(case, 150)
    models = []
    for executor, n_threads in ((EXECUTORS[1], 0), (EXECUTORS[0], 1), (EXECUTORS[0], 2), (EXECUTORS[0], 3)):
        model = make()
        model.executor_class = executor
        with monkeypatch.context() as patch:
            if n_threads:
                forced(patch, n_threads)
            before = model.evaluate(x, y, verbose=0)
            model.fit(x, y, batch_size=64, epochs=3, verbose=0)
        assert model.evaluate(x, y, verbose=0) < before
        models.append(model)
    for ours, twin in zip(models[1].get_weights(), models[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, twin, rtol=1e-7, atol=1e-10)
    for model in models[2:]:
        for a, b in zip(model.get_weights(), models[1].get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


@each_case
def test_a_row_has_the_same_bits_alone_and_in_a_batch(case):
    make, x, _ = data_of(case, 37)
    model = make()
    whole = model.predict(x)
    for part in (slice(0, 1), slice(17, 20), slice(36, 37)):
        some = [array[part] for array in x] if isinstance(x, list) else x[part]
        assert model.predict(some).tobytes() == whole[part].tobytes()
        assert model(some).tobytes() == whole[part].tobytes()


@each_case
def test_files(case, tmp_path):
    make, x, _ = data_of(case, 9)
    model = make()
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = nn.load_model(path)
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in model.layers]


def test_images_go_through_a_sequential_model():
    model = nn.Sequential([nn.Input((4, 3)), Flatten(), Dense(5, "relu"), Reshape((5, 1)), Flatten(), Dense(1)], seed=1)
    model.compile("sgd", "mse")
    x, y = rows(4, 3), rows(1)
    model.fit(x, y, epochs=2, verbose=0)
    assert model.predict(x).shape == (11, 1)


# Lambda -------------------------------------------------------------------------------------------------------


def test_a_function_is_a_layer_and_trains_what_is_before_it():
    x = nn.Input((3,), dtype="float64")
    hidden = Dense(4, dtype="float64")(x)
    square = Lambda(lambda x, power: x**power, None, lambda x, y, dy, power: power * x ** (power - 1) * dy, {"power": 3},
                    dtype="float64")
    model = nn.Model(x, Dense(1, dtype="float64")(square(hidden)), seed=1)
    for executor in EXECUTORS:
        check_gradient(model, rows(3), rows(1), executor)


@each_executor
def test_a_function_of_several_inputs(executor):
    a, b = nn.Input((3,), dtype="float64"), nn.Input((2,), dtype="float64")
    outer = Lambda(
        lambda x: x[0][:, :, None] * x[1][:, None, :],
        gradient=lambda x, y, dy: [(dy * x[1][:, None, :]).sum(axis=2), (dy * x[0][:, :, None]).sum(axis=1)],
        dtype="float64",
    )
    product = outer([Dense(3, dtype="float64")(a), Dense(2, dtype="float64")(b)])
    assert product.shape == (None, 3, 2)
    model = nn.Model([a, b], Dense(1, dtype="float64")(Flatten(dtype="float64")(product)), seed=1)
    check_gradient(model, [rows(3), rows(2)], rows(1), executor)


def test_the_shape_of_a_function():
    x = nn.Input((3, 2))
    assert Lambda(lambda x: x.sum(axis=1))(x).shape == (None, 2)
    assert Lambda(lambda x: x[:, :1], output_shape=(1, 2))(x).shape == (None, 1, 2)
    assert Lambda(lambda x: x[:, 0], output_shape=lambda shape: (shape[0], shape[2]))(x).shape == (None, 2)


def refused_at_training():
    model = nn.Sequential([nn.Input((3,)), Dense(2), Lambda(np.square), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(rows(3), rows(1), verbose=0)


@pytest.mark.parametrize(
    "call, exception, message",
    [
        (lambda: Lambda(3), TypeError, "Lambda: function must be callable, got 3"),
        (lambda: Lambda(np.sin, gradient=3), TypeError, "Lambda: gradient must be callable, got 3"),
        (lambda: Lambda(np.sin, output_shape="x"), TypeError, "Lambda: output_shape must be a tuple"),
        (lambda: Lambda(np.sum)(nn.Input((3,))), ValueError, r"returned shape \(\) for two rows"),
        (lambda: Lambda(lambda x: x @ np.ones((9, 2)))(nn.Input((3,))), ValueError, "raised ValueError on zeros: give"),
        (refused_at_training, NotImplementedError, r"layer 'lambda' has no gradient\(x, y, dy\), which training needs"),
        (lambda: nn.Sequential([nn.Input((3,)), Lambda(np.sin)]).save("x"), ValueError, "a Lambda cannot be saved"),
        (lambda: Add()(nn.Input((3,))), ValueError, "Add: wants a list of inputs"),
        (lambda: Add(name="a")([nn.Input((3,)), nn.Input((2,))]), ValueError, "layer 'a': inputs have shapes .* together"),
        (lambda: Subtract()([nn.Input((3,))] * 3), ValueError, "Subtract: wants a list of two inputs, got 3"),
        (lambda: Concatenate(0), ValueError, "Concatenate: axis must not be that of the batch"),
        (lambda: Concatenate(2)([nn.Input((3,))]), ValueError, "Concatenate: axis 2 is not one of 2 axes"),
        (lambda: Concatenate()([nn.Input((3, 2)), nn.Input((2, 2))]), ValueError, "one shape but for axis -1"),
        (lambda: Dot(2), ValueError, "Dot: axes must be 1 or -1"),
        (lambda: Dot(1)([nn.Input((3,)), nn.Input((2,))]), ValueError, "two inputs of one shape"),
        (lambda: Reshape((4, -1, -1)), ValueError, "Reshape: target_shape must be a tuple of sizes"),
        (lambda: Reshape((4, -1))(nn.Input((3,))), ValueError, r"rows of shape \(3,\) do not fit into target_shape"),
        (lambda: Reshape(4), ValueError, "Reshape: target_shape must be"),
        (lambda: RepeatVector(0), ValueError, "RepeatVector: n"),
        (lambda: RepeatVector(2)(nn.Input((3, 2))), ValueError, r"one input of shape \(None, features\)"),
        (lambda: GlobalAveragePooling1D()(nn.Input((3,))), ValueError, r"shape \(None, steps, features\)"),
        (lambda: FactorizationMachine(0), ValueError, "FactorizationMachine: factors"),
        (lambda: FactorizationMachine(2)(nn.Input((3, 2))), ValueError, "take FMInteraction"),
        (lambda: FMInteraction()(nn.Input((3,))), ValueError, r"shape \(None, fields, factors\)"),
    ],
)
def test_what_is_refused(call, exception, message):
    with pytest.raises(exception, match=message):
        call()
