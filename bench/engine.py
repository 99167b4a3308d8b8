"""Wall and CPU seconds and peak memory of plan, apply, empty plan and destroy, for N values in chains of ten.

    python bench/engine.py [N ...] [--rounds R] [--terraform]

Each figure is of a whole command in a process of its own, start-up included; with several rounds it is the median.
With `--terraform` the same work is done by Terraform with `terraform_data` on the same machine, and the last column
says how many times as long it takes.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Commands = dict[str, list[str]]

SMPLAN: Commands = {
    "plan": [sys.executable, "-m", "smplan", "plan", "blueprint.json"],
    "apply": [sys.executable, "-m", "smplan", "apply", "--yes"],
    "empty plan": [sys.executable, "-m", "smplan", "plan", "blueprint.json", "--detailed-exitcode"],
    "destroy": [sys.executable, "-m", "smplan", "destroy", "blueprint.json", "--yes"],
}
TERRAFORM: Commands = {
    "plan": ["terraform", "plan", "-input=false", "-out=plan"],
    "apply": ["terraform", "apply", "-input=false", "plan"],
    "empty plan": ["terraform", "plan", "-input=false", "-detailed-exitcode"],
    "destroy": ["terraform", "destroy", "-auto-approve"],
}


@dataclass(frozen=True)
class Cost:
    """The cost of one command: wall and CPU seconds, and MiB."""

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


def write_terraform(folder: Path, count: int) -> None:
    """The same values as ``terraform_data``, in an initialized folder."""
    values = {
        f"v{at:05d}": {"input": f"${{terraform_data.v{at - 1:05d}.output}}" if at % 10 else f"value {at}"}
        for at in range(count)
    }
    (folder / "main.tf.json").write_text(json.dumps({"resource": {"terraform_data": values}}, indent=0))
    run(folder, ["terraform", "init"])


def run(folder: Path, command: Sequence[str]) -> Cost:
    """The cost of one command in ``folder``; it must end with 0."""
    since = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - since
    if status != 0:
        error = process.stderr.read().decode() if process.stderr else ""
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}: {error}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(count: int, rounds: int, commands: Commands = SMPLAN) -> dict[str, Cost]:
    """The median cost of each command."""
    write = write_terraform if commands is TERRAFORM else write_blueprint
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            for name, command in commands.items():
                costs[name].append(run(Path(folder), command))
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
    parser.add_argument("--terraform", action="store_true", help="measure Terraform too")
    given = parser.parse_args()
    print(f"{'N':>6}  {'command':<11} {'wall s':>8} {'cpu s':>8} {'peak MiB':>9} {'ms each':>8}  Terraform, wall s")
    for count in given.counts:
        theirs = measure(count, given.rounds, TERRAFORM) if given.terraform else {}
        for name, cost in measure(count, given.rounds).items():
            ratio = f"{theirs[name].wall:.2f} ({theirs[name].wall / cost.wall:.1f} times as long)" if theirs else ""
            each = cost.wall / count * 1000
            print(
                f"{count:>6}  {name:<11} {cost.wall:>8.2f} {cost.cpu:>8.2f} {cost.peak:>9.1f} {each:>8.2f}  {ratio}",
                flush=True,
            )


if __name__ == "__main__":
    main()
