"""Activations and gradients of a model, and the check of its gradients by finite differences."""

import numpy as np
import pytest

import nncore as nn
from nncore import reference

RNG = np.random.default_rng(21)
X = RNG.standard_normal((300, 5)).astype(np.float32)
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)


def chain(*layers, loss="mse", seed=4, optimizer=None, **dtype):
    model = nn.Sequential([nn.Input((5,), **dtype), *layers], seed=seed)
    model.compile(optimizer or nn.optimizers.SGD(0.1), loss)
    return model


# Activations ------------------------------------------------------------------------------------------------


def test_activations_are_those_of_models_cut_off():
    a, b, c = nn.layers.Dense(7, "relu", name="a"), nn.layers.Dense(6, name="b"), nn.layers.Activation("tanh", name="c")
    x = nn.Input((5,))
    first, second = a(x), b(a(x))
    model = nn.Model(x, nn.layers.Dense(2, "softmax", name="d")(c(second)))
    found = model.activations(X)
    assert [array.shape for array in found.values()] == [(300, 7), (300, 6), (300, 6), (300, 2)]
    assert list(found) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(found["d"], model.predict(X))
    np.testing.assert_array_equal(found["a"], nn.Model(x, first).predict(X))
    np.testing.assert_array_equal(found["b"], nn.Model(x, second).predict(X))
    np.testing.assert_array_equal(found["c"], nn.kernels.tanh_forward(found["b"]))
    model.executor_class = reference.executor.Executor
    for name, array in model.activations(X).items():
        np.testing.assert_allclose(array, found[name], rtol=1e-5, atol=1e-6)


def test_names_of_activations_in_nested_models_and_of_second_uses():
    encoder = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4, "relu", name="inner")], name="encoder")
    x, again = nn.Input((5,)), nn.layers.Dense(4, name="again")
    model = nn.Model(x, again(again(encoder(x))))
    found = model.activations(X[:7])
    assert list(found) == ["encoder/inner", "encoder", "again", "again#2"]
    np.testing.assert_array_equal(found["encoder/inner"], found["encoder"])
    assert found["encoder/inner"] is not found["encoder"]
    np.testing.assert_array_equal(found["again#2"], model.predict(X[:7]))


def test_activations_of_an_unbuilt_model_of_no_rows_and_of_wrong_data():
    model = nn.Sequential([nn.layers.Dense(3, "relu"), nn.layers.Dense(2)])
    assert model.activations(X)["dense"].shape == (300, 3)
    assert model.activations(X[:0])["dense_1"].shape == (0, 2)
    with pytest.raises(ValueError, match="activations: x must have shape"):
        model.activations(X[:, :4])


# Gradients --------------------------------------------------------------------------------------------------


