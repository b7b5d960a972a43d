"""Normalizing layers: other people's numbers, moving statistics, freezing, and the same bits on any threads.

Numbers said to be PyTorch's are those of PyTorch 2.13 in float64, printed with all digits. Run as a script this file
is the worker of `test_threads_and_instruction_sets`.
"""

import os
import subprocess
import sys

import numpy as np
import oracle
import pytest
from test_kernels import elementary

import nncore as nn
from nncore import executor, gradients, kernels, reference
from nncore._core import core, isa, isa_available
from nncore.layers import (
    Activation,
    BatchNormalization,
    Dense,
    LayerNormalization,
    Normalization,
    Rescaling,
    RMSNormalization,
)
from nncore.program import Program

NumpyExecutor = reference.executor.Executor
X = np.array([[0.5, -1.25, 3.0], [2.0, 0.75, -0.5], [-1.5, 1.0, 0.25], [0.25, -2.0, 1.75]])
DY = np.array([[1.0, -0.5, 0.25], [-2.0, 1.5, 0.75], [0.5, 0.25, -1.0], [1.25, -0.75, 2.0]])
GAMMA, BETA = np.array([1.5, -0.75, 2.0]), np.array([0.1, 0.2, -0.3])
MEAN, VARIANCE = np.array([0.5, -0.25, 1.0]), np.array([1.5, 2.0, 0.5])


def close(got, want, tolerance=1e-12):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def model_of(*layers, width=3, dtype="float64", seed=1, compiled=True, optimizer=None):
    model = nn.Sequential([nn.Input((width,) if isinstance(width, int) else width), *layers], seed=seed)
    if compiled:
        model.compile(optimizer or nn.optimizers.SGD(0.1), "mse")
    return model


# Other people's numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [kernels, reference])
def test_batch_normalization_gives_pytorchs_numbers(module):
    """torch.nn.functional.batch_norm(training=True, momentum=0.1, eps=1e-3); its running variance is unbiased."""
    y, mean, inverse, moving_mean, moving_variance = module.batch_normalization_forward(
        X, MEAN, VARIANCE, GAMMA, BETA, momentum=0.9
    )
    close(y, [[0.3263462366810541, 0.7121914656301905, 2.472742727819343],
              [2.1371161301294865, -0.4585318843816736, -2.7030436974434306],
              [-2.088013621250189, -0.6048723031331565, -1.5939466063156933],
              [0.024551254439648673, 1.1512127218846395, 0.624247575939781]])  # fmt: skip
    close(moving_mean, [0.48125, -0.2625, 1.0125])
    close(moving_variance, 0.9 * VARIANCE + 0.1 * X.var(axis=0))
    unbiased = 0.9 * VARIANCE + (moving_variance - 0.9 * VARIANCE) * 4 / 3
    close(unbiased, [1.5557291666666668, 2.01875, 0.69375])
    dx, dgamma, dbeta = module.batch_normalization_backward(DY, X, mean, inverse, GAMMA)
    close(dx, [[1.133733193351829, 0.07822353914835986, -0.8907844196674584],
               [-1.2646105850069458, -0.43506550747985245, 0.821306367761919],
               [-1.1007847825151025, 0.3788158742005191, -1.9750210005860862],
               [1.2316621741702196, -0.02197390586902656, 2.044499052491626]])  # fmt: skip
    close(dgamma, [-3.3574691774356356, 2.8780282354458326, 1.016672333533759])
    close(dbeta, [0.75, 0.5, 2.0])
    close(module.batch_normalization(X, MEAN, VARIANCE, GAMMA, BETA),  # training=False
          [[0.09999999999999998, 0.7301975530661768, 5.351205866406831],
           [1.936505240667901, -0.33019755306617676, -4.538404399805123],
           [-2.348673654223868, -0.462746941332721, -2.4192021999025615],
           [-0.20608420677798356, 1.1278457178658094, 1.8192021999025618]])  # fmt: skip


