"""Laws of every plan: one resource has one address, and nothing that is wanted, shared or of others is deleted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from smplan.core.blueprint import Resource
from smplan.core.plan.model import Op, Step
from smplan.core.spec import IMMUTABLE, fields
from smplan.core.state.model import ResourceState
from smplan.core.values import PartialValue, Ref, known
from tests.campaigns.histories.cloud import Cloud, Record
from tests.campaigns.histories.kinds import TYPES
from tests.campaigns.histories.schedule import InvariantViolation
from tests.campaigns.histories.site import Key, MadePlan, Site, visible_owner

USING = (Op.UPDATE, Op.ADOPT)
NOT_UNIQUE = "sim.twin"


def check(made: MadePlan, site: Site, cloud: Cloud) -> None:
    """Raise InvariantViolation if the plan, made of the present state and cloud, breaks a law."""
    laws = _Laws(made, site, cloud)
    laws.one_address()
    laws.kept()
    for step in made.plan.steps:
        if step.op in (Op.CREATE, Op.REPLACE):
            laws.creates(step)
        record = cloud.get(step.kind, step.physical_id)
        if step.op is Op.DELETE and record:
            laws.deletes(step, record)
        if step.op is Op.FORGET and record:
            laws.forgets(step, record)


class _Laws:
    def __init__(self, made: MadePlan, site: Site, cloud: Cloud) -> None:
        self._plan = made.plan
        self._resources = made.blueprint.resources if made.blueprint and made.mode == "apply" else ()
        self._site = site
        self._records = _placed(site, made)
        self._replaced = {step.address for step in made.plan.steps if step.op is Op.REPLACE}
        self._changing = {step.address for step in made.plan.steps if step.op in (Op.CREATE, Op.REPLACE, Op.ADOPT)}
        self._cloud = cloud

    def one_address(self) -> None:
        """No two addresses are one resource, and what an address keeps or adopts is not deleted."""
        kept = [self._records[at] for at in self._plan.unchanged if at in self._records]
        used = [(each.kind, each.id, each.address) for each in kept]
        used += [(step.kind, step.physical_id, step.address) for step in self._plan.steps if step.op in USING]
        times = Counter((kind, id) for kind, id, _ in used)
        double = [each for each in used if times[each[:2]] > 1]
        if double:
            raise InvariantViolation("one resource has one address", str(double))
        deleted = {(step.kind, step.physical_id) for step in self._plan.steps if step.op is Op.DELETE}
        both = [each for each in used if each[:2] in deleted]
        if both:
            raise InvariantViolation("no plan keeps a resource and deletes it", str(both))

    def kept(self) -> None:
        """What is kept is in the state, no longer the current generation, and has no step."""
        deleted = {(step.kind, step.physical_id) for step in self._plan.steps if step.op in (Op.DELETE, Op.FORGET)}
        for each in self._plan.kept_generations:
            key, current = (each.kind, each.id), self._records.get(each.address)
            is_current = current is not None and (current.kind, current.id) == key
            if key not in self._site.held() or key in deleted or (is_current and each.address not in self._replaced):
                raise InvariantViolation("what is kept is an older generation", f"{each.address}: {each.id}")

    def creates(self, step: Step) -> None:
        """Nothing is created while an older generation is what the blueprint asks for."""
        if not TYPES[step.kind].restorable or any(other.id == f"{step.address}:move" for other in self._plan.steps):
            return
        wanted = next(resource for resource in self._resources if resource.address == step.address)
        older = self._site.folded.state.deposed if self._site.folded else ()
        for entry in older:
            record = self._cloud.seen(entry.kind, entry.id)
            if record is None or (entry.address, entry.kind) != (step.address, step.kind):
                continue
            owner = visible_owner(record)
            if (owner is None or owner.lineage == self._plan.base.lineage) and self._is(wanted, record):
                raise InvariantViolation("what exists already is not created again", f"{step.id}: {entry.id}")

    def deletes(self, step: Step, record: Record) -> None:
        """What is deleted is ours, not shared, and wanted at no address."""
        owner, entry = visible_owner(record), self._site.held().get((step.kind, step.physical_id))
        if owner and owner.lineage != self._plan.base.lineage:
            raise InvariantViolation("nothing of another owner is deleted", f"{step.id} {record.id}")
        if entry and entry.keep:
            raise InvariantViolation("what is shared is never deleted", f"{step.id} {record.id}")
        at = next(self._wanted_at(step, record), "")
        if at:
            raise InvariantViolation("nothing that the blueprint wants is deleted", f"{step.id} {record.id}, as {at}")

    def forgets(self, step: Step, record: Record) -> None:
        """What is forgotten although it exists is shared, of others, or named by ``state rm`` or ``--abandon``."""
        owner = visible_owner(record)
        lost = owner is not None and owner.lineage != self._plan.base.lineage
        named = not self._resources or step.address in self._plan.permits.get("abandon", ())
        if not (step.resource.keep or lost or named or (step.pending_key and self._is_adopted(step))):
            raise InvariantViolation("nothing is lost by omission", f"{step.id} {record.id}")

    def _is_adopted(self, step: Step) -> bool:
        """Whether what an interrupted run created is adopted at another address."""
        adopts = [each for each in self._plan.steps if each.op is Op.ADOPT]
        return any((each.kind, each.physical_id) == (step.kind, step.physical_id) for each in adopts)

    def _wanted_at(self, step: Step, record: Record) -> Iterator[str]:
        """The addresses of the blueprint that mean ``record``, and have no other resource in the state."""
        for resource in self._resources:
            anew = step.pending_key or not TYPES[step.kind].restorable
            if anew and resource.address in self._replaced:
                continue  # the next generation is created anew, whatever an interrupted run or an earlier plan left
            current = self._records.get(resource.address)
            live = self._cloud.get(current.kind, current.id) if current else None
            served = live is not None and live is not record and self._serves(resource, live, step)
            if resource.kind == step.kind != NOT_UNIQUE and not served and self._is(resource, record):
                yield resource.address

    def _serves(self, resource: Resource, current: Record, step: Step) -> bool:
        """Whether ``current`` is what ``resource`` means, so that an older generation of it may go."""
        same_address = resource.address == step.address and resource.address not in self._replaced
        return same_address or (resource.kind == current.kind and self._is(resource, current))

    def _is(self, resource: Resource, record: Record) -> bool:
        """Whether ``record`` agrees with everything that cannot be changed of ``resource``, as far as it is known."""
        type = TYPES[resource.kind]
        for name, traits in fields(type.spec).items():
            value = self._known(resource.spec[name]) if traits.has(IMMUTABLE) and name in resource.spec else None
            if value is not None and not known(value):
                return False
            real = getattr(record.spec, name)
            if value is not None and real != value and not (name == type.name_field and _is_later(real, value)):
                return False
        return True

    def _known(self, value: PartialValue) -> PartialValue:
        if isinstance(value, Ref) and value.path == ("id",) and value.address not in self._changing:
            held = self._records.get(value.address)
            return held.id if held else value
        return value


def _is_later(real: Any, written: Any) -> bool:
    """Whether ``real`` is ``written`` with the suffix of a later generation."""
    return bool(re.fullmatch(rf"{re.escape(str(written)[:13])}-[0-9a-f]{{6}}", str(real)))


def _placed(site: Site, made: MadePlan) -> dict[str, ResourceState]:
    """The records by address, once the moves of the plan are done."""
    placed = dict(site.folded.state.resources) if site.folded else {}
    moves = [step for step in made.plan.steps if step.op in (Op.MOVE, Op.RESTORE)]
    ids: set[Key] = {(step.kind, step.physical_id) for step in moves}
    placed = {at: each for at, each in placed.items() if (each.kind, each.id) not in ids}
    return placed | {step.address: step.resource for step in moves}
