"""Wall and CPU seconds and peak memory of plan, apply, empty plan and destroy, for N values in chains of ten.

    python bench/engine.py [N ...] [--rounds R]

Each figure is of a whole command in a process of its own (start-up included); with several rounds the median is
printed. The ratios compare with Terraform 1.11.4 and `terraform_data` on the same work, measured once: 0.2 / 1.8 /
6.8 s to plan N = 100 / 1000 / 3000, and 0.6 / 23 / 229 s to apply.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TERRAFORM = {("plan", 100): 0.2, ("plan", 1000): 1.8, ("plan", 3000): 6.8}
TERRAFORM |= {("apply", 100): 0.6, ("apply", 1000): 23.0, ("apply", 3000): 229.0}

COMMANDS = {
    "plan": ["plan", "blueprint.json"],
    "apply": ["apply", "--yes"],
    "empty plan": ["plan", "blueprint.json", "--detailed-exitcode"],
    "destroy": ["destroy", "blueprint.json", "--yes"],
}


@dataclass(frozen=True)
class Cost:
    """What one command took: seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float


def write_blueprint(folder: Path, count: int) -> None:
    """``count`` values, every one but each tenth referring to the one before it."""
    resources = {
        f"v{at:05d}": {
            "kind": "core.value",
            "spec": {"input": f"${{v{at - 1:05d}.output}}" if at % 10 else f"value {at}"},
        }
        for at in range(count)
    }
    document = {"smplan": 1, "name": "bench", "resources": resources}
    (folder / "blueprint.json").write_text(json.dumps(document, indent=0))


def run(folder: Path, arguments: list[str]) -> Cost:
    """One command, in ``folder``; it must end with 0."""
    since = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "smplan", *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - since
    if status != 0:
        told = process.stderr.read().decode() if process.stderr else ""
        sys.exit(f"smplan {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}: {told}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(count: int, rounds: int) -> dict[str, Cost]:
    """The median cost of each command."""
    costs: dict[str, list[Cost]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            write_blueprint(Path(folder), count)
            for name, arguments in COMMANDS.items():
                costs[name].append(run(Path(folder), arguments))
    return {
        name: Cost(
            statistics.median(cost.wall for cost in found),
            statistics.median(cost.cpu for cost in found),
            statistics.median(cost.peak for cost in found),
        )
        for name, found in costs.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[100, 1000, 3000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{'N':>6}  {'command':<11} {'wall s':>8} {'cpu s':>8} {'peak MiB':>9} {'ms each':>8}  against Terraform 1.11.4"
    )
    for count in given.counts:
        for name, cost in measure(count, given.rounds).items():
            theirs = TERRAFORM.get((name, count))
            ratio = f"{theirs / cost.wall:.1f} times as fast ({theirs} s)" if theirs else ""
            each = cost.wall / count * 1000
            print(f"{count:>6}  {name:<11} {cost.wall:>8.2f} {cost.cpu:>8.2f} {cost.peak:>9.1f} {each:>8.2f}  {ratio}")


if __name__ == "__main__":
    main()
