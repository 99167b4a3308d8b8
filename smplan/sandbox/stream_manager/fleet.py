"""Groups and their nodes on the clock: launched, reporting, in service, terminated, swept.

How long each state lasts is our split of the 70 to 90 s that Red5 gives for the start of a node (Stream Manager REST
API, Guide on Group Setup Time Planning). Nodes of Stream Managers that cannot be distinguished never come into service:
what really happens then is not documented, this is our model.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import REGION
from smplan.sandbox.interface import AwsView, NodeRefused
from smplan.sandbox.stream_manager.database import Database, Json, Node, NodeGroup
from smplan.sandbox.stream_manager.responses import ApiError, Behaviour, milliseconds

PENDING_SECONDS = 25.0
SERVING_SECONDS = PENDING_SECONDS + 55.0
"""From the launch of a node until it is in service."""
TERMINATING_SECONDS = 20.0
TOLERANCE_SECONDS = 180.0
"""``nodeStateToleranceTime``, ``nodeGroupStateToleranceTime`` and ``cloudCleanupInterval`` of the settings."""
PREFIX = "instancecontroller.instanceNamePrefix"


class Fleet:
    """What the Stream Managers do with EC2. Only ``tick`` lets time have its effect."""

    def __init__(self, world: AwsView, clock: Clock, store: Database, behaviour: Behaviour) -> None:
        self._world = world
        self._clock = clock
        self._store = store
        self._behaviour = behaviour
        self._settings: Mapping[str, str] = {}
        self._files: Mapping[str, str] = {}
        self._next_sweep = clock.now() + TOLERANCE_SECONDS

    def tick(self, settings: Mapping[str, str], files: Mapping[str, str], *, managed: bool) -> None:
        """Apply what is due. ``settings`` and ``files`` are of the Stream Manager that does it."""
        self._settings, self._files = settings, files
        now = self._clock.now()
        if self._store.nodes:
            self._forget_lost()
            for node in list(self._store.nodes.values()):
                reports = self._behaviour.nodes_report and node.role not in self._behaviour.silent_roles
                self._age(node, now, managed=managed and reports)
        for group in list(self._store.groups.values()):
            self._see_to(group, now)
        if now >= self._next_sweep:
            self._next_sweep = now + TOLERANCE_SECONDS
            self._sweep(now)

    def _forget_lost(self) -> None:
        """Nodes whose instances were terminated outside leave the database."""
        there = {each.id for each in self._world.instances()}
        for node in list(self._store.nodes.values()):
            if node.instance_id not in there:
                self.drop(node)

    def _age(self, node: Node, now: float, *, managed: bool) -> None:
        age = now - node.launched_at
        if node.ended_at is not None:
            if now >= node.ended_at + TERMINATING_SECONDS:
                self._world.terminate_node(node.instance_id)
                self.drop(node)
        elif node.state == "inservice":
            return
        elif managed and age >= SERVING_SECONDS:
            node.state = "inservice"
        elif age >= TOLERANCE_SECONDS:
            self._world.terminate_node(node.instance_id)
            self.drop(node)
        elif age >= PENDING_SECONDS:
            node.state = "running"

    def _see_to(self, group: NodeGroup, now: float) -> None:
        nodes = self._store.nodes_of(group.name)
        if group.state == "terminating":
            if not nodes:
                del self._store.groups[group.name]
            return
        if any(node.role == "origin" and node.state == "inservice" for node in nodes):
            group.state = "active"
        if group.state == "active":
            self._fill(group)
        elif not nodes and now >= group.changed_at + TOLERANCE_SECONDS and self._may_drop(group):
            del self._store.groups[group.name]

    def _may_drop(self, group: NodeGroup) -> bool:
        return group.state != "new" or self._behaviour.drops_new_groups

    def _fill(self, group: NodeGroup) -> None:
        """Launch what each region lacks of its least number of a role. Refusals are tried again at the next tick."""
        for (role, region), (least, _) in sorted(self._store.limits(group).items()):
            for _ in range(least - self._number(group, role, region)):
                try:
                    self.launch(group, role, region)
                except ApiError:
                    return

    def _sweep(self, now: float) -> None:
        """Terminate instances with our prefix that the database does not know: by prefix, whosever they are."""
        known = {node.instance_id for node in self._store.nodes.values()}
        for each in self._world.instances():
            ours = each.tags.get("Name", "").startswith(self._prefix)
            if ours and each.id not in known and now >= each.launched_at + TOLERANCE_SECONDS:
                self._world.terminate_node(each.id)

    @property
    def _prefix(self) -> str:
        return self._settings.get(PREFIX) or "node"

    def _number(self, group: NodeGroup, role: str, region: str) -> int:
        nodes = self._store.nodes_of(group.name, role)
        return sum(node.ended_at is None and node.zone.startswith(region) for node in nodes)

    def launch_origin(self, group: NodeGroup) -> Node:
        """Run one more origin, in the first region that takes one. Refused if none does."""
        limits = self._store.limits(group)
        for region in group.regions:
            most = limits.get(("origin", region), (0, 0))[1]
            if self._number(group, "origin", region) < most:
                return self.launch(group, "origin", region)
        raise ApiError(400, f"the group {group.name} has all its origins already")

    def launch(self, group: NodeGroup, role: str, region: str) -> Node:
        """Run one more node. Refused as EC2 refuses, or without a target for the role."""
        config = self._store.configs[group.launch_config]
        target = next((each for each in config["targets"]["target"] if each["role"] == role), None)
        if target is None:
            raise ApiError(400, f"launch configuration {group.launch_config} has no target for the role {role}")
        if region not in self._behaviour.regions:
            raise ApiError(400, f"there is no VPC of the configured name in {region}")
        name = self._identifier(f"{region}a")
        try:
            instance_id = self._world.launch_node(
                name=name,
                image_name=target.get("image") or config["image"],
                instance_type=target["instanceType"],
                user_data=_user_data(config, self._files),
            )
        except NodeRefused as error:
            raise ApiError(400, f"the cloud refused to launch the node: {error}") from error
        return self._launched(group, name, instance_id, target, region)

    def _identifier(self, zone: str) -> str:
        """``<prefix>-<zone>-<epoch ms>``, later by a millisecond where one is taken."""
        now = milliseconds(self._clock.now())
        while f"{self._prefix}-{zone}-{now}" in self._store.nodes:
            now += 1
        return f"{self._prefix}-{zone}-{now}"

    def _launched(self, group: NodeGroup, name: str, instance_id: str, target: Json, region: str) -> Node:
        seen = next((each for each in self._world.instances() if each.id == instance_id), None)
        node = Node(
            id=next(self._store.ids),
            identifier=name,
            instance_id=instance_id,
            role=target["role"],
            group=group.name,
            zone=seen.zone if seen and region == REGION else f"{region}a",
            address=seen.private_ip if seen else "",
            launch_config=group.launch_config,
            capacity=target["connectionCapacity"],
            launched_at=self._clock.now(),
        )
        self._store.nodes[name] = node
        if group.state == "new":
            group.state = "initializing"
        return node

    def end(self, node: Node) -> None:
        """Begin to terminate a node; nothing happens if that has begun."""
        if node.ended_at is None:
            node.state, node.ended_at = "terminating", self._clock.now()

    def drop(self, node: Node) -> None:
        """Forget a node. Its instance, if it still runs, is left to the sweep."""
        del self._store.nodes[node.identifier]
        group = self._store.groups.get(node.group)
        if group is not None:
            group.changed_at = self._clock.now()


def _user_data(config: Json, files: Mapping[str, str]) -> str:
    """The property ``UserData``: ``base64:<text>``, or ``file:<path>`` on the Stream Manager's host."""
    values = (each.get("value", "") for each in config["properties"]["property"] if each.get("name") == "UserData")
    kind, _, value = str(next(values, "")).partition(":")
    if kind == "base64":
        try:
            return base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ApiError(400, "UserData is not base64 text") from None
    return files.get(value, "")
