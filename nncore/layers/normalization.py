"""Scaling of inputs: by mean and variance of the data, or by given numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, kernels
from nncore._sparse import is_sparse
from nncore.layers.base import Layer, Shape
from nncore.program import Program
from nncore.variables import Variable

__all__ = ["Normalization", "Rescaling"]

_CHUNK = 1 << 20  # elements of an array whose moments are taken together: a part of docs/bits.md
Moments = tuple[NDArray[Any], NDArray[Any]]  # mean and variance


class Normalization(Layer):
    """Bring each feature of the data to mean 0 and variance 1: ``y = (x - mean) / max(sqrt(variance), 1e-7)``.

    Mean and variance are those of the data that `adapt` was shown, or the given ones; training does not change them.

    Parameters
    ----------
    axis : int, tuple of int, or None
        The axes, of the batch's array, whose every index has a mean and a variance of its own; None: one mean and
        variance for all.
    mean, variance : float or array_like, optional
        Given together: numbers that broadcast against the kept axes.
    invert : bool
        Whether to go back: ``y = x * max(sqrt(variance), 1e-7) + mean``.
    name, dtype : optional
        As of every layer.

    Notes
    -----
    The weights are mean and variance, where they are not given. (Keras keeps a third one, a count that is not used.)

    Examples
    --------
    >>> import nncore as nn
    >>> layer = nn.layers.Normalization()
    >>> layer.adapt([[0.0, 7.0], [2.0, 9.0]])
    >>> layer([[0.0, 9.0]])
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        invert: bool = False,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        axes = () if axis is None else tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
        self.axis = tuple(_checks.integer(one, "Normalization", "axis", low=-64, high=64) for one in axes)
        self.invert = _checks.boolean(invert, "Normalization", "invert")
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: mean and variance go together, "
                             f"got mean={mean!r} and variance={variance!r}")
        self._given: Moments | None = None
        if mean is not None and variance is not None:
            found = [_checks.as_float_array(value, "Normalization", title, np.float64)
                     for title, value in (("mean", mean), ("variance", variance))]
            if found[0].shape != found[1].shape or found[0].ndim > len(self.axis):
                raise ValueError(f"Normalization: mean and variance must have the same shape, of at most "
                                 f"{len(self.axis)} axes, got {found[0].shape} and {found[1].shape}")
            for title, value in zip(("mean", "variance"), found, strict=True):
                _checks.check_finite(value, "Normalization", title)
            if (found[1] < 0).any():
                raise ValueError(f"Normalization: variance must not be negative, got {variance!r}")
            self._given = found[0], found[1]
        self._adapted: Moments | None = None  # by `adapt`, before there were weights
        self._variables: tuple[Variable, Variable] | None = None

    def build(self, input_shape: Any) -> None:
        """Make mean and variance, of the shape of the kept axes, unless they are given."""
        shape = self._kept_shape(input_shape)
        self._row = tuple(input_shape[1:])
        if self._given is not None:
            try:
                self._constants = tuple(np.ascontiguousarray(np.broadcast_to(value, shape), self.dtype)
                                        for value in self._given)
            except ValueError:
                raise ValueError(f"layer {self.name!r}: mean and variance of shape {self._given[0].shape} do not "
                                 f"broadcast to {shape}, the kept axes of {tuple(input_shape)}") from None
            return
        self._variables = (self.add_weight(shape, "zeros", False, "mean"),
                           self.add_weight(shape, "ones", False, "variance"))
        if self._adapted is not None:
            self._assign(*self._adapted)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        self._kept_shape(input_shape)
        return tuple(input_shape)

    def _kept(self, ndim: int) -> list[int]:
        """Return the kept axes of arrays of so many axes, ascending."""
        kept = sorted(axis % ndim if -ndim <= axis < ndim else -1 for axis in self.axis)
        if any(axis < 1 for axis in kept) or len(set(kept)) < len(kept):
            raise ValueError(f"layer {self.name or 'Normalization'!r}: axis must name axes of an array of {ndim} axes, "
                             f"each once and not that of the batch, got {self.axis}")
        return kept

    def _kept_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) < 2 or None in shape[1:]:
            raise ValueError(f"layer {self.name or 'Normalization'!r}: wants one input of shape (batch, ...), "
                             f"got {shape}")
        return tuple(shape[axis] for axis in self._kept(len(shape)))

    def _broadcast(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return a mean or variance with axes that broadcast against a batch."""
        ndim = len(self._row) + 1
        kept = self._kept(ndim)
        return value.reshape([(None, *self._row)[axis] if axis in kept else 1 for axis in range(ndim)])

    @property
    def mean(self) -> NDArray[Any]:
        """The mean, as it broadcasts against a batch, once the layer is built or adapted."""
        return self._moment(0)

    @property
    def variance(self) -> NDArray[Any]:
        """The variance, as it broadcasts against a batch, once the layer is built or adapted."""
        return self._moment(1)

    def _moment(self, number: int) -> NDArray[Any]:
        if self._variables is not None:
            return self._broadcast(self._variables[number].numpy())
        if self.built:
            return self._broadcast(self._constants[number].copy())
        if self._adapted is not None:
            return self._broadcast(self._adapted[number].astype(self.dtype))
        raise ValueError(f"layer {self.name or 'Normalization'!r}: it has met no data")

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data, in the place of those that were there.

        Parameters
        ----------
        data : array_like, or iterable of array_like
            The rows, shape (samples, ...); numbers in one axis are rows of one feature. Or batches of them: a list of
            arrays, a generator, a sequence with ``len`` and ``[i]``; of tuples ``(x, y)`` the first counts. An
            `np.memmap` may be larger than memory.

        Raises
        ------
        ValueError
            Data that are empty, not finite, or not of the shape that the layer was built for.

        Examples
        --------
        >>> import numpy as np
        >>> import nncore as nn
        >>> layer = nn.layers.Normalization(axis=None)
        >>> layer.adapt(np.arange(6.0).reshape(2, 3)[i : i + 1] for i in range(2))
        >>> layer([[2.5, 2.5, 2.5]])
        array([[0., 0., 0.]], dtype=float32)
        >>> layer.variance.item().__round__(4)
        2.9167
        """
        where = "adapt"
        if self._given is not None:
            raise ValueError(f"{where}: mean and variance were given to layer {self.name or 'Normalization'!r}")
        row = self._row if self.built else None
        total, mean, squares = 0, np.zeros(()), np.zeros(())
        for number, batch in enumerate(_batches(data)):
            if batch.ndim == 1:
                batch = batch.reshape(-1, 1)
            if row is None:
                row = batch.shape[1:]
            if batch.shape[1:] != row:
                wanted = ", ".join(["samples", *map(str, row)])
                raise ValueError(f"{where}: data must have shape ({wanted}), got {batch.shape} in batch {number}")
            for rows in _chunks(batch):
                _checks.check_finite(rows, where, "data")
                n, (centre, spread) = rows.size // max(1, math.prod(self._kept_shape(rows.shape))), self._moments(rows)
                delta, share = centre - mean, n / (total + n)
                squares = squares + (spread * n + delta * delta * (total * share))
                mean = mean + delta * share
                total += n
        if total == 0:
            raise ValueError(f"{where}: data have no rows")
        self._adapted = mean, squares / total
        if self._variables is not None:
            self._assign(*self._adapted)
        elif not self.built:
            self._row = tuple(row or ())

    def _moments(self, rows: NDArray[Any]) -> Moments:
        """Return mean and variance of a few rows: the kernel's sums, whose order is documented."""
        kept = self._kept(rows.ndim)
        shape = tuple(rows.shape[axis] for axis in kept)
        others = [axis for axis in range(rows.ndim) if axis not in kept]
        table = rows.transpose([*others, *kept]).reshape(-1, math.prod(shape))
        none = np.zeros(table.shape[1])
        *_, mean, variance = kernels.batch_normalization_forward(table, none, none, momentum=0.0)
        return mean.reshape(shape), variance.reshape(shape)

    def _assign(self, mean: NDArray[Any], variance: NDArray[Any]) -> None:
        assert self._variables is not None
        if mean.shape != self._variables[0].shape:
            raise ValueError(f"layer {self.name!r}: adapted to data with kept axes of shape {mean.shape}, but the "
                             f"input has {self._variables[0].shape}")
        for variable, value in zip(self._variables, (mean, variance), strict=True):
            variable.assign(value.astype(self.dtype))

    def forget_weights(self) -> None:
        """Undo `build`."""
        super().forget_weights()
        self._variables = None

    def emit(self, program: Program, x: Any) -> int:
        """Append the op."""
        if self._variables is not None:
            moments = [program.parameter(variable) for variable in self._variables]
        else:
            moments = [program.constant(value) for value in self._constants]
        row = program.buffers[x].shape
        shape = self._kept_shape((None, *row))
        index = None
        if math.prod(shape) < math.prod(row):
            places = self._broadcast(np.arange(math.prod(shape)))[0]
            index = program.constant(np.broadcast_to(places, row).astype(np.int64).ravel())
        y = program.rows(row)
        program.emit("normalization_forward", (x, *moments, index), (y,), invert=self.invert)
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        mean, variance = (None, None) if self._given is None else (value.tolist() for value in self._given)
        axis = list(self.axis) if self.axis else None
        return {"axis": axis, "mean": mean, "variance": variance, "invert": self.invert, **super().get_config()}


class Rescaling(Layer):
    """Scale and shift the inputs: ``y = x * scale + offset``.

    Parameters
    ----------
    scale, offset : float or array_like
        Numbers that broadcast against a row.
    name, dtype : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.Rescaling(0.5, offset=-1)([[0, 4]])
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, *, name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.scale, self.offset = (_plain_numbers(value, title)
                                   for title, value in (("scale", scale), ("offset", offset)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        if isinstance(input_shape, list) or len(input_shape) < 2 or None in input_shape[1:]:
            raise ValueError(f"layer {self.name or 'Rescaling'!r}: wants one input of shape (batch, ...), "
                             f"got {input_shape}")
        for title in ("scale", "offset"):
            self._row(title, tuple(input_shape[1:]))
        return tuple(input_shape)

    def _row(self, title: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return scale or offset for each element of a row."""
        value = np.asarray(getattr(self, title), self.dtype)
        try:
            return np.broadcast_to(value, shape).ravel()
        except ValueError:
            raise ValueError(f"layer {self.name or 'Rescaling'!r}: {title} of shape {value.shape} does not broadcast "
                             f"to rows of shape {shape}") from None

    def emit(self, program: Program, x: Any) -> int:
        """Append the op."""
        shape = program.buffers[x].shape
        scale, offset = (program.constant(self._row(title, shape)) for title in ("scale", "offset"))
        y = program.rows(shape)
        program.emit("rescaling_forward", (x, scale, offset), (y,))
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}


