"""What a plan says about a blueprint, a state and a cloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.plan.model import Op, Plan, Step
from smplan.engine.plan import detect_drift, utc_now
from smplan.errors import BlueprintInvalid, Denied, GuardRefused, NotOurs, StoreError, Unreachable
from smplan.stores.interface import LockHolder
from tests.engine.conftest import Bench
from tests.engine.toy import blueprint, lookup, resource, thing, tree


def ops(made: Plan) -> dict[str, Op]:
    return {step.id.split(":")[0] + ("'" if step.op is Op.DELETE else ""): step.op for step in made.steps}


def step(made: Plan, id: str) -> Step:
    return next(step for step in made.steps if step.id == id)


def test_everything_new_is_created_after_what_it_refers_to(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("b", uses=["${a.id}"]), thing("a")))
    assert [each.id for each in made.steps] == ["a:create", "b:create"]
    assert step(made, "b:create").known_after_apply == {"uses.0": "a"}
    assert [need.reason for need in step(made, "b:create").depends_on] == ["refers to a.id"]
    assert made.base.exists is False


def test_a_plan_of_what_exists_is_empty(bench: Bench) -> None:
    wanted = blueprint(thing("a", size=3, tags={"x": "y"}, start=5, note="n"), thing("b", uses=["${a.id}"]))
    bench.make(wanted)
    again = bench.plan(wanted)
    assert again.empty
    assert again.unchanged == ("a", "b")
    assert again.drift == ()


def test_planning_writes_nothing(bench: Bench) -> None:
    bench.plan(blueprint(thing("a")))
    assert bench.cloud.writes() == []
    assert bench.store.read().stored is None


def test_a_changed_field_is_an_update_that_says_who_changed_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1, tags={"x": "1", "y": "2"})))
    made = bench.plan(blueprint(thing("a", size=2, tags={"x": "1", "y": "3"})))
    assert [(change.path, change.before, change.after) for change in step(made, "a:update").changes] == [
        ("size", 1, 2),
        ("tags.y", "2", "3"),
    ]
    assert step(made, "a:update").reasons == ("size: the blueprint changed", "tags.y: the blueprint changed")


def test_drift_is_shown_attribute_by_attribute_and_put_back(bench: Bench) -> None:
    wanted = blueprint(thing("a", size=1))
    bench.make(wanted)
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec.model_copy(update={"size": 9}), owner)
    made = bench.plan(wanted)
    assert step(made, "a:update").reasons == ("size: changed outside smplan",)
    assert [(each.address, each.changes[0].before, each.changes[0].after) for each in made.drift] == [("a", 1, 9)]


def test_what_was_deleted_outside_is_made_again(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    bench.cloud.of("toy.thing").clear()
    made = bench.plan(wanted)
    assert "deleted outside smplan" in step(made, "a:create").reasons[0]
    assert made.drift[0].gone


def test_an_initial_field_belongs_to_somebody_else_after_creation(bench: Bench) -> None:
    bench.make(blueprint(thing("a", start=1)))
    assert bench.plan(blueprint(thing("a", start=7))).empty


def test_an_ignored_path_is_left_as_it_is(bench: Bench) -> None:
    wanted = blueprint(
        thing("a", size=1, tags={"x": "1", "y": "1"}, lifecycle={"ignore": ("size", "tags.y", "tags.z")})
    )
    bench.make(wanted)
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    moved = spec.model_copy(update={"size": 4, "tags": {"x": "1", "y": "9", "z": "new"}})
    bench.cloud.of("toy.thing")["t-a"] = (moved, owner)
    assert bench.plan(wanted).empty


def test_what_cannot_be_read_back_is_compared_with_what_was_applied(bench: Bench) -> None:
    bench.make(blueprint(thing("a", note="one")))
    assert bench.plan(blueprint(thing("a", note="one"))).empty
    assert ops(bench.plan(blueprint(thing("a", note="two")))) == {"a": Op.UPDATE}


def test_a_secret_is_compared_by_its_source_and_never_shown(bench: Bench) -> None:
    bench.secrets["env:PW"] = "hunter2"
    secret = {"password": tree_secret("env:PW")}
    wanted = blueprint(replace(thing("a"), spec={"name": "a", **secret}))
    made = bench.plan(wanted)
    assert "hunter2" not in repr(made)
    bench.apply(made)
    assert bench.cloud.of("toy.thing")["t-a"][0].password == "hunter2"  # type: ignore[attr-defined]
    assert "hunter2" not in (bench.folder / "toys.state.json").read_text()
    assert bench.plan(wanted).empty


def tree_secret(source: str) -> object:
    from smplan.core.values import Secret

    return Secret(source)


def test_a_change_of_an_immutable_field_stands_the_new_one_beside_the_old(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x"), thing("b", uses=["${a.id}"])))
    made = bench.plan(blueprint(thing("a", zone="y"), thing("b", uses=["${a.id}"])))
    assert [each.id for each in made.steps] == ["a:replace", "b:update", "a:delete#1"]
    assert step(made, "a:replace").resource.name.startswith("a-")
    assert step(made, "a:delete#1").risks == ("data loss",)
    bench.apply(made)
    assert sorted(bench.cloud.of("toy.thing")) == sorted([f"t-{step(made, 'a:replace').resource.name}", "t-b"])
    assert bench.plan(blueprint(thing("a", zone="y"), thing("b", uses=["${a.id}"]))).empty


def test_what_cannot_stand_side_by_side_goes_before_its_successor_comes(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("c"), resource("p", "toy.port", {"number": 1, "of": "${a.id}"})))
    made = bench.plan(blueprint(thing("a"), thing("c"), resource("p", "toy.port", {"number": 1, "of": "${c.id}"})))
    assert [each.id for each in made.steps] == ["p:delete#1", "p:replace"]
    assert bench.apply(made).outcome == "complete"


def test_a_successor_of_a_successor_waits_its_turn(bench: Bench) -> None:
    def chain(number: int) -> list:  # type: ignore[type-arg]
        first = resource("p", "toy.port", {"number": number, "of": "x"})
        return [first, resource("q", "toy.port", {"number": 9, "of": "${p.id}"}), thing("r", tags={"q": "${q.id}"})]

    bench.make(blueprint(*chain(1)))
    made = bench.plan(blueprint(*chain(2)))
    assert [each.id for each in made.steps if each.op is not Op.UPDATE] == [
        "q:delete#1",
        "p:delete#1",
        "p:replace",
        "q:replace",
    ]
    assert bench.apply(made).outcome == "complete"
    assert bench.plan(blueprint(*chain(2))).empty


def test_a_changed_kind_is_a_replacement(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint(resource("a", "toy.port", {"number": 3, "of": "x"})))
    assert [each.id for each in made.steps] == ["a:delete#1", "a:replace"]
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.thing") == {}


def test_what_left_the_blueprint_goes_after_what_points_at_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", uses=["${a.id}"]), thing("c", uses=["${a.id}"])))
    made = bench.plan(blueprint(thing("c", uses=[])))
    assert [each.id for each in made.steps][-1] == "a:delete#1"
    assert {need.step for need in step(made, "a:delete#1").depends_on} == {"b:delete#1", "c:update"}
    assert bench.apply(made).outcome == "complete"


def test_what_is_gone_already_is_only_forgotten(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.of("toy.thing").clear()
    assert [each.op for each in bench.plan(blueprint()).steps] == [Op.FORGET]
    bench.make(blueprint())
    assert bench.state.resources == {}


def test_destroy_takes_all_away_in_reverse(bench: Bench) -> None:
    bench.cloud.things["toy.gate"] = {}
    wanted = blueprint(thing("a"), thing("b", uses=["${a.id}"]), resource("v", "core.value", {"input": "${b.id}"}))
    bench.make(wanted)
    made = bench.plan(wanted, mode="destroy")
    assert [each.address for each in made.steps] == ["v", "b", "a"]
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.thing") == {}


def test_prevent_destroy_is_kept_in_the_state(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x", lifecycle={"prevent_destroy": True})))
    with pytest.raises(GuardRefused, match="a would be deleted"):
        bench.plan(blueprint())
    with pytest.raises(GuardRefused, match=r"a would be replaced \(zone"):
        bench.plan(blueprint(thing("a", zone="y")))


def test_protection_is_set_and_lifted_by_plans_of_its_own(bench: Bench) -> None:
    plain, kept = {"prevent_destroy": False}, {"prevent_destroy": True}

    def both(lifecycle: dict[str, bool]) -> Blueprint:
        return blueprint(
            thing("a", lifecycle=lifecycle), resource("v", "core.value", {"input": 1}, lifecycle=lifecycle)
        )

    bench.make(both(plain))
    made = bench.plan(both(kept))
    assert {each.id: each.reasons for each in made.steps} == dict.fromkeys(
        ("a:update", "v:update"), ("prevent_destroy is set in the state",)
    )
    bench.cloud.calls.clear()
    bench.apply(made)
    assert bench.cloud.writes() == []
    assert bench.plan(both(kept)).empty
    with pytest.raises(GuardRefused, match="a would be deleted"):
        bench.plan(blueprint())
    bench.make(both(plain))
    assert len(bench.plan(blueprint()).steps) == 2


def test_what_stands_there_and_is_not_ours_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    (bench.folder / "toys.state.json").unlink()
    with pytest.raises(NotOurs, match="belongs to a of state"):
        bench.plan(blueprint(thing("a")))
    with pytest.raises(NotOurs, match=r"differs in what cannot be changed: zone"):
        bench.plan(blueprint(thing("a", zone="z", lifecycle={"adopt": True})))


def test_what_stands_there_is_adopted_if_the_blueprint_says_so(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), resource("p", "toy.port", {"number": 1, "of": "x"})))
    (bench.folder / "toys.state.json").unlink()
    wanted = blueprint(
        thing("a", size=2, lifecycle={"adopt": True}),
        resource("p", "toy.port", {"number": 1, "of": "x"}, lifecycle={"adopt": True}),
    )
    made = bench.plan(wanted)
    assert ops(made) == {"a": Op.ADOPT, "p": Op.ADOPT}
    bench.apply(made)
    assert bench.cloud.made["t-a"] == 1
    assert bench.plan(wanted).empty


def test_a_failed_read_is_an_error_and_never_an_absence(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("read", "toy.thing", Unreachable("no answer"))
    with pytest.raises(Unreachable):
        bench.plan(blueprint(thing("a")))


def test_what_lives_behind_the_fleet_is_left_alone_when_unreadable(bench: Bench) -> None:
    bench.make(blueprint(thing("a", kind="toy.behind")))
    bench.cloud.fail("read", "toy.behind", *[Unreachable("nobody")] * 4)
    made = bench.plan(blueprint(thing("a", kind="toy.behind")))
    assert made.empty
    assert "no Stream Manager is in service" in made.unreadable["a"]
    with pytest.raises(GuardRefused, match=r"cannot be changed \(size\)"):
        bench.plan(blueprint(thing("a", kind="toy.behind", size=8)))
    with pytest.raises(GuardRefused, match="cannot be deleted"):
        bench.plan(blueprint())


def test_lookups_are_found_and_pinned(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    other = Bench(bench.folder / "other", bench.cloud)
    other.folder.mkdir()
    looks = (lookup("x", name="a"), lookup("y", name="${x.zones[0]}"))
    made = other.plan(blueprint(thing("b", uses=["${y.id}"], zone="${x.zones[1]}"), lookups=looks))
    assert made.lookups["x"] == {"id": "t-a", "zones": ["a", "b"]}
    assert made.steps[0].after["uses"] == ["t-a"]
    assert made.account == "111122223333"


def test_lookups_that_find_nothing_are_told_all_at_once(bench: Bench) -> None:
    looks = (lookup("x", name="nope"), lookup("y", name="neither"))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(blueprint(lookups=looks))
    assert [fault.message for fault in caught.value.faults] == ["no thing is named neither", "no thing is named nope"]


def test_lookups_that_wait_for_each_other_are_refused(bench: Bench) -> None:
    looks = (lookup("x", name="${y.id}"), lookup("y", name="${x.id}"))
    with pytest.raises(BlueprintInvalid, match="1 fault") as caught:
        bench.plan(blueprint(lookups=looks))
    assert "x, y" in caught.value.faults[0].message


def test_a_denied_lookup_is_told_as_it_is(bench: Bench) -> None:
    bench.cloud.fail("look", "t-a", Denied("no"))
    with pytest.raises(Denied):
        bench.plan(blueprint(lookups=(lookup("x", name="a"),)))


def test_values_found_only_while_planning_are_checked_too(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    wanted = blueprint(resource("v", "core.value", {"input": "word"}), thing("b", size="${v.output}"))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(wanted)
    assert "integer" in caught.value.faults[0].message


def test_a_part_that_is_not_there_is_told(bench: Bench) -> None:
    wanted = blueprint(resource("v", "core.value", {"input": {"k": 1}}), thing("b", name="${v.output.other}"))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(wanted)
    assert "does not exist" in caught.value.faults[0].message


def test_computed_names_are_known_while_planning(bench: Bench) -> None:
    wanted = blueprint(resource("v", "core.value", {"input": "nice"}), thing("b", name="${v.output}-b"))
    assert step(bench.plan(wanted), "b:create").after["name"] == "nice-b"


def test_what_an_update_may_change_is_known_only_after_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), resource("v", "core.value", {"input": ["${a.version}", "${a.arn}"]})))
    made = bench.plan(
        blueprint(thing("a", size=2), resource("v", "core.value", {"input": ["${a.version}", "${a.arn}"]}))
    )
    assert step(made, "v:update").after == {"input": [{"$ref": "a.version"}, "arn:t-a"]}
    assert ops(made) == {"a": Op.UPDATE, "v": Op.UPDATE}


def test_a_gate_is_passed_when_something_beside_it_changes(bench: Bench) -> None:
    from tests.engine.toy import Gate

    Gate.well.add("t-a")
    wanted = [thing("a"), resource("g", "toy.gate", {"of": "${a.id}"}), thing("b", after=["g"])]
    first = bench.plan(blueprint(*wanted))
    assert [each.id for each in first.steps] == ["a:create", "g:gate", "b:create"]
    bench.apply(first)
    assert bench.plan(blueprint(*wanted)).empty
    assert ops(bench.plan(blueprint(thing("a", size=2), *wanted[1:]))) == {"a": Op.UPDATE, "g": Op.GATE}
    assert ops(bench.plan(blueprint(*wanted[:2], thing("b", size=2, after=["g"])))) == {"g": Op.GATE, "b": Op.UPDATE}
    changed = resource("g", "toy.gate", {"of": "t-a!"})
    assert ops(bench.plan(blueprint(wanted[0], changed, wanted[2]))) == {"g": Op.GATE}
    assert [each.op for each in bench.plan(blueprint(wanted[0])).steps] == [Op.DELETE, Op.FORGET]


def test_the_state_of_another_blueprint_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    with pytest.raises(GuardRefused, match="belongs to `toys`"):
        bench.plan(blueprint(thing("a"), name="other"))


def test_another_account_than_the_blueprints_is_refused(bench: Bench) -> None:
    with pytest.raises(GuardRefused, match="is for account 999999999999"):
        bench.plan(blueprint(lookups=(lookup("x", name="a"),), account="999999999999"))


def test_outputs_are_planned_and_saved(bench: Bench) -> None:
    wanted = blueprint(thing("a"), outputs={"arn": tree("${a.arn}"), "text": tree("is ${a.name}")})
    made = bench.plan(wanted)
    assert made.outputs == {"arn": {"$ref": "a.arn"}, "text": "is a"}
    assert bench.apply(made).outputs == {"arn": "arn:t-a", "text": "is a"}
    assert bench.state.outputs == {"arn": "arn:t-a", "text": "is a"}


def test_the_same_in_gives_the_same_out(bench: Bench) -> None:
    wanted = blueprint(thing("b", uses=["${a.id}"]), thing("a"), thing("c"))
    first, second = bench.plan(wanted), bench.plan(wanted)
    assert first.steps == second.steps


def test_an_older_generation_that_could_not_go_is_taken_away_by_the_next_plan(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.fail("delete", "t-a", Denied("not allowed"))
    wanted = blueprint(thing("a", zone="y"))
    assert bench.apply(bench.plan(wanted)).exit_code == 8
    made = bench.plan(wanted)
    assert [(each.id, each.op) for each in made.steps] == [("a:delete#1", Op.DELETE)]
    assert bench.apply(made).outcome == "complete"
    assert bench.plan(wanted).empty


def test_order_is_seen_through_what_has_nothing_to_do(bench: Bench) -> None:
    def chain(value: int) -> list[Resource]:
        ends = {0: value, 1199: value}
        return [
            resource(f"n{at}", "core.value", {"input": ends.get(at, 0)}, after=[f"n{at - 1}"] if at else [])
            for at in range(1200)
        ]

    bench.make(blueprint(*chain(1)))
    made = bench.plan(blueprint(*chain(2)))
    assert [each.id for each in made.steps] == ["n0:update", "n1199:update"]
    assert [need.step for need in made.steps[1].depends_on] == ["n0:update"]


def test_drift_alone_is_told_without_planning(bench: Bench) -> None:
    gates = resource("v", "core.value", {"input": 1})
    wanted = blueprint(thing("a"), thing("b", kind="toy.behind"), gates, lookups=(lookup("x", name="a"),))
    bench.make(blueprint(thing("a"), thing("b", kind="toy.behind"), gates))
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec.model_copy(update={"size": 9}), owner)
    bench.cloud.fail("read", "toy.behind", Unreachable("nobody"))
    found = detect_drift(blueprint=wanted, store=bench.store, world=bench.world(), report=bench.log)
    assert [each.address for each in found] == ["a"]


def test_plans_are_made_at_a_time_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
    assert utc_now().microsecond == 0


def test_taking_everything_away_needs_no_lookup_but_those_of_stream_manager(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    looks = (lookup("gone", name="nope"), lookup("x", name="a"), lookup("y", name="${x.id}"))
    settings = tree({"url": "https://${x.id}", "connect_to": "${b.arn}"})
    wanted = blueprint(thing("a"), thing("b"), lookups=looks, stream_manager=settings)
    with pytest.raises(BlueprintInvalid):
        bench.plan(wanted)
    bench.cloud.calls.clear()
    assert len(bench.plan(wanted, mode="destroy").steps) == 2
    assert [call for call in bench.cloud.calls if call[0] == "look"] == [("look", "t-a")]
    with pytest.raises(BlueprintInvalid, match="1 fault"):
        bench.plan(replace(wanted, stream_manager=tree({"url": "https://${y.id}"})), mode="destroy")


def test_a_state_with_a_kind_of_the_future_is_told(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    state = bench.state
    strange = replace(state, resources={"a": replace(state.resources["a"], kind="toy.future")})
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        held.save(strange)
    with pytest.raises(StoreError, match=r"holds a toy\.future"):
        bench.plan(blueprint(thing("a")))
