"""``smplan apply`` and ``destroy``: exactly the plan, after a yes; and how it ends."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smplan.cli import apply, options
from smplan.core.values import PartialValue
from smplan.drivers.base import Progress
from smplan.drivers.core.value import Value, ValueSpec
from smplan.drivers.gate.http import HttpGate, HttpSpec
from smplan.engine import preconditions
from smplan.engine.waiter import CancelToken
from smplan.errors import Expired, Invalid
from smplan.stores.files import Disk
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY, Shell

GATE = """\
smplan: 1
name: toy
resources:
  first: {kind: core.value, spec: {input: 1}}
  gate: {kind: gate.http, spec: {url: "http://127.0.0.1:1/", timeout: 1}, after: [first]}
  last: {kind: core.value, spec: {input: 2}, after: [gate]}
"""


def events(out: str) -> list[str]:
    """The kinds of the events of an NDJSON output."""
    return [json.loads(line)["event"] for line in out.splitlines()]


def test_apply_without_argument_applies_the_last_plan(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml")
    done = smplan.ok("apply", "--yes")
    assert "✓ second: create done" in done.out
    assert 'text = "hello you"' in done.out
    assert done.out.endswith("\nDone. 2 steps completed.\n")
    assert set(smplan.state.resources) == {"first", "second"}


@pytest.mark.parametrize("name", ["toy.yaml", "fleet.json"])
def test_a_blueprint_is_planned_first(smplan: Shell, name: str) -> None:
    smplan.write("fleet.json", '{"smplan": 1, "name": "toy", "resources": {"a": {"kind": "core.value", "spec": {}}}}')
    done = smplan.ok("apply", name, "--yes")
    assert done.out.startswith("Plan for toy")
    assert (smplan.folder / ".smplan" / "plan.json").exists()


def test_apply_json_prints_one_event_per_line(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    done = smplan.ok("apply", "plan.json", "--json", "--yes")
    assert events(done.out) == ["apply_started", *["step_started", "step_completed"] * 2, "apply_ended"]
    assert done.err == ""


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_apply_without_terminal_needs_yes(smplan: Shell, more: tuple[str, ...]) -> None:
    smplan.ok("plan", "toy.yaml")
    done = smplan("apply", *more)
    assert done.code == 1
    assert "  = review the plan with `smplan show`, then add --yes" in done.err
    assert not (smplan.folder / "state").exists()


def test_an_empty_plan_needs_no_yes(smplan: Shell) -> None:
    smplan.applied()
    smplan.ok("plan", "toy.yaml")
    assert "Done. 0 steps" in smplan.ok("apply").out


def test_destroy_deletes_everything(smplan: Shell) -> None:
    smplan.applied()
    done = smplan.ok("destroy", "toy.yaml", "--yes")
    assert "Destroyed. 2 steps" in done.out
    assert smplan.state.resources == {}


def test_destroy_without_terminal_needs_yes(smplan: Shell) -> None:
    smplan.applied()
    assert smplan("destroy", "toy.yaml").code == 1
    assert len(smplan.state.resources) == 2


def test_a_plan_is_applied_once(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("apply", "--yes")
    assert done.code == 4
    assert "applied already" in done.err


def test_a_plan_of_an_earlier_state_is_stale(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "early.json")
    smplan.applied()
    done = smplan("apply", "early.json", "--yes")
    assert done.code == 4
    assert done.err.startswith("error: ")


def test_a_plan_is_applied_within_a_week(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.ok("plan", "toy.yaml")
    text = (smplan.folder / ".smplan" / "plan.json").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(preconditions, "PLAN_TTL", timedelta(days=-1))
        smplan.ok("plan", "toy.yaml", "--out", "late.json")
    done = smplan("apply", "late.json", "--yes")
    assert done.code == 4
    assert "the plan expired at" in done.err
    assert (smplan.folder / ".smplan" / "plan.json").read_text() == text
    smplan.ok("apply", "--yes")


def test_held_lock_is_reported_with_its_holder(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml")
    since = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
    store = LocalStore(smplan.folder / "state" / "toy.state.json")
    with store.lock(LockHolder("anna@desk pid 7", "apply", "run-1", since)):
        done = smplan("apply", "--yes")
        assert done.code == 7
        assert f"is locked by anna@desk pid 7 (apply, run run-1) since {since}" in done.err
        assert smplan("apply", "--yes", "--lock-wait", "0.2").code == 7
    smplan.ok("apply", "--yes")


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make the apply of the toy's second value fail with ``error``."""

    def compute_outputs(spec: ValueSpec) -> Mapping[str, PartialValue]:
        if spec.input == "hello you":
            raise error
        return {"output": spec.input}

    monkeypatch.setattr(Value, "compute_outputs", staticmethod(compute_outputs))


