"""Validation of a blueprint without contacting AWS: kinds, fields, references and the rules of the guide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from pydantic import ValidationError

from smplan import redaction
from smplan.core.blueprint import INVALID, Blueprint, LookupDecl, Resource
from smplan.core.diff import parse_path
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
from smplan.core.wording import dotted, one_of, quoted, same_resource, suggestion
from smplan.errors import Diagnostic
from smplan.guide.constraints import violations

_AT_USE = "remove it; in scripts, read it where it is used, for example from the SSM parameter store"
_SECRET_HINTS = {
    "a URL contains a password": _AT_USE,
    "a URL contains a token": "use an endpoint without one, such as a queue or a function that calls the webhook",
    "this contains the value of a secret": _AT_USE,
}
_KIND = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+\Z")
_LONGEST_KIND = 64
_LONGEST_CYCLE = 8


@dataclass(frozen=True)
class Declaration:
    """The declaration of one name: a lookup, one resource, or one instance for each of ``keys``."""

    name: str
    kind: str
    path: Path
    lookup: bool = False
    keys: tuple[str, ...] | None = None
    disabled_keys: frozenset[str | None] = frozenset()
    """The keys (None where there are no keys) whose ``when`` is false."""
    has_errors: bool = False
    """Its own errors are reported already, so references to it are not checked."""

    def present(self) -> tuple[str, ...]:
        """The addresses of the enabled instances."""
        keys: tuple[str | None, ...] = (None,) if self.keys is None else self.keys
        return tuple(instance_address(self.name, key) for key in keys if key not in self.disabled_keys)


def check(blueprint: Blueprint, names: Mapping[str, Declaration], catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Every error of a parsed blueprint; ``names`` holds the declaration of each name."""
    checker = _Checker(blueprint, names, catalogue)
    yield from checker.written_secrets()
    for lookup in blueprint.lookups:
        yield from checker.lookup(lookup)
    yield from checker.lookup_cycles()
    for resource in blueprint.resources:
        yield from checker.resource(resource)
    yield from checker.doubles()
    yield from checker.stream_manager()
    for name, tree in blueprint.outputs.items():
        yield from checker.output(name, tree)
    for path, message, hint in violations(blueprint):
        yield blueprint.source_map.diagnostic(path, message, hint)


def is_disabled(ref: Ref, names: Mapping[str, Declaration]) -> bool:
    """Whether ``ref`` refers to an instance whose ``when`` is false."""
    declaration = names.get(ref.root)
    return declaration is not None and ref.index in declaration.disabled_keys


