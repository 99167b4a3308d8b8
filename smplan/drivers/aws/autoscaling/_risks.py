"""Risks of changes of a scaling group: which of its instances are terminated, and who is no longer served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smplan.core.risk import Category, Effect, Risk, items, number, shown
from smplan.core.values import Json
from smplan.core.wording import count
from smplan.drivers.aws.autoscaling import _hooks


def of_group(effect: Effect) -> Iterator[Risk]:
    """Of a deletion, of other sizes, launch source, protection, subnets, targets, checks, processes and hooks."""
    if effect.deletes:
        yield from _of_delete(effect)
    if effect.changes:
        yield from _of_sizes(effect)
        yield from _of_instances(effect)
        yield from _of_traffic(effect)
        yield from _of_maintenance(effect)
        yield from _of_processes(effect)
        yield from _of_hooks(effect)


def _of_delete(effect: Effect) -> Iterator[Risk]:
    running = number(effect.before.get("desired_capacity"))
    instances = "its instances are" if running is None else f"{count(running, 'instance')} of it {_are(running)}"
    when = " once the new group is ready" if effect.after else ""
    if running != 0:
        yield Risk(Category.SERVING, f"{instances} terminated{when}, and the sessions on them end")
    if running != 0 and effect.before.get("new_instances_protected_from_scale_in") is True:
        yield Risk(Category.PROTECTION, "its instances lose their protection from scale-in, and are terminated")


def _of_sizes(effect: Effect) -> Iterator[Risk]:
    running, most = number(effect.before.get("desired_capacity")), number(effect.after.get("max_size"))
    least = effect.lowered("min_size")
    if effect.op == "scale":
        yield from _of_scaling(effect)
        return
    if effect.alters("max_size") and most is not None and running is not None and running > most:
        gone = running - most
        yield Risk(
            Category.CAPACITY,
            f"{gone} of {count(running, 'instance')} {_are(gone)} terminated, because `max_size` becomes {most}",
        )
    elif lowered := effect.lowered("max_size"):
        yield Risk(Category.CAPACITY, f"at most {count(lowered[1], 'instance')} can run, not {lowered[0]} as now")
    if least:
        left = "no instance" if least[1] == 0 else count(least[1], "instance")
        yield Risk(Category.CAPACITY, f"scale-in may leave {left}, and not {least[0]} as now")


def _of_scaling(effect: Effect) -> Iterator[Risk]:
    if lowered := effect.lowered("desired_capacity"):
        before, after = lowered
        gone = before - after
        left = "; none is left to serve until it is scaled back" if after == 0 else ""
        yield Risk(
            Category.SERVING,
            f"{gone} of {count(before, 'instance')} {_are(gone)} drained and terminated, and the sessions on "
            f"{'it' if gone == 1 else 'them'} end{left}",
        )
        if effect.before.get("new_instances_protected_from_scale_in") is True:
            yield Risk(Category.PROTECTION, "instances that must go lose their protection from scale-in")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _of_instances(effect: Effect) -> Iterator[Risk]:
    if effect.alters("launch_template", "launch_configuration"):
        yield from _of_source(effect)
    if effect.alters("deletion_protection") and effect.was("deletion_protection") == "prevent-all-deletion":
        yield Risk(Category.PROTECTION, f"anything may delete {effect.was('name')} from then on")
    protected = "new_instances_protected_from_scale_in"
    if effect.alters(protected) and effect.before.get(protected) is True:
        yield Risk(Category.PROTECTION, "scale-in may terminate every instance, with the sessions on it")


def _of_source(effect: Effect) -> Iterator[Risk]:
    before, after, roll_out = _source(effect.before), _source(effect.after), effect.after.get("roll_out")
    if not isinstance(roll_out, dict):
        yield Risk(
            Category.SERVING,
            f"running instances keep {before}, because there is no `roll_out`; only new ones are launched from {after}",
        )
        return
    running, drain, own = number(effect.before.get("desired_capacity")), roll_out.get("drain"), _is_own(effect)
    least, most = _bounds(effect)
    if running == 0:
        return
    instances = "its instances are" if running is None else f"{count(running, 'instance')} of it {_are(running)}"
    protected = _PROTECTED.get(str(roll_out.get("scale_in_protected_instances")), "")
    yield Risk(
        Category.SERVING,
        f"{instances} replaced by {after}, {_pace(running, least, most)}, each once its successor has been healthy for "
        f"{shown(roll_out.get('instance_warmup'))} s{_about(effect)}: "
        f"{_ends(drain)}{protected}; if it fails, {'the group' if own else 'AWS'} goes back to {before}",
    )
    highest = number(effect.before.get("max_size"))
    if own and running is not None and running == highest:
        yield Risk(Category.CAPACITY, f"`max_size` is {running + 1} meanwhile, for the one instance more that it needs")
    if least < _ALL:
        yield Risk(Category.CAPACITY, f"meanwhile as few as {least} % of the desired capacity are in service")


def _is_own(effect: Effect) -> bool:
    """Whether smplan replaces the instances itself."""
    drains = isinstance(_roll_out(effect).get("drain"), dict)
    return drains or _by_configuration(effect.before) or _by_configuration(effect.after)


def _roll_out(effect: Effect) -> Mapping[str, Json]:
    found = effect.after.get("roll_out")
    return found if isinstance(found, dict) else {}


def _bounds(effect: Effect) -> tuple[int, int]:
    """The least and the most percent of the desired capacity during a roll-out."""
    if _is_own(effect):
        return _ALL, _ALL
    low = number(_roll_out(effect).get("min_healthy_percentage"))
    high = number(_roll_out(effect).get("max_healthy_percentage"))
    return (_ALL if low is None else low), (110 if high is None else high)


def _by_configuration(spec: Mapping[str, Json]) -> bool:
    return spec.get("launch_configuration") is not None


def _ends(drain: Json) -> str:
    """What becomes of the sessions on the old instances."""
    if not isinstance(drain, dict):
        return "the sessions on them end"
    return (
        f"each gets no new connections first, and its clients have {shown(drain.get('timeout'))} s to leave (no longer "
        "than the target group's deregistration delay); the sessions of those who stay end"
    )


_ALL = 100
_BOOT_SECONDS = 180
"""What the guide allows a Stream Manager to start."""
_PROTECTED = {
    "Ignore": ", but those that are protected from scale-in stay as they are",
    "Wait": ", and it fails if one is still protected from scale-in after an hour",
}


def _at_once(running: int, least: int, most: int) -> int:
    """How many instances are replaced at the same time (API reference, RefreshPreferences)."""
    return max(running * most // 100 - running, running - -(-running * least // 100), 1)


def _pace(running: int | None, least: int, most: int) -> str:
    together = _at_once(running, least, most) if running else 0
    if running is None:
        return f"with {least} to {most} % of them at any time"
    return "one at a time" if together == 1 else f"{together} at a time"


def _about(effect: Effect) -> str:
    seconds = _roll_out_seconds(effect)
    return f" (about {seconds // 60} min)" if seconds else ""


def _roll_out_seconds(effect: Effect) -> int:
    """How long a roll-out takes without its drains; 0 if that is not known."""
    running, warmup = number(effect.before.get("desired_capacity")), number(_roll_out(effect).get("instance_warmup"))
    if not running or warmup is None:
        return 0
    rounds = -(-running // _at_once(running, *_bounds(effect)))
    return rounds * (warmup + _BOOT_SECONDS)


def replacement_seconds(effect: Effect) -> float:
    """How long it takes until running instances are replaced, as far as that is known; 0 if none is."""
    if not effect.changes:
        return 0
    if effect.alters("launch_template", "launch_configuration"):
        return _roll_out_seconds(effect)
    before, lost = items(effect.before.get("subnet_ids")), effect.lost("subnet_ids")
    running = number(effect.before.get("desired_capacity"))
    if not lost or not running:
        return 0
    return -(-running * len(lost) // max(len(before), 1)) * _BOOT_SECONDS


def _source(spec: object) -> str:
    members = spec if isinstance(spec, dict) else {}
    template = members.get("launch_template")
    if isinstance(template, dict) and "id" in template:
        return f"version {shown(template.get('version'))} of {shown(template['id'])}"
    return shown(members.get("launch_configuration"))


def _of_traffic(effect: Effect) -> Iterator[Risk]:
    if lost := effect.lost("subnet_ids"):
        yield Risk(
            Category.SERVING,
            f"the instances in {', '.join(lost)} are terminated, and launched elsewhere; AWS ends each "
            + _successor(effect),
        )
    if lost := effect.lost("target_group_arns"):
        yield Risk(Category.SERVING, f"its instances get no more requests through {', '.join(lost)}")
    if effect.alters("health_check_type") and "ELB" in effect.becomes("health_check_type").split(","):
        yield Risk(Category.SERVING, "instances that fail the load balancer's health check are terminated and replaced")
    if lowered := effect.lowered("health_check_grace_period"):
        yield Risk(
            Category.SERVING,
            f"a new instance that is not healthy after {lowered[1]} s is terminated; until now it had {lowered[0]} s",
        )


def _successor(effect: Effect) -> str:
    """When an instance of a zone that the group leaves is terminated, and how long one is missing."""
    running = number(effect.before.get("desired_capacity"))
    low, _ = _maintenance(effect.after) or _maintenance(effect.before) or (None, None)
    if low == _ALL:
        return "once its replacement is healthy: 0 s without it; the sessions on it end"
    if low is not None:
        return f"as long as {low} % of the desired capacity are in service"
    alone = ": nothing serves until then" if running == 1 else ""
    return f"once its replacement has started, which serves about {_BOOT_SECONDS} s later{alone}"


def _maintenance(spec: Mapping[str, Json]) -> tuple[int, int] | None:
    """The least and the most of a maintenance policy; None if there is none, or it is not known."""
    policy = spec.get("instance_maintenance_policy")
    if not isinstance(policy, dict):
        return None
    low, high = number(policy.get("min_healthy_percentage")), number(policy.get("max_healthy_percentage"))
    return None if low is None or high is None or low < 0 else (low, high)


def _of_maintenance(effect: Effect) -> Iterator[Risk]:
    if not effect.alters("instance_maintenance_policy"):
        return
    before, after = _maintenance(effect.before), _maintenance(effect.after)
    if after and after[0] < (before[0] if before else _ALL):
        yield Risk(
            Category.CAPACITY,
            f"as few as {after[0]} % of the desired capacity are in service while AWS replaces instances",
        )
    policy = effect.after.get("instance_maintenance_policy")
    if before and isinstance(policy, dict) and policy.get("min_healthy_percentage") == -1:
        yield Risk(Category.CAPACITY, "AWS terminates unhealthy instances before their replacements serve")


_SUSPENDED = {
    "Launch": (
        Category.CAPACITY,
        "it launches no instance: it does not scale out, and a lost instance is not replaced",
    ),
    "Terminate": (Category.CAPACITY, "it terminates no instance: it does not scale in, and unhealthy ones stay"),
    "AddToLoadBalancer": (Category.SERVING, "new instances get no requests, also later: AWS does not register them"),
    "HealthCheck": (Category.SERVING, "unhealthy instances are not noticed"),
    "ReplaceUnhealthy": (Category.SERVING, "unhealthy instances are not replaced"),
    "AlarmNotification": (Category.CAPACITY, "its scaling policies do nothing"),
    "ScheduledActions": (Category.CAPACITY, "its scheduled actions do nothing"),
    "InstanceRefresh": (Category.CAPACITY, "instances are not replaced by an instance refresh"),
    "AZRebalance": (Category.CAPACITY, "instances stay in zones that the group leaves, and zones fill unevenly"),
}


def _of_processes(effect: Effect) -> Iterator[Risk]:
    if not effect.alters("suspended_processes"):
        return
    before = items(effect.before.get("suspended_processes"))
    for process in items(effect.after.get("suspended_processes")):
        if isinstance(process, str) and process not in before and process in _SUSPENDED:
            category, reason = _SUSPENDED[process]
            yield Risk(category, f"while {process} is suspended, {reason}")


def _of_hooks(effect: Effect) -> Iterator[Risk]:
    if not effect.alters("lifecycle_hooks"):
        return
    before = items(effect.before.get("lifecycle_hooks"))
    for hook in items(effect.after.get("lifecycle_hooks")):
        if not isinstance(hook, dict) or hook.get("lifecycle_transition") != _hooks.LAUNCHING or hook in before:
            continue
        seconds = shown(hook.get("heartbeat_timeout") or _hooks.HEARTBEAT)
        abandoned = hook.get("default_result", _hooks.ABANDON) == _hooks.ABANDON
        then = "terminated" if abandoned else "in service all the same"
        yield Risk(
            Category.CAPACITY,
            f"a new instance serves once hook {shown(hook.get('name'))} is completed; after {seconds} s it is {then}",
        )
