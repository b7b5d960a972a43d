"""Tables of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore import _checks, constraints, initializers, regularizers
from nncore._sparse import Rows, SparseRows
from nncore.layers.base import Layer, Shape
from nncore.program import Program

__all__ = ["Embedding"]


class Embedding(Layer):
    """Replace each id by a trained vector: ``y[b, i] = embeddings[x[b, i]]``.

    Training touches only the rows that a batch names, so that a step costs as much with a million rows as with a
    thousand. **Rows that are not named stay as they are, to the bit, and so does the optimizer's state for them**:
    moments do not decay, momentum does not move them on, weight decay and penalties do not shrink them. (In Keras
    these go on for the whole table.) So it is here too, and a step costs what the table costs, with what looks at more
    than single rows: `Lamb`, ``use_ema``, ``gradient_accumulation_steps``, a norm of columns (``axis=0``), and
    optimizers, penalties and constraints of your own.

    Parameters
    ----------
    input_dim : int
        V, the number of rows: ids are in 0 ... V-1.
    output_dim : int
        D, the length of a vector.
    embeddings_initializer : str or Initializer
        First values of the table (V, D).
    embeddings_regularizer : str or Regularizer, optional
        A penalty on the table. In training that on the rows that a batch names is a part of the loss, in `evaluate`
        that on the whole table.
    embeddings_constraint : str or Constraint, optional
        What rows are brought back to after each update.
    mask_zero : bool
        Whether id 0 is padding: it then stands for zeros, its row is never trained, and `GlobalAveragePooling1D`
        takes the mean over the other ids, also behind dropout and noise.
    weights : array_like, shape (V, D), optional
        First values of the table, in place of the initializer's.
    unseen : {"error", "zero"} or int
        What other ids stand for: an error, zeros, or a row of the table, which is trained with them.
    name, dtype, trainable : optional
        As of every layer.

    Notes
    -----
    The input has any shape ``(None, ...)``, the output ``(None, ..., D)``. An `nncore.Input` without a dtype that only
    embeddings read takes ids; floats are taken where they hold whole numbers. Ids are checked where data come in. What
    another layer hands on is not: it is cut to whole numbers, and what is no row gives zeros, unless `unseen` is one.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.layers.Embedding(3, 2, weights=[[0, 0], [1, 2], [3, 4]])])
    >>> model.predict([[1, 2], [2, 0]])
    array([[[1., 2.],
            [3., 4.]],
    <BLANKLINE>
           [[3., 4.],
            [0., 0.]]], dtype=float32)
    """

    takes_integers = True
    wants_integers = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: ArrayLike | None = None,
        *,
        unseen: str | int = "error",
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, trainable)
        where = "Embedding"
        self.input_dim = _checks.integer(input_dim, where, "input_dim", low=1, high=2**62)
        self.output_dim = _checks.integer(output_dim, where, "output_dim", low=1, high=2**31 - 1)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = _checks.boolean(mask_zero, where, "mask_zero")
        if isinstance(unseen, str) and unseen not in ("error", "zero"):
            raise ValueError(f"Embedding: unseen must be 'error', 'zero' or a row of the table, got {unseen!r}")
        self.unseen = unseen if isinstance(unseen, str) else _checks.integer(
            unseen, where, "unseen", low=0, high=self.input_dim - 1)
        self._given: NDArray[Any] | None = None
        if weights is not None:
            one = isinstance(weights, list) and len(weights) == 1 and np.ndim(weights[0]) == 2  # as `get_weights` gives
            self._given = _checks.as_float_array(weights[0] if one else weights, where, "weights", self.dtype)  # type: ignore[index]
            if self._given.shape != (self.input_dim, self.output_dim):
                raise ValueError(f"Embedding: weights must have shape ({self.input_dim}, {self.output_dim}), "
                                 f"got {self._given.shape}")

    def build(self, input_shape: Any) -> None:
        """Make the table."""
        first = "zeros" if self._given is not None else self.embeddings_initializer
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim), first, name="embeddings", regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        if self._given is not None:
            self.embeddings.assign(self._given)

    def ensure_built(self, input_shape: Any, seed: int, number: int) -> None:
        """Make the table unless it is there; inputs of any shape may share it."""
        super().ensure_built(input_shape, seed, number)
        self._built_for = None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the input's shape with output_dim behind it."""
        return (*input_shape, self.output_dim)

    def check_input(self, x: Rows, where: str, name: str) -> None:
        """Raise where data hold what is no id, or, unless `unseen` says otherwise, no row of the table."""
        if isinstance(x, SparseRows):
            raise TypeError(f"{where}: {name} is sparse, but layer {self.name!r} takes ids from it; give a dense array")
        if x.dtype.kind == "f":
            x = _checks.as_ids(x, where, name)
        if self.unseen == "error" and x.size and not (int(x.min()) >= 0 and int(x.max()) < self.input_dim):
            place = [int(i) for i in np.argwhere((x < 0) | (x >= self.input_dim))[0]]
            raise ValueError(f"{where}: {name}{place} is {x[tuple(place)]}, but layer {self.name!r} has rows "
                             f"0 ... {self.input_dim - 1}; its argument unseen says what other ids stand for")

    def emit(self, program: Program, x: Any) -> int:
        """Append what takes the rows."""
        if program.buffers[x].dtype.kind == "f":
            ids = program.rows(program.buffers[x].shape, "ids", np.dtype(np.int64))
            program.emit("ids_of_floats", (x,), (ids,))
            x = ids
        y = program.rows((*program.buffers[x].shape, self.output_dim))
        unseen = self.unseen if isinstance(self.unseen, int) else -1  # ids are checked before: the core stays safe
        program.emit("embedding_forward", (x, program.parameter(self.embeddings)), (y,), unseen=unseen,
                     mask_zero=self.mask_zero)
        if self.mask_zero:
            program.masks[y] = x
        return y

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer (its weights apart)."""
        return {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "unseen": self.unseen,
            **super().get_config(),
        }
