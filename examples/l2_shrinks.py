"""An L2 penalty shrinks the weights, the more of it the more: it is ridge regression."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(100, 5))
x[:, 1] = x[:, 0] + rng.normal(scale=0.01, size=100)  # two features that say almost the same
y = x @ [1.0, 1.0, 0.5, 0, -0.5] + rng.normal(scale=0.5, size=100)

weights = {}
for l2 in (0.0, 0.01, 0.1, 1.0):
    layer = nn.layers.Dense(1, use_bias=False, dtype="float64", kernel_regularizer=nn.regularizers.L2(l2))
    model = nn.Sequential([nn.Input((5,), dtype="float64"), layer], seed=1)
    model.compile(nn.optimizers.SGD(learning_rate=0.05, momentum=0.9), "mse")
    model.fit(x, y, batch_size=100, epochs=2000, verbose=0)
    weights[l2] = layer.get_weights()[0][:, 0]
    if l2:  # ridge regression: the loss is |x w - y|^2 / 100 + l2 |w|^2
        exact = np.linalg.solve(x.T @ x / 100 + l2 * np.eye(5), x.T @ y / 100)
        assert np.allclose(weights[l2], exact, atol=1e-6)

norms = [np.linalg.norm(w) for w in weights.values()]
assert norms == sorted(norms, reverse=True)
print("Norm of the weights, which are those of ridge regression: "
      + ", ".join(f"{norm:.2f} with L2 of {l2}" for l2, norm in zip(weights, norms, strict=True)) + ".")
