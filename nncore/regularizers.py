"""Penalties on weights, with Keras 3's names and meanings.

A penalty is a part of the loss: `fit`, `evaluate` and `train_on_batch` report it with it, and its gradient goes into
that of the weight before this is clipped. As in Keras it counts for weights that are trained only, and its ``l2`` has
no half: the textbooks' ``theta / 2 * sum(w**2)`` is ``L2(theta / 2)``, their ``theta * sum(abs(w))`` is ``L1(theta)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore import _checks, _names, custom, kernels
from nncore.optimizers import ops

if TYPE_CHECKING:
    from nncore.program import Program

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "serialize"]


class Regularizer:
    """Base of the regularizers, also of those that you write in NumPy.

    A regularizer of your own defines ``__call__(self, w)``, the penalty, and ``gradient(self, w)``, its gradient, of
    w's shape; for models that are saved also `get_config`. `load_model` finds it by its class's name once the class
    is defined.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class Fourth(nn.regularizers.Regularizer):
    ...     def __call__(self, w):
    ...         return 0.01 * (w**4).sum()
    ...     def gradient(self, w):
    ...         return 0.04 * w**3
    >>> layer = nn.layers.Dense(1, kernel_regularizer=Fourth())
    """

    kinds: ClassVar[dict[str, type[Regularizer]]] = {}
    native = False  # whether kernels do it: then weights may be kept as these like it
    by_rows = False  # whether these kernels also take some rows of a table

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_model`."""
        _names.register(Regularizer.kinds, cls)

    def __call__(self, w: Any) -> float:
        """Return the penalty on an array."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, w)")

    def gradient(self, w: NDArray[Any]) -> ArrayLike:
        """Return the gradient of the penalty, of w's shape."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient(self, w), which training needs")

    def emit(self, program: Program, w: int, rows: tuple[int, int] | None = None) -> int:
        """Append the penalty on the parameter `w`, or on some rows of it; return its buffer, of one float64."""
        assert rows is None or self.by_rows
        value = program.array((1,), "penalty", np.dtype(np.float64))
        function = custom.UserFunction(f"{type(self).__name__}.__call__", lambda w: (np.reshape(self(w), (1,)),),
                                       ("the penalty",))
        custom.emit(program, function, (w,), (value,))
        return value

    def emit_gradient(self, program: Program, w: int, dw: int, add: bool) -> None:
        """Append the penalty's gradient, which is added to the buffer `dw`, or the first thing there."""
        function = custom.UserFunction(
            f"{type(self).__name__}.gradient",
            lambda w, dw: ((dw if add else 0) + custom.checked(
                self.gradient(w), w.shape, f"{type(self).__name__}.gradient", "an array"),),
            ("the gradient",), takes=2,
        )
        custom.emit(program, function, (w, dw), (dw,))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal regularizer."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Return the regularizer that `get_config` described."""
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum(abs(w)) + l2 * sum(w**2)``.

    Parameters
    ----------
    l1, l2 : float
        The factors; not negative. (As in Keras, the name "l1_l2" alone means 0.01 each.)
    per_sample : bool
        Whether the penalty is meant for the sum of the rows' losses: in a model, value and gradient are then divided by
        the number of rows of each batch, or by the sum of their sample weights (of several outputs, the first one's);
        a batch whose rows weigh nothing has none. The ``alpha`` of scikit-learn's networks is ``L2(alpha / 2,
        per_sample=True)``, its loss one with ``reduction="mean_with_sample_weight"``. A call on an array divides by
        nothing.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.regularizers.L1L2(l1=1.0, l2=0.5)([[3.0, -4.0]])
    19.5
    """

    native = by_rows = True

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0, *, per_sample: bool = False) -> None:
        where = type(self).__name__
        self.l1 = _checks.real(0.0 if l1 is None else l1, where, "l1", low=0.0)
        self.l2 = _checks.real(0.0 if l2 is None else l2, where, "l2", low=0.0)
        self.per_sample = _checks.boolean(per_sample, where, "per_sample")

    def __call__(self, w: Any) -> float:
        """Return the penalty on an array."""
        return kernels.penalty(w, self.l1, self.l2)

    def gradient(self, w: NDArray[Any]) -> NDArray[Any]:
        """Return ``2 * l2 * w + l1 * sign(w)``."""
        found = np.zeros_like(w, order="C")
        kernels.penalty_gradient(found, w, self.l1, self.l2)
        return found

    def emit(self, program: Program, w: int, rows: tuple[int, int] | None = None) -> int:
        """Append the penalty on the parameter `w`, or on some rows of it; return its buffer, of one float64."""
        f64, divisor = np.dtype(np.float64), self._divisor(program)
        if rows is not None:
            value = program.array((1,), "penalty", f64)
            program.emit("embedding_penalty", (w, *rows, divisor), (value,), l1=self.l1, l2=self.l2)
            return value
        sums = program.array((2 * ops.blocks(program.buffers[w].row_size),), "sums", f64)
        value = program.array((1,), "penalty", f64)
        program.emit("penalty_sums", (w,), (sums,), l1=self.l1, l2=self.l2)
        program.emit("penalty_value", (sums, divisor), (value,), l1=self.l1, l2=self.l2)
        return value

    def emit_gradient(self, program: Program, w: int, dw: int, add: bool) -> None:
        """Append the penalty's gradient, which is added to the buffer `dw`, or the first thing there."""
        program.emit("penalty_gradient", (dw, w, self._divisor(program)), (), l1=self.l1, l2=self.l2, add=add)

    def _divisor(self, program: Program) -> int | None:
        return program.batch_weight() if self.per_sample else None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal regularizer."""
        return self._config(l1=self.l1, l2=self.l2)

    def _config(self, **factors: float) -> dict[str, Any]:
        """Return arguments as Keras has them, and what Keras has not where it is used."""
        return {**factors, "per_sample": True} if self.per_sample else {**factors}

    def __repr__(self) -> str:
        """Return the call that makes an equal regularizer."""
        return _names.representation(self)


class L1(L1L2):
    """``l1 * sum(abs(w))``: the textbooks' form too. It makes weights zero, or nearly so.

    Parameters
    ----------
    l1 : float
        The factor; not negative.
    per_sample : bool
        Whether it is divided by what each batch weighs: see `L1L2`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.regularizers.L1(0.5)([3.0, -4.0])
    3.5
    """

    def __init__(self, l1: float | None = 0.01, *, per_sample: bool = False) -> None:
        super().__init__(l1=0.01 if l1 is None else l1, per_sample=per_sample)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal regularizer."""
        return self._config(l1=self.l1)


