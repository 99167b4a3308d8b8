"""Expected duration of a plan: the longest path through its steps, which run in parallel where they can."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from smplan.core.plan.model import Step


def critical_path_seconds(steps: Iterable[Step], done: Collection[str] = ()) -> float:
    """Seconds that ``steps``, in order, are expected to take; steps in ``done`` (ids) count as zero."""
    ends: dict[str, float] = {}
    for step in steps:
        after = (ends.get(earlier.step, 0.0) + earlier.seconds for earlier in step.depends_on)
        start = max(after, default=0.0)
        if step.id not in done:
            start = max(start, step.wait_seconds)
        ends[step.id] = start + (0.0 if step.id in done else step.expected_seconds)
    return max(ends.values(), default=0.0)
