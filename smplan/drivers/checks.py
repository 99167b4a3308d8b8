"""Checks of a plan: what a kind asks AWS while planning, and what it finds that AWS would refuse.

A driver yields one ``Check`` per question, for all resources of the plan together, so that each question takes as few
calls as a read. Values that are known only after apply are not asked about: they belong to what the plan creates.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from smplan.core.values import PartialValue, Path, Placeholder, Ref, refs
from smplan.guide.rules import Rule, how_to_allow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """What AWS would refuse: of which resource, in which field of its spec, and what to do."""

    address: str
    field: Path
    message: str
    hint: str = ""
    rule: Rule | None = None
    """The rule of the guide that it breaks; the resource may allow it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question. ``what`` names it in a plan in which it could not be asked; ``find`` asks it."""

    what: str
    find: Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class PlannedResource:
    """A resource as the blueprint wants it, and what of it the plan changes.

    ``changed``: the fields to check, all of them for what is created, none for what stays as it is. ``adds``: whether
    there will be one more of its kind. ``id`` is empty until it exists.
    """

    address: str
    kind: str
    spec: Any
    changed: frozenset[str]
    adds: bool = False
    id: str = ""
    name: str = ""
    written: Mapping[str, PartialValue] = field(default_factory=dict)
    """The spec before references were resolved."""

    def values(self, name: str) -> list[Any]:
        """The known values of a field to check: the items of a list, or the one value."""
        return self.all_values(name) if name in self.changed else []

    def all_values(self, name: str) -> list[Any]:
        """The known values of a field, to check or not."""
        value = getattr(self.spec, name)
        items = value if isinstance(value, list) else [value]
        return [each for each in items if each is not None and not isinstance(each, Placeholder)]

    def refers_to(self, other: PlannedResource, *fields: str) -> bool:
        """Whether one of ``fields``, as it is written, refers to ``other``."""
        return any(ref.address == other.address for name in fields for _, ref in refs(self.written.get(name)))

    def refuse(self, name: str, message: str, hint: str = "", rule: Rule | None = None) -> Finding:
        """A finding in the field ``name``."""
        return Finding(self.address, (name,), message, how_to_allow(hint, rule) if rule else hint, rule)


class PlannedResources:
    """Every resource that the blueprint wants, and what the checks of one plan have read already."""

    def __init__(
        self,
        resources: Iterable[PlannedResource],
        *,
        deleted: Iterable[str] = (),
        stream_manager: Callable[[], PartialValue] = lambda: None,
    ) -> None:
        """``deleted``: ids that the plan deletes. ``stream_manager``: its settings, as far as they are known."""
        self._resources = tuple(resources)
        self.deleted = frozenset(deleted)
        self.stream_manager = stream_manager
        self._read: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def changed(self, kind: str) -> list[PlannedResource]:
        """The resources of a kind that the plan creates or changes."""
        return [each for each in self._resources if each.kind == kind and each.changed]

    def of(self, kind: str) -> list[PlannedResource]:
        """The resources of a kind, changed or not."""
        return [each for each in self._resources if each.kind == kind]

    def follow(self, value: PartialValue, kind: str) -> PlannedResource | None:
        """The resource of ``kind`` that a value refers to: by reference, id or name."""
        for each in self.of(kind):
            if isinstance(value, Ref):
                if value.address == each.address:
                    return each
            elif value and value in (each.id, each.name):
                return each
        return None

    def texts(self, prefix: str) -> set[str]:
        """Every known text in any spec that begins with ``prefix``, such as ``subnet-``."""
        return {
            each for one in self._resources for each in _texts(one.spec.managed_fields()) if each.startswith(prefix)
        }

    def once(self, what: str, read: Callable[[], T]) -> T:
        """The result of ``read``, which is called once for a plan, however many checks need it."""
        with self._lock:
            lock = self._locks[what]
        with lock:
            if what not in self._read:
                self._read[what] = read()
            return cast("T", self._read[what])


def _texts(tree: PartialValue) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for each in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        yield from _texts(each)
