"""Drift: how resources differ from what was last applied, attribute by attribute, and which are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smplan.core import diff
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Drift
from smplan.core.plan.observed import ObservedState
from smplan.core.plan.overrides import Overrides
from smplan.core.plan.recorded import recorded_spec, unknown_fields
from smplan.core.resource_type import ResourceType, ResourceTypes
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json


def detect(state: State, observed: ObservedState, types: ResourceTypes, overrides: Overrides) -> Iterator[Drift]:
    """The drift of every readable resource of ``state``, except in the fields that other resources set."""
    for resource in state.resources.values():
        type = types(resource.kind)
        if type.gate or type.virtual or resource.address in {*observed.unreadable, *observed.stopped}:
            continue
        live = observed.resources.get(resource.address)
        if live is None:
            yield Drift(resource.address, resource.kind, resource.id, gone=True)
            continue
        applied = recorded_spec(type, resource)
        overridden = overrides.fields(resource, live.spec)
        changes = tuple(
            AttributeChange(change.path, change.after, change.before)
            for change in diff.diff(applied, live.spec)
            if change.path.partition(".")[0] not in overridden
        )
        unmanaged = {name: value for name, value in resource.outputs.items() if name not in applied.managed_fields()}
        changes += tuple(_tracked(type, unmanaged, live.outputs))
        changes += tuple(_owner(type, resource, live.owner, state.lineage))
        if changes:
            yield Drift(resource.address, resource.kind, resource.id, changes=changes)


def lost_owner(type: ResourceType, keep: bool, owner: tuple[str, str] | None) -> bool:
    """Whether the ownership tags were removed from what has them: not from what is shared, as it may have none."""
    return owner is None and type.taggable and not keep


def _owner(
    type: ResourceType, record: ResourceState, owner: tuple[str, str] | None, lineage: str
) -> Iterator[AttributeChange]:
    """Another owner than this state, by the ownership tags, or none."""
    ours = f"{record.address} of state {lineage}"
    if lost_owner(type, record.keep, owner):
        yield AttributeChange("owner", ours, None)
    elif owner and owner[0] != lineage and not record.keep:
        yield AttributeChange("owner", ours, f"{owner[1]} of state {owner[0]}")


def not_compared(state: State, types: ResourceTypes) -> dict[str, str]:
    """By address: which fields another version of smplan applied that this one does not know."""
    found = {each.address: unknown_fields(types(each.kind), each) for each in state.resources.values()}
    return {
        address: f"another version of smplan wrote its {', '.join(names)}, which this one cannot compare"
        for address, names in found.items()
        if names
    }


def _tracked(type: ResourceType, applied: Mapping[str, Json], live: Mapping[str, Json]) -> Iterator[AttributeChange]:
    """The outputs that differ from those after the last apply, where that is drift; a state of old lacks some."""
    for name, output in type.outputs.items():
        if output.tracked and name in applied and applied[name] != live.get(name):
            yield AttributeChange(name, applied[name], live.get(name))
