"""``make torn``: torn writes and disk faults from the command line.

python -m tests.campaigns.run_torn [--seed S] [--only CASE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.torn_writes import Size, campaign


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of cases. The exit code: 1 on any violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_torn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a single case, named as in the printed violations")
    parser.add_argument("--things", type=int, default=Size.things, help="resources in the state")
    parser.add_argument("--length", type=int, default=Size.length, help="characters in the spec of each")
    options = parser.parse_args(arguments)
    report = campaign(options.seed, Size(options.things, options.length), options.only)
    what = f"a state of {options.things} resources with specs of {options.length} characters"
    print(f"torn writes: seed {options.seed}, {what}\n\n{report.text(('write', 'cut or fault'))}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
