"""Dropout and the layers of noise: what they do in models, in both executors, to the bit."""

import json

import numpy as np
import pytest
from test_kernels import DTYPES, needs_fma
from test_whole_runs import OracleExecutor, Poisoned, assert_same, trained

import nncore as nn
from nncore import kernels, reference
from nncore.executor import Executor

layers = nn.layers
KINDS = {
    "dropout": lambda dtype=None: layers.Dropout(0.3, dtype=dtype),
    "own seed": lambda dtype=None: layers.Dropout(0.3, seed=5, dtype=dtype),
    "alpha": lambda dtype=None: layers.AlphaDropout(0.2, dtype=dtype),
    "gaussian dropout": lambda dtype=None: layers.GaussianDropout(0.2, dtype=dtype),
    "noise": lambda dtype=None: layers.GaussianNoise(0.4, dtype=dtype),
}
RNG = np.random.default_rng(4)
X, Y = RNG.standard_normal((70, 5)), RNG.standard_normal((70, 2))


def net(make, dtype="float32", kind=Executor, seed=3, loss="mse"):
    hidden, last = layers.Dense(17, "tanh", dtype=dtype), layers.Dense(2, dtype=dtype)
    model = nn.Sequential([nn.Input((5,)), make(dtype), hidden, make(dtype), last], seed=seed)
    model.compile(nn.optimizers.SGD(0.05, 0.9), loss)
    model.executor_class = kind
    return model


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KINDS)
def test_training_has_the_documented_bits(name, dtype):
    want = trained(net(KINDS[name], dtype, OracleExecutor), X, Y, 32, 3)
    for kind in (Executor, Poisoned):
        assert_same(trained(net(KINDS[name], dtype, kind), X, Y, 32, 3), want, f"{name} {kind.__name__}")


@pytest.mark.parametrize("name", KINDS)
def test_the_numpy_executor_trains_alike(name):
    want = trained(net(KINDS[name], "float64", reference.executor.Executor), X, Y, 32, 3)
    got = trained(net(KINDS[name], "float64"), X, Y, 32, 3)
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", KINDS)
def test_threads_change_nothing(name):
    x, y = RNG.standard_normal((300, 5)), RNG.standard_normal((300, 2))
    found = []
    for n_threads in (1, 2):

        class Threads(Executor):
            def bind(self, *arguments, n_threads=n_threads, **keywords):
                bound = super().bind(*arguments, **keywords)
                return lambda *a, **k: bound(*a, **{**k, "n_threads": n_threads})

        found.append(trained(net(KINDS[name], kind=Threads), x, y, 100, 2))
    assert_same(found[1], found[0], name)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_those_of_the_loss_with_these_masks(name):
    """Central differences of the loss of one step, whose masks the step's number fixes."""
    def step(weights):
        model = net(KINDS[name], "float64")
        model.set_weights(weights)
        before = model.get_weights()
        model.optimizer = nn.optimizers.SGD(1.0)
        loss = model.train_on_batch(X, Y)
        return loss, [a - b for a, b in zip(before, model.get_weights(), strict=True)]

    start = net(KINDS[name], "float64").get_weights()
    _, gradient = step(start)
    direction = [RNG.standard_normal(w.shape) for w in start]
    h = 1e-5
    (up, _), (down, _) = (step([w + t * d for w, d in zip(start, direction, strict=True)]) for t in (h, -h))
    want = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    assert (up - down) / (2 * h) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_inference_draws_nothing(name):
    model, plain = net(KINDS[name]), nn.Sequential([nn.Input((5,)), layers.Dense(17, "tanh"), layers.Dense(2)])
    plain.set_weights(model.get_weights())
    plain.compile(loss="mse")
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    np.testing.assert_array_equal(model(X), plain(X))
    assert model.evaluate(X, Y, verbose=0) == plain.evaluate(X, Y, verbose=0)
    assert not (model(X, training=True) == plain(X)).all()
    assert not (model(X, training=True) == model(X, training=True)).all()
    np.testing.assert_array_equal(model(X), plain(X))


def masks(*made, seed=3, calls=1, x=None):
    """What layers in a row of their own make of ones, after so many calls."""
    x = np.ones((8, 64), np.float32) if x is None else x
    inputs = nn.Input(x.shape[1:])
    model = nn.Model(inputs, [layer(inputs) for layer in made], seed=seed)
    for _ in range(calls):
        found = model(x, training=True)
    return found


def test_layers_uses_and_steps_have_masks_of_their_own():
    layer = layers.Dropout(0.5)
    found = masks(layer, layers.Dropout(0.5), layer) + masks(layers.Dropout(0.5), calls=2)
    found += masks(layers.Dropout(0.5), seed=4) + masks(layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=3))
    for i, a in enumerate(found):
        for j, b in enumerate(found[:i]):
            assert 0.35 < (a == b).mean() < 0.65, (i, j)


