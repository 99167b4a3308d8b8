"""``make damage``: corruption of everything stored, from the command line.

python -m tests.campaigns.run_damage [--seed S] [--only CASE] [--small]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.campaigns.corruption import SIZES, Size, campaign


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of cases. The exit code: 1 on any violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.run_damage")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a single case, named as in the printed violations")
    parser.add_argument("--small", action="store_true", help="one small size, and few places of each file")
    options = parser.parse_args(arguments)
    sizes = [Size("small", things=1, length=20, most=40)] if options.small else SIZES
    report = campaign(options.seed, sizes, by_command=10 if options.small else 300, only=options.only)
    print(f"damage: seed {options.seed}\n\n{report.text(('what', 'damage'))}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
