"""Whether a plan contradicts itself: one that smplan has made never does.

A plan is data from anywhere, so it is checked whole before the first request. What the state says of it is in
``targets``; that it is what the blueprint leads to, only deriving it again can show (``difference``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite

from smplan.core.blueprint import BackendConfig
from smplan.core.plan.model import Op, Plan, Step, first_lineage
from smplan.core.plan.step_consistency import ACTIONS, is_release, step_problems
from smplan.core.resource_type import AWS_KINDS, ResourceType, ResourceTypes
from smplan.core.secret_patterns import SECRET_SOURCE
from smplan.core.state.journal import CREATING_OPS
from smplan.core.state.model import State, integrity_errors
from smplan.core.values import InvalidReference, Secret, decode, placeholders, refs

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_MODES = {
    "apply": frozenset(Op) - {Op.SCALE},
    "destroy": frozenset({Op.DELETE, Op.FORGET, Op.UNPROTECT}),
    "scale": frozenset({Op.SCALE, Op.GATE}),
}
"""The ops of each mode."""
_BACKENDS = {"local": {"path"}, "s3": {"bucket", "key", "kms_key_id", "region"}}
_SETTINGS = {"url", "connect_to", "access_token", "api_version"}


def problems(plan: Plan, types: ResourceTypes) -> Iterator[str]:
    """Every contradiction in ``plan``, each with its place; every kind of its steps must be known."""
    yield from _of_state_ref(plan)
    yield from _of_account(plan, types)
    yield from _of_members(plan)
    yield from _of_values(plan)
    yield from _of_order(plan)
    yield from _of_references(plan)
    for step in plan.steps:
        yield from (f"step {step.id}: {message}" for message in step_problems(step, types(step.kind)))


def _of_state_ref(plan: Plan) -> Iterator[str]:
    base = plan.base
    first = State(plan.name, base.lineage, base.serial, {})
    yield from (f"base: {message}" for message in integrity_errors(first))
    if base.exists:
        return
    if base.serial or base.digest != first.digest():
        yield "base: it has a serial or a digest of a state that did not exist"
    if base.lineage != first_lineage(plan.id, plan.name, plan.backend):
        yield "base.lineage: it is not that of the first plan for this state"


def _of_account(plan: Plan, types: ResourceTypes) -> Iterator[str]:
    """Account and region are there whenever AWS is: without them, apply would not compare them."""
    needed = bool(plan.lookups) or any(_uses_aws(step, types(step.kind)) for step in plan.steps)
    if (needed or plan.account) and not _ACCOUNT.fullmatch(plan.account):
        yield "account: it is not the number of an account, and the steps are for AWS"
    if bool(plan.region) != bool(plan.account):
        yield "region: a plan has account and region, or neither"


def _uses_aws(step: Step, type: ResourceType) -> bool:
    sends = step.op is not Op.FORGET and (step.op is not Op.MOVE or type.taggable)
    return sends and step.kind.startswith(AWS_KINDS)


def _of_members(plan: Plan) -> Iterator[str]:
    if not _UUID.fullmatch(plan.id):
        yield "id: it is not a UUID"
    allowed = _MODES.get(plan.mode, frozenset())
    if any(step.op not in allowed for step in plan.steps) or not allowed:
        yield f"mode: it is {plan.mode!r}, and the steps are others"
    yield from place_problems(plan.backend)
    if not plan.permits.keys() <= {"unprotect", "abandon"}:
        yield "permits: there are only `unprotect` and `abandon`"


def place_problems(backend: BackendConfig) -> Iterator[str]:
    """Whether the state could be kept there at all."""
    options, form = backend.options, _BACKENDS.get(backend.backend)
    texts = all(isinstance(value, str | None) for value in options.values())
    if form is None or not texts or not options.keys() <= form:
        yield "backend: it is not one that smplan has"


def _of_values(plan: Plan) -> Iterator[str]:
    """Values are pinned, and a secret is where the token of Stream Manager is, nowhere else."""
    settings = plan.stream_manager or {}
    if not isinstance(settings, Mapping) or not settings.keys() <= _SETTINGS:
        yield "stream_manager: it is not how a Stream Manager is reached"
        return
    open_settings = {name: value for name, value in settings.items() if name != "access_token"}
    trees = {"lookups": plan.lookups, "variables": plan.variables, "outputs": plan.outputs}
    try:
        for name, tree in {**trees, "stream_manager": open_settings}.items():
            if any(isinstance(leaf, Secret) for _, leaf in placeholders(decode(dict(tree)))):
                yield f"{name}: a secret is not allowed here"
        if any(True for _ in refs(decode(dict(plan.lookups)))):
            yield "lookups: their values are not pinned"
        token = decode(settings.get("access_token"))
        if settings and not (isinstance(token, Secret) and SECRET_SOURCE.fullmatch(token.source)):
            yield "stream_manager: its `access_token` must be a secret, by its source"
    except InvalidReference as error:
        yield f"outputs or stream_manager: {error}"
    if not all(isinstance(outputs, Mapping) for outputs in plan.lookups.values()):
        yield "lookups: each has attributes"


def _of_order(plan: Plan) -> Iterator[str]:
    before: set[str] = set()
    acted: set[str] = set()
    for step in plan.steps:
        if step.id in before:
            yield f"step {step.id}: it is in the plan twice"
        if any(each.step not in before for each in step.depends_on):
            yield f"step {step.id}: depends_on: it would wait for a step that does not come before it"
        if any(not isfinite(each.seconds) or each.seconds < 0 for each in step.depends_on):
            yield f"step {step.id}: depends_on: it would wait without end"
        if step.op in ACTIONS and not is_release(step):
            if step.address in acted:
                yield f"step {step.id}: another step applies a spec to {step.address}"
            acted.add(step.address)
        needed = _needed(step)
        if needed and needed not in {each.step for each in step.depends_on}:
            yield f"step {step.id}: depends_on: it comes after {needed}"
        before.add(step.id)


def _needed(step: Step) -> str:
    """The step that a release comes after."""
    return f"{step.address}:update" if is_release(step) else ""


def _of_references(plan: Plan) -> Iterator[str]:
    """What a spec refers to is created before, or exists already."""
    by_id = {step.id: step for step in plan.steps}
    creates = {step.address: step.id for step in plan.steps if step.op in CREATING_OPS}
    known = {step.address for step in plan.steps} | {*plan.unchanged, *plan.unreadable, *plan.stopped}
    for step in plan.steps:
        for address in sorted(set(map(str, step.known_after_apply.values()))):
            if address not in known:
                yield f"step {step.id}: known_after_apply: the plan says nothing of {address}"
            elif address in creates and not _comes_after(step, creates[address], by_id):
                yield f"step {step.id}: depends_on: it refers to {address}, which is created later"


def _comes_after(step: Step, wanted: str, by_id: Mapping[str, Step]) -> bool:
    """Whether ``step`` waits for the step ``wanted``, directly or not."""
    todo, seen = [step.id], {step.id}
    while todo:
        found = by_id.get(todo.pop())
        before = {each.step for each in found.depends_on} - seen if found else set()
        if wanted in before:
            return True
        seen |= before
        todo += before
    return False
