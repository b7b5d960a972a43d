"""How the cost of training grows with width, batch, depth and threads, and where the time of a step goes.

    python benches/growth.py --json growth.json            # measure
    python benches/growth.py --load growth.json --plots docs --markdown docs/performance.md

All points take turns, and every round measures the peak of fused multiply-adds too. A step is taken apart by
running each of its ops alone, as a table of one op, over the same batches as the whole. Plots need matplotlib
(`pip install --group docs`).
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from models import machine, markdown, percent, replace_section, time_text
from sides import nncore_model
from workloads import WORKLOADS, Workload

import nncore as nn
from nncore._core import core

RATE = 1e-4  # small enough that nothing diverges at a batch of one row
EPOCH = 2e7  # multiply-adds at which an epoch has enough batches


def point(sweep, layers, batch):
    macs = 3 * batch * sum(a * b for a, b in zip(layers, layers[1:], strict=False))
    batches = int(min(200, max(2, EPOCH / macs)))
    return Workload(sweep, "train", layers, batch, batch * batches, optimizer="sgd")


SWEEPS = {
    "width": {w: point("width", (w,) * 4, 128) for w in (16, 32, 64, 128, 256, 512, 1024, 2048)},
    "batch": {b: point("batch", (256,) * 4, b) for b in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)},
    "depth": {d: point("depth", (64,) * (d + 1), 128) for d in (1, 2, 4, 8, 16, 32)},
}


class Point:
    """A network of one sweep, timed by `fit`."""

    def __init__(self, workload):
        self.workload, (self.x, self.y) = workload, workload.data()
        self.model = nncore_model(workload)
        self.model.optimizer.learning_rate = RATE
        self.epochs, self.times = {}, {}

    def run(self, epochs):
        start = time.perf_counter()
        self.model.fit(self.x, self.y, batch_size=self.workload.batch, epochs=epochs, verbose=0)
        return (time.perf_counter() - start) / (epochs * len(self.x))

    def turn(self, threads, seconds):
        nn.set_num_threads(threads)
        if threads not in self.epochs:
            self.run(1)
            self.epochs[threads] = max(1, round(seconds / (self.run(1) * len(self.x))))
            self.times[threads] = []
        self.times[threads].append(self.run(self.epochs[threads]))


def growth(threads, rounds, seconds, sweeps=SWEEPS):
    """Rows with the time of a sample at each point of each sweep, for each number of threads."""
    points = {(sweep, value): Point(workload) for sweep, row in sweeps.items() for value, workload in row.items()}
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, core.fma_peak(False, 0.01))
        for found in points.values():
            for n in threads:
                found.turn(n, seconds)
    nn.set_num_threads(None)
    return [
        {
            "sweep": sweep,
            "value": value,
            "threads": n,
            "batch": found.workload.batch,
            "best": min(times),
            "median": statistics.median(times),
            "flops": found.workload.flops,
            "share": found.workload.flops / min(times) / (peak * n),
            "peak": peak,
            "speedup": statistics.median(a / b for a, b in zip(found.times[threads[0]], times, strict=True)),
        }
        for (sweep, value), found in points.items()
        for n, times in found.times.items()
    ]


# ---------------------------------------------------------------- the parts of a step
class Step:
    """The ops of a training step, each of which can be run without the others."""

    def __init__(self, workload, threads):
        self.workload, self.threads = workload, threads
        x, y = workload.data()
        self.model = nncore_model(workload)
        nn.set_num_threads(threads)
        self.model.fit(x, y, batch_size=workload.batch, verbose=0)  # makes the optimizer's state
        feeds = self.model._feeds("fit", x, y, None)
        with self.model._plan("fit", feeds, workload.batch) as plan:
            self.executor = plan.executor
            self.bound = plan.executor.bind(plan.feeds(feeds))
        self.scratch = self.executor.scratch_of(threads * self.bound.scratch_bytes)
        self.order = np.random.default_rng(0).permutation(len(x))
        self.done = np.zeros(1, np.int64)
        self.arenas = [(arena, arena.copy())
                       for arena in (*self.model._arenas, *self.model._slot_arenas)]

    def run(self, table):
        """Seconds a batch, of one pass over all of them."""
        self.done[0] = 0
        start = time.perf_counter()
        core.run_program(table, self.order, len(self.order), self.workload.batch, self.done, None, 0, None,
                         60.0, self.threads, self.scratch, self.bound.scratch_bytes)
        return (time.perf_counter() - start) * self.workload.batch / len(self.order)

    def turn(self, table, seconds):
        """The best of so many seconds, from the same weights and with buffers that a whole step filled."""
        for arena, copy in self.arenas:  # an update that is run alone goes on in one direction
            arena[...] = copy
        self.run(self.bound.table)
        end, best = time.perf_counter() + seconds, float("inf")
        while time.perf_counter() < end:
            best = min(best, self.run(table))
        return best


KINDS = {
    "gather": "rows of the batch",
    "dense_forward": "forward products",
    "dense_backward_input": "gradients of inputs",
    "dense_backward_params": "gradients of weights, update",
}
LOSSES = "loss and its gradient"


def step_rows(workload, threads, rounds, seconds):
    """A row for each op of a step and one for the whole, which comes first."""
    step = Step(workload, threads)
    tables = [step.bound.table] + [step.bound.table[i : i + 1] for i in range(len(step.bound.table))]
    times, peak = [[] for _ in tables], 0.0
    for _ in range(rounds):
        peak = max(peak, core.fma_peak(workload.dtype == "float64", 0.01))
        for table, found in zip(tables, times, strict=True):
            found.append(step.turn(table, seconds))
    nn.set_num_threads(None)
    rows = []
    for number, (table, found) in enumerate(zip(tables, times, strict=True)):
        kernel, sizes, kind, flops = "step", "", "step", workload.flops * workload.batch
        if number:
            kernel = core.KERNELS[int(table["kernel"][0])]
            widths = [int(n) for n in table["n"][0][:2]]
            dense = kernel.startswith("dense")
            flops = 2 * workload.batch * widths[0] * widths[1] if dense else 0
            sizes = "x".join(map(str, (workload.batch, *widths))) if dense else ""
            kind = KINDS.get(kernel, LOSSES if "error" in kernel or "entropy" in kernel else "other")
        best = min(found)
        rows.append({
            "workload": workload.name, "threads": threads, "op": kernel, "sizes": sizes, "kind": kind,
            "best": best, "median": statistics.median(found),
            "share": flops / best / (peak * threads) if flops else None,
        })  # fmt: skip
    return rows


def step_table(rows):
    yield ["network", "op", "shape", "us a step", "share of the parts", "of peak"], ["---"] * 3 + ["--:"] * 3
    parts = {}
    for r in rows:
        if r["op"] != "step":
            parts[r["workload"]] = parts.get(r["workload"], 0.0) + r["best"]
    for r in rows:
        whole = r["op"] == "step"
        share = f"(parts: {time_text(parts[r['workload']])} us)" if whole else percent(r["best"] / parts[r["workload"]])
        yield [f"**{r['workload']}**" if whole else "", "whole step" if whole else f"`{r['op']}`", r["sizes"],
               time_text(r["best"]), share, "" if r["share"] is None else percent(r["share"])]


def growth_table(rows):
    threads = sorted({r["threads"] for r in rows})
    head = ["grows", "value"]
    for n in threads:
        head += [f"{n} thread{'s' * (n > 1)}: us a sample", "of peak"] + ["speed-up"] * (n > 1)
    yield head, ["---"] + ["--:"] * (len(head) - 1)
    for sweep, value in dict.fromkeys((r["sweep"], r["value"]) for r in rows):
        cells = [sweep, str(value)]
        for n in threads:
            r = next(r for r in rows if (r["sweep"], r["value"], r["threads"]) == (sweep, value, n))
            cells += [time_text(r["best"]), percent(r["share"])] + [f"{r['speedup']:.2f}"] * (n > 1)
        yield cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads for the growth (default 1,2)")
    parser.add_argument("--steps", default="tiny,digits,mnist,wide,large", help="networks whose step is taken apart")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each point (default 7)")
    parser.add_argument("--seconds", type=float, default=0.05, help="how long a turn lasts (default 0.05)")
    parser.add_argument("--json", help="write all figures to this file")
    parser.add_argument("--load", help="measure nothing: take this file")
    parser.add_argument("--plots", metavar="FOLDER", help="draw performance-growth.svg and -step.svg there")
    parser.add_argument("--markdown", nargs="?", const="-", metavar="PAGE",
                        help="print Markdown, or replace the generated sections of this page")  # fmt: skip
    options = parser.parse_args()
    if options.load:
        data = json.loads(Path(options.load).read_text())
    else:
        threads = [int(n) for n in options.threads.split(",")]
        grown = growth(threads, options.rounds, options.seconds)
        networks = [w for w in WORKLOADS if w.kind == "train" and w.name in options.steps.split(",")]
        steps = [r for w in networks for r in step_rows(w, 1, options.rounds, options.seconds)]
        data = {"machine": machine(), "growth": grown, "steps": steps}
    if options.json:
        Path(options.json).write_text(json.dumps(data, indent=1))
    if options.plots:
        import plots

        plots.draw_growth(data["growth"], Path(options.plots) / "performance-growth.svg")
        plots.draw_step(data["steps"], Path(options.plots) / "performance-step.svg")
    tables = {"growth": growth_table(data["growth"]), "step": step_table(data["steps"])}
    for name, lines in tables.items():
        text = markdown(list(lines))
        if options.markdown not in (None, "-"):
            replace_section(options.markdown, name, text)
        else:
            sys.stdout.write(text + "\n\n")


if __name__ == "__main__":
    main()
