"""The shared argument checks: what is converted, what is refused, and what the messages say."""

import sys

import numpy as np
import pytest

from nncore import _checks


def misaligned(x):
    """Return a copy of `x` that starts one byte off its alignment."""
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    return raw


class Subclass(np.ndarray):
    """An array type of somebody else's."""


X = np.arange(6, dtype=np.float64).reshape(2, 3) + 0.5


@pytest.mark.parametrize(
    "x",
    [
        X.tolist(),
        tuple(map(tuple, X)),
        X.astype(np.float16),
        X.astype(np.longdouble),
        X.astype(np.float32),
        X.astype(">f8"),
        X.astype(">f4"),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X[::-1, ::-1].copy()[::-1, ::-1],
        misaligned(X),
        X.view(Subclass),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}",
)
def test_as_float_array_converts(x):
    result = _checks.as_float_array(x, "f", "x", ndim=2)
    assert type(result) is np.ndarray
    assert result.dtype in (np.float32, np.float64) and result.dtype.isnative
    assert result.flags.c_contiguous and result.flags.aligned
    assert np.array_equal(result, X)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.bool_, np.float16])
def test_what_is_not_float32_or_float64_becomes_the_default_dtype(dtype):
    assert _checks.as_float_array(np.ones(3, dtype), "f", "x").dtype == np.float32


@pytest.mark.parametrize(("dtype", "wanted"), [("f4", "f4"), ("f8", "f8"), (">f8", "f8")])
def test_float32_and_float64_stay(dtype, wanted):
    assert _checks.as_float_array(np.ones(3, dtype), "f", "x").dtype == wanted
    assert _checks.as_float_array(np.ones(3, dtype), "f", "x", dtype="float32").dtype == np.float32


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nothing_is_copied_needlessly(dtype):
    x = np.ones((3, 5), dtype)
    x.flags.writeable = False
    assert _checks.as_float_array(x, "f", "x") is x
    assert _checks.as_float_array(np.array(2.0), "f", "x").shape == ()


def test_nonfinite_values_pass_silently_also_from_overflow():
    x = np.array([np.nan, np.inf, -np.inf, 1e300])
    assert np.array_equal(
        _checks.as_float_array(x, "f", "x", "float32"), [np.nan, np.inf, -np.inf, np.inf], equal_nan=True
    )


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.ones(2, complex), "complex numbers (dtype complex128)"),
        (["a", "b"], "strings"),
        (np.array([b"a"]), "bytes"),
        (np.array(["2020-01-01"], "M8[D]"), "dates"),
        (np.array([1], "m8[s]"), "time differences"),
        (np.array([(1, 2)], "i4,i4"), "records"),
        (np.array([None]), "Python objects"),
        ([2**70], "Python objects"),
        (object(), "object"),
        (None, "NoneType"),
        ({1: 2}, "dict"),
    ],
)
def test_as_float_array_refuses(x, said):
    with pytest.raises(TypeError) as caught:
        _checks.as_float_array(x, "dense_forward", "w")
    assert str(caught.value).startswith("dense_forward: w must be an array of real numbers, got ")
    assert said in str(caught.value)


def test_ragged_rows_and_wrong_dimensions():
    with pytest.raises(ValueError, match="f: x must be an array of numbers, got rows of different lengths"):
        _checks.as_float_array([[1.0], [1.0, 2.0]], "f", "x")
    with pytest.raises(ValueError, match=r"f: x must have 1 dimension, got shape \(2, 3\)"):
        _checks.as_float_array(X, "f", "x", ndim=1)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "f2", "nonsense", object])
def test_float_dtype_refuses(dtype):
    with pytest.raises(ValueError, match="f: dtype must be float32 or float64"):
        _checks.float_dtype(dtype, "f")


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i4", ">f8"]
)
def test_class_ids_of_any_width(dtype):
    ids = _checks.as_class_ids(np.array([[2], [0], [6]], dtype), "fit", "y", n_classes=7)
    assert ids.dtype == np.int64 and ids.flags.c_contiguous and ids.tolist() == [2, 0, 6]


