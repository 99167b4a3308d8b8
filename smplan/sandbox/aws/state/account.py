"""What the emulated AWS remembers beside moto's own records, by service, and the time that moves it."""

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

TickFunction = Callable[["Cloud"], bool]
TICKS: list[TickFunction] = []
"""What time brings, in the order it is applied; each returns whether it changed anything."""


def on_tick(moved: TickFunction) -> TickFunction:
    """Apply the decorated function at every tick."""
    TICKS.append(moved)
    return moved


class Cloud:
    """The emulated AWS. Use it only while holding the sandbox's lock."""

    replaced = frozenset({"autoscaling"})
    """Services of which moto handles nothing."""

    def __init__(self, clock: Clock, moto: MotoClient, account: str) -> None:
        self.clock = clock
        self.moto = moto
        self.account = account
        self.region = REGION
        self.launch_configurations = True
        """False: refuse new launch configurations, as accounts made since 2024-10-01 are refused."""
        self.compute = Ec2State()
        self.balancing = Elbv2State()
        self.scaling = AutoScalingState()
        self._tables: dict[str, dict[Any, Any]] = {}
        self.changes: dict[str, float] = {}
        """Route 53 change id -> when it is INSYNC."""
        self.pending_subscriptions: set[str] = set()
        """ARNs of SNS subscriptions that are not confirmed."""

    def now(self) -> float:
        """Virtual seconds since 1970."""
        return self.clock.now()

    def time(self, at: float | None = None) -> datetime:
        """Virtual time ``at`` (default: now) as AWS writes it."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def table(self, name: str) -> dict[Any, Any]:
        """Rows that one handler keeps for itself under a name such as ``autoscaling.schedules``, empty at first.

        A handler that needs a place for its data takes it here; nothing has to be declared elsewhere.
        """
        return self._tables.setdefault(name, {})

    def describe_ec2(self, action: str, **params: Any) -> Fields | None:
        """EC2's response; None if it knows no such thing."""
        try:
            return self.moto.ask("ec2", action, params)
        except AwsError:
            return None

    def tick(self) -> None:
        """Apply what the passing of time brings; what follows from it at the same moment too."""
        for _ in range(8):
            changed = [moved(self) for moved in TICKS]  # all of them, whatever the first one says
            if not any(changed):
                return


def new_id() -> str:
    """A fresh id as AWS writes them in ARNs."""
    return str(uuid.uuid4())
