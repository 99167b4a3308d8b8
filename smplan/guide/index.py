"""An index of a blueprint, for the rules of the guide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from smplan.core.blueprint import LookupDecl, Resource
from smplan.core.values import PartialValue, Ref


class BlueprintIndex:
    """The resources of a blueprint by kind and by address, its scaling groups by name, and its lookups by name."""

    def __init__(self, resources: Sequence[Resource], lookups: Sequence[LookupDecl] = ()) -> None:
        self.lookups: Mapping[str, LookupDecl] = {lookup.name: lookup for lookup in lookups}
        self.by_address: Mapping[str, Resource] = {resource.address: resource for resource in resources}
        self._by_kind: dict[str, list[Resource]] = defaultdict(list)
        for resource in resources:
            self._by_kind[resource.kind].append(resource)

    def of(self, *kinds: str) -> list[Resource]:
        """Every resource of these kinds; a name that ends in a dot means the whole family."""
        return [
            resource
            for kind, found in self._by_kind.items()
            if any(kind == wanted or (wanted.endswith(".") and kind.startswith(wanted)) for wanted in kinds)
            for resource in found
        ]

    def target_of(self, value: PartialValue) -> Resource | None:
        """The resource that ``value`` refers to; None if it is not a reference to one."""
        return self.by_address.get(value.address) if isinstance(value, Ref) else None

    def scaling_group(self, value: PartialValue) -> Resource | None:
        """The scaling group that ``value`` refers to or names; None if there is none."""
        wanted = value.address if isinstance(value, Ref) else value
        return self._scaling_groups.get(wanted) if isinstance(wanted, str) else None

    @cached_property
    def _scaling_groups(self) -> Mapping[str, Resource]:
        groups = self.of("aws.autoscaling.group")
        by_name = {each.spec["name"]: each for each in groups if isinstance(each.spec.get("name"), str)}
        return by_name | {each.address: each for each in groups}
