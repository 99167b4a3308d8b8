"""Invariants: checked at every call that changes something, and after every step of a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from smplan.core.blueprint import Resource
from smplan.core.plan.model import Op, Step
from smplan.core.spec import INITIAL, fields
from smplan.core.state.journal import CREATING_OPS, ReplayedState, StepIntent
from smplan.core.state.model import ResourceState, State, Status, integrity_errors
from smplan.core.values import PartialValue, Ref, get_path, resolve
from smplan.drivers.base import Owner
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record
from tests.campaigns.histories.process import Process
from tests.campaigns.histories.schedule import InvariantViolation
from tests.campaigns.histories.site import Site

Identity: TypeAlias = tuple[str, str, Any]
"""A resource's address, kind and natural key."""

NOT_IN_CLOUD = ("core.value", "sim.gate")


def check_call(process: Process, op: str, kind: str, *, address: str = "", record: Record | None = None) -> None:
    """A call that changes something is in the plan, its intent is durable, and its resource may be changed."""
    process.mutations += 1
    if op != "create" and record is None:
        return  # it finds nothing to change
    steps = [step for step in process.plan.steps if _means(step, op, kind, address, record)] if process.plan else []
    about = f"{process.name}: {op} {kind} {record.id if record else address}"
    if not steps:
        raise InvariantViolation("an apply does only the steps of its plan", about)
    if not any(step.id in process.intents for step in steps):
        raise InvariantViolation("nothing is changed before its intent is durable", about)
    permitted = process.plan.permits.get("unprotect", ()) if process.plan else ()
    protected = (kind, record.id) in process.protected if record else False
    if op == "delete" and protected and not any(step.address in permitted for step in steps):
        raise InvariantViolation("prevent_destroy is honored", about)
    if op == "delete" and record and (kind, record.id) in process.kept:
        raise InvariantViolation("what is shared is never deleted", about)
    if record and process.plan:
        _check_owner(process.plan.base.lineage, op, record, steps, about)


def _check_owner(lineage: str, op: str, record: Record, steps: list[Step], about: str) -> None:
    """What is changed is ours, or the plan was allowed to take it over, or to share it."""
    if record.maker.lineage == lineage:
        return
    allowed = [step.adopt for step in steps if step.adopt]
    owner = (record.maker.lineage, record.maker.address) if record.tagged and record.maker is not STRANGER else None
    if op in ("configure", "update") and any(each.keep for each in allowed):
        record.shared = True
        return
    if owner is None and not record.taggable and record.maker is not STRANGER:
        return  # nothing shows that another state has it, too
    if not any(each.may_adopt(owner, lineage) for each in allowed):
        raise InvariantViolation("resources of other owners are not changed", about)
    record.maker = Owner(lineage, steps[0].address)


def _means(step: Step, op: str, kind: str, address: str, record: Record | None) -> bool:
    if step.kind != kind:
        return False
    if op == "create":
        return step.op in (Op.CREATE, Op.REPLACE) and step.address == address
    assert record is not None
    adopts = step.adopt is not None and (step.adopt.adopt or step.adopt.keep or bool(step.adopt.adopt_from))
    own = record.maker.address == step.address or step.physical_id == record.id
    own = own or (not record.taggable and natural(step.resource.spec) == natural(dict(record.spec)))
    makes = step.op in (Op.CREATE, Op.REPLACE, Op.ADOPT) and (own or adopts)
    if op == "claim":
        named = step.op in (Op.ADOPT, Op.MOVE, Op.UPDATE)  # an update restores tags that were removed
        return (named and step.physical_id == record.id) or (makes and adopts)
    if op == "configure":
        return makes
    if op == "update":
        return makes or (step.op is Op.UPDATE and step.physical_id == record.id)
    return step.op is Op.DELETE and step.physical_id == record.id


def check_world(sites: Sequence[Site], cloud: Cloud) -> None:
    """Each state and its journal are consistent, and match the cloud."""
    known = {STRANGER.lineage, *(site.lineage for site in sites)}
    lost = [record.id for record in cloud.live() if record.maker.lineage not in known]
    if lost:
        raise InvariantViolation("no untracked resource", f"{', '.join(lost)} exist, and there is no state")
    for site in sites:
        if site.folded is None:
            continue
        found = integrity_errors(site.folded.state)
        if found:
            raise InvariantViolation("the state is consistent", "; ".join(found))
        _check_records(site, site.folded, cloud)
        for entry in site.folded.state.resources.values():
            _check_entry(entry, cloud)


