"""``gate.stream_manager``: a wait until the Stream Manager's API responds, with its cloud controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Protocol, cast

from pydantic import Field

from smplan.core.spec import Spec
from smplan.drivers.base import Progress
from smplan.drivers.gate._common import Gate
from smplan.drivers.gate._streak import Streak
from smplan.errors import Denied, DriverError, Invalid, LostAnswer, NotFound, Throttled, Unreachable

GOOD_SECONDS = 5.0
"""How long the API must respond: requests go to any of the Stream Managers behind the load balancer."""
WRONG_SECONDS = 60.0
"""How long another controller or a refused token is waited out: instances of an older image may still be draining."""
_WAIT = (NotFound, Throttled, Unreachable, LostAnswer)


class _Api(Protocol):
    """What the gate calls of the client of the Stream Manager API."""

    place: str

    def cloud(self) -> str: ...
    def groups(self) -> Any: ...


class StreamManagerSpec(Spec):
    """Which cloud controller the Stream Manager must have."""

    cloud: Annotated[str, Field(description="What `/admin/debug/cloudcontroller` must respond with.", min_length=1)] = (
        "Amazon Web Services"
    )
    timeout: Annotated[
        int, Field(description="Seconds to wait; the vendor's module asks 20 times, every 5 s.", ge=1)
    ] = 600


class StreamManagerGate(Gate[StreamManagerSpec]):
    """Asks the API of ``stream_manager`` for its cloud controller and its node groups, which are in its database."""

    kind = "gate.stream_manager"
    summary = "Waits until the Stream Manager's API responds with its cloud controller; a page on `/` proves neither."
    spec = StreamManagerSpec
    via_stream_manager = True

    def wait_ready(self, id: str, spec: StreamManagerSpec) -> Iterator[Progress]:
        """One request for the controller per poll. Raises Denied and Invalid for what no waiting changes."""
        good, wrong = Streak(self.context.clock), Streak(self.context.clock)
        while True:
            place, problem = "", ""
            try:
                api = cast("_Api", self.context.stream_manager())
                place = f"{api.place} to respond"
                _check(api, spec)
            except (Denied, Invalid) as error:
                good.end()
                if wrong.extend(lambda: WRONG_SECONDS):
                    raise
                problem = error.message
            except _WAIT as error:
                good.end()
                wrong.end()
                problem = error.message
            else:
                wrong.end()
                if good.extend(lambda: GOOD_SECONDS):
                    return
            yield Progress(place or "a Stream Manager", problem or good.status)

    def diagnose_timeout(self, spec: StreamManagerSpec) -> str:
        """The probable cause, by what is responded now."""
        try:
            _check(cast("_Api", self.context.stream_manager()), spec)
        except DriverError as error:
            cause = next((cause for applies, cause in _CAUSES if applies(error)), "")
            return f"Probable cause: {cause}." if cause else ""
        return "It responds now: run `smplan apply` again."

    def timeout(self, spec: StreamManagerSpec) -> float:
        """The ``timeout`` of the spec."""
        return spec.timeout


def _check(api: _Api, spec: StreamManagerSpec) -> None:
    """Raise the error that says why the Stream Manager cannot be used yet."""
    found = api.cloud()
    if spec.cloud not in found:
        message = f"the cloud controller at {api.place} is `{found[:100]}`, not `{spec.cloud}`"
        hint = (
            "in WEB-INF/applicationContext.xml of the image, enable the bean `apiBridge` of AWS and disable the dummy "
            "controller; its jar belongs in WEB-INF/lib"
        )
        raise Invalid(message, hint=hint)
    api.groups()


def _says(words: str) -> Callable[[DriverError], bool]:
    return lambda error: words in error.message


_CAUSES: tuple[tuple[Callable[[DriverError], bool], str], ...] = (
    (
        _says("no healthy target"),
        "the load balancer has no healthy target; `gate.targets_healthy` before this gate says why",
    ),
    (
        _says("not deployed"),
        "the server runs, and its web app `streammanager` does not start: check the image, its licence and the log",
    ),
    (
        _says("cannot be reached"),
        "no listener on that port, a security group that does not admit this machine, or a name that does not resolve",
    ),
    (
        _says("got no response"),
        "the connection was accepted and nothing came back: the instance may not reach its database on port 3306",
    ),
    (_says("HTTP 5"), "the web app fails: check red5pro.log on an instance, and its database on port 3306"),
)
