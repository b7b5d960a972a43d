"""Weights that are too large make gradients explode; clipping them, or a lower learning rate, saves the training."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(512, 10))
y = np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]


def train(**settings):
    """Return the loss before and after, or None after it where it became infinite."""
    large = nn.initializers.RandomNormal(stddev=0.6)
    hidden = [nn.layers.Dense(32, "relu", kernel_initializer=large) for _ in range(4)]
    model = nn.Sequential([nn.Input((10,)), *hidden, nn.layers.Dense(1, kernel_initializer=large)], seed=1)
    model.compile(nn.optimizers.SGD(**settings), "mse")
    start = model.evaluate(x, y, verbose=0)
    try:
        model.fit(x, y, batch_size=32, epochs=50, verbose=0)
    except nn.NonFiniteError:
        return start, None
    return start, model.evaluate(x, y, verbose=0)


start, exploded = train(learning_rate=0.01)
_, clipped = train(learning_rate=0.01, global_clipnorm=1.0)
_, slow = train(learning_rate=1e-6)
assert exploded is None and clipped < start / 100 and slow < start / 10
print(f"Loss {start:.0f} at the start; with learning rate 0.01 it overflows, with the gradient's norm clipped to 1 it "
      f"falls to {clipped:.2f}, with learning rate 1e-6 to {slow:.1f}.")
