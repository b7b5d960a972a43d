"""Normalization in plain NumPy: over the batch, over each row, and by numbers that are known before.

Means and variances are taken of the distances from the first row (or the first element of a row): an offset that
all share, 1e9 say, then costs no digits.
"""

import numpy as np

from nncore.reference._common import Array, filled, row_sum
from nncore.reference.activations import bias_activation_forward

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


def _moments(x: Array, axis: int) -> tuple[Array, Array]:
    """Return mean and biased variance in float64, with `axis` kept."""
    first = x.take([0], axis).astype(np.float64)
    d = x - first
    return first + d.mean(axis, keepdims=True), d.var(axis, keepdims=True)


def _vector(a: Array | None, default: float, like: Array) -> Array:
    return np.full(like.shape[1], default, like.dtype) if a is None else a


def batch_normalization_forward(
    x: Array,
    moving_mean: Array,
    moving_variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    y_out: Array | None = None,
    mean_out: Array | None = None,
    inverse_out: Array | None = None,
    moving_mean_out: Array | None = None,
    moving_variance_out: Array | None = None,
    momentum: float = 0.99,
    epsilon: float = 0.001,
    activation: str = "linear",
    alpha: float | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Batch normalization in training: ``y = activation((x - mean) / sqrt(variance + epsilon) * gamma + beta)``.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    moving_mean, moving_variance : ndarray, shape (C,)
    gamma, beta : ndarray, shape (C,), optional
    y_out, mean_out, inverse_out, moving_mean_out, moving_variance_out : ndarray, optional
    momentum, epsilon : float
    activation : str
    alpha : float, optional

    Returns
    -------
    y : ndarray, shape (B, C)
    mean, inverse, moving_mean, moving_variance : ndarray, shape (C,)

    Examples
    --------
    >>> y, mean, inverse, *moving = batch_normalization_forward(
    ...     np.array([[1.0], [3.0]]), np.array([0.0]), np.array([1.0]), epsilon=0
    ... )
    >>> y.ravel(), mean, inverse, moving
    (array([-1.,  1.]), array([2.]), array([1.]), [array([0.02]), array([1.])])
    """
    mean, variance = (a[0] for a in _moments(x, 0))
    inverse = (1 / np.sqrt(variance + epsilon)).astype(x.dtype)
    z = (x - mean.astype(x.dtype)) * (inverse * _vector(gamma, 1, x))
    new_mean = momentum * moving_mean + (1 - momentum) * mean
    new_variance = momentum * moving_variance + (1 - momentum) * variance
    return (
        filled(y_out, bias_activation_forward(z, _vector(beta, 0, x), None, activation, alpha)),
        filled(mean_out, mean.astype(x.dtype)),
        filled(inverse_out, inverse),
        filled(moving_mean_out, new_mean.astype(x.dtype)),
        filled(moving_variance_out, new_variance.astype(x.dtype)),
    )


def batch_normalization_backward(
    dy: Array,
    x: Array,
    mean: Array,
    inverse: Array,
    gamma: Array | None = None,
    dx_out: Array | None = None,
    dgamma_out: Array | None = None,
    dbeta_out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_normalization_forward`: mean and variance depend on every row of the batch.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (C,)
    gamma : ndarray, shape (C,), optional
    dx_out, dgamma_out, dbeta_out : ndarray, optional

    Returns
    -------
    dx : ndarray, shape (B, C)
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> one, two = np.array([1.0]), np.array([2.0])
    >>> dx, dgamma, dbeta = batch_normalization_backward(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), two, one)
    >>> dx.ravel(), dgamma, dbeta
    (array([0., 0.]), array([1.]), array([3.]))
    """
    B = len(x)
    d = x - mean
    dbeta, dgamma = dy.sum(axis=0), (dy * d).sum(axis=0) * inverse
    dx = inverse * _vector(gamma, 1, x) * (dy - dbeta / B - d * (dgamma / B * inverse)) if B else dy
    return filled(dx_out, dx), filled(dgamma_out, dgamma), filled(dbeta_out, dbeta)


def batch_normalization_backward_params(
    dy: Array,
    x: Array,
    mean: Array,
    variance: Array,
    dgamma_out: Array | None = None,
    dbeta_out: Array | None = None,
    epsilon: float = 0.001,
) -> tuple[Array, Array]:
    """Gradients of scale and offset of `batch_normalization`, where mean and variance are given.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    mean, variance : ndarray, shape (C,)
    dgamma_out, dbeta_out : ndarray, shape (C,), optional
    epsilon : float

    Returns
    -------
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> two, four = np.array([2.0]), np.array([4.0])
    >>> batch_normalization_backward_params(np.array([[1.0], [2.0]]), np.array([[1.0], [5.0]]), two, four, epsilon=0)
    (array([2.5]), array([3.]))
    """
    inverse = (1 / np.sqrt(variance.astype(np.float64) + epsilon)).astype(x.dtype)
    dgamma = (dy * (x - mean)).sum(axis=0) * inverse
    return filled(dgamma_out, dgamma), filled(dbeta_out, dy.sum(axis=0))


def batch_normalization(
    x: Array,
    mean: Array | None,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    y_out: Array | None = None,
    epsilon: float = 0.001,
    activation: str = "linear",
    alpha: float | None = None,
) -> Array:
    """Batch normalization in inference: ``y = activation((x - mean) / sqrt(variance + epsilon) * gamma + beta)``.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    mean : ndarray, shape (C,), or None
    variance : ndarray, shape (C,)
    gamma, beta : ndarray, shape (C,), optional
    y_out : ndarray, shape (B, C), optional
    epsilon : float
    activation : str
    alpha : float, optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> batch_normalization(np.array([[5.0]]), np.array([1.0]), np.array([4.0]), epsilon=0)
    array([[2.]])
    """
    factor = (1 / np.sqrt(variance.astype(np.float64) + epsilon)).astype(x.dtype) * _vector(gamma, 1, x)
    z = (x - _vector(mean, 0, x)) * factor
    return filled(y_out, bias_activation_forward(z, _vector(beta, 0, x), None, activation, alpha))


def normalization_forward(x: Array, mean: Array | None, variance: Array, index: Array | None = None,
                          y_out: Array | None = None, invert: bool = False) -> Array:
    """Columns brought to mean 0 and spread 1: ``y = (x - mean) / max(sqrt(variance), 1e-7)``, or back again.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    mean : ndarray, shape (N,), or None
    variance : ndarray, shape (N,)
    index : ndarray of int, shape (C,), optional
        Which mean and variance belongs to each element of a row.
    y_out : ndarray of x's shape, optional
    invert : bool

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> normalization_forward(np.array([[5.0, 3.0]]), np.array([1.0]), np.array([4.0]), np.array([0, 0]))
    array([[2., 1.]])
    """
    mean = np.zeros_like(variance) if mean is None else mean
    mean, spread = mean.ravel(), np.maximum(np.sqrt(variance), x.dtype.type(1e-7)).ravel()
    if index is not None:
        mean, spread = mean[index], spread[index]
    mean, spread = mean.reshape(x.shape[1:]), spread.reshape(x.shape[1:])
    return filled(y_out, x * spread + mean if invert else (x - mean) / spread)


def rescaling_forward(x: Array, scale: Array, offset: Array | None = None, y_out: Array | None = None) -> Array:
    """Scale and offset for each column: ``y = x * scale + offset``.

    Parameters
    ----------
    x : ndarray, shape (B, ...)
    scale : ndarray, shape (C,)
    offset : ndarray, shape (C,), optional
    y_out : ndarray of x's shape, optional

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> rescaling_forward(np.array([[2.0, 3.0]]), np.array([0.5, 1.0]), np.array([0.0, -1.0]))
    array([[1., 2.]])
    """
    offset = np.zeros_like(scale) if offset is None else offset
    return filled(y_out, x * scale.reshape(x.shape[1:]) + offset.reshape(x.shape[1:]))


def layer_normalization_forward(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    y_out: Array | None = None,
    mean_out: Array | None = None,
    inverse_out: Array | None = None,
    epsilon: float = 0.001,
) -> tuple[Array, Array, Array]:
    """Layer normalization: ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta``, mean and variance per row.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    gamma, beta : ndarray, shape (C,), optional
    y_out, mean_out, inverse_out : ndarray, optional
    epsilon : float

    Returns
    -------
    y : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (B, 1)

    Examples
    --------
    >>> layer_normalization_forward(np.array([[1.0, 3.0]]), epsilon=0)
    (array([[-1.,  1.]]), array([[2.]]), array([[1.]]))
    """
    mean, variance = _moments(x, 1)
    mean, inverse = mean.astype(x.dtype), (1 / np.sqrt(variance + epsilon)).astype(x.dtype)
    y = (x - mean) * inverse * _vector(gamma, 1, x) + _vector(beta, 0, x)
    return filled(y_out, y), filled(mean_out, mean), filled(inverse_out, inverse)


def layer_normalization_backward_input(dy: Array, x: Array, mean: Array, inverse: Array, gamma: Array | None = None,
                                       dx_out: Array | None = None) -> Array:
    """Gradient of the input of `layer_normalization_forward`.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (B, 1)
    gamma : ndarray, shape (C,), optional
    dx_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> one, two = np.array([[1.0]]), np.array([[2.0]])
    >>> layer_normalization_backward_input(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), two, one)
    array([[0., 0.]])
    """
    C = x.shape[1]
    g, u = dy * _vector(gamma, 1, x), (x - mean) * inverse
    return filled(dx_out, inverse * (g - row_sum(g) / C - u * (row_sum(g * u) / C)) if C else dy)


def layer_normalization_backward_params(
    dy: Array, x: Array, mean: Array, inverse: Array, dgamma_out: Array | None = None,
    dbeta_out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of scale and offset: ``dgamma = (dy * u).sum(axis=0)``, ``dbeta = dy.sum(axis=0)``.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    mean, inverse : ndarray, shape (B, 1)
    dgamma_out, dbeta_out : ndarray, shape (C,), optional

    Returns
    -------
    dgamma, dbeta : ndarray, shape (C,)

    Examples
    --------
    >>> one, two = np.array([[1.0]]), np.array([[2.0]])
    >>> layer_normalization_backward_params(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), two, one)
    (array([-1.,  2.]), array([1., 2.]))
    """
    u = (x - mean) * inverse
    return filled(dgamma_out, (dy * u).sum(axis=0)), filled(dbeta_out, dy.sum(axis=0))


def rms_normalization_forward(x: Array, scale: Array | None = None, y_out: Array | None = None,
                              inverse_out: Array | None = None, epsilon: float = 1e-6) -> tuple[Array, Array]:
    """RMS normalization: ``y = x / sqrt(mean(x**2) + epsilon) * scale``, the mean over each row.

    Parameters
    ----------
    x : ndarray, shape (B, C)
    scale : ndarray, shape (C,), optional
    y_out, inverse_out : ndarray, optional
    epsilon : float

    Returns
    -------
    y : ndarray, shape (B, C)
    inverse : ndarray, shape (B, 1)

    Examples
    --------
    >>> rms_normalization_forward(np.array([[3.0, 4.0, 0.0, 0.0]]), epsilon=0)
    (array([[1.2, 1.6, 0. , 0. ]]), array([[0.4]]))
    """
    inverse = (1 / np.sqrt((x.astype(np.float64) ** 2).mean(axis=1, keepdims=True) + epsilon)).astype(x.dtype)
    y = x * inverse * _vector(scale, 1, x)
    return filled(y_out, y), filled(inverse_out, inverse)


def rms_normalization_backward_input(dy: Array, x: Array, inverse: Array, scale: Array | None = None,
                                     dx_out: Array | None = None) -> Array:
    """Gradient of the input of `rms_normalization_forward`.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    inverse : ndarray, shape (B, 1)
    scale : ndarray, shape (C,), optional
    dx_out : ndarray, shape (B, C), optional

    Returns
    -------
    ndarray, shape (B, C)

    Examples
    --------
    >>> rms_normalization_backward_input(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]), np.array([[1.0]]))
    array([[ 0.5, -0.5]])
    """
    C = x.shape[1]
    g, u = dy * _vector(scale, 1, x), x * inverse
    return filled(dx_out, inverse * (g - u * (row_sum(g * u) / C)) if C else dy)


def rms_normalization_backward_params(dy: Array, x: Array, inverse: Array,
                                      dscale_out: Array | None = None) -> Array:
    """Gradient of the scale of `rms_normalization_forward`: ``dscale = (dy * x * inverse).sum(axis=0)``.

    Parameters
    ----------
    dy, x : ndarray, shape (B, C)
    inverse : ndarray, shape (B, 1)
    dscale_out : ndarray, shape (C,), optional

    Returns
    -------
    ndarray, shape (C,)

    Examples
    --------
    >>> rms_normalization_backward_params(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), np.array([[0.5]]))
    array([0.5, 3. ])
    """
    return filled(dscale_out, (dy * (x * inverse)).sum(axis=0))
