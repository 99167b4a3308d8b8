"""The one place that reads moto's own objects: what every tick needs would be too slow to ask for over its API."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from smplan.sandbox.ids import REGION


@dataclass(frozen=True, slots=True)
class MotoListener:
    """A listener and every target group its default action and rules forward to."""

    arn: str
    port: int
    protocol: str
    certificate_arns: tuple[str, ...]
    target_group_arns: tuple[str, ...]
    serving_group_arns: tuple[str, ...]
    """Those that get requests: a weight of 0 keeps a target group in use, and its targets checked, without any."""


@dataclass(frozen=True, slots=True)
class MotoLoadBalancer:
    """A load balancer with its listeners."""

    arn: str
    name: str
    vpc_id: str
    group_ids: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    networks: tuple[str, ...]
    """The addresses of its subnets."""
    zones: tuple[str, ...]
    internal: bool
    listeners: tuple[MotoListener, ...]

    @property
    def target_group_arns(self) -> set[str]:
        """The target groups in use by its listeners."""
        return {arn for listener in self.listeners for arn in listener.target_group_arns}


@dataclass(frozen=True, slots=True)
class MotoTargetGroup:
    """What health checks and draining need of a target group. Times in seconds."""

    arn: str
    port: int
    check_port: str
    check_path: str
    interval: float
    healthy_threshold: int
    unhealthy_threshold: int
    deregistration_delay: float


@dataclass(frozen=True, slots=True)
class MotoInstance:
    """An instance as moto keeps it."""

    id: str
    state: str
    zone: str
    subnet_id: str
    private_ip: str
    group_ids: tuple[str, ...]
    user_data: str
    image_id: str
    instance_type: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class MotoRule:
    """One way into or out of a security group: for another group, or a range of addresses. Ports are None for all."""

    protocol: str
    from_port: int | None
    to_port: int | None
    group_id: str
    cidr: str


def _backend(service: str, account_id: str, region: str = REGION) -> Any:
    from moto.backends import get_backend

    return cast("Any", get_backend)(service)[account_id][region]


def balancers(account_id: str) -> Iterator[MotoLoadBalancer]:
    """Every load balancer, the oldest first."""
    for each in list(_backend("elbv2", account_id).load_balancers.values()):
        yield MotoLoadBalancer(
            arn=each.arn,
            name=each.name,
            vpc_id=each.vpc_id,
            group_ids=tuple(each.security_groups or ()),
            subnet_ids=tuple(subnet.id for subnet in each.subnets),
            networks=tuple(subnet.cidr_block for subnet in each.subnets),
            zones=tuple(subnet.availability_zone for subnet in each.subnets),
            internal=each.scheme == "internal",
            listeners=tuple(_listener(listener) for listener in each.listeners.values()),
        )


def _listener(listener: Any) -> MotoListener:
    actions = [action.data for rule in listener.rules.values() for action in rule.actions]
    arns = [arn for action in actions for arn in forwarded(action)]
    return MotoListener(
        arn=listener.arn,
        port=int(listener.port),
        protocol=str(listener.protocol),
        certificate_arns=tuple(listener.certificates or ()),
        target_group_arns=tuple(dict.fromkeys(arns)),
        serving_group_arns=tuple(arn for arn in dict.fromkeys(arns) if arn not in _resting(actions)),
    )


def _resting(actions: list[dict[str, Any]]) -> set[str]:
    """The target groups with weight 0."""
    groups = [each for action in actions for each in (action.get("ForwardConfig") or {}).get("TargetGroups") or []]
    return {each["TargetGroupArn"] for each in groups if str(each.get("Weight", 1)) == "0"}


def forwarded(action: dict[str, Any]) -> list[str]:
    """The target groups that an action forwards to, in either of its two spellings."""
    arns = [each.get("TargetGroupArn") for each in (action.get("ForwardConfig") or {}).get("TargetGroups") or []]
    return [arn for arn in dict.fromkeys([action.get("TargetGroupArn"), *arns]) if arn]


def rules(account_id: str, group_id: str, *, egress: bool = False) -> Iterator[MotoRule]:
    """Every way into a security group, or out of it; none if there is no such group."""
    group = _backend("ec2", account_id).get_security_group_from_id(group_id)
    for rule in list(group.egress_rules if egress else group.ingress_rules) if group else ():
        yield MotoRule(
            protocol=str(rule.ip_protocol),
            from_port=rule.from_port,
            to_port=rule.to_port,
            group_id=rule.source_group.get("GroupId", ""),
            cidr=rule.ip_range.get("CidrIp", ""),
        )


def vpc_cidr(account_id: str, vpc_id: str) -> str:
    """The addresses of a VPC."""
    return str(_backend("ec2", account_id).get_vpc(vpc_id).cidr_block)


def target_group(account_id: str, arn: str) -> MotoTargetGroup | None:
    """The target group, or None."""
    found = _backend("elbv2", account_id).target_groups.get(arn)
    if found is None:
        return None
    return MotoTargetGroup(
        arn=arn,
        port=int(found.port),
        check_port=str(found.health_check_port),
        check_path=str(found.health_check_path or "/"),
        interval=float(found.health_check_interval_seconds),
        healthy_threshold=int(found.healthy_threshold_count),
        unhealthy_threshold=int(found.unhealthy_threshold_count),
        deregistration_delay=float(found.attributes["deregistration_delay.timeout_seconds"]),
    )


def instances(account_id: str) -> Iterator[MotoInstance]:
    """Every instance that was not terminated."""
    for each in _each_instance(account_id):
        if each.state != "terminated":
            yield _instance(each)


def instance(account_id: str, instance_id: str) -> MotoInstance | None:
    """The instance, or None."""
    found = _find_instance(account_id, instance_id)
    return None if found is None else _instance(found)


def state_of(account_id: str, instance_id: str) -> str:
    """The instance's state, such as running; "" if EC2 does not know it."""
    found = _find_instance(account_id, instance_id)
    return "" if found is None else str(found.state)


