"""Conversion between AWS's tag lists and maps."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from smplan.core.spec import PartialMap
from smplan.core.values import Ref
from smplan.drivers.aws import tags

KEYS = st.sampled_from(["team", "stage", "owner", "smplan:lineage", "smplan:address", "aws:cloudformation:stack"])
ANY = Annotated[PartialMap[str] | None, tags.ANY_TEXT]
PLAIN = Annotated[PartialMap[str] | None, tags.PLAIN_TEXT]
MAPS = st.dictionaries(KEYS, st.text(max_size=3))


def reserved(key: str) -> bool:
    return key.startswith(("smplan:", "aws:"))


@given(MAPS)
def test_listing_and_reading_back_gives_the_same_map(some: dict[str, str]) -> None:
    assert tags.plain(tags.listed(some)) == some


@given(MAPS)
def test_equal_maps_make_equal_lists(some: dict[str, str]) -> None:
    assert tags.listed(some) == tags.listed(dict(reversed(some.items())))


@given(MAPS)
def test_the_users_tags_are_those_without_a_reserved_prefix(some: dict[str, str]) -> None:
    assert tags.own(tags.listed(some)) == {key: value for key, value in some.items() if not reserved(key)}


@given(MAPS, MAPS)
def test_a_change_sets_the_users_tags_and_keeps_reserved_ones(live: dict[str, str], wanted: dict[str, str]) -> None:
    to_set, to_remove = tags.changed(live, wanted)
    after = {key: value for key, value in live.items() if key not in to_remove} | to_set
    assert {key: value for key, value in after.items() if not reserved(key)} == {
        key: value for key, value in wanted.items() if not reserved(key)
    }
    assert {key: value for key, value in after.items() if reserved(key)} == {
        key: value for key, value in live.items() if reserved(key)
    }
    assert all(live.get(key) != value for key, value in to_set.items())


def test_no_list_at_all_means_no_tags() -> None:
    assert tags.plain(None) == tags.own(None) == {}


def test_a_tag_without_value_has_an_empty_one() -> None:
    assert tags.plain([{"Key": "a"}, {"Key": "b", "Value": None}]) == {"a": "", "b": ""}


def test_a_claim_wins_over_a_tag_of_the_same_name() -> None:
    assert tags.merged({"a": "1", "smplan:lineage": "forged"}, {"smplan:lineage": "real"}) == {
        "a": "1",
        "smplan:lineage": "real",
    }
    assert tags.merged(None, {"smplan:lineage": "real"}) == {"smplan:lineage": "real"}


@pytest.mark.parametrize("form", [ANY, PLAIN])
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"aws:stack": "old"}, "`aws:` is reserved for AWS"),
        ({"AWS:stack": "old"}, "`aws:` is reserved for AWS"),
        ({"smplan:team": "media"}, "`smplan:` is reserved for smplan"),
        ({"": "a"}, "a key of 0 characters"),
        ({"k" * 129: "a"}, "a key of 129 characters"),
        ({"k": "v" * 257}, "a value of 257 characters at `k`"),
        ({"k": "a\x07"}, r"has '\\x07' at `k`"),
    ],
)
def test_tags_that_no_service_accepts_are_refused(form: Any, given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(form).validate_python(given)


@pytest.mark.parametrize("text", ["50% of the load", "Video & chat", 'lb["blue"]', "a, b"])
def test_a_character_is_refused_where_the_service_refuses_it(text: str) -> None:
    assert TypeAdapter(ANY).validate_python({"k": text}) == {"k": text}
    with pytest.raises(ValidationError, match="only letters, digits, spaces"):
        TypeAdapter(PLAIN).validate_python({"k": text})


def test_letters_of_every_script_and_placeholders_are_let_through() -> None:
    given = {"Zweck": "für Übertragung_.:/=+-@ 1", "later": Ref("a")}
    assert TypeAdapter(PLAIN).validate_python(given) == given
    assert TypeAdapter(PLAIN).validate_python(None) is None
