"""Typed references: what each field takes of other kinds, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from smplan.blueprint.load import load
from smplan.core import value_types
from smplan.core.reference import Reference
from smplan.core.resource_type import LookupType, ResourceType
from smplan.core.spec import Spec, fields
from smplan.core.spec_errors import nested
from smplan.drivers import references
from smplan.drivers.registry import catalogue, drivers, lookups
from smplan.errors import BlueprintInvalid

LOOKS_LIKE_ONE = re.compile(
    r"(^|_)(ids?|arns?|groups?|subnets|image|actions|launch_config\w*|scale_policy|key_name)$|(key|dns|device|group)_name$"
)
SAYS_IT_IS_ONE = re.compile(r"\b(ARNs?|AMI|[Ii]ds? of|[Nn]ame of the|Name or ARN)\b")
NO_REFERENCE = {
    "predefined_metric_type": "a metric of AWS",
    "metric_name": "a metric of AWS",
    "endpoint": "depends on the protocol",
    "auto_scaling_group.launch_template": "a map with fields of its own",
    "resource_label": "made of two ARNs' ends, which no kind gives",
}
ALL_REFERENCES = [each for each in vars(references).values() if isinstance(each, Reference)]


def every_field(form: type[Spec]) -> Iterator[tuple[type[Spec], str]]:
    for name in form.model_fields:
        yield form, name
        for inner in nested(form, name):
            yield from every_field(inner)


@pytest.mark.parametrize("resource", drivers().values(), ids=lambda found: found.kind)
def test_every_field_that_takes_something_of_another_kind_says_what(resource: ResourceType) -> None:
    for form, name in every_field(resource.spec):
        description = form.model_fields[name].description or ""
        suspected = LOOKS_LIKE_ONE.search(name) or SAYS_IT_IS_ONE.search(description)
        own_name = name == resource.name_field or nested(form, name)
        if suspected and not own_name and name not in NO_REFERENCE:
            assert fields(form)[name].reference is not None, f"{form.__name__}.{name}: {description}"


@pytest.mark.parametrize("reference", ALL_REFERENCES, ids=lambda found: found.what)
def test_every_source_of_a_reference_exists(reference: Reference) -> None:
    assert reference.matches(reference.example)
    for source in reference.sources:
        kind, _, attribute = source.rpartition(".")
        given: set[str] = {"id"} if kind in drivers() else set()
        for declared in (drivers().get(kind), lookups().get(kind)):
            given |= set(declared.outputs) if declared else set()
            given |= set(declared.spec.model_fields) if declared in drivers().values() else set()  # type: ignore[union-attr]
        assert attribute in given


@pytest.mark.parametrize("lookup", lookups().values(), ids=lambda found: found.kind)
def test_keys_of_lookups_that_take_something_of_another_kind_say_what(lookup: LookupType) -> None:
    assert set(lookup.key_references) <= set(lookup.keys)
    named_ids = {key for key in lookup.keys if key.endswith("_id") or key in ("id", "arn")}
    assert named_ids <= set(lookup.key_references)


HEAD = """\
smplan: 1
name: refs
lookups:
  vpc: {kind: aws.ec2.vpc, where: {is_default: true}}
  subnets: {kind: aws.ec2.subnets, where: {vpc_id: "${vpc.id}"}}
  instance: {kind: aws.ec2.instance, where: {"tag:Name": x}}
  zone: {kind: aws.route53.zone, where: {name: example.com}}
resources:
  sg: {kind: aws.ec2.security_group, spec: {name: web, description: web, vpc_id: "${vpc.id}"}}
  tg: {kind: aws.elbv2.target_group, spec: {name: tg, protocol: HTTP, port: 5080, vpc_id: "${vpc.id}"}}
  lb: {kind: aws.elbv2.load_balancer, spec: {name: lb, subnets: "${subnets.ids}", tags: {a: b}}}
  topic: {kind: aws.sns.topic, for_each: [red, blue], spec: {name: "t-${each.key}"}}
  list: {kind: core.value, spec: {input: [a, b]}}
