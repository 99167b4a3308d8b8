"""A state moved from one store to another, so that at any moment one place has it, and nobody takes the other for it.

The copy lies in the new place under a note that it is coming, which lets nobody use it. When it was read back and is
the same, a note in the old place says where the state went: from then on the new place counts. Last, the note there is
taken away. Whatever is cut off, the same move again finishes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from smplan.core.blueprint import BackendConfig
from smplan.core.state.model import State
from smplan.errors import GuardRefused, StoreError
from smplan.stores import codec
from smplan.stores.interface import LockedState, LockHolder, Snapshot, Store
from smplan.stores.move_marker import MoveMarker, named


@dataclass(frozen=True, slots=True)
class End:
    """One end of a move: the store, and how a blueprint names it."""

    store: Store
    place: BackendConfig


@dataclass(frozen=True, slots=True)
class Move:
    """A move ``at`` that time (ISO, UTC). ``say`` hears what was set aside."""

    source: End
    target: End
    holder: LockHolder
    at: str
    say: Callable[[str], None]

    def run(self) -> State:
        """Move the state, or finish a move that was cut off. The state as it is in the new place.

        Raises GuardRefused if the new place holds anything, Moved if the state is somewhere else, Locked, StoreError.
        """
        source, target = self.source.store, self.target.store
        with source.lock(self.holder, moving=True) as old, target.lock(self.holder, moving=True) as new:
            mark = old.snapshot.mark
            if mark and (mark.incoming or named(mark.target) != named(self.target.place)):
                raise mark.refusal(source.location)
            return self._finish(mark, new) if mark else self._begin(old, new)

    def _begin(self, old: LockedState, new: LockedState) -> State:
        stored = old.snapshot.stored
        if stored is None:
            raise GuardRefused(
                f"there is no state in {self.source.store.location}, so there is nothing to move",
                hint="name the new place in the blueprint, and plan",
            )
        self._check_free(new.snapshot, stored)
        mark = MoveMarker(True, secrets.token_hex(8), self.source.place, self.target.place, stored.lineage, self.at)
        copy = self._copy(old, new, stored, mark)
        old.check()
        for name in old.set_aside():
            self.say(f"set aside: {name}")
        old.put(codec.encode_moved(replace(mark, incoming=False)))  # from here on the new place counts
        return self._open(new, mark, stored, copy)

    def _check_free(self, found: Snapshot, stored: State) -> None:
        """Refuse a place that holds anything else than a note about this very state."""
        location, mark = self.target.store.location, found.mark
        if mark is None and found.stored:
            what = f"a state of its own (lineage {found.stored.lineage}, serial {found.stored.serial})"
        elif mark is None:
            names = self.target.store.leftovers()
            what = f"what is left of a state: {', '.join(names[:3])}" if names else ""
        else:
            what = "" if mark.lineage == stored.lineage else f"a note: {mark.refusal(location)}"
        if what:
            raise GuardRefused(
                f"{location} holds {what}", hint="name a place where nothing is, or move that away first"
            )

    def _copy(self, old: LockedState, new: LockedState, stored: State, mark: MoveMarker) -> Snapshot:
        """Write everything to the new place, under the note, and read it back."""
        found, source, target = old.snapshot, self.source.store, self.target.store
        new.put(codec.encode_incoming(mark, stored, found.pending_creates, found.saved))
        new.put_journal(stored, found.written)
        for serial in source.past():
            document = source.document(serial) or b""
            new.put_past(serial, document)
            self._same(target.document(serial), document, f"the state with serial {serial}")
        copy = target.look()
        self._same((copy.mark, *_content(copy)), (mark, *_content(found)), "the copy")
        return copy

    def _same(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            raise StoreError(
                f"{what} does not come back from {self.target.store.location} as it was written; "
                f"the state is still in {self.source.store.location}",
                hint="check the new place, then run the same command again",
            )

    def _finish(self, mark: MoveMarker, new: LockedState) -> State:
        """Go on after the old place was given up: open the new one, unless that was done, too."""
        found = new.snapshot
        if found.mark is None and found.stored and found.stored.lineage == mark.lineage:
            return found.stored
        if found.mark and not found.mark.incoming:
            raise found.mark.refusal(self.target.store.location)
        if found.mark is None or found.stored is None or found.mark.move != mark.move:
            location = self.source.store.location
            raise StoreError(
                f"{mark.refusal(location)}, and it is not there",
                hint=f"what was set aside beside {location} (….moved) still has all of it: put it back",
            )
        return self._open(new, mark, found.stored, found)

    def _open(self, new: LockedState, mark: MoveMarker, stored: State, copy: Snapshot) -> State:
        """Take the note away from the new place: from here on it may be used."""
        new.put(codec.encode_state(stored, copy.pending_creates, writer=mark.move, saved=copy.saved))
        found = self.target.store.read()
        self._same(_content(found), _content(copy), "the state")
        return stored


def _content(found: Snapshot) -> tuple[object, ...]:
    return found.stored, found.pending_creates, found.entries, found.folded, found.saved
