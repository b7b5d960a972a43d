"""Losses and activations as users and programs meet them: values by hand, targets, and the ops they emit."""

import functools
import inspect
import math
from types import SimpleNamespace

import numpy as np
import pytest

from nncore import activations, losses, reference

LOG = math.log


class Recorder:
    """Stands for a Program: it notes the ops and the widths of the buffers."""

    def __init__(self):
        self.ops, self.widths, self.roles, self.layer = [], [], [], ""

    def rows(self, width, dtype=None, role=None):
        self.widths.append(width[0] if isinstance(width, tuple) else width)
        self.roles.append(role)
        return len(self.widths) - 1

    def width(self, buffer):
        return self.widths[buffer]

    @property
    def buffers(self):
        return [SimpleNamespace(shape=() if width is None else (width,)) for width in self.widths]

    def like(self, buffer, role="gradient"):
        return self.rows(self.widths[buffer], role=role)

    def emit(self, kernel, inputs, outputs, **attributes):
        self.ops.append(SimpleNamespace(kernel=kernel, inputs=inputs, outputs=outputs, attributes=attributes))

    def producer(self, buffer):
        return next((op for op in self.ops if buffer in op.outputs), None)


def test_sparse_categorical_crossentropy_by_hand():
    # Rows are divided by their sum first, as Keras does: row 0 is (5, 3, 2) / 10, row 1 is (2, 2, 4) / 8.
    y_pred = [[5.0, 3.0, 2.0], [2.0, 2.0, 4.0]]
    loss = losses.SparseCategoricalCrossentropy()
    assert loss([0, 2], y_pred) == pytest.approx((-LOG(0.5) - LOG(0.5)) / 2, rel=1e-6)
    assert loss([[1], [0]], y_pred) == pytest.approx((-LOG(0.3) - LOG(0.25)) / 2, rel=1e-6)
    weighted = loss([1, 0], y_pred, sample_weight=[2.0, 0.5])
    assert weighted == pytest.approx((-2 * LOG(0.3) - 0.5 * LOG(0.25)) / 2, rel=1e-6)


def test_categorical_crossentropy_by_hand():
    y_true, y_pred = [[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]], [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]
    rows = [-(0.2 * LOG(0.5) + 0.8 * LOG(0.25)), -LOG(0.8)]
    assert losses.CategoricalCrossentropy()(y_true, y_pred) == pytest.approx(sum(rows) / 2, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_logits_equals_the_softmax_before(dtype):
    logits = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]], dtype)
    exponentials = np.exp(logits)
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True)([2, 1], logits)
    assert sparse == pytest.approx(-(LOG(p[0, 2]) + LOG(p[1, 1])) / 2, rel=1e-6)
    one_hot = [[0, 0, 1], [0, 1, 0]]
    assert losses.CategoricalCrossentropy(from_logits=True)(one_hot, logits) == pytest.approx(
        sparse, rel=1e-6
    )


def test_from_logits_is_exact_where_probabilities_are_not():
    assert losses.SparseCategoricalCrossentropy(from_logits=True)([1], [[1e4, 0.0]]) == 1e4
    assert losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[-1e4]]) == 1e4
    # Probabilities are clipped 1e-7 from 0 and 1.
    assert losses.SparseCategoricalCrossentropy()([1], [[1.0, 0.0]]) == pytest.approx(-LOG(1e-7), rel=1e-6)


def test_binary_crossentropy_by_hand():
    y_true, y_pred = [[1, 0], [0.25, 1]], [[0.8, 0.4], [0.5, 0.9]]
    rows = [-(LOG(0.8) + LOG(0.6)) / 2, -(LOG(0.5) + LOG(0.9)) / 2]
    assert losses.BinaryCrossentropy()(y_true, y_pred) == pytest.approx(sum(rows) / 2, rel=1e-6)
    logits = [[LOG(4), LOG(2 / 3)], [0.0, LOG(9)]]
    assert losses.BinaryCrossentropy(from_logits=True)(y_true, logits) == pytest.approx(
        sum(rows) / 2, rel=1e-6
    )


def test_mean_squared_error_by_hand():
    assert (
        losses.MeanSquaredError()([[1.0, 2.0], [3.0, 4.0]], [[2.0, 4.0], [3.0, 1.0]]) == (5 / 2 + 9 / 2) / 2
    )
    assert losses.MeanSquaredError()([1.0, 5.0], [[3.0], [4.0]]) == (4 + 1) / 2


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("sum_over_batch_size", (1 * 2.5 + 3 * 4.5) / 2),
        ("sum", 1 * 2.5 + 3 * 4.5),
        (None, [2.5, 13.5]),
        ("none", [2.5, 13.5]),
    ],
)
def test_reductions(reduction, expected):
    loss = losses.MeanSquaredError(reduction=reduction)
    value = loss([[1.0, 2.0], [3.0, 4.0]], [[2.0, 4.0], [3.0, 1.0]], sample_weight=[1.0, 3.0])
    assert np.array_equal(value, expected)


