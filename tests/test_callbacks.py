"""Callbacks: when each hook comes, with what, what it may do, and what it costs."""

import copy

import numpy as np
import pytest

import nncore as nn
from nncore import executor, reference
from nncore.callbacks import HOOKS, Callback, CallbackList, LambdaCallback
from nncore.layers import Dense

X = np.random.default_rng(0).normal(size=(50, 3))
Y = X @ [[1.0], [2.0], [-1.0]] + 0.5
EXECUTORS = {"compiled": executor.Executor, "numpy": reference.executor.Executor}


def make(learning_rate=0.05, momentum=0.9, seed=7, kind="compiled"):
    model = nn.Sequential([nn.Input((3,)), Dense(4, "tanh", dtype="float64"), Dense(1, dtype="float64")], seed=seed)
    model.executor_class = EXECUTORS[kind]
    model.compile(nn.optimizers.SGD(learning_rate, momentum), "mse", metrics=["mae"])
    return model


def state(model):
    model._make_slots()  # zero before the first step
    return [variable.numpy().tobytes() for variable in [*model.weights, *model._slots]]


class Recorder(Callback):
    def __init__(self, *hooks):
        super().__init__()
        self.calls = []
        for hook in hooks or [name for name in HOOKS if name != "on_train_pause"]:
            setattr(self, hook, lambda *arguments, hook=hook: self.calls.append((hook, *copy.deepcopy(arguments))))

    def names(self):
        return [call[0].removeprefix("on_") + (str(call[1]) if isinstance(call[1], int) else "") for call in self.calls]


@pytest.mark.parametrize("kind", EXECUTORS)
def test_hooks_come_in_keras_order_with_its_logs(kind):
    recorder, model = Recorder(), make(kind=kind)
    history = model.fit(X, Y, 20, 2, 0, shuffle=False, validation_data=(X[:5], Y[:5]), callbacks=[recorder])
    validation = ["test_begin", "test_batch_begin0", "test_batch_end0", "test_end"]
    batches = [f"train_batch_{what}{batch}" for batch in range(3) for what in ("begin", "end")]
    assert recorder.names() == [
        "train_begin",
        *["epoch_begin0", *batches, *validation, "epoch_end0"],
        *["epoch_begin1", *batches, *validation, "epoch_end1"],
        "train_end",
    ]
    ends = [call for call in recorder.calls if call[0] == "on_epoch_end"]
    for _, epoch, logs in ends:
        assert logs == {name: values[epoch] for name, values in history.history.items()}
        assert list(logs) == ["loss", "mae", "val_loss", "val_mae"]
    assert recorder.calls[-1] == ("on_train_end", ends[-1][2])
    assert recorder.model is model and recorder.params == {"verbose": 0, "epochs": 2, "steps": 3} == history.params


def test_logs_of_a_batch_are_means_over_the_epoch_so_far():
    recorder, model, twin = Recorder("on_train_batch_end"), make(0.01, 0.0), make(0.01, 0.0)
    history = model.fit(X, Y, 20, 2, 0, shuffle=False, callbacks=recorder)
    calls = iter(recorder.calls)
    for epoch in range(2):
        total = np.zeros(2)
        for rows in (slice(0, 20), slice(20, 40), slice(40, 50)):
            total += np.array(twin.train_on_batch(X[rows], Y[rows])) * len(X[rows])
            _, _, logs = next(calls)
            assert np.allclose([logs["loss"], logs["mae"]], total / rows.stop, rtol=1e-12)
        assert logs == {name: values[epoch] for name, values in history.history.items()}
    assert state(model) == state(twin)


@pytest.mark.parametrize("hooks", [(), ("on_train_batch_end",), ("on_train_batch_begin",), HOOKS])
def test_callbacks_change_no_bit(hooks):
    plain, watched = make(), make()
    a = plain.fit(X, Y, 16, 3, 0, validation_split=0.2)
    b = watched.fit(X, Y, 16, 3, 0, validation_split=0.2, callbacks=[Recorder(*hooks)] if hooks else [])
    assert state(plain) == state(watched)
    assert a.history == b.history and plain.optimizer.iterations == watched.optimizer.iterations == 9
    assert plain.evaluate(X, Y, verbose=0) == watched.evaluate(X, Y, verbose=0, callbacks=Recorder())
    assert plain.predict(X).tobytes() == watched.predict(X, 7, callbacks=Recorder()).tobytes()


