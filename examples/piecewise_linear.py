"""A sum of sigmoids fits a curve of straight pieces the better the more sigmoids there are."""

import numpy as np

import nncore as nn

x = np.linspace(-1, 1, 201)[:, None]
y = np.interp(x, [-1, -0.5, 0, 0.4, 1], [0, 1, -0.5, 0.8, 0.2])

errors = {}
for units in (1, 2, 4, 16):
    wide = nn.initializers.RandomUniform(-10, 10)  # steep steps, at places all over the interval
    layers = [nn.layers.Dense(units, "sigmoid", kernel_initializer=wide, bias_initializer=wide), nn.layers.Dense(1)]
    model = nn.Sequential([nn.Input((1,)), *layers], seed=3)
    model.compile(nn.optimizers.Adam(learning_rate=0.02), "mse")
    model.fit(x, y, batch_size=201, epochs=3000, verbose=0)
    errors[units] = float(np.sqrt(model.evaluate(x, y, verbose=0)))

assert list(errors.values()) == sorted(errors.values(), reverse=True) and errors[16] < 0.05
steps = ", ".join(f"{error:.3f} with {units}" for units, error in errors.items())
print(f"Root mean squared error of a sum of sigmoids: {steps}.")
