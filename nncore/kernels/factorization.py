"""Factorization machines: the second-order part, for features with trained factors and for embedded fields."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore.kernels._front import Array, Outputs, arrays, run

__all__ = [
    "factorization_machine_backward_input",
    "factorization_machine_backward_params",
    "factorization_machine_forward",
    "fm_interaction_backward",
    "fm_interaction_forward",
]


def _shape(where: str, name: str, array: Array, wanted: tuple[int, ...], because: str) -> None:
    if array.shape != wanted:
        raise ValueError(f"{where}: {name} must have shape {wanted}, as {because}, got {array.shape}")


def _factors(where: str, x: Array, v: Array) -> tuple[int, int, int]:
    if x.shape[1] != v.shape[0]:
        raise ValueError(f"{where}: x has {x.shape[1]} columns but v has {v.shape[0]} rows")
    return (*x.shape, v.shape[1])


def factorization_machine_forward(
    x: ArrayLike, v: ArrayLike, y_out: Array | None = None, s_out: Array | None = None
) -> tuple[Array, Array]:
    """Second-order part of a factorization machine: ``y = sum over i < j of <v[i], v[j]> x[i] x[j]``.

    Parameters
    ----------
    x : array_like, shape (B, I)
        Features.
    v : array_like, shape (I, K)
        K factors for each of them.
    y_out : ndarray, shape (B, 1), optional
        Where the result goes.
    s_out : ndarray, shape (B, K), optional
        Where the sums go.

    Returns
    -------
    y : ndarray, shape (B, 1)
    s : ndarray, shape (B, K)
        ``x @ v``, which the gradients need.

    Notes
    -----
    Rendle (2010) writes ``(s**2 - sum of (x v)**2) / 2``, which costs O(I K) too and cancels; here the sum runs
    over products of a feature and the partial sum before it. See ``docs/bits.md``.

    Examples
    --------
    >>> import nncore as nn
    >>> y, s = nn.kernels.factorization_machine_forward([[1.0, 2.0, 3.0]], [[1.0], [10.0], [100.0]])
    >>> y, s  # 1 * 20 + 1 * 300 + 20 * 300
    (array([[6320.]], dtype=float32), array([[321.]], dtype=float32))
    """
    where = "factorization_machine_forward"
    x, v = arrays(where, x=(x, 2), v=(v, 2))
    rows, features, factors = _factors(where, x, v)
    outputs = Outputs(where, x.dtype, (x, v))
    y, s = outputs.array("y_out", y_out, (rows, 1)), outputs.array("s_out", s_out, (rows, factors))
    if rows:
        run(where, rows, (x, v, y, s), (features, factors), dtype=x.dtype)
    return outputs.finish(y, s)


def factorization_machine_backward_input(
    dy: ArrayLike, x: ArrayLike, v: ArrayLike, s: ArrayLike, dx_out: Array | None = None
) -> Array:
    """Gradient of the features: ``dx[i] = dy * sum over f of v[i, f] (s[f] - v[i, f] x[i])``.

    Parameters
    ----------
    dy : array_like, shape (B, 1)
        Gradient of the result.
    x : array_like, shape (B, I)
        Features.
    v : array_like, shape (I, K)
        Factors.
    s : array_like, shape (B, K)
        The sums that `factorization_machine_forward` returned.
    dx_out : ndarray, shape (B, I), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, I)

    Examples
    --------
    >>> import nncore as nn
    >>> x, v = [[1.0, 2.0, 3.0]], [[1.0], [10.0], [100.0]]
    >>> y, s = nn.kernels.factorization_machine_forward(x, v)
    >>> nn.kernels.factorization_machine_backward_input([[1.0]], x, v, s)
    array([[ 320., 3010., 2100.]], dtype=float32)
    """
    where = "factorization_machine_backward_input"
    dy, x, v, s = arrays(where, dy=(dy, 2), x=(x, 2), v=(v, 2), s=(s, 2))
    rows, features, factors = _factors(where, x, v)
    _shape(where, "dy", dy, (rows, 1), f"x has shape {x.shape}")
    _shape(where, "s", s, (rows, factors), f"x has shape {x.shape} and v {v.shape}")
    outputs = Outputs(where, x.dtype, (dy, x, v, s))
    dx = outputs.array("dx_out", dx_out, x.shape)
    if dx.size:
        run(where, rows, (dy, x, v, s, dx), (features, factors), dtype=x.dtype)
    return outputs.finish(dx)


def factorization_machine_backward_params(
    dy: ArrayLike, x: ArrayLike, v: ArrayLike, s: ArrayLike, dv_out: Array | None = None
) -> Array:
    """Gradient of the factors: ``dv[i, f] = sum over the batch of dy x[i] (s[f] - v[i, f] x[i])``.

    Parameters
    ----------
    dy : array_like, shape (B, 1)
        Gradient of the result.
    x : array_like, shape (B, I)
        Features.
    v : array_like, shape (I, K)
        Factors.
    s : array_like, shape (B, K)
        The sums that `factorization_machine_forward` returned.
    dv_out : ndarray, shape (I, K), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (I, K)

    Examples
    --------
    >>> import nncore as nn
    >>> x, v = [[1.0, 2.0, 3.0]], [[1.0], [10.0], [100.0]]
    >>> y, s = nn.kernels.factorization_machine_forward(x, v)
    >>> nn.kernels.factorization_machine_backward_params([[1.0]], x, v, s).ravel()
    array([320., 602.,  63.], dtype=float32)
    """
    where = "factorization_machine_backward_params"
    dy, x, v, s = arrays(where, dy=(dy, 2), x=(x, 2), v=(v, 2), s=(s, 2))
    rows, features, factors = _factors(where, x, v)
    _shape(where, "dy", dy, (rows, 1), f"x has shape {x.shape}")
    _shape(where, "s", s, (rows, factors), f"x has shape {x.shape} and v {v.shape}")
    outputs = Outputs(where, x.dtype, (dy, x, v, s))
    dv = outputs.array("dv_out", dv_out, v.shape)
    if dv.size:
        run(where, rows, (dy, x, v, s, dv), (features, factors), dtype=x.dtype)
    return outputs.finish(dv)


def fm_interaction_forward(x: ArrayLike, y_out: Array | None = None) -> Array:
    """Sum of the scalar products of all pairs of fields: ``y = sum over i < j of <x[i], x[j]>``.

    Parameters
    ----------
    x : array_like, shape (B, F, K)
        F embedded fields of K factors each.
    y_out : ndarray, shape (B, 1), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, 1)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.fm_interaction_forward([[[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]]])  # 2 + 3 + (6 - 1)
    array([[10.]], dtype=float32)
    """
    where = "fm_interaction_forward"
    (x,) = arrays(where, x=(x, 3))
    outputs = Outputs(where, x.dtype, (x,))
    y = outputs.array("y_out", y_out, (len(x), 1))
    if y.size:
        run(where, len(x), (x, y), x.shape[1:], dtype=x.dtype)
    return outputs.finish(y)


def fm_interaction_backward(dy: ArrayLike, x: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of the fields: ``dx[i] = dy * (sum of the other fields)``.

    Parameters
    ----------
    dy : array_like, shape (B, 1)
        Gradient of the result.
    x : array_like, shape (B, F, K)
        The fields.
    dx_out : ndarray, shape (B, F, K), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, F, K)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.fm_interaction_backward([[2.0]], [[[1.0], [10.0], [100.0]]]).ravel()
    array([220., 202.,  22.], dtype=float32)
    """
    where = "fm_interaction_backward"
    dy, x = arrays(where, dy=(dy, 2), x=(x, 3))
    _shape(where, "dy", dy, (len(x), 1), f"x has shape {x.shape}")
    outputs = Outputs(where, x.dtype, (dy, x))
    dx = outputs.array("dx_out", dx_out, x.shape)
    if dx.size:
        run(where, len(x), (dy, x, dx), x.shape[1:], dtype=x.dtype)
    return outputs.finish(dx)
