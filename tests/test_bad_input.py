"""What models say to wrong input, and that a call that fails changes nothing and crashes nothing."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import nncore as nn
from nncore.io import load_weights_file, save_weights_file
from nncore.layers import Activation, Dense

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
IDS = np.arange(12) % 2
Y = X[:, :2].copy()


def classifier(width=3, trained=True, seed=1):
    model = nn.Sequential([nn.Input((width,)), Dense(4, "tanh"), Dense(2)], seed=seed)
    model.compile(
        nn.optimizers.SGD(0.1, 0.9), nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    if trained:
        model.fit(X, IDS, 5, 2, 0)
    return model


def regression():
    model = nn.Sequential([nn.Input((3,)), Dense(2)], seed=1)
    model.compile(nn.optimizers.SGD(0.1, 0.9), "mse")
    model.fit(X, Y, 5, 2, 0)
    return model


def state(model):
    """Everything that a failed call must leave alone."""
    history = model.history
    return (
        [w.numpy().tobytes() for w in [*model.weights, *model._slots]],
        [(layer.name, layer.built) for layer in model.layers],
        model.optimizer,
        model.optimizer.iterations,
        model.loss,
        copy.copy(model._metrics),
        model._epochs_done,
        model.built,
        id(history),
        None if history is None else (list(history.epoch), json.dumps(history.history)),
    )


def bad(values):
    spoilt = X.copy()
    spoilt[2, 1] = values
    return spoilt


REFUSED = {
    # name: call on the model, exception, what the message says
    "no x": (lambda m: m.fit(None, IDS), TypeError, "fit: x must be an array of real numbers, got NoneType"),
    "one dimension": (
        lambda m: m.fit(X[0], IDS),
        ValueError,
        r"fit: x must have shape \(samples, 3\), got shape \(3,\)",
    ),
    "three dimensions": (lambda m: m.fit(X[None], IDS), ValueError, r"got shape \(1, 12, 3\)"),
    "narrow": (
        lambda m: m.fit(X[:, :2], IDS),
        ValueError,
        r"fit: x must have shape \(samples, 3\), got shape \(12, 2\)",
    ),
    "no rows": (lambda m: m.fit(X[:0], IDS[:0]), ValueError, "fit: x has no rows"),
    "evaluate no rows": (lambda m: m.evaluate(X[:0], IDS[:0]), ValueError, "evaluate: x has no rows"),
    "no y": (lambda m: m.fit(X), ValueError, "fit: y is missing"),
    "rows": (lambda m: m.fit(X, IDS[:5]), ValueError, "fit: y must have 12 rows, got 5"),
    "one-hot for ids": (lambda m: m.fit(X, np.eye(2)[IDS]), ValueError, "CategoricalCrossentropy"),
    "label too large": (
        lambda m: m.fit(X, IDS + 1),
        ValueError,
        r"fit: y\[1\] is 2, but class ids must lie in 0 ... 1",
    ),
    "label negative": (lambda m: m.train_on_batch(X, IDS - 1), ValueError, r"train_on_batch: y\[0\] is -1"),
    "label huge": (lambda m: m.fit(X, np.full(12, 2**63, np.uint64)), ValueError, r"y\[0\] is 9.22337e\+18"),
    "label no integer": (lambda m: m.evaluate(X, IDS + 0.5), ValueError, "whole numbers"),
    "label nan": (lambda m: m.fit(X, np.where(IDS, np.nan, 0)), ValueError, r"y\[1\] is nan"),
    "x nan": (lambda m: m.fit(bad(np.nan), IDS), ValueError, "fit: x holds nan at row 2, column 1"),
    "x inf": (
        lambda m: m.evaluate(bad(-np.inf), IDS),
        ValueError,
        "evaluate: x holds -inf at row 2, column 1",
    ),
    "x too large for float32": (
        lambda m: m.fit(bad(0).astype(float) + 1e300, IDS),
        ValueError,
        "fit: x holds inf at row 0",
    ),
    "validation nan": (
        lambda m: m.fit(X, IDS, validation_data=(bad(np.nan), IDS)),
        ValueError,
        r"validation_data\[0\] holds nan at row 2, column 1",
    ),
    "validation label": (
        lambda m: m.fit(X, IDS, validation_data=(X, IDS + 9)),
        ValueError,
        r"validation_data\[1\]\[0\] is 9",
    ),
    "validation narrow": (
        lambda m: m.fit(X, IDS, validation_data=(X[:, :1], IDS)),
        ValueError,
        r"validation_data\[0\] must have",
    ),
    "validation empty": (
        lambda m: m.fit(X, IDS, validation_data=(X[:0], IDS[:0])),
        ValueError,
        r"validation_data\[0\] has no rows",
    ),
    "validation form": (
        lambda m: m.fit(X, IDS, validation_data=X),
        ValueError,
        r"must be \(x, y\) or \(x, y, sample_weight\)",
    ),
    "validation one": (lambda m: m.fit(X, IDS, validation_data=(X,)), ValueError, "got 1 elements"),
    "split 1": (
        lambda m: m.fit(X, IDS, validation_split=1.0),
        ValueError,
        "validation_split must be at least 0 and less than 1",
    ),
    "split negative": (lambda m: m.fit(X, IDS, validation_split=-0.1), ValueError, "validation_split"),
    "split nan": (lambda m: m.fit(X, IDS, validation_split=np.nan), ValueError, "validation_split"),
    "split empty": (
        lambda m: m.fit(X, IDS, validation_split=0.99),
        ValueError,
        "leaves one part without rows",
    ),
    "weights": (
        lambda m: m.fit(X, IDS, sample_weight=[1, 2]),
        ValueError,
        r"one weight per row, shape \(12,\), got shape \(2,\)",
    ),
    "weight nan": (
        lambda m: m.fit(X, IDS, sample_weight=X[:, 0] * np.nan),
        ValueError,
        "sample_weight holds nan at row 0",
    ),
    "batch size 0": (lambda m: m.fit(X, IDS, 0), ValueError, "batch_size must be at least 1, got 0"),
    "batch size": (lambda m: m.predict(X, 2.5), TypeError, "predict: batch_size must be an integer, got 2.5"),
    "epochs 0": (lambda m: m.fit(X, IDS, epochs=0), ValueError, "epochs must be at least 1, got 0"),
    "epochs": (lambda m: m.fit(X, IDS, epochs="3"), TypeError, "epochs must be an integer, got '3'"),
    "shuffle": (lambda m: m.fit(X, IDS, shuffle="batch"), TypeError, "shuffle must be True or False"),
    "verbose": (lambda m: m.fit(X, IDS, verbose=7), ValueError, "verbose must be 'auto', 0, 1 or 2, got 7"),
    "strings": (
        lambda m: m.predict([["a", "b", "c"]]),
        TypeError,
        "predict: x must be an array of real numbers, got strings",
    ),
    "complex": (lambda m: m.predict(X + 1j), TypeError, "complex"),
    "objects": (lambda m: m.predict(np.full((2, 3), None)), TypeError, "Python objects"),
    "dates": (lambda m: m.predict(np.zeros((2, 3), "M8[s]")), TypeError, "dates"),
    "ragged": (lambda m: m.predict([[1, 2, 3], [1]]), ValueError, "rows of different lengths"),
    "one row": (lambda m: m(X[0]), ValueError, r"model\(x\): x must have shape"),
    "out shape": (
        lambda m: m(X, np.empty((11, 2), np.float32)),
        ValueError,
        r"out must be a writable .* shape \(12, 2\)",
    ),
    "out dtype": (lambda m: m(X, np.empty((12, 2))), ValueError, "float32"),
    "out swapped": (lambda m: m(X, np.empty((12, 2), ">f4")), ValueError, "float32"),
    "out order": (lambda m: m(X, np.empty((12, 2), np.float32, "F")), ValueError, "C-contiguous"),
    "out list": (lambda m: m(X, [[0, 0]] * 12), ValueError, "out must be"),
    "metric": (
        lambda m: m.compile("sgd", "mse", metrics=["mea"]),
        ValueError,
        "unknown metric 'mea': did you mean 'mean', 'mse' or 'mae'",
    ),
    "metric of another loss": (
        lambda m: m.compile("sgd", "mse", metrics=["sparse_categorical_accuracy"]),
        ValueError,
        "takes class ids",
    ),
    "metrics no list": (lambda m: m.compile("sgd", "mse", metrics="mae"), TypeError, "metrics must be a list"),
    "metric twice": (
        lambda m: m.compile("sgd", "mse", metrics=["mae", "mae"]),
        ValueError,
        "two metrics are called 'mae'",
    ),
    "loss": (
        lambda m: m.compile("sgd", "mean_square_error"),
        ValueError,
        "did you mean 'mean_squared_error'",
    ),
    "optimizer": (
        lambda m: m.compile("sdg", "mse"),
        ValueError,
        "unknown optimizer 'sdg': did you mean 'sgd'",
    ),
    "optimizer class": (lambda m: m.compile(3, "mse"), TypeError, "optimizer must be a name or an object"),
    "fewer weights": (
        lambda m: m.set_weights(m.get_weights()[:-1]),
        ValueError,
        "wants a list of 4 arrays, got 3",
    ),
    "weights' shape": (
        lambda m: m.set_weights([w + 1 for w in m.get_weights()[:-1]] + [np.zeros(3)]),
        ValueError,
        r"bias has shape \(2,\), got \(3,\)",
    ),
    "weights' dtype": (
        lambda m: m.set_weights([w + 1 for w in m.get_weights()[:-1]] + [["a", "b"]]),
        TypeError,
        "real numbers",
    ),
    "no weights": (lambda m: m.set_weights(None), ValueError, "wants a list of 4 arrays, got None"),
    "add after training": (lambda m: m.add(Dense(3)), ValueError, "no layer can be added after training"),
    "add no layer": (lambda m: m.add("dense"), TypeError, "a layer is wanted, got 'dense'"),
    "add twice": (lambda m: m.add(m.layers[0]), ValueError, "is in this model already"),
    "add input": (lambda m: m.add(nn.Input((3,))), ValueError, "an input can only be the first layer"),
    "add dtype": (lambda m: m.add(Dense(3, dtype="float64")), ValueError, "share one dtype"),
    "build again": (lambda m: m.build(300_000), ValueError, "the model is built for 3 features, got 300000"),
    "build": (lambda m: m.build((None, 3, 3)), ValueError, r"built for 3 features, got rows of shape \(3, 3\)"),
    "layer name": (lambda m: m.get_layer("dens"), ValueError, "unknown layer 'dens': did you mean 'dense'"),
    "layer index": (lambda m: m.get_layer(index=7), ValueError, "index must be in -2 ... 1, got 7"),
    "save nowhere": (
        lambda m: m.save("no/such/folder/m"),
        FileNotFoundError,
        "cannot save 'no/such/folder/m'",
    ),
    "save metadata": (
        lambda m: m.save(os.devnull + "/x", {"a": 1}),
        TypeError,
        "metadata must be strings, got 'a': 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(name):
    call, exception, message = REFUSED[name]
    model, untouched = classifier(), classifier()
    before = state(model)
    with pytest.raises(exception, match=message):
        call(model)
    assert state(model) == before
    model.fit(X, IDS, 5, 2, 0)  # and it trains on as if nothing had been
    untouched.fit(X, IDS, 5, 2, 0)
    assert state(model)[0] == state(untouched)[0]


@pytest.mark.parametrize(
    "y, message",
    [
        (Y[:, :1], r"y must have shape \(B, 2\) to match the 2 outputs, got shape \(12, 1\)"),
        (Y[:, 0], r"got shape \(12,\)"),
        (Y[:5], "y must have 12 rows, got 5"),
        (Y * np.nan, "y holds nan at row 0, column 0"),
    ],
)
def test_dense_targets_that_are_refused(y, message):
    model = regression()
    before = state(model)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert state(model) == before


def test_a_failed_call_does_not_build_a_model():
    model = nn.Sequential([Dense(4), Dense(2)], seed=1)
    model.compile("sgd", "mse", metrics=["mae"])
    for call in (
        lambda: model.fit(X, Y[:, :1]),
        lambda: model.fit(X, Y * np.nan),
        lambda: model.fit(X, Y, validation_split=0.99),
        lambda: model.fit(X, Y, validation_data=(X, X)),
        lambda: model.evaluate(X, Y[:3]),
        lambda: model.train_on_batch(X, Y, [1]),
        lambda: model.predict(X[:, :0]),
        lambda: model.predict([["a"]]),
    ):
        with pytest.raises((ValueError, TypeError)):
            call()
        assert not model.built and not model.weights and not any(layer.built for layer in model.layers)
    model.fit(np.ones((4, 7)), np.ones((4, 2)), verbose=0)  # another width than in the failed calls
    twin = nn.Sequential([Dense(4), Dense(2)], seed=1)
    twin.compile("sgd", "mse")
    twin.fit(np.ones((4, 7)), np.ones((4, 2)), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))


def test_without_loss_or_layers():
    model = nn.Sequential([nn.Input((3,)), Dense(2)])
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(RuntimeError, match="has no loss; call compile"):
            call(X, Y)
    model.compile()
    with pytest.raises(RuntimeError, match="has no loss"):
        model.fit(X, Y)
    empty = nn.Sequential()
    for call in (lambda: empty.predict(X), lambda: empty(X), lambda: empty.build(3)):
        with pytest.raises(ValueError, match="the model has no layers"):
            call()
    assert empty.layers == [] and not empty.built


@pytest.mark.parametrize(
    "make, exception, message",
    [
        (lambda: Dense(3, "rellu"), ValueError, "unknown activation 'rellu': did you mean 'relu'"),
        (lambda: Activation("sigmod"), ValueError, "did you mean 'sigmoid'"),
        (lambda: Dense(3, 5), TypeError, "activation must be a name or a function"),
        (
            lambda: Dense(3, kernel_initializer="he_norm"),
            ValueError,
            "unknown initializer 'he_norm': did you mean 'he_normal'",
        ),
        (lambda: Dense(0), ValueError, "units must be in 1 ... 2147483647, got 0"),
        (lambda: Dense(2**31), ValueError, "units must be in"),
        (lambda: Dense(2.0), TypeError, "units must be an integer, got 2.0"),
        (lambda: Dense(True), TypeError, "units must be an integer, got True"),
        (lambda: Dense(3, dtype="float16"), ValueError, "dtype must be float32 or float64, got 'float16'"),
        (lambda: Dense(3, use_bias="no"), TypeError, "use_bias must be True or False"),
        (lambda: Dense(3, name="a/b"), ValueError, "name must be a string"),
        (lambda: nn.Input(3), ValueError, r"shape must be a tuple of integers, such as \(784,\), got 3"),
        (lambda: nn.Input(()), ValueError, "shape must be a tuple of integers"),
        (lambda: nn.Input((0,)), ValueError, "shape must be in 1"),
        (lambda: nn.Input((2**31,)), ValueError, "shape must be in 1"),
        (lambda: nn.Sequential(Dense(3)), TypeError, "layers must be a list of layers"),
        (
            lambda: nn.Sequential([Dense(3), nn.Input((3,))]),
            ValueError,
            "an input can only be the first layer",
        ),
        (
            lambda: nn.Sequential([Dense(3, name="a"), Dense(3, name="a")]),
            ValueError,
            "two layers are called 'a'",
        ),
        (lambda: nn.Sequential(seed=-1), ValueError, "seed must be in 0"),
        (lambda: nn.optimizers.SGD("fast"), TypeError, "learning_rate must be"),
        (lambda: nn.optimizers.SGD(-1), ValueError, "learning_rate must be"),
        (lambda: nn.optimizers.SGD(0.1, clipnorm=1, clipvalue=1), ValueError, "only one of clipnorm, clipvalue"),
        (lambda: nn.config.set_floatx("float16"), ValueError, "must be 'float32' or 'float64'"),
    ],
)
def test_what_cannot_be_made(make, exception, message):
    with pytest.raises(exception, match=message):
        make()


A = np.array([1, 2])


@pytest.mark.parametrize(("make", "exception", "wanted"), [
    (lambda a: nn.regularizers.get(a), TypeError, "regularizer must be a name or "),
    (lambda a: Dense(2, kernel_regularizer=a), TypeError, "regularizer must be a name or "),
    (lambda a: nn.losses.MeanSquaredError(reduction=a), ValueError, "MeanSquaredError: reduction must be "),
    (lambda a: nn.callbacks.EarlyStopping(mode=a), ValueError, "EarlyStopping: mode must be 'auto', 'min' or 'max', "),
    (lambda a: nn.callbacks.ModelCheckpoint("m", mode=a), ValueError, "ModelCheckpoint: mode must be "),
    (lambda a: nn.callbacks.ReduceLROnPlateau(mode=a), ValueError, "ReduceLROnPlateau: mode must be "),
    (lambda a: nn.metrics.F1Score(average=a), ValueError, "F1Score: average must be None, "),
    (lambda a: nn.metrics.R2Score(class_aggregation=a), ValueError, "R2Score: class_aggregation must be None, "),
    (lambda a: nn.metrics.AUC(curve=a), ValueError, "AUC: curve must be 'ROC', "),
    (lambda a: nn.metrics.AUC(summation_method=a), ValueError, "AUC: summation_method must be "),
    (lambda a: nn.initializers.VarianceScaling(mode=a), ValueError, "VarianceScaling: mode must be "),
    (lambda a: nn.initializers.VarianceScaling(distribution=a), ValueError, "VarianceScaling: distribution must be "),
    (lambda a: nn.optimizers.schedules.OneCycle(0.1, 5, anneal_strategy=a), ValueError, "anneal_strategy must be 'cos' "),
    (lambda a: regression().fit(X, Y, nonfinite=a), ValueError, "fit: nonfinite must be "),
    (lambda a: regression().fit(X, Y, verbose=a), ValueError, "verbose must be 'auto', 0, 1 or 2"),
    (lambda a: regression().predict(X, verbose=a), ValueError, "predict: verbose must be "),
    (lambda a: regression().gradients(X, Y, of=a), ValueError, "gradients: of must be "),
    (lambda a: nn.diagnostics.Diagnostics(X, Y, verbose=a), ValueError, "Diagnostics: verbose must be "),
    (lambda a: nn.metrics.CategoricalCrossentropy(axis=a), ValueError, "CategoricalCrossentropy: axis must be -1 or 1"),
])
@pytest.mark.parametrize("given", [A, A[:1], A[0, None, None], np.zeros((3, 3))], ids=["two", "one", "1x1", "large"])
def test_an_array_is_no_name(make, exception, wanted, given):
    shown = "ndarray of shape (3, 3)" if given.size == 9 else repr(given)
    with pytest.raises(exception, match=rf"{re.escape(wanted)}.*got {re.escape(shown)}$"):
        make(given)


def test_a_hook_must_be_a_function():
    with pytest.raises(TypeError, match="LambdaCallback: on_epoch_end must be a function, got 3"):
        nn.callbacks.LambdaCallback(on_epoch_end=3)


def test_sizes_that_no_machine_holds():
    model = nn.Sequential([nn.Input((2**31 - 1,))])
    for units in (2**31 - 1, 2**24):
        with pytest.raises((ValueError, MemoryError), match="layer 'dense'"):
            model.add(Dense(units))
        assert model.layers == [] and model.output_shape == (None, 2**31 - 1)
    model = nn.Sequential([nn.Input((3,)), Dense(2)])
    huge = np.lib.stride_tricks.as_strided(np.zeros(3, np.float32), (2**56, 3), (0, 4))
    with pytest.raises((ValueError, MemoryError)):
        model.predict(huge)
    assert model.predict(X).shape == (12, 2)


# ---------------------------------------------------------------- what is converted
def test_data_of_any_kind_are_converted():
    wide = np.zeros((24, 7), np.float32)
    wide[::2, 1:4] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    forms = {
        "list": X.tolist(),
        "float64": X.astype(float),
        "swapped": X.astype(">f4"),
        "fortran": np.asfortranarray(X),
        "view": wide[::2, 1:4],
        "reversed": np.ascontiguousarray(X[::-1])[::-1],
        "read-only": read_only,
        "unaligned": unaligned,
        "long double": X.astype(np.longdouble),
        "rows": [tuple(row) for row in X],
        "subclass": X.view(np.recarray),
    }
    ids = {
        "list": IDS.tolist(),
        "int8": IDS.astype(np.int8),
        "swapped": IDS.astype(">i4"),
        "bool": IDS.astype(bool),
        "float": IDS.astype(float),
        "column": IDS.reshape(-1, 1),
        "uint64": IDS.astype(np.uint64),
        "view": np.repeat(IDS, 2)[::2],
    }
    plain = classifier()
    wanted, predicted = state(plain)[0], plain.predict(X)
    for form, x in forms.items():
        model = classifier(trained=False)
        model.fit(x, IDS, 5, 2, 0)
        assert state(model)[0] == wanted, form
        assert np.array_equal(model.predict(x), predicted) and np.array_equal(model(x), predicted), form
    for form, y in ids.items():
        model = classifier(trained=False)
        model.fit(X, y, 5, 2, 0, sample_weight=np.ones(12, int))
        assert state(model)[0] == wanted, form
    whole = np.arange(36).reshape(12, 3)
    for x in (whole, whole.astype(np.uint8), whole.tolist(), whole.astype(np.float16)):
        assert np.array_equal(plain.predict(x), plain.predict(whole.astype(np.float32)))
    assert np.array_equal(plain.predict(X > 0), plain.predict((X > 0).astype(np.float32)))


def test_data_are_not_changed():
    x, y, weight = X.copy(), IDS.copy(), np.ones(12, np.float32)
    classifier(trained=False).fit(x, y, 5, 2, 0, sample_weight=weight, validation_split=0.3)
    assert np.array_equal(x, X) and np.array_equal(y, IDS) and (weight == 1).all()


def test_predict_propagates_what_is_not_finite():
    model = nn.Sequential([nn.Input((3,)), Dense(4, "tanh"), Dense(2)], seed=1)
    x = X.copy()
    x[2, 1], x[5, 0] = np.nan, np.inf
    out = model.predict(x)
    others = [row for row in range(12) if row not in (2, 5)]
    assert np.isnan(out[2]).all() and np.array_equal(out[others], model.predict(X)[others])
    assert np.isfinite(out[5]).all()  # tanh(inf) is 1
    assert np.isnan(model(x)[2]).all()


def test_dtype_of_lists_is_the_models():
    model = nn.Sequential([nn.Input((1,)), Dense(1, kernel_initializer="ones", dtype="float64")])
    assert model.predict([[0.1]])[0, 0] == 0.1


# ---------------------------------------------------------------- files
@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    return path


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        nn.load_model(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match="it is a directory"):
        nn.load_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"not a model",
        b"\xff" * 100,
        b"\x08\0\0\0\0\0\0\0{}      ",
        (2**62).to_bytes(8, "little") + b"{}",
        b"PK\x03\x04" + b"\0" * 50,
    ],
)
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(repr(str(path)))):
        nn.load_model(path)


def test_a_weights_file_that_is_no_model(tmp_path):
    path = tmp_path / "m"
    save_weights_file(path, {"w": np.ones(3)}, {"format": "pt"})
    with pytest.raises(ValueError, match="holds no nncore model .*'pt'"):
        nn.load_model(path)


def test_truncated_files(saved):
    whole = saved.read_bytes()
    for length in {*range(0, len(whole), 41), len(whole) - 1}:
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="m.safetensors"):
            nn.load_model(saved)


def test_flipped_bytes_are_an_error_or_another_model(saved):
    """Whatever byte of the header is wrong: a model comes back or one clear error, nothing else."""
    whole = saved.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for place in range(0, 8 + header, 5):
        spoilt = bytearray(whole)
        spoilt[place] = int(rng.integers(32, 127))
        saved.write_bytes(spoilt)
        try:
            nn.load_model(saved).predict(X)
        except ValueError as error:
            assert "m.safetensors" in str(error) or "predict: x must have" in str(error), place


def changed(config, path, value):
    *most, last = path
    for key in most:
        config = config[key]
    if value is KeyError:
        del config[last]
    else:
        config[last] = value


LAYER = ("model", "config", "layers", 1, "config")


@pytest.mark.parametrize(
    "path, value",
    [
        (("model",), KeyError),
        (("model",), []),
        (("model",), None),
        (("model", "config", "layers"), 3),
        (("model", "config", "layers", 0), "x"),
        (("model", "config", "layers", 1, "class_name"), "Dens"),
        (("model", "config", "layers", 1, "class_name"), []),
        ((*LAYER,), None),
        ((*LAYER, "units"), 5),
        ((*LAYER, "units"), "5"),
        ((*LAYER, "units"), 2**31 - 1),
        ((*LAYER, "units"), 2**70),
        ((*LAYER, "activation"), "tan"),
        ((*LAYER, "activation"), {"name": "elu", "parameters": {"alpha": "x"}}),
        ((*LAYER, "activation"), {"name": [], "parameters": {}}),
        ((*LAYER, "dtype"), "int8"),
        ((*LAYER, "surprise"), 1),
        ((*LAYER, "kernel_initializer"), {"class_name": "Ones", "config": 3}),
        ((*LAYER, "use_bias"), False),
        (("model", "config", "seed"), -1),
        (("model", "config", "seed"), "a"),
        (("model", "config", "layers", 0, "config", "shape"), [4]),
        (("optimizer",), {}),
        (("optimizer",), None),
        (("optimizer", "config", "learning_rate"), "x"),
        (("optimizer", "config", "momentum"), 7),
        (("steps",), "x"),
        (("steps",), -1),
        (("steps",), KeyError),
        (("compiled", "loss"), "mes"),
        (("compiled", "loss"), 5),
        (("compiled", "metrics"), 5),
        (("compiled", "metrics"), [["accuracy"], []]),
        (("compiled", "metrics"), ["accurac"]),
        (("epochs_done",), "3"),
        (("epochs_done",), KeyError),
        (("epochs_done",), None),
        (("epochs_done",), -5),
    ],
)
def test_damaged_configs(saved, path, value):
    arrays, metadata = load_weights_file(saved)
    config = json.loads(metadata["config"])
    changed(config, path, value)
    save_weights_file(saved, arrays, {**metadata, "config": json.dumps(config)})
    with pytest.raises(ValueError, match="is damaged or of another version"):
        nn.load_model(saved)


@pytest.mark.parametrize("config", ["", "{", "[]", "3", "null", "[" * 100_000, '{"model": 1e999}', '"x"'])
def test_configs_that_are_none(saved, config):
    arrays, metadata = load_weights_file(saved)
    save_weights_file(saved, arrays, {**metadata, "config": config})
    with pytest.raises(ValueError, match="is damaged or of another version"):
        nn.load_model(saved)


@pytest.mark.parametrize(
    "name, value",
    [
        ("dense/kernel", None),
        ("dense/kernel", np.ones((4, 3), np.float32)),
        ("dense_1/bias", np.ones(3, np.float32)),
        ("optimizer/dense/kernel/momentum", np.ones(3, np.float32)),
        ("optimizer/dense/kernel/momentum", None),
        ("more", np.ones(3)),
    ],
)
def test_damaged_arrays(saved, name, value):
    arrays, metadata = load_weights_file(saved)
    assert value is None or name in arrays or name == "more"
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    save_weights_file(saved, arrays, metadata)
    with pytest.raises(ValueError, match="is damaged or of another version"):
        nn.load_model(saved)


def test_executors_refuse_what_would_leave_their_arrays():
    program = nn.program.Program(np.dtype("float32"))
    x, y = program.rows(2, role="input"), program.rows(2)
    program.emit("relu_forward", (x,), (y,))
    program.results.append(y)
    run = nn.executor.Executor(program, batch_size=4)
    rows, out = np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)
    for feeds, samples, order, batch_size, results, message in (
        ({x: rows}, 3, np.array([0, 1, 10**12]), None, {y: out}, "order must hold row numbers in 0 ... 2"),
        ({x: rows}, 3, np.array([0, 1, -1]), None, {y: out}, "order must hold row numbers"),
        ({x: rows}, 3, np.array([0, 1]), None, {y: out}, r"order must be .* shape \(3,\)"),
        ({x: rows}, 3, np.array([0, 1, 2], np.int32), None, {y: out}, "int64"),
        ({x: rows}, 4, None, None, {y: out}, "at most 3 samples"),
        ({x: rows}, 3, None, 5, {y: out}, "batches of at most 4"),
        ({x: rows.astype("float16")}, 3, None, None, {y: out}, r"feeds\[0\] must be a C-contiguous float32"),
        ({x: np.ones((3, 1), np.float32)}, 3, None, None, {y: out}, r"shape \(samples, 2\)"),
        ({x: rows}, 3, None, None, {y: out[:, :1]}, r"results\[1\] must be"),
        ({x: rows}, 3, None, None, {y: out[:2]}, "at most 2 samples"),
        ({x: rows}, 3, None, None, {y: np.asfortranarray(out)}, r"results\[1\] must be a C-contiguous"),
    ):
        with pytest.raises(ValueError, match=message):
            run.run(feeds, samples, order, batch_size, results)
    assert not out.any()
    run.run({x: rows}, 3, np.array([2, 0, 1]), 2, {y: out})
    assert out.all()


# ---------------------------------------------------------------- threads and processes
def in_threads(*functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not errors, errors


def test_threads_may_predict_on_one_model():
    model = classifier()
    x = np.random.default_rng(1).normal(size=(700, 3)).astype(np.float32)
    wanted = model.predict(x)

    def work():
        for n in range(60):
            assert np.array_equal(model.predict(x, 1 + n * 7), wanted)
            assert np.array_equal(model(x[n : n + 3]), wanted[n : n + 3])

    in_threads(work, work, work)


def test_threads_may_be_the_first_to_predict():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads overtake each other wherever they can
    try:
        for _ in range(30):
            model = nn.Sequential([Dense(64), Dense(5)], seed=1)
            outputs, barrier = [], threading.Barrier(3)

            def work(model=model, outputs=outputs, barrier=barrier):
                barrier.wait()
                outputs.append(model.predict(X))

            in_threads(work, work, work)
            assert len(model.weights) == 4
            assert all(np.array_equal(output, model.predict(X)) for output in outputs)
    finally:
        sys.setswitchinterval(interval)


def test_threads_may_train_two_models():
    wanted = classifier()
    wanted.fit(X, IDS, 5, 100, 0)

    def work():
        model = classifier()
        model.fit(X, IDS, 5, 100, 0)
        assert state(model)[0] == state(wanted)[0]

    in_threads(work, work)


def test_a_model_in_training_is_left_alone():
    """What would change it is refused; reading is not."""
    model, x = classifier(), np.random.default_rng(1).normal(size=(4000, 3)).astype(np.float32)
    started, done = threading.Event(), threading.Event()
    learning_rate = type(model.optimizer).hyperparameters

    def watched(optimizer):
        started.set()
        return learning_rate(optimizer)

    model.optimizer.hyperparameters = lambda: watched(model.optimizer)
    refused = []

    def train():
        try:
            model.fit(x, x[:, 0] > 0, 1, 400, 0)
        except KeyboardInterrupt:
            pass
        finally:
            done.set()

    # the epochs end when the test is done with its questions
    def stop(optimizer=model.optimizer):
        if done.is_set():
            raise KeyboardInterrupt
        return watched(optimizer)

    model.optimizer.hyperparameters = stop
    thread = threading.Thread(target=train)
    thread.start()
    assert started.wait(30)
    for call in (
        lambda: model.fit(X, IDS, verbose=0),
        lambda: model.train_on_batch(X, IDS),
        lambda: model.compile("sgd", "mse"),
        lambda: model.set_weights(model.get_weights()),
        lambda: model.save("never"),
        lambda: model.add(Dense(3)),
    ):
        with pytest.raises(RuntimeError, match="the model is being trained in another thread"):
            call()
        refused.append(call)
    assert model.predict(X).shape == (12, 2) and np.isfinite(model.evaluate(X, IDS, verbose=0)).all()
    done.set()
    thread.join(60)
    assert not thread.is_alive() and len(refused) == 6
    del model.optimizer.hyperparameters
    model.fit(X, IDS, verbose=0)


def script(text, send=None, **environment):
    """Run a script in a process of its own; send a signal when it says so."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        if send is not None:
            assert process.stdout.readline() == "go\n", process.stderr.read()
            process.send_signal(send)
        out, err = process.communicate(timeout=60)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: a child that hangs too
        process.communicate()
        raise
    assert process.returncode == 0, err
    return out


