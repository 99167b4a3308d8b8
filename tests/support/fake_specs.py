"""The specs of fake resource types: one has a name, one is the only one of its number, one is a gate."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from smplan.core.spec import IMMUTABLE, INITIAL, SENSITIVE, UNORDERED, WRITE_ONLY, PartialList, PartialMap, Spec, fields

S = TypeVar("S", bound=Spec)


class ThingSpec(Spec):
    """A thing, with a field of every trait."""

    name: Annotated[str, IMMUTABLE, Field(description="Its natural key.")]
    zone: Annotated[str | None, IMMUTABLE, Field(description="Where.")] = None
    size: Annotated[int, Field(description="How big.", ge=0)] = 1
    tags: Annotated[PartialMap[str] | None, Field(description="Labels.")] = None
    uses: Annotated[PartialList[str] | None, UNORDERED, Field(description="Ids of others.")] = None
    start: Annotated[int | None, INITIAL, Field(description="Not managed after the creation.")] = None
    note: Annotated[str | None, WRITE_ONLY, Field(description="Never read back.")] = None
    password: Annotated[str | None, SENSITIVE, Field(description="A secret.")] = None


class PortSpec(Spec):
    """A port; only one of each number can exist."""

    number: Annotated[int, IMMUTABLE, Field(description="Its natural key.")]
    of: Annotated[str, IMMUTABLE, Field(description="The id of the thing it belongs to.")]
    open: Annotated[bool, Field(description="Whether it is open.")] = True


class GateSpec(Spec):
    """What a gate waits for."""

    of: Annotated[str, Field(description="The id of a thing.")]
    count: Annotated[int, Field(description="How many of it.")] = 1


class HerdSpec(Spec):
    """A herd, which has a size."""

    name: Annotated[str, IMMUTABLE, Field(description="Its natural key.")]
    least: Annotated[int, Field(description="The minimum.")]
    now: Annotated[int | None, INITIAL, Field(description="The size.")] = None
    most: Annotated[int, Field(description="The maximum.")] = 9

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.known("least", "most") and self.least > self.most:
            raise ValueError("`least` is above `most`")
        return self


def readable(spec: S) -> S:
    """``spec`` as a read returns it: without its write-only and sensitive fields."""
    hidden = [name for name, traits in fields(type(spec)).items() if traits.has(WRITE_ONLY) or traits.has(SENSITIVE)]
    return spec.model_copy(update=dict.fromkeys(hidden))
