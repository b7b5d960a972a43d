"""Dropout for nets with selu."""

from __future__ import annotations

from nncore.layers.dropout import Dropout

__all__ = ["AlphaDropout"]


class AlphaDropout(Dropout):
    """`Dropout` that keeps mean 0 and variance 1, for nets with selu (Klambauer et al. 2017).

    What is dropped becomes selu's limit on the left, and all is scaled and shifted to make up for it:
    ``a * (x or -1.758) + b`` with ``a = ((1 - rate) * (1 + rate * 1.758**2))**-0.5`` and ``b = a * 1.758 * rate``. In
    inference the layer does nothing. Masks are those of `Dropout`.

    Parameters
    ----------
    rate : float
        The share that is dropped, at least 0 and less than 1.
    noise_shape, seed, name, dtype, trainable : optional
        As of `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.AlphaDropout(0.25)], seed=1)
    >>> model(np.zeros((1, 4), np.float32), training=True).round(3)
    array([[ 0.381, -1.144,  0.381,  0.381]], dtype=float32)
    """

    kernel = "alpha_dropout_forward"
