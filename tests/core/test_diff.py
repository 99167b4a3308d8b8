"""How two specs differ, with the traits of their fields."""

from __future__ import annotations

from typing import Annotated

import pytest

from smplan.core.diff import (
    AttributeChange,
    apply_ignore,
    changed_paths,
    comparable_fields,
    diff,
    fingerprint,
    value_at,
)
from smplan.core.spec import (
    CLIENT_ONLY,
    IMMUTABLE,
    INITIAL,
    NAMED,
    SENSITIVE,
    UNORDERED,
    WRITE_ONLY,
    Canonical,
    PartialList,
    PartialMap,
    Spec,
    fields,
)
from smplan.core.values import Ref, Secret


class Inner(Spec):
    id: str
    version: int | None = None


class Part(Spec):
    name: str
    size: int | None = None


class Example(Spec):
    name: Annotated[str, IMMUTABLE, Canonical(str.lower)] = "n"
    size: int | None = None
    tags: PartialMap[str] | None = None
    groups: Annotated[PartialList[str] | None, UNORDERED] = None
    inner: Inner | None = None
    parts: list[Inner] | None = None
    named: Annotated[PartialList[Part] | None, UNORDERED, NAMED] = None
    start: Annotated[int | None, INITIAL] = None
    patience: Annotated[int | None, CLIENT_ONLY] = None
    note: Annotated[str | None, WRITE_ONLY] = None
    fixed: Annotated[bool | None, WRITE_ONLY, IMMUTABLE] = None
    word: Annotated[str | None, SENSITIVE] = None


def paths(*changes: AttributeChange) -> list[str]:
    return [change.path for change in changes]


def test_equal_specs_do_not_differ() -> None:
    assert diff(Example(size=1, tags={"a": "b"}), Example(size=1, tags={"a": "b"})) == ()


@pytest.mark.parametrize(
    ("wanted", "live", "differs"),
    [
        ([{"name": "a"}], [{"name": "a", "size": 1}], False),
        ([{"name": "a", "size": 2}], [{"name": "a", "size": 1}], True),
        ([{"name": "b"}, {"name": "a", "size": 1}], [{"name": "a", "size": 1}, {"name": "b", "size": 1}], False),
        ([{"name": "a"}], [{"name": "a", "size": 1}, {"name": "b", "size": 1}], True),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a"}], True),
        ([Ref("r", path=("x",))], [{"name": "a", "size": 1}], True),
    ],
)
def test_named_items_are_compared_in_what_the_wanted_one_says(
    wanted: list[object], live: object, differs: bool
) -> None:
    one, other = (Example.model_validate({"named": items}) for items in (wanted, live))
    assert paths(*diff(one, other)) == (["named"] if differs else [])


def test_maps_in_a_set_are_compared_whatever_the_order_of_their_keys() -> None:
    form = fields(Example)["named"].canonical
    assert form([{"name": "a", "size": 2}, {"name": "b", "size": 1}]) == form(
        [{"size": 1, "name": "b"}, {"size": 2, "name": "a"}]
    )


def test_a_field_left_out_is_not_managed() -> None:
    assert diff(Example(), Example(size=3, tags={"a": "b"})) == ()


def test_maps_differ_key_by_key() -> None:
    found = diff(Example(tags={"a": "1", "b": "2"}), Example(tags={"a": "9", "c": "3"}))
    assert [(change.path, change.before, change.after) for change in found] == [
        ("tags.a", "9", "1"),
        ("tags.b", None, "2"),
        ("tags.c", "3", None),
    ]


def test_sets_have_no_order() -> None:
    assert diff(Example(groups=["a", "b"]), Example(groups=["b", "a"])) == ()
    assert paths(*diff(Example(groups=["a"]), Example(groups=["b", "a"]))) == ["groups"]
    assert paths(*diff(Example(groups=["a"]), Example())) == ["groups"]


