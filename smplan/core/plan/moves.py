"""Moves: resources whose address changed, recognised by their natural key or by ``moved`` in the blueprint.

A natural key belongs to one existing resource. If the blueprint has a key at another address than the state, that is
the same resource: it is renamed, or the keys of a ``for_each`` shifted, or two were swapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from smplan.core.blueprint import Blueprint, Moved, Resource
from smplan.core.graph import Graph
from smplan.core.plan.changes import Move
from smplan.core.plan.generation_names import current_name
from smplan.core.resolver import Resolver
from smplan.core.resource_type import ResourceType, ResourceTypes
from smplan.core.state.model import ResourceState, State, next_generation, rename_dependencies
from smplan.core.values import InvalidReference, Json, PartialValue, decode, resolve
from smplan.errors import BlueprintInvalid, Diagnostic


def plan_moves(
    blueprint: Blueprint, graph: Graph, types: ResourceTypes, state: State, lookups: Mapping[str, Json]
) -> tuple[State, tuple[Move, ...]]:
    """The state with every record at the address that the blueprint has for it, and the moves that make it so.

    Raises BlueprintInvalid for entries of ``moved`` that cannot be carried out.
    """
    declared = dict(_declared(blueprint, graph, state))
    index = _Index(types, state)
    resolver = Resolver(lookups, ())
    found: dict[str, ResourceState] = {}
    by_key: dict[str, ResourceState] = {}
    for address, declaration in graph.nodes.items():  # in topological order: a key may refer to what moved before
        prior = state.resources.get(address)
        named = index.match(declaration, prior, resolver)
        if named:
            by_key[address] = named
        record = declared.get(address) or named
        if record:
            found[address] = record
        if record := record or prior:
            resolver.add(replace(record, address=address))
    _check_declared(blueprint, graph, declared, by_key)
    placed = place(state, found, types, graph)
    return placed, tuple(
        Move(
            replace(placed.resources[address], id=record.id),
            (f"it was {record.address}",),
            types(record.kind),
            record.address,
            deposed=record in state.deposed,
        )
        for address, record in found.items()
    )


class _Index:
    """The records of the state by natural key; the current generation wins over those it replaced."""

    def __init__(self, types: ResourceTypes, state: State) -> None:
        self._types = types
        self._generations = [
            ({(each.kind, self._key_of(each)): each for each in records}, [each for each in records if each.name])
            for records in (tuple(state.resources.values()), state.deposed)
        ]

    def match(self, declaration: Resource, prior: ResourceState | None, resolver: Resolver) -> ResourceState | None:
        """The record of the resource that is declared, if the state has it at another address."""
        type = self._types(declaration.kind)
        if type.gate or type.virtual:
            return None
        try:
            spec = type.spec.model_validate(resolve(declaration.spec, resolver)).managed_fields()
        except (InvalidReference, ValidationError):
            return None  # the planner reports it
        key = type.natural_key(spec)
        if not key or (prior and self._is(prior, type, spec)):
            return None
        record = next(self._with_key(type, spec, key), None)
        return record if record and record.address != declaration.address else None

    def _with_key(self, type: ResourceType, spec: Mapping[str, PartialValue], key: str) -> Iterator[ResourceState]:
        for by_key, with_suffix in self._generations:
            if record := by_key.get((type.kind, key)):
                yield record
            yield from (each for each in with_suffix if self._is(each, type, spec))

    def _is(self, record: ResourceState, type: ResourceType, spec: Mapping[str, PartialValue]) -> bool:
        """Whether ``record`` is of the resource that ``spec`` describes, whose current name may have a suffix."""
        field = type.name_field
        written = spec.get(field) if field else None
        if field and record.name and isinstance(written, str):
            spec = {**spec, field: current_name(written, type.name_limit, record.name)}
        return record.kind == type.kind and self._key_of(record) == type.natural_key(spec)

    def _key_of(self, record: ResourceState) -> str:
        return self._types(record.kind).natural_key(decode(record.spec))


def _declared(blueprint: Blueprint, graph: Graph, state: State) -> Iterator[tuple[str, ResourceState]]:
    """The records that ``moved`` names, by new address. An entry whose ``from`` the state does not hold is done."""
    diagnostics: list[Diagnostic] = []
    for entry in blueprint.moved:
        for before, after in _instances(entry, state):
            record = state.resources[before]
            wrong = _objection(before, after, record, graph, state)
            if wrong:
                diagnostics.append(blueprint.source_map.diagnostic(entry.path, wrong, "correct or remove this entry"))
            else:
                yield after, record
    if diagnostics:
        raise BlueprintInvalid(diagnostics)


def _instances(entry: Moved, state: State) -> Iterator[tuple[str, str]]:
    """The pairs of addresses of an entry; the name of a ``for_each`` means every instance of it."""
    for address in state.resources:
        if address == entry.before:
            yield address, entry.after
        elif address.startswith(f"{entry.before}["):
            yield address, entry.after + address.removeprefix(entry.before)


def _objection(before: str, after: str, record: ResourceState, graph: Graph, state: State) -> str:
    if before in graph.nodes:
        return f"{before} cannot be moved: the blueprint still has it"
    if after not in graph.nodes:
        return f"{before} cannot be moved to {after}, which the blueprint does not have"
    if after in state.resources:
        return f"{before} cannot be moved to {after}, which the state has already"
    if graph.nodes[after].kind != record.kind:
        return f"{before} is a {record.kind} and cannot be moved to {after}, a {graph.nodes[after].kind}"
    return ""


def _check_declared(
    blueprint: Blueprint, graph: Graph, declared: Mapping[str, ResourceState], by_key: Mapping[str, ResourceState]
) -> None:
    """Raise BlueprintInvalid where ``moved`` says one thing, and the natural keys say another."""
    diagnostics: list[Diagnostic] = []
    for address, record in declared.items():
        named = by_key.get(address, record)
        wrong = f"`moved` says that {address} was {record.address}, and by its name it is {named.address}"
        if named is record:
            other = next((at for at, each in by_key.items() if each is record and at != address), "")
            wrong = f"`moved` says that {address} was {record.address}, and by its name {other} is" if other else ""
        if wrong:
            hint = "correct or remove that entry, or change one name at a time"
            path = graph.nodes[address].path
            diagnostics.append(blueprint.source_map.diagnostic(path, wrong, hint))
    if diagnostics:
        raise BlueprintInvalid(diagnostics)


def place(state: State, found: Mapping[str, ResourceState], types: ResourceTypes, graph: Graph) -> State:
    """``state`` with the records of ``found`` at their new addresses. Replaying the moves has the same result.

    A record depends on what the blueprint says, too: an older generation may name what has another address by now.
    """
    moved = {(record.kind, record.id) for record in found.values()}
    resources = {at: each for at, each in state.resources.items() if (each.kind, each.id) not in moved}
    deposed = [each for each in state.deposed if (each.kind, each.id) not in moved]
    renamed = {each.address: at for at, each in found.items() if state.resources.get(each.address) == each}
    for address, record in found.items():
        if address in resources:
            deposed.append(resources[address])
        generation = max(record.generation, next_generation(deposed, address))
        type = types(record.kind)
        id = address if type.virtual or type.gate else record.id
        resources[address] = replace(record, address=address, generation=generation, id=id)
    resources = {at: rename_dependencies(each, renamed) for at, each in resources.items()}
    for address in found:
        before = (*resources[address].dependencies, *(edge.before for edge in graph.incoming.get(address, ())))
        resources[address] = replace(resources[address], dependencies=tuple(dict.fromkeys(before)))
    return replace(state, resources=resources, deposed=tuple(rename_dependencies(each, renamed) for each in deposed))
