"""Every kernel of the table `nncore.testing.KERNELS`: against its twin, the exact oracle, and itself."""

import inspect
import re
from copy import deepcopy

import numpy as np
import oracle
import pytest

from nncore import kernels, reference
from nncore._core import core, isa
from nncore.testing import KERNELS, check_backward, hostile_arrays

DTYPES = ["float32", "float64"]
each_kernel = pytest.mark.parametrize("row", KERNELS, ids=lambda row: row.id)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
needs_fma = pytest.mark.skipif(isa == "v2", reason="x86-64-v2 has no FMA: it agrees within tolerance only")


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def first(result):
    return result[0] if isinstance(result, tuple) else result


def arrays(result):
    """The arrays of a result, which may be None, one, or a tuple that begins with a loss."""
    results = result if isinstance(result, tuple) else (result,)
    return [value for value in results if isinstance(value, np.ndarray)]


@np.errstate(all="ignore")  # hostile values overflow in NumPy, too, which says so
def run(module, row, arguments, like=None):
    """Call a kernel with all its output arguments; give all that is known afterwards, by name.

    `like`: arguments that the twin takes, when `arguments` are lists and other things that only kernels
    convert.
    """
    function, arguments = row.function(module), deepcopy(arguments)
    outs = [name for name in inspect.signature(function).parameters if name.endswith("_out")]
    results = arrays(row.function(reference)(**deepcopy(arguments if like is None else like)))
    if len(outs) > len(results) > 0:  # a loss does not return its rows
        results.insert(outs.index("rows_out"), results[0][:, 0])
    given = {name: np.full_like(value, np.nan, order="C") for name, value in zip(outs, results, strict=False)}
    result = function(**arguments, **given)
    for value in arrays(result) if outs else ():
        assert any(value is out for out in given.values()), "an output argument is filled and returned"
    known = {**arguments, **given}
    if isinstance(first(result), float):
        known["loss"] = first(result)
    if not outs and isinstance(result, tuple):
        known |= {f"result[{i}]": value for i, value in enumerate(result)}
    elif not outs and result is not None:
        known["result"] = result
    return {name: value for name, value in known.items() if isinstance(value, (np.ndarray, float, list))}


def assert_close(got, want, ulps, dtype, scale, label):
    assert got.keys() == want.keys(), label
    tolerance = ulps * float(np.finfo(dtype).eps)
    for name in want:
        np.testing.assert_allclose(
            got[name], want[name], rtol=tolerance, atol=tolerance * scale, err_msg=f"{label}: {name}"
        )


def assert_same_bits(got, want, label):
    """Equal to the last bit and the sign of zero; any nan equals any nan."""
    for name in want:
        a, b = np.asarray(got[name]), np.asarray(want[name])
        assert a.dtype == b.dtype and a.shape == b.shape, (
            f"{label}: {name} is {a.dtype} {a.shape}, not {b.dtype} {b.shape}"
        )
        same = np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else np.zeros(a.shape, bool)
        same |= (a == b) & (np.signbit(a) == np.signbit(b))
        if not same.all():
            where = tuple(int(i) for i in np.argwhere(~same)[0])
            count = int((~same).sum())
            raise AssertionError(
                f"{label}: {count} of {a.size} differ in {name}, first {where}: {a[where]!r} != {b[where]!r}"
            )


# The table, and the twins' shape ----------------------------------------------------------------------------


def test_every_public_kernel_has_a_row_and_a_twin():
    public = set(kernels.__all__)
    assert {row.name for row in KERNELS} == public
    assert public <= set(reference.__all__)


@each_kernel
def test_signature_is_the_twins(row):
    got, want = (
        inspect.signature(getattr(module, row.name)).parameters.values() for module in (kernels, reference)
    )
    assert [(p.name, p.default, p.kind) for p in got] == [(p.name, p.default, p.kind) for p in want]


def test_shapes_have_no_two_equal_dimensions():
    for row in KERNELS:
        for shape in (*row.shapes, row.big):
            assert len(set(shape)) == len(shape), (row.id, shape)


