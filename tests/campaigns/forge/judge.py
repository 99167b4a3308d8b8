"""What becomes of a forged plan: what refuses it, or the rule by which it changes nothing that matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from smplan.core.plan.difference import differences
from smplan.core.plan.model import Plan, from_text, to_json
from smplan.engine import preconditions
from smplan.engine.plan import Now, seconds_between
from smplan.engine.providers import Providers
from smplan.errors import SmplanError, Stale, Untrusted
from smplan.stores.interface import Store
from tests.campaigns.forge.forgeries import Forgery, Place


class End(StrEnum):
    """What became of a forgery."""

    UNREADABLE = "no plan"
    DIFFERS = "not what the blueprint leads to"
    STALE = "for another state, or too old"
    CONTRADICTS = "contradicts itself"
    SAME = "the same plan"
    HARMLESS = "nothing that matters"
    ACCEPTED = "ACCEPTED"


HARMLESS: dict[Place, str] = {
    ("id",): "the plan is the same under another name; the serial of the state lets it be applied once",
    ("created",): "what is applied is what planning gives now, whenever it was written",
    ("expires",): "what is applied is what planning gives now, and it lasts a week at most",
    ("not_checked",): "what AWS was not asked; apply does not read it",
    ("planner",): "who made it, as they say; only the operator's approvals count by it",
    ("blueprint", "file"): "a name for people; the digest of the blueprint counts",
    ("blueprint", "commit"): "a name for people; the digest of the blueprint counts",
    ("unreadable",): "the reasons are for people; the addresses count",
}
"""By the beginning of its place: what a forgery may change, and why that does not matter."""


@dataclass
class Source:
    """A real plan: how it is derived again under another id, and tried to be applied."""

    name: str
    plan: Plan
    store: Store
    providers: Callable[[], Providers]
    derive: Callable[[str], Plan]
    attempt: Callable[[Plan], object]
    """Apply it; raises the refusal."""
    calls: Callable[[], int]
    """How many requests were sent so far."""
    now: Now
    derived: dict[str, Plan] = field(default_factory=dict)

    def again(self, id: str) -> Plan:
        """The plan that the blueprint leads to, under this id."""
        if id not in self.derived:
            self.derived[id] = self.derive(id)
        return self.derived[id]


@dataclass(frozen=True)
class Verdict:
    """The end of a forgery; ``contradiction``: why it is refused whoever vouches for it, empty if it is not.

    ``calls`` were sent while it was tried to be applied; ``violation`` is a promise that was broken.
    """

    end: End
    contradiction: str = ""
    calls: int = 0
    violation: str = ""


def judge(source: Source, forgery: Forgery) -> Verdict:
    """What becomes of ``forgery``, a forged plan of ``source``."""
    try:
        plan = from_text(forgery.text)
    except Stale:
        return Verdict(End.UNREADABLE)
    if _is_same(plan, source.plan):
        return Verdict(End.SAME)
    contradiction = contradictions(source, plan)
    calls, violation = _tried(source, plan) if contradiction else (0, "")
    end = _end(source, plan, forgery, contradiction)
    if end is End.ACCEPTED:
        violation = f"{forgery} is accepted"
    return Verdict(end, contradiction, calls, violation)


def contradictions(source: Source, plan: Plan) -> str:
    """Why ``plan`` is refused although a person vouches for it; empty if it is not."""
    try:
        providers = source.providers()
        preconditions.check_document(plan, providers, source.now())
        replayed = preconditions.check_base(plan, source.store.read().folded)
        preconditions.check_targets(plan, replayed, providers)
    except (Stale, Untrusted) as error:
        return error.message
    return ""


def _end(source: Source, plan: Plan, forgery: Forgery, contradiction: str) -> End:
    try:
        preconditions.check_base(plan, source.store.read().folded)
    except Stale:
        return End.STALE
    derived = source.again(plan.id)
    if list(differences(plan, derived, seconds_between(plan, derived))):
        return End.DIFFERS
    if contradiction:
        return End.CONTRADICTS
    harmless = any(forgery.place[: len(place)] == place for place in HARMLESS)
    return End.HARMLESS if harmless else End.ACCEPTED


def _tried(source: Source, plan: Plan) -> tuple[int, str]:
    """The requests that an apply of what must be refused sends, and what it did wrong."""
    calls, before = source.calls(), source.store.read()
    try:
        source.attempt(plan)
    except (Stale, Untrusted):
        wrong = ""
    except SmplanError as error:
        wrong = f"refused too late: {error!r}"
    else:
        wrong = "applied"
    after = source.store.read()
    if (before.folded, before.stored) != (after.folded, after.stored):
        wrong = wrong or "the state was changed"
    return source.calls() - calls, wrong


def _is_same(plan: Plan, real: Plan) -> bool:
    """Whether it reads as the real one: a member that smplan does not know, or ``"1"`` for 1."""
    return {**to_json(plan), "digest": ""} == {**to_json(real), "digest": ""}
