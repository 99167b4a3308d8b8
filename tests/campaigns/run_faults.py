"""``make faults``: the fault matrix from the command line.

python -m tests.campaigns.run_faults [--share 0.1] [--seed S] [--record FILE]
"""

import sys

from tests.campaigns.fault_matrix import FAULTS
from tests.campaigns.sharding import run

if __name__ == "__main__":
    sys.exit(run(FAULTS, sys.argv[1:]))
