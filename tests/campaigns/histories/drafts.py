"""A resource as written in a random blueprint."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from smplan.core.blueprint import Lifecycle, Resource
from tests.support.blueprints import tree

NAMED = (
    "sim.thing",
    "sim.thing",
    "sim.silent",
    "sim.pair",
    "sim.slow",
    "sim.group",
    "sim.plain",
    "sim.twin",
    "sim.behind",
)
_REFERENCE = re.compile(r"\$\{([^.}]+)\.")


@dataclass
class ResourceDraft:
    """One resource as written; references are still text."""

    address: str
    kind: str
    spec: dict[str, Any]
    after: list[str] = field(default_factory=list)
    lifecycle: dict[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> bool:
        """Whether it is of a kind with a name, a size and outputs."""
        return self.kind in NAMED

    def refers_to(self, address: str) -> bool:
        """Whether it refers to ``address`` or is ordered after it."""
        return address in self.after or f"${{{address}." in repr(self.spec)

    def references(self) -> set[str]:
        """The addresses that it refers to, or is ordered after."""
        return {*self.after, *_REFERENCE.findall(repr(self.spec))} - {"base"}

    def same_as(self, other: ResourceDraft) -> bool:
        """Whether both are one resource by their kind and name."""
        fields = [name for name in ("name", "number") if name in self.spec]
        return self.kind == other.kind and any(self.spec[name] == other.spec.get(name) for name in fields)

    def resource(self) -> Resource:
        """The engine's form."""
        lifecycle = Lifecycle(**self.lifecycle)
        name, _, key = self.address.partition("[")
        path = ("resources", name)
        return Resource(
            self.address, name, key[1:-2] or None, self.kind, tree(self.spec), tuple(self.after), lifecycle, path
        )
