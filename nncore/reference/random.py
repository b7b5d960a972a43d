"""Counter-based random numbers in NumPy: a number is a function of what it is for, not of who drew before.

The generator is Philox4x32 with 10 rounds: a keyed scramble of a 128-bit counter into four 32-bit words.
The key is the seed; the counter says which words are wanted: (block, step, purpose, layer).

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import numpy as np

from nncore.reference._common import Array

__all__ = ["permutation", "philox4x32", "random_words"]

# What the words are for: two purposes never share a counter.
INIT, SHUFFLE, MASK = 1, 2, 3

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85  # added to the key each round: the golden ratio and sqrt(3) - 1 as fractions


def philox4x32(counter: Array, key: Array) -> Array:
    """Philox4x32-10: four random words for each counter.

    Each round multiplies words 0 and 2 by a constant and exchanges the halves of the products:
    ``(c0, c1, c2, c3) <- (high2 ^ c1 ^ k0, low2, high0 ^ c3 ^ k1, low0)``.

    Parameters
    ----------
    counter : ndarray of uint32, shape (n, 4)
    key : ndarray of uint32, shape (2,)

    Returns
    -------
    ndarray of uint32, shape (n, 4)

    Examples
    --------
    >>> [hex(word) for word in philox4x32(np.zeros((1, 4), np.uint32), np.zeros(2, np.uint32))[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter.astype(np.uint64).T
    k0, k1 = (int(word) for word in key)
    for _ in range(10):
        product0, product2 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product2 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            product2 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) % 2**32, (k1 + _WEYL[1]) % 2**32
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def random_words(n: int, seed: int, purpose: int, layer: int, step: int) -> Array:
    """Return the first n random words of (seed, purpose, layer, step).

    Words 4i to 4i + 3 are ``philox4x32((i, step, purpose, layer), (seed's low half, seed's high half))``.

    Parameters
    ----------
    n : int
        At most ``4 * 2**32``: the block's index has 32 bits.
    seed : int
        In [0, 2**64).
    purpose, layer, step : int
        In [0, 2**32).

    Returns
    -------
    ndarray of uint32, shape (n,)

    Examples
    --------
    >>> random_words(5, seed=0, purpose=0, layer=0, step=0)[:4].tolist()
    [1713891541, 3781805453, 3159862348, 2600524760]
    """
    blocks = -(-n // 4)
    if blocks > 2**32:
        raise ValueError(f"random_words: n is {n}, but a stream has at most {4 * 2**32} words")
    counter = np.empty((blocks, 4), np.uint32)
    counter[:, 0] = np.arange(blocks)
    counter[:, 1:] = step, purpose, layer
    key = np.array([seed % 2**32, seed >> 32], np.uint32)
    return philox4x32(counter, key).ravel()[:n]


def permutation(n: int, seed: int, step: int) -> Array:
    """Return a random order of 0 to n - 1 by the Fisher-Yates shuffle.

    For i from n - 1 down to 1, element i changes places with element ``j = word[i] * (i + 1) >> 32``: a
    fraction of i + 1 in fixed point, with no division.

    Parameters
    ----------
    n : int
    seed : int
    step : int
        The epoch, usually.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> permutation(6, seed=1, step=0).tolist()
    [2, 1, 4, 0, 3, 5]
    """
    words = random_words(n, seed, SHUFFLE, 0, step).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = words[i] * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)
