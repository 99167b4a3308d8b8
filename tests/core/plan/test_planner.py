"""What the planner makes of a blueprint, a state and what exists: one change per resource, and why."""

from __future__ import annotations

import pytest

from smplan.core.plan.changes import Adopt, Create, Gate, NoOp, Replace, Update
from smplan.core.plan.model import Op
from smplan.core.risk import Category, Risk
from smplan.core.state.model import Status
from smplan.errors import BlueprintInvalid, GuardRefused, NotOurs
from tests.core.plan.scenario import created, deposed, have, observed, pending, planned, want

PROTECTED = {"prevent_destroy": True}


# New resources, and resources that exist as they should.


def test_a_new_resource_is_created() -> None:
    plan = planned([want("a")])
    assert isinstance(plan.changes.changes["a"], Create)
    assert plan["a:create"].reasons == ("it does not exist yet",)
    assert plan["a:create"].physical_id == ""


def test_a_resource_that_is_as_wanted_is_left_alone() -> None:
    plan = planned([want("a", size=2)], [have("a", size=2)])
    plan.changes.raise_if_refused()
    assert isinstance(plan.changes.changes["a"], NoOp)
    assert plan.story == []


def test_the_record_of_a_step_is_what_the_state_will_hold() -> None:
    plan = planned([want("a"), want("b", uses=["${a.id}"], after=["a"], lifecycle=PROTECTED)])
    record = plan["b:create"].resource
    assert (record.kind, record.id, record.dependencies, record.prevent_destroy) == ("thing", "", ("a",), True)
    assert record.spec == {"name": "b", "size": 1, "uses": [{"$ref": "a.id"}]}
    assert plan["b:create"].known_after_apply == {"uses.0": "a"}


# Updates.


@pytest.mark.parametrize(
    ("wanted", "applied", "live", "why"),
    [
        ({"size": 2}, {"size": 1}, {}, "size: the blueprint changed"),
        ({"size": 1}, {"size": 1}, {"size": 9}, "size: changed outside smplan"),
        ({"note": "n"}, {"note": "m"}, {}, "note: the blueprint changed"),
        ({"password": "secret:env:A"}, {"password": "secret:env:B"}, {}, "password: the blueprint changed"),
        ({"lifecycle": PROTECTED}, {}, {}, "prevent_destroy is set in the state"),
        ({}, {"prevent_destroy": True}, {}, "prevent_destroy is lifted in the state"),
    ],
)
def test_an_update_says_who_changed_what(wanted, applied, live, why) -> None:  # type: ignore[no-untyped-def]
    plan = planned([want("a", **wanted)], [have("a", live=live, **applied)])
    assert isinstance(plan.changes.changes["a"], Update)
    assert plan["a:update"].reasons == (why,)
    assert plan["a:update"].physical_id == "id-a"


@pytest.mark.parametrize(
    ("wanted", "applied", "live"),
    [
        ({"seed": 2}, {"seed": 1}, {}),
        ({"lifecycle": {"ignore": ("size",)}}, {}, {"size": 9}),
        ({"uses": ["x", "y"]}, {"uses": ["y", "x"]}, {}),
        ({}, {}, {"limit": 5}),
    ],
    ids=["initial", "ignored", "unordered", "unmanaged"],
)
def test_a_difference_that_is_not_managed_is_no_change(wanted, applied, live) -> None:  # type: ignore[no-untyped-def]
    assert planned([want("a", **wanted)], [have("a", live=live, **applied)]).story == []


def test_a_step_shows_the_resource_as_read_without_secrets() -> None:
    plan = planned([want("a", size=2, password="secret:env:A")], [have("a", password="secret:env:A")])
    assert plan["a:update"].before == {"name": "a", "size": 1}
    assert len(plan["a:update"].precondition) == 64


# Replacements.


def test_an_immutable_change_creates_a_new_generation_under_another_name() -> None:
    plan = planned([want("a", zone="y")], [have("a", zone="x")])
    change = plan.changes.changes["a"]
    assert isinstance(change, Replace)
    assert (change.resource.generation, change.delete_before_create) == (2, False)
    assert change.resource.name == change.resource.spec["name"] != "a"
    assert change.resource.name.startswith("a-")
    assert plan["a:replace"].reasons == ("zone: the blueprint changed, and it cannot be changed in place",)
    assert plan["a:delete#1"].reasons == ("replaced by generation 2",)
    assert plan["a:delete#1"].risks == (Risk(Category.DATA_LOSS, "a is lost"),)


