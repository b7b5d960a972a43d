"""The exact oracle: the formulas of docs/bits.md, one rounding per operation, in the documented order.

`nncore.reference` says what a kernel computes; this module says which bits come out. It shares no code with
either.

A. A float32 FMA is emulated in float64 (round to odd), a float64 one is the C library's `fma`, called per
   element.
B. exp, log and their like come from the core's own scalar forms, through the parameter `elementary`: an
   object with the functions exp, expm1, log, log1p, tanh, sigmoid, softplus, gelu, gelu_grad, silu, silu_grad
   of an array. How good these are is another test's business (test_accuracy.py).
C. Every function takes arrays of one dtype and returns new ones.
"""

import ctypes
import ctypes.util
import math

import numpy as np

BATCH_CHUNK = 512  # rows that one chain of dense_backward_params sums
NORM_BLOCK = 4096  # elements of a gradient whose squares one lanes sum adds

_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.fma.argtypes = [ctypes.c_double] * 3
_libm.fma.restype = ctypes.c_double
_fma64 = np.frompyfunc(_libm.fma, 3, 1)


def fma(a, b, c):
    """``a * b + c`` with one rounding, in the arrays' dtype."""
    a, b, c = np.broadcast_arrays(a, b, c)
    if a.dtype == np.float64:
        return np.asarray(_fma64(a, b, c), np.float64)
    a, b, c = (v.astype(np.float64) for v in (a, b, c))
    with np.errstate(all="ignore"):
        product = a * b  # 24 + 24 bits fit into 53: exact
        total = product + c
        # TwoSum (Knuth): total + error is the exact sum
        shadow = total - product
        error = (product - (total - shadow)) + (c - shadow)
        # Round to odd: of the two neighbours of an inexact sum take the one whose last bit is 1. A second
        # rounding to p bits is then as good as a single one while 53 >= p + 2: it never meets a false tie.
        even = (np.ascontiguousarray(total).view(np.int64) & 1) == 0
        fix = np.isfinite(total) & (error != 0) & even
        odd = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
        return np.where(fix, odd, total).astype(np.float32)


