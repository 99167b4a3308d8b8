"""The fake S3 of these tests answers as moto's does, in memory and over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.s3 import MemoryS3, S3Server


@pytest.fixture
def over_http() -> Iterator[Any]:
    with S3Server(MemoryS3()) as server:
        session = boto3.session.Session("ann", "none", region_name="us-east-1")
        client = session.client("s3", endpoint_url=server.url)
        yield client
        client.close()


def status(call: Callable[..., Any], **arguments: Any) -> int | str:
    """The ETag or the status of a response, or the status of an error."""
    try:
        response = call(**arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    return str(response.get("ETag", response["ResponseMetadata"]["HTTPStatusCode"] // 100))


def conversation(client: Any) -> list[object]:
    """What a client answers to all calls that the store makes, conditions held and not held."""
    bucket = f"b-{uuid4()}"
    if not isinstance(client, MemoryS3):
        status(client.create_bucket, Bucket=bucket)
    key = {"Bucket": bucket, "Key": "a & <b>/ü"}
    found: list[object] = [
        status(client.get_object, **key),
        status(client.head_object, **key),
        status(client.put_object, **key, Body=b"0", IfMatch='"other"'),
    ]
    first = status(client.put_object, **key, Body=b"1", IfNoneMatch="*")
    found += [
        first,
        status(client.put_object, **key, Body=b"2", IfNoneMatch="*"),
        status(client.put_object, **key, Body=b"2", IfMatch='"other"'),
        status(client.put_object, **key, Body=b"2", IfMatch=first),
        status(client.head_object, **key),
        client.get_object(**key)["Body"].read(),
        client.get_object(**key)["ContentLength"],
        status(client.delete_object, **key, IfMatch=first),
    ]
    for name in ("a & <b>/2", "c"):
        client.put_object(Bucket=bucket, Key=name, Body=b"x")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="a & ")
    found.append([item["Key"] for page in pages for item in page["Contents"]])
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a & <b>/2"}, {"Key": "none"}], "Quiet": True})
    found.append(status(client.get_object, Bucket=bucket, Key="a & <b>/2"))
    found.append(status(client.delete_object, **key, IfMatch=client.head_object(**key)["ETag"]))
    found.append(status(client.head_object, **key))
    return found


def test_the_fake_answers_as_moto_does(s3_client: Any, over_http: Any) -> None:
    expected = conversation(s3_client)
    assert conversation(MemoryS3()) == expected
    assert conversation(over_http) == expected


def test_without_conditions_every_write_is_done() -> None:
    s3 = MemoryS3(conditional=False)
    key = {"Bucket": "b", "Key": "k"}
    s3.put_object(**key, Body=b"1")
    s3.put_object(**key, Body=b"2", IfNoneMatch="*")
    s3.put_object(**key, Body=b"3", IfMatch='"other"')
    assert s3.objects == {"k": b"3"}
    s3.delete_object(**key, IfMatch='"other"')
    assert s3.objects == {}
