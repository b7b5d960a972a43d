"""Updates of parameters, in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import Array, arrays, described, run

__all__ = [
    "accumulate_gradient",
    "adadelta_update",
    "adagrad_update",
    "adam_update",
    "adamax_update",
    "average_update",
    "ftrl_update",
    "lamb_update",
    "lion_update",
    "nadam_update",
    "rmsprop_update",
    "sgd_update",
    "sum_of_squares",
]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONAL = ("velocity", "v_hat", "mean")  # state that some forms of an update have not

_SHARED = """weight_decay : float
        ``w -= learning_rate * weight_decay * w`` before the step, apart from the gradient (Loshchilov and Hutter 2019).
    scale : float
        What dw is multiplied by first: ``clip / norm`` where a norm is to be clipped.
    clipvalue : float
        The largest size of an element of ``scale * dw``; larger ones are cut."""


def _shared(function: F) -> F:
    """Fill in what the docstrings of all updates say alike."""
    function.__doc__ = str(function.__doc__).replace("{shared}", _SHARED)
    return function


@_shared
def sgd_update(
    w: Array,
    dw: ArrayLike,
    velocity: Array | None = None,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of stochastic gradient descent, in place, in this order.

    ``g = clip(scale * dw) + l2 * w``; ``w -= learning_rate * weight_decay * w``; then without momentum ``w -=
    learning_rate * g``, with it ``velocity = momentum * velocity - learning_rate * g; w += velocity``, or with
    Nesterov's look ahead ``w += momentum * velocity - learning_rate * g``. Velocities below the smallest normal
    number become +0.

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    velocity : ndarray of w's shape and dtype
        Wanted when momentum is not 0, and only then.
    learning_rate : float
        The step's size.
    momentum : float
        How much of the last step is kept.
    nesterov : bool
        Whether the step looks ahead.
    l2 : float
        Factor of w in the gradient: that of the penalty ``l2 / 2 * sum(w**2)``.
    {shared}

    Raises
    ------
    ValueError
        When w or velocity cannot be updated in place, shapes differ, or velocity does not go with momentum.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, velocity = np.array([1.0]), np.array([0.0])
    >>> nn.kernels.sgd_update(w, [2.0], velocity, learning_rate=0.1, momentum=0.9)
    >>> w, velocity
    (array([0.8]), array([-0.2]))
    """
    where = "sgd_update"
    m = _checks.real(momentum, where, "momentum")
    if (velocity is None) != (m == 0):
        raise ValueError(f"{where}: velocity goes with momentum: momentum is {m:g} and velocity is "
                         f"{'missing' if velocity is None else 'given'}")
    own = (m, float(_checks.boolean(nesterov, where, "nesterov")), _checks.real(l2, where, "l2"))
    _update(where, w, dw, {"velocity": velocity}, (learning_rate, weight_decay, scale, clipvalue), own)


