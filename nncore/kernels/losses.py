"""Softmax, and losses with their gradient in one pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks
from nncore._core import core
from nncore.kernels._front import Array, Outputs, arrays, run

__all__ = [
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "log_softmax",
    "log_softmax_backward",
    "mean_squared_error",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
]


class Lowered(NamedTuple):
    """How the core runs a loss: its kernel there, the kind where that has kinds, its scalars in the core's order."""

    kernel: str
    kind: int = 0
    scalars: tuple[str, ...] = ()


def _elementwise(kind: str, *scalars: str) -> Lowered:
    return Lowered("elementwise_loss", core.LOSSES.index(kind), scalars)


_FOCAL = ("label_smoothing", "alpha", "gamma")
LOWERED = {
    "softmax_cross_entropy": Lowered("softmax_cross_entropy", 0, ("label_smoothing",)),
    "categorical_cross_entropy": Lowered("categorical_cross_entropy", 0, ("label_smoothing",)),
    "sigmoid_binary_cross_entropy": _elementwise("sigmoid_cross_entropy", "label_smoothing"),
    "binary_cross_entropy": _elementwise("cross_entropy", "label_smoothing"),
    "softmax_focal_cross_entropy": Lowered("categorical_focal_cross_entropy", 1, _FOCAL),
    "categorical_focal_cross_entropy": Lowered("categorical_focal_cross_entropy", 0, _FOCAL),
    "sigmoid_focal_cross_entropy": _elementwise("sigmoid_focal", *_FOCAL, "apply_class_balancing"),
    "binary_focal_cross_entropy": _elementwise("focal", *_FOCAL, "apply_class_balancing"),
    "mean_squared_error": Lowered("mean_squared_error"),
    "mean_absolute_error": _elementwise("absolute"),
    "mean_absolute_percentage_error": _elementwise("percentage"),
    "mean_squared_logarithmic_error": _elementwise("logarithmic"),
    "huber": _elementwise("huber", "delta"),
    "log_cosh": _elementwise("log_cosh"),
    "pinball": _elementwise("pinball"),
    "poisson": _elementwise("poisson"),
    "poisson_deviance": _elementwise("poisson_deviance"),
    "exponential_poisson_deviance": _elementwise("exponential_poisson_deviance"),
    "gaussian_nll": Lowered("gaussian_nll", 0, ("eps", "full")),
    "hinge": _elementwise("hinge"),
    "squared_hinge": _elementwise("squared_hinge"),
    "categorical_hinge": Lowered("categorical_hinge"),
    "perceptron": _elementwise("perceptron"),
    "kl_divergence": _elementwise("kl_divergence"),
    "cosine_similarity": Lowered("cosine_similarity"),
}


def _rowwise(where: str, x: ArrayLike, y_out: Array | None) -> Array:
    (x,) = arrays(where, x=(x, 2))
    _wants_classes(where, "x", x)
    outputs = Outputs(where, x.dtype, () if y_out is x else (x,))
    y = outputs.array("y_out", y_out, x.shape)
    run(where, x.shape[0], (x, y), (x.shape[1],), dtype=x.dtype)
    return outputs.finish(y)


def _rowwise_backward(where: str, dy: ArrayLike, y: ArrayLike, dx_out: Array | None) -> Array:
    dy, y = arrays(where, dy=(dy, 2), y=(y, 2))
    if dy.shape != y.shape:
        raise ValueError(f"{where}: dy has shape {dy.shape} but y has shape {y.shape}")
    _wants_classes(where, "y", y)
    outputs = Outputs(where, dy.dtype, (dy, y))
    dx = outputs.array("dx_out", dx_out, dy.shape)
    run(where, dy.shape[0], (dy, y, dx), (dy.shape[1],), dtype=dy.dtype)
    return outputs.finish(dx)


def _wants_classes(where: str, name: str, x: Array) -> None:
    if x.shape[1] == 0:
        raise ValueError(f"{where}: {name} has shape {x.shape}, but wants at least one column")


