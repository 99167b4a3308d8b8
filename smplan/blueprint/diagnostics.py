"""The faults of one load, gathered: each told once, and no more of them than a person would read."""

from __future__ import annotations

from dataclasses import replace

from smplan.core.blueprint import printable
from smplan.errors import Diagnostic

MOST_FAULTS = 100
_LONGEST = 300


class TooManyErrors(Exception):
    """Reading cannot, or need not, go on: what was found so far is in the Diagnostics."""


class Diagnostics:
    """Every fault found so far; past ``limit`` of them reading ends."""

    def __init__(self, limit: int | None = MOST_FAULTS) -> None:
        self.limit = limit
        self.found: list[Diagnostic] = []
        self._told: set[tuple[str, int, int, str]] = set()

    def add(self, fault: Diagnostic) -> None:
        """Keep ``fault`` unless it was told already (by another instance of the same ``for_each``)."""
        message = fault.message if len(fault.message) <= _LONGEST else f"{fault.message[:_LONGEST]}…"
        fault = replace(fault, message=printable(message), hint=printable(fault.hint))
        key = (fault.file, fault.line, fault.column, fault.message)
        if key in self._told:
            return
        self._told.add(key)
        self.found.append(fault)
        if len(self.found) == self.limit:
            self.found.append(Diagnostic(f"there are more: only the first {self.limit} are told", file=fault.file))
            raise TooManyErrors

    def end(self, fault: Diagnostic) -> TooManyErrors:
        """Keep ``fault``, after which there is nothing left to read: raise what is returned."""
        self.add(fault)
        return TooManyErrors()
