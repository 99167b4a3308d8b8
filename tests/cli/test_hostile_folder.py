"""A blueprint in a folder of unknown origin: nothing of it is executed, followed out of it, or read without end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smplan.core.state.model import ResourceState, State
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY, Shell
from tests.cli.process import COMMAND, TIMEOUT, environment
from tests.cli.watched import Watched, watched
from tests.drivers.red5.server import serving

BEFORE_APPROVAL = (
    ("validate", "toy.yaml"),
    ("graph", "toy.yaml"),
    ("plan", "toy.yaml"),
    ("show",),
    ("drift", "toy.yaml"),
    ("doctor", "toy.yaml"),
)
CANARY = "canary-of-the-outside"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of unknown origin with the toy; beside it `outside`, which no command may read or change."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary.json").write_text(CANARY)
    (outside / "canary.yaml").write_text(f"smplan: 1\nname: {CANARY}\n")
    made = tmp_path / "folder"
    made.mkdir()
    (made / "toy.yaml").write_text(TOY)
    return made


def register() -> Path:
    """Where the plans that this user makes are recorded."""
    return Path(os.environ["XDG_STATE_HOME"]) / "smplan"


def contained(folder: Path, *, env: dict[str, str] | None = None, connects: tuple[str, ...] = ()) -> Watched:
    """Run every command that comes before an approval; check that none of them leaves the folder."""
    outside = folder.parent / "outside"
    before = {path: (path.read_bytes(), path.stat().st_mode) for path in outside.iterdir()}
    done = watched(folder, *BEFORE_APPROVAL, env=env)
    assert done.executed == []
    assert [each for each in done.connected if not each.startswith(connects or ("-",))] == []
    assert {path for path in done.read if path.is_relative_to(outside)} == set()
    own = {folder / ".smplan", folder / "state", register()}
    assert {path for path in done.changed if not any(path.is_relative_to(each) for each in own)} == set()
    assert CANARY not in done.output
    assert {path: (path.read_bytes(), path.stat().st_mode) for path in outside.iterdir()} == before
    return done


def test_commands_before_an_approval_stay_in_their_folder(folder: Path) -> None:
    done = contained(folder)
    assert done.codes == [0, 0, 0, 0, 0, 1]  # doctor: no credentials
    assert folder / "toy.yaml" in done.read
    assert folder / ".smplan" / "plan.json" in done.changed
    outside = {path.parent for path in done.changed if not path.is_relative_to(register())}
    assert outside <= {folder, folder / ".smplan", folder / "state"}


GIT = {
    "config": "[core]\n\tfsmonitor = touch executed\n\thooksPath = .\n[include]\n\tpath = ../../outside/canary.json\n",
    "hooks/post-index-change": "#!/bin/sh\ntouch executed\n",
    "HEAD": "ref: refs/heads/../../../../outside/canary.json\n",
}


def test_git_configuration_hooks_and_refs_are_not_obeyed(folder: Path) -> None:
    for name, text in GIT.items():
        path = folder / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    done = contained(folder)
    assert done.codes[:5] == [0] * 5
    assert folder / ".git" / "config" not in done.read
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("what", ["link", "file", "pipe"])
def test_a_git_folder_that_leads_elsewhere_is_not_followed(folder: Path, what: str) -> None:
    (folder.parent / "outside" / "HEAD").write_text("0" * 40)
    if what == "link":
        (folder / ".git").symlink_to(folder.parent / "outside")
    elif what == "file":
        (folder / ".git").write_text(f"gitdir: {folder.parent / 'outside'}\n")
    else:
        os.mkfifo(folder / ".git")
    outside = folder.parent / "outside"
    done = watched(folder, *BEFORE_APPROVAL)
    assert done.codes[:5] == [0] * 5
    assert outside / "HEAD" not in done.read
    assert "0" * 40 not in done.output


@pytest.mark.parametrize(
    "link",
    ["state", "state/toy.state.json", "state/toy.journal.jsonl", "state/toy.lock", ".smplan", ".smplan/plan.json"],
)
def test_links_in_the_place_of_state_and_plans_are_not_followed(folder: Path, link: str) -> None:
    path = folder / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(folder.parent / "outside" / ("canary.json" if "." in path.name[1:] else ""))
    done = contained(folder)
    assert done.codes[:2] == [0, 0] or done.codes[:2] == [3, 3]
    assert path.is_symlink()


@pytest.mark.parametrize(
    "state", ["../outside/canary.json", "/etc/passwd.json", ".git/x.json", "..", ".", "state/\u0000.json"]
)
def test_a_state_path_outside_the_workspace_is_refused(folder: Path, state: str) -> None:
    (folder / "toy.yaml").write_text(f"{TOY}state: {{path: {json.dumps(state)}}}\n")
    done = contained(folder)
    assert set(done.codes) <= {1, 3}
    assert not (folder / ".smplan").exists()


@pytest.mark.parametrize("name", [".", "..", "a/b", "../x", "", "a\\b", ".smplan"])
def test_names_that_are_paths_are_refused(folder: Path, name: str) -> None:
    (folder / "toy.yaml").write_text(TOY.replace("name: toy", f"name: {json.dumps(name)}"))
    assert contained(folder).codes[:3] == [3, 3, 3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".env", "is hidden"),
        ("sub/../.env", "is hidden"),
        (".ssh/key", "is hidden"),
        ("inner", "is hidden"),
        ("link", "is not in the blueprint's folder"),
        ("../outside/canary.json", "is not in the blueprint's folder"),
        ("/etc/hostname", "is not in the blueprint's folder"),
        ("pipe", "is not a file"),
        ("zero", "is not in the blueprint's folder"),
        ("endless", "is larger than 64 KiB"),
        ("bytes", "is not UTF-8 text"),
        (".", "is not a file"),
        ("", "is not in the blueprint's folder"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_file_reads_text_files_inside_the_folder_only(folder: Path, name: str, message: str) -> None:
    (folder / ".env").write_text(CANARY)
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "key").write_text(CANARY)
    (folder / "sub").mkdir()
    (folder / "inner").symlink_to(".env")
    (folder / "link").symlink_to("../outside/canary.json")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "bytes").write_bytes(b"\xff\xfe")
    os.mkfifo(folder / "pipe")
    (folder / "endless").touch()
    os.truncate(folder / "endless", 10 << 30)
    (folder / "toy.yaml").write_text(TOY.replace('"${var.word}"', f"{{file: {json.dumps(name)}}}"))
    done = contained(folder)
    assert message in done.output
    assert done.codes[:3] == [3, 3, 3]
    assert {folder / ".env", folder / ".ssh" / "key", folder / "pipe"} & done.read == set()


BEHIND = """\
smplan: 1
name: toy
stream_manager: {url: "URL", access_token: {secret: "env:RED5_ADMIN_TOKEN"}}
resources:
  policy: {kind: red5.scale_policy, spec: {name: p, targets: [{role: edge, min_limit: 1, max_limit: 2}]}}
  new: {kind: red5.scale_policy, spec: {name: q, targets: [{role: edge, min_limit: 1, max_limit: 2}]}}
