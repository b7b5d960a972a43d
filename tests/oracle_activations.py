"""The exact oracle of the activations of smooth.py, piecewise.py and row_activations.py: part of tests/oracle.py.

Each formula is that of docs/bits.md, one rounding per operation. `elementary` as there.
"""

import numpy as np
from oracle import BATCH_CHUNK, _nan_through, _select, fma, lanes_sum

SELU_SCALE = 1.0507009873554804934193349852946
SELU_SCALE_ALPHA = SELU_SCALE * 1.6732632423543772848170429916717


def _clipped(x, low, high):
    one = x.dtype.type
    return _nan_through(x, _select(x <= low, one(low), _select(x >= high, one(high), x)))


# Elementwise, forward ---------------------------------------------------------------------------------------


def relu6_forward(elementary, x):
    return _clipped(x, 0, 6)


def celu_forward(elementary, x, alpha=1.0):
    alpha = x.dtype.type(alpha)
    return _select(x > 0, x, alpha * elementary.expm1(x / alpha))


def selu_forward(elementary, x):
    one = x.dtype.type
    return _select(x > 0, one(SELU_SCALE) * x, one(SELU_SCALE_ALPHA) * elementary.expm1(x))


def softsign_forward(elementary, x):
    one = x.dtype.type
    return _select(np.isinf(x), _select(x > 0, one(1), one(-1)), x / (one(1) + np.abs(x)))


def hard_tanh_forward(elementary, x):
    return _clipped(x, -1, 1)


def hard_shrink_forward(elementary, x, threshold=0.5):
    one = x.dtype.type
    return _select(np.abs(x) <= one(threshold), one(0), x)


def soft_shrink_forward(elementary, x, threshold=0.5):
    t = x.dtype.type(threshold)
    return _select(np.abs(x) <= t, x.dtype.type(0), _select(x > 0, x - t, x + t))


def log_sigmoid_forward(elementary, x):
    return -elementary.softplus(-x)


def squareplus_forward(elementary, x, b=4.0):
    one = x.dtype.type
    a = np.abs(x)
    r = _select(np.isinf(a * a), a, np.sqrt(fma(a, a, one(b))))
    return _select(x <= 0, one(0), x) + one(0.5 * b) / (r + a)


def sparse_plus_forward(elementary, x):
    one = x.dtype.type
    u = x + one(1)
    return _select(x >= 1, x, _select(x <= -1, one(0), (u * u) * one(0.25)))


def sparse_sigmoid_forward(elementary, x):
    return _clipped(fma(x, x.dtype.type(0.5), x.dtype.type(0.5)), 0, 1)


def gelu_tanh_forward(elementary, x):
    return elementary.gelu_tanh(x)


def mish_forward(elementary, x):
    return elementary.mish(x)


def hard_silu_forward(elementary, x):
    one = x.dtype.type
    t = x + one(3)
    return _select(t <= 0, one(0), _select(t >= 6, x, (x * t) * one(1 / 6)))


def tanh_shrink_forward(elementary, x):
    return elementary.tanh_shrink(x)


def sign_forward(elementary, x):
    one = x.dtype.type
    return _nan_through(x, _select(x > 0, one(1), _select(x < 0, one(-1), one(0))))


def general_relu_forward(elementary, x, negative_slope=0.0, max_value=None, threshold=0.0):
    one = x.dtype.type
    most = one(np.inf if max_value is None else max_value)
    low = one(negative_slope) * (x - one(threshold)) if negative_slope else np.zeros_like(x)
    return _select(x <= one(threshold), low, _select(x >= most, most, x))


def threshold_forward(elementary, x, threshold, default_value):
    one = x.dtype.type
    return _select(x <= one(threshold), one(default_value), x)


# Elementwise, backward --------------------------------------------------------------------------------------


def _where(s, condition, yes):
    """`yes` under a condition on what was saved, else +0; a nan goes through."""
    return _nan_through(s, _select(condition, yes, yes.dtype.type(0)))


def relu6_backward(elementary, dy, y):
    return _where(y, (y > 0) & (y < 6), dy)


def celu_backward(elementary, dy, y, alpha=1.0):
    one = dy.dtype.type
    return _select(y > 0, dy, dy * (y / one(alpha) + one(1)))


def selu_backward(elementary, dy, y):
    one = dy.dtype.type
    return dy * _select(y > 0, one(SELU_SCALE), y + one(SELU_SCALE_ALPHA))


def softsign_backward(elementary, dy, y):
    t = dy.dtype.type(1) - np.abs(y)
    return dy * (t * t)


def hard_tanh_backward(elementary, dy, y):
    return _where(y, (y > -1) & (y < 1), dy)


def hard_shrink_backward(elementary, dy, y):
    return _where(y, y != 0, dy)


def soft_shrink_backward(elementary, dy, y):
    return _where(y, y != 0, dy)


def log_sigmoid_backward(elementary, dy, y):
    return dy * -elementary.expm1(y)


def squareplus_backward(elementary, dy, y, b=4.0):
    one = dy.dtype.type
    return dy / (one(1) + one(0.25 * b) / (y * y))


