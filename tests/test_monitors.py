"""Callbacks that watch the logs: numbers of Keras 3, restated from keras/src/callbacks/*_test.py (Apache 2.0) where said."""

import csv
import math
import os
import pickle
import time

import numpy as np
import pytest

import nncore as nn
from nncore.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    StopOnTolerance,
    TimeLimit,
)
from nncore.layers import Dense

X = np.random.default_rng(0).normal(size=(50, 3))
Y = X @ [[1.0], [2.0], [-1.0]] + 0.5


def make(learning_rate=0.05, metrics=("mae",), seed=7):
    model = nn.Sequential([nn.Input((3,)), Dense(4, "tanh", dtype="float64"), Dense(1, dtype="float64")], seed=seed)
    model.compile(nn.optimizers.SGD(learning_rate, 0.9), "mse", metrics=list(metrics))
    return model


class Dummy:
    """What a callback sees of a model: weights are a number."""

    def __init__(self, rate=0.1):
        self.stop_training, self.weights, self.optimizer = False, -1, nn.optimizers.SGD(rate)

    def _resolve_metrics(self):
        return []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def drive(callback, values, name="loss", model=None, stop_at=None):
    """Feed one value per epoch; return the model and the number of epochs."""
    model = model or Dummy()
    callback.set_model(model)
    callback.on_train_begin()
    done = 0
    for epoch, value in enumerate(values):
        model.weights, done = epoch, done + 1
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {} if value is None else {name: value})
        model.stop_training |= epoch == stop_at
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, done


# ---------------------------------------------------------------- early stopping
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_patience_as_in_keras(patience):
    """early_stopping_test.py, test_early_stopping_patience."""
    stop = EarlyStopping("loss", patience=patience)
    drive(stop, [10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5])
    assert stop.stopped_epoch == max(patience, 1) + 2


@pytest.mark.parametrize(
    ("values", "options", "stop_at", "epochs", "best"),
    [
        ([0.2, 0.15, 0.1, 0.11, 0.12], {"patience": 2}, None, 5, 2),
        ([0.9, 0.8, 0.7, 0.71, 0.72, 0.73], {"patience": 5, "baseline": 0.5}, None, 5, 2),
        ([0.9, 0.8, 0.7, 0.71, 0.72, 0.73], {"patience": 5, "baseline": 0.5}, 3, 4, 2),
    ],
)
def test_best_weights_as_in_keras(values, options, stop_at, epochs, best):
    """early_stopping_test.py, test_early_stopping_final_weights_when_restoring_model_weights."""
    stop = EarlyStopping(restore_best_weights=True, **options)
    model, done = drive(stop, values, "val_loss", stop_at=stop_at)
    assert (done, model.weights, stop.best_epoch) == (epochs, best, best)
    stop.restore_best_weights = False
    assert drive(stop, values, "val_loss", stop_at=stop_at)[0].weights == done - 1


def test_what_counts_as_better():
    stop = EarlyStopping("loss", min_delta=-0.5, patience=2)  # the sign does not matter
    assert drive(stop, [10.0, 9.6, 9.5, 9.0])[1] == 3 and stop.best == 10.0
    assert drive(stop, [10.0, 9.4, 9.0, 8.8, 8.0])[1] == 5
    up = EarlyStopping("loss", mode="max", patience=1)
    assert drive(up, [1.0, 2.0, 3.0, 2.5, 9.0])[1] == 4 and up.best == 3.0
    late = EarlyStopping("loss", patience=0, start_from_epoch=3)
    assert drive(late, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])[1] == 5 and late.best == 4.0
    never = EarlyStopping("loss", patience=1, baseline=0.0)
    assert drive(never, [3.0, 2.0, 1.0])[1] == 3  # worse than the baseline, but each better than the one before
    assert never.wait == 3


def test_nan_is_never_the_best():
    stop = EarlyStopping("loss", patience=3)
    assert drive(stop, [math.nan, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5])[1] == 6 and stop.best == 1.0
    assert drive(stop, [math.nan] * 9)[1] == 3 and stop.best is None


def test_a_run_begins_anew():
    stop = EarlyStopping("loss", patience=1)
    assert drive(stop, [1.0, 2.0])[1] == 2
    assert drive(stop, [9.0, 8.0, 7.0])[1] == 3 and stop.stopped_epoch == 0


