"""Whether the changes that a step shows lead from what was read to the spec that it applies: all of them, no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from smplan.core import canonical_json, diff
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Op, Step
from smplan.core.plan.recorded import as_read
from smplan.core.resource_type import ResourceType
from smplan.core.spec import RELEASED_LAST, SENSITIVE, WRITE_ONLY, Spec, fields
from smplan.core.values import Json, Secret, decode

_Comparable: TypeAlias = tuple[str, bytes, bytes, bool]


def change_problems(step: Step, type: ResourceType, spec: Spec) -> Iterator[str]:
    """The contradictions between ``before``, ``changes`` and the ``spec`` that is applied."""
    if len({each.path for each in step.changes}) != len(step.changes):
        yield "changes: an attribute is in them twice"
    hidden = {name for name, traits in fields(type.spec).items() if traits.has(WRITE_ONLY) or traits.has(SENSITIVE)}
    shown = [each for each in step.changes if each.path not in hidden]
    yield from _of_hidden([each for each in step.changes if each.path in hidden], step, type)
    if step.op is Op.UPDATE and any(each.replaces for each in step.changes):
        yield "changes: one of them cannot be made in place"
    if step.id == f"{step.address}:release":
        yield from _of_release(shown, step, type)
    elif type.gate or type.virtual:
        yield from _of_recorded(shown, step)
    else:
        skipped = type.name_field if step.op is Op.REPLACE else None  # a generation may have a name of its own
        expected = _comparable(_expected(step, type, spec), skipped)
        if wrong := {each[0] for each in expected ^ _comparable(shown, skipped)}:
            yield f"changes: they do not lead from `before` to the spec: {', '.join(sorted(wrong)[:5])}"


def _expected(step: Step, type: ResourceType, spec: Spec) -> Iterable[AttributeChange]:
    """The changes from what was read, but for what cannot be read back."""
    if step.before is None or step.op in (Op.CREATE, Op.GATE):
        return ()
    if step.op is not Op.SCALE:
        return diff.diff(spec, as_read(type, decode(step.before)))
    sizes = (type.scaling.minimum, type.scaling.desired) if type.scaling else ()
    found = (AttributeChange(name, step.before.get(name), step.resource.spec.get(name)) for name in sizes)
    return [each for each in found if each.before != each.after]


def _comparable(changes: Iterable[AttributeChange], skipped: str | None) -> set[_Comparable]:
    return {
        (each.path, _canonical(each.before), _canonical(each.after), each.replaces)
        for each in changes
        if each.path != skipped
    }


def _of_release(shown: Iterable[AttributeChange], step: Step, type: ResourceType) -> Iterator[str]:
    """What the update of the same address kept: its changes begin where that update ends."""
    for each in shown:
        traits = fields(type.spec).get(each.path)
        if traits is None or not traits.has(RELEASED_LAST) or not _is_applied(each, step):
            yield f"changes: {each.path} is not released"


def _of_recorded(shown: Iterable[AttributeChange], step: Step) -> Iterator[str]:
    """Of what is compared with its record."""
    paths = {each.path for each in shown if _is_applied(each, step)}
    changed = () if step.before is None else diff.changed_paths(step.before, step.resource.spec)
    missing = {".".join(path) for path, _, _ in changed} - paths
    wrong = {each.path for each in shown} - paths | missing
    if wrong:
        yield f"changes: they do not lead from `before` to the spec: {', '.join(sorted(wrong)[:5])}"


def _of_hidden(hidden: Iterable[AttributeChange], step: Step, type: ResourceType) -> Iterator[str]:
    """Of what cannot be read back: it shows what will be applied, and no secret."""
    for each in hidden:
        if not _is_applied(each, step):
            yield f"changes: {each.path} is not what will be applied"
        is_open = not all(isinstance(decode(value), Secret | None) for value in (each.before, each.after))
        if fields(type.spec)[each.path].has(SENSITIVE) and is_open:
            yield f"changes: {each.path} shows a secret"


def _is_applied(change: AttributeChange, step: Step) -> bool:
    return _canonical(diff.value_at(step.resource.spec, change.path)) == _canonical(change.after)


def _canonical(value: Json) -> bytes:
    return canonical_json.canonical(value)
