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
            lines += [*diagnostic_lines(diagnostic, color=color), ""]
    name = f"{one_line(error.address)}: " if error.address and not error.message.startswith(error.address) else ""
    lines.append(f"{_red('error', color=color)}: {name}{plain(error.message)}")
    if error.hint:
        lines.append(f"  = {plain(error.hint)}")
    return "\n".join(lines)


def diagnostic_lines(diagnostic: Diagnostic, *, color: bool = False) -> Iterator[str]:
    """A diagnostic: place and message, the line with a caret, the hint."""
    kind = "warning: " if diagnostic.severity == "warning" else ""
    yield f"{one_line(diagnostic.place)}: {kind}{_red(one_line(diagnostic.message), color=color and not kind)}"
    if diagnostic.source:
        source = plain(diagnostic.source).replace("\t", " ")
        number = str(diagnostic.line)
        yield f"  {number} | {source}"
        yield f"  {' ' * len(number)} | {' ' * (diagnostic.column - 1)}^"
    if diagnostic.hint:
        yield f"  = {one_line(diagnostic.hint)}"


def _red(words: str, *, color: bool) -> str:
    return f"\x1b[31m{words}\x1b[0m" if color else words
