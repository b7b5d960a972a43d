"""Learning rates that follow the number of the step, with Keras 3's names and meanings.

The rates of an epoch's steps are computed before it, in float64, and have the same bits on every machine: products,
sums, quotients, the core's own exp and log, and a polynomial for the cosine.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncore import _checks, _names
from nncore._core import core

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "get",
    "serialize",
]

Floats = NDArray[np.float64]


class LearningRateSchedule:
    """Base of the schedules, also of those that you write.

    A schedule of your own defines ``__call__(self, step)`` and, for models that are saved, `get_config`; `load_model`
    finds it by its class's name once the class is defined.

    Examples
    --------
    >>> import nncore as nn
    >>> class Halves(nn.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** (step // 10)
    >>> optimizer = nn.optimizers.SGD(Halves())
    >>> optimizer.learning_rate
    1.0
    """

    kinds: ClassVar[dict[str, type[LearningRateSchedule]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        _names.register(LearningRateSchedule.kinds, cls)

    def __call__(self, step: float) -> float:
        """Return the learning rate of a step; the first one is number 0."""
        if type(self)._rates is LearningRateSchedule._rates:
            raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step)")
        return float(self._rates(np.array([step], np.float64))[0])

    def _rates(self, steps: Floats) -> Floats:
        """Return the learning rates of steps."""
        return np.array([self(int(step)) for step in steps], np.float64)

    def rates(self, first_step: int, n: int) -> Floats:
        """Return the learning rates of `n` steps.

        Parameters
        ----------
        first_step : int
            The number of the first one.
        n : int
            How many.

        Raises
        ------
        ValueError
            When a rate is negative or not finite.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.5, 0.25, 0.125]).rates(0, 4)
        array([0.5  , 0.5  , 0.25 , 0.125])
        """
        found = self._rates(np.arange(first_step, first_step + n, dtype=np.float64))
        good = np.isfinite(found) & (found >= 0)
        if not good.all():
            bad = int(good.argmin())
            raise ValueError(f"{type(self).__name__}: the learning rate of step {first_step + bad} is {found[bad]}, "
                             "but must be finite and not negative")
        return found

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal schedule."""
        if type(self).__module__ != __name__:
            raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Return the schedule that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal schedule."""
        return _names.representation(self) if type(self).__module__ == __name__ else object.__repr__(self)


class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : float
        The steps in which it is multiplied by `decay_rate` once.
    decay_rate : float
        Not negative.
    staircase : bool
        Whether the exponent is rounded down to a whole number.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.ExponentialDecay(0.5, decay_steps=10, decay_rate=0.25)
    >>> schedule(0), round(schedule(5), 12)
    (0.5, 0.25)
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str = "ExponentialDecay") -> None:
        where = "ExponentialDecay"
        self.initial_learning_rate = _rate(initial_learning_rate, where, "initial_learning_rate")
        self.decay_steps = _checks.positive(decay_steps, where, "decay_steps")
        self.decay_rate = _rate(decay_rate, where, "decay_rate")
        self.staircase = _checks.boolean(staircase, where, "staircase")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        exponent = steps / self.decay_steps
        return self.initial_learning_rate * _power(np.full(steps.shape, self.decay_rate),
                                                   np.floor(exponent) if self.staircase else exponent)


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to a step, another one up to the next, and so on.

    Parameters
    ----------
    boundaries : sequence of float
        The last step of each rate but the last one, ascending.
    values : sequence of float
        The rates, one more than boundaries.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.PiecewiseConstantDecay([100, 110], [1.0, 0.5, 0.1])
    >>> schedule(100), schedule(101), schedule(999)
    (1.0, 0.5, 0.1)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        where = "PiecewiseConstantDecay"
        self.boundaries = _checks.reals(boundaries, where, "boundaries")
        self.values = _checks.reals(values, where, "values", low=0.0)
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"{where}: values must be one more than boundaries, got {len(self.values)} and "
                             f"{len(self.boundaries)}")
        if sorted(self.boundaries) != self.boundaries:
            raise ValueError(f"{where}: boundaries must ascend, got {self.boundaries}")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        return np.array(self.values, np.float64)[np.searchsorted(self.boundaries, steps, side="left")]


class PolynomialDecay(LearningRateSchedule):
    """``(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate``.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : float
        The step from which on the rate is that at the end.
    end_learning_rate : float
        The rate at the end.
    power : float
        1: a straight line. Not negative.
    cycle : bool
        Whether, instead of an end, `decay_steps` becomes its smallest multiple that is not smaller than the step.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.25)
    >>> schedule(0), schedule(5), schedule(20)
    (0.5, 0.375, 0.25)
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False, name: str = "PolynomialDecay") -> None:
        where = "PolynomialDecay"
        self.initial_learning_rate = _rate(initial_learning_rate, where, "initial_learning_rate")
        self.decay_steps = _checks.positive(decay_steps, where, "decay_steps")
        self.end_learning_rate = _rate(end_learning_rate, where, "end_learning_rate")
        self.power = _rate(power, where, "power")
        self.cycle = _checks.boolean(cycle, where, "cycle")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        end = self.decay_steps * (np.maximum(np.ceil(steps / self.decay_steps), 1.0) if self.cycle else 1.0)
        left = _power((end - np.minimum(steps, end)) / end, np.full(steps.shape, self.power))
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate


class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : float
        The steps that count as one.
    decay_rate : float
        Not negative.
    staircase : bool
        Whether ``step / decay_steps`` is rounded down to a whole number.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)
    >>> schedule(0), schedule(10), schedule(30)
    (0.5, 0.25, 0.125)
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str = "InverseTimeDecay") -> None:
        where = "InverseTimeDecay"
        self.initial_learning_rate = _rate(initial_learning_rate, where, "initial_learning_rate")
        self.decay_steps = _checks.positive(decay_steps, where, "decay_steps")
        self.decay_rate = _rate(decay_rate, where, "decay_rate")
        self.staircase = _checks.boolean(staircase, where, "staircase")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        times = steps / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (np.floor(times) if self.staircase else times))


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave down, with a straight way up before it where asked for (Loshchilov and Hutter 2017).

    ``rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``, with the initial rate, or that to which
    the warm-up led, counting steps from its end.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : float
        The length of the half wave.
    alpha : float
        The rate at the end, as a share of that at the start; not negative.
    name : str
        The schedule's name.
    warmup_target : float, optional
        The rate to which the warm-up leads; without it there is none.
    warmup_steps : float
        Its length.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.CosineDecay(0.0, decay_steps=10, warmup_target=0.5, warmup_steps=4)
    >>> schedule(0), schedule(2), schedule(4), schedule(14)
    (0.0, 0.25, 0.5, 0.0)
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str = "CosineDecay",
                 warmup_target: float | None = None, warmup_steps: float = 0) -> None:
        where = "CosineDecay"
        self.initial_learning_rate = _rate(initial_learning_rate, where, "initial_learning_rate")
        self.decay_steps = _checks.positive(decay_steps, where, "decay_steps")
        self.alpha = _rate(alpha, where, "alpha")
        self.name = name
        self.warmup_target = None if warmup_target is None else _rate(warmup_target, where, "warmup_target")
        self.warmup_steps = _rate(warmup_steps, where, "warmup_steps")

    def _rates(self, steps: Floats) -> Floats:
        start, top, warmup = self.initial_learning_rate, self.initial_learning_rate, 0.0
        if self.warmup_target is not None:
            top, warmup = self.warmup_target, self.warmup_steps
        wave = _half_cosine(np.clip(steps - warmup, 0.0, self.decay_steps), self.decay_steps)
        decayed = top * ((1.0 - self.alpha) * wave + self.alpha)
        if warmup == 0:
            return decayed
        return np.where(steps < warmup, (top - start) * (steps / warmup) + start, decayed)


