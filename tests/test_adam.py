"""Adam, AdamW and global_clipnorm: Keras's rules in plain NumPy, and a state that nothing loses."""

import copy
import pickle

import numpy as np
import pytest
from test_kernels import assert_same_bits

import nncore as nn
from nncore import kernels, reference
from nncore.layers import Dense
from nncore.optimizers import SGD, Adam, AdamW
from nncore.training import NonFiniteError

DTYPES = ("float32", "float64")
MAKE = {
    "adam": lambda **more: Adam(0.02, **more),
    "adamw": lambda **more: AdamW(0.02, 0.1, 0.8, 0.95, 1e-4, **more),
    "amsgrad": lambda **more: Adam(0.02, 0.8, 0.9, amsgrad=True, weight_decay=0.05, **more),
}


def data(samples=37):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(samples, 5))
    return x, rng.normal(size=(samples, 2))


def make(optimizer, dtype="float64"):
    model = nn.Sequential([nn.Input((5,)), Dense(6, "tanh", dtype=dtype), Dense(2, dtype=dtype)], seed=4)
    model.compile(optimizer, "mse")
    return model


def everything(model):
    return {v.name: v.numpy() for v in [*model.weights, *model._slots]}


# ---------------------------------------------------------------- against Keras's rules
class KerasAdam:
    """Adam as Keras 3 has it, in float64, with `beta**t` and without a word of the library's own."""

    def __init__(self, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, decay=0.0, clip=None):
        self.rate, self.beta_1, self.beta_2, self.epsilon = rate, beta_1, beta_2, epsilon
        self.amsgrad, self.decay, self.clip, self.t, self.state = amsgrad, decay, clip, 0, None

    def step(self, weights, gradients):
        self.t += 1
        self.state = self.state or [[np.zeros_like(w) for _ in range(3)] for w in weights]
        if self.clip is not None:
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            gradients = [g * self.clip * min(1 / norm, 1 / self.clip) for g in gradients]
        alpha = self.rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        for w, g, (m, v, v_hat) in zip(weights, gradients, self.state, strict=True):
            w -= w * self.rate * self.decay
            m += (g - m) * (1 - self.beta_1)
            v += (g**2 - v) * (1 - self.beta_2)
            v_hat[...] = np.maximum(v_hat, v)
            w -= alpha * m / (np.sqrt(v_hat if self.amsgrad else v) + self.epsilon)


KERAS = {
    "adam": dict(rate=0.02),
    "adamw": dict(rate=0.02, decay=0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-4),
    "amsgrad": dict(rate=0.02, beta_1=0.8, beta_2=0.9, amsgrad=True, decay=0.05),
}


def gradients_by_hand(weights, x, y):
    w1, b1, w2, b2 = weights
    h = np.tanh(x @ w1 + b1)
    d = 2 * (h @ w2 + b2 - y) / y.size
    dh = d @ w2.T * (1 - h * h)
    return [x.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]


@pytest.mark.parametrize("executor", [nn.executor.Executor, reference.executor.Executor])
@pytest.mark.parametrize("clip", [None, 1.2])
@pytest.mark.parametrize("name", MAKE)
def test_a_run_is_that_of_keras(name, clip, executor):
    x, y = data()
    model = make(MAKE[name](global_clipnorm=clip))
    model.executor_class = executor
    weights, keras = model.get_weights(), KerasAdam(**KERAS[name], clip=clip)
    norms = []
    for _ in range(40):
        for first in range(0, len(x), 16):
            rows = slice(first, first + 16)
            gradients = gradients_by_hand(weights, x[rows], y[rows])
            norms.append(np.sqrt(sum((g**2).sum() for g in gradients)))
            keras.step(weights, gradients)
    model.fit(x, y, 16, 40, 0, shuffle=False)
    assert model.optimizer.iterations == keras.t == 120
    assert min(norms) < 1.2 < max(norms)  # some steps are clipped and some are not
    for got, want in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)
    if not clip:
        moments = [a for state in keras.state for a in state[: 3 if name == "amsgrad" else 2]]
        for slot, want in zip(model._slots[1:], moments, strict=True):
            np.testing.assert_allclose(slot.numpy(), want, rtol=1e-8, atol=1e-11, err_msg=slot.name)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_names_and_config(kind):
    name = kind.__name__
    for identifier in (name, name.lower(), kind):
        assert type(nn.optimizers.get(identifier)) is kind
    made = kind(0.5, beta_1=0.25, beta_2=0.75, epsilon=0.125, amsgrad=True, weight_decay=0.5, global_clipnorm=3)
    for again in (nn.optimizers.get(nn.optimizers.serialize(made)), pickle.loads(pickle.dumps(made))):
        assert type(again) is kind and again.get_config() == made.get_config()
    assert repr(made).startswith(f"{name}(learning_rate=0.5, ") and eval(repr(made)).get_config() == made.get_config()