# Values -----------------------------------------------------------------------------------------------------


@each_dtype
@each_kernel
def test_agrees_with_the_twin(row, dtype):
    for case in row.cases(dtype):
        got, want = run(kernels, row, case.arguments), run(reference, row, case.arguments)
        assert_close(got, want, row.ulps, dtype, 1, case.label)


def exact(row, arguments):
    """The oracle's answer by the names of `run`, or None where docs/bits.md has no formula."""
    a = dict(arguments)
    name = row.name
    formula = getattr(oracle, name, None)
    stem, _, direction = name.rpartition("_")
    alpha = a.get("alpha")
    if formula is None and "negative_slope" in a:
        alpha = a.pop("negative_slope")
    if direction == "forward" and formula is None:
        return {"y_out": oracle.activate(stem, a["x"], elementary, alpha)}
    if direction == "backward" and formula is None:
        return {"dx_out": oracle.activate_backward(stem, a["dy"], a.get("y", a.get("x")), elementary, alpha)}
    if formula is None:
        return None
    result = formula(elementary, **a)
    if row.in_place:
        return {key: value for key, value in zip(row.in_place, result, strict=True) if value is not None}
    if isinstance(result, float):
        return {"loss": result}
    outs = [p for p in inspect.signature(getattr(reference, name)).parameters if p.endswith("_out")]
    if not outs and isinstance(result, tuple):
        return {f"result[{i}]": value for i, value in enumerate(result)}
    if "rows_out" in outs[:-1]:
        return dict(zip(("rows_out", "loss", outs[-1]), result, strict=True))
    return dict(zip(outs, result if isinstance(result, tuple) else (result,), strict=True))


class Elementary:
    """The core's own scalar forms, as the oracle wants them."""

    def __getattr__(self, name):
        return lambda x: core.elementary(name, x)


elementary = Elementary()


@needs_fma
@each_dtype
@each_kernel
def test_has_the_documented_bits(row, dtype):
    for case in row.cases(dtype):
        with np.errstate(all="ignore"):
            want = exact(row, case.arguments)
        if want is None:
            pytest.skip("no formula to the bit")
        assert_same_bits(run(kernels, row, case.arguments), want, case.label)


def test_the_oracle_covers_what_the_contract_names():
    named = {row.name for row in KERNELS if exact(row, next(row.cases("float32")).arguments) is not None}
    assert {row.name for row in KERNELS} - named == {
        "philox4x32",
    }


@each_kernel
def test_gradient_by_projection(row):
    if row.gradient is None:
        pytest.skip("not differentiable")
    function = row.function(kernels)
    for case in list(row.cases("float64"))[2 : 2 + max(len(row.variants), 4)]:
        wrt = [name for name in row.differentiable if case.arguments[name] is not None]

        def bound(values, case=case, wrt=wrt):
            return {**case.arguments, **dict(zip(wrt, values, strict=True))}

        def forward(*values, bound=bound):
            return first(function(**bound(values)))

        def backward(dy, *values, bound=bound, wrt=wrt):
            a = bound(values)
            return row.gradient(kernels, dy, function(**a), a)[: len(wrt)]

        check_backward(forward, backward, tuple(case.arguments[name] for name in wrt))


def test_check_backward_refuses_a_wrong_gradient():
    x = np.linspace(-1.3, 1.7, 17)
    with pytest.raises(AssertionError, match="but <backward"):
        check_backward(
            kernels.tanh_forward, lambda dy, x: kernels.sigmoid_backward(dy, kernels.tanh_forward(x)), (x,)
        )
    with pytest.raises(AssertionError, match="no slope"):
        check_backward(lambda x: x * np.nan, lambda dy, x: dy, (x,))
    with pytest.raises(AssertionError, match="shapes"):
        check_backward(lambda x: x, lambda dy, x: dy[:3], (x,))


# Losses at their edges, by hand -----------------------------------------------------------------------------


