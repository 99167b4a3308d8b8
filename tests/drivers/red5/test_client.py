"""The Stream Manager client: requests, and errors for responses."""

from __future__ import annotations

import json
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from smplan.core.events import Retried
from smplan.drivers.destinations import SecretHosts
from smplan.drivers.red5 import client
from smplan.drivers.red5.client import StreamManager
from smplan.drivers.retry import RetryPolicy
from smplan.errors import (
    Denied,
    GuardRefused,
    InUse,
    Invalid,
    Locked,
    LostAnswer,
    NotFound,
    SmplanError,
    Unreachable,
)
from tests.drivers.conformance import no_wait_retries
from tests.drivers.red5.server import Server, serving

TOKEN = "canary-s3cret"
ADMIN = "/streammanager/api/4.0/admin"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def api(server: Server) -> StreamManager:
    return StreamManager(server.url, token=lambda: TOKEN, retry_policy=no_wait_retries())


def envelope(words: str) -> str:
    return json.dumps({"errorMessage": words, "timestamp": 1})


def test_every_call_carries_the_token_and_names_its_version(server: Server) -> None:
    server.answers["GET /base/streammanager/api/3.1/admin/nodegroup"] = (200, "[]")
    assert StreamManager(f"{server.url}/base/", token=lambda: TOKEN, api_version="3.1").groups() == []
    assert server.asked[0][1].endswith(f"?accessToken={TOKEN}")


def test_the_cloud_is_read_as_text(server: Server, api: StreamManager) -> None:
    server.answers[f"GET {ADMIN}/debug/cloudcontroller"] = [(200, "Amazon Web Services\n"), (503, "")]
    assert api.cloud() == "Amazon Web Services"
    with pytest.raises(Unreachable):
        api.cloud()
    assert len(server.asked) == 2, "its caller polls"


def test_objects_are_taken_wrapped_and_bare(server: Server, api: StreamManager) -> None:
    path = f"GET {ADMIN}/configurations/launchconfig/a%20b"
    server.answers[path] = [(200, '{"launchconfig": {"name": "a b"}}'), (200, '{"name": "a b"}')]
    assert api.launch_config("a b") == api.launch_config("a b") == {"name": "a b"}


def test_writes_go_where_they_should(server: Server, api: StreamManager) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "POST /configurations/scalepolicy": lambda: api.put_scale_policy({"name": "p"}, new=True),
        "PUT /configurations/scalepolicy/p": lambda: api.put_scale_policy({"name": "p"}, new=False),
        "DELETE /configurations/scalepolicy/p": lambda: api.delete_scale_policy("p"),
        "POST /configurations/launchconfig": lambda: api.put_launch_config({"name": "c"}, new=True),
        "PUT /configurations/launchconfig/c": lambda: api.put_launch_config({"name": "c"}, new=False),
        "DELETE /configurations/launchconfig/c": lambda: api.delete_launch_config("c"),
        "POST /nodegroup": lambda: api.create_group({"name": "g"}),
        "DELETE /nodegroup/g": lambda: api.delete_group("g"),
        "POST /nodegroup/g/node/origin": lambda: api.launch_origin("g"),
    }
    server.answers[f"GET {ADMIN}/nodegroup"] = (200, "[]")
    for key, call in calls.items():
        method, path = key.split(" ")
        server.answers[f"{method} {ADMIN}{path}"] = (201, "{}")
        call()
    writes = [each for each in server.asked if each[0] != "GET"]
    assert json.loads(writes[0][3]) == {"policy": {"name": "p"}}
    assert len(writes) == len(calls)


LISTS = {"scale_policy": "configurations/scalepolicy", "launch_config": "configurations/launchconfig"}


@pytest.mark.parametrize(("what", "path"), LISTS.items())
@pytest.mark.parametrize("status", [400, 404])
def test_whether_something_exists_is_decided_by_its_list(
    server: Server, api: StreamManager, what: str, path: str, status: int
) -> None:
    refusal = (status, envelope("Ungültige Anfrage"))
    server.answers[f"GET {ADMIN}/nodegroup"] = (200, "[]")
    server.answers |= {f"{method} {ADMIN}/{path}/p": refusal for method in ("GET", "DELETE")}
    server.answers[f"GET {ADMIN}/{path}"] = (200, "[]")
    for call in (getattr(api, what), getattr(api, f"delete_{what}")):
        with pytest.raises(NotFound, match="Ungültige Anfrage"):
            call("p")
    server.answers[f"GET {ADMIN}/{path}"] = (200, '["p"]')
    for call in (getattr(api, what), getattr(api, f"delete_{what}")):
        with pytest.raises(Invalid if status == 400 else Unreachable, match="Ungültige Anfrage"):
            call("p")


