"""The oracle's own arithmetic, against exact rational numbers."""

from fractions import Fraction

import numpy as np
import oracle
import pytest


def _round(exact, dtype):
    """The value of dtype nearest to a rational number, ties to even, by searching around a first guess."""
    with np.errstate(all="ignore"):
        guess = (
            dtype(float(exact))
            if abs(exact) < 2**1023
            else np.finfo(dtype).max * dtype(1 if exact > 0 else -1)
        )
        around = {guess, np.nextafter(guess, dtype(np.inf)), np.nextafter(guess, dtype(-np.inf))}
    top = np.finfo(dtype).max
    below = np.nextafter(top, dtype(0))
    edge = Fraction(float(top)) + Fraction(float(top - below)) / 2  # from here on it rounds to infinity
    if abs(exact) >= edge:
        return dtype(np.inf) if exact > 0 else dtype(-np.inf)
    bits = {np.float32: np.int32, np.float64: np.int64}[dtype]
    finite = [v for v in around if np.isfinite(v)]
    return min(finite, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(bits)) & 1))


def _triples(dtype, rng, n=4000):
    """Products of every size, with addends that are near, far, cancelling, and half an ULP off."""
    info = np.finfo(dtype)
    low, high = info.minexp - info.nmant, info.maxexp - 1
    mantissa = (1 + rng.random((3, n))).astype(dtype) * rng.choice([-1, 1], (3, n)).astype(dtype)
    exponent = rng.integers(low // 2, high // 2, (3, n))
    a, b, c = np.ldexp(mantissa, exponent)
    with np.errstate(all="ignore"):
        c[: n // 4] = -(a * b)[: n // 4]
        c[n // 4 : n // 2] = (
            (a * b)[n // 4 : n // 2] * dtype(2 ** (info.nmant + 1)) * rng.choice([-1, 1], n // 4)
        )
        a[n // 2 : 3 * n // 4] = np.ldexp(mantissa[0], rng.integers(low - 4, low + 30, n))[
            n // 2 : 3 * n // 4
        ]
    few = np.array(
        [0.0, -0.0, 1, -1, 3, info.tiny, info.smallest_subnormal, info.max, 1 + info.eps, 1 - info.epsneg],
        dtype,
    )
    grid = np.stack(np.meshgrid(few, few, few), 0).reshape(3, -1)
    return np.concatenate([np.stack([a, b, c]), grid], axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fma_is_the_rounded_exact_value(dtype):
    a, b, c = _triples(dtype, np.random.default_rng(7))
    keep = np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    a, b, c = a[keep], b[keep], c[keep]
    with np.errstate(all="ignore"):
        got = oracle.fma(a, b, c)
    assert got.dtype == dtype
    for i in range(len(a)):
        exact = Fraction(float(a[i])) * Fraction(float(b[i])) + Fraction(float(c[i]))
        assert got[i] == _round(exact, dtype), (a[i], b[i], c[i])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fma_keeps_signs_of_zero_and_nan(dtype):
    zero, inf = dtype(0), dtype(np.inf)
    with np.errstate(all="ignore"):
        assert not np.signbit(oracle.fma(dtype(2), dtype(3), dtype(-6)))
        assert np.signbit(oracle.fma(-zero, dtype(1), -zero))
        assert not np.signbit(oracle.fma(-zero, dtype(1), zero))
        assert np.isnan(oracle.fma(inf, zero, dtype(1)))
        assert np.isnan(oracle.fma(inf, dtype(1), -inf))
        assert oracle.fma(dtype(2), dtype(2), inf) == inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 35, 67])
def test_lanes_sum_adds_each_element_once(dtype, n):
    a = (
        np.random.default_rng(n).integers(-1000, 1000, (3, n)).astype(dtype)
    )  # integers: every order gives one sum
    np.testing.assert_array_equal(oracle.lanes_sum(a), a.sum(axis=1, keepdims=True))


def test_lanes_sum_order_is_the_documented_one():
    big, one = np.float32(2**24), np.float32(1)
    a = np.zeros((1, 33), np.float32)
    a[0, 0], a[0, 16], a[0, 32] = big, one, one  # one lane, ascending: each 1 is lost beside 2**24
    assert oracle.lanes_sum(a)[0, 0] == big
    a[0, 16], a[0, 32], a[0, 1], a[0, 9] = 0, 0, one, one  # lanes 1 and 9 meet first, and 2 is not lost
    assert oracle.lanes_sum(a)[0, 0] == big + 2
