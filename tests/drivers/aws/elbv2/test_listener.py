"""Listeners: TLS settings, changes of several fields at once, reads with missing ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.elbv2 import _common, _forwarding
from smplan.drivers.aws.elbv2.listener import Listener, ListenerSpec
from smplan.drivers.base import Claim, Live, Owner
from smplan.errors import Conflict, Invalid, NotFound
from smplan.sandbox.aws import moto_state
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import count_calls, record_writes
from tests.drivers.conformance import Case, CaseSetup, Script, context, differences

BALANCER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188"
ARN = BALANCER.replace(":loadbalancer/", ":listener/") + "/f2f7dc8efc522ab2"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/73e2d6bc24d8a067"
POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
SETUP = (
    {
        "as": "lb",
        "kind": "aws.elbv2.load_balancer",
        "spec": {"name": "lb-${run}", "subnets": ["${box.subnet_ids[0]}", "${box.subnet_ids[1]}"]},
    },
    {
        "as": "tg",
        "kind": "aws.elbv2.target_group",
        "spec": {"name": "tg-${run}", "protocol": "HTTP", "port": 5080, "vpc_id": "${box.vpc_id}"},
    },
)
SPEC = {"load_balancer_arn": "${lb.arn}", "port": 443, "protocol": "HTTP", "target_group_arn": "${tg.arn}"}
HINT = "use a certificate that is ISSUED and in the region of the load balancer"
HTTPS = {"protocol": "HTTPS", "certificate_arn": "${box.certificate_arn}", "ssl_policy": POLICY}


def spec(**changes: Any) -> ListenerSpec:
    stated = {"load_balancer_arn": BALANCER, "port": 443, "protocol": "HTTP", "target_group_arn": GROUP}
    return ListenerSpec.model_validate({**stated, **changes})


def described(**changes: Any) -> dict[str, Any]:
    stated = {"ListenerArn": ARN, "LoadBalancerArn": BALANCER, "Port": 443, "Protocol": "HTTP"}
    return {**stated, "DefaultActions": [{"Type": "forward", "TargetGroupArn": GROUP}], **changes}


def driver(answers: dict[str, list[Any]]) -> Listener:
    return Listener(context(Script({"DescribeTags": [{"TagDescriptions": []}], **answers}).aws()))


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[CaseSetup]:
    """A load balancer and a target group; the subject is a listener between them."""
    with CaseSetup(box, aws, Case("aws.elbv2.listener", "in-code", SETUP, SPEC, {}, {})) as made:
        yield made


@pytest.fixture
def certificate(box: Sandbox) -> Iterator[str]:
    """A second certificate, issued."""
    arn: str = box.aws.moto.call("acm", "RequestCertificate", {"DomainName": "listener.example.org"})["CertificateArn"]
    moto_state.issue(box.account, arn)
    yield arn
    box.aws.moto.call("acm", "DeleteCertificate", {"CertificateArn": arn})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"protocol": "HTTPS"}, "HTTPS needs `certificate_arn`"),
        ({"protocol": "HTTPS", "certificate_arn": "arn:c"}, "HTTPS needs `ssl_policy`"),
        ({"certificate_arn": "arn:c"}, "`certificate_arn` goes with HTTPS only"),
        ({"ssl_policy": POLICY}, "`ssl_policy` goes with HTTPS only"),
        ({"protocol": "TCP"}, "Input should be"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"target_group_arn": "tg"}, "match pattern"),
    ],
)
def test_a_spec_that_aws_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": Ref("var", path=("protocol",))},
        {"protocol": Ref("var", path=("protocol",)), "ssl_policy": POLICY},
        {"protocol": "HTTPS", "certificate_arn": Ref("cert", path=("arn",)), "ssl_policy": Ref("p")},
    ],
)
def test_what_is_to_come_counts_as_given(changes: dict[str, Any]) -> None:
    assert spec(**changes).port == 443


def test_http_becomes_https_and_http_again_in_one_call_each(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    way, writes = record_writes(stage.box.facts.region)
    for changes, sent in ((HTTPS, {"Protocol", "Certificates", "SslPolicy"}), ({}, {"Protocol"})):
        wanted = stage.spec(changes)
        stage.driver(way).update(stage.read(made), wanted)
        assert differences(wanted, stage.read(made).spec) == {}
        assert [(name, set(each) - {"ListenerArn"}) for name, each in writes] == [("ModifyListener", sent)]
        writes.clear()
        stage.driver(way).update(stage.read(made), wanted)
        assert writes == []
    assert (stage.read(made).spec.certificate_arn, stage.read(made).spec.ssl_policy) == (None, None)


def test_another_certificate_is_sent_alone(stage: CaseSetup, certificate: str) -> None:
    made = stage.create(stage.driver(), stage.spec(HTTPS))
    way, writes = record_writes(stage.box.facts.region)
    wanted = stage.spec({**HTTPS, "certificate_arn": certificate})
    stage.driver(way).update(stage.read(made), wanted)
    assert writes == [("ModifyListener", {"ListenerArn": made, "Certificates": [{"CertificateArn": certificate}]})]
    assert stage.read(made).spec.certificate_arn == certificate
    stage.remove(stage.driver(), made)


@pytest.mark.parametrize("code", ["CertificateNotFound", "UnsupportedCertificate"])
def test_an_unusable_certificate_has_a_hint(code: str) -> None:
    refusing = driver({"CreateListener": [code], "ModifyListener": [code]})
    with pytest.raises(Invalid) as created:
        refusing.create(spec(), Claim(Owner("lineage", "listener"), "token"))
    with pytest.raises(Invalid) as updated:
        refusing.update(Live(ARN, spec()), spec(protocol="HTTPS", certificate_arn="arn:c", ssl_policy=POLICY))
    assert created.value.hint == updated.value.hint == HINT
    assert (created.value.code, created.value.action) == (code, "elasticloadbalancing:CreateListener")


def test_another_refusal_of_a_change_stays_as_it_is() -> None:
    with pytest.raises(NotFound) as caught:
        driver({"ModifyListener": ["TargetGroupNotFound"]}).update(
            Live(ARN, spec()), spec(protocol="HTTPS", certificate_arn="arn:c", ssl_policy=POLICY)
        )
    assert caught.value.hint == ""


def test_a_port_that_is_listened_on_is_a_conflict(stage: CaseSetup) -> None:
    stage.create(stage.driver(), stage.spec())
    with pytest.raises(Conflict):
        stage.driver().create(stage.spec(HTTPS), stage.claim())


def test_find_goes_by_load_balancer_and_port(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    found = stage.driver().find(stage.spec(HTTPS))
    assert found is not None
    assert found.id == made
    assert stage.driver().find(stage.spec({"port": 444})) is None


def test_two_listeners_are_read_in_two_calls(stage: CaseSetup) -> None:
    made = [stage.create(stage.driver(), stage.spec({"port": port})) for port in (443, 5080)]
    given, calls = count_calls(stage.box.facts.region)
    assert set(Listener(given).read_many(made)) == set(made)
    assert [call.partition(":")[2] for call in calls] == ["DescribeListeners", "DescribeTags"]


def test_with_one_gone_the_others_are_read_by_load_balancer() -> None:
    gone, elsewhere = ARN[:-1] + "3", ARN.replace("/lb/", "/zz/")
    unwanted = described(ListenerArn=ARN[:-1] + "4")
    answers: dict[str, list[Any]] = {
        "DescribeTags": [{"TagDescriptions": []}],
        "DescribeListeners": [
            "ListenerNotFound",
            {"Listeners": [described(), unwanted]},
            "LoadBalancerNotFound",
        ],
    }
    script = Script(answers)
    assert set(Listener(context(script.aws())).read_many([ARN, gone, elsewhere])) == {ARN}
    asked = [sent.get("LoadBalancerArn") for name, sent in script.sent if name == "DescribeListeners"]
    assert asked == [None, BALANCER, BALANCER.replace("/lb/", "/zz/")]


def test_listeners_of_a_load_balancer_that_is_gone_are_gone() -> None:
    answers: dict[str, list[Any]] = {"DescribeListeners": ["ListenerNotFound", "LoadBalancerNotFound"]}
    assert driver(answers).read_many([ARN]) == {}
    assert driver({"DescribeListeners": ["LoadBalancerNotFound"]}).find(spec()) is None


@pytest.mark.parametrize(
    ("actions", "shown"),
    [
        ([{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}], "redirect"),
        ([{"Type": "authenticate-oidc"}, {"Type": "forward", "TargetGroupArn": "arn:a"}], "arn:a"),
        (
            [
                {
                    "Type": "forward",
                    "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "arn:a"}, {"TargetGroupArn": "arn:b"}]},
                }
            ],
            "arn:a, arn:b",
        ),
        ([], ""),
    ],
)
def test_actions_set_by_hand_show_as_a_difference(actions: list[Any], shown: str) -> None:
    answers: dict[str, list[Any]] = {"DescribeListeners": [{"Listeners": [described(DefaultActions=actions)]}]}
    assert driver(answers).read_many([ARN])[ARN].spec.target_group_arn == shown


def test_twenty_one_listeners_are_read_in_two_batches() -> None:
    script = Script({"DescribeListeners": [{"Listeners": []}]})
    assert Listener(context(script.aws())).read_many([f"{ARN}{number:02}" for number in range(21)]) == {}
    assert script.names() == ["DescribeListeners"] * 2


def test_tags_of_the_others_are_read_though_one_is_gone() -> None:
    owned = {"ResourceArn": "arn:a", "Tags": [{"Key": "team", "Value": "video"}]}
    answers: dict[str, list[Any]] = {
        "DescribeTags": ["ListenerNotFound", {"TagDescriptions": [owned]}, "ListenerNotFound"]
    }
    assert _common.all_tags(Script(answers).aws(), ["arn:b", "arn:a"]) == {"arn:a": {"team": "video"}}


def test_who_must_log_in_and_stickiness_stay_with_another_target_group() -> None:
    endpoints = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")
    oidc = {**dict.fromkeys(endpoints, "https://id"), "ClientId": "1"}
    sticky = {"Enabled": True, "DurationSeconds": 60}
    actions = [
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc},
        {"Type": "forward", "Order": 2, "ForwardConfig": {"TargetGroupStickinessConfig": sticky}},
    ]
    script = Script({"DescribeListeners": [{"Listeners": [described(DefaultActions=actions)]}], "ModifyListener": [{}]})
    subject = Listener(context(script.aws()))
    subject.update(Live(ARN, spec()), spec(target_group_arn="arn:b"))
    ((login, forward),) = modified(script)
    assert login["AuthenticateOidcConfig"] == {**oidc, "UseExistingClientSecret": "true"}
    assert (login["Order"], forward["TargetGroupArn"], forward["Order"]) == (1, "arn:b", 2)
    assert forward["ForwardConfig"] == {
        "TargetGroups": [{"TargetGroupArn": "arn:b"}],
        "TargetGroupStickinessConfig": {"Enabled": "true", "DurationSeconds": 60},
    }


def modified(script: Script) -> list[list[dict[str, Any]]]:
    """The default actions of each ModifyListener, from the flat members of the request."""
    found = []
    for body in (sent for name, sent in script.sent if name == "ModifyListener"):
        tree: dict[str, Any] = {}
        for name, value in body.items():
            *path, last = name.split(".")
            at = tree
            for part in path:
                at = at.setdefault(part, {})
            at[last] = value
        found.append(_lists(tree["DefaultActions"]))
    return found


def _lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inner = tree.get("member")
    if inner:
        return [_lists(inner[number]) for number in sorted(inner, key=int)]
    return {name: _lists(value) for name, value in tree.items()}


def weighted(*groups: tuple[str, int]) -> dict[str, Any]:
    """A listener that forwards to these target groups, each with its weight."""
    targets = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups]
    return {"Listeners": [described(DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}])]}


def health(*states: str) -> dict[str, Any]:
    return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}} for state in states]}


def test_another_target_group_gets_no_requests_before_as_many_targets_are_healthy_in_it() -> None:
    answers: dict[str, list[Any]] = {
        "DescribeListeners": [weighted(("arn:a", 1)), weighted(("arn:a", 1), ("arn:b", 0))],
        "DescribeTargetHealth": [
            health("healthy", "healthy"),
            *(health("healthy", "healthy"), health()),
            *(health("healthy", "healthy"), health("healthy", "initial")),
            *(health("healthy", "healthy"), health("healthy", "healthy", "unhealthy")),
        ],
        "ModifyListener": [{}, {}],
    }
    script = Script(answers)
    subject, wanted = Listener(context(script.aws())), spec(target_group_arn="arn:b")
    subject.update(Live(ARN, spec(target_group_arn="arn:a")), wanted)
    polls = [each.status for each in subject.wait_ready(ARN, wanted)]
    first, last = modified(script)
    beside = [{"TargetGroupArn": "arn:a", "Weight": 1}, {"TargetGroupArn": "arn:b", "Weight": 0}]
    assert first == [{"Type": "forward", "ForwardConfig": {"TargetGroups": beside}}]
    assert last == [{"Type": "forward", "TargetGroupArn": "arn:b"}]
    assert polls == ["2 needed; no targets yet", "2 needed; 1 healthy; 1 initial"]
    asked = len(script.sent)
    assert list(subject.wait_ready(ARN, wanted)) == []
    assert len(script.sent) == asked, "the target group has passed"
    assert "weight 0" in subject.diagnose_timeout(wanted)


@pytest.mark.parametrize(
    ("rule", "forwards", "healthy", "first"),
    [
        ("nothing serves", [("arn:a", 1)], [], None),
        ("it gets requests already", [("arn:a", 1), ("arn:b", 1)], ["healthy"], None),
        ("an earlier run has put it beside", [("arn:a", 1), ("arn:b", 0)], ["healthy"], [("arn:a", 1), ("arn:b", 0)]),
        (
            "others share the requests",
            [("arn:a", 3), ("arn:c", 1)],
            ["healthy"],
            [("arn:a", 3), ("arn:c", 1), ("arn:b", 0)],
        ),
        ("there is no room beside", [(f"arn:{number}", 1) for number in range(5)], ["healthy"], None),
    ],
)
def test_how_a_listener_first_forwards_to_another_target_group(
    rule: str, forwards: list[tuple[str, int]], healthy: list[str], first: list[tuple[str, int]] | None
) -> None:
    answers: dict[str, list[Any]] = {
        "DescribeListeners": [weighted(*forwards)],
        "DescribeTargetHealth": [health(*healthy)] * 5,
        "ModifyListener": [{}],
    }
    script = Script(answers)
    Listener(context(script.aws())).update(Live(ARN, spec(target_group_arn="arn:a")), spec(target_group_arn="arn:b"))
    ((forward,),) = modified(script)
    assert forward.get("TargetGroupArn") == (None if first else "arn:b"), rule
    groups = forward.get("ForwardConfig", {}).get("TargetGroups", [])
    assert [(each["TargetGroupArn"], each["Weight"]) for each in groups] == (first or []), rule


def test_a_listener_or_a_target_group_that_is_gone_serves_nobody() -> None:
    answers: dict[str, list[Any]] = {
        "DescribeListeners": ["ListenerNotFound"],
        "DescribeTargetHealth": ["TargetGroupNotFound"],
    }
    aws = Script(answers).aws()
    assert _forwarding.actions_of(aws, ARN) == []
    assert not _forwarding.passes(aws, [{"Type": "forward", "TargetGroupArn": "arn:a"}], "arn:b")
