"""Every value of the guide on AWS, an empty second plan, and a destroy that leaves nothing behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import staged
from tests.e2e.fleet import HOST, Life, Shown, live

BLUEPRINTS = ("stream-manager.yaml", "stream-manager-launch-configuration.yaml", "stream-manager.json")
UP, DOWN = "Increase Group Size", "Decrease Group Size"
HIGH, LOW = "streammanager-cpu-high", "streammanager-cpu-low"
EVENTS = {
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
}


@pytest.fixture(scope="module", params=BLUEPRINTS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """The whole life of the blueprint's fleet."""
    with staged(tmp_path_factory.mktemp("guide")) as stage:
        yield live(stage, request.param)


def own(parameters: dict[str, Any], *keys: str) -> list[Any]:
    return [parameters[key] for key in keys]


def forwards(shown: Shown, port: int) -> list[Any]:
    return [(each["Type"], each.get("TargetGroupArn")) for each in shown.listeners[port]["DefaultActions"]]


def limits(shown: Shown) -> dict[str, tuple[int, int]]:
    (region,) = shown.scale_policy["targets"]["region"]
    assert region["name"] == "default"
    return {each["role"]: (int(each["minLimit"]), int(each["maxLimit"])) for each in region["target"]}


def roles(shown: Shown) -> dict[str, tuple[str, int]]:
    targets = shown.launch_config["targets"]["target"]
    return {each["role"]: (each["instanceType"], int(each["connectionCapacity"])) for each in targets}


