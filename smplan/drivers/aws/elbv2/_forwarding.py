"""The forward actions of a listener: what stays as it is, and how traffic passes from one target group to another.

Targets are unused, and not checked, until a listener forwards to their target group. So a listener forwards to the new
one beside the old, with weight 0, until as many of its targets are healthy as serve in the old one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from smplan.drivers.aws.requests import accepted
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

MAXIMUM = 5
"""Target groups of one forward action (API reference, ForwardActionConfig and the quotas of load balancers)."""
Actions = list[dict[str, Any]]


def actions_of(aws: AwsAccount, listener: str) -> Actions:
    """The default actions of a listener as a request takes them; none if it is gone."""
    shape: Any = aws.write.elbv2.meta.service_model.shape_for("Actions")
    with suppress(NotFound):
        found = aws.read.elbv2.describe_listeners(ListenerArns=[listener])["Listeners"]
        actions: Actions = accepted(shape, [action for each in found for action in each.get("DefaultActions", [])])
        return actions
    return []


def directly(actions: Actions, target_group: str) -> Actions:
    """The actions with another target group: who must log in, and stickiness, are not managed."""
    return _with(actions, {"TargetGroupArn": target_group}, [{"TargetGroupArn": target_group}])


def beside(actions: Actions, target_group: str) -> Actions:
    """The actions with another target group in addition, which gets no requests yet."""
    others = [each for each in _groups(actions) if each["TargetGroupArn"] != target_group]
    groups = [*others, {"TargetGroupArn": target_group, "Weight": 0}]
    return _with(actions, {}, groups, weighted=True)


def passes(aws: AwsAccount, actions: Actions, target_group: str) -> bool:
    """Whether clients are served by other target groups, and none by this one, so that it has to be ready first."""
    groups = _groups(actions)
    weights = {each["TargetGroupArn"]: each.get("Weight", 1) for each in groups}
    others = [arn for arn, weight in weights.items() if weight and arn != target_group]
    if weights.get(target_group, 0) or len(others) >= MAXIMUM:
        return False
    return any(_healthy(_states(aws, arn)) for arn in others)


def ready(aws: AwsAccount, actions: Actions, target_group: str) -> Iterator[Progress]:
    """Until as many targets are healthy in the new target group as in each of the others."""
    others = [each["TargetGroupArn"] for each in _groups(actions) if each["TargetGroupArn"] != target_group]
    while True:
        needed = max((_healthy(_states(aws, arn)) for arn in others), default=0)
        states = _states(aws, target_group)
        if _healthy(states) >= needed:
            return
        yield Progress(
            f"{needed} healthy targets in {_name(target_group)}, as many as in what the listener forwards to",
            _describe(states, needed),
            min(_healthy(states) / needed, 1.0),
        )


def _describe(states: Counter[tuple[str, str]], needed: int) -> str:
    """How many targets are in which state, and why."""
    found = [f"{number} {' '.join(state)}".rstrip() for state, number in sorted(states.items())]
    return f"{needed} needed; {'; '.join(found) or 'no targets yet'}"


def _states(aws: AwsAccount, target_group: str) -> Counter[tuple[str, str]]:
    """The number of targets by state and reason; none of a target group that is gone."""
    with suppress(NotFound):
        found = aws.read.elbv2.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
        states = (each.get("TargetHealth", {}) for each in found)
        return Counter((state.get("State", ""), state.get("Reason", "")) for state in states)
    return Counter()


def _healthy(states: Counter[tuple[str, str]]) -> int:
    return sum(number for (state, _), number in states.items() if state == "healthy")


def _name(target_group: str) -> str:
    """``…:targetgroup/<name>/<id>``."""
    return target_group.rpartition("/")[0].rpartition("/")[2]


def _groups(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The target groups that the last forward action sends to, with their weights."""
    last = _last_forward(actions)
    groups = [dict(each) for each in last.get("ForwardConfig", {}).get("TargetGroups", []) if "TargetGroupArn" in each]
    return groups or ([{"TargetGroupArn": last["TargetGroupArn"], "Weight": 1}] if "TargetGroupArn" in last else [])


def _last_forward(actions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((action for action in reversed(actions) if action["Type"] == "forward"), {})


def _with(
    actions: Actions, target: Mapping[str, Any], groups: list[dict[str, Any]], *, weighted: bool = False
) -> Actions:
    """The checks again, then a forward with the order and the stickiness of the last one."""
    last = _last_forward(actions)
    made: dict[str, Any] = {"Type": "forward", **target}
    if "Order" in last:
        made["Order"] = last["Order"]
    sticky = last.get("ForwardConfig", {}).get("TargetGroupStickinessConfig")
    if sticky or weighted:
        made["ForwardConfig"] = {"TargetGroups": groups, **({"TargetGroupStickinessConfig": sticky} if sticky else {})}
    return [*map(_again, filter(is_check, actions)), made]


def is_check(action: Mapping[str, Any]) -> bool:
    """Whether the action only lets some requests pass on to the next one."""
    return str(action["Type"]).startswith(("authenticate-", "jwt-"))


def _again(action: Mapping[str, Any]) -> dict[str, Any]:
    """A check as a request takes it again: AWS does not return the secret of OIDC."""
    oidc = action.get("AuthenticateOidcConfig")
    return {**action, **({"AuthenticateOidcConfig": {**oidc, "UseExistingClientSecret": True}} if oidc else {})}


def shown(actions: Sequence[Mapping[str, Any]]) -> str:
    """The target groups of the actions; for another action, set by hand, its type, which is a difference."""
    return ", ".join(map(_shown, itertools.filterfalse(is_check, actions)))


def _shown(action: Mapping[str, Any]) -> str:
    if action["Type"] != "forward":
        return str(action["Type"])
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or []
    return action.get("TargetGroupArn") or ", ".join(group.get("TargetGroupArn", "") for group in groups)
