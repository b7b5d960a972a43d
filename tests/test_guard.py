"""Kernels read and write within their arrays only: each array lies against a page that may not be touched.

A read beyond would crash the interpreter; so a worker process (this file as a script) does it, and tells what
it was at.
"""

import ctypes
import inspect
import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_kernels import DTYPES, assert_same_bits, run

from nncore import kernels
from nncore.testing import KERNELS

PAGE = mmap.PAGESIZE


def guarded(array, side):
    """A copy of array that begins right after a forbidden page, or ends right before one."""
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for page in (address, address + (pages + 1) * PAGE):
        if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):  # PROT_NONE
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE if side == "start" else (pages + 1) * PAGE - array.nbytes
    copy = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
    copy[...] = array
    return copy


def check(row, case, side):
    """Run a case with every array guarded; the results must be those of ordinary arrays."""
    want = run(kernels, row, case.arguments)
    names = inspect.signature(getattr(kernels, row.name)).parameters
    arguments = {**case.arguments, **{name: want[name] for name in names if name.endswith("_out")}}
    arguments = {k: guarded(v, side) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    row.function(kernels)(**arguments)
    got = {name: arguments[name] for name in want if name in arguments}
    assert_same_bits(got, {name: want[name] for name in got}, f"{case.label} {side}")


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect")
@pytest.mark.parametrize("side", ["start", "end"])
def test_kernels_stay_within_their_arrays(side):
    done = subprocess.run([sys.executable, __file__, side], capture_output=True, text=True, timeout=300)
    last = done.stdout.splitlines()[-1:] or ["nothing"]
    assert done.returncode == 0, f"at {last[0]}: exit code {done.returncode}\n{done.stderr}"
    assert last == ["done"]


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect")
def test_the_guard_page_bites():
    """A check that never fails checks nothing: reading one element beyond must kill the process."""
    code = (
        "import ctypes, numpy as np; from test_guard import guarded; a = guarded(np.ones(3), 'end');"
        "print(a.sum(), flush=True); ctypes.string_at(a.ctypes.data + a.nbytes, 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert done.stdout.strip() == "3.0"
    assert done.returncode < 0, "killed by a signal"


if __name__ == "__main__":
    for dtype in DTYPES:
        for row in KERNELS:
            for case in row.cases(dtype):
                print(dtype, case.label, flush=True)
                check(row, case, sys.argv[1])
    print("done")
