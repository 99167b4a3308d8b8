"""Variables: what they may be, where their values come from, and which goes before which."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.blueprint.load_case import faults_of, loaded, told

REST = "\nresources: {}\n"


def declared(text: str) -> str:
    return f"variables: {{{text}}}{REST}"


def value(folder: Path, text: str, **given: Any) -> Any:
    """The value in force of the one variable ``v``."""
    return loaded(folder, declared(f"v: {text}"), **given).variables["v"]


def fault(folder: Path, text: str, **given: Any) -> tuple[str, str]:
    """Message and hint of the one fault of the variable ``v``."""
    (found,) = faults_of(folder, declared(f"v: {text}"), **given)
    return found.message, found.hint


def test_a_value_comes_from_the_command_line_files_the_environment_or_the_default(tmp_path: Path) -> None:
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
def test_a_text_is_read_as_what_the_variable_must_be(tmp_path: Path, kind: str, text: str, expected: Any) -> None:
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
def test_a_text_that_is_something_else_is_told_where_it_was_given(
    tmp_path: Path, kind: str, text: str, message: str, hint: str
) -> None:
    (found,) = faults_of(tmp_path, declared(f"v: {{type: {kind}}}"), variables={"v": text})
    assert (found.place, found.message, found.hint) == ("--var v", message, hint)
    (found,) = faults_of(tmp_path, declared(f"v: {{type: {kind}}}"), environ={"SMPLAN_VAR_v": text})
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
def test_a_value_keeps_to_its_limits(tmp_path: Path, limits: str, good: object, bad: object, message: str) -> None:
    assert value(tmp_path, f"{{{limits}, default: {good}}}") is not None
    assert fault(tmp_path, f"{{{limits}, description: What it is., default: {bad}}}") == (message, "What it is.")


def test_several_limits_are_told_at_once(tmp_path: Path) -> None:
    found = faults_of(tmp_path, declared("v: {type: string, min_length: 3, pattern: b, enum: [abc], default: a}"))
    assert len(found) == 3


def test_a_limit_that_says_nothing_about_the_type_is_told(tmp_path: Path) -> None:
    message, _ = fault(tmp_path, "{type: string, minimum: 1, default: a}")
    assert message == "`minimum` does not apply to a variable of type string"


def test_a_pattern_must_be_one_that_is_quick(tmp_path: Path) -> None:
    message, _ = fault(tmp_path, "{type: string, pattern: '(?=a)', default: a}")
    assert message == "this is not a regular expression without look-around and back-references"
    before = time.process_time()
    assert fault(tmp_path, "{type: string, pattern: '^(a+)+$', default: %s!}" % ("a" * 5000))[0].startswith(
        "this does not"
    )
    assert time.process_time() - before < 1


def test_a_variable_without_a_value_is_told_at_its_name(tmp_path: Path) -> None:
    text = "\nvariables:\n  v: {type: string}\nresources: {}\n"
    message = "the variable `v` has no value"
    hint = "set it with --var v=…, SMPLAN_VAR_v or a --var-file, or add a default"
    assert told(tmp_path, text) == [("2:3", message, hint)]


def test_a_default_of_null_may_be_left_out(tmp_path: Path) -> None:
    assert value(tmp_path, "{type: string, default: null}") is None


def test_names_nobody_declared_are_told_where_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("\nmax_sizes: 3\n")
    text = declared("max_size: {type: integer, default: 1}")
    found = faults_of(tmp_path, text, variables={"mx_size": "3"}, variable_files=[file])
    assert [(each.place, each.message, each.hint) for each in found] == [
        ("--var mx_size", "the blueprint has no variable `mx_size`", "did you mean `max_size`?"),
        (f"{file}:2:12", "the blueprint has no variable `max_sizes`", "did you mean `max_size`?"),
    ]


def test_a_file_of_variables_is_a_map_of_values_with_their_types(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("- v\n")
    assert fault(tmp_path, "{type: integer, default: 1}", variable_files=[file]) == (
        "a file of variables must be a map of names to values",
        "such as max_size: 4",
    )
    file.write_text('w: 1\nv: "3"\n')
    text = declared("v: {type: integer}, w: {type: integer}")
    (found,) = faults_of(tmp_path, text, variable_files=[file])
    assert (found.place, found.message) == (f"{file}:2:4", "this must be an integer, not text")
    file.write_text("v: yes\n")
    assert fault(tmp_path, "{type: boolean}", variable_files=[file])[0].startswith("`yes` is a boolean to some")


def test_a_file_of_variables_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert (
        fault(tmp_path, "{type: integer, default: 1}", variable_files=[tmp_path / "no.yaml"])[0]
        == "there is no such file"
    )


def test_a_value_from_outside_is_taken_literally(tmp_path: Path) -> None:
    text = """
    variables: {v: {type: string}}
    resources: {a: {kind: toy.thing, spec: {name: thing, data: "${var.v} $${var.v}"}}}
    """
    (resource,) = loaded(tmp_path, text, variables={"v": "${a.id} {secret: x}"}).resources
    assert resource.spec["data"] == "${a.id} {secret: x} ${var.v}"


def test_a_default_refers_to_nothing(tmp_path: Path) -> None:
    assert value(tmp_path, '{type: list, default: ["$${x}", {a: 1}]}') == ["${x}", {"a": 1}]
    assert fault(tmp_path, '{type: string, default: "${var.w}"}') == (
        "the default of a variable cannot contain references",
        "write the value itself",
    )
    assert fault(tmp_path, '{type: list, default: ["${"]}')[0].startswith("`${` is opened and never closed")


@pytest.mark.parametrize("default", ['{secret: "env:A"}', '{a: [{secret: "env:A"}]}'])
def test_a_secret_is_no_value_of_a_variable(tmp_path: Path, default: str) -> None:
    message = "a variable cannot hold a secret: its value is shown in plans"
    assert fault(tmp_path, f"{{type: map, default: {default}}}") == (message, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "`type` is missing"),
        ("{type: strnig, default: a}", "`type` cannot be `strnig`, only string, integer, number, boolean, list, map"),
        ("{type: string, default: a, defualt: b}", "`defualt` is not a known field"),
        ("string", "must be a map, not text"),
        ("{type: integer, default: 1, minimum: a}", "`minimum` must be an integer or a number, not text"),
    ],
)
def test_a_declaration_has_its_form(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text)[0] == message


def test_a_variable_has_a_name_that_can_be_referred_to(tmp_path: Path) -> None:
    (found,) = faults_of(tmp_path, declared('"a b": {type: string, default: a}'))
    assert found.message == "`a b` cannot be the name of a variable"


def test_what_uses_a_faulty_variable_is_not_told_again(tmp_path: Path) -> None:
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
    assert [message for _, message, _ in told(tmp_path, text)] == ["this must be an integer, not text"]
