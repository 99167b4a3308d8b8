"""Approvals: statements about one plan, signed with the approver's own SSH key, in a file beside the plan.

``ssh-keygen`` signs and verifies, so that agents and hardware keys work. The policy, and the keys that may approve, are
the operator's: they lie where no pull request can change them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from smplan.cli.settings import APPROVAL, config_file, read_settings
from smplan.core import canonical_json
from smplan.core.plan.model import Op, Plan
from smplan.engine.plan import utc_now
from smplan.errors import SmplanError, Untrusted

NAMESPACE = "smplan-approval"
"""Of the signatures: one for anything else approves no plan."""
FORMAT = "smplan/approval"
APPROVE, REJECT = "approve", "reject"
WHEN = ("always", "on_risk", "on_destroy", "never")
MOST_BYTES = 1024 * 1024
_FINGERPRINT = re.compile(r"key (SHA256:\S+)\s*\Z")
_SHARED = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Approval:
    """What one person says about the plan of digest ``plan``. Times are ISO 8601 in UTC."""

    plan: str
    who: str
    role: str
    at: str
    until: str
    decision: str
    comment: str = ""
    signature: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed: everything but the signature."""
        members = {name: value for name, value in asdict(self).items() if name != "signature"}
        return canonical_json.canonical({"format": FORMAT, **members})


@dataclass(frozen=True)
class Policy:
    """How many approvals a plan needs and when, by the keys in ``allowed_signers``, at most ``max_hours`` old."""

    allowed_signers: Path
    when: str = "always"
    count: int = 1
    max_hours: float = 24
    by_planner: bool = False
    """Whether who made the plan may approve it."""

    def applies(self, plan: Plan) -> bool:
        """Whether ``plan`` needs approvals: one without steps never does."""
        destroys = any(step.op in (Op.DELETE, Op.REPLACE, Op.UNPROTECT) for step in plan.steps)
        asked = {"always": True, "on_risk": bool(plan.risk_counts()) or destroys, "on_destroy": destroys}
        return not plan.empty and asked.get(self.when, False)


def policy_of(environ: Mapping[str, str], workspace: Path) -> Policy | None:
    """The operator's policy; None without one. Raises SmplanError where others could have written it."""
    path = config_file(environ)
    found = read_settings(path).get(APPROVAL)
    if path is None or found is None:
        return None
    hint = "see docs/security.md"
    known = {field.name: field.type for field in fields(Policy)}
    if not isinstance(found, dict) or not found.keys() <= known.keys() or "allowed_signers" not in found:
        raise SmplanError(f"{path}: [{APPROVAL}] has `allowed_signers` and may have {', '.join(known)}", hint=hint)
    policy = Policy(**{**found, "allowed_signers": Path(str(found["allowed_signers"]))})
    numbers = (type(policy.count) is int, type(policy.max_hours) in (int, float), type(policy.by_planner) is bool)
    if policy.when not in WHEN or not all(numbers) or policy.count < 1 or policy.max_hours <= 0:
        raise SmplanError(f"{path}: [{APPROVAL}] has a value that is not allowed", hint=hint)
    for each in (path, policy.allowed_signers):
        _check_operators(each, workspace)
    return policy


def _check_operators(path: Path, workspace: Path) -> None:
    """Raise SmplanError unless ``path`` is a file that only the operator can write, outside of ``workspace``."""
    try:
        status = path.stat()
        inside = not path.is_absolute() or path.resolve().is_relative_to(workspace)
    except OSError as error:
        raise SmplanError(f"{path} cannot be read: {error.strerror}", hint="see docs/security.md") from None
    foreign = status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & _SHARED)
    if inside or foreign or not stat.S_ISREG(status.st_mode):
        raise SmplanError(
            f"{path} decides who may approve, and others could change it: it is "
            f"{'in the workspace' if inside else 'not a file that only you can write'}",
            hint="keep it in a folder of the operator's, such as ~/.config/smplan, with mode 600",
        )


def file_of(plan: Path) -> Path:
    """The file with the approvals of the plan in ``plan``: one a line."""
    return plan.with_name(f"{plan.name}.approvals.jsonl")


def read(plan: Path) -> list[Approval]:
    """The approvals beside the plan in ``plan``, verified or not. Raises Untrusted for a file of another form."""
    path = file_of(plan)
    try:
        with path.open("rb") as file:
            lines = file.read(MOST_BYTES + 1).decode().splitlines()
        return [_parsed(json.loads(line)) for line in lines if line.strip()]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Untrusted(f"{path} holds something that is no approval", hint=f"delete it: rm {path}") from None


def _parsed(document: Any) -> Approval:
    if document.pop("format", "") != FORMAT or not all(isinstance(value, str) for value in document.values()):
        raise ValueError(document)
    return Approval(**document)


