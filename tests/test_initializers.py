"""Initializers: the distributions that Keras' names promise, and repeatability."""

import math

import numpy as np
import pytest

import nncore as nn
from nncore import initializers, random

IN, OUT = 300, 500
TRUNCATED = 0.87962566103423978


@pytest.mark.parametrize(
    ("name", "variance", "limit"),
    [
        ("glorot_uniform", 2 / (IN + OUT), math.sqrt(6 / (IN + OUT))),
        ("glorot_normal", 2 / (IN + OUT), 2 * math.sqrt(2 / (IN + OUT)) / TRUNCATED),
        ("he_uniform", 2 / IN, math.sqrt(6 / IN)),
        ("he_normal", 2 / IN, 2 * math.sqrt(2 / IN) / TRUNCATED),
        ("lecun_uniform", 1 / IN, math.sqrt(3 / IN)),
        ("lecun_normal", 1 / IN, 2 * math.sqrt(1 / IN) / TRUNCATED),
        ("variance_scaling", 1 / IN, 2 * math.sqrt(1 / IN) / TRUNCATED),
        ("random_uniform", 0.1**2 / 12, 0.05),
        ("random_normal", 0.05**2, math.inf),
        ("truncated_normal", (0.05 * TRUNCATED) ** 2, 0.1),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variance_and_limit(name, variance, limit, dtype):
    w = initializers.get(name)((IN, OUT), dtype, seed=17)
    assert w.shape == (IN, OUT) and w.dtype == dtype and w.flags.c_contiguous
    # Of 150,000 numbers the mean scatters by sigma / 387, the variance by up to sigma^2 * sqrt(2) / 387.
    assert abs(w.mean()) < 4 * math.sqrt(variance) / 387
    assert abs(w.var() / variance - 1) < 4 * math.sqrt(2) / 387
    assert np.abs(w).max() <= limit * (1 + 1e-6)
    if limit < math.inf:
        assert np.abs(w).max() > 0.999 * limit


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((), 1, 1), ((7,), 7, 7), ((3, 5), 3, 5), ((2, 3, 5, 7), 30, 42), ((0, 5), 0, 5)],
)
def test_fans(shape, mode, fan_in, fan_out):
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    scaled = initializers.VarianceScaling(3.0, mode, "uniform", seed=1)(shape)
    limit = math.sqrt(9.0 / max(1, n))
    assert np.array_equal(scaled, random.uniform(shape, -limit, limit, seed=1))


def test_untruncated_normal():
    w = initializers.VarianceScaling(4.0, "fan_in", "untruncated_normal", seed=1)((16, 3))
    assert np.array_equal(w, random.normal((16, 3), 0.0, 0.5, seed=1))


def test_constants():
    assert np.array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    assert np.array_equal(initializers.Ones()((2, 3), "float64"), np.ones((2, 3)))
    assert initializers.Constant(2.5)((2,)).tolist() == [2.5, 2.5]


def test_the_models_seed_the_layer_and_the_index_tell_weights_apart():
    glorot = initializers.GlorotUniform()
    weights = [
        glorot((3, 4), seed=seed, layer=layer, index=index).tobytes()
        for seed in (1, 2)
        for layer in (0, 1)
        for index in (0, 1)
    ]
    assert len(set(weights)) == 8
    assert glorot((3, 4), seed=1, layer=0, index=0).tobytes() == weights[0]


def test_a_seed_of_its_own_gives_the_same_everywhere_as_in_keras():
    glorot = initializers.GlorotUniform(seed=9)
    w = glorot((3, 4))
    assert np.array_equal(glorot((3, 4), seed=1, layer=5, index=2), w)
    assert np.array_equal(initializers.GlorotUniform(seed=9)((3, 4)), w)
    assert not np.array_equal(initializers.GlorotUniform(seed=10)((3, 4)), w)


def test_without_any_seed_each_call_differs_and_set_random_seed_repeats_them():
    nn.utils.set_random_seed(3)
    first, second = (initializers.HeNormal()((3, 4)) for _ in range(2))
    assert not np.array_equal(first, second)
    nn.utils.set_random_seed(3)
    assert np.array_equal(initializers.HeNormal()((3, 4)), first)


@pytest.mark.parametrize("name", sorted(initializers._NAMES))
def test_names_and_configs(name):
    initializer = initializers.get(name)
    assert isinstance(initializer, initializers.Initializer)
    assert initializers.get(initializer) is initializer
    config = initializer.get_config()
    again = type(initializer).from_config(config)
    assert type(again) is type(initializer) and again.get_config() == config
    assert type(initializers.get(type(initializer))) is type(initializer)


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.Constant(0.25),
        initializers.RandomUniform(-1.0, 2.0, seed=4),
        initializers.RandomNormal(1.0, 2.0, seed=4),
        initializers.TruncatedNormal(1.0, 2.0, seed=4),
        initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=4),
        initializers.LecunNormal(seed=4),
    ],
    ids=repr,
)
def test_serialized_and_back(initializer):
    again = initializers.get(initializers.serialize(initializer))
    assert repr(again) == repr(initializer)
    assert np.array_equal(again((3, 4)), initializer((3, 4)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: initializers.get("glorot_unifrm"), ValueError, "did you mean 'glorot_uniform'"),
        (lambda: initializers.get(None), TypeError, "initializer must be a name or an object"),
        (lambda: initializers.get(nn.losses.MeanSquaredError), TypeError, "initializer must be"),
        (
            lambda: initializers.get({"class_name": "HeNormal", "config": {"sed": 1}}),
            ValueError,
            "cannot be made",
        ),
        (
            lambda: initializers.get({"class_name": "HeNorml", "config": {}}),
            ValueError,
            "did you mean 'he_normal'",
        ),
        (
            lambda: initializers.VarianceScaling(0.0),
            ValueError,
            "VarianceScaling: scale must be positive, got 0.0",
        ),
        (lambda: initializers.VarianceScaling(mode="fan"), ValueError, "mode must be 'fan_in', .*, got 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="normal"), ValueError, "distribution must be .*, got 'normal'"),
        (lambda: initializers.RandomUniform(1.0, 0.0), ValueError, "RandomUniform: maxval must be"),
        (lambda: initializers.RandomNormal(stddev=-1.0), ValueError, "RandomNormal: stddev must be"),
        (lambda: initializers.HeNormal(seed=-1), ValueError, "HeNormal: seed must be in 0"),
        (lambda: initializers.Constant(math.nan), ValueError, "Constant: value must be a finite number"),
        (lambda: initializers.Zeros()((2, -1)), ValueError, "Zeros: shape must be at least 0, got -1"),
        (
            lambda: initializers.Zeros()((2**40, 2**40)),
            ValueError,
            "Zeros: an array of shape .* is too large",
        ),
        (lambda: initializers.Zeros()((2,), "int8"), ValueError, "Zeros: dtype must be float32 or float64"),
        (lambda: initializers.Initializer()((2,)), NotImplementedError, "must define fill"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
