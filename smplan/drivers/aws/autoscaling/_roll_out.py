"""What a blueprint says of a roll-out: how running instances are replaced when what they are launched from changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.spec import PartialList, Spec
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.sent_as import SentAs

if TYPE_CHECKING:
    from typing import Self


WIDEST = 100
"""The largest difference between the two percentages (API reference, RefreshPreferences)."""
STALLED_SECONDS = 3600
"""How long AWS waits for instances that are protected or in standby (same)."""
LAUNCH_SECONDS = 600
"""What one instance may take to launch, to boot and to pass its health checks, at most."""
_CHECKPOINT_DELAY = 3600


_LEAVING_SECONDS = 600
"""What an instance may take to leave, beside its drain."""
_REFRESH_ONLY = ("standby_instances", "checkpoint_percentages", "checkpoint_delay", "bake_time", "alarms")
_PERCENTAGES = {"min_healthy_percentage": 100, "max_healthy_percentage": 110}


class Drain(Spec):
    """How long the clients of an instance may stay after new ones go elsewhere."""

    sent_as: ClassVar = SentAs(not_bound={"timeout": "decides how long smplan waits"})

    timeout: Annotated[
        int,
        Field(
            description="Seconds that its clients have at most. The load balancer cuts them off after the target "
            "group's `deregistration_delay`, whatever this says.",
            ge=0,
            le=172_800,
        ),
    ] = 3600


class RollOut(Spec):
    """How running instances are replaced when what they are launched from changes."""

    sent_as: ClassVar = SentAs(
        members={"alarms": "AlarmSpecification.Alarms"}, not_bound={"drain": "smplan drains by itself"}
    )

    min_healthy_percentage: Annotated[
        int,
        Field(description="The least share of the desired capacity in service at any time.", ge=0, le=100),
    ] = 100
    max_healthy_percentage: Annotated[
        int,
        Field(
            description="The most that may run at any time; with 110, one at a time in groups of up to 19.",
            ge=100,
            le=200,
        ),
    ] = 110
    instance_warmup: Annotated[
        int,
        Field(description="Seconds that a new instance must be in service before the next one is replaced.", ge=0),
    ] = 180
    scale_in_protected_instances: Annotated[
        Literal["Refresh", "Ignore", "Wait"] | None,
        Field(
            description="What is done with instances that are protected from scale-in: they are replaced with the "
            "sessions on them, kept as they are, or waited for, an hour at most. Needed if the group protects them."
        ),
    ] = None
    standby_instances: Annotated[
        Literal["Terminate", "Ignore", "Wait"] | None,
        Field(description="What is done with instances in standby; unset: AWS waits an hour, then the roll-out fails."),
    ] = None
    checkpoint_percentages: Annotated[
        PartialList[Annotated[int, Field(ge=1, le=100)]] | None,
        Field(description="Pause when so many percent are replaced, in ascending order; the last must be 100."),
    ] = None
    checkpoint_delay: Annotated[
        int | None, Field(description="Seconds of each pause; unset: an hour.", ge=0, le=172_800)
    ] = None
    bake_time: Annotated[
        int | None, Field(description="Seconds to watch the new instances before it is complete.", ge=0, le=172_800)
    ] = None
    alarms: Annotated[
        PartialList[Annotated[str, Field(min_length=1, max_length=255, pattern=_common.TEXT)]] | None,
        Field(description="The names of alarms that end the roll-out, and roll it back.", max_length=10),
    ] = None

    drain: Annotated[
        Drain | None,
        Field(
            description="Put each old instance in standby first: it gets no new connections, and is terminated when "
            "the load balancer has no connection to it any more. smplan then replaces the instances itself."
        ),
    ] = None

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if self.known("min_healthy_percentage", "max_healthy_percentage"):
            low, high = self.min_healthy_percentage, self.max_healthy_percentage
            if high - low > WIDEST:
                raise ValueError(
                    f"`min_healthy_percentage` {low} and `max_healthy_percentage` {high} differ by over 100"
                )
        return self

    @model_validator(mode="after")
    def _checkpoints_end_at_all(self) -> Self:
        points = self.checkpoint_percentages
        if points is None and self.checkpoint_delay is not None:
            raise ValueError("`checkpoint_delay` has no effect without `checkpoint_percentages`")
        known = isinstance(points, list) and all(isinstance(each, int) for each in points)
        if known and points is not None and (points != sorted(set(points)) or points[-1:] != [100]):
            raise ValueError("`checkpoint_percentages` must ascend, and end with 100: else old instances stay")
        return self

    @model_validator(mode="after")
    def _drains_by_itself(self) -> Self:
        if self.drain is not None and (others := self.for_refresh()):
            raise ValueError(f"{others} cannot go with `drain`: smplan then replaces one instance at a time itself")
        return self

    def for_refresh(self) -> str:
        """The fields that only AWS's instance refresh understands and that are not as they are by default."""
        changed = [name for name, usual in _PERCENTAGES.items() if self.known(name) and getattr(self, name) != usual]
        return ", ".join(
            f"`{name}`" for name in (*changed, *(n for n in _REFRESH_ONLY if getattr(self, n) is not None))
        )

    def own_timeout(self, instances: int, grace: int) -> float:
        """Seconds after which smplan has replaced so many instances itself, and gone back."""
        each = grace + self.instance_warmup + LAUNCH_SECONDS + _LEAVING_SECONDS
        return 2.0 * (instances * (each + (self.drain.timeout if self.drain else 0)) + STALLED_SECONDS)

    def timeout(self, instances: int) -> float:
        """Seconds after which AWS has ended it, back and forth, for so many instances."""
        pauses = len(self.checkpoint_percentages or ()) * (
            _CHECKPOINT_DELAY if self.checkpoint_delay is None else self.checkpoint_delay
        )
        there = instances * (self.instance_warmup + LAUNCH_SECONDS) + pauses + (self.bake_time or 0)
        return 2.0 * (there + STALLED_SECONDS)
