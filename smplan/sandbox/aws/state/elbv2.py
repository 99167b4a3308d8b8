"""Elastic Load Balancing's part of an account: provisioning, targets and their health, network interfaces."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVISIONING_SECONDS = 120.0
INTERFACE_DELETE_SECONDS = 30.0


@dataclass(slots=True)
class RegisteredTarget:
    """One target of a target group. Times are virtual seconds."""

    instance_id: str
    port: int
    registered_at: float
    state: str = "initial"
    streak: int = 0
    """Checks in a row with the same outcome: above 0 passed, below 0 failed."""
    failure: str = ""
    """The reason code of the last failed check."""
    checked_at: float | None = None
    drained_at: float | None = None
    """When draining ends; None while registered."""


@dataclass(frozen=True, slots=True)
class NetworkInterfaces:
    """The network interfaces of a load balancer; ``deleted_at`` is in virtual seconds, infinite while it exists."""

    name: str
    arn: str
    group_ids: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    deleted_at: float


@dataclass(slots=True)
class Elbv2State:
    """What moto does not keep of load balancing."""

    active_at: dict[str, float] = field(default_factory=dict)
    """Load balancer ARN -> when it is active."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Load balancer ARN -> attributes that were set."""
    deleted_interfaces: list[NetworkInterfaces] = field(default_factory=list)
    targets: dict[str, dict[tuple[str, int], RegisteredTarget]] = field(default_factory=dict)
    """Target group ARN -> (instance id, port) -> target."""

    def targets_of(self, group_arn: str) -> dict[tuple[str, int], RegisteredTarget]:
        """The targets of a target group by id and port, draining ones included."""
        return self.targets.setdefault(group_arn, {})
