"""``smplan doctor`` on a fleet: it finds what was changed by hand against the guide, and nothing else."""

from __future__ import annotations

import base64
import json
import shutil
from typing import Any

from tests.e2e.conftest import CliSandbox

SCRIPT = b"""#!/bin/bash
sed -i 's/\\(streammanager\\.ip=\\).*/\\1sm.example.com/' /usr/local/red5pro/red5-web.properties
echo cluster.password=changeme >> /usr/local/red5pro/red5-web.properties
"""
BROKEN = {
    ("same-subnets", "fleet"),
    ("webrtc-protection", "fleet"),
    ("grace-period", "fleet"),
    ("no-fixed-targets", "fleet"),
    ("database-access", "fleet"),
    ("scale-out-wait", "scale_out"),
    ("open-ports", "https"),
    ("unique-address", "template"),
    ("address-restart", "template"),
    ("default-passwords", "template"),
    ("volume-size", "template"),
    ("images and instance types", "template"),  # its volume is smaller than the image's
}


def doctor(stage: CliSandbox, path: str) -> tuple[int, set[tuple[str, str]], str]:
    """The exit code, the name and resource of each error, and the whole output."""
    done = stage.run("doctor", path, "--json")
    checks = json.loads(done.stdout)["checks"]
    found = {(each["name"], each["found"].partition(":")[0]) for each in checks if each["ok"] is False}
    return done.returncode, found, done.stdout + done.stderr


def close_port(ec2: Any, group: str, port: int) -> None:
    filters = [{"Name": "group-id", "Values": [group]}]
    for rule in ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]:
        if not rule["IsEgress"] and rule.get("FromPort") == port:
            ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])


def change_template(ec2: Any, id: str) -> str:
    """A version with a small volume and a bad script, made the default; its number."""
    data = ec2.describe_launch_template_versions(LaunchTemplateId=id)["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = 15
    data["UserData"] = base64.b64encode(SCRIPT).decode()
    made = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)
    version = str(made["LaunchTemplateVersion"]["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion=version)
    return version


def change_by_hand(stage: CliSandbox) -> None:
    ec2, scaling, facts = stage.client("ec2"), stage.client("autoscaling"), stage.box.facts
    group = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    name, template = group["AutoScalingGroupName"], group["LaunchTemplate"]["LaunchTemplateId"]
    target = {"Id": facts.instance_id}
    stage.client("elbv2").register_targets(TargetGroupArn=group["TargetGroupARNs"][0], Targets=[target])
    scaling.put_scaling_policy(
        AutoScalingGroupName=name,
        PolicyName="Increase Group Size",
        PolicyType="SimpleScaling",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=1,
        Cooldown=60,
    )
    scaling.update_auto_scaling_group(
        AutoScalingGroupName=name,
        VPCZoneIdentifier=",".join(facts.subnet_ids[:2]),
        HealthCheckGracePeriod=60,
        NewInstancesProtectedFromScaleIn=False,
        LaunchTemplate={"LaunchTemplateId": template, "Version": change_template(ec2, template)},
    )
    close_port(ec2, facts.stream_manager_security_group_id, 443)
    close_port(ec2, facts.database_security_group_id, 3306)


def test_what_was_changed_by_hand_is_found_and_nothing_else(stage: CliSandbox) -> None:
    path = stage.blueprint()
    stage.done("plan", path)
    stage.done("apply", "--yes")
    code, found, shown = doctor(stage, path)
    assert (code, found) == (0, set()), shown
    assert "16 resources were read; 19 of 19 rules are not broken" in shown
    change_by_hand(stage)
    code, found, shown = doctor(stage, path)
    assert (code, found) == (1, BROKEN), shown
    shutil.rmtree(stage.folder / "state")
    code, found, shown = doctor(stage, path)
    assert (code, found) == (1, BROKEN), f"without a state it is found by what identifies it: {shown}"
    allowed = stage.blueprint(
        edit=lambda text: text.replace("\n  fleet:\n", "\n  fleet:\n    lifecycle: {allow: [grace-period]}\n")
    )
    assert doctor(stage, allowed)[1] == BROKEN - {("grace-period", "fleet")}
