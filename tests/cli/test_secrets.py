"""Secrets that the run knows are in no outlet: output of any format, errors, plans, state, journal, bug reports."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from smplan.cli.settings import config_file, secret_hosts
from smplan.drivers.destinations import SecretHosts
from smplan.errors import SmplanError
from tests.cli.conftest import TOY
from tests.cli.process import ran
from tests.drivers.red5.server import Server, serving

SECRET = 'canary/"s3cret'
FORMS = (
    SECRET,
    quote(SECRET, safe=""),
    json.dumps(SECRET)[1:-1],
    base64.b64encode(SECRET.encode()).decode().rstrip("="),
)
API = "/streammanager/api/4.0/admin/configurations/scalepolicy"
GROUPS = "/streammanager/api/4.0/admin/nodegroup"
LIMITS = {"role": "edge", "minLimit": 1, "maxLimit": 2, "scaleAdjustment": 1}
POLICY = {"name": "p", "targets": {"region": [{"name": "default", "target": [LIMITS]}]}}
BEHIND = """\
smplan: 1
name: toy
stream_manager: {url: "URL", access_token: {secret: "env:RED5_ADMIN_TOKEN"}}
resources:
  policy:
    kind: red5.scale_policy
    lifecycle: {adopt: true}
    spec: {name: p, description: DESCRIPTION, targets: [{role: edge, min_limit: 1, max_limit: 2}]}
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def leaks(folder: Path, *texts: str) -> list[str]:
    """Where a form of the secret is: in ``texts``, or in a file of the folder."""
    files = {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}
    everywhere = files | {f"text {number}": text for number, text in enumerate(texts)}
    return [place for place, text in everywhere.items() if any(form in text for form in FORMS)]


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_a_token_that_a_server_sends_back_is_in_no_outlet(tmp_path: Path, server: Server, status: int) -> None:
    (tmp_path / "toy.yaml").write_text(BEHIND.replace("URL", server.url))
    env = {"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_SECRET_HOSTS": server.url}
    echo = json.dumps(" ".join(FORMS))[1:-1]
    body = {**POLICY, "description": f"d {echo}", "name": "p", echo: echo, "errorMessage": f"no: {echo}"}
    server.headers["Location"] = f"http://elsewhere.test/?accessToken={quote(SECRET)}"
    server.answers[f"GET {API}"] = (200, '["p"]')
    server.answers[f"GET {GROUPS}"] = (200, json.dumps([{"name": f"g {echo}", "scalePolicy": "other", "state": echo}]))
    for key in (f"GET {API}/p", f"PUT {API}/p", f"POST {API}"):
        server.answers[key] = (status, json.dumps(body))
    shown = [
        ran(tmp_path, *command, env=env)
        for command in (
            ("plan", "toy.yaml"),
            ("show", "--format", "json"),
            ("show", "--format", "markdown"),
            ("show", "--format", "html"),
            ("apply", "toy.yaml", "--yes", "--json"),
            ("plan", "toy.yaml"),
            ("drift", "toy.yaml", "--json"),
            ("doctor", "toy.yaml", "--json"),
            ("state", "pull"),
        )
    ]
    assert any(f"{API}/p" in asked[1] and quote(SECRET, safe="") in asked[1] for asked in server.asked)
    assert leaks(tmp_path, *(done.stdout + done.stderr for done in shown)) == []
    assert "[redacted]" in "".join(done.stdout + done.stderr for done in shown)
    assert "bug" not in "".join(done.stderr for done in shown)


GATE = """\
smplan: 1
name: toy
stream_manager: {url: "URL", access_token: {secret: "env:RED5_ADMIN_TOKEN"}}
resources:
  api: {kind: gate.stream_manager, spec: {timeout: 1}}
"""


@pytest.mark.parametrize("status", [200, 400, 404, 500, 0])
def test_a_token_that_the_gate_on_the_api_is_sent_is_in_no_outlet(tmp_path: Path, server: Server, status: int) -> None:
    (tmp_path / "toy.yaml").write_text(GATE.replace("URL", server.url))
    env = {"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_SECRET_HOSTS": server.url}
    echo = json.dumps(" ".join(FORMS))[1:-1]
    body = f"Dummy {echo}" if status == 200 else json.dumps({"errorMessage": f"no: {echo}"})
    server.answers["GET /streammanager/api/4.0/admin/debug/cloudcontroller"] = (status, body)
    done = [
        ran(tmp_path, *command, env=env)
        for command in (("plan", "toy.yaml"), ("apply", "toy.yaml", "--yes", "--json"), ("state", "pull"))
    ]
    assert done[1].returncode != 0
    assert any(quote(SECRET, safe="") in asked[1] for asked in server.asked)
    assert "/streammanager/api/4.0/admin of 127.0.0.1:" in done[1].stdout
    assert leaks(tmp_path, *(each.stdout + each.stderr for each in done)) == []


