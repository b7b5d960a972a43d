"""Measure the largest error of each elementary function and print the table of docs/bits.md.

    python tools/measure_ulp.py [--exhaustive all] [--stride 101] [--points 20000] [--only exp,tanh,...]

`steps`: floating-point numbers between the result and the correctly rounded value. `ULP`: distance from the
exact value in units of the last place of the largest term (a derivative), or of the value. float32 is
compared with float64 at every `stride`-th number, or at all of them; float64 with mpmath at the points of
tests/test_accuracy.py and random ones.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import test_accuracy as accuracy  # noqa: E402

CHUNK = 1 << 22
TINY = {np.dtype(t): np.finfo(t).tiny for t in ("float32", "float64")}


class Worst:
    """The largest errors seen of one function: (value, where)."""

    def __init__(self):
        self.steps, self.ulp, self.far, self.seen = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 0

    def add(self, name, x, steps, ulp):
        steps, ulp = (
            np.where(np.isfinite(ulp) | np.isinf(steps), steps, 0),
            np.where(np.isfinite(ulp), ulp, 0),
        )
        self.seen += x.size
        tail = (x < accuracy.FAR_TAIL) if name in ("gelu", "silu") else np.zeros(x.shape, bool)
        for field, error in (
            ("steps", np.where(tail, 0, steps)),
            ("ulp", np.where(tail, 0, ulp)),
            ("far", np.where(tail, ulp, 0)),
        ):
            at = int(error.argmax())
            if error[at] > getattr(self, field)[0]:
                setattr(self, field, (float(error[at]), float(x[at])))


def float32(name, stride):
    """Against float64: every stride-th float32 with a finite value of at most 256 (log, log1p: any)."""
    worst = Worst()
    for first in range(0, 1 << 32, CHUNK * stride):
        bits = np.arange(first, min(first + CHUNK * stride, 1 << 32), stride, dtype=np.uint64).astype(
            np.uint32
        )
        x = bits.view(np.float32)
        if name == "log":
            x = x[x > 0]
        elif name == "log1p":
            x = x[x > -1]
        else:
            x = x[np.abs(x) <= 256]  # beyond: limits, which the tests look at
        x = x[np.isfinite(x)]
        if x.size == 0:
            continue
        got = accuracy.evaluate(name, x)
        want, term = accuracy.wide(name, x)
        rounded = want.astype(np.float32)
        size = np.abs(rounded if term is None else term.astype(np.float32))
        unit = np.spacing(np.maximum(size, TINY[x.dtype])).astype(np.float64)
        apart = np.abs(got.view(np.int32).astype(np.int64) - rounded.view(np.int32))
        apart[got == rounded] = 0  # zeros of either sign
        steps = np.where(np.sign(got) == np.sign(rounded), apart, accuracy.steps(got, rounded)).astype(
            np.float64
        )
        if term is not None:
            steps = np.abs(got.astype(np.float64) - rounded) / unit
        worst.add(name, x, steps, np.abs(got - want) / unit)
    return worst


def float64(name, count):
    """Against mpmath."""
    rng = np.random.default_rng(23)
    x = [accuracy.points(name)]
    if name == "log":
        x += [
            rng.uniform(0.5, 2, count // 2),
            np.ldexp(rng.uniform(1, 2, count // 2), rng.integers(-1074, 1023, count // 2)),
        ]
    else:
        x += [
            rng.uniform(-4, 4, count // 2),
            rng.uniform(-40, 40, count // 4),
            rng.uniform(-750, 750, count // 8),
            np.ldexp(rng.uniform(-2, 2, count // 8), rng.integers(-60, 3, count // 8)),
        ]
    x = np.concatenate(x)
    x = x[x > -1] if name == "log1p" else x
    got, mp = accuracy.evaluate(name, x), accuracy.MP
    steps, ulp = np.zeros(x.size), np.zeros(x.size)
    for i, (v, g) in enumerate(zip(x.tolist(), got.tolist(), strict=True)):
        terms = (
            accuracy.TERMS[name](mp.mpf(v)) if name in accuracy.TERMS else (accuracy.EXACT[name](mp.mpf(v)),)
        )
        want = sum(terms)
        nearest = accuracy.rounded(want)
        largest = accuracy.rounded(max(abs(t) for t in terms))
        if not (np.isfinite(g) and np.isfinite(nearest)):
            steps[i] = 0 if g == nearest else np.inf
            continue
        unit = float(np.spacing(max(abs(largest), TINY[np.dtype("float64")])))
        steps[i] = (
            float(accuracy.steps(np.array([g]), np.array([nearest]))[0])
            if len(terms) == 1
            else abs(g - nearest) / unit
        )
        ulp[i] = float(abs(mp.mpf(g) - want) / unit)
    worst = Worst()
    worst.add(name, x, steps, ulp)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exhaustive", default="", help="functions to try on every float32, or all")
    parser.add_argument("--stride", type=int, default=101)
    parser.add_argument("--points", type=int, default=20000)
    parser.add_argument("--only", default=",".join(accuracy.FUNCTIONS))
    options = parser.parse_args()
    np.seterr(all="ignore")
    print("| function | float32 steps | ULP | worst at | tried | float64 steps | ULP | worst at | tried |")
    print("|---|--:|--:|---|--:|--:|--:|---|--:|")
    for name in options.only.split(","):
        every = options.exhaustive == "all" or name in options.exhaustive.split(",")
        row = [name]
        for worst, how in (
            (float32(name, 1 if every else options.stride), "all" if every else f"1 in {options.stride}"),
            (float64(name, options.points), None),
        ):
            far = f" (far tail {worst.far[0]:.2f})" if worst.far[0] else ""
            row += [
                f"{worst.steps[0]:.3g}",
                f"{worst.ulp[0]:.2f}{far}",
                f"{worst.ulp[1]:.6g}",
                how or f"{worst.seen:,}",
            ]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