class CosineDecayRestarts(LearningRateSchedule):
    """Half cosine waves down, one after the other (Loshchilov and Hutter 2017).

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    first_decay_steps : float
        The length of the first half wave.
    t_mul : float
        What the length is multiplied by from one to the next; at least 1.
    m_mul : float
        What the height is multiplied by from one to the next; not negative.
    alpha : float
        The rate at the end of the first one, as a share of the initial rate; not negative.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.CosineDecayRestarts(0.5, first_decay_steps=10, m_mul=0.5)
    >>> schedule.rates(0, 31)[[0, 5, 10, 20, 30]].round(12)
    array([0.5  , 0.25 , 0.25 , 0.125, 0.125])
    """

    def __init__(self, initial_learning_rate: float, first_decay_steps: float, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0, name: str = "SGDRDecay") -> None:
        where = "CosineDecayRestarts"
        self.initial_learning_rate = _rate(initial_learning_rate, where, "initial_learning_rate")
        self.first_decay_steps = _checks.positive(first_decay_steps, where, "first_decay_steps")
        self.t_mul = _checks.real(t_mul, where, "t_mul", low=1.0)
        self.m_mul = _rate(m_mul, where, "m_mul")
        self.alpha = _rate(alpha, where, "alpha")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        if self.t_mul == 1:
            number = np.floor(steps / self.first_decay_steps)
            first, length = number * self.first_decay_steps, np.full(steps.shape, self.first_decay_steps)
        else:
            starts, lengths = [0.0], [self.first_decay_steps]
            while starts[-1] + lengths[-1] <= steps.max(initial=0.0):
                starts.append(starts[-1] + lengths[-1])
                lengths.append(lengths[-1] * self.t_mul)
            index = np.searchsorted(starts, steps, side="right") - 1
            number, first, length = index.astype(np.float64), np.array(starts)[index], np.array(lengths)[index]
        height = _power(np.full(steps.shape, self.m_mul), number)
        wave = height * _half_cosine(np.clip(steps - first, 0.0, length), length)
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)


class OneCycle(LearningRateSchedule):
    """Once up to a high rate and down to a very low one: PyTorch's OneCycleLR (Smith and Topin 2018).

    From ``max_learning_rate / div_factor`` up to ``max_learning_rate``, then down to ``max_learning_rate /
    (div_factor * final_div_factor)``; in three phases, up, down by as many steps to where it began, and on down. The
    momentum stays as it is (PyTorch lets it go the other way), and steps beyond the last keep its rate (PyTorch
    refuses them).

    Parameters
    ----------
    max_learning_rate : float
        The highest rate.
    total_steps : int
        The steps of the cycle: batches per epoch times epochs.
    pct_start : float
        The share of the steps on the way up, in (0, 1].
    anneal_strategy : {"cos", "linear"}
        Whether ways are half waves of a cosine or straight.
    div_factor, final_div_factor : float
        As above; positive.
    three_phase : bool
        Whether there are three phases.
    name : str
        The schedule's name.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.OneCycle(0.5, total_steps=11, pct_start=0.5, div_factor=4.0)
    >>> schedule(0), schedule(4.5), schedule(10)
    (0.125, 0.5, 1.25e-05)
    """

    def __init__(self, max_learning_rate: float, total_steps: int, pct_start: float = 0.3, anneal_strategy: str = "cos",
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
                 name: str = "OneCycle") -> None:
        where = "OneCycle"
        self.max_learning_rate = _rate(max_learning_rate, where, "max_learning_rate")
        self.total_steps = _checks.positive_int(total_steps, where, "total_steps")
        self.pct_start = _checks.real(pct_start, where, "pct_start", low=0.0, high=1.0)
        self.anneal_strategy = _checks.one_of(anneal_strategy, ("cos", "linear"), where, "anneal_strategy")
        self.div_factor = _checks.positive(div_factor, where, "div_factor")
        self.final_div_factor = _checks.positive(final_div_factor, where, "final_div_factor")
        self.three_phase = _checks.boolean(three_phase, where, "three_phase")
        self.name = name

    def _rates(self, steps: Floats) -> Floats:
        low, last = self.max_learning_rate / self.div_factor, self.total_steps - 1.0
        up = self.pct_start * self.total_steps - 1.0
        phases = [(up, low, self.max_learning_rate), (last, self.max_learning_rate, low / self.final_div_factor)]
        if self.three_phase:
            phases[1:] = [(2 * up, self.max_learning_rate, low), (last, low, low / self.final_div_factor)]
        found, begun, begin = np.full(steps.shape, phases[-1][2]), np.full(steps.shape, -math.inf), 0.0
        for end, start, goal in phases:
            here = (steps > begun) & (steps <= end)
            if end > begin:
                done = np.clip(steps - begin, 0.0, end - begin)
                left = (_half_cosine(done, end - begin) if self.anneal_strategy == "cos"
                        else (end - begin - done) / (end - begin))
                found = np.where(here, goal + (start - goal) * left, found)
            else:
                found = np.where(here, goal, found)
            begun, begin = np.maximum(begun, end), end
        return found


