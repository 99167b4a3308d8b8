"""YAML as plain values with positions, composed from libyaml's events without recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.syntax import yaml_faults
from smplan.blueprint.syntax.scalars import InvalidScalar, plain
from smplan.core.blueprint import INVALID, LineIndex, SourceMap, SourceRange
from smplan.core.values import PartialValue, Path
from smplan.core.wording import quoted

MAX_DEPTH = 64
MAX_VALUES = 100_000

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_DROPPED = None


@dataclass(slots=True)
class _Frame:
    """A list or map being built. ``key``, in a map, is the key of the next value."""

    node: Any
    path: Path = ()
    is_map: bool = False
    wants_key: bool = False
    key: str | None = _DROPPED
    key_mark: Any = None
    lines: dict[str, int] = field(default_factory=dict)


def compose(text: str, source_map: SourceMap, diagnostics: Diagnostics, *, parser: Any = _PARSER) -> PartialValue:
    """The value of ``text``; what is not allowed is added to ``diagnostics``, with INVALID in its place.

    Raises TooManyErrors if the rest cannot be parsed.
    """
    return _Composer(source_map, diagnostics, None).run(text, parser)


def locate(text: str) -> dict[Path, SourceRange]:
    """Where everything in ``text`` stands, as far as it can be read."""
    ranges: dict[Path, SourceRange] = {}
    with suppress(TooManyErrors):
        _Composer(SourceMap("", "", dict), Diagnostics(limit=None), ranges).run(text, _PARSER)
    return ranges


class _Composer:
    def __init__(self, source_map: SourceMap, diagnostics: Diagnostics, ranges: dict[Path, SourceRange] | None) -> None:
        self.source_map, self.diagnostics, self.ranges = source_map, diagnostics, ranges
        self.root: list[PartialValue] = []
        self.frames = [_Frame(self.root)]
        self.documents = self.count = 0

    def run(self, text: str, parser: Any) -> PartialValue:
        try:
            for event in _events(text, parser):
                if not self.handle(event):
                    break
        except yaml.YAMLError as error:
            self.broken(error)
        return self.root[0] if self.root else None

    def broken(self, error: yaml.YAMLError) -> None:
        found = yaml_faults.explained(error, self.source_map.text)
        at = self.source_map.diagnostic_at(found.line, found.column, found.message, found.hint)
        raise self.diagnostics.fatal(at)

    def report(self, mark: Any, message: str, hint: str = "") -> None:
        self.diagnostics.add(self.source_map.diagnostic_at(mark.line + 1, mark.column + 1, message, hint))

    def fatal(self, mark: Any, message: str, hint: str = "") -> TooManyErrors:
        """Report an error that makes the rest unreadable; returns the exception to raise."""
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        written = self.source_map.text.rstrip()
        if mark is not None and written and mark.index >= len(written):
            line, column = LineIndex(written).place(len(written))
        return self.diagnostics.fatal(self.source_map.diagnostic_at(line, column, message, hint))

    def handle(self, event: Any) -> bool:
        """Process one event; returns whether to continue."""
        kind = type(event)
        if kind is events.ScalarEvent:
            self.scalar(event)
        elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            self.open(event, is_map=kind is events.MappingStartEvent)
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            self.close(self.frames.pop())
        elif kind is events.AliasEvent:
            frame = self.frames[-1]
            if not frame.is_map or frame.wants_key or frame.key is not _DROPPED:  # a merge key is reported already
                self.report(event.start_mark, "aliases are not supported", "write the value out, or use a variable")
            self.put(INVALID, event.start_mark)
        elif kind is events.DocumentStartEvent:
            return self.document(event)
        return True

    def document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.report(event.start_mark, "a file holds one document", "move what follows `---` to a file of its own")
        elif event.version or event.tags:
            self.report(event.start_mark, "directives are not used here", "remove the lines that begin with %")
        return self.documents == 1

    def open(self, event: Any, *, is_map: bool) -> None:
        if len(self.frames) > MAX_DEPTH:
            raise self.fatal(event.start_mark, f"this is nested more than {MAX_DEPTH} levels deep")
        self.unmarked(event)
        parent = self.frames[-1]
        path = self.path_of(parent)
        if parent.is_map and parent.wants_key:
            self.report(event.start_mark, "a key must be text", "quote it, if it was meant as text")
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
            except InvalidScalar as invalid:
                self.report(event.start_mark, str(invalid), invalid.hint)
                return INVALID
        if event.style == '"' and _UNSENDABLE.search(event.value):
            self.report(event.start_mark, "text cannot contain NUL or a lone surrogate")
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
            self.report(mark, "merge keys are not supported", "write the entries out")
            frame.key = _DROPPED
        elif not isinstance(value, str):
            self.report(mark, f"a key must be text: {quoted(key)} is not", f'quote it: "{key[:40]}"')
        elif key in frame.lines:
            self.report(mark, f"{quoted(key)} is given twice", f"first given in line {frame.lines[key]}")
            frame.key = _DROPPED
        else:
            frame.lines[key] = mark.line + 1

    def put(self, value: PartialValue, mark: Any) -> None:
        """Add ``value`` to the current list or map; ``mark`` is None if its position is recorded already."""
        frame = self.frames[-1]
        self.count += 1
        if self.count > MAX_VALUES:
            raise self.fatal(mark, f"the file has more than {MAX_VALUES} values", "split it into several blueprints")
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
        """The path of the next value in ``frame``; tracked only while positions are recorded."""
        if self.ranges is None or frame.node is self.root:
            return ()
        return (*frame.path, frame.key or "" if frame.is_map else len(frame.node))

    def place(self, path: Path, mark: Any, frame: _Frame) -> None:
        if self.ranges is not None and not (frame.is_map and frame.key is _DROPPED):
            key = frame.key_mark if frame.is_map else mark
            place = SourceRange(mark.line + 1, mark.column + 1, key.line + 1, key.column + 1)
            self.ranges.setdefault(path, place)

    def unmarked(self, event: Any) -> None:
        """Reject anchors and tags."""
        if event.anchor is not None:
            self.report(event.start_mark, f"anchors are not supported: &{event.anchor[:40]}", "write the value out")
        if event.tag is not None:
            self.report(event.start_mark, f"tags are not supported: {event.tag[:40]}", "leave the tag out")


def _events(text: str, parser: Any) -> Iterator[Any]:
    loader = parser(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()