def sign(approval: Approval, key: Path) -> Approval:
    """``approval`` with a signature by ``key``, a private key, or a public one whose private key an agent has."""
    with tempfile.TemporaryDirectory(prefix="smplan-") as folder:
        message = Path(folder) / "statement"
        message.write_bytes(approval.statement)
        done = _ssh_keygen("-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE, str(message))
        if done.returncode:
            raise SmplanError(
                f"the approval was not signed: {_said(done)}",
                hint="name your SSH key with --key: a private key, or a public one that ssh-agent knows",
            )
        return replace(approval, signature=Path(f"{message}.sig").read_text(encoding="ascii"))


def add(approval: Approval, plan: Path) -> Path:
    """Write ``approval`` into the file beside the plan; the file."""
    path = file_of(plan)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, **asdict(approval)}) + "\n")
    return path


@dataclass(frozen=True)
class Review:
    """The approvals of a plan: those that count, by who gave them, and why each other does not."""

    counted: tuple[Approval, ...]
    others: tuple[str, ...]
    needed: int

    @property
    def enough(self) -> bool:
        """Whether nobody rejects the plan, and as many approve it as must."""
        return self.missing == 0 and all(each.decision == APPROVE for each in self.counted)

    @property
    def missing(self) -> int:
        """How many approvals are missing."""
        return max(0, self.needed - sum(each.decision == APPROVE for each in self.counted))

    def lines(self) -> Iterator[str]:
        """Each approval, and what is missing."""
        for each in self.counted:
            role, comment = (f" ({each.role})" if each.role else ""), (f": {each.comment}" if each.comment else "")
            yield f"{each.who}{role} {'approves' if each.decision == APPROVE else 'rejects'} it{comment}"
        yield from self.others
        if self.missing:
            yield f"{self.missing} of {self.needed} approvals missing"


def review(plan: Plan, approvals: Sequence[Approval], policy: Policy) -> Review:
    """Which of ``approvals`` count: of several by one person the newest, and each key for one person only."""
    now, others, counted = utc_now(), [], dict[str, Approval]()
    persons: dict[str, str] = {}
    for each in sorted(approvals, key=lambda each: each.at):
        why, key = _objection(each, plan, policy, now), ""
        if not why:
            key = _verified(each, policy.allowed_signers)
            why = "" if key else f"its signature is not by a key of {each.who} in {policy.allowed_signers}"
        if key and persons.setdefault(key, each.who) != each.who:
            why = f"its key is that of {persons[key]}"
        if why:
            others.append(f"the approval of {each.who} does not count: {why}")
        else:
            counted[each.who] = each
    return Review(tuple(counted.values()), tuple(others), policy.count)


def check(plan: Plan, file: Path, policy: Policy | None) -> bool:
    """Whether ``plan`` has the approvals that ``policy`` demands; False if it demands none. Raises Untrusted."""
    if policy is None or not policy.applies(plan):
        return False
    found = review(plan, read(file), policy)
    if not found.enough:
        listed = "\n".join(f"  {line}" for line in found.lines())
        raise Untrusted(f"{file} is not approved:\n{listed}", hint=f"approve it with `smplan approve {file}`")
    return True


def refuse_new(plan: Plan, policy: Policy | None) -> None:
    """Raise Untrusted for a plan that is made and applied in one command, if it needs approvals."""
    if policy is not None and policy.applies(plan):
        raise Untrusted(
            "the plan needs approvals, and nobody has seen it yet",
            hint="save it with `smplan plan BLUEPRINT --out plan.json`, or the same of `smplan scale`; have it "
            "approved with `smplan approve plan.json`",
        )


def _objection(approval: Approval, plan: Plan, policy: Policy, now: datetime) -> str:
    """Why an approval does not count; empty if it does."""
    if approval.plan != plan.digest:
        return "it is for another plan"
    try:
        at, until = datetime.fromisoformat(approval.at), datetime.fromisoformat(approval.until)
        past, future = now > until or now - at > timedelta(hours=policy.max_hours), at > now + timedelta(minutes=5)
    except (ValueError, TypeError):
        return "it has no times"
    if past or future:
        return f"it expired at {approval.until}" if now > until else f"it is of {approval.at}"
    if approval.decision not in (APPROVE, REJECT):
        return "it decides nothing"
    if approval.decision == APPROVE and approval.who == plan.planner and not policy.by_planner:
        return "who made the plan does not approve it"
    return ""


def _verified(approval: Approval, allowed_signers: Path) -> str:
    """The fingerprint of the key that signed; empty unless it may sign for that person."""
    if not approval.who or approval.who.startswith("-"):
        return ""
    with tempfile.TemporaryDirectory(prefix="smplan-") as folder:
        signature = Path(folder) / "statement.sig"
        signature.write_text(approval.signature, encoding="utf-8")
        words = ("-f", str(allowed_signers), "-I", approval.who, "-n", NAMESPACE, "-s", str(signature))
        done = _ssh_keygen("-Y", "verify", *words, data=approval.statement)
    found = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
    return found[1] if done.returncode == 0 and found else ""


def _ssh_keygen(*words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise SmplanError("there is no `ssh-keygen` on this machine", hint="install OpenSSH 8.9 or newer")
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    return subprocess.run([program, *words], capture_output=True, check=False, **how)  # noqa: S603 - our own words


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ssh-keygen ended with {done.returncode}"
