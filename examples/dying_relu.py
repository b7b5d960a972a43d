"""A ReLU that is 0 for all data gets no gradient and never comes back; a leaky one does."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 4))
y = np.abs(x[:, :1]) + x[:, 1:2]


def run(activation):
    """Return the share of units whose weights training never moved, and the loss."""
    low = nn.initializers.Constant(-3)  # as after one step with a learning rate that was far too large
    hidden = nn.layers.Dense(32, activation, bias_initializer=low, name="hidden")
    model = nn.Sequential([nn.Input((4,)), hidden, nn.layers.Dense(1)], seed=1)
    before = hidden.get_weights()[0]
    model.compile(nn.optimizers.Adam(learning_rate=0.01), "mse")
    model.fit(x, y, batch_size=50, epochs=200, verbose=0)
    return (hidden.get_weights()[0] == before).all(axis=0).mean(), model.evaluate(x, y, verbose=0)


relu, leaky = run("relu"), run("leaky_relu")
assert relu[0] > 0.8 and leaky[0] == 0 and leaky[1] < relu[1] / 10
print(f"Units that never learn: {relu[0]:.0%} of ReLUs (loss {relu[1]:.2f}), {leaky[0]:.0%} of leaky ReLUs "
      f"(loss {leaky[1]:.2f}).")
