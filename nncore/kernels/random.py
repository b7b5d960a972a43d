"""The random words that everything random is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore._core import core

__all__ = ["philox4x32"]


def philox4x32(counter: ArrayLike, key: ArrayLike) -> NDArray[np.uint32]:
    """Philox4x32-10 (Salmon et al. 2011): random words as a function of a counter and a key.

    Parameters
    ----------
    counter : array_like, shape (N, 4)
        Counters: integers in 0 ... 2**32 - 1.
    key : array_like, shape (2,)
        The key, in the same range.

    Returns
    -------
    ndarray of uint32, shape (N, 4)

    Examples
    --------
    >>> import nncore as nn
    >>> [hex(word) for word in nn.kernels.philox4x32([[0, 0, 0, 0]], [0, 0])[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = _as_words(counter, "counter")
    if words.ndim != 2 or words.shape[1] != 4:
        raise ValueError(f"philox4x32: counter must have shape (N, 4), got {words.shape}")
    low_high = _as_words(key, "key")
    if low_high.shape != (2,):
        raise ValueError(f"philox4x32: key must have shape (2,), got {low_high.shape}")
    return core.philox4x32(words, int(low_high[0]) | int(low_high[1]) << 32)


def _as_words(x: ArrayLike, name: str) -> NDArray[Any]:
    found = np.asarray(x)
    if found.dtype.kind not in "iu" or found.size and (found.min() < 0 or found.max() >= 2**32):
        raise ValueError(f"philox4x32: {name} must hold integers in 0 ... 2**32 - 1, got {x!r}")
    return np.ascontiguousarray(found, dtype=np.uint32)
