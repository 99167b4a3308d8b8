"""The planner's output: moves in the state, one change per resource of the blueprint, and the deletions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import ClassVar, TypeAlias

from smplan.core.blueprint import Resource
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Drift, Op
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.spec import Spec
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json, PartialValue, Ref, decode, get_path
from smplan.errors import BlueprintInvalid, Diagnostic, GuardRefused, NotOurs

Changes: TypeAlias = tuple[AttributeChange, ...]


@dataclass(frozen=True)
class Target:
    """What a resource of the blueprint is to be; its spec may still hold references."""

    declaration: Resource
    type: ResourceType
    spec: Spec

    def conflicts_with(self, other: ResourceState) -> bool:
        """Whether ``other`` exists under the natural key of this one; of what has a name, the name says."""
        type, name = self.type, self.type.name_field
        if type.kind != other.kind:
            return False
        if name is not None:
            return bool(getattr(self.spec, name) == other.spec.get(name))
        own = type.natural_key(self.spec.managed_fields())
        return not type.create_before_delete or own == type.natural_key(decode(other.spec))


@dataclass(frozen=True)
class NoOp:
    """Nothing to do. ``live`` is None for a resource that is refused."""

    target: Target
    live: ObservedResource | None = None


@dataclass(frozen=True)
class _Step:
    """A change with a step. ``resource`` is the record: for a deletion the one that goes, else the one to come."""

    op: ClassVar[Op]
    resource: ResourceState
    reasons: tuple[str, ...]

    @property
    def step_id(self) -> str:
        """The id of its step, unique in a plan."""
        return f"{self.resource.address}:{self.op}"


@dataclass(frozen=True)
class _Forward(_Step):
    target: Target


@dataclass(frozen=True)
class Create(_Forward):
    """Nothing exists: the resource is new, or was deleted outside smplan."""

    op = Op.CREATE


@dataclass(frozen=True)
class Adopt(_Forward):
    """It exists and is not in the state, or an interrupted run left it incomplete."""

    op = Op.ADOPT
    live: ObservedResource
    changes: Changes


@dataclass(frozen=True)
class Update(_Forward):
    """A change in place, or of the record alone."""

    op = Op.UPDATE
    live: ObservedResource
    changes: Changes


@dataclass(frozen=True)
class Release(_Forward):
    """What an update gives up, in a step of its own, once nothing uses it any more."""

    op = Op.UPDATE
    live: ObservedResource
    changes: Changes

    @property
    def step_id(self) -> str:
        return f"{self.resource.address}:release"


@dataclass(frozen=True)
class Replace(_Forward):
    """A new generation, for what cannot be changed in place. ``live`` is None if the kind changed."""

    op = Op.REPLACE
    prior: ResourceState
    prior_type: ResourceType
    live: ObservedResource | None
    changes: Changes
    delete_before_create: bool


@dataclass(frozen=True)
class Gate(_Forward):
    """A wait: for a gate, or until what was stopped is ready again. ``live`` is None if it never passed."""

    op = Op.GATE
    live: ObservedResource | None = None
    changes: Changes = ()


@dataclass(frozen=True)
class Scale(_Forward):
    """Another minimum and capacity, as a person asked for; ``resource`` remembers them, or no longer does."""

    op = Op.SCALE
    live: ObservedResource
    changes: Changes


@dataclass(frozen=True)
class Move(_Step):
    """An address for an existing resource: only the state and its ownership tags change."""

    op = Op.MOVE
    type: ResourceType
    previous: str
    deposed: bool
    """Whether it was a deposed generation, as after half a swap."""


@dataclass(frozen=True)
class Restore(Move):
    """An older generation, ``live``, that becomes the current one again; the current one becomes an older one."""

    op = Op.RESTORE
    live: ObservedResource


Change: TypeAlias = Create | Adopt | Update | Replace | Gate | Scale | NoOp
Action: TypeAlias = Create | Adopt | Update | Replace | Gate | Scale | Release


@dataclass(frozen=True)
class _Removal(_Step):
    op = Op.DELETE
    type: ResourceType

    @property
    def step_id(self) -> str:
        return f"{self.resource.address}:delete#{self.resource.generation}"


@dataclass(frozen=True)
class Delete(_Removal):
    """The current generation of a resource: replaced, or no longer wanted."""

    live: ObservedResource | None


@dataclass(frozen=True)
class DeleteDeposed(_Removal):
    """A generation that an earlier plan replaced. ``live`` is None if it was not found."""

    live: ObservedResource | None = None


@dataclass(frozen=True)
class DeleteUntracked(_Removal):
    """A resource that an interrupted run created; ``number`` counts those of one address, from 1."""

    live: ObservedResource
    pending_key: str
    number: int

    @property
    def step_id(self) -> str:
        return f"{self.resource.address}:delete#pending-{self.number}"


@dataclass(frozen=True)
class ForgetUntracked(_Removal):
    """A pending create whose resource is adopted at another address, ``adopted_as``; ``number`` as above."""

    op = Op.FORGET
    pending_key: str
    number: int
    adopted_as: str

    @property
    def step_id(self) -> str:
        return f"{self.resource.address}:forget#pending-{self.number}"


@dataclass(frozen=True)
class Forget(_Removal):
    """A record that goes alone: there is nothing to delete."""

    op = Op.FORGET


@dataclass(frozen=True)
class Abandon(_Removal):
    """A record that goes although the resource exists, or may exist; ``pending_key`` is that of a pending create."""

    op = Op.FORGET
    pending_key: str = ""
    number: int = 0

    @property
    def step_id(self) -> str:
        generation = f"pending-{self.number}" if self.pending_key else f"{self.resource.generation}"
        return f"{self.resource.address}:abandon#{generation}"


@dataclass(frozen=True)
class Unprotect(_Removal):
    """The protection of a resource that the step ``before`` deletes; ``resource`` is its record without it."""

    op = Op.UNPROTECT
    live: ObservedResource
    before: str

    @property
    def step_id(self) -> str:
        return f"{self.resource.address}:unprotect#{self.resource.generation}"


Deletion: TypeAlias = Delete | DeleteDeposed | DeleteUntracked | Forget | ForgetUntracked | Abandon | Unprotect


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a plan is refused, and what permits it: ``--unprotect`` and the address; empty if nothing does.

    ``stopped``: a group that `smplan scale` stopped must be started for it.
    """

    message: str
    option: str = ""
    address: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Unowned:
    """What a plan may not take: the address that wants it, why it may not, and the owner as (lineage, address).

    ``name_field``: the field of its kind with which another one could exist beside it.
    """

    address: str
    why: str
    owner: tuple[str, str] | None
    name_field: str | None = None
    adoptable: bool = True

    @property
    def message(self) -> str:
        """The address and why."""
        return f"{self.address}: {self.why}"


