"""Metrics in fit and evaluate: both executors, threads, weights, several outputs; and the same bits as by hand."""

import numpy as np
import pytest

import nncore as nn
from nncore import metrics, reference

ROWS = 700  # evaluate takes 256 at a time
RNG = np.random.default_rng(11)
X = RNG.standard_normal((ROWS, 5)).astype(np.float32)
IDS = RNG.integers(0, 4, ROWS)
HOT = np.eye(4, dtype=np.float32)[IDS]
NUMBERS = (X[:, :4] * 2 + 5 + 0.3 * RNG.standard_normal((ROWS, 4))).astype(np.float32)
WEIGHT = RNG.uniform(0.25, 1.75, ROWS).astype(np.float32)


def spread(y_true, y_pred):
    return np.abs(y_pred - y_true).max(axis=1)


def pointwise(y_true, y_pred):
    return (y_pred > 0.4) == (y_true > 0.4)


class Median(metrics.Metric):
    """Of a user: needs all rows."""

    def keep(self, program, y_pred, target, weight=None):
        return {"p": y_pred, "t": target}

    def value(self, sums, kept, rows):
        assert len(kept["p"]) == len(kept["t"]) == rows
        return float(np.median(np.abs(kept["p"] - kept["t"])))


DENSE = {
    "accuracy": metrics.Accuracy,
    "binary": lambda: metrics.BinaryAccuracy(threshold=0.3),
    "categorical": metrics.CategoricalAccuracy,
    "top-k": lambda: metrics.TopKCategoricalAccuracy(2),
    "mse": metrics.MeanSquaredError,
    "rmse": metrics.RootMeanSquaredError,
    "mae": metrics.MeanAbsoluteError,
    "r2": metrics.R2Score,
    "r2 of each": lambda: metrics.R2Score(None),
    "adjusted r2": lambda: metrics.R2Score("variance_weighted_average", 3),
    "tp": metrics.TruePositives,
    "tn": lambda: metrics.TrueNegatives([0.2, 0.4]),
    "fp": metrics.FalsePositives,
    "fn": metrics.FalseNegatives,
    "precision": metrics.Precision,
    "precision of a class": lambda: metrics.Precision([0.1, 0.3], class_id=2),
    "recall of the largest": lambda: metrics.Recall(top_k=2),
    "f1": metrics.F1Score,
    "f1 macro": lambda: metrics.F1Score("macro", 0.3),
    "f2 weighted": lambda: metrics.FBetaScore("weighted", 2.0),
    "auc": metrics.AUC,
    "auc of labels": lambda: metrics.AUC(multi_label=True, label_weights=[1, 2, 3, 4]),
    "auc pr": lambda: metrics.AUC(curve="PR"),
    "auc of Keras": lambda: metrics.AUC(200),
    "percentage": metrics.MeanAbsolutePercentageError,
    "logarithmic": metrics.MeanSquaredLogarithmicError,
    "log-cosh": metrics.LogCoshError,
    "hinge": metrics.Hinge,
    "squared hinge": metrics.SquaredHinge,
    "categorical hinge": metrics.CategoricalHinge,
    "poisson": metrics.Poisson,
    "kl": metrics.KLDivergence,
    "cosine": metrics.CosineSimilarity,
    "binary log-loss": lambda: metrics.BinaryCrossentropy(label_smoothing=0.2),
    "binary log-loss of logits": lambda: metrics.BinaryCrossentropy(from_logits=True),
    "log-loss": lambda: metrics.CategoricalCrossentropy(label_smoothing=0.1),
    "log-loss of logits": lambda: metrics.CategoricalCrossentropy(from_logits=True),
    "function": lambda: metrics.MeanMetricWrapper(spread),
    "pointwise": lambda: metrics.MeanMetricWrapper(pointwise),
    "median": Median,
}
SPARSE = {
    "sparse": metrics.SparseCategoricalAccuracy,
    "sparse top-k": lambda: metrics.SparseTopKCategoricalAccuracy(2),
    "sparse log-loss": metrics.SparseCategoricalCrossentropy,
    "sparse log-loss of logits": lambda: metrics.SparseCategoricalCrossentropy(from_logits=True),
    "sparse log-loss of three classes": lambda: metrics.SparseCategoricalCrossentropy(ignore_class=2),
}


