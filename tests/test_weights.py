"""Penalties on weights, constraints of them, and what else happens around an update, in whole runs."""

import copy
import pickle

import numpy as np
import oracle
import pytest
from test_kernels import assert_same_bits
from test_optimizers import EXECUTORS, Steps
from test_whole_runs import OracleExecutor, Unfused, needs_fma

import nncore as nn
from nncore import constraints, kernels, regularizers
from nncore._core import core
from nncore.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from nncore.layers import Dense
from nncore.optimizers import SGD, Adam, Ftrl, Lamb, Lion, RMSprop
from nncore.regularizers import L1, L1L2, L2, Regularizer

DTYPES = ("float32", "float64")


class Fourth(Regularizer):
    """A penalty of somebody's own."""

    def __init__(self, factor=0.01):
        self.factor = factor

    def __call__(self, w):
        return self.factor * (w**4).sum()

    def gradient(self, w):
        return 4 * self.factor * w**3

    def get_config(self):
        return {"factor": self.factor}


class Between(constraints.Constraint):
    """A constraint of somebody's own."""

    def __init__(self, bound=0.3):
        self.bound = bound

    def __call__(self, w):
        return np.clip(w, -self.bound, self.bound)

    def get_config(self):
        return {"bound": self.bound}


def data(samples=37, width=5, outputs=2):
    rng = np.random.default_rng(3)
    return rng.normal(size=(samples, width)), rng.normal(size=(samples, outputs))


def make(optimizer=None, dtype="float64", executor=nn.executor.Executor, hidden=6, inputs=5, **dense):
    layers = [nn.Input((inputs,)), Dense(hidden, "tanh", dtype=dtype, **dense), Dense(2, dtype=dtype, **dense)]
    model = nn.Sequential(layers, seed=4)
    model.compile(optimizer or SGD(0.1), "mse", metrics=["mae"])
    model.executor_class = executor
    return model


def everything(model):
    return {path: array.numpy() for path, array in {**model.weight_paths(), **model.slot_paths()}.items()}


# ---------------------------------------------------------------- penalties: values
def test_keras_penalties():
    """keras/src/regularizers/regularizers_test.py: their formulas, without a half."""
    value = np.random.default_rng(1).random((4, 4)).astype("f4") - 0.3
    assert L1(0.1)(value) == pytest.approx(0.1 * np.abs(value).sum(), rel=1e-6)
    assert L2(0.1)(value) == pytest.approx(0.1 * np.square(value).sum(), rel=1e-6)
    assert L1L2(0.1, 0.2)(value) == pytest.approx(0.1 * np.abs(value).sum() + 0.2 * np.square(value).sum(), rel=1e-6)
    assert L2(2.0)(np.ones((5, 5))) == 50.0  # the example of its base class
    assert L1(0.1)(np.zeros((4, 4))) == L1L2()(value) == 0.0
    assert (L1().l1, L2().l2, L1L2().get_config()) == (0.01, 0.01, {"l1": 0.0, "l2": 0.0})


def test_the_textbooks_halves_are_converted():
    theta, w = 0.3, np.array([3.0, -4.0])
    assert L2(theta / 2)(w) == pytest.approx(0.5 * theta * (w @ w))
    np.testing.assert_allclose(L2(theta / 2).gradient(w), theta * w)
    assert L1(theta)(w) == pytest.approx(theta * 7)


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.2), L1L2(0.3, 0.2), Fourth(0.1)])
def test_gradients_are_those_of_the_values(penalty):
    nn.testing.check_backward(lambda w: np.array(penalty(w)), lambda dy, w: dy * penalty.gradient(w),
                              (np.random.default_rng(1).normal(size=(3, 4)),))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_at_zero_is_zero(dtype):
    w = np.array([0.0, -0.0, 1e-30, -1e-30, 2.0, -3.0, np.nan] * 5, dtype)
    dw = np.full_like(w, 0.25)
    kernels.penalty_gradient(dw, w, 0.5, 0.0)
    np.testing.assert_array_equal(dw, np.tile([0.25, 0.25, 0.75, -0.25, 0.75, -0.25, np.nan], 5))


