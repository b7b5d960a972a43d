"""Layer normalization and RMS normalization."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks
from nncore.layers._normalizing import ScaleAndShift, axis_number, features
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = ["LayerNormalization", "RMSNormalization"]


class LayerNormalization(ScaleAndShift):
    """Bring each row to mean 0 and variance 1 over its features, then scale and shift them.

    ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`` with mean and (biased) variance over the last axis.

    Parameters
    ----------
    axis : int
        The axis of the features: the last one.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is beta, whether there is gamma.
    beta_initializer, gamma_initializer : str or Initializer
        First values of beta and gamma.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties on them: see `nncore.regularizers`.
    beta_constraint, gamma_constraint : str or Constraint, optional
        What they are brought back to after each update: see `nncore.constraints`.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.LayerNormalization(epsilon=0)([[1, 3], [10, 30]])
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
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

    def emit(self, program: Program, x: Any) -> int:
        """Append the op; in training it keeps what the backward pass needs."""
        shape = program.buffers[x].shape
        y, saved = program.rows(shape), (program.rows((*shape[:-1], 1), role="saved") for _ in range(2))
        program.emit("layer_normalization_forward", (x, *self._scale_and_shift(program)), (y, *saved),
                     epsilon=self.epsilon)
        return y


class RMSNormalization(Layer):
    """Divide each row by the root of the mean square of its features, then scale them.

    ``y = x / sqrt(mean(x**2) + epsilon) * scale``, the mean over the last axis.

    Parameters
    ----------
    axis : int
        The axis of the features: the last one.
    epsilon : float
        Added to the mean square.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.RMSNormalization()([[3, 4, 0, 0]]).round(4)
    array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """

    def __init__(self, axis: int = -1, epsilon: float = 1e-6, *, name: str | None = None,
                 dtype: DTypeLike | None = None, trainable: bool = True) -> None:
        super().__init__(name, dtype, trainable)
        self.axis = axis_number(axis, type(self).__name__)
        self.epsilon = _checks.real(epsilon, type(self).__name__, "epsilon", low=0.0)

    def build(self, input_shape: Any) -> None:
        """Make the scale (C,)."""
        self.scale = self.add_weight((features(self, input_shape, self.axis),), "ones", name="scale")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape."""
        features(self, input_shape, self.axis)
        return tuple(input_shape)

    def emit(self, program: Program, x: Any) -> int:
        """Append the op; in training it keeps what the backward pass needs."""
        shape = program.buffers[x].shape
        y, inverse = program.rows(shape), program.rows((*shape[:-1], 1), role="saved")
        program.emit("rms_normalization_forward", (x, program.parameter(self.scale)), (y, inverse),
                     epsilon=self.epsilon)
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"axis": self.axis, "epsilon": self.epsilon, **super().get_config()}
