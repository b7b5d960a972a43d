"""Random masks and noise: functions of (seed, layer, step) and an element's place in the batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import KERNEL, Array, Outputs, arrays

__all__ = [
    "alpha_dropout_backward",
    "alpha_dropout_forward",
    "dropout_backward",
    "dropout_forward",
    "gaussian_dropout_backward",
    "gaussian_dropout_forward",
    "gaussian_noise_forward",
]

# The fixed point of selu (Klambauer et al. 2017): what dropped elements become is its limit on the left.
_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def dropout_forward(
    x: ArrayLike,
    y_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Drop a random share of the elements: ``y = x / (1 - rate)`` where an element is kept, else 0.

    Element e of the batch, in C order, is dropped where 16 random bits are below ``round(65536 * rate)``: rates
    are multiples of 1/65536. docs/bits.md says which bits; they depend on `seed`, `layer`, `step` and e only.

    Parameters
    ----------
    x : array_like, shape (B, ...)
    y_out : ndarray of x's shape, optional
        Where the result goes.
    rate : float
        The share that is dropped, in [0, 1].
    seed : int
        In 0 ... 2**64 - 1.
    layer, step : int
        Which mask of that seed, in 0 ... 2**32 - 1: every (layer, step) has another one.
    noise_shape : sequence of int or None, optional
        The mask's shape, which is repeated to that of x: as many numbers as x has dimensions, each 1, that of x, or
        None for that of x. The axes with 1 must stand side by side.

    Returns
    -------
    ndarray of x's shape

    Raises
    ------
    ValueError
        When a number is out of its range or `noise_shape` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> y = nn.kernels.dropout_forward(np.ones((100, 10)), rate=0.2, seed=1)
    >>> sorted(set(y.ravel().tolist())), bool(abs(y.mean() - 1) < 0.05)
    ([0.0, 1.25], True)
    """
    return _run("dropout_forward", "x", x, "y_out", y_out, rate, seed, layer, step, noise_shape)


