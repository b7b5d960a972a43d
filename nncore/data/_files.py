"""Readers of the files that the ``nncore`` command takes, and the recipe that a trained model keeps of them.

A file becomes a `Table`: rows of raw numbers and, where asked for, raw targets. A `Recipe` is learnt from the
training rows, turns tables into what the network takes, and is saved in the model file, so that rows seen
later are treated as the training rows were.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import gzip
import io
import itertools
import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from nncore import random
from nncore.data import load_digits

MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?"])
MAX_AUTO_CLASSES = 20  # whole numbers with more distinct values than this are taken as quantities
NO_TARGETS = np.empty(0)
CHUNK = 8192  # rows converted at a time: text cells cost some twenty times the memory of a float64


class DataError(ValueError):
    """Data that cannot be used; the message is one line that says where and why."""


@dataclasses.dataclass
class Table:
    """Rows of a file as they stand there: raw inputs and raw targets."""

    x: NDArray[Any]  # (rows, inputs), any real dtype
    y: NDArray[Any]  # (rows,): numbers, or str where the column holds other text; empty where not asked for
    where: str  # the file, for messages
    features: list[str] | None = None  # names of the columns of x (.csv)
    target: str | None = None


@dataclasses.dataclass
class Recipe:
    """What turns raw rows into inputs and outputs into answers: ``(x - shift) / scale`` for both."""

    task: str  # "classification" or "regression"
    features: list[str] | None
    target: str | None
    shift: list[float]  # one number for all columns, or one a column
    scale: list[float]
    inputs: int  # columns of x
    classes: list[str] = dataclasses.field(default_factory=list)  # in the order of the network's outputs
    target_shift: float = 0.0
    target_scale: float = 1.0
    test_fraction: float | None = None  # where the test rows came out of the training file

    def transform(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return raw inputs as the network's float32 inputs."""
        out = np.empty(x.shape, np.float32)
        for start in range(
            0, len(x), CHUNK
        ):  # in float64, piece by piece: a float64 copy of all of MNIST is 376 MB
            out[start : start + CHUNK] = (x[start : start + CHUNK] - np.array(self.shift)) / np.array(
                self.scale
            )
        return out

    def encode(self, table: Table) -> NDArray[Any]:
        """Return raw targets as the network's: class ids, or standardised float32 of shape (rows, 1)."""
        if self.task == "regression":
            values = _as_numbers(table)
            return ((values - self.target_shift) / self.target_scale).astype(np.float32)[:, None]
        ids = {name: i for i, name in enumerate(self.classes)}
        names = _class_names(table.y)
        try:
            return np.array([ids[name] for name in names], dtype=np.int64)
        except KeyError as error:
            row = names.index(error.args[0])
            raise DataError(
                f"{table.where}: row {row + 1}: class {error.args[0]!r} is not among those trained on: "
                f"{listed(self.classes)}"
            ) from None

    def to_json(self) -> str:
        """Return the recipe as text, for the model file."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the recipe from `to_json`'s text; `DataError` where the text is no recipe."""
        try:
            recipe = cls(**json.loads(text))
            widths = {1, recipe.inputs}
            ok = (
                recipe.task in ("classification", "regression")
                and {len(recipe.shift), len(recipe.scale)} <= widths
            )
            ok = ok and all(isinstance(v, float | int) for v in [*recipe.shift, *recipe.scale])
            ok = ok and (recipe.task == "regression" or all(isinstance(name, str) for name in recipe.classes))
        except (ValueError, TypeError):
            ok = False
        if not ok:
            raise DataError("the description of the inputs in this file is damaged")
        return recipe


# ---- from a training table to a recipe


def choose_task(table: Table) -> str:
    """Return `classification` for text and for at most 20 different whole numbers, else `regression`."""
    if table.y.dtype.kind == "U":
        return "classification"
    if table.features is None:  # .npz: the dtype says it (Keras stores class ids as integers)
        return "regression" if table.y.dtype.kind == "f" else "classification"
    whole = (table.y == np.floor(table.y)).all()
    return "classification" if whole and len(np.unique(table.y)) <= MAX_AUTO_CLASSES else "regression"


