"""What ails a net: a table of its layers, and a plain verdict.

The thresholds, each a rule of thumb, stand below. They are wide: a net that trains is seldom called ill.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore import _checks, activations, inspection
from nncore.callbacks.base import Callback, Logs
from nncore.training import NonFiniteError, rounds_to_nearest

if TYPE_CHECKING:
    from nncore.models import Model

__all__ = ["Diagnostics", "Finding", "LayerReport", "Report", "diagnose"]

VANISHING = 1e-3  # the gradient at a layer's output, beside that at the model's
EXPLODING = 1e3  # likewise
LARGE_STEP = 0.5  # the update of a layer's weights in one step, beside the weights
DEAD = 0.5  # share of a layer's units that are 0 for every row
RISE = 0.1  # how far the validation loss is above its lowest value, beside the first training loss
GAP = 2.0  # the validation loss beside the training loss, where there are no curves
MARGIN = 0.05  # of its range that an output is from one of the ends: saturated

# Activations that flatten out at both ends.
_RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "sparse_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0),
           "hard_tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0)}
_ACTIVATIONS = {row.forward: name for name, row in activations.TABLE.items() if name != "linear"}
_ADVICE = {
    "vanishing gradients": (
        "Layers near the input hardly learn. What usually helps: ReLU or its like instead of sigmoid and tanh, He or "
        "Glorot initial weights, batch normalization, residual connections, fewer layers."
    ),
    "exploding gradients": (
        "Steps are too large to lead anywhere. What usually helps: a lower learning rate, clipping (global_clipnorm=1),"
        " inputs and targets of mean 0 and variance 1, smaller initial weights, batch normalization."
    ),
    "dying ReLU": (
        "Such units have no gradient and never learn again. What usually helps: a lower learning rate, leaky_relu or "
        "elu, He initial weights, inputs of mean 0, batch normalization."
    ),
    "overfitting": (
        "The net learns its data by heart. What usually helps: more data or augmentation, early stopping, dropout, L2 "
        "or L1 regularization, a smaller net."
    ),
}


class LayerReport(NamedTuple):
    """What was seen of one layer; None where it does not apply.

    Attributes
    ----------
    name : str
        As in `nncore.Model.activations`.
    activation : str
        What its output comes from: "relu"; empty where that is no activation.
    mean, spread : float
        Mean and standard deviation of all its outputs.
    saturated : float or None
        Share of the outputs within a twentieth of the range of the activation's ends (sigmoid: below 0.05 or above
        0.95).
    dead : float or None
        Share of the units, of ReLU and its like, that are 0 for every row.
    gradient_norm : float or None
        Root of the sum of squares of the loss's gradient with respect to the layer's weights.
    gradient_size : float or None
        Root of the mean of squares of the loss's gradient with respect to its outputs.
    update_ratio : float or None
        How far one step of the optimizer moves its weights, beside their size (norms of all of them).
    """

    name: str
    activation: str
    mean: float
    spread: float
    saturated: float | None = None
    dead: float | None = None
    gradient_norm: float | None = None
    gradient_size: float | None = None
    update_ratio: float | None = None


class Finding(NamedTuple):
    """An illness.

    Attributes
    ----------
    kind : str
        "vanishing gradients", "exploding gradients", "dying ReLU" or "overfitting".
    layers : tuple of str
        Where.
    evidence : str
        What was seen.
    advice : str
        What usually helps.
    """

    kind: str
    layers: tuple[str, ...]
    evidence: str
    advice: str


class Report:
    """A table of layers and a verdict; ``print(report)`` shows both.

    Attributes
    ----------
    layers : tuple of LayerReport
        A row per use of a layer.
    findings : tuple of Finding
        What ails the net; empty where nothing was found.
    verdict : str
        The kinds of the findings: "vanishing gradients, overfitting"; or "nothing found".
    """

    def __init__(self, layers: Sequence[LayerReport], findings: Sequence[Finding]) -> None:
        self.layers, self.findings = tuple(layers), tuple(findings)
        self.verdict = ", ".join(finding.kind for finding in findings) or "nothing found"

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON can hold it.

        Examples
        --------
        >>> Report([LayerReport("dense", "relu", 0.5, 0.25, dead=0.0)], []).to_dict()["verdict"]
        'nothing found'
        """
        return {"verdict": self.verdict, "layers": [layer._asdict() for layer in self.layers],
                "findings": [{**finding._asdict(), "layers": list(finding.layers)} for finding in self.findings]}

    def __str__(self) -> str:
        """Return the table, the verdict, what was seen and what usually helps."""
        rows = [("layer", "mean", "spread", "saturated", "dead", "gradient", "at output", "update/weights")]
        for row in self.layers:
            title = f"{row.name} ({row.activation})" if row.activation else row.name
            rows.append((title, _number(row.mean), _number(row.spread), _share(row.saturated), _share(row.dead),
                         _number(row.gradient_norm), _number(row.gradient_size), _number(row.update_ratio)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) if place else cell.ljust(width)
                           for place, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]
        lines.insert(1, "-" * len(lines[0]))
        lines += ["-" * len(lines[0]), f"Verdict: {self.verdict}"]
        for finding in self.findings:
            lines += [f"  {finding.kind}: {finding.evidence}", f"  {finding.advice}"]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        """Return the verdict."""
        return f"<Report of {len(self.layers)} layer{'s' * (len(self.layers) != 1)}: {self.verdict}>"


