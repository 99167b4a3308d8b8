"""Route 53's and SNS's rules, over the wire."""

from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]


class Zone:
    """The sandbox's hosted zone."""

    def __init__(self, still: Sandbox, aws_of: Client) -> None:
        self.route53, self.id = aws_of("route53"), still.facts.zone_id

    def change(self, *changes: tuple[str, str, str, str], **fields: Any) -> Any:
        """Each change is (action, name, type, value)."""
        batch = [
            {
                "Action": action,
                "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]},
            }
            for action, name, kind, value in changes
        ]
        batch += [{"Action": "CREATE", "ResourceRecordSet": fields}] if fields else []
        return self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": batch})[
            "ChangeInfo"
        ]

    def refuse(self, *changes: tuple[str, str, str, str]) -> str:
        return refused("InvalidChangeBatch", lambda: self.change(*changes))

    def values(self, name: str) -> dict[str, str]:
        answer = self.route53.list_resource_record_sets(HostedZoneId=self.id, StartRecordName=name)
        found = answer["ResourceRecordSets"]
        return {each["Type"]: each["ResourceRecords"][0]["Value"] for each in found if each["Name"] == name}


@pytest.fixture
def zone(still: Sandbox, aws_of: Client) -> Zone:
    return Zone(still, aws_of)


def test_a_change_is_pending_for_half_a_minute(zone: Zone, name: str, later: Later) -> None:
    made = zone.change(("CREATE", f"{name}.example.com", "CNAME", "x.example.org"))

    def status() -> Any:
        return zone.route53.get_change(Id=made["Id"])["ChangeInfo"]["Status"]

    assert (made["Status"], status()) == ("PENDING", "PENDING")
    later(31)
    assert status() == "INSYNC"
    refused("NoSuchChange", zone.route53.get_change, Id="C0")


def test_what_exists_cannot_be_created_and_what_is_absent_cannot_be_deleted(zone: Zone, name: str) -> None:
    host = f"{name}.example.com"
    zone.change(("CREATE", host, "CNAME", "x.example.org"))
    assert "already exists" in zone.refuse(("CREATE", host.upper(), "CNAME", "y.example.org"))
    assert "do not match" in zone.refuse(("DELETE", host, "CNAME", "y.example.org"))
    assert "not found" in zone.refuse(("DELETE", f"absent-{host}", "CNAME", "y.example.org"))
    zone.change(("UPSERT", host, "CNAME", "z.example.org"))
    assert zone.values(f"{host}.") == {"CNAME": "z.example.org"}
    zone.change(("DELETE", host, "CNAME", "z.example.org"))
    assert zone.values(f"{host}.") == {}


def test_a_cname_stands_alone_and_never_at_the_apex(zone: Zone, name: str) -> None:
    host = f"{name}.example.com"
    assert "apex" in zone.refuse(("CREATE", "example.com", "CNAME", "x.example.org"))
    zone.change(("CREATE", host, "A", "10.0.0.1"))
    assert "conflicts" in zone.refuse(("CREATE", host, "CNAME", "x.example.org"))
    zone.change(("DELETE", host, "A", "10.0.0.1"), ("CREATE", host, "CNAME", "x.example.org"))
    assert "conflicts" in zone.refuse(("CREATE", host, "A", "10.0.0.1"))
    assert zone.values(f"{host}.") == {"CNAME": "x.example.org"}


def test_a_batch_is_all_or_nothing(zone: Zone, name: str) -> None:
    host = f"{name}.example.com"
    zone.refuse(("CREATE", host, "A", "10.0.0.1"), ("DELETE", f"absent-{host}", "A", "10.0.0.1"))
    assert zone.values(f"{host}.") == {}
    assert "not permitted in zone" in zone.refuse(("CREATE", "www.example.org", "A", "10.0.0.1"))


def test_an_alias_is_deleted_by_its_target(zone: Zone, name: str) -> None:
    def alias(target: str) -> dict[str, Any]:
        where = {"DNSName": target, "HostedZoneId": "Z35SXDOTRQ7X7K", "EvaluateTargetHealth": False}
        return {"Name": f"{name}.example.com", "Type": "A", "AliasTarget": where}

    zone.change(**alias("one.us-east-1.elb.amazonaws.com"))

    def delete(target: str) -> None:
        batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": alias(target)}]}
        zone.route53.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch=batch)

    refused("InvalidChangeBatch", delete, target="two.us-east-1.elb.amazonaws.com")
    delete("one.us-east-1.elb.amazonaws.com")


def test_records_beyond_a_page_are_seen(zone: Zone, name: str) -> None:
    for start in (0, 200):
        zone.change(
            *(("CREATE", f"{name}-{number}.example.com", "A", "10.0.0.1") for number in range(start, start + 200))
        )
    assert "already exists" in zone.refuse(("CREATE", f"{name}-399.example.com", "A", "10.0.0.1"))


@pytest.fixture
def sns(aws_of: Client) -> Any:
    return aws_of("sns")


def test_a_topic_of_the_same_name_is_the_same_unless_its_tags_differ(sns: Any, name: str) -> None:
    tags = [{"Key": "a", "Value": "1"}]
    arn = sns.create_topic(Name=name, Tags=tags)["TopicArn"]
    assert sns.create_topic(Name=name, Tags=tags)["TopicArn"] == sns.create_topic(Name=name)["TopicArn"] == arn
    text = refused("InvalidParameter", sns.create_topic, Name=name, Tags=[{"Key": "a", "Value": "2"}])
    assert "different tags" in text


def test_people_confirm_their_subscriptions(sns: Any, name: str) -> None:
    topic = sns.create_topic(Name=name)["TopicArn"]
    ops = {"TopicArn": topic, "Protocol": "email", "Endpoint": "ops@example.com"}
    assert sns.subscribe(**ops)["SubscriptionArn"] == "pending confirmation"
    arn = sns.subscribe(**ops, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def listed() -> list[str]:
        return [each["SubscriptionArn"] for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]]

    assert listed() == ["PendingConfirmation"]
    everywhere = [each for each in sns.list_subscriptions()["Subscriptions"] if each["TopicArn"] == topic]
    assert [each["SubscriptionArn"] for each in everywhere] == ["PendingConfirmation"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "true"
    for unsubscribed in (arn, "PendingConfirmation"):
        refused("InvalidParameter", sns.unsubscribe, SubscriptionArn=unsubscribed)
    assert sns.confirm_subscription(TopicArn=topic, Token="ops@example.com")["SubscriptionArn"] == arn
    assert listed() == [arn]
    refused("InvalidParameter", sns.confirm_subscription, TopicArn=topic, Token="again")
    sns.unsubscribe(SubscriptionArn=arn)
    assert listed() == []


def test_machines_need_no_confirmation(sns: Any, name: str) -> None:
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = "arn:aws:sqs:us-east-1:210987654321:q"
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    assert arn.startswith(topic)


def test_an_absent_topic_is_refused_when_read_and_no_fault_when_deleted(sns: Any, name: str) -> None:
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    for _ in range(2):
        sns.delete_topic(TopicArn=topic)
    refused("NotFound", sns.list_subscriptions_by_topic, TopicArn=topic)
    refused("NotFound", sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