"""
SECRET = "canary-of-the-environment"


def behind(folder: Path, url: str, more: str = "") -> None:
    """A blueprint, and a state, of things behind a Stream Manager at ``url``."""
    (folder / "toy.yaml").write_text(BEHIND.replace('"URL"', f'"{url}"{more}'))
    record = ResourceState("policy", "red5.scale_policy", "p", {"name": "p"}, {})
    with LocalStore(folder / "state" / "toy.state.json").lock(LockHolder("a", "test", "id", "now")) as held:
        held.save(State("toy", "5f0e1d2c-0000-4000-8000-000000000000", 0, {"policy": record}))


def test_a_secret_is_not_sent_to_a_host_that_only_the_blueprint_names(folder: Path) -> None:
    with serving() as server:
        for file in (folder / "smplan.toml", folder / ".config" / "smplan" / "smplan.toml"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f'secret_hosts = ["{server.url}", "*"]\nallow_all = true\n')
        for url, more in ((server.url, ""), ("http://sm.example.com", ", connect_to: 127.0.0.1")):
            behind(folder, url, more)
            allowed = {"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_SECRET_HOSTS": "sm.example.com"}
            done = contained(folder, env=allowed)
            assert done.codes[2] == 6
            assert "no secret is sent to 127.0.0.1 in clear text" in done.output
            assert SECRET not in done.output
            assert done.connected == []
    assert server.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "169.254.170.2",
        "0.0.0.0",
    ],
)
def test_metadata_addresses_are_not_reached_in_any_spelling(folder: Path, host: str) -> None:
    everywhere = {"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_SECRET_HOSTS": f"http://{host},{host}"}
    behind(folder, f"http://{host}/latest")
    done = contained(folder, env=everywhere)
    assert done.connected == []
    assert "metadata, link-local or wildcard address" in done.output
    assert done.codes[:5] == [3, 3, 3, 1, 3]
    gate = f"gate: {{kind: gate.http, spec: {{url: 'http://a.test', connect_to: '{host}'}}}}"
    (folder / "toy.yaml").write_text(f"smplan: 1\nname: toy\nresources:\n  {gate}\n")
    assert contained(folder).codes[:3] == [3, 3, 3]


def test_aws_settings_in_the_folder_are_not_read(folder: Path) -> None:
    settings = f"[default]\nregion = us-east-1\ncredential_process = touch {folder}/executed\n"
    for name in (".aws/config", ".aws/credentials", ".boto", "config"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(settings)
    done = contained(folder)
    assert not (folder / "executed").exists()
    assert not {folder / ".aws" / "config", folder / ".aws" / "credentials", folder / ".boto"} & done.read


def test_planning_runs_no_program_that_the_repository_names(smplan: Shell) -> None:
    trap = smplan.write("trap.sh", f"#!/bin/sh\ntouch {smplan.folder}/executed\n")
    trap.chmod(0o755)
    git = ["git", "-C", str(smplan.folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "toy.yaml"], ["commit", "-qm", "x"], ["config", "core.fsmonitor", trap]):
        subprocess.run([*git, *map(str, command)], check=True, capture_output=True)
    (smplan.folder / "executed").unlink(missing_ok=True)
    for arguments in (
        ("validate", "toy.yaml"),
        ("plan", "toy.yaml"),
        ("show",),
        ("drift", "toy.yaml"),
        ("doctor", "toy.yaml", "--state"),
    ):
        smplan.ok(*arguments)
    assert not (smplan.folder / "executed").exists()


TRAPS = ("typer", "typing", "yaml", "pydantic", "boto3", "json", "click", "dataclasses", "sitecustomize", "moto")


@pytest.mark.parametrize("command", [COMMAND, (str(Path(sys.executable).with_name("smplan")),)])
def test_modules_of_the_current_folder_are_not_imported(tmp_path: Path, command: tuple[str, ...]) -> None:
    for name in (*TRAPS, "usercustomize", "smplan.sandbox", "httpx", "rich"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    (tmp_path / "toy.yaml").write_text(TOY)
    for arguments in (["--version"], ["validate", "toy.yaml"], ["plan", "toy.yaml"], ["kinds"]):
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("what", [".smplan", ".smplan/plan.json"])
def test_plans_are_not_saved_through_a_link_nor_read(smplan: Shell, tmp_path: Path, what: str) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "real.json")
    outside = smplan.folder / "outside"
    outside.mkdir()
    link = smplan.folder / what
    link.parent.mkdir(exist_ok=True)
    target = outside / "plan.json"
    target.write_bytes((smplan.folder / "real.json").read_bytes())
    link.symlink_to(target if what.endswith("json") else outside)
    before = target.read_bytes()
    for command in (("plan", "toy.yaml"), ("show",), ("apply", "--yes"), ("apply", "toy.yaml", "--yes")):
        done = smplan(*command)
        assert done.code == 1
        assert f"{what} is a symbolic link, which smplan does not follow" in done.err
    assert target.read_bytes() == before
    assert [path.name for path in outside.iterdir()] == ["plan.json"]
    assert not (smplan.folder / "state").exists()


@pytest.mark.parametrize("command", ["validate", "plan", "drift", "graph", "destroy", "apply", "doctor"])
def test_a_blueprint_that_is_a_pipe_is_refused_at_once(smplan: Shell, command: str) -> None:
    os.mkfifo(smplan.folder / "pipe.yaml")
    done = smplan(command, "pipe.yaml")
    assert done.code in (1, 3)
    assert "pipe.yaml" in done.out + done.err
    assert "not a regular file" in smplan("validate", "pipe.yaml").err


def test_pipes_and_endless_files_are_refused_wherever_one_is_read(smplan: Shell) -> None:
    os.mkfifo(smplan.folder / "pipe")
    endless = smplan.folder / "endless"
    endless.touch()
    os.truncate(endless, 1 << 40)
    for name, words in (("pipe", "not a regular file"), ("endless", "larger than 1 MiB"), ("/dev/zero", "regular")):
        assert words in smplan("plan", name).err
        assert words in smplan("plan", "toy.yaml", "--var-file", name).err
    for name, words in (("pipe", "it is not a regular file"), ("endless", "it is larger than 256 MiB")):
        assert words in smplan("show", name).err
    assert "larger than 1 MiB" in smplan("apply", "endless", "--yes").err
    endless.rename(smplan.folder / "plan.json")
    assert "it is larger than 256 MiB" in smplan("apply", "plan.json", "--yes").err


def test_the_last_plan_may_not_be_a_pipe(smplan: Shell) -> None:
    (smplan.folder / ".smplan").mkdir()
    os.mkfifo(smplan.folder / ".smplan" / "plan.json")
    for command in (("show",), ("apply", "--yes"), ("state", "list")):
        assert "it is not a regular file" in smplan(*command).err


def test_what_the_shell_passes_is_read(smplan: Shell) -> None:
    text = (smplan.folder / "toy.yaml").read_text()
    done = subprocess.run(
        [*COMMAND, "validate", "/dev/stdin"],
        cwd=smplan.folder,
        env=environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "\nNext: smplan plan /dev/stdin\n")
    assert sys.executable in COMMAND
