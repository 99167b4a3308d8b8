from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smplan.core.plan.model import Op
from smplan.core.state.journal import (
    JournalEntry,
    ReplayedState,
    ResourceCreated,
    RunBegan,
    RunEnded,
    StepFailed,
    StepIntent,
    StepSucceeded,
)
from smplan.core.state.model import USED_PLANS, ResourceState, State, Status, integrity_errors
from smplan.core.state.replay import OPS, Replay, replay
from smplan.errors import StoreError

EMPTY = State("fleet", "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001", 1, {})
BEGAN = RunBegan("r1", "p1", "d1", 1, "2026-11-23T03:00:00Z")


def record(address: str = "a", id: str = "", **changes: object) -> ResourceState:
    made = ResourceState(address, "core.value", id, {"input": 1}, {})
    return replace(made, **changes)  # type: ignore[arg-type]  # the names of ResourceState's fields, whatever their types


def done(step: str, id: str) -> StepSucceeded:
    return StepSucceeded(step, id, {"input": 2}, {"output": 2})


def ended(outcome: str, run: str = "r1", outputs: Mapping[str, object] = MappingProxyType({})) -> RunEnded:
    return RunEnded(run, outcome, dict(outputs), "2026-11-23T03:10:00Z")


def after(*entries: JournalEntry, base: State = EMPTY) -> ReplayedState:
    return replay(base, (BEGAN, *entries))


def holding(*entries: ResourceState) -> State:
    return replace(EMPTY, resources={each.address: each for each in entries})


READY = record(id="i1", spec={"input": 2}, outputs={"output": 2})


def test_a_resource_is_incomplete_once_created_and_ready_once_the_step_succeeded() -> None:
    create = StepIntent("s1", "create", record())
    made = after(create, ResourceCreated("s1", "i1"))
    assert made.state.resources == {"a": record(id="i1", status=Status.INCOMPLETE)}
    assert after(create, ResourceCreated("s1", "i1"), done("s1", "i1")).state.resources == {"a": READY}


def test_what_clients_still_use_is_remembered_after_an_update_and_by_the_next_one() -> None:
    before = record(id="i1", dependencies=("old",))
    update = StepIntent("s1", "update", record(id="i1", dependencies=("new",)))
    until = "2026-11-23T03:05:00+00:00"
    first = after(update, replace(done("s1", "i1"), at="2026-11-23T03:04:00+00:00", until=until), base=holding(before))
    used = first.state.resources["a"]
    assert (used.used_until, used.used, used.dependencies) == (until, ("old", "new"), ("new",))
    again = after(update, done("s1", "i1"), base=first.state)
    assert again.state.resources["a"] == used
    moved = StepIntent("s2", "move", replace(record("new-old", "i2")), previous_address="old")
    base = replace(first.state, resources={**first.state.resources, "old": record("old", "i2")})
    assert after(moved, done("s2", ""), base=base).state.resources["a"].used == ("new-old", "new")


def test_a_create_without_an_id_is_pending() -> None:
    create = StepIntent("s1", "create", record())
    folded = after(create)
    assert folded.state.resources == {}
    assert folded.pending_creates == (create,)
    assert after(create, ResourceCreated("s1", "i1")).pending_creates == ()


def test_the_id_may_change_between_create_and_success() -> None:
    create = StepIntent("s1", "create", record())
    assert after(create, ResourceCreated("s1", "pending"), done("s1", "i1")).state.resources["a"].id == "i1"


def test_a_replaced_generation_is_deposed_until_it_is_deleted() -> None:
    base = holding(record(id="i1"))
    steps: list[JournalEntry] = [StepIntent("s1", "replace", record(generation=2)), ResourceCreated("s1", "i2")]
    folded = after(*steps, base=base)
    assert folded.state.resources["a"] == record(id="i2", generation=2, status=Status.INCOMPLETE)
    assert folded.state.deposed == (record(id="i1"),)
    steps += [done("s1", "i2"), StepIntent("s2", "delete", record(id="i1")), done("s2", "i1")]
    folded = after(*steps, base=base)
    assert folded.state.resources["a"].status is Status.READY
    assert folded.state.deposed == ()


def test_a_generation_that_was_deleted_first_is_not_deposed() -> None:
    steps: list[JournalEntry] = [
        StepIntent("s1", "delete", record(id="i1")),
        done("s1", ""),
        StepIntent("s2", "replace", record(generation=2)),
        ResourceCreated("s2", "i1"),
        done("s2", "i1"),
    ]
    folded = after(*steps, base=holding(record(id="i1")))
    assert folded.state.resources["a"].generation == 2
    assert folded.state.deposed == ()


