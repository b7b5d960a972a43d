"""The Embedding layer in models: training touches the rows that a batch names, to the bit, in both executors."""

import json

import numpy as np
import oracle
import pytest
from test_kernels import DTYPES, needs_fma
from test_whole_runs import OPTIMIZERS, OracleExecutor, Poisoned, assert_same

import nncore as nn
from nncore import reference
from nncore.executor import Executor

layers, optimizers = nn.layers, nn.optimizers
RNG = np.random.default_rng(8)
# What is done with a row is a function of that row with all but these.
WHOLE = {"lamb", "an average", "an average that returns", "accumulated", "accumulated, an average"}
BY_ROWS = sorted(set(OPTIMIZERS) - WHOLE)
IDS = RNG.integers(0, 50, (90, 3)) * RNG.integers(0, 2, (90, 3))
TARGET = RNG.standard_normal((90, 2))


class Exact(OracleExecutor):
    """The oracle, which knows what the ops of touched rows are made of."""

    def _formula(self, kernel, inputs, scalars):
        if kernel == "embedding_index":
            self.settings = scalars
            self.ids = inputs[0]
            rows, _ = oracle.embedding_backward_rows(None, np.zeros((inputs[0].size, 1)), inputs[0], **scalars)
            self.rows = np.zeros(inputs[0].shape, np.int64)
            self.rows.ravel()[: len(rows)] = rows
            return self.rows, 0, 0, len(rows), 0  # the sums are made of the ids themselves
        if kernel == "embedding_sums":
            dy = inputs[0]
            _, sums = oracle.embedding_backward_rows(
                None, dy.reshape(-1, dy.shape[-1]), self.ids.ravel(), **self.settings)  # fmt: skip
            dw = np.full((self.ids.size, dy.shape[-1]), np.nan, dy.dtype)
            dw[: len(sums)] = sums
            return (dw.reshape(dy.shape),)
        if kernel == "embedding_penalty":
            w, rows, count, divisor = inputs
            sizes = squares = 0.0
            for row in rows.ravel()[: count[0]]:
                part = oracle.penalty_sums(w[row], **scalars)
                sizes, squares = sizes + float(part[0]), squares + float(part[1])
            share = 1.0 if divisor is None else float(divisor[0])
            return (oracle.penalty_value(np.array([sizes, squares]), **scalars, divisor=share),)
        if kernel == "embedding_squares":
            dw, count = inputs
            total = 0.0
            for part in oracle.square_sums(dw.reshape(-1, dw.shape[-1])[: count[0]].ravel()):
                total += part
            return (total,)
        return super()._formula(kernel, inputs, scalars)

    def _call(self, op, arrays, attributes):
        to = None if not op.outputs else arrays[op.outputs[0]]
        if op.kernel == "reshape_forward":
            to[...] = arrays[op.inputs[0]].reshape(to.shape)
        elif op.kernel == "embedding_squares":
            (to[op.attributes["first"]],) = self._formula(op.kernel, [arrays[n] for n in op.inputs], {})
        else:
            super()._call(op, arrays, attributes)


def net(dtype="float32", optimizer="adam", kind=Executor, **settings):
    model = nn.Sequential([
        nn.Input((3,), dtype="int64"), layers.Embedding(50, 5, dtype=dtype, **settings), layers.Flatten(dtype=dtype),
        layers.Dense(2, dtype=dtype),
    ], seed=3)  # fmt: skip
    model.compile(OPTIMIZERS[optimizer](), "mse")
    model.executor_class = kind
    return model


def trained(model, x=IDS, y=TARGET, epochs=2, batch_size=32):
    history = model.fit(x, y, batch_size, epochs, 0)
    found = {variable.name: variable.numpy() for variable in [*model.weights, *model._slots]}
    return found | {key: np.array(values) for key, values in history.history.items()}


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", BY_ROWS)
def test_training_has_the_documented_bits(optimizer, dtype):
    want = trained(net(dtype, optimizer, Exact))
    for kind in (Executor, Poisoned):
        assert_same(trained(net(dtype, optimizer, kind)), want, f"{optimizer} {kind.__name__}")


