"""Whole training runs to the bit: against the exact oracle, fused and not, with weights in panels of every width.

test_bits.py says that threads, instruction sets and batches change nothing; this file says that what comes out
is what docs/bits.md promises.
"""

import copy
import pickle
from functools import partial

import numpy as np
import oracle
import pytest
from test_kernels import elementary, needs_fma

import nncore as nn
from nncore import executor, reference
from nncore.layers import Activation, Dense
from nncore.optimizers import ops
from nncore.variables import Variable, from_panels, panel_views

SGD, Adam, AdamW = nn.optimizers.SGD, nn.optimizers.Adam, nn.optimizers.AdamW
optimizers, schedules = nn.optimizers, nn.optimizers.schedules
DTYPES = ("float32", "float64")
OTHER_SLOPES = (
    partial(nn.activations.leaky_relu, negative_slope=0.7),
    partial(nn.activations.elu, alpha=0.3),
    partial(nn.activations.celu, alpha=0.7),
    partial(nn.activations.squareplus, b=0.7),
    partial(nn.activations.hard_shrink, threshold=0.3),
    partial(nn.activations.soft_shrink, threshold=0.3),
    partial(nn.activations.gelu, approximate=True),
    partial(nn.activations.relu, negative_slope=0.3),
)
SEVERAL_SCALARS = (  # for which there is no room in a product
    partial(nn.activations.relu, negative_slope=0.3, max_value=1.1, threshold=0.2),
    partial(nn.activations.relu, max_value=0.5),
    partial(nn.activations.threshold, threshold=0.1, default_value=-0.2),
)
OPTIMIZERS = {
    "sgd": lambda: SGD(0.02),
    "momentum": lambda: SGD(0.02, 0.9),
    "nesterov": lambda: SGD(0.01, 0.9, True, weight_decay=0.01),
    "adam": lambda: Adam(0.01),
    "amsgrad": lambda: Adam(0.02, 0.7, 0.9, 1e-3, True, 0.01),
    "adamw": lambda: AdamW(0.01, 0.1),
    "clipped": lambda: SGD(0.1, 0.9, global_clipnorm=0.3),
    "adam, clipped": lambda: Adam(0.01, global_clipnorm=0.2),
    "nadam": lambda: optimizers.Nadam(0.01, weight_decay=0.01),
    "adamax": lambda: optimizers.Adamax(0.02, 0.8, 0.95),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop, centered": lambda: optimizers.RMSprop(0.003, 0.8, 0.5, 1e-3, True),
    "adagrad": lambda: optimizers.Adagrad(0.05, clipvalue=0.01),
    "adadelta": lambda: optimizers.Adadelta(1.0, 0.8, 1e-4),
    "lion": lambda: optimizers.Lion(schedules.CosineDecay(0.01, 7), weight_decay=0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1, l1_regularization_strength=0.001, beta=0.1),
    "ftrl, a power": lambda: optimizers.Ftrl(0.1, -0.3, 0.3, 0.001, 0.01, 0.001),
    "lamb": lambda: optimizers.Lamb(schedules.InverseTimeDecay(0.02, 3, 0.5), weight_decay=0.1),
    "clipped one by one": lambda: SGD(0.1, 0.9, clipnorm=0.1),
    "an average": lambda: Adam(0.02, use_ema=True, ema_momentum=0.7),
    "an average that returns": lambda: SGD(0.1, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=2),
    "accumulated": lambda: optimizers.Nadam(0.02, gradient_accumulation_steps=3, global_clipnorm=0.1),
    "accumulated, an average": lambda: optimizers.Lamb(
        0.02, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
}


# What an op changes of its inputs.
IN_PLACE = {
    "sgd_update": (0, 2), "adam_update": (0, 2, 3, 4), "nadam_update": (0, 2, 3), "adamax_update": (0, 2, 3),
    "rmsprop_update": (0, 2, 3, 4), "adagrad_update": (0, 2), "adadelta_update": (0, 2, 3), "lion_update": (0, 2),
    "ftrl_update": (0, 2, 3), "lamb_moments": (0, 2, 3), "lamb_step": (0,), "adam_step": (0,), "nadam_step": (0,),
    "accumulate_gradient": (0,), "average_update": (0, 1), "penalty_gradient": (0,), "norm_constraint": (0,),
    "non_negative": (0,),
}


class OracleExecutor(reference.executor.Executor):
    """Runs a program with the oracle's formulas: one rounding at a time, in the documented order."""

    def _sum(self, values):
        return float(oracle.lanes_sum(values.astype(np.float64)[None, :])[0, 0])

    def _call(self, op, arrays, attributes):
        inputs, outputs = ([None if n is None else arrays[n] for n in side] for side in (op.inputs, op.outputs))
        scalars = {name: attributes.get(name, value) if name == "step" or op.kernel in ops.TUNABLE else value
                   for name, value in op.attributes.items()}
        outputs = [*(inputs[n] for n in IN_PLACE.get(op.kernel, ())), *outputs]
        with np.errstate(all="ignore"):
            found = self._formula(op.kernel, inputs, scalars)
        for to, value in zip(outputs, found, strict=True):
            if to is not None and op.kernel == "square_sums":
                first = op.attributes["first"]
                to[first : first + len(value)] = value
            elif to is not None:
                to[...] = value

    def _formula(self, kernel, inputs, scalars):
        """The outputs of an op, after what it changes in place."""
        if kernel == "adam_step":
            return (inputs[0] * [scalars["beta_1"], scalars["beta_2"]],)
        if kernel == "nadam_step":
            product, power, decay = inputs[0]
            decay = decay * 0.96
            return ([product * (scalars["beta_1"] * (1 - 0.5 * decay)), power * scalars["beta_2"], decay],)
        if kernel == "square_sums":
            return (oracle.square_sums(oracle.as_kept(inputs[0])),)
        if kernel == "clip_scale":
            return (oracle.clip_scale(inputs[0], scalars["clipnorm"]),)
        if kernel == "penalty_sums":
            return (oracle.penalty_sums(oracle.as_kept(inputs[0]), **scalars),)
        if kernel in ops.PENALTIES:
            *inputs, divisor = inputs
            scalars |= {} if divisor is None else {"divisor": float(divisor[0])}
        if kernel == "penalty_value":
            return ([oracle.penalty_value(inputs[0], **scalars)],)
        if kernel == "lamb_ratio":
            return ([oracle.lamb_ratio(*np.split(inputs[0], 2))],)
        if kernel in ops.UPDATES:
            *inputs, powers, scale = inputs
            scalars["scale"] = 1.0 if scale is None else float(scale[0])
            scalars |= zip(ops.UPDATES[kernel].powers, () if powers is None else powers.tolist(), strict=False)
            if kernel == "lamb_step":
                ratio = float(inputs.pop()[0])
                direction = oracle.lamb_direction(*inputs[2:], scalars)
                return (oracle.fma(-inputs[0].dtype.type(scalars["learning_rate"] * ratio), direction, inputs[0]),)
            if kernel == "lamb_moments":
                w, m, v, direction = oracle.lamb_moments(*inputs, **{"weight_decay": 0.0, **scalars})
                return w, m, v, np.concatenate([oracle.square_sums(oracle.as_kept(array)) for array in (w, direction)])
            return getattr(oracle, kernel)(elementary, *inputs, **scalars)
        if kernel == "sparse_categorical_accuracy":  # exact whatever the order
            return ((inputs[0].argmax(axis=1) == inputs[1]).astype(inputs[0].dtype),)
        formula = getattr(oracle, kernel, None)
        if formula is None:
            name, direction = kernel.rsplit("_", 1)
            alpha = next(iter(scalars.values()), None)
            if direction == "forward":
                return (oracle.activate(name, inputs[0], elementary, alpha),)
            return (oracle.activate_backward(name, *inputs, elementary, alpha),)
        result = formula(elementary, *inputs, **scalars)
        if kernel.endswith(("_entropy", "mean_squared_error")):
            rows, _, gradient = result
            return rows, gradient
        return result if isinstance(result, tuple) else (result,)


class Poisoned(executor.Executor):
    """Has nan wherever nothing was written yet: in scratch, and in buffers of rows."""

    def __init__(self, program, batch_size):
        super().__init__(program, batch_size)
        for buffer, array in zip(program.buffers, self.arrays, strict=True):
            if buffer.per_row and array.dtype.kind == "f":
                array[...] = np.nan

    def scratch_of(self, n_bytes):
        scratch = super().scratch_of(n_bytes)
        scratch[...] = 255
        return scratch


class Unfused(executor.Executor):
    """Runs every op as the program has it."""

    def __init__(self, program, batch_size):
        super().__init__(program, batch_size)
        self.fusions = executor.Fusions({}, {}, {}, set(), set())


def model_of(layers, optimizer, loss="mse", metrics=(), kind=executor.Executor):
    model = nn.Sequential(layers, seed=3)
    model.compile(OPTIMIZERS[optimizer](), loss, metrics=list(metrics))
    model.executor_class = kind
    return model


def trained(model, x, y, batch_size, epochs=2, **keywords):
    """All that a run leaves."""
    history = model.fit(x, y, batch_size, epochs, 0, **keywords)
    found = {variable.name: variable.numpy() for variable in [*model.weights, *model._slots]}
    return found | {key: np.array(values) for key, values in history.history.items()}


def assert_same(got, want, label):
    assert got.keys() == want.keys(), label
    for key in want:
        if got[key].tobytes() != want[key].tobytes():
            a, b = np.atleast_1d(got[key]), np.atleast_1d(want[key])
            assert a.dtype == b.dtype and a.shape == b.shape, (label, key, a.dtype, a.shape, b.dtype, b.shape)
            where = tuple(int(i) for i in np.argwhere(a != b)[0]) if (a != b).any() else "a sign, or nan"
            raise AssertionError(f"{label}: {key}: {(a != b).sum()} of {a.size} differ, first {where}")


def rows(n, width, outputs, dtype, seed=0):
    rng = np.random.default_rng([seed, n, width, outputs])
    return (0.4 * rng.normal(size=(n, width))).astype(dtype), (0.4 * rng.normal(size=(n, outputs))).astype(dtype)


def padding(variable):
    """The elements of a variable in panels that stand for none of the matrix."""
    kept = variable._value.copy()
    for _, panel in panel_views(kept, variable.shape):
        panel[...] = 7
    return variable._value[kept != 7]


# The oracle -------------------------------------------------------------------------------------------------


def against_the_oracle(layers, optimizer, x, y, batch_size, label, epochs=2, **keywords):
    """Train on the core and on the oracle; `layers` makes them anew."""
    weight = np.linspace(0.5, 1.5, len(x)).astype(x.dtype)
    runs = [
        trained(model_of(layers(), optimizer, kind=kind, **keywords), x, y, batch_size, epochs, sample_weight=weight)
        for kind in (Poisoned, OracleExecutor)
    ]
    assert_same(*runs, label)


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [*range(1, 51), 63, 64, 65, 95, 96, 97, 113])
def test_every_width_has_the_documented_bits(width, dtype):
    """As inputs, between two layers and as outputs."""
    activation = list(nn.activations.TABLE)[width % len(nn.activations.TABLE)]
    optimizer = "adam" if activation in ("exponential", "log_softmax") else list(OPTIMIZERS)[width % len(OPTIMIZERS)]
    for inputs, hidden, outputs in ((width, 5, 3), (3, width, 2), (2, 4, width)):
        x, y = rows(11, inputs, outputs, dtype, 1)

        def layers(inputs=inputs, hidden=hidden, outputs=outputs):
            return [nn.Input((inputs,)), Dense(hidden, activation, width % 3 > 0, dtype=dtype), Dense(outputs, dtype=dtype)]

        against_the_oracle(layers, optimizer, x, y, 4, f"{inputs}-{hidden}-{outputs} {optimizer} {activation}")


