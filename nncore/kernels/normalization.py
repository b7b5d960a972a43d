"""Normalization: over the batch, over each row, and by numbers that are known before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks
from nncore.kernels._front import Array, Outputs, activation_number, alpha_value, arrays, run

__all__ = [
    "batch_normalization",
    "batch_normalization_backward",
    "batch_normalization_backward_params",
    "batch_normalization_forward",
    "layer_normalization_backward_input",
    "layer_normalization_backward_params",
    "layer_normalization_forward",
    "normalization_forward",
    "rescaling_forward",
    "rms_normalization_backward_input",
    "rms_normalization_backward_params",
    "rms_normalization_forward",
]

FACTOR = {"given": 0, "inverse": 1, "floor": 2, "spread": 3}  # the core's enum Factor

Named = Mapping[str, Any]


def _operands(where: str, batch: Named, columns: Named, rows: Named | None = None,
              optional: tuple[str, ...] = ()) -> list[Any]:
    """Return arrays of shape (B, C), (C,) and (B, 1), converted and checked against the first of them.

    Those whose names are `optional` may be None.
    """
    named = {**batch, **columns, **(rows or {})}
    given = {name: (value, 1 if name in columns else 2) for name, value in named.items()
             if value is not None or name not in optional}
    found = dict(zip(given, arrays(where, **given), strict=True))
    first = next(iter(batch))
    shape = found[first].shape
    for name, value in found.items():
        if name in batch and value.shape != shape:
            raise ValueError(f"{where}: {first} has shape {shape} but {name} has shape {value.shape}")
        if name in columns and len(value) != shape[1]:
            raise ValueError(f"{where}: {first} has {shape[1]} columns but {name} has {len(value)} elements")
        if name not in batch and name not in columns and value.shape != (shape[0], 1):
            raise ValueError(f"{where}: {first} has {shape[0]} rows, so {name} must have shape {(shape[0], 1)}, "
                             f"got {value.shape}")
    return [found.get(name) for name in named]


def _outputs(where: str, operands: list[Any], out: Array | None) -> Outputs:
    """Return the outputs of a call; the first of them may be the first operand itself."""
    return Outputs(where, operands[0].dtype, tuple(operands[1:] if out is operands[0] else operands))


def _activation(where: str, activation: str | None, alpha: float | None) -> tuple[int, float]:
    kind, name = activation_number(where, activation)
    return kind, alpha_value(where, name, alpha)


def batch_normalization_forward(
    x: ArrayLike,
    moving_mean: ArrayLike,
    moving_variance: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    y_out: Array | None = None,
    mean_out: Array | None = None,
    inverse_out: Array | None = None,
    moving_mean_out: Array | None = None,
    moving_variance_out: Array | None = None,
    momentum: float = 0.99,
    epsilon: float = 0.001,
    activation: str | None = "linear",
    alpha: float | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Batch normalization in training: ``y = activation((x - mean) / sqrt(variance + epsilon) * gamma + beta)``.

    Mean and (biased) variance of each column are those of the batch; the moving ones become ``momentum * moving +
    (1 - momentum) * batch``. Ioffe and Szegedy 2015, "Batch normalization", with Keras's defaults.

    Parameters
    ----------
    x : array_like, shape (B, C)
        At least one row.
    moving_mean, moving_variance : array_like, shape (C,)
        Before this batch.
    gamma, beta : array_like, shape (C,), optional
        Scale and offset: without them 1 and 0.
    y_out, mean_out, inverse_out, moving_mean_out, moving_variance_out : ndarray, optional
        Where the results go; `y_out` may be x, and the last two may be what they replace.
    momentum : float
        How much of the moving mean and variance is kept: 0 to 1.
    epsilon : float
        Added to the variance; not negative.
    activation, alpha : str, float
        As of `dense_forward`.

    Returns
    -------
    y : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (C,)
        What the backward pass needs: the batch's mean, and ``1 / sqrt(variance + epsilon)``.
    moving_mean, moving_variance : ndarray, shape (C,)
        After this batch.

    Notes
    -----
    Mean and variance are computed in float64 around the first row, so that an offset common to all rows costs no
    digits: see ``docs/bits.md``.

    Examples
    --------
    >>> import nncore as nn
    >>> y, mean, inverse, *moving = nn.kernels.batch_normalization_forward([[1.0], [3.0]], [0.0], [1.0], epsilon=0)
    >>> y.ravel(), mean, inverse
    (array([-1.,  1.], dtype=float32), array([2.], dtype=float32), array([1.], dtype=float32))
    >>> moving
    [array([0.02], dtype=float32), array([1.], dtype=float32)]
    """
    where = "batch_normalization_forward"
    kind, scale = _activation(where, activation, alpha)
    kept = _checks.real(momentum, where, "momentum", low=0.0, high=1.0)
    least = _checks.real(epsilon, where, "epsilon", low=0.0)
    operands = _operands(
        where,
        {"x": x},
        {"moving_mean": moving_mean, "moving_variance": moving_variance, "gamma": gamma, "beta": beta},
        optional=("gamma", "beta"),
    )
    rows, columns = operands[0].shape
    if rows == 0:
        raise ValueError(f"{where}: x has shape {(rows, columns)}, but a mean wants at least one row")
    outputs = _outputs(where, operands, y_out)
    results = outputs.array("y_out", y_out, (rows, columns)), *(
        outputs.array(name, out, (columns,)) for name, out in (
            ("mean_out", mean_out), ("inverse_out", inverse_out), ("moving_mean_out", moving_mean_out),
            ("moving_variance_out", moving_variance_out)))
    run(where, rows, (*operands, *results), (columns, 0, kind), (kept, least, scale), dtype=operands[0].dtype)
    found: tuple[Array, Array, Array, Array, Array] = outputs.finish(*results)
    return found


