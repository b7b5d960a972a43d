"""How every `get(identifier)` of the package reads its argument: a name, a class, a config or an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from nncore import _checks


class Configurable(Protocol):
    """What `serialize` and `resolve` need of an object."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal object."""
        ...


T = TypeVar("T", bound=Configurable)


def resolve(kind: str, identifier: object, base: type[T], names: Mapping[str, type[T]]) -> T:
    """Return the object that `identifier` stands for.

    Parameters
    ----------
    kind : str
        What is looked for, for messages: "loss", "optimizer" ...
    identifier : str, type, dict or object
        A name of `names`, a subclass of `base` (made with its defaults), what `serialize` returned, or an
        object of `base`.
    base : type
        The base class.
    names : mapping of str to type
        All names that strings may have.

    Examples
    --------
    >>> from nncore import initializers
    >>> resolve("initializer", "zeros", initializers.Initializer, {"zeros": initializers.Zeros})
    Zeros()
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, str):
        if identifier not in names:
            raise _unknown(kind, identifier, names)
        return names[identifier]()
    if isinstance(identifier, dict) and set(identifier) == {"class_name", "config"}:
        name, config = identifier["class_name"], identifier["config"]
        if not isinstance(name, str) or name not in names:
            raise _unknown(kind, name, names)
        try:
            return names[name](**config)
        except TypeError as error:
            raise ValueError(f"{kind} {name!r} cannot be made from config {config!r}: {error}") from error
    raise TypeError(
        f"{kind} must be a name or an object of nncore's class {base.__name__}, got {_checks.shown(identifier)}"
    )


def register(kinds: dict[str, type[Any]], cls: type[Any]) -> None:
    """Make a class known under its name, but for yours that has the name of one of nncore's.

    Examples
    --------
    >>> import nncore as nn
    >>> mine = type("Dropout", (nn.layers.Layer,), {"__module__": "mine"})
    >>> register(nn.layers.Layer.kinds, mine)
    >>> nn.layers.Layer.kinds["Dropout"] is nn.layers.Dropout
    True
    """
    if _is_own(cls) or not _is_own(kinds.get(cls.__name__)):
        kinds[cls.__name__] = cls


def saved_name(thing: object, kinds: Mapping[str, type[Any]]) -> str:
    """Return the name of an object's class, by which it is found again; raise where nncore's own has it.

    Examples
    --------
    >>> import nncore as nn
    >>> saved_name(nn.layers.Dropout(0.5), nn.layers.Layer.kinds)
    'Dropout'
    """
    cls = type(thing)
    own = kinds.get(cls.__name__)
    if own is not cls and _is_own(own):
        raise ValueError(f"your class {cls.__name__} has the name of one of nncore's and cannot be saved: rename it")
    return cls.__name__


def _is_own(cls: type[Any] | None) -> bool:
    return cls is not None and cls.__module__.startswith("nncore.")


def _unknown(kind: str, name: object, names: Mapping[str, object]) -> ValueError:
    """Return the error for a name that is not in `names`; it lists those in lower case."""
    return _checks.unknown(kind, name, [known for known in names if known.islower()])


def serialize(thing: Configurable, names: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Return a JSON-able description that `resolve` turns into an equal object by these names.

    Examples
    --------
    >>> from nncore import initializers
    >>> serialize(initializers.Constant(0.5), {"Constant": initializers.Constant})
    {'class_name': 'Constant', 'config': {'value': 0.5}}
    """
    return {"class_name": saved_name(thing, names), "config": thing.get_config()}


def representation(thing: Configurable) -> str:
    """Return the call that makes an equal object, for `__repr__`.

    Examples
    --------
    >>> from nncore import initializers
    >>> representation(initializers.Constant(0.5))
    'Constant(value=0.5)'
    """
    return call(type(thing).__name__, thing.get_config())


def call(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a call as it is written.

    Examples
    --------
    >>> call("SGD", {"learning_rate": 0.5})
    'SGD(learning_rate=0.5)'
    """
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def snake_case(name: str) -> str:
    """Return a class's name in lower case, its words apart.

    Examples
    --------
    >>> snake_case("MeanSquaredError"), snake_case("R2Score"), snake_case("AUC")
    ('mean_squared_error', 'r2_score', 'auc')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
