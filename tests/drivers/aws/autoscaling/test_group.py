"""``aws.autoscaling.group``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.autoscaling import _sources
from smplan.drivers.aws.autoscaling._group_spec import GroupSpec, LaunchTemplateVersion
from smplan.drivers.aws.autoscaling.group import Group
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Live
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, group_stage, record_writes, scripted
from tests.drivers.conformance import differences

TEMPLATE = {"id": "lt-1", "version": 1}


def spec(**changes: Any) -> GroupSpec:
    least = {"name": "g", "launch_template": TEMPLATE, "min_size": 1, "max_size": 4, "subnet_ids": ["subnet-1"]}
    return GroupSpec.model_validate({**least, **changes})


def described(aws: Aws, name: str) -> Any:
    return aws.read.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def test_ownership_tags_go_with_the_create_and_stay_on_the_group(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, tags={"Name": "stream-manager"}) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(way), stage.spec(), stage.claim())
        assert [name for name, _ in writes] == ["CreateAutoScalingGroup"]
        flags = {tag["Key"]: tag["PropagateAtLaunch"] for tag in described(aws, made)["Tags"]}
        assert flags == {"Name": True, "smplan:lineage": False, "smplan:address": False}


def test_an_update_sends_what_changed_and_never_the_desired_capacity(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, desired_capacity=1) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(), stage.spec())
        aws.write.autoscaling.set_desired_capacity(AutoScalingGroupName=made, DesiredCapacity=2)
        live = stage.read(made)
        assert live.spec.desired_capacity == 2
        wanted = stage.spec({"desired_capacity": 1, "health_check_type": "EC2"})
        stage.driver(way).update(live, wanted)
        assert writes == [("UpdateAutoScalingGroup", {"AutoScalingGroupName": made, "HealthCheckType": "EC2"})]
        assert described(aws, made)["DesiredCapacity"] == 2


def test_a_policy_for_several_instance_types_set_by_hand_is_no_change_and_is_kept(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws) as stage:
        made, template = stage.create(stage.driver(), stage.spec()), stage.names["template"].attributes["id"]
        launch = {"LaunchTemplateId": template, "Version": "1"}
        overrides = [{"InstanceType": "c5.large"}, {"InstanceType": "c5.xlarge", "LaunchTemplateSpecification": launch}]
        policy: Any = {
            "LaunchTemplate": {"LaunchTemplateSpecification": launch, "Overrides": overrides},
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 50},
        }
        aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=made, MixedInstancesPolicy=policy)
        live = stage.read(made)
        assert differences(stage.spec(), live.spec) == {}
        aws.write.ec2.create_launch_template_version(
            LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.xlarge"}
        )
        wanted = stage.spec({"launch_template": {"id": template, "version": 2}})
        stage.driver().update(live, wanted)
        after = described(aws, made)["MixedInstancesPolicy"]
        assert after["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "2"
        assert [each["InstanceType"] for each in after["LaunchTemplate"]["Overrides"]] == ["c5.large", "c5.xlarge"]
        assert after["InstancesDistribution"] == {"OnDemandPercentageAboveBaseCapacity": 50}
        assert differences(wanted, stage.read(made).spec) == {}


def test_an_override_is_sent_with_the_id_of_its_template_alone() -> None:
    named = {"LaunchTemplateId": "lt-2", "LaunchTemplateName": "n", "Version": "1"}
    only_name = {"LaunchTemplateName": "n"}
    overrides = [{"LaunchTemplateSpecification": named}, {"LaunchTemplateSpecification": only_name}, {}]
    found = _sources.with_template({"LaunchTemplate": {"Overrides": overrides}}, {"LaunchTemplateId": "lt-1"})
    assert found["LaunchTemplate"] == {
        "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1"},
        "Overrides": [
            {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-2", "Version": "1"}},
            {"LaunchTemplateSpecification": {"LaunchTemplateName": "n"}},
            {},
        ],
    }


def test_subnets_in_another_order_are_no_change(box: Sandbox, aws: Aws) -> None:
    first, second, _ = box.facts.subnet_ids
    with group_stage(box, aws, subnet_ids=[second, first]) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(), stage.spec())
        stage.driver(way).update(stage.read(made), stage.spec({"subnet_ids": [first, second]}))
        assert writes == []


def test_protection_from_scale_in_reaches_running_instances(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, desired_capacity=2) as stage:
        made = stage.create(stage.driver(), stage.spec())
        stage.wait(_until_in_service(aws, made, 2))
        for protected in (True, False):
            wanted = stage.spec({"new_instances_protected_from_scale_in": protected})
            stage.driver().update(stage.read(made), wanted)
            assert {each["ProtectedFromScaleIn"] for each in described(aws, made)["Instances"]} == {protected}


def _until_in_service(aws: Aws, name: str, count: int) -> Any:
    while [each["LifecycleState"] for each in described(aws, name)["Instances"]] != ["InService"] * count:
        yield "instances"


def test_running_instances_get_their_protection_before_the_group_says_so() -> None:
    """Cut off in between, the group still differs, so that the next run finishes."""
    there = {"InstanceId": "i-1", "ProtectedFromScaleIn": False, "LifecycleState": "InService"}
    group = {"AutoScalingGroupName": "g", "Instances": [there]}
    script = Script(describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": [group]})
    live = Live("g", spec())
    Group(scripted(autoscaling=script)).update(live, spec(new_instances_protected_from_scale_in=True))
    writes = [name for name, _ in script.sent if not name.startswith("describe")]
    assert writes == ["set_instance_protection", "update_auto_scaling_group", "set_instance_protection"]


def test_a_group_with_protected_instances_drains_and_goes(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, desired_capacity=2, new_instances_protected_from_scale_in=True) as stage:
        made = stage.create(stage.driver(), stage.spec())
        stage.wait(_until_in_service(aws, made, 2))
        way, writes = record_writes(aws.region)
        driver = stage.driver(way)
        stage.remove(driver, made)
        assert driver.read_many([made]) == {}
        assert all("ForceDelete" not in sent for _, sent in writes)


def test_the_wait_for_deletion_lasts_while_aws_describes_the_group() -> None:
    looks = [[{"AutoScalingGroupName": "g", "Status": "Delete in progress"}], []]
    script = Script(describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": looks.pop(0)})
    assert [look.status for look in Group(scripted(autoscaling=script)).wait_deleted("g")] == ["Delete in progress"]


def test_target_groups_are_attached_before_others_are_detached_ten_a_call() -> None:
    before = [f"arn:old-{number:02}" for number in range(12)]
    there = {"AutoScalingGroupName": "g", "TargetGroupARNs": before[:11]}  # the last one is detached already
    script = Script(describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": [there]})
    wanted = [f"arn:new-{number:02}" for number in range(11)]
    driver = Group(scripted(autoscaling=script))
    driver.update(Live("g", spec(target_group_arns=before)), spec(target_group_arns=[*wanted, before[0]]))
    writes = [(name, said) for name, said in script.sent if not name.startswith("describe")]
    sent = [(name.partition("_")[0], len(said["TargetGroupARNs"])) for name, said in writes]
    assert sent == [("attach", 10), ("attach", 1), ("detach", 10)]


def test_a_group_that_went_meanwhile_has_nothing_to_detach() -> None:
    script = Script(describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": []})
    Group(scripted(autoscaling=script)).update(Live("g", spec(target_group_arns=["arn:a"])), spec(target_group_arns=[]))
    assert [name for name, _ in script.sent] == ["describe_auto_scaling_groups"]


def test_what_is_not_managed_is_not_touched() -> None:
    script = Script()
    live = Live("g", spec(target_group_arns=["arn:a"], termination_policies=["Default"], tags={"a": "1"}))
    Group(scripted(autoscaling=script)).update(live, spec())
    assert script.sent == []


def test_propagation_alone_sends_every_tag_again_and_none_of_smplans() -> None:
    script = Script()
    live = Live("g", spec(tags={"a": "1", "b": "2"}))
    driver = Group(scripted(autoscaling=script))
    driver.update(live, spec(tags={"a": "1", "b": "2"}, propagate_tags_at_launch=False))
    ((name, sent),) = script.sent
    assert name == "create_or_update_tags"
    assert {tag["Key"]: tag["PropagateAtLaunch"] for tag in sent["Tags"]} == {"a": False, "b": False}
    assert {tag["ResourceType"] for tag in sent["Tags"]} == {"auto-scaling-group"}


def test_tags_that_disagree_on_propagation_differ_from_either(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, tags={"a": "1", "b": "2"}) as stage:
        driver, made = stage.driver(), stage.create(stage.driver(), stage.spec())
        where = {"ResourceId": made, "ResourceType": "auto-scaling-group"}
        tag: Any = {**where, "Key": "b", "Value": "2", "PropagateAtLaunch": False}
        aws.write.autoscaling.create_or_update_tags(Tags=[tag])
        for propagated in (True, False):
            wanted = stage.spec({"propagate_tags_at_launch": propagated})
            assert "propagate_tags_at_launch" in differences(wanted, stage.read(made).spec)
        driver.update(stage.read(made), stage.spec())
        assert differences(stage.spec(), stage.read(made).spec) == {}


def test_a_version_that_is_no_number_is_shown_as_it_is() -> None:
    group = {
        "AutoScalingGroupName": "g",
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"},
        **dict.fromkeys(("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown"), 1),
        "HealthCheckType": "EC2",
    }
    script = Script(
        describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": [group]},
        describe_instance_refreshes=lambda _: {"InstanceRefreshes": []},
    )
    live = Group(scripted(autoscaling=script)).read_many(["g"])["g"]
    assert live.spec.launch_template is not None
    assert live.spec.launch_template.managed_fields() == {"id": "lt-1", "version": "$Latest"}
    assert live.spec.health_check_grace_period == 0


def test_fifty_groups_are_read_in_one_call_and_none_in_none() -> None:
    script = Script(describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": []})
    driver = Group(scripted(autoscaling=script))
    driver.read_many([f"g-{number}" for number in range(51)])
    assert [len(sent["AutoScalingGroupNames"]) for _, sent in script.sent] == [50, 1]
    assert not any(sent["IncludeInstances"] for _, sent in script.sent)
    driver.read_many([])
    assert len(script.sent) == 2


def test_reading_a_group_is_one_call_and_one_for_its_instance_refresh(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws) as stage:
        made = stage.create(stage.driver(), stage.spec())
        context, calls = count_calls(aws.region)
        assert set(Group(context).read_many([made])) == {made}
        assert calls == ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"launch_template": None}, "either `launch_template` or"),
        ({"launch_configuration": "lc"}, "either `launch_template` or"),
        ({"launch_template": {"id": "lt-1", "version": "$Latest"}}, "valid integer"),
        ({"min_size": 5}, "`min_size` 5 is above `max_size` 4"),
        ({"desired_capacity": 0}, "`desired_capacity` 0 is outside 1 to 4"),
        ({"desired_capacity": 5}, "`desired_capacity` 5 is outside 1 to 4"),
        ({"subnet_ids": []}, "at least 1 item"),
        ({"name": "a:b"}, "match pattern"),
        ({"name": "a/b"}, "match pattern"),
        ({"propagate_tags_at_launch": False}, "has no effect without `tags`"),
        ({"propagate_tags_at_launch": False, "tags": {}}, "has no effect without `tags`"),
        ({"health_check_type": "elb"}, "Input should be"),
    ],
)
def test_a_spec_that_aws_or_sense_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("$", r"\$")):
        spec(**changes)


def test_a_spec_may_be_partial_while_planning() -> None:
    later = Ref("template", path=("id",))
    partial = spec(launch_template={"id": later, "version": later}, min_size=later, desired_capacity=9, tags=later)
    assert partial.launch_template == LaunchTemplateVersion.model_validate({"id": later, "version": later})


def test_target_groups_of_a_group_are_exchanged(box: Sandbox, aws: Aws) -> None:
    arns = [
        aws.write.elbv2.create_target_group(
            Name=f"exchanged-{name}", Protocol="HTTP", Port=5080, VpcId=box.facts.vpc_id, TargetType="instance"
        )["TargetGroups"][0].get("TargetGroupArn", "")
        for name in ("a", "b")
    ]
    with group_stage(box, aws, target_group_arns=arns[:1]) as stage:
        made = stage.create(stage.driver(), stage.spec())
        assert stage.read(made).spec.target_group_arns == arns[:1]
        stage.driver().update(stage.read(made), stage.spec({"target_group_arns": arns[1:]}))
        assert stage.read(made).spec.target_group_arns == arns[1:]
    for arn in arns:
        aws.write.elbv2.delete_target_group(TargetGroupArn=arn)


def test_without_tags_the_flags_of_tags_made_by_hand_are_not_managed() -> None:
    assert spec().propagate_tags_at_launch is None
    script = Script()
    live = Live("g", spec(tags={"a": "1"}, propagate_tags_at_launch=False))
    Group(scripted(autoscaling=script)).update(live, spec())
    assert script.sent == []


def test_processes_suspended_by_hand_are_read(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws) as stage:
        made = stage.create(stage.driver(), stage.spec())
        assert stage.read(made).outputs["suspended_processes"] == []
        aws.write.autoscaling.suspend_processes(AutoScalingGroupName=made, ScalingProcesses=["Terminate", "Launch"])
        assert stage.read(made).outputs["suspended_processes"] == ["Launch", "Terminate"]
        aws.write.autoscaling.resume_processes(AutoScalingGroupName=made)
