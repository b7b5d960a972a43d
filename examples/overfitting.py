"""A net that is too large learns the noise; dropout and early stopping narrow the gap between old and new rows."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 10))
y = x[:, :1] + np.abs(x[:, 1:2]) + rng.normal(size=(1000, 1))  # as much noise as there is to learn
seen, watched, new = ((x[rows], y[rows]) for rows in (slice(0, 200), slice(200, 400), slice(400, 1000)))


def run(rate=0.0, callbacks=()):
    """Return the error on the rows trained on, and on new ones."""
    model = nn.Sequential([nn.Input((10,))], seed=1)
    for _ in range(2):
        model.add(nn.layers.Dense(64, "relu"))
        model.add(nn.layers.Dropout(rate))
    model.add(nn.layers.Dense(1))
    model.compile(nn.optimizers.Adam(learning_rate=0.001), "mse")
    model.fit(*seen, batch_size=20, epochs=200, validation_data=watched, callbacks=list(callbacks), verbose=0)
    return model.evaluate(*seen, verbose=0), model.evaluate(*new, verbose=0)


errors = {
    "without": run(),
    "with dropout": run(rate=0.5),
    "with early stopping": run(callbacks=[nn.callbacks.EarlyStopping(patience=10, restore_best_weights=True)]),
}
(old, unseen), *cured = errors.values()
assert unseen > 2 * old and all(after - before < 0.65 * (unseen - old) and after < unseen for before, after in cured)
print("Mean squared error on rows trained on and on new ones: "
      + "; ".join(f"{before:.2f} and {after:.2f} {name}" for name, (before, after) in errors.items()) + ".")
