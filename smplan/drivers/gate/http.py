"""``gate.http``: a wait for an expected HTTP response of a URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from smplan.core.spec import Spec
from smplan.drivers import references
from smplan.drivers.base import Progress
from smplan.drivers.gate._common import Gate
from smplan.drivers.http import HttpClient
from smplan.errors import LostAnswer, Unreachable


class HttpSpec(Spec):
    """A URL, and the response it must send."""

    url: Annotated[str, Field(description="The URL to GET; TLS is verified, redirects are not followed.")]
    expect_status: Annotated[int, Field(description="The status that opens the gate.", ge=100, le=599)] = 200
    contains: Annotated[str | None, Field(description="Text that the body must contain.")] = None
    connect_to: Annotated[
        str | None,
        references.HOST,
        Field(description="A host to connect to in place of the URL's, such as the load balancer's."),
    ] = None
    timeout: Annotated[int, Field(description="Seconds to wait.", ge=1)] = 600


class HttpGate(Gate[HttpSpec]):
    """Waits for the expected HTTP response of a URL."""

    kind = "gate.http"
    summary = "Waits until a URL sends the expected HTTP response."
    spec = HttpSpec

    def wait_ready(self, id: str, spec: HttpSpec) -> Iterator[Progress]:
        """One GET per poll; a server that cannot be reached yet is polled again."""
        client = self.context.http(spec.url, connect_to=spec.connect_to)
        while True:
            problem = _problem(client, spec)
            if not problem:
                return
            yield Progress(f"{spec.url} to answer {spec.expect_status}", problem)

    def timeout(self, spec: HttpSpec) -> float:
        """The ``timeout`` of the spec."""
        return spec.timeout


def _problem(client: HttpClient, spec: HttpSpec) -> str:
    """How the response differs from the expected one; empty if it does not."""
    try:
        response = client.send("GET", client.path or "/")
    except (Unreachable, LostAnswer) as error:
        return error.message
    if response.status != spec.expect_status:
        return f"HTTP {response.status}"
    if spec.contains is not None and spec.contains not in response.text:
        return f"HTTP {response.status}, without `{spec.contains}` in the body"
    return ""