SETTINGS = {
    "l2": {"embeddings_regularizer": nn.regularizers.L2(0.01)},
    "l1_l2": {"embeddings_regularizer": nn.regularizers.L1L2(0.003, 0.01), "mask_zero": True},
    "per sample": {"embeddings_regularizer": nn.regularizers.L1L2(0.3, 1.0, per_sample=True)},
    "max_norm": {"embeddings_constraint": nn.constraints.MaxNorm(0.06, axis=1)},
    "min_max_norm": {"embeddings_constraint": nn.constraints.MinMaxNorm(0.05, 0.06, 0.5, axis=-1)},
    "non_neg": {"embeddings_constraint": "non_neg", "embeddings_regularizer": "l1"},
}


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SETTINGS)
def test_penalties_and_constraints_have_the_documented_bits(name, dtype):
    want = trained(net(dtype, "adam, clipped", Exact, **SETTINGS[name]))
    assert_same(trained(net(dtype, "adam, clipped", **SETTINGS[name])), want, name)


@pytest.mark.parametrize(("optimizer", "settings"), [
    *(("adam, clipped", settings) for settings in (
        {"mask_zero": True}, {"unseen": 2}, {"unseen": "zero"}, *SETTINGS.values(),
        {"embeddings_constraint": nn.constraints.MaxNorm(0.2)},
    )),
    *((optimizer, {}) for optimizer in OPTIMIZERS),
])  # fmt: skip
def test_the_numpy_executor_trains_alike(optimizer, settings):
    ids = np.where(RNG.random(IDS.shape) < 0.2, 10**9, IDS) if "unseen" in settings else IDS
    want = trained(net("float64", optimizer, reference.executor.Executor, **settings), ids)
    got = trained(net("float64", optimizer, **settings), ids)
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=1e-9, atol=1e-12, err_msg=key)


def test_threads_change_nothing():
    ids, y = RNG.integers(0, 400, (600, 3)), RNG.standard_normal((600, 2))
    found = []
    for n_threads in (1, 2):

        class Threads(Executor):
            def bind(self, *arguments, n_threads=n_threads, **keywords):
                bound = super().bind(*arguments, **keywords)
                return lambda *a, **k: bound(*a, **{**k, "n_threads": n_threads})

        model = net("float32", "adam, clipped", Threads, unseen="zero")
        found.append(trained(model, ids, y, batch_size=200))
    assert_same(found[1], found[0], "two threads")


def gradient(model, x, y):
    """What one step of SGD with rate 1 subtracts, and the loss before."""
    before = model.get_weights()
    model.compile(optimizers.SGD(1.0), "mse")
    loss = model.train_on_batch(x, y)
    return loss, [a - b for a, b in zip(before, model.get_weights(), strict=True)]


def check_gradient(make, x, y):
    """Central differences of the loss along a random direction."""
    start = make().get_weights()
    direction = [RNG.standard_normal(w.shape) for w in start]
    _, slopes = gradient(make(), x, y)

    def at(t):
        model = make()
        model.set_weights([w + t * d for w, d in zip(start, direction, strict=True)])
        return gradient(model, x, y)[0]

    want = sum((g * d).sum() for g, d in zip(slopes, direction, strict=True))
    assert (at(1e-5) - at(-1e-5)) / 2e-5 == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("settings", [{}, {"mask_zero": True}, {"unseen": 2}, {"unseen": "zero"}])
def test_the_gradient_is_that_of_the_loss(settings):
    ids = np.where(RNG.random(IDS.shape) < 0.2, -7, IDS) if "unseen" in settings else IDS
    check_gradient(lambda: net("float64", **settings), ids, TARGET)


# Untouched rows: the stated rule ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Executor, reference.executor.Executor])
@pytest.mark.parametrize("optimizer", BY_ROWS)
def test_rows_that_no_id_names_stay_to_the_bit_and_so_does_their_state(optimizer, kind):
    settings = {"embeddings_regularizer": "l1_l2", "embeddings_constraint": nn.constraints.UnitNorm(axis=1)}
    model, y = net(optimizer=optimizer, kind=kind, **settings), RNG.standard_normal((60, 2))
    first, second = RNG.integers(0, 25, (60, 3)), RNG.integers(25, 50, (60, 3))
    for ids in (first, second):
        trained(model, ids, y)  # all have some state
    table = [variable for variable in [*model.weights, *model._slots] if variable.shape == (50, 5)]
    assert len(table) == 1 + len(model.optimizer.slots)
    before = [variable.numpy() for variable in table]
    trained(model, first, y)
    for variable, old in zip(table, before, strict=True):
        np.testing.assert_array_equal(variable.numpy()[25:], old[25:], err_msg=variable.name)
        assert (variable.numpy()[:25] != old[:25]).any(), variable.name


