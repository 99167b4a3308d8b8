"""A renamed resource moves in the state; nothing of it is changed but its ownership tags."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smplan.core.blueprint import BackendConfig, Moved, Resource
from smplan.core.plan.model import Op
from smplan.drivers.base import Owner
from smplan.engine.edit_state import About, plan_move
from smplan.errors import Denied, NotOurs
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import blueprint, resource
from tests.support.fake_cloud import thing
from tests.support.fake_specs import ThingSpec


def port(address: str, number: int) -> Resource:
    return resource(address, "toy.port", {"number": number, "of": "x"})


def test_a_rename_changes_the_state_and_the_ownership_tags_only(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n"), thing("user", uses=["${a.id}"])))
    sent = bench.cloud.writes()
    wanted = blueprint(thing("b", name="n"), thing("user", uses=["${b.id}"]))
    made = bench.plan(wanted)
    assert [(step.op, step.address, step.previous_address) for step in made.steps] == [(Op.MOVE, "b", "a")]
    assert made.unchanged == ("user",), "what moves is not counted as unchanged too"
    bench.apply(made)
    assert bench.cloud.writes() == sent
    assert ("set_owner", "t-n") in bench.cloud.calls
    assert bench.cloud.of("toy.thing")["t-n"][1] == Owner(bench.state.lineage, "b")
    assert set(bench.state.resources) == {"b", "user"}
    assert bench.state.resources["user"].dependencies == ("b",)
    assert bench.plan(wanted).empty


def test_what_refers_to_a_moved_resource_gets_its_values(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n")))
    bench.apply(bench.plan(blueprint(thing("b", name="n"), thing("c", uses=["${b.id}"]))))
    assert bench.state.resources["c"].spec["uses"] == ["t-n"]


def test_swapped_keys_swap_their_records(bench: Bench) -> None:
    bench.make(blueprint(port("a", 1), port("b", 2)))
    wanted = blueprint(port("a", 2), port("b", 1))
    sent = bench.cloud.writes()
    bench.apply(bench.plan(wanted))
    assert bench.cloud.writes() == sent
    assert {at: each.id for at, each in bench.state.resources.items()} == {"a": "p-2", "b": "p-1"}
    assert bench.state.deposed == ()
    assert bench.plan(wanted).empty


def test_shifted_keys_delete_only_what_is_no_longer_wanted(bench: Bench) -> None:
    bench.make(blueprint(port("a", 1), port("b", 2)))
    wanted = blueprint(port("a", 2), port("b", 3))
    bench.apply(bench.plan(wanted))
    assert ("delete", "p-1") in bench.cloud.writes()
    assert ("delete", "p-2") not in bench.cloud.writes()
    assert {at: each.id for at, each in bench.state.resources.items()} == {"a": "p-2", "b": "p-3"}
    assert bench.plan(wanted).empty


def test_a_swap_that_was_half_done_is_completed_by_the_next_plan(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n1"), thing("b", name="n2")))
    wanted = blueprint(thing("a", name="n2"), thing("b", name="n1"))
    bench.cloud.fail("set_owner", "t-n1", Denied("not now"))
    assert bench.apply(bench.plan(wanted)).outcome == "failed"
    assert [each.id for each in bench.state.deposed] == ["t-n1"]
    made = bench.plan(wanted)
    assert [(step.op, step.address) for step in made.steps] == [(Op.MOVE, "b")]
    bench.apply(made)
    assert {at: each.id for at, each in bench.state.resources.items()} == {"a": "t-n2", "b": "t-n1"}
    assert bench.cloud.made == {"t-n1": 1, "t-n2": 1}
    assert bench.plan(wanted).empty


def test_a_resource_deleted_outside_moves_and_is_created_again(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n")))
    bench.cloud.of("toy.thing").clear()
    bench.apply(bench.plan(blueprint(thing("b", name="n"))))
    assert set(bench.state.resources) == {"b"}
    assert "t-n" in bench.cloud.of("toy.thing")


def test_the_id_of_what_is_only_in_the_state_follows_its_address(bench: Bench) -> None:
    values = [resource(address, "core.value", {"input": address}) for address in ("v", "w")]
    bench.make(blueprint(values[0]))
    before = bench.store.read().folded
    assert before is not None
    bench.apply(plan_move(before, "v", "w", About(BackendConfig("local"), now=lambda: NOON)))
    assert bench.state.resources["w"].id == "w"
    bench.make(blueprint(*values))  # a new one at the old address
    assert {at: each.id for at, each in bench.state.resources.items()} == {"v": "v", "w": "w"}


def test_a_move_leaves_the_tags_of_another_owner_and_of_what_is_shared(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n"), thing("s", name="m", lifecycle={"keep": True})))
    for id, owner in (("t-n", Owner("other", "z")), ("t-m", None)):
        bench.cloud.of("toy.thing")[id] = (bench.cloud.of("toy.thing")[id][0], owner)
    wanted = blueprint(
        thing("b", name="n", lifecycle={"adopt_from": "other/y"}), thing("t", name="m", lifecycle={"keep": True})
    )
    with pytest.raises(NotOurs, match="taken over by z of state other"):
        bench.plan(wanted)
    found = bench.store.read().folded
    assert found is not None
    for before, after in (("a", "b"), ("s", "t")):
        bench.apply(plan_move(found, before, after, About(BackendConfig("local"), now=lambda: NOON)))
        found = bench.store.read().folded
        assert found is not None
    assert bench.cloud.of("toy.thing")["t-n"][1] == Owner("other", "z")
    assert bench.cloud.of("toy.thing")["t-m"][1] is None


def test_a_swap_keeps_the_dependencies_of_both_and_of_others(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n1"), thing("b", name="n2", uses=["${a.id}"]), thing("c", uses=["${a.id}"])))
    wanted = blueprint(thing("b", name="n1"), thing("a", name="n2", uses=["${b.id}"]), thing("c", uses=["${b.id}"]))
    bench.cloud.fail("set_owner", "t-n2", Denied("not now"))
    assert bench.apply(bench.plan(wanted)).outcome == "failed"
    bench.make(wanted)
    assert bench.state.resources["a"].dependencies == ("b",)
    assert "b" in bench.state.resources["c"].dependencies
    assert bench.plan(wanted).empty


def test_everything_can_be_destroyed_before_moved_was_carried_out(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n")))
    wanted = replace(blueprint(thing("b", name="m")), moved=(Moved("a", "b", ("moved",)),))
    assert bench.apply(bench.plan(wanted, "destroy")).outcome == "complete"
    assert bench.state.resources == {}
    assert bench.cloud.of("toy.thing") == {}


def test_a_create_that_succeeds_on_what_another_state_created_is_refused(bench: Bench) -> None:
    def taken() -> None:
        bench.cloud.of("toy.thing")["t-a"] = (bench.cloud.of("toy.thing")["t-a"][0], Owner("other", "z"))

    bench.cloud.after["created", "t-a"] = taken
    outcome = bench.apply(bench.plan(blueprint(thing("a"))))
    assert isinstance(dict(outcome.failed)["a"], NotOurs)
    assert [step.op for step in bench.plan(blueprint()).steps] == [Op.FORGET]
    with pytest.raises(NotOurs, match="taken over by z of state other"):
        bench.plan(blueprint(thing("a")))


def test_an_adoption_that_failed_halfway_is_resumed(bench: Bench) -> None:
    bench.cloud.of("toy.thing")["t-a"] = (ThingSpec(name="a", size=1), None)
    made = bench.plan(blueprint(thing("a", size=2, lifecycle={"adopt": True})))
    bench.cloud.fail("set_owner", "t-a", Denied("not now"))
    assert bench.apply(made).outcome == "failed"
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.thing")["t-a"][1] == Owner(bench.state.lineage, "a")


def test_what_a_create_takes_over_is_tagged(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a", lifecycle={"adopt": True})))
    bench.cloud.of("toy.thing")["t-a"] = (ThingSpec(name="a"), None)
    bench.apply(made)
    assert bench.cloud.of("toy.thing")["t-a"][1] == Owner(bench.state.lineage, "a")


def test_an_older_generation_that_another_state_took_over_is_forgotten(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.fail("delete", "t-a", Denied("not now"))
    wanted = blueprint(thing("a", zone="y"))
    assert bench.apply(bench.plan(wanted)).outcome == "failed"
    spec, _ = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec, Owner("other", "z"))
    made = bench.plan(wanted)
    assert [step.op for step in made.steps] == [Op.FORGET]
    bench.apply(made)
    assert "t-a" in bench.cloud.of("toy.thing")
    assert bench.plan(wanted).empty


def test_what_another_state_took_over_is_neither_changed_nor_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), thing("b")))
    made = bench.plan(blueprint(thing("a", size=2)))
    for id in ("t-a", "t-b"):
        bench.cloud.of("toy.thing")[id] = (bench.cloud.of("toy.thing")[id][0], Owner("other", "z"))
    outcome = bench.apply(made)
    assert {type(error) for _, error in outcome.failed} == {NotOurs}
    assert {"t-a", "t-b"} <= bench.cloud.of("toy.thing").keys()
    with pytest.raises(NotOurs, match="taken over by z of state other"):
        bench.plan(blueprint(thing("a", size=2)))


def test_a_shared_resource_keeps_its_owner_and_is_never_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1)))
    owner = bench.cloud.of("toy.thing")["t-a"][1]
    (bench.folder / "toys.state.json").unlink()
    shared = blueprint(thing("a", lifecycle={"keep": True}))
    bench.apply(bench.plan(shared))
    assert bench.state.resources["a"].keep
    assert bench.cloud.of("toy.thing")["t-a"][1] == owner
    bench.apply(bench.plan(blueprint()))
    assert bench.state.resources == {}
    assert "t-a" in bench.cloud.of("toy.thing")
