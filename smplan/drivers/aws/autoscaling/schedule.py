"""``aws.autoscaling.schedule``: sizes that a scaling group takes at set times, such as fewer instances at night."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output, Override
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, Spec
from smplan.drivers import references
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.requests import whole, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_autoscaling.type_defs import ScheduledUpdateGroupActionTypeDef

_FIELD = r"[0-9A-Za-z*,/-]+"
CRON = rf"^{_FIELD}( {_FIELD}){{4}}$"
"""Minute, hour, day of month, month, day of week (User Guide, "Scheduled scaling": five fields)."""
SIZES = ("min_size", "max_size", "desired_capacity")


def _time_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("is no IANA time zone, such as UTC or Europe/Berlin")
    return name


class ScheduleSpec(Spec):
    """A scheduled action of a group. At each recurrence AWS sets the sizes given here; a size left out stays."""

    sent_as: ClassVar = SentAs("autoscaling:PutScheduledUpdateGroupAction", {"name": "ScheduledActionName"})

    auto_scaling_group_name: Annotated[
        str,
        references.SCALING_GROUP,
        IMMUTABLE,
        Field(description="The scaling group.", min_length=1, max_length=255, pattern=_common.GROUP_NAME),
    ]
    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The action's name, unique in its group.", min_length=1, max_length=255, pattern=_common.TEXT
        ),
    ]
    recurrence: Annotated[
        str,
        Field(
            description="When, as cron: minute, hour, day of month, month, day of week, such as `0 22 * * *`.",
            pattern=CRON,
            max_length=255,
        ),
    ]
    time_zone: Annotated[
        str,
        Field(
            description="The IANA time zone of `recurrence`, such as Europe/Berlin; AWS follows its daylight saving.",
            min_length=1,
            max_length=255,
        ),
        AfterValidator(_time_zone),
    ] = "UTC"
    min_size: Annotated[int | None, Field(description="The group's minimum from then on.", ge=0)] = None
    max_size: Annotated[int | None, Field(description="The group's maximum from then on.", ge=0)] = None
    desired_capacity: Annotated[
        int | None, Field(description="The capacity at that time; scaling policies change it afterwards.", ge=0)
    ] = None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        sizes = [("min_size", self.min_size), ("desired_capacity", self.desired_capacity), ("max_size", self.max_size)]
        given = [(name, size) for name, size in sizes if size is not None]
        if not given:
            raise ValueError(f"it needs one of {', '.join(f'`{name}`' for name in SIZES)}")
        if self.known(*SIZES):
            for (low, least), (high, most) in pairwise(given):
                if least > most:
                    raise ValueError(f"`{low}` {least} is above `{high}` {most}")
        return self


class Schedule(Driver[ScheduleSpec]):
    """Identified by group and name; a put changes it in place."""

    kind = "aws.autoscaling.schedule"
    summary = "A scheduled action: sizes that a scaling group takes at set times."
    spec = ScheduleSpec
    outputs: ClassVar = {"arn": Output("The scheduled action's ARN.")}
    iam_actions = IamActions(
        read=("autoscaling:DescribeScheduledActions",),
        write=("autoscaling:PutScheduledUpdateGroupAction", "autoscaling:DeleteScheduledAction"),
    )
    overrides = (Override("auto_scaling_group_name", "aws.autoscaling.group", SIZES),)
    create_before_delete = False
    taggable = False
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a new or lower `max_size` or `desired_capacity`, and of a deletion: when, and what the group has then."""
        group = effect.was("auto_scaling_group_name") if effect.before else effect.becomes("auto_scaling_group_name")
        if effect.removes:
            when = f"{effect.was('recurrence')} ({effect.was('time_zone')})"
            yield Risk(Category.CAPACITY, f"{group} no longer gets its sizes at {when}, and keeps those that it has")
        limits = [name for name in ("max_size", "desired_capacity") if effect.after.get(name) is not None]
        for name in limits if effect.creates or effect.alters(*limits, "recurrence", "time_zone") else ():
            when = f"{effect.becomes('recurrence')} ({effect.becomes('time_zone')})"
            size = effect.becomes(name)
            yield Risk(Category.CAPACITY, f"at {when}, instances of {group} beyond {size} are terminated (`{name}`)")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ScheduleSpec]]:
        """One call for 100 actions: of the group if they are all of one group, else of all groups."""
        groups = {each.partition("/")[0] for each in ids}
        found = (_live(action) for action in self._described(groups))
        return {live.id: live for live in found if live.id in ids}

    def find(self, spec: ScheduleSpec) -> Live[ScheduleSpec] | None:
        """By group and name."""
        key = _id(spec.auto_scaling_group_name, spec.name)
        return self.read_many([key]).get(key)

    def create(self, spec: ScheduleSpec, claim: Claim) -> str:
        """``group/name``. AWS would change an action of that name in place: the engine calls ``find`` first."""
        self.context.aws.write.autoscaling.put_scheduled_update_group_action(**_request(spec))
        return _id(spec.auto_scaling_group_name, spec.name)

    def update(self, live: Live[ScheduleSpec], spec: ScheduleSpec) -> None:
        """In place. What is not managed is sent as it is now: AWS does not say whether a put may leave it out.

        ``StartTime`` is the next run, so it is kept unless the times change.
        """
        client, actions = self.context.aws.write.autoscaling, self._described([spec.auto_scaling_group_name])
        now: Any = next((each for each in actions if each["ScheduledActionName"] == spec.name), {})
        moved = (live.spec.recurrence, live.spec.time_zone) != (spec.recurrence, spec.time_zone)
        kept = {name: value for name, value in now.items() if name != "Time" and not (moved and name == "StartTime")}
        request = whole(client, "PutScheduledUpdateGroupAction", _request(live.spec) | kept, _request(spec))
        client.put_scheduled_update_group_action(**request)

    def delete(self, id: str) -> None:
        """Also a success when the action, or the group and the action with it, is gone."""
        group, _, name = id.partition("/")
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_scheduled_action(
                AutoScalingGroupName=group, ScheduledActionName=name
            )

    def _described(self, groups: Collection[str]) -> Iterator[ScheduledUpdateGroupActionTypeDef]:
        describe = self.context.aws.read.autoscaling.get_paginator("describe_scheduled_actions")
        group: Any = {"AutoScalingGroupName": next(iter(groups))} if len(groups) == 1 else {}
        with suppress(NotFound):  # the group is gone, and its scheduled actions with it
            for page in describe.paginate(**group, PaginationConfig={"PageSize": _common.PAGE}):
                yield from page["ScheduledUpdateGroupActions"]


def _id(group: str, name: str) -> str:
    return f"{group}/{name}"


def _request(spec: ScheduleSpec) -> dict[str, Any]:
    return without_none(
        {
            "AutoScalingGroupName": spec.auto_scaling_group_name,
            "ScheduledActionName": spec.name,
            "Recurrence": spec.recurrence,
            "TimeZone": spec.time_zone,
            "MinSize": spec.min_size,
            "MaxSize": spec.max_size,
            "DesiredCapacity": spec.desired_capacity,
        }
    )


def _live(action: ScheduledUpdateGroupActionTypeDef) -> Live[ScheduleSpec]:
    spec = ScheduleSpec.model_construct(
        auto_scaling_group_name=action["AutoScalingGroupName"],
        name=action["ScheduledActionName"],
        recurrence=action.get("Recurrence", ""),
        time_zone=action.get("TimeZone", "UTC"),
        min_size=action.get("MinSize"),
        max_size=action.get("MaxSize"),
        desired_capacity=action.get("DesiredCapacity"),
    )
    return Live(_id(spec.auto_scaling_group_name, spec.name), spec, {"arn": action["ScheduledActionARN"]})
