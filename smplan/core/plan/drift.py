"""How reality has moved away from what was last applied: attribute by attribute, or gone altogether."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from smplan.core import diff
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Drift
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.state.model import ResourceState
from smplan.core.values import decode


def of(entry: ResourceState, seen: ObservedResource | None, kind: ResourceType) -> Iterator[Drift]:
    """How what was ``seen`` differs from what was last applied; nothing if it does not."""
    if seen is None:
        yield Drift(entry.address, entry.kind, entry.id, gone=True)
        return
    try:
        applied = kind.spec.model_validate(decode(entry.spec))
    except ValidationError:  # written by another version of smplan; the next apply writes it anew
        return
    changes = tuple(
        AttributeChange(change.path, change.after, change.before) for change in diff.diff(applied, seen.spec)
    )
    if changes:
        yield Drift(entry.address, entry.kind, entry.id, changes=changes)
