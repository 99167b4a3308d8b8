"""``smplan drift`` and ``output``, and how the state is found."""

from __future__ import annotations

import json
import os
import uuid

import pytest

from smplan.cli.wiring import load
from smplan.core.state.model import ResourceState, State
from smplan.core.values import encode
from smplan.drivers.aws.client import Aws
from smplan.drivers.red5.scale_policy import ScalePolicySpec
from smplan.sandbox.sandbox import Sandbox
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY, Shell
from tests.cli.fakes import HOLDER


def test_all_outputs_are_listed_and_a_single_one_is_bare(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("output").out == 'many = [1, 2]\ntext = "hello you"\n'
    assert smplan.ok("output", "text").out == "hello you\n"
    assert smplan.ok("output", "many").out == "[1, 2]\n"


def test_outputs_as_json_are_json_alone(smplan: Shell) -> None:
    smplan.applied()
    for more, value in (((), {"text": "hello you", "many": [1, 2]}), (("text",), "hello you")):
        done = smplan.ok("output", *more, "--json")
        assert (done.data, done.err) == (value, "")


def test_missing_output_is_reported_with_the_existing_ones(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("output", "sad")
    assert (done.code, done.err) == (1, "error: there is no output `sad`\n  = the outputs are: many, text\n")


def test_the_state_is_found_by_blueprint_by_last_plan_or_because_it_is_the_only_one(smplan: Shell) -> None:
    smplan.applied()
    for more in (("--blueprint", "toy.yaml"), ()):
        assert smplan.ok("output", "text", *more).out == "hello you\n"
    (smplan.folder / ".smplan" / "plan.json").unlink()
    assert smplan.ok("output", "text").out == "hello you\n"


def test_ambiguous_state_is_an_error(smplan: Shell) -> None:
    done = smplan("output")
    assert (done.code, done.err) == (1, "error: there is no state here\n  = choose one with --blueprint FILE\n")
    smplan.applied()
    smplan.write("other.yaml", TOY.replace("name: toy", "name: other"))
    smplan.ok("apply", "other.yaml", "--yes")
    (smplan.folder / ".smplan" / "plan.json").unlink()
    assert "there are 2 states in state/" in smplan("output").err


def test_no_drift_is_reported(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("drift", "toy.yaml").out == "No drift: everything matches the last apply.\n"
    assert smplan.ok("drift", "toy.yaml", "--json").data == []


BEHIND = """\
smplan: 1
name: toy
stream_manager: {url: "http://127.0.0.1:1", access_token: {secret: "env:RED5_ADMIN_TOKEN"}}
resources:
  first: {kind: core.value, spec: {input: 1}}
  policy: {kind: red5.scale_policy, spec: {name: p, targets: [{role: edge, min_limit: 1, max_limit: 2}]}}
"""


def test_what_cannot_be_read_is_never_no_changes_or_no_drift(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RED5_ADMIN_TOKEN", "x")
    monkeypatch.setenv("SMPLAN_SECRET_HOSTS", "http://127.0.0.1:1")
    monkeypatch.setattr("smplan.drivers.retry.sleep", lambda _: False)
    wanted = load(smplan.write("toy.yaml", BEHIND), {}, ())
    policy = next(each for each in wanted.resources if each.address == "policy")
    spec = ScalePolicySpec.model_validate(policy.spec).managed_fields()
    record = ResourceState("policy", "red5.scale_policy", "p", encode(spec), {})
    store = LocalStore(smplan.folder / "state" / "toy.state.json")
    with store.lock(HOLDER) as held:
        held.save(State("toy", str(uuid.uuid4()), 0, {"policy": record}))
    for word, planned in ((1, "1 to create"), (1, "No changes where it could be read")):
        smplan.write("toy.yaml", BEHIND.replace("input: 1", f"input: {word}"))
        done = smplan("plan", "toy.yaml", "--detailed-exitcode")
        assert done.code == 12
        assert "? policy: cannot be read, left unchanged: no Stream Manager is in service" in done.out
        assert planned in done.out
        assert "1 resource could not be read" in done.out or "but 1 resource could not" in done.out
        applied = smplan.ok("apply", "--yes")
        assert "The plan was incomplete: it could not read policy. Plan a second time.\n" in applied.out
        assert applied.err.endswith("Next: smplan plan BLUEPRINT   # changes what this one could not read\n")
    done = smplan("drift", "toy.yaml")
    assert done.code == 12
    assert "No drift where it could be read. 1 resource could not be read" in done.out
    done = smplan("drift", "toy.yaml", "--json")
    assert (done.code, [each["address"] for each in done.data]) == (12, ["policy"])
    assert "no Stream Manager is in service" in done.data[0]["unreadable"]


TOPIC = """\
smplan: 1
name: drifting
aws: {region: us-east-1}
resources:
  topic: {kind: aws.sns.topic, spec: {name: NAME, display_name: as applied}}
"""


def test_drift_is_shown_attribute_by_attribute_with_exit_code_11(smplan: Shell, box: Sandbox) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == box.env()["AWS_ENDPOINT_URL"]
    smplan.write("topic.yaml", TOPIC.replace("NAME", f"topic-{uuid.uuid4().hex}"))
    smplan.ok("apply", "topic.yaml", "--yes")
    [entry] = smplan.ok("state", "list", "--json").data
    Aws("us-east-1").write.sns.set_topic_attributes(
        TopicArn=entry["id"], AttributeName="DisplayName", AttributeValue="by hand"
    )
    done = smplan("drift", "topic.yaml")
    assert done.code == 11
    assert 'display_name: was "as applied", is "by hand"' in done.out
    assert done.err == "\nNext: smplan plan topic.yaml   # shows how to undo it\n"
    done = smplan("drift", "topic.yaml", "--json")
    assert done.code == 11
    assert done.err == ""
    assert [change["path"] for change in json.loads(done.out)[0]["changes"]] == ["display_name"]
    smplan.ok("apply", "topic.yaml", "--yes")
    smplan.ok("drift", "topic.yaml")
    smplan.ok("destroy", "topic.yaml", "--yes")
