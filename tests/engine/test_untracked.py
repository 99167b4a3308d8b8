"""Untracked resources of interrupted runs, and deposed generations in the way of new ones."""

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
from tests.support.blueprints import (
    blueprint,
    resource,
)
from tests.support.fake_cloud import (
    FakeCloud,
    thing,
)
from tests.support.fake_specs import (
    ThingSpec,
)

PORT = resource("p", "toy.port", {"number": 1, "of": "x"})
ID = {"b": "t-a", "q": "p-1"}
"""The ids of two addresses in the cloud."""


def die() -> None:
    raise SystemExit


def killed(bench: Bench, wanted: Blueprint, id: str) -> Plan:
    """Apply ``wanted`` and be killed as soon as ``id`` is created; the plan."""
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
def test_an_untracked_resource_that_is_no_longer_wanted_is_deleted(bench: Bench, wanted, mode: str) -> None:  # type: ignore[no-untyped-def]
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), wanted), "t-a" if wanted.address == "a" else "p-1")
    made = bench.plan(blueprint(thing("z")), mode)
    assert ops(made)[f"{wanted.address}:delete#pending-1"] is Op.DELETE
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert bench.cloud.of("toy.port") == {}
    assert "t-a" not in bench.cloud.of("toy.thing")
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]


def test_an_untracked_resource_is_deleted_before_its_dependency_and_its_successor(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", uses=["${z.id}"])), "t-a")
    made = bench.plan(blueprint(thing("a", zone="other")))
    waits = {step.id: [each.step for each in step.depends_on] for step in made.steps}
    assert waits == {"a:delete#pending-1": [], "a:create": ["a:delete#pending-1"], "z:delete#1": ["a:delete#pending-1"]}
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert list(bench.cloud.of("toy.thing")) == ["t-a"]


def test_a_pending_create_survives_the_create_of_another_kind_at_its_address(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", kind="toy.behind")), "b-a")
    bench.cloud.fail("find", "toy.behind", Unreachable("nobody"))
    bench.make(blueprint(thing("z"), thing("a")))
    made = bench.plan(blueprint(thing("z"), thing("a")))
    assert ops(made) == {"a:delete#pending-1": Op.DELETE}
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.behind") == {}
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]


def test_all_untracked_resources_of_one_address_are_deleted(bench: Bench) -> None:
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
def test_an_untracked_resource_of_another_address_is_adopted_there_and_forgotten_here(
    bench: Bench, moved: Resource, adopt: bool
) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), PORT if moved.address == "q" else thing("a")), ID[moved.address])
    made = bench.plan(blueprint(thing("z"), replace(moved, lifecycle=Lifecycle(adopt=adopt))))
    adoption = f"{moved.address}:adopt"
    assert {step.id: [each.step for each in step.depends_on] for step in made.steps} == {
        adoption: [],
        f"{'p' if moved.address == 'q' else 'a'}:forget#pending-1": [adoption],
    }
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.made[ID[moved.address]] == 1
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    assert bench.plan(blueprint(thing("z"), moved)).empty


def test_an_untracked_resource_that_is_adopted_is_not_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a")), "t-a")
    made = bench.plan(blueprint(thing("z"), thing("a", size=3, lifecycle={"adopt": True})))
    assert ops(made) == {"a:adopt": Op.ADOPT}
    assert bench.apply(made).outcome == "complete"


def test_foreign_resource_found_before_intent_is_never_adopted(bench: Bench) -> None:
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


