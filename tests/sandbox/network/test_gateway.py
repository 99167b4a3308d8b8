from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, RemoteDisconnected
from pathlib import Path

import pytest

from smplan.drivers.red5.client import StreamManager
from smplan.errors import DriverError, NotFound, Unreachable
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.sandbox.interface import Route, Target
from smplan.sandbox.network.gateway import LARGEST_BODY, Gateway
from tests.sandbox.stream_manager.world import FakeWorld, config, group_body, instance, policy

NAME = "sm.example.com"
ROUTE = Route(
    load_balancer_arn="arn:lb",
    dns_name="lb.elb.amazonaws.com",
    problem="",
    listener_protocol="HTTP",
    certificate_domains=(),
    healthy=(Target(instance_id="i-1", port=5080), Target(instance_id="i-2", port=5080)),
    unhealthy=(),
)
SECURE = replace(ROUTE, listener_protocol="HTTPS", certificate_domains=("*.example.com", "example.com"))


@pytest.fixture
def world() -> FakeWorld:
    """Two Stream Managers behind listeners on 5080 and 443."""
    made = FakeWorld(Clock(0.0))
    made.add(instance("i-1"), instance("i-2"))
    made.routes = {(NAME, 5080): ROUTE, (NAME, 443): SECURE}
    return made


@pytest.fixture
def gateway(world: FakeWorld) -> Iterator[Gateway]:
    """It runs."""
    made = Gateway(world, world.clock).start()
    yield made
    made.stop()


def way(gateway: Gateway, port: int) -> tuple[str, int]:
    """Where connections for a port are to go."""
    ways = [each.split(":") for each in gateway.env()["SMPLAN_CONNECT_TO"].split(",")]
    (found,) = [(host, int(to)) for name, of, host, to in ways if (name, of) == ("", str(port))]
    return found


def plain(gateway: Gateway, host: str, path: str = "/", **headers: str) -> tuple[int, bytes]:
    """Status and body of a GET without TLS."""
    connection = HTTPConnection(*way(gateway, 5080), timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host, **headers})
        answer: HTTPResponse = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def client(gateway: Gateway, url: str) -> StreamManager:
    """smplan's own client, led to the gateway."""
    env = gateway.env()
    return StreamManager(
        url, token=lambda: ADMIN_TOKEN, connect_map=env["SMPLAN_CONNECT_TO"], ca_file=env["SMPLAN_CA_FILE"]
    )


@pytest.mark.parametrize("url", [f"http://{NAME}:5080", f"https://{NAME}"])
def test_stream_managers_are_reached_by_the_real_name(gateway: Gateway, url: str) -> None:
    api = client(gateway, url)
    assert api.cloud() == "Amazon Web Services"
    api.put_scale_policy(policy(origin=(1, 1))["policy"], new=True)
    api.put_scale_policy(policy(origin=(1, 2))["policy"], new=False)
    api.put_launch_config(config()["launchconfig"], new=True)
    assert api.create_group(group_body())["name"] == "group"
    api.launch_origin("group")
    assert [each["state"] for each in api.nodes("group")] == ["pending"]
    with pytest.raises(NotFound):
        api.nodes("other")


def test_port_80_is_a_listener_of_its_own(gateway: Gateway, world: FakeWorld) -> None:
    assert way(gateway, 80) == way(gateway, 5080)
    with pytest.raises(RemoteDisconnected):
        plain(gateway, NAME)
    world.routes[NAME, 80] = ROUTE
    assert plain(gateway, NAME)[0] == 200


def test_requests_go_to_the_healthy_targets_in_turn(gateway: Gateway, world: FakeWorld) -> None:
    world.add(instance("i-2", state="stopped"))
    assert sorted(plain(gateway, f"{NAME}:5080")[0] for _ in range(4)) == [200, 200, 502, 502]


@pytest.mark.parametrize("problem", ["no target group", "no healthy target"])
def test_503_where_nobody_is_healthy(gateway: Gateway, world: FakeWorld, problem: str) -> None:
    world.routes[NAME, 5080] = replace(ROUTE, healthy=(), problem=problem)
    assert plain(gateway, f"{NAME}:5080")[0] == 503
    with pytest.raises(Unreachable):
        client(gateway, f"http://{NAME}:5080").cloud()


@pytest.mark.parametrize("problem", ["not active", "no listener"])
def test_nobody_listens(gateway: Gateway, world: FakeWorld, problem: str) -> None:
    world.routes = {key: replace(route, problem=problem) for key, route in world.routes.items()}
    with pytest.raises(RemoteDisconnected):
        plain(gateway, f"{NAME}:5080")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        secure(gateway, NAME)


def test_a_connection_that_no_security_group_admits_times_out(gateway: Gateway, world: FakeWorld) -> None:
    world.routes = {key: replace(route, problem="not admitted") for key, route in world.routes.items()}
    with socket.create_connection(way(gateway, 5080), timeout=0.5) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}:5080\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            connection.recv(1)
    context = ssl.create_default_context(cafile=gateway.env()["SMPLAN_CA_FILE"])
    with socket.create_connection(way(gateway, 443), timeout=0.5) as connection, pytest.raises(TimeoutError):
        context.wrap_socket(connection, server_hostname=NAME)


