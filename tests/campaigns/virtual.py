"""A blueprint on a sandbox of its own, planned and applied in this process; time passes only while smplan waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3.session
import botocore.session
from botocore.loaders import Loader

from smplan.blueprint.load import load
from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.rate_limit import RateLimiter
from smplan.drivers.retry import RetryPolicy
from smplan.engine.apply import Applier
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan as make_plan
from smplan.engine.plan_scale import plan_scale
from smplan.engine.providers import Providers
from smplan.engine.runtime import Runtime
from smplan.engine.waiter import CancelToken
from smplan.sandbox.aws.elbv2.targets import target_states
from smplan.sandbox.aws.state.autoscaling import ScalingGroup
from smplan.sandbox.clock import Clock
from smplan.sandbox.sandbox import Sandbox
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore

TICK = 15.0
"""Virtual seconds between two looks at what happens."""
LONG, LEAST = 3.0, 30.0
"""A wait of LONG or more lasts LEAST at least: fewer polls, and more that happens between them."""


_LOADER = Loader(include_default_search_paths=True)


class CachedAws(Aws):
    """A client for which the models of AWS's services are parsed once per process: half the time of a command."""

    @cached_property
    def _session(self) -> Any:
        core = botocore.session.get_session()
        core.register_component("data_loader", _LOADER)
        return boto3.session.Session(region_name=self._region, botocore_session=core)


class VirtualTime(Runtime):
    """The sandbox's time: whoever waits makes it pass."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def now(self) -> float:
        return self._deployment.box.clock.now()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._deployment.pass_time(max(seconds, LEAST) if seconds >= LONG else seconds)
        return event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait whatever happens."""
        self._deployment.pass_time(seconds)


class _Health:
    """The network of the sandbox: whether an instance passes its health check, as the deployment says."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def start(self) -> object:
        return self

    def stop(self) -> None:
        pass

    def env(self) -> dict[str, str]:
        return {}

    def tick(self) -> None:
        pass

    def health(self, instance_id: str, _port: int, _path: str) -> bool:
        deployment = self._deployment
        return deployment.box.world.has_booted(instance_id) and deployment.passes(instance_id)


class Deployment:
    """A blueprint in a folder, and what of it exists on the sandbox. A subclass says what goes wrong."""

    parallel = 4

    def __init__(self, folder: Path, account: str) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self.box = Sandbox(account=account, clock=Clock(0.0), gateway=lambda *_: _Health(self))
        self.runtime = VirtualTime(self)

    @contextmanager
    def running(self) -> Iterator[None]:
        """With the sandbox, to which the environment points."""
        with self.box, _environment(self.box.env()):
            yield

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, and look at what happens."""
        with self._lock:
            left = seconds
            while left > 0:
                self.box.clock.advance(min(left, TICK))
                left -= TICK
                self.box.tick()
                self.look()

    def look(self) -> None:
        """Called after each tick."""

    def passes(self, instance_id: str) -> bool:
        """Whether an instance that has booted passes its health check now."""
        return True

    def healthy(self, group: ScalingGroup) -> int:
        """How many instances of a group are healthy in its target groups that are used, and not on their way out."""
        states = [target_states(self.box.aws, arn) for arn in group.fields["TargetGroupARNs"]]
        serving = (each.id for each in group.members if each.lifecycle == "InService")
        found = ({each.get(id) for each in states} - {"unused"} for id in serving)
        return sum(each == {"healthy"} for each in found)

    def write(self, blueprint: str) -> None:
        """Change the blueprint: YAML or JSON."""
        self._file.write_text(blueprint, encoding="utf-8")

    def plan(self) -> Plan:
        """The plan of the blueprint."""
        with self._providers() as world:
            return make_plan(
                self._blueprint(), store=self._store(), world=world, report=lambda _: None, pause=self.runtime.pause
            )

    def plan_scale(self, sizes: Mapping[str, int | None]) -> Plan:
        """The plan that gives groups, by address, another size."""
        with self._providers() as world:
            return plan_scale(
                self._blueprint(),
                sizes,
                store=self._store(),
                world=world,
                report=lambda _: None,
                pause=self.runtime.pause,
            )

    def apply(self, plan: Plan) -> Outcome:
        """Apply a plan."""
        with self._providers() as world:
            holder = LockHolder("campaign", "apply", uuid4().hex, "")
            cancel = CancelToken(self.runtime)
            return Applier(self._store(), world, holder, lambda _: None, cancel, parallel=self.parallel).run(plan)

    def aws(self, retry_policy: RetryPolicy, rate_limiter: RateLimiter) -> Aws:
        """The client of AWS for one command."""
        return CachedAws(self.box.facts.region, retry_policy=retry_policy, rate_limiter=rate_limiter)

    @property
    def _file(self) -> Path:
        return self.folder / "fleet.yaml"

    def _blueprint(self) -> Blueprint:
        return load(self._file, variables={}, variable_files=(), environ={}, catalogue=registry.catalogue())

    def _store(self) -> LocalStore:
        return LocalStore(self.folder / "fleet.state.json")

    @contextmanager
    def _providers(self) -> Iterator[Providers]:
        def none(_: Any) -> Any:
            raise AssertionError("no Stream Manager here")

        clock, pause = self.box.clock.now, self.runtime.pause
        aws = self.aws(RetryPolicy(pause=pause, clock=clock), RateLimiter(clock=clock, pause=pause))
        yield Providers(aws, connect=none, secrets=none, runtime=self.runtime)


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
