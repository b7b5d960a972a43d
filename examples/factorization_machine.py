"""A factorization machine learns which pairs of features matter, and a few factors do for all pairs."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = (rng.random((2000, 40)) < 0.2).astype(float)  # 40 yes-or-no features: 780 pairs
taste = rng.normal(size=(40, 3))
pairs = ((x @ taste) ** 2 - x**2 @ taste**2).sum(axis=1) / 2
y = x @ rng.normal(size=40) + pairs
y = (y > np.median(y)).astype(float)


def accuracy(layer):
    """Return the test accuracy of a model of one layer, and the number of its parameters."""
    model = nn.Sequential([nn.Input((40,)), layer], seed=1)
    loss = nn.losses.BinaryCrossentropy(from_logits=True)
    model.compile(nn.optimizers.Adam(learning_rate=0.02), loss, metrics=[nn.metrics.BinaryAccuracy(threshold=0)])
    model.fit(x[:1500], y[:1500], batch_size=50, epochs=40, verbose=0)
    return model.evaluate(x[1500:], y[1500:], verbose=0)[1], model.count_params()


linear = accuracy(nn.layers.Dense(1))
machine = accuracy(nn.layers.FactorizationMachine(3))
assert machine[0] > linear[0] + 0.1
print(f"Test accuracy: {linear[0]:.1%} of a linear model ({linear[1]} parameters), {machine[0]:.1%} of a factorization "
      f"machine with 3 factors ({machine[1]}, for 780 pairs).")
