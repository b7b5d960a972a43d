"""Learning rates that follow the step: what `nncore.schedules` has, under Keras's name."""

from nncore.schedules import *  # noqa: F403
from nncore.schedules import __all__  # noqa: F401
