"""``core.value``, which exists in the state only."""

from __future__ import annotations

import pytest

from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Claim, Live, Owner
from smplan.drivers.core.value import Value, ValueSpec
from tests.drivers.conformance import context


@pytest.fixture
def value() -> Value:
    nobody = Aws("us-east-1", on_call=lambda call: pytest.fail(f"{call} was sent"))
    return Value(context(nobody))


def test_a_value_is_known_by_its_address(value: Value) -> None:
    assert value.create(ValueSpec(input={"a": [1, None]}), Claim(Owner("l", 'names["a"]'), "t")) == 'names["a"]'


def test_a_value_has_no_reality_behind_it(value: Value) -> None:
    assert value.virtual
    assert not value.taggable
    assert value.read_many(["a"]) == {}
    value.update(Live("a", ValueSpec(input=1)), ValueSpec(input=2))
    value.delete("a")


def test_a_value_may_change_its_output() -> None:
    assert Value.outputs["output"].may_change_on_update