def sparse_plus_backward(elementary, dy, y):
    return _select(y >= 1, dy, _select(y <= 0, dy.dtype.type(0), dy * np.sqrt(y)))


def sparse_sigmoid_backward(elementary, dy, y):
    return _where(y, (y > 0) & (y < 1), dy * dy.dtype.type(0.5))


def gelu_tanh_backward(elementary, dy, x):
    return dy * elementary.gelu_tanh_grad(x)


def mish_backward(elementary, dy, x):
    return dy * elementary.mish_grad(x)


def hard_silu_backward(elementary, dy, x):
    one = dy.dtype.type
    t = x + one(3)
    return _select(t <= 0, one(0), _select(t >= 6, dy, dy * fma(x, one(1 / 3), one(0.5))))


def tanh_shrink_backward(elementary, dy, x):
    t = elementary.tanh(x)
    return dy * (t * t)


def general_relu_backward(elementary, dy, x, negative_slope=0.0, max_value=None, threshold=0.0):
    one = dy.dtype.type
    most = one(np.inf if max_value is None else max_value)
    low = one(negative_slope) * dy if negative_slope else np.zeros_like(dy)
    return _nan_through(x, _select(x <= one(threshold), low, _select(x >= most, one(0), dy)))


def threshold_backward(elementary, dy, x, threshold):
    return _where(x, x > x.dtype.type(threshold), dy)


# Trained slopes, and whole rows -----------------------------------------------------------------------------


def prelu_forward(elementary, x, alpha):
    return _select(x > 0, x, alpha * x)


def prelu_backward(elementary, dy, x, alpha):
    """A chain per 512 rows for each column; then the columns that a slope serves."""
    dx = _nan_through(x, _select(x > 0, dy, alpha * dy))
    slopes = (1,) * (x.ndim - 1 - alpha.ndim) + alpha.shape
    lead = 0  # axes behind the batch that no slope tells apart: more rows
    while lead < len(slopes) and slopes[lead] == 1:
        lead += 1
    inner = x.shape[1 + lead :]
    dy, x = (a.reshape(-1, *inner) for a in (dy, x))
    total = np.zeros(inner, x.dtype)
    for first in range(0, len(x), BATCH_CHUNK):
        chunk = np.zeros(inner, x.dtype)
        for dy_b, x_b in zip(dy[first : first + BATCH_CHUNK], x[first : first + BATCH_CHUNK], strict=True):
            chunk = _select(x_b > 0, chunk, fma(dy_b, x_b, chunk))
        total = chunk if first == 0 else total + chunk
    # (G, S, C, T): the last run of shared axes in lanes, the one before it in a chain
    own = [s != 1 for s in slopes[lead:]]
    runs = []
    for is_own, n in zip(own, inner, strict=True):
        if n == 1:
            continue
        if runs and runs[-1][0] == is_own:
            runs[-1][1] *= n
        else:
            runs.append([is_own, n])
    sizes = [n for _, n in runs]
    if len(sizes) <= 2:
        sizes = [1, 1, *sizes, *[1] * (2 - len(sizes))]
    g, s, c, t = [*sizes, *[1] * (4 - len(sizes))]
    if s * t == 1:
        return dx, total.reshape(alpha.shape)
    sums = lanes_sum(total.reshape(g * s * c, t)).reshape(g, s, c)
    dalpha = np.zeros((g, c), x.dtype)
    for i in range(s):
        dalpha = dalpha + sums[:, i]
    return dx, dalpha.reshape(alpha.shape)


def sparsemax(elementary, x):
    """Michelot's rounds, row by row."""
    one = x.dtype.type
    y = np.empty_like(x)
    for row, out in zip(x, y, strict=True):
        z = row - row.max()
        before, tau = len(z), (lanes_sum(z[None])[0, 0] - one(1)) / one(len(z))
        while True:
            above = z > tau
            n = int(above.sum())
            if n >= before or n == 0:
                break
            before, tau = n, (lanes_sum(_select(above, z, one(0))[None])[0, 0] - one(1)) / one(n)
        out[...] = _select(z <= tau, one(0), z - tau)
    return y


def sparsemax_backward(elementary, dy, y):
    one = dy.dtype.type
    above = y > 0
    mean = lanes_sum(_select(above, dy, one(0))) / above.sum(axis=1, keepdims=True).astype(dy.dtype)
    return _where(y, above, dy - mean)


def glu_forward(elementary, x):
    a, b = np.split(x, 2, axis=1)
    return a * elementary.sigmoid(np.ascontiguousarray(b))


def glu_backward(elementary, dy, x):
    a, b = np.split(x, 2, axis=1)
    s = elementary.sigmoid(np.ascontiguousarray(b))
    return np.concatenate([dy * s, (dy * a) * (s * (dy.dtype.type(1) - s))], axis=1)


def move_axis_forward(elementary, x, axis=1):
    return np.ascontiguousarray(np.moveaxis(x, axis, -1))


def move_axis_backward(elementary, dy, axis=1):
    return np.ascontiguousarray(np.moveaxis(dy, -1, axis))
