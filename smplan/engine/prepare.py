"""Prepared steps: a step with its spec filled in, its intent, and what earlier runs left of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from smplan.core import canonical_json
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.resolver import Resolver
from smplan.core.resource_type import ResourceType
from smplan.core.spec import Spec
from smplan.core.state.journal import CREATING_OPS, ReplayedState, StepIntent
from smplan.core.state.model import ResourceState, Status
from smplan.core.values import InvalidReference, Json, decode, encode, refs, resolve
from smplan.drivers.base import Driver
from smplan.drivers.inventory import names_of
from smplan.engine.providers import Providers, resolve_secrets
from smplan.errors import Invalid


@dataclass(frozen=True, slots=True)
class PreparedStep:
    """A step that is ready to run."""

    step: Step
    driver: Driver[Any]
    spec: Any
    """Of the kind's own type, with every reference and secret filled in; None for a delete or forget."""
    intent: StepIntent
    created_id: str = ""
    """The id that an earlier run journaled."""
    begun: bool = False
    """Whether an earlier run may have sent its requests, so that what is found may be its work."""


class Preparer:
    """Prepares the steps of one plan; ``resolver`` learns the values of references as steps are done."""

    def __init__(self, plan: Plan, replayed: ReplayedState, providers: Providers, resolver: Resolver) -> None:
        run = replayed.run
        self.plan = plan
        self._providers = providers
        self._resolver = resolver
        self.done_before = run.done if run else frozenset()
        """Ids of the steps that an earlier run of this plan completed."""
        self._open = frozenset(run.open) if run else frozenset()
        self._created_ids = run.made if run else {}
        self._pending_creates = {intent.resource_key: intent for intent in replayed.pending_creates}

    def prepare(self, step: Step) -> PreparedStep:
        """``step``, ready to run. Raises Invalid, or the error of the source of a secret."""
        driver, created_id = self._providers.driver(step.kind), self._created_ids.get(step.id, "")
        spec, record = (None, step.resource.spec) if step.after is None else self._complete(step, driver)
        id = created_id or step.physical_id
        resource = replace(step.resource, id=id, spec=record, outputs={}, status=Status.INCOMPLETE)
        creates = step.op in CREATING_OPS
        key = self._providers.kind(step.kind).identity_digest(record) if creates else step.pending_key
        intent = StepIntent(step.id, step.op, resource, key, previous_address=step.previous_address)
        pending = self._pending_creates.get(intent.resource_key)
        if creates:
            intent = replace(intent, token=self._token(intent, pending))
        return PreparedStep(step, driver, spec, intent, created_id, step.id in self._open or pending is not None)

    def learn(self, prepared: PreparedStep, id: str, outputs: Mapping[str, Json]) -> None:
        """A step is done: give references to its resource their values.

        What is new, or has new outputs, such as another version, may not show at once.
        """
        step = prepared.step
        if step.op in CREATING_OPS or (step.op is Op.UPDATE and outputs != step.resource.outputs):
            self._take_inventory(replace(prepared.intent.resource, id=id, outputs=outputs), new=True)
        if prepared.spec is not None or prepared.step.op in (Op.MOVE, Op.RESTORE):
            self._resolver.add(replace(prepared.intent.resource, id=id, outputs=outputs))

    def take_inventory(self, resources: Iterable[ResourceState]) -> None:
        """List ``resources`` in the inventory: new is what an unfinished run created."""
        created = {step.address for step in self.plan.steps if step.id in self._created_ids}
        for resource in resources:
            new = resource.status is Status.INCOMPLETE or resource.address in created
            self._take_inventory(resource, new=new)

    def _take_inventory(self, resource: ResourceState, *, new: bool) -> None:
        kind = self._providers.kind(resource.kind)
        if not kind.gate and not kind.virtual:
            names = names_of(resource.id, _name(kind, resource), resource.outputs)
            self._providers.inventory.add(resource.address, names, new=new)

    def outputs(self) -> dict[str, Json]:
        """The outputs of the plan."""
        return {name: encode(resolve(decode(value), self._resolver)) for name, value in self.plan.outputs.items()}

    def _complete(self, step: Step, driver: Driver[Any]) -> tuple[Spec, Json]:
        """The spec with references and secrets filled in, and the one to record, with references only."""
        try:
            value = resolve(decode(step.after), self._resolver)
            unknown = next((ref for _, ref in refs(value)), None)
            if unknown is not None:
                raise Invalid(f"{step.address} refers to {unknown}, which has no value", address=step.address)
            return driver.spec.model_validate(resolve_secrets(value, self._providers.secret)), encode(value)
        except (ValidationError, InvalidReference) as error:
            message = _first_error(error) if isinstance(error, ValidationError) else str(error)
            hint = "fix the blueprint, then run `smplan plan` again"
            raise Invalid(f"{step.address}: {message}", hint=hint) from None

    def _token(self, intent: StepIntent, pending: StepIntent | None) -> str:
        """The idempotency token. An earlier run's request is repeated as it was; for another spec AWS refuses it."""
        if pending and pending.token and pending.resource.spec == intent.resource.spec:
            return pending.token
        return canonical_json.digest([self.plan.base.lineage, intent.resource.address, intent.op, self.plan.id])


def _name(kind: ResourceType, resource: ResourceState) -> Json:
    spec = resource.spec if isinstance(resource.spec, dict) else {}
    return resource.name or spec.get(kind.name_field or "")


def _first_error(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
