"""Settings of all tests."""

import os
from pathlib import Path

# Interpreters that tests start, also from the source folder, must find the installed package and not the sources;
# and the tests' own modules.
os.environ["PYTHONSAFEPATH"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
)
