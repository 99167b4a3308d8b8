"""SNS: topics, and subscriptions that people have to confirm."""

from __future__ import annotations

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

_CONFIRMED_BY_PEOPLE = {"email", "email-json", "http", "https"}
PENDING = "PendingConfirmation"


@handles("sns", "CreateTopic")
def create(call: Call) -> Fields:
    """The same name gives the same topic; with other tags it is refused (API reference, CreateTopic)."""
    account, arn = call.account, call.account.arn("sns", call["Name"])
    if _exists(account, arn):
        held = {
            tag["Key"]: tag["Value"]
            for tag in account.moto.call("sns", "ListTagsForResource", {"ResourceArn": arn})["Tags"]
        }
        if call["Tags"] is not None and {tag["Key"]: tag["Value"] for tag in call["Tags"]} != held:
            raise AwsError(
                "InvalidParameter", "Invalid parameter: Tags Reason: Topic already exists with different tags"
            )
        return {"TopicArn": arn}
    return call.moto()


def _pending(account: Account) -> dict[str, str]:
    """ARN -> endpoint of each subscription that is not confirmed."""
    return account.table("sns.pending_subscriptions")


def _exists(account: Account, arn: str) -> bool:
    try:
        account.moto.call("sns", "GetTopicAttributes", {"TopicArn": arn})
    except AwsError:
        return False
    return True


@handles("sns", "Subscribe")
def subscribe(call: Call) -> Fields:
    """Pending until the endpoint's owner confirms; the same subscription again gives the same ARN."""
    pending = _pending(call.account)
    before = {each["SubscriptionArn"] for each in _of_topic(call.account, call["TopicArn"])}
    arn = call.moto(ReturnSubscriptionArn=True)["SubscriptionArn"]
    if call["Protocol"] in _CONFIRMED_BY_PEOPLE and arn not in before:
        pending[arn] = call["Endpoint"] or ""
    if arn in pending and not call["ReturnSubscriptionArn"]:
        return {"SubscriptionArn": "pending confirmation"}
    return {"SubscriptionArn": arn}


def _of_topic(account: Account, topic: str) -> list[Fields]:
    if not _exists(account, topic):
        raise AwsError("NotFound", "Topic does not exist", status=404)
    found: list[Fields] = account.moto.call("sns", "ListSubscriptionsByTopic", {"TopicArn": topic})["Subscriptions"]
    return found


@handles("sns", "ListSubscriptionsByTopic")
def list_by_topic(call: Call) -> Fields:
    """``PendingConfirmation`` in place of the ARN until it is confirmed."""
    _of_topic(call.account, call["TopicArn"])
    return _shown(call.account, call.moto())


@handles("sns", "ListSubscriptions")
def list_all(call: Call) -> Fields:
    """``PendingConfirmation`` in place of the ARN until it is confirmed."""
    return _shown(call.account, call.moto())


def _shown(account: Account, response: Fields) -> Fields:
    for each in response["Subscriptions"]:
        if each["SubscriptionArn"] in _pending(account):
            each["SubscriptionArn"] = PENDING
    return response


@handles("sns", "GetSubscriptionAttributes")
def attributes(call: Call) -> Fields:
    """Says whether the subscription is pending."""
    response = call.moto()
    pending = call["SubscriptionArn"] in _pending(call.account)
    return {"Attributes": {**response["Attributes"], PENDING: str(pending).lower()}}


@handles("sns", "ConfirmSubscription")
def confirm(call: Call) -> Fields:
    """The token is the endpoint, or anything if only one of the topic's subscriptions is pending."""
    pending = [
        each for each in _of_topic(call.account, call["TopicArn"]) if each["SubscriptionArn"] in _pending(call.account)
    ]
    chosen = [each for each in pending if each["Endpoint"] == call["Token"]] or pending
    if not chosen:
        raise AwsError("InvalidParameter", "Invalid parameter: Token")
    arn = chosen[0]["SubscriptionArn"]
    del _pending(call.account)[arn]
    return {"SubscriptionArn": arn}


@handles("sns", "Unsubscribe")
def unsubscribe(call: Call) -> None:
    """A pending subscription cannot be deleted (API reference, Unsubscribe)."""
    arn = call["SubscriptionArn"]
    if arn == PENDING or arn in _pending(call.account):
        raise AwsError(
            "InvalidParameter", "Invalid parameter: Cannot unsubscribe a subscription that is pending confirmation"
        )
    call.moto()


@handles("sns", "DeleteTopic")
def delete(call: Call) -> None:
    """Absent is success; subscriptions go with it."""
    if _exists(call.account, call["TopicArn"]):
        gone = {each["SubscriptionArn"] for each in _of_topic(call.account, call["TopicArn"])}
        for arn in gone:
            _pending(call.account).pop(arn, None)
        call.moto()
