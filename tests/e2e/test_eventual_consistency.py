"""The whole fleet in an AWS that shows late what was created: to reads, or to the requests that refer to it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import SPEED, CliSandbox

LATE_SECONDS = SPEED / 2
"""Half a second of real time."""


@pytest.mark.parametrize(("reads", "writes"), [(LATE_SECONDS, 0.0), (0.0, LATE_SECONDS)], ids=["reads", "writes"])
def test_the_fleet_is_created_changed_and_deleted_in_one_run_each(
    stage: CliSandbox, reads: float, writes: float
) -> None:
    stage.box.aws.reads_settle_seconds, stage.box.aws.writes_settle_seconds = reads, writes
    before = stage.standing()
    blueprint = stage.blueprint()
    stage.done("plan", blueprint)
    applied = stage.done("apply", "--yes")
    assert "↻" in applied.stdout + applied.stderr
    changed = stage.blueprint(edit=lambda text: text.replace("c5.large", "c5.xlarge"))
    stage.done("plan", changed)
    stage.done("apply", "--yes")
    groups = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert groups[0]["LaunchTemplate"]["Version"] == "2"
    stage.done("plan", changed)
    stage.done("destroy", changed, "--yes")
    assert stage.standing() == before
