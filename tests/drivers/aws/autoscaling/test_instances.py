"""Protection and draining of a group's instances, over scripted responses that the sandbox never sends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from smplan.drivers.aws.autoscaling import _hooks, _instances
from smplan.errors import Denied, InUse, Invalid, NotFound
from tests.drivers.aws.autoscaling.wire import Wire, group


def drained(wire: Any) -> list[Any]:
    return list(_instances.drained(wire, "g"))


def protect(wire: Any, *, protected: bool) -> None:
    _instances.protect(wire, "g", protected=protected)


def test_draining_empties_the_group_once_and_reports_progress() -> None:
    four, three = ["InService"] * 4, ["Terminating"] * 2 + ["InService"]
    wire = Wire(group(*four, size=4), group(*three, protected=False), group("Terminating", protected=False), group())
    looks = drained(wire)
    assert [look.status for look in looks] == [
        "0 of 4 instances terminated; 4 InService",
        "1 of 4 instances terminated; 1 InService, 2 Terminating",
        "3 of 4 instances terminated; 1 Terminating",
    ]
    assert [look.fraction for look in looks] == [0.0, 0.25, 0.75]
    sizes = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    assert wire.sent == [
        ("update", {"AutoScalingGroupName": "g", **sizes}),
        (
            "protect",
            {
                "AutoScalingGroupName": "g",
                "InstanceIds": ["i-000", "i-001", "i-002", "i-003"],
                "ProtectedFromScaleIn": False,
            },
        ),
    ]


def test_a_group_that_is_empty_or_gone_needs_no_draining() -> None:
    for wire in (Wire(group()), Wire(None)):
        assert drained(wire) == []
        assert wire.sent == []


def test_a_group_without_instances_that_may_still_launch_one_is_emptied_first() -> None:
    wire = Wire(group(size=2), group())
    assert [look.status for look in drained(wire)] == ["0 of 0 instances terminated"]
    assert [name for name, _ in wire.sent] == ["update"]


def test_a_group_that_is_being_deleted_is_not_updated() -> None:
    wire = Wire(group("Terminating", size=2, Status="Delete in progress"), group(size=2, Status="Delete in progress"))
    assert len(drained(wire)) == 1
    assert wire.sent == []


def test_an_instance_launched_while_draining_is_terminated_too() -> None:
    wire = Wire(group("Pending", size=1), group("InService"), group("Terminating", protected=False), group())
    drained(wire)
    assert wire.protected == [["i-000"]]


SUSPENDED = [{"ProcessName": "AZRebalance"}, {"ProcessName": "Terminate"}]


@pytest.mark.parametrize(
    ("blocked", "reason", "command"),
    [
        (group("InService", size=1, SuspendedProcesses=SUSPENDED), "Terminate process", "resume-processes"),
        (group("InService", "Standby", size=1), "i-001 in Standby", "exit-standby"),
        (group("EnteringStandby", size=1), "i-000 in Standby", "--instance-ids i-000"),
        (group(size=1, WarmPoolConfiguration={"MinSize": 1}), "warm pool", "delete-warm-pool"),
        (group(size=1, DeletionProtection="prevent-all-deletion"), "deletion protection", "--deletion-protection none"),
    ],
)
def test_what_no_waiting_changes_is_reported_before_the_group_is_emptied(
    blocked: dict[str, Any], reason: str, command: str
) -> None:
    wire = Wire(blocked)
    with pytest.raises(Invalid) as caught:
        drained(wire)
    assert reason in caught.value.message
    assert command in caught.value.hint
    assert "--auto-scaling-group-name g" in caught.value.hint
    assert wire.sent == []


@pytest.mark.parametrize(
    "free",
    [
        group(size=1, SuspendedProcesses=SUSPENDED),
        group(size=1, SuspendedProcesses=[{"ProcessName": "Launch"}]),
        group(size=1, WarmPoolConfiguration={"Status": "PendingDelete"}),
        group(size=1, DeletionProtection="prevent-force-deletion"),
        group("Standby", size=1, Status="Delete in progress"),
    ],
)
def test_what_does_not_keep_the_group_is_no_blocker(free: dict[str, Any]) -> None:
    assert len(drained(Wire(free, None))) == 1


def test_draining_reports_the_instances_that_a_lifecycle_hook_holds() -> None:
    looks = drained(Wire(group("Terminating:Wait", protected=False), None))
    assert "a lifecycle hook holds i-000" in looks[0].status
    assert "complete-lifecycle-action" in looks[0].status


class Delays:
    """Target groups with delays, and lifecycle hooks; a name that is an error is refused."""

    def __init__(self, hooks: Any) -> None:
        self.hooks = hooks
        self.read = SimpleNamespace(autoscaling=self, elbv2=self)

    def describe_lifecycle_hooks(self, **_: Any) -> Any:
        if isinstance(self.hooks, Exception):
            raise self.hooks
        return {"LifecycleHooks": self.hooks}

    def describe_target_group_attributes(self, **sent: Any) -> Any:
        if sent["TargetGroupArn"] == "denied":
            raise Denied("no")
        return {"Attributes": [{"Key": "other", "Value": "x"}, {"Key": _instances._DELAY, "Value": "900"}]}


@pytest.mark.parametrize(
    ("hooks", "arns", "expected"),
    [
        ([], None, 0),
        ([], ["arn", "denied"], 900),
        ([{"LifecycleTransition": _hooks.TERMINATING, "HeartbeatTimeout": 7200}], ["arn"], 8100),
        ([{"LifecycleTransition": _hooks.TERMINATING}, {"LifecycleTransition": "other"}], [], 3600),
        (Denied("no"), ["arn"], 900),
    ],
)
def test_an_instance_may_take_the_deregistration_delay_and_the_hooks_to_leave(
    hooks: Any, arns: list[str] | None, expected: float
) -> None:
    wire: Any = Delays(hooks)
    assert _instances.longest_leave(wire, "g", arns) == expected


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (InUse("a scaling activity is in progress"), "a scaling activity is in progress"),
        (
            Invalid("The instance i-000 is not part of Auto Scaling group g."),
            "0 of 1 instances terminated; 1 InService",
        ),
        (NotFound("AutoScalingGroup name not found"), "0 of 1 instances terminated; 1 InService"),
    ],
)
def test_a_temporary_refusal_does_not_stop_draining(refusal: Exception, said: str) -> None:
    wire = Wire(group("InService", size=1), group("InService", size=1), None, refusals=[refusal])
    assert drained(wire)[0].status == said


def test_a_refusal_for_good_stops_draining() -> None:
    with pytest.raises(Invalid):
        drained(Wire(group("InService", size=1), refusals=[Invalid("no such parameter")]))


def test_protection_goes_to_50_instances_a_call_and_only_where_it_differs() -> None:
    wire = Wire(group(*["InService"] * 60, *["Pending"] * 5, "Standby", protected=False))
    protect(wire, protected=True)
    assert [len(ids) for ids in wire.protected] == [50, 11]
    protect(Wire(group("InService", protected=True), refusals=[Invalid("unasked")]), protected=True)


def test_protection_retries_when_an_instance_was_terminated_meanwhile() -> None:
    gone = Invalid("The instance i-001 is not part of Auto Scaling group g.")
    wire = Wire(group("InService", "InService"), group("InService"), refusals=[gone])
    protect(wire, protected=False)
    assert wire.protected == [["i-000", "i-001"], ["i-000"]]


def test_protection_gives_up_after_a_few_attempts_and_at_once_for_another_error() -> None:
    gone = [Invalid("The instance i-000 is not in InService or EnteringStandby or Standby.")] * 9
    wire = Wire(group("InService"), refusals=gone)
    with pytest.raises(Invalid):
        protect(wire, protected=False)
    assert len(wire.sent) == 5
    wire = Wire(group("InService"), refusals=[Invalid("too long")] * 2)
    with pytest.raises(Invalid):
        protect(wire, protected=False)
    assert len(wire.sent) == 1


def test_a_group_that_is_gone_has_nothing_to_protect() -> None:
    wire = Wire(None)
    protect(wire, protected=True)
    assert wire.sent == []
