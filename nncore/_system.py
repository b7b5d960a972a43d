"""What runs here: threads, and the build that was chosen."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from nncore import _checks
from nncore._core import core, isa, isa_available
from nncore._version import __version__

__all__ = ["config_info", "get_num_threads", "limit_threads", "set_num_threads", "show_config"]


def _quota(root: str = "/sys/fs/cgroup") -> int:
    """Return the processors that a control group's quota allows, rounded up; 0 without a quota.

    OpenMP sees the affinity mask but not the quota: more threads than that only wait for each other.
    """
    try:
        limit, period = _read(root, "cpu.max").split()
    except (OSError, ValueError):
        try:
            limit, period = _read(root, "cpu/cpu.cfs_quota_us"), _read(root, "cpu/cpu.cfs_period_us")
        except OSError:
            return 0
    try:
        return max(1, math.ceil(int(limit) / int(period))) if int(limit) > 0 else 0
    except (ValueError, ZeroDivisionError):  # "max"
        return 0


def _read(root: str, name: str) -> str:
    with open(os.path.join(root, name)) as file:
        return file.read().strip()


_start_cap = _quota()
core.set_thread_cap(_start_cap)
# libgomp's threads do not survive a fork, and a child that asks for them hangs: it stays on one thread.
os.register_at_fork(after_in_child=lambda: core.set_thread_cap(1))


def set_num_threads(n: int | None) -> None:
    """Set the most threads that a call may take.

    It is a cap: small work takes fewer, and neither ``OMP_NUM_THREADS``, threadpoolctl's limits, the
    processor affinity nor a control group's quota is exceeded. Results do not depend on it. A child made by
    ``fork`` stays on one thread.

    Parameters
    ----------
    n : int or None
        At least 1; None takes the cap away.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.set_num_threads(1)
    >>> nn.get_num_threads()
    1
    >>> nn.set_num_threads(None)
    """
    cap = _start_cap if n is None else _checks.positive_int(n, "set_num_threads", "n")
    if n is not None and _start_cap:
        cap = min(cap, _start_cap)
    core.set_thread_cap(min(cap, 2**31 - 1))


@contextlib.contextmanager
def limit_threads(n: int | None) -> Iterator[None]:
    """Limit the threads that calls from this Python thread may take, as long as the context lasts.

    It is a cap beside that of `set_num_threads`, which holds for all: so many models may be trained side by side,
    each in a Python thread with one thread of its own. Results do not depend on it.

    Parameters
    ----------
    n : int or None
        At least 1; None limits nothing.

    Examples
    --------
    >>> import nncore as nn
    >>> with nn.limit_threads(1):
    ...     nn.get_num_threads()
    1
    """
    cap = 0 if n is None else min(_checks.positive_int(n, "limit_threads", "n"), 2**31 - 1)
    before = core.set_own_thread_cap(cap)
    try:
        yield
    finally:
        core.set_own_thread_cap(before)


def get_num_threads() -> int:
    """Return the most threads that a call would take now.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.get_num_threads() >= 1
    True
    """
    n: int = core.max_threads()
    return n


def config_info() -> dict[str, Any]:
    """Return what `show_config` prints.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.config_info()["isa"] in ("v2", "v3", "v4", "plain")
    True
    """
    reasons = isa_available()
    return {
        "version": __version__,
        "isa": isa,
        "isa_available": [level for level in reversed(reasons) if not reasons[level]],
        "threads": get_num_threads(),
        "openmp": core.has_openmp,
        "compiler": core.compiler,
        "debug": core.debug,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def show_config() -> None:
    """Print the version, the instruction sets in use and available, threads, compiler, and NumPy's version.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.show_config()  # doctest: +ELLIPSIS
    version        ...
    """
    for name, value in config_info().items():
        print(f"{name:14} {', '.join(value) if isinstance(value, list) else value}")
