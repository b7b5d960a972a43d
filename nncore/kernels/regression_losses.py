"""Losses between numbers, with their gradient in one pass."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array
from nncore.kernels.losses import loss

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
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Mean absolute error, with its gradient: ``loss = mean(w * mean(|p - t|))``.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``sign(p - t) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.mean_absolute_error([[1.0, 2.0]], [[1.0, 4.0]])
    (1.0, array([[ 0. , -0.5]], dtype=float32))
    """
    return loss("mean_absolute_error", y_pred, target, sample_weight, rows_out, dy_pred_out)


def mean_absolute_percentage_error(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Mean error in percent of the target: ``loss = mean(w * 100 * mean(|p - t| / max(|t|, 1e-7)))``.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``100 * sign(p - t) / max(|t|, 1e-7) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.mean_absolute_percentage_error([[1.0, 2.0]], [[1.0, 4.0]])
    (25.0, array([[  0. , -12.5]], dtype=float32))
    """
    return loss("mean_absolute_percentage_error", y_pred, target, sample_weight, rows_out, dy_pred_out)


def mean_squared_logarithmic_error(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Mean squared difference of logarithms: ``mean(w * mean((log(1 + p) - log(1 + t))**2))``.

    As in Keras, p and t are at least 1e-7.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``2 * (log(1 + p) - log(1 + t)) / (1 + p) * w / (B * O)``, 0 where p is below 1e-7.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.mean_squared_logarithmic_error([[1.0, 0.0]], [[3.0, 0.0]])
    >>> round(loss, 4)
    0.2402
    """
    return loss("mean_squared_logarithmic_error", y_pred, target, sample_weight, rows_out, dy_pred_out)


def huber(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    delta: float = 1.0,
) -> tuple[float, Array]:
    """Huber's loss: half the square up to `delta`, a straight line beyond.

    With ``d = p - t``: ``mean(w * mean(d**2 / 2 if |d| <= delta else delta * |d| - delta**2 / 2))``.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.
    delta : float
        Above 0.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``clip(d, -delta, delta) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.huber([[0.5, 3.0]], [[0.0, 0.0]])
    (1.3125, array([[0.25, 0.5 ]], dtype=float32))
    """
    delta = _checks.positive(delta, "huber", "delta")
    return loss("huber", y_pred, target, sample_weight, rows_out, dy_pred_out, delta=delta)


def log_cosh(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Logarithm of the hyperbolic cosine of the error: ``loss = mean(w * mean(log(cosh(p - t))))``.

    Nearly half the square of a small error and ``|p - t| - log(2)`` of a large one; exact in both.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``tanh(p - t) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.log_cosh([[100.0]], [[0.0]])
    >>> round(loss, 4), dy_pred
    (99.3069, array([[1.]], dtype=float32))
    """
    return loss("log_cosh", y_pred, target, sample_weight, rows_out, dy_pred_out)


def pinball(
    y_pred: ArrayLike,
    target: ArrayLike,
    quantiles: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Pinball loss, which quantiles minimize; one or several quantiles of each target at once.

    With ``d = t - p`` and the quantile q, an element is ``q * d`` where d is at least 0, else ``(q - 1) * d``.
    The loss is the mean over all O * Q outputs of a row, times w, and over the rows.

    Parameters
    ----------
    y_pred : array_like, shape (B, O * Q)
        The quantiles of target 0, then those of target 1 ...: ``y_pred.reshape(B, O, Q)``.
    target : array_like, shape (B, O), or (B,) where O is 1
        What was observed.
    quantiles : array_like, shape (Q,)
        Each between 0 and 1.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O * Q)
        -q where p is below the target, 1 - q where it is above, 0 on it; times ``w / (B * O * Q)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.pinball([[0.0, 2.0]], [[1.0]], [0.25, 0.75])
    (0.25, array([[-0.125,  0.125]], dtype=float32))
    """
    return loss("pinball", y_pred, target, sample_weight, rows_out, dy_pred_out, quantiles=quantiles)


def poisson(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Negative log-likelihood of counts, but for a constant: ``mean(w * mean(p - t * log(p + 1e-7)))``.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Expected counts; a negative one gives nan.
    target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``(1 - t / (p + 1e-7)) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.poisson([[2.0]], [[1.0]])
    >>> round(loss, 4), dy_pred
    (1.3069, array([[0.5]], dtype=float32))
    """
    return loss("poisson", y_pred, target, sample_weight, rows_out, dy_pred_out)


def poisson_deviance(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Half the Poisson deviance: ``mean(w * mean(t * log(t / p) - t + p))``, of which a target of 0 leaves p.

    Prefer `exponential_poisson_deviance`, which has no quotient that overflows.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Expected counts, above 0; a negative one gives nan.
    target : array_like, shape (B, O), or (B,) where O is 1
        Counts, or other numbers that are not negative.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``(1 - t / p) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.poisson_deviance([[2.0]], [[1.0]])
    >>> round(loss, 4), dy_pred
    (0.3069, array([[0.5]], dtype=float32))
    """
    return loss("poisson_deviance", y_pred, target, sample_weight, rows_out, dy_pred_out)


def exponential_poisson_deviance(
    logits: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
) -> tuple[float, Array]:
    """Half the Poisson deviance of exp(z): ``mean(w * mean(t * (log(t) - z) - t + exp(z)))``.

    Parameters
    ----------
    logits : array_like, shape (B, O)
        Logarithms z of the expected counts: outputs before the exponential.
    target : array_like, shape (B, O), or (B,) where O is 1
        Counts, or other numbers that are not negative; 0 leaves ``exp(z)``.
    sample_weight, rows_out, dlogits_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)
        ``(exp(z) - t) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.exponential_poisson_deviance([[0.0, -1e4]], [[1.0, 0.0]])
    (0.0, array([[0., 0.]], dtype=float32))
    """
    return loss("exponential_poisson_deviance", logits, target, sample_weight, rows_out, dlogits_out, argument="logits")


def gaussian_nll(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    full: bool = False,
    eps: float = 1e-6,
) -> tuple[float, Array]:
    """Negative log-likelihood of normal distributions whose means and variances are predicted.

    ``mean(w * mean((log(v) + (m - t)**2 / v) / 2))`` with ``v = max(variance, eps)``, as PyTorch's
    ``GaussianNLLLoss``.

    Parameters
    ----------
    y_pred : array_like, shape (B, 2 * O)
        The O means, then the O variances; a negative variance gives nan.
    target : array_like, shape (B, O), or (B,) where O is 1
        What was observed.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.
    full : bool
        Whether the constant ``log(2 * pi) / 2`` is added.
    eps : float
        The least variance.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, 2 * O)
        ``(m - t) / v`` and ``(1 / v - ((m - t) / v)**2) / 2``, times ``w / (B * O)``; that of the variances as
        if `eps` did not bound them, so that one below it can grow.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.gaussian_nll([[1.0, 1.0]], [[3.0]])
    (2.0, array([[-2. , -1.5]], dtype=float32))
    """
    eps = _checks.positive(eps, "gaussian_nll", "eps")
    full = _checks.boolean(full, "gaussian_nll", "full")
    return loss("gaussian_nll", y_pred, target, sample_weight, rows_out, dy_pred_out, halves=True, full=full, eps=eps)


def cosine_similarity(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Negative cosine of the angle between prediction and target: ``mean(w * -sum(p * t) / (|p| * |t|))``.

    As in Keras, a norm is at least 1e-7.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
        -1 where all point the same way.
    dy_pred : ndarray, shape (B, O)
        ``-(t / |t| + l * p / |p|) / |p| * w / B`` with the row's value l.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.cosine_similarity([[1.0, 0.0]], [[0.0, 2.0]])
    (0.0, array([[ 0., -1.]], dtype=float32))
    """
    return loss("cosine_similarity", y_pred, target, sample_weight, rows_out, dy_pred_out)