def entries(monkeypatch, **options):
    """How often the core is entered for an epoch of 50 batches."""
    count = []
    run_program = executor.core.run_program
    monkeypatch.setattr(executor, "PAUSE", 60.0)
    monkeypatch.setattr(executor.core, "run_program", lambda *args: count.append(run_program(*args)))
    try:
        make().fit(X, Y, 1, 1, 0, **options)
    finally:
        monkeypatch.undo()
    return len(count)


def test_only_hooks_of_batches_bring_the_run_back(monkeypatch):
    others = [hook for hook in HOOKS if "train_batch" not in hook]

    class Epochs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    class Batches(Epochs):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert entries(monkeypatch) == 1
    assert entries(monkeypatch, callbacks=[Epochs(), Callback(), Recorder(*others)]) == 1
    assert entries(monkeypatch, callbacks=[Epochs(), Batches()]) == 50
    assert entries(monkeypatch, callbacks=LambdaCallback(on_train_batch_begin=lambda batch, logs: None)) == 50


def test_initial_epoch():
    recorder, whole, parts = Recorder("on_epoch_begin"), make(), make()
    whole.fit(X, Y, 16, 5, 0)
    parts.fit(X, Y, 16, 2, 0)
    history = parts.fit(X, Y, 16, 5, 0, initial_epoch=2, callbacks=recorder)
    assert state(whole) == state(parts)
    assert history.epoch == [2, 3, 4] == [call[1] for call in recorder.calls]
    assert parts.fit(X, Y, 16, 5, 0, initial_epoch=5).epoch == [] and state(whole) == state(parts)
    with pytest.raises(ValueError, match="fit: initial_epoch must be"):
        parts.fit(X, Y, initial_epoch=-1)


def test_stop_training_after_the_epoch():
    def stop(epoch, logs):
        model.stop_training = epoch == 2

    model, twin = make(), make()
    twin.fit(X, Y, 16, 3, 0)
    recorder = Recorder("on_train_end")
    history = model.fit(X, Y, 16, 9, 0, callbacks=[LambdaCallback(on_epoch_begin=stop), recorder])
    assert history.epoch == [0, 1, 2] and model.stop_training and state(model) == state(twin)
    assert len(recorder.calls) == 1
    assert len(model.fit(X, Y, 16, 2, 0).epoch) == 2 and not model.stop_training


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_stop_training_after_the_batch(hook):
    def stop(batch, logs):
        model.stop_training = batch == 1

    model, twin = make(), make()
    history = model.fit(X, Y, 10, 9, 0, shuffle=False, callbacks=LambdaCallback(**{hook: stop}))
    twin_history = twin.fit(X[:20], Y[:20], 10, 1, 0, shuffle=False)
    assert state(model) == state(twin) and model.optimizer.iterations == 2
    assert history.epoch == [0] and history.history == twin_history.history


def test_a_learning_rate_set_before_a_batch_holds_for_it():
    rates = [0.1, 0.01, 0.3]

    def choose(batch, logs):
        model.optimizer.learning_rate = rates[batch]

    model, twin = make(momentum=0.5), make(momentum=0.5)
    model.fit(X, Y, 20, 1, 0, shuffle=False, callbacks=LambdaCallback(on_train_batch_begin=choose))
    for rate, first in zip(rates, (0, 20, 40), strict=True):
        twin.optimizer.learning_rate = rate
        twin.train_on_batch(X[first : first + 20], Y[first : first + 20])
    assert state(model) == state(twin)


def test_what_hooks_may_do(tmp_path):
    """Weights are in step, and the model can be read, set, saved and copied."""
    model, twin, path = make(), make(), tmp_path / "m"

    def begin(batch, logs):
        assert state(model) == state(twin)
        assert model.optimizer.iterations == twin.optimizer.iterations == batch
        if batch == 2:
            for m in (model, twin):
                m.set_weights([w * 0.5 for w in m.get_weights()])

    def end(batch, logs):
        rows = slice(20 * batch, 20 * batch + 20)
        twin.train_on_batch(X[rows], Y[rows])
        assert state(model) == state(twin)
        assert model.predict(X).tobytes() == twin.predict(X).tobytes() == model(X).tobytes()
        assert model.evaluate(X, Y, verbose=0) == twin.evaluate(X, Y, verbose=0)
        model.save(path)
        assert nn.load_model(path).optimizer.iterations == batch + 1
        assert state(copy.deepcopy(model)) == state(model)

    model.fit(X, Y, 20, 1, 0, shuffle=False, callbacks=LambdaCallback(on_train_batch_begin=begin, on_train_batch_end=end))
    assert state(model) == state(twin)


