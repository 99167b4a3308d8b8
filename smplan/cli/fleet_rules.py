"""The rules of the guide, checked on a fleet as it is: what was read of each resource takes the place of its spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from smplan.core import graph
from smplan.core.blueprint import Blueprint, Resource
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.state.model import State
from smplan.core.values import Json, PartialValue, Ref, get_path, known, resolve
from smplan.drivers.checks import PlannedResource, PlannedResources
from smplan.engine import refresh
from smplan.engine.providers import Providers
from smplan.errors import SmplanError, Unreachable
from smplan.guide import ordering
from smplan.guide.constraints import violations
from smplan.guide.index import BlueprintIndex


@dataclass(frozen=True, slots=True)
class FleetFinding:
    """What is wrong with one resource; ``name`` is the rule's id, or what was checked. ``advice``: not an error."""

    name: str
    address: str
    message: str
    hint: str
    advice: bool = False


@dataclass(frozen=True)
class FleetReport:
    """The findings, the addresses of what exists and of what does not, and what could not be checked and why."""

    findings: tuple[FleetFinding, ...]
    existing: tuple[str, ...]
    missing: tuple[str, ...]
    not_checked: Mapping[str, str]


def inspect(blueprint: Blueprint, state: State | None, world: Providers) -> FleetReport:
    """Read the fleet and check it. Writes nothing. Raises the error of a read that failed.

    A resource that the state does not have is searched by what identifies it, so the fleet may be built by hand.
    """
    lookups = refresh.read_lookups(blueprint, world)
    live = _Live(blueprint, lookups, world)
    world.set_stream_manager_settings(lambda: resolve(blueprint.stream_manager or {}, live.value_of))
    live.read(state)
    found = list(_broken_by_specs(blueprint, live))
    asked, not_checked = _asked_of_aws(blueprint, live, world)
    wanted = [each.address for each in blueprint.resources if _exists_in_aws(world.kind(each.kind))]
    existing = tuple(address for address in wanted if address in live.resources)
    missing = tuple(each for each in wanted if each not in live.resources and each not in live.unreadable)
    return FleetReport((*found, *asked), existing, missing, {**live.unreadable, **not_checked})


def _exists_in_aws(type: ResourceType) -> bool:
    return not type.virtual and not type.gate


class _Live:
    """The resources of a blueprint that exist."""

    def __init__(self, blueprint: Blueprint, lookups: Mapping[str, Mapping[str, Json]], world: Providers) -> None:
        self.resources: dict[str, ObservedResource] = {}
        self.unreadable: dict[str, str] = {}
        self._out_of_service = ""  # why no Stream Manager answered: the next request would wait as long
        self._blueprint, self._lookups, self._world = blueprint, lookups, world

    def read(self, state: State | None) -> None:
        """Read what the state has, and search the others in the order in which they refer to each other."""
        records = state.resources.values() if state else ()
        for behind in (False, True):  # what is behind Stream Manager last: the others say where that is
            some = [each for each in records if self._world.kind(each.kind).via_stream_manager is behind]
            observed = refresh.read_resources(some, self._world, lambda _: None)
            self.resources.update(observed.resources)
            self.unreadable.update(observed.unreadable)
            self._out_of_service = next(iter(observed.unreadable.values()), "")
        for resource in graph.build(self._blueprint, ordering.edges).nodes.values():
            known_already = self.resources.keys() | self.unreadable.keys()
            if resource.address not in known_already and _exists_in_aws(self._world.kind(resource.kind)):
                found = self._find(resource)
                if found is not None:
                    self.resources[resource.address] = found

    def _find(self, resource: Resource) -> ObservedResource | None:
        type = self._world.kind(resource.kind)
        try:
            spec = type.spec.model_validate(resolve(resource.spec, self.value_of))
        except ValidationError:
            return None
        values = spec.managed_fields()
        if not all(known(values.get(name)) for name in type.natural_key_fields()):
            return None
        if type.via_stream_manager and self._out_of_service:
            self.unreadable[resource.address] = self._out_of_service
            return None
        try:
            live = self._world.driver(resource.kind).find(spec)
        except Unreachable as error:
            if not type.via_stream_manager:
                raise
            self.unreadable[resource.address] = self._out_of_service = error.message
            return None
        return refresh.observed(live) if live else None

    def value_of(self, ref: Ref) -> PartialValue:
        """The value of a reference as it is now; the reference itself without one."""
        values = self._lookups.get(ref.root)
        live = self.resources.get(ref.address)
        if live is not None:
            values = {**live.outputs, **live.spec.managed_fields(), "id": live.id}
        try:
            return ref if values is None else get_path(values, ref.path)
        except KeyError:
            return ref

    def spec(self, resource: Resource) -> dict[str, Any]:
        """The spec as it is, and as it is written where AWS does not say."""
        written: Any = resolve(resource.spec, self.value_of)
        return {**written, **self.resources[resource.address].spec.managed_fields()}


def _broken_by_specs(blueprint: Blueprint, live: _Live) -> Iterator[FleetFinding]:
    there = [replace(each, spec=live.spec(each)) for each in blueprint.resources if each.address in live.resources]
    ids: dict[str, str] = {}
    for address, found in live.resources.items():
        ids |= {value: address for value in (found.id, found.outputs.get("arn")) if isinstance(value, str) and value}
    index = BlueprintIndex(there, (), variables=blueprint.variables, region=blueprint.region, ids=ids)
    for each in violations(blueprint, index):
        yield FleetFinding(each.rule.id, each.resource.address, each.message, each.hint, each.rule.advice)


def _asked_of_aws(blueprint: Blueprint, live: _Live, world: Providers) -> tuple[list[FleetFinding], Mapping[str, str]]:
    """What the checks of a plan find in the fleet, as if every field had changed."""
    by_address = {each.address: each for each in blueprint.resources if each.address in live.resources}
    planned = PlannedResources(
        [_as_planned(each, live, world) for each in by_address.values()],
        stream_manager=lambda: resolve(blueprint.stream_manager, live.value_of),
    )
    findings: list[FleetFinding] = []
    not_checked: dict[str, str] = {}
    for kind in sorted({each.kind for each in by_address.values()}):
        for check in world.driver(kind).checks(planned):
            try:
                for each in check.find():
                    if each.rule is None or each.rule.id not in by_address[each.address].lifecycle.allow:
                        name = each.rule.id if each.rule else check.what
                        findings.append(FleetFinding(name, each.address, each.message, each.hint))
            except SmplanError as error:
                not_checked.setdefault(check.what, error.message)
    return findings, not_checked


def _as_planned(resource: Resource, live: _Live, world: Providers) -> PlannedResource:
    found, type = live.resources[resource.address], world.kind(resource.kind)
    name = getattr(found.spec, type.name_field) if type.name_field else ""
    changed = frozenset(type.spec.model_fields)
    return PlannedResource(
        resource.address, resource.kind, found.spec, changed, id=found.id, name=str(name or ""), written=resource.spec
    )
