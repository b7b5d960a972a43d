"""The commands that fill docs/performance.md, run for a moment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import growth
import models
import pytest
from workloads import WORKLOADS

import nncore as nn

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The tables of the smallest network, all kinds, and the file with its times."""
    path = tmp_path_factory.mktemp("models") / "times.json"
    options = "--only tiny,gradient-f64 --threads 1,2 --peers numpy --rounds 2 --seconds 0.001 --json".split()
    found = subprocess.run(
        [sys.executable, HERE / "models.py", *options, path],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert "left out" not in found.stderr
    return found.stdout, json.loads(path.read_text())


def test_models(measured):
    text, found = measured
    assert "GFLOP/s" in text and "5.66" in text
    sides = {(row["kind"], row["side"], row["threads"]) for row in found["rows"]}
    assert sides == {
        (kind, side, threads)
        for kind, names in {
            "train": ("nncore", "numpy"),
            "infer": ("nncore", "nncore out=", "nncore predict", "numpy"),
            "gradient": ("nncore",),
        }.items()
        for side in names
        for threads in (1, 2)
    }
    for row in found["rows"]:
        assert len(row["times"]) == 2 and 0 < row["best"] <= row["median"]
        assert 0 < row["share"] < 1.2


def test_page(measured, tmp_path):
    """The sections that the page has are those that the commands fill."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    models.show(measured[1]["rows"], measured[1]["machine"], str(page))
    text = page.read_text()
    assert text.count("<!-- generated:") == len(models.TABLES) + 3 == PAGE.read_text().count("<!-- generated:")
    assert "| tiny: 4-16-16-1 tanh mse adam | 32 |" in text


def test_growth():
    rows = growth.growth([1, 2], 2, 0.001, {"batch": {b: growth.SWEEPS["batch"][b] for b in (4, 16)}})
    assert [(row["value"], row["threads"]) for row in rows] == [(4, 1), (4, 2), (16, 1), (16, 2)]
    assert all(row["best"] > 0 and row["speedup"] > 0 for row in rows)
    assert nn.get_num_threads() >= 1


def test_step():
    (workload,) = (w for w in WORKLOADS if w.name == "digits")
    whole, *parts = growth.step_rows(workload, 1, 2, 0.002)
    assert whole["kind"] == "step"
    assert {row["kind"] for row in parts} == {*growth.KINDS.values(), growth.LOSSES, "other"}
    assert 0.2 < sum(row["best"] for row in parts) / whole["best"] < 5
