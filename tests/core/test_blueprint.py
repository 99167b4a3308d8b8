"""Positions of diagnostics, and the source lines that are shown."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from smplan.core.blueprint import INVALID, LineIndex, SourceMap, SourceRange, printable
from smplan.core.values import Path

TEXT = "a: 1\nb:\n  - x\u2028c: 2"
PLACES: Mapping[Path, SourceRange] = {
    (): SourceRange(1, 1, 1, 1),
    ("b",): SourceRange(3, 3, 2, 1),
    ("b", 0): SourceRange(3, 5, 3, 5),
}


def source_map() -> SourceMap:
    return SourceMap("f.yaml", TEXT, lambda: PLACES)


def test_a_diagnostic_is_at_its_value() -> None:
    diagnostic = source_map().diagnostic(("b", 0), "wrong", "fix it")
    assert (diagnostic.place, diagnostic.source, diagnostic.message, diagnostic.hint) == (
        "f.yaml:3:5",
        "  - x",
        "wrong",
        "fix it",
    )
    assert diagnostic.path == ("b", 0)


def test_a_diagnostic_of_a_key_is_at_the_key() -> None:
    assert source_map().diagnostic(("b",), "wrong", key=True).place == "f.yaml:2:1"


def test_a_diagnostic_without_a_position_is_at_the_nearest_one_above() -> None:
    assert source_map().diagnostic(("b", 0, "x", "y"), "wrong").place == "f.yaml:3:5"
    assert source_map().diagnostic(("b", "x"), "wrong", key=True).place == "f.yaml:3:3"
    assert source_map().diagnostic(("z",), "wrong").place == "f.yaml:1:1"


def test_without_positions_a_diagnostic_names_the_file() -> None:
    diagnostic = SourceMap("f.yaml", "", dict).diagnostic(("b",), "wrong")
    assert (diagnostic.place, diagnostic.source) == ("f.yaml", "")


def test_positions_are_located_once_and_only_when_needed() -> None:
    looked: list[str] = []

    def locate() -> Mapping[Path, SourceRange]:
        looked.append("looked")
        return PLACES

    found = SourceMap("f.yaml", TEXT, locate)
    assert looked == []
    found.diagnostic((), "wrong")
    found.diagnostic(("b",), "wrong")
    assert looked == ["looked"]


@pytest.mark.parametrize(("line", "source"), [(0, ""), (4, "c: 2"), (5, "")])
def test_a_missing_line_has_no_text(line: int, source: str) -> None:
    assert source_map().diagnostic_at(line, 1, "wrong").source == source


def test_a_long_line_is_cut() -> None:
    long = SourceMap("f", "x" * 1000, dict)
    assert long.diagnostic_at(1, 5, "wrong").source == "x" * 400
    assert long.diagnostic_at(1, 500, "wrong").source == ""


def test_a_line_is_shown_without_control_characters() -> None:
    assert SourceMap("f", "a\x1b[0m\tb\u202ec", dict).diagnostic_at(1, 1, "wrong").source == "a [0m b c"
    assert printable("plain é") == "plain é"


def test_lines_and_columns_count_from_one() -> None:
    lines = LineIndex("ab\r\nc\n\nd")
    assert [lines.place(at) for at in (0, 1, 4, 5, 6, 7)] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1)]


def test_an_invalid_leaf_says_so() -> None:
    assert str(INVALID) == "an invalid value"
