# How many threads a call takes. OpenMP, because OMP_NUM_THREADS, threadpoolctl and affinity masks already
# steer it.

from cython.parallel cimport parallel, threadid

# The user's cap (nncore.set_num_threads, a cgroup's quota, 1 after a fork); 0: none.
cdef int thread_cap = 0

# The same for what one thread of Python calls (nncore.limit_threads).
cdef extern from *:
    """
    static _Thread_local int nn_own_thread_cap = 0;
    """
    int nn_own_thread_cap

# A thread is worth its start and its barriers, some microseconds in all, from about this much work on, in
# multiply-adds (20 us) or in elements through memory (20 us).
cdef enum:
    ROW_GRAIN = 16     # rows that ops whose rows stand alone share out together, all alike
    FEW_MEETINGS = 64  # so much less work repays a thread that meets the others twice a step
    GRAIN_MULTIPLY_ADDS = 1 << 21
    GRAIN_ELEMENTS = 1 << 17


cdef int first_processors = nn_processors()


def set_thread_cap(int n):
    global thread_cap
    thread_cap = n


def set_own_thread_cap(int n):
    """Set the cap of the calling thread; return what it was."""
    global nn_own_thread_cap
    cdef int before = nn_own_thread_cap
    nn_own_thread_cap = n
    return before


def max_threads():
    """The most threads that a call may take now."""
    return allowed_threads()


cdef inline int allowed_threads() noexcept nogil:
    cdef int n = nn_max_threads(), processors
    if thread_cap > 0:
        n = min(n, thread_cap)
    if nn_own_thread_cap > 0:
        n = min(n, nn_own_thread_cap)
    if n > 1:
        # OpenMP looks at the affinity mask once, at the start. OMP_NUM_THREADS may ask for more threads than
        # processors: only a mask that has shrunk since counts.
        processors = nn_processors()
        if processors < first_processors:
            n = min(n, processors)
    return n


cdef inline int threads_for(double work, double grain) noexcept nogil:
    """As many threads as the work feeds, at most what is allowed."""
    if work < 2 * grain:
        return 1
    cdef int n = allowed_threads()
    return n if work >= n * grain else <int>(work / grain)
