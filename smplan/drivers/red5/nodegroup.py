"""``red5.nodegroup``: a group of nodes that Stream Manager keeps running.

The guide's last step: "create and initialize your nodegroup". Creating one starts no nodes; launching its first origin
does, and the other roles start once that origin reports (Red5 Pro, Stream Manager REST API, Launch New Origin).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Annotated, Any, ClassVar

from pydantic import Field

from smplan.core.resource_type import Output
from smplan.core.risk import Category, Effect, Risk, shown
from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, UNORDERED, WRITE_ONLY, PartialList, Spec
from smplan.core.wording import count
from smplan.drivers import references
from smplan.drivers.base import Claim, Live, Progress
from smplan.drivers.red5._common import StreamManagerDriver
from smplan.drivers.red5.client import StreamManager
from smplan.errors import Conflict, NotFound

IN_SERVICE = "inservice"
TIMEOUT_SECONDS = 1800
_GIVEN_NAME = re.compile(r"group-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""Names that servers generate: ``group-<uuid>`` (Red5 Pro, Stream Manager REST API, Create Group)."""


class NodeGroupSpec(Spec):
    """A node group. It cannot be updated: another launch configuration needs another group."""

    name: Annotated[
        str,
        IMMUTABLE,
        WRITE_ONLY,  # a server that generates the name would need a replacement in every plan
        Field(description="The name; servers that generate names ignore it.", min_length=1, max_length=254),
    ]
    regions: Annotated[
        PartialList[str], IMMUTABLE, UNORDERED, Field(description="AWS regions, used in turn.", min_length=1)
    ]
    launch_config: Annotated[
        str, references.NODE_LAUNCH_CONFIG, IMMUTABLE, Field(description="The name of a launch configuration of nodes.")
    ]
    scale_policy: Annotated[
        str, references.NODE_SCALE_POLICY, IMMUTABLE, Field(description="The name of a scale policy.")
    ]
    timeout: Annotated[
        int, CLIENT_ONLY, Field(description="Seconds to wait for its nodes: about 100, plus 120 per node.", ge=1)
    ] = TIMEOUT_SECONDS


class NodeGroup(StreamManagerDriver[NodeGroupSpec]):
    """``/admin/nodegroup``. Older servers may generate the name: the id is the name in the response."""

    kind = "red5.nodegroup"
    summary = "A group of nodes that Stream Manager keeps running, created and initialized through the load balancer."
    spec = NodeGroupSpec
    outputs: ClassVar = {
        "state": Output("Its state: new, initializing or active.", may_change_on_update=True),
        "nodes_in_service": Output("The number of nodes in service.", type="integer", may_change_on_update=True),
    }
    expected_seconds = 300
    timeout_seconds = TIMEOUT_SECONDS
    left_behind = "its nodes continue to run and to cost until they are terminated in EC2"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, also of a replaced group: every stream on its nodes ends."""
        if effect.deletes:
            nodes = effect.before.get("nodes_in_service")
            what = "its nodes" if nodes is None else count(nodes, "node") if isinstance(nodes, int) else shown(nodes)
            when = " once the new group is in service" if effect.after else ""
            yield Risk(Category.SERVING, f"every stream on {what} of {effect.was('name')} ends{when}")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[NodeGroupSpec]]:
        """One list of groups, and the nodes of each of ``ids``."""
        api = self.api
        found = {}
        for group in api.groups() if ids else ():
            if group.get("name") in ids:
                with suppress(NotFound):
                    found[str(group["name"])] = _live(api, group)
        return found

    def create(self, spec: NodeGroupSpec, claim: Claim) -> str:
        """One POST; the id is the name in the response."""
        body = {
            "name": spec.name,
            "regions": list(spec.regions),
            "launchConfig": spec.launch_config,
            "scalePolicy": spec.scale_policy,
        }
        return str(self.api.create_group(body).get("name") or spec.name)

    def configure(self, id: str, spec: NodeGroupSpec) -> None:
        """Launch the first origin if there is none, which initializes the group."""
        api = self.api
        if not any(node.get("role") == "origin" for node in api.nodes(id)):
            api.launch_origin(id)

    def wait_ready(self, id: str, spec: NodeGroupSpec) -> Iterator[Progress]:
        """Until every role has its minimum number of nodes in service."""
        while True:
            api = self.api
            policy = api.scale_policy(spec.scale_policy)
            wanted = minimums(policy, spec.regions)
            nodes = self._nodes(api, id)
            serving = Counter(str(node.get("role")) for node in nodes if _state(node) == IN_SERVICE)
            if all(serving[role] >= number for role, number in wanted.items()):
                return
            yield Progress(f"the nodes of {id}", _describe(wanted, serving, nodes), _fraction(wanted, serving))

    def _nodes(self, api: StreamManager, id: str) -> list[dict[str, Any]]:
        try:
            return api.nodes(id)
        except NotFound as error:
            hint = "check the log of its nodes (a group whose origin never reports is deleted), then apply again"
            raise NotFound(f"the node group {id} is gone: {error.message}", hint=hint) from None

    def delete(self, id: str) -> None:
        """Its nodes are terminated in the background; already gone is success."""
        with suppress(NotFound):
            self.api.delete_group(id)

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Until its nodes, and then the group itself, are gone: until then they use the fleet's security groups."""
        api = self.api
        while True:
            try:
                nodes = api.nodes(id)
            except NotFound:
                return
            yield Progress(f"the node group {id} to be deleted", f"{len(nodes)} nodes left")

    def find(self, spec: NodeGroupSpec) -> Live[NodeGroupSpec] | None:
        """The group of that name, else one with a generated name and the same launch configuration, policy and regions.

        A group with another chosen name is never taken, even with the same settings.
        """
        api = self.api
        groups = api.groups()
        named = (group for group in groups if group.get("name") == spec.name)
        group = next(named, None) or next((group for group in groups if _same_settings(group, spec)), None)
        if group is None:
            return None
        with suppress(NotFound):  # it may be deleted between the two reads
            return _live(api, group)
        return None

    def timeout(self, spec: NodeGroupSpec) -> float:
        """The ``timeout`` of the spec."""
        return spec.timeout


