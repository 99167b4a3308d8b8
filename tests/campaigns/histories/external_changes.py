"""Changes by others: they change and delete our resources, take our names, and hold on to resources."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from smplan.core.state.journal import ReplayedState
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record
from tests.campaigns.histories.kinds import KINDS
from tests.campaigns.histories.random_blueprints import RandomBlueprint, ResourceDraft


class ExternalChanges:
    """The other users of the account. ``theirs`` is what they created, with its spec; smplan must not change it."""

    def __init__(self, cloud: Cloud, blueprint: RandomBlueprint, random: Random) -> None:
        self.theirs: dict[tuple[str, str], Any] = {}
        self.adopting: set[str] = set()
        """Addresses whose blueprint has permitted an adopt."""
        self._cloud = cloud
        self._blueprint = blueprint
        self._random = random
        self._acts: dict[str, Callable[[ReplayedState | None], str]] = {
            "change": self._change,
            "change what is theirs": self._start,
            "delete": self._delete,
            "squat": self._squat,
            "hold": self._hold,
            "release": lambda folded: self.release(),
            "let adopt": self._let_adopt,
            "gates": self._gates,
            "fleet": self._fleet,
        }
        self._make("sim.thing", name="base")

    def act(self, folded: ReplayedState | None) -> tuple[str, str]:
        """Make one change. Returns its name and its object, which is empty if there was none."""
        name = self._random.choice(list(self._acts))
        return name, self._acts[name](folded)

    @property
    def quiet(self) -> bool:
        """Whether nothing of others blocks a run."""
        return len(self._strangers()) == 1 and self._cloud.gates_open and self._cloud.fleet_up

    def release(self) -> str:
        """Delete everything of others except the base."""
        away = [record for record in self._strangers() if getattr(record.spec, "name", "") != "base"]
        for record in away:
            del self._cloud.records[record.kind, record.id]
            del self.theirs[record.kind, record.id]
        return ", ".join(record.id for record in away)

    def changed(self) -> list[str]:
        """Their resources that differ from how they left them."""
        return [
            id
            for (kind, id), spec in self.theirs.items()
            if (record := self._cloud.get(kind, id)) is None or (record.maker is STRANGER and record.spec != spec)
        ]

    def forget_adopted(self) -> None:
        """Forget resources that were adopted with permission."""
        for key in list(self.theirs):
            record = self._cloud.records.get(key)
            taken = record.maker is not STRANGER if record else key in self._cloud.deleted_by_us
            if taken:
                del self.theirs[key]

    def _strangers(self) -> list[Record]:
        return [record for record in self._cloud.live() if record.maker is STRANGER]

    def _make(self, kind: str, **spec: Any) -> str:
        made = KINDS[kind].spec.model_validate(spec)
        id = self._cloud.create(kind, KINDS[kind].rules, made, STRANGER, tagged=KINDS[kind].taggable)
        record = self._cloud.records[kind, id]
        record.visible_at = 0.0
        self.theirs[kind, id] = record.spec
        return id

    def _ours(self, fit: Callable[[Record], bool] = lambda record: True) -> Record | None:
        found = [
            record
            for record in self._cloud.live()
            if record.maker is not STRANGER and record.gone_at is None and fit(record)
        ]
        return self._random.choice(found) if found else None

    def _change(self, folded: ReplayedState | None) -> str:
        record = self._ours()
        if record is None:
            return ""
        if record.kind == "sim.port":
            fields: dict[str, Any] = {"open": not dict(record.spec)["open"]}
        else:
            fields = self._random.choice([{"size": self._random.randint(10, 19)}, {"tags": {"k": "drifted"}}])
        self._cloud.change(record.kind, record.id, fields)
        return record.id

    def _start(self, folded: ReplayedState | None) -> str:
        record = self._ours(lambda record: record.kind != "sim.port")
        if record is None:
            return ""
        record.spec = record.spec.model_copy(update={"start": self._random.randint(100, 199)})
        return record.id

    def _delete(self, folded: ReplayedState | None) -> str:
        record = self._ours(lambda record: not self._cloud.users(record.id))
        if record is None:
            return ""
        del self._cloud.records[record.kind, record.id]
        self._cloud.deleted_external.add((record.kind, record.id))
        return record.id

    def _squat(self, folded: ReplayedState | None) -> str:
        fitting = [draft for draft in self._blueprint.resources if self._free(draft, folded)]
        if not fitting:
            return ""
        draft = self._random.choice(fitting)
        if draft.kind == "sim.port":
            base = self._cloud.by_key("sim.thing", "name", "base")
            return self._make("sim.port", number=draft.spec["number"], of=base.id if base else "")
        more = {"zone": draft.spec["zone"]} if "zone" in draft.spec else {}
        return self._make(draft.kind, name=draft.spec["name"], size=99, **more)

    def _free(self, draft: ResourceDraft, folded: ReplayedState | None) -> bool:
        """Whether its natural key is free and, where no tag shows the owner, no run of ours may have created it."""
        rules = KINDS[draft.kind].rules if draft.kind in KINDS and draft.kind != "sim.gate" else None
        if rules is None or not rules.unique or self._cloud.by_key(draft.kind, rules.key, draft.spec[rules.key]):
            return False
        begun = folded is not None and (
            any(draft.address == each.resource.address for each in folded.pending_creates)
            or draft.address in folded.state.resources
            or (
                folded.run is not None
                and any(draft.address == each.resource.address for each in folded.run.open.values())
            )
        )
        return draft.kind != "sim.port" or not begun

    def _hold(self, folded: ReplayedState | None) -> str:
        record = self._ours(lambda record: record.kind != "sim.port")
        if record is None:
            return ""
        return f"{record.id} by {self._make('sim.twin', name=f'holder of {record.id}', uses=[record.id])}"

    def _let_adopt(self, folded: ReplayedState | None) -> str:
        names = {getattr(record.spec, "name", None) for record in self._strangers()}
        numbers = {getattr(record.spec, "number", None) for record in self._strangers()}
        for draft in self._blueprint.resources:
            if draft.spec.get("name", "") in names or draft.spec.get("number", "") in numbers:
                draft.lifecycle = {**draft.lifecycle, "adopt": True}
                self.adopting.add(draft.address)
                return draft.address
        return ""

    def _gates(self, folded: ReplayedState | None) -> str:
        self._cloud.gates_open = not self._cloud.gates_open
        return "open" if self._cloud.gates_open else "shut"

    def _fleet(self, folded: ReplayedState | None) -> str:
        self._cloud.fleet_up = not self._cloud.fleet_up
        return "up" if self._cloud.fleet_up else "down"