@each_dtype
def test_cross_entropies_are_stable_far_out(dtype):
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], dtype)
    loss, dlogits = kernels.softmax_cross_entropy(z, np.array([1, 1]))
    assert loss == 1e4  # (2e4 + 0) / 2
    np.testing.assert_array_equal(dlogits, np.array([[0.5, -0.5, 0], [0, 0, 0]], dtype))
    # z = 1e4 with t = 0 costs 1e4, with t = 1 nothing; z = 0 costs log 2: (1e4 + 1e4 + log 2) / 3 and (log 2)
    # / 3
    t = np.array([[0, 1, 0], [0, 1, 0]], dtype)
    loss, dlogits = kernels.sigmoid_binary_cross_entropy(z, t)
    assert loss == pytest.approx((2e4 + 2 * np.log(2)) / 6, rel=1e-6)
    np.testing.assert_allclose(dlogits * 6, [[1, -1, 0.5], [0, 0, 0.5]], rtol=1e-6)


@each_dtype
@needs_fma
@pytest.mark.parametrize("name", ["categorical_cross_entropy", "binary_cross_entropy"])
def test_clipped_probabilities(name, dtype):
    y_pred = np.array([[0.0, 1.0, 0.0], [0.25, 0.25, 0.5], [1e-8, 0.5, 0.5]], dtype)
    target = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]], dtype)
    row = next(row for row in KERNELS if row.name == name)
    arguments = {"y_pred": y_pred, "target": target}
    got = run(kernels, row, arguments)
    assert_same_bits(got, exact(row, arguments), name)
    assert_close(got, run(reference, row, arguments), 1000, dtype, 1, name)
    assert got["rows_out"][0] > 5  # log(1e-7) = -16.1, over 3 outputs in the binary form
    # where the clip is active no gradient comes through; in the categorical form the row's sum still carries
    # some
    assert (got["dy_pred_out"][0] == 0).all()
    assert got["dy_pred_out"][1, 1] < 0


def test_velocity_below_the_smallest_normal_number_becomes_zero():
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).tiny
        w, velocity = np.array([2.5, 2.5], dtype), np.array([tiny, -4 * tiny], dtype)
        kernels.sgd_update(w, np.zeros(2, dtype), velocity, learning_rate=0.37, momentum=0.5)
        np.testing.assert_array_equal(velocity, np.array([0, -2 * tiny], dtype))
        assert not np.signbit(velocity[0])


@each_dtype
def test_accuracy_of_ties_and_nan(dtype):
    y_pred = np.array([[0.5, 0.5], [0.5, 0.5], [np.nan, 1], [1, np.nan]], dtype)
    rows = kernels.sparse_categorical_accuracy(y_pred, np.array([0, 1, 1, 0]))
    np.testing.assert_array_equal(rows, [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the published known answers of Random123's kat_vectors
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, words):
    for module in (kernels, reference):
        got = module.philox4x32(np.array([counter], np.uint32), np.array(key, np.uint32))[0]
        assert " ".join(f"{word:08x}" for word in got.tolist()) == words


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 17, 100, 1797])
def test_random_streams_are_the_twins(n):
    seed = 0x0123456789ABCDEF + n
    np.testing.assert_array_equal(
        core.random_words(n, seed, 3, 7, n), reference.random_words(n, seed, 3, 7, n)
    )
    got = core.permutation(n, seed, 5)
    np.testing.assert_array_equal(got, reference.permutation(n, seed, 5))
    np.testing.assert_array_equal(np.sort(got), np.arange(n))


# The same bits ----------------------------------------------------------------------------------------------


def take_rows(arguments, rows):
    """The arguments of some rows of a batch: all arrays as long as the first one have a row per sample."""
    batch = len(next(iter(arguments.values())))
    return {
        name: value[rows].copy() if isinstance(value, np.ndarray) and len(value) == batch else value
        for name, value in arguments.items()
    }


