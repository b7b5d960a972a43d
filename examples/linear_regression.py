"""A dense layer of one unit, trained on the mean squared error, is linear regression: it finds the least squares."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
differences = []
for features in (1, 8):  # one variable, and many
    x = rng.normal(size=(200, features))
    y = x @ rng.normal(size=features) + 3 + rng.normal(scale=0.5, size=200)

    model = nn.Sequential([nn.Input((features,), dtype="float64"), nn.layers.Dense(1, dtype="float64")], seed=1)
    model.compile(nn.optimizers.SGD(learning_rate=0.1, momentum=0.9), "mse")
    model.fit(x, y, batch_size=200, epochs=300, verbose=0)  # all rows in one batch: the gradient is exact
    kernel, bias = model.get_weights()

    exact = np.linalg.lstsq(np.column_stack([x, np.ones(200)]), y, rcond=None)[0]
    differences.append(np.abs(np.append(kernel, bias) - exact).max())

assert max(differences) < 1e-6
print(f"Gradient descent finds the least squares of 1 and of 8 variables to within {max(differences):.0e}.")