def test_gradients_by_hand():
    model = chain(nn.layers.Dense(3, "relu", name="h"), nn.layers.Dense(2, name="o"))
    w, b, v, c = (weight.astype(np.float64) for weight in model.get_weights())
    h = np.maximum(X @ w + b, 0)
    d_out = 2 * (h @ v + c - Y) / Y.size
    d_h = d_out @ v.T
    want = {"h/kernel": X.T @ (d_h * (h > 0)), "h/bias": (d_h * (h > 0)).sum(0), "o/kernel": h.T @ d_out,
            "o/bias": d_out.sum(0)}
    got = model.gradients(X, Y)
    assert list(got) == list(want)
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-7, err_msg=name)
    outputs = model.gradients(X, Y, of="outputs")
    np.testing.assert_allclose(outputs["o"], d_out, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(outputs["h"], d_h, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_goes_along_the_gradient(weighted):
    weight = np.linspace(0.5, 2, 300) if weighted else None
    model = chain(nn.layers.Dense(37, "tanh"), nn.layers.Dense(2))  # 37: kept in panels that are padded
    before = {path: variable.numpy() for path, variable in model.weight_paths().items()}
    gradients = model.gradients(X, Y, weight)
    for path, variable in model.weight_paths().items():
        np.testing.assert_array_equal(variable.numpy(), before[path])
    model.train_on_batch(X, Y, weight)
    for path, variable in model.weight_paths().items():
        np.testing.assert_allclose(variable.numpy(), before[path] - np.float32(0.1) * gradients[path], rtol=1e-6, atol=1e-7)


def test_executors_agree_on_gradients():
    model = chain(nn.layers.Dense(9, "gelu"), nn.layers.BatchNormalization(), nn.layers.Dense(2, "sigmoid"), loss="bce")
    targets = (Y > 0).astype(np.float32)
    found = [model.gradients(X, targets, of=of) for of in ("weights", "outputs")]
    model.executor_class = reference.executor.Executor
    for got, of in zip(found, ("weights", "outputs"), strict=True):
        for name, array in model.gradients(X, targets, of=of).items():
            np.testing.assert_allclose(got[name], array, rtol=1e-3, atol=2e-6, err_msg=name)


def test_of_a_softmax_in_the_loss_the_gradient_is_that_of_the_logits():
    ids = RNG.integers(0, 3, 300)
    model = chain(nn.layers.Dense(3, "softmax", name="out"), loss="sparse_categorical_crossentropy")
    want = (model.predict(X) - np.eye(3)[ids]) / 300
    np.testing.assert_allclose(model.gradients(X, ids, of="outputs")["out"], want, rtol=1e-4, atol=1e-8)


def test_frozen_layers_have_no_gradients():
    model = chain(nn.layers.Dense(4, name="a"), nn.layers.Dense(4, name="b"), nn.layers.Dense(2, name="c"))
    model.get_layer("a").trainable = False
    assert list(model.gradients(X, Y)) == ["b/kernel", "b/bias", "c/kernel", "c/bias"]
    assert list(model.gradients(X, Y, of="outputs")) == ["b", "c"]
    model.get_layer("a").trainable = True
    assert len(model.gradients(X, Y)) == 6


def test_training_or_inference_and_nothing_changes():
    model = chain(nn.layers.Dense(6), nn.layers.BatchNormalization(), nn.layers.Dense(2))
    model.fit(X, Y, epochs=1, verbose=0)
    before, iterations = model.get_weights(), model.optimizer.iterations
    train, infer = model.gradients(X, Y), model.gradients(X, Y, training=False)
    assert any(not np.allclose(train[name], infer[name], rtol=1e-3) for name in train)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.optimizer.iterations == iterations
    again = model.gradients(X, Y)
    for name, array in train.items():
        np.testing.assert_array_equal(array, again[name])


def test_gradients_of_shared_layers_and_several_outputs():
    x = nn.Input((5,))
    shared = nn.layers.Dense(5, "tanh", name="shared")
    h = shared(shared(x))
    model = nn.Model(x, {"p": nn.layers.Dense(2, name="p")(h), "q": nn.layers.Dense(1, name="q")(h)})
    model.compile("sgd", {"p": "mse", "q": "mse"}, loss_weights={"p": 1.0, "q": 0.5})
    y = {"p": Y, "q": Y[:, :1]}
    got = model.gradients(X, y, of="outputs")
    assert set(got) == {"shared", "shared#2", "p", "q"}
    np.testing.assert_allclose(got["q"], 0.5 * 2 * (model.predict(X)["q"] - Y[:, :1]) / 300, rtol=1e-4, atol=1e-8)
    w, v = (model.get_layer(name).weights[0].numpy() for name in "pq")
    np.testing.assert_allclose(got["shared#2"], got["p"] @ w.T + got["q"] @ v.T, rtol=1e-4, atol=1e-8)
    assert max(nn.testing.check_gradients(model, X[:20], {"p": Y[:20], "q": Y[:20, :1]}).values()) < 1e-8


def test_gradients_refuse():
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(2)])
    with pytest.raises(RuntimeError, match="gradients: the model has no loss"):
        model.gradients(X, Y)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="of must be 'weights' or 'outputs', got 'inputs'"):
        model.gradients(X, Y, of="inputs")
    with pytest.raises(ValueError, match="gradients: y must have shape"):
        model.gradients(X, Y[:, :1])


def test_gradients_within_a_callback():
    model, sizes = chain(nn.layers.Dense(2)), []
    note = nn.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: sizes.append(np.abs(model.gradients(X, Y)["dense/kernel"]).max()))
    model.fit(X, Y, epochs=4, verbose=0, callbacks=note)
    assert len(sizes) == 4 and sizes[-1] < sizes[0]