def test_lists_of_parts_are_shown_whole() -> None:
    found = diff(Example(parts=[Inner(id="a")]), Example(parts=[Inner(id="b")]))
    assert [(change.path, change.before, change.after) for change in found] == [("parts", [{"id": "b"}], [{"id": "a"}])]


def test_nested_fields_that_are_left_out_are_not_managed() -> None:
    assert diff(Example(inner=Inner(id="a")), Example(inner=Inner(id="a", version=4))) == ()
    assert paths(*diff(Example(inner=Inner(id="a", version=5)), Example(inner=Inner(id="a", version=4)))) == [
        "inner.version"
    ]
    assert paths(*diff(Example(inner=Inner(id="a")), Example())) == ["inner"]


def test_values_are_compared_in_their_canonical_form() -> None:
    assert diff(Example(name="ABC"), Example(name="abc")) == ()
    assert diff(Example(name="ABC"), Example(name="abd"))[0].replaces


def test_canonical_forms_apply_to_each_item_of_a_list() -> None:
    class Names(Spec):
        names: Annotated[PartialList[str] | None, Canonical(str.lower)] = None

    assert diff(Names(names=["A", "b"]), Names(names=["a", "B"])) == ()
    assert diff(Names(names=[Ref("x", None, ("id",))]), Names(names=["a"])) != ()


def test_an_unknown_value_differs() -> None:
    found = diff(Example.model_validate({"size": Ref("x", None, ("n",))}), Example(size=1))
    assert found == (AttributeChange("size", 1, {"$ref": "x.n"}),)
    tags = Example.model_validate({"tags": {"a": Ref("x", None, ("n",)), "b": "1"}})
    assert diff(tags, Example(tags={"a": "1", "b": "1"})) == (AttributeChange("tags.a", "1", {"$ref": "x.n"}),)


def test_initial_and_client_only_fields_never_differ() -> None:
    assert diff(Example(start=1, patience=2), Example(start=3, patience=4)) == ()


def test_a_write_only_field_is_compared_with_the_applied_value() -> None:
    assert diff(Example(note="a"), Example(), None) == ()
    assert diff(Example(note="a"), Example(), {"note": "a"}) == ()
    assert diff(Example(note="b", fixed=True), Example(), {"note": "a"}) == (
        AttributeChange("note", "a", "b"),
        AttributeChange("fixed", None, True, True),
    )
    secret = Example.model_validate({"word": Secret("env:A")})
    assert diff(secret, Example(), {"word": {"$secret": "env:A"}}) == ()
    assert paths(*diff(secret, Example(), {"word": {"$secret": "env:B"}})) == ["word"]


def test_comparable_fields_are_those_read_and_managed() -> None:
    assert comparable_fields(Example(size=1, start=2, note="x", groups=["b", "a"])) == {
        "name": "n",
        "size": 1,
        "groups": ["a", "b"],
    }
    assert fingerprint(Example(size=1, start=2)) == fingerprint(Example(size=1, start=3))
    assert fingerprint(Example(size=1)) != fingerprint(Example(size=2))


def test_ignored_paths_take_the_live_value() -> None:
    wanted = {"size": 1, "tags": {"a": "1", "b": "2"}, "inner": {"id": "x"}}
    live = {"size": 5, "tags": {"a": "9", "c": "3"}}
    kept = apply_ignore(wanted, live, ["size", "tags.a", "tags.b", "tags.c", "inner.id", "other.part"])
    assert kept == {"size": 5, "tags": {"a": "9", "c": "3"}, "inner": {}}


def test_changed_paths_stop_at_lists_and_placeholders() -> None:
    assert changed_paths({"a": [1], "b": {"c": {"$ref": "x"}}}, {"a": [2], "b": {"c": {"$ref": "y"}}}) == [
        (("a",), [1], [2]),
        (("b", "c"), {"$ref": "x"}, {"$ref": "y"}),
    ]
    assert changed_paths(1, 2) == [((), 1, 2)]
    assert changed_paths({"a": {"b": 1}}, {"a": 2}) == [(("a",), {"b": 1}, 2)]


