"""fit, evaluate and predict on batches that somebody makes, on files, with augmentation and steps."""

import os
import signal
import time
import tracemalloc

import numpy as np
import pytest

import nncore as nn
from nncore import executor, reference
from nncore.callbacks import BackupAndRestore, Callback, LambdaCallback, TerminateOnNaN, TimeLimit
from nncore.data import augment
from nncore.layers import Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = (X @ [[1.0], [2.0], [-1.0]] + 0.5).astype(np.float32)
W = (1 + np.arange(50) % 3).astype(np.float32)
EXECUTORS = {"compiled": executor.Executor, "numpy": reference.executor.Executor}


def make(rate=0.05, momentum=0.9, kind="compiled", metrics=("mae",), seed=7, built=True):
    model = nn.Sequential([*([nn.Input((3,))] if built else []), Dense(20, "tanh"), Dense(1)], seed=seed)
    model.executor_class = EXECUTORS[kind]
    model.compile(nn.optimizers.SGD(rate, momentum), "mse", metrics=list(metrics))
    return model


def state(model):
    return ([w.tobytes() for w in model.get_weights()], [slot.numpy().tobytes() for slot in model._slots],
            model.optimizer.iterations)


class Rows(nn.utils.PyDataset):
    """Rows of arrays, so many at a time."""

    def __init__(self, *arrays, size=16):
        super().__init__()
        self.arrays, self.size, self.asked = arrays, size, []

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index):
        self.asked.append(index)
        rows = slice(index * self.size, index * self.size + self.size)
        return tuple(array[rows] for array in self.arrays)


class Pairs:
    """No PyDataset, but it has what is needed."""

    def __init__(self, *arrays, size=16):
        self.rows = Rows(*arrays, size=size)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return list(self.rows[index])


def stream_of(kind, *arrays, size=16):
    """The same batches from each kind of source, for as many epochs as wanted."""
    rows = Rows(*arrays, size=size)

    def generate():
        while True:
            yield from rows

    class Again:
        def __iter__(self):
            return iter(rows)

    return {"data set": rows, "pairs": Pairs(*arrays, size=size), "generator": generate(), "iterable": Again()}[kind]


# ---------------------------------------------------------------- the same bits as arrays
@pytest.mark.parametrize("executor_kind", EXECUTORS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["data set", "pairs", "generator", "iterable"])
def test_batches_train_as_arrays_do(kind, weighted, executor_kind):
    arrays = (X, Y, W) if weighted else (X, Y)
    plain, model = make(kind=executor_kind), make(kind=executor_kind)
    a = plain.fit(X, Y, 16, 3, 0, shuffle=False, sample_weight=W if weighted else None, validation_data=arrays)
    steps = 4 if kind == "generator" else None
    b = model.fit(stream_of(kind, *arrays), epochs=3, verbose=0, shuffle=False, steps_per_epoch=steps,
                  validation_data=Rows(*arrays, size=50))
    assert state(model) == state(plain) and a.history == b.history and b.epoch == [0, 1, 2]
    assert b.params == {"epochs": 3, "steps": None if kind == "iterable" else 4, "verbose": 0}
    evaluated = plain.evaluate(*arrays[:2], 256, 0, *arrays[2:])
    assert model.evaluate(Rows(*arrays, size=256), verbose=0) == evaluated
    assert model.predict(Rows(X)).tobytes() == plain.predict(X).tobytes() == model.predict(iter(Rows(*arrays))).tobytes()


def test_metrics_that_look_at_all_rows_again():
    ids = (Y[:, 0] > 0.5).astype(int)
    def new():
        model = nn.Sequential([nn.Input((3,)), Dense(8, "tanh"), Dense(1, "sigmoid")], seed=3)
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy", nn.metrics.AUC()],
                      weighted_metrics=[nn.metrics.Precision()])
        return model

    plain, model, steps = new(), new(), new()
    a = plain.fit(X, ids, 16, 3, 0, shuffle=False, sample_weight=W)
    b = model.fit(Rows(X, ids, W), epochs=3, verbose=0, shuffle=False)
    assert state(model) == state(plain) and a.history == b.history and len(a.history) == 4
    c = steps.fit(X, ids, 16, 6, 0, shuffle=False, sample_weight=W, steps_per_epoch=2)
    d = new().fit(Rows(X, ids, W), epochs=6, verbose=0, shuffle=False, steps_per_epoch=2)
    assert c.history == d.history and state(steps) == state(model)
    e = new().fit(X, ids, 16, 3, 0, shuffle=False, sample_weight=W, steps_per_epoch=6)  # rows are seen twice
    f = new().fit(Rows(X, ids, W), epochs=3, verbose=0, shuffle=False, steps_per_epoch=6)
    assert e.history == f.history
    assert plain.evaluate(X, ids, 256, 0, W) == model.evaluate(Rows(X, ids, W, size=256), verbose=0)


