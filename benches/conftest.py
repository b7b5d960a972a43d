"""One thread on both sides, set before NumPy's BLAS is loaded."""

import os

THREADS = int(os.environ.get("NNCORE_BENCH_THREADS", "1"))
os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)

import pytest  # noqa: E402
from peaks import bandwidth, fma_peak  # noqa: E402

import nncore as nn  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    nn.set_num_threads(THREADS)
    yield
    nn.set_num_threads(None)


@pytest.fixture(scope="session")
def peaks():
    """FLOP/s by dtype, and bytes a second."""
    return {"float32": fma_peak("float32"), "float64": fma_peak("float64"), "memory": bandwidth()}