def softmax(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Softmax of each row: ``y = exp(x - max(x)) / sum(exp(x - max(x)))``.

    Parameters
    ----------
    x : array_like, shape (B, C)
        Logits.
    y_out : ndarray, shape (B, C), optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.softmax([[0.0, 0.0, 1e4]])
    array([[0., 0., 1.]], dtype=float32)
    """
    return _rowwise("softmax", x, y_out)


def softmax_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `softmax`: ``dx = y * (dy - sum(dy * y))``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    y : array_like, shape (B, C)
        The output.
    dx_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.softmax_backward([[1.0, 0.0]], [[0.5, 0.5]])
    array([[ 0.25, -0.25]], dtype=float32)
    """
    return _rowwise_backward("softmax_backward", dy, y, dx_out)


def log_softmax(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Logarithm of the softmax of each row: ``y = x - max(x) - log(sum(exp(x - max(x))))``.

    Parameters
    ----------
    x : array_like, shape (B, C)
        Logits.
    y_out : ndarray, shape (B, C), optional
        Where the result goes; may be x.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.log_softmax([[0.0, 0.0]]).round(4)
    array([[-0.6931, -0.6931]], dtype=float32)
    """
    return _rowwise("log_softmax", x, y_out)


def log_softmax_backward(dy: ArrayLike, y: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of `log_softmax`: ``dx = dy - exp(y) * sum(dy)``.

    Parameters
    ----------
    dy : array_like, shape (B, C)
        Gradient of the output.
    y : array_like, shape (B, C)
        The output.
    dx_out : ndarray, shape (B, C), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.log_softmax_backward([[1.0, 0.0]], nn.kernels.log_softmax([[0.0, 0.0]]))
    array([[ 0.5, -0.5]], dtype=float32)
    """
    return _rowwise_backward("log_softmax_backward", dy, y, dx_out)


def _ids(where: str, target: ArrayLike, classes: int, rows: int) -> NDArray[np.int64] | None:
    """Return class ids when the target holds integers, else None."""
    found = np.asarray(target)
    if found.dtype.kind not in "iub" or found.ndim > 2 or (found.ndim == 2 and found.shape[1] != 1):
        return None
    return _checks.as_class_ids(found, where, "target", classes, rows)


def loss(
    where: str,
    y: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None,
    rows_out: Array | None,
    gradient_out: Array | None,
    *,
    argument: str = "y_pred",
    classes: bool = False,
    quantiles: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    halves: bool = False,
    **scalars: float,
) -> tuple[float, Array]:
    """Run a loss kernel.

    Parameters
    ----------
    where : str
        The kernel.
    y, target, sample_weight, rows_out, gradient_out : array_like
        (B, C) predictions, (B, C) targets, (B,) weights or None; outputs.
    argument : str
        What the predictions are called.
    classes : bool
        Whether targets may be class ids (B,).
    quantiles : array_like, shape (Q,), optional
        With them y is (B, O * Q).
    class_weight : array_like, shape (C,), optional
        Weights of the classes.
    halves : bool
        Whether y is (B, 2 * O).
    **scalars
        The kernel's.
    """
    ids: NDArray[np.int64] | None = None
    dense: Any = target
    if classes:
        (y,) = arrays(where, **{argument: (y, 2)})
        ids = _ids(where, target, y.shape[1], y.shape[0])
        dense = None if ids is not None else target
    given: dict[str, tuple[ArrayLike | None, int | None]] = {
        argument: (y, 2),
        "target" if ids is None else "class_target": (dense, None),  # no dense target beside class ids
        "sample_weight": (sample_weight, None),
    }
    if quantiles is not None:
        given["quantiles"] = (quantiles, 1)
    if class_weight is not None:
        given["class_weight"] = (class_weight, 1)
    y, dense, weight, *others = arrays(where, **given)
    rows, columns = y.shape
    each = 1  # outputs of a target
    if halves or quantiles is not None:
        each = 2 if halves else len(others[0])
    wanted = (rows, columns // each if each and columns % each == 0 else -1)
    if dense is not None and dense.shape != wanted:
        if not (columns == each and dense.shape == (rows,)):
            ending = f" and quantiles has shape {others[0].shape}" if quantiles is not None else ""
            raise ValueError(f"{where}: {argument} has shape {y.shape} but target has shape {dense.shape}{ending}")
    if class_weight is not None and len(others[0]) != columns:
        raise ValueError(
            f"{where}: class_weight must hold one weight per class, shape ({columns},), got shape {others[0].shape}"
        )
    if weight is not None and weight.shape != (rows,):
        raise ValueError(
            f"{where}: sample_weight must hold one weight per row, shape ({rows},), got shape {weight.shape}"
        )
    if rows == 0 or columns == 0:
        raise ValueError(
            f"{where}: {argument} has shape {y.shape}, but a mean needs at least one row and one column"
        )
    outputs = Outputs(where, y.dtype, (y, dense, weight, *others))
    per_row = outputs.array("rows_out", rows_out, (rows,))
    gradient = outputs.array(f"d{argument}_out", gradient_out, y.shape)
    kernel, kind, names = LOWERED[where]
    operands = (y, dense, weight, per_row, gradient, *(others or [ids]))
    values = tuple([float(scalars[name]) for name in names]) if names else ()
    run(kernel, rows, operands, (columns, each, kind), values, dtype=y.dtype)
    total = np.empty(1)
    run("sum", rows, (per_row, total), dtype=y.dtype)
    outputs.finish(per_row)
    return float(total[0]) / rows, outputs.finish(gradient)


def softmax_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of softmax outputs, with its gradient: ``loss = mean(w * -sum(t * log_softmax(z)))``.

    Parameters
    ----------
    logits : array_like, shape (B, C)
        Outputs before the softmax; stable for any finite values.
    target : array_like
        Integers of shape (B,): class ids in 0 ... C-1. Or numbers of shape (B, C): weights of the classes
        (one-hot or soft; they need not sum to 1).
    sample_weight : array_like, shape (B,), optional
        Weight of each row; the mean divides by B whatever the weights.
    rows_out : ndarray, shape (B,), optional
        Where the weighted losses of the rows go.
    dlogits_out : ndarray, shape (B, C), optional
        Where the gradient goes.
    label_smoothing : float
        Targets (class ids as one-hot) become ``t * (1 - label_smoothing) + label_smoothing / C``.

    Returns
    -------
    loss : float
        The mean of the rows, added up in float64.
    dlogits : ndarray, shape (B, C)
        Its gradient: ``(softmax(z) - t) * w / B`` for targets that sum to 1.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dlogits = nn.kernels.softmax_cross_entropy([[0.0, 0.0], [1e4, -1e4]], [0, 0])
    >>> round(loss, 4)
    0.3466
    >>> dlogits
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]], dtype=float32)
    """
    smoothing = _checks.real(label_smoothing, "softmax_cross_entropy", "label_smoothing", 0, 1)
    return loss("softmax_cross_entropy", logits, target, sample_weight, rows_out, dlogits_out,
                argument="logits", classes=True, label_smoothing=smoothing)


def categorical_cross_entropy(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of probabilities, with its gradient: ``loss = mean(w * -sum(t * log(q)))``.

    As in Keras, a row is divided by its sum and clipped to [1e-7, 1 - 1e-7]: ``q = clip(p / sum(p))``. Prefer
    `softmax_cross_entropy`, which needs neither.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Probabilities.
    target, sample_weight, rows_out, label_smoothing
        As of `softmax_cross_entropy`.
    dy_pred_out : ndarray, shape (B, C), optional
        Where the gradient goes.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, C)
        The gradient; clipped elements have no share of it.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.categorical_cross_entropy([[0.25, 0.75]], [1])
    >>> round(loss, 4)
    0.2877
    """
    smoothing = _checks.real(label_smoothing, "categorical_cross_entropy", "label_smoothing", 0, 1)
    return loss("categorical_cross_entropy", y_pred, target, sample_weight, rows_out, dy_pred_out,
                classes=True, label_smoothing=smoothing)


