"""``smplan state``: listing, showing, earlier states, copies, and moving."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smplan.cli.plan_file import read_plan
from smplan.core.state.journal import RunBegan, RunEnded, StepIntent
from smplan.core.state.model import ResourceState
from smplan.stores import codec
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY, Shell
from tests.cli.fakes import HOLDER, Terminal, in_s3

EMPTY = "nothing was applied yet; there is no state in state/toy.state.json"


def test_the_state_is_listed_and_shown(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("state", "list").out == "first   core.value  first\nsecond  core.value  second\n"
    shown = smplan.ok("state", "show", "second").out
    assert shown.startswith("second  core.value\n")
    assert '    input: "hello you"' in shown


def test_the_state_as_json_is_json_alone(smplan: Shell) -> None:
    smplan.applied()
    listed = smplan.ok("state", "list", "--json")
    assert [entry["address"] for entry in listed.data] == ["first", "second"]
    assert smplan.ok("state", "show", "second", "--json").data == listed.data[1]


@pytest.mark.parametrize(
    ("address", "hint"), [("secnd", "did you mean `second`?"), ("xyz", "list the addresses with `smplan state list`")]
)
def test_missing_address_is_reported_with_the_nearest_one(smplan: Shell, address: str, hint: str) -> None:
    smplan.applied()
    done = smplan("state", "show", address)
    assert (done.code, done.err) == (1, f"error: the state has nothing at `{address}`\n  = {hint}\n")


@pytest.mark.parametrize("command", ["list", "history", "pull"])
def test_before_the_first_apply_there_is_no_state(smplan: Shell, command: str) -> None:
    smplan.ok("plan", "toy.yaml")
    done = smplan("state", command)
    assert done.code == 1
    assert EMPTY in done.err


def applied_twice(smplan: Shell) -> str:
    """The id of the plan applied last."""
    smplan.applied()
    smplan.ok("plan", "toy.yaml", "--var", "word=bye")
    smplan.ok("apply", "--yes")
    return read_plan(None).id


def test_history_lists_time_and_plan_newest_first(smplan: Shell) -> None:
    plan = applied_twice(smplan)
    done = smplan.ok("state", "history")
    head, present, before, first = done.out.splitlines()
    assert head.split() == ["serial", "saved", "plan", "resources"]
    assert present.split()[0] == "3"
    assert plan in present
    assert present.endswith("2          now")
    assert before.split()[0] == "2"
    assert first.split()[2:] == ["-", "0"]
    assert done.err == "\nNext: smplan state pull --serial 2 --out FILE   # a copy of an earlier one\n"


def test_the_history_as_json_is_json_alone(smplan: Shell) -> None:
    plan = applied_twice(smplan)
    done = smplan.ok("state", "history", "--json")
    assert done.err == ""
    assert [each["serial"] for each in done.data] == [3, 2, 1]
    assert done.data[0]["plan"] == plan


def test_damaged_earlier_state_is_marked_in_its_line(smplan: Shell) -> None:
    applied_twice(smplan)
    for serial in (1, 2):
        (smplan.folder / "state" / "toy.history" / f"0000000{serial}.json").write_text("rotten")
    done = smplan.ok("state", "history")
    assert "the state with serial 2 is damaged" in done.out
    assert done.err == ""


def test_a_pulled_state_can_be_put_in_place_of_a_lost_one(smplan: Shell) -> None:
    smplan.applied()
    before = smplan.ok("state", "list").out
    done = smplan.ok("state", "pull", "--out", "backup.json")
    assert (done.out, done.err) == ("", "Written to backup.json.\n")
    backup = smplan.folder / "backup.json"
    assert backup.stat().st_mode & 0o777 == 0o600
    backup.replace(smplan.folder / "state" / "toy.state.json")
    assert smplan.ok("state", "list").out == before
    smplan.ok("plan", "toy.yaml", "--detailed-exitcode")  # nothing to do


def test_a_pulled_state_is_the_stored_document(smplan: Shell) -> None:
    smplan.applied()
    document = (smplan.folder / "state" / "toy.state.json").read_text()
    done = smplan.ok("state", "pull")
    assert (done.out, done.err) == (document, "")


def test_an_earlier_state_is_pulled_by_its_serial(smplan: Shell) -> None:
    applied_twice(smplan)
    for serial in (1, 2, 3):
        document = smplan.ok("state", "pull", "--serial", serial).out
        assert codec.decode_state(document.encode(), "it").state.serial == serial
    done = smplan("state", "pull", "--serial", "9")
    assert (done.code, done.err) == (1, "error: the state with serial 9 is not kept\n  = the serials kept are: 2, 1\n")


def test_no_file_is_overwritten_by_a_pull(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("state", "pull", "--out", "toy.yaml")
    assert done.code == 1
    assert "toy.yaml exists already" in done.err
    assert (smplan.folder / "toy.yaml").read_text() == TOY


def test_pulled_state_includes_an_unfinished_run_and_says_so(smplan: Shell) -> None:
    smplan.applied()
    path = smplan.folder / "state" / "toy.state.json"
    with LocalStore(path).lock(HOLDER) as held:
        lost = StepIntent("s1", "create", ResourceState("third", "core.value", "", {}, {}))
        held.append([RunBegan("r1", "the-plan", "d", 2, ""), lost, RunEnded("r1", "failed", {}, "")])
    done = smplan.ok("state", "pull")
    assert "a run of plan the-plan is unfinished" in done.err
    stored = codec.decode_state(done.out.encode(), "it")
    assert stored.state.serial == 3
    assert stored.pending_creates == (lost,)
    path.write_text(done.out)  # its journal is still there, and builds on an earlier state
    assert LocalStore(path).read().entries == (lost,)


def test_a_state_moves_to_s3_and_back(smplan: Shell, bucket: str) -> None:
    applied_twice(smplan)
    listed, past = smplan.ok("state", "list").out, smplan.ok("state", "history").out
    done = smplan.ok("state", "move", "--to", f"s3://{bucket}/k/toy.json", "--yes")
    assert done.out == (
        f"The state is now in s3://{bucket}/k/toy.json. Put this into the blueprint:\n\n"
        f'state: {{backend: s3, bucket: "{bucket}", key: "k/toy.json"}}\n'
    )
    assert "backed up: state/toy.state.json.moved" in done.err
    refused = smplan("plan", "toy.yaml")
    assert refused.code == 1
    assert f"the state was moved from state/toy.state.json to s3://{bucket}/k/toy.json at" in refused.err
    assert f'= write `state: {{backend: s3, bucket: "{bucket}", key: "k/toy.json"}}` into' in refused.err
    smplan.write("toy.yaml", in_s3(bucket))
    assert smplan.ok("state", "list", "-b", "toy.yaml").out == listed
    assert smplan.ok("state", "history", "-b", "toy.yaml").out == past
    smplan.ok("plan", "toy.yaml", "--var", "word=bye", "--detailed-exitcode")  # nothing to do
    smplan.ok("state", "move", "-b", "toy.yaml", "--to", "state/toy.state.json", "--yes")
    smplan.write("toy.yaml", TOY)
    assert smplan.ok("state", "list", "-b", "toy.yaml").out == listed


def test_interrupted_move_is_completed_from_either_blueprint(smplan: Shell) -> None:
    smplan.applied()
    store = LocalStore(Path("state/toy.state.json"))
    found = store.read()
    assert found.stored is not None
    smplan.ok("state", "move", "--to", "new/toy.state.json", "--yes")
    marker = store.read_unchecked().marker
    assert marker is not None
    coming = codec.encode_incoming(
        type(marker)(True, marker.move, marker.source, marker.target, marker.lineage, marker.at),
        found.stored,
        (),
        found.saved,
    )
    (smplan.folder / "new" / "toy.state.json").write_bytes(coming)
    smplan.write(
        "toy.yaml", TOY.replace("name: toy\n", "name: toy\nstate: {backend: local, path: new/toy.state.json}\n")
    )
    done = smplan("state", "list", "-b", "toy.yaml")
    assert done.code == 1
    assert "run `smplan state move --to new/toy.state.json` again" in done.err
    smplan.ok("state", "move", "-b", "toy.yaml", "--to", "./new/toy.state.json", "--yes")
    assert smplan.ok("state", "list", "-b", "toy.yaml").out.startswith("first")


def test_state_cannot_be_moved_onto_itself(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("state", "move", "--to", "./state/toy.state.json", "--yes")
    assert (done.code, "the state is in state/toy.state.json already" in done.err) == (6, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--to", "s3://bucket"), "`s3://bucket` is not s3://bucket/key"),
        (("--to", "s3://bucket/"), "is not s3://bucket/key"),
        (("--to", "folder"), "is not the path of a state file"),
        (("--to", "x.state.json", "--kms-key-id", "k", "--region", "r"), "is a file: it has no region or kms_key_id"),
    ],
)
def test_invalid_destination_is_reported(smplan: Shell, arguments: tuple[str, ...], expected: str) -> None:
    smplan.applied()
    done = smplan("state", "move", "--yes", *arguments)
    assert done.code == 1
    assert expected in done.err


def test_the_stanza_names_region_and_key_if_they_were_given(smplan: Shell, bucket: str) -> None:
    smplan.applied()
    more = ("--region", "us-east-1", "--kms-key-id", "alias/state")
    done = smplan.ok("state", "move", "--to", f"s3://{bucket}/toy", "--yes", *more)
    assert 'key: "toy", region: "us-east-1", kms_key_id: "alias/state"}' in done.out


def test_move_without_terminal_needs_yes(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("state", "move", "--to", "b.state.json")
    assert done.code == 1
    assert "cannot prompt" in done.err
    assert smplan.ok("state", "list").out.startswith("first")


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 9)])
def test_move_is_confirmed(smplan: Shell, answer: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.applied()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    done = smplan("state", "move", "--to", "b.state.json")
    assert done.code == code
    assert "Move the state from state/toy.state.json to b.state.json?" in done.err
    assert (smplan.folder / "b.state.json").exists() == (code == 0)
