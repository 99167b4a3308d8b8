"""The simulated Stream Managers: which instances run one, whether each responds, and with what.

Those that run share one store, as real ones share a MySQL database. One that may not reach the database serves nothing.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping

from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.sandbox.interface import PROPERTIES_PATH, AwsView, InstanceView
from smplan.sandbox.stream_manager import configurations, groups, nodes
from smplan.sandbox.stream_manager.boot import settings
from smplan.sandbox.stream_manager.database import Database
from smplan.sandbox.stream_manager.fleet import Fleet
from smplan.sandbox.stream_manager.requests import ApiCall, find
from smplan.sandbox.stream_manager.responses import (
    ApiError,
    Behaviour,
    Request,
    Response,
    error_response,
    html_page,
    json_response,
)

PORT = 5080
VERSIONS = ("4.0", "3.1")
ROOT = "/streammanager/api/"
NOTICE_SECONDS = 60.0
"""How long an instance goes on as it is after a rule of the database changed: open connections outlive their rule."""
TABLES = (configurations, groups, nodes)
"""The modules whose functions handle the API; importing them fills the table."""


class StreamManagers:
    """All of them. Safe to share among threads; never call it with the emulated AWS's lock held."""

    def __init__(self, world: AwsView, clock: Clock, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.store = Database()
        self._world = world
        self._clock = clock
        self._fleet = Fleet(world, clock, self.store, self.behaviour)
        self._reach: dict[tuple[str, ...], tuple[float, bool]] = {}
        self._lock = threading.RLock()

    def tick(self) -> None:
        """Let the passing of time have its effect on groups and nodes; none if no Stream Manager runs."""
        with self._lock:
            self._move(self._serving())

    def respond(self, instance_id: str, port: int, request: Request) -> Response | None:
        """The instance's response on one of its ports; None if nothing listens."""
        with self._lock:
            serving = self._serving()
            self._move(serving)
            me = next((each for each in serving if each.id == instance_id), None)
            return self._answered(me, request) if me is not None and port == PORT else None

    def _serving(self) -> list[InstanceView]:
        now = self._clock.now()
        return [
            each
            for each in self._world.instances()
            if PROPERTIES_PATH in each.files
            and each.state == "running"
            and now >= each.booted_at
            and self._reaches_database(each.security_group_ids, now)
        ]

    def _reaches_database(self, group_ids: tuple[str, ...], now: float) -> bool:
        held = self._reach.get(group_ids)
        if held is None or now >= held[0] + NOTICE_SECONDS:
            held = self._reach[group_ids] = (now, self._world.may_reach_database(group_ids))
        return held[1]

    def _move(self, serving: list[InstanceView]) -> None:
        """Any of them does the work. They are distinguished by ``streammanager.ip``."""
        if not serving:
            return
        all_settings = [settings(each) for each in serving]
        addresses = {each.get("streammanager.ip", "") for each in all_settings}
        self._fleet.tick(all_settings[0], serving[0].files, managed=len(addresses) == len(serving))

    def _answered(self, me: InstanceView, request: Request) -> Response:
        if request.path in ("", "/"):
            return html_page(200, "Red5 Pro")
        version, _, rest = request.path.removeprefix(ROOT).partition("/admin/")
        now = self._clock.now()
        deployed = now >= me.booted_at + self.behaviour.deploy_seconds
        served = deployed and request.path.startswith(ROOT) and version in VERSIONS
        found = find(request.method, rest) if served else None
        if found is None:
            return html_page(404, "HTTP Status 404 – Not Found")
        handler, status, names = found
        try:
            self._admit(settings(me), request.query)
            call = ApiCall(
                store=self.store,
                fleet=self._fleet,
                behaviour=self.behaviour,
                now=now,
                version=version,
                names=names,
                query=request.query,
                body=request.body,
            )
            return json_response(status, handler(call))
        except ApiError as refused:
            shown = ApiError(refused.status, self.behaviour.refusal or refused.message)
            return error_response(shown, now)

    def _admit(self, held: Mapping[str, str], query: Mapping[str, str]) -> None:
        token = held.get("rest.administratorToken") or ADMIN_TOKEN
        if not hmac.compare_digest(query.get("accessToken", "").encode(), token.encode()):
            raise ApiError(self.behaviour.bad_token_status, "the access token is not valid")
