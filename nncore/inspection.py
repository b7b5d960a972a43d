"""Looking into a model: what its layers give, and the gradients of its loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore import _checks
from nncore.training import Feeds, rounds_to_nearest

if TYPE_CHECKING:
    from nncore.models import Model

__all__ = ["Look", "activations", "gradients", "look"]

Array = NDArray[Any]
ROWS = 256  # that go through all layers together


class Look(NamedTuple):
    """One pass of a batch through a model and back.

    Attributes
    ----------
    outputs : dict of str to ndarray
        What the layers gave, by their names.
    kernels : dict of str to str
        The kernel that each of these comes from: "relu_forward".
    weights : dict of str to ndarray
        Gradients of the weights, by their paths.
    gradients : dict of str to ndarray
        Gradients of the layers' outputs.
    rows : ndarray, shape (samples,)
        The loss of each row; their mean is the loss that is minimized, regularizers apart.
    loss : float
        That loss, regularizers and all.
    """

    outputs: dict[str, Array]
    kernels: dict[str, str]
    weights: dict[str, Array]
    gradients: dict[str, Array]
    rows: Array
    loss: float


@rounds_to_nearest
def activations(model: Model, x: Any) -> dict[str, Array]:
    """Return what every layer gives for data; see `nncore.Model.activations`."""
    data = Feeds(model._ready("activations", x))
    plan = model._build_plan("activations", data, max(1, min(ROWS, data.rows)))
    assert plan.seen is not None
    buffers = plan.executor.program.buffers
    found: dict[str, Array] = {}
    results: dict[int, Array] = {}
    for name, number in plan.seen.outputs.items():
        array = np.empty((data.rows, *buffers[number].shape), buffers[number].dtype)
        found[name] = results.setdefault(number, array)
    if data.rows:
        plan.executor.bind(plan.feeds(data), results)(data.rows)
    # A layer that does nothing here, such as dropout, hands on the array before it.
    seen: set[int] = set()
    for name, array in found.items():
        if id(array) in seen:
            found[name] = array.copy()
        seen.add(id(array))
    return found


def gradients(model: Model, x: Any, y: Any, sample_weight: Any = None, of: str = "weights",
              training: bool = True) -> dict[str, Array]:
    """Return the gradient of the loss; see `nncore.Model.gradients`."""
    _checks.one_of(of, ("weights", "outputs"), "gradients", "of")
    found = look(model, "gradients", x, y, sample_weight, _checks.boolean(training, "gradients", "training"))
    return found.weights if of == "weights" else found.gradients


@rounds_to_nearest
def look(model: Model, where: str, x: Any, y: Any, sample_weight: Any = None, training: bool = True) -> Look:
    """Run all rows as one batch forward and back, without an update.

    Parameters
    ----------
    model : Model
        A compiled model.
    where : str
        The function that was called, for messages.
    x, y, sample_weight : array_like, or lists or dicts of them
        As of `fit`.
    training : bool
        Whether layers do what they do in training.

    Returns
    -------
    Look

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1, "relu", kernel_initializer="ones")])
    >>> model.compile("sgd", "mse")
    >>> found = nn.inspection.look(model, "look", [[1.0, 2.0]], [5.0])
    >>> found.loss, found.kernels, found.outputs["dense"].tolist()
    (4.0, {'dense': 'relu_forward'}, [[3.0]])
    """
    data = model._feeds(where, x, y, sample_weight)
    with model._alone(where, in_hooks=True), _kept(model):
        plan = model._build_plan("look" if training else "look in inference", data, data.rows)
        assert plan.seen is not None and model.optimizer is not None
        totals = plan.executor.bind(plan.feeds(data))(data.rows, step=model.optimizer.iterations)
        value = plan.executor.value
        rows = np.zeros(data.rows)
        for number, share in plan.seen.losses:
            if plan.executor.program.buffers[number].per_row:
                rows += share * value(number).astype(np.float64)
        return Look({name: value(number) for name, number in plan.seen.outputs.items()}, plan.seen.kernels,
                    {name: value(number) for name, number in plan.seen.weights.items()},
                    {name: value(number) for name, number in plan.seen.gradients.items()}, rows,
                    totals["loss"] / data.rows)


@contextmanager
def _kept(model: Model) -> Iterator[None]:
    """Leave all weights as they are: in training, layers move averages along."""
    before = [arena.copy() for arena in model._arenas]
    try:
        yield
    finally:
        for arena, values in zip(model._arenas, before, strict=True):
            arena[...] = values
