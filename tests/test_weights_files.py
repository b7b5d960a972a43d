"""save_weights and load_weights."""

import os

import numpy as np
import pytest

import nncore as nn
from nncore.layers import Dense

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = X @ np.float32([[1.0], [2.0], [-1.0]])


def make(optimizer="adam", seed=None, hidden=4, compiled=True):
    model = nn.Sequential([nn.Input((3,)), Dense(hidden, "tanh", name="a"), Dense(1, name="b")], seed=seed)
    if compiled:
        model.compile({"adam": nn.optimizers.Adam, "sgd": nn.optimizers.SGD}.get(optimizer, lambda rate: optimizer)(0.02),
                      "mse")
    return model


def state(model):
    slots = {path: slot.numpy().tobytes() for path, slot in model.slot_paths().items()}
    return [w.tobytes() for w in model.get_weights()], slots, model.optimizer.iterations, model.optimizer.learning_rate


def test_training_goes_on(tmp_path):
    model, other = make(seed=1), make(seed=1)
    model.fit(X, Y, 16, 2, 0, shuffle=False)
    model.optimizer.learning_rate = 0.01
    model.save_weights(tmp_path / "w")
    other.load_weights(tmp_path / "w")
    assert state(other) == state(model) and other.optimizer.iterations == 8
    for one in (model, other):
        one.fit(X, Y, 16, 2, 0, shuffle=False)
    assert state(other) == state(model)
    third = make(seed=3)
    model.save(tmp_path / "m")  # the file of a whole model does, too
    third.load_weights(tmp_path / "m")
    assert state(third) == state(model)


def test_of_models_that_are_not_compiled(tmp_path):
    model, plain = make(seed=1), make(seed=2, compiled=False)
    model.fit(X, Y, 16, 2, 0)
    model.save_weights(tmp_path / "w")
    plain.load_weights(tmp_path / "w")
    assert np.array_equal(plain.predict(X), model.predict(X)) and plain.optimizer is None
    plain.save_weights(tmp_path / "p")
    trained = make(seed=3)
    trained.fit(X, Y, 16, 1, 0)
    before = state(trained)
    trained.load_weights(tmp_path / "p")  # has no optimizer state: what is there stays
    assert state(trained)[0] == state(model)[0] and state(trained)[1:] == before[1:]


def test_another_optimizer(tmp_path):
    model, other = make(seed=1), make("sgd", seed=2)
    model.fit(X, Y, 16, 2, 0)
    model.save_weights(tmp_path / "w")
    other.optimizer.steps = 5
    with pytest.warns(UserWarning, match="the optimizer's state is of another optimizer and was not read"):
        other.load_weights(tmp_path / "w")
    assert state(other)[0] == state(model)[0] and other.optimizer.iterations == 5
    other.fit(X, Y, 16, 1, 0)
    other.save_weights(tmp_path / "s")
    again = make("sgd")
    again.load_weights(tmp_path / "s")
    assert state(again) == state(other) and again.optimizer.iterations == 9


def test_what_does_not_fit(tmp_path):
    model, wide = make(seed=1), make(seed=2, hidden=5)
    model.save_weights(tmp_path / "w")
    before = state(wide)
    with pytest.raises(ValueError, match=r"load_weights: .*: 'a/kernel' is float32 of shape \(3, 4\); the model has float32 of"):
        wide.load_weights(tmp_path / "w")
    assert state(wide)[0] == before[0]
    wide.load_weights(tmp_path / "w", skip_mismatch=True)
    assert state(wide)[0][:3] == before[0][:3] and state(wide)[0][3] == state(model)[0][3]
    nn.io.save_weights_file(tmp_path / "x", {"a/kernel": np.zeros((3, 4), np.float32)})
    with pytest.raises(ValueError, match="'a/bias' is not there; the model has float32 of shape"):
        model.load_weights(tmp_path / "x")
    arrays, _ = nn.io.load_weights_file(tmp_path / "w")
    nn.io.save_weights_file(tmp_path / "x", {**arrays, "c": np.zeros(3)})
    with pytest.raises(ValueError, match="the model has no weight 'c'"):
        model.load_weights(tmp_path / "x")
    nn.io.save_weights_file(tmp_path / "x", arrays)  # weights alone, from anywhere, will do
    wide = make(seed=3)
    wide.load_weights(tmp_path / "x")
    assert state(wide)[0] == state(model)[0]
    nn.io.save_weights_file(tmp_path / "x", arrays, {"config": "[1"})
    with pytest.raises(ValueError, match="is damaged"):
        model.load_weights(tmp_path / "x")


def test_files(tmp_path):
    model = make()
    model.save_weights(tmp_path / "w")
    with pytest.raises(FileExistsError, match="save_weights: .* is there already"):
        model.save_weights(tmp_path / "w", overwrite=False)
    model.save_weights(tmp_path / "v", overwrite=False)
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="save_weights: the model is not built"):
        nn.Sequential([Dense(3)]).save_weights(tmp_path / "u")
    assert sorted(os.listdir(tmp_path)) == ["v", "w"]


def test_checkpoints_of_weights(tmp_path):
    model, kept = make(seed=1), []
    keep = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(state(model)))
    save = nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.safetensors", save_weights_only=True)
    model.fit(X, Y, 16, 3, 0, callbacks=[keep, save])
    for epoch, wanted in enumerate(kept):
        other = make(seed=9)
        other.load_weights(tmp_path / f"{epoch + 1}.weights.safetensors")
        assert state(other) == wanted
