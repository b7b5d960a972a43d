"""Models: layers in a graph, or in a row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore import _checks, _names, graph, random
from nncore._sparse import Rows
from nncore.graph import Graph, Tensor
from nncore.layers.base import Layer, Shape, assign_all, default_name
from nncore.layers.input import InputLayer
from nncore.program import Program
from nncore.training import InputSpec, Trainable, rounds_to_nearest
from nncore.variables import Variable, arrange

__all__ = ["Model", "Sequential", "load_model"]


class Structure(NamedTuple):
    """How several inputs or outputs are given: as one, as a list, or as a dict with these keys."""

    kind: str
    keys: tuple[str, ...] = ()

    def pack(self, values: Sequence[Any]) -> Any:
        """Return the values in this structure."""
        if self.kind == "dict":
            return dict(zip(self.keys, values, strict=True))
        return values[0] if self.kind == "one" else list(values)


def _unpacked(tensors: Any, what: str) -> tuple[list[Tensor], Structure]:
    """Return the tensors in a list, and how they came."""
    if isinstance(tensors, Mapping):
        found, structure = list(tensors.values()), Structure("dict", tuple(tensors))
    elif isinstance(tensors, (list, tuple)):
        found, structure = list(tensors), Structure("list")
    else:
        found, structure = [tensors], Structure("one")
    if not found or not all(isinstance(tensor, Tensor) for tensor in found):
        raise TypeError(f"Model: {what} must be symbolic tensors, which nncore.Input and calls of layers return; "
                        f"got {tensors!r}")
    return found, structure


def _known(shape: Shape) -> tuple[int, ...]:
    """Return a shape without the batch."""
    return tuple(int(size) for size in shape[1:] if size is not None)


class Model(Trainable):
    """A net of layers: from inputs to outputs, each one tensor or several in a list or a dict.

    Parameters
    ----------
    inputs : Tensor, list of Tensor or dict of str to Tensor
        What `nncore.Input` returned. Data are then given in the same way: of a dict under its keys. Those for a
        list may also come as a dict with the inputs' names.
    outputs : Tensor, list of Tensor or dict of str to Tensor
        What layers returned that were called on the inputs, or on what came of these.
    name : str, optional
        The model's name.
    seed : int, optional
        Where all that is random in this model comes from: first weights, the order of rows, masks. By default a
        fresh one, which `nncore.utils.set_random_seed` makes repeatable.

    Notes
    -----
    A layer that is called twice shares its weights. A layer of another model keeps its weights, and both models
    train them. A model can be called like a layer.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.Input((3,), name="x")
    >>> hidden = nn.layers.Dense(4, activation="relu")(x)
    >>> model = nn.Model(x, nn.layers.Dense(1)(hidden), seed=1)
    >>> model.count_params()
    21
    """

    _input_layers: list[InputLayer]

    def __init_subclass__(cls) -> None:
        """Refuse what would be ignored."""
        if "call" in cls.__dict__:
            raise TypeError(f"{cls.__name__} defines call(), but a {cls.__mro__[1].__name__} runs its layers: "
                            "make that a layer")

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, *, seed: int | None = None) -> None:
        super().__init__()
        self._begin("functional" if name is None else name, seed)
        given, self._input_structure = _unpacked(inputs, "inputs")
        wanted, self._output_structure = _unpacked(outputs, "outputs")
        for tensor in given:
            if not isinstance(tensor.layer, InputLayer):
                raise ValueError(f"Model: inputs must come from nncore.Input, got {tensor!r}")
        found = graph.trace(given, wanted, "Model")
        self._input_layers = [tensor.layer for tensor in given if isinstance(tensor.layer, InputLayer)]
        self._name_layers([*self._input_layers, *found.layers])
        self._check_dtypes(found.layers)
        self._construct(found, [(None, *layer.shape) for layer in self._input_layers])

    def _begin(self, name: str, seed: int | None) -> None:
        self.name = name
        self.seed = random.next_seed() if seed is None else _checks.seed_value(seed, type(self).__name__)
        self._graph: Graph | None = None
        self._input_layers = []
        self._input_structure = self._output_structure = Structure("one")

    # ------------------------------------------------------------------ layers
    def _name_layers(self, layers: Sequence[Any]) -> None:
        """Give each layer a name that no other has."""
        taken: set[str] = set()
        for layer in layers:
            if layer.name is not None and layer.name in taken:
                raise ValueError(f"{type(self).__name__}: two layers are called {layer.name!r}")
            taken.update([layer.name] if layer.name is not None else [])
        for layer in layers:
            if layer.name is None:
                layer.name = default_name(layer, taken)
                taken.add(layer.name)

    def _check_dtypes(self, layers: Sequence[Any]) -> None:
        """Refuse layers of two dtypes."""
        first = None
        for layer in layers:
            if first is None:
                first = layer
            elif layer.dtype != first.dtype:
                raise ValueError(f"{type(self).__name__}: the layers of a model share one dtype, but {layer.name} has "
                                 f"{layer.dtype} and the ones before have {first.dtype}")
        for layer in self._input_layers:
            if first is not None and layer.dtype.kind == "f" and not layer.any_dtype and layer.dtype != first.dtype:
                raise ValueError(f"{type(self).__name__}: the layers of a model share one dtype, but input "
                                 f"{layer.name} has {layer.dtype} and the layers have {first.dtype}")
        found = [layer.dtype for layer in [*layers, *self._input_layers] if layer.dtype.kind == "f"]
        self._dtype = found[0] if found else np.dtype(np.float32)

    @rounds_to_nearest
    def _construct(self, found: Graph, input_shapes: Sequence[Shape]) -> None:
        """Build the layers that have no weights yet and move all into one arena; or change nothing."""
        made = []
        try:
            shapes = dict(zip(found.inputs, input_shapes, strict=True))
            numbers = {id(layer): number for number, layer in enumerate(found.layers)}
            for step in found.steps:
                shape = graph.step_shape(step, shapes)
                if not step.layer.built:
                    made.append(step.layer)
                step.layer.ensure_built(shape, self.seed, numbers[id(step.layer)])
                shapes[step.output] = tuple(step.layer.compute_output_shape(shape))
            weights = list({id(weight): weight for layer in found.layers for weight in layer.weights}.values())
            arenas = arrange(weights, self)
        except BaseException:  # Ctrl-C too
            for layer in made:
                layer.forget_weights()
            raise
        self.weights, self._arenas, self._shapes = weights, arenas, shapes
        self._input_specs = [
            InputSpec(name, _known(shape),
                      np.dtype(np.int64) if layer.dtype == np.int64 or layer.any_dtype and _are_ids(found, slot)
                      else self._dtype)
            for slot, (name, layer, shape) in enumerate(zip(self.inputs, self._input_layers, input_shapes, strict=True))
        ]
        self._output_shapes = [_known(shapes[slot]) for slot in found.outputs]
        self._output_names = self._named_outputs(found)
        self._graph = found  # last: other threads take the model for built from here on

    def _named_outputs(self, found: Graph) -> list[str]:
        """Return a name for each output: its key, or that of the layer it comes from."""
        if self._output_structure.kind == "dict":
            return list(self._output_structure.keys)
        names: list[str] = []
        sources: dict[int, Any] = dict(zip(found.inputs, self._input_layers, strict=True))
        sources |= {step.output: step.layer for step in found.steps}
        for slot in found.outputs:
            base = str(sources[slot].name)
            name, number = base, 0
            while name in names:
                number += 1
                name = f"{base}_{number}"
            names.append(name)
        return names

    @property
    def layers(self) -> list[Any]:
        """The layers, without the inputs."""
        return [] if self._graph is None else self._graph.layers

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs: the keys of the dict that the model was made of, else those of the layers."""
        return list(self._input_structure.keys) or [str(layer.name) for layer in self._input_layers]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: under these, losses and metrics of several outputs are given and reported."""
        self._wants_built("output_names")
        return list(self._output_names)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer by name or by number.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.Sequential([nn.layers.Dense(2, name="out")]).get_layer("out").units
        2
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer: give either name or index")
        if index is not None:
            index = _checks.integer(
                index, "get_layer", "index", low=-len(self.layers), high=len(self.layers) - 1
            )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise _checks.unknown("layer", name, [str(layer.name) for layer in self.layers])

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        return self._graph is not None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of weights and outputs."""
        return self._dtype

    def _check_inputs(self, found: Sequence[Rows], where: str, name: str) -> None:
        """Let layers that read an input refuse it: an embedding looks for ids that it does not have."""
        assert self._graph is not None
        for step in self._graph.steps:
            if hasattr(step.layer, "check_input"):
                for slot in step.inputs:
                    if slot < len(found):
                        title = name if len(found) == 1 else f"{name}[{self._input_specs[slot].name!r}]"
                        step.layer.check_input(found[slot], where, title)

    def check_input(self, x: Rows, where: str, name: str) -> None:
        """Let the layers of this model, in another one, refuse what that one is given."""
        if len(self._input_layers) == 1:
            self._check_inputs([x], where, name)

    def build(self, input_shape: Any) -> None:
        """Do nothing: a functional model is built when it is made."""

    def _unmake(self) -> None:
        """Take back a build: the seed makes the same weights again."""
        for layer in self.layers:
            layer.forget_weights()
        self._graph, self.weights = None, []

    forget_weights = _unmake

    def _wants_built(self, where: str) -> None:
        if not self.built:
            raise ValueError(
                f"{where}: the model is not built; give it an Input layer or call build((None, features))"
            )

    @property
    def input_shape(self) -> Any:
        """(None, features), or the shapes of all inputs."""
        self._wants_built("input_shape")
        return self._input_structure.pack([(None, *spec.shape) for spec in self._input_specs])

    @property
    def output_shape(self) -> Any:
        """(None, outputs), or the shapes of all outputs."""
        self._wants_built("output_shape")
        return self._output_structure.pack([(None, *shape) for shape in self._output_shapes])

    # ------------------------------------------------------------------ as a program, and as a layer
    def emit_graph(self, program: Program, inputs: Sequence[int]) -> list[int]:
        """Append the forward ops of all layers; return the outputs' buffers."""
        assert self._graph is not None
        buffers = dict(zip(self._graph.inputs, inputs, strict=True))
        for step in self._graph.steps:
            name, before = str(step.layer.name), len(program.uses)
            program.layer = name
            x = [buffers[slot] for slot in step.inputs]
            _check_numbers(program, step.layer, x)
            buffers[step.output] = step.layer.emit(program, x if step.listed else x[0])
            within = [((name, *path), buffer) for path, buffer in program.uses[before:]]  # of a model in this one
            program.uses[before:] = [*within, ((name,), buffers[step.output])]
        return [buffers[slot] for slot in self._graph.outputs]

    def emit(self, program: Program, x: Any) -> int:
        """Append the forward ops, as a layer does; the model must have one output."""
        (output,) = self.emit_graph(program, x if isinstance(x, list) else [x])
        return output

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the output's shape, as a layer does; the model must have one output."""
        if self._graph is None or len(self._graph.outputs) != 1:
            raise ValueError(f"model {self.name!r} can be called like a layer only when it is built and has one output")
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        for shape, spec in zip(shapes, self._input_specs, strict=len(shapes) == len(self._input_specs)):
            if tuple(shape[1:]) != spec.shape:
                raise ValueError(f"model {self.name!r}: input {spec.name!r} has shape {(None, *spec.shape)}, "
                                 f"got {shape}")
        if len(shapes) != len(self._input_specs):
            raise ValueError(f"model {self.name!r}: wants {len(self._input_specs)} inputs, got {len(shapes)}")
        return (None, *self._output_shapes[0])

    def ensure_built(self, input_shape: Any, seed: int, number: int) -> None:
        """Do nothing, as a layer that has its weights."""

    # ------------------------------------------------------------------ seeing inside
    def activations(self, x: Any) -> dict[str, NDArray[Any]]:
        """Return what every layer gives for data, as in `predict`.

        Parameters
        ----------
        x : array_like, shape (samples, features), or a list or dict of them
            Inputs, as of `fit`.

        Returns
        -------
        dict of str to ndarray
            An array (samples, ...) per layer, by its name; in a model within this one by names such as
            "encoder/dense". A layer that is used twice has the second time "#2" behind its name.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3, "relu"), nn.layers.Dense(1)])
        >>> {name: array.shape for name, array in model.activations([[1.0, 2.0], [3.0, 4.0]]).items()}
        {'dense': (2, 3), 'dense_1': (2, 1)}
        """
        from nncore import inspection

        return inspection.activations(self, x)

    def gradients(self, x: Any, y: Any, sample_weight: Any = None, *, of: str = "weights",
                  training: bool = True) -> dict[str, NDArray[Any]]:
        """Return the gradient of the loss on data, all rows as one batch; nothing is trained.

        Parameters
        ----------
        x, y, sample_weight : array_like, or lists or dicts of them
            As of `fit`.
        of : {"weights", "outputs"}
            With respect to what: the weights that are trained, or the layers' outputs.
        training : bool
            Whether layers do what they do in training: dropout draws the masks of the next step, batch normalization
            looks at this batch (its moving averages stay as they are).

        Returns
        -------
        dict of str to ndarray
            An array per weight, by paths such as "dense/kernel", in its shape; or an array (samples, ...) per layer,
            by its name as of `activations`. Layers before the first one that is trained have none. Of a last layer
            whose softmax or sigmoid is a part of the loss it is the gradient before that.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile("sgd", "mse")
        >>> model.gradients([[1.0, 2.0]], [3.0])["dense/kernel"].tolist()
        [[-6.0], [-12.0]]
        >>> model.gradients([[1.0, 2.0]], [3.0], of="outputs")["dense"].tolist()
        [[-6.0]]
        """
        from nncore import inspection

        return inspection.gradients(self, x, y, sample_weight, of, training)

    # ------------------------------------------------------------------ weights
    @property
    def trainable(self) -> bool:
        """Whether training changes every layer's weights; setting it sets all layers.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3)])
        >>> model.trainable = False
        >>> model.trainable_weights
        []
        """
        return all(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that the optimizer leaves alone: those of frozen layers, and moving averages."""
        return [weight for weight in self.weights if not weight.trainable]

    def count_params(self) -> int:
        """Return the number of elements in all weights."""
        self._wants_built("count_params")
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights, layer by layer."""
        self._wants_built("get_weights")
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: list[NDArray[Any]]) -> None:
        """Set all weights, given as `get_weights` returns them; nothing changes when one does not fit."""
        self._wants_built("set_weights")
        with self._alone("set_weights", in_hooks=True):
            assign_all(self.weights, weights, "set_weights")

    def weight_paths(self) -> dict[str, Variable]:
        """Return the weights by their paths, such as "dense/kernel", or "encoder/dense/kernel" in a model in it.

        Examples
        --------
        >>> import nncore as nn
        >>> list(nn.Sequential([nn.Input((2,)), nn.layers.Dense(3)]).weight_paths())
        ['dense/kernel', 'dense/bias']
        """
        found: dict[str, Variable] = {}
        seen: set[int] = set()
        for path, weight in self._paths():
            if id(weight) in seen:
                continue
            seen.add(id(weight))
            name, number = path, 0
            while name in found:
                number += 1
                name = f"{path}_{number}"
            found[name] = weight
        return found

    def _paths(self) -> Iterator[tuple[str, Variable]]:
        for layer in self.layers:
            if isinstance(layer, Model):
                yield from ((f"{layer.name}/{path}", weight) for path, weight in layer._paths())
            else:
                yield from ((weight.name, weight) for weight in layer.weights)

    def summary(self, print_fn: Any = print) -> None:
        """Print the layers, their output shapes and parameters; where they are not in a row, also their inputs.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.Sequential([nn.Input((3,)), nn.layers.Dense(4, "relu"), nn.layers.Dense(1)]).summary()
        Model: "sequential"
        Layer (type)     Output shape  Parameters
        -----------------------------------------
        dense (Dense)    (None, 4)             16
        dense_1 (Dense)  (None, 1)              5
        -----------------------------------------
        Total parameters: 21 (84 bytes, float32)
        """
        self._wants_built("summary")
        assert self._graph is not None
        found, shapes = self._graph, self._shapes
        in_row = len(found.inputs) == 1 and all(step.inputs == (step.output - 1,) for step in found.steps)
        rows = [("Layer (type)", "Output shape", "Parameters", "Connected to")]
        names = dict(zip(found.inputs, self.inputs, strict=True))
        if not in_row:
            rows += [(f"{names[slot]} (Input)", str(shapes[slot]), "0", "") for slot in found.inputs]
        seen: set[int] = set()
        for step in found.steps:
            layer = step.layer
            names[step.output] = str(layer.name)
            again = id(layer) in seen
            seen.add(id(layer))
            rows.append((f"{layer.name} ({type(layer).__name__})" + (" again" if again else ""),
                         str(shapes[step.output]), "0" if again else f"{layer.count_params():,}",
                         ", ".join(names[slot] for slot in step.inputs)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{name:{widths[0]}}  {shape:{widths[1]}}  {count:>{widths[2]}}" + ("" if in_row else f"  {links}")
                 for name, shape, count, links in rows]
        rule = "-" * max(len(line) for line in lines)
        count = self.count_params()
        frozen = count - sum(weight.size for weight in self.trainable_weights)
        print_fn(
            "\n".join(
                [
                    f'Model: "{self.name}"',
                    lines[0].rstrip(),
                    rule,
                    *(line.rstrip() for line in lines[1:]),
                    rule,
                    f"Total parameters: {count:,} ({count * self._dtype.itemsize:,} bytes, {self._dtype})"
                    + (f", of which {frozen:,} are not trained" if frozen else ""),
                ]
            )
        )

    def __repr__(self) -> str:
        """Return the model's name and its layers."""
        names = ", ".join(str(layer.name) for layer in self.layers) or "no layers"
        return f"<{type(self).__name__} {self.name!r}: {names}>"

    # ------------------------------------------------------------------ files
    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal model, its weights apart."""
        self._wants_built("get_config")
        assert self._graph is not None
        numbers = {id(layer): number for number, layer in enumerate(self.layers)}
        return {
            "name": self.name,
            "seed": self.seed,
            "inputs": [layer.get_config() for layer in self._input_layers],
            "layers": [description(layer) for layer in self.layers],
            "steps": [[numbers[id(step.layer)], list(step.inputs), step.listed] for step in self._graph.steps],
            "outputs": list(self._graph.outputs),
            "structure": [list(self._input_structure), list(self._output_structure)],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Model:
        """Return the model that `get_config` described, with fresh weights."""
        layers = [_from_description(entry) for entry in config["layers"]]
        tensors: list[Tensor] = []
        for entry in config["inputs"]:
            layer = InputLayer(**entry)
            tensors.append(Tensor((None, *layer.shape), layer))
        given = list(tensors)
        for number, slots, listed in config["steps"]:
            x = [tensors[slot] for slot in slots]
            tensors.append(graph.apply(layers[number], x if listed else x[0]))
        ends = (given, [tensors[slot] for slot in config["outputs"]])
        inputs, outputs = (Structure(kind, tuple(keys)).pack(found)
                           for found, (kind, keys) in zip(ends, config["structure"], strict=True))
        return cls(inputs, outputs, config["name"], seed=config["seed"])

    def save(self, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the model to a safetensors file: weights, architecture, what `compile` set, optimizer state.

        The file is written beside and renamed: a crash leaves the old one.

        Parameters
        ----------
        path : path
            The file.
        metadata : dict of str to str, optional
            More entries for the file's metadata.
        """
        from nncore.io import models

        self._wants_built("save")
        with self._alone("save", in_hooks=True):
            models.save(self, path, metadata)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a safetensors file, and the optimizer's state where the model is compiled.

        Parameters
        ----------
        filepath : path
            The file; it is written beside and renamed.
        overwrite : bool
            Whether a file that is there may be replaced.

        Examples
        --------
        >>> import os, tempfile
        >>> import nncore as nn
        >>> path = os.path.join(tempfile.mkdtemp(), "m.weights.safetensors")
        >>> model, other = (nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)]) for _ in range(2))
        >>> model.save_weights(path)
        >>> other.load_weights(path)
        >>> bool((model([[1, 2, 3]]) == other([[1, 2, 3]])).all())
        True
        """
        from nncore.io import models

        self._wants_built("save_weights")
        if not _checks.boolean(overwrite, "save_weights", "overwrite") and os.path.exists(filepath):
            raise FileExistsError(f"save_weights: {os.fspath(filepath)!r} is there already")
        with self._alone("save_weights", in_hooks=True):
            models.save_weights(self, filepath)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Read the weights of a file that `save_weights` or `save` wrote; nothing changes when one does not fit.

        The optimizer's state is read too, its steps and its learning rate among it, where the model is compiled with
        such an optimizer; otherwise a warning says that it was not.

        Parameters
        ----------
        filepath : path
            The file: weights by the names of their layers, as this model has them.
        skip_mismatch : bool
            Whether weights that are missing in the file, or have other shapes there, stay as they are.
        """
        from nncore.io import models

        self._wants_built("load_weights")
        skip = _checks.boolean(skip_mismatch, "load_weights", "skip_mismatch")
        with self._alone("load_weights", in_hooks=True):
            models.load_weights(self, filepath, skip)


