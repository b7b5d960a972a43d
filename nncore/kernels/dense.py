"""The dense layer's kernels: one product forward, two products back."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore.kernels._front import Array, Outputs, activation_number, alpha_value, arrays, run

__all__ = ["dense_backward_input", "dense_backward_params", "dense_forward"]


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, y_out: Array | None = None,
                  activation: str | None = "linear", alpha: float | None = None) -> Array:
    """Dense layer: ``y = activation(x @ w + b)``, product, bias and activation in one pass.

    Parameters
    ----------
    x : array_like, shape (B, I)
        Inputs. float32 or float64; all arrays get the dtype of the first float array.
    w : array_like, shape (I, O)
        Weights.
    b : array_like, shape (O,), optional
        Bias.
    y_out : ndarray, shape (B, O), optional
        Where the result goes.
    activation : str
        "linear", or an elementwise activation that has a kernel with one scalar or none: "relu", "leaky_relu",
        "relu6", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "hard_silu", "mish", "softplus", "squareplus",
        "sparse_plus", "softsign", "sigmoid", "hard_sigmoid", "sparse_sigmoid", "log_sigmoid", "tanh", "hard_tanh",
        "tanh_shrink", "hard_shrink", "soft_shrink", "exponential" or "sign".
    alpha : float, optional
        Slope of leaky_relu (0.2 by default), scale of elu and celu (1.0), threshold of hard_shrink and soft_shrink
        (0.5), b of squareplus (4.0).

    Returns
    -------
    ndarray, shape (B, O)

    Raises
    ------
    ValueError
        Shapes that do not match, or an unknown activation.

    Notes
    -----
    Each element is one chain of fused multiply-adds over the inputs in ascending order that starts at the
    bias: see ``docs/bits.md``.

    Examples
    --------
    >>> import nncore as nn
    >>> w, b = [[1.0, 0.5, -1.0], [0.5, 2.0, -0.5]], [0.1, -0.2, 0.0]
    >>> nn.kernels.dense_forward([[2.0, 3.0]], w, b).round(4)
    array([[ 3.6,  6.8, -3.5]], dtype=float32)
    """
    where = "dense_forward"
    x, w, b = arrays(where, x=(x, 2), w=(w, 2), b=(b, 1))
    kind, name = activation_number(where, activation)
    scale = alpha_value(where, name, alpha)
    rows, columns = x.shape
    if w.shape[0] != columns:
        raise ValueError(f"{where}: x has {columns} columns but w has {w.shape[0]} rows")
    width = w.shape[1]
    if b is not None and b.shape[0] != width:
        raise ValueError(f"{where}: w has {width} columns but b has {b.shape[0]} elements")
    outputs = Outputs(where, x.dtype, (x, w, b))
    y = outputs.array("y_out", y_out, (rows, width))
    if y.size:
        run(where, rows, (x, w, b, y), (columns, width, kind), (scale,), dtype=x.dtype)
    return outputs.finish(y)


def dense_backward_input(dy: ArrayLike, w: ArrayLike, dx_out: Array | None = None) -> Array:
    """Gradient of a dense layer's input: ``dx = dy @ w.T``.

    Parameters
    ----------
    dy : array_like, shape (B, O)
        Gradient of the layer's output before its activation.
    w : array_like, shape (I, O)
        Weights.
    dx_out : ndarray, shape (B, I), optional
        Where the result goes.

    Returns
    -------
    ndarray, shape (B, I)

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.dense_backward_input([[1.0, 10.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    array([[21., 43., 65.]], dtype=float32)
    """
    where = "dense_backward_input"
    dy, w = arrays(where, dy=(dy, 2), w=(w, 2))
    rows, width = dy.shape
    if w.shape[1] != width:
        raise ValueError(f"{where}: dy has {width} columns but w has {w.shape[1]} columns")
    columns = w.shape[0]
    outputs = Outputs(where, dy.dtype, (dy, w))
    dx = outputs.array("dx_out", dx_out, (rows, columns))
    if dx.size:
        run(where, rows, (dy, w, dx), (columns, width), dtype=dy.dtype)
    return outputs.finish(dx)


def dense_backward_params(x: ArrayLike, dy: ArrayLike, dw_out: Array | None = None,
                          db_out: Array | None = None) -> tuple[Array, Array]:
    """Gradients of a dense layer's weights and bias: ``dw = x.T @ dy``, ``db = dy.sum(axis=0)``.

    Parameters
    ----------
    x : array_like, shape (B, I)
        The layer's inputs.
    dy : array_like, shape (B, O)
        Gradient of its output before the activation.
    dw_out : ndarray, shape (I, O), optional
        Where the gradient of the weights goes.
    db_out : ndarray, shape (O,), optional
        Where the gradient of the bias goes.

    Returns
    -------
    dw : ndarray, shape (I, O)
    db : ndarray, shape (O,)

    Examples
    --------
    >>> import nncore as nn
    >>> dw, db = nn.kernels.dense_backward_params([[1.0, 2.0], [3.0, 4.0]], [[1.0], [10.0]])
    >>> dw.ravel(), db
    (array([31., 42.], dtype=float32), array([11.], dtype=float32))
    """
    where = "dense_backward_params"
    x, dy = arrays(where, x=(x, 2), dy=(dy, 2))
    rows, columns = x.shape
    if dy.shape[0] != rows:
        raise ValueError(f"{where}: x has {rows} rows but dy has {dy.shape[0]} rows")
    width = dy.shape[1]
    outputs = Outputs(where, x.dtype, (x, dy))
    dw = outputs.array("dw_out", dw_out, (columns, width))
    db = outputs.array("db_out", db_out, (width,))
    if db.size:
        run(where, rows, (x, dy, dw, db), (columns, width), dtype=x.dtype)
    return outputs.finish(dw, db)
