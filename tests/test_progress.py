"""History and the progress of a run, as shown."""

import io
import re

import pytest

from nncore.history import History
from nncore.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(verbose, stream, epochs=2):
    with Progress(verbose, epochs, samples=100, stream=stream) as progress:
        for epoch in range(epochs):
            progress.begin_epoch(epoch)
            progress.update(60)
            progress.update(40)
            progress.end_epoch({"loss": 0.25, "val_loss": 0.00012345})
    return stream.getvalue()


@pytest.mark.parametrize("verbose", [2, 1, "auto", True])
def test_a_line_per_epoch_where_there_is_no_terminal(verbose):
    first, second = run(verbose, io.StringIO()).splitlines()
    assert re.fullmatch(r"Epoch 1/2 - \d+\.\d\ds - loss: 0\.2500 - val_loss: 1\.2345e-04", first)
    assert second.startswith("Epoch 2/2 - ")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@pytest.mark.parametrize("verbose", [0, False])
def test_silence(verbose, stream):
    assert run(verbose, stream()) == ""


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_a_bar_per_epoch_on_a_terminal(verbose):
    shown = run(verbose, Terminal())
    first, second, end = shown.split("\n")
    assert "\rEpoch 1/2:   0%|" in first and "\rEpoch 2/2:   0%|" in second and end == ""
    # The bar gives way to the same line as without a terminal.
    assert re.fullmatch(
        r" *\rEpoch 1/2 - \d+\.\d\ds - loss: 0\.2500 - val_loss: 1\.2345e-04",
        first[first.rindex("\r ") + 1 :],
    )


def test_lines_on_a_terminal_on_request():
    assert run(2, Terminal()).startswith("Epoch 1/2 - ")


def test_an_error_takes_the_bar_away():
    stream = Terminal()
    with pytest.raises(RuntimeError), Progress(1, 2, samples=100, stream=stream) as progress:
        progress.begin_epoch(0)
        raise RuntimeError
    assert re.search(r"\r +\r$", stream.getvalue())


def test_the_standard_output_is_the_default(capsys):
    with Progress(2, 1, samples=5) as progress:
        progress.begin_epoch(0)
        progress.end_epoch({})
    assert capsys.readouterr().out.startswith("Epoch 1/1 - ")


@pytest.mark.parametrize("verbose", [3, -1, "loud", None])
def test_refused(verbose):
    with pytest.raises(ValueError, match="verbose must be 'auto', 0, 1 or 2, got"):
        Progress(verbose, 1, samples=1)


def test_history():
    history = History({"epochs": 2, "steps": 3})
    assert repr(history) == "History(0 epochs)"
    history.append(0, {"loss": 0.5, "accuracy": 0.25})
    assert repr(history) == "History(1 epoch, loss: 0.5000, accuracy: 0.2500)"
    history.append(1, {"loss": 0.25, "accuracy": 0.75})
    assert history.history == {"loss": [0.5, 0.25], "accuracy": [0.25, 0.75]}
    assert history.epoch == [0, 1] and history.params == {"epochs": 2, "steps": 3}
