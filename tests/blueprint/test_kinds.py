"""Every registered kind, as a blueprint meets it."""

from __future__ import annotations

import pytest

from smplan.core.resource_type import KindDoc
from smplan.core.spec import fields
from smplan.core.spec_errors import spec_errors
from smplan.core.values import Interpolation, Ref
from smplan.drivers.catalogue import catalogue, doc, docs

ALL = docs()
RESOURCES = [kind for kind in ALL if kind.spec is not None]


def test_a_kind_is_told_from_its_driver_and_its_lookup() -> None:
    value = doc("core.value")
    assert value is not None
    assert value.spec is not None
    assert (value.name, list(value.outputs), value.keys) == ("core.value", ["output"], None)
    vpc = doc("aws.ec2.vpc")
    assert vpc is not None
    assert vpc.spec is None
    assert vpc.keys
    assert vpc.lookup_summary


@pytest.mark.parametrize("kind", ["core.valu", "aws.session", "aws.__init__", "nobody.thing", "aws", "", "aws.ec2"])
def test_what_nobody_serves_is_no_kind(kind: str) -> None:
    assert doc(kind) is None


def test_all_kinds_are_told_in_order() -> None:
    names = [kind.name for kind in ALL]
    assert names == sorted(set(names))
    assert {"core.value", "aws.ec2.vpc"} <= set(names)


def test_the_catalogue_knows_all_names() -> None:
    found = catalogue()
    assert "core.value" in set(found.resources())
    assert "aws.ec2.vpc" in set(found.lookups())
    assert found.kind("core.value") is not None


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.name)
def test_any_field_of_any_kind_may_be_a_reference(kind: KindDoc) -> None:
    assert kind.spec is not None
    ref = Ref("other", path=("id",))
    for leaf in (ref, Interpolation(("a-", ref))):
        tree = dict.fromkeys(fields(kind.spec), leaf)
        told = [misfit for misfit in spec_errors(kind.spec, tree) if misfit.path]
        assert told == [], "a validator does not let placeholders pass"


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.name)
def test_every_field_of_every_kind_is_described(kind: KindDoc) -> None:
    assert kind.spec is not None
    assert [name for name, info in kind.spec.model_fields.items() if not info.description] == []
    assert kind.summary


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_output_and_key_of_every_kind_is_described(kind: KindDoc) -> None:
    assert all(kind.outputs.values())
    assert all((kind.keys or {}).values())
    assert all(kind.lookup_outputs.values())
