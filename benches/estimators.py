"""The estimators beside scikit-learn's own on real data: the table of docs/from-scikit-learn.md.

    OMP_NUM_THREADS=1 python benches/estimators.py DATA
    python benches/estimators.py DATA --only adult --solvers sgd,lbfgs --rounds 5
    python benches/estimators.py DATA --many 8

DATA is the folder with Adult, California housing and Fashion-MNIST; scikit-learn's digits come with it. Both are fitted
for as many epochs in turn, in one process, with the round's number for a seed; a ratio is the median over the rounds of
theirs / ours, a score the mean. ``--many K`` fits K nets on bootstrap samples one by one and side by side instead.
"""

import argparse
import csv
import gzip
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from real_data import NUMBERS, read_adult
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nncore import sklearn as ours


def digits(folder):
    X, y = load_digits(return_X_y=True)
    return X / 16, y, X[1400:] / 16, y[1400:]


def adult(folder):
    rows, rows_test = (read_adult(folder / name) for name in ("adult.data.gz", "adult.test.gz"))
    scaler, encoder = StandardScaler(), OneHotEncoder(handle_unknown="ignore", sparse_output=False)

    def columns(rows, fit):
        numbers = np.array([[float(row[column]) for column in NUMBERS] for row in rows])
        names = [[row[column] for column in range(14) if column not in NUMBERS] for row in rows]
        if fit:
            scaler.fit(numbers)
            encoder.fit(names)
        return np.hstack([scaler.transform(numbers), encoder.transform(names)])

    return (columns(rows, True), np.array([row[14] for row in rows]), columns(rows_test, False),
            np.array([row[14] for row in rows_test]))


def california(folder):
    with gzip.open(folder / "california_housing.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("ocean_proximity", "median_house_value")]
    X = np.array([[float(row[name] or "nan") for name in names] for row in rows])
    X = StandardScaler().fit_transform(np.where(np.isnan(X), np.nanmedian(X, axis=0), X))
    y = np.array([float(row["median_house_value"]) for row in rows]) / 1e5
    order = np.random.default_rng(0).permutation(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    return X[train], y[train], X[test], y[test]


def fashion(folder):
    with np.load(folder / "fashion_mnist.npz") as arrays:
        parts = [arrays[f"{name}_{part}"] for part in ("train", "test") for name in "xy"]
    return parts[0].reshape(-1, 784) / 255.0, parts[1], parts[2].reshape(-1, 784) / 255.0, parts[3]


DATA = {"digits": (digits, 20), "adult": (adult, 3), "california": (california, 8), "fashion": (fashion, 1)}


def timed(function, seconds=0.0):
    """Return the best time of one call, of as many as take so long."""
    best, start = np.inf, time.perf_counter()
    while True:
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
        if time.perf_counter() - start >= seconds:
            return best


def ratio(pairs):
    """Return the median of theirs / ours, and our median."""
    return statistics.median(theirs / own for own, theirs in pairs), statistics.median(own for own, _ in pairs)


def compare(name, solver, folder, rounds, dtype):
    """Print a line of the table."""
    load, epochs = DATA[name]
    X, y, X_test, y_test = load(folder)
    X, X_test = X.astype(dtype), X_test.astype(dtype)
    kind = "MLPRegressor" if name == "california" else "MLPClassifier"
    times, scores = {"fit": [], "one row": [], "all rows": []}, []
    for seed in range(rounds):
        parameters = {"solver": solver, "max_iter": epochs, "random_state": seed, "n_iter_no_change": 10**6}
        nets = [getattr(package, kind)(**parameters) for package in (ours, neural_network)]
        times["fit"].append([timed(lambda net=net: net.fit(X, y)) for net in nets])
        times["one row"].append([timed(lambda net=net: net.predict(X_test[:1]), 0.02) for net in nets])
        times["all rows"].append([timed(lambda net=net: net.predict(X_test), 0.05) for net in nets])
        scores.append([net.score(X_test, y_test) for net in nets])
    found = [ratio(times[part]) for part in times]
    mean = np.mean(scores, axis=0)
    print(f"| {name} | {solver} | {dtype} | " + " | ".join(f"{r:.1f} ({own * 1e3:.3g} ms)" for r, own in found)
          + f" | {mean[0]:.4f} / {mean[1]:.4f} |", flush=True)


def compare_many(name, count, folder, rounds):
    """Print how long so many nets take one by one, and side by side."""
    load, epochs = DATA[name]
    X, y = load(folder)[:2]
    kind = ours.MLPRegressor if name == "california" else ours.MLPClassifier
    rows = [np.random.default_rng(seed).integers(len(X), size=len(X)) for seed in range(count)]
    times = []
    for _ in range(rounds):
        nets = [[kind(max_iter=epochs, random_state=seed) for seed in range(count)] for _ in range(2)]
        times.append([timed(lambda n_jobs=n_jobs, nets=made: ours.fit_many(nets, X, y, rows=rows, n_jobs=n_jobs))
                      for n_jobs, made in zip((len(os.sched_getaffinity(0)), 1), nets, strict=True)])
        assert all(np.array_equal(a.coefs_[0], b.coefs_[0]) for a, b in zip(*nets, strict=True))
    gain, own = ratio(times)
    print(f"| {name} | {own * 1e3:.3g} ms | {gain:.2f} of {min(count, len(os.sched_getaffinity(0)))} |", flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=",".join(DATA))
    parser.add_argument("--solvers", default="sgd,adam,lbfgs")
    parser.add_argument("--dtypes", default="float64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, metavar="K")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.many:
        print(f"| data | {args.many} nets side by side | times as fast as one by one |")
        print("|" + "---|" * 3)
        for name in args.only.split(","):
            compare_many(name, args.many, args.data, args.rounds)
        return
    print("| data | solver | dtype | fit | predict, one row | predict, all rows | score, ours / theirs |")
    print("|" + "---|" * 7)
    for name in args.only.split(","):
        for solver in args.solvers.split(","):
            for dtype in args.dtypes.split(","):
                compare(name, solver, args.data, args.rounds, dtype)


if __name__ == "__main__":
    main()
