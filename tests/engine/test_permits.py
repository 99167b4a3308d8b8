"""`--unprotect` and `--abandon`, from the plan to the state."""

from __future__ import annotations

import pytest

from smplan.core.plan.changes import Permits
from smplan.core.plan.model import Op, Plan
from smplan.core.state.model import State
from smplan.engine.waiter import CancelToken
from smplan.errors import Denied, GuardRefused, InUse, SmplanError, TimedOut, Unreachable
from tests.engine.conftest import Bench
from tests.support.blueprints import blueprint, resource
from tests.support.fake_cloud import thing

NOBODY = Unreachable("nobody")


def permit(*, unprotect: tuple[str, ...] = (), abandon: tuple[str, ...] = ()) -> Permits:
    return Permits(frozenset(unprotect), frozenset(abandon))


def die() -> None:
    """As if the process were killed."""
    raise SystemExit(9)


def ops(made: Plan) -> dict[str, Op]:
    return {step.id: step.op for step in made.steps}


def test_a_locked_thing_is_refused_and_then_unlocked_and_deleted(bench: Bench) -> None:
    wanted = blueprint(thing("a"), thing("b", uses=["${a.id}"]))
    bench.make(wanted)
    bench.cloud.locked.add("t-a")
    with pytest.raises(GuardRefused, match=r"a \(t-a\) would be deleted and has a lock") as caught:
        bench.plan(wanted, "destroy", command="smplan destroy x.yaml")
    assert caught.value.hint.endswith("`smplan destroy x.yaml --unprotect a`")
    made = bench.plan(wanted, "destroy", permits=permit(unprotect=("a",)))
    assert made.permits == {"unprotect": ("a",)}
    assert bench.apply(made).outcome == "complete"
    assert [call for call in bench.cloud.writes() if call[1] == "t-a"][-2:] == [("unprotect", "t-a"), ("delete", "t-a")]
    assert bench.state.resources == {}


