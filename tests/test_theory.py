"""What the theory of dense networks says, as tests."""

import numpy as np
import pytest

import nncore as nn
from nncore import kernels
from nncore.layers import Dense

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float), np.array([0, 1, 1, 0], dtype=float)


def sigma(z):
    return 1 / (1 + np.exp(-z))


def test_a_layer_by_hand():
    w, b = [[1, 0.5, -1], [0.5, 2, -0.5]], [0.1, -0.2, 0]
    model = nn.Sequential([nn.Input((2,)), Dense(3, dtype="float64")])
    model.set_weights([w, b])
    # 2*1 + 3*0.5 + 0.1, 2*0.5 + 3*2 - 0.2, 2*(-1) + 3*(-0.5) + 0
    assert np.allclose(model([[2, 3]]), [[3.6, 6.8, -3.5]], rtol=1e-15)
    assert np.allclose(
        kernels.dense_forward(np.array([[2.0, 3.0]]), np.array(w), np.array(b)),
        [[3.6, 6.8, -3.5]],
        rtol=1e-15,
    )


def test_a_3_4_1_network_has_21_parameters():
    model = nn.Sequential([nn.Input((3,)), Dense(4, "relu"), Dense(1)])
    assert model.count_params() == (3 * 4 + 4) + (4 * 1 + 1) == 21
    assert sum(w.size for w in model.get_weights()) == 21


