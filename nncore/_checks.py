"""Argument checks shared by the kernels' front, the layers and the models.

Each check takes ``where`` (the public function the user called) and ``name`` (the argument), and raises one
error that says both, what came and what is wanted. Nothing here knows about networks.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import config

# Rows are looked at in pieces of about this many elements: a mask of 64 Ki bytes stays in the L2 cache.
_CHUNK = 1 << 16


def float_dtype(dtype: DTypeLike | None, where: str) -> np.dtype[Any]:
    """Return `dtype` as float32 or float64; None is the default dtype.

    Examples
    --------
    >>> float_dtype("float64", "Dense")
    dtype('float64')
    >>> float_dtype("int8", "Dense")
    Traceback (most recent call last):
    ValueError: Dense: dtype must be float32 or float64, got 'int8'
    """
    try:
        found = np.dtype(config.floatx() if dtype is None else dtype)
    except TypeError:
        found = np.dtype(object)
    if found.type not in (np.float32, np.float64):
        raise ValueError(f"{where}: dtype must be float32 or float64, got {dtype!r}")
    return np.dtype(found.type)


def as_float_array(
    x: ArrayLike, where: str, name: str, dtype: DTypeLike | None = None, ndim: int | None = None
) -> NDArray[np.floating]:
    """Return `x` as a C-contiguous float32 or float64 array in native byte order, copied only where needed.

    Parameters
    ----------
    x : array_like
        Numbers: floats, integers or bools, as an array of any layout and byte order, or as a list.
    where, name : str
        The function and the argument, for the message.
    dtype : dtype, optional
        Float32 or float64. By default arrays of these two keep their dtype, and all else gets
        ``config.floatx()``.
    ndim : int, optional
        The number of dimensions wanted.

    Examples
    --------
    >>> as_float_array([[1, 2], [3, 4]], "dense_forward", "x", ndim=2)
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    >>> as_float_array([1, 2], "dense_forward", "x", ndim=2)
    Traceback (most recent call last):
    ValueError: dense_forward: x must have 2 dimensions, got shape (2,)
    """
    found = _as_number_array(x, where, name)
    if dtype is None:
        keep = hasattr(x, "dtype") and found.dtype.type in (np.float32, np.float64)
        dtype = np.dtype(found.dtype.type if keep else config.floatx())
    else:
        dtype = float_dtype(dtype, where)
    # What does not fit in float32 becomes inf, as in NumPy, but silently: kernels propagate it, fit() names
    # its row.
    with np.errstate(over="ignore"):
        result = np.asarray(found, dtype=dtype, order="C")
    if not result.flags.aligned:
        result = result.copy()
    if ndim is not None and result.ndim != ndim:
        raise ValueError(
            f"{where}: {name} must have {ndim} dimension{'s' * (ndim != 1)}, got shape {result.shape}"
        )
    return result


def _as_number_array(x: ArrayLike, where: str, name: str) -> NDArray[Any]:
    """Return `x` as an array of floats, integers or bools, in whatever layout it has."""
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise ValueError(
            f"{where}: {name} must be an array of numbers, got rows of different lengths"
        ) from error
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{where}: {name} must be an array of real numbers, got {_described(x, found)}")
    return found


def _described(x: object, found: NDArray[Any]) -> str:
    """Say what came instead of numbers."""
    kinds = {
        "c": "complex numbers",
        "U": "strings",
        "S": "bytes",
        "M": "dates",
        "m": "time differences",
        "V": "records",
    }
    if found.dtype.kind in kinds:
        return f"{kinds[found.dtype.kind]} (dtype {found.dtype})"
    if found.ndim == 0:
        return f"{type(x).__name__}"
    return f"Python objects (dtype {found.dtype})"


def as_class_ids(
    y: ArrayLike,
    where: str,
    name: str,
    n_classes: int | None = None,
    n_rows: int | None = None,
    hint: str = "",
) -> NDArray[np.int64]:
    """Return class ids as a C-contiguous int64 array of shape (B,).

    Parameters
    ----------
    y : array_like
        Shape (B,) or (B, 1): integers of any width, bools, or floats that hold whole numbers.
    where, name : str
        The function and the argument, for the message.
    n_classes : int, optional
        The ids must be smaller than this.
    n_rows : int, optional
        B, where it must be a certain number.
    hint : str
        What to say to somebody whose shape is wrong.

    Examples
    --------
    >>> as_class_ids([[0.0], [2.0]], "fit", "y", n_classes=3)
    array([0, 2])
    >>> as_class_ids([0, 3], "fit", "y", n_classes=3)
    Traceback (most recent call last):
    ValueError: fit: y[1] is 3, but class ids must lie in 0 ... 2 (3 classes)
    """
    found = _as_number_array(y, where, name)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found.reshape(-1)
    if found.ndim != 1:
        raise ValueError(
            f"{where}: {name} must hold one class id per row, shape (B,) or (B, 1), got shape {found.shape}{hint}"
        )
    _check_rows(found, n_rows, where, name)
    if found.dtype.kind == "f":
        found = found.astype(np.float64)
        _refuse_first(
            ~(np.isfinite(found) & (np.trunc(found) == found)),
            found,
            where,
            name,
            "class ids must be whole numbers",
        )
    if n_classes is None:
        n_classes = (
            2**53
        )  # beyond this float64 does not hold every whole number; no network has as many classes
        wanted = "class ids must not be negative (nor reach 2**53)"
    else:
        wanted = f"class ids must lie in 0 ... {n_classes - 1} ({n_classes} class{'es' * (n_classes != 1)})"
    _refuse_first((found < 0) | (found >= n_classes), found, where, name, wanted)
    return np.ascontiguousarray(found, dtype=np.int64)


def as_ids(x: ArrayLike, where: str, name: str, rows: int | None = None) -> NDArray[np.int64]:
    """Return whole numbers, such as ids of a table's rows, as a C-contiguous int64 array of their shape.

    Parameters
    ----------
    x : array_like, any shape
        Integers of any width, bools, or floats that hold whole numbers.
    where, name : str
        The function and the argument, for the message.
    rows : int, optional
        The ids must be smaller than this, and not negative; by default any will do.

    Examples
    --------
    >>> as_ids([[0.0], [2.0]], "predict", "x", rows=3)
    array([[0],
           [2]])
    >>> as_ids([[0, 3]], "predict", "x", rows=3)
    Traceback (most recent call last):
    ValueError: predict: x[0, 1] is 3, but ids must lie in 0 ... 2, the rows of the table
    """
    found = _as_number_array(x, where, name)
    if found.dtype.kind == "f":
        whole = np.isfinite(found) & (np.trunc(found) == found) & (np.abs(found) < 2**53)
        _refuse_first(~whole, found, where, name, "it takes whole numbers")
    elif found.dtype.kind == "u" and found.size and found.max() >= 2**63:
        raise ValueError(f"{where}: {name} holds {found.max()}, but takes whole numbers below 2**63")
    ids = np.require(np.asarray(found, dtype=np.int64, order="C"), requirements="A")
    if rows is not None and ids.size and not (ids.min() >= 0 and ids.max() < rows):
        _refuse_first((ids < 0) | (ids >= rows), ids, where, name,
                      f"ids must lie in 0 ... {rows - 1}, the rows of the table")
    return ids


def _refuse_first(bad: NDArray[np.bool_], x: NDArray[Any], where: str, name: str, wanted: str) -> None:
    """Raise for the first element of `x` that is marked in `bad`."""
    if bad.any():
        place = [int(i) for i in np.unravel_index(bad.argmax(), bad.shape)]
        raise ValueError(f"{where}: {name}{place if place else ''} is {x[tuple(place)]:g}, but {wanted}")


def as_dense_target(
    y: ArrayLike,
    n_outputs: int,
    where: str,
    name: str,
    n_rows: int | None = None,
    dtype: DTypeLike | None = None,
    hint: str = "",
) -> NDArray[np.floating]:
    """Return dense targets as a float array of shape (B, O), from shape (B, O), or (B,) where O is 1.

    Examples
    --------
    >>> as_dense_target([1, 2], 1, "fit", "y")
    array([[1.],
           [2.]], dtype=float32)
    >>> as_dense_target([1, 2], 3, "fit", "y")
    Traceback (most recent call last):
    ValueError: fit: y must have shape (B, 3) to match the 3 outputs, got shape (2,)
    """
    found = as_float_array(y, where, name, dtype)
    if found.ndim == 1 and n_outputs == 1:
        found = found.reshape(-1, 1)
    if found.ndim != 2 or found.shape[1] != n_outputs:
        wanted = f"shape (B, {n_outputs}) to match the {n_outputs} output{'s' * (n_outputs != 1)}"
        raise ValueError(f"{where}: {name} must have {wanted}, got shape {np.shape(y)}{hint}")
    _check_rows(found, n_rows, where, name)
    return found


def _check_rows(x: NDArray[Any], n_rows: int | None, where: str, name: str) -> None:
    if n_rows is not None and len(x) != n_rows:
        raise ValueError(f"{where}: {name} must have {n_rows} rows, got {len(x)}")


def as_sample_weight(
    sample_weight: ArrayLike, n_rows: int, where: str, dtype: DTypeLike | None = None
) -> NDArray[np.floating]:
    """Return one weight per row, shape (B,), from shape (B,) or (B, 1).

    Examples
    --------
    >>> as_sample_weight([1, 2], 2, "fit")
    array([1., 2.], dtype=float32)
    >>> as_sample_weight([1, 2, 3], 2, "fit")
    Traceback (most recent call last):
    ValueError: fit: sample_weight must hold one weight per row, shape (2,), got shape (3,)
    """
    found = as_float_array(sample_weight, where, "sample_weight", dtype)
    if found.shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(
            f"{where}: sample_weight must hold one weight per row, shape ({n_rows},), got shape {found.shape}"
        )
    return found.reshape(-1)


def check_finite(x: NDArray[np.floating], where: str, name: str, dtype: DTypeLike | None = None) -> None:
    """Raise when `x`, or what it becomes in another dtype, holds nan or inf, naming the first place.

    Examples
    --------
    >>> check_finite(np.array([[1.0, 2.0], [3.0, np.nan]]), "fit", "x")
    Traceback (most recent call last):
    ValueError: fit: x holds nan at row 1, column 1, but wants finite numbers
    """
    rows = x.reshape(1) if x.ndim == 0 else x
    step = max(1, _CHUNK // max(1, math.prod(rows.shape[1:])))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        if dtype is not None and x.dtype != dtype:
            with np.errstate(over="ignore"):
                part = part.astype(dtype)
        finite = np.isfinite(part)
        if not finite.all():
            row, *rest = (int(i) for i in np.unravel_index(finite.argmin(), finite.shape))
            value = part[(row, *rest)]
            raise not_finite(where, name, value, row + start, rest)


def not_finite(where: str, name: str, value: Any, row: int, rest: Sequence[int]) -> ValueError:
    """Return (not raise) the error for a number that is nan or inf.

    Examples
    --------
    >>> not_finite("fit", "x", np.nan, 2, [1])
    ValueError('fit: x holds nan at row 2, column 1, but wants finite numbers')
    """
    return ValueError(f"{where}: {name} holds {value} at {_place(row, rest)}, but wants finite numbers")


def _place(row: int, rest: Sequence[int]) -> str:
    if not rest:
        return f"row {row}"
    return f"row {row}, column {rest[0]}" if len(rest) == 1 else f"row {row}, index {tuple(rest)}"


def nearest(name: object, choices: Iterable[str]) -> str:
    """Return a question that proposes the choices nearest to `name`, or the empty string when none is near.

    Examples
    --------
    >>> nearest("rellu", ["relu", "elu", "sigmoid"])
    "did you mean 'relu' or 'elu'?"
    >>> nearest("xyz", ["relu"])
    ''
    """
    import difflib  # only on the way to an error: it costs more than the rest of this module

    by_lower = {choice.lower(): choice for choice in choices}
    close = [
        by_lower[found] for found in difflib.get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.6)
    ]
    if not close:
        return ""
    *most, last = [repr(found) for found in close]
    return f"did you mean {', '.join(most)} or {last}?" if most else f"did you mean {last}?"


def unknown(kind: str, name: object, choices: Iterable[str]) -> ValueError:
    """Return (not raise) the error for a name that is not among `choices`.

    Examples
    --------
    >>> unknown("activation", "sigmod", ["relu", "sigmoid"])
    ValueError("unknown activation 'sigmod': did you mean 'sigmoid'? Known are: 'relu', 'sigmoid'")
    """
    names = sorted(choices)
    question = nearest(name, names)
    known = "Known are: " + ", ".join(map(repr, names))
    return ValueError(f"unknown {kind} {name!r}: " + (f"{question} {known}" if question else known))


def shown(value: object) -> str:
    """Return how a value is written in a message: on one line, large arrays by their shape.

    Examples
    --------
    >>> shown("a"), shown(np.zeros((3, 3)))
    ("'a'", 'ndarray of shape (3, 3)')
    """
    text = repr(value)
    if "\n" not in text:
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ + ("" if shape is None else f" of shape {shape}")


def one_of(value: Any, choices: Sequence[Any], where: str, name: str) -> Any:
    """Return `value`, which must be one of `choices`: names, numbers or None.

    Examples
    --------
    >>> one_of("min", ("auto", "min", "max"), "EarlyStopping", "mode")
    'min'
    >>> one_of("least", ("auto", "min", "max"), "EarlyStopping", "mode")
    Traceback (most recent call last):
    ValueError: EarlyStopping: mode must be 'auto', 'min' or 'max', got 'least'
    """
    try:
        found = value in frozenset(choices)  # a tuple would compare, which arrays answer with arrays
    except TypeError:  # not hashable
        found = False
    if not found:
        *most, last = map(repr, choices)
        raise ValueError(f"{where}: {name} must be {', '.join(most)} or {last}, got {shown(value)}")
    return value


def integer(value: Any, where: str, name: str, low: int, high: int | None = None) -> int:
    """Return `value` as an int in low ... high; bools and floats are refused.

    Examples
    --------
    >>> integer(np.int16(3), "Dense", "units", low=1)
    3
    >>> integer(2.5, "Dense", "units", low=1)
    Traceback (most recent call last):
    TypeError: Dense: units must be an integer, got 2.5
    """
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{where}: {name} must be an integer, got {value!r}")
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: {name} must be an integer, got {value!r}") from None
    if found < low or (high is not None and found > high):
        wanted = f"at least {low}" if high is None else f"in {low} ... {high}"
        raise ValueError(f"{where}: {name} must be {wanted}, got {found}")
    return found


def positive_int(value: Any, where: str, name: str) -> int:
    """Return `value` as an int of at least 1.

    Examples
    --------
    >>> positive_int(0, "fit", "batch_size")
    Traceback (most recent call last):
    ValueError: fit: batch_size must be at least 1, got 0
    """
    return integer(value, where, name, low=1)


def seed_value(seed: Any, where: str, name: str = "seed") -> int:
    """Return `seed` as an int in 0 ... 2**64 - 1.

    Examples
    --------
    >>> seed_value(7, "Sequential")
    7
    """
    return integer(seed, where, name, low=0, high=2**64 - 1)


def real(value: Any, where: str, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a finite float in low ... high (both included); bools and strings are refused.

    Examples
    --------
    >>> real(1, "SGD", "learning_rate", low=0.0)
    1.0
    >>> real(-0.5, "SGD", "learning_rate", low=0.0)
    Traceback (most recent call last):
    ValueError: SGD: learning_rate must be a finite number of at least 0, got -0.5
    """
    if type(value) is float and low <= value <= high and abs(value) < math.inf:
        return value
    wanted = "a finite number"
    if high != math.inf:
        wanted = f"a number in {low:g} ... {high:g}"
    elif low != -math.inf:
        wanted = f"a finite number of at least {low:g}"
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)):
            raise TypeError
        found = float(value)
    except (TypeError, OverflowError):
        raise TypeError(f"{where}: {name} must be {wanted}, got {value!r}") from None
    if not (math.isfinite(found) and low <= found <= high):
        raise ValueError(f"{where}: {name} must be {wanted}, got {value!r}")
    return found


