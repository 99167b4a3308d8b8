"""The states that were replaced: how they are named, how many are kept, and what to tell of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smplan.core.state.model import State
from smplan.errors import StoreError
from smplan.stores import codec
from smplan.stores.interface import Store

KEPT = 20
"""How many states before the present one are kept."""

_NAME = re.compile(r"([0-9]{8,15})\.json")


@dataclass(frozen=True, slots=True)
class Version:
    """A state, present or past: when it was ``saved`` (ISO, UTC), by which plan, and how many resources it has.

    ``trouble`` says why it cannot be read; ``saved`` and ``plan`` are empty where nothing was written down.
    """

    serial: int
    current: bool = False
    saved: str = ""
    plan: str = ""
    resources: int = 0
    trouble: str = ""


def name(serial: int) -> str:
    """The name of the file, or the last part of the key, of the state that had ``serial``."""
    return f"{serial:08d}.json"


def serials(names: Iterable[str]) -> list[int]:
    """The serials that ``names`` stand for, newest first; other names are passed over."""
    return sorted((int(found[1]) for each in names if (found := _NAME.fullmatch(each))), reverse=True)


def too_old(there: Iterable[int], serial: int) -> list[int]:
    """Those serials of ``there`` that are not kept any more beside a present state with ``serial``."""
    return [each for each in there if each < serial - KEPT]


def versions(store: Store) -> Iterator[Version]:
    """The present state of ``store``, then the past ones that are kept. Raises StoreError if the present is unsound."""
    found = store.read()
    if found.stored and found.folded:
        yield _version(found.folded.state, found.saved, current=True)
    for serial in store.history():
        document = store.document(serial)
        if document is None:
            continue  # swept by a save that goes on meanwhile
        try:
            past = codec.decode_state(document, f"the state with serial {serial}")
        except StoreError as error:
            yield Version(serial, trouble=str(error))
        else:
            yield _version(past.state, past.saved)


def _version(state: State, saved: str, *, current: bool = False) -> Version:
    plan = state.used_plans[-1] if state.used_plans else ""
    return Version(state.serial, current, saved, plan, len(state.resources) + len(state.deposed))
