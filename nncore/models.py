"""Models: layers in a row."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _checks, losses, metrics, optimizers, random
from nncore.layers.base import Layer, assign_all, default_name
from nncore.layers.input import InputLayer
from nncore.program import Program
from nncore.training import Trainable, rounds_to_nearest
from nncore.variables import Variable, arrange

__all__ = ["Sequential", "load_model"]

FORMAT = "nncore model"


class Sequential(Trainable):
    """A chain of layers.

    Parameters
    ----------
    layers : sequence of Layer, optional
        The layers; an `nncore.Input` first says the width of the data, without it the first data do.
    name : str, optional
        The model's name.
    seed : int, optional
        Where all that is random in this model comes from: first weights and the order of rows. By default a
        fresh one, which `nncore.utils.set_random_seed` makes repeatable.

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

    def __init_subclass__(cls) -> None:
        """Refuse what would be ignored."""
        if "call" in cls.__dict__:
            raise TypeError(f"{cls.__name__} defines call(), but a Sequential runs its layers: make that a layer")

    def __init__(
        self, layers: Sequence[Layer] | None = None, name: str | None = None, *, seed: int | None = None
    ) -> None:
        super().__init__()
        self.name = "sequential" if name is None else name
        self.seed = random.next_seed() if seed is None else _checks.seed_value(seed, "Sequential")
        self._layers: list[Layer] = []
        self._built = False
        if isinstance(layers, Layer) or (layers is not None and not isinstance(layers, Sequence)):
            raise TypeError(f"Sequential: layers must be a list of layers, got {layers!r}")
        for layer in layers or ():
            self.add(layer)

    # ------------------------------------------------------------------ layers
    def add(self, layer: Layer) -> None:
        """Append a layer; the model must not have been trained yet.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential()
        >>> model.add(nn.Input((3,)))
        >>> model.add(nn.layers.Dense(2))
        >>> model.output_shape
        (None, 2)
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"Sequential: a layer is wanted, got {layer!r}")
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError("Sequential: an input can only be the first layer")
        if any(other is layer for other in self._layers) or layer.built:
            raise ValueError(f"Sequential: layer {layer.name!r} is in a model already")
        dtypes = {other.dtype for other in [*self._layers, layer]
                  if not (isinstance(other, InputLayer) and other.any_dtype)}
        if len(dtypes) > 1:
            raise ValueError(
                f"Sequential: the layers of a model share one dtype, but {layer.name or type(layer).__name__} has "
                f"{layer.dtype} and the ones before have {next(iter(dtypes - {layer.dtype}))}"
            )
        taken = {other.name for other in self._layers if other.name is not None}
        if layer.name is None:
            layer.name = default_name(layer, taken)
        elif layer.name in taken:
            raise ValueError(f"Sequential: two layers are called {layer.name!r}")
        with self._alone("add"):
            first = self._layers[0] if self._layers else layer
            if self._built and self.optimizer is not None and self.optimizer.iterations:
                raise ValueError("Sequential: no layer can be added after training")
            self._layers.append(layer)
            try:
                if self._built or isinstance(first, InputLayer):
                    self._make(self._input_width if self._built else first.shape[0])  # type: ignore[attr-defined]
            except BaseException:
                self._layers.pop()
                raise
            self._forget()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
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
        return self._built

    @property
    def _dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        if not self._layers:
            raise ValueError("Sequential: the model has no layers")
        return self._layers[-1].dtype

    def build(self, input_shape: int | tuple[int | None, int]) -> None:
        """Make the weights for rows of a width.

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
        shape = input_shape if isinstance(input_shape, (tuple, list)) else (None, input_shape)
        if len(shape) != 2:
            raise ValueError(f"build: input_shape must be (None, features), got {input_shape!r}")
        width = _checks.integer(shape[1], "build", "input_shape", low=1, high=2**31 - 1)
        with self._building:
            if not self._built:
                self._make(width)
            elif width != self._input_width:
                raise ValueError(f"build: the model is built for {self._input_width} features, got {width}")

    @rounds_to_nearest
    def _make(self, width: int) -> None:
        """Build the layers that have no weights yet and move all into one arena; or change nothing."""
        if not self._layers:
            raise ValueError("Sequential: the model has no layers")
        input_width, made = width, []
        try:
            # The input is layer -1: with one or without, the same seed gives the same weights.
            for number, layer in enumerate(self._layers, -1 if isinstance(self._layers[0], InputLayer) else 0):
                if not layer.built:
                    made.append(layer)
                    layer._place = (self.seed, number)
                    layer.build(width)
                    layer.input_width = width
                width = layer.output_width(width)
            weights = [weight for layer in self._layers for weight in layer.weights]
            self._arena = arrange(weights)
        except BaseException:  # Ctrl-C too
            for layer in made:
                layer.forget_weights()
            raise
        self.weights, self._input_width, self._output_width = weights, input_width, width
        self._built = True

    def _unmake(self) -> None:
        """Take back a build: the seed makes the same weights again."""
        self._built, self.weights = False, []
        for layer in self._layers:
            layer.forget_weights()

    def _wants_built(self, where: str) -> None:
        if not self._built:
            raise ValueError(
                f"{where}: the model is not built; give it an Input layer or call build((None, features))"
            )

    @property
    def input_shape(self) -> tuple[int | None, int]:
        """(None, features)."""
        self._wants_built("input_shape")
        return (None, self._input_width)

    @property
    def output_shape(self) -> tuple[int | None, int]:
        """(None, outputs)."""
        self._wants_built("output_shape")
        return (None, self._output_width)

    def emit(self, program: Program, x: int) -> int:
        """Append the forward ops of all layers; return the output's buffer."""
        for layer in self._layers:
            program.layer = str(layer.name)
            x = layer.emit(program, x)
        return x

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
        return all(layer.trainable for layer in self._layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.trainable]

    def count_params(self) -> int:
        """Return the number of elements in all weights."""
        self._wants_built("count_params")
        return sum(layer.count_params() for layer in self._layers)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights, layer by layer."""
        self._wants_built("get_weights")
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: list[NDArray[Any]]) -> None:
        """Set all weights, given as `get_weights` returns them; nothing changes when one does not fit."""
        self._wants_built("set_weights")
        with self._alone("set_weights", in_hooks=True):
            assign_all(self.weights, weights, "set_weights")

    def summary(self, print_fn: Any = print) -> None:
        """Print the layers, their output shapes and parameters.

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
        rows, width = [("Layer (type)", "Output shape", "Parameters")], self._input_width
        for layer in self._layers:
            width = layer.output_width(width)
            if not isinstance(layer, InputLayer):
                rows.append(
                    (
                        f"{layer.name} ({type(layer).__name__})",
                        f"(None, {width})",
                        f"{layer.count_params():,}",
                    )
                )
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            f"{name:{widths[0]}}  {shape:{widths[1]}}  {count:>{widths[2]}}" for name, shape, count in rows
        ]
        rule = "-" * len(lines[0])
        count = self.count_params()
        print_fn(
            "\n".join(
                [
                    f'Model: "{self.name}"',
                    lines[0],
                    rule,
                    *lines[1:],
                    rule,
                    f"Total parameters: {count:,} ({count * self._dtype.itemsize:,} bytes, {self._dtype})",
                ]
            )
        )

    # ------------------------------------------------------------------ files
    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal model, its weights apart."""
        layers = [
            {"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self._layers
        ]
        return {"name": self.name, "seed": self.seed, "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """Return the model that `get_config` described, with fresh weights."""
        layers = []
        for entry in config["layers"]:
            if entry["class_name"] not in Layer.kinds:
                raise _checks.unknown("layer", entry["class_name"], Layer.kinds)
            layers.append(Layer.kinds[entry["class_name"]](**entry["config"]))
        return cls(layers, config["name"], seed=config["seed"])

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
        from nncore import io

        self._wants_built("save")
        with self._alone("save", in_hooks=True):
            arrays = {weight.name: weight.numpy() for weight in self.weights}
            arrays |= {f"optimizer/{slot.name}": slot.numpy() for slot in self._slots}
            config: dict[str, Any] = {"model": self.get_config(), "input_width": self._input_width,
                                      "epochs_done": self._epochs_done}
            if self.optimizer is not None:
                config["optimizer"] = optimizers.serialize(self.optimizer)
                config["iterations"] = self.optimizer.iterations
            if self.loss is not None:
                config["loss"] = losses.serialize(self.loss)
                config["metrics"] = [name if isinstance(name, str) else metrics.serialize(metrics.get(name))
                                     for name in self._metric_names]
            io.save_weights_file(
                path, arrays, {**(metadata or {}), "format": FORMAT, "config": json.dumps(config)}
            )

    def __repr__(self) -> str:
        """Return the model's name and its layers."""
        return f"<Sequential {self.name!r}: {', '.join(str(layer.name) for layer in self.layers) or 'no layers'}>"