# The check --------------------------------------------------------------------------------------------------


class Square(nn.layers.Layer):
    """A user's own layer, right."""

    factor = 2

    def call(self, x):
        return x**2

    def backward(self, x, y, dy):
        return self.factor * x * dy


class WrongSquare(Square):
    """Its gradient is half of what it should be."""

    factor = 1


class Scale(nn.layers.Layer):
    """A user's own layer with a weight; `slip` is its fault."""

    slip = 0.0

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, x):
        return x * self.scale

    def backward(self, x, y, dy):
        return dy * self.scale, [(x * dy).sum(axis=0) * (1 + self.slip)]


class SlightlyWrongScale(Scale):
    """Off by a hundred-thousandth."""

    slip = 1e-5


D = nn.layers.Dense
FEW, TARGETS = X[:24], Y[:24]


@pytest.mark.parametrize(
    ("layers", "loss", "targets"),
    [
        ([D(20, "relu"), D(20, "relu"), D(2)], "mse", TARGETS),
        ([D(9, "tanh"), D(9, "gelu"), D(2, "sigmoid")], "bce", TARGETS > 0),
        ([D(9, "elu"), D(4, "softmax")], "sparse_categorical_crossentropy", np.arange(24) % 4),
        ([D(9, "silu"), nn.layers.BatchNormalization(), D(9, "softplus"), nn.layers.LayerNormalization(), D(2)], "mse",
         TARGETS),
        ([D(6), Square(), Scale(), D(2)], "mse", TARGETS),
        ([D(6, "leaky_relu"), D(2)], "mae", TARGETS),
    ],
)  # fmt: skip
@pytest.mark.parametrize("training", [True, False])
def test_right_gradients_pass(layers, loss, targets, training):
    clones = [type(layer).from_config(layer.get_config()) if hasattr(type(layer), "from_config")
              else type(layer)(**layer.get_config()) for layer in layers]
    model = chain(*clones, loss=loss)
    before = model.get_weights()
    found = nn.testing.check_gradients(model, FEW, targets, training=training)
    assert list(found) == [path for path, weight in model.weight_paths().items() if weight.trainable]
    assert max(found.values()) < 1e-8
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.get_weights()[0].dtype == np.float32


@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        (lambda: [D(8, "tanh", kernel_regularizer=nn.regularizers.L2(0.1)), D(2, bias_regularizer="l1")], "mse"),
        (lambda: [D(8, "tanh", kernel_regularizer=nn.regularizers.L1L2(0.1, 3.0, per_sample=True)), D(2)],
         nn.losses.MeanSquaredError(reduction="mean_with_sample_weight")),
        (lambda: [D(8, "tanh"), nn.layers.Dropout(0.4), D(2)], "huber"),
        (lambda: [D(8), nn.layers.BatchNormalization(), D(2)], "mse"),  # the loss does not depend on the first bias
        (lambda: [D(40, "relu"), D(40, "relu"), D(2)], nn.losses.MeanAbsoluteError(reduction="mean_with_sample_weight")),
        (lambda: [D(40, "relu"), D(2)], nn.losses.MeanSquaredError(reduction="sum")),
    ],
)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_penalties_masks_reductions_and_losses_of_any_size(layers, loss, size):
    model = chain(*layers(), loss=loss)
    found = nn.testing.check_gradients(model, FEW, size * TARGETS, np.linspace(0.5, 2, 24))
    assert len(found) == len(model.weight_paths()) - 2 * any("moving" in path for path in model.weight_paths())
    assert max(found.values()) < 1e-7


def test_a_wrong_penalty_is_found():
    class Wrong(nn.regularizers.Regularizer):
        def __call__(self, w):
            return 0.1 * (w**2).sum()

        def gradient(self, w):
            return 0.1 * w

    with pytest.raises(AssertionError, match="wrong is the gradient of 'dense/kernel' .*; right are 'dense/bias'"):
        nn.testing.check_gradients(chain(D(2, kernel_regularizer=Wrong())), FEW, TARGETS)


def test_penalties_are_in_the_gradients():
    plain, more = (chain(D(2, kernel_regularizer=kind)) for kind in (None, nn.regularizers.L2(0.5)))
    difference = more.gradients(X, Y)["dense/kernel"] - plain.gradients(X, Y)["dense/kernel"]
    np.testing.assert_allclose(difference, more.get_weights()[0], rtol=1e-4, atol=1e-6)


