"""The exact oracle of updates, penalties and constraints: see oracle.py, which offers these functions as its own.

A function of a kernel that works in place returns the new arrays, in the order of the kernel's arguments.
"""

import math

import numpy as np
from oracle import NORM_BLOCK, _nan_through, _select, fma, lanes_sum

__all__ = [
    "accumulate_gradient",
    "adadelta_update",
    "adagrad_update",
    "adam_update",
    "adamax_update",
    "average_update",
    "batch_weight",
    "ftrl_update",
    "lamb_direction",
    "lamb_moments",
    "lamb_ratio",
    "lamb_update",
    "lion_update",
    "nadam_update",
    "non_negative",
    "norm_constraint",
    "norm_constraint_rows",
    "penalty",
    "penalty_gradient",
    "penalty_sums",
    "penalty_value",
    "rmsprop_update",
    "sgd_update",
]


def _flushed(state):
    return _select(np.abs(state) < np.finfo(state.dtype).tiny, state.dtype.type(0), state)


def _slope(dw, scale, clipvalue):
    one = dw.dtype.type
    g = one(scale) * dw
    g = _select(one(clipvalue) < g, one(clipvalue), g)
    return _select(-one(clipvalue) > g, -one(clipvalue), g)


def _decayed(w, learning_rate, weight_decay):
    return fma(-w.dtype.type(learning_rate * weight_decay), w, w) if weight_decay else w


def _follow(mean, x, kept):
    """Go on with a running mean, ``mean + (1 - kept) * (x - mean)``; x may be (g, g): its square."""
    share = mean.dtype.type(1 - kept)
    return _flushed(fma(share, fma(*x, -mean) if isinstance(x, tuple) else x - mean, mean))


def _larger(a, b):
    return _nan_through(a, _nan_through(b, _select(a > b, a, b)))


def sgd_update(elementary, w, dw, velocity=None, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0,
               l2=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, velocity)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    if l2:
        g = fma(one(l2), w, g)
    w = _decayed(w, learning_rate, weight_decay)
    if not momentum:
        return fma(-one(learning_rate), g, w), velocity
    step = one(learning_rate) * g
    velocity = _flushed(fma(one(momentum), velocity, -step))
    return w + (fma(one(momentum), velocity, -step) if nesterov else velocity), velocity


def adam_update(elementary, w, dw, m, v, v_hat=None, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
                weight_decay=0.0, beta_1_power=0.0, beta_2_power=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, m, v, v_hat)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    m, v = _follow(m, g, beta_1), _follow(v, (g, g), beta_2)
    if v_hat is not None:
        v_hat = _flushed(_larger(v_hat, v))
    alpha = one(learning_rate * math.sqrt(1 - beta_2_power) / (1 - beta_1_power))
    return fma(-alpha, m / (np.sqrt(v if v_hat is None else v_hat) + one(epsilon)), w), m, v, v_hat


def nadam_update(elementary, w, dw, m, v, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
                 weight_decay=0.0, momentum_product=0.0, beta_2_power=0.0, decay_power=0.0, scale=1.0,
                 clipvalue=math.inf):
    """The new (w, m, v)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    m, v = _follow(m, g, beta_1), _follow(v, (g, g), beta_2)
    now, soon = (beta_1 * (1 - 0.5 * power) for power in (decay_power, decay_power * 0.96))
    mean_part, slope_part = one(soon / (1 - momentum_product * soon)), one((1 - now) / (1 - momentum_product))
    ahead = fma(mean_part, m, slope_part * g)
    correction = one(1 / (1 - beta_2_power))
    return fma(-one(learning_rate), ahead / (np.sqrt(correction * v) + one(epsilon)), w), m, v


def adamax_update(elementary, w, dw, m, norm, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
                  weight_decay=0.0, beta_1_power=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, m, norm)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    m = _follow(m, g, beta_1)
    norm = _flushed(_larger(one(beta_2) * norm, np.abs(g)))
    return fma(-one(learning_rate / (1 - beta_1_power)), m / (norm + one(epsilon)), w), m, norm


def rmsprop_update(elementary, w, dw, v, velocity=None, mean=None, learning_rate=0.001, rho=0.9, momentum=0.0,
                   epsilon=1e-7, weight_decay=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, v, velocity, mean)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    v = _follow(v, (g, g), rho)
    spread = v
    if mean is not None:
        mean = _follow(mean, g, rho)
        spread = fma(-mean, mean, v)
        spread = _select(spread < 0, one(0), spread)
    q = g / np.sqrt(spread + one(epsilon))
    if velocity is None:
        return fma(-one(learning_rate), q, w), v, velocity, mean
    velocity = _flushed(fma(one(momentum), velocity, one(learning_rate) * q))
    return w - velocity, v, velocity, mean


def adagrad_update(elementary, w, dw, total, learning_rate=0.001, epsilon=1e-7, weight_decay=0.0, scale=1.0,
                   clipvalue=math.inf):
    """The new (w, total)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    total = _flushed(fma(g, g, total))
    return fma(-one(learning_rate), g / np.sqrt(total + one(epsilon)), w), total


