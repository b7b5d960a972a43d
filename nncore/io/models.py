"""Model files: a model's config, weights and optimizer state in one safetensors file."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from nncore import _checks, losses, metrics, optimizers
from nncore.io.safetensors import load_weights_file, save_weights_file

if TYPE_CHECKING:
    from nncore.models import Model

__all__ = ["load", "load_weights", "save", "save_weights"]

FORMAT, WEIGHTS = "nncore model", "nncore weights"


def save(model: Model, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
    """Write a model: what `Model.save` says."""
    from nncore.models import description

    arrays = _arrays(model)
    config: dict[str, Any] = {
        "model": description(model),
        "input_shape": list(model._input_specs[0].shape),
        "epochs_done": model._epochs_done,
    }
    if model.optimizer is not None:
        config["optimizer"] = optimizers.serialize(model.optimizer)
        config["steps"] = model.optimizer.steps
        config["not_decayed"] = [path for path, weight in model.weight_paths().items()
                                 if not model.optimizer.decays(weight)]
        config["compiled"] = model.compiled_config()
    save_weights_file(path, arrays, {**(metadata or {}), "format": FORMAT, "config": json.dumps(config)})


def _arrays(model: Model) -> dict[str, NDArray[Any]]:
    """Return weights and optimizer state as files name them."""
    arrays = {name: weight.numpy() for name, weight in model.weight_paths().items()}
    return arrays | {f"optimizer/{name}": slot.numpy() for name, slot in model.slot_paths().items()}


def save_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Write weights and optimizer state: what `Model.save_weights` says."""
    config = {}
    if model.optimizer is not None:
        own = model.optimizer.schedule is None
        config = {"steps": model.optimizer.steps, "learning_rate": model.optimizer.learning_rate if own else None}
    save_weights_file(path, _arrays(model), {"format": WEIGHTS, "config": json.dumps(config)})


def load_weights(model: Model, path: str | os.PathLike[str], skip_mismatch: bool) -> None:
    """Read weights and optimizer state: what `Model.load_weights` says."""
    where = f"load_weights: {os.fspath(path)!r}"
    arrays, metadata = load_weights_file(path)
    try:
        config = json.loads(metadata.get("config", "{}"))
        rate = config.get("learning_rate", config.get("optimizer", {}).get("config", {}).get("learning_rate"))
        steps = _checks.integer(config.get("steps", 0), "load_weights", "steps", low=0)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{where} is damaged: {error}") from error
    slots = {name.removeprefix("optimizer/"): arrays.pop(name) for name in list(arrays)
             if name.startswith("optimizer/")}
    found = []
    for name, weight in model.weight_paths().items():
        array = arrays.pop(name, None)
        if array is not None and array.shape == weight.shape and array.dtype.kind == "f":
            found.append((weight, array))
        elif not skip_mismatch:
            has = "is not there" if array is None else f"is {array.dtype} of shape {array.shape}"
            raise ValueError(f"{where}: {name!r} {has}; the model has {weight.dtype} of shape {weight.shape}")
    if arrays and not skip_mismatch:
        raise ValueError(f"{where}: the model has no weight {next(iter(arrays))!r}")
    if model.optimizer is not None and "steps" in config:
        if slots:
            model._make_slots()
        variables = model.slot_paths()
        if {name: slot.shape for name, slot in variables.items()} == {name: slot.shape for name, slot in slots.items()}:
            found += [(variables[name], slot) for name, slot in slots.items()]
            model.optimizer.steps = steps
            if isinstance(rate, float) and model.optimizer.schedule is None:
                model.optimizer.learning_rate = rate
        else:
            warnings.warn(f"{where}: the optimizer's state is of another optimizer and was not read", stacklevel=3)
    for variable, array in found:
        variable.assign(array)


def load(path: str | os.PathLike[str], make: Callable[[Any], Any]) -> Model:
    """Return the model of a file: what `nncore.load_model` says; `make` makes it from its description."""
    arrays, metadata = load_weights_file(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"load_model: {os.fspath(path)!r} holds no nncore model (its format is {metadata.get('format')!r})"
        )
    try:
        config = json.loads(metadata["config"])
        model: Model = make(config["model"])
        if not model.built:
            model.build((None, *config["input_shape"]))
        paths = model.weight_paths()
        for name, weight in paths.items():
            if name not in arrays:
                raise ValueError(f"the array {name!r} is missing")
            if arrays[name].dtype != weight.dtype:
                raise ValueError(f"{name!r} is {arrays[name].dtype}, but the model is {weight.dtype}")
        order = {id(weight): arrays.pop(name) for name, weight in paths.items()}
        model.set_weights([order[id(weight)] for weight in model.weights])
        if "optimizer" in config:
            model.compile_from_config(optimizers.get(config["optimizer"]), config["compiled"])
            assert model.optimizer is not None
            model.optimizer.steps = _checks.integer(config["steps"], "load_model", "steps", low=0)
            model.optimizer.exclude_from_weight_decay([paths[name] for name in config["not_decayed"]])
            model._make_slots()
            for name, slot in model.slot_paths().items() if arrays else ():  # a model that was never trained has none
                slot.assign(arrays.pop(f"optimizer/{name}"))
        if arrays:
            raise ValueError(f"nobody knows what array {next(iter(arrays))!r} is")
        model._epochs_done = _checks.integer(config["epochs_done"], "load_model", "epochs_done", low=0)
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"load_model: {os.fspath(path)!r} is damaged or of another version: {error}"
        ) from error
    return model


def described(thing: object, kind: str) -> Any:
    """Return what JSON can hold of a loss or a metric: a name stays a name, lists and dicts stay such."""
    if thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, (list, tuple)):
        return [described(part, kind) for part in thing]
    if isinstance(thing, dict) and set(thing) != {"class_name", "config"}:
        return {name: described(part, kind) for name, part in thing.items()}
    return losses.serialize(losses.get(thing)) if kind == "loss" else metrics.serialize(metrics.get(thing))