@pytest.mark.parametrize("shape", [(5, 3), (7, 20), (9, 60), (300, 50), (1, 1), (64,), (5000,)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_penalty_does_not_see_how_weights_are_kept(shape, dtype):
    """In panels the order differs, what pads them counts for nothing."""
    value = np.random.default_rng(1).integers(-4, 5, shape).astype(dtype)  # whole numbers: all sums are exact
    variable = nn.Variable(value, "w", panels=len(shape) == 2)
    assert kernels.penalty(variable._value, 0.5, 0.25) == kernels.penalty(value, 0.5, 0.25)


# ---------------------------------------------------------------- penalties: runs
PENALTIES = {
    "l2": {"kernel_regularizer": L2(0.03)},
    "l1": {"kernel_regularizer": "l1"},
    "l1_l2, bias": {"kernel_regularizer": L1L2(0.02, 0.03), "bias_regularizer": L2(0.5)},
    "own": {"kernel_regularizer": Fourth(0.2), "bias_regularizer": L1(0.1)},
}


def losses_by_hand(weights, x, y, penalty_of):
    w1, b1, w2, b2 = weights
    h = np.tanh(x @ w1 + b1)
    d = h @ w2 + b2 - y
    dy = 2 * d / y.size
    dh = dy @ w2.T * (1 - h * h)
    gradients = [x.T @ dh, dh.sum(0), h.T @ dy, dy.sum(0)]
    value = 0.0
    for number, penalty in enumerate(penalty_of):
        if penalty is not None:
            value += penalty(weights[number])
            gradients[number] = gradients[number] + penalty.gradient(weights[number])
    return (d * d).mean(), value, gradients


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("clip", [None, {"clipnorm": 0.2}, {"global_clipnorm": 0.3}, {"clipvalue": 0.1},
                                  {"gradient_accumulation_steps": 2}])
@pytest.mark.parametrize("name", PENALTIES)
def test_a_run_is_that_of_keras(name, clip, executor):
    """The gradient has the penalty in it before it is clipped; the losses that are logged have it too."""
    x, y = data()
    model = make(SGD(0.2, 0.5, **clip or {}), executor=executor, **PENALTIES[name])
    kernel, bias = model.layers[0].kernel_regularizer, model.layers[0].bias_regularizer
    penalty_of = (kernel, bias) * 2
    by_hand = Steps(SGD(0.2, 0.5, **clip or {}), *model.get_weights())
    for epoch in range(4):
        total = 0.0
        for first in range(0, len(x), 8):
            rows = slice(first, first + 8)
            loss, penalty, gradients = losses_by_hand(by_hand.values, x[rows], y[rows], penalty_of)
            total += (loss + penalty) * len(x[rows])
            by_hand(*gradients)
        history = model.fit(x, y, 8, epoch + 1, 0, shuffle=False, initial_epoch=epoch, validation_data=(x, y)).history
        assert history["loss"][0] == pytest.approx(total / len(x), rel=1e-12)
    for got, want in zip(model.get_weights(), by_hand.values, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)
    loss, penalty, _ = losses_by_hand(by_hand.values, x, y, penalty_of)
    evaluated = model.evaluate(x, y, verbose=0, return_dict=True)
    assert evaluated["loss"] == history["val_loss"][0] == pytest.approx(loss + penalty, rel=1e-12)
    assert penalty > 0.01 and evaluated["mae"] < 3
    assert model.train_on_batch(x, y, return_dict=True)["loss"] == pytest.approx(loss + penalty, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 65])
def test_the_weight_of_a_batch_is_summed_in_order(rows, dtype):
    """So that it has the same bits with rows of weight 0 and without them."""
    weight = (2.0 ** np.random.default_rng(rows).uniform(-40, 40, rows)).astype(dtype)
    spread = np.zeros(3 * rows, dtype)
    spread[1::3] = weight
    for given, n_rows in ((weight, rows), (spread, 3 * rows), (None, rows)):
        got, twin = np.empty(1), np.empty(1)
        core.run_kernel(core.KERNELS.index("batch_weight"), n_rows, (given, got), (1,), (), dtype == "float64")
        (wanted,) = oracle.batch_weight(None, np.empty((rows, 2)), None if given is None else weight)
        assert got[0] == wanted
        nn.reference.batch_weight(np.empty((n_rows, 2)), given, twin)
        assert twin[0] == pytest.approx(wanted, rel=1e-14)


class Objective:
    """What scikit-learn's networks minimize on a batch: (sum_b w_b l_b + 0.5 alpha ||W||^2) / sum_b w_b, by SGD."""

    def __init__(self, rate, alpha, *values):
        self.rate, self.alpha, self.values = rate, alpha, [value.astype(float) for value in values]

    def __call__(self, x, y, weight, train=True):
        w1, b1, w2, b2 = self.values
        total, h = weight.sum(), np.tanh(x @ w1 + b1)
        if total == 0:
            return 0.0
        d = h @ w2 + b2 - y
        value = (weight @ (d * d).mean(axis=1) + 0.5 * self.alpha * ((w1 * w1).sum() + (w2 * w2).sum())) / total
        if train:
            dy = 2 / y.shape[1] * weight[:, None] * d
            dh = dy @ w2.T * (1 - h * h)
            gradients = x.T @ dh + self.alpha * w1, dh.sum(0), h.T @ dy + self.alpha * w2, dy.sum(0)
            self.values = [w - self.rate * g / total for w, g in zip(self.values, gradients, strict=True)]
        return value


@pytest.mark.parametrize("executor", [*EXECUTORS, Unfused])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [6, 57])
@pytest.mark.parametrize("weighted", [False, True])
def test_penalties_per_sample_are_those_of_scikit_learn(weighted, hidden, dtype, executor):
    """The last batch of an epoch is smaller, and its penalty larger; one whose rows weigh nothing moves nothing."""
    alpha, loss = 3.0, nn.losses.MeanSquaredError("mean_with_sample_weight")
    x, y = (array.astype(dtype) for array in data())
    weight = np.random.default_rng(7).uniform(0.2, 3, len(x)).astype(dtype)
    weight[8:16] = 0
    given = weight if weighted else None
    weight = weight if weighted else np.ones(len(x))
    model = make(SGD(0.1), dtype, executor, hidden, kernel_regularizer=L2(alpha / 2, per_sample=True))
    model.compile(SGD(0.1), loss)
    by_hand, tolerance = Objective(0.1, alpha, *model.get_weights()), 1e-10 if dtype == "float64" else 2e-4
    for epoch in range(3):
        parts = [slice(first, min(first + 8, len(x))) for first in range(0, len(x), 8)]
        before = copy.deepcopy(by_hand.values)
        wanted = sum(by_hand(x[rows], y[rows], weight[rows]) * (rows.stop - rows.start) for rows in parts) / len(x)
        history = model.fit(x, y, 8, epoch + 1, 0, shuffle=False, initial_epoch=epoch, sample_weight=given).history
        assert history["loss"][0] == pytest.approx(wanted, rel=tolerance)
        assert not np.allclose(by_hand.values[0], before[0], rtol=0.01)
    for got, want in zip(model.get_weights(), by_hand.values, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    assert model.evaluate(x, y, len(x), 0, given) == pytest.approx(by_hand(x, y, weight, False), rel=tolerance)
    plain = make(SGD(0.1), dtype, executor, hidden)
    plain.compile(SGD(0.1), loss)
    plain.set_weights(model.get_weights())
    before = model.get_weights()
    assert model.train_on_batch(x, y, np.zeros(len(x))) == 0
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)
    assert L2(alpha, per_sample=True)(before[0]) == L2(alpha)(before[0])  # an array has no batch
    difference = model.gradients(x, y, given)["dense/kernel"] - plain.gradients(x, y, given)["dense/kernel"]
    np.testing.assert_allclose(difference, alpha * before[0] / weight.sum(), rtol=1e-3, atol=1e-5)


