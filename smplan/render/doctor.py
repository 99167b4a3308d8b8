"""What the doctor found, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smplan.render.formatting import one_line


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok``, or not, or (None) only worth a thought; what was ``found``, and the ``hint``."""

    name: str
    ok: bool | None
    found: str
    hint: str = ""


_SIGNS = {True: "✓", False: "✗", None: "!"}


def text(checks: Sequence[Check]) -> str:
    """A line for each check, and its hint below it."""
    wide = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_SIGNS[check.ok]} {check.name.ljust(wide)}  {one_line(check.found)}")
        if check.hint:
            lines.append(f"  {' ' * wide}  = {one_line(check.hint)}")
    return "\n".join(lines) + "\n"