class Whole(optimizers.SGD):
    """Nobody knows what an optimizer of somebody else's makes of a gradient: it is that of the whole table."""

    def emit_update(self, program, variable, w, dw, slots, every=1):
        assert program.buffers[dw].shape == variable.shape
        super().emit_update(program, variable, w, dw, slots, every)


def test_where_a_batch_names_all_rows_they_are_trained_as_a_whole_table_is():
    ids, y = np.concatenate([RNG.permutation(50) for _ in range(12)]).reshape(200, 3), RNG.standard_normal((200, 2))
    found = []
    for kind in (optimizers.SGD, Whole):
        model = net(embeddings_regularizer="l2")
        model.compile(kind(0.1, 0.9, weight_decay=0.01), "mse")
        found.append(trained(model, ids, y, batch_size=100))
    for key in found[0]:  # the penalty is summed in another order
        np.testing.assert_allclose(found[1][key], found[0][key], rtol=1e-6 if key == "loss" else 0, err_msg=key)


WAYS = {
    "an optimizer of somebody else's": (lambda: Whole(0.1, 0.9, weight_decay=0.01), {}),
    "norms of columns": (lambda: optimizers.SGD(0.1, 0.9), {"embeddings_constraint": "unit_norm"}),
    **{name: (OPTIMIZERS[name], {}) for name in sorted(WHOLE) if "average" not in name},
}


@pytest.mark.parametrize("name", WAYS)
def test_what_looks_at_more_than_single_rows_changes_the_whole_table(name):
    make, settings = WAYS[name]
    model, y = net(**settings), RNG.standard_normal((60, 2))
    model.compile(make(), "mse")
    trained(model, RNG.integers(0, 50, (60, 3)), y, 4)
    before = model.layers[0].get_weights()[0]
    trained(model, RNG.integers(0, 25, (60, 3)), y, 4)
    assert (model.layers[0].get_weights()[0][25:] != before[25:]).any(axis=1).mean() > 0.8


def test_the_loss_has_the_penalty_on_the_rows_of_the_batch_and_in_evaluate_on_all():
    model = net("float64", embeddings_regularizer=nn.regularizers.L1L2(0.1, 0.01))
    plain = net("float64")
    plain.set_weights(model.get_weights())
    table = model.get_weights()[0]

    def penalty(rows):
        return 0.1 * np.abs(rows).sum() + 0.01 * (rows**2).sum()

    want = plain.evaluate(IDS, TARGET, verbose=0) + penalty(table)
    assert model.evaluate(IDS, TARGET, verbose=0) == pytest.approx(want, rel=1e-12)
    want = plain.train_on_batch(IDS[:5], TARGET[:5]) + penalty(table[np.unique(IDS[:5])])
    assert model.train_on_batch(IDS[:5], TARGET[:5]) == pytest.approx(want, rel=1e-12)


def test_a_penalty_per_sample_is_divided_by_what_the_batch_weighs():
    weight = np.linspace(0.5, 2.0, 5)
    for kind in (Executor, reference.executor.Executor):
        model = net("float64", kind=kind, embeddings_regularizer=nn.regularizers.L1L2(0.1, 0.01, per_sample=True))
        plain = net("float64", kind=kind)
        plain.set_weights(model.get_weights())
        rows = model.get_weights()[0][np.unique(IDS[:5])]
        want = (0.1 * np.abs(rows).sum() + 0.01 * (rows**2).sum()) / weight.sum()
        want += plain.train_on_batch(IDS[:5], TARGET[:5], weight)
        assert model.train_on_batch(IDS[:5], TARGET[:5], weight) == pytest.approx(want, rel=1e-12)


