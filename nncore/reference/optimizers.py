"""Optimizer steps in plain NumPy: they change the parameters and their state in place."""

import math

import numpy as np

from nncore.reference._common import Array

__all__ = ["adam_step", "adam_update", "clip_scale", "sgd_update", "square_sums", "sum_of_squares"]


# Elements whose squares are summed together.
NORM_BLOCK = 4096


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
) -> None:
    """One step of stochastic gradient descent, in place in `w` and `velocity`.

    ``g = scale * dw + l2 * w``; then ``w -= learning_rate * weight_decay * w`` (decoupled, as in Keras); then without
    momentum ``w -= learning_rate * g``, and with it ``velocity = momentum * velocity - learning_rate * g``
    and ``w += velocity`` (Nesterov: ``w += momentum * velocity - learning_rate * g``).

    Parameters
    ----------
    w, dw : ndarray, any shape, equal
    velocity : ndarray, same shape, optional
        Goes with a momentum that is not 0.
    learning_rate, momentum : float
    nesterov : bool
    weight_decay, l2, scale : float

    Examples
    --------
    >>> w, velocity = np.array([1.0]), np.array([2.0])
    >>> sgd_update(w, np.array([4.0]), velocity, learning_rate=0.25, momentum=0.5)
    >>> w, velocity
    (array([1.]), array([0.]))
    """
    step = learning_rate * (scale * dw + l2 * w)
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
) -> None:
    """One step of Adam (Kingma and Ba 2015), in place in `w`, `m`, `v` and `v_hat`.

    ``g = scale * dw``; ``w -= learning_rate * weight_decay * w`` (AdamW); ``m`` and ``v`` are running means of g
    and of its square. They start from 0, which the powers ``beta_1**t`` and ``beta_2**t`` make up for: ``w -=
    learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``. With amsgrad the largest v
    so far, ``v_hat``, is in the place of v.

    Parameters
    ----------
    w, dw, m, v : ndarray, any shape, equal
    v_hat : ndarray, same shape, optional
    learning_rate, beta_1, beta_2, epsilon, weight_decay : float
    beta_1_power, beta_2_power : float
    scale : float

    Examples
    --------
    >>> w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam_update(w, np.array([4.0]), m, v, learning_rate=0.25, beta_1=0.5, beta_2=0.75, epsilon=2.0)
    >>> w, m, v
    (array([0.875]), array([2.]), array([4.]))
    """
    g = scale * dw
    w -= learning_rate * weight_decay * w
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (g * g - v)
    _flush(m)
    _flush(v)
    if v_hat is not None:
        np.maximum(v_hat, v, out=v_hat)
        _flush(v_hat)
    alpha = learning_rate * math.sqrt(1 - beta_2_power) / (1 - beta_1_power)
    w -= alpha * (m / (np.sqrt(v if v_hat is None else v_hat) + epsilon))


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


def clip_scale(sums: Array, scale_out: Array, global_clipnorm: float) -> None:
    """Say what gradients are to be multiplied by, so that their norm is at most `global_clipnorm`.

    Parameters
    ----------
    sums : ndarray, float64, shape (N,)
        Sums of squares; the root of their sum is the norm.
    scale_out : ndarray, float64, shape (2,)
        The factor, nan where the norm is not finite, and the sum of all sums.
    global_clipnorm : float

    Examples
    --------
    >>> scale = np.zeros(2)
    >>> clip_scale(np.array([9.0, 16.0]), scale, 2.5)
    >>> scale
    array([ 0.5, 25. ])
    """
    total = float(np.sum(sums))
    norm = math.sqrt(total) if total >= 0 else math.nan
    factor = global_clipnorm / norm if norm > global_clipnorm else 1.0
    scale_out[...] = factor if math.isfinite(norm) else math.nan, total


def _flush(state: Array) -> None:
    """Make state below the smallest normal number 0: arithmetic on such numbers is slow, and they move nothing."""
    state[np.abs(state) < np.finfo(state.dtype).tiny] = 0
