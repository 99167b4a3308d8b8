"""Plans that change only the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smplan.core.blueprint import BackendConfig
from smplan.core.state.journal import ReplayedState
from smplan.drivers.base import Owner
from smplan.engine.edit_state import About, plan_forget, plan_move
from smplan.errors import Denied, SmplanError, Stale
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import blueprint
from tests.support.fake_cloud import thing


def replayed(bench: Bench) -> ReplayedState:
    found = bench.store.read().folded
    assert found is not None
    return found


ABOUT = About(BackendConfig("local"), now=lambda: NOON)


def test_a_move_writes_the_ownership_tags_and_the_blueprint_may_have_the_new_address(bench: Bench) -> None:
    bench.make(blueprint(thing("a", name="n")))
    sent = bench.cloud.writes()
    bench.apply(plan_move(replayed(bench), "a", "b", ABOUT))
    assert bench.cloud.writes() == sent
    assert bench.cloud.of("toy.thing")["t-n"][1] == Owner(bench.state.lineage, "b")
    assert bench.plan(blueprint(thing("b", name="n"))).empty


def test_what_is_forgotten_continues_to_exist(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    bench.apply(plan_forget(replayed(bench), ["a"], ABOUT))
    assert set(bench.state.resources) == {"b"}
    assert "t-a" in bench.cloud.of("toy.thing")


def test_older_generations_are_forgotten_too(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.fail("delete", "t-a", Denied("not now"))
    bench.apply(bench.plan(blueprint(thing("a", zone="y"))))
    bench.apply(plan_forget(replayed(bench), ["a"], ABOUT))
    assert (bench.state.resources, bench.state.deposed) == ({}, ())
    assert len(bench.cloud.of("toy.thing")) == 2


def test_an_older_generation_that_is_left_alone_is_forgotten(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.fail("delete", "t-a", Denied("not now"))
    bench.apply(bench.plan(blueprint(thing("a", zone="y"))))
    current = bench.state.resources["a"]
    bench.apply(plan_move(replayed(bench), "a", "b", ABOUT))
    bench.apply(plan_forget(replayed(bench), ["a"], ABOUT))
    assert bench.state.deposed == ()
    assert bench.state.resources["b"].id == current.id


def test_a_generation_that_is_taken_gives_way(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    found = replayed(bench)
    older = replace(found.state.resources["a"], address="b", id="t-old")
    found = replace(found, state=replace(found.state, deposed=(older,)))
    assert plan_move(found, "a", "b", ABOUT).steps[0].resource.generation == 2
    assert plan_move(found, "a", "c", ABOUT).steps[0].resource.generation == 1


def test_an_edit_supersedes_an_unfinished_run_as_a_new_plan_does(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("update", "t-a", SmplanError("no"))
    begun = bench.plan(blueprint(thing("a", size=2)))
    bench.apply(begun)
    bench.apply(plan_forget(replayed(bench), ["a"], ABOUT))
    assert bench.state.resources == {}
    with pytest.raises(Stale):
        bench.apply(begun)


def test_an_address_must_be_there_and_the_other_free(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    with pytest.raises(SmplanError, match="the state has b already"):
        plan_move(replayed(bench), "a", "b", ABOUT)
    with pytest.raises(SmplanError, match="the state has nothing at `c`"):
        plan_forget(replayed(bench), ["c"], ABOUT)
