"""Augmentation: functions ``f(x, y, rng) -> (x, y)`` that `fit` calls on every batch before it trains on it.

``fit(..., augment=f)`` takes one or a list of them. `x` and `y` are arrays of the batch's rows, the function's own to
change (or lists, tuples, dicts of arrays, as they were given to `fit`); the number of rows must stay. `rng` is a
`numpy.random.Generator` that depends on the model's seed, the epoch and the batch alone, so that a run can be
repeated, and one that was interrupted can go on.

`noise` and `mixup` take only words from it and make their numbers themselves: they are the same on every processor
and with every NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _checks
from nncore._core import core
from nncore.data.sources import leaves
from nncore.random import _normal_quantile

__all__ = ["Augment", "generator", "mixup", "noise"]

Augment = Callable[..., tuple[Any, Any]]


def generator(seed: int, number: int, batch: int) -> np.random.Generator:
    """Return the random numbers of one batch.

    Parameters
    ----------
    seed : int
        The model's.
    number, batch : int
        Of the pass over the data, counted over the model's life, and of the batch in it.

    Examples
    --------
    >>> numbers = generator(seed=7, number=0, batch=3).integers(1000, size=4)
    >>> bool((numbers == generator(seed=7, number=0, batch=3).integers(1000, size=4)).all())
    True
    """
    # Philox4x64: another generator than the core's Philox4x32, so that no stream of that is met again.
    return np.random.Generator(np.random.Philox(key=[seed, 0], counter=[0, batch, number, 0]))


def noise(stddev: float = 0.1) -> Augment:
    """Return a function that adds normally distributed noise to the inputs.

    Parameters
    ----------
    stddev : float
        The noise's standard deviation.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    >>> add = nn.data.augment.noise(0.5)
    >>> x, y = add(np.zeros((1000, 2), np.float32), np.ones(1000), nn.data.augment.generator(1, 0, 0))
    >>> x.dtype.name, bool(abs(x.std() - 0.5) < 0.02), bool((y == 1).all())
    ('float32', True, True)
    """
    stddev = _checks.real(stddev, "noise", "stddev", low=0.0)

    def add(x: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        def noisy(array: NDArray[Any]) -> Any:
            _wants_floats(array, "noise: inputs")
            values = _normal_quantile(_uniform(rng, array.size)).reshape(array.shape)
            return np.add(array, (stddev * values).astype(array.dtype))

        return leaves(x, noisy), y

    return add


def mixup(alpha: float = 0.2) -> Augment:
    """Return a function that mixes each row of a batch, inputs and targets, with another row of it.

    ``x := l x + (1 - l) x[other]``, ``y := l y + (1 - l) y[other]``, with l drawn from the Beta(alpha, alpha)
    distribution for each batch (Zhang, Cisse, Dauphin, Lopez-Paz 2018). The rows' weights are not mixed.

    Parameters
    ----------
    alpha : float
        Small: rows stay almost as they are; 1: any mixture is as likely.

    Notes
    -----
    Targets must be such that can be mixed: values, or classes as rows (`nncore.utils.to_categorical`) and not as ids.

    Examples
    --------
    >>> import nncore as nn
    >>> mix = nn.data.augment.mixup(1.0)
    >>> x, y = mix(np.eye(3), np.eye(3), nn.data.augment.generator(1, 0, 0))
    >>> bool(np.allclose(x.sum(axis=1), 1)), bool((x == y).all())
    (True, True)
    """
    alpha = _checks.positive(alpha, "mixup", "alpha")

    def mix(x: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        share = _beta(alpha, rng)
        orders: dict[int, NDArray[np.intp]] = {}

        def mixed(array: NDArray[Any]) -> Any:
            _wants_floats(array, "mixup: inputs and targets (classes as rows: nncore.utils.to_categorical)")
            if len(array) not in orders:
                orders[len(array)] = np.argsort(rng.bit_generator.random_raw(len(array)), kind="stable")
            own, others = array.dtype.type(share), array.dtype.type(1 - share)
            return np.add(own * array, others * array[orders[len(array)]])

        return leaves(x, mixed), leaves(y, mixed)

    return mix


def apply(functions: Sequence[Augment], x: Any, y: Any, rng: np.random.Generator, where: str) -> tuple[Any, Any]:
    """Return a batch as the functions, one after the other, make it."""
    for function in functions:
        found = function(x, y, rng)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"{where}: augment must return (x, y), got {type(found).__name__}")
        x, y = found
    return x, y


def _wants_floats(array: NDArray[Any], what: str) -> None:
    if array.dtype.kind != "f":
        raise TypeError(f"{what} must be floating-point numbers, got {array.dtype}")


def _uniform(rng: np.random.Generator, n: int) -> NDArray[np.floating]:
    """Return numbers in (0, 1), half a step away from both ends."""
    words = rng.bit_generator.random_raw(n)
    uniform: NDArray[np.floating] = ((words >> np.uint64(32)) + 0.5) * 2.0**-32  # as coarse as nncore.random's
    return uniform


def _beta(alpha: float, rng: np.random.Generator) -> float:
    """Return a number from Beta(alpha, alpha): X / (X + Y) of two from Gamma(alpha), by their logarithms."""
    x, y = (_log_gamma_variate(alpha, rng) for _ in range(2))
    return 1.0 / (1.0 + _exp(y - x))


def _log_gamma_variate(alpha: float, rng: np.random.Generator) -> float:
    """Return the logarithm of a number from Gamma(alpha): Marsaglia and Tsang 2000, ACM TOMS 26, 363-372."""
    words: Iterator[float] = iter(lambda: float(_uniform(rng, 1)[0]), None)
    boost = 0.0
    if alpha < 1:  # G(alpha) = G(alpha + 1) U^(1 / alpha)
        boost, alpha = _log(next(words)) / alpha, alpha + 1
    d = alpha - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        z = float(_normal_quantile(np.array([next(words)]))[0])
        v = 1 + c * z
        if v > 0:
            v = v * v * v
            if _log(next(words)) < 0.5 * z * z + d - d * v + d * _log(v):
                return _log(d) + _log(v) + boost


def _log(x: float) -> float:
    return float(core.elementary("log", np.array([x]))[0])


def _exp(x: float) -> float:
    return float(core.elementary("exp", np.array([x]))[0])
