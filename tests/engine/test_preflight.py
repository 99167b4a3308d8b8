"""The preflight of a plan: findings are refused with their place, what could not be asked is listed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import pytest

from smplan.drivers.checks import Check, Finding, PlannedResource
from smplan.errors import BlueprintInvalid, Denied, Expired, Invalid, NotFound, Unreachable
from smplan.guide import rules
from tests.engine.conftest import Bench
from tests.support.blueprints import blueprint
from tests.support.fake_cloud import thing

KIND = "toy.thing"


def failing(error: Exception) -> Check:
    def find() -> Iterable[Finding]:
        raise error

    return Check("sizes", find)


def changed(bench: Bench) -> dict[str, PlannedResource]:
    assert bench.cloud.planned is not None
    return {each.address: each for each in bench.cloud.planned.changed(KIND)}


def test_all_findings_are_refused_together_each_once_before_anything_is_written(bench: Bench) -> None:
    found = [Finding("a", ("size",), "no such size", "use 1"), Finding("b", ("size",), "no such size")]
    bench.cloud.checks[KIND] = [Check("sizes", lambda: found), Check("more", lambda: found[:1])]
    with pytest.raises(BlueprintInvalid) as refused:
        bench.plan(blueprint(thing("a", size=3), thing("b", size=4)))
    shown = [(each.message, each.hint, each.path[-2:]) for each in refused.value.diagnostics]
    assert sorted(shown) == [
        ("a: no such size", "use 1", ("spec", "size")),
        ("b: no such size", "", ("spec", "size")),
    ]
    assert bench.cloud.writes() == []


def test_a_broken_rule_of_the_guide_may_be_allowed_by_the_resource(bench: Bench) -> None:
    rule = rules.OPEN_PORTS
    bench.cloud.checks[KIND] = [Check("ports", lambda: [Finding("a", ("size",), "closed", "open it", rule)])]
    bench.plan(blueprint(thing("a", size=3, lifecycle={"allow": (rule.id,)})))
    with pytest.raises(BlueprintInvalid) as refused:
        bench.plan(blueprint(thing("a", size=3, lifecycle={"allow": ("grace-period",)})))
    assert [each.message for each in refused.value.diagnostics] == ["a: closed"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Denied("not authorized", action="ec2:DescribeX"), "the credentials may not call ec2:DescribeX"),
        (Denied("there are no credentials"), "there are no credentials"),
        (Unreachable("no response"), "no response"),
        (Invalid("the action is not known"), "the action is not known"),
        (KeyError("Name"), "the check failed: KeyError: 'Name'"),
    ],
)
def test_a_check_that_fails_is_listed_and_stops_nothing(bench: Bench, error: Exception, why: str) -> None:
    bench.cloud.checks[KIND] = [failing(error), failing(Unreachable("the second of the same name"))]
    made = bench.plan(blueprint(thing("a")))
    assert made.not_checked == {"sizes": why}
    assert [each.id for each in made.steps] == ["a:create"]


def test_credentials_that_expire_during_the_checks_end_the_plan(bench: Bench) -> None:
    bench.cloud.checks[KIND] = [failing(Expired("the credentials have expired"))]
    with pytest.raises(Expired):
        bench.plan(blueprint(thing("a")))


def test_only_what_changes_is_checked(bench: Bench) -> None:
    bench.make(blueprint(thing("a", size=1), thing("b", size=1), thing("c")))
    bench.cloud.planned = None
    assert bench.plan(blueprint(thing("a", size=1), thing("b", size=1), thing("c"))).empty
    assert bench.cloud.planned is None
    bench.plan(blueprint(thing("a", size=1), thing("b", size=2), thing("c"), thing("d")))
    found = changed(bench)
    assert found["b"].changed == {"size"}
    assert (found["b"].id, found["b"].adds) == ("t-b", False)
    assert found["d"].changed == frozenset(type(found["d"].spec).model_fields)
    assert (found["d"].id, found["d"].adds) == ("", True)
    assert "a" not in found


def test_a_destroy_plan_checks_nothing(bench: Bench) -> None:
    wanted = blueprint(thing("a"))
    bench.make(wanted)
    bench.cloud.planned = None
    bench.plan(wanted, mode="destroy")
    assert bench.cloud.planned is None


@pytest.mark.parametrize("error", [Invalid("malformed", hint="fix it"), NotFound("no such zone")])
def test_a_search_that_aws_refuses_is_a_finding_of_its_resource(bench: Bench, error: Invalid | NotFound) -> None:
    bench.cloud.fail("find", KIND, error)
    with pytest.raises(BlueprintInvalid) as refused:
        bench.plan(blueprint(thing("a")))
    assert [(each.message, each.hint) for each in refused.value.diagnostics] == [(f"a: {error.message}", error.hint)]


def test_a_search_that_aws_refuses_is_left_out_where_a_check_knows_the_cause(bench: Bench) -> None:
    bench.cloud.fail("find", KIND, Invalid("malformed"))
    bench.cloud.checks[KIND] = [Check("sizes", lambda: [Finding("a", ("size",), "no such size")])]
    with pytest.raises(BlueprintInvalid) as refused:
        bench.plan(blueprint(thing("a")))
    assert [each.message for each in refused.value.diagnostics] == ["a: no such size"]


def test_checks_know_references_written_values_and_what_is_deleted(bench: Bench) -> None:
    bench.make(blueprint(thing("old")))
    bench.plan(blueprint(thing("a"), thing("b", uses=["${a.id}"])))
    planned, found = bench.cloud.planned, changed(bench)
    assert planned is not None
    assert planned.deleted == {"t-old"}
    assert planned.stream_manager() is None or planned.stream_manager() == {}
    assert found["b"].refers_to(found["a"], "uses")
    assert not found["a"].refers_to(found["b"], "uses")
    assert found["b"].values("uses") == []
    assert planned.follow(found["b"].spec.uses[0], KIND) == found["a"]
    assert planned.follow(found["a"].name, KIND) == found["a"]
    assert planned.follow("t-none", KIND) is None
    assert planned.follow(None, KIND) is None


def test_a_question_is_asked_once_by_checks_at_the_same_time(bench: Bench) -> None:
    bench.plan(blueprint(thing("a")))
    planned, calls = bench.cloud.planned, []
    assert planned is not None
    ask: Callable[[], object] = lambda: planned.once("x", lambda: calls.append(1))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert calls == [1]
