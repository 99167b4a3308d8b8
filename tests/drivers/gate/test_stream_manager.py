"""The gate on the Stream Manager's API: what opens it, what is waited out, what is an error, and probable causes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from smplan.drivers.base import Progress
from smplan.drivers.context import Context
from smplan.drivers.gate._common import PASSED
from smplan.drivers.gate.stream_manager import StreamManagerGate, StreamManagerSpec
from smplan.drivers.red5.client import StreamManager
from smplan.errors import Denied, Invalid, SmplanError, Unreachable
from tests.drivers.conformance import no_wait_retries
from tests.drivers.red5.server import Server, serving

TOKEN = "canary-s3cret"
ADMIN = "/streammanager/api/4.0/admin"
CLOUD = f"GET {ADMIN}/debug/cloudcontroller"
SPEC = StreamManagerSpec()
AWS = (200, "Amazon Web Services")
DENIED = (400, json.dumps({"errorMessage": f"bad accessToken={TOKEN}"}))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        found.answers[f"GET {ADMIN}/nodegroup"] = (200, "[]")
        yield found


def gate(url: str, seconds: float = 30.0) -> StreamManagerGate:
    """Whose clock shows ``seconds`` more each time it is read."""
    ticks = count(step=seconds)
    api = StreamManager(url, token=lambda: TOKEN, retry_policy=no_wait_retries())
    nothing: Any = SimpleNamespace()
    return StreamManagerGate(Context(nothing, lambda: api, clock=lambda: float(next(ticks))))


def test_it_opens_when_the_controller_has_responded_for_a_while(server: Server) -> None:
    server.answers[CLOUD] = [(503, ""), (404, "<html>"), AWS, (0, ""), AWS, AWS]
    seen = list(gate(server.url).wait_ready(PASSED, SPEC))
    assert {each.waiting_for for each in seen} == {f"{ADMIN} of 127.0.0.1:{server.port} to respond"}
    said = [each.status for each in seen]
    assert "HTTP 503" in said[0]
    assert "not deployed" in said[1]
    assert said[2].startswith("for ")
    assert "got no response" in said[3]
    assert len(said) == 5
    assert all("accessToken" in asked[1] for asked in server.asked)
    assert TOKEN not in str(seen)


def test_a_page_on_the_root_opens_nothing(server: Server) -> None:
    server.answers["GET /"] = (200, "<html>Red5 Pro</html>")
    polls = gate(server.url).wait_ready(PASSED, SPEC)
    assert ["not deployed" in next(polls).status for _ in range(9)] == [True] * 9


def test_a_controller_without_a_database_does_not_open_it(server: Server) -> None:
    server.answers[CLOUD] = AWS
    server.answers[f"GET {ADMIN}/nodegroup"] = (500, "")
    assert "HTTP 500" in next(gate(server.url).wait_ready(PASSED, SPEC)).status


@pytest.mark.parametrize(
    ("answer", "kind", "hint"),
    [((200, "Dummy"), Invalid, "apiBridge"), (DENIED, Denied, "rest.administratorToken"), ((401, ""), Denied, "token")],
)
def test_another_controller_or_a_refused_token_is_an_error_if_it_lasts(
    server: Server, answer: tuple[int, str], kind: type[SmplanError], hint: str
) -> None:
    server.answers[CLOUD] = [answer, AWS, answer, (503, ""), answer]
    seen: list[Progress] = []
    with pytest.raises(kind) as caught:
        seen.extend(gate(server.url, 20.0).wait_ready(PASSED, SPEC))
    assert len(seen) > 5
    assert hint in caught.value.hint
    assert TOKEN not in f"{seen}{caught.value}"


def test_while_there_is_no_stream_manager_it_waits() -> None:
    def none() -> Any:
        raise Unreachable("there is no Stream Manager yet")

    nothing: Any = SimpleNamespace()
    waiting = StreamManagerGate(Context(nothing, none))
    seen = next(waiting.wait_ready(PASSED, SPEC))
    assert (seen.waiting_for, seen.status) == ("a Stream Manager", "there is no Stream Manager yet")
    assert waiting.diagnose_timeout(SPEC) == ""
    assert waiting.timeout(StreamManagerSpec(timeout=7)) == 7


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((503, ""), "no healthy target"),
        ((404, "<html>"), "does not start"),
        ((0, ""), "3306"),
        ((500, ""), "red5pro.log"),
        ((502, ""), "red5pro.log"),
        (AWS, "It responds now"),
    ],
)
def test_a_timeout_has_a_probable_cause(server: Server, answer: tuple[int, str], cause: str) -> None:
    server.answers[CLOUD] = answer
    assert cause in gate(server.url).diagnose_timeout(SPEC)


def test_a_closed_port_has_a_probable_cause() -> None:
    assert "no listener on that port, a security group" in gate("http://127.0.0.1:1").diagnose_timeout(SPEC)
