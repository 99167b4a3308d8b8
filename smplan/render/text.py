"""Plans, drift and state as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from smplan.core.plan.model import Drift, Op, Plan, Step
from smplan.core.state.model import ResourceState, Status
from smplan.core.values import Json
from smplan.core.wording import count
from smplan.render import attributes
from smplan.render.formatting import SIGNS, one_line, summary, value

if TYPE_CHECKING:
    from smplan.stores.history import Version
    from smplan.stores.interface import LockInfo

_COLORS = {
    Op.CREATE: "32",
    Op.UPDATE: "33",
    Op.REPLACE: "35",
    Op.DELETE: "31",
    Op.ADOPT: "36",
    Op.FORGET: "2",
    Op.MOVE: "36",
    Op.RESTORE: "36",
    Op.GATE: "34",
    Op.UNPROTECT: "31",
    Op.SCALE: "33",
}


def plan(plan: Plan, *, color: bool = False) -> str:
    """The plan: drift, every step in order with its reasons and dependencies, unreadable resources, the summary."""
    where = f", account {plan.account} in {plan.region}" if plan.account else ""
    base = f"state serial {plan.base.serial}" if plan.base.exists else "no state yet"
    lines = [
        f"Plan for {one_line(plan.name)} ({plan.mode}{where}; {base})",
        *(f"{name.capitalize()}: {text}" for name, text in attributes.origin(plan).items() if name != "account"),
        "",
    ]
    lines += _drift(plan.drift)
    for step in plan.steps:
        lines += [*_step(step, color=color), ""]
    lines += [f"interruption: {each}" for each in attributes.interruptions(plan)]
    lines += [*_unreadable(plan.unreadable), *attributes.left_as_is(plan), *attributes.not_checked(plan)]
    lines += [f"warning: {one_line(each)}" for each in plan.warnings]
    lines += [summary(plan), f"Plan {plan.id}, digest {plan.digest[:12]}, may be applied until {plan.expires}."]
    return "\n".join(lines) + "\n"


def _step(step: Step, *, color: bool) -> Iterator[str]:
    head = f"{SIGNS[step.op]} {one_line(step.address)}  {one_line(step.kind)}  ({step.op})"
    yield f"\x1b[{_COLORS[step.op]}m{head}\x1b[0m" if color else head
    if step.physical_id:
        yield f"    id: {one_line(step.physical_id)}"
    yield from (f"    because {one_line(reason)}" for reason in step.reasons)
    for risk in step.risks:
        line = f"    RISK: {one_line(str(risk))}"
        yield f"\x1b[31m{line}\x1b[0m" if color else line
    yield from attributes.lines(step)
    for dependency in step.depends_on:
        source = f" [{one_line(dependency.source)}]" if dependency.source else ""
        yield f"    after {one_line(dependency.step)}: {one_line(dependency.reason)}{source}"


def _drift(found: Sequence[Drift]) -> list[str]:
    if not found:
        return []
    lines = ["Changed outside smplan since the last apply:"]
    for each in found:
        lines.append(
            f"  ! {one_line(each.address)}  {one_line(each.kind)}  {one_line(each.id)}{' is gone' if each.gone else ''}"
        )
        lines += [
            f"      {one_line(change.path)}: was {value(change.before)}, is {value(change.after)}"
            for change in each.changes
        ]
    return [*lines, ""]


def _unreadable(found: Mapping[str, str]) -> list[str]:
    return [f"? {one_line(address)}: cannot be read, left unchanged: {one_line(why)}" for address, why in found.items()]


def drift(found: Sequence[Drift], unreadable: Mapping[str, str], stopped: Mapping[str, str] | None = None) -> str:
    """The drift, attribute by attribute, what could not be read, and what is ``stopped``."""
    lines = [*_drift(found), *_unreadable(unreadable)]
    idle = "".join(f"{line}\n" for line in attributes.stopped(stopped or {}))
    if unreadable:
        none = "" if found else "No drift where it could be read. "
        lines.append(f"{none}{count(len(unreadable), 'resource')} could not be read: the comparison is incomplete.")
    return idle + ("\n".join(lines) + "\n" if lines else "No drift: everything matches the last apply.\n")


def entries(current: Sequence[ResourceState], older: Sequence[ResourceState] = ()) -> str:
    """One line per resource of the state, and per older generation."""
    if not current and not older:
        return "The state is empty.\n"
    return _table([*map(_columns, current), *map(_older_columns, older)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    shown = [[one_line(cell) for cell in row] for row in rows]
    wide = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in shown)
    return "\n".join(lines) + "\n"


def history(found: Sequence[Version]) -> str:
    """One line per state, the current one first."""
    return _table([("serial", "saved", "plan", "resources", ""), *(_version(each) for each in found)])


def _version(version: Version) -> tuple[str, ...]:
    if version.trouble:
        return str(version.serial), "", "", "", version.trouble
    now = "now" if version.current else ""
    return str(version.serial), version.saved or "-", version.plan or "-", str(version.resources), now


def lock(location: str, lock: LockInfo | None) -> str:
    """The holder of the lock on ``location``."""
    where = one_line(location)
    if lock is None:
        return f"The lock on {where} is free.\n"
    holder = lock.holder
    fields = {"who": holder.who, "operation": holder.operation, "run": holder.run, "since": holder.since}
    if lock.until:
        fields |= {"until": f"{lock.until} by the server's clock, unless renewed", "epoch": str(lock.epoch)}
    status = "expired; last held by" if lock.expired else "held by"
    lines = [f"    {name.ljust(9)}  {one_line(value)}" for name, value in fields.items()]
    return "\n".join([f"The lock on {where} is {status}", *lines]) + "\n"


def _columns(entry: ResourceState) -> tuple[str, ...]:
    return entry.address, entry.kind, entry.id, "" if entry.status is Status.READY else str(entry.status)


def _older_columns(entry: ResourceState) -> tuple[str, ...]:
    return *_columns(entry)[:3], f"replaced, generation {entry.generation}"


def entry(entry: ResourceState, older: Sequence[ResourceState] = ()) -> str:
    """One resource of the state, in full, and which older generations of it exist."""
    lines = [
        f"{one_line(entry.address)}  {one_line(entry.kind)}",
        f"    id: {one_line(entry.id)}",
        f"    status: {entry.status}, generation {entry.generation}",
        *([f"    created after: {', '.join(map(one_line, entry.dependencies))}"] if entry.dependencies else []),
        *(f"    replaced generation {each.generation}: {one_line(each.id)}" for each in older),
        *(["    protected by prevent_destroy"] if entry.prevent_destroy else []),
        "  spec:",
        *attributes.spec(entry.spec),
    ]
    if entry.outputs:
        lines += ["  outputs:", *attributes.spec(dict(entry.outputs))]
    return "\n".join(lines) + "\n"


def outputs(found: Mapping[str, Json]) -> str:
    """One line per output."""
    lines = [f"{one_line(name)} = {value(data)}" for name, data in sorted(found.items())]
    return "\n".join(lines) + "\n" if lines else "There are no outputs.\n"
