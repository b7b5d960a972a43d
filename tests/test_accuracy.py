"""The elementary functions against correctly rounded values: at most 2 ULP, in both precisions, everywhere.

An error is counted in steps from the correctly rounded value, over the floating-point numbers in between.
gelu and silu may be 4 steps off in their far tail. Derivatives that cross 0 are measured in units of the
largest term's ULP.
"""

import csv
import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from nncore._core import core, isa

FUNCTIONS = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "gelu",
    "silu",
    "gelu_grad",
    "silu_grad",
    "gelu_tanh",
    "mish",
    "tanh_shrink",
    "gelu_tanh_grad",
    "mish_grad",
]
each_function = pytest.mark.parametrize("name", FUNCTIONS)
LIMIT = 2 if isa != "v2" else 4  # without FMA the polynomials lose a little
FAR_TAIL = -2.0
MP = mpmath.MPContext()
MP.prec = 180


def evaluate(name, x):
    return core.elementary(name, np.ascontiguousarray(x))


def ordinal(x):
    """Consecutive floats have consecutive ordinals; both zeros have 0."""
    bits = x.view(f"i{x.itemsize}").astype(np.int64)
    return np.where(bits < 0, np.iinfo(f"i{x.itemsize}").min - bits, bits)


def steps(got, want):
    """How many floats lie between; 0 for two nans, huge for one."""
    apart = np.abs((ordinal(got) - ordinal(want)).astype(np.float64))
    return np.where(
        np.isnan(got) | np.isnan(want), np.where(np.isnan(got) & np.isnan(want), 0.0, np.inf), apart
    )


def assert_accurate(name, x, want, largest_term):
    """`want`: the value (better than x's precision, or rounded); `largest_term` or None: the ULP's."""
    got = evaluate(name, x)
    assert got.dtype == x.dtype
    if largest_term is None:
        error = steps(got, want.astype(x.dtype))
        limit = np.where(x < FAR_TAIL, 2 * LIMIT, LIMIT) if name in ("gelu", "silu") else LIMIT
    else:
        unit = np.spacing(np.maximum(np.abs(largest_term).astype(x.dtype), np.finfo(x.dtype).tiny)).astype(
            np.float64
        )
        error = np.abs(got.astype(np.float64) - want.astype(x.dtype)) / unit
        both_nan = np.isnan(got) & np.isnan(want)
        error = np.where(both_nan, 0, np.where(np.isnan(error), np.inf, error))
        limit = LIMIT
    bad = error > limit
    if bad.any():
        at = int(np.argmax(np.where(bad, error, 0)))
        raise AssertionError(
            f"{name} {x.dtype}: {bad.sum()} of {x.size} beyond the limit; worst {error[at]:.3g} ULP at "
            f"x = {float(x[at]).hex()} ({x[at]!r}): {got[at]!r}, but want {want[at]!r}"
        )


# float32 against float64 ------------------------------------------------------------------------------------

