"""What each side does, in a process of its own: nncore and the peers on the same networks, data and weights.

A side is checked before it is timed: the losses of its first steps, or its outputs, against NumPy in float64.
"""

import ctypes
import gc
import os
import signal
import time

import numpy as np
from workloads import ADDED, BETAS, EPSILON, KEPT, LEARNING_RATE, MOMENTUM, Training, forward, gradients

CHECKED_STEPS = 2
SHORTEST = 0.01  # seconds that a trial must last to say how long a unit takes



class NncoreTrain:
    """`fit` of one call: shuffling, checks and the copy of the last good epoch are in it."""

    def __init__(self, workload, threads):
        self.workload, (self.x, self.y) = workload, workload.data()
        self.model = nncore_model(workload)

    def check(self):
        x, y = (a[: CHECKED_STEPS * self.workload.batch] for a in (self.x, self.y))
        history = self.model.fit(x, y, batch_size=self.workload.batch, shuffle=False, verbose=0)
        return history.history["loss"][0]

    def run(self, times):
        self.model.fit(self.x, self.y, batch_size=self.workload.batch, epochs=times, verbose=0)


def nncore_model(workload):
    import nncore as nn

    first, *hidden, last = workload.layers
    layers = []
    for width in hidden:
        layers.append(nn.layers.Dense(width, dtype=workload.dtype))
        if workload.dropout is not None:
            layers.append(nn.layers.BatchNormalization(momentum=KEPT, epsilon=ADDED, dtype=workload.dtype))
        layers.append(nn.layers.Activation(workload.activation, dtype=workload.dtype))
        if workload.dropout:
            layers.append(nn.layers.Dropout(workload.dropout, dtype=workload.dtype))
    model = nn.Sequential([nn.Input((first,)), *layers, nn.layers.Dense(last, dtype=workload.dtype)])
    rate = LEARNING_RATE[workload.optimizer]
    if workload.optimizer == "sgd":
        optimizer = nn.optimizers.SGD(rate, momentum=MOMENTUM)
    else:
        optimizer = nn.optimizers.Adam(rate, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON)
    loss = "mse"
    if workload.loss == "ce":
        loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    arrays = []
    for group in workload.weights():
        moving = [0 * group[1], 0 * group[1] + 1] if len(group) > 2 else []
        arrays += [*group, *moving]
    model.set_weights(arrays)
    return model


class NncoreCall:
    """`model(x)`, which returns a new array."""

    def __init__(self, workload, threads):
        self.x, self.model = workload.data()[0][: workload.batch], nncore_model(workload)

    def check(self):
        return self.run(2)

    def run(self, times):
        model, x = self.model, self.x
        for _ in range(times):
            y = model(x)
        return y


class NncoreOut(NncoreCall):
    """`model(x, out=...)`, as those peers that write to a bound buffer."""

    def run(self, times):
        model, x = self.model, self.x
        out = np.empty((len(x), model.output_shape[-1]), x.dtype)
        for _ in range(times):
            model(x, out=out)
        return out


class NncorePredict(NncoreCall):
    def run(self, times):
        model, x = self.model, self.x
        for _ in range(times):
            y = model.predict(x)
        return y