"""


def reported(folder: Path, more: str, *, head: str = HEAD) -> list[tuple[str, str]]:
    path = folder / "refs.yaml"
    path.write_text(f"{head}{more}\n")
    try:
        load(path, catalogue=catalogue(), environ={})
    except BlueprintInvalid as invalid:
        return [(each.message, each.hint) for each in invalid.diagnostics]
    return []


LISTENER: Mapping[str, Any] = {"load_balancer_arn": "${lb.arn}", "target_group_arn": "${tg.arn}", "port": 80}


def listener(folder: Path, **changed: Any) -> list[tuple[str, str]]:
    return reported(
        folder, f"  x: {{kind: aws.elbv2.listener, spec: {_flow({**LISTENER, 'protocol': 'HTTP', **changed})}}}"
    )


def balancer(folder: Path, **changed: Any) -> list[tuple[str, str]]:
    spec = {"name": "other", "subnets": "${subnets.ids}", **changed}
    return reported(folder, f"  x: {{kind: aws.elbv2.load_balancer, spec: {_flow(spec)}}}")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def test_attributes_of_the_right_kind_are_taken(tmp_path: Path) -> None:
    assert listener(tmp_path) == []
    assert listener(tmp_path, load_balancer_arn="${lb.id}") == []
    assert listener(tmp_path, port="${tg.port}") == []
    assert balancer(tmp_path, subnets=["${subnets.ids[0]}", "${subnets.ids[1]}"]) == []
    assert balancer(tmp_path, subnets=["${instance.subnet_id}", "subnet-1"]) == []
    assert balancer(tmp_path, security_groups="${instance.security_group_ids}") == []
    assert balancer(tmp_path, security_groups=["${sg.id}", "sg-1"]) == []
    assert balancer(tmp_path, subnets="${lb.subnets}") == []
    assert balancer(tmp_path, subnets="${list.output}", name="${list.output[0]}") == []


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        (
            {"target_group_arn": "${lb.arn}"},
            "`target_group_arn` takes the ARN of a target group; `${lb.arn}` is the `arn` of kind aws.elbv2",
            "such as `${tg.arn}`",
        ),
        (
            {"target_group_arn": "${tg.name}"},
            "`target_group_arn` takes the ARN of a target group; `${tg.name}` is the `name` of kind aws.elbv2",
            "write `${tg.arn}`",
        ),
        (
            {"certificate_arn": "${lb.arn}", "ssl_policy": "x", "protocol": "HTTPS"},
            "`certificate_arn` takes the ARN of a certificate; `${lb.arn}` is the `arn` of kind aws.elbv2",
            "refer to one of kind aws.acm.certificate: `${name.arn}`",
        ),
        ({"port": "${lb.arn}"}, "`port` takes an integer; `${lb.arn}` is text", ""),
        ({"port": "${x.port}"}, "`x` refers to itself", "write the value itself"),
        (
            {"protocol": "HTTPS", "certificate_arn": "arn:aws:acm:x:1:certificate/x", "ssl_policy": "${lb.tags}"},
            "`ssl_policy` takes text; `${lb.tags}` is a map",
            "",
        ),
        ({"port": "${tg.deregistration_delay}"}, "`${tg.deregistration_delay}` has no value: `tg` leaves out", "set `"),
    ],
)
def test_what_is_not_of_the_right_kind_or_type_is_refused(
    tmp_path: Path, changed: Mapping[str, Any], message: str, hint: str
) -> None:
    ((found, remedy),) = listener(tmp_path, **changed)[:1]
    assert found.startswith(message)
    assert hint in remedy


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        ({"subnets": "${subnets.id}"}, "`${subnets.id}` is the `id` of kind aws.ec2.subnets", "write `${subnets.ids}`"),
        ({"subnets": ["${subnets.id}"]}, "`subnets[0]` takes the id of a subnet", "write `${subnets.ids[0]}`"),
        ({"subnets": ["${subnets.ids}"]}, "`subnets[0]` takes text; `${subnets.ids}` is a list", "${subnets.ids[0]}"),
        ({"subnets": ["sg-1", "${vpc.id}"]}, "`sg-1` is not one", "such as `${subnets.ids[0]}`"),
        ({"security_groups": "${sg.id}"}, "`security_groups` takes a list; `${sg.id}` is text", 'write `["${sg.id}"]`'),
        ({"security_groups": "${vpc.id}"}, "takes the id of a security group", 'such as `["${sg.id}"]`'),
        ({"security_groups": ["sg"]}, "`sg` is not one", "to refer to `sg`, write `${sg.id}`"),
        ({"security_groups": ["vpc"]}, "`vpc` is not one", "such as `${sg.id}`"),
        ({"name": "a-${subnets.ids}"}, "`${subnets.ids}` is a list and cannot be part of a text", "${subnets.ids[0]}"),
        ({"name": "a-${list.output}-b-${lb.tags}"}, "`${lb.tags}` is a map and cannot be part", "`${lb.tags.key}`"),
        ({"idle_timeout": "${tg.name}"}, "`idle_timeout` takes an integer; `${tg.name}` is text", "that type"),
        ({"name": "${subnet.id}"}, "`subnet` is neither a resource nor a lookup", "did you mean `subnets`?"),
        ({"name": "${data.id}"}, "`data` is neither a resource nor a lookup", "one of: "),
    ],
)
def test_the_remedy_says_what_to_write(tmp_path: Path, changed: Mapping[str, Any], message: str, hint: str) -> None:
    ((found, remedy), *_) = balancer(tmp_path, **changed)
    assert message in found
    assert hint in remedy


@pytest.mark.parametrize(
    ("dimension", "value", "hint"),
    [
        ("AutoScalingGroupName", "${tg.arn}", "refer to one of kind aws.autoscaling.group: `${name.name}`"),
        ("LoadBalancer", "${lb.arn}", "write `${lb.arn_suffix}`"),
        ("LoadBalancer", "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1", "such as `${lb.arn_suffix}`"),
        ("TargetGroup", "${lb.arn_suffix}", "such as `${tg.arn_suffix}`"),
        ("LoadBalancer", "${lb.arn_suffix}", ""),
        ("TargetGroup", "targetgroup/t/1", ""),
        ("Queue", "${lb.arn}", ""),
    ],
)
def test_what_a_dimension_takes_follows_from_its_name(tmp_path: Path, dimension: str, value: str, hint: str) -> None:
    spec = {
        "name": "a",
        "namespace": "AWS/ApplicationELB",
        "metric_name": "HealthyHostCount",
        "statistic": "Average",
        "comparison_operator": "LessThanThreshold",
        "threshold": 1,
        "period": 60,
        "evaluation_periods": 2,
        "dimensions": {dimension: value},
    }
    found = reported(tmp_path, f"  x: {{kind: aws.cloudwatch.alarm, spec: {_flow(spec)}}}")
    assert [remedy for _, remedy in found] == ([hint] if hint else [])


def test_an_attribute_that_passes_on_another_kinds_is_suggested(tmp_path: Path) -> None:
    more = '  x: {kind: aws.ec2.security_group, spec: {name: x, description: x, vpc_id: "${subnets.id}"}}'
    assert [hint for _, hint in reported(tmp_path, more)] == ["write `${subnets.vpc_id}`"]


def test_an_instance_of_for_each_is_suggested_with_its_key(tmp_path: Path) -> None:
    more = '  x: {kind: aws.sns.subscription, spec: {topic_arn: "${lb.arn}", protocol: email, endpoint: a@example.com}}'
    assert [hint for _, hint in reported(tmp_path, more)] == ['such as `${topic["red"].arn}`']


def test_lookups_take_what_the_key_says(tmp_path: Path) -> None:
    head = """\
