"""What the processor can do: compiled for every machine, so that it may be asked before a core is loaded."""

cdef extern from "cpu.h" nogil:
    int nn_cpu_level()


def level():
    """Return the highest x86-64 level of this processor and system (4, 3, 2, 1), or 0 where it is another."""
    return nn_cpu_level()
