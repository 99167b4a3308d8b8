"""``make forge``: forged plans, with a digest that is right.

python -m tests.campaigns.run_forge [-n COUNT] [--seed SEED] [--no-fleet]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.forge.campaign import campaign
from tests.campaigns.forge.fleet import fleet_sources


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what became of the forgeries. The exit code: 1 if one was accepted, or a call was made."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_forge")
    parser.add_argument("-n", type=int, default=4000, help="forgeries of each plan, chosen by seed; all if fewer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-fleet", action="store_true", help="only the plans of the fake world")
    options = parser.parse_args(arguments)
    return campaign(options.seed, options.n, () if options.no_fleet else fleet_sources())


if __name__ == "__main__":
    sys.exit(main())