class L2(L1L2):
    """``l2 * sum(w**2)``, without the textbooks' half: theirs of theta is ``L2(theta / 2)``. It makes weights small.

    Parameters
    ----------
    l2 : float
        The factor; not negative.
    per_sample : bool
        Whether it is divided by what each batch weighs: see `L1L2`.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.regularizers.L2(0.5)([3.0, -4.0])
    12.5
    """

    def __init__(self, l2: float | None = 0.01, *, per_sample: bool = False) -> None:
        super().__init__(l2=0.01 if l2 is None else l2, per_sample=per_sample)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal regularizer."""
        return self._config(l2=self.l2)


_NAMES: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2}


def get(identifier: object) -> Regularizer | None:
    """Return the regularizer of a name ("l1", "l2", "l1_l2"), class, serialized form or object; None for None.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.regularizers.get("l2")
    L2(l2=0.01)
    """
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier in ("l1_l2", "l1l2"):
        return L1L2(0.01, 0.01)
    return _names.resolve("regularizer", identifier, Regularizer, {**Regularizer.kinds, **_NAMES})


def serialize(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Return a JSON-able description that `get` turns into an equal regularizer.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.regularizers.serialize(nn.regularizers.L1(0.5))
    {'class_name': 'L1', 'config': {'l1': 0.5}}
    """
    return None if regularizer is None else _names.serialize(regularizer, Regularizer.kinds)
