"""Random masks and noise in plain NumPy. Both directions make the same words from the same arguments."""

import math
from collections.abc import Sequence

import numpy as np

from nncore.reference._common import Array, filled
from nncore.reference.random import MASK, random_words

__all__ = [
    "alpha_dropout_backward",
    "alpha_dropout_forward",
    "dropout_backward",
    "dropout_forward",
    "gaussian_dropout_backward",
    "gaussian_dropout_forward",
    "gaussian_noise_forward",
]

_GROUP = 16  # counters whose words stand side by side
_SELU_LIMIT = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


def _words(groups: int, seed: int, layer: int, step: int) -> Array:
    """Return the words of the first groups, shape (groups, 64): word 0 of 16 counters, then word 1 of them ..."""
    words = random_words(4 * _GROUP * groups, seed, MASK, layer, step)
    return words.reshape(groups, _GROUP, 4).transpose(0, 2, 1).reshape(groups, 4 * _GROUP)


def _kept(shape: tuple[int, ...], rate: float, seed: int, layer: int, step: int,
          noise_shape: Sequence[int | None] | None) -> Array:
    """Return which elements are kept: where 16 bits, the lower or the upper ones of a word, reach the limit."""
    if noise_shape is not None:
        shape = tuple(size if n is None else n for n, size in zip(noise_shape, shape, strict=True))
    size = math.prod(shape)
    words = _words(-(-size // 128), seed, layer, step)
    bits = np.concatenate([words & 0xFFFF, words >> 16], axis=1).ravel()[:size]
    kept: Array = (bits >= math.floor(rate * 65536 + 0.5)).reshape(shape)
    return kept


def _normals(like: Array, seed: int, layer: int, step: int) -> Array:
    """Return normal numbers by the method of Box and Muller: words i and 32 + i of a group make two of them."""
    one = like.dtype.type
    words = _words(-(-like.size // 64), seed, layer, step)
    a, b = words[:, :32], words[:, 32:]
    u = ((a >> 1).astype(like.dtype) + one(0.5)) * one(2.0**-31)
    angle = (((b & 0x3FFFFFFF).astype(np.int64) - 2**29).astype(like.dtype) + one(0.5)) * one(math.pi / 2 * 2.0**-30)
    r = np.sqrt(-2 * np.log(u))
    cosine, sine = np.where(b >> 31, -1, 1).astype(like.dtype) * np.cos(angle), np.sin(angle)
    exchanged = (b >> 30 & 1).astype(bool)
    pair = [r * np.where(exchanged, sine, cosine), r * np.where(exchanged, cosine, sine)]
    return np.concatenate(pair, axis=1).ravel()[: like.size].reshape(like.shape)


def dropout_forward(
    x: Array,
    y_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Drop a random share of the elements: ``y = x / (1 - rate)`` where an element is kept, else 0.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray of x's shape, optional
    rate : float
    seed, layer, step : int
        Which mask.
    noise_shape : sequence of int or None, optional
        The mask's shape, which is repeated to that of x; None for an axis of x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> dropout_forward(np.ones((2, 4)), rate=0.5, seed=1)
    array([[2., 0., 2., 0.],
           [2., 2., 2., 2.]])
    """
    kept = _kept(x.shape, rate, seed, layer, step, noise_shape)
    return filled(y_out, np.where(kept, x * x.dtype.type(1 / (1 - rate) if rate < 1 else 0), x.dtype.type(0)))


def dropout_backward(
    dy: Array,
    dx_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return ``dx = dy / (1 - rate)`` where an element was kept, else 0.

    Parameters
    ----------
    dy : ndarray, shape (B, ...)
    dx_out : ndarray of dy's shape, optional
    rate, seed, layer, step, noise_shape
        As given to `dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> dropout_backward(np.ones((2, 4)), rate=0.5, seed=1)
    array([[2., 0., 2., 0.],
           [2., 2., 2., 2.]])
    """
    return dropout_forward(dy, dx_out, rate, seed, layer, step, noise_shape)


def _alpha_scale(rate: float) -> float:
    return float(((1 - rate) * (1 + rate * _SELU_LIMIT**2)) ** -0.5)


def alpha_dropout_forward(
    x: Array,
    y_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Dropout that keeps mean 0 and variance 1: what is dropped becomes selu's limit on the left.

    ``y = a * (x if kept else s) + b``, ``a = ((1 - rate) * (1 + rate * s**2))**-0.5``, ``b = -a * s * rate``.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray of x's shape, optional
    rate, seed, layer, step, noise_shape
        As of `dropout_forward`.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> alpha_dropout_forward(np.zeros((1, 4)), rate=0.5, seed=1).round(2)
    array([[ 0.78, -0.78,  0.78, -0.78]])
    """
    a = _alpha_scale(rate)
    b = -a * _SELU_LIMIT * rate
    kept = _kept(x.shape, rate, seed, layer, step, noise_shape)
    return filled(y_out, np.where(kept, a * x + b, a * _SELU_LIMIT + b).astype(x.dtype))


def alpha_dropout_backward(
    dy: Array,
    dx_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return ``dx = a * dy`` where an element was kept, else 0.

    Parameters
    ----------
    dy : ndarray, shape (B, ...)
    dx_out : ndarray of dy's shape, optional
    rate, seed, layer, step, noise_shape
        As given to `alpha_dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> alpha_dropout_backward(np.ones((1, 4)), rate=0.5, seed=1).round(2)
    array([[0.89, 0.  , 0.89, 0.  ]])
    """
    kept = _kept(dy.shape, rate, seed, layer, step, noise_shape)
    return filled(dx_out, np.where(kept, dy * dy.dtype.type(_alpha_scale(rate)), dy.dtype.type(0)))


def gaussian_noise_forward(
    x: Array, y_out: Array | None = None, stddev: float = 1.0, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Add normal noise: ``y = x + stddev * z``.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray of x's shape, optional
    stddev : float
    seed, layer, step : int
        Which noise.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> gaussian_noise_forward(np.zeros((1, 4)), seed=1).round(3)
    array([[0.345, 0.805, 0.355, 2.586]])
    """
    return filled(y_out, x + x.dtype.type(stddev) * _normals(x, seed, layer, step))


def gaussian_dropout_forward(
    x: Array, y_out: Array | None = None, rate: float = 0.5, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Multiply with normal noise around 1: ``y = x * (1 + sqrt(rate / (1 - rate)) * z)``.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    y_out : ndarray of x's shape, optional
    rate : float
    seed, layer, step : int
        Which noise.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> gaussian_dropout_forward(np.ones((1, 4)), seed=1).round(3)
    array([[1.345, 1.805, 1.355, 3.586]])
    """
    stddev = x.dtype.type(math.sqrt(rate / (1 - rate)))
    return filled(y_out, x * (1 + stddev * _normals(x, seed, layer, step)))


def gaussian_dropout_backward(
    dy: Array, dx_out: Array | None = None, rate: float = 0.5, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Return ``dx = dy * (1 + sqrt(rate / (1 - rate)) * z)``.

    Parameters
    ----------
    dy : ndarray, shape (B, ...)
    dx_out : ndarray of dy's shape, optional
    rate, seed, layer, step
        As given to `gaussian_dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> gaussian_dropout_backward(np.ones((1, 4)), seed=1).round(3)
    array([[1.345, 1.805, 1.355, 3.586]])
    """
    return gaussian_dropout_forward(dy, dx_out, rate, seed, layer, step)
