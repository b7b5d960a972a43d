"""Random numbers that depend on (seed, purpose, layer, step, element) and on nothing else.

Every number comes from the counter-based generator Philox 4x32-10 in the compiled core, so that it does not
matter who draws first, how many threads there are, or which version of NumPy is installed. What is built on
its words (uniform, normal) uses float64 `+ - * /` and `sqrt`, which IEEE 754 rounds the same everywhere, and
the core's own logarithm.

The counter's words are (block, step, purpose, layer); the key is the seed's two halves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nncore import _checks
from nncore._core import core

__all__ = ["next_seed", "normal", "permutation", "random_words", "truncated_normal", "uniform"]

SEED, INIT, SHUFFLE, MASK = range(4)
"""Purposes: what a stream of random words is for. Different purposes never share a word."""

# Words become floats in pieces of this many, so that a weight matrix of any size needs no temporary of its
# own size in float64.
_CHUNK = 1 << 16


class _Seeds:
    """The process's source of seeds: seed number n is a function of (root, n)."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.count = 0
        self.lock = threading.Lock()

    def next(self) -> int:
        with self.lock:
            number = self.count
            self.count += 1
        low, high = random_words(2, self.root, SEED, layer=number >> 32, step=number & 0xFFFFFFFF)
        return int(low) | int(high) << 32


def random_words(n: int, seed: int, purpose: int, layer: int = 0, step: int = 0) -> NDArray[np.uint32]:
    """Return the first `n` words of the stream (seed, purpose, layer, step), which has 2**34.

    Examples
    --------
    >>> import nncore as nn
    >>> words = nn.random.random_words(6, seed=1, purpose=nn.random.INIT)
    >>> bool((words[:4] == nn.random.random_words(4, seed=1, purpose=nn.random.INIT)).all())
    True
    """
    where = "random_words"
    words: NDArray[np.uint32] = core.random_words(
        _checks.integer(n, where, "n", low=0, high=2**34),
        _checks.seed_value(seed, where),
        _checks.integer(purpose, where, "purpose", low=0, high=2**32 - 1),
        _checks.integer(layer, where, "layer", low=0, high=2**32 - 1),
        _checks.integer(step, where, "step", low=0, high=2**32 - 1),
    )
    return words


def next_seed() -> int:
    """Return a fresh 64-bit seed.

    It comes from `nncore.utils.set_random_seed` when that was called, else from the system's entropy.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.utils.set_random_seed(1)
    >>> first = nn.random.next_seed()
    >>> nn.random.next_seed() == first
    False
    >>> nn.utils.set_random_seed(1)
    >>> nn.random.next_seed() == first
    True
    """
    return _seeds.next()


def _set_root(root: int) -> None:
    """Start the sequence of `next_seed` anew from `root`."""
    global _seeds
    _seeds = _Seeds(root)


_seeds = _Seeds(int.from_bytes(os.urandom(8), "little"))


