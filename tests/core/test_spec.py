"""Specs, and the facts on their fields."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from smplan.core.spec import (
    IMMUTABLE,
    SENSITIVE,
    UNORDERED,
    Canonical,
    PartialList,
    PartialMap,
    Spec,
    fields,
    is_fully_known,
)
from smplan.core.values import Interpolation, Ref, Secret


class Inner(Spec):
    port: Annotated[int, Field(ge=1)]
    note: str | None = None


class Outer(Spec):
    name: Annotated[str, IMMUTABLE]
    groups: Annotated[PartialList[str] | None, UNORDERED, Canonical(str.lower)] = None
    host: Annotated[str | None, Canonical(str.lower), SENSITIVE] = None
    order: PartialList[str] | None = None
    ports: Annotated[PartialList[int] | None, UNORDERED] = None
    inners: Annotated[PartialList[Inner] | None, UNORDERED] = None
    pair: Annotated[PartialList[str] | None, UNORDERED, Field(min_length=2)] = None
    tags: PartialMap[str] | None = None
    inner: Inner = Inner(port=1)
    many: PartialList[Inner] | None = None
    data: Any = None


def test_any_field_item_or_entry_may_be_a_placeholder() -> None:
    ref: Any = Ref("a", path=("b",))
    spec = Outer.model_validate(
        {"name": ref, "groups": ["x", ref], "tags": {"k": ref}, "inner": {"port": ref}, "many": [{"port": 1}, ref]}
    )
    assert spec.name == ref
    assert spec.groups == ["x", ref]
    assert spec.tags == {"k": ref}
    assert spec.inner.port == ref
    assert spec.many == [Inner(port=1), ref]


@pytest.mark.parametrize(
    "data", [{}, {"name": "a", "nme": 1}, {"name": "a", "groups": [1]}, {"name": "a", "inner": {"port": 0}}]
)
def test_an_invalid_spec_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(data)


@pytest.mark.parametrize(
    ("field", "items", "once"),
    [
        ("groups", ["a", "b", "A"], ["a", "b"]),
        ("groups", [Ref("a"), Ref("a"), "a"], [Ref("a"), "a"]),
        ("ports", [2, 1, 2, 1], [2, 1]),
        ("inners", [{"port": 1}, {"port": 1}], [Inner(port=1)]),
    ],
)
def test_an_item_that_is_in_a_set_twice_counts_once(field: str, items: list[Any], once: list[Any]) -> None:
    assert getattr(Outer.model_validate({"name": "a", field: items}), field) == once


def test_a_set_is_long_enough_without_its_duplicates() -> None:
    assert Outer.model_validate({"name": "a", "pair": ["x", "y"]}).pair == ["x", "y"]
    with pytest.raises(ValidationError, match="at least 2 items"):
        Outer.model_validate({"name": "a", "pair": ["x", "x"]})


def test_a_list_may_have_an_item_twice() -> None:
    assert Outer(name="a", order=["x", "x"], groups=["x", "y"]).order == ["x", "x"]


def test_managed_fields_are_those_that_are_not_none() -> None:
    spec = Outer(name="a", tags={"k": "v"}, many=[Inner(port=2, note="n")], data={"x": [1, None]})
    assert spec.managed_fields() == {
        "name": "a",
        "tags": {"k": "v"},
        "inner": {"port": 1},
        "many": [{"port": 2, "note": "n"}],
        "data": {"x": [1, None]},
    }


def test_known_means_a_value_that_is_no_placeholder() -> None:
    spec = Outer(name="a", host=Ref("b"))
    assert spec.known("name")
    assert not spec.known("name", "host")
    assert not spec.known("tags")


@pytest.mark.parametrize("open_leaf", [Ref("a"), Interpolation(("a", Ref("b"))), Secret("env:A")])
def test_a_spec_with_placeholders_is_not_fully_known(open_leaf: object) -> None:
    assert is_fully_known(Outer(name="a"))
    assert not is_fully_known(Outer.model_validate({"name": "a", "tags": {"k": open_leaf}}))


def test_traits_are_read_from_the_field() -> None:
    found = fields(Outer)
    assert found["name"].has(IMMUTABLE)
    assert not found["name"].has(SENSITIVE)
    assert found["host"].traits == {SENSITIVE}
    assert found["inner"].nested is Inner
    assert found["many"].nested is None


def test_sets_compare_in_any_order_and_in_one_form() -> None:
    groups = fields(Outer)["groups"]
    ref = Ref("a")
    assert groups.canonical(["B", "a"]) == groups.canonical(("A", "b")) == ["a", "b"]
    assert groups.canonical([ref, "B"]) == groups.canonical(["b", ref])


def test_a_value_alone_takes_its_form() -> None:
    host = fields(Outer)["host"]
    assert host.canonical("A.Example") == "a.example"
    assert host.canonical(None) is None
    assert host.canonical(Ref("a")) == Ref("a")


def test_without_traits_a_value_compares_as_it_is() -> None:
    assert fields(Outer)["order"].canonical(["b", "a"]) == ["b", "a"]
    assert fields(Outer)["ports"].canonical([2, 1]) == [1, 2]
    assert fields(Outer)["ports"].canonical(Ref("a")) == Ref("a")
