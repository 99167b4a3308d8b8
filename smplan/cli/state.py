"""``smplan state``: list, show, export and move the state, and its history."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options, state_edit

if TYPE_CHECKING:
    from smplan.core.blueprint import BackendConfig
    from smplan.stores.interface import Store


def register(state: typer.Typer) -> None:
    """Add the commands to ``state``."""
    state.command("list", epilog="Example: smplan state list")(list_)
    state.command("show", epilog="Example: smplan state show load_balancer")(show)
    state.command("mv", epilog="Example: smplan state mv fleet 'fleet[\"blue\"]'")(state_edit.mv)
    state.command("rm", epilog="Example: smplan state rm load_balancer")(state_edit.rm)
    state.command("history", epilog="Example: smplan state history -b fleet.yaml")(history)
    state.command("pull", epilog="Examples: smplan state pull --out backup.json · smplan state pull --serial 7")(pull)
    state.command(
        "move",
        epilog="Examples: smplan state move --to s3://bucket/fleet.state.json · "
        "smplan state move --to state/fleet.state.json",
    )(move)


def list_(blueprint: options.OfBlueprint = None, as_json: options.AsJson = False) -> None:
    """List the resources in the state: address, kind, id; then the replaced generations that still exist."""
    from smplan.cli import wiring
    from smplan.core.state.strict_json import to_json
    from smplan.render import text

    state = wiring.current_state(wiring.store_of(blueprint))
    current = list(state.resources.values())
    entries = [to_json(entry) for entry in (*current, *state.deposed)]
    shown = json.dumps(entries, indent=1) if as_json else text.entries(current, state.deposed)
    typer.echo(shown.rstrip("\n"))


def show(
    address: Annotated[str, typer.Argument(help='The address, such as load_balancer or fleet["blue"].')],
    blueprint: options.OfBlueprint = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one resource of the state: its spec as applied, and its outputs."""
    import difflib

    from smplan.cli import wiring
    from smplan.core.state.strict_json import to_json
    from smplan.errors import SmplanError
    from smplan.render import text

    state = wiring.current_state(wiring.store_of(blueprint))
    resources = state.resources
    if address not in resources:
        near = difflib.get_close_matches(address, resources, 1)
        hint = f"did you mean `{near[0]}`?" if near else "list the addresses with `smplan state list`"
        raise SmplanError(f"the state has nothing at `{address}`", hint=hint)
    entry, older = resources[address], [each for each in state.deposed if each.address == address]
    typer.echo(json.dumps(to_json(entry), indent=1) if as_json else text.entry(entry, older).rstrip("\n"))


def history(blueprint: options.OfBlueprint = None, as_json: options.AsJson = False) -> None:
    """List the current and earlier states: when each was saved, by which plan, its number of resources."""
    from smplan.cli import wiring
    from smplan.render import text
    from smplan.stores.history import versions

    store = wiring.store_of(blueprint)
    found = list(versions(store))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1))
        return
    if not found:
        raise wiring.no_state_error(store)
    typer.echo(text.history(found).rstrip("\n"))
    past = [each.serial for each in found if not each.current and not each.trouble]
    if past:
        options.next_command(f"smplan state pull --serial {past[0]} --out FILE   # a copy of an earlier one")


def pull(
    serial: Annotated[
        int | None, typer.Option(min=0, help="An earlier state (smplan state history); default: the current one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write it to this new file, readable by you only.")] = None,
    blueprint: options.OfBlueprint = None,
) -> None:
    """Print the state document, with its journal applied, in the format of a local state file.

    Contains no secrets, but treat it as confidential.
    """
    from smplan.cli import wiring

    store = wiring.store_of(blueprint)
    document = _current(store) if serial is None else _earlier(store, serial)
    if out is None:
        typer.echo(document.decode("ascii"), nl=False)
    else:
        _write(out, document)


def _current(store: Store) -> bytes:
    """The state with its journal applied, as a save would store it; unchanged if there is no journal."""
    from dataclasses import replace

    from smplan.cli import wiring
    from smplan.stores import codec

    found = store.read()
    if found.stored is None or found.folded is None:
        raise wiring.no_state_error(store)
    folded = found.folded
    if folded.run:
        wiring.warn(
            f"a run of plan {folded.run.plan_id} is unfinished: this copy has its steps so far, "
            "but only `smplan apply` on the original state can resume it"
        )
    if not found.written:
        return codec.encode_state(found.stored, found.pending_creates, saved=found.saved)
    # the next serial: a journal left beside the copy is then ignored, as after a save
    state = replace(folded.state, serial=folded.state.serial + 1)
    return codec.encode_state(state, folded.pending_creates, saved=found.saved)


