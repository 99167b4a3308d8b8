"""Corrupted files read by smplan's commands: one error message, the right exit code, no traceback."""

from __future__ import annotations

import contextlib
import io
import json
import random
from functools import partial
from pathlib import Path

from smplan.cli.main import main as smplan
from smplan.stores.local import LocalStore
from tests.campaigns import generators
from tests.campaigns.generators import HOLDER, STATE
from tests.campaigns.mutations import MUTATIONS
from tests.campaigns.report import Report

BLUEPRINT = {
    "smplan": 1,
    "name": "fleet",
    "resources": {
        "first": {"kind": "core.value", "spec": {"input": "a b c"}},
        "second": {"kind": "core.value", "spec": {"input": "${first.output}"}},
    },
    "outputs": {"said": "${second.output}"},
}
COMMANDS = {
    "state": (["state", "list"], ["output"], ["plan", "fleet.json"], ["apply", "plan.json", "--yes"]),
    "journal": (["state", "list"], ["plan", "fleet.json"], ["apply", "plan.json", "--yes"]),
    "plan": (["show", "plan.json"], ["apply", "plan.json", "--yes"]),
}
REFUSED = (1, 3, 4)


def run_command(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command in ``folder``."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = smplan(arguments)
    return code, out.getvalue(), err.getvalue()


def applied_files(folder: Path) -> dict[str, bytes]:
    """The files after an apply, with a further plan and an unfinished run in the journal."""
    folder.mkdir()
    (folder / "fleet.json").write_text(json.dumps(BLUEPRINT))
    run_command(["apply", "fleet.json", "--yes"], folder)
    changed = {**BLUEPRINT, "outputs": {"said": "${first.output}"}}
    (folder / "fleet.json").write_text(json.dumps(changed))
    store = LocalStore(folder / "state" / STATE)
    with store.lock(HOLDER) as held:
        held.append(generators.run_began(1))
        held.append(generators.thing_intended(random.Random(1), 1))
    run_command(["plan", "fleet.json", "--out", "plan.json"], folder)
    paths = {"state": store.path, "journal": store.journal, "plan": folder / "plan.json"}
    return {name: path.read_bytes() for name, path in paths.items()}


def check_command(name: str, data: bytes, arguments: list[str], whole: dict[str, bytes], folder: Path) -> str:
    """The violation of a command on a damaged file; "" if it refuses the file, or reads it as it was written."""
    paths = {"state": folder / "state" / STATE, "journal": folder / "state" / "fleet.journal.jsonl"}
    paths["plan"] = folder / "plan.json"

    def put(files: dict[str, bytes]) -> tuple[int, str, str]:
        for each, kept in files.items():
            paths[each].write_bytes(kept)
            paths[each].chmod(0o600)
        return run_command(arguments, folder)

    code, _, err = put({**whole, name: data})
    if "Traceback" in err or "bug in smplan" in err:
        return f"{arguments}: {err}"
    if code in REFUSED:
        messages = [line for line in err.splitlines() if line.startswith("error: ")]
        return "" if len(messages) == 1 else f"{arguments}: {len(messages)} messages: {err}"
    undamaged = put(whole)
    return "" if code == undamaged[0] else f"{arguments}: {code}"


def corrupt_through_cli(seed: int, most: int, folder: Path, report: Report) -> None:
    """Run commands on a sample of mutations of each file."""
    place = folder / "commands"
    whole = applied_files(place)
    for name, commands in COMMANDS.items():
        chance = random.Random(f"{seed} {name}")
        sample = [data for damages in MUTATIONS.values() for data in list(damages(whole[name], chance, 400))]
        for data in chance.sample(sample, min(most, len(sample))):
            for arguments in commands:
                row = (f"{name}, by command", f"smplan {' '.join(arguments)}")
                report.case(row, partial(check_command, name, data, arguments, whole, place))
