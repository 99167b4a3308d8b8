"""Conversion between AWS's tag lists and maps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smplan.drivers.aws import tags

KEYS = st.sampled_from(["team", "stage", "owner", "smplan:lineage", "smplan:address", "aws:cloudformation:stack"])
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
