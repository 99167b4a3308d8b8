"""Changes by others: they change and delete our resources, take our names, and hold on to resources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from smplan.core.values import decode
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record
from tests.campaigns.histories.drafts import ResourceDraft
from tests.campaigns.histories.kinds import KINDS
from tests.campaigns.histories.site import Site, permit, wants


class ExternalChanges:
    """The other users of the account. ``theirs`` is what they created, with its spec; smplan must not change it."""

    def __init__(self, cloud: Cloud, sites: Sequence[Site], random: Random) -> None:
        self.theirs: dict[tuple[str, str], Any] = {}
        self._cloud = cloud
        self._sites = sites
        self._random = random
        self._acts: dict[str, Callable[[Site], str]] = {
            "change": self._change,
            "change what is theirs": self._start,
            "delete": self._delete,
            "remove the ownership tags": self._strip,
            "recreate": self._recreate,
            "squat": self._squat,
            "hold": self._hold,
            "release": lambda site: self.release(),
            "let adopt": self._let_adopt,
            "gates": self._gates,
            "fleet": self._fleet,
        }
        self._make("sim.thing", name="base")

    def act(self, site: Site) -> tuple[str, str]:
        """Make one change. Returns its name and its object, which is empty if there was none."""
        name = self._random.choice(list(self._acts))
        return name, self._acts[name](site)

    @property
    def quiet(self) -> bool:
        """Whether nothing of others blocks a run."""
        return len(self._strangers()) == 1 and self._cloud.gates_open and self._cloud.fleet_up

    def release(self) -> str:
        """Delete everything of others except the base."""
        away = [record for record in self._strangers() if getattr(record.spec, "name", "") != "base"]
        for record in away:
            self._remove(record)
            del self.theirs[record.kind, record.id]
        return ", ".join(record.id for record in away)

    def changed(self) -> list[str]:
        """Their resources that differ from how they left them."""
        return [
            id
            for (kind, id), spec in self.theirs.items()
            if (record := self._cloud.get(kind, id)) is None
            or (record.maker is STRANGER and record.spec != spec and not record.shared)
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

    def _change(self, site: Site) -> str:
        record = self._ours()
        if record is None:
            return ""
        if record.kind == "sim.port":
            fields: dict[str, Any] = {"open": not dict(record.spec)["open"]}
        else:
            fields = self._random.choice([{"size": self._random.randint(10, 19)}, {"tags": {"k": "drifted"}}])
        self._cloud.change(record.kind, record.id, fields)
        return record.id

    def _start(self, site: Site) -> str:
        record = self._ours(lambda record: record.kind != "sim.port")
        if record is None:
            return ""
        record.spec = record.spec.model_copy(update={"start": self._random.randint(100, 199)})
        return record.id

    def _delete(self, site: Site) -> str:
        record = self._ours(lambda record: not self._cloud.users(record.id))
        if record is None:
            return ""
        self._remove(record)
        return record.id

    def _remove(self, record: Record) -> None:
        del self._cloud.records[record.kind, record.id]
        self._cloud.deleted_external.add((record.kind, record.id))

    def _strip(self, site: Site) -> str:
        record = self._ours(lambda record: record.tagged)
        if record is None:
            return ""
        record.tagged = False
        return record.id

    def _recreate(self, site: Site) -> str:
        """Delete a resource and create it by hand under the same name, which is also its id for some kinds."""
        record = self._ours(lambda record: KINDS[record.kind].rules.key == "name" and not self._cloud.users(record.id))
        if record is None:
            return ""
        if KINDS[record.kind].rules.named:
            record.tagged = False
            return record.id
        self._remove(record)
        spec = {name: value for name, value in record.spec if value is not None and name not in ("uses", "note")}
        return f"{record.id} as {self._make(record.kind, **spec)}"

    def _squat(self, site: Site) -> str:
        fitting = [draft for draft in site.blueprint.resources if self._free(draft)]
        if not fitting:
            return ""
        draft = self._random.choice(fitting)
        if draft.kind == "sim.port":
            base = self._cloud.by_key("sim.thing", "name", "base")
            return self._make("sim.port", number=draft.spec["number"], of=base.id if base else "")
        more = {"zone": draft.spec["zone"]} if "zone" in draft.spec else {}
        return self._make(draft.kind, name=draft.spec["name"], size=99, **more)

    def _free(self, draft: ResourceDraft) -> bool:
        """Whether its natural key is free and, where no tag shows the owner, no run of ours may have created it."""
        rules = KINDS[draft.kind].rules if draft.kind in KINDS and draft.kind != "sim.gate" else None
        if rules is None or not rules.unique or self._cloud.by_key(draft.kind, rules.key, draft.spec[rules.key]):
            return False
        begun = any(
            (each.kind, decode(each.spec).get(rules.key)) == (draft.kind, draft.spec[rules.key])
            for site in self._sites
            for each in site.begun()
        )
        return not begun or (KINDS[draft.kind].taggable and not rules.named)

    def _hold(self, site: Site) -> str:
        record = self._ours(lambda record: record.kind != "sim.port")
        if record is None:
            return ""
        return f"{record.id} by {self._make('sim.twin', name=f'holder of {record.id}', uses=[record.id])}"

    def _let_adopt(self, site: Site) -> str:
        """The user of a site lets it have, or share, what bears a name that it wants."""
        for record, draft in site.contested(self._cloud):
            if draft is not None and wants(draft, record):
                return permit(site, record, draft, share=self._random.random() < 0.3)
        return ""

    def _gates(self, site: Site) -> str:
        self._cloud.gates_open = not self._cloud.gates_open
        return "open" if self._cloud.gates_open else "shut"

    def _fleet(self, site: Site) -> str:
        self._cloud.fleet_up = not self._cloud.fleet_up
        return "up" if self._cloud.fleet_up else "down"
