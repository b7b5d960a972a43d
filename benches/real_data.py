"""Dense networks on real data: what accuracy they reach, and how long that takes.

    python benches/real_data.py DATA [fashion mnist adult california]

DATA is a folder with ``fashion_mnist.npz`` and ``mnist.npz`` (Keras's layout), ``adult.data.gz`` and ``adult.test.gz``
(UCI) and ``california_housing.csv.gz`` (StatLib). Seeds are fixed: every run prints the same scores. The test part is
looked at once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from pathlib import Path

import numpy as np

import nncore as nn
from nncore.layers import BatchNormalization, Concatenate, Dense, Dropout, Embedding, Flatten

LOGITS = nn.losses.SparseCategoricalCrossentropy(from_logits=True)


def images(path):
    """Train a dense net with batch normalization and dropout on 28x28 images; return the test accuracy."""
    with np.load(path) as arrays:
        (x, y), (x_test, y_test) = ((arrays[f"x_{part}"].reshape(-1, 784).astype(np.float32) / 255,
                                     arrays[f"y_{part}"]) for part in ("train", "test"))
    epochs, batch = 20, 128
    steps = epochs * -(-len(x) // batch)
    model = nn.Sequential([
        nn.Input((784,)),
        Dense(512, use_bias=False), BatchNormalization(), nn.layers.ReLU(), Dropout(0.3),
        Dense(256, use_bias=False), BatchNormalization(), nn.layers.ReLU(), Dropout(0.3),
        Dense(10),
    ], seed=1)
    rate = nn.optimizers.schedules.CosineDecay(2e-3, decay_steps=steps)
    model.compile(nn.optimizers.AdamW(rate, weight_decay=0.02), LOGITS, metrics=["accuracy"])
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]


NUMBERS = (0, 2, 4, 10, 11, 12)  # columns of Adult; the others are categories, the last one the answer


def read_adult(path):
    """Return the rows of a file of the Adult data set."""
    with gzip.open(path, "rt") as file:
        return [[cell.strip().rstrip(".") for cell in row] for row in csv.reader(file) if len(row) == 15]


def adult(folder):
    """Train a net with embeddings of the categories; return the accuracy on the given test file."""
    rows, rows_test = (read_adult(folder / name) for name in ("adult.data.gz", "adult.test.gz"))
    columns = [column for column in range(14) if column not in NUMBERS]
    known = {column: {name: number + 1 for number, name in enumerate(sorted({row[column] for row in rows}))}
             for column in columns}

    def prepared(rows):
        numbers = np.array([[float(row[column]) for column in NUMBERS] for row in rows])
        numbers[:, 3:5] = np.log1p(numbers[:, 3:5])
        ids = {f"c{column}": np.array([[known[column].get(row[column], 0)] for row in rows]) for column in columns}
        return {"numbers": numbers, **ids}, np.array([row[14] == ">50K" for row in rows], float)

    x, y = prepared(rows)
    x_test, y_test = prepared(rows_test)
    mean, spread = x["numbers"].mean(axis=0), x["numbers"].std(axis=0)
    for part in (x, x_test):
        part["numbers"] = (part["numbers"] - mean) / spread

    inputs = {"numbers": nn.Input((len(NUMBERS),), name="numbers")}
    parts = [inputs["numbers"]]
    for column in columns:
        size = len(known[column]) + 1  # row 0 is for names that training has not seen
        ids = inputs[f"c{column}"] = nn.Input((1,), dtype="int64", name=f"c{column}")
        parts.append(Flatten()(Embedding(size, min(8, 1 + size // 2))(ids)))
    hidden = Dropout(0.2)(Dense(128, "relu")(Concatenate()(parts)))
    hidden = Dropout(0.2)(Dense(64, "relu")(hidden))
    model = nn.Model(inputs, Dense(1)(hidden), seed=1)
    model.compile(nn.optimizers.Adam(1e-3), nn.losses.BinaryCrossentropy(from_logits=True),
                  metrics=[nn.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)])
    stop = nn.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(x, y, batch_size=256, epochs=40, verbose=0, validation_split=0.1, callbacks=[stop])
    return model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]


def california(folder):
    """Train on the logarithm of the price, with waves over the map; return the RMSE in dollars on a fifth."""
    with gzip.open(folder / "california_housing.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    names = ("longitude", "latitude", "housing_median_age", "median_income", "total_rooms", "total_bedrooms",
             "population", "households")
    raw = np.array([[float(row[name] or "nan") for name in names] for row in rows])
    kinds = sorted({row["ocean_proximity"] for row in rows})
    price = np.array([float(row["median_house_value"]) for row in rows])
    order = np.random.default_rng(0).permutation(len(rows))
    test, train = order[: len(rows) // 5], order[len(rows) // 5 :]
    raw[np.isnan(raw[:, 5]), 5] = np.nanmedian(raw[train, 5])
    rooms, bedrooms, people, homes = raw[:, 4:].T
    x = np.column_stack([raw[:, :4], np.log(raw[:, 3:]), np.log(rooms / homes), np.log(bedrooms / rooms),
                         np.log(people / homes)])
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    waves = x[:, :2] @ np.random.default_rng(1).normal(0, 2, (2, 64))
    x = np.column_stack([x, np.sin(waves), np.cos(waves), [[row["ocean_proximity"] == kind for kind in kinds]
                                                           for row in rows]])
    target = np.log(price)
    mean, spread = target[train].mean(), target[train].std()
    epochs, batch = 30, 64
    rate = nn.optimizers.schedules.CosineDecay(1e-3, decay_steps=epochs * -(-len(train) // batch))
    model = nn.Sequential([nn.Input((x.shape[1],)), Dense(256, "relu"), Dense(128, "relu"), Dense(1)], seed=1)
    model.compile(nn.optimizers.AdamW(rate, weight_decay=0.05), "mse")
    model.fit(x[train], (target[train] - mean) / spread, batch_size=batch, epochs=epochs, verbose=0)
    found = np.exp(model.predict(x[test])[:, 0] * spread + mean)
    return float(np.sqrt(np.mean((found - price[test]) ** 2)))


TASKS = {
    "fashion": ("Fashion-MNIST, test accuracy", lambda folder: images(folder / "fashion_mnist.npz")),
    "mnist": ("MNIST, test accuracy", lambda folder: images(folder / "mnist.npz")),
    "adult": ("Adult, accuracy on the test file", adult),
    "california": ("California housing, RMSE in dollars on a fifth", california),
}


def main():
    """Run the tasks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], default=[])
    arguments = parser.parse_args()
    for name in arguments.tasks or TASKS:
        title, task = TASKS[name]
        start = time.perf_counter()
        print(f"{title}: {task(arguments.data):.6g}  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
