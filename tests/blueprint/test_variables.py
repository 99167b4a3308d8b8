"""Variables: what they may be, where their values come from, and which goes before which."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.blueprint.load_case import diagnostics_of, errors, loaded

REST = "\nresources: {}\n"


def declared(text: str) -> str:
    return f"variables: {{{text}}}{REST}"


def value(folder: Path, text: str, **given: Any) -> Any:
    """The value in force of the one variable ``v``."""
    return loaded(folder, declared(f"v: {text}"), **given).variables["v"]


def error(folder: Path, text: str, **given: Any) -> tuple[str, str]:
    """Message and hint of the one diagnostic of the variable ``v``."""
    (found,) = diagnostics_of(folder, declared(f"v: {text}"), **given)
    return found.message, found.hint


def test_precedence_is_command_line_files_environment_default(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.json"
    first.write_text("v: 3")
    second.write_text('{"v": 4}')
    text, environ = "{type: integer, default: 1}", {"SMPLAN_VAR_v": "2", "SMPLAN_VAR_other": "x"}
    assert value(tmp_path, text) == 1
    assert value(tmp_path, text, environ=environ) == 2
    assert value(tmp_path, text, environ=environ, variable_files=[first]) == 3
    assert value(tmp_path, text, environ=environ, variable_files=[first, second]) == 4
    assert value(tmp_path, text, environ=environ, variable_files=[first, second], variables={"v": "5"}) == 5


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "5", "5"),
        ("string", "", ""),
        ("string", "${x} yes: *", "${x} yes: *"),
        ("integer", "5", 5),
        ("integer", "-5", -5),
        ("integer", "5.0", 5),
        ("number", "0.5", 0.5),
        ("number", "5", 5),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("list", "[a, 1]", ["a", 1]),
        ("list", '["a", 1]', ["a", 1]),
        ("map", "{a: 1}", {"a": 1}),
    ],
)
def test_text_is_converted_to_the_variables_type(tmp_path: Path, kind: str, text: str, expected: Any) -> None:
    for given in ({"variables": {"v": text}}, {"environ": {"SMPLAN_VAR_v": text}}):
        found = value(tmp_path, f"{{type: {kind}}}", **given)
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "text", "message", "hint"),
    [
        ("integer", "four", "`four` is not an integer", "such as 4"),
        ("integer", "1.5", "this must be an integer, not a number", ""),
        ("integer", "", "this must be an integer, not null", ""),
        ("integer", "true", "this must be an integer, not true or false", ""),
        ("number", ".nan", "`.nan` is not a number", "such as 0.5"),
        ("boolean", "yes", "`yes` is not true or false", "write true or false"),
        ("boolean", "1", "this must be true or false, not an integer", ""),
        ("list", "a,b", "`a,b` is not a list", "such as [a, b]"),
        ("list", "[a", "`[a` is not a list", "such as [a, b]"),
        ("map", "[a]", "this must be a map, not a list", ""),
        ("map", "a", "`a` is not a map", "such as {a: 1}"),
        ("string", "a\udcff", "this is not UTF-8 text", ""),
    ],
)
def test_text_of_the_wrong_type_is_reported_at_its_source(
    tmp_path: Path, kind: str, text: str, message: str, hint: str
) -> None:
    (found,) = diagnostics_of(tmp_path, declared(f"v: {{type: {kind}}}"), variables={"v": text})
    assert (found.place, found.message, found.hint) == ("--var v", message, hint)
    (found,) = diagnostics_of(tmp_path, declared(f"v: {{type: {kind}}}"), environ={"SMPLAN_VAR_v": text})
    assert found.place == "SMPLAN_VAR_v"


@pytest.mark.parametrize(
    ("limits", "good", "bad", "message"),
    [
        ("type: integer, minimum: 2", 2, 1, "this must be at least 2"),
        ("type: number, maximum: 0.5", 0.5, 0.6, "this must be at most 0.5"),
        ("type: string, min_length: 2", "ab", "a", "this must have at least 2 characters"),
        ("type: string, max_length: 1", "a", "ab", "this must have at most 1 characters"),
        ("type: string, pattern: '^a+$'", "aa", "ab", "this does not match the pattern ^a+$"),
        ("type: list, min_items: 1", "[a]", "[]", "this must have at least 1 items"),
        ("type: list, max_items: 1", "[a]", "[a, b]", "this must have at most 1 items"),
        ("type: string, enum: [a, b]", "a", "c", "this is not one of the allowed values: a, b"),
    ],
)
def test_limits_are_enforced(tmp_path: Path, limits: str, good: object, bad: object, message: str) -> None:
    assert value(tmp_path, f"{{{limits}, default: {good}}}") is not None
    assert error(tmp_path, f"{{{limits}, description: What it is., default: {bad}}}") == (message, "What it is.")


def test_all_violated_limits_are_reported(tmp_path: Path) -> None:
    found = diagnostics_of(tmp_path, declared("v: {type: string, min_length: 3, pattern: b, enum: [abc], default: a}"))
    assert len(found) == 3


def test_limit_that_does_not_apply_to_the_type_is_reported(tmp_path: Path) -> None:
    message, _ = error(tmp_path, "{type: string, minimum: 1, default: a}")
    assert message == "`minimum` does not apply to a variable of type string"


def test_pattern_must_match_in_linear_time(tmp_path: Path) -> None:
    message, _ = error(tmp_path, "{type: string, pattern: '(?=a)', default: a}")
    assert message == "this is not a regular expression without look-around and back-references"
    before = time.process_time()
    assert error(tmp_path, "{type: string, pattern: '^(a+)+$', default: %s!}" % ("a" * 5000))[0].startswith(
        "this does not"
    )
    assert time.process_time() - before < 1


def test_variable_without_value_is_reported_at_its_name(tmp_path: Path) -> None:
    text = "\nvariables:\n  v: {type: string}\nresources: {}\n"
    message = "the variable `v` has no value"
    hint = "set it with --var v=…, SMPLAN_VAR_v or a --var-file, or add a default"
    assert errors(tmp_path, text) == [("2:3", message, hint)]


def test_null_default_makes_a_variable_optional(tmp_path: Path) -> None:
    assert value(tmp_path, "{type: string, default: null}") is None


def test_undeclared_variable_is_reported_at_its_source(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("\nmax_sizes: 3\n")
    text = declared("max_size: {type: integer, default: 1}")
    found = diagnostics_of(tmp_path, text, variables={"mx_size": "3"}, variable_files=[file])
    assert [(each.place, each.message, each.hint) for each in found] == [
        ("--var mx_size", "the blueprint has no variable `mx_size`", "did you mean `max_size`?"),
        (f"{file}:2:12", "the blueprint has no variable `max_sizes`", "did you mean `max_size`?"),
    ]


def test_a_file_of_variables_is_a_map_of_values_with_their_types(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("- v\n")
    assert error(tmp_path, "{type: integer, default: 1}", variable_files=[file]) == (
        "a file of variables must be a map of names to values",
        "such as max_size: 4",
    )
    file.write_text('w: 1\nv: "3"\n')
    text = declared("v: {type: integer}, w: {type: integer}")
    (found,) = diagnostics_of(tmp_path, text, variable_files=[file])
    assert (found.place, found.message) == (f"{file}:2:4", "this must be an integer, not text")
    file.write_text("v: yes\n")
    assert error(tmp_path, "{type: boolean}", variable_files=[file])[0].startswith("`yes` is a boolean to some")


def test_missing_file_of_variables_is_reported(tmp_path: Path) -> None:
    assert (
        error(tmp_path, "{type: integer, default: 1}", variable_files=[tmp_path / "no.yaml"])[0]
        == "there is no such file"
    )


def test_values_from_outside_are_not_interpolated(tmp_path: Path) -> None:
    text = """
    variables: {v: {type: string}}
    resources: {a: {kind: toy.thing, spec: {name: thing, data: "${var.v} $${var.v}"}}}
    """
    (resource,) = loaded(tmp_path, text, variables={"v": "${a.id} {secret: x}"}).resources
    assert resource.spec["data"] == "${a.id} {secret: x} ${var.v}"


def test_default_cannot_contain_references(tmp_path: Path) -> None:
    assert value(tmp_path, '{type: list, default: ["$${x}", {a: 1}]}') == ["${x}", {"a": 1}]
    assert error(tmp_path, '{type: string, default: "${var.w}"}') == (
        "the default of a variable cannot contain references",
        "write the value itself",
    )
    assert error(tmp_path, '{type: list, default: ["${"]}')[0].startswith("`${` is opened and never closed")


@pytest.mark.parametrize("default", ['{secret: "env:A"}', '{a: [{secret: "env:A"}]}'])
def test_variable_cannot_hold_a_secret(tmp_path: Path, default: str) -> None:
    message = "a variable cannot hold a secret: its value is shown in plans"
    assert error(tmp_path, f"{{type: map, default: {default}}}") == (message, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "`type` is missing"),
        ("{type: strnig, default: a}", "`type` cannot be `strnig`, only string, integer, number, boolean, list, map"),
        ("{type: string, default: a, defualt: b}", "`defualt` is not a known field"),
        ("string", "`v` must be a map, not text"),
        ("{type: integer, default: 1, minimum: a}", "`minimum` must be an integer or a number, not text"),
    ],
)
def test_variable_declaration_is_validated(tmp_path: Path, text: str, message: str) -> None:
    assert error(tmp_path, text)[0] == message


def test_variable_name_must_be_usable_in_references(tmp_path: Path) -> None:
    (found,) = diagnostics_of(tmp_path, declared('"a b": {type: string, default: a}'))
    assert found.message == "`a b` cannot be the name of a variable"


def test_uses_of_an_invalid_variable_are_not_reported(tmp_path: Path) -> None:
    text = """
    variables:
      v: {type: integer, default: a}
    aws: {region: "${var.v}"}
    resources:
      a:
        kind: toy.thing
        when: "${var.v}"
        for_each: "${var.v}"
        spec: {name: "x-${var.v}", size: "${var.v}", token: {secret: "env:${var.v}"}, data: {file: "${var.v}"}}
        lifecycle: {adopt: "${var.v}"}
      b: {kind: toy.thing, for_each: ["${var.v}"], spec: {name: "x-${each.key}-${a[each.key].id}"}}
    """
    assert [message for _, message, _ in errors(tmp_path, text)] == ["this must be an integer, not text"]
