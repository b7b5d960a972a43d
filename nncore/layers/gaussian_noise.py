"""Additive noise."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.layers._random import RandomLayer

__all__ = ["GaussianNoise"]


class GaussianNoise(RandomLayer):
    """Add normal noise of mean 0 in training.

    In inference the layer does nothing. The noise is a function of what the masks of `Dropout` are functions of.

    Parameters
    ----------
    stddev : float
        The noise's standard deviation, at least 0. (Keras refuses more than 1.)
    seed : int, optional
        Where the noise comes from; by default the model's seed.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.GaussianNoise(0.5)], seed=1)
    >>> model(np.zeros((1, 4), np.float32), training=True).round(3)
    array([[0.173, 0.403, 0.178, 1.293]], dtype=float32)
    """

    kernel = "gaussian_noise_forward"

    def __init__(self, stddev: float, seed: int | None = None, *, name: str | None = None,
                 dtype: DTypeLike | None = None, trainable: bool = True) -> None:
        super().__init__(seed, name, dtype, trainable)
        self.stddev = _checks.real(stddev, "GaussianNoise", "stddev", low=0.0)

    def settings(self) -> dict[str, Any]:
        """Return the kernel's scalars; none where the layer changes nothing."""
        return {"stddev": self.stddev} if self.stddev else {}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"stddev": self.stddev, **super().get_config()}
