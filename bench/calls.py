"""How many AWS calls plan, apply and destroy of ``stream-manager.yaml`` make, and an empty plan for each further fleet.

    python bench/calls.py [FLEETS ...] [--terraform]

Counted on the sandbox: each AWS request, retries and lookups included. Waits poll, so the calls of apply and destroy
depend on how long things take. With `--terraform`, Terraform makes the same
AWS resources (``bench/terraform/main.tf``, prerequisites as data sources) on a sandbox of its own, and its requests are
counted too; it needs its AWS provider, which `terraform init` must find.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from smplan.cli import wiring
from smplan.core.plan.model import Plan
from smplan.engine.apply import Applier
from smplan.engine.plan import plan
from smplan.engine.waiter import CancelToken
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox

BENCH = Path(__file__).parent
BLUEPRINT = BENCH.parent / "blueprints" / "stream-manager.yaml"
SPEED = 240.0
SHARED = ("database_access", "image")
"""Resources that all fleets of one blueprint share; the rest is created for each."""
TERRAFORM = {
    "first plan": [["plan", "-out=plan"]],
    "apply": [["apply", "plan"]],
    "empty plan": [["plan", "-detailed-exitcode"]],
    "destroy": [["plan", "-destroy", "-out=destroy"], ["apply", "destroy"]],
}

Calls = dict[str, Counter[str]]
"""By command, how often each action was called."""


def fleets(count: int) -> dict[str, Any]:
    """The blueprint with everything but the shared parts repeated for ``count`` fleets by ``for_each``."""
    document: dict[str, Any] = yaml.safe_load(BLUEPRINT.read_text(encoding="utf-8"))
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
    """``value`` with references to repeated resources to the same fleet, and names made unique."""
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


def count_smplan(folder: Path, document: Mapping[str, Any]) -> Calls:
    """The calls of each command, one after the other."""
    file = folder / "blueprint.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    blueprint = wiring.load(file, {}, ())
    store = wiring.store_at(wiring.backend_of(blueprint), blueprint.name)
    calls: Calls = {name: Counter() for name in TERRAFORM}

    def planned(name: str, mode: str = "apply") -> Plan:
        world = wiring.providers(blueprint.region, on_call=lambda action: calls[name].update([action]))
        return plan(blueprint, store=store, world=world, report=wiring.ignore_event, mode=mode)

    def applied(name: str, made: Plan) -> None:
        world = wiring.providers(blueprint.region, on_call=lambda action: calls[name].update([action]))
        outcome = Applier(store, world, wiring.holder("bench"), wiring.ignore_event, CancelToken()).run(made)
        if outcome.outcome != "complete":
            sys.exit(f"{name} did not complete: {outcome.failed}")

    applied("apply", planned("first plan"))
    again = planned("empty plan")
    if not again.empty:
        sys.exit(f"the second plan is not empty: {[step.id for step in again.steps]}")
    applied("destroy", planned("destroy", "destroy"))
    return calls


def count_terraform(folder: Path) -> Calls:
    """The requests of each command, as Terraform's AWS provider logs them."""
    shutil.copy(BENCH / "terraform" / "main.tf", folder)
    _terraform(folder, "init")
    return {
        name: sum((_terraform(folder, *each) for each in each_of), Counter()) for name, each_of in TERRAFORM.items()
    }


def _terraform(folder: Path, *arguments: str) -> Counter[str]:
    done = subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        env={**os.environ, "TF_LOG_PROVIDER": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"terraform {' '.join(arguments)} ended with {done.returncode}: {done.stdout}")
    return Counter("request" for line in done.stderr.splitlines() if "HTTP Request Sent" in line)


def on_a_sandbox(account: int, count: Any, *arguments: Any) -> Calls:
    """The result of ``count`` in an empty folder, with the environment of a sandbox of its own."""
    box = Sandbox(speed=SPEED, account=f"{account:012d}", gateway=Gateway)
    with box, tempfile.TemporaryDirectory() as folder:
        os.environ.update(box.env())
        os.chdir(folder)
        found: Calls = count(Path(folder), *arguments)
        os.chdir(BENCH)
        return found


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleets", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--terraform", action="store_true", help="count Terraform's requests too, for one fleet")
    parser.add_argument("--actions", action="store_true", help="show how often each action is called")
    given = parser.parse_args()
    empty: dict[int, int] = {}
    for at, count in enumerate(given.fleets):
        document = fleets(count)
        calls = on_a_sandbox(at + 1, count_smplan, document)
        theirs = on_a_sandbox(len(given.fleets) + 1, count_terraform) if given.terraform and count == 1 else {}
        empty[count] = calls["empty plan"].total()
        made = len(SHARED) + (len(document["resources"]) - len(SHARED)) * count
        print(f"{count} fleet{'s' if count > 1 else ''}, {made} resources, lookups included:")
        for name, found in calls.items():
            other = f"   Terraform {theirs[name].total():>4}" if theirs else ""
            print(f"    {name:<11} {found.total():>4} calls{other}", flush=True)
            for action, times in sorted(found.items()) if given.actions else ():
                print(f"        {times:>3}  {action}")
    for before, after in pairwise(sorted(empty)):
        more = (empty[after] - empty[before]) / (after - before)
        print(f"From {before} to {after} fleets: {more:.1f} more calls of an empty plan for each further fleet.")


if __name__ == "__main__":
    main()
