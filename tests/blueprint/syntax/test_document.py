"""YAML and JSON files as plain values with positions."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.syntax import document, json_text, yaml_text
from smplan.core.blueprint import INVALID, SourceMap


def parsed(text: str, *, as_json: bool = False) -> tuple[Any, list[tuple[str, str, str]]]:
    """The value, and ``(line:column, message, hint)`` of each diagnostic."""
    diagnostics, value = Diagnostics(), INVALID
    with suppress(TooManyErrors):
        value, _ = document.parse_text(text, "f", diagnostics, as_json=as_json)
    return value, [
        (f"{diagnostic.line}:{diagnostic.column}", diagnostic.message, diagnostic.hint)
        for diagnostic in diagnostics.found
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("a: ", {"a": None}),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9223372036854775807", 2**63 - 1),
        ("22:22", "22:22"),
        ("2024-13-45", "2024-13-45"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("-", [None]),
        (".", "."),
        ("a b", "a b"),
        ("'yes'", "yes"),
        ('"on"', "on"),
        ('"\\u00e9"', "é"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("[a, {b: [c]}]", ["a", {"b": ["c"]}]),
        ("- a\n- b: 1\n  c: [2]\n", ["a", {"b": 1, "c": [2]}]),
        ("a: {}\nb: []\n", {"a": {}, "b": []}),
        ("# only a comment\n", None),
        ("--- a\n...\n", "a"),
    ],
)
def test_yaml_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    assert parsed(text) == (value, [])


@pytest.mark.parametrize("word", ["on", "Off", "YES", "no", "y", "N"])
def test_ambiguous_booleans_must_be_quoted(word: str) -> None:
    message, hint = (
        f"`{word}` is a boolean to some YAML parsers and text to others",
        f'quote it: "{word}"; or write true or false',
    )
    assert parsed(f"a: {word}") == ({"a": INVALID}, [("1:4", message, hint)])
    assert parsed(f"{word}: 1") == ({word: 1}, [("1:1", message, hint)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: .nan", "`.nan` is not a supported number"),
        ("a: -.INF", "`-.INF` is not a supported number"),
        ("a: 1e999", "`1e999` is too large a number"),
        ("a: 9223372036854775808", "9223372036854775808 is too large a number"),
        ("a: " + "9" * 5000, "a number of 5000 characters is too long"),
        ("a: 012345678901", "`012345678901` begins with 0, which a number would lose"),
        ("a: -01", "`-01` begins with 0, which a number would lose"),
        ("a: *b", "aliases are not supported"),
        ('a: "\\0"', "text cannot contain NUL or a lone surrogate"),
    ],
)
def test_ambiguous_scalars_are_rejected(text: str, message: str) -> None:
    assert parsed(text)[0] == {"a": INVALID}
    assert [(place, found) for place, found, _ in parsed(text)[1]] == [("1:4", message)]


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", {"a": 1, "b": 2}, [("3:1", "`a` is given twice", "first given in line 1")]),
        ("a: 1\na:\n  b: 3\n", {"a": 1}, [("2:1", "`a` is given twice", "first given in line 1")]),
        ("a: &x 1", {"a": 1}, [("1:4", "anchors are not supported: &x", "write the value out")]),
        ("a: !t 1", {"a": 1}, [("1:4", "tags are not supported: !t", "leave the tag out")]),
        ("a: !!map {}", {"a": {}}, [("1:4", "tags are not supported: tag:yaml.org,2002:map", "leave the tag out")]),
        ("<<: {a: 1}\nb: 2", {"b": 2}, [("1:1", "merge keys are not supported", "write the entries out")]),
        ("5: a\n", {"5": "a"}, [("1:1", "a key must be text: `5` is not", 'quote it: "5"')]),
        ("? [a]\n: b\nc: d\n", {"c": "d"}, [("1:3", "a key must be text", "quote it, if it was meant as text")]),
        ("? {a: 1}\n: {b: 2}\n", {}, [("1:3", "a key must be text", "quote it, if it was meant as text")]),
        ("a\n---\nb\n", "a", [("2:1", "a file holds one document", "move what follows `---` to a file of its own")]),
        (
            "%YAML 1.1\n---\na\n",
            "a",
            [("1:1", "directives are not used here", "remove the lines that begin with %")],
        ),
        ("%TAG ! x\n---\na\n", "a", [("1:1", "directives are not used here", "remove the lines that begin with %")]),
        (
            "*x : 1\n",
            {},
            [("1:1", "aliases are not supported", "write the value out, or use a variable")],
        ),
    ],
)
def test_unsupported_yaml_is_rejected(text: str, value: Any, found: list[tuple[str, str, str]]) -> None:
    assert parsed(text) == (value, found)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("a: b: c", "1:5", "this value contains a colon and a space", 'put text that contains ": " in quotes'),
        (
            "a:\n\tb: 1",
            "2:1",
            "a tab indents this line",
            "indent with spaces, not with tabs",
        ),
        (
            "a: [1, 2",
            "1:9",
            "the `[` of line 1, column 4 is not closed",
            "close it with `]`, or add the comma that is missing in line 1",
        ),
        (
            "a: %b",
            "1:4",
            "this is not YAML: found character that cannot start any token",
            "put text that begins with this character in quotes",
        ),
        ('a: "\\ud800"', "1:7", "this is not YAML: found invalid Unicode character escape code", ""),
    ],
)
def test_yaml_syntax_error_is_reported_with_its_position(text: str, place: str, message: str, hint: str) -> None:
    assert parsed(text) == (INVALID, [(place, message, hint)])


def test_unprintable_character_is_reported_by_code_point() -> None:
    hint = "remove it, or write it as an escape in quotes"
    assert parsed("a: 1\nb: \x1b[0m") == (INVALID, [("2:4", "the character U+001B is not allowed in YAML", hint)])


@pytest.mark.parametrize("as_json", [False, True])
def test_nesting_is_limited_to_64_levels(as_json: bool) -> None:
    assert parsed("[" * 64 + "]" * 64, as_json=as_json)[1] == []
    found = [("1:65", "this is nested more than 64 levels deep", "")]
    assert parsed("[" * 65 + "]" * 65, as_json=as_json)[1] == found
    assert parsed("[" * 100_000, as_json=as_json)[1] in (found, [("1:100001", "this is not JSON: Expecting value", "")])


@pytest.mark.parametrize("as_json", [False, True])
def test_number_of_values_in_a_file_is_limited(as_json: bool) -> None:
    _, found = parsed("[" + ",".join(["1"] * 100_002) + "]", as_json=as_json)
    assert [message for _, message, _ in found] == ["the file has more than 100000 values"]


def test_the_parser_without_libyaml_reads_the_same() -> None:
    text = "a: {b: [1, two, 'three', \"4\"]}\nc: |\n  x\n  y\n"
    found = []
    for parser in (yaml.SafeLoader, yaml_text._PARSER):
        diagnostics = Diagnostics()
        found.append(yaml_text.compose(text, SourceMap("f", text, dict), diagnostics, parser=parser))
        assert diagnostics.found == []
    assert found[0] == found[1] == {"a": {"b": [1, "two", "three", "4"]}, "c": "x\ny\n"}


def test_parser_without_libyaml_rejects_surrogates() -> None:
    diagnostics = Diagnostics()
    text = 'a: "\\ud800"'
    value = yaml_text.compose(text, SourceMap("f", text, dict), diagnostics, parser=yaml.SafeLoader)
    assert value == {"a": INVALID}
    assert [diagnostic.message for diagnostic in diagnostics.found] == ["text cannot contain NUL or a lone surrogate"]


def test_error_without_position_is_still_reported() -> None:
    diagnostics = Diagnostics()
    with pytest.raises(TooManyErrors):
        yaml_text.compose("\x07", SourceMap("f", "\x07", dict), diagnostics)
    assert [(diagnostic.place, diagnostic.message) for diagnostic in diagnostics.found] == [
        ("f", "this is not YAML: control characters are not allowed")
    ]


YAML = """\
a: 1
b:
  - x
  - c: {d: 2, "e": 3}
  - |
    long
