"""Optimizers: arguments, and runs on given gradients beside the numbers of Keras, PyTorch and Optax."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest

import nncore as nn
from nncore import kernels, optimizers, reference
from nncore.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lamb,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
    emit,
    schedules,
)
from nncore.program import Program
from nncore.variables import Variable

KINDS = (SGD, Adam, AdamW, Nadam, Adamax, RMSprop, Adagrad, Adadelta, Lion, Ftrl, Lamb)
DTYPES = ("float32", "float64")
EXECUTORS = [nn.executor.Executor, reference.executor.Executor]
each_kind = pytest.mark.parametrize("kind", KINDS)


class Steps:
    """An optimizer on variables whose gradients are given: what `fit` makes a program of, without the net."""

    def __init__(self, optimizer, *values, executor=nn.executor.Executor, dtype="float64", regularizers=(), constraints=(),
                 names=None):
        self.optimizer = optimizer
        self.variables = [Variable(np.array(value, dtype), f"v{n}" if names is None else names[n])
                          for n, value in enumerate(values)]
        for variable, regularizer in zip(self.variables, regularizers, strict=False):
            variable.regularizer = regularizer
        for variable, constraint in zip(self.variables, constraints, strict=False):
            variable.constraint = constraint
        program = Program(np.dtype(dtype), training=True)
        self.x = program.rows(1, role="input")
        powers = Variable(np.ones(optimizer.powers), "powers") if optimizer.powers else None
        shared = emit.emit_step(program, optimizer, powers)
        self.gradients = [np.zeros(variable.shape, dtype) for variable in self.variables]
        given = [program.like(program.parameter(variable)) for variable in self.variables]
        for array, buffer in zip(self.gradients, given, strict=True):  # where a net's gradients would be made
            program.emit("accumulate_gradient", (buffer, program.constant(array)), (), steps=1, step=0)
        self.slots = {id(v): {name: Variable(np.full(v.shape, optimizer.slot_value(name), dtype), f"{v.name}/{name}")
                              for name in optimizer.slots} for v in self.variables}
        gradients = dict(zip(map(program.parameter, self.variables), given, strict=True))
        emit.emit_updates(program, optimizer, gradients, self.slots, self.variables, shared)
        program.optimize()
        self.executor, self.dtype = executor(program, 1), dtype

    def __call__(self, *gradients):
        for array, gradient in zip(self.gradients, gradients, strict=True):
            array[...] = gradient
        self.executor.bind({self.x: np.zeros((1, 1), self.dtype)})(
            1, attributes=self.optimizer.attributes(), step=self.optimizer.steps)
        self.optimizer.steps += 1
        return self.values

    @property
    def values(self):
        return [variable.numpy() for variable in self.variables]

    def slot(self, name, number=0):
        return self.slots[id(self.variables[number])][name].numpy()


# ---------------------------------------------------------------- Keras's numbers
# keras/src/optimizers/*_test.py, test_correctness_with_golden: ten variables of 1, the gradient 0.01 first and then
# 0.1, 0.2 ... 1; the values after each of five steps, with four decimals.
FLAT = np.ones((1, 10))
GOLDEN = {
    "sgd": (lambda: SGD(nesterov=True), [
        [0.9999] * 10,
        [0.9989, 0.9979, 0.9969, 0.9959, 0.9949, 0.9939, 0.9929, 0.9919, 0.9909, 0.9899],
        [0.9979, 0.9959, 0.9939, 0.9919, 0.9899, 0.9879, 0.9859, 0.9839, 0.9819, 0.9799],
        [0.9969, 0.9939, 0.9909, 0.9879, 0.9849, 0.9819, 0.9789, 0.9759, 0.9729, 0.9699],
        [0.9959, 0.9919, 0.9879, 0.9839, 0.9799, 0.9759, 0.9719, 0.9679, 0.9639, 0.9599]]),
    "adam": (lambda: Adam(amsgrad=True), FLAT * [[0.999], [0.9982], [0.9974], [0.9965], [0.9955]]),
    "adamw": (lambda: AdamW(learning_rate=1.0, weight_decay=0.5, epsilon=2), [
        [0.4998] * 10,
        [0.2486, 0.2475, 0.2463, 0.2451, 0.244, 0.2428, 0.2417, 0.2405, 0.2394, 0.2382],
        [0.1223, 0.1198, 0.1174, 0.1149, 0.1124, 0.11, 0.1075, 0.1051, 0.1027, 0.1003],
        [0.0586, 0.0549, 0.0512, 0.0475, 0.0439, 0.0402, 0.0366, 0.033, 0.0294, 0.0258],
        [0.0263, 0.0215, 0.0167, 0.012, 0.0073, 0.0026, -0.0021, -0.0067, -0.0113, -0.0159]]),
    "nadam": (lambda: Nadam(0.5, 0.5, 0.67, 1e-5), [
        [0.4281] * 10,
        [-0.1738, -0.1731, -0.1726, -0.1723, -0.1721, -0.172, -0.1719, -0.1718, -0.1718, -0.1717],
        [-0.7115, -0.7103, -0.7096, -0.7092, -0.709, -0.7088, -0.7086, -0.7085, -0.7085, -0.7084],
        [-1.2335, -1.2322, -1.2313, -1.2309, -1.2306, -1.2304, -1.2302, -1.2301, -1.23, -1.2299],
        [-1.7492, -1.7478, -1.7469, -1.7464, -1.7461, -1.7459, -1.7457, -1.7456, -1.7455, -1.7454]]),
    "adamax": (lambda: Adamax(0.2, 0.85, 0.95, 1e-6), [
        [0.8] * 10,
        [0.6827, 0.6873, 0.6888, 0.6896, 0.6901, 0.6904, 0.6906, 0.6908, 0.6909, 0.691],
        [0.5333, 0.5407, 0.5431, 0.5444, 0.5451, 0.5456, 0.546, 0.5462, 0.5464, 0.5466],
        [0.368, 0.3773, 0.3804, 0.382, 0.3829, 0.3835, 0.384, 0.3843, 0.3846, 0.3848],
        [0.1933, 0.204, 0.2076, 0.2094, 0.2105, 0.2112, 0.2117, 0.2121, 0.2124, 0.2126]]),
    "rmsprop": (lambda: RMSprop(centered=True), FLAT * [[0.9967], [0.9933], [0.9908], [0.9885], [0.9864]]),
    "adagrad": (lambda: Adagrad(0.2, 0.3, 1e-6), [
        [0.9963] * 10,
        [0.9604, 0.9278, 0.9003, 0.8784, 0.8615, 0.8487, 0.8388, 0.8313, 0.8255, 0.8209],
        [0.9251, 0.8629, 0.8137, 0.7768, 0.7497, 0.7298, 0.7151, 0.704, 0.6956, 0.6891],
        [0.8903, 0.8012, 0.7342, 0.6862, 0.6521, 0.6277, 0.6099, 0.5967, 0.5867, 0.579],
        [0.856, 0.7422, 0.6604, 0.6037, 0.5644, 0.5367, 0.5168, 0.5021, 0.491, 0.4825]]),
    "adadelta": (lambda: Adadelta(1.0, 0.8, 1e-6), FLAT * [[0.9978], [0.9947], [0.9915], [0.9882], [0.9849]]),
    "lion": (lambda: Lion(), FLAT * [[0.999], [0.998], [0.997], [0.996], [0.995]]),
    "ftrl": (lambda: Ftrl(0.05, -0.2, 0.4, 0.05, 0.15, 0.01, 0.3), [
        [0.0] * 10,
        [-0.0034, -0.0077, -0.0118, -0.0157, -0.0194, -0.023, -0.0263, -0.0294, -0.0325, -0.0354],
        [-0.0078, -0.0162, -0.0242, -0.0317, -0.0387, -0.0454, -0.0516, -0.0575, -0.0631, -0.0685],
        [-0.0121, -0.0246, -0.0363, -0.0472, -0.0573, -0.0668, -0.0757, -0.0842, -0.0922, -0.0999],
        [-0.0164, -0.0328, -0.0481, -0.0623, -0.0753, -0.0875, -0.099, -0.1098, -0.1201, -0.1299]]),
    "lamb": (lambda: Lamb(), FLAT * [[0.999], [0.9982], [0.9974], [0.9965], [0.9955]]),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GOLDEN)
def test_keras_golden_traces(name, dtype, executor):
    make, want = GOLDEN[name]
    run = Steps(make(), np.ones(10), dtype=dtype, executor=executor)
    for step, values in enumerate(want):
        (got,) = run(np.full(10, 0.01) if step == 0 else np.arange(1, 11) / 10)
        # Keras compares with 5e-4, and gives the same number for all ten where they differ by less.
        close = 5e-4 if name in ("rmsprop", "adadelta", "adam", "lamb") else 0.0
        np.testing.assert_allclose(got, values, rtol=close, atol=close or 6e-5, err_msg=f"step {step + 1}")


# keras/src/optimizers/*_test.py, test_single_step: variables 1, 2, 3, 4 and gradients 1, 6, 7, 2, a rate of 0.5.
SINGLE = {
    SGD: [0.5, -1.0, -0.5, 3.0], Adam: [0.5, 1.5, 2.5, 3.5], AdamW: [0.4980, 1.4960, 2.494, 3.492],
    Nadam: [0.4686, 1.4686, 2.4686, 3.4686], Adamax: [0.5, 1.5, 2.5, 3.5], RMSprop: [-0.5811, 0.4189, 1.4189, 2.4189],
    Adagrad: [0.5233, 1.5007, 2.5005, 3.5061], Adadelta: [0.9993, 1.9993, 2.9993, 3.9993], Lion: [0.5, 1.5, 2.5, 3.5],
    Ftrl: [0.2218, 1.3954, 2.3651, 2.8814], Lamb: [-0.3693, 0.6306, 1.6306, 2.6306],
}


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_keras_single_steps(kind, dtype):
    (got,) = Steps(kind(learning_rate=0.5), [1.0, 2.0, 3.0, 4.0], dtype=dtype)([1.0, 6.0, 7.0, 2.0])
    np.testing.assert_allclose(got, SINGLE[kind], rtol=0, atol=1e-4)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Ftrl])
def test_keras_weight_decay(kind, executor):
    """The same tests' test_weight_decay: three steps without a gradient take 2 to 1.9760959, where it may decay."""
    optimizer = kind(learning_rate=1.0, weight_decay=0.004)
    optimizer.exclude_from_weight_decay(var_names=["exclu.e"])
    run = Steps(optimizer, [2.0], [2.0], executor=executor, names=["var1", "exclude"])
    for _ in range(3):
        one, two = run(0.0, 0.0)
    assert one[0] == pytest.approx(1.9760959, abs=1e-6) and two[0] == 2.0
    optimizer = kind(learning_rate=1.0, weight_decay=0.004)
    plain = Steps(kind(), [2.0]).variables[0]
    optimizer.exclude_from_weight_decay(var_list=[plain])
    assert not optimizer.decays(plain) and optimizer.decays(run.variables[0])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_keras_moving_average(executor):
    """optimizer_test.py, test_ema."""
    run = Steps(SGD(1.0, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3), [[3.0, 4.0], [5.0, 6.0]],
                executor=executor)
    for values, average in (([[2.0, 3.0], [4.0, 5.0]],) * 2, ([[1.0, 2.0], [3.0, 4.0]], [[1.9, 2.9], [3.9, 4.9]]),
                            ([[1.71, 2.71], [3.71, 4.71]],) * 2):
        (got,) = run(np.ones((2, 2)))
        np.testing.assert_allclose(got, values, rtol=1e-12)
        np.testing.assert_allclose(run.slot("average"), average, rtol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_keras_moving_average_with_fit(executor):
    """optimizer_test.py, test_ema_with_model_fit: the weights become the average when fit ends."""
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(2, kernel_initializer="ones", use_bias=False)])
    model.executor_class = executor
    model.compile(SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    model.fit(np.ones((1, 1)), np.zeros((1, 2)), batch_size=1, epochs=2, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [[0.891, 0.891]], atol=1e-6)
    np.testing.assert_allclose(model._slots[0].numpy(), [[0.891, 0.891]], atol=1e-6)


def test_keras_moving_average_that_returns():
    """adam_test.py, test_ema_overwrite_frequency."""
    run = Steps(Adam(1.0, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2), [1.0, 2.0])
    plain = Steps(Adam(1.0), [1.0, 2.0])
    (one,), (other,) = run([0.1, 0.2]), plain([0.1, 0.2])
    np.testing.assert_allclose(one, other, rtol=1e-14)
    (two,), (last,) = run([0.1, 0.2]), plain([0.1, 0.2])
    np.testing.assert_allclose(two, 0.9 * one + 0.1 * last, rtol=1e-12)
    np.testing.assert_array_equal(run.slot("average"), two)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_keras_accumulation(executor):
    """optimizer_test.py, test_gradient_accumulation."""
    start = np.array([[1.0, 2.0], [3.0, 4.0]])
    optimizer = SGD(1.0, gradient_accumulation_steps=3)
    run = Steps(optimizer, start, executor=executor)
    for iterations, moved in ((0, 0), (0, 0), (1, 1), (1, 1)):
        (got,) = run(np.ones((2, 2)))
        np.testing.assert_array_equal(got, start - moved)
        assert optimizer.iterations == iterations
    assert optimizer.steps == 4 and (run.slot("gradient_accumulator") == 1).all()


@pytest.mark.parametrize("executor", EXECUTORS)
@each_kind
def test_keras_accumulation_is_a_step_with_the_mean(kind, executor):
    """optimizer_test.py, test_gradient_accumulation_with_weigth_decay; and clipping, which sees the mean."""
    rng = np.random.default_rng(3)
    for more in ({}, {"clipnorm": 0.4}, {"global_clipnorm": 0.4}, {"clipvalue": 0.4}):
        one = Steps(kind(weight_decay=0.05, **more), [[0.9], [0.5]], executor=executor)
        three = Steps(kind(weight_decay=0.05, gradient_accumulation_steps=3, **more), [[0.9], [0.5]], executor=executor)
        for _ in range(8):
            gradients = rng.random((3, 2, 1))
            one(gradients.mean(axis=0))
            for gradient in gradients:
                three(gradient)
        np.testing.assert_allclose(three.values[0], one.values[0], rtol=1e-12)
        assert three.optimizer.iterations == one.optimizer.iterations == 8


def test_an_average_beside_accumulation_is_kerass():
    """base_optimizer.py, _backend_apply_gradients: it follows with each step, and is the weight in the first group."""
    steps, momentum, overwrite = 2, 0.5, 2
    run = Steps(SGD(1.0, gradient_accumulation_steps=steps, use_ema=True, ema_momentum=momentum,
                    ema_overwrite_frequency=overwrite), [8.0])
    w, average, mean = 8.0, 0.0, 0.0
    for step in range(9):
        gradient = float(step % 3)
        mean += gradient
        iterations = step // steps
        if (step + 1) % steps == 0:
            w, mean = w - mean / steps, 0.0
        kept = momentum if iterations else 0.0
        average = kept * average + (1 - kept) * w
        if (iterations + 1) % overwrite == 0:
            w = average
        assert run([gradient])[0] == w and run.slot("average") == average, step


# optimizer_test.py and the others' test_clip_norm, test_clip_value, test_global_clip_norm
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("more", "gradient", "want"), [
    ({"clipnorm": 1}, [100.0, 100.0], [2**0.5 / 2] * 2),
    ({"clipvalue": 1}, [100.0, -100.0], [1.0, -1.0]),
    ({"global_clipnorm": 1}, [50.0, 100.0], np.array([50.0, 100.0]) / np.linalg.norm([50.0, 100.0])),
])
def test_keras_clipping(more, gradient, want, executor):
    (got,) = Steps(SGD(1.0, **more), [0.0, 0.0], executor=executor)(gradient)
    np.testing.assert_allclose(-got, want, rtol=1e-12)