def test_a_generation_keeps_its_name_until_it_is_replaced() -> None:
    existing = [have("a", current_name="a-0123ab", generation=2, zone="x")]
    assert planned([want("a", zone="x")], existing).story == []
    assert planned([want("a", zone="x", size=2)], existing)["a:update"].resource.name == "a-0123ab"
    assert planned([want("a", zone="y")], existing)["a:replace"].resource.name not in ("a", "a-0123ab")
    assert planned([want("b", zone="${a.name}"), want("a", zone="x")], existing)["b:create"].after["zone"] == "a-0123ab"


def test_a_new_name_is_used_as_written_unless_it_is_taken() -> None:
    plan = planned([want("a", name="new")], [have("a", name="old")])
    assert plan["a:replace"].resource.name == ""
    assert plan["a:replace"].after["name"] == "new"
    for owner, whose in (("", "no state owns it"), ("other/b", "it belongs to b of state other")):
        found = {"a": observed("thing", "t", {"name": "new"}, owner)}
        with pytest.raises(NotOurs, match=f"a: thing t exists already and {whose}"):
            planned([want("a", name="new")], [have("a", name="old")], found=found).changes.raise_if_refused()


@pytest.mark.parametrize("kind", ["port", "remote"])
def test_a_changed_kind_is_a_replacement(kind: str) -> None:
    plan = planned([want("a", kind)], [have("a")])
    assert plan["a:replace"].reasons == ("the kind changed from thing",)
    assert plan["a:delete#1"].resource.kind == "thing"
    assert plan["a:replace"].before is None


def test_a_name_that_another_kind_had_is_free() -> None:
    assert planned([want("a", "remote")], [have("a")])["a:replace"].resource.name == ""


def test_a_name_that_a_deposed_generation_has_is_not_free() -> None:
    plan = planned([want("a")], [have("a", "remote", generation=2)], deposed=[deposed("a")])
    assert plan["a:replace"].resource.name.startswith("a-")


def test_what_refers_to_something_deleted_first_is_deleted_first_too() -> None:
    wants = [want("p", "port", number=2), want("a", zone="${p.id}")]
    plan = planned(wants, [have("p", "port"), have("a", zone="id-p")])
    change = plan.changes.changes["a"]
    assert isinstance(change, Replace)
    assert change.delete_before_create


@pytest.mark.parametrize(("wanted", "recorded"), [({"lifecycle": PROTECTED}, {}), ({}, {"prevent_destroy": True})])
def test_a_protected_resource_is_not_replaced(wanted, recorded) -> None:  # type: ignore[no-untyped-def]
    plan = planned([want("a", zone="y", **wanted)], [have("a", zone="x", **recorded)])
    with pytest.raises(GuardRefused, match=r"a would be replaced \(zone: the blueprint changed, and it cannot"):
        plan.changes.raise_if_refused()


# Resources that are gone, unreadable or incomplete.


def test_a_resource_deleted_outside_smplan_is_created_again_in_its_generation() -> None:
    plan = planned([want("a")], [have("a", gone=True, generation=3)])
    assert plan["a:create"].reasons == ("id-a is gone: it was deleted outside smplan",)
    assert plan["a:create"].resource.generation == 3
    assert [(each.address, each.gone) for each in plan.changes.drift] == [("a", True)]


def test_an_unreadable_resource_is_left_alone() -> None:
    plan = planned([want("a", "remote")], [have("a", "remote")], unreadable={"a": "down"})
    assert plan.story == []
    assert plan.changes.unreadable == {"a": "down"}
    assert plan.changes.drift == []


def test_an_unreadable_resource_cannot_be_changed_or_deleted() -> None:
    existing = [have("a", "remote")]
    for wants, message in (([want("a", "remote", size=2)], r"cannot be changed \(size\)"), ([], "cannot be deleted")):
        with pytest.raises(GuardRefused, match=message):
            planned(wants, existing, unreadable={"a": "down"}).changes.raise_if_refused()


def test_an_incomplete_resource_is_adopted_and_completed() -> None:
    plan = planned([want("a", size=2)], [have("a", status=Status.INCOMPLETE)])
    assert isinstance(plan.changes.changes["a"], Adopt)
    assert plan["a:adopt"].physical_id == "id-a"


# Resources that exist and are not in the state.


def test_what_exists_and_is_not_owned_is_refused() -> None:
    for owner, whose in (("", "no state owns it"), ("other/b", "it belongs to b of state other")):
        plan = planned([want("a")], found={"a": observed("thing", "t", {"name": "a"}, owner)})
        assert plan.story == []
        with pytest.raises(NotOurs, match=f"a: thing t exists already and {whose}"):
            plan.changes.raise_if_refused()


