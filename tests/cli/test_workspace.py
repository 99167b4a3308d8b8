"""The workspace: one place for plans and local state, whatever the working directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from smplan.cli.workspace import workspace_of
from tests.cli.conftest import TOY, Shell


def git(folder: Path) -> None:
    """Make ``folder`` the top of a work tree."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def marked(folder: Path) -> None:
    """Mark ``folder`` as a workspace."""
    (folder / "smplan.toml").touch()


def test_a_workspace_is_marked_else_a_work_tree_else_the_folder_itself(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    assert workspace_of(folder) == folder
    git(tmp_path / "a")
    assert workspace_of(folder) == tmp_path / "a"
    marked(tmp_path)
    assert workspace_of(folder) == tmp_path
    marked(tmp_path / "a" / "b")
    assert workspace_of(folder) == tmp_path / "a" / "b"
    marked(folder)
    assert workspace_of(folder) == folder


@pytest.mark.parametrize("make", [git, marked, lambda _: None])
def test_the_same_blueprint_finds_the_same_state_from_every_folder(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    make(smplan.folder)
    below = smplan.folder / "fleets" / "live"
    below.mkdir(parents=True)
    elsewhere = smplan.folder.parent / f"{smplan.folder.name}-elsewhere"
    elsewhere.mkdir()
    smplan.applied()
    state = smplan.folder / "state" / "toy.state.json"
    (below / "link").symlink_to(smplan.folder)
    for folder in (below, elsewhere, smplan.folder):
        monkeypatch.chdir(folder)
        for blueprint in (smplan.folder / "toy.yaml", Path(os.path.relpath(smplan.folder / "toy.yaml", folder))):
            planned = smplan.ok("plan", blueprint, "--detailed-exitcode")
            assert "No changes" in planned.out
            assert f"State: {state}, serial" in planned.out
            assert smplan.ok("state", "list", "-b", blueprint).out.startswith("first")
            smplan.ok("drift", blueprint)
        assert not [each.name for each in folder.iterdir() if each.name == ".smplan" and folder != smplan.folder]
    monkeypatch.chdir(below)
    linked = smplan.ok("plan", "link/toy.yaml", "--detailed-exitcode")
    assert f"State: {state}, serial" in linked.out


def test_a_blueprint_below_the_top_of_the_work_tree_shares_its_workspace(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(smplan.folder)
    below = smplan.folder / "fleets"
    below.mkdir()
    (below / "toy.yaml").write_text(TOY)
    monkeypatch.chdir(below)
    assert smplan.ok("plan", "toy.yaml").err == "\nNext: smplan apply\n"
    smplan.ok("apply", "--yes")
    assert sorted(path.name for path in below.iterdir()) == ["toy.yaml"]
    assert set(smplan.state.resources) == {"first", "second"}
    monkeypatch.chdir(smplan.folder)
    assert "No changes" in smplan.ok("plan", "fleets/toy.yaml").out
    assert smplan.ok("output", "text").out == "hello you\n"


def test_a_plan_of_another_workspace_is_named_in_what_to_type(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    planned = smplan.ok("plan", smplan.folder / "toy.yaml")
    plan = smplan.folder / ".smplan" / "plan.json"
    assert planned.err == f"\nNext: smplan apply {plan}\n"
    assert "there is no plan" in smplan("apply", "--yes").err
    smplan.ok("apply", plan, "--yes")
    assert set(smplan.state.resources) == {"first", "second"}
    smplan.ok("destroy", smplan.folder / "toy.yaml", "--yes")
    assert smplan.state.resources == {}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def with_path(path: str) -> str:
    """The toy with its state in ``path``."""
    return TOY.replace("name: toy\n", f"name: toy\nstate: {{backend: local, path: {path!r}}}\n")


COMMANDS = ("validate", "plan", "drift", "graph", "destroy", "apply", "doctor")


@pytest.mark.parametrize("path", ["../outside/x.json", "OUT/x.json", "link/x.json", "link/new/x.json", ".git/x.json"])
def test_a_state_outside_the_workspace_is_refused_and_nothing_is_touched(
    smplan: Shell, tmp_path: Path, path: str
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "x.json").write_text("{}")
    (outside / "x.json").chmod(0o644)
    (smplan.folder / "link").symlink_to(outside)
    path = path.replace("OUT", str(outside)).replace("../outside", f"../{outside.name}")
    smplan.write("toy.yaml", with_path(path))
    for command in COMMANDS:
        done = smplan(command, "toy.yaml")
        assert done.code in (1, 3)
        words = "".join((done.out + done.err).split())
        assert "isnotintheworkspace" in words or command == "doctor"
    assert [each.name for each in outside.iterdir()] == ["x.json"]
    assert ((outside / "x.json").read_text(), (outside / "x.json").stat().st_mode & 0o777) == ("{}", 0o644)
    assert not (smplan.folder / ".git").exists()


@pytest.mark.parametrize("path", ["package.txt", ".", "..", "a/..", "loop/x.json"])
def test_a_path_that_is_no_state_file_is_refused(smplan: Shell, path: str) -> None:
    (smplan.folder / "loop").symlink_to(smplan.folder / "loop")
    smplan.write("toy.yaml", with_path(path))
    done = smplan("plan", "toy.yaml")
    assert done.code == 3
    assert "state file" in done.err


def test_the_folder_of_states_may_not_lead_out_of_the_workspace(smplan: Shell, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (smplan.folder / "state").symlink_to(outside)
    for command in COMMANDS:
        assert smplan(command, "toy.yaml").code in (1, 3)
    assert list(outside.iterdir()) == []


def test_the_environment_allows_further_folders(smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    smplan.write("toy.yaml", with_path(f"{outside}/deep/x.json"))
    refused = smplan("plan", "toy.yaml")
    assert f"export SMPLAN_STATE_FOLDERS={outside}/deep" in refused.err
    monkeypatch.setenv("SMPLAN_STATE_FOLDERS", f"relative::{outside}")
    smplan.applied()
    assert (outside / "deep" / "x.json").exists()
    assert smplan.ok("state", "list", "-b", "toy.yaml").out.startswith("first")


def test_a_state_is_moved_only_where_a_blueprint_may_name_it(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.applied()
    target = tmp_path.parent / f"{tmp_path.name}-outside" / "x.json"
    refused = smplan("state", "move", "--to", target, "--yes")
    assert (refused.code, "is not in the workspace" in refused.err) == (1, True)
    monkeypatch.setenv("SMPLAN_STATE_FOLDERS", str(target.parent))
    assert f'state: {{backend: local, path: "{target}"}}' in smplan.ok("state", "move", "--to", target, "--yes").out


def test_a_path_on_the_command_line_is_relative_to_the_current_folder(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.applied()
    (smplan.folder / "deep").mkdir()
    monkeypatch.chdir(smplan.folder / "deep")
    moved = smplan.ok("state", "move", "-b", "../toy.yaml", "--to", "x.json", "--yes")
    assert 'state: {backend: local, path: "deep/x.json"}' in moved.out
    assert (smplan.folder / "deep" / "x.json").exists()


@pytest.mark.parametrize("name", ["package.json", "toy.lock"])
def test_a_file_that_is_no_state_is_left_as_it_is(smplan: Shell, name: str) -> None:
    smplan.write("toy.yaml", with_path(f"{name.partition('.')[0]}.json"))
    path = smplan.write(name, '{"name": "a package"}')
    path.chmod(0o644)
    for command in (*COMMANDS, "apply"):
        smplan(command, "toy.yaml", *(("--yes",) if command in ("apply", "destroy") else ()))
    assert (path.read_text(), path.stat().st_mode & 0o777) == ('{"name": "a package"}', 0o644)


def test_a_saved_plan_cannot_name_a_state_outside_either(smplan: Shell, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "toy.yaml").write_text(TOY)
    smplan.ok("plan", outside / "toy.yaml", "--out", smplan.folder / ".smplan" / "plan.json")
    for command in (("state", "list"), ("lock", "show"), ("output",), ("doctor", "--state")):
        done = smplan(*command)
        assert done.code == 1
        assert "there is no state here" in done.out + done.err, "the plan was made for another workspace"
