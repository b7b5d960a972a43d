"""The table of kernels that tests and benches read, hostile arrays, and gradient checks for ops and whole models.

A new kernel gets one row in `KERNELS`. From it follow its parity with the NumPy twin, its gradient check,
hostile input, equality of bytes across threads and instruction sets, guard pages, and its benchmark.
"""
# ruff: noqa: E741  (B, I, O, C are the alphabet of shapes)

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nncore import _rows_activations, _rows_metrics, _rows_normalization, activations
from nncore._gradient_check import check_gradients
from nncore._table import (
    _BIG_DENSE,
    _BIG_ELEMENTS,
    _BIG_ROWS,
    _DENSE,
    _ELEMENTS,
    _ROWS,
    Array,
    Case,
    Draw,
    Kernel,
    Shape,
)

__all__ = ["KERNELS", "Case", "Draw", "Kernel", "check_backward", "check_gradients", "hostile_arrays"]


def _activation(
    name: str,
    domain: tuple[float, float],
    wants: str = "y",
    parameter: str | None = None,
    baseline: Callable[..., Any] | None = None,
    ulps: float = 16,
) -> tuple[Kernel, Kernel]:
    """Make the rows of `<name>_forward` and `<name>_backward`; `domain`: of what the derivative wants."""
    scalars = {parameter: 0.3} if parameter else {}

    def forward(draw: Draw, *shape: int) -> dict[str, Any]:
        return {"x": draw.normal(*shape, scale=3), **scalars}

    def backward(draw: Draw, *shape: int) -> dict[str, Any]:
        arguments = {"dy": draw.normal(*shape)}
        if wants:
            arguments[wants] = draw.between(*domain, *shape)
        return {**arguments, **scalars}

    def gradient(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
        saved = {"y": {"y": y}, "x": {"x": a["x"]}, "": {}}[wants]
        return (getattr(kernels, f"{name}_backward")(dy, **saved, **scalars),)

    shared: dict[str, Any] = {"shapes": _ELEMENTS, "big": _BIG_ELEMENTS, "ulps": ulps, "rowwise": True}
    reads = 1 if wants else 0
    return (
        Kernel(
            f"{name}_forward",
            forward,
            differentiable=("x",),
            gradient=gradient,
            moved=lambda *shape: 2 * int(np.prod(shape)),
            baseline=baseline,
            **shared,
        ),
        Kernel(
            f"{name}_backward", backward, moved=lambda *shape: (2 + reads) * int(np.prod(shape)), **shared
        ),
    )


_ACTIVATIONS = (
    *_activation("identity", (0, 1), wants="", baseline=lambda x: x.copy()),
    *_activation("sigmoid", (0, 1), baseline=lambda x: 1 / (1 + np.exp(-x))),
    *_activation("tanh", (-1, 1), baseline=lambda x: np.tanh(x)),
    *_activation("relu", (-3, 3), baseline=lambda x: np.maximum(x, 0)),
    *_activation(
        "leaky_relu",
        (-1, 3),
        parameter="negative_slope",
        baseline=lambda x, negative_slope: np.maximum(x, negative_slope * x),
    ),
    *_activation(
        "elu", (-0.3, 3), parameter="alpha", baseline=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x))
    ),
    *_activation("exponential", (0, 9), baseline=lambda x: np.exp(x)),
    *_activation("hard_sigmoid", (-0.2, 1.2), baseline=lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    *_activation("softplus", (0, 9), baseline=lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    *_activation("gelu", (-6, 6), wants="x"),
    *_activation("silu", (-6, 6), wants="x", baseline=lambda x: x / (1 + np.exp(-x))),
)

_NAMED = (
    {"activation": "relu"},
    {"activation": "linear"},
    {"activation": "leaky_relu", "alpha": 0.3},
    {"activation": "elu", "alpha": 0.7},
    {"activation": "leaky_relu"},
    {"activation": "elu"},
    {"activation": "sigmoid"},
    {"activation": "tanh"},
    {"activation": "exponential"},
    {"activation": "hard_sigmoid"},
    {"activation": "softplus"},
    {"activation": "gelu"},
    {"activation": "silu"},
    {"activation": "relu6"},
    {"activation": "celu", "alpha": 0.7},
    {"activation": "celu"},
    {"activation": "selu"},
    {"activation": "softsign"},
    {"activation": "log_sigmoid"},
    {"activation": "squareplus", "alpha": 0.7},
    {"activation": "squareplus"},
    {"activation": "gelu_tanh"},
    {"activation": "mish"},
    {"activation": "tanh_shrink"},
    {"activation": "hard_tanh"},
    {"activation": "hard_shrink", "alpha": 0.7},
    {"activation": "soft_shrink", "alpha": 0.7},
    {"activation": "hard_shrink"},
    {"activation": "soft_shrink"},
    {"activation": "sparse_plus"},
    {"activation": "sparse_sigmoid"},
    {"activation": "hard_silu"},
)


def _through(kernels: Any, dy: Array, z: Array, y: Array, a: dict[str, Any]) -> Array:
    """Return the gradient before the activation that a fused kernel applied to z."""
    name, alpha = a.get("activation", "linear"), a.get("alpha")
    if name == "linear":
        return dy
    needs, scalars = activations.DERIVATIVES[name]
    parameter = {} if alpha is None or not scalars else {scalars[0]: alpha}
    dz: Array = getattr(kernels, f"{name}_backward")(dy, z if needs == "x" else y, **parameter)
    return dz


# Rows of the other families ---------------------------------------------------------------------------------


def _dense_gradient(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    z = kernels.dense_forward(a["x"], a["w"], a["b"])
    dz = _through(kernels, dy, z, y, a)
    return kernels.dense_backward_input(dz, a["w"]), *kernels.dense_backward_params(a["x"], dz)


def _bias_gradient(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
    dz = _through(kernels, dy, a["x"] + a["b"], y, a)
    return dz, dz.sum(axis=0)


_DENSE_ROWS = (
    Kernel(
        "dense_forward",
        lambda draw, B, I, O: {
            "x": draw.normal(B, I),
            "w": draw.normal(I, O, scale=max(I, 1) ** -0.5),
            "b": draw.normal(O),
        },
        _DENSE,
        _BIG_DENSE,
        variants=({}, {"b": None}, *_NAMED),
        ulps=500,
        differentiable=("x", "w", "b"),
        gradient=_dense_gradient,
        rowwise=True,
        flops=lambda B, I, O: 2 * B * I * O,
        moved=lambda B, I, O: B * I + I * O + O + B * O,
        baseline=lambda x, w, b: x @ w + b,
    ),
    Kernel(
        "dense_backward_input",
        lambda draw, B, I, O: {"dy": draw.normal(B, O), "w": draw.normal(I, O, scale=max(O, 1) ** -0.5)},
        _DENSE,
        _BIG_DENSE,
        ulps=500,
        rowwise=True,
        flops=lambda B, I, O: 2 * B * I * O,
        moved=lambda B, I, O: B * I + I * O + B * O,
    ),
    Kernel(
        "dense_backward_params",
        lambda draw, B, I, O: {"x": draw.normal(B, I), "dy": draw.normal(B, O, scale=max(B, 1) ** -0.5)},
        _DENSE,
        _BIG_DENSE,
        ulps=500,
        flops=lambda B, I, O: 2 * B * I * O + B * O,
        moved=lambda B, I, O: B * I + I * O + O + B * O,
    ),
    Kernel(
        "bias_activation_forward",
        lambda draw, B, O: {"x": draw.normal(B, O, scale=3), "b": draw.normal(O)},
        _ROWS,
        _BIG_ROWS,
        variants=_NAMED,
        differentiable=("x", "b"),
        gradient=_bias_gradient,
        rowwise=True,
        moved=lambda B, O: 2 * B * O + O,
        baseline=lambda x, b, activation: np.maximum(x + b, 0),
    ),
)


def _softmax_rows(name: str, domain: tuple[float, float]) -> tuple[Kernel, Kernel]:
    shared: dict[str, Any] = {"shapes": _ROWS, "big": _BIG_ROWS, "rowwise": True}
    return (
        Kernel(
            name,
            lambda draw, B, C: {"x": draw.normal(B, C, scale=3)},
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (getattr(kernels, f"{name}_backward")(dy, y),),
            moved=lambda B, C: 2 * B * C,
            ulps=32,
            **shared,
        ),
        Kernel(
            f"{name}_backward",
            lambda draw, B, C: {"dy": draw.normal(B, C), "y": draw.between(*domain, B, C)},
            moved=lambda B, C: 3 * B * C,
            ulps=400,
            **shared,
        ),
    )


def _softmax_cross_entropy_baseline(logits: Array, target: Array, sample_weight: Any) -> Any:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(p)), target
    loss = -np.log(p[rows]).mean()
    p[rows] -= 1
    return loss, p / len(p)


def _binary_baseline(logits: Array, target: Array, sample_weight: Any) -> Any:
    loss = (np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))).mean()
    return loss, (1 / (1 + np.exp(-logits)) - target) / logits.size


