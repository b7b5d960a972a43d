"""Choose, at import, the build of the compiled core that this processor runs best.

``NNCORE_ISA=v2|v3|v4`` forces a level. There is no fallback to Python: without a core that loads, importing
fails.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

LEVELS = ("v4", "v3", "v2", "plain")
if os.path.exists(os.path.join(os.path.dirname(__file__), "core.pxi")):
    _ADVICE = (
        "this is nncore's source folder, which holds no compiled core: work from another folder, "
        "or build in place with `python setup.py build_ext --inplace`"
    )
else:
    _ADVICE = (
        "reinstall it with `pip install --force-reinstall nncore`, "
        "or build it from source (a C compiler is needed)"
    )


def isa_available() -> dict[str, str]:
    """Return, best level first, "" for each level that can be used here, else the reason why not."""
    try:
        cpu = import_module(f"{__name__}._cpu").level()
    except ImportError as error:
        raise ImportError(f"nncore: the compiled core does not load ({error}); {_ADVICE}") from error
    reasons = {}
    for level in LEVELS:
        if find_spec(f"{__name__}._{level}") is None:
            reasons[level] = "not in this build"
        elif level != "plain" and cpu < int(level[1]):
            reasons[level] = f"this processor has x86-64-v{cpu}"
        else:
            reasons[level] = ""
    return reasons


def _load() -> tuple[str, ModuleType]:
    reasons = isa_available()
    wanted = os.environ.get("NNCORE_ISA", "")
    if wanted:
        if wanted not in LEVELS:
            raise ImportError(f"nncore: NNCORE_ISA is {wanted!r}; it may be v2, v3 or v4")
        if reasons[wanted]:
            raise ImportError(f"nncore: NNCORE_ISA asks for {wanted}, but {reasons[wanted]}")
        return wanted, import_module(f"{__name__}._{wanted}")
    for level in LEVELS:
        if not reasons[level]:
            try:
                return level, import_module(f"{__name__}._{level}")
            except ImportError as error:
                reasons[level] = f"does not load: {error}"
    told = "; ".join(f"{level}: {reason}" for level, reason in reasons.items())
    raise ImportError(f"nncore: no compiled core can be used ({told}); {_ADVICE}")


if TYPE_CHECKING:
    from nncore._core import _v4 as core  # one stub: every level has the same functions

    isa: str
else:
    isa, core = _load()
