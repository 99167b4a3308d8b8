"""The preflight of a plan: AWS is asked, before anything changes, what it would refuse of what the plan changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from smplan.core.blueprint import Blueprint
from smplan.core.plan.changes import Adopt, Change, ChangeSet, Create, Gate, NoOp, Replace, Update
from smplan.core.values import resolve
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.engine.providers import Providers
from smplan.engine.refresh import PARALLEL_READS
from smplan.errors import Denied, Diagnostic, Expired, SmplanError


@dataclass(frozen=True, slots=True)
class Preflight:
    """What AWS would refuse, and what could not be asked: what was to be checked to why it was not."""

    diagnostics: tuple[Diagnostic, ...]
    not_checked: dict[str, str]


def check(changes: ChangeSet, blueprint: Blueprint, world: Providers, refused: Mapping[str, SmplanError]) -> Preflight:
    """Ask AWS about the plan. A check that fails is not an error: the plan says what was not checked.

    ``refused``: by address, why AWS refused to search for a resource; it counts where no check finds the cause.
    """
    settings = partial(resolve, blueprint.stream_manager, changes.value_of)
    deleted = (each.resource.id for each in changes.deletions)
    planned = PlannedResources(map(_planned, changes.changes.values()), deleted=deleted, stream_manager=settings)
    kinds = {kind for kind in (change.target.type.kind for change in changes.changes.values()) if planned.changed(kind)}
    checks = [each for kind in sorted(kinds) for each in world.driver(kind).checks(planned)]
    with world.runtime.worker_pool(PARALLEL_READS, "check") as pool:
        outcomes = pool.map(_run, checks)
    not_checked: dict[str, str] = {}
    findings: list[Finding] = []
    for each, outcome in zip(checks, outcomes, strict=True):
        if isinstance(outcome, str):
            not_checked.setdefault(each.what, outcome)
        else:
            findings += (each for each in outcome if not _is_allowed(each, changes))
    explained = {each.address for each in findings}
    findings += [Finding(at, (), error.message, error.hint) for at, error in refused.items() if at not in explained]
    return Preflight(tuple(_diagnostics(findings, changes, blueprint)), not_checked)


def _is_allowed(finding: Finding, changes: ChangeSet) -> bool:
    allowed = changes.changes[finding.address].target.declaration.lifecycle.allow
    return finding.rule is not None and finding.rule.id in allowed


def _planned(change: Change) -> PlannedResource:
    target = change.target
    live = change.live if isinstance(change, (NoOp, Adopt, Update)) else None
    name = target.type.name_field
    return PlannedResource(
        address=target.declaration.address,
        kind=target.type.kind,
        spec=target.spec,
        changed=_changed(change),
        adds=isinstance(change, Create) or (isinstance(change, Replace) and not change.delete_before_create),
        id=live.id if live else "",
        name=getattr(target.spec, name) if name and target.spec.known(name) else "",
        written=target.declaration.spec,
    )


def _changed(change: Change) -> frozenset[str]:
    if isinstance(change, (NoOp, Gate)):
        return frozenset()
    if isinstance(change, (Create, Replace)):
        return frozenset(type(change.target.spec).model_fields)
    return frozenset(each.path.partition(".")[0] for each in change.changes)


def _run(check: Check) -> list[Finding] | str:
    """What the check finds, or why it could not be made. Raises Expired: no later request would be answered."""
    try:
        return list(check.find())
    except Expired:
        raise
    except Denied as error:
        return f"the credentials may not call {error.action}" if error.action else error.message
    except SmplanError as error:
        return error.message
    except Exception as error:  # a check must not stop a plan that could be made without it
        return f"the check failed: {type(error).__name__}: {error}"


def _diagnostics(findings: list[Finding], changes: ChangeSet, blueprint: Blueprint) -> Iterator[Diagnostic]:
    """The findings with their places; each once."""
    for each in dict.fromkeys(findings):
        declaration = changes.changes[each.address].target.declaration
        path = (*declaration.path, "spec", *each.field)
        yield blueprint.source_map.diagnostic(path, f"{each.address}: {each.message}", each.hint)
