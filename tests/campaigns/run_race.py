"""``make race``: the lock races and the fencing cases from the command line.

python -m tests.campaigns.run_race [--processes N] [--rounds R] [--few]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables. The exit code: 1 on any violation."""
    # imported here: this module is loaded again in every process of a race
    from tests.campaigns.fencing import fences
    from tests.campaigns.race import races
    from tests.support.s3 import MemoryS3, S3Server

    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_race")
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--few", action="store_true", help="only the first of the fencing cases")
    options = parser.parse_args(arguments)
    with S3Server(MemoryS3(now=partial(datetime.now, UTC))) as server:
        violations = races(server.url, options.processes, options.rounds) + fences(server, few=options.few)
    print(f"violations: {violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