def test_the_order_of_batches_is_made_from_the_seed():
    data, model, twin = Rows(X, Y, size=8), make(), make()
    model.fit(data, epochs=3, verbose=0)
    orders = [nn.random.permutation(7, 7, epoch).tolist() for epoch in range(3)]
    assert [data.asked[7 * i : 7 * i + 7] for i in range(3)] == orders
    for batch in sum(orders, []):
        twin.train_on_batch(X[8 * batch : 8 * batch + 8], Y[8 * batch : 8 * batch + 8])
    assert state(model) == state(twin)
    model.fit(data, epochs=1, verbose=0)
    assert data.asked[21:] == nn.random.permutation(7, 7, 3).tolist()


def test_batches_of_any_size_and_kind():
    sizes = [3, 17, 1, 29]
    edges = np.cumsum([0, *sizes])
    def batches():
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            yield X[first:last].astype(np.float64), Y[first:last].tolist()

    model, twin = make(built=False), make()
    history = model.fit(batches(), epochs=1, verbose=0)
    total = 0.0
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        total += twin.train_on_batch(X[first:last], Y[first:last])[0] * (last - first)
    assert state(model) == state(twin)
    assert history.history["loss"] == [pytest.approx(total / 50, rel=1e-6)]
    assert model.predict(x for x, y in batches()).tobytes() == model.predict(X).tobytes()


def test_several_inputs_and_outputs():
    def new():
        a, b = nn.Input((3,), name="a"), nn.Input((2,), name="b")
        hidden = nn.layers.Concatenate()([Dense(4, "tanh")(a), b])
        model = nn.Model({"a": a, "b": b}, [Dense(1, name="p")(hidden), Dense(1, name="q")(hidden)], seed=1)
        model.compile("sgd", "mse")
        return model

    b, z = X[:, :2] * 2, Y**2
    plain, model = new(), new()
    plain.fit({"a": X, "b": b}, [Y, z], 16, 2, 0, shuffle=False)

    class Dicts(Rows):
        def __getitem__(self, index):
            a, b, y, z = super().__getitem__(index)
            return {"b": b, "a": a}, (y, z)

    data = Dicts(X, b, Y, z)
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    assert state(model) == state(plain)
    for one, two in zip(model.predict(data), plain.predict([X, b]), strict=True):
        assert one.tobytes() == two.tobytes()
    changed = new()
    changed.fit({"a": X, "b": b}, [Y, z], 16, 2, 0, shuffle=False, augment=lambda x, y, rng: (
        {"a": x["a"] * 2, "b": x["b"]}, [y[0] + 1, y[1]]))
    twin = new()
    twin.fit({"a": X * 2, "b": b}, [Y + 1, z], 16, 2, 0, shuffle=False)
    assert state(changed) == state(twin)


@pytest.mark.parametrize("optimizer", [
    lambda: nn.optimizers.SGD(0.05),
    lambda: nn.optimizers.Adam(nn.optimizers.schedules.ExponentialDecay(0.05, 3, 0.7), gradient_accumulation_steps=3),
    lambda: nn.optimizers.RMSprop(0.01, use_ema=True, ema_overwrite_frequency=5),
], ids=["sgd", "schedule, accumulation", "averages"])
def test_the_number_of_the_step_is_the_same_however_a_run_is_cut(optimizer):
    """Masks, schedules and accumulation go by it."""
    def new():
        model = nn.Sequential([nn.Input((3,)), nn.layers.GaussianNoise(0.1), Dense(20, "tanh"), nn.layers.Dropout(0.4), Dense(1)],
                              seed=3)
        model.compile(optimizer(), "mse")
        return model

    hook = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    runs = [
        lambda model: model.fit(X, Y, 16, 6, 0, shuffle=False),
        lambda model: model.fit(X, Y, 16, 6, 0, shuffle=False, callbacks=hook),
        lambda model: model.fit(X, Y, 16, 8, 0, shuffle=False, steps_per_epoch=3),
        lambda model: model.fit(X, Y, 16, 3, 0, shuffle=False, steps_per_epoch=8, callbacks=hook),
        lambda model: model.fit(Rows(X, Y), epochs=6, verbose=0, shuffle=False),
        lambda model: model.fit(X, Y, 16, 6, 0, shuffle=False, augment=lambda x, y, rng: (x, y)),
    ]
    found = []
    for run in runs:
        model = new()
        run(model)
        found.append(state(model))
        assert model.optimizer.steps == 24
    assert all(one == found[0] for one in found)


