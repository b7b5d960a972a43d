"""Rosenblatt's perceptron: it stops making mistakes where a line separates the classes, and never does elsewhere."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 2))
side = np.sign(x @ [1.0, -2.0] + 0.3)
apart = np.abs(x @ [1.0, -2.0] + 0.3) > 0.2  # leaves a gap between the classes


def epochs_until_right(x, y, most=200):
    """Return after how many epochs all rows are right, or None."""
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1, kernel_initializer="zeros")], seed=1)
    model.compile(nn.optimizers.SGD(learning_rate=1.0), nn.losses.PerceptronLoss())
    for epoch in range(1, most + 1):
        model.fit(x, y, batch_size=1, verbose=0)  # a step for each row: only what is wrong teaches
        if (nn.activations.sign(model.predict(x))[:, 0] == y).all():
            return epoch
    return None


separable = epochs_until_right(x[apart], side[apart])
some_wrong = np.where(np.arange(200) % 20 == 0, -side, side)  # every twentieth label is turned round
assert separable is not None and epochs_until_right(x, some_wrong) is None
print(f"Perceptron: every row right after {separable} epochs where a line separates the classes; where none does, not "
      "separable: still mistakes after 200.")