IGNORED = {"owner": "video", "a.b": "1", "kubernetes.io/cluster/prod": "owned"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tags.owner", {"Name": "n", "a.b": "mine", "owner": "video"}),
        ("tags.a.b", {"Name": "n", "a.b": "1"}),
        ('tags["a.b"]', {"Name": "n", "a.b": "1"}),
        ("tags.kubernetes.io/cluster/prod", {"Name": "n", "a.b": "mine", "kubernetes.io/cluster/prod": "owned"}),
        ("tags.Name", {"a.b": "mine"}),
        ("tags.none.such", {"Name": "n", "a.b": "mine"}),
        ("tags", IGNORED),
    ],
)
def test_ignored_keys_may_hold_dots_and_slashes(path: str, expected: dict[str, str]) -> None:
    tree = {"tags": {"Name": "n", "a.b": "mine"}}
    assert apply_ignore(tree, {"tags": IGNORED}, [path]) == {"tags": expected}


def test_ignored_fields_may_be_inside_lists() -> None:
    tree = {"targets": [{"role": "edge", "size": 1}, {"role": "origin", "size": 2}, {"role": "relay"}]}
    live = {"targets": [{"role": "x", "size": 8}, {"role": "y", "size": 9}]}
    assert apply_ignore(tree, live, ["targets[1].size"])["targets"] == [
        {"role": "edge", "size": 1},
        {"role": "origin", "size": 9},
        {"role": "relay"},
    ]
    every = apply_ignore(tree, live, ["targets[*].size"])["targets"]
    assert every == [{"role": "edge", "size": 8}, {"role": "origin", "size": 9}, {"role": "relay"}]


@pytest.mark.parametrize("path", ["none.a", "targets[0]", "targets.role", "size.x", "tags.a.b"])
def test_an_ignored_path_that_leads_nowhere_changes_nothing(path: str) -> None:
    tree = {"targets": [{"role": "edge"}], "size": 1}
    assert apply_ignore(tree, {"size": 2, "targets": [{"role": "x"}]}, [path]) == tree


@pytest.mark.parametrize(
    ("path", "expected"), [("tags.a.b", 1), ("tags.x", None), ("tags.a.b.c", None), ("size", 2), ("size.x", None)]
)
def test_the_value_at_a_path_is_found_by_the_longest_key(path: str, expected: object) -> None:
    assert value_at({"tags": {"a.b": 1}, "size": 2}, path) == expected


class _Limit(Spec):
    role: Annotated[str, IMMUTABLE]
    least: int = 0


class _Limits(Spec):
    limits: Annotated[PartialList[_Limit], UNORDERED]


@pytest.mark.parametrize(
    ("after", "replaces"),
    [
        ([("edge", 2), ("origin", 1)], False),
        ([("edge", 1)], True),
        ([("edge", 1), ("relay", 1)], True),
        ([("edge", 1), ("origin", 1), ("relay", 1)], True),
    ],
)
def test_a_list_is_replaced_if_it_gets_or_loses_an_item(after: list[tuple[str, int]], replaces: bool) -> None:
    def limits(*pairs: tuple[str, int]) -> _Limits:
        return _Limits(limits=[_Limit(role=role, least=least) for role, least in pairs])

    (change,) = diff(limits(*after), limits(("origin", 1), ("edge", 1)))
    assert change.replaces is replaces


def test_an_item_that_is_not_known_yet_replaces() -> None:
    later = Ref("other", None, ("limit",))
    one = _Limits(limits=[_Limit(role="edge")])
    assert [change.replaces for change in diff(_Limits(limits=[later]), one)] == [True]
    assert [change.replaces for change in diff(_Limits.model_validate({"limits": later}), one)] == [False]
