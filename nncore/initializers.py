"""Initial weights: Keras 3's initializers, on nncore's own random numbers.

A weight is a function of (seed, layer's number, weight's number within the layer, element): see
`nncore.random`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nncore import _checks, _names, random

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
    "serialize",
]


class Initializer:
    """Base of the initializers: a callable that returns an array.

    A subclass defines `fill` and `get_config`.
    """

    seed: int | None = None

    def __call__(
        self,
        shape: Sequence[int],
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        layer: int = 0,
        index: int = 0,
    ) -> NDArray[np.floating]:
        """Return the initial values of one weight.

        Parameters
        ----------
        shape : sequence of int
            The weight's shape.
        dtype : dtype, optional
            Float32 or float64; by default ``config.floatx()``.
        seed, layer, index : int
            The model's seed, the layer's number in it, and the weight's number in the layer. An initializer
            with a seed of its own gives the same numbers wherever it is used, as in Keras, and leaves these
            three aside.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.initializers.Ones()((2, 3))
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
        >>> w = nn.initializers.GlorotUniform(seed=1)((3, 4))
        >>> bool((w == nn.initializers.GlorotUniform(seed=1)((3, 4))).all())
        True
        """
        where = type(self).__name__
        if self.seed is not None:
            seed, layer, index = self.seed, 0, 0
        shape = tuple(_checks.integer(n, where, "shape", low=0) for n in shape)
        _checks.shape_size(shape, where)
        return self.fill(shape, _checks.float_dtype(dtype, where), seed, layer, index)

    def fill(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, layer: int, index: int
    ) -> NDArray[np.floating]:
        """Return the array for checked arguments; a `seed` of None asks for a fresh one."""
        raise NotImplementedError(f"{type(self).__name__} must define fill()")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Return the initializer that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Return the call that makes an equal initializer."""
        return _names.representation(self)

    def _set_seed(self, seed: int | None) -> None:
        self.seed = None if seed is None else _checks.seed_value(seed, type(self).__name__)


