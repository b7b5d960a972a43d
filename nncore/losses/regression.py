"""Losses between numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nncore import _checks
from nncore.losses.base import Constant, Loss, Operands, Plain, axis_number, numbers

__all__ = [
    "CosineSimilarity",
    "GaussianNLLLoss",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "PoissonDeviance",
    "QuantileLoss",
]


class MeanSquaredError(Plain):
    """Mean of the squared differences of a row: ``mean((y_pred - y_true)**2)``.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanSquaredError()([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    kernel = default_name = "mean_squared_error"


class MeanAbsoluteError(Plain):
    """Mean of the absolute differences of a row: ``mean(|y_pred - y_true|)``.

    Parameters as in `MeanSquaredError`. The gradient of a difference of 0 is 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanAbsoluteError()([1.0, 2.0], [1.0, 4.0])
    1.0
    """

    kernel = default_name = "mean_absolute_error"


class MeanAbsolutePercentageError(Plain):
    """Mean difference in percent: ``100 * mean(|y_pred - y_true| / max(|y_true|, 1e-7))``.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.MeanAbsolutePercentageError()([1.0, 2.0], [1.0, 4.0])
    50.0
    """

    kernel = default_name = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(Plain):
    """Mean squared difference of logarithms: ``mean((log(1 + y_pred) - log(1 + y_true))**2)``.

    As in Keras both count at least 1e-7: below that there is no gradient. Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.MeanSquaredLogarithmicError()([0.0], [1.0]), 4)
    0.4805
    """

    kernel = default_name = "mean_squared_logarithmic_error"


class Huber(Loss):
    """Half the squared difference d up to `delta`, a straight line beyond: ``delta * |d| - delta**2 / 2``.

    Parameters
    ----------
    delta : float
        Where the square ends, above 0.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.Huber(delta=1.0)([0.0, 0.0], [0.5, 3.0])
    1.3125
    """

    kernel, default_name = "huber", "huber_loss"

    def __init__(self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = _checks.positive(delta, "Huber", "delta")

    def _attributes(self) -> dict[str, Any]:
        return {"delta": self.delta}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"delta": self.delta, **super().get_config()}


class LogCosh(Plain):
    """Mean of ``log(cosh(y_pred - y_true))``: nearly half the square where small, the absolute value where large.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.LogCosh()([0.0], [1.0]), 4)
    0.4338
    """

    kernel = default_name = "log_cosh"


class QuantileLoss(Loss):
    """Pinball loss, whose minimum is a quantile of the targets; several quantiles are learned at once.

    With ``d = y_true - y_pred`` an output costs ``q * d`` where d is positive, else ``(q - 1) * d``; a row costs the
    mean over its outputs. Half the absolute error where q is 0.5.

    Parameters
    ----------
    quantiles : float or sequence of float
        Between 0 and 1. For Q of them a model has Q outputs for each of O targets: those of target 0 first, in the
        order of `quantiles`, so that ``y_pred.reshape(B, O, Q)`` tells them apart.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.QuantileLoss([0.25, 0.75])([[1.0]], [[0.0, 2.0]])
    0.25
    """

    kernel, default_name = "pinball", "quantile_loss"

    def __init__(self, quantiles: float | Sequence[float] = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.quantiles = numbers(quantiles, "QuantileLoss", "quantiles", 0, 1)
        self._array = np.atleast_1d(self.quantiles)
        if self._array.size == 0 or not ((self._array > 0) & (self._array < 1)).all():
            raise ValueError(f"QuantileLoss: quantiles must lie between 0 and 1, got {quantiles!r}")

    def _operands(self, y_pred: Any, target: Any, weight: Any, constant: Constant) -> Operands:
        return y_pred, target, constant(self._array), weight

    def _target_width(self, n_outputs: int, where: str) -> int:
        if n_outputs % len(self._array):
            raise ValueError(f"{where}: QuantileLoss wants {len(self._array)} outputs for each target, one per "
                             f"quantile, got {n_outputs} outputs")
        return n_outputs // len(self._array)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"quantiles": self.quantiles, **super().get_config()}


class Poisson(Plain):
    """Negative log-likelihood of counts whose expectation is predicted: ``mean(y_pred - y_true * log(y_pred))``.

    As in Keras, 1e-7 is added to `y_pred` in the logarithm, and the constant ``log(y_true!)`` is left out. Outputs
    must not be negative: end with ``activation="exponential"`` or "softplus". Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.Poisson()([1.0], [2.0]), 4)
    1.3069
    """

    kernel = default_name = "poisson"
    target_range = (0.0, np.inf, "counts: not negative")

    def _check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        self._refuse_first(y_pred < 0, y_pred, where, "y_pred", "expected counts: not negative")


class PoissonDeviance(Loss):
    """Half the Poisson deviance of counts: ``mean(y_true * log(y_true / y_pred) - y_true + y_pred)`` of each row.

    `Poisson` plus what depends on the targets alone, so that 0 is the best; a target of 0 costs `y_pred`. It is
    scikit-learn's ``loss="poisson"``, which has the sum over the outputs. Outputs must be above 0: end with
    ``activation="exponential"``, and the loss takes what stands before it, which is stable.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logarithms of the expected counts, to which the exponential is still to be applied.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.PoissonDeviance()([[1.0], [0.0]], [[2.0], [0.5]]), 4)
    0.4034
    """

    kernel, logits_kernel, link = "poisson_deviance", "exponential_poisson_deviance", "exponential_forward"
    default_name = "poisson_deviance"
    target_range = (0.0, np.inf, "counts: not negative")

    def __init__(self, from_logits: bool = False, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = _checks.boolean(from_logits, type(self).__name__, "from_logits")

    def _check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        if not self.from_logits:
            self._refuse_first(y_pred <= 0, y_pred, where, "y_pred", "expected counts: above 0")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"from_logits": self.from_logits, **super().get_config()}


class GaussianNLLLoss(Loss):
    """Negative log-likelihood of normal distributions: a model that also says how sure it is.

    For O targets a model has 2 * O outputs: the means m, then the variances v. A row costs the mean of
    ``(log(v) + (m - y_true)**2 / v) / 2`` over its targets, as PyTorch's loss of this name. Variances must not be
    negative: let "softplus" or "exponential" make them; a negative one gives nan, which ends `fit`.

    Parameters
    ----------
    full : bool
        Whether the constant ``log(2 * pi) / 2`` is added.
    eps : float
        The least variance. The gradient passes it, so that smaller variances can grow.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.GaussianNLLLoss()([[3.0]], [[1.0, 1.0]])
    2.0
    """

    kernel, default_name = "gaussian_nll", "gaussian_nll_loss"

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.full = _checks.boolean(full, "GaussianNLLLoss", "full")
        self.eps = _checks.positive(eps, "GaussianNLLLoss", "eps")

    def _attributes(self) -> dict[str, Any]:
        return {"full": self.full, "eps": self.eps}

    def _target_width(self, n_outputs: int, where: str) -> int:
        if n_outputs % 2:
            raise ValueError(f"{where}: GaussianNLLLoss wants two outputs for each target, means and then variances, "
                             f"got {n_outputs} outputs")
        return n_outputs // 2

    def _check_prediction(self, y_pred: NDArray[Any], where: str) -> None:
        variances = y_pred.copy()
        variances[:, : y_pred.shape[1] // 2] = 0
        self._refuse_first(variances < 0, y_pred, where, "y_pred", "means, then variances: these not negative")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"full": self.full, "eps": self.eps, **super().get_config()}


class CosineSimilarity(Loss):
    """Negative cosine of the angle between target and output: -1 where they point the same way, 1 opposite.

    As in Keras a norm counts at least 1e-7. The value is of a row, not a mean over its outputs.

    Parameters
    ----------
    axis : int
        The axis of the vectors; in a model the last one.
    reduction, name, dtype
        As in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), 4)
    -0.5
    """

    kernel = default_name = "cosine_similarity"

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = axis_number(axis, "CosineSimilarity")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"axis": self.axis, **super().get_config()}
