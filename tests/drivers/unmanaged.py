"""What the API allows and the spec does not name: set by hand, then each managed field is updated (law 8).

``by_hand/<kind>.yaml`` is a list. Each item belongs to a case of the kind::

    case: simple                  # cases/<kind>/simple.yaml
    service: autoscaling
    by_hand:                      # calls made by hand; ${subject.id} is the subject's id, ${subject.…} its attributes
      - {put_scaling_policy: {…, Enabled: false}}
    read: {describe_policies: {…}}
    at: "ScalingPolicies[0]"      # a JMESPath expression for the object in the response
    shapes:
      PutScalingPolicyType:       # a request's shape of the service model, or a list of attributes, which has no shape
        at: "@"                   # where the object has its members
        named: [PolicyName]       # members that the spec names
        kept: {Enabled: false}    # members that were set by hand, and their values
        unsent: []                # members that no update sends, where AWS changes only what is sent
        other: {Time: why}        # the rest

Every member of a shape is in one of the four, so a member that AWS adds must be judged too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import jmespath
import yaml

from smplan.drivers.aws.client import Aws
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Case, CaseSetup, FaultyAws, cases
from tests.support.rate_limits import unlimited

FILES = Path(__file__).parent / "by_hand"


@dataclass(frozen=True)
class ByHand:
    """One item of a file, with its case."""

    case: Case
    service: str
    by_hand: list[Mapping[str, Any]]
    read: Mapping[str, Any]
    at: str
    shapes: Mapping[str, Mapping[str, Any]]

    def __str__(self) -> str:
        return str(self.case)


@dataclass
class Trial:
    """What was found: the members that changed, per updated field, and every member that was sent."""

    lost: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)


def trials() -> list[ByHand]:
    """Every item of every file."""
    by_name = {(case.kind, case.name): case for case in cases()}
    return [
        ByHand(by_name[path.stem, item.pop("case")], **item)
        for path in sorted(FILES.glob("*.yaml"))
        for item in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def run(box: Sandbox, aws: Aws, trial: ByHand) -> Trial:
    """Create the case's subject, set everything by hand, update each field, and see what is left."""
    result, changes = Trial(), dict[str, Any]()
    with CaseSetup(box, aws, trial.case) as stage:
        spec = stage.spec()
        made = stage.create(stage.driver(), spec)
        live = stage.read(made)
        stage.names["subject"] = SimpleNamespace(attributes={**spec.managed_fields(), **live.outputs, "id": made})
        for call in trial.by_hand:
            _call(stage, trial.service, call)
        assert _lost(stage, trial) == {}, "the sandbox does not take what is set by hand"
        driver = stage.driver(_recording(box.facts.region, result.sent))
        for name, value in trial.case.updates.items():
            changes[name] = value
            wanted = stage.spec(changes)
            driver.update(stage.read(made), wanted)
            stage.wait(driver.wait_ready(made, wanted))
            if lost := _lost(stage, trial):
                result.lost[name] = lost
    return result


def _call(stage: CaseSetup, service: str, call: Mapping[str, Any]) -> Any:
    ((method, arguments),) = call.items()
    return getattr(stage.aws.client(service, write=True), method)(**stage.filled(arguments))


def _lost(stage: CaseSetup, trial: ByHand) -> dict[str, Any]:
    """The members that differ from what was set by hand, with their values now."""
    found = jmespath.search(stage.filled(trial.at), _call(stage, trial.service, trial.read))
    lost = {}
    for shape, members in trial.shapes.items():
        there = jmespath.search(members.get("at", "@"), found) or {}
        if isinstance(there, list):
            there = {each["Key"]: each["Value"] for each in there}
        for name, value in (members.get("kept") or {}).items():
            if there.get(name) != stage.filled(value):
                lost[f"{shape}.{name}"] = there.get(name)
    return lost


def _recording(region: str, sent: set[str]) -> FaultyAws:
    def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        sent.update(f"{model.input_shape.name}.{name}" for name in params)

    def spoil(client: Any, writes: bool) -> None:
        if writes:
            client.meta.events.register("provide-client-params", record)

    return FaultyAws(region, spoil)


def judged(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each member of a shape that a file judges, and the judgment; a member judged twice comes twice."""
    yield from ((name, "named by the spec") for name in members.get("named") or ())
    yield from ((name, "kept") for name in members.get("kept") or ())
    yield from ((name, "kept: not sent") for name in members.get("unsent") or ())
    yield from ((name, f"exception: {why}") for name, why in (members.get("other") or {}).items())


def members_of(service: str, shape: str) -> set[str] | None:
    """The members of a shape; None for a list of attributes, which has none."""
    model = botocore.session.get_session().get_service_model(service)
    found: Any = model.shape_for(shape) if shape in model.shape_names else None
    return set(found.members) if found else None


def rows(trial: ByHand, result: Trial) -> Iterator[tuple[str, str, bool]]:
    """Each member that the spec does not name, what became of it, and whether that is a loss."""
    for shape, members in trial.shapes.items():
        for name, judgment in judged(members):
            member = f"{shape}.{name}"
            where = [each for each, lost in result.lost.items() if member in lost]
            if member in result.sent and judgment.endswith("not sent"):
                where.append("all fields: it is sent")
            if where:
                yield member, f"LOST by an update of {', '.join(where)}", True
            elif judgment != "named by the spec":
                yield member, judgment, False


def main() -> int:
    """Print the table; 1 if anything was lost."""
    broken = tried = 0
    with Sandbox(speed=600.0) as box:
        os.environ.update(box.env())
        aws = Aws(box.facts.region, rate_limiter=unlimited())
        aws.write.ec2.create_key_pair(KeyName="other", KeyType="ed25519")
        for trial in trials():
            for member, judgment, lost in rows(trial, run(box, aws, trial)):
                tried, broken = tried + 1, broken + lost
                sys.stdout.write(f"{trial!s:46} {member}: {judgment}\n")
    sys.stdout.write(f"{tried} members that no spec names, {broken} lost\n")
    return int(broken > 0)


if __name__ == "__main__":
    raise SystemExit(main())