def test_class_ids_from_bools_strides_and_lists():
    assert _checks.as_class_ids([True, False], "fit", "y", 2).tolist() == [1, 0]
    assert _checks.as_class_ids(np.arange(8)[::-3], "fit", "y", 8).tolist() == [7, 4, 1]
    assert _checks.as_class_ids([], "fit", "y", 3).shape == (0,)


@pytest.mark.parametrize(
    ("y", "n_classes", "message"),
    [
        ([0, 1, 3, 5], 3, r"fit: y\[2\] is 3, but class ids must lie in 0 \.\.\. 2 \(3 classes\)"),
        ([0, -1], 3, r"fit: y\[1\] is -1, but class ids must lie in 0"),
        ([0, -1], None, r"fit: y\[1\] is -1, but class ids must not be negative"),
        ([0.0, 0.5], 3, r"fit: y\[1\] is 0.5, but class ids must be whole numbers"),
        ([np.nan], 3, r"fit: y\[0\] is nan, but class ids must be whole numbers"),
        ([np.inf], None, r"fit: y\[0\] is inf, but class ids must be whole numbers"),
        ([1e300], None, r"fit: y\[0\] is 1e\+300, but class ids"),
        (np.array([2**64 - 1], np.uint64), None, r"fit: y\[0\] is "),
        (np.array([255], np.uint8), 100, r"fit: y\[0\] is 255, but class ids must lie in 0 \.\.\. 99"),
        ([1], 1, r"\(1 class\)"),
        (
            [[0, 1], [1, 0]],
            2,
            r"fit: y must hold one class id per row, shape \(B,\) or \(B, 1\), got shape \(2, 2\)",
        ),
        (3, 4, r"got shape \(\)"),
    ],
)
def test_class_ids_refused(y, n_classes, message):
    with pytest.raises(ValueError, match=message):
        _checks.as_class_ids(y, "fit", "y", n_classes)


def test_class_ids_of_strings():
    with pytest.raises(TypeError, match="fit: y must be an array of real numbers, got strings"):
        _checks.as_class_ids(["cat", "dog"], "fit", "y")


def test_rows_must_match():
    with pytest.raises(ValueError, match="fit: y must have 3 rows, got 2"):
        _checks.as_class_ids([0, 1], "fit", "y", 5, n_rows=3)
    with pytest.raises(ValueError, match="fit: y must have 3 rows, got 2"):
        _checks.as_dense_target([0, 1], 1, "fit", "y", n_rows=3)


def test_dense_targets():
    assert _checks.as_dense_target([1, 2], 1, "fit", "y").tolist() == [[1.0], [2.0]]
    assert _checks.as_dense_target(X, 3, "fit", "y", dtype="float32").dtype == np.float32
    with pytest.raises(
        ValueError, match=r"fit: y must have shape \(B, 4\) to match the 4 outputs, got shape \(2, 3\)"
    ):
        _checks.as_dense_target(X, 4, "fit", "y")
    with pytest.raises(ValueError, match=r"\(B, 1\) to match the 1 output, got shape \(2, 3\)"):
        _checks.as_dense_target(X, 1, "fit", "y")


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_sample_weights(shape):
    assert _checks.as_sample_weight(np.ones(shape), 3, "fit", "float32").shape == (3,)
    with pytest.raises(ValueError, match=r"sample_weight must hold one weight per row, shape \(4,\)"):
        _checks.as_sample_weight(np.ones(shape), 4, "fit")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 6553, 6554, 70_000])
def test_check_finite_names_the_first_place(value, row):
    x = np.zeros((70_001, 10), np.float32)
    _checks.check_finite(x, "fit", "x")
    x[row, 7] = value
    x[row:, 9] = np.nan
    with pytest.raises(
        ValueError, match=f"fit: x holds {value} at row {row}, column 7, but wants finite numbers"
    ):
        _checks.check_finite(x, "fit", "x")