@rounds_to_nearest
def diagnose(model: Model, x: Any, y: Any, validation_data: tuple[Any, ...] | None = None, *, sample_weight: Any = None,
             max_rows: int = 1024, curves: Mapping[str, Sequence[float]] | None = None) -> Report:
    """Look into a compiled model and say what ails it; it stays as it is.

    The first rows go through the model as one batch of training. A copy of the model makes one step on them, which
    says how far the optimizer would move the weights.

    - **Vanishing gradients**: at some layer the gradient is less than 0.001 of that at the output.
    - **Exploding gradients**: it is more than 1000 times that, or not finite, or the step changes a layer's weights by
      more than half of their size.
    - **Dying ReLU**: half of a layer's units or more are 0 for every row.
    - **Overfitting**: since its lowest value the validation loss has risen by more than a tenth of the first training
      loss, while the training loss fell. Without curves: the validation loss is more than twice the training loss.

    Parameters
    ----------
    model : Model
        Compiled, with a loss.
    x, y : array_like, or lists or dicts of them
        Data, as of `fit`: best some hundred rows of the training data.
    validation_data : tuple, optional
        ``(x, y)`` or ``(x, y, sample_weight)``: overfitting shows there.
    sample_weight : array_like, or list or dict of them, optional
        As of `fit`.
    max_rows : int
        How many rows are looked at.
    curves : dict of str to sequence of float, optional
        "loss" and "val_loss" of each epoch; by default those of the model's last `fit`.

    Returns
    -------
    Report

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> model = nn.Sequential([nn.Input((8,)), *[nn.layers.Dense(8, "sigmoid") for _ in range(12)],
    ...                        nn.layers.Dense(1)], seed=1)
    >>> model.compile("sgd", "mse")
    >>> report = nn.diagnose(model, x, x[:, :1])
    >>> report.verdict, report.findings[0].layers[0]
    ('vanishing gradients', 'dense')
    """
    rows = _checks.positive_int(max_rows, "diagnose", "max_rows")
    data = model._feeds("diagnose", x, y, sample_weight)
    few = data.part(slice(None, rows))
    given = _as_given(model, few)
    seen = inspection.look(model, "diagnose", *given)
    updates = _updates(model, given)
    layers = [_layer(model, name, seen, updates) for name in seen.outputs]
    dead = _dead_units(layers)
    findings = _gradient_findings(layers, seen, model, bool(dead)) + dead
    if curves is None and model.history is not None:
        curves = model.history.history
    over = _curves(curves or {})
    if over is None and validation_data is not None:
        over = _gap(model, (x, y, sample_weight), validation_data)
    return Report(layers, [*findings, *([over] if over else [])])


