"""The lookups and resource instances of a document: ``when``, ``for_each`` and ``after`` evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smplan.blueprint.declarations import Declaration
from smplan.blueprint.interpolate import Each, Interpolator
from smplan.blueprint.schema import NAME, RESERVED, LifecycleForm, LookupForm, ResourceForm
from smplan.blueprint.sections import validated
from smplan.core import address_tag
from smplan.core.blueprint import INVALID, Lifecycle, LookupDecl, Resource
from smplan.core.values import InvalidReference, PartialValue, Path, Placeholder, Ref, instance_address, parse_ref
from smplan.core.wording import one_of, quoted, shape, suggestion

MAX_RESOURCES = 20_000

_NAME = re.compile(NAME)
_KEY = re.compile(r'[^\s"$\\\[\]{}]{1,128}\Z')
_WHEN = re.compile(r"\$\{\s*(?P<not>!?)(?P<ref>[^{}]*)\}\Z")


def _key_refusal(name: str, key: str) -> str:
    """Why ``key`` cannot be a key of the resource ``name``; empty if it can."""
    if not _KEY.match(key):
        return "cannot be a key: no spaces, quotes, brackets, $ or \\"
    if len(address_tag.encode(instance_address(name, key))) > address_tag.LIMIT:
        return f"is too long: the address does not fit in a tag of {address_tag.LIMIT} characters"
    return ""


@dataclass
class ResourceEntry:
    """One entry under ``resources``, before it is expanded to instances."""

    declaration: Declaration
    form: dict[str, Any]
    instances: list[Each | None]
    complete: bool
    """Whether it has a kind, and a spec that is valid or left out."""


@dataclass
class ResourceReader:
    """Reads the ``lookups`` and ``resources`` of a document; ``names`` then holds the declaration of each name."""

    interpolator: Interpolator
    names: dict[str, Declaration] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source_map, self.diagnostics, self.report = (
            self.interpolator.source_map,
            self.interpolator.diagnostics,
            self.interpolator.report,
        )
        self.count = 0

    def read(
        self, lookups: Mapping[str, PartialValue], resources: Mapping[str, PartialValue]
    ) -> tuple[tuple[LookupDecl, ...], tuple[Resource, ...]]:
        """Every valid lookup, and every instance of every valid resource."""
        found = tuple(self._lookups(lookups))
        entries = [self._declare(name, raw) for name, raw in resources.items()]
        return found, tuple(resource for entry in entries for resource in self._instances(entry))

    def _name(self, name: str, path: Path) -> None:
        if not _NAME.match(name) or name in RESERVED:
            hint = "use letters, digits, - and _, starting with a letter or _; `var` and `each` are reserved"
            self.report(path, f"{quoted(name)} cannot be a name", hint, key=True)
        elif name in self.names:
            self.report(
                path,
                f"{quoted(name)} is already the name of a lookup",
                "choose another name: lookups and resources share their names",
                key=True,
            )

    def _lookups(self, lookups: Mapping[str, PartialValue]) -> Iterator[LookupDecl]:
        for name, raw in lookups.items():
            path: Path = ("lookups", name)
            self._name(name, path)
            form = validated(LookupForm, raw, path, self.source_map, self.diagnostics)
            complete = {"kind", "where"} <= form.keys()
            self.names[name] = Declaration(name, form.get("kind", ""), path, lookup=True, has_errors=not complete)
            if complete:
                yield LookupDecl(
                    name, form["kind"], self.interpolator.interpolate(form["where"], (*path, "where")), path
                )

    def _declare(self, name: str, raw: PartialValue) -> ResourceEntry:
        path: Path = ("resources", name)
        self._name(name, path)
        form = validated(ResourceForm, raw, path, self.source_map, self.diagnostics)
        declaration = Declaration(name, form.get("kind", ""), path, has_errors="kind" not in form)
        instances: list[Each | None] = [None]
        if isinstance(raw, dict) and raw.get("for_each") is not None:
            found = self._each(form["for_each"], (*path, "for_each")) if "for_each" in form else None
            declaration = replace(
                declaration,
                has_errors=declaration.has_errors or found is None,
                keys=tuple(each.key for each in found or ()),
            )
            instances = [Each("?", None, known=False)] if found is None else [*found]
        self._limit(path, len(instances))
        declaration = replace(
            declaration, disabled_keys=self._disabled_keys(form.get("when", True), (*path, "when"), instances)
        )
        self.names[name] = declaration
        complete = "kind" in form and ("spec" in form or "spec" not in raw)
        return ResourceEntry(declaration, form, instances, complete)

    def _limit(self, path: Path, more: int) -> None:
        self.count += more
        if self.count > MAX_RESOURCES:
            message = f"a blueprint can have at most {MAX_RESOURCES} resources"
            raise self.diagnostics.fatal(self.source_map.diagnostic(path, message, "split it into several blueprints"))

    def _each(self, raw: PartialValue, path: Path) -> list[Each] | None:
        """The instances of a ``for_each``; None if it is invalid."""
        if isinstance(raw, str) and not (raw.startswith("${") and raw.endswith("}")):
            self.report(
                path, "`for_each` must be a list of names, a map, or a variable that holds one", "such as [blue, green]"
            )
            return None
        tree = self.interpolator.interpolate(raw, path)
        if isinstance(tree, (list, dict)):
            pairs = tree.items() if isinstance(tree, dict) else [(item, item) for item in tree]
            return self._pairs(list(pairs), path, is_list=isinstance(tree, list))
        if tree is not INVALID and not self.interpolator.from_invalid_variable(tree):
            message = f"`for_each` must be a list or a map, not {shape(tree)}"
            if isinstance(tree, Placeholder):
                message = f"`for_each` must be known before planning; `{tree}` is not"
            self.report(path, message, "use a list, a map or a variable")
        return None

    def _pairs(self, pairs: list[tuple[PartialValue, PartialValue]], path: Path, *, is_list: bool) -> list[Each] | None:
        seen: dict[str, Each] = {}
        for position, (key, value) in enumerate(pairs):
            at: Path = (*path, position if is_list else key)
            if not isinstance(key, str):
                if key is not INVALID and not self.interpolator.from_invalid_variable(key):
                    self.report(
                        at,
                        f"a key of `for_each` must be text, not {shape(key)}",
                        "quote it, or use a variable",
                    )
                return None
            if refusal := _key_refusal(str(path[1]), key):
                self.report(at, f"{quoted(key)} {refusal}", key=True)
                return None
            if key in seen:
                self.report(at, f"{quoted(key)} is in `for_each` twice")
            seen[key] = Each(key, value)
        return list(seen.values())

    def _disabled_keys(self, raw: bool | str, path: Path, instances: list[Each | None]) -> frozenset[str | None]:
        """The keys of the instances whose ``when`` is false."""
        if isinstance(raw, bool):
            return frozenset() if raw else frozenset(each.key if each else None for each in instances)
        found = _WHEN.match(raw)
        if not found:
            self.report(
                path,
                "`when` must be true, false, a variable or its negation",
                'such as "${var.webrtc}" or "${!var.webrtc}"',
            )
            return frozenset()
        text, wanted = f"${{{found['ref']}}}", not found["not"]
        off = [each.key if each else None for each in instances if self._condition(text, path, each, wanted) is False]
        return frozenset(off)

    def _condition(self, text: str, path: Path, each: Each | None, wanted: bool) -> bool | None:
        value = self.interpolator.interpolate(text, path, each)
        if isinstance(value, bool):
            return value is wanted
        if isinstance(value, Placeholder):
            if value is not INVALID and not self.interpolator.from_invalid_variable(value):
                self.report(path, f"`{value}` is not known before planning; `when` must be", "use a variable")
        else:
            self.report(path, f"`when` must be true or false, not {shape(value)}", "use a variable of type boolean")
        return None

    def _instances(self, entry: ResourceEntry) -> Iterator[Resource]:
        """The enabled instances, without those whose spec is not a map: they cannot be checked further."""
        declaration, form = entry.declaration, entry.form
        for each in entry.instances:
            key = each.key if each else None
            if key in declaration.disabled_keys:
                continue
            spec = self._spec(form["spec"], (*declaration.path, "spec"), each) if "spec" in form else {}
            made = Resource(
                address=instance_address(declaration.name, key),
                name=declaration.name,
                key=key,
                kind=declaration.kind,
                spec=spec,
                after=self._after(form.get("after", ()), declaration, each) if "after" in form else (),
                lifecycle=self._lifecycle(form["lifecycle"], declaration.path, each)
                if "lifecycle" in form
                else Lifecycle(),
                path=declaration.path,
            )
            if entry.complete and spec is not None:
                yield made

    def _spec(self, raw: PartialValue, path: Path, each: Each | None) -> dict[str, PartialValue] | None:
        tree = self.interpolator.interpolate(raw, path, each)
        if isinstance(tree, dict):
            return tree
        if tree is not INVALID:
            self.report(path, "`spec` must be a map of the kind's fields")
        return None

    def _lifecycle(self, raw: PartialValue, path: Path, each: Each | None) -> Lifecycle:
        at = (*path, "lifecycle")
        form = validated(
            LifecycleForm, self.interpolator.resolve_now(raw, at, each), at, self.source_map, self.diagnostics
        )
        ignore, allow = (
            tuple(item for item in form.get(name, ()) if isinstance(item, str)) for name in ("ignore", "allow")
        )
        adopt, keep = form.get("adopt", False), form.get("keep", False)
        owner = adopt.get("from", "") if isinstance(adopt, dict) else ""
        if isinstance(adopt, dict) and "/" not in owner:
            self.report((*at, "adopt"), "`adopt` must name the owner", "write {from: LINEAGE/ADDRESS}")
        if adopt and keep:
            self.report((*at, "keep"), "`keep` and `adopt` exclude each other: what is shared is not taken over")
        most = form.get("keep_generations", 0)
        if most and keep:
            message = "`keep` and `keep_generations` exclude each other: what is shared is never deleted"
            self.report((*at, "keep_generations"), message)
        return Lifecycle(form.get("prevent_destroy", False), ignore, bool(adopt), owner, keep, allow, most)

    def _after(self, raw: list[PartialValue], declaration: Declaration, each: Each | None) -> tuple[str, ...]:
        """The addresses that ``raw`` names, without disabled instances."""
        found: dict[str, None] = {}
        own = instance_address(declaration.name, each.key if each else None)
        for position, text in enumerate(raw):
            path = (*declaration.path, "after", position)
            for address in self._addresses(text, path, each):
                if address == own:
                    self.report(path, f"{quoted(own)} cannot come after itself")
                found[address] = None
        self.interpolator.size_limit.charge((*declaration.path, "after"), len(found))
        return tuple(found)

    def _addresses(self, text: PartialValue, path: Path, each: Each | None) -> tuple[str, ...]:
        ref = self._address(text, path, each)
        declaration = self.names.get(ref.root) if ref else None
        if ref is None or (declaration is not None and declaration.has_errors):
            return ()
        if declaration is None:
            names = [name for name, known in self.names.items() if not known.lookup]
            self.report(path, f"there is no resource {quoted(ref.root)} to come after", suggestion(ref.root, names))
        elif declaration.lookup:
            self.report(path, f"{quoted(ref.root)} is a lookup, and lookups come before every resource", "remove it")
        elif ref.index is not None and ref.index not in (declaration.keys or ()):
            self.report(
                path,
                f"{quoted(ref.root)} has no instance {quoted(ref.index)}",
                one_of(ref.index, declaration.keys or ()),
            )
        elif ref.index is not None or declaration.keys is None:
            return () if ref.index in declaration.disabled_keys else (ref.address,)
        elif each is not None and each.key in declaration.keys:
            return () if each.key in declaration.disabled_keys else (instance_address(ref.root, each.key),)
        else:
            return declaration.present()
        return ()

    def _address(self, text: PartialValue, path: Path, each: Each | None) -> Ref | None:
        try:
            ref = parse_ref(text) if isinstance(text, str) else None
        except InvalidReference:
            ref = None
        if ref is None or ref.path or (ref.index_from_each and each is None):
            if text is not INVALID:
                name = re.match(r"\$\{\s*([\w-]+)", text) if isinstance(text, str) else None
                hint = f"write `{name[1]}`" if name else 'write its name alone: `alb`, `alb["blue"]`'
                self.report(path, "this is not the name of a resource", hint)
            return None
        return replace(ref, index=each.key, index_from_each=False) if each and ref.index_from_each else ref
