"""What a plan says of its origin and of each step's attributes, in lines that all formats share."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping

from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.values import Json
from smplan.render.formatting import interruption, one_line, plain, value
from smplan.stores.move_marker import uri


def origin(plan: Plan) -> dict[str, str]:
    """Where the plan applies and what it was made from, by name; one line each."""
    serial = f"serial {plan.base.serial}" if plan.base.exists else "nothing was applied yet"
    commit = plan.blueprint.get("commit")
    variables = ", ".join(f"{name} = {value(data)}" for name, data in sorted(plan.variables.items()))
    found = {
        "account": f"{plan.account} in {plan.region}" if plan.account else "",
        "blueprint": plan.blueprint.get("file", "") + (f", commit {commit}" if commit else ""),
        "variables": variables,
        "state": f"{uri(plan.backend)}, {serial}",
        **{f"permitted to {permit}": ", ".join(addresses) for permit, addresses in plan.permits.items()},
    }
    return {name: one_line(text) for name, text in found.items() if text}


def left_as_is(plan: Plan) -> list[str]:
    """What the plan leaves although the blueprint does not say so; one line each.

    What `smplan scale` holds at a size and how to start it, what is stopped behind it, and what is kept for going back.
    """
    kept = [
        f"{each.address}: generation {each.generation} ({each.id}) is kept for going back"
        for each in plan.kept_generations
    ]
    held = [
        f"{address} is scaled to {size} by `smplan scale`; `smplan scale BLUEPRINT --to blueprint` "
        f"{'starts it' if size == 0 else 'gives it the size of the blueprint'}"
        for address, size in plan.scaled.items()
    ]
    return [*map(one_line, held), *stopped(plan.stopped), *map(one_line, kept)]


def stopped(found: Mapping[str, str]) -> list[str]:
    """What is neither read nor waited for, and why; one line each."""
    return [one_line(f"{address} is stopped: {why}") for address, why in found.items()]


def interruptions(plan: Plan) -> list[str]:
    """What clients notice: seconds without an answer, sessions that end, and why; one line each."""
    return [
        one_line(f"{each.address}: {interruption(each.seconds, each.sessions)}: {each.reason}")
        for each in plan.interruptions
    ]


def not_checked(plan: Plan) -> list[str]:
    """What AWS was not asked about, and why; one line each."""
    return [one_line(f"not checked: {what}, because {why}") for what, why in plan.not_checked.items()]


def lines(step: Step, indent: str = "    ") -> Iterator[str]:
    """Every attribute of what is created, before and after of what changes: long texts as diffs, and nothing cut."""
    for change in step.changes:
        yield from _change(change, indent)
    if is_shown_whole(step):
        yield from spec(step.after, indent)


def is_shown_whole(step: Step) -> bool:
    """Whether all attributes are shown: of what is new, and of what is adopted as it is."""
    return step.op in (Op.CREATE, Op.REPLACE, Op.GATE) or (step.op is Op.ADOPT and not step.changes)


def text_diff(change: AttributeChange) -> list[str]:
    """The changed lines of a text of several lines, in the unified format; empty for any other change."""
    if not (_is_long(change.before) and _is_long(change.after)):
        return []
    before, after = plain(change.before).split("\n"), plain(change.after).split("\n")
    return list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]


def _change(change: AttributeChange, indent: str) -> Iterator[str]:
    mark = "  (cannot be changed in place)" if change.replaces else ""
    found = text_diff(change)
    if found:
        yield f"{indent}{one_line(change.path)}:{mark}"
        yield from (f"{indent}    {line}" for line in found)
        return
    yield f"{indent}{one_line(change.path)}: {both(change)[0]} -> {both(change)[1]}{mark}"


def both(change: AttributeChange) -> tuple[str, str]:
    """Before and after on a line each, which differ: with escapes where control characters are all that changed."""
    before, after = value(change.before), value(change.after)
    return (before, after) if before != after else (json.dumps(change.before), json.dumps(change.after))


def _is_long(data: Json) -> bool:
    return isinstance(data, str) and "\n" in data


def spec(attributes: Json, indent: str = "    ") -> Iterator[str]:
    """Attributes, one on a line; texts of several lines below their name."""
    for name, data in (attributes or {}).items():
        if _is_long(data):
            yield f"{indent}{one_line(name)}: |"
            yield from (f"{indent}    {line}" for line in plain(data).splitlines())
        else:
            yield f"{indent}{one_line(name)}: {value(data)}"