class Diagnostics(Callback):
    """Diagnose the model while it trains, and say when the verdict changes.

    Parameters
    ----------
    x, y : array_like, or lists or dicts of them
        Data, as of `fit`: best some hundred rows of the training data.
    sample_weight : array_like, or list or dict of them, optional
        As of `fit`.
    every : int
        Epochs between two looks.
    verbose : {0, 1, 2}
        Whether to print nothing (0), the report whenever the verdict has changed (1), or every report (2).

    Attributes
    ----------
    reports : dict of int to Report
        By the epochs' numbers. Overfitting shows where `fit` has validation data.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(8, "tanh"), nn.layers.Dense(1)], seed=1)
    >>> model.compile(nn.optimizers.SGD(0.1), "mse")
    >>> look = nn.callbacks.Diagnostics(x, x**2, verbose=0)
    >>> history = model.fit(x, x**2, epochs=3, verbose=0, callbacks=look)
    >>> look.report
    <Report of 2 layers: nothing found>
    """

    def __init__(self, x: Any, y: Any, sample_weight: Any = None, every: int = 1, verbose: int = 1) -> None:
        super().__init__()
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.every = _checks.positive_int(every, "Diagnostics", "every")
        self.verbose = _checks.one_of(verbose, (0, 1, 2), "Diagnostics", "verbose")
        self.reports: dict[int, Report] = {}

    @property
    def report(self) -> Report | None:
        """The last report."""
        return next(reversed(self.reports.values()), None)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self.reports = {}
        self._curves: dict[str, list[float]] = {"loss": [], "val_loss": []}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look into the model."""
        for name, values in self._curves.items():
            if name in (logs or {}):
                values.append(float((logs or {})[name]))
        if (epoch + 1) % self.every:
            return
        before = self.report.verdict if self.report else "nothing found"
        found = self.reports[epoch] = diagnose(self.model, self.x, self.y, sample_weight=self.sample_weight,
                                               curves=self._curves)
        if self.verbose == 2 or (self.verbose == 1 and found.verdict != before):
            print(f"Epoch {epoch + 1}\n{found}", flush=True)


# What was seen ----------------------------------------------------------------------------------------------


def _as_given(model: Model, data: Any) -> tuple[Any, Any, Any]:
    """Return checked data as `fit` takes them: by name, so that any number of inputs and outputs will do."""
    x = dict(zip([spec.name for spec in model._input_specs], data.x, strict=True))
    names = [model._output_names[number] for number, _, _ in model._losses("diagnose")]
    if len(model._output_names) == 1:
        return (x if len(x) > 1 else data.x[0]), data.y[0], data.weight[0]
    weights = {name: weight for name, weight in zip(names, data.weight, strict=True) if weight is not None}
    return (x if len(x) > 1 else data.x[0]), dict(zip(names, data.y, strict=True)), weights or None


def _updates(model: Model, given: tuple[Any, Any, Any]) -> dict[str, tuple[float, float]]:
    """Return for each layer how far one step moves its trained weights, and their size, as norms."""
    other = copy.deepcopy(model)
    before = {path: weight.numpy() for path, weight in other.weight_paths().items() if weight.trainable}
    try:
        other.train_on_batch(*given)
    except NonFiniteError:
        return {path.rpartition("/")[0]: (np.inf, 1.0) for path in before}
    after = other.weight_paths()
    found: dict[str, tuple[float, float]] = {}
    for path, value in before.items():
        moved, size = found.get(path.rpartition("/")[0], (0.0, 0.0))
        found[path.rpartition("/")[0]] = (np.hypot(moved, _norm(after[path].numpy() - value)),
                                          np.hypot(size, _norm(value)))
    return found


def _layer(model: Model, name: str, seen: inspection.Look, updates: Mapping[str, tuple[float, float]]) -> LayerReport:
    """Return the row of a layer's use."""
    output = seen.outputs[name].astype(np.float64)
    activation = _ACTIVATIONS.get(seen.kernels[name], "")
    saturated = dead = None
    if activation in _RANGES and output.size:
        low, high = _RANGES[activation]
        margin = MARGIN * (high - low)
        saturated = float(((output < low + margin) | (output > high - margin)).mean())
    if activation.startswith("relu") and output.size:
        dead = float((output.reshape(-1, output.shape[-1]) == 0).all(axis=0).mean())
    layer = name.split("#")[0]
    parts = [gradient for path, gradient in seen.weights.items() if path.rpartition("/")[0] == layer]
    norm = float(np.sqrt(sum(_norm(part) ** 2 for part in parts))) if parts else None
    delta = seen.gradients.get(name)
    size = None if delta is None or not delta.size else _norm(delta) / delta.size**0.5
    moved, weights = updates.get(layer, (0.0, 0.0))
    with np.errstate(all="ignore"):
        return LayerReport(name, activation, float(output.mean()), float(output.std()), saturated, dead, norm, size,
                           float(moved / weights) if weights else None)


def _norm(array: NDArray[Any]) -> float:
    """Return the root of the sum of squares, which does not overflow on the way."""
    largest = float(np.abs(array).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.square(array.astype(np.float64) / largest).sum()))


# Verdicts ---------------------------------------------------------------------------------------------------


