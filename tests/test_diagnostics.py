"""Diagnoses: nets that have each illness, healthy ones, the report and the callback."""

import json
import math

import numpy as np
import pytest

import nncore as nn
from nncore import reference
from nncore.diagnostics import Finding, LayerReport, Report

RNG = np.random.default_rng(0)
X = RNG.standard_normal((512, 10)).astype(np.float32)
Y = (np.sin(X[:, :1]) + X[:, 1:2] / 2).astype(np.float32)
D = nn.layers.Dense


def net(*layers, optimizer=None, loss="mse", seed=3):
    model = nn.Sequential([nn.Input((10,)), *layers], seed=seed)
    model.compile(nn.optimizers.SGD(0.01) if optimizer is None else optimizer, loss)
    return model


def deep(activation, depth, initializer, **more):
    return net(*[D(32, activation, kernel_initializer=initializer) for _ in range(depth)], D(1), **more)


# Healthy ----------------------------------------------------------------------------------------------------

HEALTHY = {
    "linear": lambda: net(D(1)),
    "from zero": lambda: net(D(1, kernel_initializer="zeros")),
    "shallow sigmoid": lambda: net(D(16, "sigmoid"), D(1)),
    "deep tanh": lambda: deep("tanh", 10, "glorot_uniform"),
    "deep ReLU": lambda: deep("relu", 10, "he_normal"),
    "deep SELU": lambda: deep("selu", 10, "lecun_normal"),
    "batch normalization": lambda: net(
        *[part for _ in range(4) for part in (D(32), nn.layers.BatchNormalization(), nn.layers.Activation("relu"))], D(1)),
    "Adam": lambda: net(D(64, "relu"), D(64, "relu"), D(1), optimizer="adam"),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("epochs", [0, 5])
def test_nothing_is_found_in_a_healthy_net(name, epochs):
    model = HEALTHY[name]()
    if epochs:
        model.fit(X, Y, epochs=epochs, verbose=0, validation_data=(X[:100] * 0.9, Y[:100]))
    report = nn.diagnose(model, X, Y)
    assert report.verdict == "nothing found" and report.findings == (), str(report)


def test_nothing_is_found_in_a_trained_classifier():
    x, ids = nn.data.load_digits()[:2] if hasattr(nn.data, "load_digits") else (X, (X[:, 0] > 0).astype(int))
    model = nn.Sequential([nn.Input(x.shape[1:]), D(64, "relu"), D(int(max(ids)) + 1, "softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, ids, epochs=5, verbose=0)
    assert nn.diagnose(model, x, ids).verdict == "nothing found"


# Each illness -----------------------------------------------------------------------------------------------


def test_vanishing_gradients_of_a_deep_sigmoid_net():
    report = nn.diagnose(deep("sigmoid", 10, "glorot_uniform"), X, Y)
    assert report.verdict == "vanishing gradients"
    (finding,) = report.findings
    assert finding.layers[0] == "dense" and "dense_9" not in finding.layers
    sizes = [row.gradient_size for row in report.layers]
    assert all(a < b for a, b in zip(sizes, sizes[1:], strict=False)) and sizes[0] < 1e-6 * sizes[-1]
    assert "1e-03" not in finding.evidence and "ReLU" in finding.advice
    # The cure that is named works.
    assert nn.diagnose(deep("relu", 10, "he_normal"), X, Y).verdict == "nothing found"


def test_vanishing_gradients_of_saturated_units():
    report = nn.diagnose(net(D(32, "tanh", kernel_initializer=nn.initializers.RandomNormal(stddev=300.0)), D(32, "tanh",
                             kernel_initializer=nn.initializers.RandomNormal(stddev=300.0)), D(1)), X, Y)
    assert report.layers[0].saturated > 0.95 and report.layers[2].saturated is None
    assert report.layers[0].dead is None


def test_exploding_gradients_of_large_weights():
    report = nn.diagnose(deep("relu", 12, nn.initializers.RandomNormal(stddev=2.0)), X, Y)
    assert report.verdict == "exploding gradients"
    (finding,) = report.findings
    assert "dense" in finding.layers and "times that at the model's output" in finding.evidence
    assert "clipping" in finding.advice


def test_exploding_gradients_that_overflow():
    report = nn.diagnose(deep("linear", 30, nn.initializers.RandomNormal(stddev=20.0)), X, Y)
    assert report.verdict == "exploding gradients" and "inf or nan" in report.findings[0].evidence
    assert json.dumps(report.to_dict())


def test_exploding_gradients_of_a_learning_rate():
    report = nn.diagnose(net(D(32, "relu"), D(1), optimizer=nn.optimizers.SGD(100.0)), X, Y)
    assert report.verdict == "exploding gradients"
    assert "one step changes the weights of dense, dense_1 by up to" in report.findings[0].evidence
    report = nn.diagnose(net(D(32, "relu"), D(1), optimizer=nn.optimizers.SGD(3e38)), X, 1000 * Y)
    assert report.verdict == "exploding gradients" and math.isinf(report.layers[0].update_ratio)


def test_dying_relu():
    bias = nn.initializers.Constant(-50.0)
    report = nn.diagnose(net(D(16, "relu"), D(32, "relu", bias_initializer=bias, name="lost"), D(1)), X, Y)
    assert report.verdict == "dying ReLU"
    assert report.findings[0].layers == ("lost",) and "100.0 % of lost" in report.findings[0].evidence
    assert report.layers[0].dead < 0.5 and report.layers[1].dead == 1.0 and report.layers[2].dead is None
    # Half of the units, by an activation of its own layer; leaky ReLU is the cure that is named.
    model = net(D(8, name="d"), nn.layers.Activation("relu"), D(1))
    weights = model.get_weights()
    weights[1][:4] = -100
    model.set_weights(weights)
    assert nn.diagnose(model, X, Y).verdict == "dying ReLU"
    bias = nn.initializers.Constant(-5.0)
    assert nn.diagnose(net(D(32, "relu", bias_initializer=bias), D(1)), X, Y).verdict == "dying ReLU"
    assert nn.diagnose(net(D(32, "leaky_relu", bias_initializer=bias), D(1)), X, Y).verdict == "nothing found"


def overfitted(callbacks=None):
    """Forty rows of noise, which a large net learns by heart."""
    x, y, held_out = X[:40], RNG.standard_normal((40, 1)), (X[100:300], RNG.standard_normal((200, 1)))
    model = net(D(64, "relu"), D(64, "relu"), D(1), optimizer=nn.optimizers.Adam(0.01))
    model.fit(x, y, epochs=60, verbose=0, validation_data=held_out, callbacks=callbacks)
    return model, x, y, held_out


def test_overfitting_from_the_curves():
    model, x, y, _ = overfitted()
    report = nn.diagnose(model, x, y)
    assert report.verdict == "overfitting" and report.findings[0].layers == ()
    assert "the validation loss was lowest after epoch" in report.findings[0].evidence
    assert "early stopping" in report.findings[0].advice


@pytest.mark.parametrize(
    ("loss", "val_loss", "ill"),
    [
        ([1.0, 0.5, 0.3, 0.1], [1.1, 0.8, 0.85, 1.0], True),
        ([1.0, 0.5, 0.3, 0.1], [1.1, 0.8, 0.75, 0.8], False),  # has hardly risen
        ([1.0, 0.5, 0.3, 0.6], [1.1, 0.8, 0.75, 1.3], False),  # both rise: that is something else
        ([1.0, 0.5, 0.3, 0.1], [1.1, 0.8, 0.7, 0.6], False),
        ([1.0], [5.0], False),
        ([1.0, 0.1], [1.0, math.nan], False),
    ],
)
def test_the_rule_of_the_curves(loss, val_loss, ill):
    report = nn.diagnose(net(D(1)), X, Y, curves={"loss": loss, "val_loss": val_loss})
    assert report.verdict == ("overfitting" if ill else "nothing found")


def test_overfitting_from_two_losses():
    model, x, y, held_out = overfitted()
    model.history = None
    assert nn.diagnose(model, x, y).verdict == "nothing found"
    report = nn.diagnose(model, x, y, held_out)
    assert report.verdict == "overfitting" and "the training loss" in report.findings[0].evidence
    fresh = net(D(4, "relu"), D(1))
    assert nn.diagnose(fresh, X, Y, (X[:50], Y[:50])).verdict == "nothing found"
    with pytest.raises(ValueError, match=r"validation_data must be \(x, y\) or \(x, y, sample_weight\)"):
        nn.diagnose(fresh, X, Y, X)


def test_several_illnesses_at_once():
    model = deep("sigmoid", 10, "glorot_uniform")
    report = nn.diagnose(model, X, Y, curves={"loss": [1.0, 0.1], "val_loss": [1.0, 9.0]})
    assert report.verdict == "nothing found" or "vanishing gradients" in report.verdict
    report = nn.diagnose(model, X, Y, curves={"loss": [1.0, 0.5, 0.1], "val_loss": [1.0, 0.5, 9.0]})
    assert report.verdict == "vanishing gradients, overfitting"


# The numbers ------------------------------------------------------------------------------------------------


def test_the_numbers_of_the_table():
    model = net(D(4, "relu", name="a"), D(1, "sigmoid", name="b"), optimizer=nn.optimizers.SGD(0.05))
    before, found = model.get_weights(), model.activations(X)
    weights, outputs = model.gradients(X, Y), model.gradients(X, Y, of="outputs")
    a, b = nn.diagnose(model, X, Y).layers
    assert (a.name, a.activation, b.activation) == ("a", "relu", "sigmoid")
    assert a.mean == pytest.approx(found["a"].mean(), rel=1e-5) and a.spread == pytest.approx(found["a"].std(), rel=1e-5)
    assert a.dead == (found["a"] == 0).all(axis=0).mean() and a.saturated is None
    assert b.saturated == pytest.approx(((found["b"] < 0.05) | (found["b"] > 0.95)).mean())
    norm = math.sqrt((weights["a/kernel"] ** 2).sum() + (weights["a/bias"] ** 2).sum())
    assert a.gradient_norm == pytest.approx(norm, rel=1e-5)
    assert a.gradient_size == pytest.approx(math.sqrt((outputs["a"] ** 2).mean()), rel=1e-5)
    assert a.update_ratio == pytest.approx(0.05 * norm / math.sqrt((before[0] ** 2).sum() + (before[1] ** 2).sum()), rel=1e-3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.optimizer.iterations == 0


def test_both_executors_see_the_same():
    model = net(D(8, "relu"), nn.layers.Dropout(0.3) if hasattr(nn.layers, "Dropout") else D(8), D(1))
    one = nn.diagnose(model, X, Y)
    model.executor_class = reference.executor.Executor
    for row, other in zip(one.layers, nn.diagnose(model, X, Y).layers, strict=True):
        for got, want in zip(row[2:], other[2:], strict=True):
            assert (got is None and want is None) or got == pytest.approx(want, rel=1e-3, abs=1e-6)


def test_nets_of_several_inputs_and_outputs():
    encoder = nn.Sequential([nn.Input((10,)), D(6, "relu", name="inner")], name="encoder")
    a, b = nn.Input((10,), name="a"), nn.Input((10,), name="b")
    h = nn.layers.Concatenate(name="join")([encoder(a), encoder(b)])
    model = nn.Model({"a": a, "b": b}, {"p": D(1, name="p")(h), "q": D(3, "softmax", name="q")(h)})
    model.compile("adam", {"p": "mse", "q": "sparse_categorical_crossentropy"})
    data = {"a": X, "b": X[::-1]}, {"p": Y, "q": np.arange(512) % 3}
    report = nn.diagnose(model, *data, sample_weight=np.ones(512))
    assert report.verdict == "nothing found", str(report)
    names = [row.name for row in report.layers]
    assert set(names) == {"encoder/inner", "encoder", "encoder/inner#2", "encoder#2", "join", "p", "q"}
    assert report.layers[names.index("encoder/inner")].update_ratio > 0
    assert nn.diagnose(model, *data, max_rows=10).verdict == "nothing found"


def test_the_report_is_shown_and_kept():
    layers = [LayerReport("a", "relu", 0.5, 12345.678, None, 0.25, 1e-7, 0.0, 0.031), LayerReport("b", "", -0.25, 0.5)]
    report = Report(layers, [Finding("dying ReLU", ("a",), "evidence", "advice")])
    assert str(report).splitlines() == [
        "layer       mean   spread  saturated    dead  gradient  at output  update/weights",
        "-" * 81,
        "a (relu)   0.500  1.2e+04          -  25.0 %   1.0e-07      0.000           0.031",
        "b         -0.250    0.500          -       -         -          -               -",
        "-" * 81,
        "Verdict: dying ReLU",
        "  dying ReLU: evidence",
        "  advice",
    ]
    assert repr(report) == "<Report of 2 layers: dying ReLU>"
    again = json.loads(json.dumps(report.to_dict()))
    assert again["verdict"] == "dying ReLU" and again["layers"][0]["dead"] == 0.25
    assert again["findings"] == [{"kind": "dying ReLU", "layers": ["a"], "evidence": "evidence", "advice": "advice"}]


def test_refused():
    model = nn.Sequential([nn.Input((10,)), D(1)])
    with pytest.raises(RuntimeError, match="diagnose: the model has no loss"):
        nn.diagnose(model, X, Y)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="max_rows must be at least 1"):
        nn.diagnose(model, X, Y, max_rows=0)
    with pytest.raises(ValueError, match="diagnose: x must have shape"):
        nn.diagnose(model, X[:, :3], Y)


# The callback -----------------------------------------------------------------------------------------------


def test_the_callback_speaks_when_the_verdict_changes(capsys):
    x, y = X[:40], RNG.standard_normal((40, 1))
    look = nn.callbacks.Diagnostics(x, y, every=10)
    model = net(D(64, "relu"), D(64, "relu"), D(1), optimizer=nn.optimizers.Adam(0.01))
    model.fit(x, y, epochs=60, verbose=0, validation_data=(X[100:300], RNG.standard_normal((200, 1))), callbacks=look)
    assert list(look.reports) == [9, 19, 29, 39, 49, 59]
    assert look.report is look.reports[59] and look.report.verdict == "overfitting"
    changes = [epoch for before, epoch in zip([None, *look.reports], look.reports, strict=False)
               if look.reports[epoch].verdict != (look.reports[before].verdict if before else "nothing found")]
    shown = capsys.readouterr().out
    assert [int(line.split()[1]) for line in shown.splitlines() if line.startswith("Epoch ")] == [e + 1 for e in changes]
    assert "Verdict: overfitting" in shown


def test_the_callback_changes_nothing(capsys):
    runs = []
    for callbacks in (None, nn.callbacks.Diagnostics(X[:64], Y[:64], verbose=2)):
        model = net(D(8), nn.layers.BatchNormalization(), nn.layers.Activation("relu"), D(1), optimizer="adam")
        model.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks)
        runs.append(model.get_weights())
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert capsys.readouterr().out.count("Verdict: nothing found") == 3


def test_the_callback_refuses():
    with pytest.raises(ValueError, match="every must be at least 1"):
        nn.callbacks.Diagnostics(X, Y, every=0)
    with pytest.raises(ValueError, match="verbose must be 0, 1 or 2"):
        nn.callbacks.Diagnostics(X, Y, verbose=3)