@needs_fma
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_optimizer_has_the_documented_bits(optimizer, dtype):
    x, y = rows(9, 7, 3, dtype)
    for hidden in (5, 17, 57):

        def layers(hidden=hidden):
            return [nn.Input((7,)), Dense(hidden, "tanh", dtype=dtype), Dense(3, dtype=dtype)]

        against_the_oracle(layers, optimizer, x, y, 4, f"{optimizer} {hidden}", epochs=3)


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_norm_is_summed_in_the_order_of_storage(dtype):
    """Several panels, the last one padded, and more elements than one block has."""
    x, y = rows(6, 70, 3, dtype)

    def layers():
        return [nn.Input((70,)), Dense(131, "relu", dtype=dtype), Dense(3, dtype=dtype)]

    against_the_oracle(layers, "clipped", x, y, 3, "clipped")


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*nn.activations.TABLE, *OTHER_SLOPES, *SEVERAL_SCALARS])
def test_every_activation_has_the_documented_bits(activation, dtype):
    x, y = rows(19, 3, 4, dtype)

    def layers():
        return [nn.Input((3,)), Dense(9, activation, dtype=dtype), Dense(5, dtype=dtype), Activation(activation, dtype=dtype),
                Dense(4, activation, dtype=dtype)]

    against_the_oracle(layers, "amsgrad", x, y, 8, activation)  # whose steps are small whatever the gradient


