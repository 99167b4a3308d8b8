"""The diagnostics of one load: without duplicates, and limited in number."""

from __future__ import annotations

from dataclasses import replace

from smplan.core.blueprint import printable
from smplan.core.secret_patterns import masked
from smplan.errors import Diagnostic

MAX_DIAGNOSTICS = 100
_LONGEST = 300


class TooManyErrors(Exception):
    """The load ends early; the errors found so far are in the Diagnostics."""


class Diagnostics:
    """The errors ``found`` so far, and the warnings; adding more than ``limit`` errors raises TooManyErrors."""

    def __init__(self, limit: int | None = MAX_DIAGNOSTICS) -> None:
        self.limit = limit
        self.found: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._seen: set[tuple[str, int, int, str]] = set()

    def add(self, diagnostic: Diagnostic) -> None:
        """Add ``diagnostic`` with secrets masked, unless another instance of the same ``for_each`` reported it."""
        diagnostic = replace(
            diagnostic,
            message=masked(diagnostic.message),
            hint=masked(diagnostic.hint),
            source=masked(diagnostic.source),
        )
        message = diagnostic.message if len(diagnostic.message) <= _LONGEST else f"{diagnostic.message[:_LONGEST]}…"
        diagnostic = replace(diagnostic, message=printable(message), hint=printable(diagnostic.hint))
        key = (diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.message)
        if key in self._seen:
            return
        self._seen.add(key)
        if diagnostic.severity == "warning":
            self.warnings.append(diagnostic)
            return
        self.found.append(diagnostic)
        if len(self.found) == self.limit:
            self.found.append(
                Diagnostic(f"there are more errors; only the first {self.limit} are shown", file=diagnostic.file)
            )
            raise TooManyErrors

    def fatal(self, diagnostic: Diagnostic) -> TooManyErrors:
        """Add ``diagnostic`` and return the exception to raise, for errors that end the load."""
        self.add(diagnostic)
        return TooManyErrors()