def _earlier(store: Store, serial: int) -> bytes:
    from smplan.errors import SmplanError
    from smplan.stores import codec

    current = store.read().stored
    document = store.document() if current and current.serial == serial else store.document(serial)
    if document is None:
        kept = ", ".join(map(str, store.history())) or "none"
        raise SmplanError(f"the state with serial {serial} is not kept", hint=f"the serials kept are: {kept}")
    codec.decode_state(document, f"the state with serial {serial}")
    return document


def _write(out: Path, document: bytes) -> None:
    from smplan.errors import SmplanError
    from smplan.stores import files

    if files.stamp(out):
        raise SmplanError(f"{out} exists already", hint="choose a new file; docs/state.md shows how to restore a state")
    files.replace(files.Disk(), out, document)
    typer.echo(f"Written to {out}.", err=True)


def move(
    to: Annotated[str, typer.Option("--to", metavar="LOCATION", help="s3://bucket/key, or the path of a state file.")],
    blueprint: options.OfBlueprint = None,
    region: Annotated[str | None, typer.Option(help="The region of the new bucket; default: the blueprint's.")] = None,
    kms_key_id: Annotated[str | None, typer.Option(help="The KMS key that encrypts the state in S3.")] = None,
    yes: options.Yes = False,
) -> None:
    """Move the state to S3, to a local file, or from bucket to bucket; nothing is deleted.

    The copy is verified before the old one is retired; a marker left there names the new location. If the move is
    interrupted, the same command finishes it.
    """
    from smplan.cli import wiring
    from smplan.engine.plan import utc_now
    from smplan.stores.move import Endpoint, Move
    from smplan.stores.move_marker import backend_block

    found = wiring.locate_state(blueprint)
    wanted = _in_workspace(_backend(to, region, kms_key_id), found.workspace)
    source, target = found.backend, found.store_at(wanted)
    old = found.store
    if _identity(source, found.workspace) == _identity(wanted, found.workspace):
        source, wanted = _unfinished(target)
        old, target = found.store_at(source), found.store_at(wanted)
    if not yes:
        options.confirm(f"Move the state from {old.location} to {target.location}?")
    at = utc_now().isoformat(timespec="seconds")
    Move(Endpoint(old, source), Endpoint(target, wanted), wiring.holder("move"), at, wiring.warn).run()
    typer.echo(f"The state is now in {target.location}. Put this into the blueprint:\n\n{backend_block(wanted)}")
    options.next_command("smplan plan BLUEPRINT   # earlier plans are no longer valid")


def _backend(to: str, region: str | None, kms_key_id: str | None) -> BackendConfig:
    """The backend given by ``--to``."""
    from smplan.core.blueprint import BackendConfig

    more = {name: value for name, value in (("region", region), ("kms_key_id", kms_key_id)) if value}
    if to.startswith("s3://"):
        bucket, _, key = to.removeprefix("s3://").partition("/")
        if not bucket or not key or key.endswith("/"):
            raise typer.BadParameter(f"`{to}` is not s3://bucket/key", param_hint="--to")
        return BackendConfig("s3", {"bucket": bucket, "key": key, **more})
    if more:
        raise typer.BadParameter(f"`{to}` is a file: it has no {' or '.join(more)}", param_hint="--to")
    if not to.endswith(".json"):
        raise typer.BadParameter(
            f"`{to}` is not the path of a state file, such as state/fleet.state.json", param_hint="--to"
        )
    return BackendConfig("local", {"path": to})


def _in_workspace(backend: BackendConfig, workspace: Path) -> BackendConfig:
    """``backend`` as a blueprint names it; on the command line a path is relative to the current folder."""
    from smplan.cli import wiring
    from smplan.core.blueprint import BackendConfig

    if backend.backend == "s3":
        return backend
    return wiring.within(workspace, BackendConfig("local", {"path": str(Path(backend.options["path"]).resolve())}))


def _identity(backend: BackendConfig, workspace: Path) -> str:
    """One name for a backend, however its path is written."""
    from smplan.stores.move_marker import uri

    return uri(backend) if backend.backend == "s3" else str((workspace / uri(backend)).resolve())


def _unfinished(target: Store) -> tuple[BackendConfig, BackendConfig]:
    """Source and target of an interrupted move, for a blueprint that names the target already."""
    from smplan.errors import GuardRefused

    marker = target.read_unchecked().marker
    if marker and marker.incoming:
        return marker.source, marker.target
    raise GuardRefused(f"the state is in {target.location} already", hint="give another location with --to")
