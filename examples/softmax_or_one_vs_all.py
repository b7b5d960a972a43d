"""Several classes: one softmax, or for each class a sigmoid that tells it from all others."""

import numpy as np

import nncore as nn
from nncore.data import load_digits

images, digits = load_digits()
x, order = images / 16, np.random.default_rng(0).permutation(len(digits))
train, test = order[:1400], order[1400:]


def trained(activation, loss, y):
    """Return the predictions for the test rows of a linear model with ten outputs."""
    model = nn.Sequential([nn.Input((64,)), nn.layers.Dense(10, activation)], seed=1)
    model.compile(nn.optimizers.Adam(learning_rate=0.01), loss)
    model.fit(x[train], y[train], batch_size=32, epochs=60, verbose=0)
    return model.predict(x[test])


softmax = trained("softmax", "sparse_categorical_crossentropy", digits)
sigmoids = trained("sigmoid", "binary_crossentropy", nn.utils.to_categorical(digits, 10))
right = [(p.argmax(axis=1) == digits[test]).mean() for p in (softmax, sigmoids)]
assert np.allclose(softmax.sum(axis=1), 1, atol=1e-5) and not np.allclose(sigmoids.sum(axis=1), 1, atol=0.1)
assert min(right) > 0.93
print(f"Digits, linear: {right[0]:.1%} right with a softmax (probabilities sum to 1), {right[1]:.1%} with ten "
      f"one-vs-all sigmoids (theirs sum to {sigmoids.sum(axis=1).min():.1f} ... {sigmoids.sum(axis=1).max():.1f}).")
