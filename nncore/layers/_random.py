"""What the random layers share: they draw in training only, each use of a layer from a stream of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import DTypeLike

from nncore import _checks, _noise
from nncore.layers.base import Layer
from nncore.program import Program

__all__ = ["RandomLayer"]


class RandomLayer(Layer):
    """Base of the layers that are random in training and nothing in inference.

    Parameters
    ----------
    seed : int, optional
        Where the layer's numbers come from; by default the model's seed.
    name, dtype, trainable : optional
        As of every layer.
    """

    kernel: ClassVar[str]

    def __init__(self, seed: int | None, name: str | None, dtype: DTypeLike | None, trainable: bool) -> None:
        super().__init__(name, dtype, trainable)
        self.seed = None if seed is None else _checks.seed_value(seed, type(self).__name__)

    def settings(self) -> dict[str, Any]:
        """Return the kernel's scalars; none where the layer changes nothing."""
        raise NotImplementedError

    def emit(self, program: Program, x: Any) -> int:
        """Append the kernel to a program that trains; else return x."""
        settings = self.settings()
        if not program.training or not settings:
            return int(x)
        y = program.like(x, role="activation")
        seed, number = _noise.stream(program, self.seed)
        program.emit(self.kernel, (x,), (y,), **settings, seed=seed, layer=number, step=0)
        if x in program.masks:
            program.masks[y] = program.masks[x]
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {"seed": self.seed, **super().get_config()}
