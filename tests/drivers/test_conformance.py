"""The laws of ``drivers/base.py``, for every registered kind, over the sandbox's wire."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from smplan.core import spec as specs
from smplan.core.spec import IMMUTABLE
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Driver, Owner
from smplan.drivers.checks import PlannedResource, PlannedResources
from smplan.errors import Denied, LostAnswer, Throttled
from smplan.sandbox.sandbox import Sandbox
from tests.drivers import unmanaged
from tests.drivers.conformance import (
    Case,
    CaseSetup,
    answering,
    cases,
    context,
    differences,
    judged,
    lost_responses,
    readable,
    updatable,
)
from tests.support.rate_limits import unlimited

CASES = [case for case in cases() if case.kind in judged()]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def law(number: int) -> pytest.MarkDecorator:
    """For each case in which the law can hold."""
    return pytest.mark.parametrize("case", [case for case in CASES if number not in case.waived], ids=str)


each_kind = pytest.mark.parametrize("kind", sorted(judged()))


@pytest.fixture
def stage(box: Sandbox, aws: Aws, case: Case) -> Iterator[CaseSetup]:
    """The case's setup is made, and everything made on it is taken away."""
    with CaseSetup(box, aws, case) as made:
        yield made


@law(1)
def test_law_1_reading_gives_the_spec_back(stage: CaseSetup) -> None:
    driver, spec, claim = stage.driver(), stage.spec(), stage.claim()
    live = stage.read(stage.create(driver, spec, claim))
    assert differences(spec, live.spec) == {}
    assert live.owner == (claim.owner if driver.taggable else None)
    assert set(live.outputs) == set(driver.outputs)
    json.dumps(dict(live.outputs), allow_nan=False)


@law(2)
def test_law_2_an_update_gives_the_new_spec_and_twice_is_as_once(stage: CaseSetup) -> None:
    driver, changes, claim = stage.driver(), {}, stage.claim()
    made = stage.create(driver, stage.spec(), claim)
    for name, value in stage.case.updates.items():
        live, changes[name] = stage.read(made), value
        wanted = stage.spec(changes)
        assert set(differences(wanted, live.spec)) in ({name}, _below(name, wanted, live.spec)), name
        driver.update(live, wanted)
        stage.wait(driver.wait_ready(made, wanted))
        once = stage.read(made)
        assert differences(wanted, once.spec) == {}, name
        driver.update(live, wanted)
        driver.update(once, wanted)
        twice = stage.read(made)
        assert twice.spec == once.spec, name
        assert twice.owner == (claim.owner if driver.taggable else None), name


def _below(name: str, wanted: Any, live: Any) -> set[str]:
    """The parts of one nested field that differ."""
    return {each for each in differences(wanted, live) if each.startswith(f"{name}.")}


@law(3)
def test_law_3_after_a_delete_nothing_is_found_and_deleting_again_succeeds(stage: CaseSetup) -> None:
    driver, spec = stage.driver(), stage.spec()
    made = stage.create(driver, spec)
    stage.remove(driver, made)
    assert driver.read_many([made]) == {}
    assert driver.find(spec) is None
    driver.delete(made)
    driver.delete(made)


@law(4)
def test_law_4_reading_many_equals_reading_each_and_skips_missing_ones(box: Sandbox, aws: Aws, case: Case) -> None:
    with CaseSetup(box, aws, case) as one, CaseSetup(box, aws, case) as other:
        driver = one.driver()
        first, second = one.create(driver, one.spec()), other.create(driver, other.spec())
        assert driver.read_many([]) == {}
        together = driver.read_many([first, second])
        assert together == {**driver.read_many([first]), **driver.read_many([second])}
        assert set(together) == {first, second}
        other.remove(driver, second)
        assert set(driver.read_many([first, second])) == {first}


@law(5)
def test_law_5_after_a_lost_response_find_returns_what_was_created(stage: CaseSetup) -> None:
    spec, claim, driver = stage.spec(), stage.claim(), stage.driver()
    assert driver.find(spec) is None
    with pytest.raises(LostAnswer):
        stage.driver(lost_responses(stage.box.facts.region)).create(spec, claim)
    found = driver.find(spec)
    assert found is not None
    stage.made.append((driver, found.id))
    driver.configure(found.id, spec)
    stage.wait(driver.wait_ready(found.id, spec))
    live = stage.read(found.id)
    assert differences(spec, live.spec) == {}
    assert live.owner == found.owner == (claim.owner if driver.taggable else None)


