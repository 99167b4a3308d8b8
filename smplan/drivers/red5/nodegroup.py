"""``red5.nodegroup``: a group of nodes that Stream Manager keeps running.

The guide's last step: "create and initialize your nodegroup". Creating one starts no nodes; launching its first origin
does, and the other roles start once that origin reports (Red5 Pro, Stream Manager REST API, Launch New Origin).
"""

from __future__ import annotations

import re
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
from smplan.drivers.context import Context
from smplan.drivers.red5 import _minimums as minimums
from smplan.drivers.red5._common import StreamManagerDriver
from smplan.drivers.red5._minimums import IN_SERVICE, TIMEOUT_SECONDS
from smplan.drivers.red5.client import StreamManager
from smplan.errors import Conflict, Invalid, LostAnswer, NotFound

LISTED_SECONDS = 60.0
"""How long an origin that may have been launched is looked for before another one is."""
ACTIVE = "active"
_ALIVE = ("new", "initializing", ACTIVE)
"""The documented states of a group; any other one may be that of its end."""
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
    """``/admin/nodegroup``. Older servers may generate the name, so that of the response counts.

    The id is ``NAME#NUMBER``, with the number that the server gave the group: one that was made again under the same
    name is another group, and is never changed or deleted.
    """

    kind = "red5.nodegroup"
    summary = "A group of nodes that Stream Manager keeps running, created and initialized through the load balancer."
    spec = NodeGroupSpec
    outputs: ClassVar = {
        "group": Output("Its name, which some servers choose themselves."),
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
            then = " once the new group has the minimum of its policy in service" if effect.after else ""
            yield Risk(Category.SERVING, f"every stream on {what} of {effect.was('name')} ends{then}")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._launch_at: dict[str, float | None] = {}
        """Id -> the time from which an origin may be launched; None once a launch was confirmed."""

    def read_many(self, ids: Collection[str]) -> dict[str, Live[NodeGroupSpec]]:
        """One list of groups, and the nodes of each of ``ids``."""
        api = self.api
        found = {}
        for group in api.groups() if ids else ():
            with suppress(NotFound):
                for id in {_id(group), str(group.get("name"))}.intersection(ids):  # earlier versions had no number
                    found[id] = _live(api, group, id)
        return found

    def create(self, spec: NodeGroupSpec, claim: Claim) -> str:
        """One POST; name and number are in the response."""
        body = {
            "name": spec.name,
            "regions": list(spec.regions),
            "launchConfig": spec.launch_config,
            "scalePolicy": spec.scale_policy,
        }
        id = _id({"name": spec.name, **self.api.create_group(body)})
        self._launch_at[id] = 0.0
        return id

    def wait_ready(self, id: str, spec: NodeGroupSpec) -> Iterator[Progress]:
        """Until every role has its minimum number of nodes in service. A group without an origin gets its first one."""
        name = _name(id)
        while True:
            api = self.api
            nodes = self._nodes(api, id)
            counted = minimums.count(api.scale_policy(spec.scale_policy), spec.regions, nodes)
            if counted.complete:
                return
            note = "" if _has_origin(nodes) else self._initialize(api, id)
            yield Progress(f"the nodes of {name}", note or counted.status, counted.fraction)

    def _initialize(self, api: StreamManager, id: str) -> str:
        """Launch the first origin, which initializes the group; what is waited for instead, if that is not the time.

        Each launch is one more origin, and one whose response was lost, or that an earlier run sent, shows in the list
        after a while only: it is looked for first.
        """
        now = self.context.clock()
        launch_at = self._launch_at.setdefault(id, now + LISTED_SECONDS)
        if launch_at is None or _state(_listed(api, id) or {}) == ACTIVE:  # then the server keeps the minimums
            return ""
        if now < launch_at:
            return f"no origin is listed; one that was launched before is looked for, for {launch_at - now:.0f} s more"
        self._launch_at[id] = now + LISTED_SECONDS
        try:
            api.launch_origin(_name(id))
        except LostAnswer as error:
            return error.message
        except Invalid:
            if not _has_origin(api.nodes(_name(id))):
                self._launch_at[id] = 0.0
                raise
        self._launch_at[id] = None
        return ""

    def _nodes(self, api: StreamManager, id: str) -> list[dict[str, Any]]:
        try:
            return api.nodes(_name(id))
        except NotFound as error:
            hint = "check the log of its nodes (a group whose origin never reports is deleted), then apply again"
            raise NotFound(f"the node group {_name(id)} is gone: {error.message}", hint=hint) from None

    def delete(self, id: str) -> None:
        """Its nodes are terminated in the background; already gone, or going, is success."""
        api = self.api
        group = _listed(api, id)
        if group is None:
            return
        try:
            api.delete_group(_name(id))
        except NotFound:
            return
        except Invalid:
            group = _listed(api, id)
            if group is not None and _state(group) in _ALIVE:
                raise

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Until its nodes, and then the group itself, are gone: until then they use the fleet's security groups."""
        api = self.api
        while _listed(api, id) is not None:
            left = 0
            with suppress(NotFound):  # the list still has a group whose nodes are no longer found
                left = len(api.nodes(_name(id)))
            yield Progress(f"the node group {_name(id)} to be deleted", f"{count(left, 'node')} left")

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


def _id(group: dict[str, Any]) -> str:
    """The id of a group; its name alone if the server gives no number."""
    number = group.get("id")
    return str(group.get("name")) if number is None else f"{group.get('name')}#{number}"


def _name(id: str) -> str:
    """The name in an id; earlier versions had no number in it."""
    name, mark, number = id.rpartition("#")
    return name if mark and number.isdecimal() else id


def _listed(api: StreamManager, id: str) -> dict[str, Any] | None:
    """The group of that id, if it exists."""
    return next((group for group in api.groups() if id in (_id(group), group.get("name"))), None)


def _live(api: StreamManager, group: dict[str, Any], id: str = "") -> Live[NodeGroupSpec]:
    """The group as a spec. Raises NotFound if it was deleted meanwhile, Conflict for an undefined form."""
    name = str(group["name"])
    try:
        spec = NodeGroupSpec(
            name=name,
            regions=minimums.regions(group),
            launch_config=str(group.get("launchConfig") or ""),
            scale_policy=str(group.get("scalePolicy") or ""),
        )
    except ValueError:
        message = f"the node group {name} names no region"
        raise Conflict(message, hint="delete it with the Stream Manager API, or choose another name") from None
    serving = sum(minimums.state(node) == IN_SERVICE for node in api.nodes(name))
    return Live(id or _id(group), spec, {"group": name, "state": _state(group), "nodes_in_service": serving})


def _same_settings(group: dict[str, Any], spec: NodeGroupSpec) -> bool:
    return (
        _GIVEN_NAME.fullmatch(str(group.get("name"))) is not None
        and (group.get("launchConfig"), group.get("scalePolicy")) == (spec.launch_config, spec.scale_policy)
        and sorted(minimums.regions(group)) == sorted(spec.regions)
    )


def _has_origin(nodes: list[dict[str, Any]]) -> bool:
    return any(node.get("role") == "origin" for node in nodes)


def _state(group: dict[str, Any]) -> str:
    return str(group.get("state") or "").lower()