smplan: 1
name: refs
lookups:
  vpc: {kind: aws.ec2.vpc, where: {id: subnet-1}}
  subnets: {kind: aws.ec2.subnets, where: {vpc_id: "${zone.id}", zone: "a-${other.ids}"}}
  other: {kind: aws.ec2.subnets, where: {vpc_id: "${vpc.id}"}}
  zone: {kind: aws.route53.zone, where: {name: example.com}}
resources: {}
"""
    assert reported(tmp_path, "", head=head) == [
        (
            "`id` takes the id of a VPC, such as vpc-0123456789abcdef0; `subnet-1` is not one",
            "write the id of a VPC itself",
        ),
        ("`vpc_id` takes the id of a VPC; `${zone.id}` is the `id` of kind aws.route53.zone", "such as `${vpc.id}`"),
        ("`${other.ids}` is a list and cannot be part of a text", "refer to one item, such as `${other.ids[0]}`"),
    ]


def test_every_cycle_is_reported_at_a_reference(tmp_path: Path) -> None:
    more = """
  a: {kind: core.value, spec: {input: "${b.output}"}}
  b: {kind: core.value, spec: {input: "${a.output}"}}
  c: {kind: core.value, spec: {input: "${d.output}"}}
  d: {kind: core.value, spec: {input: 1}, after: [c]}
"""
    assert [message for message, _ in reported(tmp_path, more)] == [
        "these wait for each other: b after a (refers to a.output); a after b (refers to b.output)",
        "these wait for each other: d after c (the blueprint says `after`); c after d (refers to d.output)",
    ]


@pytest.mark.parametrize(
    ("path", "types"),
    [
        (("name",), {"text"}),
        (("tags",), {"map"}),
        (("tags", "a"), {"text"}),
        (("subnets", 0), {"text"}),
        (("idle_timeout",), {"integer"}),
        (("nothing",), {"any"}),
    ],
)
def test_the_types_of_a_field_follow_from_its_annotation(path: tuple[str | int, ...], types: set[str]) -> None:
    assert value_types.at(drivers()["aws.elbv2.load_balancer"].spec, path) == types


def test_an_integer_is_a_number_and_anything_may_be_anything() -> None:
    assert value_types.fits(frozenset({"integer"}), frozenset({"number"}))
    assert not value_types.fits(frozenset({"number"}), frozenset({"integer"}))
    assert value_types.fits(value_types.ANY, frozenset({"integer"}))
    assert value_types.of_value(None) == value_types.ANY
    assert value_types.words(frozenset({"integer", "text"})) == "text or an integer"
