"""Random numbers: repeatable, independent of who draws, and of the distribution they claim."""

import hashlib
import math
import statistics
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import kernels, random
from nncore._core import core


def words_of(n):
    return np.asarray(random.random_words(n, 5, random.INIT, 3, 2)).astype(np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_is_the_formula(dtype):
    x = random.uniform((3, 5), -2.0, 3.0, seed=5, layer=3, index=2, dtype=dtype)
    u = (words_of(15) + 0.5) / 2.0**32
    assert x.dtype == dtype
    assert np.array_equal(x.ravel(), (-2.0 + 5.0 * u).astype(dtype))


def test_normal_is_the_inverse_of_the_distribution_function():
    x = random.normal((4, 7), 1.5, 2.0, seed=5, layer=3, index=2, dtype="float64")
    expected = [1.5 + 2.0 * statistics.NormalDist().inv_cdf((w + 0.5) / 2.0**32) for w in words_of(28)]
    np.testing.assert_allclose(x.ravel(), expected, rtol=1e-14)


def test_truncated_normal_maps_the_words_between_minus_two_and_two():
    normal = statistics.NormalDist()
    low, high = normal.cdf(-2), normal.cdf(2)
    x = random.truncated_normal((4, 7), 1.5, 2.0, seed=5, layer=3, index=2, dtype="float64")
    expected = [1.5 + 2.0 * normal.inv_cdf(low + (high - low) * (w + 0.5) / 2.0**32) for w in words_of(28)]
    np.testing.assert_allclose(x.ravel(), expected, rtol=1e-13)


def test_the_normal_quantile_over_the_whole_range():
    inside = np.linspace(0.0005, 0.9995, 1999)
    ends = (np.arange(200) + 0.5) * 2.0**-32
    seams = 0.5 + 0.425 * np.array([-1.0, 1.0]) + np.array([[-1e-15], [0.0], [1e-15]])
    p = np.concatenate([inside, ends, 1 - ends, seams.ravel()])
    expected = [statistics.NormalDist().inv_cdf(value) for value in p]
    np.testing.assert_allclose(random._normal_quantile(p), expected, rtol=1e-14, atol=1e-17)


@pytest.mark.parametrize(
    ("draw", "mean", "variance", "kurtosis"),
    [
        (random.uniform, 0.5, 1 / 12, 1.8),
        (random.normal, 0.0, 1.0, 3.0),
        (random.truncated_normal, 0.0, 0.87962566103423978**2, 2.3654),
    ],
)
def test_moments(draw, mean, variance, kurtosis):
    n = 200_000
    x = draw((n,), seed=11, dtype="float64")
    z = (x - mean) / math.sqrt(variance)
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs((z**2).mean() - 1) < 4 * math.sqrt((kurtosis - 1) / n)
    assert abs((z**3).mean()) < 0.05
    assert abs((z**4).mean() - kurtosis) < 0.1
    assert abs((z[:-1] * z[1:]).mean()) < 4 / math.sqrt(n)


def test_numbers_depend_on_seed_layer_and_index_and_on_nothing_else():
    def first(**place):
        return random.uniform((8,), **{"seed": 1, "layer": 0, "index": 0, **place}).tobytes()

    again = first()
    different = [first(seed=2), first(seed=1 + 2**32), first(layer=1), first(index=1)]
    assert first() == again
    assert len({again, *different}) == 5
    assert random.uniform((3, 4), seed=1).ravel()[:8].tobytes() == again


def test_bits_do_not_change():
    """A saved seed must go on meaning the same weights: on other processors, and in later versions."""

    def digest(x):
        return hashlib.sha256(x.astype(x.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]

    assert digest(random.uniform((300, 200), -0.5, 0.5, seed=1)) == "d11ea5f1f5246d32"
    # Within 1.43 standard deviations the normal distribution needs no logarithm, and so no certain ISA level.
    x = random.normal((300, 200), seed=1, dtype="float64")
    assert digest(x[np.abs(x) < 1.43]) == "e4ef9be71e3d7971"
    assert digest(random.permutation(1000, seed=3, epoch=2)) == "5dddbbde2be92d94"


@pytest.mark.parametrize("n", [0, 1, random._CHUNK - 1, random._CHUNK, random._CHUNK + 1])
def test_pieces_do_not_show(n):
    long = random.normal((random._CHUNK + 7,), seed=3)
    assert np.array_equal(random.normal((n,), seed=3), long[:n])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_permutation_holds_everything_once(n):
    order = random.permutation(n, seed=4, epoch=1)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_permutation_is_fair_and_differs_between_epochs():
    orders = np.array([random.permutation(5, seed=4, epoch=epoch) for epoch in range(2000)])
    counts = np.stack([np.bincount(column, minlength=5) for column in orders.T])
    # Binomial with n = 2000, p = 1/5: standard deviation 17.9.
    assert np.abs(counts - 400).max() < 5 * 17.9
    assert len({tuple(order) for order in orders}) == 120


def test_seeds_repeat_after_set_random_seed():
    nn.utils.set_random_seed(42)
    seeds = [random.next_seed() for _ in range(100)]
    nn.utils.set_random_seed(42)
    assert [random.next_seed() for _ in range(100)] == seeds
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**64 for seed in seeds) and max(seeds) > 2**60
    nn.utils.set_random_seed(43)
    assert random.next_seed() not in seeds


def test_set_random_seed_sets_pythons_and_numpys_too():
    import random as python_random

    nn.utils.set_random_seed(7)
    first = python_random.random(), np.random.rand()  # noqa: NPY002
    nn.utils.set_random_seed(7)
    assert (python_random.random(), np.random.rand()) == first  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_set_random_seed_refuses(seed):
    with pytest.raises(ValueError, match=f"set_random_seed: seed must be in 0 ... 4294967295, got {seed}"):
        nn.utils.set_random_seed(seed)


def test_threads_never_get_the_same_seed():
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend([random.next_seed() for _ in range(500)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2000


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"random.uniform: an array of shape .* is too large"):
        random.uniform((2**40, 2**40), seed=1)
    with pytest.raises(ValueError, match="random.permutation: n must be in 0"):
        random.permutation(-1, seed=1, epoch=0)
    with pytest.raises(ValueError, match="random_words: layer must be in 0"):
        random.uniform((2,), seed=1, layer=-1)
    with pytest.raises(ValueError, match="random.normal: shape must be at least 0, got -1"):
        random.normal((-1,), seed=1)
    with pytest.raises(TypeError, match="random.normal: seed must be an integer"):
        random.normal((1,), seed=1.5)
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        random.normal((1,), seed=1, dtype="int32")


def test_to_categorical():
    assert nn.utils.to_categorical([0, 2, 1]).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert nn.utils.to_categorical([[0], [2]], 4).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert nn.utils.to_categorical([[0, 1], [1, 1]]).shape == (2, 2, 2)
    assert nn.utils.to_categorical(np.array([1.0]), 2).dtype == np.float32
    assert nn.utils.to_categorical([], 3).shape == (0, 3)
    with pytest.raises(
        ValueError, match=r"to_categorical: x\[1\] is 5, but class ids must lie in 0 \.\.\. 3"
    ):
        nn.utils.to_categorical([0, 5], 4)
    with pytest.raises(ValueError, match="num_classes must be given"):
        nn.utils.to_categorical([])


def test_floatx():
    assert nn.config.floatx() == "float32"
    nn.config.set_floatx("float64")
    try:
        assert random.uniform((2,), seed=1).dtype == np.float64
        assert nn.utils.to_categorical([1]).dtype == np.float64
    finally:
        nn.config.set_floatx("float32")
    with pytest.raises(ValueError, match="value must be 'float32' or 'float64', got 'float16'"):
        nn.config.set_floatx("float16")


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1, 2**32, 2**64 - 1])
def test_blocks_of_words_are_those_of_single_counters(seed):
    """A stream is made sixteen counters at a time, in vectors; the published words are of one."""
    most = 700
    counters = np.zeros((most // 4, 4), np.uint32)
    counters[:, 0], counters[:, 1:] = np.arange(len(counters)), (2**32 - 1, 2, 3)
    key = np.array([seed % 2**32, seed >> 32], np.uint32)
    want = kernels.philox4x32(counters, key).ravel()
    for n in (*range(150), 255, 256, 257, most):
        assert random.random_words(n, seed, 2, 3, 2**32 - 1).tobytes() == want[:n].tobytes(), n


def test_permutations_are_the_documented_ones():
    for n in (*range(70), 127, 128, 129, 1000):
        words, order = random.random_words(n, 9, 2, 0, 4).tolist(), list(range(n))
        for i in range(n - 1, 0, -1):
            j = (words[i] * (i + 1)) >> 32
            order[i], order[j] = order[j], order[i]
        assert random.permutation(n, 9, 4).tolist() == order, n


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_finite_sees_every_element(dtype):
    info = np.finfo(dtype)
    for n in (*range(70), 1023, 1024, 1025, 2048, 2500):
        x = np.resize(np.array([info.max, -info.max, info.tiny, info.smallest_subnormal, 0.0, -0.0], dtype), n)
        assert core.all_finite(x)
        for at in {0, n // 2, n - 1, *range(max(0, n - 17), n)} if n else ():
            for value in (np.nan, np.inf, -np.inf):
                spoilt = x.copy()
                spoilt[at] = value
                assert not core.all_finite(spoilt), (n, at, value)


def test_all_below_sees_every_element():
    for n in (*range(40), 1000):
        order = np.arange(n)[::-1].copy()
        assert core.all_below(order, n) and core.all_below(order, n + 1)
        assert core.all_below(order, n - 1) == (n == 0)
        for at in range(0, n, 1 if n < 40 else 97):
            for value in (n, -1, 2**63 - 1, -(2**63)):
                spoilt = order.copy()
                spoilt[at] = value
                assert not core.all_below(spoilt, n), (n, at, value)
