"""Losses between probabilities, and between sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks
from nncore.losses.base import Constant, Loss, Operands, Plain, axis_number, numbers

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "KLDivergence",
    "PerceptronLoss",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]


# Between probabilities --------------------------------------------------------------------------------------


class _CrossEntropy(Loss):
    """A loss between probabilities that can also take them as logits."""

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        where = type(self).__name__
        self.from_logits = _checks.boolean(from_logits, where, "from_logits")
        self.label_smoothing = _checks.real(label_smoothing, where, "label_smoothing", 0, 1)
        self.axis = axis_number(axis, where)

    def _attributes(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": self.axis,
                **super().get_config()}


class _OfClasses(_CrossEntropy):
    """A cross-entropy of one-hot or soft targets (B, C)."""

    hint = "; class ids go with SparseCategoricalCrossentropy"
    target_range = (0.0, np.inf, "weights of the classes: not negative")
    link = "softmax"


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy between class ids (B,) and the probabilities (B, C) of the classes.

    For row b it is ``-log(y_pred[b, y_true[b]])``.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logits, to which the softmax is still to be applied.
    ignore_class : int, optional
        A class id whose rows do not count, which may be none of 0 ... C-1, such as -1: they have no value and no
        gradient, and a mean is that over the others.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    axis : int
        The axis of the classes; in a model the last one.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(loss([1], [[0.0, 0.0]]), 4)
    0.6931
    """

    default_name = "sparse_categorical_crossentropy"
    target_kind = "ids"
    hint = "; one-hot targets go with CategoricalCrossentropy"
    kernel, logits_kernel, link = "categorical_cross_entropy", "softmax_cross_entropy", "softmax"

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: str | None = "sum_over_batch_size", axis: int = -1, name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(name, reduction, dtype)
        where = type(self).__name__
        self.from_logits = _checks.boolean(from_logits, where, "from_logits")
        self.ignore_class = None if ignore_class is None else _checks.integer(
            ignore_class, where, "ignore_class", low=-(2**53), high=2**53)
        self.axis = axis_number(axis, where)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"from_logits": self.from_logits, "ignore_class": self.ignore_class, "axis": self.axis,
                **super().get_config()}


class CategoricalCrossentropy(_OfClasses):
    """Cross-entropy between one-hot or soft targets (B, C) and probabilities (B, C).

    For each row it is ``-sum(y_true * log(y_pred))``.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` are logits, to which the softmax is still to be applied.
    label_smoothing : float
        From 0 to 1: targets become ``y_true * (1 - label_smoothing) + label_smoothing / C``.
    axis : int
        The axis of the classes; in a model the last one.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None}
        See `Loss`.
    name : str, optional
        The loss's name.
    dtype : {"float32", "float64"}, optional
        See `Loss`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.6931
    """

    default_name = "categorical_crossentropy"
    kernel, logits_kernel = "categorical_cross_entropy", "softmax_cross_entropy"