def xor_model(*hidden, seed):
    model = nn.Sequential([nn.Input((2,)), *hidden, Dense(1, "sigmoid")], seed=seed)
    model.compile(nn.optimizers.SGD(0.5, 0.9), "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_xor_is_learnt_with_a_hidden_layer(seed):
    model = xor_model(Dense(8, "tanh"), seed=seed)
    history = model.fit(*XOR, batch_size=4, epochs=500, verbose=0)
    assert history.history["loss"][-1] < 0.02
    assert model.evaluate(*XOR, verbose=0)[1] == 1.0


@pytest.mark.parametrize("hidden", [0, 8])
def test_xor_cannot_be_learnt_without_one(hidden):
    """Nor with a hidden layer that is linear: no line has more than three of the four points on their sides."""
    model = xor_model(*([Dense(hidden)] if hidden else []), seed=1)
    history = model.fit(*XOR, batch_size=4, epochs=500, verbose=0)
    assert model.evaluate(*XOR, verbose=0)[1] <= 0.75
    # The best that a linear model can do is to say 1/2 everywhere: a loss of log 2.
    assert history.history["loss"][-1] > np.log(2) - 1e-5
    assert np.allclose(model.predict(XOR[0]), 0.5, atol=0.01)


def test_stacked_linear_layers_are_one_linear_layer():
    deep = nn.Sequential(
        [nn.Input((6,)), Dense(9, dtype="float64"), Dense(7, dtype="float64"), Dense(4, dtype="float64")],
        seed=1,
    )
    rng = np.random.default_rng(1)
    deep.set_weights([rng.normal(size=w.shape) for w in deep.get_weights()])
    w1, b1, w2, b2, w3, b3 = deep.get_weights()
    flat = nn.Sequential([nn.Input((6,)), Dense(4, dtype="float64")])
    flat.set_weights([w1 @ w2 @ w3, (b1 @ w2 + b2) @ w3 + b3])
    x = rng.normal(size=(20, 6))
    assert np.allclose(deep.predict(x), flat.predict(x), rtol=1e-12, atol=1e-12)


def test_two_class_softmax_is_a_sigmoid():
    z = np.random.default_rng(2).normal(scale=5, size=(50, 2))
    assert np.allclose(kernels.softmax(z)[:, 1], kernels.sigmoid_forward(z[:, 1] - z[:, 0]), rtol=1e-13)
    y = np.arange(50) % 2
    two, slope_two = kernels.softmax_cross_entropy(z, y)
    one, slope_one = kernels.sigmoid_binary_cross_entropy(z[:, 1:] - z[:, :1], y[:, None].astype(float))
    assert np.isclose(two, one, rtol=1e-13)
    assert np.allclose(slope_two[:, 1:], slope_one, rtol=1e-12) and np.allclose(
        slope_two[:, :1], -slope_one, rtol=1e-12
    )


def test_two_class_softmax_trains_like_a_sigmoid():
    """A step of the two-class model moves the difference of its logits as two steps of the sigmoid model would."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 3)), np.arange(30) % 2
    one = nn.Sequential([nn.Input((3,)), Dense(1, "sigmoid", dtype="float64")], seed=1)
    two = nn.Sequential([nn.Input((3,)), Dense(2, "softmax", dtype="float64")], seed=1)
    w, b = one.get_weights()
    two.set_weights([np.hstack([-w / 2, w / 2]), np.hstack([-b / 2, b / 2])])
    one.compile(nn.optimizers.SGD(0.2), "binary_crossentropy")
    two.compile(nn.optimizers.SGD(0.1), "sparse_categorical_crossentropy")  # both logits move: half the step
    a = one.fit(x, y, 10, 5, 0, shuffle=False).history["loss"]
    b = two.fit(x, y, 10, 5, 0, shuffle=False).history["loss"]
    assert np.allclose(a, b, rtol=1e-12)
    assert np.allclose(one.predict(x)[:, 0], two.predict(x)[:, 1], rtol=1e-12)


def test_two_relus_make_a_hard_sigmoid():
    """hard_sigmoid(x) = clip(x/6 + 1/2, 0, 1) = relu(x/6 + 1/2) - relu(x/6 - 1/2)."""
    model = nn.Sequential([nn.Input((1,)), Dense(2, "relu", dtype="float64"), Dense(1, dtype="float64")])
    model.set_weights([[[1 / 6, 1 / 6]], [0.5, -0.5], [[1], [-1]], [0]])
    x = np.linspace(-6, 6, 241).reshape(-1, 1)
    assert np.allclose(model.predict(x), nn.activations.hard_sigmoid(x), rtol=0, atol=1e-15)


def test_softmax_cross_entropy_slope_is_prediction_minus_target():
    rng = np.random.default_rng(4)
    z, y = rng.normal(size=(8, 5)), rng.integers(0, 5, 8)
    probability = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert np.allclose(
        kernels.softmax_cross_entropy(z, y)[1] * 8, probability - np.eye(5)[y], rtol=1e-12, atol=1e-15
    )
    # through the model: the bias moves by that mean, the kernel by x^T times it
    model = nn.Sequential([nn.Input((3,)), Dense(5, "softmax", dtype="float64")], seed=1)
    model.compile(nn.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    x = rng.normal(size=(8, 3))
    w, b = model.get_weights()
    slope = (model.predict(x) - np.eye(5)[y]) / 8
    model.train_on_batch(x, y)
    assert np.allclose(model.get_weights()[0], w - x.T @ slope, rtol=1e-12, atol=1e-14)
    assert np.allclose(model.get_weights()[1], b - slope.sum(0), rtol=1e-12, atol=1e-14)


def test_sigmoid_cross_entropy_slope_is_sigma_minus_target_times_x():
    model = nn.Sequential([nn.Input((2,)), Dense(1, "sigmoid", dtype="float64")])
    model.compile(nn.optimizers.SGD(1.0), "binary_crossentropy")
    w, b, x, y = np.array([[0.3], [-0.7]]), np.array([0.2]), np.array([[1.5, -2.0]]), 1.0
    model.set_weights([w, b])
    z = (x @ w + b).item()
    model.train_on_batch(x, [y])
    assert np.allclose(model.get_weights()[0], w - (sigma(z) - y) * x.T, rtol=1e-14)
    assert np.allclose(model.get_weights()[1], b - (sigma(z) - y), rtol=1e-14)


def test_squared_error_behind_a_sigmoid_learns_slower_from_a_saturated_start():
    """Its slope is that of cross-entropy times 2 sigma'(z), which is nearly 0 where the neuron is surely wrong."""
    x, y, start = np.array([[1.0]]), np.array([0.0]), ([[2.0]], [2.0])  # z = 4, wanted 0
    moved, losses = {}, {}
    for loss in ("mse", "binary_crossentropy"):
        model = nn.Sequential([nn.Input((1,)), Dense(1, "sigmoid", dtype="float64")])
        model.set_weights(start)
        model.compile(nn.optimizers.SGD(0.15), loss)
        model.train_on_batch(x, y)
        moved[loss] = 2.0 - model.get_weights()[0].item()
        model.fit(x, y, epochs=200, verbose=0)
        losses[loss] = model.predict(x).item()
    factor = 2 * sigma(4.0) * (1 - sigma(4.0))
    assert factor < 0.04
    assert np.isclose(moved["mse"] / moved["binary_crossentropy"], factor, rtol=1e-12)
    assert losses["binary_crossentropy"] < 0.05 < losses["mse"]


def exploding(momentum=0.0):
    small = nn.initializers.RandomNormal(stddev=0.05)
    layers = [
        nn.Input((4,)),
        Dense(16, "exponential"),
        Dense(16, "exponential", kernel_initializer=small),
        Dense(1),
    ]
    model = nn.Sequential(layers, seed=1)
    model.compile(nn.optimizers.SGD(0.05, momentum), "mse")
    return model


def test_exp_as_an_activation_blows_up_and_says_so():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(64, 4)), rng.normal(size=64)
    model = exploding(0.5)
    with pytest.raises(
        nn.NonFiniteError, match=r"fit: (the loss|dense\w*/\w+) became (nan|inf|nan or inf) in epoch \d+[,;]"
    ) as caught:
        model.fit(x, y, 64, 50, 0)
    assert isinstance(caught.value, FloatingPointError)
    done = len(model.history.history["loss"])
    assert done > 0 and f"in epoch {done + 1}" in str(caught.value)
    assert np.isfinite(model.history.history["loss"]).all()
    # the weights and the velocity are those of the epochs that were good
    good = exploding(0.5)
    good.fit(x, y, 64, done, 0)
    for a, b in zip([*good.weights, *good._slots], [*model.weights, *model._slots], strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), a.name
    assert model._epochs_done == good._epochs_done == done and model.optimizer.iterations == done


