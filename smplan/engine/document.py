"""A file that a person wrote, as plain values that know where they stand: YAML, or JSON if its name says so."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from smplan.core.blueprint import Lines, Marks
from smplan.core.values import Tree
from smplan.engine import document_json, document_yaml
from smplan.engine.load_faults import Faults
from smplan.errors import Fault

MOST_BYTES = 1024 * 1024

# What YAML calls printable, with tab and the line breaks; anything else in a file is a slip of a tool.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read(path: Path, faults: Faults) -> bytes:
    """The bytes of ``path``, at most 1 MiB. Raises EnoughFaults."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise faults.end(Fault("there is no such file", _neighbours(path), file=str(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise faults.end(Fault(f"the file cannot be read: {reason}", file=str(path))) from None
    if len(data) > MOST_BYTES:
        message, remedy = "the file is larger than 1 MiB", "move long texts to files of their own: {file: path}"
        raise faults.end(Fault(message, remedy, file=str(path)))
    return data


def _neighbours(path: Path) -> str:
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml", ".json"))
    except (OSError, ValueError):
        return ""
    return f"beside it there is: {', '.join(names)}" if 0 < len(names) <= 8 else ""


def parse(data: bytes, path: Path, faults: Faults) -> tuple[Tree, Marks]:
    """What ``data``, read from ``path``, says, and where. Raises EnoughFaults if it cannot be read at all."""
    return parse_text(_decoded(data, path, faults), str(path), faults, as_json=path.suffix == ".json")


def parse_text(text: str, file: str, faults: Faults, *, as_json: bool = False) -> tuple[Tree, Marks]:
    """What ``text`` says, and where; ``file`` is how its places are called. Raises EnoughFaults."""
    language = document_json if as_json else document_yaml
    marks = Marks(file, text, partial(language.locate, text))
    odd = None if as_json else _UNPRINTABLE.search(text)
    if odd:
        line, column = Lines(text).place(odd.start())
        message = f"the character U+{ord(odd[0]):04X} cannot stand in YAML"
        raise faults.end(marks.fault_at(line, column, message, "take it away, or write it as an escape in quotes"))
    return language.compose(text, marks, faults), marks


def _decoded(data: bytes, path: Path, faults: Faults) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        line, column = Lines(before).place(len(before))
        message, remedy = "this is not UTF-8 text", "save the file as UTF-8"
        raise faults.end(Fault(message, remedy, file=str(path), line=line, column=column)) from None