@dataclass
class _Checker:
    blueprint: Blueprint
    names: Mapping[str, Declaration]
    catalogue: Catalogue

    def __post_init__(self) -> None:
        self.source_map = self.blueprint.source_map
        self.by_address = {resource.address: resource for resource in self.blueprint.resources}

    def resource_type(self, kind: str) -> ResourceType | None:
        """The resource type of that name, or None; malformed names are not searched for."""
        return self.catalogue.resource(kind) if _is_possible(kind) else None

    def lookup_type(self, kind: str) -> LookupType | None:
        """The lookup type of that name, or None; malformed names are not searched for."""
        return self.catalogue.lookup(kind) if _is_possible(kind) else None

    def written_secrets(self) -> Iterator[Diagnostic]:
        """Known secrets in texts, passwords and tokens in URLs; redacted from now on, also in other errors."""
        places = [(resource.path, "spec", resource.spec) for resource in self.blueprint.resources]
        places += [(lookup.path, "where", lookup.where) for lookup in self.blueprint.lookups]
        sections = ("variables", "stream_manager", "outputs")
        places += [((), name, getattr(self.blueprint, name)) for name in sections]
        for path, name, tree in places:
            for inside, text in _texts(tree):
                yield from self._written_secret((*path, name, *inside), text)

    def _is_reported(self, path: Path) -> bool:
        """Whether ``path`` is, or only repeats, an access token that is reported for being written down."""
        settings = self.blueprint.stream_manager or {}
        return not isinstance(settings.get("access_token"), Secret) and path[0] in ("stream_manager", "variables")

    def _written_secret(self, path: Path, text: str) -> Iterator[Diagnostic]:
        found, what = redaction.passwords(text), "a URL contains a password"
        if not found and (path[-1] == "endpoint" or path[:1] == ("stream_manager",)):
            found, what = redaction.tokens(text), "a URL contains a token"
        for secret in found:
            redaction.KNOWN.remember(secret)
        if not found and not self._is_reported(path) and redaction.redacted(text) != text:
            found, what = [text], "this contains the value of a secret"
        if found:
            yield self.source_map.diagnostic(path, f"{what}, which smplan would store and show", _SECRET_HINTS[what])

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
            hint = suggestion(lookup.kind, self.catalogue.lookups())
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
            for ref in _references(leaf):
                yield from self.lookup_ref((*where, *path), ref)

    def lookup_ref(self, path: Path, ref: Ref) -> Iterator[Diagnostic]:
        """The errors of a reference in a lookup, which may refer to other lookups only."""
        declaration = self.names.get(ref.root)
        if declaration is not None and not declaration.lookup:
            message = f"a lookup is made while planning, before {quoted(ref.root)} exists"
            yield self.source_map.diagnostic(
                path, message, "look it up by a known value, or refer to the resource itself"
            )
        else:
            yield from self.ref(path, ref)

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
            hint = suggestion(resource.kind, self.catalogue.resources())
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
        for error in spec_errors(type.spec, resource.spec, secret=SENSITIVE):
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
            for ref in _references(leaf):
                yield from self.ref((*spec, *path), ref)
        yield from self.ignored(resource, type)

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

    def stream_manager(self) -> Iterator[Diagnostic]:
        """The errors of the references in ``stream_manager``."""
        for path, ref in refs(self.blueprint.stream_manager):
            yield from self.ref(("stream_manager", *path), ref)

    def output(self, name: str, tree: PartialValue) -> Iterator[Diagnostic]:
        """The errors of one output."""
        for path, leaf in placeholders(tree):
            if isinstance(leaf, Secret):
                yield self.source_map.diagnostic(
                    ("outputs", name, *path), "a secret is not allowed in an output: it would be shown"
                )
            for ref in _references(leaf):
                yield from self.ref(("outputs", name, *path), ref)

    def ref(self, path: Path, ref: Ref) -> Iterator[Diagnostic]:
        """The error of one reference, if any."""
        if ref.root in ("var", "each"):
            return
        declaration = self.names.get(ref.root)
        if declaration is None:
            known = one_of(ref.root, self.names)
            yield self.source_map.diagnostic(path, f"{quoted(ref.root)} is neither a resource nor a lookup", known)
        elif not declaration.has_errors:
            found = _wrong_instance(declaration, ref) or self._wrong_attribute(declaration, ref)
            if found:
                yield self.source_map.diagnostic(path, *found)

    def _wrong_attribute(self, declaration: Declaration, ref: Ref) -> tuple[str, str] | None:
        resource = None if declaration.lookup else self.resource_type(declaration.kind)
        declared = self.lookup_type(declaration.kind) if declaration.lookup else resource
        if declared is None:
            return None
        names = ["id", *declared.outputs, *(resource.spec.model_fields if resource else ())]
        if not ref.path:
            return (
                f"`{ref}` does not name an attribute of {quoted(ref.root)}",
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
            return f"{quoted(str(ref)[2:-1])} cannot be resolved: there is no {quoted(str(missing.args[0]))}", ""
        return None


def _is_possible(kind: str) -> bool:
    return len(kind) <= _LONGEST_KIND and _KIND.match(kind) is not None


def _wrong_instance(declaration: Declaration, ref: Ref) -> tuple[str, str] | None:
    if declaration.keys is None and ref.index is not None:
        return f"{quoted(ref.root)} has no instances: it has no `for_each`", f"write `{replace(ref, index=None)}`"
    if declaration.keys is not None and ref.index is None:
        key = declaration.keys[0] if declaration.keys else "key"
        example = f"`{replace(ref, index=key)}`, or inside a `for_each` `{replace(ref, index_from_each=True)}`"
        return f"{quoted(ref.root)} has one instance per key: choose one", f"write {example}"
    if declaration.keys is not None and ref.index not in declaration.keys:
        return f"{quoted(ref.root)} has no instance {quoted(str(ref.index))}", one_of(str(ref.index), declaration.keys)
    if ref.index in declaration.disabled_keys:
        message = f"{quoted(ref.address)} does not exist: its `when` is false"
        return message, "give both the same `when`, or remove the reference"
    return None


def _texts(tree: PartialValue, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in ``tree``, with its path; of an interpolation its fixed parts."""
    if isinstance(tree, (str, Interpolation)):
        yield path, str(tree)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _texts(value, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from _texts(value, (*path, position))


def _references(leaf: object) -> tuple[Ref, ...]:
    if isinstance(leaf, Ref):
        return (leaf,)
    if isinstance(leaf, Interpolation):
        return tuple(dict.fromkeys(part for part in leaf.parts if isinstance(part, Ref)))
    return ()
