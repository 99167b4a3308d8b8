"""The state: the resources that one blueprint created, as applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from smplan.core import canonical_json
from smplan.core.state.strict_json import ObjectReader
from smplan.core.values import Json
from smplan.errors import StoreError

USED_PLANS = 100
"""How many ids of used plans are kept; older plans have expired by then."""

_NAME = re.compile(r"[a-z0-9-]{1,40}")
_LINEAGE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Status(StrEnum):
    """``INCOMPLETE``: created, but not configured or ready yet."""

    READY = "ready"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class ResourceState:
    """The record of one resource that smplan created or adopted.

    ``spec`` is as applied, in the form of ``values.encode``; ``dependencies`` are the addresses it was created after;
    ``name`` is the current name where it has a suffix.
    """

    address: str
    kind: str
    id: str
    spec: Json
    outputs: Mapping[str, Json]
    dependencies: tuple[str, ...] = ()
    generation: int = 1
    name: str = ""
    status: Status = Status.READY
    prevent_destroy: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Everything that one blueprint created. ``deposed`` are replaced generations that are not deleted yet.

    ``lineage`` is a UUID that never changes, ``serial`` grows by one whenever the state is saved.
    """

    name: str
    lineage: str
    serial: int
    resources: Mapping[str, ResourceState]
    deposed: tuple[ResourceState, ...] = ()
    used_plans: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)

    def digest(self) -> str:
        """The SHA-256 of the whole state in canonical JSON: what a plan is bound to."""
        return canonical_json.digest(to_json(self))


def to_json(state: State) -> dict[str, Json]:
    """``state`` as plain JSON."""
    return {
        "name": state.name,
        "lineage": state.lineage,
        "serial": state.serial,
        "resources": {address: resource_to_json(entry) for address, entry in state.resources.items()},
        "deposed": [resource_to_json(entry) for entry in state.deposed],
        "used_plans": list(state.used_plans),
        "outputs": dict(state.outputs),
    }


def from_json(data: Json) -> State:
    """The state that ``to_json`` made ``data`` from. Raises StoreError naming the member that does not fit."""
    members = ObjectReader(data, "state")
    state = State(
        name=members.text("name"),
        lineage=members.text("lineage"),
        serial=members.number("serial"),
        resources={
            address: resource_from_json(entry, f"state.resources.{address}")
            for address, entry in members.table("resources").items()
        },
        deposed=tuple(
            resource_from_json(entry, f"state.deposed[{at}]") for at, entry in enumerate(members.items("deposed"))
        ),
        used_plans=members.texts("used_plans"),
        outputs=members.table("outputs"),
    )
    members.end()
    return state


def resource_to_json(entry: ResourceState) -> dict[str, Json]:
    """``entry`` as plain JSON."""
    return {
        "address": entry.address,
        "kind": entry.kind,
        "id": entry.id,
        "spec": entry.spec,
        "outputs": dict(entry.outputs),
        "dependencies": list(entry.dependencies),
        "generation": entry.generation,
        "name": entry.name,
        "status": entry.status.value,
        "prevent_destroy": entry.prevent_destroy,
    }


def resource_from_json(data: Json, at: str) -> ResourceState:
    """The entry that ``resource_to_json`` made ``data`` from; ``at`` names its place in errors. Raises StoreError."""
    members = ObjectReader(data, at)
    entry = ResourceState(
        address=members.text("address"),
        kind=members.text("kind"),
        id=members.text("id"),
        spec=members.anything("spec"),
        outputs=members.table("outputs"),
        dependencies=members.texts("dependencies"),
        generation=members.number("generation"),
        name=members.text("name"),
        status=_status(members.text("status"), at),
        prevent_destroy=members.flag("prevent_destroy"),
    )
    members.end()
    return entry


def _status(text: str, at: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise StoreError(f"{at}.status is neither ready nor incomplete") from None


def integrity_errors(state: State) -> list[str]:
    """Every invariant that ``state`` violates, as a message.

    ``dependencies`` may name what is gone: a resource that was deleted or forgotten stays named in what was created
    after it until that is next applied.
    """
    return [*_of_whole(state), *_of_resources(state)]


def _of_whole(state: State) -> Iterator[str]:
    if not _NAME.fullmatch(state.name):
        yield f"name `{state.name}` is not made of a-z, 0-9 and -, at most 40"
    if not _LINEAGE.fullmatch(state.lineage):
        yield f"lineage `{state.lineage}` is not a UUID"
    if state.serial < 0:
        yield f"serial {state.serial} is negative"
    if len(state.used_plans) > USED_PLANS:
        yield f"{len(state.used_plans)} used plans are kept, the limit is {USED_PLANS}"


def _of_resources(state: State) -> Iterator[str]:
    for address, resource in state.resources.items():
        if address != resource.address:
            yield f"{address}: is stored under this address, and its own is {resource.address}"
    seen: set[tuple[str, str]] = set()
    for resource in (*state.resources.values(), *state.deposed):
        yield from _of_resource(resource)
        if (resource.kind, resource.id) in seen:
            yield f"{resource.address}: {resource.kind} {resource.id} is in the state twice"
        seen.add((resource.kind, resource.id))


def _of_resource(resource: ResourceState) -> Iterator[str]:
    if not resource.address:
        yield f"{resource.kind} {resource.id}: has no address"
    if not resource.kind:
        yield f"{resource.address}: has no kind"
    if not resource.id:
        yield f"{resource.address}: has no id"
    if resource.generation < 1:
        yield f"{resource.address}: generation {resource.generation} is less than 1"
    if resource.address in resource.dependencies:
        yield f"{resource.address}: depends on itself"