_erf, _erfc = (np.vectorize(f, otypes=[np.float64]) for f in (math.erf, math.erfc))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _density(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _limit_0(product):
    """Infinity times 0 stands for a limit that is 0 here."""
    return np.where(np.isnan(product), 0, product)


def _tanh_argument(x):
    """2 u and its derivative, where gelu by tanh is x (1 + tanh(u))/2."""
    factor = 2 * math.sqrt(2 / math.pi)
    return factor * (x + 0.044715 * x**3), factor * (1 + 3 * 0.044715 * x * x)


def _tanh_shrink(x):
    series = x**3 / 3 - 2 * x**5 / 15 + 17 * x**7 / 315 - 62 * x**9 / 2835 + 1382 * x**11 / 155925
    return np.where(np.abs(x) < 0.05, series, x - np.tanh(x))


def wide(name, x):
    """The function in float64 of float32 arguments, and for derivatives the larger term."""
    x = x.astype(np.float64)
    nan = np.where(np.isnan(x), x, 0)
    match name:
        case "sigmoid":
            return _sigmoid(x), None
        case "softplus":
            return np.logaddexp(0, x), None
        case "erf":
            return _erf(x), None
        case "gelu":
            return _limit_0(x * 0.5 * _erfc(-x / math.sqrt(2))) + nan, None
        case "silu":
            return _limit_0(x * _sigmoid(x)) + nan, None
        case "gelu_grad":
            a, b = 0.5 * _erfc(-x / math.sqrt(2)), _limit_0(x * _density(x))
            return a + b + nan, np.maximum(np.abs(a), np.abs(b))
        case "silu_grad":
            a, b = _sigmoid(x), _limit_0(x * _sigmoid(x) * _sigmoid(-x))
            return a + b + nan, np.maximum(np.abs(a), np.abs(b))
        case "gelu_tanh":
            return _limit_0(x * _sigmoid(_tanh_argument(x)[0])) + nan, None
        case "mish":
            return _limit_0(x * np.tanh(np.logaddexp(0, x))) + nan, None
        case "tanh_shrink":
            return _tanh_shrink(x), None
        case "gelu_tanh_grad":
            w, slope = _tanh_argument(x)
            a, b = _sigmoid(w), _limit_0(x * _sigmoid(w) * _sigmoid(-w) * slope)
            return a + b + nan, np.maximum(np.abs(a), np.abs(b))
        case "mish_grad":
            t = np.tanh(np.logaddexp(0, x))
            a, b = t, _limit_0(x * _sigmoid(x) * (1 - t * t))
            return a + b + nan, np.maximum(np.abs(a), np.abs(b))
    return getattr(np, name)(x), None


@each_function
@np.errstate(all="ignore")
def test_float32_densely(name):
    bits = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32)
    around_0 = np.arange(4096, dtype=np.uint32)
    x = np.concatenate([bits, around_0, around_0 + np.uint32(2**31)]).view(np.float32)
    near = np.linspace(-20, 20, 400_001, dtype=np.float32)  # where the functions bend
    for part in (x, near, np.float32(1) + near / 64):
        assert_accurate(name, part, *wide(name, part))


@np.errstate(all="ignore")
def test_float32_exp_exhaustively():
    chunk = 2**24
    for start in range(0, 2**32, chunk):
        x = np.arange(start, start + chunk, dtype=np.uint64).astype(np.uint32).view(np.float32)
        ends = np.exp(x[[0, -1]].astype(np.float64)).astype(np.float32)
        got = evaluate("exp", x)
        if ends[0] == ends[1]:  # exp is monotonic: one value in the whole chunk, and no need for float64
            lowest, highest = got.min(), got.max()
            assert steps(np.array([lowest, highest]), ends).max() <= LIMIT, (hex(start), lowest, highest)
        else:
            want = np.exp(x.astype(np.float64)).astype(np.float32)
            worst = steps(got, want).max()
            assert worst <= LIMIT, (hex(start), worst)


# float64 against mpmath -------------------------------------------------------------------------------------


def _mp_cdf(x):
    return MP.erfc(-x / MP.sqrt(2)) / 2


def _mp_density(x):
    return MP.exp(-x * x / 2) / MP.sqrt(2 * MP.pi)


def _mp_sigmoid(x):
    return 1 / (1 + MP.exp(-x))


def _mp_argument(x):
    factor = 2 * MP.sqrt(2 / MP.pi)
    return factor * (x + MP.mpf("0.044715") * x**3), factor * (1 + 3 * MP.mpf("0.044715") * x * x)


def _mp_mish(x):
    return MP.tanh(MP.log1p(MP.exp(x)))


