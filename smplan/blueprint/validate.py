"""Validation of a blueprint without contacting AWS: kinds, fields, references and the rules of the guide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from pydantic import ValidationError

from smplan.blueprint import unknown
from smplan.blueprint.declarations import Declaration
from smplan.blueprint.references import ReferenceChecker, Wanted, wanted_at
from smplan.blueprint.schema import StreamManagerForm
from smplan.blueprint.secrets import known_secrets
from smplan.core import graph
from smplan.core.blueprint import INVALID, Blueprint, LookupDecl, Resource
from smplan.core.diff import parse_path
from smplan.core.resource_type import Catalogue, LookupType, ResourceType
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import spec_errors, walk
from smplan.core.values import PartialValue, Path, Placeholder, Secret, leaves, placeholders, refs
from smplan.core.wording import dotted, kind_suggestion, one_of, quoted, same_resource, suggestion
from smplan.errors import Diagnostic, Severity
from smplan.guide import ordering
from smplan.guide.constraints import violations
from smplan.guide.rules import RULES

_KIND = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+\Z")
_LONGEST_KIND = 64
_LONGEST_CYCLE = 8


def check(blueprint: Blueprint, names: Mapping[str, Declaration], catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Every error of a parsed blueprint; ``names`` holds the declaration of each name."""
    checker = _Checker(blueprint, names, catalogue)
    yield from known_secrets(blueprint)
    for lookup in blueprint.lookups:
        yield from checker.lookup(lookup)
    yield from checker.lookup_cycles()
    for resource in blueprint.resources:
        yield from checker.resource(resource)
    yield from checker.doubles()
    yield from checker.stream_manager()
    for name, tree in blueprint.outputs.items():
        yield from checker.output(name, tree)
    yield from graph.cycles(blueprint, ordering.edges)
    for broken in violations(blueprint):
        severity: Severity = "warning" if broken.rule.advice else "error"
        yield blueprint.source_map.diagnostic(broken.path, broken.message, broken.hint, severity=severity)