def test_of_several_outputs_the_first_ones_weights_divide_penalties():
    x = nn.Input((3,))
    for executor in EXECUTORS:
        outputs = [nn.layers.Dense(2, kernel_regularizer=L2(0.5, per_sample=True), name=name)(x) for name in "ab"]
        model = nn.Model(x, outputs, seed=1)
        model.compile(SGD(0.1), ["mse", "mse"])
        model.executor_class = executor
        rows, y = np.zeros((4, 3)), np.zeros((4, 2))
        squares = sum((weight**2).sum() for weight in model.get_weights())
        for weight, divisor in (({"a": [1.0, 2, 3, 0]}, 6), ({"b": [1.0, 2, 3, 0]}, 4), (None, 4)):
            found = model.evaluate(rows, {"a": y, "b": y}, verbose=0, sample_weight=weight)
            assert found[0] == pytest.approx(0.5 * squares / divisor, rel=1e-6)


def test_a_penalty_per_sample_alone_is_divided_in_every_batch():
    """One that no loss reaches has a gradient that begins with the penalty's."""
    x = nn.Input((3,))
    hidden = nn.layers.Dense(4, kernel_regularizer=L2(1.0, per_sample=True), name="apart")(x)
    model = nn.Model(x, [nn.layers.Dense(2, name="y")(x), hidden], seed=1)
    model.compile(SGD(0.5), ["mse", None])
    before = model.get_layer("apart").kernel.numpy()
    model.fit(np.ones((6, 3)), {"y": np.ones((6, 2))}, batch_size=4, verbose=0)
    np.testing.assert_allclose(model.get_layer("apart").kernel.numpy(), before * (1 - 1 / 4) * (1 - 1 / 2), rtol=1e-6)