class NncoreGradient:
    """Forward pass, loss and gradients without an update: a program of its own, 16 batches in one call."""

    def __init__(self, workload, threads):
        import nncore as nn

        self.workload, (self.x, self.y) = workload, workload.data()
        self.model = model = nncore_model(workload)
        program = nn.program.Program(np.dtype(workload.dtype))
        x, y = program.rows(workload.layers[0], role="input"), program.rows(workload.layers[-1], role="target")
        output = model.emit(program, x)
        forward_ops = list(program.ops)
        program.totals["loss"], gradient, wrt = model.loss.emit(program, output, y, None)
        self.gradients = list(nn.gradients.backward(program, forward_ops, wrt, gradient).values())
        program.results += self.gradients  # somebody wants them
        program.optimize()
        self.executor = nn.executor.Executor(program, workload.batch)
        self.bound = self.executor.bind({x: self.x, y: self.y}, in_place=True)

    def check(self):
        """The loss of a batch, after a comparison of its gradients."""
        weights = [[a.astype(np.float64) for a in pair] for pair in self.workload.weights()]
        loss = self.bound(self.workload.batch)["loss"] / self.workload.batch
        x, y = (a[: self.workload.batch].astype(np.float64) for a in (self.x, self.y))
        _, wanted = gradients(self.workload, weights, x, y)
        for number, want in zip(self.gradients, (a for pair in wanted for a in pair), strict=True):
            got = self.executor.value(number)
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
        return loss

    def run(self, times):
        for _ in range(times):
            self.bound(len(self.x))


class NumpyTrain:
    def __init__(self, workload, threads):
        plain(workload)
        self.workload, (self.x, self.y) = workload, workload.data()
        self.training, self.rng = Training(workload), np.random.default_rng(0)

    def step(self, x, y):
        return self.training.step(x, y)

    def check(self):
        batch = self.workload.batch
        parts = [slice(start, start + batch) for start in range(0, CHECKED_STEPS * batch, batch)]
        return float(np.mean([float(self.step(self.x[part], self.y[part])) for part in parts]))

    def run(self, times):
        batch = self.workload.batch
        for _ in range(times):
            order = self.rng.permutation(len(self.x))
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                loss = self.step(self.x[rows], self.y[rows])
        return float(loss)


def plain(workload):
    """Refuse what a side does not do."""
    if workload.dropout:
        raise NotImplementedError("no dropout here")


class NumpyCall:
    def __init__(self, workload, threads):
        self.workload, self.x, self.weights = workload, workload.data()[0][: workload.batch], workload.weights()

    def check(self):
        return self.run(1)

    def run(self, times):
        for _ in range(times):
            y = forward(self.workload, self.weights, self.x)[-1]
        return y


def torch_model(workload, threads):
    import torch

    torch.set_num_threads(threads)
    model = torch.nn.Sequential()
    for number, (w, b, *scale_shift) in enumerate(workload.weights(), start=1):
        layer = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w).T)
            layer.bias.copy_(torch.from_numpy(b))
        model.append(layer)
        if number == len(workload.layers) - 1:
            break
        if scale_shift:
            model.append(torch.nn.BatchNorm1d(len(b), eps=ADDED, momentum=1 - KEPT))
        model.append(torch.nn.ReLU() if workload.activation == "relu" else torch.nn.Tanh())
        if workload.dropout:
            model.append(torch.nn.Dropout(workload.dropout))
    return torch, model


