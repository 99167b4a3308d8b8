"""``smplan sandbox`` over a process control that starts nothing; the real one has tests of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from smplan.cli import sandbox
from tests.cli.conftest import Shell
from tests.cli.fakes import Control


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Control:
    """A process control for the commands to use."""
    made = Control()
    monkeypatch.setattr(sandbox, "sandbox_process", lambda: made)
    return made


def test_a_sandbox_is_started_told_of_and_stopped(smplan: Shell, control: Control) -> None:
    done = smplan.ok("sandbox", "start", "--speed", "120")
    assert "at http://127.0.0.1:5000, 120 times faster" in done.out
    assert done.err == '\nNext: eval "$(smplan sandbox env)"\n'
    assert control.started == [(120, Path(".smplan"))]
    assert "(pid 77)" in smplan.ok("sandbox", "status").out
    assert smplan.ok("sandbox", "status", "--json").data == {"running": True, "pid": 77}
    assert "A new sandbox is running at" in smplan.ok("sandbox", "reset").out
    assert smplan.ok("sandbox", "stop").out == "The sandbox is stopped.\n"
    assert smplan.ok("sandbox", "stop").out == "No sandbox was running.\n"


def test_the_environment_can_be_evaluated_by_a_shell(smplan: Shell, control: Control) -> None:
    smplan.ok("sandbox", "start")
    assert smplan.ok("sandbox", "env").out == (
        "export AWS_ENDPOINT_URL=http://127.0.0.1:5000\nexport RED5_ADMIN_TOKEN='it'\"'\"'s'\n"
    )


def test_without_a_sandbox_that_is_told(smplan: Shell, control: Control) -> None:
    done = smplan("sandbox", "status")
    assert (done.code, done.out) == (1, "No sandbox is running here.\n")
    assert smplan("sandbox", "status", "--json").data == {"running": False, "pid": None}
    done = smplan("sandbox", "env")
    assert (done.code, done.err, done.out) == (
        1,
        "error: no sandbox is running here\n  = start one with `smplan sandbox start`\n",
        "",
    )


def test_a_sandbox_slower_than_time_is_refused(smplan: Shell, control: Control) -> None:
    assert smplan("sandbox", "start", "--speed", "0.5").code == 1
    assert control.started == []


def test_the_real_process_control_is_used(smplan: Shell) -> None:
    assert smplan("sandbox", "status").out == "No sandbox is running here.\n"


def test_without_its_extra_the_sandbox_says_how_to_get_it(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "moto" else find(name))
    for command in (("sandbox", "start"), ("demo",)):
        done = smplan(*command)
        assert (done.code, done.err) == (
            1,
            "error: the sandbox is not installed\n  = install it with: pip install 'smplan[sandbox]'\n",
        )
