"""The builds for x86-64-v2, -v3 and -v4: v3 and v4 give the same bytes, v2 agrees within tolerance.

Run as a script this file is the worker: it runs every row of the table in the build that NNCORE_ISA names.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_accuracy import FUNCTIONS
from test_kernels import DTYPES, assert_close, assert_same_bits, run

from nncore import kernels
from nncore._core import core, isa_available
from nncore.testing import KERNELS


def results():
    """Everything that every kernel gives for every case, by label."""
    found = {}
    for dtype in DTYPES:
        for row in KERNELS:
            for case in row.cases(dtype):
                for name, value in run(kernels, row, case.arguments).items():
                    found[f"{dtype}/{row.id}/{case.label}/{name}"] = np.asarray(value)
        x = np.random.default_rng(5).normal(0, 8, 4099).astype(dtype)
        for name in FUNCTIONS:
            found[f"{dtype}/elementary/{name}/y"] = core.elementary(
                name, np.abs(x) if name.startswith("log") else x
            )
    return found


def test_the_choice_of_a_kernel_is_a_switch():
    """In a chain with any other question the compiler takes what comes last for rare, and makes no vectors of it."""
    source = Path(__file__).parents[1] / "nncore" / "_core" / "program.pxi"
    body = re.search(r"cdef void run_op_typed\(.*?\n\n\n", source.read_text(), re.DOTALL)[0]
    questions = re.findall(r"^    (?:el)?if (.*?):", body[body.index("if kernel == ") :], re.MULTILINE)
    assert len(questions) > 50
    assert [text for text in questions if not re.fullmatch(r"kernel == K_\w+", text)] == []


def python(*arguments, level):
    environment = {**os.environ, "NNCORE_ISA": level}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def by_level(tmp_path_factory):
    """The results of a level, from a process of its own; made once."""
    made = {}

    def load(level):
        reason = isa_available().get(level)
        if reason:
            pytest.skip(f"{level}: {reason}")
        if level not in made:
            file = tmp_path_factory.mktemp("isa") / f"{level}.npz"
            done = python(__file__, str(file), level=level)
            assert done.returncode == 0, done.stderr
            with np.load(file) as loaded:
                made[level] = dict(loaded)
        return made[level]

    return load


def test_v3_and_v4_give_the_same_bytes(by_level):
    v3, v4 = by_level("v3"), by_level("v4")
    assert v3.keys() == v4.keys()
    for label in v4:
        assert_same_bits({label: v3[label]}, {label: v4[label]}, "v3 against v4")


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_v2_agrees_within_tolerance(by_level, level):
    v2, other = by_level("v2"), by_level(level)
    assert v2.keys() == other.keys()
    ulps = {row.id: row.ulps for row in KERNELS} | {"elementary": 16}
    for label in other:
        dtype, row, _ = label.split("/", 2)
        assert_close({label: v2[label]}, {label: other[label]}, ulps[row], dtype, 1, "v2")


@pytest.mark.parametrize("level", ["v3", "v4", "v2"])
def test_a_level_can_be_forced(level):
    if isa_available().get(level):
        pytest.skip(isa_available()[level])
    done = python("-c", "from nncore._core import isa; print(isa)", level=level)
    assert done.stdout.strip() == level, done.stderr


def test_an_unknown_level_is_refused():
    done = python("-c", "import nncore", level="v9")
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert "NNCORE_ISA is 'v9'" in done.stderr
    assert "v2, v3 or v4" in done.stderr


if __name__ == "__main__":
    np.savez(sys.argv[1], **results())
