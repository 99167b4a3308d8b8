"""An index of a blueprint, for the rules of the guide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from smplan.core.blueprint import LookupDecl, Resource
from smplan.core.values import Json, PartialValue, Ref


class BlueprintIndex:
    """The resources of a blueprint by kind and by address, its scaling groups by name, and its lookups by name.

    ``ids`` are the addresses of resources by what else names them, such as their ids and ARNs.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        lookups: Sequence[LookupDecl] = (),
        *,
        variables: Mapping[str, Json] = {},
        region: str | None = None,
        ids: Mapping[str, str] = {},
    ) -> None:
        self.lookups: Mapping[str, LookupDecl] = {lookup.name: lookup for lookup in lookups}
        self.by_address: Mapping[str, Resource] = {resource.address: resource for resource in resources}
        self.variables, self.region, self._ids = variables, region, ids
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
        address = value.address if isinstance(value, Ref) else self._ids.get(value) if isinstance(value, str) else None
        return self.by_address.get(address) if address else None

    def scaling_group(self, value: PartialValue) -> Resource | None:
        """The scaling group that ``value`` refers to or names; None if there is none."""
        wanted = value.address if isinstance(value, Ref) else value
        return self._scaling_groups.get(wanted) if isinstance(wanted, str) else None

    def source_of(self, group: Resource) -> Resource | None:
        """The launch template or launch configuration of this blueprint that a scaling group launches from."""
        template = group.spec.get("launch_template")
        return self.target_of(template.get("id") if isinstance(template, dict) else self._configuration(group))

    def balancers_of(self, group: Resource) -> list[Resource]:
        """The load balancers of this blueprint whose listeners forward to the target groups of a scaling group."""
        filled = {each.address for each in map(self.target_of, listed(group.spec.get("target_group_arns"))) if each}
        found: dict[str, Resource] = {}
        for listener in self.of("aws.elbv2.listener"):
            target = self.target_of(listener.spec.get("target_group_arn"))
            balancer = self.target_of(listener.spec.get("load_balancer_arn"))
            if balancer and target and target.address in filled:
                found[balancer.address] = balancer
        return list(found.values())

    def groups_of(self, source: Resource) -> list[Resource]:
        """The scaling groups that launch from ``source`` and serve behind a load balancer."""
        return [
            each
            for each in self.of("aws.autoscaling.group")
            if self.source_of(each) is source and each.spec.get("target_group_arns")
        ]

    @property
    def webrtc(self) -> bool | None:
        """What the variable `webrtc` says; None without one."""
        value = self.variables.get("webrtc")
        return value if isinstance(value, bool) else None

    def _configuration(self, group: Resource) -> PartialValue:
        name = group.spec.get("launch_configuration")
        for each in self.of("aws.autoscaling.launch_configuration"):
            if isinstance(name, str) and each.spec.get("name") == name:
                return Ref(each.name, index=each.key)
        return name

    @cached_property
    def _scaling_groups(self) -> Mapping[str, Resource]:
        groups = self.of("aws.autoscaling.group")
        by_name = {each.spec["name"]: each for each in groups if isinstance(each.spec.get("name"), str)}
        return by_name | {each.address: each for each in groups}


def listed(value: PartialValue) -> list[PartialValue]:
    """The items of a list; a value that is none, such as a reference to a list, is none of them."""
    return value if isinstance(value, list) else []
