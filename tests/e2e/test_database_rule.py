"""Issue 2, show 5: without the database rule nothing gets healthy; apply says so, and carries on once it is there."""

from __future__ import annotations

import re

from tests.e2e.conftest import Stage

WAIT_SECONDS = 6
"""Of the wall: 24 minutes in the sandbox, many times what an instance needs to boot and be judged."""
_RULE = re.compile(r"^  database_access:\n(?:    .*\n)+", re.MULTILINE)


def hasty(text: str) -> str:
    """The blueprint with a gate that soon gives up."""
    return text.replace("timeout: 1200", f"timeout: {WAIT_SECONDS}")


def ruleless(text: str) -> str:
    """The same without the database rule."""
    return _RULE.sub("", hasty(text))


def admit(stage: Stage) -> None:
    """The rule, made by hand."""
    facts = stage.box.facts
    pairs = [{"GroupId": facts.stream_manager_security_group_id}]
    permission = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "UserIdGroupPairs": pairs}
    stage.client("ec2").authorize_security_group_ingress(
        GroupId=facts.database_security_group_id, IpPermissions=[permission]
    )


def fail(stage: Stage) -> str:
    """Plan and apply without the rule; what apply said when it ended with 10."""
    stage.done("plan", stage.blueprint(edit=ruleless))
    result = stage.run("apply", "--yes")
    assert result.returncode == 10, result.stdout + result.stderr
    health = stage.client("elbv2")
    group = health.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    states = [
        each["TargetHealth"]["State"]
        for each in health.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]
    assert "healthy" not in states
    return result.stdout + result.stderr


def node_group_serves(stage: Stage) -> bool:
    balancer = stage.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["DNSName"]
    nodes = stage.stream_manager("streammanager.example.com", balancer).nodes("streammanager-nodegroup")
    return {str(node["role"]) for node in nodes if str(node["state"]).lower() == "inservice"} == {"origin", "edge"}


def test_the_gate_names_the_database_rule_as_the_likely_cause(stage: Stage) -> None:
    said = fail(stage)
    assert "healthy" in said
    assert "Probable cause" in said
    assert "3306" in said
    assert stage.box.facts.stream_manager_security_group_id in said
    assert "database" in said


def test_apply_carries_on_once_the_rule_was_made_by_hand(stage: Stage) -> None:
    fail(stage)
    stood = {each for each in stage.standing() if not each.startswith("instance ")}
    admit(stage)
    stage.done("apply", "--yes")
    now = stage.standing()
    assert {each for each in now - stood if not each.startswith(("instance ", "security group rule "))} == set()
    assert stood <= now
    assert node_group_serves(stage)
    assert stage.run("plan", stage.blueprint(edit=ruleless), "--detailed-exitcode").returncode == 0


def test_the_rule_may_come_with_the_blueprint_instead(stage: Stage) -> None:
    fail(stage)
    whole = stage.blueprint(edit=hasty)
    stage.done("plan", whole)
    stage.done("apply", "--yes")
    assert node_group_serves(stage)
    assert stage.run("plan", whole, "--detailed-exitcode").returncode == 0
