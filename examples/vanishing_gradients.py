"""In a deep net of sigmoids the gradient shrinks from layer to layer; ReLUs keep its size."""

import numpy as np

import nncore as nn
from nncore.data import load_digits

images, digits = load_digits()
x = images / 16


def run(activation, initializer):
    """Return the first layer's gradient over the last one's, before training, and the accuracy after it."""
    hidden = [nn.layers.Dense(32, activation, kernel_initializer=initializer) for _ in range(8)]
    model = nn.Sequential([nn.Input((64,)), *hidden, nn.layers.Dense(10)], seed=1)
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)

    model.compile(nn.optimizers.SGD(learning_rate=1.0), loss)
    before = model.get_weights()
    model.train_on_batch(x, digits)  # a step of plain SGD with rate 1 is the gradient
    steps = [np.sqrt(((new - old) ** 2).mean()) for new, old in zip(model.get_weights(), before, strict=True)]

    model.set_weights(before)
    model.compile(nn.optimizers.SGD(learning_rate=0.02, momentum=0.9), loss, metrics=["accuracy"])
    model.fit(x, digits, batch_size=32, epochs=30, verbose=0)
    return steps[0] / steps[-2], model.evaluate(x, digits, verbose=0)[1]


sigmoid, relu = run("sigmoid", "glorot_uniform"), run("relu", "he_uniform")
assert sigmoid[0] < 1e-4 and relu[0] > 0.1 and sigmoid[1] < 0.2 and relu[1] > 0.95
print(f"Gradient of the first of 9 layers over that of the last: {sigmoid[0]:.0e} with sigmoids (accuracy after 30 epochs "
      f"{sigmoid[1]:.0%}), {relu[0]:.1f} with ReLUs ({relu[1]:.0%}).")