def make_recipe(table: Table, task: str, pixels: float | None = None) -> Recipe:
    """Learn a recipe from training rows.

    Inputs are divided by ``pixels`` where given, by 255 where they are uint8 (images), and otherwise
    standardised column by column to mean 0 and standard deviation 1 (a constant column becomes 0).
    """
    if pixels is None and table.x.dtype == np.uint8:
        pixels = 255.0
    if pixels is not None:
        shift, scale = [0.0], [float(pixels)]
    else:
        shift, scale = _moments(table.x, table)
    recipe = Recipe(task, table.features, table.target, shift, scale, table.x.shape[1])
    name = "the target" if table.target is None else f"target {table.target!r}"
    if task == "regression":
        (recipe.target_shift,), (recipe.target_scale,) = _moments(_as_numbers(table)[:, None], table)
        if (table.y == table.y[0]).all():
            raise DataError(f"{table.where}: {name} has the same value in all {len(table.y):,} training rows")
        return recipe
    names = _class_names(table.y)
    distinct = set(names)
    if len(distinct) < 2:
        raise DataError(
            f"{table.where}: {name} has only one class, {names[0]!r}, in {len(names):,} training rows"
        )
    if len(distinct) > max(2, len(names) // 2):
        raise DataError(
            f"{table.where}: {name} has {len(distinct):,} different values in {len(names):,} training rows: "
            "too many for classes"
        )
    numeric = table.y.dtype.kind != "U"
    recipe.classes = sorted(distinct, key=(lambda name: float(name)) if numeric else None)
    return recipe


def hold_out(rows: int, fraction: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row numbers to train on and to test on: always the same ones, so that runs can be compared."""
    order = random.permutation(rows, seed=0, epoch=0)
    n_test = min(max(1, round(rows * fraction)), rows - 1)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def take(table: Table, rows: NDArray[np.int64]) -> Table:
    """Return the table's rows of these numbers."""
    return dataclasses.replace(table, x=table.x[rows], y=table.y[rows])


def _moments(x: NDArray[Any], table: Table) -> tuple[list[float], list[float]]:
    shift = np.empty(x.shape[1])
    scale = np.empty(x.shape[1])
    for c in range(x.shape[1]):
        column = x[:, c].astype(np.float64)
        largest = np.abs(column).max()
        if largest > 1e150:  # its square overflows
            name = table.features[c] if table.features else c + 1
            raise DataError(f"{table.where}: column {name!r}: {largest:g} is too large to standardise")
        shift[c], scale[c] = column.mean(), column.std()
        if scale[c] <= 1e-12 * largest:  # constant but for the rounding of the mean
            scale[c] = 1.0
    return shift.tolist(), scale.tolist()


def _as_numbers(table: Table) -> NDArray[np.float64]:
    if table.y.dtype.kind == "U":
        row, text = next((i, text) for i, text in enumerate(table.y.tolist()) if to_number(text) is None)
        raise DataError(f"{table.where}: row {row + 1}: target {table.target!r} is {text!r}, not a number")
    return table.y.astype(np.float64)


def _class_names(y: NDArray[Any]) -> list[str]:
    """Return one name a row; whole numbers without a fraction, so that 1, 1.0 and '1' are one class."""
    values, inverse = np.unique(y, return_inverse=True)
    if y.dtype.kind == "U":
        names = [str(v) for v in values]
    else:
        names = [str(int(v)) if v == np.floor(v) else repr(float(v)) for v in values]
    return [names[i] for i in inverse.tolist()]


def to_number(text: str) -> float | None:
    """Return the number that a cell holds, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names for a message, at most `most` of them."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f", ... ({len(names):,} in all)" if len(names) > most else "")


# ---- .csv


def read_csv(
    path: str, target: str | None = None, drop: Sequence[str] = (), features: list[str] | None = None
) -> Table:
    """Read a ``.csv`` or ``.csv.gz`` with a header.

    Parameters
    ----------
    path : str
        The file. The separator is whichever of comma, semicolon and tab its header has most of.
    target : str, optional
        The column that becomes ``y``.
    drop : sequence of str
        Columns to leave out.
    features : list of str, optional
        The columns to read, in this order, instead of all that are left.

    Returns
    -------
    Table
    """
    with _one_line_errors(path), _open_text(path) as file:
        reader, names = _start(path, file)
        for wanted in [*([target] if target is not None else []), *drop, *(features or [])]:
            if wanted not in names:
                raise DataError(f"{path}: no column {wanted!r}; the columns are {listed(names, 40)}")
        if features is None:
            features = [name for name in names if name != target and name not in drop]
        if not features:
            raise DataError(f"{path}: no columns are left as inputs")
        columns = [names.index(name) for name in features]
        target_column = None if target is None else names.index(target)

        blocks: list[NDArray[np.float64]] = []
        targets: list[str] = []
        rows: list[list[str]] = []
        lines: list[int] = []

        def convert() -> None:
            blocks.append(_numbers(path, rows, lines, columns, names, len(targets) - len(rows)))
            rows.clear()
            lines.clear()

        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{path}: line {reader.line_num}: {len(row)} cells, but the header names {len(names)} columns"
                )
            rows.append(row)
            lines.append(reader.line_num)
            text = "" if target_column is None else row[target_column].strip()
            if target_column is not None and text.lower() in MISSING:
                raise DataError(
                    f"{path}: row {len(targets) + 1} (line {lines[-1]}), column {target!r}: missing value {text!r}"
                )
            targets.append(text)
            if len(rows) == CHUNK:
                convert()
        if rows:
            convert()
    if not targets:
        raise DataError(f"{path}: no rows below the header")
    y = NO_TARGETS if target is None else _target_array(path, targets, target)
    return Table(np.concatenate(blocks), y, path, list(features), target)


def read_header(path: str) -> list[str]:
    """Return the names of the columns of a ``.csv`` or ``.csv.gz``."""
    with _one_line_errors(path), _open_text(path) as file:
        return _start(path, file)[1]


def _start(path: str, file: TextIO) -> tuple[Any, list[str]]:
    """Return a csv reader that stands at the first row below the header, and the header's names."""
    header = file.readline()
    if not header.strip():
        raise DataError(f"{path}: no header: the file is empty or starts with an empty line")
    reader = csv.reader(itertools.chain([header], file), delimiter=max(",;\t", key=header.count))
    names = [name.strip() or f"unnamed_{i + 1}" for i, name in enumerate(next(reader))]
    if all(to_number(name) is not None for name in names):
        raise DataError(f"{path}: no header: the first line holds only numbers; give the columns names")
    repeated = [name for name, times in collections.Counter(names).items() if times > 1]
    if repeated:
        raise DataError(f"{path}: column {repeated[0]!r} appears more than once in the header")
    return reader, names


def _target_array(path: str, texts: list[str], target: str) -> NDArray[Any]:
    if any(to_number(text) is None for text in texts):
        return np.array(texts)
    y = np.array([float(text) for text in texts])
    if not np.isfinite(y).all():
        row = int(np.argmin(np.isfinite(y)))
        raise DataError(f"{path}: row {row + 1}, column {target!r}: {texts[row]} is not finite")
    return y


def _numbers(
    path: str, rows: list[list[str]], lines: list[int], columns: list[int], names: list[str], first: int
) -> NDArray[np.float64]:
    """Return the cells of ``columns`` as float64; `DataError` at the first cell that is no finite number."""
    try:
        block = np.array([[row[c] for c in columns] for row in rows], dtype=np.float64)
        if np.isfinite(block).all():
            return block
    except ValueError:
        pass
    text_columns: dict[str, str] = {}
    bad = None
    for i, row in enumerate(rows):
        for c in columns:
            cell = row[c].strip()
            place = f"row {first + i + 1} (line {lines[i]}), column {names[c]!r}"
            value = to_number(cell)
            if cell.lower() in MISSING:
                bad = (
                    bad
                    or f"{place}: missing value {cell!r}; fill it, leave the row out, or --drop the column"
                )
            elif value is None:
                text_columns.setdefault(
                    names[c], f"row {first + i + 1} (line {lines[i]}) holds {cell[:40]!r}"
                )
            elif not math.isfinite(value):
                bad = bad or f"{place}: {cell} is not finite"
    if text_columns:
        name, example = next(iter(text_columns.items()))
        others = (
            f" (as are {listed([n for n in text_columns if n != name])})" if len(text_columns) > 1 else ""
        )
        raise DataError(
            f"{path}: column {name!r} is not numeric: {example}{others}; leave it out with --drop"
        )
    raise DataError(f"{path}: {bad}")


@contextlib.contextmanager
def _open_text(path: str) -> Iterator[TextIO]:
    opener = gzip.open if path.lower().endswith(".gz") else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        yield text


# ---- .npz


def read_npz(path: str, x_key: str, y_key: str | None = None) -> Table:
    """Read one array of inputs and one of targets from a ``.npz``; images are flattened to one row each."""
    with _one_line_errors(path):
        if not zipfile.is_zipfile(path):
            with open(path, "rb"):  # a missing or unreadable file is reported as such
                raise DataError(f"{path}: not an .npz file, or cut short")
        with np.load(path, allow_pickle=False) as arrays:
            for key in [x_key] + ([y_key] if y_key else []):
                if key not in arrays.files:
                    raise DataError(
                        f"{path}: no array {key!r}; the file holds {listed(arrays.files) or 'nothing'}"
                    )
            x = arrays[x_key]
            y: NDArray[Any] = arrays[y_key] if y_key else NO_TARGETS
    for key, array in ((x_key, x), (y_key or "", y)):
        if not isinstance(array, np.ndarray):  # NumPy gives a member that is no array as bytes
            raise DataError(f"{path}: {key!r} is no array")
    if x.dtype.kind not in "uifb" or x.ndim < 2:
        raise DataError(f"{path}: {x_key} is {x.dtype} of shape {x.shape}; wanted are rows of real numbers")
    x = x.reshape(len(x), math.prod(x.shape[1:]))
    if x.size == 0:
        raise DataError(f"{path}: {x_key} is empty")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row, column = np.unravel_index(int(np.isfinite(x).argmin()), x.shape)
        raise DataError(f"{path}: {x_key}: row {row + 1}, column {column + 1} is {x[row, column]}")
    if y_key is not None:
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.ndim != 1 or y.dtype.kind not in "uifbU":
            raise DataError(
                f"{path}: {y_key} is {y.dtype} of shape {y.shape}; wanted is one class or number a row"
            )
        if len(y) != len(x):
            raise DataError(f"{path}: {x_key} has {len(x):,} rows but {y_key} has {len(y):,}")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            first = int(np.isfinite(y).argmin())
            raise DataError(f"{path}: {y_key}: row {first + 1} is {y[first]}")
    return Table(x, y, path)


def npz_keys(path: str) -> list[str]:
    """Return the names of the arrays in a ``.npz``."""
    with _one_line_errors(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def digits_table() -> Table:
    """Return the digits in the package as a table."""
    x, y = load_digits()
    return Table(x, y, "digits")


@contextlib.contextmanager
def _one_line_errors(path: str) -> Iterator[None]:
    """Report whatever the system, zip, gzip, csv or NumPy say about a bad file in one line that names it."""
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError) as error:
        raise DataError(f"{path}: damaged or cut short: {error}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path}: {reason[:1].lower()}{reason[1:]}") from None
    except csv.Error as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, KeyError, MemoryError, OverflowError, SyntaxError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read: {text[:200]}") from None


def kind_of(path: str) -> str:
    """Return `digits`, `csv` or `npz`; `DataError` for anything else."""
    if path == "digits":
        return "digits"
    lower = path.lower()
    if lower.endswith((".csv", ".csv.gz")):
        return "csv"
    if lower.endswith(".npz"):
        return "npz"
    if os.path.exists(path):
        raise DataError(f"{path}: unknown kind of file; wanted is .csv, .csv.gz or .npz")
    raise DataError(f"{path}: no such file; wanted is a .csv, .csv.gz or .npz file, or the word digits")