def test_the_location_of_a_redirect_is_not_shown(tmp_path: Path, server: Server) -> None:
    (tmp_path / "toy.yaml").write_text(BEHIND.replace("URL", server.url))
    server.headers["Location"] = f"http://elsewhere.test/?accessToken={quote(SECRET)}"
    server.answers[f"GET {API}/p"] = server.answers[f"GET {API}"] = (302, SECRET)
    done = ran(
        tmp_path, "apply", "toy.yaml", "--yes", env={"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_SECRET_HOSTS": server.url}
    )
    assert "redirect" in done.stdout + done.stderr
    assert leaks(tmp_path, done.stdout, done.stderr) == []


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY"])
def test_a_password_in_the_url_of_an_endpoint_or_proxy_is_not_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / "toy.yaml").write_text(TOY.replace("resources:", "aws: {region: us-east-1}\nresources:"))
    secret = "canary-password"
    env = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "canary-password-of-aws",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        name: f"http://me:{secret}@127.0.0.1:1/?token={secret}",
    }
    done = ran(tmp_path, "doctor", "toy.yaml", env=env)
    assert done.returncode == 1
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('input: "https://me:canary-typed@a.test/"', "a URL with credentials"),
        ('input: {a: ["curl ftp://me:canary-typed@a.test"]}', "a URL with credentials"),
        ('input: "${var.url}"', "a URL with credentials"),
        ('inptu: "https://me:canary-typed@a.test/"', "not a known field"),
    ],
)
def test_passwords_typed_into_a_blueprint_are_refused_and_not_shown(tmp_path: Path, wrong: str, message: str) -> None:
    (tmp_path / "toy.yaml").write_text(
        f"smplan: 1\nname: toy\nvariables: {{url: {{type: string, default: ''}}}}\n"
        f"resources: {{a: {{kind: core.value, spec: {{{wrong}}}}}}}\n"
    )
    env = {"SMPLAN_VAR_url": "https://me:canary-typed@a.test"}
    for command in ("validate", "plan", "drift"):
        done = ran(tmp_path, command, "toy.yaml", env=env)
        assert done.returncode == 3
        assert "canary-typed" not in done.stdout + done.stderr
    assert message in done.stderr
    assert not (tmp_path / ".smplan").exists()


@pytest.mark.parametrize(
    "wrong",
    [f"curl -d {SECRET} https://a.test", "GET /?accessToken=typed-in", f"x {quote(SECRET, safe='')}", "${var.url}"],
)
def test_the_value_of_a_secret_in_a_text_is_refused_and_not_shown(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "toy.yaml").write_text(
        "smplan: 1\nname: toy\nvariables: {url: {type: string, default: ''}}\n"
        "stream_manager: {url: 'https://sm.test', access_token: {secret: 'env:RED5_ADMIN_TOKEN'}}\n"
        f"resources: {{a: {{kind: core.value, spec: {{input: {json.dumps(wrong)}}}}}}}\n"
    )
    done = ran(tmp_path, "validate", "toy.yaml", env={"RED5_ADMIN_TOKEN": SECRET, "SMPLAN_VAR_url": SECRET})
    assert done.returncode == 3
    expected = "a URL with a token" if "?" in wrong else "this contains the value of a secret"
    assert expected in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "typed-in" not in done.stdout + done.stderr


def test_tokens_typed_into_endpoints_and_as_access_token_are_refused_and_not_shown(tmp_path: Path) -> None:
    tokens = ("0123456789abcdef0123456789abcdef", "canary-typed-as-token")
    (tmp_path / "toy.yaml").write_text(
        "smplan: 1\nname: toy\n"
        f"stream_manager: {{url: 'https://sm.test', access_token: {tokens[1]}, api_version: 5}}\n"
        "resources:\n"
        "  a: {kind: aws.sns.subscription, spec: {topic_arn: 'arn:aws:sns:us-east-1:123456789012:t', protocol: https,"
        f" wrong: 1, endpoint: 'https://events.pagerduty.com/integration/{tokens[0]}/enqueue'}}}}\n"
    )
    done = ran(tmp_path, "validate", "toy.yaml")
    assert done.returncode == 3
    assert "a webhook, whose address is a secret" in done.stderr
    assert "must be one of 4.0, 3.1" in done.stderr
    assert not any(token in done.stdout + done.stderr for token in tokens)


def test_the_sandbox_prints_its_own_secrets(tmp_path: Path) -> None:
    env = {"AWS_SECRET_ACCESS_KEY": "x" * 20, "RED5_ADMIN_TOKEN": SECRET}
    assert "no sandbox is running" in ran(tmp_path, "sandbox", "env", env=env).stderr


def test_the_operators_settings_are_read_from_their_own_folder(tmp_path: Path) -> None:
    (tmp_path / "smplan").mkdir()
    file = tmp_path / "smplan" / "smplan.toml"
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "SMPLAN_SECRET_HOSTS": " a.test, ,b.test "}
    assert secret_hosts(environ) == SecretHosts(("a.test", "b.test"))
    file.write_text('secret_hosts = ["c.test"]')
    assert secret_hosts(environ) == SecretHosts(("a.test", "b.test", "c.test"))
    for text in ("nonsense", "secret_hosts = 1", "secret_hosts = [1]", "other = 1"):
        file.write_text(text)
        with pytest.raises(SmplanError, match=r"smplan\.toml"):
            secret_hosts(environ)
    file.write_bytes(b"\xff")
    with pytest.raises(SmplanError, match="cannot be read"):
        secret_hosts(environ)


def test_settings_at_a_relative_path_are_not_read() -> None:
    for environ in ({}, {"HOME": ""}, {"HOME": "."}, {"XDG_CONFIG_HOME": "config", "HOME": "/root"}):
        assert config_file(environ) is None
    assert str(config_file({"HOME": "/home/me"})) == "/home/me/.config/smplan/smplan.toml"