def test_early_stopping_in_fit():
    kept = []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stop = EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model = make(0.3)
    history = model.fit(X, Y, 16, 60, 0, validation_split=0.3, callbacks=[keep, stop])
    losses = history.history["val_loss"]
    assert 3 < len(losses) < 60 and stop.best_epoch == int(np.argmin(losses)) == len(losses) - 3
    assert model.stop_training and stop.stopped_epoch == len(losses) - 1
    assert all(np.array_equal(a, b) for a, b in zip(kept[stop.best_epoch], model.get_weights(), strict=True))
    assert not np.array_equal(kept[-1][0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("monitor", "sign"),
    [("val_loss", -1), ("loss", -1), ("out_loss", -1), ("mae", -1), ("val_mse", -1), ("accuracy", 1),
     ("val_accuracy", 1), ("acc", 1), ("mine", 1), ("theirs", -1)],
)
def test_the_direction_of_a_metric(monitor, sign):
    class Mine(nn.metrics.MeanSquaredError):
        direction = "up"

    class Theirs(nn.metrics.BinaryAccuracy):
        direction = "down"

    watch = EarlyStopping(monitor)
    watch.set_model(make(metrics=["mae", "mse", "accuracy", "acc", Mine("mine"), Theirs("theirs")]))
    assert watch.sign == sign
    assert EarlyStopping(monitor, mode="max").sign == 1 and EarlyStopping(monitor, mode="min").sign == -1


def test_a_metric_without_a_direction():
    def mine(y_true, y_pred):
        return np.abs(y_pred - y_true).max(axis=1)

    with pytest.raises(ValueError, match=r"EarlyStopping: whether more or less of 'val_mine' is better is not known: g"):
        make(metrics=[mine]).fit(X, Y, epochs=3, verbose=0, validation_split=0.5, callbacks=EarlyStopping("val_mine"))
    make(metrics=[mine]).fit(X, Y, epochs=3, verbose=0, callbacks=EarlyStopping("mine", mode="min"))


def test_a_value_that_is_not_there():
    for callback in (EarlyStopping("val_los"), ReduceLROnPlateau("val_los")):
        with pytest.warns(UserWarning, match="'val_los' is not in the logs and is not watched; there are 'loss'") as seen:
            assert drive(callback, [1.0, 2.0, 3.0])[1] == 3
        assert len(seen) == 1
    with pytest.warns(UserWarning, match="did you mean 'val_loss'"):
        drive(EarlyStopping("vall_loss"), [1.0], "val_loss")
    drive(EarlyStopping("loss"), [1.0, None, 0.5, None])  # an epoch without validation: no warning
    with pytest.raises(KeyError, match="StopOnTolerance: 'los' is not in the logs; there are loss"):
        drive(StopOnTolerance(monitor="los"), [1.0])


@pytest.mark.parametrize(
    ("make_one", "message"),
    [
        (lambda: EarlyStopping(mode="least"), "EarlyStopping: mode must be 'auto', 'min' or 'max', got 'least'"),
        (lambda: EarlyStopping(3), "EarlyStopping: monitor must be the name of a value, got 3"),
        (lambda: EarlyStopping(patience=-1), "EarlyStopping: patience must be at least 0, got -1"),
        (lambda: EarlyStopping(baseline="x"), "EarlyStopping: baseline must be a finite number, got 'x'"),
        (lambda: ReduceLROnPlateau(factor=1.0), "ReduceLROnPlateau: factor must be less than 1, got 1.0"),
        (lambda: ReduceLROnPlateau(factor=0), "ReduceLROnPlateau: factor must be a finite number above 0, got 0"),
        (lambda: LearningRateScheduler(0.1), "LearningRateScheduler: schedule must be a function, got 0.1"),
        (lambda: ModelCheckpoint("x", save_freq="day"), "ModelCheckpoint: save_freq must be 'epoch' or a number of batches, got 'day'"),
        (lambda: ModelCheckpoint("x", save_freq=0), "ModelCheckpoint: save_freq must be at least 1, got 0"),
        (lambda: CSVLogger("x", separator=""), "CSVLogger: separator must be one character, got ''"),
        (lambda: TimeLimit(0), "TimeLimit: seconds must be a finite number above 0, got 0"),
        (lambda: StopOnTolerance(n_epochs=0), "StopOnTolerance: n_epochs must be at least 1, got 0"),
    ],
)
def test_arguments(make_one, message):
    with pytest.raises((ValueError, TypeError)) as error:
        make_one()
    assert str(error.value) == message


# ---------------------------------------------------------------- the learning rate
@pytest.mark.parametrize(
    ("options", "epochs", "rate"),
    [  # reduce_lr_on_plateau_test.py: a min_delta that nothing reaches, so that no epoch but the first is better
        ({"min_delta": 100}, 2, 0.01),
        ({"min_delta": 10, "min_lr": 0.005}, 4, 0.005),
        ({"min_delta": 100, "cooldown": 2}, 4, 0.001),
    ],
)
def test_plateau_as_in_keras(options, epochs, rate):
    lower = ReduceLROnPlateau("val_loss", factor=0.1, patience=1, **options)
    model, _ = drive(lower, [0.5] * epochs, "val_loss")
    assert model.optimizer.learning_rate == pytest.approx(rate, rel=1e-12)


def test_plateau_patience_cooldown_and_printing(capsys):
    rates, values = [], [9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 7.0, 7.0, 7.0, 7.0]

    class Note(ReduceLROnPlateau):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            rates.append((logs["learning_rate"], self.model.optimizer.learning_rate))

    drive(Note("loss", 0.5, 2, cooldown=1, verbose=1), values, model=Dummy(1.0))
    # lowered after epochs 3 and 8; the one after it is the cooldown's and counts, as in Keras, once it is over
    assert rates == [(1, 1), (1, 1), (1, 1), (1, 0.5), (0.5, 0.5), (0.5, 0.25), (0.25, 0.25), (0.25, 0.25),
                     (0.25, 0.125), (0.125, 0.125)]
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch {epoch}: ReduceLROnPlateau reducing learning rate to {rate}."
        for epoch, rate in ((4, 0.5), (6, 0.25), (9, 0.125))]