def model_of(make, loss="mse", weighted=False, executor=None, dtype="float32"):
    model = nn.Sequential([nn.Input((5,), dtype=dtype), nn.layers.Dense(6, "tanh", dtype=dtype),
                           nn.layers.Dense(4, "softmax", dtype=dtype)], seed=3)
    model.compile(nn.optimizers.SGD(0.1), loss, **{"weighted_metrics" if weighted else "metrics": [make()]})
    if executor is not None:
        model.executor_class = executor
    return model


def logs_of(make, y, loss, weighted, executor=None, dtype="float32", batch_size=None):
    """The metric in two epochs of training, and in an evaluation."""
    model = model_of(make, loss, weighted, executor, dtype)
    history = model.fit(X, y, batch_size=64, epochs=2, verbose=0, sample_weight=WEIGHT).history
    name = next(iter(set(history) - {"loss"}))
    found = model.evaluate(X, y, batch_size, 0, WEIGHT, return_dict=True)
    return np.array([*history[name], found[name]]), model


CASES = [(name, HOT, "mse") for name in DENSE] + [(name, IDS, "sparse_categorical_crossentropy") for name in SPARSE]
cases = pytest.mark.parametrize(("name", "y", "loss"), CASES, ids=[case[0] for case in CASES])
MAKE = DENSE | SPARSE


@cases
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_executors_agree_and_by_hand_gives_the_same_bits(name, y, loss, weighted):
    got, model = logs_of(MAKE[name], y, loss, weighted)
    plain, _ = logs_of(MAKE[name], y, loss, weighted, reference.executor.Executor)
    # A row whose output crosses a threshold by a rounding error would be a difference of 1 / 700 or so: none does.
    np.testing.assert_allclose(got, plain, rtol=2e-5, atol=1e-6)

    metric, output = MAKE[name](), model.predict(X)
    for first in range(0, ROWS, 256):
        rows = slice(first, first + 256)
        metric.update_state(y[rows], output[rows], WEIGHT[rows] if weighted else None)
    np.testing.assert_array_equal(got[-1], metric.result())


@cases
def test_threads_change_no_bit(name, y, loss):
    found = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        try:
            model = model_of(MAKE[name], loss, True)
            with model._plan("fit", model._feeds("fit", X, y, WEIGHT), 64) as plan:
                data = model._feeds("fit", X, y, WEIGHT)
                kept = plan.keeps(ROWS)
                totals = plan.executor.bind(plan.feeds(data), kept)(ROWS, None, 64, n_threads=threads)
                found.append(plan.logs(totals, kept, ROWS))
        finally:
            nn.set_num_threads(None)
    for others in found[1:]:
        assert others.keys() == found[0].keys()
        for key, value in others.items():
            np.testing.assert_array_equal(value, found[0][key], err_msg=key)


@pytest.mark.parametrize("name", ["f1", "r2 of each", "tn", "auc", "mse", "function"])
def test_float64(name):
    got, _ = logs_of(MAKE[name], HOT, "mse", True, dtype="float64")
    plain, _ = logs_of(MAKE[name], HOT, "mse", True, reference.executor.Executor, dtype="float64")
    np.testing.assert_allclose(got, plain, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("executor", [nn.executor.Executor, reference.executor.Executor])
def test_a_class_that_the_loss_ignores(executor):
    """Its id is no place in the outputs: kernels must not look there."""
    ids = np.where(np.arange(ROWS) % 3 == 0, 10**9, IDS)
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4, "softmax")], seed=3)
    model.executor_class = executor
    loss = nn.losses.SparseCategoricalCrossentropy(ignore_class=10**9)
    model.compile("sgd", loss, metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(4)],
                  weighted_metrics=[metrics.SparseCategoricalCrossentropy("log_loss", ignore_class=10**9)])
    logs = model.evaluate(X, ids, verbose=0, sample_weight=np.ones(ROWS), return_dict=True)
    right = model.predict(X).argmax(axis=1) == ids
    assert logs["accuracy"] == pytest.approx(right.mean(), rel=1e-6)
    assert logs["sparse_top_k_categorical_accuracy"] == pytest.approx((ids == IDS).mean(), rel=1e-6)
    some = model.evaluate(X[ids == IDS], IDS[ids == IDS], verbose=0, return_dict=True)
    assert logs["log_loss"] == pytest.approx(some["log_loss"], rel=1e-5)
    with pytest.raises(ValueError, match="must ignore the class that the loss does: ignore_class=1000000000"):
        model.compile("sgd", loss, metrics=["sparse_categorical_crossentropy"])


