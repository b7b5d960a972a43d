"""The exact oracle for merging layers and factorization machines: see oracle.py, which imports this."""

import numpy as np
from oracle import BATCH_CHUNK, fma, lanes_sum


def add_forward(elementary, **inputs):
    """From left to right."""
    total, *others = inputs.values()
    for other in others:
        total = total + other
    return total.copy()


gradient_sum = add_forward


def subtract_forward(elementary, **inputs):
    """The first minus the second."""
    first, second = inputs.values()
    return first - second


def multiply_forward(elementary, **inputs):
    """From left to right."""
    total, *others = inputs.values()
    for other in others:
        total = total * other
    return total.copy()


def _extremum(better, inputs):
    best, *others = inputs.values()
    for other in others:
        best = np.where(better(other, best) | np.isnan(other), other, best)
    return best.copy()


def maximum_forward(elementary, **inputs):
    """A later one only where it is larger, or nan."""
    return _extremum(np.greater, inputs)


def minimum_forward(elementary, **inputs):
    """A later one only where it is smaller, or nan."""
    return _extremum(np.less, inputs)


def extremum_backward(elementary, dy, y, **inputs):
    """The first of equal ones gets the gradient."""
    *before, last = inputs.values()
    dx = np.where(last == y, dy, dy.dtype.type(0))
    for other in before:
        dx = np.where(other == y, dy.dtype.type(0), dx)
    return np.where(np.isnan(y), y, dx)


def scale_forward(elementary, x, scale=1.0):
    """One product."""
    return x.dtype.type(scale) * x


def concatenate_forward(elementary, axis=-1, **inputs):
    """No arithmetic."""
    return np.concatenate(list(inputs.values()), axis)


def concatenate_backward(elementary, dy, axis=-1, start=0, size=1):
    """No arithmetic."""
    return np.moveaxis(np.moveaxis(dy, axis, 0)[start : start + size], 0, axis)


def reshape_forward(elementary, x, shape=None):
    """No arithmetic."""
    return x.reshape(len(x), *((-1,) if shape is None else shape))


def repeat_forward(elementary, x, axis=-1, repeats=2):
    """No arithmetic."""
    return np.concatenate([x] * repeats, axis)


def sum_forward(elementary, x, axis=-1):
    """A chain, or where nothing lies behind the axis a lanes sum."""
    axis = axis % x.ndim
    if np.prod(x.shape[axis + 1 :]) == 1:
        return lanes_sum(x.reshape(-1, x.shape[axis])).reshape(*x.shape[:axis], 1, *x.shape[axis + 1 :])
    total = np.zeros_like(np.take(x, [0], axis))
    for i in range(x.shape[axis]):
        total = total + np.take(x, [i], axis)
    return total


def factorization_machine_forward(elementary, x, v):
    """For each factor a chain of products with the partial sum before; then the factors in order."""
    zero = np.zeros((len(x), v.shape[1]), x.dtype)
    s, pairs = zero, zero
    for i in range(x.shape[1]):
        t = x[:, i, None] * v[i]
        pairs = fma(s, t, pairs)
        s = s + t
    y = np.zeros((len(x), 1), x.dtype)
    for f in range(v.shape[1]):
        y = y + pairs[:, f, None]
    return y, s


def factorization_machine_backward_input(elementary, dy, x, v, s):
    """A chain over the factors."""
    total = np.zeros_like(x)
    for f in range(v.shape[1]):
        total = fma(v[:, f], fma(-v[:, f], x, s[:, f, None]), total)
    return dy * total


def factorization_machine_backward_params(elementary, dy, x, v, s):
    """A chain per 512 rows of the batch; the chunks are then added in order."""
    dv = None
    for first in range(0, max(len(x), 1), BATCH_CHUNK):
        chunk = np.zeros_like(v)
        for b in range(first, min(first + BATCH_CHUNK, len(x))):
            others = fma(-v, x[b, :, None], s[b])
            chunk = fma((dy[b] * x[b])[:, None], others, chunk)
        dv = chunk if dv is None else dv + chunk
    return dv


def fm_interaction_forward(elementary, x):
    """For each factor a chain of products with the partial sum before; then a lanes sum over the factors."""
    s = pairs = np.zeros_like(x[:, 0])
    for i in range(x.shape[1]):
        pairs = fma(s, x[:, i], pairs)
        s = s + x[:, i]
    return lanes_sum(pairs)


def fm_interaction_backward(elementary, dy, x):
    """The fields before in ascending order, those after in descending order."""
    dx, before, after = np.empty_like(x), np.zeros_like(x[:, 0]), np.zeros_like(x)
    for i in range(x.shape[1] - 2, -1, -1):
        after[:, i] = after[:, i + 1] + x[:, i + 1]
    for i in range(x.shape[1]):
        dx[:, i] = dy * (before + after[:, i])
        before = before + x[:, i]
    return dx