def test_the_learning_rate_comes_into_the_history():
    model = make(0.01)
    history = model.fit(X, Y, 16, 4, 0, callbacks=ReduceLROnPlateau("loss", 0.5, 1, min_delta=1e9))
    assert history.history["learning_rate"] == [0.01, 0.01, 0.005, 0.0025] and model.optimizer.learning_rate == 0.00125
    # learning_rate_scheduler_test.py
    model = make(0.03)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=LearningRateScheduler(lambda epoch, rate: rate / 2))
    assert history.history["learning_rate"] == [0.015, 0.0075] and model.optimizer.learning_rate == 0.03 / 4
    history = make().fit(X, Y, epochs=3, verbose=0, callbacks=LearningRateScheduler(lambda epoch: 1 / (2 + epoch)))
    assert history.history["learning_rate"] == [1 / 2, 1 / 3, 1 / 4]


def test_a_schedule_is_what_trains(capsys):
    model, twin = make(), make()
    model.fit(X, Y, 16, 3, 0, shuffle=False, callbacks=LearningRateScheduler(lambda epoch: 0.1 / 2**epoch, 1))
    for epoch in range(3):
        twin.optimizer.learning_rate = 0.1 / 2**epoch
        twin.fit(X, Y, 16, 1, 0, shuffle=False)
    assert [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in twin.get_weights()]
    assert capsys.readouterr().out.startswith("Epoch 1: LearningRateScheduler setting learning rate to 0.1.\n")


def test_what_a_schedule_may_not_return():
    for wrong in (None, "0.1", -1.0, math.nan):
        with pytest.raises((TypeError, ValueError), match="LearningRateScheduler: what schedule returns must be"):
            make().fit(X, Y, verbose=0, callbacks=LearningRateScheduler(lambda epoch, rate, wrong=wrong: wrong))

    def broken(epoch, rate):
        raise TypeError("mine")  # an error of the function's own is not one of its arguments

    with pytest.raises(TypeError, match=r"^mine$"):
        make().fit(X, Y, verbose=0, callbacks=LearningRateScheduler(broken))


# ---------------------------------------------------------------- model checkpoints
def test_checkpoint_of_each_epoch(tmp_path, capsys):
    model, kept = make(), []
    path = tmp_path / "made" / "here" / "{epoch:02d}-{val_loss:.2f}.safetensors"
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    history = model.fit(X, Y, 16, 3, 0, validation_split=0.2, callbacks=[keep, ModelCheckpoint(path, verbose=1)])
    names = [f"{epoch + 1:02d}-{value:.2f}.safetensors" for epoch, value in enumerate(history.history["val_loss"])]
    assert sorted(os.listdir(path.parent)) == names
    for name, weights in zip(names, kept, strict=True):
        again = nn.load_model(path.parent / name)
        assert all(np.array_equal(a, b) for a, b in zip(weights, again.get_weights(), strict=True))
    assert capsys.readouterr().out.splitlines() == [f"Epoch {i + 1}: saved {path.parent / n}" for i, n in enumerate(names)]


