"""Random masks and noise: their distribution, and what they depend on."""

import math

import numpy as np
import pytest

import nncore as nn
from nncore import kernels
from nncore.random import MASK, random_words

N = 1 << 20
ONES = np.ones((1024, 1024), np.float32)


def within(found, wanted, deviation, sigmas=4.5):
    """Whether a sample's statistic is as near to its expectation as chance lets it be."""
    return abs(found - wanted) < sigmas * deviation


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.8])
def test_dropout_drops_the_rate_and_keeps_the_mean(rate):
    y = kernels.dropout_forward(ONES, rate=rate, seed=3)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}
    spread = math.sqrt(rate * (1 - rate) / N)
    assert within((y == 0).mean(), rate, spread)
    assert within(y.mean(dtype=float), 1, spread / (1 - rate))
    for axis in (0, 1):  # no row and no column is special
        shares = (y == 0).mean(axis=axis)
        assert within(shares.std(), math.sqrt(rate * (1 - rate) / 1024), math.sqrt(rate * (1 - rate) / 1024) / 45)


def test_an_element_is_dropped_where_its_bits_are_below_the_rate():
    words = random_words(256, 7, MASK, layer=2, step=5).reshape(4, 16, 4)  # group, counter, word
    for e, group, counter, word, half in ((0, 0, 0, 0, 0), (17, 0, 1, 1, 0), (64, 0, 0, 0, 1), (383, 2, 15, 3, 1)):
        bits = int(words[group, counter, word]) >> 16 * half & 0xFFFF
        for rate, kept in ((bits / 65536, True), ((bits + 1) / 65536, False)):
            y = kernels.dropout_forward(np.ones((2, 256)), rate=rate, seed=7, layer=2, step=5)
            assert (y.ravel()[e] != 0) == kept


@pytest.mark.parametrize("change", [{"seed": 4}, {"seed": 3 + 2**32}, {"layer": 1}, {"step": 1}])
def test_other_seeds_layers_and_steps_have_other_masks(change):
    masks = [kernels.dropout_forward(ONES, seed=3, **{"layer": 0, "step": 0}) != 0]
    masks.append(kernels.dropout_forward(ONES, **{"seed": 3, "layer": 0, "step": 0, **change}) != 0)
    assert within((masks[0] == masks[1]).mean(), 0.5, 0.5 / 1024)


def test_neighbours_do_not_depend_on_each_other():
    kept = (kernels.dropout_forward(ONES, seed=9) != 0).ravel()
    z = kernels.gaussian_noise_forward(np.zeros(N), seed=9)
    for lag in (1, 8, 16, 32, 64, 128, 1024):
        assert within((kept[lag:] == kept[:-lag]).mean(), 0.5, 0.5 / 1024), lag
        for a, b in ((z, z), (z**2 - 1, z**2 - 1), (z**2 - 1, z)):
            spread = math.sqrt((a * a).mean() * (b * b).mean() / N)
            assert within((a[lag:] * b[:-lag]).mean(), 0, spread, 5), lag


def test_a_mask_belongs_to_the_place_in_the_batch():
    """A batch that is cut short keeps the masks of its rows; a row's mask is not that of another row."""
    whole = kernels.dropout_forward(ONES[:64], seed=3)
    np.testing.assert_array_equal(kernels.dropout_forward(ONES[:37], seed=3), whole[:37])
    assert not (whole[0] == whole[1]).all()


@pytest.mark.parametrize("shape", [(2, 5, 1), (2, 1, 3), (1, 5, 3), (1, 1, 3), (2, 1, 1), (1, 1, 1)])
def test_noise_shape_repeats_the_mask(shape):
    x = np.ones((2, 5, 3))
    y = kernels.dropout_forward(x, seed=11, noise_shape=shape)
    mask = kernels.dropout_forward(np.ones(shape), seed=11)
    np.testing.assert_array_equal(y, np.broadcast_to(mask, x.shape))
    unnamed = tuple(None if n == size else n for n, size in zip(shape, x.shape, strict=True))
    np.testing.assert_array_equal(kernels.dropout_forward(x, seed=11, noise_shape=unnamed), y)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 3), r"noise_shape must have a number per axis of \(batch, 5, 3\), each 1, that of the axis, or None"),
        ((2, 4, 3), "noise_shape must have"),
        ((3, 1, 3), r"noise_shape\[0\] must be 1, 2 or None"),
    ],
)
def test_noise_shapes_that_do_not_fit_are_refused(shape, message):
    with pytest.raises(ValueError, match=f"dropout_forward: {message}"):
        kernels.dropout_forward(np.ones((2, 5, 3)), noise_shape=shape)


def test_repeated_axes_must_stand_side_by_side():
    x = np.ones((2, 3, 4, 5))
    with pytest.raises(ValueError, match="must stand side by side"):
        kernels.dropout_forward(x, noise_shape=(None, 1, None, 1))
    assert kernels.dropout_forward(np.ones((2, 3, 1, 5)), noise_shape=(None, 1, None, 1)).shape == (2, 3, 1, 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_standard_normal(dtype):
    z = np.sort(kernels.gaussian_noise_forward(np.zeros(N, dtype), seed=5).astype(float))
    assert within(z.mean(), 0, 1 / 1024)
    assert within(z.var(), 1, math.sqrt(2) / 1024)
    assert within((z**3).mean(), 0, math.sqrt(15) / 1024)
    assert within((z**4).mean(), 3, math.sqrt(96) / 1024)
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z[::16]])
    distance = np.abs(cdf - np.arange(N)[::16] / N).max() * math.sqrt(N)
    assert distance < 1.95  # Kolmogorov and Smirnov: 1 in 1000
    assert 4.4 < z[-1] < 6.7
    assert -6.7 < z[0] < -4.4


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_gaussian_dropout_has_the_variance_of_dropout(rate):
    y = kernels.gaussian_dropout_forward(3 * ONES, rate=rate, seed=2).astype(float)
    variance = 9 * rate / (1 - rate)
    assert within(y.mean(), 3, math.sqrt(variance) / 1024)
    assert within(y.var(), variance, math.sqrt(2) * variance / 1024)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = nn.random.normal((1024, 1024), seed=1)
    y = kernels.alpha_dropout_forward(x, rate=rate, seed=2).astype(float)
    assert within(y.mean(), 0, 1 / 1024)
    assert within(y.var(), 1, 2 / 1024)


def test_what_is_dropped_hides_nan_and_inf():
    x = np.full((1, 1024), np.nan)
    x[0, ::2] = np.inf
    y = kernels.dropout_forward(x, seed=1)
    dropped = kernels.dropout_forward(np.ones((1, 1024)), seed=1) == 0
    assert (y[dropped] == 0).all()
    assert not np.isfinite(y[~dropped]).any()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("dropout_forward", {"rate": 1.5}, "rate must be a number in 0 ... 1, got 1.5"),
        ("alpha_dropout_forward", {"rate": 1.0}, "rate must be at least 0 and less than 1, got 1.0"),
        ("gaussian_dropout_forward", {"rate": 1.0}, "rate must be at least 0 and less than 1, got 1.0"),
        ("gaussian_noise_forward", {"stddev": -1.0}, "stddev must be a finite number of at least 0, got -1.0"),
        ("dropout_forward", {"seed": -1}, "seed must be in 0 ... 18446744073709551615, got -1"),
        ("dropout_forward", {"layer": 2**32}, "layer must be in 0 ... 4294967295, got 4294967296"),
    ],
)
def test_numbers_out_of_range_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=f"^{name}: {message}$"):
        getattr(kernels, name)(np.ones((2, 3)), **arguments)
