"""What interrupted runs made and no state knows of, and what older generations stand in the way of."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from smplan.core.blueprint import Blueprint, Lifecycle, Resource
from smplan.core.plan.model import Op, Plan
from smplan.core.state.journal import RunBegan, StepIntent
from smplan.core.state.model import ResourceState, Status
from smplan.drivers.base import Owner
from smplan.engine import refresh
from smplan.engine.runtime import Runtime
from smplan.engine.waiter import CancelToken
from smplan.errors import Conflict, Denied, NotOurs, Stale, Unreachable
from smplan.stores.interface import LockHolder
from tests.engine.conftest import Bench
from tests.engine.toy import Cloud, ThingSpec, blueprint, resource, thing

PORT = resource("p", "toy.port", {"number": 1, "of": "x"})
ID = {"b": "t-a", "q": "p-1"}
"""What two addresses stand for in the cloud."""


def die() -> None:
    raise SystemExit


def killed(bench: Bench, wanted: Blueprint, id: str) -> Plan:
    """Apply ``wanted`` and be killed as soon as ``id`` is made; the plan."""
    made = bench.plan(wanted)
    bench.cloud.after["created", id] = die
    with pytest.raises(SystemExit):
        bench.apply(made, stop=CancelToken())
    bench.cloud.after.clear()
    return made


def ops(made: Plan) -> dict[str, Op]:
    return {step.id: step.op for step in made.steps}


@pytest.mark.parametrize("wanted", [thing("a"), PORT], ids=["taggable", "untaggable"])
@pytest.mark.parametrize("mode", ["apply", "destroy"])
def test_what_was_made_unseen_and_is_not_wanted_any_more_is_deleted(bench: Bench, wanted, mode: str) -> None:  # type: ignore[no-untyped-def]
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), wanted), "t-a" if wanted.address == "a" else "p-1")
    made = bench.plan(blueprint(thing("z")), mode)
    assert ops(made)[f"{wanted.address}:delete#pending-1"] is Op.DELETE
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert bench.cloud.of("toy.port") == {}
    assert "t-a" not in bench.cloud.of("toy.thing")
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]


def test_what_was_made_unseen_goes_before_what_it_uses_and_before_what_takes_its_place(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", uses=["${z.id}"])), "t-a")
    made = bench.plan(blueprint(thing("a", zone="other")))
    needs = {step.id: [need.step for need in step.depends_on] for step in made.steps}
    assert needs == {"a:delete#pending-1": [], "a:create": ["a:delete#pending-1"], "z:delete#1": ["a:delete#pending-1"]}
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert list(bench.cloud.of("toy.thing")) == ["t-a"]


def test_what_was_made_unseen_is_remembered_although_something_else_was_made_under_its_address(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", kind="toy.behind")), "b-a")
    bench.cloud.fail("find", "toy.behind", Unreachable("nobody"))
    bench.make(blueprint(thing("z"), thing("a")))
    made = bench.plan(blueprint(thing("z"), thing("a")))
    assert ops(made) == {"a:delete#pending-1": Op.DELETE}
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.behind") == {}
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]


def test_all_that_was_made_unseen_under_one_address_goes(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", kind="toy.behind")), "b-a")
    bench.cloud.fail("find", "toy.behind", Unreachable("nobody"))
    killed(bench, blueprint(thing("z"), thing("a")), "t-a")
    made = bench.plan(blueprint(thing("z")))
    assert ops(made) == {"a:delete#pending-1": Op.DELETE, "a:delete#pending-2": Op.DELETE}
    assert bench.apply(made).outcome == "complete"
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("moved", [thing("b", name="a"), replace(PORT, address="q")], ids=["taggable", "untaggable"])
def test_what_was_made_unseen_for_another_address_goes_before_the_new_one_comes(
    bench: Bench, moved: Resource, adopt: bool
) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), PORT if moved.address == "q" else thing("a")), ID[moved.address])
    made = bench.plan(blueprint(thing("z"), replace(moved, lifecycle=Lifecycle(adopt=adopt))))
    stray = f"{'p' if moved.address == 'q' else 'a'}:delete#pending-1"
    assert {step.id: [need.step for need in step.depends_on] for step in made.steps} == {
        stray: [],
        f"{moved.address}:create": [stray],
    }
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.made[ID[moved.address]] == 2
    assert bench.plan(blueprint(thing("z"), moved)).empty


def test_what_was_made_unseen_and_is_taken_over_by_leave_is_not_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a")), "t-a")
    made = bench.plan(blueprint(thing("z"), thing("a", size=3, lifecycle={"adopt": True})))
    assert ops(made) == {"a:adopt": Op.ADOPT}
    assert bench.apply(made).outcome == "complete"


def test_somebody_elses_that_came_before_we_began_is_theirs_even_if_we_die_before_we_can_say_so(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    other.make(blueprint(PORT))
    bench.cloud.after["find", "toy.port"] = die
    with pytest.raises(SystemExit):
        bench.apply(made, stop=CancelToken())
    bench.cloud.after.clear()
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    assert bench.plan(blueprint()).empty
    with pytest.raises(NotOurs):
        bench.plan(blueprint(PORT))
    assert isinstance(dict(bench.apply(made).failed)["p"], NotOurs)


def test_what_has_looked_first_does_not_begin_once_a_stop_is_asked_for(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    bench.cloud.after["find", "toy.port"] = bench.stop.drain
    outcome = bench.apply(made)
    assert (outcome.outcome, outcome.skipped) == ("interrupted", ("p:create",))
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    bench.cloud.after.clear()
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"


def test_a_look_that_fails_is_a_step_that_failed_and_was_never_begun(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    bench.cloud.fail("find", "toy.port", Denied("no"))
    assert bench.apply(made).exit_code == 8
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    assert bench.apply(made).outcome == "complete"


def test_what_cannot_be_looked_for_is_left_for_another_time(bench: Bench) -> None:
    killed(bench, blueprint(thing("a", kind="toy.behind")), "b-a")
    bench.cloud.fail("find", "toy.behind", Unreachable("nobody"))
    assert bench.plan(blueprint()).empty
    assert ops(bench.plan(blueprint())) == {"a:delete#pending-1": Op.DELETE}
    killed(bench, blueprint(thing("c")), "t-c")
    bench.cloud.fail("find", "toy.thing", Unreachable("nobody"))
    with pytest.raises(Unreachable):
        bench.plan(blueprint())


def test_a_beginning_that_nobody_can_read_any_more_and_one_that_made_nothing_are_left(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        strange = StepIntent("s", "create", ResourceState("s", "toy.thing", "", {"nme": "s"}, {}))
        unmade = StepIntent("u", "create", ResourceState("u", "toy.thing", "", {"name": "u"}, {}))
        theirs = StepIntent("p", "adopt", ResourceState("p", "toy.port", "p-1", {"number": 1, "of": "x"}, {}))
        held.append([RunBegan("r", "plan", "digest", 1, "now"), strange, unmade, theirs])
    assert bench.plan(blueprint(thing("z"))).empty


def test_an_adoption_that_was_cut_off_does_not_hide_that_it_was_made_by_us(bench: Bench) -> None:
    killed(bench, blueprint(PORT), "p-1")
    again = bench.plan(blueprint(PORT))
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        (step,) = again.steps
        entry = ResourceState("p", "toy.port", "p-1", step.after, {})
        held.append([RunBegan("r", again.id, again.digest, 1, "now"), StepIntent(step.id, "adopt", entry)])
    assert ops(bench.plan(blueprint())) == {"p:delete#pending-1": Op.DELETE}


def test_a_plan_is_stale_once_something_may_have_been_made_unseen_since(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    older = bench.plan(blueprint(thing("z"), thing("a", size=2)))
    killed(bench, blueprint(thing("z"), thing("a")), "t-a")
    with pytest.raises(Stale):
        bench.apply(older, stop=CancelToken())


def test_what_is_somebody_elses_is_not_taken_at_the_second_try(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    other.make(blueprint(PORT))
    for _ in range(2):
        assert isinstance(dict(bench.apply(made).failed)["p"], NotOurs)
    assert bench.plan(blueprint()).empty


def test_what_is_found_at_the_last_moment_is_brought_up_to_date(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", tags={"k": "${z.arn}"})), "t-a")
    # z is replaced, so what `a` says of it is not known when planning
    made = bench.plan(blueprint(thing("z", zone="other"), thing("a", tags={"k": "${z.arn}"})))
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    tags = bench.cloud.of("toy.thing")["t-a"][0].tags  # type: ignore[attr-defined]
    assert tags == {"k": bench.state.resources["z"].outputs["arn"]}


def test_what_takes_the_place_of_a_stray_waits_until_it_is_gone(bench: Bench) -> None:
    killed(bench, blueprint(thing("a", zone="two")), "t-a")
    again = bench.plan(blueprint(thing("z"), thing("a", zone="one", after=["z"])))
    assert ops(again) == {"z:create": Op.CREATE, "a:delete#pending-1": Op.DELETE, "a:create": Op.CREATE}
    bench.cloud.fail("delete", "t-a", Denied("no"))
    assert bench.apply(again, stop=CancelToken()).exit_code == 8
    assert bench.cloud.made["t-a"] == 1


def test_an_older_generation_in_the_way_is_stood_beside(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", uses=["${a.id}"])))
    bench.cloud.fail("update", "t-b", Denied("no"))
    assert (
        bench.apply(bench.plan(blueprint(thing("a", kind="toy.behind"), thing("b", uses=["${a.id}"])))).exit_code == 8
    )
    made = bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"])))
    assert bench.apply(made).outcome == "complete"
    (new,) = set(bench.cloud.of("toy.thing")) - {"t-b"}
    assert new.startswith("t-a-")
    assert bench.cloud.of("toy.behind") == {}


def test_an_older_generation_is_not_taken_for_a_new_one(bench: Bench) -> None:
    bench.make(blueprint(thing("z"), thing("a", uses=["${z.id}"])))
    bench.cloud.fail("delete", "t-a", Denied("no"))
    bench.apply(bench.plan(blueprint(thing("z"), thing("a", kind="toy.behind"))))
    bench.cloud.fail("delete", "t-a", Denied("no"))
    assert bench.apply(bench.plan(blueprint(thing("z")), "destroy")).exit_code == 8
    made = bench.plan(blueprint(thing("a")))
    assert [(step.id, step.resource.generation) for step in made.steps if step.op is Op.CREATE] == [("a:create", 2)]
    assert bench.apply(made).outcome == "complete"


def test_what_was_made_after_each_other_by_turns_can_all_be_taken_away(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", after=["a"])))
    bench.make(blueprint(thing("b"), thing("a", size=2, after=["b"])))
    assert {address: entry.dependencies for address, entry in bench.state.resources.items()} == {
        "a": ("b",),
        "b": ("a",),
    }
    assert bench.apply(bench.plan(blueprint(), "destroy")).outcome == "complete"


def test_what_is_replaced_where_it_stands_does_not_wait_for_what_waits_for_the_new_one(bench: Bench) -> None:
    user = thing("u", uses=["${a.id}"])
    bench.make(blueprint(PORT, thing("a", after=["p"]), user))
    port = resource("p", "toy.port", {"number": 2, "of": "x"})
    made = bench.plan(blueprint(port, thing("b", after=["p"]), thing("u", uses=["${b.id}"])))
    needs = {step.id: [need.step for need in step.depends_on] for step in made.steps}
    assert (needs["p:delete#1"], needs["p:replace"]) == ([], ["p:delete#1"])
    assert bench.apply(made).outcome == "complete"


def test_what_was_made_unseen_lets_go_before_what_it_uses_is_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", uses=["${z.id}"])), "t-a")
    made = bench.plan(blueprint(thing("y"), thing("a", uses=["${y.id}"])))
    needs = {step.id: [need.step for need in step.depends_on] for step in made.steps}
    assert needs == {"y:create": [], "a:create": ["y:create"], "z:delete#1": ["a:create"]}
    assert bench.apply(made).outcome == "complete"


def test_what_a_cut_off_change_points_at_goes_after_what_points_at_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    bench.cloud.after["update", "t-b"] = die
    with pytest.raises(SystemExit):
        bench.apply(bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"]))), stop=CancelToken())
    bench.cloud.after.clear()
    made = bench.plan(blueprint(), "destroy")
    assert [step.id for step in made.steps] == ["b:delete#1", "a:delete#1"]


def test_what_is_gone_is_forgotten_although_it_was_protected(bench: Bench) -> None:
    bench.make(blueprint(thing("a", lifecycle={"prevent_destroy": True})))
    bench.cloud.of("toy.thing").clear()
    assert [step.op for step in bench.plan(blueprint()).steps] == [Op.FORGET]


class Fast(Runtime):
    """Time that passes at once."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.time += seconds
        return event.is_set()


