"""Bagging: nets that were each trained on a random draw of the rows err differently; their mean errs less."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, size=(400, 2))
y = np.sin(x[:, :1] * x[:, 1:]) + rng.normal(scale=0.3, size=(400, 1))
train, test = slice(0, 150), slice(150, 400)

predictions = []
for seed in range(15):
    rows = rng.integers(0, 150, 150)  # with repetition: some rows twice, some not at all
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(40, "tanh"), nn.layers.Dense(1)], seed=seed)
    model.compile(nn.optimizers.Adam(learning_rate=0.02), "mse")
    model.fit(x[rows], y[rows], batch_size=25, epochs=200, verbose=0)
    predictions.append(model.predict(x[test]))

errors = [((p - y[test]) ** 2).mean() for p in predictions]
together = ((np.mean(predictions, axis=0) - y[test]) ** 2).mean()
assert together < 0.9 * np.mean(errors)
print(f"Test error of 15 nets: {min(errors):.3f} ... {max(errors):.3f}, {np.mean(errors):.3f} on average; "
      f"of their mean prediction: {together:.3f}.")
