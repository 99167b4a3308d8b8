import json
from dataclasses import replace

import pytest

from smplan.core.state.journal import ReplayedState, StepIntent
from smplan.core.state.model import ResourceState, State, Status, integrity_errors
from smplan.core.state.strict_json import from_json, to_json
from smplan.errors import StoreError

LINEAGE = "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001"


def entry(address: str = "alb", **changes: object) -> ResourceState:
    made = ResourceState(address, "aws.elbv2.load_balancer", f"arn:{address}", {"name": "a"}, {"arn": f"arn:{address}"})
    return replace(made, **changes)  # type: ignore[arg-type]  # the names of ResourceState's fields, whatever their types


def state(*entries: ResourceState, **changes: object) -> State:
    made = State("fleet", LINEAGE, 3, {each.address: each for each in entries})
    return replace(made, **changes)  # type: ignore[arg-type]


FULL = state(
    entry(
        "alb",
        dependencies=("sg", "gone"),
        generation=2,
        name="a-1f2e3d",
        status=Status.INCOMPLETE,
        prevent_destroy=True,
    ),
    entry('node["a"]', spec={"$secret": "env:X", "list": [1, None, 2.5, "ü"]}),
    deposed=(entry("alb", id="arn:old"),),
    used_plans=("p1", "p2"),
    outputs={"url": "https://x"},
)


def test_a_state_comes_back_from_its_json() -> None:
    assert from_json(State, json.loads(json.dumps(to_json(FULL))), "state") == FULL


def test_the_digest_does_not_depend_on_the_order_of_resources() -> None:
    assert state(entry("a"), entry("b")).digest() == state(entry("b"), entry("a")).digest()


@pytest.mark.parametrize(
    "other",
    [
        replace(FULL, serial=4),
        replace(FULL, lineage=LINEAGE[:-1] + "2"),
        replace(FULL, outputs={}),
        replace(FULL, used_plans=("p1",)),
        replace(FULL, deposed=()),
        replace(FULL, resources={**FULL.resources, "alb": replace(FULL.resources["alb"], status=Status.READY)}),
    ],
)
def test_every_difference_changes_the_digest(other: State) -> None:
    assert other.digest() != FULL.digest()


def test_pending_creates_change_the_digest_a_plan_is_bound_to() -> None:
    pending = ReplayedState(FULL, pending_creates=(StepIntent("s1", "create", entry("new", id="")),))
    assert ReplayedState(FULL).digest() == FULL.digest() != pending.digest()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("serial",), "3", "state.serial is not a whole number"),
        (("resources", "alb", "id"), None, "state.resources.alb.id is not text"),
        (("resources", "alb", "status"), "fine", "state.resources.alb.status `fine` is not known"),
        (("deposed", 0, "dependencies"), "sg", r"state.deposed\[0\].dependencies is not a list"),
        (("resources", "alb", "extra"), 1, "state.resources.alb.extra is not known"),
        (("extra",), 1, "state.extra is not known"),
    ],
)
def test_a_malformed_state_is_rejected_with_the_path(path: tuple[str, ...], value: object, message: str) -> None:
    data = json.loads(json.dumps(to_json(FULL)))
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(StoreError, match=message):
        from_json(State, data, "state")


def test_a_valid_state_has_no_integrity_errors() -> None:
    assert integrity_errors(FULL) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (state(name="Fleet"), "name `Fleet`"),
        (state(lineage="x"), "lineage `x` is not a UUID"),
        (state(serial=-1), "serial -1 is negative"),
        (state(used_plans=tuple(map(str, range(101)))), "101 used plans"),
        (state(resources={"a": entry("b")}), "a: is stored under this address"),
        (state(entry("a", id="x"), entry("b", id="x")), "b: aws.elbv2.load_balancer x is in the state twice"),
        (
            state(entry("a", id="x"), deposed=(entry("a", id="x"),)),
            "a: aws.elbv2.load_balancer x is in the state twice",
        ),
        (state(entry("")), "has no address"),
        (state(entry(kind="")), "alb: has no kind"),
        (state(entry(id="")), "alb: has no id"),
        (state(entry(generation=0)), "alb: generation 0"),
        (state(entry(dependencies=("alb",))), "alb: depends on itself"),
        (state(deposed=(entry(id=""),)), "alb: has no id"),
    ],
)
def test_each_violated_invariant_is_reported(broken: State, problem: str) -> None:
    assert len(integrity_errors(broken)) == 1
    assert problem in integrity_errors(broken)[0]


def test_a_dependency_may_be_gone() -> None:
    assert integrity_errors(state(entry("a", dependencies=("gone",)))) == []