def test_check_finite_of_other_shapes():
    _checks.check_finite(np.ones((0, 5)), "fit", "x")
    _checks.check_finite(np.ones((5, 0)), "fit", "x")
    with pytest.raises(ValueError, match="at row 2, but"):
        _checks.check_finite(np.array([1.0, 2.0, np.nan]), "fit", "x")
    with pytest.raises(ValueError, match=r"at row 1, index \(0, 2\), but"):
        _checks.check_finite(np.array([[[1.0, 2.0, 3.0]], [[1.0, 2.0, np.nan]]]), "fit", "x")
    with pytest.raises(ValueError, match="at row 0"):
        _checks.check_finite(np.array(np.nan), "fit", "x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sigmod", "did you mean 'sigmoid'?"),
        ("ReLU", "did you mean 'relu' or 'elu'?"),
        ("qqq", ""),
        (None, ""),
    ],
)
def test_nearest(name, said):
    assert _checks.nearest(name, ["relu", "elu", "sigmoid", "Softmax"]) == said


def test_unknown_lists_what_is_known():
    error = _checks.unknown("loss", "qqq", ["mse", "bce"])
    assert isinstance(error, ValueError)
    assert str(error) == "unknown loss 'qqq': Known are: 'bce', 'mse'"


def test_numbers_that_pass():
    assert _checks.positive_int(np.uint8(3), "f", "n") == 3
    assert _checks.integer(0, "f", "n", low=0) == 0
    assert _checks.seed_value(2**64 - 1, "f") == 2**64 - 1
    assert _checks.real(np.float32(0.5), "f", "x", low=0, high=1) == 0.5
    assert type(_checks.real(1, "f", "x")) is float
    assert _checks.fraction(0, "f", "x") == 0.0
    assert _checks.boolean(np.True_, "f", "x") is True
    assert _checks.shape_size((), "f") == 1


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (
            lambda: _checks.positive_int(0, "fit", "epochs"),
            ValueError,
            "fit: epochs must be at least 1, got 0",
        ),
        (lambda: _checks.positive_int(True, "fit", "epochs"), TypeError, "must be an integer, got True"),
        (lambda: _checks.positive_int(1.0, "fit", "epochs"), TypeError, "must be an integer, got 1.0"),
        (lambda: _checks.positive_int("1", "fit", "epochs"), TypeError, "must be an integer, got '1'"),
        (
            lambda: _checks.seed_value(-1, "f"),
            ValueError,
            r"f: seed must be in 0 \.\.\. 18446744073709551615, got -1",
        ),
        (lambda: _checks.seed_value(2**64, "f"), ValueError, "got 18446744073709551616"),
        (lambda: _checks.real(np.nan, "f", "x"), ValueError, "f: x must be a finite number, got nan"),
        (lambda: _checks.real(np.inf, "f", "x", low=0), ValueError, "a finite number of at least 0, got inf"),
        (lambda: _checks.real(2, "f", "x", low=0, high=1), ValueError, r"a number in 0 \.\.\. 1, got 2"),
        (lambda: _checks.real("1", "f", "x"), TypeError, "got '1'"),
        (lambda: _checks.real(True, "f", "x"), TypeError, "got True"),
        (lambda: _checks.real(None, "f", "x"), TypeError, "got None"),
        (lambda: _checks.real(10**400, "f", "x"), TypeError, "f: x must be a finite number"),
        (lambda: _checks.fraction(1, "f", "x"), ValueError, "at least 0 and less than 1, got 1"),
        (lambda: _checks.fraction(-0.1, "f", "x"), ValueError, "got -0.1"),
        (lambda: _checks.boolean(1, "f", "x"), TypeError, "must be True or False, got 1"),
        (lambda: _checks.shape_size((sys.maxsize // 8 + 1,), "f"), ValueError, "too large"),
        (lambda: _checks.shape_size((2**32, 2**32), "f"), ValueError, "too large"),
    ],
)
def test_numbers_that_are_refused(check, error, message):
    with pytest.raises(error, match=message):
        check()
