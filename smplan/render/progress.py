"""Events as they happen: a live table on a terminal, plain lines in CI, NDJSON for programs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, assert_never

from smplan.core.events import (
    ApplyEnded,
    ApplyStarted,
    ClockSkewed,
    Draining,
    Event,
    ReadEnded,
    ReadStarted,
    Recovered,
    Retried,
    StepCompleted,
    StepErrored,
    StepProgress,
    StepSkipped,
    StepStarted,
)
from smplan.core.wording import count
from smplan.render.formatting import SIGNS, duration, one_line, short

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SELDOM = 15.0
"""Seconds between two lines about a wait, or about a call made again, of which nothing new is known."""


def line(event: Event) -> str:
    """One event as one line; empty for what is not worth one."""
    match event:
        case ReadStarted() | ReadEnded():
            return ""
        case Retried():
            return f"↻ {one_line(event.why)}; attempt {event.attempt} in {_took(event.seconds)}"
        case ClockSkewed():
            way = "ahead of" if event.seconds > 0 else "behind"
            return f"This machine's clock is {abs(event.seconds):.0f} s {way} AWS's: set it right."
        case ApplyStarted():
            return f"{'Going on' if event.resumed else 'Starting'}: {count(event.steps, 'step')} to do."
        case Draining():
            return f"Stopping: what runs is let finish ({count(event.running, 'step')})."
        case ApplyEnded():
            told = f"{event.done} done, {event.failed} failed, {event.skipped} skipped"
            return f"Run {event.outcome} after {_took(event.seconds)}: {told}."
        case _:
            sign, told = _about(event)
            return f"{sign} {one_line(event.address)}: {told}"


def _about(
    event: Recovered | StepStarted | StepProgress | StepCompleted | StepErrored | StepSkipped,
) -> tuple[str, str]:
    """The sign of an event about one address, and what it says."""
    match event:
        case Recovered():
            return "»", one_line(event.what)
        case StepStarted():
            return SIGNS[event.op], f"{event.op} begins"
        case StepProgress():
            said = f" ({one_line(event.said)})" if event.said else ""
            return "…", f"{duration(event.elapsed)} waiting for {one_line(event.waiting_for)}{said}"
        case StepCompleted():
            return "✓", f"{event.op} done in {_took(event.seconds)} ({one_line(event.id)})"
        case StepErrored():
            hint = f"\n    = {one_line(event.hint)}" if event.hint else ""
            return "✗", f"{event.op} failed: {one_line(event.error)}{hint}"
        case StepSkipped():
            return "·", f"{event.op} skipped: {one_line(event.because)}"
        case _:
            assert_never(event)


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


class News:
    """Which events are worth a line: what goes on and on is, when something new is said, or now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, tuple[str, float]] = {}

    def worth(self, event: Event) -> bool:
        """Whether ``event`` is to be told now; then it counts as told."""
        match event:
            case StepProgress():
                about, says = event.step, event.said
            case Retried():
                about, says = event.call, event.why
            case _:
                return True
        said, at = self._told.get(about, ("", float("-inf")))
        now = self._clock()
        if says == said and now - at < SELDOM:
            return False
        self._told[about] = (says, now)
        return True


class Plain:
    """A line for each event; waits and calls made again are told when something new is said, or now and then."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._news = News(clock)

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        told = line(event)
        if told and self._news.worth(event):
            self._write(told)


class Json:
    """A JSON object for each event, on a line of its own; ``event`` is its type."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        self._write(json.dumps({"event": name, **asdict(event)}))


@dataclass
class _Row:
    started: StepStarted
    since: float
    waiting_for: str = ""
    said: str = ""


class Live:
    """A table of what is running, redrawn in place; what is done scrolls by above it."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live as Drawn

        self._console = console
        self._clock = clock
        self._news = News(clock)
        self._rows: dict[str, _Row] = {}
        self._live = Drawn(get_renderable=self.table, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        match event:
            case StepStarted():
                self._rows[event.step] = _Row(event, self._clock())
            case StepProgress():
                row = self._rows.get(event.step)
                if row is not None:
                    row.waiting_for, row.said = event.waiting_for, event.said
            case StepCompleted() | StepErrored():
                self._rows.pop(event.step, None)
                self._print(event)
            case _:
                self._print(event)

    def _print(self, event: Event) -> None:
        from rich.text import Text

        told = line(event)
        if told and self._news.worth(event):
            style = {"✓": "green", "✗": "red", "↻": "yellow"}.get(told[0], "")
            self._console.print(Text(told, style=style), highlight=False)

    def table(self) -> RenderableType:
        """What is running now."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for row in list(self._rows.values()):
            waited = duration(self._clock() - row.since)
            what = f"waiting for {row.waiting_for}" if row.waiting_for else row.started.op
            words = (SIGNS[row.started.op], row.started.address, waited, what, row.said)
            table.add_row(*(Text(short(one_line(word), 90)) for word in words))
        return table
