"""What kernels do before the core runs: one dtype, C order, matching shapes, outputs that may be written.

Arrays that need no conversion pass through a short path: a kernel on small arrays is mostly its checks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks
from nncore._core import core

Array = NDArray[Any]

KERNEL = {name: number for number, name in enumerate(core.KERNELS)}
ACTIVATION = {name: number for number, name in enumerate(core.ACTIVATIONS)} | {"linear": 0}
DEFAULT_ALPHA = {"leaky_relu": 0.2, "elu": 1.0, "celu": 1.0, "hard_shrink": 0.5, "soft_shrink": 0.5, "squareplus": 4.0}
DIVISOR = ("celu", "squareplus")  # whose scalar must be positive
# Inside of a dense product there is room for one scalar.
FUSABLE = {name: number for name, number in ACTIVATION.items() if name not in ("general_relu", "threshold")}

# Arguments that may be None: for the core a null pointer, which only these may become.
OPTIONAL = ("b", "sample_weight", "class_target", "class_weight")

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def arrays(where: str, **named: tuple[ArrayLike | None, int | None]) -> list[Any]:
    """Return the arrays C-contiguous and in one dtype, that of the first float array; optional ones may be None.

    Each argument is a name with (array, number of dimensions wanted or None for any).
    """
    dtype = None
    plain = True
    for name, (value, ndim) in named.items():
        if value is None:
            if name not in OPTIONAL:
                raise TypeError(f"{where}: {name} must be an array of real numbers, got None")
            continue
        if (
            type(value) is np.ndarray
            and value.dtype in _FLOATS
            and value.flags.c_contiguous
            and value.flags.aligned
        ):
            dtype = dtype or value.dtype
            plain = plain and value.dtype == dtype and (ndim is None or value.ndim == ndim)
        else:
            plain = False
    if plain:
        return [value for value, _ in named.values()]
    found = [getattr(value, "dtype", None) for value, _ in named.values() if value is not None]
    wanted = next(
        (d.newbyteorder("=") for d in found if d is not None and d.newbyteorder("=") in _FLOATS), None
    )
    result: list[Any] = []
    for name, (value, ndim) in named.items():
        if value is None:
            result.append(None)
            continue
        result.append(_checks.as_float_array(value, where, name, wanted, ndim))
        wanted = wanted or result[-1].dtype
    return result


class Outputs:
    """The outputs of one call: the caller's arrays where they can be written, else arrays copied there.

    An output that overlaps an input is computed beside it, as NumPy's functions do.
    """

    def __init__(self, where: str, dtype: np.dtype[Any], inputs: tuple[Array | None, ...]) -> None:
        self.where, self.dtype, self.inputs = where, dtype, inputs
        self.beside: list[tuple[Array, Array]] = []
        self.given: list[Array] = []

    def array(self, name: str, out: Array | None, shape: tuple[int, ...]) -> Array:
        """Return where the core is to write the output `name`."""
        if out is None:
            _checks.shape_size(shape, self.where)
            return np.empty(shape, self.dtype)
        if (
            not isinstance(out, np.ndarray)
            or out.dtype != self.dtype
            or out.shape != shape
            or not out.flags.carray
        ):
            raise ValueError(
                f"{self.where}: {name} must be a writable C-contiguous {self.dtype} array of shape {shape}, "
                f"got {described(out)}"
            )
        if any(np.may_share_memory(other, out) for other in self.given):
            raise ValueError(f"{self.where}: {name} shares memory with another output")
        self.given.append(out)
        if any(a is not None and np.may_share_memory(a, out) for a in self.inputs):
            result = np.empty(shape, self.dtype)
            self.beside.append((result, out))
            return result
        return out

    def finish(self, *results: Array) -> Any:
        """Return the outputs, the caller's own where they were given."""
        done = []
        for result in results:
            for computed, out in self.beside:
                if result is computed:
                    out[...] = computed
                    result = out
            done.append(result)
        return done[0] if len(done) == 1 else tuple(done)


def described(value: object) -> str:
    """Return what an argument is, for an error message."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    layout = "" if value.flags.c_contiguous else "non-contiguous "
    layout += "" if value.flags.writeable else "read-only "
    return f"a {layout}{value.dtype} array of shape {value.shape}"


def run(name: str, rows: int, operands: tuple[Array | None, ...], sizes: tuple[int, ...] = (),
        scalars: tuple[float, ...] = (), *, dtype: np.dtype[Any], step: int = 0) -> None:
    """Run one kernel of the core on arrays that are checked; `step`: the number of the training step."""
    core.run_kernel(KERNEL[name], rows, operands, sizes, scalars, dtype == np.float64, step)


def activation_number(where: str, activation: str | None) -> tuple[int, str]:
    """Return the core's number of an elementwise activation, and its name."""
    name = "linear" if activation is None else activation
    if name not in FUSABLE:
        raise _checks.unknown("activation", name, FUSABLE)
    return ACTIVATION[name], name


def alpha_value(where: str, name: str, alpha: float | None) -> float:
    """Return the parameter of an activation: the given one, or its default."""
    if alpha is None:
        return DEFAULT_ALPHA.get(name, 0.0)
    if name not in DEFAULT_ALPHA:
        raise ValueError(
            f"{where}: alpha belongs to {' and '.join(DEFAULT_ALPHA)}, but activation is {name!r}"
        )
    return _checks.positive(alpha, where, "alpha") if name in DIVISOR else _checks.real(alpha, where, "alpha")
