"""``make histories``: random histories from the command line, or one of them again with its trace.

python -m tests.campaigns.run_histories [-n COUNT] [--first SEED] [--jobs N]
python -m tests.campaigns.run_histories --seed SEED --trace
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.histories.campaign import campaign, replay


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the counts, or one trace. The exit code: 1 on any violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_histories")
    parser.add_argument("-n", type=int, default=1000, help="number of histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    parser.add_argument("--seed", type=int, help="run only the history of this seed")
    parser.add_argument("--trace", action="store_true", help="with --seed: print the trace")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return replay(options.seed, trace=options.trace)
    return campaign(options.first, options.n, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
