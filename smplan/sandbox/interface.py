"""What the gateway and the simulated Stream Managers may see of, and ask from, the emulated AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PROPERTIES_PATH = "/usr/local/red5pro/webapps/streammanager/WEB-INF/red5-web.properties"
"""Where a Stream Manager keeps its settings; an instance that has this file is a Stream Manager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """One EC2 instance that is pending or running. Times are virtual seconds since 1970."""

    id: str
    state: str
    private_ip: str
    zone: str
    subnet_id: str
    security_group_ids: tuple[str, ...]
    user_data: str
    """Decoded text of the instance's user data; "" without one."""
    launched_at: float
    booted_at: float
    """When its software responds, at the earliest."""
    image_id: str
    instance_type: str
    tags: Mapping[str, str]
    files: Mapping[str, str]
    """Path -> text as the image had it, before user data ran: PROPERTIES_PATH with ``streammanager.ip=`` empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One registered target of a target group."""

    instance_id: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a load balancer would send a request. ``problem`` is "" if there is a healthy target."""

    load_balancer_arn: str
    dns_name: str
    problem: str
    """"", or: "not active", "not admitted", "no listener", "no target group", "no healthy target"."""
    listener_protocol: str
    """HTTP or HTTPS; "" without a listener on the port."""
    certificate_domains: tuple[str, ...]
    """Names of the listener's certificate, subject first; empty for HTTP."""
    healthy: tuple[Target, ...]
    unhealthy: tuple[Target, ...]
    """Targets that failed their checks or have not passed them yet."""


class AwsView(Protocol):
    """The emulated AWS as network and Stream Managers see it: thread-safe, always the present state."""

    def instances(self) -> Sequence[InstanceView]:
        """Instances that are pending or running."""

    def may_reach_database(self, security_group_ids: Sequence[str]) -> bool:
        """Whether a rule of the database's group admits TCP 3306 from one of these groups, or from the whole VPC."""

    def may_reach_target(self, load_balancer_arn: str, instance_id: str, port: int) -> bool:
        """Whether security groups admit a connection of the load balancer to a port of the instance."""

    def load_balancer_for(self, host: str, port: int) -> Route | None:
        """The way of a request to ``host`` (an ALB's DNS name, or a CNAME or alias of it); None if no ALB has it."""

    def launch_node(self, *, name: str, image_name: str, instance_type: str, user_data: str = "") -> str:
        """Run one EC2 instance for a node, tagged ``Name=name``; its id. Raises NodeRefused with AWS's reason."""

    def terminate_node(self, instance_id: str) -> None:
        """Terminate a node's instance; does nothing if it was terminated."""


class NodeRefused(Exception):
    """EC2 refused to run an instance; the text is AWS's ``Code: message``."""
