"""Risks of changes of a scaling group: which of its instances are terminated, and who is no longer served."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.core.risk import Category, Effect, Risk, number, shown
from smplan.core.wording import count


def of_group(effect: Effect) -> Iterator[Risk]:
    """Of a deletion, of other sizes, launch source, protection, subnets, targets and health checks."""
    if effect.deletes:
        yield from _of_delete(effect)
    if effect.changes:
        yield from _of_sizes(effect)
        yield from _of_instances(effect)
        yield from _of_traffic(effect)


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
        before, after = _source(effect.before), _source(effect.after)
        yield Risk(
            Category.SERVING, f"instances launched from now on come from {after}, not {before}; those that run stay"
        )
    protected = "new_instances_protected_from_scale_in"
    if effect.alters(protected) and effect.before.get(protected) is True:
        yield Risk(Category.PROTECTION, "scale-in may terminate every instance, with the sessions on it")


def _source(spec: object) -> str:
    members = spec if isinstance(spec, dict) else {}
    template = members.get("launch_template")
    if isinstance(template, dict) and "id" in template:
        return f"version {shown(template.get('version'))} of {shown(template['id'])}"
    return shown(members.get("launch_configuration"))


def _of_traffic(effect: Effect) -> Iterator[Risk]:
    if lost := effect.lost("subnet_ids"):
        yield Risk(Category.SERVING, f"the instances in {', '.join(lost)} are terminated, and launched elsewhere")
    if lost := effect.lost("target_group_arns"):
        yield Risk(Category.SERVING, f"its instances get no more requests through {', '.join(lost)}")
    if effect.alters("health_check_type") and effect.after.get("health_check_type") == "ELB":
        yield Risk(Category.SERVING, "instances that fail the load balancer's health check are terminated and replaced")
    if lowered := effect.lowered("health_check_grace_period"):
        yield Risk(
            Category.SERVING,
            f"a new instance that is not healthy after {lowered[1]} s is terminated; until now it had {lowered[0]} s",
        )
