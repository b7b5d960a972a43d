"""The exact oracle of normalization: the formulas of docs/bits.md, one rounding per operation."""

import numpy as np
from oracle import BATCH_CHUNK, activate, fma, lanes_sum

__all__ = [
    "batch_normalization",
    "batch_normalization_backward",
    "batch_normalization_backward_params",
    "batch_normalization_forward",
    "layer_normalization_backward_input",
    "layer_normalization_backward_params",
    "layer_normalization_forward",
    "normalization_forward",
    "rescaling_forward",
    "rms_normalization_backward_input",
    "rms_normalization_backward_params",
    "rms_normalization_forward",
]


def _chains(rows, factors):
    """For each column the sum of `rows` and of their products with `factors`: chains of 512 rows, then their sum."""
    total = products = np.zeros(rows.shape[1], rows.dtype)
    for first in range(0, len(rows), BATCH_CHUNK):
        s = q = np.zeros(rows.shape[1], rows.dtype)
        for row, factor in zip(rows[first : first + BATCH_CHUNK], factors[first : first + BATCH_CHUNK], strict=True):
            s, q = s + row, fma(row, factor, q)
        total, products = total + s, products + q
    return total, products


def _inverse(variance, epsilon, dtype):
    return (1.0 / np.sqrt(variance + epsilon)).astype(dtype)


def _vector(a, default, like):
    return np.full(like.shape[1], default, like.dtype) if a is None else a


def batch_normalization_forward(elementary, x, moving_mean, moving_variance, gamma=None, beta=None, momentum=0.99,
                                epsilon=0.001, activation="linear", alpha=None):
    """(y, mean, inverse, moving_mean, moving_variance)."""
    first = x[0].astype(np.float64)
    d = x.astype(np.float64) - first
    s, q = _chains(d, d)
    n = np.float64(len(x))
    a = s / n
    mean, variance = first + a, fma(-s, a, q) / n
    y, inverse = _normalized(elementary, x, mean.astype(x.dtype), variance, gamma, beta, epsilon, activation, alpha)
    moving = (fma(np.float64(1 - momentum), moment, np.float64(momentum) * old.astype(np.float64)).astype(x.dtype)
              for moment, old in ((mean, moving_mean), (variance, moving_variance)))
    return y, mean.astype(x.dtype), inverse, *moving


def _normalized(elementary, x, mean, variance, gamma, beta, epsilon, activation, alpha):
    inverse = _inverse(variance, epsilon, x.dtype)
    factor = inverse if gamma is None else inverse * gamma
    return activate(activation, fma(x - mean, factor, _vector(beta, 0, x)), elementary, alpha), inverse


def batch_normalization_backward(elementary, dy, x, mean, inverse, gamma=None):
    """(dx, dgamma, dbeta)."""
    n = x.dtype.type(len(x))
    dbeta, products = _chains(dy, x - mean)
    dgamma = products * inverse
    factor = inverse if gamma is None else inverse * gamma
    return factor * fma(mean - x, dgamma / n * inverse, dy - dbeta / n), dgamma, dbeta


def batch_normalization(elementary, x, mean, variance, gamma=None, beta=None, epsilon=0.001, activation="linear",
                        alpha=None):
    """With numbers that are given."""
    variance = variance.astype(np.float64)
    return _normalized(elementary, x, _vector(mean, 0, x), variance, gamma, beta, epsilon, activation, alpha)[0]


def batch_normalization_backward_params(elementary, dy, x, mean, variance, epsilon=0.001):
    """(dgamma, dbeta)."""
    dbeta, products = _chains(dy, x - mean)
    return products * _inverse(variance.astype(np.float64), epsilon, x.dtype), dbeta


def normalization_forward(elementary, x, mean, variance, index=None, invert=False):
    """There, and back."""
    one = x.dtype.type
    root = np.sqrt(variance)
    spread = np.where(root < one(1e-7), one(1e-7), root)
    mean = np.zeros_like(variance) if mean is None else mean
    if index is not None:
        mean, spread = mean[index], spread[index]
    mean, spread = mean.reshape(x.shape[1:]), spread.reshape(x.shape[1:])
    return fma(x, spread, mean) if invert else fma(x - mean, one(1) / spread, one(0))


def rescaling_forward(elementary, x, scale, offset=None):
    """One fma."""
    offset = np.zeros_like(scale) if offset is None else offset
    return fma(x, scale.reshape(x.shape[1:]), offset.reshape(x.shape[1:]))


def layer_normalization_forward(elementary, x, gamma=None, beta=None, epsilon=0.001):
    """(y, mean, inverse)."""
    first = x[:, :1].astype(np.float64)
    d = x.astype(np.float64) - first
    share = np.float64(1) / np.float64(x.shape[1])
    a = lanes_sum(d) * share
    mean = (first + a).astype(x.dtype)
    inverse = _inverse(fma(-a, a, lanes_sum(d * d) * share), epsilon, x.dtype)
    y = fma((x - mean) * inverse, _vector(gamma, 1, x), _vector(beta, 0, x))
    return y, mean, inverse


def rms_normalization_forward(elementary, x, scale=None, epsilon=1e-6):
    """(y, inverse)."""
    d = x.astype(np.float64)
    inverse = _inverse(lanes_sum(d * d) * (np.float64(1) / np.float64(x.shape[1])), epsilon, x.dtype)
    return fma(x * inverse, _vector(scale, 1, x), x.dtype.type(0)), inverse


def _backward_input(dy, x, mean, inverse, gamma):
    one = x.dtype.type
    g = dy if gamma is None else dy * gamma
    share = one(1) / one(x.shape[1])
    shift = one(0) if mean is None else mean
    centre = one(0) if mean is None else lanes_sum(g) * share
    slope = lanes_sum(g * ((x - shift) * inverse)) * share
    return inverse * fma((shift - x) * inverse, slope, g - centre)


def layer_normalization_backward_input(elementary, dy, x, mean, inverse, gamma=None):
    """dx."""
    return _backward_input(dy, x, mean, inverse, gamma)


def rms_normalization_backward_input(elementary, dy, x, inverse, scale=None):
    """dx."""
    return _backward_input(dy, x, None, inverse, scale)


def layer_normalization_backward_params(elementary, dy, x, mean, inverse):
    """(dgamma, dbeta)."""
    dbeta, dgamma = _chains(dy, (x - mean) * inverse)
    return dgamma, dbeta


def rms_normalization_backward_params(elementary, dy, x, inverse):
    """dscale."""
    return _chains(dy, x * inverse)[1]
