"""Where the pieces are put together: blueprint, store and world of a command."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smplan.blueprint import load as loading
from smplan.cli.plan_file import PLAN_FILE, read_plan
from smplan.core.blueprint import BackendConfig, Blueprint
from smplan.core.plan.model import Plan
from smplan.core.state.model import State
from smplan.drivers import registry
from smplan.engine.plan import plan as make_plan
from smplan.engine.plan import utc_now
from smplan.engine.providers import Providers
from smplan.engine.waiter import CancelToken
from smplan.errors import SmplanError
from smplan.stores.interface import LockHolder, Store

if TYPE_CHECKING:
    from smplan.core.events import Event
    from smplan.drivers.red5.client import StreamManager

STATE_FOLDER = Path("state")


def silent(event: Event) -> None:
    """Nobody listens."""


def aside() -> Callable[[Event], None]:
    """Tells on standard error what a person who waits should know: calls made again, a clock that is off."""
    from smplan.core.events import ClockSkewed, Retried
    from smplan.render.progress import Plain

    plain = Plain(say)

    def hear(event: Event) -> None:
        if isinstance(event, (ClockSkewed, Retried)):
            plain(event)

    return hear


def say(word: str) -> None:
    """Tell the person a sentence beside the output."""
    sys.stderr.write(f"smplan: {word}\n")


def load(path: Path, variables: Mapping[str, str], files: Sequence[Path]) -> Blueprint:
    """The blueprint with its variables in force. Raises BlueprintInvalid."""
    return loading.load(
        path, variables=variables, variable_files=files, environ=os.environ, catalogue=registry.catalogue()
    )


def place_of(blueprint: Blueprint) -> BackendConfig:
    """Where the state of ``blueprint`` lives."""
    return BackendConfig(blueprint.state.backend, blueprint.state.options)


def store_at(place: BackendConfig, name: str, region: str | None = None) -> Store:
    """The store at ``place`` for the state called ``name``."""
    options = _spelled_out(place, name).options
    if place.backend == "s3":
        from smplan.stores import s3

        client = s3.connect(options.get("region") or region)
        kms_key_id = options.get("kms_key_id")
        return s3.S3Store(options["bucket"], options["key"], client=client, kms_key_id=kms_key_id, on_warning=say)
    from smplan.stores.local import LocalStore

    return LocalStore(Path(options["path"]), on_warning=say)


def world_of(region: str | None, *, on_call: Callable[[str], None] | None = None) -> Providers:
    """The account and region that the environment leads to, and the Stream Managers there.

    ``on_call`` hears each AWS request as ``service:Action``.
    """
    from smplan.drivers.aws.client import Aws
    from smplan.drivers.aws.secrets import resolve
    from smplan.drivers.http import HttpClient

    aws = Aws(region or None, on_call=on_call)
    connect_map, ca_file = os.environ.get("SMPLAN_CONNECT_TO", ""), os.environ.get("SMPLAN_CA_FILE") or None

    def secret(source: str) -> str:
        return resolve(source, aws=aws, environ=os.environ)

    def connect(settings: Mapping[str, Any]) -> StreamManager:
        from smplan.drivers.red5.client import StreamManager

        token = settings.get("access_token")
        return StreamManager(
            settings["url"],
            token=lambda: secret(token.source) if token is not None else "",
            connect_to=settings.get("connect_to"),
            api_version=settings.get("api_version") or "4.0",
            connect_map=connect_map,
            ca_file=ca_file,
            retry_policy=aws.retry_policy,
            before_write=lambda: aws.before_write(),
        )

    http = partial(HttpClient, connect_map=connect_map, ca_file=ca_file)
    return Providers(aws, connect=connect, secrets=secret, http=http)


def plan(blueprint: Blueprint, *, destroy: bool = False, report: Callable[[Event], None] | None = None) -> Plan:
    """The plan of ``blueprint`` against its state and the world; what is worth a word meanwhile goes to ``report``."""
    stop = CancelToken()
    with _ending_pauses(stop):
        return make_plan(
            blueprint,
            store=store_at(place_of(blueprint), blueprint.name, blueprint.region),
            world=world_of(blueprint.region),
            mode="destroy" if destroy else "apply",
            report=report or aside(),
            pause=stop.wait,
            commit=commit_of(Path(blueprint.file).parent),
        )


@contextmanager
def _ending_pauses(stop: CancelToken) -> Iterator[None]:
    """Ctrl-C ends the pauses of other threads too, which it would have to wait for."""

    def heard(_number: int, _frame: Any) -> None:
        stop.cancel()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def holder(operation: str) -> LockHolder:
    """Who this process is, for others who find the lock taken."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        user = f"uid {os.getuid()}"
    who = f"{user}@{socket.gethostname()} pid {os.getpid()}"
    return LockHolder(who, operation, uuid.uuid4().hex, utc_now().isoformat())


def commit_of(folder: Path) -> str:
    """The git commit that ``folder`` is at, with `-dirty` if it was changed since; empty outside a work tree."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def store_of_plan(plan: Plan) -> Store:
    """The store that ``plan`` was made against."""
    return store_at(plan.backend, plan.name, plan.region)


@dataclass(frozen=True)
class Found:
    """Where a state lives, the path or key spelled out, and what else is known of whose it is."""

    place: BackendConfig
    name: str = ""
    region: str | None = None
    account: str | None = None

    @property
    def store(self) -> Store:
        """The store there."""
        return self.store_at(self.place)

    def store_at(self, place: BackendConfig) -> Store:
        """The store at ``place``, for the same state."""
        return store_at(place, self.name, self.region)


def found(blueprint: Path | None) -> Found:
    """The state of ``blueprint``, else of the last plan, else the only one in ``state/``. Raises SmplanError."""
    if blueprint is not None:
        wanted = load(blueprint, {}, ())
        place = _spelled_out(place_of(wanted), wanted.name)
        return Found(place, wanted.name, wanted.region, wanted.account)
    if PLAN_FILE.exists():
        plan = read_plan(None)
        return Found(_spelled_out(plan.backend, plan.name), plan.name, plan.region, plan.account)
    there = sorted(STATE_FOLDER.glob("*.state.json"))
    if len(there) != 1:
        told = f"{len(there)} states in {STATE_FOLDER}/" if there else "no state here"
        raise SmplanError(f"there is {told}" if not there else f"there are {told}", hint="say whose: --blueprint FILE")
    return Found(BackendConfig("local", {"path": str(there[0])}))


def _spelled_out(place: BackendConfig, name: str) -> BackendConfig:
    """``place`` with what ``store_at`` would fill in."""
    option, default = ("key", f"{name}.state.json") if place.backend == "s3" else ("path", _default_path(name))
    return BackendConfig(place.backend, {**place.options, option: place.options.get(option) or default})


def _default_path(name: str) -> str:
    return str(STATE_FOLDER / f"{name}.state.json")


def found_store(blueprint: Path | None) -> Store:
    """The store of what ``found`` finds."""
    return found(blueprint).store


def state_now(store: Store) -> State:
    """The state in ``store``, its journal folded in. Raises SmplanError if there is none yet."""
    folded = store.read().folded
    if folded is None:
        raise nothing_yet(store)
    return folded.state


def nothing_yet(store: Store) -> SmplanError:
    """The error where a state is needed and none is."""
    return SmplanError(
        f"nothing was applied yet: there is no state in {store.location}", hint="smplan plan, then apply"
    )
