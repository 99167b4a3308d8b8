"""``make rolls``: seeded roll-outs from the command line.

python -m tests.campaigns.run_rolls [-n COUNT] [--first SEED] [--jobs N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.rolls.campaign import campaign


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how the roll-outs ended. The exit code: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_rolls")
    parser.add_argument("-n", type=int, default=200, help="number of roll-outs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    options = parser.parse_args(arguments)
    return campaign(options.first, options.n, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