def test_a_prechecked_step_does_not_start_after_a_stop(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    bench.cloud.after["find", "toy.port"] = bench.stop.cancel
    outcome = bench.apply(made)
    assert (outcome.outcome, outcome.skipped) == ("interrupted", ("p:create",))
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    bench.cloud.after.clear()
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"


def test_a_failed_precheck_fails_the_step_without_an_intent(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    bench.cloud.fail("find", "toy.port", Denied("no"))
    assert bench.apply(made).exit_code == 8
    assert bench.store.read().folded.pending_creates == ()  # type: ignore[union-attr]
    assert bench.apply(made).outcome == "complete"


def test_a_pending_create_that_cannot_be_read_now_stays_pending(bench: Bench) -> None:
    killed(bench, blueprint(thing("a", kind="toy.behind")), "b-a")
    bench.cloud.fail("find", "toy.behind", Unreachable("nobody"))
    hidden = bench.plan(blueprint())
    assert hidden.empty
    why = "an interrupted run may have created it: no Stream Manager is in service: nobody"
    assert hidden.unreadable == {"a": why}
    assert ops(bench.plan(blueprint())) == {"a:delete#pending-1": Op.DELETE}
    killed(bench, blueprint(thing("c")), "t-c")
    bench.cloud.fail("find", "toy.thing", Unreachable("nobody"))
    with pytest.raises(Unreachable):
        bench.plan(blueprint())


def test_a_pending_create_without_effect_or_with_an_unknown_spec_is_ignored(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        strange = StepIntent("s", "create", ResourceState("s", "toy.thing", "", {"nme": "s"}, {}))
        unmade = StepIntent("u", "create", ResourceState("u", "toy.thing", "", {"name": "u"}, {}))
        theirs = StepIntent("p", "adopt", ResourceState("p", "toy.port", "p-1", {"number": 1, "of": "x"}, {}))
        held.append([RunBegan("r", "plan", "digest", 1, "now"), strange, unmade, theirs])
    assert bench.plan(blueprint(thing("z"))).empty


def test_an_interrupted_adopt_does_not_undo_that_we_created_it(bench: Bench) -> None:
    killed(bench, blueprint(PORT), "p-1")
    again = bench.plan(blueprint(PORT))
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        (step,) = again.steps
        entry = ResourceState("p", "toy.port", "p-1", step.after, {})
        held.append([RunBegan("r", again.id, again.digest, 1, "now"), StepIntent(step.id, "adopt", entry)])
    assert ops(bench.plan(blueprint())) == {"p:delete#pending-1": Op.DELETE}


def test_a_new_pending_create_makes_older_plans_stale(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    older = bench.plan(blueprint(thing("z"), thing("a", size=2)))
    killed(bench, blueprint(thing("z"), thing("a")), "t-a")
    with pytest.raises(Stale):
        bench.apply(older, stop=CancelToken())


def test_a_foreign_resource_is_not_adopted_by_a_second_apply(bench: Bench) -> None:
    made = bench.plan(blueprint(PORT))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    other.make(blueprint(PORT))
    for _ in range(2):
        assert isinstance(dict(bench.apply(made).failed)["p"], NotOurs)
    assert bench.plan(blueprint()).empty


def test_a_resource_found_only_by_the_create_is_updated_to_the_spec(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", tags={"k": "${z.arn}"})), "t-a")
    # z is replaced, so what `a` says of it is not known when planning
    made = bench.plan(blueprint(thing("z", zone="other"), thing("a", tags={"k": "${z.arn}"})))
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    tags = bench.cloud.of("toy.thing")["t-a"][0].tags  # type: ignore[attr-defined]
    assert tags == {"k": bench.state.resources["z"].outputs["arn"]}


def test_the_successor_of_an_untracked_resource_waits_for_its_delete(bench: Bench) -> None:
    killed(bench, blueprint(thing("a", zone="two")), "t-a")
    again = bench.plan(blueprint(thing("z"), thing("a", zone="one", after=["z"])))
    assert ops(again) == {"z:create": Op.CREATE, "a:delete#pending-1": Op.DELETE, "a:create": Op.CREATE}
    bench.cloud.fail("delete", "t-a", Denied("no"))
    assert bench.apply(again, stop=CancelToken()).exit_code == 8
    assert bench.cloud.made["t-a"] == 1


def test_a_replacement_gets_another_name_if_a_deposed_generation_has_it(bench: Bench) -> None:
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


def test_a_deposed_generation_is_not_adopted_as_the_new_one(bench: Bench) -> None:
    bench.make(blueprint(thing("z"), thing("a", uses=["${z.id}"])))
    bench.cloud.fail("delete", "t-a", Denied("no"))
    bench.apply(bench.plan(blueprint(thing("z"), thing("a", kind="toy.behind"))))
    bench.cloud.fail("delete", "t-a", Denied("no"))
    assert bench.apply(bench.plan(blueprint(thing("z")), "destroy")).exit_code == 8
    made = bench.plan(blueprint(thing("a")))
    assert [(step.id, step.resource.generation) for step in made.steps if step.op is Op.CREATE] == [("a:create", 2)]
    assert bench.apply(made).outcome == "complete"


def test_resources_with_cyclic_dependencies_can_be_destroyed(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", after=["a"])))
    bench.make(blueprint(thing("b"), thing("a", size=2, after=["b"])))
    assert {address: entry.dependencies for address, entry in bench.state.resources.items()} == {
        "a": ("b",),
        "b": ("a",),
    }
    assert bench.apply(bench.plan(blueprint(), "destroy")).outcome == "complete"


def test_a_delete_before_create_does_not_wait_for_what_waits_for_the_create(bench: Bench) -> None:
    user = thing("u", uses=["${a.id}"])
    bench.make(blueprint(PORT, thing("a", after=["p"]), user))
    port = resource("p", "toy.port", {"number": 2, "of": "x"})
    made = bench.plan(blueprint(port, thing("b", after=["p"]), thing("u", uses=["${b.id}"])))
    waits = {step.id: [each.step for each in step.depends_on] for step in made.steps}
    assert (waits["p:delete#1"], waits["p:replace"]) == ([], ["p:delete#1"])
    assert bench.apply(made).outcome == "complete"


def test_an_untracked_resource_is_adopted_before_its_former_dependency_is_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))
    killed(bench, blueprint(thing("z"), thing("a", uses=["${z.id}"])), "t-a")
    made = bench.plan(blueprint(thing("y"), thing("a", uses=["${y.id}"])))
    waits = {step.id: [each.step for each in step.depends_on] for step in made.steps}
    assert waits == {"y:create": [], "a:adopt": ["y:create"], "z:delete#1": ["a:adopt"]}
    assert bench.apply(made).outcome == "complete"


def test_an_interrupted_update_keeps_its_new_dependencies_in_the_order_of_deletes(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    bench.cloud.after["update", "t-b"] = die
    with pytest.raises(SystemExit):
        bench.apply(bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"]))), stop=CancelToken())
    bench.cloud.after.clear()
    made = bench.plan(blueprint(), "destroy")
    assert [step.id for step in made.steps] == ["b:delete#1", "a:delete#1"]


def test_a_protected_resource_that_is_gone_is_forgotten(bench: Bench) -> None:
    bench.make(blueprint(thing("a", lifecycle={"prevent_destroy": True})))
    bench.cloud.of("toy.thing").clear()
    assert [step.op for step in bench.plan(blueprint()).steps] == [Op.FORGET]


class Fast(Runtime):
    """A clock that does not wait."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.time += seconds
        return event.is_set()


def test_an_incomplete_resource_counts_as_gone_only_after_a_while(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    hidden: FakeCloud = bench.cloud
    there = hidden.of("toy.thing").pop("t-a")
    world = bench.world()
    world.runtime = Fast()
    entry = ResourceState("a", "toy.thing", "t-a", {}, {}, status=Status.INCOMPLETE)
    assert refresh.read_resources([entry], world, bench.log).resources == {}
    assert world.runtime.now() >= refresh.CONFIRM_ABSENT_SECONDS
    reads: list[int] = []

    def appear() -> None:
        reads.append(1)
        if len(reads) == 3:
            hidden.of("toy.thing")["t-a"] = there

    hidden.after["read", "toy.thing"] = appear
    assert list(refresh.read_resources([entry], world, bench.log).resources) == ["a"]


def test_an_own_resource_with_another_immutable_value_is_a_conflict(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("z"), thing("a", zone="${z.arn}")))

    def appear() -> None:
        earlier = ThingSpec(name="a", zone="elsewhere"), Owner(made.base.lineage, "a")
        bench.cloud.of("toy.thing").setdefault("t-a", earlier)

    bench.cloud.after["wait_ready", "t-z"] = appear
    failed = dict(bench.apply(made).failed)
    assert isinstance(failed["a"], Conflict)
    assert "deletes it first" in failed["a"].hint
