"""Instance refreshes as time passes: instances replaced in batches, pauses, failure, rollback.

Instances are launched by the control loop: a refresh says from what, and how many beyond the desired capacity.
AWS publishes no time after which replacements that never become healthy end a refresh; here it is the hour that it
waits for protected instances and for those in standby (API reference, RefreshPreferences).
"""

from __future__ import annotations

import math

from smplan.sandbox.aws.autoscaling.control_loop import terminate
from smplan.sandbox.aws.autoscaling.launch_sources import resolve_version
from smplan.sandbox.aws.autoscaling.maintenance import bounds, is_ready
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account, on_tick
from smplan.sandbox.aws.state.autoscaling import GroupInstance, InstanceRefresh, ScalingGroup

STALLED_SECONDS = 3600.0
_CAUSE = "an instance was taken out of service in response to an instance refresh."
_SOURCES = ("LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy")


@on_tick
def run(account: Account) -> bool:
    """Move every refresh on by what is due now; whether anything changed."""
    active = [(group, group.refresh) for group in account.autoscaling.groups.values() if group.deleted_at is None]
    changed = [_step(account, group, refresh) for group, refresh in active if refresh is not None]
    return any(changed)


def _step(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> bool:
    before = (refresh.status, refresh.reason, group.surge, len(_members(group, refresh.outdated)))
    if refresh.status == "Pending":
        _begin(account, group, refresh)
    if refresh.status == "Baking":
        _bake(account, group, refresh)
    elif refresh.status == "Cancelling":
        _cancel(account, group, refresh)
    elif refresh.is_active:
        _replace(account, group, refresh)
    return before != (refresh.status, refresh.reason, group.surge, len(_members(group, refresh.outdated)))


def _begin(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> None:
    """Which instances are to be replaced is decided once (User Guide, "skip matching")."""
    refresh.status, refresh.progress_at = "InProgress", account.now()
    skip = refresh.preferences["SkipMatching"]
    there = [each for each in group.members if each.in_capacity or each.lifecycle == "Standby"]
    refresh.outdated = [each.id for each in there if not (skip and _matches(account, refresh.source, each))]
    refresh.new = {each.id for each in there} - set(refresh.outdated)
    refresh.total = refresh.left = len(
        [each for each in there if each.id in refresh.outdated and _counts(refresh, each)]
    )


def _matches(account: Account, source: Fields, member: GroupInstance) -> bool:
    if "LaunchConfigurationName" in source:
        return bool(member.launch_configuration == source["LaunchConfigurationName"])
    mixed = source.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    version = resolve_version(account, source.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])
    wanted = (version["LaunchTemplateId"], str(version["VersionNumber"]))
    return member.launch_template is not None and wanted == (
        member.launch_template["LaunchTemplateId"],
        member.launch_template["Version"],
    )


def _members(group: ScalingGroup, ids: list[str]) -> list[GroupInstance]:
    """The members with these ids that are not on their way out."""
    return [each for each in group.members if each.id in ids and each.termination is None]


def _counts(refresh: InstanceRefresh, member: GroupInstance) -> bool:
    """Whether the preferences let it be replaced, or make the refresh wait for it. A rollback replaces all it must."""
    if refresh.rollback:
        return True
    if member.lifecycle == "Standby":
        return bool(refresh.preferences["StandbyInstances"] != "Ignore")
    return not (member.protected and refresh.preferences["ScaleInProtectedInstances"] == "Ignore")


def _held(refresh: InstanceRefresh, member: GroupInstance) -> bool:
    """Whether the refresh waits until someone releases the instance."""
    if member.lifecycle == "Standby":
        return bool(refresh.preferences["StandbyInstances"] == "Wait")
    waits = refresh.preferences["ScaleInProtectedInstances"] == "Wait"
    return bool(member.protected and waits and not refresh.rollback)


def _replace(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> None:
    """One tick of replacing, forward or back."""
    if refresh.status == "InProgress" and (alarm := _alarm(account, refresh)):
        _fail(account, group, refresh, f"The CloudWatch alarm {alarm} is in the ALARM state.")
        return
    left = [each for each in _members(group, refresh.outdated) if _counts(refresh, each)]
    under_way = _under_way(account, group, refresh)
    remaining = min(len(left) + under_way, refresh.total)
    if remaining < refresh.left:
        refresh.progress_at = account.now()
    refresh.left = remaining
    allowed = _until_checkpoint(account, refresh) - under_way
    if not remaining or _is_at_last_checkpoint(refresh):
        _finish(account, group, refresh)
        return
    batch = [each for each in left if not _held(refresh, each)][: max(allowed, 0)]
    _terminate(account, group, refresh, batch)
    _set_surge(group, refresh, batch)
    _explain(account, group, refresh, left)
    if account.now() >= max(refresh.progress_at, refresh.resumes_at) + STALLED_SECONDS:
        _fail(account, group, refresh, f"Timed out after 1 hour. {refresh.reason}")


def _under_way(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> int:
    """How many were terminated whose successors are not ready."""
    active, ready = [each for each in group.members if each.in_capacity], _ready(account, group, refresh)
    unready = sum(each.id not in refresh.outdated and each.id not in ready for each in active)
    return max(unready + group.desired - len(active), 0)


def _until_checkpoint(account: Account, refresh: InstanceRefresh) -> int:
    """How many more may be replaced now; begins the pause of a checkpoint that is reached."""
    checkpoints: list[int] = refresh.preferences.get("CheckpointPercentages") or []
    if not checkpoints or refresh.rollback:
        return refresh.left
    if account.now() < refresh.resumes_at:
        return 0
    allowed = math.ceil(refresh.total * checkpoints[refresh.checkpoint] / 100) - (refresh.total - refresh.left)
    if allowed <= 0:
        refresh.checkpoint += 1
        refresh.resumes_at = account.now() + refresh.preferences["CheckpointDelay"]
    return max(allowed, 0)


def _is_at_last_checkpoint(refresh: InstanceRefresh) -> bool:
    """The last one ends the refresh, whatever is left (API reference, CheckpointPercentages)."""
    checkpoints: list[int] = refresh.preferences.get("CheckpointPercentages") or []
    return bool(checkpoints) and not refresh.rollback and refresh.checkpoint >= len(checkpoints)


def _bounds(group: ScalingGroup, refresh: InstanceRefresh) -> tuple[int, int]:
    """The least that must be ready, and the most that may run; one more where neither leaves room for a replacement."""
    desired, preferences = group.desired, refresh.preferences
    least, most = bounds(desired, preferences["MinHealthyPercentage"], preferences.get("MaxHealthyPercentage", 100))
    if "MaxHealthyPercentage" not in preferences and preferences["MinHealthyPercentage"] < 100:
        return min(least, max(desired - 1, 0)), desired  # as omitted: it terminates and launches at the same time
    return least, most


def _ready(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> set[str]:
    """Those that were there before need no warm-up."""
    warmup = float(refresh.preferences["InstanceWarmup"])
    return {
        each.id
        for each in group.members
        if is_ready(account, group, each, 0.0 if each.id in (*refresh.outdated, *refresh.new) else warmup)
    }


def _terminate(account: Account, group: ScalingGroup, refresh: InstanceRefresh, batch: list[GroupInstance]) -> None:
    """Those not ready first; the others as long as enough stay ready."""
    if "Terminate" in group.suspended:
        return
    ready, (least, _) = _ready(account, group, refresh), _bounds(group, refresh)
    for member in sorted(batch, key=lambda each: (each.id in ready, each.launched_at, each.id)):
        if member.id in ready and len(ready) - 1 < least:
            return
        ready.discard(member.id)
        terminate(account, group, member, _CAUSE)


def _set_surge(group: ScalingGroup, refresh: InstanceRefresh, batch: list[GroupInstance]) -> None:
    """As many launches as there is room for and there are instances to replace; what runs already stays."""
    active = [each for each in group.members if each.in_capacity]
    new = [each for each in active if each.id not in refresh.outdated]
    _, most = _bounds(group, refresh)
    beyond = max(len(active) - group.desired, 0)
    room = min(
        group.desired - len(new), most - len(active), max(len(_members(group, [m.id for m in batch])) - beyond, 0)
    )
    lacking = group.desired - len(active)
    group.surge = len(active) - group.desired + max(room, lacking, 0)


def _explain(account: Account, group: ScalingGroup, refresh: InstanceRefresh, left: list[GroupInstance]) -> None:
    ready = _ready(account, group, refresh)
    waiting = [each.id for each in group.members if each.in_capacity and each.id not in {*ready, *refresh.outdated}]
    held = [each.id for each in left if _held(refresh, each)]
    if account.now() < refresh.resumes_at:
        refresh.reason = "Waiting at a checkpoint."
    elif waiting:
        refresh.reason = f"Waiting for remaining instances to be available. For example: {waiting[0]} is not available."
    elif held:
        refresh.reason = (
            f"Waiting for instances that are protected from scale in or in Standby. For example: {held[0]}."
        )
    else:
        refresh.reason = "Waiting for instances to launch."


def _alarm(account: Account, refresh: InstanceRefresh) -> str:
    names = (refresh.preferences.get("AlarmSpecification") or {}).get("Alarms", [])
    if not names:
        return ""
    found = account.moto.call("cloudwatch", "DescribeAlarms", {"AlarmNames": names})["MetricAlarms"]
    return next((each["AlarmName"] for each in found if each["StateValue"] == "ALARM"), "")


def _finish(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> None:
    """All is replaced: the group takes over the desired configuration, after the bake time."""
    group.surge = 0
    if refresh.rollback:
        _end(account, group, refresh, "RollbackSuccessful", refresh.rollback["RollbackReason"])
        return
    refresh.status, refresh.reason = "Baking", "Waiting for the bake time to pass."
    refresh.resumes_at = account.now() + refresh.preferences.get("BakeTime", 0)
    _bake(account, group, refresh)


def _bake(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> None:
    if alarm := _alarm(account, refresh):
        _fail(account, group, refresh, f"The CloudWatch alarm {alarm} is in the ALARM state.")
    elif account.now() >= refresh.resumes_at:
        if refresh.desired:
            others = {key: value for key, value in group.fields.items() if key not in _SOURCES}
            group.fields = {**others, **refresh.source}
        _end(account, group, refresh, "Successful", "")


def _end(account: Account, group: ScalingGroup, refresh: InstanceRefresh, status: str, reason: str) -> None:
    refresh.status, refresh.reason, refresh.ended_at, group.surge = status, reason, account.now(), 0


def _cancel(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> None:
    """Launches under way are completed and take the place of what they replace; no others begin."""
    active = [each for each in group.members if each.in_capacity]
    group.surge = max(len(active) - group.desired, 0)
    if any(each.is_pending for each in active):
        return
    for member in [each for each in active if each.id in refresh.outdated][: group.surge]:
        terminate(account, group, member, _CAUSE)
    _end(account, group, refresh, "Cancelled", refresh.reason)


def _fail(account: Account, group: ScalingGroup, refresh: InstanceRefresh, reason: str) -> None:
    if refresh.rollback:
        _end(account, group, refresh, "RollbackFailed", reason)
    elif refresh.preferences["AutoRollback"]:
        roll_back(account, group, refresh, f"Automatic rollback was initiated: {reason}")
    else:
        _end(account, group, refresh, "Failed", reason)


def roll_back(account: Account, group: ScalingGroup, refresh: InstanceRefresh, reason: str) -> None:
    """Replace what was launched during the refresh by instances of the group's own configuration."""
    refresh.rollback = {
        "RollbackReason": reason,
        "RollbackStartTime": account.time(),
        "PercentageCompleteOnRollback": percentage(refresh),
        "InstancesToUpdateOnRollback": refresh.left,
    }
    there = {*refresh.outdated, *refresh.new}
    launched = [each.id for each in group.members if each.in_capacity and each.id not in there]
    refresh.outdated = [] if refresh.status == "Pending" else launched
    refresh.new = there
    refresh.source = {key: group.fields[key] for key in _SOURCES if key in group.fields}
    refresh.total = refresh.left = len(refresh.outdated)
    refresh.status, refresh.reason, refresh.progress_at = "RollbackInProgress", reason, account.now()


def percentage(refresh: InstanceRefresh) -> int:
    """How much is replaced; during a rollback it falls to zero."""
    done = 1 - refresh.left / refresh.total if refresh.total else float(refresh.status != "Pending")
    if refresh.rollback:
        return math.floor(int(refresh.rollback["PercentageCompleteOnRollback"]) * (1 - done))
    return math.floor(100 * done)
