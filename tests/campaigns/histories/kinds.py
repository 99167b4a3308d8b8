"""Resource types of the simulated cloud, each with one way in which AWS resources behave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from smplan.core.resource_type import Output, ResourceType
from smplan.core.spec import IMMUTABLE, INITIAL, fields
from smplan.core.values import Json
from smplan.drivers.base import Claim, Driver, Live, Lookup, Owner, Progress
from smplan.drivers.core.value import Value
from smplan.engine.providers import Providers
from smplan.errors import NotFound, Unreachable
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record, Rules
from tests.campaigns.histories.invariants import check_call
from tests.campaigns.histories.process import Process
from tests.campaigns.histories.schedule import InvariantViolation
from tests.support.fake_cloud import FakeAws
from tests.support.fake_specs import GateSpec, PortSpec, ThingSpec, readable

T = TypeVar("T")


class Sim(Driver[Any]):
    """Base of all kinds: calls of one process to the shared cloud."""

    rules: ClassVar[Rules] = Rules()

    def __init__(self, process: Process, cloud: Cloud) -> None:
        self.process = process
        self.cloud = cloud

    def _call(self, op: str, key: str, act: Callable[[], T]) -> T:
        def reached() -> T:
            if self.via_stream_manager and not self.cloud.fleet_up:
                raise Unreachable("no Stream Manager is in service")
            return act()

        return self.process.call(op, self.kind, key, reached)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Any]]:
        def read() -> dict[str, Live[Any]]:
            found = {id: self.cloud.seen(self.kind, id) for id in ids}
            return {id: self._live(record) for id, record in found.items() if record}

        return self._call("read", ",".join(ids), read)

    def _live(self, record: Record) -> Live[Any]:
        owner = record.maker if record.tagged and record.maker is not STRANGER else None
        return Live(record.id, readable(record.spec), self._outputs(record), owner)

    def _outputs(self, record: Record) -> dict[str, Json]:
        return {"arn": f"arn:{record.id}", "version": record.version}

    def create(self, spec: Any, claim: Claim) -> str:
        def create() -> str:
            check_call(self.process, "create", self.kind, address=claim.owner.address)
            racing = self.process.racing
            return self.cloud.create(self.kind, self.rules, spec, claim.owner, tagged=self.taggable, racing=racing)

        return self._call("create", claim.owner.address, create)

    def configure(self, id: str, spec: Any) -> None:
        if not self.rules.two_calls:
            return
        fields = {"size": spec.size, "tags": spec.tags, "note": spec.note}
        self._call("configure", id, lambda: self._change("configure", id, fields))

    def update(self, live: Live[Any], spec: Any) -> None:
        wanted = {
            name: getattr(spec, name)
            for name, facts in fields(self.spec).items()
            if getattr(spec, name) is not None and not facts.has(INITIAL)
        }
        changing = {name: value for name, value in wanted.items() if value != getattr(live.spec, name)}
        for name in changing:
            if fields(self.spec)[name].has(IMMUTABLE):
                raise InvariantViolation("an update changes no immutable field", f"{self.kind} {live.id}: {name}")
        if changing:
            self._call("update", live.id, lambda: self._change("update", live.id, changing))

    def _change(self, op: str, id: str, fields: Mapping[str, Any]) -> None:
        check_call(self.process, op, self.kind, record=self.cloud.get(self.kind, id))
        self.cloud.change(self.kind, id, dict(fields))

    def set_owner(self, id: str, owner: Owner) -> None:
        def claim() -> None:
            record = self.cloud.get(self.kind, id)
            if record is None:
                raise NotFound(f"{id} does not exist")
            check_call(self.process, "claim", self.kind, record=record)
            record.maker, record.tagged = owner, True

        self._call("claim", id, claim)

    def delete(self, id: str) -> None:
        def delete() -> None:
            record = self.cloud.get(self.kind, id)
            if record is not None:
                check_call(self.process, "delete", self.kind, record=record)
            self.cloud.delete(self.kind, self.rules, id)

        self._call("delete", id, delete)

    def wait_ready(self, id: str, spec: Any) -> Iterator[Progress]:
        while self.rules.settles and not self._call("settle", id, lambda: self._settled(id)):
            yield Progress(f"{self.kind} {id} to settle", "pending")

    def _settled(self, id: str) -> bool:
        record = self.cloud.seen(self.kind, id)
        return record is not None and self.cloud.schedule.now >= record.ready_at

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        while self.rules.vanishes and self._call("vanish", id, lambda: self.cloud.get(self.kind, id) is not None):
            yield Progress(f"{self.kind} {id} to be gone", "deleting")

    def find(self, spec: Any) -> Live[Any] | None:
        def find() -> Live[Any] | None:
            record = self.cloud.by_key(self.kind, self.rules.key, getattr(spec, self.rules.key))
            known = record is not None and self.cloud.seen(self.kind, record.id)
            return self._live(record) if record is not None and known else None

        return self._call("find", str(getattr(spec, self.rules.key)), find)


class Named(Sim):
    """A resource whose replacement is created first, under another name."""

    summary = "A thing."
    spec = ThingSpec
    outputs: ClassVar[Mapping[str, Output]] = {
        "arn": Output("Its ARN."),
        "version": Output("Grows.", may_change_on_update=True),
    }
    name_field = "name"
    name_limit = 20


class Thing(Named):
    """A unique name; a second create is refused. Describe returns it with a delay."""

    kind = "sim.thing"
    restorable = True
    rules = Rules(lag=20.0)


class Silent(Named):
    """A repeated create succeeds like the first (load balancers, target groups, topics)."""

    kind = "sim.silent"
    rules = Rules(silent=True)


class Pair(Named):
    """Its creation takes two calls, and then time to become ready."""

    kind = "sim.pair"
    restorable = True
    rules = Rules(two_calls=True, settles=90.0)


class Slow(Named):
    """Its creation and its deletion take minutes."""

    kind = "sim.slow"
    rules = Rules(settles=200.0, vanishes=200.0)


class Group(Named):
    """Its id is its name: a new one of that name has the same id (scaling groups, alarms)."""

    kind = "sim.group"
    rules = Rules(named=True)


class Plain(Named):
    """Its id is its name, and it has no tags (launch configurations)."""

    kind = "sim.plain"
    restorable = True
    taggable = False
    rules = Rules(named=True)


class Twin(Named):
    """Names are not unique: a repeated create makes a second one."""

    kind = "sim.twin"
    restorable = True
    rules = Rules(unique=False)


class Behind(Named):
    """Reached through the Stream Manager."""

    kind = "sim.behind"
    restorable = True
    via_stream_manager = True


class Port(Sim):
    """One per number, without tags, so it is deleted before its replacement is created."""

    kind = "sim.port"
    summary = "A port."
    spec = PortSpec
    key_fields = ("number",)
    create_before_delete = False
    taggable = False
    rules = Rules(key="number")

    def _outputs(self, record: Record) -> dict[str, Json]:
        return {}


class Gate(Sim):
    """Waits until a thing is ready, and the gates are open."""

    kind = "sim.gate"
    summary = "A gate."
    spec = GateSpec
    gate = True

    def wait_ready(self, id: str, spec: Any) -> Iterator[Progress]:
        while not self._call("gate", spec.of, lambda: self._passed(spec.of)):
            yield Progress(f"{spec.of} to be well", "it is ill")

    def _passed(self, id: str) -> bool:
        found = [record for record in self.cloud.live() if record.id == id]
        return self.cloud.gates_open and any(self.cloud.schedule.now >= record.ready_at for record in found)


class Base(Lookup):
    """Finds an existing resource by its name."""

    kind = "sim.thing"
    summary = "A thing that exists."
    keys: ClassVar[Mapping[str, str]] = {"name": "Its name."}
    outputs: ClassVar[Mapping[str, Output]] = {"id": Output("Its id.")}

    def __init__(self, process: Process, cloud: Cloud) -> None:
        self.process = process
        self.cloud = cloud

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        record = self.process.call(
            "look", self.kind, where["name"], lambda: self.cloud.by_key(self.kind, "name", where["name"])
        )
        if record is None:
            raise NotFound(f"nothing is named {where['name']}")
        return {"id": record.id}


_SIMS: tuple[type[Sim], ...] = (Thing, Silent, Pair, Slow, Group, Plain, Twin, Behind, Port, Gate)
KINDS: dict[str, type[Sim]] = {found.kind: found for found in _SIMS}
TYPES: dict[str, ResourceType] = {**KINDS, "core.value": Value}


class SimWorld(Providers):
    """Providers that connect one process to the cloud."""

    def __init__(self, process: Process, cloud: Cloud, kinds: Mapping[str, type[Sim]] = KINDS) -> None:
        super().__init__(FakeAws(), connect=lambda settings: settings, secrets=str, runtime=process.stop.runtime)  # type: ignore[arg-type, return-value]
        self._process = process
        self._cloud = cloud
        self._sims: dict[str, Driver[Any]] = {name: made(process, cloud) for name, made in kinds.items()}
        self._sims["core.value"] = Value(self._context)

    def driver(self, kind: str) -> Driver[Any]:
        return self._sims[kind]

    def kind(self, name: str) -> ResourceType:
        return TYPES[name]

    def lookup(self, kind: str) -> Lookup:
        return Base(self._process, self._cloud)