def batch_normalization_backward(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    inverse: ArrayLike,
    gamma: ArrayLike | None = None,
    dx_out: Array | None = None,
    dgamma_out: Array | None = None,
    dbeta_out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_normalization_forward`, before its activation.

    With ``u = (x - mean) * inverse``: ``dbeta = dy.sum(axis=0)``, ``dgamma = (dy * u).sum(axis=0)``, ``dx = gamma *
    inverse * (dy - dbeta / B - u * dgamma / B)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input.
    mean, inverse : array_like, shape (C,)
        As `batch_normalization_forward` returned them.
    gamma : array_like, shape (C,), optional
        The scale.
    dx_out, dgamma_out, dbeta_out : ndarray, optional
        Where the results go.

    Returns
    -------
    dx : ndarray, shape (B, C)
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> import nncore as nn
    >>> dx, dgamma, dbeta = nn.kernels.batch_normalization_backward([[1.0], [2.0]], [[1.0], [3.0]], [2.0], [1.0])
    >>> dx.ravel(), dgamma, dbeta
    (array([0., 0.], dtype=float32), array([1.], dtype=float32), array([3.], dtype=float32))
    """
    where = "batch_normalization_backward"
    operands = _operands(where, {"dy": dy, "x": x}, {"mean": mean, "inverse": inverse, "gamma": gamma},
                         optional=("gamma",))
    rows, columns = operands[0].shape
    outputs = _outputs(where, operands, dx_out)
    results = (outputs.array("dx_out", dx_out, (rows, columns)),
               outputs.array("dgamma_out", dgamma_out, (columns,)),
               outputs.array("dbeta_out", dbeta_out, (columns,)))
    run(where, rows, (*operands, *results), (columns,), dtype=operands[0].dtype)
    found: tuple[Array, Array, Array] = outputs.finish(*results)
    return found


def batch_normalization_backward_params(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    dgamma_out: Array | None = None,
    dbeta_out: Array | None = None,
    epsilon: float = 0.001,
) -> tuple[Array, Array]:
    """Gradients of scale and offset of `batch_normalization`, where mean and variance are given.

    ``dgamma = (dy * (x - mean)).sum(axis=0) / sqrt(variance + epsilon)``, ``dbeta = dy.sum(axis=0)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input.
    mean, variance : array_like, shape (C,)
    dgamma_out, dbeta_out : ndarray, shape (C,), optional
        Where the results go.
    epsilon : float
        Added to the variance; not negative.

    Returns
    -------
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.batch_normalization_backward_params([[1.0], [2.0]], [[1.0], [5.0]], [2.0], [4.0], epsilon=0)
    (array([2.5], dtype=float32), array([3.], dtype=float32))
    """
    where = "batch_normalization_backward_params"
    least = _checks.real(epsilon, where, "epsilon", low=0.0)
    operands = _operands(where, {"dy": dy, "x": x}, {"mean": mean, "variance": variance})
    rows, columns = operands[0].shape
    outputs = Outputs(where, operands[0].dtype, tuple(operands))
    results = outputs.array("dgamma_out", dgamma_out, (columns,)), outputs.array("dbeta_out", dbeta_out, (columns,))
    run("batch_normalization_backward", rows, (*operands, None, None, *results), (columns, FACTOR["inverse"]),
        (0.0, least), dtype=operands[0].dtype)
    found: tuple[Array, Array] = outputs.finish(*results)
    return found


def _scaled(where: str, operands: list[Any], y_out: Array | None, factor: str, epsilon: float = 0.0, kind: int = 0,
            alpha: float = 0.0, index: NDArray[np.int64] | None = None) -> Array:
    """Run ``activation((x - mean) * factor * gamma + beta)`` on these operands, rows of any rank."""
    x = operands[0]
    outputs = _outputs(where, operands, y_out)
    y = outputs.array("y_out", y_out, x.shape)
    if y.size:
        run("scaled", len(x), (*operands, y, index), (x.size // len(x), FACTOR[factor], kind), (epsilon, alpha),
            dtype=x.dtype)
    found: Array = outputs.finish(y)
    return found


def batch_normalization(
    x: ArrayLike,
    mean: ArrayLike | None,
    variance: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    y_out: Array | None = None,
    epsilon: float = 0.001,
    activation: str | None = "linear",
    alpha: float | None = None,
) -> Array:
    """Batch normalization in inference: ``y = activation((x - mean) / sqrt(variance + epsilon) * gamma + beta)``.

    Mean and variance are given, so that a row does not depend on its batch. The gradient of x is the same operation
    without an offset: ``batch_normalization(dy, None, variance, gamma)``.

    Parameters
    ----------
    x : array_like, shape (B, C)
    mean : array_like, shape (C,), or None
        None: 0.
    variance : array_like, shape (C,)
    gamma, beta : array_like, shape (C,), optional
        Scale and offset: without them 1 and 0.
    y_out : ndarray, shape (B, C), optional
        Where the result goes; may be x.
    epsilon : float
        Added to the variance; not negative.
    activation, alpha : str, float
        As of `dense_forward`.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.batch_normalization([[5.0, 1.0]], [1.0, 1.0], [4.0, 1.0], beta=[0.0, 3.0], epsilon=0)
    array([[2., 3.]], dtype=float32)
    """
    where = "batch_normalization"
    kind, scale = _activation(where, activation, alpha)
    least = _checks.real(epsilon, where, "epsilon", low=0.0)
    operands = _operands(where, {"x": x}, {"mean": mean, "variance": variance, "gamma": gamma, "beta": beta},
                         optional=("mean", "gamma", "beta"))
    return _scaled(where, operands, y_out, "inverse", least, kind, scale)


def normalization_forward(x: ArrayLike, mean: ArrayLike | None, variance: ArrayLike, index: ArrayLike | None = None,
                          y_out: Array | None = None, invert: bool = False) -> Array:
    """Columns brought to mean 0 and spread 1: ``y = (x - mean) / max(sqrt(variance), 1e-7)``, or back again.

    The gradient of x is the same operation without an offset: ``normalization_forward(dy, None, variance, index,
    invert=invert)``.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        Rows of C elements, of any shape.
    mean : array_like, shape (N,), or None
        None: 0.
    variance : array_like, shape (N,)
    index : array_like of int, shape (C,), optional
        Which mean and variance belongs to each element of a row; by default its own, and N is C.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.
    invert : bool
        Whether to go back: ``y = x * max(sqrt(variance), 1e-7) + mean``.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.normalization_forward([[5.0, 1.0]], [1.0, 1.0], [4.0, 0.0])
    array([[2., 0.]], dtype=float32)
    >>> nn.kernels.normalization_forward([[2.0, 0.0]], [1.0, 1.0], [4.0, 0.0], invert=True)
    array([[5., 1.]], dtype=float32)
    >>> nn.kernels.normalization_forward([[5.0, 1.0, 3.0]], [1.0], [4.0], [0, 0, 0])
    array([[2., 0., 1.]], dtype=float32)
    """
    where = "normalization_forward"
    back = _checks.boolean(invert, where, "invert")
    given = {"x": (x, None), "mean": (mean, 1), "variance": (variance, 1)}
    if mean is None:
        del given["mean"]
    found = dict(zip(given, arrays(where, **given), strict=True))
    width, centre = _row_width(where, found["x"]), found.get("mean")
    n = len(found["variance"])
    if centre is not None and len(centre) != n:
        raise ValueError(f"{where}: mean has {len(centre)} elements but variance has {n}")
    if index is None and n != width:
        raise ValueError(f"{where}: x has {width} columns but variance has {n} elements")
    places = None if index is None else _checks.as_class_ids(index, where, "index", n, width)
    operands = [found["x"], None if back else centre, found["variance"], None, centre if back else None]
    return _scaled(where, operands, y_out, "spread" if back else "floor", 1e-7, index=places)


def _row_width(where: str, x: Array) -> int:
    if x.ndim < 2:
        raise ValueError(f"{where}: x must have shape (B, ...), got shape {x.shape}")
    return int(np.prod(x.shape[1:]))


def rescaling_forward(x: ArrayLike, scale: ArrayLike, offset: ArrayLike | None = None,
                      y_out: Array | None = None) -> Array:
    """Scale and offset for each column: ``y = x * scale + offset``.

    The gradient of x is the same operation without an offset: ``rescaling_forward(dy, scale)``.

    Parameters
    ----------
    x : array_like, shape (B, ...)
        Rows of C elements, of any shape.
    scale : array_like, shape (C,)
    offset : array_like, shape (C,), optional
        Without it 0.
    y_out : ndarray of x's shape, optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.rescaling_forward([[255.0, 51.0]], [1 / 255, 1 / 51], [0.0, 1.0])
    array([[1., 2.]], dtype=float32)
    """
    where = "rescaling_forward"
    given = {"x": (x, None), "scale": (scale, 1)} | ({} if offset is None else {"offset": (offset, 1)})
    found = dict(zip(given, arrays(where, **given), strict=True))
    width = _row_width(where, found["x"])
    for name in list(found)[1:]:
        if len(found[name]) != width:
            raise ValueError(f"{where}: x has {width} columns but {name} has {len(found[name])} elements")
    return _scaled(where, [found["x"], None, found["scale"], None, found.get("offset")], y_out, "given")


def _row_forward(where: str, x: ArrayLike, columns: Named, epsilon: float, outs: Mapping[str, Array | None],
                 centred: bool) -> Any:
    """Normalize rows; `outs`: y_out, mean_out where the rows are centred, inverse_out."""
    least = _checks.real(epsilon, where, "epsilon", low=0.0)
    operands = _operands(where, {"x": x}, columns, optional=tuple(columns))
    rows, width = operands[0].shape
    if width == 0:
        raise ValueError(f"{where}: x has shape {(rows, width)}, but wants at least one column")
    outputs = _outputs(where, operands, outs["y_out"])
    results = [outputs.array(name, out, (rows, width) if name == "y_out" else (rows, 1)) for name, out in outs.items()]
    y, *mean, inverse = results
    gamma, beta = (*operands[1:], None)[:2]
    run("layer_normalization_forward", rows, (operands[0], gamma, beta, y, mean[0] if mean else None, inverse),
        (width, centred), (least,), dtype=y.dtype)
    return outputs.finish(*results)


def _row_backward_input(where: str, dy: ArrayLike, x: ArrayLike, columns: Named, of_rows: Named,
                        dx_out: Array | None) -> Array:
    operands = _operands(where, {"dy": dy, "x": x}, columns, of_rows, optional=tuple(columns))
    dy, x, gamma, *mean, inverse = operands
    rows, width = x.shape
    outputs = _outputs(where, operands, dx_out)
    dx = outputs.array("dx_out", dx_out, (rows, width))
    if dx.size:
        run("layer_normalization_backward_input", rows, (dy, x, *(mean or [None]), inverse, gamma, dx), (width,),
            dtype=x.dtype)
    found: Array = outputs.finish(dx)
    return found


def _row_backward_params(where: str, dy: ArrayLike, x: ArrayLike, of_rows: Named,
                         outs: Mapping[str, Array | None]) -> Any:
    operands = _operands(where, {"dy": dy, "x": x}, {}, of_rows)
    dy, x, *mean, inverse = operands
    rows, width = x.shape
    outputs = Outputs(where, x.dtype, tuple(operands))
    results = [outputs.array(name, out, (width,)) for name, out in outs.items()]
    run("layer_normalization_backward_params", rows, (dy, x, *(mean or [None]), inverse, *results), (width,),
        dtype=x.dtype)
    return outputs.finish(*results)


def layer_normalization_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    y_out: Array | None = None,
    mean_out: Array | None = None,
    inverse_out: Array | None = None,
    epsilon: float = 0.001,
) -> tuple[Array, Array, Array]:
    """Layer normalization: ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta``, mean and variance per row.

    Ba, Kiros and Hinton 2016, "Layer normalization", with Keras's epsilon.

    Parameters
    ----------
    x : array_like, shape (B, C)
    gamma, beta : array_like, shape (C,), optional
        Scale and offset: without them 1 and 0.
    y_out, mean_out, inverse_out : ndarray, optional
        Where the results go; `y_out` may be x.
    epsilon : float
        Added to the (biased) variance; not negative.

    Returns
    -------
    y : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (B, 1)
        What the backward pass needs: each row's mean, and its ``1 / sqrt(variance + epsilon)``.

    Examples
    --------
    >>> import nncore as nn
    >>> y, mean, inverse = nn.kernels.layer_normalization_forward([[1.0, 3.0]], beta=[0.5, 0.0], epsilon=0)
    >>> y, mean, inverse
    (array([[-0.5,  1. ]], dtype=float32), array([[2.]], dtype=float32), array([[1.]], dtype=float32))
    """
    outs = {"y_out": y_out, "mean_out": mean_out, "inverse_out": inverse_out}
    found: tuple[Array, Array, Array] = _row_forward(
        "layer_normalization_forward", x, {"gamma": gamma, "beta": beta}, epsilon, outs, True
    )
    return found


def layer_normalization_backward_input(dy: ArrayLike, x: ArrayLike, mean: ArrayLike, inverse: ArrayLike,
                                       gamma: ArrayLike | None = None, dx_out: Array | None = None) -> Array:
    """Gradient of the input of `layer_normalization_forward`.

    With ``g = dy * gamma`` and ``u = (x - mean) * inverse``: ``dx = inverse * (g - mean(g) - u * mean(g * u))``,
    means over the row.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input.
    mean, inverse : array_like, shape (B, 1)
        As `layer_normalization_forward` returned them.
    gamma : array_like, shape (C,), optional
        The scale.
    dx_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.layer_normalization_backward_input([[1.0, 2.0]], [[1.0, 3.0]], [[2.0]], [[1.0]])
    array([[0., 0.]], dtype=float32)
    """
    return _row_backward_input("layer_normalization_backward_input", dy, x, {"gamma": gamma},
                               {"mean": mean, "inverse": inverse}, dx_out)


def layer_normalization_backward_params(
    dy: ArrayLike, x: ArrayLike, mean: ArrayLike, inverse: ArrayLike, dgamma_out: Array | None = None,
    dbeta_out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of scale and offset: ``dgamma = (dy * u).sum(axis=0)``, ``dbeta = dy.sum(axis=0)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input; ``u = (x - mean) * inverse``.
    mean, inverse : array_like, shape (B, 1)
        As `layer_normalization_forward` returned them.
    dgamma_out, dbeta_out : ndarray, shape (C,), optional
        Where the results go.

    Returns
    -------
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.layer_normalization_backward_params([[1.0, 2.0]], [[1.0, 3.0]], [[2.0]], [[1.0]])
    (array([-1.,  2.], dtype=float32), array([1., 2.], dtype=float32))
    """
    outs = {"dgamma_out": dgamma_out, "dbeta_out": dbeta_out}
    found: tuple[Array, Array] = _row_backward_params(
        "layer_normalization_backward_params", dy, x, {"mean": mean, "inverse": inverse}, outs
    )
    return found


def rms_normalization_forward(x: ArrayLike, scale: ArrayLike | None = None, y_out: Array | None = None,
                              inverse_out: Array | None = None, epsilon: float = 1e-6) -> tuple[Array, Array]:
    """RMS normalization: ``y = x / sqrt(mean(x**2) + epsilon) * scale``, the mean over each row.

    Zhang and Sennrich 2019, "Root mean square layer normalization", with Keras's epsilon.

    Parameters
    ----------
    x : array_like, shape (B, C)
    scale : array_like, shape (C,), optional
        Without it 1.
    y_out, inverse_out : ndarray, optional
        Where the results go; `y_out` may be x.
    epsilon : float
        Added to the mean square; not negative.

    Returns
    -------
    y : ndarray, shape (B, C)
    inverse : ndarray, shape (B, 1)
        What the backward pass needs: each row's ``1 / sqrt(mean(x**2) + epsilon)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.rms_normalization_forward([[3.0, 4.0, 0.0, 0.0]], epsilon=0)
    (array([[1.2, 1.6, 0. , 0. ]], dtype=float32), array([[0.4]], dtype=float32))
    """
    outs = {"y_out": y_out, "inverse_out": inverse_out}
    found: tuple[Array, Array] = _row_forward("rms_normalization_forward", x, {"scale": scale}, epsilon, outs, False)
    return found


def rms_normalization_backward_input(dy: ArrayLike, x: ArrayLike, inverse: ArrayLike, scale: ArrayLike | None = None,
                                     dx_out: Array | None = None) -> Array:
    """Gradient of the input of `rms_normalization_forward`.

    With ``g = dy * scale`` and ``u = x * inverse``: ``dx = inverse * (g - u * mean(g * u))``, the mean over the row.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input.
    inverse : array_like, shape (B, 1)
        As `rms_normalization_forward` returned it.
    scale : array_like, shape (C,), optional
    dx_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.rms_normalization_backward_input([[1.0, 0.0]], [[1.0, 1.0]], [[1.0]])
    array([[ 0.5, -0.5]], dtype=float32)
    """
    return _row_backward_input("rms_normalization_backward_input", dy, x, {"scale": scale}, {"inverse": inverse},
                               dx_out)


def rms_normalization_backward_params(dy: ArrayLike, x: ArrayLike, inverse: ArrayLike,
                                      dscale_out: Array | None = None) -> Array:
    """Gradient of the scale of `rms_normalization_forward`: ``dscale = (dy * x * inverse).sum(axis=0)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    x : array_like, shape (B, C)
        The input.
    inverse : array_like, shape (B, 1)
        As `rms_normalization_forward` returned it.
    dscale_out : ndarray, shape (C,), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (C,)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.rms_normalization_backward_params([[1.0, 2.0]], [[1.0, 3.0]], [[0.5]])
    array([0.5, 3. ], dtype=float32)
    """
    found: Array = _row_backward_params("rms_normalization_backward_params", dy, x, {"inverse": inverse},
                                        {"dscale_out": dscale_out})
    return found
