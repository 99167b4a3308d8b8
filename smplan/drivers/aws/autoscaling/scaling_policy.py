"""``aws.autoscaling.scaling_policy``: how a scaling group scales, by alarm or by target tracking."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws.autoscaling import _adjustments as adjustments
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.autoscaling._adjustments import StepAdjustment, TargetTracking
from smplan.drivers.aws.requests import whole, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_autoscaling.type_defs import ScalingPolicyTypeDef

_ADJUSTED = frozenset({"adjustment_type", "min_adjustment_magnitude"})
_STEPPED = frozenset({"metric_aggregation_type", "estimated_instance_warmup", "step_adjustments"})
ALLOWED = {
    "SimpleScaling": _ADJUSTED | {"scaling_adjustment", "cooldown"},
    "StepScaling": _ADJUSTED | _STEPPED,
    "TargetTrackingScaling": frozenset({"estimated_instance_warmup", "target_tracking"}),
}
"""The optional fields of each type (API reference of PutScalingPolicy)."""
_MINIMUMS = ("MinAdjustmentMagnitude", "MinAdjustmentStep")
"""Members that go with PercentChangeInCapacity only."""
REQUIRED = {
    "SimpleScaling": ("adjustment_type", "scaling_adjustment"),
    "StepScaling": ("adjustment_type", "step_adjustments"),
    "TargetTrackingScaling": ("target_tracking",),
}


class ScalingPolicySpec(Spec):
    """A scaling policy of a group. Its fields depend on `policy_type`."""

    sent_as: ClassVar = SentAs(
        "autoscaling:PutScalingPolicy", {"name": "PolicyName", "target_tracking": "TargetTrackingConfiguration"}
    )

    auto_scaling_group_name: Annotated[
        str,
        references.SCALING_GROUP,
        IMMUTABLE,
        Field(description="The scaling group.", min_length=1, max_length=255, pattern=_common.GROUP_NAME),
    ]
    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The name, unique in its group; in the guide Increase Group Size and Decrease Group Size.",
            min_length=1,
            max_length=255,
            pattern=_common.TEXT,
        ),
    ]
    policy_type: Annotated[
        Literal["SimpleScaling", "StepScaling", "TargetTrackingScaling"],
        Field(description="The type; SimpleScaling in the guide."),
    ]
    adjustment_type: Annotated[
        Literal["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"] | None,
        Field(
            description="What the adjustment is: a change in instances, their total number, or a change in per cent."
        ),
    ] = None
    scaling_adjustment: Annotated[
        int | None, Field(description="Simple: by how much to scale; negative to scale in.")
    ] = None
    cooldown: Annotated[
        int | None,
        Field(
            description="Simple: seconds until the next simple scaling activity, at least 180 after a scale-out; the "
            "guide has 300 after a scale-out and 180 after a scale-in. Unset: the group's `default_cooldown`.",
            ge=0,
        ),
    ] = None
    min_adjustment_magnitude: Annotated[
        int | None,
        Field(description="PercentChangeInCapacity: the minimum number of instances to add or remove.", ge=1),
    ] = None
    metric_aggregation_type: Annotated[
        Literal["Minimum", "Maximum", "Average"] | None, Field(description="Step: how data points are aggregated.")
    ] = None
    estimated_instance_warmup: Annotated[
        int | None,
        Field(
            description="Step, tracking: seconds until a new instance counts in the metric; Red5 Pro needs 180.", ge=0
        ),
    ] = None
    step_adjustments: Annotated[
        PartialList[StepAdjustment] | None,
        UNORDERED,
        Field(description="Step: the steps, without gap or overlap.", min_length=1),
    ] = None
    target_tracking: Annotated[
        TargetTracking | None, Field(description="Tracking: the metric and the value to keep it at.")
    ] = None

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> Self:
        if not self.known("policy_type"):
            return self
        optional = {field for allowed in ALLOWED.values() for field in allowed}
        given = {field for field in optional if getattr(self, field) is not None}
        wrong = [f"`{field}` does not go with it" for field in sorted(given - ALLOWED[self.policy_type])]
        wrong += [f"it needs `{field}`" for field in REQUIRED[self.policy_type] if field not in given]
        if wrong:
            raise ValueError(f"`policy_type` is {self.policy_type}: {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _magnitude_goes_with_per_cent(self) -> Self:
        per_cent = not self.known("adjustment_type") or self.adjustment_type == "PercentChangeInCapacity"
        if self.min_adjustment_magnitude is not None and not per_cent:
            raise ValueError("`min_adjustment_magnitude` goes with PercentChangeInCapacity only")
        return self


class ScalingPolicy(Driver[ScalingPolicySpec]):
    """Identified by group and name. A put changes it in place and keeps its ARN, which alarms refer to."""

    kind = "aws.autoscaling.scaling_policy"
    summary = "A scaling policy: when and by how much a scaling group scales."
    spec = ScalingPolicySpec
    outputs: ClassVar = {
        "arn": Output("The policy's ARN, for the actions of an alarm."),
        "enabled": Output("Whether it scales: a policy may have been disabled by hand.", type="boolean", tracked=True),
    }
    iam_actions = IamActions(
        read=("autoscaling:DescribePolicies",), write=("autoscaling:PutScalingPolicy", "autoscaling:DeletePolicy")
    )
    key_fields = ("auto_scaling_group_name", "name")
    taggable = False
    expected_seconds = 1
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion: the group no longer scales by it; and of another type."""
        if effect.alters("policy_type"):
            before, after = effect.was("policy_type"), effect.becomes("policy_type")
            group, name = effect.was("auto_scaling_group_name"), effect.was("name")
            yield Risk(Category.CAPACITY, f"{group} scales by {name} as {after}, not {before}")
        if effect.removes:
            group, name = effect.was("auto_scaling_group_name"), effect.was("name")
            yield Risk(Category.CAPACITY, f"{group} no longer scales by the policy {name}")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ScalingPolicySpec]]:
        """One call per 100 policies: of the group if it is the only one, else of all groups."""
        groups = {each.partition("/")[0] for each in ids}
        found = (_live(policy) for policy in self._described(groups))
        return {live.id: live for live in found if live.id in ids}

    def find(self, spec: ScalingPolicySpec) -> Live[ScalingPolicySpec] | None:
        """By group and name."""
        key = _id(spec.auto_scaling_group_name, spec.name)
        return self.read_many([key]).get(key)

    def create(self, spec: ScalingPolicySpec, claim: Claim) -> str:
        """``group/name``. AWS would change an existing policy of that name, so the engine calls ``find`` first."""
        self.context.aws.write.autoscaling.put_scaling_policy(**_request(spec))
        return _id(spec.auto_scaling_group_name, spec.name)

    def update(self, live: Live[ScalingPolicySpec], spec: ScalingPolicySpec) -> None:
        """In place; a put replaces the whole policy, so what is not managed is sent as it is, ``Enabled`` too.

        A policy of another type keeps its ARN, so alarms that refer to it still do.
        """
        client, policies = self.context.aws.write.autoscaling, self._described([spec.auto_scaling_group_name])
        now: Any = next((policy for policy in policies if policy["PolicyName"] == spec.name), {})
        if live.spec.policy_type != spec.policy_type:
            client.put_scaling_policy(**_request(spec), Enabled=now.get("Enabled", True))
            return
        request = whole(client, "PutScalingPolicy", _request(live.spec) | now, _request(spec))
        if request.get("AdjustmentType") != "PercentChangeInCapacity":
            request = {name: value for name, value in request.items() if name not in _MINIMUMS}
        client.put_scaling_policy(**request)

    def delete(self, id: str) -> None:
        """Also success if the group, and the policy with it, is gone."""
        group, _, name = id.partition("/")
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_policy(AutoScalingGroupName=group, PolicyName=name)

    def _described(self, groups: Collection[str]) -> Iterator[ScalingPolicyTypeDef]:
        describe = self.context.aws.read.autoscaling.get_paginator("describe_policies")
        size: Any = {"PageSize": _common.PAGE}
        if len(groups) > 1:
            yield from (
                policy for page in describe.paginate(PaginationConfig=size) for policy in page["ScalingPolicies"]
            )
        for group in groups if len(groups) == 1 else ():
            with suppress(NotFound):  # the group is gone, and its policies with it
                for page in describe.paginate(AutoScalingGroupName=group, PaginationConfig=size):
                    yield from page["ScalingPolicies"]


