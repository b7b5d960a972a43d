"""Each script of examples/ runs, checks what it claims and says it in one line, which docs/examples.md quotes."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the examples are not here")


def quoted():
    """The line that docs/examples.md gives for each script."""
    rows = re.findall(r"^\| \[(\w+\.py)\]\(\.\./examples/\1\) \| (.*) \|$", (ROOT / "docs/examples.md").read_text(), re.M)
    return dict(rows)


def without_numbers(line):
    return re.sub(r"[\d.,]*\d(e[+-]?\d+)?", "#", line)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    # The figures may differ with NumPy's version and on processors without FMA; what is said may not. Of what the
    # environment has, such as scikit-learn, the page says nothing.
    said = printed[0].replace("Newton's method and scikit-learn", "Newton's method")
    assert without_numbers(said) == without_numbers(quoted()[path.name])


def test_the_page_lists_the_scripts():
    assert sorted(quoted()) == [path.name for path in EXAMPLES]