@pytest.mark.parametrize("name", ["mae", "r2_score", "auc", "precision", "f1_score", "hinge"])
def test_targets_narrower_than_the_outputs_are_refused(name):
    """Some losses take two outputs for each target; kernels would read beyond the targets."""
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4)], seed=3)
    model.compile("sgd", nn.losses.QuantileLoss([0.1, 0.9]), metrics=[name])
    with pytest.raises(ValueError, match=f"metric '{name}': there are 4 outputs, but targets of 2"):
        model.evaluate(X, NUMBERS[:, :2], verbose=0)


def test_weights_are_used_by_weighted_metrics_only():
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4)], seed=3)
    model.compile(nn.optimizers.SGD(0.1), "mse", metrics=["mae", "auc"],
                  weighted_metrics=[metrics.MeanAbsoluteError("weighted"), metrics.AUC(name="auc_weighted")])
    logs = model.evaluate(X, HOT, verbose=0, sample_weight=WEIGHT, return_dict=True)
    error = np.abs(model.predict(X) - HOT).mean(axis=1)
    assert logs["mae"] == pytest.approx(error.mean(), rel=1e-6)
    assert logs["weighted"] == pytest.approx((error * WEIGHT).sum() / WEIGHT.sum(), rel=1e-6)
    assert logs["auc"] != logs["auc_weighted"]
    # Without weights a weighted metric is a plain one.
    logs = model.evaluate(X, HOT, verbose=0, return_dict=True)
    assert logs["weighted"] == logs["mae"] and logs["auc_weighted"] == logs["auc"]
    # A row of weight 0 is no row.
    logs = model.evaluate(X, HOT, verbose=0, sample_weight=np.arange(ROWS) < 100, return_dict=True)
    some = model.evaluate(X[:100], HOT[:100], verbose=0, return_dict=True)
    assert logs["weighted"] == pytest.approx(some["mae"], rel=1e-6) and logs["auc_weighted"] == some["auc"]


def test_each_output_has_its_metrics():
    inputs = nn.Input((5,))
    hidden = nn.layers.Dense(6, "relu")(inputs)
    model = nn.Model(inputs, {"kind": nn.layers.Dense(4, "softmax", name="kind")(hidden),
                              "value": nn.layers.Dense(4, name="value")(hidden)})
    model.compile(nn.optimizers.SGD(0.05), {"kind": "categorical_crossentropy", "value": "mse"},
                  metrics={"kind": ["accuracy", metrics.F1Score(), "auc"], "value": ["r2_score", "mae"]},
                  weighted_metrics={"value": [metrics.R2Score(name="weighted_r2")]})
    history = model.fit(X, {"kind": HOT, "value": NUMBERS}, epochs=3, verbose=0, sample_weight=WEIGHT)
    logs = model.evaluate(X, {"kind": HOT, "value": NUMBERS}, verbose=0, sample_weight=WEIGHT, return_dict=True)
    assert set(logs) == set(history.history) == {
        "loss", "kind_loss", "value_loss", "kind_accuracy", "kind_f1_score", "kind_auc", "value_r2_score", "value_mae",
        "value_weighted_r2",
    }
    outputs = model.predict(X)
    for name, metric, y, weight in (
        ("kind_accuracy", metrics.CategoricalAccuracy(), HOT, None), ("kind_f1_score", metrics.F1Score(), HOT, None),
        ("kind_auc", metrics.AUC(), HOT, None), ("value_r2_score", metrics.R2Score(), NUMBERS, None),
        ("value_weighted_r2", metrics.R2Score(), NUMBERS, WEIGHT),
    ):  # fmt: skip
        np.testing.assert_allclose(logs[name], metric(y, outputs[name.split("_")[0]], weight), rtol=1e-6, err_msg=name)
    assert history.history["value_r2_score"][-1] > history.history["value_r2_score"][0]


def test_arrays_are_shown_and_kept(capsys, tmp_path):
    model = model_of(metrics.F1Score)
    history = model.fit(X, HOT, epochs=2, verbose=2, validation_data=(X[:50], HOT[:50]),
                        callbacks=nn.callbacks.CSVLogger(tmp_path / "log.csv"))
    assert [value.shape for value in history.history["val_f1_score"]] == [(4,), (4,)]
    model.evaluate(X, HOT)
    shown = capsys.readouterr()
    assert "f1_score: [0." in shown.err + shown.out and "f1_score: [0." in shown.out
    assert "f1_score: [0." in repr(history)
    assert "f1_score" in (tmp_path / "log.csv").read_text()
    with pytest.raises(ValueError, match="'f1_score' is 4 numbers, but one is wanted"):
        model.fit(X, HOT, epochs=2, verbose=0, callbacks=nn.callbacks.EarlyStopping("f1_score", mode="max"))


