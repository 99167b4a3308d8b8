"""The resources of a document, one by one: ``when`` decided, ``for_each`` unrolled, ``after`` turned into addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smplan.blueprint.interpolate import Each, Interpolator
from smplan.blueprint.schema import NAME, RESERVED, LifecycleForm, LookupForm, ResourceForm
from smplan.blueprint.sections import validated
from smplan.blueprint.validate import Declaration
from smplan.core import address_tag
from smplan.core.blueprint import INVALID, Lifecycle, LookupDecl, Resource
from smplan.core.values import InvalidReference, PartialValue, Path, Placeholder, Ref, instance_address, parse_ref
from smplan.core.wording import one_of, quoted, shape, suggestion

MOST_RESOURCES = 20_000

_NAME = re.compile(NAME)
_KEY = re.compile(r'[^\s"$\\\[\]{}]{1,128}\Z')
_WHEN = re.compile(r"\$\{\s*(?P<not>!?)(?P<ref>[^{}]*)\}\Z")


def _key_refusal(name: str, key: str) -> str:
    """Why ``key`` cannot be a key of the resource ``name``; empty if it can."""
    if not _KEY.match(key):
        return "cannot be a key: no blanks, quotes, brackets, $ or \\"
    if len(address_tag.encode(instance_address(name, key))) > address_tag.LIMIT:
        return f"is too long: the address does not fit in a tag of {address_tag.LIMIT} characters"
    return ""


@dataclass
class Declared:
    """One entry under ``resources``, before its instances are made."""

    group: Declaration
    form: dict[str, Any]
    instances: list[Each | None]
    whole: bool
    """Whether its kind and its spec can be told."""


@dataclass
class ResourceReader:
    """Reads the ``lookups`` and ``resources`` of a document; ``names`` says afterwards what each name stands for."""

    filler: Interpolator
    names: dict[str, Declaration] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.marks, self.faults, self.fault = self.filler.marks, self.filler.faults, self.filler.fault
        self.count = 0

    def read(
        self, lookups: Mapping[str, PartialValue], resources: Mapping[str, PartialValue]
    ) -> tuple[tuple[LookupDecl, ...], tuple[Resource, ...]]:
        """Every lookup and every instance of every resource that can be made sense of."""
        found = tuple(self._lookups(lookups))
        declared = [self._declare(name, raw) for name, raw in resources.items()]
        return found, tuple(resource for each in declared for resource in self._instances(each))

    def _name(self, name: str, path: Path) -> None:
        if not _NAME.match(name) or name in RESERVED:
            hint = "letters, digits, - and _, beginning with a letter; `var` and `each` have a meaning already"
            self.fault(path, f"{quoted(name)} cannot be a name", hint, key=True)
        elif name in self.names:
            self.fault(
                path, f"{quoted(name)} is the name of a lookup already", "names are shared: give another", key=True
            )

    def _lookups(self, lookups: Mapping[str, PartialValue]) -> Iterator[LookupDecl]:
        for name, raw in lookups.items():
            path: Path = ("lookups", name)
            self._name(name, path)
            form = validated(LookupForm, raw, path, self.marks, self.faults)
            whole = {"kind", "where"} <= form.keys()
            self.names[name] = Declaration(name, form.get("kind", ""), path, lookup=True, broken=not whole)
            if whole:
                yield LookupDecl(name, form["kind"], self.filler.fill(form["where"], (*path, "where")), path)

    def _declare(self, name: str, raw: PartialValue) -> Declared:
        path: Path = ("resources", name)
        self._name(name, path)
        form = validated(ResourceForm, raw, path, self.marks, self.faults)
        group = Declaration(name, form.get("kind", ""), path, broken="kind" not in form)
        instances: list[Each | None] = [None]
        if isinstance(raw, dict) and raw.get("for_each") is not None:
            found = self._each(form["for_each"], (*path, "for_each")) if "for_each" in form else None
            group = replace(group, broken=group.broken or found is None, keys=tuple(each.key for each in found or ()))
            instances = [Each("?", None, known=False)] if found is None else [*found]
        self._limit(path, len(instances))
        group = replace(group, off=self._off(form.get("when", True), (*path, "when"), instances))
        self.names[name] = group
        whole = "kind" in form and ("spec" in form or "spec" not in raw)
        return Declared(group, form, instances, whole)

    def _limit(self, path: Path, more: int) -> None:
        self.count += more
        if self.count > MOST_RESOURCES:
            message = f"a blueprint holds at most {MOST_RESOURCES} resources"
            raise self.faults.end(self.marks.diagnostic(path, message, "split it into blueprints of their own"))

    def _each(self, raw: PartialValue, path: Path) -> list[Each] | None:
        """The instances that ``for_each`` asks for; None if it cannot be told."""
        if isinstance(raw, str) and not (raw.startswith("${") and raw.endswith("}")):
            self.fault(
                path, "`for_each` takes a list of names, a map, or a variable that is one", "such as [blue, green]"
            )
            return None
        tree = self.filler.fill(raw, path)
        if isinstance(tree, (list, dict)):
            pairs = tree.items() if isinstance(tree, dict) else [(item, item) for item in tree]
            return self._pairs(list(pairs), path, is_list=isinstance(tree, list))
        if tree is not INVALID and not self.filler.from_faulty_variable(tree):
            said = f"`{tree}` is known only later" if isinstance(tree, Placeholder) else f"this is {shape(tree)}"
            self.fault(
                path, f"how many instances there are must be known at once: {said}", "use a list, a map or a variable"
            )
        return None

    def _pairs(self, pairs: list[tuple[PartialValue, PartialValue]], path: Path, *, is_list: bool) -> list[Each] | None:
        seen: dict[str, Each] = {}
        for position, (key, value) in enumerate(pairs):
            at: Path = (*path, position if is_list else key)
            if not isinstance(key, str):
                if key is not INVALID and not self.filler.from_faulty_variable(key):
                    said = f"{shape(key)} known only later" if isinstance(key, Placeholder) else shape(key)
                    self.fault(
                        at, f"a key of `for_each` is text known at once, not {said}", "quote it, or use a variable"
                    )
                return None
            if refusal := _key_refusal(str(path[1]), key):
                self.fault(at, f"{quoted(key)} {refusal}", key=True)
                return None
            if key in seen:
                self.fault(at, f"{quoted(key)} is in `for_each` twice")
            seen[key] = Each(key, value)
        return list(seen.values())

    def _off(self, raw: bool | str, path: Path, instances: list[Each | None]) -> frozenset[str | None]:
        """The keys of the instances whose ``when`` is false."""
        if isinstance(raw, bool):
            return frozenset() if raw else frozenset(each.key if each else None for each in instances)
        found = _WHEN.match(raw)
        if not found:
            self.fault(
                path, "`when` is true, false, a variable or its negation", 'such as "${var.webrtc}" or "${!var.webrtc}"'
            )
            return frozenset()
        text, wanted = f"${{{found['ref']}}}", not found["not"]
        off = [each.key if each else None for each in instances if self._is(text, path, each, wanted) is False]
        return frozenset(off)

    def _is(self, text: str, path: Path, each: Each | None, wanted: bool) -> bool | None:
        value = self.filler.fill(text, path, each)
        if isinstance(value, bool):
            return value is wanted
        if isinstance(value, Placeholder):
            if value is not INVALID and not self.filler.from_faulty_variable(value):
                self.fault(path, f"`{value}` is known only later; `when` is decided at once", "use a variable")
        else:
            self.fault(
                path, f"`when` needs true or false, and this is {shape(value)}", "use a variable of type boolean"
            )
        return None

    def _instances(self, declared: Declared) -> Iterator[Resource]:
        """The instances there are; one whose spec is no map has no use for further checks, and is left out."""
        group, form = declared.group, declared.form
        for each in declared.instances:
            key = each.key if each else None
            if key in group.off:
                continue
            spec = self._spec(form["spec"], (*group.path, "spec"), each) if "spec" in form else {}
            made = Resource(
                address=instance_address(group.name, key),
                name=group.name,
                key=key,
                kind=group.kind,
                spec=spec,
                after=self._after(form.get("after", ()), group, each) if "after" in form else (),
                lifecycle=self._lifecycle(form["lifecycle"], group.path, each) if "lifecycle" in form else Lifecycle(),
                path=group.path,
            )
            if declared.whole and spec is not None:
                yield made

    def _spec(self, raw: PartialValue, path: Path, each: Each | None) -> dict[str, PartialValue] | None:
        tree = self.filler.fill(raw, path, each)
        if isinstance(tree, dict):
            return tree
        if tree is not INVALID:
            self.fault(path, "`spec` is a map of the kind's fields")
        return None

    def _lifecycle(self, raw: PartialValue, path: Path, each: Each | None) -> Lifecycle:
        at = (*path, "lifecycle")
        form = validated(LifecycleForm, self.filler.settled(raw, at, each), at, self.marks, self.faults)
        ignore = tuple(item for item in form.get("ignore", ()) if isinstance(item, str))
        return Lifecycle(form.get("prevent_destroy", False), ignore, form.get("adopt", False))

    def _after(self, raw: list[PartialValue], group: Declaration, each: Each | None) -> tuple[str, ...]:
        """Addresses; what is switched off is nothing to wait for, and is left out."""
        found: dict[str, None] = {}
        own = instance_address(group.name, each.key if each else None)
        for position, text in enumerate(raw):
            path = (*group.path, "after", position)
            for address in self._addresses(text, path, each):
                if address == own:
                    self.fault(path, f"{quoted(own)} cannot come after itself")
                found[address] = None
        self.filler.budget.spend((*group.path, "after"), len(found))
        return tuple(found)

    def _addresses(self, text: PartialValue, path: Path, each: Each | None) -> tuple[str, ...]:
        ref = self._address(text, path, each)
        group = self.names.get(ref.root) if ref else None
        if ref is None or (group is not None and group.broken):
            return ()
        if group is None:
            names = [name for name, known in self.names.items() if not known.lookup]
            self.fault(path, f"there is no resource {quoted(ref.root)} to come after", suggestion(ref.root, names))
        elif group.lookup:
            self.fault(path, f"{quoted(ref.root)} is a lookup: it comes before everything anyway", "remove it")
        elif ref.index is not None and ref.index not in (group.keys or ()):
            self.fault(
                path,
                f"{quoted(ref.root)} has no instance {quoted(ref.index)}",
                one_of(ref.index, group.keys or ()),
            )
        elif ref.index is not None or group.keys is None:
            return () if ref.index in group.off else (ref.address,)
        elif each is not None and each.key in group.keys:
            return () if each.key in group.off else (instance_address(ref.root, each.key),)
        else:
            return group.present()
        return ()

    def _address(self, text: PartialValue, path: Path, each: Each | None) -> Ref | None:
        try:
            ref = parse_ref(text) if isinstance(text, str) else None
        except InvalidReference:
            ref = None
        if ref is None or ref.path or (ref.index_from_each and each is None):
            if text is not INVALID:
                self.fault(path, "this is not the name of a resource", 'write its name alone: `alb`, `alb["blue"]`')
            return None
        return replace(ref, index=each.key, index_from_each=False) if each and ref.index_from_each else ref
