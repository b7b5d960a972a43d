"""A user's NumPy code as an op of a program: the kernel "python".

A layer, a loss, an activation or a metric that is written in NumPy emits an op whose attribute `function` is a
`UserFunction`. The compiled executor calls it from thread 0 with the GIL held while the other threads wait;
the NumPy executor calls it like any other op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = ["UserFunction", "emit"]

Arrays = Sequence[NDArray[Any] | None]


class UserFunction:
    """A function of the user's with the checks of what it returns.

    Parameters
    ----------
    where : str
        Whose function it is, for messages: "layer 'square': Square.call".
    function : callable
        Takes arrays, read-only views of the batch's rows that are good until the batch ends; returns a tuple
        of array_likes.
    results : tuple of str
        What these are called in messages.
    takes : int
        How many of the op's inputs the function takes; the others only say what it depends on.
    finish : callable, optional
        ``finish(inputs, outputs)`` is called when the outputs are filled.
    gradient : callable, optional
        Returns the `UserFunction` of the gradient, which takes ``(x, y, dy)`` and returns a gradient for each
        input of the op; raises where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> double = UserFunction("f", lambda x: (2 * x,), ("y",))
    >>> y = np.empty(2)
    >>> double([np.array([1.0, 2.0])], [y])
    >>> y
    array([2., 4.])
    """

    def __init__(
        self,
        where: str,
        function: Callable[..., tuple[Any, ...]],
        results: tuple[str, ...],
        takes: int = 1,
        finish: Callable[[Arrays, Arrays], None] | None = None,
        gradient: Callable[[], UserFunction] | None = None,
    ) -> None:
        self.where, self.function, self.results, self.takes = where, function, results, takes
        self.finish, self.gradient = finish, gradient

    def __call__(self, inputs: Arrays, outputs: Arrays) -> None:
        """Call the function and fill the outputs; None where nobody wants one."""
        try:
            values = self.function(*inputs[: self.takes])
            for name, value, out in zip(self.results, values, outputs, strict=True):
                if out is not None:
                    self._store(name, value, out)
        except Exception as error:
            error.add_note(f"nncore: in {self.where}")
            raise
        if self.finish is not None:
            self.finish(inputs, outputs)

    def _store(self, name: str, value: Any, out: NDArray[Any]) -> None:
        array = checked(value, out.shape, self.where, name)
        with np.errstate(over="ignore", under="ignore"):
            out[...] = array

    def __repr__(self) -> str:
        """Return whose function it is."""
        return f"<{self.where}>"


def checked(value: Any, shape: tuple[int, ...], where: str, name: str) -> NDArray[Any]:
    """Return what a function of the user's returned, as an array of real numbers of the shape that it must have.

    Examples
    --------
    >>> checked([1.0], (2,), "f", "y")
    Traceback (most recent call last):
    ValueError: f must return y of shape (2,), got shape (1,)
    """
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        got = type(value).__name__ if array.dtype.kind == "O" else f"an array of {array.dtype}"
        raise TypeError(f"{where} must return {name} as an array of real numbers, got {got}")
    if array.shape != shape:
        raise ValueError(f"{where} must return {name} of shape {shape}, got shape {array.shape}")
    return array


def emit(
    program: Program, function: UserFunction, inputs: tuple[int | None, ...], outputs: tuple[int | None, ...]
) -> None:
    """Append a user's function to a program.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> program = nn.program.Program(np.dtype("float32"))
    >>> x, y = program.rows(2, role="input"), program.rows(2)
    >>> emit(program, UserFunction("my function", lambda x: (2 * x,), ("y",)), (x,), (y,))
    >>> print(program)
    %1 = python(%0, function=<my function>)
    """
    program.emit("python", inputs, outputs, function=function)


class Caller:
    """A user's function bound to a program's arrays: called with the number of rows in the batch.

    Parameters
    ----------
    function : UserFunction
        The function.
    inputs, outputs : sequence of (ndarray, bool) or None
        The arrays, each with whether the batch comes first in its shape.
    """

    def __init__(
        self,
        function: UserFunction,
        inputs: Sequence[tuple[NDArray[Any], bool] | None],
        outputs: Sequence[tuple[NDArray[Any], bool] | None],
    ) -> None:
        self.function, self.arrays, self.rows = function, (inputs, outputs), -1
        self.views: tuple[Arrays, Arrays] = ([], [])

    def __call__(self, rows: int) -> None:
        """Call the function on the first rows of the arrays."""
        if rows != self.rows:
            inputs, outputs = ([None if pair is None else pair[0][:rows] if pair[1] else pair[0][...] for pair in side]
                               for side in self.arrays)
            for view in inputs:
                if view is not None:
                    view.flags.writeable = False  # what other ops still read
            self.views, self.rows = (inputs, outputs), rows
        self.function(*self.views)
