"""Data: a set in the package, data made batch by batch, augmentation; and the readers behind the ``nncore`` command."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncore.data import augment
from nncore.data.dataset import PyDataset

__all__ = ["PyDataset", "augment", "load_digits"]


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return 1,797 real handwritten digits of 8x8 pixels.

    The test part of the UCI data set "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak,
    1998; CC BY 4.0).

    Returns
    -------
    x : ndarray of uint8, shape (1797, 64)
        One image a row; values 0 (white) to 16 (black).
    y : ndarray of uint8, shape (1797,)
        The digit, 0 to 9.

    Examples
    --------
    >>> from nncore.data import load_digits
    >>> x, y = load_digits()
    >>> x.shape, x.dtype.name, int(x.max())
    ((1797, 64), 'uint8', 16)
    >>> y[:10].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    import importlib.resources  # only here: import nncore stays fast

    with (
        importlib.resources.files(__name__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["x"], arrays["y"]
