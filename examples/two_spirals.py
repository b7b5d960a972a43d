"""Two spirals wound round each other: a net with two hidden layers tells them apart, a linear one cannot."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
angle = np.sqrt(rng.random(1000)) * 3 * np.pi
spiral = rng.integers(0, 2, 1000)
radius = angle + np.pi * spiral  # the second one is the first, turned by half a circle
x = np.column_stack([angle * np.cos(radius), angle * np.sin(radius)]) / 3 + rng.normal(scale=0.05, size=(1000, 2))


def accuracy(*hidden):
    """Return the accuracy of a net with some hidden layers."""
    model = nn.Sequential([nn.Input((2,)), *hidden, nn.layers.Dense(1)], seed=1)
    loss = nn.losses.BinaryCrossentropy(from_logits=True)
    model.compile(nn.optimizers.Adam(learning_rate=0.01), loss, metrics=[nn.metrics.BinaryAccuracy(threshold=0)])
    model.fit(x[:800], spiral[:800], batch_size=32, epochs=150, verbose=0)
    return model.evaluate(x[800:], spiral[800:], verbose=0)[1]


linear, deep = accuracy(), accuracy(nn.layers.Dense(32, "tanh"), nn.layers.Dense(32, "tanh"))
assert linear < 0.75 and deep > 0.97
print(f"Two spirals, rows not trained on: {linear:.0%} are right with a line, {deep:.0%} with two hidden layers.")