@law(6)
@pytest.mark.parametrize(
    ("code", "status", "error"), [("AccessDenied", 403, Denied), ("Throttling", 400, Throttled)], ids=["denied", "busy"]
)
def test_law_6_errors_are_errors_of_smplan(stage: CaseSetup, code: str, status: int, error: type[Exception]) -> None:
    made = stage.create(stage.driver(), stage.spec())
    live, changes = stage.read(made), dict(list(stage.case.updates.items())[:1])
    refused = stage.driver(answering(stage.box.facts.region, code, status))
    read_only = stage.driver(answering(stage.box.facts.region, code, status, writes_only=True))
    with pytest.raises(error):
        refused.read_many([made])
    with pytest.raises(error):
        refused.delete(made)
    with pytest.raises(error):
        read_only.delete(made)
    with pytest.raises(error):
        read_only.create(stage.spec(), stage.claim())
    if _overridden(refused, "find"):
        with pytest.raises(error):
            refused.find(stage.spec())
    if changes:
        with pytest.raises(error):
            read_only.update(live, stage.spec(changes))
    if refused.taggable:
        with pytest.raises(error):
            refused.set_owner(made, stage.claim().owner)
    assert stage.read(made) == live


def _overridden(driver: Driver[Any], method: str) -> bool:
    return getattr(type(driver), method) is not getattr(Driver, method)


_LAUNCHES = {
    "ec2:DescribeInstances": "only for an image that the same plan creates",
    "ec2:DescribeInstanceTypeOfferings": "only to suggest a type in place of an unknown one",
    "ec2:DescribeVolumes": "as ec2:DescribeInstances",
}
NOT_CALLED: dict[str, dict[str, str]] = {
    "aws.autoscaling.launch_configuration": _LAUNCHES,
    "aws.ec2.launch_template": _LAUNCHES,
    "aws.autoscaling.group": {
        "autoscaling:DescribeAutoScalingInstances": "only where a target group has targets already",
        "autoscaling:DescribeScalingActivities": "only after a roll-out that failed",
        "autoscaling:EnterStandby": "only in a roll-out of smplan's own that drains",
        "autoscaling:RollbackInstanceRefresh": "only to end a roll-out that is under way",
        "autoscaling:TerminateInstanceInAutoScalingGroup": "only in a roll-out of smplan's own",
        "ec2:DescribeSecurityGroups": "only for launch settings of the same plan",
        "ec2:CreateTags": "AWS checks it where a launch template tags the instances",
        "ec2:RunInstances": "AWS checks it where a launch template is used",
        "iam:CreateServiceLinkedRole": "AWS checks it for the first group of an account",
        "iam:PassRole": "AWS checks it where a launch template names an instance profile",
    },
    "aws.elbv2.listener": {"ec2:DescribeSecurityGroups": "only for a load balancer of the same plan"},
    "aws.ec2.security_group": {"ec2:DescribeNetworkInterfaces": "only for a group that is in use"},
    "aws.ec2.image": {
        "ec2:DeleteSnapshot": "only for a snapshot that deregistering left behind",
        "ec2:StopInstances": "only for `source_after`, which would end the sandbox's instance",
        "ec2:TerminateInstances": "as ec2:StopInstances",
    },
}
"""Kind -> declared action -> why no case makes the driver call it."""


@each_kind
def test_law_7_exactly_the_declared_actions_are_called(box: Sandbox, aws: Aws, kind: str) -> None:
    called: set[str] = set()
    recording = Aws(box.facts.region, on_call=called.add, rate_limiter=unlimited())
    created = []
    for case in (case for case in CASES if case.kind == kind):
        with CaseSetup(box, aws, case) as stage:
            created.append(_live_through(stage, stage.driver(recording)))
    judged()[kind](context(recording)).read_many(created)
    actions = judged()[kind].iam_actions
    declared = {*actions.read, *actions.write, *actions.check}
    assert called - declared == set(), "called but not declared"
    assert declared - called == NOT_CALLED.get(kind, {}).keys(), "declared but not called"


def planned(stage: CaseSetup, driver: Driver[Any]) -> PlannedResources:
    """A plan that creates the case."""
    fields = frozenset(driver.spec.model_fields)
    return PlannedResources([PlannedResource("it", driver.kind, stage.spec(), fields, adds=True)])


