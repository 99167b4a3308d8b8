"""JSON as plain values, parsed by the json module; a second pass finds positions, only when there are errors."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.syntax.scalars import InvalidScalar, bounded, finite
from smplan.core.blueprint import INVALID, LineIndex, SourceMap, SourceRange
from smplan.core.values import PartialValue, Path
from smplan.core.wording import quoted

MAX_DEPTH = 64
MAX_VALUES = 100_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


class _Suspect(ValueError):
    """The json module accepts this, a blueprint does not."""


def compose(text: str, source_map: SourceMap, diagnostics: Diagnostics) -> PartialValue:
    """The value of ``text``; errors are added to ``diagnostics``. Raises TooManyErrors if it is not JSON."""
    if text.count(",") > MAX_VALUES:
        message = f"the file has more than {MAX_VALUES} values"
        raise diagnostics.fatal(source_map.diagnostic_at(1, 1, message, "split it into several blueprints"))
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_int=_int, parse_float=_float, parse_constant=_constant)
    except json.JSONDecodeError as error:
        message, hint, position = _explained(text, error)
        line, column = LineIndex(text).place(position)
        raise diagnostics.fatal(source_map.diagnostic_at(line, column, message, hint)) from None
    except (ValueError, RecursionError):
        value = INVALID
    if value is INVALID or _SUSPECT.search(text) or _too_deep(value):
        before = len(diagnostics.found)
        walker = _Walker(text, source_map, diagnostics)
        walker.run()
        if len(diagnostics.found) > before or value is INVALID:
            value = walker.value
    return value


def locate(text: str) -> dict[Path, SourceRange]:
    """The position of every value in ``text``, as far as it can be parsed."""
    walker = _Walker(text, SourceMap("", "", dict), Diagnostics(limit=None))
    with suppress(TooManyErrors):
        walker.run()
    return walker.ranges


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Suspect
    return made


def _int(text: str) -> int:
    return bounded(int(text)) if len(text) < 40 else _constant(text)


def _float(text: str) -> float:
    return finite(text)


def _constant(text: str) -> int:
    raise _Suspect(text)


def _too_deep(value: PartialValue) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, (dict, list))
            for item in (node.values() if isinstance(node, dict) else node)
        ]
    return any(isinstance(node, (dict, list)) for node in level)


_FOREIGN = {"True": "true", "False": "false", "None": "null", "undefined": "null"}


def _explained(text: str, error: json.JSONDecodeError) -> tuple[str, str, int]:
    """Message, hint and position of what the json module refuses."""
    at = error.pos
    rest, before = text[at:].lstrip(), text[:at].rstrip()
    word = re.match(r"[\w'-]*", rest)
    word_at = word[0] if word else ""
    if not text.strip():
        return "the file is empty", 'start it with {"smplan": 1', 0
    if rest.startswith(("//", "#", "/*")):
        return "JSON has no comments", "remove it, or use YAML: a file whose name ends in .yaml", len(text) - len(rest)
    if rest[:1] in ("}", "]") and before.endswith(","):
        return f"there is a comma before `{rest[0]}`", "remove the last comma", len(before) - 1
    if "Illegal trailing comma" in error.msg:  # Python 3.13
        return f"there is a comma before `{rest.lstrip(', ')[:1]}`", "remove the last comma", at
    if word_at in _FOREIGN:
        return f"this is not JSON: `{word_at}`", f"write `{_FOREIGN[word_at]}`", at
    if rest.startswith("'"):
        return "this is not JSON: text is in single quotes", "use double quotes", at
    return f"this is not JSON: {error.msg}", _hint(error.msg, text, rest, before), at


def _hint(problem: str, text: str, rest: str, before: str) -> str:
    if "property name" in problem:
        return "put each key in double quotes"
    if "delimiter" in problem and not rest:
        return "a bracket or brace is not closed"
    if "',' delimiter" in problem:
        digits = before.endswith("0") and rest[:1].isdigit()
        return "a number cannot begin with 0" if digits else "add the comma that is missing, or close the quote before"
    if "control character" in problem:
        return "close the quote in the same line; write \\n for a line break, \\t for a tab"
    if "Unterminated string" in problem:
        return "close the quote"
    if "Extra data" in problem:
        return "one bracket or brace is closed too many: remove it, or what follows"
    return "" if text.lstrip()[:1] in "{[" else "is this YAML? Then let the name of the file end in .yaml"


@dataclass(slots=True)
class _Frame:
    node: Any
    path: Path
    key: str | None = None
    key_at: int = 0


class _Walker:
    """Walks through valid JSON token by token: builds values, records positions, reports what is not allowed."""

    def __init__(self, text: str, source_map: SourceMap, diagnostics: Diagnostics) -> None:
        self.text, self.source_map, self.diagnostics = text, source_map, diagnostics
        self.lines = LineIndex(text)
        self.ranges: dict[Path, SourceRange] = {}
        self.root: list[PartialValue] = []
        self.frames = [_Frame(self.root, ())]

    @property
    def value(self) -> PartialValue:
        return self.root[0] if self.root else None

    def run(self) -> None:
        for found in _TOKEN.finditer(self.text):
            token, at = found[0], found.start()
            if token in "{[":
                self.open(token, at)
            elif token in "}]" and len(self.frames) > 1:
                self.frames.pop()
            elif token not in "}],:":
                self.leaf(token, at)

    def report(self, at: int, message: str, hint: str = "") -> None:
        self.diagnostics.add(self.source_map.diagnostic_at(*self.lines.place(at), message, hint))

    def open(self, token: str, at: int) -> None:
        if len(self.frames) > MAX_DEPTH:
            message = f"this is nested more than {MAX_DEPTH} levels deep"
            raise self.diagnostics.fatal(self.source_map.diagnostic_at(*self.lines.place(at), message))
        node: PartialValue = {} if token == "{" else []
        path = self.put(node, at)
        self.frames.append(_Frame(node, path))

    def leaf(self, token: str, at: int) -> None:
        frame = self.frames[-1]
        value = self.scalar(token, at)
        if isinstance(frame.node, dict) and frame.key is None:
            self.key(frame, value if isinstance(value, str) else token, at)
        else:
            self.put(value, at)

    def key(self, frame: _Frame, key: str, at: int) -> None:
        if key in frame.node:
            first = self.ranges[(*frame.path, key)].key_line
            self.report(at, f"{quoted(key)} is given twice", f"first given in line {first}")
        frame.key, frame.key_at = key, at

    def scalar(self, token: str, at: int) -> PartialValue:
        try:
            value = json.loads(token, parse_int=_int, parse_float=_float, parse_constant=_constant)
        except InvalidScalar as invalid:
            self.report(at, str(invalid), invalid.hint)
            return INVALID
        except ValueError:
            self.report(at, f"{quoted(token)} is not a supported number", "write a finite number of 64 bits")
            return INVALID
        if isinstance(value, str) and _UNSENDABLE.search(value):
            self.report(at, "text cannot contain NUL or a lone surrogate")
            return INVALID
        return value

    def put(self, value: PartialValue, at: int) -> Path:
        """Add ``value`` to the current list or map, and return its path; the first of two equal keys counts."""
        frame = self.frames[-1]
        line, column = self.lines.place(at)
        if isinstance(frame.node, dict):
            key, frame.key = frame.key or "", None
            path = (*frame.path, key)
            frame.node.setdefault(key, value)
            self.ranges.setdefault(path, SourceRange(line, column, *self.lines.place(frame.key_at)))
            return path
        path = () if frame.node is self.root else (*frame.path, len(frame.node))
        frame.node.append(value)
        self.ranges.setdefault(path, SourceRange(line, column, line, column))
        return path
