"""What a run shows while it goes on: nothing, or a line per epoch, a bar until the epoch ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import numpy as np

from nncore import _checks

__all__ = ["Progress"]


class Progress:
    """Show a run's epochs; a context manager, so that an error or Ctrl-C leaves a tidy terminal.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        0 shows nothing, 2 a line when an epoch ends, 1 also a bar until then; "auto" is 1, as in Keras. Where
        the stream is not a terminal, 1 is 2.
    epochs : int
        The number of epochs.
    samples : int or None
        The number of samples in an epoch, the bar's length; None: nobody knows.
    stream : file, optional
        Where to write; by default the standard output, as in Keras.
    unit : str
        What an epoch is counted in, if not in samples.

    Examples
    --------
    >>> with Progress(2, epochs=3, samples=100) as progress:  # doctest: +ELLIPSIS
    ...     progress.begin_epoch(0)
    ...     progress.update(100)
    ...     progress.end_epoch({"loss": 0.25})
    Epoch 1/3 - ...s - loss: 0.2500
    """

    def __init__(
        self,
        verbose: Literal["auto", 0, 1, 2] | bool,
        epochs: int,
        samples: int | None = None,
        stream: TextIO | None = None,
        unit: str = "samples",
    ) -> None:
        _checks.one_of(verbose, ("auto", 0, 1, 2), "fit", "verbose")
        self.stream = sys.stdout if stream is None else stream
        level = 1 if verbose == "auto" else int(verbose)
        self.level = 2 if level == 1 and not self.stream.isatty() else level
        self.epochs, self.samples, self.unit = epochs, samples, unit
        self._bar: Any = None
        self._epoch = 0
        self._start = 0.0

    def begin_epoch(self, epoch: int) -> None:
        """Start epoch number `epoch`, counted from 0."""
        self._epoch = epoch
        self._start = time.perf_counter()
        if self.level == 1:
            from shutil import get_terminal_size

            from tqdm import tqdm

            # Terminals of containers may say that they have 0 columns and lines, where tqdm would show
            # nothing.
            columns, lines = get_terminal_size()
            self._bar = tqdm(
                total=self.samples,
                desc=f"Epoch {epoch + 1}/{self.epochs}",
                unit=f" {self.unit}",
                unit_scale=True,
                file=self.stream,
                ncols=columns,
                nrows=lines,
                leave=False,  # the line that takes its place has room for all results
            )

    def update(self, samples: int) -> None:
        """Say that `samples` more samples of this epoch are done."""
        if self._bar is not None:
            self._bar.update(samples)

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Finish the epoch with its results."""
        self.close()
        if self.level:
            results = [f"{name}: {formatted(value)}" for name, value in logs.items()]
            seconds = f"{time.perf_counter() - self._start:.2f}s"
            line = " - ".join([f"Epoch {self._epoch + 1}/{self.epochs}", seconds, *results])
            print(line, file=self.stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal tidy."""
        self.close()


def formatted(value: object) -> str:
    """Return 4 decimals, or an exponent where those would show little, as Keras does; of an array, of each element.

    A callback may have put anything else into the logs: that is shown as it is.

    Examples
    --------
    >>> formatted(0.25), formatted(0.0000123), formatted(np.array([0.5, 1.0]))
    ('0.2500', '1.2300e-05', '[0.5000 1.0000]')
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return f"[{' '.join(formatted(element) for element in value)}]"
    if not isinstance(value, (int, float, np.floating)):
        return str(value)
    number = float(value)
    return f"{number:.4e}" if 0 < abs(number) < 1e-3 else f"{number:.4f}"
