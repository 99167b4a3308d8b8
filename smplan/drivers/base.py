"""The driver interface: find, read, create, update and delete one resource type.

The engine alone decides what happens and when; a driver only sends requests. ``tests/drivers/test_conformance.py``
checks every registered kind for these laws:

1. ``read_many`` after ``create`` and ``configure`` gives the spec back, on every field that is not INITIAL,
   CLIENT_ONLY or WRITE_ONLY.
2. ``update`` then read gives the new spec; twice is as once.
3. Reading after ``delete`` finds nothing, and ``delete`` again succeeds.
4. ``read_many`` equals reading one by one; a deleted id is absent and fails nothing else; a read that fails raises, it
   never looks like "deleted".
5. After a ``create`` whose response was lost, ``find`` finds what was created.
6. Errors leave as errors of ``smplan.errors``, never as a library's own.
7. The AWS actions called are exactly those declared in ``iam_actions``, those of checks as ``check``.
8. What the API allows and the spec does not name, set by hand, is still there after an update of each managed field.
9. ``set_owner`` changes the owner and nothing else; twice is as once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from smplan.core import address_tag
from smplan.core.resource_type import DeclaredLookup, DeclaredResource
from smplan.core.spec import Spec
from smplan.core.values import Json
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context

S = TypeVar("S", bound=Spec)

LINEAGE_TAG = "smplan:lineage"
ADDRESS_TAG = "smplan:address"


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a resource, by its tags."""

    lineage: str
    address: str

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Owner | None:
        """The owner that ``tags`` name, or None if they name none."""
        lineage = tags.get(LINEAGE_TAG)
        return cls(lineage, address_tag.decode(tags.get(ADDRESS_TAG, ""))) if lineage else None

    @property
    def tags(self) -> dict[str, str]:
        """The ownership tags."""
        return {LINEAGE_TAG: self.lineage, ADDRESS_TAG: address_tag.encode(self.address)}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a create leaves on the new resource: its owner, and a token that makes the request idempotent."""

    owner: Owner
    token: str

    @property
    def tags(self) -> dict[str, str]:
        """The ownership tags, sent with the create request."""
        return self.owner.tags


@dataclass(frozen=True, slots=True)
class Live(Generic[S]):
    """A resource as it is now, in terms of its spec.

    ``owner`` is None without ownership tags, and for kinds that cannot be tagged.
    """

    id: str
    spec: S
    outputs: Mapping[str, Json] = field(default_factory=dict)
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """One poll of a wait: what is waited for, its last status, and the fraction done (0 to 1, if known).

    ``beyond``: seconds by which this may exceed the limit of the wait.
    """

    waiting_for: str
    status: str = ""
    fraction: float | None = None
    beyond: float = 0


class Driver(DeclaredResource, ABC, Generic[S]):
    """One kind of resource: what it declares (see ``DeclaredResource``), and the requests that apply needs."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def read_many(self, ids: Collection[str]) -> dict[str, Live[S]]:
        """Those of ``ids`` that exist, read in as few calls as AWS allows. A failed read raises."""

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """What to ask AWS before a plan is made: each check for all of ``planned`` that is of this kind and changes."""
        return ()

    @abstractmethod
    def create(self, spec: S, claim: Claim) -> str:
        """Create it with ONE mutating call, sent once, that carries claim and token. Returns the new id."""

    def configure(self, id: str, spec: S) -> None:
        """What creation still needs after ``create``; idempotent."""

    def update(self, live: Live[S], spec: S) -> None:
        """Change only what differs between ``live.spec`` and ``spec``; no IMMUTABLE field differs."""
        raise NotImplementedError(f"{self.kind} has no field that can be updated")

    def set_owner(self, id: str, owner: Owner) -> None:
        """Write the two ownership tags and nothing else; idempotent. Kinds without tags have nothing to write."""

    def scale(self, id: str, spec: S) -> None:
        """Set the sizes that ``scaling`` declares to those of ``spec``, and nothing else; idempotent."""
        raise NotImplementedError(f"{self.kind} has no size")

    def wait_scaled(self, id: str, spec: S) -> Iterator[Progress]:
        """Poll until there are as many instances as ``spec`` says: surplus ones gone, the rest healthy; resumable."""
        return iter(())

    def unprotect(self, id: str) -> None:
        """Remove the ``protection`` that the kind declares, and nothing else; idempotent, already gone is success."""
        raise NotImplementedError(f"{self.kind} has no protection")

    @abstractmethod
    def delete(self, id: str) -> None:
        """Delete it; already gone is success. Raises InUse while something holds it: the engine retries."""

    def wait_ready(self, id: str, spec: S) -> Iterator[Progress]:
        """Poll until it can be used, one ``Progress`` per poll; raises if it never will be."""
        return iter(())

    def drain(self, live: Live[S]) -> Iterator[Progress]:
        """What must happen before ``delete`` may be sent; idempotent and resumable."""
        return iter(())

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Poll until it is really gone after ``delete``."""
        return iter(())

    def find(self, spec: S) -> Live[S] | None:
        """The resource with the natural key of ``spec``, whoever owns it."""
        return None

    def diagnose_timeout(self, spec: S) -> str:
        """The probable cause of a time-out, found by reading; empty if there is none."""
        return ""

    def delete_timeout(self, live: Live[S]) -> float:
        """Limit of draining and deleting it, in seconds: longer where its settings make it longer."""
        return self.timeout_seconds

    def timeout(self, spec: S) -> float:
        """Limit of a wait for this resource, in seconds."""
        return self.timeout_seconds


class Lookup(DeclaredLookup, ABC):
    """One kind of existing resource that is only read (see ``DeclaredLookup`` for what it declares)."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The outputs of the one resource that matches. Raises NotFound if none does, Conflict if several do."""
