"""YAML as plain values: libyaml's events, composed here without recursion, so that everything has its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.syntax.scalars import OddScalar, plain
from smplan.core.blueprint import INVALID, LineIndex, SourceMap, SourceRange
from smplan.core.values import PartialValue, Path
from smplan.core.wording import quoted

MOST_DEPTH = 64
MOST_VALUES = 100_000

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_DROPPED = None
_REMEDIES = (
    ("\\t", "indent with blanks, not with tabs"),
    ("mapping values are not allowed", 'text that holds ": " goes in quotes'),
    ("block end", "items of one list or map begin in the same column"),
    ("expected ',' or", "a bracket or brace is not closed, or a comma is missing"),
    ("could not find expected ':'", "a key is followed by a colon and a blank"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("cannot start any token", "text that begins with this character goes in quotes"),
)


@dataclass(slots=True)
class _Frame:
    """A list or map that is being filled. ``key`` is the key whose value comes next, in a map."""

    node: Any
    path: Path = ()
    is_map: bool = False
    wants_key: bool = False
    key: str | None = _DROPPED
    key_mark: Any = None
    lines: dict[str, int] = field(default_factory=dict)


def compose(text: str, marks: SourceMap, faults: Diagnostics, *, parser: Any = _PARSER) -> PartialValue:
    """The value ``text`` says; what may not be said is added to ``faults``, with INVALID in its place.

    Raises TooManyErrors if nothing that was read can be trusted.
    """
    return _Composer(marks, faults, None).run(text, parser)


def locate(text: str) -> dict[Path, SourceRange]:
    """Where everything in ``text`` stands, as far as it can be read."""
    places: dict[Path, SourceRange] = {}
    with suppress(TooManyErrors):
        _Composer(SourceMap("", "", dict), Diagnostics(limit=None), places).run(text, _PARSER)
    return places


class _Composer:
    def __init__(self, marks: SourceMap, faults: Diagnostics, places: dict[Path, SourceRange] | None) -> None:
        self.marks, self.faults, self.places = marks, faults, places
        self.root: list[PartialValue] = []
        self.frames = [_Frame(self.root)]
        self.documents = self.count = 0

    def run(self, text: str, parser: Any) -> PartialValue:
        try:
            for event in _events(text, parser):
                if not self.take(event):
                    break
        except yaml.YAMLError as error:
            self.broken(error)
        return self.root[0] if self.root else None

    def broken(self, error: yaml.YAMLError) -> None:
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
        hint = next((hint for sign, hint in _REMEDIES if sign in problem), "")
        raise self.end(getattr(error, "problem_mark", None), f"this is not YAML: {problem}", hint)

    def fault(self, mark: Any, message: str, hint: str = "") -> None:
        self.faults.add(self.marks.diagnostic_at(mark.line + 1, mark.column + 1, message, hint))

    def end(self, mark: Any, message: str, hint: str = "") -> TooManyErrors:
        """A fault after which nothing that was read can be trusted."""
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        written = self.marks.text.rstrip()
        if mark is not None and written and mark.index >= len(written):
            line, column = LineIndex(written).place(len(written))
        return self.faults.end(self.marks.diagnostic_at(line, column, message, hint))

    def take(self, event: Any) -> bool:
        """Work one event in; whether to go on."""
        kind = type(event)
        if kind is events.ScalarEvent:
            self.scalar(event)
        elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            self.open(event, is_map=kind is events.MappingStartEvent)
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            self.close(self.frames.pop())
        elif kind is events.AliasEvent:
            self.fault(event.start_mark, "aliases are not used here", "write the value out, or use a variable")
            self.put(INVALID, event.start_mark)
        elif kind is events.DocumentStartEvent:
            return self.document(event)
        return True

    def document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.fault(event.start_mark, "a file holds one document", "move what follows `---` to a file of its own")
        elif event.version or event.tags:
            self.fault(event.start_mark, "directives are not used here", "take the lines that begin with % away")
        return self.documents == 1

    def open(self, event: Any, *, is_map: bool) -> None:
        if len(self.frames) > MOST_DEPTH:
            raise self.end(event.start_mark, f"this is nested more than {MOST_DEPTH} levels deep")
        self.unmarked(event)
        parent = self.frames[-1]
        path = self.path_of(parent)
        if parent.is_map and parent.wants_key:
            self.fault(event.start_mark, "a key must be text", "quote it, if it was meant as text")
        self.place(path, event.start_mark, parent)
        self.frames.append(_Frame({} if is_map else [], path, is_map, wants_key=is_map))

    def close(self, frame: _Frame) -> None:
        parent = self.frames[-1]
        if parent.is_map and parent.wants_key:
            parent.key, parent.wants_key = _DROPPED, False
        else:
            self.put(frame.node, None)

    def scalar(self, event: Any) -> None:
        self.unmarked(event)
        frame = self.frames[-1]
        if frame.is_map and frame.wants_key:
            self.key(frame, event)
        else:
            self.put(self.value(event), event.start_mark)

    def value(self, event: Any) -> PartialValue:
        if not event.style:
            try:
                return plain(event.value)
            except OddScalar as odd:
                self.fault(event.start_mark, str(odd), odd.hint)
                return INVALID
        if event.style == '"' and _UNSENDABLE.search(event.value):
            self.fault(event.start_mark, "text cannot hold NUL or half a surrogate pair")
            return INVALID
        return event.value

    def key(self, frame: _Frame, event: Any) -> None:
        """A key: text, given once."""
        key, mark = event.value, event.start_mark
        frame.wants_key, frame.key, frame.key_mark = False, key, mark
        value = self.value(event)
        if value is INVALID:
            return
        if key == "<<" and not event.style:
            self.fault(mark, "merge keys are not used here", "write the entries out")
            frame.key = _DROPPED
        elif not isinstance(value, str):
            self.fault(mark, f"a key must be text: {quoted(key)} is not", f'quote it: "{key[:40]}"')
        elif key in frame.lines:
            self.fault(mark, f"{quoted(key)} is given twice", f"it stands in line {frame.lines[key]} already")
            frame.key = _DROPPED
        else:
            frame.lines[key] = mark.line + 1

    def put(self, value: PartialValue, mark: Any) -> None:
        """Work ``value`` into the list or map at hand; ``mark`` is None if its place is known already."""
        frame = self.frames[-1]
        self.count += 1
        if self.count > MOST_VALUES:
            raise self.end(
                mark, f"the file holds more than {MOST_VALUES} values", "split it into blueprints of their own"
            )
        if mark is not None:
            self.place(self.path_of(frame), mark, frame)
        if not frame.is_map:
            frame.node.append(value)
        elif frame.wants_key:
            frame.wants_key, frame.key = False, _DROPPED
        else:
            if frame.key is not _DROPPED:
                frame.node.setdefault(frame.key, value)
            frame.wants_key = True

    def path_of(self, frame: _Frame) -> Path:
        """The path of what comes next in ``frame``; kept only while places are asked for."""
        if self.places is None or frame.node is self.root:
            return ()
        return (*frame.path, frame.key or "" if frame.is_map else len(frame.node))

    def place(self, path: Path, mark: Any, frame: _Frame) -> None:
        if self.places is not None and not (frame.is_map and frame.key is _DROPPED):
            key = frame.key_mark if frame.is_map else mark
            place = SourceRange(mark.line + 1, mark.column + 1, key.line + 1, key.column + 1)
            self.places.setdefault(path, place)

    def unmarked(self, event: Any) -> None:
        """Refuse anchors and tags."""
        if event.anchor is not None:
            self.fault(event.start_mark, f"anchors are not used here: &{event.anchor[:40]}", "write the value out")
        if event.tag is not None:
            self.fault(event.start_mark, f"tags are not used here: {event.tag[:40]}", "leave the tag out")


def _events(text: str, parser: Any) -> Iterator[Any]:
    loader = parser(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()
