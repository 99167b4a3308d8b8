"""CloudWatch: the CPU metric of scaling groups under a load, and the alarms that look at it.

Without a load an alarm keeps the state it has: ``SetAlarmState`` is another way to try out what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from smplan.sandbox.aws.cloudwatch import run_actions, set_alarm_state
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account, on_tick
from smplan.sandbox.aws.state.autoscaling import ScalingGroup

MINUTE = 60
KEPT_MINUTES = 24 * 60
BUSY = 100.0
_COMPARED = {
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "GreaterThanThreshold": float.__gt__,
    "LessThanThreshold": float.__lt__,
    "LessThanOrEqualToThreshold": float.__le__,
}
_METRIC = ("AWS/EC2", "CPUUtilization")


@dataclass(slots=True)
class Load:
    """The work of a scaling group, shared by its instances: 100 keeps one of them busy."""

    percent: float
    minutes: int
    """Whole minutes since 1970 that have a datapoint, or had no instance."""
    datapoints: dict[int, float] = field(default_factory=dict)
    """Minute -> average of the instances in percent."""


def put_load(account: Account, group: str, percent: float) -> None:
    """Give a scaling group this much work from now on; 100 keeps one instance busy."""
    loads = _loads(account)
    if group in loads:
        loads[group].percent = percent
    else:
        loads[group] = Load(percent, int(account.now() // MINUTE))


def _loads(account: Account) -> dict[str, Load]:
    return account.table("cloudwatch.load")


@on_tick
def evaluate(account: Account) -> bool:
    """Add the datapoints of the minutes that have passed, and look at each alarm on them once a minute."""
    changed = False
    for name, load in _loads(account).items():
        group = account.autoscaling.groups.get(name)
        now = int(account.now() // MINUTE)
        if group is None or now <= load.minutes:
            continue
        for minute in range(max(load.minutes, now - KEPT_MINUTES), now):
            _measure(account, group, load, minute)
        load.minutes = now
        for alarm in _alarms_of(account, name):
            changed |= _look(account, alarm, load)
    return changed


def _measure(account: Account, group: ScalingGroup, load: Load, minute: int) -> None:
    """The average of the instances that have warmed up (User Guide, "default instance warmup")."""
    warmup = float(group.fields.get("DefaultInstanceWarmup") or 0)
    serving = [
        each for each in group.members if each.lifecycle == "InService" and account.now() >= each.in_service_at + warmup
    ]
    if serving:
        load.datapoints[minute] = min(BUSY, load.percent / len(serving))
    for old in list(islice(load.datapoints, max(0, len(load.datapoints) - KEPT_MINUTES))):
        del load.datapoints[old]


def _alarms_of(account: Account, group: str) -> list[Fields]:
    alarms = account.moto.call("cloudwatch", "DescribeAlarms", {})["MetricAlarms"]
    dimensions = [{"Name": "AutoScalingGroupName", "Value": group}]
    return [
        each
        for each in alarms
        if (each.get("Namespace"), each.get("MetricName")) == _METRIC
        and each["Dimensions"] == dimensions
        and each.get("ComparisonOperator") in _COMPARED
    ]


def _look(account: Account, alarm: Fields, load: Load) -> bool:
    """Whether its state changed. In ALARM its policies run once a minute (CloudWatch User Guide, "alarm actions")."""
    state, latest = _state(alarm, load)
    changed = state not in ("", alarm["StateValue"])
    if changed:
        reason = f"the latest value is {latest:g}, the threshold {float(alarm['Threshold']):g}"
        set_alarm_state(account, alarm["AlarmName"], state, reason)
    if changed or state == "ALARM":
        run_actions(account, alarm, state, breach=latest - float(alarm["Threshold"]))
    return changed


def _state(alarm: Fields, load: Load) -> tuple[str, float]:
    """The state by the latest periods, "" to keep it, and the latest value."""
    length = int(alarm["Period"]) // MINUTE
    periods = [
        _average(load, load.minutes - length * (at + 1), length) for at in range(int(alarm["EvaluationPeriods"]))
    ]
    found = [each for each in periods if each is not None]
    missing = alarm.get("TreatMissingData") or "missing"
    if not found and missing in ("missing", "ignore"):
        return ("INSUFFICIENT_DATA" if missing == "missing" else ""), 0.0
    beyond = _COMPARED[alarm["ComparisonOperator"]]
    breaching = sum(beyond(each, float(alarm["Threshold"])) for each in found)
    breaching += (len(periods) - len(found)) * (missing == "breaching")
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    return ("ALARM" if breaching >= needed else "OK"), found[0] if found else 0.0


def _average(load: Load, first: int, length: int) -> float | None:
    values = [load.datapoints[each] for each in range(first, first + length) if each in load.datapoints]
    return sum(values) / len(values) if values else None