class TorchTrain(NumpyTrain):
    """Eager PyTorch with its fused optimizers; batches are taken out of tensors."""

    def __init__(self, workload, threads):
        self.workload = workload
        self.torch, self.model = torch, model = torch_model(workload, threads)
        self.x, self.y = map(torch.from_numpy, workload.data())
        self.loss = torch.nn.CrossEntropyLoss() if workload.loss == "ce" else torch.nn.MSELoss()
        rate = LEARNING_RATE[workload.optimizer]
        if workload.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(model.parameters(), rate, momentum=MOMENTUM, fused=True)
        else:
            self.optimizer = torch.optim.Adam(model.parameters(), rate, betas=BETAS, eps=EPSILON, fused=True)

    def value(self, x, y):
        return self.loss(self.model(x), y)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.value(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def run(self, times):
        batch = self.workload.batch
        for _ in range(times):
            for rows in self.torch.randperm(len(self.x)).split(batch):
                loss = self.step(self.x[rows], self.y[rows])
        return float(loss)


class TorchCompiled(TorchTrain):
    """Forward and backward pass compiled; some minutes go by before its first step, so for one network only."""

    def __init__(self, workload, threads):
        if workload.dropout is None:
            raise NotImplementedError("compiled for the normalized network only")
        super().__init__(workload, threads)
        self.compiled = self.torch.compile(super().value)

    def value(self, x, y):
        return self.compiled(x, y)


class TorchCall:
    def __init__(self, workload, threads):
        self.torch, self.model = torch_model(workload, threads)
        self.x = workload.data()[0][: workload.batch]

    def check(self):
        return self.run(1)

    def run(self, times):
        torch, model, x = self.torch, self.model, self.x
        with torch.inference_mode():
            for _ in range(times):
                y = model(torch.from_numpy(x)).numpy()
        return y


def jax_forward(workload):
    """Outputs, and the moving statistics after the batch; without any of these and a key: plain layers."""
    import jax

    function = {"relu": jax.nn.relu, "tanh": jax.numpy.tanh}[workload.activation]

    def apply(parameters, h, moving=(), key=None):
        kept = []
        for number, (w, b, *scale_shift) in enumerate(parameters, start=1):
            h = h @ w + b
            if scale_shift:
                mean, variance = h.mean(axis=0), h.var(axis=0)
                kept.append([KEPT * old + (1 - KEPT) * new for old, new in
                             zip(moving[number - 1], (mean, variance), strict=True)])
                h = (h - mean) * jax.lax.rsqrt(variance + ADDED) * scale_shift[0] + scale_shift[1]
            h = function(h) if number < len(parameters) else h
            if workload.dropout and number < len(parameters):
                mask = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - workload.dropout, h.shape)
                h = jax.numpy.where(mask, h / (1 - workload.dropout), 0)
        return h, kept

    return apply


class JaxTrain(NumpyTrain):
    """One compiled step a batch, its state donated."""

    def __init__(self, workload, threads):
        import jax
        import optax

        self.workload, (self.x, self.y) = workload, workload.data()
        self.rng, apply = np.random.default_rng(0), jax_forward(workload)
        rate = LEARNING_RATE[workload.optimizer]
        if workload.optimizer == "sgd":
            optimizer = optax.sgd(rate, momentum=MOMENTUM)
        else:
            optimizer = optax.adam(rate, *BETAS, eps=EPSILON)

        def loss(parameters, moving, key, x, y):
            z, moving = apply(parameters, x, moving, key)
            if workload.loss == "ce":
                return optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), moving
            return jax.numpy.square(z - y).mean(), moving

        def step(state, x, y):
            parameters, slots, moving, key = state
            if workload.dropout:
                key, now = jax.random.split(key)
            else:
                now = None
            (value, moving), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, moving, now, x, y)
            change, slots = optimizer.update(gradient, slots, parameters)
            return (optax.apply_updates(parameters, change), slots, moving, key), value

        parameters = jax.tree.map(jax.numpy.asarray, workload.weights())
        moving = [[0 * group[1], 0 * group[1] + 1] for group in parameters if len(group) > 2]
        key = jax.random.key(0) if workload.dropout else None
        self.state, self.plain = (parameters, optimizer.init(parameters), moving, key), step
        self.compiled = jax.jit(step, donate_argnums=0)

    def step(self, x, y):
        self.state, loss = self.compiled(self.state, x, y)
        return loss


class JaxScan(JaxTrain):
    """A whole epoch in one compiled call."""

    def __init__(self, workload, threads):
        import jax

        super().__init__(workload, threads)
        x, y = jax.numpy.asarray(self.x), jax.numpy.asarray(self.y)

        def epoch(state, order):
            return jax.lax.scan(lambda carry, rows: self.plain(carry, x[rows], y[rows]), state, order)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def check(self):
        batch = self.workload.batch
        order = np.arange(CHECKED_STEPS * batch).reshape(CHECKED_STEPS, batch)
        self.state, losses = self.epoch(self.state, order)
        return float(losses.mean())

    def run(self, times):
        for _ in range(times):
            order = self.rng.permutation(len(self.x)).reshape(-1, self.workload.batch)
            self.state, losses = self.epoch(self.state, order)
        return float(losses[-1])


