"""The conformance harness itself: it sees differences, and its faults are real."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, INITIAL, UNORDERED, WRITE_ONLY, Canonical, Spec, fields
from smplan.drivers.aws.client import Aws
from smplan.errors import Denied, LostAnswer, Throttled
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import (
    Case,
    CaseSetup,
    Script,
    answering,
    differences,
    lost_responses,
    readable,
    updatable,
)


class Inner(Spec):
    """A nested spec."""

    a: int = 0
    b: int | None = None


class Outer(Spec):
    """One field of each sort."""

    inner: Inner | None = None
    rows: list[Inner] | None = None
    bag: Annotated[list[str] | None, UNORDERED] = None
    text: Annotated[str | None, Canonical(str.lower)] = None
    fixed: Annotated[str | None, IMMUTABLE] = None
    initial: Annotated[int | None, INITIAL] = None
    local: Annotated[int | None, CLIENT_ONLY] = None
    hidden: Annotated[str | None, WRITE_ONLY] = None


@pytest.mark.parametrize(
    ("wanted", "live", "differing"),
    [
        ({}, {"text": "x", "bag": ["a"]}, set()),
        ({"text": "x"}, {}, {"text"}),
        ({"text": "X"}, {"text": "x"}, set()),
        ({"bag": ["a", "b"]}, {"bag": ["b", "a"]}, set()),
        ({"bag": []}, {"bag": ["a"]}, {"bag"}),
        ({"inner": {"a": 1}}, {"inner": {"a": 2, "b": 3}}, {"inner.a"}),
        ({"inner": {"a": 1}}, {"inner": {"a": 1, "b": 3}}, set()),
        ({"inner": {"a": 1}}, {}, {"inner."}),
        ({"rows": [{"a": 1}]}, {"rows": [{"a": 1}]}, set()),
        ({"rows": [{"a": 1}, {"a": 2}]}, {"rows": [{"a": 2}, {"a": 1}]}, {"rows"}),
        ({"initial": 1, "local": 1, "hidden": "x"}, {"initial": 2, "local": 2}, set()),
        ({"fixed": "a"}, {"fixed": "b"}, {"fixed"}),
    ],
)
def test_differences_are_those_of_managed_and_readable_fields(
    wanted: dict[str, Any], live: dict[str, Any], differing: set[str]
) -> None:
    assert set(differences(Outer.model_validate(wanted), Outer.model_validate(live))) == differing


def test_the_facts_of_a_field_decide_which_laws_hold_for_it() -> None:
    facts = fields(Outer)
    assert {name for name in facts if not readable(facts[name])} == {"initial", "local", "hidden"}
    assert {name for name in facts if not updatable(facts[name])} == {"fixed", "initial", "local"}


def case(**parts: Any) -> Case:
    stated: dict[str, Any] = {"setup": (), "spec": {}, "updates": {}, "immutable": {}, **parts}
    return Case("aws.ec2.security_group", "test", **stated)


def test_a_case_setup_leaves_nothing_behind_even_when_it_fails(box: Sandbox, aws: Aws) -> None:
    group = {"name": "left-${run}", "description": "x", "vpc_id": "${box.vpc_id}"}
    prop = {"as": "sg", "kind": "aws.ec2.security_group", "spec": group}
    broken = {"as": "bad", "kind": "aws.ec2.security_group", "spec": {**group, "vpc_id": "${nobody.id}"}}
    stage = CaseSetup(box, aws, case(setup=(prop, broken)))
    with pytest.raises(KeyError, match="nobody"):
        stage.__enter__()
    names = [each["GroupName"] for each in aws.read.ec2.describe_security_groups()["SecurityGroups"]]
    assert f"left-{stage.run}" not in names


def test_later_text_refers_to_ids_fields_outputs_and_facts(box: Sandbox, aws: Aws) -> None:
    group = {"name": "seen-${run}", "description": "x", "vpc_id": "${box.vpc_id}"}
    prop = {"as": "sg", "kind": "aws.ec2.security_group", "spec": group}
    with CaseSetup(box, aws, case(setup=(prop,))) as stage:
        text = ["${sg.id}", "${sg.name}", "${box.subnet_ids[0]}", "a-${run}-b"]
        found = stage.filled(text)
    assert found[0].startswith("sg-")
    assert found[1:] == [f"seen-{stage.run}", box.facts.subnet_ids[0], f"a-{stage.run}-b"]


def test_a_write_with_a_lost_response_is_done_and_reads_work(box: Sandbox) -> None:
    aws, name = lost_responses(box.facts.region), "deaf"
    with pytest.raises(LostAnswer):
        aws.write.ec2.create_security_group(GroupName=name, Description=name, VpcId=box.facts.vpc_id)
    found = aws.read.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]
    assert [each["GroupName"] for each in found] == [name]
    Aws(box.facts.region).write.ec2.delete_security_group(GroupId=found[0]["GroupId"])


def test_a_refusal_may_be_of_writes_alone(box: Sandbox) -> None:
    all_of_them = answering(box.facts.region, "Throttling", 400)
    with pytest.raises(Throttled):
        all_of_them.read.ec2.describe_vpcs()
    writes = answering(box.facts.region, "AccessDenied", 403, writes_only=True)
    assert writes.read.ec2.describe_vpcs()["Vpcs"]
    with pytest.raises(Denied):
        writes.write.sns.create_topic(Name="never")


def test_a_script_gives_its_last_answer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    script = Script({"DescribeVpcs": [{"Vpcs": []}, "AccessDenied"]})
    aws = script.aws()
    assert aws.read.ec2.describe_vpcs()["Vpcs"] == []
    for _ in range(2):
        with pytest.raises(Denied):
            aws.read.ec2.describe_vpcs()
    assert script.names() == ["DescribeVpcs"] * 3
