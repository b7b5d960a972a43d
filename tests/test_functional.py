"""Functional models: graphs of layers, several inputs and outputs, shared layers, models in models."""

import numpy as np
import pytest

import nncore as nn
from nncore.layers import Activation, Dense, Subtract

RNG = np.random.default_rng(3)
X, Z = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 2))
Y, IDS = RNG.standard_normal((40, 1)), RNG.integers(0, 3, 40)
EXECUTORS = [nn.executor.Executor, nn.reference.executor.Executor]


def weights(model):
    return [weight.numpy().tobytes() for weight in [*model.weights, *model._slots]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_chain_is_the_sequential_model(dtype):
    layers = [Dense(4, "tanh", dtype=dtype, name="a"), Dense(1, dtype=dtype, name="b")]
    chain = nn.Sequential([nn.Input((3,)), *layers], seed=5)
    x = nn.Input((3,))
    hidden = Dense(4, "tanh", dtype=dtype, name="a")(x)
    graph = nn.Model(x, Dense(1, dtype=dtype, name="b")(hidden), seed=5)
    for model in (chain, graph):
        model.compile(nn.optimizers.Adam(0.01), "mse", metrics=["mae"])
    histories = [model.fit(X, Y, 8, 3, 0, validation_split=0.2).history for model in (chain, graph)]
    assert histories[0] == histories[1]
    assert weights(chain) == weights(graph)
    assert chain.predict(X).tobytes() == graph.predict(X).tobytes()
    assert chain(X[:2]).tobytes() == graph(X[:2]).tobytes() == graph(X[:2]).tobytes()


def two_headed(executor=EXECUTORS[0], share=0.5):
    x = nn.Input((3,), name="x", dtype="float64")
    shared = Dense(4, "tanh", dtype="float64", name="shared")
    hidden = shared(x)
    value = Dense(1, dtype="float64", name="value")(hidden)
    kind = Dense(3, dtype="float64", name="kind")(hidden)
    model = nn.Model(x, [value, kind], seed=2)
    model.executor_class = executor
    model.compile(
        nn.optimizers.SGD(0.1, 0.9),
        ["mse", nn.losses.SparseCategoricalCrossentropy(from_logits=True)],
        loss_weights={"value": share},
        metrics={"kind": ["accuracy"], "value": "mae"},
    )
    return model


def test_two_outputs_both_executors_agree():
    models = [two_headed(executor) for executor in EXECUTORS]
    histories = [m.fit(X, [Y, IDS], 8, 3, 0, validation_data=(X, {"value": Y, "kind": IDS})).history for m in models]
    keys = ["loss", "value_loss", "kind_loss", "value_mae", "kind_accuracy"]
    assert sorted(histories[0]) == sorted([*keys, *("val_" + key for key in keys)])
    for key in histories[0]:
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-9)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_the_loss_is_the_weighted_sum_and_so_is_its_gradient():
    model = two_headed(share=0.25)
    logs = model.evaluate(X, [Y, IDS], verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(0.25 * logs["value_loss"] + logs["kind_loss"], rel=1e-12)
    before, step = model.get_weights(), 1e-6
    model.optimizer.momentum, model.optimizer.learning_rate = 0.0, 1e-3
    model.train_on_batch(X, [Y, IDS])
    after = model.get_weights()
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        gradient = (old - new) / 1e-3
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        ends = []
        for side in (step, -step):
            moved = [w.copy() for w in before]
            moved[number][place] += side
            model.set_weights(moved)
            ends.append(model.evaluate(X, [Y, IDS], verbose=0, return_dict=True)["loss"])
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(gradient[place], rel=1e-6)


def test_an_output_without_loss_is_not_trained():
    model = two_headed()
    model.compile(nn.optimizers.SGD(0.1), {"value": "mse"})
    kind = model.get_layer("kind").get_weights()
    logs = model.fit(X, {"value": Y}, epochs=1, verbose=0).history
    assert list(logs) == ["loss", "value_loss"]
    assert all((a == b).all() for a, b in zip(kind, model.get_layer("kind").get_weights(), strict=True))


def test_predictions_come_as_the_model_was_made():
    model = two_headed()
    value, kind = model.predict(X)
    assert value.shape == (40, 1) and kind.shape == (40, 3)
    again = model(X)
    assert again[0].tobytes() == value.tobytes() and again[1].tobytes() == kind.tobytes()
    x = nn.Input((3,), name="x")
    named = nn.Model({"x": x}, {"first": Dense(2)(x), "second": x})
    found = named.predict({"x": X})
    assert list(found) == ["first", "second"] and (found["second"] == X.astype(np.float32)).all()


def crossed():
    """Return a model whose inputs' and outputs' keys are other layers' names, and data by these keys."""
    a, b = nn.Input((4,), name="a"), nn.Input((4,), name="b")
    p, q = Dense(1, name="p")(Subtract(name="minus")([a, b])), Dense(2, name="q")(a)
    model = nn.Model({"b": a, "a": b}, {"q": p, "p": q}, seed=2)
    model.compile(nn.optimizers.SGD(0.1), {"q": "mse", "p": "mae"}, metrics={"q": ["mae"]}, loss_weights={"p": 0.5})
    rng = np.random.default_rng(8)
    return model, {"a": rng.normal(size=(20, 4)), "b": rng.normal(size=(20, 4))}, {
        "p": rng.normal(size=(20, 2)), "q": rng.normal(size=(20, 1))}


def test_a_dict_of_inputs_takes_its_keys():
    ones = np.ones((2, 4), np.float32)
    a, b = nn.Input((4,), name="a"), nn.Input((4,), name="b")
    difference = Subtract()([a, b])
    model = nn.Model({"b": a, "a": b}, difference)
    assert model.inputs == ["b", "a"] and model.input_shape == {"b": (None, 4), "a": (None, 4)}
    assert (model.predict({"a": 0 * ones, "b": ones}) == 1).all()
    assert (model({"a": 0 * ones, "b": ones}) == 1).all()
    again = nn.Model.from_config(model.get_config())
    assert (again.predict({"a": 0 * ones, "b": ones}) == 1).all()
    by_name = nn.Model([b, a], difference)  # of a list the layers' names
    assert by_name.inputs == ["b", "a"] and (by_name.predict({"a": 0 * ones, "b": ones}) == -1).all()
    sides = nn.Model({"left": (x := nn.Input((4,))), "right": (z := nn.Input((4,)))}, Subtract()([x, z]))
    assert (sides.predict({"right": 0 * ones, "left": ones}) == 1).all()
    u, v = nn.Input((4,)), nn.Input((4,))
    outer = nn.Model([u, v], sides({"right": u, "left": v}))
    for found in (outer, nn.Model.from_config(outer.get_config())):
        assert (found.predict([0 * ones, ones]) == 1).all()
    chain = nn.Sequential([nn.Input((4,), name="only"), Activation("relu")])
    assert (nn.Model(u, chain({"only": u})).predict(ones) == 1).all()
    with pytest.raises(ValueError, match="x has no entry for input 'left'; it has 'right', 'lift'"):
        sides({"right": u, "lift": v})
    with pytest.raises(ValueError, match="x is a dict, but the model is not built"):
        nn.Sequential([Dense(2)])({"only": u})


def test_a_dict_is_the_list_in_its_order_wherever_data_are_taken(tmp_path):
    model, x, y = crossed()
    weight = {"p": np.arange(20.0), "q": None}
    listed = [x["b"], x["a"]], [y["q"], y["p"]], [None, np.arange(20.0)]
    batches = [[{key: part[rows] for key, part in given.items()} for given in (x, y)]
               for rows in (slice(0, 10), slice(10, 20))]
    other = crossed()[0]
    runs = [one.fit(*data[:2], 10, 2, 0, sample_weight=data[2], shuffle=False, validation_data=data[:2]).history
            for one, data in ((model, (x, y, weight)), (other, listed))]
    assert runs[0] == runs[1] and set(runs[0]) >= {"q_loss", "p_loss", "q_mae", "val_q_mae"}
    assert weights(model) == weights(other)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    other.fit(*listed[:2], 10, 1, 0, shuffle=False)
    for one in (model, loaded):
        one.fit((tuple(batch) for batch in batches), epochs=1, verbose=0)
        assert weights(one) == weights(other)
        assert one.evaluate(x, y, verbose=0) == other.evaluate(*listed[:2], verbose=0)
        assert one.evaluate((tuple(batch) for batch in batches), verbose=0) == one.evaluate(x, y, 10, verbose=0)
        found, wanted = one.predict(x), other.predict(listed[0])
        assert list(found) == ["q", "p"] and all((found[key] == wanted[key]).all() for key in found)
        streamed = one.predict(batch[0] for batch in batches)
        assert all((streamed[key] == wanted[key]).all() for key in found)
    changed = [one.fit(*data, 10, 1, 0, augment=lambda x, y, rng: (x, y)).history
               for one, data in ((model, (x, y)), (other, listed[:2]))]
    assert changed[0] == changed[1]
    model.fit(x, y, 10, 1, 0, callbacks=nn.callbacks.Diagnostics(x, y, verbose=0))  # which takes the data by name


def test_weights_of_rows_under_the_key_of_the_only_output():
    x = nn.Input((3,))
    model = nn.Model({"in": x}, {"out": Dense(1, name="d")(x)}, seed=1)
    model.compile("sgd", {"out": "mse"})
    wanted = model.evaluate(X, Y, sample_weight=np.arange(40.0), verbose=0)
    assert model.evaluate({"in": X}, {"out": Y}, sample_weight={"out": np.arange(40.0)}, verbose=0) == wanted


def test_a_key_for_which_there_is_nothing_is_refused():
    model, x, y = crossed()
    more_x, more_y = {**x, "z": x["a"]}, {**y, "z": y["p"]}
    no_input, no_output = "{} names an input 'z', but the inputs are 'b', 'a'$", \
        "{} names an output 'z', but the outputs are 'q', 'p'$"
    before = weights(model)
    for call, message in [
        (lambda: model.fit(more_x, y, verbose=0), no_input.format("fit: x")),
        (lambda: model.fit(x, more_y, verbose=0), no_output.format("fit: y")),
        (lambda: model.fit(x, y, verbose=0, validation_data=(x, more_y)), no_output.format(r"validation_data\[1\]")),
        (lambda: model.fit(iter([(more_x, y)]), verbose=0), no_input.format("fit: batch 1: x")),
        (lambda: model.evaluate(more_x, y, verbose=0), no_input.format("evaluate: x")),
        (lambda: model.predict(more_x), no_input.format("predict: x")),
        (lambda: model(more_x), no_input.format(r"model\(x\): x")),
        (lambda: two_headed().fit(X, {"value": Y, "kind": IDS, "z": Y}), "y names an output 'z', but the outputs are "),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    assert weights(model) == before


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_layer_used_twice_shares_its_weights(executor):
    x = nn.Input((4,), name="x", dtype="float64")
    layer = Dense(4, "tanh", dtype="float64", name="twice")
    y = Dense(1, dtype="float64", name="out")(layer(layer(x)))
    model = nn.Model(x, y, seed=4)
    model.executor_class = executor
    model.compile(nn.optimizers.SGD(1e-3), "mse")
    assert len(model.weights) == 4 and "again" in _summary(model)
    rows = RNG.standard_normal((12, 4))
    target = rows[:, :1]
    before = model.get_weights()
    model.train_on_batch(rows, target)
    gradient = (before[0] - model.get_weights()[0]) / 1e-3
    place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    ends = []
    for side in (1e-6, -1e-6):
        moved = [w.copy() for w in before]
        moved[0][place] += side
        model.set_weights(moved)
        ends.append(model.evaluate(rows, target, verbose=0))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient[place], rel=1e-6)


def _summary(model):
    lines = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


def test_models_share_layers_and_both_see_what_one_learns():
    x = nn.Input((3,))
    hidden = Dense(4, "relu", name="hidden")(x)
    inner = nn.Model(x, hidden, seed=1)
    outer = nn.Model(x, Dense(1, name="out")(hidden), seed=2)
    before = inner.predict(X)
    outer.compile(nn.optimizers.SGD(0.1), "mse")
    outer.fit(X, Y, epochs=2, verbose=0)
    after = inner.predict(X)
    assert (before != after).any()
    kernel, bias = inner.get_weights()
    np.testing.assert_allclose(after, np.maximum(X @ kernel + bias, 0), rtol=1e-5, atol=1e-5)


def test_a_model_is_a_layer_of_another_one(tmp_path):
    inner = nn.Sequential([nn.Input((3,)), Dense(4, "tanh"), Dense(2)], name="inner", seed=1)
    x = nn.Input((3,), name="x")
    model = nn.Model(x, Dense(1)(inner(x)), seed=2)
    assert list(model.weight_paths()) == ["inner/dense/kernel", "inner/dense/bias", "inner/dense_1/kernel",
                                          "inner/dense_1/bias", "dense/kernel", "dense/bias"]
    model.compile(nn.optimizers.SGD(0.1, 0.9), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = nn.load_model(path)
    assert weights(model) == weights(again)
    for each in (model, again):
        each.fit(X, Y, epochs=1, verbose=0)
    assert weights(model) == weights(again)
    chain = nn.Sequential([nn.Input((3,)), inner, Activation("relu")])
    assert (chain.predict(X) == np.maximum(inner.predict(X), 0)).all()


def test_functional_files(tmp_path):
    model = two_headed()
    model.fit(X, [Y, IDS], epochs=1, verbose=0)
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = nn.load_model(path)
    for each in (model, again):
        each.fit(X, [Y, IDS], epochs=1, verbose=0)
    assert weights(model) == weights(again)
    assert again.loss_weights == model.loss_weights and again.output_names == ["value", "kind"]


def test_dense_takes_any_rank():
    x = nn.Input((5, 3), dtype="float64")
    model = nn.Model(x, Dense(2, "tanh", dtype="float64")(x), seed=1)
    rows = RNG.standard_normal((7, 5, 3))
    kernel, bias = model.get_weights()
    for executor in EXECUTORS:
        model.executor_class = executor
        model._forget()
        np.testing.assert_allclose(model.predict(rows), np.tanh(rows @ kernel + bias), rtol=1e-12)


@pytest.mark.parametrize(
    "call, exception, message",
    [
        (lambda: nn.Model(3, 4), TypeError, "inputs must be symbolic tensors"),
        (lambda: nn.Model(nn.Input((3,)), Dense(2)(nn.Input((3,), name="z"))), ValueError,
         "depend on input 'z', which is not among the inputs"),
        (lambda: nn.Model((x := nn.Input((3,))), [Dense(2, name="a")(x), Dense(3, name="a")(x)]), ValueError,
         "two layers are called 'a'"),
        (lambda: nn.Model((x := nn.Input((3,))), Dense(2, dtype="float64")(Dense(2)(x))), ValueError, "share one dtype"),
        (lambda: two_headed().fit(X, Y), ValueError, "fit: y must be a list of 2 arrays or a dict"),
        (lambda: two_headed().fit(X, {"value": Y}), ValueError, "y has no entry for output 'kind'"),
        (lambda: two_headed().fit(X, [Y, IDS + 1]), ValueError, r"y\[1\]\[\d+\] is 3"),
        (lambda: two_headed().compile("sgd", ["mse"]), ValueError, "loss has 1 entries, but the model has 2 outputs"),
        (lambda: two_headed().compile("sgd", {"valu": "mse"}), ValueError, "loss names an output 'valu'"),
        (lambda: np.asarray(nn.Input((3,))), TypeError, "is symbolic and holds no numbers"),
        (lambda: Dense(2)([nn.Input((3,)), X]), TypeError, "symbolic tensors and numbers do not mix"),
    ],
)
def test_what_is_refused(call, exception, message):
    with pytest.raises(exception, match=message):
        call()
