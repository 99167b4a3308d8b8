"""Single mistakes, and all that fit in one file: each is found at its line, and its remedy helps.

``mistakes/expected.json`` holds the line, a part of the message and of the hint of each, and the fix that the hint asks
for: a text of the file and its replacement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from smplan.blueprint.load import load
from smplan.drivers.registry import catalogue
from smplan.errors import BlueprintInvalid, Diagnostic

FOLDER = Path(__file__).parent / "mistakes"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def diagnostics(path: Path) -> Sequence[Diagnostic]:
    try:
        return load(path, catalogue=catalogue(), environ={}).warnings
    except BlueprintInvalid as invalid:
        return invalid.diagnostics


@pytest.mark.parametrize("name", EXPECTED["single"])
def test_a_mistake_is_reported_once_at_its_line_with_a_remedy_that_helps(name: str, tmp_path: Path) -> None:
    wanted = EXPECTED["single"][name]
    (found,) = diagnostics(FOLDER / name)
    assert wanted["message"] in found.message
    assert found.line == wanted["line"]
    assert found.column > 0
    assert wanted["hint"] in found.hint
    if "fix" in wanted:
        old, new = wanted["fix"]
        fixed = tmp_path / name
        fixed.write_text((FOLDER / name).read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
        assert diagnostics(fixed) == (), "what the hint asks for must make the blueprint valid"


def test_every_file_has_an_expectation() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*EXPECTED["single"], "all.yaml", "expected.json"}


def test_all_mistakes_that_fit_in_one_file_are_reported_at_their_lines() -> None:
    found = [(each.line, each.message) for each in diagnostics(FOLDER / "all.yaml")]
    missed = [
        wanted["name"]
        for wanted in EXPECTED["all"]
        if not any(line == wanted["line"] and wanted["message"] in message for line, message in found)
    ]
    assert missed == []
    assert len(found) == len(EXPECTED["all"]), "each mistake is reported once"


def test_there_are_enough_mistakes() -> None:
    singles, together = len(EXPECTED["single"]), len(EXPECTED["all"])
    print(f"{singles} single mistakes, {together} in one file: each found, placed, and gone after the fix of its hint")  # noqa: T201  # the figures of `make mistakes`
    assert singles >= 60
    assert together >= 60
