"""Route 53: changes that are refused whole, and take half a minute to be everywhere."""

from __future__ import annotations

import secrets

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

INSYNC_SECONDS = 30.0
Key = tuple[str, str, str]


def normal(name: str) -> str:
    """A name as Route 53 keeps it: lower case, with the final dot, ``*`` as ``\\052``."""
    text = name.lower().replace("*", "\\052")
    return text if text.endswith(".") else f"{text}."


def _changes(account: Account) -> dict[str, float]:
    """Change id -> the virtual second at which it is INSYNC."""
    return account.table("route53.changes")


def record_sets(account: Account, zone_id: str) -> list[Fields]:
    """Every record set of a zone."""
    found: list[Fields] = []
    params: Fields = {"HostedZoneId": zone_id}
    while True:
        response = account.moto.call("route53", "ListResourceRecordSets", params)
        found += response["ResourceRecordSets"]
        if not response.get("IsTruncated"):
            return found
        params = {
            "HostedZoneId": zone_id,
            "StartRecordName": response["NextRecordName"],
            "StartRecordType": response["NextRecordType"],
        }


def _key(record: Fields) -> Key:
    return normal(record["Name"]), record["Type"], record.get("SetIdentifier") or ""


@handles("route53", "ChangeResourceRecordSets")
def change(call: Call) -> Fields:
    """All or nothing (API reference, ChangeResourceRecordSets): InvalidChangeBatch says what is wrong."""
    account, zone_id = call.account, str(call["HostedZoneId"]).removeprefix("/hostedzone/")
    apex = normal(account.moto.call("route53", "GetHostedZone", {"Id": zone_id})["HostedZone"]["Name"])
    records = {_key(each): each for each in record_sets(account, zone_id)}
    changes = call["ChangeBatch"]["Changes"]
    for each in changes:
        _try(records, each["Action"], each["ResourceRecordSet"], apex)
    # moto knows no order within a batch that DELETE and CREATE the same name with another type need
    for each in sorted(changes, key=lambda one: one["Action"] != "DELETE"):
        batch = {"Changes": [each]}
        account.moto.call("route53", "ChangeResourceRecordSets", {"HostedZoneId": zone_id, "ChangeBatch": batch})
    change_id = f"C{secrets.token_hex(10).upper()}"
    _changes(account)[change_id] = account.now() + INSYNC_SECONDS
    return {"ChangeInfo": _info(account, change_id)}


def _try(records: dict[Key, Fields], action: str, record: Fields, apex: str) -> None:
    """Apply one change to ``records``. Raises AwsError."""
    key = _key(record)
    shown = f"[name='{key[0]}', type='{key[1]}']"
    if not (key[0] == apex or key[0].endswith(f".{apex}")):
        raise _bad(f"RRSet with DNS name {key[0]} is not permitted in zone {apex}")
    held = records.get(key)
    if action == "DELETE":
        if held is None:
            raise _bad(f"Tried to delete resource record set {shown} but it was not found")
        if not _same(held, record):
            raise _bad(
                f"Tried to delete resource record set {shown} but the values provided do not match the current values"
            )
        del records[key]
        return
    if action == "CREATE" and held is not None:
        raise _bad(f"Tried to create resource record set {shown} but it already exists")
    _check_cname(records, key, apex)
    records[key] = record


def _check_cname(records: dict[Key, Fields], key: Key, apex: str) -> None:
    """A CNAME is the only record of its name, and never at the apex (Developer Guide, "CNAME record type")."""
    name, kind, _ = key
    if kind == "CNAME" and name == apex:
        raise _bad(f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}")
    for other_name, other_kind, _ in records:
        if other_name == name and other_kind != kind and "CNAME" in {kind, other_kind}:
            raise _bad(
                f"RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records "
                f"with the same DNS name in zone {apex}"
            )


def _same(held: Fields, given: Fields) -> bool:
    values = [sorted(value["Value"] for value in each.get("ResourceRecords") or []) for each in (held, given)]
    targets = [
        (normal(alias["DNSName"]), alias["HostedZoneId"]) if (alias := each.get("AliasTarget")) else None
        for each in (held, given)
    ]
    same_ttl = str(held.get("TTL") or "") == str(given.get("TTL") or "")
    return values[0] == values[1] and targets[0] == targets[1] and same_ttl


def _bad(message: str) -> AwsError:
    return AwsError("InvalidChangeBatch", f"[{message}]")


def _info(account: Account, change_id: str) -> Fields:
    insync_at = _changes(account)[change_id]
    return {
        "Id": f"/change/{change_id}",
        "Status": "INSYNC" if account.now() >= insync_at else "PENDING",
        "SubmittedAt": account.time(insync_at - INSYNC_SECONDS),
    }


@handles("route53", "GetChange")
def get_change(call: Call) -> Fields:
    """PENDING for about half a minute, then INSYNC."""
    change_id = str(call["Id"]).removeprefix("/change/")
    if change_id not in _changes(call.account):
        raise AwsError("NoSuchChange", f"A change with the specified id {change_id} does not exist", status=404)
    return {"ChangeInfo": _info(call.account, change_id)}