def test_one_row_and_mixed_dtypes():
    assert losses.MeanSquaredError()([1.0, 2.0], [1.0, 4.0]) == 2.0
    rows = losses.MeanSquaredError(reduction=None)(np.ones((2, 2), int), np.zeros((2, 2), "f8"), [1, 2])
    assert rows.dtype == np.float64 and rows.tolist() == [1.0, 2.0]
    assert losses.MeanSquaredError()(np.ones((2, 2)), np.zeros((2, 2), "f4")) == 1.0


def test_nonfinite_values_come_through():
    assert math.isnan(losses.MeanSquaredError()([[1.0]], [[math.nan]]))
    assert losses.MeanSquaredError()([[1.0]], [[math.inf]]) == math.inf


@pytest.mark.parametrize(
    ("loss", "y", "y_pred", "message"),
    [
        (
            "sparse_categorical_crossentropy",
            [0, 3],
            [[1, 2, 3]] * 2,
            r"y_true\[1\] is 3, but class ids must lie in 0 ... 2",
        ),
        ("sparse_categorical_crossentropy", [0], [[1, 2, 3]] * 2, "y_true must have 2 rows, got 1"),
        (
            "sparse_categorical_crossentropy",
            [[1, 0, 0]],
            [[1, 2, 3]],
            "one-hot targets go with CategoricalCrossentropy",
        ),
        (
            "categorical_crossentropy",
            [0, 2],
            [[1, 2, 3]] * 2,
            "class ids go with SparseCategoricalCrossentropy",
        ),
        (
            "mse",
            [[1, 2]],
            [[1, 2, 3]],
            r"MeanSquaredError: y_true must have shape \(B, 3\) .*, got shape \(1, 2\)",
        ),
        ("mse", [[[1.0]]], [[[1.0]]] * 2, r"y_true has shape \(1, 1, 1\), but y_pred has shape \(2, 1, 1\)"),
        ("mse", np.ones((0, 3)), np.ones((0, 3)), "MeanSquaredError: y_pred has no rows"),
        ("bce", [[1.0]], 0.5, "y_pred must have at least 1 dimension, got a number"),
    ],
)
def test_targets_that_do_not_fit(loss, y, y_pred, message):
    with pytest.raises(ValueError, match=message):
        losses.get(loss)(y, y_pred)


def test_check_target_converts():
    ids = losses.SparseCategoricalCrossentropy().check_target(np.array([[1.0], [2.0]]), 3, "fit")
    assert ids.dtype == np.int64 and ids.tolist() == [1, 2]
    dense = losses.BinaryCrossentropy().check_target([True, False], 1, "fit", dtype="float64")
    assert dense.dtype == np.float64 and dense.tolist() == [[1.0], [0.0]]
    with pytest.raises(ValueError, match=r"fit: y\[0\] is 9, but class ids must lie in 0 ... 2"):
        losses.SparseCategoricalCrossentropy().check_target([9], 3, "fit")


@pytest.mark.parametrize(
    ("loss", "activation", "kernel", "skips"),
    [
        (losses.SparseCategoricalCrossentropy(), "softmax", "softmax_cross_entropy", True),
        (losses.CategoricalCrossentropy(), "softmax", "softmax_cross_entropy", True),
        (losses.CategoricalCrossentropy(), "relu", "categorical_cross_entropy", False),
        (losses.CategoricalCrossentropy(from_logits=True), "softmax", "softmax_cross_entropy", False),
        (losses.BinaryCrossentropy(), "sigmoid", "sigmoid_binary_cross_entropy", True),
        (losses.BinaryCrossentropy(), "softmax", "binary_cross_entropy", False),
        (losses.BinaryCrossentropy(from_logits=True), None, "sigmoid_binary_cross_entropy", False),
        (losses.BinaryCrossentropy(), None, "binary_cross_entropy", False),
        (losses.MeanSquaredError(), "sigmoid", "mean_squared_error", False),
        (losses.PoissonDeviance(), "exponential", "exponential_poisson_deviance", True),
        (losses.PoissonDeviance(), "softplus", "poisson_deviance", False),
        (losses.PoissonDeviance(from_logits=True), "exponential", "exponential_poisson_deviance", False),
    ],
)
def test_emit_takes_the_stable_kernel_where_it_can(loss, activation, kernel, skips):
    program = Recorder()
    x = program.rows(7)
    y_pred = activations.emit(program, activation, x)
    target = program.rows(None if loss.target_kind == "ids" else 7)
    rows, dy, wrt = loss.emit(program, y_pred, target, None)
    op = program.ops[-1]
    assert (op.kernel, op.inputs, op.outputs, op.attributes) == (kernel, (wrt, target, None), (rows, dy), {})
    assert wrt == (x if skips else y_pred)
    assert (program.widths[rows], program.widths[dy]) == (None, 7)
    assert (program.roles[rows], program.roles[dy]) == ("loss", "gradient")


