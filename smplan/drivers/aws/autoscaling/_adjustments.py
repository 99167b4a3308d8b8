"""Step adjustments and target tracking of scaling policies, as specs and as AWS requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.spec import Spec
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.requests import without_none
from smplan.drivers.aws.sent_as import SentAs

if TYPE_CHECKING:
    from typing import Self


class StepAdjustment(Spec):
    """The adjustment while the metric is between two distances from the alarm's threshold."""

    sent_as: ClassVar = SentAs(
        members={"lower_bound": "MetricIntervalLowerBound", "upper_bound": "MetricIntervalUpperBound"}
    )

    lower_bound: Annotated[
        float | None, Field(description="Distance from the threshold at which the step begins; unset: minus infinity.")
    ] = None
    upper_bound: Annotated[
        float | None, Field(description="Distance at which it ends, itself excluded; unset: infinity.")
    ] = None
    scaling_adjustment: Annotated[int, Field(description="By how much to scale; negative to scale in.")]

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.known("lower_bound", "upper_bound") and (self.lower_bound or 0) >= (self.upper_bound or 0):
            raise ValueError(f"`lower_bound` {self.lower_bound} is not below `upper_bound` {self.upper_bound}")
        if self.lower_bound is None and self.upper_bound is None:
            raise ValueError("a step needs `lower_bound` or `upper_bound`")
        return self


class TargetTracking(Spec):
    """A metric that AWS keeps near a target value, with alarms of its own."""

    sent_as: ClassVar = SentAs(
        members={
            "predefined_metric_type": "PredefinedMetricSpecification.PredefinedMetricType",
            "resource_label": "PredefinedMetricSpecification.ResourceLabel",
        }
    )

    predefined_metric_type: Annotated[
        Literal["ASGAverageCPUUtilization", "ASGAverageNetworkIn", "ASGAverageNetworkOut", "ALBRequestCountPerTarget"],
        Field(description="The metric."),
    ]
    resource_label: Annotated[
        str | None,
        Field(
            description="For ALBRequestCountPerTarget: app/<load balancer>/<id>/targetgroup/<target group>/<id>.",
            min_length=1,
            max_length=1023,
            pattern=_common.TEXT,
        ),
    ] = None
    target_value: Annotated[float, Field(description="The target value, in the metric's unit.")]
    disable_scale_in: Annotated[
        bool, Field(description="Whether never to scale in. Needed if clients hold WebSockets through Stream Manager.")
    ] = False

    @model_validator(mode="after")
    def _label_goes_with_requests(self) -> Self:
        if self.known("predefined_metric_type"):
            counts = self.predefined_metric_type == "ALBRequestCountPerTarget"
            if counts and self.resource_label is None:
                raise ValueError("ALBRequestCountPerTarget needs `resource_label`")
            if not counts and self.resource_label is not None:
                raise ValueError("`resource_label` goes with ALBRequestCountPerTarget only")
        return self


def step_request(step: StepAdjustment) -> dict[str, Any]:
    """The step as PutScalingPolicy takes it."""
    return without_none(
        {
            "MetricIntervalLowerBound": step.lower_bound,
            "MetricIntervalUpperBound": step.upper_bound,
            "ScalingAdjustment": step.scaling_adjustment,
        }
    )


def tracking_request(tracking: TargetTracking) -> dict[str, Any]:
    """The target as PutScalingPolicy takes it."""
    metric = {"PredefinedMetricType": tracking.predefined_metric_type, "ResourceLabel": tracking.resource_label}
    return {
        "PredefinedMetricSpecification": without_none(metric),
        "TargetValue": tracking.target_value,
        "DisableScaleIn": tracking.disable_scale_in,
    }


def step_live(step: Any) -> StepAdjustment:
    """The step as DescribePolicies gives it."""
    return StepAdjustment.model_construct(
        lower_bound=step.get("MetricIntervalLowerBound"),
        upper_bound=step.get("MetricIntervalUpperBound"),
        scaling_adjustment=step["ScalingAdjustment"],
    )


def tracking_live(tracking: Any) -> TargetTracking:
    """The target as DescribePolicies gives it; a custom metric is read as no metric."""
    metric = tracking.get("PredefinedMetricSpecification", {})
    return TargetTracking.model_construct(
        predefined_metric_type=metric.get("PredefinedMetricType"),
        resource_label=metric.get("ResourceLabel") or None,
        target_value=tracking["TargetValue"],
        disable_scale_in=tracking.get("DisableScaleIn", False),
    )