def _gradient_findings(layers: Sequence[LayerReport], seen: inspection.Look, model: Model, dead: bool) -> list[Finding]:
    """Compare the gradients at the layers' outputs with that at the model's.

    Where a layer is dead, nothing at all comes through to those before it: that is its illness and not theirs.
    """
    wild = [row.name for row in layers
            if not all(np.isfinite(value) for value in (row.mean, row.gradient_norm or 0.0, row.gradient_size or 0.0))]
    if wild:
        return [_finding("exploding gradients", wild, f"outputs or gradients of {_named(wild)} are inf or nan")]
    sizes = {row.name: row.gradient_size for row in layers if row.gradient_size is not None}
    ends = [sizes[name] for name in _last_layers(model, list(seen.outputs)) if name in sizes]
    last = max(ends, default=0.0)
    found = []
    small = [name for name, size in sizes.items() if size < VANISHING * last and (size or not dead)]
    if small:
        worst = min(small, key=lambda name: sizes[name] or 0.0)
        found.append(_finding("vanishing gradients", small, f"the gradient at the output of {_named(small)} is down to "
                              f"{(sizes[worst] or 0.0) / last:.1e} of that at the model's output"))
    large = [name for name, size in sizes.items() if last and size > EXPLODING * last]
    steps = {row.name: row.update_ratio for row in layers if (row.update_ratio or 0.0) > LARGE_STEP}
    if large:
        worst = max(large, key=lambda name: sizes[name] or 0.0)
        found.append(_finding("exploding gradients", large, f"the gradient at the output of {_named(large)} is up to "
                              f"{(sizes[worst] or 0.0) / last:.1e} times that at the model's output"))
    elif steps:
        most = max(value or 0.0 for value in steps.values())
        found.append(_finding("exploding gradients", list(steps), "one step changes the weights of "
                              f"{_named(list(steps))} by up to {most:.2g} times their size"))
    return found


def _last_layers(model: Model, names: Sequence[str]) -> list[str]:
    """Return the layers that the outputs come from, the last use of each."""
    assert model._graph is not None
    last = {str(step.layer.name) for step in model._graph.steps if step.output in model._graph.outputs}
    return [max((name for name in names if name.split("#")[0] == layer), key=names.index) for layer in last]


def _dead_units(layers: Sequence[LayerReport]) -> list[Finding]:
    dead = [row for row in layers if (row.dead or 0.0) >= DEAD]
    if not dead:
        return []
    shares = ", ".join(f"{_share(row.dead)} of {row.name}" for row in dead[:3]) + (" ..." if len(dead) > 3 else "")
    return [_finding("dying ReLU", [row.name for row in dead], f"units that are 0 for every row: {shares}")]


def _curves(curves: Mapping[str, Sequence[float]]) -> Finding | None:
    """Return overfitting as the two curves show it."""
    train, held_out = (np.array([value for value in curves.get(name, ()) if np.ndim(value) == 0], np.float64)
                       for name in ("loss", "val_loss"))
    if len(train) < 2 or len(held_out) != len(train) or not np.isfinite([*train, *held_out]).all():
        return None
    best = int(held_out.argmin())
    rise = held_out[-1] - held_out[best]
    if rise <= RISE * abs(train[0]) or train[-1] >= train[best]:
        return None
    return _finding("overfitting", [], f"the validation loss was lowest after epoch {best + 1} ({held_out[best]:.4g}) "
                    f"and has risen to {held_out[-1]:.4g}, while the training loss fell from {train[best]:.4g} to "
                    f"{train[-1]:.4g}")


def _gap(model: Model, data: tuple[Any, Any, Any], validation_data: tuple[Any, ...]) -> Finding | None:
    """Return overfitting as the two losses show it."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        raise ValueError(f"diagnose: validation_data must be (x, y) or (x, y, sample_weight), got {validation_data!r}")
    losses = [model.evaluate(x, y, None, 0, weight[0] if weight else None, return_dict=True)["loss"]
              for x, y, *weight in (data, validation_data)]
    if not losses[1] > GAP * losses[0]:
        return None
    return _finding("overfitting", [], f"the validation loss is {losses[1]:.4g}, the training loss {losses[0]:.4g}")


def _finding(kind: str, layers: Sequence[str], evidence: str) -> Finding:
    return Finding(kind, tuple(layers), evidence, _ADVICE[kind])


def _named(names: Sequence[str]) -> str:
    """Return a few names, and how many there are."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]} ... {names[-1]} ({len(names)} layers)"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value == 0 or 1e-2 <= abs(value) < 1e4 else f"{value:.1e}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
