"""Lifecycle hooks of a scaling group: what a blueprint says of them, and the requests.

A group's hooks may be of several: a tag of the group has the names of those that smplan manages. It alone decides which
are read, and which are deleted once no blueprint names them. Without it nothing is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.spec import Spec
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.requests import without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

TAG = "smplan:lifecycle-hooks"
MOST = 50
"""How many hooks a group may have (User Guide, "Quotas")."""
LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
HEARTBEAT = 3600
"""Seconds of a hook without a time-out of its own (API reference of PutLifecycleHook)."""
ABANDON = "ABANDON"
_VALUE_LIMIT = 256
"""Of a tag."""


class LifecycleHook(Spec):
    """A pause of each instance that is launched or terminated, until someone completes it or its time is over."""

    sent_as: ClassVar = SentAs(
        members={
            "name": "LifecycleHookName",
            "notification_target_arn": "NotificationTargetARN",
            "role_arn": "RoleARN",
        }
    )

    name: Annotated[
        str,
        Field(description="The name, unique in the group.", min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_/-]+$"),
    ]
    lifecycle_transition: Annotated[
        Literal["autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"],
        Field(description="Whether new instances wait before they are in service, or old ones before they end."),
    ]
    heartbeat_timeout: Annotated[
        int | None,
        Field(description="Seconds until `default_result` applies; AWS's default is 3600.", ge=30, le=7200),
    ] = None
    default_result: Annotated[
        Literal["CONTINUE", "ABANDON"] | None,
        Field(
            description="What happens after that time; AWS's default is ABANDON, which terminates an instance that was "
            "launched."
        ),
    ] = None
    notification_target_arn: Annotated[
        str | None,
        references.HOOK_TARGET,
        Field(
            description="A topic or queue that is sent a message; unset: EventBridge only. `''` removes it.",
            max_length=255,
            pattern=_common.TEXT,
        ),
    ] = None
    role_arn: Annotated[
        str | None,
        references.ROLE,
        Field(
            description="The role with which AWS sends it; needed with `notification_target_arn`.",
            min_length=1,
            max_length=255,
            pattern=_common.TEXT,
        ),
    ] = None
    notification_metadata: Annotated[
        str | None,
        Field(
            description="Text that each message has too.", min_length=1, max_length=4000, pattern="^[\\t\\n\\r -~]+$"
        ),
    ] = None

    @model_validator(mode="after")
    def _target_has_a_role(self) -> Self:
        target, role = self.notification_target_arn, self.role_arn
        if target not in (None, "") and role is None:
            raise ValueError("`notification_target_arn` needs `role_arn`, with which AWS sends the messages")
        if role is not None and target is None:
            raise ValueError("`role_arn` has no effect without `notification_target_arn`")
        return self


def check_names(hooks: Sequence[Any]) -> None:
    """Raises ValueError if two hooks have one name, or the names do not fit into the tag that remembers them."""
    names = [hook.name for hook in hooks if isinstance(hook, LifecycleHook) and hook.known("name")]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"`lifecycle_hooks` has {', '.join(double)} twice")
    if len(" ".join(names)) > _VALUE_LIMIT:
        raise ValueError(f"the names of `lifecycle_hooks` have over {_VALUE_LIMIT} characters together")


def specifications(hooks: Sequence[LifecycleHook] | None) -> list[dict[str, Any]] | None:
    """The hooks of a group that is created: instances of its first second wait, too."""
    return [_request(hook) for hook in hooks] if hooks else None


def record(hooks: Sequence[LifecycleHook] | None) -> dict[str, str]:
    """The tag that remembers which hooks are managed; none if no hook is."""
    return {TAG: " ".join(sorted(hook.name for hook in hooks))} if hooks else {}


def managed(aws: AwsAccount, group: Mapping[str, Any]) -> list[LifecycleHook]:
    """Those of the described group that smplan manages, in one call if there are any."""
    names = tags.plain(group.get("Tags")).get(TAG, "").split()
    return [_read(hook) for hook in _described(aws, group["AutoScalingGroupName"], names)]


def _described(aws: AwsAccount, name: str, hooks: Collection[str]) -> Iterator[Mapping[str, Any]]:
    if not hooks:
        return
    with suppress(NotFound):  # the group is gone meanwhile
        found = aws.read.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
        yield from (each for each in found if each.get("LifecycleHookName") in hooks)


def _read(hook: Mapping[str, Any]) -> LifecycleHook:
    return LifecycleHook.model_construct(
        name=hook["LifecycleHookName"],
        lifecycle_transition=hook["LifecycleTransition"],
        heartbeat_timeout=hook.get("HeartbeatTimeout", HEARTBEAT),
        default_result=hook.get("DefaultResult", ABANDON),
        notification_target_arn=hook.get("NotificationTargetARN", ""),
        role_arn=hook.get("RoleARN"),
        notification_metadata=hook.get("NotificationMetadata"),
    )


def update(
    aws: AwsAccount, name: str, before: Sequence[LifecycleHook] | None, wanted: Sequence[LifecycleHook] | None
) -> None:
    """Put what differs, delete what is no longer wanted. All names are remembered until the last one is deleted."""
    if wanted is None:
        return
    there, now = {hook.name: hook for hook in before or ()}, {hook.name: hook for hook in wanted}
    if now.keys() - there.keys():
        _remember(aws, name, there.keys() | now.keys())
    client = aws.write.autoscaling
    for hook in wanted:
        if not _is_as(hook, there.get(hook.name)):
            client.put_lifecycle_hook(AutoScalingGroupName=name, **_request(hook))
    gone = there.keys() - now.keys()
    for each in _described(aws, name, gone):  # AWS refuses to delete one that an interrupted update has deleted
        client.delete_lifecycle_hook(AutoScalingGroupName=name, LifecycleHookName=each["LifecycleHookName"])
    if gone:
        _remember(aws, name, now.keys())


def _is_as(hook: LifecycleHook, there: LifecycleHook | None) -> bool:
    """Whether the hook that exists has all that the wanted one says; what it does not say stays."""
    found = there.managed_fields() if there else {}
    return all(found.get(key) == value for key, value in hook.managed_fields().items())


def _remember(aws: AwsAccount, name: str, names: Collection[str]) -> None:
    place: dict[str, Any] = {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": TAG}
    if names:
        tag: Any = {**place, "Value": " ".join(sorted(names)), "PropagateAtLaunch": False}
        aws.write.autoscaling.create_or_update_tags(Tags=[tag])
    else:
        keys: Any = [place]
        aws.write.autoscaling.delete_tags(Tags=keys)


def _request(hook: LifecycleHook) -> dict[str, Any]:
    return without_none(
        {
            "LifecycleHookName": hook.name,
            "LifecycleTransition": hook.lifecycle_transition,
            "HeartbeatTimeout": hook.heartbeat_timeout,
            "DefaultResult": hook.default_result,
            "NotificationTargetARN": hook.notification_target_arn,
            "RoleARN": hook.role_arn,
            "NotificationMetadata": hook.notification_metadata,
        }
    )


def longest(hooks: Sequence[LifecycleHook] | None, transition: str) -> float:
    """Seconds for which the hooks of a transition may hold an instance, without a further heartbeat."""
    held = (hook for hook in hooks or () if hook.lifecycle_transition == transition)
    return max((float(hook.heartbeat_timeout or HEARTBEAT) for hook in held), default=0.0)
