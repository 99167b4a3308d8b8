"""smplan's own roll-out: one instance at a time, for launch configurations and for what must drain first.

The group launches from the new source from the start. One more instance is launched than there were, by raising the
minimum: scaling policies go on, and never end fewer than that. An old instance leaves once as many others serve as did
at the start. Everything is decided by what the group shows, so a run that was killed is simply continued.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import Any

from smplan.drivers.aws.autoscaling import _instances, _refresh, _roll_record, _roll_view, _sources
from smplan.drivers.aws.autoscaling._group_spec import GroupSpec
from smplan.drivers.aws.autoscaling._roll_out import LAUNCH_SECONDS, STALLED_SECONDS, RollOut
from smplan.drivers.aws.autoscaling._roll_record import Record
from smplan.drivers.aws.autoscaling._roll_view import View
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import Invalid, NotFound

FAILED_LAUNCHES = 3
"""Launches that fail one after the other until the roll-out counts as failed: AWS itself tries again."""
_MINIMUM = re.compile(r"min(imum)? ?size|No managed instance", re.IGNORECASE)


def is_due(group: Mapping[str, Any], spec: GroupSpec) -> bool:
    """Whether a new source is for smplan to roll out: AWS refreshes no launch configuration, and drains none."""
    drains = spec.roll_out is not None and spec.roll_out.drain is not None
    return drains or spec.launch_configuration is not None or bool(group.get("LaunchConfigurationName"))


def begin(aws: AwsAccount, group: Mapping[str, Any], sizes: tuple[int, int]) -> None:
    """Record that the group is about to be rolled out, its minimum and maximum to be ``sizes`` again afterwards."""
    present, (low, high) = _roll_record.of(group), sizes
    serving = min(max(int(group["DesiredCapacity"]), low), high)
    record = Record(low, high, serving, _sources.identity(group))
    if present is not None:  # a roll-out that failed serves none
        record = replace(present, min_size=low, max_size=high, serving=present.serving or serving)
    _roll_record.write(aws, group["AutoScalingGroupName"], record)


def end(aws: AwsAccount, group: Mapping[str, Any], record: Record, **more: Any) -> None:
    """Restore what was raised, and change what ``more`` says; the record stays."""
    low, high = record.shown_sizes(group)
    sizes = {"MinSize": low, "MaxSize": high}
    changed = {key: value for key, value in sizes.items() if int(group[key]) != value} | more
    if changed:
        aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], **changed)


class Roll:
    """A roll-out as one run sees it: since when what it waits for has not moved, and instances have been healthy."""

    def __init__(self, aws: AwsAccount, name: str, wanted: str, roll_out: RollOut, clock: Callable[[], float]) -> None:
        """``wanted`` is the identity of what the instances are to be launched from."""
        self._aws = aws
        self._name = name
        self._wanted = wanted
        self._roll_out = roll_out
        self._clock = clock
        self._since: dict[str, float] = {}
        self._moved = clock()
        self._draining_since: dict[str, float] = {}
        self._seen = False
        self._why = ""
        """Why it has failed, once it has."""
        self.launch_seconds: float = LAUNCH_SECONDS
        """What one instance may take to launch, at most, beside grace period and warm-up."""
        self._known: frozenset[str] | None = None
        """The activities that this roll-out did not cause."""

    def polls(self) -> Iterator[Progress]:
        """Until every instance is replaced. Raises Invalid, with all back in place, if one cannot be."""
        while group := _instances.one(self._aws, self._name):
            record = _roll_record.of(group)
            if record is None and self._seen:
                return
            if record is None:
                yield Progress(f"the roll-out of scaling group {self._name} to show")
                continue
            self._seen = True
            view = self._view(group, record)
            if self._step(view):
                end(self._aws, view.group, record)
                _roll_record.erase(self._aws, self._name)
                return
            yield self._progress(view)

    def _view(self, group: Mapping[str, Any], record: Record) -> View:
        members = [each for each in group["Instances"] if str(each["LifecycleState"]).startswith(_roll_view.COUNTED)]
        targets = _roll_view.target_states(self._aws, group)
        serving = {each["InstanceId"] for each in members if _roll_view.serves(each, targets)}
        self._since = {id: self._since.get(id, self._clock()) for id in serving}
        source = _sources.identity(group)
        old = [each for each in members if _sources.identity(each) != source]
        young = {each["InstanceId"] for each in members} - {each["InstanceId"] for each in old}
        warm = {id for id in serving if self._clock() - self._since[id] >= self._roll_out.instance_warmup}
        choice = self._roll_out.scale_in_protected_instances
        free = [each for each in old if choice == "Refresh" or not each["ProtectedFromScaleIn"]]
        held = [each for each in old if each not in free and choice != "Ignore"]
        ready = frozenset(warm | (serving - young))
        return View(group, record, members, free, held, ready, targets)

    def _step(self, view: View) -> bool:
        """Do what is due; whether the roll-out is over."""
        self._why = self._why or self._failure(view)
        if self._why:
            raise self._go_back(view, self._why)
        if view.draining is not None:
            self._finish_drain(view, view.draining)
            return False
        if view.old:
            self._replace(view)
            return False
        if view.held:
            return False
        if view.surplus and view.new:
            self._take(view, min(view.new, key=lambda each: (self._age(each), str(each["InstanceId"]))))
            return False
        return len(view.ready) >= view.record.serving

    def _replace(self, view: View) -> None:
        """One more instance at first, and the next old one then, in the fullest zone, those that do not serve first."""
        record, desired = view.record, int(view.group["DesiredCapacity"])
        if desired - 1 > record.serving:  # scaling policies have added some: these count from now on
            record = replace(record, serving=desired - 1)
            _roll_record.write(self._aws, self._name, record)
        if int(view.group["MinSize"]) <= record.serving:
            high = max(int(view.group["MaxSize"]), record.serving + 1)
            self._update(MinSize=record.serving + 1, **({} if high == view.group["MaxSize"] else {"MaxSize": high}))
            self._moved = self._clock()
            return
        zones = Counter(each["AvailabilityZone"] for each in view.members)
        self._take(
            view,
            min(
                view.old,
                key=lambda each: (
                    each["InstanceId"] in view.ready,
                    -zones[each["AvailabilityZone"]],
                    str(each["InstanceId"]),
                ),
            ),
        )

    def _take(self, view: View, instance: Mapping[str, Any]) -> None:
        """Have one instance leave, with the one that was added for it, if enough others serve."""
        id, record = instance["InstanceId"], view.record
        if not view.can_spare(instance):
            return
        _roll_record.write(self._aws, self._name, replace(record, leaving=id))
        with _races():
            self._hand_protection_on(view, instance)
            self._update(MinSize=record.serving)
            self._moved = self._clock()
            if self._roll_out.drain is None:
                self._terminate(id, decrement=True)
            else:
                self._aws.write.autoscaling.enter_standby(
                    AutoScalingGroupName=self._name, InstanceIds=[id], ShouldDecrementDesiredCapacity=True
                )

    def _hand_protection_on(self, view: View, instance: Mapping[str, Any]) -> None:
        """A new instance is protected in place of a protected one."""
        ready = view.ready - {instance["InstanceId"]}
        free = [each["InstanceId"] for each in view.new if not each["ProtectedFromScaleIn"]]
        free = [id for id in free if id in ready]
        if instance["ProtectedFromScaleIn"] and free:
            group: Any = view.group
            _instances.set_protection(self._aws, group, protected=True, only={min(free)})

    def _finish_drain(self, view: View, instance: Mapping[str, Any]) -> None:
        """End an instance in standby once the load balancer has closed its last connection, or after the deadline."""
        self._moved = self._clock()
        id, drain = instance["InstanceId"], self._roll_out.drain
        waited = self._clock() - self._draining_since.setdefault(id, self._clock())
        is_open = "draining" in view.targets.get(id, ())
        if instance["LifecycleState"] == "Standby" and not (drain and is_open and waited < drain.timeout):
            self._terminate(id, decrement=False)

    def _terminate(self, id: str, *, decrement: bool) -> None:
        with _races():
            self._aws.write.autoscaling.terminate_instance_in_auto_scaling_group(
                InstanceId=id, ShouldDecrementDesiredCapacity=decrement
            )

    def _update(self, **changes: Any) -> None:
        self._aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=self._name, **changes)

    def _age(self, instance: Mapping[str, Any]) -> float:
        since = self._since.get(instance["InstanceId"])
        return -1.0 if since is None else self._clock() - since

    def _failure(self, view: View) -> str:
        """Why the roll-out cannot go on; empty if it can."""
        if self._known is None:
            self._known = frozenset(each["ActivityId"] for each in self._activities())
        if view.source != self._wanted:
            return f"it launches from {_sources.described(view.source)} by now, changed outside smplan"
        waited, warmup = self._clock() - self._moved, self._roll_out.instance_warmup
        if view.held and not view.old:
            ids = ", ".join(sorted(each["InstanceId"] for each in view.held))
            return f"{ids} protected from scale-in for {waited:.0f} s" if waited >= STALLED_SECONDS else ""
        if waited >= int(view.group.get("HealthCheckGracePeriod", 0)) + warmup + self.launch_seconds:
            states = " ".join(sorted(f"{id} {'/'.join(sorted(found))}" for id, found in view.targets.items()))
            return f"after {waited:.0f} s no new instance has been healthy for {warmup} s (targets: {states or 'none'})"
        if len(view.members) < int(view.group["DesiredCapacity"]):
            latest = (each for each in self._activities() if each["ActivityId"] not in (self._known or ()))
            failed = list(takewhile(lambda each: each["StatusCode"] == "Failed", latest))
            return f"{len(failed)} launches failed" if len(failed) >= FAILED_LAUNCHES else ""
        return ""

    def _activities(self) -> list[Any]:
        found = self._aws.read.autoscaling.describe_scaling_activities(AutoScalingGroupName=self._name, MaxRecords=20)
        return [*found["Activities"]]

    def _go_back(self, view: View, why: str) -> Invalid:
        """Have the group launch from the former source, and end the new instance that does not serve. The error."""
        record, failed = view.record, sorted(self._failed(view))
        source = _sources.described(record.former)
        try:
            if view.source == self._wanted and record.former:
                self._update(**_sources.request(self._aws, self._name, record.former))
        except (Invalid, NotFound) as error:  # it is gone
            source = f"{_sources.described(view.source)} still ({error.message})"
        if view.surplus and failed:
            _roll_record.write(self._aws, self._name, replace(record, leaving=failed[0]))
            self._update(MinSize=record.serving)
            self._terminate(failed[0], decrement=True)
            end(self._aws, {**view.group, "MinSize": record.serving}, record)
        else:
            end(self._aws, view.group, record, **({"DesiredCapacity": record.serving} if view.surplus else {}))
        mixed = any(
            _sources.identity(each) != record.former for each in view.members if each["InstanceId"] not in failed
        )
        if mixed:
            _roll_record.write(self._aws, self._name, replace(record, serving=0, leaving=""))
        else:
            _roll_record.erase(self._aws, self._name)
        wanted = _sources.described(self._wanted)
        reasons = (
            f"the instances of scaling group {self._name} were not replaced by {wanted}: {why}",
            f"The others serve: {', '.join(_refresh.listed(view.group))}; new ones are launched from {source}",
            _refresh.activities(self._aws, self._name),
        )
        hint = (
            "fix the cause, then run `smplan plan` and `smplan apply` again; or apply the former blueprint to go back"
        )
        return Invalid(". ".join(filter(None, reasons)), hint=hint)

    def _failed(self, view: View) -> Iterator[str]:
        """New instances that do not serve, and that are not needed for the count."""
        new = (each for each in view.members if _sources.identity(each) == self._wanted)
        return (each["InstanceId"] for each in new if each["InstanceId"] not in view.ready)

    def _progress(self, view: View) -> Progress:
        new, old = len(view.new), len(view.old) + len(view.held)
        status = f"{new} new, {old} old; {'; '.join(_refresh.listed(view.group))}"
        return Progress(f"instances of {_sources.described(view.source)}", status, new / max(new + old, 1))


@contextmanager
def _races() -> Iterator[None]:
    """What an instance that left, or a policy that scaled in meanwhile, makes AWS refuse: the next poll decides."""
    try:
        yield
    except (Invalid, NotFound) as error:
        if not _instances.raced(error) and not _MINIMUM.search(error.message):
            raise
