"""Events of planning and applying: the only output of the engine while it runs. No event holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ReadStarted:
    """The resources of one kind are being read."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class ReadEnded:
    """The resources of one kind were read."""

    kind: str
    found: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Retried:
    """A request will be retried: its IAM action, why, the number of the next attempt, and the delay in seconds."""

    call: str
    why: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """This machine's clock is ``seconds`` ahead of AWS's; negative if it is behind."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ApplyStarted:
    """An apply starts or is ``resumed``, with ``steps`` still to do."""

    plan_id: str
    mode: str
    steps: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """A step that an interrupted run left open is checked before it runs again."""

    address: str
    what: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step starts: its dependencies are complete and its intent is durable."""

    step: str
    address: str
    kind: str
    op: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One poll of a wait: for what, the last status, and for how many seconds so far."""

    step: str
    address: str
    waiting_for: str
    status: str
    fraction: float | None
    elapsed: float


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """A step is complete and its result is durable."""

    step: str
    address: str
    op: str
    id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepErrored:
    """A step failed; the steps that depend on it are skipped, the others continue."""

    step: str
    address: str
    op: str
    error: str
    hint: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step was skipped: ``because`` names the step that it depends on."""

    step: str
    address: str
    op: str
    because: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The run is stopping: no step starts, the running ones finish."""

    running: int


@dataclass(frozen=True, slots=True)
class ApplyEnded:
    """The apply ended: "complete", "failed" or "interrupted"."""

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
