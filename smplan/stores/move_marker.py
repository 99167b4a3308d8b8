"""The marker of a move: in the new place while the state is incoming, in the old place for good."""

from __future__ import annotations

import json
from dataclasses import dataclass

from smplan.core.blueprint import BackendConfig
from smplan.errors import StoreError


class Moved(StoreError):
    """The state was moved elsewhere, or its move to here is not complete."""


@dataclass(frozen=True, slots=True)
class MoveMarker:
    """The move ``move`` (hex) of the state ``lineage`` from ``source`` to ``target``, begun ``at``.

    ``incoming`` ones are in the new place until the move is complete. Others stay in the old place: were it empty, the
    next plan would create everything a second time.
    """

    incoming: bool
    move: str
    source: BackendConfig
    target: BackendConfig
    lineage: str
    at: str

    def refusal(self, location: str) -> Moved:
        """The error for reading or locking ``location``, where this marker is."""
        if self.incoming:
            return Moved(
                f"a move of the state from {uri(self.source)} to {location}, begun at {self.at}, is not finished",
                hint=f"run `smplan state move --to {uri(self.target)}` again; until then the state is in "
                f"{uri(self.source)}, or backed up beside it",
            )
        return Moved(
            f"the state was moved from {location} to {uri(self.target)} at {self.at}",
            hint=f"write `{backend_block(self.target)}` into the blueprint",
        )


def uri(config: BackendConfig) -> str:
    """``s3://bucket/key``, or the path of the state file."""
    options = config.options
    return f"s3://{options['bucket']}/{options['key']}" if config.backend == "s3" else str(options["path"])


def backend_block(config: BackendConfig) -> str:
    """``config`` as the line of a blueprint."""
    options = "".join(f", {name}: {json.dumps(value)}" for name, value in config.options.items())
    return f"state: {{backend: {config.backend}{options}}}"