def lanes_sum(a):
    """Sum over the last axis (kept, length 1): 64 bytes of virtual lanes, ascending, then a halving tree."""
    lanes = 64 // a.itemsize
    rows, n = a.shape
    padded = -(-n // lanes) * lanes
    # a missing element adds nothing; -0 is the number that does so whatever it is added to
    blocks = np.full((rows, padded), -0.0, a.dtype)
    blocks[:, :n] = a
    lane = np.zeros((rows, lanes), a.dtype)
    for block in np.split(blocks, padded // lanes, axis=1) if padded else ():
        lane = lane + block
    while lane.shape[1] > 1:
        half = lane.shape[1] // 2
        lane = lane[:, :half] + lane[:, half:]
    return lane


def mean_over_batch(rows):
    """The loss: the rows' sum in float64 over 8 lanes, divided by their number."""
    return float(lanes_sum(rows.astype(np.float64)[None, :])[0, 0] / len(rows))


# Activations ------------------------------------------------------------------------------------------------


def _select(condition, yes, no):
    return np.where(condition, yes, no).astype(np.result_type(yes), copy=False)


def _nan_through(source, value):
    return np.where(np.isnan(source), source, value)


def _relu(x):
    return _select((x > 0) | np.isnan(x), x, x.dtype.type(0))


def activate(name, x, elementary, alpha=None):
    """The forward formula of an activation."""
    one = x.dtype.type
    match name:
        case "linear" | "identity":
            return x.copy()
        case "relu":
            return _relu(x)
        case "leaky_relu":
            return _select(x > 0, x, one(0.2 if alpha is None else alpha) * x)
        case "elu":
            return _select(x > 0, x, one(1.0 if alpha is None else alpha) * elementary.expm1(x))
        case "hard_sigmoid":
            y = fma(x, one(1 / 6), one(0.5))
            return _nan_through(y, _select(y <= 0, one(0), _select(y >= 1, one(1), y)))
        case "exponential":
            return elementary.exp(x)
        case _ if f"{name}_forward" in globals():  # of tests/oracle_activations.py
            return globals()[f"{name}_forward"](elementary, x, *(() if alpha is None else (alpha,)))
        case _:
            return getattr(elementary, name)(x)


def activate_backward(name, dy, s, elementary, alpha=None):
    """The backward formula of an activation; s is x for gelu and silu, y for the others."""
    one = dy.dtype.type
    match name:
        case "identity":
            return dy.copy()
        case "sigmoid":
            return dy * (s * (one(1) - s))
        case "tanh":
            return dy * fma(-s, s, one(1))
        case "relu":
            return _nan_through(s, _select(s > 0, dy, one(0)))
        case "leaky_relu":
            return _nan_through(s, _select(s > 0, dy, one(0.2 if alpha is None else alpha) * dy))
        case "elu":
            return _select(s > 0, dy, dy * (s + one(1.0 if alpha is None else alpha)))
        case "exponential":
            return dy * s
        case "hard_sigmoid":
            return _nan_through(s, _select((s > 0) & (s < 1), dy * one(1 / 6), one(0)))
        case "softplus":
            return dy * -elementary.expm1(-s)
        case "gelu":
            return dy * elementary.gelu_grad(s)
        case "silu":
            return dy * elementary.silu_grad(s)
    raise ValueError(name)


def bias_activation_forward(elementary, x, b, activation="linear", alpha=None):
    """Bias first, then the activation."""
    return activate(activation, x + b, elementary, alpha)


# Dense ------------------------------------------------------------------------------------------------------


def _chain(a, b, start):
    """``start + a @ b``, each element one chain of FMAs over ascending k."""
    total = start
    for k in range(a.shape[1]):
        total = fma(a[:, k, None], b[None, k, :], total)
    return total


def dense_forward(elementary, x, w, b=None, activation="linear", alpha=None):
    """The chain starts from the bias."""
    start = np.zeros((len(x), w.shape[1]), x.dtype)
    if b is not None:
        start += b
    return activate(activation, _chain(x, w, start), elementary, alpha)


def dense_backward_input(elementary, dy, w):
    """One chain over the outputs."""
    return _chain(dy, w.T, np.zeros((len(dy), len(w)), dy.dtype))


def dense_backward_params(elementary, x, dy):
    """A chain per 512 rows of the batch; the chunks are then added in order."""
    dw = db = None
    for first in range(0, max(len(x), 1), BATCH_CHUNK):
        rows = slice(first, first + BATCH_CHUNK)
        chunk_w = _chain(x[rows].T, dy[rows], np.zeros((x.shape[1], dy.shape[1]), x.dtype))
        chunk_b = np.zeros(dy.shape[1], dy.dtype)
        for row in dy[rows]:
            chunk_b = chunk_b + row
        dw, db = (chunk_w, chunk_b) if dw is None else (dw + chunk_w, db + chunk_b)
    return dw, db


# Softmax ----------------------------------------------------------------------------------------------------


def _shifted(x):
    # np.max hands a nan on; every element of its row then becomes one
    return x - x.max(axis=1, keepdims=True)


def softmax(elementary, x):
    """Exponentials times the rounded reciprocal of their sum."""
    e = elementary.exp(_shifted(x))
    return e * (x.dtype.type(1) / lanes_sum(e))


def log_softmax(elementary, x):
    """The shifted logits minus the logarithm of the sum."""
    d = _shifted(x)
    return d - elementary.log(lanes_sum(elementary.exp(d)))


def softmax_backward(elementary, dy, y):
    """dx = y (dy - sum(dy y))."""
    return y * (dy - lanes_sum(dy * y))


def log_softmax_backward(elementary, dy, y):
    """dx = fma(-exp(y), sum(dy), dy)."""
    return fma(-elementary.exp(y), lanes_sum(dy), dy)


# Losses: each returns (rows, loss, gradient) ----------------------------------------------------------------


def _weights(n, sample_weight, one):
    """What multiplies the rows (None: nothing), and the gradient (B, 1)."""
    if sample_weight is None:
        return None, np.full((n, 1), one(1) / one(n))
    return sample_weight, (sample_weight / one(n))[:, None]


def _finish(values, weight, gradient):
    rows = values if weight is None else weight * values
    return rows, mean_over_batch(rows), gradient


def _smooth(t, label_smoothing, classes):
    if label_smoothing == 0:
        return t
    one = t.dtype.type
    return fma(t, one(1 - label_smoothing), one(label_smoothing / classes))


def softmax_cross_entropy(elementary, logits, target, sample_weight=None, label_smoothing=0.0):
    """Integer targets (B,) or float targets (B, C)."""
    one = logits.dtype.type
    weight, g = _weights(len(logits), sample_weight, one)
    d = _shifted(logits)
    e = elementary.exp(d)
    s = lanes_sum(e)
    p = e * (one(1) / s)
    log_s = elementary.log(s)
    if target.ndim == 1 and label_smoothing == 0:
        index = np.arange(len(target)), target
        values = log_s[:, 0] - d[index]
        hit = np.zeros_like(p)
        hit[index] = 1
        return _finish(values, weight, (p - hit) * g)
    t = _smooth(_one_hot(target, logits.shape[1]).astype(logits.dtype), label_smoothing, logits.shape[1])
    values = lanes_sum(_select(t == 0, one(0), t * (log_s - d)))[:, 0]
    return _finish(values, weight, fma(lanes_sum(t), p, -t) * g)


def sigmoid_binary_cross_entropy(elementary, logits, target, sample_weight=None, label_smoothing=0.0):
    """The form that cannot overflow; the mean is a product with 1 / O."""
    one = logits.dtype.type
    z, t = logits, _smooth(target.astype(logits.dtype), label_smoothing, 2)
    weight, g = _weights(len(z), sample_weight, one)
    share = one(1) / one(z.shape[1])
    a = fma(-z, t, _relu(z)) + elementary.log1p(elementary.exp(-np.abs(z)))
    return _finish(lanes_sum(a)[:, 0] * share, weight, (elementary.sigmoid(z) - t) * (g * share))


def _clip(p):
    low, high = p.dtype.type(1e-7), p.dtype.type(1 - 1e-7)
    q = _select(p < low, low, _select(p > high, high, p))
    return q, ~((p < low) | (p > high))


def _one_hot(target, classes):
    return target if target.ndim == 2 else np.arange(classes) == target[:, None]


def categorical_cross_entropy(elementary, y_pred, target, sample_weight=None, label_smoothing=0.0):
    """Probabilities, divided by their row's sum and clipped."""
    one = y_pred.dtype.type
    t = _smooth(_one_hot(target, y_pred.shape[1]).astype(y_pred.dtype), label_smoothing, y_pred.shape[1])
    weight, g = _weights(len(t), sample_weight, one)
    inverse = one(1) / lanes_sum(y_pred)
    u = y_pred * inverse
    q, inside = _clip(u)
    values = lanes_sum(_select(t == 0, one(0), -t * elementary.log(q)))[:, 0]
    v = _select(inside, t / q, one(0))
    return _finish(values, weight, (lanes_sum(v * u) - v) * inverse * g)


def binary_cross_entropy(elementary, y_pred, target, sample_weight=None, label_smoothing=0.0):
    """Probabilities, clipped."""
    one = y_pred.dtype.type
    t = _smooth(target.astype(y_pred.dtype), label_smoothing, 2)
    weight, g = _weights(len(t), sample_weight, one)
    share = one(1) / one(t.shape[1])
    q, inside = _clip(y_pred)
    a = fma(-t, elementary.log(q), -((one(1) - t) * elementary.log1p(-q)))
    gradient = _select(inside, (q - t) / (q * (one(1) - q)) * (g * share), one(0))
    return _finish(lanes_sum(a)[:, 0] * share, weight, gradient)


def mean_squared_error(elementary, y_pred, target, sample_weight=None):
    """The mean is a product with 1 / O."""
    one = y_pred.dtype.type
    d = y_pred - target.astype(y_pred.dtype)
    weight, g = _weights(len(d), sample_weight, one)
    share = one(1) / one(d.shape[1])
    return _finish(lanes_sum(d * d)[:, 0] * share, weight, (d + d) * (g * share))


# Norms of gradients -------------------------------------------------------------------------------------------


def as_kept(value):
    """The elements of a matrix in the order of its storage: panels of three cache lines of columns.

    The last panel has two lines; where one would be left, the last two have two each. Columns are padded with
    zeros to whole lines, and each panel is row after row. A vector or a single column is kept as it is.
    """
    if value.ndim == 1 or value.shape[1] == 1:
        return value.ravel()
    line = 64 // value.itemsize
    lines = -(-value.shape[1] // line)
    whole = np.zeros((len(value), lines * line), value.dtype)
    whole[:, : value.shape[1]] = value
    ends = {0: [], 1: [2, 2], 2: [2]}[lines % 3]  # lines of the panels behind those of three
    if lines == 1:
        ends = [1]
    cuts = np.cumsum([*[3] * ((lines - sum(ends)) // 3), *ends])[:-1] * line
    return np.concatenate([panel.ravel() for panel in np.split(whole, cuts, axis=1)])


def square_sums(flat):
    """A lanes sum in float64 for each block of 4096 elements."""
    sums = []
    for first in range(0, flat.size, NORM_BLOCK):
        e = flat[None, first : first + NORM_BLOCK].astype(np.float64)
        sums.append(float(lanes_sum(e * e)[0, 0]))
    return np.array(sums)


def clip_scale(sums, clip):
    """What gradients are multiplied by, and the total."""
    total = 0.0
    for value in sums:
        total += float(value)
    norm = math.sqrt(total)
    return np.array([clip / norm if norm > clip else 1.0 if math.isfinite(norm) else math.nan, total])


def sum_of_squares(elementary, x):
    """Blocks of 4096 elements, each a lanes sum in float64; the sums are added in order."""
    total = 0.0
    for value in square_sums(x.ravel()):
        total += float(value)
    return total


from oracle_activations import *  # noqa: E402, F403 - which takes its arithmetic from here
from oracle_embedding import *  # noqa: E402, F403
from oracle_losses import *  # noqa: E402, F403  - it wants what is above
from oracle_merging import *  # noqa: E402, F403
from oracle_metrics import *  # noqa: E402, F403
from oracle_noise import *  # noqa: E402, F403
from oracle_normalization import *  # noqa: E402, F403
from oracle_optimizers import *  # noqa: E402, F403
