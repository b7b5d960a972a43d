"""Each case of cases.py, verified and then timed: nncore and NumPy in one group.

For ratios to quote use report.py: it takes both sides in turn, so that a busy moment meets both.
"""

import pytest
from cases import CASES

import nncore as nn
from nncore._core import isa

_last = {}


def prepared(case):
    """Both calls, checked; the two sides follow each other, and share them."""
    if _last.get("case") is not case:
        _last.update(case=case, calls=case.prepare())  # raises where results differ
    return _last["calls"]


@pytest.mark.parametrize("side", ["nncore", "numpy"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_kernel(benchmark, peaks, case, side):
    benchmark.group = case.id
    ours, numpys = prepared(case)
    threads = nn.get_num_threads()
    benchmark.extra_info |= {"shape": case.shape, "threads": threads, "isa": isa, "numpy": case.against}
    benchmark(ours if side == "nncore" else numpys)
    if benchmark.stats is None:  # timing is off
        return
    best = benchmark.stats["min"]
    if case.flops:
        benchmark.extra_info["GFLOP/s"] = case.flops / best / 1e9
        benchmark.extra_info["share of peak"] = case.flops / best / (peaks[case.dtype] * threads)
    elif case.bytes:
        benchmark.extra_info["GB/s"] = case.bytes / best / 1e9
        benchmark.extra_info["share of memory bandwidth"] = case.bytes / best / peaks["memory"]