def sigmoid_binary_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of sigmoid outputs, with its gradient.

    ``loss = mean(w * mean(max(z, 0) - z * t + log(1 + exp(-abs(z)))))``, the inner mean over the outputs.

    Parameters
    ----------
    logits : array_like, shape (B, O)
        Outputs before the sigmoid; stable for any finite values.
    target : array_like, shape (B, O), or (B,) where O is 1
        Probabilities of 1, mostly 0 and 1 themselves.
    sample_weight : array_like, shape (B,), optional
        Weight of each row.
    rows_out : ndarray, shape (B,), optional
        Where the weighted losses of the rows go.
    dlogits_out : ndarray, shape (B, O), optional
        Where the gradient goes.
    label_smoothing : float
        Targets become ``t * (1 - label_smoothing) + label_smoothing / 2``.

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)
        ``(sigmoid(z) - t) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dlogits = nn.kernels.sigmoid_binary_cross_entropy([[0.0, 1e4]], [[1.0, 1.0]])
    >>> round(loss, 4)
    0.3466
    >>> dlogits
    array([[-0.25,  0.  ]], dtype=float32)
    """
    smoothing = _checks.real(label_smoothing, "sigmoid_binary_cross_entropy", "label_smoothing", 0, 1)
    return loss("sigmoid_binary_cross_entropy", logits, target, sample_weight, rows_out, dlogits_out,
                argument="logits", label_smoothing=smoothing)


def binary_cross_entropy(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Cross-entropy of independent probabilities, with its gradient.

    ``loss = mean(w * -mean(t * log(q) + (1 - t) * log(1 - q)))`` with ``q = clip(p, 1e-7, 1 - 1e-7)``, as in
    Keras. Prefer `sigmoid_binary_cross_entropy`, which need not clip.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Probabilities.
    target, sample_weight, rows_out, label_smoothing
        As of `sigmoid_binary_cross_entropy`.
    dy_pred_out : ndarray, shape (B, O), optional
        Where the gradient goes.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        The gradient; clipped elements have none.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.binary_cross_entropy([[0.5, 0.75]], [[0.0, 1.0]])
    >>> round(loss, 4)
    0.4904
    """
    smoothing = _checks.real(label_smoothing, "binary_cross_entropy", "label_smoothing", 0, 1)
    return loss("binary_cross_entropy", y_pred, target, sample_weight, rows_out, dy_pred_out,
                label_smoothing=smoothing)


def mean_squared_error(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Mean squared error, with its gradient: ``loss = mean(w * mean((p - t)**2))``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Predictions.
    target : array_like, shape (B, O), or (B,) where O is 1
        What they should be.
    sample_weight : array_like, shape (B,), optional
        Weight of each row.
    rows_out : ndarray, shape (B,), optional
        Where the weighted losses of the rows go.
    dy_pred_out : ndarray, shape (B, O), optional
        Where the gradient goes.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``2 * (p - t) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]])
    (2.0, array([[ 0., -2.]], dtype=float32))
    """
    return loss("mean_squared_error", y_pred, target, sample_weight, rows_out, dy_pred_out)