class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs (B, O): the mean of ``-(t log y + (1 - t) log(1 - y))``.

    Parameters as in `CategoricalCrossentropy`; the logits' function is the sigmoid, and smoothed targets are
    ``y_true * (1 - label_smoothing) + label_smoothing / 2``.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]), 4)
    0.6931
    """

    default_name = "binary_crossentropy"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")
    kernel, logits_kernel, link = "binary_cross_entropy", "sigmoid_binary_cross_entropy", "sigmoid_forward"


class BinaryFocalCrossentropy(_CrossEntropy):
    """Binary cross-entropy in which what is already right counts less: each element times ``f**gamma``.

    Here f is the probability that was given to the other side, ``t * (1 - y) + (1 - t) * y`` (Lin et al. 2017,
    "Focal Loss for Dense Object Detection").

    Parameters
    ----------
    apply_class_balancing : bool
        Whether elements are multiplied by ``t * alpha + (1 - t) * (1 - alpha)``.
    alpha : float
        The weight of ones in that, from 0 to 1.
    gamma : float
        How much less; with 0 all count alike.
    from_logits, label_smoothing, axis, reduction, name, dtype
        As in `BinaryCrossentropy`. Logits are never clipped, in Keras their sigmoid is.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.BinaryFocalCrossentropy()([[1.0, 0.0]], [[0.5, 0.1]]), 4)
    0.0872
    """

    default_name = "binary_focal_crossentropy"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")
    kernel, logits_kernel, link = "binary_focal_cross_entropy", "sigmoid_focal_cross_entropy", "sigmoid_forward"

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: DTypeLike | None = None) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        where = type(self).__name__
        self.apply_class_balancing = _checks.boolean(apply_class_balancing, where, "apply_class_balancing")
        self.alpha = _checks.real(alpha, where, "alpha", 0, 1)
        self.gamma = _checks.real(gamma, where, "gamma", 0)

    def _attributes(self) -> dict[str, Any]:
        return {"apply_class_balancing": self.apply_class_balancing, "alpha": self.alpha, "gamma": self.gamma,
                "label_smoothing": self.label_smoothing}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"apply_class_balancing": self.apply_class_balancing, "alpha": self.alpha, "gamma": self.gamma,
                **super().get_config()}


class CategoricalFocalCrossentropy(_OfClasses):
    """Cross-entropy in which what is already right counts less: ``-sum(alpha * t * (1 - y)**gamma * log(y))``.

    Parameters
    ----------
    alpha : float or sequence of float
        The weight of all classes, or one for each of the C classes.
    gamma : float
        How much less; with 0 all count alike.
    from_logits, label_smoothing, axis, reduction, name, dtype
        As in `CategoricalCrossentropy`. Logits are never clipped, in Keras their softmax is.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.0433
    """

    default_name = "categorical_focal_crossentropy"
    kernel, logits_kernel = "categorical_focal_cross_entropy", "softmax_focal_cross_entropy"

    def __init__(self, alpha: float | Sequence[float] = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        where = type(self).__name__
        self.alpha = numbers(alpha, where, "alpha", 0)
        self.gamma = _checks.real(gamma, where, "gamma", 0)

    def _attributes(self) -> dict[str, Any]:
        alpha = 1.0 if isinstance(self.alpha, list) else self.alpha
        return {"alpha": alpha, "gamma": self.gamma, "label_smoothing": self.label_smoothing}

    def _operands(self, y_pred: Any, target: Any, weight: Any, constant: Constant) -> Operands:
        alpha = constant(np.array(self.alpha)) if isinstance(self.alpha, list) else None
        return y_pred, target, weight, alpha

    def _target_width(self, n_outputs: int, where: str) -> int:
        if isinstance(self.alpha, list) and len(self.alpha) != n_outputs:
            raise ValueError(f"{where}: alpha of CategoricalFocalCrossentropy must be a number or one per class, "
                             f"{n_outputs} of them, got {len(self.alpha)}")
        return n_outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal loss."""
        return {"alpha": self.alpha, "gamma": self.gamma, **super().get_config()}


class KLDivergence(Plain):
    """Kullback-Leibler divergence of distributions (B, C): ``sum(y_true * log(y_true / y_pred))`` of a row.

    As in Keras both are clipped to [1e-7, 1]. Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> round(nn.losses.KLDivergence()([[0.25, 0.75]], [[0.5, 0.5]]), 4)
    0.1308
    """

    kernel = default_name = "kl_divergence"
    target_range = (0.0, 1.0, "probabilities: 0 to 1")


# Between sides ----------------------------------------------------------------------------------------------


class _Margin(Plain):
    """A loss whose targets are -1 and 1, or 0 and 1."""

    def check_target(self, y: ArrayLike, n_outputs: int, where: str, name: str = "y", n_rows: int | None = None,
                     dtype: DTypeLike | None = None) -> NDArray[Any]:
        found = super().check_target(y, n_outputs, where, name, n_rows, dtype)
        low = -1.0 if (found < 0).any() else 0.0
        self._refuse_first((found != low) & (found != 1) & (found == found), found, where, name,
                           f"{low:g} and 1" + (" (others are negative: not 0 and 1)" if low else ", or -1 and 1"))
        return found


class Hinge(_Margin):
    """Hinge loss of targets -1 and 1: ``mean(max(1 - y_true * y_pred, 0))``; targets 0 and 1 are taken for them.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.Hinge()([[0.0, 1.0]], [[-0.5, 3.0]])
    0.25
    """

    kernel = default_name = "hinge"


class SquaredHinge(_Margin):
    """Square of the hinge loss: ``mean(max(1 - y_true * y_pred, 0)**2)``.

    Targets as of `Hinge`, parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.SquaredHinge()([[0.0, 1.0]], [[-0.5, 3.0]])
    0.125
    """

    kernel = default_name = "squared_hinge"


class PerceptronLoss(_Margin):
    """Loss of the perceptron: ``mean(max(-y_true * y_pred, 0))``, so that only what is wrong teaches.

    With SGD, a batch of one row and no momentum it is Rosenblatt's rule; an output of 0 counts as wrong, so that it
    also starts from weights of 0. Targets as of `Hinge`, parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.PerceptronLoss()([[-1.0, 1.0]], [[0.5, 3.0]])
    0.25
    """

    kernel, default_name = "perceptron", "perceptron_loss"


class CategoricalHinge(Plain):
    """Hinge loss of one-hot targets: ``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)``.

    Parameters as in `MeanSquaredError`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.CategoricalHinge()([[1.0, 0.0, 0.0]], [[0.5, 1.0, 0.0]])
    1.5
    """

    kernel = default_name = "categorical_hinge"
    hint = "; class ids have to be one-hot here"
    target_range = (0.0, 1.0, "one-hot: 0 and 1")
