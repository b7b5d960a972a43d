"""Metrics: values by hand, weights, and what "accuracy" means for which model."""

import math
import warnings

import numpy as np
import pytest

from nncore import losses, metrics
from nncore.program import Program


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


@pytest.mark.parametrize("name", sorted(set(metrics._NAMES) - {"accuracy"}))
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
    assert metrics.BinaryAccuracy("b", "float64", 0.25).get_config() == {
        "name": "b", "dtype": "float64", "threshold": 0.25
    }


@pytest.mark.parametrize(
    ("metric", "kernel", "attributes"),
    [
        (metrics.SparseCategoricalAccuracy(), "sparse_categorical_accuracy", {}),
        (metrics.CategoricalAccuracy(), "categorical_accuracy", {}),
        (metrics.BinaryAccuracy(threshold=0.25), "binary_accuracy", {"threshold": 0.25}),
        (metrics.TopKCategoricalAccuracy(3), "top_k_categorical_accuracy", {"k": 3}),
        (metrics.MeanSquaredError(), "squared_error", {}),
        (metrics.MeanAbsoluteError(), "absolute_error", {}),
    ],
)
def test_emit_of_a_mean(metric, kernel, attributes):
    for weighted in (False, True):
        program = Program(np.dtype("float32"))
        y, t, w = program.rows(4), program.rows(4), program.rows(None)
        found = metric.emit(program, y, t, w if weighted else None)
        rows = 3
        assert found == ({"total": rows, "weight": w} if weighted else {"total": rows})
        assert program.buffers[rows].shape == ()
        assert [tuple(op)[:4] for op in program.ops] == [(kernel, (y, t, w if weighted else None), (rows,), attributes)]
        assert metric.keep(program, y, t, w) == {}


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


# Numbers that others made -----------------------------------------------------------------------------------

