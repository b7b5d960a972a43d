"""Merging kernels and factorization machines at their edges, by hand."""

from fractions import Fraction

import numpy as np
import pytest
from test_kernels import DTYPES

from nncore import kernels

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


# Kernels at their edges ---------------------------------------------------------------------------------------


@each_dtype
def test_of_equal_inputs_the_first_gets_the_gradient(dtype):
    # TensorFlow: tf.maximum(x, y) sends the gradient to x where x >= y, tf.minimum where x <= y
    a, b, c = (np.array(v, dtype) for v in ([1, 2, 3, 3], [1, 5, 3, 0], [1, 5, 2, 3]))
    dy = np.array([0.5, 1, 2, 4], dtype)
    for name, wanted in (
        ("maximum_forward", ([0.5, 0, 2, 4], [0, 1, 0, 0], [0, 0, 0, 0])),
        ("minimum_forward", ([0.5, 1, 0, 0], [0, 0, 0, 4], [0, 0, 2, 0])),
    ):
        inputs = []
        y = getattr(kernels, name)([a, b, c])
        for array, want in zip((a, b, c), wanted, strict=True):
            inputs.append(array)
            np.testing.assert_array_equal(kernels.extremum_backward(dy, y, inputs), np.array(want, dtype), name)


@each_dtype
def test_a_nan_in_any_input_is_in_the_extremum_and_its_gradients(dtype):
    a, b = np.array([np.nan, 1, 2], dtype), np.array([1, np.nan, 3], dtype)
    for function in (kernels.maximum_forward, kernels.minimum_forward):
        for inputs in ([a, b], [b, a], [a, b, b], [b, b, a]):
            y = function(inputs)
            np.testing.assert_array_equal(np.isnan(y), [True, True, False])
            dx = kernels.extremum_backward(np.ones(3, dtype), y, inputs)
            np.testing.assert_array_equal(np.isnan(dx), [True, True, False])


@each_dtype
@pytest.mark.parametrize("count", [1, 2, 7, 8, 13, 14, 30])
def test_any_number_of_inputs(dtype, count):
    rng = np.random.default_rng(count)
    inputs = [rng.integers(-9, 9, (5, 3)).astype(dtype) for _ in range(count)]  # exact in any order
    np.testing.assert_array_equal(kernels.add_forward(inputs), sum(inputs))
    np.testing.assert_array_equal(kernels.gradient_sum(tuple(inputs)), sum(inputs))
    np.testing.assert_array_equal(kernels.maximum_forward(inputs), np.max(inputs, axis=0))
    np.testing.assert_array_equal(kernels.concatenate_forward(inputs), np.concatenate(inputs, 1))


@pytest.mark.parametrize("name", ["add_forward", "concatenate_forward", "gradient_sum"])
def test_inputs_must_be_a_list_that_is_not_empty(name):
    function = getattr(kernels, name)
    with pytest.raises(TypeError, match=f"{name}: inputs must be a list of arrays, got ndarray"):
        function(np.ones((3, 2)))
    with pytest.raises(ValueError, match=f"{name}: inputs must hold at least 1 array, got 0"):
        function([])


def test_wrong_axes_and_numbers_are_refused():
    x = np.ones((3, 1, 4))
    with pytest.raises(ValueError, match="axis must not be that of the batch, got -3"):
        kernels.sum_forward(x, axis=-3)
    with pytest.raises(ValueError, match="sum_forward: axis"):
        kernels.sum_forward(x, axis=3)
    with pytest.raises(ValueError, match=r"repeat_forward: x must have length 1 along axis 2, got shape \(3, 1, 4\)"):
        kernels.repeat_forward(x)
    with pytest.raises(ValueError, match="subtract_forward: inputs must hold 2 arrays, got 3"):
        kernels.subtract_forward([x, x, x])
    with pytest.raises(ValueError, match="concatenate_backward: size"):
        kernels.concatenate_backward(x, start=2, size=3)
    with pytest.raises(ValueError, match="extremum_backward: inputs must hold at most 7 arrays, got 8"):
        kernels.extremum_backward(x, x, [x] * 8)
    with pytest.raises(ValueError, match=r"inputs\[1\] has shape \(3, 2, 4\), which does not fit inputs\[0\]"):
        kernels.concatenate_forward([x, np.ones((3, 2, 4))])


# Factorization machines ---------------------------------------------------------------------------------------


def exact_pairs(t):
    """The sum of t_i t_j over i < j, as a rational number."""
    t = [Fraction(float(value)) for value in t]
    return sum(t[i] * t[j] for i in range(len(t)) for j in range(i + 1, len(t)))


def test_a_large_feature_beside_small_ones_is_no_loss():
    """The form (s**2 - sum of squares) / 2 gives 0 or worse here."""
    x = np.array([[1e-4, 3e4, 2e-4, 5e-5]], np.float32)
    v = np.ones((4, 1), np.float32)
    want = float(exact_pairs(x[0]))
    s = float(x.sum(dtype=np.float32))
    assert abs(0.5 * (np.float32(s) ** 2 - (x * x).sum()) - want) > 0.5 * want
    for y in (kernels.factorization_machine_forward(x, v)[0], kernels.fm_interaction_forward(x[:, :, None])):
        assert y[0, 0] == pytest.approx(want, rel=3e-7)


@each_dtype
def test_pairs_are_accurate(dtype):
    rng = np.random.default_rng(4)
    x = rng.normal(3, 1, (6, 40)).astype(dtype)  # an offset, as raw features have
    want = [float(exact_pairs(row)) for row in x]
    got = kernels.factorization_machine_forward(x, np.ones((40, 1), dtype))[0][:, 0]
    np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(kernels.fm_interaction_forward(x[:, :, None])[:, 0], want,
                               rtol=8 * np.finfo(dtype).eps)


def test_the_machine_is_the_interaction_of_its_weighted_features():
    rng = np.random.default_rng(5)
    x, v = rng.standard_normal((9, 11)), rng.standard_normal((11, 6))
    y, s = kernels.factorization_machine_forward(x, v)
    np.testing.assert_allclose(y, kernels.fm_interaction_forward(x[:, :, None] * v), rtol=1e-12)
    np.testing.assert_allclose(s, x @ v, rtol=1e-12)
