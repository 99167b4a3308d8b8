"""A campaign's report: cases and violations per table row, with the command that repeats a case."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence

SHOWN = 10
"""Violations printed in full; the table counts all."""


class Report:
    """Cases per table row. ``only`` selects a single case, as the printed command names it: ``row|row|number``."""

    def __init__(self, command: str, only: str = "") -> None:
        self.cases: Counter[tuple[str, ...]] = Counter()
        self.failed: Counter[tuple[str, ...]] = Counter()
        self.violations: list[str] = []
        self._command = command
        self._only = only

    def case(self, row: tuple[str, ...], check: Callable[[], str]) -> None:
        """Count one case of ``row``. ``check`` returns the violation or ""; an exception is a violation."""
        self.cases[row] += 1
        name = "|".join((*row, str(self.cases[row])))
        if self._only not in ("", name):
            return
        try:
            why = check()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            self.failed[row] += 1
            self.violations.append(f"{why}\n    again: {self._command} --only {shlex.quote(name)}")

    @property
    def exit_code(self) -> int:
        """1 on any violation, or if there were no cases."""
        return 1 if self.violations or not self.cases else 0

    def text(self, head: Sequence[str]) -> str:
        """The table with totals, and the first violations with the command for each."""
        rows = [(*row, str(cases), str(self.failed[row])) for row, cases in self.cases.items()]
        sums = (*["total", *[""] * (len(head) - 1)], str(self.cases.total()), str(self.failed.total()))
        lines = [table((*head, "cases", "violations"), [*rows, sums])]
        return "\n".join([*lines, *(f"  violation: {each}" for each in self.violations[:SHOWN])])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head, numbers right-aligned."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, strict=True)
        return "  ".join(cell.rjust(width) if cell.isdigit() else cell.ljust(width) for cell, width in cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