EXACT = {
    "exp": MP.exp,
    "expm1": MP.expm1,
    "log": MP.log,
    "log1p": MP.log1p,
    "tanh": MP.tanh,
    "sigmoid": _mp_sigmoid,
    "softplus": lambda x: MP.log1p(MP.exp(x)),
    "erf": MP.erf,
    "gelu": lambda x: x * _mp_cdf(x),
    "silu": lambda x: x * _mp_sigmoid(x),
    "gelu_tanh": lambda x: x * _mp_sigmoid(_mp_argument(x)[0]),
    "mish": lambda x: x * _mp_mish(x),
    "tanh_shrink": lambda x: x - MP.tanh(x) if abs(x) > 1e-10 else x**3 / 3 * (1 - 2 * x * x / 5),
}
TERMS = {
    "gelu_grad": lambda x: (_mp_cdf(x), x * _mp_density(x)),
    "silu_grad": lambda x: (_mp_sigmoid(x), x * _mp_sigmoid(x) * _mp_sigmoid(-x)),
    "gelu_tanh_grad": lambda x: (
        _mp_sigmoid(_mp_argument(x)[0]),
        x * _mp_sigmoid(_mp_argument(x)[0]) * _mp_sigmoid(-_mp_argument(x)[0]) * _mp_argument(x)[1],
    ),
    "mish_grad": lambda x: (_mp_mish(x), x * _mp_sigmoid(x) / MP.cosh(MP.log1p(MP.exp(x))) ** 2),
}


def points(name):
    """Range ends, neighbours of round numbers, denormals, and random points of every size."""
    rng = np.random.default_rng(17)
    round_numbers = np.array(
        [
            0.0,
            0.5,
            1,
            1.5,
            2,
            3,
            4,
            6,
            8,
            12,
            16,
            20,
            37.5,
            38.5,
            40,
            88.7,
            104,
            600,
            708.4,
            709.78,
            710,
            745.13,
            745.2,
            746,
        ]
        + [k * math.log(2) / 2 for k in (1, 2, 3, 5, 7, 100, 1023, 2047, 2148)]
        + [
            math.sqrt(0.5),
            math.sqrt(2),
            2.0**-10,
            2.0**-26,
            2.0**-27,
            2.0**-28,
            2.0**-53,
            2.0**-54,
            1e-100,
            1e-300,
            1e300,
        ]
    )
    tiny = np.finfo(float).tiny
    ends = np.array([tiny, tiny / 2, 5e-324, 1e-310, np.finfo(float).max])
    hard = np.concatenate(
        [round_numbers, np.nextafter(round_numbers, 1e308), np.nextafter(round_numbers, -1), ends]
    )
    hard = np.concatenate([hard, 1 + np.ldexp(1.0, -np.arange(1, 53)), 1 - np.ldexp(1.0, -np.arange(1, 54))])
    every_size = np.ldexp(rng.uniform(1, 2, 600), rng.integers(-60, 10, 600))
    bends = np.concatenate([rng.uniform(0, 3, 400), rng.uniform(0, 40, 400), rng.uniform(0, 750, 200)])
    x = np.concatenate([hard, every_size, bends])
    if name == "log":
        x = np.concatenate([x, np.ldexp(rng.uniform(1, 2, 400), rng.integers(-1074, 1023, 400))])
        return x[x > 0]
    x = np.concatenate([x, -x])
    return x[x > -1] if name == "log1p" else x[np.abs(x) < 2000]  # beyond: test_saturated_values


def rounded(value):
    """The float64 nearest to an mpmath number: also below the normal numbers, and out of range."""
    if value == 0 or not MP.isfinite(value):
        return float(value)
    exponent = max(int(MP.floor(MP.log(abs(value), 2))) - 52, -1074)
    whole = int(MP.nint(MP.ldexp(value, -exponent)))  # ties to even
    try:
        return math.ldexp(whole, exponent)
    except OverflowError:
        return math.inf if whole > 0 else -math.inf


@each_function
@np.errstate(all="ignore")
def test_float64_against_mpmath(name):
    x = points(name)
    if name in EXACT:
        want = np.array([rounded(EXACT[name](MP.mpf(v))) for v in x.tolist()])
        assert_accurate(name, x, want, None)
        return
    terms = [TERMS[name](MP.mpf(v)) for v in x.tolist()]
    want = np.array([rounded(a + b) for a, b in terms])
    assert_accurate(name, x, want, np.array([rounded(max(abs(a), abs(b))) for a, b in terms]))


