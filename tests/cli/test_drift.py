"""``smplan drift`` and ``output``, and how the state is found."""

from __future__ import annotations

import json
import os
import uuid

from smplan.drivers.aws.client import Aws
from smplan.sandbox.sandbox import Sandbox
from tests.cli.conftest import TOY, Shell


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
