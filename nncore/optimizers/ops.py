"""The ops of training that belong to weights: how both executors call updates, penalties and constraints.

An update's op has the inputs ``(w, dw, *state, powers, scale)``: powers and scale are None where nobody has them.
The last input of a penalty's op is what its factors are divided by, or None.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nncore._core import core

if TYPE_CHECKING:
    from nncore.program import Op, Program

__all__ = ["ELEMENTWISE", "FUSED", "KERNELS", "PENALTIES", "TUNABLE", "UPDATES", "lowered"]


class Update(NamedTuple):
    """An update's scalars of its own, in the core's order, and what the kernel calls the running products."""

    own: tuple[str, ...] = ()
    powers: tuple[str, ...] = ()


_LAMB = Update(("beta_1", "beta_2", "epsilon"), ("beta_1_power", "beta_2_power"))
UPDATES = {
    "sgd_update": Update(("momentum", "nesterov", "l2")),
    "adam_update": Update(("beta_1", "beta_2", "epsilon"), ("beta_1_power", "beta_2_power")),
    "nadam_update": Update(("beta_1", "beta_2", "epsilon"), ("momentum_product", "beta_2_power", "decay_power")),
    "adamax_update": Update(("beta_1", "beta_2", "epsilon"), ("beta_1_power",)),
    "rmsprop_update": Update(("rho", "momentum", "epsilon")),
    "adagrad_update": Update(("epsilon",)),
    "adadelta_update": Update(("rho", "epsilon")),
    "lion_update": Update(("beta_1", "beta_2")),
    "ftrl_update": Update(("learning_rate_power", "l1", "l2", "l2_shrinkage", "beta")),
    "lamb_moments": _LAMB,
    "lamb_step": _LAMB,
}
COMMON = ("learning_rate", "weight_decay", "clipvalue")  # scalars that every update has before its own
PENALTIES = ("penalty_value", "penalty_gradient", "embedding_penalty")  # those with a divisor
STEPS = ("adam_step", "nadam_step")  # go to the next step before all updates
# Updates that the gradient's op can make itself.
FUSED = frozenset(UPDATES) - {"lamb_moments", "lamb_step"}
# Ops whose scalars a run may replace by those that the optimizer has now.
TUNABLE: dict[str, tuple[str, ...]] = {
    **{kernel: (*COMMON, *row.own) for kernel, row in UPDATES.items()},
    "adam_step": ("beta_1", "beta_2"),
    "nadam_step": ("beta_1", "beta_2"),
    "clip_scale": ("clipnorm",),
    "average_update": ("ema_momentum",),
}
# Sizes behind the number of elements, and scalars, of all others.
_OTHERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "adam_step": ((), ("beta_1", "beta_2")),
    "nadam_step": ((), ("beta_1", "beta_2")),
    "square_sums": (("first",), ()),
    "clip_scale": ((), ("clipnorm",)),
    "lamb_ratio": ((), ()),
    "accumulate_gradient": (("steps",), ()),
    "average_update": (("steps", "overwrite"), ("ema_momentum",)),
    "penalty_sums": ((), ("l1", "l2")),
    "penalty_value": ((), ("l1", "l2")),
    "penalty_gradient": (("add",), ("l1", "l2")),
    "non_negative": ((), ()),
}
KERNELS = frozenset((*UPDATES, *_OTHERS, "norm_constraint"))
# Of two of these that follow each other each thread reads only what it wrote itself: they share out alike.
ELEMENTWISE = (*FUSED, "accumulate_gradient", "average_update", "penalty_gradient", "non_negative")


def lowered(program: Program, op: Op) -> tuple[str, tuple[int | None, ...], tuple[int, ...], tuple[float, ...]]:
    """Return the core's kernel, operands in its order, sizes and scalars of an op of `KERNELS`."""
    attributes: dict[str, Any] = op.attributes
    assert op.inputs[0] is not None
    buffer = program.buffers[op.inputs[0]]
    if op.kernel in UPDATES:
        w, dw, *state, powers, scale = op.inputs
        kept = (*state, *op.outputs, None, None, None)[:3]
        scalars = tuple(float(attributes.get(name, 0.0)) for name in TUNABLE[op.kernel])
        return op.kernel, (w, dw, *kept, powers, scale), (buffer.row_size,), scalars
    if op.kernel == "norm_constraint":
        axis, shape = attributes["axis"] % len(buffer.shape), buffer.shape
        sizes = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]), int(buffer.panels))
        scalars = tuple(float(attributes[name]) for name in ("min_value", "max_value", "rate"))
        return op.kernel, op.inputs, sizes, scalars
    sizes_of, scalars_of = _OTHERS[op.kernel]
    elements = buffer.row_size // (2 if op.kernel in ("lamb_ratio", "penalty_value") else 1)  # these have two sums each
    return (op.kernel, (*op.inputs, *op.outputs), (elements, *(int(attributes[name]) for name in sizes_of)),
            tuple(float(attributes[name]) for name in scalars_of))


def blocks(n: int) -> int:
    """Return how many sums of squares an array of `n` elements as they are kept has.

    Examples
    --------
    >>> blocks(4097)
    2
    """
    return -(-n // core.SQUARES_BLOCK)
