"""Everything that can happen while planning and applying: the engine's only output, one small type each.

Renderers and logs read these; nothing else leaves the engine while it runs. No event ever holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ReadStarted:
    """Reality is being read: how many things of which kind."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class ReadEnded:
    """That kind was read."""

    kind: str
    found: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Retried:
    """A call will be made again: which (as IAM names it), why, the how many-th attempt it is, in how many seconds."""

    call: str
    why: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """This machine's clock is so many seconds ahead of AWS's (behind: negative)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ApplyStarted:
    """An apply begins (or goes on, if ``resumed``) with so many steps still to do."""

    plan_id: str
    mode: str
    steps: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """Something an interrupted run left open was resolved by looking."""

    address: str
    what: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins: its needs are done and its intent is durable."""

    step: str
    address: str
    kind: str
    op: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One look of a wait: what is waited for, the last thing AWS said, for how many seconds by now."""

    step: str
    address: str
    waiting_for: str
    said: str
    fraction: float | None
    elapsed: float


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """A step is done and its result is durable."""

    step: str
    address: str
    op: str
    id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepErrored:
    """A step failed; what depends on it is skipped, the rest goes on."""

    step: str
    address: str
    op: str
    error: str
    hint: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step was not tried: ``because`` says which step it needed."""

    step: str
    address: str
    op: str
    because: str


@dataclass(frozen=True, slots=True)
class Draining:
    """A stop was asked for: nothing new starts, what runs is let finish."""

    running: int


@dataclass(frozen=True, slots=True)
class ApplyEnded:
    """The apply is over: "complete", "failed" or "interrupted"."""

    outcome: str
    done: int
    failed: int
    skipped: int
    seconds: float


Event: TypeAlias = (
    ReadStarted
    | ReadEnded
    | Retried
    | ClockSkewed
    | ApplyStarted
    | Recovered
    | StepStarted
    | StepProgress
    | StepCompleted
    | StepErrored
    | StepSkipped
    | Draining
    | ApplyEnded
)