def _check_records(site: Site, folded: ReplayedState, cloud: Cloud) -> None:
    unseen: Counter[Identity] = Counter()
    held = site.held()
    begun = {_identity(intent) for intent in (*_open(folded), *folded.pending_creates) if intent.op in CREATING_OPS}
    for record in cloud.live():
        key = (record.kind, record.id)
        entry = held.get(key)
        if entry and record.maker.lineage != site.lineage:
            _check_foreign(site, entry, record)
        elif entry:
            site.owned.add(key)
            record.maker = Owner(site.lineage, entry.address) if not record.tagged else record.maker
        elif record.maker.lineage == site.lineage and record.gone_at is None and key not in site.given_up:
            identity = (record.maker.address, record.kind, natural(dict(record.spec)))
            about = f"{record.kind} {record.id} of {record.maker.address}"
            unseen[identity] += 1
            if identity not in begun:
                raise InvariantViolation("no untracked resource", f"{about} is in no state and no open intent")
            if unseen[identity] > 1:
                raise InvariantViolation("nothing is created twice", f"{about}: {unseen[identity]} are in no state")


def _check_foreign(site: Site, entry: ResourceState, record: Record) -> None:
    """A record of what another made: adopted or shared with permission, or taken over by the other since."""
    key = (record.kind, record.id)
    if record.maker is not STRANGER and (key in site.owned or record.made_by == site.lineage or not record.taggable):
        return  # without tags, an equal resource counts as what an interrupted create of this state made
    if entry.status is Status.INCOMPLETE and record.maker is not STRANGER:
        return  # two creates met: the step has failed
    record.shared = record.shared or entry.keep
    if not entry.keep and entry.address not in site.adopting:
        raise InvariantViolation(
            "resources of other owners are not adopted without permission", f"{entry.address} has {record.id}"
        )
    if record.maker is STRANGER and not entry.keep:
        record.maker = Owner(site.lineage, entry.address)


def _identity(intent: StepIntent) -> Identity:
    entry = intent.resource
    return entry.address, entry.kind, natural(entry.spec)


def natural(spec: Any) -> Any:
    """The natural key of a spec."""
    return spec["number"] if "number" in spec else spec.get("name")


def _open(folded: ReplayedState) -> list[StepIntent]:
    return list(folded.run.open.values()) if folded.run else []


def _check_entry(entry: ResourceState, cloud: Cloud) -> None:
    if entry.kind in NOT_IN_CLOUD or entry.status is not Status.READY:
        return
    key = (entry.kind, entry.id)
    if cloud.get(*key) is None and key not in cloud.deleted_external and key not in cloud.deleted_by_us:
        raise InvariantViolation(
            "no missing resource", f"{entry.address} is ready in the state, but {entry.kind} {entry.id} does not exist"
        )


def check_equal(blueprint: Any, state: State, cloud: Cloud) -> None:
    """The cloud matches the blueprint in every managed field."""
    base = cloud.by_key("sim.thing", "name", "base")
    values: dict[str, dict[str, Any]] = {"base": {"id": base.id if base else ""}}
    for entry in state.resources.values():
        record = cloud.get(entry.kind, entry.id)
        real = {name: value for name, value in record.spec if value is not None} if record else dict(entry.spec)
        more = {"arn": f"arn:{entry.id}", "version": record.version} if record else dict(entry.outputs)
        values[entry.address] = {**more, **real, "id": entry.id}

    def known(ref: Ref) -> PartialValue:
        return get_path(values[ref.address], ref.path)

    wanted = {resource.address: resource for resource in blueprint.resources}
    if set(wanted) != set(state.resources):
        raise InvariantViolation("the state matches the blueprint", f"{sorted(state.resources)}")
    _check_kept(wanted, state, cloud)
    for address, resource in wanted.items():
        entry = state.resources[address]
        record = cloud.get(entry.kind, entry.id)
        if entry.kind != resource.kind or (record is None and entry.kind not in NOT_IN_CLOUD):
            raise InvariantViolation(
                "the cloud matches the blueprint", f"{address}: there is no {resource.kind} {entry.id}"
            )
        for name, value in resolve(resource.spec, known).items():
            _check_field(entry, record, name, value)


def _check_kept(wanted: Mapping[str, Resource], state: State, cloud: Cloud) -> None:
    """Replaced generations are kept where the blueprint says so, and as many as it says."""
    numbers = Counter(entry.address for entry in state.deposed)
    for address, number in numbers.items():
        if address not in wanted or number > wanted[address].lifecycle.keep_generations:
            raise InvariantViolation("the state matches the blueprint", f"{number} deposed of {address}")
    for entry in state.deposed:
        if cloud.get(entry.kind, entry.id) is None and (entry.kind, entry.id) not in cloud.deleted_external:
            raise InvariantViolation("what is kept exists", f"{entry.address}: {entry.kind} {entry.id}")


def _check_field(entry: ResourceState, record: Record | None, name: str, value: Any) -> None:
    real = getattr(record.spec, name) if record else entry.spec[name]
    if record and fields(type(record.spec))[name].has(INITIAL):
        return
    if name == "uses":
        real, value = sorted(real or ()), sorted(value)
    if name == "name" and entry.name:
        value = entry.name
    if name == "tags":
        real = {key: each for key, each in (real or {}).items() if key in value}
    if real != value:
        raise InvariantViolation(
            "the cloud matches the blueprint", f"{entry.address}.{name} is {real!r}, not {value!r}"
        )
