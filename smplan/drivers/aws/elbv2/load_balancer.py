"""``aws.elbv2.load_balancer``: the Application Load Balancer in front of the Stream Managers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from smplan.core.resource_type import IamActions, Output, Protection
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, RELEASED_LAST, UNORDERED, PartialList, PartialMap
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.elbv2 import _checks, _common
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import PLAIN_TEXT
from smplan.drivers.base import Claim, Live, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import LoadBalancerAttributeTypeDef, LoadBalancerTypeDef

_IDLE = "idle_timeout.timeout_seconds"
_PROTECTION = "deletion_protection.enabled"


def _not_internal(name: str) -> str:
    if name.startswith("internal-"):
        raise ValueError("AWS reserves names that begin with `internal-`; write `scheme: internal` instead")
    return name


class LoadBalancerSpec(_common.NamedSpec):
    """An Application Load Balancer."""

    sent_as: ClassVar = SentAs(
        "elbv2:CreateLoadBalancer",
        not_bound={
            "idle_timeout": "an attribute: the model knows its value as any text",
            "deletion_protection": "an attribute: the model knows its value as any text",
        },
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            min_length=1,
            max_length=_common.NAME_LIMIT,
            pattern=_common.NAME,
            description="Unique in the region: at most 32 letters, digits and hyphens, not beginning with `internal-`.",
        ),
        AfterValidator(_not_internal),
    ]
    scheme: Annotated[
        Literal["internet-facing", "internal"],
        IMMUTABLE,
        Field(description="Whether its addresses are public; internet-facing in the guide."),
    ] = "internet-facing"
    ip_address_type: Annotated[
        Literal["ipv4", "dualstack", "dualstack-without-public-ipv4"],
        Field(description="The type of its addresses."),
    ] = "ipv4"
    subnets: Annotated[
        PartialList[str],
        references.SUBNET,
        UNORDERED,
        RELEASED_LAST,
        Field(min_length=2, description="One subnet per availability zone, in at least two zones."),
    ]
    security_groups: Annotated[
        PartialList[str] | None,
        references.SECURITY_GROUP,
        UNORDERED,
        Field(min_length=1, description="Ids of its security groups. Unset: the VPC's default group."),
    ] = None
    idle_timeout: Annotated[
        int | None,
        Field(ge=1, le=4000, description="Seconds after which an idle connection is closed (60 by default)."),
    ] = None
    deletion_protection: Annotated[bool | None, Field(description="Whether AWS refuses to delete it.")] = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), PLAIN_TEXT
    ] = None


class LoadBalancer(_common.NamedDriver[LoadBalancerSpec, "LoadBalancerTypeDef"]):
    """Created in one call; idle time-out and deletion protection are attributes, set in a second call."""

    kind = "aws.elbv2.load_balancer"
    summary = "An Application Load Balancer."
    spec = LoadBalancerSpec
    outputs: ClassVar = {
        "arn": Output("Its ARN."),
        "arn_suffix": Output("The last part of its ARN, which CloudWatch takes as dimension LoadBalancer."),
        "dns_name": Output("Its DNS name, the target of a CNAME or alias."),
        "canonical_hosted_zone_id": Output("The hosted zone of its DNS name, for alias records."),
        "vpc_id": Output("The VPC of its subnets.", reference=references.VPC),
    }
    iam_actions = IamActions(
        read=(
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeTags",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
        ),
        write=(
            "elasticloadbalancing:CreateLoadBalancer",
            "elasticloadbalancing:ModifyLoadBalancerAttributes",
            "elasticloadbalancing:SetSubnets",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:SetIpAddressType",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:DeleteLoadBalancer",
        ),
        check=_checks.BALANCER_ACTIONS,
    )
    expected_seconds = 150
    protection: ClassVar = Protection("deletion_protection", "deletion protection")
    left_behind = "it continues to serve, and to cost per hour"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of an update of subnets, security groups, addresses, time-out and deletion protection."""
        name = effect.was("name")
        if effect.deletes:
            yield Risk(Category.IRREVERSIBLE, f"its DNS name {effect.was('dns_name')} is never given again")
            left = ", when names have led to the new one for their time to live" if effect.after else " at once"
            yield Risk(Category.SERVING, f"clients of {name} lose their connections{left}")
        if lost := effect.lost("subnets"):
            yield Risk(Category.SERVING, f"connections through its addresses in {', '.join(lost)} end")
        if lost := effect.lost("security_groups"):
            yield Risk(Category.ACCESS, f"what only {', '.join(lost)} admits can no longer connect to {name}")
        if effect.alters("ip_address_type"):
            types = f"{effect.was('ip_address_type')} to {effect.becomes('ip_address_type')}"
            yield Risk(Category.SERVING, f"its addresses change from {types}: clients of the other type cannot connect")
        if lowered := effect.lowered("idle_timeout"):
            yield Risk(Category.SERVING, f"connections are closed when idle for {lowered[1]} s, not {lowered[0]} s")
        if effect.alters("deletion_protection") and effect.before.get("deletion_protection") is True:
            yield Risk(Category.PROTECTION, f"anything may delete {name} from then on")

    arn_member = "LoadBalancerArn"

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Subnets, zones, security groups, internet gateway, and the quota."""
        return _checks.of_balancers(self.context.aws, planned)

    def _by_arn(self, arns: list[str]) -> list[LoadBalancerTypeDef]:
        return self.context.aws.read.elbv2.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"]

    def _by_name(self, name: str) -> list[LoadBalancerTypeDef]:
        found = self.context.aws.read.elbv2.describe_load_balancers(Names=[name])["LoadBalancers"]
        for each in found:
            if each.get("Type", "application") != "application":
                raise Conflict(
                    f"a {each['Type']} load balancer named {name} exists already", hint="choose another `name`"
                )
        return found

    def _all(self) -> Iterator[LoadBalancerTypeDef]:
        pages = self.context.aws.read.elbv2.get_paginator("describe_load_balancers")
        for page in pages.paginate(PaginationConfig={"PageSize": _common.PAGE}):
            yield from page["LoadBalancers"]

    def _attributes(self, arn: str) -> Iterable[Mapping[str, Any]]:
        return self.context.aws.read.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]

    def _to_live(
        self, found: LoadBalancerTypeDef, all_tags: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Live[LoadBalancerSpec]:
        spec = LoadBalancerSpec.model_construct(
            name=found["LoadBalancerName"],
            scheme=found["Scheme"],
            ip_address_type=found.get("IpAddressType", "ipv4"),
            subnets=sorted(zone["SubnetId"] for zone in found["AvailabilityZones"]),
            security_groups=sorted(found.get("SecurityGroups", ())),
            idle_timeout=int(attributes[_IDLE]) if _IDLE in attributes else None,
            deletion_protection=attributes.get(_PROTECTION) == "true",
            tags=_common.own_tags(all_tags),
        )
        outputs = {
            "arn": found["LoadBalancerArn"],
            "arn_suffix": found["LoadBalancerArn"].partition(":loadbalancer/")[2],
            "dns_name": found["DNSName"],
            "canonical_hosted_zone_id": found.get("CanonicalHostedZoneId", ""),
            "vpc_id": found.get("VpcId", ""),
        }
        return Live(found["LoadBalancerArn"], spec, outputs, Owner.from_tags(all_tags))

    def create(self, spec: LoadBalancerSpec, claim: Claim) -> str:
        """The ARN. AWS returns an existing one of equal settings, so the engine calls ``find`` first."""
        wanted: dict[str, Any] = {} if spec.security_groups is None else {"SecurityGroups": spec.security_groups}
        response = self.context.aws.write.elbv2.create_load_balancer(
            Name=spec.name,
            Type="application",
            Scheme=spec.scheme,
            IpAddressType=spec.ip_address_type,
            Subnets=spec.subnets,
            Tags=tags.listed(tags.merged(spec.tags, claim.tags)),
            **wanted,
        )
        return response["LoadBalancers"][0]["LoadBalancerArn"]

    def configure(self, id: str, spec: LoadBalancerSpec) -> None:
        """Set the attributes that the spec manages."""
        self._set_attributes(id, _wanted_attributes(spec))

    def _set_attributes(self, arn: str, wanted: Mapping[str, str]) -> None:
        if not wanted:
            return
        listed: list[LoadBalancerAttributeTypeDef] = [{"Key": key, "Value": wanted[key]} for key in sorted(wanted)]
        self.context.aws.write.elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=listed)

    def update(self, live: Live[LoadBalancerSpec], spec: LoadBalancerSpec) -> None:
        """Subnets first: another address type may need the new ones."""
        client, now = self.context.aws.write.elbv2, live.spec
        if set(spec.subnets) != set(now.subnets):
            client.set_subnets(LoadBalancerArn=live.id, Subnets=self._one_per_zone(now.subnets, spec.subnets))
        if spec.security_groups is not None and set(spec.security_groups) != set(now.security_groups or ()):
            client.set_security_groups(LoadBalancerArn=live.id, SecurityGroups=spec.security_groups)
        if spec.ip_address_type != now.ip_address_type:
            client.set_ip_address_type(LoadBalancerArn=live.id, IpAddressType=spec.ip_address_type)
        before, wanted = _wanted_attributes(now), _wanted_attributes(spec)
        self._set_attributes(live.id, {key: wanted[key] for key in wanted if wanted[key] != before.get(key)})
        _common.retag(self.context.aws, live.id, live=now.tags, wanted=spec.tags)

    def _one_per_zone(self, now: list[str], wanted: list[str]) -> list[str]:
        """Without the subnets that it leaves later but whose zone it has another subnet of: AWS allows one per zone."""
        new = set(wanted) - set(now)
        if not new or new == set(wanted):
            return wanted
        found = self.context.aws.read.ec2.describe_subnets(SubnetIds=wanted)["Subnets"]
        zones = {each.get("SubnetId", ""): each.get("AvailabilityZone") for each in found}
        taken = {zones.get(each) for each in new}
        return [each for each in wanted if each in new or zones.get(each) not in taken]

    def unprotect(self, id: str) -> None:
        """One call; already gone is success."""
        with suppress(NotFound):
            self._set_attributes(id, {_PROTECTION: "false"})

    def delete(self, id: str) -> None:
        """Already gone is success for AWS too."""
        try:
            with suppress(NotFound):
                self.context.aws.write.elbv2.delete_load_balancer(LoadBalancerArn=id)
        except Invalid as error:
            if error.code != "OperationNotPermitted":
                raise
            hint = "plan again with `--unprotect ADDRESS`, which removes its deletion protection first"
            raise Invalid(error.message, hint=hint, code=error.code, action=error.action) from error

    def wait_ready(self, id: str, spec: LoadBalancerSpec) -> Iterator[Progress]:
        """Until ``active``, or ``active_impaired``, which is reported. Raises Invalid if it failed."""
        waiting_for = f"load balancer {spec.name} to be active"
        while True:
            code, reason = self._state(id)
            if code == "active":
                return
            if code == "failed":
                raise Invalid(
                    f"load balancer {spec.name} could not be set up: {reason or 'no reason given'}",
                    hint="fix the cause (often too few free addresses in a subnet), delete it, then apply again",
                )
            yield Progress(waiting_for, f"{code}: {reason}" if reason else code)
            if code == "active_impaired":
                return

    def _state(self, arn: str) -> tuple[str, str]:
        try:
            state = self._by_arn([arn])[0].get("State", {})
        except NotFound:
            return "not listed yet", ""  # describing lags creation
        return str(state.get("Code", "")), state.get("Reason", "")

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Until its network interfaces are deleted: until then security groups and subnets cannot be."""
        description = f"ELB {id.partition(':loadbalancer/')[2]}"
        while True:
            response = self.context.aws.read.ec2.describe_network_interfaces(
                Filters=[{"Name": "description", "Values": [description]}]
            )
            left = len(response["NetworkInterfaces"])
            if not left:
                return
            yield Progress("the load balancer's network interfaces to be deleted", f"{left} left")


def _wanted_attributes(spec: LoadBalancerSpec) -> dict[str, str]:
    wanted: dict[str, str] = {}
    if spec.idle_timeout is not None:
        wanted[_IDLE] = str(spec.idle_timeout)
    if spec.deletion_protection is not None:
        wanted[_PROTECTION] = "true" if spec.deletion_protection else "false"
    return wanted