def _squared_baseline(y_pred: Array, target: Array, sample_weight: Any) -> Any:
    d = y_pred - target
    return (d * d).mean(), d * (2 / d.size)


def _loss(
    name: str,
    wrt: str,
    prediction: Callable[..., Array],
    target: Callable[..., Array],
    label: str = "",
    baseline: Callable[..., Any] | None = None,
    ulps: float = 64,
) -> Kernel:
    """Make the row of a loss; `prediction` and `target` make their arrays from (draw, B, C)."""

    def make(draw: Draw, B: int, C: int) -> dict[str, Any]:
        weight = draw.between(0.25, 1.75, B)
        return {wrt: prediction(draw, B, C), "target": target(draw, B, C), "sample_weight": weight}

    return Kernel(
        name,
        make,
        _ROWS,
        _BIG_ROWS,
        variants=({"sample_weight": None}, {}),
        label=label,
        ulps=ulps,
        differentiable=(wrt,),
        gradient=lambda kernels, dy, result, a: (dy * result[1],),
        moved=lambda B, C: 3 * B * C if label == "soft" else 2 * B * C,
        baseline=baseline,
    )


def _logits(draw: Draw, *shape: int) -> Array:
    return draw.normal(*shape, scale=3)


def _probabilities(draw: Draw, *shape: int) -> Array:
    return draw.between(0.05, 0.95, *shape)