def adadelta_update(elementary, w, dw, v, steps, learning_rate=0.001, rho=0.95, epsilon=1e-7, weight_decay=0.0,
                    scale=1.0, clipvalue=math.inf):
    """The new (w, v, steps)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    v = _follow(v, (g, g), rho)
    step = np.sqrt((steps + one(epsilon)) / (v + one(epsilon))) * g
    return fma(-one(learning_rate), step, w), v, _follow(steps, (step, step), rho)


def lion_update(elementary, w, dw, m, learning_rate=0.001, beta_1=0.9, beta_2=0.99, weight_decay=0.0, scale=1.0,
                clipvalue=math.inf):
    """The new (w, m)."""
    one = w.dtype.type
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    ahead, rate = fma(one(1 - beta_1), g - m, m), one(learning_rate)
    step = _select(ahead > 0, rate, _select(ahead < 0, -rate, ahead - ahead))
    return w - step, _follow(m, g, beta_2)


def _power(elementary, x, p):
    """``x**p``, as docs/bits.md has it."""
    if p == 0.5:
        return np.sqrt(x)
    return x - x + x.dtype.type(1) if p == 0 else elementary.exp(p * elementary.log(x))


def ftrl_update(elementary, w, dw, total, linear, learning_rate=0.001, learning_rate_power=-0.5, l1=0.0, l2=0.0,
                l2_shrinkage=0.0, beta=0.0, weight_decay=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, total, linear)."""
    one = w.dtype.type
    if learning_rate == 0:
        return w, total, linear
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    grown = fma(g, g, total)
    before, after = (_power(elementary, x, one(-learning_rate_power)) for x in (total, grown))
    inverse = one(1 / learning_rate)
    slope = fma(-((after - before) * inverse), w, fma(one(2 * l2_shrinkage), w, g))
    linear = _flushed(linear + slope)
    cut = _select(one(l1) < linear, one(l1), linear)
    rest = _select(-one(l1) > cut, -one(l1), cut) - linear
    quotient = rest / fma(after, inverse, one(2 * l2 + beta / learning_rate))
    return _select(rest == 0, one(0), quotient), _flushed(grown), linear


def lamb_update(elementary, w, dw, m, v, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
                weight_decay=0.0, beta_1_power=0.0, beta_2_power=0.0, scale=1.0, clipvalue=math.inf):
    """The new (w, m, v)."""
    one = w.dtype.type
    w, m, v, direction = lamb_moments(w, dw, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, beta_1_power,
                                      beta_2_power, scale, clipvalue)
    ratio = lamb_ratio(block_sums(w.ravel(), square), block_sums(direction.ravel(), square))
    return fma(-one(learning_rate * ratio), direction, w), m, v


def lamb_moments(w, dw, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, beta_1_power, beta_2_power, scale,
                 clipvalue):
    """The new (w, m, v), and the direction of the step."""
    g = _slope(dw, scale, clipvalue)
    w = _decayed(w, learning_rate, weight_decay)
    m, v = _follow(m, g, beta_1), _follow(v, (g, g), beta_2)
    scalars = {"beta_1_power": beta_1_power, "beta_2_power": beta_2_power, "epsilon": epsilon}
    return w, m, v, lamb_direction(m, v, scalars)


def lamb_direction(m, v, scalars):
    """Where the step goes."""
    one = m.dtype.type
    part, correction = one(1 / (1 - scalars["beta_1_power"])), one(1 / (1 - scalars["beta_2_power"]))
    return part * (m / (np.sqrt(correction * v) + one(scalars["epsilon"])))