def test_a_step_does_not_depend_on_the_size_of_the_table():
    """The program of a step has the same ops and the same buffers, but for the table and its state."""
    def outline(rows):
        model = nn.Sequential([layers.Embedding(rows, 5), layers.Flatten(), layers.Dense(2)])
        model.compile(optimizers.Adam(global_clipnorm=1.0), "mse")
        model.train_on_batch(IDS, TARGET)
        ((plan,),) = model._plans.values()
        program, arrays = plan.executor.program, plan.executor.arrays
        shapes = [array.shape for array, buffer in zip(arrays, program.buffers, strict=True) if not buffer.variable]
        return [op.kernel for op in program.ops], shapes

    small = outline(60)
    assert "embedding_sums" in small[0]
    assert "embedding_backward" not in small[0]
    assert outline(100_000) == small


def test_a_million_rows_train():
    ids = RNG.integers(0, 1_000_000, (512, 2))
    model = nn.Sequential([layers.Embedding(1_000_000, 4), layers.Flatten(), layers.Dense(1)], seed=1)
    model.compile(optimizers.Adam(0.05), "mse")
    losses = model.fit(ids, ids[:, :1] % 2, 64, 12, 0).history["loss"]
    assert losses[-1] < 0.01 < losses[0]


# Shared tables ----------------------------------------------------------------------------------------------


def shared(dtype="float64", kind=Executor):
    """Two inputs that one table serves, and the same ids in one input."""
    a, b = nn.Input((2,), dtype="int64", name="a"), nn.Input((3,), dtype="int64", name="b")
    table = layers.Embedding(50, 5, dtype=dtype, name="table")
    both = layers.Concatenate(axis=1, dtype=dtype)([table(a), table(b)])
    two = nn.Model([a, b], layers.Dense(2, dtype=dtype)(layers.Flatten(dtype=dtype)(both)), seed=3)
    one = nn.Sequential([nn.Input((5,), dtype="int64"), layers.Embedding(50, 5, dtype=dtype),
                         layers.Flatten(dtype=dtype), layers.Dense(2, dtype=dtype)], seed=3)  # fmt: skip
    one.set_weights(two.get_weights())
    for model in (two, one):
        model.compile(optimizers.Adam(0.02, global_clipnorm=0.05), "mse")
        model.executor_class = kind
    return two, one


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_that_is_used_twice_is_trained_as_one_use_of_all_ids(dtype):
    two, one = shared(dtype)
    a, b = IDS[:, :2], RNG.integers(0, 50, (90, 3))
    assert two.count_params() == one.count_params()
    for _ in range(2):
        two.fit([a, b], TARGET, 32, 2, 0)
        one.fit(np.concatenate([a, b], axis=1), TARGET, 32, 2, 0)
    for x, y in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_shared_tables_in_the_numpy_executor_and_by_differences():
    a, b = IDS[:, :2], RNG.integers(0, 50, (90, 3))
    found = []
    for kind in (Executor, reference.executor.Executor):
        two, _ = shared(kind=kind)
        two.fit([a, b], TARGET, 32, 2, 0)
        found.append(two.get_weights())
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    check_gradient(lambda: shared()[0], [a, b], TARGET)


def test_numbers_and_ids_side_by_side():
    x, ids = nn.Input((4,), name="x"), nn.Input((2,), name="ids")  # ids: only an embedding reads it
    vectors = layers.Flatten()(layers.Embedding(50, 3)(ids))
    model = nn.Model({"x": x, "ids": ids}, layers.Dense(2)(layers.Concatenate()([x, vectors])), seed=1)
    model.compile("adam", "mse")
    data = {"x": RNG.standard_normal((90, 4)), "ids": IDS[:, :2].astype(np.int32)}
    first = model.evaluate(data, TARGET, verbose=0)
    model.fit(data, TARGET, 32, 5, 0)
    assert model.evaluate(data, TARGET, verbose=0) < first
    assert [spec.dtype.name for spec in model._input_specs] == ["float32", "int64"]


# What ids may be --------------------------------------------------------------------------------------------


def table(rows=4, width=3):
    return np.arange(1.0, 1 + rows * width).reshape(rows, width).astype(np.float32)


