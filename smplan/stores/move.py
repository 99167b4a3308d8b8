"""Moves a state from one store to another; at any moment exactly one of them has it.

The copy is first incoming: its marker lets no one use it. Once it was read back and is equal, a marker replaces the
state in the old place: from then on the new place counts. Last, the copy is opened by removing its marker. However it
is interrupted, the same move again completes it.
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
    """Source or target of a move: the store, and how a blueprint names it."""

    store: Store
    config: BackendConfig


@dataclass(frozen=True, slots=True)
class Move:
    """A move ``at`` that time (ISO, UTC). ``on_warning`` gets the names of the backups."""

    source: Endpoint
    target: Endpoint
    holder: LockHolder
    at: str
    on_warning: Callable[[str], None]

    def run(self) -> State:
        """Move the state, or complete an interrupted move; the state in the new place.

        Raises GuardRefused if the new place is not empty, Moved if the state is in a third place, Locked, StoreError.
        """
        source, target = self.source.store, self.target.store
        with source.lock(self.holder, moving=True) as old, target.lock(self.holder, moving=True) as new:
            marker = old.snapshot.marker
            if marker and (marker.incoming or uri(marker.target) != uri(self.target.config)):
                raise marker.refusal(source.location)
            return self._finish(marker, new) if marker else self._begin(old, new)

    def _begin(self, old: LockedState, new: LockedState) -> State:
        stored = old.snapshot.stored
        if stored is None:
            raise GuardRefused(
                f"there is no state in {self.source.store.location}, so there is nothing to move",
                hint="name the new place in the blueprint, and run `smplan plan`",
            )
        self._check_free(new.snapshot, stored)
        marker = MoveMarker(True, secrets.token_hex(8), self.source.config, self.target.config, stored.lineage, self.at)
        copy = self._copy(old, new, stored, marker)
        old.check()
        for name in old.back_up():
            self.on_warning(f"backed up: {name}")
        old.put(codec.encode_moved(replace(marker, incoming=False)))  # from here on the new place counts
        return self._open(new, marker, stored, copy)

    def _check_free(self, found: Snapshot, stored: State) -> None:
        """Raise GuardRefused if the target holds anything but the marker of this very state."""
        location, marker = self.target.store.location, found.marker
        if marker is None and found.stored:
            what = f"a state of its own (lineage {found.stored.lineage}, serial {found.stored.serial})"
        elif marker is None:
            names = self.target.store.residue()
            what = f"the remains of a state: {', '.join(names[:3])}" if names else ""
        else:
            what = "" if marker.lineage == stored.lineage else f"a marker: {marker.refusal(location)}"
        if what:
            raise GuardRefused(
                f"{location} holds {what}", hint="choose an empty place, or move its contents away first"
            )

    def _copy(self, old: LockedState, new: LockedState, stored: State, marker: MoveMarker) -> Snapshot:
        """Write everything to the new place, as incoming, and read it back."""
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
                f"{what} read back from {self.target.store.location} differs from what was written; "
                f"the state is still in {self.source.store.location}",
                hint="check the new place, then run the same command again",
            )

    def _finish(self, marker: MoveMarker, new: LockedState) -> State:
        """Complete a move whose old place is marked as moved: open the new one, unless that is done."""
        found = new.snapshot
        if found.marker is None and found.stored and found.stored.lineage == marker.lineage:
            return found.stored
        if found.marker and not found.marker.incoming:
            raise found.marker.refusal(self.target.store.location)
        if found.marker is None or found.stored is None or found.marker.move != marker.move:
            location = self.source.store.location
            raise StoreError(
                f"{marker.refusal(location)}, and the state is missing there",
                hint=f"restore the backup beside {location} (….moved): it is complete",
            )
        return self._open(new, marker, found.stored, found)

    def _open(self, new: LockedState, marker: MoveMarker, stored: State, copy: Snapshot) -> State:
        """Remove the marker from the new place: from here on it may be used."""
        new.put(codec.encode_state(stored, copy.pending_creates, writer=marker.move, saved=copy.saved))
        found = self.target.store.read()
        self._same(_content(found), _content(copy), "the state")
        return stored


def _content(found: Snapshot) -> tuple[object, ...]:
    return found.stored, found.pending_creates, found.entries, found.folded, found.saved
