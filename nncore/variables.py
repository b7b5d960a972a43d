"""Variables: the arrays that a model keeps, each a view of one contiguous arena."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks

__all__ = ["Variable", "aligned_empty", "arrange"]

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

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> v = nn.Variable(np.zeros(2, np.float32), name="bias")
    >>> v.assign([1, 2])
    >>> v.numpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(self, value: NDArray[Any], name: str, trainable: bool = True) -> None:
        self.name = name
        self.trainable = trainable
        self._value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The value's shape."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype."""
        return self._value.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the value."""
        return self._value.copy()

    def assign(self, value: ArrayLike) -> None:
        """Set the value; the shape must be the variable's."""
        found = _checks.as_float_array(value, f"assign to {self.name!r}", "value", self.dtype)
        if found.shape != self.shape:
            raise ValueError(
                f"assign to {self.name!r}: value has shape {found.shape}, but the variable has {self.shape}"
            )
        self._value[...] = found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the value as NumPy asks for it: always a copy."""
        if copy is False:
            raise ValueError(f"variable {self.name!r} is read by copying")
        return self._value.astype(self.dtype if dtype is None else dtype)

    def __repr__(self) -> str:
        """Return name, shape and dtype."""
        return f"Variable(name={self.name!r}, shape={self.shape}, dtype={self.dtype})"


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


def arrange(variables: Sequence[Variable]) -> NDArray[np.uint8]:
    """Move variables into one arena, each at a cache line, and return the arena's bytes.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = (Variable(np.ones(3), name=n) for n in "ab")
    >>> arrange([a, b]).nbytes
    128
    """
    sizes = [-(-variable._value.nbytes // ALIGNMENT) * ALIGNMENT for variable in variables]
    arena = aligned_empty(sum(sizes))
    arena[...] = 0
    start = 0
    for variable, size in zip(variables, sizes, strict=True):
        view = arena[start : start + variable._value.nbytes].view(variable.dtype).reshape(variable.shape)
        view[...] = variable._value
        variable._value = view
        start += size
    return arena