@needs_fma
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "clipped"])
@pytest.mark.parametrize("first", ["relu", "gelu", "softmax", None])
def test_derivatives_that_cannot_be_fused_come_in_their_turn(first, optimizer):
    """Of two activations in a row one is left alone, and must not be overtaken by the products before it."""
    x, y = rows(19, 3, 4, "float32")

    def layers():
        return [nn.Input((3,)), Dense(9, "tanh"), Dense(7, first), Activation("sigmoid"), Activation("elu"), Dense(5, "silu"),
                Activation("softmax"), Activation("tanh"), Dense(6, "relu"), Dense(4)]

    against_the_oracle(layers, optimizer, x, y, 8, f"{first} {optimizer}")


LOSSES = {
    "sparse, logits": (nn.losses.SparseCategoricalCrossentropy(from_logits=True), None, "ids"),
    "sparse, softmax": ("sparse_categorical_crossentropy", "softmax", "ids"),
    "sparse, relu": ("sparse_categorical_crossentropy", "exponential", "ids"),
    "categorical, logits": (nn.losses.CategoricalCrossentropy(from_logits=True), None, "shares"),
    "categorical, softmax": ("categorical_crossentropy", "softmax", "shares"),
    "binary, logits": (nn.losses.BinaryCrossentropy(from_logits=True), None, "shares"),
    "binary, sigmoid": ("binary_crossentropy", "sigmoid", "shares"),
    "binary, hard": ("binary_crossentropy", "hard_sigmoid", "shares"),
    "mse": ("mse", "softplus", "values"),
}


