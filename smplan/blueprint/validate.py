"""Whether a blueprint makes sense: kinds, fields, references and the field's own rules, all without any cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from smplan.core.blueprint import Blueprint, LookupDecl, Resource
from smplan.core.resource_type import Catalogue, LookupType, ResourceType
from smplan.core.spec import SENSITIVE
from smplan.core.spec_errors import spec_errors, walk
from smplan.core.values import (
    Interpolation,
    PartialValue,
    Path,
    Ref,
    Secret,
    get_path,
    instance_address,
    placeholders,
    refs,
)
from smplan.core.wording import dotted, one_of, quoted, suggestion
from smplan.errors import Diagnostic
from smplan.guide.constraints import violations

_KIND = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+\Z")
_LONGEST_KIND = 64
_LONGEST_CIRCLE = 8


@dataclass(frozen=True)
class Declaration:
    """What one name of the document stands for: a lookup, one resource, or one instance for each of ``keys``."""

    name: str
    kind: str
    path: Path
    lookup: bool = False
    keys: tuple[str, ...] | None = None
    off: frozenset[str | None] = frozenset()
    """The keys (None where there are no keys) whose ``when`` is false."""
    broken: bool = False
    """It has faults of its own: whatever refers to it is given the benefit of the doubt."""

    def present(self) -> tuple[str, ...]:
        """The addresses of the instances that there are."""
        keys: tuple[str | None, ...] = (None,) if self.keys is None else self.keys
        return tuple(instance_address(self.name, key) for key in keys if key not in self.off)


def check(blueprint: Blueprint, names: Mapping[str, Declaration], catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Every fault of a blueprint that reads well; ``names`` says what each name in it stands for."""
    checker = _Checker(blueprint, names, catalogue)
    for lookup in blueprint.lookups:
        yield from checker.lookup(lookup)
    yield from checker.lookup_cycles()
    for resource in blueprint.resources:
        yield from checker.resource(resource)
    yield from checker.stream_manager()
    for name, tree in blueprint.outputs.items():
        yield from checker.output(name, tree)
    for path, message, hint in violations(blueprint):
        yield blueprint.marks.diagnostic(path, message, hint)


def is_disabled(ref: Ref, names: Mapping[str, Declaration]) -> bool:
    """Whether ``ref`` points at something whose ``when`` is false."""
    group = names.get(ref.root)
    return group is not None and ref.index in group.off


