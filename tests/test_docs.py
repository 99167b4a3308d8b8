"""The documentation is complete where the code can tell, and its links between files resolve."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import pytest

from smplan import errors
from smplan.core import events
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.state import journal
from smplan.core.state.model import ResourceState, State

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


def reference(name: str) -> str:
    """The text of a page in ``docs/reference``."""
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


def rows(text: str) -> dict[str, str]:
    """Every name in the first column of a table, and the rest of its row."""
    return {name: rest for cell, rest in ROW.findall(text) for name in re.findall(r"`?([\w.]+)`?", cell)}


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def members(of: Any) -> set[str]:
    """The names of the fields of a dataclass."""
    return {field.name for field in dataclasses.fields(of)}


def in_code(text: str) -> set[str]:
    """Every word between backticks."""
    return set(re.findall(r"`([\w.]+)`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_resolve(page: Path) -> None:
    text = re.sub(r"`[^`\n]+\]\([^`\n]*`", "", page.read_text(encoding="utf-8"))  # patterns in code
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if "decisions" not in page.parts], ids=lambda page: page.name)
def test_modules_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`((?:[\w]+/)+\w+\.py)`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or (ROOT / "smplan" / name).exists(), f"{page.name} names {name}"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"(?:`|\$ )make ([a-z][\w-]*)", text)) - targets == set()


@pytest.mark.parametrize("event", get_args(events.Event), ids=lambda event: event.__name__)
def test_every_event_is_documented_with_its_members(event: type) -> None:
    assert in_code(rows(reference("events.md"))[event.__name__]) >= members(event)


@pytest.mark.parametrize("entry", get_args(journal.JournalEntry), ids=lambda entry: entry.__name__)
def test_every_journal_entry_is_documented_with_its_members(entry: type) -> None:
    assert in_code(rows(reference("state-and-journal.md"))[entry.__name__]) >= members(entry)


@pytest.mark.parametrize(
    ("page", "of"),
    [("plan.md", Plan), ("plan.md", Step), ("state-and-journal.md", State), ("state-and-journal.md", ResourceState)],
)
def test_every_member_of_a_document_is_documented(page: str, of: type) -> None:
    assert rows(reference(page)).keys() >= members(of)


def test_every_op_is_documented() -> None:
    assert in_code(rows(reference("plan.md"))["op"]) >= set(Op)


def error_classes() -> Iterable[type[errors.SmplanError]]:
    """Every class of the error tree."""
    found = (each for _, each in inspect.getmembers(errors, inspect.isclass))
    return [each for each in found if issubclass(each, errors.SmplanError)]


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_class_is_documented_with_its_exit_code(error: type[errors.SmplanError]) -> None:
    assert error.__name__ in in_code(rows(reference("exit-codes.md"))[str(error.exit_code)])


def test_every_environment_variable_of_smplan_is_documented() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "smplan").rglob("*.py"))
    named = {name for name in re.findall(r"\bSMPLAN_[A-Z_]+\b", source) if not name.startswith("SMPLAN_VAR_")}
    assert rows(reference("environment-variables.md")).keys() >= {*named, "SMPLAN_VAR_name"}


STATEMENT = re.compile(r"^- (.+)$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("statement", STATEMENT.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
def test_every_statement_about_trust_names_its_tests(statement: str) -> None:
    named = TEST.findall(statement)
    assert named, statement
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"
