"""A plan is applied if this user made it here, or if the blueprint leads to it; its own digest proves nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smplan.cli.plan_file import read_plan, save_plan
from smplan.cli.register import Entry, Register, RegisterUnusable
from smplan.core.blueprint import BackendConfig
from smplan.core.plan.model import Plan, with_digest
from tests.cli.conftest import Ran, Shell
from tests.cli.fakes import failing_once, in_s3


def register_folder() -> Path:
    """Where plans are recorded."""
    return Path(os.environ["XDG_STATE_HOME"]) / "smplan" / "plans"


def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this is another machine, on which nothing was planned."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.parent / f"{tmp_path.name}-other-user"))


def refused(done: Ran, *words: str) -> None:
    """It was refused because nothing vouches for the plan."""
    assert done.code == 5, done
    assert all(word in done.err for word in words), done.err
    assert done.out == ""


def forged(path: Path, **members: Any) -> Plan:
    """The plan in ``path`` with other members, and a digest that is right."""
    plan = with_digest(replace(read_plan(path), **members))
    save_plan(plan, path)
    return plan


def test_a_plan_that_this_user_did_not_make_is_refused(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    elsewhere(tmp_path, monkeypatch)
    done = smplan("apply", "plan.json", "--yes")
    refused(done, "you have not made plan.json on this machine", "`smplan apply plan.json --blueprint BLUEPRINT`")
    assert not (smplan.folder / "state").exists()


@pytest.mark.parametrize("file", ["plan.json", ".smplan/plan.json"])
def test_a_forged_plan_is_refused_although_its_digest_is_right(smplan: Shell, file: str) -> None:
    smplan.ok("plan", "toy.yaml", "--out", file)
    forged(smplan.folder / file, outputs={"text": "mine"})
    refused(smplan("apply", file, "--yes"), f"you have not made {file}")
    assert not (smplan.folder / "state").exists()


def test_a_forged_last_plan_is_refused_by_a_bare_apply(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml")
    forged(smplan.folder / ".smplan" / "plan.json", outputs={"text": "mine"})
    refused(smplan("apply", "--yes"), "you have not made .smplan/plan.json")


def test_a_forged_last_plan_does_not_say_where_the_state_is(smplan: Shell) -> None:
    smplan.applied()
    elsewhere = BackendConfig("s3", {"bucket": "theirs", "key": "k"})
    forged(smplan.folder / ".smplan" / "plan.json", backend=elsewhere)
    assert smplan.ok("state", "list").out.startswith("first")
    smplan.ok("state", "rm", "first")
    assert set(smplan.state.resources) == {"second"}


def test_a_plan_of_another_workspace_is_refused_in_this_one(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    smplan.ok("plan", "toy.yaml", "--out", other / "plan.json")
    smplan.ok("plan", "toy.yaml", "--out", tmp_path.parent / f"{tmp_path.name}-outside.json")
    monkeypatch.chdir(other)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    refused(smplan("apply", outside, "--yes"), f"was made for another workspace, {tmp_path}")
    smplan.ok("apply", "plan.json", "--yes")  # it is in the workspace it was made for
    monkeypatch.chdir(tmp_path)
    assert smplan("apply", outside, "--yes").code == 4


@pytest.mark.parametrize("arguments", [(), ("--destroy",)])
def test_a_plan_from_elsewhere_is_applied_if_its_blueprint_leads_to_it(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    if arguments:
        smplan.applied()
    smplan.ok("plan", "toy.yaml", "--out", "plan.json", *arguments)
    elsewhere(tmp_path, monkeypatch)
    if arguments:
        done = smplan("apply", "plan.json", "-b", "toy.yaml", "--yes")
        refused(done, 'mode: it is "destroy", and the blueprint leads to "apply"')
    smplan.ok("apply", "plan.json", "--blueprint", "toy.yaml", "--yes", *arguments)
    assert set(smplan.state.resources) == (set() if arguments else {"first", "second"})


def test_the_plan_is_derived_with_the_variables_of_the_command(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json", "--var", "word=bye")
    elsewhere(tmp_path, monkeypatch)
    done = smplan("apply", "plan.json", "-b", "toy.yaml", "--yes")
    refused(done, 'variables.word: it is "bye", and the blueprint leads to "hello"', "`smplan plan toy.yaml`")
    assert "plan.json is not the plan that toy.yaml leads to" in done.err
    smplan.ok("apply", "plan.json", "-b", "toy.yaml", "--var", "word=bye", "--yes")


FORGERIES: dict[str, tuple[Callable[[Plan], dict[str, Any]], str]] = {
    "a step less": (lambda plan: {"steps": plan.steps[:1]}, "step second:create: it is missing"),
    "a step twice": (lambda plan: {"steps": (*plan.steps, plan.steps[0])}, 'step "first:create": the blueprint'),
    "steps in another order": (lambda plan: {"steps": plan.steps[::-1]}, "the steps are in another order"),
    "another value": (
        lambda plan: {
            "steps": (
                replace(plan.steps[0], resource=replace(plan.steps[0].resource, spec={"input": "mine"})),
                plan.steps[1],
            )
        },
        'step first:create.resource.spec.input: it is "mine", and the blueprint leads to "hello"',
    ),
    "a member more": (lambda plan: {"outputs": {**plan.outputs, "x": 1}}, "outputs.x: the blueprint does not lead"),
    "a member less": (lambda plan: {"outputs": {"text": plan.outputs["text"]}}, "outputs.many: it is missing"),
    "a true for a 1": (lambda plan: {"outputs": {**plan.outputs, "many": [True, 2]}}, "outputs.many[0]: it is true"),
    "a longer list": (lambda plan: {"outputs": {**plan.outputs, "many": [1, 2, 3]}}, "outputs.many: it is [1,2,3]"),
    "another account": (lambda plan: {"account": "1" * 12, "region": "us-east-1"}, 'account: it is "111111111111"'),
    "another lineage": (
        lambda plan: {"base": replace(plan.base, lineage=plan.id)},
        "base.lineage: it is",
    ),
    "another blueprint": (lambda plan: {"blueprint": {**plan.blueprint, "digest": "0"}}, "blueprint.digest: it is"),
    "something unreadable": (lambda plan: {"unreadable": {"first": "x"}}, "unreadable: it is"),
    "another name": (lambda plan: {"name": "other"}, "plan.json is for the state `other`"),
    "another place": (
        lambda plan: {"backend": replace(plan.backend, options={"path": "/tmp/x.state.json"})},
        "plan.json is for the state `toy` in local path /tmp/x.state.json",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_plan_is_refused_with_the_difference(smplan: Shell, name: str) -> None:
    change, message = FORGERIES[name]
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    forged(smplan.folder / "plan.json", **change(read_plan(smplan.folder / "plan.json")))
    refused(smplan("apply", "plan.json", "-b", "toy.yaml", "--yes"), message)
    assert not (smplan.folder / "state").exists()


def test_many_differences_are_counted(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    forged(smplan.folder / "plan.json", outputs={f"x{number}": "y" * 100 for number in range(30)})
    refused(smplan("apply", "plan.json", "-b", "toy.yaml", "--yes"), "and 12 more")


def test_times_file_name_and_commit_are_not_of_the_plan(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    plan = read_plan(smplan.folder / "plan.json")
    moved = {"file": "other.yaml", "digest": plan.blueprint["digest"], "commit": "c0ffee"}
    forged(smplan.folder / "plan.json", blueprint=moved, not_checked={"AMIs": "no permission"})
    smplan.ok("apply", "plan.json", "-b", "toy.yaml", "--yes")


def test_a_plan_of_an_earlier_state_is_stale_when_it_is_derived(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    smplan.applied()
    elsewhere(tmp_path, monkeypatch)
    done = smplan("apply", "plan.json", "-b", "toy.yaml", "--yes")
    assert done.code == 4
    assert "the plan is for the state " in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy.yaml", "-b", "toy.yaml"), "toy.yaml is a blueprint itself"),
        (("toy.yaml", "--destroy"), "--destroy"),
        (("plan.json", "--var", "word=x"), "--var"),
        (("plan.json", "--unprotect", "first"), "--unprotect"),
    ],
)
def test_options_of_a_derivation_need_a_plan_and_a_blueprint(
    smplan: Shell, arguments: tuple[str, ...], message: str
) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    done = smplan("apply", *arguments, "--yes")
    assert done.code == 1
    assert message in done.err


def test_a_plan_to_scale_is_not_derived(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    forged(smplan.folder / "plan.json", mode="scale")
    refused(smplan("apply", "plan.json", "--yes"), "`smplan scale BLUEPRINT --to N`")


def test_an_accepted_plan_is_resumed_although_the_blueprint_leads_to_another_by_now(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("apply", "plan.json", "-b", "toy.yaml", "--yes")
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    elsewhere(tmp_path, monkeypatch)
    failing_once(smplan, monkeypatch, *command)
    assert "1 step completed" in smplan.ok(*command).out


def test_a_local_journal_does_not_show_that_the_plan_was_accepted(
    smplan: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.ok("plan", "toy.yaml")
    failing_once(smplan, monkeypatch, "apply", "--yes")
    refused(smplan("apply", "-b", "toy.yaml", "--yes"), "is not the plan that toy.yaml leads to")
    smplan.ok("apply", "--yes")


def test_the_journal_in_s3_shows_that_the_plan_was_accepted(
    smplan: Shell, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.write("toy.yaml", in_s3(bucket))
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    failing_once(smplan, monkeypatch, "apply", "plan.json", "--yes")
    elsewhere(tmp_path, monkeypatch)
    refused(smplan("apply", "plan.json", "--yes"), "you have not made")
    assert "1 step completed" in smplan.ok("apply", "plan.json", "-b", "toy.yaml", "--yes").out
    assert smplan("apply", "plan.json", "-b", "toy.yaml", "--yes").code == 4


def no_home(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("XDG_STATE_HOME")
    patch.delenv("HOME", raising=False)


def in_workspace(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("XDG_STATE_HOME", str(folder))


def a_file(folder: Path, patch: pytest.MonkeyPatch) -> None:
    path = folder.parent / f"{folder.name}-state"
    path.write_text("")
    patch.setenv("XDG_STATE_HOME", str(path))


def shared(folder: Path, patch: pytest.MonkeyPatch) -> None:
    path = folder.parent / f"{folder.name}-state"
    (path / "smplan").mkdir(parents=True)
    (path / "smplan").chmod(0o777)
    patch.setenv("XDG_STATE_HOME", str(path))


def a_link(folder: Path, patch: pytest.MonkeyPatch) -> None:
    path = folder.parent / f"{folder.name}-state"
    path.mkdir()
    (path / "smplan").symlink_to(folder)
    patch.setenv("XDG_STATE_HOME", str(path))


def a_circle(folder: Path, patch: pytest.MonkeyPatch) -> None:
    path = folder.parent / f"{folder.name}-circle" / "link"
    path.parent.mkdir()
    path.symlink_to(path)
    patch.setenv("XDG_STATE_HOME", str(path))


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        (no_home, "neither XDG_STATE_HOME nor HOME is an absolute path"),
        (in_workspace, "is in the workspace, which others may write"),
        (a_file, "cannot be used: Not a directory"),
        (shared, "is not a folder that only you can write"),
        (a_link, "is in the workspace, which others may write"),
        (a_circle, "cannot be located"),
    ],
)
def test_without_a_safe_register_plans_are_made_and_not_trusted(
    smplan: Shell,
    monkeypatch: pytest.MonkeyPatch,
    unusable: Callable[[Path, pytest.MonkeyPatch], None],
    why: str,
) -> None:
    unusable(smplan.folder, monkeypatch)
    planned = smplan.ok("plan", "toy.yaml")
    assert "this plan cannot be recorded as yours: " in planned.err
    assert why in planned.err
    assert "Set XDG_STATE_HOME to a folder that only you can write, or apply it with --blueprint FILE" in planned.err
    refused(smplan("apply", "--yes"), "whether you made .smplan/plan.json is not known", why)
    failing_once(smplan, monkeypatch, "apply", "-b", "toy.yaml", "--yes")
    assert smplan("apply", "-b", "toy.yaml", "--yes").code == 5
    smplan.ok("apply", "toy.yaml", "--yes")
    assert set(smplan.state.resources) == {"first", "second"}


def entries(folder: Path) -> list[str]:
    """The names of what is in the register."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def register(tmp_path: Path) -> Register:
    """A register with one plan, "a"."""
    found = Register(tmp_path / "smplan" / "plans")
    found.add("a", Entry(Path("/w"), derived=True))
    return found


