"""Updates of parameters, in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array, arrays, described, run

__all__ = ["sgd_update"]


def sgd_update(
    w: Array,
    dw: ArrayLike,
    velocity: Array | None = None,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step of stochastic gradient descent, in place, in this order.

    ``g = dw + l2 * w``; ``w -= learning_rate * weight_decay * w``; then without momentum ``w -= learning_rate
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
    for name, array in (("w", w), ("velocity", velocity)):
        if array is None and name == "velocity":
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
    rate, m, decay, penalty = (_checks.real(value, where, name) for name, value in (
        ("learning_rate", learning_rate), ("momentum", momentum), ("weight_decay", weight_decay), ("l2", l2)))
    nesterov = _checks.boolean(nesterov, where, "nesterov")
    if (velocity is None) != (m == 0):
        raise ValueError(f"{where}: velocity goes with momentum: momentum is {m:g} and velocity is "
                         f"{'missing' if velocity is None else 'given'}")
    w, gradient = arrays(where, w=(w, None), dw=(dw, None))
    if gradient.shape != w.shape:
        raise ValueError(f"{where}: w has shape {w.shape} but dw has shape {gradient.shape}")
    if velocity is not None:
        if velocity.shape != w.shape or velocity.dtype != w.dtype:
            raise ValueError(
                f"{where}: velocity must be a {w.dtype} array of shape {w.shape}, got {described(velocity)}"
            )
        if np.may_share_memory(w, velocity):
            raise ValueError(f"{where}: w and velocity share memory")
    if np.may_share_memory(gradient, w) or (velocity is not None and np.may_share_memory(gradient, velocity)):
        gradient = gradient.copy()
    run(
        where,
        1,
        (w, gradient, velocity),
        (w.size,),
        (rate, m, float(nesterov), decay, penalty),
        dtype=w.dtype,
    )