def _are_ids(found: Graph, slot: int) -> bool:
    """Return whether those who read an input all look ids up."""
    readers = [step.layer for step in found.steps if slot in step.inputs]
    return bool(readers) and all(getattr(layer, "wants_integers", False) for layer in readers)


def _check_numbers(program: Program, layer: Any, x: Sequence[int]) -> None:
    """Refuse integers where a layer computes with real numbers."""
    if isinstance(layer, Model) or layer.takes_integers or type(layer).call is not Layer.call:
        return
    for number in x:
        if program.buffers[number].dtype.kind != "f":
            raise ValueError(f"layer {layer.name!r}: takes real numbers, but its input holds "
                             f"{program.buffers[number].dtype}; give the Input a float dtype")


def description(layer: Any) -> dict[str, Any]:
    """Return what makes an equal layer or model: a subclass of a model is saved as the model that it is.

    Examples
    --------
    >>> import nncore as nn
    >>> description(nn.layers.Dense(2, name="out"))["class_name"]
    'Dense'
    """
    kinds = [cls.__name__ for cls in (Sequential, Model) if isinstance(layer, cls)]
    name = kinds[0] if kinds else _names.saved_name(layer, {**Layer.kinds, "Model": Model, "Sequential": Sequential})
    return {"class_name": name, "config": layer.get_config()}


