"""YAML and JSON files as plain values with their positions."""

from __future__ import annotations

import re
import stat
from functools import partial
from pathlib import Path

from smplan.blueprint.diagnostics import Diagnostics
from smplan.blueprint.syntax import json_text, yaml_text
from smplan.core.blueprint import LineIndex, SourceMap
from smplan.core.values import PartialValue
from smplan.errors import Diagnostic

MAX_BYTES = 1024 * 1024

# What YAML calls printable, with tab and the line breaks; anything else in a file is a mistake of some tool.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read(path: Path, diagnostics: Diagnostics) -> bytes:
    """The bytes of ``path``, at most 1 MiB. Raises TooManyErrors, also for a pipe or device in a folder."""
    try:
        if not is_readable(path):
            raise diagnostics.fatal(Diagnostic("this is not a regular file", file=str(path)))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise diagnostics.fatal(Diagnostic("there is no such file", _neighbours(path), file=str(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise diagnostics.fatal(Diagnostic(f"the file cannot be read: {reason}", file=str(path))) from None
    if len(data) > MAX_BYTES:
        message, hint = "the file is larger than 1 MiB", "move long texts to separate files: {file: path}"
        raise diagnostics.fatal(Diagnostic(message, hint, file=str(path)))
    return data


def is_readable(path: Path) -> bool:
    """Whether reading ``path`` ends: not for a pipe or device, except standard input and what the shell passes."""
    mode = path.stat().st_mode
    return (
        stat.S_ISREG(mode) or stat.S_ISDIR(mode) or str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/"))
    )


def _neighbours(path: Path) -> str:
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml", ".json"))
    except (OSError, ValueError):
        return ""
    return f"files beside it: {', '.join(names)}" if 0 < len(names) <= 8 else ""


def parse(data: bytes, path: Path, diagnostics: Diagnostics) -> tuple[PartialValue, SourceMap]:
    """The value of ``data``, read from ``path``, and its source map. Raises TooManyErrors if it cannot be parsed."""
    return parse_text(_decoded(data, path, diagnostics), str(path), diagnostics, as_json=path.suffix == ".json")


def parse_text(
    text: str, file: str, diagnostics: Diagnostics, *, as_json: bool = False
) -> tuple[PartialValue, SourceMap]:
    """The value of ``text`` and its source map; ``file`` is the name shown in errors. Raises TooManyErrors."""
    language = json_text if as_json else yaml_text
    source_map = SourceMap(file, text, partial(language.locate, text))
    odd = None if as_json else _UNPRINTABLE.search(text)
    if odd:
        line, column = LineIndex(text).place(odd.start())
        message = f"the character U+{ord(odd[0]):04X} is not allowed in YAML"
        raise diagnostics.fatal(
            source_map.diagnostic_at(line, column, message, "remove it, or write it as an escape in quotes")
        )
    return language.compose(text, source_map, diagnostics), source_map


def _decoded(data: bytes, path: Path, diagnostics: Diagnostics) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        line, column = LineIndex(before).place(len(before))
        message, hint = "this is not UTF-8 text", "save the file as UTF-8"
        raise diagnostics.fatal(Diagnostic(message, hint, file=str(path), line=line, column=column)) from None
