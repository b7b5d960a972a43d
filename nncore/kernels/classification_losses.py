"""Focal cross-entropies, the hinge losses and the divergence of distributions, with their gradient in one pass."""

from __future__ import annotations

from numpy.typing import ArrayLike

from nncore import _checks
from nncore.kernels._front import Array
from nncore.kernels.losses import loss

__all__ = [
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "categorical_hinge",
    "hinge",
    "kl_divergence",
    "perceptron",
    "sigmoid_focal_cross_entropy",
    "softmax_focal_cross_entropy",
    "squared_hinge",
]


def _focal(where: str, label_smoothing: float, alpha: float, gamma: float) -> dict[str, float]:
    """Return the scalars that focal losses share."""
    return {
        "label_smoothing": _checks.real(label_smoothing, where, "label_smoothing", 0, 1),
        "alpha": _checks.real(alpha, where, "alpha"),
        "gamma": _checks.real(gamma, where, "gamma", 0),
    }


def sigmoid_focal_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Focal cross-entropy of sigmoid outputs: what is already right counts less.

    The loss of `sigmoid_binary_cross_entropy`, each element times ``f**gamma``, where f is the probability
    ``t * (1 - p) + (1 - t) * p`` that was given to the other side (Lin et al. 2017, "Focal Loss for Dense Object
    Detection"). Exact for any finite logits: it does not clip.

    Parameters
    ----------
    logits, target, sample_weight, rows_out, dlogits_out, label_smoothing
        As of `sigmoid_binary_cross_entropy`.
    apply_class_balancing : bool
        Whether elements are multiplied by ``t * alpha + (1 - t) * (1 - alpha)``.
    alpha : float
        The weight of ones in that.
    gamma : float
        How much: with 0 all count alike.

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, O)

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dlogits = nn.kernels.sigmoid_focal_cross_entropy([[0.0]], [[1.0]])
    >>> round(loss, 4)  # log(2) / 4
    0.1733
    """
    where = "sigmoid_focal_cross_entropy"
    return loss(where, logits, target, sample_weight, rows_out, dlogits_out, argument="logits",
                apply_class_balancing=_checks.boolean(apply_class_balancing, where, "apply_class_balancing"),
                **_focal(where, label_smoothing, alpha, gamma))


def binary_focal_cross_entropy(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Focal cross-entropy of independent probabilities: `binary_cross_entropy`, each element times ``f**gamma``.

    Prefer `sigmoid_focal_cross_entropy`, which need not clip.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out, label_smoothing
        As of `binary_cross_entropy`.
    apply_class_balancing, alpha, gamma
        As of `sigmoid_focal_cross_entropy`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.binary_focal_cross_entropy([[0.5]], [[1.0]])
    >>> round(loss, 4)
    0.1733
    """
    where = "binary_focal_cross_entropy"
    return loss(where, y_pred, target, sample_weight, rows_out, dy_pred_out,
                apply_class_balancing=_checks.boolean(apply_class_balancing, where, "apply_class_balancing"),
                **_focal(where, label_smoothing, alpha, gamma))


def softmax_focal_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dlogits_out: Array | None = None,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Focal cross-entropy of softmax outputs: ``mean(w * -sum(alpha * t * (1 - q)**gamma * log(q)))``.

    Here q is the softmax of the logits; exact for any finite ones.

    Parameters
    ----------
    logits : array_like, shape (B, C)
        Outputs before the softmax.
    target : array_like, shape (B, C)
        One-hot or soft targets.
    sample_weight : array_like, shape (B,), optional
        Weight of each row.
    class_weight : array_like, shape (C,), optional
        Weight of each class, beside alpha.
    rows_out : ndarray, shape (B,), optional
        Where the weighted losses of the rows go.
    dlogits_out : ndarray, shape (B, C), optional
        Where the gradient goes.
    alpha : float
        Weight of all classes.
    gamma : float
        How much less that counts which is already right: with 0 all count alike.
    label_smoothing : float
        Targets become ``t * (1 - label_smoothing) + label_smoothing / C``.

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dlogits = nn.kernels.softmax_focal_cross_entropy([[0.0, 0.0]], [[1.0, 0.0]])
    >>> round(loss, 4)  # log(2) / 16
    0.0433
    """
    where = "softmax_focal_cross_entropy"
    return loss(where, logits, target, sample_weight, rows_out, dlogits_out, argument="logits",
                class_weight=class_weight, **_focal(where, label_smoothing, alpha, gamma))


def categorical_focal_cross_entropy(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
    alpha: float = 0.25,
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Focal cross-entropy of probabilities: ``mean(w * -sum(alpha * t * (1 - q)**gamma * log(q)))``.

    As in Keras, a row is divided by its sum and clipped: ``q = clip(p / sum(p), 1e-7, 1 - 1e-7)``. Prefer
    `softmax_focal_cross_entropy`, which needs neither.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Probabilities.
    target, sample_weight, class_weight, rows_out, alpha, gamma, label_smoothing
        As of `softmax_focal_cross_entropy`.
    dy_pred_out : ndarray, shape (B, C), optional
        Where the gradient goes.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, C)

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.categorical_focal_cross_entropy([[0.5, 0.5]], [[1.0, 0.0]])
    >>> round(loss, 4)
    0.0433
    """
    where = "categorical_focal_cross_entropy"
    return loss(where, y_pred, target, sample_weight, rows_out, dy_pred_out, class_weight=class_weight,
                **_focal(where, label_smoothing, alpha, gamma))


