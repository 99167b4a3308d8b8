"""A sandbox of this folder's own, whose time stands still until a test pushes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from smplan.sandbox.aws import quotas
from smplan.sandbox.sandbox import Sandbox

Client = Callable[[str], Any]
_numbers = count(1)


@pytest.fixture(scope="session")
def still() -> Iterator[Sandbox]:
    """Its clock moves only by ``advance``; another account than ``box`` has, so both can run."""
    with Sandbox(speed=0.0, account="210987654321", gateway=None) as sandbox:
        quotas.set_limit(sandbox.aws, "elasticloadbalancing", "L-53DA6B97", 1000)  # tests leave theirs behind
        yield sandbox


@pytest.fixture(scope="session")
def aws_of(still: Sandbox) -> Client:
    """A plain boto3 client of a service, over the wire."""
    env = still.env()
    session = boto3.session.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            config = Config(retries={"mode": "standard", "total_max_attempts": 1})
            client_of: Any = session.client  # typed only for names known in advance
            made[service] = client_of(service, endpoint_url=env["AWS_ENDPOINT_URL"], config=config)
        return made[service]

    return client


@pytest.fixture
def name() -> str:
    """A name no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def later(still: Sandbox) -> Callable[[float], None]:
    """Let virtual seconds pass, and see to what they bring."""

    def pass_by(seconds: float) -> None:
        still.clock.advance(seconds)
        still.tick()

    return pass_by


def refused(code: str, call: Callable[..., Any], /, **arguments: Any) -> str:
    """The text with which AWS refuses ``call``; the code must be ``code``."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return str(error.get("Message", ""))
