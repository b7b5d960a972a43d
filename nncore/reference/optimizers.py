"""Optimizer steps in plain NumPy: they change the parameters and their state in place.

What all updates share: ``g = clip(scale * dw)``, then ``w -= learning_rate * weight_decay * w``, then the step. State
that falls below the smallest normal number becomes 0.
"""

import math

import numpy as np

from nncore.reference._common import Array

__all__ = [
    "accumulate_gradient",
    "adadelta_update",
    "adagrad_update",
    "adam_step",
    "adam_update",
    "adamax_update",
    "average_update",
    "clip_scale",
    "ftrl_update",
    "lamb_moments",
    "lamb_ratio",
    "lamb_step",
    "lamb_update",
    "lion_update",
    "nadam_step",
    "nadam_update",
    "rmsprop_update",
    "sgd_update",
    "square_sums",
    "sum_of_squares",
]


# Elements whose squares are summed together.
NORM_BLOCK = 4096
# Of the part of beta_1 that Nadam starts without.
NADAM_DECAY = 0.96


def sgd_update(
    w: Array,
    dw: Array,
    velocity: Array | None = None,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Gradient descent: without momentum ``w -= learning_rate * (g + l2 * w)``.

    With it ``velocity = momentum * velocity - learning_rate * g`` and ``w += velocity`` (Nesterov: ``w += momentum *
    velocity - learning_rate * g``).

    Examples
    --------
    >>> w, velocity = np.array([1.0]), np.array([2.0])
    >>> sgd_update(w, np.array([4.0]), velocity, learning_rate=0.25, momentum=0.5)
    >>> w, velocity
    (array([1.]), array([0.]))
    """
    step = learning_rate * (_slope(dw, scale, clipvalue) + l2 * w)
    w -= learning_rate * weight_decay * w
    if momentum == 0:
        w -= step
        return
    assert velocity is not None
    velocity *= momentum
    velocity -= step
    _flush(velocity)
    w += momentum * velocity - step if nesterov else velocity


def adam_update(
    w: Array,
    dw: Array,
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
    """Adam (Kingma and Ba 2015): m and v are running means of g and of its square.

    They start from 0, which the powers ``beta_1**t`` and ``beta_2**t`` make up for: ``w -= learning_rate * sqrt(1 -
    beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``. With amsgrad the largest v so far, ``v_hat``, is in the
    place of v.

    Examples
    --------
    >>> w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam_update(w, np.array([4.0]), m, v, learning_rate=0.25, beta_1=0.5, beta_2=0.75, epsilon=2.0)
    >>> w, m, v
    (array([0.875]), array([2.]), array([4.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(m, g, beta_1)
    _follow(v, g * g, beta_2)
    if v_hat is not None:
        np.maximum(v_hat, v, out=v_hat)
        _flush(v_hat)
    alpha = learning_rate * math.sqrt(1 - beta_2_power) / (1 - beta_1_power)
    w -= alpha * (m / (np.sqrt(v if v_hat is None else v_hat) + epsilon))


def nadam_update(
    w: Array,
    dw: Array,
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
    """Nadam (Dozat 2016): Adam's m, looked ahead by one step, with a beta_1 that grows from step to step.

    Examples
    --------
    >>> w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> nadam_update(w, np.array([4.0]), m, v, learning_rate=0.25, beta_1=0.5, beta_2=0.75, epsilon=2.0)
    >>> w, m, v
    (array([0.8125]), array([2.]), array([4.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(m, g, beta_1)
    _follow(v, g * g, beta_2)
    now, next = (beta_1 * (1 - 0.5 * power) for power in (decay_power, decay_power * NADAM_DECAY))
    m_hat = next / (1 - momentum_product * next) * m + (1 - now) / (1 - momentum_product) * g
    w -= learning_rate * (m_hat / (np.sqrt(v / (1 - beta_2_power)) + epsilon))


def adamax_update(
    w: Array,
    dw: Array,
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
    """Adamax (Kingma and Ba 2015): the largest gradient, as it decays, in the place of Adam's root of v.

    Examples
    --------
    >>> w, m, norm = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adamax_update(w, np.array([-2.0]), m, norm, learning_rate=0.25, beta_1=0.5, epsilon=2.0)
    >>> w, m, norm
    (array([1.0625]), array([-1.]), array([2.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(m, g, beta_1)
    np.maximum(beta_2 * norm, np.abs(g), out=norm)
    _flush(norm)
    w -= learning_rate / (1 - beta_1_power) * (m / (norm + epsilon))


def rmsprop_update(
    w: Array,
    dw: Array,
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
    """RMSprop (Tieleman and Hinton 2012): the gradient divided by the root of the running mean of its square.

    With the running mean of the gradient (Graves 2013) the root is that of its variance.

    Examples
    --------
    >>> w, v = np.array([1.0]), np.array([0.0])
    >>> rmsprop_update(w, np.array([2.0]), v, learning_rate=0.25, rho=0.5, epsilon=2.0)
    >>> w, v
    (array([0.75]), array([2.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(v, g * g, rho)
    spread = v
    if mean is not None:
        _follow(mean, g, rho)
        spread = np.maximum(v - mean * mean, 0)
    step = learning_rate * (g / np.sqrt(spread + epsilon))
    if velocity is not None:
        velocity *= momentum
        velocity += step
        _flush(velocity)
        step = velocity
    w -= step


def adagrad_update(
    w: Array,
    dw: Array,
    total: Array,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Adagrad (Duchi, Hazan and Singer 2011): the gradient divided by the root of the sum of all its squares.

    Examples
    --------
    >>> w, total = np.array([1.0]), np.array([3.0])
    >>> adagrad_update(w, np.array([2.0]), total, learning_rate=0.5, epsilon=9.0)
    >>> w, total
    (array([0.75]), array([7.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    total += g * g
    _flush(total)
    w -= learning_rate * (g / np.sqrt(total + epsilon))


def adadelta_update(
    w: Array,
    dw: Array,
    v: Array,
    steps: Array,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Adadelta (Zeiler 2012): steps as long as the last ones were, against the running mean of g's square.

    Examples
    --------
    >>> w, v, steps = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adadelta_update(w, np.array([2.0]), v, steps, learning_rate=0.5, rho=0.75, epsilon=1.0)
    >>> w.round(4), v, steps.round(4)
    (array([0.2929]), array([1.]), array([0.5]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(v, g * g, rho)
    step = np.sqrt((steps + epsilon) / (v + epsilon)) * g
    _follow(steps, step * step, rho)
    w -= learning_rate * step


def lion_update(
    w: Array,
    dw: Array,
    m: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    weight_decay: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Lion (Chen and others 2023): the sign of the gradient and its running mean.

    Examples
    --------
    >>> w, m = np.array([1.0, 2.0]), np.array([0.0, 8.0])
    >>> lion_update(w, np.array([-2.0, 0.0]), m, learning_rate=0.5, beta_1=0.75, beta_2=0.5)
    >>> w, m
    (array([1.5, 1.5]), array([-1.,  4.]))
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    w -= learning_rate * np.sign(m + (1 - beta_1) * (g - m))
    _follow(m, g, beta_2)


def ftrl_update(
    w: Array,
    dw: Array,
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
    """FTRL (McMahan and others 2013): the weights that are best for the sum of all gradients, with penalties.

    Examples
    --------
    >>> w, total, linear = np.array([1.0]), np.array([5.0]), np.array([0.0])
    >>> ftrl_update(w, np.array([2.0]), total, linear, learning_rate=0.5, learning_rate_power=0.0, l1=1.0)
    >>> w, total, linear
    (array([-0.5]), array([9.]), array([2.]))
    """
    if learning_rate == 0:
        return
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    grown = total + g * g
    before, after = (x**-learning_rate_power for x in (total, grown))
    linear += g + 2 * l2_shrinkage * w - (after - before) / learning_rate * w
    _flush(linear)
    total[...] = grown
    _flush(total)
    rest = np.clip(linear, -l1, l1) - linear
    with np.errstate(invalid="ignore"):  # where nothing was ever learned both may be 0
        w[...] = np.where(rest == 0, 0, rest / ((beta + after) / learning_rate + 2 * l2))


def lamb_update(
    w: Array,
    dw: Array,
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
    """LAMB (You and others 2020): Adam's direction, with a step in proportion to the weights' norm.

    Examples
    --------
    >>> w, m, v = np.array([4.0]), np.array([0.0]), np.array([0.0])
    >>> lamb_update(w, np.array([2.0]), m, v, learning_rate=0.25, beta_1=0.5, beta_2=0.75)
    >>> w, m, v
    (array([3.]), array([1.]), array([1.]))
    """
    sums, ratio = np.empty(2 * -(-w.size // NORM_BLOCK)), np.empty(1)
    lamb_moments(w, dw, m, v, sums, learning_rate, beta_1, beta_2, epsilon, weight_decay, beta_1_power, beta_2_power,
                 scale, clipvalue)
    lamb_ratio(sums, ratio)
    lamb_step(w, dw, m, v, ratio, learning_rate, beta_1, beta_2, epsilon, weight_decay, beta_1_power, beta_2_power)


def lamb_moments(
    w: Array,
    dw: Array,
    m: Array,
    v: Array,
    sums: Array,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
    beta_1_power: float = 0.0,
    beta_2_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Do what of `lamb_update` comes before the norms; `sums` (2 N,): those of the squares of w and the direction.

    Examples
    --------
    >>> w, m, v, sums = np.array([4.0]), np.array([0.0]), np.array([0.0]), np.empty(2)
    >>> lamb_moments(w, np.array([2.0]), m, v, sums, 0.25, beta_1=0.5, beta_2=0.75, epsilon=1.0)
    >>> sums
    array([16.  ,  0.25])
    """
    g = _slope(dw, scale, clipvalue)
    w -= learning_rate * weight_decay * w
    _follow(m, g, beta_1)
    _follow(v, g * g, beta_2)
    square_sums(w, sums)
    square_sums(_direction(m, v, epsilon, beta_1_power, beta_2_power), sums, sums.size // 2)


def lamb_ratio(sums: Array, ratio_out: Array) -> None:
    """Write the norm of w divided by that of the direction, or 1 where one of them is 0.

    Examples
    --------
    >>> ratio = np.empty(1)
    >>> lamb_ratio(np.array([16.0, 0.25]), ratio)
    >>> ratio
    array([8.])
    """
    of_w, of_direction = (math.sqrt(part.sum()) for part in np.split(sums, 2))
    ratio_out[...] = of_w / of_direction if of_w > 0 and of_direction > 0 else 1.0


def lamb_step(
    w: Array,
    dw: Array,
    m: Array,
    v: Array,
    ratio: Array,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
    beta_1_power: float = 0.0,
    beta_2_power: float = 0.0,
    scale: float = 1.0,
    clipvalue: float = math.inf,
) -> None:
    """Do what of `lamb_update` comes after the norms, from m, v and their ratio; the rest is as there.

    Examples
    --------
    >>> w, m, v = np.array([4.0]), np.array([1.0]), np.array([1.0])
    >>> lamb_step(w, m, m, v, np.array([8.0]), 0.25, beta_1=0.5, beta_2=0.75, epsilon=1.0)
    >>> w
    array([3.])
    """
    w -= learning_rate * ratio * _direction(m, v, epsilon, beta_1_power, beta_2_power)


def _direction(m: Array, v: Array, epsilon: float, beta_1_power: float, beta_2_power: float) -> Array:
    found: Array = m / (1 - beta_1_power) / (np.sqrt(v / (1 - beta_2_power)) + epsilon)
    return found


def adam_step(powers: Array, beta_1: float, beta_2: float) -> None:
    """Go to the next step: multiply the running products of the betas, in place.

    Parameters
    ----------
    powers : ndarray, float64, shape (2,)
    beta_1, beta_2 : float

    Examples
    --------
    >>> powers = np.array([0.5, 0.25])
    >>> adam_step(powers, 0.5, 0.25)
    >>> powers
    array([0.25  , 0.0625])
    """
    powers *= (beta_1, beta_2)


def nadam_step(powers: Array, beta_1: float, beta_2: float) -> None:
    """Go to the next step: multiply the products of `nadam_update`'s momentum, beta_2 and 0.96, in place.

    Examples
    --------
    >>> powers = np.array([1.0, 0.5, 1.0])
    >>> nadam_step(powers, 0.5, 0.25)
    >>> powers
    array([0.26 , 0.125, 0.96 ])
    """
    powers[2] *= NADAM_DECAY
    powers[:2] *= (beta_1 * (1 - 0.5 * powers[2]), beta_2)


def accumulate_gradient(total: Array, dw: Array, steps: int, step: int) -> None:
    """Add up gradients in groups of `steps` steps, in place; after the last one of a group take their mean.

    Examples
    --------
    >>> total = np.array([5.0])
    >>> for step in range(4):
    ...     accumulate_gradient(total, np.array([float(step)]), steps=2, step=step)
    >>> total
    array([2.5])
    """
    if step % steps == 0:
        total[...] = 0
    total += dw
    if step % steps == steps - 1:
        total /= steps


def average_update(
    average: Array, w: Array, ema_momentum: float = 0.99, steps: int = 1, overwrite: int = 0, step: int = 0
) -> None:
    """Follow w with its exponential moving average, in place; in some updates w becomes that.

    Examples
    --------
    >>> average, w = np.array([1.0]), np.array([2.0])
    >>> average_update(average, w, ema_momentum=0.75, step=3, overwrite=2)
    >>> average, w
    (array([1.25]), array([1.25]))
    """
    update = step // steps
    average *= ema_momentum if update else 0.0
    average += (1 - ema_momentum if update else 1.0) * w
    _flush(average)
    if overwrite and (update + 1) % overwrite == 0:
        w[...] = average


def sum_of_squares(x: Array) -> float:
    """``sum(x**2)`` in float64.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    float

    Examples
    --------
    >>> sum_of_squares(np.array([3.0, 4.0]))
    25.0
    """
    return float(np.sum(np.square(x, dtype=np.float64)))


def square_sums(x: Array, sums_out: Array, first: int = 0) -> None:
    """Write the sum of squares of each block of 4096 elements to `sums_out`, from `first` on.

    Parameters
    ----------
    x : ndarray, any shape
    sums_out : ndarray, float64, shape (N,)
    first : int

    Examples
    --------
    >>> sums = np.zeros(2)
    >>> square_sums(np.array([3.0, 4.0]), sums, first=1)
    >>> sums
    array([ 0., 25.])
    """
    for i in range(0, x.size, NORM_BLOCK):
        sums_out[first + i // NORM_BLOCK] = sum_of_squares(x.ravel()[i : i + NORM_BLOCK])


def clip_scale(sums: Array, scale_out: Array, clipnorm: float) -> None:
    """Say what gradients are to be multiplied by, so that their norm is at most `clipnorm`.

    Parameters
    ----------
    sums : ndarray, float64, shape (N,)
        Sums of squares; the root of their sum is the norm.
    scale_out : ndarray, float64, shape (2,)
        The factor, nan where the norm is not finite, and the sum of all sums.
    clipnorm : float

    Examples
    --------
    >>> scale = np.zeros(2)
    >>> clip_scale(np.array([9.0, 16.0]), scale, 2.5)
    >>> scale
    array([ 0.5, 25. ])
    """
    total = float(np.sum(sums))
    norm = math.sqrt(total) if total >= 0 else math.nan
    factor = clipnorm / norm if norm > clipnorm else 1.0
    scale_out[...] = factor if math.isfinite(norm) else math.nan, total


def _slope(dw: Array, scale: float, clipvalue: float) -> Array:
    """Return ``g``, what an update takes for the gradient."""
    found: Array = np.clip(scale * dw, -clipvalue, clipvalue)
    return found


def _follow(mean: Array, x: Array, kept: float) -> None:
    """Go on with a running mean."""
    mean += (1 - kept) * (x - mean)
    _flush(mean)


def _flush(state: Array) -> None:
    """Make state below the smallest normal number 0: arithmetic on such numbers is slow, and they move nothing."""
    state[np.abs(state) < np.finfo(state.dtype).tiny] = 0
