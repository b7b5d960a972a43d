"""Labels that do not exclude each other: independent sigmoids, each with its own cross-entropy."""

import numpy as np

import nncore as nn
from nncore.data import load_digits

images, digits = load_digits()
labels = {"even": digits % 2 == 0, "at least 5": digits >= 5, "prime": np.isin(digits, [2, 3, 5, 7])}
x, y = images / 16, np.column_stack(list(labels.values())).astype(float)
order = np.random.default_rng(0).permutation(len(x))
train, test = order[:1400], order[1400:]

model = nn.Sequential([nn.Input((64,)), nn.layers.Dense(64, "relu"), nn.layers.Dense(3, "sigmoid")], seed=1)
model.compile(nn.optimizers.Adam(learning_rate=0.005), "binary_crossentropy")
model.fit(x[train], y[train], batch_size=32, epochs=40, verbose=0)

right = ((model.predict(x[test]) > 0.5) == y[test]).mean(axis=0)
assert right.min() > 0.95
print("Three labels per digit, test accuracy: "
      + ", ".join(f"{name} {share:.1%}" for name, share in zip(labels, right, strict=True)) + ".")