@each_dtype
@each_kernel
def test_a_row_has_the_same_bits_alone_and_in_a_batch(row, dtype):
    if not row.rowwise:
        pytest.skip("rows do not stand alone")
    function = row.function(kernels)
    for case in row.cases(dtype, seed=1):
        batch = first(function(**case.arguments))
        rows = len(batch)
        for part in (
            slice(0, 1),
            slice(rows // 2, rows // 2 + 1),
            slice(rows // 3, rows // 3 + 14),
            slice(rows - 1, rows),
        ):
            alone = first(function(**take_rows(case.arguments, part)))
            assert_same_bits({"result": alone}, {"result": batch[part]}, f"{case.label} rows {part}")


@needs_fma
@each_dtype
@pytest.mark.parametrize(
    "row",
    [row for row in KERNELS if "rows_out" in inspect.signature(getattr(kernels, row.name)).parameters],
    ids=lambda row: row.id,
)
def test_a_row_of_a_loss_has_the_same_bits_alone(row, dtype):
    for case in row.cases(dtype, seed=1):
        batch = run(kernels, row, case.arguments)["rows_out"]
        alone = run(kernels, row, take_rows(case.arguments, slice(0, 1)))["rows_out"]
        assert_same_bits({"rows": alone}, {"rows": batch[:1]}, case.label)


# Hostile arrays ---------------------------------------------------------------------------------------------

HOSTILE_SHAPE = {1: (37,), 2: (5, 19), 3: (5, 7, 19)}
PARTNERS_CONVERTED = {"list", "integer", "float16"}


@each_dtype
@each_kernel
def test_hostile_inputs(row, dtype):
    base = row.arguments(HOSTILE_SHAPE[len(row.shapes[0])], dtype, 5, **row.variants[-1])
    rng = np.random.default_rng(11)
    for name, value in base.items():
        if not is_float(value) or name in row.in_place:
            continue
        for label, hostile in hostile_arrays(value.shape, dtype, rng):
            if label == "empty" or (label in PARTNERS_CONVERTED and dtype != "float32"):
                continue
            where = f"{row.id}: {name} {label}"
            same = np.array(hostile, dtype)
            before = deepcopy(hostile)
            got = run(kernels, row, {**base, name: hostile}, like={**base, name: same})
            assert_same_bits({name: got.pop(name)}, {name: np.asarray(before)}, where + " is left alone")
            want = run(kernels, row, {**base, name: same})
            want.pop(name)
            assert_same_bits(got, want, where)
            twin = run(reference, row, {**base, name: same})
            twin.pop(name)
            scale = max(1.0, float(np.abs(same, where=np.isfinite(same), out=np.zeros_like(same)).max()))
            assert_close(got, twin, row.ulps, dtype, scale, where)


@each_dtype
@each_kernel
def test_hostile_values_have_the_documented_bits(row, dtype):
    if isa == "v2":
        pytest.skip("no FMA")
    base = row.arguments(HOSTILE_SHAPE[len(row.shapes[0])], dtype, 5, **row.variants[-1])
    rng = np.random.default_rng(13)
    for name, value in base.items():
        if not is_float(value):
            continue
        for label, hostile in list(hostile_arrays(value.shape, dtype, rng))[:5]:
            arguments = {**base, name: hostile}
            with np.errstate(all="ignore"):
                want = exact(row, arguments)
            if want is not None:
                assert_same_bits(run(kernels, row, arguments), want, f"{row.id}: {name} {label}")


@each_kernel
def test_arguments_changed_in_place_must_be_plain(row):
    function = row.function(kernels)
    base = row.arguments(row.shapes[3], "float32", 5)
    outs = [p for p in inspect.signature(function).parameters if p.endswith("_out")]
    blank = run(kernels, row, base)
    for name in (*row.in_place, *outs):
        good = blank[name]
        for label, bad in hostile_arrays(good.shape, good.dtype, np.random.default_rng(3)):
            acceptable = isinstance(bad, np.ndarray) and bad.flags.carray and bad.dtype == good.dtype
            if (label == "empty" and len(arrays(tuple(base.values()))) > 1) or not acceptable:
                arguments = deepcopy(base)
                with pytest.raises((ValueError, TypeError), match=f"(?s){row.name}.*{re.escape(name)}"):
                    function(**{**arguments, name: bad})
                left = {key: value for key, value in arguments.items() if key in row.in_place and key != name}
                assert_same_bits(
                    left, {key: base[key] for key in left}, f"{row.id}: after a refused {name} ({label})"
                )


@each_kernel
def test_empty_input_answers_or_refuses(row):
    for axis in range(len(row.shapes[0])):
        shape = list(row.shapes[3])
        shape[axis] = 0
        try:
            arguments = row.arguments(tuple(shape), "float32", 5)
        except ValueError:  # no class to draw from
            continue
        try:
            got = row.function(kernels)(**deepcopy(arguments))
        except ValueError as refused:
            assert row.name in str(refused)  # a mean over nothing, say
            continue
        with np.errstate(all="ignore"):
            want = row.function(reference)(**arguments)
        assert [a.shape for a in arrays(got)] == [a.shape for a in arrays(want)], (row.id, shape)
        assert_close(
            dict(enumerate(arrays(got))),
            dict(enumerate(arrays(want))),
            row.ulps,
            "float32",
            1,
            f"{row.id} {shape}",
        )


@each_kernel
def test_wrong_shapes_are_refused_with_names(row):
    function = row.function(kernels)
    base = row.arguments(row.shapes[3], "float32", 5, **row.variants[-1])
    named = [name for name, value in base.items() if isinstance(value, np.ndarray)]
    for name in named[1:]:
        smaller = tuple(slice(-1) for _ in base[name].shape)
        for bad in (base[name][smaller].copy(), base[name][None].copy()):
            with pytest.raises(ValueError, match=f"{row.name}.*{re.escape(name)}"):
                function(**{**deepcopy(base), name: bad})


@each_kernel
def test_outputs_are_allocated_when_not_given(row):
    function = row.function(kernels)
    for dtype in DTYPES:
        arguments = row.arguments(row.shapes[3], dtype, 5)
        given = run(kernels, row, arguments)
        for value in arrays(function(**deepcopy(arguments))):
            assert any(
                value.shape == np.shape(known) and np.array_equal(value, known) for known in given.values()
            )
            assert value.flags.carray and value.base is None


@each_dtype
@pytest.mark.parametrize("row", [row for row in KERNELS if row.rowwise], ids=lambda row: row.id)
def test_output_may_be_the_first_input(row, dtype):
    function = row.function(kernels)
    out = next((p for p in inspect.signature(function).parameters if p.endswith("_out")), None)
    for case in row.cases(dtype):
        want = first(function(**deepcopy(case.arguments)))
        arguments = deepcopy(case.arguments)
        shared = next(value for value in arguments.values())
        if out is None or shared.shape != want.shape or row.name.startswith("dense"):
            continue
        got = first(function(**arguments, **{out: shared}))
        assert got is shared
        assert_same_bits({"out": got}, {"out": want}, f"{case.label} in place")


@each_kernel
def test_output_may_overlap_an_input(row):
    """As NumPy's functions do: the result is that of separate arrays."""
    function = row.function(kernels)
    outs = [p for p in inspect.signature(function).parameters if p.endswith("_out")]
    case = list(row.cases("float32"))[-3]
    want = run(kernels, row, case.arguments)
    for out in outs:
        for name, value in case.arguments.items():
            if not is_float(value) or name in row.in_place or value.shape != want[out].shape:
                continue
            for shift in (0, 1, 7):
                room = np.empty(value.size + 7, value.dtype)
                source, to = (
                    room[: value.size].reshape(value.shape),
                    room[shift : shift + value.size].reshape(value.shape),
                )
                source[...] = value
                function(**{**deepcopy(case.arguments), name: source, out: to})
                assert_same_bits({out: to}, {out: want[out]}, f"{case.label}: {out} {shift} after {name}")
