"""The dtype that nncore uses where nothing else says one (Keras' ``floatx``)."""

__all__ = ["floatx", "set_floatx"]

_FLOATX = ("float32", "float64")
_floatx = "float32"


def floatx() -> str:
    """Return the name of the default float dtype.

    Returns
    -------
    str
        ``"float32"`` or ``"float64"``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.config.floatx()
    'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    It is that of layers made from now on, and of lists and integers that are given as data.

    Parameters
    ----------
    value : {"float32", "float64"}
        The dtype's name.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.config.set_floatx("float64")
    >>> nn.config.floatx()
    'float64'
    >>> nn.config.set_floatx("float32")
    """
    global _floatx
    if not isinstance(value, str) or value not in _FLOATX:
        raise ValueError(f"set_floatx: value must be 'float32' or 'float64', got {value!r}")
    _floatx = value
