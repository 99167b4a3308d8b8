"""``make crash-matrix``: the crash matrix from the command line.

python -m tests.campaigns.run_crash_matrix [--share 0.1] [--seed S] [--record FILE]
"""

import sys

from tests.campaigns.crash_matrix import CRASHES
from tests.campaigns.sharding import run

if __name__ == "__main__":
    sys.exit(run(CRASHES, sys.argv[1:]))
