"""A small language for planner tests: what is wanted, what the state records, what exists, and the plan.

``want("a", size=2)`` is a resource of the blueprint, ``have("a", size=1)`` one that the state records and that exists
as recorded. ``planned(wants, haves)`` is the plan; its ``story`` is the steps in order, each with what it waits for:
``["a:create", "b:create after a:create"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from smplan.core import graph
from smplan.core.blueprint import BackendConfig, Blueprint, Lifecycle, Moved, Resource, SourceMap
from smplan.core.graph import Edge, Graph
from smplan.core.plan.changes import ChangeSet, Permits
from smplan.core.plan.model import Step
from smplan.core.plan.moves import plan_moves
from smplan.core.plan.observed import Hidden, ObservedResource, ObservedState, Untracked
from smplan.core.plan.planner import plan_changes
from smplan.core.plan.steps import plan_steps
from smplan.core.resource_type import DeclaredResource, Exclusive, Output, Override, Protection, ResourceType
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, INITIAL, RELEASED_LAST, SENSITIVE, UNORDERED, WRITE_ONLY, PartialList, Spec
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import Json, PartialValue, Secret, decode, encode, parse_text

LINEAGE = "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001"


class ThingSpec(Spec):
    """Named, resizable, and bound to a zone."""

    name: Annotated[str, IMMUTABLE]
    zone: Annotated[str | None, IMMUTABLE] = None
    size: int = 1
    limit: int | None = None
    uses: Annotated[PartialList[str] | None, UNORDERED] = None
    zones: Annotated[PartialList[str] | None, UNORDERED, RELEASED_LAST] = None
    seed: Annotated[int | None, INITIAL] = None
    note: Annotated[str | None, WRITE_ONLY] = None
    password: Annotated[str | None, SENSITIVE] = None


class PortSpec(Spec):
    """One exists per number."""

    number: Annotated[int, IMMUTABLE]
    of: Annotated[str, IMMUTABLE]


class GateSpec(Spec):
    """What is waited for."""

    of: str


class ValueSpec(Spec):
    """Any value."""

    input: Any = None


class DoorSpec(Spec):
    """Leads from one balancer to targets that no other balancer may have."""

    balancer: Annotated[str, IMMUTABLE]
    targets: str


class ScheduleSpec(Spec):
    """Sets the size of a thing now and then."""

    thing: str
    size: int | None = None
    limit: int | None = None


class Thing(DeclaredResource):
    """Named and tagged; its version grows with each update."""

    kind = "thing"
    spec = ThingSpec
    outputs: ClassVar = {
        "arn": Output("Its ARN."),
        "version": Output("Grows.", may_change_on_update=True, tracked=True),
        "limit": Output("Also a field.", tracked=True),
    }
    name_field = "name"
    name_limit = 20
    protection: ClassVar = Protection("locked", "a lock")
    left_behind = "it continues to cost"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion."""
        if effect.deletes:
            yield Risk(Category.DATA_LOSS, f"{effect.was('name')} is lost")


class Value(DeclaredResource):
    """Exists in the state only."""

    kind = "value"
    spec = ValueSpec
    outputs: ClassVar = {"output": Output("The input.", may_change_on_update=True)}
    virtual = True

    @classmethod
    def compute_outputs(cls, spec: Any) -> Mapping[str, PartialValue]:
        return {"output": spec.input}


def _declared(kind: str, spec: type[Spec], base: ResourceType = DeclaredResource, **attributes: Any) -> ResourceType:
    return type(kind, (base,), {"kind": kind, "spec": spec, **attributes})


TYPES: dict[str, ResourceType] = {
    "thing": Thing,
    "remote": _declared("remote", ThingSpec, Thing, via_stream_manager=True),
    "port": _declared("port", PortSpec, create_before_delete=False, taggable=False),
    "slot": _declared("slot", PortSpec, key_fields=("number",), create_before_delete=False, taggable=False),
    "name": _declared(
        "name", ThingSpec, Thing, lingers=classmethod(lambda cls, effect: 60 if effect.alters("uses") else 0)
    ),
    "door": _declared("door", DoorSpec, key_fields=("balancer",), exclusive=Exclusive("targets", "balancer")),
    "gate": _declared("gate", GateSpec, gate=True, taggable=False, expected_seconds=180),
    "value": Value,
    "schedule": _declared("schedule", ScheduleSpec, overrides=(Override("thing", "thing", ("size", "limit")),)),
}


