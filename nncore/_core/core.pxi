# The compiled core: one source for every ISA level.
#
# A. Each level is its own module (`_v2`, `_v3`, `_v4`, or `_plain` off x86-64), made of a two-line file that
#    includes this one: one .pyx may not be given to several Extensions. `nncore._core` picks the best at
#    import.
# B. Kernels are `cdef ... noexcept nogil` functions over raw C-contiguous buffers. They trust: checks, casts
#    and allocation are in Python (kernels.py). They take (thread, n_threads) and write only their share of
#    the output, so that a result never depends on the number of threads.
# C. float32 and float64 come from one text through the fused type `floating`.
# D. The order of every sum is written down in docs/bits.md.

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

include "c.pxi"
include "threads.pxi"
include "activations.pxi"
include "losses.pxi"
include "row_activations.pxi"
include "elementwise_losses.pxi"
include "row_losses.pxi"
include "optimizers.pxi"
include "dense.pxi"
include "weights.pxi"
include "metrics.pxi"
include "normalization.pxi"
include "random.pxi"
include "noise.pxi"
include "embedding.pxi"
include "merging.pxi"
include "factorization.pxi"
include "gather.pxi"
include "sparse.pxi"
include "program.pxi"
include "front.pxi"
