"""Rows that the core gathers and converts: to the bit what NumPy's indexing and `astype` give."""

import numpy as np
import pytest

from nncore._core import core
from nncore.executor import OP
from nncore.kernels._front import KERNEL

SOURCES = ["same", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def gather(source, dtype, order, n_threads=1, batch=None):
    """What the op makes of a batch of all rows, or of the last batch of so many rows."""
    samples = len(source) if order is None else len(order)
    batch = batch or samples
    out = np.full((batch, source.shape[1]), 99, dtype)
    table = np.zeros(1, OP)
    table["kernel"], table["is_double"] = KERNEL["gather"], dtype == np.float64
    table["p"][0, :2] = core.address(source), core.address(out)
    code = 1 if source.dtype == dtype else 1 + SOURCES.index(source.dtype.name)
    table["n"][0, :4] = source.shape[1], source.strides[0], code, dtype == np.int64
    done = np.zeros(1, np.int64)
    core.run_program(table, order, samples, batch, done, None, 0, None, 1e9, n_threads, np.zeros(0, np.uint8), 0)
    assert done[0] == samples
    return out


def hostile(dtype, shape, rng):
    """Numbers of all sizes, the ends of the range among them."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = np.exp(rng.uniform(-700 if dtype == "float64" else -80, 700 if dtype == "float64" else 80, shape))
        values = (values * rng.choice([-1, 1], shape)).astype(dtype)
        ends = [0.0, -0.0, np.nan, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).tiny / 2, 0.1]
    else:
        bits = rng.integers(0, 8 * kind.itemsize, shape)
        values = (rng.integers(0, 2**64, shape, dtype=np.uint64) >> bits.astype(np.uint64)).astype(dtype)
        info = np.iinfo(dtype)
        ends = [info.min, info.max, info.max - 1, info.max // 2 + 1]
    flat = values.reshape(-1)
    flat[: len(ends)] = ends[: flat.size]
    return values


@pytest.mark.parametrize(("source", "dtype"), [
    (source, dtype) for source in SOURCES[1:] for dtype in ("float32", "float64", "int64")
    if (source[0], dtype) != ("f", "int64")])  # ids are not made of floats
@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_pair_of_dtypes(source, dtype, n_threads):
    rng = np.random.default_rng(len(source) + len(dtype))
    for shape in ((1, 1), (37, 1), (50, 3), (23, 17), (9, 131)):
        x = hostile(source, shape, rng)
        for order in (None, rng.permutation(shape[0])):
            with np.errstate(over="ignore", invalid="ignore"):
                wanted = (x if order is None else x[order]).astype(dtype)
            assert gather(x, np.dtype(dtype), order, n_threads).tobytes() == wanted.tobytes()


def test_columns_of_wider_rows():
    x = np.random.default_rng(1).normal(size=(40, 9))
    order = np.random.default_rng(2).permutation(40)
    for part in (x[:, 1:], x[:, :4], x[:, 3:8], x[::2, 2:], x[::-1], np.broadcast_to(x[3], (40, 9))):
        chosen = order[order < len(part)]
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            assert np.array_equal(gather(part, dtype, chosen), part[chosen].astype(dtype))


def test_batches():
    x = np.arange(30, dtype=np.uint8).reshape(10, 3)
    order = np.arange(10)[::-1].copy()
    last = gather(x, np.dtype("float32"), order, batch=4)
    assert np.array_equal(last[:2], [[3, 4, 5], [0, 1, 2]])  # the third batch has two rows
    assert np.array_equal(gather(x, np.dtype("float32"), None, batch=4)[:2], x[8:])


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns_dtype", ["int32", "int64"])
def test_rows_of_a_sparse_matrix(columns_dtype, dtype, n_threads):
    rng = np.random.default_rng(5)
    for samples, width, batch in ((1, 1, 1), (37, 5, 37), (90, 131, 40), (64, 17, 32)):
        stored = rng.integers(0, 2 * width, samples)
        stored[0] = 0
        starts = np.concatenate([[0], np.cumsum(stored)])
        columns = rng.integers(-2, width + 2, starts[-1]).astype(columns_dtype)  # also such as there are not
        columns[::7] = [np.iinfo(columns_dtype).max, np.iinfo(columns_dtype).min][samples % 2]
        values = rng.normal(size=starts[-1]).astype(dtype)
        values[::5] = -0.0
        wanted = np.zeros((samples, width), dtype)
        for row in range(samples):
            for k in range(starts[row], starts[row + 1]):
                if 0 <= columns[k] < width:
                    wanted[row, columns[k]] += values[k]
        for order in (None, rng.permutation(samples)):
            out = np.full((batch + 2, width), 99, dtype)
            table = np.zeros(1, OP)
            table["kernel"], table["is_double"] = KERNEL["gather_sparse"], dtype == "float64"
            table["p"][0, :4] = [core.address(array) for array in (starts, columns, values, out[1:])]
            table["n"][0, :2] = width, columns_dtype == "int64"
            done = np.zeros(1, np.int64)
            core.run_program(table, order, samples, batch, done, None, 0, None, 1e9, n_threads, np.zeros(0, np.uint8), 0)
            last = np.arange(samples)[(samples - 1) // batch * batch :]
            last = last if order is None else order[last]
            assert out[1 : 1 + len(last)].tobytes() == wanted[last].tobytes()
            assert (out[0] == 99).all() and (out[-1] == 99).all()
