"""Random blueprints of a few resources that refer to each other, and random edits to them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from smplan.core.blueprint import Blueprint, LookupDecl, Moved
from tests.campaigns.histories.address_edits import AddressEdits
from tests.campaigns.histories.drafts import NAMED, ResourceDraft
from tests.support.blueprints import (
    blueprint,
    tree,
)

MOST = 8
FORMER = 4
"""To how many versions of itself a blueprint may go back."""


class RandomBlueprint:
    """A blueprint that is edited. A resource refers only to those written before it.

    ``first`` is the number of its first name; ``other`` another blueprint, whose resources it may come to have too.
    """

    def __init__(
        self, random: Random, name: str = "toys", first: int = 0, other: RandomBlueprint | None = None
    ) -> None:
        self.random = self._random = random
        self.name = name
        self._number = first
        self._other = other
        self.moved: list[tuple[str, str]] = []
        self.resources: list[ResourceDraft] = []
        self.graveyard: list[ResourceDraft] = []
        self._former: list[list[ResourceDraft]] = []
        """The resources before each of the last edits."""
        self.edits: dict[str, Callable[[], str]] = {
            "add": self._add,
            "remove": self._remove,
            "remove with dependents": self._remove_whole,
            "restore": self._restore,
            "rename": self._rename,
            "change": self._change,
            "change immutable": self._change_immutable,
            "change kind": self._change_kind,
            "depend": self._depend,
            "detach": self._detach,
            "protect": self._protect,
            "keep": self._keep,
            "keep generations": self._keep_generations,
            "go back": self._go_back,
            **AddressEdits(self).edits,
        }
        if other:
            self.edits["copy"] = self._copy
            for _ in range(random.randint(1, 5)):
                self._copy()
        for _ in range(random.randint(2, 6)):
            self._add()
        if random.random() < 0.4:
            self.edits["add for_each"]()

    def blueprint(self, *, unprotected: bool = False) -> Blueprint:
        """The engine's form."""
        look = LookupDecl("base", "sim.thing", {"name": "base"}, ("lookups", "base"))
        resources = deepcopy(self.resources)
        for draft in resources if unprotected else ():
            draft.lifecycle.pop("prevent_destroy", None)
        addresses = self._addresses()
        names = addresses | {address.partition("[")[0] for address in addresses}
        moved = [(old, new) for old, new in self.moved if new in names and old not in names]
        first = next((draft.address for draft in resources if draft.named), None)
        outputs = {"first": tree(f"${{{first}.arn}}")} if first else {}
        return blueprint(
            *(draft.resource() for draft in resources),
            name=self.name,
            lookups=(look,),
            outputs=outputs,
            moved=tuple(Moved(old, new, ("moved", str(at))) for at, (old, new) in enumerate(moved)),
        )

    def shown(self) -> str:
        """One line for the trace."""
        return "; ".join(
            f"{draft.address} {draft.kind[4:]} {draft.spec}"
            + (f" after {draft.after}" if draft.after else "")
            + (f" {draft.lifecycle}" if draft.lifecycle else "")
            for draft in self.resources
        )

    def edit(self, name: str = "") -> tuple[str, str]:
        """Make one edit, by its name or at random. Returns its name and its object, empty if there was none."""
        name, before = name or self._random.choice(list(self.edits)), deepcopy(self.resources)
        what = self.edits[name]()
        if what:
            self._former = [*self._former[1 - FORMER :], before]
        return name, what

    # The edits.

    def _add(self) -> str:
        if self.full:
            return ""
        address = self.fresh()
        names = [draft.address for draft in self.resources if draft.named]
        sort = self._random.random()
        if sort < 0.7:
            kind, spec = self._random.choice(NAMED), self._thing(address, names)
            made = ResourceDraft(address, kind, spec, lifecycle=self._lifecycle())
        elif sort < 0.85:
            of = f"${{{self._random.choice(names) if names and self._random.random() < 0.8 else 'base'}.id}}"
            made = ResourceDraft(
                address, "sim.port", {"number": self._number, "of": of, "open": self._random.random() < 0.5}
            )
        elif sort < 0.93 or not names:
            value = f"${{{self._random.choice(names)}.arn}}" if names and self._random.random() < 0.5 else "v"
            made = ResourceDraft(address, "core.value", {"input": value})
        else:
            made = ResourceDraft(address, "sim.gate", {"of": f"${{{self._random.choice(names)}.id}}"})
        self.resources.append(made)
        return address

    def _thing(self, address: str, names: list[str]) -> dict[str, Any]:
        random = self._random
        spec: dict[str, Any] = {"name": address, "size": random.randint(1, 3)}
        if names and random.random() < 0.6:
            used = random.sample(names, random.randint(1, min(2, len(names))))
            spec["uses"] = [f"${{{name}.id}}" for name in used]
        if names and random.random() < 0.25:
            spec["size"] = f"${{{random.choice(names)}.version}}"
        if random.random() < 0.3:
            spec["tags"] = {"k": f"${{{random.choice(names)}.arn}}" if names else "v"}
        if random.random() < 0.7:
            spec["zone"] = "a"
        more = {"start": random.randint(1, 9), "note": "n1"}
        spec |= {name: value for name, value in more.items() if random.random() < 0.3}
        return spec

    def _lifecycle(self) -> dict[str, Any]:
        return {"keep_generations": self._random.choice([1, 2])} if self._random.random() < 0.4 else {}

    @property
    def full(self) -> bool:
        """Whether it has as many resources as it may have."""
        return len(self.resources) >= MOST

    def fresh(self) -> str:
        """A new address, which is a new name too."""
        self._number += 1
        return f"r{self._number}"

    def any(self, fit: Callable[[ResourceDraft], bool] = lambda draft: True) -> ResourceDraft | None:
        """A random resource that fits."""
        fitting = [draft for draft in self.resources if fit(draft)]
        return self._random.choice(fitting) if fitting else None

    def _remove(self) -> str:
        draft = self.any()
        return self.drop(draft) if draft else ""

    def drop(self, draft: ResourceDraft) -> str:
        """Remove a resource, and every reference to it."""
        self.resources.remove(draft)
        self.graveyard.append(draft)
        for other in [each for each in self.resources if each.refers_to(draft.address)]:
            self._forget(other, draft.address)
        return draft.address

    def _forget(self, draft: ResourceDraft, address: str) -> None:
        """Remove every reference to ``address`` from ``draft``; a resource that needs it is removed too."""
        draft.after = [each for each in draft.after if each != address]
        mark = f"${{{address}."
        if draft.kind in ("sim.gate", "sim.port") and mark in draft.spec["of"]:
            self.drop(draft)
            return
        for name, value in list(draft.spec.items()):
            if mark not in repr(value):
                continue
            if name == "uses":
                draft.spec["uses"] = [each for each in value if mark not in each]
            else:
                draft.spec[name] = {"size": 1, "tags": {"k": "v"}, "input": "v", "note": "n"}[name]

    def _remove_whole(self) -> str:
        draft = self.any()
        if draft is None:
            return ""
        going = [draft]
        for each in self.resources[self.resources.index(draft) + 1 :]:
            if any(each.refers_to(gone.address) for gone in going):
                going.append(each)
        for each in reversed(going):
            self.drop(each)
        return ", ".join(each.address for each in going)

    def _restore(self) -> str:
        if not self.graveyard or self.full:
            return ""
        draft = self.graveyard.pop(self._random.randrange(len(self.graveyard)))
        if draft.address in self._addresses() or any(draft.same_as(each) for each in self.resources):
            return ""
        self._append(draft)
        return draft.address

    def _append(self, draft: ResourceDraft) -> None:
        """Add a resource without its references to what is not here."""
        for address in sorted(draft.references() - self._addresses()):
            if draft.kind in ("sim.gate", "sim.port") and f"${{{address}." in draft.spec["of"]:
                draft.spec["of"] = "${base.id}"
            self._forget(draft, address)
        self.resources.append(draft)

    def _addresses(self) -> set[str]:
        return {draft.address for draft in self.resources}

    def _rename(self) -> str:
        draft = self.any(lambda draft: draft.kind != "sim.port")
        if draft is None:
            return ""
        old, new = draft.address, self.fresh()
        if draft.named:
            draft.spec["name"] = new
        self.readdress(draft, new)
        return f"{old} to {new}"

    def rename(self, draft: ResourceDraft) -> str:
        """Give a resource another name or number, at the same address."""
        name = self.fresh()
        draft.spec |= {"number": self._number} if draft.kind == "sim.port" else {"name": name}
        return f"{draft.address} is named {name}"

    def readdress(self, draft: ResourceDraft, new: str) -> None:
        """Give a resource another address, in every reference too."""
        old, draft.address = draft.address, new
        for other in self.resources:
            other.after = [new if each == old else each for each in other.after]
            other.spec = _renamed(other.spec, f"${{{old}.", f"${{{new}.")

    def add_draft(self, address: str, kind: str, spec: dict[str, Any]) -> ResourceDraft:
        """Add a resource."""
        draft = ResourceDraft(address, kind, spec)
        self.resources.append(draft)
        return draft

    def _change(self) -> str:
        draft = self.any(lambda draft: draft.kind != "sim.gate")
        if draft is None:
            return ""
        random = self._random
        if draft.kind == "sim.port":
            draft.spec["open"] = not draft.spec["open"]
        elif draft.kind == "core.value":
            draft.spec["input"] = random.choice(["v", "w", 7, {"deep": ["x"]}])
        else:
            name = random.choice(["size", "tags", "note", "start"])
            draft.spec[name] = {
                "size": random.randint(0, 9),
                "tags": {"k": random.choice("xyz")},
                "note": f"n{random.randint(1, 9)}",
                "start": random.randint(1, 9),
            }[name]
        return draft.address

    def _change_immutable(self) -> str:
        draft = self.any(lambda draft: draft.named or draft.kind == "sim.port")
        if draft is None:
            return ""
        if draft.named:
            draft.spec["zone"] = self._random.choice([zone for zone in "abc" if zone != draft.spec.get("zone")])
        else:
            self._number += 1
            draft.spec["number"] = self._number
        return draft.address

    def _change_kind(self) -> str:
        draft = self.any(lambda draft: draft.named)
        if draft is None:
            return ""
        draft.kind = self._random.choice(NAMED)
        return f"{draft.address} to {draft.kind}"

    def _depend(self) -> str:
        draft = self.any(lambda draft: draft.named)
        if draft is None:
            return ""
        earlier = self.resources[: self.resources.index(draft)]
        other = self._random.choice(earlier) if earlier else None
        if other is None:
            return ""
        if other.named and self._random.random() < 0.7:
            uses = draft.spec.setdefault("uses", [])
            reference = f"${{{other.address}.id}}"
            if reference not in uses:
                uses.append(reference)
        elif other.address not in draft.after:
            draft.after.append(other.address)
        return f"{draft.address} on {other.address}"

    def _detach(self) -> str:
        draft = self.any(lambda draft: draft.named and bool(draft.spec.get("uses") or draft.after))
        if draft is None:
            return ""
        if draft.after:
            draft.after.clear()
        else:
            draft.spec["uses"] = draft.spec["uses"][1:]
        return draft.address

    def _protect(self) -> str:
        draft = self.any()
        if draft is None:
            return ""
        wanted = not draft.lifecycle.get("prevent_destroy") and self._random.random() < 0.4
        draft.lifecycle = {**draft.lifecycle, "prevent_destroy": wanted}
        return f"{draft.address} {wanted}"

    def _keep(self) -> str:
        draft = self.any(lambda draft: draft.named or draft.kind == "sim.port")
        if draft is None:
            return ""
        wanted = not draft.lifecycle.get("keep")
        draft.lifecycle = {**draft.lifecycle, "keep": wanted}
        return f"{draft.address} {wanted}"

    def _keep_generations(self) -> str:
        draft = self.any(lambda draft: draft.named)
        if draft is None:
            return ""
        wanted = self._random.choice([0, 1, 1, 2])
        draft.lifecycle = {**draft.lifecycle, "keep_generations": wanted}
        return f"{draft.address} {wanted}"

    def _go_back(self) -> str:
        """Have the resources as they were before one of the last edits."""
        if not self._former:
            return ""
        which = -1 if self._random.random() < 0.6 else self._random.randrange(len(self._former))
        self.resources = deepcopy(self._former[which])
        return ", ".join(draft.address for draft in self.resources) or "nothing"

    def _copy(self) -> str:
        """Have a resource of the other blueprint here too, under the same address and name."""
        assert self._other is not None
        mine = self._addresses()
        fitting = [draft for draft in self._other.resources if draft.address not in mine]
        if not fitting or self.full:
            return ""
        draft = deepcopy(self._random.choice(fitting))
        if any(draft.same_as(each) for each in self.resources):
            return ""
        draft.lifecycle = {}
        self._append(draft)
        return draft.address


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    return [_renamed(item, old, new) for item in value] if isinstance(value, list) else value