@pytest.mark.parametrize("module", [kernels, reference])
def test_layer_and_rms_normalization_give_pytorchs_numbers(module):
    """torch.nn.functional.layer_norm(eps=1e-3) and rms_norm(eps=1e-6)."""
    y, mean, inverse = module.layer_normalization_forward(X, GAMMA, BETA)
    close(y, [[-0.11498298039151675, 1.059931921566067, 2.279795764698201],
              [1.9362361251802231, 0.2, -2.7483148335736307],
              [-1.9277472483714595, -0.5753151243773226, 0.3361559994890854],
              [0.34328092005047595, 1.1731236802019038, 1.9706219204711088]])  # fmt: skip
    close(module.layer_normalization_backward_input(DY, X, mean, inverse, GAMMA),
          [[0.40607896296175383, -0.23886997821279643, -0.1672089847489575],
           [0.12030242644509853, -0.24483148335736304, 0.12452905691226451],
           [0.38007589598547276, 0.8846051594789963, -1.2646810554644692],
           [-0.3200456978301518, 0.12755638213645404, 0.19248931569369754]])  # fmt: skip
    dgamma, dbeta = module.layer_normalization_backward_params(DY, X, mean, inverse)
    close(dgamma, [-3.064818469916399, 1.8048500027050558, 1.3569003287237296])
    close(dbeta, [0.75, 0.5, 2.0])
    y, inverse = module.rms_normalization_forward(X, GAMMA)
    close(y, [[0.3950560983700659, 0.4938201229625823, 3.160448786960527],
              [2.368625363582443, -0.44411725567170807, -0.7895417878608143],
              [-2.14123831182186, -0.71374610394062, 0.4758307359604133],
              [0.24333208046834276, 0.973328321873371, 2.2710994177045327]])  # fmt: skip
    close(module.rms_normalization_backward_input(DY, X, inverse, GAMMA),
          [[0.7467245447954847, 0.30599717904665086, 0.003044820578827656],
           [0.12304392018446952, 0.04614147006917613, 0.5613953608494934],
           [-0.06733383071445731, 0.3422834304515632, -1.7731429547324737],
           [1.072226508959863, 1.5204692677573195, 1.5845049379893683]])  # fmt: skip
    close(module.rms_normalization_backward_params(DY, X, inverse),
          [-3.405765789413548, 2.428691616505382, 2.1321619776465868])  # fmt: skip


@pytest.mark.parametrize("cls", [executor.Executor, NumpyExecutor])
def test_a_training_gives_pytorchs_numbers(cls):
    """Linear(2, 3), BatchNorm1d(momentum=0.1, eps=1e-3), ReLU, Linear(3, 1); SGD(0.1), squared error, 3 x 4 rows."""
    i = np.arange(12)
    x = np.stack([i * 0.37 % 2 - 1, i * 0.71 % 3 - 1.5], axis=1)
    y = x[:, :1] ** 2 - x[:, 1:]
    layers = [Dense(3), BatchNormalization(momentum=0.9), Activation("relu"), Dense(1)]
    for layer in layers:
        layer.dtype = np.dtype("float64")
    model = model_of(*layers, width=2)
    model.executor_class = cls
    one, zero = np.ones(3), np.zeros(3)
    model.set_weights([[[0.5, -1.0, 0.25], [1.5, 0.75, -0.5]], [0.1, -0.2, 0.3], one, zero, zero, one,
                       [[1.0], [-0.5], [0.75]], [0.05]])  # fmt: skip
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    close(history.history["loss"], [1.1103701806141597])
    kernel, bias, gamma, beta, moving_mean, moving_variance, last, end = model.get_weights()
    close(kernel, np.array([[0.4758586606847527, 1.5078511245922068], [-0.9005348623994917, 0.8763518378632249],
                            [0.1711819809874873, -0.5424286240477569]]).T)  # fmt: skip
    close(bias, [0.1, -0.2, 0.3])  # a bias before batch normalization has no gradient
    close(gamma, [0.6841856326853856, 1.0572223785555477, 1.0829418278734495])
    close(beta, [-0.21940337598195275, 0.07013328966905266, 0.13100297674432662])
    close(last[:, 0], [0.7037552494088111, -0.6140687133659817, 0.8654412475951757])
    close(end, [0.034133213921096126])
    close(moving_mean, [-0.02130516714682891, -0.03899572031628165, 0.08419482060631019])
    # PyTorch's [1.3202535078081736, 1.003689243659521, 0.8003973396069807] grew by 4/3 of the batches' variances
    close(1 * 0.9**3 + (np.array([1.3202535078081736, 1.003689243659521, 0.8003973396069807]) - 0.9**3) * 3 / 4,
          moving_variance)  # fmt: skip


