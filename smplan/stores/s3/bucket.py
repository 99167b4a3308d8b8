"""Objects of one bucket: conditional writes, retries, and reading back what became of an unanswered write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from smplan.core import aws_errors
from smplan.errors import StoreError
from smplan.stores.codec import STATE_BYTES
from smplan.stores.interface import Clock, ignore
from smplan.stores.s3 import errors
from smplan.stores.s3.errors import Ambiguous, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

CONNECT_SECONDS = 5
READ_SECONDS = 15
RETRY_PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each retry of a call without a clear response. The SDK retries nothing: it would not report it."""
DELETE_BATCH = 1000
"""How many objects one DeleteObjects may name."""


def connect(region: str | None = None) -> S3Client:
    """An S3 client with timeouts that fit a lease; region, credentials and endpoint as other AWS tools find them."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    try:
        return boto3.session.Session(region_name=region).client("s3", config=config)
    except BotoCoreError as error:
        raise errors.from_library(error, "S3") from error


@dataclass(frozen=True, slots=True)
class Object:
    """The bytes of an object, its ETag, and the server time of the response."""

    body: bytes
    etag: str
    date: datetime


class Bucket:
    """One bucket. ``on_warning`` gets every retry."""

    def __init__(
        self,
        client: S3Client,
        name: str,
        *,
        kms_key_id: str | None,
        clock: Clock,
        on_warning: Callable[[str], None] = ignore,
    ) -> None:
        self.name = name
        self._client = client
        self._clock = clock
        self.on_warning = on_warning
        self._encryption: dict[str, Any] = {}
        if kms_key_id:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
        self._server_time: tuple[datetime, float] | None = None

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.name}/{key}"

    def now(self) -> datetime:
        """The server's time, at most a second behind. Raises StoreError if no response had a Date header."""
        if self._server_time is None:
            raise self._no_date()
        date, then = self._server_time
        return date + timedelta(seconds=self._clock.now() - then)

    def _no_date(self) -> StoreError:
        return StoreError(
            f"s3://{self.name}: the store sends no Date header",
            hint="keep state in a store that sends one: leases depend on it",
        )

    def get(self, key: str, limit: int) -> Object | None:
        """The object at ``key``, None if there is none. Raises StoreError, also for more than ``limit`` bytes."""

        def once() -> Object | None:
            with suppress(NotFound), self._translate_errors(key) as ask:
                response = ask(self._client.get_object, Bucket=self.name, Key=key)
                if response["ContentLength"] > limit:
                    raise StoreError(
                        f"{self.uri(key)} is larger than {limit} bytes", hint="not written by smplan; inspect it"
                    )
                date = _date(response)
                if date is None:
                    raise self._no_date()
                return Object(response["Body"].read(), response["ETag"], date)
            return None

        return self._retry(once)

    def etag(self, key: str) -> str | None:
        """The ETag of the object at ``key``, None if there is none."""

        def once() -> str | None:
            with suppress(NotFound), self._translate_errors(key) as ask:
                return str(ask(self._client.head_object, Bucket=self.name, Key=key)["ETag"])
            return None

        return self._retry(once)

    def put(self, key: str, body: bytes, *, etag: str | None) -> str:
        """Write ``body`` if the object still has ``etag``, or if there is none (None). The new ETag.

        Raises PreconditionFailed if the condition did not hold, Ambiguous if it is unknown whether it was written.
        Either way it counts as written if ``body`` is what is stored: so give each body a unique part.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._retry(lambda: self._put(key, body, condition))

    def _put(self, key: str, body: bytes, condition: dict[str, str]) -> str:
        encryption = self._encryption
        try:
            with self._translate_errors(key) as ask:
                response = ask(self._client.put_object, Bucket=self.name, Key=key, Body=body, **condition, **encryption)
                return str(response["ETag"])
        except (NotFound, PreconditionFailed, Ambiguous) as problem:
            found = self.get(key, STATE_BYTES)
            if found and found.body == body:
                return found.etag
            if isinstance(problem, NotFound):
                raise PreconditionFailed(str(problem), hint=problem.hint) from problem
            raise

    def delete(self, key: str, etag: str) -> None:
        """Delete the object if it still has ``etag``. Raises PreconditionFailed if it has another. Gone is success."""

        def once() -> None:
            with suppress(NotFound), self._translate_errors(key) as ask:
                ask(self._client.delete_object, Bucket=self.name, Key=key, IfMatch=etag)

        self._retry(once)

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with ``prefix``, sorted."""

        def once() -> list[str]:
            with self._translate_errors(prefix):
                pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
                return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

        return self._retry(once)

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects that are not needed any more, whatever their contents."""
        for start in range(0, len(keys), DELETE_BATCH):
            with self._translate_errors(keys[start]) as ask:
                objects = [{"Key": key} for key in keys[start : start + DELETE_BATCH]]
                ask(self._client.delete_objects, Bucket=self.name, Delete={"Objects": objects, "Quiet": True})

    @property
    def partition(self) -> str:
        """Which AWS the bucket is in: aws, aws-cn, ..."""
        return str(self._client.meta.partition)

    def versioned(self) -> bool:
        """Whether the bucket keeps earlier versions of its objects."""
        with self._translate_errors("") as ask:
            return bool(ask(self._client.get_bucket_versioning, Bucket=self.name).get("Status") == "Enabled")

    def encryption(self) -> str:
        """The default encryption of the bucket: "AES256", "aws:kms", ..."""
        with self._translate_errors("") as ask:
            found = ask(self._client.get_bucket_encryption, Bucket=self.name)["ServerSideEncryptionConfiguration"]
            return str(found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    def _retry(self, once: Callable[[], T]) -> T:
        """``once``, retried after ambiguous responses."""
        for pause in RETRY_PAUSES:
            try:
                return once()
            except Ambiguous as problem:
                self.on_warning(f"{problem}; retrying in {pause:.1f} s")
                self._clock.pause(pause)
        return once()

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[Callable[..., Any]]:
        """A function for calls that raises their errors as StoreError and notes the server's time."""
        sent = self._clock.now()

        def ask(method: Callable[..., Any], **arguments: Any) -> Any:
            response = method(**arguments)
            self._note_time(response, sent)
            return response

        try:
            yield ask
        except ClientError as error:
            self._note_time(error.response, sent)
            raise errors.from_response(error.response, self.uri(key)) from error
        except BotoCoreError as error:
            raise errors.from_library(error, self.uri(key)) from error
        except RuntimeError as error:
            if not aws_errors.has_expired(error):
                raise
            raise errors.from_library(error, self.uri(key)) from error

    def _note_time(self, response: Any, sent: float) -> None:
        """Note the Date of a response. Counted from when the request was sent, it is at most a second behind."""
        date = _date(response)
        if date:
            self._server_time = (date, sent)


def _date(response: Any) -> datetime | None:
    """The Date of a response, to the second; None if there is none."""
    header = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, TypeError):
        return None
