"""Penalties on weights and constraints of them, in plain NumPy."""

import math

import numpy as np

from nncore.reference._common import Array
from nncore.reference.optimizers import NORM_BLOCK

__all__ = ["batch_weight", "non_negative", "norm_constraint", "penalty", "penalty_gradient", "penalty_sums",
           "penalty_value"]


def batch_weight(rows: Array, sample_weight: Array | None, weight_out: Array) -> None:
    """Write the sum of the weights to `weight_out` (1,), or the number of rows where there are none.

    Examples
    --------
    >>> total = np.empty(1)
    >>> batch_weight(np.zeros((3, 2)), None, total)
    >>> total
    array([3.])
    """
    weight_out[...] = len(rows) if sample_weight is None else sample_weight.sum(dtype=np.float64)


def _divided(factor: float, divisor: float) -> float:
    """``factor / divisor``, and 0 where that is 0: a batch whose rows all weigh nothing."""
    return factor / divisor if divisor else 0.0


def penalty(w: Array, l1: float = 0.0, l2: float = 0.0, divisor: float = 1.0) -> float:
    """``(l1 * sum(abs(w)) + l2 * sum(w**2)) / divisor``, in float64; 0 where the divisor is.

    Examples
    --------
    >>> penalty(np.array([3.0, -4.0]), l1=1.0, l2=0.5)
    19.5
    """
    sums, value = np.empty(2 * -(-w.size // NORM_BLOCK)), np.empty(1)
    penalty_sums(w, sums, l1, l2)
    penalty_value(sums, value, l1, l2, divisor)
    return float(value[0])


def penalty_sums(w: Array, sums_out: Array, l1: float, l2: float) -> None:
    """Write the sum of sizes of each block of 4096 elements, then those of the squares; 0 where nobody wants them.

    Examples
    --------
    >>> sums = np.empty(2)
    >>> penalty_sums(np.array([3.0, -4.0]), sums, l1=1.0, l2=0.5)
    >>> sums
    array([ 7., 25.])
    """
    blocks = [w.ravel()[i : i + NORM_BLOCK].astype(np.float64) for i in range(0, w.size, NORM_BLOCK)]
    sizes = [np.abs(block).sum() if l1 else 0.0 for block in blocks]
    sums_out[...] = [*sizes, *((block * block).sum() if l2 else 0.0 for block in blocks)]


def penalty_value(sums: Array, value_out: Array, l1: float, l2: float, divisor: float = 1.0) -> None:
    """Write the penalty to `value_out` (1,), from the sums of the blocks.

    Examples
    --------
    >>> value = np.empty(1)
    >>> penalty_value(np.array([7.0, 25.0]), value, l1=1.0, l2=0.5)
    >>> value
    array([19.5])
    """
    sizes, squares = np.split(sums, 2)
    value_out[...] = _divided(l1, divisor) * sizes.sum() + _divided(l2, divisor) * squares.sum()


def penalty_gradient(
    dw: Array, w: Array, l1: float = 0.0, l2: float = 0.0, add: bool = True, divisor: float = 1.0
) -> None:
    """Add the gradient of `penalty`: ``dw += (2 * l2 * w + l1 * sign(w)) / divisor``; without `add`, to zero.

    Examples
    --------
    >>> dw = np.zeros(2)
    >>> penalty_gradient(dw, np.array([3.0, -4.0]), l1=1.0, l2=0.5)
    >>> dw
    array([ 4., -5.])
    """
    if not add:
        dw[...] = 0
    l1, l2 = _divided(l1, divisor), _divided(l2, divisor)
    if l1 or l2:
        dw += 2 * l2 * w
        dw += l1 * np.sign(w)


def norm_constraint(
    w: Array, min_value: float = 0.0, max_value: float = math.inf, rate: float = 1.0, axis: int = 0
) -> None:
    """Bring the norms along an axis between two bounds, in place.

    Examples
    --------
    >>> w = np.array([[3.0, 0.3], [4.0, 0.4]])
    >>> norm_constraint(w, max_value=1.0)
    >>> w.round(4)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    norm = np.sqrt(np.square(w, dtype=np.float64).sum(axis=axis, keepdims=True))
    wanted = np.clip(norm, min_value, max_value)
    if rate != 1:
        wanted = rate * wanted + (1 - rate) * norm
    w *= (wanted / (1e-7 + norm)).astype(w.dtype)


def non_negative(w: Array) -> None:
    """Make negative elements 0, in place.

    Examples
    --------
    >>> w = np.array([-1.0, 2.0])
    >>> non_negative(w)
    >>> w
    array([0., 2.])
    """
    w[w <= 0] = 0
