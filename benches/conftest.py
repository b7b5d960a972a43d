"""One thread on both sides, set before NumPy's BLAS is loaded."""

import os

THREADS = int(os.environ.get("NNCORE_BENCH_THREADS", "1"))
os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)

import pytest  # noqa: E402

import nncore as nn  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    nn.set_num_threads(THREADS)
    yield
    nn.set_num_threads(None)
