from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from smplan.core.state.strict_json import from_json, to_json
from smplan.core.values import Json
from smplan.errors import StoreError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Leaf:
    text: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherLeaf:
    number: int


@dataclass(frozen=True, slots=True)
class Tree:
    number: int
    flag: bool
    colour: Colour
    any: Json
    free: Mapping[str, Json]
    leaf: Leaf
    by_name: Mapping[str, Leaf]
    mixed: tuple[Leaf | OtherLeaf, ...]


TREE = Tree(
    number=1,
    flag=True,
    colour=Colour.BLUE,
    any=[None, {"x": 1.5}],
    free={"x": None},
    leaf=Leaf("a", ("b", "c")),
    by_name={"d": Leaf("e")},
    mixed=(OtherLeaf(2), Leaf("f")),
)
JSON = {
    "number": 1,
    "flag": True,
    "colour": "blue",
    "any": [None, {"x": 1.5}],
    "free": {"x": None},
    "leaf": {"text": "a", "names": ["b", "c"]},
    "by_name": {"d": {"text": "e", "names": []}},
    "mixed": [{"type": "OtherLeaf", "number": 2}, {"type": "Leaf", "text": "f", "names": []}],
}


def test_members_are_the_fields_of_the_dataclass() -> None:
    assert to_json(TREE) == JSON


def test_a_value_survives_the_round_trip() -> None:
    assert from_json(Tree, json.loads(json.dumps(to_json(TREE))), "tree") == TREE
    assert from_json(Tree, to_json(TREE), "tree") == TREE


def test_a_tuple_is_converted_with_its_annotation() -> None:
    leaves = (Leaf("a"),)
    assert from_json(tuple[Leaf, ...], to_json(leaves, tuple[Leaf, ...]), "leaves") == leaves


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), [], "tree is not an object"),
        (("number",), "1", "tree.number is not a whole number"),
        (("number",), True, "tree.number is not a whole number"),
        (("number",), 1.0, "tree.number is not a whole number"),
        (("flag",), 1, "tree.flag is not true or false"),
        (("colour",), "green", "tree.colour `green` is not known to this version of smplan"),
        (("colour",), ["red"], "tree.colour is not text"),
        (("free",), [], "tree.free is not an object"),
        (("leaf", "text"), None, "tree.leaf.text is not text"),
        (("leaf", "names"), "b", "tree.leaf.names is not a list"),
        (("leaf", "names"), ["b", 1], "tree.leaf.names[1] is not text"),
        (("leaf", "more"), 1, "tree.leaf.more is not known to this version of smplan"),
        (("by_name",), {"d": None}, "tree.by_name.d is not an object"),
        (("by_name", "d"), {"text": "e"}, "tree.by_name.d.names is missing"),
        (("mixed", 1, "text"), 5, "tree.mixed[1].text is not text"),
        (("mixed", 1, "type"), "Tree", "tree.mixed[1].type `Tree` is not known to this version of smplan"),
        (("mixed", 0), {"number": 2}, "tree.mixed[0].type is not text"),
        (("mixed", 0), "OtherLeaf", "tree.mixed[0] is not an object"),
    ],
)
def test_what_does_not_fit_is_rejected_with_its_path(path: tuple[Any, ...], value: object, message: str) -> None:
    data: Any = {"tree": json.loads(json.dumps(JSON))}
    inner = data
    for step in ("tree", *path)[:-1]:
        inner = inner[step]
    inner[("tree", *path)[-1]] = value
    with pytest.raises(StoreError) as caught:
        from_json(Tree, data["tree"], "tree")
    assert str(caught.value) == message


def test_without_a_path_the_first_member_is_named_without_a_dot() -> None:
    with pytest.raises(StoreError, match=r"^names is missing$"):
        from_json(Leaf, {"text": ""}, "")
