"""Batch normalization."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks, initializers
from nncore.layers._normalizing import ScaleAndShift
from nncore.program import Program

__all__ = ["BatchNormalization"]


class BatchNormalization(ScaleAndShift):
    """Bring each feature to mean 0 and variance 1 over the batch, then scale and shift it.

    In training ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`` with mean and (biased) variance of each
    feature, the last axis, over the batch and all axes between; and ``moving = momentum * moving + (1 - momentum) *
    batch``. In inference, and where the layer is frozen (``trainable=False``), the moving mean and variance take the
    batch's place: a row's output then does not depend on the others. Sample weights do not enter mean and variance.

    Parameters
    ----------
    axis : int
        The axis of the features: the last one.
    momentum : float
        How much of the moving mean and variance is kept in a step.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is beta, whether there is gamma.
    beta_initializer, gamma_initializer : str or Initializer
        First values of beta and gamma.
    moving_mean_initializer, moving_variance_initializer : str or Initializer
        First values of the moving mean and variance.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties on them: see `nncore.regularizers`.
    beta_constraint, gamma_constraint : str or Constraint, optional
        What they are brought back to after each update: see `nncore.constraints`.
    name, dtype, trainable : optional
        As of every layer.

    Notes
    -----
    The weights are, in this order, gamma, beta, moving_mean and moving_variance.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.BatchNormalization(momentum=0.5, epsilon=0)])
    >>> model([[1], [3]], training=True).ravel()
    array([-1.,  1.], dtype=float32)
    >>> [weight.item() for weight in model.get_weights()[2:]]
    [1.0, 1.0]
    >>> model([[1], [3]]).ravel()
    array([0., 2.], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(axis, epsilon, center, scale, (beta_initializer, beta_regularizer, beta_constraint),
                         (gamma_initializer, gamma_regularizer, gamma_constraint), name, dtype, trainable)
        self.momentum = _checks.real(momentum, type(self).__name__, "momentum", low=0.0, high=1.0)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta, the moving mean and the moving variance, all (C,)."""
        super().build(input_shape)
        shape = (input_shape[-1],)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, False, "moving_mean")
        self.moving_variance = self.add_weight(shape, self.moving_variance_initializer, False, "moving_variance")

    def emit(self, program: Program, x: Any) -> int:
        """Append the op of training or that of inference."""
        moving = program.parameter(self.moving_mean), program.parameter(self.moving_variance)
        inputs = (x, *moving, *self._scale_and_shift(program))
        y = program.rows(program.buffers[x].shape)
        if not (program.training and self.trainable):
            program.emit("batch_normalization", inputs, (y,), epsilon=self.epsilon)
            return y
        saved = (program.array((program.width(x),), role="saved") for _ in range(2))  # mean, inverse deviation
        program.emit("batch_normalization_forward", inputs, (y, *saved, *moving), momentum=self.momentum,
                     epsilon=self.epsilon)
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            **super().get_config(),
        }
