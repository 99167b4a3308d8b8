"""A file of verdicts, one per line, so that a campaign of hours can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from tests.campaigns.matrix import Scenario, Verdict

Played = tuple[Scenario, Verdict]
_LINE: TypeAdapter[Played] = TypeAdapter(Played)


class VerdictLog:
    """A file of verdicts; without a path, none are kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def passed(self) -> Iterator[Played]:
        """Verdicts without violations: these cases are skipped."""
        if self._path is not None and self._path.exists():
            for line in self._path.read_bytes().splitlines():
                played = _LINE.validate_json(line)
                if not played[1].violations:
                    yield played

    def add(self, fresh: Iterable[Played]) -> None:
        """Append these."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.writelines(_LINE.dump_json(each) + b"\n" for each in fresh)
