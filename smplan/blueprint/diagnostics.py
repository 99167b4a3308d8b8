"""The diagnostics of one load: without duplicates, and limited in number."""

from __future__ import annotations

from dataclasses import replace

from smplan.core.blueprint import printable
from smplan.errors import Diagnostic

MOST_FAULTS = 100
_LONGEST = 300


class TooManyErrors(Exception):
    """Reading cannot, or need not, go on: what was found so far is in the Diagnostics."""


class Diagnostics:
    """The diagnostics found so far; adding more than ``limit`` raises TooManyErrors."""

    def __init__(self, limit: int | None = MOST_FAULTS) -> None:
        self.limit = limit
        self.found: list[Diagnostic] = []
        self._seen: set[tuple[str, int, int, str]] = set()

    def add(self, fault: Diagnostic) -> None:
        """Add ``fault``, unless another instance of the same ``for_each`` reported it."""
        message = fault.message if len(fault.message) <= _LONGEST else f"{fault.message[:_LONGEST]}…"
        fault = replace(fault, message=printable(message), hint=printable(fault.hint))
        key = (fault.file, fault.line, fault.column, fault.message)
        if key in self._seen:
            return
        self._seen.add(key)
        self.found.append(fault)
        if len(self.found) == self.limit:
            self.found.append(
                Diagnostic(f"there are more errors; only the first {self.limit} are shown", file=fault.file)
            )
            raise TooManyErrors

    def end(self, fault: Diagnostic) -> TooManyErrors:
        """Add ``fault`` and return the exception to raise, for errors that end the load."""
        self.add(fault)
        return TooManyErrors()