def dropout_backward(
    dy: ArrayLike,
    dx_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return the gradient of `dropout_forward`: the mask is made again from the same arguments.

    Parameters
    ----------
    dy : array_like, shape (B, ...)
        Gradient of y.
    dx_out : ndarray of dy's shape, optional
        Where the result goes.
    rate, seed, layer, step, noise_shape
        As given to `dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> x = np.ones((2, 3))
    >>> y = nn.kernels.dropout_forward(x, seed=1, step=4)
    >>> bool((nn.kernels.dropout_backward(x, seed=1, step=4) == y).all())
    True
    """
    return _run("dropout_backward", "dy", dy, "dx_out", dx_out, rate, seed, layer, step, noise_shape)


def alpha_dropout_forward(
    x: ArrayLike,
    y_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Dropout that keeps mean 0 and variance 1, for nets with selu (Klambauer et al. 2017).

    With ``s = -1.7580993...``, selu's limit on the left, ``y = a * (x if kept else s) + b``,
    ``a = ((1 - rate) * (1 + rate * s**2))**-0.5`` and ``b = -a * s * rate``. The mask is that of `dropout_forward`.

    Parameters
    ----------
    x : array_like, shape (B, ...)
    y_out : ndarray of x's shape, optional
        Where the result goes.
    rate : float
        The share that is dropped, at least 0 and less than 1.
    seed, layer, step, noise_shape
        As of `dropout_forward`.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.random.normal((1000, 10), seed=1)
    >>> y = nn.kernels.alpha_dropout_forward(x, rate=0.1, seed=2)
    >>> bool(abs(y.mean()) < 0.05), bool(abs(y.var() - 1) < 0.05)
    (True, True)
    """
    return _run("alpha_dropout_forward", "x", x, "y_out", y_out, rate, seed, layer, step, noise_shape)


def alpha_dropout_backward(
    dy: ArrayLike,
    dx_out: Array | None = None,
    rate: float = 0.5,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return the gradient of `alpha_dropout_forward`: ``dx = a * dy`` where kept, else 0.

    Parameters
    ----------
    dy : array_like, shape (B, ...)
        Gradient of y.
    dx_out : ndarray of dy's shape, optional
        Where the result goes.
    rate, seed, layer, step, noise_shape
        As given to `alpha_dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.alpha_dropout_backward([[1, 2, 3, 4]], rate=0.25, seed=1).round(3)
    array([[0.867, 0.   , 2.602, 3.469]], dtype=float32)
    """
    return _run("alpha_dropout_backward", "dy", dy, "dx_out", dx_out, rate, seed, layer, step, noise_shape)


def gaussian_noise_forward(
    x: ArrayLike, y_out: Array | None = None, stddev: float = 1.0, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Add normal noise: ``y = x + stddev * z``. The gradient is that of y.

    z of an element is a function of `seed`, `layer`, `step` and its place in the batch (docs/bits.md).

    Parameters
    ----------
    x : array_like, shape (B, ...)
    y_out : ndarray of x's shape, optional
        Where the result goes.
    stddev : float
        The noise's standard deviation, at least 0.
    seed, layer, step : int
        As of `dropout_forward`.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> y = nn.kernels.gaussian_noise_forward(np.zeros((100, 100)), stddev=0.5, seed=1)
    >>> bool(abs(y.mean()) < 0.02), bool(abs(y.std() - 0.5) < 0.02)
    (True, True)
    """
    return _run("gaussian_noise_forward", "x", x, "y_out", y_out, stddev, seed, layer, step)


def gaussian_dropout_forward(
    x: ArrayLike, y_out: Array | None = None, rate: float = 0.5, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Multiply with normal noise around 1: ``y = x * (1 + sqrt(rate / (1 - rate)) * z)`` (Srivastava et al. 2014).

    Parameters
    ----------
    x : array_like, shape (B, ...)
    y_out : ndarray of x's shape, optional
        Where the result goes.
    rate : float
        As of a dropout with the same variance: at least 0 and less than 1.
    seed, layer, step : int
        As of `dropout_forward`.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> y = nn.kernels.gaussian_dropout_forward(np.full((100, 100), 2.0), rate=0.2, seed=1)
    >>> bool(abs(y.mean() - 2) < 0.05), bool(abs(y.std() - 1) < 0.05)
    (True, True)
    """
    return _run("gaussian_dropout_forward", "x", x, "y_out", y_out, rate, seed, layer, step)


def gaussian_dropout_backward(
    dy: ArrayLike, dx_out: Array | None = None, rate: float = 0.5, seed: int = 0, layer: int = 0, step: int = 0
) -> Array:
    """Return the gradient of `gaussian_dropout_forward`: ``dx = dy * (1 + sqrt(rate / (1 - rate)) * z)``.

    Parameters
    ----------
    dy : array_like, shape (B, ...)
        Gradient of y.
    dx_out : ndarray of dy's shape, optional
        Where the result goes.
    rate, seed, layer, step
        As given to `gaussian_dropout_forward`.

    Returns
    -------
    ndarray of dy's shape

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> x = np.ones((2, 3))
    >>> y = nn.kernels.gaussian_dropout_forward(x, rate=0.2, seed=1)
    >>> bool((nn.kernels.gaussian_dropout_backward(x, rate=0.2, seed=1) == y).all())
    True
    """
    return _run("gaussian_dropout_backward", "dy", dy, "dx_out", dx_out, rate, seed, layer, step)


def lowered(kernel: str, shape: tuple[int, ...], attributes: Mapping[str, Any]
            ) -> tuple[str, tuple[int, ...], tuple[float, ...]]:
    """Return the core's kernel, sizes and scalars for a kernel's scalars by name; `shape` is without the batch."""
    seed, layer, size = attributes["seed"], attributes["layer"], math.prod(shape)
    source = (seed - (seed >> 63 << 64), layer)  # the core has signed numbers
    if kernel == "gaussian_noise_forward":
        return "gaussian", (size, 0, 0, 0, *source), (attributes["stddev"],)
    rate: float = attributes["rate"]
    if kernel.startswith("gaussian_dropout"):
        return "gaussian", (size, 0, 0, 1, *source), (math.sqrt(rate / (1.0 - rate)),)
    scale, shift, dropped = 0.0 if rate == 1 else 1.0 / (1.0 - rate), -0.0, 0.0  # -0: x + -0 is x, of 0 too
    if kernel.startswith("alpha"):
        limit = -_ALPHA * _SCALE
        scale = 1.0 / math.sqrt((1.0 - rate) * (1.0 + rate * limit**2))
        if kernel == "alpha_dropout_forward":
            shift = -scale * limit * rate
            dropped = scale * limit + shift
    one_row, *sizes = repeats(kernel, shape, attributes.get("noise_shape"))
    return "dropout", (*sizes, int(one_row), *source), (rate, scale, shift, dropped)


def repeats(where: str, shape: tuple[int, ...], noise_shape: Sequence[int | None] | None
             ) -> tuple[bool, int, int, int]:
    """Return whether all rows have one mask, and (A, K, C): the mask (A, 1, C) is that of a row (A, K, C)."""
    if noise_shape is None:
        return False, 1, 1, math.prod(shape)
    wanted = tuple(noise_shape)
    if len(wanted) != len(shape) + 1 or any(n not in (1, None, shape[i]) for i, n in enumerate(wanted[1:])):
        raise ValueError(f"{where}: noise_shape must have a number per axis of (batch, {', '.join(map(str, shape))}), "
                         f"each 1, that of the axis, or None, got {noise_shape!r}")
    repeated = [axis for axis, (n, size) in enumerate(zip(wanted[1:], shape, strict=True)) if n == 1 and size > 1]
    if not repeated:
        return wanted[0] == 1, 1, 1, math.prod(shape)
    first, last = repeated[0], repeated[-1]
    if any(axis not in repeated and shape[axis] > 1 for axis in range(first, last)):
        raise ValueError(f"{where}: the axes with 1 in noise_shape must stand side by side, got {noise_shape!r}")
    return (wanted[0] == 1, math.prod(shape[:first]), math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :]))


def _run(where: str, name: str, x: ArrayLike, out_name: str, out: Array | None, amount: float, seed: int, layer: int,
         step: int, noise_shape: Sequence[int | None] | None = None) -> Array:
    (x,) = arrays(where, **{name: (x, None)})
    if x.ndim == 0:
        raise ValueError(f"{where}: {name} must have at least one dimension, got shape ()")
    scalars: dict[str, Any] = {"seed": _checks.seed_value(seed, where), "noise_shape": noise_shape}
    for what, value in (("layer", layer), ("step", step)):
        scalars[what] = _checks.integer(value, where, what, low=0, high=2**32 - 1)
    if where == "gaussian_noise_forward":
        scalars["stddev"] = _checks.real(amount, where, "stddev", low=0.0)
    else:
        scalars["rate"] = check_rate(amount, where)
    if noise_shape is not None and len(noise_shape) == x.ndim and noise_shape[0] not in (1, None, len(x)):
        raise ValueError(f"{where}: noise_shape[0] must be 1, {len(x)} or None, got {noise_shape!r}")
    kernel, sizes, numbers = lowered(where, x.shape[1:], scalars)
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array(out_name, out, x.shape)
    if x.size:
        core.run_kernel(KERNEL[kernel], len(x), (x, y), sizes, numbers, x.dtype == np.float64, scalars["step"])
    return outputs.finish(y)


def check_rate(rate: float, where: str) -> float:
    """Return a rate as a float: of plain dropout it may be 1, else what is kept is divided by 0."""
    if where.lower().startswith("dropout"):
        return _checks.real(rate, where, "rate", low=0.0, high=1.0)
    return _checks.fraction(rate, where, "rate")
