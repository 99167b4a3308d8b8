"""Constraints of the guide and of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smplan.blueprint.load import load
from smplan.core.blueprint import BackendConfig, Blueprint, Lifecycle, LookupDecl, Resource, SourceMap
from smplan.core.values import PartialValue, Ref
from smplan.drivers.registry import catalogue
from smplan.errors import BlueprintInvalid
from smplan.guide.constraints import violations
from smplan.guide.rules import VOLUME_SIZE


def resource(address: str, kind: str, /, **spec: Any) -> Resource:
    return Resource(address, address, None, kind, spec, (), Lifecycle(), ("resources", address))


def violated(*resources: Resource, lookups: tuple[LookupDecl, ...] = ()) -> list[tuple[PartialValue, str]]:
    blueprint = Blueprint(
        "b", None, None, None, BackendConfig("local"), {}, lookups, resources, {}, "", "f", SourceMap("f", "", dict)
    )
    found = list(violations(blueprint))
    assert all(each.hint.endswith(f" ({each.rule.source})") for each in found), "every hint cites its source"
    return [(each.path, each.message) for each in found]


def policy(**spec: Any) -> Resource:
    return resource("scale", "aws.autoscaling.scaling_policy", **spec)


def group(protected: Any) -> Resource:
    return resource("fleet", "aws.autoscaling.group", name="sm", new_instances_protected_from_scale_in=protected)


ZONE = Ref("zone", path=("id",))
SCALE_IN = "scale removes instances from fleet, which protects them from scale-in"


def test_protected_group_allows_no_scale_in() -> None:
    for name in (Ref("fleet", path=("id",)), "sm"):
        simple = policy(auto_scaling_group_name=name, scaling_adjustment=-1)
        assert violated(group(True), simple) == [(("resources", "scale", "spec", "scaling_adjustment"), SCALE_IN)]
        assert violated(group(False), simple) == []


def test_negative_step_counts_as_scale_in() -> None:
    steps = [{"scaling_adjustment": 1}, {"scaling_adjustment": -2}, {}, Ref("x")]
    stepped = policy(auto_scaling_group_name="sm", step_adjustments=steps)
    path = ("resources", "scale", "spec", "step_adjustments", 1, "scaling_adjustment")
    assert violated(group(True), stepped) == [(path, SCALE_IN)]


def test_unknown_values_violate_no_constraint() -> None:
    ref = Ref("x", path=("id",))
    assert violated(group(ref), policy(auto_scaling_group_name="sm", scaling_adjustment=-1)) == []
    assert violated(group(True), policy(auto_scaling_group_name=ref, scaling_adjustment=-1)) == []
    assert (
        violated(group(True), policy(auto_scaling_group_name="sm", scaling_adjustment=ref, step_adjustments=ref)) == []
    )
    assert violated(group(True), policy(scaling_adjustment=-1)) == []
    nameless = resource("other", "aws.autoscaling.group", name=ref, new_instances_protected_from_scale_in=True)
    assert violated(nameless, policy(auto_scaling_group_name="sm", scaling_adjustment=-1)) == []


def test_exact_capacity_is_not_scale_in() -> None:
    exact = policy(auto_scaling_group_name="sm", adjustment_type="ExactCapacity", scaling_adjustment=0)
    assert violated(group(True), exact) == []


def test_cooldown_of_scale_out_is_at_least_180_seconds() -> None:
    found = [(("resources", "scale", "spec", "cooldown"), "less than 180 s between two scale-outs")]
    assert violated(policy(scaling_adjustment=1, cooldown=179)) == found
    assert violated(policy(scaling_adjustment=1, cooldown=180)) == []
    assert violated(policy(scaling_adjustment=-1, cooldown=60)) == []
    assert violated(policy(scaling_adjustment=1, cooldown=Ref("x"))) == []
    assert violated(policy(scaling_adjustment=1, cooldown=True)) == []
    assert violated(policy(scaling_adjustment=1, adjustment_type="ExactCapacity", cooldown=0)) == []
    assert violated(policy(cooldown=60)) == []


def test_without_a_cooldown_that_of_the_group_counts() -> None:
    def fleet(**spec: Any) -> Resource:
        return resource("fleet", "aws.autoscaling.group", name="sm", **spec)

    out, steps = policy(auto_scaling_group_name="sm", scaling_adjustment=1), [{"scaling_adjustment": 1}]
    found = [(("resources", "scale", "spec"), "less than 180 s between two scale-outs")]
    assert violated(out, fleet(default_cooldown=179)) == found
    assert violated(out, fleet()) == violated(out) == []
    stepped = policy(auto_scaling_group_name="sm", policy_type="StepScaling", step_adjustments=steps)
    assert violated(stepped, fleet(default_cooldown=10)) == []
    stepped.spec["estimated_instance_warmup"] = 60
    assert [path[-1] for path, _ in violated(stepped, fleet())] == ["estimated_instance_warmup"]


def test_stream_manager_volume_has_at_least_16_gib() -> None:
    for kind in ("aws.ec2.launch_template", "aws.autoscaling.launch_configuration"):
        assert violated(resource("t", kind, volume_size=15)) == [
            (("resources", "t", "spec", "volume_size"), "15 GiB is too small for a Stream Manager")
        ]
        assert violated(resource("t", kind, volume_size=16), resource("u", kind)) == []


def test_a_record_is_in_its_zone_and_its_apex_is_no_cname() -> None:
    zone = LookupDecl("zone", "aws.route53.zone", {"name": "Example.com."}, ("lookups", "zone"))
    unknown = LookupDecl("zone", "aws.route53.zone", {"name": Ref("x")}, ("lookups", "zone"))

    def record(name: Any, kind: str = "CNAME", zone_id: Any = ZONE) -> Resource:
        return resource("r", "aws.route53.record", zone_id=zone_id, name=name, type=kind)

    found = [(("resources", "r", "spec", "type"), "the name of the zone itself cannot be a CNAME")]
    assert violated(record("example.com"), lookups=(zone,)) == found
    assert violated(record("sm.example.com"), lookups=(zone,)) == []
    assert violated(record("example.com", "A"), lookups=(zone,)) == []
    assert violated(record(Ref("x")), lookups=(zone,)) == []
    assert violated(record("example.com"), lookups=(unknown,)) == []
    assert violated(record("example.com"), lookups=()) == []
    outside = [(("resources", "r", "spec", "name"), "`sm` is not in the zone example.com")]
    assert violated(record("sm"), lookups=(zone,)) == outside
    assert violated(record("notexample.com"), lookups=(zone,)) != []
    assert violated(record("SM.Example.com.", "A"), lookups=(zone,)) == []
    assert violated(record("example.com", zone_id="Z123"), lookups=(zone,)) == []


def test_violation_is_reported_with_its_position(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "smplan: 1\nname: fleet\nresources:\n"
        "  sm:\n    kind: aws.ec2.launch_template\n"
        "    spec: {name: sm-template, root_device_name: /dev/sda1, volume_size: 8}\n"
    )
    with pytest.raises(BlueprintInvalid) as invalid:
        load(path, catalogue=catalogue())
    assert [(diagnostic.line, diagnostic.message, diagnostic.hint) for diagnostic in invalid.value.diagnostics] == [
        (
            6,
            "8 GiB is too small for a Stream Manager",
            f"use at least 16, or allow it with lifecycle: {{allow: [volume-size]}} ({VOLUME_SIZE.source})",
        )
    ]