def test_training_goes_on_after_a_blow_up():
    rng = np.random.default_rng(6)
    x, y = rng.normal(scale=0.1, size=(32, 4)), rng.normal(size=32)
    model = exploding()
    model.optimizer.learning_rate = 1e-3
    model.fit(x, y, 16, 2, 0)
    before = model.get_weights()
    model.optimizer.learning_rate = 1e30
    with pytest.raises(nn.NonFiniteError, match="epoch 1"):
        model.fit(x, y, 16, 2, 0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.optimizer.learning_rate = 1e-3
    assert np.isfinite(model.fit(x, y, 16, 1, 0).history["loss"][0])


def test_the_layer_that_blew_up_is_named():
    model = nn.Sequential(
        [nn.Input((1,)), Dense(2, name="calm"), Dense(2, "exponential", name="wild"), Dense(1, name="last")]
    )
    model.set_weights([[[1, 1]], [0, 0], [[50, 50], [50, 50]], [0, 0], [[1], [1]], [0]])
    model.compile("sgd", "mse")
    for call in (lambda: model.fit([[1.0]], [0.0], verbose=0), lambda: model.train_on_batch([[1.0]], [0.0])):
        with pytest.raises(
            nn.NonFiniteError,
            match="epoch 1, batch 1; the first output that is not finite is that of layer 'wild'",
        ):
            call()
    # finite outputs whose squares are not: the largest is named
    model.set_weights([[[1, 1]], [0, 0], [[40, 40], [40, 40]], [0, 0], [[1], [1]], [0]])
    with pytest.raises(
        nn.NonFiniteError,
        match=r"loss became inf in epoch 1, batch 1; the largest output, 1.11e\+35, is .*'last'",
    ):
        model.fit([[1.0]], [0.0], verbose=0)
    # a step that spoils a weight after the last loss was seen
    model.set_weights([[[1, 1]], [0, 0], [[1, 1], [1, 1]], [0, 0], [[1], [1]], [0]])
    model.optimizer.learning_rate = 3e38
    with pytest.raises(nn.NonFiniteError, match=r"(calm|wild|last)/\w+ became nan or inf in epoch 1"):
        model.fit([[1.0]], [0.0], verbose=0)
