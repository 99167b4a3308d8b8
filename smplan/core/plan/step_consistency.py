"""Whether the members of one step agree with each other and with its kind.

A step says what was read (``before``), what will be written (``resource``), and how they differ (``changes``). The last
follows from the others, and so does the precondition, which apply compares with what exists: a step that passes does
what it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import ValidationError

from smplan.core import diff
from smplan.core.plan.change_consistency import change_problems
from smplan.core.plan.model import Op, Step
from smplan.core.plan.recorded import as_read
from smplan.core.resource_type import ResourceType
from smplan.core.secret_patterns import SECRET_SOURCE
from smplan.core.spec import SENSITIVE, fields
from smplan.core.spec_errors import walk
from smplan.core.state.model import Status
from smplan.core.values import Json, PartialValue, Secret, decode, placeholders, refs
from smplan.core.wording import dotted

ACTIONS = frozenset({Op.CREATE, Op.UPDATE, Op.REPLACE, Op.ADOPT, Op.GATE, Op.SCALE})
"""The ops that apply a spec."""
RECORD_MOVES = frozenset({Op.MOVE, Op.RESTORE})
"""The ops that give a record its place in the state, as it is."""
LONGEST_SECONDS = 7 * 86400.0
_NEW = frozenset({Op.CREATE, Op.REPLACE})
_FROM_BLUEPRINT = frozenset({Op.CREATE, Op.REPLACE, Op.UPDATE, Op.ADOPT})
"""The ops whose record follows from the blueprint alone."""
_READ = frozenset({Op.UPDATE, Op.ADOPT, Op.RESTORE, Op.SCALE, Op.UNPROTECT})
"""The ops that rely on what was read."""
_PENDING = r"pending-[1-9][0-9]*"
_ENDS = {
    Op.UPDATE: "update|release",
    Op.DELETE: rf"delete#(?:GENERATION|{_PENDING})",
    Op.FORGET: rf"forget|(?:delete|forget|abandon)#(?:GENERATION|{_PENDING})",
    Op.UNPROTECT: "unprotect#GENERATION",
}
"""How the id of a step ends, where that is not its op."""
_ADDRESS = re.compile(r'[A-Za-z_][A-Za-z0-9_-]*(?:\["[^"\]]*"\])?')


def step_problems(step: Step, type: ResourceType) -> Iterator[str]:
    """Every contradiction in ``step``, as a message."""
    yield from _of_identity(step)
    yield from _of_ids(step)
    yield from _of_lifecycle(step)
    for name in ("expected_seconds", "lingers", "wait_seconds"):
        if not 0 <= getattr(step, name) <= LONGEST_SECONDS:
            yield f"{name}: it is not a number of seconds"
    if step.before is not None and (not isinstance(step.before, dict) or step.op in (Op.CREATE, Op.MOVE)):
        yield f"before: it is not what was read before a {step.op}"
        return
    try:
        yield from _of_values(step, type)
    except Exception as error:  # a canonical form, or a reference, of what no read and no blueprint gives
        yield f"its values cannot be compared ({type.kind}: {error.__class__.__name__})"


def _of_identity(step: Step) -> Iterator[str]:
    if not _ADDRESS.fullmatch(step.address):
        yield "resource.address: it is not an address"
    end = _ENDS.get(step.op, step.op.value).replace("GENERATION", str(step.resource.generation))
    name = step.id.removeprefix(f"{step.address}:")
    if name == step.id or not re.fullmatch(end, name):
        yield f"id: it is not that of a {step.op} of {step.address}"
    if ("#pending-" in name) != bool(step.pending_key):
        yield "pending_key: it belongs to the steps that clear a pending create, and to no other"
    if (step.op in RECORD_MOVES) != bool(step.previous_address):
        yield "previous_address: it belongs to the steps that move, and to no other"
    if step.op is Op.RESTORE and step.previous_address != step.address:
        yield "previous_address: what is restored has its own address"


def _of_ids(step: Step) -> Iterator[str]:
    if step.op in _NEW and step.physical_id:
        yield "resource.id: what is created has none yet"
    if step.op not in _NEW | {Op.GATE, Op.FORGET} and not step.physical_id:
        yield "resource.id: it is missing"
    if step.op in _FROM_BLUEPRINT and step.resource.outputs:
        yield "resource.outputs: they are not known before it is applied"
    if step.op in _FROM_BLUEPRINT and step.resource.status is not Status.READY:
        yield "resource.status: it is not ready when it has been applied"


def _of_lifecycle(step: Step) -> Iterator[str]:
    acts = step.op in ACTIONS
    if (step.adopt is not None) != acts:
        yield "adopt: it belongs to the steps that apply a spec, and to no other"
    if not acts and (step.changes or step.known_after_apply):
        yield "changes: a step that applies no spec has none"
    if step.adopt and step.op in _FROM_BLUEPRINT:
        wanted = (step.adopt.prevent_destroy, step.adopt.keep)
        if wanted != (step.resource.prevent_destroy, step.resource.keep):
            yield "adopt: `prevent_destroy` and `keep` are not those of the resource"


def _of_values(step: Step, type: ResourceType) -> Iterator[str]:
    yield from _of_precondition(step, type)
    for name, tree in (("before", step.before), ("resource.outputs", dict(step.resource.outputs))):
        if any(isinstance(leaf, Secret) for _, leaf in placeholders(decode(tree))):
            yield f"{name}: a secret is not allowed here"
    if step.op in ACTIONS:
        yield from _of_spec(step, type)


def _of_precondition(step: Step, type: ResourceType) -> Iterator[str]:
    unread = type.gate or type.virtual
    if step.precondition:
        if unread or step.op in (Op.CREATE, Op.GATE, Op.MOVE, Op.FORGET) or is_release(step):
            yield f"precondition: a {step.op} of {type.kind} has none"
        elif step.before is None or diff.fingerprint(as_read(type, decode(step.before))) != step.precondition:
            yield "precondition: it is not that of what was read (`before`)"
    elif not unread and _relies_on_read(step):
        yield "precondition: it is missing"


def _relies_on_read(step: Step) -> bool:
    """Whether it changes or deletes what was read; of a delete of what the state has, the state says more."""
    if step.op in (Op.REPLACE, Op.DELETE):
        return bool(step.before if step.op is Op.REPLACE else step.pending_key)
    return step.op in _READ and not is_release(step)


def _of_spec(step: Step, type: ResourceType) -> Iterator[str]:
    tree = decode(step.resource.spec)
    yield from _of_secrets(tree, type)
    try:
        spec = type.spec.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        yield f"resource.spec.{dotted(first['loc'])}: {first['msg']}"
        return
    unknown: dict[str, Json] = {".".join(map(str, path)): ref.address for path, ref in refs(spec.managed_fields())}
    if dict(step.known_after_apply) != unknown:
        yield "known_after_apply: it is not what the spec refers to"
    yield from change_problems(step, type, spec)


def _of_secrets(tree: PartialValue, type: ResourceType) -> Iterator[str]:
    """Secrets are where the kind declares them, by their source; and nothing else is there."""
    for path, leaf in placeholders(tree):
        if isinstance(leaf, Secret):
            if SENSITIVE not in walk(type.spec, path)[1]:
                yield f"resource.spec.{dotted(path)}: a secret is not allowed here"
            elif not SECRET_SOURCE.fullmatch(leaf.source):
                yield f"resource.spec.{dotted(path)}: it is not a source of secrets"
    for name, traits in fields(type.spec).items():
        if traits.has(SENSITIVE) and not isinstance(tree.get(name), Secret | None):
            yield f"resource.spec.{name}: it is not a secret by its source"


def is_release(step: Step) -> bool:
    """Whether it gives up what the update of its address has kept until nothing uses it."""
    return step.op is Op.UPDATE and step.id == f"{step.address}:release"