@dataclass
class _Checker:
    blueprint: Blueprint
    names: Mapping[str, Declaration]
    catalogue: Catalogue

    def __post_init__(self) -> None:
        self.marks = self.blueprint.marks
        self.by_address = {resource.address: resource for resource in self.blueprint.resources}

    def resource_type(self, kind: str) -> ResourceType | None:
        """The resource type of that name, or None; impossible names are not searched for."""
        return self.catalogue.resource(kind) if _is_possible(kind) else None

    def lookup_type(self, kind: str) -> LookupType | None:
        """The lookup type of that name, or None; impossible names are not searched for."""
        return self.catalogue.lookup(kind) if _is_possible(kind) else None

    def lookup(self, lookup: LookupDecl) -> Iterator[Diagnostic]:
        """The faults of one lookup."""
        type = self.lookup_type(lookup.kind)
        if type is None:
            hint = suggestion(lookup.kind, self.catalogue.lookups())
            yield self.marks.diagnostic(
                (*lookup.path, "kind"), f"nothing of kind {quoted(lookup.kind)} can be looked up", hint
            )
            return
        for key in lookup.where:
            if key not in type.keys and not (key.startswith("tag:") and "tag:*" in type.keys):
                path, known = (*lookup.path, "where", key), list(type.keys)
                yield self.marks.diagnostic(
                    path, f"{type.kind} is not looked up by {quoted(key)}", one_of(key, known), key=True
                )
        where = (*lookup.path, "where")
        for path, leaf in placeholders(lookup.where):
            if isinstance(leaf, Secret):
                yield self.marks.diagnostic((*where, *path), "a secret may not stand here: the plan would show it")
            for ref in _refs_of(leaf):
                yield from self.lookup_ref((*where, *path), ref)

    def lookup_ref(self, path: Path, ref: Ref) -> Iterator[Diagnostic]:
        """A lookup is made before anything else: it may refer to other lookups only."""
        group = self.names.get(ref.root)
        if group is not None and not group.lookup:
            message = f"a lookup is made while planning, before {quoted(ref.root)} exists"
            yield self.marks.diagnostic(path, message, "look it up by something known, or refer to the resource itself")
        else:
            yield from self.ref(path, ref)

    def lookup_cycles(self) -> Iterator[Diagnostic]:
        """Lookups that wait for each other."""
        needs = {each.name: {ref.root for _, ref in refs(each.where)} for each in self.blueprint.lookups}
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            shown = " needs ".join(quoted(name) for name in circle[:_LONGEST_CIRCLE])
            path = (*self.names[circle[0]].path, "where")
            yield self.marks.diagnostic(
                path, f"lookups need each other in a circle: {shown}", "look one up by something known"
            )

    def resource(self, resource: Resource) -> Iterator[Diagnostic]:
        """The faults of one resource."""
        type = self.resource_type(resource.kind)
        if type is None:
            hint = suggestion(resource.kind, self.catalogue.resources())
            if self.lookup_type(resource.kind) is not None:
                hint = f"{resource.kind} can only be looked up: declare it under `lookups`"
            yield self.marks.diagnostic((*resource.path, "kind"), f"there is no kind {quoted(resource.kind)}", hint)
            return
        if type.via_stream_manager and self.blueprint.stream_manager is None:
            message = f"{type.kind} needs a Stream Manager, and `stream_manager` is missing"
            yield self.marks.diagnostic((*resource.path, "kind"), message, "add stream_manager: {url, access_token}")
        spec = (*resource.path, "spec")
        for misfit in spec_errors(type.spec, resource.spec, secret=SENSITIVE):
            key = misfit.key or not misfit.path
            fault = self.marks.diagnostic((*spec, *misfit.path), misfit.message, misfit.hint, key=key)
            yield replace(fault, source="") if misfit.secret else fault
        for path, leaf in placeholders(resource.spec):
            if isinstance(leaf, Secret) and SENSITIVE not in walk(type.spec, path)[1]:
                message = f"a secret may not stand in `{dotted(path)}`: whoever reads the resource would see it"
                yield self.marks.diagnostic(
                    (*spec, *path), message, "secrets stand only where a kind keeps them hidden"
                )
            for ref in _refs_of(leaf):
                yield from self.ref((*spec, *path), ref)
        yield from self.ignored(resource, type)

    def ignored(self, resource: Resource, type: ResourceType) -> Iterator[Diagnostic]:
        """Paths to ignore that are not there."""
        known = type.spec.model_fields
        for position, dots in enumerate(resource.lifecycle.ignore):
            first = dots.partition(".")[0]
            if first not in known:
                path = (*resource.path, "lifecycle", "ignore", position)
                yield self.marks.diagnostic(
                    path, f"{type.kind} has no field {quoted(first)} to ignore", one_of(first, known)
                )

    def stream_manager(self) -> Iterator[Diagnostic]:
        """The references by which the Stream Manager is reached."""
        for path, ref in refs(self.blueprint.stream_manager):
            yield from self.ref(("stream_manager", *path), ref)

    def output(self, name: str, tree: PartialValue) -> Iterator[Diagnostic]:
        """The faults of one output."""
        for path, leaf in placeholders(tree):
            if isinstance(leaf, Secret):
                yield self.marks.diagnostic(("outputs", name, *path), "an output would show the secret to everybody")
            for ref in _refs_of(leaf):
                yield from self.ref(("outputs", name, *path), ref)

    def ref(self, path: Path, ref: Ref) -> Iterator[Diagnostic]:
        """What is wrong with one reference, if anything is."""
        if ref.root in ("var", "each"):
            return
        group = self.names.get(ref.root)
        if group is None:
            known = one_of(ref.root, self.names)
            yield self.marks.diagnostic(path, f"{quoted(ref.root)} is neither a resource nor a lookup", known)
        elif not group.broken:
            found = _wrong_instance(group, ref) or self._wrong_attribute(group, ref)
            if found:
                yield self.marks.diagnostic(path, *found)

    def _wrong_attribute(self, group: Declaration, ref: Ref) -> tuple[str, str] | None:
        resource = None if group.lookup else self.resource_type(group.kind)
        declared = self.lookup_type(group.kind) if group.lookup else resource
        if declared is None:
            return None
        names = ["id", *declared.outputs, *(resource.spec.model_fields if resource else ())]
        if not ref.path:
            return (
                f"`{ref}` does not say which attribute of {quoted(ref.root)}",
                f"for example `{replace(ref, path=('id',))}`",
            )
        first = str(ref.path[0])
        if first not in names:
            return f"{quoted(ref.root)} ({declared.kind}) has no {quoted(first)}", one_of(first, names)
        target = self.by_address.get(ref.address)
        if target is None or first in declared.outputs or first not in target.spec:
            return None
        try:
            get_path(target.spec, ref.path)
        except KeyError as missing:
            return f"{quoted(str(ref)[2:-1])} leads nowhere: there is no {quoted(str(missing.args[0]))}", ""
        return None


def _is_possible(kind: str) -> bool:
    return len(kind) <= _LONGEST_KIND and _KIND.match(kind) is not None


def _wrong_instance(group: Declaration, ref: Ref) -> tuple[str, str] | None:
    if group.keys is None and ref.index is not None:
        return f"{quoted(ref.root)} has no instances: it has no `for_each`", f"write `{replace(ref, index=None)}`"
    if group.keys is not None and ref.index is None:
        key = group.keys[0] if group.keys else "key"
        example = f"`{replace(ref, index=key)}`, or inside a `for_each` `{replace(ref, index_from_each=True)}`"
        return f"{quoted(ref.root)} has one instance for each key: say which", f"write {example}"
    if group.keys is not None and ref.index not in group.keys:
        return f"{quoted(ref.root)} has no instance {quoted(str(ref.index))}", one_of(str(ref.index), group.keys)
    if ref.index in group.off:
        message = f"{quoted(ref.address)} does not exist: its `when` is false"
        return message, "give both the same `when`, or take the reference away"
    return None


def _refs_of(leaf: object) -> tuple[Ref, ...]:
    if isinstance(leaf, Ref):
        return (leaf,)
    if isinstance(leaf, Interpolation):
        return tuple(dict.fromkeys(part for part in leaf.parts if isinstance(part, Ref)))
    return ()