def test_the_register_is_for_its_user_alone_and_forgets_what_has_expired(register: Register) -> None:
    folder = register.folder
    assert folder is not None
    assert (folder.stat().st_mode & 0o777, (folder / "a").stat().st_mode & 0o777) == (0o700, 0o600)
    assert register.find("a", Path("/w")) == Entry(Path("/w"), derived=True)
    old = time.time() - 9 * 24 * 3600
    os.utime(folder / "a", (old, old))
    register.add("b", Entry(Path("/w"), derived=False))
    assert entries(folder) == ["b"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"workspace": 3, "derived": true}', '{"derived": true}', "\ud800"])
def test_an_entry_that_is_damaged_vouches_for_nothing(register: Register, text: str) -> None:
    assert register.folder is not None
    (register.folder / "a").write_bytes(text.encode(errors="surrogatepass"))
    assert register.find("a", Path("/w")) is None


def test_an_entry_that_others_may_have_written_is_not_read(register: Register) -> None:
    folder = register.folder
    assert folder is not None
    (folder / "a").chmod(0o666)
    (folder / "b").symlink_to("a")
    (folder / "c").mkdir()
    os.mkfifo(folder / "d")
    for name in "abcd":
        with pytest.raises(RegisterUnusable, match=r"only you can write|cannot be read"):
            register.find(name, Path("/w"))
    assert register.find("e", Path("/w")) is None