def test_a_replacement_with_the_same_id_deposes_nothing() -> None:
    folded = after(StepIntent("s1", "replace", record()), ResourceCreated("s1", "i1"), base=holding(record(id="i1")))
    assert folded.state.deposed == ()


def test_a_move_gives_a_record_another_address_and_deposes_what_it_displaces() -> None:
    base = holding(record("a", id="i1"), record("b", id="i2"), record("c", id="i3", dependencies=("a",)))
    move = StepIntent("s1", "move", record("b", id="i1", generation=2), previous_address="a")
    folded = after(move, done("s1", "i1"), base=base)
    assert folded.state.resources["b"] == record("b", id="i1", generation=2)
    assert folded.state.resources["c"].dependencies == ("b",)
    assert folded.state.deposed == (record("b", id="i2"),)
    back = StepIntent("s2", "move", record("a", id="i2"), previous_address="b")
    folded = after(move, done("s1", "i1"), back, done("s2", "i2"), base=base)
    assert folded.state.resources["a"] == record("a", id="i2")
    assert folded.state.deposed == ()


def test_older_generations_depend_on_what_moved_at_its_new_address() -> None:
    base = replace(holding(record("a", id="i1")), deposed=(record("c", id="i3", dependencies=("a",)),))
    folded = after(StepIntent("s1", "move", record("b", id="i1"), previous_address="a"), done("s1", "i1"), base=base)
    assert folded.state.deposed == (record("c", id="i3", dependencies=("b",)),)


def test_a_restored_generation_takes_the_place_of_the_current_one() -> None:
    base = holding(record("a", id="i2", generation=2), record("c", id="i3", dependencies=("a",)))
    base = replace(base, deposed=(record("a", id="i1"),))
    restore = StepIntent("s1", "restore", record("a", id="i1", generation=3), previous_address="a")
    assert after(restore, base=base).state.resources == base.resources
    folded = after(restore, done("s1", "i1"), base=base)
    assert folded.state.resources["a"] == record("a", id="i1", generation=3)
    assert folded.state.resources["c"].dependencies == ("a",)
    assert folded.state.deposed == (record("a", id="i2", generation=2),)


def test_a_move_from_where_nothing_is_is_rejected() -> None:
    with pytest.raises(StoreError, match="moves i1 from x, which does not hold it"):
        after(StepIntent("s1", "move", record("b", id="i1"), previous_address="x"), done("s1", "i1"))


def test_the_ops_of_a_journal_are_those_of_a_plan() -> None:
    assert frozenset(Op) == OPS


def test_an_update_records_spec_and_outputs() -> None:
    folded = after(
        StepIntent("s1", "update", record(id="i1", dependencies=("b",))),
        done("s1", "i1"),
        base=holding(record(id="i1")),
    )
    assert folded.state.resources == {"a": replace(READY, dependencies=("b",))}


def test_a_gate_enters_the_state_when_it_has_passed() -> None:
    assert after(StepIntent("s1", "gate", record()), done("s1", "a")).state.resources["a"].id == "a"


def test_an_adopted_resource_is_incomplete_until_the_step_succeeded() -> None:
    adopt = StepIntent("s1", "adopt", record(id="i1"))
    assert after(adopt).pending_creates == (adopt,)
    assert after(adopt, ResourceCreated("s1", "i1")).state.resources["a"].status is Status.INCOMPLETE
    assert after(adopt, ResourceCreated("s1", "i1"), done("s1", "i1")).state.resources == {"a": READY}
    assert after(adopt, done("s1", "i1")).state.resources == {"a": READY}


@pytest.mark.parametrize("op", ["delete", "forget"])
def test_a_deleted_or_forgotten_resource_leaves_the_state(op: str) -> None:
    folded = after(StepIntent("s1", op, record(id="i1")), done("s1", "i1"), base=holding(record(id="i1")))
    assert folded.state.resources == {}


def test_forgetting_a_pending_create_clears_nothing_else() -> None:
    create = StepIntent("s1", "create", record())
    forget = StepIntent("s1", "forget", record())
    steps: list[JournalEntry] = [create, RunBegan("r2", "p2", "d2", 1, ""), forget]
    assert after(*steps).pending_creates == (create,)
    assert after(*steps, done("s1", "")).pending_creates == ()


def test_deleting_the_current_resource_leaves_the_pending_create() -> None:
    base = holding(record(id="i1"))
    steps: list[JournalEntry] = [
        StepIntent("s1", "replace", record()),
        StepIntent("s2", "delete", record(id="i1")),
        done("s2", "i1"),
    ]
    assert after(*steps, base=base).pending_creates == (steps[0],)


