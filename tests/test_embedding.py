"""Tables of vectors: what ids mean, and training that touches only the rows that a batch names."""

import numpy as np
import oracle
import pytest
from test_kernels import assert_same_bits, elementary, needs_fma

import nncore as nn
from nncore import kernels, reference
from nncore._core import core
from nncore.kernels._front import KERNEL

DTYPES = ["float32", "float64"]


def test_ids_of_any_kind_are_taken():
    w = np.arange(12.0).reshape(4, 3)
    want = w[[[0, 3], [2, 2]]]
    for ids in ([[0, 3], [2, 2]], np.array([[0, 3], [2, 2]], np.uint8), np.array([[0.0, 3.0], [2.0, 2.0]], np.float32),
                np.array([[0, 3], [2, 2]], ">i4"), np.array([[0, 2], [3, 2]]).T):
        np.testing.assert_array_equal(kernels.embedding_forward(ids, w), want)
    assert kernels.embedding_forward(np.int64(3), w).shape == (3,)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[0, 4]], r"ids\[0, 1\] is 4, but ids must lie in 0 ... 3, the rows of the table"),
        ([0, -1], r"ids\[1\] is -1, but ids must lie in 0 ... 3"),
        ([0.5], r"ids\[0\] is 0.5, but it takes whole numbers"),
        ([[1.0, np.nan]], r"ids\[0, 1\] is nan, but it takes whole numbers"),
        (np.array([2**64 - 1], np.uint64), r"ids holds 18446744073709551615, but takes whole numbers below 2\*\*63"),
        ([1e300], r"ids\[0\] is 1e\+300, but it takes whole numbers"),
    ],
)
def test_ids_that_are_no_rows_are_refused(ids, message):
    with pytest.raises(ValueError, match=f"^embedding_forward: {message}"):
        kernels.embedding_forward(ids, np.ones((4, 3)))


def test_strings_are_no_ids():
    with pytest.raises(TypeError, match="embedding_forward: ids must be an array of real numbers"):
        kernels.embedding_forward(["a"], np.ones((4, 3)))


def test_unseen_ids_stand_for_a_row_or_for_zeros():
    w = np.arange(1.0, 13).reshape(4, 3)
    ids = [[-1, 1], [4, 2**62], [np.iinfo(np.int64).min, 0]]
    np.testing.assert_array_equal(kernels.embedding_forward(ids, w, unseen=3), w[[[3, 1], [3, 3], [3, 0]]])
    y = kernels.embedding_forward(ids, w, unseen=-1)
    np.testing.assert_array_equal(y[:, 0], 0)
    np.testing.assert_array_equal(y[[0, 2], 1], w[[1, 0]])
    with pytest.raises(ValueError, match="unseen must be a row of the table, 0 ... 3, or -1, got 4"):
        kernels.embedding_forward(ids, w, unseen=4)


def test_masked_zeros_have_no_row_and_no_gradient():
    w = np.arange(1.0, 13).reshape(4, 3)
    ids, dy = np.array([0, 2, 0, 2, 9]), np.ones((5, 3))
    np.testing.assert_array_equal(
        kernels.embedding_forward(ids, w, unseen=1, mask_zero=True), [[0] * 3, w[2], [0] * 3, w[2], w[1]]
    )
    dw = kernels.embedding_backward(dy, ids, input_dim=4, unseen=1, mask_zero=True)
    np.testing.assert_array_equal(dw[:, 0], [0, 1, 2, 0])
    rows, sums = kernels.embedding_backward_rows(dy, ids, 4, unseen=1, mask_zero=True)
    np.testing.assert_array_equal(rows, [2, 1])
    np.testing.assert_array_equal(sums[:, 0], [2, 1])
    assert len(kernels.embedding_backward_rows(dy[:1], ids[:1], 4, mask_zero=True)[0]) == 0


def test_rows_that_meet_in_the_hash_table_are_told_apart():
    """Ids are multiples of large powers of two, of small ones, of Fibonacci numbers: what weak hashes fear."""
    fibonacci = [1, 2]
    while fibonacci[-1] < 2**61:
        fibonacci.append(sum(fibonacci[-2:]))
    for ids in (np.arange(1000) << 40, np.arange(1000) << 20, np.arange(1000), np.array(fibonacci)):
        named = np.concatenate([ids, ids[::-3], ids])
        dy = np.random.default_rng(1).integers(-9, 9, (len(named), 2)).astype(float)
        rows, dw = kernels.embedding_backward_rows(dy, named, 2**62)
        want_rows, want = reference.embedding_backward_rows(dy, named, 2**62)
        np.testing.assert_array_equal(rows, want_rows)
        np.testing.assert_array_equal(dw, want)


