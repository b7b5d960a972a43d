"""nncore: dense neural networks on the CPU, at the speed of the hardware and with the same bits every time.

Models, layers, losses, optimizers, metrics and initializers carry Keras 3's names and meanings;
`nncore.kernels` offers the compiled kernels alone, `nncore.reference` their twins in plain NumPy.
"""

from nncore import (
    activations,
    callbacks,
    config,
    constraints,
    custom,
    data,
    executor,
    gradients,
    initializers,
    kernels,
    layers,
    losses,
    metrics,
    optimizers,
    program,
    random,
    regularizers,
    schedules,
    utils,
)
from nncore._system import config_info, get_num_threads, limit_threads, set_num_threads, show_config
from nncore._version import __version__
from nncore.history import History
from nncore.layers.input import Input
from nncore.models import Model, Sequential, load_model
from nncore.training import NonFiniteError
from nncore.variables import Variable

__all__ = [
    "History",
    "Input",
    "Model",
    "NonFiniteError",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "config_info",
    "constraints",
    "custom",
    "diagnose",
    "diagnostics",
    "data",
    "executor",
    "get_num_threads",
    "gradients",
    "initializers",
    "inspection",
    "kernels",
    "layers",
    "limit_threads",
    "load_model",
    "losses",
    "metrics",
    "optimizers",
    "plot_model",
    "program",
    "random",
    "reference",
    "regularizers",
    "schedules",
    "set_num_threads",
    "show_config",
    "testing",
    "utils",
]


def __getattr__(name: str) -> object:
    """Import what few programs use when it is first used: nobody else pays for it at import."""
    if name == "plot_model":
        from nncore.plotting import plot_model

        return plot_model
    if name == "diagnose":
        from nncore.diagnostics import diagnose

        return diagnose
    if name in ("diagnostics", "inspection", "reference", "testing"):
        from importlib import import_module

        return import_module(f"nncore.{name}")
    raise AttributeError(f"module 'nncore' has no attribute {name!r}")
