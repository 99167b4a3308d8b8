"""The checks of ``smplan doctor`` as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smplan.render.formatting import one_line


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: ``ok`` (None: advice only), what was ``found``, and a ``hint``."""

    name: str
    ok: bool | None
    found: str
    hint: str = ""


_SIGNS = {True: "✓", False: "✗", None: "!"}


def text(checks: Sequence[Check]) -> str:
    """One line per check, with its hint below."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_SIGNS[check.ok]} {check.name.ljust(width)}  {one_line(check.found)}")
        if check.hint:
            lines.append(f"  {' ' * width}  = {one_line(check.hint)}")
    return "\n".join(lines) + "\n"
