"""Changes of what serves: the front door answers at every moment, with as many healthy targets as at the start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import CliSandbox
from tests.e2e.fleet import until

POLL_SECONDS = 0.005
CALM_SECONDS = 0.05
"""Between two looks at what changes slowly: 12 s of the sandbox."""
HOST = "front.example.com"
INSTANCES = 2
TTL = 60
CNAME = 'type: CNAME, ttl: 60, values: ["${balancer.dns_name}"]'
ALIAS = 'type: A, alias: {dns_name: "${balancer.dns_name}", zone_id: "${balancer.canonical_hosted_zone_id}"}'
BLUEPRINT = """\
smplan: 1
name: front
aws: {region: us-east-1}
lookups:
  zone: {kind: aws.route53.zone, where: {name: example.com}}
  vpc: {kind: aws.ec2.vpc, where: {"tag:Name": red5pro}}
  group: {kind: aws.ec2.security_group, where: {vpc_id: "${vpc.id}", name: red5pro-stream-manager}}
  database: {kind: aws.ec2.security_group, where: {vpc_id: "${vpc.id}", name: red5pro-database}}
  subnets: {kind: aws.ec2.subnets, where: {vpc_id: "${vpc.id}", zone: [us-east-1a, us-east-1b], one_per_zone: true}}
  image: {kind: aws.ec2.image, where: {name: red5pro-stream-manager-base}}
resources:
  database_access:
    kind: aws.ec2.security_group_rule
    spec: {group: "${database.id}", direction: ingress, protocol: tcp, port: 3306, source_group: "${group.id}"}
  viewers:
    kind: aws.ec2.security_group_rule
    spec: {group: "${group.id}", direction: ingress, protocol: tcp, from_port: 79, to_port: 8080, cidr_ipv4: 0.0.0.0/0}
  template:
    kind: aws.ec2.launch_template
    spec:
      name: front-template
      image_id: "${image.id}"
      instance_type: c5.large
      security_group_ids: ["${group.id}"]
      user_data: |
        #!/bin/bash
        cd /usr/local/red5pro/webapps/streammanager/WEB-INF
        sed -i "s/\\(streammanager\\.ip=\\).*\\$/\\1$${smhost}/" red5-web.properties
        systemctl --no-block restart red5pro
  targets: {kind: aws.elbv2.target_group, spec: {name: front-targets, protocol: HTTP, port: 5080, vpc_id: "${vpc.id}"}}
  balancer:
    kind: aws.elbv2.load_balancer
    spec: {name: front-alb, scheme: internet-facing, subnets: "${subnets.ids}", security_groups: ["${group.id}"]}
  http:
    kind: aws.elbv2.listener
    spec: {load_balancer_arn: "${balancer.arn}", port: 5080, protocol: HTTP, target_group_arn: "${targets.arn}"}
  plain:
    kind: aws.elbv2.listener
    lifecycle: {allow: [open-ports]}
    spec: {load_balancer_arn: "${balancer.arn}", port: 80, protocol: HTTP, target_group_arn: "${targets.arn}"}
  fleet:
    kind: aws.autoscaling.group
    spec:
      name: front-fleet
      launch_template: {id: "${template.id}", version: "${template.version}"}
      min_size: 2
      max_size: 4
      subnet_ids: "${subnets.ids}"
      target_group_arns: ["${targets.arn}"]
  healthy:
    kind: gate.targets_healthy
    spec: {target_group_arn: "${targets.arn}", auto_scaling_group_name: "${fleet.name}", minimum: 2, timeout: 1200}
  record:
    kind: aws.route53.record
    spec: {zone_id: "${zone.id}", name: front.example.com, type: CNAME, ttl: 60, values: ["${balancer.dns_name}"]}
