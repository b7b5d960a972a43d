from nncore._core._v4 import *  # noqa: F403
