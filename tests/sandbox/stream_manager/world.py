"""A small AWS for the simulated Stream Managers: instances that a test lists, and nodes that they launch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.sandbox.interface import PROPERTIES_PATH, InstanceView, NodeRefused, Route
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
    Request,
)
from smplan.sandbox.stream_manager.simulator import PORT, StreamManagers

GROUP = "sg-stream-manager"
PROPERTIES = """# settings
streammanager.ip=
rest.administratorToken=sandbox-admin-token
"""
GUIDE = r"""#!/bin/bash
uid=$(cat /dev/urandom | tr -dc 'a-zA-Z0-9' | fold -w 16 | head -n 1 | tr '[:upper:]' '[:lower:]')
smhost=$(echo "$uid.com")
sed -i "s/\(streammanager\.ip=\).*\$/\1${smhost}/" \
/usr/local/red5pro/webapps/streammanager/WEB-INF/red5-web.properties
"""
"""The guide's script: nothing in it restarts the service."""
UNIQUE = GUIDE + "systemctl restart red5pro\n"


def instance(id: str, **changes: Any) -> InstanceView:
    """A Stream Manager that has booted, unless ``changes`` say otherwise."""
    view = InstanceView(
        id=id,
        state="running",
        private_ip="10.0.0.9",
        zone="us-east-1a",
        subnet_id="subnet-a",
        security_group_ids=(GROUP,),
        user_data=UNIQUE,
        launched_at=0.0,
        booted_at=0.0,
        image_id="ami-1",
        instance_type="c5.large",
        tags={},
        files={PROPERTIES_PATH: PROPERTIES},
    )
    return replace(view, **changes)


@dataclass
class FakeWorld:
    """Implements ``World``. Every list and map may be changed by a test."""

    clock: Clock
    machines: dict[str, InstanceView] = field(default_factory=dict)
    admitted: set[str] = field(default_factory=lambda: {GROUP})
    closed: set[str] = field(default_factory=set)
    """Instances whose security groups do not admit the load balancer."""
    routes: dict[tuple[str, int], Route] = field(default_factory=dict)
    refusal: str = ""
    launched: list[dict[str, str]] = field(default_factory=list)

    def add(self, *views: InstanceView) -> None:
        self.machines |= {each.id: each for each in views}

    def instances(self) -> Sequence[InstanceView]:
        return list(self.machines.values())

    def may_reach_database(self, security_group_ids: Sequence[str]) -> bool:
        return bool(self.admitted & set(security_group_ids))

    def may_reach_target(self, load_balancer_arn: str, instance_id: str, port: int) -> bool:
        return instance_id not in self.closed

    def load_balancer_for(self, host: str, port: int) -> Route | None:
        """A load balancer that a test made for another port only has no listener on this one."""
        of_host = next((route for (name, _), route in self.routes.items() if name == host), None)
        other = replace(of_host, problem="no listener", listener_protocol="", healthy=()) if of_host else None
        return self.routes.get((host, port), other)

    def launch_node(self, *, name: str, image_name: str, instance_type: str, user_data: str = "") -> str:
        if self.refusal:
            raise NodeRefused(self.refusal)
        id = f"i-node{len(self.launched)}"
        self.launched.append(
            {"name": name, "image_name": image_name, "instance_type": instance_type, "user_data": user_data}
        )
        address = f"10.0.1.{len(self.launched)}"
        view = instance(id, private_ip=address, tags={"Name": name}, files={}, launched_at=self.clock.now())
        self.add(view)
        return id

    def terminate_node(self, instance_id: str) -> None:
        self.machines.pop(instance_id, None)


class Rig:
    """Simulated Stream Managers in a fake world whose time stands still until ``later``."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.clock = Clock(0.0)
        self.world = FakeWorld(self.clock)
        self.world.add(instance("i-1"))
        self.managers = StreamManagers(self.world, self.clock, behaviour)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.managers.tick()

    def call(
        self, method: str, path: str, body: Any = None, *, at: str = "i-1", api: str = "4.0", **query: str
    ) -> tuple[int, Any]:
        """Status and data of one call of the API."""
        data = b"" if body is None else json.dumps(body).encode()
        full = f"/streammanager/api/{api}/admin/{path}"
        answer = self.managers.respond(at, PORT, Request(method, full, {"accessToken": ADMIN_TOKEN, **query}, data))
        assert answer is not None
        is_json = answer.content_type.startswith("application/json")
        return answer.status, json.loads(answer.body) if is_json else answer.body.decode()

    def ok(self, method: str, path: str, body: Any = None, **rest: Any) -> Any:
        status, data = self.call(method, path, body, **rest)
        assert status in (200, 201), data
        return data

    def refused(self, method: str, path: str, body: Any = None, status: int = 400, **rest: Any) -> str:
        """The text of a refusal in the API's envelope."""
        got, data = self.call(method, path, body, **rest)
        assert (got, set(data)) == (status, {"errorMessage", "timestamp"}), data
        return str(data["errorMessage"])

    def group(self, name: str = "group", *, origins: tuple[Any, Any] = (1, 2), edges: tuple[Any, Any] = (1, 4)) -> None:
        """A scale policy ``policy``, a launch configuration ``config``, and a group of them."""
        self.ok("POST", "configurations/scalepolicy", policy(origin=origins, edge=edges))
        self.ok("POST", "configurations/launchconfig", config())
        self.ok("POST", "nodegroup", group_body(name))

    def states(self, name: str = "group") -> list[tuple[str, str]]:
        """Role and state of each node."""
        return sorted((each["role"], each["state"]) for each in self.ok("GET", f"nodegroup/{name}/node"))


def policy(name: str = "policy", **limits: tuple[Any, Any]) -> dict[str, Any]:
    """The body of a scale policy: role -> least and most nodes."""
    listed = [
        {"role": role, "minLimit": low, "maxLimit": high, "scaleAdjustment": 1} for role, (low, high) in limits.items()
    ]
    return {"policy": {"name": name, "targets": {"region": [{"name": "default", "target": listed}]}}}


def config(name: str = "config", **changes: Any) -> dict[str, Any]:
    """The body of a launch configuration for origins and edges."""
    targets = [{"role": role, "instanceType": "c5.large", "connectionCapacity": "20"} for role in ("origin", "edge")]
    base = {
        "name": name,
        "image": "red5pro-node",
        "targets": {"target": targets},
        "properties": {"property": [{"name": "property-name", "value": "property-value"}]},
        "metadata": {"meta": [{"key": "meta", "value": "value"}]},
    }
    return {"launchconfig": {**base, **changes}}


def group_body(name: str | None = "group", **changes: Any) -> dict[str, Any]:
    """The body of a group of ``policy`` and ``config``."""
    named: Mapping[str, Any] = {} if name is None else {"name": name}
    return {**named, "regions": ["us-east-1"], "launchConfig": "config", "scalePolicy": "policy", **changes}
