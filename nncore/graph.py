"""Functional models: symbolic tensors, and the steps that lead from inputs to outputs.

A call of a layer on symbolic tensors computes nothing: it returns a tensor that remembers the layer and what it
was called on. `trace` turns inputs and outputs into the flat list of steps that a model emits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore import _checks

if TYPE_CHECKING:
    from nncore.layers.base import Layer

__all__ = ["Graph", "Step", "Tensor", "apply", "trace"]

Shape = tuple[int | None, ...]


class Tensor:
    """A symbolic array: what a layer's call on symbolic arrays returns.

    Parameters
    ----------
    shape : tuple
        Its shape, with None for the batch.
    layer : Layer
        The layer that it comes from.
    inputs : sequence of Tensor
        What the layer was called on; empty for the input of a model.
    listed : bool
        Whether it was called on a list.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.Input((3,), name="x")
    >>> nn.layers.Dense(2)(x)
    <Tensor of shape (None, 2) from Dense>
    """

    def __init__(self, shape: Shape, layer: Layer, inputs: Sequence[Tensor] = (), listed: bool = False) -> None:
        self.shape, self.layer, self.inputs, self.listed = shape, layer, tuple(inputs), listed

    @property
    def name(self) -> str | None:
        """The name of its layer."""
        return self.layer.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its layer."""
        return self.layer.dtype

    def __repr__(self) -> str:
        """Return shape and layer."""
        return f"<Tensor of shape {self.shape} from {self.layer.name or type(self.layer).__name__}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Refuse: there are no numbers in it."""
        raise TypeError(f"{self!r} is symbolic and holds no numbers: apply layers to it, then make an nncore.Model")

    def __bool__(self) -> bool:
        """Refuse: there are no numbers in it."""
        raise TypeError(f"{self!r} is symbolic and has no truth value")


class Step(NamedTuple):
    """One use of a layer in a model: it reads some slots and fills one."""

    layer: Any
    inputs: tuple[int, ...]
    listed: bool
    output: int


class Graph(NamedTuple):
    """A model's layers and the order in which they are used.

    Parameters
    ----------
    inputs : tuple of int
        The slots that data are put in: the first ones.
    steps : tuple of Step
        Uses of layers, each after those whose output it reads.
    outputs : tuple of int
        The slots that the model returns.
    """

    inputs: tuple[int, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    @property
    def layers(self) -> list[Any]:
        """The layers, each once, in the order of their first use."""
        found: dict[int, Any] = {}
        for step in self.steps:
            found.setdefault(id(step.layer), step.layer)
        return list(found.values())

    def shapes(self, input_shapes: Sequence[Shape]) -> dict[int, Shape]:
        """Return the shape of every slot."""
        found = dict(zip(self.inputs, input_shapes, strict=True))
        for step in self.steps:
            found[step.output] = tuple(step.layer.compute_output_shape(step_shape(step, found)))
        return found


def step_shape(step: Step, shapes: dict[int, Shape]) -> Any:
    """Return what a step's layer is told of its inputs: a shape, or a list of shapes."""
    found = [shapes[slot] for slot in step.inputs]
    return found if step.listed else found[0]


def apply(layer: Any, x: Any) -> Any:
    """Call a layer on a symbolic tensor or on numbers, or on a list of either.

    Examples
    --------
    >>> import nncore as nn
    >>> apply(nn.layers.Activation("relu"), [[1.0, -1.0]])
    array([[1., 0.]], dtype=float32)
    """
    if isinstance(x, Tensor):
        return _symbolic(layer, [x], False)
    if isinstance(x, (list, tuple)) and any(isinstance(part, Tensor) for part in x):
        wrong = next((part for part in x if not isinstance(part, Tensor)), None)
        if wrong is not None:
            raise TypeError(f"{_title(layer)}: symbolic tensors and numbers do not mix, got {wrong!r}")
        return _symbolic(layer, list(x), True)
    return _numbers(layer, x)


def _title(layer: Any) -> str:
    return f"layer {layer.name!r}" if layer.name else type(layer).__name__


def _symbolic(layer: Any, inputs: list[Tensor], listed: bool) -> Tensor:
    shapes = [tensor.shape for tensor in inputs]
    shape = tuple(layer.compute_output_shape(shapes if listed else shapes[0]))
    return Tensor(shape, layer, inputs, listed)


def _numbers(layer: Any, x: Any) -> NDArray[Any]:
    """Run a layer alone, in inference."""
    from nncore.executor import Executor  # here: these modules build on layers
    from nncore.program import Program

    listed = isinstance(x, (list, tuple)) and len(x) > 0 and all(isinstance(part, np.ndarray) for part in x)
    arrays: list[Any] = [_checks.as_ids(part, _title(layer), "x") if layer.wants_integers
                         else _checks.as_float_array(part, _title(layer), "x", layer.dtype)
                         for part in (x if listed else [x])]
    if any(array.ndim < 2 for array in arrays):
        raise ValueError(f"{_title(layer)}: x must have shape (batch, ...), got {arrays[0].shape}")
    if layer.name is None:
        layer.name = type(layer).__name__.lower()
    if hasattr(layer, "check_input"):
        for array in arrays:
            layer.check_input(array, _title(layer), "x")
    shapes: list[Shape] = [(None, *array.shape[1:]) for array in arrays]
    from nncore import random

    if not layer.built:
        layer.ensure_built(shapes if listed else shapes[0], random.next_seed(), 0)
    program = Program(layer.dtype)
    program.layer = str(layer.name)
    inputs = [program.rows(array.shape[1:], role="input", dtype=array.dtype) for array in arrays]
    y = layer.emit(program, inputs if listed else inputs[0])
    program.results.append(y)
    out = np.empty((len(arrays[0]), *program.buffers[y].shape), layer.dtype)
    if len(out):
        Executor(program, len(out)).run(dict(zip(inputs, arrays, strict=True)), len(out), results={y: out})
    return out


def trace(inputs: Sequence[Tensor], outputs: Sequence[Tensor], where: str) -> Graph:
    """Return the steps that lead from the inputs to the outputs.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.Input((3,))
    >>> y = nn.layers.Dense(2)(x)
    >>> [(type(step.layer).__name__, step.inputs, step.output) for step in trace([x], [y], "Model").steps]
    [('Dense', (0,), 1)]
    """
    slots = {id(tensor): slot for slot, tensor in enumerate(inputs)}
    if len(slots) < len(inputs):
        raise ValueError(f"{where}: an input is given twice")
    steps: list[Step] = []
    for tensor in _in_order(outputs, slots):
        if not tensor.inputs:
            raise ValueError(f"{where}: the outputs depend on input {tensor.name!r}, which is not among the inputs")
        slots[id(tensor)] = len(slots)
        steps.append(Step(tensor.layer, tuple(slots[id(part)] for part in tensor.inputs), tensor.listed,
                          slots[id(tensor)]))
    return Graph(tuple(range(len(inputs))), tuple(steps), tuple(slots[id(tensor)] for tensor in outputs))


def _in_order(outputs: Sequence[Tensor], known: dict[int, int]) -> Iterator[Tensor]:
    """Iterate over the tensors that the outputs depend on, each after its inputs; no recursion: nets are deep."""
    seen = set(known)
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        if id(tensor) in seen:
            continue
        if ready:
            seen.add(id(tensor))
            yield tensor
        else:
            stack.append((tensor, True))
            stack.extend((part, False) for part in reversed(tensor.inputs))