def test_what_exists_is_adopted_if_the_blueprint_says_so() -> None:
    plan = planned(
        [want("a", size=2, lifecycle={"adopt_from": "other/b"})],
        found={"a": observed("thing", "t", {"name": "a"}, "other/b")},
    )
    assert plan["a:adopt"].reasons == ("t exists already and the blueprint says `adopt`",)
    assert [change.path for change in plan["a:adopt"].changes] == ["size"]


def test_what_differs_in_an_immutable_field_is_never_adopted() -> None:
    found = {"a": observed("thing", "t", {"name": "a", "zone": "x"}, "a")}
    plan = planned([want("a", zone="y", lifecycle={"adopt": True})], found=found)
    with pytest.raises(NotOurs, match="it also differs in what cannot be changed: zone"):
        plan.changes.raise_if_refused()


def test_what_an_interrupted_run_created_is_adopted() -> None:
    tagged = planned([want("a")], found={"a": observed("thing", "t", {"name": "a"}, "a")})
    assert tagged["a:adopt"].reasons == ("an interrupted run created t; it is adopted and completed",)
    untagged = {"p": observed("port", "p-1", {"number": 1, "of": "x"})}
    assert planned([want("p", "port")], found=untagged, pending=[pending("p", "port")]).ops == {"p:adopt": "adopt"}
    assert planned([want("p", "port")], found=untagged).changes.unowned


def test_a_deposed_generation_is_not_adopted_under_its_old_name() -> None:
    old = deposed("a")
    plan = planned([want("a")], deposed=[old], found={"a": observed("thing", old.id, {"name": "a"}, "a")})
    assert plan["a:create"].resource.generation == 2
    assert plan.story == ["a:delete#1", "a:create after a:delete#1"]


def test_the_generation_of_an_adopted_resource_is_later_than_the_deposed_ones() -> None:
    found = {"a": observed("thing", "t", {"name": "a"}, "a")}
    assert planned([want("a")], deposed=[deposed("a")], found=found)["a:adopt"].resource.generation == 2


# Gates and virtual resources.


def test_a_gate_is_passed_once_and_again_when_its_spec_changes() -> None:
    assert planned([want("g", "gate", of="a")])["g:gate"].reasons == ("it has not passed yet",)
    assert planned([want("g", "gate", of="a")], [have("g", "gate", of="a")]).story == []
    changed = planned([want("g", "gate", of="b")], [have("g", "gate", of="a", generation=2)])["g:gate"]
    assert (changed.reasons, changed.before, changed.resource.generation) == (
        ("of: the blueprint changed",),
        {"of": "a"},
        2,
    )
    assert changed.precondition == ""


def test_a_gate_is_passed_again_when_what_it_guards_or_depends_on_changes() -> None:
    def wants(a: int, b: int) -> list:  # type: ignore[type-arg]
        return [want("a", size=a), want("g", "gate", of="x", after=["a"]), want("b", size=b, after=["g"])]

    existing = [have("a"), have("g", "gate", of="x"), have("b")]
    assert planned(wants(1, 1), existing).story == []
    assert planned(wants(2, 1), existing).story == ["a:update", "g:gate after a:update"]
    assert planned(wants(1, 2), existing)["g:gate"].reasons == ("it guards b, which is about to change",)
    assert isinstance(planned(wants(1, 2), existing).changes.changes["g"], Gate)


def test_a_virtual_resource_is_compared_with_its_record() -> None:
    plan = planned([want("v", "value", input={"k": 2})], [have("v", "value", input={"k": 1}, generation=2)])
    step = plan["v:update"]
    assert (step.before, step.precondition, step.physical_id) == ({"input": {"k": 1}}, "", "id-v")
    assert [(change.path, change.before, change.after) for change in step.changes] == [("input.k", 1, 2)]
    assert step.resource.generation == 2


def test_what_an_interrupted_run_began_without_reality_is_done_again() -> None:
    begun = have("v", "value", input=1, status=Status.INCOMPLETE)
    assert planned([want("v", "value", input=1)], [begun])["v:update"].reasons == ("an interrupted run began it",)


# Values.


def test_values_that_stay_are_known_while_planning() -> None:
    plan = planned(
        [want("a", size=2), want("v", "value", input=["${a.id}", "${a.arn}", "${a.version}", "${a.size}"])],
        [have("a", outputs={"arn": "arn:a", "version": 1})],
    )
    assert plan["v:create"].after == {"input": ["id-a", "arn:a", {"$ref": "a.version"}, 2]}