def test_a_register_that_cannot_be_written_says_so(register: Register) -> None:
    folder = register.folder
    assert folder is not None
    (folder / "b").mkdir()
    with pytest.raises(RegisterUnusable, match="cannot be written: Is a directory"):
        register.add("b", Entry(Path("/w"), derived=False))
    assert [name for name in entries(folder) if name.startswith(".new-")] == []


def test_a_plan_of_one_runner_is_applied_by_another_unless_a_merge_came_first(
    smplan: Shell, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones, each on a runner of its own, with the state in S3 and the plan as an artifact."""
    clones = [tmp_path / name for name in ("pull-request", "deployment", "forger")]
    for clone in clones:
        clone.mkdir()
        (clone / "toy.yaml").write_text(in_s3(bucket))

    def on(clone: Path) -> None:
        monkeypatch.chdir(clone)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.parent / f"{tmp_path.name}-{clone.name}"))

    on(clones[0])
    smplan.ok("plan", "toy.yaml", "--out", "first.json")
    smplan.ok("plan", "toy.yaml", "--out", "second.json")
    for name in ("first.json", "second.json"):
        (clones[1] / name).write_bytes((clones[0] / name).read_bytes())
    on(clones[1])
    refused(smplan("apply", "first.json", "--yes"), "you have not made first.json on this machine")
    assert "2 steps completed" in smplan.ok("apply", "first.json", "-b", "toy.yaml", "--yes").out
    assert smplan("apply", "second.json", "-b", "toy.yaml", "--yes").code == 4
    on(clones[2])
    (clones[2] / "toy.yaml").write_text(in_s3(bucket).replace("hello", "mine"))
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    (clones[1] / "plan.json").write_bytes((clones[2] / "plan.json").read_bytes())
    on(clones[1])
    refused(smplan("apply", "plan.json", "-b", "toy.yaml", "--yes"), "is not the plan that toy.yaml leads to")
