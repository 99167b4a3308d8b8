"""Errors as text: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.errors import BlueprintInvalid, Diagnostic, SmplanError
from smplan.render.formatting import one_line, plain


def text(error: SmplanError, *, colour: bool = False) -> str:
    """What went wrong, and the hint; every fault of a blueprint with its line and a caret under the place."""
    lines: list[str] = []
    if isinstance(error, BlueprintInvalid):
        for fault in error.faults:
            lines += [*_fault(fault, colour=colour), ""]
    name = f"{one_line(error.address)}: " if error.address and not error.message.startswith(error.address) else ""
    lines.append(f"{_red('error', colour=colour)}: {name}{plain(error.message)}")
    if error.hint:
        lines.append(f"  = {plain(error.hint)}")
    return "\n".join(lines)


def _fault(fault: Diagnostic, *, colour: bool) -> Iterator[str]:
    yield f"{one_line(fault.place)}: {_red(one_line(fault.message), colour=colour)}"
    if fault.source:
        source = plain(fault.source).replace("\t", " ")
        number = str(fault.line)
        yield f"  {number} | {source}"
        yield f"  {' ' * len(number)} | {' ' * (fault.column - 1)}^"
    if fault.hint:
        yield f"  = {one_line(fault.hint)}"


def _red(words: str, *, colour: bool) -> str:
    return f"\x1b[31m{words}\x1b[0m" if colour else words
