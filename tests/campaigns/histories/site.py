"""A site: one blueprint and its state, the plans made of it, and what its user has allowed and given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan
from smplan.core.state.journal import ReplayedState
from smplan.core.state.model import ResourceState
from smplan.core.values import decode
from smplan.drivers.base import Owner
from smplan.errors import SmplanError
from smplan.stores.local import LocalStore
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record, references
from tests.campaigns.histories.drafts import ResourceDraft
from tests.campaigns.histories.random_blueprints import RandomBlueprint
from tests.campaigns.histories.schedule import InvariantViolation

Key: TypeAlias = tuple[str, str]


@dataclass(eq=False)
class MadePlan:
    """A plan, its mode, its blueprint, and when it was made: the history's moment and the site's mark."""

    plan: Plan
    mode: str
    blueprint: Blueprint | None
    moment: int
    mark: object


@dataclass(eq=False)
class Site:
    """One blueprint and its state."""

    blueprint: RandomBlueprint
    path: Path
    plans: list[MadePlan] = field(default_factory=list)
    adopting: set[str] = field(default_factory=set)
    """Addresses whose blueprint has permitted an adopt, or to use what exists."""
    owned: set[Key] = field(default_factory=set)
    """What the state has held as its own."""
    given_up: set[Key] = field(default_factory=set)
    """What a plan that was applied may have forgotten although it exists."""
    folded: ReplayedState | None = None
    mark: object = None
    """Differs whenever the state or its pending creates do."""

    @property
    def name(self) -> str:
        """The name of the blueprint."""
        return self.blueprint.name

    @property
    def lineage(self) -> str:
        """The lineage of the state; empty if there is none."""
        return self.folded.state.lineage if self.folded else ""

    def read(self) -> bool:
        """Read the state and its journal. Returns whether they have changed."""
        try:
            self.folded = LocalStore(self.path).read().folded
        except SmplanError as error:
            raise InvariantViolation("state and journal can be read", str(error)) from error
        before, self.mark = self.mark, self.folded and (self.folded.state.serial, self.folded.digest())
        return before != self.mark

    def entries(self) -> Iterator[ResourceState]:
        """Every record of the state."""
        if self.folded:
            yield from self.folded.state.resources.values()
            yield from self.folded.state.deposed

    def begun(self) -> Iterator[ResourceState]:
        """Every record of the state, and what a run may have created."""
        yield from self.entries()
        if self.folded:
            intents = [*self.folded.pending_creates, *(self.folded.run.open.values() if self.folded.run else ())]
            yield from (intent.resource for intent in intents)

    def held(self) -> dict[Key, ResourceState]:
        """Every record of the state, by kind and id."""
        return {(entry.kind, entry.id): entry for entry in self.entries()}

    def unmanaged_users(self, cloud: Cloud) -> list[Record]:
        """Resources of the state that use what another state had them use, or what it had forgotten for a while.

        No delete waits for them: the record of what did not change meanwhile does not depend on it.
        """
        found, back = (
            [],
            {id: entry.address for (kind, id), entry in self.held().items() if (kind, id) in self.given_up},
        )
        for (kind, id), entry in self.held().items():
            record, spec = cloud.get(kind, id), decode(entry.spec)
            used = set(references(record.spec)) if record else set()
            forgotten = any(back[each] not in entry.dependencies for each in used & back.keys())
            if record and (forgotten or not used <= {*(spec.get("uses") or ()), spec.get("of")}):
                found.append(record)
        return found

    def mistakes(self, cloud: Cloud) -> bool:
        """Whether a pending create of a kind without tags may count what another state has as its own."""
        pending = self.folded.pending_creates if self.folded else ()
        keys = {(each.resource.kind, _key(decode(each.resource.spec))) for each in pending}
        return any(
            not record.taggable
            and record.maker.lineage != self.lineage
            and (record.kind, _key(dict(record.spec))) in keys
            for record in cloud.live()
        )

    def contested(self, cloud: Cloud) -> list[tuple[Record, ResourceDraft | None]]:
        """What bears a name that the blueprint wants, or is in the state, and is not ours as far as its tags say."""
        held, found = self.held(), []
        for record in cloud.live():
            draft = next((each for each in self.blueprint.resources if wants(each, record)), None)
            key = (record.kind, record.id)
            entry, owner = held.get(key), visible_owner(record)
            if entry and owner and owner.lineage != self.lineage:
                at = next((each for each in self.blueprint.resources if each.address == entry.address), None)
                found.append((record, draft or at))
            elif draft and entry:
                if entry.keep and not draft.lifecycle.get("keep") and owner is None:
                    found.append((record, draft))
            elif draft and (key in self.given_up or owner != Owner(self.lineage, draft.address)):
                found.append((record, draft))
        return found


def _key(spec: Any) -> Any:
    return spec["number"] if "number" in spec else spec.get("name")


def visible_owner(record: Record) -> Owner | None:
    """The owner that the tags of ``record`` name."""
    return record.maker if record.tagged and record.maker is not STRANGER else None


def wants(draft: ResourceDraft, record: Record) -> bool:
    """Whether ``record`` bears the name or number of ``draft``."""
    spec: dict[str, Any] = dict(record.spec)
    key = "number" if draft.kind == "sim.port" else "name"
    return draft.kind == record.kind and key in draft.spec and draft.spec[key] == spec[key]


def permit(site: Site, record: Record, draft: ResourceDraft, *, share: bool) -> str:
    """Write into the blueprint what lets ``draft`` be ``record``, whoever owns that."""
    owner = visible_owner(record)
    if share:
        lifecycle: dict[str, Any] = {"keep": True}
    elif owner and owner.lineage != site.lineage:
        lifecycle = {"adopt_from": f"{owner.lineage}/{owner.address}"}
    else:
        lifecycle = {"adopt": True}
    stays = ("prevent_destroy", "keep_generations")
    kept = {name: value for name, value in draft.lifecycle.items() if name in stays}
    draft.lifecycle = kept | lifecycle
    if draft.named:
        draft.spec.setdefault("uses", [])
    site.adopting.add(draft.address)
    return f"{draft.address}: {next(iter(lifecycle))}"
