"""Risks of a step: what it endangers, and what happens to whom. Each kind computes them from what the step does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from smplan.core.values import Json


class Category(StrEnum):
    """What a risk endangers. In order: the first are shown first."""

    EXPOSED = "EXPOSED TO THE INTERNET"
    IRREVERSIBLE = "irreversible"
    DATA_LOSS = "data loss"
    SERVING = "serving path"
    CAPACITY = "capacity"
    ACCESS = "access"
    PROTECTION = "protection"
    ALERTING = "alerting"
    LEFT_BEHIND = "left behind"


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk of a step: its category, and a clause that says what happens to whom."""

    category: Category
    reason: str

    def __str__(self) -> str:
        return f"{self.category}: {self.reason}"


class Sessions(StrEnum):
    """How many of the sessions through the front door end. In order of severity."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Interruption:
    """What the change of one resource interrupts for clients, and why."""

    address: str
    seconds: float | None
    """For how long a client of the name gets no answer, at most; None: until something else changes."""
    sessions: Sessions
    reason: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step does to one resource, as far as it is known while planning; values are encoded.

    ``before`` is the id, the spec and the outputs as read, else as recorded; empty for what is new. ``after`` is the
    spec to apply; for a delete that of the generation that replaces it; empty for what goes for good. ``changed`` names
    the fields that differ.
    """

    op: str
    before: Mapping[str, Json] = field(default_factory=dict)
    after: Mapping[str, Json] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()

    @property
    def creates(self) -> bool:
        """Whether it makes a resource that does not exist yet: a new one, or the next generation."""
        return self.op in ("create", "replace")

    @property
    def changes(self) -> bool:
        """Whether it changes what exists, in place."""
        return self.op in ("update", "adopt", "scale")

    @property
    def deletes(self) -> bool:
        """Whether it deletes a resource, or a generation of it that was replaced."""
        return self.op == "delete"

    @property
    def removes(self) -> bool:
        """Whether it deletes a resource that nothing replaces."""
        return self.op == "delete" and not self.after

    def alters(self, *names: str) -> bool:
        """Whether it changes one of these fields in place."""
        return self.changes and not self.changed.isdisjoint(names)

    def was(self, name: str) -> str:
        """The value of a field until now, as text."""
        return shown(self.before.get(name))

    def becomes(self, name: str) -> str:
        """The value of a field from now on, as text."""
        return shown(self.after.get(name))

    def lowered(self, name: str) -> tuple[int, int] | None:
        """A number before and after, if the step lowers it in place; None if not, or not known yet."""
        before, after = number(self.before.get(name)), number(self.after.get(name))
        if not self.alters(name) or before is None or after is None or after >= before:
            return None
        return before, after

    def lost(self, name: str) -> list[str]:
        """The items that a set certainly loses in place: one that is known only later may equal any of them."""
        if not self.alters(name):
            return []
        before, after = items(self.before.get(name)), items(self.after.get(name))
        gone, unknown = [each for each in before if each not in after], len([each for each in after if is_open(each)])
        return [shown(each) for each in gone] if len(gone) > unknown else []


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """An effect on one resource of a plan; ``op`` is empty for what the plan leaves as it is."""

    address: str
    kind: str
    effect: Effect
    deleted_first: bool = False
    """Whether it is deleted before its successor is created."""


def shown(value: Json) -> str:
    """A value of a plan as text; one that is known only after apply by what makes it known."""
    match value:
        case {"$ref": str(ref)}:
            return f"({ref}, known after apply)"
        case {"$template": list(parts)}:
            return "".join(shown(part) for part in parts)
        case {"$secret": str(source)}:
            return f"(secret {source})"
        case list():
            return ", ".join(map(shown, value))
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
    return str(value)


def is_open(value: Json) -> bool:
    """Whether an encoded value is a placeholder."""
    return isinstance(value, dict) and any(key in value for key in ("$ref", "$template", "$secret"))


def number(value: Json) -> int | None:
    """``value`` if it is a known number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def items(value: Json) -> Sequence[Json]:
    """The items of a list; none of anything else."""
    return value if isinstance(value, list) else ()