# Updates of rows --------------------------------------------------------------------------------------------

UPDATES = {  # operands behind (w, dw), and scalars in the core's order
    "sgd": ("sgd_update", 0, (0.1, 0.0, np.inf, 0.0, 0.0, 0.0), {"learning_rate": 0.1}),
    "momentum": ("sgd_update", 1, (0.1, 0.01, np.inf, 0.7, 0.0, 0.0),
                 {"learning_rate": 0.1, "momentum": 0.7, "weight_decay": 0.01}),
    "nesterov": ("sgd_update", 1, (0.1, 0.0, np.inf, 0.7, 1.0, 0.02),
                 {"learning_rate": 0.1, "momentum": 0.7, "nesterov": True, "l2": 0.02}),
    "adam": ("adam_update", 2, (0.1, 0.01, np.inf, 0.8, 0.9, 1e-3),
             {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "weight_decay": 0.01}),
    "amsgrad": ("adam_update", 3, (0.1, 0.0, np.inf, 0.8, 0.9, 1e-3),
                {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}),
}  # fmt: skip
POWERS = (0.8**3, 0.9**3)


def update_rows(name, w, dw, state, rows):
    """Run the core's update of some rows, in place."""
    kernel, _, scalars, _ = UPDATES[name]
    slots = [*state, None, None, None][:3]
    powers = np.array(POWERS) if kernel == "adam_update" else None
    core.run_kernel(
        KERNEL[kernel], len(rows), (w, dw, *slots, powers, None, rows, np.array([len(rows)])), (w.shape[1], 1),
        scalars, w.dtype == np.float64,
    )  # fmt: skip


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize(("V", "D", "U"), [(9, 1, 3), (200, 4, 77), (50, 33, 49), (1500, 1, 1400), (7, 1024, 5), (5, 1031, 2)])
def test_touched_rows_are_updated_to_the_documented_bits_and_others_left_alone(name, dtype, V, D, U):
    rng = np.random.default_rng(V)
    kernel, slots, _, settings = UPDATES[name]
    w, dw, *state = (rng.standard_normal((n, D)).astype(dtype) for n in (V, U, *[V] * slots))
    state[1:] = [np.abs(s) for s in state[1:]]
    rows = rng.permutation(V)[:U]
    want_w, want = w.copy(), [s.copy() for s in state]
    if kernel == "adam_update":
        settings = {**settings, "beta_1_power": POWERS[0], "beta_2_power": POWERS[1]}
    new_w, *new = getattr(oracle, kernel)(elementary, w[rows], dw, *[s[rows] for s in state], **settings)
    want_w[rows] = new_w
    for s, n in zip(want, new, strict=False):
        s[rows] = n
    update_rows(name, w, dw, state, rows)
    assert_same_bits({"w": w, **dict(enumerate(state))}, {"w": want_w, **dict(enumerate(want))}, name)


def test_updates_of_rows_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(3)
    w, dw, m, v = (rng.standard_normal((30_000, 17), np.float32) for _ in range(4))
    rows = rng.permutation(len(w))[:20_011]
    found = []
    for n_threads in (1, None):
        nn.set_num_threads(n_threads)
        arrays = [w.copy(), m.copy(), np.abs(v)]
        update_rows("adam", arrays[0], dw, arrays[1:], rows)
        found.append(dict(enumerate(arrays)))
    assert_same_bits(found[1], found[0], "all threads against one")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("U", "D"), [(0, 3), (1, 1), (700, 7), (2, 5000)])
def test_squares_of_touched_rows_are_those_of_one_array(dtype, U, D):
    dw = np.random.default_rng(U).standard_normal((U + 3, D)).astype(dtype)
    sums = np.zeros(2)
    core.run_kernel(KERNEL["embedding_squares"], U, (dw, np.array([U]), sums), (D, 1), (), dtype == "float64")
    assert sums[0] == 0
    assert sums[1] == (kernels.sum_of_squares(dw[:U]) if U else 0)
    reference.embedding_squares(dw, np.array([U]), sums)
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-13)