def _find_instance(account_id: str, instance_id: str) -> Any:
    return next((each for each in _each_instance(account_id) if each.id == instance_id), None)


def _each_instance(account_id: str) -> Iterator[Any]:
    """moto's own search copies every reservation first, and each tick needs hundreds of searches."""
    for reservation in list(_backend("ec2", account_id).reservations.values()):
        yield from list(reservation.instances)


def _instance(each: Any) -> MotoInstance:
    return MotoInstance(
        id=each.id,
        state=each.state,
        zone=each.placement.zone,
        subnet_id=each.subnet_id or "",
        private_ip=each.private_ip or "",
        group_ids=tuple(dict.fromkeys(group.id for group in each.security_groups)),
        user_data=_text(each.user_data),
        image_id=each.image_id,
        instance_type=each.instance_type,
        tags=dict(each.ec2_backend.tags.get(each.id, {})),
    )


def _text(user_data: Any) -> str:
    if not user_data:
        return ""
    return base64.b64decode(str(user_data)).decode(errors="replace")


def running(account_id: str) -> set[str]:
    """Ids of instances that are pending or running."""
    return {each.id for each in _each_instance(account_id) if each.state in {"pending", "running"}}


ALIAS_SECONDS = 60.0
"""The TTL of an alias for a load balancer (Route 53, Developer Guide)."""


def aliases(account_id: str) -> Iterator[tuple[str, str, float]]:
    """Each name of a CNAME or an alias in any hosted zone, and its target, both as written, with the TTL in seconds."""
    for zone in list(_backend("route53", account_id, "aws").zones.values()):
        for record in list(zone.rrsets):
            if record.alias_target:
                yield record.name, record.alias_target["DNSName"], ALIAS_SECONDS
            elif record.type == "CNAME" and record.records:
                yield record.name, record.records[0], float(record.ttl or 0)


def certificate_names(account_id: str, certificate_arn: str) -> tuple[str, ...]:
    """The names that a certificate is for, its subject first."""
    held = _backend("acm", account_id).get_certificate(certificate_arn)
    return tuple(dict.fromkeys([held.common_name, *sorted(held.sans)]))


def issue(account_id: str, certificate_arn: str) -> None:
    """Let a certificate be ISSUED, as if its validation record stood in DNS."""
    _backend("acm", account_id).get_certificate(certificate_arn).status = "ISSUED"


def forget(account_id: str) -> None:
    """Drop everything that moto keeps of an account."""
    from moto.core.base_backend import BackendDict

    services: list[Any] = list(cast("Any", BackendDict)._instances)
    for service in services:
        held = service.pop(account_id, None)
        if held is not None:
            held.reset()
