"""The ends of connections on the way to a fleet, as their security groups see them."""

from __future__ import annotations

from smplan.sandbox.aws.moto_state import MotoInstance, MotoLoadBalancer
from smplan.sandbox.network.security_groups import VIEWER, Party


def viewer_of(balancer: MotoLoadBalancer) -> Party:
    """A client of the load balancer: on the internet, or in its network."""
    return Party(balancer.networks[:1] if balancer.internal else (VIEWER,))


def inside(balancer: MotoLoadBalancer) -> Party:
    """The load balancer, at its addresses in the VPC."""
    return Party(balancer.networks, balancer.group_ids)


def at(instance: MotoInstance) -> Party:
    """The instance, at its private address."""
    return Party((f"{instance.private_ip}/32",), instance.group_ids)
