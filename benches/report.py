"""Print one table of all kernels: times, against NumPy, against the machine; then the targets, met or missed.

    python benches/report.py [--threads 1] [--seconds 0.2] [--only WORD] [--markdown] ... (see --help)

Run from anywhere, on the installed package. Both sides run in turn with the peak of the machine beside them:
rounds of A, B, peak, A, B, peak. Times are medians over the rounds; rates and shares are of the best round
against the best peak.
"""

import argparse
import gc
import os
import statistics
import time


def race(seconds, clock=time.perf_counter, **sides):
    """Seconds a call, as (median, best) for each side: rounds in turn for so long, at least five of them."""
    repeats = {}
    for name, call in sides.items():
        call()
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        repeats[name] = max(1, round(4e-4 / once))
    found = {name: [] for name in sides}
    end = time.perf_counter() + seconds
    enabled = gc.isenabled()
    gc.disable()
    while time.perf_counter() < end or len(found[name]) < 5:
        for name, call in sides.items():
            again = range(repeats[name])
            start = clock()
            for _ in again:
                call()
            found[name].append((clock() - start) / len(again))
    if enabled:
        gc.enable()
    return {name: (statistics.median(times), min(times)) for name, times in found.items()}


def measure(case, options, stream):
    """The row of the report for one case, as a dict."""
    from nncore._core import core

    ours, numpys = case.prepare(out=not options.allocate)
    rates = []
    sides = {"ours": ours, "numpy": numpys}
    large = (
        case.bytes > 1 << 26
    )  # smaller ones are partly in a cache, which the way to memory says nothing about
    if case.flops:
        sides["peak"] = lambda: rates.append(core.fma_peak(case.dtype == "float64", 0.0))
    elif large:
        sides["peak"] = stream
    times = race(options.seconds, time.thread_time if options.cpu_time else time.perf_counter, **sides)
    best = times["ours"][1]
    row = {
        "case": case,
        "ours": times["ours"][0],
        "best": best,
        "numpy": times["numpy"][0],
        "rate": "",
        "share": None,
    }
    row["ratio"] = row["numpy"] / row["ours"]
    if case.flops:
        row["rate"] = f"{case.flops / best / 1e9:.1f} GFLOP/s"
        row["share"] = case.flops / best / (max(rates) * options.threads)
    elif case.bytes:
        row["rate"] = f"{case.bytes / best / 1e9:.1f} GB/s"
        if large:
            row["share"] = case.bytes / best / (stream.bytes / times["peak"][1])
    return row


COLUMNS = (
    "kernel",
    "shape",
    "dtype",
    "nncore us",
    "best",
    "NumPy us",
    "NumPy / nncore",
    "NumPy runs",
    "rate",
    "of peak",
)


def cells(row):
    case = row["case"]
    share = "" if row["share"] is None else f"{100 * row['share']:.0f} %"
    times = [
        f"{1e6 * row[name]:.3g}" if row[name] < 1e-3 else f"{1e6 * row[name]:.0f}"
        for name in ("ours", "best", "numpy")
    ]
    return (
        case.name,
        "x".join(map(str, case.shape)),
        case.dtype,
        *times,
        f"{row['ratio']:.2f}",
        case.against,
        row["rate"],
        share,
    )


def line(texts, widths, markdown):
    if markdown:
        return "| " + " | ".join(texts) + " |"
    left = 3
    return "  ".join(
        f"{text:{width}}" if i < left else f"{text:>{width}}"
        for i, (text, width) in enumerate(zip(texts, widths, strict=True))
    )


