"""Variables: the arrays that a model keeps, each a view of one contiguous arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks

__all__ = ["Arena", "Variable", "aligned_empty", "arrange"]

ALIGNMENT = 64  # bytes: one cache line, the widest vector


class Variable:
    """An array that training changes: a weight, or an optimizer's state.

    Reading gives copies and writing goes through `assign`, so that where and how the values are kept stays
    the executor's business.

    Parameters
    ----------
    value : ndarray
        The first value; its shape and dtype stay.
    name : str
        The variable's name, unique within its layer.
    trainable : bool
        Whether training changes it.
    panels : bool
        Whether it is a matrix whose columns are kept in panels, as the product of a dense layer reads them.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> v = nn.Variable(np.zeros(2, np.float32), name="bias")
    >>> v.assign([1, 2])
    >>> v.numpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(
        self, value: NDArray[Any], name: str, trainable: bool = True, panels: bool = False
    ) -> None:
        self.name = name
        self.trainable = trainable
        self.panels = panels
        self.regularizer: Any = None  # the penalty on it, and what it is brought back to after an update
        self.constraint: Any = None
        self.arena: Arena | None = None  # where the value is kept, once a model has arranged it
        self._shape: tuple[int, ...] = value.shape
        self._value = value  # as it is kept
        if panels:
            self._value = np.zeros(panel_elements(value.shape, value.itemsize), value.dtype)
            self._keep(value)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle needs: the value, not the arena that it lies in."""
        return {**self.__dict__, "arena": None, "_value": self._value.copy()}

    @property
    def shape(self) -> tuple[int, ...]:
        """The value's shape."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype."""
        return self._value.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self._shape, dtype=object))

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the value."""
        return from_panels(self._value, self._shape) if self.panels else self._value.copy()

    def _keep(self, value: NDArray[Any]) -> None:
        if not self.panels:
            self._value[...] = value
            return
        for columns, panel in panel_views(self._value, self._shape):
            panel[...] = value[:, columns]

    def assign(self, value: ArrayLike) -> None:
        """Set the value; the shape must be the variable's."""
        found = _checks.as_float_array(value, f"assign to {self.name!r}", "value", self.dtype)
        if found.shape != self.shape:
            raise ValueError(
                f"assign to {self.name!r}: value has shape {found.shape}, but the variable has {self.shape}"
            )
        self._keep(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the value as NumPy asks for it: always a copy."""
        if copy is False:
            raise ValueError(f"variable {self.name!r} is read by copying")
        value = self.numpy()
        return value if dtype is None else value.astype(dtype, copy=False)

    def __repr__(self) -> str:
        """Return name, shape and dtype."""
        return f"Variable(name={self.name!r}, shape={self.shape}, dtype={self.dtype})"


def panel_elements(shape: tuple[int, ...], itemsize: int) -> int:
    """Return the number of elements that a matrix takes in panels: its columns padded to whole cache lines.

    A single column is not padded.

    Examples
    --------
    >>> panel_elements((5, 20), itemsize=4)
    160
    """
    rows, columns = shape
    line = ALIGNMENT // itemsize if columns > 1 else 1
    return int(rows) * -(-int(columns) // line) * line


def panel_views(kept: NDArray[Any], shape: tuple[int, ...]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Iterate over the panels of a matrix: the columns of each, and the view (rows, columns) of its elements.

    A panel is three cache lines wide, the last one two; where one line would be left, the last two are two
    lines each. A single column is its own panel. `panel_line` in nncore/_core/dense.pxi says the same.

    Examples
    --------
    >>> import numpy as np
    >>> [(columns.start, columns.stop) for columns, _ in panel_views(np.zeros(5 * 112, np.float32), (5, 100))]
    [(0, 48), (48, 80), (80, 100)]
    """
    rows, columns = shape
    line = ALIGNMENT // kept.itemsize if columns > 1 else 1
    lines, first = -(-columns // line), 0
    while first < lines:
        left = lines - first
        end = first + (min(left, 2) if left in (1, 2, 4) else 3)
        panel = kept[first * line * rows : end * line * rows].reshape(rows, (end - first) * line)
        stop = min(end * line, columns)
        yield slice(first * line, stop), panel[:, : stop - first * line]
        first = end


def from_panels(kept: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the matrix that is kept in panels.

    Examples
    --------
    >>> import numpy as np
    >>> from_panels(np.arange(32.0), (2, 10))[1]
    array([16., 17., 18., 19., 20., 21., 22., 23., 24., 25.])
    """
    value = np.empty(shape, kept.dtype)
    for columns, panel in panel_views(kept, shape):
        value[:, columns] = panel
    return value


def aligned_empty(n_bytes: int) -> NDArray[np.uint8]:
    """Return uninitialised bytes that begin at a cache line.

    Examples
    --------
    >>> aligned_empty(100).size
    100
    """
    block = np.empty(n_bytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + n_bytes]


class Arena:
    """Memory that holds variables one after the other.

    Parameters
    ----------
    n_bytes : int
        Its size.

    Attributes
    ----------
    bytes : ndarray of uint8
        The memory.
    users : set
        The models whose programs hold addresses in it.
    """

    def __init__(self, n_bytes: int) -> None:
        self.bytes = aligned_empty(n_bytes)
        self.bytes[...] = 0
        self.users: WeakSet[Any] = WeakSet()


def arrange(variables: Sequence[Variable], user: object) -> list[NDArray[np.uint8]]:
    """Move variables into one arena, each at a cache line, but for those that another model uses too.

    Parameters
    ----------
    variables : sequence of Variable
        A model's variables.
    user : object
        The model.

    Returns
    -------
    list of ndarray of uint8
        The bytes of the arenas in which the variables are now.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = (Variable(np.ones(3), name=n) for n in "ab")
    >>> model = Arena(0)  # any object
    >>> [arena.nbytes for arena in arrange([a, b], model)]
    [128]
    """
    if any(variable.arena is None for variable in variables):
        moved = [variable for variable in variables
                 if variable.arena is None or all(other is user for other in variable.arena.users)]
        sizes = [-(-variable._value.nbytes // ALIGNMENT) * ALIGNMENT for variable in moved]
        arena, start = Arena(sum(sizes)), 0
        for variable, size in zip(moved, sizes, strict=True):
            view = arena.bytes[start : start + variable._value.nbytes].view(variable.dtype)
            view = view.reshape(variable._value.shape)
            view[...] = variable._value
            variable._value, variable.arena = view, arena
            start += size
    found = {id(variable.arena): variable.arena for variable in variables if variable.arena is not None}
    for arena in found.values():
        arena.users.add(user)
    return [arena.bytes for arena in found.values()]