def test_penalties_per_sample_are_written_down():
    for kind in (L1(0.5, per_sample=True), L2(0.5, per_sample=True), L1L2(0.5, 0.25, per_sample=True)):
        again = regularizers.get(regularizers.serialize(kind))
        assert again.per_sample and again.get_config() == kind.get_config()
        assert repr(again) == repr(kind) and repr(kind).endswith("per_sample=True)")
    assert L2(0.5).get_config() == {"l2": 0.5} and not regularizers.get("l2").per_sample  # as Keras writes and reads them


def test_penalties_count_for_trained_weights_only():
    """As in Keras: a frozen layer's are no part of the loss, in evaluate neither."""
    x, y = data()
    model = make(kernel_regularizer=L2(0.5))
    both = model.evaluate(x, y, verbose=0)[0]
    model.layers[0].trainable = False
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(both - L2(0.5)(model.get_weights()[0]))
    before = model.get_weights()[0]
    assert model.train_on_batch(x, y)[0] == pytest.approx(both - L2(0.5)(before))
    assert np.array_equal(model.get_weights()[0], before)
    model.layers[0].trainable = True
    model.set_weights([before, *model.get_weights()[1:]])
    model.fit(x, y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)


def test_a_penalty_alone_trains_a_weight_that_the_loss_does_not_reach():
    x = nn.Input((3,))
    hidden = nn.layers.Dense(4, kernel_regularizer=L2(0.25), name="apart")(x)
    for executor in EXECUTORS:
        model = nn.Model(x, [nn.layers.Dense(2, name="y")(x), hidden], seed=1)
        model.compile(SGD(0.5), ["mse", None])
        model.executor_class = executor
        before = model.get_layer("apart").kernel.numpy()
        model.fit(np.ones((6, 3)), {"y": np.ones((6, 2))}, batch_size=3, verbose=0)
        np.testing.assert_allclose(model.get_layer("apart").kernel.numpy(), before * 0.75**2, rtol=1e-6)
        model.set_weights([before if w.shape == before.shape else w.numpy() for w in model.weights])


def test_a_layer_that_is_used_twice_has_one_penalty():
    x = nn.Input((3,))
    shared = nn.layers.Dense(3, kernel_regularizer=L2(0.25))
    model = nn.Model(x, shared(shared(x)), seed=1)
    model.compile(SGD(0.1), "mse")
    loss = model.evaluate(np.zeros((4, 3)), np.zeros((4, 3)), verbose=0)
    assert loss == pytest.approx(L2(0.25)(shared.kernel.numpy()))
    before = shared.kernel.numpy()
    model.fit(np.zeros((4, 3)), np.zeros((4, 3)), verbose=0)
    np.testing.assert_allclose(shared.kernel.numpy(), before * (1 - 0.1 * 0.5), rtol=1e-6)


