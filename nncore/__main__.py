"""``python -m nncore`` is the ``nncore`` command."""

import sys

from nncore.cli import main

if __name__ == "__main__":
    sys.exit(main())