@dataclass(frozen=True, slots=True)
class Permits:
    """What a person permits for one plan, by address: to delete what is protected, to forget what exists."""

    unprotect: frozenset[str] = frozenset()
    abandon: frozenset[str] = frozenset()

    def listed(self) -> dict[str, tuple[str, ...]]:
        """The addresses by permit, without permits that have none."""
        found = {"unprotect": tuple(sorted(self.unprotect)), "abandon": tuple(sorted(self.abandon))}
        return {permit: addresses for permit, addresses in found.items() if addresses}


NO_PERMITS = Permits()


@dataclass(frozen=True)
class ChangeSet:
    """Every change by address, in topological order, the deletions, and what was found on the way."""

    lookups: Mapping[str, Mapping[str, Json]]
    state: State
    """Every record at its address after the moves."""
    moves: tuple[Move, ...] = ()
    changes: dict[str, Change] = field(default_factory=dict)
    releases: Mapping[str, Release] = field(default_factory=dict)
    """By address: the second step of a change that gives something up."""
    deletions: list[Deletion] = field(default_factory=list)
    kept: list[ResourceState] = field(default_factory=list)
    """The replaced generations that are not deleted, for going back."""
    drift: list[Drift] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    """By address: why a resource could not be read; it is left alone."""
    stopped: dict[str, str] = field(default_factory=dict)
    """By address: why it is neither read nor waited for."""
    values: dict[str, Mapping[str, PartialValue]] = field(default_factory=dict)
    """By address: the attributes that are known before apply."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    guard_violations: list[Violation] = field(default_factory=list)
    unowned: list[Unowned] = field(default_factory=list)

    def value_of(self, ref: Ref) -> PartialValue:
        """The value of ``ref``; the reference itself if it is known only after apply. Raises KeyError."""
        if ref.root in self.lookups:
            return get_path(self.lookups[ref.root], ref.path)
        values = self.values.get(ref.address, {})
        return get_path(values, ref.path) if ref.path and ref.path[0] in values else ref

    def raise_if_refused(self, command: str = "") -> None:
        """Raise BlueprintInvalid, NotOurs or GuardRefused with everything that was found.

        ``command`` is the one that makes this plan: the hint adds the options to it that permit what was refused.
        """
        if self.diagnostics:
            raise BlueprintInvalid(self.diagnostics)
        if self.unowned:
            raise NotOurs("\n".join(each.message for each in self.unowned), hint=_adoption(self.unowned))
        if self.guard_violations:
            messages = dict.fromkeys(each.message for each in self.guard_violations)
            raise GuardRefused("\n".join(messages), hint=_remedy(self.guard_violations, command))


def _adoption(unowned: Sequence[Unowned]) -> str:
    """What to write into the blueprint: another name, or that what exists is shared or taken over, where it may be."""
    lines = []
    for each in unowned:
        whom = f"{{from: {'/'.join(each.owner)}}}" if each.owner else "true"
        ways = [f"give it another `{each.name_field}`"] if each.name_field else []
        if each.adoptable:
            ways += ["share it with `lifecycle: {keep: true}`", f"take it over with `lifecycle: {{adopt: {whom}}}`"]
        lines.append(f"{each.address}: {', or '.join(ways) or 'change it, or remove it from the blueprint'}")
    return "; ".join(lines)


def _remedy(violations: Sequence[Violation], command: str) -> str:
    """What to type to have the plan all the same, after reading what it says; empty if nothing helps."""
    options = dict.fromkeys((each.option, each.address) for each in violations if each.option)
    if not options:
        return ""
    words = " ".join(f"{option} {shlex.quote(address)}" for option, address in options)
    meanings = {option: _MEANINGS[option] for option, _ in options}
    permitted = f"{'; '.join(meanings.values())}: `{' '.join(filter(None, (command, words)))}`"
    if not any(each.stopped for each in violations):
        return permitted
    start, again = _start_command(command), f"`{command}`" if command else "the same command"
    return f"start it with `{start}`, then run {again} again; {permitted}"


def _start_command(command: str) -> str:
    """The command that starts what `smplan scale` has stopped, with the blueprint and variables of ``command``."""
    words = shlex.split(command)
    pairs = [pair for pair in pairwise(words[3:]) if pair[0] in ("--var", "--var-file")]
    given = shlex.join([*words[2:3], "--to", "blueprint", *chain.from_iterable(pairs)])
    return f"smplan scale {given}" if words[2:] else "smplan scale BLUEPRINT --to blueprint"


_MEANINGS = {
    "--unprotect": "to remove the protection in the same plan, add --unprotect",
    "--abandon": "to forget what cannot be read, which continues to exist, add --abandon",
}
