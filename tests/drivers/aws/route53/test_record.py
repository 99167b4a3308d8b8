"""DNS records: never overwritten, deleted as read, waited for by change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.spec import fields
from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.route53.record import Record, RecordSpec, plain_name
from smplan.drivers.base import Claim, Live, Owner
from smplan.errors import Conflict, Invalid
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script as Client
from tests.drivers.aws.autoscaling.stage import count_calls, record_writes, scripted
from tests.drivers.conformance import Case, CaseSetup, Script, context, differences

SPEC = {
    "zone_id": "${box.zone_id}",
    "name": "sm-${run}.${box.domain}",
    "type": "CNAME",
    "ttl": 300,
    "values": ["alb-${run}.elb.amazonaws.com"],
}
CLAIM = Claim(Owner("lineage", "record"), "token")
ALIAS = {"dns_name": "lb.elb.amazonaws.com", "zone_id": "Z35SXDOTRQ7X7K"}


def spec(**changes: Any) -> RecordSpec:
    stated = {"zone_id": "Z1", "name": "sm.example.com", "type": "CNAME", "ttl": 300, "values": ["lb.amazonaws.com"]}
    merged = {key: value for key, value in {**stated, **changes}.items() if value is not None}
    return RecordSpec.model_validate(merged)


def driver(answers: dict[str, list[Any]]) -> Record:
    return Record(context(Script(answers).aws()))


def standing(name: str = "sm.example.com.", kind: str = "CNAME") -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": "lb.amazonaws.com"}]}


def listing(*records: dict[str, Any]) -> dict[str, Any]:
    return {"ResourceRecordSets": list(records), "IsTruncated": False, "MaxItems": "300"}


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[CaseSetup]:
    """An empty stage whose subject is a CNAME."""
    with CaseSetup(box, aws, Case("aws.route53.record", "in-code", (), SPEC, {}, {})) as made:
        yield made


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"values": None, "ttl": None}, "either `values` with `ttl`, or `alias`"),
        ({"alias": ALIAS}, "either `values` with `ttl`, or `alias`"),
        ({"values": None, "alias": ALIAS}, "leave `ttl` out"),
        ({"ttl": None}, "`values` need a `ttl`"),
        ({"values": None, "ttl": None, "alias": ALIAS}, "an alias has type A"),
        ({"values": ["a.example.com", "b.example.com"]}, "a CNAME has one value"),
        ({"values": []}, "at least 1 item"),
        ({"type": "A"}, "lb.amazonaws.com is not an IPv4 address"),
        ({"type": "A", "values": ["192.0.2.1", "2001:db8::1"]}, "2001:db8::1 is not an IPv4 address"),
        ({"values": ["192.0.2.1"]}, "is an address: write `type: A`"),
        ({"values": ["https://target.example.net/"]}, "leave out scheme, port, path"),
        ({"values": ["target.example.net:443"]}, "leave out scheme, port, path"),
        ({"name": "a..b.example.com"}, "empty label"),
        ({"name": ".example.com"}, "empty label"),
        ({"name": f"{'a' * 64}.example.com"}, "has 64 characters: a label has at most 63"),
        ({"name": ".".join(["a" * 50] * 5)}, "at most 253 characters, this one 254"),
        ({"name": "überträgt.example.com"}, "Punycode: xn--bertrgt-9wa4s.example.com"),
        ({"name": "ü..example.com"}, "Punycode$|Punycode "),
        ({"values": None, "ttl": None, "type": "A", "alias": {**ALIAS, "dns_name": "a..b"}}, "empty label"),
        ({"type": "TXT"}, "Input should be"),
        ({"ttl": -1}, "greater than or equal to 0"),
        ({"zone_id": "/hostedzone/Z1"}, "match pattern"),
    ],
)
def test_a_spec_that_route_53_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"values": [Ref("lb", path=("dns_name",))]},
        {"values": Ref("names")},
        {"type": "A", "values": [Ref("ip"), "192.0.2.1"]},
        {"type": "A", "values": None, "ttl": None, "alias": Ref("target")},
        {"type": "A", "values": None, "ttl": None, "alias": ALIAS},
        {"name": "_x.example.com", "values": ["_y.acm-validations.aws."]},
        {"name": "*.Fleet.Example.COM."},
        {"name": f"{'a' * 63}.example.com"},
        {"name": ".".join(["a" * 49] * 5)},
        {"name": "5.2.0.192.in-addr.arpa", "values": ["5.0/25.2.0.192.in-addr.arpa"]},
        {"type": Ref("type")},
    ],
)
def test_what_route_53_takes_and_what_is_to_come_is_let_through(changes: dict[str, Any]) -> None:
    assert spec(**changes).zone_id == "Z1"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Example.COM.", "example.com"),
        ("\\052.example.com.", "*.example.com"),
        ("a\\100b.example.com", "a@b.example.com"),
        ("a.example.com", "a.example.com"),
    ],
)
def test_a_name_has_one_form(written: str, plain: str) -> None:
    assert plain_name(written) == plain
    assert fields(RecordSpec)["name"].canonical(written) == plain


def test_values_are_names_in_any_form_and_order() -> None:
    assert fields(RecordSpec)["values"].canonical(["B.example.com.", "a.example.com"]) == [
        "a.example.com",
        "b.example.com",
    ]
    assert fields(RecordSpec)["values"].canonical([7]) == [7]


def test_an_existing_record_is_never_overwritten_by_a_create(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    with pytest.raises(Conflict):
        stage.driver().create(stage.spec({"ttl": 60}), stage.claim())
    assert stage.read(made).spec.ttl == 300


def test_a_create_sends_create_and_an_update_sends_upsert(stage: CaseSetup) -> None:
    way, writes = record_writes(stage.box.facts.region)
    made = stage.create(stage.driver(way), stage.spec())
    stage.driver(way).update(stage.read(made), stage.spec({"ttl": 60}))
    stage.driver(way).update(stage.read(made), stage.spec({"ttl": 60}))
    changes = [sent["ChangeBatch"]["Changes"] for _, sent in writes]
    assert [[each["Action"] for each in batch] for batch in changes] == [["CREATE"], ["UPSERT"]]


def test_a_delete_sends_the_record_as_it_is_now(stage: CaseSetup, aws: Aws) -> None:
    made = stage.create(stage.driver(), stage.spec())
    by_hand = {"Name": f"sm-{stage.run}.example.com", "Type": "CNAME", "TTL": 5, "ResourceRecords": [{"Value": "x.y"}]}
    batch: Any = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": by_hand}]}
    aws.write.route53.change_resource_record_sets(HostedZoneId=stage.box.facts.zone_id, ChangeBatch=batch)
    stage.driver().delete(made)
    assert stage.driver().read_many([made]) == {}


@pytest.mark.parametrize(
    "answers",
    [
        {"ListResourceRecordSets": [listing()]},
        {"ListResourceRecordSets": [listing(standing("sn.example.com."))]},
        {"ListResourceRecordSets": [listing(standing(kind="MX"))]},
        {"ListResourceRecordSets": ["NoSuchHostedZone"]},
        {"ListResourceRecordSets": [listing(standing())], "ChangeResourceRecordSets": ["NoSuchHostedZone"]},
    ],
)
def test_what_is_gone_is_deleted_already(answers: dict[str, list[Any]]) -> None:
    script = Script(answers)
    Record(context(script.aws())).delete("Z1/sm.example.com")
    assert script.names() == list(answers)


def test_a_cname_at_the_apex_is_refused_with_a_hint(stage: CaseSetup) -> None:
    with pytest.raises(Invalid) as caught:
        stage.driver().create(stage.spec({"name": stage.box.facts.domain}), stage.claim())
    assert caught.value.hint.startswith("use type A with `alias`")
    assert (caught.value.code, caught.value.action) == ("InvalidChangeBatch", "route53:ChangeResourceRecordSets")


def test_a_cname_beside_another_record_is_refused_with_a_hint(stage: CaseSetup) -> None:
    stage.create(stage.driver(), stage.spec())
    with pytest.raises(Invalid) as caught:
        stage.driver().create(stage.spec({"type": "A", "values": ["192.0.2.1"]}), stage.claim())
    assert "a CNAME must be the only record" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[Tried to delete x, but the values provided do not match the current values]", "run `smplan plan` again"),
        ("[The request contains an invalid value]", ""),
    ],
)
def test_other_refusals_have_a_hint_where_one_is_known(text: str, hint: str) -> None:
    def refuse(_: Any) -> None:
        raise Invalid(text, code="InvalidChangeBatch")

    client = Client(change_resource_record_sets=refuse)
    with pytest.raises(Invalid) as caught:
        Record(scripted(route53=client)).create(spec(), CLAIM)
    assert hint in caught.value.hint
    assert bool(caught.value.hint) == bool(hint)


def test_one_record_is_jumped_to_and_of_several_the_zone_is_paged_once(stage: CaseSetup) -> None:
    first = stage.create(stage.driver(), stage.spec())
    second = stage.create(stage.driver(), stage.spec({"name": f"*.{stage.run}.example.com"}))
    gone = f"{stage.box.facts.zone_id}/gone.example.com"
    given, calls = count_calls(stage.box.facts.region)
    assert set(Record(given).read_many([first])) == {first}
    assert calls == ["route53:ListResourceRecordSets"]
    calls.clear()
    assert set(Record(given).read_many([first, second, gone])) == {first, second}
    assert calls == ["route53:ListResourceRecordSets"]


def test_records_of_a_zone_that_is_gone_are_gone() -> None:
    gone = driver({"ListResourceRecordSets": ["NoSuchHostedZone"]})
    assert gone.read_many(["Z1/a.example.com", "Z1/b.example.com", "Z2/c.example.com"]) == {}


def test_a_change_of_this_process_is_waited_for_by_its_id() -> None:
    pending, insync = ({"ChangeInfo": {"Id": "/change/C1", "Status": status}} for status in ("PENDING", "INSYNC"))
    script = Script({"ChangeResourceRecordSets": [pending], "GetChange": [pending, insync]})
    record = Record(context(script.aws()))
    made = record.create(spec(), CLAIM)
    [look] = record.wait_ready(made, spec())
    assert (look.waiting_for, look.status) == ("the record sm.example.com to be on all name servers", "PENDING")
    assert script.names() == ["ChangeResourceRecordSets", "GetChange", "GetChange"]


def test_a_change_of_an_earlier_run_is_waited_for_by_presence() -> None:
    script = Script({"ListResourceRecordSets": [listing(), listing(standing())]})
    [look] = Record(context(script.aws())).wait_ready("Z1/sm.example.com", spec())
    assert look.status == "not listed yet"
    assert script.names() == ["ListResourceRecordSets"] * 2


def test_a_change_that_route_53_forgot_is_waited_for_by_presence() -> None:
    answers: dict[str, list[Any]] = {
        "ChangeResourceRecordSets": [{"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}}],
        "GetChange": ["NoSuchChange"],
        "ListResourceRecordSets": [listing(standing())],
    }
    record = driver(answers)
    assert list(record.wait_ready(record.create(spec(), CLAIM), spec())) == []


def test_an_alias_becomes_addresses_in_one_change() -> None:
    client = Client(
        list_resource_record_sets=lambda _: listing(),
        change_resource_record_sets=lambda _: {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}},
    )
    live = Live("Z1/sm.example.com", spec(type="A", values=None, ttl=None, alias=ALIAS))
    Record(scripted(route53=client)).update(live, spec(type="A", values=["192.0.2.2", "192.0.2.1"]))
    _, sent = client.sent[-1]
    records = [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}]
    record = {"Name": "sm.example.com", "Type": "A", "TTL": 300, "ResourceRecords": records}
    assert sent["ChangeBatch"]["Changes"] == [{"Action": "UPSERT", "ResourceRecordSet": record}]


@pytest.mark.parametrize("others", [[], ["Z1/other.example.com"]])
def test_a_record_with_a_routing_policy_is_not_ours(others: list[str]) -> None:
    weighted = {**standing(), "SetIdentifier": "blue", "Weight": 1}
    script = Script({"ListResourceRecordSets": [listing(weighted)]})
    records, id = Record(context(script.aws())), "Z1/sm.example.com"
    assert records.read_many([id, *others]) == {}
    found = records.find(spec())
    assert found is not None
    assert (found.id, found.owner) == (id, None)
    records.delete(id)
    assert "ChangeResourceRecordSets" not in script.names()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"type": "A", "values": ["192.0.2.1"]}),
        ({}, {"type": "A", "values": None, "ttl": None, "alias": ALIAS}),
        ({"type": "A", "values": ["192.0.2.1"]}, {}),
        ({"type": "A", "values": None, "ttl": None, "alias": ALIAS}, {}),
    ],
)
def test_another_type_is_one_batch_and_the_id_stays(
    stage: CaseSetup, before: dict[str, Any], after: dict[str, Any]
) -> None:
    made = stage.create(stage.driver(), stage.spec(before))
    way, writes = record_writes(stage.box.facts.region)
    wanted = stage.spec(after)
    for _ in range(2):
        stage.driver(way).update(stage.read(made), wanted)
    ((_, sent),) = writes
    changes = sent["ChangeBatch"]["Changes"]
    assert [(each["Action"], each["ResourceRecordSet"]["Type"]) for each in changes] == [
        ("DELETE", before.get("type", "CNAME")),
        ("CREATE", after.get("type", "CNAME")),
    ]
    assert differences(wanted, stage.read(made).spec) == {}


def test_a_health_check_that_was_set_by_hand_stays_with_another_type() -> None:
    script = Script(
        {
            "ListResourceRecordSets": [listing({**standing(), "HealthCheckId": "h"})],
            "ChangeResourceRecordSets": [{"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}}],
        }
    )
    subject = Record(context(script.aws()))
    subject.update(Live("Z1/sm.example.com", spec()), spec(type="A", values=["192.0.2.1"]))
    body = script.sent[-1][1].decode()  # type: ignore[attr-defined]  # Route 53 takes XML
    assert body.count("<HealthCheckId>h</HealthCheckId>") == 2


def test_the_id_of_an_older_state_names_the_same_record(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    older = f"{made}/CNAME"
    assert set(stage.driver().read_many([older])) == {older}
    stage.driver().delete(older)
    assert stage.driver().read_many([made]) == {}