# NumPy's own hard cases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
def test_validation_set_of_numpy(name):
    file = Path(np.__file__).parent / "_core" / "tests" / "data" / f"umath-validation-set-{name}.csv"
    if not file.exists():
        pytest.skip("this NumPy comes without its test data")
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    cases = list(csv.DictReader(lines))
    for kind, bits in (("np.float32", np.uint32), ("np.float64", np.uint64)):
        chosen = [case for case in cases if case["dtype"] == kind]
        if not chosen:
            continue
        x, want = (
            np.array([int(case[column], 16) for case in chosen], bits).view(kind[3:])
            for column in ("input", "output")
        )
        worst = steps(evaluate(name, x), want)
        assert worst.max() <= LIMIT, (name, kind, x[worst.argmax()], worst.max())


# Signed zeros and infinities --------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan
SPECIAL = {  # at 0, -0, inf, -inf
    "exp": (1.0, 1.0, INF, 0.0),
    "expm1": (0.0, -0.0, INF, -1.0),
    "log": (-INF, -INF, INF, NAN),
    "log1p": (0.0, -0.0, INF, NAN),
    "tanh": (0.0, -0.0, 1.0, -1.0),
    "sigmoid": (0.5, 0.5, 1.0, 0.0),
    "softplus": (math.log(2), math.log(2), INF, 0.0),
    "erf": (0.0, -0.0, 1.0, -1.0),
    "gelu": (0.0, -0.0, INF, -0.0),
    "silu": (0.0, -0.0, INF, -0.0),
    "gelu_grad": (0.5, 0.5, 1.0, 0.0),
    "silu_grad": (0.5, 0.5, 1.0, 0.0),
    "gelu_tanh": (0.0, -0.0, INF, -0.0),
    "mish": (0.0, -0.0, INF, -0.0),
    "tanh_shrink": (0.0, -0.0, INF, -INF),
    "gelu_tanh_grad": (0.5, 0.5, 1.0, 0.0),
    "mish_grad": (0.6, 0.6, 1.0, 0.0),
}


@each_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(name, dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf], dtype)
    got, want = evaluate(name, x), np.array(SPECIAL[name], dtype)
    np.testing.assert_array_equal(got, want)
    signed = (
        slice(0, 2) if name in ("gelu", "silu", "gelu_tanh", "mish") or name.endswith("_grad") else slice(None)
    )  # from below, or 0: both do
    np.testing.assert_array_equal(np.signbit(got[signed]) & ~np.isnan(got[signed]), np.signbit(want[signed]))
    assert np.isnan(evaluate(name, np.array([np.nan, -np.nan], dtype))).all()


@each_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_values(name, dtype):
    """Far out the functions are their limit, or x itself."""
    if name.startswith("log"):
        pytest.skip("never saturates")
    x = np.array([2e3, 1e5, 1e30, np.finfo(dtype).max], dtype)
    _, _, right, left = SPECIAL[name]
    if name == "tanh_shrink":
        np.testing.assert_array_equal(evaluate(name, np.concatenate([x, -x])), np.concatenate([x - 1, 1 - x]))
        return
    itself = name in ("softplus", "gelu", "silu", "gelu_tanh", "mish")
    np.testing.assert_array_equal(evaluate(name, x), x if itself else np.full_like(x, right))
    np.testing.assert_array_equal(evaluate(name, -x), np.full_like(x, left))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outside_the_domain(dtype):
    assert np.isnan(
        evaluate("log", np.array([-1.0, -1e-30, -5e-324], dtype)[: 2 + (dtype == np.float64)])
    ).all()
    assert np.isnan(
        evaluate("log1p", np.array([-1.5, -1e30, np.nextafter(dtype(-1), dtype(-2))], dtype))
    ).all()
    assert evaluate("log1p", np.array([-1.0], dtype))[0] == -np.inf


@each_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_does_not_depend_on_its_place(name, dtype):
    x = np.random.default_rng(3).normal(0, 4, 131).astype(dtype)
    x = np.abs(x) if name.startswith("log") else x
    alone = np.array([evaluate(name, x[i : i + 1])[0] for i in range(len(x))])
    np.testing.assert_array_equal(evaluate(name, x), alone)