def test_ids_of_any_kind_and_rank():
    model = nn.Sequential([layers.Embedding(4, 3, weights=table())])
    ids = RNG.integers(0, 4, (7, 2, 5))
    want = table()[ids]
    for given in (ids, ids.astype(np.uint8), ids.astype(np.float32), ids.astype(float).tolist(), ids.astype(">i2")):
        np.testing.assert_array_equal(model.predict(given), want)
        np.testing.assert_array_equal(model(given), want)
    assert model.output_shape == (None, 2, 5, 3)
    np.testing.assert_array_equal(layers.Embedding(4, 3, weights=table())(ids), want)
    np.testing.assert_array_equal(layers.Embedding(4, 3, weights=[table()])([[1, 2]]), table()[[[1, 2]]])
    large = 2**24 + 1  # which float32 does not hold
    big = nn.Sequential([layers.Embedding(large + 1, 1, "zeros")])
    big.build((None, 1))
    big.layers[0].embeddings._value[large] = 5
    assert big([[large]]).item() == 5


def test_ids_that_are_no_rows_are_refused_wherever_data_come_in():
    model = net()
    bad = IDS.copy()
    bad[5, 1] = 50
    message = r"x\[5, 1\] is 50, but layer 'embedding' has rows 0 ... 49; its argument unseen says"
    for call in (lambda: model.fit(bad, TARGET, verbose=0), lambda: model.evaluate(bad, TARGET, verbose=0),
                 lambda: model.predict(bad), lambda: model(bad), lambda: model.train_on_batch(bad, TARGET),
                 lambda: model.fit(IDS, TARGET, validation_data=(bad, TARGET), verbose=0)):  # fmt: skip
        with pytest.raises(ValueError, match=message.replace("x", ".*", 1)):
            call()
    with pytest.raises(ValueError, match=r"x\[0, 2\] is -1, but layer 'embedding' has rows 0 ... 49"):
        model([[1, 2, -1]])
    with pytest.raises(ValueError, match=r"x\[0, 1\] is 0.5, but it takes whole numbers"):
        model([[1.0, 0.5, 2.0]])
    with pytest.raises(ValueError, match=r"layer 'e': x\[0, 0\] is 4, but layer 'e' has rows 0 ... 3"):
        layers.Embedding(4, 2, name="e")([[4]])
    ids = nn.Input((3,), dtype="int64")
    outer = nn.Model(ids, net()(ids))
    with pytest.raises(ValueError, match=r"x\[0, 2\] is 50, but layer 'embedding' has rows 0 ... 49"):
        outer([[1, 2, 50]])


def test_gradients_are_shown_of_the_whole_table():
    model = net("float64")
    table = model.gradients(IDS, TARGET)["embedding/embeddings"]
    _, slopes = gradient(model, IDS, TARGET)
    np.testing.assert_allclose(table, slopes[0], rtol=1e-9, atol=1e-15)


def test_unseen_ids_take_a_row_or_zeros():
    ids = [[0, 1], [7, -3]]
    y = nn.Sequential([layers.Embedding(4, 3, weights=table(), unseen=2)])(ids)
    np.testing.assert_array_equal(y, table()[[[0, 1], [2, 2]]])
    y = nn.Sequential([layers.Embedding(4, 3, weights=table(), unseen="zero")])(ids)
    np.testing.assert_array_equal(y[0], table()[[0, 1]])
    np.testing.assert_array_equal(y[1], 0)


def test_the_row_of_unseen_ids_is_trained_and_padding_is_not():
    model = nn.Sequential([layers.Embedding(4, 3, "ones", mask_zero=True, unseen=3), layers.Flatten()])
    model.compile(optimizers.SGD(0.1), "mse")
    np.testing.assert_array_equal(model([[0, 1]]), [[0, 0, 0, 1, 1, 1]])
    model.fit([[0, 99], [0, 1]], np.zeros((2, 6)), verbose=0)
    moved = (model.get_weights()[0] != 1).any(axis=1)
    np.testing.assert_array_equal(moved, [False, True, False, True])


