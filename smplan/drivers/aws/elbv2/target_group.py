"""``aws.elbv2.target_group``: the targets of a load balancer, and their health check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, PartialMap
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.elbv2 import _checks, _common
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import PLAIN_TEXT
from smplan.drivers.base import Claim, Live, Owner
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import DriverError, InUse, NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_elbv2.type_defs import TargetGroupTypeDef

_DELAY = "deregistration_delay.timeout_seconds"


_CHECK = ("unhealthy_threshold", "matcher")


class TargetGroupSpec(_common.NamedSpec):
    """A target group; a scaling group registers its instances. Defaults are the console's."""

    sent_as: ClassVar = SentAs(
        "elbv2:CreateTargetGroup",
        {
            "health_check_interval": "HealthCheckIntervalSeconds",
            "health_check_timeout": "HealthCheckTimeoutSeconds",
            "healthy_threshold": "HealthyThresholdCount",
            "unhealthy_threshold": "UnhealthyThresholdCount",
            "matcher": "Matcher.HttpCode",
        },
        {"deregistration_delay": "an attribute: the model knows its value as any text"},
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            min_length=1,
            max_length=_common.NAME_LIMIT,
            pattern=_common.NAME,
            description="Unique in the region: at most 32 letters, digits and hyphens.",
        ),
    ]
    protocol: Annotated[Literal["HTTP", "HTTPS"], IMMUTABLE, Field(description="The protocol of requests to targets.")]
    port: Annotated[
        int, IMMUTABLE, Field(ge=1, le=65535, description="The targets' port; 5080 for a Stream Manager (guide).")
    ]
    vpc_id: Annotated[str, references.VPC, IMMUTABLE, Field(pattern="^vpc-", description="The VPC of the targets.")]
    target_type: Annotated[
        Literal["instance", "ip"], IMMUTABLE, Field(description="Whether targets are instances or addresses.")
    ] = "instance"
    health_check_protocol: Annotated[Literal["HTTP", "HTTPS"], Field(description="The protocol of health checks.")] = (
        "HTTP"
    )
    health_check_path: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern="^/", description="The path of health checks."),
    ] = "/"
    health_check_port: Annotated[
        Annotated[int, Field(ge=1, le=65535)] | Literal["traffic-port"],
        Field(description="The port of health checks; `traffic-port` is the port of requests."),
    ] = "traffic-port"
    health_check_interval: Annotated[int, Field(ge=5, le=300, description="Seconds between two checks.")] = 30
    health_check_timeout: Annotated[
        int, Field(ge=2, le=120, description="Seconds without a response before a check fails.")
    ] = 5
    healthy_threshold: Annotated[
        int, Field(ge=2, le=10, description="Checks in a row that must pass before a target is healthy.")
    ] = 5
    unhealthy_threshold: Annotated[
        int, Field(ge=2, le=10, description="Checks in a row that must fail before a target is unhealthy.")
    ] = 2
    matcher: Annotated[
        str,
        Field(
            pattern=r"^[2-4]\d\d(-[2-4]\d\d)?(,[2-4]\d\d(-[2-4]\d\d)?)*$",
            description="HTTP codes that mean healthy: `200`, `200,202` or `200-299`.",
        ),
    ] = "200"
    deregistration_delay: Annotated[
        int | None,
        Field(
            ge=0,
            le=3600,
            description="Seconds in which a deregistered target may finish requests (300 by default).",
        ),
    ] = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), PLAIN_TEXT
    ] = None

    @model_validator(mode="after")
    def _timeout_fits(self) -> Self:
        if self.known("health_check_timeout", "health_check_interval"):
            timeout, interval = self.health_check_timeout, self.health_check_interval
            if timeout >= interval:
                raise ValueError(f"`health_check_timeout` {timeout} must be below `health_check_interval` {interval}")
        return self


