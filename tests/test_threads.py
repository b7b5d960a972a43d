"""Results do not depend on the number of threads.

Run as a script this file is the worker: OpenMP must be told before the core loads that there may be three
threads.
"""

import os
import subprocess
import sys

from test_kernels import DTYPES, assert_same_bits, run

import nncore as nn
from nncore import kernels
from nncore._core import core
from nncore.testing import KERNELS


def check():
    for dtype in DTYPES:
        for row in KERNELS:
            for variant in row.variants:
                arguments = row.arguments(row.big, dtype, 3, **variant)
                results = []
                for n in (1, 2, 3):
                    nn.set_num_threads(n)
                    if core.has_openmp:
                        assert nn.get_num_threads() == n
                    results.append(run(kernels, row, arguments))
                for n, result in zip((2, 3), results[1:], strict=True):
                    assert_same_bits(result, results[0], f"{row.id} {dtype} {variant}: {n} threads against 1")


def test_bits_do_not_depend_on_the_number_of_threads():
    # a waiting thread sleeps, since there may be fewer processors than threads
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "passive", "OMP_DYNAMIC": "false"}
    environment.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    check()
