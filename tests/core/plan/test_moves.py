"""Moves: one resource has one address, whatever the blueprint calls it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smplan.core.blueprint import Resource
from smplan.core.plan.changes import NoOp
from smplan.errors import BlueprintInvalid, GuardRefused, NotOurs
from tests.core.plan.scenario import LINEAGE, Have, deposed, have, observed, planned, want

# Renames.


def test_a_renamed_resource_moves_and_nothing_else_happens() -> None:
    plan = planned([want("b", name="n")], [have("a", name="n")])
    assert plan.story == ["b:move"]
    assert plan["b:move"].previous_address == "a"
    assert plan["b:move"].physical_id == "id-a"
    assert plan["b:move"].reasons == ("it was a",)
    assert isinstance(plan.changes.changes["b"], NoOp)


def test_a_key_that_refers_to_a_moved_resource_is_recognised() -> None:
    wants = [want("x", name="n"), want("y", "port", of="${x.id}")]
    plan = planned(wants, [have("a", name="n"), have("p", "port", of="id-a")])
    assert plan.ops == {"x:move": "move", "y:move": "move"}


def test_a_change_waits_for_the_move_of_its_record() -> None:
    plan = planned([want("b", name="n", size=2)], [have("a", name="n")])
    assert plan.story == ["b:move", "b:update after b:move"]
    assert plan["b:update"].physical_id == "id-a"


def test_a_renamed_resource_that_must_be_replaced_is_replaced_at_its_new_address() -> None:
    plan = planned([want("b", "port", number=1, of="x")], [have("a", "port", number=1, of="x")])
    assert plan.ops == {"b:move": "move"}
    plan = planned([want("b", name="n", zone="y")], [have("a", name="n", zone="x")])
    assert plan.ops == {"b:move": "move", "b:replace": "replace", "b:delete#1": "delete"}
    assert plan["b:delete#1"].physical_id == "id-a"


def test_a_renamed_resource_is_recognised_by_the_name_of_its_generation() -> None:
    plan = planned([want("b", name="n")], [have("a", name="n", current_name="n-0123ab", generation=2)])
    assert plan.ops == {"b:move": "move"}


def test_the_current_generation_is_recognised_before_those_it_replaced() -> None:
    current = have("a", name="n", current_name="n-0123ab", zone="y", generation=2)
    plan = planned([want("b", name="n", zone="y")], [current], deposed=[deposed("a", name="n", zone="x")])
    assert plan.ops == {"b:move": "move", "a:delete#1": "delete"}
    assert plan["b:move"].physical_id == "id-a"


def test_an_older_generation_is_deleted_before_what_it_used_at_another_address() -> None:
    haves, old = [have("a", name="n"), have("c", generation=2)], deposed("c", uses=["id-a"], after=["a"])
    plan = planned([want("b", name="n", zone="y"), want("c")], haves, deposed=[old])
    assert plan.ops["b:replace"] == "replace"
    assert "c:delete#1" in [each.step for each in plan["b:delete#1"].depends_on]


def test_what_was_deleted_outside_moves_and_is_created_again() -> None:
    plan = planned([want("b", name="n")], [have("a", name="n", gone=True)])
    assert plan.story == ["b:move", "b:create after b:move"]


def test_what_depends_on_a_renamed_resource_comes_after_its_move() -> None:
    plan = planned([want("x", name="n"), want("y", uses=["${x.id}"])], [have("a", name="n")])
    assert plan.story == ["x:move", "y:create after x:move"]
    assert plan["y:create"].after["uses"] == ["id-a"]


def test_the_records_of_others_name_the_new_address() -> None:
    plan = planned([want("x", name="n")], [have("a", name="n"), have("y", after=["a"])])
    assert plan["y:delete#1"].resource.dependencies == ("x",)


def test_gates_and_values_do_not_move_by_themselves() -> None:
    haves = [have("a", "gate", of="x"), have("v", "value", input=1)]
    plan = planned([want("b", "gate", of="x"), want("w", "value", input=1)], haves)
    assert "move" not in plan.ops.values()


def test_a_move_waits_for_nothing() -> None:
    wants = [want("a", name="new"), want("c", uses=["${a.id}"]), want("d", name="n", after=["c"])]
    plan = planned(wants, [have("a", name="n")])
    assert plan.story == ["d:move", "a:create after d:move", "c:create after a:create"]


def test_a_spec_that_is_wrong_moves_nothing() -> None:
    for number in ("x", "${a.name.x}"):
        plan = planned([want("a"), want("b", "port", number=number)], [have("a"), have("p", "port")])
        assert plan.changes.moves == ()
        assert plan.changes.diagnostics or plan.ops


# Keys that shift, swap or rotate.


def ports(**numbers: int) -> list[Resource]:
    return [want(address, "port", number=number, of="x") for address, number in numbers.items()]


def had(**numbers: int) -> list[Have]:
    return [have(address, "port", number=number, of="x") for address, number in numbers.items()]


def test_shifted_keys_keep_what_stays_wanted() -> None:
    plan = planned(ports(a=2, b=3), had(a=1, b=2, c=3))
    assert plan.ops == {"a:move": "move", "b:move": "move", "a:delete#1": "delete"}
    assert plan["a:delete#1"].physical_id == "id-a"
    assert plan["a:move"].resource.generation == 2


def test_a_shifted_key_makes_room_for_a_new_one() -> None:
    plan = planned(ports(a=2, b=3), had(a=1, b=2))
    assert plan.ops == {"a:move": "move", "b:create": "create", "a:delete#1": "delete"}
    assert plan["b:create"].depends_on[0].step == "a:move"


def test_swapped_and_rotated_keys_only_move() -> None:
    for wants, haves in ((ports(a=2, b=1), had(a=1, b=2)), (ports(a=2, b=3, c=1), had(a=1, b=2, c=3))):
        plan = planned(wants, haves)
        assert set(plan.ops.values()) == {"move"}
        assert len(plan.ops) == len(wants)


def test_an_interrupted_swap_is_completed() -> None:
    displaced = deposed("b", "port", number=1, of="x")
    plan = planned(ports(a=1, b=2), had(b=2), deposed=[displaced])
    assert plan.ops == {"a:move": "move"}
    assert plan["a:move"].physical_id == displaced.id


def test_a_protected_resource_is_not_displaced() -> None:
    haves = [have("a", "port", number=1, of="x", prevent_destroy=True), have("b", "port", number=2, of="x")]
    with pytest.raises(GuardRefused, match="a would be deleted and is protected"):
        planned(ports(a=2), haves).changes.raise_if_refused()


# ``moved`` in the blueprint.


def test_moved_decides_where_nothing_else_does() -> None:
    plan = planned([want("b", name="new")], [have("a", name="old")], moved={"a": "b"})
    assert plan.ops == {"b:move": "move", "b:replace": "replace", "b:delete#1": "delete"}


def test_moved_of_a_name_moves_every_instance() -> None:
    wants = [want('new["x"]', name="x"), want('new["y"]', name="y")]
    plan = planned(wants, [have('old["x"]', name="x"), have('old["y"]', name="y")], moved={"old": "new"})
    assert plan.ops == {'new["x"]:move': "move", 'new["y"]:move': "move"}


def test_moved_that_was_carried_out_is_no_error() -> None:
    assert planned([want("b", name="n")], [have("b", name="n")], moved={"a": "b"}).story == []


@pytest.mark.parametrize(
    ("wants", "haves", "message"),
    [
        ([want("a"), want("b")], [have("a")], "a cannot be moved: the blueprint still has it"),
        ([want("c")], [have("a")], "a cannot be moved to b, which the blueprint does not have"),
        ([want("b")], [have("a"), have("b")], "a cannot be moved to b, which the state has already"),
        ([want("b", "remote")], [have("a")], "a is a thing and cannot be moved to b, a remote"),
    ],
)
def test_moved_that_cannot_be_carried_out_is_an_error(wants: list[Resource], haves: list[Have], message: str) -> None:
    with pytest.raises(BlueprintInvalid) as caught:
        planned(wants, haves, moved={"a": "b"})
    assert caught.value.diagnostics[0].message == message


def test_moved_that_contradicts_the_names_is_an_error() -> None:
    haves = [have("a", name="n"), have("b", name="m")]
    for wants, moved, message in (
        ([want("c", name="n"), want("d", name="new")], {"a": "d"}, "says that d was a, and by its name c is"),
        ([want("c", name="m")], {"a": "c"}, "says that c was a, and by its name it is b"),
    ):
        with pytest.raises(BlueprintInvalid) as caught:
            planned(wants, haves, moved=moved)
        assert message in caught.value.diagnostics[0].message


def test_what_is_only_in_the_state_has_its_new_address_as_id() -> None:
    haves = [have("v", "value", input=1), have("g", "gate", of="x")]
    plan = planned([want("w", "value", input=1), want("h", "gate", of="x")], haves, moved={"v": "w", "g": "h"})
    assert plan.ops == {"w:move": "move", "h:move": "move"}
    assert plan["w:move"].physical_id == "id-v"


# One resource, one address.


def test_two_addresses_of_one_resource_are_an_error() -> None:
    plan = planned([want("a", name="n"), want("b", name="n")])
    assert plan.changes.diagnostics[0].message == 'b and a are the same thing: {"name":"n"}'


def test_equal_references_are_equal_keys() -> None:
    wants = [want("x"), want("a", "port", of="${x.id}"), want("b", "port", of="${x.id}")]
    assert planned(wants).changes.diagnostics[0].message.startswith("b and a are the same port")


@pytest.mark.parametrize("adopt", [True, False])
def test_what_this_state_has_elsewhere_is_never_adopted(adopt: bool) -> None:
    found = {"b": observed("thing", "id-a", {"name": "n", "size": 1}, "a")}
    haves = [have("a", name="recorded otherwise")]
    plan = planned([want("b", name="n", lifecycle={"adopt": adopt})], haves, found=found)
    assert plan.changes.diagnostics[0].message == "b would be thing id-a, which this state has as a"
    assert "moved" in plan.changes.diagnostics[0].hint
    plan = planned([want("a", name="m"), want("b", name="n", lifecycle={"adopt": adopt})], haves, found=found)
    assert "another name" in plan.changes.diagnostics[0].hint


def test_what_was_recreated_outside_is_refused_or_adopted_like_any_other() -> None:
    gone, found = have("a", gone=True), {"a": observed("thing", "t", {"name": "a"})}
    with pytest.raises(NotOurs, match="a: thing t exists already and no state owns it"):
        planned([want("a")], [gone], found=found).changes.raise_if_refused()
    plan = planned([want("a", lifecycle={"adopt": True})], [gone], found=found)
    assert plan.ops == {"a:adopt": "adopt"}
    assert plan["a:adopt"].physical_id == "t"


# Owners.


def test_adopt_takes_nothing_from_another_state_unless_it_is_named() -> None:
    found = {"a": observed("thing", "t", {"name": "a"}, "other/z")}
    for lifecycle in ({"adopt": True}, {"adopt_from": "other/y"}):
        with pytest.raises(NotOurs, match="it belongs to z of state other"):
            planned([want("a", lifecycle=lifecycle)], found=found).changes.raise_if_refused()
    assert planned([want("a", lifecycle={"adopt_from": "other/z"})], found=found).ops == {"a:adopt": "adopt"}


def test_adopt_takes_what_no_state_owns_or_this_one_lost_from_its_state() -> None:
    for owner in ("", f"{LINEAGE}/z"):
        found = {"a": observed("thing", "t", {"name": "a"}, owner)}
        assert planned([want("a", lifecycle={"adopt": True})], found=found).ops == {"a:adopt": "adopt"}


def test_what_another_state_took_over_is_reported_and_neither_changed_nor_deleted() -> None:
    lost = have("a", owner="other/z")
    with pytest.raises(NotOurs, match="a: thing id-a was taken over by z of state other"):
        planned([want("a", size=2)], [lost]).changes.raise_if_refused()
    plan = planned([], [lost])
    assert plan.ops == {"a:delete#1": "forget"}
    assert "continues to exist" in plan["a:delete#1"].reasons[1]


def test_what_another_state_took_over_is_taken_back_only_by_naming_it() -> None:
    lost = have("a", size=2, owner="other/z")
    plan = planned([want("a", lifecycle={"adopt_from": "other/z"})], [lost])
    assert plan.ops == {"a:adopt": "adopt"}
    assert plan["a:adopt"].physical_id == "id-a"
    for lifecycle in ({"adopt": True}, {"adopt_from": "other/y"}):
        with pytest.raises(NotOurs):
            planned([want("a", lifecycle=lifecycle)], [lost]).changes.raise_if_refused()
    with pytest.raises(NotOurs):
        planned([want("a", zone="y", lifecycle={"adopt_from": "other/z"})], [lost]).changes.raise_if_refused()


@pytest.mark.parametrize("wanted", [want("a", name="new"), want("a", "remote")])
def test_another_resource_in_place_of_what_another_state_took_over_leaves_that_alone(wanted: Resource) -> None:
    plan = planned([wanted], [have("a", owner="other/z")])
    plan.changes.raise_if_refused()
    assert plan.ops == {"a:replace": "replace", "a:delete#1": "forget"}
    assert "taken over by z of state other" in plan["a:delete#1"].reasons[1]


def test_an_older_generation_that_another_state_took_over_is_forgotten() -> None:
    older = deposed("a")
    plan = planned([want("a", zone="y")], [have("a", zone="y", generation=2)], deposed=[older], taken={older.id: "o/z"})
    assert plan.ops == {"a:delete#1": "forget"}
    assert planned([], deposed=[older]).ops == {"a:delete#1": "delete"}


# Shared resources.


def test_a_shared_resource_is_used_as_it_is_or_created() -> None:
    shared = want("a", lifecycle={"keep": True})
    assert planned([shared]).ops == {"a:create": "create"}
    assert planned([shared])["a:create"].resource.keep
    for owner in ("", "other/z"):
        found = {"a": observed("thing", "t", {"name": "a", "size": 1}, owner)}
        assert planned([shared], found=found).ops == {"a:adopt": "adopt"}
    assert planned([shared], [have("a", keep=True, owner="other/z")]).story == []


def test_a_shared_resource_is_forgotten_not_deleted() -> None:
    assert planned([], [have("a", keep=True)]).ops == {"a:delete#1": "forget"}
    plan = planned([want("a", zone="y", lifecycle={"keep": True})], [have("a", zone="x", keep=True)])
    assert plan.ops == {"a:replace": "replace", "a:delete#1": "forget"}
    haves = [have("a", "port", number=1, of="x", keep=True), have("b", "port", number=2, of="x")]
    assert planned(ports(a=2), haves).ops["a:delete#1"] == "forget"


def test_what_was_shared_and_has_no_tags_becomes_ours_only_by_adopt() -> None:
    for kind in ("thing", "port"):
        shared = have("a", kind, keep=True)
        assert shared.live
        untagged = Have(shared.record, replace(shared.live, owner=None))
        with pytest.raises(NotOurs, match=r"was shared \(`keep`\) and no tags show that this state created it"):
            planned([want("a", kind)], [untagged]).changes.raise_if_refused()
        plan = planned([want("a", kind, lifecycle={"adopt": True})], [untagged])
        assert plan.ops == {"a:adopt": "adopt"}
        assert not plan["a:adopt"].resource.keep


def test_what_a_shared_resource_refers_to_is_not_deleted() -> None:
    shared = have("b", after=["a"], uses=["id-a"], keep=True)
    with pytest.raises(GuardRefused, match="a would be deleted, and b refers to it and continues to exist"):
        planned([], [have("a"), shared]).changes.raise_if_refused()
    by_arn = [
        have("a", outputs={"arn": "arn:a", "version": 1}),
        have("b", size=1, after=["a"], note="arn:a", keep=True),
    ]
    assert planned([], by_arn).changes.guard_violations
    assert planned([], [have("a", keep=True), shared]).changes.guard_violations == []
    assert planned([], [have("a"), have("b", after=["a"], uses=["else"], keep=True)]).changes.guard_violations == []


def test_a_shared_resource_beside_which_no_new_one_can_exist_is_not_replaced() -> None:
    kept = have("a", "port", number=1, of="x", keep=True)
    # the natural key of a port is all of it, so another one can exist beside it
    assert planned([want("a", "port", number=2, of="x")], [kept]).ops == {
        "a:replace": "replace",
        "a:delete#1": "forget",
    }
    slot = have("a", "slot", number=1, of="x", keep=True)
    with pytest.raises(
        GuardRefused, match=r"a cannot be replaced \(of: the blueprint changed, .*\): the old one is shared"
    ):
        planned([want("a", "slot", number=1, of="y")], [slot]).changes.raise_if_refused()


def test_a_shared_resource_stays_when_what_it_refers_to_is_deleted_first() -> None:
    wants = [want("p", "slot", number=1, of="y"), want("a", zone="y", uses=["${p.id}"])]
    haves = [have("p", "slot", number=1, of="x"), have("a", zone="x", keep=True)]
    plan = planned(wants, haves)
    assert plan.ops["a:delete#1"] == "forget"
    assert plan["a:replace"].resource.name.startswith("a-")


def test_keep_is_kept_in_the_state() -> None:
    plan = planned([want("a", lifecycle={"keep": True})], [have("a")])
    assert plan["a:update"].reasons == ("keep is set in the state",)
