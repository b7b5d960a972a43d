"""The losses of scikit-learn's nets, which differ from Keras's in how outputs and nearly certain errors count."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from nncore import activations, losses

__all__ = ["BinaryLogLoss", "HalfPoissonDeviance", "HalfSquaredError", "LogLoss"]

Found = tuple[int, int, int]


class HalfSquaredError(losses.MeanSquaredError):
    """Half the mean over the outputs, with the gradient of half the sum."""

    def emit(self, program: Any, y_pred: int, target: int, sample_weight: int | None) -> Found:
        """Append the loss and its gradient to `program`."""
        rows, dy, wrt = super().emit(program, y_pred, target, sample_weight)
        return _scaled(program, rows, 0.5), _scaled(program, dy, 0.5 * program.buffers[y_pred].row_size), wrt

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss."""
        return 0.5 * super().__call__(y_true, y_pred, sample_weight)


class HalfPoissonDeviance(losses.PoissonDeviance):
    """Summed over the outputs."""

    def emit(self, program: Any, y_pred: int, target: int, sample_weight: int | None) -> Found:
        """Append the loss and its gradient to `program`."""
        return _summed(program, super().emit(program, y_pred, target, sample_weight), y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss."""
        return np.shape(y_pred)[-1] * super().__call__(y_true, y_pred, sample_weight)


class LogLoss(losses.SparseCategoricalCrossentropy):
    """The cross-entropy of classes, of which a row counts for no more than that of a probability of one epsilon."""

    def emit(self, program: Any, y_pred: int, target: int, sample_weight: int | None) -> Found:
        """Append the loss and its gradient to `program`."""
        return _capped(self, super().emit, program, y_pred, target, sample_weight)


class BinaryLogLoss(losses.BinaryCrossentropy):
    """The binary cross-entropy, summed over labels; that of one label is capped as `LogLoss` is."""

    def emit(self, program: Any, y_pred: int, target: int, sample_weight: int | None) -> Found:
        """Append the loss and its gradient to `program`."""
        if program.buffers[y_pred].row_size == 1:
            return _capped(self, super().emit, program, y_pred, target, sample_weight)
        return _summed(program, super().emit(program, y_pred, target, sample_weight), y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss."""
        return np.shape(y_pred)[-1] * super().__call__(y_true, y_pred, sample_weight)


def _capped(loss: losses.Loss, emit: Any, program: Any, y_pred: int, target: int, sample_weight: int | None) -> Found:
    """Append a loss whose values are capped before they are weighed; the gradient is as it was."""
    rows, dy, wrt = emit(program, y_pred, target, sample_weight)
    if sample_weight is not None:
        rows = emit(program, y_pred, target, None)[0]
    cap = functools.partial(activations.relu, max_value=float(-np.log(np.finfo(program.dtype).eps)))
    rows = activations.emit(program, cap, rows)
    if sample_weight is not None:
        _, weight = loss._emit_weights(program, target, sample_weight)
        program.emit("multiply_forward", (rows, weight), (weighed := program.like(rows),))
        rows = weighed
    return rows, dy, wrt


def _summed(program: Any, found: Found, y_pred: int) -> Found:
    """Scale what is a mean over outputs."""
    width, (rows, dy, wrt) = program.buffers[y_pred].row_size, found
    return _scaled(program, rows, width), _scaled(program, dy, width), wrt


def _scaled(program: Any, number: int, scale: float) -> int:
    if scale == 1:
        return number
    result: int = program.like(number)
    program.emit("scale_forward", (number,), (result,), scale=scale)
    return result
