"""Data that a user makes batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["PyDataset"]


class PyDataset:
    """Base of data that are made batch by batch, with Keras 3's name.

    A subclass defines `__len__`, the number of batches, and `__getitem__`, which returns one: ``(x, y)``,
    ``(x, y, sample_weight)``, or, for `predict`, ``x``. `fit`, `evaluate` and `predict` take any object that has
    these two, and no more than that is asked of it.

    `fit` takes the batches in another order in each epoch (``shuffle=False``: in theirs), made from the model's
    seed. All runs in the thread that called `fit`, between two batches: there are no workers and no queues.

    Parameters
    ----------
    workers : int
        1, for programs written for Keras: nothing else is offered.
    use_multiprocessing : bool
        False, likewise.

    Notes
    -----
    Where an interrupted run goes on (`nncore.callbacks.BackupAndRestore`), `on_epoch_begin` and `on_epoch_end` are
    first called once for each epoch that was finished: data that shuffle themselves there, from a seed of their
    own, then are those of the run that was not interrupted.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> class Squares(nn.utils.PyDataset):
    ...     def __len__(self):
    ...         return 10
    ...     def __getitem__(self, index):
    ...         x = np.linspace(-1, 1, 8).reshape(-1, 1) * (index + 1) / 10
    ...         return x, x**2
    >>> [x.shape for x, y in Squares()][:2]
    [(8, 1), (8, 1)]
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False) -> None:
        if workers not in (0, 1) or use_multiprocessing:
            raise ValueError("PyDataset: batches are made in the thread that trains, without workers: workers must "
                             f"be 1 and use_multiprocessing False, got {workers!r} and {use_multiprocessing!r}")

    def __getitem__(self, index: int) -> Any:
        """Return batch number `index`, from 0."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __len__(self) -> int:
        """Return the number of batches."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__()")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; a subclass may return None: without end, so that `steps_per_epoch` must be given."""
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the batches."""
        n, index = self.num_batches, 0
        while n is None or index < n:
            yield self[index]
            index += 1

    def on_epoch_begin(self) -> None:
        """Run before all batches are taken once."""

    def on_epoch_end(self) -> None:
        """Run when all batches were taken once."""
