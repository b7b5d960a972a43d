"""Optimizers, with Keras 3's names: what is kept per parameter, and the op that updates it."""

from __future__ import annotations

from typing import Any

from nncore import _names
from nncore.optimizers import schedules
from nncore.optimizers.adadelta import Adadelta
from nncore.optimizers.adagrad import Adagrad
from nncore.optimizers.adam import Adam, AdamW
from nncore.optimizers.adamax import Adamax
from nncore.optimizers.base import Optimizer
from nncore.optimizers.ftrl import Ftrl
from nncore.optimizers.lamb import Lamb
from nncore.optimizers.lion import Lion
from nncore.optimizers.nadam import Nadam
from nncore.optimizers.rmsprop import RMSprop
from nncore.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
    "serialize",
]

_KINDS: tuple[type[Optimizer], ...] = (
    Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, RMSprop, SGD,
)
_NAMES: dict[str, type[Optimizer]] = {
    **{kind.__name__.lower(): kind for kind in _KINDS},
    **{kind.__name__: kind for kind in _KINDS},
}


def get(identifier: object) -> Optimizer:
    """Return the optimizer of a name ("sgd", "rmsprop", "adam" ...), class, serialized form or object.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.get("sgd").learning_rate
    0.01
    """
    return _names.resolve("optimizer", identifier, Optimizer, _NAMES)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return a JSON-able description that `get` turns into an equal optimizer (its state apart).

    Examples
    --------
    >>> import nncore as nn
    >>> nn.optimizers.serialize(nn.optimizers.SGD(0.1))["config"]["learning_rate"]
    0.1
    """
    return _names.serialize(optimizer, _NAMES)
