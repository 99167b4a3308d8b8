"""``python -m smplan`` and the ``smplan`` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line."""
    from smplan.cli.main import run

    run()


if __name__ == "__main__":
    # `python -m` imports modules from the current folder first, which may hold a blueprint of unknown origin
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    main()
