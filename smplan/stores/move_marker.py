"""The notes that a move leaves: that a state is coming, in its new place, and where it went, in its old one."""

from __future__ import annotations

import json
from dataclasses import dataclass

from smplan.core.blueprint import BackendConfig
from smplan.errors import StoreError


class Moved(StoreError):
    """The state is not here (any more): it was moved, or its move is not over."""


@dataclass(frozen=True, slots=True)
class MoveMarker:
    """A note about the move ``move`` (hex) of the state ``lineage`` from ``source`` to ``target``, begun ``at``.

    ``incoming``: in the new place until the move is over. Otherwise it lies in the old place, for good: an empty place
    would make the next plan create everything a second time.
    """

    incoming: bool
    move: str
    source: BackendConfig
    target: BackendConfig
    lineage: str
    at: str

    def refusal(self, location: str) -> Moved:
        """What to tell who reads or locks ``location`` and finds this."""
        if self.incoming:
            return Moved(
                f"a move of the state from {uri(self.source)} to {location}, begun at {self.at}, is not finished",
                hint=f"run `smplan state move --to {uri(self.target)}` again; until then {uri(self.source)} "
                "still has the state, or has it set aside",
            )
        return Moved(
            f"the state was moved from {location} to {uri(self.target)} at {self.at}",
            hint=f"write `{backend_block(self.target)}` into the blueprint",
        )


def uri(place: BackendConfig) -> str:
    """A place as people write it: ``s3://bucket/key``, or a path."""
    options = place.options
    return f"s3://{options['bucket']}/{options['key']}" if place.backend == "s3" else str(options["path"])


def backend_block(place: BackendConfig) -> str:
    """The line of a blueprint that names ``place``."""
    options = "".join(f", {name}: {json.dumps(value)}" for name, value in place.options.items())
    return f"state: {{backend: {place.backend}{options}}}"
