"""The two backends, behind one fixture."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.stores.samples import LocalPlace, Place, S3Place


@pytest.fixture(scope="session")
def s3_client() -> Iterator[Any]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.session.Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=40),
    )
    yield client
    client.close()
    server.stop()


@pytest.fixture
def local_place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path)


@pytest.fixture
def s3_place(s3_client: Any) -> S3Place:
    bucket = f"state-{uuid.uuid4()}"
    s3_client.create_bucket(Bucket=bucket)
    return S3Place(s3_client, bucket)


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found
