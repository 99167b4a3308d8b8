"""A file that a person wrote, as plain values that know where they stand: YAML, or JSON if its name says so."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from smplan.blueprint.diagnostics import Diagnostics
from smplan.blueprint.syntax import json_text, yaml_text
from smplan.core.blueprint import LineIndex, SourceMap
from smplan.core.values import PartialValue
from smplan.errors import Diagnostic

MOST_BYTES = 1024 * 1024

# What YAML calls printable, with tab and the line breaks; anything else in a file is a slip of a tool.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read(path: Path, faults: Diagnostics) -> bytes:
    """The bytes of ``path``, at most 1 MiB. Raises EnoughFaults."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise faults.end(Diagnostic("there is no such file", _neighbours(path), file=str(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise faults.end(Diagnostic(f"the file cannot be read: {reason}", file=str(path))) from None
    if len(data) > MOST_BYTES:
        message, hint = "the file is larger than 1 MiB", "move long texts to files of their own: {file: path}"
        raise faults.end(Diagnostic(message, hint, file=str(path)))
    return data


def _neighbours(path: Path) -> str:
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml", ".json"))
    except (OSError, ValueError):
        return ""
    return f"beside it there is: {', '.join(names)}" if 0 < len(names) <= 8 else ""


def parse(data: bytes, path: Path, faults: Diagnostics) -> tuple[PartialValue, SourceMap]:
    """What ``data``, read from ``path``, says, and where. Raises EnoughFaults if it cannot be read at all."""
    return parse_text(_decoded(data, path, faults), str(path), faults, as_json=path.suffix == ".json")


def parse_text(text: str, file: str, faults: Diagnostics, *, as_json: bool = False) -> tuple[PartialValue, SourceMap]:
    """What ``text`` says, and where; ``file`` is how its places are called. Raises EnoughFaults."""
    language = json_text if as_json else yaml_text
    marks = SourceMap(file, text, partial(language.locate, text))
    odd = None if as_json else _UNPRINTABLE.search(text)
    if odd:
        line, column = LineIndex(text).place(odd.start())
        message = f"the character U+{ord(odd[0]):04X} cannot stand in YAML"
        raise faults.end(marks.diagnostic_at(line, column, message, "take it away, or write it as an escape in quotes"))
    return language.compose(text, marks, faults), marks


def _decoded(data: bytes, path: Path, faults: Diagnostics) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        line, column = LineIndex(before).place(len(before))
        message, hint = "this is not UTF-8 text", "save the file as UTF-8"
        raise faults.end(Diagnostic(message, hint, file=str(path), line=line, column=column)) from None
