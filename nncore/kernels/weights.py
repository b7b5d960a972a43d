"""Penalties on weights and constraints of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import Array, arrays, run
from nncore.kernels.optimizers import check_in_place

__all__ = ["non_negative", "norm_constraint", "penalty", "penalty_gradient"]


def penalty(w: ArrayLike, l1: float = 0.0, l2: float = 0.0, divisor: float = 1.0) -> float:
    """``(l1 * sum(abs(w)) + l2 * sum(w**2)) / divisor``, in float64; 0 where the divisor is.

    This is Keras's form. That of the textbooks, ``theta / 2 * sum(w**2)``, is the one with ``l2 = theta / 2``.

    Parameters
    ----------
    w : array_like, any shape
        Weights.
    l1, l2 : float
        Factors; not negative.
    divisor : float
        What both are divided by, such as the number of rows in a batch; not negative.

    Returns
    -------
    float

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.penalty([[3.0, -4.0]], l1=1.0, l2=0.5)
    19.5
    """
    where = "penalty"
    factors, shared = _factors(where, l1, l2, divisor)
    (w,) = arrays(where, w=(w, None))
    blocks = -(-w.size // core.SQUARES_BLOCK)
    sums, value = np.empty(2 * blocks), np.empty(1)
    run("penalty_sums", 1, (w, sums), (w.size,), factors, dtype=w.dtype)
    run("penalty_value", 1, (sums, shared, value), (blocks,), factors, dtype=sums.dtype)
    return float(value[0])


def penalty_gradient(
    dw: Array, w: ArrayLike, l1: float = 0.0, l2: float = 0.0, add: bool = True, divisor: float = 1.0
) -> None:
    """Add the gradient of `penalty` to dw, in place: ``dw += (2 * l2 * w + l1 * sign(w)) / divisor``, with sign(0) = 0.

    Parameters
    ----------
    dw : ndarray, any shape
        A gradient: writable C-contiguous float32 or float64.
    w : array_like of dw's shape
        The weights.
    l1, l2 : float
        Factors; not negative.
    add : bool
        Whether what is in dw counts; else it is overwritten.
    divisor : float
        What both factors are divided by, such as the number of rows in a batch; not negative. 0 adds nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> dw = np.zeros(3)
    >>> nn.kernels.penalty_gradient(dw, [3.0, 0.0, -4.0], l1=1.0, l2=0.5)
    >>> dw
    array([ 4.,  0., -5.])
    """
    where = "penalty_gradient"
    factors, shared = _factors(where, l1, l2, divisor)
    add = _checks.boolean(add, where, "add")
    if core.updatable((dw,), w):
        run(where, 1, (dw, w, shared), (dw.size, add), factors, dtype=dw.dtype)
        return
    check_in_place(where, {"dw": dw})
    dw, w = arrays(where, dw=(dw, None), w=(w, None))
    if w.shape != dw.shape:
        raise ValueError(f"{where}: dw has shape {dw.shape} but w has shape {w.shape}")
    if np.may_share_memory(w, dw):
        w = w.copy()
    run(where, 1, (dw, w, shared), (dw.size, add), factors, dtype=dw.dtype)


def _factors(where: str, l1: float, l2: float, divisor: float) -> tuple[tuple[float, ...], Array | None]:
    """Return the factors of a penalty, and what they are divided by unless that is 1."""
    given = (("l1", l1), ("l2", l2), ("divisor", divisor))
    *factors, divisor = (_checks.real(value, where, name, low=0.0) for name, value in given)
    return tuple(factors), None if divisor == 1 else np.array([divisor])


def norm_constraint(
    w: Array, min_value: float = 0.0, max_value: float = math.inf, rate: float = 1.0, axis: int = 0
) -> None:
    """Bring the norms of vectors along an axis between two bounds, in place.

    ``w *= wanted / (1e-7 + norm)`` with ``wanted = rate * clip(norm, min_value, max_value) + (1 - rate) * norm``; the
    small number is Keras's.

    Parameters
    ----------
    w : ndarray, at least one dimension
        Weights: writable C-contiguous float32 or float64.
    min_value, max_value : float
        Bounds of the norm; not negative. Equal ones give all vectors that norm.
    rate : float
        How much of the way there is gone at once, in [0, 1].
    axis : int
        The axis that vectors lie along: 0 for the inputs of each unit of a matrix (in, out).

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w = np.array([[3.0, 0.3], [4.0, 0.4]])
    >>> nn.kernels.norm_constraint(w, max_value=1.0)
    >>> w.round(4)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    where = "norm_constraint"
    least = _checks.real(min_value, where, "min_value", low=0.0)
    most = math.inf if max_value == math.inf else _checks.real(max_value, where, "max_value", low=0.0)
    if least > most:
        raise ValueError(f"{where}: min_value must not be larger than max_value, got {least:g} and {most:g}")
    rate = _checks.real(rate, where, "rate", low=0.0, high=1.0)
    check_in_place(where, {"w": w})
    if w.ndim == 0:
        raise ValueError(f"{where}: w must have at least one dimension, got shape ()")
    axis = _checks.integer(axis, where, "axis", low=-w.ndim, high=w.ndim - 1) % w.ndim
    sizes = (math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :]))
    run(where, 1, (w,), (*sizes, 0), (least, most, rate), dtype=w.dtype)


def non_negative(w: Array) -> None:
    """Make negative elements 0, in place.

    Parameters
    ----------
    w : ndarray, any shape
        Weights: writable C-contiguous float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> w = np.array([-1.0, 2.0])
    >>> nn.kernels.non_negative(w)
    >>> w
    array([0., 2.])
    """
    where = "non_negative"
    check_in_place(where, {"w": w})
    run(where, 1, (w,), (w.size,), dtype=w.dtype)