@dataclass(frozen=True)
class Have:
    """A record of the state, and what exists of it."""

    record: ResourceState
    live: ObservedResource | None


def want(
    address: str, kind: str = "thing", *, after: Sequence[str] = (), lifecycle: Any = None, **spec: Any
) -> Resource:
    """A resource of the blueprint. A thing is named after its address; ``"${b.id}"`` is a reference."""
    tree = parsed({**_defaults(address, kind), **spec})
    return Resource(
        address, address, None, kind, tree, tuple(after), Lifecycle(**lifecycle or {}), ("resources", address)
    )


def have(
    address: str,
    kind: str = "thing",
    *,
    after: Sequence[str] = (),
    live: Mapping[str, Any] | None = None,
    gone: bool = False,
    outputs: Mapping[str, Json] | None = None,
    generation: int = 1,
    current_name: str = "",
    status: Status = Status.READY,
    prevent_destroy: bool = False,
    keep: bool = False,
    owner: str = "",
    **spec: Any,
) -> Have:
    """A resource of the state, created ``after`` others. It exists as recorded, but for ``live``; or it is ``gone``."""
    renamed = {"name": current_name} if current_name else {}
    recorded = encode(parsed({**_defaults(address, kind), **spec, **renamed}))
    record = ResourceState(
        address,
        kind,
        f"id-{address}",
        recorded,
        outputs or {},
        tuple(after),
        generation,
        current_name,
        status,
        prevent_destroy,
        keep,
    )
    readable = {key: value for key, value in recorded.items() if key not in ("note", "password")}
    exists = not gone and not TYPES[kind].gate and not TYPES[kind].virtual
    return Have(
        record, observed(kind, record.id, {**readable, **(live or {})}, owner or address, outputs) if exists else None
    )


def deposed(
    address: str, kind: str = "thing", *, after: Sequence[str] = (), generation: int = 1, **spec: Any
) -> ResourceState:
    """An older generation of ``address`` that the state still records."""
    record = have(address, kind, after=after, generation=generation, **spec).record
    return replace(record, id=f"old-{address}-{generation}")


def pending(
    address: str, kind: str = "thing", *, op: str = "create", after: Sequence[str] = (), **spec: Any
) -> StepIntent:
    """A create that an interrupted run may have sent."""
    record = replace(have(address, kind, after=after, **spec).record, id="")
    return StepIntent(f"{address}:{op}", op, record, TYPES[kind].identity_digest(record.spec))


def created(intent: StepIntent) -> Untracked:
    """What a pending create made: it exists, and no state records it."""
    record = replace(intent.resource, id=f"new-{intent.resource.address}")
    owner = record.address if TYPES[record.kind].taggable else ""
    return Untracked(record, observed(record.kind, record.id, record.spec, owner), intent.key)


def observed(
    kind: str, id: str, spec: Mapping[str, Any], address: str = "", outputs: Mapping[str, Json] | None = None
) -> ObservedResource:
    """What exists; ``address`` is that of its ownership tags (with a slash: lineage and address)."""
    lineage, _, owner = address.rpartition("/")
    found = TYPES[kind].spec.model_validate(decode(dict(spec)))
    return ObservedResource(id, found, outputs or {}, (lineage or LINEAGE, owner) if owner else None)


@dataclass(frozen=True)
class Planned:
    """A plan, as changes and as steps."""

    changes: ChangeSet
    steps: tuple[Step, ...]

    @property
    def story(self) -> list[str]:
        """Each step, in order, with what it waits for."""
        return [
            f"{step.id} after {', '.join(each.step for each in step.depends_on)}" if step.depends_on else step.id
            for step in self.steps
        ]

    @property
    def ops(self) -> dict[str, str]:
        """The op of each step."""
        return {step.id: str(step.op) for step in self.steps}

    def __getitem__(self, id: str) -> Step:
        return next(step for step in self.steps if step.id == id)


