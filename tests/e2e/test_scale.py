"""A fleet that is stopped and started: sizes, drained instances, plans in between, and a killed run."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from typing import Any

from tests.e2e.conftest import CliSandbox

DONE = "--yes"


def group_of(stage: CliSandbox) -> dict[str, Any]:
    groups: list[dict[str, Any]] = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    (found,) = groups
    return found


def sizes(stage: CliSandbox) -> tuple[int, int, int]:
    group = group_of(stage)
    return group["MinSize"], group["DesiredCapacity"], len(group["Instances"])


def node_group_in_service(stage: CliSandbox) -> bool:
    (balancer,) = stage.client("elbv2").describe_load_balancers()["LoadBalancers"]
    api = stage.stream_manager("streammanager.example.com", balancer["DNSName"])
    (group,) = api.groups()
    return all(node["state"] == "inservice" for node in api.nodes(group["name"]))


def test_a_fleet_is_stopped_and_started_again(stage: CliSandbox) -> None:
    path = stage.blueprint()  # with WebRTC, so every instance is protected from scale-in
    before = stage.standing()
    stage.done("apply", path, DONE)
    stopped = stage.done("scale", path, "--to", "0", DONE)
    assert "drained and terminated" in stopped.stdout
    assert sizes(stage) == (0, 0, 0)

    empty = stage.run("plan", path, "--detailed-exitcode")
    assert empty.returncode == 0, empty.stdout + empty.stderr
    assert "fleet is scaled to 0 by `smplan scale`" in empty.stdout
    assert "--to blueprint` starts it" in empty.stdout
    assert "node_group is stopped: fleet is scaled to 0" in empty.stdout
    drift = stage.done("drift", path)
    assert "No drift" in drift.stdout

    other = stage.done("apply", path, DONE, "--var", "max_size=5")
    assert "1 to update" in other.stdout
    assert "to wait for" not in other.stdout
    assert sizes(stage) == (0, 0, 0)
    assert group_of(stage)["MaxSize"] == 5

    stage.done("scale", path, "--to", "1", DONE, "--var", "max_size=5")
    assert sizes(stage) == (1, 1, 1)
    assert node_group_in_service(stage)
    assert stage.run("plan", path, "--detailed-exitcode", "--var", "max_size=5").returncode == 0
    stage.done("destroy", path, DONE)
    assert stage.standing() == before


def test_a_stop_that_is_killed_is_resumed(stage: CliSandbox) -> None:
    path = stage.blueprint()
    stage.done("apply", path, DONE)
    command = [sys.executable, "-m", "smplan", "scale", path, "--to", "0", DONE, "--json"]
    environment = {**os.environ, **stage.box.env()}
    with subprocess.Popen(command, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step_progress":
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    resumed = stage.done("apply", ".smplan/scale.json", DONE)
    assert "Resuming" in resumed.stdout
    assert sizes(stage) == (0, 0, 0)
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def test_a_stopped_fleet_is_destroyed_as_the_refusal_says(stage: CliSandbox) -> None:
    """Its node groups can only be deleted through a Stream Manager: the hint has the commands to type."""
    path = stage.blueprint()
    before = stage.standing()
    stage.done("apply", path, DONE, "--var", "max_size=5")
    stage.done("scale", path, "--to", "0", DONE, "--var", "max_size=5")
    refused = stage.run("destroy", path, DONE, "--var", "max_size=5")
    assert refused.returncode == 6, refused.stdout + refused.stderr
    commands = re.findall(r"`smplan ([^`]+)`", refused.stderr)
    assert [shlex.split(command)[0] for command in commands][:2] == ["scale", "destroy"], refused.stderr
    for command in commands[:2]:
        stage.done(*shlex.split(command), DONE)
    assert stage.standing() == before
