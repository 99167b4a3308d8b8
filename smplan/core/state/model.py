"""The state: the resources that one blueprint created, as applied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from smplan.core import canonical_json
from smplan.core.state import strict_json
from smplan.core.state.strict_json import OPTIONAL
from smplan.core.values import Json

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
    ``name`` is the current name where it has a suffix; what has ``keep`` is shared and never deleted.
    ``held`` are fields that `smplan scale` has set: they count instead of the blueprint's until it releases them.
    ``used_until`` is the time (ISO 8601) until which clients use what it was before its last update, as resolvers use
    the old answer of a DNS record; ``used`` are the addresses that this depended on.
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
    keep: bool = False
    held: Mapping[str, Json] = field(default_factory=dict, metadata=OPTIONAL)
    used_until: str = field(default="", metadata=OPTIONAL)
    used: tuple[str, ...] = field(default=(), metadata=OPTIONAL)


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
        return canonical_json.digest(strict_json.to_json(self))


def next_generation(deposed: Iterable[ResourceState], address: str) -> int:
    """The number of a generation that follows all of ``deposed`` at ``address``."""
    return 1 + max((each.generation for each in deposed if each.address == address), default=0)


def rename_dependencies(resource: ResourceState, renamed: Mapping[str, str]) -> ResourceState:
    """``resource`` with the addresses that it depends on renamed, and without its own."""
    if not {*renamed, resource.address} & {*resource.dependencies, *resource.used}:
        return resource
    found = dict.fromkeys(renamed.get(each, each) for each in resource.dependencies)
    dependencies = tuple(address for address in found if address != resource.address)
    return replace(resource, dependencies=dependencies, used=tuple(renamed.get(each, each) for each in resource.used))


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
