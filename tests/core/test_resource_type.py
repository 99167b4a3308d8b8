"""What planning knows of a kind."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from smplan.core.resource_type import ResourceType
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, Spec
from smplan.core.values import Json


class NetSpec(Spec):
    """A thing with every sort of field that counts."""

    name: Annotated[str, Field(description="Its name.")]
    zone: Annotated[str | None, IMMUTABLE, Field(description="Where.")] = None
    parts: Annotated[PartialList[str] | None, IMMUTABLE, UNORDERED, Field(description="What is in it.")] = None
    size: Annotated[int, Field(description="How big.")] = 1


KIND = ResourceType("toy.net", NetSpec, name_field="name")
SPEC: dict[str, Json] = {"name": "a", "zone": "z", "parts": ["x", "y"], "size": 1}


@pytest.mark.parametrize("same", [{"size": 2}, {"parts": ["y", "x"]}])
def test_a_key_stays_whatever_can_be_changed(same: dict[str, Json]) -> None:
    assert KIND.identity_digest(SPEC | same) == KIND.identity_digest(SPEC)


@pytest.mark.parametrize("other", [{"name": "b"}, {"zone": "y"}, {"parts": ["x"]}, {"zone": {"$ref": "base.zone"}}])
def test_a_key_tells_things_apart_that_cannot_become_each_other(other: dict[str, Json]) -> None:
    assert KIND.identity_digest(SPEC | other) != KIND.identity_digest(SPEC)


def test_what_is_no_spec_has_a_key_like_nothing() -> None:
    assert KIND.identity_digest(None) == KIND.identity_digest({})
