"""Callbacks, with Keras 3's names: what `fit`, `evaluate` and `predict` call while they run.

A run of native layers stays outside of Python for a whole epoch. It comes back for every batch only where a
callback has its own version of a batch's hook.
"""

from typing import TYPE_CHECKING

from nncore.callbacks.backup_and_restore import BackupAndRestore
from nncore.callbacks.base import HOOKS, Callback, CallbackList, Logs
from nncore.callbacks.csv_logger import CSVLogger
from nncore.callbacks.early_stopping import EarlyStopping
from nncore.callbacks.lambda_callback import LambdaCallback
from nncore.callbacks.learning_rate_scheduler import LearningRateScheduler
from nncore.callbacks.model_checkpoint import ModelCheckpoint
from nncore.callbacks.monitor import MonitorCallback
from nncore.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from nncore.callbacks.stop_on_tolerance import StopOnTolerance
from nncore.callbacks.terminate_on_nan import TerminateOnNaN
from nncore.callbacks.time_limit import TimeLimit

if TYPE_CHECKING:
    from nncore.diagnostics import Diagnostics

__all__ = [
    "HOOKS",
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "Diagnostics",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "MonitorCallback",
    "ReduceLROnPlateau",
    "StopOnTolerance",
    "TerminateOnNaN",
    "TimeLimit",
]


def __getattr__(name: str) -> object:
    """Import `Diagnostics` when it is first used: nobody pays for it at import."""
    if name == "Diagnostics":
        from nncore.diagnostics import Diagnostics

        return Diagnostics
    raise AttributeError(f"module 'nncore.callbacks' has no attribute {name!r}")
