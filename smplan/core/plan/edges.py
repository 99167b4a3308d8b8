"""The order of steps: one list of edges, each with its reason. Every rule is a method of ``_Rules``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from smplan.core.graph import Edge, Graph
from smplan.core.plan import changes
from smplan.core.plan.changes import (
    Abandon,
    ChangeSet,
    Delete,
    DeleteDeposed,
    DeleteUntracked,
    Forget,
    ForgetUntracked,
    NoOp,
    Replace,
    Unprotect,
)
from smplan.core.plan.recorded import refers_to
from smplan.core.plan.releases import only_releases
from smplan.core.plan.risks import lingers
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import State

_Deleting: TypeAlias = Delete | DeleteDeposed | DeleteUntracked | Forget | ForgetUntracked


def step_edges(plan: ChangeSet, graph: Graph, pending: Iterable[StepIntent]) -> tuple[list[Edge], Mapping[str, str]]:
    """Every edge between the steps of ``plan``, and by step the time before which it must not begin.

    ``pending`` creates may depend on what is deleted, too.
    """
    rules = _Rules(plan, graph, pending)
    edges = [*rules.moves(), *rules.dependencies(), *rules.releases(), *rules.name_conflicts(), *rules.deletions()]
    edges += list(rules.late_deletions(edges))
    edges = _merged(edges, rules.lingering(edges))
    return [*edges, *rules.protections(edges)], rules.still_used()


def _merged(edges: Iterable[Edge], longer: Iterable[Edge]) -> list[Edge]:
    """``edges``, and ``longer`` in place of those between the same steps."""
    found = list(longer)
    pairs = {(edge.before, edge.after) for edge in found}
    return [*(edge for edge in edges if (edge.before, edge.after) not in pairs), *found]


_MAKES_ROOM = "its successor can be created at once after it"
_NOTHING_USES_IT = "what depends on its successor is ready, so nothing uses it any more"


class _Rules:
    def __init__(self, plan: ChangeSet, graph: Graph, pending: Iterable[StepIntent]) -> None:
        self._graph = graph
        self._changes = plan.changes
        self._deletions = [each for each in plan.deletions if not isinstance(each, (Abandon, Unprotect))]
        self._unprotects = [each for each in plan.deletions if isinstance(each, Unprotect)]
        self._moves = plan.moves
        self._applied = {id: each.step_id for id, each in plan.changes.items() if not isinstance(each, NoOp)}
        self._actions = {move.resource.address: move.step_id for move in plan.moves} | self._applied
        self._forward = set(self._applied.values())
        self._releasing = {address for address in self._applied if only_releases(plan.changes[address])}
        self._releases = {id: each.step_id for id, each in plan.releases.items()}
        self._final = self._actions | self._releases
        self._losing = sorted(self._releasing | self._releases.keys())
        self._records = plan.state.resources
        self._depends_on = {id: {*each.dependencies} for id, each in self._records.items()}
        self._last = self._last_steps()
        current = [each for each in plan.deletions if isinstance(each, (Delete, Forget))]
        self._deletes = {each.resource.address: each.step_id for each in current}
        self._others = [each for each in plan.deletions if isinstance(each, (DeleteDeposed, DeleteUntracked))]
        self._adopted = [each for each in plan.deletions if isinstance(each, ForgetUntracked)]
        self._dependents = self._find_dependents(plan.state, pending)

    def _find_dependents(self, state: State, pending: Iterable[StepIntent]) -> Mapping[str, Mapping[str, None]]:
        """By address, those created after it: in the state, or by a pending create that is not deleted by itself."""
        deleted = {
            (each.resource.address, each.pending_key) for each in self._others if isinstance(each, DeleteUntracked)
        }
        created = [each.resource for each in pending if (each.resource.address, each.key) not in deleted]
        adopted = {(each.resource.address, each.resource.kind): each.adopted_as for each in self._adopted}
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for resource in (*state.resources.values(), *created):
            for address in resource.dependencies:
                found[address][resource.address] = None
                if (resource.address, resource.kind) in adopted:
                    found[address][adopted[resource.address, resource.kind]] = None
        return found

    def moves(self) -> Iterator[Edge]:
        """A record moves before a step changes what its old or new address has, or refers to it."""
        for move in self._moves:
            for address in (move.resource.address, *(() if move.deposed else (move.previous,))):
                if address in self._applied:
                    yield Edge(move.step_id, self._applied[address], "its record is moved first")
            for edge in self._graph.edges():
                if edge.before == move.resource.address and edge.after in self._applied:
                    yield Edge(move.step_id, self._applied[edge.after], edge.reason, edge.source)

    def dependencies(self) -> Iterator[Edge]:
        """The edges of the graph, seen through resources that have no step or release what their dependents use."""
        stopping = self._applied.keys() - self._releasing
        nearest: dict[str, tuple[Edge, ...]] = {}
        for address in self._graph.nodes if self._applied else ():  # in topological order
            found: dict[str, Edge] = {}
            for edge in self._graph.incoming.get(address, ()):
                for each in (edge,) if edge.before in stopping else nearest.get(edge.before, ()):
                    found.setdefault(each.before, each)
            nearest[address] = tuple(found.values())
            for edge in nearest[address] if address in self._applied else ():
                before, after = self._applied[edge.before], self._applied[address]
                if self._is_turned(edge, address):
                    yield Edge(after, before, edge.turned, edge.source, droppable=True)
                else:
                    yield Edge(before, after, edge.reason, edge.source)

    def _is_turned(self, edge: Edge, address: str) -> bool:
        """Whether ``address`` changes before what it comes after otherwise, which is updated in place."""
        updated = isinstance(self._changes[edge.before], changes.Update)
        return bool(edge.turned) and edge.after == address and updated and address not in self._releasing

    def releases(self) -> Iterator[Edge]:
        """What gives up a part of its value, such as a zone, does so after all that depends on it has changed."""
        for address in self._losing:
            own = self._applied[address]
            step = self._releases.get(address, own)
            turned = [edge.before for edge in self._graph.incoming.get(address, ()) if self._turns(edge)]
            users = {self._applied[each] for each in turned}.union(*(self._last[each] for each in (address, *turned)))
            for user in sorted(users - {own}):
                yield Edge(user, step, "it uses what this step releases until then")
            if step != own:
                yield Edge(own, step, "what it has instead is in use first")

    def _turns(self, edge: Edge) -> bool:
        return edge.before in self._applied and self._is_turned(edge, edge.after)

    def name_conflicts(self) -> Iterator[Edge]:
        """What cannot exist beside a new resource is deleted before that is created."""
        for deletion in self._deletions:
            at_address = (deletion.resource.address,)
            for other in self._changes if isinstance(deletion, DeleteUntracked) else at_address:
                if _makes_room(deletion, self._changes.get(other)):
                    yield Edge(deletion.step_id, self._actions[other], "the new one cannot exist beside it")

    def deletions(self) -> Iterator[Edge]:
        """Before a delete its successor is ready, and what was created later is deleted or refers to it no longer."""
        for deletion in self._deletions:
            if isinstance(deletion, ForgetUntracked):
                yield Edge(self._actions[deletion.adopted_as], deletion.step_id, "it is recorded there first")
            if isinstance(deletion, (DeleteUntracked, ForgetUntracked)):
                continue
            id, address = deletion.step_id, deletion.resource.address
            first = _makes_room(deletion, self._changes.get(address))
            if not first:
                yield from (_created_after(each.step_id, id) for each in self._others if self._uses(each, address))
                if address in self._actions:
                    yield Edge(self._actions[address], id, "the new one is ready before the old one is deleted")
            for dependent in sorted(self._dependents.get(address, ())):
                other = self._changes.get(dependent)
                stays = first and isinstance(other, Replace) and not other.delete_before_create
                if dependent in self._deletes and not stays and self._is_used(deletion, dependent):
                    yield _created_after(self._deletes[dependent], id)
                if dependent in self._actions and not first:
                    yield Edge(self._final[dependent], id, "it refers to this one until then")

    def late_deletions(self, edges: Sequence[Edge]) -> Iterator[Edge]:
        """Each delete as late as ``edges`` allow, so that what serves keeps serving.

        What makes room for its successor is deleted when that can be created at once. The rest is deleted when all
        that depends on the successor is ready, its gates passed: an image after the instances of the new one serve.
        """
        following, preceding, present = defaultdict(set), defaultdict(list), set()
        for edge in edges:
            following[edge.before].add(edge.after)
            preceding[edge.after].append(edge.before)
            present.add((edge.before, edge.after))
        for deletion in self._deletions if self._applied else ():
            id, address = deletion.step_id, deletion.resource.address
            rooms = following[id] & self._forward
            before = {each for room in rooms for each in preceding[room] if each in self._forward}
            if not rooms:
                users = (address, *self._dependents.get(address, ()))
                before = {step for user in users for step in self._last.get(user, ())}
            before -= _reachable(id, following) if before else set()
            for step in sorted(before):
                following[step].add(id)
                if (step, id) not in present:
                    yield Edge(step, id, _MAKES_ROOM if rooms else _NOTHING_USES_IT, droppable=True)

    def lingering(self, edges: Sequence[Edge]) -> Iterator[Edge]:
        """What clients still use for a while after an update is neither deleted nor released meanwhile.

        That is what the updated resource depended on so far, as a name depends on a load balancer and its targets.
        """
        following = defaultdict(set)
        for edge in edges:
            following[edge.before].add(edge.after)
        for address, change in self._changes.items():
            seconds = lingers(change)
            if not seconds:
                continue
            last = self._letting_go(self._depends_on.get(address, ()))
            for step in sorted(_reachable(self._applied[address], following) & last):
                why = f"clients of {address} may use its old answer for {seconds:g} s"
                yield Edge(self._applied[address], step, why, seconds=seconds)

    def still_used(self) -> Mapping[str, str]:
        """By delete or release, until when clients use what it takes since an update by an earlier plan."""
        found: dict[str, str] = {}
        for resource in self._records.values():
            for step in self._letting_go(resource.used) if resource.used_until else ():
                found[step] = max(found.get(step, ""), resource.used_until)
        return found

    def _letting_go(self, used: Iterable[str]) -> set[str]:
        """The deletes and releases of what is ``used``, and of what that depends on so far, at any distance."""
        found, todo = {*used}, [*used]
        while todo:
            new = self._depends_on.get(todo.pop(), set()) - found
            found |= new
            todo += new
        last = {each.step_id for each in self._deletions if each.resource.address in found}
        return last | {self._releases.get(each, self._applied[each]) for each in self._losing if each in found}

    def _last_steps(self) -> Mapping[str, frozenset[str]]:
        """By address, the steps that nothing else follows among those of the address and of what depends on it."""
        dependents: dict[str, list[str]] = defaultdict(list)
        for edge in self._graph.edges():
            dependents[edge.before].append(edge.after)
        last: dict[str, frozenset[str]] = {}
        for address in reversed(tuple(self._graph.nodes)):
            own = frozenset({self._applied[address]} if address in self._applied else ())
            last[address] = frozenset().union(*(last[each] for each in dependents[address])) or own
        return last

    def protections(self, edges: Iterable[Edge]) -> Iterator[Edge]:
        """A protection is removed just before the delete, after all that the delete waits for."""
        before = {each.before: each.step_id for each in self._unprotects}
        for step, unprotect in before.items():
            yield Edge(unprotect, step, "its protection is removed first")
        for edge in edges if before else ():
            if edge.after in before:
                yield replace(edge, after=before[edge.after])

    def _is_used(self, deletion: _Deleting, dependent: str) -> bool:
        """Whether the resource at ``dependent`` may use what is deleted: of an older generation its record says so.

        A pending create has no record: it may.
        """
        record = self._records.get(dependent)
        return record is None or not isinstance(deletion, DeleteDeposed) or refers_to(record, deletion.resource)

    def _uses(self, deletion: _Deleting, address: str) -> bool:
        """Whether it was created after ``address``, and that was not created after it in turn."""
        resource = deletion.resource
        return address in resource.dependencies and address not in self._dependents.get(resource.address, ())


def _reachable(start: str, following: Mapping[str, set[str]]) -> set[str]:
    """The steps that wait for ``start``, itself included."""
    found, todo = {start}, [start]
    while todo:
        new = following.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _created_after(before: str, after: str) -> Edge:
    """Deletes go in the reverse order of creation where they can; otherwise they are retried while in use."""
    return Edge(before, after, "it was created after this one, so it is deleted first", droppable=True)


def _makes_room(deletion: _Deleting, change: changes.Change | None) -> bool:
    """Whether what is deleted cannot exist beside the resource that ``change`` creates."""
    if not isinstance(change, (changes.Create, Replace, changes.Adopt)):
        return False
    conflicts = not isinstance(change, changes.Adopt) and change.target.conflicts_with(deletion.resource)
    match deletion:
        case Delete() | Forget():
            return isinstance(change, Replace) and change.delete_before_create
        case DeleteDeposed():
            return conflicts
        case DeleteUntracked():
            return conflicts or deletion.resource.address == change.resource.address
        case ForgetUntracked():
            return False
        case _:
            assert_never(deletion)