def test_a_run_that_stopped_after_the_protection_was_removed_is_resumed(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    bench.cloud.locked.add("t-a")
    made = bench.plan(wanted, "destroy", permits=permit(unprotect=("a",)))
    bench.cloud.fail("delete", "t-a", Denied("not now"))
    assert bench.apply(made).outcome == "failed"
    assert set(bench.state.resources) == {"a"}
    assert bench.apply(made).outcome == "complete"
    assert bench.cloud.of("toy.thing") == {}


def test_the_protection_of_a_replaced_and_of_an_older_generation_is_removed(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x")))
    bench.cloud.locked.add("t-a")
    wanted = blueprint(thing("a", zone="y"))
    with pytest.raises(GuardRefused, match="has a lock"):
        bench.plan(wanted)
    made = bench.plan(wanted, permits=permit(unprotect=("a",)))
    bench.cloud.fail("unprotect", "t-a", Denied("not now"))
    assert bench.apply(made).outcome == "failed"
    assert [each.id for each in bench.state.deposed] == ["t-a"]
    with pytest.raises(GuardRefused, match="has a lock"):
        bench.plan(wanted)
    again = bench.plan(wanted, permits=permit(unprotect=("a",)))
    assert list(ops(again).values()) == [Op.UNPROTECT, Op.DELETE]
    bench.cloud.fail("delete", "t-a", Denied("not now"))
    assert bench.apply(again).outcome == "failed"
    assert bench.apply(again).outcome == "complete"
    assert "t-a" not in bench.cloud.of("toy.thing")
    assert bench.plan(wanted).empty


def test_what_is_gone_when_its_protection_is_to_be_removed_is_deleted_already(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("z")))
    bench.cloud.locked.add("t-a")
    made = bench.plan(blueprint(thing("z", size=2)), permits=permit(unprotect=("a",)))
    bench.cloud.after["update", "t-z"] = lambda: bench.cloud.of("toy.thing").pop("t-a", None)
    bench.parallel = 1
    steps = sorted(made.steps, key=lambda step: step.address, reverse=True)
    assert steps[0].address == "z"
    assert bench.apply(made).outcome == "complete"


def test_what_cannot_be_read_is_abandoned_with_all_that_interrupted_runs_left(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b", kind="toy.behind")))
    made = bench.plan(blueprint(thing("a"), thing("b", kind="toy.behind"), thing("c", kind="toy.behind")))
    bench.cloud.after["created", "b-c"] = die
    with pytest.raises(SystemExit):
        bench.apply(made, stop=CancelToken())
    for call in ("read", "find"):
        bench.cloud.fail(call, "toy.behind", *[NOBODY] * 4)
    with pytest.raises(GuardRefused) as caught:
        bench.plan(blueprint(thing("a")), "destroy", command="smplan destroy x.yaml")
    assert caught.value.hint.endswith("`smplan destroy x.yaml --abandon b --abandon c`")
    made = bench.plan(blueprint(thing("a")), "destroy", permits=permit(abandon=("b", "c")))
    assert bench.apply(made).outcome == "complete"
    assert bench.state.resources == {}
    assert bench.cloud.of("toy.behind").keys() == {"b-b", "b-c"}
    folded = bench.store.read().folded
    assert folded
    assert folded.pending_creates == ()


def test_an_older_generation_that_cannot_be_read_is_left_and_listed(bench: Bench) -> None:
    bench.make(blueprint(thing("b", kind="toy.behind", zone="x")))
    wanted = blueprint(thing("b", kind="toy.behind", zone="y"))
    bench.cloud.fail("delete", "b-b", Denied("not now"))
    assert bench.apply(bench.plan(wanted)).outcome == "failed"
    bench.cloud.fail("read", "toy.behind", NOBODY, NOBODY)
    made = bench.plan(wanted)
    assert made.empty
    assert made.unreadable == {"b": "no Stream Manager is in service: nobody"}


def test_unknown_addresses_are_refused_with_a_suggestion(bench: Bench) -> None:
    wanted = blueprint(thing("fleet"), *(thing(f'lb["{at}"]', name=f"lb{at}") for at in range(7)))
    bench.make(wanted)
    with pytest.raises(SmplanError, match="--unprotect flete: neither the state nor the blueprint") as caught:
        bench.plan(wanted, "destroy", permits=permit(unprotect=("flete",), abandon=("lb",)))
    assert "`flete`: did you mean `fleet`?" in caught.value.hint
    assert '`lb`: name one of its instances: lb["0"], lb["1"]' in caught.value.hint
    assert "and 2 others" in caught.value.hint
    with pytest.raises(SmplanError) as caught:
        bench.plan(blueprint(*[thing(f"t{at:03}") for at in range(20)]), permits=permit(abandon=("qqqqqqqqqq",)))
    assert caught.value.hint == "list the addresses with `smplan state list`"


def test_an_address_that_is_gone_already_is_no_error_if_the_blueprint_has_it(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    assert bench.plan(wanted, "destroy", permits=permit(unprotect=("a",), abandon=("a",))).empty


def test_a_delete_that_stays_in_use_names_the_way_out(bench: Bench) -> None:
    port = resource("p", "toy.port", {"number": 1, "of": "x"})
    bench.make(blueprint(port))
    bench.cloud.fail("delete", "p-1", *[InUse("held")] * 99)
    outcome = bench.apply(bench.plan(blueprint(port), "destroy"))
    [(_, error)] = outcome.failed
    assert isinstance(error, TimedOut)
    assert "`--abandon p`" in error.hint
    made = bench.plan(blueprint(port), "destroy", permits=permit(abandon=("p",)))
    assert bench.apply(made).outcome == "complete"


def test_the_record_of_another_version_is_compared_as_far_as_it_is_known(bench: Bench) -> None:
    from dataclasses import replace

    from smplan.engine.plan import detect_drift
    from smplan.stores.interface import LockHolder

    wanted = blueprint(thing("a", size=1))
    bench.make(wanted)
    with bench.store.lock(LockHolder("t", "apply", "r", "now")) as held:
        state: State = held.folded().state
        record = state.resources["a"]
        held.save(replace(state, resources={"a": replace(record, spec={**record.spec, "colour": "red", "size": 7})}))
    found = detect_drift(blueprint=wanted, store=bench.store, world=bench.world(), report=bench.log)
    assert [(each.changes[0].before, each.changes[0].after) for each in found.drift] == [(7, 1)]
    assert found.unreadable == {"a": "another version of smplan wrote its colour, which this one cannot compare"}
