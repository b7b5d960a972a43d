"""Programs of merging ops and factorization machines, in both executors."""

import numpy as np
import pytest
from test_kernels import DTYPES, assert_same_bits

import nncore as nn
from nncore import reference
from nncore.executor import Executor
from nncore.program import Program

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def both(program, feeds, wanted, samples, batch_size):
    """What the buffers hold after a run, in either executor, and in the compiled one on several threads."""
    found = []
    for kind, n_threads in ((Executor, 1), (Executor, 2), (nn.reference.executor.Executor, 1)):
        executor = kind(program, batch_size)
        executor.run(feeds, samples, n_threads=n_threads)
        found.append({number: executor.value(number) for number in wanted})
    for number in wanted:
        assert_same_bits({"value": found[1][number]}, {"value": found[0][number]}, f"buffer {number}, two threads")
    return found[0], found[2]


def outline(dtype="float64"):
    """A program with an op of each kernel, whose first input is trained, and the gradient of everything.

    Returns the program, its input, the parameter, the output and the gradient of the parameter.
    """
    program = Program(np.dtype(dtype))
    x = program.rows(6, role="input")
    w = program.parameter(nn.Variable(np.random.default_rng(1).standard_normal((6, 4)).astype(dtype), "w"))
    z = program.rows(4)
    program.emit("dense_forward", (x, w, None), (z,))

    def op(kernel, inputs, shape, **attributes):
        y = program.rows(shape)
        program.emit(kernel, inputs, (y,), **attributes)
        return y

    halves = [op("concatenate_forward", (z, z), (8,), axis=-1)]
    a = op("tanh_forward", (z,), 4)
    b = op("multiply_forward", (z, a, z), 4)
    c = op("subtract_forward", (b, a), 4)
    d = op("maximum_forward", (c, z, a), 4)
    e = op("minimum_forward", (d, b), 4)
    f = op("add_forward", (e, d, e, c), 4)
    g = op("scale_forward", (f,), 4, scale=0.3)
    total = op("sum_forward", (g,), 1, axis=-1)
    wide = op("repeat_forward", (total,), 8, axis=-1, repeats=8)
    y = op("multiply_forward", (wide, halves[0]), 8)
    joined = op("concatenate_forward", (y, g, total), 13, axis=1)
    dy = program.rows(13, role="input")
    forward = program.ops[:]
    gradients = nn.gradients.backward(program, forward, [(joined, dy)])
    return program, x, dy, w, joined, gradients[w]


@each_dtype
def test_a_program_of_merging_ops_in_both_executors(dtype):
    program, x, dy, _, y, dw = outline(dtype)
    rng = np.random.default_rng(2)
    feeds = {x: rng.standard_normal((37, 6)).astype(dtype), dy: rng.standard_normal((37, 13)).astype(dtype)}
    ours, twins = both(program, feeds, [y, dw], 37, 37)
    for number in (y, dw):
        np.testing.assert_allclose(ours[number], twins[number], rtol=1e-4, atol=1e-4)


def test_the_gradient_of_a_program_of_merging_ops():
    program, x, dy, w, y, dw = outline()
    rng = np.random.default_rng(3)
    feeds = {x: rng.standard_normal((5, 6)), dy: rng.standard_normal((5, 13))}
    variable = program.buffers[w].variable
    start, direction = variable.numpy(), rng.standard_normal((6, 4))
    for kind in (Executor, nn.reference.executor.Executor):
        executor = kind(program, 5)

        def at(t, executor=executor):
            variable.assign(start + t * direction)
            executor.run(feeds, 5)
            return (executor.value(y) * feeds[dy]).sum()

        slope = (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4
        at(0)
        assert (executor.value(dw) * direction).sum() == pytest.approx(slope, rel=1e-8)


def test_gradients_of_parameters_are_summed_as_they_are_kept():
    """A kernel in panels: its gradients are flat arrays, padded."""
    rng = np.random.default_rng(6)
    program = Program(np.dtype("float32"))
    w = program.parameter(nn.Variable(rng.standard_normal((3, 20)).astype(np.float32), "w", panels=True))
    x, dy = program.rows(3, role="input"), program.rows(20, role="input")
    parts = [program.like(w), program.like(w)]
    total = program.like(w)
    program.emit("dense_backward_params", (x, dy), (parts[0], None))
    program.emit("dense_backward_params", (x, dy), (parts[1], None))
    program.emit("gradient_sum", (parts[0], parts[1], parts[0]), (total,))
    feeds = {x: rng.standard_normal((7, 3)).astype(np.float32), dy: rng.standard_normal((7, 20)).astype(np.float32)}
    for kind in (Executor, nn.reference.executor.Executor):
        executor = kind(program, 7)
        executor.run(feeds, 7)
        np.testing.assert_allclose(executor.value(total), 3 * (feeds[x].T @ feeds[dy]), rtol=1e-5, atol=1e-5)


def test_a_program_of_factorization_machines_in_both_executors():
    rng = np.random.default_rng(7)
    program = Program(np.dtype("float64"))
    x, fields, dy = program.rows(9, role="input"), program.rows((5, 3), role="input"), program.rows(1, role="input")
    v = program.parameter(nn.Variable(rng.standard_normal((9, 4)), "v"))
    scale = program.parameter(nn.Variable(np.ones((1, 1)), "scale"))
    y, s, of_fields, z, out = (program.rows(width) for width in (1, 4, 1, 1, 1))
    program.emit("factorization_machine_forward", (x, v), (y, s))
    program.emit("fm_interaction_forward", (fields,), (of_fields,))
    program.emit("add_forward", (y, of_fields), (z,))
    program.emit("dense_forward", (z, scale, None), (out,))
    gradients = nn.gradients.backward(program, program.ops[:], [(out, dy)])
    feeds = {x: rng.standard_normal((33, 9)), fields: rng.standard_normal((33, 5, 3)), dy: rng.standard_normal((33, 1))}
    ours, twins = both(program, feeds, [out], 33, 33)
    np.testing.assert_allclose(ours[out], twins[out], rtol=1e-10)
    for kind in (Executor, nn.reference.executor.Executor):
        executor = kind(program, 33)
        executor.run(feeds, 33)
        want = reference.factorization_machine_backward_params(
            feeds[dy], feeds[x], program.buffers[v].variable.numpy(), feeds[x] @ program.buffers[v].variable.numpy())
        np.testing.assert_allclose(executor.value(gradients[v]), want, rtol=1e-10)
