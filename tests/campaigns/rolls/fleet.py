"""A fleet in virtual time, with faults and a watch on its health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from smplan.core.plan.model import Plan
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.rate_limit import RateLimiter
from smplan.drivers.retry import RetryPolicy
from smplan.engine.executor import Outcome
from smplan.sandbox.aws.state.autoscaling import ScalingGroup
from tests.campaigns.rolls.situation import Situation
from tests.campaigns.virtual import CachedAws, Deployment

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


class _FaultyAws(CachedAws):
    def __init__(self, fleet: Fleet, retry_policy: RetryPolicy, rate_limiter: RateLimiter) -> None:
        super().__init__(fleet.box.facts.region, retry_policy=retry_policy, rate_limiter=rate_limiter)
        self._fleet = fleet

    def client(self, service: str, *, write: bool) -> Any:
        made: Any = super().client(service, write=write)
        if write:
            made._target._endpoint.http_session = _Session(made._target._endpoint.http_session, self._fleet)
        return made


class Fleet(Deployment):
    """One fleet; ``watched`` are the healthy instances at each look since ``first`` was set."""

    def __init__(self, folder: Path, situation: Situation, account: str) -> None:
        super().__init__(folder, account)
        self.situation = situation
        self.faults = Faults()
        self.watched: list[int] = []
        self.first: frozenset[str] = frozenset()
        """The instances before the roll-out."""
        self.ill = False
        """Whether new instances suffer from what the situation says."""
        self._random = Random(situation.seed)

    @property
    def group(self) -> ScalingGroup:
        """The scaling group as the sandbox has it."""
        return self.box.aws.autoscaling.groups[GROUP]

    def look(self) -> None:
        if self.first:
            self.watched.append(self.healthy(self.group))
            self.situation.alarm(self._random, self.group)

    def passes(self, instance_id: str) -> bool:
        if not self.ill or instance_id in self.first:
            return True
        found = self.box.aws.autoscaling.group_of(instance_id)
        return found is None or self.situation.is_well(self.box.clock.now() - found[1].launched_at)

    def apply_or_die(self, plan: Plan) -> Outcome | None:
        """Apply it; None if the run was killed."""
        try:
            return self.apply(plan)
        except Killed:
            return None

    def aws(self, retry_policy: RetryPolicy, rate_limiter: RateLimiter) -> Aws:
        return _FaultyAws(self, retry_policy, rate_limiter)