# ---------------------------------------------------------------- constraints
# keras/src/constraints/constraints_test.py
def test_keras_constraints():
    x = np.array([[0, 0, 0], [1.0, 0, 0], [3, 0, 0], [3, 3, 3]]).T
    want = np.array([[0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [2 / np.sqrt(3)] * 3]).T
    np.testing.assert_allclose(MaxNorm(2.0)(x), want, atol=1e-6)
    example = np.random.default_rng(1).random((100, 100)) * 100 - 50
    example[0, 0] = 0.0
    assert (NonNeg()(example) >= 0).all() and np.array_equal(NonNeg()(np.full((5, 5), 3.0)), np.full((5, 5), 3.0))
    np.testing.assert_allclose(np.sqrt((UnitNorm()(example) ** 2).sum(axis=0)), 1.0, rtol=1e-6)
    norms = np.sqrt((MinMaxNorm(0.2, 0.5)(example) ** 2).sum(axis=0))
    assert (norms >= 0.2).all() and (norms <= 0.5 + 1e-6).all()
    assert (MaxNorm().max_value, MinMaxNorm().get_config()) == (2, {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0})


CONSTRAINTS = {
    "max": {"kernel_constraint": MaxNorm(0.5)},
    "max of rows": {"kernel_constraint": MaxNorm(0.3, axis=1), "bias_constraint": MaxNorm(0.01)},
    "unit": {"kernel_constraint": "unit_norm", "bias_constraint": MaxNorm(0.02)},
    "between": {"kernel_constraint": MinMaxNorm(0.4, 0.6, 0.5, axis=-1), "bias_constraint": "non_neg"},
    "not negative": {"kernel_constraint": "non_neg"},
    "own": {"kernel_constraint": Between(), "bias_constraint": Between(0.05)},
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("hidden", [6, 70])
def test_weights_are_constrained_after_each_update(name, hidden, executor):
    x, y = data()
    model = make(SGD(0.3), executor=executor, hidden=hidden, **CONSTRAINTS[name])
    plain = make(SGD(0.3), executor=executor, hidden=hidden)
    layer, moved = model.layers[0], set()
    for step in range(3):
        plain.set_weights(model.get_weights())
        for m in (model, plain):
            m.train_on_batch(x[step::3], y[step::3])
        limits = (layer.kernel_constraint, layer.bias_constraint) * 2
        for number, limit in enumerate(limits):
            got, free = model.get_weights()[number], plain.get_weights()[number]
            want = free if limit is None else limit(free)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
            moved.update([number] if not np.allclose(want, free) else [])
    assert moved >= ({0, 2} if limits[1] is None else {0, 1, 2} if name in ("unit", "max of rows") else {0})


def test_a_constraint_wants_an_axis_that_is_there():
    with pytest.raises(ValueError, match=r"layer 'dense': bias: MaxNorm wants an axis 1, but the shape is \(3,\)"):
        nn.Sequential([nn.Input((2,)), Dense(3, bias_constraint=MaxNorm(axis=1))])


# ---------------------------------------------------------------- bits
OPTIMIZERS = {
    "sgd": lambda: SGD(0.1, 0.9),
    "adam": lambda: Adam(0.02, clipvalue=0.05, weight_decay=0.01),
    "ftrl": lambda: Ftrl(0.1, l1_regularization_strength=0.001),
    "clipped": lambda: RMSprop(0.01, clipnorm=0.1),
    "lamb": lambda: Lamb(0.02),
    "accumulated": lambda: Lion(0.01, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5),
}
DRESSED = {
    "l2": {"kernel_regularizer": L2(0.03)},
    "l1_l2": {"kernel_regularizer": L1L2(0.02, 0.03), "bias_regularizer": L1(0.2)},
    "per sample": {"kernel_regularizer": L1L2(0.1, 0.2, per_sample=True), "bias_regularizer": L1(0.5, per_sample=True)},
    "max": {"kernel_constraint": MaxNorm(0.5), "kernel_regularizer": L1(0.01)},
    "rows": {"kernel_constraint": MinMaxNorm(0.2, 0.4, 0.7, axis=1), "bias_constraint": UnitNorm()},
    "not negative": {"kernel_constraint": NonNeg(), "bias_regularizer": L2(0.3)},
}


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dress", DRESSED)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_runs_have_the_documented_bits(optimizer, dress, dtype):
    """And are the same whether the update is a part of the gradient's product or comes after it."""
    x, y = data(19)
    for hidden, weighted in [(5, False), (57, False), *([(57, True)] if dress == "per sample" else [])]:
        runs = []
        for executor in (nn.executor.Executor, OracleExecutor, Unfused):
            model = make(OPTIMIZERS[optimizer](), dtype, executor, hidden, **DRESSED[dress])
            history = model.fit(x, y, 8, 2, 0, sample_weight=np.linspace(0.5, 2.0, 19) if weighted else None).history
            runs.append({**everything(model), **{key: np.array(value) for key, value in history.items() if key == "loss"}})
        assert_same_bits(runs[1], runs[0], f"oracle {hidden}")
        assert_same_bits(runs[2], runs[0], f"unfused {hidden}")


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_are_fused_with_penalties_constraints_and_averages_around(optimizer, per_sample):
    x, y = data(19)
    model = make(OPTIMIZERS[optimizer](), kernel_regularizer=L2(0.1, per_sample=per_sample), kernel_constraint=NonNeg(),
                 bias_regularizer=L1(0.1, per_sample=per_sample))
    model.fit(x, y, 8, 1, 0)
    (plan,) = next(plans for key, plans in model._plans.items() if key[0] == "fit")
    fusions = plan.executor.fusions
    fused = optimizer in ("sgd", "adam", "ftrl")
    assert (len(fusions.updates), len(fusions.penalties)) == ((2, 4) if fused else (0, 0))
    kernels_of = [op.kernel for op in plan.executor.program.ops]
    assert kernels_of.count("batch_weight") == per_sample  # once for all penalties


@pytest.mark.parametrize("dress", DRESSED)
def test_threads_change_no_bit(dress):
    """Arrays so large that threads share them out."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(64, 700)), rng.normal(size=(64, 2))
    for optimizer in OPTIMIZERS.values():
        runs = []
        for threads in (1, 2, 3):
            before = nn.get_num_threads()
            nn.set_num_threads(threads)
            try:
                model = make(optimizer(), "float32", hidden=300, inputs=700, **DRESSED[dress])
                with model._plan("fit", model._feeds("fit", x, y, None), 32) as plan:
                    run = plan.executor.bind(plan.feeds(model._converted(model._feeds("fit", x, y, None))))
                    totals = run(64, None, 32, attributes=model.optimizer.attributes(), n_threads=threads)
            finally:
                nn.set_num_threads(before)
            runs.append({**everything(model), "loss": np.array(totals["loss"])})
        assert_same_bits(runs[1], runs[0], "two threads")
        assert_same_bits(runs[2], runs[0], "three threads")


# ---------------------------------------------------------------- state
def again(model, how, tmp_path):
    if how == "file":
        model.save(tmp_path / "m")
        return nn.load_model(tmp_path / "m")
    return copy.deepcopy(model) if how == "copy" else pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("how", ["file", "copy", "pickle"])
@pytest.mark.parametrize("optimizer", [
    lambda: Adam(0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3, weight_decay=0.1),
    lambda: Lamb(0.02, gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.6),
    lambda: Lion(nn.schedules.CosineDecay(0.05, 40), gradient_accumulation_steps=7, clipnorm=0.1),
    lambda: nn.optimizers.Nadam(0.02, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=4),
])
def test_a_resumed_run_is_the_uninterrupted_one(optimizer, how, tmp_path):
    """In the middle of a group of gradients, too: five batches make an epoch."""
    x, y = data()
    dress = {"kernel_regularizer": L1L2(0.01, 0.02), "bias_regularizer": Fourth(0.3), "kernel_constraint": MaxNorm(0.7),
             "bias_constraint": Between(0.2)}
    whole, part = (make(optimizer(), **dress) for _ in range(2))
    for model in (whole, part):
        model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    history = [loss for _ in range(3) for loss in whole.fit(x, y, 8, 2, 0).history["loss"]]
    losses = []
    for _ in range(3):
        losses += part.fit(x, y, 8, 2, 0).history["loss"]
        part = again(part, how, tmp_path)
    assert losses == history and part.optimizer.steps == whole.optimizer.steps == 30
    assert part.optimizer.iterations == 30 // (part.optimizer.gradient_accumulation_steps or 1)
    assert_same_bits(everything(part), everything(whole), how)
    for a, b in zip(part.layers, whole.layers, strict=True):
        assert a.get_config() == b.get_config()
    assert [part.optimizer.decays(weight) for weight in part.weights] == [True, False, True, False]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_weights_become_their_average_when_fit_ends(executor):
    x, y = data()
    model = make(Adam(0.02, use_ema=True, ema_momentum=0.9), executor=executor, hidden=33)
    plain = make(Adam(0.02), executor=executor, hidden=33)
    averages, steps = plain.get_weights(), 0
    for _ in range(3):
        for first in range(0, 37, 8):
            plain.train_on_batch(x[first : first + 8], y[first : first + 8])
            averages = [w if steps == 0 else 0.9 * a + 0.1 * w for a, w in zip(averages, plain.get_weights(), strict=True)]
            steps += 1
    seen = []
    hook = nn.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(model.get_weights()))
    model.fit(x, y, 8, 3, 0, shuffle=False, callbacks=hook)
    for got, want in zip(model.get_weights(), averages, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_array_equal(seen[0][0], model.get_weights()[0])  # before on_train_end, as in Keras


def test_train_on_batch_leaves_the_average_aside():
    x, y = data()
    model, plain = make(Adam(0.02, use_ema=True)), make(Adam(0.02))
    for m in (model, plain):
        m.train_on_batch(x, y)
        m.train_on_batch(x, y)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])


def test_an_average_that_begins_later_begins_with_the_weights():
    x, y = data()
    model = make(SGD(0.1))
    model.fit(x, y, 8, 2, 0)
    model.optimizer.use_ema, before = True, model.get_weights()
    model.optimizer.ema_momentum = 1.0
    model.train_on_batch(x, y)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(model.slot_paths()[f"{weight.name}/average"].numpy(), old)


def test_a_failed_epoch_gives_back_all_of_it():
    x, y = data()
    model, good = (make(Adam(0.02, use_ema=True, gradient_accumulation_steps=3, ema_overwrite_frequency=2),
                        kernel_regularizer="l2") for _ in range(2))
    for m in (model, good):
        m.fit(x, y, 8, 2, 0)
    model.optimizer.learning_rate = 1e300
    with pytest.raises(nn.NonFiniteError, match="epoch 1"):
        model.fit(x, y, 8, 5, 0)
    assert_same_bits(everything(model), everything(good), "after the failure")
    assert model.optimizer.steps == good.optimizer.steps == 10 and model.optimizer.iterations == 3


def test_a_loss_that_is_not_finite_by_its_penalty_is_seen():
    x, y = data()
    model = make(kernel_regularizer=L2(1e300))
    model.set_weights([1e10 * weight for weight in model.get_weights()])
    with pytest.raises(nn.NonFiniteError, match="the loss became inf in epoch 1"):
        model.fit(x, y, verbose=0)


# ---------------------------------------------------------------- one optimizer, one model
def test_an_optimizer_trains_one_model():
    x, y = data()
    optimizer = Adam(0.02)
    model, other = make(optimizer), make(optimizer)
    model.fit(x, y, verbose=0)
    before = everything(model)
    for method in (other.fit, other.train_on_batch):
        with pytest.raises(ValueError, match="Adam: an optimizer trains one model, and this one has another already"):
            method(x, y)
    other.compile(Adam.from_config(optimizer.get_config()), "mse")
    other.fit(x, y, verbose=0)
    assert_same_bits(everything(model), before, "the first model")
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.fit(x, y, verbose=0)  # a copy has a copy of the optimizer
    model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="exclude_from_weight_decay: must be called before training"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_the_same_optimizer_compiled_again_goes_on():
    """As in Keras: its state is its own."""
    x, y = data()
    model, plain = make(Adam(0.02)), make(Adam(0.02))
    for m in (model, plain):
        m.fit(x, y, 8, 2, 0)
        if m is model:
            m.compile(m.optimizer, "mse")
        m.fit(x, y, 8, 2, 0)
    assert_same_bits(everything(model), everything(plain), "compiled again")


def test_excluded_weights_do_not_decay_in_runs():
    x, y = np.zeros((8, 5)), np.zeros((8, 2))
    for executor in EXECUTORS:
        model = make(SGD(0.5, weight_decay=0.5), executor=executor, bias_initializer="ones")
        model.optimizer.exclude_from_weight_decay(var_names=["dense_1"])
        model.set_weights([np.ones(weight.shape) for weight in model.weights])
        model.fit(x, np.full((8, 2), 7.0 * np.tanh(0.75) + 1), epochs=1, verbose=0)
        kernel, bias, last, _ = model.get_weights()
        np.testing.assert_allclose(kernel, 0.75)
        assert (bias < 1).all() and not np.allclose(last, 0.75)
        model.optimizer.weight_decay = 0.25  # a new value reaches those that decay, and no other one
        model.fit(x, y, epochs=1, verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], 0.75 * 0.875)


# ---------------------------------------------------------------- names and configs
@pytest.mark.parametrize(("module", "names", "kind"), [
    (regularizers, ("l1", "L1", L1), L1), (regularizers, ("l2", "L2", L2), L2), (regularizers, ("l1_l2", "l1l2"), L1L2),
    (regularizers, ("L1L2",), L1L2), (constraints, ("max_norm", "MaxNorm", MaxNorm), MaxNorm),
    (constraints, ("unit_norm", "UnitNorm"), UnitNorm), (constraints, ("min_max_norm", "MinMaxNorm"), MinMaxNorm),
    (constraints, ("non_neg", "NonNeg"), NonNeg), (regularizers, ("Fourth",), Fourth), (constraints, ("Between",), Between),
])
def test_names_and_configs(module, names, kind):
    for name in names:
        found = module.get(name)
        assert type(found) is kind and module.get(found) is found
        for twin in (module.get(module.serialize(found)), kind.from_config(found.get_config()), copy.deepcopy(found)):
            assert type(twin) is kind and twin.get_config() == found.get_config()
        if found.native:
            assert eval(repr(found)).get_config() == found.get_config()
    assert module.get(None) is None and module.serialize(None) is None
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}


@pytest.mark.parametrize(("make_it", "error", "message"), [
    (lambda: L1(-0.1), ValueError, "L1: l1 must be a finite number of at least 0, got -0.1"),
    (lambda: L2(float("nan")), ValueError, "L2: l2 must be"),
    (lambda: L1L2("x"), TypeError, "L1L2: l1 must be"),
    (lambda: L2(0.1, per_sample=1), TypeError, "L2: per_sample must be True or False, got 1"),
    (lambda: kernels.penalty([1.0], divisor=-1.0), ValueError, "penalty: divisor must be"),
    (lambda: kernels.penalty_gradient(np.ones(3), np.ones(3), divisor="x"), TypeError, "penalty_gradient: divisor must be"),
    (lambda: MaxNorm(-1), ValueError, "MaxNorm: max_value must be"),
    (lambda: MaxNorm(1, axis=[0, 1]), TypeError, "MaxNorm: axis must be an integer"),
    (lambda: UnitNorm(0.5), TypeError, "UnitNorm: axis must be an integer"),
    (lambda: MinMaxNorm(2, 1), ValueError, "MinMaxNorm: min_value must not be larger than max_value, got 2 and 1"),
    (lambda: MinMaxNorm(rate=2), ValueError, "MinMaxNorm: rate must be"),
    (lambda: regularizers.get("l3"), ValueError, "unknown regularizer 'l3': .*Known are: .*'l1'"),
    (lambda: constraints.get("maxnorm"), ValueError, "unknown constraint 'maxnorm': did you mean 'max_norm'"),
    (lambda: Dense(3, kernel_regularizer=lambda w: 0), TypeError, "regularizer must be a name or an object"),
    (lambda: Dense(3, bias_constraint=0.5), TypeError, "constraint must be a name or an object"),
    (lambda: Regularizer()(1), NotImplementedError, r"Regularizer must define __call__\(self, w\)"),
    (lambda: constraints.Constraint()(1), NotImplementedError, r"Constraint must define __call__\(self, w\)"),
    (lambda: kernels.norm_constraint(np.ones((2, 2)), 2.0, 1.0), ValueError, "min_value must not be larger than max_value"),
    (lambda: kernels.norm_constraint(np.ones((2, 2)), axis=2), ValueError, r"axis must be in -2 \.\.\. 1, got 2"),
    (lambda: kernels.norm_constraint(np.array(1.0)), ValueError, "w must have at least one dimension"),
    (lambda: kernels.penalty([1.0], l1=-1.0), ValueError, "penalty: l1 must be"),
    (lambda: kernels.penalty_gradient(np.ones(3), np.ones(2)), ValueError, r"dw has shape \(3,\) but w has shape \(2,\)"),
])
def test_refused(make_it, error, message):
    with pytest.raises(error, match=message):
        make_it()


class Shapeless(Fourth):
    def gradient(self, w):
        return np.zeros(3)


class Missing(Regularizer):
    def __call__(self, w):
        return 0.0


@pytest.mark.parametrize(("dense", "error", "message"), [
    ({"kernel_regularizer": Shapeless()}, ValueError, r"Shapeless.gradient must return an array of shape \(5, 6\), got shape"),
    ({"bias_regularizer": Missing()}, NotImplementedError, r"Missing has no gradient\(self, w\), which training needs"),
])
def test_what_users_get_wrong_is_said_in_training(dense, error, message):
    model = make(**dense)
    model.evaluate(*data(), verbose=0)
    for executor in EXECUTORS:
        model.executor_class = executor
        model._plans.clear()
        with pytest.raises(error, match=message):
            model.fit(*data(), verbose=0)