Reading = Callable[[Shown], Any]
VALUES: dict[str, tuple[Reading, Reading]] = {
    # database access
    "database: one rule for 3306": (lambda s: len(s.rules), lambda s: 1),
    "database: TCP to 3306": (
        lambda s: own(s.rules[0], "IpProtocol", "FromPort", "ToPort"),
        lambda s: ["tcp", 3306, 3306],
    ),
    "database: into its group": (lambda s: s.rules[0]["GroupId"], lambda s: s.facts.database_security_group_id),
    "database: from the Stream Managers' group": (
        lambda s: s.rules[0]["ReferencedGroupInfo"]["GroupId"],
        lambda s: s.facts.stream_manager_security_group_id,
    ),
    # 1. the AMI
    "image: available": (lambda s: s.image["State"], lambda s: "available"),
    "image: of the configured instance": (lambda s: s.image["SourceInstanceId"], lambda s: s.facts.instance_id),
    "image: its source is kept": (lambda s: s.source["State"]["Name"], lambda s: "running"),
    "image: instances start from it": (lambda s: {i["ImageId"] for i in s.instances}, lambda s: {s.image["ImageId"]}),
    # 2. the launch configuration
    "launch: AMI": (lambda s: s.launch["image"], lambda s: s.image["ImageId"]),
    "launch: instance type": (lambda s: s.launch["type"], lambda s: "c5.large"),
    "launch: 16 GB or more on the root": (
        lambda s: [(v["DeviceName"], v["Ebs"]["VolumeSize"]) for v in s.launch["volumes"]],
        lambda s: [(s.image["RootDeviceName"], 16)],
    ),
    "launch: security group": (lambda s: s.launch["groups"], lambda s: [s.facts.stream_manager_security_group_id]),
    "launch: detailed monitoring": (lambda s: s.launch["monitoring"], lambda s: True),
    # 3. the load balancer
    "balancer: application": (lambda s: s.balancer["Type"], lambda s: "application"),
    "balancer: internet-facing": (lambda s: s.balancer["Scheme"], lambda s: "internet-facing"),
    "balancer: ipv4": (lambda s: s.balancer["IpAddressType"], lambda s: "ipv4"),
    "balancer: active": (lambda s: s.balancer["State"]["Code"], lambda s: "active"),
    "balancer: VPC": (lambda s: s.balancer["VpcId"], lambda s: s.facts.vpc_id),
    "balancer: zones and their subnets": (
        lambda s: {(z["ZoneName"], z["SubnetId"]) for z in s.balancer["AvailabilityZones"]},
        lambda s: set(zip(s.facts.zones, s.facts.subnet_ids, strict=True)),
    ),
    "balancer: security group": (
        lambda s: s.balancer["SecurityGroups"],
        lambda s: [s.facts.stream_manager_security_group_id],
    ),
    "listeners: 5080 and 443": (
        lambda s: {port: each["Protocol"] for port, each in s.listeners.items()},
        lambda s: {5080: "HTTP", 443: "HTTPS"},
    ),
    "listeners: certificate": (
        lambda s: [each["CertificateArn"] for each in s.listeners[443]["Certificates"]],
        lambda s: [s.facts.certificate_arn],
    ),
    "listeners: TLS policy": (
        lambda s: s.listeners[443]["SslPolicy"],
        lambda s: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    ),
    "listeners: HTTP forwards": (
        lambda s: forwards(s, 5080),
        lambda s: [("forward", s.target_group["TargetGroupArn"])],
    ),
    "listeners: HTTPS forwards": (
        lambda s: forwards(s, 443),
        lambda s: [("forward", s.target_group["TargetGroupArn"])],
    ),
    "targets: HTTP on 5080": (lambda s: own(s.target_group, "Protocol", "Port"), lambda s: ["HTTP", 5080]),
    "targets: instances": (lambda s: s.target_group["TargetType"], lambda s: "instance"),
    "targets: VPC": (lambda s: s.target_group["VpcId"], lambda s: s.facts.vpc_id),
    "targets: health by HTTP at /": (
        lambda s: own(s.target_group, "HealthCheckProtocol", "HealthCheckPath"),
        lambda s: ["HTTP", "/"],
    ),
    "targets: only the scaling group's": (
        lambda s: [(each["Target"]["Id"], each["Target"]["Port"]) for each in s.targets],
        lambda s: [(each["InstanceId"], 5080) for each in s.group["Instances"]],
    ),
    "targets: healthy": (lambda s: [each["TargetHealth"]["State"] for each in s.targets], lambda s: ["healthy"]),
    # the CNAME
    "record: CNAME": (lambda s: s.record["Type"], lambda s: "CNAME"),
    "record: to the load balancer": (
        lambda s: [each["Value"].rstrip(".") for each in s.record["ResourceRecords"]],
        lambda s: [s.balancer["DNSName"]],
    ),
    "record: 60 s": (lambda s: s.record["TTL"], lambda s: 60),
    # 4. the scaling group
    "group: started with 1": (lambda s: (s.group["DesiredCapacity"], len(s.instances)), lambda s: (1, 1)),
    "group: 1 to 4": (lambda s: own(s.group, "MinSize", "MaxSize"), lambda s: [1, 4]),
    "group: the load balancer's subnets": (
        lambda s: set(s.group["VPCZoneIdentifier"].split(",")),
        lambda s: {z["SubnetId"] for z in s.balancer["AvailabilityZones"]},
    ),
    "group: target group": (lambda s: s.group["TargetGroupARNs"], lambda s: [s.target_group["TargetGroupArn"]]),
    "group: health check": (lambda s: s.group["HealthCheckType"], lambda s: "ELB"),
    "group: grace period": (lambda s: s.group["HealthCheckGracePeriod"], lambda s: 300),
    "group: tag": (
        lambda s: [(t["Value"], t["PropagateAtLaunch"]) for t in s.group["Tags"] if t["Key"] == "Name"],
        lambda s: [("streammanager", True)],
    ),
    "group: its instances carry the tag": (
        lambda s: [{t["Key"]: t["Value"] for t in i["Tags"]}["Name"] for i in s.instances],
        lambda s: ["streammanager"],
    ),
    # scaling out
    "increase: simple, by one, then 300 s": (
        lambda s: own(s.policies[UP], "PolicyType", "AdjustmentType", "ScalingAdjustment", "Cooldown"),
        lambda s: ["SimpleScaling", "ChangeInCapacity", 1, 300],
    ),
    "increase: average CPU of the group": (
        lambda s: own(s.alarms[HIGH], "Namespace", "MetricName", "Statistic", "Dimensions"),
        lambda s: [
            "AWS/EC2",
            "CPUUtilization",
            "Average",
            [{"Name": "AutoScalingGroupName", "Value": s.group["AutoScalingGroupName"]}],
        ],
    ),
    "increase: 70 % or more": (
        lambda s: own(s.alarms[HIGH], "ComparisonOperator", "Threshold"),
        lambda s: ["GreaterThanOrEqualToThreshold", 70.0],
    ),
    "increase: two periods of a minute": (
        lambda s: own(s.alarms[HIGH], "EvaluationPeriods", "Period"),
        lambda s: [2, 60],
    ),
    "increase: the alarm runs the policy and tells the topic": (
        lambda s: set(s.alarms[HIGH]["AlarmActions"]),
        lambda s: {s.policies[UP]["PolicyARN"], s.topic},
    ),
    # notifications
    "notifications: of every event": (
        lambda s: sorted(each["NotificationType"] for each in s.notifications),
        lambda s: sorted(EVENTS),
    ),
    "notifications: to the topic": (lambda s: {each["TopicARN"] for each in s.notifications}, lambda s: {s.topic}),
    # 5. the node group
    "nodes: the group is active": (lambda s: s.node_group["state"].lower(), lambda s: "active"),
    "nodes: name": (lambda s: s.node_group["name"], lambda s: "streammanager-nodegroup"),
    "nodes: region": (lambda s: s.node_group["regions"], lambda s: [s.facts.region]),
    "nodes: an origin and an edge serve": (
        lambda s: Counter((n["role"], n["state"].lower()) for n in s.nodes),
        lambda s: {("origin", "inservice"): 1, ("edge", "inservice"): 1},
    ),
    "nodes: scale policy": (limits, lambda s: {"origin": (1, 2), "edge": (1, 4)}),
    "nodes: instance types and capacities": (
        roles,
        lambda s: {"origin": ("c5.large", 20), "edge": ("c5.large", 200)},
    ),
    "nodes: image by its name": (lambda s: s.launch_config["image"], lambda s: "red5pro-node"),
    "nodes: tag": (
        lambda s: [(each["key"], each["value"]) for each in s.launch_config["metadata"]["meta"]],
        lambda s: [("Name", "streammanager-node")],
    ),
}