def test_layers_give_kerass_numbers():
    """Literal values of Keras's own tests and documentation."""
    x = np.arange(5, dtype=np.float32)[None]
    close(LayerNormalization(beta_initializer="ones")(x), [[-0.41386, 0.29307, 1.0, 1.70693, 2.41386]], 1e-5)
    close(RMSNormalization()(np.arange(10, dtype=np.float32)[None]),
          [[0.0, 0.18731716, 0.37463433, 0.5619515, 0.74926865, 0.9365858, 1.123903, 1.3112202, 1.4985373,
            1.6858544]], 1e-6)  # fmt: skip
    data = np.array([[0, 7, 4], [2, 9, 6], [0, 7, 4], [2, 9, 6]], np.float32)
    layer = Normalization()
    layer.adapt(data)
    np.testing.assert_array_equal(layer([[0.0, 7.0, 4.0]]), [[-1, -1, -1]])
    close(Normalization(mean=3.0, variance=2.0)([[1.0], [2.0], [3.0]]), [[-1.4142135], [-0.70710677], [0]], 1e-6)
    layer = Normalization(invert=True)
    layer.adapt(data)
    np.testing.assert_array_equal(layer([[1.0, 2.0, 3.0]]), [[2, 10, 8]])
    layer = Normalization(axis=None)
    layer.adapt(np.array([1, 2, 3, 4, 5], np.float32))
    close(layer([[1.0], [2.0], [3.0]]), [[-1.4142135], [-0.70710677], [0]], 1e-6)
    close(Rescaling(1 / 255, 0.5)([[255.0, 51.0]]), [[1.5, 0.7]], 1e-6)


def test_defaults_and_weights_are_kerass():
    model = model_of(BatchNormalization(), LayerNormalization(), RMSNormalization(), BatchNormalization(scale=False),
                     LayerNormalization(center=False), Normalization(), dtype=None)  # fmt: skip
    assert list(model.weight_paths()) == [
        "batch_normalization/gamma", "batch_normalization/beta", "batch_normalization/moving_mean",
        "batch_normalization/moving_variance", "layer_normalization/gamma", "layer_normalization/beta",
        "rms_normalization/scale", "batch_normalization_1/beta", "batch_normalization_1/moving_mean",
        "batch_normalization_1/moving_variance", "layer_normalization_1/gamma", "normalization/mean",
        "normalization/variance",
    ]  # fmt: skip
    assert [weight.name for weight in model.non_trainable_weights] == [
        path for path in model.weight_paths() if "moving" in path or path.startswith("normalization/")
    ]
    first = model.layers[0]
    assert (first.momentum, first.epsilon, model.layers[1].epsilon, model.layers[2].epsilon) == (
        0.99, 0.001, 0.001, 1e-6)  # fmt: skip
    for weight, value in zip(first.weights, (1, 0, 0, 1), strict=True):
        np.testing.assert_array_equal(weight.numpy(), np.full(3, value, np.float32))


