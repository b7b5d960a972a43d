"""Small helpers with Keras' names."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, config, random
from nncore.data.dataset import PyDataset

__all__ = ["PyDataset", "set_random_seed", "to_categorical"]


def set_random_seed(seed: int) -> None:
    """Make all random numbers that follow repeatable.

    That is nncore's initial weights and shuffles, Python's `random` and NumPy's global generator, as in
    Keras.

    Parameters
    ----------
    seed : int
        In 0 ... 2**32 - 1, the range that NumPy's generator takes.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.utils.set_random_seed(42)
    >>> first = nn.initializers.GlorotUniform()((2, 3))
    >>> nn.utils.set_random_seed(42)
    >>> bool((nn.initializers.GlorotUniform()((2, 3)) == first).all())
    True
    """
    import random as python_random  # only when asked for: import nncore stays fast

    seed = _checks.integer(seed, "set_random_seed", "seed", low=0, high=2**32 - 1)
    random._set_root(seed)
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - Keras' meaning: users' own calls of np.random.* become repeatable as well.


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.floating]:
    """Return class ids as one-hot rows.

    Parameters
    ----------
    x : array_like of int
        Class ids of any shape; a last dimension of 1 is dropped.
    num_classes : int, optional
        The number of classes; by default the largest id + 1.

    Returns
    -------
    ndarray
        Shape ``(*x.shape, num_classes)``, of dtype ``config.floatx()``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.utils.to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    where = "to_categorical"
    if num_classes is not None:
        num_classes = _checks.positive_int(num_classes, where, "num_classes")
    ids = np.asarray(x)
    shape = ids.shape[:-1] if ids.ndim > 1 and ids.shape[-1] == 1 else ids.shape
    flat = _checks.as_class_ids(ids.reshape(-1), where, "x", num_classes)
    if num_classes is None:
        if flat.size == 0:
            raise ValueError(f"{where}: x is empty: num_classes must be given")
        num_classes = int(flat.max()) + 1
    _checks.shape_size((*shape, num_classes), where)
    out = np.zeros((flat.size, num_classes), config.floatx())
    out[np.arange(flat.size), flat] = 1
    return out.reshape(*shape, num_classes)