def _from_description(entry: Mapping[str, Any]) -> Any:
    """Return the layer, or the model, that an entry of a config describes."""
    name, config = entry["class_name"], entry["config"]
    if name in ("Model", "Sequential"):
        return (Model if name == "Model" else Sequential).from_config(config)
    if name not in Layer.kinds:
        raise _checks.unknown("layer", name, Layer.kinds)
    return Layer.kinds[name](**config)


class Sequential(Model):
    """A chain of layers.

    Parameters
    ----------
    layers : sequence of Layer, optional
        The layers; an `nncore.Input` first says the shape of the data, without it the first data do.
    name : str, optional
        The model's name.
    seed : int, optional
        As of `Model`.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([
    ...     nn.Input((3,)),
    ...     nn.layers.Dense(4, activation="relu"),
    ...     nn.layers.Dense(1),
    ... ], seed=1)
    >>> model.count_params()
    21
    """

    def __init__(
        self, layers: Sequence[Any] | None = None, name: str | None = None, *, seed: int | None = None
    ) -> None:
        Trainable.__init__(self)
        self._begin("sequential" if name is None else name, seed)
        self._chain: list[Any] = []
        if isinstance(layers, Layer) or (layers is not None and not isinstance(layers, Sequence)):
            raise TypeError(f"Sequential: layers must be a list of layers, got {layers!r}")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Append a layer, or a model; this model must not have been trained yet.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential()
        >>> model.add(nn.Input((3,)))
        >>> model.add(nn.layers.Dense(2))
        >>> model.output_shape
        (None, 2)
        """
        if isinstance(layer, Tensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if not isinstance(layer, (Layer, Model)):
            raise TypeError(f"Sequential: a layer is wanted, got {layer!r}")
        if isinstance(layer, InputLayer) and (self._chain or self._input_layers):
            raise ValueError("Sequential: an input can only be the first layer")
        if any(other is layer for other in self._chain):
            raise ValueError(f"Sequential: layer {layer.name!r} is in this model already")
        with self._alone("add"):
            inputs, chain, name = self._input_layers, self._chain, layer.name
            try:
                if isinstance(layer, InputLayer):
                    self._input_layers = [layer]
                else:
                    self._chain = [*chain, layer]
                self._name_layers([*self._input_layers, *self._chain])
                self._check_dtypes(self._chain)
                if self.built and self.optimizer is not None and self.optimizer.steps:
                    raise ValueError("Sequential: no layer can be added after training")
                if self._input_layers:
                    self._construct_chain((None, *self._input_layers[0].shape))
                elif self.built:
                    self._construct_chain((None, *self._input_specs[0].shape))
            except BaseException:
                self._input_layers, self._chain, layer.name = inputs, chain, name
                raise
            self._forget()

    def pop(self) -> Any:
        """Remove the last layer and return it.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(2), nn.layers.Dense(1)])
        >>> model.pop().units, model.output_shape
        (1, (None, 2))
        """
        if not self._chain:
            raise ValueError("pop: the model has no layers")
        with self._alone("pop"):
            *self._chain, last = self._chain
            if self.built:
                self._construct_chain((None, *self._input_specs[0].shape))
            self._forget()
        return last

    def _construct_chain(self, input_shape: Shape) -> None:
        """Build for rows of a shape."""
        steps = tuple(graph.Step(layer, (slot,), False, slot + 1) for slot, layer in enumerate(self._chain))
        layers, given = self._input_layers, list(self._input_layers)
        if not given:
            given = [InputLayer(input_shape[1:], "input")]  # type: ignore[arg-type]
        self._input_layers = given
        try:
            self._construct(Graph((0,), steps, (len(steps),)), [input_shape])
        finally:
            self._input_layers = layers

    @property
    def layers(self) -> list[Any]:
        """The layers, without the input."""
        return list(self._chain)

    def build(self, input_shape: Any) -> None:
        """Make the weights for rows of a shape.

        Parameters
        ----------
        input_shape : tuple or int
            (None, features) as in Keras, or the features of a row alone.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.layers.Dense(2)])
        >>> model.build((None, 3))
        >>> model.count_params()
        8
        """
        shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else (None, input_shape)
        if len(shape) < 2:
            raise ValueError(f"build: input_shape must be (None, features), got {input_shape!r}")
        sizes = tuple(_checks.integer(size, "build", "input_shape", low=1, high=2**31 - 1) for size in shape[1:])
        with self._building:
            if not self._chain:
                raise ValueError("Sequential: the model has no layers")
            if not self.built:
                self._construct_chain((None, *sizes))
            elif sizes != self._input_specs[0].shape:
                built = self._input_specs[0].shape
                raise ValueError(f"build: the model is built for {_features(built)}, got {_features(sizes)}")

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal model, its weights apart."""
        layers = [description(layer) for layer in [*self._input_layers, *self._chain]]
        return {"name": self.name, "seed": self.seed, "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """Return the model that `get_config` described, with fresh weights."""
        return cls([_from_description(entry) for entry in config["layers"]], config["name"], seed=config["seed"])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the output's shape for inputs of a shape."""
        for layer in self._chain:
            input_shape = layer.compute_output_shape(input_shape)
        return tuple(input_shape)

    def ensure_built(self, input_shape: Any, seed: int, number: int) -> None:
        """Make the weights unless they are there, as a layer does; they come from this model's own seed."""
        self.build(input_shape)


def _features(shape: tuple[Any, ...]) -> str:
    return f"{shape[0]} features" if len(shape) == 1 else f"rows of shape {shape}"

def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model that `Model.save` wrote, ready to predict and to train on.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Model
        A `Sequential` where one was saved.

    Raises
    ------
    ValueError
        When the file is no such model.

    Examples
    --------
    >>> import tempfile, os
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "m.safetensors")
    >>> model.save(path)
    >>> bool((nn.load_model(path)([[1, 2, 3]]) == model([[1, 2, 3]])).all())
    True
    """
    from nncore.io import models

    return models.load(path, _from_description)
