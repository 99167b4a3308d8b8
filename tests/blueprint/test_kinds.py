"""Every registered kind, as a blueprint meets it."""

from __future__ import annotations

import pytest

from smplan.core.resource_type import LookupType, ResourceType
from smplan.core.spec import fields
from smplan.core.spec_errors import spec_errors
from smplan.core.values import Interpolation, Ref
from smplan.drivers.registry import catalogue, drivers, lookups

each_resource = pytest.mark.parametrize("resource", drivers().values(), ids=lambda found: found.kind)
each_declared = pytest.mark.parametrize(
    "declared", [*drivers().values(), *lookups().values()], ids=lambda found: found.__name__
)


def test_the_catalogue_finds_kinds_by_name() -> None:
    found = catalogue()
    assert found.resource("core.value") is drivers()["core.value"]
    assert found.lookup("aws.ec2.vpc") is lookups()["aws.ec2.vpc"]
    assert found.resource("aws.ec2.vpc") is None
    assert found.lookup("core.value") is None


@pytest.mark.parametrize("kind", ["core.valu", "aws.session", "aws.__init__", "nobody.thing", "aws", "", "aws.ec2"])
def test_an_unknown_kind_is_not_found(kind: str) -> None:
    assert catalogue().resource(kind) is None
    assert catalogue().lookup(kind) is None


def test_the_catalogue_lists_all_names_for_suggestions() -> None:
    assert {"core.value", "aws.elbv2.listener"} <= set(catalogue().resources())
    assert "aws.ec2.vpc" in set(catalogue().lookups())


@each_resource
def test_any_field_of_any_kind_may_be_a_reference(resource: ResourceType) -> None:
    ref = Ref("other", path=("id",))
    for leaf in (ref, Interpolation(("a-", ref))):
        tree = dict.fromkeys(fields(resource.spec), leaf)
        errors = [error for error in spec_errors(resource.spec, tree) if error.path]
        assert errors == [], "a validator does not let placeholders pass"


@each_resource
def test_every_field_of_every_kind_is_described(resource: ResourceType) -> None:
    assert [name for name, info in resource.spec.model_fields.items() if not info.description] == []


@each_declared
def test_every_summary_and_output_is_described(declared: ResourceType | LookupType) -> None:
    assert declared.summary
    assert all(output.description for output in declared.outputs.values())


@pytest.mark.parametrize("lookup", lookups().values(), ids=lambda found: found.kind)
def test_every_key_of_every_lookup_is_described(lookup: LookupType) -> None:
    assert all(lookup.keys.values())
