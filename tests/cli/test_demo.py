"""``smplan demo``: its course; the whole job on a real sandbox is tested where the blueprints are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from smplan.cli import demo
from tests.cli.conftest import TOY, Shell
from tests.cli.fakes import Control


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Control:
    """A sandbox that starts nothing, and a toy for the blueprint that the demo shows."""
    made = Control()
    toy = tmp_path / "starter.yaml"
    toy.write_text(TOY.replace("first", "node_group"))
    monkeypatch.setattr(demo, "sandbox_process", lambda: made)
    monkeypatch.setattr(demo, "starter", lambda: toy)
    return made


def holding(*found: set[str]) -> Callable[[Mapping[str, str]], set[str]]:
    """An inventory that finds this, look by look."""
    looks = iter(found)
    return lambda env: next(looks)


def test_the_demo_shows_the_whole_job(
    control: Control, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "inventory", holding({"vpc vpc-1"}, {"vpc vpc-1"}))
    demo.demo(speed=90)
    out, err = capfd.readouterr()
    shown = [line for line in out.splitlines() if line.startswith("$ ")]
    assert shown == [
        "$ smplan sandbox start --speed 90",
        "$ smplan plan stream-manager.yaml",
        "$ smplan apply --yes",
        "$ smplan plan stream-manager.yaml --detailed-exitcode",
        "$ smplan state show node_group",
        "$ smplan output",
        "$ smplan destroy stream-manager.yaml --yes",
    ]
    assert "No changes" in out
    assert "Destroyed." in out
    assert "Only the prerequisites are left." in out
    assert "smplan init" in err
    assert control.started[0][0] == 90
    assert control.running is None
    assert not control.started[0][1].exists()


def test_what_is_left_behind_is_told(smplan: Shell, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "inventory", holding(set(), {"alarm cpu"}))
    monkeypatch.setattr(demo, "tour", lambda folder, env: None)
    done = smplan("demo")
    assert done.code == 1
    assert "error: left behind: alarm cpu" in done.err
    assert control.running is None


def test_a_command_that_fails_ends_the_demo_and_the_sandbox(
    smplan: Shell, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "inventory", holding(set()))
    failed = SimpleNamespace(returncode=8)
    monkeypatch.setattr(demo, "subprocess", SimpleNamespace(run=lambda *_, **__: failed))
    done = smplan("demo")
    assert done.code == 1
    assert "error: `smplan plan stream-manager.yaml` exited with 8" in done.err
    assert control.running is None


def test_the_inventory_is_the_sandboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    from smplan import sandbox

    module = SimpleNamespace(inventory=lambda env: {f"topic {env['X']}"})
    monkeypatch.setitem(sys.modules, "smplan.sandbox.inventory", module)
    monkeypatch.setattr(sandbox, "inventory", module, raising=False)
    assert demo.inventory({"X": "t"}) == {"topic t"}


def test_a_command_of_the_demo_is_run_in_its_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    demo.run(tmp_path, {}, "validate", "toy.yaml")
    assert "toy.yaml is valid" in capfd.readouterr().out