def test_one_step_by_hand():
    # powers of two, so that all is exact: m = 8 - 4 = 4, v = 8 + 8 = 16, alpha = 1 * sqrt(0.25) / 0.5 = 1
    w, m, v = (np.array([a]) for a in (8.0, 0.0, 0.0))
    kernels.adam_update(w, [8.0], m, v, None, 1.0, 0.5, 0.75, 4.0, 0.25, 0.5, 0.75)
    assert (m[0], v[0], w[0]) == (4.0, 16.0, 8.0 - 0.25 * 8 - 4.0 / (4.0 + 4.0))
    v_hat = np.array([64.0])
    kernels.adam_update(w, [4.0], m, v, v_hat, 1.0, 0.5, 0.75, 4.0, 0.0, 0.5, 0.75, 2.0)
    assert (m[0], v[0], v_hat[0]) == (6.0, 28.0, 64.0) and w[0] == 5.5 - 6.0 / 12.0


# ---------------------------------------------------------------- the state
def trained_on(model, how, tmp_path):
    if how == "file":
        model.save(tmp_path / "m")
        return nn.load_model(tmp_path / "m")
    return copy.deepcopy(model) if how == "copy" else pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["file", "copy", "pickle"])
@pytest.mark.parametrize("name", MAKE)
def test_a_resumed_training_is_the_uninterrupted_one(name, how, dtype, tmp_path):
    x, y = data()
    whole, part = (make(MAKE[name](global_clipnorm=0.3), dtype) for _ in range(2))
    history = whole.fit(x, y, 8, 6, 0).history["loss"]
    losses = []
    for epochs in (2, 1, 3):
        losses += part.fit(x, y, 8, epochs, 0).history["loss"]
        part = trained_on(part, how, tmp_path)
    assert losses == history and part.optimizer.iterations == whole.optimizer.iterations == 30
    assert everything(part).keys() == everything(whole).keys()
    assert_same_bits(everything(part), everything(whole), name)
    p = everything(part)["powers"]
    assert p.dtype == np.float64 and p == pytest.approx([part.optimizer.beta_1**30, part.optimizer.beta_2**30])


def test_a_model_saved_before_training_starts_from_the_first_step(tmp_path):
    x, y = data()
    model = make(Adam(0.02))
    loaded = trained_on(model, "file", tmp_path)
    for m in (model, loaded):
        m.fit(x, y, 8, 2, 0)
    assert_same_bits(everything(loaded), everything(model), "loaded")


def test_a_file_without_the_powers_is_refused(tmp_path):
    x, y = data()
    model = make(Adam())
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "m")
    arrays, metadata = nn.io.load_weights_file(tmp_path / "m")
    del arrays["optimizer/powers"]
    nn.io.save_weights_file(tmp_path / "m", arrays, metadata)
    with pytest.raises(ValueError, match="is damaged or of another version"):
        nn.load_model(tmp_path / "m")


def test_compile_forgets_moments_and_powers():
    x, y = data()
    model, fresh = make(Adam(0.02)), make(Adam(0.02))
    model.fit(x, y, 8, 2, 0, shuffle=False)
    fresh.set_weights(model.get_weights())
    model.compile(Adam(0.02), "mse")
    for m in (model, fresh):
        m.fit(x, y, 8, 2, 0, shuffle=False)
    assert_same_bits(everything(model), everything(fresh), "compiled again")