class Constant(Initializer):
    """Every weight is `value`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.Constant(0.5)((2,))
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, value: float = 0.0) -> None:
        self.value = _checks.real(value, type(self).__name__, "value")

    def fill(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, layer: int, index: int
    ) -> NDArray[np.floating]:
        """Return the values."""
        return np.full(shape, self.value, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {"value": self.value}


class Zeros(Constant):
    """Every weight is 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.Zeros()((2,))
    array([0., 0.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {}


class Ones(Constant):
    """Every weight is 1.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {}


class RandomUniform(Initializer):
    """Uniform between `minval` and `maxval`.

    Parameters
    ----------
    minval, maxval : float
        The interval.
    seed : int, optional
        A seed of its own; by default the model's.

    Examples
    --------
    >>> import nncore as nn
    >>> w = nn.initializers.RandomUniform(minval=-1.0, maxval=1.0, seed=3)((2, 3))
    >>> w.shape, bool((abs(w) <= 1).all())
    ((2, 3), True)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = _checks.real(minval, "RandomUniform", "minval")
        self.maxval = _checks.real(maxval, "RandomUniform", "maxval", low=self.minval)
        self._set_seed(seed)

    def fill(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, layer: int, index: int
    ) -> NDArray[np.floating]:
        """Return the values."""
        seed = random.next_seed() if seed is None else seed
        return random.uniform(
            shape, self.minval, self.maxval, seed=seed, layer=layer, index=index, dtype=dtype
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class RandomNormal(Initializer):
    """Normally distributed.

    Parameters
    ----------
    mean, stddev : float
        The distribution's mean and standard deviation.
    seed : int, optional
        A seed of its own; by default the model's.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.RandomNormal(stddev=0.1, seed=3)((2, 3)).shape
    (2, 3)
    """

    _draw = staticmethod(random.normal)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        where = type(self).__name__
        self.mean = _checks.real(mean, where, "mean")
        self.stddev = _checks.real(stddev, where, "stddev", low=0.0)
        self._set_seed(seed)

    def fill(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, layer: int, index: int
    ) -> NDArray[np.floating]:
        """Return the values."""
        seed = random.next_seed() if seed is None else seed
        return self._draw(shape, self.mean, self.stddev, seed=seed, layer=layer, index=index, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class TruncatedNormal(RandomNormal):
    """Normally distributed, cut off two standard deviations from the mean. Parameters as in `RandomNormal`.

    Examples
    --------
    >>> import nncore as nn
    >>> w = nn.initializers.TruncatedNormal(stddev=0.1, seed=3)((20, 30))
    >>> bool((abs(w) <= 0.2).all())
    True
    """

    _draw = staticmethod(random.truncated_normal)


# The standard deviation of a standard normal variable cut off at +-2: sqrt(1 - 4 phi(2) / (Phi(2) -
# Phi(-2))).
_TRUNCATED_STDDEV = 0.87962566103423978


class VarianceScaling(Initializer):
    """Random with variance ``scale / n``, so that a signal keeps its size from layer to layer.

    Parameters
    ----------
    scale : float
        The variance times `n`.
    mode : {"fan_in", "fan_out", "fan_avg"}
        What `n` is: the weight's inputs, its outputs, or the mean of the two.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The distribution's form.
    seed : int, optional
        A seed of its own; by default the model's.

    Examples
    --------
    >>> import nncore as nn
    >>> initializer = nn.initializers.VarianceScaling(scale=2.0, mode="fan_out", seed=3)
    >>> w = initializer((50, 600))
    >>> bool(abs(w.var() * 600 / 2.0 - 1) < 0.05)
    True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        where = type(self).__name__
        self.scale = _checks.real(scale, where, "scale", low=0.0)
        if self.scale == 0:
            raise ValueError(f"{where}: scale must be positive, got {scale!r}")
        self.mode = _checks.one_of(mode, ("fan_in", "fan_out", "fan_avg"), where, "mode")
        self.distribution = _checks.one_of(
            distribution, ("truncated_normal", "untruncated_normal", "uniform"), where, "distribution")
        self._set_seed(seed)

    def fill(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, layer: int, index: int
    ) -> NDArray[np.floating]:
        """Return the values."""
        fan_in, fan_out = _fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        seed = random.next_seed() if seed is None else seed
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(shape, -limit, limit, seed=seed, layer=layer, index=index, dtype=dtype)
        if self.distribution == "untruncated_normal":
            stddev = math.sqrt(variance)
            return random.normal(shape, 0.0, stddev, seed=seed, layer=layer, index=index, dtype=dtype)
        stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
        return random.truncated_normal(shape, 0.0, stddev, seed=seed, layer=layer, index=index, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many inputs and outputs a weight connects; the last two dimensions are (in, out)."""
    if len(shape) < 2:
        n = math.prod(shape)
        return n, n
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


class _Scaled(VarianceScaling):
    """A `VarianceScaling` that has a name of its own; only the seed is left to choose."""

    _arguments: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._arguments, seed=seed)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        return {"seed": self.seed}


class GlorotUniform(_Scaled):
    """Uniform within ``sqrt(6 / (fan_in + fan_out))`` of 0: Keras' default for dense layers.

    Parameters
    ----------
    seed : int, optional
        A seed of its own; by default the model's.

    Examples
    --------
    >>> import nncore as nn
    >>> w = nn.initializers.GlorotUniform(seed=1)((2, 4))
    >>> bool((abs(w) <= 1).all())
    True
    """

    _arguments = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Scaled):
    """Truncated normal of variance ``2 / (fan_in + fan_out)``. Parameters as in `GlorotUniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.GlorotNormal(seed=1)((2, 4)).shape
    (2, 4)
    """

    _arguments = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Scaled):
    """Uniform within ``sqrt(6 / fan_in)`` of 0: for layers with relu. Parameters as in `GlorotUniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.HeUniform(seed=1)((2, 4)).shape
    (2, 4)
    """

    _arguments = 2.0, "fan_in", "uniform"


class HeNormal(_Scaled):
    """Truncated normal of variance ``2 / fan_in``: for layers with relu. Parameters as in `GlorotUniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.HeNormal(seed=1)((2, 4)).shape
    (2, 4)
    """

    _arguments = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Scaled):
    """Uniform within ``sqrt(3 / fan_in)`` of 0. Parameters as in `GlorotUniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.LecunUniform(seed=1)((2, 4)).shape
    (2, 4)
    """

    _arguments = 1.0, "fan_in", "uniform"


class LecunNormal(_Scaled):
    """Truncated normal of variance ``1 / fan_in``. Parameters as in `GlorotUniform`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.LecunNormal(seed=1)((2, 4)).shape
    (2, 4)
    """

    _arguments = 1.0, "fan_in", "truncated_normal"


_SNAKE: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "zero": Zeros,
    "one": Ones,
    "uniform": RandomUniform,
    "normal": RandomNormal,
}
_NAMES = _SNAKE | {cls.__name__: cls for cls in _SNAKE.values()}


def get(identifier: object) -> Initializer:
    """Return the initializer of a name ("glorot_uniform", "GlorotUniform"), class, serialized form or object.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.get("he_normal")
    HeNormal(seed=None)
    >>> nn.initializers.get("he_norml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown initializer 'he_norml': did you mean 'he_normal', ...
    """
    return _names.resolve("initializer", identifier, Initializer, _NAMES)


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal initializer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.initializers.serialize(nn.initializers.HeNormal(seed=1))
    {'class_name': 'HeNormal', 'config': {'seed': 1}}
    """
    return _names.serialize(initializer, _NAMES)
