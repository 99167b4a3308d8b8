"""Errors as text: message, position and hint."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.errors import BlueprintInvalid, Diagnostic, SmplanError
from smplan.render.formatting import one_line, plain


def text(error: SmplanError, *, color: bool = False) -> str:
    """The message and hint of ``error``; each error of a blueprint with its source line and a caret."""
    lines: list[str] = []
    if isinstance(error, BlueprintInvalid):
        for diagnostic in error.diagnostics:
            lines += [*_diagnostic(diagnostic, color=color), ""]
    name = f"{one_line(error.address)}: " if error.address and not error.message.startswith(error.address) else ""
    lines.append(f"{_red('error', color=color)}: {name}{plain(error.message)}")
    if error.hint:
        lines.append(f"  = {plain(error.hint)}")
    return "\n".join(lines)


def _diagnostic(diagnostic: Diagnostic, *, color: bool) -> Iterator[str]:
    yield f"{one_line(diagnostic.place)}: {_red(one_line(diagnostic.message), color=color)}"
    if diagnostic.source:
        source = plain(diagnostic.source).replace("\t", " ")
        number = str(diagnostic.line)
        yield f"  {number} | {source}"
        yield f"  {' ' * len(number)} | {' ' * (diagnostic.column - 1)}^"
    if diagnostic.hint:
        yield f"  = {one_line(diagnostic.hint)}"


def _red(words: str, *, color: bool) -> str:
    return f"\x1b[31m{words}\x1b[0m" if color else words
