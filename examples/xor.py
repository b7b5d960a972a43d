"""No line separates the four points of XOR; a hidden layer bends the plane so that one does."""

import numpy as np

import nncore as nn

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
y = np.array([0, 1, 1, 0], float)


def accuracy(*hidden):
    """Return the accuracy of a net with some hidden layers."""
    model = nn.Sequential([nn.Input((2,)), *hidden, nn.layers.Dense(1, "sigmoid")], seed=1)
    model.compile(nn.optimizers.SGD(learning_rate=0.5, momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=4, epochs=500, verbose=0)
    return model.evaluate(x, y, verbose=0)[1]


without, hidden = accuracy(), accuracy(nn.layers.Dense(4, "tanh"))
assert without <= 0.75 and hidden == 1
print(f"XOR: {without:.0%} of the points are right without a hidden layer, {hidden:.0%} with one of 4 units.")
