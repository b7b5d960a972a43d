"""An L1 penalty makes the weights of features that do not matter zero; without it they keep some noise."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 50))
weights = np.where(np.arange(50) < 5, 2.0, 0.0)  # 5 of 50 features matter
y = x @ weights + rng.normal(size=200)


def kernel(penalty):
    """Return the trained weights."""
    layer = nn.layers.Dense(1, kernel_regularizer=penalty)
    model = nn.Sequential([nn.Input((50,)), layer], seed=1)
    model.compile(nn.optimizers.SGD(learning_rate=0.01), "mse")
    model.fit(x, y, batch_size=200, epochs=2000, verbose=0)
    return layer.get_weights()[0][:, 0]


free, lasso = kernel(None), kernel(nn.regularizers.L1(0.4))
zeros = [int((np.abs(w) < 0.01).sum()) for w in (free, lasso)]  # a step beside zero is as far as descent comes
assert zeros[0] < 10 and zeros[1] == 45 and (np.abs(lasso[:5]) > 1).all()
print(f"Weights that are zero (below 0.01), of 50 of which 45 do not matter: {zeros[0]} without, {zeros[1]} with L1.")
