"""What every layer is: named weights, and a method that emits its forward ops, or NumPy code that is an op."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, _names, constraints, custom, graph, initializers, random, regularizers
from nncore.program import Program
from nncore.variables import Variable

__all__ = ["Layer"]

Shape = tuple[int | None, ...]


class Layer:
    """Base of the layers, also of those that you write in NumPy.

    A layer in NumPy defines `call` and, to be trained or to have trained layers before it, `backward`; `build`
    where it has weights, `compute_output_shape` where the output's shape is not the input's, and `get_config`
    where its constructor takes arguments of its own. `load_model` finds it by its class's name once the class is
    defined; one with the name of a layer of nncore cannot be saved.

    A native layer defines `emit` instead of `call`.

    A layer with several inputs is given lists: of shapes, of arrays, of buffers.

    Parameters
    ----------
    name : str, optional
        The layer's name; a model gives a layer without one its class's name and a number.
    dtype : {"float32", "float64"}, optional
        By default ``nn.config.floatx()``.
    trainable : bool
        Whether training changes its weights.

    Attributes
    ----------
    weights : list of Variable
        Empty until the layer is built.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class Scale(nn.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(input_shape[1:], "ones", name="scale")
    ...     def call(self, x):
    ...         return x * self.scale
    ...     def backward(self, x, y, dy):
    ...         return dy * self.scale, [(x * dy).sum(axis=0)]
    >>> model = nn.Sequential([nn.Input((2,)), Scale()])
    >>> model.compile(nn.optimizers.SGD(0.1), "mse")
    >>> x = np.eye(2)
    >>> history = model.fit(x, 3 * x, epochs=200, verbose=0)
    >>> model.get_weights()[0].round(2)
    array([3., 3.], dtype=float32)
    """

    kinds: ClassVar[dict[str, type[Layer]]] = {}
    takes_integers: ClassVar[bool] = False  # whether ids may come in; those in NumPy are given what there is
    wants_integers: ClassVar[bool] = False  # whether an input without a dtype that it reads holds ids

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        if "call" in cls.__dict__ and cls.emit is not Layer.emit:
            raise TypeError(f"{cls.__name__} defines call(), but the base class runs native ops instead of it: derive "
                            "from nncore.layers.Layer")
        _names.register(Layer.kinds, cls)

    def __init__(
        self, name: str | None = None, dtype: DTypeLike | None = None, trainable: bool = True
    ) -> None:
        where = type(self).__name__
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"{where}: name must be a string that is not empty and has no '/', got {name!r}")
        self.name = name
        self.dtype = _checks.float_dtype(dtype, where)
        self.weights: list[Variable] = []
        self._frozen: list[Variable] = []  # weights that training never changes
        self.trainable = trainable
        self.built = False
        self._built_for: Any = None
        self._place: tuple[int, int] | None = None  # seed and number of the model that builds the layer

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. A new value takes effect with the next `fit`.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3), nn.layers.Dense(1)])
        >>> model.layers[0].trainable = False
        >>> len(model.trainable_weights)
        2
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = _checks.boolean(value, type(self).__name__, "trainable")
        for weight in self.weights:
            weight.trainable = self._trainable and not any(weight is other for other in self._frozen)

    def build(self, input_shape: Any) -> None:
        """Make the weights, with `add_weight`, for inputs of a shape such as ``(None, 784)``."""

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the output's shape, ``(None, ...)``, for inputs of a shape; by default the same."""
        return tuple(input_shape)

    def call(self, x: Any) -> ArrayLike:
        """Return the output for a batch: the layer in NumPy.

        `call` and `backward` run in the middle of a batch and may use all of Python. Arrays that they are
        given are read-only views that are good until the batch ends: copy what you keep. Weights are read as
        ``self.weights[i]``, or by the name that `build` gave them: such a `Variable` stands for its array in
        arithmetic with arrays, and ``.numpy()`` is a copy of it, as it was after the last finished batch. The
        batch may have any number of rows, and several threads may be in `call` at once where several predict.

        Parameters
        ----------
        x : ndarray or list of ndarray, each of shape (B, ...)
            The rows of the batch, in the layer's dtype.

        Returns
        -------
        array_like, shape (B, ...)
            Of the shape that `compute_output_shape` tells. Real numbers; they are converted to the layer's dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} must define call() or emit()")

    def backward(self, x: Any, y: NDArray[Any], dy: NDArray[Any]) -> Any:
        """Return the gradient of the loss with respect to the input, and to the weights.

        Parameters
        ----------
        x : ndarray or list of ndarray
            What `call` was given.
        y : ndarray
            What it returned.
        dy : ndarray
            The gradient of the loss with respect to `y`, of its shape.

        Returns
        -------
        array_like or (array_like, list of array_like)
            The gradient of `x`, of its shape (a list where it was one), which may be None where no layer before
            this one is trained; with weights, also a list of their gradients, in the order of ``self.weights`` and of
            their shapes (summed over the batch), None for one that is not trained.
        """
        raise NotImplementedError(f"{type(self).__name__} must define backward()")

    def emit(self, program: Program, x: Any) -> int:
        """Append the forward ops for the input's buffer, or for a list of them; return the output's buffer."""
        if type(self).call is Layer.call:
            raise NotImplementedError(f"{type(self).__name__} must define call() or emit()")
        several = isinstance(x, list)
        inputs = tuple(x) if several else (x,)
        shapes = [(None, *program.buffers[number].shape) for number in inputs]
        shape = self.compute_output_shape(shapes if several else shapes[0])
        y = program.rows(tuple(int(size) for size in shape[1:] if size is not None))
        weights = [program.parameter(weight) for weight in self.weights]
        where = f"layer {self.name!r}: {type(self).__name__}"
        function = custom.UserFunction(
            f"{where}.call", lambda *x: (self.call(list(x) if several else x[0]),), ("y",), takes=len(inputs),
            gradient=lambda: self._gradient(len(inputs), several)
        )
        custom.emit(program, function, (*inputs, *weights), (y,))
        return y

    def _gradient(self, n_inputs: int, several: bool) -> custom.UserFunction:
        """Return `backward` as an op; an error where there is none."""
        where = f"layer {self.name!r}: {type(self).__name__}"
        if type(self).backward is Layer.backward:
            raise NotImplementedError(f"{where} has no backward(x, y, dy), which training needs")
        weights = [weight.name.split("/")[-1] for weight in self.weights]

        def gradients(*arrays: Any) -> tuple[Any, ...]:
            *x, y, dy = arrays
            found = self.backward(list(x) if several else x[0], y, dy)
            dx, of_weights = found if isinstance(found, tuple) and len(found) == 2 else (found, ())
            if not isinstance(of_weights, (list, tuple)) or len(of_weights) != len(weights):
                raise ValueError(
                    f"{where}.backward must return "
                    + (f"(dx, [gradients of {', '.join(weights)}])" if weights else "dx alone")
                )
            if several and (not isinstance(dx, (list, tuple)) or len(dx) != n_inputs):
                raise ValueError(f"{where}.backward must return dx as a list of {n_inputs} arrays, one per input")
            return (*(dx if several else (dx,)), *of_weights)

        names = (*(f"dx[{number}]" if several else "dx" for number in range(n_inputs)),
                 *(f"the gradient of {name}" for name in weights))
        return custom.UserFunction(f"{where}.backward", gradients, names, takes=n_inputs + 2)

    def __call__(self, x: Any) -> Any:
        """Apply the layer: to symbolic tensors, as a step of a functional model, or to arrays.

        Parameters
        ----------
        x : Tensor, array_like, or a list of them
            What `nncore.Input` or another layer's call returned; or numbers, each of shape (B, ...).

        Returns
        -------
        Tensor or ndarray
            The layer's output. With numbers it is computed at once, as in inference.

        Examples
        --------
        >>> import nncore as nn
        >>> layer = nn.layers.Dense(2, kernel_initializer="ones")
        >>> layer([[1.0, 2.0]])
        array([[3., 3.]], dtype=float32)
        >>> layer(nn.Input((2,))).shape
        (None, 2)
        """
        return graph.apply(self, x)

    def ensure_built(self, input_shape: Any, seed: int, number: int) -> None:
        """Make the weights unless they are there: what a model does, with its seed and the layer's number in it."""
        if self.built:
            if self._built_for is not None and _last(self._built_for) != _last(input_shape):
                raise ValueError(f"layer {self.name!r} is built for inputs of shape {self._built_for}, "
                                 f"got {input_shape}")
            return
        self._place = (seed, number)
        self.build(input_shape)
        self.built, self._built_for = True, input_shape if self.weights else None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer (its weights apart)."""
        config = {"name": self.name, "dtype": self.dtype.name}
        return config if self.trainable else {**config, "trainable": False}

    def forget_weights(self) -> None:
        """Undo `build`."""
        self.weights, self._frozen, self.built, self._built_for = [], [], False, None

    def count_params(self) -> int:
        """Return the number of elements in the layer's weights."""
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: list[NDArray[Any]]) -> None:
        """Set all weights, given as `get_weights` returns them; nothing changes when one does not fit."""
        assign_all(self.weights, weights, f"set_weights of layer {self.name!r}")

    def add_weight(
        self,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        trainable: bool = True,
        name: str | None = None,
        *,
        regularizer: Any = None,
        constraint: Any = None,
        panels: bool = False,
    ) -> Variable:
        """Make a weight; a subclass calls it in `build`.

        Parameters
        ----------
        shape : tuple of int
            Its shape.
        initializer : str or Initializer
            Its first value.
        trainable : bool
            Whether training changes it (where it trains the layer at all).
        name : str, optional
            The weight's name within the layer.
        regularizer : str or Regularizer, optional
            The penalty on it.
        constraint : str or Constraint, optional
            What it is brought back to after each update.
        panels : bool
            Whether it is a matrix that only the products of dense layers read.
        """
        penalty, bounds = regularizers.get(regularizer), constraints.get(constraint)
        panels = panels and all(thing is None or thing.native for thing in (penalty, bounds))
        name = f"variable_{len(self.weights)}" if name is None else name
        if isinstance(shape, str):
            raise TypeError(f"layer {self.name!r}: add_weight takes the shape first, got {shape!r}")
        _checks.shape_size(shape, f"layer {self.name!r}")
        make = initializers.get(initializer)
        try:
            seed, number = self._place or (random.next_seed(), 0)
            value = make(shape, self.dtype, seed=seed, layer=number, index=len(self.weights))
        except (MemoryError, ValueError) as error:  # MemoryError: NumPy's own takes other arguments
            kind = MemoryError if isinstance(error, MemoryError) else ValueError
            raise kind(f"layer {self.name!r}: cannot make {name} of shape {shape}: {error}") from error
        if bounds is not None:
            bounds.check(value.shape, f"layer {self.name!r}: {name}")
        self.weights.append(Variable(value, f"{self.name}/{name}", self.trainable and trainable, panels))
        self.weights[-1].regularizer, self.weights[-1].constraint = penalty, bounds
        if not trainable:
            self._frozen.append(self.weights[-1])
        return self.weights[-1]

    def __repr__(self) -> str:
        """Return the call that makes an equal layer."""
        return _names.representation(self)


def assign_all(variables: list[Variable], values: list[NDArray[Any]], where: str) -> None:
    """Set variables, or raise before the first of them changes."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or len(values) != len(variables):
        got = f"{len(values)} arrays" if hasattr(values, "__len__") else f"{values!r}"
        raise ValueError(f"{where}: wants a list of {len(variables)} arrays, got {got}")
    arrays = [_checks.as_float_array(value, where, variable.name, variable.dtype)
              for variable, value in zip(variables, values, strict=True)]
    for variable, array in zip(variables, arrays, strict=True):
        if array.shape != variable.shape:
            raise ValueError(f"{where}: {variable.name} has shape {variable.shape}, got {array.shape}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _last(shape: Any) -> Any:
    """Return the last axis of a shape, or of each of several."""
    return [_last(one) for one in shape] if isinstance(shape, list) else shape[-1]


def default_name(layer: Layer, taken: set[str]) -> str:
    """Return a name for a layer that has none: dense, dense_1, ..."""
    base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(layer).__name__).lower()
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
