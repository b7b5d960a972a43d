"""Time training and inference of whole networks, nncore alone or beside the peers that are installed.

    python benches/models.py [--kind train,infer,gradient] [--threads 1,2] [--peers] ... (see --help)

Run from anywhere, on the installed package. Each side is a process of its own that sleeps (SIGSTOP) while
another is measured, so that no idle pool of threads spins into its turn. All sides and thread counts of a
workload take turns, in an order that moves on with every round: a change of the machine's pace meets all of
them. Times are of the best and of the median round; rates and shares of the peak are of the best round
against the best peak, which is measured in the same turns; ratios are medians of the ratios of each round.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import multiprocessing
import os
import platform
import re
import signal
import statistics
import sys
from contextlib import contextmanager
from pathlib import Path

LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SIMPLECHAINS = 5.66e-6  # seconds, published; a 24-8-2 network, 200 rows, loss and gradient in float64


class Side:
    """A process that measures one side on so many threads, stopped unless it is asked something."""

    def __init__(self, name, threads):
        from sides import serve

        self.name, self.threads = name, threads
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        with environment({limit: str(threads) for limit in LIMITS} | {"JAX_PLATFORMS": "cpu"}):
            self.process = context.Process(target=serve, args=(theirs, name, threads), daemon=True)
            self.process.start()
        theirs.close()

    def ask(self, *question):
        os.kill(self.process.pid, signal.SIGCONT)
        self.pipe.send(question)
        try:
            answer = self.pipe.recv()
        except EOFError:
            return RuntimeError("the process died")
        os.kill(self.process.pid, signal.SIGSTOP)
        return answer

    def close(self):
        self.process.kill()
        self.process.join()


@contextmanager
def environment(changes):
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def measure(workload, sides, options, say):
    """Rows of results for one workload, one for each side that could take part."""
    running, times, peaks = [], {}, []
    for side in sides:
        answer = side.ask("prepare", workload, options.seconds)
        if isinstance(answer, Exception):
            say(f"  {side.name} on {side.threads}: left out: {str(answer)[:300]}")
        else:
            running.append(side)
            times[side] = []
    for turn in range(options.rounds):
        at = turn % max(1, len(running))
        for side in running[at:] + running[:at]:
            answer = side.ask("run")
            if isinstance(answer, Exception):
                raise answer
            times[side].append(answer[0])
            if answer[1]:
                peaks.append(answer[1])
    return [row(workload, side, times, max(peaks)) for side in running]


def row(workload, side, times, peak):
    found = times[side]
    base = next((other for other in times if other.name == "nncore" and other.threads == side.threads), None)
    single = next((other for other in times if other.name == side.name and other.threads == 1), None)

    def ratio(over, under):
        return None if over is None else statistics.median(
            a / b for a, b in zip(times[over], times[under], strict=True))

    best = min(found)
    return {
        "workload": workload.name,
        "kind": workload.kind,
        "text": workload.text,
        "batch": workload.batch,
        "side": side.name,
        "threads": side.threads,
        "best": best,
        "median": statistics.median(found),
        "flops": workload.flops,
        "gflops": workload.flops / best / 1e9,
        "share": workload.flops / best / (peak * side.threads),
        "peak": peak,
        "over_nncore": None if base is None else ratio(side, base),
        "speedup": ratio(single, side),
        "times": found,
    }


def machine():
    """What ran this."""
    import nncore as nn
    from nncore._core import core

    cpuinfo = Path("/proc/cpuinfo")
    model = platform.processor()
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.*)$", cpuinfo.read_text(), re.M)
        model = found[1] if found else model
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "caches": caches,
        "system": f"{platform.system()} {platform.machine()}",
        "peak_f32": core.fma_peak(False, 0.1),
        "peak_f64": core.fma_peak(True, 0.1),
        **nn.config_info(),
    }


def versions(names):
    """The installed version of each peer, as far as its package says so."""
    packages = {"sklearn": "scikit-learn", "jax scan": None, "torch compile": None}
    found = {}
    for name in names:
        package = packages.get(name, name)
        if package:
            found[name] = importlib.metadata.version(package)
    return found


def describe(info):
    lines = [
        f"{info['cpu']}, {info['cores']} cores, {', '.join(info['caches'])} (per core up to L2); {info['system']}; "
        f"nncore {info['version']} {info['isa']}, {info['compiler']}, Python {info['python']}, NumPy {info['numpy']}",
        f"peak of fused multiply-adds on one core: {info['peak_f32'] / 1e9:.0f} GFLOP/s in float32, "
        f"{info['peak_f64'] / 1e9:.0f} in float64",
    ]
    if info.get("peers"):
        lines.append("peers: " + ", ".join(f"{name} {version}" for name, version in info["peers"].items()))
    return lines


# ---------------------------------------------------------------- tables
def time_text(seconds):
    """Microseconds with three digits."""
    us = seconds * 1e6
    return f"{us:,.0f}" if us >= 100 else f"{us:.{max(0, 2 - math.floor(math.log10(us)))}f}"


def percent(share):
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.{0 if share >= 0.1 else 1}f} %"


def own_table(rows, kind):
    """nncore alone: each workload, a column group for each number of threads."""
    kept = [row for row in rows if row["kind"] == kind and row["side"].startswith("nncore")]
    threads = sorted({row["threads"] for row in kept})
    head = ["network", "batch", "call"] if kind == "infer" else ["network", "batch"]
    fixed = len(head)
    for n in threads:
        word = f"{n} thread{'s' * (n > 1)}: "
        head += [f"{word}best us", "median us", "GFLOP/s", "of peak"] + ["speed-up"] * (n > 1)
    yield head, ["---"] * fixed + ["--:"] * (len(head) - fixed)
    calls = {"nncore": "`model(x)`", "nncore out=": "`model(x, out=y)`", "nncore predict": "`predict(x)`"}
    for workload, side in dict.fromkeys((row["workload"], row["side"]) for row in kept):
        mine = {r["threads"]: r for r in kept if (r["workload"], r["side"]) == (workload, side)}
        first = next(iter(mine.values()))
        cells = [f"{workload}: {first['text']}", str(first["batch"])]
        if kind == "infer":
            cells.append(calls[side])
        for n in threads:
            if n not in mine:
                cells += [""] * (4 + (n > 1))
                continue
            r = mine[n]
            cells += [time_text(r["best"]), time_text(r["median"]), f"{r['gflops']:.3g}", percent(r["share"])]
            if n > 1:
                cells.append("" if r["speedup"] is None else f"{r['speedup']:.2f}")
        yield cells


def peer_table(rows, kind):
    """How many times as long as nncore each peer takes."""
    kept = [row for row in rows if row["kind"] == kind]
    names = [n for n in dict.fromkeys(row["side"] for row in kept) if not n.startswith("nncore")]
    if not names:
        return
    yield ["network", "batch", "threads", "nncore us", *names], ["---"] * 2 + ["--:"] * (2 + len(names))
    for workload, threads in dict.fromkeys((row["workload"], row["threads"]) for row in kept):
        mine = {r["side"]: r for r in kept if (r["workload"], r["threads"]) == (workload, threads)}
        if "nncore" not in mine:
            continue
        ratios = [f"{mine[n]['over_nncore']:.2f}" if n in mine else "" for n in names]
        yield [workload, str(mine["nncore"]["batch"]), str(threads), time_text(mine["nncore"]["median"]), *ratios]


def gradient_table(rows):
    kept = [row for row in rows if row["kind"] == "gradient"]
    if not kept:
        return
    head = ["network", "dtype", "threads", "best us", "median us", "GFLOP/s", "of peak", "published / best"]
    yield head, ["---"] * 2 + ["--:"] * 6
    for r in kept:
        widths, *_, dtype = r["text"].split()
        published = f"{SIMPLECHAINS / r['best']:.2f}" if dtype == "float64" else ""
        yield [widths, dtype, str(r["threads"]), time_text(r["best"]), time_text(r["median"]), f"{r['gflops']:.3g}",
               percent(r["share"]), published]


TABLES = {
    "train": lambda rows: own_table(rows, "train"),
    "train peers": lambda rows: peer_table(rows, "train"),
    "infer": lambda rows: own_table(rows, "infer"),
    "infer peers": lambda rows: peer_table(rows, "infer"),
    "gradient": gradient_table,
}
CAPTIONS = {
    "train": "Training, us a sample",
    "train peers": "Training: time of a peer / time of nncore",
    "infer": "Inference, us a call",
    "infer peers": "Inference: time of a peer / time of nncore's model(x)",
    "gradient": "Loss and gradient of one batch of 200 rows "
    f"(SimpleChains.jl publishes {SIMPLECHAINS * 1e6} us in float64, on another machine)",
}


def markdown(lines):
    """A table in Markdown; the first of the lines is the heads and the rulers."""
    (head, ruler), *body = lines
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ruler, *body))


def aligned(lines):
    (head, ruler), *body = lines
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{'>' if rule == '--:' else '<'}{width}}"
                  for cell, rule, width in zip(cells, ruler, widths, strict=True)).rstrip()
        for cells in (head, *body)
    )


def replace_section(path, name, text):
    """Put `text` between the comments of a generated section of a page."""
    page = Path(path).read_text()
    start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise SystemExit(f"{path}: wants one pair of comments {start} ... {end}")
    before, rest = page.split(start)
    Path(path).write_text(f"{before}{start}\n\n{text}\n\n{end}{rest.split(end)[1]}")


def show(rows, info, target):
    """Print the tables, or with a page as `target` put them there."""
    found = {name: list(make(rows)) for name, make in TABLES.items()}
    sections = {name: markdown(lines) for name, lines in found.items() if len(lines) > 1}
    if target and target != "-":
        for name, text in {"machine": "\n".join(f"- {line}" for line in describe(info)), **sections}.items():
            replace_section(target, name, text)
        return
    print("\n".join(describe(info)))
    for name in sections:
        print(f"\n{CAPTIONS[name]}\n")
        print(sections[name] if target else aligned(found[name]))
    slower = [r for r in rows if r["threads"] > 1 and r["side"].startswith("nncore") and r["speedup"]]
    if slower:
        worst = min(slower, key=lambda r: r["speedup"])
        print(f"\nmore threads against one, least: {worst['speedup']:.3f} ({worst['workload']}, {worst['side']}, "
              f"median of {len(worst['times'])} rounds)")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", default="train,infer,gradient", help="what to time (default all three)")
    parser.add_argument("--only", default="", help="workloads whose name begins with one of these words: a,b")
    parser.add_argument("--threads", default="1", help="numbers of threads, measured in the same rounds: 1,2")
    parser.add_argument("--peers", nargs="?", const="", help="also the peers that are installed, or these: a,b")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side (default 9)")
    parser.add_argument("--seconds", type=float, default=0.1, help="how long a turn lasts (default 0.1)")
    parser.add_argument("--json", help="write all times to this file")
    parser.add_argument("--load", nargs="+", default=[], metavar="JSON",
                        help="measure nothing: show these files; of a row in two of them, the later one's")  # fmt: skip
    parser.add_argument("--markdown", nargs="?", const="-", metavar="PAGE",
                        help="print Markdown, or replace the generated sections of this page")  # fmt: skip
    return parser.parse_args()


def chosen_peers(options, kind):
    from sides import NEEDS, PEERS

    if options.peers is None:
        return []
    wanted = options.peers.split(",") if options.peers else PEERS[kind]
    unknown = set(wanted) - {name for peers in PEERS.values() for name in peers}
    if unknown:
        raise SystemExit(f"--peers: unknown: {', '.join(sorted(unknown))}")
    installed = [name for name in wanted if all(importlib.util.find_spec(module) for module in NEEDS[name])]
    return [name for name in installed if name in PEERS[kind]]


def main():
    options = arguments()
    if options.load:
        files = [json.loads(Path(name).read_text()) for name in options.load]
        peers = {name: version for file in files for name, version in file["machine"].get("peers", {}).items()}
        rows = {tuple(row[key] for key in ("kind", "workload", "side", "threads")): row
                for file in files for row in file["rows"]}  # fmt: skip
        show(list(rows.values()), files[-1]["machine"] | {"peers": peers}, options.markdown)
        return
    from sides import OWN
    from workloads import WORKLOADS

    def say(text):
        print(text, file=sys.stderr, flush=True)

    rows, used = [], {}
    for kind in options.kind.split(","):
        words = tuple(options.only.split(","))
        table = [workload for workload in WORKLOADS if workload.kind == kind and workload.name.startswith(words)]
        if not table:
            continue
        peers = chosen_peers(options, kind)
        used |= dict.fromkeys(peers)
        sides = []
        try:
            for threads in map(int, options.threads.split(",")):
                sides += [Side(name, threads) for name in (*OWN[kind], *peers)]
            for workload in table:
                say(f"{kind} {workload.name}")
                rows += measure(workload, sides, options, say)
        finally:
            for side in sides:
                side.close()
    info = machine() | {"peers": versions(used)}
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": info, "rows": rows}, indent=1))
    show(rows, info, options.markdown)


if __name__ == "__main__":
    main()
