"""Dropout, of single elements and of whole features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.kernels.noise import check_rate, repeats
from nncore.layers._random import RandomLayer
from nncore.layers.base import Shape

__all__ = ["Dropout", "SpatialDropout1D"]


class Dropout(RandomLayer):
    """Set a random share of the elements to 0 in training, and scale the others by ``1 / (1 - rate)``.

    In inference the layer does nothing. Masks are functions of the model's seed (or of `seed`), of the number of
    the training step, of the layer and of an element's place in the batch: runs repeat, and masks do not depend on
    threads. A layer that is used twice in a model draws two masks.

    Parameters
    ----------
    rate : float
        The share that is dropped, in [0, 1]; rounded to 1/65536.
    noise_shape : sequence of int or None, optional
        The mask's shape with the batch, such as ``(None, 1, 8)``: 1 for an axis along which the mask is repeated;
        None, or its size, for the others. Axes with 1 must stand side by side.
    seed : int, optional
        Where the masks come from; by default the model's seed.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((8,)), nn.layers.Dropout(0.5)], seed=1)
    >>> x = np.ones((1, 8), np.float32)
    >>> bool((model(x) == x).all())
    True
    >>> model(x, training=True)
    array([[2., 0., 2., 0., 2., 2., 2., 2.]], dtype=float32)
    """

    kernel = "dropout_forward"

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(seed, name, dtype, trainable)
        where = type(self).__name__
        self.rate = check_rate(rate, where)
        if noise_shape is not None and (isinstance(noise_shape, str) or not isinstance(noise_shape, Sequence)):
            raise TypeError(f"{where}: noise_shape must be a tuple of integers and None, got {noise_shape!r}")
        self.noise_shape = None if noise_shape is None else tuple(
            None if n is None else _checks.integer(n, where, "noise_shape", low=1) for n in noise_shape)

    def settings(self) -> dict[str, Any]:
        """Return the kernel's scalars; none where the layer changes nothing."""
        return {"rate": self.rate, "noise_shape": self.noise_shape} if self.rate else {}

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        repeats(f"layer {self.name!r}", tuple(input_shape[1:]), self.noise_shape)  # raises where they do not fit
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        noise_shape = None if self.noise_shape is None else list(self.noise_shape)
        return {"rate": self.rate, "noise_shape": noise_shape, **super().get_config()}


class SpatialDropout1D(Dropout):
    """`Dropout` of whole features: each of the last axis is dropped or kept for all positions of a row.

    Parameters
    ----------
    rate : float
        The share that is dropped, in [0, 1].
    seed : int, optional
        Where the masks come from; by default the model's seed.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((2, 8)), nn.layers.SpatialDropout1D(0.5)], seed=1)
    >>> model(np.ones((1, 2, 8), np.float32), training=True)
    array([[[2., 0., 2., 0., 2., 2., 2., 2.],
            [2., 0., 2., 0., 2., 2., 2., 2.]]], dtype=float32)
    """

    def __init__(self, rate: float, seed: int | None = None, *, name: str | None = None,
                 dtype: DTypeLike | None = None, trainable: bool = True) -> None:
        super().__init__(rate, (None, 1, None), seed, name=name, dtype=dtype, trainable=trainable)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        config = super().get_config()
        del config["noise_shape"]
        return config