def test_keras_run_with_a_schedule():
    """learning_rate_schedule_test.py, test_fit_lr_correctness: the losses of three epochs."""
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(2, kernel_initializer="ones", bias_initializer="ones")])
    model.compile(Adam(schedules.ExponentialDecay(0.05, decay_steps=1, decay_rate=0.9)), "mse")
    x = np.arange(32).reshape(16, 2)
    history = model.fit(x, x, epochs=3, batch_size=4, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 12
    np.testing.assert_allclose(history.history["loss"], [230.79457092285156, 128.30319213867188, 79.33648681640625],
                               rtol=5e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_keras_constraint(executor):
    """optimizer_test.py, test_constraints_are_applied."""
    run = Steps(SGD(0.0001), np.random.default_rng(1).random((2, 2)) - 1, constraints=[nn.constraints.NonNeg()],
                executor=executor)
    assert (run(np.zeros((2, 2)))[0] == 0).all()


# ---------------------------------------------------------------- the numbers of PyTorch and Optax
START = [1.0, -0.5, 2.0]
GRADIENTS = [[0.1, -0.7, 0.02], [0.3, 0.4, -0.05], [-0.2, 0.9, 0.0], [0.5, -0.1, 0.3]]
# After four steps in float64: of torch 2.13 (eps=1e-30, as it stands elsewhere there; NAdam: momentum_decay=1), and of
# optax 0.2.8 (lion, lamb).
PEERS = {
    "SGD(0.1, 0.9)": [0.87231, -0.52867, 1.976672],
    "SGD(0.1, 0.9, True)": [0.815079, -0.575803, 1.9520048],
    "Adam(0.1, 0.8, 0.95, 1e-30)": [0.7250063409, -0.45853072, 1.9254853094],
    "Adam(0.1, 0.8, 0.95, 1e-30, True)": [0.7250063409, -0.4578993283, 1.9245739131],
    "AdamW(0.1, 0.3, 0.8, 0.95, 1e-30)": [0.6251440347, -0.4094845478, 1.7008190086],
    "Nadam(0.1, 0.8, 0.95, 1e-30)": [0.7265785925, -0.5224224268, 1.8732243472],
    "Adamax(0.1, 0.8, 0.95, 1e-30)": [0.7751620132, -0.4422955333, 1.9298280376],
    "RMSprop(0.1, 0.8, epsilon=1e-60)": [0.5016522631, -0.5544283433, 1.7655332492],
    "RMSprop(0.1, 0.8, 0.7, 1e-60, True)": [-0.1815928831, -0.4302733408, 1.6051574761],
    "Adagrad(0.1, 0.2, 1e-60)": [0.8926112168, -0.5212313094, 1.9512003526],
    "Adadelta(1.0, 0.8, 1e-6)": [0.9932470617, -0.5018169395, 1.9968837551],
    "Lion(0.1, 0.8, 0.95)": [0.8, -0.7, 2.0],
    "Lion(0.1, 0.8, 0.95, 0.3)": [0.69693551, -0.642469105, 1.77040832],
    "Lamb(0.1, 0.8, 0.95, 1e-30)": [0.4644458748, -0.5645082015, 1.9417369887],
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("call", PEERS)
def test_peers_runs(call, executor):
    run = Steps(eval(call), START, executor=executor)
    for gradient in GRADIENTS:
        (got,) = run(gradient)
    # torch keeps Nadam's product of betas in float32
    np.testing.assert_allclose(got, PEERS[call], rtol=0, atol=5e-9 if "Nadam" in call else 2e-10)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("more", "want"), [  # torch.nn.utils.clip_grad_norm_ of both, of each (it adds 1e-6), clip_grad_value_
    ({"global_clipnorm": 0.5}, [0.9624659236, -0.5184170759, 1.9889241233, 0.1749318473]),
    ({"clipnorm": 0.5}, [0.9316695824, -0.5306815626, 1.978206945, 0.1700001333]),
    ({"clipvalue": 0.25}, [0.96, -0.515, 1.978, 0.205]),
])
def test_peers_clipping(more, want, executor):
    run = Steps(SGD(0.1, **more), START, [0.25], executor=executor)
    for gradient in GRADIENTS:
        got = run(gradient, [2 * gradient[0]])
    np.testing.assert_allclose(np.concatenate(got), want, rtol=0, atol=1e-6)


# ---------------------------------------------------------------- what is ours
def test_a_variance_that_rounding_makes_negative_counts_as_zero():
    """A gradient that stays the same has none; Keras takes the root of what rounding leaves of it."""
    for executor in EXECUTORS:
        run = Steps(RMSprop(0.1, centered=True), np.zeros(50), executor=executor, dtype="float32")
        for _ in range(300):
            (got,) = run(np.linspace(100, 200, 50))
        assert np.isfinite(got).all()


def test_ftrl_without_a_learning_rate_changes_nothing():
    for executor in EXECUTORS:
        run = Steps(Ftrl(schedules.PiecewiseConstantDecay([0], [0.1, 0.0])), [1.0, 2.0], executor=executor)
        (one,) = run([1.0, -1.0])
        (two,) = run([1.0, -1.0])
        assert (one == two).all() and (one != [1.0, 2.0]).all()


@pytest.mark.parametrize("l1", [0.05, 1000.0])
def test_ftrl_makes_weights_zero(l1):
    run = Steps(Ftrl(0.1, l1_regularization_strength=l1), np.ones(20))
    noise, rng = np.arange(20) < 10, np.random.default_rng(1)
    for _ in range(50):
        gradient = np.where(noise, 0.001 * rng.normal(size=20), run.values[0] - 1)
        (got,) = run(gradient)
    assert (got[noise] == 0).all() and (got[~noise] == 0).all() == (l1 == 1000)


@each_kind
def test_a_dead_weight_keeps_no_subnormal_state(kind):
    optimizer = kind(0.01, momentum=0.5) if kind in (SGD, RMSprop) else kind(0.01)
    run = Steps(optimizer, np.ones(3), dtype="float32")
    run(np.array([1e-18, -1e-20, 1.0]))
    for _ in range(40):
        run(np.zeros(3))
    tiny = np.finfo(np.float32).tiny
    for name in optimizer.slots:
        slot = np.abs(run.slot(name))
        assert ((slot == 0) | (slot >= tiny)).all(), name


# ---------------------------------------------------------------- arguments
def test_defaults_are_keras():
    shared = {"clipnorm": None, "clipvalue": None, "global_clipnorm": None, "use_ema": False, "ema_momentum": 0.99,
              "ema_overwrite_frequency": None, "gradient_accumulation_steps": None}
    adam = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "weight_decay": None}
    want = {
        SGD: {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "weight_decay": None},
        Adam: {**adam, "amsgrad": False}, AdamW: {**adam, "amsgrad": False, "weight_decay": 0.004}, Nadam: adam, Adamax: adam,
        Lamb: adam,
        RMSprop: {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False, "weight_decay": None},
        Adagrad: {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7, "weight_decay": None},
        Adadelta: {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7, "weight_decay": None},
        Lion: {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99, "weight_decay": None},
        Ftrl: {"learning_rate": 0.001, "learning_rate_power": -0.5, "initial_accumulator_value": 0.1,
               "l1_regularization_strength": 0.0, "l2_regularization_strength": 0.0,
               "l2_shrinkage_regularization_strength": 0.0, "beta": 0.0, "weight_decay": None},
    }
    for kind in KINDS:
        assert kind().get_config() == {**want[kind], **shared, "name": kind.__name__.lower()}, kind
    assert AdamW(0.1, 0.2).weight_decay == 0.2 and Adam(0.1, 0.2).beta_1 == 0.2  # Keras's orders


OTHERS = {
    SGD: {"momentum": 0.5, "nesterov": True}, Adam: {"beta_1": 0.25, "beta_2": 0.5, "epsilon": 0.125, "amsgrad": True},
    AdamW: {"beta_1": 0.25, "beta_2": 0.5, "epsilon": 0.125, "amsgrad": True}, Nadam: {"beta_1": 0.25, "beta_2": 0.5, "epsilon": 0.125},
    Adamax: {"beta_1": 0.25, "beta_2": 0.5, "epsilon": 0.125}, Lamb: {"beta_1": 0.25, "beta_2": 0.5, "epsilon": 0.125},
    RMSprop: {"rho": 0.25, "momentum": 0.5, "epsilon": 0.125, "centered": True},
    Adagrad: {"initial_accumulator_value": 0.25, "epsilon": 0.125}, Adadelta: {"rho": 0.25, "epsilon": 0.125},
    Lion: {"beta_1": 0.25, "beta_2": 0.5},
    Ftrl: {"learning_rate_power": -0.25, "initial_accumulator_value": 0.5, "l1_regularization_strength": 0.25,
           "l2_regularization_strength": 0.125, "l2_shrinkage_regularization_strength": 0.5, "beta": 2.0},
}
SHARED = {"weight_decay": 0.5, "clipvalue": 3.0, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3,
          "gradient_accumulation_steps": 2, "name": "mine"}


@each_kind
@pytest.mark.parametrize("rate", [0.25, schedules.CosineDecay(0.5, 10, warmup_target=1.0, warmup_steps=2)])
def test_config_repr_copy_and_pickle(kind, rate):
    made = kind(learning_rate=rate, **OTHERS[kind], **SHARED)
    for again in (optimizers.get(optimizers.serialize(made)), kind.from_config(made.get_config()), copy.deepcopy(made),
                  pickle.loads(pickle.dumps(made)), eval(repr(made), vars(schedules) | {kind.__name__: kind})):
        assert type(again) is kind and again is not made and again.get_config() == made.get_config()
        assert again.learning_rate == made.learning_rate
    config = made.get_config()
    assert all(config[name] == value for name, value in {**OTHERS[kind], **SHARED}.items())
    assert config["learning_rate"] == (0.25 if rate == 0.25 else schedules.serialize(rate))


def test_repr_leaves_defaults_out():
    assert repr(SGD()) == "SGD(learning_rate=0.01)"
    assert repr(Adam(0.5, amsgrad=True, clipnorm=2)) == "Adam(learning_rate=0.5, amsgrad=True, clipnorm=2.0)"


@each_kind
def test_names_signature_and_docs(kind):
    name = kind.__name__
    for identifier in (name, name.lower(), kind):
        assert type(optimizers.get(identifier)) is kind
    parameters = inspect.signature(kind).parameters
    assert {*OTHERS[kind], *SHARED, "learning_rate", "clipnorm", "global_clipnorm"} == set(parameters)
    for parameter in parameters:
        assert parameter in kind.__doc__, parameter
    assert "{shared}" not in kind.__doc__


@each_kind
def test_hyperparameters_are_the_kernels(kind):
    """What an optimizer says of itself is what the kernel of that name takes, so that its twin can be called with it."""
    optimizer = kind(0.5, **OTHERS[kind])
    scalars = optimizer.hyperparameters()
    parameters = inspect.signature(getattr(kernels, optimizer.kernel)).parameters
    assert set(scalars) <= set(parameters)
    left = [name for name in parameters if name not in scalars]
    assert left[:2] == ["w", "dw"] and len(left) == 2 + len(optimizer.state) + sum(
        name in parameters for name in ("beta_1_power", "beta_2_power", "momentum_product", "decay_power", "l2", "scale")
        if name not in scalars)


def test_the_learning_rate_can_be_set():
    sgd = SGD(0.5)
    sgd.learning_rate = np.float32(0.25)
    assert sgd.hyperparameters()["learning_rate"] == 0.25 and type(sgd.learning_rate) is float
    with pytest.raises(ValueError, match="SGD: learning_rate must be a finite number of at least 0, got -1"):
        sgd.learning_rate = -1
    assert sgd.learning_rate == 0.25
    sgd.learning_rate = schedules.InverseTimeDecay(0.5, 1, 1.0)
    sgd.steps = 3
    assert sgd.learning_rate == 0.125
    with pytest.raises(TypeError, match="SGD: the learning rate follows InverseTimeDecay.* and cannot be set"):
        sgd.learning_rate = 0.1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(momentum=1.5), ValueError, r"SGD: momentum must be a number in 0 \.\.\. 1, got 1.5"),
        (lambda: SGD(momentum=-0.5), ValueError, "SGD: momentum must be"),
        (lambda: SGD(learning_rate=-0.5), ValueError, "SGD: learning_rate must be"),
        (lambda: SGD(learning_rate=math.nan), ValueError, "SGD: learning_rate must be"),
        (lambda: SGD(learning_rate="fast"), TypeError, "SGD: learning_rate must be"),
        (lambda: SGD(learning_rate=lambda: 0.1), TypeError, "learning_rate must be a number or a LearningRateSchedule"),
        (lambda: SGD(0.1, 0.9, nesterov=1), TypeError, "SGD: nesterov must be True or False"),
        (lambda: SGD(weight_decay=-0.5), ValueError, "SGD: weight_decay must be"),
        (lambda: SGD(decay=0.1), TypeError, "unexpected keyword argument 'decay'"),
        (lambda: optimizers.get("sdg"), ValueError, "unknown optimizer 'sdg': did you mean 'sgd'?"),
        (lambda: optimizers.get("rms"), ValueError, "unknown optimizer 'rms': .*Known are: 'adadelta', 'adagrad', 'adam'"),
        (lambda: SGD(global_clipnorm=0), ValueError, "SGD: global_clipnorm must be .* above 0, got 0"),
        (lambda: SGD(clipnorm=-1), ValueError, "SGD: clipnorm must be a finite number of at least 0, got -1"),
        (lambda: SGD(clipvalue=math.inf), ValueError, "SGD: clipvalue must be"),
        # Keras's message has the same words
        (lambda: SGD(clipnorm=0.1, global_clipnorm=0.1), ValueError,
         r"only one of clipnorm, clipvalue and global_clipnorm can be set, got clipnorm=0.1 and global_clipnorm=0.1"),
        (lambda: SGD(use_ema=1), TypeError, "SGD: use_ema must be True or False"),
        (lambda: SGD(use_ema=True, ema_momentum=1.5), ValueError, r"SGD: ema_momentum must be a number in 0 \.\.\. 1"),
        (lambda: SGD(ema_overwrite_frequency=0), ValueError, "SGD: ema_overwrite_frequency must be at least 1, got 0"),
        (lambda: SGD(gradient_accumulation_steps=1), ValueError, "SGD: gradient_accumulation_steps must be at least 2"),
        (lambda: SGD(gradient_accumulation_steps=2.5), TypeError, "SGD: gradient_accumulation_steps must be an integer"),
        (lambda: SGD(name=3), TypeError, "SGD: name must be a string"),
        (lambda: Adam(-1), ValueError, "Adam: learning_rate must be"),
        (lambda: Adam(beta_1=1.0), ValueError, "Adam: beta_1 must be at least 0 and less than 1"),
        (lambda: Adam(beta_2=-0.1), ValueError, "Adam: beta_2 must be at least 0 and less than 1"),
        (lambda: Adam(beta_2="x"), TypeError, "Adam: beta_2 must be a finite number"),
        (lambda: Adam(epsilon=0), ValueError, "Adam: epsilon must be a finite number above 0"),
        (lambda: Adam(epsilon=math.inf), ValueError, "Adam: epsilon must be"),
        (lambda: Adam(amsgrad=1), TypeError, "Adam: amsgrad must be True or False"),
        (lambda: Adam(weight_decay=-1), ValueError, "Adam: weight_decay must be"),
        (lambda: Adam(global_clipnorm=math.nan), ValueError, "Adam: global_clipnorm must be"),
        (lambda: AdamW(weight_decay=None), TypeError, "AdamW: weight_decay must be"),
        (lambda: AdamW(epsilon=-1), ValueError, "AdamW: epsilon must be"),
        (lambda: Nadam(beta_1=1.0), ValueError, "Nadam: beta_1 must be"),
        (lambda: Adamax(beta_2=1.0), ValueError, "Adamax: beta_2 must be"),
        (lambda: RMSprop(rho=1.0), ValueError, "RMSprop: rho must be"),
        (lambda: RMSprop(momentum=2), ValueError, "RMSprop: momentum must be"),
        (lambda: RMSprop(centered="yes"), TypeError, "RMSprop: centered must be"),
        (lambda: Adagrad(initial_accumulator_value=-0.1), ValueError, "Adagrad: initial_accumulator_value must be"),
        (lambda: Adadelta(rho=-0.1), ValueError, "Adadelta: rho must be"),
        # keras/src/optimizers/lion_test.py and ftrl_test.py refuse the same
        (lambda: Lion(beta_1=-0.1), ValueError, r"Lion: beta_1 must be a number in 0 \.\.\. 1, got -0.1"),
        (lambda: Lion(beta_1=0.0), ValueError, "Lion: beta_1 must be more than 0"),
        (lambda: Lion(beta_1=1.1), ValueError, r"Lion: beta_1 must be a number in 0 \.\.\. 1, got 1.1"),
        (lambda: Ftrl(initial_accumulator_value=-0.1), ValueError, "Ftrl: initial_accumulator_value must be"),
        (lambda: Ftrl(learning_rate_power=0.1), ValueError, "Ftrl: learning_rate_power must be"),
        (lambda: Ftrl(l1_regularization_strength=-0.1), ValueError, "Ftrl: l1_regularization_strength must be"),
        (lambda: Ftrl(l2_regularization_strength=-0.1), ValueError, "Ftrl: l2_regularization_strength must be"),
        (lambda: Ftrl(l2_shrinkage_regularization_strength=-0.1), ValueError, "Ftrl: l2_shrinkage_regular.* must be"),
        (lambda: Lamb(epsilon=0), ValueError, "Lamb: epsilon must be"),
        (lambda: optimizers.get(0.1), TypeError, "optimizer must be a name or an object"),
        (lambda: SGD().exclude_from_weight_decay(var_names="bias"), TypeError, "var_names must be a list of strings"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name, value", [("beta_1", 2.0), ("epsilon", -1.0), ("weight_decay", -5.0), ("beta_2", "x"),
                                         ("clipnorm", -1.0), ("ema_momentum", 3)])
def test_attributes_are_checked_before_training(name, value):
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)], seed=1)
    model.compile(Adam(), "mse")
    setattr(model.optimizer, name, value)
    before = model.get_weights()
    with pytest.raises((TypeError, ValueError), match=f"Adam: {name}"):
        model.fit([[1.0]], [[1.0]], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_an_optimizer_of_ones_own():
    """A subclass that names another kernel's slots and scalars runs like ours."""

    class Plain(Optimizer):
        """Gradient descent.

        Parameters
        ----------
        {shared}
        """

        kernel = "sgd_update"
        state = ("velocity",)
        scalars = {"momentum": "inertia"}

        def __init__(self, learning_rate=0.5, inertia=0.5, **shared):
            super().__init__(learning_rate, **shared)
            self.inertia = inertia

    (got,) = Steps(Plain(clipvalue=1.0), [1.0])([4.0])
    assert got == 0.5 and "clipvalue : float" in Plain.__doc__
    assert repr(Plain(inertia=0.25)) == "Plain(learning_rate=0.5, inertia=0.25)"
