"""What has to go: what is not wanted any more, what replacements left behind, and what interrupted runs made unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from smplan.core import diff
from smplan.core.plan.changes import Decision, Removal, Verdict
from smplan.core.plan.model import Op
from smplan.core.plan.observed import ObservedState, Untracked
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.model import ResourceState, State


def of(
    decision: Decision,
    wanted: Container[str],
    *,
    kinds: ResourceTypes,
    state: State,
    reality: ObservedState,
    removed: str,
) -> Iterator[Removal]:
    """All of it, with ``removed`` as the reason why what is not ``wanted`` goes; refusals go into ``decision``."""
    deciding = _Removals(decision, kinds, reality)
    for entry in state.resources.values():
        if entry.address not in wanted:
            yield deciding.removal(entry, removed)
    for entry in state.deposed:
        yield deciding.leftover(entry)
    yield from deciding.strays()


def in_the_way(verdict: Verdict, entry: ResourceState) -> bool:
    """Whether an older thing stands where the step is going to make something: under the same natural key."""
    kind = verdict.kind
    if verdict.op not in (Op.CREATE, Op.REPLACE) or kind.name != entry.kind:
        return False
    return kind.name_field is None or getattr(verdict.spec, kind.name_field) == entry.spec.get(kind.name_field)


class _Removals:
    def __init__(self, decision: Decision, kinds: ResourceTypes, reality: ObservedState) -> None:
        self._decision = decision
        self._kinds = kinds
        self._reality = reality

    def removal(self, entry: ResourceState, removed: str) -> Removal:
        """How something that is not wanted any more leaves: deleted, or forgotten where nothing is left to delete."""
        kind = self._kinds(entry.kind)
        seen = self._reality.resources.get(entry.address)
        refusals = self._decision.refusals
        if kind.gate:
            return Removal(kind, entry, Op.FORGET, (removed,))
        if entry.address in self._reality.unreadable:
            told = self._reality.unreadable[entry.address]
            refusals.append(f"{entry.address} cannot be deleted: it is not readable now, {told}")
        elif seen is None and not kind.virtual:
            return Removal(kind, entry, Op.FORGET, (f"{entry.id} is gone already",))
        elif entry.prevent_destroy:
            refusals.append(f"{entry.address} would be deleted and is protected by `prevent_destroy`")
        return Removal(kind, entry, Op.DELETE, (removed,), seen)

    def leftover(self, entry: ResourceState) -> Removal:
        """An older generation goes; first of all if its successor takes its name."""
        why = ("an older generation that nothing points at any more",)
        verdict = self._decision.verdicts.get(entry.address)
        first = verdict is not None and in_the_way(verdict, entry)
        return Removal(self._kinds(entry.kind), entry, Op.DELETE, why, delete_first=first, leftover=True)

    def strays(self) -> Iterator[Removal]:
        """What interrupted runs made that no step is going to take up."""
        adopted = {
            (verdict.kind.name, verdict.seen.id)
            for verdict in self._decision.verdicts.values()
            if verdict.op is Op.ADOPT and verdict.seen
        }
        numbers: Counter[str] = Counter()
        for stray in self._reality.untracked:
            entry, verdict = stray.resource, self._decision.verdicts.get(stray.resource.address)
            if (entry.kind, entry.id) in adopted or (verdict and _takes_up(verdict, stray)):
                continue
            numbers[entry.address] += 1
            why = ("an interrupted run made it, and it is not wanted any more",)
            kind, number = self._kinds(entry.kind), numbers[entry.address]
            yield Removal(kind, entry, Op.DELETE, why, stray.live, stray=number, pending_key=stray.key)


def _takes_up(verdict: Verdict, stray: Untracked) -> bool:
    """Whether the step looks for it by its natural key, finds it, and may have it as it is."""
    making = verdict.op in (Op.CREATE, Op.REPLACE) and verdict.kind.name == stray.resource.kind
    return making and not any(change.replaces for change in diff.diff(verdict.spec, stray.live.spec))