def test_a_model_saved_after_an_epoch_goes_on_as_the_run_did(tmp_path):
    model = make()
    model.fit(X, Y, 16, 4, 0, callbacks=LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.save(tmp_path / str(epoch))))
    again = nn.load_model(tmp_path / "1")
    again.fit(X, Y, 16, 4, 0, initial_epoch=2)
    assert state(model) == state(again) and again.optimizer.iterations == 16


def test_what_hooks_may_not_do():
    model, refused = make(), []

    def meddle(epoch, logs):
        for call in (
            lambda: model.fit(X, Y),
            lambda: model.train_on_batch(X, Y),
            lambda: model.compile("sgd", "mse"),
            lambda: model.add(Dense(1, dtype="float64")),
        ):
            with pytest.raises(RuntimeError, match=r"the model is being trained$"):
                call()
            refused.append(call)

    model.fit(X, Y, verbose=0, callbacks=LambdaCallback(on_epoch_begin=meddle))
    assert len(refused) == 4

    def momentum(epoch, logs):
        model.optimizer.momentum = 0.0

    with pytest.raises(RuntimeError, match="fit: the optimizer was exchanged, or its state, during training"):
        model.fit(X, Y, verbose=0, callbacks=LambdaCallback(on_epoch_begin=momentum))
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if "predict" not in hook])
def test_an_exception_leaves_a_model_that_goes_on(hook):
    """At its second call: the state is that of the batches before it."""
    class Mine(Exception):
        pass

    calls = []

    def fail(*arguments):
        calls.append(1)
        if len(calls) == 2 or "train_" in hook and "batch" not in hook:
            raise Mine("no more")

    model, twin = make(), make()
    with pytest.raises(Mine, match="no more"):
        model.fit(X, Y, 20, 3, 0, shuffle=False, validation_data=(X, Y), callbacks=LambdaCallback(**{hook: fail}))
    batches, epochs = {
        "on_train_begin": (0, 0),
        "on_train_end": (9, 3),
        "on_epoch_begin": (3, 1),
        "on_train_pause": (3, 0),
        "on_train_batch_begin": (1, 0),
        "on_train_batch_end": (2, 0),
    }.get(hook, (6, 2))
    for batch in range(batches):
        rows = slice(batch % 3 * 20, batch % 3 * 20 + 20)
        twin.train_on_batch(X[rows], Y[rows])
    assert state(model) == state(twin)
    assert model.optimizer.iterations == batches and len(model.history.epoch) == epochs
    assert [len(values) for name, values in model.history.history.items() if "val" not in name] == [epochs] * 2 * (epochs > 0)
    model.fit(X, Y, 20, 1, 0, shuffle=False)
    twin.fit(X, Y, 20, 1, 0, shuffle=False)
    assert state(model) == state(twin)


def test_evaluate_and_predict_have_their_hooks():
    model, recorder = make(), Recorder()
    x = np.concatenate([X] * 6)
    y = np.concatenate([Y] * 6)
    values = model.evaluate(x, y, verbose=0, callbacks=[recorder], return_dict=True)
    assert recorder.names() == ["test_begin", "test_batch_begin0", "test_batch_end0", "test_batch_begin1",
                                "test_batch_end1", "test_end"]
    assert recorder.calls[-1][1] == recorder.calls[-2][2] == values
    recorder.calls.clear()
    out = model.predict(x, 200, callbacks=recorder)
    assert recorder.names() == ["predict_begin", "predict_batch_begin0", "predict_batch_end0", "predict_batch_begin1",
                                "predict_batch_end1", "predict_end"]
    assert np.array_equal(np.concatenate([c[2]["outputs"] for c in recorder.calls if "batch_end" in c[0]]), out)


def test_what_is_added_to_logs_comes_into_the_history():
    def note(epoch, logs):
        logs["rate"] = 0.5 ** epoch

    recorder = Recorder("on_epoch_end")
    history = make().fit(X, Y, 20, 2, 0, callbacks=[LambdaCallback(on_epoch_end=note), recorder])
    assert history.history["rate"] == [1.0, 0.5] and recorder.calls[1][2]["rate"] == 0.5


