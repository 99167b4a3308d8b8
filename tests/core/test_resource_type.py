"""The identity digest of a resource type."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from smplan.core.resource_type import DeclaredResource
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, Spec
from smplan.core.values import Json


class NetSpec(Spec):
    """A thing with every sort of field that counts."""

    name: Annotated[str, Field(description="Its name.")]
    zone: Annotated[str | None, IMMUTABLE, Field(description="Where.")] = None
    parts: Annotated[PartialList[str] | None, IMMUTABLE, UNORDERED, Field(description="What is in it.")] = None
    size: Annotated[int, Field(description="How big.")] = 1


class Net(DeclaredResource):
    """Named, in a zone."""

    kind = "toy.net"
    spec = NetSpec
    name_field = "name"


SPEC: dict[str, Json] = {"name": "a", "zone": "z", "parts": ["x", "y"], "size": 1}


@pytest.mark.parametrize("same", [{"size": 2}, {"parts": ["y", "x"]}])
def test_the_digest_ignores_what_can_be_changed(same: dict[str, Json]) -> None:
    assert Net.identity_digest(SPEC | same) == Net.identity_digest(SPEC)


@pytest.mark.parametrize("other", [{"name": "b"}, {"zone": "y"}, {"parts": ["x"]}, {"zone": {"$ref": "base.zone"}}])
def test_the_digest_differs_for_what_cannot_be_changed(other: dict[str, Json]) -> None:
    assert Net.identity_digest(SPEC | other) != Net.identity_digest(SPEC)


def test_a_record_without_a_spec_has_the_digest_of_an_empty_one() -> None:
    assert Net.identity_digest(None) == Net.identity_digest({})