@pytest.mark.parametrize("clip", [None, 0.2])
def test_a_failed_epoch_gives_back_moments_and_powers(clip):
    x, y = data()
    model, good = make(Adam(0.02, global_clipnorm=clip)), make(Adam(0.02, global_clipnorm=clip))
    for m in (model, good):
        m.fit(x, y, 8, 2, 0)
    model.optimizer.learning_rate = 1e300
    with pytest.raises(NonFiniteError, match="epoch 1"):
        model.fit(x, y, 8, 5, 0)
    assert_same_bits(everything(model), everything(good), "after the failure")
    assert model.optimizer.iterations == good.optimizer.iterations
    model.optimizer.learning_rate = 0.02
    for m in (model, good):
        m.fit(x, y, 8, 2, 0)
    assert_same_bits(everything(model), everything(good), "and on")


def test_new_hyperparameters_take_effect():
    x, y = data()
    model = make(Adam(0.02, global_clipnorm=0.05))
    weights, keras = model.get_weights(), KerasAdam(0.02, clip=0.05)
    for rate, clip in ((0.02, 0.05), (0.005, 0.05), (0.005, 0.01), (0.005, None), (0.1, 0.1), (0.1, None)):
        model.optimizer.learning_rate, model.optimizer.global_clipnorm = rate, clip
        keras.rate, keras.clip = rate, clip
        for _ in range(2):
            keras.step(weights, gradients_by_hand(weights, x, y))
        model.fit(x, y, 37, 2, 0, shuffle=False)
    for got, want in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)


def test_a_new_beta_reaches_the_powers():
    x, y = data()
    model = make(Adam(0.02))
    model.fit(x, y, 37, 2, 0)
    model.optimizer.beta_1 = 0.5
    model.fit(x, y, 37, 3, 0)
    assert everything(model)["powers"] == pytest.approx([0.9**2 * 0.5**3, 0.999**5])


def test_powers_may_look_like_nan_in_float32():
    """They are float64 beside state of float32: half of one of them is no weight that became nan."""
    x, y = data()
    model = make(Adam(beta_1=0.5, beta_2=0.5), "float32")  # a product with 0.5 keeps all bits of the fraction
    model.fit(x, y, 37, 1, 0)
    model._slots[0].assign(np.array([0x3FD000007FC00000] * 2, np.uint64).view(np.float64))
    model.fit(x, y, 37, 2, 0)
    assert np.isnan(model._slots[0].numpy().view(np.float32)).any()


def test_amsgrad_given_later_takes_effect():
    x, y = data()
    model, fresh = make(Adam(0.02)), make(Adam(0.02, amsgrad=True))
    model.fit(x, y, 8, 1, 0, shuffle=False)
    fresh.set_weights(model.get_weights())
    model.optimizer.amsgrad = True
    for m in (model, fresh):
        m.fit(x, y, 8, 2, 0, shuffle=False)
    assert_same_bits(everything(model), everything(fresh), "amsgrad")


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_below_the_smallest_normal_number_become_zero(dtype):
    tiny = np.finfo(dtype).tiny
    for module in (kernels, reference):
        w = np.full(3, 2.5, dtype)
        m, v, v_hat = (np.array([tiny, -tiny, 4 * tiny], dtype) * sign for sign in (1, 1, 0.25))
        module.adam_update(w, np.zeros(3, dtype), m, v, v_hat, beta_1=0.5, beta_2=0.5)
        for state, want in ((m, [0, 0, 2 * tiny]), (v, [0, 0, 2 * tiny]), (v_hat, [0, 0, 2 * tiny])):
            np.testing.assert_array_equal(state, np.array(want, dtype))
            assert not np.signbit(state).any()


# ---------------------------------------------------------------- clipping
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [lambda clip: SGD(0.1, 0.9, global_clipnorm=clip), lambda clip: Adam(0.02, global_clipnorm=clip)])
def test_clipping_changes_nothing_when_the_norm_is_small(kind, dtype):
    x, y = data()
    runs = [make(kind(clip), dtype) for clip in (None, 1e6, 0.1)]
    for model in runs:
        model.fit(x, y, 8, 2, 0)
    assert_same_bits(everything(runs[1]), everything(runs[0]), "a large clip")
    assert not np.array_equal(runs[2].get_weights()[0], runs[0].get_weights()[0])