class JaxCall:
    def __init__(self, workload, threads):
        import jax

        apply, weights = jax_forward(workload), jax.tree.map(jax.numpy.asarray, workload.weights())
        self.x, self.compiled = workload.data()[0][: workload.batch], jax.jit(lambda x: apply(weights, x)[0])

    def check(self):
        return self.run(1)

    def run(self, times):
        for _ in range(times):
            y = np.asarray(self.compiled(self.x))
        return y


class SklearnTrain:
    """Its own first weights, so there is no loss to compare; a call is a `fit` from the start."""

    def __init__(self, workload, threads):
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        warnings.simplefilter("ignore", ConvergenceWarning)
        plain(workload)
        self.workload, (self.x, self.y) = workload, workload.data()
        if self.y.ndim == 2 and self.y.shape[1] == 1:
            self.y = self.y[:, 0]
        self.kind = MLPClassifier if workload.loss == "ce" else MLPRegressor

    def check(self):
        self.run(1)

    def run(self, times):
        workload = self.workload
        self.model = self.kind(
            hidden_layer_sizes=workload.layers[1:-1],
            activation=workload.activation,
            solver=workload.optimizer,
            alpha=0,
            batch_size=workload.batch,
            learning_rate_init=LEARNING_RATE[workload.optimizer],
            momentum=MOMENTUM,
            nesterovs_momentum=False,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPSILON,
            max_iter=times,
            n_iter_no_change=times + 1,
            random_state=0,
        ).fit(self.x, self.y)
        return self.model.loss_


class SklearnCall:
    """Our weights put into a fitted model; of a classifier its probabilities, which are not compared."""

    def __init__(self, workload, threads):
        training = SklearnTrain(workload._replace(batch=32, samples=512), threads)
        training.run(1)
        self.workload, model = workload, training.model
        model.coefs_, model.intercepts_ = (list(part) for part in zip(*workload.weights(), strict=True))
        self.x = workload.data()[0][: workload.batch]
        self.call = model.predict if workload.loss == "mse" else model.predict_proba

    def check(self):
        if self.workload.loss == "mse":
            return self.run(1).reshape(len(self.x), -1)
        self.run(1)
        return None

    def run(self, times):
        for _ in range(times):
            y = self.call(self.x)
        return y