def planned(
    wants: Iterable[Resource],
    haves: Iterable[Have] = (),
    *,
    deposed: Iterable[ResourceState] = (),
    pending: Iterable[StepIntent] = (),
    untracked: Iterable[Untracked] = (),
    found: Mapping[str, ObservedResource] | None = None,
    unreadable: Mapping[str, str] | None = None,
    lookups: Mapping[str, Mapping[str, Json]] | None = None,
    destroy: bool = False,
    unprotect: Iterable[str] = (),
    abandon: Iterable[str] = (),
    hidden: Iterable[Hidden] = (),
    moved: Mapping[str, str] | None = None,
    taken: Mapping[str, str] | None = None,
    rules: Sequence[Edge] = (),
    seconds_until: Callable[[str], float] = lambda _: 0,
) -> Planned:
    """The plan that makes what exists match ``wants``. ``found`` exists under natural keys, by address.

    ``taken`` has the owners of older generations that another state took over, by id. ``rules`` order addresses.
    ``seconds_until`` a time, from when it is made.
    """
    blueprint, haves, pending = blueprint_of(wants), list(haves), list(pending)
    blueprint = replace(
        blueprint, moved=tuple(Moved(before, after, ("moved",)) for before, after in (moved or {}).items())
    )
    records = {each.record.address: each.record for each in haves}
    ordered = Graph({}) if destroy else graph.build(blueprint, lambda resources: rules)
    before = State("toys", LINEAGE, 3, records, tuple(deposed))
    placing = plan_moves(blueprint, ordered, TYPES.__getitem__, before, lookups or {}) if not destroy else (before, ())
    state, moves = placing
    existing = {each.record.id: each for each in haves}
    existing |= {
        each.id: Have(each, observed(each.kind, each.id, each.spec, (taken or {}).get(each.id, each.address)))
        for each in before.deposed
    }
    placed = {at: existing[record.id] for at, record in state.resources.items() if record.id in existing}
    seen = ObservedState(
        resources={at: each.live for at, each in placed.items() if each.live},
        unreadable={
            at: unreadable[each.record.address] for at, each in placed.items() if each.record.address in unreadable
        }
        if unreadable
        else {},
        by_natural_key=found or {},
        deposed={(each.kind, each.id): live for each in state.deposed if (live := existing[each.id].live)},
        pending=frozenset(each.resource_key for each in pending),
        untracked=tuple(untracked),
        lookups=lookups or {},
        hidden=tuple(hidden),
    )
    permits = Permits(frozenset(unprotect), frozenset(abandon))
    changes = plan_changes(
        blueprint, ordered, TYPES.__getitem__, state, seen, moves=moves, permits=permits, destroy=destroy
    )
    return Planned(
        changes,
        () if changes.diagnostics else plan_steps(changes, ordered, state, pending, seconds_until=seconds_until),
    )


def blueprint_of(wants: Iterable[Resource]) -> Blueprint:
    """A blueprint of these resources."""
    return Blueprint(
        name="toys",
        region=None,
        account=None,
        stream_manager=None,
        state=BackendConfig("local"),
        variables={},
        lookups=(),
        resources=tuple(wants),
        outputs={},
        digest="0" * 64,
        file="toys.yaml",
        source_map=SourceMap("toys.yaml", "", dict),
    )


def parsed(value: Any) -> PartialValue:
    """``value`` with its references parsed; ``"secret:SOURCE"`` is a secret."""
    if isinstance(value, str) and value.startswith("secret:"):
        return Secret(value.removeprefix("secret:"))
    if isinstance(value, str):
        return parse_text(value)
    if isinstance(value, dict):
        return {key: parsed(item) for key, item in value.items()}
    return [parsed(item) for item in value] if isinstance(value, list) else value


def _defaults(address: str, kind: str) -> dict[str, Any]:
    if kind in ("thing", "remote", "name"):
        return {"name": address}
    if kind == "door":
        return {"balancer": "x", "targets": "y"}
    return {"number": 1, "of": "x"} if kind in ("port", "slot") else {}
