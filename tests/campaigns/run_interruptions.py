"""``make interruptions``: what plans predict that viewers notice, against what viewers notice, from the command line.

python -m tests.campaigns.run_interruptions [--only TEXT] [--jobs N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.interruptions.campaign import campaign
from tests.campaigns.interruptions.cases import all_cases


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was predicted and measured. The exit code: 1 if they differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_interruptions")
    parser.add_argument("-n", "--only", default="", help="only the cases that have this text in their names")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    options = parser.parse_args(arguments)
    return campaign([name for name in all_cases() if options.only in name], options.jobs)


if __name__ == "__main__":
    sys.exit(main())
