"""Factorization machines in plain NumPy (Rendle 2010): the second-order part."""

import numpy as np

from nncore.reference._common import Array, filled

__all__ = [
    "factorization_machine_backward_input",
    "factorization_machine_backward_params",
    "factorization_machine_forward",
    "fm_interaction_backward",
    "fm_interaction_forward",
]


def _before(t: Array) -> Array:
    """Return the sums of what comes before each element along axis 1."""
    return np.concatenate([np.zeros_like(t[:, :1]), np.cumsum(t, axis=1)[:, :-1]], axis=1)


def _pairs(t: Array) -> Array:
    """Sum of ``t[:, i] * t[:, j]`` over i < j and the last axis: each term times the sum of those before it."""
    total: Array = (_before(t) * t).sum(axis=(1, 2))[:, None]
    return total


def factorization_machine_forward(
    x: Array, v: Array, y_out: Array | None = None, s_out: Array | None = None
) -> tuple[Array, Array]:
    """Second-order part of a factorization machine: ``y = sum over i < j of <v[i], v[j]> x[i] x[j]``.

    Parameters
    ----------
    x : ndarray, shape (B, I)
    v : ndarray, shape (I, K)
    y_out : ndarray, shape (B, 1), optional
    s_out : ndarray, shape (B, K), optional

    Returns
    -------
    y : ndarray, shape (B, 1)
    s : ndarray, shape (B, K)
        ``x @ v``

    Examples
    --------
    >>> factorization_machine_forward(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [10.0], [100.0]]))
    (array([[6320.]]), array([[321.]]))
    """
    return filled(y_out, _pairs(x[:, :, None] * v)), filled(s_out, x @ v)


def factorization_machine_backward_input(
    dy: Array, x: Array, v: Array, s: Array, dx_out: Array | None = None
) -> Array:
    """Gradient of the features: ``dx[i] = dy * sum over f of v[i, f] (s[f] - v[i, f] x[i])``.

    Parameters
    ----------
    dy : ndarray, shape (B, 1)
    x : ndarray, shape (B, I)
    v : ndarray, shape (I, K)
    s : ndarray, shape (B, K)
    dx_out : ndarray, shape (B, I), optional

    Returns
    -------
    ndarray, shape (B, I)

    Examples
    --------
    >>> x, v = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [10.0], [100.0]])
    >>> factorization_machine_backward_input(np.array([[1.0]]), x, v, x @ v)
    array([[ 320., 3010., 2100.]])
    """
    others = s[:, None, :] - x[:, :, None] * v
    return filled(dx_out, dy * (v * others).sum(axis=2))


def factorization_machine_backward_params(
    dy: Array, x: Array, v: Array, s: Array, dv_out: Array | None = None
) -> Array:
    """Gradient of the factors: ``dv[i, f] = sum over the batch of dy x[i] (s[f] - v[i, f] x[i])``.

    Parameters
    ----------
    dy : ndarray, shape (B, 1)
    x : ndarray, shape (B, I)
    v : ndarray, shape (I, K)
    s : ndarray, shape (B, K)
    dv_out : ndarray, shape (I, K), optional

    Returns
    -------
    ndarray, shape (I, K)

    Examples
    --------
    >>> x, v = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [10.0], [100.0]])
    >>> factorization_machine_backward_params(np.array([[1.0]]), x, v, x @ v).ravel()
    array([320., 602.,  63.])
    """
    others = s[:, None, :] - x[:, :, None] * v
    return filled(dv_out, ((dy * x)[:, :, None] * others).sum(axis=0))


def fm_interaction_forward(x: Array, y_out: Array | None = None) -> Array:
    """Sum of the scalar products of all pairs of fields: ``y = sum over i < j of <x[i], x[j]>``.

    Parameters
    ----------
    x : ndarray, shape (B, F, K)
    y_out : ndarray, shape (B, 1), optional

    Returns
    -------
    ndarray, shape (B, 1)

    Examples
    --------
    >>> fm_interaction_forward(np.array([[[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]]]))
    array([[10.]])
    """
    return filled(y_out, _pairs(x))


def fm_interaction_backward(dy: Array, x: Array, dx_out: Array | None = None) -> Array:
    """Gradient of the fields: ``dx[i] = dy * (sum of the other fields)``.

    Parameters
    ----------
    dy : ndarray, shape (B, 1)
    x : ndarray, shape (B, F, K)
    dx_out : ndarray, shape (B, F, K), optional

    Returns
    -------
    ndarray, shape (B, F, K)

    Examples
    --------
    >>> fm_interaction_backward(np.array([[2.0]]), np.array([[[1.0], [10.0], [100.0]]])).ravel()
    array([220., 202.,  22.])
    """
    others = _before(x) + _before(x[:, ::-1])[:, ::-1]
    return filled(dx_out, dy[:, :, None] * others)