def _id(group: str, name: str) -> str:
    return f"{group}/{name}"


def _request(spec: ScalingPolicySpec) -> dict[str, Any]:
    per_cent = spec.adjustment_type == "PercentChangeInCapacity"
    steps, tracking = spec.step_adjustments, spec.target_tracking
    request = {
        "AutoScalingGroupName": spec.auto_scaling_group_name,
        "PolicyName": spec.name,
        "PolicyType": spec.policy_type,
        "AdjustmentType": spec.adjustment_type,
        "ScalingAdjustment": spec.scaling_adjustment,
        "Cooldown": spec.cooldown,
        "MinAdjustmentMagnitude": spec.min_adjustment_magnitude if per_cent else None,
        "MetricAggregationType": spec.metric_aggregation_type,
        "EstimatedInstanceWarmup": spec.estimated_instance_warmup,
        "StepAdjustments": None if steps is None else [adjustments.step_request(step) for step in steps],
        "TargetTrackingConfiguration": None if tracking is None else adjustments.tracking_request(tracking),
    }
    return without_none(request)


def _live(policy: ScalingPolicyTypeDef) -> Live[ScalingPolicySpec]:
    steps = [adjustments.step_live(step) for step in policy.get("StepAdjustments", [])]
    tracking = policy.get("TargetTrackingConfiguration")
    fields: dict[str, Any] = {
        "auto_scaling_group_name": policy["AutoScalingGroupName"],
        "name": policy["PolicyName"],
        # SimpleScaling is AWS's default (API reference of PutScalingPolicy)
        "policy_type": policy.get("PolicyType") or "SimpleScaling",
        "adjustment_type": policy.get("AdjustmentType") or None,
        "scaling_adjustment": policy.get("ScalingAdjustment"),
        "cooldown": policy.get("Cooldown"),
        "min_adjustment_magnitude": policy.get("MinAdjustmentMagnitude"),
        "metric_aggregation_type": policy.get("MetricAggregationType") or None,
        "estimated_instance_warmup": policy.get("EstimatedInstanceWarmup"),
        "step_adjustments": steps or None,
        "target_tracking": adjustments.tracking_live(tracking) if tracking else None,
    }
    spec = ScalingPolicySpec.model_construct(**fields)
    outputs: dict[str, Json] = {"arn": policy.get("PolicyARN", ""), "enabled": policy.get("Enabled", True)}
    return Live(_id(spec.auto_scaling_group_name, spec.name), spec, outputs)
