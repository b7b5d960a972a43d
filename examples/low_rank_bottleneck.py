"""Two linear layers with few units between them are one matrix of low rank: as good where the task is, and smaller."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 60))
y = x @ rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40)) / 20 + rng.normal(scale=0.01, size=(500, 40))  # rank 3


def trained(*layers):
    """Return a model of some layers, trained."""
    model = nn.Sequential([nn.Input((60,)), *layers], seed=1)
    model.compile(nn.optimizers.Adam(learning_rate=0.01), "mse")
    model.fit(x[:400], y[:400], batch_size=100, epochs=300, verbose=0)
    return model


full = trained(nn.layers.Dense(40))
narrow = trained(nn.layers.Dense(3, use_bias=False), nn.layers.Dense(40))
errors = [model.evaluate(x[400:], y[400:], verbose=0) for model in (full, narrow)]
product = narrow.get_weights()[0] @ narrow.get_weights()[1]
assert np.linalg.matrix_rank(product, tol=1e-4) == 3 and errors[1] < errors[0]
print(f"A bottleneck of 3 linear units: {narrow.count_params()} parameters instead of {full.count_params()}, "
      f"test error {errors[1]:.1e} instead of {errors[0]:.1e}.")
