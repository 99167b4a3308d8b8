"""``gate.http``: waits until a URL answers as it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from smplan.core.spec import Spec
from smplan.drivers.base import Progress
from smplan.drivers.gate._common import Gate
from smplan.drivers.http import HttpClient
from smplan.errors import LostAnswer, Unreachable


class HttpSpec(Spec):
    """What must answer what."""

    url: Annotated[str, Field(description="What is asked for, by GET; TLS is verified, redirects are not followed.")]
    expect_status: Annotated[int, Field(description="The status that opens the gate.", ge=100, le=599)] = 200
    contains: Annotated[str | None, Field(description="Text that the answer must hold.")] = None
    connect_to: Annotated[
        str | None, Field(description="A host to connect to in place of the URL's, such as the load balancer's.")
    ] = None
    timeout: Annotated[int, Field(description="Seconds to wait.", ge=1)] = 600


class HttpGate(Gate[HttpSpec]):
    """Waits until a URL answers as it should."""

    kind = "gate.http"
    summary = "Waits until a URL answers as it should."
    spec = HttpSpec

    def wait_ready(self, id: str, spec: HttpSpec) -> Iterator[Progress]:
        """A GET each time; nobody there yet is no fault."""
        client = self.context.http(spec.url, connect_to=spec.connect_to)
        while True:
            said = _look(client, spec)
            if not said:
                return
            yield Progress(f"{spec.url} to answer {spec.expect_status}", said)

    def timeout(self, spec: HttpSpec) -> float:
        """As long as the spec allows."""
        return spec.timeout


def _look(client: HttpClient, spec: HttpSpec) -> str:
    """What is still wrong; empty when all is well."""
    try:
        answer = client.send("GET", client.path or "/")
    except (Unreachable, LostAnswer) as error:
        return error.message
    if answer.status != spec.expect_status:
        return f"HTTP {answer.status}"
    if spec.contains is not None and spec.contains not in answer.text:
        return f"HTTP {answer.status}, without `{spec.contains}` in it"
    return ""