def reals(values: Any, where: str, name: str, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Return a sequence of numbers as floats, each as of `real`.

    Examples
    --------
    >>> reals((1, 2.5), "AUC", "thresholds")
    [1.0, 2.5]
    >>> reals(3, "AUC", "thresholds")
    Traceback (most recent call last):
    TypeError: AUC: thresholds must be a sequence of numbers, got 3
    """
    try:
        items = list(values)
    except TypeError:
        raise TypeError(f"{where}: {name} must be a sequence of numbers, got {shown(values)}") from None
    return [real(item, where, name, low, high) for item in items]


def positive(value: Any, where: str, name: str) -> float:
    """Return `value` as a finite float above 0.

    Examples
    --------
    >>> positive(0, "Adam", "epsilon")
    Traceback (most recent call last):
    ValueError: Adam: epsilon must be a finite number above 0, got 0
    """
    found = real(value, where, name, low=0.0)
    if found == 0:
        raise ValueError(f"{where}: {name} must be a finite number above 0, got {value!r}")
    return found


def fraction(value: Any, where: str, name: str) -> float:
    """Return `value` as a float with 0 <= value < 1.

    Examples
    --------
    >>> fraction(1.0, "fit", "validation_split")
    Traceback (most recent call last):
    ValueError: fit: validation_split must be at least 0 and less than 1, got 1.0
    """
    found = real(value, where, name)
    if not 0 <= found < 1:
        raise ValueError(f"{where}: {name} must be at least 0 and less than 1, got {value!r}")
    return found


def boolean(value: Any, where: str, name: str) -> bool:
    """Return `value` as a bool; what is neither True nor False is refused.

    Examples
    --------
    >>> boolean("yes", "SGD", "nesterov")
    Traceback (most recent call last):
    TypeError: SGD: nesterov must be True or False, got 'yes'
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{where}: {name} must be True or False, got {value!r}")
    return bool(value)


def shape_size(shape: Sequence[int], where: str, itemsize: int = 8) -> int:
    """Return the number of elements of `shape`, or raise when no process could address it.

    Python's integers do not overflow, so the product is exact; what C code computes from the same shape then
    fits too.

    Examples
    --------
    >>> shape_size((3, 4), "Dense")
    12
    >>> shape_size((2**40, 2**40), "Dense")
    Traceback (most recent call last):
    ValueError: Dense: an array of shape (1099511627776, 1099511627776) is too large for this machine
    """
    size = math.prod(shape)
    if size * itemsize > sys.maxsize:
        raise ValueError(f"{where}: an array of shape {tuple(shape)} is too large for this machine")
    return size
