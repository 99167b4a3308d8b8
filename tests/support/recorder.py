"""A listener that records events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from smplan.core.events import Event


@dataclass
class EventRecorder:
    """Every event so far, in order."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]
