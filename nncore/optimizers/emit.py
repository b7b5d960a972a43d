"""What a training program does with gradients: penalties, accumulation, clipping, updates, averages, constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nncore._embedding import is_table, on_rows
from nncore.optimizers import ops
from nncore.optimizers.base import Optimizer
from nncore.program import Program
from nncore.variables import Variable

__all__ = ["SQUARES", "emit_penalties", "emit_penalty_gradients", "emit_step", "emit_updates", "tables_by_rows"]

F64 = np.dtype(np.float64)
SQUARES = "gradient: squares"  # the total that is the square of the gradients' norm


def emit_penalties(program: Program, weights: Sequence[Variable]) -> None:
    """Append the values of the weights' penalties, as parts of the loss; those of some rows come with their updates."""
    for weight in weights:
        if weight.regularizer is not None and program.parameter(weight) not in program.by_rows:
            program.add_total("loss", weight.regularizer.emit(program, program.parameter(weight)))


def emit_penalty_gradients(program: Program, gradients: Mapping[int, int],
                           weights: Sequence[Variable]) -> dict[int, int]:
    """Append what adds the penalties' gradients to those of the loss; return the buffers for each parameter's."""
    found = dict(gradients)
    for weight in weights:
        if weight.trainable and weight.regularizer is not None:
            number = program.parameter(weight)
            if number not in found:  # the loss does not depend on it, but its penalty does
                found[number] = program.like(number)
            rows = program.touched.get(found[number])
            if number in program.by_rows:
                program.add_total("loss", weight.regularizer.emit(program, number, rows))
            weight.regularizer.emit_gradient(program, number, found[number], number in gradients)
            on_rows(program, rows, 1)
    return found


def tables_by_rows(program: Program, optimizer: Optimizer, weights: Sequence[Variable]) -> set[int]:
    """Return the buffers of the embeddings' tables of which only the rows that a batch names need be trained.

    All that is done with such a row must be a function of that row, its gradient and its state. Otherwise, and where
    a class of somebody else's may make anything of a gradient, the whole table is trained.
    """
    own = type(optimizer).emit_update is Optimizer.emit_update and optimizer.kernel in ops.FUSED
    if not own or optimizer.gradient_accumulation_steps is not None or optimizer.use_ema:
        return set()
    return {number for number in map(program.parameter, weights) if is_table(program, number) and all(
        part is None or part.by_rows for part in (program.buffers[number].variable.regularizer,  # type: ignore[union-attr]
                                                  program.buffers[number].variable.constraint))}  # type: ignore[union-attr]


def emit_step(program: Program, optimizer: Optimizer, powers: Variable | None) -> dict[str, int]:
    """Append what is done once per update, before all of them; return the buffers that these share."""
    if powers is None:
        return {}
    number, attributes = program.parameter(powers, role="state"), optimizer.attributes()
    program.emit(optimizer.step_kernel, (number,), (), every=optimizer.gradient_accumulation_steps or 1,
                 beta_1=attributes["beta_1"], beta_2=attributes["beta_2"])
    return {"powers": number}


def emit_updates(
    program: Program,
    optimizer: Optimizer,
    gradients: Mapping[int, int],
    slots: Mapping[int, Mapping[str, Variable]],
    weights: Sequence[Variable],
    shared: Mapping[str, int],
    norm: bool = False,
) -> None:
    """Append all that makes new weights of gradients.

    Parameters
    ----------
    program : Program
        The program.
    optimizer : Optimizer
        The optimizer.
    gradients : mapping of int to int
        The buffer of the gradient for each parameter's buffer that has one.
    slots : mapping of int to mapping of str to Variable
        The optimizer's state by names, for the ``id`` of each weight.
    weights : sequence of Variable
        The weights that are trained.
    shared : mapping of str to int
        What `emit_step` returned.
    norm : bool
        Whether to add up the square of the norm of all gradients, with penalties and before clipping.
    """
    buffers = {program.parameter(weight): weight for weight in weights}
    state = {number: {name: program.parameter(slot, role="state") for name, slot in slots[id(weight)].items()}
             for number, weight in buffers.items()}
    found = emit_penalty_gradients(program, gradients, weights)
    if norm:
        program.add_total(SQUARES, _scale(program, list(found.values()), math.inf, 1))
    steps = optimizer.gradient_accumulation_steps
    if steps is not None:
        for number, gradient in found.items():
            total = state[number]["gradient_accumulator"]
            program.emit("accumulate_gradient", (total, gradient), (), steps=steps, step=0)
            found[number] = total
    every = steps or 1
    scales = _clip(program, optimizer, found, every)
    for number, gradient in found.items():
        scale = {"scale": scales[number]} if number in scales else {}
        optimizer.emit_update(program, buffers[number], number, gradient, {**shared, **state[number], **scale}, every)
        on_rows(program, program.touched.get(gradient), 1)
    if optimizer.use_ema:
        for number in buffers:
            program.emit("average_update", (state[number]["average"], number), (), ema_momentum=optimizer.ema_momentum,
                         steps=every, overwrite=optimizer.ema_overwrite_frequency or 0, step=0)
    for number, weight in buffers.items():
        if weight.constraint is not None:
            weight.constraint.emit(program, number)
            on_rows(program, program.touched.get(found.get(number, -1)), 1)


def _clip(program: Program, optimizer: Optimizer, gradients: Mapping[int, int], every: int) -> dict[int, int]:
    """Append the norms that gradients are clipped by; return for each parameter the buffer of its factor."""
    clip = optimizer.attributes().get("clipnorm")
    if clip is None or not gradients:
        return {}
    groups = [[number] for number in gradients] if optimizer.global_clipnorm is None else [list(gradients)]
    scales: dict[int, int] = {}
    for group in groups:
        scale = _scale(program, [gradients[number] for number in group], clip, every)
        scales |= dict.fromkeys(group, scale)
    return scales


def _scale(program: Program, gradients: Sequence[int], clip: float, every: int) -> int:
    """Append the norm of some gradients; return the buffer of the factor that clips them and of the norm's square."""
    first, places = 0, []
    for gradient in gradients:
        places.append(first)
        first += 1 if gradient in program.touched else ops.blocks(program.buffers[gradient].row_size)
    sums, scale = program.array((first,), "sums", F64), program.array((2,), "scale", F64)
    for gradient, place in zip(gradients, places, strict=True):
        if gradient in program.touched:
            program.emit("embedding_squares", (gradient, program.touched[gradient][1]), (sums,), first=place)
        else:
            program.emit("square_sums", (gradient,), (sums,), every=every, first=place)
    program.emit("clip_scale", (sums,), (scale,), every=every, clipnorm=clip)
    return scale