f: [g, [h]]
"""
JSON = """\
{"a": 1,
 "b": [
  "x",
  {"c": {"d": 2, "e": 3}},
  "long"
 ],
 "f": ["g", ["h"]]}
"""


def test_every_path_of_yaml_has_a_source_range() -> None:
    places = yaml_text.locate(YAML)
    assert {path: (at.line, at.column, at.key_line, at.key_column) for path, at in places.items()} == {
        (): (1, 1, 1, 1),
        ("a",): (1, 4, 1, 1),
        ("b",): (3, 3, 2, 1),
        ("b", 0): (3, 5, 3, 5),
        ("b", 1): (4, 5, 4, 5),
        ("b", 1, "c"): (4, 8, 4, 5),
        ("b", 1, "c", "d"): (4, 12, 4, 9),
        ("b", 1, "c", "e"): (4, 20, 4, 15),
        ("b", 2): (5, 5, 5, 5),
        ("f",): (7, 4, 7, 1),
        ("f", 0): (7, 5, 7, 5),
        ("f", 1): (7, 8, 7, 8),
        ("f", 1, 0): (7, 9, 7, 9),
    }


def test_every_path_of_json_has_a_source_range() -> None:
    places = json_text.locate(JSON)
    assert {path: (at.line, at.column, at.key_line, at.key_column) for path, at in places.items()} == {
        (): (1, 1, 1, 1),
        ("a",): (1, 7, 1, 2),
        ("b",): (2, 7, 2, 2),
        ("b", 0): (3, 3, 3, 3),
        ("b", 1): (4, 3, 4, 3),
        ("b", 1, "c"): (4, 9, 4, 4),
        ("b", 1, "c", "d"): (4, 15, 4, 10),
        ("b", 1, "c", "e"): (4, 23, 4, 18),
        ("b", 2): (5, 3, 5, 3),
        ("f",): (7, 7, 7, 2),
        ("f", 0): (7, 8, 7, 8),
        ("f", 1): (7, 13, 7, 13),
        ("f", 1, 0): (7, 14, 7, 14),
    }


@pytest.mark.parametrize("locate", [yaml_text.locate, json_text.locate])
def test_source_ranges_end_where_broken_text_cannot_be_parsed(locate: Any) -> None:
    assert ("a",) in locate('{"a": 1, "b": ' + "[" * 70)


@pytest.mark.parametrize("text", ["null", "true", "5", '"x"', "[]", "{}", '{"a": [1.5, {"b": "\\ud83d\\ude00"}]}'])
def test_json_is_read_as_the_json_module_reads_it(text: str) -> None:
    import json

    assert parsed(text, as_json=True) == (json.loads(text), [])


TOO_LARGE = "9223372036854775808 is too large a number"
ODD = "is not a supported number"
FINITE = "write a finite number of 64 bits"
HALF = "text cannot contain NUL or a lone surrogate"


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ('{"a": 1,\n "a": 2}', {"a": 1}, [("2:2", "`a` is given twice", "first given in line 1")]),
        ('[{"c": 1, "c": {"d": 1}}]', [{"c": 1}], [("1:11", "`c` is given twice", "first given in line 1")]),
        ('{"a": NaN}', {"a": INVALID}, [("1:7", f"`NaN` {ODD}", FINITE)]),
        ('{"a": 1e999}', {"a": INVALID}, [("1:7", "`1e999` is too large a number", "quote it if it is text")]),
        ('{"a": 9223372036854775808}', {"a": INVALID}, [("1:7", TOO_LARGE, "quote it if it is text")]),
        ("[" + "9" * 5000 + "]", [INVALID], [("1:2", f"`{'9' * 80}…` {ODD}", FINITE)]),
        ('["\\ud800"]', [INVALID], [("1:2", HALF, "")]),
        ('{"\\u0000": 1}', {'"\\u0000"': 1}, [("1:2", HALF, "")]),
    ],
)
def test_unsupported_json_is_rejected(text: str, value: Any, found: list[tuple[str, str, str]]) -> None:
    assert parsed(text, as_json=True) == (value, found)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("", "1:1", "the file is empty", 'start it with {"smplan": 1'),
        ('{ // a\n"a": 1}', "1:3", "JSON has no comments", "remove it, or use YAML: a file whose name ends in .yaml"),
        ('{\n"a"\n1}', "3:1", "this is not JSON: Expecting ':' delimiter", ""),
        ('{"a": "b', "1:7", "this is not JSON: Unterminated string starting at", "close the quote"),
    ],
)
def test_json_syntax_error_is_reported_with_its_position(text: str, place: str, message: str, hint: str) -> None:
    value, found = parsed(text, as_json=True)
    assert value is INVALID
    assert found == [(place, message, hint)]


@pytest.mark.parametrize("text", ['{"a": 1,}', '{"a": [1, ]}'])
def test_trailing_comma_is_reported_on_every_python_version(text: str) -> None:
    _, [(place, message, hint)] = parsed(text, as_json=True)
    assert abs(int(place.removeprefix("1:")) - text.rindex(",")) <= 3
    assert message.startswith("there is a comma before `")
    assert hint == "remove the last comma"


def read(path: Path) -> list[tuple[str, str, str]]:
    diagnostics = Diagnostics()
    with pytest.raises(TooManyErrors):
        document.parse(document.read(path, diagnostics), path, diagnostics)
    return [(diagnostic.place, diagnostic.message, diagnostic.hint) for diagnostic in diagnostics.found]


def test_missing_file_is_reported_with_its_neighbors(tmp_path: Path) -> None:
    missing = tmp_path / "fleet.yml"
    assert read(missing) == [(str(missing), "there is no such file", "")]
    (tmp_path / "fleet.yaml").touch()
    assert read(missing) == [(str(missing), "there is no such file", "files beside it: fleet.yaml")]
    assert read(tmp_path / "no" / "fleet.yaml")[0][1:] == ("there is no such file", "")


@pytest.mark.parametrize(("name", "message"), [("", "Is a directory"), ("a\0b", "embedded null byte")])
def test_unreadable_file_is_reported(tmp_path: Path, name: str, message: str) -> None:
    assert read(tmp_path / name)[0][1] == f"the file cannot be read: {message}"


def test_file_size_is_limited_to_1_mib(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (1024 * 1024))
    assert document.read(path, Diagnostics())
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    assert read(path)[0][1] == "the file is larger than 1 MiB"


@pytest.mark.parametrize("data", [b"a: 1\nb: \xff", "a: 1".encode("utf-16")])
def test_file_must_be_utf_8(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    place = "2:4" if data.startswith(b"a") else "1:1"
    assert read(path) == [(f"{path}:{place}", "this is not UTF-8 text", "save the file as UTF-8")]


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    assert document.parse(b"\xef\xbb\xbfa: 1", path, Diagnostics())[0] == {"a": 1}


def test_number_of_diagnostics_is_limited() -> None:
    value, found = parsed("a: [" + ", ".join(["yes"] * 200) + "]")
    assert value is INVALID
    assert len(found) == 101
    assert found[-1][1] == "there are more errors; only the first 100 are shown"
