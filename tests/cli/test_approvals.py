"""Approvals by SSH keys: who may approve what, for how long; apply says who is missing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from smplan.cli import approvals
from smplan.cli.approvals import Approval
from smplan.cli.plan_file import read_plan, save_plan
from smplan.core.blueprint import BackendConfig
from smplan.core.plan.model import Plan, with_digest
from smplan.engine.plan import utc_now
from smplan.errors import SmplanError
from tests.cli.conftest import Shell
from tests.cli.fakes import Terminal, failing_once

PEOPLE = ("ann", "bob", "eve", "me")


@dataclass
class Office:
    """Keys of several people, and the operator's policy, which trusts all but eve."""

    folder: Path

    def key(self, name: str) -> Path:
        """The private key of a person."""
        return self.folder / name

    @property
    def signers(self) -> Path:
        """The keys that may approve."""
        return self.folder / "allowed_signers"

    def policy(self, **more: object) -> None:
        """Write the operator's policy."""
        lines = [f"allowed_signers = {json.dumps(str(self.signers))}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in more.items()]
        settings = self.folder / "smplan" / "smplan.toml"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("[approval]\n" + "\n".join(lines) + "\n")


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office with a policy of one approval."""
    made = Office(tmp_path_factory.mktemp("office"))
    trusted = []
    for name in PEOPLE:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(made.key(name))]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        if name != "eve":
            public = made.key(name).with_suffix(".pub").read_text().split()
            trusted.append(f"{name}@x.test {public[0]} {public[1]}\n")
    made.signers.write_text("".join(trusted))
    made.policy()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made.folder))
    monkeypatch.setenv("SMPLAN_USER", "me@x.test")
    return made


@pytest.fixture
def planned(smplan: Shell, office: Office) -> Path:
    """A plan that was made here."""
    smplan.ok("plan", "toy.yaml", "--out", "plan.json")
    return smplan.folder / "plan.json"


def approve(smplan: Shell, office: Office, name: str, *more: str) -> None:
    """Approve plan.json as this person, by their own key."""
    command = ("approve", "plan.json", "--as", f"{name}@x.test", "--key", office.key(name), "--yes")
    assert "Approved until " in smplan.ok(*command, *more).out


def test_a_plan_without_an_approval_is_refused_and_with_one_applied(
    smplan: Shell, office: Office, planned: Path
) -> None:
    done = smplan("apply", "plan.json", "--yes")
    assert (done.code, done.out) == (5, "")
    assert "plan.json is not approved:\n  1 of 1 approvals missing\n" in done.err
    assert "`smplan approve plan.json`" in done.err
    assert smplan("verify", "plan.json").code == 5
    assert not (smplan.folder / "state").exists()
    approve(smplan, office, "ann", "--role", "on call", "--comment", "as discussed")
    assert smplan.ok("verify", "plan.json").out == "ann@x.test (on call) approves it: as discussed\napproved\n"
    smplan.ok("apply", "plan.json", "--yes")


def test_an_approved_plan_is_applied_where_it_was_not_made(
    smplan: Shell, office: Office, planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(smplan, office, "ann")
    monkeypatch.setenv("XDG_STATE_HOME", str(office.folder / "elsewhere"))
    smplan.ok("apply", "plan.json", "--yes")


def test_an_approved_plan_keeps_its_state_in_the_workspace(smplan: Shell, office: Office, planned: Path) -> None:
    plan = read_plan(planned)
    places = (
        BackendConfig("local", {"path": str(office.folder / "x.json")}),
        BackendConfig("local"),
        BackendConfig("s3", {"bucket": "b"}),
        BackendConfig("s3", {"bucket": 1, "key": "k"}),
        BackendConfig("ftp", {"path": "x"}),
    )
    for backend in places:
        save_plan(with_digest(replace(plan, backend=backend)), planned)
        approve(smplan, office, "ann")
        assert smplan("apply", "plan.json", "--yes").code == 5


def test_the_approvals_of_several_people_say_who_and_why(smplan: Shell, office: Office, planned: Path) -> None:
    """Two approvers of three are needed; one made the plan, one is expired, one unknown, one is for another plan."""
    office.policy(count=3)
    approve(smplan, office, "ann")
    approve(smplan, office, "me")
    approve(smplan, office, "eve")
    made, now = read_plan(planned), utc_now()
    late = Approval(made.digest, "bob@x.test", "", now.isoformat(), (now - timedelta(hours=1)).isoformat(), "approve")
    other = Approval("0" * 64, "bob@x.test", "", now.isoformat(), (now + timedelta(hours=1)).isoformat(), "approve")
    for each in (late, other):
        approvals.add(approvals.sign(each, office.key("bob")), planned)
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 5
    for line in (
        "ann@x.test approves it",
        "the approval of me@x.test does not count: who made the plan does not approve it",
        f"the approval of bob@x.test does not count: it expired at {late.until}",
        "the approval of bob@x.test does not count: it is for another plan",
        f"the approval of eve@x.test does not count: its signature is not by a key of eve@x.test in {office.signers}",
        "2 of 3 approvals missing",
    ):
        assert f"  {line}\n" in done.err
    approve(smplan, office, "bob")
    office.policy(count=3, by_planner=True)
    smplan.ok("apply", "plan.json", "--yes")


def test_a_rejection_is_refused_until_the_same_person_approves(smplan: Shell, office: Office, planned: Path) -> None:
    approve(smplan, office, "ann")
    command = ("approve", "plan.json", "--as", "bob@x.test", "--key", office.key("bob"), "--yes")
    assert "Rejected until" in smplan.ok(*command, "--reject", "--comment", "too late").out
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 5
    assert "bob@x.test rejects it: too late" in done.err
    smplan.ok(*command)
    smplan.ok("apply", "plan.json", "--yes")


def test_a_run_is_resumed_only_with_its_approvals(
    smplan: Shell, office: Office, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(smplan, office, "ann")
    failing_once(smplan, monkeypatch, "apply", "plan.json", "--yes")
    office.policy(count=2)
    assert smplan("apply", "plan.json", "--yes").code == 5
    approve(smplan, office, "bob")
    assert "1 step completed" in smplan.ok("apply", "plan.json", "--yes").out


def test_a_key_approves_for_one_person_only(smplan: Shell, office: Office, planned: Path) -> None:
    office.policy(count=2)
    public = office.key("ann").with_suffix(".pub").read_text()
    office.signers.write_text(f"*@x.test {public}")
    approve(smplan, office, "ann")
    smplan.ok("approve", "plan.json", "--as", "bob@x.test", "--key", office.key("ann"), "--yes")
    done = smplan("verify", "plan.json")
    assert done.code == 5
    assert "does not count: its key is that of " in done.out


FORGERIES: dict[str, Callable[[Approval, Plan], Approval]] = {
    "its signature is not by a key of bob@x.test": lambda it, plan: replace(it, who="bob@x.test"),
    "its signature is not by a key of ann@x.test": lambda it, plan: replace(it, comment="and all that follow"),
    "its signature is not by a key of  in": lambda it, plan: replace(it, who=""),
    "its signature is not by a key of -f in": lambda it, plan: replace(it, who="-f"),
    "its signature is not by a key of ann@x.test in": lambda it, plan: replace(it, signature="none"),
    "it has no times": lambda it, plan: replace(it, until="soon"),
    "it is of 2020-01-01": lambda it, plan: replace(it, at="2020-01-01T00:00:00+00:00"),
    "it is of 2999-01-01": lambda it, plan: replace(it, at="2999-01-01T00:00:00+00:00"),
    "it decides nothing": lambda it, plan: replace(it, decision="maybe"),
}


@pytest.mark.parametrize("why", FORGERIES)
def test_a_forged_approval_does_not_count(smplan: Shell, office: Office, planned: Path, why: str) -> None:
    approve(smplan, office, "ann")
    (real,) = approvals.read(planned)
    approvals.file_of(planned).unlink()
    approvals.add(FORGERIES[why](real, read_plan(planned)), planned)
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 5
    assert f"does not count: {why}" in done.err


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"format": "smplan/approval", "x": "y"}', '{"format": "x"}', "\x00"]
)
def test_a_file_that_holds_no_approvals_is_refused(smplan: Shell, office: Office, planned: Path, text: str) -> None:
    approvals.file_of(planned).write_text(f"\n{text}\n")
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 5
    assert "holds something that is no approval" in done.err


@pytest.mark.parametrize(
    ("when", "first", "destroy"),
    [("always", 5, 5), ("on_risk", 0, 5), ("on_destroy", 0, 5), ("never", 0, 0)],
)
def test_the_policy_says_which_plans_need_approvals(
    smplan: Shell, office: Office, planned: Path, when: str, first: int, destroy: int
) -> None:
    office.policy(when=when)
    assert smplan("apply", "plan.json", "--yes").code == first
    assert smplan("apply", "toy.yaml", "--yes").code == first
    if first == 0:
        assert smplan.ok("verify", "plan.json").out.endswith("it needs no approval\n")
        assert smplan("destroy", "toy.yaml", "--yes").code == destroy
        assert smplan("apply", "toy.yaml", "--yes").code == 0  # without steps


def test_a_plan_that_is_made_and_applied_at_once_says_how_to_have_it_approved(smplan: Shell, office: Office) -> None:
    done = smplan("apply", "toy.yaml", "--yes")
    assert done.code == 5
    assert "the plan needs approvals, and nobody has seen it yet" in done.err
    assert "`smplan plan BLUEPRINT --out plan.json`" in done.err


def test_the_policy_may_lie_only_where_others_cannot_change_it(
    smplan: Shell, office: Office, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(smplan, office, "ann")
    for path in (office.signers, office.folder / "smplan" / "smplan.toml"):
        path.chmod(0o666)
        assert "not a file that only you can write" in smplan("apply", "plan.json", "--yes").err
        path.chmod(0o600)
    inside = smplan.write("allowed_signers", office.signers.read_text())
    (office.folder / "smplan" / "smplan.toml").write_text(f'[approval]\nallowed_signers = "{inside}"\n')
    assert "it is in the workspace" in smplan("apply", "plan.json", "--yes").err
    (office.folder / "smplan" / "smplan.toml").write_text('[approval]\nallowed_signers = "/nonexistent"\n')
    assert "/nonexistent cannot be read" in smplan("apply", "plan.json", "--yes").err
    monkeypatch.setenv("XDG_CONFIG_HOME", str(smplan.folder))
    (smplan.folder / "smplan").mkdir()
    (smplan.folder / "smplan" / "smplan.toml").write_text(f'[approval]\nallowed_signers = "{office.signers}"\n')
    assert "it is in the workspace" in smplan("apply", "plan.json", "--yes").err


@pytest.mark.parametrize(
    "text",
    ["x = 1", 'when = "sometimes"', "count = 0", "count = true", "max_hours = -1", 'by_planner = "no"', "count = 1.5"],
)
def test_a_policy_of_another_form_is_refused(smplan: Shell, office: Office, planned: Path, text: str) -> None:
    file = office.folder / "smplan" / "smplan.toml"
    file.write_text(f"{file.read_text()}{text}\n")
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 1
    assert f"{file}: [approval] has" in done.err


def test_what_is_approved_is_shown_first_and_asked_for(
    smplan: Shell, office: Office, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = read_plan(planned).digest
    assert "cannot prompt" in smplan("approve", "plan.json").err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    done = smplan("approve", "plan.json")
    assert done.code == 9
    assert "2 steps: 2 create" in done.out
    assert f"Approve the plan {digest}?" in done.err
    assert approvals.read(planned) == []


def test_a_key_that_cannot_sign_is_named(smplan: Shell, office: Office, planned: Path) -> None:
    done = smplan("approve", "plan.json", "--key", "nothere", "--yes")
    assert done.code == 1
    assert "the approval was not signed: " in done.err
    assert "--key" in done.err


def test_without_a_policy_nothing_can_be_verified(
    smplan: Shell, office: Office, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(office.folder / "empty"))
    assert "no policy says who may approve plans" in smplan("verify", "plan.json").err


def test_without_ssh_keygen_nothing_is_signed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(office.folder))
    with pytest.raises(SmplanError, match="there is no `ssh-keygen`"):
        approvals.sign(Approval("0", "a", "", "", "", "approve"), office.key("ann"))
