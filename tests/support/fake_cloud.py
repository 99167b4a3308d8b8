"""A cloud in a dict, with four resource types and calls that fail on request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from smplan.core.blueprint import LookupDecl, Resource
from smplan.core.resource_type import Output, Protection, ResourceType, Scaling
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import Spec
from smplan.core.values import Json
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Claim, Driver, Live, Lookup, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.core.value import Value
from smplan.drivers.inventory import Inventory
from smplan.drivers.retry import RetryPolicy
from smplan.engine.providers import Providers
from smplan.errors import InUse, Invalid, LostAnswer, NotFound, SmplanError
from tests.support.blueprints import resource, tree
from tests.support.fake_specs import GateSpec, HerdSpec, PortSpec, ThingSpec, readable


@dataclass
class FakeCloud:
    """What exists, by kind and id; every call so far; and the errors that the next calls raise."""

    things: dict[str, dict[str, tuple[Spec, Owner | None]]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[tuple[str, str], list[SmplanError]] = field(default_factory=dict)
    after: dict[tuple[str, str], Callable[[], object]] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    made: Counter[str] = field(default_factory=Counter)
    claims: list[Claim] = field(default_factory=list)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    """By kind, what is checked while planning."""
    planned: PlannedResources | None = None
    """What the last checks were given."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(self, call: str, key: str, *errors: SmplanError) -> None:
        """Let the next calls of this name about ``key`` raise these errors."""
        self.faults.setdefault((call, key), []).extend(errors)

    def called(self, call: str, key: str) -> None:
        """Record a call, and raise the error that waits for it."""
        with self.lock:
            self.calls.append((call, key))
            waiting = self.faults.get((call, key))
            if waiting:
                raise waiting.pop(0)
            act = self.after.get((call, key))
        if act:
            act()

    def of(self, kind: str) -> dict[str, tuple[Spec, Owner | None]]:
        """The things of a kind, by id."""
        return self.things.setdefault(kind, {})

    def users(self, id: str) -> list[str]:
        """The ids of the things and ports that refer to ``id``."""
        things, ports = self.of("toy.thing").items(), self.of("toy.port").items()
        users = [other for other, (spec, _) in things if isinstance(spec, ThingSpec) and id in (spec.uses or ())]
        return users + [other for other, (spec, _) in ports if isinstance(spec, PortSpec) and spec.of == id]

    def writes(self) -> list[tuple[str, str]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] in ("create", "configure", "update", "unprotect", "delete")]


class FakeDriver(Driver[Any]):
    """Base of all types: every call goes to ``cloud``."""

    cloud: ClassVar[FakeCloud]

    @property
    def _all(self) -> dict[str, tuple[Spec, Owner | None]]:
        return self.cloud.of(self.kind)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Any]]:
        self.cloud.called("read", self.kind)
        with self.cloud.lock:
            return {id: self._live(id) for id in ids if id in self._all}

    def checks(self, planned: PlannedResources) -> list[Check]:
        self.cloud.planned = planned
        return self.cloud.checks.get(self.kind, [])

    def _live(self, id: str) -> Live[Any]:
        spec, owner = self._all[id]
        return Live(id, readable(spec), self._outputs(id, spec), owner if self.taggable else None)

    def _outputs(self, id: str, spec: Any) -> dict[str, Json]:
        return {}

    def _id(self, spec: Any) -> str:
        raise NotImplementedError

    def create(self, spec: Any, claim: Claim) -> str:
        id = self._id(spec)
        self.cloud.called("create", id)
        self.cloud.claims.append(claim)
        with self.cloud.lock:
            self.cloud.made[id] += 1
            self._all[id] = (spec, claim.owner)
        self.cloud.called("created", id)
        return id

    def configure(self, id: str, spec: Any) -> None:
        self.cloud.called("configure", id)

    def update(self, live: Live[Any], spec: Any) -> None:
        self.cloud.called("update", live.id)
        with self.cloud.lock:
            before, owner = self._all[live.id]
            self._all[live.id] = (spec.model_copy(update={"start": getattr(before, "start", None)}), owner)

    def set_owner(self, id: str, owner: Owner) -> None:
        self.cloud.called("set_owner", id)
        with self.cloud.lock:
            if id not in self._all:
                raise NotFound(f"{id} does not exist")
            self._all[id] = (self._all[id][0], owner)

    def drain(self, live: Live[Any]) -> Iterator[Progress]:
        yield Progress(f"{live.id} to drain", "draining")
        self.cloud.called("drain", live.id)

    def delete(self, id: str) -> None:
        self.cloud.called("delete", id)
        with self.cloud.lock:
            users = self.cloud.users(id)
            if users:
                raise InUse(f"{id} is used by {users}")
            self._all.pop(id, None)

    def wait_ready(self, id: str, spec: Any) -> Iterator[Progress]:
        yield Progress(f"{id} to settle", "settling")
        self.cloud.called("wait_ready", id)

    def find(self, spec: Any) -> Live[Any] | None:
        self.cloud.called("find", self.kind)
        id = self._id(spec)
        return self._live(id) if id in self._all else None


