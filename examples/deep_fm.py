"""Clicks as in Criteo's data: a factorization machine adds pairs of ids, DeepFM also a net on the same vectors."""

import numpy as np

import nncore as nn

# Three numbers and five ids per row; the ids of all columns share one table, each column behind the ones before.
rng = np.random.default_rng(0)
sizes = np.array([20, 10, 30, 5, 15])
ids = rng.integers(0, sizes, (10000, 5)) + np.cumsum([0, *sizes[:-1]])
numbers = rng.normal(size=(10000, 3))
hidden = rng.normal(size=(sizes.sum(), 3))[ids]  # what an id is like
pairs = (hidden.sum(axis=1) ** 2 - (hidden**2).sum(axis=1)).sum(axis=1) / 2
logit = rng.normal(size=80)[ids].sum(axis=1) + 0.5 * pairs - 2
logit += 2 * numbers[:, 0] * numbers[:, 1] + 2 * np.abs(numbers[:, 2])
clicks = (rng.random(10000) < 1 / (1 + np.exp(-logit))).astype(float)


def log_loss(pairs, deep):
    """Return the loss on the last thousand rows of a linear model, with pairs of ids and a net where wanted."""
    a, b = nn.Input((3,), name="numbers"), nn.Input((5,), dtype="int64", name="ids")
    vectors = nn.layers.Embedding(sizes.sum(), 4)(b)
    first = nn.layers.Flatten()(nn.layers.Embedding(sizes.sum(), 1)(b))
    parts = [nn.layers.Dense(1)(nn.layers.Concatenate()([a, first]))]
    if pairs:
        parts.append(nn.layers.FMInteraction()(vectors))
    if deep:
        both = nn.layers.Concatenate()([a, nn.layers.Flatten()(vectors)])
        parts.append(nn.layers.Dense(1)(nn.layers.Dense(32, "relu")(nn.layers.Dense(32, "relu")(both))))
    model = nn.Model([a, b], nn.layers.Add()(parts), seed=1)
    model.compile(nn.optimizers.Adam(learning_rate=0.005), nn.losses.BinaryCrossentropy(from_logits=True))
    early = nn.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    old, new = slice(0, 9000), slice(9000, None)
    model.fit([numbers[old], ids[old]], clicks[old], 64, epochs=60, validation_split=0.2, callbacks=[early], verbose=0)
    return model.evaluate([numbers[new], ids[new]], clicks[new], verbose=0)


linear, machine = log_loss(False, False), log_loss(True, False)
net, deep_fm = log_loss(False, True), log_loss(True, True)
assert deep_fm < min(machine, net) and max(machine, net) < linear
print(f"Log-loss on new rows: {linear:.3f} linear, {machine:.3f} with a factorization machine, {net:.3f} with a net, "
      f"{deep_fm:.3f} with both, which is DeepFM.")
