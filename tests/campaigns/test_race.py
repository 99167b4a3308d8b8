from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_one_process_wins_each_round_and_a_resumed_holder_cannot_write() -> None:
    command = [sys.executable, "-m", "tests.campaigns.run_race", "--processes", "4", "--rounds", "3", "--few"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("violations: 0\n")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["S3,", "one", "try", "each", "4", "3", "3", "9", "0", "0", "0"] in [row[:11] for row in rows]
    assert re.search(r"before a driver's call +appends +Locked +\d+ +0 +0 +yes\n", done.stdout)