def _plain_numbers(value: ArrayLike, title: str) -> Any:
    """Return a float, or nested lists of them, as JSON can hold it."""
    found = _checks.as_float_array(value, "Rescaling", title, np.float64)
    _checks.check_finite(found, "Rescaling", title)
    return found.tolist()


def _batches(data: Any) -> Iterator[NDArray[Any]]:
    """Iterate over the batches of what `adapt` was given."""
    if is_sparse(data):
        raise TypeError("adapt: data is sparse, but Normalization works on dense arrays; give batches of these")
    if isinstance(data, (str, bytes, dict)) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        raise TypeError(f"adapt: data must be an array, or batches of rows, got {type(data).__name__}")
    if not isinstance(data, np.ndarray):
        batches = iter(data) if isinstance(data, Iterable) else (data[i] for i in range(len(data)))
        first = next(batches, None)
        if first is None:
            return
        if isinstance(first, np.ndarray) or (isinstance(first, tuple) and isinstance(first[0], np.ndarray)):
            for batch in itertools.chain([first], batches):
                yield np.asarray(batch[0] if isinstance(batch, tuple) else batch)
            return
        data = [first, *batches]  # numbers in lists
    yield np.asarray(data)


def _chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Iterate over some rows at a time, in float64: an array may be larger than memory."""
    step = max(1, _CHUNK // max(1, math.prod(rows.shape[1:])))
    for first in range(0, len(rows), step):
        yield _checks.as_float_array(rows[first : first + step], "adapt", "data", np.float64)
