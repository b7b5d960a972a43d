"""Weights files in the safetensors format: arrays by name, and metadata of strings.

A file is written beside its final place, flushed to the disk and then renamed over the old one. A crash at
any moment leaves the old file or the new one, whole; an error leaves the old one and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_weights_file", "save_weights_file"]


def save_weights_file(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays and metadata to `path`, replacing what is there only once the new file is complete.

    Parameters
    ----------
    path : path-like
        The file. Where it is a symbolic link, the file that it points to.
    arrays : mapping of str to ndarray
        The arrays: floats, integers or bools.
    metadata : mapping of str to str, optional
        Texts to keep with them.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     save_weights_file(path, {"w": np.ones((2, 3))}, {"made": "today"})
    ...     arrays, metadata = load_weights_file(path)
    >>> arrays["w"].shape, metadata
    ((2, 3), {'made': 'today'})
    """
    package = _package()
    where = f"cannot save {os.fspath(path)!r}"
    # safetensors reads the bytes as they lie: a transposed array would come back scrambled.
    contiguous = {name: _plain(array, where, name) for name, array in arrays.items()}
    texts = dict(metadata or {})
    for item in texts.items():
        if not all(isinstance(text, str) for text in item):
            raise TypeError(f"{where}: metadata must be strings, got {item[0]!r}: {item[1]!r}")
    try:
        with _replacing(os.path.realpath(path)) as temporary:
            package.numpy.save_file(contiguous, temporary, texts)
    except package.SafetensorError as error:
        raise OSError(f"{where}: {error}") from error
    except OSError as error:
        raise type(error)(error.errno, f"{where}: {error.strerror or error}") from error


def load_weights_file(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read what `save_weights_file` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays, in memory of their own.
    metadata : dict of str to str
        The texts; empty where the file has none.

    Examples
    --------
    >>> load_weights_file("no-such-file.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: cannot load 'no-such-file.safetensors': there is no such file
    """
    package = _package()
    where = f"cannot load {os.fspath(path)!r}"
    if not os.path.exists(path):
        raise FileNotFoundError(f"{where}: there is no such file")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{where}: it is a directory")
    try:
        with package.safe_open(os.fspath(path), framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})
    except OSError as error:
        raise type(error)(f"{where}: {error}") from error
    except (
        Exception
    ) as error:  # the package's own error, and what NumPy says of dtypes that it lacks (bfloat16, float8)
        raise ValueError(
            f"{where}: it is damaged or not a safetensors file of NumPy's dtypes ({error})"
        ) from error


def _package() -> ModuleType:
    """Import safetensors only when a file is read or written: `import nncore` stays fast."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("weights files need the package 'safetensors': pip install safetensors") from error
    return safetensors


def _plain(array: NDArray[Any], where: str, name: str) -> NDArray[Any]:
    """Return `array` C-contiguous, if a file can hold it."""
    found = np.asarray(array)
    if not isinstance(name, str):
        raise TypeError(f"{where}: names of arrays must be strings, got {name!r}")
    if found.dtype.kind not in "fiub" or found.dtype.itemsize > 8:
        raise TypeError(f"{where}: array {name!r} has dtype {found.dtype}, which a weights file cannot hold")
    return np.asarray(found, order="C")


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[str]:
    """Give the name of a temporary file; when its writer is done, flush it and rename it to `path`.

    The temporary lies in the same directory, since only there a rename is atomic.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        # Made here, since the safetensors package makes files that only their owner can read: a new weights
        # file shall have the permissions that the user's umask says, and a replaced one those it had.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = os.stat(path if os.path.exists(path) else temporary).st_mode
        yield temporary
        os.chmod(temporary, stat.S_IMODE(mode))
        _flush(temporary)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    # The rename itself is on the disk only when the directory is. Some file systems cannot flush one.
    try:
        _flush(folder or ".")
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF):
            raise


def _flush(path: str) -> None:
    """Have the system write a file's or a directory's data to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
