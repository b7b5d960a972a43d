"""Losses between numbers in plain NumPy, each with its gradient in the same call, as those of `losses`."""

import numpy as np

from nncore.reference._common import Array, row_sum
from nncore.reference.losses import EPSILON, finish, like

__all__ = [
    "cosine_similarity",
    "exponential_poisson_deviance",
    "gaussian_nll",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "pinball",
    "poisson",
    "poisson_deviance",
]


def mean_absolute_error(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Absolute error, mean over the outputs of each row: ``mean(|y_pred - target|)``.

    The gradient of an element is the sign of the difference, 0 at 0, times ``weight / (B * O)``.

    Parameters
    ----------
    y_pred, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, O), optional

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)

    Examples
    --------
    >>> mean_absolute_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    (1.5, array([[0. , 0.5]]))
    """
    d = y_pred - like(target, y_pred)
    return finish(np.abs(d).mean(axis=1), np.sign(d) / d.shape[1], sample_weight, rows_out, dy_pred_out)


def mean_absolute_percentage_error(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Error in percent of the target, which counts at least 1e-7.

    Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> mean_absolute_percentage_error(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    (75.0, array([[ 0., 25.]]))
    """
    t = like(target, y_pred)
    d, size = y_pred - t, np.maximum(np.abs(t), y_pred.dtype.type(EPSILON))
    rows = 100 * np.abs(d / size).mean(axis=1)
    return finish(rows, 100 * np.sign(d) / size / d.shape[1], sample_weight, rows_out, dy_pred_out)


def mean_squared_logarithmic_error(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Squared difference of ``log(1 + y)``, where y is at least 1e-7.

    Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> mean_squared_logarithmic_error(np.array([[np.e - 1]]), np.array([[0.0]]))[0].__round__(4)
    1.0
    """
    t = like(target, y_pred)
    low = y_pred.dtype.type(EPSILON)
    p = np.maximum(y_pred, low)
    d = np.log1p(p) - np.log1p(np.maximum(t, low))
    gradient = np.where(y_pred < low, 0, 2 * d / (p + 1))
    return finish((d * d).mean(axis=1), gradient / d.shape[1], sample_weight, rows_out, dy_pred_out)


def huber(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    delta: float = 1.0,
) -> tuple[float, Array]:
    """Half the squared error up to `delta`, and beyond it the line that goes on from there.

    Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> huber(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))
    (1.3125, array([[0.25, 0.5 ]]))
    """
    d = y_pred - like(target, y_pred)
    rows = np.where(np.abs(d) <= delta, d * d / 2, delta * np.abs(d) - delta**2 / 2).mean(axis=1)
    return finish(rows, np.clip(d, -delta, delta) / d.shape[1], sample_weight, rows_out, dy_pred_out)


def log_cosh(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """``log(cosh(d))`` of the difference d, whose derivative is ``tanh(d)``.

    Small differences as ``-log(1 - tanh(d)**2) / 2``, others as ``|d| - log(2) + log(1 + exp(-2 |d|))``: each
    form loses its digits where the other is good. Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> log_cosh(np.array([[1000.0]]), np.array([[0.0]]))[0].__round__(4)
    999.3069
    """
    d = y_pred - like(target, y_pred)
    size, slope = np.abs(d), np.tanh(d)
    near = -np.log1p(-(np.tanh(np.minimum(size, 1)) ** 2)) / 2
    far = size - np.log(d.dtype.type(2)) + np.log1p(np.exp(-2 * size))
    rows = np.where(size < 1, near, far).mean(axis=1)
    return finish(rows, slope / d.shape[1], sample_weight, rows_out, dy_pred_out)


def pinball(
    y_pred: Array,
    target: Array,
    quantiles: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Pinball loss of Q quantiles of O targets: with ``d = target - y_pred`` it is ``max(q d, (q - 1) d)``.

    Parameters
    ----------
    y_pred : ndarray, shape (B, O * Q)
    target : ndarray, shape (B, O)
    quantiles : ndarray, shape (Q,)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, O * Q), optional

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O * Q)

    Examples
    --------
    >>> pinball(np.array([[0.0, 2.0]]), np.array([[1.0]]), np.array([0.25, 0.75]))
    (0.25, array([[-0.125,  0.125]]))
    """
    rows, q = len(y_pred), quantiles.astype(y_pred.dtype, copy=False)
    d = target.astype(y_pred.dtype, copy=False).reshape(rows, -1, 1) - y_pred.reshape(rows, -1, q.size)
    value = np.where(d >= 0, q * d, (q - 1) * d).reshape(y_pred.shape)
    slope = np.where(d > 0, -q, np.where(d < 0, 1 - q, d)).reshape(y_pred.shape)
    return finish(value.mean(axis=1), slope / y_pred.shape[1], sample_weight, rows_out, dy_pred_out)


