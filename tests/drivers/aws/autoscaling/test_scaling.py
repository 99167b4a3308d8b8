"""Waiting for another size of a group: protection, health, and what no waiting changes."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.drivers.aws.autoscaling import _scaling
from smplan.errors import Denied, InUse, Invalid, NotFound
from tests.drivers.aws.autoscaling.wire import Wire, group


def healthy(*states: str, size: int = 0, least: int | None = None, **more: Any) -> dict[str, Any]:
    found = group(*states, size=size, **more)
    for instance in found["Instances"]:
        instance["HealthStatus"] = "Healthy"
    return found | {"MinSize": size if least is None else least}


def statuses(wire: Any, size: int) -> list[str]:
    return [each.status for each in _scaling.scaled(wire, "g", size)]


def test_stopping_removes_protection_and_waits_until_every_instance_is_gone() -> None:
    wire = Wire(
        healthy("InService", "InService"), healthy("Terminating", "Terminating:Wait", protected=False), healthy()
    )
    assert statuses(wire, 0) == [
        "2 in service and healthy; 2 InService",
        "0 in service and healthy; 1 Terminating, 1 Terminating:Wait",
    ]
    assert wire.protected == [["i-000", "i-001"]]


def test_a_size_that_a_policy_raised_while_stopping_is_set_to_zero_again() -> None:
    wire = Wire(healthy("Pending", size=1, least=0, protected=False), healthy())
    statuses(wire, 0)
    assert wire.sent == [("update", {"AutoScalingGroupName": "g", "MinSize": 0, "DesiredCapacity": 0})]


def test_only_as_many_instances_as_must_go_lose_their_protection_unhealthy_ones_first() -> None:
    three = healthy(*["InService"] * 3, size=1)
    three["Instances"][2]["HealthStatus"] = "Unhealthy"
    wire = Wire(three, healthy("InService", size=1))
    statuses(wire, 1)
    assert wire.protected == [["i-000", "i-002"]]


def test_unprotected_instances_go_first() -> None:
    two = healthy("InService", "InService", size=1)
    two["Instances"][0]["ProtectedFromScaleIn"] = False
    wire = Wire(two, healthy("InService", size=1))
    statuses(wire, 1)
    assert wire.sent == []


def test_starting_waits_until_instances_are_in_service_and_healthy() -> None:
    ill = healthy("InService", size=1)
    ill["Instances"][0]["HealthStatus"] = "Unhealthy"
    wire = Wire(healthy(size=1), healthy("Pending", size=1), ill, healthy("InService", size=1))
    assert statuses(wire, 1) == [
        "0 in service and healthy",
        "0 in service and healthy; 1 Pending",
        "0 in service and healthy; 1 InService",
    ]


def test_more_instances_that_a_policy_wants_are_no_surplus() -> None:
    assert statuses(Wire(healthy("InService", "InService", size=2, least=1)), 1) == []


def test_instances_in_standby_do_not_count_unless_the_group_is_stopped() -> None:
    aside = healthy("InService", "Standby", size=1)
    assert statuses(Wire(aside), 1) == []
    with pytest.raises(Invalid, match="scaling group g cannot be scaled to 0: i-001 in Standby"):
        statuses(Wire(aside), 0)


@pytest.mark.parametrize(
    ("process", "look", "size"),
    [("Launch", healthy(size=1), 1), ("Terminate", healthy("InService"), 0)],
)
def test_a_suspended_process_is_refused_with_the_command_that_resumes_it(
    process: str, look: dict[str, Any], size: int
) -> None:
    wire = Wire(look | {"SuspendedProcesses": [{"ProcessName": process}]})
    with pytest.raises(Invalid, match=f"its {process} process is suspended") as caught:
        statuses(wire, size)
    assert f"resume-processes --auto-scaling-group-name g --scaling-processes {process}" in caught.value.hint


def test_a_suspended_process_that_is_not_needed_is_no_matter() -> None:
    wire = Wire(healthy(size=1, SuspendedProcesses=[{"ProcessName": "AZRebalance"}]), healthy("InService", size=1))
    assert len(statuses(wire, 1)) == 1


def test_what_aws_refuses_for_a_moment_is_tried_again() -> None:
    raced = Invalid("The instance i-000 is not part of Auto Scaling group g")
    wire = Wire(healthy("InService"), healthy("InService"), healthy(), refusals=[InUse("scaling in progress"), raced])
    assert statuses(wire, 0) == ["scaling in progress", "1 in service and healthy; 1 InService"]


@pytest.mark.parametrize("error", [Denied("no"), Invalid("no such field")])
def test_any_other_refusal_ends_the_wait(error: Exception) -> None:
    with pytest.raises(type(error)):
        statuses(Wire(healthy("InService"), refusals=[error]), 0)


def test_a_group_that_is_gone_is_reported() -> None:
    with pytest.raises(NotFound, match="scaling group g is gone"):
        statuses(Wire(None), 0)
