"""What is timed: kernels of the table at shapes of named models, each beside what a NumPy user writes."""

import inspect
from copy import deepcopy
from typing import NamedTuple

import numpy as np

from nncore import kernels, reference
from nncore.testing import KERNELS, Kernel

# Where NumPy has the function itself it gets out=, as ours does. All else is the expression of the table of
# kernels, or the twin where the table has none.
OWN = {
    "identity_forward": lambda x, y_out: np.copyto(y_out, x),
    "identity_backward": lambda dy, dx_out: np.copyto(dx_out, dy),
    "tanh_forward": lambda x, y_out: np.tanh(x, out=y_out),
    "relu_forward": lambda x, y_out: np.maximum(x, 0, out=y_out),
    "exponential_forward": lambda x, y_out: np.exp(x, out=y_out),
    "exponential_backward": lambda dy, y, dx_out: np.multiply(dy, y, out=dx_out),
    "dense_backward_input": lambda dy, w, dx_out: np.matmul(dy, w.T, out=dx_out),
}


def _dense_forward(x, w, b, y_out):
    np.matmul(x, w, out=y_out)
    y_out += b


def _dense_backward_params(x, dy, dw_out, db_out):
    np.matmul(x.T, dy, out=dw_out)
    dy.sum(axis=0, out=db_out)


OWN |= {"dense_forward": _dense_forward, "dense_backward_params": _dense_backward_params}

BIASED = {
    "relu": lambda x, b, activation: np.maximum(x + b, 0),
    "tanh": lambda x, b, activation: np.tanh(x + b),
    "sigmoid": lambda x, b, activation: 1 / (1 + np.exp(-(x + b))),
}

# Batches and layers of: the digits' 64-128-10 and MNIST's 784-256-128-10, a classifier of ImageNet on 2,048
# features, the Keras guide's 784-512; squares for comparison with others' figures.
DENSE = (
    (32, 64, 128),
    (32, 128, 10),
    (1, 784, 256),
    (128, 784, 256),
    (128, 256, 128),
    (128, 128, 10),
    (64, 2048, 1000),
    (128, 128, 128),
    (1024, 1024, 1024),
)
# Logits of the same models, and the ladder from 10^4 to 10^6 elements.
ROWS = ((32, 10), (128, 10), (1000, 10), (100, 100), (10000, 10), (256, 1000), (1000, 1000), (100000, 10))
FEW_ROWS = ((128, 10), (10000, 10), (256, 1000))
ELEMENTS = ((10_000,), (1_000_000,))
# Parameters of the digits' and MNIST's models; the last is beyond every cache.
PARAMETERS = ((9_610,), (235_146,), (1_000_000,), (10_000_000,))
# Batches of click logs: 26 or 39 fields, embedded in 8 or 16 numbers; some more features with factors.
FIELDS = ((256, 26, 8), (1024, 39, 16), (4096, 39, 10), (1024, 300, 16))
MANY = (
    "bias_activation_forward",
    "softmax",
    "softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "mean_squared_error",
)

# Kernels whose expression in NumPy does the like and not the same: it draws other random numbers, sums into whole
# tables, rounds moments elsewhere, or breaks ties otherwise.
OTHER_RESULTS = ("dropout_forward", "alpha_dropout_forward", "gaussian_dropout_forward", "gaussian_noise_forward",
                 "embedding_backward_rows", "batch_normalization_forward", "categorical_hinge")



