"""Factorization machines (Rendle 2010): pairs of features, and of embedded fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nncore import _checks, constraints, initializers, regularizers
from nncore.layers.base import Layer, Shape
from nncore.layers.merging import _op, _title
from nncore.program import Program

__all__ = ["FMInteraction", "FactorizationMachine"]


class FactorizationMachine(Layer):
    """Factorization machine of second order: ``y = bias + x @ kernel + sum over i < j of <v[i], v[j]> x[i] x[j]``.

    Parameters
    ----------
    factors : int
        K, the numbers in the vector ``v[i]`` of a feature. The sum over all pairs costs O(features K).
    use_linear : bool
        Whether there is the term ``x @ kernel``.
    use_bias : bool
        Whether there is a bias.
    kernel_initializer, bias_initializer, factors_initializer : str or Initializer
        First values of the kernel (I, 1), of the bias (1,) and of the factors (I, K); zero factors would stay zero.
    kernel_regularizer, factors_regularizer : str or Regularizer, optional
        Penalties on them: see `nncore.regularizers`.
    kernel_constraint, factors_constraint : str or Constraint, optional
        What they are brought back to after each update: see `nncore.constraints`.
    name, dtype, trainable : optional
        As of every layer.

    References
    ----------
    S. Rendle, Factorization Machines, ICDM 2010. The sum over pairs is taken in another form that does not cancel:
    ``docs/bits.md``.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((3,)), nn.layers.FactorizationMachine(1)])
    >>> model.set_weights([[[1], [1], [1]], [0.5], [[1], [10], [100]]])
    >>> model([[1, 2, 3]])  # 0.5 + 6 + 20 + 300 + 6000
    array([[6326.5]], dtype=float32)
    """

    def __init__(
        self,
        factors: int,
        use_linear: bool = True,
        use_bias: bool = True,
        kernel_initializer: Any = "zeros",
        bias_initializer: Any = "zeros",
        factors_initializer: Any = "random_normal",
        kernel_regularizer: Any = None,
        factors_regularizer: Any = None,
        kernel_constraint: Any = None,
        factors_constraint: Any = None,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        where = "FactorizationMachine"
        super().__init__(name, dtype, trainable)
        self.factors = _checks.integer(factors, where, "factors", low=1, high=2**31 - 1)
        self.use_linear = _checks.boolean(use_linear, where, "use_linear")
        self.use_bias = _checks.boolean(use_bias, where, "use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.factors_initializer = initializers.get(factors_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.factors_regularizer = regularizers.get(factors_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.factors_constraint = constraints.get(factors_constraint)

    def build(self, input_shape: Any) -> None:
        """Make kernel (I, 1), bias (1,) and factors (I, K)."""
        features = input_shape[-1]
        self.kernel = self.bias = None
        if self.use_linear:
            self.kernel = self.add_weight((features, 1), self.kernel_initializer, name="kernel", panels=True,
                                          regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        if self.use_bias:
            self.bias = self.add_weight((1,), self.bias_initializer, name="bias")
        self.vectors = self.add_weight((features, self.factors), self.factors_initializer, name="factors",
                                       regularizer=self.factors_regularizer, constraint=self.factors_constraint)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, 1)."""
        if isinstance(input_shape, list) or len(input_shape) != 2:
            raise ValueError(f"{_title(self)}: wants one input of shape (None, features), got {input_shape}; "
                             "for pairs of embedded fields take FMInteraction")
        return (None, 1)

    def emit(self, program: Program, x: Any) -> int:
        """Append the sum over pairs, the dense product and their sum."""
        y, s = program.rows(1), program.rows(self.factors)
        program.emit("factorization_machine_forward", (x, program.parameter(self.vectors)), (y, s))
        bias = None if self.bias is None else program.parameter(self.bias)
        if self.kernel is not None:
            linear = program.rows(1)
            program.emit("dense_forward", (x, program.parameter(self.kernel), bias), (linear,))
            return _op(program, "add_forward", (linear, y), (1,))
        if bias is None:
            return y
        biased = program.rows(1)
        program.emit("dense_forward", (y, program.constant(np.ones((1, 1), program.dtype)), bias), (biased,))
        return biased

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            "factors": self.factors,
            "use_linear": self.use_linear,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "factors_initializer": initializers.serialize(self.factors_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "factors_regularizer": regularizers.serialize(self.factors_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "factors_constraint": constraints.serialize(self.factors_constraint),
            **super().get_config(),
        }


class FMInteraction(Layer):
    """Sum of the scalar products of all pairs of embedded fields: rows (B, fields, K) to (B, 1), without weights.

    The second-order part of DeepFM, on what an embedding gives for several ids.

    Parameters
    ----------
    name, dtype : optional
        As of every layer.

    References
    ----------
    H. Guo, R. Tang, Y. Ye, Z. Li, X. He, DeepFM, IJCAI 2017.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.layers.FMInteraction()([[[1, 0], [2, 1], [3, -1]]])  # 2 + 3 + (6 - 1)
    array([[10.]], dtype=float32)
    """

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (None, 1)."""
        if isinstance(input_shape, list) or len(input_shape) != 3:
            raise ValueError(f"{_title(self)}: wants one input of shape (None, fields, factors), got {input_shape}")
        return (None, 1)

    def emit(self, program: Program, x: Any) -> int:
        """Append the sum over pairs."""
        return _op(program, "fm_interaction_forward", (x,), (1,))