_LOSSES = (
    _loss("softmax_cross_entropy", "logits", _logits, Draw.classes, baseline=_softmax_cross_entropy_baseline),
    _loss("softmax_cross_entropy", "logits", _logits, Draw.soft, label="soft"),
    _loss("sigmoid_binary_cross_entropy", "logits", _logits, Draw.bits, baseline=_binary_baseline),
    _loss("sigmoid_binary_cross_entropy", "logits", _logits, _probabilities, label="soft"),
    _loss("categorical_cross_entropy", "y_pred", _probabilities, Draw.soft, ulps=1000),
    _loss("categorical_cross_entropy", "y_pred", _probabilities, Draw.classes, label="classes", ulps=1000),
    _loss("binary_cross_entropy", "y_pred", _probabilities, Draw.bits, ulps=1000),
    _loss("binary_cross_entropy", "y_pred", _probabilities, _probabilities, label="soft", ulps=1000),
    _loss("mean_squared_error", "y_pred", Draw.normal, Draw.normal, baseline=_squared_baseline),
)


_METRICS = _rows_metrics.rows()

_RANDOM = (
    Kernel(
        "philox4x32",
        lambda draw, n: {"counter": draw.words(n, 4), "key": draw.words(2)},
        ((1,), (3,), (17,), (131,)),
        (65537,),
        ulps=0,
        rowwise=True,
        moved=lambda n: 8 * n,
    ),
)

from nncore import (  # noqa: E402
    _rows_embedding,
    _rows_losses,  # noqa: E402  - it wants what is above
    _rows_merging,  # noqa: E402  (its rows are of the class above)
    _rows_noise,
    _rows_optimizers,
)

KERNELS: tuple[Kernel, ...] = (
    *_rows_losses.rows(),
    *_DENSE_ROWS,
    *_ACTIVATIONS,
    *_softmax_rows("softmax", (0, 1)),
    *_softmax_rows("log_softmax", (-6, 0)),
    *_LOSSES,
    *_rows_optimizers.rows(),
    *_METRICS,
    *_RANDOM,
    *_rows_noise.ROWS,
    *_rows_embedding.ROWS,
    *_rows_merging.ROWS,
    *_rows_normalization.rows(),
    *_rows_activations.rows(),
)
"""One row per public kernel (two where a kernel takes two kinds of target)."""


# Hostile arrays ---------------------------------------------------------------------------------------------


