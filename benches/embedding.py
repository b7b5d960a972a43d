"""What a training step costs with embeddings of 10^3 to 10^6 rows.

    python benches/embedding.py

The rows that a batch touches are as many in all tables: ids are drawn from the same number of rows, spread over the
table. A step then costs the same, but for the rows' way from memory where a table is larger than the caches.
"""

import argparse
import statistics
import time

import numpy as np

import nncore as nn

FIELDS, WIDTH, BATCH, BATCHES = 8, 16, 256, 100


def step(rows, optimizer, rounds):
    """Microseconds of a step, and how many rows a batch touches."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 1000, (BATCH * BATCHES, FIELDS)) * (rows // 1000)
    y = rng.integers(0, 2, (len(ids), 1)).astype(np.float32)
    model = nn.Sequential([
        nn.layers.Embedding(rows, WIDTH), nn.layers.Flatten(), nn.layers.Dense(64, "relu"), nn.layers.Dense(1),
    ], seed=1)  # fmt: skip
    model.compile(optimizer, nn.losses.BinaryCrossentropy(from_logits=True))
    model.fit(ids[:BATCH], y[:BATCH], BATCH, verbose=0)
    found = []
    for _ in range(rounds):
        program = time.perf_counter()
        model.fit(ids, y, BATCH, 1, 0, shuffle=False, nonfinite="continue")  # else the table is copied once per epoch
        found.append((time.perf_counter() - program) / BATCHES * 1e6)
    return statistics.median(found), len(np.unique(ids[:BATCH]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    nn.set_num_threads(1)
    for name in ("sgd", "adam"):
        for rows in (10**3, 10**4, 10**5, 10**6):
            microseconds, touched = step(rows, nn.optimizers.get(name), rounds)
            print(f"{name:5} {rows:9,} rows: {microseconds:7.1f} us a step, which touches {touched} of them")