def test_a_pending_create_survives_the_create_of_another_resource_at_its_address() -> None:
    thing, port = StepIntent("s1", "create", record(kind="toy.thing"), "k1"), StepIntent("s2", "create", record(), "k1")
    other = StepIntent("s3", "create", record(), "k2")
    steps: list[JournalEntry] = [thing, RunBegan("r2", "p2", "", 1, ""), port, other]
    assert after(*steps).pending_creates == (thing, port, other)
    assert after(*steps, ResourceCreated("s2", "i2")).pending_creates == (thing, other)
    assert after(*steps, StepFailed("s3", "not ours", "", never_sent=True)).pending_creates == (thing, port)
    gone: list[JournalEntry] = [StepIntent("s4", "delete", record(kind="toy.thing", id="i1"), "k1"), done("s4", "i1")]
    assert after(*steps, *gone).pending_creates == (port, other)
    assert after(thing).digest() != after(replace(thing, key="k2")).digest()


def test_during_an_update_a_resource_has_its_old_and_new_dependencies() -> None:
    base = holding(record(id="i1", dependencies=("b", "c")))
    update = StepIntent("s1", "update", record(id="i1", dependencies=("c", "d")))
    assert after(update, base=base).state.resources["a"] == record(id="i1", dependencies=("b", "c", "d"))
    assert after(update, StepFailed("s1", "no", ""), base=base).state.resources["a"].dependencies == ("b", "c", "d")
    assert after(update, done("s1", "i1"), base=base).state.resources["a"].dependencies == ("c", "d")


def test_during_an_adopt_a_resource_has_the_dependencies_of_its_create() -> None:
    base = holding(record(id="i1", dependencies=("b",), status=Status.INCOMPLETE))
    adopt: list[JournalEntry] = [
        StepIntent("s1", "adopt", record(id="i1", dependencies=("c",))),
        ResourceCreated("s1", "i1"),
    ]
    assert set(after(*adopt, base=base).state.resources["a"].dependencies) == {"b", "c"}
    assert after(*adopt, done("s1", "i1"), base=base).state.resources["a"].dependencies == ("c",)
    begun: list[JournalEntry] = [
        StepIntent("s1", "create", record(dependencies=("b",))),
        RunBegan("r2", "p2", "", 1, ""),
    ]
    again: list[JournalEntry] = [StepIntent("s2", "create", record(dependencies=("c",))), ResourceCreated("s2", "i1")]
    assert set(after(*begun, *again[:1]).pending_creates[0].resource.dependencies) == {"b", "c"}
    assert set(after(*begun, *again).state.resources["a"].dependencies) == {"b", "c"}
    assert after(*begun, *again, done("s2", "i1")).state.resources["a"].dependencies == ("c",)


def test_the_last_run_is_open_until_it_ends_complete() -> None:
    create, other = StepIntent("s1", "create", record()), StepIntent("s2", "create", record("b"))
    steps: list[JournalEntry] = [
        create,
        ResourceCreated("s1", "i1"),
        done("s1", "i1"),
        other,
        StepFailed("s2", "no", ""),
    ]
    run = after(*steps, ended("failed")).run
    assert run is not None
    assert (run.run, run.plan_id, run.plan_digest, run.base_serial) == ("r1", "p1", "d1", 1)
    assert (run.done, run.failed, run.open, run.made) == (frozenset({"s1"}), {"s2": "no"}, {"s2": other}, {"s1": "i1"})
    assert after(*steps[:3], ended("complete")).run is None


def test_outputs_are_set_by_a_run_that_ends_complete() -> None:
    assert after(ended("complete", outputs={"url": "x"})).state.outputs == {"url": "x"}
    assert after(ended("failed", outputs={"url": "x"})).state.outputs == {}


def test_a_new_run_replaces_the_unfinished_one_but_keeps_its_pending_creates() -> None:
    create = StepIntent("s1", "create", record())
    update = StepIntent("s2", "update", record("b", "i2"))
    folded = after(create, update, RunBegan("r2", "p2", "d2", 1, ""), base=holding(record("b", "i2")))
    assert folded.run is not None
    assert (folded.run.run, folded.run.open) == ("r2", {})
    assert folded.pending_creates == (create,)


