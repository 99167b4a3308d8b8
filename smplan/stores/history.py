"""Replaced states: their names, how many are kept, and a summary of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smplan.core.state.model import State
from smplan.errors import StoreError
from smplan.stores import codec
from smplan.stores.interface import Store

KEPT = 20
"""How many replaced states are kept."""

_NAME = re.compile(r"([0-9]{8,15})\.json")


@dataclass(frozen=True, slots=True)
class Version:
    """The current or a replaced state: when it was ``saved`` (ISO, UTC), by which plan, how many resources it has.

    ``trouble`` says why it cannot be read; then the rest is empty.
    """

    serial: int
    current: bool = False
    saved: str = ""
    plan: str = ""
    resources: int = 0
    trouble: str = ""


def name(serial: int) -> str:
    """The file name, or last part of the key, of the state with ``serial``."""
    return f"{serial:08d}.json"


def serials(names: Iterable[str]) -> list[int]:
    """The serials in ``names``, newest first; other names are ignored."""
    return sorted((int(found[1]) for each in names if (found := _NAME.fullmatch(each))), reverse=True)


def expired(kept: Iterable[int], serial: int) -> list[int]:
    """Those of ``kept`` to delete once the current state has ``serial``."""
    return [each for each in kept if each < serial - KEPT]


def versions(store: Store) -> Iterator[Version]:
    """The current state of ``store``, then the replaced ones. Raises StoreError if the current one is damaged."""
    found = store.read()
    if found.stored and found.folded:
        yield _version(found.folded.state, found.saved, current=True)
    for serial in store.history():
        document = store.document(serial)
        if document is None:
            continue  # deleted by a concurrent save
        try:
            replaced = codec.decode_state(document, f"the state with serial {serial}")
        except StoreError as error:
            yield Version(serial, trouble=str(error))
        else:
            yield _version(replaced.state, replaced.saved)


def _version(state: State, saved: str, *, current: bool = False) -> Version:
    plan = state.used_plans[-1] if state.used_plans else ""
    return Version(state.serial, current, saved, plan, len(state.resources) + len(state.deposed))
