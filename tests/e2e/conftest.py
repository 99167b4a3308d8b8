"""Sandboxes with a folder, in which the command line runs as its own process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from smplan.drivers.red5.client import StreamManager
from smplan.sandbox.inventory import inventory
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox
from tests.support import forked

SPEED = 240.0
BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
_accounts = count(300_000_000_000)


@dataclass(frozen=True)
class CliSandbox:
    """A sandbox with its Stream Managers, and a folder to work in."""

    box: Sandbox
    folder: Path

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """``smplan`` with ``args``, as its own process."""
        return forked.run(args, self.folder, {**os.environ, **self.box.env()})

    def done(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The same, and it must end with 0."""
        result = self.run(*args)
        assert result.returncode == 0, f"smplan {' '.join(args)}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def client(self, service: str) -> Any:
        """A plain boto3 client."""
        env = self.box.env()
        session: Any = boto3.session.Session(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"]
        )
        return session.client(service, endpoint_url=env["AWS_ENDPOINT_URL"])

    def stream_manager(self, host: str, connect_to: str) -> StreamManager:
        """The client of the Stream Manager, through the load balancer, by its public name."""
        env = self.box.env()
        return StreamManager(
            f"https://{host}",
            token=lambda: env["RED5_ADMIN_TOKEN"],
            connect_to=connect_to,
            connect_map=env["SMPLAN_CONNECT_TO"],
            ca_file=env["SMPLAN_CA_FILE"],
        )

    def standing(self) -> set[str]:
        """Everything that exists in the sandbox."""
        return inventory(self.box.env())

    def blueprint(self, name: str = "stream-manager.yaml", edit: Callable[[str], str] | None = None) -> str:
        """The path of a copy of one of the project's blueprints, edited by ``edit``: its folder is the workspace."""
        text = (BLUEPRINTS / name).read_text(encoding="utf-8")
        if edit is None:
            copy = self.folder / name
            copy.write_text(text, encoding="utf-8")
            return str(copy)
        copy = self.folder / f"edited-{name}"
        edited = edit(text)
        assert edited != text, "the edit found nothing to change"
        copy.write_text(edited, encoding="utf-8")
        return str(copy)


@contextmanager
def staged(folder: Path, speed: float = SPEED) -> Iterator[CliSandbox]:
    """A sandbox with an account of its own."""
    with Sandbox(speed=speed, account=str(next(_accounts)), gateway=Gateway) as box:
        yield CliSandbox(box, folder)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[CliSandbox]:
    """A fresh sandbox, and an empty folder."""
    with staged(tmp_path) as found:
        yield found
