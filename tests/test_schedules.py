"""Schedules: Keras's and PyTorch's numbers, their bits and accuracy, and runs that follow them."""

import copy
import hashlib
import math
import pickle

import mpmath
import numpy as np
import pytest
from test_kernels import needs_fma

import nncore as nn
from nncore.optimizers import SGD, Adam, schedules
from nncore.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

MADE = {
    "exponential": ExponentialDecay(0.05, 10, 0.96),
    "exponential, stairs": ExponentialDecay(0.1, 3, 0.96, staircase=True),
    "exponential, far": ExponentialDecay(1.0, 0.5, 1e-3),
    "piecewise": PiecewiseConstantDecay([100, 110, 120], [1.0, 0.1, 0.01, 0.001]),
    "polynomial": PolynomialDecay(0.05, 10, 0.001),
    "polynomial, root": PolynomialDecay(0.05, 10, 0.001, power=0.5, cycle=True),
    "polynomial, cube": PolynomialDecay(0.05, 997, power=3.0),
    "inverse": InverseTimeDecay(0.1, 10, 0.96),
    "inverse, stairs": InverseTimeDecay(0.1, 10, 0.96, staircase=True),
    "cosine": CosineDecay(1.0, 1000, 0.1),
    "cosine, warm": CosineDecay(0.0, 1000, warmup_target=10.0, warmup_steps=2000),
    "restarts": CosineDecayRestarts(1.0, 100, alpha=0.1, m_mul=0.9),
    "restarts, alike": CosineDecayRestarts(1.0, 100, 1.0),
    "restarts, longer": CosineDecayRestarts(1.0, 7, 1.5, 0.7),
    "one cycle": OneCycle(0.5, 1000),
    "one cycle, three": OneCycle(0.5, 1000, three_phase=True, anneal_strategy="linear"),
}
each = pytest.mark.parametrize("name", MADE)


# ---------------------------------------------------------------- the formulas, as Keras's tests have them
def cosine(step, steps, alpha=0.0):
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps)) + alpha


def restarts(step, steps, t_mul=2.0, m_mul=1.0, alpha=0.0):
    height = 1.0
    while step >= steps:
        step, steps, height = step - steps, steps * t_mul, height * m_mul
    return (1 - alpha) * height * 0.5 * (1 + math.cos(math.pi * step / steps)) + alpha


def line(step, steps, first, last):
    return first + (last - first) * step / steps


