"""Metrics: values by hand, weights, and what "accuracy" means for which model."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from nncore import losses, metrics


def value(metric, *arguments, **weights):
    metric.update_state(*arguments, **weights)
    return metric.result()


def test_sparse_categorical_accuracy():
    y_pred = [[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6], [math.nan, 1.0, 0.0]]
    # Row 1 is a tie, which the first class wins; a row with nan is wrong.
    assert value(metrics.SparseCategoricalAccuracy(), [1, 0, 0, 1], y_pred) == 2 / 4
    assert value(metrics.SparseCategoricalAccuracy(), [[1], [1], [2], [0]], y_pred) == 2 / 4
    assert (
        value(metrics.SparseCategoricalAccuracy(), [1, 0, 0, 1], y_pred, sample_weight=[4, 2, 1, 1]) == 6 / 8
    )


def test_categorical_accuracy():
    y_true = [[0, 1, 0], [1, 0, 0], [0.2, 0.3, 0.5]]
    assert value(metrics.CategoricalAccuracy(), y_true, [[1, 2, 0], [0, 1, 0], [0, 0, 1]]) == pytest.approx(
        2 / 3
    )


def test_binary_accuracy():
    # 0.5 itself does not lie above the threshold.
    assert value(metrics.BinaryAccuracy(), [[1, 0], [1, 0]], [[0.9, 0.1], [0.5, 0.7]]) == 2 / 4
    assert value(metrics.BinaryAccuracy(), [1, 0, 1, 1], [[0.6], [0.4], [0.3], [0.8]]) == 3 / 4
    assert value(metrics.BinaryAccuracy(threshold=0.25), [1, 0, 1, 1], [0.6, 0.4, 0.3, 0.8]) == 3 / 4


def test_errors():
    y_true, y_pred = [[1.0, 2.0], [3.0, 4.0]], [[2.0, 4.0], [3.0, 1.0]]
    assert value(metrics.MeanSquaredError(), y_true, y_pred) == (2.5 + 4.5) / 2
    assert value(metrics.MeanSquaredError(), y_true, y_pred, sample_weight=[1, 3]) == (2.5 + 3 * 4.5) / 4
    assert value(metrics.MeanAbsoluteError(), y_true, y_pred) == (1.5 + 1.5) / 2


def test_batches_add_up_and_reset_forgets():
    rng = np.random.default_rng(5)
    y_true, y_pred, weight = rng.normal(size=(101, 3)), rng.normal(size=(101, 3)), rng.random(101)
    whole, parts = metrics.MeanSquaredError(), metrics.MeanSquaredError()
    whole.update_state(y_true, y_pred, weight)
    for cut in (slice(0, 40), slice(40, 40), slice(40, 101)):
        parts.update_state(y_true[cut], y_pred[cut], weight[cut])
    assert parts.result() == pytest.approx(whole.result(), rel=1e-12)
    assert whole.result() == pytest.approx(np.average(((y_true - y_pred) ** 2).mean(axis=1), weights=weight))
    parts.reset_state()
    assert parts.result() == 0.0


@pytest.mark.parametrize(
    ("loss", "n_outputs", "kind"),
    [
        ("sparse_categorical_crossentropy", 3, metrics.SparseCategoricalAccuracy),
        ("categorical_crossentropy", 3, metrics.CategoricalAccuracy),
        ("binary_crossentropy", 1, metrics.BinaryAccuracy),
        ("binary_crossentropy", 3, metrics.CategoricalAccuracy),
        ("mse", 1, metrics.BinaryAccuracy),
        ("mse", 3, metrics.CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_depends_on_targets_and_outputs(loss, n_outputs, kind, name):
    metric = metrics.get(name, losses.get(loss), n_outputs)
    assert type(metric) is kind and metric.name == name


@pytest.mark.parametrize("name", sorted(metrics._NAMES))
def test_names_and_configs(name):
    metric = metrics.get(name)
    assert metric.name == name
    assert metrics.get(metric) is metric
    again = metrics.get(metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert type(metric)().name == type(metric).default_name


def test_an_object_keeps_its_name():
    assert metrics.get(metrics.MeanSquaredError(name="error")).name == "error"
    assert metrics.BinaryAccuracy.from_config({"name": "b", "threshold": 0.25}).threshold == 0.25


@pytest.mark.parametrize(
    ("metric", "kernel", "attributes"),
    [
        (metrics.SparseCategoricalAccuracy(), "sparse_categorical_accuracy", {}),
        (metrics.CategoricalAccuracy(), "categorical_accuracy", {}),
        (metrics.BinaryAccuracy(threshold=0.25), "binary_accuracy", {"threshold": 0.25}),
        (metrics.MeanSquaredError(), "squared_error", {}),
        (metrics.MeanAbsoluteError(), "absolute_error", {}),
    ],
)
def test_emit(metric, kernel, attributes):
    calls = []
    program = SimpleNamespace(
        rows=lambda width, role: 12 if (width, role) == (None, "metric") else None,
        emit=lambda *op, **attributes: calls.append((*op, attributes)),
    )
    assert metric.emit(program, 4, 9, None) == {"total": 12}
    assert calls == [(kernel, (4, 9), (12,), attributes)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.get("acuracy_score"), ValueError, "unknown metric 'acuracy_score'"),
        (lambda: metrics.get("binary_acuracy"), ValueError, "did you mean 'binary_accuracy'"),
        (
            lambda: metrics.get("accuracy"),
            ValueError,
            "metric 'accuracy' depends on the loss and the outputs",
        ),
        (lambda: metrics.get(3), TypeError, "metric must be a name or an object"),
        (
            lambda: metrics.get("mse", losses.get("sparse_categorical_crossentropy"), 3),
            ValueError,
            r"metric 'mse' takes dense targets \(B, O\), but loss 'sparse_.*' is trained on class ids",
        ),
        (
            lambda: metrics.get("sparse_categorical_accuracy", losses.get("mse"), 3),
            ValueError,
            "takes class ids",
        ),
        (lambda: metrics.BinaryAccuracy(threshold=math.inf), ValueError, "BinaryAccuracy: threshold must be"),
        (
            lambda: value(metrics.MeanSquaredError(), [[1.0]], [[1.0, 2.0]]),
            ValueError,
            r"y_true must have shape \(B, 2\)",
        ),
        (
            lambda: value(metrics.MeanSquaredError(), [[1.0]], [[1.0], [2.0]]),
            ValueError,
            "y_true must have 2 rows, got 1",
        ),
        (
            lambda: value(metrics.SparseCategoricalAccuracy(), [2], [[1.0, 2.0]]),
            ValueError,
            r"y_true\[0\] is 2, but",
        ),
        (
            lambda: value(metrics.MeanSquaredError(), [1.0], [2.0], [1, 2]),
            ValueError,
            r"sample_weight .* got shape \(2,\)",
        ),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
