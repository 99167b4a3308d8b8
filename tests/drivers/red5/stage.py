"""A simulated Stream Manager behind a load balancer's listener, and the cases of its kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from smplan.core.spec import Spec
from smplan.drivers import registry
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.drivers.context import Context
from smplan.drivers.red5.client import StreamManager
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.sandbox.interface import Route, Target
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
    Request,
    Response,
)
from tests.drivers.conformance import differences, no_wait_retries
from tests.sandbox.stream_manager.world import FakeWorld, instance

NAME = "sm.example.com"
CLAIM = Claim(Owner("lineage", "subject"), "token")
POLL_SECONDS = 15.0
MAX_POLLS = 100
NO_AWS: Any = None
"""These kinds never look at it."""


@dataclass(frozen=True)
class Case:
    """A spec, other values of its fields that can be updated, and what must be there first."""

    spec: Mapping[str, Any]
    updates: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()


CASES = {
    "red5.scale_policy": Case(
        {
            "name": "a policy",
            "description": "before",
            "targets": [
                {"role": "origin", "min_limit": 1, "max_limit": 2},
                {"role": "edge", "min_limit": 2, "max_limit": 4},
                {"region": "us-west-2", "role": "origin", "min_limit": 0, "max_limit": 1},
            ],
        },
        {
            "description": "after",
            "targets": [
                {"role": "edge", "min_limit": 1, "max_limit": 5},
                {"role": "origin", "min_limit": 1, "max_limit": 3},
                {"region": "us-west-2", "role": "origin", "min_limit": 1, "max_limit": 1},
            ],
        },
    ),
    "red5.launch_config": Case(
        {
            "name": "nodes/1",
            "description": "before",
            "image": "red5pro-node",
            "targets": [
                {"role": "origin", "instance_type": "c5.large", "connection_capacity": 20},
                {"role": "edge", "instance_type": "c5.xlarge", "connection_capacity": 200, "image": "edge-image"},
            ],
        },
        {"description": "after"},
    ),
    "red5.nodegroup": Case(
        {"name": "a group", "regions": ["us-east-1"], "launch_config": "nodes/1", "scale_policy": "a policy"},
        after=("red5.scale_policy", "red5.launch_config"),
    ),
}


class ResponseLosingGateway(Gateway):
    """Where ``deaf`` is set, what changes something is done, and its answer gets lost."""

    deaf = False

    def respond(self, host: str, request: Request, *, tls: bool) -> Response | None:
        response = super().respond(host, request, tls=tls)
        return None if self.deaf and request.method != "GET" else response


class SimulatedStreamManager:
    """One Stream Manager behind a load balancer's listener; time stands still until ``wait``."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.world = FakeWorld(Clock(0.0))
        self.world.add(instance("i-1"))
        self.route(Target(instance_id="i-1", port=5080))
        self.gateway = ResponseLosingGateway(self.world, self.world.clock, behaviour)
        self.gateway.start()

    def route(self, *targets: Target) -> None:
        """Whom the load balancer has to send requests to."""
        self.world.routes[NAME, 5080] = Route(
            load_balancer_arn="arn",
            dns_name="lb.elb.amazonaws.com",
            problem="" if targets else "no healthy target",
            listener_protocol="HTTP",
            certificate_domains=(),
            healthy=targets,
            unhealthy=(),
        )

    def api(self, token: str = ADMIN_TOKEN) -> StreamManager:
        ways = self.gateway.env()["SMPLAN_CONNECT_TO"]
        return StreamManager(
            f"http://{NAME}:5080", token=lambda: token, connect_map=ways, retry_policy=no_wait_retries()
        )

    def driver(self, kind: str, token: str = ADMIN_TOKEN) -> Driver[Any]:
        api, found = self.api(token), registry.driver(kind)
        assert found is not None
        return found(Context(NO_AWS, lambda: api, clock=self.world.clock.now))

    def prepare(self, kind: str) -> None:
        """Make what ``kind``'s spec refers to."""
        for other in CASES[kind].after:
            self.driver(other).create(spec_of(other), CLAIM)

    def made(self, kind: str, **changes: Any) -> str:
        """Prepare, create, configure and wait_ready, as an engine would."""
        self.prepare(kind)
        return self.made_only(kind, **changes)

    def made_only(self, kind: str, **changes: Any) -> str:
        """As ``made``, where what it refers to exists already."""
        driver, spec = self.driver(kind), spec_of(kind, **changes)
        id = driver.create(spec, CLAIM)
        driver.configure(id, spec)
        self.wait(driver.wait_ready(id, spec))
        return id

    def read(self, kind: str, id: str) -> Live[Any] | None:
        return self.driver(kind).read_many([id]).get(id)

    def wait(self, looks: Iterator[Progress]) -> list[Progress]:
        """Every look, with time passing in between."""
        seen = []
        for progress in looks:
            seen.append(progress)
            assert len(seen) < MAX_POLLS, progress
            self.later(POLL_SECONDS)
        return seen

    def later(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.gateway.tick()


def spec_of(kind: str, **changes: Any) -> Any:
    found = registry.driver(kind)
    assert found is not None
    return found.spec.model_validate({**CASES[kind].spec, **changes})


def equal(wanted: Spec, live: Live[Any] | None) -> bool:
    assert live is not None
    assert differences(wanted, live.spec) == {}
    return True
