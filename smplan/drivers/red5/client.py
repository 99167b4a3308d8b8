"""Client of Stream Manager's REST API, versions 4.0 and 3.1 (Red5 Pro, Stream Manager REST API).

The access token is in the query of every ``/admin`` call: it is resolved when a call needs it, and never reaches an
exception, an event, a log or a ``repr``. ``before_write`` is called before each request that changes something; such a
request is retried only if it certainly did nothing.

Refusals are HTTP 400 or 404 with a text that is not documented. So what exists is decided by the list of its kind, and
never by the words of a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from smplan.drivers.destinations import SecretHosts
from smplan.drivers.http import HttpClient, Response
from smplan.drivers.retry import RetryPolicy
from smplan.errors import Denied, DriverError, InUse, Invalid, LostAnswer, NotFound, Throttled, Unreachable
from smplan.redaction import KNOWN

T = TypeVar("T")

ATTEMPTS = 3
"""Attempts of a call while planning: what cannot be read now, the plan says."""
PATIENT_ATTEMPTS = 45
"""Attempts in a run, over 100 s at least: the vendor's own module asks 20 times, every 5 s."""
_MESSAGE = 500
"""How much of a server's message is shown, in characters."""
_TOKEN_WORDS = ("token", "unauthor", "not authorized", "forbidden")
"""Words of a refusal that may be of the token: the status for a wrong one is not documented."""
_BROKEN = "response"
"""The code of errors of a server that does respond."""
_HINT_UNREACHABLE = "check that Stream Manager is running, then run the same command again"
_HINT_AGAIN = "run the same command again"
_HINT_TOKEN = "set stream_manager.access_token to the value of rest.administratorToken"