def lamb_ratio(of_w, of_direction):
    """Norm of w divided by that of the direction."""
    a, b = (math.sqrt(added(sums)) for sums in (of_w, of_direction))
    return a / b if a > 0 and b > 0 else 1.0


def accumulate_gradient(elementary, total, dw, steps, step):
    """The new (total,)."""
    if step % steps == 0:
        return (dw.copy(),)
    return ((total + dw) / total.dtype.type(steps) if step % steps == steps - 1 else total + dw,)


def average_update(elementary, average, w, ema_momentum=0.99, steps=1, overwrite=0, step=0):
    """The new (average, w)."""
    update = step // steps
    average = _follow(average, w, ema_momentum) if update else _flushed(w)
    return average, average.copy() if overwrite and (update + 1) % overwrite == 0 else w


# Penalties and constraints ----------------------------------------------------------------------------------


def square(e):
    """``e * e``."""
    return e * e


def block_sums(flat, function):
    """A lanes sum in float64 for each block of 4096 elements."""
    return [float(lanes_sum(function(flat[None, first : first + NORM_BLOCK].astype(np.float64)))[0, 0])
            for first in range(0, flat.size, NORM_BLOCK)]


def added(sums):
    """In order, in float64."""
    total = 0.0
    for value in sums:
        total += value
    return total


def penalty_sums(flat, l1, l2):
    """Of the sizes, and of the squares; +0 where nobody wants them."""
    sizes, squares = block_sums(flat, np.abs), block_sums(flat, square)
    return np.where(np.repeat([l1 != 0, l2 != 0], len(sizes)), [*sizes, *squares], 0.0)


def batch_weight(elementary, rows, weight):
    """The (total,) of a batch."""
    return (float(len(rows)) if weight is None else added(float(value) for value in weight),)


def divided(factor, divisor):
    """In float64, and 0 where the divisor is."""
    return factor / divisor if divisor else 0.0


def penalty_value(sums, l1, l2, divisor=1.0):
    """The penalty of all blocks."""
    sizes, squares = (added(float(value) for value in part) for part in np.split(sums, 2))
    return divided(l1, divisor) * sizes + divided(l2, divisor) * squares


def penalty(elementary, w, l1=0.0, l2=0.0, divisor=1.0):
    """A number."""
    return penalty_value(penalty_sums(w.ravel(), l1, l2), l1, l2, divisor)


def penalty_gradient(elementary, dw, w, l1=0.0, l2=0.0, add=True, divisor=1.0):
    """The new (dw,)."""
    one = dw.dtype.type
    l1, l2 = divided(l1, divisor), divided(l2, divisor)
    dw = dw if add else np.zeros_like(dw)
    if l1 == l2 == 0:
        return (dw,)
    dw = fma(one(2 * l2), w, dw)
    if l1:
        dw = dw + _select(w > 0, one(l1), _select(w < 0, -one(l1), w - w))
    return (dw,)


def norm_constraint_rows(w, min_value, max_value, rate):
    """The factors of rows (N, L), of which each sum runs along L: a lanes sum."""
    e = w.astype(np.float64)
    return _factor(lanes_sum(e * e), min_value, max_value, rate).astype(w.dtype)


def _factor(squares, least, most, rate):
    norm = np.sqrt(squares)
    wanted = _select(norm < least, np.float64(least), norm)
    wanted = _select(wanted > most, np.float64(most), wanted)
    if rate != 1:
        wanted = rate * wanted + (1 - rate) * norm
    return wanted / (1e-7 + norm)


def norm_constraint(elementary, w, min_value=0.0, max_value=math.inf, rate=1.0, axis=0):
    """The new (w,)."""
    axis %= w.ndim
    if axis == w.ndim - 1 or math.prod(w.shape[axis + 1 :]) == 1:
        rows = w.reshape(-1, w.shape[axis])
        return ((rows * norm_constraint_rows(rows, min_value, max_value, rate)).reshape(w.shape),)
    total = 0.0
    for row in np.moveaxis(w, axis, 0):
        e = row.astype(np.float64)
        total = total + e * e
    factor = _factor(total, min_value, max_value, rate).astype(w.dtype)
    return (w * np.expand_dims(factor, axis),)


def non_negative(elementary, w):
    """The new (w,)."""
    return (_select(w <= 0, w.dtype.type(0), w),)
