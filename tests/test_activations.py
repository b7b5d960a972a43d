"""Activations: other people's numbers, every way to ask for one, and users' own functions of x."""

import functools

import numpy as np
import pytest

import nncore as nn
from nncore import activations, executor, kernels, reference
from nncore.layers import Activation, Dense

EXECUTORS = {"compiled": executor.Executor, "numpy": reference.executor.Executor}
partial = functools.partial

# Values and derivatives at X, from PyTorch 2.13 in float64 (F.celu, F.selu, ..., and autograd of the sum); those of
# squareplus, sparse_plus and sparse_sigmoid from JAX 0.10 (jax.nn and jax.grad).
X = [-5.0, -3.0, -1.5, -0.75, -0.5, -0.1, 0.0, 0.1, 0.5, 0.75, 1.5, 3.0, 5.0]
NUMBERS = {
    "relu6": (
        "relu6",
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.5, 0.75, 1.5, 3.0, 5.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "celu, alpha 0.7": (
        partial(activations.celu, alpha=0.7),
        [-0.699446657, -0.690365349, -0.617876584, -0.460236801, -0.357320838, -0.0931854702, 0.0, 0.1,
         0.5, 0.75, 1.5, 3.0, 5.0],
        [0.00079049024, 0.013763786, 0.117319164, 0.342518855, 0.489541662, 0.866877912, 1.00000002,
         1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "celu": (
        "celu",
        [-0.993262053, -0.950212932, -0.77686984, -0.527633447, -0.39346934, -0.095162582, 0.0, 0.1,
         0.5, 0.75, 1.5, 3.0, 5.0],
        [0.006737947, 0.0497870684, 0.22313016, 0.472366553, 0.60653066, 0.904837418, 1.0, 1.0, 1.0,
         1.0, 1.0, 1.0, 1.0],
    ),
    "selu": (
        "selu",
        [-1.74625336, -1.67056873, -1.36581435, -0.927632016, -0.691758188, -0.167305273, 0.0,
         0.105070099, 0.525350494, 0.788025741, 1.57605148, 3.15210296, 5.25350494],
        [0.0118459802, 0.0875306121, 0.392284987, 0.830467325, 1.06634115, 1.59079407, 1.75809934,
         1.05070099, 1.05070099, 1.05070099, 1.05070099, 1.05070099, 1.05070099],
    ),
    "softsign": (
        "softsign",
        [-0.833333333, -0.75, -0.6, -0.428571429, -0.333333333, -0.0909090909, 0.0, 0.0909090909,
         0.333333333, 0.428571429, 0.6, 0.75, 0.833333333],
        [0.0277777778, 0.0625, 0.16, 0.326530612, 0.444444444, 0.826446281, 1.0, 0.826446281,
         0.444444444, 0.326530612, 0.16, 0.0625, 0.0277777778],
    ),
    "log_sigmoid": (
        "log_sigmoid",
        [-5.00671535, -3.04858735, -1.70141328, -1.13687101, -0.974076984, -0.74439666, -0.693147181,
         -0.64439666, -0.474076984, -0.386871006, -0.201413278, -0.0485873516, -0.00671534849],
        [0.993307149, 0.952574127, 0.817574476, 0.679178699, 0.622459331, 0.524979187, 0.5, 0.475020813,
         0.377540669, 0.320821301, 0.182425524, 0.0474258732, 0.00669285092],
    ),
    "gelu, approximate": (
        partial(activations.gelu, approximate=True),
        [-2.2917962e-07, -0.00363739208, -0.100428423, -0.170039445, -0.15428599, -0.046017249, 0.0,
         0.053982751, 0.34571401, 0.579960555, 1.39957158, 2.99636261, 4.99999977],
        [-1.54636199e-06, -0.0115841666, -0.127710793, 0.00106174386, 0.132630096, 0.420478211, 0.5,
         0.579521789, 0.867369904, 0.998938256, 1.12771079, 1.01158417, 1.00000155],
    ),
    "mish": (
        "mish",
        [-0.0335762377, -0.145647461, -0.298099742, -0.276494715, -0.220743775, -0.0567885752, 0.0,
         0.0631794175, 0.375245211, 0.610018335, 1.40337827, 2.986535, 4.99955208],
        [-0.026747498, -0.0933931145, -0.0640978159, 0.16074574, 0.289510678, 0.535702818, 0.6,
         0.663336821, 0.886424375, 0.985758356, 1.08848799, 1.02110691, 1.00080022],
    ),
    "tanh_shrink": (
        "tanh_shrink",
        [-4.0000908, -2.00494525, -0.594851746, -0.114851048, -0.0378828427, -0.000332005375, 0.0,
         0.000332005375, 0.0378828427, 0.114851048, 0.594851746, 2.00494525, 4.0000908],
        [0.999818417, 0.990133963, 0.819293361, 0.403414192, 0.213552267, 0.00993370915, 0.0,
         0.00993370915, 0.213552267, 0.403414192, 0.819293361, 0.990133963, 0.999818417],
    ),
    "hard_tanh": (
        "hard_tanh",
        [-1.0, -1.0, -1.0, -0.75, -0.5, -0.1, 0.0, 0.1, 0.5, 0.75, 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
    ),
    "hard_shrink": (
        "hard_shrink",
        [-5.0, -3.0, -1.5, -0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.75, 1.5, 3.0, 5.0],
        [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "soft_shrink": (
        "soft_shrink",
        [-4.5, -2.5, -1.0, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 2.5, 4.5],
        [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "hard_silu": (
        "hard_silu",
        [0.0, 0.0, -0.375, -0.28125, -0.208333333, -0.0483333333, 0.0, 0.0516666667, 0.291666667,
         0.46875, 1.125, 3.0, 5.0],
        [0.0, 0.0, 0.0, 0.25, 0.333333333, 0.466666667, 0.5, 0.533333333, 0.666666667, 0.75, 1.0, 1.0,
         1.0],
    ),
    "threshold": (
        partial(activations.threshold, threshold=0.3, default_value=-2.0),
        [-2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, 0.5, 0.75, 1.5, 3.0, 5.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "squareplus": (
        "squareplus",
        [0.192582404, 0.302775638, 0.5, 0.693000468, 0.780776406, 0.95124922, 1.0, 1.05124922,
         1.28077641, 1.44300047, 2.0, 3.30277564, 5.1925824],
        [0.0357616546, 0.0839748528, 0.2, 0.324438279, 0.378732187, 0.475031192, 0.5, 0.524968808,
         0.621267813, 0.675561721, 0.8, 0.916025147, 0.964238345],
    ),
    "squareplus, b 0.7": (
        partial(activations.squareplus, b=0.7),
        [0.0347583711, 0.0572411502, 0.108778202, 0.186805126, 0.237339717, 0.371307489, 0.418330013,
         0.471307489, 0.737339717, 0.936805126, 1.6087782, 3.05724115, 5.03475837],
        [0.00685634803, 0.0183790257, 0.0633331177, 0.16625438, 0.243505412, 0.440660917, 0.5,
         0.559339083, 0.756494588, 0.83374562, 0.936666882, 0.981620974, 0.993143652],
    ),
    "sparse_plus": (
        "sparse_plus",
        [0.0, 0.0, 0.0, 0.015625, 0.0625, 0.2025, 0.25, 0.3025, 0.5625, 0.765625, 1.5, 3.0, 5.0],
        [0.0, 0.0, 0.0, 0.125, 0.25, 0.45, 0.5, 0.55, 0.75, 0.875, 1.0, 1.0, 1.0],
    ),
    "sparse_sigmoid": (
        "sparse_sigmoid",
        [0.0, 0.0, 0.0, 0.125, 0.25, 0.45, 0.5, 0.55, 0.75, 0.875, 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0],
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_pytorch_and_jax(name, dtype):
    activation, values, slopes = NUMBERS[name]
    x = np.array(X, dtype)
    row = activations.get(activation)
    y = getattr(kernels, row.forward)(x, **row.scalars)
    assert y.dtype == dtype
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 3e-8, "atol": 1e-9}
    np.testing.assert_allclose(y, values, **tolerance)
    function = activation if callable(activation) else getattr(activations, activation)
    np.testing.assert_array_equal(function(x), y)
    scalars = {key: row.scalars[key] for key in activations.DERIVATIVES[row.kernel][1]}
    dx = getattr(kernels, f"{row.kernel}_backward")(np.full_like(x, 2), **{row.needs: {"x": x, "y": y}[row.needs]}, **scalars)
    np.testing.assert_allclose(dx, 2 * np.array(slopes), **tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_keras_relu(dtype):
    """The examples in Keras 3's documentation of relu and of the layer ReLU."""
    x = np.array([-10, -5, 0, 5, 10], dtype)
    for options, want in (
        ({}, [0, 0, 0, 5, 10]),
        ({"negative_slope": 0.5}, [-5, -2.5, 0, 5, 10]),
        ({"max_value": 5}, [0, 0, 0, 5, 5]),
        ({"threshold": 5}, [0, 0, 0, 0, 10]),
        ({"max_value": 10, "negative_slope": 0.5}, [-5, -2.5, 0, 5, 10]),
    ):
        np.testing.assert_array_equal(activations.relu(x, **options), want, str(options))
    got = activations.relu(np.array([6, 7, 0, 5, 10], dtype), max_value=8, threshold=5)
    np.testing.assert_array_equal(got, [6, 7, 0, 0, 8])
    # f(x) = max_value from max_value on, x from the threshold on, else negative_slope (x - threshold)
    got = activations.relu(np.array([-1, 0.5, 1, 2, 6, 9], dtype), negative_slope=0.25, max_value=6, threshold=1)
    np.testing.assert_array_equal(got, [-0.5, -0.125, 0, 2, 6, 6])


def test_cases_of_the_onnx_operators():
    """Their node tests, computed from the formulas of the ONNX operator schemas."""
    unit = np.array([-1.0, 0.0, 1.0])
    five = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    many = np.linspace(-10, 10, 1001)
    for got, want in (
        (activations.elu(unit, alpha=2.0), [2 * np.expm1(-1), 0, 1]),
        (activations.leaky_relu(unit, negative_slope=0.1), [-0.1, 0, 1]),
        (activations.softsign(unit), [-0.5, 0, 0.5]),
        (activations.gelu(unit, approximate=True), [-0.158808, 0, 0.841192]),
        (activations.gelu(unit), [-0.15865526, 0, 0.84134474]),
        (activations.hard_shrink(five, threshold=1.5), [-2, 0, 0, 0, 2]),  # Shrink: lambd 1.5, bias 0
        (activations.soft_shrink(five, threshold=1.5), [-0.5, 0, 0, 0, 0.5]),  # lambd 1.5, bias 1.5
        (activations.relu(np.array([-1.5, 0, 1.2, 2, 2.2]), threshold=2.0), [0, 0, 0, 0, 2.2]),  # ThresholdedRelu
        (activations.sign(np.arange(-5.0, 6)), np.sign(np.arange(-5.0, 6))),
        (activations.celu(many, alpha=2.0), np.maximum(many, 0) + np.minimum(0, 2 * (np.exp(many / 2) - 1))),
        (activations.mish(many), many * np.tanh(np.log1p(np.exp(many)))),
        (activations.hard_silu(many), many * np.clip(many / 6 + 0.5, 0, 1)),
        (activations.selu(many), 1.0507009873554805 * np.where(many > 0, many, 1.6732632423543772 * np.expm1(many))),
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12 if np.size(want) > 3 else 3e-6, atol=1e-13)
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    for slope in (x[0], x[0, 0], x[0, :, :1], x[0, :1, :1]):  # PRelu, with a slope that is broadcast
        got = kernels.prelu_forward(x, slope)
        np.testing.assert_array_equal(got, np.clip(x, 0, np.inf) + np.clip(x, -np.inf, 0) * slope)


def test_numbers_of_pytorch_for_slopes_and_gates():
    """torch.nn.PReLU(3) and F.glu (PyTorch 2.13, float64) with the gradients of autograd."""
    x, alpha = np.array([[-1, 2, -3], [0.5, -0.25, -4]]), np.array([0.25, -0.5, 0.1])
    np.testing.assert_allclose(kernels.prelu_forward(x, alpha), [[-0.25, 2, -0.3], [0.5, 0.125, -0.4]])
    dx, dalpha = kernels.prelu_backward(np.array([[1.0, 2, 3], [4, 5, 6]]), x, alpha)
    np.testing.assert_allclose(dx, [[0.25, 2, 0.3], [4, -2.5, 0.6]])
    np.testing.assert_allclose(dalpha, [-1, -1.25, -33])
    x = np.array([[1, -2, 0.5, 3]])
    np.testing.assert_allclose(activations.glu(x), [[0.6224593312018546, -1.9051482536448667]])
    np.testing.assert_allclose(
        kernels.glu_backward([[1.0, 2.0]], x),
        [[0.6224593312018546, 1.9051482536448667, 0.2350037122015945, -0.180706638923648]],
    )


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    np.testing.assert_allclose(activations.sparsemax(np.linspace(1, 12, 12)), np.eye(12)[11])  # Keras's own test
    np.testing.assert_allclose(activations.sparsemax(np.ones((2, 4))), np.full((2, 4), 0.25))
    # By hand: of (0.6, 0.4, -0.1) the first two are kept, tau = (1 - 1) / 2 = 0.
    np.testing.assert_allclose(activations.sparsemax([0.6, 0.4, -0.1]), [0.6, 0.4, 0], atol=1e-7)
    x = np.random.default_rng(1).normal(size=(50, 7))
    y = activations.sparsemax(x)
    assert (y >= 0).all() and np.allclose(y.sum(axis=1), 1)
    for _ in range(200):  # no other point of the simplex is nearer
        other = np.random.default_rng(_).dirichlet(np.full(7, 0.5), 50)
        assert (((x - y) ** 2).sum(axis=1) <= ((x - other) ** 2).sum(axis=1)).all()


def test_far_out_and_at_infinity():
    """Where NumPy's expression gives nan, or an infinity in between."""
    for dtype in (np.float32, np.float64):
        huge = np.finfo(dtype).max
        x = np.array([-np.inf, -huge, huge, np.inf], dtype)
        for name, want in (
            ("softsign", [-1, -1, 1, 1]),
            ("squareplus", [0, 0, huge, np.inf]),
            ("mish", [0, 0, huge, np.inf]),
            ("hard_silu", [0, 0, huge, np.inf]),
            ("log_sigmoid", [-np.inf, -huge, 0, 0]),
            ("selu", [-1.7580993408473766, -1.7580993408473766, np.inf, np.inf]),
            ("tanh_shrink", [-np.inf, -huge, huge, np.inf]),
            ("relu", [0, 0, huge, np.inf]),
        ):
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(getattr(activations, name)(x), np.array(want, dtype), name)
        assert (activations.gelu(x[:2], approximate=True) == 0).all()
        assert (activations.relu(x[:2], max_value=3.0) == 0).all()  # not 0 times infinity


# Ways to ask for one ----------------------------------------------------------------------------------------

KERAS = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink"
).split()


@pytest.mark.parametrize("name", KERAS)
def test_every_name_of_keras(name):
    function = getattr(activations, name)
    assert activations.get(name) == activations.get(function) == activations.get(activations.serialize(name))
    assert name in activations.__all__


def test_defaults_are_those_of_keras():
    got = {row.name: dict(row.parameters) for row in activations.TABLE.values() if row.parameters}
    axis = {"axis": -1}
    assert got == {
        "relu": {"negative_slope": 0.0, "max_value": None, "threshold": 0.0},
        "leaky_relu": {"negative_slope": 0.2},
        "elu": {"alpha": 1.0},
        "celu": {"alpha": 1.0},
        "gelu": {"approximate": False},
        "hard_shrink": {"threshold": 0.5},
        "soft_shrink": {"threshold": 0.5},
        "squareplus": {"b": 4.0},
        "softmax": axis,
        "log_softmax": axis,
        "sparsemax": axis,
    }


@pytest.mark.parametrize(
    ("activation", "kernel", "scalars"),
    [
        (activations.relu, "relu", {}),
        (partial(activations.relu, negative_slope=0.1), "leaky_relu", {"negative_slope": 0.1}),
        (partial(activations.relu, max_value=6), "relu6", {}),
        (partial(activations.relu, max_value=5), "general_relu", {"negative_slope": 0, "max_value": 5, "threshold": 0}),
        (partial(activations.relu, threshold=1), "general_relu", {"negative_slope": 0, "max_value": np.inf, "threshold": 1}),
        (partial(activations.gelu, approximate=True), "gelu_tanh", {}),
        (partial(activations.gelu, approximate=False), "gelu", {}),
        (partial(activations.celu, alpha=0.5), "celu", {"alpha": 0.5}),
        (partial(activations.threshold, threshold=0.5, default_value=-2), "threshold",
         {"threshold": 0.5, "default_value": -2}),
        ("sign", "sign", {}),
    ],
)  # fmt: skip
def test_parameters_choose_the_kernel(activation, kernel, scalars):
    row = activations.get(activation)
    assert (row.kernel, dict(row.scalars)) == (kernel, scalars)
    assert activations.get(activations.serialize(row)) == row
    x = np.linspace(-3, 8, 23)
    function = activation if callable(activation) else getattr(activations, activation)
    np.testing.assert_array_equal(getattr(kernels, row.forward)(x, **row.scalars), function(x))


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("threshold", ValueError, "activation threshold: threshold and default_value have no default"),
        (activations.threshold, ValueError, "threshold and default_value have no default"),
        (partial(activations.threshold, threshold=1.0), ValueError, "have no default"),
        (partial(activations.relu, negative_slope=-0.1), ValueError, "relu: negative_slope must be .* at least 0"),
        (partial(activations.relu, max_value=-1), ValueError, "relu: max_value must be .* at least 0"),
        (partial(activations.relu, threshold=-1), ValueError, "relu: threshold must be .* at least 0"),
        (partial(activations.relu, threshold=None), TypeError, "relu: threshold must be"),
        (partial(activations.relu, 0.1), TypeError, "activation relu: give its parameters by name"),
        (partial(activations.celu, alpha=0), ValueError, "celu: alpha must be"),
        (partial(activations.squareplus, b=0), ValueError, "squareplus: b must be"),
        (partial(activations.gelu, approximate="tanh"), TypeError, "gelu: approximate must be"),
        (partial(activations.soft_shrink, threshold=-1), ValueError, "soft_shrink: threshold must be"),
        (partial(activations.softmax, axis=1.5), TypeError, "softmax: axis must be"),
        ("<lambda>", ValueError, "a function without a name cannot be found again"),
        ((np.sin, 3), TypeError, "activation must be a name"),
        (Dense, TypeError, "activation must be a function of one array"),
    ],
)
def test_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        activations.get(identifier)


def test_axes():
    x = np.random.default_rng(3).normal(size=(3, 4, 6))
    e = np.exp(x)
    for axis in (-3, -2, -1, 0, 1, 2):
        share = e / e.sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(activations.softmax(x, axis=axis), share, rtol=1e-12)
        np.testing.assert_allclose(activations.log_softmax(x, axis=axis), np.log(share), rtol=1e-11)
        np.testing.assert_allclose(activations.sparsemax(x, axis=axis).sum(axis=axis), 1)
    a, b = np.split(x, 2, axis=1)
    np.testing.assert_allclose(activations.glu(x, axis=1), a / (1 + np.exp(-b)), rtol=1e-12)
    with pytest.raises(ValueError, match="softmax: axis must be"):
        activations.softmax(x, axis=3)
    with pytest.raises(ValueError, match="glu_forward: x has 3 columns"):
        activations.glu(x, axis=0)


# A user's own functions of x --------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
ROWS, TARGETS = RNG.normal(size=(50, 5)), RNG.normal(size=(50, 2))


def make(*layers, kind="compiled"):
    model = nn.Sequential([nn.Input((5,)), *layers], seed=3)
    model.executor_class = EXECUTORS[kind]
    model.compile(nn.optimizers.SGD(0.1, 0.5), "mse")
    return model


def sine(x):
    return np.sin(x)


def sine_prime(x):
    return np.cos(x)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_pair_of_functions_trains_as_the_native_activation(kind):
    pair = (np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    native = make(Dense(7, "tanh"), Dense(4), Activation("tanh"), Dense(2, "tanh"))
    users = make(Dense(7, pair), Dense(4), Activation(pair), Dense(2, pair), kind=kind)
    users.set_weights(native.get_weights())
    a, b = (model.fit(ROWS, TARGETS, 16, 4, 0) for model in (native, users))
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-4)
    for left, right in zip(native.get_weights(), users.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)
    assert users.layers[0].activation.name == "custom_tanh"  # "tanh" is nncore's own


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_function_alone_predicts_and_fit_says_what_is_missing(kind):
    model = make(Dense(4, "tanh"), Dense(2, sine), kind=kind)
    hidden, bias = model.get_weights()[2:]
    z = np.tanh(ROWS @ model.get_weights()[0] + model.get_weights()[1]) @ hidden + bias
    np.testing.assert_allclose(model.predict(ROWS), np.sin(z), rtol=1e-4, atol=1e-5)
    assert model.evaluate(ROWS, TARGETS, verbose=0) > 0
    with pytest.raises(NotImplementedError, match=r"activation 'sine' .* needs: give .*activation=\(f, f_prime\)"):
        model.fit(ROWS, TARGETS, verbose=0)
    make(Activation(sine), Dense(2)).fit(ROWS, TARGETS, verbose=0)  # nothing before it is trained


def test_names_and_files_of_functions(tmp_path):
    model = make(Dense(3, (sine, sine_prime)), Dense(2, partial(np.round, decimals=1)))
    assert [layer.activation.name for layer in model.layers] == ["sine", "round"]
    model.save(tmp_path / "m")
    loaded = nn.load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
    alone = make(Dense(3, sine), Dense(2))  # its derivative was given elsewhere: the name stands for both
    with pytest.raises(NotImplementedError, match="activation 'sine' has no backward"):
        alone.fit(ROWS, TARGETS, verbose=0)
    assert nn.load_model(tmp_path / "m").layers[0].activation is model.layers[0].activation
    nameless = make(Dense(2, lambda x: x * x))
    nameless.save(tmp_path / "n")
    with pytest.raises(ValueError, match=r"a function without a name .*Custom\(f, \.\.\., name=\.\.\.\)"):
        nn.load_model(tmp_path / "n")


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize(("derivative", "error", "got"), [
    (lambda x: x[:1], ValueError, r"\(1, 2\)"),
    (lambda x: x[:, :1], ValueError, r"\(\d+, 1\)"),
    (lambda x: x[0], ValueError, r"\(2,\)"),
    (lambda x: 1.0, ValueError, r"\(\)"),
    (lambda x: np.ones(7), ValueError, r"\(7,\)"),
    (lambda x: None, TypeError, "NoneType"),
    (lambda x: [[1.0], [1.0, 2.0]], TypeError, "list"),
])
def test_a_derivative_of_another_shape_is_refused(kind, derivative, error, got):
    model = make(Dense(2, (np.sin, derivative)), kind=kind)
    message = r"the derivative of activation 'sin' must return f'\(x\) (of shape \(\d+, 2\)|as an array of real numbers), got "
    with pytest.raises(error, match=message + f"(shape )?{got}"):
        model.fit(ROWS, TARGETS, verbose=0)


# Training ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EXECUTORS)
def test_sign_predicts_and_is_not_trained(kind):
    model = make(Dense(2, "sign"), kind=kind)
    z = ROWS @ model.get_weights()[0]
    np.testing.assert_array_equal(model.predict(ROWS), np.sign(z))
    assert model.evaluate(ROWS, np.sign(z), verbose=0) == 0
    with pytest.raises(NotImplementedError, match="layer 'dense': sign has no gradient to train with"):
        model.fit(ROWS, TARGETS, verbose=0)
    frozen = make(Dense(4, trainable=False), Activation("sign"), Dense(2), kind=kind)
    before = frozen.evaluate(ROWS, TARGETS, verbose=0)
    frozen.fit(ROWS, TARGETS, 10, 20, 0)  # nothing behind it is trained
    assert frozen.evaluate(ROWS, TARGETS, verbose=0) < before
