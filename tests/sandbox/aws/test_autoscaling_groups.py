"""Auto Scaling's own rules, over the wire."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused


class Fleet:
    """A group with a launch configuration, a target group and a load balancer."""

    def __init__(self, still: Sandbox, aws_of: Client, name: str) -> None:
        self.box, self.name = still, name
        self.scaling, self.elb, self.ec2 = aws_of("autoscaling"), aws_of("elbv2"), aws_of("ec2")
        self.facts = still.facts
        self.scaling.create_launch_configuration(
            LaunchConfigurationName=name,
            ImageId=self.facts.image_id,
            InstanceType="c5.large",
            SecurityGroups=[self.facts.stream_manager_security_group_id],
            UserData="#!/bin/bash\necho hello",
        )
        self.balancer = self.elb.create_load_balancer(
            Name=name, Subnets=list(self.facts.subnet_ids), SecurityGroups=[self.facts.stream_manager_security_group_id]
        )["LoadBalancers"][0]
        self.targets = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=5080,
            VpcId=self.facts.vpc_id,
            HealthCheckIntervalSeconds=30,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"],
            Port=5080,
            Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.targets}],
        )

    def create(self, **changes: Any) -> None:
        request: dict[str, Any] = {
            "AutoScalingGroupName": self.name,
            "LaunchConfigurationName": self.name,
            "MinSize": 0,
            "MaxSize": 4,
            "DesiredCapacity": 2,
            "VPCZoneIdentifier": ",".join(self.facts.subnet_ids),
            "TargetGroupARNs": [self.targets],
            "HealthCheckType": "ELB",
            "HealthCheckGracePeriod": 300,
            **changes,
        }
        request = {key: value for key, value in request.items() if value is not None}
        self.scaling.create_auto_scaling_group(**request)

    @property
    def group(self) -> Any:
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return found[0] if found else None

    def update(self, **changes: Any) -> None:
        self.scaling.update_auto_scaling_group(AutoScalingGroupName=self.name, **changes)

    @property
    def states(self) -> list[str]:
        return [each["LifecycleState"] for each in self.group["Instances"]]

    @property
    def health(self) -> dict[str, str]:
        found = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in found}

    @property
    def activities(self) -> list[Any]:
        found: list[Any] = self.scaling.describe_scaling_activities(AutoScalingGroupName=self.name)["Activities"]
        return found


@pytest.fixture
def fleet(still: Sandbox, aws_of: Client, name: str, later: Callable[[float], None]) -> Iterator[Fleet]:
    made = Fleet(still, aws_of, name)
    yield made
    if made.group:
        made.scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        later(1)
        later(400)


def test_instances_launch_pending_and_are_in_service_after_boot(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create()
    assert fleet.group["Instances"] == []
    later(1)
    assert fleet.states == ["Pending", "Pending"]
    assert [each["StatusCode"] for each in fleet.activities] == ["PreInService", "PreInService"]
    later(90)
    assert fleet.states == ["InService", "InService"]
    assert [each["StatusCode"] for each in fleet.activities] == ["Successful", "Successful"]


def test_targets_are_healthy_only_after_a_check_of_an_active_load_balancer(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    fleet.create()
    later(1)
    later(90)
    assert set(fleet.health.values()) == {"initial"}
    later(40)
    later(40)
    assert set(fleet.health.values()) == {"healthy"}


def test_instances_are_spread_over_the_zones(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=3)
    later(1)
    assert sorted(each["AvailabilityZone"][-1] for each in fleet.group["Instances"]) == ["a", "b", "c"]


def test_an_instance_keeps_the_configuration_it_was_launched_with(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=1)
    later(1)
    fleet.scaling.create_launch_configuration(
        LaunchConfigurationName=f"{fleet.name}-2", ImageId=fleet.facts.image_id, InstanceType="c5.xlarge"
    )
    fleet.update(LaunchConfigurationName=f"{fleet.name}-2", DesiredCapacity=2)
    later(1)
    seen = {each["LaunchConfigurationName"]: each["InstanceType"] for each in fleet.group["Instances"]}
    assert seen == {fleet.name: "c5.large", f"{fleet.name}-2": "c5.xlarge"}


def test_zero_is_a_value(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0, DefaultCooldown=0, HealthCheckGracePeriod=0)
    assert fleet.group["DefaultCooldown"] == fleet.group["HealthCheckGracePeriod"] == 0


def test_defaults_are_the_apis(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=None, HealthCheckType=None, HealthCheckGracePeriod=None)
    group = fleet.group
    assert (group["HealthCheckType"], group["HealthCheckGracePeriod"], group["DefaultCooldown"]) == ("EC2", 0, 300)
    assert group["DesiredCapacity"] == 0
    assert group["TerminationPolicies"] == ["Default"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"DesiredCapacity": 9}, "below max"),
        ({"MinSize": 1, "DesiredCapacity": 0}, "above min"),
        ({"MinSize": 5}, "Max bound"),
        ({"LaunchConfigurationName": "absent"}, "not found"),
        ({"LaunchConfigurationName": None}, "either LaunchTemplate"),
        ({"LaunchTemplate": {"LaunchTemplateName": "absent"}}, "either LaunchTemplate"),
        ({"LaunchConfigurationName": None, "LaunchTemplate": {"LaunchTemplateName": "absent"}}, "fully-formed"),
        ({"VPCZoneIdentifier": "subnet-0deadbeef"}, "does not exist"),
        ({"VPCZoneIdentifier": None}, "At least one"),
        ({"TargetGroupARNs": ["arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1"]}, "Target Groups"),
        ({"AutoScalingGroupName": "with:colon"}, "colon"),
    ],
)
def test_a_group_that_cannot_be_is_refused(fleet: Fleet, changes: dict[str, Any], text: str) -> None:
    assert text in refused("ValidationError", fleet.create, **changes)


def test_a_group_of_the_same_name_is_refused(fleet: Fleet) -> None:
    fleet.create()
    refused("AlreadyExists", fleet.create)


def test_an_update_changes_only_what_it_names(fleet: Fleet) -> None:
    fleet.create()
    before = fleet.group
    fleet.update(DefaultCooldown=10, TerminationPolicies=["OldestInstance"], NewInstancesProtectedFromScaleIn=True)
    after = fleet.group
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"DefaultCooldown", "TerminationPolicies", "NewInstancesProtectedFromScaleIn"}


def test_moving_the_bounds_moves_the_desired_capacity(fleet: Fleet) -> None:
    fleet.create()
    fleet.update(MinSize=3)
    assert fleet.group["DesiredCapacity"] == 3
    fleet.update(MinSize=0, MaxSize=1)
    assert fleet.group["DesiredCapacity"] == 1
    assert "Max bound" in refused("ValidationError", fleet.update, MinSize=2)


def test_a_template_takes_the_place_of_a_configuration_and_back(fleet: Fleet) -> None:
    fleet.ec2.create_launch_template(
        LaunchTemplateName=fleet.name,
        LaunchTemplateData={"ImageId": fleet.facts.image_id, "InstanceType": "c5.large"},
    )
    fleet.create(DesiredCapacity=0)
    fleet.update(LaunchTemplate={"LaunchTemplateName": fleet.name, "Version": "1"})
    assert "LaunchConfigurationName" not in fleet.group
    assert fleet.group["LaunchTemplate"]["Version"] == "1"
    fleet.update(LaunchConfigurationName=fleet.name)
    assert "LaunchTemplate" not in fleet.group


def test_a_template_without_an_image_or_with_a_small_volume_is_refused(fleet: Fleet) -> None:
    for number, data in enumerate(
        [
            {"InstanceType": "c5.large"},
            {
                "ImageId": fleet.facts.image_id,
                "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 4}}],
            },
        ]
    ):
        fleet.ec2.create_launch_template(LaunchTemplateName=f"{fleet.name}-{number}", LaunchTemplateData=data)
        reference = {"LaunchTemplateName": f"{fleet.name}-{number}"}
        text = refused("ValidationError", fleet.create, LaunchConfigurationName=None, LaunchTemplate=reference)
        assert "fully-formed" in text


def test_instances_of_a_template_have_its_groups_tags_and_user_data(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    facts = fleet.facts
    fleet.ec2.create_launch_template(
        LaunchTemplateName=fleet.name,
        LaunchTemplateData={
            "ImageId": facts.image_id,
            "InstanceType": "c5.large",
            "UserData": "aGVsbG8=",
            "NetworkInterfaces": [
                {"DeviceIndex": 0, "Groups": [facts.stream_manager_security_group_id], "AssociatePublicIpAddress": True}
            ],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": fleet.name}]}],
        },
    )
    fleet.create(
        LaunchConfigurationName=None,
        LaunchTemplate={"LaunchTemplateName": fleet.name, "Version": "$Latest"},
        DesiredCapacity=1,
        Tags=[{"Key": "team", "Value": "video", "PropagateAtLaunch": True}, {"Key": "own", "Value": "x"}],
    )
    later(1)
    (member,) = fleet.group["Instances"]
    assert member["LaunchTemplate"]["Version"] == "1"
    (seen,) = [each for each in fleet.box.world.instances() if each.id == member["InstanceId"]]
    assert seen.security_group_ids == (facts.stream_manager_security_group_id,)
    assert seen.user_data == "hello"
    assert (seen.tags["Name"], seen.tags["team"], "own" in seen.tags) == (fleet.name, "video", False)
    assert seen.tags["aws:autoscaling:groupName"] == fleet.name


def test_an_instance_that_fails_its_elb_checks_after_grace_is_replaced(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    fleet.create(DesiredCapacity=1)
    later(1)
    later(130)
    (member,) = fleet.group["Instances"]
    fleet.box.aws.ec2.rebooted[member["InstanceId"]] = fleet.box.clock.now() + 9000  # it never answers
    later(70)
    assert fleet.health == {member["InstanceId"]: "unhealthy"}
    assert fleet.states == ["InService"]
    later(300)
    assert sorted(fleet.states) == ["Pending", "Terminating"]
    assert fleet.health == {member["InstanceId"]: "draining"}
    later(311)
    assert member["InstanceId"] not in [each["InstanceId"] for each in fleet.group["Instances"]]
    assert "ELB system health check failure" in fleet.activities[1]["Cause"] + fleet.activities[0]["Cause"]


def test_an_instance_that_was_terminated_by_hand_is_replaced(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=1)
    later(1)
    (first,) = [each["InstanceId"] for each in fleet.group["Instances"]]
    later(90)
    fleet.ec2.terminate_instances(InstanceIds=[first])
    later(1)
    later(20)
    assert [each["InstanceId"] for each in fleet.group["Instances"]] != [first]
    assert first not in fleet.health


def test_scale_in_spares_protected_instances_until_they_are_released(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    fleet.create(NewInstancesProtectedFromScaleIn=True)
    later(1)
    later(90)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=0)
    later(10)
    assert fleet.states == ["InService", "InService"]
    ids = [each["InstanceId"] for each in fleet.group["Instances"]]
    fleet.scaling.set_instance_protection(AutoScalingGroupName=fleet.name, InstanceIds=ids, ProtectedFromScaleIn=False)
    later(1)
    assert set(fleet.states) == {"Terminating"}
    request = {"AutoScalingGroupName": fleet.name, "InstanceIds": ids, "ProtectedFromScaleIn": True}
    assert "is not in InService" in refused("ValidationError", fleet.scaling.set_instance_protection, **request)
    later(20)
    assert fleet.group["Instances"] == []


def test_protection_is_refused_for_strangers_and_for_too_many(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0)
    arguments = {"AutoScalingGroupName": fleet.name, "ProtectedFromScaleIn": True}
    text = refused("ValidationError", fleet.scaling.set_instance_protection, InstanceIds=["i-1"], **arguments)
    assert "not part of Auto Scaling group" in text
    many = [f"i-{number}" for number in range(51)]
    refused("ValidationError", fleet.scaling.set_instance_protection, InstanceIds=many, **arguments)


def test_a_group_whose_target_group_is_gone_still_launches(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=1)
    later(1)
    fleet.elb.delete_load_balancer(LoadBalancerArn=fleet.balancer["LoadBalancerArn"])
    fleet.elb.delete_target_group(TargetGroupArn=fleet.targets)
    later(91)
    assert fleet.states == ["InService"]


def test_deleting_needs_force_while_instances_are_there_and_takes_a_while(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    fleet.create(NewInstancesProtectedFromScaleIn=True)
    later(1)
    later(200)
    later(40)
    delete = fleet.scaling.delete_auto_scaling_group
    assert "still in the group" in refused("ResourceInUse", delete, AutoScalingGroupName=fleet.name)
    delete(AutoScalingGroupName=fleet.name, ForceDelete=True)
    later(1)
    assert fleet.group["Status"] == "Delete in progress"
    assert set(fleet.states) == {"Terminating"}
    assert "pending delete" in refused("ValidationError", fleet.update, MaxSize=9)
    refused("ScalingActivityInProgress", delete, AutoScalingGroupName=fleet.name)
    later(320)
    assert fleet.group is None
    refused("ValidationError", delete, AutoScalingGroupName=fleet.name)


def test_a_failed_launch_shows_only_in_the_activities(fleet: Fleet, later: Callable[[float], None]) -> None:
    image = fleet.ec2.register_image(Name=f"{fleet.name}-gone")["ImageId"]
    fleet.scaling.create_launch_configuration(
        LaunchConfigurationName=f"{fleet.name}-gone", ImageId=image, InstanceType="c5.large"
    )
    fleet.ec2.deregister_image(ImageId=image)
    fleet.create(LaunchConfigurationName=f"{fleet.name}-gone", DesiredCapacity=1)
    later(1)
    assert fleet.group["Instances"] == []
    (activity,) = fleet.activities
    assert activity["StatusCode"] == "Failed"
    assert image in activity["StatusMessage"]
    later(10)
    assert len(fleet.activities) == 1
    later(60)
    assert len(fleet.activities) == 2


def test_terminating_through_the_group_decrements_or_replaces(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(MinSize=1)
    later(1)
    first, second = [each["InstanceId"] for each in fleet.group["Instances"]]
    terminate = fleet.scaling.terminate_instance_in_auto_scaling_group
    answer = terminate(InstanceId=first, ShouldDecrementDesiredCapacity=True)
    assert first in answer["Activity"]["Description"]
    assert terminate(InstanceId=first, ShouldDecrementDesiredCapacity=False)["Activity"] == answer["Activity"]
    assert fleet.group["DesiredCapacity"] == 1
    text = refused("ValidationError", terminate, InstanceId=second, ShouldDecrementDesiredCapacity=True)
    assert "min size" in text
    refused("ValidationError", terminate, InstanceId="i-0", ShouldDecrementDesiredCapacity=True)
    terminate(InstanceId=second, ShouldDecrementDesiredCapacity=False)
    later(1)
    assert sorted(fleet.states) == ["Pending", "Terminating", "Terminating"]


def test_desired_capacity_stays_within_the_bounds(fleet: Fleet) -> None:
    fleet.create(MinSize=1)
    set_desired = fleet.scaling.set_desired_capacity
    refused("ValidationError", set_desired, AutoScalingGroupName=fleet.name, DesiredCapacity=5)
    refused("ValidationError", set_desired, AutoScalingGroupName=fleet.name, DesiredCapacity=0)


def test_an_instance_set_unhealthy_is_replaced_unless_within_grace(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    fleet.create(DesiredCapacity=1)
    later(1)
    later(90)
    (member,) = fleet.group["Instances"]
    set_health = fleet.scaling.set_instance_health
    set_health(InstanceId=member["InstanceId"], HealthStatus="Unhealthy")
    later(1)
    assert fleet.states == ["InService"]
    set_health(InstanceId=member["InstanceId"], HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    later(1)
    assert sorted(fleet.states) == ["Pending", "Terminating"]


def test_suspended_processes_do_nothing_until_resumed(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=0)
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["Launch"])
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    later(1)
    assert fleet.group["Instances"] == []
    assert [each["ProcessName"] for each in fleet.group["SuspendedProcesses"]] == ["Launch"]
    fleet.scaling.resume_processes(AutoScalingGroupName=fleet.name)
    later(1)
    assert fleet.states == ["Pending"]
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=0)
    fleet.ec2.terminate_instances(InstanceIds=[fleet.group["Instances"][0]["InstanceId"]])
    later(1)
    assert fleet.states == ["Pending"] or fleet.states == ["InService"]
    arguments = {"AutoScalingGroupName": fleet.name, "ScalingProcesses": ["Nonsense"]}
    refused("ValidationError", fleet.scaling.suspend_processes, **arguments)


def _in(fleet: Fleet, subnet: str) -> list[str]:
    zones = fleet.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    found = [each for each in fleet.group["Instances"] if each["AvailabilityZone"] == zones[0]["AvailabilityZone"]]
    return [each["LifecycleState"] for each in found]


def test_instances_outside_the_groups_subnets_are_replaced_one_at_a_time(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    left, kept = fleet.facts.subnet_ids[:2]
    fleet.create(DesiredCapacity=2, VPCZoneIdentifier=left, TargetGroupARNs=[])
    later(1)
    later(100)
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["AZRebalance"])
    fleet.update(VPCZoneIdentifier=kept)
    later(1)
    assert _in(fleet, left) == ["InService"] * 2
    assert _in(fleet, kept) == []
    fleet.scaling.resume_processes(AutoScalingGroupName=fleet.name)
    later(1)
    assert (_in(fleet, left), _in(fleet, kept)) == (["InService"] * 2, ["Pending"])
    later(100)  # the first has a successor, and the second gets one
    assert sorted(_in(fleet, left)) == ["InService", "Terminating"]
    assert _in(fleet, kept) == ["InService", "Pending"]
    later(100)
    later(100)
    assert (_in(fleet, left), _in(fleet, kept)) == ([], ["InService"] * 2)


SAFE = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110}
FAST = {"MinHealthyPercentage": 50, "MaxHealthyPercentage": 100}


def test_a_maintenance_policy_keeps_an_instance_until_its_replacement_is_healthy_and_warm(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    left, kept = fleet.facts.subnet_ids[:2]
    settings: dict[str, Any] = {"InstanceMaintenancePolicy": SAFE, "DefaultInstanceWarmup": 120}
    fleet.create(DesiredCapacity=1, VPCZoneIdentifier=left, **settings)
    later(1)
    later(100)
    later(100)
    fleet.update(VPCZoneIdentifier=kept)
    later(1)
    later(91)
    assert (_in(fleet, left), _in(fleet, kept)) == (["InService"], ["InService"])
    assert sorted(fleet.health.values()) == ["healthy", "initial"]
    later(90)
    assert sorted(fleet.health.values()) == ["healthy", "healthy"]
    assert _in(fleet, left) == ["InService"]  # its replacement is healthy, and not warm yet
    later(31)
    assert (_in(fleet, left), _in(fleet, kept)) == (["Terminating"], ["InService"])


def test_a_maintenance_policy_without_room_ends_an_instance_of_a_zone_that_is_left_first(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    left, kept = fleet.facts.subnet_ids[:2]
    policy = {"InstanceMaintenancePolicy": FAST}
    fleet.create(DesiredCapacity=2, VPCZoneIdentifier=left, TargetGroupARNs=[], HealthCheckType="EC2", **policy)
    later(1)
    later(100)
    fleet.update(VPCZoneIdentifier=kept)
    later(1)
    assert (sorted(_in(fleet, left)), _in(fleet, kept)) == (["InService", "Terminating"], ["Pending"])
    later(100)
    assert sorted(_in(fleet, left)) == ["Terminating"]
    assert sorted(_in(fleet, kept)) == ["InService", "Pending"]


@pytest.mark.parametrize(
    ("policy", "first"),
    [(SAFE, ["InService", "InService", "Pending"]), (FAST, ["InService", "Pending", "Terminating"])],
    ids=["launch first", "terminate first"],
)
def test_a_maintenance_policy_says_whether_an_unhealthy_instance_is_replaced_before_it_is_terminated(
    fleet: Fleet, later: Callable[[float], None], policy: dict[str, int], first: list[str]
) -> None:
    fleet.create(TargetGroupARNs=[], HealthCheckType="EC2", InstanceMaintenancePolicy=policy)
    later(1)
    later(100)
    ill = fleet.group["Instances"][0]["InstanceId"]
    fleet.scaling.set_instance_health(InstanceId=ill, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    later(1)
    assert sorted(fleet.states) == first
    later(100)
    assert sorted(fleet.states) == ["InService", "InService", "Terminating"][: len(fleet.states)]
    assert {"InstanceId": ill, "HealthStatus": "Healthy"} not in fleet.group["Instances"]
    later(400)
    assert fleet.states == ["InService", "InService"]
    assert ill not in [each["InstanceId"] for each in fleet.group["Instances"]]


def test_settings_out_of_their_range_are_refused_and_minus_one_removes_them(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0, DefaultInstanceWarmup=0, InstanceMaintenancePolicy=SAFE)
    for low, high in ((100, None), (90, 99), (0, 101), (-1, 100), (90, -1)):
        policy = {"MinHealthyPercentage": low, "MaxHealthyPercentage": high}
        policy = {key: value for key, value in policy.items() if value is not None}
        refused("ValidationError", fleet.update, InstanceMaintenancePolicy=policy)
    refused("ValidationError", fleet.update, HealthCheckType="EC2,NONE")
    fleet.update(HealthCheckType="EC2,ELB", DefaultInstanceWarmup=-1)
    assert fleet.group["InstanceMaintenancePolicy"] == SAFE
    assert "DefaultInstanceWarmup" not in fleet.group
    fleet.update(InstanceMaintenancePolicy={"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1})
    assert "InstanceMaintenancePolicy" not in fleet.group


def test_protected_instances_outside_the_groups_subnets_stay(fleet: Fleet, later: Callable[[float], None]) -> None:
    left, kept = fleet.facts.subnet_ids[:2]
    fleet.create(DesiredCapacity=1, VPCZoneIdentifier=left, NewInstancesProtectedFromScaleIn=True)
    later(1)
    later(100)
    fleet.update(VPCZoneIdentifier=kept)
    later(200)
    assert (_in(fleet, left), _in(fleet, kept)) == (["InService"], [])


def test_scale_in_takes_an_instance_outside_the_groups_subnets_first(
    fleet: Fleet, later: Callable[[float], None]
) -> None:
    left, kept = fleet.facts.subnet_ids[:2]
    fleet.create(DesiredCapacity=2, VPCZoneIdentifier=f"{left},{kept}")
    later(1)
    later(100)
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["AZRebalance"])
    fleet.update(VPCZoneIdentifier=kept)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    later(1)
    assert _in(fleet, kept) == ["InService"]


def test_the_newest_instance_goes_first_if_the_policy_says_so(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=1, TerminationPolicies=["NewestInstance"], VPCZoneIdentifier=fleet.facts.subnet_ids[0])
    later(1)
    (first,) = fleet.group["Instances"]
    later(5)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=2)
    later(1)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    later(1)
    (kept,) = [each for each in fleet.group["Instances"] if each["LifecycleState"] != "Terminating"]
    assert kept["InstanceId"] == first["InstanceId"]


def test_instances_and_groups_are_described_by_name_tag_and_page(fleet: Fleet, later: Callable[[float], None]) -> None:
    fleet.create(DesiredCapacity=1, Tags=[{"Key": "fleet", "Value": fleet.name}])
    later(1)
    describe = fleet.scaling.describe_auto_scaling_groups
    for filters in (
        [{"Name": "tag:fleet", "Values": [fleet.name]}],
        [{"Name": "tag-key", "Values": ["fleet"]}, {"Name": "tag-value", "Values": [fleet.name]}],
    ):
        assert [each["AutoScalingGroupName"] for each in describe(Filters=filters)["AutoScalingGroups"]] == [fleet.name]
    refused("ValidationError", describe, Filters=[{"Name": "colour", "Values": ["red"]}])
    assert describe(AutoScalingGroupNames=["absent"])["AutoScalingGroups"] == []
    assert (
        describe(AutoScalingGroupNames=[fleet.name], IncludeInstances=False)["AutoScalingGroups"][0]["Instances"] == []
    )
    found = fleet.scaling.describe_auto_scaling_instances()["AutoScalingInstances"]
    assert fleet.name in [each["AutoScalingGroupName"] for each in found]
    assert describe(MaxRecords=1)["AutoScalingGroups"]
