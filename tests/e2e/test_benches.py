"""Benchmarks: the number of calls of an empty plan is limited; times are only printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
MOST_CALLS = 32
MOST_CALLS_FOR_A_FURTHER_FLEET = 6


def run(*command: str) -> str:
    """The output of a benchmark; it must end with 0."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_empty_plan_makes_few_calls_and_few_more_per_further_fleet() -> None:
    text = run(str(BENCH / "calls.py"), "1", "2")
    one = re.search(r"^ +empty plan +(\d+) calls", text, re.MULTILINE)
    further = re.search(r"From 1 to 2 fleets: ([\d.]+) more calls", text)
    assert one is not None
    assert further is not None
    assert int(one[1]) <= MOST_CALLS
    assert float(further[1]) <= MOST_CALLS_FOR_A_FURTHER_FLEET


def test_engine_benchmark_prints_every_command() -> None:
    text = run(str(BENCH / "engine.py"), "100", "--rounds", "1")
    for command in ("plan", "apply", "empty plan", "destroy"):
        assert re.search(rf"^ +100  {command} +\d+\.\d+ +\d+\.\d+ +\d+\.\d+", text, re.MULTILINE), text
