"""Optimizer steps in plain NumPy: they change the parameters and their state in place."""

import numpy as np

from nncore.reference._common import Array

__all__ = ["sgd_update"]


def sgd_update(
    w: Array,
    dw: Array,
    velocity: Array | None = None,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l2: float = 0.0,
) -> None:
    """One step of stochastic gradient descent, in place in `w` and `velocity`.

    ``g = dw + l2 * w``; then ``w -= learning_rate * weight_decay * w`` (decoupled, as in Keras); then without
    momentum ``w -= learning_rate * g``, and with it ``velocity = momentum * velocity - learning_rate * g``
    and ``w += velocity`` (Nesterov: ``w += momentum * velocity - learning_rate * g``).

    Parameters
    ----------
    w, dw : ndarray, any shape, equal
    velocity : ndarray, same shape, optional
        Goes with a momentum that is not 0.
    learning_rate, momentum : float
    nesterov : bool
    weight_decay, l2 : float

    Examples
    --------
    >>> w, velocity = np.array([1.0]), np.array([2.0])
    >>> sgd_update(w, np.array([4.0]), velocity, learning_rate=0.25, momentum=0.5)
    >>> w, velocity
    (array([1.]), array([0.]))
    """
    step = learning_rate * (dw + l2 * w)
    w -= learning_rate * weight_decay * w
    if momentum == 0:
        w -= step
        return
    assert velocity is not None
    velocity *= momentum
    velocity -= step
    # State below the smallest normal number becomes 0: arithmetic on such numbers is slow, and they move
    # nothing.
    velocity[np.abs(velocity) < np.finfo(velocity.dtype).tiny] = 0
    w += momentum * velocity - step if nesterov else velocity
