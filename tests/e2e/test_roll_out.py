"""Roll-outs: instances replaced one by one while the fleet serves, rolled back if they fail, resumed after a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.conftest import CliSandbox
from tests.e2e.fleet import until

POLL_SECONDS = 0.05
ROLL_OUT = re.compile(r"      roll_out:\n(        .*\n)+")
WITHOUT_WEBRTC = ("--var", "webrtc=false")


@dataclass
class Watch:
    """What was seen at each look, while another thread looked."""

    healthy: list[int] = field(default_factory=list)
    old_image: list[bool] = field(default_factory=list)
    """Whether the first image existed while an instance of the first version was in service."""


def rolling(text: str) -> str:
    """The blueprint, of two instances."""
    return text.replace("desired_capacity: 1", "desired_capacity: 2")


def without_roll_out(text: str) -> str:
    """The blueprint without a roll-out."""
    found, count = ROLL_OUT.subn("", text)
    assert count == 1
    return found


def next_image(text: str) -> str:
    """The same with another image."""
    return rolling(text).replace("-ami", "-ami-2")


def without_old(text: str) -> str:
    """The same, of which no old image is kept."""
    return next_image(text).replace("keep_generations: 1", "keep_generations: 0")


def broken(text: str) -> str:
    """The same with instances that cannot reach the database, which the plan would refuse."""
    kind = "    kind: aws.autoscaling.group\n"
    allowed = rolling(text).replace(kind, f"{kind}    lifecycle: {{allow: [open-ports, database-access]}}\n")
    return allowed.replace(
        'security_group_ids: ["${stream_manager_group.id}"]', 'security_group_ids: ["${database_group.id}"]'
    )


def group(stage: CliSandbox) -> dict[str, Any]:
    (found,) = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return dict(found)


def versions(stage: CliSandbox) -> list[str]:
    return [
        each["LaunchTemplate"]["Version"] for each in group(stage)["Instances"] if each["LifecycleState"] == "InService"
    ]


def refreshes(stage: CliSandbox) -> list[str]:
    name = group(stage)["AutoScalingGroupName"]
    found = stage.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
    return [each["Status"] for each in found]


def healthy_targets(elbv2: Any) -> int:
    (found,) = elbv2.describe_target_groups()["TargetGroups"]
    targets = elbv2.describe_target_health(TargetGroupArn=found["TargetGroupArn"])["TargetHealthDescriptions"]
    return sum(each["TargetHealth"]["State"] == "healthy" for each in targets)


@contextmanager
def watching(stage: CliSandbox) -> Iterator[Watch]:
    """Look at the fleet, from another thread, until the end of the block."""
    watch, over = Watch(), threading.Event()
    elbv2, ec2, scaling = stage.client("elbv2"), stage.client("ec2"), stage.client("autoscaling")

    def look() -> None:
        while not over.wait(POLL_SECONDS):
            watch.healthy.append(healthy_targets(elbv2))
            there = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
            images = ec2.describe_images(Filters=[{"Name": "name", "Values": ["streammanager-ami"]}])["Images"]
            if any(
                each["LaunchTemplate"]["Version"] == "1" and each["LifecycleState"] == "InService" for each in there
            ):
                watch.old_image.append(bool(images))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def running_fleet(stage: CliSandbox) -> None:
    """Apply the blueprint of a fleet of two instances, and wait until both are healthy."""
    path = stage.blueprint(edit=rolling)
    stage.done("plan", path, *WITHOUT_WEBRTC)
    stage.done("apply", "--yes")
    elbv2 = stage.client("elbv2")
    until(lambda: healthy_targets(elbv2) == 2)


def is_empty(stage: CliSandbox, path: str) -> bool:
    return stage.run("plan", path, *WITHOUT_WEBRTC, "--detailed-exitcode").returncode == 0


def test_a_new_image_is_rolled_out_without_a_gap_and_the_old_one_deleted_afterwards(stage: CliSandbox) -> None:
    running_fleet(stage)
    path = stage.blueprint(edit=without_old)
    plan = stage.done("plan", path, *WITHOUT_WEBRTC).stdout
    assert "2 instances of it are replaced by version" in plan
    assert "one at a time, each once its successor has been healthy for 180 s (about 12 min)" in plan
    with watching(stage) as watch:
        applied = stage.done("apply", "--yes")
    assert "instances of version 2 of" in applied.stdout + applied.stderr
    assert versions(stage) == ["2", "2"]
    assert refreshes(stage) == ["Successful"]
    assert min(watch.healthy) == 2
    assert all(watch.old_image)
    assert not stage.client("ec2").describe_images(Filters=[{"Name": "name", "Values": ["streammanager-ami"]}])[
        "Images"
    ]
    assert is_empty(stage, path)


def test_a_roll_out_that_fails_goes_back_and_the_former_blueprint_is_applied_again(stage: CliSandbox) -> None:
    running_fleet(stage)
    path = stage.blueprint(edit=broken)
    stage.done("plan", path, *WITHOUT_WEBRTC)
    with watching(stage) as watch:
        failed = stage.run("apply", "--yes")
        assert failed.returncode == 8, failed.stdout + failed.stderr
        said = " ".join((failed.stdout + failed.stderr).split())
        assert "RollbackSuccessful" in said
        assert "ELB system health check failure" in said
        assert "AWS went back: " in said
        assert versions(stage) == ["1", "1"]
        again = json.loads(stage.run("plan", path, *WITHOUT_WEBRTC, "--json").stdout)
        assert [each["id"] for each in again["steps"]] == ["fleet:update", "healthy:gate", "api:gate"]
        former = stage.blueprint(edit=rolling)
        stage.done("plan", former, *WITHOUT_WEBRTC)
        stage.done("apply", "--yes")
        assert is_empty(stage, former)
    assert min(watch.healthy) == 2


def test_a_killed_roll_out_is_resumed_and_not_begun_again(stage: CliSandbox) -> None:
    running_fleet(stage)
    path = stage.blueprint(edit=next_image)
    stage.done("plan", path, *WITHOUT_WEBRTC)
    with watching(stage) as watch:
        kill_in_the_middle(stage)
        assert refreshes(stage) == ["InProgress"]
        resumed = stage.done("apply", "--yes")
    assert "Resuming" in resumed.stdout
    assert refreshes(stage) == ["Successful"]
    assert versions(stage) == ["2", "2"]
    assert min(watch.healthy) == 2
    assert is_empty(stage, path)


def kill_in_the_middle(stage: CliSandbox, *signs: str) -> None:
    """Run ``smplan apply``, and kill it as soon as an instance of the new version shows, or one of ``signs``."""
    command = [sys.executable, "-m", "smplan", "apply", "--yes", "--json"]
    environment = {**os.environ, **stage.box.env()}
    with subprocess.Popen(command, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if any(sign in line for sign in signs or ("of version 2 Pending", "of version 2 InService")):
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL


def test_a_plan_without_roll_out_says_that_running_instances_stay(stage: CliSandbox) -> None:
    path = stage.blueprint(edit=without_roll_out)
    stage.done("plan", path)
    stage.done("apply", "--yes")
    plan = stage.done("plan", path, "--var", "instance_type=c5.xlarge").stdout
    assert "running instances keep version 1 of" in " ".join(plan.split())
    stage.done("apply", "--yes")
    assert versions(stage) == ["1"]
    assert refreshes(stage) == []


CONFIGURATION = "stream-manager-launch-configuration.yaml"


def test_a_launch_configuration_is_rolled_out_without_a_gap_and_a_killed_run_goes_on(stage: CliSandbox) -> None:
    path = stage.blueprint(CONFIGURATION, edit=rolling)
    stage.done("plan", path)
    stage.done("apply", "--yes")
    until(lambda: healthy_targets(stage.client("elbv2")) == 2)
    path = stage.blueprint(CONFIGURATION, edit=next_image)
    plan = " ".join(stage.done("plan", path).stdout.split())
    assert "one at a time, each once its successor has been healthy for 180 s (about 12 min)" in plan
    assert "if it fails, the group goes back to streammanager-launch-config" in plan
    watch, over = Watch(), threading.Event()

    def look() -> None:
        elbv2 = stage.client("elbv2")
        while not over.wait(POLL_SECONDS):
            watch.healthy.append(healthy_targets(elbv2))

    thread = threading.Thread(target=look)
    thread.start()
    kill_in_the_middle(stage, "1 new, ")
    assert {tag["Key"] for tag in group(stage)["Tags"]} >= {"smplan:roll-out"}
    stage.done("apply", "--yes")
    over.set()
    thread.join()
    assert min(watch.healthy) == 2
    found = group(stage)
    running = [each for each in found["Instances"] if each["LifecycleState"] == "InService"]
    assert [each["LaunchConfigurationName"] for each in running] == [found["LaunchConfigurationName"]] * 2
    assert (found["MinSize"], found["DesiredCapacity"], found["MaxSize"]) == (1, 2, 4)
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


# Going back.


def images(stage: CliSandbox) -> dict[str, str]:
    """The ids of the images by name."""
    found = stage.client("ec2").describe_images(Owners=["self"])["Images"]
    return {each["Name"]: each["ImageId"] for each in found if each["Name"].startswith("streammanager-ami")}


def planned(stage: CliSandbox, path: str, *more: str) -> dict[str, Any]:
    return dict(json.loads(stage.done("plan", path, *more, "--json").stdout))


def test_the_former_blueprint_goes_back_to_the_former_image_though_it_is_killed(stage: CliSandbox) -> None:
    before = stage.standing()
    for edit in (rolling, next_image):
        path = stage.blueprint(edit=edit)
        stage.done("plan", path, *WITHOUT_WEBRTC)
        stage.done("apply", "--yes")
    until(lambda: healthy_targets(stage.client("elbv2")) == 2)
    both = images(stage)
    kept = planned(stage, path, *WITHOUT_WEBRTC)
    assert (kept["steps"], [each["id"] for each in kept["kept_generations"]]) == ([], [both["streammanager-ami"]])
    former = stage.blueprint(edit=rolling)
    back = planned(stage, former, *WITHOUT_WEBRTC)
    assert [each["id"] for each in back["steps"]] == [
        "image:restore",
        "template:update",
        "fleet:update",
        "healthy:gate",
        "api:gate",
    ]
    kill_in_the_middle(stage, "of version 1 Pending", "of version 1 InService")
    stage.done("apply", "--yes")
    assert images(stage) == both
    assert versions(stage) == ["1", "1"]
    made = stage.client("ec2").describe_launch_template_versions(LaunchTemplateName="streammanager-launch-template")
    assert [each["VersionNumber"] for each in made["LaunchTemplateVersions"]] in ([1, 2], [2, 1])
    after = planned(stage, former, *WITHOUT_WEBRTC)
    assert (after["steps"], [each["id"] for each in after["kept_generations"]]) == ([], [both["streammanager-ami-2"]])
    stage.done("destroy", former, "--yes", *WITHOUT_WEBRTC)
    assert stage.standing() == before


def test_the_former_blueprint_goes_back_to_the_former_launch_configuration(stage: CliSandbox) -> None:
    for edit in (rolling, next_image):
        path = stage.blueprint(CONFIGURATION, edit=edit)
        stage.done("plan", path)
        stage.done("apply", "--yes")
    both, second = images(stage), group(stage)["LaunchConfigurationName"]
    former = stage.blueprint(CONFIGURATION, edit=rolling)
    back = planned(stage, former)
    assert [each["id"] for each in back["steps"]][:3] == [
        "image:restore",
        "launch_configuration:restore",
        "fleet:update",
    ]
    assert not {"create", "replace", "delete"} & {each["op"] for each in back["steps"]}
    stage.done("apply", "--yes")
    assert images(stage) == both
    found = group(stage)
    assert found["LaunchConfigurationName"] == "streammanager-launch-config" != second
    running = [each for each in found["Instances"] if each["LifecycleState"] == "InService"]
    assert {each["LaunchConfigurationName"] for each in running} == {"streammanager-launch-config"}
    assert planned(stage, former)["steps"] == []