def test_a_target_that_no_security_group_opens_to_the_load_balancer_gives_504(
    gateway: Gateway, world: FakeWorld
) -> None:
    world.closed = {"i-2"}
    assert sorted(plain(gateway, f"{NAME}:5080")[0] for _ in range(4)) == [200, 200, 504, 504]


def test_unknown_hosts_are_not_found(gateway: Gateway) -> None:
    assert plain(gateway, "nobody.example.com:5080")[0] == 404


def test_an_https_listener_takes_no_plain_requests(gateway: Gateway, world: FakeWorld) -> None:
    world.routes[NAME, 5080] = replace(SECURE)
    assert plain(gateway, f"{NAME}:5080")[0] == 400


def test_a_plain_listener_on_443_speaks_no_tls(gateway: Gateway, world: FakeWorld) -> None:
    world.routes[NAME, 443] = ROUTE
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        secure(gateway, NAME)


def secure(gateway: Gateway, name: str, *, trusting: bool = True) -> tuple[int, bytes]:
    """Status and body of a GET over TLS to the name; the certificate is verified if ``trusting``."""
    context = ssl.create_default_context(cafile=gateway.env()["SMPLAN_CA_FILE"])
    if not trusting:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(way(gateway, 443), timeout=5) as outer,
        context.wrap_socket(outer, server_hostname=name) as inner,
    ):
        connection = HTTPSConnection(name)
        connection.sock = inner
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_certificate_is_the_listeners(gateway: Gateway, world: FakeWorld) -> None:
    assert secure(gateway, NAME)[0] == 200
    world.routes["sm.other.org", 443] = SECURE
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        secure(gateway, "sm.other.org")
    assert secure(gateway, "sm.other.org", trusting=False)[0] == 200


def test_a_wildcard_covers_one_label(gateway: Gateway, world: FakeWorld) -> None:
    world.routes |= {("a.sm.example.com", 443): SECURE, ("example.com", 443): SECURE}
    assert secure(gateway, "example.com")[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        secure(gateway, "a.sm.example.com")


@pytest.mark.parametrize("name", ["nobody.example.com", "127.0.0.1"])
def test_for_unknown_names_there_is_no_certificate(gateway: Gateway, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(gateway, name)
    assert secure(gateway, name, trusting=False)[0] == 404


def test_a_client_that_says_nothing_keeps_nobody_waiting(gateway: Gateway) -> None:
    with socket.create_connection(way(gateway, 443)), socket.create_connection(way(gateway, 5080)):
        assert secure(gateway, NAME)[0] == 200
        assert plain(gateway, f"{NAME}:5080")[0] == 200


def test_what_is_not_http_is_refused(gateway: Gateway) -> None:
    with socket.create_connection(way(gateway, 5080), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        assert b"400" in connection.recv(1000)


@pytest.mark.parametrize("length", [str(LARGEST_BODY + 1), "many", "-1"])
def test_bodies_have_a_limit(gateway: Gateway, length: str) -> None:
    assert plain(gateway, f"{NAME}:5080", **{"Content-Length": length})[0] == 413


def test_nothing_is_printed(gateway: Gateway, capfd: pytest.CaptureFixture[str]) -> None:
    plain(gateway, f"{NAME}:5080", "/?accessToken=secret")
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(gateway, "nobody.example.com")
    with socket.create_connection(way(gateway, 443)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.recv(1000)
    assert capfd.readouterr() == ("", "")


def test_health_is_what_the_instance_answers_now(gateway: Gateway, world: FakeWorld) -> None:
    assert gateway.health("i-1", 5080, "/")
    assert not gateway.health("i-1", 5080, "/nothing?x=1")
    assert not gateway.health("i-1", 80, "/")
    world.machines["i-1"] = instance("i-1", state="stopped")
    assert not gateway.health("i-1", 5080, "/")


def test_a_tick_moves_nodes(gateway: Gateway, world: FakeWorld) -> None:
    api = client(gateway, f"http://{NAME}:5080")
    api.put_scale_policy(policy(origin=(1, 1))["policy"], new=True)
    api.put_launch_config(config()["launchconfig"], new=True)
    api.create_group(group_body())
    api.launch_origin("group")
    world.clock.advance(100)
    gateway.tick()
    assert [each.state for each in gateway.stream_managers.store.nodes.values()] == ["inservice"]


def test_a_stopped_gateway_leaves_nothing(world: FakeWorld) -> None:
    gateway = Gateway(world, world.clock)
    with pytest.raises(RuntimeError, match="does not run"):
        gateway.env()
    gateway.stop()
    env = gateway.start().env()
    address = way(gateway, 5080)
    gateway.stop()
    gateway.stop()
    assert not Path(env["SMPLAN_CA_FILE"]).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    with pytest.raises(RuntimeError, match="does not run"):
        gateway.env()


def test_the_error_of_a_stream_manager_reaches_the_client(gateway: Gateway) -> None:
    connection = HTTPConnection(*way(gateway, 5080), timeout=5)
    connection.request("GET", "/streammanager/api/4.0/admin/nodegroup", headers={"Host": f"{NAME}:5080"})
    answer = connection.getresponse()
    assert (answer.status, set(json.loads(answer.read()))) == (400, {"errorMessage", "timestamp"})
    connection.close()
    env = gateway.env()["SMPLAN_CONNECT_TO"]
    with pytest.raises(DriverError, match="token"):
        StreamManager(f"http://{NAME}:5080", token=lambda: "wrong", connect_map=env).groups()