def load_model(path: str | os.PathLike[str]) -> Sequential:
    """Return the model that `Sequential.save` wrote, ready to predict and to train on.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Sequential

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
    from nncore import io

    arrays, metadata = io.load_weights_file(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"load_model: {os.fspath(path)!r} holds no nncore model (its format is {metadata.get('format')!r})"
        )
    try:
        config = json.loads(metadata["config"])
        model = Sequential.from_config(config["model"])
        if not model.built:
            model.build(config["input_width"])
        for weight in model.weights:
            if weight.name not in arrays:
                raise ValueError(f"the array {weight.name!r} is missing")
            if arrays[weight.name].dtype != weight.dtype:
                raise ValueError(
                    f"{weight.name!r} is {arrays[weight.name].dtype}, but the model is {weight.dtype}"
                )
        model.set_weights([arrays.pop(weight.name) for weight in model.weights])
        if "optimizer" in config:
            model.compile(
                optimizers.get(config["optimizer"]),
                losses.get(config["loss"]) if "loss" in config else None,
                [
                    name if isinstance(name, str) else metrics.get(name)
                    for name in config.get("metrics", [])
                ],
            )
            assert model.optimizer is not None
            model.optimizer.iterations = _checks.integer(
                config["iterations"], "load_model", "iterations", low=0
            )
            model._make_slots()
            for slot in model._slots if arrays else ():  # a model that was never trained has none
                slot.assign(arrays.pop(f"optimizer/{slot.name}"))
        if arrays:
            raise ValueError(f"nobody knows what array {next(iter(arrays))!r} is")
        model._epochs_done = _checks.integer(config["epochs_done"], "load_model", "epochs_done", low=0)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"load_model: {os.fspath(path)!r} is damaged or of another version: {error}"
        ) from error
    return model
