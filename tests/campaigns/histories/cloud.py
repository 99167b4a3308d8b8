"""The simulated cloud: resources by kind and id, their true owners, and the rules of every call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from smplan.core.spec import Spec
from smplan.drivers.base import Owner
from smplan.errors import Conflict, InUse, Invalid
from tests.campaigns.histories.schedule import InvariantViolation, Schedule

STRANGER = Owner("another owner", "")


@dataclass(eq=False)
class Record:
    """One resource. ``maker`` is its true owner, with or without a tag; times are simulated seconds."""

    kind: str
    id: str
    spec: Spec
    maker: Owner
    tagged: bool
    taggable: bool
    made_by: str
    """The lineage that created it."""
    shared: bool = False
    """Whether a state uses it by ``keep``, whoever made it: its fields may change, but it is never deleted."""
    version: int = 1
    visible_at: float = 0.0
    ready_at: float = 0.0
    gone_at: float | None = None


@dataclass(frozen=True)
class Rules:
    """How one kind behaves. Seconds are upper limits; each resource draws its own."""

    key: str = "name"
    unique: bool = True
    silent: bool = False
    """A create of an existing equal resource returns it, whoever owns it (ELBv2)."""
    two_calls: bool = False
    """Mutable fields are only set by ``configure``."""
    named: bool = False
    """Its id is its name (scaling groups, alarms, launch configurations)."""
    lag: float = 0.0
    settles: float = 0.0
    vanishes: float = 0.0


@dataclass
class Cloud:
    """Everything that exists in the account."""

    schedule: Schedule
    random: Random
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    fleet_up: bool = True
    gates_open: bool = True
    deleted_external: set[tuple[str, str]] = field(default_factory=set)
    deleted_by_us: set[tuple[str, str]] = field(default_factory=set)
    calm: bool = False
    """Every change takes effect at once."""
    _made: int = 0

    def live(self, kind: str = "") -> Iterator[Record]:
        """Everything that exists now, of one kind or of all."""
        now = self.schedule.now
        gone = [key for key, record in self.records.items() if record.gone_at is not None and now >= record.gone_at]
        for key in gone:
            del self.records[key]
        return iter([record for record in self.records.values() if not kind or record.kind == kind])

    def get(self, kind: str, id: str) -> Record | None:
        """The resource of that id, or None."""
        return next((record for record in self.live(kind) if record.id == id), None)

    def seen(self, kind: str, id: str) -> Record | None:
        """The resource of that id, if a Describe returns it already."""
        record = self.get(kind, id)
        return record if record and self.schedule.now >= record.visible_at else None

    def by_key(self, kind: str, key: str, value: Any) -> Record | None:
        """The resource with this natural key, or None."""
        return next((record for record in self.live(kind) if getattr(record.spec, key) == value), None)

    def users(self, id: str) -> list[str]:
        """The ids of resources that refer to ``id``."""
        return [record.id for record in self.live() if id in references(record.spec)]

    def draw(self, most: float) -> float:
        """Random seconds up to ``most``; sometimes 0."""
        return 0.0 if self.calm or not most or self.random.random() < 0.3 else self.random.random() * most

    def create(self, kind: str, rules: Rules, spec: Any, maker: Owner, *, tagged: bool, racing: bool = False) -> str:
        """Create it and return its id. Raises Conflict or Invalid.

        While two processes are ``racing``, a create may succeed on what the other one has created just now.
        """
        self._checkreferences(spec)
        value = getattr(spec, rules.key)
        there = self.by_key(kind, rules.key, value)
        if there and rules.unique:
            if rules.silent and there.spec == spec and there.gone_at is None:
                if there.maker.lineage != maker.lineage and racing:
                    return there.id
                if there.maker != maker:
                    raise InvariantViolation(
                        "no resource of another owner is adopted without permission",
                        f"{kind} {there.id} by {maker.address}",
                    )
                raise InvariantViolation(
                    "a create is sent once", f"{kind} {there.id} of {maker.address} was created again"
                )
            raise Conflict(f"{kind} {value} exists already")
        self._made += 1
        short = kind[4:6]
        id = f"{short}-{value}" if rules.named or rules.key == "number" else f"{short}-{self._made}"
        now = self.schedule.now
        self.records[kind, id] = Record(
            kind,
            id,
            _bare(spec) if rules.two_calls else spec,
            maker,
            tagged,
            tagged,
            maker.lineage,
            visible_at=now + self.draw(rules.lag),
            ready_at=now + self.draw(rules.settles),
        )
        self.deleted_external.discard((kind, id))
        self.deleted_by_us.discard((kind, id))
        return id

    def change(self, kind: str, id: str, fields: dict[str, Any]) -> None:
        """Set ``fields``; nothing else changes."""
        record = self.get(kind, id)
        if record is None:
            raise Invalid(f"{kind} {id} does not exist")
        spec = record.spec.model_copy(update=fields)
        self._checkreferences(spec)
        if spec != record.spec:
            record.spec = spec
            record.version += 1

    def delete(self, kind: str, rules: Rules, id: str) -> None:
        """Delete it, at once or after a delay. Raises InUse."""
        record = self.get(kind, id)
        if record is None or record.gone_at is not None:
            return
        users = self.users(id)
        if users:
            raise InUse(f"{id} is used by {', '.join(users)}")
        self.deleted_by_us.add((kind, id))
        record.gone_at = self.schedule.now + self.draw(rules.vanishes)

    def _checkreferences(self, spec: Spec) -> None:
        there = {record.id for record in self.live() if record.gone_at is None}
        for id in references(spec):
            if id not in there:
                raise Invalid(f"{id} does not exist")


def references(spec: Any) -> tuple[str, ...]:
    """The ids that ``spec`` refers to."""
    return (*(getattr(spec, "uses", None) or ()), *((spec.of,) if hasattr(spec, "of") else ()))


def _bare(spec: Any) -> Any:
    return spec.model_copy(update={"size": 0, "tags": None, "note": None})
