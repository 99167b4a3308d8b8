"""Fixtures for tests of commands: a temporary folder, and commands run in this process."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from smplan.cli.main import main
from smplan.core.state.model import State
from smplan.stores.local import LocalStore

TOY = """\
smplan: 1
name: toy
variables:
  word: {type: string, default: hello}
resources:
  first: {kind: core.value, spec: {input: "${var.word}"}}
  second: {kind: core.value, spec: {input: "${first.output} you"}}
outputs:
  text: ${second.output}
  many: [1, 2]
"""


@dataclass(frozen=True)
class Ran:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON; nothing else may be there."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A folder with the blueprint ``toy.yaml`` in it, where commands are run."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Ran:
        """Run a command."""
        self.capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    def ok(self, *arguments: object) -> Ran:
        """Run a command that must end with 0."""
        ran = self(*arguments)
        assert ran.code == 0, ran
        return ran

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def applied(self) -> None:
        """Plan and apply the toy."""
        self.ok("plan", "toy.yaml")
        self.ok("apply", "--yes")

    @property
    def state(self) -> State:
        """The toy's state."""
        folded = LocalStore(self.folder / "state" / "toy.state.json").read().folded
        assert folded is not None
        return folded.state


@pytest.fixture
def smplan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """smplan, in a new folder."""
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path, capsys)
    shell.write("toy.yaml", TOY)
    return shell


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 on this machine, which honours conditions."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the environment variables to reach it."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"state-{uuid.uuid4()}"
    client = boto3.session.Session().client("s3")
    client.create_bucket(Bucket=name)
    client.close()
    return name
