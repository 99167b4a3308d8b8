"""What an apply does: exactly the plan, or it stops; and what the next one makes of what it left."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from smplan.core.events import (
    ApplyEnded,
    ApplyStarted,
    Recovered,
    StepErrored,
    StepProgress,
    StepSkipped,
)
from smplan.core.plan.model import Op, with_digest
from smplan.core.resolver import Resolver
from smplan.core.state.journal import JournalEntry, ResourceCreated, RunBegan, StepIntent
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import parse_ref
from smplan.engine import operations
from smplan.engine.executor import Outcome
from smplan.engine.waiter import CancelToken
from smplan.errors import (
    Conflict,
    Denied,
    GuardRefused,
    Locked,
    NotOurs,
    Stale,
    StoreError,
    TimedOut,
    Unreachable,
)
from smplan.stores.interface import LockHolder
from smplan.stores.locked import LockedStateBase
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import (
    blueprint,
    resource,
)
from tests.support.fake_cloud import (
    lookup,
    lost,
    thing,
)
from tests.support.fake_specs import (
    PortSpec,
    ThingSpec,
)


def errors(outcome: Outcome) -> dict[str, type[Exception]]:
    return {address: type(error) for address, error in outcome.failed}


def test_a_plan_is_applied_once(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a")))
    bench.apply(made)
    with pytest.raises(Stale, match="applied already"):
        bench.apply(made)
    assert bench.cloud.made["t-a"] == 1


def test_a_run_that_did_all_and_could_not_save_the_state_is_saved_by_the_same_plan(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = bench.plan(blueprint(thing("a"))), bench.plan(blueprint(thing("b")))
    save = LockedStateBase.save

    def full(held: LockedStateBase, state: State) -> State:
        if state.resources:
            raise StoreError("the disk is full")
        return save(held, state)

    with monkeypatch.context() as patch:
        patch.setattr(LockedStateBase, "save", full)
        with pytest.raises(StoreError, match="full"):
            bench.apply(made)
    with pytest.raises(Stale):
        bench.apply(other)
    with pytest.raises(Stale, match="applied already"):
        bench.apply(replace(made, digest="another"))
    outcome = bench.apply(made)
    assert (outcome.exit_code, outcome.done, bench.cloud.made["t-a"]) == (0, 0, 1)
    assert bench.log.of(ApplyStarted)[-1].resumed
    with pytest.raises(Stale, match="applied already"):
        bench.apply(made)


def test_two_first_plans_cannot_both_be_applied(bench: Bench) -> None:
    first, second = bench.plan(blueprint(thing("a"))), bench.plan(blueprint(thing("b")))
    bench.apply(first)
    writes = len(bench.cloud.writes())
    with pytest.raises(Stale):
        bench.apply(second)
    assert len(bench.cloud.writes()) == writes


def test_a_plan_is_stale_once_the_state_has_moved_on_and_says_what_changed(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("z")))
    made = bench.plan(blueprint(thing("a", size=2), thing("b"), thing("z")))
    bench.make(blueprint(thing("a"), thing("b"), thing("c")))
    with pytest.raises(Stale, match=r"serial \d then, serial \d now; new: c; created since: b; gone: z; the last plan"):
        bench.apply(made)


def test_a_plan_of_a_state_that_is_gone_is_stale(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint(thing("a", size=2)))
    (bench.folder / "toys.state.json").unlink()
    (bench.folder / "toys.journal.jsonl").unlink(missing_ok=True)
    with pytest.raises(Stale, match="is gone"):
        bench.apply(made)


def test_a_first_apply_that_died_before_it_began_anything_is_begun_again(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a")))
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        held.save(State(made.name, made.base.lineage, 0, {}))
    assert bench.apply(made).outcome == "complete"


def test_an_expired_plan_is_refused(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a")))
    with pytest.raises(Stale, match="expired"):
        bench.apply(made, now=lambda: NOON + timedelta(days=8))


def test_reality_that_moved_since_the_plan_stops_it_and_names_the_attribute(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    made = bench.plan(blueprint(thing("a", size=2), thing("b", size=2)))
    things = bench.cloud.of("toy.thing")
    things["t-a"] = (things["t-a"][0].model_copy(update={"tags": {"x": "y"}}), things["t-a"][1])
    del things["t-b"]
    writes = len(bench.cloud.writes())
    with pytest.raises(Stale, match=r"a \(t-a\): tags changed since the plan was made\nb \(t-b\) is gone since"):
        bench.apply(made)
    assert len(bench.cloud.writes()) == writes


def test_what_belongs_to_somebody_else_may_move(bench: Bench) -> None:
    bench.make(blueprint(thing("a", start=1)))
    made = bench.plan(blueprint(thing("a", size=2, start=1)))
    things = bench.cloud.of("toy.thing")
    things["t-a"] = (things["t-a"][0].model_copy(update={"start": 7}), things["t-a"][1])
    assert bench.apply(made).outcome == "complete"
    assert things["t-a"][0].start == 7  # type: ignore[attr-defined]


def test_something_to_delete_that_is_gone_by_then_is_no_trouble(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint())
    bench.cloud.of("toy.thing").clear()
    assert bench.apply(made).outcome == "complete"


def test_reality_that_moves_during_the_run_stops_that_step(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    made = bench.plan(blueprint(thing("a", size=2), thing("b", size=2, after=["a"])))
    things = bench.cloud.of("toy.thing")

    def meddle() -> None:
        things["t-b"] = (things["t-b"][0].model_copy(update={"tags": {"x": "y"}}), things["t-b"][1])

    bench.cloud.after["wait_ready", "t-a"] = meddle
    outcome = bench.apply(made)
    assert errors(outcome) == {"b": Stale}
    assert outcome.exit_code == 8


def test_something_that_vanishes_before_its_update_is_told(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    made = bench.plan(blueprint(thing("a", size=2), thing("b", size=2, after=["a"])))
    bench.cloud.after["wait_ready", "t-a"] = lambda: bench.cloud.of("toy.thing").pop("t-b")
    assert "is gone" in str(dict(bench.apply(made).failed)["b"])


def test_independent_steps_overlap(bench: Bench) -> None:
    barrier = threading.Barrier(3, timeout=5)
    for name in "abc":
        bench.cloud.after["created", f"t-{name}"] = barrier.wait
    bench.make(blueprint(thing("a"), thing("b"), thing("c")))


def test_no_more_run_at_once_than_allowed(bench: Bench) -> None:
    running, most = [], []

    def enter() -> None:
        running.append(1)
        most.append(len(running))
        threading.Event().wait(0.01)
        running.pop()

    for name in "abcdef":
        bench.cloud.after["created", f"t-{name}"] = enter
    bench.parallel = 2
    bench.make(blueprint(*(thing(name) for name in "abcdef")))
    assert max(most) <= 2


def test_what_depends_on_a_failed_step_is_skipped_and_the_rest_goes_on(bench: Bench) -> None:
    bench.cloud.fail("create", "t-a", Denied("not allowed", hint="allow it"))
    wanted = blueprint(thing("a"), thing("b", uses=["${a.id}"]), thing("d", uses=["${b.id}"]), thing("c"))
    made = bench.plan(wanted)
    outcome = bench.apply(made)
    assert (outcome.outcome, outcome.exit_code, outcome.done) == ("failed", 8, 1)
    assert [(event.address, event.because) for event in bench.log.of(StepSkipped)] == [
        ("b", "it needs a:create, which was not done"),
        ("d", "it needs b:create, which was not done"),
    ]
    assert [(event.address, event.hint) for event in bench.log.of(StepErrored)] == [("a", "allow it")]
    assert sorted(bench.state.resources) == ["c"]


def test_the_same_plan_goes_on_where_it_failed(bench: Bench) -> None:
    bench.cloud.fail("create", "t-a", Denied("not allowed"))
    made = bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"]), thing("c")))
    bench.apply(made)
    outcome = bench.apply(made)
    assert (outcome.outcome, outcome.done) == ("complete", 2)
    assert bench.log.of(ApplyStarted)[-1].resumed
    assert bench.log.of(ApplyStarted)[-1].steps == 2
    assert [event.address for event in bench.log.of(Recovered)] == ["a"]
    assert bench.cloud.made == {"t-a": 1, "t-b": 1, "t-c": 1}
    assert bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"]), thing("c"))).empty


def test_a_half_done_plan_with_other_content_is_refused(bench: Bench) -> None:
    bench.cloud.fail("create", "t-a", Denied("not allowed"))
    made = bench.plan(blueprint(thing("a")))
    bench.apply(made)
    with pytest.raises(Stale, match="other content"):
        bench.apply(with_digest(replace(made, expires="2026-01-05T12:00:00+00:00")))


def test_a_new_plan_takes_up_what_an_older_one_left(bench: Bench) -> None:
    bench.cloud.fail("configure", "t-a", Denied("not allowed"))
    bench.apply(bench.plan(blueprint(thing("a", size=1))))
    assert bench.state.resources["a"].status is Status.INCOMPLETE
    made = bench.plan(blueprint(thing("a", size=2)))
    assert [step.op for step in made.steps] == [Op.ADOPT]
    assert bench.apply(made).outcome == "complete"
    assert [entry.status for entry in bench.state.resources.values()] == [Status.READY]
    assert bench.cloud.made["t-a"] == 1
    assert bench.plan(blueprint(thing("a", size=2))).empty


def test_what_cannot_be_read_back_is_sent_to_what_an_older_plan_left(bench: Bench) -> None:
    bench.cloud.fail("configure", "t-a", Denied("not allowed"))
    bench.apply(bench.plan(blueprint(thing("a", size=1, note="deposed"))))
    bench.make(blueprint(thing("a", size=1, note="new")))
    spec, _ = bench.cloud.of("toy.thing")["t-a"]
    assert isinstance(spec, ThingSpec)
    assert spec.note == "new"
    assert bench.cloud.made["t-a"] == 1


def test_a_create_whose_answer_was_lost_is_resolved_by_looking(bench: Bench) -> None:
    bench.cloud.fail("created", "t-a", lost())
    bench.cloud.fail("created", "p-1", lost())
    bench.make(blueprint(thing("a"), resource("p", "toy.port", {"number": 1, "of": "x"})))
    assert bench.cloud.made == {"t-a": 1, "p-1": 1}


def test_a_create_that_never_arrived_is_sent_once_more_after_looking(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOST_RESPONSE_BACKOFF", (0.01, 0.01))
    bench.cloud.fail("create", "t-a", lost())
    bench.make(blueprint(thing("a")))
    assert bench.cloud.made == {"t-a": 1}
    asked = [name for name, _ in bench.cloud.calls if name in ("find", "create", "created")]
    assert asked[-6:] == ["create", "find", "find", "find", "create", "created"]


def test_a_create_that_is_taken_for_lost_and_shows_late_is_refused_by_its_name_and_taken_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOST_RESPONSE_BACKOFF", (0.01,))
    bench.cloud.fail("create", "p-1", lost(), Conflict("it is there"))

    def appear() -> None:
        if bench.cloud.calls.count(("create", "p-1")) == 2:
            bench.cloud.of("toy.port")["p-1"] = (PortSpec(number=1, of="x"), None)

    bench.cloud.after["find", "toy.port"] = appear
    bench.make(blueprint(resource("p", "toy.port", {"number": 1, "of": "x"})))
    assert bench.cloud.made == {}


def test_a_create_that_never_arrives_fails_and_is_made_by_the_next_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOST_RESPONSE_BACKOFF", (0.01,))
    bench.cloud.fail("create", "t-a", *[lost()] * operations.MAX_CREATE_ATTEMPTS)
    made = bench.plan(blueprint(thing("a")))
    assert bench.apply(made).outcome == "failed"
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.made["t-a"] == 1


def test_what_creation_still_needs_is_sent_again_when_its_answer_was_lost(bench: Bench) -> None:
    bench.cloud.fail("configure", "t-a", lost())
    bench.make(blueprint(thing("a")))
    assert bench.cloud.calls.count(("configure", "t-a")) == 2


def test_what_was_made_unseen_is_found_by_the_next_plan(bench: Bench) -> None:
    port = resource("p", "toy.port", {"number": 1, "of": "x"})
    bench.cloud.fail("created", "t-a", lost())
    bench.cloud.fail("created", "p-1", lost())
    for call in ("toy.thing", "toy.port"):
        bench.cloud.fail("find", call)
    made = bench.plan(blueprint(thing("a"), port))
    bench.cloud.after["created", "p-1"] = lambda: None
    bench.cloud.fail("find", "toy.thing", Unreachable("down"))
    bench.cloud.fail("find", "toy.port", Unreachable("down"))
    # looks before creating fail: nothing is made, and both stay open
    assert bench.apply(made).exit_code == 8
    assert bench.cloud.made == {}
    wanted = blueprint(thing("a"), port)
    assert bench.apply(bench.plan(wanted)).outcome == "complete"
    assert bench.plan(wanted).empty


def test_an_untaggable_thing_begun_by_a_killed_run_is_taken_up(bench: Bench) -> None:
    port = resource("p", "toy.port", {"number": 1, "of": "x"})
    bench.cloud.after["created", "p-1"] = _die
    made = bench.plan(blueprint(port))
    bench.apply(made)
    assert bench.cloud.made == {"p-1": 1}
    bench.cloud.after.clear()
    again = bench.plan(blueprint(port))
    assert [step.op for step in again.steps] == [Op.ADOPT]
    assert bench.apply(again).outcome == "complete"
    assert bench.cloud.made == {"p-1": 1}


def _die() -> None:
    raise Denied("no second look is allowed")


def test_an_untaggable_thing_begun_by_a_killed_run_is_taken_up_by_the_same_plan(bench: Bench) -> None:
    bench.cloud.after["created", "p-1"] = _die
    made = bench.plan(blueprint(resource("p", "toy.port", {"number": 1, "of": "x"})))
    bench.apply(made)
    bench.cloud.after.clear()
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.made == {"p-1": 1}


def test_a_made_thing_is_finished_and_not_made_again(bench: Bench) -> None:
    bench.cloud.fail("configure", "t-a", Denied("not allowed"))
    made = bench.plan(blueprint(thing("a")))
    bench.apply(made)
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.made["t-a"] == 1
    assert [call for call in bench.cloud.calls if call == ("configure", "t-a")] == [("configure", "t-a")] * 2


def test_somebody_elses_thing_that_appears_after_the_plan_is_not_taken(bench: Bench) -> None:
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    made = bench.plan(blueprint(thing("a"), resource("p", "toy.port", {"number": 1, "of": "x"})))
    other.make(blueprint(thing("a"), resource("p", "toy.port", {"number": 1, "of": "x"})))
    outcome = bench.apply(made)
    assert errors(outcome) == {"a": NotOurs, "p": NotOurs}
    assert "belongs to a of state" in str(dict(outcome.failed)["a"])


def test_already_exists_is_looked_into(bench: Bench) -> None:
    bench.cloud.fail("create", "t-a", Conflict("already exists"))
    made = bench.plan(blueprint(thing("a")))
    assert errors(bench.apply(made)) == {"a": Conflict}


def test_an_update_whose_answer_was_lost_is_sent_again(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("update", "t-a", lost())
    bench.make(blueprint(thing("a", size=5)))
    assert bench.cloud.of("toy.thing")["t-a"][0].size == 5  # type: ignore[attr-defined]


def test_an_update_that_was_begun_is_finished_whatever_is_found(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint(thing("a", size=5)))
    bench.cloud.fail("wait_ready", "t-a", Denied("no"))
    assert bench.apply(made).exit_code == 8
    assert bench.apply(made).outcome == "complete"


def test_a_delete_whose_answer_was_lost_is_sent_again(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("delete", "t-a", lost())
    bench.make(blueprint())
    assert bench.cloud.of("toy.thing") == {}


def test_a_delete_is_tried_until_it_is_let_go(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    other.make(blueprint(thing("b", uses=["t-a"])))
    looks = []

    def release() -> None:
        looks.append(1)
        if len(looks) == 2:
            bench.cloud.of("toy.thing").pop("t-b")

    bench.cloud.after["delete", "t-a"] = release
    bench.make(blueprint())
    assert [event.status for event in bench.log.of(StepProgress) if "released" in event.waiting_for]


def test_a_delete_that_is_never_let_go_times_out_naming_the_holder(bench: Bench) -> None:
    port = resource("p", "toy.port", {"number": 1, "of": "x"})
    bench.make(blueprint(port))
    bench.cloud.of("toy.thing")["t-z"] = (thing_spec(uses=["p-1"]), None)
    outcome = bench.apply(bench.plan(blueprint()))
    assert errors(outcome) == {"p": TimedOut}
    assert "t-z" in str(dict(outcome.failed)["p"])
    assert outcome.exit_code == 10


def thing_spec(**fields: object):  # type: ignore[no-untyped-def]
    from tests.support.fake_specs import (
        ThingSpec,
    )

    return ThingSpec.model_validate({"name": "z", **fields})


def test_an_apply_while_another_holds_the_lock_says_who(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a")))
    somebody = LockHolder("somebody@there pid 7", "apply", "r", "2026-01-01T00:00:00+00:00")
    with bench.store.lock(somebody), pytest.raises(Locked, match="somebody@there pid 7"):
        bench.apply(made)
    assert bench.cloud.writes() == []


def test_a_plan_for_another_account_or_region_or_kind_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    made = other.plan(blueprint(thing("b"), lookups=(lookup("x", name="a"),)))
    with pytest.raises(GuardRefused, match="for account 999999999999"):
        other.apply(with_digest(replace(made, account="999999999999")))
    with pytest.raises(GuardRefused, match="for region mars"):
        other.apply(with_digest(replace(made, region="mars")))
    strange = tuple(replace(step, resource=replace(step.resource, kind="toy.other")) for step in made.steps)
    with pytest.raises(Stale, match=r"has no kind toy\.other"):
        other.apply(with_digest(replace(made, steps=strange)))


def test_what_became_unreadable_since_the_plan_stops_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a", kind="toy.behind")))
    made = bench.plan(blueprint(thing("a", kind="toy.behind", size=2)))
    bench.cloud.fail("read", "toy.behind", Unreachable("nobody"))
    with pytest.raises(GuardRefused, match="a cannot be read now") as refused:
        bench.apply(made)
    assert "again when it can be read" in refused.value.hint
    assert bench.apply(made).done == 1


def test_another_state_of_the_same_name_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint(thing("a", size=2)))
    shutil.rmtree(bench.folder)
    bench.cloud.of("toy.thing").clear()
    bench.make(blueprint(thing("a")))
    with pytest.raises(Stale, match="the plan is for the state"):
        bench.apply(made)


def test_an_empty_plan_applies_to_nothing(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    assert bench.apply(bench.plan(blueprint(thing("a")))).done == 0
    assert bench.log.of(ApplyEnded)[-1].outcome == "complete"


def test_a_value_follows_the_blueprint(bench: Bench) -> None:
    bench.make(blueprint(resource("v", "core.value", {"input": 1}), thing("b", size="${v.output}")))
    bench.make(blueprint(resource("v", "core.value", {"input": 2}), thing("b", size="${v.output}")))
    assert bench.state.resources["v"].outputs == {"output": 2}
    assert bench.cloud.of("toy.thing")["t-b"][0].size == 2  # type: ignore[attr-defined]


def test_a_value_cut_off_half_way_is_finished_by_the_next_plan(bench: Bench) -> None:
    wanted = blueprint(resource("v", "core.value", {"input": 1}))
    bench.make(wanted)
    bench.make(blueprint())
    made = bench.plan(wanted)
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        entry = ResourceState("v", "core.value", "", {"input": 1}, {})
        held.append(
            [
                RunBegan("r", made.id, made.digest, 1, "now"),
                StepIntent("v:create", "create", entry),
                ResourceCreated("v:create", "v"),
            ]
        )
    again = bench.plan(wanted)
    assert [step.op for step in again.steps] == [Op.UPDATE]
    assert bench.apply(again).exit_code == 0
    assert bench.state.resources["v"].outputs == {"output": 1}


def test_a_journal_that_cannot_be_written_stops_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench.plan(blueprint(thing("a"), thing("b", after=["a"])))
    append, left = LockedStateBase.append, [3]

    def full(held: LockedStateBase, entries: Sequence[JournalEntry]) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("no space left on the disk")
        append(held, entries)

    monkeypatch.setattr(LockedStateBase, "append", full)
    with pytest.raises(StoreError, match="no space left"):
        bench.apply(made)
    assert bench.cloud.made == {"t-a": 1}
    monkeypatch.undo()
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert bench.cloud.made == {"t-a": 1, "t-b": 1}


def test_what_is_not_known_stays_a_reference() -> None:
    known = Resolver({"x": {"id": "1"}}, [ResourceState("a", "core.value", "a", {"input": {"k": 1}}, {})])
    assert known(parse_ref("x.id")) == "1"
    assert known(parse_ref("a.input.k")) == 1
    for unknown in ("x.other", "a.input.other", "nobody.id"):
        assert known(parse_ref(unknown)) == parse_ref(unknown)


def test_while_a_plan_is_carried_out_each_request_that_changes_something_is_guarded_by_its_lock(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = bench.world()
    monkeypatch.setattr(Bench, "world", lambda _: world)
    guards, free = [], world.aws.before_write
    bench.cloud.after["create", "t-a"] = lambda: guards.append(world.aws.before_write)
    bench.make(blueprint(thing("a")))
    assert [getattr(guard, "__name__", "") for guard in guards] == ["check"]
    assert world.aws.before_write is free


def journalled_tokens(bench: Bench, address: str) -> list[str]:
    entries = bench.store.read().entries
    return [entry.token for entry in entries if isinstance(entry, StepIntent) and entry.resource.address == address]


def test_the_token_of_a_create_is_journalled_before_it_is_sent_and_sent_again_with_the_same_spec(bench: Bench) -> None:
    sent = []
    bench.cloud.after["create", "t-a"] = lambda: sent.append(journalled_tokens(bench, "a")[-1])
    claims = bench.cloud.claims
    bench.cloud.fail("created", "t-a", Denied("it dies here"))
    made = bench.plan(blueprint(thing("a", size=3)))
    assert bench.apply(made).exit_code == 8
    bench.cloud.of("toy.thing").clear()  # nothing shows it, and a new plan makes it
    again = bench.plan(blueprint(thing("a", size=3)))
    assert bench.apply(again).outcome == "complete"
    assert [claim.token for claim in claims] == sent == [sent[0], sent[0]]
    assert len(sent[0]) == 64


def test_another_spec_goes_with_another_token(bench: Bench) -> None:
    bench.cloud.fail("created", "t-a", Denied("it dies here"))
    assert bench.apply(bench.plan(blueprint(thing("a", size=3)))).exit_code == 8
    bench.cloud.of("toy.thing").clear()
    assert bench.apply(bench.plan(blueprint(thing("a", size=4)))).outcome == "complete"
    assert len({claim.token for claim in bench.cloud.claims}) == 2


def test_what_was_made_by_an_earlier_run_is_not_updated_where_nothing_differs(bench: Bench) -> None:
    bench.cloud.fail("wait_ready", "t-a", Denied("no"))
    made = bench.plan(blueprint(thing("a")))
    assert bench.apply(made).exit_code == 8
    assert bench.apply(made).outcome == "complete"
    assert ("update", "t-a") not in bench.cloud.calls
