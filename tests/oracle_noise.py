"""The exact oracle's part for random masks and noise (docs/bits.md, "Noise"): imported by oracle.py.

Words and the logarithm come from the core: other tests say how good those are.
"""

import math

import numpy as np
import oracle

from nncore._core import core

__all__ = [
    "alpha_dropout_backward",
    "alpha_dropout_forward",
    "dropout_backward",
    "dropout_forward",
    "gaussian_dropout_backward",
    "gaussian_dropout_forward",
    "gaussian_noise_forward",
]

MASK = 3
SELU_LIMIT = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946

# Coefficients of p in sin(x) = x + x^3 p(x^2) and in cos(x) = 1 + x^2 p(x^2), by the size of an element.
SINE = {
    4: "-0x1.555546p-3 0x1.11073cp-7 -0x1.9943f2p-13",
    8: "-0x1.5555555555548p-3 0x1.111111110f7d1p-7 -0x1.a01a019bfe09ap-13 0x1.71de3567f15f8p-19 "
    "-0x1.ae5e5aac4f289p-26 0x1.5d8fd9fab1f25p-33",
}
COSINE = {
    4: "-0x1.ffffb2p-2 0x1.553e8p-5 -0x1.644d78p-10",
    8: "-0x1p-1 0x1.5555555555539p-5 -0x1.6c16c16c13ba8p-10 0x1.a01a019b2da1p-16 -0x1.27e4f72b84ba6p-22 "
    "0x1.1ee96cd0fa1d6p-29 -0x1.8f7548de3b8ebp-37",
}


def word(stream, block, number):
    """Word `number` of a counter of a stream (seed, layer, step)."""
    seed, layer, step = stream
    if stream not in _WORDS or len(_WORDS[stream]) <= 4 * block + number:
        _WORDS[stream] = core.random_words(4 * (2 * block + 64), seed, MASK, layer, step).tolist()
    return _WORDS[stream][4 * block + number]


_WORDS = {}


def kept(shape, rate, stream, noise_shape):
    """Of each element 16 bits, against the rate in 65536ths."""
    mask_shape = shape if noise_shape is None else [n or size for n, size in zip(noise_shape, shape, strict=True)]
    mask = np.empty(math.prod(mask_shape), bool)
    for e in range(mask.size):
        group, place = divmod(e, 128)
        half, place = divmod(place, 64)
        number, lane = divmod(place, 16)
        bits = word(stream, 16 * group + lane, number) >> 16 * half & 0xFFFF
        mask[e] = bits >= math.floor(rate * 65536 + 0.5)
    return np.broadcast_to(mask.reshape(mask_shape), shape)


def dropout_forward(elementary, x, rate=0.5, seed=0, layer=0, step=0, noise_shape=None):
    """A product where an element is kept, else +0."""
    one = x.dtype.type
    return np.where(kept(x.shape, rate, (seed, layer, step), noise_shape), x * one(1 / (1 - rate) if rate < 1 else 0), one(0))


def dropout_backward(elementary, dy, **settings):
    """The forward formula."""
    return dropout_forward(elementary, dy, **settings)


def alpha_dropout_forward(elementary, x, rate=0.5, seed=0, layer=0, step=0, noise_shape=None):
    """One fma where an element is kept, else a constant; the three constants are made in float64."""
    one = x.dtype.type
    a = 1 / math.sqrt((1 - rate) * (1 + rate * SELU_LIMIT**2))
    b = -a * SELU_LIMIT * rate
    keep = kept(x.shape, rate, (seed, layer, step), noise_shape)
    return np.where(keep, oracle.fma(one(a), x, one(b)), one(a * SELU_LIMIT + b))


def alpha_dropout_backward(elementary, dy, rate=0.5, seed=0, layer=0, step=0, noise_shape=None):
    """A product where an element was kept, else +0."""
    one = dy.dtype.type
    a = 1 / math.sqrt((1 - rate) * (1 + rate * SELU_LIMIT**2))
    return np.where(kept(dy.shape, rate, (seed, layer, step), noise_shape), dy * one(a), one(0))


def pairs(t, coefficients):
    """Horner's rule in t^2 on pairs of coefficients, the highest pair first."""
    c = [t.dtype.type(v) for v in coefficients]
    both = [c[i] + 0 * t if i + 1 == len(c) else oracle.fma(t, c[i + 1], c[i]) for i in range(0, len(c), 2)]
    total = both.pop()
    while both:
        total = oracle.fma(t * t, total, both.pop())
    return total


def normals(elementary, like, stream):
    """Box and Muller's method; two elements of a group of 64, 32 apart, share two words."""
    one = like.dtype.type
    groups = -(-like.size // 64)
    a, b = (np.array([word(stream, 16 * g + i % 16, i // 16 + add) for g in range(groups) for i in range(32)],
                     np.int64) for add in (0, 2))
    u = ((a >> 1).astype(like.dtype) + one(0.5)) * one(2.0**-31)
    r = np.sqrt(one(-2) * elementary.log(u))
    x = ((b % 2**30 - 2**29).astype(like.dtype) + one(0.5)) * (one(math.pi / 2) * one(2.0**-30))
    t = x * x
    sine = oracle.fma(x * t, pairs(t, map(float.fromhex, SINE[like.itemsize].split())), x)
    cosine = oracle.fma(t, pairs(t, map(float.fromhex, COSINE[like.itemsize].split())), one(1))
    cosine = np.where(b >> 31, -cosine, cosine)
    exchanged = b >> 30 & 1
    first, second = r * np.where(exchanged, sine, cosine), r * np.where(exchanged, cosine, sine)
    z = np.concatenate([first.reshape(groups, 32), second.reshape(groups, 32)], axis=1)
    return z.ravel()[: like.size].reshape(like.shape)


def gaussian_noise_forward(elementary, x, stddev=1.0, seed=0, layer=0, step=0):
    """One fma."""
    return oracle.fma(x.dtype.type(stddev), normals(elementary, x, (seed, layer, step)), x)


def gaussian_dropout_forward(elementary, x, rate=0.5, seed=0, layer=0, step=0):
    """An fma and a product."""
    one = x.dtype.type
    return x * oracle.fma(one(math.sqrt(rate / (1 - rate))), normals(elementary, x, (seed, layer, step)), one(1))


def gaussian_dropout_backward(elementary, dy, **settings):
    """The forward formula."""
    return gaussian_dropout_forward(elementary, dy, **settings)
