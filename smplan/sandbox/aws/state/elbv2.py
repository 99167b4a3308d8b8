"""What the sandbox remembers of load balancing: states, targets and their health, interfaces that linger."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVISIONING_SECONDS = 120.0
LINGERING_SECONDS = 30.0


@dataclass(slots=True)
class RegisteredTarget:
    """One target of a target group. Times are virtual seconds."""

    instance_id: str
    port: int
    registered_at: float
    state: str = "initial"
    streak: int = 0
    """Checks in a row with the same outcome: above 0 passed, below 0 failed."""
    checked_at: float | None = None
    gone_at: float | None = None
    """When draining ends; None while registered."""


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The network interfaces of a load balancer; ``gone_at`` is when they go after its deletion."""

    name: str
    arn: str
    group_ids: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    gone_at: float


@dataclass(slots=True)
class Elbv2State:
    """Everything of load balancing that moto does not keep."""

    active_at: dict[str, float] = field(default_factory=dict)
    """Load balancer ARN -> when it is active."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Load balancer ARN -> attributes that were set."""
    lingering: list[Interfaces] = field(default_factory=list)
    targets: dict[str, dict[tuple[str, int], RegisteredTarget]] = field(default_factory=dict)
    """Target group ARN -> (instance id, port) -> target."""

    def of(self, group_arn: str) -> dict[tuple[str, int], RegisteredTarget]:
        """The targets of a group, draining ones too."""
        return self.targets.setdefault(group_arn, {})
