"""The plan: steps with their order and reasons, as one JSON document without secrets.

``Plan`` is data: ``engine.plan`` makes it, ``engine.apply`` carries it out, and neither changes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from smplan.core import canonical_json
from smplan.core.blueprint import BackendConfig, Lifecycle
from smplan.core.diff import AttributeChange
from smplan.core.risk import Category, Interruption, Risk, Sessions
from smplan.core.state.model import ResourceState
from smplan.core.values import Json
from smplan.errors import Stale

FORMAT = "smplan/plan"
FORMAT_VERSION = 1
MAX_DEPTH = 100
"""Levels of lists and maps: those of a blueprint, and those around a spec."""


class Op(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"
    MOVE = "move"
    RESTORE = "restore"
    GATE = "gate"
    UNPROTECT = "unprotect"
    SCALE = "scale"


_WITHOUT_SPEC = (Op.DELETE, Op.FORGET, Op.MOVE, Op.RESTORE, Op.UNPROTECT)


@dataclass(frozen=True, slots=True)
class Dependency:
    """A step that must complete first, and why; ``source`` cites the guide or AWS documentation.

    ``seconds`` must pass between the two.
    """

    step: str
    reason: str
    source: str = ""
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Step:
    """The smallest thing that is approved, applied and journaled.

    ``resource`` is what the state will hold, with the spec to apply, and an empty id until something exists; for a
    delete or forget it is the record that goes.
    """

    id: str
    op: Op
    resource: ResourceState
    reasons: tuple[str, ...] = ()
    before: Json = None
    """The spec as it was read, without secrets."""
    changes: tuple[AttributeChange, ...] = ()
    known_after_apply: Mapping[str, str] = field(default_factory=dict)
    """Path in the spec to the address whose step makes it known."""
    precondition: str = ""
    """SHA-256 of the resource as it was read; empty if it must not exist."""
    depends_on: tuple[Dependency, ...] = ()
    risks: tuple[Risk, ...] = ()
    expected_seconds: float = 1
    lingers: float = 0
    """Seconds for which clients use what it has changed."""
    wait_seconds: float = 0
    """Seconds after the plan was made before which it must not begin: clients use it since an earlier run."""
    adopt: Lifecycle | None = None
    """For a create or adopt: what may be adopted."""
    previous_address: str = ""
    """For a move or restore: the address until then."""
    pending_key: str = ""
    """For the delete of an untracked resource: the key of the pending create in the journal."""

    @property
    def address(self) -> str:
        """The address of the resource."""
        return self.resource.address

    @property
    def kind(self) -> str:
        """The kind of the resource."""
        return self.resource.kind

    @property
    def physical_id(self) -> str:
        """The id of what exists already; empty for a create, replace or gate."""
        return self.resource.id

    @property
    def after(self) -> Json:
        """The spec to apply; None where the resource goes, or only its record changes its place."""
        return None if self.op in _WITHOUT_SPEC else self.resource.spec


@dataclass(frozen=True, slots=True)
class Drift:
    """How a resource differs from what was last applied: attribute by attribute, or gone."""

    address: str
    kind: str
    id: str
    gone: bool = False
    changes: tuple[AttributeChange, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptGeneration:
    """A replaced generation that a plan does not delete, because the blueprint has `keep_generations`."""

    address: str
    kind: str
    id: str
    generation: int


@dataclass(frozen=True, slots=True)
class StateRef:
    """The state a plan was made from."""

    lineage: str
    serial: int
    digest: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, to be approved and applied. Times are ISO 8601 in UTC."""

    id: str
    name: str
    mode: str
    created: str
    expires: str
    smplan_version: str
    blueprint: Mapping[str, str]
    """``file``, ``digest`` (SHA-256 of the blueprint and what it reads) and, in a git work tree, ``commit``."""
    variables: Mapping[str, Json]
    base: StateRef
    backend: BackendConfig
    account: str
    region: str
    lookups: Mapping[str, Json]
    stream_manager: Json
    steps: tuple[Step, ...]
    drift: tuple[Drift, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Address to why it could not be read; it is left alone."""
    not_checked: Mapping[str, str] = field(default_factory=dict)
    """What AWS could not be asked about, to why."""
    scaled: Mapping[str, int] = field(default_factory=dict)
    """By address: the minimum that `smplan scale` has set and the blueprint does not change."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """By address: why a resource is neither read nor waited for, because what it is behind is scaled down."""
    kept_generations: tuple[KeptGeneration, ...] = ()
    """The replaced generations that it keeps for going back, the newest of each address first."""
    unchanged: tuple[str, ...] = ()
    """The addresses that were read, and have no step."""
    permits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``unprotect`` and ``abandon``: the addresses for which the command permitted it."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    interruptions: tuple[Interruption, ...] = ()
    """What clients of the fleet will notice: no answer, sessions that end."""
    warnings: tuple[str, ...] = ()
    """What is probably a mistake in the blueprint, each with its place and what to do."""
    planner: str = ""
    """Who made it, as they say: approvals by them may not count."""
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    digest: str = ""

    @property
    def empty(self) -> bool:
        """Whether it has no steps."""
        return not self.steps

    @property
    def silent_seconds(self) -> float | None:
        """For how long a client gets no answer, at most; None: until something else changes."""
        seconds = [each.seconds for each in self.interruptions]
        return None if None in seconds else max((each for each in seconds if each is not None), default=0)

    @property
    def sessions_cut(self) -> Sessions:
        """How many of the sessions end."""
        return max((each.sessions for each in self.interruptions), key=list(Sessions).index, default=Sessions.NONE)

    def counts(self) -> dict[Op, int]:
        """The number of steps of each op."""
        found = dict.fromkeys(Op, 0)
        for step in self.steps:
            found[step.op] += 1
        return found

    def risk_counts(self) -> dict[Category, int]:
        """The number of risks of each category that has any."""
        found = dict.fromkeys(Category, 0)
        for step in self.steps:
            for risk in step.risks:
                found[risk.category] += 1
        return {category: number for category, number in found.items() if number}


@cache
def _adapter() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


def first_lineage(plan_id: str, name: str, backend: BackendConfig) -> str:
    """The lineage of a state that does not exist yet, when ``plan_id`` is the first plan for it: a UUID.

    It follows from the plan and the place of the state, so that nobody can choose that of another state.
    """
    digest = canonical_json.digest([plan_id, name, backend.backend, dict(backend.options)])
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def with_digest(plan: Plan) -> Plan:
    """``plan`` with its digest."""
    document = to_json(plan)
    del document["digest"]
    return replace(plan, digest=canonical_json.digest(document))


def to_json(plan: Plan) -> dict[str, Any]:
    """The members of the plan, as the plan file holds them."""
    return cast("dict[str, Any]", _adapter().dump_python(plan, mode="json"))


def to_text(plan: Plan) -> str:
    """The plan file: indented JSON, the format first, then the members in the order of ``Plan``."""
    document = to_json(plan)
    first = {"format": plan.format, "format_version": plan.format_version}
    return json.dumps(first | document, indent=1, ensure_ascii=False) + "\n"


def from_text(text: str, *, file: str = "the plan") -> Plan:
    """The plan in ``text``. Raises Stale if it is not a plan, or was modified."""
    hint = "make a new plan with `smplan plan`"
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
        members = document if isinstance(document, dict) else {}
        _check_depth(members)
        found = canonical_json.digest({key: value for key, value in members.items() if key != "digest"})
    except (ValueError, RecursionError) as error:
        raise Stale(f"{file} is not a plan that smplan can read: {error}", hint=hint) from None
    if (members.get("format"), members.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise Stale(f"{file} is not a plan of format {FORMAT} {FORMAT_VERSION}", hint=hint)
    if found != members.get("digest"):
        raise Stale(f"{file} was changed after it was made: its digest does not match its content", hint=hint)
    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Stale(f"{file} is not a plan that smplan can read: {first['msg']} at {where}", hint=hint) from None


def _check_depth(document: Json) -> None:
    """Raise ValueError for lists and maps in each other deeper than any plan has them."""
    level = [document]
    for _ in range(MAX_DEPTH):
        containers = (each for each in level if isinstance(each, (dict, list)))
        level = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
    if level:
        raise ValueError(f"it is deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