"""


@dataclass
class Watch:
    """For how many seconds clients at the front door got no answer, and how many targets could serve at each look."""

    silent: float = 0.0
    healthy: list[int] = field(default_factory=list)


def written(stage: CliSandbox, *edits: tuple[str, str]) -> str:
    """The path of the blueprint, edited."""
    text = BLUEPRINT
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    path = stage.folder / "front.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def running(stage: CliSandbox, *edits: tuple[str, str]) -> None:
    """Apply the blueprint, and wait until the whole fleet is healthy."""
    stage.done("plan", written(stage, *edits))
    stage.done("apply", "--yes")
    until(lambda: len(seen(stage, 5080)[1]) == INSTANCES)


def seen(stage: CliSandbox, port: int, host: str = HOST) -> tuple[str, tuple[Any, ...]]:
    """The problem that a client of the name has, and the targets that may answer."""
    route = stage.box.world.load_balancer_for(host, port)
    return ("no such name", ()) if route is None else (route.problem, route.healthy)


@contextmanager
def watching(look: Callable[[], None], seconds: float = POLL_SECONDS) -> Iterator[None]:
    """Look, from another thread, until the end of the block."""
    over = threading.Event()

    def go() -> None:
        while not over.wait(seconds):
            look()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def clients(stage: CliSandbox, *ports: int) -> Iterator[Watch]:
    """Watch the front door at these ports."""
    watch, box = Watch(), stage.box
    viewers = [box.viewers(HOST, port=port, protocol="HTTP", number=1) for port in ports]

    def look() -> None:
        watch.healthy.extend(len(seen(stage, port)[1]) for port in ports)

    with watching(look, CALM_SECONDS):
        yield watch
    watch.silent = max(each.silence().seconds for each in viewers)
    for each in viewers:
        box.dismiss(each)


Edit = tuple[str, str]
OTHER_TARGETS = ("name: front-targets,", "name: front-targets-2,")
SLOW_TARGETS = ("name: front-targets,", "name: front-targets-2, health_check_interval: 240,")
CHANGES: dict[str, tuple[Edit, ...]] = {
    "the target group is replaced": (OTHER_TARGETS,),
    "and its load balancer's idle time-out changes": (
        OTHER_TARGETS,
        ("scheme: internet-facing,", "scheme: internet-facing, idle_timeout: 300,"),
    ),
    "and the scaling group's sizes": (OTHER_TARGETS, ("max_size: 4", "max_size: 5")),
    "and the scaling group": (OTHER_TARGETS, ("front-fleet", "front-fleet-2")),
    "the load balancer is replaced": (("front-alb", "front-alb-2"),),
    "the load balancer, the target group and the scaling group are replaced": (
        ("front-alb", "front-alb-2"),
        OTHER_TARGETS,
        ("front-fleet", "front-fleet-2"),
    ),
    "the name becomes an alias": ((CNAME, ALIAS),),
    "two listeners swap their ports": (
        ("port: 5080, protocol: HTTP, target_group", "port: 1, protocol: HTTP, target_group"),
        ("port: 80,", "port: 5080,"),
        ("port: 1, protocol", "port: 80, protocol"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_front_door_answers_at_every_moment(stage: CliSandbox, change: str) -> None:
    running(stage)
    path = written(stage, *CHANGES[change])
    plan = stage.done("plan", path).stdout
    with clients(stage, 80, 5080) as watch:
        applied = stage.done("apply", "--yes")
    assert watch.silent == 0, plan + applied.stdout
    assert min(watch.healthy) == INSTANCES, plan + applied.stdout
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def test_a_port_changes_in_place_and_no_other_port_is_cut(stage: CliSandbox) -> None:
    running(stage)
    path = written(stage, ("port: 80,", "port: 8080,"))
    stage.done("plan", path)
    both = []
    with clients(stage, 5080) as watch, watching(lambda: both.append([seen(stage, port)[0] for port in (80, 8080)])):
        stage.done("apply", "--yes")
    assert watch.silent == 0
    assert [each for each in both if each == ["no listener", "no listener"]] == []
    assert both[-1] == ["no listener", ""]


@dataclass
class Names:
    """When, in seconds of the sandbox, the name first led elsewhere, and the old load balancer served no more."""

    moved: float = 0.0
    cut: float = 0.0


@contextmanager
def resolvers(stage: CliSandbox) -> Iterator[Names]:
    """Watch the name, and the load balancer that it leads to now as resolvers do that have it in their caches."""
    names, before = Names(), stage.box.world.load_balancer_for(HOST, 5080)
    assert before is not None

    def look() -> None:
        now, at = stage.box.world.load_balancer_for(HOST, 5080), stage.box.clock.now()
        problem, healthy = seen(stage, 5080, before.dns_name)
        if not names.moved and (now is None or now.load_balancer_arn != before.load_balancer_arn):
            names.moved = at
        if not names.cut and (problem or len(healthy) < INSTANCES):
            names.cut = at

    with watching(look):
        yield names


@pytest.mark.parametrize(
    ("before", "after", "seconds"), [(CNAME, CNAME, 60), (CNAME, ALIAS, 60), (CNAME.replace("60", "300"), CNAME, 300)]
)
def test_the_old_load_balancer_serves_until_its_name_is_in_no_cache(
    stage: CliSandbox, before: str, after: str, seconds: int
) -> None:
    running(stage, (CNAME, before))
    path = written(stage, ("front-alb", "front-alb-2"), (CNAME, after))
    plan = stage.done("plan", path).stdout
    assert f"clients of record may use its old answer for {seconds} s" in plan
    with resolvers(stage) as names, clients(stage, 80, 5080) as watch:
        stage.done("apply", "--yes")
    assert names.cut - names.moved >= seconds
    assert watch.silent == 0
    assert min(watch.healthy) == INSTANCES
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def killed(stage: CliSandbox, when: str) -> None:
    """Run ``smplan apply``, and kill it with SIGKILL when an event has this text."""
    command = [sys.executable, "-m", "smplan", "apply", "--yes", "--json"]
    environment = {**os.environ, **stage.box.env()}
    with subprocess.Popen(command, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(when in line for line in process.stdout), "it was never seen"
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()


@pytest.mark.parametrize("when", ["s to pass after record:update", "healthy targets in front-targets"])
def test_an_apply_that_was_killed_goes_on_without_a_gap(stage: CliSandbox, when: str) -> None:
    running(stage)
    path = written(stage, ("front-alb", "front-alb-2") if "pass" in when else SLOW_TARGETS)
    stage.done("plan", path)
    with resolvers(stage) as names, clients(stage, 80, 5080) as watch:
        killed(stage, when)
        stage.done("apply", "--yes")
    assert watch.silent == 0
    assert min(watch.healthy) == INSTANCES
    assert "pass" not in when or names.cut - names.moved >= TTL
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def test_another_plan_waits_until_the_name_of_a_killed_one_is_in_no_cache(stage: CliSandbox) -> None:
    running(stage)
    path = written(stage, ("front-alb", "front-alb-2"))
    stage.done("plan", path)
    with resolvers(stage) as names, clients(stage, 80, 5080) as watch:
        killed(stage, "s to pass after record:update")
        assert "clients may use it for" in stage.done("plan", path).stdout
        stage.done("apply", "--yes")
    assert names.cut - names.moved >= TTL
    assert watch.silent == 0
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def test_another_plan_finishes_a_forward_that_was_killed(stage: CliSandbox) -> None:
    running(stage)
    path = written(stage, SLOW_TARGETS)
    stage.done("plan", path)
    with clients(stage, 80, 5080) as watch:
        killed(stage, "healthy targets in front-targets")
        stage.done("plan", path)
        stage.done("apply", "--yes")
    assert watch.silent == 0
    assert min(watch.healthy) == INSTANCES
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


SCALING = """\
  out:
    kind: aws.autoscaling.scaling_policy
    spec:
      auto_scaling_group_name: "${fleet.name}"
      name: out
      policy_type: SimpleScaling
      adjustment_type: ChangeInCapacity
      scaling_adjustment: 1
      cooldown: 300
  alarm:
    kind: aws.cloudwatch.alarm
    spec:
      name: front-cpu
      namespace: AWS/EC2
      metric_name: CPUUtilization
      dimensions: {AutoScalingGroupName: "${fleet.name}"}
      statistic: Average
      comparison_operator: GreaterThanOrEqualToThreshold
      threshold: 70
      period: 60
      evaluation_periods: 2
      alarm_actions: ["${out.arn}", "${topic.arn}"]
  topic: {kind: aws.sns.topic, spec: {name: front-events}}
  notification:
    kind: aws.autoscaling.notification
    spec:
      auto_scaling_group_name: "${fleet.name}"
      topic_arn: "${topic.arn}"
      notification_types: [autoscaling:EC2_INSTANCE_LAUNCH]