def hinge(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Hinge loss: ``mean(w * mean(max(1 - t * p, 0)))``, where a target of 0 stands for -1.

    Parameters
    ----------
    y_pred : array_like, shape (B, O)
        Scores, their sign the class.
    target : array_like, shape (B, O), or (B,) where O is 1
        -1 or 1; 0 is taken as -1.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``-t * w / (B * O)`` where ``t * p`` is at most 1, else 0.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.hinge([[0.5, 2.0]], [[1.0, 1.0]])
    (0.25, array([[-0.5,  0. ]], dtype=float32))
    """
    return loss("hinge", y_pred, target, sample_weight, rows_out, dy_pred_out)


def squared_hinge(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Square of the hinge loss: ``mean(w * mean(max(1 - t * p, 0)**2))``, where a target of 0 stands for -1.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `hinge`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``-2 * t * max(1 - t * p, 0) * w / (B * O)``.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.squared_hinge([[0.5, -2.0]], [[1.0, -1.0]])
    (0.125, array([[-0.5,  0. ]], dtype=float32))
    """
    return loss("squared_hinge", y_pred, target, sample_weight, rows_out, dy_pred_out)


def perceptron(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Loss of the perceptron: ``mean(w * mean(max(-t * p, 0)))``, where a target of 0 stands for -1.

    Parameters
    ----------
    y_pred, target, sample_weight, rows_out, dy_pred_out : array_like
        As of `hinge`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, O)
        ``-t * w / (B * O)`` where ``t * p`` is at most 0, else 0: weights of 0 learn too.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.perceptron([[-0.5, 2.0, 0.0]], [[1.0, 1.0, -1.0]])[1] * 3
    array([[-1.,  0.,  1.]], dtype=float32)
    """
    return loss("perceptron", y_pred, target, sample_weight, rows_out, dy_pred_out)


def categorical_hinge(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Hinge loss of several classes: ``mean(w * max(max((1 - t) * p) - sum(t * p) + 1, 0))``.

    Parameters
    ----------
    y_pred : array_like, shape (B, C)
        Scores of the classes.
    target : array_like, shape (B, C)
        One-hot targets.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, C)
        ``-t``, plus ``1 - t`` at the largest ``(1 - t) * p`` (several share it), times ``w / B``; 0 where the
        margin is larger than 1.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.kernels.categorical_hinge([[0.5, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    (1.5, array([[-1.,  1.,  0.]], dtype=float32))
    """
    return loss("categorical_hinge", y_pred, target, sample_weight, rows_out, dy_pred_out)


def kl_divergence(
    y_pred: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None = None,
    rows_out: Array | None = None,
    dy_pred_out: Array | None = None,
) -> tuple[float, Array]:
    """Kullback-Leibler divergence of the prediction from the target: ``mean(w * sum(t * log(t / p)))``.

    As in Keras, both are clipped to [1e-7, 1].

    Parameters
    ----------
    y_pred, target : array_like, shape (B, C)
        Probabilities.
    sample_weight, rows_out, dy_pred_out : array_like
        As of `mean_squared_error`.

    Returns
    -------
    loss : float
    dy_pred : ndarray, shape (B, C)
        ``-t / p * w / B``, 0 where p is clipped.

    Examples
    --------
    >>> import nncore as nn
    >>> loss, dy_pred = nn.kernels.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])
    >>> round(loss, 4), dy_pred
    (0.1308, array([[-0.5, -1.5]], dtype=float32))
    """
    return loss("kl_divergence", y_pred, target, sample_weight, rows_out, dy_pred_out)
