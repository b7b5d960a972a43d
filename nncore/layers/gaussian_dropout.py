"""Multiplicative noise."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore.kernels.noise import check_rate
from nncore.layers._random import RandomLayer

__all__ = ["GaussianDropout"]


class GaussianDropout(RandomLayer):
    """Multiply with normal noise of mean 1 and variance ``rate / (1 - rate)`` in training, that of `Dropout`.

    In inference the layer does nothing. The noise is a function of what the masks of `Dropout` are functions of.

    Parameters
    ----------
    rate : float
        At least 0 and less than 1.
    seed : int, optional
        Where the noise comes from; by default the model's seed.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.GaussianDropout(0.2)], seed=1)
    >>> model(np.ones((1, 4), np.float32), training=True).round(3)
    array([[1.173, 1.403, 1.178, 2.293]], dtype=float32)
    """

    kernel = "gaussian_dropout_forward"

    def __init__(self, rate: float, seed: int | None = None, *, name: str | None = None,
                 dtype: DTypeLike | None = None, trainable: bool = True) -> None:
        super().__init__(seed, name, dtype, trainable)
        self.rate = check_rate(rate, "GaussianDropout")

    def settings(self) -> dict[str, Any]:
        """Return the kernel's scalars; none where the layer changes nothing."""
        return {"rate": self.rate} if self.rate else {}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"rate": self.rate, **super().get_config()}