def test_a_plan_that_is_applied_again_is_resumed() -> None:
    first, second = StepIntent("s1", "create", record()), StepIntent("s2", "create", record("b"))
    again = RunBegan("r2", "p1", "d1", 1, "")
    stopped: list[JournalEntry] = [
        first,
        ResourceCreated("s1", "i1"),
        done("s1", "i1"),
        second,
        ResourceCreated("s2", "i2"),
        ended("interrupted"),
    ]
    run = after(*stopped, again).run
    assert run is not None
    assert (run.run, run.done, run.open, run.made) == (
        "r2",
        frozenset({"s1"}),
        {"s2": second},
        {"s1": "i1", "s2": "i2"},
    )
    folded = after(*stopped, again, done("s2", "i2"), ended("complete", run="r2"))
    assert folded.run is None
    assert folded.state.used_plans == ("p1",)


def test_a_plan_that_was_complete_begins_anew() -> None:
    run = after(StepIntent("s1", "gate", record()), done("s1", "a"), ended("complete"), BEGAN).run
    assert run is not None
    assert run.done == set()


def test_a_step_that_failed_may_be_tried_again() -> None:
    create = StepIntent("s1", "create", record())
    folded = after(
        create, StepFailed("s1", "no", ""), create, ResourceCreated("s1", "i1"), ResourceCreated("s1", "i1"), create
    )
    assert folded.run is not None
    assert folded.run.failed == {}
    assert folded.pending_creates == ()


def test_a_step_may_fail_before_anything_was_intended() -> None:
    run = after(StepFailed("s1", "no", "")).run
    assert run is not None
    assert run.failed == {"s1": "no"}


def test_a_step_that_succeeds_after_a_failure_has_not_failed() -> None:
    run = after(StepIntent("s1", "gate", record()), StepFailed("s1", "no", ""), done("s1", "a")).run
    assert run is not None
    assert run.failed == {}


def test_used_plans_are_kept_up_to_a_limit() -> None:
    runs = [RunBegan(f"r{n}", f"p{n}", "", 1, "") for n in range(USED_PLANS + 5)]
    used = replay(EMPTY, runs).state.used_plans
    assert (len(used), used[0], used[-1]) == (USED_PLANS, "p5", f"p{USED_PLANS + 4}")


def test_pending_creates_of_an_earlier_journal_come_before_the_first_run() -> None:
    create = StepIntent("s1", "create", record())
    folded = replay(EMPTY, [create])
    assert folded.pending_creates == (create,)
    assert folded.run is None


CREATE = StepIntent("s1", "create", record())
MADE = ResourceCreated("s1", "i1")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([MADE], "entry 1: no run is in progress"),
        ([done("s1", "i1")], "entry 1: no run is in progress"),
        ([StepFailed("s1", "", "")], "entry 1: no run is in progress"),
        ([ended("complete")], "entry 1: no run is in progress"),
        ([StepIntent("s1", "update", record())], "entry 1: update a is intended before any run began"),
        ([BEGAN, ended("failed"), CREATE], "entry 3: no run is in progress"),
        ([BEGAN, StepIntent("s1", "melt", record())], "entry 2: `melt` is not an op"),
        ([BEGAN, MADE], "entry 2: step s1 has no open intent"),
        ([BEGAN, done("s1", "i1")], "entry 2: step s1 has no open intent"),
        ([BEGAN, CREATE, StepIntent("s1", "create", record("b"))], "entry 3: step s1 is open as create a"),
        ([BEGAN, CREATE, MADE, done("s1", "i1"), CREATE], "entry 5: step s1 is intended after it succeeded"),
        ([BEGAN, CREATE, MADE, done("s1", "i1"), MADE], "entry 5: step s1 has no open intent"),
        (
            [BEGAN, CREATE, MADE, done("s1", "i1"), StepFailed("s1", "", "")],
            "entry 5: step s1 failed after it succeeded",
        ),
        ([BEGAN, CREATE, ResourceCreated("s1", "")], "entry 3: step s1 created ``"),
        ([BEGAN, CREATE, MADE, ResourceCreated("s1", "i2")], "entry 4: step s1 created `i2` after `i1`"),
        ([BEGAN, StepIntent("s1", "gate", record()), MADE], "entry 3: step s1 created something, but its op is gate"),
        ([BEGAN, CREATE, done("s1", "i1")], "entry 3: step s1 succeeded before a was created"),
        ([BEGAN, CREATE, MADE, done("s1", "")], "entry 4: step s1 succeeded and a has no id"),
        (
            [BEGAN, StepIntent("s1", "update", record()), done("s1", "i1")],
            "entry 3: step s1 is to update a, which is not",
        ),
        ([BEGAN, ended("complete", run="r9")], "entry 2: run r9 ended while run r1 was in progress"),
        ([BEGAN, ended("fine")], "entry 2: `fine` is not an outcome"),
        ([BEGAN, CREATE, ended("complete")], "entry 3: run r1 ended complete with step s1 open"),
    ],
)
def test_an_impossible_entry_is_rejected_with_its_number(entries: list[JournalEntry], message: str) -> None:
    with pytest.raises(StoreError, match=f"^journal {message}"):
        replay(EMPTY, entries)