class TargetGroup(_common.NamedDriver[TargetGroupSpec, "TargetGroupTypeDef"]):
    """Created in one call; the deregistration delay is an attribute, set in a second call."""

    kind = "aws.elbv2.target_group"
    summary = "A target group: the Stream Managers that the load balancer sends requests to."
    spec = TargetGroupSpec
    outputs: ClassVar = {
        "arn": Output("Its ARN."),
        "arn_suffix": Output("The last part of its ARN, which CloudWatch takes as dimension TargetGroup."),
    }
    iam_actions = IamActions(
        read=(
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTags",
        ),
        write=(
            "elasticloadbalancing:CreateTargetGroup",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:DeleteTargetGroup",
        ),
        check=_checks.TARGET_GROUP_ACTIONS,
    )

    arn_member = "TargetGroupArn"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of an update of the health check or the deregistration delay."""
        name = effect.was("name")
        if effect.removes:
            yield Risk(Category.SERVING, f"what is registered with {name} gets no more requests")
        elif effect.deletes:
            yield Risk(Category.SERVING, f"connections through {name} end once its deregistration delay is over")
        changed = sorted(each for each in effect.changed if each.startswith("health") or each in _CHECK)
        if effect.alters(*changed):
            what = ", ".join(f"`{each}` {effect.was(each)} -> {effect.becomes(each)}" for each in changed)
            fails = "targets that fail the new health check get no requests, and are replaced by a group that counts it"
            yield Risk(Category.SERVING, f"{fails} ({what})")
        if lowered := effect.lowered("deregistration_delay"):
            yield Risk(
                Category.SERVING, f"requests to a deregistered target end after {lowered[1]} s, not {lowered[0]} s"
            )

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The VPC, and the quota."""
        return _checks.of_target_groups(self.context.aws, planned)

    def _by_arn(self, arns: list[str]) -> list[TargetGroupTypeDef]:
        return self.context.aws.read.elbv2.describe_target_groups(TargetGroupArns=arns)["TargetGroups"]

    def _by_name(self, name: str) -> list[TargetGroupTypeDef]:
        return self.context.aws.read.elbv2.describe_target_groups(Names=[name])["TargetGroups"]

    def _all(self) -> Iterator[TargetGroupTypeDef]:
        pages = self.context.aws.read.elbv2.get_paginator("describe_target_groups")
        for page in pages.paginate(PaginationConfig={"PageSize": _common.PAGE}):
            yield from page["TargetGroups"]

    def _attributes(self, arn: str) -> Iterable[Mapping[str, Any]]:
        return self.context.aws.read.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]

    def _to_live(
        self, found: TargetGroupTypeDef, all_tags: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Live[TargetGroupSpec]:
        port = found.get("HealthCheckPort", "traffic-port")
        settings: dict[str, Any] = {
            "name": found["TargetGroupName"],
            "protocol": found.get("Protocol", ""),
            "port": found.get("Port"),
            "vpc_id": found.get("VpcId", ""),
            "target_type": found.get("TargetType", "instance"),
            "health_check_protocol": found.get("HealthCheckProtocol", ""),
            "health_check_path": found.get("HealthCheckPath", ""),
            "health_check_port": int(port) if port.isdigit() else port,
            "health_check_interval": found.get("HealthCheckIntervalSeconds"),
            "health_check_timeout": found.get("HealthCheckTimeoutSeconds"),
            "healthy_threshold": found.get("HealthyThresholdCount"),
            "unhealthy_threshold": found.get("UnhealthyThresholdCount"),
            "matcher": found.get("Matcher", {}).get("HttpCode", ""),
            "deregistration_delay": int(attributes[_DELAY]) if _DELAY in attributes else None,
            "tags": _common.own_tags(all_tags),
        }
        spec = TargetGroupSpec.model_construct(**settings)
        arn = found["TargetGroupArn"]
        outputs = {"arn": arn, "arn_suffix": arn.rpartition(":")[2]}
        return Live(arn, spec, outputs, Owner.from_tags(all_tags))

    def create(self, spec: TargetGroupSpec, claim: Claim) -> str:
        """The ARN. AWS returns an existing one of equal settings, so the engine calls ``find`` first."""
        response = self.context.aws.write.elbv2.create_target_group(
            Name=spec.name,
            Protocol=spec.protocol,
            Port=spec.port,
            VpcId=spec.vpc_id,
            TargetType=spec.target_type,
            Tags=tags.listed(tags.merged(spec.tags, claim.tags)),
            **_health_check(spec),
        )
        return response["TargetGroups"][0]["TargetGroupArn"]

    def configure(self, id: str, spec: TargetGroupSpec) -> None:
        """Set the deregistration delay, if it is managed."""
        if spec.deregistration_delay is not None:
            self.context.aws.write.elbv2.modify_target_group_attributes(
                TargetGroupArn=id, Attributes=[{"Key": _DELAY, "Value": str(spec.deregistration_delay)}]
            )

    def update(self, live: Live[TargetGroupSpec], spec: TargetGroupSpec) -> None:
        """Health check settings in one call, because time-out and interval depend on each other; then the rest."""
        before, wanted = _health_check(live.spec), _health_check(spec)
        changes = {key: value for key, value in wanted.items() if value != before.get(key)}
        if changes:
            self.context.aws.write.elbv2.modify_target_group(TargetGroupArn=live.id, **changes)
        if spec.deregistration_delay != live.spec.deregistration_delay:
            self.configure(live.id, spec)
        _common.retag(self.context.aws, live.id, live=live.spec.tags, wanted=spec.tags)

    def delete(self, id: str) -> None:
        """Raises InUse, naming the load balancers, while a listener forwards to it."""
        try:
            with suppress(NotFound):
                self.context.aws.write.elbv2.delete_target_group(TargetGroupArn=id)
        except InUse as error:
            users = ""
            with suppress(DriverError):
                users = ", ".join(arn for found in self._by_arn([id]) for arn in found.get("LoadBalancerArns", []))
            message = f"{error.message}: a listener of {users} forwards to it" if users else error.message
            raise InUse(message, code=error.code, action=error.action) from error


def _health_check(spec: TargetGroupSpec) -> dict[str, Any]:
    """The health check settings of CreateTargetGroup and ModifyTargetGroup."""
    return {
        "HealthCheckProtocol": spec.health_check_protocol,
        "HealthCheckPath": spec.health_check_path,
        "HealthCheckPort": str(spec.health_check_port),
        "HealthCheckIntervalSeconds": spec.health_check_interval,
        "HealthCheckTimeoutSeconds": spec.health_check_timeout,
        "HealthyThresholdCount": spec.healthy_threshold,
        "UnhealthyThresholdCount": spec.unhealthy_threshold,
        "Matcher": {"HttpCode": spec.matcher},
    }
