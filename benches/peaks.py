"""What the machine can do: one core's multiply-adds, and its way to memory."""

import time

import numpy as np

from nncore._core import core

STREAM_BYTES = 1 << 26  # each of the two arrays: both together are several times a cache of 32 MiB


def fma_peak(dtype, seconds=0.05):
    """FLOP/s of one core in vectors of `dtype` of the build in use; a multiply-add is two."""
    return core.fma_peak(np.dtype(dtype) == np.float64, seconds)


class Stream:
    """Memory bandwidth: ``a += b``, whose every byte of `a` is read and written, of `b` read. One thread."""

    bytes = 3 * STREAM_BYTES

    def __init__(self):
        self.a, self.b = (np.ones(STREAM_BYTES // 8) for _ in range(2))

    def __call__(self):
        np.add(self.a, self.b, out=self.a)


def bandwidth(rounds=5):
    """Bytes a second, of the best round."""
    stream, best = Stream(), float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        stream()
        best = min(best, time.perf_counter() - start)
    return stream.bytes / best