@needs_fma
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("outputs", [1, 2, 10, 17, 300])
def test_every_loss_has_the_documented_bits(name, outputs):
    loss, activation, kind = LOSSES[name]
    rng = np.random.default_rng(outputs)
    x = rng.normal(size=(21, 4)).astype("f4")
    y = {"ids": rng.integers(0, outputs, 21), "values": rng.normal(size=(21, outputs)).astype("f4"),
         "shares": rng.dirichlet(np.ones(outputs + 1), 21)[:, :outputs].astype("f4")}[kind]
    metrics = {"ids": ["accuracy"], "values": ["mse", "mae"], "shares": ["mae"]}[kind]

    def layers():
        return [nn.Input((4,)), Dense(6, "relu"), Dense(outputs, activation)]

    against_the_oracle(layers, "sgd", x, y, 9, f"{name} {outputs}", loss=loss, metrics=metrics)


@needs_fma
@pytest.mark.parametrize("batch", [1, 7, 8, 9, 511, 512, 513, 1024, 1025, 1100])
def test_batches_have_the_documented_bits(batch):
    """Also those that are summed in chunks, with another batch and what is left of it behind."""
    x, y = rows(2 * batch + 1, 3, 2, "float32")

    def layers():
        return [nn.Input((3,)), Dense(5, "relu"), Dense(2)]

    for optimizer in ("momentum", "adam"):
        against_the_oracle(layers, optimizer, x, y, batch, f"{batch} {optimizer}", epochs=1)


@needs_fma
@pytest.mark.parametrize(("dtype", "width"), [("float32", 1024), ("float64", 512), ("float32", 2048)])
def test_inputs_that_lie_pages_apart_have_the_documented_bits(dtype, width):
    for hidden in (33, 101):  # one panel, and several
        x, y = rows(9, width, 2, dtype)

        def layers(hidden=hidden):
            return [nn.Input((width,)), Dense(hidden, "tanh", dtype=dtype), Dense(2, dtype=dtype)]

        against_the_oracle(layers, "momentum", x, y, 8, f"{width} {hidden}", epochs=1)


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
def test_full_tiles_have_the_documented_bits(dtype):
    """Of panels of two and three lines that are filled, in one chunk and in two."""
    line = 64 // np.dtype(dtype).itemsize
    for optimizer in ("nesterov", "adam"):
        for samples in (10, 520):
            x, y = rows(samples, 17, 2 * line, dtype)

            def layers():
                return [nn.Input((17,)), Dense(3 * line, "relu", dtype=dtype), Dense(2 * line, dtype=dtype)]

            against_the_oracle(layers, optimizer, x, y, samples, f"{optimizer} {samples}", epochs=2 if samples < 99 else 1)


# Fusions ----------------------------------------------------------------------------------------------------

