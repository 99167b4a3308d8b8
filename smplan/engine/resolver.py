"""What references stand for while applying: what the state holds, and what has just been made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from smplan.core.state.model import ResourceState
from smplan.core.values import Json, PartialValue, Ref, decode, get_path


class Resolver:
    """Values by address and by the name of a lookup; called with a reference, it tells what that stands for."""

    def __init__(self, lookups: Mapping[str, Json], entries: Iterable[ResourceState]) -> None:
        self._lookups = lookups
        self._values: dict[str, dict[str, PartialValue]] = {}
        for entry in entries:
            self.learn(entry)

    def learn(self, entry: ResourceState) -> None:
        """Take what ``entry`` makes known."""
        self._values[entry.address] = {**entry.outputs, **decode(entry.spec), "id": entry.id}

    def __call__(self, ref: Ref) -> PartialValue:
        """The value of ``ref``, or ``ref`` itself if nothing is known of it."""
        values = self._lookups.get(ref.root) or self._values.get(ref.address)
        if values is None:
            return ref
        try:
            return get_path(values, ref.path)
        except KeyError:
            return ref