def test_what_is_no_callback():
    for given in ("early", [1], 3, Callback):
        with pytest.raises(TypeError, match="fit: callbacks must be objects of nncore.callbacks.Callback"):
            make().fit(X, Y, callbacks=given)
    with pytest.raises(TypeError, match="on_batch is no hook; there are on_train_begin, "):
        LambdaCallback(on_batch=print)
    one = Callback()
    assert CallbackList(one).callbacks == CallbackList((one,)).callbacks == CallbackList(CallbackList(one)).callbacks


# ---------------------------------------------------------------- what is not finite
def explode(epoch):
    """A callback that makes the loss infinite in one epoch."""
    def set_rate(now, logs):
        callback.model.optimizer.learning_rate = 1e200 if now == epoch else 0.01

    callback = LambdaCallback(on_epoch_begin=set_rate)
    return callback


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("nonfinite", ["raise", "stop", "continue"])
def test_policies_for_a_loss_that_is_not_finite(nonfinite, kind):
    model, good = make(0.01, kind=kind), make(0.01, kind=kind)
    good.fit(X, Y, 10, 2, 0)
    recorder = Recorder("on_epoch_begin", "on_epoch_end", "on_train_end")
    call = lambda: model.fit(X, Y, 10, 4, 0, callbacks=[explode(2), recorder], nonfinite=nonfinite)  # noqa: E731
    if nonfinite == "raise":
        with pytest.raises(nn.NonFiniteError, match=r"fit: the loss became (nan|inf) in epoch 3, batch \d; "):
            call()
        assert not model.stop_training
    else:
        call()
    if nonfinite == "continue":
        assert model.history.epoch == [0, 1, 2, 3] and not np.isfinite(model.history.history["loss"][2:]).any()
        assert model.optimizer.iterations == 20 and not model.stop_training
        return
    assert state(model) == state(good) and model.optimizer.iterations == 10 and model._epochs_done == 2
    assert model.history.epoch == [0, 1] and model.history.history == good.history.history
    ended = ["epoch_begin0", "epoch_end0", "epoch_begin1", "epoch_end1", "epoch_begin2"]
    assert recorder.names() == (ended if nonfinite == "raise" else [*ended, "train_end"])
    if nonfinite == "stop":
        assert model.stop_training
    model.optimizer.learning_rate = good.optimizer.learning_rate = 0.01
    for m in (model, good):
        m.fit(X, Y, 10, 1, 0)
    assert state(model) == state(good)


@pytest.mark.parametrize("nonfinite", ["raise", "stop", "continue"])
def test_policies_for_a_weight_that_is_not_finite_while_the_loss_is(nonfinite):
    model = nn.Sequential([nn.Input((1,)), Dense(1, kernel_initializer="ones")], seed=1)
    model.compile(nn.optimizers.SGD(3e38), "mse")
    before = model.get_weights()
    call = lambda: model.fit([[1.0]], [[-9.0]], epochs=1, verbose=0, nonfinite=nonfinite)  # noqa: E731
    if nonfinite == "raise":
        with pytest.raises(nn.NonFiniteError, match=r"fit: dense/kernel became nan or inf in epoch 1; "):
            call()
    else:
        assert call().history == ({"loss": [100.0]} if nonfinite == "continue" else {})
    same = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert same == (nonfinite != "continue") and model.optimizer.iterations == (nonfinite == "continue")


@pytest.mark.parametrize("nonfinite", ["raise", "stop", "continue"])
def test_a_validation_that_is_not_finite_changes_nothing(nonfinite):
    model, twin = make(), make()
    huge = np.full((5, 1), 1e300)
    history = model.fit(X, Y, 10, 3, 0, validation_data=(X[:5], huge), nonfinite=nonfinite)
    twin.fit(X, Y, 10, 3, 0)
    assert np.isinf(history.history["val_loss"]).all() and history.history["loss"] == twin.history.history["loss"]
    assert state(model) == state(twin) and not model.stop_training


def test_an_unknown_policy():
    with pytest.raises(ValueError, match="fit: nonfinite must be 'raise', 'stop' or 'continue', got 'ignore'"):
        make().fit(X, Y, nonfinite="ignore")
