"""Every kind in an AWS that does not show at once what was created: every request is retried, and every wait ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from smplan.core.events import Retried
from smplan.drivers.aws.client import Aws
from smplan.drivers.inventory import names_of
from smplan.drivers.retry import RetryPolicy
from smplan.errors import NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Case, CaseSetup, FaultyAws, cases, judged

CASES = [case for case in cases() if case.kind in judged() and 2 not in case.waived]


class Forgetful(FaultyAws):
    """A client whose every request other than a read or a delete is refused once by ``refuse``, then accepted."""

    def __init__(self, region: str, code: str, status: int = 400) -> None:
        self.seen: set[str] = set()
        self.retries: list[Retried] = []
        super().__init__(region, self._spoil_client)
        self.retry_policy.on_retry = self.retries.append
        self._code, self._status = code, status

    def _spoil_client(self, client: Any, writes: bool) -> None:
        if writes:
            client.meta.events.register("before-call.*", self._refuse)

    def _refuse(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]] | None:
        if model.name in self.seen or model.name.startswith(("Delete", "Deregister", "Revoke", "Unsubscribe")):
            return None
        self.seen.add(model.name)
        metadata = {"HTTPStatusCode": self._status}
        error = {"Error": {"Code": self._code, "Message": "it does not exist"}, "ResponseMetadata": metadata}
        return SimpleNamespace(status_code=self._status), error


def live_through(stage: CaseSetup, aws: Aws, *, new: bool = True) -> None:
    """Create the subject, and update each of its fields; what exists is in the inventory of ``aws``."""
    for name, each in stage.names.items():
        attributes = each.attributes
        aws.inventory.add(name, names_of(attributes["id"], attributes.get("name"), attributes), new=new)
    facts = stage.box.facts
    aws.inventory.add("box", [facts.vpc_id, facts.zone_id, facts.instance_id, facts.image_id], new=new)
    aws.inventory.add("groups", [facts.database_security_group_id, facts.stream_manager_security_group_id], new=new)
    driver, spec, changes = stage.driver(aws), stage.spec(), {}
    aws.inventory.add("subject", ["subject", getattr(spec, "name", "")], new=new)
    made = driver.create(spec, stage.claim())
    stage.made.append((stage.driver(), made))
    aws.inventory.add("subject", [made, *made.split("|"), *made.split("/")[:1]], new=new)
    driver.configure(made, spec)
    stage.wait(driver.wait_ready(made, spec))
    aws.inventory.add("subject", names_of(made, None, stage.read(made).outputs), new=new)
    for field, value in stage.case.updates.items():
        changes[field] = value
        wanted = stage.spec(changes)
        driver.update(stage.read(made), wanted)
        stage.wait(driver.wait_ready(made, wanted))
    driver.set_owner(made, stage.claim("moved").owner)


@pytest.fixture
def stage(box: Sandbox, aws: Aws, case: Case) -> Iterator[CaseSetup]:
    with CaseSetup(box, aws, case) as made:
        yield made


@pytest.mark.parametrize(
    ("case", "code"),
    [
        *((case, "InvalidThing.NotFound") for case in CASES),
        *((case, "ResourceContention") for case in CASES if case.kind.startswith("aws.autoscaling")),
        *((case, "ServiceLinkedRoleFailure") for case in CASES if case.kind == "aws.autoscaling.group"),
    ],
    ids=str,
)
def test_every_change_that_is_refused_at_first_is_made(stage: CaseSetup, code: str) -> None:
    aws = Forgetful(stage.box.facts.region, code, 400 if "NotFound" in code else 500)
    live_through(stage, aws)
    assert len(aws.retries) == len(aws.seen) > 0
    assert {each.call.partition(":")[2] for each in aws.retries} == aws.seen


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_not_new_and_not_found_is_final_at_once_and_names_the_dependency(stage: CaseSetup) -> None:
    aws = Forgetful(stage.box.facts.region, "InvalidThing.NotFound")
    with pytest.raises(NotFound) as caught:
        live_through(stage, aws, new=False)
    assert (len(aws.seen), aws.retries) == (1, [])
    assert "the request names" in caught.value.message or not stage.names
    assert "smplan plan" in caught.value.hint or not stage.names


def test_what_stays_invisible_is_a_final_error_after_two_minutes() -> None:
    clock = count(step=10)
    aws = FaultyAws("us-east-1", lambda client, _: client.meta.events.register("before-call.*", refuse))
    aws.retry_policy = RetryPolicy(pause=lambda _: None, clock=clock.__next__)
    aws.inventory.add("sg", ["sg-1"], new=True)

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]]:
        error = {"Code": "InvalidGroup.NotFound", "Message": "The security group 'sg-1' does not exist"}
        return SimpleNamespace(status_code=400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    with pytest.raises(NotFound) as caught:
        aws.write.ec2.create_tags(Resources=["sg-1"], Tags=[])
    assert next(clock) > 120
    assert "this run created sg (sg-1)" in caught.value.message
    assert caught.value.code == "InvalidGroup.NotFound"
