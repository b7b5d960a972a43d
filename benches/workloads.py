"""The networks that are timed, and the data and first weights that every side is given."""

from typing import NamedTuple

import numpy as np

LEARNING_RATE = {"adam": 1e-3, "sgd": 1e-2}
MOMENTUM = 0.9
BETAS = (0.9, 0.999)
EPSILON = 1e-7
KEPT, ADDED = 0.99, 1e-3  # of the moving statistics, to the variance of a batch


class Workload(NamedTuple):
    """One network and one thing that is done with it.

    `kind` is "train" (a unit is a sample), "infer" (a unit is a call on `batch` rows) or "gradient" (a unit
    is the loss and the gradient of one batch). `loss` is "ce" (softmax cross-entropy of class ids) or "mse". With
    `dropout` each hidden product is followed by batch normalization, the activation and dropout at that rate.
    """

    name: str
    kind: str
    layers: tuple
    batch: int
    samples: int
    activation: str = "relu"
    loss: str = "ce"
    optimizer: str = "adam"
    dtype: str = "float32"
    dropout: float | None = None

    @property
    def text(self):
        widths = "-".join(map(str, self.layers))
        if len(self.layers) > 8:
            widths = f"{self.layers[0]}-({len(self.layers) - 2} x {self.layers[1]})-{self.layers[-1]}"
        hidden = f" {self.activation}" if len(self.layers) > 2 else ""
        if self.dropout is not None:
            hidden = f" batchnorm {self.activation} dropout({self.dropout:g})"
        end = {"train": f" {self.loss} {self.optimizer}", "infer": "", "gradient": f" {self.loss} {self.dtype}"}
        return f"{widths}{hidden}{end[self.kind]}"

    @property
    def flops(self):
        """Useful operations of a unit: two a multiply-add; all that is not a product counts nothing.

        Training needs each product three times, but nobody needs the gradient of the data.
        """
        products = [2 * a * b for a, b in zip(self.layers, self.layers[1:], strict=False)]
        once = sum(products)
        return {
            "train": 3 * once - products[0],
            "infer": once * self.batch,
            "gradient": (3 * once - products[0]) * self.batch,
        }[self.kind]

    def data(self):
        """Inputs of a normal distribution, targets of a random linear teacher: a loss that can go down."""
        rng = np.random.default_rng(7)
        inputs, outputs = self.layers[0], self.layers[-1]
        x = rng.standard_normal((self.samples, inputs))
        scores = x @ rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
        scores += 0.3 * rng.standard_normal(scores.shape)
        y = scores.argmax(axis=1).astype(np.int64) if self.loss == "ce" else np.tanh(scores).astype(self.dtype)
        return x.astype(self.dtype), y

    def weights(self):
        """A list of (kernel, bias), by He's rule; of layers that are normalized also (gamma, beta)."""
        rng = np.random.default_rng(11)
        pairs = zip(self.layers, self.layers[1:], strict=False)
        found = [
            ((rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(self.dtype), np.zeros(b, self.dtype))
            for a, b in pairs
        ]
        if self.dropout is not None:
            found[:-1] = [(w, b, np.ones_like(b), np.zeros_like(b)) for w, b in found[:-1]]
        return found


LARGE = (2048, 2048, 2048, 64)
MNIST = (784, 256, 128, 10)
TINY = (4, 16, 16, 1)
WIDE = (784, 1024, 1024, 10)

WORKLOADS = (
    Workload("tiny", "train", TINY, 32, 4096, "tanh", "mse"),
    Workload("simplechains", "train", (24, 8, 2), 200, 4000, "tanh", "mse"),
    Workload("digits", "train", (64, 128, 10), 32, 2048),
    Workload("mnist", "train", MNIST, 128, 4096),
    Workload("normalized", "train", MNIST, 128, 4096, dropout=0.2),
    Workload("wide", "train", WIDE, 256, 2048, optimizer="sgd"),
    Workload("large", "train", LARGE, 1024, 2048, optimizer="sgd"),
    # No size a multiple of a vector or a tile; one layer; many narrow layers; one huge layer; a bottleneck.
    Workload("odd", "train", (33, 17, 3), 7, 2100),
    Workload("linear", "train", (100, 1), 64, 4096, loss="mse", optimizer="sgd"),
    Workload("deep", "train", (32,) * 12 + (10,), 32, 2048),
    Workload("fat", "train", (10, 2000, 1), 32, 2048, loss="mse"),
    Workload("bottleneck", "train", (500, 7, 500), 50, 2000, "tanh", "mse"),
    Workload("tiny-b1", "infer", TINY, 1, 64, "tanh", "mse"),
    Workload("policy-b1", "infer", (17, 64, 64, 6), 1, 64, "tanh", "mse"),
    Workload("mnist-b1", "infer", MNIST, 1, 64),
    Workload("mnist-b4096", "infer", MNIST, 4096, 4096),
    Workload("wide-b256", "infer", WIDE, 256, 256),
    Workload("large-b1024", "infer", LARGE, 1024, 1024),
    # As in the README of SimpleChains.jl. 16 batches of it stay in the second-level cache.
    Workload("gradient-f64", "gradient", (24, 8, 2), 200, 3200, "tanh", "mse", dtype="float64"),
    Workload("gradient-f32", "gradient", (24, 8, 2), 200, 3200, "tanh", "mse", dtype="float32"),
)


def normalized(z):
    """The columns with mean 0 and variance 1, and what they were multiplied by."""
    inverse = 1 / np.sqrt(z.var(axis=0) + ADDED)
    return (z - z.mean(axis=0)) * inverse, inverse


def forward(workload, weights, x):
    """The outputs of all layers in NumPy, the input first; dropout is not done."""
    function = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[workload.activation]
    outputs = [x]
    for number, (w, b, *scale_shift) in enumerate(weights, start=1):
        z = outputs[-1] @ w + b
        if scale_shift:
            z = normalized(z)[0] * scale_shift[0] + scale_shift[1]
        outputs.append(function(z) if number < len(weights) else z)
    return outputs


def gradients(workload, weights, x, y):
    """The loss of a batch, and for each layer the gradients of its weights, in NumPy."""
    outputs = forward(workload, weights, x)
    z = outputs[-1]
    if workload.loss == "ce":
        e = np.exp(z - z.max(axis=1, keepdims=True))
        dz = e / e.sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(dz[rows, y]).mean()
        dz[rows, y] -= 1
        dz /= len(x)
    else:
        dz = z - y
        loss = np.square(dz).mean()
        dz *= 2 / dz.size
    found = []
    for number in range(len(weights) - 1, -1, -1):
        w, b, *scale_shift = weights[number]
        slopes = ()
        if scale_shift:
            u, inverse = normalized(outputs[number] @ w + b)
            slopes = (dz * u).sum(axis=0), dz.sum(axis=0)
            dz = scale_shift[0] * inverse * (dz - slopes[1] / len(x) - u * (slopes[0] / len(x)))
        found.append((outputs[number].T @ dz, dz.sum(axis=0), *slopes))
        if number:
            dz = dz @ weights[number][0].T
            h = outputs[number]
            dz *= (h > 0) if workload.activation == "relu" else 1 - h * h
    return loss, found[::-1]


class Training:
    """Steps in NumPy, written as a user would: the reference for all sides, and a side itself."""

    def __init__(self, workload, dtype=None):
        self.workload = workload
        self.parameters = [[a.astype(dtype or a.dtype) for a in pair] for pair in workload.weights()]
        self.first, self.second = ([[np.zeros_like(a) for a in pair] for pair in self.parameters] for _ in range(2))
        self.steps = 0

    def step(self, x, y):
        loss, found = gradients(self.workload, self.parameters, x, y)
        self.steps += 1
        rate = LEARNING_RATE[self.workload.optimizer]
        for layer, pair in enumerate(found):
            for which, g in enumerate(pair):
                w, m, v = (a[layer][which] for a in (self.parameters, self.first, self.second))
                if self.workload.optimizer == "sgd":
                    m *= MOMENTUM
                    m -= rate * g
                    w += m
                else:
                    m += (1 - BETAS[0]) * (g - m)
                    v += (1 - BETAS[1]) * (g * g - v)
                    scale = rate * np.sqrt(1 - BETAS[1] ** self.steps) / (1 - BETAS[0] ** self.steps)
                    w -= scale * m / (np.sqrt(v) + EPSILON)
        return loss
