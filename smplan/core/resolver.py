"""The values of references: from the lookups, the state, and the steps that are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from smplan.core.state.model import ResourceState
from smplan.core.values import Json, PartialValue, Ref, decode, get_path


class Resolver:
    """Maps a reference to its value."""

    def __init__(self, lookups: Mapping[str, Json], resources: Iterable[ResourceState]) -> None:
        self._lookups = lookups
        self._values: dict[str, dict[str, PartialValue]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: ResourceState) -> None:
        """Let references to ``resource`` have values."""
        self._values[resource.address] = {**resource.outputs, **decode(resource.spec), "id": resource.id}

    def __call__(self, ref: Ref) -> PartialValue:
        """The value of ``ref``; ``ref`` itself while it has none."""
        values = self._lookups.get(ref.root) or self._values.get(ref.address)
        try:
            return ref if values is None else get_path(values, ref.path)
        except KeyError:
            return ref
