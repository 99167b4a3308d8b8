"""Killed applies, which the next apply finishes with nothing created twice or left over."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

from tests.e2e.conftest import CliSandbox

POINTS = (0, 1, 3, 5, 7, 9, 11, 13, 14, 16)
"""How many of the 17 steps are done when the run is killed; others are under way then."""


STEPS = 17


def apply_and_kill(stage: CliSandbox, point: int) -> None:
    """Run ``smplan apply``, and kill it with SIGKILL when ``point`` steps are done (all runs together)."""
    command = [sys.executable, "-m", "smplan", "apply", "--yes", "--json"]
    environment = {**os.environ, **stage.box.env()}
    done = 0
    with subprocess.Popen(command, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "apply_started":
                done = STEPS - event["steps"]
            done += event["event"] == "step_completed"
            if done >= point and event["event"] in ("step_completed", "step_started"):
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL


def plain(standing: set[str]) -> list[str]:
    """What stands, without what is random in its ids, sorted: a thing made twice is there twice."""
    return sorted(re.sub(r"(-|/)[0-9a-f]{8,}|[0-9a-f]{16,}|node-\S+", "#", each) for each in standing)


def test_an_apply_killed_ten_times_ends_as_an_undisturbed_one(stage: CliSandbox) -> None:
    blueprint = stage.blueprint()
    before = stage.standing()
    stage.done("plan", blueprint)
    stage.done("apply", "--yes")
    undisturbed = plain(stage.standing())
    stage.done("destroy", blueprint, "--yes")
    assert stage.standing() == before

    stage.done("plan", blueprint)
    for point in POINTS:
        apply_and_kill(stage, point)
    finished = stage.done("apply", "--yes")
    assert "Resuming" in finished.stdout
    assert plain(stage.standing()) == undisturbed
    assert stage.run("plan", blueprint, "--detailed-exitcode").returncode == 0
    stage.done("destroy", blueprint, "--yes")
    assert stage.standing() == before
