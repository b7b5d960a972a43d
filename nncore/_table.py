"""What the table of kernels is made of: random arguments, a row, shapes; `nncore.testing` shows it."""
# ruff: noqa: E741  (B, I, O, C are the alphabet of shapes)

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Case", "Draw", "Kernel"]

Shape = tuple[int, ...]
Array = NDArray[Any]


class Draw:
    """Random arguments of one dtype.

    Parameters
    ----------
    dtype : dtype
        Float32 or float64.
    seed : int or sequence of int

    Examples
    --------
    >>> draw = Draw("float32", seed=1)
    >>> draw.normal(2, 3).shape, draw.classes(4, 2).dtype
    ((2, 3), dtype('int64'))
    """

    def __init__(self, dtype: Any, seed: Any = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        """Return normal numbers around 0."""
        return (scale * self.rng.standard_normal(shape)).astype(self.dtype)

    def between(self, low: float, high: float, *shape: int) -> Array:
        """Return uniform numbers in (low, high)."""
        return self.rng.uniform(low, high, shape).astype(self.dtype)

    def classes(self, n: int, classes: int) -> Array:
        """Return class ids, shape (n,)."""
        return self.rng.integers(0, classes, n)

    def soft(self, n: int, classes: int) -> Array:
        """Return soft targets, shape (n, classes): probabilities, with zeros; not every row sums to 1."""
        t = self.rng.dirichlet(np.ones(classes), n) * self.rng.uniform(0.5, 1.5, (n, 1))
        t[self.rng.random((n, classes)) < 0.2] = 0
        return t.astype(self.dtype)

    def bits(self, *shape: int) -> Array:
        """Return zeros and ones, in floats."""
        return self.rng.integers(0, 2, shape).astype(self.dtype)

    def words(self, *shape: int) -> Array:
        """Return random uint32 words."""
        return self.rng.integers(0, 2**32, shape, dtype=np.uint32)


class Case(NamedTuple):
    """One call of a kernel: a label for messages, and the arguments by name (fresh arrays)."""

    label: str
    arguments: dict[str, Any]


class Kernel(NamedTuple):
    """A row of the table of kernels.

    Attributes
    ----------
    name : str
        Of the kernel in `nncore.kernels` and of its twin in `nncore.reference`.
    make : callable
        ``make(draw, *shape)`` gives all arguments by name: inputs and scalars.
    shapes : tuple of shapes
        Laddered round the tile edges; no two dimensions equal.
    big : shape
        Large enough that threads share the work; what benches start from.
    variants : tuple of dict
        Arguments to replace (a scalar, a name) or to leave out (None). The first one is what benches time.
    label : str
        Tells rows of one kernel apart.
    ulps : float
        Tolerance against the twin, relative and absolute, in units of the dtype's machine epsilon.
    differentiable : tuple of str
        The arguments that have a gradient.
    gradient : callable or None
        ``gradient(kernels, dy, result, arguments)`` gives a tuple, one gradient per differentiable argument;
        `kernels` is `nncore.kernels` or `nncore.reference`.
    in_place : tuple of str
        Arguments that the kernel changes.
    rowwise : bool
        Whether a row of the first array argument determines its row of the (first) output.
    flops : callable or None
        Floating-point operations as a function of the shape; None where memory is the limit.
    moved : callable or None
        Elements read and written, as a function of the shape.
    baseline : callable or None
        The expression that a NumPy user would write, where it is not the twin itself. Same arguments by name.
    lists : bool
        Whether arguments named ``inputs[0]``, ``inputs[1]`` ... make up one, the list `inputs`.

    Examples
    --------
    >>> import nncore as nn
    >>> row = next(row for row in nn.testing.KERNELS if row.name == "dense_forward")
    >>> case = next(row.cases("float32"))
    >>> case.label, case.arguments["x"].shape
    ('dense_forward-1x7x17', (1, 7))
    >>> row.flops(2, 3, 4)
    48
    """

    name: str
    make: Callable[..., dict[str, Any]]
    shapes: tuple[Shape, ...]
    big: Shape
    variants: tuple[dict[str, Any], ...] = ({},)
    label: str = ""
    ulps: float = 16
    differentiable: tuple[str, ...] = ()
    gradient: Callable[..., tuple[Array, ...]] | None = None
    in_place: tuple[str, ...] = ()
    rowwise: bool = False
    flops: Callable[..., int] | None = None
    moved: Callable[..., int] | None = None
    baseline: Callable[..., Any] | None = None
    lists: bool = False

    def function(self, module: Any) -> Callable[..., Any]:
        """Return the kernel of a module, as a function of this row's arguments by name."""
        kernel: Callable[..., Any] = getattr(module, self.name)
        if not self.lists:
            return kernel

        @functools.wraps(kernel)
        def listed(**arguments: Any) -> Any:
            inputs = [arguments.pop(name) for name in list(arguments) if name.startswith("inputs[")]
            return kernel(inputs=inputs, **arguments)

        return listed

    @property
    def id(self) -> str:
        """Tell rows apart: the name, with the label if there is one."""
        return f"{self.name}-{self.label}" if self.label else self.name

    def arguments(self, shape: Shape, dtype: Any, seed: Any = 0, **variant: Any) -> dict[str, Any]:
        """Return all arguments of one call, by name."""
        return {**self.make(Draw(dtype, seed), *shape), **variant}

    def cases(self, dtype: Any, seed: int = 0) -> Iterator[Case]:
        """Yield every shape and every variant at least once (not every pair: that would run for minutes)."""
        for i in range(max(len(self.shapes), len(self.variants))):
            shape = self.shapes[i % len(self.shapes)]
            variant = self.variants[i % len(self.variants)]
            words = "x".join(map(str, shape)), *(f"{key}={value}" for key, value in variant.items())
            yield Case("-".join((self.id, *words)), self.arguments(shape, dtype, (seed, i), **variant))


# Shapes -----------------------------------------------------------------------------------------------------

# t - 1, t, t + 1 and 2t + 3 for the tiles' edges (12 rows; 16 and 32 columns, twice that for float32) and the
# blocks of elementwise loops (1024).
_ELEMENTS: tuple[Shape, ...] = tuple(
    (n,) for n in (1, 11, 12, 13, 27, 15, 16, 17, 35, 31, 32, 33, 67, 63, 64, 65, 131, 1023, 1024, 1025, 2051)
) + ((3, 43), (2, 5, 13))  # fmt: skip
_ROWS: tuple[Shape, ...] = (
    (5, 1), (1, 11), (2, 12), (3, 13), (11, 27), (12, 15), (13, 16), (27, 17), (15, 35), (16, 31), (17, 32),
    (35, 33), (31, 67), (32, 63), (33, 64), (67, 65), (63, 131), (64, 7), (65, 8), (131, 9), (7, 1023),
    (2, 1024), (3, 2051),
)  # fmt: skip
# (B, I, O). The last ones cross the blocks of the product: 512 rows of the batch, 512 to 640 deep, 256
# columns.
_DENSE: tuple[Shape, ...] = (
    (1, 7, 17), (11, 64, 33), (13, 1, 12), (12, 35, 16), (27, 65, 1), (16, 13, 31), (17, 131, 32),
    (32, 12, 63), (33, 5, 64), (67, 27, 65), (65, 17, 131), (64, 31, 15), (15, 16, 27), (31, 63, 11),
    (35, 33, 13), (131, 11, 67), (3, 1300, 7), (13, 1301, 34), (14, 641, 17), (2, 20, 515), (15, 30, 271),
    (513, 14, 3), (1027, 18, 35), (512, 1, 2),
)  # fmt: skip
_BIG_ELEMENTS, _BIG_ROWS, _BIG_DENSE = (262147,), (1031, 257), (259, 784, 131)


# Elementwise activations: a forward and a backward row each -------------------------------------------------
