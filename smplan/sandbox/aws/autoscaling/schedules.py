"""Auto Scaling: scheduled actions, which set the sizes of a group once or by a cron expression."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.activities import close, record
from smplan.sandbox.aws.autoscaling.groups import check_sizes, refuse_deleted, resized
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, new_id, on_tick
from smplan.sandbox.aws.state.autoscaling import ScalingGroup, invalid

_KEPT = ("Recurrence", "TimeZone", "MinSize", "MaxSize", "DesiredCapacity")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of month, month, day of week; 7 is Sunday too (crontab)."""
_HORIZON = timedelta(days=366)


def _actions(account: Account) -> dict[tuple[str, str], Fields]:
    """By group and action name, each as DescribeScheduledActions returns it. ``StartTime`` is when it runs next."""
    return account.table("autoscaling.scheduled_actions")


@handles("autoscaling", "PutScheduledUpdateGroupAction")
def put(call: Call) -> None:
    """The ARN survives updates. A size is required, and a time in the past is refused (API reference).

    What an update leaves out is dropped: the API reference no longer promises that it stays.
    """
    account, name = call.account, call["ScheduledActionName"]
    group = account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    if all(call[size] is None for size in ("MinSize", "MaxSize", "DesiredCapacity")):
        raise invalid("You must specify at least one of MinSize, MaxSize and DesiredCapacity")
    start, end = (call[each] and call[each].replace(tzinfo=UTC) for each in ("StartTime", "EndTime"))
    if start is not None and start <= account.time():
        raise invalid("Given start time is in the past")
    existing = _actions(account).get((group.name, name))
    action: Fields = {
        "AutoScalingGroupName": group.name,
        "ScheduledActionName": name,
        "ScheduledActionARN": existing["ScheduledActionARN"] if existing else _new_arn(account, group, name),
        **{key: call[key] for key in _KEPT if call[key] is not None},
        **({"EndTime": end} if end else {}),
    }
    if call["Recurrence"]:
        start = _next(action, max(account.time(), start or account.time()))
    if start is None:
        raise invalid("You must specify a StartTime or a Recurrence that will occur")
    _actions(account)[group.name, name] = {**action, "StartTime": start}


def _new_arn(account: Account, group: ScalingGroup, name: str) -> str:
    where = f"autoScalingGroupName/{group.name}:scheduledActionName/{name}"
    return account.arn("autoscaling", f"scheduledUpdateGroupAction:{new_id()}:{where}")


@handles("autoscaling", "DescribeScheduledActions")
def describe(call: Call) -> Fields:
    """Of one group or of all; 50 to a page by default (API reference)."""
    group = call["AutoScalingGroupName"]
    if group:
        call.account.autoscaling.group(group)
    found = [action for key, action in sorted(_actions(call.account).items()) if group in (None, key[0])]
    return page(call, "ScheduledUpdateGroupActions", found, limit=50)


@handles("autoscaling", "DeleteScheduledAction")
def delete(call: Call) -> None:
    """An unknown name is refused."""
    group, name = call.account.autoscaling.group(call["AutoScalingGroupName"]), call["ScheduledActionName"]
    if _actions(call.account).pop((group.name, name), None) is None:
        raise invalid(f"Scheduled action name not found - Scheduled action '{name}' not found")


@on_tick
def run_due(account: Account) -> bool:
    """Run what is due, the earliest first. An action whose last time has come, or whose group is gone, is deleted."""
    actions, changed = _actions(account), False
    for key in [key for key in actions if key[0] not in account.autoscaling.groups]:
        del actions[key]
    while due := [
        (action["StartTime"], key) for key, action in actions.items() if action["StartTime"] <= account.time()
    ]:
        at, key = min(due)
        _run(account, account.autoscaling.groups[key[0]], actions[key])
        following = _next(actions[key], at) if actions[key].get("Recurrence") else None
        if following is None or following > actions[key].get("EndTime", following):
            del actions[key]
        else:
            actions[key]["StartTime"] = following
        changed = True
    return changed


def _run(account: Account, group: ScalingGroup, action: Fields) -> None:
    """Set the sizes. Sizes that do not fit the group's others show as a failed activity."""
    if group.deleted_at is not None or "ScheduledActions" in group.suspended:
        return
    fields = resized(group, action)
    try:
        check_sizes(fields)
    except AwsError as error:
        description = f"Executing scheduled action {action['ScheduledActionName']}"
        close(account, record(account, group, description, "a scheduled action ran."), failed=error.message)
    else:
        group.fields = fields


def _next(action: Fields, after: datetime) -> datetime | None:
    """When the action's cron expression holds next; None if not within a year. Raises AwsError (ValidationError)."""
    text = action["Recurrence"]
    try:
        zone = ZoneInfo(action.get("TimeZone") or "UTC")
        minutes, hours, *days = [_values(*each) for each in zip(text.split(), _RANGES, strict=True)]
    except (ValueError, ZoneInfoNotFoundError):
        raise invalid(f"Given recurrence string: {text} is invalid") from None
    at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while at < after + _HORIZON:
        local = at.astimezone(zone)
        if local.hour not in hours or not _on_day(local, text.split(), *days):
            at += timedelta(minutes=60 - local.minute)
        elif local.minute not in minutes:
            at += timedelta(minutes=1)
        else:
            return at
    return None


def _values(text: str, limits: tuple[int, int]) -> set[int]:
    """The numbers that a field of a cron expression names: ``*``, ``1``, ``1-5``, ``*/15``, ``1,3``."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first, last = limits if span == "*" else (int(low), int(high or low))
        if not limits[0] <= first <= last <= limits[1]:
            raise ValueError(text)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def _on_day(local: datetime, text: list[str], days: set[int], months: set[int], weekdays: set[int]) -> bool:
    """If day of month and day of week are both restricted, either may hold (crontab)."""
    on: list[Any] = [local.day in days, bool({local.isoweekday(), local.isoweekday() % 7} & weekdays)]
    either = "*" not in (text[2], text[4])
    return local.month in months and (any(on) if either else all(on))
