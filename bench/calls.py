"""How many AWS calls an empty plan of ``stream-manager.yaml`` makes, and how many more for each further fleet.

    python bench/calls.py [FLEETS ...]

Counted at the wire (each request that leaves, retries included), by action, while ``smplan plan`` looks at a fleet that
was just applied to the sandbox; lookups are counted apart. Terraform with its AWS provider makes 46 for the same fleet.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from smplan.cli import wiring
from smplan.engine import refresh
from smplan.engine.apply import Applier
from smplan.engine.plan import plan
from smplan.engine.waiter import CancelToken
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox

BLUEPRINT = Path(__file__).parent.parent / "blueprints" / "stream-manager.yaml"
SPEED = 240.0
TERRAFORM = 46
SHARED = ("database_access", "image")
"""What all fleets of one blueprint have in common; the rest is made for each."""


def fleets(count: int) -> dict[str, Any]:
    """The blueprint with everything but the shared parts repeated for ``count`` fleets by ``for_each``."""
    document = yaml.safe_load(BLUEPRINT.read_text(encoding="utf-8"))
    if count == 1:
        return document
    resources = document["resources"]
    repeated = {name for name in resources if name not in SHARED}
    for name in repeated:
        resources[name] = {"for_each": [f"f{at}" for at in range(count)], **_keyed(resources[name], repeated)}
    document["stream_manager"] = _first(document["stream_manager"], repeated)
    document.pop("outputs")
    return document


def _keyed(value: Any, repeated: set[str]) -> Any:
    """``value`` with references to repeated resources led to the same fleet, and names made unique."""
    if isinstance(value, str):
        for name in repeated:
            value = value.replace(f"${{{name}.", f"${{{name}[each.key].")
        return value.replace("${var.host}", "${each.key}-${var.host}")
    if isinstance(value, dict):
        return {key: _keyed(item, repeated) for key, item in value.items()}
    return [_keyed(item, repeated) for item in value] if isinstance(value, list) else value


def _first(value: Any, repeated: set[str]) -> Any:
    if isinstance(value, str):
        for name in repeated:
            value = value.replace(f"${{{name}.", f'${{{name}["f0"].')
        return value
    return {key: _first(item, repeated) for key, item in value.items()} if isinstance(value, dict) else value


def counted(folder: Path, document: dict[str, Any]) -> tuple[Counter[str], int, int]:
    """Calls by action of an empty plan but for its lookups; the calls of these; how many resources there are."""
    file = folder / "blueprint.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    blueprint = wiring.load(file, {}, ())
    store = wiring.store_at(wiring.place_of(blueprint), blueprint.name)
    world = wiring.world_of(blueprint.region)
    first = plan(blueprint, store=store, world=world, report=wiring.silent)
    outcome = Applier(store, world, wiring.holder("bench"), wiring.silent, CancelToken()).run(first)
    if outcome.outcome != "complete":
        sys.exit(f"the apply did not complete: {outcome.failed}")
    heard: Counter[str] = Counter()
    listening = wiring.world_of(blueprint.region, on_call=lambda action: heard.update([action]))
    refresh.lookups(blueprint, listening)
    lookups = Counter(heard)
    heard.clear()
    again = plan(blueprint, store=store, world=listening, report=wiring.silent)
    if not again.empty:
        sys.exit(f"the second plan is not empty: {[step.id for step in again.steps]}")
    return heard - lookups, lookups.total(), len(blueprint.resources)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleets", nargs="*", type=int, default=[1, 2, 4])
    given = parser.parse_args()
    totals: dict[int, int] = {}
    for at, count in enumerate(given.fleets):
        account = f"{at + 1:012d}"
        with Sandbox(speed=SPEED, account=account, gateway=Gateway) as box, tempfile.TemporaryDirectory() as folder:
            os.environ.update(box.env())
            os.chdir(folder)
            calls, lookups, resources = counted(Path(folder), fleets(count))
        totals[count] = calls.total()
        named = f"{count} fleet{'s' if count > 1 else ''}, {resources} resources"
        print(f"{named}: {calls.total()} calls ({lookups} more for lookups)", flush=True)
        for action, times in sorted(calls.items()):
            print(f"    {times:>3}  {action}")
    if 1 in totals:
        print(f"One fleet: {totals[1]} calls; Terraform makes {TERRAFORM}: {TERRAFORM / totals[1]:.1f} times as many.")
    counts = sorted(totals)
    for before, after in pairwise(counts):
        more = (totals[after] - totals[before]) / (after - before)
        print(f"From {before} to {after} fleets: {more:.1f} more calls for each further fleet.")


if __name__ == "__main__":
    main()