def saved(tmp_path, values, **options):
    """The epochs that were saved, from 1."""
    save = ModelCheckpoint(tmp_path / "{epoch}", "loss", save_best_only=True, **options)
    model = Dummy()
    model.save = lambda path: open(path, "w").close()
    drive(save, values, model=model)
    found = sorted(map(int, os.listdir(tmp_path)))
    for name in found:
        os.remove(tmp_path / str(name))
    return found


def test_checkpoint_of_the_best_only(tmp_path):
    values = [3.0, 4.0, 2.0, math.nan, 2.0, 1.0]
    assert saved(tmp_path, values) == [1, 3, 6]
    assert saved(tmp_path, values, mode="max") == [1, 2]
    assert saved(tmp_path, values, initial_value_threshold=2.5) == [3, 6]
    assert saved(tmp_path, values, initial_value_threshold=0) == []  # model_checkpoint_test.py, case 13
    with pytest.warns(UserWarning, match="ModelCheckpoint: 'loss' is not in the logs"):
        assert saved(tmp_path, [None, 1.0]) == [1, 2]  # saved, as in Keras, where nobody knows


def test_checkpoint_of_batches(tmp_path):
    """model_checkpoint_test.py, cases 8a (every 15 batches of epochs of 5) and 10a."""
    model = make()
    model.fit(X[:30], Y[:30], 6, 10, 0, callbacks=ModelCheckpoint(tmp_path / "{epoch:02d}", save_freq=15))
    assert sorted(os.listdir(tmp_path)) == ["03", "06", "09"]
    each, kept = ModelCheckpoint(tmp_path / "b{epoch}-{batch}-{loss:.1f}", save_freq=1), []
    keep = LambdaCallback(on_train_batch_end=lambda batch, logs: kept.append((f"{logs['loss']:.1f}", model.get_weights())))
    model.fit(X[:30], Y[:30], 15, 2, 0, callbacks=[keep, each])
    for (epoch, batch), (loss, weights) in zip([(1, 1), (1, 2), (2, 1), (2, 2)], kept, strict=True):
        again = nn.load_model(tmp_path / f"b{epoch}-{batch}-{loss}")
        assert np.array_equal(again.get_weights()[0], weights[0])


def test_only_checkpoints_of_batches_ask_for_batches(tmp_path):
    assert "on_train_batch_end" not in CallbackList([ModelCheckpoint("x"), TimeLimit(1), EarlyStopping(), StopOnTolerance()])
    counting = pickle.loads(pickle.dumps(ModelCheckpoint("x", save_freq=2)))
    assert "on_train_batch_end" in CallbackList(counting)


def test_a_path_that_cannot_be_made(tmp_path):
    with pytest.raises(KeyError, match="ModelCheckpoint: filepath '{val_acc}' asks for 'val_acc'; there are epoch, loss, mae"):
        make().fit(X, Y, verbose=0, callbacks=ModelCheckpoint("{val_acc}"))
    with pytest.raises(OSError, match="cannot save"):
        make().fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path))


# ---------------------------------------------------------------- .csv
def rows(path, **options):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, **options))


