"""What holds for every plan, whatever the blueprint, the state and what exists."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from smplan.core.blueprint import Resource
from smplan.core.plan.changes import Create, NoOp, Replace
from smplan.core.plan.model import Op, Step
from smplan.core.plan.observed import Untracked
from smplan.core.state.journal import RunBegan, StepIntent, StepSucceeded
from smplan.core.state.model import ResourceState, State, Status, integrity_errors
from smplan.core.state.replay import Replay
from smplan.core.values import decode
from smplan.errors import BlueprintInvalid
from tests.core.plan.scenario import (
    LINEAGE,
    TYPES,
    Have,
    Planned,
    created,
    deposed,
    have,
    observed,
    pending,
    planned,
    want,
)

ADDRESSES = "abcde"
KINDS = st.sampled_from(["thing", "thing", "image", "image", "port", "port", "remote", "gate", "value"])
REMOVABLE = st.sampled_from(["thing", "image", "port", "remote"])
NOW_AND_THEN = st.sampled_from([False, False, False, True])


@dataclass(frozen=True)
class World:
    """One input of the planner."""

    wants: tuple[Resource, ...]
    haves: tuple[Have, ...]
    deposed: tuple[ResourceState, ...]
    pending: tuple[StepIntent, ...]
    untracked: tuple[Untracked, ...]
    found: dict[str, Any]
    unreadable: dict[str, str]
    destroy: bool
    moved: dict[str, str]
    taken: dict[str, str]

    def plan(self) -> Planned:
        """The plan of this input; an input whose ``moved`` is refused is none."""
        try:
            return self._planned()
        except BlueprintInvalid:
            reject()

    def _planned(self) -> Planned:
        return planned(
            self.wants,
            self.haves,
            deposed=self.deposed,
            pending=self.pending,
            untracked=self.untracked,
            found=self.found,
            unreadable=self.unreadable,
            destroy=self.destroy,
            moved=self.moved,
            taken=self.taken,
        )

    @property
    def records(self) -> tuple[ResourceState, ...]:
        """Every record of the state."""
        return (*(each.record for each in self.haves), *self.deposed)

    @property
    def lost(self) -> set[str]:
        """The ids of what another state has taken over."""
        owned = {each.record.id: each.live.owner for each in self.haves if each.live and each.live.owner}
        return {id for id, (lineage, _) in owned.items() if lineage != LINEAGE} | self.taken.keys()


@st.composite
def specs(draw: st.DrawFn, kind: str, refs: tuple[str, ...] = ()) -> dict[str, Any]:
    other = draw(st.sampled_from(["x", *(f"${{{address}.id}}" for address in refs)]))
    if kind == "port":
        return {"number": draw(st.integers(1, 2)), "of": other}
    if kind == "gate":
        return {"of": other}
    if kind == "value":
        return {"input": other}
    spec: dict[str, Any] = {"size": draw(st.integers(1, 2)), "zone": draw(st.sampled_from(["x", "y"]))}
    if draw(st.booleans()):
        spec["name"] = "shared"
    return spec | ({"uses": [other]} if refs else {})


@st.composite
def worlds(draw: st.DrawFn) -> World:
    order = draw(st.permutations(ADDRESSES))[: draw(st.integers(0, len(ADDRESSES)))]
    wants = [draw(wanted(address, tuple(order[:at]))) for at, address in enumerate(order)]
    kinds = {each.address: each.kind for each in wants}
    haves = [draw(existing(address, kinds.get(address))) for address in ADDRESSES if draw(st.booleans())]
    generations = {each.record.address: each.record.generation for each in haves}
    older = [draw(records(address)) for address in ADDRESSES if generations.get(address, 2) > 1 and draw(NOW_AND_THEN)]
    intents = [draw(intended(address)) for address in ADDRESSES if draw(NOW_AND_THEN)]
    untracked = [created(intent) for intent in intents if draw(st.booleans())]
    fresh = [each for each in wants if each.address not in generations and each.kind in ("thing", "port")]
    return World(
        tuple(wants),
        tuple(haves),
        tuple(older),
        tuple(intents),
        tuple(untracked),
        {each.address: draw(under_natural_key(each, older, untracked)) for each in fresh if draw(st.booleans())},
        {each.record.address: "down" for each in haves if each.record.kind == "remote" and draw(st.booleans())},
        draw(NOW_AND_THEN),
        draw(renamed(wants, haves)),
        {each.id: "other/z" for each in older if TYPES[each.kind].taggable and draw(NOW_AND_THEN)},
    )


@st.composite
def renamed(draw: st.DrawFn, wants: list[Resource], haves: list[Have]) -> dict[str, str]:
    """Entries of ``moved`` that can be carried out: from addresses that are free now to such that were not there."""
    new = [each for each in wants if each.address not in {have.record.address for have in haves}]
    old = [each.record for each in haves if each.record.address not in {want.address for want in wants}]
    pairs = [(one.address, other.address) for one in old for other in new if one.kind == other.kind]
    if not pairs or not draw(st.booleans()):
        return {}
    before, after = draw(st.sampled_from(pairs))
    return {before: after}


@st.composite
def wanted(draw: st.DrawFn, address: str, earlier: tuple[str, ...]) -> Resource:
    kind = draw(KINDS)
    after = [other for other in earlier if draw(NOW_AND_THEN)]
    lifecycle: dict[str, Any] = {name: draw(NOW_AND_THEN) for name in ("adopt", "prevent_destroy", "keep")}
    lifecycle["adopt_from"] = draw(st.sampled_from(["", "", "other/z"]))
    lifecycle["keep_generations"] = draw(st.integers(0, 2)) if kind == "image" else 0
    return want(address, kind, after=after, lifecycle=lifecycle, **draw(specs(kind, earlier)))


def others(address: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([each for each in ADDRESSES if each != address]), max_size=2, unique=True)


@st.composite
def existing(draw: st.DrawFn, address: str, kind: str | None) -> Have:
    kind = kind if kind and draw(st.booleans()) else draw(KINDS)
    status = draw(st.sampled_from([Status.READY, Status.READY, Status.INCOMPLETE]))
    return have(
        address,
        kind,
        after=draw(others(address)),
        gone=draw(NOW_AND_THEN),
        live={"size": 9} if kind == "thing" and draw(NOW_AND_THEN) else None,
        generation=draw(st.integers(1, 2)),
        status=status,
        keep=draw(NOW_AND_THEN),
        owner=draw(st.sampled_from(["", "", "", "other/z"])) if TYPES[kind].taggable else "",
        **draw(specs(kind)),
    )


@st.composite
def records(draw: st.DrawFn, address: str) -> ResourceState:
    kind = draw(REMOVABLE)
    return deposed(address, kind, after=draw(others(address)), **draw(specs(kind)))


@st.composite
def intended(draw: st.DrawFn, address: str) -> StepIntent:
    kind = draw(REMOVABLE)
    op = draw(st.sampled_from(["create", "adopt"]))
    return pending(address, kind, op=op, after=draw(others(address)), **draw(specs(kind)))


@st.composite
def under_natural_key(
    draw: st.DrawFn, resource: Resource, older: list[ResourceState], untracked: list[Untracked]
) -> Any:
    same = [each.live for each in untracked if each.resource.kind == resource.kind]
    same += [observed(each.kind, each.id, each.spec, each.address) for each in older if each.kind == resource.kind]
    if len(same) > 0 and draw(st.booleans()):
        return draw(st.sampled_from(same))
    owner = draw(st.sampled_from(["", resource.address, "other/z"])) if TYPES[resource.kind].taggable else ""
    spec = {"name": resource.address} if resource.kind == "thing" else {}
    return observed(resource.kind, f"found-{resource.address}", {**spec, **draw(specs(resource.kind))}, owner)


WORLDS = settings(max_examples=3 * settings().max_examples)
"""More than other properties get, in every profile."""


@given(worlds())
@WORLDS
def test_a_resource_has_one_change_and_every_step_an_id_of_its_own(world: World) -> None:
    plan = world.plan()
    aside = (Op.DELETE, Op.FORGET, Op.MOVE, Op.RESTORE)
    forward = Counter(step.address for step in plan.steps if step.op not in aside)
    assert all(number == 1 for number in forward.values())
    assert len({step.id for step in plan.steps}) == len(plan.steps)
    assert set(plan.changes.changes) == (set() if world.destroy else {each.address for each in world.wants})


@given(worlds())
@WORLDS
def test_every_step_comes_after_the_steps_it_depends_on(world: World) -> None:
    before: set[str] = set()
    for step in world.plan().steps:
        assert {each.step for each in step.depends_on} <= before
        before.add(step.id)


@given(worlds())
@WORLDS
def test_every_record_of_the_state_is_kept_changed_or_removed_once(world: World) -> None:
    plan = world.plan()
    if plan.changes.diagnostics:
        return
    removed = Counter((step.kind, step.physical_id) for step in plan.steps if step.op in (Op.DELETE, Op.FORGET))
    moved = {(move.resource.kind, move.resource.id): move.resource.address for move in plan.changes.moves}
    taken = set(moved.values())
    stays = {(each.kind, each.id) for each in plan.changes.kept}
    for record in (*(each.record for each in world.haves), *world.deposed):
        address = moved.get((record.kind, record.id))
        older = not address and (record in world.deposed or record.address in taken)
        change = plan.changes.changes.get(address or record.address)
        kept = not older and change is not None and change.target.type.kind == record.kind
        if kept and not isinstance(change, NoOp) and change.op is Op.REPLACE:  # type: ignore[union-attr]
            kept = False
        kept = kept or (record.kind, record.id) in stays
        assert removed[record.kind, record.id] == (0 if kept else 1), record


@given(worlds())
@WORLDS
def test_nothing_is_both_kept_and_deleted(world: World) -> None:
    plan = world.plan()
    removed = {(step.kind, step.physical_id) for step in plan.steps if step.op is Op.DELETE}
    kept = {(step.kind, step.physical_id) for step in plan.steps if step.op in (Op.UPDATE, Op.ADOPT, Op.GATE)}
    kept |= {(c.target.type.kind, c.live.id) for c in plan.changes.changes.values() if isinstance(c, NoOp) and c.live}
    assert not removed & kept


@given(worlds())
@WORLDS
def test_one_resource_has_one_address(world: World) -> None:
    plan = world.plan()
    if plan.changes.diagnostics:
        return
    changes = plan.changes.changes.values()
    keys = Counter((c.target.type.kind, c.target.type.natural_key(c.target.spec.managed_fields())) for c in changes)
    assert all(number == 1 for (_, key), number in keys.items() if key)
    ids = Counter((c.target.type.kind, c.live.id) for c in changes if not isinstance(c, Create) and c.live)
    assert all(number == 1 for number in ids.values())
    moved = Counter((move.resource.kind, move.resource.id) for move in plan.changes.moves)
    assert all(number == 1 for number in moved.values())


@given(worlds())
@WORLDS
def test_what_the_blueprint_has_at_any_address_is_not_deleted(world: World) -> None:
    plan = world.plan()
    if plan.changes.diagnostics or world.destroy:
        return
    deleted = {step.physical_id for step in plan.steps if step.op is Op.DELETE}
    held = [each.record for each in world.haves]
    keys = Counter((each.kind, TYPES[each.kind].natural_key(decode(each.spec))) for each in held)
    for change in plan.changes.changes.values():
        type = change.target.type
        key = type.natural_key(change.target.spec.managed_fields())
        for record in held if key and keys[type.kind, key] == 1 and not isinstance(change, Replace) else ():
            if (record.kind, type.natural_key(decode(record.spec))) == (type.kind, key):
                assert record.id not in deleted


@given(worlds())
@WORLDS
def test_what_is_shared_or_of_another_owner_is_not_deleted(world: World) -> None:
    plan = world.plan()
    deleted = {(step.kind, step.physical_id) for step in plan.steps if step.op is Op.DELETE}
    for record in world.records:
        if record.keep or record.id in world.lost:
            assert (record.kind, record.id) not in deleted


@given(worlds())
@WORLDS
def test_what_another_state_owns_changes_only_if_the_blueprint_names_it_or_shares_it(world: World) -> None:
    plan = world.plan()
    changed = {step.physical_id: step.adopt for step in plan.steps if step.op in (Op.UPDATE, Op.ADOPT)}
    for id in world.lost & changed.keys():
        lifecycle = changed[id]
        assert lifecycle
        assert lifecycle.keep or lifecycle.adopt_from == "other/z"


@given(worlds())
@WORLDS
def test_replayed_moves_leave_every_record_once_at_the_address_that_was_planned(world: World) -> None:
    moves = [step for step in world.plan().steps if step.op in (Op.MOVE, Op.RESTORE)]
    records = {each.record.address: each.record for each in world.haves}
    replaying = Replay(State("toys", LINEAGE, 3, records, world.deposed))
    replaying.add(RunBegan("run", "plan", "digest", 3, "now"))
    for step in moves:
        replaying.add(StepIntent(step.id, step.op, step.resource, previous_address=step.previous_address))
        replaying.add(StepSucceeded(step.id, step.physical_id, step.resource.spec, {}))
    state = replaying.result().state
    assert integrity_errors(state) == []
    for step in moves:
        assert state.resources[step.address].id == step.physical_id
        assert set(step.resource.dependencies) <= {*state.resources[step.address].dependencies}
    assert Counter((each.kind, each.id) for each in (*state.resources.values(), *state.deposed)) == Counter(
        (each.kind, each.id) for each in world.records
    )


@given(worlds())
@WORLDS
def test_kept_generations_are_as_many_as_wanted_and_refer_to_nothing_that_is_deleted(world: World) -> None:
    plan = world.plan()
    if plan.changes.diagnostics:
        return
    kept, wanted = plan.changes.kept, {each.address: each.lifecycle.keep_generations for each in world.wants}
    deleted = {step.physical_id for step in plan.steps if step.op is Op.DELETE}
    numbers = Counter(each.address for each in kept)
    assert all(not world.destroy and number <= wanted[address] for address, number in numbers.items())
    assert not any(id in repr(each.spec) for each in kept for id in deleted)
    assert not deleted & {each.id for each in kept}


@given(worlds())
@WORLDS
def test_equal_input_gives_equal_bytes(world: World) -> None:
    assert as_bytes(world.plan()) == as_bytes(replace(world).plan())


def as_bytes(plan: Planned) -> bytes:
    steps = TypeAdapter(tuple[Step, ...]).dump_json(plan.steps)
    refused = [each.message for each in plan.changes.guard_violations]
    refused += [each.message for each in plan.changes.unowned]
    return steps + json.dumps(refused).encode()