# Accuracy -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-7)])
def test_an_offset_costs_no_digits_of_the_variance(dtype, tolerance):
    """Against exact arithmetic on the stored numbers; E[x^2] - E[x]^2 would give noise, or less than 0."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(700, 5)) * 1000 + 1e9).astype(dtype)
    wide = x.astype(np.longdouble)
    variance = ((wide - wide.mean(axis=0)) ** 2).mean(axis=0).astype(np.float64)
    zero = np.zeros(5, dtype)
    _, mean, inverse, _, moving = kernels.batch_normalization_forward(x, zero, zero, momentum=0.0, epsilon=0.0)
    np.testing.assert_allclose(moving, variance, rtol=tolerance)
    np.testing.assert_allclose(inverse, variance**-0.5, rtol=tolerance)
    np.testing.assert_array_equal(mean, wide.mean(axis=0).astype(dtype))
    rows = np.ascontiguousarray(x.T)
    _, mean, inverse = kernels.layer_normalization_forward(rows, epsilon=0.0)
    np.testing.assert_allclose(inverse[:, 0], variance**-0.5, rtol=tolerance)
    np.testing.assert_array_equal(mean[:, 0], wide.mean(axis=0).astype(dtype))


def test_a_far_first_row_spoils_nothing():
    x = np.random.default_rng(1).normal(size=(300, 4))
    x[0] = 1e8
    for axis, got in ((0, x), (1, x.T.copy())):
        if axis == 0:
            *_, variance = kernels.batch_normalization_forward(got, np.zeros(4), np.zeros(4), momentum=0.0)
        else:
            variance = kernels.layer_normalization_forward(got, epsilon=0.0)[2][:, 0] ** -2
        np.testing.assert_allclose(variance, x.astype(np.longdouble).var(axis=0).astype(float), rtol=1e-12)


@pytest.mark.parametrize("cls", [executor.Executor, NumpyExecutor])
def test_a_batch_of_one_row_and_constant_columns_become_beta(cls):
    layer = BatchNormalization(beta_initializer="ones", dtype="float64")
    model = model_of(layer)
    model.executor_class = cls
    np.testing.assert_array_equal(model(X[:1], training=True), np.ones((1, 3)))
    np.testing.assert_array_equal(model(np.full((5, 3), 1e9), training=True), np.ones((5, 3)))
    history = model.fit(X[:3], DY[:3], batch_size=1, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


# Both executors, gradients --------------------------------------------------------------------------------------------


def deep(dtype="float64"):
    """A net of every kind, so that what is fused and what is not both occur."""
    return [
        Dense(33, dtype=dtype), BatchNormalization(dtype=dtype), Activation("relu", dtype=dtype),
        Dense(17, dtype=dtype), BatchNormalization(momentum=0.7, scale=False, dtype=dtype),
        Activation("gelu", dtype=dtype), LayerNormalization(dtype=dtype), Activation("elu", dtype=dtype),
        Dense(300, use_bias=False, dtype=dtype), BatchNormalization(center=False, dtype=dtype),
        Activation("leaky_relu", dtype=dtype), RMSNormalization(dtype=dtype), Dense(2, dtype=dtype),
        BatchNormalization(epsilon=0.1, dtype=dtype), Activation("tanh", dtype=dtype), Dense(1, dtype=dtype),
    ]  # fmt: skip


def data(rows, width, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, width)) * rng.uniform(0.5, 5, width) + rng.normal(size=width) * 3).astype(dtype)
    return x, np.sin(x.sum(axis=1, keepdims=True)).astype(dtype)


def test_both_executors_train_alike():
    x, y = data(103, 7)
    found = []
    for cls in (executor.Executor, NumpyExecutor):
        model = model_of(*deep(), width=7, optimizer=nn.optimizers.SGD(0.05, momentum=0.9))
        model.executor_class = cls
        losses = model.fit(x, y, batch_size=25, epochs=3, verbose=0).history["loss"]
        found.append([losses, model.evaluate(x, y, verbose=0), model.predict(x), *model.get_weights()])
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-9)


def test_both_executors_train_alike_on_data_of_any_rank():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 2, 3, 5)), rng.normal(size=(30, 1))
    found = []
    for cls in (executor.Executor, NumpyExecutor):
        layers = [
            Normalization(axis=(1, 3), mean=np.ones((2, 5)), variance=np.full((2, 5), 2.0), dtype="float64"),
            Dense(6, dtype="float64"), BatchNormalization(axis=3, dtype="float64"),
            Activation("relu", dtype="float64"), LayerNormalization(dtype="float64"),
            Rescaling(np.arange(18.0).reshape(3, 6), 0.5, dtype="float64"), RMSNormalization(dtype="float64"),
            nn.layers.Flatten(dtype="float64"), Dense(1, dtype="float64"),
        ]  # fmt: skip
        model = model_of(*layers, width=(2, 3, 5))
        model.executor_class = cls
        losses = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
        found.append([losses, model.predict(x), *model.get_weights()])
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-9)
    # the moving mean is over the batch and both axes between
    flat = Dense(6, dtype="float64")
    flat.build((None, 5))
    layer = BatchNormalization(momentum=0.0, epsilon=0.0, dtype="float64")
    model = model_of(layer, width=(2, 3, 5))
    out = model(x, training=True)
    close(out, (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2)))
    close(layer.moving_mean.numpy(), x.mean(axis=(0, 1, 2)))


def loss_and_gradients(layers, x, y, cls=executor.Executor, training=True):
    """The loss as a function of the trainable weights, and its gradients."""
    model = model_of(*layers, width=x.shape[1])
    program = Program(np.dtype("float64"), training=training)
    fed, target = program.rows(x.shape[1], role="input"), program.rows(1, role="target")
    (output,) = model.emit_graph(program, [fed])
    forward = list(program.ops)
    rows, gradient, wrt = model.loss.emit(program, output, target, None)
    program.add_total("loss", rows)
    program.results.append(gradient)
    found = gradients.backward(program, forward, [(wrt, gradient)])
    program.results += found.values()
    program.optimize()
    run = cls(program, len(x))
    run.run({fed: x, target: y}, len(x), results={gradient: np.empty((len(x), 1))})
    return model, program, {program.buffers[number].variable: run.value(d) for number, d in found.items()}, run


@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_a_whole_net_by_projection(training):
    """<gradient, v> is the slope of the loss along a random v of all trainable weights."""
    x, y = data(37, 7)

    def layers():
        return [layer for layer in deep() if not (isinstance(layer, Activation) and layer.activation.name
                in ("relu", "leaky_relu", "elu"))]  # fmt: skip

    model, program, found, _ = loss_and_gradients(layers(), x, y, training=training)
    weights = model.trainable_weights
    assert set(map(id, found)) == set(map(id, weights))
    start, moving = [weight.numpy() for weight in weights], [w.numpy() for w in model.non_trainable_weights]
    rng = np.random.default_rng(3)
    v = [rng.normal(size=weight.shape) for weight in weights]

    def loss(t):
        for weight, value, d in zip(weights, start, v, strict=True):
            weight.assign(value + t * d)
        for weight, value in zip(model.non_trainable_weights, moving, strict=True):
            weight.assign(value)
        return ((model(x, training=training) - y) ** 2).mean()

    h = 1e-4
    slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    assert sum((found[w] * d).sum() for w, d in zip(weights, v, strict=True)) == pytest.approx(slope, rel=1e-7)


def test_a_layer_that_is_used_twice():
    x, y = data(24, 3)
    found = []
    for cls in (executor.Executor, NumpyExecutor):
        given = nn.Input((3,), dtype="float64")
        shared = BatchNormalization(momentum=0.5, dtype="float64")
        z = nn.layers.Add(dtype="float64")([shared(Dense(3, dtype="float64")(given)), shared(given)])
        model = nn.Model(given, Dense(1, dtype="float64")(z), seed=4)
        model.executor_class = cls
        model.compile(nn.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-10)


# Moving statistics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [executor.Executor, NumpyExecutor])
def test_moving_statistics_follow_the_batches_and_evaluate_uses_them(cls):
    x, y = data(50, 3)
    layer = BatchNormalization(momentum=0.8, center=False, scale=False, dtype="float64")
    model = model_of(layer, Dense(1, dtype="float64"))
    model.executor_class = cls
    weight = np.linspace(0, 3, 50)  # does not enter
    model.fit(x, y, batch_size=20, epochs=2, verbose=0, shuffle=False, sample_weight=weight)
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(2):
        for rows in (x[:20], x[20:40], x[40:]):
            mean, variance = 0.8 * mean + 0.2 * rows.mean(axis=0), 0.8 * variance + 0.2 * rows.var(axis=0)
    close(layer.moving_mean.numpy(), mean)
    close(layer.moving_variance.numpy(), variance)
    kernel, bias = model.get_weights()[-2:]
    want = (x - mean) / np.sqrt(variance + 0.001) @ kernel + bias
    close(model.predict(x), want)
    close(model.evaluate(x, y, verbose=0), ((want - y) ** 2).mean())
    before = model.get_weights()
    model.evaluate(x, y, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    close(model.predict(x[:1]), want[:1])


def test_a_call_in_training_moves_the_statistics():
    layer = BatchNormalization(momentum=0.0, epsilon=0.0, dtype="float64")
    model = model_of(layer)
    first = model(X)
    np.testing.assert_array_equal(first, X)
    trained = model(X, training=True)
    close(trained, (X - X.mean(axis=0)) / X.std(axis=0))
    close(model(X), trained)  # with momentum 0 the moving statistics are the batch's


def test_a_frozen_layer_is_in_inference_mode():
    layer = BatchNormalization(epsilon=0.0, dtype="float64")
    layer.trainable = False
    dense = Dense(3, dtype="float64")
    model = model_of(dense, layer, Dense(1, dtype="float64"))
    assert len(layer.weights) == 4
    assert not [weight for weight in layer.weights if weight.trainable]
    np.testing.assert_array_equal(layer(X), X)
    before, kernel = layer.get_weights(), dense.get_weights()[0]
    x, y = data(40, 3)
    x /= 5
    frozen = model.fit(x, y, batch_size=8, verbose=0).history["loss"]
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (dense.get_weights()[0] != kernel).all()  # the gradient goes through
    plain = model_of(Dense(3, dtype="float64"), Dense(1, dtype="float64"))
    plain.set_weights([w for i, w in enumerate(model_of(Dense(3, dtype="float64"), BatchNormalization(dtype="float64"),
                                                         Dense(1, dtype="float64")).get_weights()) if i not in (2, 3, 4, 5)])
    close(plain.fit(x, y, batch_size=8, verbose=0).history["loss"], frozen)
    layer.trainable = True
    model.fit(x, y, batch_size=8, verbose=0)
    assert all((one != other).any() for one, other in zip(before, layer.get_weights(), strict=True))


@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
def test_penalties_and_constraints(kind):
    x, y = data(40, 3)
    layer = kind(gamma_regularizer=nn.regularizers.L2(0.025), beta_regularizer="l1", beta_constraint="non_neg",
                 gamma_constraint=nn.constraints.MaxNorm(0.5), beta_initializer="ones", dtype="float64")
    model = model_of(layer, Dense(1, dtype="float64"))
    plain = ((model.predict(x) - y) ** 2).mean()
    close(model.evaluate(x, y, verbose=0), plain + 0.025 * 3 + 0.01 * 3)
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    gamma, beta = layer.get_weights()[:2]
    assert np.linalg.norm(gamma) <= 0.5 + 1e-12
    assert (beta >= 0).all()
    assert repr(kind(**layer.get_config())) == repr(layer)


def test_saved_and_loaded(tmp_path):
    x, y = data(40, 7)
    adapted = Normalization(dtype="float64")
    adapted.adapt(x)
    model = model_of(adapted, Rescaling(0.5, np.arange(7.0), dtype="float64"), *deep(), width=7,
                     optimizer=nn.optimizers.Adam(0.01))  # fmt: skip
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    assert repr(loaded.layers) == repr(model.layers)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    for each in (model, loaded):
        each.fit(x, y, batch_size=8, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Normalization.adapt --------------------------------------------------------------------------------------------------


def test_adapt_takes_arrays_lists_generators_sequences_and_files(tmp_path):
    x = np.random.default_rng(5).normal(3, 2, (33, 4)).astype(np.float32)

    class Batches:
        def __len__(self):
            return 4

        def __getitem__(self, i):
            if i >= 4:
                raise IndexError
            return x[9 * i : 9 * i + 9], np.zeros(9)

    kept = np.memmap(tmp_path / "x", np.float32, "w+", shape=x.shape)
    kept[...] = x
    for given in (x, kept, x.tolist(), [x[:10], x[10:]], (x[i : i + 5] for i in range(0, 33, 5)), Batches(),
                  [(x[:20], 0), (x[20:], 0)]):  # fmt: skip
        layer = Normalization()
        layer.adapt(given)
        np.testing.assert_allclose(layer.mean, x.mean(axis=0, dtype=np.float64)[None], rtol=1e-6)
        np.testing.assert_allclose(layer.variance, x.var(axis=0, dtype=np.float64)[None], rtol=1e-6)
        out = layer(x)
        np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(out.var(axis=0), 1, atol=1e-5)
        layer.adapt(x[:7])  # afresh
        np.testing.assert_allclose(layer.mean, x[:7].mean(axis=0, dtype=np.float64)[None], rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1, 2, 3, (1, 2), (1, 3), (-1, 1), (1, 2, 3), None])
def test_adapt_on_any_axes(axis):
    x = np.random.default_rng(6).random((32, 4, 3, 5))
    kept = [] if axis is None else sorted(a % 4 for a in (axis if isinstance(axis, tuple) else (axis,)))
    others = tuple(a for a in range(4) if a not in kept)
    layer = Normalization(axis=axis, dtype="float64")
    layer.adapt(x)
    mean, variance = x.mean(axis=others, keepdims=True), x.var(axis=others, keepdims=True)
    close(layer.mean, mean)
    close(layer.variance, variance)
    assert layer.mean.shape == mean.shape
    close(layer(x), (x - mean) / np.sqrt(variance))
    given = Normalization(axis, mean.squeeze(), variance.squeeze(), True, dtype="float64")
    close(given(layer(x)), x)


def test_adapt_after_the_model_was_used():
    x, y = data(30, 3)
    layer = Normalization(dtype="float64")
    model = model_of(layer, Dense(1, dtype="float64"))
    np.testing.assert_array_equal(model_of(layer.__class__(dtype="float64"), compiled=False)(x), x)
    model.fit(x, y, verbose=0)
    before = model.predict(x)
    layer.adapt(x)
    kernel, bias = model.get_weights()[-2:]
    close(model.predict(x), (x - x.mean(axis=0)) / x.std(axis=0) @ kernel + bias)
    assert (model.predict(x) != before).all()
    model.fit(x, y, verbose=0)
    close(layer.mean, x.mean(axis=0)[None])  # training left it alone


def test_adapt_offset_and_chunks(monkeypatch):
    x = np.random.default_rng(7).normal(1e9, 1, (500, 3))
    layer = Normalization(dtype="float64")
    layer.adapt(x)
    whole = layer.variance
    np.testing.assert_allclose(whole[0], x.astype(np.longdouble).var(axis=0).astype(float), rtol=1e-7)
    monkeypatch.setattr(sys.modules[Normalization.__module__], "_CHUNK", 7 * 3)
    layer.adapt(x)
    np.testing.assert_allclose(layer.variance, whole, rtol=1e-7)


def test_a_variance_of_zero():
    layer = Normalization(dtype="float64")
    layer.adapt(np.array([[3.0, 1.0], [3.0, 2.0]]))
    np.testing.assert_array_equal(layer([[3.0, 1.0]]), [[0, -1]])


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchNormalization(axis=1)(np.zeros((2, 3, 4))), "axis must be the last one, -1 or 2.*got 1"),
        (lambda: LayerNormalization(axis=[1, 2])(np.zeros((2, 3, 4))), "axis must be an integer"),
        (lambda: BatchNormalization(momentum=1.5), "momentum must be a number in 0 ... 1, got 1.5"),
        (lambda: BatchNormalization(epsilon=-1), "epsilon must be a finite number of at least 0, got -1"),
        (lambda: BatchNormalization(center="no"), "center must be True or False"),
        (lambda: Normalization(mean=1.0), "mean and variance go together, got mean=1.0 and variance=None"),
        (lambda: Normalization(mean=1.0, variance=[1.0, 2.0]), "must have the same shape"),
        (lambda: Normalization(mean=0, variance=-1.0), "variance must not be negative"),
        (lambda: Normalization(axis=3)(np.zeros((2, 2))), "axis must name axes of an array of 2 axes"),
        (lambda: Normalization(axis=0)(np.zeros((2, 2))), "not that of the batch"),
        (lambda: Normalization(axis=(1, -1))(np.zeros((2, 2))), "each once"),
        (lambda: Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.zeros((2, 3))), "do not broadcast to"),
        (lambda: Normalization().adapt(np.zeros((0, 3))), "data have no rows"),
        (lambda: Normalization().adapt([]), "data have no rows"),
        (lambda: Normalization().adapt(np.array([[1.0, np.nan]])), "data holds nan at row 0, column 1"),
        (lambda: Normalization().adapt([np.zeros((2, 3)), np.zeros((2, 4))]), r"shape \(samples, 3\), got \(2, 4\)"),
        (lambda: Normalization().adapt("data"), "must be an array, or batches of rows, got str"),
        (lambda: Normalization(mean=1.0, variance=1.0).adapt(np.zeros((2, 3))), "were given to layer"),
        (lambda: Normalization().mean, "it has met no data"),
        (lambda: Rescaling([1.0, 2.0])(np.zeros((2, 3))), r"scale of shape \(2,\) does not broadcast"),
        (lambda: Rescaling("two"), "Rescaling: scale"),
        (lambda: kernels.batch_normalization_forward(np.zeros((0, 2)), [0.0, 0], [1.0, 1]), "at least one row"),
        (lambda: kernels.normalization_forward(np.zeros((2, 2)), [0.0], [1.0], [0, 1]), r"index\[1\] is 1"),
        (lambda: kernels.rescaling_forward(np.zeros(3), [1.0]), r"x must have shape \(B, ...\), got shape \(3,\)"),
    ],
)
def test_errors_say_what_came_and_what_is_wanted(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_adapted_to_another_width():
    layer = Normalization()
    layer.adapt(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"adapted to data with kept axes of shape \(3,\).*\(5,\)"):
        layer(np.zeros((2, 5)))


# The same bits --------------------------------------------------------------------------------------------------------

RUNS = {  # rows, width, batch size, layers; small ones take the path where threads share rows
    "deep": (103, 7, 33, deep),
    "wide": (150, 20, 70, lambda dtype: [Dense(700, dtype=dtype), BatchNormalization(dtype=dtype),
                                         Activation("relu", dtype=dtype), Dense(1, dtype=dtype)]),
    "chunks": (1300, 3, 1100, lambda dtype: [Dense(33, dtype=dtype), BatchNormalization(dtype=dtype),
                                             Activation("tanh", dtype=dtype), LayerNormalization(dtype=dtype),
                                             Dense(1, dtype=dtype)]),
    "narrow": (90, 5, 40, lambda dtype: [BatchNormalization(dtype=dtype), Dense(3, dtype=dtype),
                                         RMSNormalization(dtype=dtype), Dense(1, dtype=dtype)]),
}  # fmt: skip


def train(name, dtype, fused=True):
    rows, width, batch, layers = RUNS[name]
    x, y = data(rows, width, dtype)
    model = model_of(*layers(dtype), width=width, optimizer=nn.optimizers.Adam(0.01))
    losses = model.fit(x, y, batch_size=batch, epochs=2, verbose=0).history["loss"]
    return {"losses": np.array(losses), "predicted": model.predict(x)} | {
        name: weight.numpy() for name, weight in model.weight_paths().items()
    }


def train_all():
    return {f"{dtype}/{name}/{key}": value for dtype in ("float32", "float64") for name in RUNS
            for key, value in train(name, dtype).items()}  # fmt: skip


def assert_same(one, other, label):
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].tobytes() == other[key].tobytes(), f"{label}: {key}"


def worker(path):
    call = executor.Bound.__call__
    results = []
    for n in map(int, os.environ["TEST_THREADS"].split(",")):

        def forced(self, *arguments, n_threads=0, n=n, **keywords):
            return call(self, *arguments[:6], n_threads=n, **keywords)

        executor.Bound.__call__ = forced
        results.append(train_all())
        assert_same(results[-1], results[0], f"{n} threads")
    np.savez(path, **{key.replace("/", "|"): value for key, value in results[0].items()})


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_threads_and_instruction_sets(tmp_path, level):
    if isa_available().get(level) or isa not in ("v3", "v4"):
        pytest.skip(f"{level}: {isa_available().get(level) or 'this process runs another build'}")
    threads = "1,2,3,4,5" if core.has_openmp else "1"
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_DYNAMIC": "false", "OMP_NUM_THREADS": "5",
                   "TEST_THREADS": threads, "NNCORE_ISA": level}  # fmt: skip
    environment.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run([sys.executable, __file__, str(tmp_path / "r.npz")], env=environment, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "r.npz") as loaded:
        assert_same({key.replace("|", "/"): loaded[key] for key in loaded}, train_all(), level)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RUNS)
def test_fusing_changes_no_bit(monkeypatch, name, dtype):
    fused = train(name, dtype)
    monkeypatch.setattr(Program, "_fuse_activations", lambda self: None)
    kinds = executor.Fusions.__annotations__.values()
    none = executor.Fusions(*(set() if "set" in str(kind) else {} for kind in kinds))
    monkeypatch.setattr(executor, "_fusions", lambda program: none)
    assert_same(train(name, dtype), fused, name)


def test_what_is_fused():
    x, y = data(64, 7)
    model = model_of(*deep(), width=7)
    model.fit(x, y, verbose=0)
    (plan,) = (plan for (purpose, *_), plans in model._plans.items() if purpose == "fit" for plan in plans)
    ops = plan.executor.program.ops
    assert [op.attributes.get("activation") for op in ops if op.kernel == "batch_normalization_forward"] == [
        "relu", None, "leaky_relu", "tanh"
    ]
    replaced = plan.executor.fusions.replaced.values()
    # what comes straight out of a product is derived there
    assert [op.attributes["activation"] for op in replaced if op.kernel == "batch_normalization_backward"] == [
        "leaky_relu", "gelu"
    ]


@pytest.mark.skipif(isa == "v2", reason="no FMA")
@pytest.mark.parametrize("kind", ["relu", "tanh", "elu", "gelu", "softplus"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_derivative_inside_the_backward_op_has_the_documented_bits(dtype, kind):
    rng = np.random.default_rng(8)
    for rows, width in ((1, 5), (7, 300), (35, 33), (515, 2)):
        x, dy, y = (rng.normal(size=(rows, width)).astype(dtype) for _ in range(3))
        y[0, 0] = np.nan
        mean, inverse, gamma = (rng.uniform(0.5, 1.5, width).astype(dtype) for _ in range(3))
        dx, dgamma, dbeta = np.empty_like(x), np.empty_like(mean), np.empty_like(mean)
        core.run_kernel(core.KERNELS.index("batch_normalization_backward"), rows,
                        (dy, x, mean, inverse, gamma, dx, dgamma, dbeta, y),
                        (width, 0, core.ACTIVATIONS.index(kind)), (1.0, 0.0), dtype == "float64")  # fmt: skip
        g = oracle.activate_backward(kind, dy, y, elementary)
        for got, want in zip((dx, dgamma, dbeta),
                             oracle.batch_normalization_backward(elementary, g, x, mean, inverse, gamma), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_does_not_depend_on_its_batch_in_inference(dtype):
    x, y = data(150, 7, dtype)
    model = model_of(*deep(dtype), width=7)
    model.fit(x, y, batch_size=50, verbose=0)
    whole = model.predict(x)
    for batch in (1, 7, 64):
        assert model.predict(x, batch).tobytes() == whole.tobytes()
    assert model(x[3:4]).tobytes() == whole[3:4].tobytes()


if __name__ == "__main__":
    worker(sys.argv[1])
