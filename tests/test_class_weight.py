"""class_weight in fit: weights of rows by their classes."""

import numpy as np
import pytest

import nncore as nn

RNG = np.random.default_rng(5)
X, IDS = RNG.standard_normal((60, 4)), RNG.integers(0, 3, 60)
SHARES = {0: 0.5, 2: 3.0}


def trained(y, loss, outputs=3, **options):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(outputs)], seed=1)
    model.compile(nn.optimizers.SGD(0.1), loss)
    history = model.fit(X, y, 8, 2, 0, **options)
    return history.history["loss"], [w.tobytes() for w in model.get_weights()]


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("weight", [None, RNG.uniform(0.5, 2, 60)])
def test_classes_weigh_as_their_rows(one_hot, weight):
    y = np.eye(3)[IDS] if one_hot else IDS
    loss = (nn.losses.CategoricalCrossentropy if one_hot else nn.losses.SparseCategoricalCrossentropy)(from_logits=True)
    rows = np.array([0.5, 1.0, 3.0])[IDS].astype(np.float32)
    both = rows if weight is None else weight.astype(np.float32).astype(np.float64) * rows
    assert trained(y, loss, class_weight=SHARES, sample_weight=weight) == trained(y, loss, sample_weight=both)


def test_balanced():
    counts = np.bincount(IDS)
    shares = {number: 60 / (3 * count) for number, count in enumerate(counts)}
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert trained(IDS, loss, class_weight="balanced") == trained(IDS, loss, class_weight=shares)
    assert trained(IDS, loss, class_weight="balanced") != trained(IDS, loss)


def test_one_output_has_two_classes():
    y, loss = (IDS > 0).astype(float), nn.losses.BinaryCrossentropy(from_logits=True)
    assert trained(y, loss, 1, class_weight={1: 4.0}) == trained(y, loss, 1, sample_weight=np.where(y > 0, 4.0, 1.0))


def test_validation_rows_keep_their_weights():
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)], seed=1)
    model.compile(nn.optimizers.SGD(0.0), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    logs = model.fit(X, IDS, epochs=1, verbose=0, validation_split=0.5, class_weight=SHARES).history
    assert logs["val_loss"] == [model.evaluate(X[30:], IDS[30:], verbose=0)]


@pytest.mark.parametrize(
    "value, exception, message",
    [
        ({3: 1.0}, ValueError, "a class in class_weight must be in 0 ... 2, got 3"),
        ({"a": 1.0}, TypeError, "a class in class_weight must be an integer"),
        ({0: -1.0}, ValueError, r"class_weight\[0\] must be a finite number of at least 0"),
        ("balance", ValueError, "class_weight must be a dict or 'balanced', got 'balance'"),
        ([1, 2, 3], TypeError, "class_weight must be a dict or 'balanced'"),
    ],
)
def test_what_is_refused(value, exception, message):
    with pytest.raises(exception, match=message):
        trained(IDS, nn.losses.SparseCategoricalCrossentropy(from_logits=True), class_weight=value)
