"""Errors of specs and their wording."""

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


def reported(**given: Any) -> list[tuple[str, str]]:
    return [(error.message, error.hint) for error in found(**given)]


def test_valid_spec_has_no_errors() -> None:
    assert (
        found(size=3, weight=1, mode="fast", tags={"a": "b"}, parts=[{"role": "x"}], either=[1], data={"x": None}) == []
    )


def test_placeholders_are_valid_everywhere() -> None:
    ref = Ref("a", path=("b",))
    tree = {
        "size": ref,
        "mode": Interpolation(("a", ref)),
        "token": Secret("env:A"),
        "names": [ref],
        "parts": [ref, {"role": ref}],
    }
    assert found(**tree, tags={"a": ref}, flag=INVALID) == []


def test_missing_field_is_reported_with_its_description() -> None:
    errors = list(spec_errors(ThingSpec, {"parts": [{}]}))
    assert errors == [
        SpecError((), "`name` is missing", "add it: Its name."),
        SpecError(("parts", 0), "`parts[0].role` is missing", "add it: What it does."),
    ]
    assert [error.hint for error in spec_errors(ThingSpec, {"name": "thing", "tagz": {}})] == ["did you mean `tags`?"]


def test_unknown_field_is_reported_at_its_key_with_the_nearest_name() -> None:
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
        ("name", None, "must be text, not null", "write a value after the colon, or leave the key out"),
        ("tags", [], "must be a map, not a list", "write names and values, `name: value`, without dashes and brackets"),
        ("names", "a", "must be a list, not text", "write a list: [a]"),
        ("name", ["a"], "must be text, not a list", "write the value without brackets and dashes"),
        ("part", "role x", "must be a map, not text", "write `role: x`, with a colon and a space"),
        ("part", "a:b", "must be a map, not text", ""),
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
def test_invalid_value_is_reported_in_plain_words(field: str, value: Any, message: str, hint: str) -> None:
    meaning = ThingSpec.model_fields[field].description or ""
    assert reported(**{field: value}) == [(f"`{field}` {message}", hint or meaning)]


def test_union_reports_errors_of_the_intended_member() -> None:
    assert found(either=["a"]) == [SpecError(("either", 0), "`either[0]` must be an integer, not text")]


def test_reference_where_none_is_allowed_is_reported() -> None:
    assert reported(plain=[Ref("a")]) == [("`plain[0]` must be text, not a reference", "")]
    assert list(spec_errors(Part, Ref("a"))) == [SpecError((), "must be a map, not a reference")]


def test_choice_that_must_be_literal_is_reported() -> None:
    errors = list(spec_errors(Choices, {"modes": [Ref("a"), Secret("env:A")]}))
    assert [(error.path, error.message, error.hint) for error in errors] == [
        (("modes", 0), "`modes[0]` cannot be a reference", "write the value itself"),
        (("modes", 1), "`modes[1]` cannot be a secret", "write the value itself"),
    ]


def test_missing_field_without_description_is_reported() -> None:
    assert list(spec_errors(Choices, {})) == [SpecError((), "`modes` is missing", "add it")]


def test_invalid_placeholder_is_not_reported_again() -> None:
    assert found(plain=["a", INVALID]) == []


def test_message_of_a_model_validator_is_kept() -> None:
    assert found(mode="fast", size=6) == [SpecError((), "a fast thing is no larger than 5")]


def test_sensitive_field_is_reported_without_its_value() -> None:
    assert found(token="x" * 21) == [SpecError(("token",), "`token` must have at most 20 characters", secret=True)]
    assert found(colour="gren") == [SpecError(("colour",), "`colour` must be one of red, blue", secret=True)]
    assert found(part={"role": "x", "key": 5})[0].secret
    assert next(spec_errors(ThingSpec, {"name": "thing", "token": 5})).secret is False


def test_walk_returns_specs_and_traits_along_the_path() -> None:
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
def test_types_have_plain_names(value: object, name: str) -> None:
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


def test_few_names_are_all_listed() -> None:
    assert one_of("zzz", ["b", "a"]) == "one of: a, b"
    assert one_of("zzz", [f"name_{number}" for number in range(20)]) == ""
    assert one_of("zzz", []) == ""


def test_among_many_names_a_suggestion_is_quick() -> None:
    names = [f"resource_{number}" for number in range(20_000)]
    before = time.process_time()
    assert suggestion("resource_1999x", names).startswith("did you mean `resource_1")
    assert time.process_time() - before < 0.5