def test_csv_logger(tmp_path):
    path = tmp_path / "log.tsv"
    logger = CSVLogger(path, separator="\t")
    history = make().fit(X, Y, 16, 3, 0, validation_split=0.2, callbacks=logger)
    found = rows(path, delimiter="\t")
    assert list(found[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    for epoch, row in enumerate(found):
        assert int(row.pop("epoch")) == epoch
        assert {name: float(value) for name, value in row.items()} == {n: v[epoch] for n, v in history.history.items()}
    # csv_logger_test.py, cases 2 and 3: appended without a second header, also by the same object
    more = CSVLogger(path, separator="\t", append=True)
    make().fit(X, Y, 16, 1, 0, validation_split=0.2, callbacks=more)
    make().fit(X, Y, 16, 2, 0, validation_split=0.2, callbacks=more)
    assert [row["epoch"] for row in rows(path, delimiter="\t")] == list("012001")
    make().fit(X, Y, 16, 1, 0, validation_split=0.2, callbacks=logger)
    assert len(rows(path, delimiter="\t")) == 1
    fresh = CSVLogger(tmp_path / "new.csv", append=True)
    make().fit(X, Y, 16, 1, 0, callbacks=fresh)
    assert rows(tmp_path / "new.csv")[0]["val_loss"] == "NA"


def test_csv_of_validations_that_come_later(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 0.5})
    logger.on_epoch_end(1, {"loss": 0.25, "val_loss": 0.75, "more": 1})
    logger.on_epoch_end(2, {"loss": np.float32(0.125), "val_loss": [1, 2]})
    assert (tmp_path / "log.csv").read_bytes() == (
        b'epoch,loss,val_loss\r\n0,0.5,NA\r\n1,0.25,0.75\r\n2,0.125,"""[1, 2]"""\r\n')


def test_csv_goes_on_where_the_state_says(tmp_path):
    path, whole = tmp_path / "log.csv", CSVLogger(tmp_path / "whole.csv")
    logger = CSVLogger(path)
    for callback in (logger, whole):
        callback.on_train_begin()
        for epoch in range(3):
            callback.on_epoch_end(epoch, {"loss": 10.0 ** -epoch})
            if epoch == 1:
                state = callback.get_state()
    again = CSVLogger(path)
    again.on_train_begin()
    again.set_state(state)
    again.on_epoch_end(2, {"loss": 0.01})
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()


# ---------------------------------------------------------------- time, tolerance
def test_time_limit(capsys):
    limit = TimeLimit(0.2, verbose=1)
    start = time.monotonic()
    history = make().fit(X, Y, 16, 10**9, 0, callbacks=limit)
    assert 0.2 <= time.monotonic() - start < 10 and len(history.epoch) >= 1
    assert capsys.readouterr().out == "TimeLimit: 0.2 seconds are over, training ends\n"
    again = TimeLimit(0.2)
    again.on_train_begin()
    again.set_state({"elapsed": 0.19})
    assert 0.19 <= again.get_state()["elapsed"] < 5


def test_stop_on_tolerance():
    values = [5.0, 4.0, 3.0, 2.99, 3.5, 2.98, 2.97, 2.9, 1.0]
    for tol, n_epochs, epochs in ((0.5, 2, 5), (0.02, 2, 5), (0.015, 3, 9), (0.005, 1, 5), (0, 2, 9), (0, 1, 5)):
        stop = StopOnTolerance(tol, n_epochs)
        assert drive(stop, values)[1] == epochs, (tol, n_epochs)
    stop = StopOnTolerance(0.5, 2)
    drive(stop, values)
    assert stop.reason == "the loss fell by 0.01 in 2 epochs"


def flat(found):
    return np.sqrt(sum(float((gradient.astype(np.float64) ** 2).sum()) for gradient in found.values()))


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
@pytest.mark.parametrize("optimizer", [
    lambda: nn.optimizers.SGD(0.05, 0.9), lambda: nn.optimizers.Adam(0.01, global_clipnorm=0.1),
    lambda: nn.optimizers.SGD(0.05, clipnorm=0.2), lambda: nn.optimizers.SGD(0.05, gradient_accumulation_steps=2)])
def test_the_norm_of_the_gradient(optimizer, kind):
    """Against `model.gradients`: of the full batch, and the root of the mean square of batches."""
    def new():
        model = make()
        model.executor_class = nn.executor.Executor if kind == "compiled" else nn.reference.executor.Executor
        model.compile(optimizer(), "mse")
        return model

    wants = StopOnTolerance(None, gradient_tol=0.0)
    model, plain, before = new(), new(), []
    note = LambdaCallback(on_epoch_begin=lambda epoch, logs: before.append(flat(model.gradients(X, Y))))
    found = model.fit(X, Y, 50, 4, 0, callbacks=[wants, note]).history["gradient_norm"]
    assert found == pytest.approx(before, rel=1e-12)
    assert "gradient_norm" not in plain.fit(X, Y, 50, 4, 0).history
    assert [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in plain.get_weights()]  # it changes nothing
    before.clear()
    model = new()
    note = LambdaCallback(on_train_batch_begin=lambda batch, logs: before.append(
        flat(model.gradients(X[20 * batch : 20 * batch + 20], Y[20 * batch : 20 * batch + 20])) ** 2 * (20, 20, 10)[batch]))
    found = model.fit(X, Y, 20, 1, 0, shuffle=False, callbacks=[wants, note]).history["gradient_norm"]
    assert found == pytest.approx([np.sqrt(sum(before) / 50)], rel=1e-12)
    assert list(model.train_on_batch(X, Y, return_dict=True)) == list(model.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss"]


def test_penalties_are_in_the_gradient():
    model = nn.Sequential([nn.Input((3,)), Dense(1, dtype="float64", kernel_regularizer=nn.regularizers.L2(0.3))], seed=1)
    model.compile("sgd", "mse")
    kernel, bias = (w.astype(np.float64) for w in model.get_weights())
    error = X @ kernel + bias - Y
    gradient = np.concatenate([(2 / 50 * X.T @ error + 2 * 0.3 * kernel).ravel(), 2 / 50 * error.sum(axis=0)])
    history = model.fit(X, Y, 50, 1, 0, callbacks=StopOnTolerance(None, gradient_tol=0.0)).history
    assert history["gradient_norm"] == pytest.approx([np.sqrt((gradient**2).sum())], rel=1e-9)


def test_stop_on_a_small_gradient(capsys):
    """Full-batch gradient descent on least squares: the norm of the gradient is that of the formula."""
    model = nn.Sequential([nn.Input((3,)), Dense(1, dtype="float64")], seed=1)
    model.compile(nn.optimizers.SGD(0.3), "mse")
    stop = StopOnTolerance(None, gradient_tol=1e-6, verbose=1)
    norms = model.fit(X, Y, 50, 10_000, 0, callbacks=stop).history["gradient_norm"]
    assert len(norms) < 1000 and norms[-2] > 1e-6 >= norms[-1] and model.stop_training
    design = np.concatenate([X, np.ones((50, 1))], axis=1)
    exact = np.linalg.lstsq(design, Y, rcond=None)[0]
    assert np.allclose(np.concatenate([model.get_weights()[0], model.get_weights()[1][None]]), exact, atol=1e-5)
    assert stop.reason.startswith("the gradient's norm is ") and "training ends" in capsys.readouterr().out
    with pytest.raises(ValueError, match="StopOnTolerance: give tol, gradient_tol or both"):
        StopOnTolerance(None)


def test_state_survives(tmp_path):
    """Each callback goes on from its state as if nothing had been, at every epoch."""
    values = [5.0, 4.0, 4.2, 3.0, 3.1, 3.2, 2.0, 2.5, 2.5, 2.5, 2.5, 2.4]
    for new in (
        lambda: EarlyStopping("loss", patience=4, restore_best_weights=True),
        lambda: ReduceLROnPlateau("loss", 0.5, 2, cooldown=1),
        lambda: ModelCheckpoint(tmp_path / "{epoch}", "loss", save_best_only=True),
        lambda: StopOnTolerance(0.1, 3),
    ):
        def run(cut=None, new=new):
            callback, model, seen = new(), Dummy(), []
            model.save = lambda path: seen.append(path)
            callback.set_model(model)
            callback.on_train_begin()
            for epoch, value in enumerate(values):
                if epoch == cut:
                    state = callback.get_state()
                    callback = new()
                    callback.set_model(model)
                    callback.on_train_begin()
                    callback.set_state(state)
                model.weights = epoch
                callback.on_epoch_end(epoch, {"loss": value})
                seen.append((model.optimizer.learning_rate, model.stop_training))
            callback.on_train_end()
            return seen, model.weights

        whole = run()
        assert all(run(cut) == whole for cut in range(len(values))), new()


# ---------------------------------------------------------------- the list
def test_callbacks_that_are_last():
    calls = []

    class Mine(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            calls.append(type(self).__name__)
            assert [type(peer).__name__ for peer in self.peers] == ["Mine", "Mine", "Last"]

    class Last(Mine):
        last = True

    make().fit(X, Y, verbose=0, callbacks=[Last(), Mine(), Mine()])
    assert calls == ["Mine", "Mine", "Last"]


def test_older_names_of_the_hooks_of_a_batch():
    class Old(Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_batch_begin(self, batch, logs=None):
            self.calls.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            self.calls.append(("end", batch))

    old = Old()
    make().fit(X, Y, 30, 1, 0, callbacks=old)
    assert old.calls == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
