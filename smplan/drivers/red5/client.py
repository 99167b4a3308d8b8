"""Stream Manager's REST API, versions 4.0 and 3.1 (Red5 Pro, Stream Manager REST API): its calls as functions.

The access token travels in the query of every ``/admin`` call: it is asked for when a call needs it, and never reaches
an exception, an event, a log or a ``repr``. Each request that changes something asks ``guard`` first; it is sent again
only if it surely did nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from smplan.drivers.http import HttpClient, Response
from smplan.drivers.retry import RetryPolicy
from smplan.errors import Denied, DriverError, InUse, Invalid, LostAnswer, NotFound, Throttled, Unreachable

TRIES = 3
_TOKEN_WORDS = ("token", "unauthor", "not authorized", "forbidden")
_GONE_WORDS = ("not found", "does not exist", "no such", "unknown", "invalid group", "not exist")
_USED_WORDS = ("in use", "is used", "being used")
_HINT_AWAY = "see whether Stream Manager is well, then run it again"
_HINT_TOKEN = "set stream_manager.access_token to the value of rest.administratorToken"


class StreamManager:
    """A Stream Manager, or the load balancer in front of several."""

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str],
        connect_to: str | None = None,
        api_version: str = "4.0",
        connect_map: str = "",
        ca_file: str | None = None,
        patience: RetryPolicy | None = None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._http = HttpClient(url, connect_to=connect_to, connect_map=connect_map, ca_file=ca_file)
        self._token = token
        self._base = f"{self._http.path}/streammanager/api/{api_version}/admin"
        self._patience = patience or RetryPolicy()
        self._guard = guard

    def __repr__(self) -> str:
        return f"StreamManager({self._http.host})"

    def cloud(self) -> str:
        """The name of the cloud controller in force: "Amazon Web Services" on AWS. The best sign that it is ready."""
        return str(self._read("/debug/cloudcontroller", text=True)).strip().strip('"')

    def scale_policy(self, name: str) -> dict[str, Any]:
        """A scale policy, unwrapped. Raises NotFound."""
        return _unwrapped(self._read(f"/configurations/scalepolicy/{_quoted(name)}"), "policy")

    def scale_policies(self) -> list[str]:
        """The names of all scale policies."""
        return _names(self._read("/configurations/scalepolicy"))

    def put_scale_policy(self, policy: Mapping[str, Any], *, new: bool) -> None:
        """Create or change a scale policy."""
        self._put("scalepolicy", policy["name"], {"policy": policy}, new=new)

    def delete_scale_policy(self, name: str) -> None:
        """Delete a scale policy. Raises NotFound, InUse."""
        self._write("DELETE", f"/configurations/scalepolicy/{_quoted(name)}")

    def launch_config(self, name: str) -> dict[str, Any]:
        """A launch configuration of nodes, unwrapped. Raises NotFound."""
        return _unwrapped(self._read(f"/configurations/launchconfig/{_quoted(name)}"), "launchconfig")

    def launch_configs(self) -> list[str]:
        """The names of all launch configurations of nodes."""
        return _names(self._read("/configurations/launchconfig"))

    def put_launch_config(self, config: Mapping[str, Any], *, new: bool) -> None:
        """Create or change a launch configuration of nodes."""
        self._put("launchconfig", config["name"], {"launchconfig": config}, new=new)

    def delete_launch_config(self, name: str) -> None:
        """Delete a launch configuration of nodes. Raises NotFound, InUse."""
        self._write("DELETE", f"/configurations/launchconfig/{_quoted(name)}")

    def groups(self) -> list[dict[str, Any]]:
        """All node groups."""
        return _list(self._read("/nodegroup"))

    def group(self, name: str) -> dict[str, Any]:
        """One node group. Raises NotFound."""
        return _unwrapped(self._read(f"/nodegroup/{_quoted(name)}"), "group")

    def create_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Create a node group, without nodes; as the server made it, with the name that it gave it."""
        return _unwrapped(self._write("POST", "/nodegroup", group), "group")

    def delete_group(self, name: str) -> None:
        """Delete a node group; its nodes are terminated in the background. Raises NotFound."""
        self._write("DELETE", f"/nodegroup/{_quoted(name)}")

    def launch_origin(self, group: str) -> None:
        """Launch an origin: this is what initialises a group. Not idempotent: each call is one more origin."""
        self._write("POST", f"/nodegroup/{_quoted(group)}/node/origin")

    def nodes(self, group: str) -> list[dict[str, Any]]:
        """The nodes of a group. Raises NotFound."""
        return _list(self._read(f"/nodegroup/{_quoted(group)}/node"))

    def _put(self, what: str, name: str, body: Mapping[str, Any], *, new: bool) -> None:
        if new:
            self._write("POST", f"/configurations/{what}", body)
        else:
            self._write("PUT", f"/configurations/{what}/{_quoted(name)}", body)

    def _read(self, path: str, *, text: bool = False) -> Any:
        """Ask, a few times if nobody is there for a moment."""

        def once() -> Any:
            return self._understood("GET", path, self._send("GET", path), text=text)

        return self._patience.follow(f"red5:GET {path}", once, attempts=TRIES)

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        def once() -> Any:
            self._guard()
            return self._understood(method, path, self._send(method, path, body))

        return self._patience.follow(f"red5:{method} {path}", once, attempts=TRIES)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        query = {"accessToken": self._token()}
        return self._http.send(method, f"{self._base}{path}", query=query, json=body, once=method != "GET")

    def _understood(self, method: str, path: str, answer: Response, *, text: bool = False) -> Any:
        if answer.status in (200, 201, 202, 204):
            return answer.text if text else self._parsed(method, path, answer)
        raise self._error(method, path, answer)

    def _parsed(self, method: str, path: str, answer: Response) -> Any:
        try:
            return json.loads(answer.text) if answer.text.strip() else {}
        except ValueError:
            told = f"{method} {path}: {self._http.host} answered something that is not JSON"
            raise (Unreachable if method == "GET" else LostAnswer)(told) from None

    def _error(self, method: str, path: str, answer: Response) -> DriverError:
        """The error that an answer stands for: by its status, and by its words where that says too little."""
        told = f"{method} {path} at {self._http.host}: {_message(answer)} (HTTP {answer.status})"
        words = _message(answer).lower()
        action = f"red5:{method} {path}"
        if answer.status == 429:
            return Throttled(
                told, hint="something before Stream Manager limits requests: run it again later", action=action
            )
        if answer.status == 503 and not _is_envelope(answer):
            return Unreachable(f"{told}; its load balancer has nobody to ask", hint=_HINT_AWAY, action=action)
        if answer.status in (502, 504):  # of a load balancer, which may have passed the request on
            return self._silent(method, told, action)
        if answer.status in (401, 403) or any(word in words for word in _TOKEN_WORDS):
            return Denied(told, hint=_HINT_TOKEN, action=action)
        if answer.status == 404 and not _is_envelope(answer):
            return Unreachable(f"{told}; the streammanager web app is not deployed there", action=action)
        if answer.status == 404 or any(word in words for word in _GONE_WORDS):
            return NotFound(told, action=action)
        if any(word in words for word in _USED_WORDS):
            return InUse(told, action=action)
        if answer.status >= 500:
            return self._silent(method, told, action)
        return Invalid(told, action=action)

    def _silent(self, method: str, told: str, action: str) -> DriverError:
        """An answer that does not say whether anything was done."""
        if method == "GET":
            return Unreachable(told, hint=_HINT_AWAY, action=action)
        return LostAnswer(told, hint="run it again: it looks first whether that was done", action=action)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _is_envelope(answer: Response) -> bool:
    try:
        return "errorMessage" in json.loads(answer.text)
    except (ValueError, TypeError):
        return False


def _message(answer: Response) -> str:
    """What the error envelope says; HTML and the like is only named."""
    try:
        return str(json.loads(answer.text)["errorMessage"])
    except (ValueError, TypeError, KeyError):
        return "an answer without an error message"


def _unwrapped(data: Any, key: str) -> dict[str, Any]:
    """The object in ``data``, which some servers send bare and others wrapped. Raises Unreachable for anything else."""
    inner = data.get(key, data) if isinstance(data, dict) else data
    if not isinstance(inner, dict):
        raise Unreachable("Stream Manager answered in a shape that is not its API's")
    return inner


def _list(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise Unreachable("Stream Manager answered in a shape that is not its API's")
    return data


def _names(data: Any) -> list[str]:
    if not isinstance(data, list):
        raise Unreachable("Stream Manager answered in a shape that is not its API's")
    return [str(item) for item in data]