class Thing(FakeDriver):
    """Replaced under another name, before the old one is deleted."""

    kind = "toy.thing"
    summary = "A thing."
    spec = ThingSpec
    outputs: ClassVar[Mapping[str, Output]] = {
        "arn": Output("Its ARN."),
        "version": Output("Grows.", may_change_on_update=True),
        "locked": Output("Whether it is protected from deletion."),
    }
    name_field = "name"
    name_limit = 20
    protection: ClassVar[Protection | None] = Protection("locked", "a lock")
    left_behind: ClassVar[str] = "it continues to cost"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion."""
        if effect.deletes:
            yield Risk(Category.DATA_LOSS, f"{effect.was('name')} is lost")

    def _id(self, spec: Any) -> str:
        return f"t-{spec.name}"

    def _outputs(self, id: str, spec: Any) -> dict[str, Json]:
        return {"arn": f"arn:{id}", "version": spec.size, "locked": id in self.cloud.locked}

    def unprotect(self, id: str) -> None:
        self.cloud.called("unprotect", id)
        self.cloud.locked.discard(id)

    def delete(self, id: str) -> None:
        if id in self.cloud.locked:
            raise Invalid(f"{id} is locked")
        super().delete(id)


class Port(FakeDriver):
    """One per number, without tags, so it is deleted before its replacement is created."""

    kind = "toy.port"
    summary = "A port."
    spec = PortSpec
    create_before_delete = False
    taggable = False
    timeout_seconds = 0.5

    def _id(self, spec: Any) -> str:
        return f"p-{spec.number}"


class Behind(Thing):
    """A thing reached through the Stream Manager."""

    kind = "toy.behind"
    summary = "A thing reached through the Stream Manager."
    via_stream_manager = True

    def _id(self, spec: Any) -> str:
        return f"b-{spec.name}"


class Image(Thing):
    """A thing that does nothing by itself, so that an older generation can become the current one again."""

    kind = "toy.image"
    summary = "An image."
    restorable = True

    def _id(self, spec: Any) -> str:
        return f"i-{spec.name}"


class Herd(FakeDriver):
    """Has a size, which ``scale`` sets; the herd follows at once."""

    kind = "toy.herd"
    summary = "A herd."
    spec = HerdSpec
    name_field = "name"
    scaling: ClassVar[Scaling | None] = Scaling("least", "now", "most")

    def _id(self, spec: Any) -> str:
        return f"h-{spec.name}"

    def create(self, spec: Any, claim: Claim) -> str:
        return super().create(spec.model_copy(update={"now": spec.least if spec.now is None else spec.now}), claim)

    def update(self, live: Live[Any], spec: Any) -> None:
        super().update(live, spec)
        before = live.spec.now
        self._all[live.id] = (spec.model_copy(update={"now": max(before, spec.least)}), self._all[live.id][1])

    def scale(self, id: str, spec: Any) -> None:
        self.cloud.called("scale", id)
        before, owner = self._all[id]
        self._all[id] = (before.model_copy(update={"least": spec.least, "now": spec.now}), owner)

    def wait_scaled(self, id: str, spec: Any) -> Iterator[Progress]:
        while ("scaled", id) in self.cloud.faults:
            yield Progress(f"{id} to settle", "moving")
        self.cloud.called("wait_scaled", id)


class Gate(FakeDriver):
    """Passes once the id of its thing is in ``well``."""

    kind = "toy.gate"
    summary = "A gate."
    spec = GateSpec
    gate = True
    awaits = "count"
    timeout_seconds = 0.3
    well: ClassVar[set[str]] = set()

    def wait_ready(self, id: str, spec: Any) -> Iterator[Progress]:
        self.cloud.called("gate", spec.of)
        while spec.of not in self.well:
            yield Progress(f"{spec.of} to be well", "it is ill")

    def diagnose_timeout(self, spec: Any) -> str:
        self.cloud.called("diagnose_timeout", spec.of)
        return "The cause is known"


class ThingLookup(Lookup):
    """Finds a thing by its name."""

    kind = "toy.thing"
    summary = "A thing that exists."
    keys: ClassVar[Mapping[str, str]] = {"name": "Its name."}
    outputs: ClassVar[Mapping[str, Output]] = {"id": Output("Its id."), "zones": Output("Zones.")}
    cloud: ClassVar[FakeCloud]

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        id = f"t-{where['name']}"
        self.cloud.called("look", id)
        if id not in self.cloud.of("toy.thing"):
            raise NotFound(f"no thing is named {where['name']}", hint="make one")
        return {"id": id, "zones": ["a", "b"]}


class FakeAws(Aws):
    """An AWS client that knows its account without a call."""

    account = "111122223333"
    region = "us-east-1"
    skew_seconds: float | None = None
    credentials_expire_at: datetime | None = None

    def __init__(self) -> None:
        """No session is opened."""
        self.retry_policy = RetryPolicy()
        self.before_write = lambda: None
        self.inventory = Inventory()


class FakeProviders(Providers):
    """Providers whose every driver is a fake one."""

    def __init__(self, cloud: FakeCloud, secrets: Mapping[str, str] | None = None) -> None:
        found = dict(secrets or {})
        super().__init__(FakeAws(), connect=lambda settings: settings, secrets=found.__getitem__)  # type: ignore[arg-type, return-value]
        self.cloud = cloud
        kinds = (Thing, Port, Behind, Image, Herd, Gate)
        classes = {base.kind: type(base.__name__, (base,), {"cloud": cloud}) for base in kinds}
        self._drivers: dict[str, Driver[Any]] = {name: made(self._context) for name, made in classes.items()}
        self._drivers["core.value"] = Value(self._context)

    def driver(self, kind: str) -> Driver[Any]:
        return self._drivers[kind]

    def kind(self, name: str) -> ResourceType:
        return Value if name == "core.value" else type(self._drivers[name])

    def lookup(self, kind: str) -> Lookup:
        found = ThingLookup(self._context)
        found.__class__.cloud = self.cloud
        return found


def thing(address: str, /, **spec: Any) -> Resource:
    """A toy.thing, by default named after its address."""
    more = {name: spec.pop(name) for name in ("after", "lifecycle", "kind") if name in spec}
    return resource(address, more.pop("kind", "toy.thing"), {"name": address, **spec}, **more)


def lookup(lookup_name: str, /, **where: Any) -> LookupDecl:
    """A lookup of a toy.thing."""
    return LookupDecl(lookup_name, "toy.thing", tree(where), ("lookups", lookup_name))


def lost() -> LostAnswer:
    """The error of a call whose response was lost."""
    return LostAnswer("no answer came back")
