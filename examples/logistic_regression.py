"""A dense layer of one sigmoid is logistic regression: it finds what Newton's method, or scikit-learn, finds."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
x = rng.normal(size=(400, 5))
y = (rng.random(400) < 1 / (1 + np.exp(-(x @ [1.5, -2, 0.5, 0, 1] - 0.5)))).astype(float)

model = nn.Sequential([nn.Input((5,), dtype="float64"), nn.layers.Dense(1, "sigmoid", dtype="float64")], seed=1)
model.compile(nn.optimizers.SGD(learning_rate=1.0, momentum=0.9), "binary_crossentropy")
model.fit(x, y, batch_size=400, epochs=500, verbose=0)
found = np.concatenate([w.ravel() for w in model.get_weights()])

# Newton's method on the same likelihood, with a column of ones for the bias.
rows, exact = np.column_stack([x, np.ones(400)]), np.zeros(6)
for _ in range(20):
    p = 1 / (1 + np.exp(-rows @ exact))
    exact -= np.linalg.solve((rows.T * (p * (1 - p))) @ rows, rows.T @ (p - y))
others = {"Newton's method": exact}

try:
    from sklearn.linear_model import LogisticRegression
except ImportError:  # it is not needed for nncore
    pass
else:
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    others["scikit-learn"] = np.append(theirs.coef_, theirs.intercept_)

difference = max(np.abs(found - other).max() for other in others.values())
assert difference < 1e-4
print(f"A one-layer net has the coefficients of {' and '.join(others)} to within 1e-4.")