@_shared
def adam_update(
    w: Array,
    dw: ArrayLike,
    m: Array,
    v: Array,
    v_hat: Array | None = None,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    beta_1_power: float = 0.0,
    beta_2_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Adam, in place, in this order.

    ``g = clip(scale * dw)``; ``w -= learning_rate * weight_decay * w``; ``m += (1 - beta_1) * (g - m)``; ``v += (1 -
    beta_2) * (g**2 - v)``; with amsgrad ``v_hat = max(v_hat, v)``; ``w -= alpha * m / (sqrt(v) + epsilon)``, v_hat
    in the place of v where it is given, with ``alpha = learning_rate * sqrt(1 - beta_2_power) / (1 -
    beta_1_power)`` (Kingma and Ba 2015; v_hat: Reddi, Kale and Kumar 2018). State below the smallest normal
    number becomes +0.

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    m, v : ndarray of w's shape and dtype
        Running means of the gradient and of its square, zero before the first step.
    v_hat : ndarray of w's shape and dtype, optional
        The largest v so far: amsgrad.
    learning_rate : float
        The step's size.
    beta_1, beta_2 : float
        How much of m and of v is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    beta_1_power, beta_2_power : float
        ``beta_1**t`` and ``beta_2**t`` in step t = 1, 2, ...: they make up for means that start from 0. With 0,
        their limit, there is nothing to make up for.
    {shared}

    Raises
    ------
    ValueError
        When w or state cannot be updated in place, shapes differ, or a scalar is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> for t in (1, 2):
    ...     nn.kernels.adam_update(w, 2 * w, m, v, learning_rate=0.1, beta_1_power=0.9**t, beta_2_power=0.999**t)
    >>> w.round(4)
    array([0.8004])
    """
    where = "adam_update"
    powers = _fractions(where, beta_1_power=beta_1_power, beta_2_power=beta_2_power)
    own = (*_fractions(where, beta_1=beta_1, beta_2=beta_2), _checks.positive(epsilon, where, "epsilon"))
    state = {"m": m, "v": v, "v_hat": v_hat}
    _update(where, w, dw, state, (learning_rate, weight_decay, scale, clipvalue), own, powers)


@_shared
def nadam_update(
    w: Array,
    dw: ArrayLike,
    m: Array,
    v: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    momentum_product: float = 0.0,
    beta_2_power: float = 0.0,
    decay_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Nadam, Adam with Nesterov's look ahead, in place.

    m and v as in `adam_update`. With ``a = beta_1 * (1 - decay_power / 2)``, the beta of this step, and ``b = beta_1 *
    (1 - 0.96 * decay_power / 2)``, that of the next one, ``m_hat = b * m / (1 - momentum_product * b) + (1 - a) * g /
    (1 - momentum_product)``; ``w -= learning_rate * m_hat / (sqrt(v / (1 - beta_2_power)) + epsilon)`` (Dozat 2016).

    Parameters
    ----------
    w, dw, m, v, learning_rate, beta_1, beta_2, epsilon
        As of `adam_update`.
    momentum_product : float
        The product of a over all steps, this one included.
    beta_2_power, decay_power : float
        ``beta_2**t`` and ``0.96**t`` in step t = 1, 2, ...
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> a = 0.9 * (1 - 0.96 / 2)
    >>> nn.kernels.nadam_update(w, [2.0], m, v, 0.1, momentum_product=a, beta_2_power=0.999, decay_power=0.96)
    >>> w.round(4)
    array([0.8937])
    """
    where = "nadam_update"
    powers = _fractions(where, momentum_product=momentum_product, beta_2_power=beta_2_power, decay_power=decay_power)
    own = (*_fractions(where, beta_1=beta_1, beta_2=beta_2), _checks.positive(epsilon, where, "epsilon"))
    _update(where, w, dw, {"m": m, "v": v}, (learning_rate, weight_decay, scale, clipvalue), own, powers)


@_shared
def adamax_update(
    w: Array,
    dw: ArrayLike,
    m: Array,
    norm: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    beta_1_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Adamax, Adam with the largest gradient in the place of the root of v, in place.

    m as in `adam_update`; ``norm = max(beta_2 * norm, abs(g))``; ``w -= learning_rate / (1 - beta_1_power) * m / (norm
    + epsilon)`` (Kingma and Ba 2015, section 7).

    Parameters
    ----------
    w, dw, m, learning_rate, beta_1, epsilon, beta_1_power
        As of `adam_update`.
    norm : ndarray of w's shape and dtype
        The largest gradient, as it decays; zero before the first step.
    beta_2 : float
        How much of norm is kept: at least 0 and less than 1.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, m, norm = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> nn.kernels.adamax_update(w, [2.0], m, norm, learning_rate=0.1, beta_1_power=0.9)
    >>> w.round(4), norm
    (array([0.9]), array([2.]))
    """
    where = "adamax_update"
    powers = _fractions(where, beta_1_power=beta_1_power)
    own = (*_fractions(where, beta_1=beta_1, beta_2=beta_2), _checks.positive(epsilon, where, "epsilon"))
    _update(where, w, dw, {"m": m, "norm": norm}, (learning_rate, weight_decay, scale, clipvalue), own, powers)


@_shared
def rmsprop_update(
    w: Array,
    dw: ArrayLike,
    v: Array,
    velocity: Array | None = None,
    mean: Array | None = None,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of RMSprop, in place.

    ``v += (1 - rho) * (g**2 - v)``; ``step = learning_rate * g / sqrt(v + epsilon)``, or where the mean is given ``mean
    += (1 - rho) * (g - mean)`` and ``step = learning_rate * g / sqrt(v - mean**2 + epsilon)``; then without momentum
    ``w -= step``, with it ``velocity = momentum * velocity + step; w -= velocity`` (Tieleman and Hinton 2012; Graves
    2013). The difference ``v - mean**2`` counts as 0 where rounding makes it negative.

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    v : ndarray of w's shape and dtype
        Running mean of the gradient's square, zero before the first step.
    velocity : ndarray of w's shape and dtype, optional
        Wanted when momentum is not 0, and only then.
    mean : ndarray of w's shape and dtype, optional
        Running mean of the gradient: the centered form.
    learning_rate : float
        The step's size.
    rho : float
        How much of v and of the mean is kept: at least 0 and less than 1.
    momentum : float
        How much of the last step is kept.
    epsilon : float
        Keeps the divisor from 0; positive.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, v = np.array([1.0]), np.zeros(1)
    >>> nn.kernels.rmsprop_update(w, [2.0], v, learning_rate=0.1)
    >>> w.round(4), v
    (array([0.6838]), array([0.4]))
    """
    where = "rmsprop_update"
    kept = _checks.real(momentum, where, "momentum")
    if (velocity is None) != (kept == 0):
        raise ValueError(f"{where}: velocity goes with momentum: momentum is {kept:g} and velocity is "
                         f"{'missing' if velocity is None else 'given'}")
    own = (*_fractions(where, rho=rho), kept, _checks.positive(epsilon, where, "epsilon"))
    state = {"v": v, "velocity": velocity, "mean": mean}
    _update(where, w, dw, state, (learning_rate, weight_decay, scale, clipvalue), own)


@_shared
def adagrad_update(
    w: Array,
    dw: ArrayLike,
    total: Array,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Adagrad, in place: ``total += g**2``; ``w -= learning_rate * g / sqrt(total + epsilon)``.

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    total : ndarray of w's shape and dtype
        The sum of all squares of gradients (Duchi, Hazan and Singer 2011).
    learning_rate : float
        The step's size.
    epsilon : float
        Keeps the divisor from 0; positive.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, total = np.array([1.0]), np.zeros(1)
    >>> nn.kernels.adagrad_update(w, [2.0], total, learning_rate=0.1)
    >>> w.round(4), total
    (array([0.9]), array([4.]))
    """
    where = "adagrad_update"
    own = (_checks.positive(epsilon, where, "epsilon"),)
    _update(where, w, dw, {"total": total}, (learning_rate, weight_decay, scale, clipvalue), own)


@_shared
def adadelta_update(
    w: Array,
    dw: ArrayLike,
    v: Array,
    steps: Array,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Adadelta, in place.

    ``v += (1 - rho) * (g**2 - v)``; ``step = sqrt((steps + epsilon) / (v + epsilon)) * g``; ``steps += (1 - rho) *
    (step**2 - steps)``; ``w -= learning_rate * step`` (Zeiler 2012).

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    v, steps : ndarray of w's shape and dtype
        Running means of the squares of the gradient and of the steps, zero before the first one.
    learning_rate : float
        What the steps are multiplied by.
    rho : float
        How much of v and steps is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0, and lets the steps begin; positive.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, v, steps = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> nn.kernels.adadelta_update(w, [2.0], v, steps, learning_rate=1.0)
    >>> w.round(5), v.round(4)
    (array([0.99859]), array([0.2]))
    """
    where = "adadelta_update"
    own = (*_fractions(where, rho=rho), _checks.positive(epsilon, where, "epsilon"))
    _update(where, w, dw, {"v": v, "steps": steps}, (learning_rate, weight_decay, scale, clipvalue), own)


@_shared
def lion_update(
    w: Array,
    dw: ArrayLike,
    m: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of Lion, in place: every weight goes the same way, up or down.

    ``w -= learning_rate * sign(m + (1 - beta_1) * (g - m))``; ``m += (1 - beta_2) * (g - m)`` (Chen and others 2023).

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    m : ndarray of w's shape and dtype
        Running mean of the gradient, zero before the first step.
    learning_rate : float
        The size of each weight's step.
    beta_1, beta_2 : float
        How much of m counts in the step, and how much is kept: at least 0 and less than 1; beta_1 may be 1.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, m = np.array([1.0, 2.0]), np.zeros(2)
    >>> nn.kernels.lion_update(w, [8.0, -0.5], m, learning_rate=0.1)
    >>> w
    array([0.9, 2.1])
    """
    where = "lion_update"
    own = (_checks.real(beta_1, where, "beta_1", low=0.0, high=1.0), *_fractions(where, beta_2=beta_2))
    _update(where, w, dw, {"m": m}, (learning_rate, weight_decay, scale, clipvalue), own)


@_shared
def ftrl_update(
    w: Array,
    dw: ArrayLike,
    total: Array,
    linear: Array,
    learning_rate: float = 0.001,
    learning_rate_power: float = -0.5,
    l1: float = 0.0,
    l2: float = 0.0,
    l2_shrinkage: float = 0.0,
    beta: float = 0.0,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of FTRL ("follow the regularized leader"), in place.

    With ``p = -learning_rate_power`` and n' = ``total + g**2``: ``linear += g + 2 * l2_shrinkage * w - (n'**p -
    total**p) / learning_rate * w``; ``w = (clip(linear, -l1, l1) - linear) / ((beta + n'**p) / learning_rate + 2 *
    l2)``; ``total = n'`` (McMahan and others 2013). A weight whose linear part is no larger than l1 is 0. A learning
    rate of 0 changes nothing.

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    total : ndarray of w's shape and dtype
        The sum of all squares of gradients, not negative.
    linear : ndarray of w's shape and dtype
        The linear part, zero before the first step.
    learning_rate : float
        The step's size.
    learning_rate_power : float
        How the steps shrink as the total grows; not positive, 0 for steps that do not.
    l1, l2, l2_shrinkage, beta : float
        Penalties, and what is added to the root of the total; not negative.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, total, linear = np.array([1.0]), np.array([0.1]), np.zeros(1)
    >>> nn.kernels.ftrl_update(w, [2.0], total, linear, learning_rate=0.5)
    >>> w.round(4), linear.round(4)
    (array([0.35]), array([-1.4172]))
    """
    where = "ftrl_update"
    power = _checks.real(learning_rate_power, where, "learning_rate_power")
    if power > 0:
        raise ValueError(f"{where}: learning_rate_power must not be positive, got {learning_rate_power!r}")
    own = tuple(_checks.real(value, where, name, low=0.0) for name, value in (
        ("l1", l1), ("l2", l2), ("l2_shrinkage", l2_shrinkage), ("beta", beta)))
    shared = (learning_rate, weight_decay, scale, clipvalue)
    _update(where, w, dw, {"total": total, "linear": linear}, shared, (power, *own))


@_shared
def lamb_update(
    w: Array,
    dw: ArrayLike,
    m: Array,
    v: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    beta_1_power: float = 0.0,
    beta_2_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """One step of LAMB: Adam's direction with a step as long as the weights' norm, in place.

    m and v as in `adam_update`; ``r = m / (1 - beta_1_power) / (sqrt(v / (1 - beta_2_power)) + epsilon)``; ``w -=
    learning_rate * norm(w) / norm(r) * r``, without the ratio where one of the norms is 0 (You and others 2020, with
    the decay where Keras has it: before the norms).

    Parameters
    ----------
    w, dw, m, v, learning_rate, beta_1, beta_2, epsilon, beta_1_power, beta_2_power
        As of `adam_update`; w is the whole array whose norm counts.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w, m, v = np.array([3.0, 4.0]), np.zeros(2), np.zeros(2)
    >>> nn.kernels.lamb_update(w, [1.0, -6.0], m, v, learning_rate=0.1, beta_1_power=0.9, beta_2_power=0.999)
    >>> w.round(4)  # a step as long as a tenth of w
    array([2.6464, 4.3536])
    """
    where = "lamb_update"
    powers = _fractions(where, beta_1_power=beta_1_power, beta_2_power=beta_2_power)
    own = (*_fractions(where, beta_1=beta_1, beta_2=beta_2), _checks.positive(epsilon, where, "epsilon"))
    operands, scalars = _checked(where, w, dw, {"m": m, "v": v}, (learning_rate, weight_decay, scale, clipvalue), own,
                                 powers)
    blocks = -(-w.size // core.SQUARES_BLOCK)
    sums, ratio = np.empty(2 * blocks), np.empty(1)
    run("lamb_moments", 1, (*operands[:4], sums, *operands[5:]), (w.size,), scalars, dtype=w.dtype)
    run("lamb_ratio", 1, (sums, ratio), (blocks,), dtype=sums.dtype)
    run("lamb_step", 1, (*operands[:4], ratio, *operands[5:]), (w.size,), scalars, dtype=w.dtype)


def accumulate_gradient(total: Array, dw: ArrayLike, steps: int, step: int) -> None:
    """Add a gradient to those of its group, in place; after the last of the group `total` is their mean.

    Step number `step`, counted from 0, is the first of its group of `steps` where that divides it: then ``total = dw``;
    else ``total += dw``, and in the last one ``total = (total + dw) / steps``.

    Parameters
    ----------
    total : ndarray, any shape
        Writable C-contiguous float32 or float64.
    dw : array_like of total's shape
        A gradient.
    steps : int
        Steps in a group.
    step : int
        The number of the step.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> total = np.zeros(2)
    >>> for step in range(3):
    ...     nn.kernels.accumulate_gradient(total, [1.0, step], steps=3, step=step)
    >>> total
    array([1., 1.])
    """
    where = "accumulate_gradient"
    steps = _checks.positive_int(steps, where, "steps")
    step = _checks.integer(step, where, "step", low=0)
    gradient = _operands(where, {"total": total}, dw)
    run(where, 1, (total, gradient), (total.size, steps), dtype=total.dtype, step=step)


def average_update(
    average: Array, w: Array, ema_momentum: float = 0.99, steps: int = 1, overwrite: int = 0, step: int = 0
) -> None:
    """Follow parameters with their exponential moving average, in place.

    ``average += (1 - ema_momentum) * (w - average)``, but ``average = w`` in the first step. With `overwrite`, ``w =
    average`` in each update whose number, counted from 1, it divides.

    Parameters
    ----------
    average : ndarray, any shape
        Writable C-contiguous float32 or float64.
    w : ndarray of average's shape and dtype
        The parameters.
    ema_momentum : float
        How much of the average is kept, in [0, 1].
    steps : int
        Steps that make one update of w: where gradients are accumulated.
    overwrite : int
        After how many updates w is overwritten; 0: never.
    step : int
        The number of the step, counted from 0.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> average = np.zeros(1)
    >>> for step in range(3):
    ...     nn.kernels.average_update(average, np.array([step + 1.0]), ema_momentum=0.5, step=step)
    >>> average
    array([2.25])
    """
    where = "average_update"
    momentum = _checks.real(ema_momentum, where, "ema_momentum", low=0.0, high=1.0)
    steps = _checks.positive_int(steps, where, "steps")
    overwrite = _checks.integer(overwrite, where, "overwrite", low=0)
    step = _checks.integer(step, where, "step", low=0)
    check_in_place(where, {"average": average, "w": w})
    run(where, 1, (average, w), (average.size, steps, overwrite), (momentum,), dtype=average.dtype, step=step)


def sum_of_squares(x: ArrayLike) -> float:
    """``sum(x**2)`` in float64; the root of such sums over all gradients is the norm that clipping wants.

    Parameters
    ----------
    x : array_like, any shape
        Numbers; every one is converted to float64 and squared there.

    Returns
    -------
    float

    Examples
    --------
    >>> import nncore as nn
    >>> gradients = [[3.0, 0.0]], [4.0]
    >>> norm = sum(map(nn.kernels.sum_of_squares, gradients)) ** 0.5
    >>> min(1.0, 2.5 / norm)
    0.5
    """
    (x,) = arrays("sum_of_squares", x=(x, None))
    sums, total = np.empty(-(-x.size // core.SQUARES_BLOCK)), np.empty(2)
    run("square_sums", 1, (x, sums), (x.size, 0), dtype=x.dtype)
    run("clip_scale", 1, (sums, total), (sums.size,), (1.0,), dtype=sums.dtype)
    return float(total[1])


def _fractions(where: str, **values: float) -> list[float]:
    """Check scalars that are at least 0 and less than 1."""
    return [_checks.fraction(value, where, name) for name, value in values.items()]


def _checked(
    where: str,
    w: Array,
    dw: ArrayLike,
    state: dict[str, Array | None],
    shared: tuple[float, float, float, float],
    own: tuple[float, ...],
    powers: list[float] | None = None,
) -> tuple[tuple[Array | None, ...], tuple[float, ...]]:
    """Return an update's operands and scalars as the core takes them; `shared`: rate, decay, scale and clipvalue."""
    rate, decay, factor = (_checks.real(value, where, name) for name, value in zip(
        ("learning_rate", "weight_decay", "scale"), shared[:3], strict=True))
    clip = math.inf if shared[3] == math.inf else _checks.positive(shared[3], where, "clipvalue")
    gradient = _operands(where, {"w": w, **state}, dw)
    kept = (*state.values(), None, None, None)[:3]
    factors = None if factor == 1 else np.array([factor])
    operands = (w, gradient, *kept, None if powers is None else np.array(powers), factors)
    return operands, (rate, decay, clip, *own)


def _update(where: str, w: Array, *arguments: Any) -> None:
    """Run an elementwise update; arguments as of `_checked`."""
    operands, scalars = _checked(where, w, *arguments)
    run(where, 1, operands, (w.size,), scalars, dtype=w.dtype)


def _operands(where: str, changed: dict[str, Array | None], dw: ArrayLike) -> Array:
    """Check what is updated in place, and return the gradient, apart from all that."""
    if core.updatable(tuple(changed.values()), dw):  # mostly, and these checks are most of a small update
        if all(array is not None or name in _OPTIONAL for name, array in changed.items()):
            return dw  # type: ignore[return-value]
    found = check_in_place(where, changed)
    (name, w), *_ = found.items()
    w, gradient = arrays(where, **{name: (w, None), "dw": (dw, None)})
    if gradient.shape != w.shape:
        raise ValueError(f"{where}: {name} has shape {w.shape} but dw has shape {gradient.shape}")
    if any(np.may_share_memory(gradient, array) for array in found.values()):
        return gradient.copy()
    return gradient


def check_in_place(where: str, changed: dict[str, Array | None]) -> dict[str, Array]:
    """Return the arrays that a kernel changes, which must be like the first of them; some may be missing."""
    first, *rest = changed.values()
    if core.updatable(tuple(rest), first) and all(array is not None for array in rest) and first.flags.writeable:
        return changed  # type: ignore[return-value]
    found: dict[str, Array] = {}
    for name, array in changed.items():
        if array is None and name in _OPTIONAL:
            continue
        if (
            not isinstance(array, np.ndarray)
            or array.dtype not in (np.float32, np.float64)
            or not array.flags.carray
        ):
            raise ValueError(
                f"{where}: {name} is updated in place and must be a writable C-contiguous float32 or float64 "
                f"array, got {described(array)}"
            )
        found[name] = array
    (first_name, first), *others = found.items()
    for name, array in others:
        if array.shape != first.shape or array.dtype != first.dtype:
            raise ValueError(
                f"{where}: {name} must be like {first_name}, a {first.dtype} array of shape {first.shape}, "
                f"got {described(array)}"
            )
    for (name, array), (other, another) in combinations(found.items(), 2):
        if np.may_share_memory(array, another):
            raise ValueError(f"{where}: {name} and {other} share memory")
    return found
