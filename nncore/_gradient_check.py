"""`nncore.testing.check_gradients`: the backward pass of a whole model against finite differences."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore import _checks
from nncore.models import Model
from nncore.training import rounds_to_nearest
from nncore.variables import Variable, arrange, panel_elements

if TYPE_CHECKING:
    from nncore.training import Feeds

Array = NDArray[Any]
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # of a row's loss, beside the largest: what a slope's error comes from
_WHERE = "check_gradients"


@rounds_to_nearest
def check_gradients(
    model: Model,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    training: bool = True,
    directions: int = 3,
    step: float = 1e-4,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """Check the gradient of every trained weight of a model against finite differences of the loss.

    Works on a copy of the model in float64. For each weight and some random directions v, the slope of the loss along
    v, by central differences of fourth order, must be ``sum(gradient * v)``. Rows whose loss has a kink near (its slope
    changes with the step) are left out of both. Native layers and your own are treated alike; these must compute in
    the dtype of the arrays that they are given.

    Parameters
    ----------
    model : Model
        A compiled model; it stays as it is.
    x, y, sample_weight : array_like, or lists or dicts of them
        A batch, as of `Model.fit`: a few rows are enough.
    training : bool
        Whether layers do what they do in training; dropout then draws the same masks each time.
    directions : int
        How many directions are tried for each weight.
    step : float
        Of the differences. Where most rows have a kink so near, a tenth and a hundredth of it are tried.
    tolerance : float
        The largest relative error accepted.
    seed : int
        Of the directions.

    Returns
    -------
    dict of str to float
        The largest relative error of each weight, by paths such as "dense/kernel".

    Raises
    ------
    AssertionError
        If a gradient is wrong: the message names the weights. Or if most rows have a kink, or the loss is not the same
        twice.

    Examples
    --------
    >>> import numpy as np
    >>> import nncore as nn
    >>> x = np.random.default_rng(0).normal(size=(8, 3))
    >>> class Square(nn.layers.Layer):
    ...     def call(self, x):
    ...         return x**2
    ...     def backward(self, x, y, dy):
    ...         return x * dy  # where 2 x dy would be right
    >>> model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(4), Square(), nn.layers.Dense(1)], seed=1)
    >>> model.compile("sgd", "mse")
    >>> nn.testing.check_gradients(model, x, x[:, :1])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: check_gradients: wrong is the gradient of 'dense/kernel' (the loss changes by -0.444 along ...
    """
    directions = _checks.positive_int(directions, _WHERE, "directions")
    step, tolerance = _checks.positive(step, _WHERE, "step"), _checks.positive(tolerance, _WHERE, "tolerance")
    probe = _Probe(in_float64(model), x, y, sample_weight, _checks.boolean(training, _WHERE, "training"))
    weights = {path: weight for path, weight in probe.model.weight_paths().items() if weight.trainable}
    if not np.array_equal(probe().values, probe().values, equal_nan=True):
        raise AssertionError(f"{_WHERE}: the loss is not the same twice: a layer draws random numbers of its own")
    rng = np.random.default_rng(_checks.seed_value(seed, _WHERE))
    errors, wrong = dict[str, float](), dict[str, tuple[float, float]]()
    for path, weight in weights.items():
        errors[path] = 0.0
        for _ in range(directions):
            v = rng.standard_normal(weight.shape)
            for size in (step, step / 10, step / 100):  # a wide net has a unit near its kink in most rows
                found = _slopes(probe, path, weight, v, size, tolerance)
                if 2 * found.smooth >= found.rows:
                    break
            else:
                raise AssertionError(f"{_WHERE}: the loss has no slope along {path!r} at "
                                     f"{found.rows - found.smooth} of {found.rows} rows: kinks, steps or nan")
            # Of a loss that does not change, differences show rounding errors: these, too, are within the tolerance.
            error = abs(found.numeric - found.analytic) / (found.noise / tolerance + found.size)
            errors[path] = max(errors[path], error)
            if not error <= tolerance and path not in wrong:  # a nan is an error too
                wrong[path] = (found.numeric, found.analytic)
                errors[path] = np.inf if np.isnan(error) else errors[path]
    if wrong:
        raise AssertionError(_message(wrong, [path for path in weights if path not in wrong]))
    return errors


def _message(wrong: dict[str, tuple[float, float]], right: list[str]) -> str:
    parts: list[str] = []
    for path, (numeric, analytic) in wrong.items():
        parts.append(f"of {path!r} ({numeric:.3g} and {analytic:.3g})" if parts else
                     f"the gradient of {path!r} (the loss changes by {numeric:.3g} along a random direction, the "
                     f"gradient says {analytic:.3g})")
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"{_WHERE}: wrong is {listed}; right are {', '.join(map(repr, right)) or 'none'}"


class _Slopes(NamedTuple):
    """Two slopes of the loss along a direction, and how far they can be trusted."""

    numeric: float  # by differences
    analytic: float  # by the gradient
    size: float  # the mean of the rows' slopes, without their signs
    noise: float  # what of a slope is rounding
    smooth: int  # how many rows have one
    rows: int


def _slopes(probe: _Probe, path: str, weight: Variable, v: Array, step: float, tolerance: float) -> _Slopes:
    """Compare the two slopes along a direction."""
    value = weight.numpy()

    def at(t: float, kept: Array | None = None) -> Array:
        weight.assign(value + t * v)
        return probe(kept).values

    def slope(h: float, kept: Array | None = None) -> Array:
        rise: Array = 8 * (at(h, kept) - at(-h, kept)) - (at(2 * h, kept) - at(-2 * h, kept))
        return rise / (12 * h)

    with np.errstate(all="ignore"):
        try:
            coarse, fine = slope(step), slope(step / 2)
            # The last value is that of regularizers: the loss is the mean of the others and that.
            noise = _ROUNDING * (np.abs(at(0.0)).max() or 1.0) / step
            smooth = np.abs(coarse - fine) <= 0.1 * tolerance * np.abs(fine).max() + noise
            kept = smooth[:-1].astype(np.float64)
            if not smooth[:-1].all():
                fine = slope(step / 2, kept)
        finally:
            weight.assign(value)
        gradient = probe(kept).weights.get(path, np.zeros(weight.shape))
        rows = len(kept)
        if not smooth[-1]:  # a weight near the kink of its own penalty
            return _Slopes(0.0, 0.0, 1.0, noise, 0, rows)
        return _Slopes(float(fine.sum()) / rows, float((gradient * v).sum()), float(np.abs(fine).sum()) / rows, noise,
                       int(smooth[:-1].sum()), rows)


class _Pass(NamedTuple):
    values: Array  # (rows + 1,): of the rows, then the rest of the loss, all times the number of rows
    weights: dict[str, Array]


class _Probe:
    """A model's loss on a batch, as a function of its weights."""

    def __init__(self, model: Model, x: Any, y: Any, sample_weight: Any, training: bool) -> None:
        self.model = model
        data: Feeds = model._feeds(_WHERE, x, y, sample_weight)
        ones = np.ones(data.rows, model._dtype)
        self.data = data._replace(weight=tuple(ones if weight is None else weight for weight in data.weight))
        with model._alone(_WHERE):
            self.plan = model._build_plan("look" if training else "look in inference", self.data, data.rows)

    def __call__(self, kept: Array | None = None) -> _Pass:
        """Run the batch; `kept` are 1 for rows that count and 0 for others."""
        data, plan = self.data, self.plan
        if kept is not None:
            data = data._replace(weight=tuple(weight * kept for weight in data.weight if weight is not None))
        totals = plan.executor.bind(plan.feeds(data))(data.rows, step=0)
        assert plan.seen is not None
        rows = np.zeros(data.rows)
        for number, share in plan.seen.losses:
            if plan.executor.program.buffers[number].per_row:
                rows += share * plan.executor.value(number)
        rest = totals["loss"] - float(rows.sum())
        # What two sums of the same numbers differ by is no penalty.
        rest = rest if len(plan.seen.losses) > len(plan.y) else 0.0
        weights = {path: plan.executor.value(number) for path, number in plan.seen.weights.items()}
        return _Pass(np.append(rows, rest), weights)


def in_float64(model: Model) -> Model:
    """Return a copy of a model that computes in float64, with the same weights."""
    f64 = np.dtype(np.float64)
    other = copy.deepcopy(model)
    for part in _parts(other):
        if part.dtype.kind == "f":
            if isinstance(part, Model):
                part._dtype = f64
            else:
                part.dtype = f64
    for weight in other.weights:
        value = weight.numpy().astype(f64)
        weight.arena = None
        weight._value = np.zeros(panel_elements(value.shape, f64.itemsize), f64) if weight.panels else value
        weight._keep(value)
    other._input_specs = [spec._replace(dtype=f64) if spec.dtype.kind == "f" else spec for spec in other._input_specs]
    for loss in {id(loss): loss for _, loss, _ in other._losses(_WHERE)}.values():
        if getattr(loss, "dtype", None) is not None:
            loss.dtype = f64
    other._forget()
    other._arenas = arrange(other.weights, other)
    return other


def _parts(model: Model) -> Iterator[Any]:
    """Iterate over a model, its inputs, and its layers and their own."""
    yield model
    yield from model._input_layers
    for layer in model.layers:
        if isinstance(layer, Model):
            yield from _parts(layer)
        else:
            yield layer