@pytest.mark.parametrize("value", VALUES)
def test_the_guides_value_is_found_on_aws(life: Life, value: str) -> None:
    read, expected = VALUES[value]
    assert read(life.shown) == expected(life.shown)


def test_user_data_makes_the_address_unique_and_restarts_the_service(life: Life) -> None:
    lines = life.shown.launch["user_data"].splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[1].startswith("uid=$(cat /dev/urandom | ")
    assert lines[2] == 'smhost=$(echo "$uid.com")'
    assert lines[3] == (
        r'sed -i "s/\(streammanager\.ip=\).*\$/\1${smhost}/" '
        "/usr/local/red5pro/webapps/streammanager/WEB-INF/red5-web.properties"
    )
    assert lines[4] == "systemctl --no-block restart red5pro"


def test_instances_get_a_public_address_or_not_as_stated(life: Life) -> None:
    assert life.shown.launch["public"] is not life.by_configuration


def test_webrtc_protects_instances_from_scale_in(life: Life) -> None:
    protected = not life.by_configuration
    assert life.shown.group["NewInstancesProtectedFromScaleIn"] is protected
    assert [each["ProtectedFromScaleIn"] for each in life.shown.group["Instances"]] == [protected]


def test_the_group_launches_from_a_template_or_a_configuration(life: Life) -> None:
    held = {"LaunchConfigurationName", "LaunchTemplate"} & set(life.shown.group)
    assert held == ({"LaunchConfigurationName"} if life.by_configuration else {"LaunchTemplate"})


def test_only_without_webrtc_it_scales_in(life: Life) -> None:
    shown = life.shown
    if not life.by_configuration:
        assert (set(shown.policies), set(shown.alarms)) == ({UP}, {HIGH})
        return
    policy, alarm = shown.policies[DOWN], shown.alarms[LOW]
    assert own(policy, "PolicyType", "AdjustmentType", "ScalingAdjustment", "Cooldown") == [
        "SimpleScaling",
        "ChangeInCapacity",
        -1,
        180,
    ]
    assert own(alarm, "Namespace", "MetricName", "Statistic", "Threshold") == [
        "AWS/EC2",
        "CPUUtilization",
        "Average",
        30.0,
    ]
    assert own(alarm, "ComparisonOperator", "EvaluationPeriods", "Period") == ["LessThanOrEqualToThreshold", 2, 900]
    assert set(alarm["AlarmActions"]) == {policy["PolicyARN"], shown.topic}


def test_the_stream_managers_respond_under_the_public_name(life: Life) -> None:
    assert HOST in life.runs["apply"].stdout


def test_a_first_plan_has_changes_and_a_second_has_none(life: Life) -> None:
    assert (life.runs["plan"].returncode, life.runs["second plan"].returncode) == (2, 0)
    assert "No changes" in life.runs["second plan"].stdout


def test_a_plan_is_empty_though_the_fleet_has_grown(life: Life) -> None:
    assert life.grown["DesiredCapacity"] == 2
    run = life.runs["plan when grown"]
    assert (run.returncode, "No changes" in run.stdout) == (0, True), run.stdout + run.stderr


def test_another_change_leaves_the_capacity_alone(life: Life) -> None:
    assert (life.runs["plan to widen"].returncode, life.runs["apply to widen"].returncode) == (2, 0)
    assert own(life.widened, "MaxSize", "DesiredCapacity") == [5, 2]
    assert {each["InstanceId"] for each in life.widened["Instances"]} == {
        each["InstanceId"] for each in life.grown["Instances"]
    }


def test_destroy_leaves_exactly_what_was_there_before(life: Life) -> None:
    assert life.runs["destroy"].returncode == 0, life.runs["destroy"].stdout + life.runs["destroy"].stderr
    assert life.after == life.before
