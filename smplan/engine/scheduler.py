"""The order of a run: which steps may start, given which ones succeeded and failed. No threads, no input or output."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from graphlib import TopologicalSorter

from smplan.core.plan.model import Step
from smplan.errors import Interrupted, SmplanError


class Scheduler:
    """Every step is waiting, ready, running, or over: done, failed or skipped. First ready, first started.

    Steps in ``done_before`` are over already and count nowhere. Raises CycleError if steps wait for each other.
    """

    def __init__(self, steps: Iterable[Step], done_before: Collection[str] = ()) -> None:
        self.steps = {step.id: step for step in steps}
        self._done_before = done_before
        self._sorter = TopologicalSorter(
            {id: [dependency.step for dependency in step.depends_on] for id, step in self.steps.items()}
        )
        self._sorter.prepare()
        self.ready: deque[Step] = deque()
        self.running: dict[str, Step] = {}
        self.done: list[str] = []
        self.failed: dict[str, SmplanError] = {}
        self.skipped: dict[str, str] = {}
        """Step to the dependency that was not done; to itself where it was interrupted."""
        self._advance()

    @property
    def finished(self) -> bool:
        """Whether every step is over."""
        return not self._sorter.is_active()

    def start(self) -> Step:
        """The next ready step, running from now on."""
        step = self.ready.popleft()
        self.running[step.id] = step
        return step

    def put_back(self, id: str) -> None:
        """A running step has not begun: it is the next to start."""
        self.ready.appendleft(self.running.pop(id))

    def end(self, id: str, error: SmplanError | None = None) -> list[Step]:
        """A running step is done, or ended with ``error``. Returns the steps that are skipped now."""
        if error is None:
            self.done.append(id)
        elif isinstance(error, Interrupted):
            self.skipped[id] = id
        else:
            self.failed[id] = error
        del self.running[id]
        self._sorter.done(id)
        return self._advance()

    def _advance(self) -> list[Step]:
        """Make ready, or skip, every step whose dependencies are over."""
        skipped: list[Step] = []
        while over := self._sorter.get_ready():
            for id in over:
                step = self.steps[id]
                because = self._not_done(step)
                if id in self._done_before:
                    self._sorter.done(id)
                elif because:
                    self.skipped[id] = because
                    skipped.append(step)
                    self._sorter.done(id)
                else:
                    self.ready.append(step)
        return skipped

    def _not_done(self, step: Step) -> str:
        dependencies = (dependency.step for dependency in step.depends_on)
        return next((id for id in dependencies if id in self.failed or id in self.skipped), "")
