"""What the emulated AWS remembers beside moto's own records, by service, and the time that moves it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from smplan.sandbox.aws.moto_client import Inside
from smplan.sandbox.aws.state.autoscaling import Scaling
from smplan.sandbox.aws.state.ec2 import Compute
from smplan.sandbox.aws.state.elbv2 import Balancing
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import REGION

Moved = Callable[["Cloud"], bool]
TICKS: list[Moved] = []
"""What time brings, in the order it is applied; each tells whether it changed anything."""


def each_tick(moved: Moved) -> Moved:
    """Apply the decorated function at every tick."""
    TICKS.append(moved)
    return moved


class Cloud:
    """The emulated AWS. Whoever uses it holds the sandbox's lock."""

    replaced = frozenset({"autoscaling"})
    """Services that moto answers nothing of."""

    def __init__(self, clock: Clock, moto: Inside, account: str) -> None:
        self.clock = clock
        self.moto = moto
        self.account = account
        self.region = REGION
        self.launch_configurations = True
        """False: refuse new launch configurations, as accounts made since 2024-10-01 are refused."""
        self.compute = Compute()
        self.balancing = Balancing()
        self.scaling = Scaling()
        self.changes: dict[str, float] = {}
        """Route 53 change id -> when it is INSYNC."""
        self.pending_subscriptions: set[str] = set()
        """ARNs of SNS subscriptions that nobody has confirmed."""

    def now(self) -> float:
        """Virtual seconds since 1970."""
        return self.clock.now()

    def time(self, at: float | None = None) -> datetime:
        """Virtual time ``at`` (default: now) as AWS writes it."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def tick(self) -> None:
        """Apply what the passing of time brings; what follows from it at the same moment too."""
        for _ in range(8):
            changed = [moved(self) for moved in TICKS]  # all of them, whatever the first one says
            if not any(changed):
                return


def new_id() -> str:
    """A fresh id as AWS writes them in ARNs."""
    return str(uuid.uuid4())
