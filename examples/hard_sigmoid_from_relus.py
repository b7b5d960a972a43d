"""A hard sigmoid is the difference of two ReLUs: any curve of straight pieces is a sum of ReLUs."""

import numpy as np

import nncore as nn

# hard_sigmoid(x) = min(max(x / 6 + 1 / 2, 0), 1) = relu(x / 6 + 1 / 2) - relu(x / 6 - 1 / 2)
model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(2, "relu"), nn.layers.Dense(1, use_bias=False)])
model.set_weights([[[1 / 6, 1 / 6]], [0.5, -0.5], [[1], [-1]]])

x = np.linspace(-8, 8, 1001, dtype=np.float32)[:, None]
difference = np.abs(model.predict(x) - nn.activations.hard_sigmoid(x)).max()
assert difference < 1e-6
print(f"relu(x/6 + 1/2) - relu(x/6 - 1/2) is hard_sigmoid(x) to within {difference:.0e}.")