def test_class_weights_of_batches():
    ids = (Y[:, 0] > 0.5).astype(int)
    def new():
        model = nn.Sequential([nn.Input((3,)), Dense(2, "softmax")], seed=3)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    plain, model = new(), new()
    weights = {0: 1.0, 1: 3.5}
    plain.fit(X, ids, 16, 2, 0, shuffle=False, sample_weight=W, class_weight=weights)
    model.fit(Rows(X, ids, W), epochs=2, verbose=0, shuffle=False, class_weight=weights)
    assert state(model) == state(plain)
    changed = new()
    changed.fit(X, ids, 16, 2, 0, shuffle=False, sample_weight=W, class_weight=weights, augment=lambda x, y, rng: (x, y))
    assert state(changed) == state(plain)
    with pytest.raises(ValueError, match="fit: class_weight='balanced' needs all targets at once, but x is batches"):
        model.fit(Rows(X, ids), class_weight="balanced")


# ---------------------------------------------------------------- what does not go
@pytest.mark.parametrize(("options", "message"), [
    ({"y": Y}, "fit: y cannot be given where x is batches, which are"),
    ({"sample_weight": W}, "fit: sample_weight cannot be given where x is batches"),
    ({"batch_size": 8}, "fit: batch_size cannot be given where x is batches"),
    ({"validation_split": 0.1}, "fit: validation_split cannot be given where x is batches"),
    ({"steps_per_epoch": 0}, "fit: steps_per_epoch must be at least 1, got 0"),
    ({"validation_freq": 0}, "fit: validation_freq must be at least 1, got 0"),
    ({"validation_freq": "x"}, "fit: validation_freq must be an integer, got 'x'"),
    ({"augment": 3}, r"fit: augment must be a function f\(x, y, rng\) or a list of them, got 3"),
])
def test_arguments(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make().fit(Rows(X, Y), verbose=0, **options)


@pytest.mark.parametrize("options", [{"validation_steps": 2}, {"validation_batch_size": 4}, {"validation_freq": 2},
                                     {"validation_freq": [1, 3]}], ids=lambda options: next(iter(options)))
def test_how_to_validate_wants_something_to_validate_on(options):
    message = f"^fit: {next(iter(options))} is given, but neither validation_data nor validation_split is$"
    for data in ((X, Y), (Rows(X, Y),)):
        model = make()
        before = model.get_weights()
        with pytest.raises(ValueError, match=message):
            model.fit(*data, verbose=0, **options)
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert "val_loss" in make().fit(X, Y, epochs=3, verbose=0, validation_split=0.2, **options).history
    make().fit(X, Y, verbose=0, validation_freq=1)


def test_batches_that_are_wrong():
    bad = X.copy()
    bad[20, 1] = np.nan
    for data, error, message in (
        (Rows(bad, Y), ValueError, "fit: batch 2: x holds nan at row 4, column 1"),
        (Rows(X[:, :2], Y), ValueError, r"fit: batch 1: x must have shape \(samples, 3\), got shape \(16, 2\)"),
        (Rows(X), ValueError, "fit: batch 1: y is missing"),
        (Rows(X, Y, W, W), ValueError, "a batch must be x, .*, got tuple of 4"),
        (iter([(X, Y), (X[:0], Y[:0])]), ValueError, "fit: batch 2: x has no rows"),
        (iter([]), ValueError, "fit: x gives no batch"),
        (object(), (TypeError, ValueError), "fit: x must be an array of real numbers"),
    ):
        with pytest.raises(error, match=message):
            make().fit(data, verbose=0, shuffle=False)
    model = make(built=False)
    with pytest.raises(ValueError, match="fit: x gives no batch"):
        model.fit(iter([]), verbose=0)
    assert not model.built
    with pytest.raises(ValueError, match="predict: x gives no batch"):
        make().predict(iter([]))
    with pytest.raises(ValueError, match="evaluate: there is no batch"):
        make().evaluate(iter([]), verbose=0)
    with pytest.raises(RuntimeError, match="fit: the model has no loss"):
        nn.Sequential([nn.Input((3,)), Dense(1)]).fit(Rows(X, Y))


def test_data_that_run_out():
    model, twin = make(), make()
    with pytest.warns(UserWarning, match="fit: the data ran out in epoch 2 and training ends") as seen:
        history = model.fit(iter(Rows(X, Y)), epochs=3, verbose=0)
    assert os.path.samefile(seen[0].filename, __file__)
    assert history.epoch == [0] and model.stop_training
    twin.fit(X, Y, 16, 1, 0, shuffle=False)
    assert state(model) == state(twin)
    model, ends = make(), []
    with pytest.warns(UserWarning, match="fit: the data ran out in epoch 2"):
        history = model.fit(iter(Rows(X, Y)), epochs=5, verbose=0, steps_per_epoch=3,
                            callbacks=LambdaCallback(on_train_end=ends.append))
    assert history.epoch == [0, 1] and state(model) == state(twin) and len(ends) == 1  # the second has one batch
    with pytest.raises(ValueError, match="fit: validation: there is no batch; an iterator gives each batch once"):
        make().fit(X, Y, epochs=2, verbose=0, validation_data=iter(Rows(X, Y)))


def test_an_error_of_the_data_is_the_callers():
    class Mine(Exception):
        pass

    def fails():
        yield from list(Rows(X, Y))[:2]
        raise Mine("no more")

    model, twin = make(), make()
    with pytest.raises(Mine, match="no more"):
        model.fit(fails(), epochs=3, verbose=0)
    twin.fit(X[:32], Y[:32], 16, 1, 0, shuffle=False)
    assert state(model) == state(twin) and model.history.epoch == []
    model.fit(X, Y, epochs=1, verbose=0)


def test_ctrl_c_between_batches():
    def interrupted():
        for number, batch in enumerate(list(Rows(X, Y)) * 9):
            if number == 6:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    model, twin = make(), make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(interrupted(), epochs=3, steps_per_epoch=4, verbose=0)
    done = model.optimizer.iterations
    assert done in (6, 7) and model.history.epoch == [0]
    for batch in (list(Rows(X, Y)) * 2)[:done]:
        twin.train_on_batch(*batch)
    assert state(model) == state(twin)


@pytest.mark.parametrize("nonfinite", ["raise", "stop", "continue"])
def test_policies_for_a_loss_that_is_not_finite(nonfinite):
    """In the second epoch, in the middle: as with arrays."""
    def blow(batch, logs):
        for model in models:
            if model.optimizer.iterations == 5:
                model.optimizer.learning_rate = 1e30

    models = plain, model = make(momentum=0.0), make(momentum=0.0)
    messages, hook = [], LambdaCallback(on_train_batch_begin=blow)
    for one, args in ((plain, (X, Y, 16)), (model, (Rows(X, Y),))):
        try:
            one.fit(*args, epochs=3, verbose=0, shuffle=False, callbacks=hook, nonfinite=nonfinite)
            messages.append("")
        except nn.NonFiniteError as error:
            messages.append(str(error))
    assert messages[0] == messages[1] and bool(messages[0]) == (nonfinite == "raise")
    assert state(plain) == state(model) and plain.stop_training == model.stop_training == (nonfinite == "stop")
    if nonfinite != "continue":
        assert np.isfinite(model.get_weights()[0]).all() and model.optimizer.iterations == 4
        assert model.history.epoch == [0] and model.history.history == plain.history.history


def test_hooks_of_batches_and_what_they_see():
    calls = []
    hooks = LambdaCallback(**{name: lambda *given, name=name: calls.append((name, *given)) for name in (
        "on_train_batch_begin", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end")})
    model, plain = make(), make()
    history = model.fit(Rows(X, Y), epochs=1, verbose=0, shuffle=False, callbacks=hooks, validation_data=Rows(X, Y, size=30))
    plain_calls, calls = calls, []
    plain.fit(X, Y, 16, 1, 0, shuffle=False, callbacks=hooks)
    train = [call for call in plain_calls if "train" in call[0]]
    assert train == calls and len(train) == 8 and train[-1][2]["loss"] == history.history["loss"][0]
    assert [call[1] for call in plain_calls if "test" in call[0]] == [0, 1]
    calls.clear()
    model.predict(Rows(X), callbacks=hooks)
    assert [len(call[2]["outputs"]) for call in calls] == [16, 16, 16, 2]
    with pytest.raises(RuntimeError, match="the optimizer was exchanged, or its state, during training"):
        model.fit(Rows(X, Y), epochs=2, verbose=0,
                  callbacks=LambdaCallback(on_epoch_end=lambda *_: setattr(model.optimizer, "momentum", 0.0)))


def test_what_is_printed(capsys):
    make().fit(Rows(X, Y), epochs=2, verbose=2)
    make().fit((b for b in Rows(X, Y)), epochs=1, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2", "Epoch 1/1"]
    assert all("loss: " in line for line in lines)


# ---------------------------------------------------------------- steps
@pytest.mark.parametrize("executor_kind", EXECUTORS)
@pytest.mark.parametrize("by_batch", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 4, 7, 9])
def test_epochs_of_so_many_batches(steps, by_batch, executor_kind):
    """A stream of passes, each in an order of its own, that epochs are cut of."""
    hooks = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append((batch, logs["loss"]))) if by_batch else None
    model, twin, seen = make(kind=executor_kind), make(kind=executor_kind), []
    history = model.fit(X, Y, 16, 3, 0, steps_per_epoch=steps, callbacks=hooks)
    batches = [nn.random.permutation(50, 7, number)[first : first + 16] for number in range(9) for first in range(0, 50, 16)]
    losses = []
    for epoch in range(3):
        total, rows = 0.0, 0
        for batch in batches[epoch * steps : epoch * steps + steps]:
            total += twin.train_on_batch(X[batch], Y[batch])[0] * len(batch)
            rows += len(batch)
        losses.append(total / rows)
    assert state(model) == state(twin) and history.history["loss"] == pytest.approx(losses, rel=1e-6)
    assert history.params["steps"] == steps and model._epochs_done == -(-3 * steps // 4)
    if by_batch:
        assert [batch for batch, _ in seen] == list(range(steps)) * 3 and seen[-1][1] == history.history["loss"][-1]


def test_steps_of_evaluate_and_predict():
    model = make()
    assert model.evaluate(X, Y, 16, 0, steps=2) == model.evaluate(X[:32], Y[:32], verbose=0)
    assert model.evaluate(Rows(X, Y, size=32), verbose=0, steps=1) == model.evaluate(X[:32], Y[:32], verbose=0)
    assert np.array_equal(model.predict(X, 16, steps=2), model.predict(X[:32]))
    assert np.array_equal(model.predict(X, steps=1), model.predict(X[:32]))
    assert np.array_equal(model.predict(Rows(X), steps=3), model.predict(X[:48]))
    with pytest.raises(ValueError, match="predict: batch_size cannot be given where x is batches"):
        model.predict(Rows(X), 3)
    with pytest.raises(ValueError, match="evaluate: steps must be at least 1"):
        model.evaluate(X, Y, steps=0)


def test_validation_when_and_on_what():
    def history(**options):
        return make().fit(X, Y, 16, 6, 0, shuffle=False, validation_data=(X[:20], Y[:20]), **options).history

    every = history()["val_loss"]
    assert history(validation_freq=2)["val_loss"] == every[1::2]
    assert history(validation_freq=[1, 4, 9])["val_loss"] == [every[0], every[3]]
    assert history(validation_freq=range(2, 4))["val_loss"] == every[1:3]
    assert "val_loss" not in history(validation_freq=7)
    part = make().fit(X, Y, 16, 6, 0, shuffle=False, validation_data=(X[:12], Y[:12])).history["val_loss"]
    assert history(validation_steps=2, validation_batch_size=6)["val_loss"] == part != every
    rows = Rows(X[:20], Y[:20], size=6)
    assert make().fit(X, Y, 16, 6, 0, shuffle=False, validation_data=rows, validation_steps=2).history["val_loss"] == \
        pytest.approx(part, rel=1e-6)
    assert rows.asked == [0, 1] * 6  # always the first ones
    stream = iter(Rows(np.tile(X, (3, 1)), np.tile(Y, (3, 1)), size=25))
    each = make().fit(X, Y, 16, 6, 0, shuffle=False, validation_data=stream, validation_steps=1).history["val_loss"]
    halves = [make().fit(X, Y, 16, 6, 0, shuffle=False, validation_data=(X[p], Y[p])).history["val_loss"]
              for p in (slice(25), slice(25, None))]
    assert each == [halves[epoch % 2][epoch] for epoch in range(6)]


# ---------------------------------------------------------------- augmentation
def test_augmentation_that_changes_nothing():
    seen = []

    def look(x, y, rng):
        assert x.dtype == np.float32 and x.flags.writeable and not np.shares_memory(x, X)
        seen.append((x.copy(), y.copy(), rng.integers(10**9)))
        return x, y

    plain, model = make(), make()
    a = plain.fit(X, Y, 16, 3, 0, sample_weight=W, validation_split=0.2)
    b = model.fit(X, Y, 16, 3, 0, sample_weight=W, validation_split=0.2, augment=look)
    assert state(plain) == state(model) and a.history == b.history
    order = nn.random.permutation(40, 7, 1)
    assert np.array_equal(seen[4][0], X[order[:9]][: len(seen[4][0])]) or np.array_equal(seen[3][0], X[order[:16]])
    assert len({number for _, _, number in seen}) == len(seen) == 9
    again = make()
    numbers, seen = [number for _, _, number in seen], []
    again.fit(X, Y, 16, 3, 0, sample_weight=W, validation_split=0.2, augment=look)
    assert [number for _, _, number in seen] == numbers
    other = make(seed=8)
    seen = []
    other.fit(X, Y, 16, 1, 0, augment=look)
    assert not {number for _, _, number in seen} & set(numbers)


def test_augmentation_is_what_is_trained_on():
    def change(x, y, rng):
        x *= 2  # its own: the caller's array stays
        return x + rng.random() - rng.random(), y + 1

    before = X.copy()
    for data in ((X, Y, 16), (Rows(X, Y),)):
        model, twin = make(), make()
        model.fit(*data, epochs=2, verbose=0, shuffle=False, augment=[change, augment.noise(0.1)])
        for epoch in range(2):
            for batch in range(4):
                rng, rows = augment.generator(7, epoch, batch), slice(16 * batch, 16 * batch + 16)
                x, y = change(X[rows].copy(), Y[rows].copy(), rng)
                twin.train_on_batch(*augment.noise(0.1)(x, y, rng))
        assert state(model) == state(twin) and np.array_equal(X, before)
    another = make()
    another.fit(X, Y, 16, 1, 0, shuffle=False, augment=[change])
    another.fit(X, Y, 16, 1, 0, shuffle=False, augment=[change])
    whole = make()
    whole.fit(X, Y, 16, 2, 0, shuffle=False, augment=[change])
    assert state(another) == state(whole)  # the numbers go on from fit to fit


def test_what_augmentation_may_not_do():
    for function, error, message in (
        (lambda x, y, rng: (x[:3], y[:3]), ValueError, "fit: batch 1: augment made 3 rows of 16; the number of rows must stay"),
        (lambda x, y, rng: (x * np.nan, y), ValueError, "fit: batch 1: x holds nan"),
        (lambda x, y, rng: x, TypeError, r"fit: batch 1: augment must return \(x, y\)"),
    ):
        with pytest.raises(error, match=message):
            make().fit(X, Y, 16, verbose=0, augment=function)
    model = nn.Sequential([nn.Input((3,)), Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(TypeError, match="mixup: inputs and targets .* must be floating-point numbers, got int64"):
        model.fit(X, np.arange(50) % 2, verbose=0, augment=augment.mixup())


# ---------------------------------------------------------------- large arrays and files
N, WIDTH = 5000, 60  # more than what is converted at once


def pixels(dtype):
    values = np.random.default_rng(5).integers(0, 256, (N, WIDTH))
    return (values / 7 if np.dtype(dtype).kind == "f" else values).astype(dtype)


LAYOUTS = {
    "as it is": lambda x: x,
    "some columns": lambda x: np.concatenate([x[:, :3], x], axis=1)[:, 3:],
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "by columns": np.asfortranarray,
    "other bytes": lambda x: x.astype(x.dtype.newbyteorder(">")),
}


def net(dtype="float32", width=WIDTH):
    model = nn.Sequential([nn.Input((width,), dtype=dtype), nn.layers.Dense(8, "tanh", dtype=dtype),
                           nn.layers.Dense(2, dtype=dtype)], seed=1)
    model.compile(nn.optimizers.SGD(1e-5), "mse")
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", "bool"])
def test_arrays_of_any_dtype_and_layout(dtype, layout, tmp_path):
    """Where they lie, on disk too: the bits are those of an array that was converted before."""
    x = pixels(dtype)
    wanted, y = x.astype(np.float32), x[:, :2].astype(np.float32)
    plain = net()
    a = plain.fit(wanted, y, 512, 2, 0, validation_split=0.2)
    given = LAYOUTS[layout](x)
    file = np.memmap(tmp_path / "x", given.dtype, "w+", shape=(N, 2 * WIDTH), order="F" if layout == "by columns" else "C")
    file[:, 7 : 7 + WIDTH] = given
    for source in (given, file[:, 7 : 7 + WIDTH]):
        model = net()
        b = model.fit(source, y, 512, 2, 0, validation_split=0.2)
        assert state(model) == state(plain) and a.history == b.history
        assert model.predict(source).tobytes() == plain.predict(wanted).tobytes()
        assert model.evaluate(source, y, verbose=0) == plain.evaluate(wanted, y, verbose=0)
        assert model.predict(source[:300]).tobytes() == plain.predict(wanted[:300]).tobytes()


@pytest.mark.parametrize("kind", EXECUTORS)
def test_targets_stay_where_they_are_too(kind):
    x = pixels("uint8")
    models = []
    for source in (x, x.astype(np.float32)):
        model = nn.Sequential([nn.Input((WIDTH,)), Dense(4), Dense(WIDTH)], seed=1)
        model.executor_class = EXECUTORS[kind]
        model.compile(nn.optimizers.SGD(1e-6), "mse")
        model.fit(source, source, 512, 1, 0)
        models.append(model)
    assert state(models[0]) == state(models[1])


def test_files_are_not_converted_as_a_whole(tmp_path):
    """8 MB of bytes would be 64 MB of float64; batches of 256 rows are 0.5 MB."""
    rows, width = 1 << 15, 256
    x = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(rows, width))
    x[:] = np.random.default_rng(0).integers(0, 256, (rows, width), dtype=np.uint8)
    y = np.memmap(tmp_path / "y", np.float32, "w+", shape=(rows, 2))
    backwards = np.memmap(tmp_path / "x", ">i2", "r", shape=(rows, width // 2))  # which the core cannot gather
    model, half = net("float64", width), net("float64", width // 2)
    for run in (
        lambda: model.fit(x, y, 256, 1, 0, validation_split=0.1),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.predict(x),
        lambda: model.fit(x, y, 256, 1, 0, augment=augment.noise(0.1)),
        lambda: half.fit(backwards, y, 256, 1, 0, nonfinite="continue"),
        lambda: half.evaluate(backwards, y, verbose=0),
        lambda: half.predict(backwards),
    ):
        run()
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 << 20, peak


def test_the_whole_file_is_shuffled(tmp_path):
    x = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(N, WIDTH))
    x[:] = pixels("uint8")
    seen = []

    class Look(nn.layers.Layer):
        def call(self, x):
            seen.append(x.copy())
            return x

        def backward(self, x, y, dy):
            return dy

    model = nn.Sequential([nn.Input((WIDTH,)), Look(), Dense(1)], seed=4)
    model.compile(nn.optimizers.SGD(0.0), "mse")
    model.fit(x, np.zeros(N), 1000, 1, 0)
    assert np.array_equal(np.concatenate(seen), pixels("uint8")[nn.random.permutation(N, 4, 0)])


def test_large_arrays_are_checked_as_they_become():
    x = pixels("float64")
    y = np.zeros((N, 2))
    x[4321, 5] = 1e300
    with pytest.raises(ValueError, match="fit: x holds inf at row 4321, column 5, but wants finite numbers"):
        net().fit(x, y, verbose=0)
    net("float64").evaluate(x, y, verbose=0)
    x[4321, 5] = np.nan
    with pytest.raises(ValueError, match="fit: x holds nan at row 4321, column 5"):
        net().fit(x, y, verbose=0)
    assert np.isnan(net().predict(x)[4321]).all()


# ---------------------------------------------------------------- callbacks that need the run
def test_a_pause_ends_a_long_epoch():
    model = make(1e-4, 0.0)
    x, y = np.tile(X, (20_000, 1)), np.tile(Y, (20_000, 1))
    limit, recorder = TimeLimit(0.15), []
    start = time.monotonic()
    history = model.fit(x, y, 1, 50, 0, callbacks=[limit, LambdaCallback(on_epoch_end=lambda *call: recorder.append(call))])
    assert 0.15 <= time.monotonic() - start < 20 and model.stop_training
    assert history.epoch == [0] and 0 < model.optimizer.iterations < len(x) and len(recorder) == 1
    twin, done = make(1e-4, 0.0), model.optimizer.iterations
    order = nn.random.permutation(len(x), 7, 0)[:done]
    twin.fit(x[order], y[order], 1, 1, 0, shuffle=False)
    assert state(model) == state(twin) and history.history["loss"] == twin.history.history["loss"]
    model.fit(X, Y, 16, 3, 0, callbacks=TimeLimit(60))
    assert len(model.history.epoch) == 3


def test_a_pause_costs_nothing(monkeypatch):
    count = []
    run_program = executor.core.run_program
    monkeypatch.setattr(executor, "PAUSE", 60.0)
    monkeypatch.setattr(executor.core, "run_program", lambda *args: count.append(run_program(*args)))
    make().fit(X, Y, 1, 1, 0, callbacks=[TimeLimit(60), TerminateOnNaN()])
    assert len(count) == 1


def blow_up(model):
    def blow(batch, logs):
        if model.optimizer.iterations == 5:
            model.optimizer.learning_rate = 1e30

    return LambdaCallback(on_train_batch_begin=blow)


def test_terminate_on_nan(capsys):
    """With each policy: without an exception by default, and the weights are the last good ones; as Keras on request."""
    good = make(momentum=0.0)
    good.fit(X, Y, 16, 1, 0)
    for nonfinite in ("raise", "stop"):
        model, ends = make(momentum=0.0), []
        history = model.fit(X, Y, 16, 5, 0, nonfinite=nonfinite, callbacks=[
            TerminateOnNaN(), blow_up(model), LambdaCallback(on_train_end=ends.append)])
        assert history.epoch == [0] and model.stop_training and len(ends) == 1 and state(model) == state(good)
    for stream in (False, True):
        model = make(momentum=0.0)
        history = model.fit(*((Rows(X, Y),) if stream else (X, Y, 16)), epochs=5, verbose=0, nonfinite="continue",
                            callbacks=[TerminateOnNaN(), blow_up(model)])
        assert history.epoch == [0, 1] and not np.isfinite(history.history["loss"][1]) and model.stop_training
        assert model.optimizer.iterations == 7  # ends after the batch, the weights as they are
        assert "epoch 2, batch 3" in capsys.readouterr().out
    for nonfinite, kept in (("raise", True), ("stop", True), ("continue", False)):
        model, ends = make(momentum=0.0), []
        with pytest.raises(nn.NonFiniteError, match="fit: the loss became"):
            model.fit(X, Y, 16, 5, 0, nonfinite=nonfinite, callbacks=[
                TerminateOnNaN(raise_error=True), blow_up(model), LambdaCallback(on_train_end=ends.append)])
        assert not ends and (state(model) == state(good)) == kept
    model = make()
    assert len(model.fit(X, Y, 16, 3, 0, callbacks=TerminateOnNaN()).epoch) == 3 and not model.stop_training


def test_the_run_is_over_when_fit_is():
    model = make()
    model.fit(X, Y, verbose=0)
    assert model._run is None
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, verbose=0, callbacks=LambdaCallback(on_epoch_begin=lambda *_: 1 / 0))
    assert model._run is None
    with pytest.raises(AttributeError):
        callback = BackupAndRestore("nowhere")
        callback.set_model(model)
        callback.on_epoch_end(0, {})
    assert issubclass(BackupAndRestore, Callback)
