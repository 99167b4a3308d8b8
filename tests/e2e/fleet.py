"""The whole life of a fleet on the sandbox, as boto3 and the Stream Manager API show it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

from smplan.sandbox.ids import Prerequisites
from tests.e2e.conftest import CliSandbox

HOST = "streammanager.example.com"
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass
class Shown:
    """What stands after apply, as AWS's and Stream Manager's own answers. See ``look`` for each."""

    facts: Prerequisites
    data: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class Life:
    """One fleet from its first plan to its destruction: each command's outcome, and what was seen in between."""

    blueprint: str
    shown: Shown
    runs: dict[str, CompletedProcess[str]] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    grown: dict[str, Any] = field(default_factory=dict)
    """The scaling group after its alarm went off."""
    widened: dict[str, Any] = field(default_factory=dict)
    """The scaling group after another apply gave it another maximum."""

    @property
    def by_configuration(self) -> bool:
        """Whether it follows the guide to the letter: a launch configuration, no WebRTC, and scale-in."""
        return "launch-configuration" in self.blueprint


def live(stage: CliSandbox, blueprint: str) -> Life:
    """The whole life of a fleet; whether commands ended well is for the tests to say, but for the first apply."""
    path = stage.blueprint(blueprint)
    life = Life(blueprint, Shown(stage.box.facts), before=stage.standing())
    life.runs["plan"] = stage.run("plan", path, "--detailed-exitcode")
    life.runs["apply"] = stage.done("apply", "--yes")
    look(stage, life)
    life.runs["second plan"] = stage.run("plan", path, "--detailed-exitcode")
    life.grown = _grow(stage)
    life.runs["plan when grown"] = stage.run("plan", path, "--detailed-exitcode")
    life.runs["plan to widen"] = stage.run("plan", path, "--detailed-exitcode", "--var", "max_size=5")
    life.runs["apply to widen"] = stage.run("apply", "--yes")
    life.widened = _group(stage)
    life.runs["destroy"] = stage.run("destroy", path, "--yes")
    life.after = stage.standing()
    return life


def _group(stage: CliSandbox) -> dict[str, Any]:
    groups: list[dict[str, Any]] = stage.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    (found,) = groups
    return found


def _grow(stage: CliSandbox) -> dict[str, Any]:
    """Set off the alarm for much CPU, and wait until the sandbox has scaled out."""
    stage.client("cloudwatch").set_alarm_state(
        AlarmName="streammanager-cpu-high", StateValue="ALARM", StateReason="a test"
    )
    until(lambda: [each["LifecycleState"] for each in _group(stage)["Instances"]] == ["InService"] * 2)
    return _group(stage)


def until(seen: Callable[[], bool]) -> None:
    """Wait for the sandbox, some seconds at most."""
    last = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert time.monotonic() < last, "the sandbox never got there"
        time.sleep(POLL_SECONDS)


def look(stage: CliSandbox, life: Life) -> None:
    """Ask for everything once."""
    data = life.shown.data
    data["group"] = group = _group(stage)
    _look_at_instances(stage, data, group)
    data["launch"] = _from_configuration(stage) if life.by_configuration else _from_template(stage, group)
    _look_at_balancing(stage, data, life.shown.facts)
    _look_at_scaling(stage, data)
    _look_at_nodes(stage, data)


def _look_at_instances(stage: CliSandbox, data: dict[str, Any], group: dict[str, Any]) -> None:
    ec2, facts = stage.client("ec2"), stage.box.facts
    rules = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [facts.database_security_group_id]}]
    )["SecurityGroupRules"]
    data["rules"] = [rule for rule in rules if not rule["IsEgress"] and rule["FromPort"] == 3306]
    ids = [each["InstanceId"] for each in group["Instances"]]
    data["instances"] = [
        each for one in ec2.describe_instances(InstanceIds=ids)["Reservations"] for each in one["Instances"]
    ]
    data["source"] = ec2.describe_instances(InstanceIds=[facts.instance_id])["Reservations"][0]["Instances"][0]
    (data["image"],) = ec2.describe_images(Filters=[{"Name": "name", "Values": ["streammanager-ami"]}])["Images"]


def _from_template(stage: CliSandbox, group: dict[str, Any]) -> dict[str, Any]:
    used = group["LaunchTemplate"]
    (version,) = stage.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=used["LaunchTemplateId"], Versions=[used["Version"]]
    )["LaunchTemplateVersions"]
    found = version["LaunchTemplateData"]
    network = (found.get("NetworkInterfaces") or [{}])[0]
    return {
        "image": found["ImageId"],
        "type": found["InstanceType"],
        "user_data": base64.b64decode(found["UserData"]).decode(),
        "public": network.get("AssociatePublicIpAddress"),
        "volumes": found["BlockDeviceMappings"],
        "groups": network.get("Groups") or found.get("SecurityGroupIds"),
        "monitoring": found["Monitoring"]["Enabled"],
    }


def _from_configuration(stage: CliSandbox) -> dict[str, Any]:
    (found,) = stage.client("autoscaling").describe_launch_configurations()["LaunchConfigurations"]
    return {
        "image": found["ImageId"],
        "type": found["InstanceType"],
        "user_data": base64.b64decode(found["UserData"]).decode(),
        "public": found.get("AssociatePublicIpAddress"),
        "volumes": found["BlockDeviceMappings"],
        "groups": found["SecurityGroups"],
        "monitoring": found["InstanceMonitoring"]["Enabled"],
    }


def _look_at_balancing(stage: CliSandbox, data: dict[str, Any], facts: Prerequisites) -> None:
    elbv2 = stage.client("elbv2")
    (data["balancer"],) = elbv2.describe_load_balancers()["LoadBalancers"]
    (data["target_group"],) = elbv2.describe_target_groups()["TargetGroups"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=data["balancer"]["LoadBalancerArn"])["Listeners"]
    data["listeners"] = {each["Port"]: each for each in listeners}
    data["targets"] = elbv2.describe_target_health(TargetGroupArn=data["target_group"]["TargetGroupArn"])[
        "TargetHealthDescriptions"
    ]
    records = stage.client("route53").list_resource_record_sets(HostedZoneId=facts.zone_id)["ResourceRecordSets"]
    (data["record"],) = (each for each in records if each["Name"] == f"{HOST}.")


def _look_at_scaling(stage: CliSandbox, data: dict[str, Any]) -> None:
    scaling = stage.client("autoscaling")
    data["policies"] = {each["PolicyName"]: each for each in scaling.describe_policies()["ScalingPolicies"]}
    data["notifications"] = scaling.describe_notification_configurations()["NotificationConfigurations"]
    alarms = stage.client("cloudwatch").describe_alarms()["MetricAlarms"]
    data["alarms"] = {each["AlarmName"]: each for each in alarms}
    (data["topic"],) = (each["TopicArn"] for each in stage.client("sns").list_topics()["Topics"])


def _look_at_nodes(stage: CliSandbox, data: dict[str, Any]) -> None:
    """Through the load balancer, by the public name, over verified TLS."""
    api = stage.stream_manager(HOST, data["balancer"]["DNSName"])
    (data["node_group"],) = api.groups()
    data["nodes"] = api.nodes(data["node_group"]["name"])
    data["scale_policy"] = api.scale_policy(data["node_group"]["scalePolicy"])
    data["launch_config"] = api.launch_config(data["node_group"]["launchConfig"])
