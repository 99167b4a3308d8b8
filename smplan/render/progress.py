"""Event listeners: a live table on a terminal, plain lines in CI, one JSON object per line for programs."""

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

REPEAT_SECONDS = 15.0
"""Seconds before an unchanged wait or retry is printed again."""


def line(event: Event) -> str:
    """``event`` as one line; empty for events that are not printed."""
    match event:
        case ReadStarted() | ReadEnded():
            return ""
        case Retried():
            return f"↻ {one_line(event.why)}; attempt {event.attempt} in {_took(event.seconds)}"
        case ClockSkewed():
            way = "ahead of" if event.seconds > 0 else "behind"
            return f"This machine's clock is {abs(event.seconds):.0f} s {way} AWS's; set it."
        case ApplyStarted():
            return f"{'Resuming' if event.resumed else 'Starting'}: {count(event.steps, 'step')} to do."
        case Draining():
            return f"Stopping after the running steps ({event.running})."
        case ApplyEnded():
            counts = f"{event.done} done, {event.failed} failed, {event.skipped} skipped"
            return f"Run {event.outcome} after {_took(event.seconds)}: {counts}."
        case _:
            sign, text = _step_line(event)
            return f"{sign} {one_line(event.address)}: {text}"


def _step_line(
    event: Recovered | StepStarted | StepProgress | StepCompleted | StepErrored | StepSkipped,
) -> tuple[str, str]:
    """The sign and the text of an event about one address."""
    match event:
        case Recovered():
            return "»", one_line(event.what)
        case StepStarted():
            return SIGNS[event.op], f"{event.op} begins"
        case StepProgress():
            status = f" ({one_line(event.status)})" if event.status else ""
            return "…", f"{duration(event.elapsed)} waiting for {one_line(event.waiting_for)}{status}"
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


class Throttle:
    """Drops repeated waits and retries: prints them when their status changes, else every ``REPEAT_SECONDS``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, tuple[str, float]] = {}

    def allows(self, event: Event) -> bool:
        """Whether to print ``event`` now; if so, records that it was printed."""
        match event:
            case StepProgress():
                subject, status = event.step, event.status
            case Retried():
                subject, status = event.call, event.why
            case _:
                return True
        last, at = self._last.get(subject, ("", float("-inf")))
        now = self._clock()
        if status == last and now - at < REPEAT_SECONDS:
            return False
        self._last[subject] = (status, now)
        return True


class Plain:
    """Prints one line per event, repeated waits and retries throttled."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._throttle = Throttle(clock)

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        text = line(event)
        if text and self._throttle.allows(event):
            self._write(text)


class Json:
    """Prints one JSON object per event and line; its member ``event`` is the type."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        self._write(json.dumps({"event": name, **asdict(event)}))


@dataclass
class _Row:
    started: StepStarted
    since: float
    waiting_for: str = ""
    status: str = ""


class Live:
    """A live table of the running steps; completed steps are printed above it."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live as Drawn

        self._console = console
        self._clock = clock
        self._throttle = Throttle(clock)
        self._rows: dict[str, _Row] = {}
        self._live = Drawn(get_renderable=self.table, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        match event:
            case StepStarted():
                self._rows[event.step] = _Row(event, self._clock())
            case StepProgress():
                row = self._rows.get(event.step)
                if row is not None:
                    row.waiting_for, row.status = event.waiting_for, event.status
            case StepCompleted() | StepErrored():
                self._rows.pop(event.step, None)
                self._print(event)
            case _:
                self._print(event)

    def _print(self, event: Event) -> None:
        from rich.text import Text

        text = line(event)
        if text and self._throttle.allows(event):
            style = {"✓": "green", "✗": "red", "↻": "yellow"}.get(text[0], "")
            self._console.print(Text(text, style=style), highlight=False)

    def table(self) -> RenderableType:
        """The running steps."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for row in list(self._rows.values()):
            waited = duration(self._clock() - row.since)
            activity = f"waiting for {row.waiting_for}" if row.waiting_for else row.started.op
            cells = (SIGNS[row.started.op], row.started.address, waited, activity, row.status)
            table.add_row(*(Text(short(one_line(cell), 90)) for cell in cells))
        return table