@pytest.mark.parametrize("status", [400, 404])
def test_whether_a_group_exists_is_decided_by_the_list_of_groups(
    server: Server, api: StreamManager, status: int
) -> None:
    server.answers[f"GET {ADMIN}/nodegroup"] = (200, '[{"name": "other"}]')
    for request in ("GET", "POST"):
        server.answers[f"{request} {ADMIN}/nodegroup/g/node{'/origin' * (request == 'POST')}"] = (status, envelope("x"))
    server.answers[f"DELETE {ADMIN}/nodegroup/g"] = (status, envelope("x"))
    for call in (api.nodes, api.launch_origin, api.delete_group):
        with pytest.raises(NotFound):
            call("g")


@pytest.mark.parametrize(("what", "member"), [("scale_policy", "scalePolicy"), ("launch_config", "launchConfig")])
def test_what_a_group_uses_is_not_even_asked_to_go(server: Server, api: StreamManager, what: str, member: str) -> None:
    server.answers[f"GET {ADMIN}/nodegroup"] = (
        200,
        json.dumps([{"name": "g", member: "p"}, {"name": "h", member: "p"}]),
    )
    with pytest.raises(InUse, match="p is in use by the node groups g, h"):
        getattr(api, f"delete_{what}")("p")
    assert {method for method, *_ in server.asked} == {"GET"}


def test_a_word_of_the_token_in_a_name_does_not_hide_that_it_is_gone(server: Server, api: StreamManager) -> None:
    server.answers[f"GET {ADMIN}/configurations/scalepolicy/token"] = (400, envelope("no policy token"))
    server.answers[f"GET {ADMIN}/configurations/scalepolicy"] = (200, "[]")
    with pytest.raises(NotFound):
        api.scale_policy("token")


def test_in_a_run_a_server_that_comes_up_is_waited_for(server: Server, api: StreamManager) -> None:
    waited: list[float] = []
    policy = RetryPolicy(pause=waited.append, draw=lambda: 0.0)
    api = StreamManager(server.url, token=lambda: TOKEN, retry_policy=policy)
    api.patient = True
    with pytest.raises(Unreachable, match="not deployed"):
        api.groups()
    assert sum(waited) >= 100, "20 times 5 s, as the vendor's module waits"
    server.answers[f"POST {ADMIN}/nodegroup"] = [*[(503, "")] * 19, (404, "<html>"), (201, '{"name": "g"}')]
    assert api.create_group({}) == {"name": "g"}


def test_a_server_that_responds_with_nonsense_is_not_waited_for(server: Server, api: StreamManager) -> None:
    api.patient = True
    for answer in ((500, ""), (200, "no JSON")):
        server.asked.clear()
        server.answers[f"GET {ADMIN}/nodegroup"] = answer
        with pytest.raises(Unreachable):
            api.groups()
        assert len(server.asked) == client.ATTEMPTS


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, envelope("Group g does not exist"), Invalid),
        (404, envelope("whatever"), NotFound),
        (404, "<html>Tomcat</html>", Unreachable),
        (400, envelope("Invalid access token"), Denied),
        (401, "", Denied),
        (403, "[]", Denied),
        (400, envelope("policy is in use by group g"), Invalid),
        (400, envelope("maxLimit is too small"), Invalid),
        (418, "", Invalid),
        (502, "", Unreachable),
        (503, "", Unreachable),
        (504, "", Unreachable),
        (500, "", Unreachable),
        (200, "this is no JSON", Unreachable),
        (200, "[1]", Unreachable),
        (200, '{"x": 1}', Unreachable),
        (0, "", Unreachable),
    ],
)
def test_responses_to_reads_become_errors(
    server: Server, api: StreamManager, status: int, body: str, kind: type[SmplanError]
) -> None:
    server.answers[f"GET {ADMIN}/nodegroup"] = (status, body)
    with pytest.raises(kind) as caught:
        api.groups()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("status", "body"), [(500, ""), (502, ""), (503, envelope("restarting")), (504, ""), (200, "no JSON"), (0, "")]
)
def test_a_write_that_may_have_been_processed_is_sent_once_and_lost(
    server: Server, api: StreamManager, status: int, body: str
) -> None:
    server.answers[f"POST {ADMIN}/nodegroup/g/node/origin"] = (status, body)
    with pytest.raises(LostAnswer) as caught:
        api.launch_origin("g")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "away", [(429, envelope("slowly")), (404, "<html>Tomcat starts</html>"), (503, "<html>ALB</html>")]
)
def test_a_write_that_certainly_did_nothing_is_retried(
    server: Server, api: StreamManager, away: tuple[int, str]
) -> None:
    server.answers[f"POST {ADMIN}/nodegroup/g/node/origin"] = [away, (201, "{}")]
    api.launch_origin("g")
    assert len(server.asked) == 2