def test_right_gradients_with_weights_of_the_rows():
    model = chain(D(8, "relu"), D(2))
    weight = np.linspace(0, 2, 24)
    assert max(nn.testing.check_gradients(model, FEW, TARGETS, weight).values()) < 1e-8


def test_wrong_gradients_are_found_and_named():
    model = chain(D(6, name="first"), WrongSquare(), D(2, name="last"))
    with pytest.raises(AssertionError, match=r"wrong is the gradient of 'first/kernel' \(the loss changes by .* and of "
                       r"'first/bias' .*; right are 'last/kernel', 'last/bias'"):
        nn.testing.check_gradients(model, FEW, TARGETS)
    model = chain(D(6, "tanh"), SlightlyWrongScale(name="mine"), D(2))
    with pytest.raises(AssertionError, match="wrong is the gradient of 'mine/scale' .* right are 'dense/kernel'"):
        nn.testing.check_gradients(model, FEW, TARGETS)
    assert nn.testing.check_gradients(model, FEW, TARGETS, tolerance=1e-4)["mine/scale"] == pytest.approx(1e-5, rel=0.5)


def test_a_wrong_loss_is_found():
    class Wrong(nn.losses.Loss):
        def call(self, y_true, y_pred):
            return ((y_pred - y_true) ** 2).mean(axis=1)

        def gradient(self, y_true, y_pred):
            return 2 * (y_pred - y_true)  # forgets the mean

    with pytest.raises(AssertionError, match="right are none"):
        nn.testing.check_gradients(chain(D(2), loss=Wrong()), FEW, TARGETS)


def test_noise_and_steps_are_told():
    class Noise(nn.layers.Layer):
        def call(self, x):
            return x + np.random.default_rng().standard_normal(x.shape)

        def backward(self, x, y, dy):
            return dy

    with pytest.raises(AssertionError, match="not the same twice"):
        nn.testing.check_gradients(chain(D(3), Noise(), D(2)), FEW, TARGETS)

    class Steps(Noise):
        def call(self, x):
            return np.round(x * 1e4)

    class Nothing(Noise):
        def call(self, x):
            return np.where(np.abs(x) < 1e9, np.nan, x)

    with pytest.raises(AssertionError, match="wrong is the gradient of 'dense/kernel'"):
        nn.testing.check_gradients(chain(D(3), Steps(), D(2)), FEW, TARGETS)
    with pytest.raises(AssertionError, match="no slope along 'dense/kernel' at 24 of 24 rows"):
        nn.testing.check_gradients(chain(D(3), Nothing(), D(2)), FEW, TARGETS)


def test_a_wide_net_has_kinks_everywhere():
    found = nn.testing.check_gradients(chain(D(1000, "relu"), D(300, "relu"), D(2)), FEW[:8], TARGETS[:8], directions=1)
    assert max(found.values()) < 1e-7


def test_kinks_are_left_out():
    """A bias of 0 and inputs of 0 put every unit of the first rows on its kink."""
    x = FEW.copy()
    x[:5] = 0
    found = nn.testing.check_gradients(chain(D(20, "relu"), D(2)), x, TARGETS)
    assert max(found.values()) < 1e-8


def test_functional_models_in_float64_and_with_ids():
    model = chain(D(4, "tanh", dtype="float64"), D(2, dtype="float64"), dtype="float64")
    assert max(nn.testing.check_gradients(model, FEW, TARGETS).values()) < 1e-8
    encoder = nn.Sequential([nn.Input((5,)), D(4, "tanh", name="inner")], name="encoder")
    a, b = nn.Input((5,), name="a"), nn.Input((5,), name="b")
    joined = nn.layers.Concatenate()([encoder(a), encoder(b)])
    both = nn.Model([a, b], D(2, name="out")(joined))
    both.compile("adam", "mse")
    found = nn.testing.check_gradients(both, [FEW, FEW[::-1]], TARGETS)
    assert list(found) == ["encoder/inner/kernel", "encoder/inner/bias", "out/kernel", "out/bias"]
    assert max(found.values()) < 1e-8
    assert encoder.get_weights()[0].dtype == np.float32
