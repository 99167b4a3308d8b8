"""How a plan differs from the one that is derived again from its blueprint, member by member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smplan.core import canonical_json
from smplan.core.plan.model import Plan, to_json
from smplan.core.plan.steps import still_used
from smplan.core.values import Json

UNCOMPARED = {"id", "created", "expires", "digest", "not_checked", "planner"}
"""Of the one plan alone: its id and times, who made it, and what AWS did not respond to while it was made. Apply uses
the id to know that it was not applied before, and the times to refuse it when it is old."""
_NAMES = ("file", "commit")
"""What the blueprint was called, and where it was: of the blueprint itself the digest counts."""
_LONGEST = 80
ROUNDING_SECONDS = 0.001


def differences(plan: Plan, derived: Plan, passed: float) -> Iterator[str]:
    """Every member in which ``plan`` is not ``derived``, as a line: where, what it has, and what it should have.

    Of what could not be read, the reason does not count. ``derived`` was made ``passed`` seconds later.
    """
    ours, theirs = _compared(plan), _compared(derived)
    steps, wanted = ours.pop("steps"), theirs.pop("steps")
    yield from _differences("", ours, theirs)
    yield from _of_steps(steps, wanted, passed)


def _compared(plan: Plan) -> dict[str, Json]:
    document = {name: value for name, value in to_json(plan).items() if name not in UNCOMPARED}
    document["blueprint"] = {name: value for name, value in plan.blueprint.items() if name not in _NAMES}
    document["unreadable"] = sorted(plan.unreadable)
    return document


def _of_steps(steps: list[Json], wanted: list[Json], passed: float) -> Iterator[str]:
    ours, theirs = [step["id"] for step in steps], [step["id"] for step in wanted]
    by_id = dict(zip(theirs, wanted, strict=True))
    seen: set[str] = set()
    for id, step in zip(ours, steps, strict=True):
        if id not in by_id or id in seen:
            yield f"step {_shown(id)}: the blueprint does not lead to it"
        else:
            yield from _of_step(f"step {id}", step, by_id[id], passed)
        seen.add(id)
    yield from (f"step {id}: it is missing" for id in theirs if id not in seen)
    if sorted(ours) == sorted(theirs) and ours != theirs:
        yield "the steps are in another order"


def _of_step(place: str, step: dict[str, Json], wanted: dict[str, Json], passed: float) -> Iterator[str]:
    """Both end their wait at one moment, which is nearer for the plan that was made ``passed`` seconds later."""
    yield from _differences(place, _but_wait(step), _but_wait(wanted))
    seconds, needed = step.get("wait_seconds", 0.0), wanted.get("wait_seconds", 0.0)
    late = max(seconds - passed, 0.0) - needed
    if abs(late) > ROUNDING_SECONDS:
        yield f"{place}.wait_seconds: it is {_shown(seconds)}, and the blueprint leads to {_shown(needed + passed)}"


def _but_wait(step: dict[str, Json]) -> dict[str, Json]:
    reasons = [why for why in step.get("reasons", []) if why != still_used(step.get("wait_seconds", 0.0))]
    return {**step, "reasons": reasons, "wait_seconds": 0.0}


def _differences(place: str, value: Json, wanted: Json) -> Iterator[str]:
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        for name in sorted(value.keys() | wanted.keys()):
            inner = f"{place}.{name}" if place else name
            if name not in value:
                yield f"{inner}: it is missing, and the blueprint leads to {_shown(wanted[name])}"
            elif name not in wanted:
                yield f"{inner}: the blueprint does not lead to it"
            else:
                yield from _differences(inner, value[name], wanted[name])
    elif isinstance(value, list) and isinstance(wanted, list) and len(value) == len(wanted):
        for at, (item, other) in enumerate(zip(value, wanted, strict=True)):
            yield from _differences(f"{place}[{at}]", item, other)
    elif canonical_json.canonical(value) != canonical_json.canonical(wanted):  # 1, 1.0 and true are three things
        yield f"{place}: it is {_shown(value)}, and the blueprint leads to {_shown(wanted)}"


def _shown(value: Json) -> str:
    text = canonical_json.canonical(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