# what it reaches: widths, rows, batch size
SHAPES = {
    "narrow outputs": ((7, 13, 1), 23, 7),
    "panels of one, two and three lines": ((20, 15, 31, 47, 48, 49, 63, 112, 3), 40, 16),
    "a batch in chunks": ((9, 65, 5), 1300, 1100),
    "pages apart": ((1024, 101, 2), 20, 16),
    "pages apart, in chunks": ((1024, 100, 3), 700, 600),
    "pages apart, wide": ((2048, 1024, 10), 33, 16),
    "wide": ((300, 1030, 130), 70, 33),
    "inputs of one": ((1, 1, 1), 5, 2),
    "deep and narrow": ((3, *[2] * 40, 1), 12, 5),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_fused_runs_have_the_bits_of_the_program(shape, dtype):
    widths, samples, batch_size = SHAPES[shape]
    x, y = rows(samples, widths[0], widths[-1], dtype)
    for optimizer, activation in (("momentum", "gelu"), ("adam", "relu"), ("amsgrad", "softplus"), ("nesterov", "elu")):
        runs = []
        for kind in (executor.Executor, Unfused):
            layers = [nn.Input(widths[:1]), *(Dense(n, activation, dtype=dtype) for n in widths[1:-1]),
                      Dense(widths[-1], dtype=dtype)]
            model = model_of(layers, optimizer, kind=kind)
            runs.append(trained(model, x, y, batch_size, 1))
            plan = next(plans for key, plans in model._plans.items() if key[0] == "fit")[0]
            assert bool(plan.executor.fusions.updates) == (kind is not Unfused)
            for variable in [*model.weights, *model._slots]:
                assert not variable.panels or not padding(variable).any(), f"{variable.name}: padding"
        assert_same(*runs, f"{shape} {optimizer}")


def test_every_derivative_that_can_be_fused_is():
    for activation in [*sorted(nn.program.FUSED.intersection(nn.activations.TABLE)), *OTHER_SLOPES]:
        x, y = rows(30, 4, 2, "float32")
        runs = []
        for kind in (executor.Executor, Unfused):
            model = model_of([nn.Input((4,)), Dense(33, activation), Activation(activation), Dense(2)], "adam", kind=kind)
            runs.append(trained(model, x, y, 8))
            fusions = next(plans for key, plans in model._plans.items() if key[0] == "fit")[0].executor.fusions
            assert len(fusions.replaced) == (kind is not Unfused), activation
        assert_same(*runs, activation)


def test_layers_that_are_not_trained_keep_their_bytes():
    """Their products take part in fused passes; their weights do not move, nor does what pads them."""
    x, y = rows(50, 6, 3, "float32")
    for optimizer in OPTIMIZERS:
        runs = []
        for kind in (executor.Executor, Unfused):
            model = model_of(
                [nn.Input((6,)), Dense(19, "gelu"), Dense(33, "tanh", trainable=False), Dense(3, "elu")], optimizer, kind=kind
            )
            before = [weight._value.tobytes() for weight in model.weights]
            runs.append(trained(model, x, y, 16, 3))
            moved = [weight._value.tobytes() != old for weight, old in zip(model.weights, before, strict=True)]
            assert moved == [True, True, False, False, True, True], optimizer
        assert_same(*runs, optimizer)


def test_a_kernel_whose_bias_alone_is_trained():
    class Half(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.kernel.trainable = self.trains == "kernel"
            self.bias.trainable = self.trains == "bias"

    x, y = rows(50, 6, 3, "float32")
    for trains in ("kernel", "bias", "neither"):
        runs = []
        for kind in (executor.Executor, Unfused):
            half = Half(33, "gelu")
            half.trains = trains
            model = model_of([nn.Input((6,)), Dense(5, "tanh"), half, Dense(3)], "adam", kind=kind)
            before = half.get_weights()
            runs.append(trained(model, x, y, 16))
            moved = [bool((a != b).any()) for a, b in zip(half.get_weights(), before, strict=True)]
            assert moved == [trains == "kernel", trains == "bias"]
        assert_same(*runs, trains)


# Panels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_panels_keep_every_element(dtype):
    for width in range(1, 201):
        value = np.random.default_rng(width).normal(size=(width % 5 + 1, width)).astype(dtype)
        variable = Variable(value, "w", panels=True)
        assert variable.numpy().tobytes() == value.tobytes() and variable.shape == value.shape
        np.testing.assert_array_equal(variable._value, oracle.as_kept(value), err_msg=str(width))
        assert not padding(variable).any() and len(padding(variable)) == variable._value.size - value.size
        variable.assign(2 * value)
        assert from_panels(variable._value, value.shape).tobytes() == (2 * value).tobytes()
        assert not padding(variable).any()


def test_weights_survive_get_set_save_load_copy_and_pickle_between_fits(tmp_path):
    x, y = rows(40, 7, 4, "float32")
    for optimizer in ("momentum", "amsgrad"):

        def fresh(optimizer=optimizer):
            model = model_of([nn.Input((7,)), Dense(50, "relu"), Dense(17, "gelu", use_bias=False), Dense(4)], optimizer)
            model.fit(x, y, 8, 1, 0)
            return model

        want = trained(fresh(), x, y, 8)
        model = fresh()
        model.set_weights(model.get_weights())
        for slot in model._slots:
            slot.assign(slot.numpy())
        assert_same(trained(model, x, y, 8), want, "set_weights")
        model = fresh()
        model.save(tmp_path / "m.safetensors")
        assert_same(trained(nn.load_model(tmp_path / "m.safetensors"), x, y, 8), want, "load_model")
        assert_same(trained(copy.deepcopy(fresh()), x, y, 8), want, "deepcopy")
        assert_same(trained(pickle.loads(pickle.dumps(fresh())), x, y, 8), want, "pickle")


def test_a_run_that_became_nan_restores_panels_to_the_byte():
    x, y = rows(64, 7, 4, "float32")
    for optimizer in ("momentum", "adam"):
        model = model_of([nn.Input((7,)), Dense(50, "relu"), Dense(4)], optimizer)
        model.fit(x, y, 8, 2, 0)
        before = [variable._value.tobytes() for variable in [*model.weights, *model._slots]]
        iterations, rate = model.optimizer.iterations, model.optimizer.learning_rate
        model.optimizer.learning_rate = 1e30
        with pytest.raises(nn.NonFiniteError):
            model.fit(x, y, 8, 3, 0)
        assert [variable._value.tobytes() for variable in [*model.weights, *model._slots]] == before
        assert model.optimizer.iterations == iterations
        model.optimizer.learning_rate = rate
        model.fit(x, y, 8, 1, 0)


@pytest.mark.parametrize(("slot", "value", "seen"), [("momentum", np.nan, "dense/kernel"), ("momentum", -np.inf, "dense/kernel"),
                                                   ("velocity_hat", np.inf, "dense/kernel/velocity_hat")])
def test_what_is_not_finite_is_seen_wherever_it_lies(slot, value, seen):
    """In the last element of the last panel, after the last batch, where no loss shows it; or in state that only stops a weight."""
    x, y = rows(8, 3, 1, "float32")
    model = model_of([nn.Input((3,)), Dense(35, "relu"), Dense(1)], "amsgrad")
    model.fit(x, y, 8, 1, 0)
    (variable,) = (variable for variable in model._slots if variable.name == f"dense/kernel/{slot}")
    spoilt = variable.numpy()
    spoilt[-1, -1] = value
    variable.assign(spoilt)
    with pytest.raises(nn.NonFiniteError, match=f"{seen} became"):
        model.fit(x, y, 8, 1, 0)


def test_padding_that_is_no_number_spoils_nothing():
    """A norm that is not finite makes nan of all that is multiplied by the scale, zeros of the padding too."""
    x, y = rows(8, 4, 1, "float32")
    model = model_of([nn.Input((4,)), Dense(5), Dense(1)], "clipped")
    weights = model.get_weights()
    model.fit(1e30 * x, y, 8, 2, 0, nonfinite="continue")
    assert np.isnan(padding(model.weights[0])).any(), "else nothing is tried here"
    model.set_weights(weights)
    for slot in model._slots:
        slot.assign(np.zeros(slot.shape))
    fresh = model_of([nn.Input((4,)), Dense(5), Dense(1)], "clipped")
    x = np.abs(x)
    assert_same(trained(model, x, y, 4, shuffle=False), trained(fresh, x, y, 4, shuffle=False), "after nan")


def test_an_epsilon_that_rounds_to_zero():
    model = nn.Sequential([nn.Input((4,)), Dense(5), Dense(1)], seed=1)
    model.compile(Adam(0.01, epsilon=1e-60), "mse")
    x, y = rows(8, 4, 1, "float32")
    model.fit(x, y, 4, 2, 0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
