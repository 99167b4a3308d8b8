"""``aws.cloudwatch.alarm``: an alarm on one metric, which runs scaling policies or notifies people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, PartialMap, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _topics, tags
from smplan.drivers.aws.requests import batched, whole, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Driver, Live, Owner
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

NAMES = 100
"""Maximum number of names in one DescribeAlarms (API reference)."""
DAY = 86_400
_ACTION_FIELDS = ("alarm_actions", "ok_actions", "insufficient_data_actions")
REPLACED = ("ExtendedStatistic", "Metrics", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval")
"""What an alarm has in place of metric and statistic, which are managed."""


def _allowed(period: int) -> int:
    if period not in (10, 20, 30) and period % 60:
        raise ValueError(f"`period` is {period}; CloudWatch accepts 10, 20, 30 or a multiple of 60 seconds")
    return period


def _fitting(dimensions: dict[str, Any] | None) -> dict[str, Any] | None:
    """Names and values have 1 to 255 and 1 to 1024 characters (service model: Dimension)."""
    for name, value in (dimensions or {}).items():
        if not 1 <= len(name) <= 255:
            raise ValueError(f"has a name of {len(name)} characters: CloudWatch accepts 1 to 255")
        if isinstance(value, str) and not 1 <= len(value) <= 1024:
            raise ValueError(f"has a value of {len(value)} characters at `{name}`: CloudWatch accepts 1 to 1024")
    return dimensions


Actions = Annotated[
    PartialList[Annotated[str, Field(pattern="^arn:", max_length=1024)]] | None,
    UNORDERED,
    references.ALARM_ACTION,
    Field(description="ARNs of scaling policies and topics, at most 5.", max_length=5),
]


class AlarmSpec(Spec):
    """An alarm on one metric."""

    sent_as: ClassVar = SentAs(
        "cloudwatch:PutMetricAlarm",
        {"name": "AlarmName", "description": "AlarmDescription", "ok_actions": "OKActions"},
    )

    name: Annotated[
        str, IMMUTABLE, Field(description="The name, unique in account and region.", min_length=1, max_length=255)
    ]
    description: Annotated[str | None, Field(description="What the alarm means, and what to do.", max_length=1024)] = (
        None
    )
    namespace: Annotated[
        str,
        Field(description="The metric's namespace, such as AWS/EC2.", min_length=1, max_length=255, pattern="^[^:]"),
    ]
    metric_name: Annotated[str, Field(description="The metric, such as CPUUtilization.", min_length=1, max_length=255)]
    dimensions: Annotated[
        PartialMap[str] | None,
        Field(description="The metric's dimensions, such as AutoScalingGroupName: ${group.name}.", max_length=30),
        AfterValidator(_fitting),
        references.DIMENSIONS,
    ] = None
    statistic: Annotated[
        Literal["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
        Field(description="How the data points of a period are aggregated."),
    ]
    comparison_operator: Annotated[
        Literal[
            "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
        ],
        Field(description="How the statistic is compared with the threshold."),
    ]
    threshold: Annotated[float, Field(description="The threshold, in the metric's unit.")]
    period: Annotated[
        int,
        Field(description="Seconds per data point: 10, 20, 30, or a multiple of 60.", ge=10),
        AfterValidator(_allowed),
    ]
    evaluation_periods: Annotated[
        int,
        Field(
            description="How many periods in a row must breach the threshold. An alarm that was set to fewer of them "
            "(M of N) keeps its M, at most this many.",
            ge=1,
        ),
    ]
    treat_missing_data: Annotated[
        Literal["missing", "ignore", "breaching", "notBreaching"],
        Field(description="How a period without data counts; a new group has none at first."),
    ] = "missing"
    alarm_actions: Actions = None
    ok_actions: Actions = None
    insufficient_data_actions: Actions = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), ANY_TEXT
    ] = None

    @model_validator(mode="after")
    def _span_is_allowed(self) -> Self:
        if self.known("period", "evaluation_periods"):
            span, days = self.period * self.evaluation_periods, 7 if self.period >= 3600 else 1
            if span > days * DAY:
                raise ValueError(f"`period` times `evaluation_periods` is {span} s; CloudWatch allows at most {days} d")
        return self


class Alarm(Driver[AlarmSpec]):
    """A put replaces the whole alarm but not the tags of an existing one, so an update sets tags separately."""

    kind = "aws.cloudwatch.alarm"
    summary = "An alarm: a metric and threshold that run a scaling policy or notify people."
    spec = AlarmSpec
    outputs: ClassVar = {
        "arn": Output("The alarm's ARN."),
        "actions_enabled": Output(
            "Whether its actions run: they may have been disabled by hand.", type="boolean", tracked=True
        ),
    }
    iam_actions = IamActions(
        read=("cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"),
        write=(
            "cloudwatch:PutMetricAlarm",
            "cloudwatch:DeleteAlarms",
            "cloudwatch:TagResource",
            "cloudwatch:UntagResource",
        ),
        check=(_topics.ACTION,),
    )
    name_field = "name"
    expected_seconds = 1
    left_behind = "it continues to run its actions, and to cost"
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of every action that it loses: what no longer happens when the alarm fires."""
        if effect.removes:
            actions = effect.was("alarm_actions") if effect.before.get("alarm_actions") else ""
            lost = f"no longer runs {actions}" if actions else "no longer shows it"
            metric = f"{effect.was('metric_name')} {effect.was('comparison_operator')} {effect.was('threshold')}"
            yield Risk(Category.ALERTING, f"{metric} {lost}")
        for name in ("alarm_actions", "ok_actions", "insufficient_data_actions"):
            if lost_actions := effect.lost(name):
                yield Risk(Category.ALERTING, f"{', '.join(lost_actions)} is no longer called by the alarm (`{name}`)")

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The topics."""
        return _topics.checks(self.context.aws, planned, self.kind, _ACTION_FIELDS)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[AlarmSpec]]:
        """One call per 100 alarms, and one per alarm for its tags, which have no batch call."""
        found: dict[str, Live[AlarmSpec]] = {}
        for alarm in self._described(ids):
            with suppress(NotFound):  # deleted between the two calls
                response = self.context.aws.read.cloudwatch.list_tags_for_resource(
                    ResourceARN=alarm.get("AlarmArn", "")
                )
                found[alarm.get("AlarmName", "")] = _live(alarm, response["Tags"])
        return found

    def find(self, spec: AlarmSpec) -> Live[AlarmSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: AlarmSpec, claim: Claim) -> str:
        """The name. AWS would overwrite an existing alarm of that name, so the engine calls ``find`` first."""
        listed = tags.listed(tags.merged(spec.tags, claim.tags))
        self.context.aws.write.cloudwatch.put_metric_alarm(**_request(spec), Tags=listed)
        return spec.name

    def update(self, live: Live[AlarmSpec], spec: AlarmSpec) -> None:
        """A put replaces the whole alarm, so what is not managed is sent as it is."""
        if _request(live.spec) | _request(spec) != _request(live.spec):
            self._put_whole(live, spec)
        self._retag(live, spec)

    def _put_whole(self, live: Live[AlarmSpec], spec: AlarmSpec) -> None:
        client = self.context.aws.write.cloudwatch
        now: Any = next(self._described([live.id]), {})
        kept = {name: value for name, value in now.items() if name not in REPLACED}
        request = whole(client, "PutMetricAlarm", _request(live.spec) | kept, _request(spec))
        if "DatapointsToAlarm" in request:  # AWS refuses M of N with M > N
            request["DatapointsToAlarm"] = min(request["DatapointsToAlarm"], spec.evaluation_periods)
        client.put_metric_alarm(**request)

    def set_owner(self, id: str, owner: Owner) -> None:
        """By the ARN, which a read gives. Raises NotFound if the alarm is gone."""
        arn = next((alarm.get("AlarmArn", "") for alarm in self._described([id])), None)
        if arn is None:
            raise NotFound(f"there is no alarm {id}")
        self.context.aws.write.cloudwatch.tag_resource(ResourceARN=arn, Tags=tags.listed(owner.tags))

    def delete(self, id: str) -> None:
        """Also success if it is gone."""
        with suppress(NotFound):
            self.context.aws.write.cloudwatch.delete_alarms(AlarmNames=[id])

    def _retag(self, live: Live[AlarmSpec], spec: AlarmSpec) -> None:
        if spec.tags is None:
            return
        client, arn = self.context.aws.write.cloudwatch, live.outputs["arn"]
        to_set, to_remove = tags.changed(live.spec.tags or {}, spec.tags)
        if to_set:
            client.tag_resource(ResourceARN=arn, Tags=tags.listed(to_set))
        if to_remove:
            client.untag_resource(ResourceARN=arn, TagKeys=to_remove)

    def _described(self, names: Collection[str]) -> Iterator[MetricAlarmTypeDef]:
        describe = self.context.aws.read.cloudwatch.get_paginator("describe_alarms")
        for batch in batched(names, NAMES):
            pages = describe.paginate(AlarmNames=batch, AlarmTypes=["MetricAlarm"])
            yield from (alarm for page in pages for alarm in page["MetricAlarms"])


def _request(spec: AlarmSpec) -> dict[str, Any]:
    """The managed settings, sorted where order has no meaning."""
    request = {
        "AlarmName": spec.name,
        "AlarmDescription": spec.description,
        "Namespace": spec.namespace,
        "MetricName": spec.metric_name,
        "Dimensions": _dimensions(spec.dimensions),
        "Statistic": spec.statistic,
        "ComparisonOperator": spec.comparison_operator,
        "Threshold": spec.threshold,
        "Period": spec.period,
        "EvaluationPeriods": spec.evaluation_periods,
        "TreatMissingData": spec.treat_missing_data,
        "AlarmActions": _sorted(spec.alarm_actions),
        "OKActions": _sorted(spec.ok_actions),
        "InsufficientDataActions": _sorted(spec.insufficient_data_actions),
    }
    return without_none(request)


def _dimensions(dimensions: Mapping[str, str] | None) -> list[dict[str, str]] | None:
    if dimensions is None:
        return None
    return [{"Name": name, "Value": value} for name, value in sorted(dimensions.items())]


def _sorted(actions: list[str] | None) -> list[str] | None:
    return None if actions is None else sorted(actions)


def _live(alarm: MetricAlarmTypeDef, listed: Any) -> Live[AlarmSpec]:
    fields: dict[str, Any] = {
        "name": alarm.get("AlarmName"),
        "description": alarm.get("AlarmDescription"),
        "namespace": alarm.get("Namespace"),
        "metric_name": alarm.get("MetricName"),
        "dimensions": {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])},
        "statistic": alarm.get("Statistic"),
        "comparison_operator": alarm.get("ComparisonOperator"),
        "threshold": alarm.get("Threshold"),
        "period": alarm.get("Period"),
        "evaluation_periods": alarm.get("EvaluationPeriods"),
        # AWS omits the default (API reference of PutMetricAlarm)
        "treat_missing_data": alarm.get("TreatMissingData") or "missing",
        "alarm_actions": alarm.get("AlarmActions", []),
        "ok_actions": alarm.get("OKActions", []),
        "insufficient_data_actions": alarm.get("InsufficientDataActions", []),
        "tags": tags.own(listed),
    }
    owner = Owner.from_tags(tags.plain(listed))
    outputs: dict[str, Json] = {
        "arn": alarm.get("AlarmArn", ""),
        "actions_enabled": alarm.get("ActionsEnabled", True),
    }
    return Live(alarm.get("AlarmName", ""), AlarmSpec.model_construct(**fields), outputs, owner)
