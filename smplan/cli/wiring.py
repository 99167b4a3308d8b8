"""Composition root: builds the blueprint, store and providers of a command."""

from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from smplan.blueprint import load as loading
from smplan.cli.git_head import commit_of
from smplan.cli.plan_file import SavedPlans, read_plan
from smplan.cli.register import Register
from smplan.cli.settings import check_destination, secret_hosts, url_errors
from smplan.cli.workspace import current_workspace, shown, state_file, workspace_of
from smplan.core.blueprint import BackendConfig, Blueprint
from smplan.core.plan.changes import NO_PERMITS, Permits
from smplan.core.plan.model import Plan
from smplan.core.state.model import State
from smplan.drivers import registry
from smplan.engine.plan import plan as make_plan
from smplan.engine.plan import utc_now
from smplan.engine.providers import Providers
from smplan.engine.waiter import CancelToken
from smplan.errors import BlueprintInvalid, Invalid, SmplanError, StoreError
from smplan.stores.interface import LockHolder, Store

if TYPE_CHECKING:
    from smplan.core.events import Event
    from smplan.drivers.red5.client import StreamManager

STATE_FOLDER = Path("state")


def ignore_event(event: Event) -> None:
    """An event listener that does nothing."""


def warning_reporter() -> Callable[[Event], None]:
    """A listener that prints retries and clock skew to standard error."""
    from smplan.core.events import ClockSkewed, Retried
    from smplan.render.progress import Plain

    plain = Plain(warn)

    def handle(event: Event) -> None:
        if isinstance(event, (ClockSkewed, Retried)):
            plain(event)

    return handle


def warn(message: str) -> None:
    """Print ``message`` to standard error."""
    sys.stderr.write(f"smplan: {message}\n")


def load(path: Path, variables: Mapping[str, str], files: Sequence[Path]) -> Blueprint:
    """The blueprint with the values of its variables, and the absolute path of local state. Raises BlueprintInvalid."""
    blueprint = loading.load(
        path, variables=variables, variable_files=files, environ=os.environ, catalogue=registry.catalogue()
    )
    faults = list(url_errors(blueprint))
    if faults:
        raise BlueprintInvalid(faults)
    try:
        backend = located(backend_of(blueprint), blueprint.name, workspace_of(path.parent))
    except StoreError as error:
        fault = blueprint.source_map.diagnostic(("state", "path"), error.message, error.hint)
        raise BlueprintInvalid([fault]) from None
    return replace(blueprint, state=backend)


def backend_of(blueprint: Blueprint) -> BackendConfig:
    """Where the state of ``blueprint`` is."""
    return BackendConfig(blueprint.state.backend, blueprint.state.options)


def located(backend: BackendConfig, name: str, workspace: Path) -> BackendConfig:
    """``backend`` with an explicit key or absolute path. Raises StoreError if that path is not allowed."""
    explicit = _with_defaults(backend, name)
    if backend.backend == "s3":
        return explicit
    return BackendConfig("local", {**explicit.options, "path": str(state_file(workspace, explicit.options["path"]))})


def store_at(backend: BackendConfig, name: str, region: str | None = None) -> Store:
    """The store in ``backend`` for the state called ``name``; a relative path is one in the current workspace."""
    options = _with_defaults(backend, name).options
    if backend.backend == "s3":
        from smplan.stores import s3

        client = s3.connect(options.get("region") or region)
        kms_key_id = options.get("kms_key_id")
        return s3.S3Store(options["bucket"], options["key"], client=client, kms_key_id=kms_key_id, on_warning=warn)
    from smplan.stores.local import LocalStore

    return LocalStore(shown(current_workspace() / options["path"]), on_warning=warn)


