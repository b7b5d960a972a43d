"""Updates of parameters, in place."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import Array, arrays, described, run

__all__ = ["adam_update", "sgd_update", "sum_of_squares"]


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
) -> None:
    """One step of stochastic gradient descent, in place, in this order.

    ``g = scale * dw + l2 * w``; ``w -= learning_rate * weight_decay * w``; then without momentum ``w -= learning_rate
    * g``, with it ``velocity = momentum * velocity - learning_rate * g; w += velocity``, or with Nesterov's
    look ahead ``w += momentum * velocity - learning_rate * g``. Velocities below the smallest normal number
    become +0.

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
    weight_decay : float
        Decay apart from the gradient (Loshchilov and Hutter 2019), as in Keras.
    l2 : float
        Factor of w in the gradient: that of the penalty ``l2 / 2 * sum(w**2)``.
    scale : float
        What dw is multiplied by: ``clip / norm`` where the norm of all gradients is to be clipped.

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
    rate, m, decay, penalty, factor = (_checks.real(value, where, name) for name, value in (
        ("learning_rate", learning_rate), ("momentum", momentum), ("weight_decay", weight_decay), ("l2", l2),
        ("scale", scale)))
    nesterov = _checks.boolean(nesterov, where, "nesterov")
    state = {} if velocity is None else {"velocity": velocity}
    gradient = _operands(where, w, dw, state)
    if (velocity is None) != (m == 0):
        raise ValueError(f"{where}: velocity goes with momentum: momentum is {m:g} and velocity is "
                         f"{'missing' if velocity is None else 'given'}")
    factors = None if factor == 1 else np.array([factor])
    run(
        where,
        1,
        (w, gradient, velocity, None, None, None, factors),
        (w.size,),
        (rate, m, float(nesterov), decay, penalty),
        dtype=w.dtype,
    )


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
) -> None:
    """One step of Adam, in place, in this order.

    ``g = scale * dw``; ``w -= learning_rate * weight_decay * w``; ``m += (1 - beta_1) * (g - m)``; ``v += (1 -
    beta_2) * (g**2 - v)``; with amsgrad ``v_hat = max(v_hat, v)``; ``w -= alpha * m / (sqrt(v) + epsilon)``, v_hat
    in the place of v where it is given, with ``alpha = learning_rate * sqrt(1 - beta_2_power) / (1 -
    beta_1_power)``. State below the smallest normal number becomes +0.

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", with epsilon where Keras has it (their
    "epsilon hat"); decay as in Loshchilov and Hutter 2019, "Decoupled weight decay regularization"; v_hat as in
    Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond".

    Parameters
    ----------
    w : ndarray, any shape
        Parameters: writable C-contiguous float32 or float64.
    dw : array_like of w's shape
        Their gradient.
    m, v : ndarray of w's shape and dtype
        Running means of the gradient and of its square: 0 before the first step.
    v_hat : ndarray of w's shape and dtype, optional
        The largest v so far: with it the step is that of amsgrad.
    learning_rate : float
        The step's size.
    beta_1, beta_2 : float
        How much of m and v is kept: at least 0 and less than 1.
    epsilon : float
        Keeps the divisor from 0; positive.
    weight_decay : float
        Decay apart from the gradient, as in Keras: AdamW.
    beta_1_power, beta_2_power : float
        ``beta_1**t`` and ``beta_2**t`` in step t = 1, 2 ..., from 0 to less than 1. They correct the bias of m
        and v, which start from 0; by default nothing is corrected.
    scale : float
        What dw is multiplied by: ``clip / norm`` where the norm of all gradients is to be clipped.

    Raises
    ------
    ValueError
        When w or the state cannot be updated in place, shapes differ, or a number is out of its range.

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
    rate, decay, factor = (_checks.real(value, where, name) for name, value in (
        ("learning_rate", learning_rate), ("weight_decay", weight_decay), ("scale", scale)))
    beta_1, beta_2, *powers = (_checks.fraction(value, where, name) for name, value in (
        ("beta_1", beta_1), ("beta_2", beta_2), ("beta_1_power", beta_1_power), ("beta_2_power", beta_2_power)))
    epsilon = _checks.positive(epsilon, where, "epsilon")
    state = {"m": m, "v": v} if v_hat is None else {"m": m, "v": v, "v_hat": v_hat}
    gradient = _operands(where, w, dw, state)
    factors = None if factor == 1 else np.array([factor])
    run(
        where,
        1,
        (w, gradient, m, v, v_hat, np.array(powers), factors),
        (w.size,),
        (rate, beta_1, beta_2, epsilon, decay),
        dtype=w.dtype,
    )


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


def _operands(where: str, w: Array, dw: ArrayLike, state: dict[str, Array]) -> Array:
    """Check what is updated in place, and return the gradient, apart from all that."""
    changed = {"w": w, **state}
    for name, array in changed.items():
        if (
            not isinstance(array, np.ndarray)
            or array.dtype not in (np.float32, np.float64)
            or not array.flags.carray
        ):
            raise ValueError(
                f"{where}: {name} is updated in place and must be a writable C-contiguous float32 or float64 "
                f"array, got {described(array)}"
            )
    w, gradient = arrays(where, w=(w, None), dw=(dw, None))
    if gradient.shape != w.shape:
        raise ValueError(f"{where}: w has shape {w.shape} but dw has shape {gradient.shape}")
    for name, array in state.items():
        if array.shape != w.shape or array.dtype != w.dtype:
            raise ValueError(
                f"{where}: {name} must be a {w.dtype} array of shape {w.shape}, got {described(array)}"
            )
    for (name, array), (other, another) in combinations(changed.items(), 2):
        if np.may_share_memory(array, another):
            raise ValueError(f"{where}: {name} and {other} share memory")
    if any(np.may_share_memory(gradient, array) for array in changed.values()):
        return gradient.copy()
    return gradient