@dataclass
class _Checker:
    blueprint: Blueprint
    names: Mapping[str, Declaration]
    catalogue: Catalogue

    def __post_init__(self) -> None:
        self.source_map = self.blueprint.source_map
        by_address = {resource.address: resource for resource in self.blueprint.resources}
        found = Catalogue(self.resource_type, self.lookup_type, self.catalogue.resources, self.catalogue.lookups)
        self.references = ReferenceChecker(self.names, by_address, found, self.blueprint.variables)

    def resource_type(self, kind: str) -> ResourceType | None:
        """The resource type of that name, or None; malformed names are not searched for."""
        return self.catalogue.resource(kind) if _is_possible(kind) else None

    def lookup_type(self, kind: str) -> LookupType | None:
        """The lookup type of that name, or None; malformed names are not searched for."""
        return self.catalogue.lookup(kind) if _is_possible(kind) else None

    def doubles(self) -> Iterator[Diagnostic]:
        """Resources that would be one: equal in what identifies them, equal references included."""
        first: dict[tuple[str, str], str] = {}
        for resource in self.blueprint.resources:
            type = self.resource_type(resource.kind)
            key = ""
            with suppress(ValidationError):  # reported where the spec is checked
                if type and not any(each is INVALID for _, each in placeholders(resource.spec)):
                    key = type.natural_key(type.spec.model_validate(resource.spec).managed_fields())
            other = first.setdefault((resource.kind, key), resource.address) if key else resource.address
            if other != resource.address:
                yield self.source_map.diagnostic(
                    resource.path, *same_resource(resource.address, other, resource.kind, key)
                )

    def lookup(self, lookup: LookupDecl) -> Iterator[Diagnostic]:
        """The errors of one lookup."""
        type = self.lookup_type(lookup.kind)
        if type is None:
            hint = kind_suggestion(lookup.kind, self.catalogue.lookups())
            if self.resource_type(lookup.kind) is not None:
                hint = f"{lookup.kind} can only be created: declare it under `resources`"
            yield self.source_map.diagnostic(
                (*lookup.path, "kind"), f"nothing of kind {quoted(lookup.kind)} can be looked up", hint
            )
            return
        for key in lookup.where:
            if key not in type.keys and not (key.startswith("tag:") and "tag:*" in type.keys):
                path, known = (*lookup.path, "where", key), list(type.keys)
                yield self.source_map.diagnostic(
                    path, f"{type.kind} cannot be looked up by {quoted(key)}", one_of(key, known), key=True
                )
        where = (*lookup.path, "where")
        for path, leaf in placeholders(lookup.where):
            if isinstance(leaf, Secret):
                yield self.source_map.diagnostic(
                    (*where, *path), "a secret is not allowed here: the plan would show it"
                )
        yield from self.where(type, lookup)

    def where(self, type: LookupType, lookup: LookupDecl) -> Iterator[Diagnostic]:
        """The errors of the values of ``where``, which may refer to other lookups only."""
        for path, leaf in leaves(lookup.where):
            at = (*lookup.path, "where", *path)
            reference = type.key_references.get(str(path[0])) if path else None
            wanted = Wanted(f"`{dotted(path)}`", reference=reference, owner=lookup.name, lookups_only=True)
            resources = [ref for _, ref in refs(leaf) if ref.root in self.names and not self.names[ref.root].lookup]
            if resources:
                message = f"a lookup is made while planning, before {quoted(resources[0].root)} exists"
                yield self.source_map.diagnostic(
                    at, message, "look it up by a known value, or refer to the resource itself"
                )
                continue
            is_open = isinstance(leaf, Placeholder)
            found = self.references.faults(leaf, wanted) if is_open else self.references.literal_faults(leaf, wanted)
            for fault in found:
                yield self.source_map.diagnostic(at, *fault)

    def lookup_cycles(self) -> Iterator[Diagnostic]:
        """The error of lookups that refer to each other in a cycle."""
        needs = {each.name: {ref.root for _, ref in refs(each.where)} for each in self.blueprint.lookups}
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            shown = " needs ".join(quoted(name) for name in cycle[:_LONGEST_CYCLE])
            path = (*self.names[cycle[0]].path, "where")
            yield self.source_map.diagnostic(
                path, f"lookups depend on each other in a cycle: {shown}", "look one of them up by a known value"
            )

    def resource(self, resource: Resource) -> Iterator[Diagnostic]:
        """The errors of one resource."""
        type = self.resource_type(resource.kind)
        if type is None:
            hint = kind_suggestion(resource.kind, self.catalogue.resources())
            if self.lookup_type(resource.kind) is not None:
                hint = f"{resource.kind} can only be looked up: declare it under `lookups`"
            yield self.source_map.diagnostic(
                (*resource.path, "kind"), f"there is no kind {quoted(resource.kind)}", hint
            )
            return
        if type.via_stream_manager and self.blueprint.stream_manager is None:
            message = f"{type.kind} needs a Stream Manager, and `stream_manager` is missing"
            yield self.source_map.diagnostic(
                (*resource.path, "kind"), message, "add stream_manager: {url, access_token}"
            )
        spec = (*resource.path, "spec")
        found = list(self.values(type.spec, resource.spec, spec, resource.address))
        yield from found
        reported = {each.path[:length] for each in found for length in range(len(spec) + 1, len(each.path) + 1)}
        errors = spec_errors(type.spec, resource.spec, secret=SENSITIVE)
        for error in unknown.once(errors, lambda error: unknown.field_hint(type, error.path, self.catalogue)):
            if (*spec, *error.path) in reported:
                continue
            key = error.key or not error.path
            diagnostic = self.source_map.diagnostic((*spec, *error.path), error.message, error.hint, key=key)
            yield replace(diagnostic, source="") if error.secret else diagnostic
        for path, leaf in placeholders(resource.spec):
            if isinstance(leaf, Secret) and SENSITIVE not in walk(type.spec, path)[1]:
                message = (
                    f"a secret is not allowed in `{dotted(path)}`: everyone who can read the resource would see it"
                )
                yield self.source_map.diagnostic(
                    (*spec, *path),
                    message,
                    "use secrets only in fields marked sensitive: `smplan kinds KIND` lists them",
                )
        yield from self.ignored(resource, type)
        yield from self.allowed(resource)
        if resource.lifecycle.keep_generations and not type.restorable:
            path = (*resource.path, "lifecycle", "keep_generations")
            message = f"no replaced {type.kind} can be kept: it would go on working beside the new one"
            yield self.source_map.diagnostic(path, message, "remove it; it is for images and what launches them")

    def ignored(self, resource: Resource, type: ResourceType) -> Iterator[Diagnostic]:
        """The errors of ``lifecycle.ignore``."""
        known = type.spec.model_fields
        for position, text in enumerate(resource.lifecycle.ignore):
            first = next(iter(parse_path(text)), "")
            if first not in known:
                path = (*resource.path, "lifecycle", "ignore", position)
                yield self.source_map.diagnostic(
                    path, f"{type.kind} has no field {quoted(first)} to ignore", one_of(first, known)
                )

    def allowed(self, resource: Resource) -> Iterator[Diagnostic]:
        """The errors of ``lifecycle.allow``."""
        known = [rule.id for rule in RULES.values() if not rule.refused]
        for position, id in enumerate(resource.lifecycle.allow):
            path = (*resource.path, "lifecycle", "allow", position)
            if id in RULES and RULES[id].refused:
                yield self.source_map.diagnostic(path, f"AWS refuses what breaks the rule {quoted(id)}", "remove it")
            elif id not in known:
                hint = (
                    suggestion(id, known) or "remove it, and run `smplan validate`: it names the rules that are broken"
                )
                yield self.source_map.diagnostic(path, f"the guide has no rule {quoted(id)} to allow", hint)

    def stream_manager(self) -> Iterator[Diagnostic]:
        """The errors of the references in ``stream_manager``."""
        yield from self.values(StreamManagerForm, self.blueprint.stream_manager, ("stream_manager",))

    def output(self, name: str, tree: PartialValue) -> Iterator[Diagnostic]:
        """The errors of one output."""
        for path, leaf in placeholders(tree):
            if isinstance(leaf, Secret):
                yield self.source_map.diagnostic(
                    ("outputs", name, *path), "a secret is not allowed in an output: it would be shown"
                )
            for fault in self.references.faults(leaf):
                yield self.source_map.diagnostic(("outputs", name, *path), *fault)

    def values(self, form: type[Spec], tree: PartialValue, at: Path, owner: str = "") -> Iterator[Diagnostic]:
        """The errors of the references, and of the literal ids, ARNs and names, in ``tree``, which is at ``at``."""
        for path, leaf in leaves(tree):
            wanted = wanted_at(form, path, owner)
            if isinstance(leaf, Placeholder):
                faults = self.references.faults(leaf, wanted)
            else:
                faults = self.references.literal_faults(leaf, wanted)
            for fault in faults:
                yield self.source_map.diagnostic((*at, *path), *fault)


def _is_possible(kind: str) -> bool:
    return len(kind) <= _LONGEST_KIND and _KIND.match(kind) is not None