def poisson(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Negative log-likelihood of counts: ``mean(y_pred - target * log(y_pred + 1e-7))``.

    Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> poisson(np.array([[2.0]]), np.array([[0.0]]))
    (2.0, array([[1.]]))
    """
    t = like(target, y_pred)
    rate = y_pred + y_pred.dtype.type(EPSILON)
    rows = (y_pred - t * np.log(rate)).mean(axis=1)
    return finish(rows, (1 - t / rate) / t.shape[1], sample_weight, rows_out, dy_pred_out)


def poisson_deviance(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Half the Poisson deviance: ``mean(target * log(target / y_pred) - target + y_pred)``, y_pred where a target is 0.

    A negative output is nan. Parameters and returns as of `mean_absolute_error`.

    Examples
    --------
    >>> poisson_deviance(np.array([[2.0]]), np.array([[0.0]]))
    (2.0, array([[1.]]))
    """
    t = like(target, y_pred)
    p = np.where(y_pred < 0, y_pred.dtype.type(np.nan), y_pred)
    rows = (t * np.log(np.where(t == 0, 1, t / p)) + (p - t)).mean(axis=1)
    return finish(rows, (1 - t / p) / t.shape[1], sample_weight, rows_out, dy_pred_out)


def exponential_poisson_deviance(
    logits: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
) -> tuple[float, Array]:
    """Half the Poisson deviance of ``exp(logits)``: `poisson_deviance` without a quotient.

    Parameters
    ----------
    logits, target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dlogits_out : ndarray, shape (B, O), optional

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)

    Examples
    --------
    >>> exponential_poisson_deviance(np.array([[0.0, -1e4]]), np.array([[1.0, 0.0]]))
    (0.0, array([[0., 0.]]))
    """
    t = like(target, logits)
    d = np.exp(logits) - t
    rows = (np.where(t == 0, 0, t * (np.log(np.where(t == 0, 1, t)) - logits)) + d).mean(axis=1)
    return finish(rows, d / t.shape[1], sample_weight, rows_out, dlogits_out)


def gaussian_nll(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    full: bool = False,
    eps: float = 1e-6,
) -> tuple[float, Array]:
    """Negative log-likelihood of normal distributions: half of ``log(v) + (m - target)**2 / v``.

    The variance v counts at least `eps`, but its gradient is that without this bound. A negative one is nan.

    Parameters
    ----------
    y_pred : ndarray, shape (B, 2 * O)
        The means m, then the variances v.
    target : ndarray, shape (B, O)
    sample_weight : ndarray, shape (B,), optional
    rows_out : ndarray, shape (B,), optional
    dy_pred_out : ndarray, shape (B, 2 * O), optional
    full : bool
        Whether ``log(2 pi) / 2`` is added.
    eps : float

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, 2 * O)

    Examples
    --------
    >>> gaussian_nll(np.array([[1.0, 1.0]]), np.array([[3.0]]))
    (2.0, array([[-2. , -1.5]]))
    """
    outputs = y_pred.shape[1] // 2
    t = target.astype(y_pred.dtype, copy=False).reshape(-1, outputs)
    mean, given = y_pred[:, :outputs], y_pred[:, outputs:]
    v = np.where(given < 0, y_pred.dtype.type(np.nan), np.maximum(given, y_pred.dtype.type(eps)))
    d = mean - t
    rows = ((np.log(v) + d * (d / v)) / 2).mean(axis=1)
    if full:
        rows += y_pred.dtype.type(np.log(2 * np.pi) / 2)
    gradient = np.concatenate([d / v, (1 / v - (d / v) ** 2) / 2], axis=1)
    return finish(rows, gradient / outputs, sample_weight, rows_out, dy_pred_out)


def cosine_similarity(
    y_pred: Array,
    target: Array,
    sample_weight: Array | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Negative cosine of the angle between the rows of `y_pred` and `target`; norms count at least 1e-7.

    Parameters and returns as of `mean_absolute_error`; the value of a row is no mean over its outputs.

    Examples
    --------
    >>> cosine_similarity(np.array([[3.0, 4.0]]), np.array([[6.0, 8.0]]))[0].__round__(4)
    -1.0
    """
    t = like(target, y_pred)
    low = y_pred.dtype.type(EPSILON)
    norm = np.sqrt(row_sum(y_pred * y_pred))
    a, b = 1 / np.maximum(norm, low), 1 / np.maximum(np.sqrt(row_sum(t * t)), low)
    rows = -(a * b) * row_sum(y_pred * t)
    gradient = np.where(norm > low, -rows * a * a, 0) * y_pred - a * b * t
    return finish(rows[:, 0], gradient, sample_weight, rows_out, dy_pred_out)