def test_a_clipped_step_of_sgd_has_the_clips_length():
    x, y = data()
    for clip in (1e-3, 0.1):
        model = make(SGD(1.0, global_clipnorm=clip))
        before = model.get_weights()
        model.train_on_batch(x, y)
        steps = [b - a for a, b in zip(model.get_weights(), before, strict=True)]
        assert np.sqrt(sum((s**2).sum() for s in steps)) == pytest.approx(clip, rel=1e-9)
        gradients = gradients_by_hand(before, x, y)
        ratio = np.sqrt(sum((g**2).sum() for g in gradients)) / clip
        for step, gradient in zip(steps, gradients, strict=True):
            np.testing.assert_allclose(step * ratio, gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("executor", [nn.executor.Executor, reference.executor.Executor])
def test_a_norm_that_overflows_is_not_hidden(executor):
    """A gradient of 1e188 is finite and so is the loss of 1e176, but the gradient's square is not."""
    model = nn.Sequential([nn.Input((1,)), Dense(1, use_bias=False, kernel_initializer="ones", dtype="float64")])
    model.executor_class = executor
    model.compile(SGD(1e-300, global_clipnorm=1.0), "mse")
    with pytest.raises(NonFiniteError, match="dense/kernel became nan or inf"):
        model.fit([[1e100]], [[1e100 * (1 - 2**-40)]], verbose=0)
    assert model.get_weights()[0] == 1


@pytest.mark.parametrize("n", [1, 7, 8, 9, 4095, 4096, 4097, 12289])
def test_sum_of_squares_counts_each_element_once(n):
    x = np.random.default_rng(n).integers(-99, 99, n).astype(np.float32)  # whole numbers: any order is exact
    assert kernels.sum_of_squares(x) == float((x.astype(np.int64) ** 2).sum())


# ---------------------------------------------------------------- the kernel's arguments
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"m": np.zeros(4)}, ValueError, r"m must be like w, a float64 array of shape \(3,\), got a float64 array of shape"),
        ({"v": np.zeros(3, np.float32)}, ValueError, "v must be like w, a float64 array"),
        ({"v_hat": [0.0, 0, 0]}, ValueError, "v_hat is updated in place .* got list"),
        ({"v": None}, ValueError, "v is updated in place .* got NoneType"),
        ({"dw": np.ones(2)}, ValueError, r"w has shape \(3,\) but dw has shape \(2,\)"),
        ({"beta_1": 1.0}, ValueError, "beta_1 must be at least 0 and less than 1"),
        ({"beta_2": -0.5}, ValueError, "beta_2 must be at least 0 and less than 1"),
        ({"beta_1_power": 1.0}, ValueError, "beta_1_power must be at least 0 and less than 1"),
        ({"beta_2_power": 1.5}, ValueError, "beta_2_power must be at least 0 and less than 1"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be a finite number above 0"),
        ({"scale": np.nan}, ValueError, "scale must be a finite number"),
        ({"learning_rate": "x"}, TypeError, "learning_rate must be a finite number"),
        ({"weight_decay": np.inf}, ValueError, "weight_decay must be a finite number"),
    ],
)
def test_refused(change, error, message):
    arguments = {"w": np.ones(3), "dw": np.ones(3), "m": np.zeros(3), "v": np.zeros(3)}
    with pytest.raises(error, match="adam_update: " + message):
        kernels.adam_update(**{**arguments, **change})
    assert (arguments["w"] == 1).all() and not arguments["m"].any()


def test_arrays_that_share_memory():
    a, v = np.ones(4), np.zeros(3)
    with pytest.raises(ValueError, match="adam_update: w and m share memory"):
        kernels.adam_update(a[:3], np.ones(3), a[1:], v)
    w, m, twin = np.array([1.0, 2, 3]), np.zeros(3), np.array([1.0, 2, 3])
    kernels.adam_update(w, w, m, v)  # the gradient may: it is read first
    kernels.adam_update(twin, twin.copy(), np.zeros(3), np.zeros(3))
    assert np.array_equal(w, twin)
