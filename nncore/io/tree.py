"""Trees of numbers, texts and arrays as a weights file keeps them: a text, and arrays by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

_ARRAY = "__array__"  # the key that stands for an array, with its name


def pack(tree: Any, prefix: str, where: str) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return a tree as JSON, and its arrays under names that begin with `prefix`.

    Parameters
    ----------
    tree : object
        None, bools, numbers, strings, arrays, and lists, tuples (which come back as lists) and dicts of these, with
        strings as keys.
    prefix : str
        What the arrays' names begin with.
    where : str
        Whose tree it is, for messages.

    Examples
    --------
    >>> pack({"best": 0.5, "weights": [np.ones(2)]}, "a", "f")
    ('{"best": 0.5, "weights": [{"__array__": "a0/weights/0"}]}', {'a0/weights/0': array([1., 1.])})
    """
    arrays: dict[str, NDArray[Any]] = {}

    def plain(value: Any, place: str) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return plain(value.item(), place)
        if isinstance(value, np.ndarray):
            name = f"{prefix}{len(arrays)}{place}"
            arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, (list, tuple)):
            return [plain(item, f"{place}/{number}") for number, item in enumerate(value)]
        if isinstance(value, Mapping) and all(isinstance(key, str) and key != _ARRAY for key in value):
            return {key: plain(item, f"{place}/{key}") for key, item in value.items()}
        raise TypeError(f"{where}: {place or '/'} is {value!r}, which cannot be kept: wanted are numbers, strings, "
                        "None, arrays, and lists and dicts of these")

    return json.dumps(plain(tree, "")), arrays


def unpack(text: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the tree that `pack` wrote.

    Examples
    --------
    >>> unpack(*pack([1, {"a": np.float64(0.1)}], "x", "f"))
    [1, {'a': 0.1}]
    """
    def full(value: Any) -> Any:
        if isinstance(value, list):
            return [full(item) for item in value]
        if isinstance(value, dict):
            return arrays[value[_ARRAY]] if _ARRAY in value else {key: full(item) for key, item in value.items()}
        return value

    return full(json.loads(text))
