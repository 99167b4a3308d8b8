"""The loaded blueprint: one Resource per instance, and the source position of each value.

``when``, ``for_each``, ``var.`` and ``each.`` are resolved; the remaining references are to resources and lookups.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from smplan.core.values import Json, PartialValue, Path, Placeholder
from smplan.errors import Diagnostic, Severity

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_LONGEST_SOURCE = 400


class InvalidValue(Placeholder):
    """A leaf in place of a value that was reported as invalid, so that it is reported once."""

    __slots__ = ()

    def __str__(self) -> str:
        return "an invalid value"


INVALID = InvalidValue()


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Where a value and its key begin; 1-based, columns count characters."""

    line: int
    column: int
    key_line: int
    key_column: int


class LineIndex:
    """Lines and columns of positions in a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in _LINE_BREAK.finditer(text))]

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, 1-based."""
        line = bisect_right(self._starts, position)
        return line, position - self._starts[line - 1] + 1


@dataclass(frozen=True)
class SourceMap:
    """The source range of each path in ``file``. ``locate`` finds all of them, and runs only when needed."""

    file: str
    text: str = field(repr=False)
    locate: Callable[[], Mapping[Path, SourceRange]] = field(repr=False)

    @cached_property
    def ranges(self) -> Mapping[Path, SourceRange]:
        """The source range by path."""
        return self.locate()

    @cached_property
    def _lines(self) -> list[str]:
        return _LINE_BREAK.split(self.text)

    def diagnostic(
        self, path: Path, message: str, hint: str = "", *, key: bool = False, severity: Severity = "error"
    ) -> Diagnostic:
        """A diagnostic at ``path``, or at its key if ``key``; without a source range, at the nearest path above."""
        for length in range(len(path), -1, -1):
            place = self.ranges.get(path[:length])
            if place is not None:
                at_key = key and length == len(path)
                line, column = (place.key_line, place.key_column) if at_key else (place.line, place.column)
                return replace(self.diagnostic_at(line, column, message, hint, path=path), severity=severity)
        return Diagnostic(message, hint, file=self.file, path=path, severity=severity)

    def diagnostic_at(self, line: int, column: int, message: str, hint: str = "", *, path: Path = ()) -> Diagnostic:
        """A diagnostic at a line and column (1-based), with the text of the line."""
        source = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        shown = "" if column > _LONGEST_SOURCE else printable(source[:_LONGEST_SOURCE]).rstrip()
        return Diagnostic(message, hint, file=self.file, line=line, column=column, source=shown, path=path)


def printable(text: str) -> str:
    """``text`` with each control character replaced by a blank, so that columns stay the same."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


@dataclass(frozen=True)
class Lifecycle:
    """What the engine may do to a resource. ``ignore`` holds dotted paths of the spec that are not managed."""

    prevent_destroy: bool = False
    ignore: tuple[str, ...] = ()
    adopt: bool = False
    adopt_from: str = ""
    """The owner, ``LINEAGE/ADDRESS``, from which it is taken over."""
    keep: bool = False
    """It is shared: used if it exists, created if not, and never deleted."""
    allow: tuple[str, ...] = ()
    """The ids of the guide's rules that it may break."""
    keep_generations: int = 0
    """How many replaced generations are not deleted, so that a former blueprint can have them back."""

    def may_adopt(self, owner: tuple[str, str] | None, lineage: str) -> bool:
        """Whether a resource of ``owner`` (lineage and address, or None) may be adopted by the state ``lineage``."""
        if self.adopt_from:
            return owner is not None and f"{owner[0]}/{owner[1]}" == self.adopt_from
        return self.adopt and (owner is None or owner[0] == lineage)


@dataclass(frozen=True)
class Moved:
    """An entry of ``moved``: the resource of address ``before`` is now ``after``. A name means all its instances."""

    before: str
    after: str
    path: Path


@dataclass(frozen=True)
class Resource:
    """One resource instance. Placeholders in ``spec`` refer to resources and lookups only."""

    address: str
    name: str
    key: str | None
    kind: str
    spec: PartialValue
    after: tuple[str, ...]
    """Addresses that come first although nothing refers to them."""
    lifecycle: Lifecycle
    path: Path
    """Its path in the document: the same for all instances of one ``for_each``."""


@dataclass(frozen=True)
class LookupDecl:
    """A resource that exists already and is only read; ``where`` may refer to other lookups."""

    name: str
    kind: str
    where: PartialValue
    path: Path


@dataclass(frozen=True)
class BackendConfig:
    """Where state lives: "local" (``path``) or "s3" (``bucket``, ``key``, ``kms_key_id``, ``region``)."""

    backend: str
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Blueprint:
    """A valid blueprint, with the values of its variables."""

    name: str
    region: str | None
    account: str | None
    stream_manager: PartialValue | None
    """``url``, ``connect_to``, ``access_token`` (a Secret) and ``api_version`` ("4.0" or "3.1")."""
    state: BackendConfig
    variables: Mapping[str, Json]
    lookups: tuple[LookupDecl, ...]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, PartialValue]
    digest: str
    """SHA-256, in hex, over the file, every file it reads, and the variables."""
    file: str
    source_map: SourceMap = field(compare=False, repr=False)
    moved: tuple[Moved, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
