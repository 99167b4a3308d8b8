"""A fleet on a sandbox of its own, whose time passes only while smplan waits, with faults and a watch on its health."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from botocore.exceptions import ReadTimeoutError

from smplan.blueprint.load import load
from smplan.core.plan.model import Plan
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.rate_limit import RateLimiter
from smplan.drivers.retry import RetryPolicy
from smplan.engine.apply import Applier
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan as make_plan
from smplan.engine.providers import Providers
from smplan.engine.runtime import Runtime
from smplan.engine.waiter import CancelToken
from smplan.sandbox.aws.elbv2.targets import target_states
from smplan.sandbox.aws.state.autoscaling import ScalingGroup
from smplan.sandbox.clock import Clock
from smplan.sandbox.sandbox import Sandbox
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.campaigns.rolls.situation import Situation

TICK = 15.0
"""Virtual seconds between two looks at the fleet."""
LONG, LEAST = 3.0, 30.0
"""A wait of LONG or more lasts LEAST at least: fewer polls, and more that happens between them."""
GROUP = "rolls-group"


class Killed(BaseException):
    """The process is killed here."""


@dataclass
class Faults:
    """What happens to the writes of one run, by their number."""

    kill_before: int = 0
    kill_after: int = 0
    lost: frozenset[int] = frozenset()
    writes: int = 0

    def send(self, request: Any, inner: Callable[[Any], Any]) -> Any:
        """Send a write, or not, or without its response."""
        self.writes += 1
        number = self.writes
        if number == self.kill_before:
            raise Killed
        response = inner(request)
        if number == self.kill_after:
            raise Killed
        if number in self.lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        return response


class _Session:
    def __init__(self, inner: Any, fleet: Fleet) -> None:
        self._inner = inner
        self._fleet = fleet

    def send(self, request: Any) -> Any:
        return self._fleet.faults.send(request, self._inner.send)

    def close(self) -> None:
        self._inner.close()


class _FaultyAws(Aws):
    def __init__(self, fleet: Fleet) -> None:
        clock = fleet.box.clock.now
        pause = fleet.runtime.pause
        super().__init__(
            fleet.box.facts.region,
            retry_policy=RetryPolicy(pause=pause, clock=clock),
            rate_limiter=RateLimiter(clock=clock, pause=pause),
        )
        self._fleet = fleet

    def client(self, service: str, *, write: bool) -> Any:
        made: Any = super().client(service, write=write)
        if write:
            made._target._endpoint.http_session = _Session(made._target._endpoint.http_session, self._fleet)
        return made


class VirtualTime(Runtime):
    """The sandbox's time: whoever waits makes it pass."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def now(self) -> float:
        return self._fleet.box.clock.now()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._fleet.pass_time(max(seconds, LEAST) if seconds >= LONG else seconds)
        return event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait whatever happens."""
        self._fleet.pass_time(seconds)


class _Health:
    """The network of the sandbox: whether an instance passes its health check, by the situation."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def start(self) -> object:
        return self

    def stop(self) -> None:
        pass

    def env(self) -> dict[str, str]:
        return {}

    def tick(self) -> None:
        pass

    def health(self, instance_id: str, _port: int, _path: str) -> bool:
        fleet = self._fleet
        return fleet.box.world.has_booted(instance_id) and fleet.passes(instance_id)


@dataclass
class Fleet:
    """One fleet; ``watched`` are the healthy instances at each look since ``watch`` was called."""

    folder: Path
    situation: Situation
    account: str
    faults: Faults = field(default_factory=Faults)
    watched: list[int] = field(default_factory=list)
    first: frozenset[str] = frozenset()
    """The instances before the roll-out."""
    ill: bool = False
    """Whether new instances suffer from what the situation says."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._random = Random(self.situation.seed)
        self.box = Sandbox(account=self.account, clock=Clock(0.0), gateway=lambda *_: _Health(self))
        self.runtime = VirtualTime(self)

    @property
    def group(self) -> ScalingGroup:
        """The scaling group as the sandbox has it."""
        return self.box.aws.autoscaling.groups[GROUP]

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, and look at the fleet."""
        with self._lock:
            left = seconds
            while left > 0:
                self.box.clock.advance(min(left, TICK))
                left -= TICK
                self.box.tick()
                self._look()

    def _look(self) -> None:
        if self.first:
            self.watched.append(self.healthy())
            self.situation.alarm(self._random, self.group)

    def healthy(self) -> int:
        """How many instances of the group are healthy in its target group, and not on their way out."""
        (arn,) = self.group.fields["TargetGroupARNs"]
        states = target_states(self.box.aws, arn)
        return sum(states.get(each.id) == "healthy" for each in self.group.members if each.lifecycle == "InService")

    def passes(self, instance_id: str) -> bool:
        """Whether the instance passes its health check now."""
        if not self.ill or instance_id in self.first:
            return True
        found = self.box.aws.autoscaling.group_of(instance_id)
        return found is None or self.situation.is_well(self.box.clock.now() - found[1].launched_at)

    def plan(self) -> Plan:
        """The plan of the blueprint in the folder."""
        blueprint = load(
            self.folder / "rolls.yaml", variables={}, variable_files=(), environ={}, catalogue=registry.catalogue()
        )
        with self._providers() as providers:
            return make_plan(
                blueprint, store=self._store(), world=providers, report=lambda _: None, pause=self.runtime.pause
            )

    def apply(self, plan: Plan) -> Outcome | None:
        """Apply it; None if the run was killed."""
        with self._providers() as providers:
            holder = LockHolder("rolls", "apply", uuid4().hex, "")
            applier = Applier(self._store(), providers, holder, lambda _: None, CancelToken(self.runtime), parallel=4)
            try:
                return applier.run(plan)
            except Killed:
                return None

    def _store(self) -> LocalStore:
        return LocalStore(self.folder / "rolls.state.json")

    @contextmanager
    def _providers(self) -> Iterator[Providers]:
        def none(_: Any) -> Any:
            raise AssertionError("no Stream Manager here")

        yield Providers(_FaultyAws(self), connect=none, secrets=none, runtime=self.runtime)
