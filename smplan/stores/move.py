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
from smplan.stores.move_marker import MoveMarker, uri


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a move: the store, and how a blueprint names it."""

    store: Store
    place: BackendConfig


@dataclass(frozen=True, slots=True)
class Move:
    """A move ``at`` that time (ISO, UTC). ``say`` hears what was set aside."""

    source: Endpoint
    target: Endpoint
    holder: LockHolder
    at: str
    on_warning: Callable[[str], None]

    def run(self) -> State:
        """Move the state, or finish a move that was cut off. The state as it is in the new place.

        Raises GuardRefused if the new place holds anything, Moved if the state is somewhere else, Locked, StoreError.
        """
        source, target = self.source.store, self.target.store
        with source.lock(self.holder, moving=True) as old, target.lock(self.holder, moving=True) as new:
            marker = old.snapshot.marker
            if marker and (marker.incoming or uri(marker.target) != uri(self.target.place)):
                raise marker.refusal(source.location)
            return self._finish(marker, new) if marker else self._begin(old, new)

    def _begin(self, old: LockedState, new: LockedState) -> State:
        stored = old.snapshot.stored
        if stored is None:
            raise GuardRefused(
                f"there is no state in {self.source.store.location}, so there is nothing to move",
                hint="name the new place in the blueprint, and plan",
            )
        self._check_free(new.snapshot, stored)
        marker = MoveMarker(True, secrets.token_hex(8), self.source.place, self.target.place, stored.lineage, self.at)
        copy = self._copy(old, new, stored, marker)
        old.check()
        for name in old.back_up():
            self.on_warning(f"set aside: {name}")
        old.put(codec.encode_moved(replace(marker, incoming=False)))  # from here on the new place counts
        return self._open(new, marker, stored, copy)

    def _check_free(self, found: Snapshot, stored: State) -> None:
        """Refuse a place that holds anything else than a note about this very state."""
        location, marker = self.target.store.location, found.marker
        if marker is None and found.stored:
            what = f"a state of its own (lineage {found.stored.lineage}, serial {found.stored.serial})"
        elif marker is None:
            names = self.target.store.residue()
            what = f"what is left of a state: {', '.join(names[:3])}" if names else ""
        else:
            what = "" if marker.lineage == stored.lineage else f"a note: {marker.refusal(location)}"
        if what:
            raise GuardRefused(
                f"{location} holds {what}", hint="name a place where nothing is, or move that away first"
            )

    def _copy(self, old: LockedState, new: LockedState, stored: State, marker: MoveMarker) -> Snapshot:
        """Write everything to the new place, under the note, and read it back."""
        found, source, target = old.snapshot, self.source.store, self.target.store
        new.put(codec.encode_incoming(marker, stored, found.pending_creates, found.saved))
        new.put_journal(stored, found.written)
        for serial in source.history():
            document = source.document(serial) or b""
            new.put_version(serial, document)
            self._same(target.document(serial), document, f"the state with serial {serial}")
        copy = target.read_unchecked()
        self._same((copy.marker, *_content(copy)), (marker, *_content(found)), "the copy")
        return copy

    def _same(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            raise StoreError(
                f"{what} does not come back from {self.target.store.location} as it was written; "
                f"the state is still in {self.source.store.location}",
                hint="check the new place, then run the same command again",
            )

    def _finish(self, marker: MoveMarker, new: LockedState) -> State:
        """Go on after the old place was given up: open the new one, unless that was done, too."""
        found = new.snapshot
        if found.marker is None and found.stored and found.stored.lineage == marker.lineage:
            return found.stored
        if found.marker and not found.marker.incoming:
            raise found.marker.refusal(self.target.store.location)
        if found.marker is None or found.stored is None or found.marker.move != marker.move:
            location = self.source.store.location
            raise StoreError(
                f"{marker.refusal(location)}, and it is not there",
                hint=f"what was set aside beside {location} (….moved) still has all of it: put it back",
            )
        return self._open(new, marker, found.stored, found)

    def _open(self, new: LockedState, marker: MoveMarker, stored: State, copy: Snapshot) -> State:
        """Take the note away from the new place: from here on it may be used."""
        new.put(codec.encode_state(stored, copy.pending_creates, writer=marker.move, saved=copy.saved))
        found = self.target.store.read()
        self._same(_content(found), _content(copy), "the state")
        return stored


def _content(found: Snapshot) -> tuple[object, ...]:
    return found.stored, found.pending_creates, found.entries, found.folded, found.saved
