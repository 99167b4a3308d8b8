"""Random edits that change which resource an address means: renames, ``for_each`` keys, swaps and rotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.campaigns.histories.drafts import ResourceDraft
    from tests.campaigns.histories.random_blueprints import RandomBlueprint

GROUPED = ("sim.thing", "sim.silent", "sim.group", "sim.plain", "sim.port", "sim.port")
"""The kinds of which a ``for_each`` is made."""


class AddressEdits:
    """The edits of one blueprint, by name."""

    def __init__(self, blueprint: RandomBlueprint) -> None:
        self._blueprint = blueprint
        self._random = blueprint.random
        self.edits: dict[str, Callable[[], str]] = {
            "move": self._move,
            "move with a new name": self._move_by_entry,
            "move into for_each": self._into_group,
            "move out of for_each": self._out_of_group,
            "change a key": self._change_key,
            "add for_each": self._add_group,
            "shift keys": self._shift,
            "rotate keys": self._rotate,
            "swap names": self._swap,
        }

    def _move(self) -> str:
        return self._readdress(self._blueprint.any(), self._blueprint.fresh())

    def _move_by_entry(self) -> str:
        """Give it another address and another name; only ``moved`` says that it is the same."""
        draft = self._blueprint.any(lambda draft: draft.named)
        if draft is None:
            return ""
        before, address = draft.address, self._blueprint.fresh()
        draft.spec["name"] = address
        self._blueprint.moved.append((before, address))
        return self._readdress(draft, address)

    def _into_group(self) -> str:
        groups = self._groups()
        name = self._random.choice(sorted(groups)) if groups and self._random.random() < 0.5 else None
        draft = self._blueprint.any(lambda draft: "[" not in draft.address)
        return self._readdress(draft, f'{name or (draft.address if draft else "")}["{self._blueprint.fresh()}"]')

    def _out_of_group(self) -> str:
        return self._readdress(self._blueprint.any(lambda draft: "[" in draft.address), self._blueprint.fresh())

    def _change_key(self) -> str:
        draft = self._blueprint.any(lambda draft: "[" in draft.address)
        name = draft.address.partition("[")[0] if draft else ""
        return self._readdress(draft, f'{name}["{self._blueprint.fresh()}"]')

    def _readdress(self, draft: ResourceDraft | None, address: str) -> str:
        if draft is None:
            return ""
        before = draft.address
        self._blueprint.readdress(draft, address)
        return f"{before} to {address}"

    def _add_group(self) -> str:
        if self._blueprint.full:
            return ""
        name, kind = self._blueprint.fresh(), self._random.choice(GROUPED)
        wanted = self._random.randint(2, 4)
        for at in range(wanted):
            self._blueprint.add_draft(f'{name}["{at}"]', kind, self._spec(kind))
        return f"{name} of {wanted} {kind}"

    def _spec(self, kind: str) -> dict[str, Any]:
        name = self._blueprint.fresh()
        if kind == "sim.port":
            return {"number": int(name[1:]), "of": "${base.id}", "open": True}
        return {"name": name, "size": self._random.randint(1, 3)}

    def _shift(self) -> str:
        """Each takes the name of the next; the last is removed, or gets a new name."""
        group = self._any_group()
        if len(group) < 2:
            return ""
        names = [_key(draft) for draft in group]
        last = group[-1]
        if self._random.random() < 0.5:
            names.append(self._spec(last.kind)["number" if last.kind == "sim.port" else "name"])
        else:
            self._blueprint.drop(last)
        _give(group, names[1:])
        return ", ".join(draft.address for draft in group)

    def _rotate(self) -> str:
        group = self._any_group()
        if len(group) < 2:
            return ""
        by = self._random.randint(1, len(group) - 1)
        names = [_key(draft) for draft in group]
        _give(group, names[by:] + names[:by])
        return f"{', '.join(draft.address for draft in group)} by {by}"

    def _swap(self) -> str:
        draft = self._blueprint.any(lambda draft: draft.named or draft.kind == "sim.port")
        other = draft and self._blueprint.any(lambda each: each is not draft and each.kind == draft.kind)
        if draft is None or other is None:
            return ""
        _give([draft, other], [_key(other), _key(draft)])
        return f"{draft.address} and {other.address}"

    def _any_group(self) -> list[ResourceDraft]:
        groups = [group for group in self._groups().values() if len({draft.kind for draft in group}) == 1]
        groups = [group for group in groups if _key(group[0]) is not None]
        return self._random.choice(groups) if groups else []

    def _groups(self) -> dict[str, list[ResourceDraft]]:
        found: dict[str, list[ResourceDraft]] = {}
        for draft in self._blueprint.resources:
            name, bracket, _ = draft.address.partition("[")
            if bracket:
                found.setdefault(name, []).append(draft)
        return found


def _key(draft: ResourceDraft) -> Any:
    return draft.spec.get("number", draft.spec.get("name"))


def _give(drafts: Sequence[ResourceDraft], names: Sequence[Any]) -> None:
    """Give each of ``drafts`` its name, or number, in order. What one of them manages of the others, all manage."""
    using = any("uses" in draft.spec for draft in drafts)
    for draft, name in zip(drafts, names, strict=False):
        draft.spec["number" if draft.kind == "sim.port" else "name"] = name
        if using:
            draft.spec.setdefault("uses", [])
