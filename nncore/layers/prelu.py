"""The rectifier whose slope is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike

from nncore import _checks, constraints, initializers, regularizers
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["PReLU"]


class PReLU(Layer):
    """Rectifier with a trained slope (He et al. 2015): ``y = x where x > 0, else alpha * x``.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        First values of the slopes.
    alpha_regularizer : str or Regularizer, optional
        Penalty on them: see `nncore.regularizers`.
    alpha_constraint : str or Constraint, optional
        What they are brought back to after each update: see `nncore.constraints`.
    shared_axes : int or sequence of int, optional
        Axes along which elements share a slope, counted with the batch, which is 0 and always shared: ``[1, 2]`` of
        rows (28, 28, 3) leaves 3 slopes. By default there is one for each element of a row: for rows (C,), one for
        each channel.
    name, dtype, trainable : optional
        As of every layer.

    Examples
    --------
    >>> import nncore as nn
    >>> layer = nn.layers.PReLU(alpha_initializer=nn.initializers.Constant(0.25))
    >>> layer([[-1.0, 2.0]])
    array([[-0.25,  2.  ]], dtype=float32)
    >>> layer.alpha.shape
    (2,)
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, trainable)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        given = shared_axes if isinstance(shared_axes, (list, tuple)) else [] if shared_axes is None else [shared_axes]
        self.shared_axes = [_checks.integer(axis, "PReLU", "shared_axes", low=-64, high=63) for axis in given]

    def build(self, input_shape: Any) -> None:
        """Make the slopes, of a row's shape with 1 for each shared axis."""
        shape = [None, *input_shape[1:]]
        for axis in self.shared_axes:
            if not -len(shape) < axis < len(shape) or axis == 0:
                raise ValueError(
                    f"layer {self.name!r}: shared_axes must be axes of inputs of shape {tuple(input_shape)} behind the "
                    f"batch, got {axis}"
                )
            shape[axis] = 1
        if None in shape[1:]:
            raise ValueError(f"layer {self.name!r}: wants inputs of a known shape, or shared axes, got {input_shape}")
        self.alpha = self.add_weight(
            tuple(shape[1:]), self.alpha_initializer, name="alpha", regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def emit(self, program: Program, x: Any) -> int:
        """Append the rectifier."""
        y = program.like(x, "activation")
        program.emit("prelu_forward", (x, program.parameter(self.alpha)), (y,))
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes or None,
            **super().get_config(),
        }