@pytest.mark.parametrize("name", ["auc", "precision", "recall", "r2_score", "top_k_categorical_accuracy"])
def test_callbacks_know_that_more_is_better(name):
    model = model_of(lambda: name)
    stop = nn.callbacks.EarlyStopping(name, patience=1)
    model.fit(X, HOT, epochs=2, verbose=0, callbacks=stop)
    assert stop._direction() == 1


def test_hooks_of_batches_see_metrics_up_to_here():
    model = model_of(lambda: "auc")
    seen = []
    model.evaluate(X, HOT, verbose=0, callbacks=nn.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append(logs["auc"])))
    output = model.predict(X)
    for value, rows in zip(seen, (256, 512, 700), strict=True):
        assert value == metrics.AUC()(HOT[:rows], output[:rows])


SEVERAL = (metrics.F1Score, metrics.AUC, lambda: metrics.R2Score(None), metrics.MeanSquaredError)


def in_training(callbacks=None, data=(X, HOT), **arguments):
    """The histories of some metrics of each kind."""
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(6, "tanh"), nn.layers.Dense(4, "softmax")], seed=3)
    model.compile(nn.optimizers.SGD(0.1), "mse", metrics=[make() for make in SEVERAL])
    return model.fit(*data, epochs=3, verbose=0, shuffle=False, callbacks=callbacks, **arguments).history


def assert_equal(got, want):
    assert got.keys() == want.keys() and len(got) == 5
    for name, values in want.items():
        np.testing.assert_array_equal(np.array(got[name]), np.array(values), err_msg=name)


def test_batches_of_a_generator_give_the_same():
    def batches():
        while True:
            for first in range(0, ROWS, 64):
                yield X[first : first + 64], HOT[first : first + 64]

    assert_equal(in_training(data=(batches(),), steps_per_epoch=-(-ROWS // 64)), in_training(batch_size=64))


class Killed(Exception):
    """In place of the end of a process."""


def test_a_run_that_was_killed_within_an_epoch_gives_the_same(tmp_path):
    want, seen = in_training(batch_size=64), []

    def kill(batch, logs):
        seen.append(batch)
        if len(seen) == 17:
            raise Killed

    def callbacks():
        return [nn.callbacks.BackupAndRestore(tmp_path, save_freq=3), nn.callbacks.LambdaCallback(on_train_batch_end=kill)]

    with pytest.raises(Killed):
        in_training(callbacks(), batch_size=64)
    assert_equal(in_training(callbacks(), batch_size=64), want)
    assert len(seen) > 17 and seen[17] not in (0, 17)  # it went on within an epoch


def test_a_saved_model_keeps_its_metrics(tmp_path):
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4, "softmax")])
    model.compile("sgd", "mse", metrics=[metrics.AUC(curve="PR", name="pr"), metrics.Precision([0.2, 0.4], name="p"),
                                         metrics.FBetaScore("micro", 2.0, 0.3), metrics.R2Score(None), spread],
                  weighted_metrics=[metrics.TopKCategoricalAccuracy(2)])
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    want = model.evaluate(X, HOT, verbose=0, sample_weight=WEIGHT, return_dict=True)
    got = loaded.evaluate(X, HOT, verbose=0, sample_weight=WEIGHT, return_dict=True)
    assert got.keys() == want.keys() and len(got) == 7
    for key, value in want.items():
        np.testing.assert_array_equal(got[key], value, err_msg=key)


@pytest.mark.parametrize(
    ("wanted", "loss", "message"),
    [
        ("auc", "sparse_categorical_crossentropy", "metric 'auc' takes dense targets"),
        ("f1_score", "sparse_categorical_crossentropy", "metric 'f1_score' takes dense targets"),
        ("sparse_top_k_categorical_accuracy", "mse", "takes class ids"),
        ("mean", "mse", "metric 'mean': Mean takes values"),
    ],
)
def test_refused(wanted, loss, message):
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4, "softmax")])
    with pytest.raises((ValueError, TypeError), match=message):
        model.compile("sgd", loss, metrics=[wanted])
