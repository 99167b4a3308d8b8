"""Fields that other resources set, as their kinds declare: a scheduled action sets the size of a scaling group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from smplan.core.blueprint import Blueprint
from smplan.core.resource_type import ResourceTypes
from smplan.core.spec import Spec
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json, PartialValue, Ref


class Overrides:
    """The values that resources of the blueprint and the state set on others."""

    def __init__(self, blueprint: Blueprint, state: State, types: ResourceTypes) -> None:
        self._types = types
        self._settings: dict[str, list[tuple[PartialValue, Mapping[str, Json]]]] = defaultdict(list)
        """By the kind that is set: the reference to the resource, and the values by field."""
        specs = [(each.kind, each.spec) for each in blueprint.resources]
        specs += [(each.kind, each.spec) for each in state.resources.values()]
        for kind, spec in specs:
            for override in types(kind).overrides:
                values = {name: spec[name] for name in override.fields if spec.get(name) is not None}
                self._settings[override.kind].append((spec.get(override.field), values))

    def fields(self, resource: ResourceState, live: Spec) -> tuple[str, ...]:
        """The fields of ``live``, which ``resource`` records, that have a value which another resource sets."""
        name_field = self._types(resource.kind).name_field
        names = (resource.id, resource.spec.get(name_field) if name_field else resource.id)
        return tuple(
            name
            for target, values in self._settings.get(resource.kind, ())
            if (target.address == resource.address if isinstance(target, Ref) else target in names)
            for name, value in values.items()
            if getattr(live, name) == value
        )