def test_what_was_just_made_is_looked_for_a_while_before_it_counts_as_gone(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    hidden: Cloud = bench.cloud
    there = hidden.of("toy.thing").pop("t-a")
    world = bench.world()
    world.runtime = Fast()
    entry = ResourceState("a", "toy.thing", "t-a", {}, {}, status=Status.INCOMPLETE)
    assert refresh.read_resources([entry], world, bench.log).resources == {}
    assert world.runtime.now() >= refresh.CONFIRM_ABSENT_SECONDS
    looks: list[int] = []

    def appear() -> None:
        looks.append(1)
        if len(looks) == 3:
            hidden.of("toy.thing")["t-a"] = there

    hidden.after["read", "toy.thing"] = appear
    assert list(refresh.read_resources([entry], world, bench.log).resources) == ["a"]


def test_what_an_earlier_run_made_with_another_immutable_value_is_not_taken(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("z"), thing("a", zone="${z.arn}")))

    def appear() -> None:
        earlier = ThingSpec(name="a", zone="elsewhere"), Owner(made.base.lineage, "a")
        bench.cloud.of("toy.thing").setdefault("t-a", earlier)

    bench.cloud.after["wait_ready", "t-z"] = appear
    failed = dict(bench.apply(made).failed)
    assert isinstance(failed["a"], Conflict)
    assert failed["a"].hint.startswith("plan again")