def test_failed_step_is_reported_and_the_next_apply_resumes(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.ok("plan", "toy.yaml")
    with monkeypatch.context() as patch:
        refuse(patch, Invalid("AWS said no", hint="ask it nicely"))
        done = smplan("apply", "--yes")
    assert done.code == 8
    assert "error: AWS said no\n  = ask it nicely\n" in done.err
    assert "1 step failed; 1 done, 0 left. Everything is saved." in done.err
    assert done.err.endswith("Next: smplan apply   # resumes here\n")
    again = smplan.ok("apply", "--yes")
    assert "Resuming: 1 step to do." in again.out
    assert set(smplan.state.resources) == {"first", "second"}


def test_expired_credentials_leave_a_resumable_run(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.ok("plan", "toy.yaml")
    with monkeypatch.context() as patch:
        refuse(patch, Expired("ec2:CreateImage: the token has expired (ExpiredToken)", hint="renew the credentials"))
        done = smplan("apply", "--yes")
    assert done.code == 9
    assert "  = renew the credentials\n" in done.err
    assert "The credentials expired; renew them to resume the run; 1 done, 0 left." in done.err
    assert "Resuming: 1 step to do." in smplan.ok("apply", "--yes").out


def test_errors_go_to_stderr_with_json(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.ok("plan", "toy.yaml")
    refuse(monkeypatch, Invalid("AWS said no"))
    done = smplan("apply", "--yes", "--json")
    assert done.code == 8
    assert events(done.out)[-2:] == ["step_errored", "apply_ended"]
    assert done.err == "error: AWS said no\n"


def test_bug_in_a_driver_is_reported_and_saved_without_secrets(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    smplan.ok("plan", "toy.yaml")
    refuse(monkeypatch, ZeroDivisionError("divided hunter2 by zero"))
    done = smplan("apply", "--yes")
    assert done.code == 1
    assert done.err.count("this is a bug in smplan") == 1
    assert "second: ZeroDivisionError in the driver of core.value" in done.err
    [path] = (smplan.folder / ".smplan").glob("bug-*.txt")
    kept = path.read_text()
    assert "ZeroDivisionError: divided [MY_TOKEN] by zero" in kept
    assert "hunter2" not in kept + done.err + done.out


def test_timed_out_wait_is_reported_and_resumed(smplan: Shell) -> None:
    smplan.write("toy.yaml", GATE)
    smplan.ok("plan", "toy.yaml")
    done = smplan("apply", "--yes")
    assert done.code == 10
    assert "for http://127.0.0.1:1/ to answer 200" in done.err
    assert "1 step failed; 1 done, 1 left." in done.err
    assert "Resuming: 2 steps" in smplan("apply", "--yes").out


def broken(number: int, after: int) -> type[Disk]:
    """A disk that takes ``after`` syncs of files and then fails with ``number``."""

    class Broken(Disk):
        left = after

        def sync(self, descriptor: int) -> None:
            Broken.left -= 1
            if Broken.left < 0:
                raise OSError(number, os.strerror(number))

    return Broken


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("after", range(0, 13, 2))
def test_a_disk_that_fails_during_an_apply_loses_nothing(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    smplan.ok("plan", "toy.yaml")
    with monkeypatch.context() as patch:
        patch.setattr("smplan.stores.local.Disk", broken(number, after))
        done = smplan("apply", "--yes")
    if done.code:
        assert done.code == 1
        assert f"{os.strerror(number)}\n  = " in done.err
        assert done.err.count("error: ") == 1
        again = smplan("apply", "--yes")
        assert again.code == 0 or "applied already" in again.err  # all was written, and then the disk failed
    assert set(smplan.state.resources) == {"first", "second"}


@pytest.mark.parametrize(
    ("name", "content"), [("toy.state.json", b""), ("toy.state.json", b"{}"), ("toy.journal.jsonl", b"\xff\n")]
)
def test_unreadable_state_is_reported_and_not_changed(smplan: Shell, name: str, content: bytes) -> None:
    smplan.applied()
    path = smplan.folder / "state" / name
    path.write_bytes(content)
    for command in (("plan", "toy.yaml"), ("apply", "toy.yaml", "--yes"), ("state", "list")):
        done = smplan(*command)
        assert done.code == 1
        assert name in done.err
        assert done.err.count("error: ") == 1
    assert path.read_bytes() == content


def test_directory_in_place_of_the_state_is_reported(smplan: Shell) -> None:
    (smplan.folder / "state" / "toy.state.json").mkdir(parents=True)
    done = smplan("plan", "toy.yaml")
    assert done.code == 1
    assert "toy.state.json" in done.err


def test_file_in_place_of_the_state_directory_is_reported(smplan: Shell, tmp_path: Path) -> None:
    smplan.ok("plan", "toy.yaml")
    smplan.write("state", "in the way")
    done = smplan("apply", "--yes")
    assert done.code == 1
    assert "state" in done.err


def test_a_state_file_may_be_elsewhere(smplan: Shell) -> None:
    smplan.write("toy.yaml", TOY.replace("name: toy", "name: toy\nstate: {backend: local, path: deep/er/s.json}"))
    smplan.applied()
    assert (smplan.folder / "deep" / "er" / "s.json").exists()
    assert smplan.ok("output", "text").out == "hello you\n"


class Keyboard(io.StringIO):
    """A terminal with typed input."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 9), ("", 9)])
def test_confirmation_decides_whether_to_apply(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    smplan.ok("plan", "toy.yaml")
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    done = smplan("apply")
    assert done.code == code
    assert "Apply these 2 steps? [y/N]: " in done.out
    assert ("stopped; nothing was changed" in done.err) == bool(code)
    assert (smplan.folder / "state").exists() == (code == 0)


def press_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next prompt be answered with Ctrl-C."""

    class Interrupted(Keyboard):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())


def decline(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Let the next prompt be declined."""
    if how == "Ctrl-C":
        press_ctrl_c(monkeypatch)
    else:
        monkeypatch.setattr(sys, "stdin", Keyboard(how))


DECLINES = pytest.mark.parametrize("how", ["n\n", "\n", "", "Ctrl-C"])


@DECLINES
def test_a_declined_plan_is_not_what_a_bare_apply_takes(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    smplan.ok("plan", "toy.yaml")
    decline(monkeypatch, how)
    declined = smplan("apply")
    assert declined.code == 9
    assert "The declined plan is now .smplan/declined.json; `smplan apply` no longer applies it." in declined.err
    bare = smplan("apply", "--yes")
    assert bare.code == 1
    assert bare.err.splitlines() == [
        "error: there is no plan in .smplan/plan.json: the last one was declined, and is now .smplan/declined.json",
        "  = make a new one with `smplan plan BLUEPRINT`",
    ]
    assert not (smplan.folder / "state").exists()
    smplan.ok("plan", "toy.yaml")
    assert not (smplan.folder / ".smplan" / "declined.json").exists()
    smplan.ok("apply", "--yes")


@DECLINES
def test_a_declined_destroy_leaves_nothing_that_a_later_command_carries_out(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    smplan.applied()
    decline(monkeypatch, how)
    assert smplan("destroy", "toy.yaml").code == 9
    assert smplan("apply", "--yes").code == 4  # the plan from before, applied already
    assert set(smplan.state.resources) == {"first", "second"}
    assert [path.name for path in (smplan.folder / ".smplan").iterdir()] == ["plan.json"]


@DECLINES
def test_a_blueprint_that_was_declined_is_not_applied_by_an_earlier_plan_of_it(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    for earlier in ((), ("plan", "toy.yaml")):
        if earlier:
            smplan.ok(*earlier)
        decline(monkeypatch, how)
        assert smplan("apply", "toy.yaml").code == 9
        assert smplan("apply", "--yes").code == 1
        assert not (smplan.folder / "state").exists()


def test_a_plan_declined_by_its_name_is_declined_under_its_default_name_too(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.ok("plan", "toy.yaml")
    smplan.write("copy.json", (smplan.folder / ".smplan" / "plan.json").read_text())
    decline(monkeypatch, "n\n")
    assert smplan("apply", "copy.json").code == 9
    assert "was declined" in smplan("apply", "--yes").err


def test_a_decline_leaves_the_plan_of_another_state(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.write("other.yaml", TOY.replace("name: toy", "name: other"))
    smplan.ok("plan", "toy.yaml")
    decline(monkeypatch, "n\n")
    assert "declined plan" not in smplan("apply", "other.yaml").err
    smplan.ok("apply", "--yes")


@pytest.mark.parametrize("command", [("apply", "toy.yaml"), ("destroy", "toy.yaml"), ("apply",)])
@pytest.mark.parametrize("closed", [True, False])
def test_without_an_answer_nothing_is_saved_that_was_not_planned(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], closed: bool
) -> None:
    smplan.applied()
    smplan.write("toy.yaml", TOY.replace("hello", "goodbye"))
    if command == ("apply",):
        smplan.ok("plan", "toy.yaml")
    saved = (smplan.folder / ".smplan" / "plan.json").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", None if closed else io.StringIO("y\n"))
        done = smplan(*command)
    assert done.code == 1
    assert "cannot prompt: standard input is not a terminal" in done.err
    assert (smplan.folder / ".smplan" / "plan.json").read_text() == saved
    assert not (smplan.folder / ".smplan" / "destroy.json").exists()


def test_a_plan_to_destroy_is_applied_only_by_its_name(smplan: Shell) -> None:
    smplan.applied()
    planned = smplan.ok("plan", "toy.yaml", "--destroy")
    assert planned.err == "\nNext: smplan apply .smplan/plan.json\n"
    bare = smplan("apply", "--yes")
    assert bare.code == 6
    assert "the last saved plan, .smplan/plan.json, deletes everything: it is applied only by its name" in bare.err
    assert "  = delete everything with `smplan apply .smplan/plan.json`, or make another plan" in bare.err
    assert set(smplan.state.resources) == {"first", "second"}
    assert "Destroyed. 2 steps" in smplan.ok("apply", ".smplan/plan.json", "--yes").out


def test_a_plan_to_destroy_saved_elsewhere_is_applied_from_there(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("plan", "toy.yaml", "--destroy", "--out", "end.json").err.endswith("smplan apply end.json\n")
    assert smplan("apply", "--yes").code == 4
    assert "Destroyed. 2 steps" in smplan.ok("apply", "end.json", "--yes").out


def test_a_destroy_that_failed_is_resumed_by_the_name_of_its_plan(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.applied()
    with monkeypatch.context() as patch:
        patch.setattr("smplan.stores.local.Disk", broken(errno.EIO, 1))
        assert smplan("destroy", "toy.yaml", "--yes").code == 1
    assert smplan("apply", "--yes").code != 0
    assert set(smplan.state.resources) == {"first", "second"}
    assert "Destroyed. 2 steps" in smplan.ok("apply", ".smplan/destroy.json", "--yes").out


def test_destroy_is_confirmed_with_its_own_word(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.applied()
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    assert "Destroy these 2 steps?" in smplan.ok("destroy", "toy.yaml").out


def test_the_prompt_counts_the_risks(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.applied()
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    shown = smplan.ok("destroy", "toy.yaml", "--abandon", "first", "--abandon", "second").out
    assert "Destroy these 2 steps, with 2 risks (2 left behind)?" in shown


def test_live_table_is_shown_on_a_terminal(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "color", lambda: True)
    smplan.ok("plan", "toy.yaml")
    assert "✓ second: create done" in smplan.ok("apply", "--yes").out


def test_interrupted_run_is_reported_with_the_steps_left(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.write("toy.yaml", GATE.replace("timeout: 1", "timeout: 600"))
    smplan.ok("plan", "toy.yaml")
    signals = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    wait_ready = HttpGate.wait_ready

    def waited(self: HttpGate, id: str, spec: HttpSpec) -> Iterator[Progress]:
        signals.start()
        return wait_ready(self, id, spec)

    monkeypatch.setattr(HttpGate, "wait_ready", waited)
    done = smplan("apply", "--yes")
    assert done.code == 9
    assert "Interrupted; 1 done, 2 left. Everything is saved." in done.err


class Left(BaseException):
    """The process would have ended here."""


@pytest.mark.parametrize("terminal", [True, False])
def test_signals_cancel_then_drain_then_exit(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    def leave(code: int) -> None:
        raise Left(code)

    written: list[bytes] = []
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(os, "write", lambda _, words: written.append(words))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    stop = CancelToken()
    with apply._signals(stop), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert stop.cancelled
    stop = CancelToken()
    with apply._signals(stop) as begun:
        begun()
        signal.raise_signal(signal.SIGTERM)
        assert stop.cancelled
        with pytest.raises(Left, match="9"):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    assert (b"\x1b[?25h" in written) == terminal
