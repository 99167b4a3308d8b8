"""Defaults of a driver, owners and claims."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from smplan.core.spec import Spec
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Claim, Driver, Live, Owner
from tests.drivers.conformance import context


class Thing(Driver[Spec]):
    """The least that a driver can be."""

    kind = "test.thing"
    summary = "A thing."
    spec = Spec

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Spec]]:
        return {}

    def create(self, spec: Spec, claim: Claim) -> str:
        return "thing"

    def delete(self, id: str) -> None:
        return


@pytest.fixture
def thing() -> Thing:
    return Thing(context(Aws("us-east-1")))


def test_an_owner_is_read_back_from_the_tags_of_its_claim() -> None:
    owner = Owner("lineage", 'node["a"]')
    assert Owner.from_tags({"other": "tag", **Claim(owner, "token").tags}) == owner


def test_without_a_lineage_there_is_no_owner() -> None:
    assert Owner.from_tags({}) is None
    assert Owner.from_tags({"smplan:address": "sm"}) is None
    assert Owner.from_tags({"smplan:lineage": ""}) is None
    assert Owner.from_tags({"smplan:lineage": "l"}) == Owner("l", "")


def test_waits_end_at_once_by_default(thing: Thing) -> None:
    live = Live("thing", Spec())
    assert [*thing.wait_ready("thing", Spec()), *thing.drain(live), *thing.wait_deleted("thing")] == []
    thing.configure("thing", Spec())
    assert thing.find(Spec()) is None
    assert thing.timeout(Spec()) == thing.timeout_seconds


def test_a_kind_without_updates_raises(thing: Thing) -> None:
    with pytest.raises(NotImplementedError, match=r"test\.thing"):
        thing.update(Live("thing", Spec()), Spec())
