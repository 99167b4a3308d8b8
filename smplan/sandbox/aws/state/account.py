"""The emulated account: what AWS remembers besides moto's own records, and the clock that moves it on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.moto_client import MotoClient
from smplan.sandbox.aws.state.autoscaling import AutoScalingState
from smplan.sandbox.aws.state.ec2 import Ec2State
from smplan.sandbox.aws.state.elbv2 import Elbv2State
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import REGION

TickFunction = Callable[["Account"], bool]
TICKS: list[TickFunction] = []
"""Run at every tick; each returns whether it changed anything."""


def on_tick(function: TickFunction) -> TickFunction:
    """Run the decorated function at every tick."""
    TICKS.append(function)
    return function


class Account:
    """One account of the emulated AWS. Use it only while holding the sandbox's lock."""

    without_moto = frozenset({"autoscaling"})
    """Services whose requests never reach moto."""

    def __init__(self, clock: Clock, moto: MotoClient, account_id: str) -> None:
        self.clock = clock
        self.moto = moto
        self.id = account_id
        self.region = REGION
        self.launch_configurations = True
        """False: refuse new launch configurations, as accounts made since 2024-10-01 are refused."""
        self.reads_settle_seconds = 0.0
        """Virtual seconds until what was created is visible to requests that read; 0: at once."""
        self.writes_settle_seconds = 0.0
        """The same of requests that change something: AWS may know it in one place and not yet in another."""
        self.ec2 = Ec2State()
        self.elbv2 = Elbv2State()
        self.autoscaling = AutoScalingState()
        self._tables: dict[str, dict[Any, Any]] = {}

    def now(self) -> float:
        """Virtual seconds since 1970."""
        return self.clock.now()

    def time(self, at: float | None = None) -> datetime:
        """Virtual time ``at`` (default: now) as AWS writes it."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.id}:{rest}"

    def table(self, name: str) -> dict[Any, Any]:
        """The rows that one module keeps under ``name``, such as ``route53.changes``; empty in a new account.

        A table needs no declaration, so a new handler with data of its own is still a single file.
        """
        return self._tables.setdefault(name, {})

    def describe_ec2(self, action: str, **params: Any) -> Fields | None:
        """EC2's response; None if EC2 rejects the request."""
        try:
            return self.moto.call("ec2", action, params)
        except AwsError:
            return None

    def tick(self) -> None:
        """Run the tick functions until none changes anything, eight rounds at most."""
        for _ in range(8):
            changed = [function(self) for function in TICKS]  # every one, whatever the first returns
            if not any(changed):
                return


def new_id() -> str:
    """A fresh id as AWS writes them in ARNs."""
    return str(uuid.uuid4())
