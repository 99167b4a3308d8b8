"""Older generations: which are kept, and which one becomes the current generation again."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.core.blueprint import Resource
from smplan.core.plan.changes import NoOp, Replace
from smplan.core.state.model import ResourceState, Status
from smplan.errors import GuardRefused
from tests.core.plan.scenario import Have, Planned, deposed, have, planned, want


def image(zone: str, keep: int = 0, **more: Any) -> Resource:
    """An image that is replaced when its zone changes."""
    return want("i", "image", zone=zone, lifecycle={"keep_generations": keep, **more.pop("lifecycle", {})}, **more)


def current(zone: str, generation: int = 2, **more: Any) -> Have:
    return have("i", "image", zone=zone, current_name=f"i-00000{generation}", generation=generation, **more)


def older(zone: str, generation: int = 1, **more: Any) -> ResourceState:
    return deposed("i", "image", zone=zone, generation=generation, **more)


def kept(plan: Planned) -> list[str]:
    return [each.id for each in plan.changes.kept]


# What is kept.


def test_what_is_replaced_is_kept_and_a_plan_afterwards_is_empty() -> None:
    plan = planned([image("y", keep=1)], [have("i", "image", zone="x")])
    assert (plan.ops, kept(plan)) == ({"i:replace": "replace"}, ["id-i"])
    again = planned([image("y", keep=1)], [current("y")], deposed=[older("x")])
    assert (again.ops, kept(again)) == ({}, ["old-i-1"])


def test_without_the_setting_nothing_is_kept() -> None:
    assert planned([image("y")], [have("i", "image", zone="x")]).ops == {"i:replace": "replace", "i:delete#1": "delete"}
    assert planned([image("y")], [current("y")], deposed=[older("x")]).ops == {"i:delete#1": "delete"}


def test_the_newest_are_kept_as_many_as_the_blueprint_says() -> None:
    plan = planned([image("z", keep=2)], [current("y", 3)], deposed=[older("w"), older("x", 2)])
    assert plan.ops == {"i:replace": "replace", "i:delete#1": "delete"}
    assert kept(plan) == ["id-i", "old-i-2"]
    fewer = planned([image("y", keep=1)], [current("y", 3)], deposed=[older("w"), older("x", 2)])
    assert (fewer.ops, kept(fewer)) == ({"i:delete#1": "delete"}, ["old-i-2"])


@pytest.mark.parametrize("destroy", [True, False])
def test_what_goes_for_good_goes_with_its_older_generations(destroy: bool) -> None:
    plan = planned([image("y", keep=2)] if destroy else [], [current("y")], deposed=[older("x")], destroy=destroy)
    assert (plan.ops, kept(plan)) == ({"i:delete#1": "delete", "i:delete#2": "delete"}, [])


def test_what_was_never_completed_or_is_gone_is_not_kept() -> None:
    plan = planned([image("y", keep=2)], [current("x", status=Status.INCOMPLETE)])
    assert (plan.ops["i:delete#2"], kept(plan)) == ("delete", [])
    gone = planned([image("y", keep=2)], [current("y")], deposed=[older("x")], vanished=["old-i-1"])
    assert (gone.ops, kept(gone)) == ({"i:delete#1": "delete"}, [])
    assert gone["i:delete#1"].reasons == ("generation 1, old-i-1, is gone already",)


def test_what_another_state_took_over_is_forgotten() -> None:
    plan = planned([image("y", keep=2)], [current("y")], deposed=[older("x")], taken={"old-i-1": "other/i"})
    assert (plan.ops, kept(plan)) == ({"i:delete#1": "forget"}, [])


def test_a_protected_generation_that_is_kept_refuses_nothing() -> None:
    protected = older("x", prevent_destroy=True)
    planned([image("y", keep=1)], [current("y")], deposed=[protected]).changes.raise_if_refused()
    with pytest.raises(GuardRefused, match="would be deleted and is protected"):
        planned([image("y")], [current("y")], deposed=[protected]).changes.raise_if_refused()


def test_a_kept_generation_can_be_abandoned() -> None:
    plan = planned([image("y", keep=1)], [current("y")], deposed=[older("x")], abandon=["i"])
    assert plan.ops == {"i:abandon#1": "forget"}


def test_what_refers_to_something_that_is_deleted_is_deleted_before_it() -> None:
    base = have("b", "image", zone="x")
    user = deposed("i", "image", zone="x", uses=["id-b"], after=["b"])
    wants = [want("b", "image", zone="y"), image("y", keep=1, uses=["${b.id}"])]
    plan = planned(wants, [base, current("y", uses=["id-b"], after=["b"])], deposed=[user])
    assert kept(plan) == []
    assert "i:delete#1" in [each.step for each in plan["b:delete#1"].depends_on]
    both = [want("b", "image", zone="y", lifecycle={"keep_generations": 1}), wants[1]]
    plan = planned(both, [base, current("y", uses=["id-b"], after=["b"])], deposed=[user])
    assert kept(plan) == ["id-b", "old-i-1"]
    assert set(plan.ops) == {"b:replace", "i:update"}


def test_a_chain_of_kept_generations_goes_as_a_whole() -> None:
    wants = [want("b", "image", zone="y", lifecycle={"keep_generations": 1}), image("y", keep=1)]
    haves = [have("c"), have("b", "image", zone="y", generation=2, current_name="b-000002"), current("y")]
    chain = [deposed("b", "image", uses=["id-c"], after=["c"]), older("x", uses=["old-b-1"], after=["b"])]
    plan = planned(wants, haves, deposed=chain)
    assert kept(plan) == []
    assert [step.id for step in plan.steps] == ["i:delete#1", "b:delete#1", "c:delete#1"]


def test_what_has_the_name_of_a_new_one_is_not_kept() -> None:
    plan = planned([image("y", keep=1, name="n")], [current("z", gone=True)], deposed=[older("x", name="n")])
    assert (plan.ops, kept(plan)) == ({"i:delete#1": "delete", "i:create": "create"}, [])


def test_what_a_move_displaces_is_no_generation_of_what_comes() -> None:
    wants = [image("y", keep=2, name="j")]
    plan = planned(wants, [have("j", "image", zone="y"), have("i", "image", zone="x")])
    assert (plan.ops, kept(plan)) == ({"i:move": "move", "i:delete#1": "delete"}, [])


# What becomes the current generation again.


def test_a_kept_generation_that_is_wanted_again_is_restored_and_the_other_one_is_kept() -> None:
    plan = planned([image("x", keep=1)], [current("y")], deposed=[older("x")])
    assert plan.ops == {"i:restore": "restore"}
    assert isinstance(plan.changes.changes["i"], NoOp)
    step = plan["i:restore"]
    assert (step.physical_id, step.resource.generation, step.previous_address) == ("old-i-1", 3, "i")
    assert step.reasons == ("generation 1 still exists, and is what the blueprint asks for",)
    assert (step.before, len(step.precondition)) == ({"name": "i", "zone": "x", "size": 1}, 64)
    assert kept(plan) == ["id-i"]


def test_a_generation_that_no_plan_has_deleted_yet_is_restored_without_the_setting() -> None:
    plan = planned([image("x")], [current("y")], deposed=[older("x")])
    assert plan.story == ["i:restore", "i:delete#2 after i:restore"]


def test_what_has_no_name_is_recognised_by_its_content() -> None:
    plan = planned([want("i", "layer", number=1)], [have("i", "layer", number=2)], deposed=[deposed("i", "layer")])
    assert plan.ops == {"i:restore": "restore", "i:delete#1": "delete"}


def test_the_newest_of_equal_generations_is_restored() -> None:
    plan = planned([image("x", keep=3)], [current("y", 4)], deposed=[older("x"), older("x", 2), older("z", 3)])
    assert plan["i:restore"].physical_id == "old-i-2"


def test_what_differs_in_what_can_be_changed_is_changed_in_place() -> None:
    plan = planned([image("x", size=5)], [current("y")], deposed=[older("x")])
    assert plan.story == ["i:restore", "i:update after i:restore", "i:delete#2 after i:restore, i:update"] or (
        plan.ops == {"i:restore": "restore", "i:update": "update", "i:delete#2": "delete"}
    )
    assert [each.path for each in plan["i:update"].changes] == ["size"]


def test_what_refers_to_it_changes_with_it_and_its_own_former_generation_is_restored() -> None:
    wants = [image("x", keep=1), want("c", "image", zone="${i.id}", lifecycle={"keep_generations": 1})]
    wants.append(want("g", uses=["${c.id}"]))
    now = have("c", "image", zone="id-i", current_name="c-000002", generation=2, after=["i"])
    haves = [current("y"), now, have("g", uses=["id-c"], after=["c"])]
    former = deposed("c", "image", zone="old-i-1", after=["i"])
    plan = planned(wants, haves, deposed=[older("x"), former])
    assert plan.ops == {"i:restore": "restore", "c:restore": "restore", "g:update": "update"}
    assert plan["g:update"].resource.spec["uses"] == ["old-c-1"]
    assert plan["g:update"].reasons == ("uses: c goes back to an older generation",)
    assert [each.step for each in plan["g:update"].depends_on] == ["c:restore"]
    assert kept(plan) == ["id-i", "id-c"]


def test_what_depends_on_a_new_resource_has_no_former_generation() -> None:
    wants = [image("z"), want("c", "image", zone="${i.id}")]
    now = have("c", "image", zone="id-i", current_name="c-000002", generation=2, after=["i"])
    plan = planned(wants, [current("y"), now], deposed=[deposed("c", "image", zone="old-i-1", after=["i"])])
    assert isinstance(plan.changes.changes["c"], Replace)


@pytest.mark.parametrize(
    ("wanted", "record", "more"),
    [
        (image("z"), older("x"), {}),
        (image("x", name="other"), older("x"), {}),
        (image("x"), older("x"), {"vanished": ["old-i-1"]}),
        (image("x"), older("x"), {"taken": {"old-i-1": "other/i"}}),
        (image("x"), deposed("i", zone="x"), {}),
        (want("i", zone="x"), deposed("i", zone="x"), {}),
    ],
    ids=["another zone", "another name", "gone", "taken over", "another kind", "not restorable"],
)
def test_anything_else_is_created_anew(wanted: Resource, record: ResourceState, more: Any) -> None:
    haves = [current("y")] if wanted.kind == "image" else [have("i", zone="y", generation=2)]
    assert planned([wanted], haves, deposed=[record], **more).ops["i:replace"] == "replace"


def test_an_older_generation_is_restored_where_the_current_one_is_gone() -> None:
    gone = planned([image("x", keep=1)], [current("y", gone=True)], deposed=[older("x")])
    assert gone.ops == {"i:restore": "restore", "i:delete#2": "delete"}
    absent = planned([image("x")], deposed=[older("x")])
    assert absent.ops == {"i:restore": "restore"}


def test_a_current_generation_that_fits_and_is_gone_is_created_again_beside_the_older_ones() -> None:
    plan = planned([image("y", keep=1)], [current("y", gone=True)], deposed=[older("x")])
    assert (plan.ops, kept(plan)) == ({"i:create": "create"}, ["old-i-1"])
    assert plan["i:create"].resource.name == "i-000002"


def test_an_ignored_field_is_no_difference() -> None:
    wanted = image("x", lifecycle={"ignore": ("name",)})
    plan = planned([wanted], [current("y")], deposed=[older("x", name="by-hand")])
    assert plan.ops == {"i:restore": "restore", "i:delete#2": "delete"}


def test_a_restored_generation_that_was_never_completed_is_completed() -> None:
    unfinished = older("x", status=Status.INCOMPLETE)
    plan = planned([image("x")], [current("y")], deposed=[unfinished])
    assert plan.ops == {"i:restore": "restore", "i:adopt": "adopt", "i:delete#2": "delete"}


def test_the_protection_of_what_is_not_replaced_any_more_refuses_nothing() -> None:
    wanted = image("x", keep=1, lifecycle={"prevent_destroy": True})
    plan = planned([wanted], [current("y", prevent_destroy=True)], deposed=[older("x", prevent_destroy=True)])
    plan.changes.raise_if_refused()
    assert plan.ops == {"i:restore": "restore"}