def test_what_a_layer_computes_is_cut_to_whole_numbers():
    x = nn.Input((3,), dtype="float32")
    found = layers.Embedding(4, 3, weights=table(), unseen="zero")(layers.Rescaling(0.5)(x))
    model = nn.Model(x, found)
    y = model([[2.0, 3.0, 7.9]])  # 1, 1.5 and 3.95
    np.testing.assert_array_equal(y, [table()[[1, 1, 3]]])
    np.testing.assert_array_equal(model([[np.nan, 1e30, -9.0]]), np.zeros((1, 3, 3)))
    model.executor_class = reference.executor.Executor
    model._forget()
    np.testing.assert_array_equal(model.predict([[2.0, 3.0, 7.9]]), y)


def test_a_float_input_is_checked_for_whole_numbers():
    x = nn.Input((2,), dtype="float32")
    model = nn.Model(x, layers.Embedding(4, 3, weights=table())(x))
    np.testing.assert_array_equal(model([[1.0, 3.0]]), [table()[[1, 3]]])
    with pytest.raises(ValueError, match=r"x\[0, 0\] is 1.5, but it takes whole numbers"):
        model([[1.5, 3.0]])


def pooled(dtype="float64", kind=Executor):
    model = nn.Sequential([
        layers.Embedding(50, 5, mask_zero=True, dtype=dtype), layers.GaussianNoise(0.3, dtype=dtype),
        layers.GlobalAveragePooling1D(dtype=dtype), layers.Dense(2, dtype=dtype),
    ], seed=3)  # fmt: skip
    model.build((None, 3))
    model.compile("adam", "mse")
    model.executor_class = kind
    return model


def test_the_mean_over_steps_leaves_padding_out():
    model = nn.Sequential([layers.Embedding(4, 3, mask_zero=True, weights=table()), layers.GlobalAveragePooling1D()])
    y = model([[1, 0, 3], [0, 2, 0], [0, 0, 0], [1, 2, 3]])
    np.testing.assert_allclose(y, [(table()[1] + table()[3]) / 2, table()[2], [0] * 3, table()[1:].mean(axis=0)])
    kept = nn.Sequential([layers.Embedding(4, 3, weights=table()), layers.GlobalAveragePooling1D()])([[1, 0]])
    np.testing.assert_array_equal(kept, [(table()[1] + table()[0]) / 2])


def test_masked_means_train_alike_in_both_executors_and_have_the_gradient_of_the_loss():
    found = [trained(pooled(kind=kind)) for kind in (reference.executor.Executor, Executor)]
    for key in found[0]:
        np.testing.assert_allclose(found[1][key], found[0][key], rtol=1e-9, atol=1e-12, err_msg=key)
    check_gradient(pooled, IDS, TARGET)


# The layer --------------------------------------------------------------------------------------------------


def test_a_frozen_table_is_left_alone():
    model = net()
    model.layers[0].trainable = False
    before = model.layers[0].get_weights()[0]
    trained(model)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], before)
    ((plan,),) = model._plans.values()
    assert not [op for op in plan.executor.program.ops if op.kernel.startswith("embedding_") and "forward" not in op.kernel]


def test_saved_models_go_on_alike(tmp_path):
    model = net(mask_zero=True, unseen=4)
    trained(model)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded(IDS), model(IDS))
    assert_same(trained(loaded), trained(model), "loaded")


def test_configs_make_equal_layers():
    layer = layers.Embedding(9, 4, "zeros", "l2", nn.constraints.MaxNorm(1.0, 1), True, unseen="zero", name="e",
                             trainable=False)
    config = json.loads(json.dumps(layer.get_config()))
    assert layers.Embedding(**config).get_config() == layer.get_config()
    first = layers.Embedding(1000, 8)
    first.name = "e"
    first.build((None, 2))
    assert np.abs(first.get_weights()[0]).max() <= 0.05  # Keras's "uniform"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"input_dim": 0}, "Embedding: input_dim must be in 1 ... 4611686018427387904, got 0"),
    ({"output_dim": 0}, "Embedding: output_dim must be in 1 ... 2147483647, got 0"),
    ({"unseen": 4}, "Embedding: unseen must be in 0 ... 3, got 4"),
    ({"unseen": "row"}, "Embedding: unseen must be 'error', 'zero' or a row of the table, got 'row'"),
    ({"weights": np.ones((3, 4))}, r"Embedding: weights must have shape \(4, 3\), got \(3, 4\)"),
])  # fmt: skip
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        layers.Embedding(**{"input_dim": 4, "output_dim": 3, **arguments})