# The targets: what is compared (ratio or share), with what, and for which cases.
PRODUCTS = ("dense_forward", "dense_backward_input", "dense_backward_params")
BETWEEN = range(10_000, 1_000_001)
TARGETS = (
    ("products at 1024^3, float32: 80 % of the peak", "share", 0.80,
     lambda c: c.row.name in PRODUCTS and c.shape == (1024,) * 3 and c.dtype == "float32"),
    ("products at 1024^3, float64: 75 % of the peak", "share", 0.75,
     lambda c: c.row.name in PRODUCTS and c.shape == (1024,) * 3 and c.dtype == "float64"),
    ("products at 128^3: 55 % of the peak", "share", 0.55,
     lambda c: c.row.name in PRODUCTS and c.shape == (128,) * 3),
    ("elementwise: never slower than NumPy's own function", "ratio", 1.0,
     lambda c: len(c.row.big) == 1 and c.against == "own"),
    ("elementwise: never slower than NumPy's expression", "ratio", 1.0,
     lambda c: len(c.row.big) == 1 and c.against != "own" and c.row.name not in ("sgd_update", "philox4x32")),
    ("softmax cross-entropy with gradient: 3 times NumPy's expression", "ratio", 3.0,
     lambda c: c.row.name == "softmax_cross_entropy" and not c.row.label and size(c) in BETWEEN),
    ("bias + activation: 3 times NumPy's expression", "ratio", 3.0,
     lambda c: c.row.name == "bias_activation_forward" and size(c) in BETWEEN),
    ("SGD with momentum: 1.5 times NumPy's expression (or 85 % of the bandwidth)", "ratio", 1.5,
     lambda c: c.row.name == "sgd_update"),
)  # fmt: skip


def size(case):
    n = 1
    for dimension in case.shape:
        n *= dimension
    return n


def targets(rows):
    """Lines that say of each target whether it was met, and where not."""
    for text, what, limit, chosen in TARGETS:
        found = [(row[what], row) for row in rows if chosen(row["case"]) and row[what] is not None]
        if not found:
            continue
        missed = [
            (value, row)
            for value, row in found
            if value < limit and not (row["case"].row.name == "sgd_update" and (row["share"] or 0) >= 0.85)
        ]
        worst = min(value for value, _ in found)
        verdict = "MISSED" if missed else "met"
        yield f"{verdict:6}  {text}: {len(found) - len(missed)} of {len(found)}, lowest {worst:.2f}"
        for value, row in sorted(missed, key=lambda pair: pair[0]):
            yield f"          {value:.2f} (wanted {limit}): {row['case'].id}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of nncore and of NumPy's BLAS (default 1)")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each case (default 0.2)")
    parser.add_argument("--only", default="", help="cases whose id contains this word")
    parser.add_argument("--markdown", action="store_true", help="print the table for README.md")
    parser.add_argument("--allocate", action="store_true", help="let nncore allocate its outputs")
    parser.add_argument(
        "--cpu-time", action="store_true", help="count the calling thread's time only, for a busy machine"
    )
    options = parser.parse_args()
    if options.cpu_time and options.threads > 1:
        parser.error("--cpu-time counts one thread: not with --threads")
    os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)  # before NumPy is imported

    import numpy as np
    from cases import CASES
    from peaks import Stream, bandwidth, fma_peak

    import nncore as nn

    nn.set_num_threads(options.threads)
    info = nn.config_info()
    print(
        f"nncore {info['version']} {info['isa']}, {info['compiler']}, "
        f"{info['threads']} thread(s); NumPy {np.__version__}"
    )
    print(
        f"one core: {fma_peak('float32') / 1e9:.0f} GFLOP/s float32, "
        f"{fma_peak('float64') / 1e9:.0f} float64; "
        f"memory: {bandwidth() / 1e9:.1f} GB/s\n"
    )
    stream, rows = Stream(), []
    widths = (33, 14, 8, 9, 8, 9, 14, 10, 14, 7)
    print(line(COLUMNS, widths, options.markdown))
    if options.markdown:
        print("|---|---|---|--:|--:|--:|--:|---|--:|--:|")
    for case in CASES:
        if options.only in case.id:
            rows.append(measure(case, options, stream))
            print(line(cells(rows[-1]), widths, options.markdown), flush=True)
    print("\n" + "\n".join(targets(rows)))


if __name__ == "__main__":
    main()
