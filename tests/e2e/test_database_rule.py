"""A missing database rule: apply names it as the probable cause, and resumes once it exists."""

from __future__ import annotations

import re

from tests.e2e.conftest import CliSandbox

WAIT_SECONDS = 6
"""Of the wall: 24 minutes in the sandbox, many times what an instance needs to boot and be judged."""
_RULE = re.compile(r"^  database_access:\n(?:    .*\n)+", re.MULTILINE)


def with_short_gate(text: str) -> str:
    """The blueprint with a gate that soon gives up."""
    return text.replace("timeout: 1200", f"timeout: {WAIT_SECONDS}")


def without_rule(text: str) -> str:
    """The same without the database rule, which a plan refuses unless it is allowed."""
    allowed = "\n  fleet:\n    lifecycle: {allow: [database-access]}\n"
    return _RULE.sub("", with_short_gate(text)).replace("\n  fleet:\n", allowed)


def add_rule(stage: CliSandbox) -> None:
    """The rule, made by hand."""
    facts = stage.box.facts
    pairs = [{"GroupId": facts.stream_manager_security_group_id}]
    permission = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "UserIdGroupPairs": pairs}
    stage.client("ec2").authorize_security_group_ingress(
        GroupId=facts.database_security_group_id, IpPermissions=[permission]
    )


def fail(stage: CliSandbox) -> str:
    """Plan and apply without the rule; what apply output when it ended with 10."""
    stage.done("plan", stage.blueprint(edit=without_rule))
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


def node_group_serves(stage: CliSandbox) -> bool:
    balancer = stage.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["DNSName"]
    nodes = stage.stream_manager("streammanager.example.com", balancer).nodes("streammanager-nodegroup")
    return {str(node["role"]) for node in nodes if str(node["state"]).lower() == "inservice"} == {"origin", "edge"}


def test_the_gate_names_the_database_rule_as_the_probable_cause(stage: CliSandbox) -> None:
    output = fail(stage)
    assert "healthy" in output
    assert "Probable cause" in output
    assert "3306" in output
    assert stage.box.facts.stream_manager_security_group_id in output
    assert "database" in output


def test_apply_resumes_once_the_rule_was_added_by_hand(stage: CliSandbox) -> None:
    fail(stage)
    stood = {each for each in stage.standing() if not each.startswith("instance ")}
    add_rule(stage)
    stage.done("apply", "--yes")
    now = stage.standing()
    later = ("instance ", "security group rule ", "record ")  # the name comes after the gate
    assert {each for each in now - stood if not each.startswith(later)} == set()
    assert stood <= now
    assert node_group_serves(stage)
    assert stage.run("plan", stage.blueprint(edit=without_rule), "--detailed-exitcode").returncode == 0


def test_the_rule_may_come_with_the_blueprint_instead(stage: CliSandbox) -> None:
    fail(stage)
    whole = stage.blueprint(edit=with_short_gate)
    stage.done("plan", whole)
    stage.done("apply", "--yes")
    assert node_group_serves(stage)
    assert stage.run("plan", whole, "--detailed-exitcode").returncode == 0