def test_ctrl_c_keeps_the_progress_made():
    out = script(
        """
        import os, signal, sys, threading, time
        import numpy as np
        import nncore as nn

        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(20000, 20)).astype("f4"), rng.integers(0, 3, 20000)
        model = nn.Sequential([nn.Input((20,)), nn.layers.Dense(64, "relu"), nn.layers.Dense(3, "softmax")], seed=1)
        model.compile(nn.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
        first = model.get_weights()
        threading.Timer(0.5, lambda: print("go")).start()
        start = time.perf_counter()
        try:
            model.fit(x, y, epochs=1_000_000, verbose=0)
        except KeyboardInterrupt:
            assert time.perf_counter() - start < 30
        else:
            sys.exit("no KeyboardInterrupt")
        done = len(model.history.epoch)
        assert model.history.epoch == list(range(done)) and len(model.history.history["loss"]) == done
        assert all(np.isfinite(w).all() for w in model.get_weights())
        assert not all((a == b).all() for a, b in zip(first, model.get_weights()))
        assert model._epochs_done == done
        assert model.predict(x).shape == (20000, 3)
        history = model.fit(x, y, epochs=1, verbose=0)
        assert np.isfinite(history.history["loss"]).all()

        # in the middle of an epoch that would take far longer
        x, y = np.ones((2_000_000, 4), "f4"), np.zeros(2_000_000, int)
        layers = [nn.layers.Dense(256, "relu"), nn.layers.Dense(256, "relu"), nn.layers.Dense(3, "softmax")]
        model = nn.Sequential([nn.Input((4,)), *layers], seed=1)
        model.compile(nn.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
        before, start = model.get_weights(), time.perf_counter()
        threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            model.fit(x, y, batch_size=1, epochs=1000, verbose=0)
        except KeyboardInterrupt:
            took = time.perf_counter() - start
        assert model.history.epoch == [] and model._epochs_done == 0
        assert took < 3, took
        assert not all((a == b).all() for a, b in zip(before, model.get_weights()))
        print("fine")
    """,
        signal.SIGINT,
    )
    assert out.endswith("fine\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_predicts_and_trains():
    """The threads of the parent are not in the child: who asks for them would wait for ever."""
    script("""
        import os, sys, warnings
        import numpy as np
        import nncore as nn
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process with threads

        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2000, 300)).astype("f4"), rng.integers(0, 3, 2000)

        def make():
            model = nn.Sequential([nn.Input((300,)), nn.layers.Dense(256, "relu"), nn.layers.Dense(3)], seed=1)
            model.compile(nn.optimizers.SGD(0.01, 0.9), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
            model.fit(x, y, 500, 2, 0)
            return model

        model = make()
        wanted = model.predict(x).tobytes()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert model.predict(x).tobytes() == wanted
                model.fit(x, y, 500, 1, 0)
                assert make().predict(x).tobytes() == wanted
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        model.fit(x, y, 500, 1, 0)
    """)


MISSING = {
    "mean_squared_error": ("target", lambda f: f([[1.0]], None)),
    "softmax_cross_entropy": ("target", lambda f: f([[1.0]], None)),
    "categorical_cross_entropy": ("target", lambda f: f([[1.0]], None)),
    "binary_cross_entropy": ("target", lambda f: f([[1.0]], None)),
    "sigmoid_binary_cross_entropy": ("target", lambda f: f([[1.0]], None)),
    "relu_backward": ("y", lambda f: f(np.ones(3), None)),
    "gelu_backward": ("x", lambda f: f(np.ones(3), None)),
    "relu_forward": ("x", lambda f: f(None)),
    "dense_forward": ("x", lambda f: f(None, None)),
    "softmax": ("x", lambda f: f(None)),
    "absolute_error": ("target", lambda f: f([[1.0]], None)),
    "sgd_update": ("dw", lambda f: f(np.ones(3), None)),
    "adam_update": ("dw", lambda f: f(np.ones(3), None, np.zeros(3), np.zeros(3))),
    "sum_of_squares": ("x", lambda f: f(None)),
    "lion_update": ("dw", lambda f: f(np.ones(3), None, np.zeros(3))),
    "accumulate_gradient": ("dw", lambda f: f(np.ones(3), None, 2, 0)),
    "penalty": ("w", lambda f: f(None)),
    "penalty_gradient": ("w", lambda f: f(np.ones(3), None)),
}


@pytest.mark.parametrize("kernel", MISSING)
def test_a_missing_array_is_an_error_and_no_null_pointer(kernel):
    name, call = MISSING[kernel]
    with pytest.raises(TypeError, match=f"{kernel}: {name} must be"):
        call(getattr(nn.kernels, kernel))


def test_empty_rows_cost_nothing():
    nothing = np.broadcast_to(np.float32(1), (2**40, 0))
    with pytest.raises(ValueError, match="at least one column"):
        nn.kernels.softmax_backward(nothing, nothing)
    assert nn.kernels.dense_backward_input(np.ones((3, 2)), np.ones((0, 2))).shape == (3, 0)


@pytest.mark.parametrize(
    ("loss", "y", "wanted"),
    [
        ("bce", [[-1.0], [1.0]], r"y holds -1 at row 0, column 0, but .* are probabilities: 0 to 1"),
        ("bce", [[0.0], [2.0]], r"y holds 2 at row 1"),
        ("categorical_crossentropy", [[-3.0], [1.0]], r"are weights of the classes: not negative"),
    ],
)
def test_targets_outside_the_range_are_refused(loss, y, wanted):
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match=wanted):
        model.fit([[1.0], [2.0]], y, verbose=0)


def test_a_layer_that_does_not_fit_in_memory_is_named():
    with pytest.raises((MemoryError, ValueError), match="layer 'dense': cannot make kernel"):
        nn.Sequential([nn.Input((2**24,)), nn.layers.Dense(2**24)])


def test_outputs_that_share_memory_are_refused():
    out = np.zeros(16, np.float32)
    with pytest.raises(ValueError, match="db_out shares memory"):
        nn.kernels.dense_backward_params(
            np.ones((3, 4), np.float32), np.ones((3, 4), np.float32), dw_out=out.reshape(4, 4), db_out=out[:4]
        )
