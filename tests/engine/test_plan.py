"""Planning through the engine: what is read, what is refused, and the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from smplan.core.blueprint import Blueprint
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.risk import Category, Risk
from smplan.drivers.base import Owner
from smplan.engine.plan import detect_drift, utc_now
from smplan.errors import BlueprintInvalid, Denied, Diagnostic, GuardRefused, NotOurs, StoreError, Unreachable
from smplan.stores.interface import LockHolder
from tests.engine.conftest import Bench
from tests.support.blueprints import (
    blueprint,
    resource,
    tree,
)
from tests.support.fake_cloud import (
    lookup,
    thing,
)
from tests.support.fake_specs import ThingSpec


def ops(made: Plan) -> dict[str, Op]:
    return {step.id.split(":")[0] + ("'" if step.op is Op.DELETE else ""): step.op for step in made.steps}


def step(made: Plan, id: str) -> Step:
    return next(step for step in made.steps if step.id == id)


def test_new_resources_are_created_after_those_they_refer_to(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("b", uses=["${a.id}"]), thing("a")))
    assert [each.id for each in made.steps] == ["a:create", "b:create"]
    assert step(made, "b:create").known_after_apply == {"uses.0": "a"}
    assert [earlier.reason for earlier in step(made, "b:create").depends_on] == ["refers to a.id"]
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


def test_drift_is_shown_per_attribute_and_reverted(bench: Bench) -> None:
    wanted = blueprint(thing("a", size=1))
    bench.make(wanted)
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec.model_copy(update={"size": 9}), owner)
    made = bench.plan(wanted)
    assert step(made, "a:update").reasons == ("size: changed outside smplan",)
    assert [(each.address, each.changes[0].before, each.changes[0].after) for each in made.drift] == [("a", 1, 9)]


def test_a_resource_deleted_outside_smplan_is_created_again(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    bench.cloud.of("toy.thing").clear()
    made = bench.plan(wanted)
    assert "deleted outside smplan" in step(made, "a:create").reasons[0]
    assert made.drift[0].gone


def test_a_write_only_field_is_compared_with_the_applied_value(bench: Bench) -> None:
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


def test_an_immutable_change_creates_the_new_generation_beside_the_old(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x"), thing("b", uses=["${a.id}"])))
    made = bench.plan(blueprint(thing("a", zone="y"), thing("b", uses=["${a.id}"])))
    assert [each.id for each in made.steps] == ["a:replace", "b:update", "a:delete#1"]
    assert step(made, "a:replace").resource.name.startswith("a-")
    assert step(made, "a:delete#1").risks == (Risk(Category.DATA_LOSS, "a is lost"),)
    bench.apply(made)
    assert sorted(bench.cloud.of("toy.thing")) == sorted([f"t-{step(made, 'a:replace').resource.name}", "t-b"])
    assert bench.plan(blueprint(thing("a", zone="y"), thing("b", uses=["${a.id}"]))).empty


def test_a_resource_that_cannot_exist_twice_is_deleted_before_its_successor_is_created(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("c"), resource("p", "toy.port", {"number": 1, "of": "${a.id}"})))
    made = bench.plan(blueprint(thing("a"), thing("c"), resource("p", "toy.port", {"number": 1, "of": "${c.id}"})))
    assert [each.id for each in made.steps] == ["p:delete#1", "p:replace"]
    assert bench.apply(made).outcome == "complete"


def test_a_chain_of_replacements_is_deleted_and_created_in_order(bench: Bench) -> None:
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


def test_a_removed_resource_is_deleted_after_those_that_refer_to_it(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", uses=["${a.id}"]), thing("c", uses=["${a.id}"])))
    made = bench.plan(blueprint(thing("c", uses=[])))
    assert [each.id for each in made.steps][-1] == "a:delete#1"
    assert {earlier.step for earlier in step(made, "a:delete#1").depends_on} == {"b:delete#1", "c:update"}
    assert bench.apply(made).outcome == "complete"


def test_a_removed_resource_that_is_gone_is_forgotten(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.of("toy.thing").clear()
    assert [each.op for each in bench.plan(blueprint()).steps] == [Op.FORGET]
    bench.make(blueprint())
    assert bench.state.resources == {}


def test_destroy_deletes_everything_in_reverse_order(bench: Bench) -> None:
    bench.cloud.things["toy.gate"] = {}
    wanted = blueprint(thing("a"), thing("b", uses=["${a.id}"]), resource("v", "core.value", {"input": "${b.id}"}))
    bench.make(wanted)
    made = bench.plan(wanted, mode="destroy")
    assert [each.address for each in made.steps] == ["v", "b", "a"]
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.thing") == {}


def test_prevent_destroy_holds_after_the_resource_left_the_blueprint(bench: Bench) -> None:
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


def test_an_existing_resource_of_another_state_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    (bench.folder / "toys.state.json").unlink()
    with pytest.raises(NotOurs, match="belongs to a of state"):
        bench.plan(blueprint(thing("a")))
    with pytest.raises(NotOurs, match=r"differs in what cannot be changed: zone"):
        bench.plan(blueprint(thing("a", zone="z", lifecycle={"adopt": True})))


def test_the_refusal_names_only_remedies_that_help(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), resource("p", "toy.port", {"number": 1, "of": "x"})))
    former = bench.state.lineage
    (bench.folder / "toys.state.json").unlink()
    taken = {"a": thing("a"), "fixed": thing("a", zone="z"), "p": resource("p", "toy.port", {"number": 1, "of": "x"})}
    hints = {}
    for name, wanted in taken.items():
        with pytest.raises(NotOurs) as refused:
            bench.plan(blueprint(wanted))
        hints[name] = refused.value.hint
    owned = (
        f"share it with `lifecycle: {{keep: true}}`, or take it over with `lifecycle: {{adopt: {{from: {former}/a}}}}`"
    )
    assert hints["a"] == f"a: give it another `name`, or {owned}"
    assert hints["fixed"] == "a: give it another `name`"
    assert hints["p"].startswith("p: share it with `lifecycle: {keep: true}`, or take it over with"), "it has no name"
    assert ops(
        bench.plan(blueprint(resource("p", "toy.port", {"number": 1, "of": "x"}, lifecycle={"keep": True})))
    ) == {"p": Op.ADOPT}


def test_an_existing_resource_is_adopted_if_the_blueprint_names_its_owner(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), resource("p", "toy.port", {"number": 1, "of": "x"})))
    former = bench.state.lineage
    (bench.folder / "toys.state.json").unlink()
    port = resource("p", "toy.port", {"number": 1, "of": "x"}, lifecycle={"adopt": True})
    with pytest.raises(NotOurs, match=f"it belongs to a of state {former}"):
        bench.plan(blueprint(thing("a", size=2, lifecycle={"adopt": True}), port))
    wanted = blueprint(thing("a", size=2, lifecycle={"adopt_from": f"{former}/a"}), port)
    made = bench.plan(wanted)
    assert ops(made) == {"a": Op.ADOPT, "p": Op.ADOPT}
    bench.apply(made)
    assert bench.cloud.made["t-a"] == 1
    assert bench.cloud.of("toy.thing")["t-a"][1] == Owner(bench.state.lineage, "a")
    assert bench.plan(wanted).empty


def test_a_failed_read_is_an_error_and_never_an_absence(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("read", "toy.thing", Unreachable("no answer"))
    with pytest.raises(Unreachable):
        bench.plan(blueprint(thing("a")))


def test_an_unreadable_resource_of_stream_manager_is_left_alone(bench: Bench) -> None:
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


def test_all_lookups_that_find_nothing_are_reported_at_once(bench: Bench) -> None:
    looks = (lookup("x", name="nope"), lookup("y", name="neither"))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(blueprint(lookups=looks))
    assert [fault.message for fault in caught.value.diagnostics] == [
        "no thing is named neither",
        "no thing is named nope",
    ]


def test_lookups_that_wait_for_each_other_are_refused(bench: Bench) -> None:
    looks = (lookup("x", name="${y.id}"), lookup("y", name="${x.id}"))
    with pytest.raises(BlueprintInvalid, match="1 error") as caught:
        bench.plan(blueprint(lookups=looks))
    assert "x, y" in caught.value.diagnostics[0].message


def test_a_denied_lookup_raises_denied(bench: Bench) -> None:
    bench.cloud.fail("look", "t-a", Denied("no"))
    with pytest.raises(Denied):
        bench.plan(blueprint(lookups=(lookup("x", name="a"),)))


def test_values_known_only_while_planning_are_validated_too(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    wanted = blueprint(resource("v", "core.value", {"input": "word"}), thing("b", size="${v.output}"))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(wanted)
    assert "integer" in caught.value.diagnostics[0].message


def test_an_output_that_an_update_may_change_is_known_after_apply(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), resource("v", "core.value", {"input": ["${a.version}", "${a.arn}"]})))
    made = bench.plan(
        blueprint(thing("a", size=2), resource("v", "core.value", {"input": ["${a.version}", "${a.arn}"]}))
    )
    assert step(made, "v:update").after == {"input": [{"$ref": "a.version"}, "arn:t-a"]}
    assert ops(made) == {"a": Op.UPDATE, "v": Op.UPDATE}


def test_a_gate_is_passed_again_when_a_neighbour_changes(bench: Bench) -> None:
    from tests.support.fake_cloud import Gate

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


def test_credentials_of_another_account_are_refused(bench: Bench) -> None:
    with pytest.raises(GuardRefused, match="is for account 999999999999"):
        bench.plan(blueprint(lookups=(lookup("x", name="a"),), account="999999999999"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("in ${x.zones}", "`${x.zones}` is a list and cannot be part of a text"),
        ("${x.zones[9]}", "there is no 9 in what this refers to"),
    ],
)
def test_an_output_that_cannot_have_a_value_is_refused(bench: Bench, text: str, problem: str) -> None:
    bench.make(blueprint(thing("a")))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(blueprint(thing("a"), lookups=(lookup("x", name="a"),), outputs={"o": tree(text)}))
    assert [each.message for each in caught.value.diagnostics] == [problem]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("a-${x.zones}", "is a list and cannot be part of a text"), ("${x.zones[9]}", "there is no 9")],
)
def test_a_lookup_by_what_has_no_value_is_refused(bench: Bench, name: str, problem: str) -> None:
    bench.make(blueprint(thing("a")))
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(blueprint(thing("a"), lookups=(lookup("x", name="a"), lookup("y", name=name))))
    assert problem in caught.value.diagnostics[0].message


def test_warnings_of_the_blueprint_are_in_the_plan_but_not_in_one_to_destroy(bench: Bench) -> None:
    warnings = (
        Diagnostic("odd", "fix it", file="scripts/boot.sh", line=2, severity="warning"),
        Diagnostic("odd", "fix it", file="/elsewhere/boot.sh", line=3, severity="warning"),
    )
    wanted = blueprint(thing("a"), warnings=warnings)
    assert bench.plan(wanted).warnings == ("scripts/boot.sh:2: odd; fix it", "boot.sh:3: odd; fix it")
    assert bench.plan(wanted, mode="destroy").warnings == ()


def test_outputs_are_planned_and_saved(bench: Bench) -> None:
    wanted = blueprint(thing("a"), outputs={"arn": tree("${a.arn}"), "text": tree("is ${a.name}")})
    made = bench.plan(wanted)
    assert made.outputs == {"arn": {"$ref": "a.arn"}, "text": "is a"}
    assert bench.apply(made).outputs == {"arn": "arn:t-a", "text": "is a"}
    assert bench.state.outputs == {"arn": "arn:t-a", "text": "is a"}


def test_a_generation_that_could_not_be_deleted_is_deleted_by_the_next_plan(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.fail("delete", "t-a", Denied("not allowed"))
    wanted = blueprint(thing("a", zone="y"))
    assert bench.apply(bench.plan(wanted)).exit_code == 8
    made = bench.plan(wanted)
    assert [(each.id, each.op) for each in made.steps] == [("a:delete#1", Op.DELETE)]
    assert bench.apply(made).outcome == "complete"
    assert bench.plan(wanted).empty


def test_detect_drift_plans_nothing(bench: Bench) -> None:
    gates = resource("v", "core.value", {"input": 1})
    wanted = blueprint(thing("a"), thing("b", kind="toy.behind"), gates, lookups=(lookup("x", name="a"),))
    bench.make(blueprint(thing("a"), thing("b", kind="toy.behind"), gates))
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec.model_copy(update={"size": 9}), owner)
    bench.cloud.fail("read", "toy.behind", Unreachable("nobody"))
    found = detect_drift(blueprint=wanted, store=bench.store, world=bench.world(), report=bench.log)
    assert [each.address for each in found.drift] == ["a"]
    assert found.unreadable == {"b": "no Stream Manager is in service: nobody"}


def test_plans_are_made_at_a_time_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
    assert utc_now().microsecond == 0


def test_destroy_runs_only_the_lookups_of_stream_manager(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    looks = (lookup("gone", name="nope"), lookup("x", name="a"), lookup("y", name="${x.id}"))
    settings = tree({"url": "https://${x.id}", "connect_to": "${b.arn}"})
    wanted = blueprint(thing("a"), thing("b"), lookups=looks, stream_manager=settings)
    with pytest.raises(BlueprintInvalid):
        bench.plan(wanted)
    bench.cloud.calls.clear()
    assert len(bench.plan(wanted, mode="destroy").steps) == 2
    assert [call for call in bench.cloud.calls if call[0] == "look"] == [("look", "t-a")]
    with pytest.raises(BlueprintInvalid, match="1 error"):
        bench.plan(replace(wanted, stream_manager=tree({"url": "https://${y.id}"})), mode="destroy")


def test_a_state_with_an_unknown_kind_is_refused(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    state = bench.state
    strange = replace(state, resources={"a": replace(state.resources["a"], kind="toy.future")})
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        held.save(strange)
    with pytest.raises(StoreError, match=r"holds a toy\.future"):
        bench.plan(blueprint(thing("a")))


def test_a_name_that_is_taken_is_refused_when_planning_whatever_else_is_unknown(bench: Bench) -> None:
    bench.make(blueprint(thing("d", kind="toy.behind")))
    for kind, id in {"toy.thing": "t-b", "toy.behind": "b-c"}.items():
        bench.cloud.of(kind)[id] = (ThingSpec(name=id[2:]), Owner("other", "z"))
    behind = [thing(address, kind="toy.behind") for address in ("c", "d")]
    with pytest.raises(NotOurs) as caught:
        bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"]), *behind))
    assert "b: toy.thing t-b exists already" in str(caught.value)
    assert "c: toy.behind b-c exists already" in str(caught.value)


def test_a_stream_manager_that_has_not_responded_is_asked_for_no_names(bench: Bench) -> None:
    wanted = blueprint(thing("c", kind="toy.behind"), thing("d", kind="toy.behind"))
    assert ops(bench.plan(wanted)) == {"c": Op.CREATE, "d": Op.CREATE}
    assert ("find", "toy.behind") not in bench.cloud.calls
    bench.make(blueprint(thing("d", kind="toy.behind")))
    asked = bench.cloud.calls.count(("find", "toy.behind"))
    bench.cloud.fail("read", "toy.behind", Unreachable("nobody"))
    assert ops(bench.plan(wanted)) == {"c": Op.CREATE}
    assert bench.cloud.calls.count(("find", "toy.behind")) == asked


def test_ownership_tags_removed_by_hand_are_drift_and_restored(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    things = bench.cloud.of("toy.thing")
    things["t-a"] = (things["t-a"][0], None)
    made = bench.plan(wanted)
    assert [(step.op, step.reasons) for step in made.steps] == [
        (Op.UPDATE, ("its ownership tags were removed outside smplan",))
    ]
    owner = f"a of state {bench.state.lineage}"
    assert made.drift[0].changes == (AttributeChange("owner", owner, None),)
    assert bench.apply(made).outcome == "complete"
    assert things["t-a"][1] == Owner(bench.state.lineage, "a")
    assert ("update", "t-a") not in bench.cloud.calls
    assert bench.plan(wanted).empty


def test_what_another_state_took_over_is_drift(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    things = bench.cloud.of("toy.thing")
    things["t-a"] = (things["t-a"][0], Owner("other", "b"))
    report = detect_drift(blueprint=wanted, store=bench.store, world=bench.world(), report=bench.log)
    assert report.drift[0].changes == (
        AttributeChange("owner", f"a of state {bench.state.lineage}", "b of state other"),
    )


def test_what_is_shared_needs_no_ownership_tags(bench: Bench) -> None:
    wanted = blueprint(thing("a", lifecycle={"keep": True}))
    bench.make(wanted)
    things = bench.cloud.of("toy.thing")
    for owner in (None, Owner("other", "b")):
        things["t-a"] = (things["t-a"][0], owner)
        made = bench.plan(wanted)
        assert (made.steps, made.drift) == ((), ())