# keras/src/optimizers/schedules/learning_rate_schedule_test.py: a schedule, steps, and what it says there
KERAS = [
    (ExponentialDecay(0.05, 10, 0.96), [5], lambda s: 0.05 * 0.96**0.5),
    (ExponentialDecay(0.1, 3, 0.96, staircase=True), [1, 2, 100], lambda s: 0.1 * 0.96 ** (s // 3)),
    (PiecewiseConstantDecay([100, 110, 120], [1.0, 0.1, 0.01, 0.001]), [-999, 100, 105, 110, 120, 999],
     {-999: 1.0, 100: 1.0, 105: 0.1, 110: 0.1, 120: 0.01, 999: 0.001}.get),
    (PiecewiseConstantDecay([1, 2, 3], [0.4, 0.5, 0.6, 0.7]), range(5), [0.4, 0.4, 0.5, 0.6, 0.7].__getitem__),
    (PolynomialDecay(0.05, 10, 0.0), [5], lambda s: 0.025),
    (PolynomialDecay(0.05, 10, 0.001), [5, 10, 15], {5: 0.0255, 10: 0.001, 15: 0.001}.get),
    (PolynomialDecay(0.05, 10, 0.001, cycle=True), [15], lambda s: 0.049 * 0.25 + 0.001),
    (PolynomialDecay(0.05, 10, 0.0, power=0.5), [5], lambda s: 0.05 * 0.5**0.5),
    (PolynomialDecay(0.05, 10, 0.001, power=0.5), [5, 10, 15], lambda s: 0.049 * max(0, 1 - s / 10) ** 0.5 + 0.001),
    (PolynomialDecay(0.05, 10, 0.001, power=0.5, cycle=True), [15], lambda s: 0.049 * 0.25**0.5 + 0.001),
    (PolynomialDecay(0.001, 10, cycle=True), [0], lambda s: 0.001),
    (InverseTimeDecay(0.1, 10, 0.96), range(11), lambda s: 0.1 / (1 + s / 10 * 0.96)),
    (InverseTimeDecay(0.1, 10, 0.96, staircase=True), range(11), lambda s: 0.1 / (1 + 0.96 * (s // 10))),
    (CosineDecay(1.0, 1000), range(0, 1500, 250), lambda s: cosine(s, 1000)),
    (CosineDecay(1.0, 1000, 0.1), range(0, 1500, 250), lambda s: cosine(s, 1000, 0.1)),
    (CosineDecay(0.0, 10, warmup_target=10.0, warmup_steps=1500), range(0, 1500, 250), lambda s: line(s, 1500, 0.0, 10.0)),
    (CosineDecay(0.0, 1000, warmup_target=10.0, warmup_steps=2000), range(0, 3000, 250),
     lambda s: line(s, 2000, 0.0, 10.0) if s < 2001 else 10 * cosine(s - 2000, 1000)),
    (CosineDecayRestarts(1.0, 1000), range(0, 1500, 250), lambda s: restarts(s, 1000)),
    (CosineDecayRestarts(1.0, 1000, alpha=0.1), range(0, 1500, 250), lambda s: restarts(s, 1000, alpha=0.1)),
    (CosineDecayRestarts(1.0, 1000, m_mul=0.9), range(0, 1500, 250), lambda s: restarts(s, 1000, m_mul=0.9)),
    (CosineDecayRestarts(1.0, 1000, t_mul=1.0), range(0, 1500, 250), lambda s: restarts(s, 1000, t_mul=1.0)),
    (CosineDecayRestarts(1.0, 10, 1.5, 0.7), range(0, 300, 7), lambda s: restarts(s, 10, 1.5, 0.7)),
]


@pytest.mark.parametrize("number", range(len(KERAS)))
def test_keras_numbers(number):
    schedule, steps, want = KERAS[number]
    for step in steps:
        assert schedule(step) == pytest.approx(want(step), rel=1e-12, abs=1e-15), (schedule, step)


# torch 2.13, OneCycleLR(cycle_momentum=False), the rate of each step
TORCH = [
    (OneCycle(0.5, 10), [0.02, 0.26, 0.5, 0.475242316007, 0.405872826975, 0.305631010968, 0.194370989032, 0.094129173025,
                         0.024759683993, 2e-06]),
    (OneCycle(0.5, 12, 0.25, "linear", 4, 100),
     [0.125, 0.3125, 0.5, 0.444583333333, 0.389166666667, 0.33375, 0.278333333333, 0.222916666667, 0.1675, 0.112083333333,
      0.056666666667, 0.00125]),
    (OneCycle(0.5, 11, three_phase=True),
     [0.02, 0.211170556867, 0.480130712361, 0.398403277308, 0.096187245628, 0.019730475661, 0.016862730137, 0.011737308128,
      0.006040598419, 0.001646957374, 2e-06]),
]


@pytest.mark.parametrize("number", range(len(TORCH)))
def test_torchs_numbers(number):
    schedule, want = TORCH[number]
    np.testing.assert_allclose(schedule.rates(0, len(want)), want, rtol=0, atol=6e-13)
    assert (schedule.rates(len(want), 3) == schedule(len(want) - 1)).all()  # where torch raises


def test_a_cycle_whose_way_up_is_no_step_long():
    """torch divides by zero in the second one."""
    assert OneCycle(0.5, 10, 0.0)(9) == OneCycle(0.5, 10, 0.1)(9) == pytest.approx(0.5 / 25e4)
    assert OneCycle(0.5, 10, 0.1)(0) == 0.5 and OneCycle(0.5, 1)(0) == pytest.approx(0.5 / 25e4)


# ---------------------------------------------------------------- bits and accuracy
@each
def test_one_step_and_many_are_the_same(name):
    schedule = MADE[name]
    rates = schedule.rates(0, 700)
    assert rates.dtype == np.float64 and [schedule(step) for step in range(0, 700, 13)] == list(rates[::13])
    assert np.array_equal(schedule.rates(350, 350), rates[350:]) and len(schedule.rates(5, 0)) == 0


@needs_fma
def test_the_bits_are_those_of_every_machine():
    """Of 20,000 steps of each: a sum that another libm, NumPy or vector width would change."""
    found = hashlib.sha256(b"".join(schedule.rates(0, 20_000).tobytes() for schedule in MADE.values()))
    assert found.hexdigest()[:16] == "97c2356fbb5a4c44"


@pytest.mark.parametrize("steps", [1, 7, 1000, 999_983])
def test_the_cosine_is_exact_to_a_few_units(steps):
    schedule = CosineDecay(1.0, steps)
    tested = sorted({*range(min(steps, 40)), *(steps - n for n in range(1, min(steps, 40))),
                     *np.random.default_rng(1).integers(0, steps, 200).tolist()})
    with mpmath.workprec(200):
        for step in tested:
            want = mpmath.cos(mpmath.pi * step / (2 * mpmath.mpf(steps))) ** 2
            assert abs(schedule(step) - want) <= 8 * 2**-53 * want, step
    assert schedule(0) == 1.0 and schedule(steps) == 0.0


@pytest.mark.parametrize(("base", "power"), [(0.96, 1e4), (1e-3, 7.3), (0.5, 0.5), (0.999999, 123456.7), (3.0, 5.5)])
def test_powers_are_exact_to_a_few_units(base, power):
    with mpmath.workprec(200):
        want = mpmath.mpf(base) ** mpmath.mpf(power)
        found = ExponentialDecay(1.0, 1.0, base)(power)
        assert abs(found - want) <= (2 + 2 * abs(power * math.log(base))) * 2**-53 * want


def test_whole_powers_are_products():
    assert PolynomialDecay(1.0, 10, 0.0, power=3.0)(5) == 0.125 and PolynomialDecay(1.0, 10, 0.0, power=0.0)(10) == 1.0
    assert ExponentialDecay(1.0, 1, 0.5)(64) == 2.0**-64
    assert ExponentialDecay(0.5, 1, 0.0).rates(0, 3).tolist() == [0.5, 0.0, 0.0] and ExponentialDecay(1.0, 1, 0.0)(0.5) == 0


# ---------------------------------------------------------------- in a run
class Halves(LearningRateSchedule):
    """A schedule of somebody's own."""

    def __init__(self, first):
        self.first = first

    def __call__(self, step):
        return self.first * 0.5 ** (step // 3)

    def get_config(self):
        return {"first": self.first}


def data(samples=23):
    rng = np.random.default_rng(3)
    return rng.normal(size=(samples, 4)), rng.normal(size=(samples, 2))


def make(rate, kind=nn.executor.Executor, optimizer=SGD, **more):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(5, "tanh", dtype="float64"), nn.layers.Dense(2, dtype="float64")],
                          seed=2)
    model.compile(optimizer(rate, **more), "mse")
    model.executor_class = kind
    return model


def trained(model, x, y, **keywords):
    model.fit(x, y, 4, 3, 0, **keywords)
    return [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize("executor", [nn.executor.Executor, nn.reference.executor.Executor])
@pytest.mark.parametrize("rate", [CosineDecay(0.5, 11, warmup_target=1.0, warmup_steps=5), Halves(0.4)])
def test_every_step_takes_its_rate(rate, executor):
    """Which is what a callback that sets the rate before each batch does, too."""
    x, y = data()
    scheduled, by_hand = make(rate, executor, momentum=0.5), make(0.0, executor, momentum=0.5)

    def set_rate(batch, logs):
        by_hand.optimizer.learning_rate = rate(by_hand.optimizer.steps)

    hook = nn.callbacks.LambdaCallback(on_train_batch_begin=set_rate)
    for got, want in zip(trained(scheduled, x, y), trained(by_hand, x, y, callbacks=hook), strict=True):
        np.testing.assert_array_equal(got, want)
    assert scheduled.optimizer.steps == 18 and scheduled.optimizer.learning_rate == rate(18)


def test_what_a_run_is_interrupted_by_changes_no_bit(tmp_path):
    """Hooks of batches, train_on_batch, files and copies: the rate goes by the number of steps alone."""
    x, y = data()
    rate = CosineDecayRestarts(0.5, 4, m_mul=0.7)
    want = trained(make(rate, optimizer=Adam, weight_decay=0.1), x, y, shuffle=False)
    seen = []
    model = make(rate, optimizer=Adam, weight_decay=0.1)
    hook = nn.callbacks.LambdaCallback(on_train_batch_begin=lambda *_: seen.append(model.optimizer.learning_rate))
    np.testing.assert_array_equal(trained(model, x, y, shuffle=False, callbacks=hook)[0], want[0])
    assert seen == rate.rates(0, 18).tolist()
    model = make(rate, optimizer=Adam, weight_decay=0.1)
    for epoch in range(3):
        if epoch == 0:
            model.fit(x, y, 4, 1, 0, shuffle=False)
            model.save(tmp_path / "m")
            model = nn.load_model(tmp_path / "m")
        elif epoch == 1:
            for first in range(0, len(x), 4):
                model.train_on_batch(x[first : first + 4], y[first : first + 4])
            model = pickle.loads(pickle.dumps(copy.deepcopy(model)))
        else:
            model.fit(x, y, 4, 1, 0, shuffle=False)
    for got, wanted in zip(model.get_weights(), want, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert repr(model.optimizer.schedule) == repr(rate)


def test_schedules_of_ones_own_are_saved():
    again = schedules.get(schedules.serialize(Halves(0.25)))
    assert type(again) is Halves and again.first == 0.25

    class Unsaved(LearningRateSchedule):
        def __call__(self, step):
            return 0.1

    with pytest.raises(NotImplementedError, match=r"Unsaved must define get_config\(\) to be saved"):
        schedules.serialize(Unsaved())
    model = make(Unsaved())
    model.fit(*data(), verbose=0)  # and needs none to train
    assert model.optimizer.steps == 1


def test_another_schedule_takes_effect():
    x, y = data()
    model = make(PiecewiseConstantDecay([10**6], [0.25, 0.0]))
    model.fit(x, y, 4, 1, 0)
    before = model.get_weights()
    model.optimizer.learning_rate = PiecewiseConstantDecay([0], [1.0, 0.0])
    model.fit(x, y, 4, 1, 0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@each
def test_config_repr_copy_and_pickle(name):
    schedule = MADE[name]
    for again in (schedules.get(schedules.serialize(schedule)), type(schedule).from_config(schedule.get_config()),
                  eval(repr(schedule)), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert type(again) is type(schedule) and again.get_config() == schedule.get_config()
    assert schedules.get(schedule) is schedule
    assert schedule.get_config()["name"] == {"PiecewiseConstantDecay": "PiecewiseConstant", "CosineDecayRestarts": "SGDRDecay"}.get(
        type(schedule).__name__, type(schedule).__name__)  # Keras's


class Bad(LearningRateSchedule):
    def __init__(self, value):
        self.value = value

    def __call__(self, step):
        return 0.1 if step < 4 else self.value


@pytest.mark.parametrize(("make_it", "error", "message"), [
    (lambda: ExponentialDecay(-0.1, 10, 0.9), ValueError, "ExponentialDecay: initial_learning_rate must be"),
    (lambda: ExponentialDecay(0.1, 0, 0.9), ValueError, "ExponentialDecay: decay_steps must be a finite number above 0"),
    (lambda: ExponentialDecay(0.1, 10, -0.9), ValueError, "ExponentialDecay: decay_rate must be"),
    (lambda: ExponentialDecay(0.1, 10, 0.9, 1), TypeError, "ExponentialDecay: staircase must be"),
    (lambda: PiecewiseConstantDecay([1], [0.1]), ValueError, "values must be one more than boundaries, got 1 and 1"),
    (lambda: PiecewiseConstantDecay([2, 1], [0.1] * 3), ValueError, "boundaries must ascend"),
    (lambda: PolynomialDecay(0.1, -1), ValueError, "PolynomialDecay: decay_steps must be"),
    (lambda: PolynomialDecay(0.1, 5, power=-1), ValueError, "PolynomialDecay: power must be"),
    (lambda: InverseTimeDecay(0.1, 0, 1), ValueError, "InverseTimeDecay: decay_steps must be"),
    (lambda: CosineDecay(0.1, 0), ValueError, "CosineDecay: decay_steps must be"),
    (lambda: CosineDecay(0.1, 5, warmup_target="x"), TypeError, "CosineDecay: warmup_target must be"),
    (lambda: CosineDecayRestarts(0.1, 0), ValueError, "CosineDecayRestarts: first_decay_steps must be"),
    (lambda: CosineDecayRestarts(0.1, 5, t_mul=0.5), ValueError, "CosineDecayRestarts: t_mul must be .* at least 1"),
    (lambda: OneCycle(0.1, 0), ValueError, "OneCycle: total_steps must be at least 1"),
    (lambda: OneCycle(0.1, 5, 1.5), ValueError, "OneCycle: pct_start must be"),
    (lambda: PiecewiseConstantDecay(3, [1.0]), TypeError, "boundaries must be a sequence of numbers, got 3"),
    (lambda: PiecewiseConstantDecay([3], 1.0), TypeError, "values must be a sequence of numbers, got 1.0"),
    (lambda: OneCycle(0.1, 5, anneal_strategy="cubic"), ValueError, "OneCycle: anneal_strategy must be 'cos' or 'linear'"),
    (lambda: schedules.get("cosine"), ValueError, "unknown schedule 'cosine'"),
    (lambda: schedules.get(0.1), TypeError, "schedule must be a name or an object"),
    (lambda: LearningRateSchedule()(0), NotImplementedError, r"must define __call__\(self, step\)"),
    (lambda: make(Bad(-0.1)).fit(*data(), 4, verbose=0), ValueError, "Bad: the learning rate of step 4 is -0.1, but"),
    (lambda: make(Bad(math.nan)).fit(*data(), 4, verbose=0), ValueError, "Bad: the learning rate of step 4 is nan, but"),
])
def test_refused(make_it, error, message):
    with pytest.raises(error, match=message):
        make_it()
