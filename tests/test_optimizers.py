"""Optimizers: arguments, the op they emit, and the step by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import nncore as nn
from nncore import kernels, optimizers


def emitted(optimizer, slot_buffers):
    calls = []
    program = SimpleNamespace(emit=lambda *op, **attributes: calls.append((*op, attributes)))
    optimizer.emit_update(program, None, 3, 5, slot_buffers)
    return calls


def test_defaults_are_keras():
    sgd = optimizers.SGD()
    assert (sgd.learning_rate, sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.01, 0.0, False, None)
    assert sgd.slots == () and sgd.iterations == 0


def test_emit_update():
    assert emitted(optimizers.SGD(0.25), {}) == [
        (
            "sgd_update",
            (3, 5, None),
            (),
            {"learning_rate": 0.25, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "l2": 0.0},
        )
    ]
    ((_, inputs, _, _),) = emitted(optimizers.SGD(momentum=0.5), {"velocity": 8})
    assert inputs == (3, 5, 8)
    sgd = optimizers.SGD(0.25, momentum=0.5, nesterov=True, weight_decay=0.125)
    assert sgd.slots == ("velocity",)
    assert emitted(sgd, {"velocity": 8}) == [
        (
            "sgd_update",
            (3, 5, 8),
            (),
            {"learning_rate": 0.25, "momentum": 0.5, "nesterov": True, "weight_decay": 0.125, "l2": 0.0},
        )
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_hyperparameters_make_kerass_step(dtype, nesterov):
    # All numbers are small multiples of powers of two: the arithmetic is exact.
    sgd = optimizers.SGD(0.5, momentum=0.5, nesterov=nesterov, weight_decay=0.25)
    w, dw, velocity = (np.array([x], dtype) for x in (8.0, 2.0, 4.0))
    kernels.sgd_update(w, dw, velocity, **sgd.hyperparameters())
    # v = 0.5 * 4 - 0.5 * 2 = 1; w = 8 - 0.5 * 0.25 * 8 + (v, or 0.5 * v - 0.5 * 2)
    assert velocity[0] == 1.0
    assert w[0] == 7.0 + (-0.5 if nesterov else 1.0)


def test_the_learning_rate_can_be_set():
    sgd = optimizers.SGD(0.5)
    sgd.learning_rate = np.float32(0.25)
    assert sgd.hyperparameters()["learning_rate"] == 0.25 and type(sgd.learning_rate) is float
    with pytest.raises(ValueError, match="SGD: learning_rate must be a finite number of at least 0, got -1"):
        sgd.learning_rate = -1
    assert sgd.learning_rate == 0.25


@pytest.mark.parametrize("identifier", ["sgd", "SGD", optimizers.SGD])
def test_names(identifier):
    assert type(optimizers.get(identifier)) is optimizers.SGD


def test_config_and_back():
    ((_, inputs, _, _),) = emitted(optimizers.SGD(momentum=0.5), {"velocity": 8})
    assert inputs == (3, 5, 8)
    sgd = optimizers.SGD(0.25, momentum=0.5, nesterov=True, weight_decay=0.125, global_clipnorm=2, name="steps")
    assert optimizers.get(sgd) is sgd
    for again in (optimizers.get(optimizers.serialize(sgd)), optimizers.SGD.from_config(sgd.get_config())):
        assert again is not sgd and again.get_config() == sgd.get_config()
    assert (
        repr(sgd) == "SGD(learning_rate=0.25, momentum=0.5, nesterov=True, weight_decay=0.125, "
        "global_clipnorm=2.0, name='steps')"
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: optimizers.SGD(momentum=1.5),
            ValueError,
            r"SGD: momentum must be a number in 0 \.\.\. 1, got 1.5",
        ),
        (lambda: optimizers.SGD(momentum=-0.5), ValueError, "SGD: momentum must be"),
        (lambda: optimizers.SGD(learning_rate=-0.5), ValueError, "SGD: learning_rate must be"),
        (lambda: optimizers.SGD(learning_rate=math.nan), ValueError, "SGD: learning_rate must be"),
        (lambda: optimizers.SGD(learning_rate="fast"), TypeError, "SGD: learning_rate must be"),
        (lambda: optimizers.SGD(nesterov=True), ValueError, "SGD: nesterov=True needs momentum > 0"),
        (lambda: optimizers.SGD(0.1, 0.9, nesterov=1), TypeError, "SGD: nesterov must be True or False"),
        (lambda: optimizers.SGD(weight_decay=-0.5), ValueError, "SGD: weight_decay must be"),
        (lambda: optimizers.get("sdg"), ValueError, "unknown optimizer 'sdg': did you mean 'sgd'?"),
        (
            lambda: optimizers.get("rms"),
            ValueError,
            "unknown optimizer 'rms': Known are: 'adam', 'adamw', 'sgd'",
        ),
        (lambda: optimizers.SGD(global_clipnorm=0), ValueError, "SGD: global_clipnorm must be .* above 0, got 0"),
        (lambda: optimizers.Adam(-1), ValueError, "Adam: learning_rate must be"),
        (lambda: optimizers.Adam(beta_1=1.0), ValueError, "Adam: beta_1 must be at least 0 and less than 1"),
        (lambda: optimizers.Adam(beta_2=-0.1), ValueError, "Adam: beta_2 must be at least 0 and less than 1"),
        (lambda: optimizers.Adam(beta_2="x"), TypeError, "Adam: beta_2 must be a finite number"),
        (lambda: optimizers.Adam(epsilon=0), ValueError, "Adam: epsilon must be a finite number above 0"),
        (lambda: optimizers.Adam(epsilon=math.inf), ValueError, "Adam: epsilon must be"),
        (lambda: optimizers.Adam(amsgrad=1), TypeError, "Adam: amsgrad must be True or False"),
        (lambda: optimizers.Adam(weight_decay=-1), ValueError, "Adam: weight_decay must be"),
        (lambda: optimizers.Adam(global_clipnorm=-1), ValueError, "Adam: global_clipnorm must be"),
        (lambda: optimizers.Adam(global_clipnorm=math.nan), ValueError, "Adam: global_clipnorm must be"),
        (lambda: optimizers.AdamW(weight_decay=None), TypeError, "AdamW: weight_decay must be"),
        (lambda: optimizers.AdamW(epsilon=-1), ValueError, "AdamW: epsilon must be"),
        (lambda: optimizers.get(0.1), TypeError, "optimizer must be a name or an object"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name, value", [("beta_1", 2.0), ("epsilon", -1.0), ("weight_decay", -5.0), ("beta_2", "x")])
def test_attributes_are_checked_before_training(name, value):
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)], seed=1)
    model.compile(nn.optimizers.Adam(), "mse")
    setattr(model.optimizer, name, value)
    before = model.get_weights()
    with pytest.raises((TypeError, ValueError), match=f"Adam: {name}"):
        model.fit([[1.0]], [[1.0]], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