def test_reads_wait_while_they_are_throttled(server: Server, api: StreamManager) -> None:
    server.answers[f"GET {ADMIN}/nodegroup"] = [*[(429, "")] * (client.ATTEMPTS + 1), (200, "[]")]
    assert api.groups() == []
    assert len(server.asked) == client.ATTEMPTS + 2


def test_reads_are_retried_while_the_server_is_unreachable(server: Server, api: StreamManager) -> None:
    server.answers[f"GET {ADMIN}/configurations/scalepolicy"] = [(503, ""), (502, ""), (200, '["p"]')]
    assert api.scale_policies() == ["p"]
    assert len(server.asked) == 3


def test_undefined_responses_are_unreachable(server: Server, api: StreamManager) -> None:
    server.answers[f"GET {ADMIN}/configurations/launchconfig"] = (200, "{}")
    server.answers[f"GET {ADMIN}/nodegroup/g/node"] = (200, "{}")
    server.answers[f"GET {ADMIN}/configurations/scalepolicy/p"] = (200, "[]")
    for call in (api.launch_configs, lambda: api.nodes("g"), lambda: api.scale_policy("p")):
        with pytest.raises(Unreachable, match="its API does not define"):
            call()


def test_no_token_in_repr_or_logs(server: Server, api: StreamManager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Unreachable):
        api.groups()
    assert repr(api) == "StreamManager(127.0.0.1)"
    assert TOKEN not in caplog.text


def test_every_retried_read_is_reported_without_the_token(server: Server, caplog: Any) -> None:
    told: list[Retried] = []
    policy = no_wait_retries()
    policy.on_retry = told.append
    api = StreamManager(server.url, token=lambda: TOKEN, retry_policy=policy)
    caplog.set_level(logging.DEBUG)
    server.answers[f"GET {ADMIN}/nodegroup"] = [(0, ""), (503, f"?accessToken={TOKEN}"), (200, "[]")]
    assert api.groups() == []
    assert [(each.call, each.attempt) for each in told] == [("red5:GET /nodegroup", 2), ("red5:GET /nodegroup", 3)]
    assert "got no response" in told[0].why
    assert TOKEN not in f"{told}{caplog.text}"


def test_a_read_that_never_connects_is_reported_without_the_token() -> None:
    told: list[Retried] = []
    policy = no_wait_retries()
    policy.on_retry = told.append
    with pytest.raises(Unreachable):
        StreamManager("http://127.0.0.1:1", token=lambda: TOKEN, retry_policy=policy).groups()
    assert len(told) == client.ATTEMPTS - 1
    assert TOKEN not in str(told)


def test_nothing_is_written_once_before_write_raises(server: Server) -> None:
    def lost() -> None:
        raise Locked("somebody else holds the lock")

    guarded = StreamManager(server.url, token=lambda: TOKEN, retry_policy=no_wait_retries(), before_write=lost)
    with pytest.raises(Locked):
        guarded.delete_group("g")
    assert server.asked == []
    server.answers[f"GET {ADMIN}/nodegroup"] = (200, "[]")
    assert guarded.groups() == []


def test_a_token_that_the_server_sends_back_is_redacted(server: Server, api: StreamManager) -> None:
    for form in (
        TOKEN,
        quote(TOKEN),
        b64encode(f"a:{TOKEN}".encode()).decode(),
        "".join(f"\\u{ord(c):04x}" for c in TOKEN),
    ):
        server.answers[f"GET {ADMIN}/nodegroup"] = (200, f'[{{"name": "g", "note": "x {form}"}}]')
        server.answers[f"GET {ADMIN}/debug/cloudcontroller"] = (200, f"cloud {form}")
        server.answers[f"POST {ADMIN}/nodegroup"] = (400, f'{{"errorMessage": "bad: {form}"}}')
        assert TOKEN not in json.dumps(api.groups())
        assert "[redacted]" in json.dumps(api.groups())
        if "\\" not in form:
            assert form not in api.cloud()
        with pytest.raises(SmplanError, match=r"\[redacted\]") as caught:
            api.create_group({})
        assert form not in str(caught.value)


def test_nothing_is_sent_and_no_secret_fetched_for_a_host_that_the_operator_did_not_allow(server: Server) -> None:
    def fetch() -> str:
        raise AssertionError

    api = StreamManager(server.url, token=fetch, secret_hosts=SecretHosts(("sm.example.com",)))
    for call in (api.groups, lambda: api.delete_group("g")):
        with pytest.raises(GuardRefused, match="no secret is sent to 127"):
            call()
    assert server.asked == []


@pytest.mark.parametrize("body", ["[" * 100_000, "[NaN]", '{"a":' * 70 + "1" + "}" * 70])
def test_responses_that_nest_too_deep_are_refused(server: Server, api: StreamManager, body: str) -> None:
    server.answers[f"GET {ADMIN}/nodegroup"] = (200, body)
    with pytest.raises(Unreachable, match="not JSON"):
        api.groups()
