"""``red5.scale_policy``: how many nodes of each role a node group has, at least and at most, in each region."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import Field

from smplan.core.spec import IMMUTABLE, UNORDERED, Items, Spec
from smplan.drivers.base import Claim, Driver, Live
from smplan.errors import Conflict, NotFound

VERSION = "0.0.3"
"""The region-aware form of policies and launch configurations (Red5 Pro, Stream Manager REST API, glossary)."""
_TYPE = "com.red5pro.services.autoscaling.model.ScalePolicyMaster"

Role = Literal["origin", "edge", "relay", "transcoder"]


class PolicyTarget(Spec):
    """One role in one region."""

    region: Annotated[str, Field(description="A cloud region, or `default` for all that have no entry.")] = "default"
    role: Annotated[Role, Field(description="What the nodes do.")]
    min_limit: Annotated[int, Field(description="Never fewer nodes of this role.", ge=0)]
    max_limit: Annotated[int, Field(description="Never more nodes of this role.", ge=0)]


class ScalePolicySpec(Spec):
    """A policy that node groups name."""

    name: Annotated[str, IMMUTABLE, Field(description="Its name.", min_length=1, max_length=254)]
    description: Annotated[str, Field(description="What it is for.", max_length=254)] = ""
    targets: Annotated[
        Items[PolicyTarget],
        UNORDERED,
        Field(description="The limits of each role; the region `default` must be among them.", min_length=1),
    ]


class ScalePolicy(Driver[ScalePolicySpec]):
    """POST, GET, PUT and DELETE of ``/admin/configurations/scalepolicy``."""

    kind = "red5.scale_policy"
    summary = "How many nodes of each role a node group has, at least and at most."
    spec = ScalePolicySpec
    name_field = "name"
    name_limit = 254
    taggable = False
    behind_fleet = True

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ScalePolicySpec]]:
        """One list, then a read for each that is there."""
        api = self.context.stream_manager()
        there = set(api.scale_policies()) & set(ids) if ids else set()
        found = {}
        for name in sorted(there):
            with suppress(NotFound):
                found[name] = Live(name, _spec(api.scale_policy(name)))
        return found

    def create(self, spec: ScalePolicySpec, claim: Claim) -> str:
        """One POST; the name is the id."""
        self.context.stream_manager().put_scale_policy(_body(spec), new=True)
        return spec.name

    def update(self, live: Live[ScalePolicySpec], spec: ScalePolicySpec) -> None:
        """One PUT of the whole policy."""
        if live.spec != spec:
            self.context.stream_manager().put_scale_policy(_body(spec), new=False)

    def delete(self, id: str) -> None:
        """Gone already is success; one that a group uses raises InUse."""
        with suppress(NotFound):
            self.context.stream_manager().delete_scale_policy(id)

    def find(self, spec: ScalePolicySpec) -> Live[ScalePolicySpec] | None:
        """The policy of that name."""
        return self.read_many([spec.name]).get(spec.name)


def _body(spec: ScalePolicySpec) -> dict[str, Any]:
    regions: dict[str, list[dict[str, Any]]] = {}
    for target in spec.targets:
        limits = {"role": target.role, "minLimit": target.min_limit, "maxLimit": target.max_limit}
        regions.setdefault(target.region, []).append(limits)
    listed = [{"name": name, "target": targets} for name, targets in regions.items()]
    head = {"name": spec.name, "description": spec.description, "type": _TYPE, "version": VERSION}
    return {**head, "targets": {"region": listed}}


def _spec(policy: dict[str, Any]) -> ScalePolicySpec:
    """The policy in our words: numbers may come as text, roles in any order."""
    targets = [
        PolicyTarget(
            region=str(region.get("name", "default")),
            role=target["role"],
            min_limit=int(float(target.get("minLimit") or 0)),
            max_limit=int(float(target.get("maxLimit") or 0)),
        )
        for region in regions_of(policy)
        for target in region.get("target") or ()
    ]
    if not targets:
        raise Conflict(f"the scale policy {policy.get('name')} is of a form older than {VERSION}", hint="replace it")
    return ScalePolicySpec(name=policy["name"], description=policy.get("description") or "", targets=targets)


def regions_of(policy: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of a policy as the API gives it."""
    return (policy.get("targets") or {}).get("region") or []