def test_the_same_seeds_give_the_same_masks():
    np.testing.assert_array_equal(masks(layers.Dropout(0.5)), masks(layers.Dropout(0.5)))
    np.testing.assert_array_equal(masks(layers.Dropout(0.5, seed=9), seed=1), masks(layers.Dropout(0.5, seed=9), seed=2))
    wide = masks(layers.GaussianNoise(1.0))[0]
    np.testing.assert_array_equal(wide, kernels.gaussian_noise_forward(np.ones((8, 64), np.float32), seed=3))


def test_training_goes_on_with_the_masks_of_the_next_step():
    """Two epochs are those of one call of fit, or of two."""
    whole, parts = net(KINDS["dropout"]), net(KINDS["dropout"])
    trained(whole, X, Y, 32, 2)
    trained(parts, X, Y, 32, 1)
    trained(parts, X, Y, 32, 1)
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_shape_and_spatial_dropout_drop_whole_features():
    x = np.ones((6, 9, 40), np.float32)
    for layer in (layers.SpatialDropout1D(0.5), layers.Dropout(0.5, noise_shape=(None, 1, 40)),
                  layers.Dropout(0.5, (6, 1, None))):
        (y,) = masks(layer, x=x)
        assert (y == y[:, :1]).all()
        assert 0.3 < (y[:, 0] == 0).mean() < 0.7
        assert not (y[0] == y[1]).all()
    (y,) = masks(layers.Dropout(0.5, (1, None, 1)), x=x)
    assert (y == y[:1, :, :1]).all()


def test_noise_shapes_that_do_not_fit_are_refused_where_the_layer_is_used():
    with pytest.raises(ValueError, match=r"noise_shape must have a number per axis of \(batch, 3, 4\)"):
        layers.Dropout(0.5, (None, 3))(nn.Input((3, 4)))
    with pytest.raises(ValueError, match=r"layer 'd': the axes with 1 in noise_shape must stand side by side"):
        layers.Dropout(0.5, (None, 1, None, 1), name="d")(nn.Input((3, 4, 5)))


@pytest.mark.parametrize(("p", "x", "values"), [
    # torch.nn.functional.alpha_dropout(torch.full((64,), x), p, training=True), PyTorch 2, float64
    (0.1, 0.0, (-1.457738730518, 0.161970970058)),
    (0.1, 1.0, (-1.457738730518, 1.083255486207)),
    (0.25, 1.0, (-1.143544188209, 1.248439319928)),
    (0.5, 1.0, (-0.779193930518, 1.665598825184)),
])  # fmt: skip
def test_alpha_dropout_has_the_values_of_pytorch(p, x, values):
    y = kernels.alpha_dropout_forward(np.full(64, x), rate=p)
    np.testing.assert_allclose(np.unique(y), values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", [
    layers.Dropout(0.25, (None, 1, 2), 7, name="a"),
    layers.AlphaDropout(0.25, seed=2**64 - 1, name="a"),
    layers.GaussianDropout(0.25, name="a"),
    layers.GaussianNoise(1.5, 1, name="a", dtype="float64"),
    layers.SpatialDropout1D(0.25, 4, name="a", trainable=False),
], ids=lambda layer: type(layer).__name__)  # fmt: skip
def test_configs_make_equal_layers(layer):
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer)(**config)
    assert again.get_config() == layer.get_config()
    assert repr(again) == repr(layer)


def test_saved_models_keep_their_masks(tmp_path):
    model = net(KINDS["dropout"])
    trained(model, X, Y, 32, 1)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    for one in (model, loaded):
        trained(one, X, Y, 32, 1)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_rate_of_zero_emits_nothing():
    for layer in (layers.Dropout(0), layers.AlphaDropout(0), layers.GaussianDropout(0), layers.GaussianNoise(0)):
        x = np.ones((3, 4), np.float32)
        np.testing.assert_array_equal(masks(layer, x=x)[0], x)
    np.testing.assert_array_equal(masks(layers.Dropout(1))[0], 0)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: layers.Dropout(1.5), "Dropout: rate must be a number in 0 ... 1, got 1.5"),
    (lambda: layers.AlphaDropout(1), "AlphaDropout: rate must be at least 0 and less than 1, got 1"),
    (lambda: layers.GaussianDropout(-0.1), "GaussianDropout: rate must be at least 0 and less than 1, got -0.1"),
    (lambda: layers.GaussianNoise(-1), "GaussianNoise: stddev must be a finite number of at least 0, got -1"),
    (lambda: layers.Dropout(0.5, seed=-1), "Dropout: seed must be in 0 ... 18446744073709551615, got -1"),
    (lambda: layers.Dropout(0.5, (None, 0)), "Dropout: noise_shape must be at least 1, got 0"),
])  # fmt: skip
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


def test_integers_cannot_be_dropped():
    x = nn.Input((3,), dtype="int64", name="x")
    model = nn.Model(x, layers.Dropout(0.5, name="d")(x))
    with pytest.raises(ValueError, match="layer 'd': takes real numbers, but its input holds int64"):
        model([[1, 2, 3]], training=True)
