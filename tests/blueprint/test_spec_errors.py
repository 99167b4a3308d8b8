"""What does not fit a form, in plain words."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest

from smplan.core.blueprint import INVALID
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import SpecError, spec_errors, walk
from smplan.core.values import Interpolation, Ref, Secret
from smplan.core.wording import count, dotted, one_of, quoted, shape, suggestion
from tests.blueprint.load_case import Part, ThingSpec


class Choices(Spec):
    modes: list[Literal["fast", "slow"]]


def found(**given: Any) -> list[SpecError]:
    return list(spec_errors(ThingSpec, {"name": "thing", **given}, secret=SENSITIVE))


def said(**given: Any) -> list[tuple[str, str]]:
    return [(misfit.message, misfit.hint) for misfit in found(**given)]


def test_what_fits_is_not_told() -> None:
    assert (
        found(size=3, weight=1, mode="fast", tags={"a": "b"}, parts=[{"role": "x"}], either=[1], data={"x": None}) == []
    )


def test_placeholders_fit_everywhere() -> None:
    ref = Ref("a", path=("b",))
    tree = {
        "size": ref,
        "mode": Interpolation(("a", ref)),
        "token": Secret("env:A"),
        "names": [ref],
        "parts": [ref, {"role": ref}],
    }
    assert found(**tree, tags={"a": ref}, flag=INVALID) == []


def test_a_missing_field_is_told_with_what_it_is_for() -> None:
    told = list(spec_errors(ThingSpec, {"parts": [{}]}))
    assert told == [
        SpecError((), "`name` is missing", "add it: Its name."),
        SpecError(("parts", 0), "`parts[0].role` is missing", "add it: What it does."),
    ]
    assert [misfit.hint for misfit in spec_errors(ThingSpec, {"name": "thing", "tagz": {}})] == ["did you mean `tags`?"]


def test_an_unknown_field_is_told_at_its_key_with_the_nearest_name() -> None:
    assert found(sise=3) == [SpecError(("sise",), "`sise` is not a known field", "did you mean `size`?", key=True)]
    assert found(part={"role": "x", "zzz": 1}) == [
        SpecError(("part", "zzz"), "`part.zzz` is not a known field", "one of: key, limit, role", key=True)
    ]


@pytest.mark.parametrize(
    ("field", "value", "message", "hint"),
    [
        ("size", "3", "must be an integer, not text", "remove the quotes"),
        ("size", "three", "must be an integer, not text", ""),
        ("size", True, "must be an integer, not true or false", ""),
        ("size", 1.5, "must be an integer, not a number", ""),
        ("weight", "1.5", "must be a number, not text", "remove the quotes"),
        ("weight", [], "must be a number, not a list", ""),
        ("flag", "true", "must be true or false, not text", "remove the quotes"),
        ("flag", 1, "must be true or false, not an integer", ""),
        ("name", 5, "must be text, not an integer", "put it in quotes"),
        ("name", False, "must be text, not true or false", "put it in quotes"),
        ("name", None, "must be text, not null", ""),
        ("tags", [], "must be a map, not a list", ""),
        ("names", {}, "must be a list, not a map", ""),
        ("part", 1.5, "must be a map, not a number", ""),
        ("either", 1.5, "must be an integer or text or a list, not a number", "put it in quotes"),
        ("size", 0, "must be at least 1", ""),
        ("size", 10, "must be at most 9", ""),
        ("weight", 0, "must be more than 0.0", ""),
        ("weight", 10, "must be less than 10.0", ""),
        ("weight", 1.2, "must be a multiple of 0.5", ""),
        ("name", "a", "must have at least 2 characters", ""),
        ("name", "a" * 11, "must have at most 10 characters", ""),
        ("name", "Aaa", "does not match the pattern ^[a-z]", ""),
        ("names", [], "must have at least 1 item", ""),
        ("names", ["a", "b", "c"], "must have at most 2 items", ""),
        ("mode", "fats", "cannot be `fats`, only fast, slow", "did you mean `fast`?"),
        ("mode", "x", "cannot be `x`, only fast, slow", ""),
        ("mode", True, "must be one of fast, slow", "put it in quotes"),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_plain_words(field: str, value: Any, message: str, hint: str) -> None:
    meaning = ThingSpec.model_fields[field].description or ""
    assert said(**{field: value}) == [(f"`{field}` {message}", hint or meaning)]


def test_of_a_union_the_member_that_was_meant_is_told() -> None:
    assert found(either=["a"]) == [SpecError(("either", 0), "`either[0]` must be an integer, not text")]


def test_a_reference_where_none_may_stand_is_told() -> None:
    assert said(plain=[Ref("a")]) == [("`plain[0]` must be text, not a reference", "")]
    assert list(spec_errors(Part, Ref("a"))) == [SpecError((), "must be a map, not a reference")]


def test_a_choice_that_cannot_be_open_says_so() -> None:
    told = list(spec_errors(Choices, {"modes": [Ref("a"), Secret("env:A")]}))
    assert [(misfit.path, misfit.message, misfit.hint) for misfit in told] == [
        (("modes", 0), "`modes[0]` cannot be a reference", "write the value itself"),
        (("modes", 1), "`modes[1]` cannot be a secret", "write the value itself"),
    ]


def test_a_missing_field_without_a_description_is_told_all_the_same() -> None:
    assert list(spec_errors(Choices, {})) == [SpecError((), "`modes` is missing", "add it")]


def test_what_was_told_already_is_not_told_again() -> None:
    assert found(plain=["a", INVALID]) == []


def test_a_rule_of_the_kind_speaks_for_itself() -> None:
    assert found(mode="fast", size=6) == [SpecError((), "a fast thing is no larger than 5")]


def test_what_may_be_secret_is_told_without_its_value() -> None:
    assert found(token="x" * 21) == [SpecError(("token",), "`token` must have at most 20 characters", secret=True)]
    assert found(colour="gren") == [SpecError(("colour",), "`colour` must be one of red, blue", secret=True)]
    assert found(part={"role": "x", "key": 5})[0].secret
    assert next(spec_errors(ThingSpec, {"name": "thing", "token": 5})).secret is False


def test_walk_finds_forms_and_facts_on_the_way() -> None:
    assert walk(ThingSpec, ("parts", 0)) == ((Part,), frozenset())
    assert walk(ThingSpec, ("parts", 0, "key")) == ((), frozenset({SENSITIVE}))
    assert walk(ThingSpec, ("tags", "role")) == ((), frozenset())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"), (True, "true or false"), (1, "an integer"), (1.5, "a number"), ("", "text"), ([], "a list"),
        ((), "a list"), ({}, "a map"), (Secret("env:A"), "a secret"), (Ref("a"), "a reference"),
        (Interpolation(()), "a reference"),
    ],
)  # fmt: skip
def test_shapes_have_names_that_people_use(value: object, name: str) -> None:
    assert shape(value) == name


def test_paths_are_written_with_dots_and_brackets() -> None:
    assert dotted(("a", 0, "b", 12)) == "a[0].b[12]"
    assert dotted(("x" * 100,)) == "x" * 80 + "…"


def test_quoted_text_is_short_and_harmless() -> None:
    assert quoted("a\x1b\nb") == "`a  b`"
    assert quoted("x" * 100) == f"`{'x' * 80}…`"


def test_counts_have_a_plural() -> None:
    assert (count(1, "item"), count(2, "item"), count(0, "item")) == ("1 item", "2 items", "0 items")


def test_the_nearest_name_is_suggested() -> None:
    names = ["target_group", "listener", "Tags"]
    assert suggestion("target_groups", names) == "did you mean `target_group`?"
    assert suggestion("TAGS", names) == "did you mean `Tags`?"
    assert suggestion("nothing", names) == ""
    assert suggestion("", names) == ""
    assert suggestion("x" * 100, ["x" * 99]) == ""


def test_few_names_are_all_told() -> None:
    assert one_of("zzz", ["b", "a"]) == "one of: a, b"
    assert one_of("zzz", [f"name_{number}" for number in range(20)]) == ""
    assert one_of("zzz", []) == ""


def test_among_many_names_a_suggestion_is_quick() -> None:
    names = [f"resource_{number}" for number in range(20_000)]
    before = time.process_time()
    assert suggestion("resource_1999x", names).startswith("did you mean `resource_1")
    assert time.process_time() - before < 0.5