FOUR = [[0, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 0], [0, 0, 0, 0, 1]]
BY_FIVE = [[0, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]]
WEIGHTS = [1.0, 1.5, 2.0, 2.5]
PAIR = [[1, 9, 2], [-5, -2, 6]], [[4, 8, 12], [8, 1, 3]]
MARGINS = [[-0.3, 0.2, -0.1, 1.6], [-0.25, -1.0, 0.5, 0.6]]
SHARES = [[0.5, 0.8, 0.12], [0.7, 0.43, 0.8]], [[0.4, 0.9, 0.12], [0.36, 0.3, 0.4]]
COUNTS = [[4, 8, 12], [8, 1, 3]], [[1, 9, 2], [5, 2, 6]]
FAR = [[10.0, -10.0, 10.0], [10.0, 10.0, -10.0]]
LOGITS = [[1, 9, 0], [1, 8, 1]]
IGNORED = [[0.8, 0.1, 0.1], [0.05, 0.95, 0], [0.1, 0.8, 0.1]]
SCORED = [[0.9, 0.2, 0.8, 0.1], [0.2, 0.9, 0.7, 0.6], [0.1, 0.2, 0.4, 0.3], [0, 1, 0.7, 0.3]]
LABELLED = [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
THREE = [0.15, 0.5, 0.85]
HOT, CLOSE = [[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]
MULTI = [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
CLASSES = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "weight", "wanted"),
    [  # the literal values of Keras 3's own tests (keras/src/metrics/*_test.py)
        (metrics.Accuracy(), [[1], [2], [3], [4]], [[0], [2], [3], [4]], None, 0.75),
        (metrics.Accuracy(), [[1], [2], [3], [4]], [[0], [2], [3], [4]], [1, 1, 0, 0], 0.5),
        (metrics.BinaryAccuracy(), [[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]], [1, 0, 0, 1], 0.5),
        (metrics.BinaryAccuracy(threshold=0.9), [[1], [1], [0], [0]], [[0.98], [0.5], [0.1], [0.2]], None, 0.75),
        (metrics.CategoricalAccuracy(), HOT, CLOSE, [0.7, 0.3], 0.3),
        (metrics.SparseCategoricalAccuracy(), [[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]], [0.7, 0.3], 0.3),
        (metrics.TopKCategoricalAccuracy(k=1), HOT, CLOSE, None, 0.5),
        (metrics.TopKCategoricalAccuracy(k=1), HOT, CLOSE, [0.7, 0.3], 0.3),
        (metrics.SparseTopKCategoricalAccuracy(k=1), [2, 1], CLOSE, None, 0.5),
        (metrics.SparseTopKCategoricalAccuracy(k=1), [2, 1], CLOSE, [0.7, 0.3], 0.3),
        (metrics.MeanSquaredError(), FOUR, BY_FIVE, WEIGHTS, 0.54285),
        (metrics.MeanAbsoluteError(), FOUR, BY_FIVE, WEIGHTS, 0.54285),
        (metrics.RootMeanSquaredError(), [2, 4, 6], [1, 3, 2], None, math.sqrt(6)),
        (metrics.RootMeanSquaredError(), [2, 4, 6, 8], [1, 3, 2, 3], [0, 1, 0, 1], math.sqrt(13)),
        (metrics.MeanAbsolutePercentageError(), FOUR, BY_FIVE, None, 35e7),
        (metrics.MeanAbsolutePercentageError(), FOUR, BY_FIVE, WEIGHTS, 40e7),
        (metrics.MeanSquaredLogarithmicError(), FOUR, BY_FIVE, None, 0.2402265),
        (metrics.MeanSquaredLogarithmicError(), FOUR, BY_FIVE, WEIGHTS, 0.26082),
        (metrics.LogCoshError(), PAIR[0], PAIR[1], None, 4.8292453),
        (metrics.LogCoshError(), PAIR[0], PAIR[1], [1.2, 3.4], 5.2178759),
        (metrics.CosineSimilarity(), PAIR[0], PAIR[1], None, 0.18721907),
        (metrics.CosineSimilarity(), PAIR[0], PAIR[1], [1.2, 3.4], -0.06782260),
        (metrics.Hinge(), [[0, 1, 0, 1], [0, 0, 1, 1]], MARGINS, None, 0.50625),
        (metrics.Hinge(), [[-1, 1, -1, 1], [-1, -1, 1, 1]], MARGINS, [1.5, 2.0], 0.49285),
        (metrics.SquaredHinge(), [[0, 1, 0, 1], [0, 0, 1, 1]], MARGINS, None, 0.364062),
        (metrics.SquaredHinge(), [[-1, 1, -1, 1], [-1, -1, 1, 1]], MARGINS, [1.5, 2.0], 0.346786),
        (metrics.CategoricalHinge(), FOUR, BY_FIVE, None, 0.5),
        (metrics.CategoricalHinge(), FOUR, BY_FIVE, WEIGHTS, 0.5),
        (metrics.KLDivergence(), SHARES[0], SHARES[1], None, 0.59607384),
        (metrics.KLDivergence(), SHARES[0], SHARES[1], [1.2, 3.4], 0.87285703),
        (metrics.Poisson(), COUNTS[0], COUNTS[1], None, -3.306581945521002),
        (metrics.Poisson(), COUNTS[0], COUNTS[1], [1.2, 3.4], -2.67275606),
        (metrics.BinaryCrossentropy(), [[1, 0], [1, 0]], [[1, 1], [1, 0]], None, 3.9855),
        (metrics.BinaryCrossentropy(), [[1, 0], [1, 0]], [[1, 1], [1, 0]], [1.5, 2.0], 3.4162),
        (metrics.BinaryCrossentropy(from_logits=True), [[1, 0, 1], [0, 1, 1]], FAR, None, 3.33335),
        (metrics.BinaryCrossentropy(from_logits=True), [[1, 0, 1], [0, 1, 1]], FAR, [2.0, 2.5], 3.70372),
        (metrics.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), [[1, 0, 1]], [[10, -10, -10]], None, 3.50005),
        (metrics.CategoricalCrossentropy(), [[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], None, 1.17694),
        (metrics.CategoricalCrossentropy(), [[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], [1.5, 2], 1.33775),
        (metrics.CategoricalCrossentropy(from_logits=True), [[0, 1, 0], [0, 0, 1]], LOGITS, None, 3.50111),
        (metrics.CategoricalCrossentropy(from_logits=True), [[0, 1, 0], [0, 0, 1]], LOGITS, [1.5, 2.0], 4.00119),
        (metrics.CategoricalCrossentropy("c", None, True, 0.1), [[0, 1, 0], [0, 0, 1]], LOGITS, None, 3.66777),
        (metrics.SparseCategoricalCrossentropy(), [1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], None, 1.17694),
        (metrics.SparseCategoricalCrossentropy(), [1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], [1.5, 2.0], 1.33775),
        (metrics.SparseCategoricalCrossentropy(from_logits=True), [1, 2], LOGITS, None, 3.50111),
        (metrics.SparseCategoricalCrossentropy(from_logits=True), [1, 2], LOGITS, [1.5, 2.0], 4.00119),
        (metrics.SparseCategoricalCrossentropy(ignore_class=0), [0, 1, 2], IGNORED, None, 0.7846263),
        (metrics.SparseCategoricalCrossentropy(ignore_class=0), [0, 1, 2], IGNORED, [0.5, 1.5, 2.0], 1.33774646),
        (metrics.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0), [0, 1, 2], [[10, 1, 1], *LOGITS], None,
         2.33409),
        (metrics.SparseCategoricalCrossentropy(ignore_class=-1), [-1, 1, 2], IGNORED, [1, 1, 1], 1.17694),
        (metrics.FalsePositives(), FOUR, BY_FIVE, None, 7),
        (metrics.FalsePositives(), FOUR, BY_FIVE, WEIGHTS, 14),
        (metrics.FalsePositives(THREE), LABELLED, SCORED, None, [7, 4, 2]),
        (metrics.FalseNegatives(), FOUR, BY_FIVE, None, 3),
        (metrics.FalseNegatives(), FOUR, BY_FIVE, WEIGHTS, 5),
        (metrics.FalseNegatives(THREE), LABELLED, SCORED, [[3.0], [5.0], [7.0], [4.0]], [4, 16, 23]),
        (metrics.TrueNegatives(), FOUR, BY_FIVE, None, 3),
        (metrics.TrueNegatives(), FOUR, BY_FIVE, WEIGHTS, 4),
        (metrics.TrueNegatives(THREE), LABELLED, SCORED, None, [2, 5, 7]),
        (metrics.TruePositives(), FOUR, BY_FIVE, None, 7),
        (metrics.TruePositives(), FOUR, BY_FIVE, WEIGHTS, 12),
        (metrics.TruePositives(THREE), LABELLED, SCORED, None, [6, 3, 1]),
        (metrics.TruePositives(THREE), LABELLED, SCORED, 37.0, [222, 111, 37]),
        (metrics.Precision(), [0, 1, 1, 0], [1, 0, 1, 0], None, 0.5),
        (metrics.Precision(), [0, 0, 0, 0], [0, 0, 0, 0], None, 0.0),
        (metrics.Precision(thresholds=[0.5, 0.7]), [0, 1, 1, 0], [1, 0, 0.6, 0], None, [0.5, 0.0]),
        (metrics.Precision(top_k=3), [[0, 1, 1, 0, 0]], [[0.2, 0.1, 0.5, 0, 0.2]], None, 1 / 3),
        (metrics.Precision(top_k=3), [[0, 1, 1, 0, 1], [1, 0, 1, 1, 1]],
         [[0.2, 0.1, 0.4, 0, 0.2], [0.2, 0.6, 0.4, 0.2, 0.2]], [1, 3], 8 / 12),  # without its weights per output
        (metrics.Precision(class_id=1), CLASSES, MULTI, None, 1.0),
        (metrics.Precision(thresholds=0.7, top_k=2), [[0, 1, 1, 0, 1]], [[0.2, 0.8, 0.6, 0, 0.2]], None, 1.0),
        (metrics.Recall(), [0, 1, 1, 0], [1, 0, 1, 0], None, 0.5),
        (metrics.Recall(thresholds=[0.5, 0.7]), [0, 1, 1, 0], [1, 0, 0.6, 0], None, [0.5, 0.0]),
        (metrics.Recall(top_k=3), [[0, 1, 1, 0, 0]], [[0.2, 0.1, 0.5, 0, 0.2]], None, 0.5),
        (metrics.Recall(class_id=1), CLASSES, MULTI, None, 1.0),
        (metrics.Recall(thresholds=0.7, top_k=2), [[1, 1, 1, 0, 1]], [[0.2, 0.8, 0.6, 0, 0.2]], None, 0.25),
    ],
    ids=repr,
)
def test_keras_numbers(metric, y_true, y_pred, weight, wanted):
    got = metric(y_true, y_pred, weight)
    np.testing.assert_allclose(got, wanted, rtol=3e-5, atol=1e-7)
    assert isinstance(got, float if np.ndim(wanted) == 0 else np.ndarray)


@pytest.mark.parametrize(
    ("average", "beta", "weight", "wanted"),
    [  # Keras 3, f_score_metrics_test.py
        (None, 0.5, None, [0.9090904, 0.555556, 1.0]),
        (None, 1.0, None, [0.8, 0.6666667, 1.0]),
        (None, 2.0, None, [0.71428573, 0.833334, 1.0]),
        ("micro", 2.0, None, 0.833334),
        ("macro", 0.5, None, 0.821549),
        ("macro", 2.0, None, 0.849206),
        ("weighted", 0.5, None, 0.880471),
        ("weighted", 1.0, None, 0.844445),
        (None, 0.5, [1, 0, 1, 1, 0, 1], [1.0, 0.0, 1.0]),
        (None, 2.0, [0.5, 1, 1, 1, 0.5, 1], [0.789474, 0.909091, 1.0]),
        ("micro", 0.5, [0.5, 1, 1, 1, 0.5, 1], 0.9),
        ("macro", 0.5, [0.5, 1, 1, 1, 0.5, 1], 0.883929),
        ("weighted", 2.0, [0.5, 1, 1, 1, 0.5, 1], 0.897608),
    ],
)
def test_keras_f_scores(average, beta, weight, wanted):
    y_true = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    y_pred = [[0.9, 0.1, 0], [0.2, 0.6, 0.2], [0, 0, 1], [0.4, 0.3, 0.3], [0, 0.9, 0.1], [0, 0, 1]]
    got = metrics.FBetaScore(average, beta)(y_true, y_pred, weight)
    np.testing.assert_allclose(got, wanted, atol=1.1e-6)
    if beta == 1:
        np.testing.assert_array_equal(metrics.F1Score(average)(y_true, y_pred, weight), got)


@pytest.mark.parametrize(
    ("average", "beta", "wanted"),
    [  # Keras 3, f_score_metrics_test.py
        (None, 0.5, [0.71428573, 0.5, 0.833334]), (None, 2.0, [0.9090904, 0.5, 0.555556]),
        ("micro", 1.0, 0.6666667), ("macro", 0.5, 0.6825397), ("weighted", 2.0, 0.6548822),
    ],
)  # fmt: skip
def test_keras_f_scores_with_a_threshold(average, beta, wanted):
    y_pred, y_true = [[0.7, 0.7, 0.7], [1, 0, 0], [0.9, 0.8, 0]], [[0, 0, 1], [1, 1, 0], [1, 1, 1]]
    np.testing.assert_allclose(metrics.FBetaScore(average, beta, 0.66)(y_true, y_pred), wanted, atol=1.1e-6)


PRED, TRUE, BY = [0, 0.5, 0.3, 0.9], [0, 0, 1, 1], [1, 2, 3, 4]
TWO, BOTH = [[0, 0.1], [0.5, 0.2], [0.3, 0.3], [0.9, 0.4]], [[0, 0], [0, 0], [1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("arguments", "y_true", "y_pred", "weight", "wanted", "tolerance"),
    [  # Keras 3, confusion_metrics_test.py: AUCTest and MultiAUCTest
        ({"num_thresholds": 3}, TRUE, PRED, None, 0.75, 1e-6),
        ({"num_thresholds": 3, "from_logits": True}, TRUE, [-27.6, 0.0, -0.8473, 2.1972], None, 0.75, 1e-6),
        ({"thresholds": [0.5]}, TRUE, PRED, None, 0.75, 1e-6),
        ({"num_thresholds": 3}, TRUE, PRED, BY, 0.7855, 1e-3),
        ({"num_thresholds": 3, "summation_method": "majoring"}, TRUE, PRED, BY, 1.0, 1e-6),
        ({"num_thresholds": 3, "summation_method": "minoring"}, TRUE, PRED, BY, 0.571, 1e-3),
        ({"num_thresholds": 3, "curve": "PR", "summation_method": "majoring"}, TRUE, PRED, BY, 1.0, 1e-6),
        ({"num_thresholds": 3, "curve": "PR", "summation_method": "minoring"}, TRUE, PRED, BY, 0.7 * 0.429, 1e-3),
        ({"num_thresholds": 3, "curve": "PR"}, TRUE, PRED, BY, 2.416 / 7 + 4 / 7, 1e-3),
        ({"num_thresholds": 3, "curve": "PR"}, TRUE, PRED, [-1, -2, -3, -4], 0.0, 1e-6),
        ({"num_thresholds": 3, "curve": "PRGAIN", "summation_method": "majoring"}, TRUE, PRED, BY, 1.0, 1e-6),
        ({"num_thresholds": 3, "curve": "PRGAIN", "summation_method": "minoring"}, TRUE, PRED, BY, 0.0, 1e-6),
        ({"num_thresholds": 3, "curve": "PRGAIN"}, TRUE, PRED, BY, 0.5, 1e-6),
        ({"num_thresholds": 3, "curve": "PRGAIN"}, [0, 0, 0, 1, 0, 1, 0, 1, 1, 1],
         [0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.6, 0.6, 0.8, 0.9], None, 0.5, 1e-5),
        ({"num_thresholds": 5, "multi_label": True}, BOTH, TWO, None, 0.9375, 1e-6),
        ({"num_thresholds": 5, "multi_label": True, "label_weights": [0.75, 0.25]}, BOTH, TWO, None, 0.90625, 1e-6),
        ({"num_thresholds": 5, "label_weights": [0.75, 0.25]}, BOTH, TWO, None, 1 - 0.625 * 0.375 / 2, 1e-6),
        ({"num_thresholds": 5}, BOTH, TWO, None, 1 - 3 / 32, 1e-6),
        ({"num_thresholds": 5}, BOTH, TWO, BY, 1 - 0.3333 * (1 - 0.2857) / 2, 1e-3),
        ({"thresholds": [0.5], "multi_label": True}, BOTH, TWO, None, 0.625, 1e-6),
        ({"multi_label": True, "num_labels": 2}, BOTH, BOTH, None, 1.0, 0),
    ],
)
def test_keras_auc(arguments, y_true, y_pred, weight, wanted, tolerance):
    assert metrics.AUC(**arguments)(y_true, y_pred, weight) == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize(
    ("aggregation", "regressors", "weight", "wanted"),
    [  # Keras 3, regression_metrics_test.py: the first two rows are scikit-learn's, the others TensorFlow Addons'
        (None, 1, None, [-0.26, -3.59, 0.13]),
        ("variance_weighted_average", 0, None, -0.12),
        (None, 0, [0.8, 0.1, 0.4], [0.17305559, -8.836666, -0.521]),
        (None, 1, [0.8, 0.1, 0.4], [-0.65388882, -18.673332, -2.042]),
        ("uniform_average", 0, [0.8, 0.1, 0.4], -3.0615367889404297),
        ("variance_weighted_average", 0, [0.8, 0.1, 0.4], -1.3710224628448486),
        ("variance_weighted_average", 1, [0.8, 0.1, 0.4], -3.742044448852539),
    ],
)
def test_keras_r2(aggregation, regressors, weight, wanted):
    y_true = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    y_pred = ([[0.4, 0.5, 0.6], [0.1, 0.2, 0.3], [0.5, 0.8, 0.2]] if weight is None else
              [[0.4, 0.9, 1.6], [0.1, 1.2, 0.6], [1.5, 0.8, 0.6]])
    got = metrics.R2Score(aggregation, regressors)(y_true, y_pred, weight)
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-6)


def test_r2_with_too_few_rows_is_not_adjusted_and_says_so():
    with pytest.warns(UserWarning, match="3 rows are too few to adjust for num_regressors=2"):
        assert metrics.R2Score(num_regressors=2)([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]) == pytest.approx(4 / 7)


def test_r2_far_from_zero():
    """Years, say: in float32 the squares would leave nothing of the variance."""
    t = np.arange(100) % 10 + 1e6
    p = t + np.where(np.arange(100) % 2, 0.5, -0.5)
    assert metrics.R2Score(dtype="float32")(t, p) == 1 - 25 / 825


I = np.arange(60)  # noqa: E741
SCORE, YES, W = (I * 37) % 41 / 41, (I * 7 + I // 9) % 5 < 2, (I % 4 + 1) / 2
MANY, IDS = np.outer(I + 1, [1, 2, 3, 4]) * 29 % 61 / 61, (I * I + I // 7) % 4
HOTS = np.eye(4)[IDS]
LOG_LOSS = 1.6135948166873257
NUMBERS = np.stack([I * I % 17 / 3, I * 5 % 23 - 7.0], 1)
GUESSES = NUMBERS + np.stack([(I * 11 % 7 - 3) / 4, (I * 13 % 5 - 2) / 2], 1)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "wanted", "weighted"),
    [  # scikit-learn 1.9 on these numbers, without and with the weights W
        (metrics.AUC(dtype="float64"), YES, SCORE, 0.4629629629629629, 0.5105233749301545),
        (metrics.AUC(multi_label=True), HOTS, MANY, (0.49470899470899465 + 0.453416149068323 + 0.35795454545454547
                                                     + 0.5104166666666666) / 4, None),
        (metrics.AUC(), HOTS, MANY, 0.45259259259259255, None),
        (metrics.Precision(), YES, SCORE, 0.4, 0.4473684210526316),
        (metrics.Recall(), YES, SCORE, 0.5, 0.576271186440678),
        (metrics.BinaryAccuracy(), YES, SCORE, 0.5, 0.5533333333333333),
        (metrics.F1Score("macro", 0.5), YES, SCORE, 0.4444444444444444, 0.5037037037037037),
        (metrics.FBetaScore("macro", 2.0, 0.5), YES, SCORE, 0.47619047619047616, 0.5448717948717948),
        (metrics.F1Score("micro"), HOTS, MANY, 0.13333333333333333, 0.09333333333333334),
        (metrics.F1Score("macro"), HOTS, MANY, 0.13026942815249265, 0.08740015520127412),
        (metrics.F1Score("weighted"), HOTS, MANY, 0.12771668295861843, 0.08667793433333874),
        (metrics.SparseTopKCategoricalAccuracy(1), IDS, MANY, 0.13333333333333333, 0.09333333333333334),
        (metrics.SparseTopKCategoricalAccuracy(2), IDS, MANY, 0.4166666666666667, 0.39333333333333335),
        (metrics.TopKCategoricalAccuracy(3), HOTS, MANY, 0.7333333333333333, 0.72),
        (metrics.R2Score(None), NUMBERS, GUESSES, [0.92967781, 0.98872152], [0.93114441, 0.98876269]),
        (metrics.R2Score(), NUMBERS, GUESSES, 0.9591996677955514, 0.9599535469375744),
        (metrics.R2Score("variance_weighted_average"), NUMBERS, GUESSES, 0.9843044287050373, 0.9844224161729527),
        (metrics.RootMeanSquaredError(), NUMBERS, GUESSES, 0.6132223631495076, 0.6122023086093898),
        (metrics.MeanAbsoluteError(), NUMBERS, GUESSES, 0.5166666666666666, 0.5158333333333334),
        (metrics.MeanAbsolutePercentageError(), np.abs(NUMBERS) + 0.5, np.abs(GUESSES) + 0.25, 19.022844816930717, None),
        (metrics.MeanSquaredLogarithmicError(), np.abs(NUMBERS) + 0.5, np.abs(GUESSES) + 0.25, 0.03128373556758116, None),
        (metrics.BinaryCrossentropy(), YES, SCORE.clip(0.01, 0.99), 1.0616093444169432, 0.9826178997362848),
        (metrics.SparseCategoricalCrossentropy(), IDS, MANY + 0.01, LOG_LOSS, None),
        (metrics.CategoricalCrossentropy(), HOTS, MANY + 0.01, LOG_LOSS, None),
        (metrics.Hinge(), YES, 4 * SCORE - 2, 1.1634146341463414, None),
    ],
    ids=repr,
)
def test_scikit_learn_numbers(metric, y_true, y_pred, wanted, weighted):
    for batches in (1, 4):
        for weight, number in ((None, wanted), (W, weighted)):
            metric.reset_state()
            for part in np.array_split(I, batches):
                metric.update_state(y_true[part], y_pred[part], None if weight is None else weight[part])
            if number is not None:
                np.testing.assert_allclose(metric.result(), number, rtol=1e-6)


# AUC --------------------------------------------------------------------------------------------------------


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(3)
    score, yes, weight = rng.integers(0, 40, 300) / 8, rng.random(300) < 0.3, rng.random(300)
    over = np.sign(score[yes][:, None] - score[~yes]) / 2 + 0.5
    pairs = weight[yes][:, None] * weight[~yes]
    assert metrics.AUC()(yes, score) == pytest.approx(over.mean(), rel=1e-14)
    metric = metrics.AUC(dtype="float64")
    assert metric(yes, score, weight) == pytest.approx((over * pairs).sum() / pairs.sum(), rel=1e-13)


def test_pr_auc_is_the_integral_between_all_thresholds():
    # scikit-learn's average precision takes the precision at the end of a step: mostly the larger one.
    for weight, average in ((None, 0.4121729231944598), (W, 0.4539415285165516)):
        areas = {method: metrics.AUC(None, "PR", method)(YES, SCORE, weight)
                 for method in ("minoring", "interpolation", "majoring")}
        assert areas["minoring"] < average <= areas["majoring"] + 1e-15 < average + 3e-4
        assert areas["minoring"] < areas["interpolation"] < areas["majoring"]
        w = np.ones(60) if weight is None else weight
        area, tp, fp, all_tp = 0.0, 0.0, 0.0, w[YES].sum()
        for score in np.unique(SCORE)[::-1]:
            more_tp, more_fp = w[YES & (score == SCORE)].sum(), w[~YES & (score == SCORE)].sum()
            at = (np.arange(2000) + 0.5) / 2000  # midpoints of a straight line in (tp, fp)
            tps, fps = tp + at * more_tp, fp + at * more_fp
            area += (tps / (tps + fps)).mean() * more_tp / all_tp
            tp, fp = tp + more_tp, fp + more_fp
        assert areas["interpolation"] == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("curve", ["ROC", "PR", "PRGAIN"])
@pytest.mark.parametrize("method", ["interpolation", "majoring", "minoring"])
def test_exact_auc_is_that_of_very_many_thresholds(curve, method):
    rng = np.random.default_rng(4)
    score, yes = rng.integers(1, 500, 400) / 500, rng.random(400) < 0.4
    exact, close = metrics.AUC(None, curve, method), metrics.AUC(5001, curve, method)
    # Keras's last point, of no predictions at all, stands at precision 0 in both.
    assert exact(yes, score) == pytest.approx(close(yes, score), rel=1e-6)
    assert metrics.AUC(20, curve, method)(yes, score) != pytest.approx(exact.result(), rel=1e-4)


def test_auc_at_its_edges():
    assert metrics.AUC()([1, 1], [0.2, 0.4]) == 0.0  # as Keras's: no negatives
    assert metrics.AUC()([0, 0], [0.2, 0.4]) == 0.0
    assert metrics.AUC()([0, 1], [0.5, 0.5]) == 0.5
    assert metrics.AUC()([0, 1], [-1e30, math.inf]) == 1.0
    assert math.isnan(metrics.AUC()([0, 1], [0.5, math.nan]))
    assert metrics.AUC().result() == 0.0
    assert metrics.AUC(from_logits=True)([0, 1], [40.0, 41.0]) == 1.0  # sigmoids of both are 1 in float32


def test_auc_configs():
    for arguments in ({"num_thresholds": 10}, {"thresholds": [0.75, 0.25]}, {"curve": "pr", "multi_label": True},
                      {"label_weights": [1, 2]}):
        metric = metrics.AUC(**arguments)
        again = metrics.get(metrics.serialize(metric))
        assert again.get_config() == metric.get_config() and again.thresholds == metric.thresholds
    assert metrics.AUC(thresholds=[0.75, 0.25]).thresholds == [-1e-7, 0.25, 0.75, 1 + 1e-7]


# Others -----------------------------------------------------------------------------------------------------


def test_means_and_sums_of_values():
    # Keras 3, reduction_metrics_test.py
    assert metrics.Mean()([1, 3, 5, 7]) == 4
    assert metrics.Mean()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0]) == 2
    assert metrics.Mean()([1, 3, 5, 7], sample_weight=[-1, -1, 0, 0]) == 2
    assert metrics.Sum()([1, 3, 5, 7]) == 16
    assert metrics.Sum()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0]) == 4
    assert metrics.Mean()([[1, 3], [5, 7]], [3, 1]) == (3 * 2 + 6) / 4
    assert metrics.Sum()([[1, 3], [5, 7]], [3, 1]) == 3 * 4 + 12
    mean = metrics.Mean(name="speed")
    for value in (2.0, [4.0], [6.0, 8.0]):
        mean.update_state(value)
    assert mean.result() == 5 and mean.name == "speed"
    program = Program(np.dtype("float32"))
    with pytest.raises(TypeError, match="metric 'mean': Mean takes values, not targets and outputs"):
        metrics.Mean().emit(program, program.rows(1), program.rows(1))


