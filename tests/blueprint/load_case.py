"""A few kinds without drivers, and functions that load a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.blueprint.load import load
from smplan.core.blueprint import Blueprint
from smplan.core.resource_type import Catalogue, DeclaredLookup, DeclaredResource, LookupType, Output, ResourceType
from smplan.core.spec import SENSITIVE, PartialList, PartialMap, Spec
from smplan.errors import BlueprintInvalid, Diagnostic


class Part(Spec):
    """A part of a thing."""

    role: Annotated[str, Field(description="What it does.")]
    limit: Annotated[int | None, Field(ge=1, description="How many.")] = None
    key: Annotated[str | None, SENSITIVE] = None


class ThingSpec(Spec):
    """A thing with a field of every shape."""

    name: Annotated[str, Field(min_length=2, max_length=10, pattern="^[a-z]", description="Its name.")]
    size: Annotated[int | None, Field(ge=1, le=9, description="How large.")] = None
    weight: Annotated[float | None, Field(gt=0, lt=10, multiple_of=0.5)] = None
    mode: Literal["fast", "slow"] | None = None
    token: Annotated[str | None, Field(max_length=20), SENSITIVE] = None
    colour: Annotated[Literal["red", "blue"] | None, SENSITIVE] = None
    tags: Annotated[PartialMap[str] | None, Field(max_length=3)] = None
    names: Annotated[PartialList[str] | None, Field(min_length=1, max_length=2)] = None
    plain: list[str] | None = None
    parts: PartialList[Part] | None = None
    part: Part | None = None
    flag: bool | None = None
    either: int | str | list[int] | None = None
    data: Any = None

    @model_validator(mode="after")
    def _fast_things_are_small(self) -> ThingSpec:
        if self.known("mode", "size") and self.mode == "fast" and self.size is not None and self.size > 5:
            raise ValueError("a fast thing is no larger than 5")
        return self


class EmptySpec(Spec):
    """Nothing to say."""


class Thing(DeclaredResource):
    """A thing."""

    kind = "toy.thing"
    summary = "A thing."
    spec = ThingSpec
    outputs: ClassVar = {"arn": Output("Its ARN.")}


class Fleet(DeclaredResource):
    """Behind a Stream Manager."""

    kind = "toy.fleet"
    summary = "Behind the fleet."
    spec = EmptySpec
    via_stream_manager = True


class Both(DeclaredResource):
    """Can be created, and looked up."""

    kind = "toy.both"
    summary = "Both."
    spec = ThingSpec
    outputs: ClassVar = {"size": Output("As it is.")}


class PlaceLookup(DeclaredLookup):
    """Can only be looked up."""

    kind = "toy.place"
    summary = "A place."
    keys: ClassVar = {"name": "Its name.", "zone": "Its zone.", "tag:*": "A tag."}
    outputs: ClassVar = {"arn": Output("Its ARN."), "list": Output("More.")}


class BothLookup(DeclaredLookup):
    """Can be created, and looked up."""

    kind = "toy.both"
    summary = "One of both."
    keys: ClassVar = {"name": "Its name."}
    outputs: ClassVar = {"arn": Output("")}


RESOURCES: dict[str, ResourceType] = {each.kind: each for each in (Thing, Fleet, Both)}
LOOKUPS: dict[str, LookupType] = {each.kind: each for each in (PlaceLookup, BothLookup)}


def toys() -> Catalogue:
    """The catalogue of these kinds."""
    return Catalogue(RESOURCES.get, LOOKUPS.get, lambda: RESOURCES, lambda: LOOKUPS)


HEAD = "smplan: 1\nname: toy\n"


def written(folder: Path, text: str, *, name: str = "toy.yaml", head: str = HEAD) -> Path:
    """The blueprint of ``text`` as a file."""
    path = folder / name
    path.write_text(head + dedent(text), encoding="utf-8")
    return path


def loaded(folder: Path, text: str, *, environ: Mapping[str, str] = {}, head: str = HEAD, **given: Any) -> Blueprint:
    """The blueprint of ``text``, which has no diagnostics."""
    try:
        return load(written(folder, text, head=head), catalogue=toys(), environ=environ, **given)
    except BlueprintInvalid as invalid:
        raise AssertionError(invalid.diagnostics) from invalid


def diagnostics_of(
    folder: Path, text: str, *, environ: Mapping[str, str] = {}, head: str = HEAD, **given: Any
) -> list[Diagnostic]:
    """The diagnostics of ``text``, which has some."""
    return diagnostics_in(written(folder, text, head=head), environ=environ, **given)


def diagnostics_in(path: Path, *, environ: Mapping[str, str] = {}, **given: Any) -> list[Diagnostic]:
    """The diagnostics of the file, which has some."""
    try:
        blueprint = load(path, catalogue=toys(), environ=environ, **given)
    except BlueprintInvalid as invalid:
        return list(invalid.diagnostics)
    raise AssertionError(f"no errors: {blueprint}")


def errors(folder: Path, text: str, **given: Any) -> list[tuple[str, str, str]]:
    """``(line:column, message, hint)`` of each diagnostic; the line after the opening quotes of ``text`` is line 1."""
    shift = given.get("head", HEAD).count("\n") + 1
    found = diagnostics_of(folder, text, **given)
    return [
        (f"{diagnostic.line - shift}:{diagnostic.column}", diagnostic.message, diagnostic.hint) for diagnostic in found
    ]
