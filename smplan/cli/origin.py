"""Why a plan may be applied: this user made it here, or the blueprint gives it again. Its own digest proves nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from smplan.cli import plan_file, wiring
from smplan.cli.register import Entry, Register, RegisterUnusable
from smplan.cli.workspace import state_file
from smplan.core.blueprint import Blueprint
from smplan.core.plan.changes import NO_PERMITS, Permits
from smplan.core.plan.consistency import place_problems
from smplan.core.plan.difference import differences
from smplan.core.plan.model import Plan
from smplan.core.state.journal import ReplayedState
from smplan.engine import preconditions
from smplan.engine.plan import seconds_between
from smplan.errors import StoreError, Untrusted

SHOWN = 20
"""Differences that are printed; the rest is counted."""


@dataclass(frozen=True)
class Derivation:
    """The command that makes a plan again: what the plan must equal comes from its options, never from the plan."""

    blueprint: Blueprint
    destroy: bool = False
    permits: Permits = NO_PERMITS
    command: str = ""
    register: Register = field(default_factory=lambda: Register.of(os.environ))

    def check(self, plan: Plan, file: Path, workspace: Path) -> None:
        """Raise Untrusted unless ``plan`` is what the blueprint gives now, Stale if the state has changed since.

        A run that has begun it is resumed: the journal of the blueprint's state shows that it was accepted.
        """
        wanted = self.blueprint
        if (plan.name, plan.backend) != (wanted.name, wiring.backend_of(wanted)):
            raise Untrusted(
                f"{file} is for the state {_place(plan)}, and {wanted.file} keeps another one",
                hint=_plan_again(self.command),
            )
        replayed = wiring.store_at(wiring.backend_of(wanted), wanted.name, wanted.region).read().folded
        if replayed is not None and _has_begun(plan, replayed) and self._shows_acceptance(plan, workspace):
            return
        preconditions.check_base(plan, replayed)
        derived = wiring.plan(wanted, destroy=self.destroy, permits=self.permits, command=self.command, id=plan.id)
        found = list(differences(plan, derived, seconds_between(plan, derived)))
        if found:
            raise Untrusted(
                f"{file} is not the plan that {wanted.file} leads to:\n{_listed(found)}",
                hint=f"if you expect these differences, {_plan_again(self.command)}",
            )
        record(plan, workspace, derived=True, register=self.register)

    def _shows_acceptance(self, plan: Plan, workspace: Path) -> bool:
        """Whether a journal that has begun ``plan`` proves anything: one in S3 is written by who may apply.

        A local one may have come with the blueprint; then this machine must have accepted the plan, too.
        """
        if plan.backend.backend == "s3":
            return True
        try:
            entry = self.register.find(plan.digest, workspace)
        except RegisterUnusable:
            return False
        return entry is not None and entry.derived and entry.workspace == workspace


def save(plan: Plan, file: Path, workspace: Path) -> None:
    """Save a plan that was made just now for ``workspace``, and record that this user made it."""
    record(plan, workspace)
    plan_file.save_plan(plan, file)


def record(plan: Plan, workspace: Path, *, derived: bool = False, register: Register | None = None) -> None:
    """Record that this user made ``plan``, or derived it again; a warning if that is impossible."""
    try:
        (register or Register.of(os.environ)).add(plan.digest, Entry(workspace, derived))
    except RegisterUnusable as error:
        wiring.warn(
            f"this plan cannot be recorded as yours: {error.message}. Set XDG_STATE_HOME to a folder that only you can "
            "write, or apply it with --blueprint FILE"
        )


def check_made_here(plan: Plan, file: Path, workspace: Path) -> None:
    """Raise Untrusted unless this user made ``plan`` for ``workspace``, or for the one that ``file`` is in."""
    try:
        entry = Register.of(os.environ).find(plan.digest, workspace)
    except RegisterUnusable as error:
        raise _unknown(plan, file, f"whether you made {file} is not known: {error.message}") from None
    if entry is None:
        raise _unknown(plan, file, f"you have not made {file} on this machine, or it has expired")
    if entry.workspace not in (workspace, *file.resolve().parents):
        raise Untrusted(
            f"{file} was made for another workspace, {entry.workspace}", hint="run the same command in that folder"
        )


def check_place(plan: Plan, file: Path, workspace: Path) -> None:
    """Raise Untrusted if an approved plan names no place of a state, or a file outside of ``workspace``."""
    options, names = plan.backend.options, ("bucket", "key") if plan.backend.backend == "s3" else ("path",)
    if any(place_problems(plan.backend)) or not all(options.get(name) for name in names):
        raise Untrusted(f"{file} does not say where the state is", hint=preconditions.PLAN_AGAIN)
    if plan.backend.backend == "local":
        try:
            state_file(workspace, options["path"])
        except StoreError as error:
            raise Untrusted(f"{file}: {error.message}", hint=error.hint) from None


def _unknown(plan: Plan, file: Path, why: str) -> Untrusted:
    if plan.mode == "scale":
        return Untrusted(why, hint="scale here with `smplan scale BLUEPRINT --to N`")
    destroy = " --destroy" if plan.mode == "destroy" else ""
    return Untrusted(
        f"{why}; whoever can write a plan can write its digest too",
        hint=f"have it compared with its blueprint: `smplan apply {file} --blueprint BLUEPRINT{destroy}`; or plan here",
    )


def _has_begun(plan: Plan, replayed: ReplayedState) -> bool:
    run = replayed.run
    begun = run is not None and (run.plan_id, run.plan_digest) == (plan.id, plan.digest)
    return begun or preconditions.already_completed(plan, replayed)


def _place(plan: Plan) -> str:
    options = ", ".join(f"{name} {value}" for name, value in plan.backend.options.items() if value is not None)
    return f"`{plan.name}` in {plan.backend.backend} {options}".rstrip()


def _plan_again(command: str) -> str:
    return f"plan again with `{command}`, and have the new plan approved"


def _listed(found: Sequence[str]) -> str:
    lines = [f"  {line}" for line in islice(found, SHOWN)]
    if len(found) > SHOWN:
        lines.append(f"  and {len(found) - SHOWN} more")
    return "\n".join(lines)
