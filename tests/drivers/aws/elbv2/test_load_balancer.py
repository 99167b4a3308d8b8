"""Load balancers: requests, waits, and refused deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.elbv2.load_balancer import LoadBalancer, LoadBalancerSpec
from smplan.drivers.base import Live
from smplan.errors import Conflict, Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import count_calls, record_writes
from tests.drivers.conformance import Case, CaseSetup, Script, context

SPEC = {"name": "lb-${run}", "subnets": ["${box.subnet_ids[0]}", "${box.subnet_ids[1]}"]}
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188"
DESCRIBED = {
    "LoadBalancerArn": ARN,
    "LoadBalancerName": "lb",
    "Scheme": "internal",
    "DNSName": "lb-1.us-east-1.elb.amazonaws.com",
    "AvailabilityZones": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}],
    "Type": "application",
}


def spec(**changes: Any) -> LoadBalancerSpec:
    return LoadBalancerSpec.model_validate({"name": "lb", "subnets": ["subnet-1", "subnet-2"], **changes})


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[CaseSetup]:
    """An empty stage whose subject is a load balancer."""
    with CaseSetup(box, aws, Case("aws.elbv2.load_balancer", "in-code", (), SPEC, {}, {})) as made:
        yield made


def driver(script: Script) -> LoadBalancer:
    return LoadBalancer(context(script.aws()))


def in_state(*states: Any) -> Script:
    """A load balancer that is in one state after the other; a text is an error."""
    answers = [
        state if isinstance(state, str) else {"LoadBalancers": [{**DESCRIBED, "State": state}]} for state in states
    ]
    return Script({"DescribeLoadBalancers": answers})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "internal-lb"}, "reserves names that begin with `internal-`"),
        ({"name": "-lb"}, "match pattern"),
        ({"name": "l" * 33}, "at most 32 characters"),
        ({"subnets": ["subnet-1"]}, "at least 2 items"),
        ({"idle_timeout": 0}, "greater than or equal to 1"),
        ({"idle_timeout": 4001}, "less than or equal to 4000"),
        ({"security_groups": []}, "at least 1 item"),
    ],
)
def test_a_spec_that_aws_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


def test_a_name_and_subnets_to_come_are_not_checked_yet() -> None:
    waiting = {"name": Ref("name"), "subnets": Ref("subnets", path=("ids",))}
    assert spec(**waiting).managed_fields()["name"] == Ref("name")


def test_an_update_sends_only_what_differs(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec({"idle_timeout": 60, "tags": {"a": "1", "b": "2"}}))
    way, writes = record_writes(stage.box.facts.region)
    wanted = stage.spec({"idle_timeout": 90, "deletion_protection": False, "tags": {"a": "1", "c": "3"}})
    stage.driver(way).update(stage.read(made), wanted)
    assert [name for name, _ in writes] == ["ModifyLoadBalancerAttributes", "AddTags", "RemoveTags"]
    assert writes[0][1]["Attributes"] == [{"Key": "idle_timeout.timeout_seconds", "Value": "90"}]
    assert (writes[1][1]["Tags"], writes[2][1]["TagKeys"]) == ([{"Key": "c", "Value": "3"}], ["b"])
    writes.clear()
    stage.driver(way).update(stage.read(made), wanted)
    assert writes == []


def test_what_is_not_managed_is_left_alone(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec({"idle_timeout": 90, "tags": {"a": "1"}}))
    way, writes = record_writes(stage.box.facts.region)
    stage.driver(way).configure(made, stage.spec())
    stage.driver(way).update(stage.read(made), stage.spec())
    assert writes == []


def test_one_load_balancer_is_read_in_three_calls(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    given, calls = count_calls(stage.box.facts.region)
    assert set(LoadBalancer(given).read_many([made])) == {made}
    assert [call.partition(":")[2] for call in calls] == [
        "DescribeLoadBalancers",
        "DescribeTags",
        "DescribeLoadBalancerAttributes",
    ]


def test_more_than_one_call_takes_are_read_by_listing_all() -> None:
    script = Script({"DescribeLoadBalancers": [{"LoadBalancers": []}]})
    assert driver(script).read_many([f"{ARN}{number}" for number in range(21)]) == {}
    assert [sent.get("LoadBalancerArns.member.1") for _, sent in script.sent] == [None]


@pytest.mark.parametrize("last", ["DescribeTags", "DescribeLoadBalancerAttributes"])
def test_one_that_goes_while_it_is_read_is_gone(last: str) -> None:
    answers: dict[str, list[Any]] = {
        "DescribeLoadBalancers": [{"LoadBalancers": [DESCRIBED]}],
        "DescribeTags": [{"TagDescriptions": []}],
        last: ["LoadBalancerNotFound"],
    }
    assert driver(Script(answers)).read_many([ARN]) == {}


def test_one_whose_tags_aws_leaves_out_is_there_without_an_owner() -> None:
    answers: dict[str, list[Any]] = {
        "DescribeLoadBalancers": [{"LoadBalancers": [DESCRIBED]}],
        "DescribeTags": [{"TagDescriptions": []}],
        "DescribeLoadBalancerAttributes": [{"Attributes": []}],
    }
    live = driver(Script(answers)).read_many([ARN])[ARN]
    assert (live.owner, live.spec.tags, live.spec.idle_timeout) == (None, {}, None)


def test_a_name_taken_by_another_type_of_load_balancer_is_a_conflict() -> None:
    script = Script({"DescribeLoadBalancers": [{"LoadBalancers": [{**DESCRIBED, "Type": "network"}]}]})
    with pytest.raises(Conflict, match="a network load balancer named lb exists") as caught:
        driver(script).find(spec())
    assert caught.value.hint == "choose another `name`"


def test_waiting_reports_the_state_until_it_is_active() -> None:
    script = in_state("LoadBalancerNotFound", {"Code": "provisioning"}, {"Code": "active"})
    looks = list(driver(script).wait_ready(ARN, spec()))
    assert [look.status for look in looks] == ["not listed yet", "provisioning"]
    assert {look.waiting_for for look in looks} == {"load balancer lb to be active"}


def test_an_impaired_load_balancer_is_ready_and_reported() -> None:
    looks = list(driver(in_state({"Code": "active_impaired", "Reason": "few addresses"})).wait_ready(ARN, spec()))
    assert [look.status for look in looks] == ["active_impaired: few addresses"]


@pytest.mark.parametrize(("reason", "says"), [("no addresses", "no addresses"), ("", "no reason given")])
def test_a_failed_load_balancer_is_not_waited_for(reason: str, says: str) -> None:
    with pytest.raises(Invalid, match=f"could not be set up: {says}") as caught:
        list(driver(in_state({"Code": "failed", "Reason": reason})).wait_ready(ARN, spec()))
    assert "delete it, then apply again" in caught.value.hint


def test_a_protected_load_balancer_is_not_deleted_and_has_a_hint(stage: CaseSetup) -> None:
    protected = stage.spec({"deletion_protection": True})
    made = stage.create(stage.driver(), protected)
    with pytest.raises(Invalid) as caught:
        stage.driver().delete(made)
    assert (caught.value.code, caught.value.action) == (
        "OperationNotPermitted",
        "elasticloadbalancing:DeleteLoadBalancer",
    )
    assert "--unprotect" in caught.value.hint
    live = stage.read(made)
    assert LoadBalancer.protection.is_on(live.spec.managed_fields())
    for _ in range(2):
        stage.driver().unprotect(made)
    assert not LoadBalancer.protection.is_on(stage.read(made).spec.managed_fields())
    stage.driver().delete(made)
    stage.driver().unprotect(made)


def test_another_refusal_of_a_delete_stays_as_it_is() -> None:
    with pytest.raises(Invalid) as caught:
        driver(Script({"DeleteLoadBalancer": ["ValidationError"]})).delete(ARN)
    assert caught.value.hint == ""
    driver(Script({"DeleteLoadBalancer": ["LoadBalancerNotFound"]})).delete(ARN)


def test_it_is_deleted_once_its_network_interfaces_are() -> None:
    two = {"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}, {"NetworkInterfaceId": "eni-2"}]}
    script = Script({"DescribeNetworkInterfaces": [two, {"NetworkInterfaces": []}]})
    [look] = driver(script).wait_deleted(ARN)
    assert (look.waiting_for, look.status) == ("the load balancer's network interfaces to be deleted", "2 left")
    assert script.sent[0][1]["Filter.1.Value.1"] == "ELB app/lb/50dc6c495c0c9188"


def test_the_interfaces_of_an_existing_one_are_found(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    assert next(stage.driver().wait_deleted(made)).status.endswith(" left")


def test_an_update_of_one_that_is_gone_is_not_silent() -> None:
    script = Script({"SetIpAddressType": ["LoadBalancerNotFound"]})
    with pytest.raises(NotFound):
        driver(script).update(Live(ARN, spec()), spec(ip_address_type="dualstack"))


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (["subnet-1", "subnet-2", "subnet-3"], ["subnet-1", "subnet-2", "subnet-3"]),
        (["subnet-1", "subnet-2", "subnet-1b"], ["subnet-2", "subnet-1b"]),
        (["subnet-3", "subnet-1b"], ["subnet-3", "subnet-1b"]),
        (["subnet-2", "subnet-1"], None),
    ],
)
def test_another_subnet_of_a_zone_takes_the_place_of_the_one_it_has(wanted: list[str], sent: list[str] | None) -> None:
    zones = {"subnet-1": "a", "subnet-1b": "a", "subnet-2": "b", "subnet-3": "c"}
    subnets = [{"SubnetId": id, "AvailabilityZone": zone} for id, zone in zones.items()]
    script = Script({"DescribeSubnets": [{"Subnets": subnets}], "SetSubnets": [{}]})
    subject = LoadBalancer(context(script.aws()))
    subject.update(Live("arn:lb", spec()), spec(subnets=wanted))
    bodies = [body for name, body in script.sent if name == "SetSubnets"]
    found = [[value for name, value in body.items() if name.startswith("Subnets")] for body in bodies]
    assert found == ([] if sent is None else [sent])