def permutation(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return 0 ... n - 1 in the order of this epoch.

    Examples
    --------
    >>> import nncore as nn
    >>> sorted(nn.random.permutation(5, seed=1, epoch=0).tolist())
    [0, 1, 2, 3, 4]
    """
    where = "random.permutation"
    order: NDArray[np.int64] = core.permutation(
        _checks.integer(n, where, "n", low=0, high=2**33),
        _checks.seed_value(seed, where),
        _checks.integer(epoch, where, "epoch", low=0, high=2**32 - 1),
    )
    return order


def uniform(
    shape: Sequence[int],
    low: float = 0.0,
    high: float = 1.0,
    *,
    seed: int,
    layer: int = 0,
    index: int = 0,
    dtype: DTypeLike | None = None,
) -> NDArray[np.floating]:
    """Return numbers that are uniform between `low` and `high`.

    Parameters
    ----------
    shape : sequence of int
        The result's shape.
    low, high : float
        The interval. Its ends themselves come up only where rounding to `dtype` reaches them.
    seed, layer, index : int
        The model's seed, the layer's number and the number of the weight within the layer.
    dtype : dtype, optional
        Float32 or float64; by default ``config.floatx()``.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.random.uniform((2, 3), -1.0, 1.0, seed=7)
    >>> x.shape, bool((abs(x) < 1).all())
    ((2, 3), True)
    """
    return _draw(lambda u: low + (high - low) * u, shape, "random.uniform", seed, layer, index, dtype)


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    *,
    seed: int,
    layer: int = 0,
    index: int = 0,
    dtype: DTypeLike | None = None,
) -> NDArray[np.floating]:
    """Return normally distributed numbers; parameters as in `uniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.random.normal((1000,), mean=5.0, stddev=2.0, seed=7)
    >>> bool(abs(x.mean() - 5) < 0.2)
    True
    """
    return _draw(
        lambda u: mean + stddev * _normal_quantile(u), shape, "random.normal", seed, layer, index, dtype
    )


# The standard normal distribution function at +-2.
_BELOW_TWO = 0.022750131948179207
_UP_TO_TWO = 0.9772498680518208


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    *,
    seed: int,
    layer: int = 0,
    index: int = 0,
    dtype: DTypeLike | None = None,
) -> NDArray[np.floating]:
    """Return normally distributed numbers within two standard deviations of the mean.

    Those beyond are cut off, so that their own standard deviation is 0.87962566103423978 times `stddev`, as
    in Keras. Parameters as in `uniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.random.truncated_normal((1000,), stddev=0.5, seed=7)
    >>> bool((abs(x) < 1).all())
    True
    """

    def cut(u: NDArray[np.floating]) -> NDArray[np.floating]:
        return mean + stddev * _normal_quantile(_BELOW_TWO + (_UP_TO_TWO - _BELOW_TWO) * u)

    return _draw(cut, shape, "random.truncated_normal", seed, layer, index, dtype)


def _draw(
    transform: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    shape: Sequence[int],
    where: str,
    seed: int,
    layer: int,
    index: int,
    dtype: DTypeLike | None,
) -> NDArray[np.floating]:
    """Return `transform` of uniform numbers in (0, 1), in `shape` and `dtype`."""
    shape = tuple(_checks.integer(n, where, "shape", low=0) for n in shape)
    size = _checks.shape_size(shape, where)
    words = random_words(size, _checks.seed_value(seed, where), INIT, layer, index)
    out: NDArray[Any] = np.empty(size, _checks.float_dtype(dtype, where))
    for start in range(0, size, _CHUNK):
        # Half a step away from 0 and 1, where the normal quantile is infinite.
        u = (words[start : start + _CHUNK] + 0.5) * 2.0**-32
        out[start : start + _CHUNK] = transform(u)
    return out.reshape(shape)


# Algorithm AS 241, PPND16: M. J. Wichura, "The percentage points of the normal distribution", Applied
# Statistics 37 (1988), 477-484. Numerator and denominator, highest power first, of its rational functions for
# the centre and for the tails; the relative error is about 1e-16. Its third one, for the far tails, begins
# below exp(-25), where 32-bit words do not reach. An exact inverse keeps one word per number, so that element
# i needs no other element's word (Box and Muller's method needs two, rejection an unknown number).
# fmt: off
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)
_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)
# fmt: on


def _ratio(
    coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the rational function of `r` by Horner's rule, one rounding per operation."""
    above, below = (np.full_like(r, polynomial[0]) for polynomial in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        above *= r
        above += a
        below *= r
        below += b
    return above / below


def _normal_quantile(p: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return z with Phi(z) = p, elementwise, for exp(-25) < p < 1 - exp(-25)."""
    q = p - 0.5
    central = np.abs(q) <= 0.425
    out = np.empty_like(p)
    out[central] = q[central] * _ratio(_CENTRE, 0.180625 - q[central] * q[central])
    tail = ~central
    smaller = np.minimum(p[tail], 1.0 - p[tail])
    z = _ratio(_TAIL, np.sqrt(-core.elementary("log", smaller)) - 1.6)
    out[tail] = np.where(q[tail] < 0.0, -z, z)
    return out