def get(identifier: object) -> LearningRateSchedule:
    """Return the schedule of a serialized form, or the object itself.

    Examples
    --------
    >>> import nncore as nn
    >>> schedule = nn.optimizers.schedules.InverseTimeDecay(0.5, 10, 1.0)
    >>> nn.optimizers.schedules.get(nn.optimizers.schedules.serialize(schedule))(10)
    0.25
    """
    return _names.resolve("schedule", identifier, LearningRateSchedule, LearningRateSchedule.kinds)


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal schedule.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.schedules.serialize(nn.optimizers.schedules.CosineDecay(0.5, 10))["class_name"]
    'CosineDecay'
    """
    return _names.serialize(schedule, LearningRateSchedule.kinds)


def _rate(value: float, where: str, name: str) -> float:
    return _checks.real(value, where, name, low=0.0)


def _power(base: Floats, exponent: Floats) -> Floats:
    """Return ``base ** exponent`` for numbers that are not negative, within ``(2 + 2 |log|) * 2**-53`` of it.

    Whole exponents up to 64 are products, element by element; all else is ``exp(exponent * log(base))``.
    """
    whole = (exponent == np.floor(exponent)) & (exponent <= 64)
    product, square, left = np.ones(base.shape), base.copy(), np.where(whole, exponent, 0).astype(np.int64)
    while left.any():
        product = np.where(left & 1, product * square, product)
        square, left = np.where(left > 1, square * square, square), left >> 1
    with np.errstate(invalid="ignore"):  # 0 * -inf
        found = core.elementary("exp", exponent * core.elementary("log", base))
    return np.where(whole, product, found)


# Taylor's coefficients of sin(pi x), pi**n / n! for n = 1, 3 ..., rounded: the first one left out is 6e-19 at 1/4.
_SINE = (3.141592653589793, -5.16771278004997, 2.5501640398773455, -0.5992645293207921, 0.08214588661112823,
         -0.0073704309457143504, 0.00046630280576761255, -2.1915353447830217e-05, 7.952054001475513e-07)


def _half_cosine(done: Floats, total: float | Floats) -> Floats:
    """Return ``(1 + cos(pi * done / total)) / 2`` for done in 0 ... total, within 8 * 2**-53 of it.

    As the square of a sine: near the end, where 1 and the cosine cancel, it loses nothing.
    """
    early = done + done <= total
    x: Floats = np.where(early, done, total - done) / total * 0.5
    square = x * x
    sine = np.full(x.shape, _SINE[-1])
    for coefficient in _SINE[-2::-1]:
        sine = sine * square + coefficient
    sine = sine * x
    found: Floats = np.where(early, 1.0 - sine * sine, sine * sine)
    return found