class Case(NamedTuple):
    """One comparison; `against` says what NumPy runs: its own function, an expression, the twin."""

    row: Kernel
    shape: tuple
    dtype: str
    variant: dict
    against: str

    @property
    def id(self):
        names = [value for value in self.variant.values() if isinstance(value, str)]
        return "-".join([self.row.id, *names, "x".join(map(str, self.shape)), self.dtype])

    @property
    def name(self):
        names = [value for value in self.variant.values() if isinstance(value, str)]
        return self.row.name + "".join(f" {name}" for name in [self.row.label, *names] if name)

    @property
    def flops(self):
        return self.row.flops(*self.shape) if self.row.flops else 0

    @property
    def bytes(self):
        return self.row.moved(*self.shape) * np.dtype(self.dtype).itemsize if self.row.moved else 0

    def prepare(self, out=True):
        """The two calls without arguments, ours and NumPy's, after a check that both do what the twin does.

        Without `out` ours allocates its outputs.
        """
        arguments = {
            k: v
            for k, v in self.row.arguments(self.shape, self.dtype, **self.variant).items()
            if v is not None
        }
        twin, ours = self.row.function(reference), self.row.function(kernels)
        wanted, want = _run(twin, deepcopy(arguments))
        outs = {name: np.empty_like(a) for name, a in wanted.items() if name.endswith("_out")}

        def numpys(arguments, outs):
            if self.against == "own":
                return OWN[self.row.name](**arguments, **outs)
            if self.against == "twin":
                return twin(**arguments, **outs)
            if "activation" in self.variant:
                return BIASED[self.variant["activation"]](**arguments)
            full = {
                name: p.default for name, p in inspect.signature(twin).parameters.items() if p.default is None
            }
            full = {name: None for name in full if not name.endswith("_out")} | arguments
            names = inspect.signature(self.row.baseline).parameters
            loose = any(p.kind is p.VAR_KEYWORD for p in names.values())
            return self.row.baseline(**{k: v for k, v in full.items() if loose or k in names})

        eps = float(np.finfo(self.dtype).eps)
        sides = [(lambda a, o: ours(**a, **o), self.row.ulps), (numpys, 1e4)]
        for function, ulps in sides[:1] if self.row.name in OTHER_RESULTS else sides:
            a, o = deepcopy(arguments), deepcopy(outs)
            got, result = _known(function(a, o), a, o, wanted)
            for name in got:
                np.testing.assert_allclose(
                    got[name], wanted[name], rtol=ulps * eps, atol=ulps * eps, err_msg=self.id
                )
            if isinstance(want, float) and result is not None:
                np.testing.assert_allclose(result, want, rtol=1e4 * eps, err_msg=self.id)

        our_outs, our_arguments = (deepcopy(outs) if out else {}), deepcopy(arguments)
        return (lambda: ours(**our_arguments, **our_outs)), (lambda: numpys(arguments, outs))


def _run(function, arguments):
    """The arrays known after a call, by the names of the outputs, and the loss (or None)."""
    outs = [name for name in inspect.signature(function).parameters if name.endswith("_out")]
    result = function(**arguments)
    results = result if isinstance(result, tuple) else (result,)
    loss = results[0] if isinstance(results[0], float) else None
    found = [value for value in results if isinstance(value, np.ndarray)]
    known = dict(zip(outs[len(outs) - len(found) :], found, strict=False)) if outs else {}
    if not outs and found:
        known = {"result": found[0]}
    return known | {name: a for name, a in arguments.items() if isinstance(a, np.ndarray)}, loss


def _known(result, arguments, outs, wanted):
    """What to compare: outputs returned or filled, arguments changed in place, and the loss (or None)."""
    results = result if isinstance(result, tuple) else (result,)
    loss = float(results[0]) if np.ndim(results[0]) == 0 and results[0] is not None else None
    found = [value for value in results if isinstance(value, np.ndarray) and value.ndim]
    names = [name for name in wanted if name.endswith("_out") or name == "result"]
    known = dict(zip(names, found, strict=True)) if len(found) == len(names) else dict(outs)
    return known | {name: arguments[name] for name in wanted if name in arguments}, loss


def _cases():
    for row in KERNELS:
        rank = len(row.big)
        against = "own" if row.name in OWN else "expression" if row.baseline else "twin"
        variants = [{}]
        if row.name == "bias_activation_forward":
            variants = [{"activation": name} for name in BIASED]
        elif row.variants[0].get("sample_weight", 0) is None:
            variants = [{"sample_weight": None}]
        elif row.in_place:
            variants = [row.variants[0]]
        if row.name == "philox4x32":
            pairs = [((65_536,), "float32")]
        elif row.name in ("sgd_update", "adam_update"):
            pairs = [(shape, dtype) for dtype in ("float32", "float64") for shape in PARAMETERS]
        elif rank == 1:
            pairs = [(shape, dtype) for dtype in ("float32", "float64") for shape in ELEMENTS]
        elif rank == 3 and not row.name.startswith("dense"):
            pairs = [(shape, dtype) for dtype in ("float32", "float64") for shape in FIELDS]
        elif rank == 3:
            pairs = [(shape, dtype) for dtype in ("float32", "float64") for shape in DENSE]
        elif row.name in MANY and not row.label:
            pairs = [(shape, "float32") for shape in ROWS] + [
                (shape, "float64") for shape in ((1000, 10), (1000, 1000))
            ]
        else:
            pairs = [(shape, "float32") for shape in FEW_ROWS] + [((10000, 10), "float64")]
        for variant in variants:
            for shape, dtype in pairs:
                yield Case(row, shape, dtype, variant, against)


CASES = tuple(_cases())
