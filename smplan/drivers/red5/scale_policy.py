"""``red5.scale_policy``: the minimum and maximum number of nodes per role and region."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from smplan.core.risk import Category, Effect, Risk, items, number, shown
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, Spec
from smplan.core.values import Json
from smplan.drivers.base import Claim, Live, Progress
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.red5 import _minimums as minimums
from smplan.drivers.red5._common import StreamManagerDriver, with_others
from smplan.drivers.red5.client import StreamManager
from smplan.errors import Conflict, NotFound

if TYPE_CHECKING:
    from typing import Self

VERSION = "0.0.3"
"""The version of policies and launch configurations with regions (Red5 Pro, Stream Manager REST API, glossary)."""
DEFAULT_REGION = "default"
_TYPE = "com.red5pro.services.autoscaling.model.ScalePolicyMaster"

_HINT_DESCRIPTION = "keep the description, or write the policy under another `name`, which replaces the node group too"

Role = Literal["origin", "edge", "relay", "transcoder"]


class PolicyTarget(Spec):
    """One role in one region."""

    region: Annotated[
        str, IMMUTABLE, Field(description="A cloud region, or `default` for each region without an entry.")
    ] = "default"
    role: Annotated[Role, IMMUTABLE, Field(description="What the nodes do.")]
    min_limit: Annotated[int, Field(description="The minimum number of nodes in that region.", ge=0)]
    max_limit: Annotated[int, Field(description="The maximum number of nodes in that region.", ge=0)]

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.known("min_limit", "max_limit") and self.min_limit > self.max_limit:
            raise ValueError(f"`min_limit` {self.min_limit} is above `max_limit` {self.max_limit}")
        return self


class ScalePolicySpec(Spec):
    """A scale policy of node groups. While a group uses it, only its limits can be changed: else both are replaced."""

    name: Annotated[str, IMMUTABLE, Field(description="Its name.", min_length=1, max_length=254)]
    description: Annotated[
        str, Field(description="What it is for; it can be changed while no node group uses the policy.", max_length=254)
    ] = ""
    targets: Annotated[
        PartialList[PolicyTarget],
        UNORDERED,
        Field(description="The limits per role and region; one region must be `default`.", min_length=1),
    ]

    @model_validator(mode="after")
    def _regions_and_roles_fit(self) -> Self:
        if not self.known("targets"):
            return self
        targets: list[Any] = list(self.targets)  # placeholders among them
        if not all(isinstance(each, PolicyTarget) and each.known("region", "role") for each in targets):
            return self
        pairs = [(each.region, each.role) for each in targets]
        if DEFAULT_REGION not in {region for region, _ in pairs}:
            raise ValueError(f"`targets` needs the region `{DEFAULT_REGION}`")
        if len(set(pairs)) < len(pairs):
            raise ValueError("`targets` names a role twice in one region")
        return self


class ScalePolicy(StreamManagerDriver[ScalePolicySpec]):
    """POST, GET, PUT and DELETE of ``/admin/configurations/scalepolicy``."""

    kind = "red5.scale_policy"
    summary = "The minimum and maximum number of nodes of each role in a node group."
    spec = ScalePolicySpec

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of lower limits of a role in a region: how many nodes may be left, or run at most."""
        if not effect.alters("targets"):
            return
        after = {(each["region"], each["role"]): each for each in _limits(effect.after)}
        for target in _limits(effect.before):
            where, role = shown(target["region"]), shown(target["role"])
            later = after.get((target["region"], target["role"]))
            for name, what in (("max_limit", "run at most"), ("min_limit", "may be left")):
                before, now = number(target.get(name)), number((later or {}).get(name))
                if before is not None and now is not None and now < before:
                    yield Risk(Category.CAPACITY, f"{now} {role} nodes in {where} {what}, not {before}")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ScalePolicySpec]]:
        """One list, then one read for each that exists."""
        api = self.api
        existing = set(api.scale_policies()) & set(ids) if ids else set()
        found = {}
        for name in sorted(existing):
            with suppress(NotFound):
                found[name] = Live(name, _spec(api.scale_policy(name)))
        return found

    def create(self, spec: ScalePolicySpec, claim: Claim) -> str:
        """One POST; the name is the id."""
        self.api.put_scale_policy(_adjusted(_body(spec)), new=True)
        return spec.name

    def update(self, live: Live[ScalePolicySpec], spec: ScalePolicySpec) -> None:
        """One PUT of the whole policy, with the wait and warm-up times that it has.

        Raises Conflict if its description differs and a node group uses it (Red5 Pro, Update Scale Policy).
        """
        if live.spec == spec:
            return
        api = self.api
        users = _users(api, live.id) if live.spec.description != spec.description else []
        if users:
            raise Conflict(_in_use(live.id, users), hint=_HINT_DESCRIPTION)
        body = with_others(api.scale_policy(live.id), _body(spec), "role", "name")
        api.put_scale_policy(_adjusted(body), new=False)

    def wait_ready(self, id: str, spec: ScalePolicySpec) -> Iterator[Progress]:
        """Until every active group that uses it has its minimum number of nodes in service."""
        while True:
            api, lacking = self.api, []
            for name, regions in _active(api, id):
                with suppress(NotFound):
                    lacking.append((name, minimums.count(api.scale_policy(id), regions, api.nodes(name))))
            lacking = [(name, counted) for name, counted in lacking if not counted.complete]
            if not lacking:
                return
            name, counted = lacking[0]
            yield Progress(f"the nodes of {name}", counted.status, counted.fraction)

    def timeout(self, spec: ScalePolicySpec) -> float:
        """As for the nodes of a group."""
        return minimums.TIMEOUT_SECONDS

    def checks(self, planned: PlannedResources) -> Iterator[Check]:
        """Whether a node group uses a policy whose description is to change."""
        changed = [each for each in planned.changed(self.kind) if each.id and "description" in each.changed]
        if changed:
            yield Check("use of the scale policies", partial(self._refused_descriptions, changed))

    def _refused_descriptions(self, changed: list[PlannedResource]) -> Iterator[Finding]:
        for each in changed:
            same = _spec(self.api.scale_policy(each.id)).description == each.spec.description
            users = [] if same else _users(self.api, each.id)
            if users:
                yield each.refuse("description", _in_use(each.id, users), _HINT_DESCRIPTION)

    def delete(self, id: str) -> None:
        """Already gone is success; one that a group uses raises InUse."""
        with suppress(NotFound):
            self.api.delete_scale_policy(id)

    def find(self, spec: ScalePolicySpec) -> Live[ScalePolicySpec] | None:
        """The policy of that name."""
        return self.read_many([spec.name]).get(spec.name)