def _live_through(stage: CaseSetup, driver: Driver[Any]) -> str:
    """Call every method of ``driver``, from find over each update to the delete. The id of what was created."""
    spec, changes = stage.spec(), {}
    driver.find(spec)
    created = stage.create(driver, spec)
    for name, value in stage.case.updates.items() if 2 not in stage.case.waived else ():
        changes[name] = value
        wanted = stage.spec(changes)
        driver.update(stage.read(created), wanted)
        stage.wait(driver.wait_ready(created, wanted))
    for check in driver.checks(planned(stage, driver)):
        list(check.find())
    driver.set_owner(created, stage.claim("moved").owner)
    driver.diagnose_timeout(spec)
    if driver.protection:
        driver.unprotect(created)
    stage.remove(driver, created)
    return created


@pytest.mark.parametrize("trial", unmanaged.trials(), ids=str)
def test_law_8_what_the_spec_does_not_name_is_kept(box: Sandbox, aws: Aws, trial: unmanaged.ByHand) -> None:
    result = unmanaged.run(box, aws, trial)
    assert [row for row in unmanaged.rows(trial, result) if row[2]] == []


@pytest.mark.parametrize("trial", unmanaged.trials(), ids=str)
def test_every_member_of_a_request_is_judged_once(trial: unmanaged.ByHand) -> None:
    for shape, members in trial.shapes.items():
        judged_names = [name for name, _ in unmanaged.judged(members)]
        expected = unmanaged.members_of(trial.service, shape)
        assert sorted(judged_names) == sorted(set(judged_names) if expected is None else expected), shape


@each_kind
def test_every_kind_with_updates_says_what_it_keeps(kind: str) -> None:
    updates = any(updatable(each) for each in specs.fields(judged()[kind].spec).values())
    assert (kind in {trial.case.kind for trial in unmanaged.trials()}) == updates


@law(9)
def test_law_9_set_owner_writes_the_owner_and_nothing_else(stage: CaseSetup) -> None:
    driver, moved = stage.driver(), Owner("another lineage", "moved.there")
    made = stage.create(driver, stage.spec(), stage.claim())
    before = stage.read(made)
    for _ in range(2):
        driver.set_owner(made, moved)
        assert stage.read(made) == replace(before, owner=moved if driver.taggable else None)


@each_kind
def test_a_kind_sets_the_owner_if_it_has_tags(kind: str) -> None:
    found = judged()[kind]
    assert (found.set_owner is not Driver.set_owner) == found.taggable


@each_case
def test_immutable_fields_of_a_case_have_another_valid_value(stage: CaseSetup) -> None:
    facts, spec = specs.fields(stage.driver().spec), stage.spec()
    for name, value in stage.case.immutable.items():
        other = stage.spec({name: value})
        assert facts[name].has(IMMUTABLE), name
        assert name in differences(other, spec), name


@each_kind
def test_every_kind_has_a_case(kind: str) -> None:
    assert [case for case in CASES if case.kind == kind], f"write tests/drivers/cases/{kind}/<case>.yaml"


@each_kind
def test_every_law_holds_in_some_case_of_a_kind(kind: str) -> None:
    for number in (1, 2, 3, 4, 5, 6, 9):  # laws 7 and 8 have tests of their own
        assert [case for case in CASES if case.kind == kind and number not in case.waived], f"law {number}"


@each_kind
def test_every_updatable_field_is_updated_in_some_case(kind: str) -> None:
    facts = specs.fields(judged()[kind].spec)
    said = {name for case in CASES if case.kind == kind for name in case.updates}
    assert {name for name, each in facts.items() if updatable(each)} - said == set()
    assert {name for name in said if not updatable(facts[name])} == set()


@each_kind
def test_every_readable_field_is_stated_in_some_case(kind: str) -> None:
    facts = specs.fields(judged()[kind].spec)
    said = {name for case in CASES if case.kind == kind for name in (*case.spec, *case.updates)}
    assert {name for name, each in facts.items() if readable(each)} - said == set()


def test_every_case_is_of_an_existing_kind() -> None:
    strays: dict[str, list[str]] = defaultdict(list)
    for case in cases():
        if case.kind not in judged() and not case.kind.startswith(("red5.", "gate.", "core.")):
            strays[case.kind].append(case.name)
    assert dict(strays) == {}
