"""The dense layer in plain NumPy: one product forward, two products back."""

from nncore.reference._common import Array, filled
from nncore.reference.activations import _activate

__all__ = ["dense_backward_input", "dense_backward_params", "dense_forward"]


def dense_forward(
    x: Array,
    w: Array,
    b: Array | None = None,
    y_out: Array | None = None,
    activation: str = "linear",
    alpha: float | None = None,
) -> Array:
    """Dense layer: ``y = act(x @ w + b)``.

    Parameters
    ----------
    x : ndarray, shape (B, I)
    w : ndarray, shape (I, O)
    b : ndarray, shape (O,), optional
    y_out : ndarray, shape (B, O), optional
    activation : str
        "linear" or the name of an elementwise activation.
    alpha : float, optional
        The parameter of leaky_relu and elu; theirs by default.

    Returns
    -------
    ndarray, shape (B, O)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[2.0, 3.0]])
    >>> w = np.array([[1.0, 0.5, -1.0], [0.5, 2.0, -0.5]])
    >>> dense_forward(x, w, np.array([0.1, -0.2, 0.0]))
    array([[ 3.6,  6.8, -3.5]])
    """
    z = x @ w if b is None else x @ w + b
    return filled(y_out, _activate(z, activation, alpha))


def dense_backward_input(dy: Array, w: Array, dx_out: Array | None = None) -> Array:
    """Gradient of a dense layer's input: ``dx = dy @ w.T``.

    Parameters
    ----------
    dy : ndarray, shape (B, O)
        Gradient of the product ``x @ w + b``, before the activation.
    w : ndarray, shape (I, O)
    dx_out : ndarray, shape (B, I), optional

    Returns
    -------
    ndarray, shape (B, I)

    Examples
    --------
    >>> import numpy as np
    >>> dense_backward_input(np.array([[1.0, 10.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[21., 43., 65.]])
    """
    return filled(dx_out, dy @ w.T)


def dense_backward_params(
    x: Array, dy: Array, dw_out: Array | None = None, db_out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of a dense layer's parameters: ``dw = x.T @ dy``, ``db = sum of dy over the batch``.

    Parameters
    ----------
    x : ndarray, shape (B, I)
    dy : ndarray, shape (B, O)
        Gradient of the product ``x @ w + b``, before the activation.
    dw_out : ndarray, shape (I, O), optional
    db_out : ndarray, shape (O,), optional

    Returns
    -------
    dw : ndarray, shape (I, O)
    db : ndarray, shape (O,)

    Examples
    --------
    >>> import numpy as np
    >>> dw, db = dense_backward_params(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    >>> dw, db
    (array([[11.]]), array([7.]))
    """
    return filled(dw_out, x.T @ dy), filled(db_out, dy.sum(axis=0))