@dataclass
class History:
    """Writes journals that could have happened, and keeps its own account of what is there."""

    entries: list[JournalEntry] = field(default_factory=list)
    present: dict[str, str] = field(default_factory=dict)
    deposed: set[tuple[str, str]] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    steps: int = 0
    runs: int = 0

    def begin(self) -> None:
        self.runs += 1
        self.entries.append(RunBegan(f"r{self.runs}", f"p{self.runs}", "", 1, ""))

    def step(self, op: str, address: str, stop: str) -> None:
        """One step; ``stop`` says whether it ends at its intent, once made, failed, or done."""
        self.steps += 1
        step, new = f"s{self.steps}", f"i{self.steps}"
        if op in ("update", "delete") and address not in self.present:
            op = "create"
        if op == "create" and address in self.present:
            op = "replace"
        id = self.present.get(address, "") if op in ("update", "delete") else ""
        self.entries.append(StepIntent(step, op, record(address, id)))
        if op in ("create", "replace"):
            self._bring(op, step, address, new, stop)
        elif stop == "done":
            self.entries.append(done(step, id))
            if op == "delete":
                del self.present[address]
        if stop == "failed":
            self.entries.append(StepFailed(step, "no", ""))

    def _bring(self, op: str, step: str, address: str, new: str, stop: str) -> None:
        if stop in ("intent", "failed"):
            self.unseen.add(address)
            return
        self.entries.append(ResourceCreated(step, new))
        self.unseen.discard(address)
        if op == "replace":
            self.deposed.add((address, self.present[address]))
        self.present[address] = new
        if stop == "done":
            self.entries.append(done(step, new))

    def clear_old(self) -> None:
        for address, id in sorted(self.deposed):
            self.steps += 1
            self.entries += [StepIntent(f"s{self.steps}", "delete", record(address, id)), done(f"s{self.steps}", id)]
        self.deposed.clear()


STEP: st.SearchStrategy[Callable[[History], object]] = st.one_of(
    st.builds(
        lambda op, address, stop: lambda history: history.step(op, address, stop),
        st.sampled_from(["create", "update", "delete"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["intent", "made", "failed", "done", "done", "done"]),
    ),
    st.sampled_from([History.begin, History.clear_old]),
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    history.begin()
    for step in draw(st.lists(STEP, max_size=30)):
        step(history)
    return history


@given(histories())
def test_any_history_leaves_a_valid_state_that_records_it(history: History) -> None:
    folded = replay(EMPTY, history.entries)
    assert integrity_errors(folded.state) == []
    assert {address: each.id for address, each in folded.state.resources.items()} == history.present
    assert {(each.address, each.id) for each in folded.state.deposed} == history.deposed
    assert {each.resource.address for each in folded.pending_creates} == history.unseen


@given(histories(), st.data())
def test_a_replay_may_be_split_anywhere(history: History, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(history.entries)))
    folding = Replay(EMPTY)
    for each in history.entries[:cut]:
        folding.add(each)
    assert folding.result() == replay(EMPTY, history.entries[:cut])
    for each in history.entries[cut:]:
        folding.add(each)
    assert folding.result() == replay(EMPTY, history.entries)


@given(histories(), histories())
def test_a_journal_may_be_compacted_between_runs(first: History, second: History) -> None:
    whole = [*first.entries, *_continued(second.entries)]
    half = replay(EMPTY, first.entries)
    rest = replay(half.state, [*half.pending_creates, *_continued(second.entries)])
    assert rest == replay(EMPTY, whole)


def _continued(entries: list[JournalEntry]) -> list[JournalEntry]:
    """``entries`` under addresses and ids of their own, so that they can follow ``first``."""
    moved: list[JournalEntry] = []
    for each in entries:
        match each:
            case StepIntent(step, op, about):
                about = replace(about, address=f"{about.address}2", id=f"{about.id}-2" if about.id else "")
                moved.append(StepIntent(step, op, about))
            case ResourceCreated(step, id):
                moved.append(ResourceCreated(step, f"{id}-2"))
            case StepSucceeded(step, id):
                moved.append(done(step, f"{id}-2"))
            case RunBegan(run):
                moved.append(RunBegan(f"{run}-2", f"{run}-2", "", 1, ""))
            case _:
                moved.append(each)
    return moved