def test_training_wants_a_reduction():
    with pytest.raises(ValueError, match="MeanSquaredError: training needs a reduction, got reduction=None"):
        losses.MeanSquaredError(None).emit(Recorder(), 0, 1, None)


@pytest.mark.parametrize("name", sorted(losses._NAMES))
def test_names_and_configs(name):
    loss = losses.get(name)
    assert losses.get(loss) is loss
    again = losses.get(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert type(loss).from_config(loss.get_config()).name == loss.name


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.get("mean_square_error"), ValueError, "did you mean 'mean_squared_error'?"),
        (
            lambda: losses.get(None),
            TypeError,
            "loss must be a name or an object of nncore's class Loss, got None",
        ),
        (lambda: losses.MeanSquaredError(reduction="mean_of"), ValueError, "reduction must be"),
        (lambda: losses.BinaryCrossentropy(from_logits="no"), TypeError, "from_logits must be True or False"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


FORMULAS = {
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "gelu": lambda x: (
        x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.ravel()]).reshape(x.shape)
    ),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_functions_are_their_kernels(name):
    function = getattr(activations, name)
    x = np.array([[-2.5, -0.5, 0.25, 3.0]])
    expected = FORMULAS[name](x)
    np.testing.assert_allclose(function(x), expected, rtol=1e-13)
    np.testing.assert_allclose(function(x[0]), expected[0], rtol=1e-13)
    np.testing.assert_allclose(function(x[None]), expected[None], rtol=1e-13)
    assert activations.get(function) == activations.get(name)
    assert activations.serialize(function) == name


@pytest.mark.parametrize("activation", activations.KERNEL_ROWS, ids=lambda row: row.kernel)
def test_the_table_says_what_the_kernels_take(activation):
    forward = list(inspect.signature(getattr(reference, activation.forward)).parameters)
    assert forward == ["x", "y_out", *activation.scalars]
    if activation.kernel != "sign":
        needs, scalars = activations.DERIVATIVES[activation.kernel]
        backward = list(inspect.signature(getattr(reference, f"{activation.kernel}_backward")).parameters)
        assert needs == activation.needs
        assert backward == ["dy", *([] if needs is None else [needs]), "dx_out", *scalars]


def test_activation_parameters():
    elu = activations.get(functools.partial(activations.elu, alpha=0.5))
    assert dict(elu.parameters) == {"alpha": 0.5}
    assert activations.get(activations.serialize(elu)) == elu
    assert activations.get("elu").parameters["alpha"] == 1.0
    program = Recorder()
    x = program.rows(3)
    y = activations.emit(program, elu, x)
    op = program.ops[0]
    assert (op.kernel, op.inputs, op.outputs, op.attributes) == ("elu_forward", (x,), (y,), {"alpha": 0.5})
    assert program.widths[y] == 3 and program.roles[y] == "activation"


def test_emit_of_linear_adds_nothing_and_softmax_has_no_suffix():
    program = Recorder()
    x = program.rows(3)
    assert activations.emit(program, None, x) == x and program.ops == []
    activations.emit(program, "log_softmax", x)
    assert program.ops[0].kernel == "log_softmax"


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("sigmod", ValueError, "unknown activation 'sigmod': did you mean 'sigmoid'"),
        (3, TypeError, "activation must be a name or a function of nncore.activations, .*, got 3"),
        (np.ndarray, TypeError, "activation must be a name"),
        (functools.partial(activations.relu, alpha=1), TypeError, "alpha is not one of its parameters"),
        (functools.partial(activations.elu, alpha=-1), ValueError, "elu: alpha must be"),
    ],
)
def test_activations_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        activations.get(identifier)


def test_softmax_of_a_number():
    with pytest.raises(ValueError, match="softmax: x must have at least 1 dimension"):
        activations.softmax(1.0)
