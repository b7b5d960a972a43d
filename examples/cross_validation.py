"""How good is a net on new data? Hold-out, K-fold and leave-one-out ask rows that it was not trained on."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3))
y = x[:, :1] * x[:, 1:2] + x[:, 2:] + rng.normal(scale=0.3, size=(60, 1))


def error(train, test):
    """Return the mean squared error on rows `test` of a net trained on rows `train`."""
    model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(8, "tanh"), nn.layers.Dense(1)], seed=1)
    model.compile(nn.optimizers.Adam(learning_rate=0.02), "mse")
    model.fit(x[train], y[train], batch_size=16, epochs=100, verbose=0)
    return model.evaluate(x[test], y[test], verbose=0)


def k_fold(k):
    """Return the mean error over k folds: each row is tested once."""
    folds = np.array_split(rng.permutation(60), k)
    errors = [error(np.concatenate(folds[:n] + folds[n + 1 :]), fold) for n, fold in enumerate(folds)]
    return np.average(errors, weights=[len(fold) for fold in folds])


everything, order = np.arange(60), rng.permutation(60)
seen = error(everything, everything)
estimates = {"hold-out": error(order[:45], order[45:]), "5-fold": k_fold(5), "leave-one-out": k_fold(60)}
assert all(seen < estimate for estimate in estimates.values())
print(f"Mean squared error on the rows trained on: {seen:.3f}; on others: "
      + ", ".join(f"{name} {estimate:.3f}" for name, estimate in estimates.items()) + ".")
