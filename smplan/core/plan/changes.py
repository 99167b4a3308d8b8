"""What a decision is made of: what becomes of each resource, and of each thing that is not wanted any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smplan.core.blueprint import Resource
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Drift, Op
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.spec import Spec
from smplan.core.state.model import ResourceState
from smplan.core.values import PartialValue
from smplan.errors import BlueprintInvalid, Diagnostic, GuardRefused, NotOurs


@dataclass(frozen=True)
class Verdict:
    """What becomes of one resource of the blueprint. ``op`` is None where nothing is to be done."""

    kind: ResourceType
    resource: Resource
    spec: Spec
    op: Op | None = None
    prior: ResourceState | None = None
    seen: ObservedResource | None = None
    changes: tuple[AttributeChange, ...] = ()
    reasons: tuple[str, ...] = ()
    generation: int = 1
    name: str = ""
    delete_first: bool = False
    prior_kind: ResourceType | None = None
    """The kind of what stands there now, where that is another one."""

    @property
    def address(self) -> str:
        """The address of the resource."""
        return self.resource.address


@dataclass(frozen=True)
class Removal:
    """Something of the state that has to go: ``op`` is DELETE, or FORGET where nothing is left to delete."""

    kind: ResourceType
    entry: ResourceState
    op: Op
    reasons: tuple[str, ...]
    seen: ObservedResource | None = None
    delete_first: bool = False
    leftover: bool = False
    stray: int = 0
    """Made by an interrupted run, and in no state: which of those of its address, from 1. 0 for everything else."""
    pending_key: str = ""
    """The key of the orphan that a stray came of."""


@dataclass
class Decision:
    """Every verdict, in topological order, and what was noticed on the way."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    values: dict[str, Mapping[str, PartialValue]] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def raise_if_refused(self) -> None:
        """Raise BlueprintInvalid, NotOurs or GuardRefused with everything found, if anything was."""
        if self.faults:
            raise BlueprintInvalid(self.faults)
        if self.strangers:
            hint = "rename it, or write `lifecycle: {adopt: true}` to take it over"
            raise NotOurs("\n".join(self.strangers), hint=hint)
        if self.refusals:
            raise GuardRefused("\n".join(self.refusals))
