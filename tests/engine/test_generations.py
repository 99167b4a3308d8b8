"""Generations that are kept, and the way back to them, on a cloud in a dict."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.plan.model import Op, Plan
from smplan.drivers.base import Owner
from smplan.engine.executor import Outcome
from smplan.engine.waiter import CancelToken
from smplan.errors import Denied, Stale
from tests.engine.conftest import Bench
from tests.support.blueprints import blueprint
from tests.support.fake_cloud import thing

KEEP = {"keep_generations": 1}


def image(zone: str, lifecycle: Mapping[str, int] = KEEP, **spec: object) -> Resource:
    return thing("image", kind="toy.image", zone=zone, lifecycle=lifecycle, **spec)


def fleet(zone: str, lifecycle: Mapping[str, int] = KEEP, **spec: object) -> Blueprint:
    """An image, and what is launched from it."""
    return blueprint(image(zone, lifecycle, **spec), thing("group", uses=["${image.id}"]))


def images(bench: Bench) -> list[str]:
    return sorted(bench.cloud.of("toy.image"))


def replaced(bench: Bench) -> str:
    """The id of the second image, after the first was replaced."""
    bench.make(fleet("one"))
    bench.make(fleet("two"))
    (second,) = set(images(bench)) - {"i-image"}
    return second


def test_going_back_creates_nothing_and_the_next_plan_is_empty(bench: Bench) -> None:
    second = replaced(bench)
    assert [each.id for each in bench.state.deposed] == ["i-image"]
    made = bench.plan(fleet("two"))
    assert (made.empty, [(each.id, each.generation) for each in made.kept_generations]) == (True, [("i-image", 1)])
    sent = len(bench.cloud.writes())
    back = bench.plan(fleet("one"))
    assert [step.id for step in back.steps] == ["image:restore", "group:update"]
    assert bench.apply(back).outcome == "complete"
    assert bench.cloud.writes()[sent:] == [("update", "t-group")]
    assert bench.state.resources["image"].id == "i-image"
    assert bench.state.resources["group"].spec["uses"] == ["i-image"]
    assert [each.id for each in bench.state.deposed] == [second]
    assert bench.plan(fleet("one")).empty
    bench.make(fleet("two"))
    assert (bench.state.resources["image"].id, images(bench)) == (second, ["i-image", second])
    assert bench.state.resources["image"].generation == 4
    assert bench.plan(fleet("two")).empty


def test_a_third_image_deletes_the_first(bench: Bench) -> None:
    second = replaced(bench)
    bench.make(fleet("three"))
    assert len(images(bench)) == 2
    assert second in images(bench)
    assert "i-image" not in images(bench)


def test_a_destroy_deletes_every_generation(bench: Bench) -> None:
    replaced(bench)
    assert bench.apply(bench.plan(blueprint(), "destroy")).outcome == "complete"
    assert images(bench) == []
    assert (bench.state.resources, bench.state.deposed) == ({}, ())


def test_without_the_setting_a_failed_change_is_undone_with_what_still_exists(bench: Bench) -> None:
    bench.make(fleet("one", {}))
    bench.cloud.fail("update", "t-group", Denied("no"))
    assert bench.apply(bench.plan(fleet("two", {}))).outcome == "failed"
    back = bench.plan(fleet("one", {}))
    assert [step.id for step in back.steps] == ["image:restore", "image:delete#2"]
    assert bench.apply(back).outcome == "complete"
    assert (images(bench), bench.state.deposed) == (["i-image"], ())
    assert bench.plan(fleet("one", {})).empty


def test_what_is_restored_gets_what_the_blueprint_has_changed_since(bench: Bench) -> None:
    replaced(bench)
    bench.make(fleet("one", size=7))
    assert bench.cloud.of("toy.image")["i-image"][0].size == 7  # type: ignore[attr-defined]
    assert bench.plan(fleet("one", size=7)).empty


def test_ownership_tags_that_were_removed_meanwhile_are_restored(bench: Bench) -> None:
    replaced(bench)
    spec, owner = bench.cloud.of("toy.image")["i-image"]
    bench.cloud.of("toy.image")["i-image"] = (spec, None)
    bench.make(fleet("one"))
    assert bench.cloud.of("toy.image")["i-image"][1] == owner == Owner(bench.state.lineage, "image")


def test_what_is_restored_must_still_be_there_when_the_plan_is_applied(bench: Bench) -> None:
    replaced(bench)
    back = bench.plan(fleet("one"))
    gone = bench.cloud.of("toy.image").pop("i-image")
    with pytest.raises(Stale, match=r"image \(i-image\) is gone since the plan was made"):
        bench.apply(back)
    bench.cloud.of("toy.image")["i-image"] = gone
    assert bench.apply(back).outcome == "complete"


def test_a_kept_generation_that_was_deleted_outside_is_created_anew(bench: Bench) -> None:
    replaced(bench)
    del bench.cloud.of("toy.image")["i-image"]
    assert [step.id for step in bench.plan(fleet("two")).steps] == ["image:delete#1"]
    back = bench.plan(fleet("one"))
    assert [step.op for step in back.steps if step.address == "image"] == [Op.REPLACE, Op.DELETE]
    assert bench.apply(back).outcome == "complete"
    assert bench.plan(fleet("one")).empty


def test_the_way_back_is_resumed_wherever_it_was_interrupted(bench: Bench) -> None:
    second = replaced(bench)
    bench.cloud.fail("update", "t-group", Denied("not now"))
    back = bench.plan(fleet("one"))
    assert bench.apply(back).outcome == "failed"
    assert bench.state.resources["image"].id == "i-image"
    assert resumed(bench, back).outcome == "complete"
    assert bench.cloud.made == {"i-image": 1, second: 1, "t-group": 1}
    assert bench.plan(fleet("one")).empty


def resumed(bench: Bench, made: Plan) -> Outcome:
    return bench.apply(made, stop=CancelToken())