def test_values_of_what_does_not_exist_are_known_after_apply() -> None:
    plan = planned(
        [want("a"), want("v", "value", input=["${a.id}", "${a.name}"]), want("w", "value", input="${v.output}")]
    )
    assert plan["v:create"].after == {"input": [{"$ref": "a.id"}, "a"]}
    assert plan["w:create"].after == {"input": [{"$ref": "a.id"}, "a"]}


def test_values_of_lookups_are_filled_in() -> None:
    plan = planned([want("a", zone="${net.zones[1]}")], lookups={"net": {"zones": ["x", "y"]}})
    assert plan["a:create"].after == {"name": "a", "zone": "y", "size": 1}


def test_a_value_that_does_not_exist_or_does_not_fit_is_a_diagnostic() -> None:
    for wants, message in (
        ([want("v", "value", input={"k": 1}), want("b", name="${v.output.other}")], "does not exist: 'other'"),
        ([want("v", "value", input="word"), want("b", size="${v.output}")], "`size` must be an integer, not text"),
    ):
        with pytest.raises(BlueprintInvalid) as caught:
            planned(wants).changes.raise_if_refused()
        assert message in caught.value.diagnostics[0].message


# Deletions.


def test_what_the_blueprint_no_longer_has_is_deleted() -> None:
    plan = planned([], [have("a")])
    assert plan["a:delete#1"].op is Op.DELETE
    assert plan["a:delete#1"].reasons == ("it is no longer in the blueprint",)
    assert plan["a:delete#1"].resource == have("a").record


@pytest.mark.parametrize("existing", [have("a", gone=True, prevent_destroy=True), have("a", "gate", of="x")])
def test_what_leaves_nothing_to_delete_is_forgotten(existing) -> None:  # type: ignore[no-untyped-def]
    assert planned([], [existing]).ops == {"a:delete#1": "forget"}


def test_a_protected_resource_is_not_deleted() -> None:
    with pytest.raises(GuardRefused, match="a would be deleted and is protected"):
        planned([], [have("a", prevent_destroy=True)]).changes.raise_if_refused()


def test_destroy_deletes_everything() -> None:
    existing = [have("a"), have("v", "value"), have("b", after=["a"])]
    assert planned([want("a")], existing, destroy=True).story == [
        "b:delete#1",
        "v:delete#1",
        "a:delete#1 after b:delete#1",
    ]


# What interrupted runs created.


def test_an_untracked_resource_that_is_no_longer_wanted_is_deleted() -> None:
    intent = pending("a")
    plan = planned([], pending=[intent], untracked=[created(intent)])
    assert plan.ops == {"a:delete#pending-1": "delete"}
    assert plan["a:delete#pending-1"].pending_key == intent.key
    assert plan["a:delete#pending-1"].physical_id == "new-a"


def test_untracked_resources_of_one_address_are_numbered() -> None:
    intents = [pending("a"), pending("a", "remote")]
    plan = planned([], pending=intents, untracked=[created(each) for each in intents])
    assert plan.ops == {"a:delete#pending-1": "delete", "a:delete#pending-2": "delete"}


def test_an_untracked_resource_that_the_create_finds_is_not_deleted() -> None:
    intent = pending("a")
    assert planned([want("a", size=2)], pending=[intent], untracked=[created(intent)]).ops == {"a:create": "create"}


def test_an_untracked_resource_that_is_adopted_is_not_deleted() -> None:
    untracked = created(pending("a"))
    plan = planned([want("a", size=2)], untracked=[untracked], found={"a": untracked.live})
    assert plan.ops == {"a:adopt": "adopt"}


def test_an_untracked_resource_that_differs_is_deleted_first() -> None:
    untracked = created(pending("a"))
    plan = planned([want("a", zone="y")], untracked=[untracked], found={"a": untracked.live})
    assert plan.story == ["a:delete#pending-1", "a:create after a:delete#pending-1"]


def test_an_untracked_resource_leaves_its_address_to_another_one() -> None:
    intent = pending("a", name="n")
    untracked = created(intent)
    wants = [want("a", name="m"), want("b", name="n")]
    plan = planned(wants, pending=[intent], untracked=[untracked], found={"b": untracked.live})
    assert plan.ops == {"a:create": "create", "b:adopt": "adopt", "a:forget#pending-1": "forget"}


def test_an_untracked_resource_that_is_wanted_at_another_address_is_adopted_there() -> None:
    intent = pending("a", after=["z"])
    untracked = created(intent)
    plan = planned(
        [want("b", name="a")], [have("z")], pending=[intent], untracked=[untracked], found={"b": untracked.live}
    )
    assert plan.story == ["b:adopt", "z:delete#1 after b:adopt", "a:forget#pending-1 after b:adopt"]
    assert plan["a:forget#pending-1"].pending_key == intent.key