def onnx_model(workload):
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    for number, (w, b) in enumerate(workload.weights()):
        if number:
            nodes.append(helper.make_node(workload.activation.capitalize(), [last], [f"h{number}"]))
            last = f"h{number}"
        constants += [numpy_helper.from_array(w, f"w{number}"), numpy_helper.from_array(b, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{number}", f"b{number}"], [f"z{number}"]))
        last = f"z{number}"
    nodes[-1].output[0] = "y"
    places = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [workload.batch, width])
        for name, width in (("x", workload.layers[0]), ("y", workload.layers[-1]))
    ]
    graph = helper.make_graph(nodes, "dense", places[:1], places[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


class OnnxRuntimeCall:
    """Input and output bound once: the fastest way it has."""

    def __init__(self, workload, threads):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = ort.InferenceSession(onnx_model(workload), options, providers=["CPUExecutionProvider"])
        self.x = workload.data()[0][: workload.batch]
        y = np.empty((workload.batch, workload.layers[-1]), np.float32)
        self.places = [ort.OrtValue.ortvalue_from_numpy(array) for array in (self.x, y)]
        self.binding = self.session.io_binding()
        self.binding.bind_ortvalue_input("x", self.places[0])
        self.binding.bind_ortvalue_output("y", self.places[1])

    def check(self):
        return self.run(1)

    def run(self, times):
        session, binding = self.session, self.binding
        for _ in range(times):
            session.run_with_iobinding(binding)
        return self.places[1].numpy()


class OpenvinoCall:
    def __init__(self, workload, threads):
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = core.compile_model(core.read_model(onnx_model(workload)), "CPU", settings)
        self.request, self.x = compiled.create_infer_request(), workload.data()[0][: workload.batch]

    def check(self):
        return self.run(1)

    def run(self, times):
        request, x = self.request, self.x
        for _ in range(times):
            y = request.infer([x], share_inputs=True, share_outputs=True)[0]
        return y


OWN = {
    "train": {"nncore": NncoreTrain},
    "infer": {"nncore": NncoreCall, "nncore out=": NncoreOut, "nncore predict": NncorePredict},
    "gradient": {"nncore": NncoreGradient},
}
PEERS = {
    "train": {
        "numpy": NumpyTrain,
        "sklearn": SklearnTrain,
        "torch": TorchTrain,
        "torch compile": TorchCompiled,
        "jax": JaxTrain,
        "jax scan": JaxScan,
    },
    "infer": {
        "numpy": NumpyCall,
        "sklearn": SklearnCall,
        "torch": TorchCall,
        "jax": JaxCall,
        "onnxruntime": OnnxRuntimeCall,
        "openvino": OpenvinoCall,
    },
    "gradient": {},
}
NEEDS = {
    "torch": ("torch",),
    "torch compile": ("torch",),
    "jax": ("jax", "optax"),
    "jax scan": ("jax", "optax"),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "sklearn": ("sklearn",),
    "numpy": (),
}


def verify(side, workload, threads):
    """Raise where a side computes something else than NumPy does in float64."""
    if workload.dropout:  # masks are everybody's own: what is left is checked
        workload = workload._replace(dropout=0.0)
        side = type(side)(workload, threads)
    got = side.check()
    if got is None:
        return
    if workload.kind == "infer":
        wanted = forward(workload, workload.weights(), workload.data()[0][: workload.batch].astype(np.float64))[-1]
    else:
        n_steps = CHECKED_STEPS if workload.kind == "train" else 1
        training, (x, y), wanted = Training(workload, np.float64), workload.data(), 0.0
        for start in range(0, n_steps * workload.batch, workload.batch):
            part = slice(start, start + workload.batch)
            wanted += training.step(x[part].astype(np.float64), y[part]) / n_steps
    error = np.abs(np.asarray(got, np.float64) - wanted).max() / np.abs(wanted).max()
    if not error < 1e-4:
        raise ArithmeticError(f"differs from NumPy in float64 by {error:.1e} of the largest")


def units(workload):
    """Units of what `run(1)` does."""
    return {"train": workload.samples, "infer": 1, "gradient": workload.samples // workload.batch}[workload.kind]


def repeats(side, seconds):
    """How often to run for so long a turn."""
    times = 1
    while True:
        start = time.perf_counter()
        side.run(times)
        took = time.perf_counter() - start
        if took >= min(SHORTEST, seconds):
            return max(1, round(seconds * times / took))
        times *= 2


def serve(pipe, name, threads):
    """Answer what the parent asks; the clock runs in here."""
    if hasattr(os, "sched_setaffinity"):  # the one limit that every peer keeps
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a stopped process must not outlive its parent
    own = name.startswith("nncore")
    if own:
        import nncore as nn
        from nncore._core import core

        nn.set_num_threads(threads)
    side = times = workload = None
    while True:
        question, *arguments = pipe.recv()
        try:
            if question == "prepare":
                side = None  # the last workload's memory
                gc.collect()
                workload, seconds = arguments
                side = {**OWN[workload.kind], **PEERS[workload.kind]}[name](workload, threads)
                verify(side, workload, threads)
                side.run(1)
                times = repeats(side, seconds)
                pipe.send(times)
            else:
                peak = core.fma_peak(workload.dtype == "float64", 0.004) if own else None
                gc.collect()
                gc.disable()
                start = time.perf_counter()
                side.run(times)
                took = time.perf_counter() - start
                gc.enable()
                pipe.send((took / (times * units(workload)), peak))
        except Exception as error:
            pipe.send(RuntimeError(repr(error)))