def providers(region: str | None, *, on_call: Callable[[str], None] | None = None) -> Providers:
    """The AWS account and region of the environment, and the Stream Managers there.

    ``on_call`` is called with the ``service:Action`` of each AWS request.
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
            secret_hosts=secret_hosts(os.environ),
            retry_policy=aws.retry_policy,
            before_write=lambda: aws.before_write(),
        )

    http = partial(HttpClient, connect_map=connect_map, ca_file=ca_file)
    return Providers(aws, connect=connect, secrets=secret, http=http, clock=_clock())


def _clock() -> Callable[[], float]:
    """Seconds as they pass where AWS is. Raises Invalid for a speed that the sandbox did not set."""
    text = os.environ.get("SMPLAN_CLOCK_SPEED", "")
    if not text:
        return time.monotonic
    local = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname in ("127.0.0.1", "localhost", "::1")
    if not local or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text):
        raise Invalid(
            f"SMPLAN_CLOCK_SPEED is `{text}`: only the sandbox's clock has a speed, a number from 0 on",
            hint="run `unset SMPLAN_CLOCK_SPEED`",
        )
    speed = float(text)
    return lambda: time.monotonic() * speed


def plan(
    blueprint: Blueprint,
    *,
    destroy: bool = False,
    permits: Permits = NO_PERMITS,
    command: str = "",
    report: Callable[[Event], None] | None = None,
    id: str = "",
) -> Plan:
    """The plan of ``blueprint`` from its state and what exists; events go to ``report``.

    ``permits`` are what the options permit; ``command`` is the one that makes this plan, for hints; ``id`` is that of a
    plan to derive again.
    """
    stop = CancelToken()
    with _interruptible_pauses(stop):
        made = make_plan(
            blueprint,
            store=store_at(backend_of(blueprint), blueprint.name, blueprint.region),
            world=providers(blueprint.region),
            mode="destroy" if destroy else "apply",
            permits=permits,
            command=command,
            report=report or warning_reporter(),
            pause=stop.wait,
            commit=commit_of(Path(blueprint.file).parent),
            id=id,
            planner=user(),
        )
    check_destination(made, os.environ)
    return made


def plan_scale(blueprint: Blueprint, sizes: Mapping[str, int | None]) -> Plan:
    """The plan that gives each group of ``sizes``, by address, that size; None is that of the blueprint."""
    from smplan.engine import plan_scale as scaling

    stop = CancelToken()
    with _interruptible_pauses(stop):
        return scaling.plan_scale(
            blueprint,
            sizes,
            store=store_at(backend_of(blueprint), blueprint.name, blueprint.region),
            world=providers(blueprint.region),
            report=warning_reporter(),
            pause=stop.wait,
            commit=commit_of(Path(blueprint.file).parent),
            planner=user(),
        )


@contextmanager
def _interruptible_pauses(stop: CancelToken) -> Iterator[None]:
    """Make Ctrl-C also end the retry pauses of other threads."""

    def handle(_number: int, _frame: Any) -> None:
        stop.cancel()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def holder(operation: str) -> LockHolder:
    """This process as the holder of a lock."""
    who = f"{user()}@{socket.gethostname()} pid {os.getpid()}"
    return LockHolder(who, operation, uuid.uuid4().hex, utc_now().isoformat())


def user() -> str:
    """Who runs this process: as they say, or by the name of the user."""
    try:
        return os.environ.get("SMPLAN_USER") or getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        return f"uid {os.getuid()}"


def store_of_plan(plan: Plan) -> Store:
    """The store that ``plan`` was made from."""
    return store_at(plan.backend, plan.name, plan.region)


@dataclass(frozen=True)
class LocatedState:
    """Where a state is, and the name, region and account if known. A local path is relative to the workspace."""

    workspace: Path
    backend: BackendConfig
    name: str = ""
    region: str | None = None
    account: str | None = None

    @property
    def store(self) -> Store:
        """The store of this state."""
        return self.store_at(self.backend)

    def store_at(self, backend: BackendConfig) -> Store:
        """The store in ``backend``, for the same state. Raises StoreError if its path is not allowed."""
        return store_at(located(backend, self.name, self.workspace), self.name, self.region)


def locate_state(blueprint: Path | None) -> LocatedState:
    """The state of ``blueprint``, else of the last plan that this user made, else the only one in ``state/``.

    Raises SmplanError.
    """
    if blueprint is not None:
        wanted, workspace = load(blueprint, {}, ()), workspace_of(blueprint.parent)
        backend = within(workspace, backend_of(wanted))
        return LocatedState(workspace, backend, wanted.name, wanted.region, wanted.account)
    workspace = current_workspace()
    plans = SavedPlans(workspace)
    for saved in (plans.last, plans.destroy):
        if not saved.exists():
            continue
        plan = read_plan(saved)
        if not Register.of(os.environ).has(plan.digest, workspace):
            continue
        backend = within(workspace, _with_defaults(plan.backend, plan.name))
        return LocatedState(workspace, backend, plan.name, plan.region, plan.account)
    files = sorted((workspace / STATE_FOLDER).glob("*.state.json"))
    if len(files) != 1:
        folder = shown(workspace / STATE_FOLDER)
        message = f"there are {len(files)} states in {folder}/" if files else "there is no state here"
        raise SmplanError(message, hint="choose one with --blueprint FILE")
    return LocatedState(workspace, within(workspace, BackendConfig("local", {"path": str(files[0])})))


def within(workspace: Path, backend: BackendConfig) -> BackendConfig:
    """``backend`` as a blueprint names it: a local path in ``workspace`` is relative to it."""
    path = Path(backend.options.get("path") or "")
    if backend.backend == "s3" or not path.is_relative_to(workspace):
        return backend
    return BackendConfig(backend.backend, {**backend.options, "path": str(path.relative_to(workspace))})


def _with_defaults(backend: BackendConfig, name: str) -> BackendConfig:
    """``backend`` with an explicit path or key."""
    option, default = ("key", f"{name}.state.json") if backend.backend == "s3" else ("path", _default_path(name))
    return BackendConfig(backend.backend, {**backend.options, option: backend.options.get(option) or default})


def _default_path(name: str) -> str:
    return str(STATE_FOLDER / f"{name}.state.json")


def store_of(blueprint: Path | None) -> Store:
    """The store of the state that ``locate_state`` finds."""
    return locate_state(blueprint).store


def current_state(store: Store) -> State:
    """The state in ``store``, with its journal applied. Raises SmplanError if there is none yet."""
    folded = store.read().folded
    if folded is None:
        raise no_state_error(store)
    return folded.state


def no_state_error(store: Store) -> SmplanError:
    """The error for a missing state."""
    return SmplanError(
        f"nothing was applied yet; there is no state in {store.location}",
        hint="run `smplan plan BLUEPRINT`, then `smplan apply`",
    )