def test_a_function_with_arguments_and_values_per_output():
    def power(y_true, y_pred, exponent=2.0):
        return np.abs(y_pred - y_true) ** exponent

    metric = metrics.MeanMetricWrapper(power, "cube", exponent=3.0)
    assert metric([[0.0, 0.0], [1.0, 1.0]], [[1.0, 2.0], [1.0, 3.0]], [3.0, 1.0]) == (3 * 4.5 + 4) / 4
    assert metric.get_config() == {"fn": "power", "name": "cube", "exponent": 3.0}
    assert metrics.get(metrics.serialize(metric)).get_config() == metric.get_config()


def test_a_function_of_class_ids():
    def right(y_true, y_pred):
        assert y_true.dtype == np.int64
        return y_pred.argmax(axis=1) == y_true

    assert metrics.MeanMetricWrapper(right)([0, 1], [[1.0, 0.0], [1.0, 0.0]]) == 0.5


class Correlation(metrics.Metric):
    """A user's metric of all rows."""

    def keep(self, program, y_pred, target, weight=None):
        return {"y_pred": y_pred, "y_true": target}

    def value(self, sums, kept, rows):
        assert len(kept["y_true"]) == rows
        return float(np.corrcoef(kept["y_true"].ravel(), kept["y_pred"].ravel())[0, 1])