class StreamManager:
    """A Stream Manager, or the load balancer in front of several.

    The token is sent only if ``secret_hosts`` allow it, if they are given. While ``patient``, a server that cannot be
    reached is waited for.
    """

    patient = False

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str],
        connect_to: str | None = None,
        api_version: str = "4.0",
        connect_map: str = "",
        ca_file: str | None = None,
        secret_hosts: SecretHosts | None = None,
        retry_policy: RetryPolicy | None = None,
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._http = HttpClient(url, connect_to=connect_to, connect_map=connect_map, ca_file=ca_file)
        self._token = token
        self._secret_hosts = secret_hosts
        self._base = f"{self._http.path}/streammanager/api/{api_version}/admin"
        self._retry_policy = retry_policy or RetryPolicy()
        self._before_write = before_write

    def __repr__(self) -> str:
        return f"StreamManager({self._http.host})"

    @property
    def place(self) -> str:
        """Which API is called where, without the token: ``/streammanager/api/4.0/admin of sm.example.com:5080``."""
        return f"{self._base} of {self._http.host}:{self._http.port}"

    def cloud(self) -> str:
        """The name of the active cloud controller: "Amazon Web Services" on AWS. One request, without retries."""
        path = "/debug/cloudcontroller"
        return str(self._decode("GET", path, self._send("GET", path), text=True)).strip().strip('"')

    def scale_policy(self, name: str) -> dict[str, Any]:
        """A scale policy, unwrapped. Raises NotFound."""
        path = f"/configurations/scalepolicy/{_quoted(name)}"
        return _unwrapped(self._if_listed(name, self.scale_policies, lambda: self._read(path)), "policy")

    def scale_policies(self) -> list[str]:
        """The names of all scale policies."""
        return _names(self._read("/configurations/scalepolicy"))

    def put_scale_policy(self, policy: Mapping[str, Any], *, new: bool) -> None:
        """Create or change a scale policy."""
        self._put("scalepolicy", policy["name"], {"policy": policy}, new=new)

    def delete_scale_policy(self, name: str) -> None:
        """Delete a scale policy. Raises NotFound, and InUse without a request while a group uses it."""
        self._check_unused("scalePolicy", name)
        path = f"/configurations/scalepolicy/{_quoted(name)}"
        self._if_listed(name, self.scale_policies, lambda: self._write("DELETE", path))

    def launch_config(self, name: str) -> dict[str, Any]:
        """A launch configuration of nodes, unwrapped. Raises NotFound."""
        path = f"/configurations/launchconfig/{_quoted(name)}"
        return _unwrapped(self._if_listed(name, self.launch_configs, lambda: self._read(path)), "launchconfig")

    def launch_configs(self) -> list[str]:
        """The names of all launch configurations of nodes."""
        return _names(self._read("/configurations/launchconfig"))

    def put_launch_config(self, config: Mapping[str, Any], *, new: bool) -> None:
        """Create or change a launch configuration of nodes."""
        self._put("launchconfig", config["name"], {"launchconfig": config}, new=new)

    def delete_launch_config(self, name: str) -> None:
        """Delete a launch configuration. Raises NotFound, and InUse without a request while a group uses it."""
        self._check_unused("launchConfig", name)
        path = f"/configurations/launchconfig/{_quoted(name)}"
        self._if_listed(name, self.launch_configs, lambda: self._write("DELETE", path))

    def groups(self) -> list[dict[str, Any]]:
        """All node groups."""
        return _list(self._read("/nodegroup"))

    def create_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Create a node group, without nodes. Returns it as the server created it, with the name it was given."""
        return _unwrapped(self._write("POST", "/nodegroup", group), "group")

    def delete_group(self, name: str) -> None:
        """Delete a node group; its nodes are terminated in the background. Raises NotFound."""
        self._if_listed(name, self._group_names, lambda: self._write("DELETE", f"/nodegroup/{_quoted(name)}"))

    def launch_origin(self, group: str) -> None:
        """Launch an origin: this is what initializes a group. Not idempotent: each call is one more origin."""
        path = f"/nodegroup/{_quoted(group)}/node/origin"
        self._if_listed(group, self._group_names, lambda: self._write("POST", path))

    def nodes(self, group: str) -> list[dict[str, Any]]:
        """The nodes of a group. Raises NotFound."""
        path = f"/nodegroup/{_quoted(group)}/node"
        return _list(self._if_listed(group, self._group_names, lambda: self._read(path)))

    def _group_names(self) -> list[str]:
        return [str(each.get("name")) for each in self.groups()]

    def _if_listed(self, name: str, listed: Callable[[], Collection[str]], call: Callable[[], T]) -> T:
        """What ``call`` returns. What it raises for a refusal is NotFound if ``listed`` lacks ``name``."""
        try:
            return call()
        except (NotFound, Invalid, Denied) as error:
            if name not in listed():
                raise NotFound(error.message, action=error.action) from None
            if isinstance(error, NotFound):
                message = f"{error.message}; and yet it is listed"
                raise Unreachable(message, hint=_HINT_AGAIN, action=error.action) from None
            raise

    def _check_unused(self, member: str, name: str) -> None:
        """Raise InUse if a group has ``name`` as its ``member``; what a server does then is not documented."""
        users = sorted(str(group.get("name")) for group in self.groups() if group.get(member) == name)
        if users:
            raise InUse(f"{name} is in use by the node group{'s' * (len(users) > 1)} {', '.join(users)}")

    def _put(self, what: str, name: str, body: Mapping[str, Any], *, new: bool) -> None:
        if new:
            self._write("POST", f"/configurations/{what}", body)
        else:
            self._write("PUT", f"/configurations/{what}/{_quoted(name)}", body)

    def _read(self, path: str, *, text: bool = False) -> Any:
        """GET, with retries while the server cannot be reached."""

        def once() -> Any:
            return self._decode("GET", path, self._send("GET", path), text=text)

        return self._retry_policy.call(f"red5:GET {path}", once, attempts=self._attempts)

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        def once() -> Any:
            self._before_write()
            return self._decode(method, path, self._send(method, path, body))

        return self._retry_policy.call(f"red5:{method} {path}", once, attempts=self._attempts)

    def _attempts(self, error: DriverError) -> int:
        """A server that responds with nonsense is not one that is about to come up."""
        return PATIENT_ATTEMPTS if self.patient and error.code != _BROKEN else ATTEMPTS

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        if self._secret_hosts is not None:  # before the secret is fetched
            self._http.check_secrets_allowed(self._secret_hosts)
        token = self._token()
        KNOWN.remember(token)
        return self._http.send(
            method, f"{self._base}{path}", query={"accessToken": token}, json=body, once=method != "GET"
        )

    def _decode(self, method: str, path: str, response: Response, *, text: bool = False) -> Any:
        if response.status in (200, 201, 202, 204):
            return response.text if text else self._json(method, path, response)
        raise self._error(method, path, response)

    def _json(self, method: str, path: str, response: Response) -> Any:
        try:
            return response.json() if response.text.strip() else {}
        except ValueError:
            message = f"{method} {path}: {self._http.host} sent a response that is not JSON"
            raise (Unreachable if method == "GET" else LostAnswer)(message, code=_BROKEN) from None

    def _error(self, method: str, path: str, response: Response) -> DriverError:
        """The error for a response, by its status; NotFound and Invalid are confirmed by a list, where there is one."""
        message = f"{method} {path} at {self._http.host}: {_message(response)} (HTTP {response.status})"
        words = _message(response).lower()
        action = f"red5:{method} {path}"
        if response.status == 429:
            return Throttled(
                message, hint="wait a minute, then run the same command again: a proxy limits requests", action=action
            )
        if response.status == 503 and not _is_envelope(response):
            return Unreachable(
                f"{message}; its load balancer has no healthy target", hint=_HINT_UNREACHABLE, action=action
            )
        if response.status in (502, 504):  # of a load balancer, which may have forwarded the request
            return self._unconfirmed(method, message, action)
        if response.status in (401, 403) or (response.status < 500 and any(word in words for word in _TOKEN_WORDS)):
            return Denied(message, hint=_HINT_TOKEN, action=action)
        if response.status == 404 and not _is_envelope(response):
            return Unreachable(f"{message}; the streammanager web app is not deployed there", action=action)
        if response.status == 404:
            return NotFound(message, action=action)
        if response.status >= 500:
            return self._unconfirmed(method, message, action, _BROKEN)
        return Invalid(message, action=action)

    def _unconfirmed(self, method: str, message: str, action: str, code: str = "") -> DriverError:
        """The error for a response that leaves open whether the request was processed."""
        if method == "GET":
            return Unreachable(message, hint=_HINT_UNREACHABLE, action=action, code=code)
        return LostAnswer(
            message, hint="run the same command again: it first checks whether the request was processed", action=action
        )


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _is_envelope(response: Response) -> bool:
    try:
        return "errorMessage" in response.json()
    except (ValueError, TypeError):
        return False


def _message(response: Response) -> str:
    """The message of the error envelope; other bodies, such as HTML, are not shown."""
    try:
        return str(response.json()["errorMessage"])[:_MESSAGE]
    except (ValueError, TypeError, KeyError):
        return "a response without an error message"


def _unwrapped(data: Any, key: str) -> dict[str, Any]:
    """The object in ``data``, which some servers wrap and others do not. Raises Unreachable for anything else."""
    inner = data.get(key, data) if isinstance(data, dict) else data
    if not isinstance(inner, dict):
        raise Unreachable("Stream Manager sent a response that its API does not define")
    return inner


def _list(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise Unreachable("Stream Manager sent a response that its API does not define")
    return data


def _names(data: Any) -> list[str]:
    if not isinstance(data, list):
        raise Unreachable("Stream Manager sent a response that its API does not define")
    return [str(item) for item in data]