"""


def wiring(stage: CliSandbox) -> tuple[int, int]:
    """How many actions of the alarm lead to something that exists, and how many notifications to a topic."""
    scaling, alarms, sns = stage.client("autoscaling"), stage.client("cloudwatch"), stage.client("sns")

    def there() -> set[str]:
        policies = {each["PolicyARN"] for each in scaling.describe_policies()["ScalingPolicies"]}
        return policies | {each["TopicArn"] for each in sns.list_topics()["Topics"]}

    before = there()
    (alarm,) = alarms.describe_alarms(AlarmNames=["front-cpu"])["MetricAlarms"]
    sent = scaling.describe_notification_configurations()["NotificationConfigurations"]
    existing = before | there()  # whatever was read in between may be of either moment
    return len(existing & {*alarm["AlarmActions"]}), len([each for each in sent if each["TopicARN"] in existing])


@pytest.mark.parametrize(
    "edits",
    [
        [("name: out", "name: out-2")],
        [("name: front-events", "name: front-events-2")],
        [("name: front-fleet", "name: front-fleet-2")],
        [("name: out", "name: more"), ("threshold: 70", "threshold: 80")],
    ],
    ids=["policy", "topic", "group", "policy and alarm"],
)
def test_the_alarm_has_its_actions_and_the_group_its_notifications_all_the_while(
    stage: CliSandbox, edits: list[Edit]
) -> None:
    path = stage.folder / "front.yaml"
    text = BLUEPRINT + SCALING
    path.write_text(text, encoding="utf-8")
    stage.done("plan", str(path))
    stage.done("apply", "--yes")
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
    plan = stage.done("plan", str(path)).stdout
    found: list[tuple[int, int]] = []
    with watching(lambda: found.append(wiring(stage))):
        stage.done("apply", "--yes")
    assert min(actions for actions, _ in found) == 2, plan
    assert min(sent for _, sent in found) >= 1, plan
    assert stage.run("plan", str(path), "--detailed-exitcode").returncode == 0


ZONES = "zone: [us-east-1a, us-east-1b]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("us-east-1a, us-east-1b", "us-east-1a, us-east-1b, us-east-1c"),
        ("us-east-1a, us-east-1b, us-east-1c", "us-east-1b, us-east-1c"),
        ("us-east-1a, us-east-1b", "us-east-1b, us-east-1c"),
    ],
    ids=["added", "removed", "swapped"],
)
def test_zones_change_without_a_moment_in_which_nothing_serves(stage: CliSandbox, before: str, after: str) -> None:
    running(stage, (ZONES, f"zone: [{before}]"))
    path = written(stage, (ZONES, f"zone: [{after}]"))
    plan = stage.done("plan", path).stdout
    with clients(stage, 80, 5080) as watch:
        applied = stage.done("apply", "--yes")
    assert watch.silent == 0, plan + applied.stdout
    leaves = "us-east-1a" not in after
    assert min(watch.healthy) >= INSTANCES - leaves, (
        plan + applied.stdout
    )  # AWS does not wait until targets are healthy
    assert leaves == ("which serves about 180 s later" in " ".join(plan.split()))
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def zones_of(stage: CliSandbox) -> set[str]:
    """The zones in which the fleet has instances."""
    (group,) = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {each["AvailabilityZone"] for each in group["Instances"]}


SIZES = "      min_size: 2\n"
POLICY = "      instance_maintenance_policy: {min_healthy_percentage: 100, max_healthy_percentage: 110}\n"


@pytest.mark.parametrize(
    "before", ["us-east-1a, us-east-1b, us-east-1c", "us-east-1a, us-east-1b"], ids=["removed", "swapped"]
)
def test_with_a_maintenance_policy_the_whole_fleet_serves_while_zones_change(stage: CliSandbox, before: str) -> None:
    policy = (SIZES, SIZES + POLICY)
    running(stage, policy, (ZONES, f"zone: [{before}]"))
    path = written(stage, policy, (ZONES, "zone: [us-east-1b, us-east-1c]"))
    plan = stage.done("plan", path).stdout
    assert "0 s without it" in " ".join(plan.split())
    with clients(stage, 80, 5080) as watch:
        applied = stage.done("apply", "--yes")
        until(lambda: zones_of(stage) == {"us-east-1b", "us-east-1c"})
    assert watch.silent == 0, plan + applied.stdout
    assert min(watch.healthy) >= INSTANCES, plan + applied.stdout
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0


def test_a_port_rule_that_is_replaced_is_opened_before_the_old_one_is_closed(stage: CliSandbox) -> None:
    running(stage)
    path = written(stage, ("port: 3306,", "from_port: 3306, to_port: 3307,"))
    stage.done("plan", path)
    reachable = []
    members = next(each.security_group_ids for each in stage.box.world.instances() if "fleet" in str(each.tags))
    with watching(lambda: reachable.append(stage.box.world.may_reach_database(members))):
        stage.done("apply", "--yes")
    assert all(reachable)
    assert stage.run("plan", path, "--detailed-exitcode").returncode == 0
