"""Errors of the YAML parser in words: what was probably meant, at the place to fix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from smplan.core.blueprint import LineIndex
from smplan.core.wording import quoted

_HINTS = (
    ("found unknown escape character", "write `\\\\` for a backslash in double quotes, or use single quotes"),
    ("expected alphabetic or numeric", "put text that begins with `*` or `&` in quotes"),
    ("cannot start any token", "put text that begins with this character in quotes"),
    ("expected ',' or", "close the bracket or brace, or add the comma that is missing"),
    ("did not find expected key", "start all keys of a map in the same column"),
    ("block end", "start all items of a list or map in the same column"),
)
_KEY = re.compile(r"\s*(?:- )?[\w.\"'-]+:(?:\s|$)")
_TWO_KEYS = re.compile(r"\s*(?:- )?[\w.\"'-]+:\s+\S.*?:(?:\s|$)")
_NO_COLON = re.compile(r"\s*(?:- )?([\w.-]+)(?:(?:\s+|:)(\S.*))?$")


@dataclass(frozen=True)
class Fault:
    """One error; line and column are 1-based, 0 where there is none."""

    message: str
    hint: str
    line: int
    column: int


def explained(error: yaml.YAMLError, text: str) -> Fault:
    """The error in words."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    lines = text.splitlines() or [""]
    line, column = _place(mark, text)
    return (
        _tab(lines, line)
        or _open_quote(error, problem, context)
        or _open_bracket(error, context, lines, line, column)
        or _no_colon(problem, context, lines, line)
        or _two_values(problem, lines, line, column)
        or _open_quote_above(lines, line, problem)
        or Fault(
            f"this is not YAML: {problem}", next((hint for sign, hint in _HINTS if sign in problem), ""), line, column
        )
    )


def _place(mark: Any, text: str) -> tuple[int, int]:
    """The place of ``mark``; the last character of the text if it is beyond it."""
    written = text.rstrip()
    if mark is not None and written and mark.index >= len(written):
        return LineIndex(written).place(len(written))
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


def _line(lines: list[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _tab(lines: list[str], line: int) -> Fault | None:
    indent = re.match(r" *\t", _line(lines, line))
    return Fault("a tab indents this line", "indent with spaces, not with tabs", line, indent.end()) if indent else None


def _open_quote(error: Any, problem: str, context: Any) -> Fault | None:
    if "unexpected end of stream" not in problem or context is None or "quoted" not in str(error.context):
        return None
    return Fault("this quote is not closed", "close it, in this line", context.line + 1, context.column + 1)


def _open_bracket(error: Any, context: Any, lines: list[str], line: int, column: int) -> Fault | None:
    """A bracket that is not closed: where it opens, if that is in an earlier line."""
    if context is None or "flow" not in str(error.context):
        return None
    before = _line(lines, line)[: column - 1]
    if before.endswith(("${", "$")):
        return Fault(
            "`${` begins a map here, because the text is not in quotes", 'write "${…}" in quotes', line, column
        )
    sign = _line(lines, context.line + 1)[context.column : context.column + 1]
    closing = {"[": "]", "{": "}"}.get(sign, sign)
    where = (context.line + 1, context.column + 1) if context.line + 1 < line else (line, column)
    message = f"the `{sign}` of line {context.line + 1}, column {context.column + 1} is not closed"
    return Fault(message, f"close it with `{closing}`, or add the comma that is missing in line {line}", *where)


def _no_colon(problem: str, context: Any, lines: list[str], line: int) -> Fault | None:
    """A key without a colon, in this line or the one before."""
    number = 0
    if "could not find expected ':'" in problem and context is not None:
        number = context.line + 1
    elif "mapping values are not allowed" in problem and not _TWO_KEYS.match(_line(lines, line)):
        number = next((each for each in range(line - 1, 0, -1) if _line(lines, each).strip()), 0)
    text = _line(lines, number)
    found = None if not number or _KEY.match(text) else _NO_COLON.match(text)
    if found is None:
        return None
    written = f"{found[1]}: {found[2] or ''}".rstrip()
    hint = f"write {quoted(written)}"
    if found[2] is None:
        hint += "; the lines of a text after `|` are indented deeper than its key"
    return Fault(
        f"there is no colon and space after {quoted(found[1])}", hint, number, len(text) - len(text.lstrip()) + 1
    )


def _two_values(problem: str, lines: list[str], line: int, column: int) -> Fault | None:
    if "mapping values are not allowed" not in problem:
        return None
    if _TWO_KEYS.match(_line(lines, line)):
        return Fault("this value contains a colon and a space", 'put text that contains ": " in quotes', line, column)
    hint = "start it in the same column as the line before, or remove the value there"
    return Fault("this line is indented deeper than the one before, which has a value already", hint, line, column)


def _open_quote_above(lines: list[str], line: int, problem: str) -> Fault | None:
    """An odd number of quotes in a line above: the parser took what follows for the quoted text."""
    if "expected" not in problem:
        return None
    for number in range(1, line + 1):
        text = re.sub(r"\\.|#.*", "", _line(lines, number))
        if text.count('"') % 2:
            return Fault("a quote in this line is not closed", "close it, in this line", number, text.rindex('"') + 1)
    return None