def _live(api: StreamManager, group: dict[str, Any]) -> Live[NodeGroupSpec]:
    """The group as a spec. Raises NotFound if it was deleted meanwhile, Conflict for an undefined form."""
    name = str(group["name"])
    try:
        spec = NodeGroupSpec(
            name=name,
            regions=_regions(group),
            launch_config=str(group.get("launchConfig") or ""),
            scale_policy=str(group.get("scalePolicy") or ""),
        )
    except ValueError:
        message = f"the node group {name} names no region"
        raise Conflict(message, hint="delete it with the Stream Manager API, or choose another name") from None
    serving = sum(_state(node) == IN_SERVICE for node in api.nodes(name))
    return Live(name, spec, {"state": str(group.get("state") or "").lower(), "nodes_in_service": serving})


def _same_settings(group: dict[str, Any], spec: NodeGroupSpec) -> bool:
    return (
        _GIVEN_NAME.fullmatch(str(group.get("name"))) is not None
        and (group.get("launchConfig"), group.get("scalePolicy")) == (spec.launch_config, spec.scale_policy)
        and sorted(_regions(group)) == sorted(spec.regions)
    )


def _regions(group: dict[str, Any]) -> list[str]:
    """The regions; one version of the API spells the key in the singular."""
    found = group.get("regions") or group.get("region") or []
    return [found] if isinstance(found, str) else [str(region) for region in found]


def _state(node: dict[str, Any]) -> str:
    return str(node.get("state") or "").lower()


def minimums(policy: dict[str, Any], regions: Collection[str]) -> Counter[str]:
    """The minimum number of nodes per role over ``regions``, with at least one origin."""
    regional = {
        str(each.get("name")): each.get("target") or [] for each in (policy.get("targets") or {}).get("region") or []
    }
    wanted: Counter[str] = Counter()
    for region in regions:
        for target in regional.get(region) or regional.get("default") or []:
            wanted[str(target["role"])] = max(wanted[str(target["role"])], int(float(target.get("minLimit") or 0)))
    wanted["origin"] = max(wanted["origin"], 1)
    return wanted


def _describe(wanted: Counter[str], serving: Counter[str], nodes: list[dict[str, Any]]) -> str:
    roles = ", ".join(f"{role} {serving[role]} of {number}" for role, number in sorted(wanted.items(), reverse=True))
    pending = Counter(_state(node) for node in nodes if _state(node) != IN_SERVICE)
    states = ", ".join(f"{number} {state}" for state, number in sorted(pending.items()))
    return f"{roles} in service" + (f"; {states}" if states else "")


def _fraction(wanted: Counter[str], serving: Counter[str]) -> float:
    total = sum(wanted.values())
    return sum(min(serving[role], number) for role, number in wanted.items()) / total if total else 1.0
