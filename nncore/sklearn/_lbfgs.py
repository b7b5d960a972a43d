"""L-BFGS: scikit-learn's solver on all rows at once, with nncore's loss and gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from nncore import gradients, losses
from nncore.program import Program
from nncore.sklearn._training import warn_of_convergence
from nncore.variables import Variable, arrange

__all__ = ["Objective", "minimize"]

ROWS = 1024  # that go forward and back together: their activations stay in the cache


class Objective:
    """The loss of all rows with its penalties, and the gradient.

    The rows are taken `ROWS` at a time, whose gradients add up; what is left over is a run of its own, as its mean
    counts for fewer rows.

    Parameters
    ----------
    network : Network
        The model.
    feeds, targets : Any
        The data, as its `fit` takes them.
    weight : ndarray, shape (samples,), or None
        The rows' weights.
    loss : Loss
        The loss, of which the mean over a batch is what it would be in `fit` with ``reduction="mean"``.
    order : ndarray of int64, optional
        Which rows these are; by default all.
    """

    def __init__(self, network: Any, feeds: Any, targets: Any, weight: Any, loss: losses.Loss,
                 order: NDArray[np.int64] | None = None) -> None:
        self.network, model = network, network.model
        loss.reduction = "sum_over_batch_size"  # weights are weighed below
        model.compile("sgd", loss)
        self.data = model._feeds("fit", feeds, targets, weight, finite=True)
        model.optimizer = None  # which `partial_fit` would go on with
        self.order, self.rows = order, self.data.rows if order is None else len(order)
        counted = weight if weight is None or order is None else weight[order]
        self.total_weight = float(self.rows if counted is None else np.sum(counted, dtype=np.float64))
        self.weights = [weight for weight in model.weights if weight.trainable]
        self.sums = [Variable(np.zeros(weight.shape, weight.dtype), f"{weight.name}/gradient", trainable=False)
                     for weight in self.weights]
        arrange(self.sums, self)
        self.executor, self.inputs = self._program(loss, min(ROWS, self.rows))
        self.bound = self.executor.bind(self._by_buffer(), in_place=order is None)

    def _program(self, loss: losses.Loss, rows: int) -> Any:
        """Return a program that adds the gradients of batches up, and the buffers of its inputs."""
        model = self.network.model
        program = Program(model._dtype, True, model.seed)
        x = [program.rows(spec.shape, role="input", dtype=spec.dtype) for spec in model._input_specs]
        (output,) = model.emit_graph(program, x)
        program.layer = ""
        forward = list(program.ops)
        dtype = np.dtype(np.int64) if loss.target_kind == "ids" else model._dtype
        y = program.rows(self.data.y[0].shape[1:], role="target", dtype=dtype)
        weight = None if self.data.weight[0] is None else program.rows(None, role="weight")
        values, gradient, wrt = loss.emit(program, output, y, weight)
        program.add_total("loss", values)
        found = gradients.backward(program, forward, [(wrt, gradient)])
        for variable, total in zip(self.weights, self.sums, strict=True):
            to = program.parameter(total, role="state")
            program.emit("accumulate_gradient", (to, found[program.parameter(variable)]), (), steps=2**62, step=0)
        program.optimize()
        return model.executor_class(program, rows), (x, y, weight)

    def _by_buffer(self) -> dict[int, NDArray[Any]]:
        x, y, weight = self.inputs
        found = {**dict(zip(x, self.data.x, strict=True)), y: self.data.y[0]}
        return found if weight is None else {**found, weight: self.data.weight[0]}

    def pack(self, variables: Any) -> NDArray[np.float64]:
        """Return the values of variables as one vector."""
        return np.concatenate([variable._value.reshape(-1) for variable in variables]).astype(np.float64)

    def unpack(self, vector: NDArray[np.float64]) -> None:
        """Set the weights from one vector."""
        first = 0
        for variable in self.weights:
            variable._value[...] = vector[first : first + variable.size].reshape(variable.shape)
            first += variable.size

    def __call__(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss at these weights, and its gradient."""
        if self.network.model.stop_training:  # Ctrl-C, while many are fitted
            raise KeyboardInterrupt
        self.unpack(vector)
        whole = self.rows // ROWS * ROWS if self.rows > ROWS else 0
        loss, gradient = 0.0, np.zeros(len(vector))
        for first, last in ((0, whole), (whole, self.rows)):
            if first < last:
                size = min(ROWS, last - first)
                totals = self.bound(self.rows, self.order, size, first=first, last=last, step=-(first // size),
                                    go_on=False)
                loss += totals["loss"]
                gradient += self.pack(self.sums) * size
        penalty, at = 0.0, 0
        for variable in self.weights:
            if variable.regularizer is not None:
                w, l1, l2 = variable._value, variable.regularizer.l1, variable.regularizer.l2
                penalty += variable.regularizer(w)
                gradient[at : at + w.size] += (2 * l2 * w + l1 * np.sign(w)).reshape(-1)
            at += variable.size
        return (loss + penalty) / self.total_weight, gradient / self.total_weight


def minimize(objective: Objective, tol: float, max_iter: int, max_fun: int, verbose: Any,
             tell: Callable[[bool], bool] | None) -> tuple[int, float]:
    """Minimize; return the number of iterations and the loss.

    `tell` is called with True and then with False after each iteration, with its weights; the second may return True to
    ask for an end.
    """
    over = False

    def on_iteration(vector: NDArray[np.float64]) -> None:
        nonlocal over
        assert tell is not None
        objective.unpack(vector)
        tell(True)
        over = tell(False)
        if over:
            raise StopIteration

    start = objective.pack(objective.weights)
    shown = {"iprint": 1 if verbose is True or verbose >= 1 else -1} if _PRINTS else {}
    found = scipy.optimize.minimize(objective, start, method="L-BFGS-B", jac=True,
                                    callback=None if tell is None else on_iteration,
                                    options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol, **shown})
    objective.unpack(found.x)
    iterations = min(int(found.nit), max_iter)
    if found.status != 0 and not over:
        warn_of_convergence(f"lbfgs failed to converge after {iterations} iteration(s) (status={found.status}): "
                            f"{found.message}. Increase max_iter, or scale the data.")
    return iterations, np.float64(found.fun)


_PRINTS = tuple(int(part) for part in scipy.__version__.split(".")[:2]) < (1, 15)  # later ones print nothing
