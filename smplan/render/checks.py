"""What the doctor found, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smplan.render.words import one_line


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok``, or not, or (None) only worth a thought; what was ``found``, and the ``remedy``."""

    name: str
    ok: bool | None
    found: str
    remedy: str = ""


_SIGNS = {True: "✓", False: "✗", None: "!"}


def text(checks: Sequence[Check]) -> str:
    """A line for each check, and its remedy below it."""
    wide = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_SIGNS[check.ok]} {check.name.ljust(wide)}  {one_line(check.found)}")
        if check.remedy:
            lines.append(f"  {' ' * wide}  = {one_line(check.remedy)}")
    return "\n".join(lines) + "\n"
