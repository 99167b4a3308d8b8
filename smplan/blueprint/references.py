"""Checks of references: that what is referred to exists, and gives what the field takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from smplan.blueprint.declarations import Declaration
from smplan.core import value_types
from smplan.core.blueprint import INVALID, Resource
from smplan.core.reference import Reference
from smplan.core.resource_type import Catalogue, LookupType, ResourceType
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import field_at, walk
from smplan.core.value_types import ANY, ValueType
from smplan.core.values import Interpolation, PartialValue, Path, Placeholder, Ref, get_path
from smplan.core.wording import dotted, one_of, quoted

Fault = tuple[str, str]
"""Message and hint."""


@dataclass(frozen=True)
class Wanted:
    """What is taken where a reference is written: types of values, and perhaps an attribute of certain kinds."""

    subject: str = ""
    types: frozenset[ValueType] = ANY
    reference: Reference | None = None
    sensitive: bool = False
    owner: str = ""
    """The address of the resource, or name of the lookup, that refers."""
    lookups_only: bool = False


ANYTHING = Wanted()
_VARIABLES = ("variables", "variable", "vars", "local", "locals", "param", "params", "parameters")


def wanted_at(form: type[Spec], path: Path, owner: str) -> Wanted:
    """What the field at ``path`` in a spec of the resource ``owner`` takes."""
    field, sensitive = field_at(form, path), SENSITIVE in walk(form, path)[1]
    reference = field.by_key.get(str(path[-1]), field.reference) if field else None
    return Wanted(f"`{dotted(path)}`", value_types.at(form, path), reference, sensitive, owner)


@dataclass
class ReferenceChecker:
    """Checks references to the resources and lookups ``names``."""

    names: Mapping[str, Declaration]
    by_address: Mapping[str, Resource]
    catalogue: Catalogue
    variables: Collection[str] = ()

    def faults(self, leaf: Placeholder, wanted: Wanted = ANYTHING) -> Iterator[Fault]:
        """What is wrong with the references in ``leaf``, where ``wanted`` is taken."""
        if isinstance(leaf, Ref):
            yield from self._fault(leaf, wanted)
        elif isinstance(leaf, Interpolation):
            for ref in dict.fromkeys(part for part in leaf.parts if isinstance(part, Ref)):
                yield from self._fault(ref, replace(wanted, types=ANY, reference=None), in_text=True)

    def literal_faults(self, value: PartialValue, wanted: Wanted) -> Iterator[Fault]:
        """What is wrong with the literal ``value``, if it is not what ``wanted`` names."""
        reference = wanted.reference
        if reference is None or not isinstance(value, str) or reference.matches(value):
            return
        example = f", such as {reference.example}" if reference.example else ""
        message = f"{wanted.subject} takes {reference.what}{example}; {quoted(value)} is not one"
        named = self.names.get(value)
        example = self._example(wanted, reference, named) if named else ""
        yield message, f"to refer to {quoted(value)}, write {example}" if example else self._remedy(wanted, reference)

    def _fault(self, ref: Ref, wanted: Wanted, *, in_text: bool = False) -> Iterator[Fault]:
        if ref.root in ("var", "each"):
            return
        declaration = self.names.get(ref.root)
        if declaration is None:
            yield self._unknown(ref)
        elif not declaration.has_errors:
            found = (
                declaration.wrong_instance(ref)
                or _to_itself(ref, wanted)
                or self._wrong_attribute(declaration, ref)
                or self._wrong_meaning(declaration, ref, wanted)
                or self._wrong_type(declaration, ref, wanted, in_text=in_text)
            )
            if found:
                yield found

    def _unknown(self, ref: Ref) -> Fault:
        message = f"{quoted(ref.root)} is neither a resource nor a lookup"
        second = str(ref.path[0]) if ref.path else ""
        if ref.root in self.variables:
            return message, f"write `{Ref('var', path=(ref.root, *ref.path))}` for the variable"
        if ref.root in _VARIABLES and second:
            return message, f"write `{replace(ref, root='var')}` for a variable"
        if second in self.names:
            return message, f"write `{Ref(second, ref.index, ref.path[1:] or ('id',))}`"
        if ref.root == "env":
            return message, f"declare a variable and set SMPLAN_VAR_{second or 'NAME'} in the environment"
        return message, one_of(ref.root, self.names)

    def _types(self, declaration: Declaration) -> tuple[ResourceType | None, ResourceType | LookupType | None]:
        resource = None if declaration.lookup else self.catalogue.resource(declaration.kind)
        return resource, self.catalogue.lookup(declaration.kind) if declaration.lookup else resource

    def _wrong_attribute(self, declaration: Declaration, ref: Ref) -> Fault | None:
        resource, declared = self._types(declaration)
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
        if resource is None or target is None or first in declared.outputs or first == "id":
            return None
        if target.spec.get(first) is None and resource.spec.model_fields[first].default is None:
            return (
                f"`{ref}` has no value: {quoted(ref.root)} leaves out `{first}`",
                f"set `{first}` of {quoted(ref.root)}, or write the value here",
            )
        try:
            get_path(target.spec, ref.path if first in target.spec else ())
        except KeyError as missing:
            return f"{quoted(str(ref)[2:-1])} cannot be resolved: there is no {quoted(str(missing.args[0]))}", ""
        return None

    def _wrong_meaning(self, declaration: Declaration, ref: Ref, wanted: Wanted) -> Fault | None:
        """The fault of a reference to another kind, or to another attribute of the right kind."""
        reference, (resource, declared) = wanted.reference, self._types(declaration)
        if reference is None or declared is None or (resource and resource.virtual):
            return None
        first = str(ref.path[0])
        rights = reference.attributes(declared.kind)
        field = field_at(resource.spec, ref.path) if resource else None
        output = declared.outputs.get(first)
        if first in rights or reference in (field and field.reference, output and output.reference):
            return None
        message = f"{wanted.subject} takes {reference.what}; `{ref}` is the {quoted(first)} of kind {declared.kind}"
        rights = rights or tuple(name for name, each in declared.outputs.items() if each.reference == reference)
        if rights:
            right = self._written(replace(ref, path=(rights[0],)), declaration, wanted)
            return message, f"write `{right}`"
        return message, self._remedy(wanted, reference)

    def _wrong_type(self, declaration: Declaration, ref: Ref, wanted: Wanted, *, in_text: bool) -> Fault | None:
        resource, _ = self._types(declaration)
        given = self._given(declaration, ref)
        if resource and SENSITIVE in walk(resource.spec, ref.path)[1] and not wanted.sensitive:
            return f"`{ref}` is a secret, and this would show it", "refer to the secret itself: {secret: …}"
        if in_text and given <= {"list", "map"}:
            item = "[0]" if "list" in given else ".key"
            return (
                f"`{ref}` is {value_types.words(given)} and cannot be part of a text",
                f"refer to one item, such as `{str(ref)[:-1]}{item}}}`",
            )
        if in_text or value_types.fits(given, wanted.types):
            return None
        message = f"{wanted.subject} takes {value_types.words(wanted.types)}; `{ref}` is {value_types.words(given)}"
        written = self._written(ref, declaration, wanted)
        if written != str(ref):
            return message, f"write `{written}`"
        return message, "refer to an attribute of that type, or write the value itself"

    def _given(self, declaration: Declaration, ref: Ref) -> frozenset[ValueType]:
        """The types that the value of ``ref`` may have."""
        resource, declared = self._types(declaration)
        first = str(ref.path[0])
        if declared is None:
            return ANY
        if resource and resource.virtual and (found := self._computed(resource, ref)) != ANY:
            return found
        if first in declared.outputs:
            type = declared.outputs[first].type
            inside = frozenset[ValueType]({"text"}) if type == "list" and declared.outputs[first].reference else ANY
            return frozenset({type}) if len(ref.path) == 1 else inside
        if resource is None or first == "id":
            return frozenset({"text"})
        target = self.by_address.get(ref.address)
        try:
            value = get_path(target.spec if target else {}, ref.path)
        except KeyError:
            value = INVALID
        known = value_types.of_value(value)
        return known if known != ANY else value_types.at(resource.spec, ref.path)

    def _computed(self, resource: ResourceType, ref: Ref) -> frozenset[ValueType]:
        """The types of an output that follows from the spec."""
        target = self.by_address.get(ref.address)
        outputs = resource.compute_outputs(resource.spec.model_construct(**target.spec)) if target else {}
        try:
            return value_types.of_value(get_path(outputs, ref.path))
        except KeyError:
            return ANY

    def _remedy(self, wanted: Wanted, reference: Reference) -> str:
        """What to write instead: a reference to a resource or lookup of the blueprint, if there is one."""
        for declaration in self.names.values():
            others = wanted.owner not in declaration.present() and (declaration.lookup or not wanted.lookups_only)
            if others and (example := self._example(wanted, reference, declaration)):
                return f"such as {example}"
        if reference.sources and not wanted.lookups_only:
            kind, _, attribute = reference.sources[0].rpartition(".")
            return f"refer to one of kind {kind}: `${{name.{attribute}}}`"
        return f"write {reference.what} itself"

    def _example(self, wanted: Wanted, reference: Reference, declaration: Declaration) -> str:
        """What to write to refer to ``declaration``; empty if it is of another kind."""
        attributes = reference.attributes(declaration.kind)
        if not attributes:
            return ""
        ref = Ref(declaration.name, (declaration.keys or (None,))[0], (attributes[0],))
        return f"`{self._written(ref, declaration, wanted)}`"

    def _written(self, ref: Ref, declaration: Declaration, wanted: Wanted) -> str:
        """``ref`` as it has to be written where ``wanted`` is taken: as an item, or in a list."""
        given = self._given(declaration, ref)
        if value_types.fits(given, wanted.types):
            return str(ref)
        if "list" in given:
            return str(replace(ref, path=(*ref.path, 0)))
        return f'["{ref}"]' if "list" in wanted.types else str(ref)


def _to_itself(ref: Ref, wanted: Wanted) -> Fault | None:
    if ref.address != wanted.owner:
        return None
    return f"{quoted(ref.address)} refers to itself", "write the value itself, or refer to another resource"