def test_a_metric_of_all_rows():
    metric = metrics.get("Correlation")
    assert type(metric) is Correlation
    for part in (slice(0, 30), slice(30, 60)):
        metric.update_state(I[part], SCORE[part])
    assert metric.result() == pytest.approx(np.corrcoef(I, SCORE)[0, 1], rel=1e-6)


@pytest.mark.parametrize("metric", [
    metrics.MeanSquaredError(), metrics.R2Score(), metrics.F1Score("macro"), metrics.Precision(thresholds=[0.3, 0.6]),
    metrics.AUC(), metrics.TopKCategoricalAccuracy(2), metrics.AUC(50, "PR"),
], ids=repr)  # fmt: skip
def test_weights_of_one_and_of_zero(metric):
    """Weights of 1 change no bit; a row of weight 0 is no row."""
    y_true, y_pred = HOTS, MANY
    plain = metric(y_true, y_pred)
    metric.reset_state()
    ones = metric(y_true, y_pred, np.ones(60))
    np.testing.assert_array_equal(plain, ones)
    metric.reset_state()
    both = metric(np.concatenate([y_true, 1 - y_true]), np.concatenate([y_pred, y_pred * 0.7]), np.arange(120) < 60)
    np.testing.assert_allclose(both, plain, rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.Precision(thresholds=[-1, 0.5]), ValueError, "Precision: thresholds must be a number in 0 ... 1"),
        (lambda: metrics.Precision(thresholds=[None]), TypeError, "thresholds must be"),
        (lambda: metrics.Recall(thresholds=[]), ValueError, "at least one number"),
        (lambda: metrics.Precision(top_k=0), ValueError, "top_k must be at least 1"),
        (lambda: value(metrics.Precision(top_k=4), CLASSES, MULTI), ValueError, "there are 3 outputs, but top_k is 4"),
        (lambda: value(metrics.Precision(class_id=3), CLASSES, MULTI), ValueError, "class_id is 3"),
        (lambda: value(metrics.Precision(class_id=2), [0, 1], [0.2, 0.1]), ValueError, "there are 1 outputs"),
        (lambda: metrics.F1Score("best"), ValueError, "average must be None, 'micro', 'macro' or 'weighted'"),
        (lambda: metrics.FBetaScore(beta=0), ValueError, "beta must be a finite number above 0"),
        (lambda: metrics.F1Score(threshold=0), ValueError, "threshold must be a number above 0"),
        (lambda: metrics.F1Score(threshold=1.5), ValueError, "threshold must be"),
        (lambda: metrics.AUC(curve="sharp"), ValueError, "AUC: curve must be 'ROC', 'PR' or 'PRGAIN', got 'SHARP'"),
        (lambda: metrics.AUC(summation_method="mean"), ValueError, "summation_method must be"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, r"num_thresholds must be in 2 \.\.\. 1000000, got 1"),
        (lambda: metrics.AUC(num_thresholds=10**400), ValueError, r"num_thresholds must be in 2 \.\.\. 1000000, got 10"),
        (lambda: metrics.AUC(thresholds=3), TypeError, "AUC: thresholds must be a sequence of numbers, got 3"),
        (lambda: metrics.AUC(num_labels=2), ValueError, "num_labels goes with multi_label=True"),
        (lambda: value(metrics.AUC(multi_label=True, num_labels=3), BOTH, TWO), ValueError, "num_labels is for 3"),
        (lambda: value(metrics.AUC(label_weights=[1]), BOTH, TWO), ValueError, "label_weights is for 1"),
        (lambda: metrics.R2Score("best"), ValueError, "class_aggregation must be"),
        (lambda: metrics.R2Score(num_regressors=-1), ValueError, "num_regressors must be at least 0"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ValueError, "k must be at least 1"),
        (lambda: metrics.MeanSquaredError(dtype="int8"), ValueError, "dtype must be float32 or float64"),
        (lambda: metrics.Metric().value({}, {}, 1), NotImplementedError, "Metric must define value"),
        (lambda: metrics.get("mean_metric_wrapper"), ValueError, "unknown metric"),
    ],
)
def test_arguments_refused(make, error, message):
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        make()