def hostile_arrays(shape: Shape, dtype: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Yield what users pass and kernels do not expect: odd values, odd layouts, odd types.

    Parameters
    ----------
    shape : tuple of int
        At least one dimension; the array labelled "empty" has 0 rows instead.
    dtype : dtype
        Float32 or float64.
    rng : numpy.random.Generator

    Yields
    ------
    label : str
    array : array_like
        ``numpy.array(array, dtype)`` is the plain array of the same values.

    Examples
    --------
    >>> import numpy as np
    >>> arrays = dict(hostile_arrays((3, 4), "float32", np.random.default_rng(1)))
    >>> bool(np.isnan(arrays["nan"]).any()), arrays["strided"].flags.c_contiguous
    (True, False)
    """
    dtype = np.dtype(dtype)
    plain = rng.uniform(0.125, 0.875, shape).astype(dtype)  # in every kernel's domain
    for value in (np.nan, np.inf, -np.inf):
        array = plain.copy()
        array.flat[rng.integers(plain.size)] = value
        yield str(value), array
    yield "denormal", plain * np.finfo(dtype).tiny
    yield "offset", plain + dtype.type(1e9)

    read_only = plain.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "strided", np.repeat(plain, 2, axis=-1)[..., ::2]
    yield "reversed", plain[::-1].copy()[::-1]
    yield "Fortran", np.asfortranarray(plain)
    yield "byte-swapped", plain.astype(dtype.newbyteorder())
    unaligned = np.empty(plain.nbytes + 1, np.uint8)[1:].view(dtype).reshape(shape)
    unaligned[...] = plain
    yield "unaligned", unaligned

    yield "list", plain.tolist()
    yield "integer", rng.integers(1, 4, shape)
    yield "float16", plain.astype(np.float16)
    yield "empty", plain[:0]


# Gradients --------------------------------------------------------------------------------------------------


def check_backward(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    directions: int = 3,
    step: float = 1e-4,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> float:
    """Check a backward function against finite differences of its forward function, by random projection.

    For random u and v, ``<u, J v>`` by central differences of the forward function must equal ``<backward(u),
    v>``. Outputs that have a kink near the point along v (their slope changes with the step) are left out of
    u.

    Parameters
    ----------
    forward : callable
        ``forward(*args)`` gives one array or number.
    backward : callable
        ``backward(dy, *args)`` gives the gradient of ``sum(dy * forward(*args))`` with respect to each of
        `args`: a tuple, or the array itself when there is one argument.
    args : tuple of array_like
        The point, as float64. Bind what has no gradient (targets, settings) into the functions.
    directions : int
        How many pairs (u, v) are tried.
    step : float
        Of the differences, which are of fourth order.
    tolerance : float
        The largest relative error accepted.
    seed : int

    Returns
    -------
    float
        The largest relative error seen.

    Raises
    ------
    AssertionError
        If the gradient is wrong, or the forward function has no slope near `args`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([-1.5, 0.5, 2.0])
    >>> check_backward(lambda x: x**2, lambda dy, x: 2 * x * dy, (x,)) < 1e-9
    True
    >>> check_backward(lambda x: x**2, lambda dy, x: x * dy, (x,))
    Traceback (most recent call last):
    AssertionError: check_backward: <u, J v> is 0.957, but <backward(u), v> is 0.479
    """
    rng = np.random.default_rng(seed)
    point = [np.asarray(a, np.float64) for a in args]
    worst, kept, total = 0.0, 0, 0
    for _ in range(directions):
        v = [rng.standard_normal(a.shape) for a in point]

        def at(t: float, v: list[Array] = v) -> Array:
            return np.asarray(forward(*(a + t * d for a, d in zip(point, v, strict=True))), np.float64)

        def slope(h: float, at: Callable[[float], Array] = at) -> Array:
            rise: Array = 8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))
            return rise / (12 * h)

        coarse, fine = slope(step), slope(step / 2)
        smooth = np.abs(coarse - fine) <= 0.1 * tolerance * (_FLOOR + np.abs(fine).max(initial=0))
        kept, total = kept + int(smooth.sum()), total + smooth.size
        u = np.where(smooth, rng.standard_normal(fine.shape), 0)
        fine = np.where(smooth, fine, 0)

        gradients = backward(u, *point)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        shapes, wanted = [np.shape(g) for g in gradients], [a.shape for a in point]
        if shapes != wanted:
            raise AssertionError(
                f"check_backward: backward gives shapes {shapes}, but the arguments have {wanted}"
            )
        numeric = float((u * fine).sum())
        analytic = float(sum((g * d).sum() for g, d in zip(gradients, v, strict=True)))
        error = float(abs(numeric - analytic) / (_FLOOR + np.linalg.norm(u * fine)))
        if not error <= tolerance:  # a nan is an error too
            raise AssertionError(
                f"check_backward: <u, J v> is {numeric:.3g}, but <backward(u), v> is {analytic:.3g}"
            )
        worst = max(worst, error)
    if 2 * kept < total:
        raise AssertionError(
            f"check_backward: no slope at {total - kept} of {total} outputs: kinks, steps or nan"
        )
    return worst


_FLOOR = 1e-6  # slopes much smaller than this are rounding errors of a function whose slope is 0
