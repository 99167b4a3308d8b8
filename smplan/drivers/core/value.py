"""``core.value``: a value kept in the state only, for computed names, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from smplan.core.resource_type import Output
from smplan.core.spec import Spec
from smplan.core.values import PartialValue
from smplan.drivers.base import Claim, Driver, Live


class ValueSpec(Spec):
    """Any JSON value."""

    input: Annotated[Any, Field(description="The value to keep: any JSON value.")] = None


class Value(Driver[ValueSpec]):
    """Exists in the state only, so it never drifts."""

    kind = "core.value"
    summary = "A value kept in the state: a computed name, a constant that several resources use."
    spec = ValueSpec
    outputs: ClassVar = {"output": Output("The value of `input`.", type="any", may_change_on_update=True)}
    taggable = False
    virtual = True

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ValueSpec]]:
        """Nothing: a value exists in the state only."""
        return {}

    @classmethod
    def compute_outputs(cls, spec: ValueSpec) -> Mapping[str, PartialValue]:
        """``output`` is the input."""
        return {"output": spec.input}

    def create(self, spec: ValueSpec, claim: Claim) -> str:
        """The address is the id."""
        return claim.owner.address

    def update(self, live: Live[ValueSpec], spec: ValueSpec) -> None:
        """Nothing to send."""

    def delete(self, id: str) -> None:
        """Nothing to send."""
