"""A cloud small enough to see through: two kinds, kept in a dict, that fail when told to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from smplan.core.blueprint import BackendConfig, Blueprint, Lifecycle, LookupDecl, Resource, SourceMap, SourceRange
from smplan.core.events import Event
from smplan.core.resource_type import Output, ResourceType
from smplan.core.spec import IMMUTABLE, INITIAL, SENSITIVE, UNORDERED, WRITE_ONLY, PartialList, PartialMap, Spec
from smplan.core.values import Json, PartialValue, parse_text
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Claim, Driver, Live, Lookup, Owner, Progress
from smplan.drivers.core.value import Value
from smplan.drivers.retry import RetryPolicy
from smplan.engine.providers import Providers
from smplan.errors import InUse, LostAnswer, NotFound, SmplanError


class ThingSpec(Spec):
    """A thing with a name that is unique among things."""

    name: Annotated[str, IMMUTABLE, Field(description="Unique.")]
    zone: Annotated[str | None, IMMUTABLE, Field(description="Where.")] = None
    size: Annotated[int, Field(description="How big.", ge=0)] = 1
    tags: Annotated[PartialMap[str] | None, Field(description="Labels.")] = None
    uses: Annotated[PartialList[str] | None, UNORDERED, Field(description="Ids of others.")] = None
    start: Annotated[int | None, INITIAL, Field(description="Owned by somebody else later.")] = None
    note: Annotated[str | None, WRITE_ONLY, Field(description="Never read back.")] = None
    password: Annotated[str | None, SENSITIVE, Field(description="A secret.")] = None


class PortSpec(Spec):
    """Something of which there can be only one at a time: its number is its name."""

    number: Annotated[int, IMMUTABLE, Field(description="The natural key.")]
    of: Annotated[str, IMMUTABLE, Field(description="The thing it belongs to.")]
    open: Annotated[bool, Field(description="Whether it is open.")] = True


@dataclass
class Cloud:
    """All that exists, by kind and id, every call that was made, and what shall go wrong."""

    things: dict[str, dict[str, tuple[Spec, Owner | None]]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[tuple[str, str], list[SmplanError]] = field(default_factory=dict)
    after: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    claims: list[Claim] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(self, call: str, key: str, *errors: SmplanError) -> None:
        """Let the next calls of this name about ``key`` raise these errors."""
        self.faults.setdefault((call, key), []).extend(errors)

    def called(self, call: str, key: str) -> None:
        """Take note of a call, and fail if told so."""
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

    def writes(self) -> list[tuple[str, str]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] in ("create", "configure", "update", "delete")]


class Toy(Driver[Any]):
    """What both kinds share: everything happens in ``cloud``."""

    cloud: ClassVar[Cloud]

    @property
    def _all(self) -> dict[str, tuple[Spec, Owner | None]]:
        return self.cloud.of(self.kind)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Any]]:
        self.cloud.called("read", self.kind)
        with self.cloud.lock:
            return {id: self._live(id) for id in ids if id in self._all}

    def _live(self, id: str) -> Live[Any]:
        spec, owner = self._all[id]
        hidden = {name: None for name in ("note", "password") if name in type(spec).model_fields}
        shown = spec.model_copy(update=hidden)
        return Live(id, shown, self._outputs(id, spec), owner if self.taggable else None)

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

    def drain(self, live: Live[Any]) -> Iterator[Progress]:
        yield Progress(f"{live.id} to drain", "draining")
        self.cloud.called("drain", live.id)

    def delete(self, id: str) -> None:
        self.cloud.called("delete", id)
        with self.cloud.lock:
            users = [other for other, (spec, _) in self.cloud.of("toy.thing").items() if id in (spec.uses or ())]
            users += [other for other, (spec, _) in self.cloud.of("toy.port").items() if spec.of == id]
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


class Thing(Toy):
    """Stands beside its successor under another name."""

    kind = "toy.thing"
    summary = "A thing."
    spec = ThingSpec
    outputs: ClassVar[Mapping[str, Output]] = {
        "arn": Output("Its ARN."),
        "version": Output("Grows.", may_change_on_update=True),
    }
    name_field = "name"
    name_limit = 20
    risks: ClassVar[Mapping[str, str]] = {"delete": "data loss"}

    def _id(self, spec: Any) -> str:
        return f"t-{spec.name}"

    def _outputs(self, id: str, spec: Any) -> dict[str, Json]:
        return {"arn": f"arn:{id}", "version": spec.size}


class Port(Toy):
    """There is only one of a number, nobody can write a name on it, and it must go before its successor comes."""

    kind = "toy.port"
    summary = "A port."
    spec = PortSpec
    create_before_delete = False
    taggable = False
    timeout_seconds = 0.5

    def _id(self, spec: Any) -> str:
        return f"p-{spec.number}"


class Behind(Thing):
    """A thing behind the fleet."""

    kind = "toy.behind"
    summary = "A thing behind the fleet."
    via_stream_manager = True

    def _id(self, spec: Any) -> str:
        return f"b-{spec.name}"


class GateSpec(Spec):
    """What is waited for."""

    of: Annotated[str, Field(description="The id of a thing.")]


class Gate(Toy):
    """Waits until the cloud says a thing is well."""

    kind = "toy.gate"
    summary = "A gate."
    spec = GateSpec
    gate = True
    timeout_seconds = 0.3
    well: ClassVar[set[str]] = set()

    def wait_ready(self, id: str, spec: Any) -> Iterator[Progress]:
        self.cloud.called("gate", spec.of)
        while spec.of not in self.well:
            yield Progress(f"{spec.of} to be well", "it is ill")

    def diagnose_timeout(self, spec: Any) -> str:
        self.cloud.called("diagnose_timeout", spec.of)
        return "The cause is known"


class ToyLookup(Lookup):
    """Finds a thing by its name."""

    kind = "toy.thing"
    summary = "A thing that exists."
    keys: ClassVar[Mapping[str, str]] = {"name": "Its name."}
    outputs: ClassVar[Mapping[str, Output]] = {"id": Output("Its id."), "zones": Output("Zones.")}
    cloud: ClassVar[Cloud]

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        id = f"t-{where['name']}"
        self.cloud.called("look", id)
        if id not in self.cloud.of("toy.thing"):
            raise NotFound(f"no thing is named {where['name']}", hint="make one")
        return {"id": id, "zones": ["a", "b"]}


class ToyAws(Aws):
    """An account that nobody has to ask for."""

    account = "111122223333"
    region = "us-east-1"
    ahead: float | None = None
    runs_out: datetime | None = None

    def __init__(self) -> None:
        """No session."""
        self.patience = RetryPolicy()
        self.guard = lambda: None


class ToyWorld(Providers):
    """A world of toys."""

    def __init__(self, cloud: Cloud, secrets: Mapping[str, str] | None = None) -> None:
        found = dict(secrets or {})
        super().__init__(ToyAws(), connect=lambda settings: settings, secrets=found.__getitem__)  # type: ignore[arg-type, return-value]
        self.cloud = cloud
        kinds = (Thing, Port, Behind, Gate)
        classes = {base.kind: type(base.__name__, (base,), {"cloud": cloud}) for base in kinds}
        self.toys: dict[str, Driver[Any]] = {name: made(self._context) for name, made in classes.items()}
        self.toys["core.value"] = Value(self._context)

    def driver(self, kind: str) -> Driver[Any]:
        return self.toys[kind]

    def kind(self, name: str) -> ResourceType:
        return type(self.toys[name])

    def lookup(self, kind: str) -> Lookup:
        found = ToyLookup(self._context)
        found.__class__.cloud = self.cloud
        return found


def tree(value: Any) -> PartialValue:
    """``value`` with its references understood."""
    if isinstance(value, str):
        return parse_text(value)
    if isinstance(value, dict):
        return {key: tree(item) for key, item in value.items()}
    return [tree(item) for item in value] if isinstance(value, list) else value


def resource(address: str, kind: str, spec: Mapping[str, Any], **more: Any) -> Resource:
    """One resource of a blueprint."""
    name, _, key = address.partition("[")
    lifecycle = Lifecycle(**more.pop("lifecycle", {}))
    after = tuple(more.pop("after", ()))
    return Resource(address, name, key[1:-2] or None, kind, tree(dict(spec)), after, lifecycle, ("resources", name))


def thing(address: str, /, **spec: Any) -> Resource:
    """A toy.thing named as its address, unless told otherwise."""
    more = {name: spec.pop(name) for name in ("after", "lifecycle", "kind") if name in spec}
    return resource(address, more.pop("kind", "toy.thing"), {"name": address, **spec}, **more)


def blueprint(*resources: Resource, name: str = "toys", **more: Any) -> Blueprint:
    """A blueprint of these resources."""
    marks = SourceMap("toys.yaml", "resources:\n", lambda: {("resources",): SourceRange(1, 1, 1, 1)})
    values: dict[str, Any] = {
        "region": None,
        "account": None,
        "stream_manager": None,
        "state": BackendConfig("local"),
        "variables": {},
        "lookups": (),
        "outputs": {},
        "digest": "0" * 64,
        "file": "toys.yaml",
        "marks": marks,
    } | more
    return Blueprint(name=name, resources=tuple(resources), **values)


def lookup(lookup_name: str, /, **where: Any) -> LookupDecl:
    """A lookup of a toy.thing."""
    return LookupDecl(lookup_name, "toy.thing", tree(where), ("lookups", lookup_name))


@dataclass
class Log:
    """Hears events."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]


def lost() -> LostAnswer:
    """No answer came back."""
    return LostAnswer("no answer came back")
