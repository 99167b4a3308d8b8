"""The registry: kinds are found by name, and their declarations are complete."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smplan.core.spec import fields
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.context import Context
from smplan.errors import Unreachable
from tests.drivers.conformance import context

KINDS = sorted(registry.drivers())
LOOKUPS = sorted(registry.lookups())


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("aws.ec2.image", "smplan.drivers.aws.ec2.image"),
        ("aws.elbv2.load_balancer", "smplan.drivers.aws.elbv2.load_balancer"),
        ("red5.nodegroup", "smplan.drivers.red5.nodegroup"),
        ("gate.http", "smplan.drivers.gate.http"),
        ("core.value", "smplan.drivers.core.value"),
        ("azure.vm", "smplan.drivers.azure.vm"),
        ("aws", None),
        ("aws.../../etc", None),
        ("", None),
    ],
)
def test_the_name_of_a_kind_is_the_name_of_its_file(kind: str, module: str | None) -> None:
    assert registry.module_of(kind) == module


@pytest.mark.parametrize("kind", ["aws.ec2.no_such_kind", "azure.vm", "core.no_such_kind", "aws.session", "nonsense"])
def test_an_unknown_kind_is_none(kind: str) -> None:
    assert registry.driver(kind) is None
    assert registry.lookup(kind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_found_by_listing_is_found_by_name(kind: str) -> None:
    assert registry.driver(kind) is registry.drivers()[kind]


@pytest.mark.parametrize("kind", LOOKUPS)
def test_a_lookup_found_by_listing_is_found_by_name(kind: str) -> None:
    assert registry.lookup(kind) is registry.lookups()[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_is_described(kind: str) -> None:
    spec = registry.drivers()[kind].spec
    assert [name for name, info in spec.model_fields.items() if not info.description] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_declares_what_planning_needs(kind: str) -> None:
    found = registry.drivers()[kind]
    names = fields(found.spec)
    assert found.summary.strip()
    assert found.name_field is None or found.name_field in names
    assert not set(found.outputs) & {"id"}
    assert found.protection is None or found.protection.attribute in (*names, *found.outputs)
    assert not found.via_stream_manager or kind.startswith(("red5.", "gate.stream_manager"))


@pytest.mark.parametrize("kind", LOOKUPS)
def test_every_lookup_declares_keys_and_outputs(kind: str) -> None:
    found = registry.lookups()[kind]
    assert found.summary.strip()
    assert "id" in found.outputs
    assert found.keys
    assert all(found.keys.values())


@pytest.mark.parametrize("kind", KINDS)
def test_iam_actions_have_the_form_of_iam(kind: str) -> None:
    calls = registry.drivers()[kind].iam_actions
    for call in (*calls.read, *calls.write):
        service, _, action = call.partition(":")
        assert service.islower(), call
        assert action[:1].isupper(), call


def test_making_a_driver_sends_no_request() -> None:
    def none() -> object:
        raise Unreachable("asked")

    nobody = Aws("us-east-1", on_call=lambda call: pytest.fail(f"{call} was sent"))
    kinds: list[Callable[[Context], object]] = [*registry.drivers().values(), *registry.lookups().values()]
    for found in kinds:
        found(Context(nobody, none))


def test_a_context_without_fleet_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        context(Aws("us-east-1")).stream_manager()