def _users(api: StreamManager, name: str) -> list[str]:
    return sorted(str(group.get("name")) for group in api.groups() if group.get("scalePolicy") == name)


def _active(api: StreamManager, name: str) -> Iterator[tuple[str, list[str]]]:
    """Name and regions of the active groups that use the policy: the step that creates others waits."""
    for group in api.groups():
        if group.get("scalePolicy") == name and str(group.get("state")).lower() == "active":
            yield str(group.get("name")), minimums.regions(group)


def _in_use(name: str, users: list[str]) -> str:
    return f"the scale policy {name} is in use by {', '.join(users)}: its description cannot be changed"


def _adjusted(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with a ``scaleAdjustment`` in every target: it has no effect, and is not optional."""
    for region in body["targets"]["region"]:
        for target in region["target"]:
            target.setdefault("scaleAdjustment", 1)
    return body


def _limits(spec: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The targets of an encoded spec whose region and role are known."""
    found = [each for each in items(spec.get("targets")) if isinstance(each, dict) and "role" in each]
    return [{"region": DEFAULT_REGION, **each} for each in found if isinstance(each["role"], str)]


def _body(spec: ScalePolicySpec) -> dict[str, Any]:
    regions: dict[str, list[dict[str, Any]]] = {}
    for target in spec.targets:
        limits = {"role": target.role, "minLimit": target.min_limit, "maxLimit": target.max_limit}
        regions.setdefault(target.region, []).append(limits)
    listed = [{"name": name, "target": targets} for name, targets in regions.items()]
    head = {"name": spec.name, "description": spec.description, "type": _TYPE, "version": VERSION}
    return {**head, "targets": {"region": listed}}


def _spec(policy: dict[str, Any]) -> ScalePolicySpec:
    """The policy as a spec; numbers may be text. Raises Conflict for other forms."""
    try:
        targets = [
            PolicyTarget(
                region=str(region.get("name", DEFAULT_REGION)),
                role=target["role"],
                min_limit=int(float(target.get("minLimit") or 0)),
                max_limit=int(float(target.get("maxLimit") or 0)),
            )
            for region in (policy.get("targets") or {}).get("region") or ()
            for target in region.get("target") or ()
        ]
        return ScalePolicySpec(name=policy["name"], description=policy.get("description") or "", targets=targets)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        message = f"the scale policy {policy.get('name')} does not have the form of version {VERSION}"
        raise Conflict(message, hint="delete it with the Stream Manager API, or choose another name") from None
