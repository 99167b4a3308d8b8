"""A night with scheduled actions: the sizes they set on the group are no change to plan, other sizes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.conftest import CliSandbox

HOUR = 3600
BLUEPRINT = """\
smplan: 1
name: night
aws:
  region: us-east-1
resources:
  template:
    kind: aws.ec2.launch_template
    spec: {{name: fleet, image_id: {image_id}, instance_type: c5.large, security_group_ids: [{group}]}}
  fleet:
    kind: aws.autoscaling.group
    spec:
      name: fleet
      launch_template: {{id: "${{template.id}}", version: 1}}
      min_size: 1
      max_size: 3
      subnet_ids: [{subnet}]
  evening:
    kind: aws.autoscaling.schedule
    spec:
      auto_scaling_group_name: ${{fleet.name}}
      name: evening
      recurrence: 0 22 * * *
      min_size: 0
      max_size: 1
  morning:
    kind: aws.autoscaling.schedule
    spec:
      auto_scaling_group_name: ${{fleet.name}}
      name: morning
      recurrence: 0 6 * * *
      min_size: 2
      desired_capacity: 2
      max_size: 4
"""


def write_blueprint(stage: CliSandbox) -> Path:
    facts = stage.box.facts
    path = stage.folder / "night.yaml"
    ids = {"image_id": facts.image_id, "group": facts.stream_manager_security_group_id, "subnet": facts.subnet_ids[0]}
    path.write_text(BLUEPRINT.format(**ids), encoding="utf-8")
    return path


def group_of(stage: CliSandbox) -> dict[str, Any]:
    group: dict[str, Any] = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    return group


def test_the_plan_of_the_group_stays_empty_for_a_day_and_a_night(stage: CliSandbox) -> None:
    path = str(write_blueprint(stage))
    stage.done("apply", path, "--yes")
    seen = set()
    for _ in range(13):
        assert "No changes" in stage.done("plan", path).stdout
        group = group_of(stage)
        seen.add((group["MinSize"], group["MaxSize"]))
        stage.box.clock.advance(2 * HOUR)
        stage.box.tick()
    assert {(0, 1), (2, 4)} <= seen, "both schedules have run"


def test_a_size_that_no_schedule_sets_is_drift(stage: CliSandbox) -> None:
    path = str(write_blueprint(stage))
    stage.done("apply", path, "--yes")
    stage.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="fleet", MaxSize=7)
    shown = stage.done("plan", path).stdout
    assert "max_size" in shown
    stage.done("apply", path, "--yes")
    assert group_of(stage)["MaxSize"] == 3
