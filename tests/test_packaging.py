"""What is installed: metadata, imports, README."""

import importlib.metadata
import importlib.resources
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import nncore as nn

REPOSITORY = Path(__file__).resolve().parents[1]


def python(code, **environment):
    """Output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def metadata():
    try:
        return importlib.metadata.metadata("nncore")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nncore is not installed")


@pytest.mark.skipif("NNCORE_TEST_INSTALLED" not in os.environ, reason="set by .ci/run")
def test_the_installed_package_is_tested():
    assert Path(nn.__file__).is_relative_to(sysconfig.get_path("platlib"))


def test_metadata():
    found = metadata()
    assert found["Name"] == "nncore" and found["Version"] == nn.__version__
    assert found["License-Expression"] == "BSD-3-Clause" and found["Requires-Python"] == ">=3.11"
    needed = [line for line in found.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(re.match(r"\w+", line)[0] for line in needed) == ["numpy", "safetensors", "tqdm"]
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="nncore")
    assert script.value == "nncore.cli:main"


def test_version_stands_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", nn.__version__)
    if not (REPOSITORY / "pyproject.toml").exists():
        pytest.skip("no source tree")
    names = [
        "pyproject.toml",
        "setup.py",
        *(str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("nncore/**/*.py")),
    ]
    places = [
        name for name in names if f'"{nn.__version__}"' in (REPOSITORY / name).read_text(encoding="utf-8")
    ]
    assert places == ["nncore/_version.py"]


def test_types_are_announced():
    assert importlib.resources.files("nncore").joinpath("py.typed").is_file()


def test_import_pulls_neither_files_nor_bars():
    late = "('tqdm', 'safetensors', 'argparse', 'nncore.cli')"
    code = f"import sys, nncore; print([m for m in {late} if m in sys.modules])"
    assert python(code) == "[]"


def test_import_leaves_the_floating_point_state_alone():
    code = """
import nncore, numpy as np
tiny = np.array([np.finfo('f4').smallest_subnormal, np.finfo('f4').tiny / 2])
print(bool((tiny > 0).all() and (tiny * np.float32(1) == tiny).all() and np.nextafter(0.0, 1.0) / 1 > 0), np.geterr())
"""
    assert python(code) == python(code.replace("nncore, ", ""))
    assert python(code).startswith("True")


def test_import_starts_no_thread_and_prints_nothing():
    code = "import os, nncore; print(len(os.listdir('/proc/self/task')) if os.path.exists('/proc/self/task') else 1)"
    # NumPy's own BLAS may keep threads; nncore may not add any.
    assert python(code, OPENBLAS_NUM_THREADS="1") == python(
        code.replace("nncore", "numpy"), OPENBLAS_NUM_THREADS="1"
    )


def test_everything_public_is_there():
    for module in (
        nn,
        nn.layers,
        nn.losses,
        nn.metrics,
        nn.optimizers,
        nn.activations,
        nn.initializers,
        nn.kernels,
        nn.utils,
    ):
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert len(set(module.__all__)) == len(module.__all__)


def readme_examples():
    path = REPOSITORY / "README.md"
    return (
        re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
        if path.exists()
        else []
    )


@pytest.mark.parametrize("code", readme_examples())
def test_readme_example_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "digits.safetensors").exists()
    result = eval(capsys.readouterr().out)
    assert result["accuracy"] > 0.9
    assert (
        nn.load_model("digits.safetensors").predict(names["x"]) == names["model"].predict(names["x"])
    ).all()
